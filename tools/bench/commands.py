"""The seconds before the wizard's first words, and before its first prompt.

Touches temporary folders, pseudo-terminals, and the processes it times.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pexpect

from tools.bench.rows import Bound, Measured, allowed, compared
from tools.bootstrap.places import PARTS, PROJECT
from wizard.inputs.registry import by_key
from wizard.pulumi_engine import config

FIRST_PROMPT = by_key["target"].prompt
FIRST_PROMPT_SECONDS = 0.3
"""On an idle machine."""


@contextmanager
def product() -> Iterator[Path]:
    """A copy of the product that never ran: no stack, no saved progress, byte code as after an installation."""
    with tempfile.TemporaryDirectory(prefix="eonpro-bench-") as name:
        folder = Path(name)
        for part in PARTS:
            if (source := PROJECT / part).is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        subprocess.run([sys.executable, "-m", "compileall", "-q", "."], cwd=folder, check=True)
        yield folder


def environment() -> dict[str, str]:
    """The environment of this process without variables that answer a question or change the display."""
    drawn = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    unwanted = ("EONPRO_", "VERCEL_", "AWS_", "PULUMI_", "COLUMNS", "LINES", "NO_COLOR", "PYTHONIOENCODING")
    own = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)} | drawn
    # The wizard looks for the engine before its first question.
    config.find_engine(own)
    return own


def prompt_seconds(folder: Path) -> float:
    """Wall time from the start of `python -m wizard` at a terminal until its first question is on the screen."""
    started = time.perf_counter()
    with pexpect.spawn(sys.executable, ["-m", "wizard"], cwd=str(folder), env=environment(), timeout=30) as wizard:
        wizard.expect_exact(FIRST_PROMPT)
        return time.perf_counter() - started


def process_seconds(command: Sequence[str]) -> float:
    """Wall time of one process, from start to exit."""
    started = time.perf_counter()
    subprocess.run(command, cwd=PROJECT, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return time.perf_counter() - started


def rows(rounds: int) -> Iterator[Measured]:
    """The time that a person waits before the first question."""
    with product() as folder:
        command = ([sys.executable, "-m", "wizard", "--help"], ["pulumi", "version"], ["pulumi", "version"])
        # The first time of each is not counted: caches of the file system and of byte code.
        times = [[process_seconds(one) for one in command] for _ in range(max(rounds, 15) + 1)][1:]
        ours, theirs, control = zip(*times, strict=True)
        name, bound = "python -m wizard --help / pulumi version", Bound(at_most=1.0)
        yield compared(name, ours=ours, theirs=theirs, control=control, bound=bound, unit="s")
        seconds = statistics.median(prompt_seconds(folder) for _ in range(max(rounds, 15)))
        yield allowed("the first prompt, of the time allowed", seconds, FIRST_PROMPT_SECONDS, "s")
