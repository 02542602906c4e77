"""What the engine tells while it works, as facts: its event stream, and the operations a state calls pending.

Part of the engine's edge: touches nothing but its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pulumi.automation import EngineEvent

from wizard.core.models.progress import OnProgress, Progress, Step, StepState

_COLOUR = re.compile(r"<\{%[^%]*%\}>")


class Watch:
    """Turns the engine's event stream into Progress, and keeps what explains a failure."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self.planned: dict[str, Step] = {}
        self.complaints: list[tuple[str, str]] = []
        """Every error: the URN of its resource, empty for none, and what it says."""
        self.violations: list[str] = []
        self.bound = False
        """Whether the engine is bound to a plan."""
        self.outputs: Mapping[str, Any] = {}
        """The stack's outputs, once the engine has told them."""

    @property
    def failures(self) -> list[str]:
        """What the errors say, each once."""
        return list(dict.fromkeys(text for _, text in self.complaints))

    def __call__(self, event: EngineEvent) -> None:
        if event.resource_pre_event:
            step = _step(event.resource_pre_event.metadata)
            # What is taken in is told twice, as it is and as it becomes: the second is a step of its own.
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
            # The engine sums up with a line that says only that the update failed.
            if text and text not in ("update failed", "preview failed"):
                self.complaints.append((event.diagnostic_event.urn or "", text))

    def _report(self, step: Step, state: StepState) -> None:
        # A component is a bracket around resources, and the stack and its providers are the engine's own.
        if self._on_progress and step.type.startswith("aws:"):
            self._on_progress(Progress(step=step, state=state))


def _step(metadata: Any) -> Step:
    changed = tuple(sorted(metadata.detailed_diff or metadata.diffs or ()))
    op = getattr(metadata.op, "value", metadata.op)
    if op == "delete" and metadata.old is not None and metadata.old.retain_on_delete:
        # It leaves the stack only.
        op = "retain"
    return Step(
        urn=metadata.urn,
        op=str(op),
        type=metadata.type,
        name=metadata.urn.rsplit("::", 1)[-1],
        changed=changed,
    )


def pending_step(operation: Mapping[str, Any]) -> Step:
    resource = operation["resource"]
    inputs = resource.get("inputs", {})
    return Step(
        urn=resource["urn"],
        op=operation["type"],
        type=resource["type"],
        name=resource["urn"].rsplit("::", 1)[-1],
        physical_name=str(inputs.get("name") or inputs.get("bucket") or ""),
    )


def plain(text: str) -> str:
    return _COLOUR.sub("", text).strip()
