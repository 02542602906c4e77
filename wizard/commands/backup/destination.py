"""Where a backup is kept: a file that only its owner can read, or an object of S3; created, never overwritten.

Touches the file that is named, and S3 through its Protocol.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from components.settings import SecretStore
from wizard.commands.backup.document import FORMAT, VERSION, Backup, digest, document, is_same, text_of
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import ResourceError, SetupError, UsageError
from wizard.core.models.rotation import BucketLock, DataKeyVersion, StoredObject, VersionOrigin
from wizard.core.next_command import Command
from wizard.core.ports.aws import BackupStorage

S3 = "s3://"


class DestinationKind(StrEnum):
    """What a backup is kept as."""

    FILE = "file"
    OBJECT = "object"
    STORE = "store"


class State(StrEnum):
    """What was done for it."""

    WRITTEN = "written"
    THERE = "there"
    """The same content was there already; nothing was written."""


@dataclass(frozen=True, kw_only=True)
class BackupCopy:
    """One copy, read back and compared."""

    place: str
    kind: DestinationKind
    state: State
    region: str | None = None
    """None for a file."""
    opens_with: str | None = None
    """ARN of the KMS key that opens it from there."""
    encryption: str | None = None
    lock_mode: str | None = None
    locked_until: datetime | None = None
    """UTC; None where it is not locked, or that is not told."""
    version: str | None = None


def read(place: str, backup_storage: BackupStorage) -> Backup:
    """The backup in a file, or in an object by `s3://bucket/key`, judged.

    Raises UsageError for one that is not there, not readable, cut off, changed or of another kind.
    """
    if place.startswith(S3):
        bucket, key = _bucket_and_key(place)
        found = backup_storage.read(bucket, key)
        if found is None:
            raise UsageError(
                f"there is no {place}", Command(f"aws s3 ls {S3}{bucket}/ --recursive", advice="what there is")
            )
        return parse(found.body, place)
    return parse(_content(Path(place).expanduser()), place)


def keep(place: str, backup: Backup, backup_storage: BackupStorage, *, retention_days: int) -> BackupCopy:
    """The backup to a file or an object, create-only; read back and compared. The same content there is left alone.

    Raises UsageError where the place holds anything else, ResourceError where it cannot be written.
    """
    if place.startswith(S3):
        return _to_object(place, backup, backup_storage, retention_days)
    return _to_file(Path(place).expanduser(), backup)


# --- a file --------------------------------------------------------------------------------------------------------


def _to_file(path: Path, backup: Backup) -> BackupCopy:
    path = path / backup.file_name if path.is_dir() else path
    try:
        # Create-only, whoever else is at it; never through a link that lies there.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        _refuse_another(parse(_content(path), str(path)), backup, str(path))
        return _file(path, State.THERE, backup)
    except OSError as error:
        raise ResourceError(f"{path} cannot be written: {error.strerror}", "name another file: --to FILE") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            # The mode is asked for above, but a default ACL of the folder may have widened it.
            os.fchmod(file.fileno(), 0o600)
            file.write(text_of(backup))
            file.flush()
            os.fsync(file.fileno())
        _sync(path.parent)
        _compare(parse(_content(path), str(path)), backup, str(path))
    except (OSError, SetupError, KeyboardInterrupt) as error:
        # Half a backup that looks like one is worse than none; it is of this run, nobody else's.
        path.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise ResourceError(f"{path} cannot be written: {error.strerror}", "name another file: --to FILE") from error
    return _file(path, State.WRITTEN, backup)


def _sync(folder: Path) -> None:
    # The file's name is safe only when its folder is (fsync(2)).
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file(path: Path, state: State, backup: Backup) -> BackupCopy:
    return BackupCopy(place=str(path), kind=DestinationKind.FILE, state=state, opens_with=backup.key_arn)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LONGEST + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", Command(f"ls -l {path.parent}")) from error


# --- an object -----------------------------------------------------------------------------------------------------


def _to_object(place: str, backup: Backup, backup_storage: BackupStorage, retention_days: int) -> BackupCopy:
    bucket, key = _bucket_and_key(place, backup.file_name)
    name = f"{S3}{bucket}/{key}"
    lock = backup_storage.lock_of(bucket)
    if lock is None:
        raise ResourceError(
            f"the bucket {bucket} has no Object Lock, so that anybody who may write there could delete the backup; "
            "nothing was written",
            f"aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled && "
            f"aws s3api put-object-lock-configuration --bucket {bucket} --object-lock-configuration "
            f"'ObjectLockEnabled=Enabled,Rule={{DefaultRetention={{Mode=GOVERNANCE,Days={retention_days}}}}}'"
            "   # an Object Lock cannot be switched off again",
        )
    # What the bucket says of itself is its owner's decision; where it says nothing, as long as the audit trail.
    until = None if lock.mode else backup.made_at + timedelta(days=retention_days)
    written = backup_storage.create(bucket, key, text_of(backup).encode(), until=until)
    found = backup_storage.read(bucket, key)
    if found is None:
        raise ResourceError(
            f"{name} was written and is not there", Command(f"aws s3api head-object --bucket {bucket} --key {key}")
        )
    there = parse(found.body, name)
    if written:
        _compare(there, backup, name)
    else:
        _refuse_another(there, backup, name)
    return _object(name, State.WRITTEN if written else State.THERE, backup, lock, found)


def _object(name: str, state: State, backup: Backup, lock: BucketLock, found: StoredObject) -> BackupCopy:
    return BackupCopy(
        place=name,
        kind=DestinationKind.OBJECT,
        state=state,
        region=lock.region,
        opens_with=backup.key_arn,
        encryption=found.encryption,
        lock_mode=found.lock_mode,
        locked_until=found.locked_until,
        version=found.version,
    )


def _bucket_and_key(place: str, file_name: str = "") -> tuple[str, str]:
    bucket, _, key = place.removeprefix(S3).partition("/")
    if not key or key.endswith("/"):
        key += file_name
    if not bucket or not key or key.endswith("/"):
        raise UsageError(f"{place} names no object", "name it whole: s3://BUCKET/KEY")
    return bucket, key


def _compare(found: Backup, meant: Backup, name: str) -> None:
    if not is_same(found, meant):
        raise ResourceError(f"{name} does not read back as it was written", "name another place, and run it again")


def _refuse_another(found: Backup, meant: Backup, name: str) -> None:
    if not is_same(found, meant):
        raise UsageError(
            f"{name} is there already and holds another backup ({found.fingerprint}, {len(found.versions)} versions, "
            f"of {found.made_at:%Y-%m-%d}); a backup is never overwritten",
            "name another place: --to FILE, or --to s3://BUCKET/KEY",
        )


LONGEST = 1_000_000
"""Octets: a version is about 700, and a thousand of them are more than any clinic will have."""

_INSTEAD = "name another copy; python -m wizard backup --to FILE makes a new one of what is stored"


def parse(text: bytes | str, name: str) -> Backup:
    """The backup in a file or an object of that name.

    Raises UsageError for what is cut off, changed, another thing altogether, or of a later form.
    """
    found = _json(text, name)
    if found.get("format") != FORMAT:
        raise UsageError(f"{name} is no backup of eonpro-kms", _INSTEAD)
    if found.get("version") != VERSION:
        raise UsageError(
            f"{name} is a backup of the form {found.get('version')!r}, and this eonpro-kms reads {VERSION}",
            "use the eonpro-kms that made it, or a later one",
        )
    if found.get("digest") != digest(found):
        raise UsageError(f"{name} was changed since it was made: its digest is not that of its content", _INSTEAD)
    try:
        backup = _read(found)
    except (MalformedDataKey, KeyError, TypeError, ValueError, AttributeError) as error:
        # The digest fits, so it was written like this: manually, or by something else.
        raise UsageError(f"{name} cannot be used as a backup: {_fault(error)}", _INSTEAD) from error
    if _facts(document(backup)) != _facts(found):
        raise UsageError(
            f"{name} contradicts itself: a fingerprint is not its wrapped key's, or its key not the current version's",
            _INSTEAD,
        )
    return backup


def _facts(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key not in ("toRestore", "digest")}


def _fault(error: Exception) -> str:
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)


def _json(text: bytes | str, name: str) -> dict[str, Any]:
    if len(text) > LONGEST:
        raise UsageError(f"{name} is too long ({len(text)} octets) to be a backup", _INSTEAD)
    if not text:
        raise UsageError(f"{name} is empty", _INSTEAD)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is cut off, or no backup at all: it is not JSON", _INSTEAD) from error
    if not isinstance(found, dict):
        raise UsageError(f"{name} is no backup of eonpro-kms", _INSTEAD)
    return found


def _read(found: Mapping[str, Any]) -> Backup:
    versions = tuple(_read_version(each) for each in _list(found["versions"]))
    if [each.current for each in versions].count(True) != 1:
        raise ValueError("exactly one of its versions has to be the current one")
    backup = Backup(
        made_at=_time(found["madeAt"]),
        stack=_word(found["stack"]),
        environment=_word(found["environment"]),
        account=_word(found["account"]),
        region=_word(found["region"]),
        store=SecretStore(found["store"]),
        versions=versions,
    )
    if backup.key_arn.split(":")[:3] != ["arn", backup.key_arn.split(":")[1], "kms"]:
        raise ValueError("its keyArn is no ARN of a KMS key")
    return backup


def _read_version(found: Any) -> DataKeyVersion:
    return DataKeyVersion(
        wrapped=WrappedDataKey(value=_word(found["wrappedKey"])),
        key_arn=None if found["keyArn"] is None else _word(found["keyArn"]),
        parameter=_word(found["parameter"]),
        origin=VersionOrigin(found["origin"]),
        kept_at=None if found["keptAt"] is None else _time(found["keptAt"]),
        same_as=_word(found["sameAs"]),
        current=found["current"] is True,
        was_current=found["wasCurrent"] is True,
    )


def _list(found: Any) -> Sequence[Any]:
    if not isinstance(found, list):
        raise TypeError("its versions are no list")
    return found


def _word(found: Any) -> str:
    if not isinstance(found, str) or not found:
        raise TypeError("a text in it is missing")
    return found


def _time(found: Any) -> datetime:
    at = datetime.fromisoformat(_word(found))
    if at.tzinfo is None:
        raise ValueError(f"the time {found} has no zone")
    return at.astimezone(UTC)
