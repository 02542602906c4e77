"""One Pulumi project in one folder as the CLI works on it: the program, the stack in hand, and complaints in our words.

Part of the engine's edge: touches the `pulumi` program and the stack's backend.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CalledProcessError

from pulumi.automation import LocalWorkspace, OutputMap, Stack, UpdateSummary, Workspace
from pulumi.automation import errors as pulumi_errors
from pulumi.automation._stack import StackInitMode
from pulumi.automation.errors import InvalidVersionError

from wizard.core import retry
from wizard.core.errors import CorruptStateFile, SetupError, StackBusy, StackNotFound
from wizard.core.models.progress import OnProgress
from wizard.core.next_command import Command, wizard
from wizard.core.retry import SCHEDULES, Clock, Reason
from wizard.pulumi_engine import backend as engine_backend
from wizard.pulumi_engine.errors import of_run, told
from wizard.pulumi_engine.events import Watch
from wizard.pulumi_engine.process import EngineProcess


def last_part(stack: str) -> str:
    """The name without its owner: `team/project/production` has its file by the last part."""
    return stack.rsplit("/", 1)[-1]


class EngineWorkspace:
    """The CLI, found when it is first needed, and the stack that it works on."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str],
        secrets_provider: str | None,
        tell: Callable[[str], None],
        program: Callable[[], EngineProcess],
    ) -> None:
        """`program` finds the CLI, and may have begun to; its errors are those of EngineProcess."""
        self.folder = folder
        self.given = dict(environment)
        """What the CLI's environment has beside this process's own."""
        self.missing: set[str] = set()
        """Stacks that were looked for and are not there."""
        self._secrets_provider = secrets_provider
        self._tell = tell
        self._program = program
        self._process: EngineProcess | None = None
        self._workspace: LocalWorkspace | None = None
        self._handle: MinimalStack | None = None

    @property
    def environment(self) -> dict[str, str]:
        """All that the CLI's environment has."""
        return {**os.environ, **self.given}

    @property
    def process(self) -> EngineProcess:
        """The program. Raises SetupError when there is none, or none that fits."""
        if self._process is None:
            try:
                self._process = self._program()
            except FileNotFoundError as error:
                raise SetupError("there is no `pulumi` program on the PATH", Command("make setup")) from error
            except (OSError, CalledProcessError) as error:
                raise SetupError(
                    f"the `pulumi` program on the PATH does not run: {error}", Command("make setup")
                ) from error
            except InvalidVersionError as error:
                raise SetupError(
                    f"the `pulumi` program on the PATH does not fit: {error}", Command("make setup")
                ) from error
        return self._process

    def open(self) -> LocalWorkspace:
        """The Automation API's workspace. Raises SetupError as `process` does."""
        if self._workspace is None:
            self._workspace = LocalWorkspace(
                work_dir=str(self.folder),
                env_vars={**self.given, "PULUMI_SKIP_UPDATE_CHECK": "true"},
                pulumi_command=self.process,
                secrets_provider=self._secrets_provider,
            )
        return self._workspace

    def renew(self, environment: Mapping[str, str]) -> None:
        """Other values for the programs that are started from now on: credentials may have been renewed."""
        self.given = {**self.given, **environment}
        if self._workspace is not None:
            self._workspace.env_vars = {**self._workspace.env_vars, **environment}

    def settings_file(self, stack: str) -> Path:
        """`Pulumi.<stack>.yaml`, there or not."""
        return self.folder / f"Pulumi.{last_part(stack)}.yaml"

    def stack(self, stack: str) -> MinimalStack:
        """The stack, selected."""
        if self._handle is None or self._handle.name != stack:
            # Selecting it is wanted: afterwards the plain `pulumi config set` and `pulumi preview` mean this stack.
            self._handle = MinimalStack(stack, self.open(), StackInitMode.SELECT)
        return self._handle

    def make(self, stack: str) -> str | None:
        """Select the stack, or make it. What is in `missing` is made first; others may have made it since.

        Returns what the CLI wrote to the settings file of a new stack (its secrets provider or salt); None for a stack
        that was there. The settings file itself stays as it was.
        """
        if self._handle is not None:
            return None
        if stack in self.missing and (written := self._create(stack)) is not None:
            return written
        try:
            self.stack(stack)
        except pulumi_errors.StackNotFoundError:
            if (written := self._create(stack)) is not None:
                return written
            self.stack(stack)
        return None

    def remove_empty(self, stack: str) -> bool:
        """Remove a stack whose state holds nothing at all; False where it holds something."""
        try:
            if (self.open().export_stack(stack).deployment or {}).get("resources"):
                return False
            self.open()._run_pulumi_cmd_sync(["stack", "rm", "--stack", stack, "--yes", "--preserve-config"])
        except pulumi_errors.StackNotFoundError:
            pass
        self._handle = None
        self.missing.add(stack)
        return True

    def _create(self, stack: str) -> str | None:
        """Make the stack, and take back what the CLI wrote to its settings file; None when the stack is there."""
        file = self.settings_file(stack)
        before = file.read_bytes() if file.exists() else None
        try:
            self._handle = MinimalStack(stack, self.open(), StackInitMode.CREATE)
            return file.read_text(encoding="utf-8") if file.exists() else ""
        except pulumi_errors.StackAlreadyExistsError:
            return None
        finally:
            if before is not None:
                file.write_bytes(before)
            else:
                file.unlink(missing_ok=True)

    @contextmanager
    def watched(self, stack: str, on_progress: OnProgress | None) -> Iterator[Watch]:
        """A Watch for one run of the engine; a failure that it saw is told by what it saw."""
        watch = Watch(on_progress)
        try:
            yield watch
        except (pulumi_errors.StackNotFoundError, pulumi_errors.ConcurrentUpdateError):
            raise
        except pulumi_errors.CommandError as error:
            is_silent = self.process.code == 1 and str(error).rstrip().endswith("stderr:")
            failure = of_run(stack, watch, was_interrupted=self.process.interrupted, is_silent=is_silent)
            if failure is not None:
                raise failure from error
            raise

    @contextmanager
    def translated(self, stack: str) -> Iterator[None]:
        """The CLI's complaints as SetupErrors; the lock of a run that has ended, and a torn file, are removed first."""
        try:
            yield
        except pulumi_errors.StackNotFoundError as error:
            raise StackNotFound(
                f"there is no stack {stack} in this backend", wizard("setup", "--stack", stack)
            ) from error
        except pulumi_errors.ConcurrentUpdateError as error:
            if is_dead(str(error)):
                self._tell(f"the lock on {stack} belongs to a run that has ended; removing it")
                self.stack(stack).cancel()
                raise StackBusy(
                    f"a run that has ended held the stack {stack}; its lock was removed",
                    "run the same command again",
                ) from error
            raise StackBusy(
                f"another run holds the stack {stack}",
                f"wait for it; if nothing runs: pulumi cancel --stack {stack}",
            ) from error
        except pulumi_errors.CommandError as error:
            failure = told(stack, str(error))
            if engine_backend.looks_torn(failure.message) and (torn := self._mended(stack)):
                raise torn from error
            raise failure from error

    def _mended(self, stack: str) -> CorruptStateFile | None:
        """What to tell of a torn file of a local backend; None where it stays torn."""
        backend, again = self.open().who_am_i().url or "", "run the same command again"
        if engine_backend.mend(backend, self.folder, last_part(stack)):
            self._tell(f"a run that was killed left a torn file beside the state of {stack}; the state is whole")
            return CorruptStateFile(
                f"a run that was killed left a torn file beside the state of {stack}; it was removed", again
            )
        if engine_backend.is_whole(backend, self.folder, last_part(stack)):
            return CorruptStateFile(f"another run was writing the state of {stack}", again)
        return None


class MinimalStack(Stack):
    """A stack whose `up` asks the backend nothing afterwards: its outputs are in the engine's own events.

    The Automation API's would start the CLI three more times, for outputs with and without secrets and for the history.
    """

    def outputs(self) -> OutputMap:
        """Nothing: see `Watch.outputs`."""
        return {}

    def info(self, show_secrets: bool = True) -> UpdateSummary:
        """What `up` returns and nobody here reads."""
        return UpdateSummary("update", datetime.now(UTC), "", {}, {}, "succeeded")


class ReadOnlyStack(MinimalStack):
    """A stack that is only looked at: the plain `pulumi` goes on meaning the stack that a person selected."""

    def __init__(self, name: str, workspace: Workspace) -> None:
        """Asks nobody; a stack that is not there is told by the first command."""
        self.name = name
        self.workspace = workspace
        self._mode = StackInitMode.SELECT


LOCK_SECONDS = SCHEDULES[Reason.BUSY].seconds
"""How long a run waits for another run that holds the stack."""

_HOLDER = re.compile(r"created by (?P<user>[^@\s]+)@(?P<host>\S+) \(pid (?P<pid>\d+)\)")


@contextmanager
def hold_lock(file: Path, stack: str, *, tell: Callable[[str], None], clock: Clock) -> Iterator[None]:
    """Hold the lock file; wait for whoever holds it. Raises StackBusy after LOCK_SECONDS."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        for number in retry.attempts(Reason.BUSY, clock=clock, seconds=LOCK_SECONDS):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if number == 1:
                    tell(
                        f"another run is working on the stack {stack} in this folder; "
                        f"waiting for it for up to {LOCK_SECONDS:.0f} s"
                    )
        else:
            raise StackBusy(
                f"another run has held the stack {stack} for {LOCK_SECONDS:.0f} s",
                "end it (ps ax | grep 'm wizard'), then run the same command again",
            )
        yield


def is_dead(complaint: str) -> bool:
    """Whether the backend's complaint names only runs of this machine that are no more.

    A lock of another machine is never called dead: nobody here can know.
    """
    holders = [match.groupdict() for match in _HOLDER.finditer(complaint)]
    return bool(holders) and all(
        holder["host"] == socket.gethostname() and not _alive(int(holder["pid"])) for holder in holders
    )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        # Killed, and not yet waited for by whoever adopted it: in a container without an init that lasts for ever.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True
