"""The edge to Pulumi: makes and configures the stack, previews, updates, and tells what the engine tells.

Touches the `pulumi` program, the stack's backend and `Pulumi.<stack>.yaml` in the project's folder.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pulumi.automation import Deployment, EngineEvent

from components.settings import PROJECT, ContractError, Outputs, Settings
from wizard.core import retry
from wizard.core.errors import CorruptStateFile, ResourceError, StackBusy, StackNotFound
from wizard.core.models.delivery import StackState
from wizard.core.models.progress import OnProgress, Step
from wizard.core.models.stack import Drift
from wizard.core.next_command import Command
from wizard.core.retry import Clock, Reason
from wizard.pulumi_engine import backend, config, passphrase, workspace
from wizard.pulumi_engine import plan as engine_plan
from wizard.pulumi_engine.errors import interrupted
from wizard.pulumi_engine.events import Comparison, Watch
from wizard.pulumi_engine.process import EngineProcess
from wizard.pulumi_engine.state import adopted, stack_state
from wizard.pulumi_engine.workspace import EngineWorkspace, ReadOnlyStack, last_part

T = TypeVar("T")


class PulumiEngine:
    """One Pulumi project in one folder. Implements `wizard.core.ports.run.Engine`."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str],
        policy_pack: Path | None = None,
        tell: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
        secrets_provider: str | None = None,
        program: Callable[[], EngineProcess] = EngineProcess,
    ) -> None:
        """`secrets_provider` is for a stack that is made now; None leaves it to the backend.

        `program` finds the CLI, when it is first needed.
        """
        self._at = EngineWorkspace(
            folder, environment=environment, secrets_provider=secrets_provider, tell=tell, program=program
        )
        self._policy_pack = policy_pack
        self._tell = tell
        self._clock = Clock(sleep=sleep)
        self._plan = engine_plan.StoredPlan()
        self._settings = config.PreparedSettings()
        self._made = False
        """Whether the stack was made for a plan that is not confirmed yet."""

    # --- what is there -----------------------------------------------------------------------------------------

    def check(self) -> str:
        """The engine's version. Raises SetupError when there is none, or none that fits."""
        return str(self._at.process.version)

    def saved_config(self, stack: str) -> dict[str, str]:
        """The stack's configuration file, by full key, lists in JSON as the engine gives them; empty without a file."""
        return config.read(self._at.settings_file(stack))

    def check_backend(self, stack: str) -> str:
        """The state's backend, reached, and in words; the passphrase of a stack that has one, tried.

        Raises SetupError: no backend, one that does not answer or refuses, a passphrase that does not open the stack.
        """
        opened = self._at.open()
        salt = backend.salt(self._at.settings_file(stack))
        with ThreadPoolExecutor(max_workers=1) as beside:
            # Trying it takes a processor a quarter of a second; the CLI waits for the backend meanwhile.
            tried = beside.submit(self._try_passphrase, stack, salt) if salt else None
            with self._at.translated(stack):
                found = opened.who_am_i()
            if tried:
                tried.result()
        return backend.in_words(found.url or "", found.user or "")

    def login(self, url: str) -> None:
        """Log the CLI in to a backend for good, so that the plain `pulumi preview` finds the stack later.

        Pulumi Cloud may ask in this terminal. Raises SetupError for a backend that cannot be had.
        """
        asks = backend.asks_for_login(url, self._at.environment)
        with self._at.translated(""):
            self._at.process.log_in(url, str(self._at.folder), self._at.given, asks=asks)

    def state(self, stack: str) -> StackState:
        """What the backend knows of the stack. A stack that is not there is a fact, not an error."""
        try:
            deployment = self._exported(stack)
        except StackNotFound:
            self._at.missing.add(stack)
            return StackState(exists=False, has_key=False)
        return stack_state(deployment)

    def _exported(self, stack: str) -> Mapping[str, Any]:
        return self._read(stack, lambda: self._at.open().export_stack(stack).deployment or {})

    def _read(self, stack: str, action: Callable[[], T]) -> T:
        """What reads the state; once more, where it was torn and is whole now."""
        try:
            with self._at.translated(stack):
                return action()
        except CorruptStateFile:
            with self._at.translated(stack):
                return action()

    def compare(self, stack: str) -> tuple[Drift, ...]:
        """What an update would not leave as it is, and why: by a preview that reads the account anew.

        Keeps nothing of what it read: the state stays as it is, and so does the stack's lock.
        """

        def look() -> tuple[Drift, ...]:
            comparison = Comparison()
            with self._at.watched(stack, None) as watch:

                def listen(event: EngineEvent) -> None:
                    watch(event)
                    comparison(event)

                ReadOnlyStack(stack, self._at.open()).preview(on_event=listen, refresh=True)
            return comparison.drifts

        return self._read(stack, look)

    # --- making it so ------------------------------------------------------------------------------------------

    @contextmanager
    def alone(self, stack: str) -> Iterator[None]:
        """One wizard at a time on a stack of this folder: two would write one configuration file at once."""
        file = self._at.folder / ".cache" / "locks" / f"{last_part(stack)}.lock"
        with workspace.hold_lock(file, stack, tell=self._tell, clock=self._clock):
            yield

    def prepare(self, stack: str, settings: Settings) -> None:
        """The stack, made where it is missing, and a copy of its settings file with exactly this configuration.

        The preview runs on the copy. `Pulumi.<stack>.yaml` stays byte for byte as it is until `write_settings`.
        """
        wanted = settings.to_config()
        saved = self.saved_config(stack)
        rendered = {key: config.as_text(value) for key, value in wanted.items()}
        stale = [key for key in saved if key.startswith(f"{PROJECT}:") and key not in rendered]

        def configure(watch: Watch) -> None:
            file, copy = self._at.settings_file(stack), self._settings.file(stack)
            if not file.exists() and stack not in self._at.missing:
                # A run that ended before its confirmation left an empty stack. What its secrets are encrypted with is
                # lost with its settings, and it has none: it is made again.
                self._at.remove_empty(stack)
            new = self._at.make(stack)
            self._made = new is not None
            if not file.exists():
                copy.write_text(config.document(wanted) + (new or ""), encoding="utf-8")
                return
            copy.write_bytes(file.read_bytes() + (new or "").encode())
            if any(saved.get(key) != value for key, value in rendered.items()):
                entries = json.dumps({key: config.entry(value) for key, value in wanted.items()})
                self._configure(stack, "set-all", "--json", entries)
            if stale:
                self._configure(stack, "rm-all", *stale)

        self._plan.forget()
        self._change(stack, None, configure)

    def _configure(self, stack: str, command: str, *arguments: str) -> None:
        copy = str(self._settings.file(stack))
        self._at.open()._run_pulumi_cmd_sync(["config", command, "--stack", stack, "--config-file", copy, *arguments])

    def write_settings(self, stack: str) -> None:
        """Make the prepared copy the stack's settings file. Without one, nothing is done."""
        if (content := self._settings.take(stack)) is not None:
            config.write(self._at.settings_file(stack), content)
            self._made = False

    def discard(self, stack: str) -> None:
        """Forget the prepared copy, and remove the stack that was made for it: the plan was not confirmed."""
        self._plan.forget()
        if self._settings.take(stack) is not None and self._made:
            self._made = False
            self._change(stack, None, lambda watch: self._at.remove_empty(stack))

    def recover(self, stack: str, found: Mapping[str, str]) -> None:
        """Take up what a crashed run left pending: what was made (`found`: URN → id) is imported, the rest dropped."""

        def take_up(watch: Watch) -> None:
            handle = self._at.stack(stack)
            # `refresh --import-pending-creates` drops what it is told to import (engine 3.259), so the state is edited.
            was = handle.export_stack()
            handle.import_stack(Deployment(version=was.version, deployment=adopted(was.deployment or {}, found)))
            handle._run_pulumi_cmd_sync(["refresh", "--yes", "--skip-preview", "--clear-pending-creates"])

        self._plan.forget()
        self._change(stack, None, take_up)

    def renew(self, environment: Mapping[str, str]) -> None:
        """Credentials that take the place of those that it was made with."""
        self._at.renew(environment)

    def preview(self, stack: str, on_progress: OnProgress) -> tuple[Step, ...]:
        """What an update would do, one step a resource, unchanged ones too. `up` is bound to it."""

        def look() -> tuple[Step, ...]:
            with self._at.watched(stack, on_progress) as watch, self._plan.written(stack) as plan:
                self._at.stack(stack).preview(
                    on_event=watch,
                    policy_packs=self._policy_packs(),
                    plan=plan,
                    config_file=self._settings.existing(stack),
                )
            return tuple(watch.planned.values())

        return self._read(stack, look)

    def up(self, stack: str, on_progress: OnProgress) -> Outputs:
        """Make it so. A Ctrl-C is passed on once and waited for; then Cancelled is raised.

        Raises PlanMoved, before the first step that this engine's preview of the stack did not show.
        """
        self.write_settings(stack)
        told: list[Mapping[str, Any]] = []

        def update(watch: Watch) -> None:
            with self._plan.read(stack) as plan:
                watch.bound = plan is not None
                self._at.stack(stack).up(
                    on_event=watch, show_secrets=False, policy_packs=self._policy_packs(), plan=plan
                )
            told.append(watch.outputs)

        try:
            self._change(stack, on_progress, update)
        finally:
            # Half of it may be done: what is left needs a plan of its own.
            self._plan.forget()
        try:
            return Outputs.read(told[-1])
        except ContractError as error:
            raise ResourceError(
                f"the update of {stack} ended without the stack's outputs",
                Command(f"pulumi stack output --stack {stack}"),
            ) from error

    def destroy(self, stack: str, on_progress: OnProgress) -> None:
        """Take the stack's resources away. What is retained only leaves the state: key, alias, trail and buckets."""

        def take_away(watch: Watch) -> None:
            handle = self._at.stack(stack)
            # What is protected is retained too: it leaves the state, and stays in the account.
            handle._run_pulumi_cmd_sync(["state", "unprotect", "--all", "--yes"])
            handle.destroy(on_event=watch, remove=False)

        self._plan.forget()
        self._change(stack, on_progress, take_away)

    # --- inside ------------------------------------------------------------------------------------------------

    def _change(self, stack: str, on_progress: OnProgress | None, action: Callable[[Watch], object]) -> None:
        """Run what changes the state: an interrupt is held back, and whoever holds the stack is waited for."""
        process = self._at.process
        with process.holding_interrupts(
            lambda: self._tell("Ctrl-C: the engine ends what is under way and saves its state; please wait")
        ):
            deadline = retry.new_deadline(workspace.LOCK_SECONDS, clock=self._clock)
            while not process.interrupted:
                try:
                    with self._at.translated(stack), self._at.watched(stack, on_progress) as watch:
                        action(watch)
                    break
                except StackBusy as error:
                    if deadline.left <= 0 or process.interrupted:
                        raise
                    self._tell(f"{error.message}; trying again for up to {deadline.left:.0f} s")
                    if not deadline.wait(Reason.BUSY, at_least=2.0):
                        raise
        if process.interrupted:
            raise interrupted()

    def _try_passphrase(self, stack: str, salt: str) -> None:
        passphrase.check(self._at.environment, self._at.folder, stack=stack, salt=salt)

    def _policy_packs(self) -> list[str] | None:
        return [str(self._policy_pack)] if self._policy_pack else None
