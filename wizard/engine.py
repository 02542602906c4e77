"""The edge to Pulumi: makes and configures the stack, previews, updates, and tells what the engine tells.

Touches the `pulumi` program, the stack's backend and `Pulumi.<stack>.yaml` in the project's folder.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

from pulumi.automation import Deployment, LocalWorkspace, OutputMap, Stack, UpdateSummary
from pulumi.automation import errors as pulumi_errors
from pulumi.automation._stack import StackInitMode
from pulumi.automation.errors import InvalidVersionError

from components.contract import PROJECT, ContractError, Outputs, Settings
from wizard import engine_backend, engine_config, engine_lock
from wizard.engine_errors import interrupted, told
from wizard.engine_events import Watch
from wizard.engine_process import EngineProcess
from wizard.engine_state import adopted, pending_steps
from wizard.errors import (
    PolicyRefusal,
    ResourceError,
    SetupError,
    StackBusy,
    StackNotFound,
    TornFile,
)
from wizard.facts import OnProgress, StackState, Step


class _Stack(Stack):
    """A stack whose `up` asks the backend nothing afterwards: its outputs are in the engine's own events.

    The Automation API's would start the CLI three more times, for outputs with and without secrets and for the history.
    """

    def outputs(self) -> OutputMap:
        """Nothing: see `Watch.outputs`."""
        return {}

    def info(self, show_secrets: bool = True) -> UpdateSummary:
        """What `up` returns and nobody here reads."""
        return UpdateSummary("update", datetime.now(UTC), "", {}, {}, "succeeded")


class PulumiEngine:
    """One Pulumi project in one folder. Implements `wizard.protocols.Engine`."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str],
        policy_pack: Path | None = None,
        tell: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._policy_pack = policy_pack
        self._tell = tell
        self._sleep = sleep
        self._workspace: LocalWorkspace | None = None
        self._process: EngineProcess | None = None
        self._handle: _Stack | None = None

        self._missing: set[str] = set()
        """Stacks that were not there when `state` looked."""

    # --- what is there -----------------------------------------------------------------------------------------

    def check(self) -> str:
        """The engine's version. Raises SetupError when there is none, or none that fits."""
        self._open()
        assert self._process is not None
        return str(self._process.version)

    def saved_config(self, stack: str) -> dict[str, str]:
        """The stack's configuration file, by full key, lists in JSON as the engine gives them; empty without a file."""
        return engine_config.read(self._config_file(stack))

    def state(self, stack: str) -> StackState:
        """What the backend knows of the stack. A stack that is not there is a fact, not an error."""
        try:
            deployment = self._exported(stack)
        except StackNotFound:
            self._missing.add(stack)
            return StackState(exists=False, has_key=False)
        resources = deployment.get("resources") or []
        outputs: dict[str, Any] = next(
            (r.get("outputs", {}) for r in resources if r["type"] == "pulumi:pulumi:Stack"), {}
        )
        try:
            known = Outputs.read(outputs)
        except ContractError:
            known = None
        return StackState(
            exists=True,
            # The logs have a key of their own, which says nothing of the PHI key.
            has_key=any(r["urn"].endswith("aws:kms/key:Key::phi-key") for r in resources),
            owned=tuple(
                filter(
                    None,
                    (value for r in resources for value in (r.get("id"), r.get("outputs", {}).get("arn"))),
                )
            ),
            pending=pending_steps(deployment),
            outputs=known,
        )

    def _exported(self, stack: str) -> Mapping[str, Any]:
        workspace = self._open()
        try:
            with self._translated(stack):
                return workspace.export_stack(stack).deployment or {}
        except TornFile:
            with self._translated(stack):
                return workspace.export_stack(stack).deployment or {}

    # --- making it so ------------------------------------------------------------------------------------------

    @contextmanager
    def alone(self, stack: str) -> Iterator[None]:
        """One wizard at a time on a stack of this folder: two would write one configuration file at once."""
        file = self._folder / ".cache" / "locks" / f"{_last_part(stack)}.lock"
        with engine_lock.alone(file, stack, tell=self._tell, sleep=self._sleep):
            yield

    def prepare(self, stack: str, settings: Settings) -> None:
        """The stack, made where it is missing, with exactly this configuration for the project's own keys."""
        wanted = settings.to_config()
        saved = self.saved_config(stack)
        rendered = {key: engine_config.as_text(value) for key, value in wanted.items()}
        stale = [key for key in saved if key.startswith(f"{PROJECT}:") and key not in rendered]

        def configure(watch: Watch) -> None:
            workspace = self._open()
            if not self._config_file(stack).exists():
                # A new stack is made with its settings beside it: `stack init` adds to the file what it needs itself.
                self._config_file(stack).write_text(engine_config.document(wanted), encoding="utf-8")
                self._made(stack, workspace)
                return
            self._made(stack, workspace)
            if any(saved.get(key) != value for key, value in rendered.items()):
                workspace.set_all_config_json(
                    stack, json.dumps({key: engine_config.entry(value) for key, value in wanted.items()})
                )
            if stale:
                workspace.remove_all_config(stack, stale)

        self._change(stack, None, configure)

    def recover(self, stack: str, found: Mapping[str, str]) -> None:
        """Take up what a crashed run left pending: what was made (`found`: URN → id) is imported, the rest dropped."""

        def take_up(watch: Watch) -> None:
            handle = self._stack(stack)
            # `refresh --import-pending-creates` drops what it is told to import (engine 3.259), so the state is edited.
            was = handle.export_stack()
            handle.import_stack(Deployment(version=was.version, deployment=adopted(was.deployment or {}, found)))
            handle._run_pulumi_cmd_sync(["refresh", "--yes", "--skip-preview", "--clear-pending-creates"])

        self._change(stack, None, take_up)

    def preview(self, stack: str, on_progress: OnProgress) -> tuple[Step, ...]:
        """What an update would do, one step a resource, unchanged ones too."""
        with self._translated(stack), self._errors_of(on_progress) as watch:
            self._stack(stack).preview(on_event=watch, policy_packs=self._policy_packs())
        return tuple(watch.planned.values())

    def up(self, stack: str, on_progress: OnProgress) -> Outputs:
        """Make it so. A Ctrl-C is passed on once and waited for; then Cancelled is raised."""
        told: list[Mapping[str, Any]] = []

        def update(watch: Watch) -> None:
            self._stack(stack).up(on_event=watch, show_secrets=False, policy_packs=self._policy_packs())
            told.append(watch.outputs)

        self._change(stack, on_progress, update)
        try:
            return Outputs.read(told[-1])
        except ContractError as error:
            raise ResourceError(
                f"the update of {stack} ended without the stack's outputs",
                f"pulumi stack output --stack {stack}",
            ) from error

    def destroy(self, stack: str, on_progress: OnProgress) -> None:
        """Take the stack's resources away. What is retained only leaves the state: key, alias, trail and buckets."""

        def take_away(watch: Watch) -> None:
            handle = self._stack(stack)
            # What is protected is retained too: it leaves the state, and stays in the account.
            handle._run_pulumi_cmd_sync(["state", "unprotect", "--all", "--yes"])
            handle.destroy(on_event=watch, remove=False)

        self._change(stack, on_progress, take_away)

    # --- inside ------------------------------------------------------------------------------------------------

    def _change(self, stack: str, on_progress: OnProgress | None, action: Callable[[Watch], object]) -> None:
        """Run what changes the state: an interrupt is held back, and whoever holds the stack is waited for."""
        self._open()
        process = self._process
        assert process is not None
        with process.holding_interrupts(
            lambda: self._tell("Ctrl-C: the engine ends what is under way and saves its state; please wait")
        ):
            deadline = time.monotonic() + engine_lock.PATIENCE_SECONDS
            while not process.interrupted:
                try:
                    with self._translated(stack), self._errors_of(on_progress) as watch:
                        action(watch)
                    break
                except StackBusy as error:
                    if time.monotonic() > deadline or process.interrupted:
                        raise
                    self._tell(f"{error.message}; trying again")
                    self._sleep(2.0)
        if process.interrupted:
            raise interrupted()

    def _open(self) -> LocalWorkspace:
        if self._workspace is None:
            try:
                self._process = EngineProcess()
            except FileNotFoundError as error:
                raise SetupError("there is no `pulumi` program on the PATH", "make setup") from error
            except (OSError, CalledProcessError) as error:
                raise SetupError(f"the `pulumi` program on the PATH does not run: {error}", "make setup") from error
            except InvalidVersionError as error:
                raise SetupError(f"the `pulumi` program on the PATH does not fit: {error}", "make setup") from error
            self._workspace = LocalWorkspace(
                work_dir=str(self._folder),
                env_vars={**self._environment, "PULUMI_SKIP_UPDATE_CHECK": "true"},
                pulumi_command=self._process,
            )
        return self._workspace

    def _stack(self, stack: str) -> _Stack:
        if self._handle is None or self._handle.name != stack:
            # Selecting it is wanted: afterwards the plain `pulumi config set` and `pulumi preview` mean this stack.
            self._handle = _Stack(stack, self._open(), StackInitMode.SELECT)
        return self._handle

    def _made(self, stack: str, workspace: LocalWorkspace) -> None:
        """Select the stack, or make it. What `state` saw decides what is tried first; others may have made it since."""
        if self._handle is not None or (stack in self._missing and self._create(stack, workspace)):
            return
        try:
            self._stack(stack)
        except pulumi_errors.StackNotFoundError:
            if not self._create(stack, workspace):
                self._stack(stack)

    def _create(self, stack: str, workspace: LocalWorkspace) -> bool:
        """Make the stack; False when it is there already."""
        try:
            self._handle = _Stack(stack, workspace, StackInitMode.CREATE)
        except pulumi_errors.StackAlreadyExistsError:
            return False
        return True

    def _config_file(self, stack: str) -> Path:
        return self._folder / f"Pulumi.{_last_part(stack)}.yaml"

    def _policy_packs(self) -> list[str] | None:
        return [str(self._policy_pack)] if self._policy_pack else None

    @contextmanager
    def _errors_of(self, on_progress: OnProgress | None) -> Iterator[Watch]:
        watch = Watch(on_progress)
        try:
            yield watch
        except pulumi_errors.StackNotFoundError:
            raise
        except pulumi_errors.ConcurrentUpdateError:
            raise
        except pulumi_errors.CommandError as error:
            if watch.violations:
                raise PolicyRefusal(
                    "the policy pack refused the plan: " + "; ".join(watch.violations),
                    "change what it names, then run the same command again",
                ) from error
            if self._process is not None and self._process.interrupted:
                raise interrupted() from error
            if watch.failures:
                raise ResourceError(
                    "\n".join(watch.failures),
                    "mend the cause, then run the same command again: what exists is kept",
                ) from error
            raise

    @contextmanager
    def _translated(self, stack: str) -> Iterator[None]:
        try:
            yield
        except pulumi_errors.StackNotFoundError as error:
            raise StackNotFound(
                f"there is no stack {stack} in this backend", f"python -m wizard setup --stack {stack}"
            ) from error
        except pulumi_errors.ConcurrentUpdateError as error:
            if engine_lock.is_dead(str(error)):
                self._tell(f"the lock on {stack} belongs to a run that has ended; removing it")
                self._stack(stack).cancel()
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
            if engine_backend.looks_torn(failure.message) and self._mend(stack):
                raise TornFile(
                    f"a run that was killed left a torn file beside the state of {stack}; it was removed",
                    "run the same command again",
                ) from error
            raise failure from error

    def _mend(self, stack: str) -> bool:
        mended = engine_backend.mend(self._open().who_am_i().url or "", self._folder, _last_part(stack))
        if mended:
            self._tell(f"a run that was killed left a torn file beside the state of {stack}; the state is whole")
        return mended


def _last_part(stack: str) -> str:
    # A name may be qualified, `team/production` or `team/project/production`; its file is named by the last part.
    return stack.rsplit("/", 1)[-1]
