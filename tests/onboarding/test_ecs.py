"""The onboarding on ECS: on a fresh account, and on top of Vercel, where one key and one data key then serve both.

Touches deployments of its own, and looks at the one that is set up once.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.exceptions import ClientError

from tests.onboarding.deployment import STORED_KEY, Deployment, onboarding
from tests.onboarding.shipped_schemas import next_step
from wizard.core.data_key import WrappedDataKey

NAMES = ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")


def trust(deployment: Deployment) -> list[dict[str, Any]]:
    """The statements of the application role's trust policy."""
    document = deployment.client("iam").get_role(RoleName="eonpro-app-role")["Role"]["AssumeRolePolicyDocument"]
    found: list[dict[str, Any]] = (json.loads(unquote(document)) if isinstance(document, str) else document)[
        "Statement"
    ]
    return found


def what_a_task_reads(deployment: Deployment) -> dict[str, str]:
    """What ECS would put into the container: each secret's parameter, looked up by the ARN in `taskSecrets`."""
    ssm = deployment.client("ssm")
    return {
        each["name"]: ssm.get_parameter(Name=each["valueFrom"].partition(":parameter")[2], WithDecryption=True)[
            "Parameter"
        ]["Value"]
        for each in deployment.outputs()["taskSecrets"]
    }


def test_the_task_reads_three_parameters_that_are_the_stored_key_and_its_own_key(on_ecs: Deployment):
    outputs, read = on_ecs.outputs(), what_a_task_reads(on_ecs)
    assert tuple(sorted(read)) == tuple(sorted(NAMES))
    assert read["AWS_REGION"] == "us-east-1" and read["AWS_KMS_KEY_ID"] == outputs["keyArn"]
    assert read["ENCRYPTED_PHI_KEY"] == on_ecs.stored_key_versions()[0]
    assert all(
        each["valueFrom"].startswith("arn:aws:ssm:us-east-1:123456789012:parameter/eonpro/production/")
        for each in outputs["taskSecrets"]
    )
    version = f"data-keys/{WrappedDataKey(value=read['ENCRYPTED_PHI_KEY']).fingerprint.removeprefix('sha256:')}"
    assert set(on_ecs.parameters()) == {f"/eonpro/production/{name}" for name in (*NAMES, version)}


def test_without_vercel_nothing_of_vercel_is_touched_or_trusted(on_ecs: Deployment):
    assert on_ecs.variables() == {}
    assert [each["Principal"] for each in trust(on_ecs)] == [{"Service": "ecs-tasks.amazonaws.com"}]
    on_ecs.pulumi("preview", "--stack", "production", "--expect-no-changes")


@pytest.mark.thorough
def test_ecs_without_a_vercel_token_is_onboarded_again_with_nothing_to_do(on_ecs: Deployment):
    on_ecs.forget_calls()
    on_ecs.set_up("ecs", env={"VERCEL_TOKEN": None})
    assert on_ecs.changes() == {}


@pytest.mark.onboarded("vercel")
def test_on_top_of_vercel_one_key_and_one_data_key_serve_both(deployment: Deployment):
    variables, stored_key, key = (
        deployment.variables(),
        deployment.stored_key_versions(),
        deployment.outputs()["keyArn"],
    )
    deployment.forget_calls()
    document = deployment.set_up("ecs", "--json").document
    assert document["ok"] is True
    assert deployment.keys() == [key] == [deployment.outputs()["keyArn"]]
    assert deployment.stored_key_versions() == stored_key and len(stored_key) == 1
    assert what_a_task_reads(deployment) == {
        "AWS_REGION": "us-east-1",
        "AWS_KMS_KEY_ID": key,
        "ENCRYPTED_PHI_KEY": deployment.parameters()[STORED_KEY],
    }
    assert deployment.variables() == variables
    changes = deployment.changes()
    assert not [call for call in changes if call.startswith(("vercel:", "kms:"))]
    assert {next(iter(each["Principal"])) for each in trust(deployment)} == {"Federated", "Service"}
    # The demo's service runs, and the printed next step restarts it with the variables.
    [renewed] = deployment.wizard("push", "--redeploy", "--target", "ecs", "--non-interactive", "--json").document[
        "redeploys"
    ]
    assert (renewed["before"]["name"], renewed["state"]) == ("eonpro/eonpro", "done")
    # And the other way about: Vercel again finds all as it should be.
    deployment.forget_calls()
    document = deployment.wizard("preview", *onboarding("vercel"), "--json").document
    assert document["changes"] == [] and deployment.changes() == {}


@pytest.mark.thorough
def test_a_stored_data_key_that_is_lost_is_told_and_no_second_data_key_is_made(on_ecs: Deployment):
    ssm = on_ecs.client("ssm")
    kept = on_ecs.stored_key_versions()[-1]
    ssm.delete_parameter(Name=STORED_KEY)
    on_ecs.forget_calls()
    ended = on_ecs.set_up("ecs", expect=1)
    assert f"{STORED_KEY} is missing" in ended.out + ended.err
    assert "lists them; restore the one that was current" in ended.out + ended.err
    assert on_ecs.changes() == {}
    ssm.put_parameter(Name=STORED_KEY, Type="SecureString", Value=kept)
    on_ecs.set_up("ecs")
    assert on_ecs.stored_key_versions()[-1] == kept


@pytest.mark.thorough
def test_a_key_of_one_region_does_not_become_one_of_several(on_ecs: Deployment):
    on_ecs.forget_calls()
    document = on_ecs.set_up("ecs", "--multi-region", "yes", "--json", expect=2).document
    assert on_ecs.changes() == {}
    [problem] = document["problems"]
    assert "a key of one Region, and that cannot be changed" in problem["what"]
    assert "--multi-region no" in next_step(problem)


def test_nobody_ends_the_key_not_even_the_accounts_administrator(on_ecs: Deployment):
    kms, key = on_ecs.client("kms"), on_ecs.keys()[0]
    with pytest.raises(ClientError) as refused:
        kms.schedule_key_deletion(KeyId=key)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    assert "explicit deny" in refused.value.response["Error"]["Message"]
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
