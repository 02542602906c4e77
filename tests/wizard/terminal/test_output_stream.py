"""A reader that leaves before the end: nothing breaks, and what was under way comes to its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import sys
from wizard.terminal.terminal import Terminal
from wizard.terminal.text import ignore_broken_pipe

sys.stdin.readline()
terminal = Terminal(interactive=False, out=ignore_broken_pipe(sys.stdout))
for number in range(10_000):
    terminal.line(f"line {number}")
terminal.working("going on")
terminal.settle()
print("came to its end", file=sys.stderr)
"""


def test_the_run_comes_to_its_end_though_nobody_listens() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as program:
        assert program.stdin and program.stdout and program.stderr
        program.stdout.close()
        program.stdin.write("go\n")
        program.stdin.close()
        assert program.stderr.read() == "came to its end\n"
        assert program.wait(timeout=20) == 0
