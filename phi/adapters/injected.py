"""The cipher that an application injects into an adapter: an object, or a callable that returns one at the first use.

Touches what the callable touches, and caches its result; importing an application's models makes no request to AWS.
"""

from collections.abc import Callable
from typing import Any, Protocol, cast

from phi.adapters.values import BYTES, ValueForm


class FieldCipher(Protocol):
    """The methods of a PhiFields that an adapter uses; in a test, of a PhiCipher."""

    def encrypt(self, text: str | None) -> str | None:
        """A text as a record; None and "" return None."""

    def decrypt(self, record: str | None) -> str | None:
        """A record as its text; None returns None."""

    def encrypt_many(self, values: list[str | None]) -> list[str | None]:
        """Several texts as records."""

    def decrypt_many(self, values: list[str | None]) -> list[str | None]:
        """Several records as their texts."""


class BindingCipher(FieldCipher, Protocol):
    """The methods for bytes, and for records that are bound to their place."""

    def encrypt_v2(self, text: str | None, context: str = "") -> str | None:
        """A text as a record of version 2."""

    def decrypt(self, record: str | None, context: str = "") -> str | None:
        """A record as its text."""

    def encrypt_bytes(self, data: Any, context: str = "") -> bytes | None:
        """Bytes as a binary record."""

    def decrypt_bytes(self, record: Any, context: str = "") -> bytes | None:
        """A binary record as its bytes."""


CipherProvider = FieldCipher | Callable[[], FieldCipher]
"""The argument of a column's declaration: `PhiFields.from_environment`, a function of the application, or an object."""

BOUND = (
    "bound is True or False. An ORM converts a value without its row, so a record can be bound to its table and "
    "column. To bind it to its row, encrypt it where the row is known, into a field of plain text: "
    "fields.encrypt_v2(text, place(table, column, row.pk))."
)

_ciphers: dict[Callable[[], FieldCipher], FieldCipher] = {}


def sealed(cipher: FieldCipher, value: Any, form: ValueForm | None, context: str) -> str | bytes | None:
    """The record of a value: of its text in this form, of a text for None, of bytes for BYTES; with a context bound."""
    if form is BYTES:
        return cast(BindingCipher, cipher).encrypt_bytes(value, context)
    text = form.dump(value) if form else value
    return cast(BindingCipher, cipher).encrypt_v2(text, context) if context else cipher.encrypt(text)


def opened(cipher: FieldCipher, record: Any, form: ValueForm | None, context: str) -> Any:
    """The value of a record of `sealed`."""
    if form is BYTES:
        return cast(BindingCipher, cipher).decrypt_bytes(record, context)
    text = cast(BindingCipher, cipher).decrypt(record, context) if context else cipher.decrypt(record)
    return form.load(text) if form else text


def resolve(provider: CipherProvider) -> FieldCipher:
    """The cipher. A callable is called once in a process, so that all its columns share one key cache.

    If it raises, it is called again at the next use.
    """
    if not callable(provider):
        return provider
    cipher = _ciphers.get(provider)
    # No lock, which a fork could leave closed: of two threads that come first at the same time, one's result is unused.
    return cipher if cipher is not None else _ciphers.setdefault(provider, provider())
