"""The settings list who reads the variables: the trust of its role, and what is attached to the application."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.policies.stack import Reader, secrets_trust_of
from components.settings import Settings, Target
from guardrails.rules import Resource, listed
from guardrails.rules import resource_types as types

ACCOUNT = "111122223333"
DELIVERY = "urn:pulumi:production::eonpro-kms::eonpro:kms:Delivery"


def settings(**more: Any) -> Settings:
    administrators = (f"arn:aws:iam::{ACCOUNT}:role/admin",)
    return Settings.read(
        {
            "account_id": ACCOUNT,
            "region": "us-east-1",
            "administrators": administrators,
            "deploy_targets": ("ecs",),
            **more,
        }
    )


def told(type_: str, props: dict[str, Any], own: Settings) -> list[str]:
    resource = Resource(type=type_, urn=f"{DELIVERY}${type_}::it", props=props, settings=own)
    return list(listed.listed_access(resource))


@pytest.mark.parametrize("reads_itself", [True, False])
def test_delivery_attaches_a_policy_to_the_application_only_where_that_reads_the_variables(
    reads_itself: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = (Reader(target=Target.ECS, role=None if reads_itself else "theirs"),)
    monkeypatch.setattr(listed, "readers_of", lambda settings: readers)
    assert bool(told(types.ROLE_ATTACHMENT, {"role": "eonpro-app-role"}, settings())) is not reads_itself


def test_a_role_that_no_target_of_the_settings_needs_may_trust_nobody() -> None:
    eks = settings(deploy_targets=("eks",), eks_cluster="clinic")
    role = {"name": "eonpro-secrets-role", "assumeRolePolicy": json.dumps(secrets_trust_of(eks))}
    assert told(types.ROLE, role, eks) == []
    assert told(types.ROLE, role, settings()) != []
