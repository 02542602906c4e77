"""The next command keeps the flags of the run that prints it, and is quoted for a shell."""

from __future__ import annotations

import copy
import pickle
import shlex
from pathlib import Path

import pytest

from wizard.core.next_command import Command, Run, document, shell, wizard

RUN = Run(
    flags={
        "--stack": ("--stack", "staging"),
        "--from": ("--from", "production"),
        "--target": ("--target", "ecs,vercel"),
        "--yes": ("--yes",),
    },
    takes=lambda command, words: {"setup": {"--stack", "--from", "--target", "--yes"}, "schema": set()}.get(
        command, {"--stack", "--target", "--yes"}
    ),
)


def test_a_command_keeps_the_flags_of_the_run_that_it_takes() -> None:
    assert RUN.complete(wizard("push")) == "python -m wizard push --stack staging --target ecs,vercel --yes"
    assert RUN.complete(wizard("setup")) == (
        "python -m wizard setup --stack staging --from production --target ecs,vercel --yes"
    )
    assert RUN.complete(wizard("schema", "push")) == "python -m wizard schema push"


def test_no_command_is_the_default_command() -> None:
    assert RUN.complete("python -m wizard") == (
        "python -m wizard --stack staging --from production --target ecs,vercel --yes"
    )


def test_a_flag_that_is_there_is_not_added_again() -> None:
    text = "python -m wizard push --stack=prod --target 'ecs' --yes"
    assert RUN.complete(text) == text
    assert RUN.complete(RUN.complete(wizard("push"))) == RUN.complete(wizard("push"))


def test_every_stack_needs_none() -> None:
    assert "--stack" not in RUN.complete(wizard("status", "--all"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('printf %s "$KEY" | python -m wizard adopt --encryption-key', ""),
        ("python -m wizard policy operator", " > policy.json"),
        ("python -m wizard push", "   # again"),
        ("type `python -m wizard push", "` and wait"),
        ("first python -m wizard push", "\nthen wait"),
        ("python -m wizard review --sign 'Ada; Lovelace'", ""),
    ],
)
def test_the_flags_stand_at_the_end_of_the_command(before, after) -> None:
    assert RUN.complete(before + after) == f"{before} --stack staging --target ecs,vercel --yes{after}"


def test_what_names_no_command_stays_as_it_is() -> None:
    for text in ("run the same command again", "aws sso login --profile clinic", "python -m wizardry", ""):
        assert RUN.complete(text) == text


def test_words_are_quoted_for_a_shell() -> None:
    command = wizard("review", "--sign", "Ada Lovelace")
    assert shlex.split(command) == ["python", "-m", "wizard", "review", "--sign", "Ada Lovelace"]
    assert shlex.split(shell("rm", "a b")) == ["rm", "a b"]
    typed = Run(flags={"--stack": ("--stack", "a b")}).complete(command)
    assert shlex.split(typed)[-2:] == ["--stack", "a b"]


ANYWHERE = Run(
    flags={"--stack": ("--stack", "dev")},
    program="/srv/kms/.venv/bin/eonpro-kms",
    python="/srv/kms/.venv/bin/python",
    pulumi="/srv/kms/bin/pulumi",
    aws="'/srv/k m s/aws'",
    project="/srv/kms",
)


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        (wizard("push"), "/srv/kms/.venv/bin/eonpro-kms push --stack dev"),
        ("python -m wizard policy --help", "/srv/kms/.venv/bin/eonpro-kms policy --help"),
        ("python -m phi reencrypt", "PYTHONPATH=/srv/kms /srv/kms/.venv/bin/python -P -m phi reencrypt"),
        (shell("make", "setup"), "make -C /srv/kms setup"),
        (shell("aws", "kms", "list-aliases"), "'/srv/k m s/aws' kms list-aliases"),
        ("aws s3 ls s3://bucket/ --recursive", "'/srv/k m s/aws' s3 ls s3://bucket/ --recursive"),
        ("the aws provider, and aws login", "the aws provider, and aws login"),
        ("pulumi login file://~", "/srv/kms/bin/pulumi login file://~"),
        (shell("pulumi", "stack", "ls"), "/srv/kms/bin/pulumi -C /srv/kms stack ls"),
        (shell("pulumi", "up", "--stack", "other"), "/srv/kms/bin/pulumi -C /srv/kms up --stack other"),
        (
            "pulumi config set eonpro-kms:ecsCluster NAME, then pulumi up",
            "/srv/kms/bin/pulumi -C /srv/kms config set --stack dev eonpro-kms:ecsCluster NAME, then "
            "/srv/kms/bin/pulumi -C /srv/kms up --stack dev",
        ),
        ("the program pulumi and its stack", "the program pulumi and its stack"),
    ],
)
def test_a_printed_command_acts_on_the_stack_of_this_run_in_any_folder(written, printed) -> None:
    assert ANYWHERE.complete(written) == printed


def test_a_path_in_a_command_is_written_whole(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shlex.split(wizard("setup", "--plan", Path("a plan.json")))[-1] == str(tmp_path / "a plan.json")


def test_a_command_and_its_advice_are_apart() -> None:
    command = wizard("restore", advice="it lists the versions")
    assert document(command) == {"command": "python -m wizard restore", "advice": "it lists the versions"}
    assert document("ask the owner") == {"command": None, "advice": "ask the owner"}
    assert document("") == {"command": None, "advice": None}
    completed = RUN.complete(command)
    assert isinstance(completed, Command) and completed.advice == "it lists the versions"
    for same in (copy.deepcopy(command), pickle.loads(pickle.dumps(command))):
        assert (same, same.advice) == (command, command.advice)


def test_every_text_of_a_document_is_completed() -> None:
    told = RUN.complete_all({"ok": True, "findings": [{"command": wizard("doctor")}], "n": 1})
    assert told == {
        "ok": True,
        "findings": [{"command": "python -m wizard doctor --stack staging --target ecs,vercel --yes"}],
        "n": 1,
    }
