"""`push --redeploy` on ECS, end to end: a real task definition and service in the sandbox, and what its tasks hold.

Touches the deployment that is set up for ECS once, and puts it back; one of its own for Secrets Manager.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from components.policies.documents import policy
from components.settings import Outputs, Settings
from tests.day_two.the_service import NAME, OnEcs, service_of
from tests.onboarding.deployment import Deployment
from wizard.aws.client import AwsClient, connect
from wizard.core.errors import PermissionDenied
from wizard.core.models.deployment import RedeployState
from wizard.core.target_context import TargetContext
from wizard.targets.ecs.redeploy import redeploy as redeploy_service
from wizard.targets.ecs.redeploy import redeploy_statements

ROLE = "arn:aws:iam::123456789012:role/"
NAMES = {"AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY"}
PUSH = ("push", "--redeploy", "--non-interactive", "--json")


@pytest.fixture
def service(on_ecs: Deployment) -> Iterator[OnEcs]:
    with service_of(on_ecs) as made:
        yield made


def holds_the_key(service: OnEcs) -> bool:
    """Whether every running task has the three variables, as the stack tells them."""
    deployment = service.deployment
    stored = {name.rpartition("/")[2]: value for name, value in deployment.parameters().items()}
    values = {name: stored[name] for name in NAMES}
    held = service.held()
    return len(held) == 2 and all(values.items() <= each.items() for each in held)


def test_a_revision_with_secrets_and_roles_runs_and_a_second_push_does_nothing(service: OnEcs) -> None:
    deployment = service.deployment
    before = deployment.wizard("push", "--non-interactive").output
    document = deployment.wizard(*PUSH).document
    revision = service.revision()
    deployment.forget_calls()
    again = deployment.wizard("push", "--non-interactive", "--json").document

    assert "the service on ECS does not have the values" in before and "push --redeploy" in before
    [done] = document["redeploys"]
    assert (done["target"], done["state"], done["after"]["revision"]) == ("ecs", "done", revision["taskDefinitionArn"])
    assert done["before"]["revision"] == service.first and service.revisions() == 2
    [container] = revision["containerDefinitions"]
    assert container["secrets"] == deployment.outputs()["taskSecrets"]
    assert container["environment"] == [{"name": "NODE_ENV", "value": "production"}]
    assert revision["taskRoleArn"] == f"{ROLE}eonpro-app-role"
    assert revision["executionRoleArn"] == f"{ROLE}eonpro-execution-role"
    assert container["image"] == "clinic/web:7" and revision["tags"] == [{"key": "team", "value": "web"}]
    assert service.look()["healthCheckGracePeriodSeconds"] == 30
    assert holds_the_key(service)
    assert deployment.changes() == {} and again["redeploys"] == [] and again["staleInstances"] == []


@pytest.mark.thorough
def test_a_rollout_that_may_not_read_is_taken_back_and_goes_well_once_it_may(service: OnEcs) -> None:
    deployment = service.deployment
    service.forbid()
    document = deployment.wizard(*PUSH, expect=1).document
    back, held = service.look(), service.held()
    service.allow()
    healed = deployment.wizard(*PUSH).document

    [failed] = document["redeploys"]
    assert document["ok"] is False and failed["state"] == "rolled back"
    assert "ResourceInitializationError" in failed["why"] and "ssm:GetParameters" in failed["why"]
    assert failed["before"]["revision"] == failed["after"]["revision"] == service.first
    assert back["taskDefinition"] == service.first
    assert [one["rolloutState"] for one in back["deployments"]] == ["COMPLETED"]
    assert held == [{"NODE_ENV": "production", "AWS_REGION": "us-east-1"}] * 2
    assert healed["redeploys"][0]["state"] == "done" and holds_the_key(service)
    assert service.revisions() == 2, "the revision of the first try is taken up"


@pytest.mark.thorough
def test_a_healthy_deployment_that_waits_for_somebodys_consent_is_not_rolled_back(service: OnEcs) -> None:
    deployment = service.deployment
    hook = {"targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP"]}
    service.ecs.update_service(
        cluster=NAME,
        service=NAME,
        deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1440, "lifecycleHooks": [hook]},
    )
    waits = deployment.wizard(*PUSH).document
    command = waits["redeploys"][0]["command"]
    deployment.aws(*shlex.split(command)[1:])
    for _ in range(4):
        service.look()  # The stages pass without waiting for the polls of a push.
    document = deployment.wizard(*PUSH).document

    [waiting], [done] = waits["redeploys"], document["redeploys"]
    assert (waits["ok"], waiting["state"]) == (True, "waiting")
    assert "BLUE_GREEN, post scale up: 2 of 2 tasks run; it waits at a hook" in waiting["why"]
    assert [one["target"] for one in waits["staleInstances"]] == ["ecs"]
    assert (done["state"], document["staleInstances"]) == ("done", [])
    assert service.look()["taskDefinition"] == done["after"]["revision"] and service.revisions() == 2


# What it needs leave for


def limited(deployment: Deployment, document: dict[str, Any]) -> AwsClient:
    """A user who may do what the document says, and nothing else."""
    iam, name = deployment.client("iam"), "redeployer"
    if name not in {user["UserName"] for user in iam.list_users()["Users"]}:
        iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="Redeploy", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return connect(
        environ={
            **deployment.environment,
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }
    )


def test_these_rights_are_enough_and_without_passing_the_roles_it_is_refused(service: OnEcs) -> None:
    deployment = service.deployment
    outputs = deployment.outputs()
    settings = Settings.read(
        {
            "account_id": "123456789012",
            "region": "us-east-1",
            "administrators": ["arn:aws:iam::123456789012:user/clinic-admin"],
            "deploy_targets": ["ecs"],
            "ecs_cluster": NAME,
            "ecs_service": NAME,
        }
    )
    rights = policy(redeploy_statements(settings, task_role=f"{ROLE}eonpro-app-role"))
    without = {**rights, "Statement": [one for one in rights["Statement"] if one["Sid"] != "PassItsRoles"]}

    def redeploy(aws: AwsClient) -> RedeployState:
        context = TargetContext(
            stack="production",
            settings=settings,
            aws=aws,
            targets=settings.deploy_targets,
            outputs=Outputs.read(outputs),
        )
        return redeploy_service(
            aws.ecs_services, context, on_message=lambda line: None, now=lambda: datetime.now(UTC), pause=lambda _: None
        ).state

    with pytest.raises(PermissionDenied, match="iam:PassRole") as refused:
        redeploy(limited(deployment, without))
    assert "policy delivery" in refused.value.hint
    assert service.look()["taskDefinition"] == service.first
    assert redeploy(limited(deployment, rights)) is RedeployState.DONE
    assert holds_the_key(service)


# Secrets Manager


@pytest.mark.thorough
def test_with_secrets_manager_the_tasks_read_secrets_and_a_rotated_stored_data_key_makes_them_old(
    deployment: Deployment,
) -> None:
    deployment.set_up("ecs-secrets-manager")
    with service_of(deployment) as service:
        first = deployment.wizard(*PUSH).document
        held = service.held()
        again = deployment.wizard("push", "--non-interactive", "--json").document
        deployment.client("secretsmanager").put_secret_value(
            SecretId="/eonpro/production/AWS_REGION", SecretString="old"
        )
        repaired = deployment.wizard("push", "--non-interactive", "--json").document

    assert first["redeploys"][0]["state"] == "done"
    assert all(each.keys() >= NAMES and each["AWS_REGION"] == "us-east-1" for each in held)
    assert again["staleInstances"] == []
    assert repaired["delivered"][0]["state"] == "written" and repaired["redeploys"][0]["state"] == "skipped"
    assert [one["target"] for one in repaired["staleInstances"]] == ["ecs"]
