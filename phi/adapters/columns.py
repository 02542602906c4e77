"""Columns of texts and records, a batch at a time: what an engine past one machine does with them.

Touches what the given fields objects touch; knows no engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from phi.adapters.given import Fields
from phi.errors import PhiError, RecordRefused

Batch = list[str | None]

_PROBE = "probe"


class Standing(StrEnum):
    """How a value stands between two data keys."""

    EMPTY = "empty"
    """No value, or the empty text, which the application takes for none."""
    NEW = "new"
    """A record under the new key."""
    OLD = "old"
    """A record under the old key."""
    NEITHER = "neither"
    """Anything else: another key's record, a spoilt one, plain text."""


class KeysNotApart(PhiError):
    """Of the fields for the new and the old key, one opens what the other writes; nothing was re-encrypted."""

    def __init__(self) -> None:
        super().__init__(
            "The fields of the new key and those of the old one must not open each other's records, or nobody could "
            "tell what is left to do. Give the new ones no keys for reading, and the old ones the former key alone."
        )


def encrypted(fields: Fields, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Each batch of texts as records. Raises as PhiFields.encrypt_many does."""
    return (fields.encrypt_many(texts) for texts in batches)


def decrypted(fields: Fields, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Each batch of records as texts. Raises RecordRefused if one does not open: NULL in its place would lose it."""
    return (fields.decrypt_many(records) for records in batches)


def reencrypted(new: Fields, old: Fields, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Each batch with the old key's records under the new one, each opened again before it is given.

    Every other value stays as it is, so that a second run changes nothing and a value that no key opens is not lost;
    `standings` tells of those. Raises KeysNotApart.
    """
    _require_apart(new, old)
    for values in batches:
        try:
            yield _transcribed(new, old, values)
        except RecordRefused:
            yield [
                _transcribed(new, old, [one])[0] if _standing(new, old, one) is Standing.OLD else one for one in values
            ]


def standings(new: Fields, old: Fields, batches: Iterable[Batch]) -> Iterator[list[str]]:
    """Each batch as the words of Standing: what is to do, what is done, and what no key opens. Raises KeysNotApart."""
    _require_apart(new, old)
    for values in batches:
        yield [_standing(new, old, one).value for one in values]


def _transcribed(new: Fields, old: Fields, records: Batch) -> Batch:
    texts = old.decrypt_many(records)
    written = new.encrypt_many(texts)
    if new.decrypt_many(written) != texts:
        raise RecordRefused
    return written


def _standing(new: Fields, old: Fields, value: str | None) -> Standing:
    if not value:
        return Standing.EMPTY
    if _opens(new, value):
        return Standing.NEW
    return Standing.OLD if _opens(old, value) else Standing.NEITHER


def _opens(fields: Fields, value: str | None) -> bool:
    try:
        fields.decrypt(value)
    except RecordRefused:
        return False
    return True


def _require_apart(new: Fields, old: Fields) -> None:
    if _opens(new, old.encrypt(_PROBE)) or _opens(old, new.encrypt(_PROBE)):
        raise KeysNotApart
