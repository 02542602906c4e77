"""Inspects the folder of an application: the framework, the linked Vercel project, the deploy targets.

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
    """Whether it is the folder of an application: a known framework, or the files that a deployment is made from."""
    files = _Files(folder)
    if 'name = "eonpro-kms"' in files.content("pyproject.toml"):
        return False
    named = ("package.json", "Dockerfile", "pyproject.toml", "requirements.txt", "manage.py", "next.config.js")
    return any(map(files.has, named))


def requires(folder: Path, package: str) -> bool:
    """Whether a Python application names the package among its requirements."""
    files = _Files(folder)
    return any(package in files.content(name) for name in ("requirements.txt", "pyproject.toml"))


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


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


# --- what its code lacks


CODE = (".ts", ".tsx", ".js", ".mjs")
MOST_FILES = 8_000
_NO_CODE = frozenset(
    {"node_modules", "dist", "build", "coverage", "out", "tests", "test", "__tests__", "e2e", "scripts"}
)
NAMES_VARIABLE = "PHI_VARIABLE_NAMES"
"""Has other names for the variables, for code that takes them from there."""
_OWN_KEY = r"\bGenerateDataKeyCommand\s*\("
_FORMER_KEY = r"process\.env\.ENCRYPTION_KEY\b"
_CLIENT = r"\bnew\s+KMSClient\s*\("
_BY_OIDC = ("awsCredentialsProvider", "fromWebToken", "AssumeRoleWithWebIdentity")


def missing_parts(
    folder: Path,
    *,
    by_oidc: bool,
    variables: tuple[str, str, str] = ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY"),
) -> tuple[str, ...]:
    """The changes that the code of a Next.js application needs to use its data key, each as `FILE:LINE: text`;
    docs/application.md.

    Judged by the text of its files. `by_oidc`: the application takes its role by Vercel's OIDC token. `variables`: the
    names of the Region, of the KMS key and of the data key.
    """
    framework = _framework(_Files(folder))
    if framework is None or not framework.startswith("Next.js"):
        return ()
    data_key = variables[-1]
    code = dict(_code(folder, data_key))
    loaders = {
        name: text
        for name, text in code.items()
        if re.search(rf"(?<!\w){data_key}(?!\w)", text) or NAMES_VARIABLE in text
    }
    if not loaders:
        return (f"{folder.name}: no file reads {data_key}",)
    default = rf"process\.env\.(?:{'|'.join(variables)})\s*(?:\|\||\?\?)"
    ciphers = {name: text for name, text in code.items() if "createDecipheriv" in text and _imports(text, loaders)}
    parts = loaders | ciphers
    found = [*_at_the_start(code, parts)]
    for name, text in parts.items():
        found += _first(name, text, _OWN_KEY, "can make a data key of its own, which decrypts no earlier record")
        found += _first(name, text, _FORMER_KEY, "uses ENCRYPTION_KEY: records may be written under either key")
        found += _first(name, text, default, "goes on without a variable that it needs")
        if by_oidc and not any(word in text for word in _BY_OIDC):
            found += _first(name, text, _CLIENT, "takes no role by Vercel's OIDC token")
    if not any("ENCRYPTED_PHI_KEYS_FOR_READING" in text for text in parts.values()):
        for name, text in parts.items():
            found += _first(
                name, text, r"createDecipheriv\(", "reads with one key only: not the other one in a rotation"
            )
    return tuple(found)


def _at_the_start(code: dict[str, str], parts: dict[str, str]) -> Iterator[str]:
    """Next.js runs the instrumentation file of the root, or of `src`, before the first request."""
    names = [name for name in code if re.fullmatch(r"(?:src/)?instrumentation\.(?:ts|js|mjs)", name)]
    if not names:
        yield "instrumentation.ts: does not exist; nothing loads the data key before the first request"
    for name in names:
        if not _imports(code[name], parts):
            what = "register() does not load the data key"
            yield next(_first(name, code[name], r"\bregister\b", what), f"{name}:1: {what}")


def _imports(text: str, modules: dict[str, str]) -> bool:
    stems = "|".join(re.escape(os.path.basename(name).partition(".")[0]) for name in modules)
    return (
        re.search(rf"""(?:\bfrom|\bimport\s*\(|\brequire\s*\()\s*["'][^"']*/(?:{stems})(?:\.\w+)?["']""", text)
        is not None
    )


def _first(name: str, text: str, pattern: str, what: str) -> Iterator[str]:
    """The first line of a file that has the pattern outside a comment."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith(("//", "*", "/*")) and re.search(pattern, line):
            yield f"{name}:{number}: {what}"
            return


def _code(folder: Path, data_key: str) -> Iterator[tuple[str, str]]:
    """(name relative to the folder, text) of the files that may concern the key; at most `MOST_FILES` are opened."""
    opened = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if each not in _NO_CODE and not each.startswith("."))
        files, below = _Files(Path(place)), os.path.relpath(place, folder)
        for name in sorted(names):
            if not name.endswith(CODE) or name.endswith(".d.ts") or ".test." in name or ".spec." in name:
                continue
            opened += 1
            if opened > MOST_FILES:
                return
            text = files.content(name)
            named = (data_key, NAMES_VARIABLE, "createDecipheriv")
            if name.startswith("instrumentation.") or any(word in text for word in named):
                yield (name if below == "." else f"{below}/{name}"), text
