"""ECS in the sandbox, as AWS documents it: deployments, the start of tasks, the circuit breaker; over HTTP."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.secretsmanager.models import secretsmanager_backends

from sandbox.aws.iam.authorization import required_actions
from sandbox.aws.moto_patches.storage import add_version_dates
from sandbox.aws.protocol import Call, json_response

ACCOUNT = "123456789012"
TRUST = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
LOUD = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@dataclass(kw_only=True)
class EcsService:
    """A service in a cluster of its own, whose one parameter its execution role may read."""

    cloud: Any
    ecs: Any
    name: str
    parameter: str
    role: str
    first: str

    def register(self, **changes: Any) -> str:
        """A new revision, whose container has the parameter as a secret."""
        secrets = changes.pop("secrets", [{"name": "WORD", "valueFrom": self.parameter}])
        container = {"name": "web", "image": "web:1", "memory": 128, "secrets": secrets}
        created = self.ecs.register_task_definition(
            **{"family": self.name, "containerDefinitions": [container], "executionRoleArn": self.role, **changes}
        )
        arn: str = created["taskDefinition"]["taskDefinitionArn"]
        return arn

    def update(self, **changes: Any) -> str:
        """The id of the deployment that the update started."""
        described = self.ecs.update_service(cluster=self.name, service=self.name, **changes)["service"]
        deployment_id: str = described["deployments"][0]["id"]
        return deployment_id

    def describe(self, times: int = 1) -> dict[str, Any]:
        """The service after some calls of DescribeServices, each of which is a step."""
        for _ in range(times):
            [payload] = self.ecs.describe_services(cluster=self.name, services=[self.name])["services"]
        service: dict[str, Any] = payload
        return service

    def put_parameter(self, value: str) -> None:
        self.cloud.client("ssm").put_parameter(
            Name=f"/{self.name}/WORD", Value=value, Type="SecureString", Overwrite=True
        )

    def variables(self) -> list[dict[str, str]]:
        """The variables of the containers of the running tasks."""
        status, payload = self.cloud.ask("GET", f"tasks?cluster={self.name}&service={self.name}")
        assert status == 200
        return [task["environment"]["web"] for task in payload["tasks"]]

    def revoke_read(self) -> None:
        """Remove the execution role's permission to read."""
        self.cloud.client("iam").delete_role_policy(RoleName=self.name, PolicyName="Read")

    def stopped(self) -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(cluster=self.name, serviceName=self.name, desiredStatus="STOPPED")["taskArns"]
        tasks: list[dict[str, Any]] = self.ecs.describe_tasks(cluster=self.name, tasks=arns)["tasks"]
        return tasks


@pytest.fixture
def service(cloud: Any) -> EcsService:
    name = f"service-{uuid.uuid4().hex[:12]}"
    iam, ecs = cloud.client("iam"), cloud.client("ecs")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(TRUST))["Role"]["Arn"]
    parameter = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/{name}/WORD"
    permission = {"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": parameter}
    iam.put_role_policy(RoleName=name, PolicyName="Read", PolicyDocument=policy(permission))
    ecs.create_cluster(clusterName=name)
    created = EcsService(cloud=cloud, ecs=ecs, name=name, parameter=parameter, role=role, first="")
    created.first = created.register(secrets=[])
    created.put_parameter("one")
    ecs.create_service(cluster=name, serviceName=name, taskDefinition=created.first, desiredCount=2)
    created.describe(2)
    return created


# Deployments


@pytest.mark.thorough
def test_a_deployment_is_in_progress_until_its_tasks_run_and_then_replaces_the_previous_one(
    service: EcsService,
) -> None:
    revision = service.register()
    deployment_id = service.update(taskDefinition=revision)
    started = service.describe()
    done = service.describe()

    assert [(deployment["status"], deployment["rolloutState"]) for deployment in started["deployments"]] == [
        ("PRIMARY", "IN_PROGRESS"),
        ("ACTIVE", "COMPLETED"),
    ]
    [only] = done["deployments"]
    assert (only["id"], only["rolloutState"], only["runningCount"]) == (deployment_id, "COMPLETED", 2)
    assert only["rolloutStateReason"] == f"ECS deployment {deployment_id} completed."
    assert done["taskDefinition"] == revision and done["runningCount"] == 2 and done["pendingCount"] == 0
    assert "has reached a steady state" in done["events"][0]["message"]


def test_running_tasks_keep_what_they_read_when_they_started(service: EcsService) -> None:
    service.update(taskDefinition=service.register())
    service.describe(2)
    service.put_parameter("two")
    variables = service.variables()
    service.update(forceNewDeployment=True)
    service.describe(2)

    assert variables == [{"WORD": "one"}] * 2
    assert service.variables() == [{"WORD": "two"}] * 2


def test_an_update_of_nothing_begins_no_deployment(service: EcsService) -> None:
    before = service.describe()["deployments"]

    service.update(taskDefinition=service.first)

    assert service.describe()["deployments"] == before


def test_what_an_update_leaves_out_stays_as_it_was(service: EcsService) -> None:
    service.update(healthCheckGracePeriodSeconds=90, deploymentConfiguration=BREAKER)
    service.update(forceNewDeployment=True)

    described = service.describe()
    assert described["healthCheckGracePeriodSeconds"] == 90 and described["deploymentConfiguration"] == BREAKER


def test_a_service_accepts_a_task_definition_by_family_and_returns_its_arn(service: EcsService) -> None:
    newest = service.register()
    service.update(taskDefinition=service.name)

    assert service.describe()["taskDefinition"] == newest


def test_a_deregistered_task_definition_is_refused(service: EcsService) -> None:
    revision = service.register()
    service.ecs.deregister_task_definition(taskDefinition=revision)

    with pytest.raises(ClientError, match="TaskDefinition is inactive"):
        service.update(taskDefinition=revision)


# What a task needs to start


def test_a_task_whose_execution_role_may_not_read_stops_with_awss_reason(service: EcsService) -> None:
    service.revoke_read()
    service.update(taskDefinition=service.register())
    described = service.describe()

    [now, former] = described["deployments"]
    assert (now["rolloutState"], now["failedTasks"], now["runningCount"]) == ("IN_PROGRESS", 1, 0)
    assert former["runningCount"] == 2, "the former deployment's tasks run on"
    reason = service.stopped()[0]["stoppedReason"]
    assert reason.startswith("ResourceInitializationError: unable to pull secrets or registry auth")
    assert "is not authorized to perform: ssm:GetParameters on resource" in reason and service.parameter in reason


def test_a_parameter_that_is_not_there_stops_the_task(service: EcsService) -> None:
    service.cloud.client("ssm").delete_parameter(Name=f"/{service.name}/WORD")
    service.update(taskDefinition=service.register())
    service.describe()

    assert "invalid parameters" in service.stopped()[0]["stoppedReason"]


def test_a_secret_of_secrets_manager_is_read_by_the_execution_role(service: EcsService) -> None:
    secret = service.cloud.client("secretsmanager").create_secret(Name=service.name, SecretString="hush")["ARN"]
    revision = service.register(secrets=[{"name": "WORD", "valueFrom": secret}])
    service.update(taskDefinition=revision)
    service.describe()
    refused = service.stopped()[0]["stoppedReason"]
    permission = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret}
    service.cloud.client("iam").put_role_policy(
        RoleName=service.name, PolicyName="Hush", PolicyDocument=policy(permission)
    )
    service.describe(2)

    assert "unable to retrieve secret from asm" in refused and "AccessDeniedException" in refused
    assert service.variables() == [{"WORD": "hush"}] * 2


@pytest.mark.parametrize("kind", ["taskRoleArn", "executionRoleArn"])
def test_a_role_that_does_not_trust_ecs_launches_no_task(service: EcsService, kind: str) -> None:
    other = f"arn:aws:iam::{ACCOUNT}:role/platform-admin"
    service.update(taskDefinition=service.register(**{kind: other}))
    described = service.describe()

    assert described["deployments"][0]["runningCount"] == 0
    assert f"ECS was unable to assume the role '{other}'" in described["events"][0]["message"]


def test_an_essential_container_that_ends_stops_its_task(service: EcsService) -> None:
    ordered = {"cluster": service.name, "service": service.name, "exitCode": 1, "times": 2}
    assert service.cloud.ask("POST", "tasks", ordered)[0] == 200
    service.update(forceNewDeployment=True)
    ended = service.describe()["deployments"][0]
    stopped = service.stopped()
    others = service.describe()["deployments"][0]

    assert (ended["runningCount"], ended["failedTasks"], others["runningCount"]) == (0, 1, 2)
    described = {(task["stopCode"], task["containers"][0]["exitCode"]) for task in stopped}
    assert len(stopped) == 2 and described == {("EssentialContainerExited", 1)}


def test_a_version_of_a_secret_has_the_date_of_its_creation() -> None:
    backend = secretsmanager_backends[ACCOUNT]["us-east-1"]
    backend.create_secret("old", "one", None, "", [], None, None, [], False)
    [version] = backend.secrets["old"].versions.values()
    version["createdate"] = 1_700_000_000
    call = Call(
        service="secretsmanager",
        operation="ListSecretVersionIds",
        region="us-east-1",
        access_key_id="",
        parameters={"SecretId": "old"},
    )

    described = add_version_dates(call, json_response(json.loads(backend.list_secret_version_ids("old"))))
    assert [deployment["CreatedDate"] for deployment in json.loads(described.body)["Versions"]] == [1_700_000_000]


# The circuit breaker


def test_without_a_circuit_breaker_ecs_tries_for_ever_and_never_fails(service: EcsService) -> None:
    service.revoke_read()
    service.update(taskDefinition=service.register())

    now = service.describe(12)["deployments"][0]
    assert now["rolloutState"] == "IN_PROGRESS" and now["failedTasks"] == 12


def test_a_circuit_breaker_fails_the_deployment_after_three_tasks(service: EcsService) -> None:
    service.revoke_read()
    failing = service.update(taskDefinition=service.register(), deploymentConfiguration=LOUD)
    before = service.describe(2)["deployments"][0]
    after = service.describe()["deployments"]

    assert before["rolloutState"] == "IN_PROGRESS"
    assert [(deployment["id"], deployment["rolloutState"]) for deployment in after][0] == (failing, "FAILED")
    assert after[0]["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
    assert after[1]["runningCount"] == 2


def test_a_circuit_breaker_with_rollback_goes_back_to_the_last_completed_deployment(service: EcsService) -> None:
    service.revoke_read()
    former = service.describe()["deployments"][0]["id"]
    failing = service.update(taskDefinition=service.register(), deploymentConfiguration=BREAKER)
    rolling = service.describe(3)
    done = service.describe(2)

    back = rolling["deployments"][0]
    assert back["id"] not in (former, failing) and back["taskDefinition"] == service.first
    assert back["rolloutStateReason"] == f"ECS deployment circuit breaker: rolling back to deploymentId {former}."
    assert [deployment["rolloutState"] for deployment in rolling["deployments"]] == [
        "IN_PROGRESS",
        "FAILED",
        "COMPLETED",
    ]
    assert [deployment["taskDefinition"] for deployment in done["deployments"]] == [service.first]
    assert done["taskDefinition"] == service.first and done["deployments"][0]["rolloutState"] == "COMPLETED"


# Task definitions


def test_secrets_without_an_execution_role_are_refused(service: EcsService) -> None:
    container = {"name": "web", "image": "web:1", "memory": 128, "secrets": [{"name": "A", "valueFrom": "/a"}]}

    with pytest.raises(ClientError, match="you must also specify a value for 'executionRoleArn'"):
        service.ecs.register_task_definition(family=service.name, containerDefinitions=[container])


def test_a_secret_with_the_name_of_a_plain_variable_is_refused(service: EcsService) -> None:
    container = {
        "name": "web",
        "image": "web:1",
        "memory": 128,
        "environment": [{"name": "WORD", "value": "plain"}],
        "secrets": [{"name": "WORD", "valueFrom": "/a"}],
    }

    with pytest.raises(ClientError, match="The secret name must be unique"):
        service.register(containerDefinitions=[container])


# Required actions


def required(operation: str, **parameters: Any) -> dict[str, str]:
    """Each action that an ECS call needs, with its resource."""
    call = Call(service="ecs", operation=operation, region="us-east-1", access_key_id="", parameters=parameters)
    return {need.action: need.resource for need in required_actions(call)}


def test_what_ecs_authorizes_is_what_its_reference_names() -> None:
    ecs = f"arn:aws:ecs:us-east-1:{ACCOUNT}:"
    role = f"arn:aws:iam::{ACCOUNT}:role/task"
    both = {"cluster": "c", "service": "s"}

    assert required("UpdateService", **both) == {"ecs:UpdateService": f"{ecs}service/c/s"}
    assert required("DescribeServices", cluster=f"{ecs}cluster/c", services=["s"]) == {
        "ecs:DescribeServices": f"{ecs}service/c/s"
    }
    assert required("ListServices", cluster="c") == {"ecs:ListServices": "*"}
    assert required("DescribeTaskDefinition", taskDefinition="f:1") == {"ecs:DescribeTaskDefinition": "*"}
    assert required("RegisterTaskDefinition", family="f", taskRoleArn=role, tags=[{"key": "a", "value": "b"}]) == {
        "ecs:RegisterTaskDefinition": f"{ecs}task-definition/f:1",
        "ecs:TagResource": f"{ecs}task-definition/f:1",
        "iam:PassRole": role,
    }
    assert required("ListTasks", cluster="c", serviceName="s") == {"ecs:ListTasks": f"{ecs}container-instance/c/*"}
    assert required("DescribeTasks", cluster="c", tasks=[f"{ecs}task/c/t"]) == {"ecs:DescribeTasks": f"{ecs}task/c/t"}


def test_a_role_is_passed_to_ecs_tasks_only() -> None:
    call = Call(
        service="ecs",
        operation="RegisterTaskDefinition",
        region="us-east-1",
        access_key_id="",
        parameters={"family": "f", "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/start"},
    )

    [passed] = [need for need in required_actions(call) if need.action == "iam:PassRole"]
    assert passed.context["iam:PassedToService"] == ("ecs-tasks.amazonaws.com",)


# Strategies


def progress(service: EcsService) -> dict[str, Any]:
    """How far the current deployment is, after one step."""
    arn = service.describe()["currentServiceDeployment"]
    [described] = service.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
    payload: dict[str, Any] = described
    return payload


def test_a_blue_green_deployment_waits_at_its_hook_and_for_its_bake_time(service: EcsService) -> None:
    hook = {
        "targetType": "PAUSE",
        "lifecycleStages": ["POST_SCALE_UP"],
        "timeoutConfiguration": {"timeoutInMinutes": 20160, "action": "CONTINUE"},
    }
    service.update(
        taskDefinition=service.register(),
        deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1440, "lifecycleHooks": [hook]},
    )
    while (paused := progress(service))["lifecycleStage"] != "POST_SCALE_UP":
        pass
    paused = progress(service)
    [waiting] = paused["lifecycleHookDetails"]
    at_the_hook = service.describe()
    service.ecs.continue_service_deployment(
        serviceDeploymentArn=paused["serviceDeploymentArn"], hookId=waiting["hookId"], action="CONTINUE"
    )
    for _ in range(8):
        baking = progress(service)
    both = service.describe()

    assert (paused["status"], waiting["status"]) == ("IN_PROGRESS", "AWAITING_ACTION")
    assert waiting["timeoutAction"] == "CONTINUE"
    assert (waiting["expiresAt"] - paused["createdAt"]).days in (13, 14)
    assert [one["rolloutState"] for one in at_the_hook["deployments"]] == ["IN_PROGRESS", "COMPLETED"]
    assert (baking["status"], baking["lifecycleStage"]) == ("IN_PROGRESS", "BAKE_TIME")
    assert [one["runningCount"] for one in both["deployments"]] == [2, 2], "the former tasks run on"


def test_a_hook_that_is_answered_with_a_rollback_leaves_the_former_tasks(service: EcsService) -> None:
    hook = {"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"]}
    service.update(taskDefinition=service.register(), deploymentConfiguration={"lifecycleHooks": [hook]})
    paused = progress(service)
    [waiting] = paused["lifecycleHookDetails"]
    named = {"serviceDeploymentArn": paused["serviceDeploymentArn"], "hookId": waiting["hookId"]}
    service.ecs.continue_service_deployment(**named, action="ROLLBACK")

    assert service.describe()["taskDefinition"] == service.first
    with pytest.raises(ClientError, match="does not await an action"):
        service.ecs.continue_service_deployment(**named, action="CONTINUE")


def test_an_express_service_says_that_ecs_manages_it_and_that_it_deploys_by_canary(service: EcsService) -> None:
    name = f"express-{service.name[-12:]}"
    service.ecs.create_express_gateway_service(
        cluster=service.name,
        serviceName=name,
        executionRoleArn=service.role,
        infrastructureRoleArn=service.role,
        primaryContainer={"image": "web:1", "containerPort": 80},
    )
    [described] = service.ecs.describe_services(cluster=service.name, services=[name])["services"]

    assert described["resourceManagementType"] == "ECS"
    assert described["deploymentConfiguration"]["strategy"] == "CANARY"
    assert [one["rolloutState"] for one in described["deployments"]] == ["COMPLETED"]
