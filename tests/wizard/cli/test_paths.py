"""A path that the file system does not take is refused where it is read from the command line, and never thrown."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from wizard.cli.commands import COMMANDS, TABLE
from wizard.cli.parser import parse, parser_of
from wizard.core.errors import UsageError

LONG = "x" * 300
PATHS = ("CHECKOUT", "DIR", "FILE", "FOLDER", "PLACE")


def flags() -> Iterator[tuple[str, argparse.Action]]:
    """Every flag, and every word, that names a file or a folder, with its command."""
    for command in TABLE:
        for action in parser_of(command)._actions:
            if action.metavar in PATHS:
                yield command.name, action


FLAGS = {f"{name} {(action.option_strings or [action.dest])[0]}": (name, action) for name, action in flags()}


def typed(name: str, action: argparse.Action, path: str) -> list[str]:
    before = {"backup": ["drill"]} if "--from-backup" in action.option_strings else {"report": ["verify"]}
    words = before.get(name, []) if name == "backup" or not action.option_strings else []
    required = [
        str(next(iter(other.choices)))
        for other in parser_of(COMMANDS[name])._actions
        if other.choices and not other.option_strings and other.nargs is None
    ]
    return [name, *required, *words, *action.option_strings[:1], path]


@pytest.mark.parametrize("path", [LONG, f"folder/{LONG}/file", "x/" * 3000, "a\0b"])
@pytest.mark.parametrize("flag", FLAGS)
def test_an_impossible_path_is_a_usage_error_that_names_the_flag(flag: str, path: str) -> None:
    name, action = FLAGS[flag]
    with pytest.raises(UsageError) as refused:
        parse(typed(name, action, path))
    assert refused.value.message.startswith((action.option_strings or [str(action.metavar)])[0]), refused.value.message
    assert "cannot be used as a file" in refused.value.message and len(refused.value.message) < 500


@pytest.mark.parametrize("path", ["there/is/none.json", f"s3://bucket/{LONG}", "/dev/stdin", "a b", "ü"])
def test_a_path_that_is_not_there_yet_is_taken(path: str) -> None:
    assert parse(["backup", "--to", path]).options.to == path
