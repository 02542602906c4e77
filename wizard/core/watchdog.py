"""Ends a command that makes no progress: calls are under way, and none begins or ends for two minutes.

A time-out of a socket starts again with every byte. Touches the signal SIGALRM of this process while a command runs.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from wizard.core.call_limit import CHECK_PROXY
from wizard.core.errors import Unreachable

SECONDS = 120.0
_DEFAULTS = (signal.default_int_handler, signal.SIG_IGN)

_calls: ContextVar[dict[object, str]] = ContextVar("calls")
"""The calls under way, the oldest first. A thread that nobody waits for has none: only `retry.Threads` pass it on."""


@contextmanager
def call(name: str) -> Iterator[None]:
    """Watch the block, which is one call to a service."""
    calls, key = _calls.get({}), object()
    calls[key] = name
    try:
        yield
    finally:
        del calls[key]


@contextmanager
def watching() -> Iterator[None]:
    """Watch a command, in the main thread. Raises Unreachable with the name of the oldest call."""
    calls, former, since, stalled = dict[object, str](), list[object](), 0.0, ""

    def look(*_: object) -> None:
        nonlocal former, since, stalled
        if not (under_way := [*calls]) or under_way != former:
            former, since = under_way, time.perf_counter()
        # The engine defers interrupts while it changes the stack, and a prompt has its own handler.
        elif time.perf_counter() - since > SECONDS and signal.getsignal(signal.SIGINT) in _DEFAULTS:
            stalled = calls.get(former[0], "a call")
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise KeyboardInterrupt  # Nothing that handles a failed call catches it.

    handler, token = signal.signal(signal.SIGALRM, look), _calls.set(calls)
    timer = signal.setitimer(signal.ITIMER_REAL, SECONDS / 100, SECONDS / 100)
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if not stalled:
            raise
        raise Unreachable(f"{stalled} has not ended within {SECONDS:g} s", CHECK_PROXY) from interrupt
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
        _calls.reset(token)
