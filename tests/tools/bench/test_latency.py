"""The proxy that delays what the benchmark of the commands sends, and how it counts calls that wait for one another."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tools.bench.latency import Sent, Traffic, delayed, longest_chain


def sent(name: str, began: float, ended: float) -> Sent:
    return Sent(name=name, began=began, ended=ended)


def test_calls_that_run_together_count_once():
    together = [sent("a", 0.0, 1.0), sent("b", 0.1, 1.1), sent("c", 0.2, 1.2)]
    after = [sent("d", 1.0, 2.0), sent("e", 2.5, 3.0)]
    assert [each.name for each in longest_chain([*after, *together])] == ["a", "d", "e"]
    assert longest_chain([]) == ()


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def describe_key(connection: http.client.HTTPConnection, text: bytes) -> None:
    connection.request("POST", "/path?query", text, {"X-Amz-Target": "TrentService.DescribeKey"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (201, text)


def test_each_request_and_each_connection_is_delayed_and_passed_on():
    traffic = Traffic()
    with echo() as url, delayed(url, traffic, request_seconds=0.02, connection_seconds=0.04) as proxy:
        began = time.monotonic()
        connection = http.client.HTTPConnection(urlsplit(proxy).netloc)
        for number in range(2):
            describe_key(connection, b"%d" % number)
        took = time.monotonic() - began
        connection.close()
    assert took >= 0.08
    assert [each.name for each in longest_chain(traffic.requests)] == ["DescribeKey", "DescribeKey"]


def test_a_request_that_had_to_connect_first_is_not_counted_after_one_that_ran_beside_it():
    traffic = Traffic()
    with echo() as url, delayed(url, traffic, request_seconds=0.1, connection_seconds=0.3) as proxy:
        open_already, new = (http.client.HTTPConnection(urlsplit(proxy).netloc) for _ in range(2))
        describe_key(open_already, b"first")
        new.connect()
        beside = threading.Thread(target=describe_key, args=(new, b"connects"))
        beside.start()
        describe_key(open_already, b"answered before the other one is connected")
        beside.join()
        for connection in (open_already, new):
            connection.close()
    assert len(traffic.requests) == 3
    assert len(longest_chain(traffic.requests)) == 2
