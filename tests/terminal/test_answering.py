"""Single questions as a person meets them, and the terminals that cannot draw."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

from tests.onboarding.deployment import PROJECT, Deployment
from tests.terminal.conftest import Sit
from tests.terminal.person import CTRL_C, ENTER, SPACE, Person

COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:[349]\d|10\d)(?:;\d+)*m")


def left(person: Person) -> None:
    """Ctrl-C, and the wizard is left."""
    person.type(CTRL_C)
    assert person.leave() == 130


def up_to_the_account(person: Person) -> None:
    """The first question, answered by Vercel."""
    person.see("Where does the application run?", "» ○ Vercel")
    person.type(SPACE)
    person.see("» ● Vercel")
    person.type(ENTER)
    person.see("Which AWS account?", "» 123456789012")


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
