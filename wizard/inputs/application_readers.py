"""Searches an application's files for the names of the stack's variables, and of the application's former key.

Reads the files of the application's folder, no link out of it, within limits of size, number and time. It is a search
line by line, no parser: what a file does with a value, a person reads there.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.core.next_command import NO_COMMAND, Command, shell
from wizard.core.safe_text import clean
from wizard.inputs.application_folder import checks_key, is_application, requires

if TYPE_CHECKING:
    from components.settings import Settings

CHECK_ADVICE = (
    "a build or start that fails without it runs `phi check`, in Python `python -m eonpro_phi check` "
    "(docs/application.md)"
)
"""The way to have a deployment without its key fail at once."""

PACKAGE = "@eonpro/phi"
"""The library of the application on Node (`packages/phi-node`)."""
FORMER_KEYS = ("ENCRYPTION_KEY", "PHI_ENCRYPTION_KEY")
_KMS = re.compile(r"client-kms|KMSClient|client\(\s*[\"']kms")
"""In a file of the wrapped key itself."""

LARGEST = 1024 * 1024
"""Bytes. A larger file is not read; code that a person wrote is smaller."""
MOST_FILES = 20_000
MOST_SECONDS = 5.0
"""Longest time for reading a folder, also on a slow disk."""
MOST_NAMED = 12
"""The most readers that one piece of advice names."""

SEARCH = shell(
    *("grep", "-rnwE", "|".join(FORMER_KEYS)),
    *(f"--exclude-dir={name}" for name in ("node_modules", ".next", ".git", "dist")),
    ".",
)
"""The command that finds the readers of a former key, where the wizard does not know the application's folder."""

_LEFT_OUT = frozenset(
    "node_modules bower_components dist build out coverage vendor venv __pycache__ target test tests __tests__ "
    "__mocks__ e2e cypress fixtures".split()
)
_CODE = re.compile(
    r".*\.(?:[cm]?[jt]sx?|vue|svelte|astro|prisma|py|sh|bash)|package\.json|vercel\.json|Makefile|Procfile"
    r"|(?:docker-)?compose[\w.-]*\.ya?ml|(?:serverless|app|render)\.ya?ml|fly\.toml|(?:.+\.)?[Dd]ockerfile(?:\..+)?"
    r"|\.env(?:\.prod\w*)?",
    re.DOTALL,
)
_TEST_FILE = re.compile(r"\.(?:test|spec|stories)\.\w+$|^(?:test_.*|conftest|.*_test)\.py$|\.d\.[cm]?ts$")
_COMMENT = ("//", "#", "*", "/*", "<!--")


@dataclass(frozen=True, kw_only=True)
class OtherReader:
    """Code that reads a variable for something else than its wrapped key."""

    variable: str
    place: str
    """`FILE:LINE`."""
    what: str
    """The effect on the reader, in words."""

    @property
    def line(self) -> str:
        """The text `FILE:LINE: effect`."""
        return f"{self.place}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class Named:
    """The first line of a file that reads a variable; where none does, the first that names it."""

    variable: str
    file: str
    """Relative to the folder, with `/`."""
    line: int
    """Line number, from 1."""
    is_read: bool
    """Whether the line takes the variable's value, as far as a line shows it; else it declares or sets it."""
    is_of_kms: bool
    """Whether its file has a client of KMS."""

    def told(self, what: str) -> OtherReader:
        return OtherReader(variable=self.variable, place=clean(f"{self.file}:{self.line}"), what=what)


@dataclass(frozen=True, kw_only=True)
class ApplicationCode:
    """The code of an application, as far as its files were read."""

    folder: Path
    named: tuple[Named, ...] = ()
    unread: tuple[str, ...] = ()
    """Why some files were not read, one sentence each; empty if all were."""
    uses_phi: bool = False
    """Whether it depends on the library `phi`, which reads the variables itself."""
    checks_key: bool = False
    """Whether its build or its start runs `phi check`."""

    @property
    def lacks_check(self) -> bool:
        """Whether it could check its key before it starts, and does not. Without the library it is not known."""
        return self.uses_phi and not self.checks_key

    def reads(self, variable: str) -> bool:
        """Whether any of its code names the variable, or reads it through `phi`."""
        return self.uses_phi or any(each.variable == variable for each in self.named)

    def others(self, settings: Settings) -> tuple[OtherReader, ...]:
        """The other readers of the stack's variables, in the order of the files."""
        names = settings.delivered_names
        effects = {
            names.region: f"it gets {settings.region}",
            names.key_id: "it gets the ARN of the PHI key, with which S3 refuses uploads with AES256 (InvalidArgument)",
        }
        own = {each.file for each in self.named if each.variable == names.data_key or each.is_of_kms}
        return tuple(
            each.told(f"reads {each.variable} too: {effects[each.variable]}")
            for each in self.named
            if each.is_read and each.variable in effects and each.file not in own
        )

    def readers_of_former_key(self) -> tuple[OtherReader, ...]:
        """The code that names a former key."""
        what = "what it encrypted stays encrypted, and it may fail without its key"
        return tuple(each.told(f"names {each.variable}: {what}") for each in self.named if each.variable in FORMER_KEYS)


def read_code(
    folder: Path, settings: Settings, *, clock: Callable[[], float] = time.monotonic
) -> ApplicationCode | None:
    """Search the application's files for the stack's variables and the former key; None where it is no application."""
    if not is_application(folder):
        return None
    named, unread = _search(folder, (*settings.delivered_names.every, *FORMER_KEYS), clock)
    return ApplicationCode(
        folder=folder,
        named=named,
        unread=unread,
        uses_phi=requires(folder, "eonpro-phi") or requires(folder, PACKAGE),
        checks_key=checks_key(folder),
    )


def _search(
    folder: Path, variables: Collection[str], clock: Callable[[], float]
) -> tuple[tuple[Named, ...], tuple[str, ...]]:
    """The files in their order that name a variable, and why some were not read."""
    until, named, large, unread = clock() + MOST_SECONDS, list[Named](), list[str](), list[str]()
    word = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in variables).encode())
    for number, name in enumerate(_files(folder)):
        if number >= MOST_FILES or clock() > until:
            limit = f"{MOST_FILES:,} files" if number >= MOST_FILES else f"{MOST_SECONDS:.0f} s"
            unread.append(f"the folder was read for its first {limit} only")
            break
        content = _content(folder, name)
        if content is None:
            large.append(name)
        elif word.search(content):
            named += _named(name, content.decode("utf-8", errors="replace"), variables)
    if large:
        more = f" and {len(large) - 3} more" if len(large) > 3 else ""
        unread.insert(0, f"not read, larger than 1 MB or unreadable: {', '.join(large[:3])}{more}")
    return tuple(named), tuple(unread)


def _named(file: str, text: str, variables: Collection[str]) -> Iterator[Named]:
    lines = [(at, line) for at, line in enumerate(text.split("\n"), 1) if not line.lstrip().startswith(_COMMENT)]
    for variable in variables:
        word = re.compile(rf"\b{re.escape(variable)}\b")
        found = [
            (at, any(_is_read(line, match.end()) for match in matches))
            for at, line in lines
            if (matches := [*word.finditer(line)])
        ]
        if found:
            line, is_read = next((each for each in found if each[1]), found[0])
            is_of_kms = _KMS.search(text) is not None
            yield Named(variable=variable, file=file, line=line, is_read=is_read, is_of_kms=is_of_kms)


def _is_read(line: str, end: int) -> bool:
    """Whether a name that ends there is no key of an object or a schema, and nothing that gets a value."""
    return (
        re.match(r"[\"'`]?\s{0,9}\??\s{0,9}(?:=(?!=)|:(?!\s{0,9}\w{1,40}\s{0,9}[,=}]))", line[end : end + 80]) is None
    )


def _files(folder: Path) -> Iterator[str]:
    """The names of the files that may read a variable, relative to the folder, sorted; none behind a link."""
    for place, folders, names in os.walk(folder, followlinks=False):
        below = os.path.relpath(place, folder)
        if below != "." and _is_this_project(place, names):
            folders[:] = []
            continue
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT and not name.startswith("."))
        for name in sorted(names):
            if _CODE.fullmatch(name) and not _TEST_FILE.search(name):
                yield name if below == "." else f"{below}/{name}".replace(os.sep, "/")


def _is_this_project(place: str, names: list[str]) -> bool:
    """A checkout of this program in the application's folder names the variables on every page, and reads none."""
    if "Pulumi.yaml" not in names:
        return False
    content = _content(Path(place), "Pulumi.yaml") or b""
    return re.search(rb"(?m)^name:\s*eonpro-kms\s*$", content) is not None


def _content(folder: Path, name: str) -> bytes | None:
    """The bytes of a regular file that is no link; None for any other, a larger or an unreadable one."""
    try:
        # Neither a link out of the folder nor a pipe that nobody writes to.
        file = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        return b"" if (folder / name).is_symlink() else None
    with os.fdopen(file, "rb") as opened:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            return b""
        if status.st_size > LARGEST:
            return None
        try:
            return opened.read(LARGEST + 1)
        except OSError:
            return None


def before_removal(code: ApplicationCode | None) -> tuple[str, Command]:
    """(the condition for removing a former key's variable, the command that checks it or ""), for a person."""
    if code is None:
        return (
            "First look for other code that reads it (two-factor secrets, cards, integrations): without it that code "
            "fails, and what it encrypted stays encrypted. In the application's folder:",
            SEARCH,
        )
    readers = code.readers_of_former_key()
    unread = "".join(f" Not everything was read: {why}." for why in code.unread)
    if not readers:
        return f"Nothing in {clean(str(code.folder))} reads it by its name.{unread}", NO_COMMAND
    lines = [reader.line for reader in readers[:MOST_NAMED]]
    more = [f"and {len(readers) - MOST_NAMED} more"] if len(readers) > MOST_NAMED else []
    return f"Code that reads it needs another key first: {'; '.join([*lines, *more])}.{unread}", NO_COMMAND
