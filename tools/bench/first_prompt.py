"""How soon the wizard's first question shows, beside the barest prompt that questionary can draw.

Touches temporary folders, pseudo-terminals, and the processes it times.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.bench import onboarding
from wizard.inputs.registry import by_key

BARE = "import questionary; questionary.select('Where?', choices=['a', 'b']).unsafe_ask()"
BARE_PROMPT = "Where?"
FIRST_PROMPT = by_key["target"].prompt
PATIENCE_SECONDS = 30.0


@contextmanager
def product() -> Iterator[Path]:
    """A copy of the product that never ran: no stack, no draft, its byte code there as after an installation."""
    with tempfile.TemporaryDirectory(prefix="eonpro-bench-") as name:
        folder = Path(name)
        for part in onboarding.PARTS:
            source = onboarding.PROJECT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        onboarding.run([sys.executable, "-m", "compileall", "-q", "."], folder, os.environ)
        yield folder


def environment() -> dict[str, str]:
    """This one, without anything that answers a question or changes how it is drawn."""
    drawn = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    unwanted = ("EONPRO_", "VERCEL_", "AWS_", "PULUMI_", "COLUMNS", "LINES", "NO_COLOR", "PYTHONIOENCODING")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)} | drawn


def wizard_seconds(folder: Path) -> float:
    """From `python -m wizard` to its first question on the screen."""
    return seconds_to_show(FIRST_PROMPT, [sys.executable, "-m", "wizard"], folder, environment())


def bare_seconds(folder: Path) -> float:
    """From the start of Python to a bare prompt on the screen."""
    return seconds_to_show(BARE_PROMPT, [sys.executable, "-c", BARE], folder, environment())


def seconds_to_show(wanted: str, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> float:
    """Wall time from the start of a process at a terminal of 80 columns until it shows this; then it is killed."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=dict(env), stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    )
    os.close(terminal)
    try:
        shown = b""
        while wanted.encode() not in shown:
            shown += _received(screen, shown)
        return time.perf_counter() - started
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def _received(screen: int, shown: bytes) -> bytes:
    if select.select([screen], [], [], PATIENCE_SECONDS)[0]:
        try:
            return os.read(screen, 65536)
        except OSError:
            pass  # nobody holds the other end any more
    raise SystemExit(f"the first prompt did not show:\n{shown.decode(errors='replace')[-2000:]}")
