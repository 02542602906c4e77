"""What a cached key has to tell: frozen facts for a metrics hook, without a key in them.

Touches the hook that it is given, and the log once when that hook fails.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

_log = logging.getLogger("phi")


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyUnwrapped:
    """A key was had from its source; `ahead` of its TTL in the background, or while a caller waited."""

    which: str
    seconds: float
    ahead: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class UnwrapFailed:
    """An attempt failed; `cause` is the word of its UnwrapError, `transient` whether the present key may go on."""

    which: str
    cause: str
    transient: bool
    seconds: float
    ahead: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StaleServed:
    """The present key goes on serving this many seconds past its TTL; told once an attempt, not once a call."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyDropped:
    """A key that was held serves no longer; `cause` is that of the failure that ended it, or `forget`."""

    which: str
    cause: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DoorFailed:
    """A door of several did not answer, and the next one is tried; `door` is its Region."""

    door: str
    cause: str


CURRENT = "current"


def which(number: int) -> str:
    """How events call a key: `current` is written under, `reading 1`, `reading 2`… are read with, in their order."""
    return f"reading {number}" if number else CURRENT


KeyEvent = KeyUnwrapped | UnwrapFailed | StaleServed | KeyDropped | DoorFailed


class Teller:
    """Tells events to a hook, whose own failures stay its own."""

    def __init__(self, hook: Callable[[KeyEvent], object] | None) -> None:
        self._hook = hook
        self._apart = _Apart()

    def tell(self, *events: KeyEvent) -> None:
        """Call the hook with each event, in this thread; what it raises is logged, the first time, and ends there."""
        if self._hook is not None:
            for event in events:
                with self._apart:
                    self._hook(event)


class _Apart:
    """Ends whatever the code inside raises.

    The one such place: the hook is another's code, of which nothing is known, patients' records must not wait for a
    metrics library, and what it raises is not lost. What is no Exception (Ctrl-C, an exit) passes.
    """

    def __init__(self) -> None:
        self._once = iter((True,))

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        if isinstance(error, Exception) and next(self._once, False):
            _log.error(
                "The on_event hook of a cached key raised; it will not be told again if it does.", exc_info=error
            )
        return isinstance(error, Exception)
