"""What a stack made and its state lacks, by the marks of the stack: what it is, and what is somebody else's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.policies.stack import key_policy_of, trail_key_policy_of
from components.settings import Settings
from wizard.core.models.account import UnrecordedResource
from wizard.core.models.stack import StackState, StateResource

ACCOUNT = "123456789012"
IAM = f"arn:aws:iam::{ACCOUNT}"
DOCUMENT = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}]}
)
PROVIDER = StateResource(urn="urn:x::pulumi:providers:aws::default", type="pulumi:providers:aws", id="1")
BEGUN = StackState(exists=True, has_key=False, resources=(PROVIDER,))


def tags_of(settings: Settings, key: str = "Key", value: str = "Value", **more: str) -> list[dict[str, str]]:
    return [{key: name, value: text} for name, text in {**settings.tags, **more}.items()]


def recorded(*resources: tuple[str, str, str], owned: tuple[str, ...] = ()) -> StackState:
    """A state that has these: type, logical name, id."""
    listed = tuple(StateResource(urn=f"urn:x::{type_}::{name}", type=type_, id=id_) for type_, name, id_ in resources)
    return StackState(exists=True, has_key=False, resources=(PROVIDER, *listed), owned=owned)


@pytest.fixture
def made(boto: Any, settings: Settings) -> dict[str, str]:
    """All that a stack makes under its names, with its marks; the ids of its keys."""
    iam, s3, kms = boto("iam"), boto("s3"), boto("kms")
    tags = tags_of(settings)
    kms_tags = tags_of(settings, "TagKey", "TagValue")
    phi = kms.create_key(Tags=kms_tags, Policy=json.dumps(key_policy_of(settings)))["KeyMetadata"]
    logs = kms.create_key(
        Tags=[*kms_tags, {"TagKey": "Purpose", "TagValue": "AuditLogs"}],
        Policy=json.dumps(trail_key_policy_of(settings)),
    )["KeyMetadata"]
    kms.create_alias(AliasName="alias/eonpro-phi-key", TargetKeyId=phi["KeyId"])
    kms.create_alias(AliasName="alias/eonpro-audit-key", TargetKeyId=logs["KeyId"])
    for role in ("eonpro-app-role", "eonpro-execution-role"):
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=DOCUMENT, Tags=tags)
    for policy in ("EONPROKMSAccess", "EONPROParameterAccess"):
        iam.create_policy(PolicyName=policy, PolicyDocument=DOCUMENT, Tags=tags)
    iam.create_open_id_connect_provider(Url="https://oidc.vercel.com/eonpro", ThumbprintList=[], Tags=tags)
    for bucket in (settings.names.trail_bucket, settings.names.access_log_bucket):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    for topic in ("eonpro-alerts", "eonpro-fallback-alerts"):
        boto("sns").create_topic(Name=topic, Tags=tags)
    boto("cloudtrail").create_trail(Name="eonpro-audit-trail", S3BucketName=settings.names.trail_bucket, TagsList=tags)
    return {"phi": phi["Arn"], "logs": logs["Arn"]}


def ids(found: tuple[UnrecordedResource, ...]) -> set[tuple[str, str]]:
    return {(each.type.rpartition(":")[2], each.id) for each in found}


def test_everything_that_carries_the_marks_is_the_stacks(made, aws, settings) -> None:
    found = aws.unrecorded_resources.find_unrecorded(settings, BEGUN)
    phi, logs = (made[name].rpartition("/")[2] for name in ("phi", "logs"))
    assert ids(found) == {
        ("Key", phi),
        ("Key", logs),
        ("Alias", "alias/eonpro-phi-key"),
        ("Alias", "alias/eonpro-audit-key"),
        ("Role", "eonpro-app-role"),
        ("Role", "eonpro-execution-role"),
        ("Policy", f"{IAM}:policy/EONPROKMSAccess"),
        ("Policy", f"{IAM}:policy/EONPROParameterAccess"),
        ("OpenIdConnectProvider", f"{IAM}:oidc-provider/oidc.vercel.com/eonpro"),
        ("Bucket", settings.names.trail_bucket),
        ("Bucket", settings.names.access_log_bucket),
        ("Topic", f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-alerts"),
        ("Topic", f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-fallback-alerts"),
        ("Trail", f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/eonpro-audit-trail"),
    }
    state = BEGUN.with_unrecorded(found)
    assert state.has_key and made["phi"] in state.owned and f"{IAM}:role/eonpro-app-role" in state.owned


def test_what_the_state_has_is_not_asked_for(made, aws, settings, asked) -> None:
    names = (
        ("aws:kms/key:Key", "phi-key", made["phi"].rpartition("/")[2]),
        ("aws:kms/key:Key", "audit-trail-key", made["logs"].rpartition("/")[2]),
        ("aws:kms/alias:Alias", "phi-key", "alias/eonpro-phi-key"),
        ("aws:kms/alias:Alias", "audit-trail-key", "alias/eonpro-audit-key"),
        ("aws:iam/role:Role", "app-principal", "eonpro-app-role"),
        ("aws:iam/role:Role", "delivery-execution", "eonpro-execution-role"),
        ("aws:iam/policy:Policy", "app-access", f"{IAM}:policy/EONPROKMSAccess"),
        ("aws:iam/policy:Policy", "delivery-parameters", f"{IAM}:policy/EONPROParameterAccess"),
        (
            "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
            "app-principal-vercel",
            f"{IAM}:oidc-provider/oidc.vercel.com/eonpro",
        ),
        ("aws:s3/bucket:Bucket", "audit-trail", settings.names.trail_bucket),
        ("aws:s3/bucket:Bucket", "audit-trail-access", settings.names.access_log_bucket),
        ("aws:sns/topic:Topic", "alerts", f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-alerts"),
        ("aws:sns/topic:Topic", "fallback-alerts", f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-fallback-alerts"),
        (
            "aws:cloudtrail/trail:Trail",
            "audit-trail",
            f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/eonpro-audit-trail",
        ),
    )
    assert aws.unrecorded_resources.find_unrecorded(settings, recorded(*names)) == ()
    assert asked == []
    [role] = aws.unrecorded_resources.find_unrecorded(settings, recorded(*names[:4], *names[5:]))
    assert role.id == "eonpro-app-role"


def test_an_alias_of_another_key_is_not_the_stacks(boto, aws, settings) -> None:
    other = boto("kms").create_key()["KeyMetadata"]["KeyId"]
    boto("kms").create_alias(AliasName="alias/eonpro-phi-key", TargetKeyId=other)
    assert aws.unrecorded_resources.find_unrecorded(settings, BEGUN) == ()


def test_names_without_the_marks_or_of_another_environment_are_somebody_elses(boto, aws, settings) -> None:
    iam = boto("iam")
    iam.create_role(RoleName="eonpro-app-role", AssumeRolePolicyDocument=DOCUMENT)
    iam.create_role(
        RoleName="eonpro-execution-role",
        Path="/theirs/",
        AssumeRolePolicyDocument=DOCUMENT,
        Tags=tags_of(settings),
    )
    theirs = [{"Key": "Application", "Value": "EONPRO"}, {"Key": "Environment", "Value": "Staging"}]
    iam.create_policy(PolicyName="EONPROKMSAccess", PolicyDocument=DOCUMENT, Tags=theirs)
    boto("sns").create_topic(Name="eonpro-alerts")
    assert aws.unrecorded_resources.find_unrecorded(settings, BEGUN) == ()


def test_of_two_keys_the_one_with_the_alias_is_the_stacks_and_without_an_alias_none_is(boto, aws, settings) -> None:
    kms, tags = boto("kms"), tags_of(settings, "TagKey", "TagValue")
    made = {"Tags": tags, "Policy": json.dumps(key_policy_of(settings))}
    first, second = (kms.create_key(**made)["KeyMetadata"]["KeyId"] for _ in range(2))
    assert aws.unrecorded_resources.find_unrecorded(settings, BEGUN) == ()
    kms.create_alias(AliasName="alias/eonpro-phi-key", TargetKeyId=second)
    found = aws.unrecorded_resources.find_unrecorded(settings, BEGUN)
    assert ids(found) == {("Key", second), ("Alias", "alias/eonpro-phi-key")} and first not in str(found)


def test_a_disabled_key_is_none_that_an_interrupted_run_left(boto, aws, settings) -> None:
    kms = boto("kms")
    key = kms.create_key(Tags=tags_of(settings, "TagKey", "TagValue"), Policy=json.dumps(key_policy_of(settings)))[
        "KeyMetadata"
    ]["KeyId"]
    assert ids(aws.unrecorded_resources.find_unrecorded(settings, BEGUN)) == {("Key", key)}
    kms.disable_key(KeyId=key)
    assert aws.unrecorded_resources.find_unrecorded(settings, BEGUN) == ()


def test_a_key_with_the_tags_and_another_policy_is_somebody_elses(boto, aws, settings) -> None:
    """The guide's key has the same tags: the stack's policy must not be written over its own."""
    boto("kms").create_key(Tags=tags_of(settings, "TagKey", "TagValue"))
    assert aws.unrecorded_resources.find_unrecorded(settings, BEGUN) == ()


def test_a_key_with_key_material_from_elsewhere_is_somebody_elses(boto, aws, settings) -> None:
    boto("kms").create_key(
        Tags=tags_of(settings, "TagKey", "TagValue"), Policy=json.dumps(key_policy_of(settings)), Origin="EXTERNAL"
    )
    assert aws.unrecorded_resources.find_unrecorded(settings, BEGUN) == ()


@pytest.mark.parametrize(("content", "own"), [(b"", True), (b"somebody's log", False)], ids=["empty", "in use"])
def test_a_bucket_that_got_no_tags_yet_is_the_stacks_while_it_is_empty(boto, aws, settings, content, own) -> None:
    boto("s3").create_bucket(Bucket=settings.names.trail_bucket)
    if content:
        boto("s3").put_object(Bucket=settings.names.trail_bucket, Key="AWSLogs/1", Body=content)
    found = ids(aws.unrecorded_resources.find_unrecorded(settings, BEGUN))
    assert found == ({("Bucket", settings.names.trail_bucket)} if own else set())


def test_what_the_settings_import_is_left_to_the_import(made, aws, settings_of) -> None:
    phi = made["phi"].rpartition("/")[2]
    settings = settings_of(adopted=[f"key={phi}", "alias=alias/eonpro-phi-key", "application-role=eonpro-app-role"])
    found = ids(aws.unrecorded_resources.find_unrecorded(settings, BEGUN))
    assert not found & {("Key", phi), ("Alias", "alias/eonpro-phi-key"), ("Role", "eonpro-app-role")}


def test_what_the_program_does_not_make_is_not_looked_for(made, aws, settings_of) -> None:
    """Else each run would say that it imports what it does not."""
    settings = settings_of(kept_as_found=["bucket", "trail"], adopted=[f"bucket={settings_of().names.trail_bucket}"])
    found = ids(aws.unrecorded_resources.find_unrecorded(settings, BEGUN))
    assert ("Bucket", settings.names.access_log_bucket) not in found


def test_a_replica_and_its_alias_are_found_in_their_region(boto, aws, settings_of) -> None:
    settings = settings_of(multi_region=True, replica_regions=["us-west-2"])
    key = boto("kms").create_key(MultiRegion=True, Tags=tags_of(settings, "TagKey", "TagValue"))["KeyMetadata"]
    boto("kms").replicate_key(KeyId=key["KeyId"], ReplicaRegion="us-west-2")
    state = recorded(
        ("aws:kms/key:Key", "phi-key", key["KeyId"]),
        ("aws:kms/alias:Alias", "phi-key", "alias/eonpro-phi-key"),
        owned=(key["KeyId"], key["Arn"]),
    )
    found = aws.unrecorded_resources.find_unrecorded(settings, state)
    assert [(each.type.rpartition(":")[2], each.region, each.id) for each in found] == [
        ("ReplicaKey", "us-west-2", key["KeyId"])
    ]
