"""Whether what lies in a project's folder is executed: only if it is this user's own, and they have allowed it.

Of the wheel only: a checkout is its own project. Reads the project's files and their permissions; removes their byte
code; remembers in the user's folder for state what was allowed, by its hash. Asks the person.
"""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import shutil
import stat
from collections.abc import Iterator, Mapping
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import TYPE_CHECKING

from components import installation
from wizard.cli import virtual_environment
from wizard.core import files, requirements_file
from wizard.core.errors import Cancelled, SetupError, UsageError
from wizard.core.next_command import SCRIPT, Command, eonpro, shell
from wizard.pulumi_engine import config

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal

REQUIREMENTS = "requirements.txt"
EXECUTED = ("Pulumi.yaml", "__main__.py", REQUIREMENTS)
"""The files of a project that say what is executed, and with which packages."""
BYTE_CODE = "__pycache__"
VARIABLE = "EONPRO_TRUSTED_PROJECT"
"""The variable that names a project's folder which is trusted as it is, whoever owns it: in CI, the checkout."""


def require(project: Path, terminal: Terminal) -> None:
    """Return if the project may be executed; a person is asked about one that is new on this machine, or changed.

    Raises UsageError for what another user owns, for files that are refused, and where nobody can be asked.
    """
    check_owner(project)
    contents = _contents(project)
    if _record(project, contents).exists():
        return
    _check(project, contents)
    if _is_named(project):
        return
    changed = _changed(project, contents)
    why = f"{', '.join(changed)} changed since you allowed it" if changed else "it is new on this machine"
    executed = f"{', '.join(sorted(contents))} and the packages that it installs run with your credentials"
    allow = eonpro("init", "--trust", project, advice="allows it; read these files first, if they are not yours")
    if not terminal.interactive:
        raise UsageError(f"nothing in the project {project} is executed: {why}, and {executed}", allow)
    terminal.title("EONPRO KMS · may this project run?")
    terminal.line(f"{project}: {why}. {executed}.")
    if not terminal.confirm("Run it?", why="Read these files first, if they are not yours.", default=False):
        raise Cancelled("nothing in the project was executed", allow)
    record(project)


def check_owner(project: Path) -> None:
    """Raises UsageError where another user owns, or can change or replace, what would be executed."""
    if _is_named(project):
        return
    try:
        for path in _executed(project) if project.exists() else ():
            if path.exists():
                _check_own(path, project)
        for parent in Path(os.path.realpath(project)).parents:
            if parent.exists():
                _check_above(parent, project)
    except OSError as error:
        raise UsageError(f"what {project} executes cannot be read: {error}", shell("ls", "-l", project)) from error


def _executed(project: Path) -> Iterator[Path]:
    """The folders and files of which something is executed; a folder before what is in it."""
    environment = project / ".venv"
    yield from (project, *(project / name for name in EXECUTED), project / ".cache")
    yield from (environment, environment / "pyvenv.cfg", environment / "bin", environment / "bin" / SCRIPT)
    for packages in environment.glob("lib*/python3*/site-packages"):
        yield from (packages, *packages.iterdir())
    for module in _modules(project):
        yield from (*(each for each in module.parents if project in each.parents), module)


def _check_own(path: Path, project: Path) -> None:
    status = path.stat()
    if status.st_uid != os.geteuid():
        raise UsageError(
            f"{path} belongs to {_user(status.st_uid)}, not to you: nothing in the project is executed",
            f"work in a copy of your own; where you trust that user with your credentials: {VARIABLE}={project}",
        )
    if _others_write(status):
        raise UsageError(
            f"other users can write to {path}: nothing in the project is executed",
            shell("chmod", "go-w", path, advice="then look at what is in it"),
        )


def _check_above(parent: Path, project: Path) -> None:
    status = parent.stat()
    # In a folder with the sticky bit, such as /tmp, nobody renames what is somebody else's.
    others_write = _others_write(status) and not status.st_mode & stat.S_ISVTX
    if others_write or status.st_uid not in (0, os.geteuid()):
        by = "other users" if others_write else _user(status.st_uid)
        raise UsageError(
            f"{parent} can be changed by {by}, who can put another project in the place of {project}: nothing in the "
            "project is executed",
            f"move it below a folder of your own; where you trust them with your credentials: {VARIABLE}={project}",
        )


def record(project: Path, *, requirements: bytes | None = None) -> tuple[str, ...]:
    """Remember that the project may be executed as it is; the files of that.

    `requirements`: with this content of requirements.txt, which is written next.
    Raises UsageError for files that are refused, and SetupError where it cannot be remembered.
    """
    contents = _contents(project)
    if requirements is not None:
        contents[REQUIREMENTS] = requirements
    _check(project, contents)
    path = _record(project, contents)
    try:
        files.make_folder(path.parent, own=True)
        files.create(path, json.dumps({"folder": os.path.realpath(project), "files": _digests(contents)}).encode())
    except OSError as error:
        raise SetupError(
            f"that {project} may be executed cannot be remembered: {error}",
            f"make that folder writable; or, for this shell alone: {VARIABLE}={project}",
        ) from error
    return tuple(sorted(contents))


def record_environment(project: Path) -> None:
    """Remember the project's `.venv` as it is: this program has built it. Raises SetupError where it cannot."""
    path = _record_of_environment(project)
    try:
        files.make_folder(path.parent, own=True)
        files.replace(path, virtual_environment.fingerprint(project / ".venv").encode(), private=True)
    except OSError as error:
        raise SetupError(
            f"which environment was built cannot be remembered: {error}", "make that folder writable"
        ) from error


def is_built_here(project: Path) -> bool:
    """Whether the project's `.venv` is as this program built it: else it may have come with the folder, or a pull."""
    if _is_named(project):
        return True
    try:
        built = files.read_text(_record_of_environment(project))
        return bool(built) and built == virtual_environment.fingerprint(project / ".venv")
    except OSError:
        return False


def _record_of_environment(project: Path) -> Path:
    return _folder().with_name("environments") / hashlib.sha256(os.path.realpath(project).encode()).hexdigest()


def committed(project: Path, name: str) -> Command | None:
    """The command that brings the committed form of a file back; None in no repository, or an unknown one.

    Git starts programs that a repository names: so it is not asked here, nor is its command told to somebody who has
    never allowed the project.
    """
    if installation.IS_INSTALLED and not _last_allowed(project):
        return None
    if not any((each / ".git").exists() for each in (project, *project.parents)):
        return None
    return shell("git", "-C", project, "checkout", "--", name, advice="brings back the committed one")


def is_trusted(project: Path) -> bool:
    """Whether the project may be executed as it is."""
    if _is_named(project):
        return True
    try:
        check_owner(project)
        return _record(project, _contents(project)).exists()
    except UsageError:
        return False


def _is_named(project: Path) -> bool:
    named = os.environ.get(VARIABLE)
    return bool(named) and os.path.realpath(str(named)) == os.path.realpath(project)


def _check(project: Path, contents: Mapping[str, bytes]) -> None:
    """Raises UsageError where the files name something to execute that is not among them: a program, an index."""
    for name in ("Pulumi.json", "Pulumi.yml"):
        if (project / name).exists():
            raise UsageError(
                f"{project} has {name}, which Pulumi may take for Pulumi.yaml", shell("rm", project / name)
            )
    faults = {
        "Pulumi.yaml": config.project_fault(contents.get("Pulumi.yaml", b"")),
        REQUIREMENTS: requirements_file.fault(contents.get(REQUIREMENTS, b"")),
    }
    for name, fault in faults.items():
        if fault:
            raise UsageError(f"{project / name} {fault}", way_out(project, name, contents[name]))


def way_out(project: Path, name: str, content: bytes) -> str:
    """What to do about a file of the project that is refused."""
    again = committed(project, name)
    if again and requirements_file.conflict(content.decode(errors="replace")):
        # Of a file in conflict git brings no committed form back.
        return shell(
            *("git", "-C", project, "checkout", "--ours", "--", name),
            advice="takes this branch's side, --theirs the other's; then git add it",
        )
    return again or "take it out; then run the same command again"


def _contents(project: Path) -> dict[str, bytes]:
    """What is executed of the project's folder, by name: its files, and each module that an import could find there."""
    try:
        named = [path for name in EXECUTED if (path := project / name).exists()]
        modules = [*_modules(project)]
        # What a link leads to outside the project is not the project's.
        own = os.path.realpath(project)
        for folder in {each for each in {module.parent for module in modules} if _is_below(each, own)}:
            _remove_byte_code(folder / BYTE_CODE)
        return {str(path.relative_to(project)): files.read(path) for path in {*named, *modules}}
    except OSError as error:
        raise UsageError(f"what {project} executes cannot be read: {error}", shell("ls", "-l", project)) from error


def _modules(project: Path) -> Iterator[Path]:
    """The modules below the folder, which is first on the search path of the program in it."""
    pending, seen = [project], set[str]()
    while pending:
        folder = pending.pop()
        seen.add(os.path.realpath(folder))
        for path in folder.iterdir():
            # A folder without __init__.py can also be imported: the packages of `google` lie in several.
            if path.is_dir():
                is_package = path.name.isidentifier() and path.name not in ("node_modules", BYTE_CODE)
                if is_package and os.path.realpath(path) not in seen:
                    pending.append(path)
            elif path.name.endswith(_SUFFIXES) and path.is_file():
                yield path


def _is_below(folder: Path, project: str) -> bool:
    return os.path.commonpath((os.path.realpath(folder), project)) == project


_SUFFIXES = tuple(all_suffixes())


def _remove_byte_code(cache: Path) -> None:
    """Byte code is executed in place of the source that is read here. Python writes it again."""
    if cache.is_symlink():
        cache.unlink()
    else:
        shutil.rmtree(cache, ignore_errors=True)


def _digests(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())}


def _folder() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / SCRIPT / "trusted"


def _record(project: Path, contents: Mapping[str, bytes]) -> Path:
    """The file that exists once these contents of this folder have been allowed."""
    what = json.dumps([os.path.realpath(project), _digests(contents)])
    return _folder() / hashlib.sha256(what.encode()).hexdigest()


def _changed(project: Path, contents: Mapping[str, bytes]) -> list[str]:
    """The files that are not as they were when the project was allowed last; empty where it never was."""
    last, now = _last_allowed(project), _digests(contents)
    return [name for name in sorted({*last, *now}) if last.get(name) != now.get(name)] if last else []


def _last_allowed(project: Path) -> dict[str, str]:
    """The hashes of the project's files when it was allowed last; empty where it never was."""
    last: dict[str, str] = {}
    for path in sorted(_folder().glob("*"), key=lambda path: path.stat().st_mtime):
        allowed = json.loads(files.read_text(path))
        last = allowed["files"] if allowed["folder"] == os.path.realpath(project) else last
    return last


def _others_write(status: os.stat_result) -> bool:
    """Whether a user other than the owner and root can write to it."""
    by_group = status.st_mode & stat.S_IWGRP and not _is_own_group(status.st_gid)
    return bool(by_group or status.st_mode & stat.S_IWOTH)


def _is_own_group(number: int) -> bool:
    """Whether a group has this user alone, as Linux distributions make one for each user."""
    try:
        group, user = grp.getgrgid(number), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return number == user.pw_gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"the user {number}"
