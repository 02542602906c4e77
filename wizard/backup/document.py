"""A backup as a document: what is in it, how it is written, and how one that was read is judged.

Pure. It holds no secret beyond the wrapped key, which opens only with the KMS key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from components.contract import SecretStore, Settings
from wizard.datakey import MalformedDataKey, WrappedDataKey
from wizard.errors import DataKeyConflict, UsageError
from wizard.facts_rotation import EscrowedVersion, Origin

FORMAT = "eonpro-kms-backup"
VERSION = "1"
"""Of the document's form; a field that changes its meaning changes it."""

LONGEST = 1_000_000
"""Octets: a version is about 700, and a thousand of them are more than any clinic will have."""

_INSTEAD = "name another copy; python -m wizard backup --to FILE makes a new one of what is escrowed"


@dataclass(frozen=True, kw_only=True)
class Backup:
    """Every version of a stack's wrapped data key, and what is needed to restore them."""

    made_at: datetime
    """UTC."""
    stack: str
    environment: str
    account: str
    region: str
    """Of the KMS key."""
    store: SecretStore
    versions: tuple[EscrowedVersion, ...] = field(repr=False)
    """The oldest first; exactly one is the current one."""

    @property
    def current(self) -> EscrowedVersion:
        """The version that the escrow held, and so what the application had."""
        return next(version for version in self.versions if version.current)

    @property
    def wrapped(self) -> WrappedDataKey:
        """The data key that the application had, as KMS wrapped it."""
        return self.current.wrapped

    @property
    def key_arn(self) -> str:
        """The KMS key that opens it."""
        return self.current.key_arn or ""

    @property
    def fingerprint(self) -> str:
        """Of the current version."""
        return self.current.fingerprint

    @property
    def file_name(self) -> str:
        """A name that tells what is in it; another data key gives another name."""
        return file_name_of(self.environment, self.fingerprint)


def file_name_of(environment: str, fingerprint: str) -> str:
    """The name of a backup of that data key, as `backup` gives it in a folder or a bucket."""
    return f"eonpro-{environment}-{fingerprint.removeprefix('sha256:')}.backup.json"


def backup_of(
    *,
    made_at: datetime,
    stack: str,
    settings: Settings,
    store: SecretStore,
    key_arn: str,
    versions: Sequence[EscrowedVersion],
) -> Backup:
    """The backup of these versions as the document holds them; `key_arn` opens the current one if nothing says so."""
    return Backup(
        made_at=made_at.replace(microsecond=0),
        stack=stack.rsplit("/", 1)[-1],
        environment=settings.environment,
        account=settings.account_id,
        region=settings.region,
        store=store,
        versions=tuple(
            replace(
                each,
                key_arn=each.key_arn or (key_arn if each.current else None),
                kept_at=each.kept_at.astimezone(UTC).replace(microsecond=0) if each.kept_at else None,
                kept=True,
            )
            for each in versions
        ),
    )


def is_same(one: Backup, other: Backup) -> bool:
    """Whether two backups hold the same, whenever each was made."""
    return replace(one, made_at=other.made_at) == other


def text_of(backup: Backup) -> str:
    """The document, for a file or an object."""
    return json.dumps(document(backup), indent=2) + "\n"


def document(backup: Backup) -> dict[str, Any]:
    """The document, with the digest of all the rest."""
    told: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "madeAt": _told_time(backup.made_at),
        "stack": backup.stack,
        "environment": backup.environment,
        "account": backup.account,
        "region": backup.region,
        "store": backup.store,
        "fingerprint": backup.fingerprint,
        "keyArn": backup.key_arn,
        "wrappedKey": backup.wrapped.value,
        "versions": [_version(each) for each in backup.versions],
        "toRestore": list(to_restore(backup)),
    }
    return {**told, "digest": digest(told)}


def _version(each: EscrowedVersion) -> dict[str, Any]:
    return {
        "fingerprint": each.fingerprint,
        "keyArn": each.key_arn,
        "wrappedKey": each.wrapped.value,
        "sameAs": each.same_as,
        "origin": each.origin,
        "parameter": each.parameter,
        "keptAt": _told_time(each.kept_at) if each.kept_at else None,
        "current": each.current,
        "wasCurrent": each.was_current,
    }


def to_restore(backup: Backup) -> tuple[str, ...]:
    """What is needed to restore it, in words: with the product, and without."""
    replicas = ", or one of its replicas in its own Region," if "/mrk-" in backup.key_arn else ""
    return (
        f"The data key in here is wrapped: only the KMS key {backup.key_arn}{replicas} opens it. "
        "If that key is deleted, nobody can ever open it, whatever copies there are.",
        f"With eonpro-kms: python -m wizard restore --stack {backup.stack} --from-backup PLACE, with PLACE this "
        "document's file or s3://bucket/key. It puts wrappedKey back into its escrow, and to the application.",
        f"If Pulumi's state is lost too: python -m wizard setup --stack {backup.stack} --adopt, with wrappedKey in "
        "EONPRO_ENCRYPTED_PHI_KEY, takes in again what is left in the account, and this data key with it.",
        f"By hand: the application needs ENCRYPTED_PHI_KEY = wrappedKey, AWS_KMS_KEY_ID = keyArn and AWS_REGION = "
        f"{backup.region}, all three together, and leave to call kms:Decrypt with the key.",
        "To look at it without either: kms:Decrypt with KeyId = keyArn and CiphertextBlob = wrappedKey, decoded from "
        "base64, without an encryption context, gives the 32 octets of an AES-256 key. A record is "
        "base64(iv):base64(tag):base64(ciphertext), AES-256-GCM, with no associated data.",
        "An older record may be under another of the versions: each is opened by its own keyArn in the same way.",
    )


def digest(told: Mapping[str, Any]) -> str:
    """`sha256:` and 64 hex of a document without its digest, in one spelling. It tells damage, not malice: that is
    what the KMS key is for, which opens no wrapped key that it did not make."""
    plain = json.dumps(
        {key: value for key, value in told.items() if key != "digest"}, sort_keys=True, ensure_ascii=True
    )
    return "sha256:" + hashlib.sha256(plain.encode()).hexdigest()


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
        # The digest fits, so it was written like this: by hand, or by something else.
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


def _read_version(found: Any) -> EscrowedVersion:
    return EscrowedVersion(
        wrapped=WrappedDataKey(value=_word(found["wrappedKey"])),
        key_arn=None if found["keyArn"] is None else _word(found["keyArn"]),
        parameter=_word(found["parameter"]),
        origin=Origin(found["origin"]),
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


def _told_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _time(found: Any) -> datetime:
    at = datetime.fromisoformat(_word(found))
    if at.tzinfo is None:
        raise ValueError(f"the time {found} has no zone")
    return at.astimezone(UTC)


def refuse_foreign(backup: Backup, settings: Settings, name: str) -> None:
    """Raises DataKeyConflict for a backup of another account or environment than the stack's."""
    mine = (settings.account_id, settings.environment)
    if (backup.account, backup.environment) != mine:
        raise DataKeyConflict(
            f"{name} is of the environment {backup.environment} of the account {backup.account}, and the stack is "
            f"{settings.environment} of {settings.account_id}; nothing was written",
            f"use the stack that it was made of: --stack {backup.stack}",
        )
