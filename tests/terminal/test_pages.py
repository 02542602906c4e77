"""Every page of the wizard as a person sees it, stored: at two sizes, with and without colour, over fakes.

UPDATE_GOLDEN=1 stores the pages anew, and fails for each that it changes.
"""

from __future__ import annotations

import re

import pytest

from tests.terminal.conftest import Watch
from tests.terminal.scenes import SCENES
from tests.terminal.screens import STORED, expect, looks, marked, steady, told_of_changes, unmarked
from tests.wizard.fakes.clients import TOKEN

SIZES = (
    pytest.param(80, 24, id="80x24"),
    pytest.param(120, 40, id="120x40", marks=pytest.mark.thorough),
)
UNBROKEN = re.compile(r" *next: | {4,}\S")
"""What is to be copied is never wrapped: a command that was is another one."""
PLAIN = {"bold"}
"""The looks that are no colour, and that somebody who wants none still gets."""


def played(watch: Watch, scene: str, columns: int, rows: int, *, colour: bool) -> list[str]:
    """The scene to its end, each of its pages as stored; all that was told, at each page."""
    person = watch(scene, columns=columns, rows=rows, colour=colour)
    where = f"{columns}x{rows}" + ("" if colour else "-no-colour")
    told = []
    for move in SCENES[scene].moves:
        person.see(*move.shows)
        if move.page:
            expect(person, f"{where}/{move.page}", move.whole)
            told.append(steady(marked(person, whole=True)))
        person.type(move.keys)
    assert person.leave() == SCENES[scene].code, person.transcript
    if SCENES[scene].last:
        expect(person, f"{where}/{SCENES[scene].last}", SCENES[scene].last_whole, ended=True)
    told.append(steady(marked(person, whole=True)))
    wide = [row for row in person.screen.overlong if not UNBROKEN.match(row)]
    assert wide == [], "a line is wider than the terminal"
    assert TOKEN.encode() not in person.received
    assert person.is_sane
    return told


@pytest.mark.parametrize(("columns", "rows"), SIZES)
@pytest.mark.parametrize("scene", [name for name, scene in SCENES.items() if scene.moves or scene.last])
def test_every_page_is_the_one_that_was_reviewed(watch: Watch, scene: str, columns: int, rows: int) -> None:
    coloured = played(watch, scene, columns, rows, colour=True)
    plain = played(watch, scene, columns, rows, colour=False)
    told_of_changes()
    assert looks("".join(plain)) <= PLAIN
    for with_colour, without in zip(coloured, plain, strict=True):
        assert said(unmarked(with_colour)) == said(unmarked(without)), "colour alone tells something"


def said(text: str) -> list[str]:
    """The lines of a page, without those that tell what is under way: without colour they stay, with it they go."""
    return [line for line in text.split("\n") if line and not line.startswith(("... ", "  … "))]


def test_every_stored_page_is_of_a_scene() -> None:
    pages = {move.page for scene in SCENES.values() for move in scene.moves if move.page}
    pages |= {scene.last for scene in SCENES.values() if scene.last}
    for folder in ("80x24", "80x24-no-colour", "120x40", "120x40-no-colour"):
        stored = {file.stem for file in (STORED / folder).glob("*.txt") if not file.stem.startswith("real-")}
        assert stored == pages
