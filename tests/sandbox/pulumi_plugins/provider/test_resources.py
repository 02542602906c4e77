"""Every resource type of the stand-in provider through its whole life, against an emulator.

May touch what `plugin_world` makes.
"""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.pulumi_plugins.provider.resources import RESOURCE_TYPES
from tests.sandbox.pulumi_plugins.engine_project import ACCOUNT, CREDENTIALS, REGION, aws_endpoint, client
from tests.sandbox.pulumi_plugins.provider import alert_cases
from tests.sandbox.pulumi_plugins.provider.resource_cases import (
    KEY_POLICY,
    READ,
    ROOT,
    SAME_KEY_POLICY,
    TRUST,
    WRITE,
    Life,
    document,
)
from tests.sandbox.pulumi_plugins.provider_client import Caller, DiffResponse, Refused

__all__ = ["aws_endpoint"]


LIVES = (
    Life(
        token="aws:kms/key:Key",
        inputs={
            "description": "d",
            "policy": KEY_POLICY,
            "enableKeyRotation": True,
            "rotationPeriodInDays": 365,
            "deletionWindowInDays": 30,
            "tags": {"Application": "EONPRO"},
        },
        same={"policy": SAME_KEY_POLICY},
        update={"rotationPeriodInDays": 180, "description": "e", "tags": {"Environment": "Production"}},
        replace={"multiRegion": True},
        # The emulator does not tell the period.
        kept_in_state_only=frozenset({"deletionWindowInDays", "rotationPeriodInDays"}),
    ),
    Life(
        token="aws:kms/alias:Alias",
        inputs={"name": "alias/life", "targetKeyId": "{key}"},
        same={"targetKeyId": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{key}}"},
        update={"targetKeyId": "{other_key}"},
        replace={"name": "alias/other"},
    ),
    Life(
        token="aws:iam/role:Role",
        inputs={
            "name": "life",
            "assumeRolePolicy": TRUST,
            "managedPolicyArns": ["{policy}"],
            "inlinePolicies": [{"name": "read", "policy": READ}],
            "tags": {"a": "b"},
        },
        update={
            "maxSessionDuration": 7200,
            "inlinePolicies": [{"name": "read", "policy": WRITE}],
            "permissionsBoundary": "{policy}",
        },
        replace={"path": "/elsewhere/"},
    ),
    Life(
        token="aws:iam/policy:Policy",
        inputs={"name": "life", "policy": READ, "tags": {"a": "b"}},
        update={"policy": WRITE},
        replace={"description": "another"},
    ),
    Life(
        token="aws:iam/rolePolicy:RolePolicy",
        inputs={"name": "inline", "role": "{role}", "policy": READ},
        update={"policy": WRITE},
        replace={"name": "other"},
    ),
    Life(
        token="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        inputs={"role": "{role}", "policyArn": "{policy}"},
        replace={"role": "another"},
    ),
    Life(
        token="aws:iam/userPolicyAttachment:UserPolicyAttachment",
        inputs={"user": "{user}", "policyArn": "{policy}"},
        replace={"user": "another"},
    ),
    Life(
        token="aws:iam/user:User",
        inputs={"name": "life", "path": "/apps/", "tags": {"a": "b"}},
        update={"tags": {"a": "c"}},
        replace={"name": "other"},
    ),
    Life(
        token="aws:iam/accessKey:AccessKey",
        inputs={"user": "{user}"},
        update={"status": "Inactive"},
        replace={"user": "another"},
    ),
    Life(
        token="aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        inputs={
            "url": "https://oidc.vercel.com/life",
            "clientIdLists": ["https://vercel.com/life", "sts.amazonaws.com"],
            "thumbprintLists": ["a" * 40],
            "tags": {"a": "b"},
        },
        same={"url": "oidc.vercel.com/life", "clientIdLists": ["sts.amazonaws.com", "https://vercel.com/life"]},
        # The emulator has no call to change the audiences.
        update={"tags": {"a": "c"}, "thumbprintLists": ["b" * 40]},
        replace={"url": "https://oidc.vercel.com/other"},
    ),
    Life(
        token="aws:s3/bucket:Bucket",
        inputs={"bucket": "life", "objectLockEnabled": True, "tags": {"a": "b"}},
        update={"tags": {"c": "d"}},
        replace={"bucket": "another"},
    ),
    Life(
        token="aws:s3/bucketVersioning:BucketVersioning",
        inputs={"bucket": "{bucket}", "versioningConfiguration": {"status": "Enabled"}},
        update={"versioningConfiguration": {"status": "Suspended"}},
        replace={"bucket": "another"},
    ),
    Life(
        token="aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        inputs={
            "bucket": "{bucket}",
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {
                        "sseAlgorithm": "aws:kms",
                        "kmsMasterKeyId": "{key}",
                    },
                    "bucketKeyEnabled": True,
                }
            ],
        },
        update={"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]},
        replace={"bucket": "another"},
    ),
    Life(
        token="aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        inputs={"bucket": "{bucket}", "blockPublicAcls": True, "restrictPublicBuckets": True},
        update={"ignorePublicAcls": True},
        replace={"bucket": "another"},
    ),
    Life(
        token="aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        inputs={"bucket": "{bucket}", "rule": {"objectOwnership": "BucketOwnerEnforced"}},
        update={"rule": {"objectOwnership": "BucketOwnerPreferred"}},
        replace={"bucket": "another"},
    ),
    Life(
        token="aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        inputs={
            "bucket": "{bucket}",
            "rules": [
                {
                    "id": "expire",
                    "status": "Enabled",
                    "filter": {"and": {"prefix": "AWSLogs/", "tags": {"a": "b"}}},
                    "expiration": {"days": 2557},
                    "noncurrentVersionExpiration": {"noncurrentDays": 30},
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                    "transitions": [{"days": 90, "storageClass": "GLACIER"}],
                },
                {"id": "all", "status": "Disabled", "expiration": {"days": 3000}},
            ],
        },
        update={"rules": [{"id": "expire", "status": "Enabled", "expiration": {"days": 2192}}]},
        replace={"bucket": "another"},
    ),
    Life(
        token="aws:s3/bucketPolicy:BucketPolicy",
        inputs={"bucket": "{bucket}", "policy": document({**ROOT, "Action": "s3:GetBucketAcl"})},
        update={"policy": document({**ROOT, "Action": "s3:ListBucket"})},
        replace={"bucket": "another"},
    ),
    Life(
        token="aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
        inputs={
            "bucket": "{locked_bucket}",
            "rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 2192}},
        },
        update={"rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 2557}}},
        replace={"bucket": "another"},
    ),
    Life(
        token="aws:s3/bucketLogging:BucketLogging",
        inputs={"bucket": "{bucket}", "targetBucket": "{log_bucket}", "targetPrefix": "access/"},
        update={"targetPrefix": "accesses/"},
        replace={"bucket": "another"},
    ),
    Life(
        token="aws:cloudtrail/trail:Trail",
        inputs={
            "name": "life",
            "s3BucketName": "{bucket}",
            "isMultiRegionTrail": True,
            "enableLogFileValidation": True,
            "kmsKeyId": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{key}}",
            "eventSelectors": [
                {
                    "readWriteType": "All",
                    "includeManagementEvents": True,
                    "dataResources": [{"type": "AWS::S3::Object", "values": ["arn:aws:s3"]}],
                }
            ],
            "tags": {"a": "b"},
        },
        update={"enableLogging": False, "enableLogFileValidation": False},
        replace={"name": "other"},
    ),
    Life(
        token="aws:ssm/parameter:Parameter",
        inputs={
            "name": "/eonpro/life/KEY",
            "type": "SecureString",
            "value": "hush",
            "description": "d",
            "tags": {"a": "b"},
        },
        update={"value": "hush hush"},
        replace={"name": "/eonpro/other/KEY"},
    ),
    Life(
        token="aws:secretsmanager/secret:Secret",
        inputs={"name": "life", "description": "d", "recoveryWindowInDays": 7, "tags": {"a": "b"}},
        update={"description": "e", "tags": {"c": "d"}},
        replace={"name": "other"},
        kept_in_state_only=frozenset({"recoveryWindowInDays"}),
    ),
)
BY_TOKEN = {life.token: life for life in (*LIVES, *alert_cases.LIVES)}


@pytest.fixture(scope="module")
def caller(aws_endpoint: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": aws_endpoint}.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        yield Caller(region=REGION)


@pytest.fixture(scope="module")
def surroundings(aws_endpoint: str) -> dict[str, str]:
    """What the resources hang on, made past the provider."""
    kms, iam, s3 = (client(aws_endpoint, service) for service in ("kms", "iam", "s3"))
    for bucket in ("surroundings", "surroundings-logs"):
        s3.create_bucket(Bucket=bucket)
    s3.create_bucket(Bucket="surroundings-locked", ObjectLockEnabledForBucket=True)
    grants = [
        {"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"}, "Permission": one}
        for one in ("WRITE", "READ_ACP")
    ]
    owner = s3.get_bucket_acl(Bucket="surroundings-logs")["Owner"]
    s3.put_bucket_acl(Bucket="surroundings-logs", AccessControlPolicy={"Grants": grants, "Owner": owner})
    iam.create_role(RoleName="surroundings", AssumeRolePolicyDocument=TRUST)
    iam.create_user(UserName="surroundings")
    topics = {
        name: client(aws_endpoint, "sns").create_topic(Name=f"surroundings-{name}")["TopicArn"]
        for name in ("topic", "other_topic")
    }
    pattern = '{"source": ["aws.kms"]}'
    client(aws_endpoint, "events").put_rule(Name="surroundings", EventPattern=pattern)
    client(aws_endpoint, "logs").create_log_group(logGroupName="surroundings")
    secret = client(aws_endpoint, "secretsmanager").create_secret(Name="surroundings")
    return {
        **topics,
        "rule": "surroundings",
        "log_group": "surroundings",
        "secret": secret["ARN"],
        "key": kms.create_key()["KeyMetadata"]["KeyId"],
        "other_key": kms.create_key()["KeyMetadata"]["KeyId"],
        "policy": iam.create_policy(PolicyName="surroundings", PolicyDocument=READ)["Policy"]["Arn"],
        "role": "surroundings",
        "user": "surroundings",
        "bucket": "surroundings",
        "locked_bucket": "surroundings-locked",
        "log_bucket": "surroundings-logs",
    }


def filled(value: Any, surroundings: dict[str, str]) -> Any:
    if isinstance(value, str):
        for name, there in surroundings.items():
            value = value.replace(f"{{{name}}}", there)
        return value
    if isinstance(value, dict):
        return {name: filled(part, surroundings) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part, surroundings) for part in value]
    return value


def test_every_type_but_the_replica_has_a_life_here() -> None:
    # A replica lives in another region than its primary; its own test follows.
    assert BY_TOKEN.keys() | {"aws:kms/replicaKey:ReplicaKey"} == RESOURCE_TYPES.keys()


@pytest.mark.parametrize("token", sorted(BY_TOKEN))
def test_a_resource_lives_and_dies_without_a_spurious_change(
    token: str, caller: Caller, surroundings: dict[str, str]
) -> None:
    life = BY_TOKEN[token]
    inputs, same, update, replace = (
        filled(one, surroundings) for one in (life.inputs, life.same, life.update, life.replace)
    )

    ident, state = caller.create(token, inputs)
    unchanged = caller.diff(token, ident, state, {**inputs, **same})
    checked, _ = caller.check(token, inputs)
    refreshed_id, refreshed, refreshed_inputs = caller.read(token, ident, state, checked)
    imported_id, imported, imported_inputs = caller.read(token, filled(life.import_id, surroundings) or ident)
    replaced = caller.diff(token, ident, state, {**inputs, **replace})
    if update:
        updating = caller.diff(token, ident, state, {**inputs, **update})
        updated = caller.update(token, ident, state, {**inputs, **update})
        settled = caller.diff(token, ident, updated, {**inputs, **update})
        read_again = caller.read(token, ident, updated, {**checked, **update})
        assert (updating.changes, list(updating.replaces)) == (DiffResponse.DIFF_SOME, [])
        assert set(updating.diffs) == set(update)
        assert settled.changes == DiffResponse.DIFF_NONE, settled
        assert read_again[1] == updated
        state = updated
    caller.delete(token, ident, state)
    caller.delete(token, ident, state)
    gone, _, _ = caller.read(token, ident, state, checked)

    assert unchanged.changes == DiffResponse.DIFF_NONE, unchanged
    assert (refreshed_id, refreshed_inputs) == (ident, checked)
    assert caller.diff(token, ident, refreshed, inputs).changes == DiffResponse.DIFF_NONE
    assert imported_id == ident
    differing = set(caller.diff(token, ident, imported, inputs).diffs)
    assert differing <= life.kept_in_state_only, (imported, imported_inputs)
    assert set(replaced.replaces) == set(replace)
    # Versioning and Object Lock can never be taken off a bucket again, only their effect.
    lasting = {
        # A topic is never without a policy.
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
    }
    assert gone == (ident if token in lasting else "")


def test_a_replica_lives_in_its_own_region(caller: Caller, aws_endpoint: str) -> None:
    token = "aws:kms/replicaKey:ReplicaKey"
    primary = client(aws_endpoint, "kms").create_key(MultiRegion=True)["KeyMetadata"]
    inputs = {"primaryKeyArn": primary["Arn"], "region": "us-west-2"}

    ident, state = caller.create(token, inputs)

    assert state["arn"] == primary["Arn"].replace("us-east-1", "us-west-2")
    assert ident == primary["KeyId"]
    assert caller.diff(token, ident, state, inputs).changes == DiffResponse.DIFF_NONE
    assert list(caller.diff(token, ident, state, {**inputs, "region": "eu-west-1"}).replaces) == ["region"]
    assert caller.read(token, ident, state, inputs)[0] == ident


def test_an_alias_and_a_parameter_live_in_the_region_they_are_given(caller: Caller, aws_endpoint: str) -> None:
    primary = client(aws_endpoint, "kms").create_key(MultiRegion=True)["KeyMetadata"]
    there = {"region": "us-west-2"}
    replica, _ = caller.create("aws:kms/replicaKey:ReplicaKey", {"primaryKeyArn": primary["Arn"], **there})
    alias = {"name": "alias/there", "targetKeyId": replica, **there}
    parameter = {"name": "/there", "type": "String", "value": "x", **there}

    made = {
        token: (inputs, *caller.create(token, inputs))
        for token, inputs in (("aws:kms/alias:Alias", alias), ("aws:ssm/parameter:Parameter", parameter))
    }

    for token, (inputs, ident, state) in made.items():
        assert state["arn"].split(":")[3] == "us-west-2"
        assert caller.read(token, ident, state, inputs)[1] == state
        assert caller.diff(token, ident, state, inputs).changes == DiffResponse.DIFF_NONE
        assert list(caller.diff(token, ident, state, {**inputs, "region": REGION}).replaces) == ["region"]
    assert client(aws_endpoint, "ssm").get_parameters(Names=["/there"])["InvalidParameters"] == ["/there"]


def test_a_disabled_key_is_made_and_stays_without_a_change(caller: Caller) -> None:
    inputs = {"isEnabled": False, "enableKeyRotation": True}

    ident, state = caller.create("aws:kms/key:Key", inputs)

    assert state["isEnabled"] is False
    assert caller.diff("aws:kms/key:Key", ident, state, inputs).changes == DiffResponse.DIFF_NONE


def test_a_parameter_that_exists_is_refused_rather_than_overwritten(caller: Caller, aws_endpoint: str) -> None:
    ssm = client(aws_endpoint, "ssm")
    ssm.put_parameter(Name="/mine", Type="String", Value="first")

    with pytest.raises(Refused, match="creating SSM Parameter .* api error ParameterAlreadyExists"):
        caller.create("aws:ssm/parameter:Parameter", {"name": "/mine", "type": "String", "value": "second"})

    assert ssm.get_parameter(Name="/mine")["Parameter"]["Value"] == "first"


def test_a_bucket_that_holds_objects_goes_only_when_forced(caller: Caller, aws_endpoint: str) -> None:
    ident, state = caller.create("aws:s3/bucket:Bucket", {"bucket": "full"})
    client(aws_endpoint, "s3").put_object(Bucket="full", Key="log", Body=b"x")

    with pytest.raises(Refused, match="deleting S3 Bucket .full.: .* api error BucketNotEmpty"):
        caller.delete("aws:s3/bucket:Bucket", ident, state)
    caller.delete("aws:s3/bucket:Bucket", ident, {**state, "forceDestroy": True})

    assert caller.read("aws:s3/bucket:Bucket", ident, state)[0] == ""


def test_an_access_keys_secret_outlives_refresh_and_update(caller: Caller, surroundings: dict[str, str]) -> None:
    token = "aws:iam/accessKey:AccessKey"
    inputs = {"user": surroundings["user"]}

    ident, state = caller.create(token, inputs)
    refreshed = caller.read(token, ident, state, inputs)[1]
    updated = caller.update(token, ident, refreshed, {**inputs, "status": "Inactive"})

    assert state["secret"]
    assert refreshed["secret"] == updated["secret"] == state["secret"]
