"""Other names of the variables, at ECS and EKS: the parameters keep the guide's, the application reads its own."""

from __future__ import annotations

from dataclasses import replace

import yaml

from tests.wizard.fakes.clients import ACCOUNT, OUTPUTS, REGION, settings
from wizard.core.models.deployment import TaskDefinition
from wizard.targets.ecs.service import ExpectedDefinition, reads_all_variables, with_variables
from wizard.targets.eks import external_secret

PREFIX = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/eonpro/production"
NAMES = {
    "EONPRO_AWS_REGION": "AWS_REGION",
    "EONPRO_KMS_KEY_ID": "AWS_KMS_KEY_ID",
    "ENCRYPTED_PHI_KEY": "ENCRYPTED_PHI_KEY",
}
RENAMED = ("AWS_REGION=EONPRO_AWS_REGION", "AWS_KMS_KEY_ID=EONPRO_KMS_KEY_ID")
OF_S3 = [{"name": "AWS_REGION", "value": "us-east-2"}, {"name": "AWS_KMS_KEY_ID", "value": "alias/uploads"}]


def test_a_task_gets_them_beside_the_variables_of_its_s3_client() -> None:
    stack = settings(deploy_targets=("ecs",), variable_names=RENAMED)
    secrets = tuple((name, f"{PREFIX}/{variable}") for name, variable in NAMES.items())
    expected = ExpectedDefinition.of(stack, replace(OUTPUTS, task_secrets=secrets))
    body = {"family": "clinic", "containerDefinitions": [{"name": "web", "environment": OF_S3}]}
    after = with_variables(body, "web", expected)
    [web] = after["containerDefinitions"]
    assert web["environment"] == OF_S3
    assert {entry["name"]: entry["valueFrom"] for entry in web["secrets"]} == dict(secrets)
    assert reads_all_variables(TaskDefinition(arn="arn", active=True, body=after), stack)
    # Under the guide's names they are not what the application reads.
    usual = settings(deploy_targets=("ecs",))
    assert not reads_all_variables(TaskDefinition(arn="arn", active=True, body=after), usual)


def test_a_parameter_whose_name_only_begins_like_ours_is_another() -> None:
    stack = settings(deploy_targets=("ecs",))
    secrets = [{"name": name, "valueFrom": f"{PREFIX}/{name}_OLD"} for name in stack.variables]
    body = {"family": "clinic", "containerDefinitions": [{"name": "web", "secrets": secrets}]}
    assert not reads_all_variables(TaskDefinition(arn="arn", active=True, body=body), stack)


def test_the_external_secret_maps_each_parameter_to_the_name_that_pods_read() -> None:
    stack = settings(deploy_targets=("eks",), eks_cluster="clinic", variable_names=RENAMED)
    _, secret = yaml.safe_load_all(external_secret(stack))
    data = {entry["secretKey"]: entry["remoteRef"]["key"] for entry in secret["spec"]["data"]}
    assert data == {name: f"/eonpro/production/{variable}" for name, variable in NAMES.items()}
