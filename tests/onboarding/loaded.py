"""Processes that begin with their libraries loaded: each wizard, sandbox and AWS CLI is forked from one that has them.

Touches the processes that it starts. Each is a process like any other, with a folder, an environment and streams of its
own, and loads the project's files by itself; what every one of them would load first, and never changes, it has.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "wizard": (
        *("pulumi.automation", "botocore.session", "botocore.client", "botocore.credentials", "botocore.args"),
        *("botocore.endpoint", "botocore.handlers", "botocore.waiter", "urllib3", "pydantic", "yaml"),
        *("rich.console", "rich.table", "rich.live", "rich.markup", "asyncio", "argparse", "ssl", "uuid", "zoneinfo"),
    ),
    # The server is the project's own, whichever folder a deployment has.
    "sandbox.server": ("sandbox.server", "sandbox.vercel"),
    "aws": ("awscli.clidriver", "awscli.handlers"),
    "tests.chaos.client": (),
}
"""What is loaded before a program begins: libraries, and nothing that a deployment has a copy of."""

_LONGEST_REQUEST = 1 << 20


_SHIM = """\
#!{python} -IS
import json, os, socket, sys
told, tell = os.pipe()
wanted = {{"arguments": [*{before!r}, *sys.argv[1:]], "folder": os.getcwd(), "environment": dict(os.environ)}}
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
    door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    door.connect({door!r})
    socket.send_fds(door, [json.dumps(wanted).encode()], [tell, 1, 2, 0])
os.close(tell)
os.read(told, 4)
sys.exit(int.from_bytes(os.read(told, 4), "big", signed=True) & 255)
"""


class Loaded:
    """A program, ready to begin."""

    def __init__(self, program: str, python: Path = Path(sys.executable)) -> None:
        # A socket's path is short, and pytest's folders are not.
        self.door = Path(tempfile.mkdtemp(prefix="loaded-")) / "door"
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listening.bind(str(self.door))
        listening.listen(16)
        with listening:
            self._process = subprocess.Popen(
                [python, "-m", "tests.onboarding.loaded", program, str(listening.fileno())],
                cwd=PROJECT,
                env={name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))},
                # It ends when this process does.
                stdin=subprocess.PIPE,
                pass_fds=(listening.fileno(),),
            )

    def begin(
        self, arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], streams: Sequence[int]
    ) -> tuple[int, int]:
        """Its process, and a descriptor that gives its exit code once it has ended. `streams`: out, err, and more."""
        told, tell = os.pipe()
        wanted = {"arguments": list(arguments), "folder": str(folder), "environment": dict(environment)}
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST_REQUEST)
            door.connect(str(self.door))
            socket.send_fds(door, [json.dumps(wanted).encode()], [tell, *streams])
        os.close(tell)
        return int.from_bytes(os.read(told, 4)), told

    def shim(self, name: str, *before: str) -> Path:
        """A file beside the door that begins the program when it is started; `before` stands before its arguments."""
        file = self.door.with_name(name)
        file.write_text(_SHIM.format(python=sys.executable, door=str(self.door), before=before))
        file.chmod(0o755)
        return file

    def run(
        self, arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """The program from its beginning to its end."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid, told = self.begin(
                arguments, folder=folder, environment=environment, streams=(out.fileno(), err.fileno())
            )
            try:
                if not select.select([told], [], [], timeout)[0]:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired([*arguments], timeout)
                code = int.from_bytes(os.read(told, 4), signed=True)
            finally:
                os.close(told)
            said = []
            for stream in (out, err):
                stream.seek(0)
                said.append(stream.read().decode())
        return subprocess.CompletedProcess([*arguments], code, *said)


@cache
def loaded(program: str) -> Loaded:
    """The program, loaded once by this process."""
    return Loaded(program)


@cache
def loaded_aws(real: Path) -> Path:
    """A folder with an `aws` that begins loaded: the command at `real`, in the environment that it is installed in."""
    aws = Loaded("aws", real.resolve().with_name("python"))
    folder = aws.door.parent
    aws.shim("aws", str(real.resolve()))
    return folder


# --- the process that is forked from


def main(program: str, door: socket.socket) -> None:
    """Fork whoever is asked for, and tell how each ends; in a child it returns and the program has run."""
    before = dict(os.environ)
    for name in LIBRARIES["wizard"] + (program,) if program == "tests.chaos.client" else LIBRARIES[program]:
        importlib.import_module(name)
    # As awscli's, which tells botocore where its data are.
    set_by_libraries = {name: value for name, value in os.environ.items() if before.get(name) != value}
    if program == "sandbox.server":
        _read_descriptions()
    gc.collect()
    gc.freeze()
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    tells: dict[int, int] = {}
    waiting: list[Any] = [door, woken, 0]
    while True:
        ready = select.select(waiting, [], [])[0]
        if 0 in ready:
            shutil.rmtree(Path(door.getsockname()).parent)
            return
        if woken in ready:
            os.read(woken, 4096)
            _reap(tells)
        if door in ready:
            asking, _ = door.accept()
            with asking:
                message, given, _, _ = socket.recv_fds(asking, _LONGEST_REQUEST, 8)
            tell, *streams = given
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                door.close()
                wanted = json.loads(message)
                _become(program, {**wanted, "environment": {**set_by_libraries, **wanted["environment"]}}, streams)
                return
            for stream in streams:
                os.close(stream)
            tells[pid] = tell
            os.write(tell, pid.to_bytes(4))


def _reap(tells: dict[int, int]) -> None:
    while tells:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        tell = tells.pop(pid)
        # Nobody waits for a server's end.
        with suppress(BrokenPipeError):
            os.write(tell, os.waitstatus_to_exitcode(status).to_bytes(4, signed=True))
        os.close(tell)


def _become(program: str, wanted: dict[str, Any], streams: Sequence[int]) -> None:
    """Run the program as `python -m` does, to its end."""
    out, err, *more = streams
    if program in ("aws", "tests.chaos.client"):
        os.dup2(more.pop(), 0)
    else:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for index, stream in enumerate(more):
        os.dup2(stream, 3 + index)
    os.closerange(3 + len(more), 1024)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(2, "w", closefd=False)), encoding="utf-8", errors="backslashreplace"
    )
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["folder"])
    if program == "sandbox.server":
        os.setsid()
        _shuffle()
        sys.modules[program].serve(sys.modules["sandbox.state"].SandboxPaths(root=Path(wanted["arguments"][0])), 3)
        return
    if program == "tests.chaos.client":
        sys.modules[program].become(wanted["arguments"])
        return
    if program == "aws":
        sys.argv = wanted["arguments"]
        runpy.run_path(sys.argv[0], run_name="__main__")
        return
    sys.path[0] = wanted["folder"]
    sys.argv = [program, *wanted["arguments"]]
    runpy.run_module(program, run_name="__main__", alter_sys=True)


def _read_descriptions() -> None:
    """The emulator keeps what it reads of a service when that is first called."""
    from moto.core.utils import get_service_model

    for service in "kms iam sts s3 ssm cloudtrail logs events cloudwatch sns secretsmanager ecs".split():
        get_service_model(service)


def _shuffle() -> None:
    """Ids that differ from those of every other process that was forked from this one."""
    import random

    from moto.moto_api._internal import mock_random

    random.seed()
    mock_random.seed()


if __name__ == "__main__":
    main(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
