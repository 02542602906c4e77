"""Where a backup is kept: created, read back, compared, and never overwritten; over a real folder and a fake vault."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.wizard.commands.backup.test_document import AT, OLD, backup
from tests.wizard.fakes.backup import VAULT_BUCKET, FakeBackupStorage
from tests.wizard.fakes.clients import (
    KEY,
    MULTI_KEY,
    OTHER_KEY,
    REPLICA,
    REPLICA_REGION,
    STORED_KEY,
    FakeAwsClient,
    multi_region,
    settings,
    wrapped,
)
from wizard.commands.backup import destination
from wizard.commands.backup.destination import BackupCopy, DestinationKind, State, copy_to_region
from wizard.core.errors import DataKeyConflict, PermissionDenied, ResourceError, UsageError
from wizard.core.models.rotation import BucketLock
from wizard.core.next_command import Command
from wizard.data_key.backup_document import parse, text_of

S3 = f"s3://{VAULT_BUCKET}/backup.json"


def kept(where: str, backup_storage: FakeBackupStorage | None = None, **changes: Any) -> BackupCopy:
    return destination.write(
        where, replace(backup(), **changes), backup_storage or FakeBackupStorage(), retention_days=2557
    )


# --- a file


def test_a_file_is_written_for_its_owner_alone_whatever_the_mask(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        kept(str(tmp_path / "b.json"))
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "b.json").stat().st_mode) == 0o600
    assert destination.read(str(tmp_path / "b.json"), FakeBackupStorage()) == backup()


def test_the_same_content_is_there_already_whenever_it_was_made(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    kept(str(file))
    before = file.read_bytes()
    assert kept(str(file), created_at=AT + timedelta(days=1)).state is State.EXISTING
    assert file.read_bytes() == before


@pytest.mark.parametrize("there", ["", "notes of somebody", text_of(backup(OLD))])
def test_a_file_that_holds_anything_else_is_left_alone(tmp_path: Path, there: str) -> None:
    file = tmp_path / "b.json"
    file.write_text(there)
    with pytest.raises(UsageError):
        kept(str(file))
    assert file.read_text() == there


def test_a_folder_gets_a_file_that_is_named_after_the_data_key(tmp_path: Path) -> None:
    told = kept(str(tmp_path))
    hexes = backup().fingerprint.removeprefix("sha256:")
    assert told.place == str(tmp_path / f"eonpro-production-{hexes}.backup.json")
    assert parse(Path(told.place).read_bytes(), "it") == backup()


def test_a_link_is_not_followed_to_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError):
        kept(str(tmp_path / "link"))
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="cannot be written"):
        kept(str(tmp_path / "no" / "b.json"))


def test_half_a_backup_is_taken_away_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match="No space left"):
        kept(str(tmp_path / "b.json"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["no-such-file", "."])
def test_a_file_that_cannot_be_read_is_told(where: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        destination.read(str(tmp_path / where), FakeBackupStorage())


# --- an object


def test_an_object_is_created_read_back_and_told_with_its_lock() -> None:
    backup_storage = FakeBackupStorage()
    told = kept(S3, backup_storage)
    assert (told.kind, told.state, told.lock_mode) == (DestinationKind.OBJECT, State.WRITTEN, "GOVERNANCE")
    assert destination.read(S3, backup_storage) == backup()
    assert kept(S3, backup_storage, created_at=AT + timedelta(days=1)).state is State.EXISTING
    assert len(backup_storage.objects) == 1


def test_the_buckets_own_lock_is_left_to_it_and_one_without_gets_the_audit_logs(tmp_path: Path) -> None:
    backup_storage = FakeBackupStorage()
    compliance = {"compliance": BucketLock(region="eu-west-1", mode="COMPLIANCE")}
    backup_storage.buckets |= {**compliance, "silent": BucketLock(region="eu-west-1")}
    assert kept("s3://compliance/b.json", backup_storage).lock_mode == "COMPLIANCE"
    silent = kept("s3://silent/b.json", backup_storage)
    assert silent.lock_mode == "GOVERNANCE"
    assert silent.locked_until == backup().created_at + timedelta(days=2557)


def test_a_bucket_without_a_lock_gets_nothing() -> None:
    backup_storage = FakeBackupStorage(buckets={"plain": None})
    with pytest.raises(ResourceError, match="no Object Lock") as refused:
        kept("s3://plain/b.json", backup_storage)
    assert isinstance(refused.value.hint, Command) and "#" not in refused.value.hint, "it runs as it is"
    assert "put-object-lock-configuration" in refused.value.hint and backup_storage.objects == {}


def test_a_refusal_names_all_that_a_bucket_of_backups_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> bool:
        raise PermissionDenied("the caller is not allowed s3:PutObject", "ask")

    monkeypatch.setattr(FakeBackupStorage, "create", refused)
    with pytest.raises(PermissionDenied, match="s3:PutObject") as error:
        kept(S3)
    assert error.value.hint.startswith("ask; ")
    assert f"s3:PutObjectRetention, s3:GetObject, s3:GetObjectRetention on s3://{VAULT_BUCKET}" in error.value.hint


def test_an_object_that_does_not_read_back_is_told() -> None:
    backup_storage = FakeBackupStorage(meddle=text_of(backup(OLD)).encode())
    with pytest.raises(ResourceError, match="differs from what was written"):
        kept(S3, backup_storage)


def test_another_backup_under_that_name_is_left_alone() -> None:
    backup_storage = FakeBackupStorage()
    destination.write(S3, backup(OLD), backup_storage, retention_days=2557)
    with pytest.raises(UsageError, match="never overwritten"):
        kept(S3, backup_storage)
    assert destination.read(S3, backup_storage) == backup(OLD)


def test_a_folder_of_a_bucket_gets_an_object_that_is_named_after_the_data_key() -> None:
    assert kept(f"s3://{VAULT_BUCKET}/eonpro/").place == f"s3://{VAULT_BUCKET}/eonpro/{backup().file_name}"
    assert kept(f"s3://{VAULT_BUCKET}").place == f"s3://{VAULT_BUCKET}/{backup().file_name}"


@pytest.mark.parametrize("where", ["s3://", "s3:///key", f"s3://{VAULT_BUCKET}", f"s3://{VAULT_BUCKET}/folder/"])
def test_what_names_no_object_cannot_be_read(where: str) -> None:
    with pytest.raises(UsageError, match="does not name an object"):
        destination.read(where, FakeBackupStorage())


def test_an_object_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match="does not exist"):
        destination.read(S3, FakeBackupStorage())


# --- another Region

MULTI = replace(backup(), versions=(replace(backup().current, key_arn=MULTI_KEY),))


def test_where_a_replica_is_the_copy_is_the_stored_data_key_there_and_opens_with_the_replica() -> None:
    aws = FakeAwsClient()
    told = copy_to_region(REPLICA_REGION, MULTI, aws, multi_region(), replica_arns=(REPLICA,))
    there = aws.with_region(REPLICA_REGION).stored_keys[STORED_KEY]
    assert (there.wrapped, there.key_arn) == (wrapped(), REPLICA)
    assert (told.place, told.opens_with, told.region) == (STORED_KEY, REPLICA, REPLICA_REGION)


def test_without_a_replica_the_copy_has_a_name_that_no_task_reads_and_opens_with_the_first_key() -> None:
    aws = FakeAwsClient()
    told = copy_to_region("eu-west-1", backup(), aws, settings(), replica_arns=())
    there = aws.with_region("eu-west-1").stored_keys
    assert list(there) == [told.place] != [STORED_KEY]
    assert there[told.place].key_arn == KEY == told.opens_with


def test_a_copy_that_is_there_is_left_and_another_data_key_is_refused() -> None:
    aws = FakeAwsClient()
    copy_to_region(REPLICA_REGION, MULTI, aws, multi_region(), replica_arns=(REPLICA,))
    again = copy_to_region(REPLICA_REGION, MULTI, aws, multi_region(), replica_arns=(REPLICA,))
    assert again.state is State.EXISTING
    there = aws.with_region(REPLICA_REGION).stored_keys
    there[STORED_KEY] = replace(there[STORED_KEY], wrapped=wrapped("another"), key_arn=OTHER_KEY)
    with pytest.raises(DataKeyConflict, match="nothing was"):
        copy_to_region(REPLICA_REGION, MULTI, aws, multi_region(), replica_arns=(REPLICA,))
    assert there[STORED_KEY].wrapped == wrapped("another")
