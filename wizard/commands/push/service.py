"""Which service of ECS runs the application, and what its running tasks hold.

Pure: reads over the Fleet's Protocol, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from components.settings import APPLICATION_VARIABLES, Settings
from wizard.core.errors import SetupError
from wizard.core.models.deployment import Deployment, Rollout, RolloutState, Service, TaskDefinition
from wizard.core.next_command import Command
from wizard.core.ports.aws import EcsServices

TARGET = "ecs"


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
        f"which service of the ECS cluster {cluster} is the application's cannot be told: {named} ({what})",
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

    None where neither can be told. A task that was restarted since then may hold the new ones.
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
        target=TARGET,
        id=rollout.id,
        name=f"{service.cluster}/{service.name}",
        made=rollout.made,
        state=rollout.state or RolloutState.COMPLETED,
        revision=rollout.task_definition,
    )
