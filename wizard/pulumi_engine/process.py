"""The Pulumi CLI as a child process that survives a Ctrl-C: it gets the signal once and is waited for.

Part of the client of Pulumi: touches the `pulumi` program and this process's SIGINT handler, nothing else.
"""

from __future__ import annotations

import atexit
import logging
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from types import FrameType
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from wizard.core.child_environment import of_pulumi
from wizard.core.errors import SetupError, Unreachable
from wizard.core.next_command import shell
from wizard.pulumi_engine import config

if TYPE_CHECKING:
    from pulumi.automation import OnOutput
    from pulumi.automation import errors as pulumi_errors
else:

    class _Errors:
        """`pulumi.automation.errors`, when a command has failed: the SDK takes a fifth of a second to import."""

        def __getattr__(self, name: str) -> Any:
            from pulumi.automation import errors

            return getattr(errors, name)

    pulumi_errors = _Errors()

__all__ = ["EngineProcess", "pulumi_errors"]

_LOGGER = logging.getLogger("eonpro.engine")
_OUTPUT = logging.getLogger("eonpro.engine.output")
_READING = frozenset(("whoami", "config", "stack export", "stack ls", "stack history", "stack output"))
"""The commands that are given up after READING_SECONDS, by their first words.

The others have no limit: an update takes as long as its resources do (a trail's bucket, a replica, a quota of calls),
and to end it half-way would do harm. A person ends it with Ctrl-C; a backend that is away ends it by itself.
"""
READING_SECONDS = 300.0
"""For a command that reads a state, or the settings; one of a large state in a slow backend takes a minute."""
_LOGGED_COMMANDS = frozenset(("up", "preview", "destroy", "refresh", "import", "cancel"))
"""The commands whose output is for people; the output of the others, states and settings, is not logged."""

GRACE_SECONDS = 5.0
"""For a command that only reads, to end by itself after a Ctrl-C."""


class Ended(NamedTuple):
    """The result of a command: the fields of the Automation API's CommandResult."""

    stdout: str
    stderr: str
    code: int


class EngineProcess:
    """A `PulumiCommand` with a process group of its own, so that the terminal's Ctrl-C reaches the engine once.

    The engine finishes the current operations and saves its state on the first SIGINT; a second makes it stop at once,
    which can leave a new key that no state has. So a second is never passed on.
    """

    command = "pulumi"

    def __init__(self) -> None:
        """Raises SetupError without a program."""
        config.find_engine(os.environ)
        self.interrupted = False
        self._process: subprocess.Popen[str] | None = None

    @cached_property
    def version(self) -> Any:
        """The program's version, as the SDK has it; None where it is not checked. Raises SetupError for a wrong one."""
        from wizard.pulumi_engine.automation import Cli

        try:
            return Cli().version
        except (OSError, subprocess.SubprocessError, pulumi_errors.InvalidVersionError) as error:
            if config.prefer_chosen_engine(os.environ):
                return self.version
            fault = (
                "has an unsupported version" if isinstance(error, pulumi_errors.InvalidVersionError) else "does not run"
            )
            raise SetupError(f"the `pulumi` program on the PATH {fault}: {error}", config.INSTALLS_ENGINE) from error

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> Ended:
        """Run one command to its end. Raises the Automation API's CommandError when it fails.

        A program whose version nobody asked for is asked for it then, and raises SetupError if that is why.
        """
        is_checked, path = "version" in vars(self), os.environ.get("PATH")
        try:
            return self._run(args, cwd, additional_env, on_output, on_error)
        except (OSError, pulumi_errors.CommandError):
            if is_checked or self.version is None or os.environ.get("PATH") == path:
                raise
            return self._run(args, cwd, additional_env, on_output, on_error)

    def _run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None,
        on_error: OnOutput | None,
    ) -> Ended:
        line, began = shlex.join(("pulumi", *args)), time.monotonic()
        _LOGGER.debug("%s", line)
        out: list[str] = []
        err: list[str] = []
        with subprocess.Popen(
            [self.command, "--non-interactive", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**of_pulumi(os.environ), **additional_env, "PULUMI_AUTOMATION_API": "true"},
            encoding="utf-8",
            errors="replace",
            process_group=0,
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            readers = (
                _reader(process.stdout, out, on_output, args[0] in _LOGGED_COMMANDS),
                _reader(process.stderr, err, on_error, True),
            )
            is_reading = not _READING.isdisjoint((args[0], " ".join(args[:2])))
            with self._current(process), _limited(process, READING_SECONDS if is_reading else None) as given_up:
                try:
                    for reader in readers:
                        reader.join()
                    code = process.wait()
                except KeyboardInterrupt:
                    # Interrupts are not deferred where nothing is being changed: the command may end in any way.
                    _end(process)
                    for reader in readers:
                        reader.join()
                    raise
        if given_up.is_set():
            raise Unreachable(
                f"Pulumi's backend did not answer `{line}` within {READING_SECONDS:g} s",
                shell("pulumi", "whoami", "-v", advice="it shows which backend Pulumi uses"),
            )
        _LOGGER.debug("%s ended with exit code %d after %.1f s", line, code, time.monotonic() - began)
        if code != 0:
            raise _failure("\n".join(out), "\n".join(err), code)
        return Ended("\n".join(out), "\n".join(err), code)

    @contextmanager
    def _current(self, process: subprocess.Popen[str]) -> Iterator[None]:
        """The command that gets a Ctrl-C, if the main thread waits for it; another is ended with this process."""
        end = partial(_end, process, kills=True)
        if threading.current_thread() is threading.main_thread():
            self._process = process
        else:
            # A command that only reads, beside others: after a Ctrl-C the wizard may end before it.
            atexit.register(end)
        try:
            yield
        finally:
            atexit.unregister(end)
            if self._process is process:
                self._process = None

    def log_in(self, url: str, cwd: str, environment: Mapping[str, str], *, asks: bool) -> None:
        """`pulumi login URL`, in this terminal where it asks. Raises the Automation API's CommandError."""
        if not asks:
            self.run(["login", url], cwd, environment)
            return
        # The terminal belongs to the CLI meanwhile: a Ctrl-C ends the CLI and this process.
        done = subprocess.run(
            [self.command, "login", url], cwd=cwd, env={**of_pulumi(os.environ), **environment}, check=False, text=True
        )
        if done.returncode != 0:
            raise _failure("", "pulumi login failed", done.returncode)

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


def _failure(stdout: str, stderr: str, code: int) -> pulumi_errors.CommandError:
    from pulumi.automation import CommandResult

    return pulumi_errors.create_command_error(CommandResult(stdout=stdout, stderr=stderr, code=code))


def _end(process: subprocess.Popen[str], *, kills: bool = False) -> None:
    """End a command, by itself within GRACE_SECONDS. `kills`: with its child processes, where it does not."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        # A second signal ends it at once, with its child processes.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE_SECONDS if kills else None)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def _limited(process: subprocess.Popen[str], seconds: float | None) -> Iterator[threading.Event]:
    """End the command after this time, or never; the event says that it was ended."""
    given_up = threading.Event()

    def give_up() -> None:
        given_up.set()
        _end(process, kills=True)

    limit = threading.Timer(seconds or 0.0, give_up)
    limit.daemon = True
    if seconds is not None:
        limit.start()
    try:
        yield given_up
    finally:
        limit.cancel()


def _reader(stream: IO[str], lines: list[str], callback: OnOutput | None, logged: bool) -> threading.Thread:
    thread = threading.Thread(target=_read, args=(stream, lines, callback, logged), daemon=True)
    thread.start()
    return thread


def _read(stream: IO[str], lines: list[str], callback: OnOutput | None, logged: bool) -> None:
    for line in iter(stream.readline, ""):
        text = line.rstrip()
        lines.append(text)
        if logged:
            _OUTPUT.debug("%s", text)
        if callback:
            callback(text)
    stream.close()
