"""What is told: within the width, in the signs the stream has, never as markup."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios
from collections.abc import Callable

import pytest

from tests.wizard.terminal.terminals import Hands, Written
from wizard.core.errors import Problem, ResourceError, SetupError
from wizard.core.models.inputs import Mark, StepState
from wizard.core.models.stack import Progress, Step
from wizard.core.next_command import Run, Text, eonpro, shell
from wizard.terminal.screen import Screen
from wizard.terminal.terminal import Terminal
from wizard.terminal.text import short_names

ARN = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
KEY = Step(urn="urn:key", op="create", type="aws:kms/key:Key", name="phi-key")

Told = Callable[[Callable[[Terminal], None]], str]


@pytest.fixture(autouse=True)
def capable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def told() -> Told:
    def tell(say: Callable[[Terminal], None]) -> str:
        out = io.StringIO()
        hands = Hands()
        say(Terminal(interactive=False, out=out, width=60, clock=hands.clock, timer=hands.timer))
        return out.getvalue()

    return tell


def everything(terminal: Terminal) -> None:
    terminal.own = OWN
    terminal.title("Set-up · production")
    terminal.section("Identity", "who the credentials belong to")
    for mark in Mark:
        terminal.line(f"{ARN} — said", mark=mark)
    terminal.table([("key", ARN), ("alias", "→ phi")], headings=("name", "value"))
    terminal.problems((Problem(what="An alias is taken", why="It points elsewhere.", next="aws kms list-aliases"),))
    terminal.error(ResourceError("It failed", "python -m wizard"))
    for state in StepState:
        terminal.progress(Progress(step=KEY, state=state, message="≥ 1"), 0.41)


def test_data_is_never_taken_for_markup(told: Told) -> None:
    def say(terminal: Terminal) -> None:
        terminal.line("[bold]a[/bold] [/nothing] :key:")
        terminal.table([("[red]b[/red]", "[link=x]c[/link]")])
        terminal.section("[i]d[/i]", "[u]e[/u]")

    text = told(say)
    for part in ("[bold]a[/bold] [/nothing] :key:", "[red]b[/red]", "[link=x]c[/link]", "[i]d[/i]", "[u]e[/u]"):
        assert part in text


def test_escape_sequences_and_changes_of_direction_in_data_do_not_reach_the_terminal(told: Told) -> None:
    text = told(lambda terminal: terminal.line("a\x1b]0;title\x07b\x9b31mc\u202ed\re"))
    assert text == "a?]0;title?b?31mc?d?e\n"


def test_a_line_is_wrapped_between_words_under_its_own_beginning(told: Told) -> None:
    text = told(lambda terminal: terminal.line("word " * 20 + "\n  deep", mark=Mark.OK))
    first, second, last = text.splitlines()
    assert first.startswith("✓ word") and second.startswith("  word") and last == "    deep"
    assert max(map(len, text.splitlines())) <= 60


def test_an_arn_longer_than_the_line_is_not_cut(told: Told) -> None:
    assert ARN in told(lambda terminal: terminal.error(SetupError(f"the key that was made is {ARN}", ""))).split()


def test_a_command_at_the_end_of_a_sentence_is_not_torn_by_the_width(told: Told) -> None:
    command = eonpro("push", "--redeploy", "--yes", "--stack", "a-staging")
    assert told(lambda terminal: terminal.line(Text("  then: restart the application: ", command))).splitlines() == [
        "  then: restart the application:",
        f"    {command}",
    ]
    marked = told(lambda terminal: terminal.line(Text("no backup is recorded; make one: ", command), mark=Mark.INFO))
    assert marked.splitlines()[1] == f"    {command}"
    assert told(lambda terminal: terminal.line(Text("again: ", eonpro("push")))) == "again: python -m wizard push\n"


def test_a_table_keeps_to_the_width_and_loses_nothing(told: Told) -> None:
    text = told(lambda terminal: terminal.table([("key", ARN), ("b",)], headings=("name", "value")))
    assert max(map(len, text.splitlines())) <= 60
    assert ARN in "".join(line[6:] for line in text.splitlines())
    assert text.splitlines()[0].split() == ["name", "value"]


def test_an_empty_table_says_nothing(told: Told) -> None:
    assert told(lambda terminal: terminal.table([])) == ""


def test_problems_are_numbered_with_what_why_and_next(told: Told) -> None:
    problems = [Problem(what=f"What {n}", why=f"Why {n}", next=f"next-command --number {n} " * 3) for n in (1, 2)]
    lines = [line for line in told(lambda terminal: terminal.problems(problems)).splitlines() if line]
    assert lines == [
        *("1. What 1", "   Why 1", "   next: " + ("next-command --number 1 " * 3).strip()),
        *("2. What 2", "   Why 2", "   next: " + ("next-command --number 2 " * 3).strip()),
    ]


def test_an_error_says_what_happened_and_then_the_next_command(told: Told) -> None:
    text = told(lambda terminal: terminal.error(ResourceError("It failed:\n  at once", "python -m wizard")))
    assert text.splitlines() == ["✗ It failed:", "    at once", "  next: python -m wizard"]


def test_a_resource_that_failed_says_why(told: Told) -> None:
    progress = Progress(step=KEY, state=StepState.FAILED, message="the policy locks you out")
    assert told(lambda terminal: terminal.progress(progress, 1.26)).splitlines() == [
        "  ✗ Key phi-key: create failed after 1.3 s",
        "    the policy locks you out",
    ]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_stream_without_the_signs_gets_plain_ones_and_every_mark_differs(encoding: str) -> None:
    out = Written(encoding)
    everything(Terminal(interactive=False, out=out, width=60))
    marks = [line.split()[0] for line in out.text.splitlines() if line.endswith(" said")]
    assert len(set(marks)) == len(Mark)
    assert "?" not in out.text


def test_a_mark_is_a_sign_whatever_the_colour() -> None:
    seen = []
    for colour in (True, False):
        out = io.StringIO()
        terminal = Terminal(interactive=False, out=out, width=60, colour=colour)
        for mark in Mark:
            terminal.line("x", mark=mark)
        seen.append(out.getvalue())
    assert "\x1b[" in seen[0] and "\x1b[" not in seen[1]
    assert [line[0] for line in seen[1].splitlines()] == list("✓!✗·…")


@pytest.mark.parametrize(
    ("tty", "environment", "coloured"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals_that_have_it_and_people_who_want_it(
    tty: bool, environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    out = Written(tty=tty)
    Terminal(interactive=False, out=out).line("x", mark=Mark.OK)
    assert ("\x1b[" in out.text) is coloured


def test_a_dumb_terminal_gets_no_escape_sequence_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    out = Written(tty=True)
    everything(Terminal(interactive=False, out=out))
    assert "\x1b" not in out.text and "\r" not in out.text


def test_the_width_is_that_of_the_stream_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    main, replica = pty.openpty()
    fcntl.ioctl(replica, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 33, 0, 0))
    with os.fdopen(replica, "w", encoding="utf-8") as out:
        Terminal(interactive=False, out=out, colour=False).line("word " * 20)
        out.flush()
        lines = os.read(main, 4096).decode().splitlines()
    os.close(main)
    assert 28 < max(map(len, lines)) <= 33


def test_a_command_that_is_shown_calls_the_program_by_its_name_here() -> None:
    out = io.StringIO()
    screen = Terminal(interactive=False, out=out, width=40, run=Run(program="bin/eonpro-kms"))
    screen.error(ResourceError("no", Text(eonpro("push"))))
    screen.verbatim(eonpro("verify"))
    assert out.getvalue() == "✗ no\n  next: bin/eonpro-kms push\n    bin/eonpro-kms verify\n"


OWN = ("111122223333", "us-east-1")


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("arn:aws:iam::111122223333:role/eonpro-app-role trusts it", "role eonpro-app-role trusts it"),
        ("the role arn:aws:iam::111122223333:role/path/app: gone", "the role app: gone"),
        ("arn:aws:iam::999988887777:role/evil may", "role evil of the account 999988887777 may"),
        ("arn:aws:iam::111122223333:root, and", "root, and"),
        ("as arn:aws:sts::111122223333:assumed-role/app/session, by", "as role app/session, by"),
        (
            "the key arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab exists",
            "the key 1234abcd… exists",
        ),
        (
            "arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab.",
            "key mrk-1234abcd… in eu-central-1.",
        ),
        ("arn:aws:s3:::logs-of-it/* is open", "bucket logs-of-it/* is open"),
        ("the trail arn:aws:cloudtrail:us-east-1:111122223333:trail/t: x", "the trail t: x"),
        ("arn:aws:sns:us-east-1:111122223333:alerts", "topic alerts"),
        (
            "the OIDC provider arn:aws:iam::111122223333:oidc-provider/oidc.vercel.com/acme has",
            "the OIDC provider oidc.vercel.com/acme has",
        ),
        ("arn:aws:secretsmanager:us-east-1:111122223333:secret:/eonpro/x", "secret /eonpro/x"),
    ],
)
def test_a_sentence_calls_a_resource_by_its_short_name(sentence: str, shown: str) -> None:
    assert short_names(sentence, OWN) == shown


def test_a_command_keeps_its_arns_and_a_sentence_before_the_stack_is_known() -> None:
    arn = "arn:aws:iam::111122223333:role/app"
    out = io.StringIO()
    screen = Screen(out=out, width=200)
    screen.line(Text(f"{arn} may: ", shell("aws", "iam", "get-role", arn)))
    screen.own = OWN
    screen.line(Text(f"{arn} may: ", shell("aws", "iam", "get-role", arn)))
    screen.verbatim(shell("aws", arn))
    assert out.getvalue().splitlines() == [
        f"{arn} may: aws iam get-role {arn}",
        f"role app may: aws iam get-role {arn}",
        f"    aws {arn}",
    ]
