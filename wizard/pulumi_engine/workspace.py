"""A Pulumi project in one folder: the CLI, the selected stack, its lock, and the CLI's errors as SetupErrors.

Part of the client of Pulumi: touches the `pulumi` program and the stack's backend.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wizard.core import files, retry
from wizard.core.errors import CorruptStateFile, SetupError, StackBusy, StackHeld, StackNotFound
from wizard.core.models.stack import OnProgress
from wizard.core.next_command import eonpro, plain_name, shell
from wizard.core.retry import SCHEDULES, Clock, Reason
from wizard.pulumi_engine import backend as engine_backend
from wizard.pulumi_engine import config
from wizard.pulumi_engine.events import Watch, cli_error, run_error
from wizard.pulumi_engine.process import EngineProcess, pulumi_errors

if TYPE_CHECKING:
    from pulumi.automation import LocalWorkspace, PulumiCommand

    from wizard.pulumi_engine.automation import MinimalStack


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """The project gets a newer version of the program with the next plan that is confirmed."""

    program: Path
    """A folder with the newer program, for previews."""
    install: Callable[[], None]
    """Makes it the project's own. Raises SetupError."""


class EngineWorkspace:
    """The CLI, started when it is first needed, and the selected stack."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str],
        secrets_provider: str | None,
        on_message: Callable[[str], None],
        program: Callable[[], EngineProcess],
    ) -> None:
        """`program` starts the CLI; its errors are those of EngineProcess."""
        self.folder = folder
        self.extra_environment = dict(environment)
        """The variables of the CLI in addition to this process's own."""
        self.missing: set[str] = set()
        """Stacks that do not exist in the backend."""
        self._secrets_provider = secrets_provider
        self._on_message = on_message
        self._program = program
        self._once = retry.Once()
        """Several threads may need the program and the workspace first."""
        self._workspaces: list[LocalWorkspace] = []
        self._handle: MinimalStack | None = None

    @property
    def environment(self) -> dict[str, str]:
        """All environment variables of the CLI."""
        return {**os.environ, **self.extra_environment}

    @property
    def process(self) -> EngineProcess:
        """The program. Raises SetupError without one."""
        return self._once("process", self._program)

    def run(self, *arguments: str) -> str:
        """The output of a command of the CLI. Raises the Automation API's CommandError."""
        return self.process.run(list(arguments), str(self.folder), self._variables).stdout

    def export(self, stack: str) -> dict[str, Any]:
        """The stack's state: `version` and `deployment`.

        Its secrets stay encrypted: to decrypt them the CLI derives the passphrase's key, or asks KMS. No fact that is
        read from a state is a secret, and a state that is imported again stays encrypted.
        """
        exported: dict[str, Any] = json.loads(self.run("stack", "export", "--stack", stack))
        return exported

    @property
    def _variables(self) -> dict[str, str]:
        return {**self.extra_environment, "PULUMI_SKIP_UPDATE_CHECK": "true"}

    def open(self, program: Path | None = None) -> LocalWorkspace:
        """The Automation API's workspace; `program`: for previews of a program in another folder.

        Raises SetupError as `process` does, and for an unsupported version.
        """
        return self._once(("workspace", program), lambda: self._open(program or self.folder))

    def _open(self, folder: Path) -> LocalWorkspace:
        from pulumi.automation import LocalWorkspace

        _ = self.process.version
        workspace = LocalWorkspace(
            work_dir=str(folder),
            env_vars=self._variables,
            # Its version is looked at when it is needed, so it cannot be one by inheritance.
            pulumi_command=cast("PulumiCommand", self.process),
            secrets_provider=self._secrets_provider,
        )
        self._workspaces.append(workspace)
        return workspace

    def renew(self, environment: Mapping[str, str]) -> None:
        """Environment variables for the next programs: credentials may have been renewed."""
        self.extra_environment = {**self.extra_environment, **environment}
        for workspace in self._workspaces:
            workspace.env_vars = self._variables

    def settings_file(self, stack: str) -> Path:
        """`Pulumi.<stack>.yaml`, whether or not it exists."""
        return self.folder / config.file_name(stack)

    def stack(self, stack: str) -> MinimalStack:
        """The stack, selected."""
        from wizard.pulumi_engine import automation

        if self._handle is None or self._handle.name != stack:
            # Selected on purpose: afterwards `pulumi config set` and `pulumi preview` of the CLI use this stack.
            self._handle = automation.select(stack, self.open())
        return self._handle

    def select_or_create(self, stack: str) -> str | None:
        """Select the stack, or create it. A stack in `missing` is created first; another run may have created it since.

        Returns the settings file as the CLI wrote it for a new stack, with its secrets provider or salt; None for an
        existing stack. The settings file itself does not change.
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
        """Remove a stack with an empty state; False where it has resources."""
        try:
            if (self.export(stack).get("deployment") or {}).get("resources"):
                return False
            self.run("stack", "rm", "--stack", stack, "--yes", "--preserve-config")
        except pulumi_errors.StackNotFoundError:
            pass
        self._handle = None
        self.missing.add(stack)
        return True

    def _create(self, stack: str) -> str | None:
        """Create the stack and restore its settings file.

        Returns the CLI's additions to the file, None if the stack existed.
        """
        from wizard.pulumi_engine import automation

        file = self.settings_file(stack)
        before = file.read_bytes() if file.exists() else None
        try:
            self._handle = automation.create(stack, self.open())
            return file.read_text(encoding="utf-8") if file.exists() else ""
        except pulumi_errors.StackAlreadyExistsError:
            return None
        finally:
            if before is not None:
                file.write_bytes(before)
            else:
                file.unlink(missing_ok=True)

    @contextmanager
    def watched(self, stack: str, on_progress: OnProgress | None = None) -> Iterator[Watch]:
        """A Watch for one run of the engine; a failure is explained by its events."""
        watch = Watch(on_progress)
        try:
            yield watch
        except (pulumi_errors.StackNotFoundError, pulumi_errors.ConcurrentUpdateError):
            raise
        except pulumi_errors.CommandError as error:
            failure = run_error(stack, watch, was_interrupted=self.process.interrupted, text=str(error).strip())
            if failure is not None:
                raise failure from error
            raise

    @contextmanager
    def translated(self, stack: str) -> Iterator[None]:
        """The CLI's errors as SetupErrors; the lock of a dead run and a corrupt sidecar file are removed first."""
        try:
            yield
        except pulumi_errors.StackNotFoundError as error:
            raise StackNotFound(
                f"there is no stack {stack} in this backend", eonpro("setup", "--stack", stack)
            ) from error
        except pulumi_errors.ConcurrentUpdateError as error:
            held = engine_backend.locks_named(str(error))
            if held and all(lock.has_ended for lock in held):
                self._on_message(f"the lock on {stack} belongs to a run that has ended; removing it")
                self.stack(stack).cancel()
                raise StackBusy(
                    f"a run that has ended held the stack {stack}; its lock was removed",
                    "run the same command again",
                ) from error
            message = f"another run holds the stack {stack}" + "".join(f": {lock.words}" for lock in held)
            cancel = shell(
                "pulumi", "cancel", "--yes", "--stack", stack, advice="if that run has ended, remove its lock"
            )
            if held and all(lock.is_stale for lock in held):
                raise StackHeld(f"{message}; no update takes that long", cancel) from error
            raise StackBusy(message, cancel) from error
        except pulumi_errors.CommandError as error:
            failure = cli_error(stack, str(error))
            if engine_backend.is_damaged(failure.message) and (damage := self._repair(stack, failure.message)):
                raise damage from error
            raise failure from error

    def _repair(self, stack: str, complaint: str) -> SetupError | None:
        """The error for a damaged file of the backend, a CorruptStateFile once it is repaired; None: not known."""
        backend, again, name = self.open().who_am_i().url or "", "run the same command again", plain_name(stack)
        if engine_backend.remove_corrupt_sidecars(backend, self.folder, name):
            self._on_message(f"a killed run left a damaged file next to the state of {stack}; the state is complete")
            return CorruptStateFile(
                f"a killed run left a damaged file next to the state of {stack}; it was removed", again
            )
        if (damage := engine_backend.damage(backend, self.folder, name)) is not None:
            return damage
        if backend.startswith("file://") and complaint.endswith("EOF"):
            return CorruptStateFile(f"another run was writing the state of {stack}", again)
        return None


LOCK_SECONDS = SCHEDULES[Reason.BUSY].seconds
"""Longest wait for another run that uses the stack."""


@contextmanager
def hold_lock(file: Path, stack: str, *, on_message: Callable[[str], None], clock: Clock) -> Iterator[None]:
    """Hold the lock file; wait for another run that holds it. Raises StackBusy after LOCK_SECONDS."""
    files.make_folder(file.parent)
    files.check_target(file)
    # A link is not followed, a pipe is not waited for, and the file of another run is not emptied.
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(file, flags, 0o600), "r+b", buffering=0) as handle:
        for number in retry.attempts(Reason.BUSY, clock=clock, seconds=LOCK_SECONDS):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if number == 1:
                    on_message(
                        f"another run is working on the stack {stack} in this folder; "
                        f"waiting for it for up to {LOCK_SECONDS:.0f} s"
                    )
        else:
            raise StackBusy(
                f"another run is using the stack {stack} (waited {LOCK_SECONDS:.0f} s)",
                "end it (ps ax | grep 'm wizard'), then run the same command again",
            )
        yield
