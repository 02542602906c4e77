"""The redeploy of the application on ECS: its IAM permissions, the new revision, the rollout, and the rollback.

Acts through `EcsServices`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from components.policies.documents import allow
from components.policies.stack import variable_arns_of
from components.settings import SecretStore, Settings, Target
from components.settings.arn import resource_name
from wizard.core.errors import PermissionDenied, SetupError, StackNotFound
from wizard.core.models.deployment import Redeployed, RedeployState, Rollout, RolloutState, Service, TaskDefinition
from wizard.core.next_command import NO_COMMAND, Command, Text, eonpro, shell
from wizard.core.target_context import TargetContext
from wizard.core.variable_ownership import OwnValues, VariablesNotOurs
from wizard.targets.ecs.rollouts import EndedRollout, Now, Pause, RolloutEnd, RolloutWatch, in_words
from wizard.targets.ecs.service import (
    ExpectedDefinition,
    changed_at,
    changes,
    container_of,
    deployment_of,
    express_commands,
    foreign_in,
    locate,
    progress_of,
    with_variables,
)
from wizard.targets.port import OnMessage

if TYPE_CHECKING:
    from wizard.aws.ecs import EcsServices

Statement = dict[str, Any]


def redeploy_statements(settings: Settings, *, task_role: str) -> list[Statement]:
    """Read the service, register a revision of its task definition, run it, and read how that ends.

    DescribeTaskDefinition has no resource level. iam:PassRole for the two roles keeps a revision from using another
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/security_iam_id-based-policy-examples.html).
    """
    ecs = settings.arn("ecs", "")
    cluster, service = settings.ecs_cluster or "*", settings.ecs_service or "*"
    within = {"ArnLike": {"ecs:cluster": f"{ecs}cluster/{cluster}"}}
    by_registration = {"StringEquals": {"ecs:CreateAction": "RegisterTaskDefinition"}}
    to_tasks = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    roles, revisions = sorted({task_role, settings.execution_role_arn or ""}), f"{ecs}task-definition/*:*"
    update, progress = ["ecs:DescribeServices", "ecs:UpdateService"], f"{ecs}service-deployment/{cluster}/{service}/*"
    return [
        allow("UpdateTheService", update, f"{ecs}service/{cluster}/{service}"),
        allow("SeeItsProgress", "ecs:DescribeServiceDeployments", progress),
        allow("FindTheService", "ecs:ListServices", "*", condition=within),
        allow("ReadTaskDefinitions", "ecs:DescribeTaskDefinition", "*"),
        allow("RegisterRevisions", "ecs:RegisterTaskDefinition", revisions),
        allow("TagRevisions", "ecs:TagResource", revisions, condition=by_registration),
        allow("PassItsRoles", "iam:PassRole", roles, condition=to_tasks),
        allow("ListItsTasks", "ecs:ListTasks", f"{ecs}container-instance/{cluster}/*", condition=within),
        allow("SeeWhyTasksStopped", "ecs:DescribeTasks", f"{ecs}task/{cluster}/*"),
        _times(settings),
    ]


def _times(settings: Settings) -> Statement:
    """Read when the values were written, to compare that with the deployment's time."""
    names = list(variable_arns_of(settings, settings.region).values())
    if settings.secret_store is SecretStore.SECRETS_MANAGER:
        # A secret's ARN ends in six random characters.
        arns = [f"{name}-??????" for name in names]
        return allow("SeeWhenTheValuesWereWritten", "secretsmanager:ListSecretVersionIds", arns)
    return allow("SeeWhenTheValuesWereWritten", "ssm:GetParameters", names)


def redeploy(
    ecs_services: EcsServices, context: TargetContext, *, on_message: OnMessage, now: Now, pause: Pause
) -> Redeployed:
    """Start the service's tasks with the three variables, and wait until they run.

    `now` is UTC, `pause` waits seconds, `on_message` gets the progress. A rollout that does not become steady is rolled
    back to the last steady revision; the result has both. Raises SetupError if no rollout started.
    """
    outputs, settings = context.require_outputs(), context.settings
    if not outputs.task_secrets:
        raise StackNotFound(
            f"the stack {context.stack} has no parameters for ECS yet",
            eonpro("setup", "--stack", context.stack, "--target", "ecs"),
        )
    expected = ExpectedDefinition.of(settings, outputs)
    started_at = now()
    try:
        service = locate(ecs_services, settings)
        _require_ecs_controller(service)
        current = _current_definition(ecs_services, service)
        former = _former(service)
        _require_own_variables(context, current, expected, service)
        definition = _revision(ecs_services, current, expected, service, on_message)
        rollout = _start_rollout(ecs_services, service, definition, changed_at(ecs_services, settings), on_message)
        watch = RolloutWatch(ecs_services=ecs_services, on_message=on_message, now=now, pause=pause)
        ended = watch.until_over(service, rollout, former.task_definition)
    except PermissionDenied as error:
        needed = eonpro("policy", "delivery", "--stack", context.stack)
        raise PermissionDenied(error.message, Text(error.hint, "; all that the redeploy needs: ", needed)) from error
    outcome = (
        _waiting(ended, context.stack)
        if ended.end is RolloutEnd.WAITING
        else _after_rollback(ecs_services, watch, ended, former, on_message)
    )
    after = next((entry for entry in outcome.service.rollouts if entry.running), outcome.service.newest)
    return Redeployed(
        target=Target.ECS,
        state=outcome.state,
        before=deployment_of(service, former),
        after=deployment_of(outcome.service, after) if after else None,
        why=outcome.why,
        command=outcome.command,
        seconds=(now() - started_at).total_seconds(),
    )


def _require_ecs_controller(service: Service) -> None:
    if service.controller != "ECS":
        raise SetupError(
            f"the service {service.cluster}/{service.name} is deployed by {service.controller}, not by ECS; "
            "nothing was changed",
            f"deploy it with {service.controller}: its tasks read the variables when they start",
        )


def _require_own_variables(
    context: TargetContext, current: TaskDefinition, expected: ExpectedDefinition, service: Service
) -> None:
    """Raises VariablesNotOurs where a revision would replace variables of somebody else that nobody agreed to."""
    container, own = container_of(current, expected, service), OwnValues.of(context.settings, context.outputs)
    found = foreign_in(current, container, service, context.settings, own)
    if foreign := [variable for variable in found if variable.name not in context.replaces]:
        raise VariablesNotOurs(foreign, eonpro("push", "--redeploy"), agreed=context.replaces)


def _require_no_other(ecs_services: EcsServices, service: Service) -> None:
    """Raises SetupError while somebody's deployment in stages is under way: a new one would end its strategy early."""
    under_way = service.newest
    if not service.is_staged or under_way is None or under_way.state is not RolloutState.IN_PROGRESS:
        return
    progress = progress_of(ecs_services, service, under_way)
    if under_way.failed or progress is None or progress.has_shifted:
        return
    raise SetupError(
        f"a deployment of {service.cluster}/{service.name} is in progress ({in_words(service, under_way, progress)}); "
        "nothing was changed",
        shell(
            *("aws", "ecs", "describe-service-deployments", "--service-deployment-arns", progress.arn),
            *("--region", service.region),
            advice="run the same command again when it has ended",
        ),
    )


def _current_definition(ecs_services: EcsServices, service: Service) -> TaskDefinition:
    present = ecs_services.task_definition(service.task_definition)
    if present is None:
        raise SetupError(
            f"the task definition {service.task_definition} of {service.cluster}/{service.name} does not exist; "
            "nothing was changed",
            shell("aws", "ecs", "describe-services", "--cluster", service.cluster, "--services", service.name),
        )
    return present


def _former(service: Service) -> Rollout:
    """The rollout to roll back to: the last steady one, else the newest."""
    steady = (rollout for rollout in service.rollouts if rollout.state is RolloutState.COMPLETED)
    former = next(steady, service.newest)
    if former is None:
        raise SetupError(
            f"the service {service.cluster}/{service.name} has no deployment; nothing was changed",
            shell("aws", "ecs", "describe-services", "--cluster", service.cluster, "--services", service.name),
        )
    return former


def _revision(
    ecs_services: EcsServices,
    current: TaskDefinition,
    expected: ExpectedDefinition,
    service: Service,
    on_message: OnMessage,
) -> TaskDefinition:
    """The current revision if it is complete; else the newest, if an earlier run registered it; else a new one."""
    container = container_of(current, expected, service)
    body = with_variables(current.body, container, expected)
    if body == current.body and current.active:
        return current
    if service.is_express:
        raise SetupError(
            f"the service {service.cluster}/{service.name} is an Express service: ECS itself registers its task "
            f"definitions. The present one lacks: {'; '.join(changes(current.body, body, container))}; "
            "nothing was changed",
            express_commands(expected, service),
        )
    newest = ecs_services.task_definition(current.family)
    if newest is not None and newest.active and newest.body == body:
        return newest
    _require_no_other(ecs_services, service)
    revision = ecs_services.register(body)
    on_message(f"registered {resource_name(revision.arn)}: {'; '.join(changes(current.body, body, container))}")
    return revision


def _start_rollout(
    ecs_services: EcsServices,
    service: Service,
    definition: TaskDefinition,
    changed: datetime | None,
    on_message: OnMessage,
) -> Rollout:
    """The rollout to wait for: one in progress with this revision that started after the last change, or a new one."""
    under_way = service.newest
    if (
        under_way is not None
        and under_way.state is RolloutState.IN_PROGRESS
        and under_way.task_definition == definition.arn
        # A failing rollout would be rolled back at once, although its cause may be fixed by now.
        and not under_way.failed
        and (changed is None or under_way.made > changed)
    ):
        on_message(f"{under_way.id} of {resource_name(definition.arn)} is in progress already")
        return under_way
    _require_no_other(ecs_services, service)
    rollout = ecs_services.update(service, definition.arn, force=True)
    on_message(
        f"{service.cluster}/{service.name} restarts its tasks with {resource_name(definition.arn)} ({rollout.id})"
    )
    return rollout


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    state: RedeployState
    service: Service
    why: str = ""
    command: Command = NO_COMMAND


def _waiting(ended: EndedRollout, stack: str) -> _Outcome:
    """A healthy deployment that takes longer than one waits: what goes on with it, or shows how it ends."""
    progress, service = ended.progress, ended.service
    paused = progress.paused if progress else None
    if progress is None or paused is None:
        command = eonpro("push", "--redeploy", "--stack", stack)
        return _Outcome(state=RedeployState.WAITING, service=service, why=ended.why, command=command)
    until = f" at {paused.expires:%Y-%m-%d %H:%M} UTC" if paused.expires else " when its time is over"
    what = "goes on by itself" if paused.then == "CONTINUE" else "rolls it back"
    command = shell(
        *("aws", "ecs", "continue-service-deployment", "--service-deployment-arn", progress.arn),
        *("--hook-id", paused.id, "--action", "CONTINUE", "--region", service.region),
    )
    why = f"{ended.why}; it waits at a hook for somebody to let it go on, and ECS {what}{until}"
    return _Outcome(state=RedeployState.WAITING, service=service, why=why, command=command)


def _after_rollback(
    ecs_services: EcsServices, watch: RolloutWatch, ended: EndedRollout, former: Rollout, on_message: OnMessage
) -> _Outcome:
    """The outcome of the rollout; a failed one is rolled back first."""
    failed = _Outcome(state=RedeployState.FAILED, service=ended.service, why=ended.why)
    back = former.task_definition
    match ended.end:
        case RolloutEnd.STEADY:
            if ended.progress is not None:
                on_message(
                    "all production traffic goes to the new tasks; ECS keeps the former ones for the bake time "
                    f"({ended.service.bake_minutes} minutes)"
                )
            return _Outcome(state=RedeployState.DONE, service=ended.service)
        case RolloutEnd.SUPERSEDED:
            # Somebody else's deployment is not rolled back.
            return failed
        case RolloutEnd.FAILED | RolloutEnd.LATE if back == ended.rollout.task_definition:
            unchanged = f"{resource_name(back)} was running already, so there is no other revision to roll back to"
            return _Outcome(state=RedeployState.FAILED, service=ended.service, why=f"{ended.why}; {unchanged}")
        case RolloutEnd.ROLLED_BACK:
            on_message(f"ECS rolls back to {resource_name(back)}")
        case _:
            on_message(f"the tasks do not become steady ({ended.why}); rolling back to {resource_name(back)}")
    try:
        if ended.end is not RolloutEnd.ROLLED_BACK:
            ecs_services.update(ended.service, back, force=False)
        returned = watch.until_back(ended.service, back)
    except SetupError as error:
        why = Text(f"{ended.why}; and the rollback to {resource_name(back)} failed: {error.message}; ", error.hint)
        return _Outcome(state=RedeployState.FAILED, service=ended.service, why=why)
    if returned.end is RolloutEnd.STEADY:
        return _Outcome(state=RedeployState.ROLLED_BACK, service=returned.service, why=ended.why)
    lost = f"and {resource_name(back)} is not steady either ({returned.why})"
    return _Outcome(state=RedeployState.FAILED, service=returned.service, why=f"{ended.why}; {lost}")
