"""What the stack tells: read under the names that other programs rely on, and refused where it is missing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from components.settings import ContractError, Outputs

OUTPUTS: dict[str, Any] = {
    "keyArn": "arn",
    "keyId": "id",
    "aliasName": "alias/eonpro-phi-key",
    "appPolicyArn": "policy",
    "appPrincipalArn": "principal",
    "trailArn": "trail",
    "trailBucket": "bucket",
    "parameterPrefix": "/eonpro/production",
}


def test_outputs_are_read_under_their_contracted_names() -> None:
    secrets = [{"name": "AWS_REGION", "valueFrom": "arn:aws:ssm:us-east-1:111122223333:parameter/x"}]
    outputs = Outputs.read({**OUTPUTS, "taskSecrets": secrets})
    assert (outputs.key_arn, outputs.parameter_prefix) == ("arn", "/eonpro/production")
    assert outputs.task_secrets == (("AWS_REGION", "arn:aws:ssm:us-east-1:111122223333:parameter/x"),)


def test_what_only_some_stacks_tell_is_read_or_none() -> None:
    plain = Outputs.read(OUTPUTS)
    assert (plain.app_user_arn, plain.secrets_role_arn, plain.replica_key_arns) == (None, None, ())
    assert (plain.key_arns, plain.app_principal_arns) == (("arn",), ("principal",))
    told = Outputs.read({**OUTPUTS, "appUserArn": "user", "secretsRoleArn": "reader", "replicaKeyArns": ["a", "b"]})
    assert (told.app_user_arn, told.secrets_role_arn) == ("user", "reader")
    assert told.key_arns == ("arn", "a", "b")
    assert told.app_principal_arns == ("principal", "user")


def test_a_stack_whose_only_principal_is_the_user_names_it_once() -> None:
    outputs = Outputs.read({**OUTPUTS, "appPrincipalArn": "user", "appUserArn": "user"})
    assert outputs.app_principal_arns == ("user",)


def test_the_user_is_vercel_s_and_the_role_every_other_target_s() -> None:
    outputs = Outputs.read({**OUTPUTS, "appUserArn": "user"})
    assert [outputs.principal_of(target) for target in ("vercel", "ecs", "eks")] == ["user", "principal", "principal"]
    assert Outputs.read(OUTPUTS).principal_of("vercel") == "principal"


def test_outputs_that_are_missing_or_empty_are_all_named() -> None:
    with pytest.raises(ContractError) as refused:
        Outputs.read({**OUTPUTS, "keyArn": "", "trailBucket": None})
    assert [field for field, _ in refused.value.faults] == ["keyArn", "trailBucket"]


def test_outputs_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Outputs.read(OUTPUTS).key_arn = "x"  # type: ignore[misc]
