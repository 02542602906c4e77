"""`manifest`, `schema`, `completion` and `help`: what the command line says of itself, alone on standard output.

Reads the folder `schemas/`; writes to standard output. Made from the table of commands, their parsers and the inputs.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard import SOURCE_FOLDER, version
from wizard.cli.commands import COMMANDS, SCHEMAS, TABLE, Command
from wizard.cli.completion import script
from wizard.cli.parser import EXIT_CODES, help_of, parser_of
from wizard.core import json_documents
from wizard.core.errors import SetupError
from wizard.core.models.inputs import Input, InputType
from wizard.core.next_command import DEFAULT_COMMAND, SCRIPT, Result, shell
from wizard.inputs.registry import INPUTS

if TYPE_CHECKING:
    from wizard.core.ports.run import Offline


SHELLS = ("bash", "zsh", "fish")
"""The shells whose completion can be turned on."""


@dataclass(frozen=True, kw_only=True)
class SchemaOptions:
    name: str

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "name",
            choices=SCHEMAS,
            metavar="NAME",
            help=f"a command, {', '.join(SCHEMAS[len(COMMANDS) : -1])}, or answers",
        )

    def run_offline(self, offline: Offline) -> Result:
        path = SOURCE_FOLDER / "schemas" / f"{self.name}.schema.json"
        try:
            schema = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            message = f"the schema {path} cannot be read: {error}"
            raise SetupError(message, shell("git", "-C", SOURCE_FOLDER, "checkout", "--", "schemas")) from error
        offline.print(json.dumps(schema, indent=2))
        return 0, json_documents.schema(self.name, schema)


@dataclass(frozen=True, kw_only=True)
class CompletionOptions:
    shell: str

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")
        parser.epilog = (
            'in ~/.bashrc or ~/.zshrc:  eval "$(eonpro-kms completion bash)"   (or zsh)\n'
            "in config.fish:            eonpro-kms completion fish | source\n"
            "the folder of eonpro-kms, .venv/bin of the project, has to be on the PATH"
        )

    def run_offline(self, offline: Offline) -> Result:
        text = script(self.shell)
        offline.print(text)
        return 0, json_documents.completion(self.shell, text)


@dataclass(frozen=True, kw_only=True)
class HelpOptions:
    topic: str | None = None

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        topics = (*COMMANDS, "inputs")
        parser.add_argument("topic", nargs="?", choices=topics, metavar="COMMAND", help="a command, or inputs")

    def run_offline(self, offline: Offline) -> Result:
        text = help_of(self.topic)
        offline.print(text.rstrip("\n"))
        return 0, json_documents.help_text(self.topic, text)


FAILURE = "failure"
"""The schema of what every command prints when it fails."""
WIDTH = 100

_INPUTS = {each.flag: each for each in INPUTS}
_TYPES: Mapping[Any, str] = {int: "integer", float: "number", Path: "path"}
_HEADINGS = ("command", "changes", "asks", "locks", "writes")


@dataclass(frozen=True, kw_only=True)
class ManifestOptions:
    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """It has none of its own."""

    def run_offline(self, offline: Offline) -> Result:
        for line in manifest_table():
            offline.print(line)
        return 0, json_documents.manifest(manifest_content())


def manifest_table() -> Iterator[str]:
    """The commands as lines of text: whether each changes something, asks, holds the lock, and what it writes."""
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for command in TABLE:
        words = ("yes" if each else "no" for each in (command.changes, command.asks, command.locks))
        rows.append((command.name, *words, command.writes or "nothing"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS) - 1)]
    for row in rows:
        head = "".join(f"{cell:<{width}}  " for cell, width in zip(row, widths, strict=False))
        yield from textwrap.wrap(
            row[-1], WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
        )
    yield ""
    yield f"the options of each command: {SCRIPT} manifest --json"


def manifest_content() -> dict[str, Any]:
    """The fields of the document: the program, its exit codes and its commands."""
    return {
        "program": SCRIPT,
        "programVersion": version(),
        "defaultCommand": DEFAULT_COMMAND,
        "exitCodes": [{"code": code, "meaning": meaning} for code, meaning in EXIT_CODES.items()],
        "failureSchema": FAILURE,
        "commands": [_command(command) for command in TABLE],
    }


def _command(command: Command) -> dict[str, Any]:
    return {
        "name": command.name,
        "group": command.group,
        "help": command.help,
        "reads": command.reads,
        "writes": command.writes,
        "changes": command.changes,
        "asks": command.asks,
        "locks": command.locks,
        "offline": command.is_offline,
        "schemas": [name for name in SCHEMAS if name == command.name or name.startswith(f"{command.name}-")],
        "options": [_option(command, action) for action in parser_of(command)._actions],
    }


def _option(command: Command, action: argparse.Action) -> dict[str, Any]:
    """An option, or a word without a flag: then `flags` is empty and `name` is its place in the command line."""
    known = next((_INPUTS[flag] for flag in action.option_strings if flag in _INPUTS), None)
    name = action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest)
    needs: Mapping[str, tuple[str, ...]] = getattr(command.options, "NEEDS", {})
    conflicts: Mapping[str, tuple[str, ...]] = getattr(command.options, "CONFLICTS", {})
    return {
        "name": name,
        "flags": list(action.option_strings),
        "type": _type(action, known),
        "value": None if action.nargs == 0 else str(action.metavar or action.dest.upper()),
        "choices": _choices(action, known),
        "words": _words(action, known),
        "default": _default(action, known),
        "required": action.required,
        "repeatable": isinstance(action.default, list) or (known is not None and known.many),
        "variable": known.variable if known else None,
        "needs": sorted({word for flag in action.option_strings for word in needs.get(flag, ())}),
        "conflictsWith": [
            word for word, flags in conflicts.items() if not set(flags).isdisjoint(action.option_strings)
        ],
        "help": known.flag_takes if known else (action.help or "") % {"default": action.default},
    }


def _type(action: argparse.Action, known: Input | None) -> str:
    if action.nargs == 0:
        return "switch"
    if known is None:
        return _TYPES.get(action.type, "text")
    if known.secret:
        return "path"
    if known.kind is InputType.CONFIRM:
        return "yes or no"
    is_number = isinstance(known.default, int) and not isinstance(known.default, bool)
    return "integer" if is_number else "text"


def _choices(action: argparse.Action, known: Input | None) -> list[str]:
    """All values that it takes, where they are a list; an input of several values takes several of them."""
    if known is None:
        return [str(choice) for choice in action.choices or ()]
    if known.kind is InputType.CONFIRM:
        return ["yes", "no"]
    is_closed = known.kind in (InputType.SELECT, InputType.CHECKBOX) and not known.free_text
    return list(_offered(known)) if is_closed else []


def _words(action: argparse.Action, known: Input | None) -> list[str]:
    """The words that stand for a value, beside the values that it takes."""
    return [] if known is None or _choices(action, known) else list(_offered(known))


def _offered(known: Input) -> dict[str, None]:
    return dict.fromkeys((*(choice.value for choice in known.choices), *known.words))


def _default(action: argparse.Action, known: Input | None) -> Any:
    """The value without the option; null where there is none, or where the account or the saved settings give it."""
    value = known.default if known else action.default
    if action.default == argparse.SUPPRESS or value in ([], ()):
        return None
    return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
