"""What a person sees: the menus drawn in a real pseudo-terminal of 80 columns."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.wizard.terminal.terminals import CTRL_C, DOWN, ENTER, Session

COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:[349]\d|10\d)(?:;\d+)*m")

PROGRAM = """
import json, sys
from wizard.core.models.inputs import Choice
from wizard.inputs.registry import by_key
from wizard.core.models.inputs import Mark
from wizard.terminal.terminal import Terminal

terminal = Terminal(interactive=True, out=sys.stderr)
regions = [Choice(value=name, title=name) for name in ("ap-south-1", "eu-west-1", "us-east-1")]
try:
    region = terminal.ask(by_key["region"].question(regions, "us-east-1"))
    target = terminal.ask(by_key["target"].question())
    terminal.line("asked", mark=Mark.OK)
    print(json.dumps([region, target]))
except KeyboardInterrupt:
    sys.exit(130)
"""

WAITING = """
import sys, time
from wizard.terminal.terminal import Terminal

terminal = Terminal(interactive=True, out=sys.stderr)
try:
    terminal.working("asking AWS")
    # Not signal.pause(): an interrupt that comes right before it would never wake it.
    while True:
        time.sleep(0.05)
except KeyboardInterrupt:
    terminal.line()
    terminal.line("interrupted")
    sys.exit(130)
"""


class Piped(Session):
    """A program whose standard output goes to a file, as with `--json > file`: what is asked must show nevertheless."""

    def __init__(self, folder: Path, program: str, environment: dict[str, str]) -> None:
        self.output = folder / "output"
        command = ("/bin/sh", "-c", 'exec "$0" -c "$1" > "$2"', sys.executable, program, str(self.output))
        super().__init__(*command, **environment)

    @property
    def rows(self) -> list[str]:
        return [row for row in self.shown.splitlines() if row]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Piped]]:
    sessions: list[Piped] = []

    def started(program: str = PROGRAM, **environment: str) -> Piped:
        sessions.append(Piped(tmp_path, program, environment))
        return sessions[-1]

    yield started
    for session in sessions:
        session.child.close(force=True)


def test_a_terminal_that_does_not_say_where_its_cursor_is_gets_the_menus_without_a_warning(start) -> None:
    hurry = "import prompt_toolkit.renderer\nprompt_toolkit.renderer.Renderer.CPR_TIMEOUT = 0.05\n"

    session = start(hurry + PROGRAM)
    session.answers_cursor_queries = False
    session.see("» us-east-1")
    time.sleep(0.3)
    session.type(ENTER)
    session.see("Amazon ECS")
    session.type(" " + ENTER)
    assert session.end() == (0, None)
    assert b"WARNING" not in session.received


def test_the_menus_are_drawn_beside_an_output_that_is_piped_away(start) -> None:
    session = start()
    shown = session.see(r"Which Region\?")
    assert "The key never leaves its Region" in shown
    assert "» us-east-1" in session.see("us-east-1")
    session.type("west")
    session.see("/ west")
    session.type(ENTER)
    assert "○ Vercel" in session.see("Amazon ECS")
    session.type(DOWN + " ")
    session.see("● Amazon ECS")
    session.type(ENTER)
    session.see("✓ asked")
    assert session.end() == (0, None)
    assert session.output.read_text() == '["eu-west-1", ["ecs"]]\n'


def test_ctrl_c_leaves_the_menu_and_the_program(start) -> None:
    session = start()
    session.see("us-east-1")
    session.type(CTRL_C)
    assert session.end() == (130, None)
    assert session.output.read_text() == ""


def test_what_was_explained_stands_above_the_question_that_is_put_again(start) -> None:
    session = start()
    session.see(r"\(arrows or letters, Enter; \? why, Esc cancels\)")
    session.type("west")
    session.see("/ west")
    session.type("?")
    shown = session.see(r"164\.3")
    assert "/ west" in session.see("» eu-west-1")
    assert shown.count("? Which Region?") <= 1, "the one before was wiped"
    session.type(ENTER)
    session.see(r"\? Which Region\? eu-west-1")


LONG = """
import sys
import time
from wizard.core.models.inputs import Choice, InputType, Question
from wizard.terminal.terminal import Terminal

words = "Which of all the many things that could be meant here is really the one that is meant by it?"
choices = tuple(Choice(value=str(n), title=f"The {n}. of " + "very " * 20 + "long titles") for n in range(12))
print(Terminal(interactive=True, out=sys.stderr).ask(
    Question(key="x", kind=InputType.SELECT, prompt=words, why="", choices=choices[:9], default="4")
))
"""


def test_a_long_question_is_broken_between_words_and_a_long_choice_is_shortened(start) -> None:
    session = start(LONG)
    session.see(r"» The 4\. of very")
    question, rest, *choices = session.rows
    assert question == "? Which of all the many things that could be meant here is really the one that"
    assert rest == "  is meant by it?"
    assert choices.pop() == "  (arrows or letters, Enter; Esc cancels)"
    assert len(choices) == 9 and all(choice.endswith("…") and len(choice) <= 80 for choice in choices)
    session.type(ENTER)
    assert session.end() == (0, None)
    assert session.output.read_text() == "4\n"


def test_without_colour_the_menus_stay_and_nothing_else_is_drawn_over(start) -> None:
    session = start(NO_COLOR="1")
    session.see("» us-east-1")
    session.type(ENTER)
    session.see("○ Vercel")
    session.type(" " + ENTER)
    session.see("✓ asked")
    assert session.end() == (0, None)
    assert not COLOUR.search(session.received)


def test_ctrl_c_while_something_is_under_way_leaves_a_clean_line(start) -> None:
    session = start(WAITING)
    session.see("… asking AWS 1 s")
    session.type(CTRL_C)
    assert session.end() == (130, None)
    assert session.rows == ["interrupted"]


def test_ctrl_c_while_something_is_under_way_ends_a_plain_line(start) -> None:
    session = start(WAITING, TERM="dumb")
    session.see(r"\.\.\. asking AWS")
    session.type(CTRL_C)
    assert session.end() == (130, None)
    assert session.rows == ["... asking AWS", "^C", "interrupted"]


def test_without_the_signs_the_same_is_asked_in_plain_lines(start) -> None:
    session = start(PYTHONIOENCODING="ascii")
    assert "  3. us-east-1" in session.see(r"Which Region\? \(number; \? why\) \[3\]")
    session.type("2\n")
    session.see(r"Where does the application run\? \(numbers, with commas; 0: none; \? why\)")
    session.type("1\n")
    session.see("ok asked")
    assert session.end() == (0, None)
    assert session.output.read_text() == '["eu-west-1", ["vercel"]]\n'
