"""A Pulumi plan in Terraform's spelling: what is renamed, what refers to what, what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.linters.rendering import UNKNOWN, PlannedResource, read_state
from tests.linters.terraform_plan import Untranslatable, policy_documents, terraform_plan
from tests.linters.terraform_types import Document

KEY_ARN = "arn:aws:kms:us-east-1:111122223333:key/1234abcd"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})


def planned(
    type: str,
    name: str,
    /,
    *,
    outputs: Mapping[str, Any] | None = None,
    depends: Mapping[str, Sequence[str]] | None = None,
    **inputs: Any,
) -> PlannedResource:
    return PlannedResource(
        urn=f"urn:pulumi:s::p::{type}::{name}", type=type, inputs=inputs, outputs=outputs or {}, depends=depends or {}
    )


KEY = planned("aws:kms/key:Key", "the-key", outputs={"id": "1234abcd", "arn": KEY_ARN}, enableKeyRotation=True)


def translated(*resources: PlannedResource) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Values, unknown values and expressions of the last resource."""
    plan = terraform_plan(resources)
    return (
        plan["planned_values"]["root_module"]["resources"][-1]["values"],
        plan["resource_changes"][-1]["change"]["after_unknown"],
        plan["configuration"]["root_module"]["resources"][-1]["expressions"],
    )


def test_names_are_in_snake_case_and_maps_stay_as_they_are() -> None:
    key = planned("aws:kms/key:Key", "k", deletionWindowInDays=30, tags={"costCenter": "1"})
    assert translated(key)[0] == {"deletion_window_in_days": 30, "tags": {"costCenter": "1"}}


def test_an_object_is_a_list_of_one_block_and_a_plural_is_singular() -> None:
    kept = planned(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "kept",
        rules=[{"id": "a", "expiration": {"days": 3}, "transitions": [{"days": 1, "storageClass": "GLACIER"}]}],
    )
    assert translated(kept)[0] == {
        "rule": [{"id": "a", "expiration": [{"days": 3}], "transition": [{"days": 1, "storage_class": "GLACIER"}]}]
    }


def test_what_comes_from_another_resource_is_unknown_and_refers_to_it() -> None:
    alias = planned("aws:kms/alias:Alias", "a", depends={"targetKeyId": [KEY.urn]}, targetKeyId="1234abcd", name="n")
    values, unknown, expressions = translated(KEY, alias)
    assert values == {"name": "n"}
    assert unknown == {"target_key_id": True}
    assert expressions == {"target_key_id": {"references": ["aws_kms_key.the_key.id", "aws_kms_key.the_key"]}}


def test_a_reference_deep_in_a_block_is_found_by_its_value() -> None:
    rules = [{"applyServerSideEncryptionByDefault": {"kmsMasterKeyId": KEY_ARN, "sseAlgorithm": "aws:kms"}}]
    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    values, _, expressions = translated(KEY, planned(token, "e", depends={"rules": [KEY.urn]}, rules=rules))
    assert values["rule"] == [{"apply_server_side_encryption_by_default": [{"sse_algorithm": "aws:kms"}]}]
    (by_default,) = expressions["rule"][0]["apply_server_side_encryption_by_default"]
    assert by_default["kms_master_key_id"]["references"][0] == "aws_kms_key.the_key.arn"


def test_a_policy_that_names_another_resource_is_written_out() -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": KEY_ARN}]})
    values, _, _ = translated(KEY, planned("aws:iam/policy:Policy", "p", depends={"policy": [KEY.urn]}, policy=text))
    assert values == {"policy": text}


def test_a_type_that_the_table_lacks_is_refused() -> None:
    with pytest.raises(Untranslatable, match="aws:ec2/vpc:Vpc"):
        terraform_plan([planned("aws:ec2/vpc:Vpc", "net")])


def test_a_list_that_the_table_lacks_is_refused() -> None:
    with pytest.raises(Untranslatable, match="grantTokens"):
        terraform_plan([planned("aws:kms/key:Key", "k", grantTokens=["a"])])


def test_a_policy_in_a_place_that_the_table_lacks_is_refused() -> None:
    with pytest.raises(Untranslatable, match="description"):
        policy_documents([planned("aws:kms/key:Key", "k", description=POLICY)])


def test_two_resources_of_one_address_are_refused() -> None:
    with pytest.raises(Untranslatable, match="aws_kms_key.a_b"):
        terraform_plan([planned("aws:kms/key:Key", "a-b"), planned("aws:kms/key:Key", "a_b")])


def test_the_document_of_a_key_is_the_keys_and_that_of_a_role_is_nobodys() -> None:
    found = policy_documents(
        [
            planned("aws:kms/key:Key", "k", outputs={"arn": KEY_ARN}, policy=POLICY),
            planned("aws:iam/policy:Policy", "p", outputs={"arn": "arn:aws:iam::1:policy/p"}, policy=POLICY),
        ]
    )
    assert [(one.kind, one.own_arn) for one in found] == [(Document.RESOURCE, KEY_ARN), (Document.IDENTITY, None)]


def exported(**inputs: Any) -> dict[str, Any]:
    key = {"urn": "urn:k", "type": "aws:kms/key:Key", "custom": True, "inputs": inputs}
    provider = {"urn": "urn:p", "type": "pulumi:providers:aws", "custom": True}
    return {"deployment": {"resources": [provider, {**key, "id": "1", "outputs": {"arn": KEY_ARN}}]}}


def test_a_plan_has_what_is_wanted_and_what_is_known_of_it() -> None:
    (resource,) = read_state(exported(policy="{}"))
    assert (resource.inputs, resource.outputs) == ({"policy": "{}"}, {"id": "1", "arn": KEY_ARN})


def test_a_plan_that_does_not_know_a_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="does not know"):
        read_state(exported(policy=UNKNOWN))
