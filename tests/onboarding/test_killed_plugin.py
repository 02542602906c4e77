"""Runs whose AWS plug-in is killed alone, as the OOM killer does, while AWS carries a call out; and refused calls.

Touches deployments of its own.
"""

from __future__ import annotations

import pytest

from tests.onboarding.convergence import call_refused, converges, plugin_killed
from tests.onboarding.deployment import Deployment, until

ONCE = (
    *("iam:CreateOpenIDConnectProvider", "iam:CreateRole", "kms:CreateKey", "kms:CreateAlias", "iam:CreatePolicy"),
    *("s3:CreateBucket", "sns:CreateTopic", "cloudtrail:CreateTrail"),
)
"""The creations that AWS does not do twice, or that are two resources when they are done twice."""
AGAIN = (
    *("iam:AttachRolePolicy", "s3:PutBucketPolicy", "s3:PutBucketVersioning", "s3:PutPublicAccessBlock"),
    *("s3:PutBucketLogging", "s3:PutBucketOwnershipControls", "s3:PutBucketLifecycleConfiguration"),
    *("s3:PutBucketEncryption", "s3:PutObjectLockConfiguration", "s3:PutBucketTagging", "kms:EnableKeyRotation"),
    *("sns:SetTopicAttributes", "events:PutRule", "events:PutTargets", "monitoring:PutMetricAlarm"),
    "cloudtrail:StartLogging",
)
"""What is the same when it is done twice."""


def test_the_same_command_goes_on_after_the_plugin_was_killed_while_aws_made_the_alias(deployment: Deployment):
    printed = plugin_killed(deployment, "vercel", "kms:CreateAlias", times=2)
    assert "is killed" not in printed
    converges(deployment, "vercel")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("first", "second"), [("kms:CreateKey", "iam:CreatePolicy"), ("sns:CreateTopic", "s3:PutBucketLogging")]
)
def test_the_same_command_goes_on_after_the_plugin_was_killed_twice(
    deployment: Deployment, first: str, second: str
) -> None:
    plugin_killed(deployment, "ecs", first, log="first")
    plugin_killed(deployment, "ecs", second, log="second")
    converges(deployment, "ecs")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("target", "call"),
    [
        ("multi-region", "kms:ReplicateKey"),
        ("vercel-user", "iam:CreateUser"),
        ("eks", "iam:CreatePolicy"),
        ("ecs-secrets-manager", "iam:CreatePolicy"),
    ],
)
def test_the_same_command_goes_on_with_the_other_targets_too(deployment: Deployment, target: str, call: str) -> None:
    plugin_killed(deployment, target, call)
    converges(deployment, target)
    if target == "multi-region":
        assert len(deployment.all_keys("us-west-2")) == 1


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_a_stack_that_was_set_up_goes_on_with_what_was_made_for_another_target(deployment: Deployment) -> None:
    before = deployment.stored_key_versions()
    plugin_killed(deployment, "ecs", "iam:CreateRole")
    converges(deployment, "ecs")
    assert deployment.stored_key_versions() == before


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_a_change_of_the_issuer_goes_on_with_the_provider_that_was_made(deployment: Deployment) -> None:
    """What the state has is the former issuer's provider: the new one takes its place."""
    deployment.vercel("PATCH", "/v9/projects/eonpro", {"oidcTokenConfig": {"issuerMode": "global"}})
    plugin_killed(deployment, "vercel", "iam:CreateOpenIDConnectProvider")
    converges(deployment, "vercel", former_issuers=1)
    assert trusted(deployment) == ["oidc.vercel.com"]


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_a_change_of_the_issuer_goes_on_after_the_whole_run_was_killed(deployment: Deployment) -> None:
    deployment.vercel("PATCH", "/v9/projects/eonpro", {"oidcTokenConfig": {"issuerMode": "global"}})
    deployment.forget_calls()
    deployment.fault(service="iam", operation="CreateOpenIDConnectProvider", kind="hang", times=1)
    running = deployment.start("vercel")
    until(lambda: deployment.calls()["iam:CreateOpenIDConnectProvider"] >= 1, running, what="the provider")
    running.kill_tree()
    deployment.no_more_faults()
    until(lambda: len(deployment.inventory()["providers"]) == 2, what="the provider that nobody heard of")
    converges(deployment, "vercel", former_issuers=1)
    assert trusted(deployment) == ["oidc.vercel.com"]


def trusted(deployment: Deployment) -> list[str]:
    """The issuers whose tokens the application's role trusts, by the one provider that the state has."""
    role = deployment.client("iam").get_role(RoleName="eonpro-app-role")["Role"]
    federated = [each["Principal"]["Federated"] for each in role["AssumeRolePolicyDocument"]["Statement"]]
    recorded = [each["id"] for each in deployment.state()["resources"] if "OpenIdConnectProvider" in each["type"]]
    assert federated == recorded
    return [arn.partition(":oidc-provider/")[2] for arn in federated]


@pytest.mark.thorough
def test_a_removal_takes_what_the_state_lacks_with_it(deployment: Deployment) -> None:
    plugin_killed(deployment, "ecs", "iam:CreateRole", times=2)
    deployment.wizard("destroy", "--stack", "production", "--confirm", "production", "--non-interactive")
    made = deployment.inventory()
    assert [role for role in made["roles"] if role.startswith("eonpro-")] == []
    assert made["topics"] == made["policies"] == []


@pytest.mark.thorough
def test_adopt_takes_nothing_of_the_stack_for_something_that_was_found(deployment: Deployment) -> None:
    """Earlier, key, role and policy were "kept as found", and later updates changed nothing and ended with 0."""
    plugin_killed(deployment, "vercel", "kms:CreateAlias", times=2)
    deployment.set_up("vercel", "--adopt")
    converges(deployment, "vercel")
    deployment.set_up("vercel", "--rotation-period-days", "180")
    status = deployment.client("kms").get_key_rotation_status(KeyId=deployment.keys()[0])
    assert status["RotationPeriodInDays"] == 180


@pytest.mark.thorough
@pytest.mark.parametrize("call", [*ONCE, *AGAIN])
def test_the_same_command_goes_on_after_the_plugin_was_killed(deployment: Deployment, call: str) -> None:
    plugin_killed(deployment, "vercel", call)
    converges(deployment, "vercel")


@pytest.mark.thorough
@pytest.mark.parametrize("call", [*ONCE, *AGAIN])
def test_the_same_command_goes_on_after_a_call_was_refused(deployment: Deployment, call: str) -> None:
    """The provider records the planned values of a step that fails: by the state alone nothing is left to do."""
    target = "vercel" if call == "iam:CreateOpenIDConnectProvider" else "ecs"
    call_refused(deployment, target, call)
    converges(deployment, target)
