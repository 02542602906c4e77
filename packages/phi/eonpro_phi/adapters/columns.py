"""Batches of a column: encrypt, decrypt and re-encrypt texts and records, for a distributed engine.

Touches what the injected ciphers touch; knows no engine.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from eonpro_phi.adapters.injected import FieldCipher
from eonpro_phi.errors import DecryptionError, PhiError

Batch = list[str | None]

_PROBE = "probe"


class RecordState(StrEnum):
    """The one of two data keys that decrypts a value."""

    EMPTY = "empty"
    """No value, or the empty text, which the application treats as no value."""
    NEW = "new"
    """A record under the new key."""
    OLD = "old"
    """A record under the old key."""
    NEITHER = "neither"
    """Anything else: a record of another key, a damaged record, plain text."""


class OverlappingKeys(PhiError):
    """The ciphers of the new and the old key decrypt each other's records; nothing was re-encrypted."""

    def __init__(self) -> None:
        super().__init__(
            "The cipher of the new key and that of the old key decrypt each other's records, so it is impossible to "
            "tell which records are done. Give the new one no reading keys, and the old one only the former key."
        )


def encrypt_batches(cipher: FieldCipher, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Each batch of texts as records. Raises as PhiFields.encrypt_many."""
    return (cipher.encrypt_many(texts) for texts in batches)


def decrypt_batches(cipher: FieldCipher, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Each batch of records as texts. Raises DecryptionError if one fails: NULL in its place would lose the record."""
    return (cipher.decrypt_many(records) for records in batches)


def reencrypt_batches(new: FieldCipher, old: FieldCipher, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Each batch with the old key's records under the new key, each decrypted again as a check.

    Every other value stays as it is: a second run changes nothing, and a value that no key decrypts is not lost;
    `record_states` finds those. Raises OverlappingKeys.
    """
    _require_distinct_keys(new, old)
    for values in batches:
        try:
            yield _reencrypt(new, old, values)
        except DecryptionError:
            yield [
                _reencrypt(new, old, [value])[0] if _state_of(new, old, value) is RecordState.OLD else value
                for value in values
            ]


def record_states(new: FieldCipher, old: FieldCipher, batches: Iterable[Batch]) -> Iterator[list[str]]:
    """The RecordState of each value: to do, done, or not decryptable. Raises OverlappingKeys."""
    _require_distinct_keys(new, old)
    for values in batches:
        yield [_state_of(new, old, value).value for value in values]


def _reencrypt(new: FieldCipher, old: FieldCipher, records: Batch) -> Batch:
    texts = old.decrypt_many(records)
    reencrypted = new.encrypt_many(texts)
    if new.decrypt_many(reencrypted) != texts:
        raise DecryptionError
    return reencrypted


def _state_of(new: FieldCipher, old: FieldCipher, value: str | None) -> RecordState:
    if not value:
        return RecordState.EMPTY
    if _decrypts(new, value):
        return RecordState.NEW
    return RecordState.OLD if _decrypts(old, value) else RecordState.NEITHER


def _decrypts(cipher: FieldCipher, value: str | None) -> bool:
    try:
        cipher.decrypt(value)
    except DecryptionError:
        return False
    return True


def _require_distinct_keys(new: FieldCipher, old: FieldCipher) -> None:
    if _decrypts(new, old.encrypt(_PROBE)) or _decrypts(old, new.encrypt(_PROBE)):
        raise OverlappingKeys
