"""What ECS tells of a service, its rollouts and its task definition: frozen facts.

Pure. They carry no words for people, but ECS's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


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
