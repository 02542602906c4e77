"""Limits the total time and size of one call over HTTP, also for an answer that trickles in.

A time-out of a socket begins anew with every byte. So an answer of one byte each second, headers or interim answers
(1xx) without an end, and endless chunks are never given up. The sockets of this module ask the limit of their call
before they wait and after they read. Touches the sockets that a client opened; opens none.
"""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from wizard.core import retry

ANSWER_BYTES = 64 * 2**20
"""The most that one call receives. IAM's page of 1,000 principals with their policies has some 10 MB."""


@dataclass(kw_only=True)
class CallLimit:
    """The limit of one call with all tries of its client."""

    seconds: float
    octets: int
    outer: "CallLimit | None" = None
    exceeded: str = ""
    """The endpoint's behaviour beyond the limit, in words; empty within it."""
    depth: int = field(init=False)
    """Outer calls that wait for this one: a client sends its own calls, to renew credentials or to find a bucket."""
    _ends: float = field(init=False)
    _received: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        # The clock that a socket waits by, also where a test moves that of the schedules (`time.monotonic`).
        self._ends = time.perf_counter() + self.seconds
        self.depth = self.outer.depth + 1 if self.outer else 0

    def timeout(self, wanted: float | None) -> float:
        """Seconds that a socket may wait now, at most `wanted`. Raises TimeoutError when the time is over."""
        if self.outer is not None:
            wanted = self.outer.timeout(wanted)
        left = self._ends - time.perf_counter()
        if self.exceeded or left <= 0:
            self.exceeded = self.exceeded or f"its answer was not complete after {self.seconds:g} s"
            raise TimeoutError(self.exceeded)
        return left if wanted is None else min(wanted, left)

    def received(self, octets: int) -> None:
        """Count received bytes. Raises OSError above the limit."""
        if self.outer is not None:
            self.outer.received(octets)
        self._received += octets
        if self._received > self.octets:
            self.exceeded = f"its answer is larger than {size(self.octets)}"
            raise OSError(self.exceeded)


def size(octets: int) -> str:
    """A number of bytes, for a message."""
    return f"{octets / 2**20:g} MB" if octets >= 2**20 else f"{octets} bytes"


_current: ContextVar[CallLimit | None] = ContextVar("call_limit", default=None)


@contextmanager
def limited(seconds: float | None = None) -> Iterator[CallLimit]:
    """The limit of all that this thread sends and receives in the block through sockets of this module.

    `seconds` is None for CALL_SECONDS. A limit inside another one ends with it at the latest.
    """
    outer = _current.get()
    wanted = retry.CALL_SECONDS if seconds is None else seconds
    limit = CallLimit(seconds=wanted, octets=ANSWER_BYTES, outer=outer)
    token = _current.set(limit)
    try:
        yield limit
    finally:
        _current.reset(token)


def current() -> CallLimit | None:
    """The limit of the call that this thread is in."""
    return _current.get()


class _Limited:
    """The methods of a socket by which clients wait, each within the limit of the call."""

    _wanted: float | None = None

    def settimeout(self, value: float | None) -> None:
        """The client's own time-out: that of one wait."""
        self._wanted = value
        super().settimeout(value)  # type: ignore[misc]

    @contextmanager
    def _waiting(self) -> Iterator[CallLimit | None]:
        limit = _current.get()
        if limit is None:
            yield None
            return
        super().settimeout(limit.timeout(self._wanted))  # type: ignore[misc]
        try:
            yield limit
        except TimeoutError:
            limit.timeout(None)  # Raises where it was the call's time that ended, not the client's own.
            raise

    def recv_into(self, *arguments: Any, **options: Any) -> int:
        """As that of a socket. Raises TimeoutError or OSError beyond the limit."""
        with self._waiting() as limit:
            count: int = super().recv_into(*arguments, **options)  # type: ignore[misc]
        if limit is not None:
            limit.received(count)
        return count

    def recv(self, *arguments: Any, **options: Any) -> bytes:
        """As that of a socket. Raises TimeoutError or OSError beyond the limit."""
        with self._waiting() as limit:
            content: bytes = super().recv(*arguments, **options)  # type: ignore[misc]
        if limit is not None:
            limit.received(len(content))
        return content

    def send(self, *arguments: Any, **options: Any) -> int:
        """As that of a socket. Raises TimeoutError beyond the limit."""
        with self._waiting():
            return int(super().send(*arguments, **options))  # type: ignore[misc]

    def sendall(self, *arguments: Any, **options: Any) -> None:
        """As that of a socket. Raises TimeoutError beyond the limit."""
        with self._waiting():
            super().sendall(*arguments, **options)  # type: ignore[misc]


class _Socket(_Limited, socket.socket):
    """A connected TCP socket."""


class _TlsSocket(_Limited, ssl.SSLSocket):
    """The TLS socket that a context makes of one."""


class LimitedConnection:
    """Makes the sockets of a connection of urllib3 limited: a base class before urllib3's own."""

    timeout: Any
    ssl_context: ssl.SSLContext | None

    def _new_conn(self) -> socket.socket:
        if (limit := _current.get()) is not None:
            # For each address of the host; a limit that is over connects no more.
            self.timeout = limit.timeout(self.timeout if isinstance(self.timeout, int | float) else None)
        plain: socket.socket = super()._new_conn()  # type: ignore[misc]
        wanted = plain.gettimeout()
        connected = _Socket(fileno=plain.detach())
        connected.settimeout(wanted)
        return connected

    def connect(self) -> None:
        """urllib3's connection; the TLS socket on top is limited as well."""
        context = getattr(self, "ssl_context", None)
        if context is not None:
            context.sslsocket_class = _TlsSocket
        super().connect()  # type: ignore[misc]
