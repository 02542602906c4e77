"""A stack in an emulated account, for histories of rotations: the real rotation over KMS, Parameter Store and Vercel.

Only the engine and the terminal are stand-ins. The application is played by the test, which opens the delivered key
with KMS as the application would, and keeps the records that it writes. Every change in AWS can be a run's last one.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from components.settings import Outputs, SecretStore, Settings
from eonpro_phi import PhiCipher
from eonpro_phi.__main__ import prove
from eonpro_phi.environment import FOR_READING
from tests.onboarding.deployment import _request
from tests.wizard.fakes.clients import FakeAwsClient, FakeEngine, FakeUserInterface
from wizard.aws.client import AwsClient, connect
from wizard.cli.parser import flags_of, parse
from wizard.commands.options import PushOptions
from wizard.core.clients import Answer, Clients, Request, Source
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import SetupError
from wizard.core.models.delivery import AppVariables
from wizard.core.models.stack import StackState
from wizard.core.models.verification import AppCredentials, ChildResult
from wizard.core.retry import Clock
from wizard.data_key import backup_document as document
from wizard.data_key.verification import DecryptVerifier, Wrapper
from wizard.vercel.client import VercelClient

ACCOUNT = "123456789012"
REGION = "us-east-1"
CHANGES = ("Put", "AddTags", "RemoveTags", "Tag", "Untag", "Create", "GenerateDataKey", "ReEncrypt", "RotateKey")
NUMBERS = count(1)


class PowerCut(BaseException):
    """The run ends here, whatever it was at; nothing after it happens."""


@dataclass
class Wire:
    """What goes over the wire to AWS: the changes are recorded, and one of them may be the run's last."""

    puts: list[Mapping[str, Any]] = field(default_factory=list)
    """The parameters of every PutParameter that was sent."""
    left: int | None = None
    """Changes until the power goes; None: it stays on."""
    after: bool = False
    """Whether the last change still reaches AWS."""

    def before_call(self, model: Any, params: Mapping[str, Any], **_: Any) -> None:
        """botocore's event before a request is sent."""
        if not model.name.startswith(CHANGES):
            return
        if self.left == 0 and not self.after:
            raise PowerCut
        if model.name == "PutParameter":
            self.puts.append(json.loads(params["body"]))

    def after_call(self, model: Any, **_: Any) -> None:
        """botocore's event after an answer has come."""
        if not model.name.startswith(CHANGES) or self.left is None:
            return
        if self.left == 0:
            raise PowerCut
        self.left -= 1


class Prover(DecryptVerifier):
    """The application's side, in this process: the same steps as the child's, with the application's credentials."""

    def may_decrypt(self, credentials: AppCredentials, *, region: str, key_arn: str) -> ChildResult:
        raise AssertionError("a rotation has a data key at hand")

    def prove(
        self,
        credentials: AppCredentials,
        batch: AppVariables,
        *,
        retry_seconds: float = 20.0,
        full: bool = False,
        reading: Sequence[WrappedDataKey] = (),
    ) -> ChildResult:
        told = prove(
            {
                **dict(batch.values),
                FOR_READING: " ".join(key.value for key in reading),
                "AWS_ACCESS_KEY_ID": credentials.access_key_id,
                "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
                **({"AWS_SESSION_TOKEN": credentials.session_token} if credentials.session_token else {}),
            },
            dry_run=not full,
        )
        return ChildResult(
            proved=told["proved"] is True,
            principal=str(told.get("principal")),
            fingerprint=str(told.get("fingerprint")),
            cause=str(told.get("cause", "")),
            message=str(told.get("message", "")),
        )


class Engine(FakeEngine):
    """A stack whose update sets the key's rotation period and does nothing else."""

    set_period: Callable[[int], None]

    def up(self, stack: str, on_progress: Any) -> Outputs:
        assert self.prepared is not None
        self.set_period(self.prepared.rotation_period_days)
        return self.outputs


@dataclass
class Account:
    """The emulated account, entered once for all histories."""

    environment: Mapping[str, str]
    wire: Wire = field(default_factory=Wire)

    def __post_init__(self) -> None:
        self.aws: AwsClient = connect(environ=dict(self.environment), clock=Clock(sleep=lambda _: None))
        events = self.aws._session._botocore
        events.register("before-call", self.wire.before_call)
        events.register("after-call", self.wire.after_call)

    def client(self, service: str) -> Any:
        """boto3's own client: the application's, and whoever works past the wizard."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )


class World:
    """One stack of the account, its application and its records."""

    def __init__(self, account: Account, folder: Path) -> None:
        self.account = account
        self.folder = folder
        self.kms, self.ssm = account.client("kms"), account.client("ssm")
        self.environment = f"h{next(NUMBERS)}-{secrets.token_hex(3)}"
        self.key = self.kms.create_key()["KeyMetadata"]["Arn"]
        self.kms.enable_key_rotation(KeyId=self.key)
        self.other_key = self.kms.create_key()["KeyMetadata"]["Arn"]
        given: dict[str, Any] = {
            "account_id": ACCOUNT,
            "region": REGION,
            "environment": self.environment,
            "administrators": [f"arn:aws:iam::{ACCOUNT}:user/clinic-admin"],
            "deploy_targets": ["ecs", "vercel"],
            "vercel_team": "eonpro",
            "vercel_project": "eonpro",
        }
        self.settings = Settings.read(given)
        self.prefix = self.settings.names.parameter_prefix
        self.outputs = Outputs(
            key_arn=self.key,
            key_id=self.key.rpartition("/")[2],
            alias_name=self.settings.names.alias,
            app_policy_arn=f"arn:aws:iam::{ACCOUNT}:policy/{self.settings.names.app_policy}",
            app_principal_arn=f"arn:aws:iam::{ACCOUNT}:role/{self.settings.names.app_role}",
            trail_arn="",
            trail_bucket="",
            parameter_prefix=self.prefix,
        )
        self.vercel = VercelClient(
            token=account.environment["VERCEL_TOKEN"],
            base_url=account.environment["VERCEL_API_URL"],
            sleep=lambda _: None,
        )
        self.values: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        """How often each parameter was written, by the store's own count."""
        self.records: list[tuple[str, str]] = []
        """Each with the text in it."""
        self.ever: set[str] = set()
        """Every well-formed value that the stored data key ever had, as anybody saw it between two runs."""
        self.known: list[str] = []
        """The fingerprint of every version, in the order in which they were first seen."""
        self.keys: dict[str, bytes | None] = {}
        """What KMS opened of a wrapped key; None for one that it does not open."""
        self.former: list[bytes] = []
        self.backups: list[Path] = []
        self.refused: list[str] = []
        self.done: Counter[str] = Counter()
        """How often each command came to its end, and how often the power went in it."""
        self.leave_vercel()

    # --- the wizard ----------------------------------------------------------------------------------------------

    def run(
        self, *words: str, cut: tuple[int, bool] | None = None, former: bytes | None = None
    ) -> dict[str, Any] | None:
        """One command of the wizard; `cut` ends it at that change, before or after it reaches AWS.

        None where the power went or the command was refused.
        """
        confirm = ("--confirm", self.environment) if "--confirm" in flags_of(words[0], words[1:]) else ()
        line = parse([*words, "--stack", self.environment, *confirm])
        wire = self.account.wire
        wire.left, wire.after = cut if cut is not None else (None, False)
        try:
            _, told = line.options.run(self._request(), self._doors(former))
            self.done[str(told["action"])] += 1
            return dict(told)
        except PowerCut:
            self.done["power cut"] += 1
            return None
        except SetupError as error:
            self.refused.append(f"{' '.join(words)}: {error.message}")
            return None
        finally:
            wire.left = None
            self.look()

    def push(self) -> None:
        """The stored data key to its targets; a new one where the stack never had any."""
        clients = self._doors(None)
        try:
            PushOptions().run(replace(self._request(), redeploy=False), clients)
        except SetupError as error:
            self.refused.append(f"push: {error.message}")
        finally:
            self.look()

    def backup(self) -> None:
        """A backup of what is kept now, as `backup --to FILE` writes it."""
        versions = self.account.aws.key_rotation.versions(self.settings)
        if not any(each.current for each in versions):
            return
        file = self.folder / f"{self.environment}-{len(self.backups)}.json"
        made = document.backup_of(
            created_at=datetime.now(UTC),
            stack=self.environment,
            settings=self.settings,
            store=SecretStore.PARAMETER_STORE,
            key_arn=self.key,
            versions=versions,
        )
        file.write_text(document.text_of(made))
        self.backups.append(file)

    def _request(self) -> Request:
        token = Answer(value=self.account.environment["VERCEL_TOKEN"], source=Source.ENVIRONMENT, where="VERCEL_TOKEN")
        return Request(
            stack=self.environment,
            answers={"vercel_token": token},
            saved=self.settings,
            yes=True,
            confirmed=self.environment,
        )

    def _doors(self, former: bytes | None) -> Clients:
        engine = Engine(aws=FakeAwsClient(), steps=(), outputs=self.outputs)
        engine.stack_state = StackState(exists=True, has_key=True, outputs=self.outputs)
        engine.set_period = lambda days: self.kms.enable_key_rotation(KeyId=self.key, RotationPeriodInDays=days)
        world = self

        class Wrapping(Wrapper):
            def wrap(self, environment: Mapping[str, str], *, key_arn: str, prompt: bool) -> WrappedDataKey:
                assert former is not None
                return WrappedDataKey.from_blob(world.kms.encrypt(KeyId=key_arn, Plaintext=former)["CiphertextBlob"])

        return Clients(
            ui=FakeUserInterface(),
            connect=lambda profile, region: self.account.aws,
            vercel=lambda token: self.vercel,
            engine=lambda environment, secrets_provider=None: engine,
            prover=Prover(self.folder),
            wrapper=Wrapping(self.folder),
        )

    # --- the application -----------------------------------------------------------------------------------------

    def write(self, where: str, text: str) -> None:
        """A record under whatever key is delivered there; none where none is, or none that opens."""
        wrapped = self.delivered(where)
        key = self.opened(wrapped) if wrapped else None
        if key is not None:
            record = PhiCipher(key).encrypt(text)
            assert record is not None
            self.records.append((record, text))

    def write_formerly(self, key: bytes, text: str) -> None:
        """A record of the time before KMS."""
        record = PhiCipher(key).encrypt(text)
        assert record is not None
        self.records.append((record, text))

    def delivered(self, where: str) -> str | None:
        """ENCRYPTED_PHI_KEY as a deployment of this moment gets it."""
        if where == "ecs":
            return self.stored_data_key
        url = f"{self.account.environment['VERCEL_API_URL']}/_sandbox/deployment/eonpro"
        found = _request("GET", url)
        return found.get("ENCRYPTED_PHI_KEY") if found.get("AWS_KMS_KEY_ID") == self.key else None

    def opened(self, wrapped: str) -> bytes | None:
        """What KMS makes of it, as the application asks, or as whoever restores from the ledger alone does."""
        if wrapped not in self.keys:
            try:
                blob = WrappedDataKey(value=wrapped).blob
                self.keys[wrapped] = self.kms.decrypt(CiphertextBlob=blob)["Plaintext"]
            except (ValueError, self.kms.exceptions.ClientError):
                self.keys[wrapped] = None
        return self.keys[wrapped]

    # --- what is there -------------------------------------------------------------------------------------------

    @property
    def stored_data_key(self) -> str | None:
        """What the stored data key held when it was last looked at."""
        return self.values.get(self.settings.names.stored_data_key)

    @property
    def entries(self) -> dict[str, str]:
        """The ledger as it was last looked at: name → wrapped key, read without the wizard."""
        return {
            name: value
            for name, value in self.values.items()
            if "/data-keys/" in name and "/data-keys/new/" not in name
        }

    def look(self) -> None:
        """Read the environment's parameters, without the wizard, and every value of the stored data key so far."""
        pages = self.ssm.get_paginator("get_parameters_by_path")
        found = [
            each
            for page in pages.paginate(Path=self.prefix, Recursive=True, WithDecryption=True)
            for each in page["Parameters"]
        ]
        self.values = {each["Name"]: each["Value"] for each in found}
        self.numbers = {each["Name"]: each["Version"] for each in found}
        for value in (self.stored_data_key, *self.entries.values()):
            if value and (fingerprint := _fingerprint(value)) and fingerprint not in self.known:
                self.known.append(fingerprint)
        if self.stored_data_key is None:
            return
        history = self.ssm.get_parameter_history(Name=self.settings.names.stored_data_key, WithDecryption=True)
        for version in history["Parameters"]:
            if _fingerprint(version["Value"]):
                self.ever.add(version["Value"])

    # --- whoever works past the wizard ---------------------------------------------------------------------------

    def delete_stored_key(self) -> None:
        """Somebody deletes the stored data key."""
        self.ssm.delete_parameter(Name=self.settings.names.stored_data_key)
        self.look()

    def corrupt_stored_key(self, value: str) -> None:
        """Somebody writes something into the stored data key that is no wrapped key."""
        self.ssm.put_parameter(
            Name=self.settings.names.stored_data_key, Value=value, Type="SecureString", Overwrite=True
        )
        self.look()

    def leave_vercel(self) -> None:
        """The project without the three variables, as it was before."""
        base, token = self.account.environment["VERCEL_API_URL"], self.account.environment["VERCEL_TOKEN"]
        headers = {"Authorization": f"Bearer {token}"}
        for each in _request("GET", f"{base}/v10/projects/eonpro/env?slug=eonpro", None, headers)["envs"]:
            _request("DELETE", f"{base}/v9/projects/eonpro/env/{each['id']}?slug=eonpro", None, headers)


def _fingerprint(value: str) -> str | None:
    try:
        return WrappedDataKey(value=value).fingerprint
    except MalformedDataKey:
        return None


def environment_of(variables: Mapping[str, str]) -> dict[str, str]:
    """The sandbox's variables, and nothing of whoever runs the tests."""
    keep = ("PATH", "HOME")
    return {name: os.environ[name] for name in keep if name in os.environ} | dict(variables)
