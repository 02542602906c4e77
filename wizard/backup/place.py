"""Where a backup is kept: a file that only its owner can read, or an object of S3; created, never overwritten.

Touches the file that is named, and S3 through its Protocol.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from wizard.backup.document import Backup, is_same, text_of
from wizard.backup.reading import LONGEST, parse
from wizard.errors import ResourceError, SetupError, UsageError
from wizard.facts_backup import BucketLock, StoredObject
from wizard.protocols_backup import Vault

S3 = "s3://"


class Kind(StrEnum):
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
class Kept:
    """One copy, read back and compared."""

    place: str
    kind: Kind
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


def read(place: str, vault: Vault) -> Backup:
    """The backup in a file, or in an object by `s3://bucket/key`, judged.

    Raises UsageError for one that is not there, not readable, cut off, changed or of another kind.
    """
    if place.startswith(S3):
        bucket, key = _bucket_and_key(place)
        found = vault.read(bucket, key)
        if found is None:
            raise UsageError(f"there is no {place}", f"aws s3 ls {S3}{bucket}/ --recursive   # what there is")
        return parse(found.body, place)
    return parse(_content(Path(place).expanduser()), place)


def keep(place: str, backup: Backup, vault: Vault, *, retention_days: int) -> Kept:
    """The backup to a file or an object, create-only; read back and compared. The same content there is left alone.

    Raises UsageError where the place holds anything else, ResourceError where it cannot be written.
    """
    if place.startswith(S3):
        return _to_object(place, backup, vault, retention_days)
    return _to_file(Path(place).expanduser(), backup)


# --- a file --------------------------------------------------------------------------------------------------------


def _to_file(path: Path, backup: Backup) -> Kept:
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


def _file(path: Path, state: State, backup: Backup) -> Kept:
    return Kept(place=str(path), kind=Kind.FILE, state=state, opens_with=backup.key_arn)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LONGEST + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", f"ls -l {path.parent}") from error


# --- an object -----------------------------------------------------------------------------------------------------


def _to_object(place: str, backup: Backup, vault: Vault, retention_days: int) -> Kept:
    bucket, key = _bucket_and_key(place, backup.file_name)
    name = f"{S3}{bucket}/{key}"
    lock = vault.lock_of(bucket)
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
    written = vault.create(bucket, key, text_of(backup).encode(), until=until)
    found = vault.read(bucket, key)
    if found is None:
        raise ResourceError(
            f"{name} was written and is not there", f"aws s3api head-object --bucket {bucket} --key {key}"
        )
    there = parse(found.body, name)
    if written:
        _compare(there, backup, name)
    else:
        _refuse_another(there, backup, name)
    return _object(name, State.WRITTEN if written else State.THERE, backup, lock, found)


def _object(name: str, state: State, backup: Backup, lock: BucketLock, found: StoredObject) -> Kept:
    return Kept(
        place=name,
        kind=Kind.OBJECT,
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
