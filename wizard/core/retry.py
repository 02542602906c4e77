"""Retries calls: one schedule for each kind of reason, one deadline for each operation; and what is asked only once, or
together.

Waits by the clock that it gets, and reports a wait once. How a client uses it:

with retry.operation(60, clock=self._clock) as deadline:       # one delivery, one read: all its requests
    while True:
        answer = request()
        if answer.ok or not deadline.wait(Reason.THROTTLED, at_least=answer.retry_after):
            return answer

retry.call(lambda: store.write(), clock=session.clock)          # repeats Throttled and Unreachable

for _ in retry.attempts(Reason.BUSY, clock=clock):              # polls; the loop ends when the time is over
    if lock(): break
else: raise StackBusy(...)

An operation inside another one never waits longer than the outer one has left. Threads do not share a deadline.
"""

import os
import sys
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Any, TypeVar

from wizard.core.errors import SetupError, Throttled, Unreachable

T = TypeVar("T")


class Reason(StrEnum):
    """The reason why the same call may succeed later. The value is the text for a person."""

    THROTTLED = "the service limits the number of calls"
    NETWORK = "the network or the endpoint does not answer"
    PROPAGATION = "AWS has not applied a new role, policy or access key everywhere yet"
    CONSISTENCY = "what was written a moment ago cannot be read everywhere yet"
    BUSY = "another run or operation has to end first"
    ROLLOUT = "the deployment is not complete yet"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Pauses that double from `first` to `longest`, until `seconds` have passed."""

    first: float
    longest: float
    seconds: float
    """Seconds from the first try to the last one, if this is the only reason."""

    def pause(self, number: int) -> float:
        """Seconds to wait before the try after `number` waits."""
        return min(self.first * 2.0 ** min(number, 32), self.longest)


SCHEDULES = {
    Reason.THROTTLED: Schedule(first=0.5, longest=8.0, seconds=60.0),
    Reason.NETWORK: Schedule(first=0.5, longest=8.0, seconds=60.0),
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
    Reason.PROPAGATION: Schedule(first=1.0, longest=8.0, seconds=20.0),
    # https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html#programming-eventual-consistency
    Reason.CONSISTENCY: Schedule(first=0.2, longest=3.2, seconds=10.0),
    Reason.BUSY: Schedule(first=0.5, longest=2.0, seconds=600.0),
    Reason.ROLLOUT: Schedule(first=0.5, longest=10.0, seconds=900.0),
}

SECONDS = 60.0
"""The default time in which the tries of one operation start."""

LISTING_SECONDS = 60.0
"""The time in which the pages of one listing are asked for."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The clock, and the receiver of the message that a call waits. Tests use one that does not wait."""

    now: Callable[[], float] = time.monotonic
    """Seconds, of a clock that never goes back."""
    sleep: Callable[[float], None] = time.sleep
    on_wait: Callable[[str], None] = lambda text: None
    """Called with one sentence at the first wait for each reason of an operation."""


SYSTEM_CLOCK = Clock()


@dataclass(kw_only=True)
class Deadline:
    """The total time of one operation, all waits included."""

    clock: Clock
    seconds: float
    outer: "Deadline | None" = None
    _began: float = field(init=False)
    _slept: float = field(default=0.0, init=False)
    _waits: dict[Reason, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._began = self.clock.now()

    @property
    def passed(self) -> float:
        """Seconds since the start. Pauses count even where a test's clock stands still."""
        return max(self.clock.now() - self._began, self._slept)

    @property
    def left(self) -> float:
        """Seconds in which one more try may start."""
        left = self.seconds - self.passed
        return min(left, self.outer.left) if self.outer else left

    def wait(self, reason: Reason, *, at_least: float | None = None) -> bool:
        """Wait before the next try; False, without waiting, when that try would start too late.

        `at_least`: seconds that the service asked for (Retry-After).
        """
        number = self._waits.get(reason, 0)
        pause = max(at_least or 0.0, SCHEDULES[reason].pause(number))
        left = self.left
        if pause > left:
            return False
        if number == 0:
            self.clock.on_wait(f"{reason.value}; trying again for up to {left:.0f} s")
        self._waits[reason] = number + 1
        self.clock.sleep(pause)
        deadline: Deadline | None = self
        while deadline is not None:
            deadline._slept += pause
            deadline = deadline.outer
        return True


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def new_deadline(seconds: float = SECONDS, *, clock: Clock = SYSTEM_CLOCK) -> Deadline:
    """A deadline within that of the current operation, for a loop where a `with` statement does not fit."""
    return Deadline(clock=clock, seconds=seconds, outer=_current.get())


@contextmanager
def operation(seconds: float = SECONDS, *, clock: Clock = SYSTEM_CLOCK) -> Iterator[Deadline]:
    """An operation with one deadline for all its waits, and for every operation inside it."""
    deadline = new_deadline(seconds, clock=clock)
    token = _current.set(deadline)
    try:
        yield deadline
    finally:
        _current.reset(token)


def reason_of(error: SetupError) -> Reason | None:
    """Why a failed call may succeed later; None when it cannot."""
    if isinstance(error, Throttled):
        return Reason.THROTTLED
    return Reason.NETWORK if isinstance(error, Unreachable) else None


def call(
    action: Callable[[], T],
    *,
    clock: Clock,
    seconds: float = SECONDS,
    reason: Callable[[SetupError], Reason | None] = reason_of,
) -> T:
    """The action's result, or its last error when the time is over. An error without a reason is raised at once."""
    with operation(seconds, clock=clock) as deadline:
        while True:
            try:
                return action()
            except SetupError as error:
                why = reason(error)
                if why is None or not deadline.wait(why):
                    raise


def attempts(reason: Reason, *, clock: Clock, seconds: float | None = None) -> Iterator[int]:
    """The number of each try, from 1, with the pauses in between; ends when the time is over.

    `seconds` is None for those of the reason's schedule.
    """
    number = 1
    deadline = new_deadline(SCHEDULES[reason].seconds if seconds is None else seconds, clock=clock)
    yield number
    while deadline.wait(reason):
        number += 1
        yield number


class Once:
    """The answers to questions that are asked once, whichever threads want them."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._answers: dict[Hashable, Future[Any]] = {}

    def __call__(self, question: Hashable, ask: Callable[[], T]) -> T:
        """The result of `ask` at the first call. Its error is raised in all waiting callers, and not kept."""
        with self._guard:
            is_first = question not in self._answers
            answer: Future[T] = self._answers.setdefault(question, Future())
        if is_first:
            try:
                answer.set_result(ask())
            except BaseException as error:
                # Whoever tries again asks again.
                del self._answers[question]
                answer.set_exception(error)
                raise
        return answer.result()


MAX_PARALLEL = 8
"""Calls that run in parallel; botocore keeps ten connections for each client."""


class Threads(ThreadPoolExecutor):
    """Threads for a block. An interrupted block does not wait for a call that hangs.

    A call has a copy of the context variables of the thread that submits it.
    """

    def submit(self, function: Callable[..., T], /, *arguments: Any, **options: Any) -> Future[T]:
        """The standard library's `submit`."""
        return super().submit(copy_context().run, function, *arguments, **options)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """After an error it waits too: what is under way in the threads must not outlive the command's next step."""
        is_interrupted = kind is not None and not issubclass(kind, Exception)
        self.shutdown(wait=not is_interrupted, cancel_futures=is_interrupted)


def give_way() -> None:
    """Lower the priority of this thread below programs that were started before. For background work."""
    # On Linux this is of one thread and of those that it begins; elsewhere it would be of what follows, too.
    if sys.platform == "linux":
        os.nice(10)


def ahead(*calls: Callable[[], Any]) -> None:
    """Start read-only calls in the background. A later identical call returns their result, or raises their error."""
    pool = Threads(max_workers=len(calls), thread_name_prefix="ahead")
    for call in calls:
        pool.submit(call)
    pool.shutdown(wait=False)


def together(*calls: Callable[[], Any]) -> tuple[Any, ...]:
    """The results of all calls, run in parallel; when all have ended, the first failure is raised."""
    if not calls:
        return ()
    with Threads(max_workers=min(MAX_PARALLEL, len(calls)), thread_name_prefix="together") as pool:
        futures = [pool.submit(call) for call in calls]
    return tuple(future.result() for future in futures)
