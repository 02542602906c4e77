"""The places for a backup: a file that only its owner can read, an S3 object, or another Region's store.

Reads and writes that file, S3 through `BackupStorage`, and the store; what exists is never overwritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from components.settings import SecretStore, Settings
from components.settings.arn import Arn
from wizard.core import files, json_documents
from wizard.core.errors import DataKeyConflict, PermissionDenied, ResourceError, SetupError, UsageError
from wizard.core.models.rotation import S3, BucketLock, StoredObject
from wizard.core.next_command import Text, chain, eonpro, shell
from wizard.data_key.backup_document import Backup, is_same, parse, text_of

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.aws.s3 import BackupStorage


_TO_A_BUCKET = (
    *("s3:ListBucket", "s3:GetBucketObjectLockConfiguration"),
    *("s3:PutObject", "s3:PutObjectRetention", "s3:GetObject", "s3:GetObjectRetention"),
)
_TO_A_STORE = {
    SecretStore.PARAMETER_STORE: tuple(
        f"ssm:{each}" for each in ("PutParameter", "AddTagsToResource", "GetParameters", "ListTagsForResource")
    ),
    SecretStore.SECRETS_MANAGER: tuple(
        f"secretsmanager:{each}" for each in ("CreateSecret", "TagResource", "DescribeSecret", "GetSecretValue")
    ),
}


class DestinationKind(StrEnum):
    """The kind of place that holds a copy."""

    FILE = "file"
    OBJECT = "object"
    STORE = "store"


class State(StrEnum):
    """Whether this run wrote the copy."""

    WRITTEN = "written"
    EXISTING = "there"
    """A copy with the same content exists already; nothing was written."""


@dataclass(frozen=True, kw_only=True)
class BackupCopy:
    """One copy, read back and compared."""

    place: str
    kind: DestinationKind
    state: State
    region: str | None = None
    """None for a file."""
    opens_with: str | None = None
    """ARN of the KMS key that decrypts this copy."""
    encryption: str | None = None
    lock_mode: str | None = None
    locked_until: datetime | None = None
    """UTC; None if it is not locked, or its lock cannot be read."""
    version: str | None = None


class Kept(TypedDict):
    """A copy of the backup, with what protects it."""

    place: str
    kind: DestinationKind
    state: State
    region: str | None
    opensWith: str | None
    encryption: str | None
    lockMode: str | None
    lockedUntil: json_documents.Time | None
    objectVersion: str | None


def kept(copy: BackupCopy) -> Kept:
    """The JSON fields of a copy."""
    return {
        "place": copy.place,
        "kind": copy.kind,
        "state": copy.state,
        "region": copy.region,
        "opensWith": copy.opens_with,
        "encryption": copy.encryption,
        "lockMode": copy.lock_mode,
        "lockedUntil": copy.locked_until.isoformat(timespec="seconds") if copy.locked_until else None,
        "objectVersion": copy.version,
    }


def read(place: str, backup_storage: BackupStorage) -> Backup:
    """The checked backup in a file or in an object `s3://bucket/key`.

    Raises UsageError if it does not exist, cannot be read, is incomplete, was changed or is something else.
    """
    if place.startswith(S3):
        bucket, key = _bucket_and_key(place)
        stored = backup_storage.read(bucket, key)
        if stored is None:
            listing = shell("aws", "s3", "ls", f"{S3}{bucket}/", "--recursive", advice="list the objects of the bucket")
            raise UsageError(f"{place} does not exist", listing)
        return parse(stored.body, place)
    return parse(_content(Path(place).expanduser()), place)


def write(place: str, backup: Backup, backup_storage: BackupStorage, *, retention_days: int) -> BackupCopy:
    """Create the file or object, read it back and compare it. An existing copy with the same content stays unchanged.

    Raises UsageError if the place holds anything else, ResourceError if it cannot be written.
    """
    if place.startswith(S3):
        bucket, _ = _bucket_and_key(place, backup.file_name)
        with _naming_rights(_TO_A_BUCKET, f"on {S3}{bucket} and its objects"):
            return _to_object(place, backup, backup_storage, retention_days)
    return _to_file(Path(place).expanduser(), backup)


@contextmanager
def _naming_rights(actions: Sequence[str], where: str) -> Iterator[None]:
    """A refusal names all that a copy there needs: the settings do not name the place, so no printed policy does."""
    try:
        yield
    except PermissionDenied as error:
        needed = f"; a backup there needs {', '.join(actions)} {where}, which no policy of `policy` names"
        raise PermissionDenied(error.message, Text(error.hint, needed)) from error


# --- files


def _to_file(path: Path, backup: Backup) -> BackupCopy:
    try:
        path = path / backup.file_name if path.is_dir() else path
        is_new = files.create(path, text_of(backup).encode())
    except OSError as error:
        raise ResourceError(f"{path} cannot be written: {error.strerror}", "name another file: --to FILE") from error
    if not is_new:
        _refuse_another(parse(_content(path), str(path)), backup, str(path))
        files.tighten(path)
        return _file(path, State.EXISTING, backup)
    try:
        _compare(parse(_content(path), str(path)), backup, str(path))
    except SetupError:
        # Delete the damaged file, which this run created: it looks like a backup and is none.
        path.unlink(missing_ok=True)
        raise
    return _file(path, State.WRITTEN, backup)


def _file(path: Path, state: State, backup: Backup) -> BackupCopy:
    return BackupCopy(place=str(path), kind=DestinationKind.FILE, state=state, opens_with=backup.key_arn)


def _content(path: Path) -> bytes:
    try:
        return files.read(path, streams=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", shell("ls", "-l", path.parent)) from error


# --- S3 objects


def required_lock(bucket: str, backup_storage: BackupStorage, retention_days: int) -> BucketLock:
    """The Object Lock of a bucket for evidence. Raises ResourceError for a bucket without one."""
    lock, on = backup_storage.lock_of(bucket), ("--bucket", bucket)
    if lock is None:
        locked = f"ObjectLockEnabled=Enabled,Rule={{DefaultRetention={{Mode=GOVERNANCE,Days={retention_days}}}}}"
        raise ResourceError(
            f"the bucket {bucket} has no Object Lock, so everybody who can write there could delete what is copied "
            "there; nothing was written",
            chain(
                shell("aws", "s3api", "put-bucket-versioning", *on, "--versioning-configuration", "Status=Enabled"),
                shell("aws", "s3api", "put-object-lock-configuration", *on, "--object-lock-configuration", locked),
                advice="an Object Lock cannot be switched off again; then run the same command again",
            ),
        )
    return lock


def _to_object(place: str, backup: Backup, backup_storage: BackupStorage, retention_days: int) -> BackupCopy:
    bucket, key = _bucket_and_key(place, backup.file_name)
    name = f"{S3}{bucket}/{key}"
    lock = required_lock(bucket, backup_storage, retention_days)
    # The bucket's default retention wins; without one the backup is locked as long as the audit trail is kept.
    locked_until = None if lock.mode else backup.created_at + timedelta(days=retention_days)
    written = backup_storage.create(bucket, key, text_of(backup).encode(), until=locked_until)
    stored = backup_storage.read(bucket, key)
    if stored is None:
        raise ResourceError(
            f"{name} was written but cannot be read",
            shell("aws", "s3api", "head-object", "--bucket", bucket, "--key", key),
        )
    existing = parse(stored.body, name)
    if written:
        _compare(existing, backup, name)
    else:
        _refuse_another(existing, backup, name)
    return _object(name, State.WRITTEN if written else State.EXISTING, backup, lock, stored)


def _object(name: str, state: State, backup: Backup, lock: BucketLock, stored: StoredObject) -> BackupCopy:
    return BackupCopy(
        place=name,
        kind=DestinationKind.OBJECT,
        state=state,
        region=lock.region,
        opens_with=backup.key_arn,
        encryption=stored.encryption,
        lock_mode=stored.lock_mode,
        locked_until=stored.locked_until,
        version=stored.version,
    )


def _bucket_and_key(place: str, file_name: str = "") -> tuple[str, str]:
    bucket, _, key = place.removeprefix(S3).partition("/")
    if not key or key.endswith("/"):
        key += file_name
    if not bucket or not key or key.endswith("/"):
        raise UsageError(f"{place} does not name an object", "type the bucket and the key: s3://BUCKET/KEY")
    return bucket, key


def _compare(actual: Backup, expected: Backup, name: str) -> None:
    if not is_same(actual, expected):
        raise ResourceError(f"{name}, read again, differs from what was written", "choose another destination")


def _refuse_another(actual: Backup, expected: Backup, name: str) -> None:
    if not is_same(actual, expected):
        raise UsageError(
            f"{name} exists already and holds another backup ({actual.fingerprint}, {len(actual.versions)} versions, "
            f"of {actual.created_at:%Y-%m-%d}); a backup is never overwritten",
            "choose another destination: --to FILE, or --to s3://BUCKET/KEY",
        )


def copy_to_region(
    region: str, backup: Backup, aws: AwsClient, settings: Settings, *, replica_arns: Sequence[str]
) -> BackupCopy:
    """Write the current version to the store of that Region, under the stored data key's name if it has a replica.

    Without a replica only the first Region's key decrypts it, so it gets another name, with the fingerprint in it,
    which no task reads. Raises DataKeyConflict if the name holds another data key, which stays unchanged.
    """
    if region == settings.region:
        raise UsageError(
            f"the stored data key is in {region} already",
            Text("choose another Region: --to-region REGION   (", shell("aws", "account", "list-regions"), ")"),
        )
    regional_aws = aws.with_region(region)
    replica = _replica(region, backup, replica_arns)
    hex_digits = backup.fingerprint.removeprefix("sha256:")
    own_name = f"{settings.names.parameter_prefix}/backups/{hex_digits}/{settings.names.variable}"
    name = settings.names.stored_data_key if replica else own_name
    opens_with = replica or backup.key_arn
    with _naming_rights(_TO_A_STORE[settings.secret_store], f"on {name} in {region}"):
        written = regional_aws.stored_data_keys.store_data_key(
            name, backup.wrapped, key_arn=opens_with, tags=settings.tags, store=settings.secret_store
        )
        stored = regional_aws.stored_data_keys.read_stored_data_key(name, store=settings.secret_store)
    if stored is None:
        raise ResourceError(
            f"{name} was written in {region} but cannot be read there",
            eonpro("backup", "--stack", backup.stack, "--to-region", region),
        )
    if stored.wrapped != backup.wrapped:
        raise DataKeyConflict(
            f"{name} in {region} holds the data key {stored.wrapped.fingerprint}, not {backup.fingerprint}; nothing "
            "was overwritten",
            f"find out with which of the two data keys the application in {region} encrypted its records",
        )
    return BackupCopy(
        place=name,
        kind=DestinationKind.STORE,
        state=State.WRITTEN if written else State.EXISTING,
        region=region,
        opens_with=opens_with,
    )


def _replica(region: str, backup: Backup, replica_arns: Sequence[str]) -> str | None:
    """The replica of the key that wraps it; replicas have the id of their primary (`mrk-…`)."""
    replica = str(Arn.parse(backup.key_arn).with_region(region))
    return replica if replica in replica_arns else None
