"""The cached key with threads, after a fork, and in an event loop: one request for all, and no caller hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from eonpro_phi import CachedKey, UnwrapError
from eonpro_phi.errors import AccessDenied, Unreachable
from eonpro_phi.key_cache import _reset_after_fork
from tests.phi.key_sources import KEY, LONG, OTHER_KEY, CacheFixture, CountingSource


@pytest.fixture
def cache() -> CacheFixture:
    return CacheFixture()


def run_sixteen(cache: CacheFixture) -> list[bytes | UnwrapError]:
    """Sixteen threads ask for the key; the unwrap is blocked until fifteen of them wait for it."""
    source = cache.source

    def get_key() -> bytes | UnwrapError:
        try:
            return cache.cached.data_key()
        except UnwrapError as error:
            return error

    source.gate.clear()
    with ThreadPoolExecutor(16) as pool:
        results = [pool.submit(get_key) for _ in range(16)]
        assert source.entered.wait(LONG)
        attempt = cache.cached._attempt
        assert attempt is not None
        while len(attempt.finished._cond._waiters) < 15:  # type: ignore[attr-defined]
            threading.Event().wait(0.002)
        source.gate.set()
        return [result.result(LONG) for result in results]


def test_sixteen_threads_share_one_unwrap(cache: CacheFixture) -> None:
    assert run_sixteen(cache) == [KEY] * 16
    assert cache.source.unwraps == 1


def test_sixteen_threads_share_one_failure_and_each_gets_its_own_error(cache: CacheFixture) -> None:
    cache.source.failure = Unreachable("The endpoint did not answer.")
    errors = run_sixteen(cache)
    assert {(type(error), str(error)) for error in errors} == {(Unreachable, "The endpoint did not answer.")}
    assert len({id(error) for error in errors}) == 16 and errors.count(cache.source.failure) == 1
    assert cache.source.unwraps == 1


def test_callers_that_wait_for_an_interrupted_caller_make_their_own_attempt(cache: CacheFixture) -> None:
    source = cache.source
    source.failure = KeyboardInterrupt()
    source.gate.clear()
    errors: list[BaseException] = []

    def interrupted() -> None:
        try:
            cache.cached.data_key()
        except KeyboardInterrupt as error:
            errors.append(error)

    first = threading.Thread(target=interrupted)
    first.start()
    assert source.entered.wait(LONG)
    attempt = cache.cached._attempt
    assert attempt is not None
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(cache.cached.data_key)
        while not attempt.finished._cond._waiters:  # type: ignore[attr-defined]
            threading.Event().wait(0.002)
        source.data_key = lambda: KEY  # type: ignore[method-assign]  # for every later attempt
        source.gate.set()
        first.join(LONG)
        assert second.result(LONG) == KEY
    assert len(errors) == 1


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_sixty_four_threads_over_ten_ttls_make_one_call_each_and_no_reader_waits(
    cache: CacheFixture, jitter: float
) -> None:
    """The source is blocked during each refresh, so a reader that waits for it would never finish."""
    cache.jitter = jitter
    source = cache.source
    assert cache.cached.data_key() == KEY
    readers, begin, done = 64, threading.Barrier(65), threading.Barrier(65)
    served: list[tuple[int, bytes]] = []

    def read() -> None:
        for ttl in range(10):
            begin.wait(LONG)
            for _ in range(20):
                cache.cached.cipher()
            served.append((ttl, cache.cached.data_key()))
            done.wait(LONG)

    threads = [threading.Thread(target=read) for _ in range(readers)]
    for thread in threads:
        thread.start()
    keys = [KEY]
    for ttl in range(10):
        source.entered.clear()
        source.gate.clear()
        source.key = bytes([ttl]) * 32
        cache.clock.now += 299.9
        begin.wait(LONG)
        done.wait(LONG)  # all 64 finish while the refresh is blocked
        assert source.entered.wait(LONG)
        assert source.unwraps == ttl + 2
        assert [key for when, key in served if when == ttl] == [keys[-1]] * readers
        attempt = cache.cached._attempt
        assert attempt is not None
        source.gate.set()
        assert attempt.finished.wait(LONG)
        keys.append(cache.cached.data_key())
        assert keys[-1] == source.key
    for thread in threads:
        thread.join(LONG)
    assert source.unwraps == 11 and len(served) == 640


def test_while_the_first_caller_after_an_idle_time_unwraps_the_others_get_the_cached_key(cache: CacheFixture) -> None:
    cache.key_at(0)
    cache.source.gate.clear()
    cache.source.entered.clear()
    cache.source.key = OTHER_KEY
    cache.clock.now += 1000
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.cached.data_key)
        assert cache.source.entered.wait(LONG)
        assert cache.cached.data_key() == KEY
        cache.source.gate.set()
        assert first.result(LONG) == OTHER_KEY
    assert cache.cached.data_key() == OTHER_KEY and cache.source.unwraps == 2


def test_without_a_usable_key_all_callers_wait_for_the_same_unwrap(cache: CacheFixture) -> None:
    cache.key_at(0)
    cache.source.entered.clear()
    cache.clock.now += 3900
    assert run_sixteen(cache) == [KEY] * 16
    assert cache.source.unwraps == 2


def test_no_caller_waits_for_a_refresh_longer_than_the_ttl(cache: CacheFixture) -> None:
    cache.key_at(0)
    cache.source.gate.clear()
    for moment in (270, 300, 3899.9):
        assert cache.at(moment).data_key() == KEY
    assert cache.source.unwraps <= 2
    cache.source.gate.set()
    cache.wait_until_finished()
    assert cache.source.unwraps == 2


def test_the_result_of_a_forgotten_attempt_is_not_cached(cache: CacheFixture) -> None:
    cache.source.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(cache.cached.data_key)
        assert cache.source.entered.wait(LONG)
        cache.cached.forget()
        cache.source.gate.set()
        assert slow.result(LONG) == KEY
    assert cache.cached._entry is None
    cache.cached.data_key()
    assert cache.source.unwraps == 2


def test_the_failure_of_a_forgotten_attempt_is_raised_and_not_cached(cache: CacheFixture) -> None:
    cache.source.failure = AccessDenied("Denied.")
    cache.source.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(cache.cached.data_key)
        assert cache.source.entered.wait(LONG)
        cache.cached.forget()
        cache.source.gate.set()
        assert isinstance(slow.exception(LONG), AccessDenied)
    cache.source.failure = None
    assert cache.cached.data_key() == KEY


def test_a_forgotten_attempt_that_raises_leaves_no_caller_waiting(cache: CacheFixture) -> None:
    cache.source.failure = ZeroDivisionError("a defect")
    cache.source.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(cache.cached.data_key)
        assert cache.source.entered.wait(LONG)
        attempt = cache.cached._attempt
        cache.cached.forget()
        cache.source.gate.set()
        assert isinstance(slow.exception(LONG), ZeroDivisionError)
    assert attempt is not None and attempt.finished.is_set()


def in_a_child(act: Callable[[], bool]) -> None:
    """Fork; the child's exit code is 0 if `act` returns True. An alarm ends a child that hangs."""
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            os._exit(0 if act() else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_child_has_the_key_and_makes_no_request(cache: CacheFixture) -> None:
    cipher = cache.cached.cipher()
    in_a_child(lambda: cache.cached.cipher() is cipher and cache.cached.data_key() == KEY and cache.source.unwraps == 1)


def test_a_child_that_is_forked_during_an_unwrap_makes_its_own(cache: CacheFixture) -> None:
    cache.source.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.cached.data_key)
        assert cache.source.entered.wait(LONG)

        def act() -> bool:
            cache.source.gate = threading.Event()
            cache.source.gate.set()
            return cache.cached.data_key() == KEY and cache.source.unwraps == 2

        in_a_child(act)
        cache.source.gate.set()
        assert first.result(LONG) == KEY


def test_a_child_that_is_forked_during_a_refresh_keeps_the_key_and_makes_its_own(
    cache: CacheFixture,
) -> None:
    cache.key_at(0)
    cache.source.gate.clear()
    cache.source.entered.clear()
    cache.at(270).data_key()
    assert cache.source.entered.wait(LONG)

    def act() -> bool:
        cache.source.gate = threading.Event()
        cache.source.gate.set()
        if cache.cached.data_key() != KEY:
            return False
        cache.wait_until_finished()
        return cache.source.unwraps == 3

    in_a_child(act)
    cache.source.gate.set()


def test_a_child_that_is_forked_while_the_lock_is_held_does_not_hang(cache: CacheFixture) -> None:
    cache.key_at(0)
    with cache.cached._lock:
        in_a_child(lambda: cache.cached.data_key() == KEY and cache.at(301).data_key() == KEY)


def test_children_have_their_own_refresh_time_and_keep_a_retry_delay(cache: CacheFixture) -> None:
    cache.key_at(0)
    cache.jitter = 0.0

    def act() -> bool:
        cache.key_at(239.9)
        before = cache.source.unwraps
        cache.key_at(240)
        return (before, cache.source.unwraps) == (1, 2)

    in_a_child(act)
    cache.jitter = 1.0
    cache.source.failure = Unreachable("KMS did not answer.")
    cache.key_at(270)

    def paused() -> bool:
        cache.key_at(270.9)
        before = cache.source.unwraps
        cache.key_at(271)
        return (before, cache.source.unwraps) == (2, 3)

    in_a_child(paused)


def test_every_cached_key_is_reset_in_a_child(cache: CacheFixture) -> None:
    other = CacheFixture()
    locks = cache.cached._lock, other.cached._lock
    _reset_after_fork()
    assert cache.cached._lock is not locks[0] and other.cached._lock is not locks[1]


def test_the_fork_handler_keeps_no_cached_key_alive() -> None:
    import gc
    import weakref

    reference = weakref.ref(CachedKey(CountingSource()))
    gc.collect()
    assert reference() is None


def test_ready_unwraps_without_blocking_the_event_loop(cache: CacheFixture) -> None:
    cache.source.gate.clear()
    ticks: list[int] = []

    async def act() -> None:
        waiting = asyncio.gather(*(cache.cached.ready() for _ in range(3)))
        while not cache.source.entered.is_set():
            await asyncio.sleep(0)
        for tick in range(100):
            ticks.append(tick)
            await asyncio.sleep(0)
        assert not waiting.done()
        cache.source.gate.set()
        await waiting
        cache.source.failure = Unreachable("KMS did not answer.")
        await cache.cached.ready()

    asyncio.run(asyncio.wait_for(act(), LONG))
    assert len(ticks) == 100 and cache.source.unwraps == 1
    assert threading.get_ident() not in cache.source.threads


def test_ready_starts_a_refresh_that_is_due_and_does_not_wait_for_it(cache: CacheFixture) -> None:
    cache.key_at(0)
    cache.source.gate.clear()
    cache.clock.now += 270
    asyncio.run(cache.cached.ready())
    cache.source.gate.set()
    cache.wait_until_finished()
    assert cache.source.unwraps == 2


def test_ready_raises_what_the_source_raises(cache: CacheFixture) -> None:
    cache.source.failure = AccessDenied("Denied.")
    with pytest.raises(AccessDenied):
        asyncio.run(cache.cached.ready())


@pytest.mark.parametrize("is_coroutine", [True, False])
def test_past_its_ttl_nothing_is_encrypted_before_kms_was_asked(cache: CacheFixture, is_coroutine: bool) -> None:
    """In an event loop too: until then a revoked key sealed records for up to an hour after KMS had said no."""
    cache.key_at(0)
    cache.source.failure = AccessDenied("Denied.")

    async def act() -> None:
        cache.at(300.1).data_key()

    with pytest.raises(AccessDenied):
        asyncio.run(act()) if is_coroutine else cache.at(300.1).data_key()
    assert cache.source.unwraps == 2


def test_in_an_event_loop_a_key_stays_in_use_while_kms_does_not_answer(cache: CacheFixture) -> None:
    cache.key_at(0)
    cache.source.failure = Unreachable("KMS did not answer.")

    async def act() -> None:
        assert cache.at(300.1).data_key() == KEY
        assert cache.at(3899.9).data_key() == KEY

    asyncio.run(act())
