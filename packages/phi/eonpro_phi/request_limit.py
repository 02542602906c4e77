"""Limits the total time and the size of one request to AWS.

A time-out of a socket starts again with every byte, so that whoever needs the data key may wait for ever. Touches the
sockets that botocore opened; opens none.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

ANSWER_BYTES = 2**20
"""The largest answer. One of Decrypt has a few hundred bytes."""

_thread = threading.local()


class RequestLimit:
    """One request with its attempts, in a `with` block: when its time is over, its connections are closed."""

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> RequestLimit:
        self._outer, _thread.limit = current(), self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _thread.limit = self._outer

    def add(self, connected: socket.socket) -> None:
        """A connection over which the answer comes. Raises TimeoutError when the time is over."""
        self._sockets.append(connected)
        if self.is_over:
            raise TimeoutError

    def _end(self) -> None:
        self.is_over = True
        for connected in self._sockets:
            with suppress(OSError):
                socket.socket.shutdown(connected, socket.SHUT_RDWR)


def current() -> RequestLimit | None:
    """The limit of the request that this thread is in."""
    limit: RequestLimit | None = getattr(_thread, "limit", None)
    return limit


def is_over(**_: Any) -> bool | None:
    """botocore's handler of `needs-retry`: False ends its attempts, None leaves them to the next handler."""
    limit = current()
    return False if limit is not None and limit.is_over else None


class Limited:
    """A base class of botocore's connections, before botocore's own: they keep the limit of the request."""

    sock: socket.socket

    def getresponse(self) -> Any:
        """As that of a connection. Raises TimeoutError when the time is over."""
        if (limit := current()) is not None:
            limit.add(self.sock)
        return super().getresponse()  # type: ignore[misc]
