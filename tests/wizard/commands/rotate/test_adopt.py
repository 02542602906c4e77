"""`adopt --encryption-key` over fakes: the former key is stored as the first data key, or next to the stored one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.wizard.commands.rotate.stack_world import World
from tests.wizard.fakes.clients import IDENTITY, KEY, wrapped
from wizard.core.errors import Cancelled, PermissionDenied, UsageError
from wizard.core.models.rotation import VersionOrigin
from wizard.core.models.verification import ChildResult

OLD = wrapped().fingerprint


@pytest.fixture
def empty() -> World:
    """A stack that is built and has no data key yet, nor has Vercel."""
    made = World()
    made.delete_stored_key()
    made.vercel.variables.clear()
    return made


def test_where_no_data_key_ever_was_it_becomes_the_applications(empty: World) -> None:
    told = empty.run("adopt", "--encryption-key")
    assert empty.current.fingerprint == told["fingerprint"]
    assert empty.vercel.variables["ENCRYPTED_PHI_KEY"] == empty.current.value
    assert empty.kept()[told["fingerprint"]].origin is VersionOrigin.ADOPTED
    assert [each["state"] for each in told["proofs"]] == ["proved"]


def test_it_is_kept_and_opened_before_the_stored_data_key_has_it(empty: World) -> None:
    told = empty.run("adopt", "--encryption-key")
    new = told["fingerprint"]
    order = [f"keyring.keep {new}", "prover.prove", f"keyring.replace_current {new}", "vercel.deliver"]
    assert sorted(order, key=empty.log.index) == order


def test_beside_a_data_key_it_is_kept_and_not_current(world: World) -> None:
    told = world.run("adopt", "--encryption-key")
    assert world.current.fingerprint == OLD
    assert set(world.kept()) == {OLD, told["fingerprint"]}
    assert told["delivered"] == []
    fetching, scanning, promoting = (each["command"] for each in told["next"])
    assert f"data-keys/{told['fingerprint'].removeprefix('sha256:')}" in fetching and "phi scan" in scanning
    assert f"rotate --promote {told['fingerprint']}" in promoting


def test_it_is_not_taken_for_a_new_data_key_that_waits(world: World) -> None:
    adopted = world.run("adopt", "--encryption-key")["fingerprint"]
    assert world.run("rotate", "--data-key")["fingerprint"] != adopted


def test_where_the_stored_data_key_is_gone_it_does_not_take_its_place(world: World) -> None:
    world.run("rotate", "--data-key")
    world.delete_stored_key()
    told = world.run("adopt", "--encryption-key")
    assert world.settings.names.stored_data_key not in world.aws.stored_keys
    assert "restore" in str(told["next"][0])


def test_where_the_keys_arn_stands_beside_a_lost_stored_data_key_it_does_not_take_its_place(empty: World) -> None:
    empty.aws.parameters[f"{empty.settings.names.parameter_prefix}/AWS_KMS_KEY_ID"] = KEY
    told = empty.run("adopt", "--encryption-key")
    assert empty.settings.names.stored_data_key not in empty.aws.stored_keys
    assert told["next"][0]["command"] == "python -m wizard restore"
    assert "doctor names the first other copy" in told["next"][0]["advice"]


def test_a_first_adoption_that_was_cut_off_is_finished_by_the_next(empty: World) -> None:
    empty.key_rotation.crash_at = "replace_current"
    with pytest.raises(KeyboardInterrupt):
        empty.run("adopt", "--encryption-key")
    told = empty.run("adopt", "--encryption-key")
    assert empty.current.fingerprint == told["fingerprint"]


def test_an_adoption_that_was_cut_off_is_not_kept_a_second_time(world: World, empty: World) -> None:
    """Nobody could tell later which of the two opens the records, and none may be deleted."""
    world.run("adopt", "--encryption-key")
    empty.key_rotation.crash_at = "replace_current"
    with pytest.raises(KeyboardInterrupt):
        empty.run("adopt", "--encryption-key")
    for each in (world, empty):
        told = each.run("adopt", "--encryption-key")
        adopted = [mine.fingerprint for mine in each.kept().values() if mine.origin is VersionOrigin.ADOPTED]
        assert adopted == [told["fingerprint"]]


def test_the_key_that_is_in_use_already_is_not_kept_beside_itself(world: World) -> None:
    adopted = world.run("adopt", "--encryption-key")["fingerprint"]
    world.run("rotate", "--promote", adopted, "--no-hash-columns", "--no-records")
    told = world.run("adopt", "--encryption-key")
    assert (told["fingerprint"], told["changed"], told["next"], len(world.kept())) == (adopted, False, [], 2)


def test_the_same_key_is_recognized_by_its_check_value_without_the_applications_credentials(world: World) -> None:
    world.aws.credentials = None
    first, second = (world.run("adopt", "--encryption-key")["fingerprint"] for _ in range(2))
    assert first == second and set(world.kept()) == {OLD, first}


def test_without_credentials_and_check_value_it_is_kept_rather_twice_than_not_at_all(world: World) -> None:
    world.aws.credentials = None
    first = world.run("adopt", "--encryption-key")["fingerprint"]
    # A version of before this program knew check values.
    entry = world.kept()[first]
    world.kept()[first] = replace(entry, wrapped=replace(entry.wrapped, check_value=None))
    fingerprints = {first, world.run("adopt", "--encryption-key")["fingerprint"]}
    assert set(world.kept()) == {OLD, *fingerprints} and len(fingerprints) == 2


def test_it_takes_the_stacks_name_before_the_key_is_read(world: World) -> None:
    with pytest.raises(Cancelled) as refused:
        world.run("adopt", "--encryption-key", confirm=None)
    assert "--confirm production" in refused.value.hint
    assert world.wrapper.prompted == []


def test_a_person_is_asked_at_the_terminal_and_a_script_is_not(world: World) -> None:
    world.run("adopt", "--encryption-key")
    world.ui.interactive = True
    world.run("adopt", "--encryption-key")
    assert world.wrapper.prompted == [False, True]


def test_the_child_gets_the_operators_credentials_and_the_stacks_key(world: World) -> None:
    world.run("adopt", "--encryption-key")
    assert world.wrapper.given == [({**world.aws.environment()}, KEY)]


def test_what_is_no_key_changes_nothing(world: World) -> None:
    world.wrapper.failure = UsageError("the input is not an ENCRYPTION_KEY", "printf …")
    with pytest.raises(UsageError):
        world.run("adopt", "--encryption-key")
    assert world.changes() == []


def test_a_denial_names_the_right_and_how_to_give_and_take_it(world: World) -> None:
    world.wrapper.failure = PermissionDenied("no", "ask")
    with pytest.raises(PermissionDenied, match="kms:Encrypt") as refused:
        world.run("adopt", "--encryption-key")
    name = IDENTITY.principal_arn.rpartition("/")[2]
    assert f"aws iam put-role-policy --role-name {name}" in refused.value.hint
    assert f"aws iam delete-role-policy --role-name {name}" in refused.value.hint


def test_one_that_the_application_cannot_open_does_not_become_current(empty: World) -> None:
    empty.prover.verdict = ChildResult(proved=False, principal="", fingerprint="", cause="AccessDenied", message="no")
    with pytest.raises(Exception, match="the application cannot decrypt"):
        empty.run("adopt", "--encryption-key")
    assert empty.settings.names.stored_data_key not in empty.aws.stored_keys


def test_adopt_alone_says_what_it_takes(world: World) -> None:
    with pytest.raises(UsageError, match="--encryption-key"):
        world.run("adopt")
