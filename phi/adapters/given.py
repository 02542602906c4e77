"""What an adapter is given: an object that encrypts and decrypts, or a callable that returns one at the first use.

Touches what the callable touches, and remembers what it returned; importing an application's models asks AWS nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Fields(Protocol):
    """What an adapter uses of a PhiFields, or of a PhiCipher in a test."""

    def encrypt(self, text: str | None) -> str | None:
        """A text as a record; None and "" give None."""
        ...

    def decrypt(self, record: str | None) -> str | None:
        """A record as its text; None gives None."""
        ...

    def encrypt_many(self, values: list[str | None]) -> list[str | None]:
        """Several texts as records."""
        ...

    def decrypt_many(self, values: list[str | None]) -> list[str | None]:
        """Several records as their texts."""
        ...


Door = Fields | Callable[[], Fields]
"""What is written where a column is declared: `PhiFields.from_environment`, a function of yours, or an object."""

_open: dict[Callable[[], Fields], Fields] = {}


def opened(door: Door) -> Fields:
    """The object behind the door. A callable is asked once in a process, so that all its columns share one key cache.

    If it raises, it is asked again at the next use.
    """
    if not callable(door):
        return door
    found = _open.get(door)
    # No lock, which a fork could leave shut: of two threads that come first at once, one's object is for nothing.
    return found if found is not None else _open.setdefault(door, door())
