"""How a rollout on ECS ends: the service is read until it is steady, has failed, or the time is over.

Pure: over the Fleet's Protocol, with a clock and a pause that are handed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from wizard.core.errors import CredentialsError, ResourceError, SetupError, Unreachable
from wizard.core.models.deployment import Rollout, RolloutState, Service
from wizard.core.next_command import Command
from wizard.core.ports.aws import EcsServices

PATIENCE = timedelta(minutes=15)
"""For a rollout; a service's own grace for health checks comes on top of it."""
PATIENCE_FOR_ECS = timedelta(minutes=1)
"""For the circuit breaker's rollback to begin, once a deployment has failed."""
FIRST_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
PAUSE = 10.0
"""Seconds between looks, after the first ones: at most twelve looks in any minute."""

Tell = Callable[[str], None]
Now = Callable[[], datetime]
Pause = Callable[[float], None]


class End(StrEnum):
    """How a rollout ended."""

    STEADY = "steady"
    FAILED = "failed"
    TAKEN_BACK = "taken back"
    """ECS itself has gone back to the former."""
    SUPERSEDED = "superseded"
    """Somebody deployed something else meanwhile."""
    LATE = "late"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The end of a rollout, the service as it then was, and why, in ECS's words."""

    end: End
    service: Service
    rollout: Rollout
    """As it was seen last."""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Looks at a service, over and over."""

    ecs_services: EcsServices
    tell: Tell
    now: Now
    pause: Pause

    def until_over(self, service: Service, rollout: Rollout, former: str) -> Ended:
        """Until the deployment is steady, or cannot become so. `former`: the revision that a rollback goes back to."""
        failed_at: datetime | None = None
        late = said = ""
        for seen in self._looks(service, PATIENCE + timedelta(seconds=service.grace_seconds)):
            if isinstance(seen, SetupError):
                late = seen.message
                continue
            service, newest, late = seen, seen.newest, ""
            if newest is None:
                continue
            ours = next((one for one in service.rollouts if one.id == rollout.id), None)
            rollout = ours or rollout
            if newest.id != rollout.id:
                if newest.made <= rollout.made:
                    continue  # ECS does not list ours everywhere yet.
                if newest.task_definition == former:
                    return self._ended(End.TAKEN_BACK, service, rollout)
                if newest.task_definition != rollout.task_definition:
                    why = f"another deployment, {newest.id} of {_short_name(newest.task_definition)}, took its place"
                    return Ended(end=End.SUPERSEDED, service=service, rollout=rollout, why=why)
                rollout = newest  # The same revision again, by another deployment: what they wait for is what we want.
            if _is_steady(service, rollout):
                return Ended(end=End.STEADY, service=service, rollout=rollout)
            if rollout.state is RolloutState.FAILED:
                failed_at = failed_at or self.now()
                if not service.rolls_back or self.now() - failed_at > PATIENCE_FOR_ECS:
                    return self._ended(End.FAILED, service, rollout)
            elif not service.breaks and not rollout.running and rollout.failed >= _threshold(rollout):
                # What the circuit breaker would say, if the service had one.
                return self._ended(End.FAILED, service, rollout)
            said = self._say(f"{rollout.running} of {rollout.desired} tasks run{_failures(rollout)}", said)
        return self._ended(End.LATE, service, rollout, late)

    def until_back(self, service: Service, former: str) -> Ended:
        """Until the newest deployment, of the former revision, is steady."""
        last = service.newest
        late = said = ""
        for seen in self._looks(service, PATIENCE + timedelta(seconds=service.grace_seconds)):
            if isinstance(seen, SetupError):
                late = seen.message
                continue
            service, last = seen, seen.newest
            if last is None or last.task_definition != former:
                continue
            if _is_steady(service, last):
                return Ended(end=End.STEADY, service=service, rollout=last)
            if last.state is RolloutState.FAILED or (not last.running and last.failed >= _threshold(last)):
                return self._ended(End.FAILED, service, last)
            said = self._say(
                f"the former comes back: {last.running} of {last.desired} tasks run{_failures(last)}", said
            )
        assert last is not None
        return self._ended(End.LATE, service, last, late)

    def _say(self, line: str, before: str) -> str:
        """Only what is new: a rollout takes minutes, with a look every ten seconds."""
        if line != before:
            self.tell(line)
        return line

    def _looks(self, service: Service, patience: timedelta) -> Iterator[Service | SetupError]:
        """The service, again and again, until the time is over; a failure of the network or of ECS is only shown."""
        deadline, pauses = self.now() + patience, iter(FIRST_PAUSES)
        while self.now() < deadline:
            try:
                found = self.ecs_services.service(service.cluster, service.name)
            except CredentialsError:
                raise
            except (Unreachable, ResourceError) as error:
                yield error
            else:
                if found is None:
                    raise ResourceError(
                        f"the ECS service {service.cluster}/{service.name} was deleted meanwhile",
                        Command(f"aws ecs list-services --cluster {service.cluster}"),
                    )
                yield found
            self.pause(next(pauses, PAUSE))

    def _ended(self, end: End, service: Service, rollout: Rollout, said: str = "") -> Ended:
        parts = [rollout.reason.rstrip(".")] if rollout.state is RolloutState.FAILED else []
        if end is End.LATE:
            minutes = int((PATIENCE + timedelta(seconds=service.grace_seconds)).total_seconds() // 60)
            parts.append(f"not steady after {minutes} minutes: {rollout.running} of {rollout.desired} tasks run")
        if rollout.failed and rollout.state is not RolloutState.FAILED:
            parts.append(f"{rollout.failed} tasks in a row did not start")
        parts += [*self._reasons(service, rollout), said]
        return Ended(end=end, service=service, rollout=rollout, why="; ".join(filter(None, parts)))

    def _reasons(self, service: Service, rollout: Rollout) -> tuple[str, ...]:
        """Why its tasks stopped; where none was even launched, what the service last said of it."""
        try:
            stopped = self.ecs_services.stopped(service, rollout)
        except SetupError:
            stopped = ()
        launches = (event for event in service.events if "failed to launch" in event or "unable to" in event)
        return stopped or tuple(event.strip() for event in (*launches,)[:1])


def _is_steady(service: Service, rollout: Rollout) -> bool:
    if rollout.state is not RolloutState.UNTOLD:
        return rollout.state is RolloutState.COMPLETED
    # As the AWS CLI's `services-stable` judges.
    return len(service.rollouts) == 1 and rollout.running == rollout.desired


def _threshold(rollout: Rollout) -> int:
    """Failures in a row at which a circuit breaker opens.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
    """
    return min(200, max(3, math.ceil(rollout.desired / 2)))


def _failures(rollout: Rollout) -> str:
    return f", {rollout.failed} did not start" if rollout.failed else ""


def _short_name(arn: str) -> str:
    return arn.rpartition("/")[2]
