"""What a folder shows of its application: the framework, the linked Vercel project, the deploy targets.

Reads a few files of that folder by name. Loaded before the first prompt: imports nothing heavy.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard.core import safe_text

LARGEST = 256 * 1024
"""Bytes. A larger file is ignored."""
MOST_MANIFESTS = 20

VERCEL, ECS, EKS = "vercel", "ecs", "eks"


@dataclass(frozen=True, kw_only=True)
class FolderLink:
    """The Vercel project that a folder is linked to (`vercel link`)."""

    project_id: str
    team_id: str | None
    """`team_…`; None when the project belongs to a person's own account."""
    project_name: str | None = None
    """Only newer versions of the CLI write it."""
    source: str = ".vercel/project.json"
    """The file that holds the link, relative to the folder."""


@dataclass(frozen=True, kw_only=True)
class ApplicationFolder:
    """What was detected in the folder: suggestions, each with its source."""

    framework: str | None = None
    """`Next.js 15.1`; None for unknown. The version is the required one, not the installed one."""
    linked: FolderLink | None = None
    targets: tuple[tuple[str, str], ...] = ()
    """(target, what suggests it) of each suggestion, the strongest first: (`vercel`, `.vercel/project.json`)."""

    @property
    def target(self) -> str | None:
        """The only suggested target; None for none or several."""
        suggested = {target for target, _ in self.targets}
        return suggested.pop() if len(suggested) == 1 else None


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
_PYTHON = {"django": "Django", "fastapi": "FastAPI", "flask": "Flask"}
# Not compiled on import: that takes long, and most folders need none of them.
_REQUIREMENT = (
    r"""(?im)(?:^|["'])[ \t]*(django|fastapi|flask)(?![\w.-])(?:\[[^\]\n]*\])?[ \t="'{a-z~^><!]*(\d+(?:\.\d+)?)?"""
)
_VERSION = r"[\^~>=v\s]*(\d+(?:\.\d+)?)"
_WORKLOAD = r"""(?m)^kind:\s*["']?(?:Deployment|StatefulSet|DaemonSet|Rollout)["']?\s*$"""
_TASK_DEFINITIONS = ("taskdef.json", "task-definition.json", ".aws/task-definition.json", "ecs/task-definition.json")


def detect(folder: Path) -> ApplicationFolder:
    """What the folder shows; nothing for a missing or unreadable folder."""
    files = _Files(folder)
    linked = _link(files)
    return ApplicationFolder(framework=_framework(files), linked=linked, targets=tuple(_targets(files, linked)))


def read_link(folder: Path) -> FolderLink | None:
    """The link of a folder: `.vercel/project.json`, or the one project of `.vercel/repo.json`; else None.

    Of several projects in a linked repository: the one whose directory is the folder itself.
    """
    return _link(_Files(folder))


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
    package = files.object("package.json") or {}
    dependencies: dict[str, object] = {}
    for group in ("devDependencies", "dependencies"):
        listed = package.get(group)
        dependencies.update(listed if isinstance(listed, dict) else {})
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


def _targets(files: _Files, linked: FolderLink | None) -> Iterator[tuple[str, str]]:
    if linked is not None:
        yield VERCEL, linked.source
    for name in ("vercel.json", "vercel.ts"):
        if files.has(name):
            yield VERCEL, name
    for name in _TASK_DEFINITIONS:
        if "containerDefinitions" in files.content(name):
            dockerfile = " and a Dockerfile" if files.has("Dockerfile") else ""
            yield ECS, f"{name}{dockerfile}"
    for name in ("ecs-params.yml", "ecs-params.yaml"):
        if files.has(name):
            yield ECS, name
    if files.has("copilot/.workspace"):
        yield ECS, "copilot/"
    for name in ("skaffold.yaml", "skaffold.yml", "Chart.yaml", "chart/Chart.yaml", "helm/Chart.yaml"):
        if files.has(name):
            yield EKS, name
    for below in ("k8s", "kubernetes"):
        manifests = sorted(name for name in files.names(below) if name.endswith((".yaml", ".yml")))[:MOST_MANIFESTS]
        for manifest in (f"{below}/{name}" for name in manifests):
            if re.search(_WORKLOAD, files.content(manifest)):
                yield EKS, manifest
                break


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
