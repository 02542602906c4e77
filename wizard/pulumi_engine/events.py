"""The engine's event stream as facts: progress, what explains a failure, and the drift that a preview with a refresh shows.

Part of the engine's edge: touches nothing but its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pulumi.automation import EngineEvent

from wizard.core.models.progress import OnProgress, Progress, Step, StepState
from wizard.core.models.stack import Drift, DriftKind

_COLOUR = re.compile(r"<\{%[^%]*%\}>")


class Watch:
    """Turns the engine's event stream into Progress, and stores what explains a failure."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self.planned: dict[str, Step] = {}
        self.complaints: list[tuple[str, str]] = []
        """Every error: the URN of its resource, empty for none, and its text."""
        self.violations: list[str] = []
        self.bound = False
        """Whether the engine is bound to a plan."""
        self.outputs: Mapping[str, Any] = {}
        """The stack's outputs, once the engine has sent them."""

    @property
    def failures(self) -> list[str]:
        """The texts of the errors, without duplicates."""
        return list(dict.fromkeys(text for _, text in self.complaints))

    def __call__(self, event: EngineEvent) -> None:
        if event.resource_pre_event:
            step = _step(event.resource_pre_event.metadata)
            # An import is reported twice, before and after its changes: the second is a separate step.
            self.planned[f"import {step.urn}" if step.op == "import" else step.urn] = step
            self._report(step, StepState.STARTED)
        elif event.res_outputs_event:
            metadata = event.res_outputs_event.metadata
            if metadata.type == "pulumi:pulumi:Stack" and metadata.new is not None:
                self.outputs = metadata.new.outputs or {}
            self._report(_step(metadata), StepState.DONE)
        elif event.res_op_failed_event:
            self._report(_step(event.res_op_failed_event.metadata), StepState.FAILED)
        elif event.policy_event and event.policy_event.enforcement_level == "mandatory":
            self.violations.append(plain(event.policy_event.message))
        elif event.diagnostic_event and event.diagnostic_event.severity == "error":
            text = plain(event.diagnostic_event.message)
            # The engine ends with a line that says only that the update failed.
            if text and text not in ("update failed", "preview failed"):
                self.complaints.append((event.diagnostic_event.urn or "", text))

    def _report(self, step: Step, state: StepState) -> None:
        # A component has no resource of its own, and the stack and its providers belong to the engine.
        if self._on_progress and step.type.startswith("aws:"):
            self._on_progress(Progress(step=step, state=state))


def _step(metadata: Any) -> Step:
    changed = tuple(sorted(metadata.detailed_diff or metadata.diffs or ()))
    op = getattr(metadata.op, "value", metadata.op)
    if op == "delete" and metadata.old is not None and metadata.old.retain_on_delete:
        # It only leaves the state.
        op = "retain"
    return Step(
        urn=metadata.urn,
        op=str(op),
        type=metadata.type,
        name=metadata.urn.rsplit("::", 1)[-1],
        changed=changed,
    )


def plain(text: str) -> str:
    return _COLOUR.sub("", text).strip()


_UNCHANGED = frozenset({"same", "read", "refresh", "read-replacement", "discard", "discard-replaced"})


class Comparison:
    """Compares settings, state and account by the engine's events of one preview with a refresh."""

    def __init__(self) -> None:
        self._refreshed: dict[str, Drift] = {}
        self._known: set[str] = set()
        self._planned: dict[str, Drift] = {}

    def __call__(self, event: EngineEvent) -> None:
        metadata: Any = event.res_outputs_event.metadata if event.res_outputs_event else None
        # The stack and its providers belong to the engine, and a component has no resource of its own.
        if metadata is None or not metadata.type.startswith("aws:"):
            return
        op = str(getattr(metadata.op, "value", metadata.op))
        if op == "refresh":
            self._known.add(metadata.urn)
            if metadata.new is None:
                self._refreshed[metadata.urn] = _drift(metadata, DriftKind.GONE)
            elif metadata.detailed_diff or metadata.diffs:
                self._refreshed[metadata.urn] = _drift(metadata, DriftKind.CHANGED)
        elif op not in _UNCHANGED:
            kind = DriftKind.UNAPPLIED if metadata.urn in self._known or op != "create" else DriftKind.UNKNOWN
            self._planned.setdefault(metadata.urn, _drift(metadata, kind))

    @property
    def drifts(self) -> tuple[Drift, ...]:
        """What an update would change, by URN.

        A refresh also reports what no update would touch: a property that the program does not set. That is no drift.
        """
        return tuple(self._refreshed.get(urn, self._planned[urn]) for urn in sorted(self._planned))


def _drift(metadata: Any, kind: DriftKind) -> Drift:
    properties = tuple(sorted(metadata.detailed_diff or metadata.diffs or ()))
    return Drift(
        urn=metadata.urn,
        type=metadata.type,
        name=metadata.urn.rsplit("::", 1)[-1],
        kind=kind,
        properties=() if kind in (DriftKind.GONE, DriftKind.UNKNOWN) else properties,
    )
