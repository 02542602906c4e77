"""What every command is started with: the stack, the answers, how it is confirmed, what it prints.

Pure, and light: the parser loads it before anything else. A command's own options are a frozen dataclass in its
package, whose fields are the destinations of its arguments. It has `add_arguments(parser)`, and `run(request, clients)`
or, for a command that asks no service, `run_offline(offline)`; both return a Result and raise SetupError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.settings import Settings

Result = tuple[int, Mapping[str, Any]]
"""An exit code, and the document that `--json` prints."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options that commands share; each has its default where the command does not take it."""

    command: str
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


@dataclass(frozen=True, kw_only=True)
class Offline:
    """What a command has that asks no service."""

    run: RunOptions
    project: Path
    """The project's folder."""
    saved: Callable[[], Settings | None]
    """The settings in the stack's file. Raises UsageError for settings that cannot be used."""
    saved_name: str
    """The name of that file."""
    print: Callable[[str], None]
    """Prints the result alone on standard output, where no JSON document is asked for."""
