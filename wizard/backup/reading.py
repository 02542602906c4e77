"""A document that was read, judged: a backup comes out of it, or why none does.

Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from components.contract import SecretStore
from wizard.backup.document import FORMAT, VERSION, Backup, digest, document
from wizard.datakey import MalformedDataKey, WrappedDataKey
from wizard.errors import UsageError
from wizard.facts_rotation import EscrowedVersion, Origin

LONGEST = 1_000_000
"""Octets: a version is about 700, and a thousand of them are more than any clinic will have."""

_INSTEAD = "name another copy; python -m wizard backup --to FILE makes a new one of what is escrowed"


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


def _time(found: Any) -> datetime:
    at = datetime.fromisoformat(_word(found))
    if at.tzinfo is None:
        raise ValueError(f"the time {found} has no zone")
    return at.astimezone(UTC)
