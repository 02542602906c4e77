"""A backup as data and as a JSON document, with its digest and instructions; and whether the last one holds the key.

The only secret in it is the wrapped key, which only the KMS key decrypts. `fingerprint_of` reads a file, an S3 object
or a value of a store; all else is pure.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from components.settings import OPTIONAL_VALUES, STORED_VALUES, SecretStore, Settings, StoredValue
from components.settings.arn import Arn
from wizard.core import files, safe_text
from wizard.core.data_key import CHECK_VALUE, MalformedDataKey, WrappedDataKey
from wizard.core.errors import DataKeyConflict, SetupError, Unsupported, UsageError
from wizard.core.models.rotation import S3, DataKeyVersion, LastBackup, VersionOrigin, file_name_of
from wizard.core.next_command import Text, eonpro, plain_name, shell

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient

FORMAT = "eonpro-kms-backup"
VERSION, WITH_CHECK_VALUES = "1", "2"
"""Of the document's format; with key check values another one, because an earlier release would refuse the fields."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """Every version of a stack's wrapped data key, with the stack, account and Region that they belong to."""

    created_at: datetime
    """UTC."""
    stack: str
    environment: str
    account: str
    region: str
    """Of the KMS key."""
    store: SecretStore
    versions: tuple[DataKeyVersion, ...] = field(repr=False)
    """Oldest first; exactly one is current."""
    beside: tuple[tuple[StoredValue, tuple[DataKeyVersion, ...]], ...] = field(repr=False, default=())
    """The same of each other stored value that there is."""

    @property
    def current(self) -> DataKeyVersion:
        """The version that was the stored data key, and so the application's."""
        return next(version for version in self.versions if version.current)

    def versions_of(self, value: StoredValue) -> tuple[DataKeyVersion, ...]:
        """The versions of a stored value; none where the backup does not hold it."""
        return dict(self.beside).get(value, ()) if value.setting else self.versions

    @property
    def wrapped(self) -> WrappedDataKey:
        return self.current.wrapped

    @property
    def key_arn(self) -> str:
        """The KMS key that decrypts the current version."""
        return self.current.key_arn or ""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the current version."""
        return self.current.fingerprint

    @property
    def application(self) -> str:
        """The application that it is of, by the name under which its current version was stored."""
        return self.current.parameter.split("/")[1]

    @property
    def file_name(self) -> str:
        """The file name in a folder or a bucket, with the fingerprint in it."""
        return file_name_of(self.application, self.environment, self.fingerprint)


def backup_of(
    *,
    created_at: datetime,
    stack: str,
    settings: Settings,
    store: SecretStore,
    key_arn: str,
    versions: Sequence[DataKeyVersion],
    beside: Mapping[StoredValue, Sequence[DataKeyVersion]] = MappingProxyType({}),
) -> Backup:
    """The backup of these versions; `key_arn` is the key of the current version where that does not name its own."""

    def as_read(versions: Sequence[DataKeyVersion]) -> tuple[DataKeyVersion, ...]:
        return tuple(
            replace(
                version,
                key_arn=version.key_arn or (key_arn if version.current else None),
                kept_at=version.kept_at.astimezone(UTC).replace(microsecond=0) if version.kept_at else None,
                kept=True,
            )
            for version in versions
        )

    return Backup(
        created_at=created_at.replace(microsecond=0),
        stack=plain_name(stack),
        environment=settings.environment,
        account=settings.account_id,
        region=settings.region,
        store=store,
        versions=as_read(versions),
        beside=tuple((value, as_read(versions)) for value, versions in beside.items()),
    )


def is_same(backup: Backup, expected: Backup) -> bool:
    """Whether two backups are equal but for the time at which they were made."""
    return replace(backup, created_at=expected.created_at) == expected


def text_of(backup: Backup) -> str:
    """The document as text, for a file or an object."""
    return json.dumps(document(backup), indent=2) + "\n"


def document(backup: Backup) -> dict[str, Any]:
    """The document as JSON values; its digest covers all other fields."""
    versions = [version for value in STORED_VALUES for version in backup.versions_of(value)]
    has_check_values = any(version.wrapped.check_value for version in versions)
    fields: dict[str, Any] = {
        "format": FORMAT,
        "version": WITH_CHECK_VALUES if has_check_values else VERSION,
        "madeAt": _iso(backup.created_at),
        "stack": backup.stack,
        "environment": backup.environment,
        "account": backup.account,
        "region": backup.region,
        "store": backup.store,
        "fingerprint": backup.fingerprint,
        "keyArn": backup.key_arn,
        "wrappedKey": backup.wrapped.value,
        "versions": [_version_fields(version) for version in backup.versions],
        **{f"{value.json_name}Versions": list(map(_version_fields, versions)) for value, versions in backup.beside},
        "toRestore": list(to_restore(backup)),
    }
    return {**fields, "digest": digest(fields)}


def _version_fields(version: DataKeyVersion) -> dict[str, Any]:
    return {
        "fingerprint": version.fingerprint,
        "keyArn": version.key_arn,
        "wrappedKey": version.wrapped.value,
        "sameAs": version.same_as,
        "origin": version.origin,
        "parameter": version.parameter,
        "keptAt": _iso(version.kept_at) if version.kept_at else None,
        "current": version.current,
        "wasCurrent": version.was_current,
        **({"keyCheckValue": version.wrapped.check_value} if version.wrapped.check_value else {}),
    }


def to_restore(backup: Backup) -> tuple[str, ...]:
    """Sentences that say how to restore it, with eonpro-kms and without."""
    replicas = ", or one of its replicas in its own Region," if "/mrk-" in backup.key_arn else ""
    return (
        f"The data key in this document is wrapped: only the KMS key {backup.key_arn}{replicas} decrypts it. "
        "If that key is deleted, nobody can decrypt the data key again, from any copy.",
        f"With eonpro-kms: `eonpro-kms restore --stack {backup.stack} --from-backup PLACE`. PLACE is this "
        "document's file or s3://bucket/key. It writes wrappedKey to its store and delivers it to the application.",
        f"If Pulumi's state is lost too: `eonpro-kms setup --stack {backup.stack} --adopt`, with wrappedKey in "
        "EONPRO_ENCRYPTED_PHI_KEY, imports the remaining resources of the account, and this data key.",
        f"Manually: the application needs ENCRYPTED_PHI_KEY = wrappedKey, AWS_KMS_KEY_ID = keyArn and AWS_REGION = "
        f"{backup.region}, all three together, and the permission to call kms:Decrypt with the key. Where the stack's "
        "settings have other names for them (variableNames), the application reads those.",
        "To decrypt it without the application: kms:Decrypt with KeyId = keyArn and CiphertextBlob = wrappedKey, "
        "decoded from base64, without an encryption context, returns the 32 bytes of an AES-256 key. A record is "
        "base64(iv):base64(tag):base64(ciphertext), AES-256-GCM, with no associated data.",
        "An older record may need another version: its own keyArn decrypts that version in the same way.",
        *(
            f"{value.json_name}Versions has the key of {value.opens} ({value.variable}), which restore {value.option} "
            f"--from-backup PLACE puts back: {value.without}."
            for value, _ in backup.beside
        ),
    )


def digest(fields: Mapping[str, Any]) -> str:
    """`sha256:` and 64 hex digits over the document without its digest. It shows damage, not forgery: KMS itself
    refuses a wrapped key that it did not make."""
    plain = json.dumps(
        {key: value for key, value in fields.items() if key != "digest"}, sort_keys=True, ensure_ascii=True
    )
    return "sha256:" + hashlib.sha256(plain.encode()).hexdigest()


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def refuse_foreign(backup: Backup, settings: Settings, name: str) -> None:
    """Raises DataKeyConflict if the backup belongs to another account, application or environment than the stack."""
    if not _is_of(backup, settings):
        raise DataKeyConflict(
            f"{name} belongs to the environment {backup.environment} of {backup.application} in the account "
            f"{backup.account}, but the stack is {settings.environment} of {settings.application} in "
            f"{settings.account_id}; nothing was written",
            f"use the stack that the backup was made from: --stack {backup.stack}",
        )


def _is_of(backup: Backup, settings: Settings) -> bool:
    mine = (settings.account_id, settings.application, settings.environment)
    return (backup.account, backup.application, backup.environment) == mine


# --- reading it

LONGEST = 1_000_000
"""Bytes. A version has about 700."""

_INSTEAD = Text("use another copy, or make a new one of the stored data key: ", eonpro("backup", "--to", "FILE"))


def parse(text: bytes | str, name: str) -> Backup:
    """The backup in a file or an object of that name.

    Raises UsageError if it is incomplete, was changed, is something else, or has a later version of the format.
    """
    fields = _json(text, name)
    if fields.get("format") != FORMAT:
        raise UsageError(f"{name} is not a backup of eonpro-kms", _INSTEAD)
    if fields.get("version") not in (VERSION, WITH_CHECK_VALUES):
        raise UsageError(
            f"{name} has the format version {fields.get('version')!r}, but this eonpro-kms reads only {VERSION} and "
            f"{WITH_CHECK_VALUES}",
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
            f"{name} contradicts itself: a fingerprint or key ARN does not belong to its wrapped key", _INSTEAD
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
    read = {value: _list(fields.get(f"{value.json_name}Versions", [])) for value in OPTIONAL_VALUES}
    beside = tuple((value, tuple(map(_read_version, each))) for value, each in read.items() if each)
    for one_key in (versions, *dict(beside).values()):
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
        beside=beside,
    )
    key = Arn.find(backup.key_arn)
    if key is None or key.service != "kms":
        raise ValueError("its keyArn is not the ARN of a KMS key")
    return backup


def _read_version(fields: Any) -> DataKeyVersion:
    return DataKeyVersion(
        wrapped=WrappedDataKey(value=_text(fields["wrappedKey"]), check_value=_check_value(fields)),
        key_arn=None if fields["keyArn"] is None else _text(fields["keyArn"]),
        parameter=_text(fields["parameter"]),
        origin=VersionOrigin(fields["origin"]),
        kept_at=None if fields["keptAt"] is None else _time(fields["keptAt"]),
        same_as=_text(fields["sameAs"]),
        current=fields["current"] is True,
        was_current=fields["wasCurrent"] is True,
    )


def _check_value(fields: Mapping[str, Any]) -> str | None:
    value = fields.get("keyCheckValue")
    if value is not None and not CHECK_VALUE.fullmatch(_text(value)):
        raise ValueError("a keyCheckValue in it is not 16 hex digits")
    return value


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


class NotOnThisMachine(SetupError):
    """The backup is a file of another machine, or on a medium that is not mounted."""


def fingerprint_of(last: LastBackup, aws: AwsClient, settings: Settings) -> str | None:
    """The fingerprint of the key in the backup, read and checked; None if nothing is at its place.

    `settings`: of the data key or of the hash key. Raises UsageError for anything else than a backup of the settings'
    environment, NotOnThisMachine, and SetupError for what cannot be read.
    """
    where, _, name = last.place.partition(":")
    if last.place.startswith(S3):
        bucket, _, key = last.place.removeprefix(S3).partition("/")
        stored = aws.backup_storage.read(bucket, key)
        return None if stored is None else _in_document(stored.body, last.place, settings)
    if not name.startswith(settings.names.parameter_prefix):
        content = _file(where, name)
        return None if content is None else _in_document(content, name, settings)
    values = aws.with_region(where).access_diagnostics.read_values([name], settings.secret_store)
    try:
        return WrappedDataKey(value=values[name]).fingerprint if name in values else None
    except MalformedDataKey as error:
        again = shell("aws", "ssm", "get-parameter", "--name", name, "--region", where)
        raise UsageError(f"{name} in {where} is not a wrapped key: {error}", again) from error


def _file(machine: str, name: str) -> bytes | None:
    path = Path(name)
    if machine != platform.node() or not path.parent.is_dir():
        raise NotOnThisMachine(f"the file {name} of {machine} is not on this machine", "look for it there")
    try:
        return files.read(path)
    except FileNotFoundError:
        return None
    except files.NotAFile as error:
        raise UsageError(f"{name} is not a backup: {error.strerror}", shell("ls", "-ld", path)) from error
    except OSError as error:
        raise Unsupported(f"{name} cannot be read: {error.strerror}", shell("ls", "-l", path)) from error


def _in_document(content: bytes, name: str, settings: Settings) -> str | None:
    backup = parse(content, name)
    if not _is_of(backup, settings):
        whose = f"the environment {backup.environment} of {backup.application} in the account {backup.account}"
        raise UsageError(f"{name} is a backup of {whose}", shell("ls", "-l", name))
    versions = backup.versions_of(settings.names.value)
    return next((version.fingerprint for version in versions if version.current), None)
