"""The environment of a customer's project, `.venv`: made from requirements.txt, and the program in it takes over.

Of the wheel only: a checkout is its own project. Writes requirements.txt, `.venv/` and a folder in `.cache/`; replaces
this process.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from components import installation
from components.installation import origin
from wizard import SOURCE_FOLDER, version
from wizard.cli import pins, project_trust, virtual_environment
from wizard.cli.pins import PACKAGE
from wizard.cli.project_trust import REQUIREMENTS
from wizard.core import files
from wizard.core.errors import UsageError
from wizard.core.next_command import SCRIPT, Command, chain, eonpro, shell

CHANGING = ("setup", "preview")
"""The commands that a newer program runs itself, in a project of an older version: they show what it would change."""
INSTALLED_FOR = "EONPRO_INSTALLED_FOR"
"""The variable in which this program tells the one that it starts which version it was started for."""
FIRST = "1.0.0"
"""The version of a stack that records none."""

_PINNED = re.compile(rf"^{PACKAGE}(?:==| @ \S+/eonpro_kms-)([^-\s]+)", re.MULTILINE)


def pinned(project: Path) -> str:
    """The version of this program in the project's requirements.txt; empty without one."""
    try:
        found = _PINNED.search(files.read_text(project / REQUIREMENTS))
    except (OSError, UnicodeDecodeError):
        return ""
    return found.group(1) if found else ""


def check_name(folder: Path) -> None:
    """Raises UsageError where the folder, or one above it, is a project of this program whose name was changed.

    The name is part of every resource's URN: under another one Pulumi has another stack, which is empty.
    """
    is_installed = installation.IS_INSTALLED
    for project in installation.folders_above(str(folder)) if is_installed else [str(folder)]:
        file = Path(project, "Pulumi.yaml")
        is_own = bool(pinned(file.parent)) or not is_installed
        if is_own and file.exists() and not installation.is_project(project):
            raise UsageError(
                f"{file} has no line `{installation.NAME_LINE}`: the project's name was changed, and under another one "
                "its stacks are not found",
                project_trust.committed(file.parent, file.name) or f"write `{installation.NAME_LINE}` in {file}",
            )


def installed(project: Path) -> str:
    """The version of this program in the project's `.venv`; empty without one, or without the Python below it."""
    found = (project / ".venv").glob("lib/python3.*/site-packages/eonpro_kms-*.dist-info")
    needed = (script(project), script(project).with_name("python"))
    names = sorted(path.name for path in found if all(each.exists() for each in needed))
    return names[-1].removeprefix("eonpro_kms-").removesuffix(".dist-info") if names else ""


def script(project: Path) -> Path:
    return project / ".venv" / "bin" / SCRIPT


def is_newer(one: str, other: str) -> bool:
    """Whether a version is newer than another one (https://packaging.python.org/en/latest/specifications/version-specifiers/)."""
    # Nearly always: then nothing has to be loaded.
    if one == other:
        return False
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) > Version(other)
    except InvalidVersion:
        return False


def check_version(applied: str) -> None:
    """Raises UsageError for a stack that a newer version of this program has updated: this one would undo that."""
    if applied and is_newer(applied, version()):
        raise UsageError(
            f"the stack was updated by {PACKAGE} {applied}; this is {version()}, which would undo what is new in it",
            _newer(applied),
        )


def changes_since(applied: str) -> tuple[str, ...]:
    """What the versions after the applied one change in a stack, as CHANGELOG.md says under "Upgrade".

    Empty where this is the version that was applied. `applied`: empty for one that did not record it.
    """
    before = applied or FIRST
    if not is_newer(version(), before):
        return ()
    lines = [f"the last update was made by {PACKAGE} {before}; this is {version()}"]
    for part in re.split(r"(?m)^## ", files.read_text(SOURCE_FOLDER / "CHANGELOG.md"))[1:]:
        name = part.partition("]")[0].removeprefix("[")
        upgrade_notes = re.search(r"(?ms)^### Upgrade\n(.*?)(?=^### |\Z)", part)
        if upgrade_notes and is_newer(name, before) and not is_newer(name, version()):
            notes = re.findall(r"(?m)^- (.*(?:\n  .*)*)", upgrade_notes[1])
            lines += [f"{name}: {' '.join(note.split())}" for note in notes]
    return tuple(lines)


def _newer(applied: str) -> Command:
    if installation.IS_INSTALLED:
        return shell(*origin.by_uvx(applied), "status", advice="runs that version; or pull the newer requirements.txt")
    return chain(
        shell("git", "-C", SOURCE_FOLDER, "pull"),
        shell("make", "setup"),
        advice="or check out the version that updated it",
    )


def program_of(project: Path, command: str, tell: Callable[[str], None]) -> Path | None:
    """The program of the project's own environment, which runs the command; the environment is made where it lacks it.

    None where this process is to run it: it is that program, or it is newer, and the command shows what that changes.
    Raises SetupError where the environment cannot be made.
    """
    wanted = pinned(project)
    if not wanted:
        file, again = project / REQUIREMENTS, eonpro("init", project, advice="writes it")
        if file.exists():
            aside = chain(shell("mv", file, f"{file}.old"), again, advice="writes it anew")
            again = project_trust.committed(project, REQUIREMENTS) or aside
        raise UsageError(f"{file} does not name a version of {PACKAGE}", again)
    is_own = os.path.realpath(sys.prefix) == os.path.realpath(project / ".venv")
    # Another spelling of a version is the same one: what was installed for it is not installed again.
    is_current = wanted in (version(), os.environ.get(INSTALLED_FOR))
    if (is_own and is_current) or (not is_own and is_newer(version(), wanted) and command in CHANGING):
        return None
    if installed(project) != wanted or not project_trust.is_built_here(project):
        tell(f"installing {PACKAGE} {wanted} and its packages into {project / '.venv'}, as {REQUIREMENTS} says")
        install(project, tell)
    os.environ[INSTALLED_FOR] = wanted
    return script(project)


def install(project: Path, tell: Callable[[str], None] = lambda text: None) -> None:
    """Make `.venv` hold what requirements.txt says, hashes checked; nothing where it does. Raises SetupError.

    An environment that is there stays until the new one is whole.
    """
    with virtual_environment.held(project, tell) as draft:
        is_built = installed(project) == pinned(project) and project_trust.is_built_here(project)
        if not is_built or draft.fault_of(project / ".venv"):
            draft.build(files.read(project / REQUIREMENTS))
            draft.replace_environment()
            project_trust.record_environment(project)


def upgrade(project: Path) -> None:
    """Make this version the project's. Raises SetupError; then requirements.txt and `.venv` are as they were."""
    content = pins.requirements()
    with virtual_environment.held(project) as draft:
        draft.build(content)
        pins.move(project)
        project_trust.record(project, requirements=content)
        files.replace(project / REQUIREMENTS, content, private=False)
        draft.replace_environment()
        project_trust.record_environment(project)


def stage(project: Path) -> Path:
    """A folder with the project's program under this version, for previews before it is the project's."""
    folder = project / ".cache" / f"program-{version()}"
    files.make_folder(folder)
    text = files.read_text(project / "Pulumi.yaml")
    # In double quotes JSON's escapes are YAML's.
    changed, count = re.subn(r"(?m)^(\s*virtualenv:).*$", lambda found: f"{found[1]} {json.dumps(sys.prefix)}", text)
    if count != 1:
        raise UsageError(
            f"{project / 'Pulumi.yaml'} has no line `virtualenv: .venv`",
            "add it under runtime, options; then run the same command again",
        )
    files.replace(folder / "Pulumi.yaml", changed.encode(), private=False)
    files.replace(folder / "__main__.py", files.read(project / "__main__.py"), private=False)
    return folder
