"""The client of Pulumi: creates and configures the stack, previews, updates, and reports the engine's events.

Touches the `pulumi` program, the stack's backend and `Pulumi.<stack>.yaml` in the project's folder.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from components.settings import PROJECT, ContractError, Outputs, Settings
from wizard.core import retry
from wizard.core.errors import (
    CorruptStateFile,
    DamagedState,
    ResourceError,
    StackBusy,
    StackHeld,
    StackNotFound,
    StalePlan,
)
from wizard.core.models.account import UnrecordedResource
from wizard.core.models.stack import Drift, OnProgress, StackState, Step
from wizard.core.next_command import Command, Text, plain_name, policy_pack_word, shell
from wizard.core.retry import Clock, Reason, Threads
from wizard.core.state_backend import BackendKind
from wizard.pulumi_engine import backend, config, passphrase, removal, workspace
from wizard.pulumi_engine import plan as engine_plan
from wizard.pulumi_engine.events import Comparison, Watch, interrupted
from wizard.pulumi_engine.plan import Creations, stack_state, with_imports, with_unrecorded
from wizard.pulumi_engine.process import EngineProcess
from wizard.pulumi_engine.workspace import EngineWorkspace, Upgrade

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent

T = TypeVar("T")


READ_AT_ONCE = 16
"""Resources that a refresh reads at the same time: each waits for one to ten answers of AWS. The engine's own number is
four for each processor."""


class Engine:
    """A Pulumi project in one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str],
        policy_pack: Path | None = None,
        on_message: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
        secrets_provider: str | None = None,
        program: Callable[[], EngineProcess] = EngineProcess,
        check_version: Callable[[str], None] = lambda version: None,
        upgrade: Upgrade | None = None,
    ) -> None:
        """`secrets_provider` is for a new stack; None leaves it to the backend.

        `program` starts the CLI, when it is first needed. `check_version` raises
        SetupError for a stack that was updated by a version which this program does not know.
        """
        self._check_version, self._upgrade = check_version, upgrade
        self._project = EngineWorkspace(
            folder, environment=environment, secrets_provider=secrets_provider, on_message=on_message, program=program
        )
        self._policy_pack = policy_pack
        self._on_message = on_message
        self._clock = Clock(sleep=sleep)
        self._plan = engine_plan.StoredPlan()
        self._settings = config.PreparedSettings()
        self._before: bytes | None = None
        """The settings file as it was when the copy was prepared."""
        self._created = False
        """Whether the stack was created for a plan that is not confirmed yet."""
        self._reading = retry.Once()
        """The states that are being read now."""

    # --- reading -----------------------------------------------------------------------------------------

    def check(self) -> str:
        """The engine's version. Raises SetupError without an engine, or for an unsupported version."""
        return str(self._project.process.version)

    def saved_config(self, stack: str) -> dict[str, str]:
        """The stack's configuration by full key, lists in JSON as the engine prints them; empty without a file."""
        return config.read(self._project.settings_file(stack))

    def check_backend(self, stack: str) -> str:
        """A description of the state backend, after a request to it and a check of the stack's passphrase.

        A folder or a bucket answers by the stack's state, which `state` reads too; a service also names the user.
        Raises SetupError: no backend, no answer, access denied, a wrong passphrase.
        """
        place = backend.detect(self._project.environment, self._project.folder)
        salt = backend.salt(self._project.settings_file(stack))
        with Threads(max_workers=1) as pool:
            # The check takes a quarter of a second of processor time, while the CLI waits for the backend.
            check = partial(passphrase.check, self._project.environment, self._project.folder, stack=stack)
            passphrase_check = pool.submit(check, salt=salt) if salt else None
            if place is None or place.kind is BackendKind.CLOUD:
                with self._project.translated(stack):
                    user = self._project.open().who_am_i()
                described = backend.describe(user.url or "", user.user or "")
            else:
                with suppress(StackNotFound, DamagedState, CorruptStateFile):
                    self._exported(stack)
                described = backend.describe(place.url, "")
            if passphrase_check:
                passphrase_check.result()
        return described

    def login(self, url: str) -> None:
        """Log the CLI in to a backend permanently, so that `pulumi preview` later finds the stack.

        Pulumi Cloud may ask in this terminal. Raises SetupError for a backend that refuses.
        """
        asks = backend.asks_for_login(url, self._project.environment)
        with self._project.translated(""):
            self._project.process.log_in(url, str(self._project.folder), self._project.extra_environment, asks=asks)

    def state(self, stack: str) -> StackState:
        """The stack's state in the backend. A missing stack is a fact, not an error. Raises DamagedState."""
        try:
            deployment = self._exported(stack)
        except StackNotFound:
            self._project.missing.add(stack)
            return StackState(exists=False, has_key=False)
        url = backend.detect(self._project.environment, self._project.folder)
        place = (url.url if url else "", self._project.folder, plain_name(stack))
        # The engine reads a state beside a damaged lock, and then refuses every change of it.
        if (damage := backend.damaged_lock(*place)) is not None:
            raise damage
        locks = backend.locks(*place)
        stale = ", ".join(lock.words for lock in locks if lock.has_ended or lock.is_stale)
        state = stack_state(deployment)
        if state.outputs is not None:
            self._check_version(state.outputs.program_version)
        return replace(state, stale_lock=stale)

    def _exported(self, stack: str) -> Mapping[str, Any]:
        """The stack's state; who asks while it is being read waits for that answer."""
        try:
            return self._reading(
                stack, lambda: self._read(stack, lambda: self._project.export(stack).get("deployment") or {})
            )
        finally:
            self._reading = retry.Once()

    def _read(self, stack: str, action: Callable[[], T]) -> T:
        """Run an action that reads the state; again, where a file was corrupt and is readable now."""
        try:
            with self._project.translated(stack):
                return action()
        except CorruptStateFile:
            with self._project.translated(stack):
                return action()

    def compare(self, stack: str) -> tuple[Drift, ...]:
        """The drift of the stack, by a preview with a refresh.

        Nothing is stored: neither the state nor the stack's lock changes.
        """
        from wizard.pulumi_engine.automation import ReadOnlyStack

        def read_drift() -> tuple[Drift, ...]:
            comparison = Comparison()
            with self._project.watched(stack) as watch:

                def listen(event: EngineEvent) -> None:
                    watch(event)
                    comparison(event)

                handle = ReadOnlyStack(stack, self._project.open(self._program))
                handle.preview(on_event=listen, refresh=True, parallel=READ_AT_ONCE)
            return comparison.drifts

        return self._read(stack, read_drift)

    # --- changes ------------------------------------------------------------------------------------------

    @contextmanager
    def alone(self, stack: str) -> Iterator[None]:
        """Let one wizard at a time use a stack of this folder: two would write the same configuration file."""
        file = self._project.folder / ".cache" / "locks" / f"{plain_name(stack)}.lock"
        with workspace.hold_lock(file, stack, on_message=self._on_message, clock=self._clock):
            yield

    def prepare(self, stack: str, settings: Settings) -> None:
        """Create the stack where it is missing, and a copy of its settings file with exactly this configuration.

        The preview uses the copy. `Pulumi.<stack>.yaml` does not change until `write_settings`.
        """
        values = settings.to_config()
        saved = self.saved_config(stack)
        rendered = {key: config.as_text(value) for key, value in values.items()}
        stale = [key for key in saved if key.startswith(f"{PROJECT}:") and key not in rendered]

        def configure(watch: Watch) -> None:
            file, copy = self._project.settings_file(stack), self._settings.file(stack)
            self._before = file.read_bytes() if file.exists() else None
            if not file.exists() and stack not in self._project.missing:
                # A run that ended before its confirmation left an empty stack. Its secrets provider was lost with its
                # settings, and it has no secrets: the stack is created again.
                self._project.remove_empty(stack)
            new = self._project.select_or_create(stack)
            self._created = new is not None
            if not file.exists():
                copy.write_text(config.document(values) + (new or ""), encoding="utf-8")
                return
            # The CLI adds the secrets provider of a new stack to a settings file that exists.
            copy.write_bytes(new.encode() if new else file.read_bytes())
            if any(saved.get(key) != value for key, value in rendered.items()):
                entries = json.dumps({key: config.entry(value) for key, value in values.items()})
                self._configure(stack, "set-all", "--json", entries)
            if stale:
                self._configure(stack, "rm-all", *stale)

        self._plan.forget()
        self._change(stack, None, configure)

    def _configure(self, stack: str, command: str, *arguments: str) -> None:
        copy = str(self._settings.file(stack))
        self._project.run("config", command, "--stack", stack, "--config-file", copy, *arguments)

    def write_settings(self, stack: str) -> None:
        """The plan is confirmed: replace the stack's settings file by the prepared copy, if there is one.

        A newer version of the program becomes the project's before that. Raises SetupError; then the file is as it was.
        """
        if self._upgrade is not None:
            self._upgrade.install()
            self._upgrade = None
        if (content := self._settings.take(stack)) is not None:
            file = self._project.settings_file(stack)
            if (file.read_bytes() if file.exists() else None) != self._before:
                raise StalePlan(
                    f"stopped before anything was changed: {file.name} was changed while the plan was shown",
                    "run the same command again",
                )
            config.write(file, content)
            self._created = False

    def discard(self, stack: str) -> None:
        """Drop the prepared copy, and remove the stack that was created for it: the plan was not confirmed."""
        self._plan.forget()
        if self._settings.take(stack) is not None and self._created:
            self._created = False
            self._change(stack, None, lambda watch: self._project.remove_empty(stack))

    def recover(self, stack: str, created: Mapping[str, str], unrecorded: Sequence[UnrecordedResource] = ()) -> None:
        """Resolve the pending operations of a crashed run: `created` (URN → id) is imported, the rest dropped.

        `unrecorded` is imported too, where a preview would create it.
        """

        from pulumi.automation import Deployment

        def import_pending(watch: Watch) -> None:
            handle = self._project.stack(stack)
            # `refresh --import-pending-creates` drops these resources (engine 3.259), so the state is edited.
            exported = self._project.export(stack)
            edited = with_imports(exported.get("deployment") or {}, created)
            if unrecorded:
                creations = Creations()
                handle.preview(on_event=creations, config_file=self._settings.existing(stack))
                edited = with_unrecorded(edited, creations.resources, unrecorded)
            handle.import_stack(Deployment(version=exported.get("version"), deployment=edited))
            handle.refresh(clear_pending_creates=True, on_event=watch)

        self._plan.forget()
        self._change(stack, None, import_pending)

    def renew(self, environment: Mapping[str, str]) -> None:
        """Replace the credentials."""
        self._project.renew(environment)

    def preview(self, stack: str, *, refresh: bool = False) -> tuple[Step, ...]:
        """The steps of an update, one for each resource, unchanged ones too. `up` is bound to them.

        `refresh` plans from the account's current resources; the state in the backend does not change.
        """
        self._plan.forget()
        from wizard.pulumi_engine.automation import ReadOnlyStack

        plan, settings = engine_plan.StoredPlan(), config.PreparedSettings()
        if copy := self._settings.existing(stack):
            settings.file(stack).write_bytes(Path(copy).read_bytes())

        def plan_steps() -> tuple[Step, ...]:
            with self._project.watched(stack) as watch, plan.written(stack) as file:
                ReadOnlyStack(stack, self._project.open(self._program)).preview(
                    on_event=watch,
                    policy_packs=self._policy_packs(),
                    plan=file,
                    config_file=settings.existing(stack) or self._settings_elsewhere(stack),
                    refresh=refresh,
                    parallel=READ_AT_ONCE if refresh else None,
                )
            return tuple(watch.planned.values())

        steps = self._read(stack, plan_steps)
        self._plan = plan
        return steps

    def up(self, stack: str, on_progress: OnProgress) -> Outputs:
        """Apply. A Ctrl-C is passed on once and waited for; then Cancelled is raised.

        Raises StalePlan, before the first step that this engine's preview of the stack did not show.
        """
        self.write_settings(stack)
        outputs: list[Mapping[str, Any]] = []

        def update(watch: Watch) -> None:
            with self._plan.read(stack) as plan:
                watch.bound = plan is not None
                self._project.stack(stack).up(
                    on_event=watch, show_secrets=False, policy_packs=self._policy_packs(), plan=plan
                )
            outputs.append(watch.outputs)

        try:
            self._change(stack, on_progress, update)
        finally:
            # A part of it may be applied: the rest needs a new plan.
            self._plan.forget()
        try:
            return Outputs.read(outputs[-1])
        except ContractError as error:
            raise ResourceError(
                f"the update of {stack} ended without the stack's outputs",
                shell("pulumi", "stack", "output", "--stack", stack),
            ) from error

    def destroy_rehearsal(self, stack: str) -> list[tuple[str, dict[str, list[str]]]]:
        """Delete all of a rehearsal: keys in 7 days, buckets with their objects, the stack and its settings.

        Returns the names of the inputs and outputs of each resource. Raises ResourceError, before anything is deleted,
        where the state has a resource of any other environment.
        """
        names: list[tuple[str, dict[str, list[str]]]] = []
        self._plan.forget()
        self._change(stack, None, lambda watch: names.extend(removal.of_rehearsal(self._project, stack, watch)))
        return names

    def destroy(self, stack: str, on_progress: OnProgress) -> None:
        """Delete the stack's resources. Retained ones only leave the state: key, alias, trail and buckets.

        Raises ResourceError, before anything is deleted, for a protected resource that its state does not retain.
        """
        self._plan.forget()
        self._change(stack, on_progress, lambda watch: removal.of_stack(self._project, stack, watch))

    @property
    def _program(self) -> Path | None:
        """The folder of the program, where it is not the project's own."""
        return self._upgrade.program if self._upgrade else None

    def _settings_elsewhere(self, stack: str) -> str | None:
        """The stack's settings file, where the program is in another folder than the settings."""
        file = self._project.settings_file(stack)
        return str(file) if self._upgrade and file.exists() else None

    # --- inside ------------------------------------------------------------------------------------------------

    def _change(self, stack: str, on_progress: OnProgress | None, action: Callable[[Watch], object]) -> None:
        """Run an action that changes the state: interrupts are deferred, and a run that holds the stack is awaited."""
        process = self._project.process
        with process.defer_interrupts(
            lambda: self._on_message("Ctrl-C: Pulumi finishes the current operation and saves its state; please wait")
        ):
            deadline = retry.new_deadline(workspace.LOCK_SECONDS, clock=self._clock)
            while not process.interrupted:
                try:
                    with self._project.translated(stack), self._project.watched(stack, on_progress) as watch:
                        action(watch)
                    break
                except StackBusy as error:
                    if isinstance(error, StackHeld) or deadline.left <= 0 or process.interrupted:
                        raise
                    # Who waits can end the wait: of a run on another machine only a person knows whether it lives.
                    way_out = ("; ", error.hint.advice, ": ", error.hint) if isinstance(error.hint, Command) else ()
                    said = f"{error.message}; trying again for up to {deadline.left:.0f} s"
                    self._on_message(Text(said, *way_out))
                    if not deadline.wait(Reason.BUSY, at_least=2.0):
                        raise
        if process.interrupted:
            raise interrupted()

    def _policy_packs(self) -> list[str] | None:
        return None if self._policy_pack is None else [policy_pack_word(self._policy_pack)]
