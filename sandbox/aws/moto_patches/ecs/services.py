"""Corrections about ECS: what a task definition must be, how a service rolls out, and that tasks keep what they read.

It may read and write the emulator's ECS, and keep services with their rollouts in this process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from moto.ecs.models import ecs_backends

from sandbox.aws.iam.principals import Principal
from sandbox.aws.moto_patches.ecs.rollouts import Rollout, Service, Task
from sandbox.aws.protocol import Answer, AwsError, Call, json_answer
from sandbox.state import ACCOUNT

_DROPPED = (
    "availabilityZoneRebalancing",
    "deploymentConfiguration",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "healthCheckGracePeriodSeconds",
    "placementConstraints",
    "placementStrategy",
)
"""What the emulator forgets of a service, or writes where no answer tells it."""

_services: dict[tuple[str, str, str], Service] = {}
"""By Region, cluster and name."""


def secrets_need_an_execution_role_and_names_of_their_own(call: Call, who: Principal | None) -> None:
    """AWS refuses a container's secrets without an execution role, and a name that is in `environment` as well.

    The emulator registers both.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html
    """
    for container in call.parameters.get("containerDefinitions") or ():
        names = [one.get("name") for one in container.get("secrets") or ()]
        plain = {one.get("name") for one in container.get("environment") or ()}
        if names and not call.parameters.get("executionRoleArn"):
            what = "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."
            raise AwsError("ClientException", what)
        for name in names:
            if name in plain or names.count(name) > 1:
                what = (
                    "The secret name must be unique and not shared with any new or existing environment variables "
                    f"set on the container, such as '{name}'."
                )
                raise AwsError("ClientException", what)


def a_service_takes_an_active_task_definition(call: Call, who: Principal | None) -> None:
    """AWS answers ClientException for a task definition that was deregistered; the emulator takes it.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeregisterTaskDefinition.html
    """
    for revisions in ecs_backends[ACCOUNT][call.region].task_definitions.values():
        for one in revisions.values():
            named = (one.arn, one.arn.rpartition("/")[2])
            if call.parameters.get("taskDefinition") in named and one.status != "ACTIVE":
                raise AwsError("ClientException", "TaskDefinition is inactive")


def a_service_begins_a_rollout(call: Call, answer: Answer) -> Answer:
    """AWS starts a deployment's tasks in the background, and tells its rollout state; the emulator starts nothing.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Deployment.html
    """
    found = json.loads(answer.body)
    told = found["service"]
    if told.get("deploymentController", {}).get("type", "ECS") != "ECS":
        return answer
    one = _services[_key(call.region, told)] = Service(
        region=call.region, cluster=_cluster(told), name=told["serviceName"], settings=_kept(call)
    )
    one.begin(_definition(call, told), told["desiredCount"])
    return _told(answer, found, [told])


def a_service_rolls_out_what_is_changed(call: Call, answer: Answer) -> Answer:
    """AWS begins a deployment for another task definition or configuration, or when it is forced to.

    The former deployment's tasks run on until the new one is steady. The emulator changes the service's task
    definition in place, and keeps whatever it was called in the request.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
    """
    found = json.loads(answer.body)
    told = found["service"]
    one = _services.get(_key(call.region, told))
    if one is None:
        return answer
    one.settings |= _kept(call)
    now, wanted = one.rollouts[0], _definition(call, told)
    if wanted != now.definition or call.parameters.get("forceNewDeployment"):
        one.begin(wanted, told["desiredCount"])
    elif told["desiredCount"] != now.desired:
        now.desired, now.state, now.tasks = told["desiredCount"], "IN_PROGRESS", now.tasks[: told["desiredCount"]]
    return _told(answer, found, [told])


def a_rollout_goes_on(call: Call, answer: Answer) -> Answer:
    """AWS's deployments come to their ends by themselves; here each look at a service is one step.

    IN_PROGRESS, with the tasks started; COMPLETED at the next look, the former deployment gone; FAILED only with a
    circuit breaker, after three failures at least.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
    """
    found = json.loads(answer.body)
    for told in found["services"]:
        if told["status"] == "ACTIVE" and (one := _services.get(_key(call.region, told))):
            one.advance()
    return _told(answer, found, found["services"])


def a_services_tasks_are_listed(call: Call, who: Principal | None) -> Answer | None:
    """AWS lists the tasks that a service started, the stopped ones for an hour; the emulator has none.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
    """
    given = call.parameters
    one = _find(call.region, str(given.get("cluster", "default")), str(given.get("serviceName", "")))
    if one is None:
        return None
    tasks = one.stopped if given.get("desiredStatus") == "STOPPED" else _running(one)
    return json_answer({"taskArns": [task.arn for task in tasks]})


def a_services_tasks_are_described(call: Call, who: Principal | None) -> Answer | None:
    """AWS tells why a task stopped.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-errors.html
    """
    wanted = {str(one).rpartition("/")[2] for one in call.parameters.get("tasks") or ()}
    found = [
        _task(one, task)
        for one in _services.values()
        if one.region == call.region
        for task in (*_running(one), *one.stopped)
        if task.arn.rpartition("/")[2] in wanted
    ]
    return json_answer({"tasks": found, "failures": []}) if found else None


# --- the sandbox's own address ------------------------------------------------------------------------------------


def running_tasks(cluster: str, service: str, region: str) -> dict[str, Any]:
    """The running tasks with the environment of each container: read when the task started, and kept."""
    one = _find(region, cluster, service)
    if one is None:
        raise AwsError("NotFound", f"there is no service {service} in the cluster {cluster}", 404)
    return {
        "tasks": [
            {"taskArn": task.arn, "taskDefinitionArn": task.definition, "environment": task.environment}
            for task in _running(one)
        ]
    }


def let_tasks_end(cluster: str, service: str, region: str, exit_code: int, times: int) -> None:
    """Let an essential container of each of the next tasks end with a code."""
    one = _find(region, cluster, service)
    if one is None:
        raise AwsError("NotFound", f"there is no service {service} in the cluster {cluster}", 404)
    one.exit_code, one.ending = exit_code, times


# --- what is told -------------------------------------------------------------------------------------------------


def _key(region: str, told: dict[str, Any]) -> tuple[str, str, str]:
    return region, _cluster(told), told["serviceName"]


def _cluster(told: dict[str, Any]) -> str:
    return str(told["clusterArn"]).rpartition("/")[2]


def _find(region: str, cluster: str, service: str) -> Service | None:
    return _services.get((region, cluster.rpartition("/")[2], service.rpartition("/")[2]))


def _kept(call: Call) -> dict[str, Any]:
    return {name: call.parameters[name] for name in _DROPPED if call.parameters.get(name) is not None}


def _definition(call: Call, told: dict[str, Any]) -> str:
    """The ARN of what was called by its family, by family and revision, or by its ARN."""
    named = str(call.parameters.get("taskDefinition") or told["taskDefinition"])
    return str(ecs_backends[ACCOUNT][call.region].describe_task_definition(named).arn)


def _running(one: Service) -> Iterator[Task]:
    for rollout in one.rollouts:
        yield from rollout.tasks


def _told(answer: Answer, found: dict[str, Any], services: list[dict[str, Any]]) -> Answer:
    for told in services:
        region = str(told["serviceArn"]).split(":")[3]
        one = _services.get(_key(region, told))
        if one is None or told["status"] != "ACTIVE":
            continue
        running = len(list(_running(one)))
        told |= one.settings | {
            "taskDefinition": one.rollouts[0].definition,
            "runningCount": running,
            "pendingCount": max(0, told["desiredCount"] - running),
            "events": one.events[:100],
            "deployments": [_deployment(one, rollout) for rollout in one.rollouts],
        }
        # The emulator's record of the service is what ListServices and another UpdateService go by.
        ecs_backends[ACCOUNT][region].services[f"{one.cluster}:{one.name}"].task_definition = told["taskDefinition"]
    return replace(answer, body=json_answer(found).body)


def _deployment(one: Service, rollout: Rollout) -> dict[str, Any]:
    return {
        "id": rollout.id,
        "status": "PRIMARY" if rollout is one.rollouts[0] else "ACTIVE",
        "taskDefinition": rollout.definition,
        "desiredCount": rollout.desired,
        "pendingCount": max(0, rollout.desired - len(rollout.tasks)) if rollout.state == "IN_PROGRESS" else 0,
        "runningCount": len(rollout.tasks),
        "failedTasks": rollout.failed,
        "createdAt": rollout.made,
        "updatedAt": rollout.updated,
        "rolloutState": rollout.state,
        "rolloutStateReason": rollout.reason,
    }


def _task(one: Service, task: Task) -> dict[str, Any]:
    status = "STOPPED" if task.stop_code else "RUNNING"
    stopped = {"stopCode": task.stop_code, "stoppedReason": task.stopped_reason} if task.stop_code else {}
    exited = {"exitCode": task.exit_code} if task.exit_code is not None else {}
    return {
        "taskArn": task.arn,
        "clusterArn": f"arn:aws:ecs:{one.region}:{ACCOUNT}:cluster/{one.cluster}",
        "taskDefinitionArn": task.definition,
        "group": f"service:{one.name}",
        "startedBy": task.rollout,
        "lastStatus": status,
        "desiredStatus": status,
        "createdAt": task.started,
        "startedAt": task.started,
        "containers": [{"name": name, "lastStatus": status, **exited} for name in task.environment],
        **stopped,
    }
