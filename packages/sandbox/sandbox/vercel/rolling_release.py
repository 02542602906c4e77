"""Rolling releases: the traffic of production moves to a new deployment in stages, in each project by its own stages.

Touches memory only. Shapes: https://vercel.com/docs/rest-api/rolling-release, and the SDK's `getrollingreleaseop.ts`;
what they do: https://vercel.com/docs/rolling-releases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from sandbox.vercel.variable import ApiError, now

MAX_STAGES = 10
MINUTE_MS = 60_000

ACTIVE, COMPLETE, ABORTED = "ACTIVE", "COMPLETE", "ABORTED"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage: the per cent of the traffic that the canary gets, and the condition of its end."""

    index: int
    percentage: int
    minutes: int | None
    """After which the next stage begins; None: a person approves it, and of the last stage."""

    @property
    def is_final(self) -> bool:
        return self.percentage == 100

    def to_json(self, *, manual: bool) -> dict[str, Any]:
        """The stage in a rolling release, with durations in seconds."""
        return {
            "index": self.index,
            "isFinalStage": self.is_final,
            "targetPercentage": self.percentage,
            "requireApproval": manual and not self.is_final,
            "duration": None if self.minutes is None else self.minutes * 60,
            "linearShift": False,
        }


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The stages of a project's next rolling release."""

    stages: tuple[Stage, ...]
    manual: bool
    """Whether a person approves each stage."""

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Configuration:
        """The configuration of a request. Raises ApiError 400."""
        advancement, requested = body.get("advancementType", "manual-approval"), body.get("stages")
        if advancement not in ("automatic", "manual-approval"):
            raise ApiError(400, "bad_request", "Invalid request: `advancementType` is not one of the values.")
        if not isinstance(requested, list) or not 2 <= len(requested) <= MAX_STAGES:
            raise ApiError(400, "bad_request", f"Invalid request: `stages` should have 2 to {MAX_STAGES} items.")
        manual = advancement == "manual-approval"
        stages = tuple(_stage(index, each, manual=manual) for index, each in enumerate(requested))
        if not stages[-1].is_final or any(former.percentage >= later.percentage for former, later in pairwise(stages)):
            raise ApiError(400, "bad_request", "Invalid request: `stages` should be ascending and end with 100.")
        return cls(stages=stages, manual=manual)

    def to_json(self) -> dict[str, Any]:
        """The stage in a project's settings, with durations in minutes."""
        stages = [
            {
                "targetPercentage": stage.percentage,
                "requireApproval": self.manual and not stage.is_final,
                **({} if stage.minutes is None else {"duration": stage.minutes}),
            }
            for stage in self.stages
        ]
        return {"target": "production", "stages": stages, "canaryResponseHeader": False}


def _stage(index: int, requested: Any, *, manual: bool) -> Stage:
    fields = requested if isinstance(requested, dict) else {}
    percentage, minutes = fields.get("targetPercentage"), fields.get("duration")
    if not isinstance(percentage, int) or not 1 <= percentage <= 100:
        raise ApiError(400, "bad_request", "Invalid request: `targetPercentage` should be between 1 and 100.")
    if manual or percentage == 100:
        return Stage(index=index, percentage=percentage, minutes=None)
    if not isinstance(minutes, int) or minutes < 1:
        raise ApiError(400, "bad_request", "Invalid request: an automatic stage needs a `duration` in minutes.")
    return Stage(index=index, percentage=percentage, minutes=minutes)


@dataclass(frozen=True, kw_only=True)
class RollingRelease:
    """One rolling release. Deployments by their ids, times in milliseconds since 1970."""

    state: str
    current: str
    """The deployment that production ran when it began."""
    canary: str
    queued: str | None = None
    """The release that begins when this one is complete."""
    configuration: Configuration
    active: int = 0
    """The index of the stage."""
    started_at: int
    updated_at: int

    def at_stage(self, index: int, *, at: int | None = None) -> RollingRelease:
        """The release at a later stage, from now or that time on; the last one completes it. Raises ApiError 400."""
        if not self.active < index < len(self.configuration.stages):
            raise ApiError(400, "bad_request", f"The stage {index} does not follow the stage {self.active}.")
        is_final = self.configuration.stages[index].is_final
        return replace(self, active=index, state=COMPLETE if is_final else ACTIVE, updated_at=at or now())

    def completed(self) -> RollingRelease:
        return self.at_stage(len(self.configuration.stages) - 1)

    def aborted(self) -> RollingRelease:
        return replace(self, state=ABORTED, updated_at=now())

    def next_stage_at(self) -> int | None:
        """When the next stage begins by itself; None where a person approves it."""
        minutes = self.configuration.stages[self.active].minutes
        return None if minutes is None else self.updated_at + minutes * MINUTE_MS

    def require_canary(self, id: Any) -> None:
        """Raises ApiError 400 for another deployment than the canary, and for a release that is over."""
        if self.state != ACTIVE:
            raise ApiError(400, "bad_request", "There is no active rolling release.")
        if id != self.canary:
            raise ApiError(400, "bad_request", "The deployment is not the canary of the active rolling release.")

    def to_json(self, current: Mapping[str, Any], canary: Mapping[str, Any]) -> dict[str, Any]:
        """The release in the form of the API, with both deployments."""
        manual = self.configuration.manual
        stages = [stage.to_json(manual=manual) for stage in self.configuration.stages]
        return {
            "state": self.state,
            "currentDeployment": dict(current),
            "canaryDeployment": dict(canary),
            "queuedDeploymentId": self.queued,
            "advancementType": "manual-approval" if manual else "automatic",
            "stages": stages,
            "activeStage": None if self.state == ABORTED else stages[self.active],
            "nextStage": stages[self.active + 1] if self.state == ACTIVE else None,
            "startedAt": self.started_at,
            "updatedAt": self.updated_at,
        }


class RollingReleases:
    """The configuration and the latest rolling release of every project, by the project's id. Its caller locks."""

    def __init__(self) -> None:
        self._configurations: dict[str, Configuration] = {}
        self._releases: dict[str, RollingRelease] = {}

    def configuration(self, project: str) -> Configuration | None:
        return self._configurations.get(project)

    def configure(self, project: str, configuration: Configuration | None) -> None:
        """Set the stages of the next release: one that has begun keeps its own."""
        if configuration is None:
            self._configurations.pop(project, None)
        else:
            self._configurations[project] = configuration

    def latest(self, project: str) -> RollingRelease | None:
        return self._releases.get(project)

    def active(self, project: str) -> RollingRelease | None:
        release = self._releases.get(project)
        return release if release is not None and release.state == ACTIVE else None

    def begin(self, project: str, *, current: str, canary: str) -> RollingRelease:
        """Begin a release. Raises ApiError 400 where the project has no stages."""
        configuration = self._configurations.get(project)
        if configuration is None:
            raise ApiError(400, "bad_request", "Rolling releases are not enabled for this project.")
        at = now()
        release = RollingRelease(
            state=ACTIVE, current=current, canary=canary, configuration=configuration, started_at=at, updated_at=at
        )
        return self.store(project, release)

    def store(self, project: str, release: RollingRelease) -> RollingRelease:
        self._releases[project] = release
        return release
