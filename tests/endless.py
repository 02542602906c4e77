"""A real server on loopback that never ends an answer, or sends too much of it: each way by its name.

Bytes come `pace` seconds apart, which is less than any time-out of a socket: only a total deadline ends such a call.
"""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@dataclass
class Endless:
    """The server: where it is, what it does with the next requests, how many it had."""

    way: str = ""
    pace: float = 0.05
    url: str = ""
    requests: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while not self.over.is_set() and (request := _request(connection)):
                self.requests += 1
                WAYS[self.way](self, connection.sendall, request)

    def pause(self) -> None:
        self.over.wait(self.pace)


def _request(connection: socket.socket) -> bytes:
    """One whole request; empty where the client has gone."""
    read = b""
    while b"\r\n\r\n" not in read:
        if not (more := connection.recv(65536)):
            return b""
        read += more
    head, _, body = read.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < int(lengths[0] if lengths else 0):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


Send = Callable[[bytes], None]
WAYS: dict[str, Callable[[Endless, Send, bytes], None]] = {}


def _way(name: str) -> Callable[[Callable[[Endless, Send, bytes], None]], None]:
    def keep(function: Callable[[Endless, Send, bytes], None]) -> None:
        WAYS[name] = function

    return keep


@_way("a body of one byte at a time")
def _slow_body(server: Endless, send: Send, _: bytes) -> None:
    send(HEAD + b"Content-Length: 100000\r\n\r\n")
    while not server.over.is_set():
        send(b" ")
        server.pause()


@_way("headers of one byte at a time")
def _slow_headers(server: Endless, send: Send, _: bytes) -> None:
    send(HEAD + b"X-Slow: ")
    while not server.over.is_set():
        send(b"a")
        server.pause()


@_way("a status line of one byte at a time")
def _slow_status(server: Endless, send: Send, _: bytes) -> None:
    send(b"HTTP/1.1 200 O")
    while not server.over.is_set():
        send(b"K")
        server.pause()


@_way("interim answers without an end")
def _interim(server: Endless, send: Send, _: bytes) -> None:
    while not server.over.is_set():
        send(b"HTTP/1.1 100 Continue\r\n\r\n")
        server.pause()


@_way("slow chunks without an end")
def _slow_chunks(server: Endless, send: Send, _: bytes) -> None:
    send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while not server.over.is_set():
        send(b"1\r\n \r\n")
        server.pause()


@_way("fast chunks without an end")
def _fast_chunks(server: Endless, send: Send, _: bytes) -> None:
    send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    while not server.over.is_set():
        send(chunk)


@_way("a body that ends with the connection, and does not end")
def _until_closed(server: Endless, send: Send, _: bytes) -> None:
    send(HEAD + b"Connection: close\r\n\r\n")
    while not server.over.is_set():
        send(b" ")
        server.pause()


@_way("a zip bomb")
def _bomb(_: Endless, send: Send, __: bytes) -> None:
    content = zipped(600)
    send(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(content) + content)


@_way("redirects without an end")
def _redirect(server: Endless, send: Send, request: bytes) -> None:
    place = request.split()[1]
    send(b"HTTP/1.1 307 Again\r\nLocation: %s%s\r\nContent-Length: 0\r\n\r\n" % (server.url.encode(), place))


FAST = ("fast chunks without an end", "a zip bomb", "redirects without an end")
SLOW = tuple(name for name in WAYS if name not in FAST)
"""The ways that only a deadline ends."""
_BOMBS: dict[int, bytes] = {}


def zipped(megabytes: int) -> bytes:
    """A gzip file of so many megabytes of spaces."""
    if megabytes not in _BOMBS:
        packed = BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as file:
            for _ in range(megabytes):
                file.write(b" " * 2**20)
        _BOMBS[megabytes] = packed.getvalue()
    return _BOMBS[megabytes]


@contextmanager
def serving(way: str = "") -> Iterator[Endless]:
    """The server at a port of this machine, which answers in that way."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = Endless(way=way, url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    connections: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=server.answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
