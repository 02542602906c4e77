"""The rows of the cached key: a hit, and 64 threads while it is refreshed, under a clock that the benchmark moves.

Touches memory and threads; the source of the key is a stand-in that answers when it is told to.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import urandom
from time import perf_counter_ns, thread_time_ns

from bench.fields.cipher import scalar_encryption
from bench.fields.rounds import Rounds, Side, compare
from bench.fields.texts import texts
from bench.rows import Bound, Measured, compared
from phi import CachedKey, PhiCipher, PhiFields

THREADS = 64
TTLS = 10
READS = 5
"""Of each thread at each refresh: the first of them meets it, the others come while it is under way."""

TTL = 300.0
_PATIENCE_SECONDS = 10.0


class HeldSource:
    """Stands in for KMS: counts, and answers only while the gate is open."""

    def __init__(self) -> None:
        self.calls = 0
        self.gate = threading.Event()
        self.gate.set()
        self._key = urandom(32)

    def data_key(self) -> bytes:
        """The same key each time."""
        self.calls += 1
        self.gate.wait(_PATIENCE_SECONDS)
        return self._key


class Readers:
    """Threads that read the key together when told to, each telling how long it was kept from working."""

    def __init__(self, read: Callable[[], object]) -> None:
        self._read = read
        self._start = threading.Barrier(THREADS + 1)
        self._end = threading.Barrier(THREADS + 1)
        self._over = False
        self._kept = [0.0] * THREADS
        self._threads = [threading.Thread(target=self._work, args=(number,), daemon=True) for number in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def longest_wait(self) -> float:
        """One turn of them all; the nanoseconds that the unluckiest was kept waiting."""
        self._start.wait()
        self._end.wait()
        return max(self._kept)

    def leave(self) -> None:
        """No turn more."""
        self._over = True
        self._start.wait()
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        read = self._read
        while True:
            self._start.wait()
            if self._over:
                return
            wall, own = perf_counter_ns(), thread_time_ns()
            for _ in range(READS):
                read()
            own = thread_time_ns() - own
            # Time that went by without this thread's working: whatever it waited for, the key or another thread.
            self._kept[number] = perf_counter_ns() - wall - own
            self._end.wait()


def rows(rounds: Rounds) -> Iterator[Measured]:
    """Each as it is measured."""
    key = urandom(32)
    cipher = PhiCipher(key)
    fields = PhiFields(CachedKey(_Ready(key)))
    fields.encrypt("warm")
    yield compare(
        "PhiFields.encrypt with a key at hand / PhiCipher.encrypt",
        Side(run=scalar_encryption(fields)),
        Side(run=scalar_encryption(cipher)),
        bound=Bound(at_most=1.05),
        rounds=rounds,
    )
    calls: list[float] = []
    at_refresh: list[float] = []
    at_rest: list[list[float]] = [[], []]
    encrypting: list[float] = []
    with no_thread_gives_way():
        for _ in range(max(rounds.count // 30, 2)):
            called, waits = refreshes()
            calls.append(called)
            at_refresh += waits
            for kept in at_rest:
                kept += rests()
            encrypting += [_scalar(cipher)] * TTLS
    yield Measured(
        name=f"{THREADS} threads over {TTLS} TTLs: calls of KMS for a TTL",
        unit="",
        ours=None,
        theirs=None,
        ratio=max(calls),
        control=None,
        bound=Bound(at_most=1),
    )
    yield compared(
        f"longest wait of {THREADS} readers at a refresh / one scalar encrypt",
        ours=at_refresh,
        theirs=encrypting,
        control=at_rest[0],
        bound=Bound(at_most=1),
        unit="ns",
    )
    yield compared(
        "the same / when no refresh is due",
        ours=at_refresh,
        theirs=at_rest[0],
        control=at_rest[1],
        bound=Bound(),
        unit="ns",
    )


def refreshes() -> tuple[float, list[float]]:
    """Ten TTLs with a refresh at the end of each, which is held until every reader has read: calls a TTL, and waits."""
    source, now, landed = HeldSource(), [0.0], threading.Event()
    key = CachedKey(source, ttl=TTL, clock=lambda: now[0], on_event=lambda event: landed.set())
    key.cipher()
    readers = Readers(key.cipher)
    waits = []
    for _ in range(TTLS):
        landed.clear()
        source.gate.clear()
        now[0] += 0.95 * TTL  # a refresh is due, and the key still good
        waits.append(readers.longest_wait())
        source.gate.set()
        if not landed.wait(_PATIENCE_SECONDS):
            raise SystemExit("no refresh was begun, though one was due")
    readers.leave()
    return (source.calls - 1) / TTLS, waits


def rests() -> list[float]:
    """The same readers as often, with a key that is not to be refreshed."""
    key = CachedKey(HeldSource(), ttl=TTL, clock=lambda: 0.0)
    key.cipher()
    readers = Readers(key.cipher)
    waits = [readers.longest_wait() for _ in range(TTLS)]
    readers.leave()
    return waits


@contextmanager
def no_thread_gives_way() -> Iterator[None]:
    """No thread is made to let another have its turn: one that does was made to wait, and not by the interpreter."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(60.0)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


class _Ready:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def data_key(self) -> bytes:
        """The key."""
        return self._key


def _scalar(cipher: PhiCipher) -> float:
    batch = texts(200)
    started = thread_time_ns()
    scalar_encryption(cipher)(batch)
    return (thread_time_ns() - started) / len(batch)
