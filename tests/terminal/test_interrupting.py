"""Ctrl-C at a prompt of each kind, the end of input at each kind, over fakes; and how the next run goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.terminal.audience import PASSPHRASE, Spectator
from tests.terminal.conftest import Watch
from tests.terminal.person import CTRL_C, CTRL_D, DOWN, ENTER, SPACE, asked
from tests.terminal.scenes import CARRY_OUT, SCENES, asks
from tests.wizard.fakes.clients import CREDENTIALS, TOKEN
from tests.wizard.setup.test_workflow import WRITES

SECRETS = (TOKEN, "notThisOne", "987321", PASSPHRASE, CREDENTIALS.secret_access_key)


def led(watch: Watch, scene: str, moves: int, folder: Path) -> Spectator:
    """Somebody in a scene, at the prompt after so many moves."""
    person: Spectator = watch(scene, folder=folder)
    for move in SCENES[scene].moves[:moves]:
        person.see(*move.shows)
        person.type(move.keys)
    person.see(*SCENES[scene].moves[moves].shows)
    return person


def left_clean(person: Spectator, folder: Path) -> None:
    """Nothing was made, no secret was kept or shown, and the terminal is a shell's again."""
    assert person.is_sane
    assert not WRITES & {call.split()[0] for call in person.calls}
    assert "Traceback" not in person.transcript
    for draft in (folder / ".wizard").glob("*.json"):
        assert draft.stat().st_mode & 0o777 == 0o600
    for file in (each for each in folder.rglob("*") if each.is_file()):
        text = file.read_text()
        assert not [secret for secret in SECRETS if secret in text], file
    assert not [secret for secret in SECRETS if secret.encode() in person.received]


# A prompt of each kind: ticks, a masked line, a search, a line, yes or no, a choice.
KINDS = (
    ("nothing-but-an-empty-folder", 0),
    ("nothing-but-an-empty-folder", 3),
    ("nothing-but-an-empty-folder", 5),
    ("a-token-typed", 0),
    ("a-project-chosen", 0),
    ("a-project-chosen", 1),
)


@pytest.mark.parametrize(("scene", "moves"), KINDS)
def test_ctrl_c_at_a_prompt_ends_the_run_and_keeps_the_answers(
    watch: Watch, tmp_path: Path, scene: str, moves: int
) -> None:
    person = led(watch, scene, moves, tmp_path)
    answered = len(asked(person.transcript, 80)) - 1
    person.type(CTRL_C)
    assert person.leave() == 130
    assert "interrupted" in person.words
    left_clean(person, tmp_path)
    if answered and not SCENES[scene].arguments:
        assert (tmp_path / ".wizard" / "production.json").exists()


@pytest.mark.parametrize(("scene", "moves"), KINDS[:2])
def test_the_end_of_input_at_a_prompt_ends_the_run_as_ctrl_c_does(
    watch: Watch, tmp_path: Path, scene: str, moves: int
) -> None:
    person = led(watch, scene, moves, tmp_path)
    person.type(CTRL_D)
    assert person.leave() == 130
    left_clean(person, tmp_path)


# --- the next run -----------------------------------------------------------------------------------------------

REPLICATED = (
    (asks("target"), DOWN + SPACE + ENTER),
    (asks("account"), ENTER),
    (asks("multi_region"), "y" + ENTER),
    (asks("replica_regions"), SPACE + ENTER),
    (asks("administrators"), ENTER),
    (asks("alert_emails"), ENTER),
    (asks("ecs_cluster"), "clinic" + ENTER),
    (asks("ecs_service"), "web" + ENTER),
)
"""The longest way of a scene, question by question."""
QUESTIONS = range(len(REPLICATED))


def answer(person: Spectator, first: int, end: int) -> None:
    for question, keys in REPLICATED[first:end]:
        person.see_live(question)
        person.type(keys)


@pytest.mark.parametrize("number", (1, 5))
def test_the_next_run_goes_on_at_the_question_where_it_was_left(watch: Watch, tmp_path: Path, number: int) -> None:
    left = watch("many-questions", folder=tmp_path)
    answer(left, 0, number)
    left.see_live(REPLICATED[number][0])
    left.type(CTRL_C)
    assert left.leave() == 130

    person = watch("many-questions", folder=tmp_path)
    person.see("Go on with it?", "» Go on")
    person.type(ENTER)
    answer(person, number, len(REPLICATED))
    person.see(*CARRY_OUT)
    remaining = sum(each >= number for each in QUESTIONS)
    questions = asked(person.transcript, 80)
    assert len(questions) == 1 + remaining + 1, "the offer, what was left, the last page: no question twice"
    person.type(ENTER)
    person.see(asks("backup_to"), "» Later")
    person.type(ENTER)
    assert person.leave() == 0
    assert not (tmp_path / ".wizard" / "production.json").exists()


@pytest.mark.thorough
def test_starting_again_asks_everything(watch: Watch, tmp_path: Path) -> None:
    left = watch("many-questions", folder=tmp_path)
    answer(left, 0, 5)
    left.see_live(REPLICATED[5][0])
    left.type(CTRL_C)
    assert left.leave() == 130

    person = watch("many-questions", folder=tmp_path)
    person.see("Go on with it?", "» Go on")
    person.type(DOWN + ENTER)
    answer(person, 0, len(REPLICATED))
    person.see(*CARRY_OUT)
    questions = asked(person.transcript, 80)
    assert len(questions) == 1 + len(QUESTIONS) + 1


def test_a_run_left_on_the_last_page_is_gone_on_with_there_and_asks_nothing_else(watch: Watch, tmp_path: Path) -> None:
    left = watch("many-questions", folder=tmp_path)
    answer(left, 0, len(REPLICATED))
    left.see(*CARRY_OUT)
    left.type(CTRL_C)
    assert left.leave() == 130
    assert json.loads((tmp_path / ".wizard" / "production.json").read_text())["stage"] == "reviewed"

    person = watch("many-questions", folder=tmp_path)
    person.see(*CARRY_OUT)
    assert len(asked(person.transcript, 80)) == 1
    person.type(ENTER)
    assert person.leave() == 0
