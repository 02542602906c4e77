"""Single prompts at a real terminal: the keys of the hint in each state, and a window that is resized."""

from __future__ import annotations

from tests.terminal.conftest import Watch
from tests.terminal.person import BACKSPACE, CTRL_C, ENTER, SPACE
from tests.terminal.scenes import asks


def test_a_narrower_window_leaves_no_copy_of_the_question_behind(watch: Watch) -> None:
    person = watch("nothing-but-an-empty-folder")
    person.see(asks("target"), "Amazon EKS")
    person.narrow(60)
    while person.goes_on(0.5):
        pass
    assert person.shown.count("Where does the") == 1, person.shown
    assert person.shown.count("Amazon EKS") == 1, person.shown
    person.type(SPACE + ENTER)
    person.see("Which AWS account?")
    assert not person.screen.overlong, "what comes next is drawn for the former width"
    person.type(CTRL_C)
    person.leave()


def test_the_hint_names_no_key_that_is_text_now(watch: Watch) -> None:
    person = watch("ecs-typed")
    person.see(asks("ecs_cluster"), "(? why")
    person.type("a")
    while "(? why" in person.shown:
        person.goes_on(0.1)
    person.type("?")
    person.see_at_cursor("a?")
    person.type(BACKSPACE * 2)
    person.see("(? why")
    person.type("?")
    person.see("It can also be given as", "(? why")
    person.type(CTRL_C)
    assert person.leave() == 130
