"""One attempt to unwrap the data keys: the sources, their answers, and the events to emit.

Touches the key sources, in the thread that runs the attempt.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from eonpro_phi.cache_entry import CacheEntry, CachePolicy, UnwrappedKey
from eonpro_phi.cipher import DATA_KEY_BYTES
from eonpro_phi.errors import UnwrapError, WrongLength
from eonpro_phi.events import CURRENT, KeyDropped, KeyEvent, KeyUnwrapped, UnwrapFailed, key_name


class KeySource(Protocol):
    """Anything that returns the plaintext data key."""

    def data_key(self) -> bytes:
        """The 32 bytes of the data key; raises an UnwrapError, transient or terminal, when it is not available."""


class UnwrapAttempt:
    """An attempt. Once `finished` it has an entry, a failure, or neither (it was aborted)."""

    def __init__(self, *, started_at: float, previous: CacheEntry | None, background: bool) -> None:
        self.started_at = started_at
        self.previous = previous
        self.background = background
        """Whether it began while there was a key that could be used without asking."""
        self.events: list[KeyEvent] = []
        self.finished = threading.Event()
        self.entry: CacheEntry | None = None
        self.failure: UnwrapError | None = None

    def run(
        self, sources: Sequence[KeySource], policy: CachePolicy, clock: Callable[[], float]
    ) -> list[UnwrappedKey | UnwrapError]:
        """Ask the sources in order. The first is the current key; without it the others are not asked."""
        results: list[UnwrappedKey | UnwrapError] = []
        for number, source in enumerate(sources):
            began = clock()
            result = _unwrap(source, policy, self.started_at)
            seconds = clock() - began
            results.append(result)
            if isinstance(result, UnwrappedKey):
                self.events.append(KeyUnwrapped(key_name=key_name(number), seconds=seconds, background=self.background))
                continue
            self.events.append(self._failure_event(key_name(number), result, seconds))
            if number == 0:
                break
        return results

    def not_started(self, failure: UnwrapError) -> list[UnwrappedKey | UnwrapError]:
        """The result of an attempt that could not start."""
        self.events.append(self._failure_event(CURRENT, failure, 0))
        return [failure]

    def _failure_event(self, name: str, failure: UnwrapError, seconds: float) -> UnwrapFailed:
        return UnwrapFailed(
            key_name=name,
            cause=failure.cause,
            transient=failure.transient,
            seconds=seconds,
            background=self.background,
        )


def dropped_key(previous: CacheEntry | None, cause: str) -> list[KeyEvent]:
    """The event for a current key that is no longer used, if there was one."""
    return [] if previous is None else [KeyDropped(key_name=CURRENT, cause=cause)]


def dropped_reading_keys(previous: CacheEntry | None, entry: CacheEntry | None) -> list[KeyEvent]:
    """The events for reading keys that were usable before and are not now, while the current key is."""
    if previous is None or entry is None:
        return []
    return [
        KeyDropped(key_name=key_name(number + 1), cause=key.failure.cause)
        for number, key in enumerate(entry.reading_keys)
        if key.failure and not key.unwrapped and previous.reading_keys[number].unwrapped
    ]


def _unwrap(source: KeySource, policy: CachePolicy, requested_at: float) -> UnwrappedKey | UnwrapError:
    try:
        key = source.data_key()
    except UnwrapError as error:
        return error
    if isinstance(key, bytes) and len(key) == DATA_KEY_BYTES:
        return policy.unwrapped(key, requested_at)
    return WrongLength(f"The key source did not return the {DATA_KEY_BYTES} bytes of a data key.")
