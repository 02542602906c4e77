"""Two setups of one checkout: the second waits for the first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tools.bootstrap.running import exclusive

PROJECT = Path(__file__).parents[3]
WAITER = """
import sys
from pathlib import Path
from tools.bootstrap.running import exclusive
with exclusive(Path(sys.argv[1]), lambda text: print(text, flush=True)):
    print("mine", flush=True)
"""


def test_the_second_says_whom_it_waits_for_and_goes_on_when_the_first_is_done(tmp_path: Path):
    lock = tmp_path / "cache" / "setup.lock"
    with exclusive(lock, lambda text: None):
        second = subprocess.Popen(
            [sys.executable, "-c", WAITER, str(lock)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
        )
        assert second.stdout is not None
        first_line = second.stdout.readline()
    rest, _ = second.communicate(timeout=30)
    assert "waiting" in first_line
    assert f"process {os.getpid()}" in first_line
    assert rest == "mine\n"


def test_alone_nothing_is_said(tmp_path: Path):
    said: list[str] = []
    with exclusive(tmp_path / "setup.lock", said.append):
        pass
    assert said == []
