"""The deployment's application on ECS: a cluster, a task definition and a service as somebody made them, and what runs.

Touches the deployment's cloud, through AWS's own clients and the sandbox's own addresses.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.onboarding.deployment import Deployment

NAME = "eonpro"
"""Of the cluster, the service and the family: as examples/ecs.yaml has them."""
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


@dataclass(kw_only=True)
class OnEcs:
    """A service with two tasks, of a task definition that knows nothing of the key."""

    deployment: Deployment
    first: str
    """The ARN of the revision that it began with."""
    ecs: Any = field(repr=False)

    def look(self) -> dict[str, Any]:
        """The service, and one step of its rollout."""
        found: dict[str, Any] = self.ecs.describe_services(cluster=NAME, services=[NAME])["services"][0]
        return found

    def revision(self) -> dict[str, Any]:
        """The task definition that the service runs."""
        arn = self.look()["taskDefinition"]
        described = self.ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
        return {**described["taskDefinition"], "tags": described.get("tags", [])}

    def revisions(self) -> int:
        """How many there are."""
        return len(self.ecs.list_task_definitions(familyPrefix=NAME)["taskDefinitionArns"])

    def held(self) -> list[dict[str, str]]:
        """What the container of each running task found in its environment when it started."""
        return [task["environment"]["web"] for task in self._sandbox("GET", f"?cluster={NAME}&service={NAME}")["tasks"]]

    def tasks_end(self, exit_code: int, times: int) -> None:
        """So many tasks of those that start from now on end with that code."""
        ordered = {"cluster": NAME, "service": NAME, "exitCode": exit_code, "times": times}
        self._sandbox("POST", "", ordered)

    def forbid(self) -> None:
        """ECS may no longer read the variables for the task: somebody took the policy off its role."""
        iam = self.deployment.client("iam")
        iam.detach_role_policy(RoleName="eonpro-execution-role", PolicyArn=self._reading(iam))

    def allow(self) -> None:
        """The policy is put back."""
        iam = self.deployment.client("iam")
        iam.attach_role_policy(RoleName="eonpro-execution-role", PolicyArn=self._reading(iam))

    def _reading(self, iam: Any) -> str:
        policies = iam.list_policies(Scope="Local")["Policies"]
        names = ("EONPROParameterAccess", "EONPROSecretAccess")
        return next(str(one["Arn"]) for one in policies if one["PolicyName"] in names)

    def _sandbox(self, method: str, query: str, body: object = None) -> dict[str, Any]:
        url = f"{self.deployment.environment['AWS_ENDPOINT_URL']}/_sandbox/tasks{query}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, method=method, data=data)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found


@contextmanager
def service_of(deployment: Deployment) -> Iterator[OnEcs]:
    """The service, steady; taken away again at the end, its task definitions with it."""
    without_service(deployment)
    ecs = deployment.client("ecs")
    container = {
        "name": "web",
        "image": "clinic/web:7",
        "memory": 256,
        "environment": [{"name": "NODE_ENV", "value": "production"}, {"name": "AWS_REGION", "value": "us-east-1"}],
    }
    made = ecs.register_task_definition(
        family=NAME, containerDefinitions=[container], tags=[{"key": "team", "value": "web"}]
    )
    first = made["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(
        cluster=NAME, serviceName=NAME, taskDefinition=first, desiredCount=2, healthCheckGracePeriodSeconds=30
    )
    found = OnEcs(deployment=deployment, first=first, ecs=ecs)
    try:
        found.look()
        found.look()
        yield found
    finally:
        without_service(deployment)


def without_service(deployment: Deployment) -> None:
    """The service is taken away, its task definitions with it."""
    ecs = deployment.client("ecs")
    if ecs.list_services(cluster=NAME)["serviceArns"]:
        ecs.delete_service(cluster=NAME, service=NAME, force=True)
    for arn in ecs.list_task_definitions(familyPrefix=NAME)["taskDefinitionArns"]:
        ecs.deregister_task_definition(taskDefinition=arn)
