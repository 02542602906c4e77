"""What the prescribed permissions boundary does to the verification that is simulated: no working application is called
broken, and one that the boundary keeps from the key is.

Touches deployments of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.onboarding.deployment import ACCOUNT, Deployment, onboarding
from wizard.commands.policy.operator import boundary_policies, for_values

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/EONPROBoundary"
ELSEWHERE: Mapping[str, str | None] = {"EONPRO_APP_WEB_IDENTITY_TOKEN_FILE": None}
"""A laptop, to which Vercel gives no token."""
EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "eks": {"target": "eks", "eks_cluster": "eonpro", "secret_store": "secrets-manager"},
    "vercel-user": {"target": "vercel", "vercel_team": "eonpro", "vercel_access": "user"},
    "vercel": {"target": "vercel", "vercel_team": "eonpro"},
}


@pytest.mark.thorough
@pytest.mark.parametrize("example", ["eks", "vercel-user", "vercel"])
def test_a_simulated_verification_knows_all_that_the_boundary_asks(deployment: Deployment, example: str) -> None:
    values = {"account": ACCOUNT, "region": "us-east-1", **EXAMPLES[example]}
    document = json.dumps(for_values(values, {}, build=boundary_policies))
    deployment.client("iam").create_policy(PolicyName="EONPROBoundary", PolicyDocument=document)
    deployment.wizard(*onboarding(example), "--permissions-boundary", BOUNDARY, env=ELSEWHERE)

    [proof] = deployment.wizard("verify", "--json", env=ELSEWHERE).document["proofs"]
    assert proof["state"] == "simulated", proof["detail"]
    diagnosis = deployment.wizard("doctor", "--json", env=ELSEWHERE, expect=None).document
    # On Vercel runs what was deployed before.
    assert {finding["cause"] for finding in diagnosis["findings"]} <= {"deployment-stale"}

    # The boundary knows the key by its tags.
    [key] = deployment.keys()
    deployment.client("kms").untag_resource(KeyId=key, TagKeys=["Application"])
    [proof] = deployment.wizard("verify", "--json", env=ELSEWHERE, expect=1).document["proofs"]
    assert (proof["state"], "do not allow kms:Decrypt" in proof["detail"]) == ("failed", True)
    diagnosis = deployment.wizard("doctor", "--json", env=ELSEWHERE, expect=1).document
    assert "boundary-denies" in [finding["cause"] for finding in diagnosis["findings"]]
