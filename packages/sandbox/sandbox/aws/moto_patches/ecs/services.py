"""Patches of ECS: validation of task definitions, deployments of services, and their tasks.

Reads and writes moto's ECS; keeps services with their deployments in this process.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from moto.ecs.models import ecs_backends

from sandbox.arns import name_of
from sandbox.arns import parse as parse_arn
from sandbox.aws.iam.principals import Principal
from sandbox.aws.moto_patches.ecs.deployments import Deployment, Service, Task
from sandbox.aws.protocol import AwsError, Call, Response, json_response
from sandbox.state import ACCOUNT, REGION

_SETTINGS_DROPPED_BY_MOTO = (
    "availabilityZoneRebalancing",
    "deploymentConfiguration",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "healthCheckGracePeriodSeconds",
    "placementConstraints",
    "placementStrategy",
)
"""The settings of a service that moto does not return."""

_services: dict[tuple[str, str, str], Service] = {}
"""By Region, cluster and name."""


def check_container_secrets(call: Call, caller: Principal | None) -> None:
    """AWS rejects container secrets without an execution role, and a secret whose name is also in `environment`.

    Moto accepts both.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html
    """
    for container in call.parameters.get("containerDefinitions") or ():
        names = [secret.get("name") for secret in container.get("secrets") or ()]
        plain = {variable.get("name") for variable in container.get("environment") or ()}
        if names and not call.parameters.get("executionRoleArn"):
            message = "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."
            raise AwsError("ClientException", message)
        for name in names:
            if name in plain or names.count(name) > 1:
                message = (
                    "The secret name must be unique and not shared with any new or existing environment variables "
                    f"set on the container, such as '{name}'."
                )
                raise AwsError("ClientException", message)


def refuse_inactive_task_definition(call: Call, caller: Principal | None) -> None:
    """AWS answers ClientException for a deregistered task definition; moto accepts it.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeregisterTaskDefinition.html
    """
    for revisions in ecs_backends[ACCOUNT][call.region].task_definitions.values():
        for definition in revisions.values():
            names = (definition.arn, name_of(definition.arn))
            if call.parameters.get("taskDefinition") in names and definition.status != "ACTIVE":
                raise AwsError("ClientException", "TaskDefinition is inactive")


def start_deployment(call: Call, response: Response) -> Response:
    """AWS starts a deployment's tasks in the background and returns its rollout state; moto starts nothing.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Deployment.html
    """
    payload = json.loads(response.body)
    described = payload["service"]
    if described.get("deploymentController", {}).get("type", "ECS") != "ECS":
        return response
    service = _services[_key(call.region, described)] = Service(
        region=call.region, cluster=_cluster(described), name=described["serviceName"], settings=_settings(call)
    )
    service.start_deployment(_definition(call, described), described["desiredCount"])
    return _add_deployments(response, payload, [described])


def update_deployment(call: Call, response: Response) -> Response:
    """AWS starts a deployment for another task definition, or when forceNewDeployment is set.

    The previous deployment's tasks keep running until the new one is complete. Moto changes the service's task
    definition in place, and keeps it as the request names it.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
    """
    payload = json.loads(response.body)
    described = payload["service"]
    service = _services.get(_key(call.region, described))
    if service is None:
        return response
    service.settings |= _settings(call)
    current, definition = service.deployments[0], _definition(call, described)
    if definition != current.task_definition or call.parameters.get("forceNewDeployment"):
        service.start_deployment(definition, described["desiredCount"])
    elif described["desiredCount"] != current.desired:
        current.desired, current.state = described["desiredCount"], "IN_PROGRESS"
        current.tasks = current.tasks[: current.desired]
    return _add_deployments(response, payload, [described])


def advance_deployment(call: Call, response: Response) -> Response:
    """AWS's deployments proceed by themselves; here each DescribeServices is one step.

    IN_PROGRESS with the tasks started, then COMPLETED without the previous deployment; FAILED only with a
    circuit breaker, after at least three failures.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
    """
    payload = json.loads(response.body)
    for described in payload["services"]:
        if described["status"] == "ACTIVE" and (service := _services.get(_key(call.region, described))):
            service.advance()
    return _add_deployments(response, payload, payload["services"])


def list_tasks(call: Call, caller: Principal | None) -> Response | None:
    """AWS lists the tasks of a service, stopped ones for an hour; moto has none.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
    """
    parameters = call.parameters
    service = _find(call.region, str(parameters.get("cluster", "default")), str(parameters.get("serviceName", "")))
    if service is None:
        return None
    tasks = service.stopped if parameters.get("desiredStatus") == "STOPPED" else _running(service)
    return json_response({"taskArns": [task.arn for task in tasks]})


def describe_tasks(call: Call, caller: Principal | None) -> Response | None:
    """AWS returns the reason why a task stopped; moto has no tasks of services.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-errors.html
    """
    task_ids = {name_of(name) for name in call.parameters.get("tasks") or ()}
    payload = [
        _task(service, task)
        for service in _services.values()
        if service.region == call.region
        for task in (*_running(service), *service.stopped)
        if name_of(task.arn) in task_ids
    ]
    return json_response({"tasks": payload, "failures": []}) if payload else None


def describe_service_deployments(call: Call, caller: Principal | None) -> Response:
    """AWS tells how far each service deployment is with its strategy; moto does not know them.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServiceDeployments.html
    """
    asked = set(call.parameters.get("serviceDeploymentArns") or ())
    known = {
        arn: _service_deployment(service, deployment, arn)
        for service in _services.values()
        if service.region == call.region
        for deployment in service.deployments
        if (arn := _service_deployment_arn(service, deployment)) in asked
    }
    failures = [{"arn": arn, "reason": "MISSING"} for arn in sorted(asked - known.keys())]
    return json_response({"serviceDeployments": list(known.values()), "failures": failures})


def continue_service_deployment(call: Call, caller: Principal | None) -> Response:
    """AWS lets a deployment go on that waits at a PAUSE hook, or rolls it back; moto does not know it.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContinueServiceDeployment.html
    """
    arn, hook = call.parameters.get("serviceDeploymentArn"), call.parameters.get("hookId")
    for service in _services.values():
        current = service.deployments[0]
        if _service_deployment_arn(service, current) == arn and current.waits_for and current.waits_for == hook:
            service.answer_hook(str(call.parameters.get("action", "CONTINUE")))
            return json_response({"serviceDeploymentArn": arn})
    raise AwsError("InvalidParameterException", "The hook does not await an action.")


def _service_deployment_arn(service: Service, deployment: Deployment) -> str:
    id = deployment.id.rpartition("/")[2]
    return f"arn:aws:ecs:{service.region}:{ACCOUNT}:service-deployment/{service.cluster}/{service.name}/{id}"


_STATUSES = {"IN_PROGRESS": "IN_PROGRESS", "COMPLETED": "SUCCESSFUL", "FAILED": "ROLLBACK_SUCCESSFUL"}


def _service_deployment(service: Service, deployment: Deployment, arn: str) -> dict[str, Any]:
    hook = {"hookId": deployment.waits_for, "targetType": "PAUSE", "status": "AWAITING_ACTION"}
    hooks = service.configuration.get("lifecycleHooks") or [{}]
    timeout: dict[str, Any] = hooks[0].get("timeoutConfiguration", {})
    expires = deployment.stage_at + 60 * timeout.get("timeoutInMinutes", 1440)
    hook |= {"expiresAt": expires, "timeoutAction": timeout.get("action", "ROLLBACK")}
    return {
        "serviceDeploymentArn": arn,
        "status": _STATUSES[deployment.state],
        "statusReason": deployment.reason,
        "createdAt": deployment.created_at,
        "updatedAt": deployment.updated_at,
        "lifecycleStage": deployment.stage,
        "lifecycleHookDetails": [hook] if deployment.waits_for else [],
        "deploymentConfiguration": service.configuration,
    }


def create_express_gateway_service(call: Call, caller: Principal | None) -> Response:
    """AWS makes a service whose task definitions and canary deployments it manages itself; moto does not know it.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateExpressGatewayService.html
    """
    parameters, backend = call.parameters, ecs_backends[ACCOUNT][call.region]
    cluster, name = str(parameters.get("cluster", "default")), str(parameters["serviceName"])
    backend.create_cluster(cluster)
    container = {"name": "Main", "essential": True, "memory": 512, **parameters["primaryContainer"]}
    definition = backend.register_task_definition(
        f"{cluster}-{name}", [container], execution_role_arn=parameters["executionRoleArn"]
    )
    described = backend.create_service(cluster, name, 1, definition.arn)
    service = _services[call.region, cluster, name] = Service(region=call.region, cluster=cluster, name=name)
    service.settings = {
        "resourceManagementType": "ECS",
        "deploymentConfiguration": {
            "strategy": "CANARY",
            "canaryConfiguration": {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 3},
            "bakeTimeInMinutes": 3,
        },
    }
    service.start_deployment(definition.arn, 1)
    first = service.deployments[0]
    service.advance()
    service.advance()
    first.state, first.stage = "COMPLETED", "CLEAN_UP"
    return json_response({"service": {"cluster": cluster, "serviceName": name, "serviceArn": described.arn}})


def seed_service(name: str) -> None:
    """A cluster with a service that has run for an hour, all of this name; its task definition has no data key."""
    backend = ecs_backends[ACCOUNT][REGION]
    backend.create_cluster(name)
    container = {"name": "web", "image": f"{name}/web:1", "memory": 256, "essential": True}
    container["environment"] = [{"name": "NODE_ENV", "value": "production"}]
    definition = backend.register_task_definition(name, [container])
    backend.create_service(name, name, 1, definition.arn)
    service = _services[REGION, name, name] = Service(region=REGION, cluster=name, name=name)
    service.start_deployment(definition.arn, 1)
    service.advance()
    service.advance()
    [deployment] = service.deployments
    deployment.created_at = deployment.updated_at = deployment.tasks[0].started = time.time() - 3600


# For the control API


def running_tasks(cluster: str, service_name: str, region: str) -> dict[str, Any]:
    """The running tasks with the variables of each container, as they were when the task started."""
    service = _find(region, cluster, service_name)
    if service is None:
        raise AwsError("NotFound", f"there is no service {service_name} in the cluster {cluster}", 404)
    return {
        "tasks": [
            {"taskArn": task.arn, "taskDefinitionArn": task.task_definition, "environment": task.environment}
            for task in _running(service)
        ]
    }


def end_next_tasks(cluster: str, service_name: str, region: str, exit_code: int, times: int) -> None:
    """Let an essential container of each of the next tasks exit with a code."""
    service = _find(region, cluster, service_name)
    if service is None:
        raise AwsError("NotFound", f"there is no service {service_name} in the cluster {cluster}", 404)
    service.exit_code, service.tasks_to_end = exit_code, times


# Parts of responses


def _key(region: str, described: dict[str, Any]) -> tuple[str, str, str]:
    return region, _cluster(described), described["serviceName"]


def _cluster(described: dict[str, Any]) -> str:
    return name_of(described["clusterArn"])


def _find(region: str, cluster: str, service_name: str) -> Service | None:
    return _services.get((region, name_of(cluster), name_of(service_name)))


def _settings(call: Call) -> dict[str, Any]:
    return {name: call.parameters[name] for name in _SETTINGS_DROPPED_BY_MOTO if call.parameters.get(name) is not None}


def _definition(call: Call, described: dict[str, Any]) -> str:
    """The ARN of the task definition that the call names by family, by family and revision, or by ARN."""
    named = str(call.parameters.get("taskDefinition") or described["taskDefinition"])
    return str(ecs_backends[ACCOUNT][call.region].describe_task_definition(named).arn)


def _running(service: Service) -> Iterator[Task]:
    for deployment in service.deployments:
        yield from deployment.tasks


def _add_deployments(response: Response, payload: dict[str, Any], services: list[dict[str, Any]]) -> Response:
    for described in services:
        region = parse_arn(described["serviceArn"]).region
        service = _services.get(_key(region, described))
        if service is None or described["status"] != "ACTIVE":
            continue
        running = len(list(_running(service)))
        described |= service.settings | {
            "taskDefinition": service.deployments[0].task_definition,
            "runningCount": running,
            "pendingCount": max(0, described["desiredCount"] - running),
            "events": service.events[:100],
            "deployments": [_deployment(service, deployment) for deployment in service.deployments],
            "currentServiceDeployment": _service_deployment_arn(service, service.deployments[0]),
        }
        # ListServices and the next UpdateService read moto's own record.
        ecs_backends[ACCOUNT][region].services[f"{service.cluster}:{service.name}"].task_definition = described[
            "taskDefinition"
        ]
    return replace(response, body=json_response(payload).body)


def _deployment(service: Service, deployment: Deployment) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "status": "PRIMARY" if deployment is service.deployments[0] else "ACTIVE",
        "taskDefinition": deployment.task_definition,
        "desiredCount": deployment.desired,
        "pendingCount": max(0, deployment.desired - len(deployment.tasks)) if deployment.state == "IN_PROGRESS" else 0,
        "runningCount": len(deployment.tasks),
        "failedTasks": deployment.failed,
        "createdAt": deployment.created_at,
        "updatedAt": deployment.updated_at,
        "rolloutState": deployment.state,
        "rolloutStateReason": deployment.reason,
    }


def _task(service: Service, task: Task) -> dict[str, Any]:
    status = "STOPPED" if task.stop_code else "RUNNING"
    stopped = {"stopCode": task.stop_code, "stoppedReason": task.stopped_reason} if task.stop_code else {}
    exited = {"exitCode": task.exit_code} if task.exit_code is not None else {}
    return {
        "taskArn": task.arn,
        "clusterArn": f"arn:aws:ecs:{service.region}:{ACCOUNT}:cluster/{service.cluster}",
        "taskDefinitionArn": task.task_definition,
        "group": f"service:{service.name}",
        "startedBy": task.deployment,
        "lastStatus": status,
        "desiredStatus": status,
        "createdAt": task.started,
        "startedAt": task.started,
        "containers": [{"name": name, "lastStatus": status, **exited} for name in task.environment],
        **stopped,
    }
