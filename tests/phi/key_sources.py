"""What the tests of the cached key stand on: a clock that stands, a source that counts, a hook that keeps its events.

Touches nothing outside the test.
"""

from __future__ import annotations

import queue
import threading

from phi import CachedKey, KeyEvent, KeySource
from phi.keys import AHEAD, GRACE_SECONDS, TTL_SECONDS

KEY = bytes(range(100, 132))
OTHER_KEY = bytes(range(132, 164))
LONG = 30
"""Seconds after which a test that waits has failed; no test that passes waits as long."""


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class CountingSource:
    """A source that counts, may be held at its gate, and may fail."""

    def __init__(self, key: bytes = KEY) -> None:
        self.key = key
        self.unwraps = 0
        self.threads: list[int] = []
        self.failure: BaseException | None = None
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def data_key(self) -> bytes:
        self.unwraps += 1
        self.threads.append(threading.get_ident())
        self.entered.set()
        assert self.gate.wait(LONG)
        if self.failure:
            raise self.failure
        return self.key


class Told:
    """A hook that keeps the events, for a test to take them in their order."""

    def __init__(self) -> None:
        self._events: queue.Queue[KeyEvent] = queue.Queue()

    def __call__(self, event: KeyEvent) -> None:
        self._events.put(event)

    def next(self) -> KeyEvent:
        """The next event, which may be on its way from another thread."""
        return self._events.get(timeout=LONG)

    def rest(self) -> list[KeyEvent]:
        """Whatever is there and was not taken yet."""
        found = []
        while not self._events.empty():
            found.append(self._events.get())
        return found


class Standing:
    """A cached key with its clock, its source, its hook, and no chance in it."""

    def __init__(
        self,
        *reading: KeySource,
        ttl: float = TTL_SECONDS,
        grace: float = GRACE_SECONDS,
        ahead: float = AHEAD,
        lenient: bool = False,
    ) -> None:
        self.clock, self.source, self.told = Clock(), CountingSource(), Told()
        self.chance = 1.0
        self.cached = CachedKey(
            self.source,
            reading=reading,
            clock=self.clock,
            chance=lambda: self.chance,
            on_event=self.told,
            ttl=ttl,
            grace=grace,
            ahead=ahead,
            lenient=lenient,
        )

    def at(self, seconds: float) -> CachedKey:
        """The cached key, so many seconds after the clock began to stand."""
        self.clock.now = 1000.0 + seconds
        return self.cached

    def landed(self) -> None:
        """Wait until no attempt is under way."""
        flight = self.cached._flight
        assert flight is None or flight.landed.wait(LONG)

    def asked(self, seconds: float) -> bytes:
        """The key at this moment, when whatever that began has ended."""
        key = self.at(seconds).data_key()
        self.landed()
        return key
