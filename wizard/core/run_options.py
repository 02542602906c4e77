"""What every command is started with: the stack, the answers, how it is confirmed, what it prints.

Pure, and light: the parser loads it before anything else. A command's own options are a class in its package.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wizard import PROJECT_FOLDER

if TYPE_CHECKING:
    from wizard.setup.steps import Clients, Request

Result = tuple[int, Mapping[str, Any]]
"""An exit code, and the document that `--json` prints."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options that commands share; each has its default where the command does not take it."""

    command: str
    project: Path = PROJECT_FOLDER
    """The project's folder, which holds the stacks' settings."""
    stack: str = "production"
    answers: Path | None = None
    from_stack: str | None = None
    """The stack whose settings a new one starts from."""
    yes: bool = False
    confirm: str | None = None
    """The stack's name, which confirms what cannot be undone."""
    adopt: bool = False
    plan: Path | None = None
    """A saved plan to apply."""
    save_plan: Path | None = None
    json: bool = False
    non_interactive: bool = False
    verbose: bool = False
    debug: bool = False
    log: Path | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """The flags of the inputs by the input's key in an answers file, unparsed; None where not given."""


class Options(Protocol):
    """The options of one command: a frozen dataclass whose fields are the destinations of its arguments."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Add the command's own arguments. Loads no library."""
        ...

    def run(self, request: Request, clients: Clients) -> Result:
        """The command, from the request to its end. Raises SetupError."""
        ...


class OfflineOptions(Protocol):
    """The options of a command that asks no service and builds no request."""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None: ...
    def run_offline(self, run: RunOptions) -> Result:
        """The command, to its end. Raises SetupError."""
        ...
