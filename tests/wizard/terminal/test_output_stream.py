"""A reader that leaves before the end: nothing breaks, and what was under way comes to its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import sys
from wizard.terminal.terminal import Terminal
from wizard.terminal.text import ignore_broken_pipe

sys.stdin.readline()
terminal = Terminal(interactive=False, out={out})
for number in range(10_000):
    terminal.line(f"line {{number}}")
terminal.working("going on")
terminal.settle()
print("came to its end", file=sys.stderr)
"""


def told_to_nobody(out: str) -> tuple[int, str]:
    """Exit code and standard error of a program whose output's reader has left before it begins to tell."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(out=out)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin and program.stdout and program.stderr
        program.stdout.close()
        program.stdin.write("go\n")
        program.stdin.close()
        complaint = program.stderr.read()
        return program.wait(timeout=20), complaint


def test_the_run_comes_to_its_end_though_nobody_listens() -> None:
    assert told_to_nobody("ignore_broken_pipe(sys.stdout)") == (0, "came to its end\n")


@pytest.mark.parametrize("out", ["sys.stdout"])
def test_a_plain_stream_would_have_broken_it(out: str) -> None:
    code, complaint = told_to_nobody(out)
    assert code != 0 and "BrokenPipeError" in complaint
