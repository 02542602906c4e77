"""Where a plaintext data key comes from, and how long it is kept.

Touches memory and the clock it is given; the key is never written, logged or shown.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import NoReturn, Protocol

TTL_SECONDS = 300.0
"""How long an unwrapped key serves before it is asked for again: the guide's five minutes."""


class KeySource(Protocol):
    """Anything that can hand over the plaintext data key."""

    def data_key(self) -> bytes:
        """The 32 bytes of the data key; raises a PhiError when it cannot be had."""
        ...


class CachedKey:
    """A KeySource that asks another one at most once per `ttl` seconds, however many threads are waiting.

    A failure is told to every thread that waited for that attempt and is not remembered: the next call
    tries again.
    """

    def __init__(
        self, source: KeySource, *, ttl: float = TTL_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._ttl = ttl
        self._clock = clock
        self._lock = threading.Lock()
        self._held: tuple[bytes, float] | None = None
        self._flight: Future[bytes] | None = None

    def data_key(self) -> bytes:
        """The data key, at most `ttl` seconds old; raises what the source raises."""
        with self._lock:
            now = self._clock()
            if self._held is not None and now < self._held[1]:
                return self._held[0]
            self._held = None
            flight, leads = self._flight, self._flight is None
            if flight is None:
                flight = self._flight = Future()
        if leads:
            self._fly(flight, expires=now + self._ttl)
        return flight.result()

    def forget(self) -> None:
        """Drop the key now; the next call unwraps again, and an unwrap under way is not kept."""
        with self._lock:
            self._held = None
            self._flight = None

    def _fly(self, flight: Future[bytes], *, expires: float) -> None:
        try:
            key = self._source.data_key()
        except BaseException as error:  # waiting threads must not hang, whatever it was
            self._land(flight, None)
            flight.set_exception(error)
            raise
        else:
            self._land(flight, (key, expires))
            flight.set_result(key)

    def _land(self, flight: Future[bytes], held: tuple[bytes, float] | None) -> None:
        with self._lock:
            if self._flight is flight:
                self._held, self._flight = held, None

    def __repr__(self) -> str:
        return f"CachedKey(ttl={self._ttl:g})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A CachedKey is not copied or pickled: it holds a data key.")
