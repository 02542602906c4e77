"""The files of a sandbox, the state that its server writes, and the server's process.

Reads and writes files under the sandbox's directory, calls the server on loopback, sends signals to its process.
"""

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

from components import installation

PROJECT = Path(installation.PROJECT)
SOURCE = Path(installation.SOURCE)
FOLDERS = tuple(dict.fromkeys((Path(__file__).parents[1].resolve(), SOURCE)))
"""The folders that the module search path needs for this package: its own and, in a checkout, the project's."""
ACCOUNT = "123456789012"
REGION = "us-east-1"
SERVICES = (
    *("kms", "iam", "sts", "s3", "ssm", "secretsmanager", "cloudtrail", "logs", "events", "cloudwatch", "sns", "ecs"),
    *("ec2", "account", "service-quotas", "organizations", "accessanalyzer"),
)
"""Those of AWS that the product calls, by botocore's names."""
APP_ROLE = "*-app-role"
"""The role of a task, whatever the application is called."""
# Fixed, so that a `Pulumi.<stack>.yaml` can still be read after a crash; it protects nothing.
PASSPHRASE = "eonpro-sandbox"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class SandboxPaths:
    """The files of one sandbox, all below `root`."""

    root: Path

    @property
    def state(self) -> Path:
        """The state of the running server (mode 0600: it contains credentials)."""
        return self.root / "state.json"

    @property
    def log(self) -> Path:
        """The server's output."""
        return self.root / "server.log"

    @property
    def backend(self) -> Path:
        """Pulumi's backend; deleted with the sandbox."""
        return self.root / "backend"

    @property
    def pulumi_home(self) -> Path:
        """PULUMI_HOME with the sandbox's own plug-ins, apart from the user's."""
        return self.root / "pulumi-home"

    @property
    def aws_config(self) -> Path:
        """An empty AWS configuration instead of the user's."""
        return self.root / "aws"

    @property
    def programs(self) -> Path:
        """The AWS CLI by uv, where the machine has none."""
        return self.root / "bin"

    @property
    def web_identity_token(self) -> Path:
        """The OIDC token of a production deployment on Vercel (mode 0600)."""
        return self.root / "vercel-oidc-token"


@dataclass(frozen=True, kw_only=True)
class State:
    pid: int
    nonce: str = field(repr=False)
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
        return f"http://{LOOPBACK}:{self.vercel_port}"


def sandbox_paths() -> SandboxPaths:
    """The sandbox's directory: `EONPRO_SANDBOX_DIR`, else `.sandbox/` in the project."""
    return SandboxPaths(root=Path(os.environ.get("EONPRO_SANDBOX_DIR") or PROJECT / ".sandbox").absolute())


def write_private(path: Path, text: str) -> None:
    """Write a file atomically; only its owner can read it."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    os.replace(temporary, path)


def save_state(paths: SandboxPaths, state: State) -> None:
    """Write the state of a server that is ready."""
    write_private(paths.state, json.dumps(asdict(state), indent=2))


def load_state(paths: SandboxPaths) -> State | None:
    """The state of the last server, whether or not it still runs; None when there is none or it is unreadable."""
    try:
        stored = json.loads(paths.state.read_text())
        return State(**{item.name: stored[item.name] for item in fields(State)})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def running_state(paths: SandboxPaths) -> State | None:
    """The state of the running sandbox: its process exists and its server knows the nonce."""
    state = load_state(paths)
    return state if state is not None and is_alive(state.pid) and is_reachable(state) else None


def is_reachable(state: State, timeout_seconds: float = 5.0) -> bool:
    """Whether the server on the AWS port is the one in this state."""
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
    """Lock the sandbox while it is started or stopped."""
    paths.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(paths.root / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


STOP_SECONDS = 5.0


def is_alive(pid: int) -> bool:
    """Whether a process with this id exists; after a restart of the machine it may be another program."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and its exit code was not read, as happens to orphans in containers."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def is_server(pid: int) -> bool:
    """Whether a process is a sandbox server, by its command line: ids are reused after a restart."""
    try:
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        command_line = subprocess.run(
            ["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
    return " -m sandbox.server " in command_line


def stop_process(pid: int) -> None:
    """Stop a process: SIGTERM first, SIGKILL after STOP_SECONDS."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, request)
        except ProcessLookupError:
            return
        if _ended_within(pid, STOP_SECONDS):
            return


def _ended_within(pid: int, seconds: float) -> bool:
    """Whether a process, a child or not, ends within the time."""
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
