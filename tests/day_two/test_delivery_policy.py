"""The delivery's policy at work: with exactly this policy the data key is delivered again, and no other can be."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.day_two import in_this_process
from tests.day_two.test_auditor import AUDITOR, an_auditor
from tests.day_two.the_service import service_of
from tests.onboarding.deployment import ACCOUNT, STORED_KEY, Deployment
from tests.onboarding.test_operator_policy import BOUNDED

PUSH = ("push", "--json", "--stack", "production", "--yes")


def policies(deployment: Deployment, who: str = "delivery") -> dict[str, dict[str, object]]:
    output = in_this_process.run(deployment, "policy", who, "--stack", "production").out
    return {who: json.loads(output)}


@pytest.mark.thorough
def test_on_ecs_what_is_missing_is_delivered_and_the_service_started_anew(on_ecs: Deployment) -> None:
    before = on_ecs.parameters()
    on_ecs.client("ssm").delete_parameter(Name="/eonpro/production/AWS_KMS_KEY_ID")
    with service_of(on_ecs) as service, an_auditor(on_ecs, policies(on_ecs)) as env:
        first = service.look()["taskDefinition"]
        document = in_this_process.run(on_ecs, *PUSH, "--redeploy", env=env).document
        assert service.look()["taskDefinition"] != first
        ssm = on_ecs.client(
            "ssm",
            credentials={"AccessKeyId": env["AWS_ACCESS_KEY_ID"], "SecretAccessKey": env["AWS_SECRET_ACCESS_KEY"]},
        )
        with pytest.raises(ClientError, match="AccessDenied"):
            ssm.put_parameter(Name=STORED_KEY, Value="another", Overwrite=True)
    assert document["ok"] is True
    assert on_ecs.parameters() == before


def test_on_vercel_the_stored_data_key_is_read_and_what_is_there_is_left(on_vercel: Deployment) -> None:
    with an_auditor(on_vercel, policies(on_vercel)) as env:
        document = in_this_process.run(on_vercel, *PUSH, "--no-redeploy", env=env, expect=None).document
    assert [each["state"] for each in document["delivered"]] == ["unchanged"]


@pytest.mark.thorough
def test_with_the_promotion_policy_the_simulator_says_that_a_bounded_user_opens_the_data_key(
    deployment: Deployment,
) -> None:
    """The boundary names the key by its tags: without them the simulator does not know."""
    answers = ("--answers", "examples/vercel-user.yaml", "--account", ACCOUNT)
    boundary = deployment.wizard("policy", "boundary", *answers).out
    deployment.client("iam").create_policy(PolicyName="EONPROBoundary", PolicyDocument=boundary)
    deployment.set_up("vercel-user", *BOUNDED)
    [version] = in_this_process.run(deployment, "restore", "--json", "--stack", "production").document["versions"]
    with an_auditor(deployment, policies(deployment, "promotion")) as env:
        again = ("restore", "--version", version["fingerprint"], "--confirm", "production", "--json")
        document = in_this_process.run(deployment, *again, "--stack", "production", env=env).document
        assert deployment.refusals(AUDITOR) == set()
    assert [each["state"] for each in document["proofs"]] == ["simulated"]
