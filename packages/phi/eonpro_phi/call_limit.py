"""Limits the total time and size of one call to AWS, also for an answer that trickles in.

A time-out of a socket begins anew with every byte, so that an answer of one byte each second is never given up, and
whoever needs the data key waits for ever. Touches the sockets that botocore opened; opens none.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

ANSWER_BYTES = 2**20
"""The most that one call receives. An answer of Decrypt has a few hundred bytes."""


@dataclass
class CallLimit:
    """The limit of one call with all its tries; `exceeded` says in words how the endpoint went beyond it."""

    seconds: float
    exceeded: str = ""
    _ends: float = field(init=False)
    _octets: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._ends = time.perf_counter() + self.seconds

    def left(self) -> float:
        """Seconds that the call may still take. Raises TimeoutError where there are none."""
        left = self._ends - time.perf_counter()
        if self.exceeded or left <= 0:
            self.exceeded = self.exceeded or f"its answer was not complete after {self.seconds:g} s"
            raise TimeoutError(self.exceeded)
        return left

    def received(self, octets: int) -> None:
        """Count received bytes. Raises OSError above the limit."""
        self._octets += octets
        if self._octets > ANSWER_BYTES:
            self.exceeded = f"its answer is larger than {ANSWER_BYTES} bytes"
            raise OSError(self.exceeded)


_current: ContextVar[CallLimit | None] = ContextVar("phi_call_limit", default=None)


@contextmanager
def limited(seconds: float) -> Iterator[CallLimit]:
    """Limit this thread's sending and receiving in the block."""
    limit = CallLimit(seconds)
    token = _current.set(limit)
    try:
        yield limit
    finally:
        _current.reset(token)


def within(seconds: float, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose calls have that limit each."""

    def limited_function(*arguments: Any, **options: Any) -> Any:
        with limited(seconds):
            return function(*arguments, **options)

    return limited_function


def is_over(**_: Any) -> bool | None:
    """botocore's handler of `needs-retry`: False ends its tries, None leaves them to the next handler."""
    limit = _current.get()
    return False if limit is not None and limit.exceeded else None


class _Limited:
    _wanted: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._wanted = value
        super().settimeout(value)  # type: ignore[misc]

    @contextmanager
    def _waiting(self) -> Iterator[CallLimit | None]:
        limit = _current.get()
        if limit is None:
            yield None
            return
        left = limit.left()
        super().settimeout(left if self._wanted is None else min(left, self._wanted))  # type: ignore[misc]
        try:
            yield limit
        except TimeoutError:
            limit.left()  # Raises where the time of the call is over, and not that of one wait.
            raise

    def recv_into(self, *arguments: Any, **options: Any) -> int:
        with self._waiting() as limit:
            count: int = super().recv_into(*arguments, **options)  # type: ignore[misc]
        if limit is not None:
            limit.received(count)
        return count

    def sendall(self, *arguments: Any, **options: Any) -> None:
        with self._waiting():
            super().sendall(*arguments, **options)  # type: ignore[misc]


class _Socket(_Limited, socket.socket):
    """A TCP connection."""


class _TlsSocket(_Limited, ssl.SSLSocket):
    """The TLS socket that a context makes of one."""


class LimitedConnection:
    """Gives a connection of botocore limited sockets: a base class before botocore's own."""

    timeout: Any

    def _new_conn(self) -> socket.socket:
        if (limit := _current.get()) is not None:
            left = limit.left()
            self.timeout = min(left, self.timeout) if isinstance(self.timeout, int | float) else left
        plain: socket.socket = super()._new_conn()  # type: ignore[misc]
        wanted = plain.gettimeout()
        connected = _Socket(fileno=plain.detach())
        connected.settimeout(wanted)
        return connected

    def connect(self) -> None:
        """botocore's connection; the TLS socket on top is limited too."""
        if (context := getattr(self, "ssl_context", None)) is not None:
            context.sslsocket_class = _TlsSocket
        super().connect()  # type: ignore[misc]
