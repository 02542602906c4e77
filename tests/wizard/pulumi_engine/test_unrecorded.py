"""What a preview would create and AWS has already, added to a state."""

from __future__ import annotations

from typing import Any

from wizard.core.models.account import UnrecordedResource
from wizard.pulumi_engine.unrecorded import with_unrecorded

STACK = "urn:pulumi:production::eonpro-kms::pulumi:pulumi:Stack::eonpro-kms-production"
PART = "urn:pulumi:production::eonpro-kms::eonpro:kms:PhiKey::phi-key"
PROVIDER = "urn:pulumi:production::eonpro-kms::pulumi:providers:aws::default_7_51_1"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def creation(type_: str, logical: str, *, region: str = "us-east-1", **inputs: Any) -> dict[str, Any]:
    """A resource that a preview would create."""
    return {
        "urn": f"urn:pulumi:production::eonpro-kms::eonpro:kms:PhiKey${type_}::{logical}",
        "custom": True,
        "type": type_,
        "inputs": {"region": region, **inputs},
        "parent": PART,
        "provider": f"{PROVIDER}::{UNKNOWN}",
        "protect": True,
    }


def own(type_: str, name: str, id_: str, region: str = "us-east-1") -> UnrecordedResource:
    return UnrecordedResource(type=type_, name=name, region=region, id=id_, arn=id_)


PARENTS = [
    {"urn": STACK, "custom": False, "type": "pulumi:pulumi:Stack", "inputs": {}},
    {"urn": PART, "custom": False, "type": "eonpro:kms:PhiKey", "inputs": {}, "parent": STACK},
    {"urn": PROVIDER, "custom": True, "type": "pulumi:providers:aws", "inputs": {"version": "7.51.1"}},
]
KEY, ALIAS, REPLICA = "aws:kms/key:Key", "aws:kms/alias:Alias", "aws:kms/replicaKey:ReplicaKey"
BEGUN = {"resources": [*PARENTS[:2], {**PARENTS[2], "id": "9712f375", "outputs": {}}], "manifest": {"version": "x"}}


def test_a_creation_that_aws_has_is_added_with_its_id_and_the_states_provider() -> None:
    creations = [creation(ALIAS, "phi-key", name="alias/eonpro-phi-key"), creation(ALIAS, "other", name="alias/other")]
    found = with_unrecorded(BEGUN, creations, [own(ALIAS, "alias/eonpro-phi-key", "alias/eonpro-phi-key")])
    assert found["manifest"] == BEGUN["manifest"] and found["resources"][:3] == BEGUN["resources"]
    [added] = found["resources"][3:]
    assert (added["id"], added["provider"], added["protect"]) == (
        "alias/eonpro-phi-key",
        f"{PROVIDER}::9712f375",
        True,
    )
    assert added["outputs"] == {"region": "us-east-1"}, "the refresh reads the rest"


def test_two_keys_are_told_apart_by_their_purpose_and_aliases_by_their_region() -> None:
    creations = [
        creation(KEY, "audit-trail-key", tags={"Purpose": "AuditLogs"}),
        creation(KEY, "phi-key", tags={}),
        creation(ALIAS, "phi-key-us-west-2", region="us-west-2", name="alias/eonpro-phi-key"),
        creation(ALIAS, "phi-key", name="alias/eonpro-phi-key"),
    ]
    resources = [
        own(KEY, "", "the-phi-key"),
        own(KEY, "AuditLogs", "the-logs-key"),
        own(ALIAS, "alias/eonpro-phi-key", "alias/eonpro-phi-key", "us-west-2"),
    ]
    added = with_unrecorded(BEGUN, creations, resources)["resources"][3:]
    assert [(each["urn"].rpartition("::")[2], each["id"]) for each in added] == [
        ("audit-trail-key", "the-logs-key"),
        ("phi-key", "the-phi-key"),
        ("phi-key-us-west-2", "alias/eonpro-phi-key"),
    ]


def test_an_empty_state_gets_the_stack_the_parents_and_a_provider_first() -> None:
    creations = [*PARENTS, creation(KEY, "phi-key", tags={})]
    found = with_unrecorded({}, creations, [own(KEY, "", "the-phi-key")])["resources"]
    assert [each["urn"] for each in found[:3]] == [STACK, PART, PROVIDER]
    assert found[2]["id"] and found[3]["provider"] == f"{PROVIDER}::{found[2]['id']}"


def test_what_the_state_has_and_what_the_program_no_longer_has_is_left_as_it_is() -> None:
    recorded = creation(KEY, "phi-key", tags={})
    deployment = {"resources": [*BEGUN["resources"], {**recorded, "id": "its-own"}]}
    resources = [own(KEY, "", "another"), own(REPLICA, "", "gone")]
    assert with_unrecorded(deployment, [recorded], resources) == deployment
