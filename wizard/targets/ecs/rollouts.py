"""Watching the rollouts of the application's ECS service until they end.

Reads through `EcsServices`, and changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from components.settings.arn import resource_name
from wizard.core.errors import CredentialsError, ResourceError, SetupError, Unreachable
from wizard.core.models.deployment import Rollout, RolloutState, Service, ServiceDeployment
from wizard.core.next_command import shell
from wizard.core.retry import Clock, Reason, attempts
from wizard.core.safe_text import quoted
from wizard.targets.ecs.service import progress_of
from wizard.targets.port import OnMessage

if TYPE_CHECKING:
    from wizard.aws.ecs import EcsServices

ROLLOUT_TIMEOUT = timedelta(minutes=15)
"""Without the service's grace period for health checks and the waits of its strategy, which are added."""
LONGEST_SHIFT = timedelta(minutes=60)
"""A shift of the traffic that takes longer is left to ECS, which ends or takes back a deployment by itself."""
ROLLBACK_TIMEOUT = timedelta(minutes=1)
"""Until the circuit breaker's rollback starts, after a deployment has failed."""

Now = Callable[[], datetime]
Pause = Callable[[float], None]


class RolloutEnd(StrEnum):
    STEADY = "steady"
    FAILED = "failed"
    ROLLED_BACK = "rolled back"
    """By ECS itself."""
    SUPERSEDED = "superseded"
    """Somebody deployed something else meanwhile."""
    LATE = "late"
    WAITING = "waiting"
    """It is healthy: ECS goes on with it after a wait of its strategy, or once a person lets it."""


@dataclass(frozen=True, kw_only=True)
class EndedRollout:
    """How a rollout ended, with the last state of its service, and why, in ECS's words."""

    end: RolloutEnd
    service: Service
    rollout: Rollout
    """Its last known state."""
    why: str = ""
    progress: ServiceDeployment | None = None
    """Where the service's strategy has stages."""


@dataclass(frozen=True, kw_only=True)
class RolloutWatch:
    """Polls a service until a rollout ends."""

    ecs_services: EcsServices
    on_message: OnMessage
    now: Now
    pause: Pause

    def until_over(self, service: Service, rollout: Rollout, former: str) -> EndedRollout:
        """Wait until the rollout is steady or has failed. `former`: the revision that a rollback goes back to."""
        failed_at: datetime | None = None
        progress: ServiceDeployment | None = None
        late = said = ""
        for polled in self._polls(service, _timeout(service)):
            if isinstance(polled, SetupError):
                late = polled.message
                continue
            service, newest, late = polled, polled.newest, ""
            if newest is None:
                continue
            ours = next((entry for entry in service.rollouts if entry.id == rollout.id), None)
            rollout = ours or rollout
            if newest.id != rollout.id:
                if newest.made <= rollout.made:
                    continue  # ECS is eventually consistent: it does not list ours yet.
                if newest.task_definition == former:
                    return self._ended(RolloutEnd.ROLLED_BACK, service, rollout)
                if newest.task_definition != rollout.task_definition:
                    why = f"another deployment, {newest.id} of {resource_name(newest.task_definition)}, took its place"
                    return EndedRollout(end=RolloutEnd.SUPERSEDED, service=service, rollout=rollout, why=why)
                rollout = newest  # Another deployment of the same revision.
            if _is_steady(service, rollout):
                return EndedRollout(end=RolloutEnd.STEADY, service=service, rollout=rollout)
            progress = progress_of(self.ecs_services, service, rollout)
            if end := _staged_end(progress):
                why = in_words(service, rollout, progress) if end is RolloutEnd.WAITING else ""
                if end in (RolloutEnd.FAILED, RolloutEnd.ROLLED_BACK):
                    return self._ended(end, service, rollout, quoted(progress.reason) if progress else "")
                return EndedRollout(end=end, service=service, rollout=rollout, why=why, progress=progress)
            if rollout.state is RolloutState.FAILED:
                failed_at = failed_at or self.now()
                if not service.rolls_back or self.now() - failed_at > ROLLBACK_TIMEOUT:
                    return self._ended(RolloutEnd.FAILED, service, rollout)
            elif not service.breaks and not rollout.running and rollout.failed >= _threshold(rollout):
                # As the circuit breaker decides, for a service without one.
                return self._ended(RolloutEnd.FAILED, service, rollout)
            said = self._say(in_words(service, rollout, progress), said)
        if not late and _is_healthy(rollout, progress):
            why = in_words(service, rollout, progress)
            return EndedRollout(end=RolloutEnd.WAITING, service=service, rollout=rollout, why=why, progress=progress)
        return self._ended(RolloutEnd.LATE, service, rollout, late)

    def until_back(self, service: Service, former: str) -> EndedRollout:
        """Wait until the newest deployment, of the former revision, is steady."""
        last = service.newest
        late = said = ""
        for polled in self._polls(service, _timeout(service)):
            if isinstance(polled, SetupError):
                late = polled.message
                continue
            service, last = polled, polled.newest
            if last is None or last.task_definition != former:
                continue
            if _is_steady(service, last):
                return EndedRollout(end=RolloutEnd.STEADY, service=service, rollout=last)
            if last.state is RolloutState.FAILED or (not last.running and last.failed >= _threshold(last)):
                return self._ended(RolloutEnd.FAILED, service, last)
            said = self._say(f"rollback: {last.running} of {last.desired} tasks run{_failures(last)}", said)
        assert last is not None
        return self._ended(RolloutEnd.LATE, service, last, late)

    def _say(self, line: str, before: str) -> str:
        """Show a line only if it differs from the one before; returns it."""
        if line != before:
            self.on_message(line)
        return line

    def _polls(self, service: Service, timeout: timedelta) -> Iterator[Service | SetupError]:
        """The service at each poll until the timeout; an error of the network or of ECS is yielded, not raised."""
        clock = Clock(now=lambda: self.now().timestamp(), sleep=self.pause)
        for _ in attempts(Reason.ROLLOUT, clock=clock, seconds=timeout.total_seconds()):
            try:
                polled = self.ecs_services.service(service.cluster, service.name)
            except CredentialsError:
                raise
            except (Unreachable, ResourceError) as error:
                yield error
            else:
                if polled is None:
                    raise ResourceError(
                        f"the ECS service {service.cluster}/{service.name} was deleted meanwhile",
                        shell("aws", "ecs", "list-services", "--cluster", service.cluster),
                    )
                yield polled

    def _ended(self, end: RolloutEnd, service: Service, rollout: Rollout, said: str = "") -> EndedRollout:
        parts = [quoted(rollout.reason.rstrip("."))] if rollout.state is RolloutState.FAILED else []
        if end is RolloutEnd.LATE:
            minutes = int(_timeout(service).total_seconds() // 60)
            parts.append(f"not steady after {minutes} minutes: {rollout.running} of {rollout.desired} tasks run")
        if rollout.failed and rollout.state is not RolloutState.FAILED:
            parts.append(f"{rollout.failed} tasks in a row did not start")
        parts += [*self._reasons(service, rollout), said]
        return EndedRollout(end=end, service=service, rollout=rollout, why="; ".join(filter(None, parts)))

    def _reasons(self, service: Service, rollout: Rollout) -> tuple[str, ...]:
        """Why its tasks stopped; if none started, the service's last event about it."""
        try:
            stopped = self.ecs_services.stopped(service, rollout)
        except SetupError:
            stopped = ()
        launches = (event for event in service.events if "failed to launch" in event or "unable to" in event)
        return tuple(map(quoted, stopped or (*launches,)[:1]))


def _timeout(service: Service) -> timedelta:
    shift = min(timedelta(minutes=service.shift_minutes), LONGEST_SHIFT)
    return ROLLOUT_TIMEOUT + timedelta(seconds=service.grace_seconds) + shift


def _staged_end(progress: ServiceDeployment | None) -> RolloutEnd | None:
    """How a deployment in stages ended, as far as one waits for it; None while it goes on."""
    if progress is None:
        return None
    if progress.status in ("STOPPED", "ROLLBACK_FAILED"):
        return RolloutEnd.FAILED
    if progress.status.startswith("ROLLBACK"):
        return RolloutEnd.ROLLED_BACK
    if progress.paused is not None:
        return RolloutEnd.WAITING
    # The former tasks run on for the bake time, and ECS takes the new ones back by itself if an alarm goes off.
    return RolloutEnd.STEADY if progress.has_shifted else None


def _is_healthy(rollout: Rollout, progress: ServiceDeployment | None) -> bool:
    """Whether a rollout that is not complete has no fault that anybody knows of."""
    if rollout.failed or rollout.state is RolloutState.FAILED:
        return False
    if progress is not None:
        return progress.status in ("PENDING", "IN_PROGRESS") and rollout.running > 0
    return 0 < rollout.desired <= rollout.running


def in_words(service: Service, rollout: Rollout, progress: ServiceDeployment | None) -> str:
    """How far a rollout is: `2 of 2 tasks run`; with its strategy and stage where it has them."""
    tasks = f"{rollout.running} of {rollout.desired} tasks run{_failures(rollout)}"
    if progress is None:
        return tasks
    stage = progress.stage.lower().replace("_", " ") or progress.status.lower().replace("_", " ")
    traffic = f", {progress.traffic:g} % of the production traffic" if progress.traffic is not None else ""
    return f"{service.strategy}, {stage}: {tasks}{traffic}"


def _is_steady(service: Service, rollout: Rollout) -> bool:
    if rollout.state is not RolloutState.UNKNOWN:
        return rollout.state is RolloutState.COMPLETED
    # As the waiter `services-stable` of the AWS CLI.
    return len(service.rollouts) == 1 and rollout.running == rollout.desired


def _threshold(rollout: Rollout) -> int:
    """Consecutive failures at which a deployment circuit breaker stops.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
    """
    return min(200, max(3, math.ceil(rollout.desired / 2)))


def _failures(rollout: Rollout) -> str:
    return f", {rollout.failed} did not start" if rollout.failed else ""
