"""What a preview with a refresh tells of settings, state and account: which of the three differ for each resource.

Part of the engine's edge, and pure: the engine's events in, facts out.
"""

from __future__ import annotations

from typing import Any

from pulumi.automation import EngineEvent

from wizard.core.models.drift import Drift, DriftKind

_LEFT_ALONE = frozenset({"same", "read", "refresh", "read-replacement", "discard", "discard-replaced"})


class Comparison:
    """Listens to the engine's events of one preview with a refresh."""

    def __init__(self) -> None:
        self._refreshed: dict[str, Drift] = {}
        self._known: set[str] = set()
        self._planned: dict[str, Drift] = {}

    def __call__(self, event: EngineEvent) -> None:
        metadata: Any = event.res_outputs_event.metadata if event.res_outputs_event else None
        # The stack and its providers are the engine's own, and a component is a bracket around resources.
        if metadata is None or not metadata.type.startswith("aws:"):
            return
        op = str(getattr(metadata.op, "value", metadata.op))
        if op == "refresh":
            self._known.add(metadata.urn)
            if metadata.new is None:
                self._refreshed[metadata.urn] = _drift(metadata, DriftKind.GONE)
            elif metadata.detailed_diff or metadata.diffs:
                self._refreshed[metadata.urn] = _drift(metadata, DriftKind.CHANGED)
        elif op not in _LEFT_ALONE:
            kind = DriftKind.WANTED if metadata.urn in self._known or op != "create" else DriftKind.UNKNOWN
            self._planned.setdefault(metadata.urn, _drift(metadata, kind))

    @property
    def drifts(self) -> tuple[Drift, ...]:
        """What an update would not leave as it is, by URN.

        A refresh also finds what no update would touch: a property that the program does not set. That is no drift.
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
