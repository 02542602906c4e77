"""Every option of every command is read as its table says, and what would do nothing is refused."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import pytest

from wizard.cli import parser
from wizard.cli.commands import COMMANDS, READ_ONLY, SCHEMAS, TABLE, Command
from wizard.core.errors import UsageError
from wizard.core.models.inputs import Input, InputType
from wizard.core.next_command import RunOptions
from wizard.inputs.registry import INPUTS

BY_FLAG = {each.flag: each for each in INPUTS}
Words = Mapping[str, tuple[str, ...]]


def options_of(command: Command) -> list[argparse.Action]:
    return [each for each in parser.parser_of(command)._actions if "--help" not in each.option_strings]


def needs_of(command: Command) -> Words:
    """The words that each flag does nothing without."""
    return getattr(command.options, "NEEDS", {})


def conflicts_of(command: Command) -> Words:
    """The flags that do nothing beside each word."""
    return getattr(command.options, "CONFLICTS", {})


def value(action: argparse.Action) -> str:
    """A value that the option takes, by its table."""
    # A command may have an option of its own under the name of an input.
    flags = () if action.choices else action.option_strings
    known: Input | None = next((BY_FLAG[flag] for flag in flags if flag in BY_FLAG), None)
    if known is None:
        if action.choices:
            return str([*action.choices][0])
        return "90" if action.type in (int, float) else "/a/file"
    if known.secret:
        return "/a/file"
    if known.kind is InputType.CONFIRM:
        return "yes"
    offered = (*(choice.value for choice in known.choices), *known.words)
    return offered[0] if offered else "90" if isinstance(known.default, int) else "word"


def typed(action: argparse.Action) -> list[str]:
    """The option alone, as a person types it."""
    if not action.option_strings:
        return [value(action)]
    flag = action.option_strings[-1]
    return [flag] if action.nargs == 0 else [flag, value(action)]


def by_word(command: Command, word: str) -> list[str]:
    """A word that a flag needs or does nothing beside, as a person types it."""
    return next((typed(each) for each in options_of(command) if word in each.option_strings), [word])


def line(command: Command, action: argparse.Action) -> list[str]:
    """A command line with the option, with what it needs, and with what the command cannot do without."""
    needed = [word for flag in action.option_strings for word in needs_of(command).get(flag, ())]
    places = [word for word in needed if not word.startswith("-")]
    words = places[:1] or (by_word(command, needed[0]) if needed else [])
    required = (each for each in options_of(command) if each.required and not each.option_strings)
    words += [value(each) for each in required if not places and each is not action]
    return [command.name, *words, *typed(action)]


EACH = [
    pytest.param(command, action, id=f"{command.name} {[action.metavar, *action.option_strings][-1]}")
    for command in TABLE
    for action in options_of(command)
]


@pytest.mark.parametrize(("command", "action"), EACH)
def test_an_option_is_read(command: Command, action: argparse.Action) -> None:
    read = parser.parse(line(command, action))
    assert read.command.name == command.name and isinstance(read.run, RunOptions)


@pytest.mark.parametrize(("command", "action"), EACH)
def test_an_option_that_would_do_nothing_is_refused(command: Command, action: argparse.Action) -> None:
    flags = set(action.option_strings)
    lines = [[command.name, *typed(action)]] if flags & set(needs_of(command)) else []
    lines += [
        [command.name, *by_word(command, word), *typed(action)]
        for word, useless in conflicts_of(command).items()
        if flags & set(useless)
    ]
    for words in lines:
        with pytest.raises(UsageError):
            parser.parse(words)


def test_no_value_of_a_secret_is_taken_on_a_command_line() -> None:
    flags = {each.flag for each in INPUTS if each.secret}
    assert flags and all(flag.endswith("-file") for flag in flags)


def test_a_command_that_only_reads_changes_nothing() -> None:
    changing = {command.name for command in TABLE if command.changes}
    assert changing.isdisjoint((*READ_ONLY, "preview", "init"))
    assert {
        "setup",
        "rehearsal",
        "destroy",
        "push",
        "rotate",
        "restore",
        "adopt",
        "backup",
        "access-key",
        "documents",
    } == changing


def test_each_command_has_its_schema_and_no_schema_is_left_out() -> None:
    named = {name for name in SCHEMAS for command in COMMANDS if name == command or name.startswith(f"{command}-")}
    assert named | {"failure", "answers"} == set(SCHEMAS) and named >= set(COMMANDS)
