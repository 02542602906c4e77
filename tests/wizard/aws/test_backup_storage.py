"""S3 as a vault, over an emulated account: create-only, in the bucket's own Region, never in a stranger's bucket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from tests.wizard.aws.conftest import ACCOUNT
from wizard.aws.s3 import BackupStorage
from wizard.core.errors import PermissionDenied, ResourceError

UNTIL = datetime(2033, 11, 24, tzinfo=UTC)


@pytest.fixture
def backup_storage(aws):
    return aws.backup_storage


@pytest.fixture
def locked(boto) -> str:
    boto("s3").create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    return "locked"


def test_a_bucket_with_a_default_lock_says_how_long(backup_storage, boto, locked):
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 7}}
    boto("s3").put_object_lock_configuration(
        Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    found = backup_storage.lock_of(locked)
    assert (found.mode, found.region) == ("COMPLIANCE", "us-east-1")


def test_a_bucket_that_locks_nothing_by_default_has_a_lock_all_the_same(backup_storage, locked):
    found = backup_storage.lock_of(locked)
    assert found.mode is None


def test_a_bucket_without_object_lock_has_none(backup_storage, boto):
    boto("s3").create_bucket(Bucket="plain")
    assert backup_storage.lock_of("plain") is None


def test_a_bucket_that_is_not_there_is_told_with_the_command_that_makes_it(backup_storage):
    with pytest.raises(ResourceError, match=f"{ACCOUNT} has no bucket nowhere") as told:
        backup_storage.lock_of("nowhere")
    assert told.value.hint.endswith("--object-lock-enabled-for-bucket")
    assert "LocationConstraint" not in told.value.hint


def test_the_command_for_another_region_says_so(aws):
    with pytest.raises(ResourceError) as told:
        aws.with_region("eu-west-1").backup_storage.lock_of("nowhere")
    assert "LocationConstraint=eu-west-1" in told.value.hint


def test_an_object_is_created_with_a_lock_and_a_checksum_and_never_overwritten(backup_storage, boto, locked):
    assert backup_storage.create(locked, "a/b.json", b"first", until=UNTIL) is True
    assert backup_storage.create(locked, "a/b.json", b"second", until=UNTIL) is False
    found = backup_storage.read(locked, "a/b.json")
    assert (found.body, found.lock_mode, found.locked_until) == (b"first", "GOVERNANCE", UNTIL)
    assert found.version
    head = boto("s3").head_object(Bucket=locked, Key="a/b.json", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] and head["ContentType"] == "application/json"
    assert len(boto("s3").list_object_versions(Bucket=locked)["Versions"]) == 1


def test_without_a_date_the_buckets_own_lock_holds(backup_storage, boto, locked):
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}}
    boto("s3").put_object_lock_configuration(
        Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    backup_storage.create(locked, "b.json", b"it", until=None)
    found = backup_storage.read(locked, "b.json")
    assert found.lock_mode == "GOVERNANCE"
    assert timedelta(days=28) < found.locked_until - datetime.now(UTC) < timedelta(days=31)


def test_a_bucket_of_another_region_is_reached_where_it_is(backup_storage, boto):
    boto("s3").create_bucket(
        Bucket="far",
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        ObjectLockEnabledForBucket=True,
    )
    assert backup_storage.lock_of("far").region == "eu-west-1"
    assert backup_storage.create("far", "b.json", b"it", until=UNTIL)
    assert backup_storage.read("far", "b.json").body == b"it"


def test_what_is_not_there_reads_as_nothing(backup_storage, locked):
    assert backup_storage.read(locked, "none.json") is None
    assert backup_storage.read("nowhere", "none.json") is None


def test_a_strangers_bucket_of_that_name_gets_nothing(script, scripted):
    # S3's answer to a caller who expects another owner.
    script.say_who()
    script.answer("HEAD /locked", "", status=403)
    scripted.identify()
    asked_before = len(script.calls)
    backup_storage = BackupStorage(scripted._session)
    for ask in (
        lambda: backup_storage.lock_of("locked"),
        lambda: backup_storage.create("locked", "b.json", b"it", until=UNTIL),
        lambda: backup_storage.read("locked", "b.json"),
    ):
        with pytest.raises(PermissionDenied):
            ask()
    told = [{name.lower(): value for name, value in headers.items()} for headers in script.headers[asked_before:]]
    assert [each["x-amz-expected-bucket-owner"] for each in told] == [ACCOUNT] * 3
    assert set(script.calls[asked_before:]) == {"HEAD /locked"}


def test_a_locked_version_stays_whoever_would_delete_it(backup_storage, boto, locked):
    backup_storage.create(locked, "b.json", b"it", until=UNTIL)
    version = backup_storage.read(locked, "b.json").version
    with pytest.raises(ClientError, match="AccessDenied"):
        boto("s3").delete_object(Bucket=locked, Key="b.json", VersionId=version)
