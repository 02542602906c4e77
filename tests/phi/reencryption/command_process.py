"""`python -m phi reencrypt` as an operator starts it: a process group of its own, before a KMS that knows three keys.

Touches a port of this machine and the processes that it starts. The KMS is scripted: it opens the wrapped keys that it
was given, and what it is asked for is not looked at; tests/phi/test_kms.py does that.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.phi.reencryption.patients import COLUMNS, NEW, OLD, THIRD, Clinic
from tests.phi.reencryption.postgres import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[3]
ARN = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
WRAPPINGS = {b"wrapped old": OLD, b"wrapped new": NEW, b"wrapped third": THIRD, b"old, wrapped anew": OLD}


def wrapped(blob: bytes) -> str:
    """A wrapped key as a variable holds it."""
    return base64.b64encode(blob).decode()


class _Answers(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = WRAPPINGS.get(base64.b64decode(asked["CiphertextBlob"]))
        status, answer = 400, {"__type": "InvalidCiphertextException"}
        if key is not None:
            status, answer = 200, {"KeyId": ARN, "Plaintext": base64.b64encode(key).decode()}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def scripted_kms() -> Iterator[str]:
    """The URL of the KMS."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` printed: the only line of standard output."""
        [line] = self.stdout.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


@dataclass(frozen=True, kw_only=True)
class Operator:
    """Somebody who re-encrypts the patients of a clinic."""

    clinic: Clinic
    environment: dict[str, str]

    def starts(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """The command for the clinic's table, with more words, in a process group of its own."""
        common = ("--dsn", self.clinic.dsn, "--table", "Patient", "--columns", ",".join(COLUMNS), "--key-column", "id")
        return self.types(*common, *words, **variables)

    def types(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """The command with these words alone."""
        return subprocess.Popen(
            [sys.executable, "-m", "phi", "reencrypt", *words],
            cwd=ROOT,
            env={name: value for name, value in {**self.environment, **variables}.items() if value},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def runs(self, *words: str, **variables: str) -> Ended:
        """The command for the clinic's table, to its end."""
        return ended(self.starts(*words, **variables))


def operator(clinic: Clinic, kms: str) -> Operator:
    """With all variables that the command needs."""
    return Operator(
        clinic=clinic,
        environment={
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": kms,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "s3cret",
            "AWS_REGION": "us-east-1",
            "AWS_KMS_KEY_ID": ARN,
            "ENCRYPTED_PHI_KEY": wrapped(b"wrapped old"),
            "NEW_ENCRYPTED_PHI_KEY": wrapped(b"wrapped new"),
        },
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """The end of a command; a traceback would be one that nobody foresaw."""
    stdout, stderr = process.communicate(timeout=PATIENCE_SECONDS)
    assert "Traceback" not in stderr, stderr
    return Ended(code=process.returncode, stdout=stdout, stderr=stderr)


def until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Look again and again, as long as the command runs; raises AssertionError where it does not come true in time."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while not true() and process.poll() is None:
        assert time.monotonic() < limit
        time.sleep(0.002)


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the command and all its workers at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE_SECONDS)


def workers(process: subprocess.Popen[str]) -> list[int]:
    """The process ids of its workers."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
