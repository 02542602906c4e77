"""The files of a customer's project: what they say of commands and exit codes is what the tables say."""

from __future__ import annotations

import re

import pytest

from wizard.cli import init
from wizard.cli.commands import COMMANDS
from wizard.cli.parser import EXIT_CODES, flags_of

AGENTS = (init.TEMPLATE / "AGENTS.md").read_text()
FREE, PERSON, NEVER = (
    AGENTS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    for title in ("Without asking anybody", "Only a person decides", "Never")
)


def named(text: str) -> set[str]:
    """The commands that a part of the page names."""
    return {word for word in re.findall(r"`([a-z-]+)", text) if word in COMMANDS}


def test_what_runs_without_a_person_changes_nothing() -> None:
    free = named(FREE.partition("\nAdd ")[0])
    assert [name for name in free if COMMANDS[name].changes] == []
    assert {name for name, command in COMMANDS.items() if not command.changes} - free == {"init"}


def test_every_command_that_changes_something_is_a_persons() -> None:
    assert {name for name, command in COMMANDS.items() if command.changes} <= named(PERSON)


def test_the_flags_that_a_person_decides_on_are_flags() -> None:
    flags = set(re.findall(r"`(?:\w+ )?(--[a-z-]+)", FREE + PERSON))
    known = frozenset[str]().union(*map(flags_of, COMMANDS))
    assert {"--sign", "--yes", "--confirm"} <= flags <= known


def test_the_exit_codes_are_the_table() -> None:
    codes = " ".join(AGENTS.partition("\n## Exit codes\n")[2].split()).split(" · ")
    said = {int(code): meaning for code, _, meaning in (each.partition(" ") for each in codes)}
    assert said == {**EXIT_CODES, 1: f"{EXIT_CODES[1]}, or something is wrong"}


@pytest.mark.parametrize("word", ["delete", "secret", "KMS key", "backup", "exit code 5"])
def test_what_nobody_does_is_said(word: str) -> None:
    assert word in NEVER.lower() or word in NEVER
