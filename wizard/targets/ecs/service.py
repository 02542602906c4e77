"""The ECS service of the application: locating it, and what its task definition needs.

Reads through `EcsServices`, and changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from components.settings import APPLICATION_VARIABLES, Outputs, Settings, Target
from components.settings.arn import resource_name
from wizard.core.errors import SetupError
from wizard.core.models.delivery import FORMER_KEY_VARIABLE
from wizard.core.models.deployment import (
    Deployment,
    Instances,
    Rollout,
    RolloutState,
    Service,
    ServiceDeployment,
    TaskDefinition,
)
from wizard.core.next_command import Command, Text, shell
from wizard.core.safe_text import quoted
from wizard.core.variable_ownership import ForeignVariable, OwnValues, is_own, shown

if TYPE_CHECKING:
    from wizard.aws.ecs import EcsServices

CLOCKS = timedelta(seconds=5)
"""Between the times of a rollout and of its service deployment."""


_NAME_SERVICE = Text(shell("pulumi", "config", "set", "eonpro-kms:ecsService", "NAME"))


def locate(ecs_services: EcsServices, settings: Settings) -> Service:
    """The service in the settings, or the cluster's only service that uses the application's role or variables.

    Raises SetupError, with the setting to change, if there is none or more than one.
    """
    cluster, name = settings.ecs_cluster, settings.ecs_service
    if cluster is None:
        raise SetupError(
            "the stack's settings do not name the ECS cluster of the application",
            Text(
                shell("pulumi", "config", "set", "eonpro-kms:ecsCluster", "NAME"),
                *("   # and eonpro-kms:ecsService; ", shell("aws", "ecs", "list-clusters")),
            ),
        )
    if name is not None:
        service = ecs_services.service(cluster, name)
        if service is None:
            raise SetupError(
                f"the ECS service {cluster}/{name} does not exist in {settings.region}",
                shell(
                    *("aws", "ecs", "list-services", "--cluster", cluster, "--region", settings.region),
                    advice=Text("then: ", _NAME_SERVICE),
                ),
            )
        return service
    services = ecs_services.services(cluster)
    ours = _ours(ecs_services, services, settings)
    if len(ours) == 1:
        return ours[0]
    named = ", ".join(service_.name for service_ in (ours or services)) or "no service"
    what = (
        "several use the application's role or variables" if ours else "none uses the application's role or variables"
    )
    raise SetupError(
        f"the application's service in the ECS cluster {cluster} is not known: {named} ({what})", _NAME_SERVICE
    )


def running(ecs_services: EcsServices, settings: Settings) -> Deployment | None:
    """The oldest deployment with running tasks; None if the settings name no cluster, or its service is not known.

    During a rollout the tasks of the previous deployment still run, and may have outdated values; but while the new one
    bakes they get no more production traffic.
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
    with_tasks = [rollout for rollout in service.rollouts if rollout.running] or [service.rollouts[0]]
    newest = service.rollouts[0]
    if len(with_tasks) > 1 and newest in with_tasks and service.is_staged:
        progress = progress_of(ecs_services, service, newest)
        if progress is not None and progress.has_shifted:
            return deployment_of(service, newest)
    return deployment_of(service, min(with_tasks, key=lambda rollout: rollout.made))


def inspect(ecs_services: EcsServices, settings: Settings, deployment: Deployment) -> Instances:
    """Whether its tasks have outdated values: it started before they were written, or does not use the stack's store.

    A task that restarted since then may have the new values.
    """
    definition = ecs_services.task_definition(deployment.revision) if deployment.revision else None
    if definition is not None and not reads_all_variables(definition, settings):
        why = f"its task definition {resource_name(definition.arn)} does not read them from the stack's store"
        return Instances(target=Target.ECS, deployment=deployment, stale=True, why=why)
    changed = changed_at(ecs_services, settings)
    if changed is None:
        return Instances(target=Target.ECS, deployment=deployment, why="when the values were last changed is not known")
    return Instances(target=Target.ECS, deployment=deployment, changed=changed, stale=deployment.made <= changed)


def changed_at(ecs_services: EcsServices, settings: Settings) -> datetime | None:
    """When one of the variables was last written."""
    names = [f"{settings.names.parameter_prefix}/{variable}" for variable in settings.variables]
    return ecs_services.changed_at(names, store=settings.secret_store)


def reads_all_variables(definition: TaskDefinition, settings: Settings) -> bool:
    """Whether one of its containers reads all variables from the stack's store."""
    return any(
        set(settings.delivered_variables) <= _stored_variables(container, settings)
        for container in _containers(definition)
    )


def _ours(ecs_services: EcsServices, services: Sequence[Service], settings: Settings) -> list[Service]:
    return [
        service for service in services if _is_ours(ecs_services.task_definition(service.task_definition), settings)
    ]


def _is_ours(definition: TaskDefinition | None, settings: Settings) -> bool:
    if definition is None:
        return False
    uses_role = definition.body.get("taskRoleArn") in settings.app_principal_arns
    return uses_role or any(_stored_variables(container, settings) for container in _containers(definition))


def _containers(definition: TaskDefinition) -> tuple[Mapping[str, Any], ...]:
    return tuple(definition.body.get("containerDefinitions") or ())


def _stored_variables(container: Mapping[str, Any], settings: Settings) -> set[str]:
    """The names of the variables that a container reads from the stack's store, with any form of `valueFrom`."""
    prefix, variables = settings.names.parameter_prefix, settings.delivered_variables
    return {
        name
        for secret in container.get("secrets") or ()
        if (name := str(secret["name"])) in variables
        and re.search(rf"{re.escape(f'{prefix}/{variables[name]}')}(?![\w/])", str(secret["valueFrom"]))
    }


def deployment_of(service: Service, rollout: Rollout) -> Deployment:
    """The rollout as a `Deployment`, which every target has."""
    return Deployment(
        target=Target.ECS,
        id=rollout.id,
        name=f"{service.cluster}/{service.name}",
        made=rollout.made,
        state=rollout.state or RolloutState.COMPLETED,
        revision=rollout.task_definition,
    )


def progress_of(ecs_services: EcsServices, service: Service, rollout: Rollout) -> ServiceDeployment | None:
    """How far a rollout is with its service's strategy; None where that has no stages, or it is not known."""
    progress = ecs_services.deployment(service) if service.is_staged else None
    # ECS is eventually consistent: it may still name the deployment before.
    return progress if progress is not None and progress.made >= rollout.made - CLOCKS else None


# --- the task definition


@dataclass(frozen=True, kw_only=True)
class ExpectedDefinition:
    """What the stack needs in the application's task definition."""

    secrets: tuple[tuple[str, str], ...]
    """(name, valueFrom) of each variable."""
    task_role: str
    execution_role: str

    @classmethod
    def of(cls, settings: Settings, outputs: Outputs) -> ExpectedDefinition:
        return cls(
            secrets=outputs.task_secrets,
            task_role=outputs.principal_of(Target.ECS),
            execution_role=settings.execution_role_arn or "",
        )


def former_key_in(definition: TaskDefinition, service: str) -> str | None:
    """The container that gets an ENCRYPTION_KEY, as a value or as a secret, in words; None if none does."""
    for container in definition.body.get("containerDefinitions", ()):
        variables = (*container.get("environment", ()), *container.get("secrets", ()))
        if any(variable.get("name") == FORMER_KEY_VARIABLE for variable in variables):
            return f"the container {container.get('name')} of the ECS service {service}"
    return None


def container_of(definition: TaskDefinition, expected: ExpectedDefinition, service: Service) -> str:
    """The name of the application's container. Raises SetupError, with all names, if it is not known.

    It is the one with any of the variables, else the only one, else the only essential one.
    """
    containers = _containers(definition)
    having = [container for container in containers if names_of(container) & dict(expected.secrets).keys()]
    # Before the settings gave them other names, it had them under the guide's.
    having = having or [container for container in containers if names_of(container) & set(APPLICATION_VARIABLES)]
    # `essential` is true by default.
    essential = [container for container in containers if container.get("essential", True)]
    for choice in (having, [*containers], essential):
        if len(choice) == 1:
            return str(choice[0]["name"])
    named = ", ".join(str(container["name"]) for container in (having or containers))
    what = "several have the variables" if having else "none of them has the variables yet"
    raise SetupError(
        f"the application's container in {resource_name(definition.arn)} is not known: {named} "
        f"({what}); nothing was registered",
        _manual_commands(definition, expected, service),
    )


def foreign_in(
    definition: TaskDefinition, container: str, service: Service, settings: Settings, own: OwnValues
) -> tuple[ForeignVariable, ...]:
    """The container's variables that `with_variables` would replace although they are somebody else's.

    A wrapped key in the clear environment too: only the definition says what it is.
    """
    entry = next(each for each in _containers(definition) if each["name"] == container)
    variables, prefix = settings.delivered_variables, settings.names.parameter_prefix
    place = f"the container {container} of {service.cluster}/{service.name}"
    found = []
    for each in entry.get("environment") or ():
        name, value = str(each["name"]), str(each.get("value") or "")
        if name in variables and not is_own(variables[name], value, own, is_marked=False):
            found.append(ForeignVariable(name=name, place=place, value=shown(value)))
    for each in entry.get("secrets") or ():
        name, source = str(each["name"]), str(each["valueFrom"])
        variable = variables.get(name)
        if variable is None:
            continue
        # Or of a set-up by hand, whose parameters name no environment.
        ours = (f"{prefix}/{variable}", f"/{settings.application}/{variable}")
        if not re.search(rf"(?:^|parameter|secret:)(?:{'|'.join(map(re.escape, ours))})(?![\w/])", source):
            found.append(ForeignVariable(name=name, place=place, value=quoted(source)))
    return tuple(found)


def names_of(container: Mapping[str, Any]) -> set[str]:
    """The names of a container's variables, plain or secret."""
    return {str(variable["name"]) for kind in ("environment", "secrets") for variable in container.get(kind) or ()}


def with_variables(body: Mapping[str, Any], container: str, expected: ExpectedDefinition) -> dict[str, Any]:
    """The task definition with the stack's roles, whose container reads the variables from the stack's store.

    The names are removed from `environment`: ECS refuses a name that is in both. Everything else stays.
    """
    containers = [
        _with_secrets(entry, expected.secrets) if entry["name"] == container else entry
        for entry in body["containerDefinitions"]
    ]
    return {
        **body,
        "containerDefinitions": containers,
        "taskRoleArn": expected.task_role,
        "executionRoleArn": expected.execution_role,
    }


def _with_secrets(container: Mapping[str, Any], secrets: Sequence[tuple[str, str]]) -> dict[str, Any]:
    # Names are unique in a container.
    entries = {secret["name"]: secret for secret in container.get("secrets") or ()}
    entries |= {name: {**entries.get(name, {"name": name}), "valueFrom": value} for name, value in secrets}
    names, changed = dict(secrets).keys(), {**container, "secrets": [*entries.values()]}
    if any(variable["name"] in names for variable in container.get("environment") or ()):
        changed["environment"] = [entry for entry in container["environment"] if entry["name"] not in names]
    return changed


def changes(before: Mapping[str, Any], after: Mapping[str, Any], container: str) -> tuple[str, ...]:
    """What a revision changes, in words and without the values."""
    lines = []
    for field, role in (("taskRoleArn", "task role"), ("executionRoleArn", "execution role")):
        if before.get(field) != after.get(field):
            former = f" instead of {before[field]}" if before.get(field) else ""
            lines.append(f"{role} {after[field]}{former}")
    was, now = (
        next(entry for entry in body["containerDefinitions"] if entry["name"] == container) for body in (before, after)
    )
    sources = {entry["name"]: entry["valueFrom"] for entry in was.get("secrets") or ()}
    secrets = [entry["name"] for entry in now.get("secrets") or () if sources.get(entry["name"]) != entry["valueFrom"]]
    if secrets:
        lines.append(f"{', '.join(secrets)} as secrets of the container {container}")
    plain = [{entry["name"] for entry in version.get("environment") or ()} for version in (was, now)]
    if gone := sorted(plain[0] - plain[1]):
        lines.append(f"{', '.join(gone)} no longer in its plain environment")
    return tuple(lines)


def _manual_commands(definition: TaskDefinition, expected: ExpectedDefinition, service: Service) -> Command:
    """The commands that add one secret to a container, which makes it known as the application's."""
    fields = ", ".join(f"{name}: {name}" for name in definition.body if name != "tags")
    secret = expected.secrets[0] if expected.secrets else (APPLICATION_VARIABLES[0], "…")
    query, cluster = ("--query", f"taskDefinition.{{{fields}}}"), ("--cluster", service.cluster)
    of_family = ("--service", service.name, "--task-definition", definition.family)
    return Command(
        shell("aws", "ecs", "describe-task-definition", "--task-definition", definition.arn, *query),
        " > task.json\n"
        f'  # add to the "secrets" of the application\'s container: '
        f'{{"name": "{secret[0]}", "valueFrom": "{secret[1]}"}}\n'
        f'  # set "executionRoleArn" to {expected.execution_role}\n',
        shell("aws", "ecs", "register-task-definition", "--cli-input-json", "file://task.json"),
        "\n",
        shell("aws", "ecs", "update-service", *cluster, *of_family),
        advice="then run the same command again",
    )


def express_commands(expected: ExpectedDefinition, service: Service) -> Command:
    """The commands that give an Express service the variables: ECS itself registers its task definitions.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateExpressGatewayService.html
    """
    names = ("--service-arn", service.arn, "--region", service.region)
    query = ("--query", "service.activeConfigurations[0].primaryContainer")
    roles = ("--task-role-arn", expected.task_role, "--execution-role-arn", expected.execution_role)
    secrets = json.dumps([{"name": name, "valueFrom": source} for name, source in expected.secrets])
    return Command(
        shell("aws", "ecs", "describe-express-gateway-service", *names, *query),
        f' > container.json\n  # set its "secrets" to these, beside those that it has: {secrets}\n'
        f'  # and remove these names from its "environment"\n',
        shell(
            *("aws", "ecs", "update-express-gateway-service", *names),
            *("--primary-container", "file://container.json", *roles),
        ),
    )
