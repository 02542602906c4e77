"""ECS: services with their rollouts, task definitions, and when the values were written that tasks read.

Registers task definitions and updates services; makes, scales and deletes none. Reads Parameter Store and Secrets
Manager for the time of a value, never for the value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from components.settings import SecretStore
from wizard.aws.auth.session import Session
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.models.deployment import Rollout, RolloutState, Service, TaskDefinition
from wizard.core.next_command import Command

AT_ONCE = 10
"""Services that DescribeServices returns in one call."""
_REASONS = 5
_STATES = frozenset(RolloutState)


@dataclass(frozen=True)
class Ecs:
    """The services of the session's Region: a `wizard.core.ports.aws.EcsServices`."""

    session: Session

    def services(self, cluster: str) -> tuple[Service, ...]:
        """All active services of a cluster."""
        try:
            arns = list(self.session.pages("ecs", "ListServices", "serviceArns", cluster=cluster))
        except ResourceError as error:
            raise self._without(cluster, error) from error
        return tuple(found for start in range(0, len(arns), AT_ONCE)
                     for found in self._described(cluster, arns[start : start + AT_ONCE]))  # fmt: skip

    def service(self, cluster: str, name: str) -> Service | None:
        """An active service; None when the cluster has none of that name, or there is no such cluster."""
        return next(iter(self._described(cluster, [name])), None)

    def _described(self, cluster: str, names: Sequence[str]) -> Iterator[Service]:
        answer = self.session.find(
            "ecs", "DescribeServices", absent=("ClusterNotFoundException",), cluster=cluster, services=list(names)
        )
        for found in (answer or {}).get("services", ()):
            # A deleted one is listed for a while.
            if found.get("status") == "ACTIVE":
                yield _service(found)

    def _without(self, cluster: str, error: ResourceError) -> ResourceError:
        if "ClusterNotFoundException" not in error.message:
            return error
        return ResourceError(
            f"there is no ECS cluster {cluster} in {self.session.region}",
            Command(
                f"aws ecs list-clusters --region {self.session.region}",
                advice="then: pulumi config set eonpro-kms:ecsCluster NAME",
            ),
        )

    def task_definition(self, name: str) -> TaskDefinition | None:
        """A revision by its ARN, or the newest active one of a family, with its tags."""
        answer = self.session.find(
            "ecs", "DescribeTaskDefinition", absent=("ClientException",), taskDefinition=name, include=["TAGS"]
        )
        return None if answer is None else self._definition(answer)

    def register(self, body: Mapping[str, Any]) -> TaskDefinition:
        """A new revision of the body's family."""
        return self._definition(self.session.call("ecs", "RegisterTaskDefinition", **body))

    def _definition(self, answer: Mapping[str, Any]) -> TaskDefinition:
        found = answer["taskDefinition"]
        # AWS's own description says what can be registered: the rest is what AWS adds when it describes a revision.
        model = self.session.client("ecs").meta.service_model.operation_model("RegisterTaskDefinition")
        body = {name: found[name] for name in model.input_shape.members if found.get(name) not in (None, [], "")}
        if answer.get("tags"):
            body["tags"] = answer["tags"]
        return TaskDefinition(
            arn=str(found["taskDefinitionArn"]), active=found.get("status", "ACTIVE") == "ACTIVE", body=body
        )

    def update(self, service: Service, task_definition: str, *, force: bool) -> Rollout:
        """UpdateService with the revision and nothing else; the deployment that is then its newest."""
        answer = self.session.call(
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
                f"ECS began no deployment of {service.cluster}/{service.name}",
                Command(f"aws ecs describe-services --cluster {service.cluster} --services {service.name}"),
            )
        return newest

    def stopped(self, service: Service, rollout: Rollout) -> tuple[str, ...]:
        """Why the deployment's tasks stopped, each reason once; empty where the caller may not see it."""
        try:
            listed = self.session.call(
                "ecs", "ListTasks", cluster=service.cluster, serviceName=service.name, desiredStatus="STOPPED"
            )["taskArns"]
            if not listed:
                return ()
            found = self.session.call("ecs", "DescribeTasks", cluster=service.cluster, tasks=listed[:100])["tasks"]
        except (PermissionDenied, Unsupported):
            return ()
        told = [_why(task) for task in found if task.get("startedBy") == rollout.id]
        return tuple(dict.fromkeys(filter(None, told)))[:_REASONS]

    def changed_at(self, names: Sequence[str], *, store: SecretStore = SecretStore.PARAMETER_STORE) -> datetime | None:
        """When the value of any of them was written last."""
        if store is SecretStore.SECRETS_MANAGER:
            found = self.session.together(*(lambda name=name: self._secret_written(name) for name in names))
        else:
            # Without decryption: the time is returned all the same.
            answer = self.session.call("ssm", "GetParameters", Names=list(names), WithDecryption=False)
            found = tuple(each["LastModifiedDate"] for each in answer["Parameters"])
        return max((moment.astimezone(UTC) for moment in found if moment is not None), default=None)

    def _secret_written(self, name: str) -> datetime | None:
        # Its LastChangedDate moves with a tag too; that of the current version does not.
        answer = self.session.find(
            "secretsmanager", "ListSecretVersionIds", absent=("ResourceNotFoundException",), SecretId=name
        )
        for version in (answer or {}).get("Versions", ()):
            if "AWSCURRENT" in version.get("VersionStages", ()):
                moment: datetime = version["CreatedDate"]
                return moment
        return None


def _service(found: Mapping[str, Any]) -> Service:
    breaker = (found.get("deploymentConfiguration") or {}).get("deploymentCircuitBreaker") or {}
    # The newest is called PRIMARY; the order of the others is by their beginning.
    rollouts = sorted(found.get("deployments") or (), key=lambda one: one["createdAt"], reverse=True)
    rollouts.sort(key=lambda one: one.get("status") != "PRIMARY")
    return Service(
        cluster=str(found["clusterArn"]).rpartition("/")[2],
        name=str(found["serviceName"]),
        task_definition=str(found.get("taskDefinition") or ""),
        rollouts=tuple(_rollout(one) for one in rollouts),
        controller=str((found.get("deploymentController") or {}).get("type") or "ECS"),
        breaks=bool(breaker.get("enable")),
        rolls_back=bool(breaker.get("enable") and breaker.get("rollback")),
        grace_seconds=int(found.get("healthCheckGracePeriodSeconds") or 0),
        events=tuple(str(event["message"]) for event in found.get("events") or ()),
    )


def _rollout(found: Mapping[str, Any]) -> Rollout:
    state = str(found.get("rolloutState") or "")
    return Rollout(
        id=str(found["id"]),
        task_definition=str(found.get("taskDefinition") or ""),
        state=RolloutState(state) if state in _STATES else RolloutState.UNTOLD,
        reason=str(found.get("rolloutStateReason") or ""),
        made=found["createdAt"].astimezone(UTC),
        desired=int(found.get("desiredCount") or 0),
        running=int(found.get("runningCount") or 0),
        failed=int(found.get("failedTasks") or 0),
    )


def _why(task: Mapping[str, Any]) -> str:
    reason = str(task.get("stoppedReason") or "")
    ended = [
        f"the container {one['name']} exited with {one['exitCode']}"
        for one in task.get("containers") or ()
        if one.get("exitCode")
    ]
    return ": ".join(filter(None, (reason, ", ".join(ended))))
