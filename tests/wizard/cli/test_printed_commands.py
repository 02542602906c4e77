"""No command that the program prints drops the stack, the start, the target or the confirmation of the run.

Reads the source tree for the commands that messages name, and completes each as the terminal and `--json` do.
"""

from __future__ import annotations

import ast
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import botocore.session
import pytest
import yaml

from components import installation
from tests.wizard.fakes.clients import settings
from tools.bootstrap.packages import shebang
from wizard.cli import request
from wizard.cli.commands import COMMANDS
from wizard.cli.parser import flags_of, parse
from wizard.cli.request import run_of
from wizard.core import json_documents
from wizard.core.errors import SetupError, UsageError
from wizard.core.next_command import AWS_VERSION_2, DEFAULT_COMMAND, PROGRAM, SCRIPT, Command, Run, Text, eonpro
from wizard.pulumi_engine import config
from wizard.terminal.screen import Screen

ROOT = Path(__file__).resolve().parents[3]
GIVEN = ("--stack", "staging", "--from", "production", "--target", "ecs", "--yes")
KEPT = ("--stack", "--from", "--target", "--yes")
CODE = (ROOT / "wizard" / "core" / "next_command.py", ROOT / "wizard" / "cli" / "parser.py")
VALUE = "X"
PYTHON = shlex.quote(sys.executable)


@cache
def texts() -> list[Command]:
    """What `_texts` gives, each once. Not while pytest collects: each of its processes would parse the product."""
    return sorted({*_texts()})


def _texts() -> Iterator[Command]:
    """Every command of this program that the product names, with X in the place of each value."""
    for file in sorted((ROOT / "wizard").rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)) if file not in CODE and "eonpro(" in source else ():
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "eonpro":
                yield eonpro(*(str(word.value) if isinstance(word, ast.Constant) else VALUE for word in node.args))


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)
    return None


def words_of(command: str) -> list[str]:
    """The words of a command of this program, without the program."""
    return shlex.split(command)[3:]


AWS_SERVICES = {"s3api", *botocore.session.get_session().get_available_services()} - set(AWS_VERSION_2)
PROGRAMS = re.compile(
    rf"{PROGRAM}(?!ry)|(?<![\w./-])(?:aws (?:{'|'.join(sorted(AWS_SERVICES))})|make setup"
    r"|pulumi (?:up|update|import|preview|refresh|destroy|cancel|config (?:set|rm|refresh)"
    r"|stack (?:ls|rm|output|export|import)|login [a-z-]))\b"
)
"""What begins a command that is another one on another machine."""


@pytest.mark.parametrize("folder", sorted(path.name for path in (ROOT / "wizard").iterdir() if path.is_dir()))
def test_no_text_has_a_command_in_it_that_is_not_a_value(folder: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {text}"
        for file in sorted((ROOT / "wizard" / folder).rglob("*.py"))
        if file not in CODE
        for node, text in _prose(ast.parse(file.read_text(encoding="utf-8")))
        if PROGRAMS.search(text)
    ]
    assert found == []


def _prose(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """The texts of a module, with X in the place of each value; no docstring."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and id(node) not in docstrings and (text := _text(node)) is not None:
            yield node, text


def test_a_command_in_a_message_keeps_the_flags_of_the_run() -> None:
    run = replace(run_of(GIVEN), program=PROGRAM, project=None, source=None)
    for words in (words_of(run.complete(text)) for text in texts()):
        name = words[0] if words and not words[0].startswith("-") else DEFAULT_COMMAND
        if name not in COMMANDS or {"--help", "--all"} & set(words):
            continue
        # A saved plan holds its own settings.
        taken = flags_of(name, words[1:]) - ({"--from", "--target"} if "--plan" in words else set())
        assert [flag for flag in KEPT if flag in taken and flag not in words] == [], words


def test_nobody_signs_or_saves_under_a_word_that_stands_for_a_value() -> None:
    with_placeholders = {
        (words[0], flag, word)
        for words in map(words_of, texts())
        for flag, word in pairwise(words)
        if flag.startswith("--") and re.fullmatch(r"[A-Z][A-Z/-]+", word)
    }
    assert len(with_placeholders) > 5
    for words in with_placeholders:
        with pytest.raises(UsageError, match=f"{words[1]}: {words[2]} stands for a value"):
            parse(words)


def test_a_message_names_commands_that_there_are() -> None:
    for words in map(words_of, texts()):
        known = (*COMMANDS, "COMMAND")
        assert not words or words[0].startswith(("-", VALUE)) or words[0].rstrip(",;.)") in known, words


def test_a_message_names_no_flag_that_its_command_would_refuse() -> None:
    for name, *words in filter(None, map(words_of, texts())):
        flags = {word.partition("=")[0] for word in words if word.startswith("--")}
        # What is added where the message is printed may be the words that a flag needs.
        assert name not in COMMANDS or VALUE in words or flags <= flags_of(name, words), (name, words)


def test_terminal_and_json_complete_every_command_that_they_print() -> None:
    run, out = run_of(GIVEN), io.StringIO()
    error = SetupError(Text("see ", eonpro("doctor")), eonpro("push", advice=Text("or ", eonpro("restore"))))
    screen = Screen(out=out, width=200, run=run)
    screen.error(error)
    screen.section("Delivery", Text("if it stops: ", eonpro("push")))
    screen.table([("next", eonpro("status"))])
    screen.verbatim(eonpro("verify"))
    document = run.complete_all(json_documents.failure(error, command="setup"))
    printed = [line for line in out.getvalue().splitlines() if "--stack" in line]
    assert len(printed) == 6 and all("--stack staging" in line for line in printed)
    kept = [word for line in printed for word in ("push", "verify") if f" {word} " in line and "--target ecs" in line]
    assert sorted(kept) == ["push", "push", "verify"] and sum("--target" in line for line in printed) == 3
    assert "--stack staging" in document["message"]
    assert all("--stack staging" in text for text in document["next"].values())


@pytest.mark.parametrize("has_script", [True, False])
@pytest.mark.parametrize("is_here", [True, False])
def test_a_printed_command_can_be_pasted_where_it_was_printed(
    has_script: bool, is_here: bool, tmp_path, monkeypatch
) -> None:
    there = ROOT if is_here else tmp_path
    monkeypatch.chdir(there)
    script = tmp_path / "bin" / SCRIPT
    script.parent.mkdir()
    monkeypatch.setenv("PATH", f"{script.parent}:{os.defpath}")
    if has_script:
        called = f"import sys; sys.path[0] = {str(ROOT)!r}; from wizard.__main__ import main; main()"
        script.write_text(f"{shebang(Path(sys.executable))}\n{called}\n")
        script.chmod(0o755)
    # A script of another checkout, which has other stacks, is none.
    monkeypatch.setattr(request, "PROJECT_FOLDER", ROOT)
    monkeypatch.setattr(sys, "executable", str(shutil.copy(shutil.which("true") or "", tmp_path / "other")))
    run = run_of(("setup", "--stack", "staging"))
    assert (run.program == SCRIPT) is has_script
    command = replace(run, python=PYTHON).complete(eonpro("schema", "failure"))
    done = subprocess.run(["sh", "-c", command], cwd=there, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert '"$schema"' in done.stdout


def test_a_program_that_the_readers_own_shell_would_not_find_is_printed_with_its_path(tmp_path, monkeypatch) -> None:
    project, caller = tmp_path / "it's a project", tmp_path / "caller"
    for path in (project / "bin" / SCRIPT, project / "bin" / "pulumi", project / ".cache" / "awscli" / "bin" / "aws"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n# {str(project)!r}\n")
        path.chmod(0o755)
    (project / "choice.json").write_text(json.dumps({"path": str(project / "bin" / "pulumi")}))
    monkeypatch.setattr(request, "PROJECT_FOLDER", project)
    monkeypatch.setattr(config, "CHOICE", project / "choice.json")
    monkeypatch.setattr(installation, "CACHE", str(project / ".cache"))
    monkeypatch.setattr(sys, "executable", str(project / "bin" / "python"))
    # What the Makefile does: the sandbox's PATH for the wizard, the caller's own beside it.
    monkeypatch.setenv("PATH", os.pathsep.join([str(project / "bin"), str(project / ".cache/awscli/bin")]))
    short = (SCRIPT, "python", "pulumi", "aws")
    assert _called(run_of(())) == (SCRIPT, str(project / "bin" / "python"), "pulumi", "aws")
    monkeypatch.setenv("EONPRO_CALLER_PATH", str(caller))
    named = [*(project / "bin" / name for name in short[:3]), project / ".cache/awscli/bin/aws"]
    assert _called(run_of(())) == tuple(map(str, named))
    caller.mkdir()
    for name, path in zip(short, named, strict=True):
        if name != "python":
            (caller / name).symlink_to(path)
    assert _called(run_of(())) == (SCRIPT, str(named[1]), "pulumi", "aws")
    # Found in the folder of today's shell is not found in any folder.
    monkeypatch.chdir(caller)
    for relative in (".", "", "../caller"):
        monkeypatch.setenv("EONPRO_CALLER_PATH", relative)
        assert _called(run_of(())) == tuple(map(str, named))


SAVED = settings(rotation_period_days=365)


@pytest.mark.parametrize(
    ("typed", "repeated"),
    [
        (("--region", SAVED.region, "--vercel-project", str(SAVED.vercel_project)), ""),
        (("--rotation-period-days", "180"), " --rotation-period-days 180"),
        (("--from", "staging", "--target", "vercel"), ""),
        (("--account", "caller", "--administrators", "caller", "--app-principal", "create"), ""),
        (("--profile", "clinic"), " --profile clinic"),
        (("--answers", "same.yaml"), ""),
        (("--answers", "backend.yaml"), ""),
        (("--backend", "file:///state"), ""),
        (("--backend", "s3://state"), " --backend s3://state"),
        (("--answers", "other.yaml"), " --answers other.yaml"),
        (("--answers", "profile.yaml"), " --answers profile.yaml"),
    ],
)
def test_what_the_settings_file_says_by_now_is_not_repeated(
    typed: tuple[str, ...], repeated: str, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(request, "PROJECT_FOLDER", tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "same.yaml").write_text(f"account: caller\nregion: {SAVED.region}\ntarget: [vercel]\n")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///state")
    (tmp_path / "backend.yaml").write_text(f"region: {SAVED.region}\nbackend: file:///state\n")
    (tmp_path / "other.yaml").write_text("region: eu-west-1\n")
    (tmp_path / "profile.yaml").write_text(f"region: {SAVED.region}\nprofile: clinic\n")
    run = replace(run_of(typed), program=SCRIPT)
    before = shlex.split(run.complete(eonpro("setup")))
    assert before[2:] == [*typed]
    (tmp_path / "Pulumi.production.yaml").write_text(yaml.safe_dump({"config": SAVED.to_config()}))
    assert run.complete(eonpro("setup")) == f"{SCRIPT} setup{repeated}"


def test_a_file_of_the_folder_is_named_by_its_path_from_there(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(request, "PROJECT_FOLDER", tmp_path)
    command = eonpro("restore", "--from-backup", tmp_path / "it's" / "key.json")
    for folder, shown in ((tmp_path, "it's/key.json"), (tmp_path.parent, str(tmp_path / "it's/key.json"))):
        monkeypatch.chdir(folder)
        words = shlex.split(replace(run_of(("backup",)), program=SCRIPT).complete(command))
        assert words == [SCRIPT, "restore", "--from-backup", shown]


def test_an_import_that_was_begun_is_not_asked_for_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(request, "PROJECT_FOLDER", tmp_path)
    monkeypatch.chdir(tmp_path)
    run = replace(run_of(("--adopt",)), program=SCRIPT)
    assert run.complete(eonpro("setup")) == f"{SCRIPT} setup --adopt"
    adopted = settings(adopted=("alias=alias/eonpro-phi-key",))
    (tmp_path / "Pulumi.production.yaml").write_text(yaml.safe_dump({"config": adopted.to_config()}))
    assert run.complete(eonpro("setup")) == f"{SCRIPT} setup"


def _called(run: Run) -> tuple[str, ...]:
    return tuple(shlex.split(word)[0] for word in (run.program, run.python, run.pulumi, run.aws))


def test_a_file_that_the_next_command_needs_again_is_found_from_any_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = run_of(("--answers", "answers.yaml", "--vercel-token-file=token"))
    words = shlex.split(run.complete(eonpro("setup")))
    assert words[-3:] == ["--answers", str(tmp_path / "answers.yaml"), f"--vercel-token-file={tmp_path / 'token'}"]


def test_the_command_that_applies_a_saved_plan_saves_no_other() -> None:
    run = run_of(("preview", "--stack", "staging", "--save-plan", "plan.json", "--save-answers", "answers.yaml"))
    assert run.complete(eonpro("setup", "--plan", "plan.json")).endswith("setup --plan plan.json --stack staging")


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS", "AWS_PROFILE"])
def test_a_stack_of_the_sandbox_names_the_way_there_in_a_shell_that_asks_aws_itself(
    variable: str, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(request, "PROJECT_FOLDER", tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("AWS_ENDPOINT_URL", "AWS_PROFILE"))]:
        monkeypatch.delenv(name)
    script = tmp_path / ".venv" / "bin" / "eonpro-sandbox"
    script.parent.mkdir(parents=True)
    script.touch()
    sandbox = "123456789012"
    of_sandbox = settings(account_id=sandbox, administrators=(f"arn:aws:iam::{sandbox}:role/a",))
    error = request._outside_sandbox("production", of_sandbox)
    assert error is not None and error.exit_code == 3 and "lives in the sandbox" in error.message
    assert error.hint == 'eval "$(.venv/bin/eonpro-sandbox env)"'
    (tmp_path / ".sandboxes" / "eks").mkdir(parents=True)
    other = request._outside_sandbox("eks", of_sandbox)
    assert other is not None
    assert other.hint == f'eval "$(EONPRO_SANDBOX_DIR={tmp_path}/.sandboxes/eks .venv/bin/eonpro-sandbox env)"'
    assert request._outside_sandbox("production", SAVED) is None
    assert request._outside_sandbox("production", None) is None
    monkeypatch.setenv(variable, "somewhere")
    assert request._outside_sandbox("production", of_sandbox) is None
