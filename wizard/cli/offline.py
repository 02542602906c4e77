"""`schema`, `completion` and `help`: what the command line says of itself, alone on standard output.

Reads the folder `wizard/schemas/`; writes to standard output.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard import SCHEMA_FOLDER, SOURCE_FOLDER
from wizard.cli.commands import COMMANDS, SCHEMAS
from wizard.cli.completion import script
from wizard.cli.parser import help_of
from wizard.core import json_documents
from wizard.core.errors import SetupError
from wizard.core.next_command import Result, shell

if TYPE_CHECKING:
    from wizard.core.clients import Offline


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
        path = SCHEMA_FOLDER / f"{self.name}.schema.json"
        try:
            schema = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            message = f"the schema {path} cannot be read: {error}"
            raise SetupError(message, shell("git", "-C", SOURCE_FOLDER, "checkout", "--", "wizard/schemas")) from error
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
