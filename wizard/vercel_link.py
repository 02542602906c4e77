"""What the Vercel CLI left on this machine: a folder's link to a project, and a login.

Reads `.vercel/` of a folder and the CLI's own data folder; writes nothing and asks no network.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wizard.facts import Linked


def detect(folder: Path) -> Linked | None:
    """The link of a folder: `.vercel/project.json`, or a `.vercel/repo.json` with one project; else None."""
    linked = _object(folder / ".vercel" / "project.json")
    if linked is None:
        repository = _object(folder / ".vercel" / "repo.json") or {}
        projects = [each for each in repository.get("projects") or () if isinstance(each, dict)]
        if len(projects) != 1:
            return None
        linked = {
            "orgId": repository.get("orgId"),
            "projectId": projects[0].get("id"),
            "projectName": projects[0].get("name"),
            **projects[0],
        }
    project, owner = _text(linked.get("projectId")), _text(linked.get("orgId"))
    if project is None:
        return None
    team = owner if owner and owner.startswith("team_") else None
    return Linked(project_id=project, team_id=team, project_name=_text(linked.get("projectName")))


def cli_token(environment: Mapping[str, str] | None = None) -> str | None:
    """The token of the Vercel CLI's login; None when there is no login or it has expired."""
    for folder in _data_folders(os.environ if environment is None else environment):
        login = _object(folder / "com.vercel.cli" / "auth.json") or {}
        expires = login.get("expiresAt")
        # Only the CLI itself renews a login that has expired; `expiresAt` is in seconds since 1970.
        expired = isinstance(expires, int | float) and expires <= time.time()
        token = _text(login.get("token"))
        if token and not expired:
            return token
    return None


def _data_folders(environment: Mapping[str, str]) -> tuple[Path, ...]:
    folders = []
    if told := environment.get("XDG_DATA_HOME"):
        folders.append(Path(told))
    home = Path(environment.get("HOME") or Path.home())
    if sys.platform == "darwin":
        folders.append(home / "Library" / "Application Support")
    if roaming := environment.get("APPDATA"):
        folders += [Path(roaming) / "xdg.data", Path(roaming)]
    folders.append(home / ".local" / "share")
    return tuple(folders)


def _object(file: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
