"""ECS through the edge: what is read of a service, what is sent to it, and what of a task definition is registered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from components.settings import SecretStore
from tests.wizard.aws.conftest import Script
from wizard.aws.client import AwsClient
from wizard.aws.ecs import EcsServices
from wizard.core.errors import ResourceError
from wizard.core.models.deployment import RolloutState, Service
from wizard.core.next_command import document

ROLE = "arn:aws:iam::123456789012:role/"
REVISION = "arn:aws:ecs:us-east-1:123456789012:task-definition/clinic:"
BODY = {
    "family": "clinic",
    "containerDefinitions": [
        {
            "name": "web",
            "image": "web:1",
            "memory": 128,
            "environment": [{"name": "NODE_ENV", "value": "production"}],
            "secrets": [{"name": "DATABASE", "valueFrom": "/db"}],
        }
    ],
    "taskRoleArn": f"{ROLE}task",
    "executionRoleArn": f"{ROLE}start",
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "memory": "512",
    "volumes": [{"name": "scratch", "host": {}}],
    "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
    "tags": [{"key": "team", "value": "web"}],
}


def deployment(id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": id,
        "status": "ACTIVE",
        "taskDefinition": f"{REVISION}1",
        "desiredCount": 2,
        "pendingCount": 0,
        "runningCount": 2,
        "failedTasks": 0,
        "createdAt": 1_770_000_000,
        "rolloutState": "COMPLETED",
        "rolloutStateReason": f"ECS deployment {id} completed.",
        **changes,
    }


def told(**changes: Any) -> dict[str, Any]:
    return {
        "services": [
            {
                "serviceName": "web",
                "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/clinic",
                "status": "ACTIVE",
                "taskDefinition": f"{REVISION}2",
                "deployments": [
                    deployment("ecs-svc/1"),
                    deployment(
                        "ecs-svc/2",
                        status="PRIMARY",
                        taskDefinition=f"{REVISION}2",
                        rolloutState="IN_PROGRESS",
                        createdAt=1_770_000_100,
                        runningCount=0,
                        failedTasks=1,
                    ),
                ],
                "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
                "healthCheckGracePeriodSeconds": 60,
                "events": [{"id": "1", "createdAt": 1_770_000_100, "message": "(service web) has begun."}],
                **changes,
            }
        ],
        "failures": [],
    }


@pytest.fixture
def ecs_services(aws: AwsClient) -> EcsServices:
    return aws.ecs_services


@pytest.fixture
def theirs(scripted: AwsClient) -> EcsServices:
    """In front of the endpoint whose answers the test writes."""
    return scripted.ecs_services


def service_of(ecs_services: EcsServices) -> Service:
    found = ecs_services.service("clinic", "web")
    assert found is not None
    return found


# A service


def test_a_service_is_read_with_its_rollouts_the_newest_first(script: Script, theirs: EcsServices) -> None:
    script.answer("DescribeServices", told())
    service = service_of(theirs)

    assert (service.cluster, service.name, service.task_definition) == ("clinic", "web", f"{REVISION}2")
    assert (service.breaks, service.rolls_back, service.grace_seconds, service.controller) == (True, True, 60, "ECS")
    assert [(one.id, one.state, one.running, one.failed) for one in service.rollouts] == [
        ("ecs-svc/2", RolloutState.IN_PROGRESS, 0, 1),
        ("ecs-svc/1", RolloutState.COMPLETED, 2, 0),
    ]
    assert service.rollouts[1].made == datetime.fromtimestamp(1_770_000_000, UTC)
    assert service.events == ("(service web) has begun.",)


def test_a_state_that_is_not_told_or_not_known_is_no_state(script: Script, theirs: EcsServices) -> None:
    untold = deployment("ecs-svc/1", status="PRIMARY")
    del untold["rolloutState"]
    script.answer("DescribeServices", told(deployments=[untold, deployment("ecs-svc/0", rolloutState="STOPPED")]))

    assert {one.state for one in service_of(theirs).rollouts} == {RolloutState.UNKNOWN}


def test_a_service_that_was_deleted_and_one_that_never_was_are_none(
    ecs_services: EcsServices, boto: Callable[..., Any]
) -> None:
    ecs = boto("ecs")
    assert ecs_services.service("clinic", "web") is None, "there is no cluster"
    ecs.create_cluster(clusterName="clinic")
    ecs.register_task_definition(**BODY)
    ecs.create_service(cluster="clinic", serviceName="web", taskDefinition="clinic", desiredCount=1)
    there = ecs_services.service("clinic", "web")
    ecs.delete_service(cluster="clinic", service="web", force=True)

    assert there is not None and there.name == "web"
    assert ecs_services.service("clinic", "web") is None and ecs_services.service("clinic", "other") is None


def test_all_services_of_a_cluster_are_read_ten_at_a_time(ecs_services: EcsServices, boto: Callable[..., Any]) -> None:
    ecs = boto("ecs")
    ecs.create_cluster(clusterName="clinic")
    ecs.register_task_definition(**BODY)
    names = [f"web-{number:02}" for number in range(12)]
    for name in names:
        ecs.create_service(cluster="clinic", serviceName=name, taskDefinition="clinic", desiredCount=0)

    assert sorted(one.name for one in ecs_services.services("clinic")) == names


def test_a_cluster_that_is_not_there_is_told_with_what_to_set(ecs_services: EcsServices) -> None:
    with pytest.raises(ResourceError, match="there is no ECS cluster clinic in us-east-1") as refused:
        ecs_services.services("clinic")
    assert "pulumi config set eonpro-kms:ecsCluster" in str(document(refused.value.hint)["advice"])


def test_the_strategy_and_how_far_a_deployment_is_are_read(script: Script, theirs: EcsServices) -> None:
    arn = "arn:aws:ecs:us-east-1:123456789012:service-deployment/clinic/web/d1"
    hook = {"hookId": "h", "targetType": "PAUSE", "status": "AWAITING_ACTION", "expiresAt": 1_770_001_000}
    linear = {
        "strategy": "LINEAR",
        "bakeTimeInMinutes": 30,
        "linearConfiguration": {"stepPercent": 25.0, "stepBakeTimeInMinutes": 10},
        "lifecycleHooks": [{"targetType": "PAUSE"}],
    }
    script.answer(
        "DescribeServices",
        told(deploymentConfiguration=linear, currentServiceDeployment=arn, resourceManagementType="ECS"),
    )
    answer = {
        "serviceDeploymentArn": arn,
        "status": "ROLLBACK_IN_PROGRESS",
        "createdAt": 1_770_000_100,
        "lifecycleStage": "PRODUCTION_TRAFFIC_SHIFT",
        "rollback": {"reason": "an alarm"},
        "targetServiceRevision": {"requestedProductionTrafficWeight": 50.0},
        "lifecycleHookDetails": [{"hookId": "x", "status": "SUCCEEDED"}, {**hook, "timeoutAction": "CONTINUE"}],
    }
    script.answer("DescribeServiceDeployments", {"serviceDeployments": [answer]})
    service = service_of(theirs)
    found = theirs.deployment(service)

    assert (service.strategy, service.bake_minutes, service.shift_minutes) == ("LINEAR", 30, 30)
    assert (service.has_hooks, service.is_staged, service.is_express) == (True, True, True)
    assert found is not None and (found.status, found.reason) == ("ROLLBACK_IN_PROGRESS", "an alarm")
    assert (found.stage, found.traffic, found.has_shifted) == ("PRODUCTION_TRAFFIC_SHIFT", 50.0, False)
    assert found.paused is not None and (found.paused.id, found.paused.then) == ("h", "CONTINUE")


@pytest.mark.parametrize("code", ["AccessDeniedException", "ServiceDeploymentNotFoundException"])
def test_a_progress_that_may_not_be_seen_is_not_known(script: Script, theirs: EcsServices, code: str) -> None:
    script.answer("DescribeServices", told(currentServiceDeployment="arn:aws:ecs:us-east-1:1:service-deployment/a"))
    service = service_of(theirs)
    script.refuse("DescribeServiceDeployments", code)

    assert theirs.deployment(service) is None


# A task definition


def test_what_is_read_of_a_revision_is_what_can_be_registered(
    ecs_services: EcsServices, boto: Callable[..., Any]
) -> None:
    boto("ecs").register_task_definition(**BODY)
    found = ecs_services.task_definition("clinic")

    assert found is not None and found.active and found.arn == f"{REVISION}1" and found.family == "clinic"
    body = dict(found.body)
    [container] = body.pop("containerDefinitions")
    assert body == {name: value for name, value in BODY.items() if name != "containerDefinitions"}
    assert BODY["containerDefinitions"][0].items() <= container.items()  # type: ignore[index]


def test_a_revision_registered_from_another_is_the_same_but_for_what_was_changed(
    ecs_services: EcsServices, boto: Any
) -> None:
    boto("ecs").register_task_definition(**BODY)
    first = ecs_services.task_definition("clinic")
    assert first is not None
    made = ecs_services.register({**first.body, "taskRoleArn": f"{ROLE}other"})
    read = ecs_services.task_definition(made.arn)

    assert made.arn == f"{REVISION}2" and read is not None
    assert read.body == {**first.body, "taskRoleArn": f"{ROLE}other"}
    told = boto("ecs").describe_task_definition(taskDefinition=made.arn, include=["TAGS"])
    assert told["tags"] == BODY["tags"]


def test_a_deregistered_revision_is_not_active_and_a_missing_one_is_none(ecs_services: EcsServices, boto: Any) -> None:
    arn = boto("ecs").register_task_definition(**BODY)["taskDefinition"]["taskDefinitionArn"]
    boto("ecs").deregister_task_definition(taskDefinition=arn)
    found = ecs_services.task_definition(arn)

    assert found is not None and not found.active
    assert ecs_services.task_definition("clinic:9") is None and ecs_services.task_definition("other") is None


def test_a_value_of_a_container_is_in_no_repr(ecs_services: EcsServices, boto: Any) -> None:
    boto("ecs").register_task_definition(**BODY)

    assert "production" not in repr(ecs_services.task_definition("clinic"))


# The update


def test_an_update_names_the_revision_and_touches_nothing_else(script: Script, theirs: EcsServices) -> None:
    script.answer("DescribeServices", told())
    service = service_of(theirs)
    script.answer("UpdateService", {"service": told()["services"][0]})
    begun = theirs.update(service, f"{REVISION}2", force=True)

    assert begun.id == "ecs-svc/2"
    assert script.requests[-1] == {
        "cluster": "clinic",
        "service": "web",
        "taskDefinition": f"{REVISION}2",
        "forceNewDeployment": True,
    }


def test_why_tasks_stopped_is_told_of_that_deployment_once_each(script: Script, theirs: EcsServices) -> None:
    script.answer("DescribeServices", told())
    service = service_of(theirs)
    script.answer("ListTasks", {"taskArns": ["a", "b", "c"]})
    unread = "ResourceInitializationError: unable to pull secrets"
    script.answer(
        "DescribeTasks",
        {
            "tasks": [
                {"startedBy": "ecs-svc/2", "stoppedReason": unread},
                {"startedBy": "ecs-svc/2", "stoppedReason": unread},
                {
                    "startedBy": "ecs-svc/2",
                    "stoppedReason": "Essential container in task exited",
                    "containers": [{"name": "web", "exitCode": 1}, {"name": "log", "exitCode": 0}],
                },
                {"startedBy": "ecs-svc/1", "stoppedReason": "Scaling activity initiated by deployment ecs-svc/2"},
            ]
        },
    )

    assert theirs.stopped(service, service.rollouts[0]) == (
        unread,
        "Essential container in task exited: the container web exited with 1",
    )


def test_where_tasks_may_not_be_seen_no_reason_is_told(script: Script, theirs: EcsServices) -> None:
    script.answer("DescribeServices", told())
    service = service_of(theirs)
    script.refuse("ListTasks", "AccessDeniedException")

    assert theirs.stopped(service, service.rollouts[0]) == ()


# When the values were written


def test_the_last_change_of_the_parameters_is_told_and_no_value_is_decrypted(
    ecs_services: EcsServices, boto: Any
) -> None:
    ssm = boto("ssm")
    assert ecs_services.changed_at(["/a", "/b"]) is None
    for name in ("/a", "/b"):
        ssm.put_parameter(Name=name, Value="x", Type="SecureString")
    first = ecs_services.changed_at(["/a", "/b"])
    ssm.put_parameter(Name="/b", Value="y", Type="SecureString", Overwrite=True)
    ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId="/a", Tags=[{"Key": "a", "Value": "b"}])
    second = ecs_services.changed_at(["/a", "/b"])

    assert first is not None and second is not None and second > first
    assert second == ssm.get_parameter(Name="/b")["Parameter"]["LastModifiedDate"]


def test_the_last_change_of_the_secrets_is_that_of_their_current_versions(script: Script, theirs: EcsServices) -> None:
    versions = [
        {"VersionId": "1" * 32, "VersionStages": ["AWSPREVIOUS"], "CreatedDate": 1_770_000_900},
        {"VersionId": "2" * 32, "VersionStages": ["AWSCURRENT"], "CreatedDate": 1_770_000_100},
    ]
    script.answer("ListSecretVersionIds", {"Versions": versions})
    found = theirs.changed_at(["/a", "/b"], store=SecretStore.SECRETS_MANAGER)

    assert found == datetime.fromtimestamp(1_770_000_100, UTC)
    assert set(script.calls) == {"ListSecretVersionIds"}


def test_an_update_without_a_deployment_is_a_failure(script: Script, theirs: EcsServices) -> None:
    script.answer("UpdateService", {"service": {**told()["services"][0], "deployments": []}})
    service = Service(cluster="clinic", name="web", task_definition=f"{REVISION}1", rollouts=())

    with pytest.raises(ResourceError, match="started no deployment"):
        theirs.update(service, f"{REVISION}2", force=True)
