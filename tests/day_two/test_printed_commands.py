"""Every command is run on a deployed stack, well and with faults: what it prints to be typed is taken by its program.

What only reads is run to its end.

Touches a deployment of its own, and the programs that are printed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.day_two import in_this_process
from tests.onboarding.deployment import STORED_KEY, CompletedCommand, Deployment, Templates
from wizard.cli import parser
from wizard.cli.commands import COMMANDS, READ_ONLY
from wizard.core.errors import UsageError
from wizard.core.next_command import AWS_VERSION_2, SCRIPT, Run

BACKUP = ("backup", "--to", "production.backup.json")
WELL: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("status", "--all"),
    ("doctor", "--all"),
    ("verify",),
    ("push",),
    BACKUP,
    BACKUP,
    ("backup", "drill"),
    ("backup", "--to", "s3://no-such-bucket/key.json"),
    ("review", "--all", "--out", "reviews"),
    ("report", "--all", "--out", "reports"),
    ("report", "verify", "nowhere.json"),
    ("cost",),
    *(("policy", who) for who in ("operator", "auditor", "delivery", "promotion", "boundary", "documents")),
    ("policy", "ci", "--repository", "clinic/portal"),
    ("rotate",),
    ("rotate", "--data-key"),
    ("rotate", "--data-key"),
    ("rotate", "--promote", "sha256:0123456789abcdef"),
    ("rotate", "--reencrypt", "alias/eonpro-phi-key"),
    ("rotate", "--hash-key"),
    ("restore",),
    ("restore", "--version", "sha256:0123456789abcdef"),
    ("adopt", "--encryption-key"),
    ("access-key", "rotate"),
    ("documents", "encrypt", "--bucket", "clinic-documents", "--dry-run"),
    ("rehearsal",),
    ("init",),
    ("engine",),
    ("schema", "nothing"),
    ("completion", "bash"),
    ("help", "inputs"),
    ("setup", "--json", "--no-such-flag"),
    ("setup", "--plan", "nowhere.json"),
    ("setup", "--region", "eu-west-1", "--yes"),
    ("preview", "--application", "clinic"),
    ("destroy",),
    ("setup", "--all", "--yes"),
)
"""Of a stack that is well: each command, and what it refuses."""

ASKED: tuple[tuple[str, ...], ...] = (("doctor", "--quick"), ("status",), ("push", "--no-redeploy"), ("setup",))
"""What a person types where something is wrong."""


def with_a_grant(deployment: Deployment) -> None:
    [key] = deployment.keys()
    stranger = "arn:aws:iam::123456789012:role/platform-admin"
    deployment.client("kms").create_grant(KeyId=key, GranteePrincipal=stranger, Operations=["Decrypt"])


def without_variables(deployment: Deployment) -> None:
    for variable in deployment.variables().values():
        deployment.vercel("DELETE", f"/v9/projects/eonpro/env/{variable['id']}")


def without_stored_key(deployment: Deployment) -> None:
    deployment.client("ssm").delete_parameter(Name=STORED_KEY)


Variables = Mapping[str, str | None]
AS_IT_IS: Variables = {}
FAULTS: tuple[tuple[Callable[[Deployment], None] | None, Variables], ...] = (
    (None, {"VERCEL_TOKEN": None}),
    (None, {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_EC2_METADATA_DISABLED": "true"}),
    (None, {"PULUMI_CONFIG_PASSPHRASE": None}),
    (with_a_grant, AS_IT_IS),
    (without_variables, AS_IT_IS),
    (without_stored_key, AS_IT_IS),
)
"""What goes wrong, one after the other, and stays so; `make blind` has the others."""


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What a deployment's commands printed to be typed."""

    by: dict[str, str] = field(default_factory=dict)
    """Each command as it is shown, with the command line that printed it first."""
    read: dict[str, CompletedCommand] = field(default_factory=dict)
    """Those that only read, run where nothing was wrong."""


@pytest.fixture(scope="module")
def stack(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment on Vercel."""
    with templates.fork(tmp_path_factory.mktemp("printed"), "vercel") as made:
        yield made


@pytest.fixture(scope="module")
def printed(stack: Deployment) -> Printed:
    """What every command prints, of a stack that is well, and of one with faults."""
    found, asked, called = Printed(), [""], Run._called

    def recorded(run: Run, argv: tuple[str, ...]) -> str:
        shown = called(run, argv)
        found.by.setdefault(shown, asked[-1])
        return shown

    def ask(words: Sequence[str], env: Variables) -> None:
        asked.append(shlex.join(words))
        in_this_process.run(stack, *words, env=env, expect=None)

    with patch.object(Run, "_called", recorded):
        for words in WELL:
            ask(words, AS_IT_IS)
        for line in filter(reads, found.by):
            found.read[line] = stack.run(["bash", "-c", line], expect=None)
        for fault, env in FAULTS:
            if fault is not None:
                fault(stack)
            for words in ASKED:
                ask(words, env)
    return found


def test_every_command_of_the_program_is_run() -> None:
    assert {words[0] for words in WELL} == set(COMMANDS)


@pytest.mark.thorough
def test_every_printed_command_is_one_that_its_program_takes(stack: Deployment, printed: Printed) -> None:
    assert {line: (by, why) for line, by in printed.by.items() if (why := refusal(stack, line))} == {}
    assert len(printed.by) > 40


@pytest.mark.thorough
def test_what_is_printed_and_only_reads_ends_well(printed: Printed) -> None:
    # 1: a person has something to decide.
    assert {line: done.output for line, done in printed.read.items() if done.code not in (0, 1)} == {}
    assert len(printed.read) > 4


OTHERS = {"make", "printf", "unset", "uvx", "vercel"}
"""Programs of a shell or of somebody else, whose words are not checked here."""
PLACEHOLDER = re.compile(r"[A-Z][A-Z_/-]+|<.*>")


def program_of(line: str) -> tuple[str, list[str]]:
    """The program that a command names, and its words."""
    words = [word for word in shlex.split(line) if not re.match(r"PYTHONPATH=", word)]
    return Path(words[0]).name, words[1:]


def refusal(deployment: Deployment, line: str) -> str:
    """Why a program does not take these words; empty where it does."""
    program, words = program_of(line)
    if program == SCRIPT:
        return refusal_of_wizard(words)
    if program == "pulumi":
        # Before the help it reads the words.
        done = deployment.run(["pulumi", *words, "--help"], expect=None)
    elif program == "aws" and words[0] not in AWS_VERSION_2:
        # It checks the words against the service's model, and calls nothing.
        done = deployment.run([*shlex.split(line), "--generate-cli-skeleton", "output"], expect=None)
        if "Unknown options: --generate-cli-skeleton" in done.err:
            # One that writes a file has no such dry run.
            done = deployment.run(shlex.split(line), expect=None)
    elif program.startswith("python"):
        done = deployment.run([*shlex.split(line), "--help"], expect=None)
    else:
        return "" if program in OTHERS or program == "aws" else "no program that is known here"
    return "" if done.code == 0 else done.output[-300:]


def refusal_of_wizard(words: list[str]) -> str:
    try:
        with patch.object(parser, "_refuse_placeholders"):
            parser.parse(words)
    except SystemExit as ended:
        return "" if ended.code == 0 else f"exit code {ended.code}"
    except UsageError as error:
        return error.message
    return ""


def reads(line: str) -> bool:
    """Whether a command only reads, and has all its values."""
    program, words = program_of(line)
    if any(PLACEHOLDER.fullmatch(word) for word in words):
        return False
    if program == "aws":
        return words[0] not in AWS_VERSION_2 and words[1].startswith(("get-", "list-", "describe-", "lookup-"))
    return program == SCRIPT and parser.command_of(words) in (*READ_ONLY, "policy", "schema")
