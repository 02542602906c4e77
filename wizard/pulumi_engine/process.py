"""The Pulumi CLI as a child process that survives a Ctrl-C: it gets the signal once and is waited for.

Part of the client of Pulumi: touches the `pulumi` program and this process's SIGINT handler, nothing else.
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
from copy import copy
from types import FrameType
from typing import IO

from pulumi.automation import CommandResult, OnOutput, PulumiCommand
from pulumi.automation.errors import InvalidVersionError, create_command_error

from wizard.core.child_environment import of_pulumi
from wizard.pulumi_engine import config

_LOGGER = logging.getLogger("eonpro.engine")
_OUTPUT = logging.getLogger("eonpro.engine.output")
_LOGGED_COMMANDS = frozenset(("up", "preview", "destroy", "refresh", "import", "cancel"))
"""The commands whose output is for people; the output of the others, states and settings, is not logged."""

GRACE_SECONDS = 5.0
"""For a command that only reads, to end by itself after a Ctrl-C."""


class EngineProcess(PulumiCommand):
    """`PulumiCommand` in a process group of its own, so that the terminal's Ctrl-C reaches the engine once.

    The engine finishes the current operations and saves its state on the first SIGINT; a second makes it stop at once,
    which can leave a new key that no state has. So a second is never passed on.
    """

    def __init__(self) -> None:
        """Raises SetupError without a program; what PulumiCommand raises for one that is unusable."""
        config.find_engine(os.environ)
        try:
            super().__init__()
        except (OSError, subprocess.CalledProcessError, InvalidVersionError):
            if not config.prefer_chosen_engine(os.environ):
                raise
            super().__init__()
        self.code = 0
        """Exit code of the last command (https://www.pulumi.com/docs/iac/cli/exit-codes/)."""
        self.interrupted = False
        self._process: subprocess.Popen[str] | None = None
        self._is_unwanted = False

    def apart(self) -> EngineProcess:
        """The same program for a command that may be ended by itself, while others run."""
        return copy(self)

    def end(self) -> None:
        """End the command, which only reads, or the one that begins next."""
        self._is_unwanted = True
        if self._process is not None:
            _end(self._process)

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
        environment = {**of_pulumi(os.environ), **additional_env, "PULUMI_AUTOMATION_API": "true"}
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
            if self._is_unwanted:
                _end(process)
            assert process.stdout is not None and process.stderr is not None
            readers = [
                threading.Thread(
                    target=_read, args=(process.stdout, out, on_output, args[0] in _LOGGED_COMMANDS), daemon=True
                ),
                threading.Thread(target=_read, args=(process.stderr, err, on_error, True), daemon=True),
            ]
            for reader in readers:
                reader.start()
            try:
                for reader in readers:
                    reader.join()
                # Commands run concurrently: each needs its own exit code.
                code = self.code = process.wait()
            except KeyboardInterrupt:
                # Interrupts are not deferred where nothing is being changed: the command may end in any way.
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
        # The terminal belongs to the CLI meanwhile: a Ctrl-C ends the CLI and this process.
        done = subprocess.run(
            [self.command, "login", url], cwd=cwd, env={**of_pulumi(os.environ), **environment}, check=False, text=True
        )
        self.code = done.returncode
        if done.returncode != 0:
            raise create_command_error(CommandResult(stdout="", stderr="pulumi login failed", code=done.returncode))

    @contextmanager
    def defer_interrupts(self, on_interrupt: Callable[[], None]) -> Iterator[None]:
        """Pass the first Ctrl-C of the block to the engine and call `on_interrupt`; ignore later ones."""
        self.interrupted = False

        def forward(_signal: int, _frame: FrameType | None) -> None:
            if not self.interrupted:
                self.interrupted = True
                if self._process is not None and self._process.poll() is None:
                    self._process.send_signal(signal.SIGINT)
                on_interrupt()

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = signal.signal(signal.SIGINT, forward)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)


def start_early() -> Callable[[], EngineProcess]:
    """Start to look for the program in the background; the returned function waits for it, and raises its errors.

    `pulumi version` takes a tenth of a second. Called a second time, the function looks again: a program that was
    missing or too old may have been installed since.
    """
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pulumi")
    first = [pool.submit(EngineProcess).result]
    pool.shutdown(wait=False)
    return lambda: first.pop()() if first else EngineProcess()


def _end(process: subprocess.Popen[str]) -> None:
    """End a command, by itself within GRACE_SECONDS."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        # A second signal ends it at once, with its child processes.
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
