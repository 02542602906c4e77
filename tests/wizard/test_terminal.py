"""Questions put to a person: menus through a pipe of keys, plain lines through standard input."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from wizard.questions import Choice, Question, by_key
from wizard.terminal import Terminal

ADMIN = "arn:aws:iam::111122223333:user/admin"
OTHER = "arn:aws:iam::111122223333:role/other"
UP, DOWN, ENTER, SPACE, CTRL_C, CTRL_D = "\x1b[A", "\x1b[B", "\r", " ", "\x03", "\x04"
REGIONS = tuple(Choice(value=name, title=name) for name in ("ap-south-1", "eu-west-1", "us-east-1"))
PEOPLE = (Choice(value=ADMIN, title="user admin"), Choice(value=OTHER, title="role other"))
SECRET = "hunter2hunter2"

Keys = Callable[[str], tuple[Terminal, io.StringIO]]


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keys]:
    """A terminal at which these keys are already typed."""
    monkeypatch.setenv("TERM", "xterm-256color")
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):

        def typed(keys: str) -> tuple[Terminal, io.StringIO]:
            pipe.send_text(keys)
            out = io.StringIO()
            return Terminal(interactive=True, out=out, width=80, colour=False), out

        yield typed


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Keys:
    """A dumb terminal at which these lines are typed."""
    monkeypatch.setenv("TERM", "dumb")

    def typed(text: str) -> tuple[Terminal, io.StringIO]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        out = io.StringIO()
        return Terminal(interactive=True, out=out, width=80), out

    return typed


def asked(terminal: tuple[Terminal, io.StringIO], question: Question) -> Any:
    return terminal[0].ask(question)


# --- menus ---------------------------------------------------------------------------------------------------------


def test_a_text_is_taken_with_its_default_by_enter_alone(typing: Keys) -> None:
    assert asked(typing(ENTER), by_key["environment"].question(default="production")) == "production"


def test_a_faulty_text_is_held_until_it_is_mended(typing: Keys) -> None:
    terminal = typing("\x7f" * 3 + "7" + ENTER + "\x7f" + "180" + ENTER)
    assert asked(terminal, by_key["rotation_period_days"].question()) == 180
    assert "\n! 7 is less than 90\n" in terminal[1].getvalue()


def test_no_answer_is_an_answer_where_the_input_is_optional(typing: Keys) -> None:
    assert asked(typing(ENTER), by_key["ecs_service"].question()) is None


def test_the_region_is_found_by_typing_a_part_of_it(typing: Keys) -> None:
    assert asked(typing("west" + ENTER), by_key["region"].question(REGIONS, "us-east-1")) == "eu-west-1"


def test_the_default_of_a_search_is_taken_by_enter_alone(typing: Keys) -> None:
    assert asked(typing(ENTER), by_key["region"].question(REGIONS, "us-east-1")) == "us-east-1"


def test_letters_that_move_elsewhere_are_letters_in_a_search(typing: Keys) -> None:
    choices = (*REGIONS, Choice(value="jk-north-1", title="jk-north-1"))
    assert asked(typing("jk" + ENTER), by_key["region"].question(choices)) == "jk-north-1"


def test_a_search_without_a_match_chooses_nothing(typing: Keys) -> None:
    keys = "mars" + ENTER + "\x7f" * 4 + "us" + ENTER
    assert asked(typing(keys), by_key["region"].question(REGIONS)) == "us-east-1"


def test_a_region_that_is_off_cannot_be_chosen_and_says_why(typing: Keys) -> None:
    shut = Choice(value="af-south-1", title="af-south-1", disabled="off in this account")
    terminal = typing("af-" + ENTER + "us-e" + ENTER)
    assert asked(terminal, by_key["region"].question((shut, *REGIONS))) == "us-east-1"
    assert "! af-south-1 cannot be chosen: off in this account" in terminal[1].getvalue()


def test_where_nothing_can_be_listed_the_value_is_typed(typing: Keys) -> None:
    assert asked(typing("eu-west-2" + ENTER), by_key["region"].question()) == "eu-west-2"


def test_a_choice_that_is_shut_is_stepped_over(typing: Keys) -> None:
    shut = Choice(value=OTHER, title="other", disabled="it is an administrator")
    question = by_key["app_principal"].question((shut, Choice(value=ADMIN, title="admin")), "create")
    assert asked(typing(DOWN + ENTER), question) == ADMIN


def test_another_value_than_those_listed_can_be_typed(typing: Keys) -> None:
    question = by_key["trail"].question(default="create")
    arn = "arn:aws:cloudtrail:us-east-1:111122223333:trail/organization"
    assert asked(typing(UP + ENTER + "mine" + ENTER + "\x7f" * 4 + arn + ENTER), question) == arn


def test_what_is_ticked_is_taken_with_what_is_preset(typing: Keys) -> None:
    question = by_key["administrators"].question(PEOPLE, (ADMIN,))
    assert asked(typing(DOWN + SPACE + ENTER + ENTER), question) == (ADMIN, OTHER)


def test_more_than_what_is_listed_can_be_typed_after_the_ticks(typing: Keys) -> None:
    question = by_key["administrators"].question(PEOPLE, (ADMIN,))
    assert asked(typing(ENTER + "caller, " + OTHER + ENTER), question) == (ADMIN, "caller", OTHER)


def test_with_nothing_ticked_and_nothing_typed_the_list_comes_again(typing: Keys) -> None:
    terminal = typing(SPACE + ENTER + ENTER + DOWN + SPACE + ENTER + ENTER)
    assert asked(terminal, by_key["administrators"].question(PEOPLE, (ADMIN,))) == (ADMIN, OTHER)
    assert "! At least one is needed." in terminal[1].getvalue()


def test_at_least_one_target_has_to_be_ticked(typing: Keys) -> None:
    assert asked(typing(ENTER + SPACE + ENTER), by_key["target"].question()) == ("vercel",)


def test_a_long_list_is_filtered_by_typing_and_still_ticked_by_space(typing: Keys) -> None:
    crowd = tuple(Choice(value=f"arn:aws:iam::111122223333:role/r{n:02}", title=f"role r{n:02}") for n in range(30))
    question = by_key["administrators"].question((*PEOPLE, *crowd), (ADMIN,))
    answer = asked(typing("r27" + SPACE + ENTER + ENTER), question)
    assert answer == (ADMIN, "arn:aws:iam::111122223333:role/r27")


def test_a_token_is_masked_checked_and_never_written_out(typing: Keys) -> None:
    terminal = typing("a b" + ENTER + SECRET + ENTER)
    assert asked(terminal, by_key["vercel_token"].question()) == SECRET
    assert SECRET not in terminal[1].getvalue()


def test_the_reason_stands_before_the_question(typing: Keys) -> None:
    terminal = typing(ENTER)
    asked(terminal, by_key["environment"].question(default="production"))
    assert by_key["environment"].why in terminal[1].getvalue().replace("\n", " ")


@pytest.mark.parametrize(("keys", "answer"), [(ENTER, True), ("n" + ENTER, False), ("y" + ENTER, True)])
def test_a_confirmation_takes_its_default_or_a_letter_and_enter(typing: Keys, keys: str, answer: bool) -> None:
    assert typing(keys)[0].confirm("Go on?") is answer


def test_a_confirmation_may_be_no_by_default(typing: Keys) -> None:
    assert typing(ENTER)[0].confirm("Delete it?", default=False) is False


@pytest.mark.parametrize(
    ("key", "choices"),
    [("environment", ()), ("region", REGIONS), ("trail", ()), ("administrators", PEOPLE), ("vercel_token", ())],
)
def test_ctrl_c_leaves_every_kind_of_question(typing: Keys, key: str, choices: tuple[Choice, ...]) -> None:
    with pytest.raises(KeyboardInterrupt):
        asked(typing(CTRL_C), by_key[key].question(choices))


def test_ctrl_c_leaves_a_confirmation(typing: Keys) -> None:
    with pytest.raises(KeyboardInterrupt):
        typing(CTRL_C)[0].confirm("Go on?")


def test_ctrl_d_leaves_a_text_as_ctrl_c_does(typing: Keys) -> None:
    with pytest.raises(KeyboardInterrupt):
        asked(typing(CTRL_D), by_key["ecs_service"].question())


def test_a_question_with_nobody_to_ask_is_a_bug() -> None:
    terminal = Terminal(interactive=False, out=io.StringIO())
    with pytest.raises(RuntimeError):
        terminal.ask(by_key["region"].question(REGIONS))
    with pytest.raises(RuntimeError):
        terminal.confirm("Go on?")


# --- plain lines ---------------------------------------------------------------------------------------------------


def test_a_dumb_terminal_gets_numbers_and_no_escape_sequence(lines: Keys) -> None:
    shut = Choice(value="af-south-1", title="af-south-1", disabled="off")
    terminal = lines("9\n1\n3\n")
    assert asked(terminal, by_key["region"].question((shut, *REGIONS), "us-east-1")) == "eu-west-1"
    shown = terminal[1].getvalue()
    assert "  1. af-south-1 (off)" in shown and "  3. eu-west-1" in shown
    assert shown.count("type a number from 1 to 4") == 2
    assert "\x1b" not in shown


def test_a_dumb_terminal_takes_a_value_or_the_default_too(lines: Keys) -> None:
    question = by_key["region"].question(REGIONS, "us-east-1")
    assert asked(lines("eu-west-1\n"), question) == "eu-west-1"
    assert asked(lines("\n"), question) == "us-east-1"


def test_a_dumb_terminal_takes_several_numbers_and_typed_values(lines: Keys) -> None:
    question = by_key["administrators"].question(PEOPLE, (ADMIN,))
    assert asked(lines("1,2\n\n"), question) == (ADMIN, OTHER)
    assert asked(lines("\ncaller\n"), question) == (ADMIN, "caller")
    assert asked(lines("0\n\n0\ncaller\n"), question) == ("caller",)


def test_a_dumb_terminal_asks_again_after_a_fault(lines: Keys) -> None:
    terminal = lines("7\n180\n")
    assert asked(terminal, by_key["rotation_period_days"].question()) == 180
    assert "! 7 is less than 90\n" in terminal[1].getvalue()
    assert "[7]" not in terminal[1].getvalue()


def test_a_dumb_terminal_confirms_by_a_word(lines: Keys) -> None:
    assert lines("maybe\nno\n")[0].confirm("Go on?") is False
    assert lines("\n")[0].confirm("Go on?") is True


def test_the_end_of_the_input_of_a_dumb_terminal_leaves(lines: Keys) -> None:
    with pytest.raises(KeyboardInterrupt):
        asked(lines(""), by_key["environment"].question())
