"""Reads the Vercel CLI's data on this machine: a folder's link to a project, and a login.

Reads `.vercel/` of a folder, the CLI's data folder, and the environment; runs `vercel login`.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wizard.core import files, safe_text
from wizard.core.clients import Answer, Source
from wizard.core.errors import SetupError
from wizard.core.models.vercel import Linked
from wizard.core.next_command import Command, shell
from wizard.inputs.application_folder import FolderLink

SIGN_IN = shell("vercel", "login")
RENEW = shell("vercel", "whoami")
"""Any command of the CLI renews an expired login; this one does nothing else."""


@dataclass(frozen=True, kw_only=True)
class CliLogin:
    """The login of the Vercel CLI on this machine."""

    source: str
    """For a person: `the login of the Vercel CLI`."""
    token: str | None = field(default=None, repr=False)
    """None without a usable token."""
    expired: bool = False
    renewable: bool = False
    """Whether the CLI can renew an expired login without a new sign-in."""
    in_keyring: bool = False
    """Whether the token is in the system's keyring, which only the CLI reads."""

    @property
    def way_out(self) -> Command | None:
        """The command that gives a usable token; None where the login is usable."""
        if self.token is not None:
            return None
        if self.in_keyring:
            return shell("vercel", "tokens", "add", "eonpro-kms", advice="the CLI keeps its own token in the keyring")
        return RENEW if self.renewable else SIGN_IN


def linked(link: FolderLink) -> Linked:
    """The link as a model of the core."""
    return Linked(project_id=link.project_id, team_id=link.team_id)


def linked_by_environment(environment: Mapping[str, str] | None = None) -> Linked | None:
    """The project in VERCEL_PROJECT_ID and VERCEL_ORG_ID, which the CLI uses instead of a folder's link.

    The CLI needs both (https://vercel.com/docs/cli/deploying-from-cli#relevant-environment-variables).
    """
    environ = os.environ if environment is None else environment
    project, owner = _field_text(environ.get("VERCEL_PROJECT_ID")), _field_text(environ.get("VERCEL_ORG_ID"))
    if project is None or owner is None:
        return None
    return Linked(project_id=project, team_id=owner if owner.startswith("team_") else None)


def cli_login(environment: Mapping[str, str] | None = None) -> CliLogin | None:
    """The CLI's login: the first that can be used, else the first; None for none.

    The CLI's folders and files: https://github.com/vercel/vercel/tree/main/packages/cli-config
    """
    environ = os.environ if environment is None else environment
    logins = [login for folder in _folders(environ) if (login := _login(folder, environ)) is not None]
    usable = [login for login in logins if login.token is not None]
    return next(iter((*usable, *logins)), None)


def can_sign_in() -> bool:
    """Whether the Vercel CLI is on the PATH, and so can sign a person in by the browser."""
    return shutil.which(SIGN_IN.calls[0][0]) is not None


def sign_in() -> Answer:
    """Run `vercel login` in the foreground; the token of the login. Raises SetupError where there is none then."""
    code = subprocess.run(SIGN_IN.calls[0], check=False).returncode
    login = cli_login()
    if code != 0 or login is None or login.token is None:
        why = f"`{SIGN_IN}` ended with {code}" if code else "its token cannot be read from here"
        raise SetupError(f"the sign-in to Vercel failed: {why}", (login and login.way_out) or SIGN_IN)
    return Answer(value=login.token, source=Source.DETECTED, where=login.source, secret=True)


def _login(folder: Path, environment: Mapping[str, str]) -> CliLogin | None:
    login, settings = _object(folder / "auth.json"), _object(folder / "config.json") or {}
    token, renewal = (_field_text((login or {}).get(name)) for name in ("token", "refreshToken"))
    if token is None and renewal is None:
        if not folder.is_dir():
            return None
        # The variable takes precedence over the file, as it does for the CLI.
        storage = environment.get("VERCEL_TOKEN_STORAGE") or settings.get("credStorage")
        if storage not in ("keyring", "auto"):
            return None
        return CliLogin(source="the login of the Vercel CLI (in the keyring)", in_keyring=True)
    expires = (login or {}).get("expiresAt")
    # Only the CLI itself renews a login that has expired; `expiresAt` is in seconds since 1970.
    expired = token is None or (isinstance(expires, int | float) and expires <= time.time())
    return CliLogin(
        source="the login of the Vercel CLI",
        token=None if expired else token,
        expired=expired,
        renewable=renewal is not None,
    )


def _folders(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The CLI's data folders, then those of its former name `now`, which it still reads."""
    data = _data_folders(environment)
    current, former = ([folder / name for folder in data] for name in ("com.vercel.cli", "now"))
    return (*current, _home(environment) / ".now", *former)


def _data_folders(environment: Mapping[str, str]) -> tuple[Path, ...]:
    folders = []
    if data_home := environment.get("XDG_DATA_HOME"):
        folders.append(Path(data_home))
    home = _home(environment)
    if sys.platform == "darwin":
        folders.append(home / "Library" / "Application Support")
    if roaming := environment.get("APPDATA"):
        folders += [Path(roaming) / "xdg.data", Path(roaming)]
    folders.append(home / ".local" / "share")
    return tuple(folders)


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or Path.home())


def _object(file: Path) -> dict[str, Any] | None:
    try:
        content = safe_text.parse_json(files.read_text(file))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _field_text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
