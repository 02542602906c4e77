"""When a call is tried again: the schedules, and the one deadline of an operation."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

import pytest

from wizard.core import retry
from wizard.core.errors import PermissionDenied, SetupError, Throttled, Unreachable
from wizard.core.retry import Clock, Reason, Threads


@dataclass(kw_only=True)
class Seconds:
    """Time that passes only when somebody waits."""

    now: float = 0.0
    pauses: list[float] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.now, sleep=self.sleep, on_wait=self.messages.append)


def failing(error: SetupError, times: int = 1_000) -> Callable[[], str]:
    errors = [error] * times

    def action() -> str:
        if errors:
            raise errors.pop()
        return "done"

    return action


@pytest.mark.parametrize("error", [Throttled("slow down", ""), Unreachable("no answer", "")])
def test_a_call_that_may_succeed_later_is_tried_again(error: SetupError) -> None:
    time = Seconds()

    assert retry.call(failing(error, times=3), clock=time.clock) == "done"

    assert time.pauses == [0.5, 1.0, 2.0]


def test_another_error_is_raised_at_once() -> None:
    time = Seconds()

    with pytest.raises(PermissionDenied):
        retry.call(failing(PermissionDenied("no", "")), clock=time.clock)

    assert time.pauses == []


@pytest.mark.parametrize("reason", list(Reason))
def test_no_reason_waits_longer_than_its_schedule(reason: Reason) -> None:
    time = Seconds()

    tries = list(retry.attempts(reason, clock=time.clock))

    schedule = retry.SCHEDULES[reason]
    assert schedule.seconds - schedule.longest <= sum(time.pauses) <= schedule.seconds
    assert max(time.pauses) == schedule.longest
    assert tries[-1] == len(time.pauses) + 1


def test_nested_operations_share_one_deadline() -> None:
    time = Seconds()

    def inner() -> str:
        return retry.call(failing(Throttled("slow down", "")), clock=time.clock)

    with pytest.raises(Throttled):
        retry.call(lambda: retry.call(inner, clock=time.clock), clock=time.clock, seconds=60)

    assert sum(time.pauses) <= 60


def test_an_inner_operation_has_no_more_time_than_the_outer_one_has_left() -> None:
    time = Seconds()

    with retry.operation(20, clock=time.clock) as outer:
        assert outer.wait(Reason.NETWORK, at_least=15)
        for _ in retry.attempts(Reason.BUSY, clock=time.clock):
            pass

    assert sum(time.pauses) <= 20


def test_a_clock_that_stands_still_ends_all_the_same() -> None:
    pauses: list[float] = []

    with pytest.raises(Throttled):
        retry.call(failing(Throttled("slow down", "")), clock=Clock(now=lambda: 0.0, sleep=pauses.append))

    assert sum(pauses) <= 60


def test_a_try_that_itself_takes_long_counts_too() -> None:
    moments = iter((0.0, 60.0, 60.0, 60.0))

    with pytest.raises(Throttled):
        retry.call(
            failing(Throttled("slow down", "")),
            clock=Clock(now=lambda: next(moments), sleep=lambda _: pytest.fail("waited")),
        )


def test_the_service_may_ask_for_a_longer_pause() -> None:
    time = Seconds()

    with retry.operation(30, clock=time.clock) as deadline:
        assert deadline.wait(Reason.THROTTLED, at_least=20)
        assert not deadline.wait(Reason.THROTTLED, at_least=20)

    assert time.pauses == [20]


def test_a_person_reads_once_why_and_for_how_long() -> None:
    time = Seconds()

    retry.call(failing(Throttled("slow down", ""), times=3), clock=time.clock)

    assert time.messages == ["the service limits the number of calls; trying again for up to 60 s"]


def test_whoever_interrupts_does_not_wait_for_a_call_that_hangs():
    answered = Event()
    try:
        with pytest.raises(KeyboardInterrupt), Threads(max_workers=1) as pool:
            hanging = pool.submit(answered.wait, 30)
            raise KeyboardInterrupt
        assert not hanging.done()
    finally:
        answered.set()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the priority is of the whole process")
def test_threads_that_give_way_take_those_they_begin_along_and_leave_the_process_as_it_was() -> None:
    before = os.nice(0)

    def of_two() -> tuple[int, int]:
        return os.nice(0), *retry.together(lambda: os.nice(0))

    with Threads(max_workers=1, initializer=retry.give_way) as pool:
        assert pool.submit(of_two).result() == (min(19, before + 10),) * 2
    assert os.nice(0) == before
