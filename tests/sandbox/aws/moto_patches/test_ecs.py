"""The sandbox's ECS against AWS's documents: rollouts, what a task needs to start, the circuit breaker; over HTTP."""

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
class Clinic:
    """A service in a cluster of its own, whose one parameter its execution role may read."""

    cloud: Any
    ecs: Any
    name: str
    parameter: str
    role: str
    first: str

    def register(self, **changes: Any) -> str:
        """Another revision, whose container has the parameter as a secret."""
        secrets = changes.pop("secrets", [{"name": "WORD", "valueFrom": self.parameter}])
        container = {"name": "web", "image": "web:1", "memory": 128, "secrets": secrets}
        made = self.ecs.register_task_definition(
            **{"family": self.name, "containerDefinitions": [container], "executionRoleArn": self.role, **changes}
        )
        arn: str = made["taskDefinition"]["taskDefinitionArn"]
        return arn

    def update(self, **changes: Any) -> str:
        """The id of the deployment that the update began."""
        told = self.ecs.update_service(cluster=self.name, service=self.name, **changes)["service"]
        began: str = told["deployments"][0]["id"]
        return began

    def look(self, times: int = 1) -> dict[str, Any]:
        """The service as it is told at the last of some looks, each of which is a step."""
        for _ in range(times):
            [found] = self.ecs.describe_services(cluster=self.name, services=[self.name])["services"]
        service: dict[str, Any] = found
        return service

    def put(self, value: str) -> None:
        self.cloud.client("ssm").put_parameter(
            Name=f"/{self.name}/WORD", Value=value, Type="SecureString", Overwrite=True
        )

    def held(self) -> list[dict[str, str]]:
        """What the containers of the running tasks hold."""
        status, found = self.cloud.ask("GET", f"tasks?cluster={self.name}&service={self.name}")
        assert status == 200
        return [task["environment"]["web"] for task in found["tasks"]]

    def forbid(self) -> None:
        """Take the execution role's leave to read away."""
        self.cloud.client("iam").delete_role_policy(RoleName=self.name, PolicyName="Read")

    def stopped(self) -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(cluster=self.name, serviceName=self.name, desiredStatus="STOPPED")["taskArns"]
        tasks: list[dict[str, Any]] = self.ecs.describe_tasks(cluster=self.name, tasks=arns)["tasks"]
        return tasks


@pytest.fixture
def clinic(cloud: Any) -> Clinic:
    name = f"clinic-{uuid.uuid4().hex[:12]}"
    iam, ecs = cloud.client("iam"), cloud.client("ecs")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(TRUST))["Role"]["Arn"]
    parameter = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/{name}/WORD"
    may = {"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": parameter}
    iam.put_role_policy(RoleName=name, PolicyName="Read", PolicyDocument=policy(may))
    ecs.create_cluster(clusterName=name)
    made = Clinic(cloud=cloud, ecs=ecs, name=name, parameter=parameter, role=role, first="")
    made.first = made.register(secrets=[])
    made.put("one")
    ecs.create_service(cluster=name, serviceName=name, taskDefinition=made.first, desiredCount=2)
    made.look(2)
    return made


# A rollout


def test_a_rollout_is_in_progress_until_its_tasks_run_and_then_the_former_is_gone(clinic: Clinic) -> None:
    revision = clinic.register()
    began = clinic.update(taskDefinition=revision)
    started = clinic.look()
    done = clinic.look()

    assert [(one["status"], one["rolloutState"]) for one in started["deployments"]] == [
        ("PRIMARY", "IN_PROGRESS"),
        ("ACTIVE", "COMPLETED"),
    ]
    [only] = done["deployments"]
    assert (only["id"], only["rolloutState"], only["runningCount"]) == (began, "COMPLETED", 2)
    assert only["rolloutStateReason"] == f"ECS deployment {began} completed."
    assert done["taskDefinition"] == revision and done["runningCount"] == 2 and done["pendingCount"] == 0
    assert "has reached a steady state" in done["events"][0]["message"]


def test_running_tasks_keep_what_they_read_when_they_started(clinic: Clinic) -> None:
    clinic.update(taskDefinition=clinic.register())
    clinic.look(2)
    clinic.put("two")
    kept = clinic.held()
    clinic.update(forceNewDeployment=True)
    clinic.look(2)

    assert kept == [{"WORD": "one"}] * 2
    assert clinic.held() == [{"WORD": "two"}] * 2


def test_an_update_of_nothing_begins_no_deployment(clinic: Clinic) -> None:
    before = clinic.look()["deployments"]

    clinic.update(taskDefinition=clinic.first)

    assert clinic.look()["deployments"] == before


def test_what_an_update_leaves_out_stays_as_it_was(clinic: Clinic) -> None:
    clinic.update(healthCheckGracePeriodSeconds=90, deploymentConfiguration=BREAKER)
    clinic.update(forceNewDeployment=True)

    told = clinic.look()
    assert told["healthCheckGracePeriodSeconds"] == 90 and told["deploymentConfiguration"] == BREAKER


def test_a_service_may_be_told_its_definition_by_family_and_tells_the_arn(clinic: Clinic) -> None:
    newest = clinic.register()
    clinic.update(taskDefinition=clinic.name)

    assert clinic.look()["taskDefinition"] == newest


def test_a_deregistered_task_definition_is_refused(clinic: Clinic) -> None:
    revision = clinic.register()
    clinic.ecs.deregister_task_definition(taskDefinition=revision)

    with pytest.raises(ClientError, match="TaskDefinition is inactive"):
        clinic.update(taskDefinition=revision)


# What a task needs to start


def test_a_task_whose_execution_role_may_not_read_stops_with_awss_reason(clinic: Clinic) -> None:
    clinic.forbid()
    clinic.update(taskDefinition=clinic.register())
    told = clinic.look()

    [now, former] = told["deployments"]
    assert (now["rolloutState"], now["failedTasks"], now["runningCount"]) == ("IN_PROGRESS", 1, 0)
    assert former["runningCount"] == 2, "the former deployment's tasks run on"
    reason = clinic.stopped()[0]["stoppedReason"]
    assert reason.startswith("ResourceInitializationError: unable to pull secrets or registry auth")
    assert "is not authorized to perform: ssm:GetParameters on resource" in reason and clinic.parameter in reason


def test_a_parameter_that_is_not_there_stops_the_task(clinic: Clinic) -> None:
    clinic.cloud.client("ssm").delete_parameter(Name=f"/{clinic.name}/WORD")
    clinic.update(taskDefinition=clinic.register())
    clinic.look()

    assert "invalid parameters" in clinic.stopped()[0]["stoppedReason"]


def test_a_secret_of_secrets_manager_is_read_by_the_execution_role(clinic: Clinic) -> None:
    secret = clinic.cloud.client("secretsmanager").create_secret(Name=clinic.name, SecretString="hush")["ARN"]
    revision = clinic.register(secrets=[{"name": "WORD", "valueFrom": secret}])
    clinic.update(taskDefinition=revision)
    clinic.look()
    refused = clinic.stopped()[0]["stoppedReason"]
    may = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret}
    clinic.cloud.client("iam").put_role_policy(RoleName=clinic.name, PolicyName="Hush", PolicyDocument=policy(may))
    clinic.look(2)

    assert "unable to retrieve secret from asm" in refused and "AccessDeniedException" in refused
    assert clinic.held() == [{"WORD": "hush"}] * 2


@pytest.mark.parametrize("kind", ["taskRoleArn", "executionRoleArn"])
def test_a_role_that_does_not_trust_ecs_launches_no_task(clinic: Clinic, kind: str) -> None:
    other = f"arn:aws:iam::{ACCOUNT}:role/platform-admin"
    clinic.update(taskDefinition=clinic.register(**{kind: other}))
    told = clinic.look()

    assert told["deployments"][0]["runningCount"] == 0
    assert f"ECS was unable to assume the role '{other}'" in told["events"][0]["message"]


def test_an_essential_container_that_ends_stops_its_task(clinic: Clinic) -> None:
    ordered = {"cluster": clinic.name, "service": clinic.name, "exitCode": 1, "times": 2}
    assert clinic.cloud.ask("POST", "tasks", ordered)[0] == 200
    clinic.update(forceNewDeployment=True)
    ended = clinic.look()["deployments"][0]
    stopped = clinic.stopped()
    others = clinic.look()["deployments"][0]

    assert (ended["runningCount"], ended["failedTasks"], others["runningCount"]) == (0, 1, 2)
    told = {(task["stopCode"], task["containers"][0]["exitCode"]) for task in stopped}
    assert len(stopped) == 2 and told == {("EssentialContainerExited", 1)}


def test_a_version_of_a_secret_tells_when_it_was_made_and_not_when_it_is_asked_for() -> None:
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

    told = add_version_dates(call, json_response(json.loads(backend.list_secret_version_ids("old"))))
    assert [one["CreatedDate"] for one in json.loads(told.body)["Versions"]] == [1_700_000_000]


# The circuit breaker


def test_without_a_circuit_breaker_ecs_tries_for_ever_and_never_fails(clinic: Clinic) -> None:
    clinic.forbid()
    clinic.update(taskDefinition=clinic.register())

    now = clinic.look(12)["deployments"][0]
    assert now["rolloutState"] == "IN_PROGRESS" and now["failedTasks"] == 12


def test_a_circuit_breaker_fails_the_deployment_after_three_tasks(clinic: Clinic) -> None:
    clinic.forbid()
    failing = clinic.update(taskDefinition=clinic.register(), deploymentConfiguration=LOUD)
    before = clinic.look(2)["deployments"][0]
    after = clinic.look()["deployments"]

    assert before["rolloutState"] == "IN_PROGRESS"
    assert [(one["id"], one["rolloutState"]) for one in after][0] == (failing, "FAILED")
    assert after[0]["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
    assert after[1]["runningCount"] == 2


def test_a_circuit_breaker_with_rollback_goes_back_to_the_last_completed_deployment(clinic: Clinic) -> None:
    clinic.forbid()
    former = clinic.look()["deployments"][0]["id"]
    failing = clinic.update(taskDefinition=clinic.register(), deploymentConfiguration=BREAKER)
    rolling = clinic.look(3)
    done = clinic.look(2)

    back = rolling["deployments"][0]
    assert back["id"] not in (former, failing) and back["taskDefinition"] == clinic.first
    assert back["rolloutStateReason"] == f"ECS deployment circuit breaker: rolling back to deploymentId {former}."
    assert [one["rolloutState"] for one in rolling["deployments"]] == ["IN_PROGRESS", "FAILED", "COMPLETED"]
    assert [one["taskDefinition"] for one in done["deployments"]] == [clinic.first]
    assert done["taskDefinition"] == clinic.first and done["deployments"][0]["rolloutState"] == "COMPLETED"


# Task definitions


def test_secrets_without_an_execution_role_are_refused(clinic: Clinic) -> None:
    container = {"name": "web", "image": "web:1", "memory": 128, "secrets": [{"name": "A", "valueFrom": "/a"}]}

    with pytest.raises(ClientError, match="you must also specify a value for 'executionRoleArn'"):
        clinic.ecs.register_task_definition(family=clinic.name, containerDefinitions=[container])


def test_a_secret_with_the_name_of_a_plain_variable_is_refused(clinic: Clinic) -> None:
    container = {
        "name": "web",
        "image": "web:1",
        "memory": 128,
        "environment": [{"name": "WORD", "value": "plain"}],
        "secrets": [{"name": "WORD", "valueFrom": "/a"}],
    }

    with pytest.raises(ClientError, match="The secret name must be unique"):
        clinic.register(containerDefinitions=[container])


# Leave


def asked(operation: str, **parameters: Any) -> dict[str, str]:
    """Each action that a call of ECS needs, with its resource."""
    call = Call(service="ecs", operation=operation, region="us-east-1", access_key_id="", parameters=parameters)
    return {need.action: need.resource for need in required_actions(call)}


def test_what_ecs_authorizes_is_what_its_reference_names() -> None:
    ecs = f"arn:aws:ecs:us-east-1:{ACCOUNT}:"
    role = f"arn:aws:iam::{ACCOUNT}:role/task"
    both = {"cluster": "c", "service": "s"}

    assert asked("UpdateService", **both) == {"ecs:UpdateService": f"{ecs}service/c/s"}
    assert asked("DescribeServices", cluster=f"{ecs}cluster/c", services=["s"]) == {
        "ecs:DescribeServices": f"{ecs}service/c/s"
    }
    assert asked("ListServices", cluster="c") == {"ecs:ListServices": "*"}
    assert asked("DescribeTaskDefinition", taskDefinition="f:1") == {"ecs:DescribeTaskDefinition": "*"}
    assert asked("RegisterTaskDefinition", family="f", taskRoleArn=role, tags=[{"key": "a", "value": "b"}]) == {
        "ecs:RegisterTaskDefinition": f"{ecs}task-definition/f:1",
        "ecs:TagResource": f"{ecs}task-definition/f:1",
        "iam:PassRole": role,
    }
    assert asked("ListTasks", cluster="c", serviceName="s") == {"ecs:ListTasks": f"{ecs}container-instance/c/*"}
    assert asked("DescribeTasks", cluster="c", tasks=[f"{ecs}task/c/t"]) == {"ecs:DescribeTasks": f"{ecs}task/c/t"}


def test_a_role_is_passed_to_ecs_tasks_and_to_nobody_else() -> None:
    call = Call(
        service="ecs",
        operation="RegisterTaskDefinition",
        region="us-east-1",
        access_key_id="",
        parameters={"family": "f", "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/start"},
    )

    [passed] = [need for need in required_actions(call) if need.action == "iam:PassRole"]
    assert passed.context["iam:PassedToService"] == ("ecs-tasks.amazonaws.com",)
