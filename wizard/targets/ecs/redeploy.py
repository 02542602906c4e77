"""The redeploy on ECS: a revision with the secrets and roles, the service updated to it, and a rollback where it fails.

Pure: acts through the port `EcsServices`, with a clock and a pause from the caller. A run that was killed can be repeated:
it continues with the revision that was registered and the deployment that was started.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from components.settings import Settings
from wizard.core.errors import PermissionDenied, SetupError, StackNotFound
from wizard.core.models.deployment import Redeployed, RedeployState, Rollout, RolloutState, Service, TaskDefinition
from wizard.core.next_command import Command, wizard
from wizard.core.ports.aws import EcsServices
from wizard.targets.ecs import NAME
from wizard.targets.ecs.permissions import with_rights
from wizard.targets.ecs.rollout import End, Ended, Now, Pause, Tell, Watch
from wizard.targets.ecs.service import (
    ExpectedDefinition,
    changed_at,
    changes,
    container_of,
    deployment_of,
    locate,
    with_variables,
)
from wizard.targets.port import TargetContext


def redeploy(ecs_services: EcsServices, context: TargetContext, *, tell: Tell, now: Now, pause: Pause) -> Redeployed:
    """Have the service start tasks with the three variables, and wait until they run.

    `now` is UTC, `pause` waits seconds, `tell` gets what a person waits for, in words. A rollout that does not get
    steady is taken back to the last revision that was; both are in the answer. Raises SetupError where none was begun.
    """
    outputs, settings = context.require_outputs(), context.settings
    if not outputs.task_secrets:
        raise StackNotFound(
            f"the stack {context.stack} has no parameters for ECS yet",
            wizard("setup", "--stack", context.stack, "--target", "ecs"),
        )
    wanted = ExpectedDefinition.of(settings, outputs)
    begun = now()
    with _telling_of_rights(settings, wanted):
        service = locate(ecs_services, settings)
        _refuse_other_controllers(service)
        present = _present(ecs_services, service)
        former = _former(service)
        definition = _revision(ecs_services, present, wanted, service, tell)
        rollout = _begun(ecs_services, service, definition, changed_at(ecs_services, settings), tell)
        watch = Watch(ecs_services=ecs_services, tell=tell, now=now, pause=pause)
        ended = watch.until_over(service, rollout, former.task_definition)
    outcome = _settled(ecs_services, watch, ended, former, tell)
    after = next((one for one in outcome.service.rollouts if one.running), outcome.service.newest)
    return Redeployed(
        target=NAME,
        state=outcome.state,
        before=deployment_of(service, former),
        after=deployment_of(outcome.service, after) if after else None,
        why=outcome.why,
        seconds=(now() - begun).total_seconds(),
    )


@contextmanager
def _telling_of_rights(settings: Settings, wanted: ExpectedDefinition) -> Iterator[None]:
    try:
        yield
    except PermissionDenied as error:
        raise with_rights(error, settings, task_role=wanted.task_role) from error


def _refuse_other_controllers(service: Service) -> None:
    if service.controller != "ECS":
        raise SetupError(
            f"the service {service.cluster}/{service.name} is deployed by {service.controller}, not by ECS; "
            "nothing was changed",
            "deploy it your own way: its tasks read the variables when they start",
        )


def _present(ecs_services: EcsServices, service: Service) -> TaskDefinition:
    present = ecs_services.task_definition(service.task_definition)
    if present is None:
        raise SetupError(
            f"the task definition {service.task_definition} of {service.cluster}/{service.name} is gone; nothing was "
            "changed",
            Command(f"aws ecs describe-services --cluster {service.cluster} --services {service.name}"),
        )
    return present


def _former(service: Service) -> Rollout:
    """What a rollback goes back to: the last deployment that was steady; without one, the newest."""
    steady = (one for one in service.rollouts if one.state is RolloutState.COMPLETED)
    former = next(steady, service.newest)
    if former is None:
        raise SetupError(
            f"the service {service.cluster}/{service.name} has no deployment; nothing was changed",
            Command(f"aws ecs describe-services --cluster {service.cluster} --services {service.name}"),
        )
    return former


def _revision(
    ecs_services: EcsServices, present: TaskDefinition, wanted: ExpectedDefinition, service: Service, tell: Tell
) -> TaskDefinition:
    """The present revision where it has it all; else the newest, where a run before registered it; else a new one."""
    container = container_of(present, wanted, service)
    body = with_variables(present.body, container, wanted)
    if body == present.body and present.active:
        return present
    newest = ecs_services.task_definition(present.family)
    if newest is not None and newest.active and newest.body == body:
        return newest
    made = ecs_services.register(body)
    tell(f"registered {_short(made.arn)}: {'; '.join(changes(present.body, body, container))}")
    return made


def _begun(
    ecs_services: EcsServices, service: Service, definition: TaskDefinition, changed: datetime | None, tell: Tell
) -> Rollout:
    """The deployment to wait for: a new one, or one under way that has it all and began after the last change."""
    under_way = service.newest
    if (
        under_way is not None
        and under_way.state is RolloutState.IN_PROGRESS
        and under_way.task_definition == definition.arn
        # What fails already would be rolled back at once, though its cause may be fixed by now.
        and not under_way.failed
        and (changed is None or under_way.made > changed)
    ):
        tell(f"{under_way.id} of {_short(definition.arn)} is under way already")
        return under_way
    begun = ecs_services.update(service, definition.arn, force=True)
    tell(f"{service.cluster}/{service.name} starts its tasks again, of {_short(definition.arn)} ({begun.id})")
    return begun


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    state: RedeployState
    service: Service
    why: str = ""


def _settled(ecs_services: EcsServices, watch: Watch, ended: Ended, former: Rollout, tell: Tell) -> _Outcome:
    """What became of the rollout, once what failed is taken back."""
    failed = _Outcome(state=RedeployState.FAILED, service=ended.service, why=ended.why)
    back = former.task_definition
    match ended.end:
        case End.STEADY:
            return _Outcome(state=RedeployState.DONE, service=ended.service)
        case End.SUPERSEDED:
            # Not ours to take back.
            return failed
        case End.FAILED | End.LATE if back == ended.rollout.task_definition:
            kept = f"{_short(back)} was running already, so there is no other revision to go back to"
            return _Outcome(state=RedeployState.FAILED, service=ended.service, why=f"{ended.why}; {kept}")
        case End.TAKEN_BACK:
            tell(f"ECS brings {_short(back)} back")
        case _:
            tell(f"it does not get steady ({ended.why}); {_short(back)} is brought back")
    try:
        if ended.end is not End.TAKEN_BACK:
            ecs_services.update(ended.service, back, force=False)
        returned = watch.until_back(ended.service, back)
    except SetupError as error:
        lost = f"and {_short(back)} could not be brought back: {error.message}; {error.hint}"
        return _Outcome(state=RedeployState.FAILED, service=ended.service, why=f"{ended.why}; {lost}")
    if returned.end is End.STEADY:
        return _Outcome(state=RedeployState.ROLLED_BACK, service=returned.service, why=ended.why)
    lost = f"and {_short(back)} is not steady either ({returned.why})"
    return _Outcome(state=RedeployState.FAILED, service=returned.service, why=f"{ended.why}; {lost}")


def _short(arn: str) -> str:
    return arn.rpartition("/")[2]
