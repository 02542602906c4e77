"""Runs one program at a time, with a time limit and a log, and ends it in any case; allows one set-up at a time.

Starts processes, writes `.cache/logs/`, holds a lock on the file that is passed to it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_CREDENTIALS_IN_URL = re.compile(r"(://)[^/@\s]+@")
_TAIL = 15


class CommandFailed(Exception):
    """A program failed, took too long, or could not be started. `advice` is what to do, where the output says it."""

    def __init__(
        self, command: str, reason: str, tail: Sequence[str] = (), log: Path | None = None, *, advice: str = ""
    ) -> None:
        super().__init__(f"{command}: {reason}")
        self.advice = advice
        self.command = command
        self.reason = reason
        self.tail = tuple(tail)
        self.log = log


@dataclass(frozen=True, kw_only=True)
class Job:
    """One program to run, bounded by `seconds`, with this environment; `private` output is never shown."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    log: str
    seconds: float
    cwd: Path | None = None
    private: bool = False
    total: int = 0
    """Number of one-word lines in its output, one for each finished task; 0: unknown."""


class Runner(Protocol):
    """Starts a program and returns its output, stdout and stderr together; raises CommandFailed."""

    def __call__(self, job: Job) -> str: ...


def redacted(line: str) -> str:
    """The line without the user and password of any URL in it."""
    return _CREDENTIALS_IN_URL.sub(r"\1***@", line)


class Processes:
    """The Runner that starts real processes, each in a process group of its own, which can be ended as a whole."""

    def __init__(self, *, logs: Path, alive: Callable[[float, str], None], every: float = 10.0) -> None:
        self._logs = logs
        self._alive = alive
        self._every = every

    def __call__(self, job: Job) -> str:
        """Run the job to its end; every `every` seconds report the time so far and the last line."""
        command = redacted(shlex.join(job.argv))
        self._logs.mkdir(parents=True, exist_ok=True)
        log = None if job.private else self._logs / f"{job.log}.log"
        lines: list[str] = []
        try:
            process = subprocess.Popen(
                job.argv,
                cwd=job.cwd,
                env=dict(job.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise CommandFailed(command, f"could not be started: {error.strerror}") from error
        reader = threading.Thread(target=self._read, args=(process, log, lines), daemon=True)
        reader.start()
        try:
            in_time = self._wait(process, job, lines)
        finally:
            # Also after Ctrl-C: every process of this program ends here.
            _end(process)
        reader.join(timeout=5)
        shown = () if job.private else (line for line in lines if line.strip())
        tail = tuple(deque(shown, maxlen=_TAIL))
        if not in_time:
            raise CommandFailed(command, f"took longer than {job.seconds:.0f} s and was ended", tail, log)
        if process.returncode != 0:
            raise CommandFailed(command, f"ended with exit code {process.returncode}", tail, log)
        return "\n".join(lines)

    @staticmethod
    def _read(process: subprocess.Popen[str], log: Path | None, lines: list[str]) -> None:
        assert process.stdout is not None
        if log is None:
            lines.extend(raw.rstrip("\n") for raw in process.stdout)
            return
        with log.open("w", encoding="utf-8") as file:
            for raw in process.stdout:
                line = redacted(raw.rstrip("\n"))
                lines.append(line)
                file.write(line + "\n")
                file.flush()

    def _wait(self, process: subprocess.Popen[str], job: Job, lines: list[str]) -> bool:
        started = time.monotonic()
        while True:
            remaining = job.seconds - (time.monotonic() - started)
            if remaining <= 0:
                return False
            try:
                process.wait(timeout=min(self._every, remaining))
                return True
            except subprocess.TimeoutExpired:
                last = "" if job.private or not lines else lines[-1]
                if job.total:
                    done = sum(1 for line in lines if len(line.split()) == 1)
                    last = f"{min(done, job.total)} of {job.total}  {last}"
                self._alive(time.monotonic() - started, last)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and its group: SIGTERM first, then SIGKILL."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        # SIGKILL also where the process itself ended: a child of it may ignore SIGTERM.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=3)


@contextmanager
def exclusive(lock: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock; if another process has it, print that and wait. The system frees it when that process ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            who = f" (process {holder})" if holder else ""
            say(f"Another setup of this folder is running{who}; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield
