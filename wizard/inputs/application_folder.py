"""Inspects the folder of an application: the framework, the linked Vercel project, the deploy targets.

Reads a few files of that folder by name. Loaded before the first prompt: imports nothing heavy.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard.core import safe_text
from wizard.targets.port import all_targets

LARGEST = 256 * 1024
"""Bytes. A larger file is ignored."""


@dataclass(frozen=True, kw_only=True)
class FolderLink:
    """The Vercel project that a folder is linked to (`vercel link`)."""

    project_id: str
    team_id: str | None
    """`team_…`; None when the project belongs to a person's own account."""
    project_name: str | None = None
    """Written by newer versions of the CLI only."""
    source: str = ".vercel/project.json"
    """The file that holds the link, relative to the folder."""


@dataclass(frozen=True, kw_only=True)
class ApplicationFolder:
    """The suggestions detected in the folder, each with its source."""

    framework: str | None = None
    """`Next.js 15.1`; None for unknown. The version is the required one, not the installed one."""
    linked: FolderLink | None = None
    targets: tuple[tuple[str, str], ...] = ()
    """(target, its evidence) of each suggestion, the strongest first: (`vercel`, `.vercel/project.json`)."""


_NODE = (
    ("next", "Next.js"),
    ("@remix-run/react", "Remix"),
    ("@remix-run/node", "Remix"),
    ("@react-router/dev", "React Router"),
    ("nuxt", "Nuxt"),
    ("@sveltejs/kit", "SvelteKit"),
    ("astro", "Astro"),
    ("@nestjs/core", "NestJS"),
    ("fastify", "Fastify"),
    ("hono", "Hono"),
    ("express", "Express"),
)
"""A framework comes before the one it is built on: NestJS depends on Express."""
_STARTS = frozenset({"package.json", "vercel.json", "Procfile", "Makefile", "entrypoint.sh", "docker-entrypoint.sh"})
_PYTHON = {"django": "Django", "fastapi": "FastAPI", "flask": "Flask"}
# Not compiled on import: that takes long, and most folders need none of them.
_REQUIREMENT = (
    r"""(?im)(?:^|["'])[ \t]*(django|fastapi|flask)(?![\w.-])(?:\[[^\]\n]*\])?[ \t="'{a-z~^><!]*(\d+(?:\.\d+)?)?"""
)
_VERSION = r"[\^~>=v\s]*(\d+(?:\.\d+)?)"


def detect(folder: Path) -> ApplicationFolder:
    """Inspect the folder; nothing for a missing or unreadable one."""
    files = _Files(folder)
    linked = _link(files)
    link = (("vercel", linked.source),) if linked else ()
    found = ((target.name, name) for target in all_targets() for name in target.evidence(files))
    return ApplicationFolder(framework=_framework(files), linked=linked, targets=(*link, *found))


def is_application(folder: Path) -> bool:
    """Whether it is the folder of an application: a known framework, or the files that a deployment is made from.

    A project of this program, or a checkout of it, has Python's files, too.
    """
    files = _Files(folder)
    of_python = () if "name: eonpro-kms" in files.content("Pulumi.yaml") else ("pyproject.toml", "requirements.txt")
    named = ("package.json", "Dockerfile", *of_python, "manage.py", "next.config.js")
    return any(map(files.has, named))


def requires(folder: Path, package: str) -> bool:
    """Whether an application names the package among its requirements."""
    files = _Files(folder)
    return any(package in files.content(name) for name in ("requirements.txt", "pyproject.toml", "package.json"))


def checks_key(folder: Path) -> bool:
    """Whether a file of its build or of its start runs `phi check`."""
    files = _Files(folder)
    starts = (name for name in files.names() if name in _STARTS or name.startswith("Dockerfile"))
    return any(re.search(r"(?:\b|_)phi[\"', ]+check\b", files.content(name)) for name in starts)


class _Files:
    """A folder, listed once, because most of the files do not exist in most folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.fspath(folder)
        self._names = frozenset(self.names())

    def names(self, below: str = "") -> tuple[str, ...]:
        """The names in the folder, or in one below it; none where it cannot be read."""
        try:
            return tuple(os.listdir(os.path.join(self._folder, below)))
        except (OSError, ValueError):
            return ()

    def has(self, name: str) -> bool:
        """Whether the file exists; its name may contain a folder: `helm/Chart.yaml`."""
        return self._size(name) is not None

    def content(self, name: str) -> str:
        """The text of a file; empty for one that is missing, unreadable, larger than `LARGEST` or no text."""
        size = self._size(name)
        if size is None or size > LARGEST:
            return ""
        try:
            with open(os.path.join(self._folder, name), encoding="utf-8-sig") as file:
                return file.read()
        except (OSError, ValueError):
            return ""

    def object(self, name: str) -> dict[str, Any] | None:
        """The object that a JSON file holds; None for anything else."""
        if not (text := self.content(name)):
            return None
        try:
            content = safe_text.parse_json(text)
        except (ValueError, RecursionError):
            return None
        return content if isinstance(content, dict) else None

    def _size(self, name: str) -> int | None:
        if name.partition("/")[0] not in self._names:
            return None
        try:
            status = os.stat(os.path.join(self._folder, name))
        except (OSError, ValueError):
            return None
        # Reading a named pipe would block the first prompt forever.
        return status.st_size if stat.S_ISREG(status.st_mode) else None


def _link(files: _Files) -> FolderLink | None:
    linked, source = files.object(".vercel/project.json"), ".vercel/project.json"
    if linked is None:
        repository, source = files.object(".vercel/repo.json") or {}, ".vercel/repo.json"
        listed = repository.get("projects")
        projects = [project for project in listed if isinstance(project, dict)] if isinstance(listed, list) else []
        if len(projects) != 1:
            projects = [project for project in projects if project.get("directory") == "."]
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
    return FolderLink(project_id=project, team_id=team, project_name=_text(linked.get("projectName")), source=source)


def _framework(files: _Files) -> str | None:
    """The application's framework, as in `ApplicationFolder.framework`."""
    package = files.object("package.json") or {}
    groups = [package.get(group) for group in ("devDependencies", "dependencies")]
    dependencies = {name: needed for group in groups if isinstance(group, dict) for name, needed in group.items()}
    for name, framework in _NODE:
        if name in dependencies:
            version = re.match(_VERSION, str(dependencies[name]))
            return f"{framework} {version[1]}" if version else framework
    for file in ("pyproject.toml", "requirements.txt"):
        content = files.content(file)
        # This project itself is not an application, though its tests use frameworks.
        if 'name = "eonpro-kms"' in content:
            return None
        # The pattern is slow, and most files name none of them.
        named = any(name in content.lower() for name in _PYTHON)
        if named and (required := re.search(_REQUIREMENT, content)):
            name = _PYTHON[required[1].lower()]
            return f"{name} {required[2]}" if required[2] else name
    return None


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
