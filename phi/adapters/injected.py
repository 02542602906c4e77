"""The cipher that an application injects into an adapter: an object, or a callable that returns one at the first use.

Touches what the callable touches, and caches its result; importing an application's models makes no request to AWS.
"""

from collections.abc import Callable
from typing import Protocol


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


CipherProvider = FieldCipher | Callable[[], FieldCipher]
"""The argument of a column's declaration: `PhiFields.from_environment`, a function of the application, or an object."""

_ciphers: dict[Callable[[], FieldCipher], FieldCipher] = {}


def resolve(provider: CipherProvider) -> FieldCipher:
    """The cipher. A callable is called once in a process, so that all its columns share one key cache.

    If it raises, it is called again at the next use.
    """
    if not callable(provider):
        return provider
    cipher = _ciphers.get(provider)
    # No lock, which a fork could leave closed: of two threads that come first at the same time, one's result is unused.
    return cipher if cipher is not None else _ciphers.setdefault(provider, provider())
