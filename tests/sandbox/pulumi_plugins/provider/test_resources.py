"""Every resource type of the stand-in provider: create, diff, refresh, import, update, delete; against moto.

It may touch what `engine_project` makes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from sandbox.pulumi_plugins.provider.values import is_zero
from tests.sandbox.pulumi_plugins.engine_project import ACCOUNT, CREDENTIALS, REGION, client
from tests.sandbox.pulumi_plugins.provider import alert_cases
from tests.sandbox.pulumi_plugins.provider.resource_cases import (
    KEY_POLICY,
    LOGS_POLICY,
    READ,
    ROOT,
    SAME_KEY_POLICY,
    TRUST,
    WRITE,
    ResourceCase,
    document,
)
from tests.sandbox.pulumi_plugins.provider_client import DiffResponse, ProviderClient, ProviderFailure

CASES = (
    ResourceCase(
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
        state_only=frozenset({"deletionWindowInDays", "rotationPeriodInDays"}),
    ),
    ResourceCase(
        token="aws:kms/alias:Alias",
        inputs={"name": "alias/life", "targetKeyId": "{key}"},
        same={"targetKeyId": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{key}}"},
        update={"targetKeyId": "{other_key}"},
        replace={"name": "alias/other"},
    ),
    ResourceCase(
        token="aws:iam/role:Role",
        inputs={
            "name": "life",
            "assumeRolePolicy": TRUST,
            "tags": {"a": "b"},
        },
        update={
            "maxSessionDuration": 7200,
            "permissionsBoundary": "{policy}",
        },
        replace={"path": "/elsewhere/"},
    ),
    ResourceCase(
        token="aws:iam/policy:Policy",
        inputs={"name": "life", "policy": READ, "tags": {"a": "b"}},
        update={"policy": WRITE},
        replace={"description": "another"},
    ),
    ResourceCase(
        token="aws:iam/rolePolicy:RolePolicy",
        inputs={"name": "inline", "role": "{role}", "policy": READ},
        update={"policy": WRITE},
        replace={"name": "other"},
    ),
    ResourceCase(
        token="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        inputs={"role": "{role}", "policyArn": "{policy}"},
        replace={"role": "another"},
    ),
    ResourceCase(
        token="aws:iam/userPolicyAttachment:UserPolicyAttachment",
        inputs={"user": "{user}", "policyArn": "{policy}"},
        replace={"user": "another"},
    ),
    ResourceCase(
        token="aws:iam/user:User",
        inputs={"name": "life", "path": "/apps/", "tags": {"a": "b"}},
        update={"tags": {"a": "c"}},
        replace={"name": "other"},
    ),
    ResourceCase(
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
    ResourceCase(
        token="aws:s3/bucket:Bucket",
        inputs={"bucket": "life", "objectLockEnabled": True, "tags": {"a": "b"}},
        update={"tags": {"c": "d"}},
        replace={"bucket": "another"},
    ),
    ResourceCase(
        token="aws:s3/bucketVersioning:BucketVersioning",
        inputs={"bucket": "{bucket}", "versioningConfiguration": {"status": "Enabled"}},
        update={"versioningConfiguration": {"status": "Suspended"}},
        replace={"bucket": "another"},
    ),
    ResourceCase(
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
        update={
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"},
                    "blockedEncryptionTypes": ["SSE-C"],
                }
            ]
        },
        replace={"bucket": "another"},
    ),
    ResourceCase(
        token="aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        inputs={"bucket": "{bucket}", "blockPublicAcls": True, "restrictPublicBuckets": True},
        update={"ignorePublicAcls": True},
        replace={"bucket": "another"},
    ),
    ResourceCase(
        token="aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        inputs={"bucket": "{bucket}", "rule": {"objectOwnership": "BucketOwnerEnforced"}},
        update={"rule": {"objectOwnership": "BucketOwnerPreferred"}},
        replace={"bucket": "another"},
    ),
    ResourceCase(
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
    ResourceCase(
        token="aws:s3/bucketPolicy:BucketPolicy",
        inputs={"bucket": "{bucket}", "policy": document({**ROOT, "Action": "s3:GetBucketAcl"})},
        update={"policy": document({**ROOT, "Action": "s3:ListBucket"})},
        replace={"bucket": "another"},
    ),
    ResourceCase(
        token="aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
        inputs={
            "bucket": "{locked_bucket}",
            "rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 2192}},
        },
        update={"rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 2557}}},
        replace={"bucket": "another"},
    ),
    ResourceCase(
        token="aws:s3/bucketLogging:BucketLogging",
        inputs={"bucket": "{bucket}", "targetBucket": "{log_bucket}", "targetPrefix": "access/"},
        update={"targetPrefix": "accesses/"},
        replace={"bucket": "another"},
    ),
    ResourceCase(
        token="aws:cloudtrail/trail:Trail",
        inputs={
            "name": "life",
            "s3BucketName": "surroundings-trail",
            "isMultiRegionTrail": True,
            "enableLogFileValidation": True,
            "kmsKeyId": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{key}}",
            "tags": {"a": "b"},
        },
        update={"enableLogging": False, "enableLogFileValidation": False},
        replace={"name": "other"},
    ),
)
BY_TOKEN = {case.token: case for case in (*CASES, *alert_cases.CASES)}


@pytest.fixture(scope="module")
def provider(moto_url: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto_url}.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        yield ProviderClient(region=REGION)


@pytest.fixture(scope="module")
def existing_resources(moto_url: str) -> dict[str, str]:
    return existing(partial(client, moto_url))


def existing(clients: Callable[[str], Any]) -> dict[str, str]:
    """Resources that the test cases refer to, created without the provider."""
    kms, iam, s3 = (clients(service) for service in ("kms", "iam", "s3"))
    for bucket in ("surroundings", "surroundings-logs", "surroundings-trail"):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_policy(Bucket="surroundings-trail", Policy=LOGS_POLICY)
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
        name: clients("sns").create_topic(Name=f"surroundings-{name}")["TopicArn"] for name in ("topic", "other_topic")
    }
    pattern = '{"source": ["aws.kms"]}'
    clients("events").put_rule(Name="surroundings", EventPattern=pattern)
    return {
        **topics,
        "rule": "surroundings",
        "key": kms.create_key()["KeyMetadata"]["KeyId"],
        "other_key": kms.create_key()["KeyMetadata"]["KeyId"],
        "primary": kms.create_key(MultiRegion=True)["KeyMetadata"]["Arn"],
        "policy": iam.create_policy(PolicyName="surroundings", PolicyDocument=READ)["Policy"]["Arn"],
        "role": "surroundings",
        "user": "surroundings",
        "bucket": "surroundings",
        "locked_bucket": "surroundings-locked",
        "log_bucket": "surroundings-logs",
    }


def not_empty(state: dict[str, Any]) -> dict[str, Any]:
    """A state without its empty values: those of a list or map are null until the first refresh."""
    return {name: value for name, value in state.items() if not is_zero(value)}


def filled(value: Any, existing_resources: dict[str, str]) -> Any:
    if isinstance(value, str):
        for name, existing in existing_resources.items():
            value = value.replace(f"{{{name}}}", existing)
        return value
    if isinstance(value, dict):
        return {name: filled(part, existing_resources) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part, existing_resources) for part in value]
    return value


@pytest.mark.parametrize("token", sorted(BY_TOKEN))
def test_a_resource_is_created_updated_and_deleted_without_a_spurious_change(
    token: str, provider: ProviderClient, existing_resources: dict[str, str]
) -> None:
    case = BY_TOKEN[token]
    inputs, same, update, replace = (
        filled(one, existing_resources) for one in (case.inputs, case.same, case.update, case.replace)
    )

    resource_id, state = provider.create(token, inputs)
    unchanged = provider.diff(token, resource_id, state, {**inputs, **same})
    checked, _ = provider.check(token, inputs)
    refreshed_id, refreshed, refreshed_inputs = provider.read(token, resource_id, state, checked)
    imported_id, imported, imported_inputs = provider.read(
        token, filled(case.import_id, existing_resources) or resource_id
    )
    replaced = provider.diff(token, resource_id, state, {**inputs, **replace})
    if update:
        updating = provider.diff(token, resource_id, state, {**inputs, **update})
        updated = provider.update(token, resource_id, state, {**inputs, **update})
        settled = provider.diff(token, resource_id, updated, {**inputs, **update})
        read_again = provider.read(token, resource_id, updated, {**checked, **update})
        assert (updating.changes, list(updating.replaces)) == (DiffResponse.DIFF_SOME, [])
        assert set(updating.diffs) - {"tagsAll"} == set(update)
        assert settled.changes == DiffResponse.DIFF_NONE, settled
        assert not_empty(read_again[1]) == not_empty(updated)
        state = updated
    provider.delete(token, resource_id, state)
    provider.delete(token, resource_id, state)
    gone, _, _ = provider.read(token, resource_id, state, checked)

    assert unchanged.changes == DiffResponse.DIFF_NONE, unchanged
    # A refresh records the URL of an identity provider as AWS gives it, as the real provider does.
    in_words_of_aws = {"url": str(checked["url"]).removeprefix("https://")} if "url" in checked else {}
    assert (refreshed_id, refreshed_inputs) == (resource_id, {**checked, **in_words_of_aws})
    assert provider.diff(token, resource_id, refreshed, inputs).changes == DiffResponse.DIFF_NONE
    assert imported_id == resource_id
    differing = set(provider.diff(token, resource_id, imported, inputs).diffs)
    assert differing <= case.state_only, (imported, imported_inputs)
    assert set(replaced.replaces) == set(replace)
    # Versioning and Object Lock can never be taken off a bucket again, only their effect.
    lasting = {
        # A topic is never without a policy.
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
    }
    assert gone == (resource_id if token in lasting else "")


def test_a_replica_is_in_its_own_region(provider: ProviderClient, moto_url: str) -> None:
    token = "aws:kms/replicaKey:ReplicaKey"
    primary = client(moto_url, "kms").create_key(MultiRegion=True)["KeyMetadata"]
    inputs = {"primaryKeyArn": primary["Arn"], "region": "us-west-2"}

    resource_id, state = provider.create(token, inputs)

    assert state["arn"] == primary["Arn"].replace("us-east-1", "us-west-2")
    assert resource_id == primary["KeyId"]
    assert provider.diff(token, resource_id, state, inputs).changes == DiffResponse.DIFF_NONE
    assert list(provider.diff(token, resource_id, state, {**inputs, "region": "eu-west-1"}).replaces) == ["region"]
    assert provider.read(token, resource_id, state, inputs)[0] == resource_id


def test_an_alias_is_in_the_region_of_its_input(provider: ProviderClient, moto_url: str) -> None:
    primary = client(moto_url, "kms").create_key(MultiRegion=True)["KeyMetadata"]
    existing = {"region": "us-west-2"}
    replica, _ = provider.create("aws:kms/replicaKey:ReplicaKey", {"primaryKeyArn": primary["Arn"], **existing})
    token, inputs = "aws:kms/alias:Alias", {"name": "alias/there", "targetKeyId": replica, **existing}

    resource_id, state = provider.create(token, inputs)

    assert state["arn"].split(":")[3] == "us-west-2"
    assert provider.read(token, resource_id, state, inputs)[1] == state
    assert provider.diff(token, resource_id, state, inputs).changes == DiffResponse.DIFF_NONE
    assert list(provider.diff(token, resource_id, state, {**inputs, "region": REGION}).replaces) == ["region"]


def test_a_disabled_key_is_made_and_stays_without_a_change(provider: ProviderClient) -> None:
    inputs = {"isEnabled": False, "enableKeyRotation": True}

    resource_id, state = provider.create("aws:kms/key:Key", inputs)

    assert state["isEnabled"] is False
    assert provider.diff("aws:kms/key:Key", resource_id, state, inputs).changes == DiffResponse.DIFF_NONE


def test_a_bucket_that_holds_objects_goes_only_when_forced(provider: ProviderClient, moto_url: str) -> None:
    resource_id, state = provider.create("aws:s3/bucket:Bucket", {"bucket": "full"})
    client(moto_url, "s3").put_object(Bucket="full", Key="log", Body=b"x")

    with pytest.raises(ProviderFailure, match="deleting S3 Bucket .full.: .* api error BucketNotEmpty"):
        provider.delete("aws:s3/bucket:Bucket", resource_id, state)
    provider.delete("aws:s3/bucket:Bucket", resource_id, {**state, "forceDestroy": True})

    assert provider.read("aws:s3/bucket:Bucket", resource_id, state)[0] == ""
