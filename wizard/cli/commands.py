"""The table of commands: name, group, help, where its options are, which shared options it takes, whether it
changes something.

Pure. Parser, entry point, help and completion are made from it. It loads no command: the
package of a command is loaded when its options are asked for, and what runs when it runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Command:
    name: str
    group: str
    help: str
    """One line."""
    load_options: Callable[[], Any]
    """Imports the class of its options when the command is parsed; `--help` needs none of them."""
    shared: tuple[Shared, ...] = (STACK, ACCOUNT)
    changes: bool = False
    """Whether it can change the account, a target, the stored data key or the state."""
    is_offline: bool = False
    """Whether it asks no service; then it also writes no log."""
    tolerates_settings: bool = False
    """Whether it runs although the stack's settings file cannot be used."""

    @property
    def asks(self) -> bool:
        """Whether it may ask a question in a terminal, besides a code for the credentials."""
        return not {Shared.START, Shared.YES, Shared.CONFIRM, Shared.REDEPLOY}.isdisjoint(self.shared)

    @property
    def options(self) -> Any:
        """The class of its options: `add_arguments`, and `run` or `run_offline`, which raise SetupError."""
        return self.load_options()


SET_UP = "set up"
DELIVER = "deliver and verify"
INSPECT = "inspect; nothing is changed"
CHANGE = "change and keep the key and the data key"
HELP = "help"

TABLE: tuple[Command, ...] = (
    Command(
        name="setup",
        group=SET_UP,
        help="set up or update everything, then verify it (the default)",
        load_options=lambda: import_module("wizard.setup").SetupOptions,
        shared=(STACK, ACCOUNT, INPUTS, START, YES, CONFIRM, ALL),
        changes=True,
    ),
    Command(
        name="preview",
        group=SET_UP,
        help="show what setup would do",
        load_options=lambda: import_module("wizard.setup").PreviewOptions,
        shared=(STACK, ACCOUNT, INPUTS, START, YES, ALL),
    ),
    Command(
        name="destroy",
        group=SET_UP,
        help="remove the stack; the key, the data key and the audit trail stay",
        load_options=lambda: import_module("wizard.setup").DestroyOptions,
        shared=(STACK, ACCOUNT, CONFIRM),
        changes=True,
    ),
    Command(
        name="rehearsal",
        group=SET_UP,
        help="try all of it in an account, and remove it (under a dollar)",
        load_options=lambda: import_module("wizard.commands.options").RehearsalOptions,
        shared=(PLACE, YES, CONFIRM),
        changes=True,
    ),
    Command(
        name="init",
        group=SET_UP,
        help="make a project of your own for the settings, and its environment",
        load_options=lambda: import_module("wizard.cli.init").InitOptions,
        shared=(),
        is_offline=True,
    ),
    Command(
        name="engine",
        group=SET_UP,
        help="install the Pulumi CLI, for who has none",
        load_options=lambda: import_module("wizard.cli.init").EngineOptions,
        shared=(),
        is_offline=True,
    ),
    Command(
        name="push",
        group=DELIVER,
        help="deliver the stored data key again, and offer the redeploy",
        load_options=lambda: import_module("wizard.commands.options").PushOptions,
        shared=(STACK, ACCOUNT, TARGET, YES, CONFIRM, REDEPLOY, REPLACE),
        changes=True,
    ),
    Command(
        name="verify",
        group=DELIVER,
        help="verify again that the application can decrypt the data key",
        load_options=lambda: import_module("wizard.commands.options").VerifyOptions,
        shared=(STACK, ACCOUNT, TARGET),
    ),
    Command(
        name="status",
        group=INSPECT,
        help="the state of the stack in one screen; --all: every stack",
        load_options=lambda: import_module("wizard.commands.options").StatusOptions,
        tolerates_settings=True,
    ),
    Command(
        name="doctor",
        group=INSPECT,
        help="what is wrong, and the command that fixes it",
        load_options=lambda: import_module("wizard.commands.options").DoctorOptions,
        shared=(STACK, ACCOUNT, ALL),
    ),
    Command(
        name="review",
        group=INSPECT,
        help="who can use or administer the key, and what changed",
        load_options=lambda: import_module("wizard.commands.options").ReviewOptions,
        shared=(STACK, ACCOUNT, CONFIRM, ALL),
    ),
    Command(
        name="report",
        group=INSPECT,
        help="the compliance report, as a page, as text and as data",
        load_options=lambda: import_module("wizard.commands.options").ReportOptions,
        shared=(STACK, ACCOUNT, ALL),
    ),
    Command(
        name="cost",
        group=INSPECT,
        help="what it costs a month, estimated from the settings",
        load_options=lambda: import_module("wizard.commands.options").CostOptions,
        shared=(STACK, INPUTS),
    ),
    Command(
        name="rotate",
        group=CHANGE,
        help="new key material, schedule, KMS key or data key",
        load_options=lambda: import_module("wizard.commands.rotate").RotateOptions,
        shared=(STACK, ACCOUNT, YES, CONFIRM, REDEPLOY, REPLACE),
        changes=True,
    ),
    Command(
        name="restore",
        group=CHANGE,
        help="put an earlier data key, or a backup, back in its place",
        load_options=lambda: import_module("wizard.commands.rotate").RestoreOptions,
        shared=(STACK, ACCOUNT, CONFIRM, REDEPLOY, REPLACE),
        changes=True,
    ),
    Command(
        name="adopt",
        group=CHANGE,
        help="wrap the ENCRYPTION_KEY that the application used until now",
        load_options=lambda: import_module("wizard.commands.rotate").AdoptOptions,
        shared=(STACK, ACCOUNT, CONFIRM, REDEPLOY),
        changes=True,
    ),
    Command(
        name="backup",
        group=CHANGE,
        help="copy the wrapped data key to a file, to S3 or to another Region",
        load_options=lambda: import_module("wizard.commands.options").BackupOptions,
        changes=True,
    ),
    Command(
        name="access-key",
        group=CHANGE,
        help="rotate or retire the application's access key on Vercel",
        load_options=lambda: import_module("wizard.setup").AccessKeyOptions,
        shared=(STACK, ACCOUNT, YES),
        changes=True,
    ),
    Command(
        name="documents",
        group=CHANGE,
        help="move the application's documents in S3 to a KMS key of their own",
        load_options=lambda: import_module("wizard.commands.documents").DocumentsOptions,
        shared=(STACK, ACCOUNT, YES),
        changes=True,
    ),
    Command(
        name="policy",
        group=HELP,
        help="print the least IAM policies",
        load_options=lambda: import_module("wizard.commands.options").PolicyOptions,
        shared=(STACK, INPUTS),
        is_offline=True,
    ),
    Command(
        name="schema",
        group=HELP,
        help="print the JSON Schema of what --json prints, or of an answers file",
        load_options=lambda: import_module("wizard.cli.offline").SchemaOptions,
        shared=(),
        is_offline=True,
    ),
    Command(
        name="completion",
        group=HELP,
        help="print the line that turns on completion in bash, zsh or fish",
        load_options=lambda: import_module("wizard.cli.offline").CompletionOptions,
        shared=(),
        is_offline=True,
    ),
    Command(
        name="help",
        group=HELP,
        help="help COMMAND, or help inputs: what each of the inputs takes",
        load_options=lambda: import_module("wizard.cli.offline").HelpOptions,
        shared=(),
        is_offline=True,
    ),
)
"""Every command, in the order of `--help`."""

COMMANDS: Mapping[str, Command] = MappingProxyType({command.name: command for command in TABLE})
"""The commands by name."""

READ_ONLY = tuple(command.name for command in TABLE if command.group == INSPECT or command.name == "verify")
"""The commands that change nothing: what one of them has asked AWS or Vercel, it does not ask again."""

SCHEMAS = (*COMMANDS, "report-verify", "failure", "answers")
"""The JSON Schemas in `wizard/schemas/`: of each command's document, of every failure's, of an answers file."""
