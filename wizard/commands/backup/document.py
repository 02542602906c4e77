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

from components.settings import SecretStore, Settings
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict
from wizard.core.models.rotation import DataKeyVersion

FORMAT = "eonpro-kms-backup"
VERSION = "1"
"""Of the document's form; a field that changes its meaning changes it."""


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
    versions: tuple[DataKeyVersion, ...] = field(repr=False)
    """The oldest first; exactly one is the current one."""

    @property
    def current(self) -> DataKeyVersion:
        """The version that the stored data key held, and so what the application had."""
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
    versions: Sequence[DataKeyVersion],
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


def _version(each: DataKeyVersion) -> dict[str, Any]:
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
        f"With eonpro-kms: `python -m wizard restore --stack {backup.stack} --from-backup PLACE`, with PLACE this "
        "document's file or s3://bucket/key. It puts wrappedKey back into its store, and to the application.",
        f"If Pulumi's state is lost too: `python -m wizard setup --stack {backup.stack} --adopt`, with wrappedKey in "
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


def _told_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def refuse_foreign(backup: Backup, settings: Settings, name: str) -> None:
    """Raises DataKeyConflict for a backup of another account or environment than the stack's."""
    mine = (settings.account_id, settings.environment)
    if (backup.account, backup.environment) != mine:
        raise DataKeyConflict(
            f"{name} is of the environment {backup.environment} of the account {backup.account}, and the stack is "
            f"{settings.environment} of {settings.account_id}; nothing was written",
            f"use the stack that it was made of: --stack {backup.stack}",
        )
