"""What is under way: told at least once a second, live and in plain lines, and gone with the next word."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from pathlib import Path

import pyte
import pytest

from tests.wizard.terminal.terminals import Hands, Written
from wizard.core.models.inputs import Mark, StepState
from wizard.core.models.stack import Progress, Step
from wizard.terminal.status_line import REDRAWN_SECONDS, every
from wizard.terminal.terminal import Terminal

ROOT = Path(__file__).resolve().parents[3]
KEY = Step(urn="urn:key", op="create", type="aws:kms/key:Key", name="phi-key")
ALIAS = Step(urn="urn:alias", op="create", type="aws:kms/alias:Alias", name="phi-alias")


class Stage:
    """A terminal, its clock and timer, and what a person would see on it."""

    def __init__(self, out: Written | io.StringIO, *, width: int = 80) -> None:
        self.out = out
        self.hands = Hands()
        self.terminal = Terminal(
            interactive=False, out=out, width=width, clock=self.hands.clock, timer=self.hands.timer
        )

    @property
    def written(self) -> str:
        return self.out.text if isinstance(self.out, Written) else self.out.getvalue()

    @property
    def rows(self) -> list[str]:
        screen = pyte.Screen(80, 24)
        pyte.Stream(screen).feed(self.written.replace("\n", "\r\n"))
        return [row.rstrip() for row in screen.display if row.strip()]

    def goes(self, step: Step, state: StepState, seconds: float = 0.0) -> None:
        self.terminal.progress(Progress(step=step, state=state), seconds)


@pytest.fixture(autouse=True)
def capable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def live() -> Stage:
    return Stage(Written(tty=True))


@pytest.fixture
def piped() -> Stage:
    return Stage(io.StringIO())


# --- on a live terminal --------------------------------------------------------------------------------------------


def test_the_seconds_of_what_is_under_way_are_counted(live: Stage) -> None:
    live.terminal.working("asking AWS")
    assert live.rows == ["  … asking AWS"]
    live.hands.turn(3)
    assert live.rows[0].startswith("  … asking AWS 3 s ")


def test_something_turns_within_every_second(live: Stage) -> None:
    live.terminal.working("asking AWS")
    assert REDRAWN_SECONDS < 1
    seen = []
    for _ in range(3):
        live.hands.turn(1)
        seen.append(live.rows[0])
    assert len(set(seen)) == 3
    before = live.written
    live.hands.turn(0.9)
    assert live.written != before


def test_the_next_word_wipes_it_and_ends_its_timer(live: Stage) -> None:
    live.terminal.working("asking AWS")
    live.hands.turn(2)
    live.terminal.line("asked", mark=Mark.OK)
    assert live.rows == ["✓ asked"]
    assert live.hands.timers == []


def test_another_thing_under_way_counts_from_its_own_beginning(live: Stage) -> None:
    live.terminal.working("asking AWS")
    live.hands.turn(5)
    live.terminal.working("asking Vercel")
    assert live.rows == ["  … asking Vercel"]
    assert len(live.hands.timers) == 1


def test_the_resource_that_runs_longest_is_counted(live: Stage) -> None:
    live.goes(KEY, StepState.STARTED)
    live.hands.turn(4)
    live.goes(ALIAS, StepState.STARTED)
    live.hands.turn(1)
    assert live.rows[0].startswith("  … Key phi-key, Alias phi-alias 5 s")
    live.goes(KEY, StepState.DONE, 5.0)
    assert live.rows == ["  … Alias phi-alias 1 s"]


def test_between_two_resources_there_is_no_silence(live: Stage) -> None:
    live.terminal.working("Pulumi starts")
    live.goes(KEY, StepState.STARTED)
    live.goes(KEY, StepState.DONE, 0.4)
    live.hands.turn(2)
    assert live.rows[0].startswith("  … waiting for the engine 2 s")


def test_what_does_not_fit_in_the_line_is_shortened_and_its_seconds_stay(live: Stage) -> None:
    for number in range(12):
        live.goes(Step(urn=str(number), op="create", type="aws:kms/key:Key", name=f"key-{number}"), StepState.STARTED)
    live.hands.turn(7)
    assert len(live.rows) == 1
    assert "… 7 s" in live.rows[0] and len(live.rows[0]) <= 78, "and ^C has room behind it"


def test_after_ctrl_c_the_next_word_begins_on_a_clean_line(live: Stage) -> None:
    live.terminal.working("asking AWS")
    live.hands.turn(1)
    live.out.write("^C")
    live.terminal.line()
    live.terminal.line("interrupted")
    assert live.rows == ["interrupted"]
    assert live.hands.timers == []


# --- in plain lines ------------------------------------------------------------------------------------------------


def test_in_a_pipe_only_what_came_of_a_task_is_written(piped: Stage) -> None:
    piped.terminal.working("asking AWS")
    piped.hands.turn(5)
    piped.goes(KEY, StepState.STARTED)
    piped.goes(KEY, StepState.DONE, 0.4)
    assert piped.written == ""
    piped.terminal.line("asked", mark=Mark.OK)
    assert piped.written == "✓ asked\n"


def test_a_plain_line_keeps_to_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stage = Stage(Written(tty=True))
    stage.terminal.working("word " * 40)
    (line,) = stage.written.splitlines()
    assert len(line) <= 80 and line.endswith("...")


@pytest.mark.parametrize(
    ("variable", "encoding"), [(("NO_COLOR", "1"), "utf-8"), (("TERM", "dumb"), "utf-8"), (("TERM", "xterm"), "ascii")]
)
def test_a_terminal_without_colour_or_signs_gets_plain_lines(
    variable: tuple[str, str], encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*variable)
    stage = Stage(Written(encoding, tty=True))
    stage.terminal.working("asking AWS")
    stage.goes(KEY, StepState.STARTED)
    stage.hands.turn(1)
    stage.terminal.line("asked")
    assert stage.written == "... asking AWS\nasked\n"


# --- threads, streams that end ----------------------------------------------------------------------------


def test_a_thread_that_comes_late_finds_nothing_to_say(live: Stage) -> None:
    live.terminal.working("asking AWS")
    late = live.hands.timers[0][1]
    live.terminal.line("asked")
    before = live.written
    late()
    assert live.written == before


def test_a_stream_that_nobody_reads_any_more_ends_the_timer_without_a_word(live: Stage) -> None:
    live.terminal.working("asking AWS")
    live.out.close()
    live.hands.turn(3)
    assert live.hands.timers == []


def test_a_timer_acts_until_it_is_ended() -> None:
    thrice = threading.Event()
    times: list[int] = []

    def act() -> None:
        times.append(1)
        if len(times) >= 3:
            thrice.set()

    others = set(threading.enumerate())
    end = every(0.01, act)
    assert thrice.wait(30)
    (thread,) = set(threading.enumerate()) - others
    end()
    thread.join(30)
    assert not thread.is_alive()


def test_a_slow_thing_is_told_of_by_a_real_thread_and_no_word_of_it_comes_late() -> None:
    out = Written(tty=True)
    terminal = Terminal(interactive=False, out=out, width=80)
    terminal.working("asking AWS")
    threading.Event().wait(2.5)
    terminal.line("asked")
    told = out.text
    assert "… asking AWS 2 s" in told and told.endswith("\r\x1b[Kasked\n")


PROGRAM = """
import sys
from wizard.terminal.terminal import Terminal
Terminal(interactive=False, out=sys.stdout).working("asking AWS")
sys.exit(3)
"""


def test_a_program_that_ends_meanwhile_ends_as_it_would() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, timeout=30, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
