"""Limits the total time and size of one call over HTTP, also for an answer that trickles in; and those of a listing.

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
from wizard.core.errors import UnreadableAnswer
from wizard.core.next_command import Command
from wizard.core.retry import Deadline

CHECK_PROXY = Command("env | grep -i _proxy", advice="if no proxy is in the way, run the same command again")

MAX_PAGES = 1_000
"""Most pages of one listing. The longest one that is read, a key's 50,000 grants, has as many, of 50 each."""
LISTING_BYTES = 16 * 64 * 2**20
"""The most that all calls of one listing receive."""
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
            with self._of(self.outer):
                wanted = self.outer.timeout(wanted)
        left = self._ends - time.perf_counter()
        if self.exceeded or left <= 0:
            self.exceeded = self.exceeded or f"its answer was not complete after {self.seconds:g} s"
            raise TimeoutError(self.exceeded)
        return left if wanted is None else min(wanted, left)

    def received(self, octets: int) -> None:
        """Count received bytes. Raises OSError above the limit."""
        if self.outer is not None:
            with self._of(self.outer):
                self.outer.received(octets)
        self._received += octets
        if self._received > self.octets:
            self.exceeded = f"its answer is larger than {size(self.octets)}"
            raise OSError(self.exceeded)

    @contextmanager
    def _of(self, outer: "CallLimit") -> Iterator[None]:
        """What is beyond the outer limit is beyond this one."""
        try:
            yield
        finally:
            self.exceeded = self.exceeded or outer.exceeded


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
    with _within(CallLimit(seconds=wanted, octets=ANSWER_BYTES, outer=outer)) as limit:
        yield limit


@contextmanager
def _within(limit: CallLimit) -> Iterator[CallLimit]:
    token = _current.set(limit)
    try:
        yield limit
    finally:
        _current.reset(token)


@dataclass(kw_only=True)
class Pages:
    """The limit of one listing: it sends no page twice, has no more pages than there can be, and one time and size."""

    name: str
    """The call and its endpoint, for a message."""
    deadline: Deadline
    """A page is asked for within it."""
    most: int = MAX_PAGES
    hint: str = CHECK_PROXY
    octets: int = LISTING_BYTES
    _asked: set[str] = field(default_factory=set, init=False)
    _last: list[Any] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        # Its time is that of the deadline, and of the last page.
        seconds = self.deadline.seconds + 2 * retry.CALL_SECONDS
        self._limit = CallLimit(seconds=seconds, octets=self.octets, outer=_current.get())

    @contextmanager
    def page(self, token: str) -> Iterator[None]:
        """The request for the page that a token names. Raises UnreadableAnswer for a page beyond the limit."""
        if token in self._asked:
            raise self.endless("names a page as the next one that it has sent already")
        if len(self._asked) >= self.most:
            raise self.endless(f"has sent {self.most} pages and names another one, more than there can be")
        if self._asked and self.deadline.left <= 0:
            raise self.endless(
                f"has sent {len(self._asked)} pages in {self.deadline.seconds:g} s and names another one"
            )
        self._asked.add(token)
        with _within(self._limit):
            yield

    def check(self, entries: list[Any]) -> None:
        """Raises UnreadableAnswer for a page with the entries of the page before."""
        if entries and entries == self._last:
            raise self.endless("has sent the same entries on two pages")
        self._last = entries

    def endless(self, why: str) -> UnreadableAnswer:
        """The error for a listing without an end."""
        return UnreadableAnswer(f"{self.name} {why}", self.hint)


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
