"""The data key, kept for a while: asked for ahead of its end, by one at a time, and dropped when KMS says no.

Touches memory, the clock it is given, and a thread for the length of one refresh; a key is never written, logged or
shown.
"""

from __future__ import annotations

import _thread
import math
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from phi.cipher import PhiCipher
from phi.errors import TransientUnwrapError, Unreachable, UnwrapError
from phi.events import KeyEvent, StaleServed, Teller
from phi.flights import Flight, KeySource, dropped, in_an_event_loop, missed
from phi.leases import Held, Lease, Terms, after, pause
from phi.usage import KeyUsage

__all__ = ["AHEAD", "GRACE_SECONDS", "TTL_SECONDS", "CachedKey", "KeySource"]

TTL_SECONDS = 300.0
"""How long an unwrapped key serves before it is asked for again: the guide's five minutes."""

GRACE_SECONDS = 3600.0
"""How long the present key serves beyond its TTL while KMS cannot be asked: docs/decisions/0023."""

AHEAD = 0.2
"""The share of the TTL, at its end, that is left for the refresh: it begins after four to four and a half minutes."""


class _Serving:
    """What callers are given without a lock, until the moment at which somebody has to look."""

    __slots__ = ("aead", "cipher", "key", "left", "until", "usage")
    if TYPE_CHECKING:
        cipher: PhiCipher
        key: bytes
        aead: AESGCM  # the cipher's own, as its count: for PhiFields.encrypt
        usage: KeyUsage
        left: Iterator[int]  # of that count; where it ends, the count itself goes on
    until: float


_NOTHING = _Serving()
_NOTHING.until = -math.inf  # nobody gets as far as the cipher and the key, which it has not


class CachedKey:
    """A KeySource in front of others, which it asks once in `ttl` seconds, however many callers there are.

    What blocks: the first call, and the first one after more than `ttl` idle seconds, unwrap in the caller's thread;
    who comes meanwhile waits for that one unwrap if no key is of use. All others return at once: a refresh, ahead of
    the TTL, and every attempt while KMS cannot be asked run in a thread of their own, which ends with them. No call, no
    request: nothing here keeps time. In a coroutine `await ready()` first: it waits and does not block the event loop.

    A transient failure leaves the present key in use for `grace` seconds beyond its TTL (0: not at all), a terminal one
    drops it at once. Callers for whom there is no key are told that failure until the pause after it is over.

    Safe between threads, and after a fork: the child has the key, and makes its own attempts.
    """

    _lock: threading.Lock
    _flight: Flight | None
    _serving: _Serving

    def __init__(
        self,
        source: KeySource,
        *,
        reading: Sequence[KeySource] = (),
        ttl: float = TTL_SECONDS,
        grace: float = GRACE_SECONDS,
        ahead: float = AHEAD,
        lenient: bool = False,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        on_event: Callable[[KeyEvent], object] | None = None,
    ) -> None:
        """Ask nothing yet. `reading`: the sources of keys to read with besides, which are asked with the current one.

        `clock` gives seconds and never goes back, `chance` a number from 0 to 1. `on_event` is called with each
        KeyEvent, in the thread that met it, and should be quick. Raises ValueError for terms that make no sense.
        """
        self._sources = (source, *reading)
        self._terms = Terms(ttl=ttl, grace=grace, ahead=ahead)
        self._lenient = lenient
        self._clock = clock
        self._chance = chance
        self._teller = Teller(on_event)
        self._held: Held | None = None
        self._failure: UnwrapError | None = None
        self._failures = 0
        self._due = -math.inf
        self._after_fork()
        _ALL.add(self)

    def data_key(self) -> bytes:
        """The current data key. Raises the UnwrapError of its source; blocks as said above."""
        serving = self._serving
        if self._clock() < serving.until:
            return serving.key
        return self._looked_after().current.key

    def cipher(self) -> PhiCipher:
        """The cipher of the current key and the reading keys; the same object while they are the same. Raises alike.

        Ask anew for each use: a cipher that is kept outlives the TTL. While a reading key could not be had, a record
        that no other key opens is met with that key's UnwrapError, in place of RecordRefused.
        """
        serving = self._serving
        if self._clock() < serving.until:
            return serving.cipher
        return self._looked_after().cipher

    async def ready(self) -> None:
        """Have a key, and wait for it without blocking the event loop. Raises the UnwrapError of its source."""
        import asyncio

        if not self._clock() < self._serving.until:
            await asyncio.to_thread(self._looked_after)

    def forget(self) -> None:
        """Drop all keys now; the next call unwraps again, and an unwrap under way is not kept."""
        with self._lock:
            events = dropped(self._held, "forget")
            self._held = self._failure = None
            self._flight = None
            self._failures = 0
            self._due = -math.inf
            self._serving = _NOTHING
        self._teller.tell(*events)

    def _looked_after(self) -> Held:
        """What is held, once whatever is due has been begun or waited for."""
        while True:
            mine: Flight | None = None
            try:
                with self._lock:
                    now = self._clock()
                    former, failure = self._held, self._failure
                    held = self._held = former.at(now) if former is not None else None
                    stale = held is not None and now >= held.current.expires
                    if self._flight is None and now >= self._due:
                        # Past its TTL a key serves unasked only where the last attempt met nobody, or where asking
                        # would hold up an event loop.
                        ahead = held is not None and (not stale or failure is not None or in_an_event_loop())
                        mine = self._flight = Flight(asked=now, former=former, ahead=ahead)
                    flight = self._flight
                    self._serving = self._served(held, now)
                self._teller.tell(*missed(former, held))
                if held is None:
                    self._teller.tell(*dropped(former, "Ended" if failure is None else failure.cause))
                if held is not None and (mine is None or mine.ahead):
                    if stale:
                        self._teller.tell(StaleServed(seconds=now - held.current.expires))
                    if mine is not None:
                        self._send(mine)
                    return held
                if mine is not None:
                    self._fly(mine)
            except BaseException as error:
                # A defect, or Ctrl-C anywhere above: it is raised here, and those who wait try for themselves.
                if mine is not None:
                    self._break_off(mine, error)
                raise
            if flight is None:
                assert failure is not None  # for without a key and a failure an attempt is due
                raise failure.again()
            flight.landed.wait()
            if flight.held is not None:
                return flight.held
            if flight.failure is not None and self._held is None:
                # Who met it tells its cause too; the others get it without that one's frames.
                raise flight.failure if mine is not None else flight.failure.again()

    def _served(self, held: Held | None, now: float) -> _Serving:
        """What callers may have without a lock, up to the next moment at which there is something to do."""
        if held is None:
            return _NOTHING
        moments = [moment for moment in held.boundaries() if moment > now]
        if self._flight is None:
            moments.append(self._due)
        serving = _Serving()
        serving.cipher, serving.key, serving.until = held.cipher, held.current.key, min(moments)
        serving.aead, serving.usage, serving.left = held.cipher._aead, held.cipher._usage, held.cipher._usage.left
        return serving

    def _send(self, flight: Flight) -> None:
        try:
            # Not a Thread: its start() waits until the new thread has had its turn, which among busy ones takes long.
            _thread.start_new_thread(self._fly_apart, (flight,))
        except RuntimeError:
            self._land(flight, flight.not_begun(Unreachable("The refresh was not begun: no thread was to be had.")))

    def _fly_apart(self, flight: Flight) -> None:
        try:
            self._fly(flight)
        except BaseException as error:
            self._break_off(flight, error)
            raise

    def _fly(self, flight: Flight) -> None:
        self._land(flight, flight.answers(self._sources, self._terms, self._clock))

    def _land(self, flight: Flight, answers: list[Lease | UnwrapError]) -> None:
        current, *reading = answers
        with self._lock:
            now = self._clock()
            held = after(flight.former, current, reading, now, lenient=self._lenient)
            kept = self._flight is flight
            if isinstance(current, UnwrapError):
                flight.failure = current
                if kept and held is None:
                    flight.events += dropped(self._held, current.cause)
            else:
                flight.held = held
            if kept:
                flight.events += missed(self._held, held)
                self._flight = None
                self._held = held
                self._failure = current.again() if isinstance(current, UnwrapError) else None
                self._due = self._next(current, answers, now)
                self._serving = self._served(held, now)
        flight.landed.set()
        self._teller.tell(*flight.events)

    def _next(self, current: Lease | UnwrapError, answers: list[Lease | UnwrapError], now: float) -> float:
        """When to ask again: ahead of the TTL, and sooner, after a pause, where something could not be had."""
        moments = [self._terms.refresh(current, self._chance())] if isinstance(current, Lease) else []
        if moments and not any(isinstance(answer, TransientUnwrapError) for answer in answers):
            self._failures = 0
            return moments[0]
        self._failures += 1
        return min([*moments, now + pause(self._failures, self._chance())])

    def _break_off(self, flight: Flight, error: BaseException) -> None:
        """End a flight that brought no answer."""
        events: list[KeyEvent] = []
        with self._lock:
            if self._flight is flight:
                self._flight = None
                self._serving = _NOTHING
                events = flight.events
                if isinstance(error, Exception):
                    # Nobody knows what it means for the key: it is dropped, and the next caller asks.
                    events += dropped(self._held, type(error).__name__)
                    self._held = self._failure = None
                    self._due = -math.inf
        flight.landed.set()
        self._teller.tell(*events)

    def _after_fork(self) -> None:
        """In the child: no thread of the parent's is here to let a lock go or to land."""
        self._lock = threading.Lock()
        self._flight = None
        self._serving = _NOTHING
        held = self._held
        if held is not None and self._failures == 0:
            # Children of one parent shall not ask all at once.
            self._due = self._terms.refresh(held.current, self._chance())

    def __repr__(self) -> str:
        return f"CachedKey(ttl={self._terms.ttl:g}, grace={self._terms.grace:g})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A CachedKey is not copied or pickled: it holds a data key.")


_ALL: weakref.WeakSet[CachedKey] = weakref.WeakSet()


def _renew_all() -> None:
    for cached in list(_ALL):
        cached._after_fork()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_renew_all)
