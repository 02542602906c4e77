"""Permissions boundaries and service control policies in the sandbox, as AWS documents them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
NO_KMS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "NotAction": "kms:*", "Resource": "*"}]}
DENY_KMS = {
    "Version": "2012-10-17",
    "Statement": [*ALLOW_ALL["Statement"], {"Effect": "Deny", "Action": "kms:*", "Resource": "*"}],
}


@pytest.fixture
def iam(cloud: Any) -> Any:
    return cloud.client("iam")


@pytest.fixture
def organization(cloud: Any) -> Iterator[Any]:
    """Puts service control policies on the account, as the organization's management account does."""

    def put(*policies: Any) -> None:
        assert cloud.ask("PUT", "service-control-policies", {"policies": policies})[0] == 200

    yield put
    put()


def application(cloud: Any, iam: Any, boundary: Any = None) -> tuple[str, Any]:
    """A role with all permissions, and the KMS client of its session."""
    name = f"role-{uuid.uuid4().hex}"
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=json.dumps(ALLOW_ALL))
    if boundary is not None:
        policy = iam.create_policy(PolicyName=f"boundary-{uuid.uuid4().hex}", PolicyDocument=json.dumps(boundary))
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=policy["Policy"]["Arn"])
    keys = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="s")["Credentials"]
    named = {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }
    return arn, cloud.client("kms", **named)


def simulated(iam: Any, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["kms:Encrypt"])
    return dict(found["EvaluationResults"][0])


def refusal(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    return str(refused.value.response["Error"]["Message"])


def test_a_boundary_limits_what_iam_allows(cloud: Any, iam: Any) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    arn, kms = application(cloud, iam, NO_KMS)
    said = refusal(kms.encrypt, KeyId=key, Plaintext=b"x")
    assert said.endswith("because no permissions boundary allows the kms:Encrypt action")
    assert refusal(kms.list_keys).endswith("because no permissions boundary allows the kms:ListKeys action")
    told = simulated(iam, arn)
    assert (told["EvalDecision"], told["PermissionsBoundaryDecisionDetail"]) == (
        "implicitDeny",
        {"AllowedByPermissionsBoundary": False},
    )


def test_a_boundary_that_denies_says_so(cloud: Any, iam: Any) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    arn, kms = application(cloud, iam, DENY_KMS)
    said = refusal(kms.encrypt, KeyId=key, Plaintext=b"x")
    assert said.endswith("with an explicit deny in a permissions boundary")
    assert simulated(iam, arn)["EvalDecision"] == "explicitDeny"


def test_without_a_boundary_the_simulator_returns_no_boundary_decision(cloud: Any, iam: Any) -> None:
    arn, kms = application(cloud, iam)
    kms.encrypt(KeyId=cloud.client("kms").create_key()["KeyMetadata"]["Arn"], Plaintext=b"x")
    told = simulated(iam, arn)
    assert told["EvalDecision"] == "allowed"
    assert "PermissionsBoundaryDecisionDetail" not in told and "OrganizationsDecisionDetail" not in told


def test_a_service_control_policy_limits_everyone_and_the_simulator_shows_it(
    cloud: Any, iam: Any, organization: Any
) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    arn, kms = application(cloud, iam)
    organization(ALLOW_ALL, DENY_KMS)
    said = refusal(kms.encrypt, KeyId=key, Plaintext=b"x")
    assert said.endswith("with an explicit deny in a service control policy")
    told = simulated(iam, arn)
    assert told["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": False}


def test_a_resource_control_policy_denies_what_the_simulator_still_allows(cloud: Any, iam: Any) -> None:
    arn, kms = application(cloud, iam)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    denial = {"Effect": "Deny", "Principal": "*", "Action": "kms:Encrypt", "Resource": "*"}
    outsiders = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "kms:*",
        "Resource": "*",
        "Condition": {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-sandboxclinic"}},
    }
    policies = [{"Version": "2012-10-17", "Statement": [denial, outsiders]}]
    assert cloud.ask("PUT", "resource-control-policies", {"policies": policies})[0] == 200
    try:
        with pytest.raises(ClientError, match="with an explicit deny in a resource control policy"):
            kms.encrypt(KeyId=key, Plaintext=b"x")
        kms.describe_key(KeyId=key)
        assert simulated(iam, arn)["EvalDecision"] == "allowed"
    finally:
        cloud.ask("PUT", "resource-control-policies", {"policies": []})


def delegate(cloud: Any, iam: Any, *statements: Any) -> Any:
    """A user with these statements alone: makes clients with its access key."""
    name = f"user-{uuid.uuid4().hex}"
    iam.create_user(UserName=name)
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    named = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    return lambda service: cloud.client(service, **named)


def test_the_boundary_of_a_role_is_a_condition_of_what_changes_its_policies(cloud: Any, iam: Any) -> None:
    made = iam.create_policy(PolicyName=f"boundary-{uuid.uuid4().hex}", PolicyDocument=json.dumps(NO_KMS))
    boundary = made["Policy"]["Arn"]
    allowed = {
        "Effect": "Allow",
        "Action": ["iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePermissionsBoundary"],
        "Resource": "*",
        "Condition": {"StringEquals": {"iam:PermissionsBoundary": boundary}},
    }
    by = delegate(cloud, iam, allowed)("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    bounded, unbounded = (f"role-{uuid.uuid4().hex}" for _ in range(2))
    by.create_role(RoleName=bounded, AssumeRolePolicyDocument=trust, PermissionsBoundary=boundary)
    with pytest.raises(ClientError, match="AccessDenied"):
        by.create_role(RoleName=unbounded, AssumeRolePolicyDocument=trust)
    iam.create_role(RoleName=unbounded, AssumeRolePolicyDocument=trust)
    own = {"PolicyName": "all", "PolicyDocument": json.dumps(ALLOW_ALL)}
    by.put_role_policy(RoleName=bounded, **own)
    with pytest.raises(ClientError, match="AccessDenied"):
        by.put_role_policy(RoleName=unbounded, **own)
    by.delete_role_permissions_boundary(RoleName=bounded)
    with pytest.raises(ClientError, match="AccessDenied"):
        by.put_role_policy(RoleName=bounded, **own)


def test_tags_are_given_to_a_new_key_and_to_no_key_with_an_alias(cloud: Any, iam: Any) -> None:
    tag = {"TagKey": "Application", "TagValue": "EONPRO"}
    creating = {"Effect": "Allow", "Action": ["kms:CreateKey", "kms:CreateAlias"], "Resource": "*"}
    tagging = {
        "Effect": "Allow",
        "Action": "kms:TagResource",
        "Resource": "*",
        "Condition": {
            "StringEquals": {"aws:RequestTag/Application": "EONPRO"},
            "Null": {"kms:ResourceAliases": "true"},
        },
    }
    by, other = delegate(cloud, iam, creating, tagging)("kms"), cloud.client("kms")
    by.create_key(Tags=[tag])
    theirs = other.create_key()["KeyMetadata"]["KeyId"]
    other.create_alias(AliasName=f"alias/{uuid.uuid4().hex}", TargetKeyId=theirs)
    with pytest.raises(ClientError, match="AccessDenied"):
        by.tag_resource(KeyId=theirs, Tags=[tag])
    bare = other.create_key()["KeyMetadata"]["KeyId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        by.tag_resource(KeyId=bare, Tags=[{**tag, "TagValue": "Payroll"}])
    by.tag_resource(KeyId=bare, Tags=[tag])


def test_the_simulator_returns_the_keys_of_a_boundary_without_a_value_and_not_those_of_an_organization(
    cloud: Any, iam: Any, organization: Any
) -> None:
    def only(key: str, value: str) -> dict[str, Any]:
        condition = {"StringEquals": {key: value}}
        statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition}
        return {"Version": "2012-10-17", "Statement": [*NO_KMS["Statement"], statement]}

    organization(only("aws:SourceVpc", "vpc-1"))
    arn, _ = application(cloud, iam, only("aws:ResourceTag/Application", "EONPRO"))
    found = simulated(iam, arn)
    assert found["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    assert found["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": False}
    assert found["MissingContextValues"] == ["aws:ResourceTag/Application"]
