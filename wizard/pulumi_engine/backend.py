"""The backend that keeps the state: which one the engine would use, and how one of local files is mended.

Part of the engine's edge: reads the CLI's login and two files of the project's folder; removes the sidecar files of one
stack in one local backend, and only those that are empty. Loads no library until there is something to read with it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wizard.core.errors import SetupError, Unreachable
from wizard.core.models.discovery import BackendFact
from wizard.core.models.stack import ListedStack
from wizard.core.next_command import Command
from wizard.core.state_backend import Circumstances
from wizard.pulumi_engine import passphrase

CLOUD_URL = "https://api.pulumi.com"


def detect(environ: Mapping[str, str], folder: Path) -> BackendFact | None:
    """The backend that the CLI would use in the project's folder; None where it would ask for a login.

    In its own order: PULUMI_BACKEND_URL, `backend.url` of Pulumi.yaml, the login. A token alone means Pulumi Cloud.
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
    """Whether the CLI has to ask a person before it is logged in: a service, and no token for it."""
    return BackendFact(url=url, source="").kind == "cloud" and not environ.get("PULUMI_ACCESS_TOKEN", "").strip()


def secrets_provider(settings: Path) -> str | None:
    """What encrypts a stack's secrets, by its settings file; None where the file says nothing of it.

    `passphrase`, or a URL such as `awskms://alias/NAME?region=REGION`.
    """
    found = _document(settings)
    if found.get("secretsprovider"):
        return str(found["secretsprovider"])
    return "passphrase" if found.get("encryptionsalt") else None


def salt(settings: Path) -> str | None:
    """What a stack's passphrase is tried on, by its settings file; None where it has no passphrase."""
    found = _document(settings)
    return None if found.get("secretsprovider") else found.get("encryptionsalt") or None


def in_words(url: str, user: str) -> str:
    """Where the state is, for a person: `s3://bucket`, `Pulumi Cloud as clinic`. A URL's options are left out."""
    fact = BackendFact(url=url, source="")
    plain = url.partition("?")[0].rstrip("/")
    if fact.kind == "cloud":
        # The CLI tells the address of the person's page, not of the service.
        named = "Pulumi Cloud" if ".pulumi.com" in plain else plain
        return f"{named} as {user}" if user else named
    return f"{plain.removeprefix('file://')}/.pulumi" if fact.kind == "local" else plain


def _in_project(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    # Most have none, and then there is nothing to load a library for.
    found = _parsed(text).get("backend") if "backend" in text else None
    url = found.get("url") if isinstance(found, dict) else None
    return url.strip() if isinstance(url, str) else ""


def _logged_in(environ: Mapping[str, str]) -> str:
    home = environ.get("PULUMI_CREDENTIALS_PATH") or environ.get("PULUMI_HOME")
    folder = Path(home) if home else Path(environ.get("HOME") or Path.home()) / ".pulumi"
    try:
        found = json.loads((folder / "credentials.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    current = found.get("current") if isinstance(found, dict) else None
    return current.strip() if isinstance(current, str) else ""


def _document(file: Path) -> dict[str, Any]:
    try:
        return _parsed(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return {}


def _parsed(text: str) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        # Whoever needs the file for more tells what is wrong with it.
        return {}
    return found if isinstance(found, dict) else {}


def looks_torn(complaint: str) -> bool:
    """Whether the engine complains of a file that ends before it begins."""
    return complaint.rstrip().endswith("EOF")


def mend(backend: str, folder: Path, stack: str) -> bool:
    """Remove the stack's sidecar files that were torn; whether there was one. `backend` is the backend's URL.

    Beside `production.json`, and beside each lock, the backend keeps an `.attrs` file with content type and checksum.
    The file itself is written whole and then renamed; the sidecar is written in place, so that an engine killed at that
    moment leaves an empty one, and the next one cannot read the file, which is whole. Without a sidecar it can.
    """
    place = _stacks(backend, folder)
    if place is None:
        return False
    torn = [
        file
        for file in (*place.glob(f"**/{stack}.json.attrs"), *place.glob(f"locks/**/{stack}/*.attrs"))
        # One that holds anything is not torn.
        if file.stat().st_size == 0
    ]
    for file in torn:
        file.unlink()
    return bool(torn)


def is_whole(backend: str, folder: Path, stack: str) -> bool:
    """Whether the stack's files can be read now: then another run was writing one when the engine looked."""
    place = _stacks(backend, folder)
    files = [] if place is None else [*place.glob(f"stacks/**/{stack}.json"), *place.glob(f"**/{stack}.json.attrs")]
    try:
        return all(json.loads(file.read_text(encoding="utf-8")) for file in files) and bool(files)
    except (OSError, ValueError):
        return False


def _stacks(backend: str, folder: Path) -> Path | None:
    """Where a backend of local files keeps everything; None for any other."""
    if not backend.startswith("file://"):
        return None
    return folder / Path(backend.removeprefix("file://").partition("?")[0]).expanduser() / ".pulumi"


class StatePlaces:
    """One project in one folder, for one user. Implements `wizard.setup.state.StatePlaces`."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ

    def detect(self) -> BackendFact | None:
        """The backend that Pulumi would use here; None where it would ask for a login."""
        return detect(self._environ, self._folder)

    def circumstances(self, stack: str, *, account: str, region: str, interactive: bool) -> Circumstances:
        """What was found, but for the key, which only the account knows of.

        Raises SetupError for a file with a passphrase that others can read, or that holds none.
        """
        given = passphrase.variable(self._environ)
        # Where a variable says it, a file of ours is not looked at.
        file = None if given else passphrase.find(self._environ, stack)
        return Circumstances(
            account=account,
            region=region,
            detected=self.detect(),
            provider=secrets_provider(self._folder / f"Pulumi.{stack.rsplit('/', 1)[-1]}.yaml"),
            given=given,
            file=str(file) if file else None,
            interactive=interactive,
        )

    def make_passphrase(self, stack: str) -> str:
        """A new passphrase in a file that only its owner can read; the file's path. One that is there stays."""
        return str(passphrase.make(self._environ, stack))


PATIENCE_SECONDS = 60.0
"""How long the backend is waited for."""


def list_stacks(folder: Path, environment: Mapping[str, str]) -> tuple[ListedStack, ...]:
    """The stacks of the project in `folder`, by name. `environment` is that of the credentials; it may be secret.

    Raises Unreachable for a backend that does not answer in time, SetupError for any other refusal.
    """
    by_hand = "pulumi stack ls"
    try:
        done = subprocess.run(
            ["pulumi", "--non-interactive", "stack", "ls", "--json"],
            cwd=folder,
            env={**os.environ, **environment, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE_SECONDS,
        )
    except FileNotFoundError as error:
        raise SetupError("there is no `pulumi` program on the PATH", Command("make setup")) from error
    except OSError as error:
        raise SetupError(f"the `pulumi` program on the PATH does not run: {error}", Command("make setup")) from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"Pulumi's backend did not answer within {PATIENCE_SECONDS:.0f} s", by_hand) from error
    if done.returncode != 0:
        complaint = done.stderr.strip().removeprefix("error: ") or f"exit code {done.returncode}"
        hint = "pulumi login" if "login" in complaint or "PULUMI_ACCESS_TOKEN" in complaint else by_hand
        raise SetupError(f"Pulumi cannot list the stacks: {complaint}", hint)
    try:
        told = json.loads(done.stdout)
        return tuple(sorted((_listed(each) for each in told), key=lambda each: each.name))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SetupError("Pulumi's list of the stacks cannot be read", by_hand) from error


def _listed(told: Mapping[str, object]) -> ListedStack:
    count = told.get("resourceCount")
    return ListedStack(
        name=str(told["name"]).rsplit("/", 1)[-1],
        last_update=str(told["lastUpdate"]) if told.get("lastUpdate") else None,
        resources=count if isinstance(count, int) else None,
        updating=bool(told.get("updateInProgress")),
    )
