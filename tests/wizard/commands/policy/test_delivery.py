"""The delivery's policy: it reads the stored data key and cannot write it, and redeploys where a service is known."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wizard.commands.policy.test_operator import ACCOUNT, GIVEN, granted
from wizard.commands.policy.command import delivery_policies
from wizard.commands.policy.operator import for_values

PARAMETER = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/eonpro/production/"


def asked(**changes: Any) -> set[tuple[str, str]]:
    """Every action with its resources, for the given answers."""
    values = {key: value for key, value in {**GIVEN, **changes}.items() if value is not None}
    return granted(for_values(values, {}, build=delivery_policies))


SETUPS: dict[str, dict[str, Any]] = {
    "vercel": {},
    "ecs": {"target": "ecs"},
    "ecs with a service": {"target": "ecs", "ecs_cluster": "c", "ecs_service": "s"},
    "eks": {"target": "eks"},
    "secrets": {"target": "ecs", "secret_store": "secrets-manager"},
    "replicas": {"target": "ecs", "multi_region": "yes", "replica_regions": "us-west-2"},
}


def writes(rights: set[tuple[str, str]]) -> set[str]:
    return {resource for action, resource in rights if action.partition(":")[2].startswith(("Put", "Create"))}


@pytest.mark.parametrize("setup", SETUPS)
def test_the_stored_data_key_is_read_and_never_written(setup):
    rights = asked(**SETUPS[setup])
    home = {resource for resource in writes(rights) if ":us-east-1:" in resource}
    assert [resource for resource in home if "ENCRYPTED_PHI_KEY" in resource] == []
    reads = {
        resource for action, resource in rights if action in ("ssm:GetParameters", "secretsmanager:GetSecretValue")
    }
    assert any("ENCRYPTED_PHI_KEY" in resource for resource in reads)


@pytest.mark.parametrize("setup", SETUPS)
def test_nothing_of_it_uses_or_changes_a_key_or_a_right(setup):
    actions = {action for action, _ in asked(**SETUPS[setup])}
    assert not [action for action in actions if action.startswith(("s3:", "cloudtrail:"))]
    reads = {"kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants"}
    assert {action for action in actions if action.startswith("kms:")} == reads
    assert {action for action in actions if action.startswith("iam:")} <= {"iam:ListAccountAliases", "iam:PassRole"}


def test_the_other_two_variables_are_written_beside_the_stored_data_key():
    assert writes(asked(target="ecs")) == {f"{PARAMETER}AWS_REGION", f"{PARAMETER}AWS_KMS_KEY_ID"}


@pytest.mark.parametrize(("setup", "is_asked"), [("replicas", True), ("ecs", False)])
def test_a_replica_in_any_region_can_be_read_where_the_key_can_have_one(setup: str, is_asked: bool):
    elsewhere = f"arn:aws:kms:*:{ACCOUNT}:key/mrk-*"
    rights = {action for action, resource in asked(**SETUPS[setup]) if resource == elsewhere}
    assert rights == (
        {"kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants"} if is_asked else set()
    )


def test_a_service_that_is_known_is_redeployed_with_its_two_roles_and_no_others():
    rights = asked(**SETUPS["ecs with a service"])
    assert ("ecs:UpdateService", f"arn:aws:ecs:us-east-1:{ACCOUNT}:service/c/s") in rights
    assert {resource for action, resource in rights if action == "iam:PassRole"} == {
        f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role",
        f"arn:aws:iam::{ACCOUNT}:role/eonpro-execution-role",
    }
