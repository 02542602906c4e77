"""Grants, a key's last usage, and the identity in events, as AWS documents them, over HTTP."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

ACCOUNT = "123456789012"
ADMIN = f"arn:aws:iam::{ACCOUNT}:user/clinic-admin"


@pytest.fixture
def kms(cloud: Any) -> Any:
    return cloud.client("kms")


@pytest.fixture
def key(kms: Any) -> str:
    arn: str = kms.create_key()["KeyMetadata"]["Arn"]
    return arn


@pytest.fixture
def somebody(cloud: Any) -> Iterator[Any]:
    """KMS as a user without any IAM policy; `arn` is the user's."""
    name = f"user-{uuid.uuid4().hex}"
    iam = cloud.client("iam")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    made = iam.create_access_key(UserName=name)["AccessKey"]
    client = cloud.client("kms", aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"])
    client.arn = arn
    yield client


def refusal(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    code: str = refused.value.response["Error"]["Code"]
    return code


# Grants. https://docs.aws.amazon.com/kms/latest/developerguide/grants.html


def test_a_grant_alone_lets_its_grantee_do_its_operations_and_no_others(kms: Any, key: str, somebody: Any) -> None:
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert refusal(somebody.decrypt, CiphertextBlob=blob, KeyId=key) == "AccessDeniedException"
    kms.create_grant(KeyId=key, GranteePrincipal=somebody.arn, Operations=["Decrypt"])
    assert somebody.decrypt(CiphertextBlob=blob, KeyId=key)["Plaintext"] == b"x"
    assert refusal(somebody.encrypt, KeyId=key, Plaintext=b"x") == "AccessDeniedException"


def test_a_revoked_grant_allows_nothing(kms: Any, key: str, somebody: Any) -> None:
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    grant = kms.create_grant(KeyId=key, GranteePrincipal=somebody.arn, Operations=["Decrypt"])["GrantId"]
    kms.revoke_grant(KeyId=key, GrantId=grant)
    assert refusal(somebody.decrypt, CiphertextBlob=blob, KeyId=key) == "AccessDeniedException"


def test_a_grant_holds_in_its_encryption_context_only(kms: Any, key: str, somebody: Any) -> None:
    kms.create_grant(
        KeyId=key,
        GranteePrincipal=somebody.arn,
        Operations=["Encrypt"],
        Constraints={"EncryptionContextSubset": {"app": "eonpro"}},
    )
    somebody.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"app": "eonpro", "more": "1"})
    assert refusal(somebody.encrypt, KeyId=key, Plaintext=b"x") == "AccessDeniedException"


def test_a_denial_of_the_key_policy_goes_before_a_grant(kms: Any, key: str, somebody: Any) -> None:
    kms.create_grant(KeyId=key, GranteePrincipal=somebody.arn, Operations=["Encrypt"])
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    denied = {"Effect": "Deny", "Principal": {"AWS": somebody.arn}, "Action": "kms:Encrypt", "Resource": "*"}
    kms.put_key_policy(
        KeyId=key, PolicyName="default", Policy=json.dumps({**policy, "Statement": [*policy["Statement"], denied]})
    )
    assert refusal(somebody.encrypt, KeyId=key, Plaintext=b"x") == "AccessDeniedException"


def test_a_listed_grant_has_the_keys_arn_its_date_and_its_issuer(kms: Any, key: str) -> None:
    before = time.time()
    made = kms.create_grant(KeyId=key, GranteePrincipal=ADMIN, Operations=["Decrypt"], Name="mine")
    [told] = kms.list_grants(KeyId=key)["Grants"]
    assert {name: told[name] for name in ("KeyId", "GrantId", "Name", "GranteePrincipal", "Operations")} == {
        "KeyId": key,
        "GrantId": made["GrantId"],
        "Name": "mine",
        "GranteePrincipal": ADMIN,
        "Operations": ["Decrypt"],
    }
    assert told["IssuingAccount"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert before - 1 <= told["CreationDate"].timestamp() <= time.time()


def test_grants_are_listed_in_pages(kms: Any, key: str) -> None:
    made = [kms.create_grant(KeyId=key, GranteePrincipal=ADMIN, Operations=["Decrypt"])["GrantId"] for _ in range(5)]
    pages = list(kms.get_paginator("list_grants").paginate(KeyId=key, PaginationConfig={"PageSize": 2}))
    assert [len(page["Grants"]) for page in pages] == [2, 2, 1]
    assert [page["Truncated"] for page in pages] == [True, True, False]
    assert sorted(grant["GrantId"] for page in pages for grant in page["Grants"]) == sorted(made)


def test_a_grant_is_found_by_its_grantee(kms: Any, key: str, somebody: Any) -> None:
    for arn in (ADMIN, somebody.arn):
        kms.create_grant(KeyId=key, GranteePrincipal=arn, Operations=["Decrypt"])
    told = kms.list_grants(KeyId=key, GranteePrincipal=somebody.arn)["Grants"]
    assert [grant["GranteePrincipal"] for grant in told] == [somebody.arn]


def test_the_grants_of_a_key_that_is_not_there_are_not_found(kms: Any, key: str) -> None:
    assert refusal(kms.list_grants, KeyId=f"{key[:-12]}000000000000") == "NotFoundException"


def test_a_grant_to_an_unknown_principal_is_refused(kms: Any, key: str) -> None:
    nobody = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    assert refusal(kms.create_grant, KeyId=key, GranteePrincipal=nobody, Operations=["Decrypt"]) == (
        "InvalidArnException"
    )


@pytest.mark.parametrize("operations", [["PutKeyPolicy"], ["Decrypt", "Sign"], []])
def test_a_grant_of_what_no_grant_can_give_is_refused(kms: Any, key: str, operations: list[str]) -> None:
    assert refusal(kms.create_grant, KeyId=key, GranteePrincipal=ADMIN, Operations=operations) == "ValidationException"


# The last usage. https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html


def test_a_key_that_was_never_used_has_no_last_usage(kms: Any, key: str) -> None:
    told = kms.get_key_last_usage(KeyId=key)
    assert (told["KeyId"], "KeyLastUsage" in told) == (key, False)
    assert told["TrackingStartDate"] <= told["KeyCreationDate"]


def test_the_last_cryptographic_operation_is_returned(kms: Any, key: str) -> None:
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.decrypt(CiphertextBlob=blob)
    kms.describe_key(KeyId=key)
    used = kms.get_key_last_usage(KeyId=key.rpartition("/")[2])["KeyLastUsage"]
    assert used["Operation"] == "Decrypt"
    assert abs(used["Timestamp"].timestamp() - time.time()) < 60


def test_an_operation_that_was_refused_is_no_use(kms: Any, key: str, somebody: Any) -> None:
    refusal(somebody.encrypt, KeyId=key, Plaintext=b"x")
    assert "KeyLastUsage" not in kms.get_key_last_usage(KeyId=key)


def test_the_last_usage_needs_a_permission_on_the_key(kms: Any, key: str, somebody: Any) -> None:
    assert refusal(somebody.get_key_last_usage, KeyId=key) == "AccessDeniedException"


def test_the_last_use_of_a_key_that_is_not_there_is_not_found(kms: Any, key: str) -> None:
    assert refusal(kms.get_key_last_usage, KeyId=f"{key[:-12]}000000000000") == "NotFoundException"


# The identity in events.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html


def identities(cloud: Any, key: str, name: str) -> list[dict[str, Any]]:
    asked = [{"AttributeKey": "ResourceName", "AttributeValue": key}]
    events = cloud.client("cloudtrail").lookup_events(LookupAttributes=asked)["Events"]
    return [json.loads(each["CloudTrailEvent"])["userIdentity"] for each in events if each["EventName"] == name]


def test_an_event_of_a_user_names_the_user(cloud: Any, kms: Any, key: str) -> None:
    kms.encrypt(KeyId=key, Plaintext=b"x")
    [identity] = identities(cloud, key, "Encrypt")
    assert (identity["type"], identity["arn"], identity["userName"]) == ("IAMUser", ADMIN, "clinic-admin")


def test_an_event_of_a_session_names_its_role(cloud: Any, key: str) -> None:
    name = f"role-{uuid.uuid4().hex}"
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": ADMIN}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName=name, Path="/team/", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust})
    )["Role"]["Arn"]
    may = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    iam.put_role_policy(
        RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": may})
    )
    got = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="ada")["Credentials"]
    cloud.client(
        "kms",
        aws_access_key_id=got["AccessKeyId"],
        aws_secret_access_key=got["SecretAccessKey"],
        aws_session_token=got["SessionToken"],
    ).encrypt(KeyId=key, Plaintext=b"x")
    [identity] = identities(cloud, key, "Encrypt")
    assert (identity["type"], identity["arn"]) == ("AssumedRole", f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/ada")
    assert identity["sessionContext"]["sessionIssuer"]["arn"] == role


def test_an_event_has_the_keys_arn_however_the_call_names_the_key(cloud: Any, kms: Any, key: str) -> None:
    alias = f"alias/{uuid.uuid4().hex}"
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    blob = kms.encrypt(KeyId=alias, Plaintext=b"x")["CiphertextBlob"]
    kms.decrypt(CiphertextBlob=blob)
    assert len(identities(cloud, key, "Encrypt")) == len(identities(cloud, key, "Decrypt")) == 1


# IAM Access Analyzer

KEY_OWNERS = {
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
    "Action": "kms:*",
    "Resource": "*",
}
EVERYBODY = {**KEY_OWNERS, "Sid": "Open", "Principal": {"AWS": "*"}}


def of(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.mark.parametrize(
    ("document", "kind", "codes"),
    [
        (of(KEY_OWNERS), "RESOURCE_POLICY", []),
        (of(KEY_OWNERS), "IDENTITY_POLICY", ["UNSUPPORTED_PRINCIPAL"]),
        (
            of({"Effect": "Allow", "Action": "kms", "Resource": "*"}),
            "RESOURCE_POLICY",
            ["MISSING_PRINCIPAL", "INVALID_ACTION"],
        ),
        (
            of({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}),
            "IDENTITY_POLICY",
            ["PASS_ROLE_WITH_STAR_IN_RESOURCE"],
        ),
        ("{", "IDENTITY_POLICY", ["JSON_SYNTAX_ERROR"]),
    ],
)
def test_a_policy_is_validated(cloud: Any, document: str, kind: str, codes: list[str]) -> None:
    answer = cloud.client("accessanalyzer").validate_policy(policyDocument=document, policyType=kind)
    assert [finding["issueCode"] for finding in answer["findings"]] == codes


def test_a_policy_for_everybody_is_public_unless_a_condition_restricts_it(cloud: Any) -> None:
    def result(statement: dict[str, Any]) -> tuple[str, list[str]]:
        answer = cloud.client("accessanalyzer").check_no_public_access(
            policyDocument=of(KEY_OWNERS, statement), resourceType="AWS::KMS::Key"
        )
        return answer["result"], [reason["statementId"] for reason in answer["reasons"]]

    ours = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}
    assert result(EVERYBODY) == ("FAIL", ["Open"])
    assert result({**EVERYBODY, **ours}) == ("PASS", [])
    assert result({**EVERYBODY, "Effect": "Deny"}) == ("PASS", [])


def test_what_a_policy_did_not_allow_before_is_new(cloud: Any) -> None:
    def result(existing: str, new: str) -> str:
        checked = cloud.client("accessanalyzer").check_no_new_access(
            existingPolicyDocument=existing, newPolicyDocument=new, policyType="RESOURCE_POLICY"
        )
        return str(checked["result"])

    denial = {**EVERYBODY, "Effect": "Deny", "Action": "kms:ScheduleKeyDeletion"}
    assert result(of(KEY_OWNERS), of(KEY_OWNERS)) == "PASS"
    assert result(of(KEY_OWNERS, EVERYBODY), of(KEY_OWNERS)) == "PASS"
    assert result(of(KEY_OWNERS), of(KEY_OWNERS, EVERYBODY)) == "FAIL"
    assert result(of(KEY_OWNERS, denial), of(KEY_OWNERS)) == "FAIL"


@pytest.mark.parametrize(
    ("condition", "is_read"),
    [
        (None, False),
        ({}, True),
        ({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}, True),
        ({"StringLike": {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::another/*"}}, False),
    ],
)
def test_an_object_under_a_key_is_read_by_who_may_decrypt_through_s3(
    cloud: Any, kms: Any, key: str, condition: dict[str, Any] | None, is_read: bool
) -> None:
    name, bucket = f"reader-{uuid.uuid4().hex}", f"objects-{uuid.uuid4().hex}"
    iam, s3 = cloud.client("iam"), cloud.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a/log", Body=b"events", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    statements: list[dict[str, Any]] = [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]
    if condition is not None:
        statements.append({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key, "Condition": condition})
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="read", PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    reader = cloud.client("s3", aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"])
    if is_read:
        assert reader.get_object(Bucket=bucket, Key="a/log")["Body"].read() == b"events"
    else:
        with pytest.raises(ClientError, match="AccessDenied.*kms:Decrypt"):
            reader.get_object(Bucket=bucket, Key="a/log")


def test_the_aliases_of_a_key_are_listed_by_whom_iam_allows_it_whatever_the_key_policy_says(
    cloud: Any, kms: Any, somebody: Any
) -> None:
    only_admin = {"Effect": "Allow", "Principal": {"AWS": ADMIN}, "Action": "kms:*", "Resource": "*"}
    closed = kms.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": [only_admin]}))["KeyMetadata"]
    allow = {"Effect": "Allow", "Action": "kms:ListAliases", "Resource": "*"}
    cloud.client("iam").put_user_policy(
        UserName=somebody.arn.rpartition("/")[2],
        PolicyName="list",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    assert somebody.list_aliases(KeyId=closed["KeyId"])["Aliases"] == []
