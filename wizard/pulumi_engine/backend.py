"""The state backend: which one the engine would use, its stacks, and the repair of a local one.

Part of the client of Pulumi: reads the CLI's login and two files of the project's folder, runs `pulumi stack ls`, and
removes empty sidecar files of one stack in a local backend.
"""

import json
import os
import re
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import yaml

from components.settings import PROJECT
from wizard.core import safe_text
from wizard.core.child_environment import of_pulumi
from wizard.core.errors import DamagedState, SetupError, Unreachable
from wizard.core.models.stack import ListedStack
from wizard.core.next_command import Command, chain, shell
from wizard.core.state_backend import CLOUD_URL, BackendFact, Circumstances
from wizard.pulumi_engine import config, passphrase
from wizard.pulumi_engine.events import of_backend


def detect(environ: Mapping[str, str], folder: Path) -> BackendFact | None:
    """The backend that the CLI would use in the project's folder; None where it would ask for a login.

    The CLI's order: PULUMI_BACKEND_URL, `backend.url` of Pulumi.yaml, the login. A token alone means Pulumi Cloud.
    """
    if url := environ.get("PULUMI_BACKEND_URL", "").strip():
        return BackendFact(url=url, source="PULUMI_BACKEND_URL")
    if url := _in_project(folder / "Pulumi.yaml"):
        return BackendFact(url=url, source="Pulumi.yaml")
    if url := _logged_in(environ):
        return BackendFact(url=url, source="the login of the Pulumi CLI")
    if environ.get("PULUMI_ACCESS_TOKEN", "").strip():
        return BackendFact(url=environ.get("PULUMI_API", "").strip() or CLOUD_URL, source="PULUMI_ACCESS_TOKEN")
    return None


def asks_for_login(url: str, environ: Mapping[str, str]) -> bool:
    """Whether the CLI asks a person at login: a service, and no token for it."""
    return BackendFact(url=url, source="").kind == "cloud" and not environ.get("PULUMI_ACCESS_TOKEN", "").strip()


def secrets_provider(settings: Path) -> str | None:
    """The secrets provider of a stack, by its settings file; None without one in the file.

    `passphrase`, or a URL such as `awskms://alias/NAME?region=REGION`.
    """
    content = _document(settings)
    if content.get("secretsprovider"):
        return str(content["secretsprovider"])
    return "passphrase" if content.get("encryptionsalt") else None


def salt(settings: Path) -> str | None:
    """The salt that verifies a stack's passphrase, from its settings file; None where it has no passphrase."""
    content = _document(settings)
    return None if content.get("secretsprovider") else content.get("encryptionsalt") or None


def describe(url: str, user: str) -> str:
    """The location of the state, for a person: `s3://bucket`, `Pulumi Cloud as clinic`. Without the URL's options."""
    fact = BackendFact(url=url, source="")
    plain = url.partition("?")[0].rstrip("/")
    if fact.kind == "cloud":
        # The CLI prints the address of the person's page, not of the service.
        named = "Pulumi Cloud" if ".pulumi.com" in plain else plain
        return f"{named} as {user}" if user else named
    return f"{plain.removeprefix('file://')}/.pulumi" if fact.kind == "local" else plain


def _in_project(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    # Most files have none, and then the YAML library is not imported.
    backend = _parsed(text).get("backend") if "backend" in text else None
    url = backend.get("url") if isinstance(backend, dict) else None
    return url.strip() if isinstance(url, str) else ""


def _logged_in(environ: Mapping[str, str]) -> str:
    home = environ.get("PULUMI_CREDENTIALS_PATH") or environ.get("PULUMI_HOME")
    folder = Path(home) if home else Path(environ.get("HOME") or Path.home()) / ".pulumi"
    try:
        content = safe_text.parse_json((folder / "credentials.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    current = content.get("current") if isinstance(content, dict) else None
    return current.strip() if isinstance(current, str) else ""


def _document(file: Path) -> dict[str, Any]:
    try:
        return _parsed(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return {}


def _parsed(text: str) -> dict[str, Any]:
    try:
        content = safe_text.parse(yaml.safe_load, text)
    except (yaml.YAMLError, ValueError):
        # The code that reads the file for more reports what is wrong with it.
        return {}
    return content if isinstance(content, dict) else {}


def is_damaged(complaint: str) -> bool:
    """Whether the engine reports a file that is not complete JSON."""
    return re.search(r"EOF$|unexpected end of JSON input$|invalid character .+ looking for", complaint) is not None


def remove_corrupt_sidecars(backend: str, folder: Path, stack: str) -> bool:
    """Remove the stack's damaged sidecar files; whether there was one. `backend` is the backend's URL.

    Next to `production.json`, and next to each lock, the backend writes an `.attrs` file with type and checksum.
    The file itself is written atomically; the sidecar is written in place, so that an engine killed at that moment
    leaves an empty or torn one, and the next engine refuses the complete file. Without a sidecar it reads the file.
    """
    state = _stacks(backend, folder)
    if state is None:
        return False
    sidecars = (*state.glob(f"**/{stack}.json.attrs"), *state.glob(f"locks/**/{stack}/*.attrs"))
    damaged = [file for file in sidecars if not _is_json(file)]
    for file in damaged:
        file.unlink()
    return bool(damaged)


def damage(backend: str, folder: Path, stack: str) -> DamagedState | None:
    """The stack's damaged lock or state, with the command that repairs it; None if its files are readable.

    The backend keeps copies: `.bak`, the state before the last write, and one in `backups` after each update. The
    newest complete one is restored; a refresh shows the missing changes.
    """
    state = _stacks(backend, folder)
    if state is None:
        return _damage_in_bucket(backend, stack)
    if (lock := damaged_lock(backend, folder, stack)) is not None:
        return lock
    for file in state.glob(f"stacks/**/{stack}.json"):
        if not _is_json(file):
            copies = [*state.glob(f"backups/**/{stack}.*.json"), file.with_suffix(".json.bak")]
            complete = sorted(filter(_is_json, copies), key=lambda copy: copy.stat().st_mtime_ns)
            command = (
                chain(shell("cp", complete[-1], file), shell("rm", "-f", Path(f"{file}.attrs")))
                if complete
                else shell("mv", file, Path(f"{file}.damaged"))
            )
            afterwards = "no copy is complete: run the same command again, or doctor for a stack that was set up"
            advice = "puts the newest complete copy back" if complete else afterwards
            return DamagedState(f"the state {file} is damaged: it is not JSON", Command(command, advice=advice))
    return None


def damaged_lock(backend: str, folder: Path, stack: str) -> DamagedState | None:
    """A lock of the stack in a local backend that is not JSON, with the command that removes it."""
    state = _stacks(backend, folder)
    for lock in state.glob(f"locks/**/{stack}/*.json") if state else ():
        if not _is_json(lock):
            return DamagedState(
                f"the lock {lock} is damaged: it does not say which run holds the stack {stack}",
                shell("pulumi", "cancel", "--yes", "--stack", stack, advice="removes it; only if no run is active"),
            )
    return None


def _damage_in_bucket(backend: str, stack: str) -> DamagedState | None:
    place, _, query = backend.partition("?")
    if not place.startswith("s3://"):
        return None
    state = f"{place.rstrip('/')}/.pulumi/stacks/{PROJECT}/{stack}.json"
    region = dict(parse_qsl(query)).get("region")
    words = ("aws", "s3", "cp", f"{state}.bak", state, *(("--region", region) if region else ()))
    return DamagedState(
        f"the state {state} is damaged: it is not JSON",
        shell(*words, advice="puts the copy before the last write back"),
    )


def _is_json(file: Path) -> bool:
    try:
        return bool(safe_text.parse_json(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return False


STALE_SECONDS = 3600.0
"""A lock of another machine that is older belongs to no update that is still running: the longest takes minutes."""

_HOLDER = re.compile(r"created by (?P<username>[^@\s]+)@(?P<hostname>\S+) \(pid (?P<pid>\d+)\) at (?P<timestamp>\S+)")


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock of a self-managed backend: who holds the stack."""

    username: str
    hostname: str
    pid: int
    timestamp: str
    """ISO 8601."""

    @property
    def words(self) -> str:
        return f"{self.username}@{self.hostname} (process {self.pid}) since {self.timestamp}"

    @property
    def has_ended(self) -> bool:
        """Whether it is a process of this machine that has ended. Of another machine this is never known."""
        return self.hostname == socket.gethostname() and not _alive(self.pid)

    @property
    def is_stale(self) -> bool:
        """Whether it is of another machine, and older than any update."""
        try:
            age = datetime.now(UTC) - datetime.fromisoformat(self.timestamp)
        except (ValueError, TypeError):
            return False
        return self.hostname != socket.gethostname() and age.total_seconds() > STALE_SECONDS


def locks_named(complaint: str) -> tuple[Lock, ...]:
    """The locks that the engine's refusal names."""
    return tuple(_lock(match.groupdict()) for match in _HOLDER.finditer(complaint))


def locks(backend: str, folder: Path, stack: str) -> tuple[Lock, ...]:
    """The stack's readable locks in a local backend; none for any other backend."""
    state = _stacks(backend, folder)
    files = state.glob(f"locks/**/{stack}/*.json") if state else ()
    return tuple(_lock(safe_text.parse_json(file.read_text(encoding="utf-8"))) for file in files if _is_json(file))


def _lock(fields: Mapping[str, Any]) -> Lock:
    username, hostname, timestamp = (str(fields.get(name, "?")) for name in ("username", "hostname", "timestamp"))
    return Lock(username=username, hostname=hostname, pid=int(fields.get("pid") or 0), timestamp=timestamp)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        # A zombie: killed, and not reaped. In a container without an init process it stays one.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True


def _stacks(backend: str, folder: Path) -> Path | None:
    """The folder of a local backend's state; None for any other backend."""
    if not backend.startswith("file://"):
        return None
    return folder / Path(unquote(backend.removeprefix("file://").partition("?")[0])).expanduser() / ".pulumi"


class StatePlaces:
    """The backend of one project in one folder, for one user."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ

    def detect(self) -> BackendFact | None:
        """The backend that Pulumi would use here; None where it would ask for a login."""
        return detect(self._environ, self._folder)

    def circumstances(self, stack: str, *, account: str, region: str, interactive: bool) -> Circumstances:
        """The circumstances on this machine; only the account knows the KMS key.

        Raises SetupError for a file with a passphrase that others can read, or that holds none.
        """
        variable = passphrase.variable(self._environ)
        # A variable has precedence over the file.
        file = None if variable else passphrase.find(self._environ, stack)
        return Circumstances(
            account=account,
            region=region,
            detected=self.detect(),
            provider=secrets_provider(self._folder / config.file_name(stack)),
            passphrase_variable=variable,
            file=str(file) if file else None,
            interactive=interactive,
        )

    def make_passphrase(self, stack: str) -> str:
        """Create a passphrase in a file that only its owner can read; the file's path. An existing one stays."""
        return str(passphrase.create(self._environ, stack))


TIMEOUT_SECONDS = 60.0
"""For an answer of the backend."""


def list_stacks(folder: Path, environment: Mapping[str, str]) -> tuple[ListedStack, ...]:
    """The stacks of the project in `folder`, by name. `environment` is that of the credentials; it may be secret.

    Raises Unreachable for a backend that does not answer in time, SetupError for any other refusal.
    """
    command = shell("pulumi", "stack", "ls")
    config.find_engine(os.environ)
    try:
        done = subprocess.run(
            ["pulumi", "--non-interactive", "stack", "ls", "--json"],
            cwd=folder,
            env={**of_pulumi(os.environ), **environment, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
        )
    except OSError as error:
        raise SetupError(f"the `pulumi` program on the PATH does not run: {error}", config.INSTALLS_ENGINE) from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"Pulumi's backend did not answer within {TIMEOUT_SECONDS:.0f} s", command) from error
    if done.returncode != 0:
        complaint = done.stderr.strip().removeprefix("error: ") or f"exit code {done.returncode}"
        raise of_backend(complaint) or SetupError(f"Pulumi cannot list the stacks: {complaint}", command)
    try:
        rows = json.loads(done.stdout)
        return tuple(sorted(map(_listed, rows), key=lambda stack: stack.name))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SetupError("Pulumi's list of the stacks cannot be read", command) from error


def _listed(row: Mapping[str, object]) -> ListedStack:
    count = row.get("resourceCount")
    return ListedStack(
        name=str(row["name"]).rsplit("/", 1)[-1],
        last_update=str(row["lastUpdate"]) if row.get("lastUpdate") else None,
        resources=count if isinstance(count, int) else None,
        updating=bool(row.get("updateInProgress")),
    )
