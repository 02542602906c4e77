"""What is known of the application that runs now, and of a redeploy: frozen facts.

Pure. They carry no words for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What runs: a production deployment on Vercel, or the deployment of an ECS service."""

    target: str
    """`vercel` or `ecs`."""
    id: str
    """`dpl_…`, or the ECS deployment's id."""
    name: str
    """The deployment's URL, or `cluster/service`."""
    made: datetime
    """UTC: when it began, which is when Vercel or ECS read the variables for it, or later for a restarted task."""
    state: str
    """READY, ERROR, …; COMPLETED, IN_PROGRESS, FAILED."""
    revision: str | None = None
    """The task definition's ARN."""


@dataclass(frozen=True, kw_only=True)
class Instances:
    """What runs at one target."""

    target: str
    deployment: Deployment | None
    """None where nothing runs, or it could not be read."""
    changed: datetime | None = None
    """UTC: the last change of the values; None where it is not known."""
    stale: bool | None = None
    """Whether it has outdated values; None: not known."""
    why: str = ""
    """Why that is not known, or why nothing runs."""
    is_absent: bool = False
    """Whether the platform says that nothing runs there yet."""
    is_inspected: bool = True
    """False where nothing says what to read: no problem, and nothing to warn of."""


class RedeployState(StrEnum):
    """How a redeploy ended."""

    DONE = "done"
    FAILED = "failed"
    """It failed, and the former goes on running."""
    ROLLED_BACK = "rolled back"
    """It failed, and the former was brought back."""
    SKIPPED = "skipped"
    """Nobody wanted it: running instances still hold the old values."""


@dataclass(frozen=True, kw_only=True)
class Redeployed:
    """The end of a redeploy of one target."""

    target: str
    state: RedeployState
    before: Deployment | None
    after: Deployment | None
    why: str = ""
    """In the platform's words, where it failed."""
    seconds: float = 0.0


class RolloutState(StrEnum):
    """How far a deployment of a service is (`rolloutState`)."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    """Only where the service's circuit breaker is on: without it, ECS tries for ever."""
    UNTOLD = ""
    """ECS does not tell it of a service behind a Classic Load Balancer, or deployed by another controller."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One deployment of a service; while the newest starts its tasks, those of the former run on."""

    id: str
    """`ecs-svc/…`."""
    task_definition: str
    """The revision's ARN."""
    state: RolloutState
    reason: str
    """In ECS's words."""
    made: datetime
    """UTC."""
    desired: int
    running: int
    failed: int = 0
    """Tasks that failed in a row; back to nought once one runs."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service of a cluster."""

    cluster: str
    """The cluster's name."""
    name: str
    task_definition: str
    """The revision's ARN that the newest deployment has."""
    rollouts: tuple[Rollout, ...]
    """The newest, the primary one, first."""
    controller: str = "ECS"
    """Who deploys it: ECS, CODE_DEPLOY or EXTERNAL."""
    breaks: bool = False
    """Whether its circuit breaker fails a deployment whose tasks do not start."""
    rolls_back: bool = False
    """Whether the circuit breaker then brings the last completed deployment back."""
    grace_seconds: int = 0
    """For which failing health checks are passed over after a task's start."""
    events: tuple[str, ...] = ()
    """In ECS's words, the newest first."""

    @property
    def newest(self) -> Rollout | None:
        """The primary deployment; None where another controller deploys."""
        return self.rollouts[0] if self.rollouts else None


@dataclass(frozen=True, kw_only=True)
class TaskDefinition:
    """A revision of a task definition."""

    arn: str
    active: bool
    """False: deregistered; what runs of it runs on, and no update takes it."""
    body: Mapping[str, Any] = field(repr=False)
    """What another revision is registered from, its tags included. A container's plain variables may be secrets."""

    @property
    def family(self) -> str:
        """The name that its revisions share."""
        return str(self.body["family"])
