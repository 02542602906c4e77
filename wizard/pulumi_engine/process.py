"""The Pulumi CLI as a child process that outlives a Ctrl-C: it is told once, waited for, and never killed half-way.

Part of the engine's edge: touches the `pulumi` program and this process's SIGINT handler, nothing else.
"""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import IO

from pulumi.automation import PulumiCommand
from pulumi.automation._cmd import CommandResult, OnOutput
from pulumi.automation.errors import create_command_error

_LOGGER = logging.getLogger("eonpro.engine")
_OUTPUT = logging.getLogger("eonpro.engine.output")
_SPEAKING = frozenset(("up", "preview", "destroy", "refresh", "import", "cancel"))
"""The commands whose output is for people; what the others print, states and settings, goes into no log."""


GRACE_SECONDS = 5.0
"""For a command that only looks, to end by itself after a Ctrl-C."""


class EngineProcess(PulumiCommand):
    """`PulumiCommand` in a process group of its own, so that the terminal's Ctrl-C reaches the engine through us, once.

    The engine ends what is under way and saves its state on the first SIGINT; a second makes it drop everything, which
    is how a key gets made that no state knows of. So a second is never passed on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.code = 0
        """Exit code of the last command (https://www.pulumi.com/docs/iac/cli/exit-codes/)."""
        self.interrupted = False
        self._process: subprocess.Popen[str] | None = None

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        """Run one command to its end. Raises the Automation API's CommandError when it fails."""
        command = [self.command, "--non-interactive", *args]
        environment = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        line, began = shlex.join(("pulumi", *args)), time.monotonic()
        _LOGGER.debug("%s", line)
        out: list[str] = []
        err: list[str] = []
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment,
            encoding="utf-8",
            errors="replace",
            process_group=0,
        ) as process:
            self._process = process
            assert process.stdout is not None and process.stderr is not None
            readers = [
                threading.Thread(
                    target=_read, args=(process.stdout, out, on_output, args[0] in _SPEAKING), daemon=True
                ),
                threading.Thread(target=_read, args=(process.stderr, err, on_error, True), daemon=True),
            ]
            for reader in readers:
                reader.start()
            try:
                for reader in readers:
                    reader.join()
                # Commands run side by side: one must not be judged by the exit code of another.
                code = self.code = process.wait()
            except KeyboardInterrupt:
                # Where interrupts are not held back nothing is being changed: what runs has to end, however it does.
                _end(process)
                for reader in readers:
                    reader.join()
                raise
        _LOGGER.debug("%s ended with exit code %d after %.1f s", line, code, time.monotonic() - began)
        self._process = None
        result = CommandResult(stdout="\n".join(out), stderr="\n".join(err), code=code)
        if code != 0:
            raise create_command_error(result)
        return result

    def log_in(self, url: str, cwd: str, environment: Mapping[str, str], *, asks: bool) -> None:
        """`pulumi login URL`, in this terminal where it asks. Raises the Automation API's CommandError."""
        if not asks:
            self.run(["login", url], cwd, environment)
            return
        # The terminal is the CLI's own meanwhile: a Ctrl-C there is meant for it, and ends us as well.
        done = subprocess.run(
            [self.command, "login", url], cwd=cwd, env={**os.environ, **environment}, check=False, text=True
        )
        self.code = done.returncode
        if done.returncode != 0:
            raise create_command_error(CommandResult(stdout="", stderr="pulumi login failed", code=done.returncode))

    @contextmanager
    def holding_interrupts(self, tell: Callable[[], None]) -> Iterator[None]:
        """While inside, the first Ctrl-C is passed to the engine and `tell` is called; later ones change nothing."""
        self.interrupted = False

        def forward(_signal: int, _frame: FrameType | None) -> None:
            if not self.interrupted:
                self.interrupted = True
                if self._process is not None and self._process.poll() is None:
                    self._process.send_signal(signal.SIGINT)
                tell()

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        former = signal.signal(signal.SIGINT, forward)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, former)


def ahead() -> Callable[[], EngineProcess]:
    """Look for the program now, beside whatever else is done; what is returned waits for it, and raises its errors.

    It is asked for its version, which takes a tenth of a second. Called again, it looks anew: a program that was
    missing or too old may have been installed since.
    """
    with_one = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pulumi")
    begun = [with_one.submit(EngineProcess).result]
    with_one.shutdown(wait=False)
    return lambda: begun.pop()() if begun else EngineProcess()


def _end(process: subprocess.Popen[str]) -> None:
    """Have a command end, by itself if it does so soon."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        # A second one ends it at once, and what it has started with it.
        process.send_signal(signal.SIGINT)
        process.wait()


def _read(stream: IO[str], lines: list[str], callback: OnOutput | None, logged: bool) -> None:
    for line in iter(stream.readline, ""):
        text = line.rstrip()
        lines.append(text)
        if logged:
            _OUTPUT.debug("%s", text)
        if callback:
            callback(text)
    stream.close()
