"""The seconds before the wizard's first words, and before its first prompt.

Touches temporary folders, pseudo-terminals, and the processes it times.
"""

import fcntl
import os
import pty
import select
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.bench.rows import Bound, Measured, allowed, compared
from tools.bootstrap.places import PARTS, PROJECT
from wizard.inputs.registry import by_key
from wizard.pulumi_engine import config

FIRST_PROMPT = by_key["target"].prompt
FIRST_PROMPT_SECONDS = 0.3
"""On an idle machine."""
TIMEOUT_SECONDS = 30.0


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
    """Seconds from `python -m wizard` to its first question on the screen."""
    return seconds_to_show(FIRST_PROMPT, [sys.executable, "-m", "wizard"], folder, environment())


def seconds_to_show(text: str, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> float:
    """Wall time from the start of a process at a terminal of 80 columns until it shows this text; then it is killed."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=dict(env), stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    )
    os.close(terminal)
    try:
        shown = b""
        while text.encode() not in shown:
            shown += _receive(screen, shown)
        return time.perf_counter() - started
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def _receive(screen: int, shown: bytes) -> bytes:
    if select.select([screen], [], [], TIMEOUT_SECONDS)[0]:
        try:
            return os.read(screen, 65536)
        except OSError:
            pass  # the process closed its end
    raise SystemExit(f"the first prompt did not show:\n{shown.decode(errors='replace')[-2000:]}")


Seconds = Callable[[], float]


def process_seconds(command: Sequence[str]) -> float:
    """Wall time of one process, from start to exit."""
    started = time.perf_counter()
    subprocess.run(command, cwd=PROJECT, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return time.perf_counter() - started


def measure(name: str, ours: Seconds, theirs: Seconds, *, bound: Bound, rounds: int) -> Measured:
    """Run the sides in turn, and the control last."""
    ours(), theirs()  # once each, uncounted: caches of the file system and of byte code
    sides = [(ours(), theirs(), theirs()) for _ in range(rounds)]
    our_seconds, their_seconds, control = zip(*sides, strict=True)
    return compared(name, ours=our_seconds, theirs=their_seconds, control=control, bound=bound, unit="s")


def rows(rounds: int) -> Iterator[Measured]:
    """The time that a person waits before the first question."""
    with product() as folder:
        yield measure(
            "python -m wizard --help / pulumi version",
            lambda: process_seconds([sys.executable, "-m", "wizard", "--help"]),
            lambda: process_seconds(["pulumi", "version"]),
            bound=Bound(at_most=1.0),
            rounds=max(rounds, 15),
        )
        seconds = statistics.median(prompt_seconds(folder) for _ in range(max(rounds, 15)))
        yield allowed("the first prompt, of the time allowed", seconds, FIRST_PROMPT_SECONDS, "s")
