"""A stack as the commands of day two find it, over fakes of the edges."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from components.settings import Settings
from tests.wizard.fakes.clients import (
    ACCOUNT,
    IDENTITY,
    OTHER_ACCOUNT,
    OUTPUTS,
    TOKEN,
    FakeAwsClient,
    FakeEngine,
    FakeVercelClient,
    built,
    clients_of,
    settings,
)
from tests.wizard.fakes.rotation import FakeKeyRotation
from wizard.account.facts import StackFacts
from wizard.commands import deployed_stack
from wizard.core.clients import Answer, Clients, Request, Source
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import (
    CredentialsError,
    DamagedState,
    DataKeyConflict,
    SetupError,
    StackNotFound,
    Unreachable,
    attempted,
)
from wizard.core.models.rotation import StoredKey, VersionOrigin
from wizard.core.models.stack import StackState
from wizard.core.next_command import Command
from wizard.pulumi_engine.backend import StatePlaces

WRAPPED = WrappedDataKey(value=base64.b64encode(b"a wrapped data key".ljust(184)).decode())
AWAY = Unreachable("it does not answer", "try again")


class World:
    """A stack that is set up in full, and whoever asks for it."""

    def __init__(self, wanted: Settings) -> None:
        self.settings: Settings | None = wanted
        self.aws = FakeAwsClient()
        self.vercel = FakeVercelClient(team=wanted.vercel_team or "acme")
        self.engine = FakeEngine(aws=self.aws, stack_state=built(self.aws, wanted))
        self.answers: dict[str, Any] = {"vercel_token": TOKEN}
        self.connected: list[tuple[str | None, str | None]] = []
        self.environments: list[Mapping[str, str]] = []
        self.state: StatePlaces | None = None

    def find(self) -> StackFacts:
        return deployed_stack.find(*self.run())

    def run(self) -> tuple[Request, Clients]:
        """What a command is given."""

        def connect(profile: str | None, region: str | None) -> FakeAwsClient:
            self.connected.append((profile, region))
            return self.aws

        def engine(environment: Mapping[str, str], *, secrets_provider: str | None = None) -> FakeEngine:
            self.environments.append(environment)
            return self.engine

        clients = clients_of(
            self.aws, self.engine, connect=connect, vercel=lambda token: self.vercel, engine=engine, state=self.state
        )
        told = {key: Answer(value=value, source=Source.FLAG, where="flag") for key, value in self.answers.items()}
        return Request(stack="production", answers=told, saved=self.settings), clients


@pytest.fixture
def world() -> World:
    return World(settings())


def test_everything_is_found_and_nothing_is_changed(world: World) -> None:
    found = world.find()
    assert found.identity == replace(IDENTITY, account_alias=None)
    assert found.outputs == OUTPUTS == deployed_stack.outputs_of(found)
    assert found.project == world.vercel.project
    assert world.aws.log == ["cloud.caller"] and world.engine.log == ["engine.state"]


def test_nothing_of_the_stack_is_read_before_it_is_needed(world: World) -> None:
    found = world.find()
    assert (world.aws.log, world.engine.log, world.vercel.log, world.environments) == ([], [], [], [])
    found.read("state", "project", "state")
    assert (world.engine.log, world.vercel.log) == (["engine.state"], ["vercel.find_project"])
    assert found.outputs == OUTPUTS and len(world.environments) == 1


def test_it_is_asked_in_the_stacks_own_region_with_the_named_profile(world: World) -> None:
    world.settings = settings(region="eu-central-1")
    world.answers["profile"] = "clinic"
    world.find()
    assert world.connected == [("clinic", "eu-central-1")]


def test_a_named_backend_is_the_one_that_is_asked(world: World) -> None:
    world.answers["backend"] = "s3://clinic-state"
    assert world.find().outputs
    assert world.environments[0]["PULUMI_BACKEND_URL"] == "s3://clinic-state"


def test_without_a_token_nobody_asks_vercel(world: World) -> None:
    del world.answers["vercel_token"]
    found = world.find()
    assert (found.vercel, found.project) == (None, None)


def test_a_stack_that_is_not_for_vercel_has_no_project() -> None:
    found = World(settings(deploy_targets=("ecs",), vercel_team=None, vercel_project=None)).find()
    assert (found.vercel, found.project) == (None, None)


def test_without_settings_and_with_a_damaged_state_the_state_comes_first(world: World) -> None:
    world.settings, back = None, Command("cp production.json.bak production.json")
    world.engine.failures["state"] = DamagedState("the state production.json is damaged", back)
    with pytest.raises(StackNotFound, match=r"does not exist, and the state production\.json is damaged") as refused:
        world.find()
    assert refused.value.hint == back


def test_without_settings_there_is_no_stack(world: World) -> None:
    world.settings = None
    with pytest.raises(StackNotFound, match=r"Pulumi\.production\.yaml") as refused:
        world.find()
    assert refused.value.hint == "pulumi config refresh --stack production", "the state has them"
    world.engine.stack_state = StackState(exists=False, has_key=False)
    with pytest.raises(StackNotFound) as refused:
        world.find()
    assert refused.value.hint == "python -m wizard status --all"


def test_credentials_of_another_account_are_refused_before_the_account_is_asked(world: World) -> None:
    world.aws.identity = replace(IDENTITY, account_id=OTHER_ACCOUNT)
    with pytest.raises(CredentialsError, match=f"{ACCOUNT}.*{OTHER_ACCOUNT}") as refused:
        world.find()
    assert refused.value.hint == "use a profile of that account: --profile NAME"
    assert (world.engine.log, world.vercel.log) == (["engine.state"], [])


def test_a_settings_file_with_another_account_than_the_stacks_key_is_what_is_put_right(world: World) -> None:
    """Nobody has credentials of an account that somebody mistyped."""
    assert world.settings is not None
    world.settings = world.settings.model_copy(update={"account_id": OTHER_ACCOUNT})
    with pytest.raises(CredentialsError, match="and so does the stack's key") as refused:
        world.find()
    assert refused.value.hint == "pulumi config refresh --stack production"


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_stored_data_key_that_somebody_edited_is_put_back_by_the_command_that_is_printed(
    world: World, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflict, fingerprint = DataKeyConflict("somebody replaced its value", Command("doctor")), WRAPPED.fingerprint
    edited = StoredKey(parameter="the stored key", version=2, value="changeme", tagged=fingerprint)
    if is_kept:
        world.aws.key_rotation.keep(
            settings(), WRAPPED, key_arn=OUTPUTS.key_arn, origin=VersionOrigin.FIRST, at=datetime.now(UTC)
        )
    monkeypatch.setattr(FakeKeyRotation, "stored_key", lambda *_: edited)
    found = world.find()
    found.once("stored data key", Mock(side_effect=conflict))
    with pytest.raises(DataKeyConflict, match="somebody replaced its value") as refused:
        deployed_stack.stored_data_key_of(found)
    back = f"restore --version {fingerprint} --stack production --confirm production --no-redeploy"
    assert refused.value.hint == (f"python -m wizard {back}" if is_kept else "doctor")


def test_a_backend_that_does_not_answer_is_a_fact(world: World) -> None:
    world.engine.failures["state"] = AWAY
    found = world.find()
    assert (found.state, found.outputs) == (AWAY, None)
    with pytest.raises(Unreachable):
        deployed_stack.outputs_of(found)


def test_a_project_that_is_not_there_is_a_fact(world: World) -> None:
    world.vercel.failures["find_project"] = AWAY
    assert world.find().project is AWAY


def test_a_stack_that_is_not_built_has_no_outputs(world: World) -> None:
    world.engine.stack_state = StackState(exists=True, has_key=False)
    with pytest.raises(StackNotFound, match="not deployed") as refused:
        deployed_stack.outputs_of(world.find())
    assert refused.value.hint == "python -m wizard setup --stack production"


def test_only_the_wizards_own_errors_become_values() -> None:
    def bug() -> None:
        raise KeyError("a bug")

    def refused() -> None:
        raise SetupError("refused", "ask")

    assert isinstance(attempted(refused), SetupError)
    with pytest.raises(KeyError):
        attempted(bug)


@pytest.mark.parametrize("given", [None, "a passphrase"])
def test_a_stack_whose_passphrase_the_set_up_made_can_be_rotated_later(world: World, tmp_path: Path, given) -> None:
    """The engine opens it with the file that the set-up made, or with what `--passphrase-file` holds."""
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "PULUMI_BACKEND_URL": "file://~"}
    (tmp_path / "Pulumi.production.yaml").write_text("encryptionsalt: v1:AAAAAAAAAAA=:v1:AAAAAAAAAAAAAAAA:AAAA\n")
    world.state = StatePlaces(tmp_path, environ)
    file = world.state.make_passphrase("production")
    world.answers["passphrase"] = given
    assert world.find().outputs
    [environment] = world.environments
    assert environment.get("PULUMI_CONFIG_PASSPHRASE") == given
    assert environment.get("PULUMI_CONFIG_PASSPHRASE_FILE") == (None if given else file)
    environ["PULUMI_CONFIG_PASSPHRASE"] = "of the shell"
    world.answers.clear()
    assert world.find().outputs
    assert not {name for name in world.environments[-1] if name.startswith("PULUMI")}
