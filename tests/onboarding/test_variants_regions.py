"""The onboarding in two Regions: the second opens the same data key, and the set of Regions only grows.

Touches a deployment of its own, set up once; the test that adds a Region stands last.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.onboarding.deployment import ALIAS, STORED_KEY, Deployment
from tests.onboarding.variant import OUTPUTS, Variant, no_secret_is_kept, nothing_is_left_to_change, onboarded

pytestmark = pytest.mark.thorough

FIRST, SECOND, THIRD = "us-east-1", "us-west-2", "eu-west-1"


@pytest.fixture(scope="module")
def in_two_regions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Variant]:
    """On ECS, in two Regions."""
    with onboarded(tmp_path_factory.mktemp("in-two-regions"), "multi-region") as variant:
        yield variant


def as_the_application(deployment: Deployment, region: str) -> Any:
    """KMS in a Region, as a task of the application's."""
    given = deployment.task_credentials()
    credentials = given | {"SessionToken": given["Token"]}
    return deployment.client("kms", credentials=credentials, region=region)


def stored_key_in(deployment: Deployment, region: str) -> tuple[str, dict[str, str]]:
    """The stored data key of a Region, and its tags."""
    ssm = deployment.client("ssm", region=region)
    [version] = ssm.get_parameter_history(Name=STORED_KEY, WithDecryption=True)["Parameters"]
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=STORED_KEY)["TagList"]
    return version["Value"], {tag["Key"]: tag["Value"] for tag in tags}


def tags_of(kms: Any, key: str) -> dict[str, str]:
    return {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key)["Tags"]}


def opened_in(deployment: Deployment, region: str, key: str) -> bytes:
    """What the application of a Region gets for its Region's stored data key, under its Region's key."""
    blob = base64.b64decode(stored_key_in(deployment, region)[0], validate=True)
    opened: bytes = as_the_application(deployment, region).decrypt(KeyId=key, CiphertextBlob=blob)["Plaintext"]
    return opened


def test_it_ends_with_a_proof_for_each_region_and_a_second_run_changes_nothing(in_two_regions: Variant) -> None:
    variant = in_two_regions
    assert variant.proofs == [("ecs", "proved"), ("ecs", "proved")]
    assert [proof["detail"][:13] for proof in variant.document["proofs"]] == [f"in {FIRST}:", f"in {SECOND}:"]
    assert set(variant.deployment.outputs()) == OUTPUTS | {"taskSecrets", "replicaKeyArns"}
    nothing_is_left_to_change(variant)
    no_secret_is_kept(variant.deployment)


def test_the_replica_is_the_same_key_with_the_same_policy_alias_and_tags(in_two_regions: Variant) -> None:
    deployment = in_two_regions.deployment
    outputs = deployment.outputs()
    primary, [replica] = outputs["keyArn"], outputs["replicaKeyArns"]
    assert replica == primary.replace(FIRST, SECOND)
    here, there = deployment.client("kms"), deployment.client("kms", region=SECOND)
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


def test_each_regions_stored_data_key_is_the_same_data_key_and_names_its_own_regions_key(
    in_two_regions: Variant,
) -> None:
    deployment = in_two_regions.deployment
    outputs = deployment.outputs()
    (first, here), (second, there) = stored_key_in(deployment, FIRST), stored_key_in(deployment, SECOND)
    assert first == second
    assert here["eonpro:key-arn"] == outputs["keyArn"] and there["eonpro:key-arn"] == outputs["replicaKeyArns"][0]
    assert here["eonpro:fingerprint"] == there["eonpro:fingerprint"]
    named = deployment.client("ssm", region=SECOND).get_parameter(Name="/eonpro/production/AWS_KMS_KEY_ID")
    assert named["Parameter"]["Value"] == outputs["replicaKeyArns"][0]


def test_the_application_opens_it_in_either_region_and_gets_the_same_32_bytes(in_two_regions: Variant) -> None:
    deployment = in_two_regions.deployment
    outputs = deployment.outputs()
    opened = opened_in(deployment, FIRST, outputs["keyArn"])
    assert opened == opened_in(deployment, SECOND, outputs["replicaKeyArns"][0]) and len(opened) == 32
    with pytest.raises(ClientError) as refused:
        as_the_application(deployment, SECOND).schedule_key_deletion(KeyId=outputs["replicaKeyArns"][0])
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_third_region_later_gets_the_same_data_key(in_two_regions: Variant) -> None:
    deployment, more = in_two_regions.deployment, ("--replica-regions", f"{SECOND},{THIRD}")
    before = opened_in(deployment, FIRST, deployment.outputs()["keyArn"])
    document = in_two_regions.again(*more)
    assert [change["type"] for change in document["changes"] if change["op"] not in ("create", "update")] == []
    assert document["dataKey"]["fingerprint"] == in_two_regions.document["dataKey"]["fingerprint"]
    assert [proof["state"] for proof in document["proofs"]] == ["proved"] * 3
    arns = document["outputs"]["replicaKeyArns"]
    assert {arn.split(":")[3] for arn in arns} == {SECOND, THIRD}
    assert opened_in(deployment, THIRD, next(arn for arn in arns if THIRD in arn)) == before
    deployment.pulumi("preview", "--stack", "production", "--expect-no-changes", "--policy-pack", "guardrails")
