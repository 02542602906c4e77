"""`restore` over fakes: any kept version, or one from a backup, becomes the stored data key and is delivered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.settings import SecretStore
from tests.wizard.commands.rotate.stack_world import NOW, World
from tests.wizard.fakes.clients import KEY, OTHER_KEY, multi_region, settings, wrapped
from wizard.core.errors import Cancelled, DataKeyConflict, PermissionDenied, UsageError
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import VersionOrigin
from wizard.data_key import backup_document as document

OLD = wrapped().fingerprint


@pytest.fixture
def promoted(world: World) -> str:
    """The fingerprint of a data key that took the first one's place."""
    new = str(world.run("rotate", "--data-key")["fingerprint"])
    world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    return new


@pytest.fixture
def backup(world: World, tmp_path: Path) -> Path:
    """A backup of what is stored now."""
    return backup_of(world, tmp_path)


def backup_of(world: World, folder: Path, key_arn: str = KEY, environment: str | None = None) -> Path:
    made = document.backup_of(
        created_at=NOW,
        stack="production",
        settings=world.settings if environment is None else settings(environment=environment),
        store=SecretStore.PARAMETER_STORE,
        key_arn=key_arn,
        versions=[replace(each, key_arn=key_arn) for each in world.key_rotation.versions(world.settings)],
    )
    file = folder / "a.backup.json"
    file.write_text(document.text_of(made))
    return file


def test_without_a_version_it_lists_what_there_is_and_changes_nothing(world: World, promoted: str) -> None:
    code, told = world.ended("restore", confirm=None)
    assert (code, told["ok"], told["action"]) == (0, True, "list")
    assert {each["fingerprint"]: each["current"] for each in told["versions"]} == {OLD: False, promoted: True}
    assert world.changes() == []
    (step,) = told["next"]
    command = f"restore --version {promoted} --stack production --confirm production"
    assert command in str(step["command"]), "no command that reads the records with another key can be pasted"


def test_a_version_that_does_not_exist_comes_with_the_command_that_lists_those_that_do(world: World) -> None:
    with pytest.raises(UsageError, match=f"does not exist .kept: {OLD}.") as refused:
        world.run("restore", "--version", "sha256:0123456789abcdef")
    assert refused.value.hint == "python -m wizard restore --stack production"


def test_a_data_key_whose_version_was_deleted_is_kept_again_without_a_change_of_it(world: World) -> None:
    assert world.key_rotation.versions(world.settings)[0].kept is False
    done = world.run("restore", "--version", OLD)
    assert (done["changed"], world.key_rotation.versions(world.settings)[0].kept, world.current) == (
        False,
        True,
        wrapped(),
    )


@pytest.mark.parametrize("source", ["backup", "history"])
def test_an_earlier_version_that_was_deleted_is_kept_again_and_the_data_key_in_use_stays(
    world: World, tmp_path: Path, source: str
) -> None:
    """Records may be encrypted under it still. A backup of before the rotation has it as the data key in use."""
    words = ("--from-backup", str(backup_of(world, tmp_path))) if source == "backup" else ()
    new = str(world.run("rotate", "--data-key")["fingerprint"])
    world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    world.aws.access_diagnostics.former = (wrapped().value, "changeme")
    del world.key_rotation.entries[OLD]
    told = world.run("restore", *words, "--versions-only")
    assert (told["changed"], world.current.fingerprint, told["delivered"]) == (True, new, [])
    assert f"1 lost version is kept again: {OLD}" in world.ui.said
    [again] = [each for each in world.key_rotation.versions(world.settings) if each.fingerprint == OLD]
    assert (again.wrapped, again.origin, again.current) == (wrapped(), VersionOrigin.RESTORED, False)
    assert world.run("restore", *words, "--versions-only")["changed"] is False and world.changes() == []
    assert "no version is lost: nothing was changed" in world.ui.said


def test_an_entry_that_somebody_replaced_is_told_and_keeps_nobody_from_the_others(world: World, promoted: str) -> None:
    world.key_rotation.altered_entries = ("/eonpro/production/data-keys/0123456789abcdef",)
    world.ended("restore", confirm=None)
    world.run("restore", "--version", OLD)
    told = [line for line in world.ui.said if "0123456789abcdef does not hold" in line]
    assert len(told) == 2
    assert world.current == wrapped()


def test_a_kept_version_goes_back_and_is_delivered_and_proved(world: World, promoted: str) -> None:
    told = world.run("restore", "--version", OLD)
    assert world.current == wrapped()
    assert world.vercel.variables["ENCRYPTED_PHI_KEY"] == wrapped().value
    assert [each["state"] for each in told["proofs"]] == ["proved"]
    assert (told["command"], told["fingerprint"], told["changed"]) == ("restore", OLD, True)


def test_it_takes_the_stacks_name(world: World, promoted: str) -> None:
    with pytest.raises(Cancelled) as refused:
        world.run("restore", "--version", OLD, confirm=None)
    assert f"restore --version {OLD}" in refused.value.hint
    assert world.changes() == []


def test_a_stored_data_key_that_is_gone_is_made_anew_from_the_ledger(world: World, promoted: str) -> None:
    world.delete_stored_key()
    world.run("restore", "--version", promoted)
    assert world.current.fingerprint == promoted


def test_a_version_under_another_key_is_refused_with_the_way_to_wrap_it(world: World, promoted: str) -> None:
    world.key_rotation.entries[OLD] = replace(world.kept()[OLD], key_arn=OTHER_KEY)
    with pytest.raises(DataKeyConflict) as refused:
        world.run("restore", "--version", OLD)
    assert f"rotate --reencrypt {KEY}" in refused.value.hint


def test_a_version_and_a_backup_at_once_are_refused(world: World) -> None:
    with pytest.raises(UsageError, match="one of --version, --from-backup and --from-target"):
        world.run("restore", "--version", OLD, "--from-backup", "a.json")


def test_a_stored_data_key_in_the_other_store_is_copied_first(world: World) -> None:
    there = world.aws.stored_keys.pop(world.settings.names.stored_data_key)
    world.aws.secrets[there.parameter] = replace(there, store=SecretStore.SECRETS_MANAGER)
    with pytest.raises(DataKeyConflict, match="is still in the secrets-manager") as refused:
        world.run("restore", "--version", OLD)
    assert "push" in refused.value.hint


# --- from a backup


def test_where_stored_data_key_and_ledger_are_gone_a_backup_brings_the_data_key_back(
    world: World, backup: Path
) -> None:
    world.delete_stored_key()
    told = world.run("restore", "--from-backup", str(backup))
    assert world.current == wrapped()
    assert (told["opened"], told["changed"]) == ("application", True)
    assert world.kept()[OLD].origin is VersionOrigin.RESTORED


# --- from where the application runs


def test_where_nothing_is_kept_the_copy_that_vercel_shows_brings_the_data_key_back(world: World) -> None:
    world.delete_stored_key()
    world.vercel.sensitive = False
    told = world.run("restore", "--from-target")
    assert world.current == wrapped() and told["opened"] == "application"


def test_a_copy_that_vercel_hides_is_taken_from_the_running_application(world: World) -> None:
    world.delete_stored_key()
    world.vercel.sensitive = True
    with pytest.raises(UsageError, match="no target shows its data key") as refused:
        world.run("restore", "--from-target")
    assert "read -rs " in refused.value.hint and "export EONPRO_ENCRYPTED_PHI_KEY" in refused.value.hint
    world.entered = wrapped().value
    world.run("restore", "--from-target")
    assert world.current == wrapped()


def test_another_data_key_than_the_applications_is_never_put_in_its_place(world: World) -> None:
    world.delete_stored_key()
    world.vercel.sensitive, world.entered = False, wrapped("another").value
    with pytest.raises(DataKeyConflict, match="Vercel has another data key; nothing was changed"):
        world.run("restore", "--from-target")


def test_a_backup_takes_the_place_of_a_newer_data_key_which_is_kept(world: World, backup: Path) -> None:
    new = str(world.run("rotate", "--data-key")["fingerprint"])
    world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    world.run("restore", "--from-backup", str(backup))
    assert world.current == wrapped()
    assert new in world.kept()


def test_a_backup_that_nothing_can_prove_is_refused(world: World, backup: Path) -> None:
    world.delete_stored_key()
    world.aws.credentials = None
    world.key_rotation.failures["reencrypt"] = PermissionDenied("no", "ask")
    with pytest.raises(DataKeyConflict, match="could not be proved from here") as refused:
        world.run("restore", "--from-backup", str(backup))
    assert "EONPRO_APP_PROFILE" in refused.value.hint and "kms:ReEncryptFrom" in refused.value.hint
    assert world.changes() == ["keyring.reencrypt " + f"{KEY} {KEY}"]


def test_a_backup_under_another_key_is_refused(world: World, tmp_path: Path) -> None:
    file = backup_of(world, tmp_path, key_arn=OTHER_KEY)
    with pytest.raises(UsageError, match=r"has a data key of .*, but the stack's key is") as refused:
        world.run("restore", "--from-backup", str(file))
    assert "only its KMS key can decrypt" in refused.value.hint
    assert world.changes() == []


def test_a_backup_that_was_changed_is_refused(world: World, backup: Path) -> None:
    backup.write_text(backup.read_text().replace(OLD, "sha256:" + "0" * 16, 1))
    with pytest.raises(UsageError):
        world.run("restore", "--from-backup", str(backup))
    assert world.changes() == []


def test_every_region_gets_it_back() -> None:
    world = World(multi_region())
    new = str(world.run("rotate", "--data-key")["fingerprint"])
    world.run("rotate", "--promote", new, "--no-hash-columns", "--no-records")
    world.run("restore", "--version", OLD)
    there = world.aws.with_region("eu-central-1").stored_keys[world.settings.names.stored_data_key]
    assert there.wrapped == world.current == wrapped()


def test_a_region_that_lost_its_copy_gets_one() -> None:
    world = World(multi_region())
    elsewhere = world.aws.with_region("eu-central-1")
    del elsewhere.stored_keys[world.settings.names.stored_data_key]
    told = world.run("restore", "--version", OLD)
    assert isinstance(elsewhere.stored_keys[world.settings.names.stored_data_key], StoredDataKey)
    assert told["changed"] is True


def test_the_time_of_a_version_is_told_in_utc(world: World, promoted: str) -> None:
    _, told = world.ended("restore", confirm=None)
    assert {datetime.fromisoformat(each["keptAt"]) for each in told["versions"]} == {NOW.astimezone(UTC)}
