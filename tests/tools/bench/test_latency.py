"""The proxy that delays what the benchmark of the commands sends, and how it counts calls that wait for one another."""

from __future__ import annotations

import http.client
import threading
import time
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


def test_each_request_and_each_connection_is_delayed_counted_and_passed_on():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    traffic = Traffic()
    url = f"http://127.0.0.1:{server.server_port}"
    with delayed(url, traffic, request_seconds=0.02, connection_seconds=0.04) as proxy:
        began = time.monotonic()
        connection = http.client.HTTPConnection(urlsplit(proxy).netloc)
        for number in range(2):
            connection.request("POST", "/path?query", b"%d" % number, {"X-Amz-Target": "TrentService.DescribeKey"})
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (201, b"%d" % number)
        took = time.monotonic() - began
        connection.close()
    server.shutdown()
    server.server_close()
    assert took >= 0.08
    assert traffic.connections == 1
    assert [each.name for each in longest_chain(traffic.requests)] == ["DescribeKey", "DescribeKey"]
