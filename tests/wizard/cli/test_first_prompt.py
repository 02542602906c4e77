"""The first question, and the offer to go on with a run that was left."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.wizard.fakes.clients import FakeUserInterface
from wizard.cli import first_prompt
from wizard.cli.first_prompt import EarlyAnswers, first_question
from wizard.core.clients import Draft
from wizard.inputs.answers_file import ANSWERING, PLANNED

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEFT = Draft(
    stage=ANSWERING,
    at=NOW - timedelta(minutes=5),
    answers={"target": ("ecs",), "multi_region": False},
    asked=("target", "multi_region"),
)


class Session:
    """An opening before a person."""

    def __init__(self) -> None:
        self.ui = FakeUserInterface(interactive=True)

    def begin(self, draft: Draft | None = None, **given: Any) -> EarlyAnswers:
        defaults: dict[str, Any] = {"is_target_known": False, "is_first": False, "suggested": ()}
        return first_prompt.begin(
            stack="production",
            ui=self.ui,
            draft=draft,
            now=NOW,
            **{**defaults, **given},
        )


@pytest.fixture
def session() -> Session:
    return Session()


def test_the_first_question_is_where_the_application_runs(session) -> None:
    session.ui.answers = {"target": [("vercel",)]}
    assert session.begin() == EarlyAnswers(target=("vercel",), asked=("target",))


def test_a_first_run_says_first_what_it_creates_and_when(session) -> None:
    session.ui.answers = {"target": [("vercel",)]}
    session.begin(is_first=True)
    creates, wrapped, needs, nothing = session.ui.said[0].splitlines()
    assert creates.startswith("Creates a KMS key") and "wrapped: encrypted by the KMS key" in wrapped
    assert needs.startswith("Needs an AWS sign-in")
    assert "before the last page" in nothing and max(map(len, session.ui.said[0].splitlines())) <= 80
    assert session.ui.said[1:] == ["Application"]


def test_what_is_known_is_not_asked(session) -> None:
    assert session.begin(is_target_known=True) == EarlyAnswers()
    assert session.ui.keys == []


def test_what_the_folder_speaks_for_is_ticked_and_says_why() -> None:
    question = first_question([("vercel", ".vercel/project.json"), ("vercel", "vercel.json")])
    assert question.default == ("vercel",)
    notes = {choice.value: choice.note for choice in question.choices}
    assert notes == {
        "vercel": "found: .vercel/project.json",
        "ecs": "a task's parameters",
        "eks": "a pod's ExternalSecret",
    }


def test_a_run_that_was_left_is_gone_on_with_and_no_question_repeated(session) -> None:
    session.ui.answers = {"resume": ["go on"]}
    assert session.begin(LEFT) == EarlyAnswers(draft=LEFT.answers, asked=LEFT.asked)
    (question,) = session.ui.asked
    assert question.why == "A run for the stack production was left 5 minutes ago, after 2 answers."
    assert question.default == "go on"


def test_whoever_starts_again_is_asked_from_the_first_question(session) -> None:
    session.ui.answers = {"resume": ["start again"], "target": [("eks",)]}
    assert session.begin(LEFT) == EarlyAnswers(target=("eks",), asked=("target",))


def test_a_run_that_had_its_plan_is_gone_on_with_unasked_for_the_last_page_asks(session) -> None:
    draft = Draft(stage=PLANNED, at=NOW, answers={"profile": "clinic"})
    assert session.begin(draft, is_target_known=True) == EarlyAnswers(draft={"profile": "clinic"})
    assert session.ui.keys == []


@pytest.mark.parametrize(
    ("age", "told"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(seconds=80), "a minute ago"),
        (timedelta(minutes=119), "119 minutes ago"),
        (timedelta(hours=5), "5 hours ago"),
        (timedelta(days=3), "on 2026-02-26"),
    ],
)
def test_how_long_ago_it_was_is_told_in_words(session, age, told) -> None:
    session.ui.answers = {"resume": ["go on"]}
    session.begin(Draft(stage=ANSWERING, at=NOW - age, answers={"target": ("ecs",)}, asked=("target",)))
    assert session.ui.asked[0].why == f"A run for the stack production was left {told}, after 1 answer."


def test_a_new_stack_beside_others_may_start_from_one_of_them(session) -> None:
    session.ui.answers = {"from": ["production"]}
    assert session.begin(others=("production", "staging")) == EarlyAnswers(copied="production")
    (question,) = session.ui.asked
    assert [choice.title for choice in question.choices] == [
        "The settings of production",
        "The settings of staging",
        "The defaults",
    ]


def test_a_new_stack_that_starts_afresh_is_asked_where_it_runs(session) -> None:
    session.ui.answers = {"from": [first_prompt.AFRESH], "target": [("ecs",)]}
    assert session.begin(others=("production",)) == EarlyAnswers(target=("ecs",), asked=("target",))


def test_a_run_that_was_left_is_not_started_from_another_stack(session) -> None:
    session.ui.answers = {"resume": ["go on"]}
    assert session.begin(LEFT, others=("production",)) == EarlyAnswers(draft=LEFT.answers, asked=LEFT.asked)


def test_the_opening_loads_nothing_heavy() -> None:
    program = "import sys, wizard.cli.first_prompt, wizard.inputs.answers_file; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    heavy = (
        "json",
        "pydantic",
        "boto3",
        "botocore",
        "pulumi",
        "yaml",
        "components.settings.settings",
        "wizard.core.models.delivery",
        "rich",
    )
    assert [name for name in heavy if name in loaded] == []
