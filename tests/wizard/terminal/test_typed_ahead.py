"""Keys that are pressed before a question is on the screen, in a real pseudo-terminal, and the way the run leaves it.

The run is the one of `wizard.cli.main`: a keyboard that is held, and questions after some waiting. Touches a
pseudo-terminal, and a shell where a run is suspended.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.selection import first
from tests.wizard.terminal.terminals import CTRL_C, CTRL_D, ENTER, Session

CTRL_Z, ESC = "\x1a", "\x1b"
PASTE = "".join(f"yes line {number}\r" for number in range(400))
"""More than a terminal's line and its queue hold."""

PROGRAM = """
import os, sys, time
from pathlib import Path
from wizard.cli import main
from wizard.core.models.inputs import Choice, InputType, Question
from wizard.terminal.keyboard import Keyboard
from wizard.terminal.terminal import Terminal

CHOICES = (
    Choice(value="apply", title="Apply", words=("y", "yes")),
    Choice(value="cancel", title="Cancel", words=("n",)),
)
QUESTIONS = {
    "select": Question(key="x", kind=InputType.SELECT, prompt="Which?", why="", choices=CHOICES),
    "checkbox": Question(key="x", kind=InputType.CHECKBOX, prompt="Which?", why="", choices=CHOICES, optional=True),
    "text": Question(key="x", kind=InputType.TEXT, prompt="Which?", why="", default="preset"),
    "secret": Question(key="x", kind=InputType.SECRET, prompt="Which?", why=""),
    "confirm": Question(key="x", kind=InputType.CONFIRM, prompt="Which?", why=""),
    "details": Question(
        key="x", kind=InputType.SELECT, prompt="Which?", why="", choices=CHOICES, details=lambda: terminal.line("more")
    ),
}
gate = Path(sys.argv[2])
keyboard = Keyboard(sys.stdin)
terminal = Terminal(interactive=True, out=sys.stdout, keyboard=keyboard)


def wait(name):
    terminal.working(f"waiting for {name}")
    while not gate.with_name(name).exists():
        time.sleep(0.01)


try:
    with keyboard.held():
        wait("the first")
        print("answer:", terminal.ask(QUESTIONS[sys.argv[1]]))
        wait("the second")
        if "broken" in sys.argv:
            raise ValueError("broken")
        print("answer:", terminal.ask(QUESTIONS[sys.argv[1]]))
        wait("the end")
except KeyboardInterrupt:
    print("interrupted")
    sys.exit(130)
print("ended")
"""
KINDS = ("select", "checkbox", "text", "secret", "confirm")


class Run(Session):
    """The program at its terminal."""

    def __init__(self, folder: Path, kind: str, *more: str, shell: bool = False, **environment: str) -> None:
        self._gate = folder / "gate"
        file = folder / "program.py"
        file.write_text(PROGRAM)
        self.command = f"{sys.executable} {file} {kind} {self._gate} {' '.join(more)}"
        super().__init__(*(["/bin/bash", "--norc", "-i"] if shell else self.command.split()), **environment)
        self.answers_cursor_queries = False

    def open(self, name: str) -> None:
        """What the run waits for is there."""
        self._gate.with_name(name).touch()

    @property
    def echoes(self) -> bool:
        return bool(self.modes & termios.ECHO)

    def is_restored(self) -> bool:
        wanted = termios.ECHO | termios.ICANON | termios.ISIG
        return self.final & wanted == wanted


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def started(kind: str, *more: str, **options: Any) -> Run:
        runs.append(Run(tmp_path, kind, *more, **options))
        return runs[-1]

    yield started
    for run in runs:
        run.child.close(force=True)


ANSWERS = {"select": "y" + ENTER, "checkbox": " " + ENTER, "text": ENTER, "secret": "s" + ENTER, "confirm": "n" + ENTER}
"""The keys that answer each kind once it is on the screen."""


CASES = [
    *(("select", keys) for keys in (ENTER * 2, "y" + ENTER, "q", " " + ENTER, ESC, CTRL_D, "?", PASTE)),
    *((kind, ENTER * 2) for kind in KINDS if kind != "select"),
]


@pytest.mark.parametrize(("kind", "keys"), first(4, CASES))
def test_keys_before_a_question_do_not_answer_it_and_do_not_show(
    start: Callable[..., Run], kind: str, keys: str
) -> None:
    run = start(kind)
    run.see("waiting for the first")
    run.type(keys)
    run.open("the first")
    run.see(r"\? Which\?")
    assert run.quiet().count("Which?") == 1 and "answer:" not in run.shown, run.shown
    assert "line 0" not in run.shown and "^[" not in run.shown
    run.type(ANSWERS[kind])
    run.see("answer: ")


def test_a_key_that_is_pressed_at_once_when_the_question_shows_counts(start: Callable[..., Run]) -> None:
    run = start("select")
    run.open("the first")
    run.open("the second")
    run.open("the end")
    run.see(r"\? Which\?")
    run.type("n" + ENTER)
    run.see(r"(?s)answer: cancel.*\? Which\?")
    run.type("y" + ENTER)
    assert run.end() == (0, None)
    assert "answer: cancel" in run.shown and "answer: apply" in run.shown


def test_letters_do_not_show_while_the_run_waits_and_show_again_afterwards(start: Callable[..., Run]) -> None:
    run = start("select")
    run.see("waiting for the first")
    assert not run.echoes
    run.type("letters")
    assert "letters" not in run.see("waiting for the first 2 s")
    run.type(CTRL_C)
    assert run.end() == (130, None)
    assert run.is_restored() and "letters" not in run.shown


@pytest.mark.parametrize("before", first(1, ["y" + ENTER, "", "y", PASTE]))
def test_ctrl_c_before_a_question_interrupts(start: Callable[..., Run], before: str) -> None:
    run = start("select")
    run.see("waiting for the first")
    run.type(before)
    run.type(CTRL_C)
    run.open("the first")
    assert run.end() == (130, None)
    assert "interrupted" in run.shown and "answer:" not in run.shown
    assert run.is_restored()


@pytest.mark.parametrize(
    "number",
    first(1, (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)),
)
@pytest.mark.parametrize("place", first(2, ["waiting", "secret", "select", "page"]))
def test_a_signal_ends_the_run_and_gives_the_terminal_back(
    start: Callable[..., Run], number: signal.Signals, place: str
) -> None:
    run = start("details" if place == "page" else "secret" if place == "secret" else "select")
    run.see("waiting for the first")
    if place != "waiting":
        run.open("the first")
        run.see(r"\? Which\?")
    if place == "page":
        run.type("d")
        run.see("lines 1 to")
    os.kill(run.child.pid, number)
    assert run.end() == (None, number)
    assert run.is_restored()
    assert run.received.count(b"\x1b[?25l") == 0 or run.received.rindex(b"\x1b[?25h") > run.received.rindex(
        b"\x1b[?25l"
    )
    if b"\x1b[?2004h" in run.received:
        assert run.received.rindex(b"\x1b[?2004l") > run.received.rindex(b"\x1b[?2004h")
    if place == "page":
        assert run.received.rindex(b"\x1b[?1049l") > run.received.rindex(b"\x1b[?1049h")


def test_an_error_gives_the_terminal_back(start: Callable[..., Run]) -> None:
    run = start("select", "broken")
    run.open("the first")
    run.open("the second")
    run.see(r"\? Which\?")
    run.type("y" + ENTER)
    assert run.end() == (1, None)
    assert "ValueError: broken" in run.shown
    assert run.is_restored()


def test_a_run_that_is_suspended_gives_the_terminal_back_and_takes_it_again(start: Callable[..., Run]) -> None:
    run = start("select", shell=True)
    run.see(r"prompt\$")
    run.type(f"{run.command}\r")
    run.see("waiting for the first")
    assert not run.echoes
    run.type(CTRL_Z)
    run.see("Stopped")
    run.type("stty -a | tr ' ' '\\n' | grep -x -e echo -e icanon | xargs echo modes:\r")
    assert "modes: icanon echo" in run.see("modes: .*echo")
    run.type("fg\r")
    run.see(r"(?s)fg\n.*waiting for the first \d+ s")
    assert not run.echoes
    run.type("y" + ENTER)
    run.open("the first")
    run.see(r"\? Which\?")
    assert "answer:" not in run.quiet()
    run.type(CTRL_Z)
    run.see(r"(?s)Stopped.*Stopped")
    run.type("fg\r")
    run.see(r"(?s)fg.*fg.*\? Which\?")
    run.quiet(0.3)
    run.type("n" + ENTER)
    run.see("answer: cancel")


@pytest.mark.parametrize("kind", first(1, ["secret", "text", "confirm"]))
def test_a_terminal_that_cannot_draw_discards_what_was_typed_too(start: Callable[..., Run], kind: str) -> None:
    run = start(kind, TERM="dumb")
    run.see("waiting for the first")
    run.type("typed ahead\rand a piece")
    run.open("the first")
    run.see(r"Which\?")
    assert "answer:" not in run.quiet() and "typed ahead" not in run.shown and "piece" not in run.shown
    run.type({"text": "later\r", "secret": "later\r", "confirm": "n\r"}[kind])
    shown = run.see("answer: ")
    assert f"answer: {'False' if kind == 'confirm' else 'later'}" in shown
    assert ("later" in shown.partition("answer:")[0]) == (kind == "text"), "a secret shows, or a line does not"
    assert not run.echoes
