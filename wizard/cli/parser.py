"""The command line: a parser for each command, made from the table of commands and the command's own options.

Pure. Loads argparse, the tables of commands and inputs, and the options of the one command that is parsed.
"""

import argparse
import dataclasses
import errno
import os
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from wizard import version
from wizard.cli.commands import COMMANDS, TABLE, Command, Shared
from wizard.core.errors import UsageError
from wizard.core.next_command import DEFAULT_COMMAND, PROGRAM, SCRIPT, RunOptions, eonpro
from wizard.core.safe_text import quoted
from wizard.inputs.registry import INPUTS, TARGET, add_flags

INTERRUPTED = 130
"""Exit code after Ctrl-C at a prompt: 128 + SIGINT, as shells have it."""

EXIT_CODES: Mapping[int, str] = MappingProxyType(
    {
        0: "ok",
        1: "failure",
        2: "usage or missing answers",
        3: "credentials or permission",
        4: "resource failure",
        5: "policy refusal",
        6: "stack not found",
        8: "cancelled",
        INTERRUPTED: "Ctrl-C at a prompt",
    }
)
"""Pulumi's own table (https://www.pulumi.com/docs/iac/cli/exit-codes/), and the shells' code for an interrupt."""

SHARED_INPUTS: Mapping[Shared, frozenset[str]] = MappingProxyType(
    {
        Shared.ACCOUNT: frozenset(("profile", "vercel_token", "backend", "passphrase")),
        Shared.TARGET: frozenset(("target",)),
        Shared.PLACE: frozenset(
            "profile account region administrators permissions_boundary backend passphrase".split()
        ),
        Shared.REPLACE: frozenset(("replace_variable",)),
    }
)
"""The inputs that a command for a deployed stack takes: the others are in the stack's settings."""

_SHORT = {
    "target": f"where the application runs: {', '.join(choice.value for choice in TARGET.choices)}",
    "profile": "the AWS profile",
    "vercel_token": "a file that holds the Vercel token",
    "backend": "where Pulumi keeps the state",
    "replace_variable": "a variable of somebody else that is replaced",
}
"""The shared inputs that a command's help lists; `help inputs` has all."""

_SWITCHES = frozenset(
    "--yes --all --json --non-interactive --verbose --debug --adopt --dry-run --help -h --version".split()
)
"""Flags without a value that may stand before the command."""

_NOT_KEPT = frozenset(
    "--help --all --json --non-interactive --verbose --debug --log --confirm --redeploy --no-redeploy "
    "--plan --save-plan --save-answers --replace-variable".split()
)
"""Flags that the next command does not repeat."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CommandLine:
    """A command line that was read: the command, what commands share, and the command's own options."""

    command: Command
    run: RunOptions
    options: Any


class _Format(argparse.RawDescriptionHelpFormatter):
    """One line for each option, as far as it fits."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=80)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are UsageErrors: printed once, in one form, also with `--json`."""

    def error(self, message: str) -> NoReturn:
        words = (name,) if (name := self.prog.removeprefix(PROGRAM).strip()) else ()
        raise UsageError(message, eonpro(*words, "--help"))

    def format_help(self) -> str:
        return _as_called(super().format_help())


def _as_called(text: str) -> str:
    """A help with this program named as it was called."""
    return text.replace(PROGRAM, SCRIPT) if os.path.basename(sys.argv[0]) == SCRIPT else text


@cache
def parser_of(command: Command) -> argparse.ArgumentParser:
    """The parser of one command. Its errors raise UsageError."""
    parser = _Parser(
        prog=f"{PROGRAM} {command.name}",
        usage=f"{PROGRAM} {command.name} [options]",
        description=f"{command.help[0].upper()}{command.help[1:]}.",
        formatter_class=_Format,
        # `--vercel-token VALUE` must not pass for `--vercel-token-file FILE`.
        allow_abbrev=False,
        add_help=False,
    )
    fill(parser, command)
    return parser


def fill(parser: argparse.ArgumentParser, command: Command) -> None:
    """Add the arguments of a command: its own, then those that it shares with others."""
    command.options.add_arguments(parser)
    if Shared.START in command.shared:
        parser.add_argument("--from", dest="from_stack", metavar="STACK", help="start from the settings of that stack")
        parser.add_argument("--adopt", action="store_true", help="import what was created manually")
    stack = parser.add_argument_group("the stack")
    if Shared.STACK in command.shared:
        stack.add_argument(
            "--stack", default="production", metavar="NAME", help="the Pulumi stack (default: production)"
        )
        stack.add_argument(
            "--answers", type=Path, metavar="FILE", help="answers file: preview --save-answers writes one"
        )
    keys = frozenset[str]().union(*(SHARED_INPUTS.get(shared, ()) for shared in command.shared))
    if Shared.INPUTS in command.shared:
        keys |= {each.key for each in INPUTS if Shared.START in command.shared or each.field is not None}
    add_flags(stack, keys=keys, helps=_SHORT)
    run = parser.add_argument_group("this run")
    if Shared.YES in command.shared:
        run.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    if Shared.CONFIRM in command.shared:
        run.add_argument("--confirm", metavar="NAME", help="the stack's name, for what cannot be undone")
    if Shared.REDEPLOY in command.shared:
        run.add_argument("--redeploy", action="store_true", default=None, help="restart the application afterwards")
        run.add_argument("--no-redeploy", action="store_false", dest="redeploy", help="do not, and do not ask")
    if Shared.ALL in command.shared:
        run.add_argument("--all", action="store_true", dest="everything", help="show what the screen leaves out, too")
    run.add_argument("--json", action="store_true", help="one JSON document on stdout; asks nothing")
    run.add_argument("--non-interactive", action="store_true", help="never ask; implied without a terminal")
    run.add_argument("--verbose", action="store_true", help="print every call of AWS, Vercel and Pulumi")
    run.add_argument("--debug", action="store_true", help="and Pulumi's output, and causes of errors")
    run.add_argument("--log", type=Path, metavar="FILE", help="the log, without secrets (in .wizard/logs/)")
    run.add_argument("-h", "--help", action="help", help="print this help")


def parse(argv: Sequence[str]) -> CommandLine:
    """The command line of a run. Raises UsageError, which names an unknown flag without the value given to it."""
    command, words = _split(argv)
    _refuse_placeholders(command, words)
    namespace, unknown = parser_of(command).parse_known_args(words)
    if unknown:
        raise UsageError(_unknown(command, unknown), eonpro(command.name, "--help"))
    _refuse_impossible_paths(command, vars(namespace))
    given = tuple(_flags_and_actions(command, words))
    without_effect = _without_effect(command, [word for word, *_ in given])
    if idle := [f"{flag} {without_effect[flag]}" for flag, *_ in given if flag in without_effect]:
        kept = [word for flag, *typed in given if flag not in without_effect for word in typed]
        raise UsageError("; ".join(idle), eonpro(command.name, *kept))
    values = vars(namespace)
    kinds = command.options, RunOptions
    own, run = ({name: values[name] for name in _fields(kind) if name in values} for kind in kinds)
    inputs = {each.file_key: values.get(each.file_key) for each in INPUTS}
    return CommandLine(
        command=command,
        run=RunOptions(**{**run, "command": command.name, "inputs": inputs}),
        options=kinds[0](**own),
    )


def _refuse_placeholders(command: Command, words: Sequence[str]) -> None:
    """Raises UsageError for a word that a help or a printed command has in the place of a value."""
    actions = _actions(command)
    for flag, value in (*pairwise(words), *(word.split("=", 1) for word in words if "=" in word)):
        metavar = str(actions[flag].metavar).partition(",")[0] if flag in actions else None
        if metavar and value in (metavar, "ENVIRONMENT", "FILE", "STACK"):
            message = f"{flag}: {value} stands for a value; write the value in its place"
            raise UsageError(message, eonpro(command.name, "--help"))


_PATHS = frozenset(("CHECKOUT", "DIR", "FILE", "FOLDER", "PLACE"))
"""The metavars of what names a file or a folder."""


def _refuse_impossible_paths(command: Command, values: Mapping[str, Any]) -> None:
    """Raises UsageError for a path that the file system does not take, or below which this user may not look."""
    for action in parser_of(command)._actions:
        given = values.get(action.dest) if action.metavar in _PATHS else None
        for path in map(str, given if isinstance(given, list | tuple) else filter(None, (given,))):
            if why := "" if path.startswith("s3://") else _why_impossible(path):
                name = action.option_strings[0] if action.option_strings else str(action.metavar)
                raise UsageError(
                    f"{name}: {quoted(path[:_SHOWN])} cannot be used as a file: {why}", eonpro(command.name, "--help")
                )


_SHOWN = 80
"""Characters of such a path in a message."""


def _why_impossible(path: str) -> str:
    """Why no file can have this path; empty where one can, whether it is there or not."""
    path = os.path.expanduser(path)
    # Of a name below a folder that is not there yet the file system says nothing: so each is asked for alone, too.
    for each in (path, *path.split(os.sep)):
        try:
            os.stat(each or os.curdir)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            if each == path or getattr(error, "errno", 0) == errno.ENAMETOOLONG:
                return str(getattr(error, "strerror", None) or error)
    return ""


def _flags_and_actions(command: Command, words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Each flag and action of a command, then the words it was typed as: ("--stack", "--stack", "staging")."""
    actions, rest = _actions(command), iter(words)
    for word in rest:
        flag, equals, _ = word.partition("=")
        has_value = flag in actions and actions[flag].nargs != 0 and not equals
        yield (flag if flag in actions else word, word, *([value] if has_value and (value := next(rest, "")) else []))


def _without_effect(command: Command, given: Iterable[str]) -> dict[str, str]:
    """The flags that would do nothing beside these flags and actions of a command, each with the reason."""
    given = frozenset(given)
    needs: Mapping[str, Collection[str]] = getattr(command.options, "NEEDS", {})
    conflicts: Mapping[str, Collection[str]] = getattr(command.options, "CONFLICTS", {})
    return {
        **{flag: f"does nothing without {' or '.join(of)}" for flag, of in needs.items() if given.isdisjoint(of)},
        **{flag: f"does nothing with {word}" for word, of in conflicts.items() if word in given for flag in of},
    }


def command_of(argv: Sequence[str]) -> str | None:
    """The command that a command line names, as far as one that cannot be read names one."""
    _, word, _ = _first_word(argv)
    return word if word in COMMANDS else None


def _fields(kind: Any) -> Iterator[str]:
    return (each.name for each in dataclasses.fields(kind))


def _split(argv: Sequence[str]) -> tuple[Command, list[str]]:
    """The command, and the words without its name."""
    before, word, after = _first_word(argv)
    if word is None:
        return COMMANDS[DEFAULT_COMMAND], [*before]
    if word not in COMMANDS:
        raise UsageError(f"there is no command {word!r}{_like(word, COMMANDS)}", eonpro("--help"))
    return COMMANDS[word], [*before, *after]


def _first_word(argv: Sequence[str]) -> tuple[Sequence[str], str | None, Sequence[str]]:
    """The first word that is no flag and no flag's value, with what stands before and after it."""
    valued = _valued_flags()
    position = 0
    while position < len(argv):
        word = argv[position]
        before = argv[position - 1] if position else ""
        # After an unknown flag stands its value, which may be a secret: it is not taken for a command.
        if not word.startswith("-") and (word in COMMANDS or not before.startswith("-") or before in _SWITCHES):
            return argv[:position], word, argv[position + 1 :]
        position += 2 if word in valued else 1
    return argv, None, ()


def _valued_flags() -> frozenset[str]:
    return frozenset("--stack --answers --from --confirm --plan --save-plan --save-answers --log".split()) | {
        each.flag for each in INPUTS
    }


# --- help ------------------------------------------------------------------------------------------------------------


def help_of(topic: str | None) -> str:
    """The help of a command, of the inputs, or of all commands for None."""
    if topic == "inputs":
        parser = argparse.ArgumentParser(prog=PROGRAM, usage=argparse.SUPPRESS, formatter_class=_Format, add_help=False)
        add_flags(parser.add_argument_group("inputs"))
        return parser.format_help()
    return parser_of(COMMANDS[topic]).format_help() if topic else overview()


def overview() -> str:
    """`--help` without a command: the commands in groups, one line each, and the exit codes."""
    lines = [
        f"usage: {PROGRAM} [COMMAND] [options]",
        "",
        "Set up AWS KMS for patient data: an auditable key, and the data key delivered.",
    ]
    for group in dict.fromkeys(command.group for command in TABLE):
        lines += ["", f"{group}:"]
        lines += [f"  {command.name:<11} {command.help}" for command in TABLE if command.group == group]
    codes = textwrap.fill(", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()), 78)
    lines += ["", "exit codes:", textwrap.indent(codes, "  "), "", f"more: {PROGRAM} COMMAND --help", ""]
    return _as_called("\n".join(lines))


def answered(argv: Sequence[str]) -> str | None:
    """What is printed for `--help` without a command and for `--version`; None for any other command line."""
    _, word, _ = _first_word(argv)
    if word is None and ("--help" in argv or "-h" in argv):
        return overview()
    return f"eonpro-kms {version()}\n" if word is None and "--version" in argv else None


# --- the flags of a run, for the next command ------------------------------------------------------------------------


def given_flags(argv: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The flags of a command line that the next command repeats, each with its words; a file by its whole path."""
    name = command_of(argv) or DEFAULT_COMMAND
    actions = _actions(COMMANDS[name])
    flags: dict[str, tuple[str, ...]] = {}
    words = iter(argv)
    for word in words:
        flag, equals, value = word.partition("=")
        action = actions.get(flag)
        typed: tuple[str, ...] = (word,)
        if action is not None and action.nargs != 0 and (given := value if equals else next(words, None)) is not None:
            given = os.path.abspath(given) if action.metavar == "FILE" else given
            typed = (f"{flag}={given}",) if equals else (flag, given)
        if action is not None and flag.startswith("--") and flag not in _NOT_KEPT:
            flags[flag] = (*flags.get(flag, ()), *typed)
    own = {option for action in _own_actions(COMMANDS[name]) for option in action.option_strings}
    return {flag: typed for flag, typed in flags.items() if flag not in own}


def flags_of(command: str, words: Sequence[str] | None = None) -> frozenset[str]:
    """The flags that a command takes, without those that do nothing beside its words; none for an unknown command."""
    if command not in COMMANDS:
        return frozenset()
    known = COMMANDS[command]
    without_effect = (
        {} if words is None else _without_effect(known, [word for word, *_ in _flags_and_actions(known, words)])
    )
    return frozenset(_actions(known)) - without_effect.keys()


def _actions(command: Command) -> dict[str, argparse.Action]:
    return {option: action for action in parser_of(command)._actions for option in action.option_strings}


def _own_actions(command: Command) -> list[argparse.Action]:
    parser = _Parser(add_help=False)
    command.options.add_arguments(parser)
    return parser._actions


# --- what cannot be read ---------------------------------------------------------------------------------------------


def _unknown(command: Command, words: Sequence[str]) -> str:
    # What follows an unknown flag may be a secret: it is not repeated.
    flags = [word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 1]
    if not flags:
        many = "1 more word" if len(words) == 1 else f"{len(words)} more words"
        return f"{command.name} does not take {many}"
    return "; ".join(_unknown_flag(command, flag) for flag in dict.fromkeys(flags))


def _unknown_flag(command: Command, flag: str) -> str:
    others = [each.name for each in TABLE if flag in _actions(each)]
    if others:
        return f"{command.name} has no {flag}; these commands take it: {', '.join(others)}"
    return f"there is no flag {flag}{_like(flag, _actions(command))}"


def _like(word: str, known: Iterable[str]) -> str:
    import difflib

    # Only a slip of the fingers, which the first letter mostly escapes: `deploy` is not `destroy`.
    names = [each for each in known if each.lstrip("-")[:1] == word.lstrip("-")[:1]]
    near = next((each for each in names if each.startswith(f"{word}-")), None)
    matches = [near] if near else difflib.get_close_matches(word, names, n=1, cutoff=0.8)
    return f"; did you mean {matches[0]}?" if matches else ""
