"""The program's resources pass every guardrail, for all variants of the settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from components.settings import Settings
from guardrails.rules import RULES, STACK_RULES, Resource
from guardrails.rules import resource_types as types
from tests.components.configurations import ACCOUNT, CONFIG, as_text
from tests.components.conftest import Recording
from tests.components.conftest import run_program as run_program

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
    "key-administrators": {
        "administratorPatterns": [SSO],
        "deletionAdministrators": [f"arn:aws:iam::{ACCOUNT}:role/admin"],
        "exclusiveUse": True,
    },
    "trail-with-all-options": {
        "trailLock": "compliance",
        "cloudwatchLogs": True,
        "alertEmails": ["oncall@example.com"],
    },
    "trail-no-options": {"trailLock": "none", "trailKey": False, "accessLogging": False, "alerts": False},
    "existing-trail": {
        "existingTrailArn": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/organization",
        "trailBucket": "organization-logs",
    },
}


def program_resources(recording: Recording, **changes: Any) -> list[Resource]:
    """What a run of the program registered, as the engine sends it to the pack of that stack."""
    own = {f"eonpro-kms:{key}": value for key, value in changes.items()}
    settings = Settings.from_config(as_text({**CONFIG, **own}))
    return [
        Resource(type=each.type, urn=each.urn, props=each.inputs, protected=each.protected, settings=settings)
        for each in recording.resources
    ]


@pytest.fixture(scope="module")
def built(run_program: Callable[..., Recording]) -> Callable[[str], list[Resource]]:
    @cache
    def build(variant: str) -> list[Resource]:
        return program_resources(run_program(**VARIANTS[variant]), **VARIANTS[variant])

    return build


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_resource_passes_every_rule(variant: str, built: Callable[[str], list[Resource]]) -> None:
    resources = built(variant)
    assert resources
    violations = [(each.urn, rule.name, text) for each in resources for rule in RULES for text in rule.violations(each)]
    assert violations == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_required_resources_exist(variant: str, built: Callable[[str], list[Resource]]) -> None:
    # The recording has inputs only, and an alias refers to an output of its key: test_pack checks the keys.
    without_keys = [each for each in built(variant) if each.type != types.PHI_KEY and not each.is_within(types.PHI_KEY)]
    violations = [(rule.name, urn, text) for rule in STACK_RULES for urn, text in rule.check(without_keys)]
    assert violations == []
