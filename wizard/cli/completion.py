"""Shell completion of `eonpro-kms` by argcomplete: the candidates that only this machine knows.

Reads the project's stacks and schema, the AWS configuration files and botocore's list of Regions. Loads no library
but argcomplete: a person who presses TAB waits for it.
"""

import argparse
import configparser
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import argcomplete
from argcomplete.shell_integration import shellcode

from wizard import PROJECT_FOLDER, SCHEMA_FOLDER
from wizard.cli.commands import COMMANDS, TABLE
from wizard.cli.parser import fill
from wizard.core.models.inputs import Input, InputType
from wizard.core.next_command import DEFAULT_COMMAND, SCRIPT
from wizard.inputs.registry import INPUTS

_INPUTS = {each.flag: each for each in INPUTS}
_STACKS = ("--stack", "--confirm", "--from")
_PARTITIONS = ("aws", "aws-us-gov", "aws-cn")


def script(shell: str) -> str:
    """What a shell runs to register the completion of the script.

    Completion for `python` itself would take it away from everything else.
    """
    return shellcode([SCRIPT], shell=shell)


def complete() -> None:
    """Answer the shell and end the process."""
    argcomplete.autocomplete(tree(os.environ, PROJECT_FOLDER))


def tree(environ: Mapping[str, str], folder: Path) -> argparse.ArgumentParser:
    """The whole command line with a completer for each value. `folder` is the project's."""
    root = argparse.ArgumentParser(prog=SCRIPT, add_help=False, allow_abbrev=False)
    commands = root.add_subparsers(dest="command", metavar="COMMAND")
    for command in TABLE:
        fill(commands.add_parser(command.name, help=command.help, add_help=False, allow_abbrev=False), command)
    # Without a command it is the default one.
    fill(root, COMMANDS[DEFAULT_COMMAND])
    root.add_argument("--version", action="store_true", help="print the version")
    for parser in (root, *commands.choices.values()):
        for action in parser._actions:
            for flag in action.option_strings:
                # Most inputs are not in a command's help, but all of them can be completed.
                if flag in _INPUTS and action.help == argparse.SUPPRESS:
                    action.help = _INPUTS[flag].flag_takes
                if (candidates := _completer(flag, environ, folder)) is not None:
                    # argcomplete reads this attribute; argparse does not know it.
                    setattr(action, "completer", candidates)  # noqa: B010
    return root


# --- the values of a flag --------------------------------------------------------------------------------------------

Pairs = Iterable[tuple[str, str]]
"""Values, each with its description."""

Completer = Callable[..., dict[str, str]]
"""Called by argcomplete with the `prefix` that was typed, and with more that it does not need."""


def _completer(flag: str, environ: Mapping[str, str], folder: Path) -> Completer | None:
    """The completer of a flag's value; None where the shell completes the names of files."""
    each = _INPUTS.get(flag)
    if flag in _STACKS:
        return lambda **_: dict(stacks(folder))
    if each is None or each.secret:
        return None if each or flag in _FILES else lambda **_: {}
    if not each.many:
        return lambda **_: dict(_of_input(each, environ))

    def members_(prefix: str, **_: Any) -> dict[str, str]:
        # The members typed before the last comma stay as they are, and are not offered again.
        head, comma, _word = prefix.rpartition(",")
        named = head.split(",")
        values = _of_input(each, environ)
        return {head + comma + value: note for value, note in values if value not in named}

    return members_


_FILES = ("--answers", "--plan", "--save-plan", "--log", "--out", "--to", "--from-backup")


def _of_input(each: Input, environ: Mapping[str, str]) -> Pairs:
    if each.key == "profile":
        return profiles(environ)
    if each.key in ("region", "replica_regions"):
        return regions()
    if each.kind is InputType.CONFIRM:
        return (("yes", "default" if each.default else ""), ("no", "default" if each.default is False else ""))
    offered = {choice.value: choice.title for choice in each.choices} | {
        word: _meaning(each, word) for word in each.words
    }
    if not each.words:
        offered = dict.fromkeys(members(each), "") | offered
    if not offered and each.default is not None:
        offered = {str(each.default): ""}
    return [(value, note or ("default" if value == str(each.default) else "")) for value, note in offered.items()]


def _meaning(each: Input, word: str) -> str:
    found = re.search(rf"`{re.escape(word)}`: ([^;,()]+)", each.help)
    choice = next((choice.title for choice in each.choices if choice.value == word), "")
    return choice or (found[1].strip() if found else "")


def members(each: Input) -> tuple[str, ...]:
    """All that an input takes, where the answers file's schema lists it.

    The rules themselves stand in `components.settings.settings`, which takes ten times as long to load.
    """
    try:
        schema = json.loads((SCHEMA_FOLDER / "answers.schema.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    forms = schema["properties"].get(each.file_key, {}).get("anyOf", ())
    return next((tuple(form["enum"]) for form in forms if "enum" in form), ())


def stacks(folder: Path) -> Iterator[tuple[str, str]]:
    """The stacks that have a settings file in the project's folder, each with its Region and account."""
    for file in sorted(folder.glob("Pulumi.*.yaml")):
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        told = (
            re.search(rf"^\s+{key}:\s*['\"]?([\w-]+)", text, re.M) for key in ("aws:region", "eonpro-kms:accountId")
        )
        yield file.name.removeprefix("Pulumi.").removesuffix(".yaml"), ", ".join(found[1] for found in told if found)


def profiles(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """The profiles of the AWS configuration files, each with its Region and how it gets credentials."""
    home = Path(environ.get("HOME") or "~").expanduser()
    found: dict[str, str] = {}
    for variable, name in (("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")):
        file = environ.get(variable)
        read = configparser.RawConfigParser(strict=False, default_section="\0", allow_no_value=True)
        try:
            read.read(Path(file).expanduser() if file else home / ".aws" / name, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue
        for section in read.sections():
            kind, _, profile = section.rpartition("profile ")
            if kind or (name == "config" and not section.startswith("profile ") and section != "default"):
                continue  # an sso-session, or services
            values = dict(read.items(section))
            how = next((word for key, word in _WAYS.items() if key in values), "")
            note = ", ".join(part for part in (how, values.get("region") or "") if part)
            found[profile.strip()] = found.get(profile.strip()) or note
    return list(found.items())


_WAYS = {
    "sso_session": "IAM Identity Center",
    "sso_start_url": "IAM Identity Center",
    "role_arn": "a role",
    "credential_process": "a credential process",
    "aws_access_key_id": "an access key",
}
"""How a profile gets credentials, by the key that says so."""


def regions() -> list[tuple[str, str]]:
    """The Regions that botocore knows, with their names. AWS is not asked, and of botocore one small file is read."""
    spec = find_spec("botocore")
    if spec is None or not spec.submodule_search_locations:
        return []
    try:
        file = Path(spec.submodule_search_locations[0]) / "data" / "partitions.json"
        partitions = json.loads(file.read_text(encoding="utf-8"))["partitions"]
    except (OSError, ValueError, KeyError):
        return []
    return [
        (name, str(told.get("description", "")))
        for partition in partitions
        if partition["id"] in _PARTITIONS
        for name, told in sorted(partition["regions"].items())
        if not name.endswith("-global")
    ]
