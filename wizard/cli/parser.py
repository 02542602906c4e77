"""The command line: its commands, its flags and its exit codes as tables, and the parser made from them.

Pure. Loads argparse and the table of questions, no library: `--help` is printed from here.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

from wizard.core.errors import UsageError
from wizard.inputs.registry import INPUTS, add_flags

PROGRAM = "python -m wizard"
INTERRUPTED = 130
"""Exit code after Ctrl-C at a prompt: 128 + SIGINT, as shells have it."""

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "setup": "set up or update everything: resources, data key, delivery, proof (the default)",
        "preview": "show what setup would do; make nothing",
        "push": "deliver the escrowed data key again, and offer the redeploy",
        "verify": "prove again that the application can open the data key; change nothing",
        "status": "how the stack stands, in one screen; --all: every stack",
        "doctor": "what is wrong, each fault by its cause, with the command that mends it; changes nothing",
        "rotate": "--cmk | --schedule | --reencrypt | --data-key | --promote: change the key, its wrapping, the data key",
        "restore": "put an escrowed version of the data key, or a backup, back in its place",
        "adopt": "--encryption-key: wrap the ENCRYPTION_KEY that the application used so far",
        "backup": "the wrapped data key to a file or a locked S3 object, in another Region too",
        "review": "who can use and who can administer the key, and what changed since the last review",
        "report": "the compliance report, as a page, as text and as data",
        "cost": "what it costs: by the settings, and by what was really used",
        "access-key": "rotate | retire: change the access key of the application on Vercel, where it has one",
        "policy": "operator | auditor | delivery | ci: the least IAM policy for each; whom the roles of CI trust",
        "destroy": "take the stack away, and leave the key, the data key and the audit trail",
        "schema": "COMMAND | failure | answers: print the JSON Schema of what --json prints, or of an answers file",
        "completion": "bash | zsh | fish: print the completion script of a shell",
    }
)
"""What each command does, in the order of `--help`."""

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

SCHEMAS = (*COMMANDS, "failure", "answers")
"""The JSON Schemas in `schemas/`: of each command's document, of every failure's, of an answers file."""

OFFLINE = frozenset(("policy", "schema", "completion"))
"""The commands that ask no service anything; the others keep a log."""

ACTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "access-key": ("rotate", "retire"),
        "policy": ("operator", "auditor", "delivery", "ci"),
        "schema": SCHEMAS,
        "completion": ("bash", "zsh", "fish"),
    }
)
"""What a command takes beside its name."""

ONLY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "--dry-run": ("setup",),
        "--save-plan": ("setup", "preview"),
        "--plan": ("setup",),
        "--from": ("setup", "preview"),
        "--all": ("status",),
        "--to": ("push", "backup"),
        "--branch": ("push",),
        "--set-aside": ("push",),
        "--redeploy": ("push", "rotate", "restore", "adopt"),
        "--no-redeploy": ("push", "rotate", "restore", "adopt"),
        "--cmk": ("rotate",),
        "--schedule": ("rotate",),
        "--reencrypt": ("rotate",),
        "--data-key": ("rotate",),
        "--promote": ("rotate",),
        "--version": ("restore",),
        "--from-backup": ("restore",),
        "--encryption-key": ("adopt",),
        "--to-region": ("backup",),
        "--quick": ("doctor",),
        "--sign": ("review",),
        "--days": ("review", "cost"),
        "--out": ("review", "report"),
        "--used": ("cost",),
        "--requests": ("cost", "report"),
        "--instances": ("cost", "report"),
        "--cache-minutes": ("cost", "report"),
        "--repository": ("policy",),
    }
)
"""The flags that only some commands know."""

_WIDTH = 78


class _Paragraphs(argparse.HelpFormatter):
    """Wraps a paragraph, and leaves what has lines of its own as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are errors of the wizard's own tree: told once, in one form, `--json` included."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"{PROGRAM} --help")


def parser() -> argparse.ArgumentParser:
    """The command line. Its errors raise UsageError."""
    made = _Parser(
        prog=PROGRAM,
        description="Set up AWS KMS for EONPRO: a key that passes an audit, and the wrapped data key delivered.",
        epilog=_epilog(),
        formatter_class=_Paragraphs,
        # `--vercel-token VALUE` must not pass for `--vercel-token-file FILE`.
        allow_abbrev=False,
    )
    made.add_argument("command", nargs="?", default="setup", metavar="COMMAND", help="what to do; see below")
    made.add_argument("action", nargs="?", metavar="ACTION", help="what the command takes beside its name; see below")
    made.add_argument("--stack", default="production", metavar="NAME", help="the Pulumi stack (default: production)")
    made.add_argument("--all", action="store_true", dest="all_stacks", help="of status: every stack")
    made.add_argument("--answers", type=Path, metavar="FILE", help="answers file, YAML or JSON (see examples/)")
    made.add_argument(
        "--from", dest="from_stack", metavar="STACK", help="take the settings of another stack as a start"
    )
    made.add_argument("--yes", action="store_true", help="confirm the plan beforehand")
    made.add_argument("--confirm", metavar="NAME", help="the stack's name: confirms beforehand what cannot be undone")
    made.add_argument("--adopt", action="store_true", help="take what was set up by hand into the stack")
    made.add_argument("--dry-run", action="store_true", help="of setup: stop after the plan; make nothing")
    made.add_argument("--save-plan", type=Path, metavar="FILE", help="write the plan to a file, to carry it out later")
    made.add_argument("--plan", type=Path, metavar="FILE", help="carry out a saved plan, or refuse if it fits no more")
    made.add_argument(
        "--json", action="store_true", help="one JSON document on stdout, all else on stderr; asks nothing"
    )
    made.add_argument("--non-interactive", action="store_true", help="never ask; implied without a terminal")
    made.add_argument("--verbose", action="store_true", help="tell every call of AWS, Vercel and Pulumi on stderr")
    made.add_argument("--debug", action="store_true", help="--verbose, Pulumi's own output and the cause of an error")
    made.add_argument("--log", type=Path, metavar="FILE", help="the log, without secrets (default: in .wizard/logs/)")
    _add_day_two(made)
    add_flags(made)
    return made


def _add_day_two(made: argparse.ArgumentParser) -> None:
    """The flags of the commands for a stack that stands."""
    group = made.add_argument_group("for a stack that stands")
    group.add_argument("--to", metavar="PLACE", help="of push: environments, with commas; of backup: FILE or s3://…")
    group.add_argument("--branch", metavar="NAME", help="of push --to preview: one git branch only")
    group.add_argument("--set-aside", metavar="ID", help="of push: that ENCRYPTED_PHI_KEY on Vercel gets another name")
    group.add_argument("--redeploy", action="store_true", default=None, help="start the application anew afterwards")
    group.add_argument("--no-redeploy", action="store_false", dest="redeploy", help="do not, and do not ask")
    group.add_argument("--cmk", action="store_true", help="of rotate: new material for the KMS key, now")
    group.add_argument("--schedule", type=int, metavar="DAYS", help="of rotate: days between automatic rotations")
    group.add_argument(
        "--reencrypt", metavar="KEY", help="of rotate: the same data key under another KMS key (its ARN)"
    )
    group.add_argument("--data-key", action="store_true", help="of rotate: a new data key beside the old one")
    group.add_argument("--promote", metavar="FINGERPRINT", help="of rotate: the new data key into the old one's place")
    group.add_argument("--version", metavar="FINGERPRINT", help="of restore: the escrowed version")
    group.add_argument("--from-backup", metavar="PLACE", help="of restore: FILE or s3://… of a backup")
    group.add_argument("--encryption-key", action="store_true", help="of adopt: 64 hex digits, by stdin or a prompt")
    group.add_argument("--to-region", metavar="REGION", help="of backup: a copy in the escrow's store there")
    group.add_argument("--quick", action="store_true", help="of doctor: without Pulumi's own comparison (seconds)")
    group.add_argument("--sign", metavar="NAME", help="of review: sign it off by that name")
    group.add_argument("--days", type=int, metavar="DAYS", help="of review, cost: how far back to look (default: 90)")
    group.add_argument("--out", type=Path, metavar="FOLDER", help="of review, report: where the files go")
    group.add_argument("--used", action="store_true", help="of cost: by what was really used")
    group.add_argument("--requests", type=int, metavar="N", help="of cost, report: what if, KMS requests a month")
    group.add_argument("--instances", type=int, metavar="N", help="of cost, report: what if, instances that run")
    group.add_argument("--repository", metavar="OWNER/NAME", help="of policy ci: the repository on GitHub")
    group.add_argument("--cache-minutes", type=float, metavar="M", help="of cost, report: what if, the key cache's TTL")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The options of a run. Raises UsageError, which names a flag that nobody knows without what was given to it."""
    options, unknown = parser().parse_known_args(argv)
    if unknown:
        raise UsageError(_unknown(unknown), f"{PROGRAM} --help")
    if options.command not in COMMANDS:
        raise UsageError(
            f"there is no command {options.command!r}{_like(options.command, COMMANDS)}", f"{PROGRAM} --help"
        )
    actions = ACTIONS.get(options.command, ())
    if actions and options.action not in actions:
        raise UsageError(
            f"{options.command} takes one of: {', '.join(actions)}", f"{PROGRAM} {options.command} {actions[0]}"
        )
    if options.action and not actions:
        raise UsageError(f"{options.command} takes no {options.action!r}", f"{PROGRAM} {options.command}")
    for flag, commands in ONLY.items():
        if _given(options, flag) and options.command not in commands:
            raise UsageError(
                f"{options.command} knows no {flag}: it belongs to {' and '.join(commands)}",
                f"{PROGRAM} {commands[0]} --help",
            )
    if options.plan and (options.dry_run or options.save_plan):
        raise UsageError(
            "--plan carries a saved plan out; --dry-run and --save-plan carry nothing out",
            f"{PROGRAM} {options.command} --plan {options.plan}",
        )
    return options


def command_of(argv: Sequence[str]) -> str | None:
    """The command that a command line names, as far as one that cannot be read tells; None where it does not."""
    valued = {option for action in parser()._actions if action.nargs != 0 for option in action.option_strings}
    words = [word for before, word in zip(("", *argv), argv, strict=False) if before not in valued]
    return next((word for word in words if word in COMMANDS), None)


_KEPT = ("--stack", "--answers", "--from", "--yes", "--adopt", *(each.flag for each in INPUTS))
_CONNECTION = frozenset(
    ("--stack", "--answers", "--yes", "--profile", "--backend", "--target", "--vercel-token-file", "--passphrase-file")
)


def given_flags(argv: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The flags of a command line that the next command has to repeat, each with its words."""
    actions = {option: action for action in parser()._actions for option in action.option_strings}
    flags: dict[str, tuple[str, ...]] = {}
    words = iter(argv)
    for word in words:
        name, equals, _ = word.partition("=")
        takes_value = name in actions and actions[name].nargs != 0
        typed = (word,) if equals or not takes_value else (word, *(value for value in (next(words, None),) if value))
        if name in _KEPT:
            flags[name] = (*flags.get(name, ()), *typed)
    return flags


def flags_of(command: str) -> frozenset[str]:
    """The flags of a command that it has from the run that names it."""
    if command in ("schema", "completion") or command not in COMMANDS:
        return frozenset()
    if command in ("setup", "preview"):
        return frozenset(_KEPT)
    return frozenset(_KEPT) - {"--from", "--adopt"} if command in ("policy", "cost") else _CONNECTION


def _given(options: argparse.Namespace, flag: str) -> bool:
    names = {"--all": "all_stacks", "--from": "from_stack", "--no-redeploy": "redeploy"}
    value = getattr(options, names.get(flag, flag.removeprefix("--").replace("-", "_")))
    # A flag that is not given is None, or False for those that only switch on.
    return value is False if flag == "--no-redeploy" else value is not None and value is not False


def _unknown(words: Sequence[str]) -> str:
    # What follows an unknown flag may be a secret: it is not repeated.
    flags = [word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 1]
    if not flags:
        return f"there is no place for {len(words)} more words than a command and its action"
    known = [option for action in parser()._actions for option in action.option_strings]
    return "; ".join(f"there is no flag {flag}{_like(flag, known)}" for flag in dict.fromkeys(flags))


def _like(word: str, known: Sequence[str] | Mapping[str, str]) -> str:
    import difflib

    near = next((each for each in known if each.startswith(f"{word}-")), None)
    found = [near] if near else difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _epilog() -> str:
    import textwrap

    codes = ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    lines = ["commands:"]
    for name, text in COMMANDS.items():
        lines += textwrap.wrap(text, _WIDTH, initial_indent=f"  {name:<10} ", subsequent_indent=" " * 13)
    lines += ["", "exit codes:"]
    lines += textwrap.wrap(codes, _WIDTH, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(lines)
