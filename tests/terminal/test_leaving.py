"""A person leaves in the middle: what stays behind, what the screen says, and how the terminal is left."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.onboarding.deployment import Deployment
from tests.terminal.conftest import Sit
from tests.terminal.person import CTRL_C, DOWN, ENTER, SPACE, Person, asked, take_what_was_detected

LAST_PAGE = ("Apply this plan?", "» Apply")


def up_to_the_last_page(person: Person) -> None:
    """Every question of the target Vercel, answered."""
    person.see("Where does the application run?", "» ○ Vercel")
    person.type(SPACE)
    person.see("» ● Vercel")
    person.type(ENTER)
    take_what_was_detected(person)
    person.see(*LAST_PAGE)


def interrupted(person: Person, deployment: Deployment) -> None:
    """Ctrl-C at a prompt: told plainly, nothing made, the terminal as it was."""
    person.type(CTRL_C)
    assert person.leave() == 130
    assert "interrupted" in person.words
    assert "Traceback" not in person.transcript
    assert person.is_sane
    assert not deployment.changes()


def draft_of(deployment: Deployment, stack: str) -> dict[str, Any]:
    """What is kept of a run that was left; only its owner can read it, and no secret is in it."""
    file = deployment.folder / ".wizard" / f"{stack}.json"
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    assert (
        deployment.environment["VERCEL_TOKEN"] not in text
        and deployment.environment["AWS_SECRET_ACCESS_KEY"] not in text
    )
    found: dict[str, Any] = json.loads(text)
    return found


def test_ctrl_c_at_the_first_question_leaves_nothing_behind(untouched: Deployment, sit: Sit) -> None:
    person = sit(untouched)
    person.see("Where does the application run?")
    interrupted(person, untouched)
    assert not (untouched.folder / "Pulumi.production.yaml").exists()
    assert not (untouched.folder / ".wizard" / "production.json").exists()


def test_ctrl_c_at_a_later_question_keeps_the_answers_and_nothing_else(untouched: Deployment, sit: Sit) -> None:
    person = sit(untouched, "--stack", "begun")
    person.see("Where does the application run?", "» ○ Vercel")
    person.type(SPACE + ENTER)
    person.answer("Which AWS account?", "» 123456789012")
    person.answer("Which Region?", "» us-east-1", keys=DOWN)
    person.answer("Which Region is the primary?", "» us-east-1")
    person.see("Which other Regions get a replica?", "» ")
    interrupted(person, untouched)
    assert not (untouched.folder / "Pulumi.begun.yaml").exists()
    kept = draft_of(untouched, "begun")
    assert kept["asked"] == ["target", "account", "region"]
    assert kept["answers"]["target"] == ["vercel"] and kept["answers"]["multi_region"] is True

    again = sit(untouched, "--stack", "begun")
    again.answer("Go on with it?", "» Go on where it was left", "Start again")
    again.see("Which other Regions get a replica?", "» ")
    assert len(asked(again.transcript, 80)) == 2, "a question that was answered is put again"
    interrupted(again, untouched)


@pytest.mark.thorough
def test_ctrl_c_on_the_last_page_makes_nothing_and_the_next_run_asks_that_alone(
    untouched: Deployment, sit: Sit
) -> None:
    person = sit(untouched, "--stack", "undecided")
    up_to_the_last_page(person)
    interrupted(person, untouched)
    assert not untouched.stack_exists("undecided")
    assert draft_of(untouched, "undecided")["stage"] == "reviewed"

    again = sit(untouched, "--stack", "undecided")
    again.see(*LAST_PAGE)
    assert len(asked(again.transcript, 80)) == 1
    interrupted(again, untouched)


@pytest.mark.thorough
def test_leaving_makes_nothing_and_the_answers_need_not_be_given_again(untouched: Deployment, sit: Sit) -> None:
    person = sit(untouched, "--stack", "refused")
    up_to_the_last_page(person)
    person.type(DOWN + DOWN + ENTER)
    assert person.leave() == 8
    assert "nothing was changed" in person.words
    assert not (untouched.folder / "Pulumi.refused.yaml").exists()
    assert "next: eonpro-kms setup --stack refused" in person.words
    assert person.is_sane
    assert not untouched.changes()
    assert not untouched.stack_exists("refused")

    again = sit(untouched, "--stack", "refused", "--region", "eu-west-1")
    again.see(*LAST_PAGE)
    assert len(asked(again.transcript, 80)) == 1
    assert re.search(r"(?m)^region          eu-west-1 +--region$", again.transcript)
    interrupted(again, untouched)


@pytest.mark.thorough
def test_ctrl_c_while_resources_are_made_saves_them_and_the_next_run_goes_on(deployment: Deployment, sit: Sit) -> None:
    deployment.fault(service="cloudtrail", operation="CreateTrail", kind="hang", seconds=60)
    person = sit(deployment)
    up_to_the_last_page(person)
    person.type(ENTER)
    person.see("… Trail audit-trail")
    person.type(CTRL_C)
    person.see("Pulumi finishes the current operation and saves its state; please wait")
    deployment.no_more_faults()
    assert person.leave() == 8
    assert "interrupted; the engine saved its state" in person.words
    assert "run the same command again" in person.words
    assert "Traceback" not in person.transcript
    assert person.is_sane
    assert "ENCRYPTED_PHI_KEY" not in deployment.variables()

    again = sit(deployment, "--yes")
    assert again.leave() == 0
    assert "? " not in again.transcript, "it asks again"
    assert len(deployment.keys()) == 1
    assert len(deployment.variables()) == 3
