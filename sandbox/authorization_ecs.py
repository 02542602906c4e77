"""What a call of ECS is about, as its policies name it: the resources, and the condition keys of ECS's own.

It may read the emulator's ECS in this process.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
"""

from __future__ import annotations

from moto.ecs.models import ecs_backends

from sandbox.state import ACCOUNT
from sandbox.wire import Call

_OF_NO_CLUSTER = ("RegisterTaskDefinition", "DescribeTaskDefinition", "DeregisterTaskDefinition")


def ecs_context(call: Call) -> dict[str, tuple[str, ...]]:
    """The cluster that the call is in, and the task definition that a service is to run."""
    found: dict[str, tuple[str, ...]] = {}
    if call.operation not in _OF_NO_CLUSTER:
        found["ecs:cluster"] = (_arn(call, f"cluster/{_cluster(call)}"),)
    if call.operation in ("CreateService", "UpdateService") and call.parameters.get("taskDefinition"):
        found["ecs:task-definition"] = (_task_definition(call, str(call.parameters["taskDefinition"])),)
    return found


def ecs_resources(call: Call) -> list[str]:
    """What the call is about; reading and deregistering task definitions, and most listing, are about no resource."""
    given, operation, cluster = call.parameters, call.operation, _cluster(call)
    if operation == "RegisterTaskDefinition":
        family = str(given.get("family"))
        revision = len(ecs_backends[ACCOUNT][call.region].task_definitions.get(family, ())) + 1
        return [_arn(call, f"task-definition/{family}:{revision}")]
    if operation in ("CreateCluster", "DeleteCluster", "UpdateCluster"):
        return [_arn(call, f"cluster/{cluster}")]
    if operation == "DescribeClusters":
        return [_arn(call, f"cluster/{_last(one)}") for one in given.get("clusters") or ["default"]]
    if operation == "ListTasks":
        return [_arn(call, f"container-instance/{cluster}/*")]
    kind = "task" if operation.endswith(("Task", "Tasks")) else "service"
    named = given.get(f"{kind}s") or [given.get("serviceName" if operation == "CreateService" else kind)]
    if operation.startswith("List") or not any(named):
        return ["*"]
    return [_arn(call, f"{kind}/{cluster}/{_last(one)}") for one in named]


def _task_definition(call: Call, named: str) -> str:
    """The revision that is meant, as it is resolved before the call is authorized."""
    family, _, revision = _last(named).partition(":")
    newest = max(ecs_backends[ACCOUNT][call.region].task_definitions.get(family, {1: None}))
    return _arn(call, f"task-definition/{family}:{revision or newest}")


def _cluster(call: Call) -> str:
    return _last(call.parameters.get("cluster") or call.parameters.get("clusterName") or "default")


def _last(name_or_arn: object) -> str:
    return str(name_or_arn).rpartition("/")[2]


def _arn(call: Call, rest: str) -> str:
    return f"arn:aws:ecs:{call.region}:{ACCOUNT}:{rest}"
