"""The cache of the data key: refreshed before its TTL ends, by one attempt at a time, and dropped when KMS denies it.

Touches memory, the clock passed to it, one thread for the length of a refresh, and the log where an attempt fails.
A key is never written, logged or shown.
"""

from __future__ import annotations

import _thread
import logging
import math
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from eonpro_phi.cache_entry import CacheEntry, CachePolicy, UnwrappedKey, next_entry, retry_delay
from eonpro_phi.cipher import DATA_KEY_BYTES, PhiCipher
from eonpro_phi.errors import TransientUnwrapError, Unreachable, UnwrapError, WrongLength

TTL_SECONDS = 300.0
"""Time until a key is unwrapped again: the guide's five minutes."""

GRACE_SECONDS = 3600.0
"""Time beyond the TTL in which the cached key stays in use while KMS does not answer: charts have to open."""


_MOST_DERIVED = 5000
"""Values that are kept, for each name: some 1 kB each."""

T = TypeVar("T")
_log = logging.getLogger("eonpro_phi")


class KeySource(Protocol):
    """Anything that returns the plaintext data key."""

    def data_key(self) -> bytes:
        """The 32 bytes of the data key; raises an UnwrapError, transient or terminal, when it is not available."""


class _Attempt:
    """One attempt to unwrap the keys. Once `finished` it has an entry, a failure, or neither (it was aborted)."""

    def __init__(self, *, started_at: float, previous: CacheEntry | None, background: bool) -> None:
        self.started_at = started_at
        self.previous = previous
        self.background = background
        """Whether it began while there was a key that could be used without asking."""
        self.finished = threading.Event()
        self.entry: CacheEntry | None = None
        self.failure: UnwrapError | None = None

    def run(self, sources: Sequence[KeySource], policy: CachePolicy) -> list[UnwrappedKey | UnwrapError]:
        """Ask the sources in order. The first is the current key; without it the others are not asked."""
        current, *reading = sources
        results = [self._unwrap(current, policy)]
        if isinstance(results[0], UnwrappedKey):
            results += [self._unwrap(source, policy) for source in reading]
        return results

    def _unwrap(self, source: KeySource, policy: CachePolicy) -> UnwrappedKey | UnwrapError:
        try:
            key = source.data_key()
        except UnwrapError as error:
            return error
        if isinstance(key, bytes) and len(key) == DATA_KEY_BYTES:
            return policy.unwrapped(key, self.started_at)
        return WrongLength(f"The key source did not return the {DATA_KEY_BYTES} bytes of a data key.")


class _Snapshot:
    """The values that callers read without a lock, until the next refresh or expiry is due."""

    __slots__ = ("aead", "cipher", "derived", "key", "valid_until")
    if TYPE_CHECKING:
        cipher: PhiCipher
        key: bytes
        derived: dict[object, Any]  # see CachedKey.derived
        aead: AESGCM  # the cipher's own: for PhiFields.encrypt
    valid_until: float


_NO_KEY = _Snapshot()
_NO_KEY.valid_until = -math.inf  # in the past: nobody reads the cipher and the key, which are not set


class CachedKey:
    """A KeySource in front of others. It asks them once in `ttl` seconds, for all callers together.

    What blocks: the first call, and the first one after more than `ttl` idle seconds, unwrap in the caller's thread;
    other callers wait for that one unwrap. So nothing is encrypted past the TTL before KMS was asked, in a coroutine
    either. All other calls return at once: a refresh that begins before the TTL ends, and every attempt while KMS does
    not answer, run in a thread of their own that ends with them. Without calls there are no requests: there is no
    timer. In a coroutine `await ready()` first: it does not block the event loop.

    A transient failure leaves the cached key in use for `grace` seconds beyond its TTL (0: not at all); a terminal one
    drops it at once. Callers that get no key get that failure, until the delay before the next attempt is over. Each
    failed attempt is a warning in the log.

    Safe between threads, and after a fork: the child has the key, and makes its own attempts.
    """

    _lock: threading.Lock
    _attempt: _Attempt | None
    _snapshot: _Snapshot

    def __init__(
        self,
        source: KeySource,
        *,
        reading_keys: Sequence[KeySource] = (),
        ttl: float = TTL_SECONDS,
        grace: float = GRACE_SECONDS,
        lenient: bool = False,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Unwraps nothing yet. `reading_keys`: sources of keys that only decrypt, asked with the current one.

        `clock` returns seconds and never goes back, `jitter` a number from 0 to 1. Raises ValueError for impossible
        durations.
        """
        self._sources = (source, *reading_keys)
        self._policy = CachePolicy(ttl=ttl, grace=grace)
        self._lenient = lenient
        self._clock = clock
        self._jitter = jitter
        self._entry: CacheEntry | None = None
        self._failure: UnwrapError | None = None
        self._failures = 0
        self._next_attempt = -math.inf
        self._after_fork()
        _INSTANCES.add(self)

    def data_key(self) -> bytes:
        """The current data key. Raises the UnwrapError of its source; blocks as described for the class."""
        snapshot = self._snapshot
        if self._clock() < snapshot.valid_until:
            return snapshot.key
        return self._usable_entry().current.key

    def data_keys(self) -> tuple[bytes, ...]:
        """The current data key, then the reading keys. Blocks as `data_key`, and raises the UnwrapError of any of
        them: without one of the keys a search would find fewer rows, and nobody would know.
        """
        return self._usable_entry().data_keys()

    def derived(self, name: Hashable, derive: Callable[[tuple[bytes, ...]], T], *, of_all: bool) -> T:
        """What `derive` makes of the current key, or `of_all` keys; it is kept under its name while the keys are, and
        ends with them. Blocks and raises as `data_key`, or as `data_keys`.
        """
        snapshot = self._snapshot
        if self._clock() < snapshot.valid_until:
            found: T | None = snapshot.derived.get((name, of_all))
            if found is not None:
                return found
        entry = self._usable_entry()
        made = derive(entry.data_keys() if of_all else (entry.current.key,))
        if len(entry.derived) >= _MOST_DERIVED:
            entry.derived.clear()
        entry.derived[name, of_all] = made
        return made

    def cipher(self) -> PhiCipher:
        """The cipher of the current key and the reading keys, the same object while they are the same.

        Call it for each use: a cipher that you keep outlives the TTL. Blocks and raises as `data_key`. While a reading
        key is not available, a record that no other key opens raises that key's UnwrapError, not DecryptionError.
        """
        snapshot = self._snapshot
        if self._clock() < snapshot.valid_until:
            return snapshot.cipher
        return self._usable_entry().cipher

    async def ready(self) -> None:
        """Get a key without blocking the event loop. Raises the UnwrapError of its source."""
        import asyncio

        if not self._clock() < self._snapshot.valid_until:
            await asyncio.to_thread(self._usable_entry)

    def forget(self) -> None:
        """Drop all keys now; the next call unwraps again, and the result of a running attempt is not used."""
        with self._lock:
            self._entry = self._failure = None
            self._attempt = None
            self._failures = 0
            self._next_attempt = -math.inf
            self._snapshot = _NO_KEY

    def _usable_entry(self) -> CacheEntry:
        """The entry; starts an attempt where one is due, and waits for it where no key is usable."""
        while True:
            mine: _Attempt | None = None
            try:
                with self._lock:
                    now = self._clock()
                    previous, failure = self._entry, self._failure
                    entry = self._entry = previous.usable_at(now) if previous is not None else None
                    stale = entry is not None and now >= entry.current.expires_at
                    # Past its TTL a key is used without a new answer only where the last attempt got none, or while
                    # one that began before is running.
                    asked = self._attempt is not None and self._attempt.background
                    must_wait = entry is None or (stale and failure is None and not asked)
                    if self._attempt is None and now >= self._next_attempt:
                        mine = _Attempt(started_at=now, previous=previous, background=not must_wait)
                        self._attempt = mine
                    attempt = self._attempt
                    self._snapshot = self._snapshot_of(entry, now)
                if entry is not None and not must_wait:
                    if mine is not None:
                        self._run_in_thread(mine)
                    return entry
                if mine is not None:
                    self._run(mine)
            except BaseException as error:
                # A defect, or Ctrl-C anywhere above: raised here; the callers that wait make their own attempt.
                if mine is not None:
                    self._abort(mine, error)
                raise
            if attempt is None:
                assert failure is not None  # without a key and a failure an attempt is due
                raise failure.copy()
            attempt.finished.wait()
            if attempt.entry is not None:
                return attempt.entry
            if attempt.failure is not None and self._entry is None:
                # The caller that made the attempt gets its cause too; the others must not see that one's frames.
                raise attempt.failure if mine is not None else attempt.failure.copy()

    def _snapshot_of(self, entry: CacheEntry | None, now: float) -> _Snapshot:
        """The values that callers may read without a lock, valid until the next refresh or expiry is due."""
        if entry is None:
            return _NO_KEY
        times = [moment for moment in entry.expiry_times() if moment > now]
        if self._attempt is None:
            times.append(self._next_attempt)
        snapshot = _Snapshot()
        snapshot.cipher, snapshot.key, snapshot.valid_until = entry.cipher, entry.current.key, min(times)
        snapshot.derived = entry.derived
        snapshot.aead = entry.cipher._aead
        return snapshot

    def _run_in_thread(self, attempt: _Attempt) -> None:
        try:
            # Not threading.Thread: its start() waits for the new thread to run, which takes long on a busy machine.
            _thread.start_new_thread(self._run_or_abort, (attempt,))
        except RuntimeError:
            self._finish(attempt, [Unreachable("The refresh did not start: no thread available.")])

    def _run_or_abort(self, attempt: _Attempt) -> None:
        try:
            self._run(attempt)
        except BaseException as error:
            self._abort(attempt, error)
            raise

    def _run(self, attempt: _Attempt) -> None:
        self._finish(attempt, attempt.run(self._sources, self._policy))

    def _finish(self, attempt: _Attempt, results: list[UnwrappedKey | UnwrapError]) -> None:
        current, *reading = results
        for number, result in enumerate(results):
            if isinstance(result, UnwrapError):
                name = f"the reading key {number}" if number else "the current key"
                # Its text alone: a log that keeps what it is given would keep the caller's frames.
                _log.warning("KMS did not return %s (%s): %s", name, result.cause, str(result))
        with self._lock:
            now = self._clock()
            entry = next_entry(attempt.previous, current, reading, now, lenient=self._lenient)
            is_current = self._attempt is attempt
            if isinstance(current, UnwrapError):
                attempt.failure = current
            else:
                attempt.entry = entry
            if is_current:
                self._attempt = None
                self._entry = entry
                self._failure = current.copy() if isinstance(current, UnwrapError) else None
                self._next_attempt = self._schedule(current, results, now)
                self._snapshot = self._snapshot_of(entry, now)
        attempt.finished.set()

    def _schedule(
        self, current: UnwrappedKey | UnwrapError, results: list[UnwrappedKey | UnwrapError], now: float
    ) -> float:
        """The time of the next attempt: before the TTL ends, or after a delay where something was not available."""
        times = [self._policy.refresh_at(current, self._jitter())] if isinstance(current, UnwrappedKey) else []
        if times and not any(isinstance(result, TransientUnwrapError) for result in results):
            self._failures = 0
            return times[0]
        self._failures += 1
        return min([*times, now + retry_delay(self._failures, self._jitter())])

    def _abort(self, attempt: _Attempt, error: BaseException) -> None:
        """End an attempt that got no result."""
        with self._lock:
            if self._attempt is attempt:
                self._attempt = None
                self._snapshot = _NO_KEY
                if isinstance(error, Exception):
                    # What it means for the key is unknown: the key is dropped, and the next caller unwraps.
                    self._entry = self._failure = None
                    self._next_attempt = -math.inf
        attempt.finished.set()

    def _after_fork(self) -> None:
        """Begin anew in a child, where the parent's threads, which would release a lock or end an attempt, are not."""
        self._lock = threading.Lock()
        self._attempt = None
        self._snapshot = _NO_KEY
        entry = self._entry
        if entry is not None and self._failures == 0:
            # The children of one parent must not all ask at the same time.
            self._next_attempt = self._policy.refresh_at(entry.current, self._jitter())

    def __repr__(self) -> str:
        return f"CachedKey(ttl={self._policy.ttl:g}, grace={self._policy.grace:g})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A CachedKey cannot be copied or pickled: it holds a data key.")


_INSTANCES: weakref.WeakSet[CachedKey] = weakref.WeakSet()


def _reset_after_fork() -> None:
    for cached in list(_INSTANCES):
        cached._after_fork()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_reset_after_fork)
