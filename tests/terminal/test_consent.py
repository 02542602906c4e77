"""How a plan is agreed to, and what is no agreement, at a real terminal over fakes."""

from __future__ import annotations

import pytest

from tests.terminal.audience import Spectator
from tests.terminal.conftest import Watch
from tests.terminal.person import BACKSPACE, CTRL_C, DOWN, ENTER, SPACE
from tests.terminal.scenes import CARRY_OUT, SCENES, asks
from tests.wizard.setup.test_workflow import WRITES

ESC, CTRL_U = "\x1b", "\x15"
SCENE = "nothing-but-an-empty-folder"


def at_the_plan(watch: Watch, **size: int) -> Spectator:
    """A person who has answered everything but the last question."""
    person: Spectator = watch(SCENE, **size)
    for move in SCENES[SCENE].moves[1:6]:
        person.see(*move.shows[-1:])
        person.type(move.keys)
    person.see(*CARRY_OUT)
    return person


def wrote(person: Spectator) -> bool:
    return bool(WRITES & {call.split()[0] for call in person.calls})


@pytest.mark.parametrize("keys", [ENTER, "y" + ENTER])
def test_these_keys_apply_the_plan(watch: Watch, keys: str) -> None:
    person = at_the_plan(watch)
    person.type(keys)
    person.answer(asks("backup_to"), "» Later")
    assert person.leave() == 0
    assert wrote(person)


def test_esc_cancels_the_plan(watch: Watch) -> None:
    person = at_the_plan(watch)
    person.type(ESC)
    assert person.leave() == 8
    assert "? Apply this plan? Cancel" in person.transcript and "nothing was changed" in person.words
    assert not wrote(person)


def test_another_word_is_refused_with_the_choices(watch: Watch) -> None:
    person = at_the_plan(watch)
    person.type("yess")
    person.see("/ yess")
    person.type(ENTER)
    person.see('! "yess" is not a choice. Type y: Apply, e: Edit an answer, n: Cancel')
    person.type("no" + ENTER)
    assert person.leave() == 8
    assert not wrote(person)


def test_an_arrow_after_a_word_chooses_by_the_pointer_again(watch: Watch) -> None:
    person = at_the_plan(watch)
    person.type("y" + DOWN + DOWN)
    person.see("» Cancel")
    person.type(ENTER)
    assert person.leave() == 8
    assert not wrote(person)


def test_enter_that_was_pressed_more_than_once_at_an_earlier_question_applies_nothing(watch: Watch) -> None:
    person = watch(SCENE)
    person.see(asks("target"))
    person.type(SPACE + ENTER)
    for key in ("account", "region", "administrators"):
        person.see_live(asks(key))
        person.type(ENTER)
    person.see_live(asks("alert_emails"))
    person.type(ENTER * 5)
    person.see(*CARRY_OUT)
    assert not person.goes_on(0.5), person.shown
    person.type("n" + ENTER)
    assert person.leave() == 8
    assert not wrote(person)


def test_the_details_are_a_page_of_their_own_with_paging(watch: Watch) -> None:
    rows = 10
    person = at_the_plan(watch, columns=40, rows=rows)
    # The line of the keys is the last that is drawn.
    person.see("Cancel", "Esc")
    before = person.transcript
    person.type("d")
    first = person.see("Review", "lines 1 to")
    total = int(first.rpartition(" of ")[2].split()[0])
    assert total > rows and len(first.split("\n")) == rows
    assert "Apply this plan?" not in first
    seen, start, size = first.rpartition("\n")[0], 1, rows - 1
    while start + size <= total:
        # The last page is a whole one, too.
        start = min(start + size, total - size + 1)
        person.type(" ")
        seen += person.see(f"lines {start} to {start + size - 1} of {total}").rpartition("\n")[0]
    assert "eonpro-cloudtrail-logs-111122223333-us-east-1-an" in "".join(seen.split()), "a long name is cut"
    assert "Plan" in seen and "What it costs" in seen and "How long it takes" in seen
    person.type("g")
    assert person.see("lines 1 to") == first
    person.type("q")
    person.see("Apply this plan?", "» Apply", "Cancel", "Esc")
    assert person.transcript == before, "the screen before it does not come back"
    person.type("n" + ENTER)
    assert person.leave() == 8


@pytest.mark.thorough
def test_a_window_that_becomes_narrower_lays_the_details_out_again(watch: Watch) -> None:
    person = at_the_plan(watch)
    person.type("d")
    person.see("lines 1 to 23 of 57")
    person.narrow(60)
    person.see("Review", "lines 1 to 23 of 6")
    person.type(CTRL_C)
    assert person.leave() == 130
    assert person.is_sane


def test_a_filter_without_a_match_says_so_and_takes_nothing(watch: Watch) -> None:
    person = watch("several-profiles")
    person.see(asks("profile"))
    person.type(DOWN + ENTER)
    person.see_live(asks("region"))
    person.type("atlantis" + ENTER)
    person.see('! no choice has "atlantis" in it; Backspace removes a letter, Ctrl-U all of')
    person.type(CTRL_U)
    person.see("» ap-northeast-1")
    person.type("frankfurt")
    person.see("/ frankfurt", "» eu-central-1 · Europe, Frankfurt")
    assert "ap-northeast-1" not in person.shown
    person.type(BACKSPACE * 9 + "europe milan")
    person.see("» - eu-south-1 · Europe, Milan (off in this account)")
    person.type(ENTER)
    person.see("! eu-south-1 · Europe, Milan cannot be chosen: off in this account", "ap-south-1")
    person.type("tokyo" + ENTER)
    person.see("? Which Region? ap-northeast-1 · Asia Pacific, Tokyo")
    person.type(CTRL_C)
    assert person.leave() == 130


def test_enter_with_nothing_ticked_says_so(watch: Watch) -> None:
    person = watch(SCENE)
    person.see(asks("target"))
    person.type(ENTER)
    person.see("! Choose at least one: Space ticks it.")
    person.type(SPACE + ENTER)
    person.see(asks("account"))
    person.type(CTRL_C)
    assert person.leave() == 130


def test_esc_goes_back_and_from_the_first_question_leaves(watch: Watch) -> None:
    person = watch(SCENE)
    person.see(asks("target"))
    person.type(SPACE + ENTER)
    person.see_live(asks("account"))
    person.type(ESC)
    person.see_live(asks("target"))
    person.see("» ● Vercel", "Esc cancels")
    person.type(ESC)
    assert person.leave() == 130
    assert "interrupted" in person.words and person.is_sane


def test_the_keys_stand_under_the_list(watch: Watch) -> None:
    person = watch(SCENE)
    shown = person.see(asks("target"), "Esc cancels").rstrip().split("\n")
    assert shown[-1].startswith("  (Space ticks, Enter continues") and "Amazon EKS" in shown[-2]
    person.type(CTRL_C)
    assert person.leave() == 130
