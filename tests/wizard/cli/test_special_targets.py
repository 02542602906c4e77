"""Pipes, devices, links and folders as answers, plans, settings and targets: one sentence at once. Real processes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]


def wizard(*words: object, script: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """A command that needs no account, to its end within a minute."""
    line = script or '"$@"'
    return subprocess.run(
        ["bash", "-c", line, "bash", sys.executable, "-m", "wizard", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **more},
    )


@pytest.mark.parametrize("option", ["--answers"])
@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a folder"])
def test_a_file_that_is_none_is_refused_in_one_sentence(tmp_path: Path, kind: str, option: str) -> None:
    path = tmp_path / "it"
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    else:
        path = Path("/dev/zero")
    done = wizard("cost", option, path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"{path}: it is {kind}, not a file" in " ".join(done.stderr.split())


@pytest.mark.parametrize("mask", ["0000", "0777"])
def test_the_run_log_is_its_owners_whatever_the_umask(tmp_path: Path, mask: str) -> None:
    wizard("status", "--non-interactive", "--log", tmp_path / "log", script=f'umask {mask}; "$@"')
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["a named pipe", "a symbolic link"])
def test_a_log_is_written_to_no_pipe_and_through_no_link(tmp_path: Path, kind: str) -> None:
    (tmp_path / "other").write_text("of somebody else")
    if kind == "a named pipe":
        os.mkfifo(tmp_path / "log")
    else:
        (tmp_path / "log").symlink_to(tmp_path / "other")
    done = wizard("status", "--non-interactive", "--log", tmp_path / "log")
    assert f"is {kind}, not a file" in " ".join(done.stderr.split())
    assert (tmp_path / "other").read_text() == "of somebody else"
