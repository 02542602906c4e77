"""The server's process, seen from outside: whether it lives, whether it is ours, and how it is ended.

It may send signals to the process that it is told to end, and read the system's process table.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

STOP_SECONDS = 5.0


def alive(pid: int) -> bool:
    """Whether a process with this id exists (it may be another's after a restart of the machine: ask `answers`)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and nobody has asked for its exit code, as happens to orphans in containers."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def is_server(pid: int) -> bool:
    """Whether a process is a sandbox server, by its command line: ids are used again after a restart."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        words = subprocess.run(
            ["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
    return " -m sandbox.server " in words


def end(pid: int) -> None:
    """End a process: a request first, then by force after STOP_SECONDS."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, request)
        except ProcessLookupError:
            return
        if _gone_within(pid, STOP_SECONDS):
            return


def _gone_within(pid: int, seconds: float) -> bool:
    """Whether a process, a child of ours or not, ends within the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if os.waitpid(pid, os.WNOHANG) != (0, 0):
                return True
        except ChildProcessError:
            if not alive(pid):
                return True
        time.sleep(0.02)
    return False
