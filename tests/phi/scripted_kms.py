"""A fake of KMS over HTTP: its responses are set by the test, and it records the requests."""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One faulty response: another status or body, or none at all."""

    status: int = 200
    body: Callable[[Answer], Answer | bytes] = field(default=lambda good: good)
    resets: bool = False
    hangs: bool = False


class ScriptedKms:
    """The plaintext of each wrapped key, and the fault of each key in each Region."""

    def __init__(self) -> None:
        self.keys: dict[bytes, bytes] = {}
        self.faults: dict[tuple[str, bytes], Fault] = {}
        self.asked: list[tuple[str, bytes]] = []
        self.requests: list[tuple[dict[str, str], Answer]] = []
        self.released = threading.Event()
        self.port = 0


@contextmanager
def serving() -> Iterator[ScriptedKms]:
    """The fake at a port of this machine."""
    script = ScriptedKms()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            arn, blob = request["KeyId"], base64.b64decode(request["CiphertextBlob"])
            key = (arn.split(":")[3], blob)
            script.asked.append(key)
            script.requests.append((dict(self.headers), request))
            fault = script.faults.get(key, Fault())
            if fault.hangs:
                script.released.wait(30)
            if fault.resets or fault.hangs:
                # SO_LINGER 0: the peer gets a reset instead of a normal close.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            good = {"KeyId": arn, "Plaintext": base64.b64encode(script.keys[blob]).decode()}
            answer = fault.body(good)
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(fault.status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    script.port = server.server_port
    try:
        yield script
    finally:
        script.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
