"""Without a terminal nothing is ever asked: what is missing is told all at once, whatever the streams are.

Touches a deployment in which nothing is made, and the wizards it starts.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.onboarding.deployment import Deployment
from tests.onboarding.shipped_schemas import next_step

# Everything that has no default, and whose answer the environment does not hold.
MISSING = {"account", "administrators", "app_principal", "target", "trail"}
FLAGS = {"--account", "--administrators", "--app-principal", "--target", "--trail"}
SECONDS = 20.0
"""A watchdog, no measure: whoever waits for an answer waits longer."""
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, kw_only=True)
class Said:
    """How a wizard ended that nobody answered."""

    code: int
    out: str
    err: str

    @property
    def output(self) -> str:
        """All of it, on one line and without the terminal's colours."""
        return " ".join(ANSI.sub("", f"{self.out} {self.err}").split())


@contextmanager
def reader(of: str, file: Path) -> Iterator[tuple[int, Callable[[], str]]]:
    """Where a wizard may write to, a terminal, a pipe or a file, and what it wrote there once it has ended."""
    if of == "a file":
        with file.open("wb") as opened:
            yield opened.fileno(), file.read_text
        return
    source, sink = pty.openpty() if of == "a terminal" else os.pipe()
    found: list[bytes] = []

    def read() -> None:
        # A terminal whose last writer is gone answers with an error, a pipe with nothing.
        with suppress(OSError):
            while part := os.read(source, 65536):
                found.append(part)

    def everything() -> str:
        os.close(sink)
        thread.join(SECONDS)
        return b"".join(found).decode()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield sink, everything
    finally:
        os.close(source)


def unanswered(
    deployment: Deployment,
    tmp_path: Path,
    *arguments: str,
    stdin: str = "nothing",
    out: str = "a pipe",
    err: str = "a pipe",
    folder: Path | None = None,
) -> Said:
    """A wizard of which nothing is known but its streams. It has to end by itself: nobody ever writes to its input."""
    closed = [sign for stream, sign in ((stdin, "<&-"), (out, ">&-"), (err, "2>&-")) if stream == "closed"]
    command = [sys.executable, "-m", "wizard", "--stack", "untold", *arguments]
    if closed:
        command = ["sh", "-c", f'exec "$@" {" ".join(closed)}', "sh", *command]
    with reader(out, tmp_path / "out") as (to, said), reader(err, tmp_path / "err") as (to_err, said_too):
        with subprocess.Popen(
            command,
            cwd=folder or deployment.folder,
            env=deployment.environment | {"TERM": "xterm-256color", "PYTHONPATH": str(deployment.folder)},
            # A pipe stays open and silent meanwhile: whoever waits for an answer waits in vain.
            stdin=subprocess.PIPE if stdin == "a pipe" else subprocess.DEVNULL,
            stdout=to,
            stderr=to_err,
        ) as process:
            try:
                code = process.wait(SECONDS)
            finally:
                process.kill()
        return Said(code=code, out=said(), err=said_too())


def asked(deployment: Deployment) -> dict[str, int]:
    """Every call to AWS and to Vercel, those that only read too."""
    url = f"{deployment.environment['VERCEL_API_URL']}/_sandbox/calls"
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=20) as answer:
        return {**deployment.calls(), **json.load(answer)["calls"]}


@pytest.fixture
def unasked(bare: Deployment) -> Iterator[Deployment]:
    """A deployment whose cloud and whose Vercel must not be asked a thing."""
    bare.forget_calls()
    yield bare
    assert asked(bare) == {}


@pytest.mark.parametrize(
    ("stdin", "out"),
    [
        ("nothing", "a terminal"),
        ("a pipe", "a terminal"),
        ("closed", "a pipe"),
        *(
            pytest.param(*pair, marks=pytest.mark.thorough)
            for pair in (
                *(("closed", "a terminal"), ("nothing", "a pipe"), ("a pipe", "a pipe")),
                *(("nothing", "a file"), ("a pipe", "a file"), ("closed", "a file")),
            )
        ),
    ],
)
def test_all_that_is_missing_is_named_before_anybody_is_asked(
    unasked: Deployment, tmp_path: Path, stdin: str, out: str
):
    said = unanswered(unasked, tmp_path, stdin=stdin, out=out)
    assert said.code == 2, said
    assert not [flag for flag in FLAGS if flag not in said.output], said
    assert not [word for word in ("Which", "Where does", "? ", "Traceback") if word in said.output], said


@pytest.mark.parametrize(("out", "err"), [("closed", "a pipe"), ("a pipe", "closed"), ("closed", "closed")])
def test_a_stream_that_is_closed_is_no_reason_to_break(unasked: Deployment, tmp_path: Path, out: str, err: str):
    said = unanswered(unasked, tmp_path, out=out, err=err)
    assert said.code == 2, said
    assert "Traceback" not in said.output
    assert [flag in said.output for flag in sorted(FLAGS) if err != "closed"] == [True] * (
        len(FLAGS) * (err != "closed")
    )


def test_a_document_stays_one_where_there_is_no_place_for_words(unasked: Deployment, tmp_path: Path):
    said = unanswered(unasked, tmp_path, "--json", err="closed")
    assert said.code == 2
    assert set(json.loads(said.out)["missing"]) == MISSING


def test_a_linked_project_is_not_looked_up_before_the_rest_is_there(unasked: Deployment, tmp_path: Path):
    folder = tmp_path / "application"
    (folder / ".vercel").mkdir(parents=True)
    link = {"projectId": "prj_linked", "orgId": "team_linked", "projectName": "portal"}
    (folder / ".vercel" / "project.json").write_text(json.dumps(link))
    said = unanswered(unasked, tmp_path, "--target", "vercel", folder=folder)
    assert said.code == 2, said
    assert "--trail" in said.output


def test_what_is_missing_is_one_document_for_a_program(bare: Deployment):
    ended = bare.wizard("--json", "--stack", "untold", expect=2)
    document = ended.document
    assert document["ok"] is False and document["exitCode"] == 2
    assert set(document["missing"]) == MISSING
    assert next_step(document) and ended.err


def test_an_answers_file_that_cannot_be_used_is_one_document_too(bare: Deployment, tmp_path: Path):
    answers = tmp_path / "answers.yaml"
    answers.write_text("region: [us-east-1\n")
    broken = bare.wizard("--json", "--answers", str(answers), expect=2).document
    absent = bare.wizard("--json", "--answers", str(tmp_path / "none.yaml"), expect=2).document
    assert "answers.yaml" in broken["message"] and "none.yaml" in absent["message"]


@pytest.mark.exit_code(6)
def test_the_commands_for_a_stack_that_is_built_say_so_where_it_is_not(bare: Deployment):
    answers = ("--answers", "examples/vercel.yaml", "--stack", "production", "--json")
    for command in ("push", "verify"):
        # What stands is known by its settings, which belong with the code.
        document = bare.wizard(command, *answers, expect=6).document
        assert "Pulumi.production.yaml, the settings file of" in document["message"] and "status --all" in next_step(
            document
        )
