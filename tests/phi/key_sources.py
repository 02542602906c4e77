"""Fakes for the tests of the cached key: a clock that stands still, a source that counts.

Touches nothing outside the test.
"""

from __future__ import annotations

import threading

from eonpro_phi import CachedKey, KeySource
from eonpro_phi.key_cache import GRACE_SECONDS, TTL_SECONDS

KEY = bytes(range(100, 132))
OTHER_KEY = bytes(range(132, 164))
LONG = 30
"""Seconds after which a test that waits has failed; a test that passes never waits this long."""


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class CountingSource:
    """A source that counts its calls, can be blocked by its gate, and can fail."""

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


class CacheFixture:
    """A cached key with its clock, its source, and a fixed jitter."""

    def __init__(
        self,
        *reading_keys: KeySource,
        ttl: float = TTL_SECONDS,
        grace: float = GRACE_SECONDS,
        lenient: bool = False,
    ) -> None:
        self.clock, self.source = Clock(), CountingSource()
        self.jitter = 1.0
        self.cached = CachedKey(
            self.source,
            reading_keys=reading_keys,
            clock=self.clock,
            jitter=lambda: self.jitter,
            ttl=ttl,
            grace=grace,
            lenient=lenient,
        )

    def at(self, seconds: float) -> CachedKey:
        """The cached key, this many seconds after the start."""
        self.clock.now = 1000.0 + seconds
        return self.cached

    def wait_until_finished(self) -> None:
        """Wait until no attempt is running."""
        attempt = self.cached._attempt
        assert attempt is None or attempt.finished.wait(LONG)

    def key_at(self, seconds: float) -> bytes:
        """The key at this time; waits for the attempt that this call starts."""
        key = self.at(seconds).data_key()
        self.wait_until_finished()
        return key
