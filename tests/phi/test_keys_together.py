"""The cached key between threads, across a fork, and in an event loop: one call for all, and nobody waits in vain."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from phi import CachedKey, UnwrapError
from phi.errors import AccessDenied, Unreachable
from phi.flights import in_an_event_loop
from phi.keys import _renew_all
from tests.phi.key_sources import KEY, LONG, OTHER_KEY, CountingSource, Standing


@pytest.fixture
def standing() -> Standing:
    return Standing()


def run_sixteen(standing: Standing) -> list[bytes | UnwrapError]:
    """Sixteen threads ask while the first unwrap is held; it goes on when every other one is waiting for it."""
    source = standing.source

    def ask() -> bytes | UnwrapError:
        try:
            return standing.cached.data_key()
        except UnwrapError as error:
            return error

    source.gate.clear()
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(ask) for _ in range(16)]
        assert source.entered.wait(LONG)
        flight = standing.cached._flight
        assert flight is not None
        while len(flight.landed._cond._waiters) < 15:  # type: ignore[attr-defined]
            threading.Event().wait(0.002)
        source.gate.set()
        return [one.result(LONG) for one in asked]


def test_sixteen_threads_share_one_unwrap(standing: Standing) -> None:
    assert run_sixteen(standing) == [KEY] * 16
    assert standing.source.unwraps == 1


def test_sixteen_threads_share_one_failure_none_hangs_and_each_has_its_own_error(standing: Standing) -> None:
    standing.source.failure = Unreachable("The endpoint did not answer.")
    met = run_sixteen(standing)
    assert {(type(one), str(one)) for one in met} == {(Unreachable, "The endpoint did not answer.")}
    assert len({id(one) for one in met}) == 16 and met.count(standing.source.failure) == 1
    assert standing.source.unwraps == 1


def test_those_who_wait_for_a_caller_that_is_interrupted_try_for_themselves(standing: Standing) -> None:
    source = standing.source
    source.failure = KeyboardInterrupt()
    source.gate.clear()
    met: list[BaseException] = []

    def interrupted() -> None:
        try:
            standing.cached.data_key()
        except KeyboardInterrupt as error:
            met.append(error)

    first = threading.Thread(target=interrupted)
    first.start()
    assert source.entered.wait(LONG)
    flight = standing.cached._flight
    assert flight is not None
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(standing.cached.data_key)
        while not flight.landed._cond._waiters:  # type: ignore[attr-defined]
            threading.Event().wait(0.002)
        source.data_key = lambda: KEY  # type: ignore[method-assign]  # whoever asks from here on
        source.gate.set()
        first.join(LONG)
        assert second.result(LONG) == KEY
    assert len(met) == 1


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_sixty_four_threads_over_ten_ttls_make_one_call_each_and_no_reader_waits(
    standing: Standing, chance: float
) -> None:
    """The source is held at its gate during each refresh, so that a reader who waited for it would never be done."""
    standing.chance = chance
    source = standing.source
    assert standing.cached.data_key() == KEY
    readers, begin, done = 64, threading.Barrier(65), threading.Barrier(65)
    served: list[tuple[int, bytes]] = []

    def read() -> None:
        for ttl in range(10):
            begin.wait(LONG)
            for _ in range(20):
                standing.cached.cipher()
            served.append((ttl, standing.cached.data_key()))
            done.wait(LONG)

    threads = [threading.Thread(target=read) for _ in range(readers)]
    for thread in threads:
        thread.start()
    keys = [KEY]
    for ttl in range(10):
        source.entered.clear()
        source.gate.clear()
        source.key = bytes([ttl]) * 32
        standing.clock.now += 299.9
        begin.wait(LONG)
        done.wait(LONG)  # all 64 are done while the refresh is held
        assert source.entered.wait(LONG)
        assert source.unwraps == ttl + 2
        assert [key for when, key in served if when == ttl] == [keys[-1]] * readers
        flight = standing.cached._flight
        assert flight is not None
        source.gate.set()
        assert flight.landed.wait(LONG)
        keys.append(standing.cached.data_key())
        assert keys[-1] == source.key
    for thread in threads:
        thread.join(LONG)
    assert source.unwraps == 11 and len(served) == 640


def test_while_the_first_asker_after_idling_unwraps_the_others_have_the_present_key(standing: Standing) -> None:
    standing.asked(0)
    standing.source.gate.clear()
    standing.source.entered.clear()
    standing.source.key = OTHER_KEY
    standing.clock.now += 1000
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(standing.cached.data_key)
        assert standing.source.entered.wait(LONG)
        assert standing.cached.data_key() == KEY
        standing.source.gate.set()
        assert first.result(LONG) == OTHER_KEY
    assert standing.cached.data_key() == OTHER_KEY and standing.source.unwraps == 2


def test_while_no_key_is_of_use_the_others_wait_for_the_same_unwrap(standing: Standing) -> None:
    standing.asked(0)
    standing.source.entered.clear()
    standing.clock.now += 3900
    assert run_sixteen(standing) == [KEY] * 16
    assert standing.source.unwraps == 2


def test_a_refresh_that_outlasts_the_ttl_keeps_nobody_waiting(standing: Standing) -> None:
    standing.asked(0)
    standing.source.gate.clear()
    for moment in (270, 300, 3899.9):
        assert standing.at(moment).data_key() == KEY
    assert standing.source.unwraps <= 2
    standing.source.gate.set()
    standing.landed()
    assert standing.source.unwraps == 2


def test_a_key_forgotten_on_its_way_is_not_kept(standing: Standing) -> None:
    standing.source.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(standing.cached.data_key)
        assert standing.source.entered.wait(LONG)
        standing.cached.forget()
        standing.source.gate.set()
        assert slow.result(LONG) == KEY
    assert standing.cached._held is None
    standing.cached.data_key()
    assert standing.source.unwraps == 2


def test_a_failure_that_is_forgotten_on_its_way_is_told_and_not_remembered(standing: Standing) -> None:
    standing.source.failure = AccessDenied("Denied.")
    standing.source.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(standing.cached.data_key)
        assert standing.source.entered.wait(LONG)
        standing.cached.forget()
        standing.source.gate.set()
        assert isinstance(slow.exception(LONG), AccessDenied)
    standing.source.failure = None
    assert standing.cached.data_key() == KEY


def test_an_unwrap_that_is_forgotten_and_then_interrupted_leaves_nobody_hanging(standing: Standing) -> None:
    standing.source.failure = ZeroDivisionError("a defect")
    standing.source.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(standing.cached.data_key)
        assert standing.source.entered.wait(LONG)
        flight = standing.cached._flight
        standing.cached.forget()
        standing.source.gate.set()
        assert isinstance(slow.exception(LONG), ZeroDivisionError)
    assert flight is not None and flight.landed.is_set() and standing.told.rest() == []


def in_a_child(act: Callable[[], bool]) -> None:
    """Fork; the child acts, and says by its exit code whether that went well. One that hangs is ended."""
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            os._exit(0 if act() else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_child_has_the_key_and_asks_for_none(standing: Standing) -> None:
    cipher = standing.cached.cipher()
    in_a_child(
        lambda: (
            standing.cached.cipher() is cipher and standing.cached.data_key() == KEY and standing.source.unwraps == 1
        )
    )


def test_a_child_that_is_forked_while_an_unwrap_is_under_way_makes_its_own(standing: Standing) -> None:
    standing.source.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(standing.cached.data_key)
        assert standing.source.entered.wait(LONG)

        def act() -> bool:
            standing.source.gate = threading.Event()
            standing.source.gate.set()
            return standing.cached.data_key() == KEY and standing.source.unwraps == 2

        in_a_child(act)
        standing.source.gate.set()
        assert first.result(LONG) == KEY


def test_a_child_that_is_forked_while_a_refresh_is_under_way_keeps_the_key_and_makes_its_own(
    standing: Standing,
) -> None:
    standing.asked(0)
    standing.source.gate.clear()
    standing.source.entered.clear()
    standing.at(270).data_key()
    assert standing.source.entered.wait(LONG)

    def act() -> bool:
        standing.source.gate = threading.Event()
        standing.source.gate.set()
        if standing.cached.data_key() != KEY:
            return False
        standing.landed()
        return standing.source.unwraps == 3

    in_a_child(act)
    standing.source.gate.set()


def test_a_child_that_is_forked_while_the_lock_is_held_does_not_hang(standing: Standing) -> None:
    standing.asked(0)
    with standing.cached._lock:
        in_a_child(lambda: standing.cached.data_key() == KEY and standing.at(301).data_key() == KEY)


def test_children_draw_the_moment_of_their_refresh_anew_and_keep_a_pause(standing: Standing) -> None:
    standing.asked(0)
    standing.chance = 0.0

    def act() -> bool:
        standing.asked(239.9)
        before = standing.source.unwraps
        standing.asked(240)
        return (before, standing.source.unwraps) == (1, 2)

    in_a_child(act)
    standing.chance = 1.0
    standing.source.failure = Unreachable("KMS did not answer.")
    standing.asked(270)

    def paused() -> bool:
        standing.asked(270.9)
        before = standing.source.unwraps
        standing.asked(271)
        return (before, standing.source.unwraps) == (2, 3)

    in_a_child(paused)


def test_every_cached_key_is_renewed_in_a_child(standing: Standing) -> None:
    other = Standing()
    locks = standing.cached._lock, other.cached._lock
    _renew_all()
    assert standing.cached._lock is not locks[0] and other.cached._lock is not locks[1]


def test_a_dropped_cache_is_not_kept_for_the_sake_of_forks() -> None:
    import gc
    import weakref

    gone = weakref.ref(CachedKey(CountingSource()))
    gc.collect()
    assert gone() is None


def test_ready_unwraps_without_blocking_the_event_loop(standing: Standing) -> None:
    standing.source.gate.clear()
    ticks: list[int] = []

    async def act() -> None:
        waiting = asyncio.gather(*(standing.cached.ready() for _ in range(3)))
        while not standing.source.entered.is_set():
            await asyncio.sleep(0)
        for tick in range(100):
            ticks.append(tick)
            await asyncio.sleep(0)
        assert not waiting.done()
        standing.source.gate.set()
        await waiting
        standing.source.failure = Unreachable("KMS did not answer.")
        await standing.cached.ready()

    asyncio.run(asyncio.wait_for(act(), LONG))
    assert len(ticks) == 100 and standing.source.unwraps == 1
    assert threading.get_ident() not in standing.source.threads


def test_ready_begins_a_refresh_at_its_moment_and_does_not_wait_for_it(standing: Standing) -> None:
    standing.asked(0)
    standing.source.gate.clear()
    standing.clock.now += 270
    asyncio.run(standing.cached.ready())
    standing.source.gate.set()
    standing.landed()
    assert standing.source.unwraps == 2


def test_ready_raises_what_the_source_raises(standing: Standing) -> None:
    standing.source.failure = AccessDenied("Denied.")
    with pytest.raises(AccessDenied):
        asyncio.run(standing.cached.ready())


def test_in_an_event_loop_a_key_past_its_ttl_serves_and_is_renewed_apart(standing: Standing) -> None:
    standing.asked(0)
    standing.source.gate.clear()
    standing.source.key = OTHER_KEY

    async def act() -> None:
        assert standing.at(3899.9).data_key() == KEY
        standing.source.gate.set()

    asyncio.run(act())
    standing.landed()
    assert standing.cached.data_key() == OTHER_KEY
    assert standing.source.threads[1] != threading.get_ident()


def test_an_event_loop_is_known_by_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> tuple[bool, bool]:
        return in_an_event_loop(), await asyncio.to_thread(in_an_event_loop)

    assert asyncio.run(act()) == (True, False)
    assert not in_an_event_loop()
    monkeypatch.delitem(sys.modules, "asyncio")
    assert not in_an_event_loop()
