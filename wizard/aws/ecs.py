"""ECS: services with their rollouts, task definitions, and when the values that tasks read were last written.

Registers task definitions and updates services; never creates, scales or deletes one. Asks Parameter Store and Secrets
Manager when a value was written, never for the value.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from components.settings import SecretStore
from components.settings.arn import resource_name
from wizard.aws.auth.session_client import SessionClient
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.models.deployment import (
    PausedHook,
    Rollout,
    RolloutState,
    Service,
    ServiceDeployment,
    TaskDefinition,
)
from wizard.core.next_command import Text, shell

SERVICES_PER_CALL = 10
"""Services that DescribeServices returns in one call."""
_MAX_REASONS = 5


class EcsServices(SessionClient):
    """The services of ECS in the session's Region."""

    def names(self) -> tuple[str, ...]:
        """Every service of the Region, as CLUSTER/SERVICE."""
        clusters = [resource_name(arn) for arn in self._session.pages("ecs", "ListClusters", "clusterArns")]
        services = self._session.together(
            *(
                lambda cluster=cluster: list(self._session.pages("ecs", "ListServices", "serviceArns", cluster=cluster))
                for cluster in clusters
            )
        )
        return tuple(
            f"{cluster}/{resource_name(arn)}" for cluster, arns in zip(clusters, services, strict=True) for arn in arns
        )

    def services(self, cluster: str) -> tuple[Service, ...]:
        """All active services of a cluster. Raises ResourceError where there is no such cluster."""
        try:
            arns = list(self._session.pages("ecs", "ListServices", "serviceArns", cluster=cluster))
        except ResourceError as error:
            if "ClusterNotFoundException" not in error.message:
                raise
            raise ResourceError(
                f"there is no ECS cluster {cluster} in {self._session.region}",
                shell(
                    *("aws", "ecs", "list-clusters", "--region", self._session.region),
                    advice=Text("then: ", shell("pulumi", "config", "set", "eonpro-kms:ecsCluster", "NAME")),
                ),
            ) from error
        pages = (arns[start : start + SERVICES_PER_CALL] for start in range(0, len(arns), SERVICES_PER_CALL))
        return tuple(service for page in pages for service in self._described(cluster, page))

    def service(self, cluster: str, name: str) -> Service | None:
        """The active service; None without such a service or cluster."""
        return next(iter(self._described(cluster, [name])), None)

    def _described(self, cluster: str, names: Sequence[str]) -> Iterator[Service]:
        answer = self._session.find(
            "ecs", "DescribeServices", absent=("ClusterNotFoundException",), cluster=cluster, services=list(names)
        )
        for service in (answer or {}).get("services", ()):
            # ECS lists a deleted service for a while.
            if service.get("status") == "ACTIVE":
                yield _service(service)

    def task_definition(self, name: str) -> TaskDefinition | None:
        """A revision by its ARN, or the newest active one of a family, with its tags; None when there is none."""
        answer = self._session.find(
            "ecs", "DescribeTaskDefinition", absent=("ClientException",), taskDefinition=name, include=["TAGS"]
        )
        return None if answer is None else self._definition(answer)

    def register(self, body: Mapping[str, Any]) -> TaskDefinition:
        """Register a new revision. Earlier revisions stay."""
        return self._definition(self._session.call("ecs", "RegisterTaskDefinition", **body))

    def _definition(self, answer: Mapping[str, Any]) -> TaskDefinition:
        definition = answer["taskDefinition"]
        # botocore's model lists the fields that can be registered; AWS adds the others when it describes a revision.
        model = self._session.client("ecs").meta.service_model.operation_model("RegisterTaskDefinition")
        body = {
            name: definition[name] for name in model.input_shape.members if definition.get(name) not in (None, [], "")
        }
        if answer.get("tags"):
            body["tags"] = answer["tags"]
        return TaskDefinition(
            arn=str(definition["taskDefinitionArn"]), active=definition.get("status", "ACTIVE") == "ACTIVE", body=body
        )

    def update(self, service: Service, task_definition: str, *, force: bool) -> Rollout:
        """Have the service run that revision, and change nothing else. Returns the newest deployment afterwards.

        `force`: a new deployment even where the service runs that revision, so that its tasks read their values again.
        """
        answer = self._session.call(
            "ecs",
            "UpdateService",
            cluster=service.cluster,
            service=service.name,
            taskDefinition=task_definition,
            forceNewDeployment=force,
        )
        newest = _service(answer["service"]).newest
        if newest is None:
            raise ResourceError(
                f"ECS started no deployment of {service.cluster}/{service.name}",
                shell("aws", "ecs", "describe-services", "--cluster", service.cluster, "--services", service.name),
            )
        return newest

    def deployment(self, service: Service) -> ServiceDeployment | None:
        """The progress of a service's current deployment; None where ECS names none, does not know it, or the caller is
        not allowed to see it.
        """
        if not service.current:
            return None
        try:
            answer = self._session.find(
                "ecs",
                "DescribeServiceDeployments",
                absent=("ServiceDeploymentNotFoundException",),
                serviceDeploymentArns=[service.current],
            )
        except (PermissionDenied, Unsupported):
            return None
        return next(map(_service_deployment, (answer or {}).get("serviceDeployments", ())), None)

    def stopped(self, service: Service, rollout: Rollout) -> tuple[str, ...]:
        """Why the deployment's tasks stopped, each reason once; empty where the caller is not allowed to see it."""
        try:
            listed = self._session.call(
                "ecs", "ListTasks", cluster=service.cluster, serviceName=service.name, desiredStatus="STOPPED"
            )["taskArns"]
            if not listed:
                return ()
            tasks = self._session.call("ecs", "DescribeTasks", cluster=service.cluster, tasks=listed[:100])["tasks"]
        except (PermissionDenied, Unsupported):
            return ()
        reasons = [_why(task) for task in tasks if task.get("startedBy") == rollout.id]
        return tuple(dict.fromkeys(filter(None, reasons)))[:_MAX_REASONS]

    def changed_at(self, names: Sequence[str], *, store: SecretStore = SecretStore.PARAMETER_STORE) -> datetime | None:
        """When the value of any of those parameters or secrets was last written, UTC; None where there is none."""
        if store is SecretStore.SECRETS_MANAGER:
            moments = self._session.together(*(lambda name=name: self._secret_written(name) for name in names))
        else:
            # Without decryption: the time is returned anyway.
            answer = self._session.call("ssm", "GetParameters", Names=list(names), WithDecryption=False)
            moments = tuple(parameter["LastModifiedDate"] for parameter in answer["Parameters"])
        return max((moment.astimezone(UTC) for moment in moments if moment is not None), default=None)

    def _secret_written(self, name: str) -> datetime | None:
        # The secret's LastChangedDate also changes with a tag; the current version's CreatedDate does not.
        answer = self._session.find(
            "secretsmanager", "ListSecretVersionIds", absent=("ResourceNotFoundException",), SecretId=name
        )
        for version in (answer or {}).get("Versions", ()):
            if "AWSCURRENT" in version.get("VersionStages", ()):
                moment: datetime = version["CreatedDate"]
                return moment
        return None


def _service(service: Mapping[str, Any]) -> Service:
    configuration = service.get("deploymentConfiguration") or {}
    breaker = configuration.get("deploymentCircuitBreaker") or {}
    # ECS calls the newest one PRIMARY; the others are sorted by their creation.
    rollouts = sorted(service.get("deployments") or (), key=lambda rollout: rollout["createdAt"], reverse=True)
    rollouts.sort(key=lambda rollout: rollout.get("status") != "PRIMARY")
    return Service(
        cluster=resource_name(str(service["clusterArn"])),
        name=str(service["serviceName"]),
        task_definition=str(service.get("taskDefinition") or ""),
        rollouts=tuple(_rollout(rollout) for rollout in rollouts),
        controller=str((service.get("deploymentController") or {}).get("type") or "ECS"),
        breaks=bool(breaker.get("enable")),
        rolls_back=bool(breaker.get("enable") and breaker.get("rollback")),
        grace_seconds=int(service.get("healthCheckGracePeriodSeconds") or 0),
        events=tuple(str(event["message"]) for event in service.get("events") or ()),
        arn=str(service.get("serviceArn") or ""),
        strategy=str(configuration.get("strategy") or "ROLLING"),
        bake_minutes=int(configuration.get("bakeTimeInMinutes") or 0),
        shift_minutes=_shift_minutes(configuration),
        has_hooks=bool(configuration.get("lifecycleHooks")),
        current=str(service.get("currentServiceDeployment") or ""),
        is_express=service.get("resourceManagementType") == "ECS",
    )


def _shift_minutes(configuration: Mapping[str, Any]) -> int:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html"""
    linear, canary = (configuration.get(f"{name}Configuration") or {} for name in ("linear", "canary"))
    match configuration.get("strategy"):
        case "LINEAR":
            steps = math.ceil(100 / float(linear.get("stepPercent") or 10))
            return (steps - 1) * int(linear.get("stepBakeTimeInMinutes") or 0)
        case "CANARY":
            return int(canary.get("canaryBakeTimeInMinutes") or 0)
    return 0


def _service_deployment(deployment: Mapping[str, Any]) -> ServiceDeployment:
    paused = (
        PausedHook(
            id=str(hook["hookId"]),
            expires=hook["expiresAt"].astimezone(UTC) if hook.get("expiresAt") else None,
            then=str(hook.get("timeoutAction") or "ROLLBACK"),
        )
        for hook in deployment.get("lifecycleHookDetails") or ()
        if hook.get("status") == "AWAITING_ACTION" and hook.get("hookId")
    )
    rollback = deployment.get("rollback") or {}
    return ServiceDeployment(
        arn=str(deployment["serviceDeploymentArn"]),
        status=str(deployment.get("status") or ""),
        made=deployment["createdAt"].astimezone(UTC),
        stage=str(deployment.get("lifecycleStage") or ""),
        reason=str(rollback.get("reason") or deployment.get("statusReason") or ""),
        traffic=(deployment.get("targetServiceRevision") or {}).get("requestedProductionTrafficWeight"),
        paused=next(paused, None),
    )


def _rollout(deployment: Mapping[str, Any]) -> Rollout:
    return Rollout(
        id=str(deployment["id"]),
        task_definition=str(deployment.get("taskDefinition") or ""),
        state=RolloutState(str(deployment.get("rolloutState") or "")),
        reason=str(deployment.get("rolloutStateReason") or ""),
        made=deployment["createdAt"].astimezone(UTC),
        desired=int(deployment.get("desiredCount") or 0),
        running=int(deployment.get("runningCount") or 0),
        failed=int(deployment.get("failedTasks") or 0),
    )


def _why(task: Mapping[str, Any]) -> str:
    reason = str(task.get("stoppedReason") or "")
    ended = [
        f"the container {container['name']} exited with {container['exitCode']}"
        for container in task.get("containers") or ()
        if container.get("exitCode")
    ]
    return ": ".join(filter(None, (reason, ", ".join(ended))))
