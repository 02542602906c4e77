"""Whether the last backup that the account records is there: each place, each fault, the command that makes another."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.settings import SecretStore
from components.settings.stored_values import HASH_KEY, HASH_KEY_VARIABLE
from tests.wizard.account.stacks import CheckedStack, finding
from tests.wizard.fakes.backup import VAULT_BUCKET
from tests.wizard.fakes.clients import APP, KEY, STORED_KEY, settings, wrapped
from wizard.account.judgements.backup import check_backup, check_drill
from wizard.account.notices import Notice, State
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import PermissionDenied
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import DataKeyVersion, LastBackup, RestoreDrill, VersionOrigin
from wizard.data_key.backup_document import backup_of, text_of

AT = datetime(2026, 11, 1, tzinfo=UTC)
OBJECT = f"s3://{VAULT_BUCKET}/a.json"


@pytest.fixture
def stack() -> CheckedStack:
    # By the clock of this machine: these backups are recent for years.
    made = CheckedStack(settings=settings(backup_max_age_days=3660))
    stored = StoredDataKey(parameter=STORED_KEY, wrapped=wrapped(), key_arn=KEY, version=1)
    made.aws.stored_keys[STORED_KEY] = stored
    return made


def version(value: WrappedDataKey) -> DataKeyVersion:
    return DataKeyVersion(
        wrapped=value,
        key_arn=KEY,
        parameter=STORED_KEY,
        origin=VersionOrigin.FIRST,
        kept_at=None,
        same_as=value.fingerprint,
        current=True,
    )


def document(value: WrappedDataKey | None = None, *, environment: str = "production", hash_key: str = "") -> str:
    """A backup whose current version is this one."""
    return text_of(
        backup_of(
            created_at=AT,
            stack="production",
            settings=settings(environment=environment),
            store=SecretStore.PARAMETER_STORE,
            key_arn=KEY,
            versions=(replace(version(wrapped("earlier")), current=False), version(value or wrapped())),
            beside={HASH_KEY: (version(wrapped(hash_key)),)} if hash_key else {},
        )
    )


def recorded(stack: CheckedStack, place: str, fingerprint: str = "", *, name: str = "backup") -> CheckedStack:
    """The account records that backup."""
    last = LastBackup(at=AT, fingerprint=fingerprint or wrapped().fingerprint, place=place)
    stack.aws.claims[f"/eonpro/production/{name}"] = last.text
    return stack


def in_s3(stack: CheckedStack, text: str) -> CheckedStack:
    stack.aws.backup_storage.create(VAULT_BUCKET, "a.json", text.encode(), until=None)
    return recorded(stack, OBJECT)


def in_a_file(stack: CheckedStack, path: Path, text: str | None) -> CheckedStack:
    if text is not None:
        path.write_text(text)
    return recorded(stack, f"{platform.node()}:{path}")


def backup_notice(stack: CheckedStack) -> Notice:
    (notice,) = stack.notices(check_backup)
    assert notice.requirements == ("data-key-backup",)
    return notice


def test_a_backup_that_is_older_than_the_settings_allow_is_for_a_person(stack: CheckedStack) -> None:
    in_s3(stack, document())
    stack.settings = settings(backup_max_age_days=1)
    assert backup_notice(stack).state is State.PERSON and "more than 1 days" in backup_notice(stack).what


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({}, State.GOOD, "opened the last backup as "),
        ({"opened": False}, State.PERSON, "could not open the last backup"),
        ({"place": "s3://elsewhere/b.json"}, State.PERSON, "no drill has opened the last backup"),
        ({"fingerprint": wrapped("old").fingerprint}, State.PERSON, "no drill has opened the last backup"),
        ({"at": AT - timedelta(days=4000)}, State.PERSON, "days ago"),
    ],
)
def test_only_a_recent_drill_that_opened_the_last_backup_is_good(stack: CheckedStack, changes, state, said) -> None:
    recorded(stack, OBJECT)
    drill = RestoreDrill(
        at=AT, fingerprint=wrapped().fingerprint, opened=True, seconds=1.5, versions=1, principal=APP, place=OBJECT
    )
    stack.aws.claims["/eonpro/production/restore-drill"] = replace(drill, **changes).text
    (notice,) = stack.notices(check_drill)
    assert (notice.state, said in notice.what) == (state, True), notice
    assert notice.command == ("" if state is State.GOOD else "python -m wizard backup drill --stack production")


def test_a_backup_that_no_drill_has_opened_is_for_a_person(stack: CheckedStack) -> None:
    assert stack.notices(check_drill) == ()
    (notice,) = recorded(stack, OBJECT).notices(check_drill)
    assert notice.state is State.PERSON


def test_a_copy_in_another_region_is_read_there(stack: CheckedStack) -> None:
    name = "/eonpro/production/backups/1/ENCRYPTED_PHI_KEY"
    recorded(stack, f"eu-central-1:{name}")
    found = finding([backup_notice(stack)], "backup-missing")
    assert found.command == "python -m wizard backup --stack production --to-region eu-central-1"
    there = stack.aws.with_region("eu-central-1")
    there.access_diagnostics.texts[name] = wrapped().value
    assert backup_notice(stack).state is State.GOOD
    there.access_diagnostics.texts[name] = "changeme"
    found = finding([backup_notice(stack)], "backup-unusable")
    assert "--to eonpro-" in found.command and "--to-region" not in found.command


def test_an_object_that_is_gone_is_made_again_in_its_place(stack: CheckedStack) -> None:
    assert finding([backup_notice(recorded(stack, OBJECT))], "backup-missing").command == (
        f"python -m wizard backup --stack production --to {OBJECT}"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("junk", "is not JSON"),
        ("{}", "is not a backup"),
        (document().replace("2026-11-01", "2026-11-02"), "was changed after it was made"),
        (document(environment="staging"), "is a backup of the environment staging"),
        (document(wrapped("another")), "but the account records"),
        ("\x00" * 1_100_000, "is too long"),
    ],
    ids=["empty", "junk", "another document", "changed", "another environment", "another data key", "a large file"],
)
def test_what_is_no_backup_of_the_key_in_use_is_found(
    stack: CheckedStack, tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "b.json"
    found = finding([backup_notice(in_a_file(stack, file, text))], "backup-unusable")
    assert words in found.what
    # A backup overwrites nothing: another is made beside it.
    assert found.command.startswith(f"python -m wizard backup --stack production --to {tmp_path}/b-20")
    assert found.command.endswith(".json")
    assert wrapped().value not in found.what


def test_a_pipe_in_its_place_is_not_waited_for(stack: CheckedStack, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "b.json")
    assert backup_notice(in_a_file(stack, tmp_path / "b.json", None)).code == "backup-unusable"


def test_a_file_that_may_not_be_read_is_for_a_person(
    stack: CheckedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("wizard.core.files.read", denied)
    notice = backup_notice(in_a_file(stack, tmp_path / "b.json", document()))
    assert notice.state is State.PERSON and "cannot be read" in notice.what


@pytest.mark.parametrize(
    "place", ["build-7:/home/ada/b.json", f"{platform.node()}:/media/a-medium-that-is-not-mounted/b.json"]
)
def test_a_file_that_is_not_on_this_machine_is_for_a_person(stack: CheckedStack, place: str) -> None:
    notice = backup_notice(recorded(stack, place))
    assert notice.state is State.PERSON and "is not on this machine" in notice.what


def test_a_backup_that_the_caller_may_not_read_is_for_a_person(
    stack: CheckedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise PermissionDenied("you may not", "ask for it")

    monkeypatch.setattr(type(stack.aws.backup_storage), "read", denied)
    notice = backup_notice(recorded(stack, OBJECT))
    assert notice.state is State.PERSON and "cannot be read from here: you may not" in notice.what


def test_the_hash_key_is_looked_for_in_the_backup_of_both(tmp_path: Path) -> None:
    stack = CheckedStack(settings=settings(hash_key=True))
    name = f"/eonpro/production/{HASH_KEY_VARIABLE}"
    stack.aws.stored_keys[name] = StoredDataKey(parameter=name, wrapped=wrapped("hash"), key_arn=KEY, version=1)
    recorded(stack, f"{platform.node()}:{tmp_path / 'b.json'}", wrapped("hash").fingerprint, name="hash-key-backup")

    def of_hash_key() -> Notice:
        (facts,) = stack.context().beside
        (notice,) = check_backup(facts)
        return notice

    (tmp_path / "b.json").write_text(document())
    assert of_hash_key().code == "backup-missing"
    (tmp_path / "b.json").write_text(document(hash_key="hash"))
    assert of_hash_key().state is State.GOOD
