"""The manifest says what argparse and the tables say, all of it; each option is read as the manifest describes it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

import wizard.cli.main as cli
from wizard.cli import offline, parser
from wizard.cli.commands import COMMANDS, READ_ONLY, SCHEMAS, TABLE
from wizard.core.errors import UsageError
from wizard.core.next_command import RunOptions
from wizard.inputs.registry import INPUTS

COMMANDS_TOLD: dict[str, dict[str, Any]] = {each["name"]: each for each in offline.manifest_content()["commands"]}
EACH = [(name, option) for name, command in COMMANDS_TOLD.items() for option in command["options"]]


def each(of: Callable[[dict[str, Any]], bool]) -> list[ParameterSet]:
    """The options of all commands of which something holds, as parameters with their names."""
    return [pytest.param(*one, id=f"{one[0]} {one[1]['name']}") for one in EACH if of(one[1])]


def test_every_command_and_every_option_of_its_parser_is_told() -> None:
    assert list(COMMANDS_TOLD) == [command.name for command in TABLE]
    for command in TABLE:
        fresh = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        parser.fill(fresh, command)
        told = COMMANDS_TOLD[command.name]["options"]
        assert [flag for option in told for flag in option["flags"]] == list(fresh._option_string_actions)
        assert sum(not option["flags"] for option in told) == len(fresh._get_positional_actions())


def _value(option: dict[str, Any]) -> str:
    """A value that the option takes, by what the manifest says of it."""
    for values in (option["choices"], option["words"]):
        if values:
            return str(values[0])
    return {"integer": "90", "number": "1.5", "path": "/a/file", "yes or no": "yes"}.get(option["type"], "word")


def _typed(name: str, option: dict[str, Any]) -> list[str]:
    """A command line with the option, with what the command cannot do without, and with what the option needs."""
    line = [name]
    words = [need for need in option["needs"] if not need.startswith("-")]
    flags = [need for need in option["needs"] if need.startswith("-")]
    by_flag = {flag: each for each in COMMANDS_TOLD[name]["options"] for flag in each["flags"]}
    if words:
        line.append(words[0])
    elif flags:
        line += _given(by_flag[flags[0]], flags[0])
    for each in COMMANDS_TOLD[name]["options"]:
        if each["required"] and not each["flags"] and not words and each is not option:
            line.append(_value(each))
    return [*line, *_given(option, option["name"])]


def _given(option: dict[str, Any], flag: str) -> list[str]:
    if not option["flags"]:
        # `verify`, `drill`: a word that the help writes as it is typed.
        return [flag if option["value"] == flag and flag.islower() else _value(option)]
    return [flag] if option["type"] == "switch" else [flag, _value(option)]


@pytest.mark.parametrize(("name", "option"), each(lambda option: option["name"] != "--help"))
def test_an_option_is_read_as_it_is_described(name: str, option: dict[str, Any]) -> None:
    line = parser.parse(_typed(name, option))
    assert line.command.name == name and isinstance(line.run, RunOptions)


@pytest.mark.parametrize(("name", "option"), each(lambda option: bool(option["conflictsWith"] or option["needs"])))
def test_what_is_told_to_do_nothing_is_refused(name: str, option: dict[str, Any]) -> None:
    # The option alone, without what it needs; and beside each word that takes its effect from it.
    typed = _given(option, option["name"])
    by_flag = {flag: each for each in COMMANDS_TOLD[name]["options"] for flag in each["flags"]}
    lines = [[name, *typed]] if option["needs"] else []
    for other in option["conflictsWith"]:
        lines.append([name, *(_given(by_flag[other], other) if other in by_flag else [other]), *typed])
    for words in lines:
        with pytest.raises(UsageError):
            parser.parse(words)


def test_an_input_has_the_variable_and_the_default_of_its_table() -> None:
    told = {option["name"]: option for option in COMMANDS_TOLD["setup"]["options"]}
    for each in INPUTS:
        assert told[each.flag]["variable"] == each.variable
        assert told[each.flag]["help"] == each.flag_takes
        assert told[each.flag]["default"] == each.default
        for choice in each.choices:
            assert choice.value in (*told[each.flag]["choices"], *told[each.flag]["words"])


def test_no_value_of_a_secret_is_taken_on_a_command_line() -> None:
    flags = {each.flag for each in INPUTS if each.secret}
    told = [option for command in COMMANDS_TOLD.values() for option in command["options"]]
    assert {option["type"] for option in told if option["name"] in flags} == {"path"}


def test_a_command_that_only_reads_changes_nothing() -> None:
    changing = {name for name, command in COMMANDS_TOLD.items() if command["changes"]}
    assert changing.isdisjoint((*READ_ONLY, "preview", "init"))
    assert {"setup", "destroy", "push", "rotate", "restore", "adopt", "backup", "access-key", "documents"} == changing
    assert all(COMMANDS[name].writes for name in changing)


def test_each_command_has_its_schema_and_no_schema_is_left_out() -> None:
    named = [name for command in COMMANDS_TOLD.values() for name in command["schemas"]]
    assert sorted([*named, offline.FAILURE, "answers"]) == sorted(SCHEMAS)


def test_the_table_is_for_people_and_fits_its_width(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["manifest"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= offline.WIDTH
    assert {line.split()[0] for line in lines if line and not line.startswith(" ")} >= set(COMMANDS)


def test_the_document_is_the_same_wherever_it_is_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["manifest", "--json"]) == 0
    before = capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    # What programs that run in an agent's shell set: nothing depends on it.
    for name in ("CI", "CLAUDECODE", "CURSOR_AGENT", "AGENT"):
        monkeypatch.setenv(name, "1")
    assert cli.main(["manifest", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(before)
    assert list(tmp_path.iterdir()) == []
