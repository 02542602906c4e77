"""A patch of an application's files in git's format, each hunk with its reason, and the file that it is written to.

Reads the application's folder and writes that one file. `git apply` ignores what stands behind the second `@@` of a
hunk, and before the first file: there the reasons are (docs/decisions/0063).
"""

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wizard.core import files
from wizard.core.errors import UsageError
from wizard.core.safe_text import clean
from wizard.inputs.application.changes import Change, changes_of
from wizard.inputs.application.edits import Edit, Whole
from wizard.inputs.application.parts import Application, KeyUse, read_application
from wizard.inputs.application.sources import line_of

FIRST_LINE = "A patch of the application for its data key, by eonpro-kms"
"""The first line of every patch: a file that begins with it may be replaced by another patch."""
_PLAIN = re.compile(rb"[ !#-\[\]-~]+")
_ESCAPES = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}
_NO_NEWLINE = "\n\\ No newline at end of file\n"


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a place of a file is changed."""

    file: str
    line: int
    """Line number in the file as it is, from 1; 0 for a new or a removed file."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A patch, or why there is none."""

    text: str
    """Empty where nothing has to be changed, or only by hand."""
    root: Path
    """The folder that its file names start from: the repository's, or the application's where there is none."""
    reasons: tuple[Reason, ...]
    by_hand: tuple[str, ...]
    """What it leaves to a person, each as `FILE:LINE: text`."""
    installs: bool
    """Whether it changes the dependencies, so that the packages have to be installed."""


def make_patch(folder: Path, use: KeyUse) -> Patch:
    """The patch of the application in a folder. Raises UsageError where no application on Node is in it."""
    application = read_application(folder, use)
    if application.framework is None:
        file, has_file = folder / "package.json", (folder / "package.json").exists()
        what = "cannot be read, or names no framework that is known" if has_file else "does not exist"
        raise UsageError(f"{clean(str(file))} {what}", "name the folder of an application on Node by EONPRO_APP_FOLDER")
    changes = changes_of(application)
    root = _root(folder)
    below = os.path.relpath(folder.resolve(), root)
    prefix = "" if below == "." else f"{below}/"
    wholes = {change.file: change for change in changes.changes if isinstance(change, Whole)}
    reasons = tuple(_reasons(application, changes.changes))
    parts = []
    for name in dict.fromkeys(change.file for change in changes.changes):
        old, new = (each.sources.files.get(name) for each in (application, changes.after))
        if name in wholes:
            old, new = wholes[name].old, wholes[name].text
        parts.append(_file(f"{prefix}{name}", old, new, [reason for reason in reasons if reason.file == name]))
    return Patch(
        text="".join((_head(reasons, changes.by_hand), *parts)) if parts else "",
        root=root,
        reasons=reasons,
        by_hand=tuple(map(clean, (*changes.by_hand, *application.sources.unread))),
        installs=any(reason.file == "package.json" for reason in reasons),
    )


def write_patch(path: Path, patch: Patch) -> None:
    """Write the patch to a file of its own. Raises UsageError for a path in `.git`, a link, or another file."""
    place = path.parent.resolve() / path.name
    another = "name another file, such as application.patch"
    if ".git" in (part.lower() for part in place.parts):
        raise UsageError(f"{clean(str(path))} is in .git, where nothing is written", another)
    try:
        files.check_target(place)
        if place.exists() and not files.read(place).startswith(FIRST_LINE.encode()):
            raise UsageError(f"{clean(str(path))} exists and is no patch of this program; it is not replaced", another)
        files.replace(place, patch.text.encode("utf-8", errors="surrogateescape"), private=False)
    except OSError as error:
        raise UsageError(f"the patch cannot be written: {clean(str(error))}", another) from error


def _root(folder: Path) -> Path:
    """The repository that the folder is in: `git apply` takes names from its root, also in a folder below it."""
    resolved = folder.resolve()
    return next((each for each in (resolved, *resolved.parents) if (each / ".git").exists()), resolved)


def _reasons(application: Application, changes: Iterable[Change]) -> Iterator[Reason]:
    seen = set[Reason]()
    for change in changes:
        line = 0
        if isinstance(change, Edit):
            line = line_of(application.sources.files[change.file], change.start)
        reason = Reason(file=change.file, line=line, text=change.reason)
        if reason not in seen:
            seen.add(reason)
            yield reason


def _head(reasons: tuple[Reason, ...], by_hand: tuple[str, ...]) -> str:
    count = len({reason.file for reason in reasons})
    lines = [FIRST_LINE, "", f"It changes {count} files. Behind the second @@ of each hunk stands its reason."]
    if by_hand:
        lines += ["It leaves to you:", *(f"  {line}" for line in by_hand)]
    return "".join(f"{clean(line)}\n" for line in lines) + "\n"


def _file(name: str, old: str | None, new: str | None, reasons: list[Reason]) -> str:
    """The part of one file; an empty one has no hunk."""
    before, after = _quoted(f"a/{name}"), _quoted(f"b/{name}")
    head = [f"diff --git {before} {after}\n"]
    if old is None:
        head.append("new file mode 100644\n")
    elif new is None:
        head.append("deleted file mode 100644\n")
    # A tab ends a name with blanks.
    tab, none = "\t" if " " in name else "", "/dev/null"
    head.append(f"--- {none if old is None else before + tab}\n+++ {none if new is None else after + tab}\n")
    hunks = [*difflib.unified_diff(_lines(old), _lines(new), n=3)][2:]
    return "".join((*head, *(_line(line, reasons) for line in hunks)))


def _lines(text: str | None) -> list[str]:
    """The lines with their line breaks; only `\n` ends one, as for git."""
    return re.findall(r"[^\n]*\n|[^\n]+\Z", text or "")


def _line(line: str, reasons: list[Reason]) -> str:
    match = re.match(r"@@ -(\d+)(?:,(\d+))? \+\S+ @@", line)
    if match is None:
        return line if line.endswith("\n") else line + _NO_NEWLINE
    first, count = int(match[1]), int(match[2] or 1)
    texts = dict.fromkeys(each.text for each in reasons if each.line == 0 or first <= each.line <= first + count)
    return f"{match[0]} {clean('; '.join(texts))}\n"


def _quoted(name: str) -> str:
    """A name as git writes it: in quotation marks with escapes, where it has more than printable ASCII."""
    octets = name.encode("utf-8", errors="surrogateescape")
    if _PLAIN.fullmatch(octets):
        return name
    plain = {each: chr(each) for each in range(32, 127)} | {each: f"\\{mark}" for each, mark in _ESCAPES.items()}
    return '"' + "".join(plain.get(each, f"\\{each:03o}") for each in octets) + '"'
