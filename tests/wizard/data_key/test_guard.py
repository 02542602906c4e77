"""May a new data key be made: one answer for the same account, whichever command asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from components.settings import SecretStore, Settings
from tests.wizard.commands.rotate.stack_world import NOW, World
from tests.wizard.fakes.clients import (
    IDENTITY,
    KEY,
    MULTI_KEY,
    REPLICA,
    REPLICA_REGION,
    TOKEN,
    multi_region,
    settings,
    wrapped,
)
from wizard.commands.options import PushOptions
from wizard.core.clients import Answer, Request, Source
from wizard.core.errors import PermissionDenied, SetupError, StackNotFound, Unreachable
from wizard.core.models.account import Existing
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import VersionOrigin
from wizard.core.models.stack import StackState
from wizard.core.target_context import TargetContext
from wizard.data_key import guard
from wizard.data_key.guard import DecisionState
from wizard.inputs.answers import from_settings
from wizard.setup.preflight import checks

BESIDE = "/eonpro/production/AWS_KMS_KEY_ID"
EARLIER = wrapped("earlier")


def keep(world: World, *seeds: str) -> None:
    """Versions under /eonpro/production/data-keys/."""
    for seed in seeds:
        world.key_rotation.keep(world.settings, wrapped(seed), key_arn=KEY, origin=VersionOrigin.FIRST, at=NOW)


def never(world: World) -> None:
    """A stack whose first run ended before the data key."""


def versions_kept(world: World) -> None:
    keep(world, "earlier", "later")


def variable_left(world: World) -> None:
    world.aws.parameters[BESIDE] = KEY


def only_the_record_of_a_backup_left(world: World) -> None:
    world.aws.parameters["/eonpro/production/backup"] = (
        "2026-11-01T00:00:00+00:00 sha256:0123456789abcdef s3://clinic/a"
    )


def variable_left_in_the_other_store(world: World) -> None:
    world.aws.secret_values[BESIDE] = KEY


def target_has_a_kept_version(world: World) -> None:
    keep(world, "earlier")
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = EARLIER.value


def target_has_one_that_nobody_kept(world: World) -> None:
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = EARLIER.value


def versions_not_listed(world: World) -> None:
    world.key_rotation.failures["versions"] = Unreachable("SSM does not answer", "run the same command again")


def versions_denied(world: World) -> None:
    world.key_rotation.failures["versions"] = PermissionDenied("you may not do ssm:GetParametersByPath", "ask for it")


def every_version_was_altered(world: World) -> None:
    world.key_rotation.altered_entries = (f"/eonpro/production/data-keys/{EARLIER.fingerprint[7:]}",)


HISTORIES: dict[Callable[[World], None], DecisionState] = {
    never: DecisionState.YES,
    versions_kept: DecisionState.NO,
    variable_left: DecisionState.NO,
    only_the_record_of_a_backup_left: DecisionState.NO,
    variable_left_in_the_other_store: DecisionState.NO,
    target_has_a_kept_version: DecisionState.NO,
    target_has_one_that_nobody_kept: DecisionState.NO,
    every_version_was_altered: DecisionState.NO,
    versions_not_listed: DecisionState.UNKNOWN,
    versions_denied: DecisionState.UNKNOWN,
}


def world_after(history: Callable[[World], None]) -> World:
    """A deployed stack without a stored data key and without the three variables, after that history."""
    world = World()
    world.delete_stored_key()
    world.vercel.variables.clear()
    history(world)
    world.log.clear()
    return world


def setup(world: World) -> str | None:
    """The next step of the preflight; None where it finds nothing wrong."""
    findings = checks.check(
        stack="production",
        values={**from_settings(world.settings), "vercel_token": TOKEN},
        saved=world.settings,
        identity=IDENTITY,
        aws=world.aws,
        vercel=world.vercel,
        engine=world.engine,
    )
    return findings.problems[0].next if findings.problems else None


def push(world: World) -> str | None:
    answers = {"vercel_token": Answer(value=TOKEN, source=Source.FLAG, where="--vercel-token-file")}
    request = Request(stack="production", answers=answers, saved=world.settings, yes=True)
    try:
        PushOptions().run(request, world.clients())
    except SetupError as error:
        return error.hint
    return None


def rotate(world: World) -> str | None:
    try:
        world.run("rotate", "--data-key")
    except StackNotFound as error:
        assert error.hint.startswith("python -m wizard push"), "the first data key is made by a push"
        return None
    except SetupError as error:
        return error.hint
    raise AssertionError("there is no data key to rotate")


def restore(world: World) -> str | None:
    """The next step of the list; where there is nothing to list, a restore does not say that one may be made."""
    try:
        _, document = world.ended("restore")
    except SetupError as error:
        return error.hint
    return str(document["next"])


def import_(world: World) -> str | None:
    try:
        document = world.run("adopt", "--encryption-key")
    except SetupError as error:
        return error.hint
    version = world.key_rotation.version(world.settings, document["fingerprint"])
    assert version is not None
    return None if version.current else str(document["next"][0]["command"])


@pytest.mark.parametrize("ask", [setup, push, rotate, import_])
@pytest.mark.parametrize(("history", "state"), HISTORIES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_every_command_gives_the_same_answer_for_the_same_account(
    history: Callable[[World], None], state: DecisionState, ask: Callable[[World], str | None]
) -> None:
    world = world_after(history)

    next_step = ask(world)

    if state is DecisionState.YES:
        assert next_step is None
        return
    assert next_step is not None
    assert "cloud.make_data_key" not in {call.split()[0] for call in world.log}
    assert world.settings.names.stored_data_key not in world.aws.stored_keys
    if state is DecisionState.NO:
        assert next_step.startswith("python -m wizard restore"), ask.__name__


def target_has_an_encryption_key(world: World) -> None:
    world.vercel.variables["ENCRYPTION_KEY"] = "ab" * 32


@pytest.mark.parametrize("ask", [setup, push, rotate])
def test_records_under_an_encryption_key_get_no_second_key_unasked(ask: Callable[[World], str | None]) -> None:
    world = world_after(target_has_an_encryption_key)

    next_step = ask(world)

    assert next_step is not None and next_step.startswith("python -m wizard setup --former-key wrap")
    assert "cloud.make_data_key" not in {call.split()[0] for call in world.log}


def test_an_encryption_key_that_is_adopted_becomes_the_data_key() -> None:
    assert import_(world_after(target_has_an_encryption_key)) is None


def test_a_target_that_cannot_be_read_may_hold_an_encryption_key() -> None:
    world = world_after(never)
    world.vercel.failures["former_key"] = Unreachable("Vercel does not answer", "run the same command again")

    assert guard.may_create_in(world_context(world)).state is DecisionState.UNKNOWN


def world_context(world: World) -> TargetContext:
    return TargetContext(
        stack="production",
        settings=world.settings,
        aws=world.aws,
        targets=world.settings.deploy_targets,
        outputs=world.outputs,
        vercel=world.vercel,
        project=world.vercel.project,
    )


def test_the_answer_comes_with_the_reason_and_the_command() -> None:
    world = world_after(versions_kept)

    decision = guard.may_create(world.aws, world.settings)

    assert decision.state is DecisionState.NO
    assert decision.what == "/eonpro/production/ENCRYPTED_PHI_KEY is missing, and versions of it exist (2)"
    assert decision.next == "python -m wizard restore"


def test_who_may_not_list_the_versions_is_told_so_with_exit_code_3() -> None:
    world = world_after(versions_denied)

    decision = guard.may_create(world.aws, world.settings)

    assert decision.problems[0].exit_code == 3
    with pytest.raises(PermissionDenied, match="no other data key was made"):
        decision.require()


def test_the_store_that_was_never_used_may_be_closed() -> None:
    world = world_after(never)
    world.aws.closed = (SecretStore.SECRETS_MANAGER,)

    assert guard.may_create(world.aws, world.settings).is_allowed


def test_the_store_of_the_last_run_may_not_be_closed() -> None:
    world = world_after(never)
    world.aws.closed = (SecretStore.SECRETS_MANAGER,)
    saved = settings(secret_store="secrets-manager")

    assert guard.may_create(world.aws, world.settings, saved=saved).state is DecisionState.UNKNOWN


def test_records_are_not_lost_with_a_settings_file_that_named_the_other_store() -> None:
    world = world_after(never)
    world.aws.closed = (SecretStore.SECRETS_MANAGER,)

    assert guard.may_create(world.aws, world.settings, outputs=world.outputs).state is DecisionState.UNKNOWN


def test_records_are_not_lost_with_a_state_that_a_target_outlives() -> None:
    """Pulumi's state is lost, and this run does not read the target that may have the only copy."""
    world = world_after(never)
    world.engine.stack_state = StackState(exists=False, has_key=False)
    world.aws.existing = Existing()
    saved = settings(deploy_targets=("vercel", "ecs"))
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = EARLIER.value

    findings = checks.check(
        stack="production",
        values={**from_settings(saved), "target": ("ecs",)},
        saved=saved,
        identity=IDENTITY,
        aws=world.aws,
        vercel=None,
        engine=world.engine,
    )

    assert [problem.next for problem in findings.problems] == ["python -m wizard setup --target ecs,vercel"]


def test_a_copy_in_a_replicas_region_rules_out_another_one() -> None:
    world = World(multi_region())
    world.delete_stored_key()
    name = world.settings.names.stored_data_key
    there = world.aws.with_region(REPLICA_REGION)
    there.stored_keys[name] = StoredDataKey(parameter=name, wrapped=EARLIER, key_arn=None, version=1)

    decision = guard.may_create(world.aws, world.settings)

    assert decision.state is DecisionState.NO and REPLICA_REGION in decision.what


def lost_in_its_own_region(wanted: Settings) -> World:
    """A stack with a replica, whose stored key and versions were deleted in its own Region."""
    world = World(wanted)
    replica = world.aws.with_region(REPLICA_REGION)
    for regional, key_arn in ((world.aws, MULTI_KEY), (replica, REPLICA)):
        regional.key_rotation.keep(wanted, wrapped(), key_arn=key_arn, origin=VersionOrigin.FIRST, at=NOW)
    world.delete_stored_key()
    world.key_rotation.entries.clear()
    return world


@pytest.mark.parametrize("ask", [setup, push])
def test_the_copy_of_a_replicas_region_is_the_data_key_and_no_second_one_is_made(
    ask: Callable[[World], str | None],
) -> None:
    world = lost_in_its_own_region(multi_region())

    assert ask(world) is None
    assert "cloud.make_data_key" not in {call.split()[0] for call in world.log}


def test_rotate_names_the_command_that_copies_the_data_key_back() -> None:
    assert str(rotate(lost_in_its_own_region(multi_region()))).startswith("python -m wizard push")


def test_a_version_that_only_a_replicas_region_has_can_be_restored() -> None:
    world = lost_in_its_own_region(multi_region())
    world.aws.with_region(REPLICA_REGION).stored_keys.clear()

    assert wrapped().fingerprint in {version["fingerprint"] for version in world.ended("restore")[1]["versions"]}
    world.run("restore", "--version", wrapped().fingerprint)

    assert world.current == wrapped()
    assert wrapped().fingerprint in world.kept()


@pytest.mark.parametrize(
    ("origin", "was_current", "is_leftover"),
    [(VersionOrigin.ADOPTED, False, True), (VersionOrigin.ADOPTED, True, False), (VersionOrigin.MADE, False, False)],
)
def test_what_an_interrupted_import_left_does_not_stop_that_import(
    origin: VersionOrigin, was_current: bool, is_leftover: bool
) -> None:
    world = world_after(never)
    world.key_rotation.keep(world.settings, EARLIER, key_arn=KEY, origin=origin, was_current=was_current, at=NOW)

    assert guard.may_create(world.aws, world.settings, importing=True).is_allowed is is_leftover
    assert not guard.may_create(world.aws, world.settings).is_allowed


def test_a_version_under_another_kms_key_may_not_replace_the_stored_one() -> None:
    world = World()
    version: Any = world.key_rotation.keep(
        world.settings, EARLIER, key_arn=f"{KEY}0", origin=VersionOrigin.FIRST, at=NOW
    )

    decision = guard.may_replace(world.aws, world.settings, world.outputs, version)

    assert decision.state is DecisionState.NO and "--reencrypt" in decision.next


def test_nothing_is_replaced_while_the_data_key_is_in_the_other_store() -> None:
    world = world_after(never)
    name = world.settings.names.stored_data_key
    world.aws.secrets[name] = StoredDataKey(
        parameter=name, wrapped=EARLIER, key_arn=KEY, version=1, store=SecretStore.SECRETS_MANAGER
    )

    decision = guard.may_replace(world.aws, world.settings, world.outputs)

    assert decision.state is DecisionState.NO and decision.next == "python -m wizard push"
