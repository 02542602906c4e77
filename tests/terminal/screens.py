"""Screens as text: what a terminal drew, with marks for its looks, and without what differs from run to run.

Touches the stored screens under `screens/`.
"""

from __future__ import annotations

import difflib
import os
import re
import time
from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.terminal.person import Person

STORED = Path(__file__).parent / "screens"

QUIET_SECONDS = 2.0
"""A screen that has not changed for this long is not going to: it is told how it differs."""
_UPDATED = os.environ.get("UPDATE_GOLDEN") == "1"

_LOOKS = {"bold": "bold", "italics": "italic", "underscore": "underlined", "blink": "dim", "reverse": "reversed"}
SEEN = ("reversed", "underlined")
"""What shows on white space too."""
_MARK = re.compile(r"\{(?:/|[a-z]+(?: [a-z]+)*)\}")

# Each gives way to something as long, so that no line breaks elsewhere.
_VOLATILE = (
    (r"(resources: .*, in )\d+ s", r"\g<1>0 s"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", "2026-01-02T03:04:05+00:00"),
    (r"\bmrk-[0-9a-f]{32}", "mrk-" + "0" * 32),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "00000000-0000-0000-0000-000000000000"),
    (r"\bsha256:[0-9a-f]{16}", "sha256:" + "0" * 16),
    # A key check value, also on the next line.
    (r"(\bkey\s+)[0-9a-f]{16}\b", r"\g<1>" + "0" * 16),
    (r"-\d{8}T\d{6}Z\b", "-20260102T030405Z"),
    (r"\b\d+\.\d s\b", "0.0 s"),
    # How long something has been under way, and the sign that turns meanwhile.
    (r"(?m)^(  … .*?)(?: \d+ s)?(?: [⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏])?$", r"\1"),
    (r"(?m)^(\.\.\. [^.\n]*?)(?: \d+ s)?(?: \.+)?$", r"\1"),
    (r"(?m)^(?:   \.+)\n", ""),
)


def marked(person: Person, *, whole: bool) -> str:
    """The screen with a mark wherever its look changes: `{green}✓{/} done`. `whole`: and what has scrolled away."""
    screen = person.screen
    # What has scrolled away is of the first screen.
    rows = [*screen.history.top] if whole and not screen.is_second else []
    rows += [screen.buffer[number] for number in range(screen.lines)]
    return "\n".join(_row([row[number] for number in range(screen.columns)]) for row in rows).rstrip("\n") + "\n"


def _row(cells: Sequence[Any]) -> str:
    text = "".join([cell.data or " " for cell in cells]).rstrip()
    pairs = zip(_seen(text, [_look(cell) for cell in cells[: len(text)]]), text, strict=False)
    pieces = []
    for look, same in groupby(pairs, key=lambda pair: pair[0]):
        run = "".join(character for _, character in same)
        pieces.append(f"{{{' '.join(look)}}}{run}{{/}}" if look else run)
    return "".join(pieces)


def _seen(text: str, looks: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The looks as they are seen: white space has none of its own but a background, and goes with what it parts."""
    for blank in re.finditer(r" +", text):
        before = looks[blank.start() - 1] if blank.start() else ()
        after = looks[blank.end()]
        for number in range(*blank.span()):
            if not any(word in SEEN or word.startswith("on ") for word in looks[number]):
                looks[number] = before if before == after else ()
    return looks


@cache
def _look(cell: Any) -> tuple[str, ...]:
    looks = [word for name, word in _LOOKS.items() if getattr(cell, name)]
    if cell.fg != "default":
        looks.append(cell.fg.replace("brown", "yellow"))
    if cell.bg != "default":
        looks.append(f"on {cell.bg}")
    return tuple(looks)


def looks(text: str) -> set[str]:
    """Every look that a marked text has."""
    return {word for mark in _MARK.findall(text) for word in mark.strip("{}").split() if word != "/"}


def unmarked(text: str) -> str:
    """The words of a marked text."""
    return "\n".join(line.rstrip() for line in _MARK.sub("", text).split("\n"))


def steady(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, stable in _VOLATILE:
        text = re.sub(pattern, stable, text)
    return text


def since(text: str, heading: str) -> str:
    """The text from the last line on that begins with the heading."""
    if not heading:
        return text
    lines = text.split("\n")
    begin = max(number for number, line in enumerate(lines) if unmarked(line).startswith(heading))
    return "\n".join(lines[begin:])


def expect(person: Person, name: str, whole: str = "", *, ended: bool = False, arrange: Any = lambda text: text) -> str:
    """The page, once it shows as it was stored. Fails with how it differs when nothing more comes.

    To take a change over: UPDATE_GOLDEN=1, which fails for every file it changes; then review the diff.
    """
    file = STORED / f"{name}.txt"
    stored = file.read_text() if file.exists() else ""

    def shown() -> str:
        return str(arrange(steady(since(marked(person, whole=bool(whole)), whole))))

    page = _settled(person, shown, lambda page: page == stored, ended=ended)
    if page != stored and _UPDATED:
        file.write_text(page)
        CHANGED.append(file.name)
        return page
    if page != stored:
        _fail(f"{name} is another page now (UPDATE_GOLDEN=1 takes it over)", stored, page)
    return page


def _settled(person: Person, shown: Callable[[], str], expected: Callable[[str], bool], *, ended: bool) -> str:
    """What is shown once it is as expected, or once nothing more comes."""
    quiet = QUIET_SECONDS / 4 if _UPDATED else QUIET_SECONDS
    page, changed = "", time.monotonic()
    while True:
        if (now := shown()) != page:
            page, changed = now, time.monotonic()
        # What turns while something is under way is no change.
        if expected(page) or ended or time.monotonic() - changed > quiet:
            return page
        person.goes_on(quiet)


def _fail(what: str, stored: str, page: str) -> NoReturn:
    difference = difflib.unified_diff(stored.split("\n"), page.split("\n"), "stored", "shown", lineterm="")
    pytest.fail(f"{what}:\n" + "\n".join(difference))


CHANGED: list[str] = []
"""The files that UPDATE_GOLDEN wrote since the test began."""


def told_of_changes() -> None:
    """Fail for what was written."""
    written, CHANGED[:] = list(CHANGED), []
    if written:
        pytest.fail(f"wrote {', '.join(written)}: review it, and run again without UPDATE_GOLDEN")
