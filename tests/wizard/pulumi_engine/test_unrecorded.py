"""What a preview would create and AWS has already, added to a state."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from wizard.core.models.account import UnrecordedResource
from wizard.pulumi_engine.plan import Creations, with_imports, with_unrecorded

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


PROVIDER_OF_VERCEL = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
OTHER_ISSUER = {
    **creation(PROVIDER_OF_VERCEL, "app-principal-vercel", url="https://oidc.vercel.com"),
    "id": "arn:of-the-global-issuer",
    "protect": False,
    "retainOnDelete": True,
}
LATER = {"urn": "the-role", "custom": True, "type": "aws:iam/role:Role", "id": "eonpro-app-role", "inputs": {}}


def changed_back(former: dict[str, Any]) -> list[dict[str, Any]]:
    """The state of a stack whose issuer is to be the team's again, whose provider the account has kept."""
    wanted = {**former, "inputs": {"region": "us-east-1", "url": "https://oidc.vercel.com/eonpro"}}
    del wanted["id"]
    theirs = own(PROVIDER_OF_VERCEL, "oidc.vercel.com/eonpro", "arn:of-the-teams-issuer")
    resources = with_unrecorded({"resources": [*BEGUN["resources"], former, LATER]}, [wanted], [theirs])["resources"]
    return [each for each in resources if each["urn"] in (former["urn"], LATER["urn"])]


def test_what_a_replacement_would_create_takes_the_place_of_what_it_replaces() -> None:
    """The role, which depends on it, comes after it; the former provider is retained, for others may trust it."""
    assert [(each["id"], each.get("delete")) for each in changed_back(OTHER_ISSUER)] == [
        ("arn:of-the-teams-issuer", None),
        ("eonpro-app-role", None),
    ]


def test_what_is_replaced_and_not_retained_is_deleted_by_the_next_update() -> None:
    assert [(each["id"], each.get("delete")) for each in changed_back({**OTHER_ISSUER, "retainOnDelete": False})] == [
        ("arn:of-the-teams-issuer", None),
        ("eonpro-app-role", None),
        ("arn:of-the-global-issuer", True),
    ]


def test_what_a_pending_operation_gave_the_state_already_is_not_there_twice() -> None:
    """The preview is of the state before that: it would create the topic. Marked to be deleted, it would be."""
    topic = creation("aws:sns/topic:Topic", "alerts", name="eonpro-alerts")
    del topic["protect"]
    operation = {"type": "creating", "resource": topic}
    edited = with_imports({**BEGUN, "pending_operations": [operation]}, {topic["urn"]: "arn:of-the-topic"})
    theirs = own("aws:sns/topic:Topic", "eonpro-alerts", "arn:of-the-topic")
    assert with_unrecorded(edited, [topic], [theirs]) == edited


@pytest.mark.parametrize(("op", "is_one"), [("create", True), ("create-replacement", True), ("replace", False)])
def test_a_preview_tells_of_creations_and_of_those_of_replacements(op: str, is_one: bool) -> None:
    creations = Creations()
    new = SimpleNamespace(
        urn="urn",
        custom=True,
        type=ALIAS,
        inputs={"name": "alias/eonpro", "targetKeyId": UNKNOWN},
        parent=PART,
        provider=PROVIDER,
        protect=False,
        retain_on_delete=True,
    )
    event: Any = SimpleNamespace(resource_pre_event=SimpleNamespace(metadata=SimpleNamespace(op=op, new=new)))
    creations(event)
    assert [each["inputs"] for each in creations.resources] == ([{"name": "alias/eonpro"}] if is_one else [])
