"""The rows of the cached key: a hit, and 64 threads while it is refreshed, under a clock that the benchmark moves.

Touches memory and threads; the source of the key is a stand-in that answers when its gate opens.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import urandom
from resource import RUSAGE_THREAD, getrusage
from time import perf_counter_ns, thread_time_ns

from eonpro_phi import CachedKey, PhiCipher, PhiFields
from tools.bench.fields.cipher import scalar_encryption
from tools.bench.fields.rounds import Rounds, Side, compare
from tools.bench.fields.texts import texts
from tools.bench.rows import Bound, Measured, compared, counted

THREADS = 64
TTLS = 10
READS = 5
"""Reads of each thread at each refresh: the first starts it, the others come while it runs."""

TTL = 300.0
_TIMEOUT_SECONDS = 10.0


class GatedSource:
    """Stands in for KMS: counts, and answers only while the gate is open."""

    def __init__(self) -> None:
        self.calls = 0
        self.gate = threading.Event()
        self.gate.set()
        self._key = urandom(32)

    def data_key(self) -> bytes:
        self.calls += 1
        self.gate.wait(_TIMEOUT_SECONDS)
        return self._key


@dataclass(frozen=True, kw_only=True)
class Reads:
    """The kernel's counts for one thread in one turn of READS reads; times are nanoseconds."""

    waiting: float
    """Time in which it did not run."""

    own: float
    """CPU time."""

    waits: int
    """Voluntary context switches: for a lock, another thread, or an answer."""

    preemptions: int
    """Involuntary context switches: the kernel ran something else."""


class Readers:
    """Threads that read the key together."""

    def __init__(self, read: Callable[[], object]) -> None:
        self._read = read
        self._start = threading.Barrier(THREADS + 1)
        self._end = threading.Barrier(THREADS + 1)
        self._stopped = False
        self._reads: list[Reads] = []
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def turn(self) -> list[Reads]:
        """One turn of all threads."""
        self._reads = []
        self._start.wait()
        self._end.wait()
        return self._reads

    def stop(self) -> None:
        self._stopped = True
        self._start.wait()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        read = self._read
        while True:
            self._start.wait()
            if self._stopped:
                return
            before = getrusage(RUSAGE_THREAD)
            wall, own = perf_counter_ns(), thread_time_ns()
            for _ in range(READS):
                read()
            own = thread_time_ns() - own
            wall = perf_counter_ns() - wall
            after = getrusage(RUSAGE_THREAD)
            self._reads.append(
                Reads(
                    waiting=wall - own,
                    own=own,
                    waits=after.ru_nvcsw - before.ru_nvcsw,
                    preemptions=after.ru_nivcsw - before.ru_nivcsw,
                )
            )
            self._end.wait()


def rows(rounds: Rounds) -> Iterator[Measured]:
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
    yield from _refreshed(cipher, max(rounds.count // 30, 2))


def _refreshed(cipher: PhiCipher, times: int) -> Iterator[Measured]:
    calls: list[float] = []
    due: list[list[Reads]] = []
    resting: list[list[Reads]] = []
    encrypting: list[float] = []
    with without_thread_switches():
        for _ in range(times):
            called, turns = reads_at_refreshes()
            calls.append(called)
            due += turns
            resting += reads_without_refresh()
            encrypting += [_scalar(cipher) for _ in turns]
    yield counted(f"{THREADS} threads over {TTLS} TTLs: calls of KMS for a TTL", max(calls), at_most=1)
    waited = sum(reads.waits for turn in due for reads in turn)
    yield counted(f"of {THREADS} readers at each of {len(due)} refreshes, those that waited", waited, at_most=0)
    yield compared(
        "the longest wait of a reader at a refresh, beyond one with none due / one scalar encrypt",
        ours=[_longest(at_refresh) - _longest(idle) for at_refresh, idle in zip(due, resting, strict=True)],
        theirs=encrypting,
        control=None,
        bound=Bound(at_most=1),
        unit="ns",
    )


def _longest(turn: list[Reads]) -> float:
    """The longest wait of a thread that the kernel did not preempt."""
    return max((reads.waiting for reads in turn if not reads.preemptions), default=0.0)


def reads_at_refreshes() -> tuple[float, list[list[Reads]]]:
    """Ten TTLs, each with a refresh at its end that waits for every reader: calls for each TTL, and the reads."""
    source, now = GatedSource(), [0.0]
    key = CachedKey(source, ttl=TTL, clock=lambda: now[0])
    key.cipher()
    readers = Readers(key.cipher)
    turns = []
    for _ in range(TTLS):
        source.gate.clear()
        now[0] += 0.95 * TTL  # a refresh is due, and the key is still fresh
        turns.append(readers.turn())
        attempt = key._attempt
        source.gate.set()
        if attempt is None or not attempt.finished.wait(_TIMEOUT_SECONDS):
            raise SystemExit("a refresh was due, but none started")
    readers.stop()
    return (source.calls - 1) / TTLS, turns


def reads_without_refresh() -> list[list[Reads]]:
    """The same number of reads with a key that is not refreshed."""
    key = CachedKey(GatedSource(), ttl=TTL, clock=lambda: 0.0)
    key.cipher()
    readers = Readers(key.cipher)
    turns = [readers.turn() for _ in range(TTLS)]
    readers.stop()
    return turns


@contextmanager
def without_thread_switches() -> Iterator[None]:
    """The interpreter switches no threads: a thread that stops was stopped by something else."""
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
        return self._key


def _scalar(cipher: PhiCipher) -> float:
    batch = texts(200)
    started = thread_time_ns()
    scalar_encryption(cipher)(batch)
    return (thread_time_ns() - started) / len(batch)
