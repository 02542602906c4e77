"""Every page of the wizard as a person sees it in 80 columns and 24 rows, stored once, over fakes.

UPDATE_GOLDEN=1 stores the pages anew, and fails for each that it changes.
"""

from __future__ import annotations

import re

import pytest

from tests.terminal.conftest import Watch
from tests.terminal.scenes import SCENES
from tests.terminal.screens import expect, told_of_changes
from tests.wizard.fakes.clients import TOKEN

UNBROKEN = re.compile(r" *next: | {4,}\S")
"""What is to be copied is never wrapped: a command that was is another one."""


@pytest.mark.parametrize("scene", [name for name, scene in SCENES.items() if scene.moves or scene.last])
def test_every_page_is_the_one_that_was_reviewed(watch: Watch, scene: str) -> None:
    person = watch(scene)
    for move in SCENES[scene].moves:
        person.see(*move.shows)
        if move.page:
            expect(person, move.page, move.whole)
        person.type(move.keys)
    assert person.leave() == SCENES[scene].code, person.transcript
    if SCENES[scene].last:
        expect(person, SCENES[scene].last, SCENES[scene].last_whole, ended=True)
    wide = [row for row in person.screen.overlong if not UNBROKEN.match(row)]
    assert wide == [], "a line is wider than the terminal"
    assert TOKEN.encode() not in person.received
    assert person.is_sane
    told_of_changes()
