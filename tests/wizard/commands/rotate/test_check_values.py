"""The key check value over fakes: recorded by the first proof, and another key refused before anything is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.wizard.commands.rotate.stack_world import NOW, World
from tests.wizard.commands.rotate.test_restore import backup_of
from tests.wizard.fakes.clients import KEY, settings, wrapped
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, PermissionDenied, ResourceError, UsageError
from wizard.core.models.rotation import VersionOrigin
from wizard.data_key import backup_document

OLD = wrapped().fingerprint


@pytest.fixture
def world() -> World:
    """A stack whose data key was opened once: its check value is recorded."""
    world = World()
    value = replace(world.current, check_value=world.aws.check_value(world.current))
    at = {"key_arn": KEY, "origin": VersionOrigin.FIRST, "at": NOW}
    world.key_rotation.keep(world.settings, value, **at)  # type: ignore[arg-type]
    world.key_rotation.record_check_value(world.settings, value)
    return world


def foreign(world: World, seed: str = "another stack's") -> WrappedDataKey:
    """Another data key that the same KMS key wraps."""
    key = wrapped(seed)
    world.aws.wrapped_by[key.fingerprint] = KEY
    return key


def refused(world: World, *words: str) -> str:
    before = (dict(world.kept()), dict(world.aws.stored_keys), dict(world.vercel.variables))
    with pytest.raises(DataKeyConflict) as caught:
        world.run(*words)
    assert (dict(world.kept()), dict(world.aws.stored_keys), dict(world.vercel.variables)) == before
    assert not [call for call in world.changes() if not call.startswith("keyring.fingerprints")]
    return caught.value.message


def test_the_backup_of_another_data_key_is_not_restored(world: World, tmp_path: Path) -> None:
    other = World()
    other.aws.stored_keys[other.settings.names.stored_data_key] = replace(
        other.aws.stored_keys[other.settings.names.stored_data_key], wrapped=foreign(world)
    )
    file = backup_of(other, tmp_path)
    message = refused(world, "restore", "--from-backup", str(file))
    assert world.aws.check_value(foreign(world)) in message and world.aws.check_value(world.current) in message


def test_a_backup_comes_back_although_its_own_version_was_overwritten_and_others_are_of_another_key(
    world: World, tmp_path: Path
) -> None:
    """The entry's name says that this data key was kept; only its value is somebody else's."""
    file = backup_of(world, tmp_path)
    world.run("rotate", "--data-key")
    new = next(name for name in world.kept() if name != OLD)
    world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    world.key_rotation.entries.pop(OLD)
    refused(world, "restore", "--from-backup", str(file))
    world.key_rotation.altered_entries = (f"{world.settings.names.versions}/{OLD.removeprefix('sha256:')}",)
    assert world.run("restore", "--from-backup", str(file))["fingerprint"] == OLD


def test_a_backup_whose_key_is_not_the_one_of_its_own_check_value_is_not_restored(world: World, tmp_path: Path) -> None:
    other = World()
    name = other.settings.names.stored_data_key
    # The document says that it is the stack's data key; what it holds opens to another one.
    claimed = replace(foreign(world), check_value=world.aws.check_value(world.current))
    other.aws.stored_keys[name] = replace(other.aws.stored_keys[name], wrapped=claimed)
    assert "was recorded as the key" in refused(world, "restore", "--from-backup", str(backup_of(other, tmp_path)))


@pytest.mark.parametrize("by", ["version", "backup"])
def test_a_tag_that_somebody_changed_keeps_no_version_from_its_return(world: World, tmp_path: Path, by: str) -> None:
    right, name = world.current, world.settings.names.stored_data_key
    again = replace(foreign(world, "wrapped again"), check_value="1" * 16)
    at = {"key_arn": KEY, "origin": VersionOrigin.REENCRYPTED, "at": NOW, "same_as": OLD}
    world.key_rotation.keep(world.settings, again, **at)  # type: ignore[arg-type]
    world.aws.holds[again.fingerprint] = right.fingerprint
    entry = world.kept()[OLD]
    world.key_rotation.entries[OLD] = replace(entry, wrapped=replace(right, check_value="0" * 16))
    file = backup_of(world, tmp_path)
    world.aws.stored_keys[name] = replace(world.aws.stored_keys[name], wrapped=foreign(world), version=2, overwrites=1)
    where = {"version": ("--version", OLD), "backup": ("--from-backup", str(file))}[by]
    assert world.run("restore", *where)["fingerprint"] == OLD
    assert world.current.check_value == world.kept()[OLD].wrapped.check_value == right.check_value


def test_a_version_of_another_stack_is_not_promoted_as_the_same_key_wrapped_again(world: World) -> None:
    theirs = foreign(world)
    at = {"key_arn": KEY, "origin": VersionOrigin.REENCRYPTED, "at": NOW, "same_as": OLD}
    world.key_rotation.keep(world.settings, theirs, **at)  # type: ignore[arg-type]
    message = refused(world, "rotate", "--promote", theirs.fingerprint)
    assert "should be the same key" in message and world.aws.check_value(theirs) in message


def test_what_somebody_else_stored_is_not_kept_as_a_version_because_its_tags_fit(world: World) -> None:
    """The stored value itself may be named, as one whose own version was lost: only what this program wrote is ours."""
    name, theirs = world.settings.names.stored_data_key, foreign(world)
    theirs = replace(theirs, check_value=world.aws.check_value(theirs))
    world.aws.stored_keys[name] = replace(world.aws.stored_keys[name], wrapped=theirs, version=2, overwrites=1)
    message = refused(world, "restore", "--version", theirs.fingerprint)
    assert "no version that was in use does" in message and world.aws.check_value(theirs) in message


def test_the_applications_copy_of_a_kept_version_comes_back_whatever_says_that_it_was_in_use(world: World) -> None:
    """A data key that was promoted, and whose stored value is gone: no tag of its version says that it was stored."""
    new = str(world.run("rotate", "--data-key")["fingerprint"])
    copy = world.kept()[new].wrapped
    world.delete_stored_key()
    world.vercel.sensitive, world.vercel.variables["ENCRYPTED_PHI_KEY"] = False, copy.value
    assert world.run("restore", "--from-target")["fingerprint"] == new


def test_the_applications_key_with_one_bit_flipped_is_not_taken_over(world: World) -> None:
    world.delete_stored_key()
    flipped = foreign(world, "the same key, with one bit flipped")
    world.vercel.sensitive, world.vercel.variables["ENCRYPTED_PHI_KEY"] = False, flipped.value
    assert "no version that was in use does" in refused(world, "restore", "--from-target")


def test_a_data_key_of_before_check_values_is_not_known_and_never_wrong(tmp_path: Path) -> None:
    world = World()
    file = backup_of(world, tmp_path)
    assert '"version": "1"' in file.read_text() and "keyCheckValue" not in file.read_text()
    assert world.run("restore", "--from-backup", str(file))["ok"]


def test_a_lost_version_of_another_key_is_restored_in_two_steps(world: World, tmp_path: Path) -> None:
    other = World()
    name = other.settings.names.stored_data_key
    other.aws.stored_keys[name] = replace(other.aws.stored_keys[name], wrapped=foreign(world))
    file = str(backup_of(other, tmp_path))
    refused(world, "restore", "--from-backup", file)
    world.run("restore", "--from-backup", file, "--versions-only")
    assert world.run("restore", "--version", foreign(world).fingerprint)["fingerprint"] == foreign(world).fingerprint


def test_a_new_data_key_gets_its_check_value_when_it_is_created_and_keeps_it(world: World) -> None:
    new = world.run("rotate", "--data-key")
    entry = world.kept()[str(new["fingerprint"])]
    assert entry.wrapped.check_value == world.aws.check_value(entry.wrapped)
    (created,) = [version for version in new["versions"] if version["fingerprint"] == new["fingerprint"]]
    assert created["keyCheckValue"] == entry.wrapped.check_value


def test_a_backup_carries_the_check_values_and_an_earlier_release_says_that_it_needs_a_later_one(
    world: World, tmp_path: Path
) -> None:
    file = backup_of(world, tmp_path)
    backup = backup_document.parse(file.read_bytes(), str(file))
    assert backup.wrapped.check_value == world.aws.check_value(world.current)
    assert '"version": "2"' in file.read_text()
    # The format is an addition: a document without check values is still the first one.
    bare = replace(backup, versions=tuple(replace(v, wrapped=wrapped()) for v in backup.versions))
    assert backup_document.document(bare)["version"] == "1"


def test_a_check_value_in_a_backup_that_is_none_is_refused(world: World, tmp_path: Path) -> None:
    text = backup_of(world, tmp_path).read_text()
    value = world.aws.check_value(world.current)
    fields = json.loads(text.replace(value, "not a value"))
    fields["digest"] = backup_document.digest(fields)
    with pytest.raises(UsageError, match="16 hex digits"):
        backup_document.parse(json.dumps(fields), "a file")


def test_where_the_application_compares_no_key_takes_its_place_that_nobody_here_can_open() -> None:
    """The former check value would stay beside it, and the application would refuse the new key."""
    world = World(settings(key_check_value=True))
    world.key_rotation.failures["record_check_value"] = PermissionDenied("no tags", "ask")
    new = str(world.run("rotate", "--data-key")["fingerprint"])
    world.aws.credentials = None
    before = dict(world.aws.stored_keys), dict(world.vercel.variables)
    with pytest.raises(ResourceError, match="only the application opens it"):
        world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert (dict(world.aws.stored_keys), dict(world.vercel.variables)) == before


def test_the_delivered_check_value_follows_a_rotation_and_its_way_back() -> None:
    world = World(settings(key_check_value=True))
    world.run("push", confirm=None)

    def is_right() -> bool:
        value = world.aws.check_value(WrappedDataKey(value=world.vercel.variables["ENCRYPTED_PHI_KEY"]))
        return bool(world.vercel.variables["ENCRYPTED_PHI_KEY_CHECK_VALUE"] == value)

    assert is_right()
    new = str(world.run("rotate", "--data-key")["fingerprint"])
    world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    assert world.current.fingerprint == new and is_right()
    world.run("restore", "--version", OLD)
    assert world.current.fingerprint == OLD and is_right()
