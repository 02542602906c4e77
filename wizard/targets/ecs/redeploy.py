"""The least that an IAM principal needs to redeploy the application on ECS, as a policy.

Pure: names in, statements out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from components.policies import parameter_arn, secret_arn
from components.settings import APPLICATION_VARIABLES, SecretStore, Settings
from wizard.core.errors import PermissionDenied, SetupError, StackNotFound
from wizard.core.models.deployment import Redeployed, RedeployState, Rollout, RolloutState, Service, TaskDefinition
from wizard.core.next_command import Command, wizard
from wizard.core.ports.aws import EcsServices
from wizard.targets.ecs import NAME
from wizard.targets.ecs.service import (
    End,
    Ended,
    ExpectedDefinition,
    Now,
    Pause,
    Tell,
    Watch,
    changed_at,
    changes,
    container_of,
    deployment_of,
    locate,
    with_variables,
)
from wizard.targets.port import TargetContext

Statement = dict[str, Any]


def redeploy_policy(settings: Settings, *, task_role: str) -> dict[str, Any]:
    """Those statements as a policy document."""
    return {"Version": "2012-10-17", "Statement": redeploy_statements(settings, task_role=task_role)}


def redeploy_statements(settings: Settings, *, task_role: str) -> list[Statement]:
    """Look at the service, register a revision of its task definition, have the service run it, see how that ends.

    Reading task definitions knows no resource. Passing the two roles is what keeps a revision from taking any other
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/security_iam_id-based-policy-examples.html).
    """
    ecs = f"arn:{settings.partition}:ecs:{settings.region}:{settings.account_id}"
    cluster, service = settings.ecs_cluster or "*", settings.ecs_service or "*"
    within = {"ArnLike": {"ecs:cluster": f"{ecs}:cluster/{cluster}"}}
    return [
        {
            "Sid": "UpdateTheService",
            "Effect": "Allow",
            "Action": ["ecs:DescribeServices", "ecs:UpdateService"],
            "Resource": f"{ecs}:service/{cluster}/{service}",
        },
        {
            "Sid": "FindTheService",
            "Effect": "Allow",
            "Action": "ecs:ListServices",
            "Resource": "*",
            "Condition": within,
        },
        {
            "Sid": "ReadTaskDefinitions",
            "Effect": "Allow",
            "Action": "ecs:DescribeTaskDefinition",
            "Resource": "*",
        },
        {
            "Sid": "RegisterRevisions",
            "Effect": "Allow",
            "Action": "ecs:RegisterTaskDefinition",
            "Resource": f"{ecs}:task-definition/*:*",
        },
        {
            "Sid": "TagRevisions",
            "Effect": "Allow",
            "Action": "ecs:TagResource",
            "Resource": f"{ecs}:task-definition/*:*",
            "Condition": {"StringEquals": {"ecs:CreateAction": "RegisterTaskDefinition"}},
        },
        {
            "Sid": "PassItsRoles",
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": sorted({task_role, settings.execution_role_arn or ""}),
            "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        },
        {
            "Sid": "ListItsTasks",
            "Effect": "Allow",
            "Action": "ecs:ListTasks",
            "Resource": f"{ecs}:container-instance/{cluster}/*",
            "Condition": within,
        },
        {
            "Sid": "SeeWhyTasksStopped",
            "Effect": "Allow",
            "Action": "ecs:DescribeTasks",
            "Resource": f"{ecs}:task/{cluster}/*",
        },
        _times(settings),
    ]


def _times(settings: Settings) -> Statement:
    """To compare the time of the values with that of the deployment."""
    in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
    arn = secret_arn if in_secrets else parameter_arn
    names = [
        arn(
            account_id=settings.account_id,
            region=settings.region,
            name=f"{settings.names.parameter_prefix}/{variable}",
            partition=settings.partition,
        )
        for variable in APPLICATION_VARIABLES
    ]
    return {
        "Sid": "SeeWhenTheValuesWereWritten",
        "Effect": "Allow",
        "Action": "secretsmanager:ListSecretVersionIds" if in_secrets else "ssm:GetParameters",
        # A secret's ARN ends in six characters of chance.
        "Resource": [f"{one}-??????" for one in names] if in_secrets else names,
    }


def with_rights(error: PermissionDenied, settings: Settings, *, task_role: str) -> PermissionDenied:
    """The same refusal, whose way out is the whole policy, so that it is asked for once."""
    document = json.dumps(redeploy_policy(settings, task_role=task_role), indent=2)
    return PermissionDenied(error.message, f"{error.hint}\nthe redeploy needs these rights and no others:\n{document}")


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
