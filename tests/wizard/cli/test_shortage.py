"""A machine that lacks open files, memory or room: one message with what to do, never a traceback. Real processes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wizard.cli import shortage
from wizard.core.next_command import Command

PROJECT = Path(__file__).resolve().parents[3]
WIZARD = f"{sys.executable} -m wizard"
LOST = "✗ the output is not complete: standard output cannot be written: No space left on device"


def run(line: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, cwd=PROJECT, timeout=120, env={**os.environ, **more}
    )


@pytest.mark.parametrize(
    "words", ["--version", "help", "schema answers", "completion bash", "cost --answers examples/ecs.yaml --json"]
)
def test_output_that_cannot_be_written_is_said_once_and_is_a_failure(words: str) -> None:
    done = run(f"{WIZARD} {words} > /dev/full")
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == LOST and "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["--version", "schema answers", "cost --answers examples/ecs.yaml --json"])
def test_a_reader_that_left_is_no_failure(words: str) -> None:
    done = run(f"set -o pipefail; {WIZARD} {words} | true")
    assert done.returncode == 0 and "rror" not in done.stderr


def test_a_full_disk_under_both_streams_still_gives_the_exit_code() -> None:
    assert run(f"{WIZARD} schema answers > /dev/full 2> /dev/full").returncode == 1
    assert run(f"{WIZARD} schema nothing > /dev/full 2> /dev/full").returncode == 2


@pytest.mark.parametrize("limit", ["-v 45000", "-v 60000"])
def test_without_memory_there_is_one_message_or_the_whole_answer(limit: str) -> None:
    done = run(f"ulimit {limit}; exec {WIZARD} cost --answers examples/ecs.yaml --json")
    if done.returncode == 0:
        json.loads(done.stdout)
    else:
        assert "Traceback" not in done.stderr and done.stderr.count("✗") == 1, done.stderr
        assert "ulimit -v unlimited" in done.stderr


@pytest.mark.parametrize(
    ("error", "message", "advice"),
    [
        (OSError(errno.EMFILE, "x", "/a"), "this process may open no more files: /a", "ulimit -n 4096"),
        (OSError(errno.ENOSPC, "x", "/b"), "there is no room left on the disk: /b", "make room"),
        (OSError(errno.EROFS, "x", "/c"), "the file system can only be read: /c", "make it writable"),
        (OSError(errno.EDQUOT, "x"), "the disk's quota for this user is used up", "make room"),
        (MemoryError(), "there is not enough memory", "ulimit -v unlimited"),
        (RuntimeError("can't start new thread"), "there is not enough memory", "ulimit -v unlimited"),
    ],
)
def test_each_shortage_has_its_message(error: BaseException, message: str, advice: str) -> None:
    told = shortage.error_of(error)
    assert told is not None and told.message == message and advice in told.hint and told.exit_code == 1
    assert not isinstance(told.hint, Command) or told.hint.advice


@pytest.mark.parametrize("bug", [OSError(errno.EBADF, "x"), RuntimeError("else"), ValueError("x"), KeyError("x")])
def test_another_exception_stays_a_bug(bug: BaseException) -> None:
    assert shortage.error_of(bug) is None


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_shortage_in_the_middle_of_a_command_is_one_message(monkeypatch, capsys, tmp_path, code, as_json) -> None:
    from wizard.cli import main as cli

    def lacking(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), "/somewhere")

    monkeypatch.setattr(cli, "run_command", lacking)
    words = ["status", "--log", str(tmp_path / "log"), "--non-interactive", *["--json"] * as_json]
    assert cli.main(words) == 1
    told = capsys.readouterr()
    assert told.err.count("✗") == 1 and "/somewhere" in told.err and "Traceback" not in told.err
    if as_json:
        assert json.loads(told.out)["message"].endswith("/somewhere")
    assert "Traceback" in (tmp_path / "log").read_text()


def test_a_package_that_is_missing_is_said_with_what_installs_it(tmp_path: Path) -> None:
    """As an installation leaves it that was killed, or a file that somebody removed."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['yaml'] = None\n")
    (tmp_path / "a.yaml").write_text("target: vercel\n")
    done = run(f"{WIZARD} cost --answers {tmp_path}/a.yaml", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    said = " ".join(done.stderr.split())
    assert "are not whole: yaml is missing" in said and f"make -C {PROJECT} setup" in said


def test_a_module_of_our_own_that_is_missing_is_a_bug() -> None:
    for name in ("wizard.nothing", "components", "eonpro_kms"):
        assert shortage.error_of(ModuleNotFoundError(name, name=name)) is None
