"""`python -m eonpro_phi reencrypt` in a process group of its own, with a fake KMS that knows three keys.

Touches a port of this machine and the processes that it starts. The fake does not check requests; tests/phi/kms does.
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

from tests.phi.reencryption.patients import COLUMNS, NEW, OLD, THIRD, Patients
from tests.phi.reencryption.postgres import TIMEOUT_SECONDS

ROOT = Path(__file__).resolve().parents[3]
ARN = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
WRAPPINGS = {b"wrapped old": OLD, b"wrapped new": NEW, b"wrapped third": THIRD, b"old, wrapped again": OLD}


def wrapped(blob: bytes) -> str:
    """A wrapped key as the value of a variable."""
    return base64.b64encode(blob).decode()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = WRAPPINGS.get(base64.b64decode(request["CiphertextBlob"]))
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
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """The exit code and the output of a command."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` printed: the only line of standard output."""
        [line] = self.stdout.splitlines()
        document: dict[str, Any] = json.loads(line)
        return document


@dataclass(frozen=True, kw_only=True)
class Operator:
    """Runs the command for a table of patients."""

    patients: Patients
    environment: dict[str, str]

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start the command for the table with these arguments, in a process group of its own."""
        common = (
            "--dsn",
            self.patients.dsn,
            "--table",
            "Patient",
            "--columns",
            ",".join(COLUMNS),
            "--key-column",
            "id",
        )
        return self.start_bare(*common, *arguments, **variables)

    def start_bare(self, *arguments: str, command: str = "reencrypt", **variables: str) -> subprocess.Popen[str]:
        """Start the command with only these arguments."""
        return subprocess.Popen(
            [sys.executable, "-m", "eonpro_phi", command, *arguments],
            cwd=ROOT,
            env={name: value for name, value in {**self.environment, **variables}.items() if value},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **variables: str) -> CommandResult:
        """Run the command for the table to its end."""
        return wait_for(self.start(*arguments, **variables))


def operator(patients: Patients, kms: str) -> Operator:
    """With all environment variables that the command needs."""
    return Operator(
        patients=patients,
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


def wait_for(process: subprocess.Popen[str], *, seconds: float = TIMEOUT_SECONDS) -> CommandResult:
    """The result of a command; a traceback fails the test."""
    stdout, stderr = process.communicate(timeout=seconds)
    assert "Traceback" not in stderr, stderr
    return CommandResult(code=process.returncode, stdout=stdout, stderr=stderr)


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen[str], *, seconds: float = TIMEOUT_SECONDS
) -> None:
    """Wait until the condition is true or the command ends; fails after a timeout."""
    limit = time.monotonic() + seconds
    while not condition() and process.poll() is None:
        assert time.monotonic() < limit
        time.sleep(0.002)


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the command and all its workers at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=TIMEOUT_SECONDS)


def worker_pids(process: subprocess.Popen[str]) -> list[int]:
    """The process ids of its workers."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
