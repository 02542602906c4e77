"""Which ECS service runs the application, which values its tasks have, and what its task definition needs.

Pure: reads through the port `EcsServices`, and changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from components.settings import APPLICATION_VARIABLES, Outputs, Settings
from wizard.core.errors import CredentialsError, ResourceError, SetupError, Unreachable
from wizard.core.models.deployment import Deployment, Rollout, RolloutState, Service, TaskDefinition
from wizard.core.next_command import Command
from wizard.core.ports.aws import EcsServices
from wizard.targets.ecs import NAME


def locate(ecs_services: EcsServices, settings: Settings) -> Service:
    """The service that the settings name, or the cluster's only one that uses the application's role or variables.

    Raises SetupError, with what to set, where there is none or more than one.
    """
    cluster, name = settings.ecs_cluster, settings.ecs_service
    if cluster is None:
        raise SetupError(
            "the stack does not say which ECS cluster the application runs in",
            "pulumi config set eonpro-kms:ecsCluster NAME   # and eonpro-kms:ecsService; aws ecs list-clusters",
        )
    if name is not None:
        found = ecs_services.service(cluster, name)
        if found is None:
            raise SetupError(
                f"there is no ECS service {cluster}/{name} in {settings.region}",
                Command(
                    f"aws ecs list-services --cluster {cluster} --region {settings.region}",
                    advice="then: pulumi config set eonpro-kms:ecsService NAME",
                ),
            )
        return found
    services = ecs_services.services(cluster)
    ours = _ours(ecs_services, services, settings)
    if len(ours) == 1:
        return ours[0]
    named = ", ".join(one.name for one in (ours or services)) or "it has none"
    what = "several use the application's role or variables" if ours else "none uses its role or its variables yet"
    raise SetupError(
        f"which service of the ECS cluster {cluster} is the application's is not known: {named} ({what})",
        "pulumi config set eonpro-kms:ecsService NAME",
    )


def running(ecs_services: EcsServices, settings: Settings) -> Deployment | None:
    """The oldest deployment that has tasks running; None where no cluster is named, or no service to be found in it.

    While a rollout is under way the former's tasks still answer, and it is they who may hold old values.
    """
    if settings.ecs_cluster is None:
        return None
    if settings.ecs_service is not None:
        service = ecs_services.service(settings.ecs_cluster, settings.ecs_service)
    else:
        ours = _ours(ecs_services, ecs_services.services(settings.ecs_cluster), settings)
        service = ours[0] if len(ours) == 1 else None
    if service is None or not service.rollouts:
        return None
    at_work = [rollout for rollout in service.rollouts if rollout.running] or [service.rollouts[0]]
    return deployment_of(service, min(at_work, key=lambda rollout: rollout.made))


def is_stale(ecs_services: EcsServices, settings: Settings, deployment: Deployment) -> bool | None:
    """Whether its tasks hold other values than the stack's store: it began before they were written, or takes none.

    None where neither is known. A task that was restarted since then may hold the new ones.
    """
    definition = ecs_services.task_definition(deployment.revision) if deployment.revision else None
    if definition is not None and not takes_the_variables(definition, settings):
        return True
    changed = changed_at(ecs_services, settings)
    return None if changed is None else deployment.made < changed


def changed_at(ecs_services: EcsServices, settings: Settings) -> datetime | None:
    """When any of the three values was written last."""
    names = [f"{settings.names.parameter_prefix}/{variable}" for variable in APPLICATION_VARIABLES]
    return ecs_services.changed_at(names, store=settings.secret_store)


def takes_the_variables(definition: TaskDefinition, settings: Settings) -> bool:
    """Whether one of its containers takes all three from the stack's store."""
    return any(set(APPLICATION_VARIABLES) <= _taken(one, settings) for one in _containers(definition))


def _ours(ecs_services: EcsServices, services: Sequence[Service], settings: Settings) -> list[Service]:
    return [one for one in services if _is_ours(ecs_services.task_definition(one.task_definition), settings)]


def _is_ours(definition: TaskDefinition | None, settings: Settings) -> bool:
    if definition is None:
        return False
    uses_role = definition.body.get("taskRoleArn") in settings.app_principal_arns
    return uses_role or any(_taken(one, settings) for one in _containers(definition))


def _containers(definition: TaskDefinition) -> tuple[Mapping[str, Any], ...]:
    return tuple(definition.body.get("containerDefinitions") or ())


def _taken(container: Mapping[str, Any], settings: Settings) -> set[str]:
    """The variables that a container takes from the stack's store, in whatever form the source is written."""
    prefix = settings.names.parameter_prefix
    return {
        str(one["name"]) for one in container.get("secrets") or () if f"{prefix}/{one['name']}" in str(one["valueFrom"])
    }


def deployment_of(service: Service, rollout: Rollout) -> Deployment:
    """The fact of a deployment, as every target has it."""
    return Deployment(
        target=NAME,
        id=rollout.id,
        name=f"{service.cluster}/{service.name}",
        made=rollout.made,
        state=rollout.state or RolloutState.COMPLETED,
        revision=rollout.task_definition,
    )


# --- the task definition -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ExpectedDefinition:
    """What the stack wants of the application's task definition."""

    secrets: tuple[tuple[str, str], ...]
    """(name, valueFrom) of each variable."""
    task_role: str
    execution_role: str

    @classmethod
    def of(cls, settings: Settings, outputs: Outputs) -> ExpectedDefinition:
        """As the stack tells it."""
        return cls(
            secrets=outputs.task_secrets,
            task_role=outputs.principal_of(NAME),
            execution_role=settings.execution_role_arn or "",
        )


def container_of(definition: TaskDefinition, wanted: ExpectedDefinition, service: Service) -> str:
    """The name of the application's container. Raises SetupError where it is not known, naming all of them.

    It is the one that has any of the variables already, else the only one, else the only essential one.
    """
    containers: Sequence[Mapping[str, Any]] = definition.body.get("containerDefinitions") or ()
    having = [one for one in containers if names_of(one) & set(APPLICATION_VARIABLES)]
    # A container is essential unless it says that it is not.
    essential = [one for one in containers if one.get("essential", True)]
    for choice in (having, containers, essential):
        if len(choice) == 1:
            return str(choice[0]["name"])
    named = ", ".join(str(one["name"]) for one in (having or containers))
    what = "several have the variables" if having else "none of them has any of the variables yet"
    raise SetupError(
        f"which container of {definition.arn.rpartition('/')[2]} is the application's is not known: {named} "
        f"({what}); nothing was registered",
        _by_hand(definition, wanted, service),
    )


def names_of(container: Mapping[str, Any]) -> set[str]:
    """The names of a container's variables, plain or secret."""
    return {str(one["name"]) for kind in ("environment", "secrets") for one in container.get(kind) or ()}


def with_variables(body: Mapping[str, Any], container: str, wanted: ExpectedDefinition) -> dict[str, Any]:
    """The same task definition, whose container takes the variables from the stack's store, under the stack's roles.

    A variable of these names is taken out of `environment`: ECS refuses a name that is in both. Everything else stays.
    """
    containers = [
        _with_secrets(one, wanted.secrets) if one["name"] == container else one for one in body["containerDefinitions"]
    ]
    return {
        **body,
        "containerDefinitions": containers,
        "taskRoleArn": wanted.task_role,
        "executionRoleArn": wanted.execution_role,
    }


def _with_secrets(container: Mapping[str, Any], secrets: Sequence[tuple[str, str]]) -> dict[str, Any]:
    source = dict(secrets)
    there = container.get("secrets") or ()
    kept = [
        {**one, "valueFrom": source[one["name"]]} if one["name"] in source else one
        # The first of a name; there can be no other.
        for one in there
    ]
    added = [
        {"name": name, "valueFrom": value} for name, value in secrets if name not in {one["name"] for one in there}
    ]
    changed: dict[str, Any] = {**container, "secrets": [*kept, *added]}
    if any(one["name"] in source for one in container.get("environment") or ()):
        changed["environment"] = [one for one in container["environment"] if one["name"] not in source]
    return changed


def changes(before: Mapping[str, Any], after: Mapping[str, Any], container: str) -> tuple[str, ...]:
    """What a revision changes, in words, without a value."""
    told = []
    for field, role in (("taskRoleArn", "task role"), ("executionRoleArn", "execution role")):
        if before.get(field) != after.get(field):
            was = f", in place of {before[field]}" if before.get(field) else ""
            told.append(f"{role} {after[field]}{was}")
    mine = [next(one for one in body["containerDefinitions"] if one["name"] == container) for body in (before, after)]
    sources = [{one["name"]: one["valueFrom"] for one in each.get("secrets") or ()} for each in mine]
    if fresh := [name for name, source in sources[1].items() if sources[0].get(name) != source]:
        told.append(f"{', '.join(fresh)} as secrets of the container {container}")
    plain = [{one["name"] for one in each.get("environment") or ()} for each in mine]
    if gone := sorted(plain[0] - plain[1]):
        told.append(f"{', '.join(gone)} no longer in its plain environment")
    return tuple(told)


def _by_hand(definition: TaskDefinition, wanted: ExpectedDefinition, service: Service) -> str:
    """The commands that give a container its first secret; from then on it is known."""
    fields = ", ".join(f"{name}: {name}" for name in definition.body if name != "tags")
    secret = wanted.secrets[0] if wanted.secrets else (APPLICATION_VARIABLES[0], "…")
    return (
        f"aws ecs describe-task-definition --task-definition {definition.arn} "
        f"--query 'taskDefinition.{{{fields}}}' > task.json\n"
        f'  # add to the "secrets" of the application\'s container: '
        f'{{"name": "{secret[0]}", "valueFrom": "{secret[1]}"}}\n'
        f'  # and see to it that "executionRoleArn" is {wanted.execution_role}\n'
        "aws ecs register-task-definition --cli-input-json file://task.json\n"
        f"aws ecs update-service --cluster {service.cluster} --service {service.name} "
        f"--task-definition {definition.family}   # then run the same command again"
    )


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
