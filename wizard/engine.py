"""The edge to Pulumi: makes and configures the stack, previews, updates, and tells what the engine tells.

Touches the `pulumi` program, the stack's backend and `Pulumi.<stack>.yaml` in the project's folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pulumi.automation import LocalWorkspace, Stack
from pulumi.automation import errors as pulumi_errors
from pulumi.automation.errors import InvalidVersionError

from components.contract import PROJECT, ContractError, Outputs, Settings
from wizard.engine_events import Watch, pending_step, plain
from wizard.engine_process import EngineProcess
from wizard.errors import (
    Cancelled,
    PolicyRefusal,
    ResourceError,
    SetupError,
    StackBusy,
    StackNotFound,
    UsageError,
)
from wizard.facts import OnProgress, StackState, Step

_LOCK_HOLDER = re.compile(r"created by (?P<user>[^@\s]+)@(?P<host>\S+) \(pid (?P<pid>\d+)\)")
PATIENCE_SECONDS = 600.0
"""How long a run waits for another run that holds the stack."""


class PulumiEngine:
    """One Pulumi project in one folder. Implements `wizard.facts.Engine`."""

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
        self._handle: Stack | None = None

    # --- what is there -----------------------------------------------------------------------------------------

    def check(self) -> str:
        """The engine's version. Raises SetupError when there is none, or none that fits."""
        self._open()
        assert self._process is not None
        return str(self._process.version)

    def saved_config(self, stack: str) -> dict[str, str]:
        """The stack's configuration file, by full key, lists in JSON as the engine gives them; empty without a file."""
        path = self._config_file(stack)
        try:
            document = yaml.safe_load(path.read_text()) or {}
        except FileNotFoundError:
            return {}
        except yaml.YAMLError as error:
            raise UsageError(
                f"{path.name} is not YAML: {error}", f"mend {path.name}, or move it away and run again"
            ) from error
        config = document.get("config") or {}
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}

    def state(self, stack: str) -> StackState:
        """What the backend knows of the stack. A stack that is not there is a fact, not an error."""
        try:
            with self._translated(stack):
                deployment = self._open().export_stack(stack).deployment or {}
        except StackNotFound:
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
            has_key=any(r["type"] == "aws:kms/key:Key" for r in resources),
            owned=tuple(
                filter(
                    None,
                    (value for r in resources for value in (r.get("id"), r.get("outputs", {}).get("arn"))),
                )
            ),
            pending=tuple(pending_step(operation) for operation in deployment.get("pending_operations") or ()),
            outputs=known,
        )

    # --- making it so ------------------------------------------------------------------------------------------

    @contextmanager
    def alone(self, stack: str) -> Iterator[None]:
        """One wizard at a time on a stack of this folder: two would write one configuration file at once."""
        folder = self._folder / ".cache" / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{stack}.lock").open("w") as handle:
            started = time.monotonic()
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() == started or int(time.monotonic() - started) % 10 == 0:
                        self._tell(f"another run is working on the stack {stack} in this folder; waiting for it")
                    if time.monotonic() - started > PATIENCE_SECONDS:
                        raise StackBusy(
                            f"another run has held the stack {stack} for {PATIENCE_SECONDS:.0f} s",
                            "end it (ps ax | grep 'm wizard'), then run the same command again",
                        ) from None
                    self._sleep(0.5)
            yield

    def prepare(self, stack: str, settings: Settings) -> None:
        """The stack, made where it is missing, with exactly this configuration for the project's own keys."""
        wanted = settings.to_config()
        saved = self.saved_config(stack)
        rendered = {key: value if isinstance(value, str) else json.dumps(value) for key, value in wanted.items()}
        stale = [key for key in saved if key.startswith(f"{PROJECT}:") and key not in rendered]
        with self._translated(stack):
            workspace = self._open()
            if self._handle is None:
                try:
                    self._handle = Stack.create(stack, workspace)
                except pulumi_errors.StackAlreadyExistsError:
                    self._stack(stack)
            if any(saved.get(key) != value for key, value in rendered.items()):
                workspace.set_all_config_json(
                    stack, json.dumps({key: _config_entry(value) for key, value in wanted.items()})
                )
            if stale:
                workspace.remove_all_config(stack, stale)

    def recover(self, stack: str, found: Mapping[str, str]) -> None:
        """Take up what a crashed run left pending: what was made (`found`: URN → id) is imported, the rest dropped."""
        pairs = [
            part
            for urn, id_ in found.items()
            for part in ("--import-pending-creates", urn, "--import-pending-creates", id_)
        ]
        with self._translated(stack):
            # The Automation API's refresh has no door for the ids, so the command is spelled out here.
            self._stack(stack)._run_pulumi_cmd_sync(
                ["refresh", "--yes", "--skip-preview", "--clear-pending-creates", *pairs]
            )

    def preview(self, stack: str, on_progress: OnProgress) -> tuple[Step, ...]:
        """What an update would do, one step a resource, unchanged ones too."""
        with self._translated(stack), self._errors_of(on_progress) as watch:
            self._stack(stack).preview(on_event=watch, policy_packs=self._policy_packs())
        return tuple(watch.planned.values())

    def up(self, stack: str, on_progress: OnProgress) -> Outputs:
        """Make it so. A Ctrl-C is passed on once and waited for; then Cancelled is raised."""
        self._open()
        process = self._process
        assert process is not None
        with process.holding_interrupts(
            lambda: self._tell("Ctrl-C: the engine ends what is under way and saves its state; please wait")
        ):
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    with self._translated(stack), self._errors_of(on_progress) as watch:
                        self._stack(stack).up(on_event=watch, show_secrets=False, policy_packs=self._policy_packs())
                    break
                except StackBusy:
                    if time.monotonic() > deadline or process.interrupted:
                        raise
                    self._tell(f"another run is updating the stack {stack}; waiting for it")
                    self._sleep(2.0)
        if process.interrupted:
            raise Cancelled(
                "interrupted; the engine saved what it had done",
                "run the same command again: it goes on from here",
            )
        outputs = self.state(stack).outputs
        if outputs is None:
            raise ResourceError(
                f"the update of {stack} ended without the stack's outputs",
                f"pulumi stack output --stack {stack}",
            )
        return outputs

    # --- inside ------------------------------------------------------------------------------------------------

    def _open(self) -> LocalWorkspace:
        if self._workspace is None:
            try:
                self._process = EngineProcess()
            except FileNotFoundError as error:
                raise SetupError("there is no `pulumi` program on the PATH", "make setup") from error
            except InvalidVersionError as error:
                raise SetupError(f"the `pulumi` program on the PATH does not fit: {error}", "make setup") from error
            self._workspace = LocalWorkspace(
                work_dir=str(self._folder),
                env_vars={**self._environment, "PULUMI_SKIP_UPDATE_CHECK": "true"},
                pulumi_command=self._process,
            )
        return self._workspace

    def _stack(self, stack: str) -> Stack:
        if self._handle is None or self._handle.name != stack:
            # Selecting it is wanted: afterwards the plain `pulumi config set` and `pulumi preview` mean this stack.
            self._handle = Stack.select(stack, self._open())
        return self._handle

    def _config_file(self, stack: str) -> Path:
        return self._folder / f"Pulumi.{stack}.yaml"

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
                raise Cancelled(
                    "interrupted; the engine saved what it had done",
                    "run the same command again: it goes on from here",
                ) from error
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
            if self._drop_dead_lock(stack, str(error)):
                raise StackBusy(
                    f"a run that has ended held the stack {stack}; its lock was removed",
                    "run the same command again",
                ) from error
            raise StackBusy(
                f"another run holds the stack {stack}",
                f"wait for it; if nothing runs: pulumi cancel --stack {stack}",
            ) from error
        except pulumi_errors.CommandError as error:
            raise _told(stack, str(error)) from error

    def _drop_dead_lock(self, stack: str, text: str) -> bool:
        """Remove the lock of a run on this machine that is no more. A lock of another machine is never touched."""
        holders = [match.groupdict() for match in _LOCK_HOLDER.finditer(text)]
        dead = holders and all(h["host"] == socket.gethostname() and not _alive(int(h["pid"])) for h in holders)
        if dead:
            self._tell(f"the lock on {stack} belongs to a run that has ended; removing it")
            self._stack(stack).cancel()
        return bool(dead)


def _config_entry(value: str | int | list[str]) -> dict[str, object]:
    # The form of `pulumi config --json`: a value with an objectValue beside it is stored as that object.
    if isinstance(value, list):
        return {"value": json.dumps(value), "objectValue": value, "secret": False}
    return {"value": str(value), "secret": False}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _told(stack: str, text: str) -> SetupError:
    """The CLI's own complaint as an error with a way out."""
    stderr = plain(text.partition("stderr: ")[2] or text)
    message = stderr.removeprefix("error: ").strip() or text.strip()
    if "passphrase" in message:
        return UsageError(
            f"the stack's passphrase is not known or not right: {message}",
            "export PULUMI_CONFIG_PASSPHRASE_FILE=<a file only you can read>",
        )
    if "login" in message or "PULUMI_ACCESS_TOKEN" in message:
        return SetupError(
            f"Pulumi has no state backend to work with: {message}",
            "pulumi login s3://<bucket>   or: pulumi login",
        )
    return ResourceError(f"pulumi: {message}", f"pulumi preview --stack {stack}")
