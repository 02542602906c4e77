"""A stack that is set up in full over fakes, its application deployed, and whoever runs the commands of rotation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from components.settings import SecretStore, Settings
from tests.wizard.fakes.clients import (
    CREDENTIALS,
    TOKEN,
    FakeAwsClient,
    FakeDecryptVerifier,
    FakeEngine,
    FakeUserInterface,
    FakeVercelClient,
    built,
    clients_of,
    settings,
)
from tests.wizard.fakes.rotation import FakeKeyRotation, FakeWrapper
from wizard.cli.parser import flags_of, parse
from wizard.core.clients import Answer, Clients, Request, Source
from wizard.core.data_key import WrappedDataKey
from wizard.core.models.rotation import DataKeyVersion

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class World:
    """The stack `production`, with the data key `wrapped()` in its stored data key and on Vercel."""

    def __init__(self, wanted: Settings | None = None) -> None:
        self.settings = wanted or settings()
        self.aws = FakeAwsClient(credentials=CREDENTIALS)
        state = built(self.aws, self.settings)
        self.engine = FakeEngine(aws=self.aws, stack_state=state)
        assert state.outputs is not None
        self.outputs = state.outputs
        self.vercel = FakeVercelClient(team=self.settings.vercel_team or "acme")
        self.prover = FakeDecryptVerifier(aws=self.aws)
        self.wrapper = FakeWrapper(aws=self.aws)
        self.ui = FakeUserInterface()
        self.token: str | None = TOKEN
        self.entered: str | None = None
        """The data key in EONPRO_ENCRYPTED_PHI_KEY."""
        self.now = NOW
        log = self.aws.log
        self.vercel.log = self.engine.log = self.prover.log = self.ui.log = log
        self.vercel.variables = {
            "ENCRYPTED_PHI_KEY": self.current.value,
            "AWS_KMS_KEY_ID": self.outputs.key_arn,
            "AWS_REGION": self.settings.region,
        }

    @property
    def log(self) -> list[str]:
        """Every call to every edge, in order."""
        return self.aws.log

    @property
    def key_rotation(self) -> FakeKeyRotation:
        """The keys and the ledger of the stack's own Region."""
        return self.aws.key_rotation

    @property
    def current(self) -> WrappedDataKey:
        """What the stored data key holds."""
        in_secrets = self.settings.secret_store is SecretStore.SECRETS_MANAGER
        return (self.aws.secrets if in_secrets else self.aws.stored_keys)[self.settings.names.stored_data_key].wrapped

    def delete_stored_key(self) -> None:
        """Somebody deletes the stored data key."""
        del self.aws.stored_keys[self.settings.names.stored_data_key]

    def run(self, *words: str, confirm: str | None = "production", yes: bool = False) -> dict[str, Any]:
        """One command to its document."""
        return self.ended(*words, confirm=confirm, yes=yes)[1]

    def ended(self, *words: str, confirm: str | None = "production", yes: bool = False) -> tuple[int, dict[str, Any]]:
        """One command to its exit code and its document."""
        self.log.clear()
        given = {"--confirm": ("--confirm", confirm) if confirm else (), "--yes": ("--yes",) if yes else ()}
        taken = flags_of(words[0], words[1:])
        line = parse([*words, *(word for flag, typed in given.items() if flag in taken for word in typed)])
        answers = (
            {"vercel_token": Answer(value=self.token, source=Source.FLAG, where="--vercel-token-file")}
            if self.token
            else {}
        )
        if self.entered is not None:
            answers["encrypted_phi_key"] = Answer(value=self.entered, source=Source.ENVIRONMENT, where="EONPRO_…")
        request = Request(
            stack="production",
            answers=answers,
            saved=self.settings,
            yes=line.run.yes,
            confirmed=line.run.confirm,
            redeploy=line.run.redeploy,
        )
        code, document = line.options.run(request, self.clients())
        return code, dict(document)

    def clients(self) -> Clients:
        """The edges."""
        return clients_of(
            self.aws,
            self.engine,
            ui=self.ui,
            vercel=lambda token: replace(self.vercel, token=token) if token != TOKEN else self.vercel,
            prover=self.prover,
            wrapper=self.wrapper,
            now=lambda: self.now,
        )

    def kept(self) -> dict[str, DataKeyVersion]:
        """The ledger of the stack's own Region, by fingerprint."""
        return self.key_rotation.entries

    def changes(self) -> list[str]:
        """The calls of the last command that changed something."""
        quiet = ("versions", "version", "stored_key", "rotations", "schedule", "altered")
        changing = ("cloud.make", "cloud.write", "cloud.deliver", "vercel.deliver", "engine.prepare", "engine.up")
        return [
            call
            for call in self.log
            if call.startswith(changing)
            or (call.startswith("keyring.") and call.split()[0].removeprefix("keyring.") not in quiet)
        ]
