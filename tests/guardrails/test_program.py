"""The program's resources pass every guardrail, for all variants of the settings; nothing of it can be left out."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.components.configurations import CONFIGURATIONS
from tests.components.conftest import Recording
from tests.components.conftest import run_program as run_program
from tests.guardrails.harms import HARMS
from tests.guardrails.planned import COMPONENTS, Stack, planned, refusals
from tests.guardrails.test_harms import settings_of

VARIANTS: dict[str, dict[str, Any]] = {
    **CONFIGURATIONS,
    **{f"of a harm: {sorted(harm.config)}": settings_of(harm) for harm in HARMS if harm.config},
    "irsa, replicas and Secrets Manager": {
        **CONFIGURATIONS["eks-irsa"],
        "multiRegion": True,
        "replicaRegions": ["eu-west-1", "us-west-2"],
        "secretStore": "secrets-manager",
        "hashKey": True,
    },
    "replicas without IAM's Region": {"aws:region": "eu-west-1", "multiRegion": True, "replicaRegions": ["eu-west-2"]},
    "China": {
        "aws:region": "cn-north-1",
        "administrators": ["arn:aws-cn:iam::111122223333:role/admin"],
        **CONFIGURATIONS["ecs"],
    },
    "bucket in the account's namespace": {
        "trailBucket": "eonpro-cloudtrail-logs-111122223333-us-east-1-an",
    },
    "no guard of use": {"usageGuardDays": 0, "trailArchiveDays": 0, "trailRetentionDays": 2192},
}


@pytest.fixture(scope="module")
def built(run_program: Callable[..., Recording]) -> Callable[[str], Stack]:
    @cache
    def build(variant: str) -> Stack:
        return planned(run_program(**VARIANTS[variant]), **VARIANTS[variant])

    return build


@pytest.mark.parametrize("variant", VARIANTS)
def test_everything_that_the_program_registers_passes_every_rule(variant: str, built: Callable[[str], Stack]) -> None:
    stack = built(variant)
    assert stack and list(refusals(stack)) == []


@pytest.mark.parametrize("variant", ["every-target", "replicas", "full-audit", "least-audit"])
def test_no_resource_of_the_program_can_be_left_out(variant: str, built: Callable[[str], Stack]) -> None:
    stack = built(variant)
    for resource in stack:
        if not resource.type.startswith(COMPONENTS):
            found = {rule for rule, _ in refusals([each for each in stack if each is not resource])}
            assert "required-resources" in found, resource.urn


def test_a_resource_that_is_there_twice_is_refused(built: Callable[[str], Stack]) -> None:
    stack = built("vercel")
    for resource in stack:
        if not resource.type.startswith(COMPONENTS):
            assert "required-resources" in {rule for rule, _ in refusals([*stack, resource])}, resource.urn
