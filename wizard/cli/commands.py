"""The table of commands: name, group, help, where its options are, which shared options it takes, whether it
changes something.

Pure. Parser, entry point, help and completion are made from it. It loads no command: the
package of a command is loaded when its options are asked for, and what runs when it runs.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from enum import StrEnum
from importlib import import_module
from types import MappingProxyType
from typing import Any


class Shared(StrEnum):
    """Options that several commands take."""

    STACK = "stack"
    """--stack and --answers."""
    ACCOUNT = "account"
    """Whose credentials, and where the state is."""
    TARGET = "target"
    """--target: to some of the stack's targets alone."""
    INPUTS = "inputs"
    """The inputs that are settings; with START, every input."""
    START = "start"
    """What a plan starts from and is saved to."""
    YES = "yes"
    CONFIRM = "confirm"
    REDEPLOY = "redeploy"
    PLACE = "place"
    """Where a rehearsal is, whose credentials it has, and who administers it."""
    REPLACE = "replace"
    """--replace-variable: a variable of somebody else that a delivery may replace."""
    ALL = "all"
    """--all: what the command's screen leaves out."""


STACK, ACCOUNT, TARGET, INPUTS, START, YES, CONFIRM, REDEPLOY, PLACE, REPLACE, ALL = Shared


@dataclass(frozen=True, eq=False)
class Command:
    name: str
    help: str
    """One line."""
    shared: tuple[Shared, ...] = (STACK, ACCOUNT)
    _: KW_ONLY
    module: str = "commands.options"
    """The module below `wizard` that has the class of its options: `PushOptions` of `push`."""
    changes: bool = False
    """Whether it can change the account, a target, the stored data key or the state."""
    is_offline: bool = False
    """Whether it asks no service; then it also writes no log."""
    tolerates_settings: bool = False
    """Whether it runs although the stack's settings file cannot be used."""
    group: str = ""

    @property
    def asks(self) -> bool:
        """Whether it may ask a question in a terminal, besides a code for the credentials."""
        return not {Shared.START, Shared.YES, Shared.CONFIRM, Shared.REDEPLOY}.isdisjoint(self.shared)

    @property
    def options(self) -> Any:
        """The class of its options: `add_arguments`, and `run` or `run_offline`, which raise SetupError.

        It is imported when the command is parsed; `--help` needs none of them.
        """
        name = self.name.title().replace("-", "")
        return getattr(import_module(f"wizard.{self.module}"), f"{name}Options")


INSPECT = "inspect; nothing is changed"

_GROUPS: Mapping[str, tuple[Command, ...]] = {
    "set up": (
        Command(
            "setup",
            "set up or update everything, then verify it (the default)",
            (STACK, ACCOUNT, INPUTS, START, YES, CONFIRM, ALL),
            changes=True,
            module="setup",
        ),
        Command("preview", "show what setup would do", (STACK, ACCOUNT, INPUTS, START, YES, ALL), module="setup"),
        Command(
            "destroy",
            "remove the stack; the key, the data key and the audit trail stay",
            (STACK, ACCOUNT, CONFIRM),
            changes=True,
            module="setup",
        ),
        Command(
            "rehearsal",
            "try all of it in an account, and remove it (under a dollar)",
            (PLACE, YES, CONFIRM),
            changes=True,
        ),
        Command(
            "init",
            "make a project of your own for the settings, and its environment",
            (),
            is_offline=True,
            module="cli.init",
        ),
        Command("engine", "install the Pulumi CLI, for who has none", (), is_offline=True, module="cli.init"),
    ),
    "deliver and verify": (
        Command(
            "push",
            "deliver the stored data key again, and offer the redeploy",
            (STACK, ACCOUNT, TARGET, YES, CONFIRM, REDEPLOY, REPLACE),
            changes=True,
        ),
        Command("verify", "verify again that the application can decrypt the data key", (STACK, ACCOUNT, TARGET)),
    ),
    INSPECT: (
        Command("status", "the state of the stack in one screen; --all: every stack", tolerates_settings=True),
        Command("doctor", "what is wrong, and the command that fixes it", (STACK, ACCOUNT, ALL)),
        Command("review", "who can use or administer the key, and what changed", (STACK, ACCOUNT, CONFIRM, ALL)),
        Command("report", "the compliance report, as a page, as text and as data", (STACK, ACCOUNT, ALL)),
        Command("cost", "what it costs a month, estimated from the settings", (STACK, INPUTS)),
    ),
    "change and keep the key and the data key": (
        Command(
            "rotate",
            "new key material, schedule, KMS key or data key",
            (STACK, ACCOUNT, YES, CONFIRM, REDEPLOY, REPLACE),
            changes=True,
            module="commands.rotate",
        ),
        Command(
            "restore",
            "put an earlier data key, or a backup, back in its place",
            (STACK, ACCOUNT, CONFIRM, REDEPLOY, REPLACE),
            changes=True,
            module="commands.rotate",
        ),
        Command(
            "adopt",
            "wrap the ENCRYPTION_KEY that the application used until now",
            (STACK, ACCOUNT, CONFIRM, REDEPLOY),
            changes=True,
            module="commands.rotate",
        ),
        Command("backup", "copy the wrapped data key to a file, to S3 or to another Region", changes=True),
        Command(
            "access-key",
            "rotate or retire the application's access key on Vercel",
            (STACK, ACCOUNT, YES),
            changes=True,
            module="setup",
        ),
        Command(
            "documents",
            "move the application's documents in S3 to a KMS key of their own",
            (STACK, ACCOUNT, YES),
            changes=True,
            module="commands.documents",
        ),
    ),
    "help": (
        Command("policy", "print the least IAM policies", (STACK, INPUTS), is_offline=True),
        Command(
            "schema",
            "print the JSON Schema of what --json prints, or of an answers file",
            (),
            is_offline=True,
            module="cli.offline",
        ),
        Command(
            "completion",
            "print the line that turns on completion in bash, zsh or fish",
            (),
            is_offline=True,
            module="cli.offline",
        ),
        Command(
            "help",
            "help COMMAND, or help inputs: what each of the inputs takes",
            (),
            is_offline=True,
            module="cli.offline",
        ),
    ),
}

TABLE = tuple(replace(command, group=group) for group, commands in _GROUPS.items() for command in commands)
"""Every command, in the order of `--help`."""

COMMANDS: Mapping[str, Command] = MappingProxyType({command.name: command for command in TABLE})
"""The commands by name."""

READ_ONLY = tuple(command.name for command in TABLE if command.group == INSPECT or command.name == "verify")
"""The commands that change nothing: what one of them has asked AWS or Vercel, it does not ask again."""

SCHEMAS = (*COMMANDS, "report-verify", "failure", "answers")
"""The JSON Schemas in `wizard/schemas/`: of each command's document, of every failure's, of an answers file."""
