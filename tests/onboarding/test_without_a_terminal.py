"""Without a terminal nothing is ever asked: what is missing is told all at once, whatever the streams are.

Touches a clinic in which nothing is made, and the wizards it starts.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from tests.onboarding.clinic import Clinic

# Everything that has no default, and whose answer the environment does not hold.
MISSING = {"account", "administrators", "app_principal", "target", "trail"}
FLAGS = {"--account", "--administrators", "--app-principal", "--target", "--trail"}
SECONDS = 30.0


@pytest.mark.parametrize("where", ["a pipe", "a file"])
@pytest.mark.parametrize("stdin", ["nothing", "a pipe", "closed"])
def test_all_that_is_missing_is_named_and_nothing_is_asked(bare: Clinic, tmp_path: Path, stdin: str, where: str):
    command = [sys.executable, "-m", "wizard", "--stack", "untold"]
    if stdin == "closed":
        command = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
    source: int = subprocess.PIPE if stdin == "a pipe" else subprocess.DEVNULL
    out: int | IO[bytes] = (tmp_path / "out").open("wb") if where == "a file" else subprocess.PIPE
    bare.forget_calls()
    with subprocess.Popen(
        command, cwd=bare.folder, env=bare.environment, stdin=source, stdout=out, stderr=subprocess.PIPE
    ) as process:
        try:
            # A pipe stays open and silent meanwhile: whoever waits for an answer waits in vain.
            code = process.wait(SECONDS)
        finally:
            process.kill()
        said = process.stderr.read().decode() if process.stderr else ""
        said += (tmp_path / "out").read_text() if where == "a file" else ""
        said += process.stdout.read().decode() if process.stdout else ""
    assert code == 2, said
    told = " ".join(said.split())
    assert not [flag for flag in FLAGS if flag not in told], said
    assert "Which" not in told
    assert "Traceback" not in said
    assert bare.changes() == {}


def test_what_is_missing_is_one_document_for_a_program(bare: Clinic):
    ended = bare.wizard("--json", "--stack", "untold", expect=2)
    document = ended.document
    assert document["ok"] is False and document["exitCode"] == 2
    assert set(document["missing"]) == MISSING
    assert document["next"] and ended.err


def test_an_answers_file_that_cannot_be_used_is_one_document_too(bare: Clinic, tmp_path: Path):
    answers = tmp_path / "answers.yaml"
    answers.write_text("region: [us-east-1\n")
    broken = bare.wizard("--json", "--answers", str(answers), expect=2).document
    absent = bare.wizard("--json", "--answers", str(tmp_path / "none.yaml"), expect=2).document
    assert "answers.yaml" in broken["error"] and "none.yaml" in absent["error"]


def test_the_commands_for_a_stack_that_is_built_say_so_where_it_is_not(bare: Clinic):
    answers = ("--answers", "examples/vercel.yaml", "--stack", "production", "--json")
    for command in ("push", "verify"):
        document = bare.wizard(command, *answers, expect=6).document
        assert "not built yet" in document["error"] and "setup --stack production" in document["next"]
