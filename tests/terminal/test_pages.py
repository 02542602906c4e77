"""Every page of the wizard as a person sees it, stored once at each of two sizes, over fakes.

Each scene is played with colour and without: without, each page is the stored one without its marks.

UPDATE_GOLDEN=1 stores the pages anew, and fails for each that it changes.
"""

from __future__ import annotations

import re

import pytest

from tests.terminal.conftest import Watch
from tests.terminal.scenes import SCENES
from tests.terminal.screens import expect, expect_plain, looks, marked, told_of_changes
from tests.wizard.fakes.clients import TOKEN

SIZES = (
    pytest.param(80, 24, id="80x24"),
    pytest.param(120, 40, id="120x40", marks=pytest.mark.thorough),
)
UNBROKEN = re.compile(r" *next: | {4,}\S")
"""What is to be copied is never wrapped: a command that was is another one."""
PLAIN = {"bold"}
"""The looks that are no colour, and that somebody who wants none still gets."""


def played(watch: Watch, scene: str, columns: int, rows: int, *, colour: bool) -> str:
    """Play the scene to its end, compare each of its pages with the stored one; all that was shown, with its marks."""
    person = watch(scene, columns=columns, rows=rows, colour=colour)
    compare = expect if colour else expect_plain
    pages = ""
    for move in SCENES[scene].moves:
        person.see(*move.shows)
        if move.page:
            compare(person, f"{columns}x{rows}/{move.page}", move.whole)
            pages += marked(person, whole=True)
        person.type(move.keys)
    assert person.leave() == SCENES[scene].code, person.transcript
    if SCENES[scene].last:
        compare(person, f"{columns}x{rows}/{SCENES[scene].last}", SCENES[scene].last_whole, ended=True)
    wide = [row for row in person.screen.overlong if not UNBROKEN.match(row)]
    assert wide == [], "a line is wider than the terminal"
    assert TOKEN.encode() not in person.received
    assert person.is_sane
    return pages + marked(person, whole=True)


@pytest.mark.parametrize(("columns", "rows"), SIZES)
@pytest.mark.parametrize("scene", [name for name, scene in SCENES.items() if scene.moves or scene.last])
def test_every_page_is_the_one_that_was_reviewed_and_the_same_without_colour(
    watch: Watch, scene: str, columns: int, rows: int
) -> None:
    played(watch, scene, columns, rows, colour=True)
    told_of_changes()
    assert looks(played(watch, scene, columns, rows, colour=False)) <= PLAIN
