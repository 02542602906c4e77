"""The application that runs now, its redeployment, and ECS's services: frozen facts.

Pure. No text for people.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from components.settings.arn import Arn
from wizard.core.next_command import NO_COMMAND, Command


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A running deployment: of Vercel, or of an ECS service."""

    target: str
    """`vercel` or `ecs`."""
    id: str
    """`dpl_…`, or the ECS deployment's id."""
    name: str
    """The deployment's URL, or `cluster/service`."""
    made: datetime
    """UTC: when it began; Vercel and ECS read the variables then, or later for a restarted task."""
    state: str
    """READY, ERROR, …; COMPLETED, IN_PROGRESS, FAILED."""
    revision: str | None = None
    """The task definition's ARN."""
    substate: str = ""
    """Substate of a READY deployment on Vercel: STAGED, ROLLING or PROMOTED; empty: unknown."""


class ReleaseState(StrEnum):
    """The state of a rolling release of Vercel."""

    ACTIVE = "ACTIVE"
    """A part of production's traffic goes to the new deployment."""
    COMPLETE = "COMPLETE"
    ABORTED = "ABORTED"
    """All traffic goes to the former deployment again."""


@dataclass(frozen=True, kw_only=True)
class ReleaseStage:
    """A stage of a rolling release."""

    index: int
    """Index of the stage, from 0."""
    percentage: float
    """Per cent of production's traffic that the new deployment gets."""
    needs_approval: bool
    """Whether a person has to approve the next stage."""
    seconds: float | None
    """After which the next stage begins by itself; None: it does not, or this is the last one."""


@dataclass(frozen=True, kw_only=True)
class RollingRelease:
    """Production's traffic moves to a new deployment in stages.

    https://vercel.com/docs/rolling-releases
    """

    state: ReleaseState
    canary: Deployment
    """The new deployment."""
    current: Deployment | None = None
    """The one that had all traffic before; None: unknown."""
    stages: tuple[ReleaseStage, ...] = ()
    active: ReleaseStage | None = None
    """The active stage; None after an abort."""
    queued: str | None = None
    """The id of a deployment whose own release begins when this one is complete."""
    updated: datetime | None = None
    """UTC: when the stage or the state last changed."""
    command: Command = NO_COMMAND
    """The command that continues an active release, or shows one that continues by itself."""

    @property
    def is_active(self) -> bool:
        return self.state is ReleaseState.ACTIVE

    @property
    def seconds_left(self) -> float | None:
        """The most seconds until the release is complete, if it goes on by itself; None where a person lets it."""
        if self.active is None:
            return 0.0
        left = [stage for stage in self.stages if self.active.index <= stage.index and stage.percentage < 100]
        if any(stage.needs_approval or stage.seconds is None for stage in left):
            return None
        return sum(stage.seconds or 0.0 for stage in left)

    @property
    def words(self) -> str:
        """The progress, in words."""
        if self.state is ReleaseState.ABORTED:
            at = f" at {self.updated:%Y-%m-%d %H:%M} UTC" if self.updated else ""
            return f"its rolling release was aborted{at}: all traffic goes to the former deployment"
        if self.state is ReleaseState.COMPLETE or self.active is None:
            return "its rolling release is complete"
        stage = self.active
        number = f"stage {stage.index + 1} of {len(self.stages)}" if self.stages else f"stage {stage.index + 1}"
        then = (
            "it waits for an approval"
            if stage.needs_approval
            else f"the next stage begins by itself, {stage.seconds / 60:.0f} min after the last"
            if stage.seconds is not None
            else "it goes on by itself"
        )
        return f"its rolling release is at {number}, {stage.percentage:.0f} % of the traffic; {then}"


@dataclass(frozen=True, kw_only=True)
class Instances:
    """The running deployment of one target."""

    target: str
    deployment: Deployment | None
    """The deployment; None if nothing runs, or it could not be read."""
    changed: datetime | None = None
    """UTC: the last change of the values; None where it is unknown."""
    stale: bool | None = None
    """Whether it has outdated values; None: unknown."""
    why: str = ""
    """The reason why it is unknown, why nothing runs, or why it has none of the values."""
    is_absent: bool = False
    """Whether the platform says that nothing runs there yet."""
    is_inspected: bool = True
    """False where the settings name nothing to read, which is no problem."""
    release: RollingRelease | None = None
    """The latest rolling release there; None without one."""

    @property
    def is_rolling(self) -> bool:
        """Whether a rolling release is moving the traffic to a deployment that has the values."""
        return self.release is not None and self.release.is_active and self._has_values(self.release)

    @property
    def is_aborted(self) -> bool:
        """Whether the deployment with the values was aborted, so that the running one has outdated ones."""
        release = self.release
        is_over = release is not None and release.state is ReleaseState.ABORTED
        return bool(self.stale and is_over and release is not None and self._has_values(release))

    def _has_values(self, release: RollingRelease) -> bool:
        return self.changed is None or release.canary.made >= self.changed


class RedeployState(StrEnum):
    """The end of a redeploy."""

    DONE = "done"
    FAILED = "failed"
    """It failed, and the former one continues to run."""
    ROLLED_BACK = "rolled back"
    """It failed, and the former one was restored."""
    SKIPPED = "skipped"
    """It was declined: running instances still have the old values."""
    WAITING = "waiting"
    """It is healthy and continues on the platform: its strategy takes longer, or a person has to approve it."""


@dataclass(frozen=True, kw_only=True)
class Redeployed:
    """The result of a redeployment of one target."""

    target: str
    state: RedeployState
    before: Deployment | None
    after: Deployment | None
    why: str = ""
    """In the platform's words, where it failed; how far it is, where it waits."""
    command: Command = NO_COMMAND
    """The command that continues or shows a waiting one; else empty."""
    seconds: float = 0.0
    is_shared: bool = False
    """Whether the former deployment still gets a part of the traffic, if this one waits."""


class RolloutState(StrEnum):
    """The state of a service's deployment (`rolloutState`)."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    """Only where the service's circuit breaker is on: without it, ECS retries forever."""
    UNKNOWN = ""
    """ECS does not report it for a service behind a Classic Load Balancer, or deployed by another controller; or it
    reports a state that it did not have when this was written."""

    @classmethod
    def _missing_(cls, value: object) -> "RolloutState":
        return cls.UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """A deployment of a service; while the newest starts its tasks, the former's continue to run."""

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
    """Tasks that failed in a row; 0 again once one runs."""


@dataclass(frozen=True, kw_only=True)
class PausedHook:
    """A lifecycle hook at which a deployment waits until somebody calls ContinueServiceDeployment."""

    id: str
    expires: datetime | None = None
    """UTC."""
    then: str = "ROLLBACK"
    """ECS's action when it expires: ROLLBACK or CONTINUE."""


@dataclass(frozen=True, kw_only=True)
class ServiceDeployment:
    """The progress of a service's strategy (DescribeServiceDeployments).

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html
    """

    arn: str
    status: str
    """PENDING, IN_PROGRESS, SUCCESSFUL, STOPPED, ROLLBACK_IN_PROGRESS, …"""
    made: datetime
    """UTC."""
    stage: str = ""
    """The lifecycle stage: SCALE_UP, PRODUCTION_TRAFFIC_SHIFT, BAKE_TIME, …; empty: unknown."""
    reason: str = ""
    """In ECS's words."""
    traffic: float | None = None
    """Per cent of the production traffic that the new tasks are to get; None: unknown."""
    paused: PausedHook | None = None

    @property
    def has_shifted(self) -> bool:
        """Whether all production traffic goes to the new tasks: the former ones only wait for their end."""
        return self.status == "SUCCESSFUL" or (
            self.status == "IN_PROGRESS" and self.stage in ("POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP")
        )


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
    """The deployment controller: ECS, CODE_DEPLOY or EXTERNAL."""
    breaks: bool = False
    """Whether its circuit breaker fails a deployment whose tasks do not start."""
    rolls_back: bool = False
    """Whether the circuit breaker then restores the last completed deployment."""
    grace_seconds: int = 0
    """After a task's start, in which failing health checks are ignored."""
    events: tuple[str, ...] = ()
    """In ECS's words, the newest first."""
    arn: str = ""
    strategy: str = "ROLLING"
    """The strategy by which ECS replaces the tasks: ROLLING, BLUE_GREEN, LINEAR or CANARY."""
    bake_minutes: int = 0
    """Time for which the former tasks continue after the production traffic has shifted; up to a day."""
    shift_minutes: int = 0
    """Total wait of ECS between the steps of a shift (LINEAR, CANARY)."""
    has_hooks: bool = False
    """Whether the strategy stops at lifecycle hooks: a PAUSE waits for a person, up to 14 days."""
    current: str = ""
    """The ARN of the current service deployment; empty: ECS names none."""
    is_express: bool = False
    """Whether ECS manages it (Express Mode): its task definition is not to be registered by hand."""

    @property
    def is_staged(self) -> bool:
        """Whether a healthy deployment takes longer than its tasks need to start."""
        return self.strategy != "ROLLING" or self.has_hooks or self.bake_minutes > 0

    @property
    def region(self) -> str:
        """The service's Region; empty where its ARN is unknown."""
        arn = Arn.find(self.arn)
        return arn.region if arn else ""

    @property
    def newest(self) -> Rollout | None:
        """The primary deployment; None where another controller deploys."""
        return self.rollouts[0] if self.rollouts else None


@dataclass(frozen=True, kw_only=True)
class TaskDefinition:
    """A revision of a task definition."""

    arn: str
    active: bool
    """False: deregistered; its tasks continue to run, but no update can use it."""
    body: Mapping[str, Any] = field(repr=False)
    """The fields for registering another revision, tags included. A container's plain variables may be secrets."""

    @property
    def family(self) -> str:
        """The name that its revisions share."""
        return str(self.body["family"])
