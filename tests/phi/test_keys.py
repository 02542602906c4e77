"""The cache of the data key: how often it asks, what it keeps, what it shows."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from phi import CachedKey, UnwrapError
from phi.errors import Unreachable

KEY = bytes(range(100, 132))


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class CountingSource:
    """A source that counts, may be held at its gate, and may fail."""

    def __init__(self) -> None:
        self.unwraps = 0
        self.failure: Exception | None = None
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def data_key(self) -> bytes:
        self.unwraps += 1
        self.entered.set()
        assert self.gate.wait(30)
        if self.failure:
            raise self.failure
        return KEY


@pytest.fixture
def source() -> CountingSource:
    return CountingSource()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cached(source: CountingSource, clock: Clock) -> CachedKey:
    return CachedKey(source, clock=clock)


def test_a_key_is_unwrapped_once_in_five_minutes(cached: CachedKey, source: CountingSource, clock: Clock) -> None:
    counts = []
    for moment in (0.0, 1.0, 299.9, 300.0, 599.9, 600.1):
        clock.now = 1000.0 + moment
        assert cached.data_key() == KEY
        counts.append(source.unwraps)
    assert counts == [1, 1, 1, 2, 2, 3]


def test_the_age_of_a_key_counts_from_the_asking(cached: CachedKey, source: CountingSource, clock: Clock) -> None:
    source.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(cached.data_key)
        assert source.entered.wait(30)
        clock.now += 299
        source.gate.set()
        assert slow.result(30) == KEY
    clock.now += 1
    cached.data_key()
    assert source.unwraps == 2


def run_sixteen(cached: CachedKey, source: CountingSource) -> list[bytes | BaseException]:
    """Sixteen threads ask while the first unwrap is held; it goes on when every one of them is waiting."""
    waiting = threading.Barrier(17)

    def ask() -> bytes | BaseException:
        waiting.wait(30)
        try:
            return cached.data_key()
        except UnwrapError as error:
            return error

    source.gate.clear()
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(ask) for _ in range(16)]
        waiting.wait(30)
        assert source.entered.wait(30)
        while cached_waiters(cached) < 15:
            threading.Event().wait(0.002)
        source.gate.set()
        return [one.result(30) for one in asked]


def cached_waiters(cached: CachedKey) -> int:
    """How many threads stand in the flight's own condition."""
    flight = cached._flight
    return len(flight._condition._waiters) if flight else 0  # type: ignore[attr-defined]


def test_sixteen_threads_share_one_unwrap(cached: CachedKey, source: CountingSource) -> None:
    assert run_sixteen(cached, source) == [KEY] * 16
    assert source.unwraps == 1


def test_sixteen_threads_share_one_failure_and_none_hangs(cached: CachedKey, source: CountingSource) -> None:
    source.failure = Unreachable("The endpoint did not answer.")
    assert run_sixteen(cached, source) == [source.failure] * 16
    assert source.unwraps == 1


def test_a_failure_is_not_remembered(cached: CachedKey, source: CountingSource) -> None:
    source.failure = Unreachable("The endpoint did not answer.")
    with pytest.raises(Unreachable):
        cached.data_key()
    source.failure = None
    assert cached.data_key() == KEY
    assert source.unwraps == 2


def test_an_expired_key_is_not_served_when_the_source_fails(
    cached: CachedKey, source: CountingSource, clock: Clock
) -> None:
    cached.data_key()
    clock.now += 300
    source.failure = Unreachable("The endpoint did not answer.")
    with pytest.raises(Unreachable):
        cached.data_key()
    assert KEY not in [value for held in vars(cached).values() if isinstance(held, tuple) for value in held]


def test_a_forgotten_key_is_unwrapped_again(cached: CachedKey, source: CountingSource) -> None:
    cached.data_key()
    cached.forget()
    cached.data_key()
    assert source.unwraps == 2


def test_a_key_forgotten_on_its_way_is_not_kept(cached: CachedKey, source: CountingSource) -> None:
    source.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(cached.data_key)
        assert source.entered.wait(30)
        cached.forget()
        source.gate.set()
        assert slow.result(30) == KEY
    cached.data_key()
    assert source.unwraps == 2


def test_the_cache_shows_no_key(cached: CachedKey) -> None:
    cached.data_key()
    assert repr(cached) == str(cached) == "CachedKey(ttl=300)"


@pytest.mark.parametrize("copier", [pickle.dumps, copy.copy, copy.deepcopy])
def test_the_cache_is_neither_pickled_nor_copied(cached: CachedKey, copier: Callable[[CachedKey], object]) -> None:
    cached.data_key()
    with pytest.raises(TypeError, match="not copied or pickled"):
        copier(cached)
