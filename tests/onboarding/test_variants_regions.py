"""The onboarding in two Regions: the second opens the same data key, and the set of Regions only grows.

Touches a clinic of its own, set up once; the test that adds a Region stands last.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.onboarding.clinic import ALIAS, ESCROW, Clinic
from tests.onboarding.shipped_schemas import in_words
from tests.onboarding.variant import OUTPUTS, Variant, no_secret_is_kept, nothing_is_left_to_change, onboarded

FIRST, SECOND, THIRD = "us-east-1", "us-west-2", "eu-west-1"


@pytest.fixture(scope="module")
def in_two_regions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Variant]:
    """On ECS, in two Regions."""
    with onboarded(tmp_path_factory.mktemp("in-two-regions"), "multi-region") as variant:
        yield variant


def as_the_application(clinic: Clinic, region: str) -> Any:
    """KMS in a Region, as a task of the application's."""
    given = clinic.task_credentials()
    credentials = given | {"SessionToken": given["Token"]}
    return clinic.client("kms", credentials=credentials, region=region)


def escrow_in(clinic: Clinic, region: str) -> tuple[str, dict[str, str]]:
    """The escrowed data key of a Region, and its tags."""
    ssm = clinic.client("ssm", region=region)
    [version] = ssm.get_parameter_history(Name=ESCROW, WithDecryption=True)["Parameters"]
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=ESCROW)["TagList"]
    return version["Value"], {tag["Key"]: tag["Value"] for tag in tags}


def tags_of(kms: Any, key: str) -> dict[str, str]:
    return {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key)["Tags"]}


def opened_in(clinic: Clinic, region: str, key: str) -> bytes:
    """What the application of a Region gets for its Region's escrow, under its Region's key."""
    blob = base64.b64decode(escrow_in(clinic, region)[0], validate=True)
    opened: bytes = as_the_application(clinic, region).decrypt(KeyId=key, CiphertextBlob=blob)["Plaintext"]
    return opened


@pytest.mark.thorough
def test_it_ends_with_a_proof_for_each_region_and_a_second_run_changes_nothing(in_two_regions: Variant) -> None:
    variant = in_two_regions
    assert variant.proofs == [("ecs", "proved"), ("ecs", "proved")]
    assert [proof["detail"][:13] for proof in variant.document["proofs"]] == [f"in {FIRST}:", f"in {SECOND}:"]
    assert set(variant.clinic.outputs()) == OUTPUTS | {"taskSecrets", "replicaKeyArns"}
    nothing_is_left_to_change(variant)
    no_secret_is_kept(variant.clinic)


def test_the_replica_is_the_same_key_with_the_same_policy_alias_and_tags(in_two_regions: Variant) -> None:
    clinic = in_two_regions.clinic
    outputs = clinic.outputs()
    primary, [replica] = outputs["keyArn"], outputs["replicaKeyArns"]
    assert replica == primary.replace(FIRST, SECOND)
    here, there = clinic.client("kms"), clinic.client("kms", region=SECOND)
    described = there.describe_key(KeyId=ALIAS)["KeyMetadata"]
    assert (described["Arn"], described["KeyState"]) == (replica, "Enabled")
    assert described["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA"
    assert described["MultiRegionConfiguration"]["PrimaryKey"]["Arn"] == primary
    documents = [
        json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
        for kms, key in ((here, primary), (there, replica))
    ]
    assert documents[0] == documents[1]
    assert tags_of(here, primary) == tags_of(there, replica) != {}


def test_each_regions_escrow_is_the_same_data_key_and_names_its_own_regions_key(in_two_regions: Variant) -> None:
    clinic = in_two_regions.clinic
    outputs = clinic.outputs()
    (first, here), (second, there) = escrow_in(clinic, FIRST), escrow_in(clinic, SECOND)
    assert first == second
    assert here["eonpro:key-arn"] == outputs["keyArn"] and there["eonpro:key-arn"] == outputs["replicaKeyArns"][0]
    assert here["eonpro:fingerprint"] == there["eonpro:fingerprint"]
    named = clinic.client("ssm", region=SECOND).get_parameter(Name="/eonpro/production/AWS_KMS_KEY_ID")
    assert named["Parameter"]["Value"] == outputs["replicaKeyArns"][0]


def test_the_application_opens_it_in_either_region_and_gets_the_same_32_bytes(in_two_regions: Variant) -> None:
    clinic = in_two_regions.clinic
    outputs = clinic.outputs()
    opened = opened_in(clinic, FIRST, outputs["keyArn"])
    assert opened == opened_in(clinic, SECOND, outputs["replicaKeyArns"][0]) and len(opened) == 32
    with pytest.raises(ClientError) as refused:
        as_the_application(clinic, SECOND).schedule_key_deletion(KeyId=outputs["replicaKeyArns"][0])
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def refused(clinic: Clinic, example: str, *arguments: str) -> str:
    """All that a run says which refuses before it changes anything."""
    clinic.forget_calls()
    ended = clinic.set_up(example, "--json", *arguments, expect=2)
    assert clinic.changes() == {} and ended.document["ok"] is False
    [problem] = ended.document["problems"]
    return in_words(problem)


def test_a_replica_is_not_dropped(in_two_regions: Variant) -> None:
    told = refused(in_two_regions.clinic, "multi-region", "--replica-regions", THIRD)
    assert f"the replica in {SECOND} would be removed" in told and f"--replica-regions {THIRD},{SECOND}" in told


def test_a_key_of_several_regions_does_not_become_one_of_a_single_region(in_two_regions: Variant) -> None:
    told = refused(in_two_regions.clinic, "multi-region", "--multi-region", "no")
    assert "needs multiRegion, which cannot be changed after the key is created" in told and "--multi-region" in told


@pytest.mark.thorough
def test_a_third_region_later_gets_the_same_data_key(in_two_regions: Variant) -> None:
    clinic, more = in_two_regions.clinic, ("--replica-regions", f"{SECOND},{THIRD}")
    before = opened_in(clinic, FIRST, clinic.outputs()["keyArn"])
    document = in_two_regions.again(*more)
    assert [change["type"] for change in document["changes"] if change["op"] not in ("create", "update")] == []
    assert document["dataKey"]["fingerprint"] == in_two_regions.document["dataKey"]["fingerprint"]
    assert [proof["state"] for proof in document["proofs"]] == ["proved"] * 3
    arns = document["outputs"]["replicaKeyArns"]
    assert {arn.split(":")[3] for arn in arns} == {SECOND, THIRD}
    assert opened_in(clinic, THIRD, next(arn for arn in arns if THIRD in arn)) == before
    clinic.pulumi("preview", "--stack", "production", "--expect-no-changes", "--policy-pack", "guardrails")
