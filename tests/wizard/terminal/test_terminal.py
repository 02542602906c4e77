"""Questions put to a person: menus through a pipe of keys, plain lines through standard input."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

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


def test_a_text_is_taken_with_its_default_by_enter_alone(typing: Typed) -> None:
    assert asked(typing(ENTER), by_key["environment"].question(default="production")) == "production"


def test_a_faulty_text_is_held_until_it_is_fixed(typing: Typed) -> None:
    terminal = typing("\x7f" * 3 + "7" + ENTER + "\x7f" + "180" + ENTER)
    assert asked(terminal, by_key["rotation_period_days"].question()) == 180
    assert "\n! 7 is less than 90\n" in terminal[1].getvalue()


def test_no_answer_is_an_answer_where_the_input_is_optional(typing: Typed) -> None:
    assert asked(typing(ENTER), by_key["ecs_service"].question()) is None


def test_the_region_is_found_by_typing_a_part_of_it(typing: Typed) -> None:
    assert asked(typing("west" + ENTER), by_key["region"].question(REGIONS, "us-east-1")) == "eu-west-1"


def test_the_default_of_a_search_is_taken_by_enter_alone(typing: Typed) -> None:
    assert asked(typing(ENTER), by_key["region"].question(REGIONS, "us-east-1")) == "us-east-1"


def test_letters_that_move_elsewhere_are_letters_in_a_search(typing: Typed) -> None:
    choices = (*REGIONS, Choice(value="jk-north-1", title="jk-north-1"))
    assert asked(typing("jk" + ENTER), by_key["region"].question(choices)) == "jk-north-1"


def test_a_search_without_a_match_chooses_nothing(typing: Typed) -> None:
    keys = "mars" + ENTER + "\x7f" * 4 + "us" + ENTER
    assert asked(typing(keys), by_key["region"].question(REGIONS)) == "us-east-1"


def test_a_region_that_is_off_cannot_be_chosen_and_says_why(typing: Typed) -> None:
    shut = Choice(value="af-south-1", title="af-south-1", disabled="off in this account")
    terminal = typing("af-" + ENTER + "us-e" + ENTER)
    assert asked(terminal, by_key["region"].question((shut, *REGIONS))) == "us-east-1"


def test_the_pointer_stays_after_a_refusal(typing: Typed) -> None:
    disabled = Choice(value="af-south-1", title="af-south-1", disabled="off in this account")
    choices = (*REGIONS[:2], disabled, REGIONS[2])
    terminal = typing("af-" + ENTER + DOWN + ENTER)
    assert asked(terminal, by_key["region"].question(choices, "ap-south-1")) == "us-east-1"


def test_where_nothing_can_be_listed_the_value_is_typed(typing: Typed) -> None:
    assert asked(typing("eu-west-2" + ENTER), by_key["region"].question()) == "eu-west-2"


def test_a_choice_that_is_shut_is_stepped_over(typing: Typed) -> None:
    shut = Choice(value=OTHER, title="other", disabled="it is an administrator")
    question = by_key["app_principal"].question((shut, Choice(value=ADMIN, title="admin")), "create")
    assert asked(typing(DOWN + ENTER), question) == ADMIN


def test_another_value_than_those_listed_can_be_typed(typing: Typed) -> None:
    question = by_key["trail"].question(default="create")
    arn = "arn:aws:cloudtrail:us-east-1:111122223333:trail/organization"
    assert asked(typing(UP + ENTER + "mine" + ENTER + "\x7f" * 4 + arn + ENTER), question) == arn


def test_what_is_ticked_is_taken_with_what_is_preset(typing: Typed) -> None:
    question = by_key["administrators"].question(PEOPLE, (ADMIN,))
    assert asked(typing(DOWN + SPACE + ENTER), question) == (ADMIN, OTHER)


def test_more_than_what_is_listed_can_be_typed_after_the_ticks(typing: Typed) -> None:
    question = by_key["administrators"].question(PEOPLE, (ADMIN,))
    answer = asked(typing(UP + SPACE + ENTER + "caller, " + OTHER + ENTER), question)
    assert answer == (ADMIN, "caller", OTHER)


def test_with_nothing_ticked_the_list_stays(typing: Typed) -> None:
    terminal = typing(SPACE + ENTER + DOWN + SPACE + ENTER)
    assert asked(terminal, by_key["administrators"].question(PEOPLE, (ADMIN,))) == (OTHER,)


def test_at_least_one_target_has_to_be_ticked(typing: Typed) -> None:
    assert asked(typing(ENTER + SPACE + ENTER), by_key["target"].question()) == ("vercel",)


def test_a_long_list_is_filtered_by_typing_and_still_ticked_by_space(typing: Typed) -> None:
    crowd = tuple(Choice(value=f"arn:aws:iam::111122223333:role/r{n:02}", title=f"role r{n:02}") for n in range(30))
    question = by_key["administrators"].question((*PEOPLE, *crowd), (ADMIN,))
    answer = asked(typing("r27" + SPACE + ENTER), question)
    assert answer == (ADMIN, "arn:aws:iam::111122223333:role/r27")


def test_space_and_backspace_with_nothing_typed_leave_the_pointer_where_it_is(typing: Typed) -> None:
    question = by_key["region"].question(REGIONS, "us-east-1")
    assert asked(typing(SPACE + "\x7f" + "\x15" + ENTER), question) == "us-east-1"


def test_the_arrows_end_where_no_choice_that_matches_can_be_chosen(typing: Typed) -> None:
    off = [Choice(value=f"af-{n}", title=f"af-{n}", disabled="off in this account") for n in (1, 2)]
    keys = "af-" + DOWN + UP + ENTER + "us" + ENTER
    assert asked(typing(keys), by_key["region"].question((*off, *REGIONS))) == "us-east-1"


def test_letters_that_do_not_fit_on_the_screen_find_a_choice_too(typing: Typed) -> None:
    deep = tuple(Choice(value=end, title=f"role {'path/' * 20}{end}") for end in ("first", "second"))
    question = Question(key="x", kind=InputType.SELECT, prompt="Which?", why="", choices=deep)
    assert asked(typing("second" + ENTER), question) == "second"


def test_a_pasted_text_filters_a_list(typing: Typed) -> None:
    keys = "\x1b[200~eu-west\nmore\x1b[201~" + ENTER
    assert asked(typing(keys), by_key["region"].question(REGIONS)) == "eu-west-1"


@pytest.mark.parametrize("key", ["a", "i", "\t", "\x01"])
def test_no_key_ticks_more_than_the_choice_at_the_pointer(typing: Typed, key: str) -> None:
    question = by_key["administrators"].question(PEOPLE, (ADMIN,))
    assert asked(typing(key + "\x7f" + ENTER), question) == (ADMIN,)


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


def test_a_confirmation_may_be_no_by_default(typing: Typed) -> None:
    assert typing(ENTER)[0].confirm("Delete it?", default=False) is False


@pytest.mark.parametrize(
    ("key", "choices"),
    [("environment", ()), ("region", REGIONS), ("trail", ()), ("administrators", PEOPLE), ("vercel_token", ())],
)
def test_ctrl_c_leaves_every_kind_of_question(typing: Typed, key: str, choices: tuple[Choice, ...]) -> None:
    with pytest.raises(KeyboardInterrupt):
        asked(typing(CTRL_C), by_key[key].question(choices))


def test_ctrl_c_leaves_a_confirmation(typing: Typed) -> None:
    with pytest.raises(KeyboardInterrupt):
        typing(CTRL_C)[0].confirm("Go on?")


def test_ctrl_d_leaves_a_text_as_ctrl_c_does(typing: Typed) -> None:
    with pytest.raises(KeyboardInterrupt):
        asked(typing(CTRL_D), by_key["ecs_service"].question())


def test_a_question_with_nobody_to_ask_is_a_bug() -> None:
    terminal = Terminal(interactive=False, out=io.StringIO())
    with pytest.raises(RuntimeError):
        terminal.ask(by_key["region"].question(REGIONS))
    with pytest.raises(RuntimeError):
        terminal.confirm("Go on?")


# --- what stays on the screen --------------------------------------------------------------------------------------


def test_an_answer_stays_with_its_question_and_without_its_note(typing: Typed) -> None:
    terminal = typing(ENTER)
    asked(terminal, by_key["vercel_access"].question())
    assert (
        terminal[1]
        .getvalue()
        .endswith("? How does the application on Vercel get into AWS? By Vercel's own token\n  (recommended)\n")
    )


def test_ticks_stay_by_their_titles(typing: Typed) -> None:
    terminal = typing(SPACE + DOWN + SPACE + ENTER)
    asked(terminal, by_key["target"].question())
    assert terminal[1].getvalue().endswith("? Where does the application run? Vercel, Amazon ECS\n")


def test_no_tick_stays_as_such_and_of_a_region_no_other_value_is_asked(typing: Typed) -> None:
    terminal = typing(ENTER)
    asked(terminal, by_key["replica_regions"].question(REGIONS))
    assert terminal[1].getvalue().endswith("? Which other Regions get a replica? none\n")


def test_the_length_of_a_token_does_not_stay(typing: Typed) -> None:
    terminal = typing(SECRET + ENTER)
    asked(terminal, by_key["vercel_token"].question())
    assert terminal[1].getvalue().endswith("? A Vercel token with access to the project ********\n")


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
