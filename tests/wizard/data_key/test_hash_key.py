"""The laws of the data key, for the key of the search hashes: made once, kept, delivered, restored, never replaced.

Over fakes; each command as a person runs it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.settings import DATA_KEY_VARIABLE, Settings
from components.settings.stored_values import HASH_KEY_VARIABLE
from tests.wizard.account.stacks import CheckedStack, finding
from tests.wizard.commands.backup.test_backup_command import World as BackupWorld
from tests.wizard.commands.push.test_push import PushWorld
from tests.wizard.commands.rotate.stack_world import World as RotationWorld
from tests.wizard.fakes.clients import KEY, OTHER_KEY, STORED_KEY, key_fact, settings
from tests.wizard.fakes.clients import wrapped as wrapped_key
from tests.wizard.setup.test_workflow import World
from wizard.account.judgements import check_values_beside
from wizard.core.errors import DataKeyConflict, PreflightFailed, ResourceError, UsageError
from wizard.core.models.delivery import StoredDataKey
from wizard.data_key.storage import find_last_backup
from wizard.setup import plan

HASH = "/eonpro/production/ENCRYPTED_PHI_HASH_KEY"
HASH_KEY = wrapped_key("the key of the hashes")


def store(world: Any, *, kept: bool = True) -> None:
    """A hash key that an earlier run made."""
    world.aws.wrapped_by[HASH_KEY.fingerprint] = KEY
    world.aws.stored_keys[HASH] = StoredDataKey(parameter=HASH, wrapped=HASH_KEY, key_arn=KEY, version=1)
    if kept:
        of_key = settings(hash_key=True).of_key(HASH_KEY_VARIABLE)
        (version,) = world.aws.key_rotation.versions(of_key)
        world.aws.key_rotation.keep(
            of_key, version.wrapped, key_arn=KEY, origin=version.origin, at=RotationWorld().now, was_current=True
        )


def with_hash_key(**changes: Any) -> Settings:
    return settings(hash_key=True, **changes)


# --- the set-up


def test_a_hash_key_is_made_once_stored_kept_and_delivered_beside_the_data_key() -> None:
    world = World()
    world.setup(hash_key=True)
    data_key, hash_key = world.aws.stored_keys[STORED_KEY].wrapped, world.aws.stored_keys[HASH].wrapped
    assert data_key != hash_key and world.calls.count("cloud.make_data_key") == 2
    assert world.vercel.variables[HASH_KEY_VARIABLE] == hash_key.value
    assert world.vercel.variables[DATA_KEY_VARIABLE] == data_key.value
    names = {version.parameter.rpartition("/")[0] for version in world.aws.key_rotation.entries.values()}
    assert names == {"/eonpro/production/data-keys", "/eonpro/production/hash-keys"}
    world.saved, world.given["vercel_access"] = with_hash_key(vercel_access=world.given["vercel_access"]), "oidc"
    world.setup(hash_key=True)
    assert world.aws.stored_keys[HASH].wrapped == hash_key and world.calls.count("cloud.make_data_key") == 2


def test_a_stack_that_exists_is_told_that_its_hashes_have_to_be_carried() -> None:
    world = World()
    world.stand()
    lines = plan.lines(workflow_preview(world, hash_key=True))
    assert any(HASH in line and line.startswith("  + generate the hash key") for line in lines)
    assert any("match nothing under it: carry them" in line for line in lines)
    store(world)
    lines = plan.lines(workflow_preview(world, hash_key=True))
    assert any(f"keep the hash key {HASH_KEY.fingerprint}" in line for line in lines)
    assert not any("match nothing" in line for line in lines)


def workflow_preview(world: World, **changes: Any) -> plan.Plan:
    from wizard.setup import workflow

    return workflow.preview(world.request(yes=False, **changes), world.clients)


@pytest.mark.parametrize("sensitive", [True, False])
def test_a_hash_key_that_the_application_has_is_never_replaced_by_another(sensitive: bool) -> None:
    world = World()
    world.stand()
    world.vercel.sensitive = sensitive
    world.vercel.variables[HASH_KEY_VARIABLE] = HASH_KEY.value
    with pytest.raises(PreflightFailed) as refused:
        world.setup(hash_key=True)
    (problem,) = refused.value.problems
    assert "restore --hash-key --from-target" in problem.next and world.written == set()
    assert world.vercel.variables[HASH_KEY_VARIABLE] == HASH_KEY.value


def test_a_lost_hash_key_is_not_made_again() -> None:
    world = World()
    world.stand(with_hash_key())
    store(world)
    del world.aws.stored_keys[HASH]
    with pytest.raises(PreflightFailed) as refused:
        world.setup()
    (problem,) = refused.value.problems
    assert "is missing, and versions of it exist (1)" in problem.what and "no search hash" in problem.why
    assert "restore --hash-key" in problem.next and world.written == set()


def test_a_hash_key_of_which_only_the_record_of_a_backup_is_left_is_not_made_again() -> None:
    world = World()
    world.stand(with_hash_key())
    world.aws.parameters["/eonpro/production/hash-key-backup"] = "2026-11-24T12:00:00+00:00 sha256:0 s3://vault/b.json"
    with pytest.raises(PreflightFailed) as refused:
        world.setup()
    assert "hash-key-backup, which is written after it, exists" in refused.value.problems[0].what


def test_the_set_up_takes_no_hash_key_away() -> None:
    world = World()
    world.stand(with_hash_key())
    store(world)
    with pytest.raises(PreflightFailed) as refused:
        world.setup(hash_key=False)
    assert "takes none away" in refused.value.problems[0].what and world.written == set()


# --- push


def test_a_push_overwrites_no_other_hash_key() -> None:
    world = PushWorld()
    world.stand(with_hash_key())
    store(world)
    world.vercel.variables[HASH_KEY_VARIABLE] = wrapped_key("of somebody else").value
    with pytest.raises(DataKeyConflict, match="another ENCRYPTED_PHI_HASH_KEY already"):
        world.push()
    assert world.wrote == set()


# --- rotations


@pytest.fixture
def rotating() -> RotationWorld:
    world = RotationWorld(with_hash_key())
    store(world)
    world.vercel.variables[HASH_KEY_VARIABLE] = HASH_KEY.value
    return world


def test_a_rotation_of_the_data_key_changes_no_hash_key_and_says_so(rotating: RotationWorld) -> None:
    told = rotating.run("rotate", "--data-key", "--application", "stopped")
    assert any("the hash key stays as it is" in line for line in rotating.ui.said)
    assert f'{HASH_KEY_VARIABLE}="$(aws ssm get-parameter --name {HASH} ' in told["next"][0]["command"]
    new = rotating.run("rotate", "--promote", told["fingerprint"], "--no-hash-columns", "--no-records")
    assert rotating.current.fingerprint == new["fingerprint"] == told["fingerprint"]
    assert rotating.aws.stored_keys[HASH].wrapped == HASH_KEY
    assert rotating.vercel.variables[HASH_KEY_VARIABLE] == HASH_KEY.value
    assert HASH_KEY.fingerprint not in [version["fingerprint"] for version in new["versions"]]


def test_under_another_kms_key_both_are_wrapped_again(rotating: RotationWorld) -> None:
    """One KMS key opens both: with the data key alone the application would lose its hash key."""
    rotating.aws.keys[OTHER_KEY] = key_fact(OTHER_KEY)
    rotating.aws.wrapped_by |= dict.fromkeys((HASH_KEY.fingerprint, rotating.current.fingerprint), OTHER_KEY)
    for name in (STORED_KEY, HASH):
        stored = rotating.aws.stored_keys[name]
        rotating.aws.stored_keys[name] = replace(stored, key_arn=OTHER_KEY)
    ring = rotating.key_rotation
    ring.entries[HASH_KEY.fingerprint] = replace(ring.entries[HASH_KEY.fingerprint], key_arn=OTHER_KEY)
    rotating.run("rotate", "--reencrypt", KEY)
    hash_key = rotating.aws.stored_keys[HASH]
    assert hash_key.wrapped != HASH_KEY and rotating.aws.wrapped_by[hash_key.wrapped.fingerprint] == KEY
    assert ring.entries[hash_key.wrapped.fingerprint].same_as == HASH_KEY.fingerprint
    assert rotating.vercel.variables[HASH_KEY_VARIABLE] == hash_key.wrapped.value
    assert rotating.vercel.variables[DATA_KEY_VARIABLE] == rotating.current.value
    assert {HASH_KEY.fingerprint, hash_key.wrapped.fingerprint} <= set(ring.entries)


# --- restore


def test_a_deleted_hash_key_is_restored_from_its_kept_version_and_delivered(rotating: RotationWorld) -> None:
    del rotating.aws.stored_keys[HASH]
    rotating.vercel.variables.pop(HASH_KEY_VARIABLE)
    told = rotating.run("restore", "--hash-key")
    assert [version["fingerprint"] for version in told["versions"]] == [HASH_KEY.fingerprint]
    rotating.run("restore", "--hash-key", "--version", HASH_KEY.fingerprint)
    assert rotating.aws.stored_keys[HASH].wrapped == HASH_KEY
    assert rotating.vercel.variables[HASH_KEY_VARIABLE] == HASH_KEY.value
    assert rotating.current == wrapped_key(), "the data key stays"


def test_the_hash_key_that_the_application_has_is_taken_over_before_the_settings_ask_for_it() -> None:
    world = RotationWorld()
    world.aws.wrapped_by[HASH_KEY.fingerprint] = KEY
    world.vercel.variables[HASH_KEY_VARIABLE], world.vercel.sensitive = HASH_KEY.value, False
    world.run("restore", "--hash-key", "--from-target")
    assert world.aws.stored_keys[HASH].wrapped == HASH_KEY and HASH_KEY.fingerprint in world.kept()
    assert "vercel.deliver" in {call.split()[0] for call in world.log}


def test_the_data_key_never_becomes_the_hash_key(rotating: RotationWorld) -> None:
    rotating.vercel.variables[HASH_KEY_VARIABLE], rotating.vercel.sensitive = rotating.current.value, False
    with pytest.raises(DataKeyConflict, match="is no hash key"):
        rotating.run("restore", "--hash-key", "--from-target")
    assert rotating.aws.stored_keys[HASH].wrapped == HASH_KEY


# --- the backup


def test_a_backup_holds_the_hash_key_and_restores_it(tmp_path: Path) -> None:
    world, file = BackupWorld(with_hash_key()), tmp_path / "backup.json"
    store(world)
    assert world.run(to=str(file))["hashKeyVersions"] == 1
    document = json.loads(file.read_text())
    assert [version["wrappedKey"] for version in document["hashKeyVersions"]] == [HASH_KEY.value]
    last = find_last_backup(world.aws, with_hash_key().of_key(HASH_KEY_VARIABLE))
    assert last is not None and last.fingerprint == HASH_KEY.fingerprint
    drill = world.run(action="drill", from_backup=str(file))["drill"]
    assert (drill["opened"], drill["versions"]) == (True, 2)

    lost = RotationWorld(with_hash_key())
    lost.aws.wrapped_by[HASH_KEY.fingerprint] = KEY
    lost.run("restore", "--hash-key", "--from-backup", str(file))
    assert lost.aws.stored_keys[HASH].wrapped == HASH_KEY and lost.current == wrapped_key()


def test_a_drill_fails_for_a_backup_without_the_hash_key_in_use(tmp_path: Path) -> None:
    file = tmp_path / "backup.json"
    BackupWorld().run(to=str(file))
    world = BackupWorld(with_hash_key())
    store(world)
    with pytest.raises(DataKeyConflict, match=f"does not hold the hash key {HASH_KEY.fingerprint}"):
        world.run(action="drill", from_backup=str(file))
    with pytest.raises(UsageError, match="has no hash key"):
        RotationWorld(with_hash_key()).run("restore", "--hash-key", "--from-backup", str(file))


# --- the doctor


def checked(**changes: Any) -> CheckedStack:
    stack = CheckedStack(settings=with_hash_key())
    store(stack)
    stored = stack.aws.stored_keys[STORED_KEY].wrapped.value
    stack.vercel.variables = {DATA_KEY_VARIABLE: stored, HASH_KEY_VARIABLE: HASH_KEY.value, "AWS_REGION": "us-east-1"}
    for name, value in changes.items():
        setattr(stack, name, value)
    return stack


def test_a_hash_key_that_was_not_made_yet_is_made_by_a_push() -> None:
    stack = CheckedStack(settings=with_hash_key())
    told = [each for each in stack.notices(check_values_beside) if each.code != "variable-missing"]
    assert "push" in finding(told, "data-key-not-created").command


def test_a_deleted_hash_key_is_restored_by_the_command_that_is_printed() -> None:
    stack = checked()
    del stack.aws.stored_keys[HASH]
    told = finding(stack.notices(check_values_beside), "stored-key-missing")
    assert f"restore --hash-key --stack production --version {HASH_KEY.fingerprint}" in told.command
    assert "no search hash matches" in told.why


def test_another_hash_key_on_vercel_is_a_finding_and_is_not_overwritten() -> None:
    stack = checked()
    stack.vercel.variables[HASH_KEY_VARIABLE] = wrapped_key("of somebody else").value
    told = finding(stack.notices(check_values_beside), "data-key-foreign")
    assert f"--rename-existing {HASH_KEY_VARIABLE}" in told.command


# --- the key check values, delivered on request


@pytest.mark.parametrize("field", ["key_check_value", "keys_for_reading"])
def test_the_set_up_does_not_stop_the_delivery_of_what_the_application_compares(field: str) -> None:
    world = World()
    world.stand(with_hash_key(**{field: True}))
    store(world)
    with pytest.raises(PreflightFailed) as refused:
        world.setup(hash_key=True, **{field: False})
    (problem,) = refused.value.problems
    assert f"keep it: --{field.replace('_', '-')} yes" in problem.next and world.written == set()


@pytest.mark.parametrize("access", ["oidc", "user"])
def test_a_first_set_up_delivers_the_check_values_with_the_keys(access: str) -> None:
    """With an access key of its own, too, which only this run can use before the first delivery."""
    world = World()
    world.setup(hash_key=True, key_check_value=True, vercel_access=access)
    for variable in (DATA_KEY_VARIABLE, HASH_KEY_VARIABLE):
        wrapped = world.aws.stored_keys[f"/eonpro/production/{variable}"].wrapped
        value = world.aws.check_value(wrapped)
        assert world.vercel.variables[f"{variable}_CHECK_VALUE"] == value == wrapped.check_value


def test_a_check_value_that_nobody_here_can_make_is_refused_before_anything_is_made() -> None:
    world = World()
    world.aws.credentials = None
    with pytest.raises(PreflightFailed) as refused:
        world.setup(key_check_value=True)
    (problem,) = refused.value.problems
    assert "nobody here can make it" in problem.what and "--key-check-value no" in problem.next
    assert (problem.exit_code, world.written) == (3, set())


def test_where_nobody_can_open_the_key_nothing_is_delivered_without_its_check_value() -> None:
    world = World()
    world.aws.credentials_from = ()
    with pytest.raises(ResourceError, match="only the application opens it"):
        world.setup(key_check_value=True)
    assert DATA_KEY_VARIABLE not in world.vercel.variables and STORED_KEY in world.aws.stored_keys
