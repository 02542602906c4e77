"""`?` and `<` beside an answer: what is told, and what stands in the prompt when it is put again."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.selection import named
from tests.wizard.terminal.terminals import BACKSPACE, DOWN, ENTER, SPACE, UP, Bell, Typed, menus, plain_lines
from wizard.core.models.inputs import Back, Choice, InputType, Question
from wizard.inputs.registry import INPUTS
from wizard.terminal.prompts import (
    CONFIRM_KEYS,
    SELECT_KEYS,
    TICK_KEYS,
    Prompt,
    instruction,
)
from wizard.terminal.text import cells

WHY = "It keeps the records readable."
EXPLANATION = f"{WHY}\n\nHIPAA Security Rule: 164.312(a)(2)(iv). " + "A sentence that goes on. " * 6
FRUIT = tuple(Choice(value=name, title=name.title()) for name in ("apple", "pear", "plum"))
MANY = tuple(Choice(value=f"fruit-{number:02}", title=f"Fruit {number:02}") for number in range(20))


def question(kind: InputType, **fields: Any) -> Question:
    told = {"key": "x", "prompt": "Which one?", "why": WHY, "explanation": EXPLANATION} | fields
    return Question(kind=kind, **told)


EVERY_KIND = {
    "text": (question(InputType.TEXT, default="pear"), ENTER, "", "pear"),
    "secret": (question(InputType.SECRET), "pear" + ENTER, "pear", "pear"),
    "select": (question(InputType.SELECT, choices=FRUIT, default="pear"), ENTER, "", "pear"),
    "search": (question(InputType.SEARCH, choices=FRUIT, default="pear"), ENTER, "", "pear"),
    "checkbox": (question(InputType.CHECKBOX, choices=FRUIT, default="pear"), ENTER, "", ("pear",)),
    "confirm": (question(InputType.CONFIRM, default="no"), ENTER, "", False),
}
"""The question, the keys and the line that answer it, the answer."""

each_kind = pytest.mark.parametrize("kind", EVERY_KIND)


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    with menus(monkeypatch) as typed:
        yield typed


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    # Its own would read from the terminal that the tests run in.
    monkeypatch.setattr("getpass.getpass", lambda prompt="", stream=None: sys.stdin.readline().strip())
    with plain_lines(monkeypatch) as typed:
        yield typed


# --- every kind of prompt, in both manners -------------------------------------------------------------------------


@each_kind
def test_a_question_mark_explains_and_the_question_comes_again(typing: Typed, kind: str) -> None:
    asked, keys, _, answer = EVERY_KIND[kind]
    terminal, out = typing("?" + keys)
    assert terminal.ask(asked) == answer
    assert "\n\n  It keeps the records readable.\n\n  HIPAA Security Rule: 164.312(a)(2)(iv)." in out.getvalue()
    assert max(map(cells, out.getvalue().splitlines())) <= 80


@each_kind
def test_a_question_mark_alone_in_a_plain_line_explains_too(lines: Typed, kind: str) -> None:
    asked, _, line, answer = EVERY_KIND[kind]
    terminal, out = lines(f"?\n{line}\n")
    assert terminal.ask(asked) == answer
    shown = out.getvalue()
    assert "\n\n  HIPAA Security Rule: 164.312(a)(2)(iv)." in shown
    assert shown.count("Which one?") == 2
    assert "\a" not in shown


@each_kind
def test_the_way_back_is_taken_where_there_is_one(typing: Typed, kind: str) -> None:
    terminal, _ = typing("<")
    with pytest.raises(Back):
        terminal.ask(replace(EVERY_KIND[kind][0], back=True))
    assert Bell.rung == 0


@each_kind
def test_a_plain_line_has_the_way_back_too(lines: Typed, kind: str) -> None:
    terminal, out = lines("<\n")
    with pytest.raises(Back):
        terminal.ask(replace(EVERY_KIND[kind][0], back=True))
    assert "< back)" in out.getvalue() and "\a" not in out.getvalue()


@each_kind
def test_from_the_first_question_there_is_no_way_back(typing: Typed, kind: str) -> None:
    asked, keys, _, answer = EVERY_KIND[kind]
    terminal, out = typing("<" + keys)
    assert terminal.ask(asked) == answer
    assert "· this is the first question\n" in out.getvalue()
    assert Bell.rung == 1


@each_kind
def test_from_the_first_question_of_plain_lines_there_is_no_way_back(lines: Typed, kind: str) -> None:
    asked, _, line, answer = EVERY_KIND[kind]
    terminal, out = lines(f"<\n{line}\n")
    assert terminal.ask(asked) == answer
    assert "\a" in out.getvalue() and "this is the first question\n" in out.getvalue()


def test_a_confirmation_with_nothing_behind_it_says_so(lines: Typed) -> None:
    terminal, out = lines("?\n<\ny\n")
    assert terminal.confirm("Go on?") is True
    assert out.getvalue() == (
        "\nGo on? (y/n) [y] \a· there is no more information about this question\n"
        "Go on? (y/n) [y] \a· there is no previous question here\n"
        "Go on? (y/n) [y] "
    )


# --- what stood in the prompt is kept ------------------------------------------------------------------------------


CTRL_U, ESC = "\x15", "\x1b"
LIST = question(InputType.SELECT, choices=FRUIT, back=True)
TICKS = question(InputType.CHECKBOX, choices=FRUIT)
MORE = question(InputType.CHECKBOX, choices=FRUIT, free_text=True)
LINE = question(InputType.TEXT, default="pear", back=True)


@pytest.mark.parametrize(
    ("asked", "keys", "answer"),
    named(
        {
            "the pointer": (LIST, DOWN + DOWN + "?" + ENTER, "plum"),
            "ticks and pointer": (TICKS, SPACE + DOWN + DOWN + "<" + SPACE + ENTER, ("apple", "plum")),
            "what was unticked": (replace(TICKS, default="apple"), SPACE + "?" + DOWN + SPACE + ENTER, ("pear",)),
            "a filter": (
                question(InputType.SEARCH, choices=MANY),
                "1" + DOWN + DOWN + "?" + ENTER,
                "fruit-11",
            ),
            "a filter and ticks": (
                replace(TICKS, choices=MANY),
                "07" + SPACE + "?" + BACKSPACE * 2 + "08" + SPACE + ENTER,
                ("fruit-07", "fruit-08"),
            ),
            "a yes": (question(InputType.CONFIRM, default="no"), "y?" + ENTER, True),
            "nothing of a key without a match": (
                replace(TICKS, choices=MANY),
                "zz" + SPACE + BACKSPACE * 2 + "07" + SPACE + ENTER,
                ("fruit-07",),
            ),
            "the signs in a default that was touched": (LINE, BACKSPACE + "?" + ENTER, "pea?"),
            "Alt-b, which begins with Esc, in a line that was changed": (
                replace(LINE, default=None),
                "plum pear" + ESC + "b" + "x" + ENTER,
                "plum xpear",
            ),
            "the pointer on `Another` after the way back from its line": (
                question(InputType.SELECT, choices=FRUIT, free_text=True),
                UP + ENTER + "<" + DOWN + ENTER,
                "apple",
            ),
            "the ticks after the way back from one more": (
                MORE,
                SPACE + UP + SPACE + ENTER + "<" + SPACE + DOWN + DOWN + SPACE + ENTER,
                ("apple", "pear"),
            ),
            "no line for one more that is not ticked": (MORE, SPACE + ENTER, ("apple",)),
            "one more that is ticked": (MORE, SPACE + UP + SPACE + ENTER + "quince" + ENTER, ("apple", "quince")),
        }
    ),
)
def test_what_stood_in_the_prompt_is_kept(typing: Typed, asked: Question, keys: str, answer: object) -> None:
    assert typing(keys)[0].ask(asked) == answer


@pytest.mark.parametrize("typed", ["arn:aws:iam::1:role/r?", "a<b", "a?<"])
def test_the_signs_are_text_once_something_was_typed(typing: Typed, typed: str) -> None:
    terminal, out = typing(typed + ENTER)
    assert terminal.ask(question(InputType.TEXT, back=True)) == typed
    assert "HIPAA" not in out.getvalue()


def test_an_emptied_line_takes_the_signs_as_commands(typing: Typed) -> None:
    terminal, out = typing(CTRL_U + "?" + "apple" + ENTER)
    assert terminal.ask(question(InputType.TEXT, default="pear", back=True)) == "apple", "the line stays empty"
    assert "HIPAA" in out.getvalue()
    terminal, _ = typing(CTRL_U + "<")
    with pytest.raises(Back):
        terminal.ask(question(InputType.TEXT, default="pear", back=True))


@pytest.mark.parametrize("kind", [InputType.TEXT, InputType.SECRET])
@pytest.mark.parametrize("before", ["", CTRL_U])
def test_a_refused_answer_takes_the_signs_as_commands(typing: Typed, kind: InputType, before: str) -> None:
    def check(text: str) -> str | None:
        return None if text == "good" else "It is not good"

    terminal, out = typing("bad" + ENTER + before + "?" + CTRL_U + "good" + ENTER)
    assert terminal.ask(question(kind, check=check, back=True)) == "good"
    assert out.getvalue().index("It is not good") < out.getvalue().index("HIPAA")
    terminal, _ = typing("bad" + ENTER + before + "<")
    with pytest.raises(Back):
        terminal.ask(question(kind, check=check, back=True))


def test_the_signs_work_in_a_list_after_a_refusal_and_an_emptied_filter(typing: Typed) -> None:
    shut = Choice(value="shut", title="Shut", disabled="off")
    asked = question(InputType.SELECT, choices=(*FRUIT, shut), back=True)
    for before in ("shut" + ENTER, "pe" + CTRL_U, "zzz" + ENTER):
        terminal, out = typing(before + "?" + CTRL_U + "plum" + ENTER)
        assert terminal.ask(asked) == "plum"
        assert "HIPAA" in out.getvalue()
        terminal, _ = typing(before + "<")
        with pytest.raises(Back):
            terminal.ask(asked)


@pytest.mark.parametrize("word", ["maybe", "yn", "q", "no way"])
def test_a_word_that_is_neither_yes_nor_no_is_refused(typing: Typed, word: str) -> None:
    terminal, out = typing(word + ENTER + "no" + ENTER)
    assert terminal.confirm("Go on?", default=True) is False
    assert f"! type y or n, not {word}\n" in out.getvalue()


@each_kind
def test_esc_goes_back_where_that_is_possible_and_otherwise_ends_or_declines(typing: Typed, kind: str) -> None:
    asked = EVERY_KIND[kind][0]
    terminal, _ = typing(ESC)
    with pytest.raises(Back):
        terminal.ask(replace(asked, back=True))
    terminal, out = typing(ESC)
    if kind == "confirm":
        assert terminal.ask(asked) is False
        assert out.getvalue().endswith("? Which one? No\n")
        return
    with pytest.raises(KeyboardInterrupt):
        terminal.ask(asked)


def test_esc_is_the_answer_that_the_question_has_for_it(typing: Typed) -> None:
    terminal, out = typing(ESC)
    assert terminal.ask(question(InputType.SELECT, choices=FRUIT, escape="plum")) == "plum"
    assert out.getvalue().endswith("? Which one? Plum\n")


def test_the_signs_are_part_of_a_secret_once_it_began(typing: Typed) -> None:
    terminal, out = typing("s?<" + ENTER)
    assert terminal.ask(question(InputType.SECRET, back=True)) == "s?<"
    assert "s?<" not in out.getvalue()


def test_the_signs_are_text_within_a_plain_line(lines: Typed) -> None:
    terminal, _ = lines("role/a?\n")
    assert terminal.ask(question(InputType.TEXT, back=True)) == "role/a?"


@each_kind
def test_ctrl_z_suspends_the_wizard_at_every_prompt(typing: Typed, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr("os.kill", lambda process, number: sent.append((process, number)))
    asked, keys, _, answer = EVERY_KIND[kind]
    terminal, _ = typing("\x1a" + keys)
    assert terminal.ask(asked) == answer
    assert sent == [(0, signal.SIGTSTP)]


def test_d_shows_the_details_and_the_question_comes_again(typing: Typed) -> None:
    shown: list[str] = []
    terminal, _ = typing(DOWN + "d" + "q" + ENTER)
    asked = question(InputType.SELECT, choices=FRUIT, details=lambda: shown.append("details"))
    assert (terminal.ask(asked), shown) == ("pear", ["details"])


def test_d_in_a_plain_line_shows_the_details_too(lines: Typed) -> None:
    shown: list[str] = []
    terminal, out = lines("d\n2\n")
    asked = question(InputType.SELECT, choices=FRUIT, details=lambda: shown.append("details"))
    assert (terminal.ask(asked), shown) == ("pear", ["details"])
    assert "d details" in out.getvalue()


# --- what the line says of it --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text", "select", "checkbox", "confirm"])
def test_a_plain_line_says_what_can_be_typed(lines: Typed, kind: str) -> None:
    asked, _, line, _ = EVERY_KIND[kind]
    terminal, out = lines(f"{line}\n")
    terminal.ask(replace(asked, back=True))
    assert "? why, < back) [" in out.getvalue()


@pytest.mark.parametrize("keys", ["", SELECT_KEYS, TICK_KEYS, CONFIRM_KEYS[True]])
def test_the_line_says_less_where_it_has_less_room_and_never_too_much(keys: str) -> None:
    put = Prompt(text="Which one?", explanation=WHY, back=True)
    told = [instruction(put, keys, room) for room in range(66)]
    assert told[-1] == f"({'; '.join(filter(None, (keys, '? why, < back')))})"
    least = f"({keys})" if keys else ""
    assert all(len(each) <= room or each == least for room, each in enumerate(told))
    assert [len(each) for each in told] == sorted(len(each) for each in told)


def test_what_leads_nowhere_is_not_offered() -> None:
    assert instruction(Prompt(text="Which one?"), SELECT_KEYS, 60) == "(arrows or letters, Enter)"
    assert instruction(Prompt(text="Which one?"), "", 60) == ""
    assert instruction(Prompt(text="Which one?", explanation=WHY), "", 60) == "(? why)"


@pytest.mark.parametrize(
    "each", [each for each in INPUTS if each.kind is not InputType.SECRET], ids=lambda each: each.key
)
def test_every_question_of_the_table_fits_in_one_line_with_its_keys(each: Any) -> None:
    put = Prompt(text=each.prompt, explanation=WHY, back=True)
    keys = CONFIRM_KEYS[True] if each.kind is InputType.CONFIRM else ""
    told = instruction(put, keys, 80 - cells(f"? {each.prompt}  ") - 1)
    assert cells(f"? {each.prompt} {told} ") <= 80
