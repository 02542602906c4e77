"""What a call of ECS is about: its resources, and the condition keys of its request.

Reads moto's ECS in this process.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
"""

from moto.ecs.models import ecs_backends

from sandbox.arns import name_of
from sandbox.aws.protocol import Call
from sandbox.state import ACCOUNT

_WITHOUT_CLUSTER = ("RegisterTaskDefinition", "DescribeTaskDefinition", "DeregisterTaskDefinition")


def ecs_context(call: Call) -> dict[str, tuple[str, ...]]:
    """The condition keys of ECS: the call's cluster, and the task definition of a service."""
    context: dict[str, tuple[str, ...]] = {}
    if call.operation not in _WITHOUT_CLUSTER:
        context["ecs:cluster"] = (_arn(call, f"cluster/{_cluster(call)}"),)
    if call.operation in ("CreateService", "UpdateService") and call.parameters.get("taskDefinition"):
        context["ecs:task-definition"] = (_task_definition(call, str(call.parameters["taskDefinition"])),)
    return context


def ecs_resources(call: Call) -> list[str]:
    """The ARNs that an ECS call is about; `*` for reading and deregistering task definitions and most lists."""
    parameters, operation, cluster = call.parameters, call.operation, _cluster(call)
    if operation == "RegisterTaskDefinition":
        family = str(parameters.get("family"))
        revision = len(ecs_backends[ACCOUNT][call.region].task_definitions.get(family, ())) + 1
        return [_arn(call, f"task-definition/{family}:{revision}")]
    if operation in ("CreateCluster", "DeleteCluster", "UpdateCluster"):
        return [_arn(call, f"cluster/{cluster}")]
    if operation == "DescribeClusters":
        return [_arn(call, f"cluster/{name_of(item)}") for item in parameters.get("clusters") or ["default"]]
    if operation == "ListTasks":
        return [_arn(call, f"container-instance/{cluster}/*")]
    if operation.endswith(("ServiceDeployment", "ServiceDeployments")):
        return [str(arn) for arn in parameters.get("serviceDeploymentArns") or [parameters.get("serviceDeploymentArn")]]
    kind = "task" if operation.endswith(("Task", "Tasks")) else "service"
    named = parameters.get(f"{kind}s") or [parameters.get("serviceName" if operation == "CreateService" else kind)]
    if operation.startswith("List") or not any(named):
        return ["*"]
    return [_arn(call, f"{kind}/{cluster}/{name_of(item)}") for item in named]


def _task_definition(call: Call, named: str) -> str:
    """The ARN of a task definition, with the newest revision when none is named."""
    family, _, revision = name_of(named).partition(":")
    newest = max(ecs_backends[ACCOUNT][call.region].task_definitions.get(family, {1: None}))
    return _arn(call, f"task-definition/{family}:{revision or newest}")


def _cluster(call: Call) -> str:
    return name_of(call.parameters.get("cluster") or call.parameters.get("clusterName") or "default")


def _arn(call: Call, resource: str) -> str:
    return f"arn:aws:ecs:{call.region}:{ACCOUNT}:{resource}"
