"""What is known of the application that runs now, and of a redeploy: frozen facts.

Pure. They carry no words for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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
