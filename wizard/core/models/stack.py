"""Facts of a stack: the progress of a run, status, drift, and its state with the resources. Frozen.

Pure. Imports nothing slow, because the terminal needs it for its first question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from wizard.core.models.inputs import StepState

if TYPE_CHECKING:
    from components.settings import Outputs
    from wizard.core.models.account import UnrecordedResource

REHEARSAL = "rehearsal"
"""The stack and the environment of a rehearsal: the only ones of which a removal leaves nothing."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A resource in the engine's plan or update."""

    urn: str
    op: str
    """The engine's operation: `create`, `update`, `replace`, `delete`, `same`, …"""
    type: str
    name: str
    changed: tuple[str, ...] = ()
    """Names of the properties that differ."""
    physical_name: str = ""
    """The name it has in the account, where its inputs give one."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A line of a running `up` or `preview`."""

    step: Step
    state: StepState
    message: str = ""


OnProgress = Callable[[Progress], None]


class HealthStatus(StrEnum):
    """The status of one check, or of a whole stack."""

    GOOD = "good"
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """It could not be checked: denied, unreachable, or without a token."""
    ELSEWHERE = "elsewhere"
    """It is in another account than the caller's, where nothing was checked."""
    NOT_BUILT = "not built"


@dataclass(frozen=True, kw_only=True)
class StatusCheck:
    """A read-only check of the account or of a target."""

    what: str
    """`key`, `rotation`, `trail`, `stored_data_key`, or the name of a target."""
    status: HealthStatus
    detail: str
    """Sentences without secrets: all that the check found."""
    brief: str
    """The same on one line, for a screen."""


@dataclass(frozen=True, kw_only=True)
class ListedStack:
    """A stack as the state's backend lists it (`pulumi stack ls`)."""

    name: str
    """The stack's name without organization and project."""
    last_update: str | None
    """UTC, ISO 8601; None: never."""
    resources: int | None
    updating: bool = False
    """Whether an update is under way."""


@dataclass(frozen=True, kw_only=True)
class StackStatus:
    """A stack, by its settings, the backend and the account."""

    stack: str
    account: str | None = None
    """The account of its settings; None if they are not on this machine."""
    region: str | None = None
    environment: str | None = None
    targets: tuple[str, ...] = ()
    in_backend: bool | None = None
    """Whether the backend has it; None if the backend could not be asked."""
    last_update: str | None = None
    """UTC, ISO 8601."""
    resources: int | None = None
    updating: bool = False
    fingerprint: str | None = None
    """Fingerprint of the stored data key."""
    last_backup: str | None = None
    """When it was backed up last: UTC, ISO 8601; None without a record."""
    checks: tuple[StatusCheck, ...] = ()
    status: HealthStatus = HealthStatus.UNKNOWN
    why: str = ""
    """The reason of the status, where no check says it."""
    exit_code: int = 0
    """Of the error because of which the account could not be asked; 0 if it was asked."""
    hint: str = ""
    """What to do about that error."""

    def of(self, status: HealthStatus) -> tuple[StatusCheck, ...]:
        return tuple(check for check in self.checks if check.status is status)


class DriftKind(StrEnum):
    """The two of the three that differ."""

    GONE = "gone"
    """It is in the state, and not in the account."""
    CHANGED = "changed"
    """It differs between the account and the state."""
    UNAPPLIED = "unapplied"
    """Account and state agree, and an update would change it: the settings or the program changed."""
    UNKNOWN = "unknown"
    """The program has it and the state does not."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A resource that an update would change."""

    urn: str
    type: str
    """`aws:kms/key:Key`."""
    name: str
    kind: DriftKind
    properties: tuple[str, ...] = ()
    """The properties that differ, where the engine names them."""

    @property
    def description(self) -> str:
        """The drift in a sentence: `Key phi-key (enableKeyRotation)`."""
        kinds = {DriftKind.GONE: "gone", DriftKind.UNKNOWN: "not in the state"}
        difference = kinds.get(self.kind) or ", ".join(self.properties) or "changed"
        return f"{self.type.rpartition(':')[2]} {self.name} ({difference})"


@dataclass(frozen=True, kw_only=True)
class StateResource:
    urn: str
    type: str
    id: str
    """Empty for a component."""
    is_retained: bool = False
    """Whether a removal leaves it in the account."""

    @property
    def name(self) -> str:
        """The last part of the URN."""
        return self.urn.rsplit("::", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class SavedPlan:
    """A plan that was saved in a file, to be applied later."""

    name: str
    """Name of the file."""
    at: datetime
    engine: str
    """The version of Pulumi that made it."""
    stack: str
    account: str
    region: str
    targets: tuple[str, ...]
    """The targets of its delivery."""
    settings: Mapping[str, Any]
    """The stack's configuration, by full key."""
    steps: tuple[Step, ...]
    """Pulumi's steps that change something."""
    data_key: str | None
    """The fingerprint of the stored data key; None where one was to be made."""
    adopts: str | None
    """The fingerprint of the data key to be imported."""
    state: str
    """The digest of the stack's state."""


@dataclass(frozen=True, kw_only=True)
class StackState:
    """The stack in the backend before this run."""

    exists: bool
    has_key: bool
    """Whether the PHI key is in the stack's state."""
    owned: tuple[str, ...] = ()
    """Ids and ARNs of all resources in the state."""
    pending: tuple[Step, ...] = ()
    """The remains of an earlier run: operations, and resources to be read from the account before the next plan."""
    outputs: Outputs | None = None
    resources: tuple[StateResource, ...] = ()
    """All resources of the state, in its order."""
    digest: str = ""
    """`sha256:` and 16 hex of the state's resources (URNs, ids, inputs); empty for none. Changes with any update."""
    stale_lock: str = ""
    """The owner of an abandoned lock, in words; empty for none. Known for a backend of local files."""

    @property
    def trail_bucket(self) -> str | None:
        """The bucket that the stack has made or imported for its trail; None without one."""
        kind = ("aws:s3/bucket:Bucket", "audit-trail")
        return next((each.id for each in self.resources if (each.type, each.name) == kind and each.id), None)

    @property
    def has_begun(self) -> bool:
        """Whether an update of it has begun: it is not new, and no removal of it has ended."""
        return any(resource.type == "pulumi:providers:aws" for resource in self.resources)

    def with_unrecorded(self, unrecorded: Iterable[UnrecordedResource]) -> StackState:
        """The state as it will be when these are imported: they are the stack's own."""
        own = tuple(unrecorded)
        if not own:
            return self
        has_key = self.has_key or any((each.type, each.name) == ("aws:kms/key:Key", "") for each in own)
        owned = (*self.owned, *(text for each in own for text in (each.id, each.arn)))
        return replace(self, has_key=has_key, owned=tuple(dict.fromkeys(owned)))
