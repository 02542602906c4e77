"""The places for a backup: a file that only its owner can read, or an S3 object; created, never overwritten.

Reads and writes that file, and S3 through the port `BackupStorage`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from components.settings import SecretStore
from components.settings.arn import Arn
from wizard.commands.backup.document import FORMAT, VERSION, Backup, digest, document, is_same, text_of
from wizard.core import files, safe_text
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import ResourceError, SetupError, UsageError
from wizard.core.models.rotation import S3, BucketLock, DataKeyVersion, StoredObject, VersionOrigin
from wizard.core.next_command import Command, shell
from wizard.core.ports.aws import BackupStorage


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


def read(place: str, backup_storage: BackupStorage) -> Backup:
    """The checked backup in a file or in an object `s3://bucket/key`.

    Raises UsageError if it does not exist, cannot be read, is incomplete, was changed or is something else.
    """
    if place.startswith(S3):
        bucket, key = _bucket_and_key(place)
        stored = backup_storage.read(bucket, key)
        if stored is None:
            listing = Command(f"aws s3 ls {S3}{bucket}/ --recursive", advice="list the objects of the bucket")
            raise UsageError(f"{place} does not exist", listing)
        return parse(stored.body, place)
    return parse(_content(Path(place).expanduser()), place)


def write(place: str, backup: Backup, backup_storage: BackupStorage, *, retention_days: int) -> BackupCopy:
    """Create the file or object, read it back and compare it. An existing copy with the same content stays unchanged.

    Raises UsageError if the place holds anything else, ResourceError if it cannot be written.
    """
    if place.startswith(S3):
        return _to_object(place, backup, backup_storage, retention_days)
    return _to_file(Path(place).expanduser(), backup)


# --- files


def _to_file(path: Path, backup: Backup) -> BackupCopy:
    path = path / backup.file_name if path.is_dir() else path
    try:
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
    lock = backup_storage.lock_of(bucket)
    if lock is None:
        raise ResourceError(
            f"the bucket {bucket} has no Object Lock, so everybody who can write there could delete what is copied "
            "there; nothing was written",
            Command(
                f"aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled && "
                f"aws s3api put-object-lock-configuration --bucket {bucket} --object-lock-configuration "
                f"'ObjectLockEnabled=Enabled,Rule={{DefaultRetention={{Mode=GOVERNANCE,Days={retention_days}}}}}'",
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
            f"{name} was written but cannot be read", Command(f"aws s3api head-object --bucket {bucket} --key {key}")
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


LONGEST = 1_000_000
"""Bytes. A version has about 700."""

_INSTEAD = "use another copy, or make a new one of the stored data key: python -m wizard backup --to FILE"


def parse(text: bytes | str, name: str) -> Backup:
    """The backup in a file or an object of that name.

    Raises UsageError if it is incomplete, was changed, is something else, or has a later version of the format.
    """
    fields = _json(text, name)
    if fields.get("format") != FORMAT:
        raise UsageError(f"{name} is not a backup of eonpro-kms", _INSTEAD)
    if fields.get("version") != VERSION:
        raise UsageError(
            f"{name} has the format version {fields.get('version')!r}, but this eonpro-kms reads only {VERSION}",
            "use the eonpro-kms release that made it, or a later one",
        )
    if fields.get("digest") != digest(fields):
        raise UsageError(f"{name} was changed after it was made: its digest does not fit its content", _INSTEAD)
    try:
        backup = _read(fields)
    except (MalformedDataKey, KeyError, TypeError, ValueError, AttributeError) as error:
        # The digest fits, so the file was made like this, but not by `document`.
        raise UsageError(f"{name} cannot be used as a backup: {_fault(error)}", _INSTEAD) from error
    if _facts(document(backup)) != _facts(fields):
        raise UsageError(
            f"{name} contradicts itself: a fingerprint or key ARN does not belong to its wrapped key",
            _INSTEAD,
        )
    return backup


def _facts(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in ("toRestore", "digest")}


def _fault(error: Exception) -> str:
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)


def _json(text: bytes | str, name: str) -> dict[str, Any]:
    if len(text) > LONGEST:
        raise UsageError(f"{name} is too long ({len(text)} bytes) to be a backup", _INSTEAD)
    if not text:
        raise UsageError(f"{name} is empty", _INSTEAD)
    try:
        fields = safe_text.parse_json(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is not JSON: it is incomplete, or not a backup", _INSTEAD) from error
    if not isinstance(fields, dict):
        raise UsageError(f"{name} is not a backup of eonpro-kms", _INSTEAD)
    return fields


def _read(fields: Mapping[str, Any]) -> Backup:
    versions = tuple(_read_version(version) for version in _list(fields["versions"]))
    hash_versions = tuple(_read_version(version) for version in _list(fields.get("hashKeyVersions", [])))
    for one_key in (versions, hash_versions) if hash_versions else (versions,):
        if [version.current for version in one_key].count(True) != 1:
            raise ValueError("exactly one version has to be the current one")
    backup = Backup(
        created_at=_time(fields["madeAt"]),
        stack=_text(fields["stack"]),
        environment=_text(fields["environment"]),
        account=_text(fields["account"]),
        region=_text(fields["region"]),
        store=SecretStore(fields["store"]),
        versions=versions,
        hash_versions=hash_versions,
    )
    key = Arn.find(backup.key_arn)
    if key is None or key.service != "kms":
        raise ValueError("its keyArn is not the ARN of a KMS key")
    return backup


def _read_version(fields: Any) -> DataKeyVersion:
    return DataKeyVersion(
        wrapped=WrappedDataKey(value=_text(fields["wrappedKey"])),
        key_arn=None if fields["keyArn"] is None else _text(fields["keyArn"]),
        parameter=_text(fields["parameter"]),
        origin=VersionOrigin(fields["origin"]),
        kept_at=None if fields["keptAt"] is None else _time(fields["keptAt"]),
        same_as=_text(fields["sameAs"]),
        current=fields["current"] is True,
        was_current=fields["wasCurrent"] is True,
    )


def _list(entries: Any) -> Sequence[Any]:
    if not isinstance(entries, list):
        raise TypeError("its versions are not a list")
    return entries


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a value in it is not a text, or is empty")
    return value


def _time(value: Any) -> datetime:
    at = datetime.fromisoformat(_text(value))
    if at.tzinfo is None:
        raise ValueError(f"the time {value} has no zone")
    return at.astimezone(UTC)
