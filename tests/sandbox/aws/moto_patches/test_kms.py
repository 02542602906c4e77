"""KMS in the sandbox, as AWS documents it, over HTTP."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

ACCOUNT = "123456789012"
ROOT = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}
ADMIN = f"arn:aws:iam::{ACCOUNT}:user/clinic-admin"
OFFICER = f"arn:aws:iam::{ACCOUNT}:user/security-officer"


@pytest.fixture
def kms(cloud: Any) -> Any:
    return cloud.client("kms")


@pytest.fixture
def key(kms: Any) -> str:
    arn: str = kms.create_key()["KeyMetadata"]["Arn"]
    return arn


@pytest.fixture
def officer(cloud: Any) -> Any:
    """KMS as a user without any IAM policy."""
    name = f"user-{uuid.uuid4().hex}"
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    client = cloud.client("kms", aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"])
    client.arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    return client


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def refusal(call: Any, **parameters: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    said = refused.value.response
    return said["Error"]["Code"], said["Error"]["Message"], said["ResponseMetadata"]["HTTPStatusCode"]


# Rotation


def test_a_rotation_period_is_kept_and_returned_with_the_next_date(kms: Any, key: str) -> None:
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
    status = kms.get_key_rotation_status(KeyId=key)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"], status["KeyId"]) == (True, 180, key)
    made = kms.describe_key(KeyId=key)["KeyMetadata"]["CreationDate"]
    assert (status["NextRotationDate"] - made).days in (179, 180)


def test_rotation_without_a_period_is_yearly(kms: Any, key: str) -> None:
    kms.enable_key_rotation(KeyId=key)
    assert kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 365


def test_a_key_without_rotation_has_no_period(kms: Any, key: str) -> None:
    status = kms.get_key_rotation_status(KeyId=key)
    assert status["KeyRotationEnabled"] is False
    assert "RotationPeriodInDays" not in status


@pytest.mark.parametrize("days", [89, 2561])
def test_a_rotation_period_outside_90_to_2560_days_is_refused(kms: Any, key: str, days: int) -> None:
    code, _, status = refusal(kms.enable_key_rotation, KeyId=key, RotationPeriodInDays=days)
    assert (code, status) == ("ValidationException", 400)
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False


# Dry runs


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("encrypt", {"Plaintext": b"x"}),
        ("generate_data_key", {"KeySpec": "AES_256"}),
        ("generate_data_key_without_plaintext", {"KeySpec": "AES_256"}),
        ("create_grant", {"GranteePrincipal": OFFICER, "Operations": ["Decrypt"]}),
    ],
)
def test_a_dry_run_that_would_succeed_says_so_with_412(
    kms: Any, key: str, operation: str, parameters: dict[str, Any]
) -> None:
    code, _, status = refusal(getattr(kms, operation), KeyId=key, DryRun=True, **parameters)
    assert (code, status) == ("DryRunOperationException", 412)


def test_a_dry_run_of_decrypt_and_reencrypt_returns_nothing(kms: Any, key: str) -> None:
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert refusal(kms.decrypt, CiphertextBlob=blob, DryRun=True)[0] == "DryRunOperationException"
    again = refusal(kms.re_encrypt, CiphertextBlob=blob, DestinationKeyId=key, DryRun=True)
    assert again[0] == "DryRunOperationException"


def test_reencrypting_keeps_what_is_inside_under_another_key(kms: Any, key: str) -> None:
    other = kms.create_key()["KeyMetadata"]["Arn"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    moved = kms.re_encrypt(CiphertextBlob=blob, SourceKeyId=key, DestinationKeyId=other)
    assert (moved["SourceKeyId"], moved["KeyId"]) == (key, other)
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], KeyId=other)["Plaintext"] == b"x"


def test_reencrypting_from_another_key_is_refused(kms: Any, key: str) -> None:
    other = kms.create_key()["KeyMetadata"]["Arn"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    code = refusal(kms.re_encrypt, CiphertextBlob=blob, SourceKeyId=other, DestinationKeyId=other)[0]
    assert code == "IncorrectKeyException"


def test_reencrypting_needs_permissions_on_both_keys(kms: Any, cloud: Any, key: str, officer: Any) -> None:
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    other = kms.create_key()["KeyMetadata"]["Arn"]
    source_only = {"Effect": "Allow", "Action": "kms:ReEncryptFrom", "Resource": key}
    cloud.client("iam").put_user_policy(
        UserName=officer.arn.rpartition("/")[2], PolicyName="from", PolicyDocument=policy(source_only)
    )
    code, said, _ = refusal(officer.re_encrypt, CiphertextBlob=blob, SourceKeyId=key, DestinationKeyId=other)
    assert code == "AccessDeniedException"
    assert "kms:ReEncryptTo" in said


def test_a_rotation_on_demand_is_listed_with_its_time(kms: Any, key: str) -> None:
    kms.rotate_key_on_demand(KeyId=key)
    (made,) = kms.list_key_rotations(KeyId=key)["Rotations"]
    assert made["RotationType"] == "ON_DEMAND"
    assert made["RotationDate"]


def test_a_rotation_gives_new_key_material_and_each_ciphertext_names_its_own(kms: Any, key: str) -> None:
    before = kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
    kms.rotate_key_on_demand(KeyId=key)
    after = kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
    assert before["KeyMaterialId"] != after["KeyMaterialId"]
    for made in (before, after):
        assert kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["KeyMaterialId"] == made["KeyMaterialId"]
    moved = kms.re_encrypt(CiphertextBlob=before["CiphertextBlob"], DestinationKeyId=key)
    assert moved["SourceKeyMaterialId"] == before["KeyMaterialId"]
    assert moved["DestinationKeyMaterialId"] == after["KeyMaterialId"]
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])["KeyMaterialId"] == after["KeyMaterialId"]


def test_a_replica_opens_with_the_key_material_of_its_primary(kms: Any, cloud: Any) -> None:
    primary = kms.create_key(MultiRegion=True)["KeyMetadata"]["Arn"]
    made = kms.generate_data_key_without_plaintext(KeyId=primary, KeySpec="AES_256")
    kms.replicate_key(KeyId=primary, ReplicaRegion="eu-central-1")
    there = cloud.client("kms", region="eu-central-1")
    assert there.decrypt(CiphertextBlob=made["CiphertextBlob"])["KeyMaterialId"] == made["KeyMaterialId"]


def test_a_key_is_rotated_on_demand_so_many_times_and_no_more(kms: Any, cloud: Any, key: str) -> None:
    quotas = cloud.client("service-quotas").list_service_quotas(ServiceCode="kms")["Quotas"]
    (limit,) = (int(each["Value"]) for each in quotas if "On-demand" in each["QuotaName"])
    for _ in range(limit):
        kms.rotate_key_on_demand(KeyId=key)
    assert refusal(kms.rotate_key_on_demand, KeyId=key)[0] == "LimitExceededException"


def test_imported_and_asymmetric_keys_are_not_rotated_on_demand(kms: Any) -> None:
    for given in ({"Origin": "EXTERNAL"}, {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}):
        key = kms.create_key(**given)["KeyMetadata"]["Arn"]
        assert refusal(kms.rotate_key_on_demand, KeyId=key)[0] == "UnsupportedOperationException"


def test_of_a_multi_region_key_the_primary_alone_is_rotated(kms: Any, cloud: Any) -> None:
    primary = kms.create_key(MultiRegion=True)["KeyMetadata"]["Arn"]
    replica = kms.replicate_key(KeyId=primary, ReplicaRegion="eu-central-1")["ReplicaKeyMetadata"]["Arn"]
    there = cloud.client("kms", region="eu-central-1")
    assert refusal(there.rotate_key_on_demand, KeyId=replica)[0] == "UnsupportedOperationException"
    kms.rotate_key_on_demand(KeyId=primary)


def test_a_dry_run_makes_no_grant(kms: Any, key: str) -> None:
    refusal(kms.create_grant, KeyId=key, GranteePrincipal=OFFICER, Operations=["Decrypt"], DryRun=True)
    assert kms.list_grants(KeyId=key)["Grants"] == []


def test_a_dry_run_that_would_be_denied_is_denied(kms: Any, key: str, officer: Any) -> None:
    code = refusal(officer.generate_data_key, KeyId=key, KeySpec="AES_256", DryRun=True)[0]
    assert code == "AccessDeniedException"


def test_a_dry_run_of_a_broken_ciphertext_is_no_success(kms: Any, key: str) -> None:
    blob = bytearray(kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"])
    blob[-1] ^= 1
    code = refusal(kms.decrypt, CiphertextBlob=bytes(blob), DryRun=True)[0]
    assert code == "InvalidCiphertextException"


def test_a_dry_run_without_a_ciphertext_evaluates_the_permission_and_the_keys_state(
    kms: Any, key: str, officer: Any
) -> None:
    ask = {"KeyId": key, "DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    assert refusal(kms.decrypt, **ask)[0] == "DryRunOperationException"
    assert refusal(officer.decrypt, **ask)[0] == "AccessDeniedException"
    assert refusal(kms.decrypt, **ask | {"DryRun": False})[0] == "ValidationException"
    kms.disable_key(KeyId=key)
    assert refusal(kms.decrypt, **ask)[0] == "DisabledException"


# Key states


def test_a_disabled_key_refuses_cryptography_until_it_is_enabled(kms: Any, key: str) -> None:
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=key)
    assert refusal(kms.decrypt, CiphertextBlob=blob)[0] == "DisabledException"
    assert refusal(kms.encrypt, KeyId=key, Plaintext=b"x")[:2] == ("DisabledException", f"{key} is disabled.")
    assert refusal(kms.generate_data_key, KeyId=key, KeySpec="AES_256")[0] == "DisabledException"
    kms.enable_key(KeyId=key)
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_a_key_that_awaits_deletion_refuses_use_and_change(kms: Any, key: str) -> None:
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    due = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=30)
    assert (due["KeyId"], due["KeyState"], due["PendingWindowInDays"]) == (key, "PendingDeletion", 30)
    invalid = ("KMSInvalidStateException", f"{key} is pending deletion.", 400)
    assert refusal(kms.decrypt, CiphertextBlob=blob) == invalid
    assert refusal(kms.generate_data_key_without_plaintext, KeyId=key, KeySpec="AES_256") == invalid
    assert refusal(kms.enable_key, KeyId=key) == invalid
    assert refusal(kms.create_alias, AliasName=f"alias/{uuid.uuid4().hex}", TargetKeyId=key) == invalid


def test_a_cancelled_deletion_leaves_the_key_disabled(kms: Any, key: str) -> None:
    kms.schedule_key_deletion(KeyId=key)
    assert kms.cancel_key_deletion(KeyId=key)["KeyId"] == key
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"


def test_a_deletion_that_was_not_scheduled_cannot_be_cancelled(kms: Any, key: str) -> None:
    assert refusal(kms.cancel_key_deletion, KeyId=key)[0] == "KMSInvalidStateException"


@pytest.mark.parametrize("days", [6, 31])
def test_a_deletion_takes_7_to_30_days(kms: Any, key: str, days: int) -> None:
    code = refusal(kms.schedule_key_deletion, KeyId=key, PendingWindowInDays=days)[0]
    assert code == "ValidationException"
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


# Which key


def test_decrypting_under_another_key_is_an_incorrect_key(kms: Any, key: str) -> None:
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    other = kms.create_key()["KeyMetadata"]["Arn"]
    code, _, status = refusal(kms.decrypt, CiphertextBlob=blob, KeyId=other)
    assert (code, status) == ("IncorrectKeyException", 400)


def test_the_arn_of_another_region_is_not_found(kms: Any, key: str) -> None:
    elsewhere = key.replace("us-east-1", "eu-west-1")
    assert refusal(kms.describe_key, KeyId=elsewhere)[:2] == ("NotFoundException", "Invalid arn eu-west-1")


def test_tags_set_by_arn_are_found_by_id(kms: Any, key: str) -> None:
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "Application", "TagValue": "EONPRO"}])
    tags = kms.list_resource_tags(KeyId=key.rpartition("/")[2])["Tags"]
    assert tags == [{"TagKey": "Application", "TagValue": "EONPRO"}]


def test_a_ciphertext_of_a_multi_region_key_decrypts(kms: Any) -> None:
    about = kms.create_key(MultiRegion=True)["KeyMetadata"]
    assert about["KeyId"].startswith("mrk-")
    assert len(about["KeyId"]) == 36
    made = kms.generate_data_key(KeyId=about["Arn"], KeySpec="AES_256")
    opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], KeyId=about["Arn"])
    assert opened["Plaintext"] == made["Plaintext"]


def test_a_replica_decrypts_and_has_its_own_policy_alias_and_tags(cloud: Any, kms: Any) -> None:
    primary = kms.create_key(MultiRegion=True, Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
    kms.create_alias(AliasName=f"alias/{uuid.uuid4().hex}", TargetKeyId=primary["Arn"])
    own = policy(ROOT | {"Sid": "replica"})
    kms.replicate_key(KeyId=primary["Arn"], ReplicaRegion="eu-west-1", Policy=own)
    west, key_id = cloud.client("kms", "eu-west-1"), primary["KeyId"]
    blob = kms.encrypt(KeyId=primary["Arn"], Plaintext=b"x")["CiphertextBlob"]
    assert west.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    assert west.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"] == own
    assert west.list_aliases(KeyId=key_id)["Aliases"] == []
    assert west.list_resource_tags(KeyId=key_id)["Tags"] == []
    assert len(kms.list_aliases(KeyId=key_id)["Aliases"]) == 1


def test_a_primary_stays_the_primary_after_its_replica_was_described(cloud: Any, kms: Any) -> None:
    primary = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    kms.replicate_key(KeyId=primary, ReplicaRegion="eu-west-1")
    kinds = [
        client.describe_key(KeyId=primary)["KeyMetadata"]["MultiRegionConfiguration"]["MultiRegionKeyType"]
        for client in (cloud.client("kms", "eu-west-1"), kms)
    ]
    assert kinds == ["REPLICA", "PRIMARY"]


def multi_region_of(client: Any, key: str) -> tuple[str, str, list[str]]:
    """The type of a multi-Region key, its primary's Region, and the Regions of its replicas."""
    found = client.describe_key(KeyId=key)["KeyMetadata"]["MultiRegionConfiguration"]
    regions = sorted(each["Region"] for each in found["ReplicaKeys"])
    return found["MultiRegionKeyType"], found["PrimaryKey"]["Region"], regions


def test_the_primary_and_each_replica_list_all_replicas(cloud: Any, kms: Any) -> None:
    primary = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    for region in ("eu-west-1", "eu-central-1"):
        kms.replicate_key(KeyId=primary, ReplicaRegion=region)
    regions = ["eu-central-1", "eu-west-1"]
    assert multi_region_of(kms, primary) == ("PRIMARY", "us-east-1", regions)
    assert multi_region_of(cloud.client("kms", "eu-west-1"), primary) == ("REPLICA", "us-east-1", regions)


def test_a_second_replica_in_one_region_is_refused(kms: Any) -> None:
    primary = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    kms.replicate_key(KeyId=primary, ReplicaRegion="eu-west-1")
    assert refusal(kms.replicate_key, KeyId=primary, ReplicaRegion="eu-west-1")[0] == "AlreadyExistsException"


def test_a_replica_becomes_the_primary_and_the_primary_a_replica(cloud: Any, kms: Any) -> None:
    primary = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    for region in ("eu-west-1", "eu-central-1"):
        kms.replicate_key(KeyId=primary, ReplicaRegion=region)
    kms.update_primary_region(KeyId=primary, PrimaryRegion="eu-west-1")
    west = cloud.client("kms", "eu-west-1")
    assert multi_region_of(kms, primary) == ("REPLICA", "eu-west-1", ["eu-central-1", "us-east-1"])
    assert multi_region_of(west, primary) == ("PRIMARY", "eu-west-1", ["eu-central-1", "us-east-1"])
    west.update_primary_region(KeyId=primary, PrimaryRegion="us-east-1")
    assert multi_region_of(kms, primary) == ("PRIMARY", "us-east-1", ["eu-central-1", "eu-west-1"])


def test_only_a_primary_is_moved_and_only_to_one_of_its_replicas(cloud: Any, kms: Any, key: str) -> None:
    primary = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    kms.replicate_key(KeyId=primary, ReplicaRegion="eu-west-1")
    west = cloud.client("kms", "eu-west-1")
    for client, key_id, region in ((kms, key, "eu-west-1"), (west, primary, "us-east-1")):
        refused = refusal(client.update_primary_region, KeyId=key_id, PrimaryRegion=region)
        assert refused[0] == "UnsupportedOperationException"
    assert refusal(kms.update_primary_region, KeyId=primary, PrimaryRegion="eu-central-1")[0] == "NotFoundException"


def test_a_replica_is_listed_until_it_is_deleted(cloud: Any, kms: Any) -> None:
    primary = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    kms.replicate_key(KeyId=primary, ReplicaRegion="eu-west-1")
    cloud.client("kms", "eu-west-1").schedule_key_deletion(KeyId=primary, PendingWindowInDays=7)
    assert multi_region_of(kms, primary)[2] == ["eu-west-1"]
    assert kms.describe_key(KeyId=primary)["KeyMetadata"]["KeyState"] == "Enabled"


# What a key is for


def test_a_key_is_by_default_for_encryption_in_one_region(kms: Any, key: str) -> None:
    found = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert (found["KeySpec"], found["KeyUsage"]) == ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    assert found["MultiRegion"] is False


def test_a_key_made_for_signing_stays_one(kms: Any) -> None:
    made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    found = kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]
    assert (found["KeySpec"], found["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")


# Key policies


def test_the_name_of_a_key_policy_is_default_when_it_is_left_out(kms: Any, key: str) -> None:
    document = policy(ROOT | {"Sid": "new"})

    kms.put_key_policy(KeyId=key, Policy=document)

    assert kms.get_key_policy(KeyId=key)["Policy"] == document
    assert refusal(kms.get_key_policy, KeyId=key, PolicyName="other")[0] == "NotFoundException"


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{}",
        json.dumps({"Version": "2012-10-17", "PolicyDocument": json.loads(policy(ROOT))}),
        json.dumps({"Version": "2020-01-01", "Statement": [ROOT]}),
        policy({**ROOT, "Effect": "allow"}),
        policy({name: value for name, value in ROOT.items() if name != "Action"}),
        policy({name: value for name, value in ROOT.items() if name != "Principal"}),
        policy({name: value for name, value in ROOT.items() if name != "Resource"}),
        policy({**ROOT, "Action": "Decrypt"}),
        policy({**ROOT, "Conditions": {}}),
    ],
)
def test_a_malformed_key_policy_is_refused_and_nothing_is_made(kms: Any, key: str, text: str) -> None:
    before = len(kms.list_keys()["Keys"])
    assert refusal(kms.create_key, Policy=text)[0] == "MalformedPolicyDocumentException"
    code = refusal(kms.put_key_policy, KeyId=key, PolicyName="default", Policy=text)[0]
    assert code == "MalformedPolicyDocumentException"
    assert len(kms.list_keys()["Keys"]) == before


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"},
        {"AWS": [ADMIN, f"arn:aws:iam::{ACCOUNT}:role/nobody"]},
        {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/nobody/session"},
        {"AWS": "clinic-admin"},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:role/*"},
        {"Service": "nobody.example.com"},
    ],
)
def test_a_key_policy_with_an_unknown_principal_is_refused(kms: Any, principal: dict[str, Any]) -> None:
    said = refusal(kms.create_key, Policy=policy(ROOT, {**ROOT, "Principal": principal}))
    what = "Policy contains a statement with one or more invalid principals."
    assert said == ("MalformedPolicyDocumentException", what, 400)


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": [ADMIN, OFFICER, f"arn:aws:iam::{ACCOUNT}:role/platform-admin"]},
        {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/platform-admin/session"},
        {"AWS": "999999999999"},
        {"Service": "cloudtrail.amazonaws.com"},
        "*",
    ],
)
def test_a_key_policy_with_existing_principals_is_accepted(kms: Any, principal: Any) -> None:
    made = kms.create_key(Policy=policy(ROOT, {**ROOT, "Principal": principal}))
    assert made["KeyMetadata"]["KeyState"] == "Enabled"


@pytest.mark.parametrize(
    "statements",
    [
        ({**ROOT, "Principal": {"AWS": OFFICER}},),
        ({**ROOT, "Action": "kms:Decrypt"},),
        (ROOT, {**ROOT, "Effect": "Deny", "Principal": "*", "Action": "kms:Put*"}),
        ({**ROOT, "Condition": {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/admin-*"}}},),
    ],
)
def test_a_key_policy_that_locks_its_author_out_is_refused(
    kms: Any, key: str, statements: tuple[dict[str, Any], ...]
) -> None:
    what = "The new key policy will not allow you to update the key policy in the future."
    refused = ("MalformedPolicyDocumentException", what, 400)
    assert refusal(kms.create_key, Policy=policy(*statements)) == refused
    said = refusal(kms.put_key_policy, KeyId=key, PolicyName="default", Policy=policy(*statements))
    assert said == refused


@pytest.mark.parametrize(
    "statement",
    [
        ROOT,
        {**ROOT, "Principal": {"AWS": ADMIN}, "Action": "kms:Put*"},
        {**ROOT, "Condition": {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/clinic-*"}}},
    ],
)
def test_a_key_policy_that_allows_its_author_to_change_it_is_accepted(kms: Any, statement: dict[str, Any]) -> None:
    assert kms.create_key(Policy=policy(statement))["KeyMetadata"]["Enabled"] is True


def test_the_bypass_flag_allows_a_lockout(kms: Any) -> None:
    lockout = policy({**ROOT, "Principal": {"AWS": OFFICER}})
    arn = kms.create_key(Policy=lockout, BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["Arn"]
    assert refusal(kms.get_key_policy, KeyId=arn, PolicyName="default")[0] == "AccessDeniedException"


# Who may use a key


def test_a_user_without_any_policy_may_not_use_a_key(key: str, officer: Any) -> None:
    code, message, status = refusal(officer.encrypt, KeyId=key, Plaintext=b"x")
    assert (code, status) == ("AccessDeniedException", 400)
    assert message.startswith(f"User: {officer.arn} is not authorized to perform: kms:Encrypt on resource: {key}")


def test_a_user_named_in_the_key_policy_may_do_what_it_says_and_no_more(kms: Any, officer: Any) -> None:
    use = {**ROOT, "Principal": {"AWS": officer.arn}, "Action": ["kms:Encrypt", "kms:DescribeKey"]}
    arn = kms.create_key(Policy=policy(ROOT, use))["KeyMetadata"]["Arn"]
    blob = officer.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    assert refusal(officer.decrypt, CiphertextBlob=blob)[0] == "AccessDeniedException"


def test_an_iam_policy_counts_only_if_the_key_policy_delegates_to_the_account(kms: Any) -> None:
    own = {**ROOT, "Principal": {"AWS": ADMIN}, "Action": ["kms:Put*", "kms:Describe*"]}
    arn = kms.create_key(Policy=policy(own))["KeyMetadata"]["Arn"]
    assert refusal(kms.encrypt, KeyId=arn, Plaintext=b"x")[0] == "AccessDeniedException"


def test_a_deny_outweighs_every_allow(kms: Any) -> None:
    deny = {**ROOT, "Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt"}
    arn = kms.create_key(Policy=policy(ROOT, deny))["KeyMetadata"]["Arn"]
    blob = kms.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    assert "explicit deny" in refusal(kms.decrypt, CiphertextBlob=blob)[1]


def test_a_condition_on_the_encryption_context_is_judged(kms: Any, officer: Any) -> None:
    condition = {"StringEquals": {"kms:EncryptionContext:purpose": "trail"}}
    use = {**ROOT, "Principal": {"AWS": officer.arn}, "Action": "kms:Encrypt", "Condition": condition}
    arn = kms.create_key(Policy=policy(ROOT, use))["KeyMetadata"]["Arn"]
    assert officer.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"purpose": "trail"})["KeyId"] == arn
    assert refusal(officer.encrypt, KeyId=arn, Plaintext=b"x")[0] == "AccessDeniedException"


def test_an_unsupported_condition_operator_is_an_error(kms: Any) -> None:
    strange = {**ROOT, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
    code, message, status = refusal(kms.create_key, Policy=policy(strange))
    assert (code, status) == ("NotImplemented", 501)
    assert "IpAddress" in message


def test_a_wrapped_key_is_opaque_and_short_enough_for_a_variable(kms: Any, key: str) -> None:
    made = kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
    assert "Plaintext" not in made
    assert len(base64.b64encode(made["CiphertextBlob"])) < 300


def test_a_key_in_use_is_not_disabled_where_its_policy_says_so(kms: Any) -> None:
    def key_that_rests(days: int) -> str:
        guard = {
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": ["kms:DisableKey", "kms:ScheduleKeyDeletion"],
            "Resource": "*",
            "Condition": {"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": str(days)}},
        }
        arn: str = kms.create_key(Policy=policy(ROOT, guard))["KeyMetadata"]["Arn"]
        return arn

    # A key that was never used counts from its creation.
    assert refusal(kms.disable_key, KeyId=key_that_rests(1))[0] == "AccessDeniedException"
    kms.disable_key(KeyId=key_that_rests(0))


def test_a_short_waiting_period_is_denied_where_the_policy_says_so(kms: Any) -> None:
    guard = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "kms:ScheduleKeyDeletion",
        "Resource": "*",
        "Condition": {"NumericLessThan": {"kms:ScheduleKeyDeletionPendingWindowInDays": "30"}},
    }
    key = kms.create_key(Policy=policy(ROOT, guard))["KeyMetadata"]["Arn"]
    assert refusal(kms.schedule_key_deletion, KeyId=key, PendingWindowInDays=29)[0] == "AccessDeniedException"
    assert kms.schedule_key_deletion(KeyId=key)["PendingWindowInDays"] == 30
