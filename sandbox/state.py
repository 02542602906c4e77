"""Where a sandbox keeps its things, and what its running server said about itself.

It may touch only files under the sandbox's directory, and ask the server on loopback whether it is the one described.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
ACCOUNT = "123456789012"
REGION = "us-east-1"
APP_ROLE = "eonpro-app-role"
# Fixed, so that a `Pulumi.<stack>.yaml` that outlives a crash can still be opened; it protects nothing.
PASSPHRASE = "eonpro-sandbox"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class SandboxPaths:
    """The files of one sandbox, all below `root`."""

    root: Path

    @property
    def state(self) -> Path:
        """What the running server said about itself (mode 0600: it holds the credentials)."""
        return self.root / "state.json"

    @property
    def log(self) -> Path:
        """Everything the server wrote to its output."""
        return self.root / "server.log"

    @property
    def backend(self) -> Path:
        """Pulumi's state of this cloud; dropped with the cloud it describes."""
        return self.root / "backend"

    @property
    def pulumi_home(self) -> Path:
        """PULUMI_HOME: the sandbox's own plug-ins, so that the user's stay untouched."""
        return self.root / "pulumi-home"

    @property
    def aws_config(self) -> Path:
        """An empty AWS configuration, so that the user's profiles cannot reach into the sandbox or out of it."""
        return self.root / "aws"

    @property
    def web_identity_token(self) -> Path:
        """The OIDC token Vercel would hand a production deployment (mode 0600)."""
        return self.root / "vercel-oidc-token"


@dataclass(frozen=True, kw_only=True)
class State:
    """One running sandbox."""

    pid: int
    nonce: str = field(repr=False)
    started_at: str
    aws_port: int
    vercel_port: int
    access_key_id: str
    secret_access_key: str = field(repr=False)
    vercel_token: str = field(repr=False)

    @property
    def aws_url(self) -> str:
        """The AWS endpoint, for every service."""
        return f"http://{LOOPBACK}:{self.aws_port}"

    @property
    def vercel_url(self) -> str:
        """The Vercel API's address."""
        return f"http://{LOOPBACK}:{self.vercel_port}"


def sandbox_paths() -> SandboxPaths:
    """The sandbox's directory: `EONPRO_SANDBOX_DIR`, else `.sandbox/` in the project."""
    return SandboxPaths(root=Path(os.environ.get("EONPRO_SANDBOX_DIR") or PROJECT / ".sandbox").absolute())


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    os.replace(temporary, path)


def save_state(paths: SandboxPaths, state: State) -> None:
    """Publish a server that is ready to answer."""
    write_private(paths.state, json.dumps(asdict(state), indent=2))


def load_state(paths: SandboxPaths) -> State | None:
    """What the last server wrote, whether or not it still runs; `None` when there is nothing readable."""
    try:
        stored = json.loads(paths.state.read_text())
        return State(**{item.name: stored[item.name] for item in fields(State)})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def running_state(paths: SandboxPaths) -> State | None:
    """The sandbox that runs now: its process lives and the server on its port knows its nonce."""
    state = load_state(paths)
    return state if state is not None and is_alive(state.pid) and is_reachable(state) else None


def is_reachable(state: State, timeout_seconds: float = 5.0) -> bool:
    """Whether the server on the AWS port is the one this state describes."""
    connection = http.client.HTTPConnection(LOOPBACK, state.aws_port, timeout=timeout_seconds)
    try:
        connection.request("GET", "/_sandbox/")
        return bool(json.loads(connection.getresponse().read()).get("nonce") == state.nonce)
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return False
    finally:
        connection.close()


@contextmanager
def lock(paths: SandboxPaths) -> Iterator[None]:
    """Hold the sandbox to oneself while it is started or stopped."""
    paths.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(paths.root / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


STOP_SECONDS = 5.0


def is_alive(pid: int) -> bool:
    """Whether a process with this id exists (it may be another's after a restart of the machine: ask `answers`)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and nobody has asked for its exit code, as happens to orphans in containers."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def is_server(pid: int) -> bool:
    """Whether a process is a sandbox server, by its command line: ids are used again after a restart."""
    try:
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        command_line = subprocess.run(
            ["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
    return " -m sandbox.server " in command_line


def stop_process(pid: int) -> None:
    """End a process: a request first, then by force after STOP_SECONDS."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, request)
        except ProcessLookupError:
            return
        if _ended_within(pid, STOP_SECONDS):
            return


def _ended_within(pid: int, seconds: float) -> bool:
    """Whether a process, a child of ours or not, ends within the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if os.waitpid(pid, os.WNOHANG) != (0, 0):
                return True
        except ChildProcessError:
            if not is_alive(pid):
                return True
        time.sleep(0.02)
    return False
