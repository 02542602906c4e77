"""Whatever the settings ask for, what the program builds passes every guardrail."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from guardrails.rules import RULES, STACK_RULES, Resource, types
from tests.components.configurations import ACCOUNT
from tests.components.conftest import Recording

EKS = {"deployTargets": ["eks"], "eksCluster": "eonpro"}
SSO = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Admin_*"

VARIANTS: dict[str, dict[str, Any]] = {
    "vercel": {},
    "vercel-user": {"vercelAccess": "user"},
    "ecs": {"deployTargets": ["ecs", "vercel"], "ecsCluster": "eonpro", "ecsService": "eonpro"},
    "eks-pod-identity": EKS,
    "eks-irsa": EKS
    | {
        "eksIdentity": "irsa",
        "eksOidcProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/0A1B2C3D",
    },
    "existing-principal": {"appPrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/web"},
    "multi-region": {"multiRegion": True, "replicaRegions": ["eu-west-1", "us-west-2"]},
    "secrets-manager": {
        "deployTargets": ["ecs"],
        "ecsCluster": "e",
        "ecsService": "e",
        "secretStore": "secrets-manager",
    },
    "key-conditions": {"encryptionContext": ["application=eonpro"], "viaServices": ["ssm.us-east-1.amazonaws.com"]},
    "key-administrators": {
        "administratorPatterns": [SSO],
        "deletionAdministrators": [f"arn:aws:iam::{ACCOUNT}:role/admin"],
        "exclusiveUse": True,
    },
    "trail-in-full": {"trailLock": "compliance", "cloudwatchLogs": True, "alertEmails": ["oncall@example.com"]},
    "trail-in-short": {"trailLock": "none", "trailKey": False, "accessLogging": False, "alerts": False},
    "trail-of-the-account": {
        "existingTrailArn": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/organization",
        "trailBucket": "organization-logs",
    },
}


@pytest.fixture(scope="module")
def built(run_program: Callable[..., Recording]) -> Callable[[str], list[Resource]]:
    @cache
    def build(variant: str) -> list[Resource]:
        return [
            Resource(type=one.type, urn=one.urn, props=one.inputs, protected=one.protected)
            for one in run_program(**VARIANTS[variant]).resources
        ]

    return build


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_the_program_builds_passes_every_rule(variant: str, built: Callable[[str], list[Resource]]) -> None:
    resources = built(variant)
    assert resources
    found = [(one.urn, rule.name, said) for one in resources for rule in RULES for said in rule.violations(one)]
    assert found == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_the_program_builds_has_all_that_must_be_there(
    variant: str, built: Callable[[str], list[Resource]]
) -> None:
    # The recording has inputs alone: an alias finds its key by an output, so the keys are left to the engine's test.
    beside_keys = [one for one in built(variant) if one.type != types.PHI_KEY and not one.is_within(types.PHI_KEY)]
    found = [(rule.name, urn, said) for rule in STACK_RULES for urn, said in rule.check(beside_keys)]
    assert found == []
