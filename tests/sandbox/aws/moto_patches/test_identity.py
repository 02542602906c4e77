"""STS, IAM and the account service in the sandbox, as AWS documents them, over HTTP."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.oidc import deployment_token, encode

ACCOUNT = "123456789012"
ADMIN = f"arn:aws:iam::{ACCOUNT}:user/clinic-admin"
ISSUER = "https://oidc.vercel.com/eonpro"
AUDIENCE = "https://vercel.com/eonpro"
SUBJECT = "owner:eonpro:project:eonpro:environment:production"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/eonpro"
TOKEN_INVALID = "The security token included in the request is invalid."


@pytest.fixture
def iam(cloud: Any) -> Any:
    return cloud.client("iam")


@pytest.fixture
def sts(cloud: Any) -> Any:
    return cloud.client("sts")


@pytest.fixture
def vercel_provider(iam: Any) -> str:
    """The OIDC provider of Vercel in the account."""
    if PROVIDER not in {one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]}:
        iam.create_open_id_connect_provider(Url=ISSUER, ClientIDList=[AUDIENCE], ThumbprintList=["0" * 40])
    return PROVIDER


def trust(principal: Any, action: str = "sts:AssumeRole", **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def role(iam: Any, document: str) -> str:
    name = f"role-{uuid.uuid4().hex}"
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    return arn


def vercel_role(iam: Any, provider: str) -> str:
    claims = {"oidc.vercel.com/eonpro:aud": AUDIENCE, "oidc.vercel.com/eonpro:sub": SUBJECT}
    return role(
        iam,
        trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", Condition={"StringEquals": claims}),
    )


def refusal(call: Any, **parameters: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    said = refused.value.response
    return said["Error"]["Code"], said["Error"]["Message"], said["ResponseMetadata"]["HTTPStatusCode"]


def user(cloud: Any, iam: Any) -> tuple[str, dict[str, str]]:
    """A new user without any policy: the ARN and the credentials."""
    name = f"user-{uuid.uuid4().hex}"
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    return arn, credentials(iam.create_access_key(UserName=name)["AccessKey"])


def credentials(made: dict[str, Any]) -> dict[str, str]:
    """Credentials from an AWS response as arguments of a client."""
    found = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
    token = made.get("SessionToken") or made.get("Token")
    return found | ({"aws_session_token": token} if token else {})


# The account of a new sandbox


def test_the_operator_is_an_iam_user_of_the_sandboxs_account(sts: Any) -> None:
    assert sts.get_caller_identity()["Arn"] == ADMIN


def test_the_account_has_an_alias_another_user_and_an_administrators_role(iam: Any) -> None:
    assert iam.list_account_aliases()["AccountAliases"] == ["eonpro-sandbox"]
    assert iam.get_user(UserName="security-officer")["User"]["Arn"].endswith(":user/security-officer")
    assert iam.get_role(RoleName="platform-admin")["Role"]["Arn"].endswith(":role/platform-admin")


# Access keys


def test_an_unknown_access_key_is_refused_with_each_services_error(cloud: Any) -> None:
    nobody = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "x"}
    said = refusal(cloud.client("sts", **nobody).get_caller_identity)
    assert said == ("InvalidClientTokenId", TOKEN_INVALID, 403)
    assert refusal(cloud.client("kms", **nobody).list_keys) == ("UnrecognizedClientException", TOKEN_INVALID, 400)
    assert refusal(cloud.client("s3", **nobody).list_buckets)[0] == "InvalidAccessKeyId"


def test_an_inactive_access_key_is_refused(cloud: Any, iam: Any) -> None:
    arn, keys = user(cloud, iam)
    name = arn.rpartition("/")[2]
    iam.update_access_key(UserName=name, AccessKeyId=keys["aws_access_key_id"], Status="Inactive")
    assert refusal(cloud.client("sts", **keys).get_caller_identity)[0] == "InvalidClientTokenId"


def test_a_session_key_without_its_token_is_refused(cloud: Any, sts: Any) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/platform-admin"
    keys = credentials(sts.assume_role(RoleArn=arn, RoleSessionName="x")["Credentials"])
    del keys["aws_session_token"]
    assert refusal(cloud.client("sts", **keys).get_caller_identity)[0] == "InvalidClientTokenId"


# AssumeRole


def test_a_role_is_assumed_by_the_user_it_trusts_even_without_an_iam_policy(cloud: Any, iam: Any) -> None:
    arn, keys = user(cloud, iam)
    target = role(iam, trust({"AWS": arn}))
    made = cloud.client("sts", **keys).assume_role(RoleArn=target, RoleSessionName="session")
    session = cloud.client("sts", **credentials(made["Credentials"])).get_caller_identity()["Arn"]
    assert session == f"arn:aws:sts::{ACCOUNT}:assumed-role/{target.rpartition('/')[2]}/session"


@pytest.mark.parametrize(
    "document",
    [
        trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/security-officer"}),
        trust({"Service": "ecs-tasks.amazonaws.com"}),
        trust({"AWS": "999999999999"}),
        trust({"AWS": ADMIN}, "sts:TagSession"),
        trust({"AWS": ADMIN}, Condition={"StringEquals": {"sts:ExternalId": "agreed"}}),
        trust({"Federated": PROVIDER}, "sts:AssumeRoleWithWebIdentity"),
    ],
)
def test_a_role_that_does_not_trust_the_caller_is_not_assumed(iam: Any, sts: Any, document: str) -> None:
    target = role(iam, document)
    said = refusal(sts.assume_role, RoleArn=target, RoleSessionName="session")
    what = f"User: {ADMIN} is not authorized to perform: sts:AssumeRole on resource: {target}"
    assert said == ("AccessDenied", what, 403)


def test_a_role_that_does_not_exist_is_not_assumed(sts: Any) -> None:
    gone = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    assert refusal(sts.assume_role, RoleArn=gone, RoleSessionName="session")[0] == "AccessDenied"


def test_a_role_is_assumed_with_its_external_id(iam: Any, sts: Any) -> None:
    target = role(iam, trust({"AWS": ADMIN}, Condition={"StringEquals": {"sts:ExternalId": "agreed"}}))
    made = sts.assume_role(RoleArn=target, RoleSessionName="session", ExternalId="agreed")
    assert made["Credentials"]["AccessKeyId"].startswith("ASIA")


def test_a_role_that_trusts_the_account_needs_an_iam_policy(cloud: Any, iam: Any, sts: Any) -> None:
    target = role(iam, trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}))
    assert sts.assume_role(RoleArn=target, RoleSessionName="session")["Credentials"]
    _, keys = user(cloud, iam)
    denied = refusal(cloud.client("sts", **keys).assume_role, RoleArn=target, RoleSessionName="session")
    assert denied[0] == "AccessDenied"


def test_a_role_that_trusts_an_unknown_principal_is_not_created(iam: Any) -> None:
    gone = f"arn:aws:iam::{ACCOUNT}:user/nobody"
    said = refusal(iam.create_role, RoleName="x", AssumeRolePolicyDocument=trust({"AWS": gone}))
    assert said == ("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{gone}"', 400)
    assert refusal(iam.get_role, RoleName="x")[0] == "NoSuchEntity"


# AssumeRoleWithWebIdentity


def test_the_deployments_token_assumes_the_role_that_trusts_it(cloud: Any, iam: Any, vercel_provider: str) -> None:
    target = vercel_role(iam, vercel_provider)
    token = Path(cloud.variables["EONPRO_APP_WEB_IDENTITY_TOKEN_FILE"]).read_text()
    made = cloud.client("sts").assume_role_with_web_identity(
        RoleArn=target, RoleSessionName="app", WebIdentityToken=token
    )
    session = cloud.client("sts", **credentials(made["Credentials"])).get_caller_identity()
    assert session["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{target.rpartition('/')[2]}/app"


def test_the_deployments_token_is_for_its_owner_alone(cloud: Any) -> None:
    assert Path(cloud.variables["EONPRO_APP_WEB_IDENTITY_TOKEN_FILE"]).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("claims", "refused"),
    [
        ({"sub": "owner:eonpro:project:eonpro:environment:preview"}, "AccessDenied"),
        ({"sub": "owner:eonpro:project:other:environment:production"}, "AccessDenied"),
        ({"aud": "https://vercel.com/other"}, "InvalidIdentityToken"),
        ({"iss": "https://oidc.vercel.com/other"}, "InvalidIdentityToken"),
        ({"exp": int(time.time()) - 1}, "ExpiredTokenException"),
    ],
)
def test_a_token_with_other_claims_is_refused(
    iam: Any, sts: Any, vercel_provider: str, claims: dict[str, Any], refused: str
) -> None:
    target = vercel_role(iam, vercel_provider)
    mine = {"iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "exp": int(time.time()) + 60}
    code = refusal(
        sts.assume_role_with_web_identity,
        RoleArn=target,
        RoleSessionName="app",
        WebIdentityToken=encode(mine | claims),
    )[0]
    assert code == refused


def test_text_that_is_no_token_is_refused(iam: Any, sts: Any, vercel_provider: str) -> None:
    target = vercel_role(iam, vercel_provider)
    for text in ("no token", "a.b.c"):
        said = refusal(sts.assume_role_with_web_identity, RoleArn=target, RoleSessionName="app", WebIdentityToken=text)
        assert said[0] == "InvalidIdentityToken"


def test_a_role_that_trusts_a_user_is_not_assumed_with_a_token(iam: Any, sts: Any, vercel_provider: str) -> None:
    target, token = role(iam, trust({"AWS": ADMIN})), deployment_token(team="eonpro", project="eonpro")
    said = refusal(sts.assume_role_with_web_identity, RoleArn=target, RoleSessionName="app", WebIdentityToken=token)
    assert said == ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403)


# The credentials of an ECS task


def test_a_task_gets_credentials_for_a_role_that_trusts_ecs(cloud: Any, iam: Any) -> None:
    conditions = {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:ecs:us-east-1:{ACCOUNT}:*"},
    }
    target = role(iam, trust({"Service": "ecs-tasks.amazonaws.com"}, Condition=conditions))
    status, made = cloud.ask("GET", f"task-credentials?role={target.rpartition('/')[2]}")
    assert (status, made["RoleArn"]) == (200, target)
    session = cloud.client("sts", **credentials(made)).get_caller_identity()["Arn"]
    assert session.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/{target.rpartition('/')[2]}/")


def test_a_task_gets_nothing_for_a_role_that_does_not_trust_ecs(cloud: Any) -> None:
    status, said = cloud.ask("GET", "task-credentials?role=platform-admin")
    assert (status, said["code"]) == (403, "AccessDenied")


def test_a_task_gets_nothing_for_a_role_that_does_not_exist(cloud: Any) -> None:
    status, said = cloud.ask("GET", "task-credentials?role=nobody")
    assert (status, said["code"]) == (404, "NoSuchEntity")


# Regions


def test_every_region_is_listed_with_its_status(cloud: Any) -> None:
    pages = cloud.client("account").get_paginator("list_regions").paginate(PaginationConfig={"PageSize": 10})
    found = {one["RegionName"]: one["RegionOptStatus"] for page in pages for one in page["Regions"]}
    assert found["us-east-1"] == "ENABLED_BY_DEFAULT"
    assert found["ap-east-1"] == "DISABLED"
    assert len(found) > 30


def test_regions_are_listed_by_status(cloud: Any) -> None:
    found = cloud.client("account").list_regions(RegionOptStatusContains=["DISABLED"])["Regions"]
    assert {one["RegionOptStatus"] for one in found} == {"DISABLED"}


def test_the_status_of_one_region_is_returned(cloud: Any) -> None:
    account = cloud.client("account")
    assert account.get_region_opt_status(RegionName="ap-east-1")["RegionOptStatus"] == "DISABLED"
    assert refusal(account.get_region_opt_status, RegionName="mars-1")[0] == "ValidationException"


def test_a_disabled_region_accepts_no_credentials(cloud: Any) -> None:
    said = refusal(cloud.client("sts", "ap-east-1").get_caller_identity)
    assert said == ("InvalidClientTokenId", TOKEN_INVALID, 403)
    assert refusal(cloud.client("kms", "ap-east-1").list_keys)[0] == "UnrecognizedClientException"


# The policy simulator


def test_identity_policies_decide_a_simulation(cloud: Any, iam: Any) -> None:
    arn, _ = user(cloud, iam)
    name, key = arn.rpartition("/")[2], f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
    allow = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:Describe*"], "Resource": key}
    managed = iam.create_policy(
        PolicyName=name, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allow})
    )
    iam.attach_user_policy(UserName=name, PolicyArn=managed["Policy"]["Arn"])
    deny = {"Effect": "Deny", "Action": "kms:DescribeKey", "Resource": "*"}
    iam.put_user_policy(
        UserName=name, PolicyName="deny", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    )
    results = iam.simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"],
        ResourceArns=[key, f"{key}2"],
    )["EvaluationResults"]
    assert {one["EvalActionName"]: one["EvalDecision"] for one in results} == {
        "kms:Decrypt": "implicitDeny",
        "kms:DescribeKey": "explicitDeny",
        "kms:Encrypt": "implicitDeny",
    }
    found = {
        (one["EvalActionName"], part["EvalResourceName"]): part["EvalResourceDecision"]
        for one in results
        for part in one["ResourceSpecificResults"]
    }
    assert found == {
        ("kms:Decrypt", key): "allowed",
        ("kms:Decrypt", f"{key}2"): "implicitDeny",
        ("kms:DescribeKey", key): "explicitDeny",
        ("kms:DescribeKey", f"{key}2"): "explicitDeny",
        ("kms:Encrypt", key): "implicitDeny",
        ("kms:Encrypt", f"{key}2"): "implicitDeny",
    }


def test_a_groups_policies_count_for_its_members(cloud: Any, iam: Any) -> None:
    arn, _ = user(cloud, iam)
    name = arn.rpartition("/")[2]
    iam.create_group(GroupName=name)
    iam.add_user_to_group(GroupName=name, UserName=name)
    allow = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}}
    iam.put_group_policy(GroupName=name, PolicyName="kms", PolicyDocument=json.dumps(allow))
    results = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["kms:CreateKey", "s3:PutObject"])
    assert [one["EvalDecision"] for one in results["EvaluationResults"]] == ["allowed", "implicitDeny"]


def test_what_is_not_simulated_is_an_error(iam: Any) -> None:
    code, message, _ = refusal(
        iam.simulate_principal_policy,
        PolicySourceArn=ADMIN,
        ActionNames=["kms:Decrypt"],
        ResourcePolicy=trust({"AWS": ADMIN}, "kms:Decrypt"),
    )

    assert (code, "ResourcePolicy" in message) == ("InvalidInput", True)


def test_a_simulated_request_has_the_context_it_is_given(iam: Any) -> None:
    through_s3 = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    statement = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", "Condition": through_s3}
    name = f"user-{uuid.uuid4().hex}"
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="decrypt", PolicyDocument=document)

    def decision(service: str) -> str:
        entry = {"ContextKeyName": "kms:ViaService", "ContextKeyValues": [service], "ContextKeyType": "string"}
        results = iam.simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=["kms:Decrypt"], ContextEntries=[entry]
        )
        told: str = results["EvaluationResults"][0]["EvalDecision"]
        return told

    decisions = [decision("s3.us-east-1.amazonaws.com"), decision("ssm.us-east-1.amazonaws.com")]

    assert decisions == ["allowed", "implicitDeny"]


def test_a_principal_that_does_not_exist_is_not_simulated(iam: Any) -> None:
    gone = f"arn:aws:iam::{ACCOUNT}:user/nobody"
    code = refusal(iam.simulate_principal_policy, PolicySourceArn=gone, ActionNames=["kms:Decrypt"])[0]
    assert code == "NoSuchEntity"


# OpenID Connect providers


def test_an_audience_is_added_once_and_removed(iam: Any) -> None:
    arn = iam.create_open_id_connect_provider(
        Url=f"https://oidc.example.com/{uuid.uuid4().hex}", ClientIDList=["one"], ThumbprintList=["0" * 40]
    )["OpenIDConnectProviderArn"]

    for audience in ("two", "two"):
        iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID=audience)
    for audience in ("one", "never there"):
        iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID=audience)

    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"] == ["two"]


def test_a_provider_that_does_not_exist_takes_no_audience(iam: Any) -> None:
    gone = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{uuid.uuid4().hex}.example.com"

    code = refusal(iam.add_client_id_to_open_id_connect_provider, OpenIDConnectProviderArn=gone, ClientID="one")[0]

    assert code == "NoSuchEntity"


# The boundary of a user


def test_a_users_boundary_is_returned_changed_and_removed(iam: Any) -> None:
    statement = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    name = f"user-{uuid.uuid4().hex}"
    first, second = (
        iam.create_policy(PolicyName=f"{name}-{one}", PolicyDocument=document)["Policy"]["Arn"] for one in "ab"
    )

    def boundary() -> Any:
        return iam.get_user(UserName=name)["User"].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")

    iam.create_user(UserName=name, PermissionsBoundary=first)
    told = [boundary()]
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=second)
    told.append(boundary())
    iam.delete_user_permissions_boundary(UserName=name)
    told.append(boundary())

    assert told == [first, second, None]


def test_a_policy_that_does_not_exist_is_no_boundary(iam: Any) -> None:
    name = f"user-{uuid.uuid4().hex}"
    iam.create_user(UserName=name)

    code = refusal(
        iam.put_user_permissions_boundary,
        UserName=name,
        PermissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/{name}",
    )[0]

    assert code == "NoSuchEntity"


# The deletion of a user


def test_a_user_is_deleted_after_its_access_keys(iam: Any) -> None:
    name = f"user-{uuid.uuid4().hex}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
    with pytest.raises(ClientError) as refused:
        iam.delete_user(UserName=name)
    assert refused.value.response["Error"]["Code"] == "DeleteConflict"
    assert iam.list_access_keys(UserName=name)["AccessKeyMetadata"][0]["AccessKeyId"] == key
    iam.delete_access_key(UserName=name, AccessKeyId=key)
    iam.delete_user(UserName=name)
    with pytest.raises(ClientError) as gone:
        iam.get_user(UserName=name)
    assert gone.value.response["Error"]["Code"] == "NoSuchEntity"


def test_a_user_has_no_credentials_of_single_services_and_nobody_is_no_user(iam: Any) -> None:
    name = f"user-{uuid.uuid4().hex}"
    iam.create_user(UserName=name)
    assert iam.list_service_specific_credentials(UserName=name)["ServiceSpecificCredentials"] == []
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.list_service_specific_credentials(UserName=f"{name}-gone")
