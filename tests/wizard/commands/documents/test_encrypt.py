"""`documents encrypt` over fakes: what is moved, what is left and named, what is refused before anything is changed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from components.policies.stack import documents_key_policy_of
from components.settings import Settings
from tests.wizard.commands.rotate.stack_world import World
from tests.wizard.fakes.clients import ACCOUNT, KEY, key_fact, settings
from wizard.core.errors import Cancelled, PermissionDenied, ResourceError, Throttled, UsageError
from wizard.core.models.s3_documents import DocumentBucket, Encryption, ObjectState, ObjectVersion

BUCKET = "clinic-documents"
DOCUMENTS_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/9012cdef-12ab-34cd-56ef-1234567890ab"
OTHER_KEY = DOCUMENTS_KEY.replace("9012cdef", "ffffffff")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/batch"
WITH_KEY = settings(document_buckets=(BUCKET,), documents_key=True)
S3_MANAGED = ObjectState(encryption=Encryption(algorithm="AES256"))
MOVED = ObjectState(encryption=Encryption(algorithm="aws:kms", key=DOCUMENTS_KEY))
DENIED = PermissionDenied("not authorized to perform s3:GetObject", "")


def world_of(made: Settings = WITH_KEY, *, versioned: bool = False, **objects: Any) -> World:
    world = World(made)
    assert world.engine.stack_state is not None and world.engine.stack_state.outputs is not None
    outputs = replace(world.engine.stack_state.outputs, documents_key_arn=DOCUMENTS_KEY)
    world.engine.stack_state = replace(world.engine.stack_state, outputs=outputs)
    world.aws.keys[DOCUMENTS_KEY] = key_fact(DOCUMENTS_KEY)
    world.aws.key_policies[DOCUMENTS_KEY] = documents_key_policy_of(WITH_KEY)
    s3 = world.aws.s3_documents
    s3.buckets[BUCKET] = DocumentBucket(
        name=BUCKET, region="us-east-1", encryption=Encryption(algorithm="AES256"), versioned=versioned
    )
    s3.objects[BUCKET] = {ObjectVersion(key=name): state for name, state in objects.items()}
    return world


def under(world: World) -> dict[str, str | None]:
    """The key of each object, by its name."""
    states = world.aws.s3_documents.objects[BUCKET].items()
    return {each.key: state.encryption.key for each, state in states if isinstance(state, ObjectState)}


def encrypt(world: World, *words: str, yes: bool = True) -> tuple[int, Mapping[str, Any]]:
    world.aws.s3_documents.log.clear()
    return world.ended("documents", "encrypt", *words, confirm=None, yes=yes)


def moves(world: World) -> list[str]:
    return [call.removeprefix("encrypt ") for call in world.aws.s3_documents.log if call.startswith("encrypt ")]


def test_what_is_under_s3_s_keys_is_moved_once_and_counted_again() -> None:
    world = world_of(a=S3_MANAGED, b=MOVED, c=S3_MANAGED)
    code, told = encrypt(world)
    assert (code, told["ok"], told["moved"], told["objects"]) == (0, True, 2, 3)
    assert set(under(world).values()) == {DOCUMENTS_KEY}
    assert sorted(moves(world)) == ["a", "c"]
    assert told["calls"] == {"list": 2, "head": 6, "update": 2}
    assert any("3 of 3 objects are under" in line and "counted again" in line for line in world.ui.said)


def test_a_second_run_moves_nothing() -> None:
    world = world_of(a=S3_MANAGED)
    encrypt(world)
    code, told = encrypt(world)
    assert (code, told["moved"], moves(world)) == (0, 0, [])


LEFT = {
    "locked": replace(S3_MANAGED, lock="a legal hold"),
    "otherKey": ObjectState(encryption=Encryption(algorithm="aws:kms", key=OTHER_KEY)),
    "dualLayer": ObjectState(encryption=Encryption(algorithm="aws:kms:dsse", key=DOCUMENTS_KEY)),
    "customerKey": ObjectState(encryption=Encryption(algorithm="SSE-C")),
    "notEncrypted": ObjectState(encryption=Encryption(algorithm="")),
    "denied": DENIED,
}


@pytest.mark.parametrize("place", LEFT)
def test_what_cannot_be_moved_is_left_named_and_counted(place: str) -> None:
    world = world_of(a=S3_MANAGED, stays=LEFT[place])
    code, told = encrypt(world)
    assert (code, told["ok"]) == (1, False)
    assert moves(world) == ["a"]
    assert told["counts"] == {**dict.fromkeys(told["counts"], 0), "underKey": 1, place: 1}
    [left] = told["left"]
    assert (left["key"], left["place"]) == ("stays", place) and left["why"]
    assert any("stays" in line for line in world.ui.said)


def test_a_locked_object_that_is_under_the_key_is_done() -> None:
    code, told = encrypt(world_of(a=replace(MOVED, lock="governance retention until 2030-01-01")))
    assert (code, told["counts"]["underKey"]) == (0, 1)


def test_objects_under_the_phi_key_are_moved_and_those_of_a_named_key() -> None:
    of_phi = ObjectState(encryption=Encryption(algorithm="aws:kms", key=KEY))
    world = world_of(phi=of_phi, other=LEFT["otherKey"])
    assert encrypt(world, "--dry-run", yes=False)[1]["counts"]["toMove"] == 1
    code, _ = encrypt(world, "--from-key", OTHER_KEY)
    assert code == 0 and sorted(moves(world)) == ["other", "phi"]


def test_what_s3_refuses_after_all_is_named_with_its_words() -> None:
    world = world_of(a=S3_MANAGED, b=S3_MANAGED)
    world.aws.s3_documents.refusals["b"] = "it is protected by S3 Object Lock"
    code, told = encrypt(world)
    assert (code, told["counts"]["refused"], told["counts"]["toMove"]) == (1, 1, 0)
    assert told["left"] == [
        {"key": "b", "versionId": None, "place": "refused", "why": "it is protected by S3 Object Lock"}
    ]


def test_a_run_that_was_cut_off_goes_on_where_it_was() -> None:
    world = world_of(a=S3_MANAGED, b=S3_MANAGED)
    world.aws.s3_documents.refusals["b"] = Throttled("slow down", "later")
    with pytest.raises(Throttled) as cut:
        encrypt(world)
    assert "the same command goes on" in cut.value.hint
    del world.aws.s3_documents.refusals["b"]
    code, _ = encrypt(world)
    assert code == 0 and moves(world) == ["b"]


def test_a_plan_counts_and_changes_nothing() -> None:
    world = world_of(a=S3_MANAGED, b=MOVED, c=LEFT["locked"])
    code, told = encrypt(world, "--dry-run", yes=False)
    assert (code, told["dryRun"], told["moved"], moves(world)) == (0, True, 0, [])
    assert (told["counts"]["toMove"], told["counts"]["underKey"], told["counts"]["locked"]) == (1, 1, 1)
    assert any("about $0.00" in line for line in world.ui.said)


def test_a_person_sees_the_plan_and_consents() -> None:
    world = world_of(versioned=True, a=S3_MANAGED)
    world.ui.interactive = True
    world.ui.confirms = [True, True]
    code, told = encrypt(world, yes=False)
    assert (code, told["moved"], told["versions"]) == (0, 1, "all")
    assert any("more calls to S3" in line for line in world.ui.said)


def test_nothing_is_moved_without_consent() -> None:
    world = world_of(a=S3_MANAGED)
    with pytest.raises(Cancelled) as unasked:
        encrypt(world, yes=False)
    assert unasked.value.hint.endswith("--yes")
    assert world.aws.s3_documents.log == [f"bucket {BUCKET}"], "nothing is counted for nobody"
    world.ui.interactive = True
    world.ui.confirms = [False]
    with pytest.raises(Cancelled):
        encrypt(world, yes=False)
    assert moves(world) == []


def test_of_a_versioned_bucket_a_person_decides_about_the_earlier_versions() -> None:
    earlier = ObjectVersion(key="a", version="1", is_current=False)
    world = world_of(versioned=True, a=S3_MANAGED)
    world.aws.s3_documents.objects[BUCKET][earlier] = S3_MANAGED
    with pytest.raises(UsageError, match="--versions all"):
        encrypt(world)
    assert encrypt(world, "--versions", "current")[1]["objects"] == 1
    assert world.aws.s3_documents.objects[BUCKET][earlier] == S3_MANAGED
    code, told = encrypt(world, "--versions", "all")
    assert (code, told["objects"], told["moved"], told["versions"]) == (0, 2, 1, "all")


def test_only_the_objects_below_a_prefix_are_counted_and_moved() -> None:
    world = world_of(scan_1=S3_MANAGED, photo=S3_MANAGED)
    assert encrypt(world, "--prefix", "scan")[1]["objects"] == 1
    assert moves(world) == ["scan_1"] and under(world)["photo"] is None


def test_a_caller_who_may_not_is_told_the_policy_and_nothing_is_changed() -> None:
    world = world_of(a=DENIED, b=DENIED)
    with pytest.raises(PermissionDenied) as refused:
        encrypt(world)
    assert "policy documents" in refused.value.hint
    world = world_of(a=S3_MANAGED)
    world.aws.s3_documents.refusals["a"] = PermissionDenied("not authorized to perform kms:ReEncryptTo", "")
    with pytest.raises(PermissionDenied, match="ReEncryptTo"):
        encrypt(world)


def test_one_object_that_a_policy_keeps_from_the_caller_stops_none_of_the_others() -> None:
    world = world_of(a=S3_MANAGED, b=S3_MANAGED)
    world.aws.s3_documents.refusals["b"] = PermissionDenied("an explicit deny in a resource-based policy", "")
    code, told = encrypt(world)
    assert (code, told["counts"]["underKey"], told["left"][0]["place"]) == (1, 1, "refused")


# --- what is refused before anything is asked of an object


def test_a_bucket_that_the_settings_do_not_name_is_refused() -> None:
    """The key's policy lets the application read the objects of the named buckets alone."""
    world = world_of(a=S3_MANAGED)
    with pytest.raises(UsageError, match="could not read its objects") as refused:
        encrypt(world, "--bucket", "another")
    assert f"--document-buckets {BUCKET},another" in refused.value.hint


def test_a_bucket_that_was_named_and_is_not_deployed_is_refused() -> None:
    world = world_of(a=S3_MANAGED)
    former = settings(document_buckets=("another",), documents_key=True)
    world.aws.key_policies[DOCUMENTS_KEY] = documents_key_policy_of(former)
    with pytest.raises(ResourceError, match="could not read its documents afterwards"):
        encrypt(world)
    assert world.aws.s3_documents.log == [f"bucket {BUCKET}"]


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion"])
def test_nothing_is_moved_to_a_key_that_is_not_enabled(state: str) -> None:
    world = world_of(a=S3_MANAGED)
    world.aws.keys[DOCUMENTS_KEY] = key_fact(DOCUMENTS_KEY, state=state)
    with pytest.raises(ResourceError, match=state):
        encrypt(world)


def test_a_stack_without_the_key_is_told_how_to_get_one() -> None:
    world = World(settings(document_buckets=(BUCKET,)))
    world.aws.s3_documents = world_of().aws.s3_documents
    with pytest.raises(UsageError) as refused:
        encrypt(world)
    assert "--documents-key yes" in refused.value.hint


def test_a_bucket_of_another_region_is_refused() -> None:
    world = world_of(a=S3_MANAGED)
    bucket = world.aws.s3_documents.buckets[BUCKET]
    assert isinstance(bucket, DocumentBucket)
    world.aws.s3_documents.buckets[BUCKET] = replace(bucket, region="eu-west-1")
    with pytest.raises(UsageError, match="own Region only"):
        encrypt(world)


@pytest.mark.parametrize("name", ["alias/clinic", "1234abcd-12ab-34cd-56ef-1234567890ab", ROLE])
def test_a_former_key_is_named_as_s3_names_it(name: str) -> None:
    with pytest.raises(UsageError, match="not the ARN of a KMS key"):
        encrypt(world_of(a=S3_MANAGED), "--from-key", name)


# --- millions: S3 Batch Operations


def test_the_command_of_a_batch_job_is_one_that_aws_takes_and_nothing_is_changed() -> None:
    world = world_of(a=S3_MANAGED)
    code, told = encrypt(world, "--batch", ROLE, "--prefix", "scan", yes=False)
    assert code == 0 and moves(world) == []
    words = shlex.split(told["batch"])
    assert words[:3] == ["aws", "s3control", "create-job"]
    given = dict(zip(words[3:-1:2], words[4::2], strict=True))
    asked = {
        "AccountId": given["--account-id"],
        "ConfirmationRequired": words[-1] == "--confirmation-required",
        "Operation": json.loads(given["--operation"]),
        "ManifestGenerator": json.loads(given["--manifest-generator"]),
        "Report": json.loads(given["--report"]),
        "Priority": int(given["--priority"]),
        "RoleArn": given["--role-arn"],
        "ClientRequestToken": "token",
    }
    model = botocore.session.get_session().get_service_model("s3control").operation_model("CreateJob")
    assert ParamValidator().validate(asked, model.input_shape).generate_report() == ""
    assert asked["Operation"]["S3UpdateObjectEncryption"]["ObjectEncryption"]["SSEKMS"]["KMSKeyArn"] == DOCUMENTS_KEY
