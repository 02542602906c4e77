"""Questions put to a person: menus through a pipe of keys, plain lines through standard input."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.selection import named
from tests.wizard.terminal.terminals import CTRL_C, CTRL_D, DOWN, ENTER, SPACE, UP, Typed, menus, plain_lines
from wizard.core.models.inputs import Choice, InputType, Question
from wizard.inputs.registry import by_key
from wizard.terminal.terminal import Terminal

ADMIN = "arn:aws:iam::111122223333:user/admin"
OTHER = "arn:aws:iam::111122223333:role/other"
REGIONS = tuple(Choice(value=name, title=name) for name in ("ap-south-1", "eu-west-1", "us-east-1"))
PEOPLE = (Choice(value=ADMIN, title="user admin"), Choice(value=OTHER, title="role other"))
SECRET = "hunter2hunter2"


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    with menus(monkeypatch) as typed:
        yield typed


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    with plain_lines(monkeypatch) as typed:
        yield typed


def asked(terminal: tuple[Terminal, io.StringIO], question: Question) -> Any:
    return terminal[0].ask(question)


# --- menus ---------------------------------------------------------------------------------------------------------

OFF = Choice(value="af-south-1", title="af-south-1", disabled="off in this account")
CROWD = tuple(Choice(value=f"arn:aws:iam::111122223333:role/r{n:02}", title=f"role r{n:02}") for n in range(30))
DEEP = tuple(Choice(value=end, title=f"role {'path/' * 20}{end}") for end in ("first", "second"))
TRAIL = "arn:aws:cloudtrail:us-east-1:111122223333:trail/organization"
ENVIRONMENT = by_key["environment"].question(default="production")
REGION = by_key["region"].question(REGIONS, "us-east-1")
PEOPLE_TICKED = by_key["administrators"].question(PEOPLE, (ADMIN,))


@pytest.mark.parametrize(
    ("question", "keys", "answer"),
    named(
        {
            "no answer is one where the input is optional": (by_key["ecs_service"].question(), ENTER, None),
            "a Region is found by a part of it": (REGION, "west" + ENTER, "eu-west-1"),
            "letters that move elsewhere are letters in a search": (
                by_key["region"].question((*REGIONS, Choice(value="jk-north-1", title="jk-north-1"))),
                "jk" + ENTER,
                "jk-north-1",
            ),
            "a search without a match chooses nothing": (
                REGION,
                "mars" + ENTER + "\x7f" * 4 + "us" + ENTER,
                "us-east-1",
            ),
            "a Region that is off cannot be chosen": (
                by_key["region"].question((OFF, *REGIONS)),
                "af-" + ENTER + "us-e" + ENTER,
                "us-east-1",
            ),
            "the pointer stays after a refusal": (
                by_key["region"].question((*REGIONS[:2], OFF, REGIONS[2]), "ap-south-1"),
                "af-" + ENTER + DOWN + ENTER,
                "us-east-1",
            ),
            "where nothing can be listed the value is typed": (
                by_key["region"].question(),
                "eu-west-2" + ENTER,
                "eu-west-2",
            ),
            "a choice that is shut is stepped over": (
                by_key["app_principal"].question(
                    (replace(PEOPLE[1], disabled="an administrator"), PEOPLE[0]), "create"
                ),
                DOWN + ENTER,
                ADMIN,
            ),
            "another value than those listed can be typed": (
                by_key["trail"].question(default="create"),
                UP + ENTER + "mine" + ENTER + "\x7f" * 4 + TRAIL + ENTER,
                TRAIL,
            ),
            "what is ticked is added to what is preset": (PEOPLE_TICKED, DOWN + SPACE + ENTER, (ADMIN, OTHER)),
            "more can be typed after the ticks": (
                PEOPLE_TICKED,
                UP + SPACE + ENTER + "caller, " + OTHER + ENTER,
                (ADMIN, "caller", OTHER),
            ),
            "with nothing ticked the list stays": (PEOPLE_TICKED, SPACE + ENTER + DOWN + SPACE + ENTER, (OTHER,)),
            "a long list is filtered by typing, and ticked by space": (
                by_key["administrators"].question((*PEOPLE, *CROWD), (ADMIN,)),
                "r27" + SPACE + ENTER,
                (ADMIN, "arn:aws:iam::111122223333:role/r27"),
            ),
            "space and backspace with nothing typed leave the pointer": (
                REGION,
                SPACE + "\x7f\x15" + ENTER,
                "us-east-1",
            ),
            "the arrows end where no match can be chosen": (
                by_key["region"].question((replace(OFF, value="af-1", title="af-1"), OFF, *REGIONS)),
                "af-" + DOWN + UP + ENTER + "us" + ENTER,
                "us-east-1",
            ),
            "letters that do not fit on the screen find a choice": (
                Question(key="x", kind=InputType.SELECT, prompt="Which?", why="", choices=DEEP),
                "second" + ENTER,
                "second",
            ),
            "a pasted text filters a list": (REGION, "\x1b[200~eu-west\nmore\x1b[201~" + ENTER, "eu-west-1"),
            **{
                f"{key!r} ticks no more than the choice at the pointer": (PEOPLE_TICKED, key + "\x7f" + ENTER, (ADMIN,))
                for key in ("a", "i", "\t", "\x01")
            },
        }
    ),
)
def test_keys_come_to_an_answer(typing: Typed, question: Question, keys: str, answer: object) -> None:
    assert asked(typing(keys), question) == answer


def test_a_faulty_text_is_held_until_it_is_fixed(typing: Typed) -> None:
    terminal = typing("\x7f" * 3 + "7" + ENTER + "\x7f" + "180" + ENTER)
    assert asked(terminal, by_key["rotation_period_days"].question()) == 180
    assert "\n! 7 is less than 90\n" in terminal[1].getvalue()


def test_a_token_is_masked_checked_and_never_written_out(typing: Typed) -> None:
    terminal = typing("a b" + ENTER + SECRET + ENTER)
    assert asked(terminal, by_key["vercel_token"].question()) == SECRET
    assert SECRET not in terminal[1].getvalue()


def test_the_reason_stands_before_the_question(typing: Typed) -> None:
    terminal = typing(ENTER)
    asked(terminal, by_key["environment"].question(default="production"))
    assert by_key["environment"].why in terminal[1].getvalue().replace("\n", " ")


@pytest.mark.parametrize(("keys", "answer"), [(ENTER, True), ("n" + ENTER, False), ("y" + ENTER, True)])
def test_a_confirmation_takes_its_default_or_a_letter_and_enter(typing: Typed, keys: str, answer: bool) -> None:
    assert typing(keys)[0].confirm("Go on?") is answer
    assert typing(ENTER)[0].confirm("Delete it?", default=False) is False


@pytest.mark.parametrize(
    ("key", "choices"),
    [("environment", ()), ("region", REGIONS), ("trail", ()), ("administrators", PEOPLE), ("vercel_token", ())],
)
def test_ctrl_c_leaves_every_kind_of_question(typing: Typed, key: str, choices: tuple[Choice, ...]) -> None:
    with pytest.raises(KeyboardInterrupt):
        asked(typing(CTRL_C), by_key[key].question(choices))
    with pytest.raises(KeyboardInterrupt):
        typing(CTRL_C)[0].confirm("Go on?")
    with pytest.raises(KeyboardInterrupt):
        asked(typing(CTRL_D), by_key["ecs_service"].question())


def test_a_question_with_nobody_to_ask_is_a_bug() -> None:
    terminal = Terminal(interactive=False, out=io.StringIO())
    with pytest.raises(RuntimeError):
        terminal.ask(by_key["region"].question(REGIONS))
    with pytest.raises(RuntimeError):
        terminal.confirm("Go on?")


# --- what stays on the screen --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "keys", "line"),
    [
        (
            by_key["vercel_access"].question(),
            ENTER,
            "How does the application on Vercel get into AWS? By Vercel's own token\n  (recommended)",
        ),
        (
            by_key["target"].question(),
            ENTER + SPACE + DOWN + SPACE + ENTER,
            "Where does the application run? Vercel, Amazon ECS",
        ),
        (by_key["replica_regions"].question(REGIONS), ENTER, "Which other Regions get a replica? none"),
        (by_key["vercel_token"].question(), SECRET + ENTER, "A Vercel token with access to the project ********"),
    ],
)
def test_an_answer_stays_with_its_question(typing: Typed, question: Question, keys: str, line: str) -> None:
    terminal = typing(keys)
    asked(terminal, question)
    assert terminal[1].getvalue().endswith(f"? {line}\n")


def test_the_question_that_was_left_stays_without_an_answer(typing: Typed) -> None:
    terminal = typing(CTRL_C)
    with pytest.raises(KeyboardInterrupt):
        asked(terminal, by_key["target"].question())
    assert terminal[1].getvalue().endswith("? Where does the application run?\n")


# --- plain lines ---------------------------------------------------------------------------------------------------


def test_a_dumb_terminal_gets_numbers_and_no_escape_sequence(lines: Typed) -> None:
    shut = Choice(value="af-south-1", title="af-south-1", disabled="off")
    terminal = lines("9\n1\n3\n")
    assert asked(terminal, by_key["region"].question((shut, *REGIONS), "us-east-1")) == "eu-west-1"
    shown = terminal[1].getvalue()
    assert "  1. af-south-1 (off)" in shown and "  3. eu-west-1" in shown
    assert shown.count("type a number from 1 to 4") == 2
    assert "\x1b" not in shown


def test_a_dumb_terminal_takes_a_value_or_the_default_too(lines: Typed) -> None:
    question = by_key["region"].question(REGIONS, "us-east-1")
    assert asked(lines("eu-west-1\n"), question) == "eu-west-1"
    assert asked(lines("\n"), question) == "us-east-1"


def test_a_dumb_terminal_takes_several_numbers_and_typed_values(lines: Typed) -> None:
    question = by_key["administrators"].question(PEOPLE, (ADMIN,))
    assert asked(lines("1,2\n"), question) == (ADMIN, OTHER)
    assert asked(lines("1,3\ncaller\n"), question) == (ADMIN, "caller")
    assert asked(lines("0\n3\ncaller\n"), question) == ("caller",)


def test_a_dumb_terminal_asks_again_after_a_fault(lines: Typed) -> None:
    terminal = lines("7\n180\n")
    assert asked(terminal, by_key["rotation_period_days"].question()) == 180
    assert "! 7 is less than 90\n" in terminal[1].getvalue()
    assert "[7]" not in terminal[1].getvalue()


def test_a_dumb_terminal_confirms_by_a_word(lines: Typed) -> None:
    assert lines("maybe\nno\n")[0].confirm("Go on?") is False
    assert lines("\n")[0].confirm("Go on?") is True


def test_the_end_of_the_input_of_a_dumb_terminal_leaves(lines: Typed) -> None:
    with pytest.raises(KeyboardInterrupt):
        asked(lines(""), by_key["environment"].question())
