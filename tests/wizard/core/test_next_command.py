"""The next command keeps the flags of the run that prints it, and is quoted for a shell."""

from __future__ import annotations

import copy
import pickle
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from wizard.core.next_command import Command, Run, Text, chain, document, eonpro, shell

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
    assert RUN.complete(eonpro("push")) == "python -m wizard push --stack staging --target ecs,vercel --yes"
    assert RUN.complete(eonpro("setup")) == (
        "python -m wizard setup --stack staging --from production --target ecs,vercel --yes"
    )
    assert RUN.complete(eonpro("schema", "push")) == "python -m wizard schema push"


def test_a_flag_that_is_there_is_not_added_again() -> None:
    command = eonpro("push", "--stack=prod", "--target", "ecs", "--yes")
    assert RUN.complete(command) == command
    assert RUN.complete(RUN.complete(eonpro("push"))) == RUN.complete(eonpro("push"))


@pytest.mark.parametrize(
    ("before", "command", "after"),
    [
        ('printf %s "$KEY" | ', eonpro("adopt", "--encryption-key"), ""),
        ("", eonpro("policy", "operator"), " > policy.json"),
        ("type `", eonpro("push"), "` and wait"),
        ("first ", eonpro("push"), "\nthen wait"),
        ("", eonpro("review", "--sign", "Ada; Lovelace"), ""),
    ],
)
def test_the_flags_stand_at_the_end_of_the_command(before, command, after) -> None:
    completed = f"{before}{command} --stack staging --target ecs,vercel --yes{after}"
    assert RUN.complete(Text(before, command, after)) == RUN.complete(Command(before, command, after)) == completed


def test_what_names_no_command_stays_as_it_is_however_much_it_looks_like_one() -> None:
    for text in ("run the same command again", "aws sso login --profile clinic", "python -m wizard push", ""):
        assert RUN.complete(text) == RUN.complete(Text(text)) == text


def test_each_command_of_a_chain_gets_its_own_flags() -> None:
    line = chain(shell("unset", "KEY"), "", eonpro("push"), eonpro("schema", "push"))
    assert RUN.complete(line) == (
        "unset KEY && python -m wizard push --stack staging --target ecs,vercel --yes && python -m wizard schema push"
    )
    assert line.calls[1:] == (("python", "-m", "wizard", "push"), ("python", "-m", "wizard", "schema", "push"))
    assert chain() == "" and not chain(Command())


def test_a_command_with_more_words_keeps_what_stands_before_it() -> None:
    piped = Command('printf %s "$KEY" | ', eonpro("adopt"), advice="once").plus("--confirm", "a b")
    assert piped == "printf %s \"$KEY\" | python -m wizard adopt --confirm 'a b'"
    assert piped.calls == (("python", "-m", "wizard", "adopt", "--confirm", "a b"),) and piped.advice == ""


def test_words_are_quoted_for_a_shell() -> None:
    command = eonpro("review", "--sign", "Ada Lovelace")
    assert shlex.split(command) == ["python", "-m", "wizard", "review", "--sign", "Ada Lovelace"]
    assert shlex.split(shell("rm", "a b")) == ["rm", "a b"]
    typed = Run(flags={"--stack": ("--stack", "a b")}).complete(command)
    assert shlex.split(typed)[-2:] == ["--stack", "a b"]


AWAY = Run(
    flags={"--stack": ("--stack", "dev")},
    program="/srv/kms/.venv/bin/eonpro-kms",
    python="/srv/kms/.venv/bin/python",
    pulumi="/srv/kms/bin/pulumi",
    aws="'/srv/k m s/aws'",
    project="'/srv/k m s'",
    source="/srv/kms",
    policy_pack='"/srv/k,m,s/guardrails"',
)
PACK = """--policy-pack '"/srv/k,m,s/guardrails"'"""


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        (eonpro("push"), "/srv/kms/.venv/bin/eonpro-kms push --stack dev"),
        (eonpro("policy", "--help"), "/srv/kms/.venv/bin/eonpro-kms policy --help"),
        (
            shell("python", "-m", "eonpro_phi", "reencrypt"),
            "PYTHONPATH=/srv/kms /srv/kms/.venv/bin/python -P -m eonpro_phi reencrypt",
        ),
        (shell("make", "setup"), "cd '/srv/k m s' && make setup"),
        (shell("aws", "kms", "list-aliases"), "'/srv/k m s/aws' kms list-aliases"),
        (shell("aws", "s3", "ls", "s3://bucket/", "--recursive"), "'/srv/k m s/aws' s3 ls s3://bucket/ --recursive"),
        ("the aws provider, and aws login", "the aws provider, and aws login"),
        (shell("pulumi", "login", "s3://b"), "/srv/kms/bin/pulumi login s3://b"),
        (shell("aws", "login"), "aws login"),
        (shell("pulumi", "stack", "ls"), "cd '/srv/k m s' && /srv/kms/bin/pulumi stack ls"),
        (shell("pulumi", "up", "--stack", "other"), f"cd '/srv/k m s' && /srv/kms/bin/pulumi up --stack other {PACK}"),
        (shell("pulumi", "preview", "--diff"), "cd '/srv/k m s' && /srv/kms/bin/pulumi preview --stack dev --diff"),
        (
            chain(shell("pulumi", "config", "set", "eonpro-kms:ecsCluster", "NAME"), shell("pulumi", "up")),
            "cd '/srv/k m s' && /srv/kms/bin/pulumi config set --stack dev eonpro-kms:ecsCluster NAME && "
            f"/srv/kms/bin/pulumi up --stack dev {PACK}",
        ),
        (Command("# last\n", shell("make", "setup")), "cd '/srv/k m s'\n# last\nmake setup"),
        ("the program pulumi and its stack", "the program pulumi and its stack"),
        (shell("/opt/a b/tool", "x"), "'/opt/a b/tool' x"),
    ],
)
def test_a_printed_command_acts_on_the_stack_of_this_run_with_one_cd_where_its_folder_is_another(
    written, printed
) -> None:
    assert AWAY.complete(written) == printed


def test_in_the_projects_folder_no_command_names_it() -> None:
    here = replace(AWAY, project=None, source=".", pulumi="pulumi", policy_pack="guardrails")
    assert here.complete(shell("pulumi", "up")) == "pulumi up --stack dev --policy-pack guardrails"
    assert here.complete(shell("make", "setup")) == "make setup"


def test_a_sentence_has_the_cd_where_its_command_begins() -> None:
    sentence = Text("correct it: ", shell("pulumi", "up", "--stack", "a"), ", or ", shell("make", "setup"))
    away = replace(AWAY, policy_pack=None)
    assert away.complete(sentence) == ("correct it: cd '/srv/k m s' && /srv/kms/bin/pulumi up --stack a, or make setup")


@pytest.mark.parametrize("flags", [("--stack", "production"), ("--stack=production",)])
def test_the_stack_of_every_command_that_names_none_is_not_named(flags: tuple[str, ...]) -> None:
    run = Run(flags={"--stack": flags})
    assert run.complete(eonpro("push")) == "python -m wizard push"
    assert run.complete(eonpro("push", *flags, "--yes")) == "python -m wizard push --yes"
    assert run.complete(shell("pulumi", "up")) == f"pulumi up {' '.join(flags)}"
    assert RUN.complete(eonpro("restore", "--stack", "dev")).endswith("restore --stack dev --target ecs,vercel --yes")


def test_what_the_saved_settings_say_is_not_repeated() -> None:
    run = replace(RUN, saved=lambda: {"--target", "--from"})
    assert run.complete(eonpro("setup")) == "python -m wizard setup --stack staging --yes"


def test_a_path_in_a_command_is_written_whole(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shlex.split(eonpro("setup", "--plan", Path("a plan.json")))[-1] == str(tmp_path / "a plan.json")


def test_a_command_and_its_advice_are_apart() -> None:
    command = eonpro("restore", advice="it lists the versions")
    assert document(command) == {"command": "python -m wizard restore", "advice": "it lists the versions"}
    assert document("ask the owner") == {"command": None, "advice": "ask the owner"}
    assert document("") == {"command": None, "advice": None}
    of_two = eonpro("restore", advice=Text("or ", eonpro("push")))
    assert RUN.complete_all(document(of_two))["advice"].endswith("push --stack staging --target ecs,vercel --yes")
    completed = RUN.complete(command)
    assert isinstance(completed, Command) and completed.advice == "it lists the versions"
    for same in (copy.deepcopy(command), pickle.loads(pickle.dumps(command))):
        assert (same, same.advice, same.calls) == (command, command.advice, command.calls)


def test_every_text_of_a_document_is_completed() -> None:
    told = RUN.complete_all({"ok": True, "findings": [{"command": eonpro("doctor")}], "n": 1})
    assert told == {
        "ok": True,
        "findings": [{"command": "python -m wizard doctor --stack staging --target ecs,vercel --yes"}],
        "n": 1,
    }


def test_a_page_is_named_by_where_this_person_finds_it() -> None:
    pages = "https://git.example/eonpro-kms/blob/v1/docs/"
    text = Text("see docs/phi/rotate.md, not /srv/docs/a.md: ", shell("cat", "docs/application.md"))
    assert Run(pages=pages).complete(text) == f"see {pages}phi/rotate.md, not /srv/docs/a.md: cat docs/application.md"
    assert Run(pages=pages).complete("(docs/application.md)") == f"({pages}application.md)"
    assert Run().complete("docs/application.md") == "docs/application.md"
