"""Single questions as a person meets them, and the terminals that cannot draw."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.onboarding.deployment import ACCOUNT, PROJECT, Deployment
from tests.terminal.conftest import Sit
from tests.terminal.person import CTRL_C, DOWN, ENTER, SPACE, UP, Person, asked, take_what_was_detected

ROLE = f"arn:aws:iam::{ACCOUNT}:role/platform-admin"
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:[349]\d|10\d)(?:;\d+)*m")


def left(person: Person) -> None:
    """Ctrl-C, and the wizard is left."""
    person.type(CTRL_C)
    assert person.leave() == 130


def linked(deployment: Deployment, folder: Path) -> None:
    """What `vercel link` leaves in a folder."""
    project = deployment.vercel("GET", "/v9/projects/eonpro")
    (folder / ".vercel").mkdir()
    link = {"projectId": project["id"], "orgId": project["accountId"]}
    (folder / ".vercel" / "project.json").write_text(json.dumps(link))


def up_to_the_account(person: Person) -> None:
    """The first question, answered by Vercel."""
    person.see("Where does the application run?", "» ○ Vercel")
    person.type(SPACE)
    person.see("» ● Vercel")
    person.type(ENTER)
    person.see("Which AWS account?", "» 123456789012")


def changing(person: Person, key: str) -> None:
    """From the last page to the question of one answer."""
    person.see("Apply this plan?", "» Apply")
    person.type(DOWN + ENTER)
    person.see("Which answer?", "» ")
    person.type(key)
    person.see(f"» {key}")
    person.type(ENTER)


def test_the_region_is_found_by_a_few_letters_and_one_that_is_off_is_refused(untouched: Deployment, sit: Sit) -> None:
    person = sit(untouched, without=("AWS_REGION", "AWS_DEFAULT_REGION"))
    person.see("Where does the application run?", "» ○ Vercel")
    person.type(SPACE + ENTER)
    person.answer("Which AWS account?", "» 123456789012")
    person.see("Which Region?", "» ap-", "ap-southeast-2")
    person.type("me-south")
    narrowed = person.see("/ me-south", "» - me-south-1 · Middle East, Bahrain (off in this account)")
    assert "us-east-1\n" not in narrowed and "eu-west-1" not in narrowed
    person.type(ENTER)
    person.see("! me-south-1 · Middle East, Bahrain cannot be chosen: off in this account", "» ")
    person.type("eu-west")
    narrowed = person.see("/ eu-west", "» eu-west-1", "eu-west-2")
    assert "ap-southeast" not in narrowed
    person.type(ENTER)
    person.see("? Which Region? eu-west-1", "Create a multi-Region key?")
    left(person)


@pytest.mark.thorough
def test_an_administrator_may_be_typed_and_one_that_does_not_exist_is_asked_for_again(
    untouched: Deployment, sit: Sit
) -> None:
    nobody = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    person = sit(untouched, "--stack", "typed")
    person.see("Where does the application run?", "» ○ Vercel")
    person.type(SPACE + ENTER)
    person.answer("Which AWS account?", "» 123456789012")
    person.answer("Which Region?", "» us-east-1")
    person.answer("Who administers the key?", "» ● user clinic-admin (you)", keys=UP + SPACE)
    person.answer("Another administrator", "(? why", keys=nobody)
    person.see(f"✗ {nobody} does not exist", "» ● user clinic-admin (you)", "(Space ticks")
    person.type(UP + SPACE + ENTER)
    person.see_at_cursor("Another administrator's ARN")
    person.type(ROLE + ENTER)
    person.answer("Who gets the alerts?", "» Later")
    person.see("Apply this plan?", "» Apply")
    (row,) = re.findall(r"(?m)^administrators  .*$", person.transcript.rpartition("Review")[2])
    assert row.split() == "administrators role platform-admin, user clinic-admin (you) asked".split()
    left(person)


@pytest.mark.thorough
def test_a_linked_folder_answers_for_its_team_and_its_project(untouched: Deployment, sit: Sit, tmp_path: Path) -> None:
    linked(untouched, tmp_path)
    person = sit(untouched, "--stack", "linked", folder=tmp_path, PYTHONPATH=str(untouched.folder))
    person.answer("Where does the application run?", "» ● Vercel")
    take_what_was_detected(person)
    person.see("Apply this plan?", "» Apply")
    assert "✓ Vercel project eonpro/eonpro" in person.transcript
    assert ".vercel/project.json" in person.transcript
    assert len(asked(person.transcript, 80)) == 6 and person.keystrokes == 5
    left(person)


def test_a_linked_folder_without_a_token_asks_for_the_token_alone(
    untouched: Deployment, sit: Sit, tmp_path: Path
) -> None:
    linked(untouched, tmp_path)
    person = sit(
        untouched, "--stack", "tokenless", folder=tmp_path, without=("VERCEL_TOKEN",), PYTHONPATH=str(untouched.folder)
    )
    person.answer("Where does the application run?", "» ● Vercel")
    take_what_was_detected(person)
    person.see("A Vercel token with access to the project")
    person.type("notThisOne" + ENTER)
    person.see("✗ ", "next:")
    person.see_at_cursor("A Vercel token with access to the project")
    person.type(untouched.environment["VERCEL_TOKEN"] + ENTER)
    person.see("Apply this plan?", "» Apply")
    assert "✓ Vercel project eonpro/eonpro" in person.transcript
    assert ".vercel/project.json" in person.transcript
    left(person)
    kept = [file.read_bytes() for place in (untouched.folder, tmp_path) for file in place.rglob("*") if file.is_file()]
    for token in (untouched.environment["VERCEL_TOKEN"].encode(), b"notThisOne"):
        assert not [text for text in (person.received, *kept) if token in text]


def test_what_is_wrong_is_told_on_a_clean_screen_before_anything_is_made(untouched: Deployment, sit: Sit) -> None:
    answers = "--region us-east-1 --administrators caller --app-principal create --trail create --target vercel"
    answers += " --multi-region no --vercel-access oidc --alert-emails none"
    wrong = "--account 999999999999 --vercel-team eonpro --vercel-project another"
    person = sit(untouched, *answers.split(), *wrong.split())
    person.see("Nothing was created or changed. What now?", "» Edit an answer", "Check again", "Cancel")
    shown = person.transcript
    assert "999999999999" in shown and "another" in shown, "both faults are told in one run"
    assert shown.count("next:") >= 2
    assert "administrators" not in shown.partition("999999999999")[2], "the account alone is blamed"
    assert "…" not in shown, "what was under way is still on the screen"
    person.type(DOWN + DOWN + ENTER)
    assert person.leave() == 8
    assert "Traceback" not in person.transcript
    assert len(asked(person.transcript, 80)) == 1
    assert not untouched.changes()


def test_without_a_person_the_same_problems_end_the_run(untouched: Deployment, sit: Sit) -> None:
    answers = "--region us-east-1 --administrators caller --app-principal create --trail create --target vercel"
    answers += " --multi-region no --vercel-access oidc --non-interactive"
    wrong = "--account 999999999999 --vercel-team eonpro --vercel-project another"
    person = sit(untouched, *answers.split(), *wrong.split())
    assert person.leave() == 3
    shown = person.transcript
    assert "999999999999" in shown and "another" in shown and shown.count("next: ") >= 2
    assert "…" not in shown and "Traceback" not in shown and "? " not in shown
    assert not untouched.changes()


def test_nothing_is_coloured_for_a_person_who_wants_no_colour(untouched: Deployment, sit: Sit) -> None:
    # Two stacks: what the first leaves behind when it ends is none of the second's, however late that one begins.
    coloured, plain = sit(untouched), sit(untouched, "--stack", "plain", NO_COLOR="1")
    for person in (coloured, plain):
        up_to_the_account(person)
        left(person)
    assert COLOUR.search(coloured.received)
    assert not COLOUR.search(plain.received)


def test_a_dumb_terminal_is_asked_in_plain_lines(untouched: Deployment, sit: Sit) -> None:
    person = sit(untouched, "--stack", "dumb", TERM="dumb")
    person.see("1. Vercel - a project's variables", "Where does the application run? (numbers")
    person.type("1" + ENTER)
    person.answer("Which AWS account? (number", "[1]")
    person.answer("Which Region? (number", "[1]")
    person.answer("Who administers the key? (numbers", "[1]")
    person.answer("Who gets the alerts? (number", "[1]")
    person.see("1. Apply", "Apply this plan? (number", "[1]")
    person.type("2" + ENTER)
    person.see("Which answer? (number")
    left(person)
    assert b"\x1b" not in person.received
    assert "Traceback" not in person.transcript


def test_the_command_of_make_wizard_asks(untouched: Deployment, sit: Sit) -> None:
    # The tests may be a target of make themselves; what that one was given is not this one's.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "ARGS")}
    recipe = subprocess.run(
        ["make", "-s", "-n", "wizard"], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    # What follows it says how to go on.
    (called,) = re.findall(r"\.venv/bin/python -m wizard[^;]*", recipe)
    command = shlex.split(called)
    person = sit(untouched, *command[1:], command=[sys.executable])
    person.see("EONPRO KMS · setup · stack production", "Where does the application run?")
    left(person)
