"""Runs whose AWS plug-in alone is killed, as the OOM killer does, while AWS carries out what it was asked for.

Touches deployments of its own. The moment of each end is a call that arrived and is held up, never a time.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.chaos.processes import kill_plugin
from tests.onboarding.deployment import Deployment, until

PATIENCE_SECONDS = 240.0
"""For a run that starts the engine six times, on a busy machine."""

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


def plugin_killed(deployment: Deployment, target: str, call: str, *, log: str, times: int = 1) -> str:
    """A run whose plug-in is killed when the call has arrived; AWS carries it out. What the run printed."""
    service, _, operation = call.partition(":")
    deployment.forget_calls()
    deployment.fault(service=service, operation=operation, kind="hang", times=times)
    running = deployment.start(target, log=log)
    until(lambda: deployment.calls()[call] >= times, running, what=call)
    assert kill_plugin(running.process.pid)
    deployment.no_more_faults()
    assert running.process.wait(PATIENCE_SECONDS) == 4, running.output
    return running.output


def converges(deployment: Deployment, target: str) -> None:
    """Type the same command again: one of everything, all of it the stack's, and nothing left to change."""
    again = deployment.start(target, log="again")
    assert again.process.wait(PATIENCE_SECONDS) == 0, again.output
    made = deployment.inventory()
    assert len(deployment.keys()) == 1 and len(deployment.log_keys()) == 1 and len(deployment.all_keys()) == 2
    assert deployment.outputs()["keyArn"] == deployment.keys()[0]
    for kind in ("buckets", "roles", "policies", "topics", "trails", "aliases", "rules", "alarms", "providers"):
        assert [name for name, count in Counter(map(str, made[kind])).items() if count > 1] == [], kind
    settings = (deployment.folder / "Pulumi.production.yaml").read_text()
    assert "adopted" not in settings and "keptAsFound" not in settings and "vercelOidcProviderArn" not in settings
    unchanged = ("--expect-no-changes", "--policy-pack", "guardrails")
    deployment.pulumi("preview", "--stack", "production", *unchanged, timeout=PATIENCE_SECONDS)
    assert not deployment.state().get("pending_operations")


def test_the_same_command_goes_on_after_the_plugin_was_killed_while_aws_made_the_alias(deployment: Deployment):
    printed = plugin_killed(deployment, "vercel", "kms:CreateAlias", log="run", times=2)
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
    plugin_killed(deployment, target, call, log="run")
    converges(deployment, target)
    if target == "multi-region":
        assert len(deployment.all_keys("us-west-2")) == 1


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_a_stack_that_was_set_up_goes_on_with_what_was_made_for_another_target(deployment: Deployment) -> None:
    before = deployment.stored_key_versions()
    plugin_killed(deployment, "ecs", "iam:CreateRole", log="run")
    converges(deployment, "ecs")
    assert deployment.stored_key_versions() == before


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_a_change_of_the_issuer_goes_on_with_the_provider_that_was_made(deployment: Deployment) -> None:
    """What the state has is the former issuer's provider: the new one takes its place."""
    deployment.vercel("PATCH", "/v9/projects/eonpro", {"oidcTokenConfig": {"issuerMode": "global"}})
    plugin_killed(deployment, "vercel", "iam:CreateOpenIDConnectProvider", log="run")
    converges(deployment, "vercel")
    assert trusted(deployment) == ["oidc.vercel.com"]


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_a_change_of_the_issuer_goes_on_after_the_whole_run_was_killed(deployment: Deployment) -> None:
    deployment.vercel("PATCH", "/v9/projects/eonpro", {"oidcTokenConfig": {"issuerMode": "global"}})
    deployment.forget_calls()
    deployment.fault(service="iam", operation="CreateOpenIDConnectProvider", kind="hang", times=1)
    running = deployment.start("vercel", log="run")
    until(lambda: deployment.calls()["iam:CreateOpenIDConnectProvider"] >= 1, running, what="the provider")
    running.kill_tree()
    deployment.no_more_faults()
    until(lambda: len(deployment.inventory()["providers"]) == 2, what="the provider that nobody heard of")
    converges(deployment, "vercel")
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
    plugin_killed(deployment, "ecs", "iam:CreateRole", log="run", times=2)
    deployment.wizard("destroy", "--stack", "production", "--confirm", "production", "--non-interactive")
    made = deployment.inventory()
    assert [role for role in made["roles"] if role.startswith("eonpro-")] == []
    assert made["topics"] == made["policies"] == []


@pytest.mark.thorough
def test_adopt_takes_nothing_of_the_stack_for_something_that_was_found(deployment: Deployment) -> None:
    """Earlier, key, role and policy were "kept as found", and later updates changed nothing and ended with 0."""
    plugin_killed(deployment, "vercel", "kms:CreateAlias", log="run", times=2)
    deployment.set_up("vercel", "--adopt")
    converges(deployment, "vercel")
    deployment.set_up("vercel", "--rotation-period-days", "180")
    status = deployment.client("kms").get_key_rotation_status(KeyId=deployment.keys()[0])
    assert status["RotationPeriodInDays"] == 180


@pytest.mark.thorough
@pytest.mark.parametrize("target", ["vercel", "ecs"])
@pytest.mark.parametrize("call", [*ONCE, *AGAIN])
def test_the_same_command_goes_on_after_the_plugin_was_killed(deployment: Deployment, target: str, call: str):
    if (target, call) == ("ecs", "iam:CreateOpenIDConnectProvider"):
        call = "iam:PutRolePolicy"
    plugin_killed(deployment, target, call, log="run")
    converges(deployment, target)
