"""The events of a cached key, for a metrics hook: frozen facts that never hold a key.

Touches the hook passed to it, and the log when that hook raises for the first time.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

_log = logging.getLogger("eonpro_phi")


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyUnwrapped:
    """A data key was unwrapped: in the `background`, before its TTL ended, or while a caller waited."""

    key_name: str
    seconds: float
    background: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class UnwrapFailed:
    """An attempt failed. `cause` is the name of its UnwrapError; `transient`: the cached key may stay in use."""

    key_name: str
    cause: str
    transient: bool
    seconds: float
    background: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StaleServed:
    """The cached key is used this many seconds past its TTL; emitted once for each attempt, not for each call."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyDropped:
    """A cached key is no longer used; `cause` is that of the failure that ended it, `Expired` or `forget`."""

    key_name: str
    cause: str


CURRENT = "current"


def key_name(number: int) -> str:
    """A key's name in events: `current` is the key to encrypt with, `reading 1`, `reading 2`… only decrypt."""
    return f"reading {number}" if number else CURRENT


KeyEvent = KeyUnwrapped | UnwrapFailed | StaleServed | KeyDropped


class EventEmitter:
    """Calls a hook with events, in the thread that emits them; no exception of the hook reaches that thread's caller.

    The hook is the service's code and may raise anything; a failing metrics library must not stop access to patients'
    records. The first exception is logged. Ctrl-C and SystemExit pass.
    """

    def __init__(self, hook: Callable[[KeyEvent], object] | None) -> None:
        self._hook = hook
        self._first = iter((True,))

    def emit(self, *events: KeyEvent) -> None:
        """Call the hook with each event."""
        if self._hook is not None:
            for event in events:
                with self:
                    self._hook(event)

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        if isinstance(error, Exception) and next(self._first, False):
            _log.error("The on_event hook of a cached key raised; later failures are not logged.", exc_info=error)
        return isinstance(error, Exception)
