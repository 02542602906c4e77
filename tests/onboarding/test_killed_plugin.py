"""Runs whose AWS plug-in is killed alone, as the OOM killer does, while AWS carries a call out; and refused calls.

Touches deployments of its own.
"""

from __future__ import annotations

import pytest

from tests.onboarding.convergence import converges, plugin_killed
from tests.onboarding.deployment import Deployment


@pytest.mark.thorough
def test_the_same_command_goes_on_after_the_plugin_was_killed_while_aws_made_the_alias(deployment: Deployment):
    printed = plugin_killed(deployment, "vercel", "kms:CreateAlias", times=2)
    assert "is killed" not in printed
    converges(deployment, "vercel")


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_a_change_of_the_issuer_goes_on_with_the_provider_that_was_made(deployment: Deployment) -> None:
    """What the state has is the former issuer's provider: the new one takes its place."""
    deployment.vercel("PATCH", "/v9/projects/eonpro", {"oidcTokenConfig": {"issuerMode": "global"}})
    plugin_killed(deployment, "vercel", "iam:CreateOpenIDConnectProvider")
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
def test_adopt_takes_nothing_of_the_stack_for_something_that_was_found(deployment: Deployment) -> None:
    """Earlier, key, role and policy were "kept as found", and later updates changed nothing and ended with 0."""
    plugin_killed(deployment, "vercel", "kms:CreateAlias", times=2)
    deployment.set_up("vercel", "--adopt")
    converges(deployment, "vercel")
    deployment.set_up("vercel", "--rotation-period-days", "180")
    status = deployment.client("kms").get_key_rotation_status(KeyId=deployment.keys()[0])
    assert status["RotationPeriodInDays"] == 180
