"""The resources of a stack of this project, as the engine sends them to a policy pack: all of them pass.

Touches nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from guardrails.rules import Resource
from guardrails.rules import resource_types as types

ACCOUNT = "123456789012"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
APP_ROLE = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"
KEY_ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/0f0d3a5c-6f0e-4a5b-9d3e-0a1b2c3d4e5f"
REPLICA_ARN = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/mrk-1234abcd12ab34cd56ef1234567890ab"
LOGS = "arn:aws:s3:::eonpro-cloudtrail-logs"
USE = ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"]
APP_POLICY = f"arn:aws:iam::{ACCOUNT}:policy/EONPROKMSAccess"


def document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(**elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", **elements}


def deny(**elements: Any) -> dict[str, Any]:
    return {"Effect": "Deny", **elements}


ROOT_ACCESS = allow(Sid="Enable IAM policies", Principal={"AWS": ROOT}, Action="kms:*", Resource="*")
APP_STATEMENT = allow(Sid="Allow use of the key for EONPRO", Principal={"AWS": [APP_ROLE]}, Action=USE, Resource="*")
KEY_POLICY = document(
    ROOT_ACCESS,
    allow(
        Sid="Allow administration of the key",
        Principal={"AWS": ROOT},
        Action=["kms:DescribeKey", "kms:PutKeyPolicy"],
        Resource="*",
        Condition={
            "ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/*/AWSReservedSSO_Admin_*"}
        },
    ),
    APP_STATEMENT,
    deny(
        Sid="DenyUseByAdministrators",
        Principal={"AWS": "*"},
        Action=["kms:Decrypt", "kms:Encrypt"],
        Resource="*",
        Condition={"ArnNotEquals": {"aws:PrincipalArn": APP_ROLE}},
    ),
)
TRAIL_KEY_POLICY = document(
    ROOT_ACCESS,
    allow(
        Principal={"Service": "cloudtrail.amazonaws.com"},
        Action="kms:GenerateDataKey*",
        Resource="*",
        Condition={
            "StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": f"arn:aws:cloudtrail:*:{ACCOUNT}:trail/*"}
        },
    ),
)
WRITE_LOGS = allow(
    Principal={"Service": "cloudtrail.amazonaws.com"},
    Action="s3:PutObject",
    Resource=f"{LOGS}/AWSLogs/{ACCOUNT}/*",
    Condition={"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
)


def denial(condition: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """The denial of the bucket policy with this condition, and with changes."""
    return deny(Principal="*", Action="s3:*", Resource=[LOGS, f"{LOGS}/*"], Condition=condition) | changes


PLAIN_HTTP: dict[str, Any] = {"Bool": {"aws:SecureTransport": "false"}}
OLD_TLS: dict[str, Any] = {"NumericLessThan": {"s3:TlsVersion": "1.2"}}
BUCKET_POLICY = document(WRITE_LOGS, denial(PLAIN_HTTP), denial(OLD_TLS))

VERCEL = allow(
    Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/eonpro"},
    Action="sts:AssumeRoleWithWebIdentity",
    Condition={
        "StringEquals": {
            "oidc.vercel.com/eonpro:aud": "https://vercel.com/eonpro",
            "oidc.vercel.com/eonpro:sub": "owner:eonpro:project:eonpro:environment:production",
        }
    },
)
ECS = allow(
    Principal={"Service": "ecs-tasks.amazonaws.com"},
    Action="sts:AssumeRole",
    Condition={"ArnLike": {"aws:SourceArn": f"arn:aws:ecs:us-east-1:{ACCOUNT}:*"}},
)
EKS = "oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
IRSA = allow(
    Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{EKS}"},
    Action="sts:AssumeRoleWithWebIdentity",
    Condition={"StringEquals": {f"{EKS}:aud": "sts.amazonaws.com", f"{EKS}:sub": "system:serviceaccount:eonpro:app"}},
)
POD_IDENTITY = allow(Principal={"Service": "pods.eks.amazonaws.com"}, Action=["sts:AssumeRole", "sts:TagSession"])

PUBLIC_ACCESS_BLOCKED = {
    "blockPublicAcls": True,
    "blockPublicPolicy": True,
    "ignorePublicAcls": True,
    "restrictPublicBuckets": True,
}
LIFECYCLE_RULE = {
    "id": "expire-after-retention",
    "status": "Enabled",
    "expiration": {"days": 2557.0},
    "noncurrentVersionExpiration": {"noncurrentDays": 2557.0},
    "transitions": [{"days": 90.0, "storageClass": "GLACIER"}],
    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7.0},
}


def resource(
    type_: str, props: Mapping[str, Any], *, within: str = "", name: str = "resource", protected: bool = True
) -> Resource:
    """A resource in a component of the type `within`, or without a component."""
    parents = f"{within}$" if within else ""
    return Resource(type=type_, urn=f"urn:pulumi:s::p::{parents}{type_}::{name}", props=props, protected=protected)


KEY = {"enableKeyRotation": True, "rotationPeriodInDays": 365.0, "deletionWindowInDays": 30.0, "policy": KEY_POLICY}
TRAIL = {"isMultiRegionTrail": True, "enableLogFileValidation": True, "enableLogging": True}
LOCK = {"rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 2557.0}}}
USE_THE_KEY = document(allow(Sid="UseThePhiKey", Action=USE, Resource=KEY_ARN))
SNS = document(
    allow(
        Principal={"Service": "events.amazonaws.com"}, Action="sns:Publish", Resource="arn:aws:sns:us-east-1:1:alerts"
    ),
    denial({"Bool": {"aws:SecureTransport": "false"}}, Action="sns:Publish", Resource="arn:aws:sns:us-east-1:1:alerts"),
)
ENCRYPTED = {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]}

VALID: dict[str, dict[str, Any]] = {
    types.KEY: KEY,
    types.REPLICA_KEY: {"deletionWindowInDays": 30.0, "policy": KEY_POLICY, "primaryKeyArn": KEY_ARN},
    types.KEY_POLICY: {"policy": KEY_POLICY},
    types.ALIAS: {"name": "alias/eonpro-phi-key", "targetKeyId": KEY_ARN},
    types.GRANT: {"granteePrincipal": APP_ROLE, "operations": ["Decrypt", "DescribeKey"]},
    types.TRAIL: TRAIL,
    types.BUCKET: {"bucket": "eonpro-cloudtrail-logs", "forceDestroy": False, "objectLockEnabled": True},
    types.BUCKET_POLICY: {"policy": BUCKET_POLICY},
    types.BUCKET_ACLS[0]: {"acl": "log-delivery-write"},
    types.PUBLIC_ACCESS_BLOCK: PUBLIC_ACCESS_BLOCKED,
    types.OWNERSHIP: {"rule": {"objectOwnership": "BucketOwnerEnforced"}},
    types.VERSIONING[0]: {"versioningConfiguration": {"status": "Enabled"}},
    types.ENCRYPTION[0]: ENCRYPTED,
    types.LIFECYCLES[0]: {"rules": [LIFECYCLE_RULE]},
    types.OBJECT_LOCKS[0]: LOCK,
    types.ROLE: {"name": "eonpro-app-role", "assumeRolePolicy": document(VERCEL, ECS, IRSA, POD_IDENTITY)},
    types.POLICY: {"name": "EONPROKMSAccess", "policy": USE_THE_KEY},
    types.ROLE_POLICY: {"role": "eonpro-app-role", "policy": USE_THE_KEY},
    types.USER_POLICY: {"user": "eonpro-app-user-staging", "policy": USE_THE_KEY},
    types.ROLE_ATTACHMENT: {"role": "eonpro-app-role", "policyArn": APP_POLICY},
    types.USER_ATTACHMENT: {"user": "eonpro-app-user", "policyArn": APP_POLICY},
    types.POLICY_ATTACHMENT: {"roles": ["eonpro-app-role"], "policyArn": APP_POLICY},
    types.ROLE_ATTACHMENTS: {"roleName": "eonpro-app-role", "policyArns": [APP_POLICY]},
    types.USER_GROUPS: {"user": "somebody-else", "groups": ["administrators"]},
    types.GROUP_USERS: {"users": ["somebody-else"], "group": "administrators"},
    types.TOPIC_POLICY: {"policy": SNS},
    types.TOPIC: {"name": "eonpro-alerts"},
    types.QUEUE_POLICY: {"policy": SNS},
    types.SECRET_POLICY: {
        "policy": document(allow(Principal={"AWS": APP_ROLE}, Action="secretsmanager:GetSecretValue"))
    },
    types.SECRET: {"name": "eonpro"},
    types.SECRET_VERSION: {"secretId": "eonpro"},
    types.PARAMETER: {"name": "/eonpro/log-level", "value": "info"},
}
"""Valid inputs of each type that a rule checks."""

ALSO_VALID: tuple[tuple[str, dict[str, Any]], ...] = (
    (types.KEY, KEY | {"policy": TRAIL_KEY_POLICY}),
    (types.KEY, KEY | {"policy": json.loads(KEY_POLICY)}),
    (types.KEY, KEY | {"rotationPeriodInDays": 90.0}),
    (types.KEY, KEY | {"rotationPeriodInDays": 2560.0}),
    (types.KEY, KEY | {"bypassPolicyLockoutSafetyCheck": False}),
    (types.KEY, {"enableKeyRotation": True, "policy": KEY_POLICY}),
    (types.LIFECYCLES[0], {"rules": [{"status": "Enabled", "expiration": {"days": 2192.0}}]}),
    (
        types.LIFECYCLES[0],
        {"rules": [{"status": "Enabled", "expiration": {"days": 0.0, "expiredObjectDeleteMarker": True}}]},
    ),
    (types.LIFECYCLES[0], {"rules": [{"status": "Disabled", "expiration": {"days": 1.0}}]}),
    (types.BUCKET, {"lifecycleRules": [{"enabled": False, "expiration": {"days": 1.0}}]}),
    (types.OBJECT_LOCKS[0], {"rule": {"defaultRetention": {"mode": "COMPLIANCE", "years": 7.0}}}),
    (types.TRAIL, {"isMultiRegionTrail": True, "enableLogFileValidation": True}),
    (types.TRAIL, TRAIL | {"eventSelectors": [{"includeManagementEvents": True, "readWriteType": "All"}]}),
    (types.TRAIL, TRAIL | {"eventSelectors": [{"excludeManagementEventSources": ["rdsdata.amazonaws.com"]}]}),
    (
        types.TRAIL,
        TRAIL
        | {
            "advancedEventSelectors": [
                {"fieldSelectors": [{"field": "eventCategory", "equals": ["Data"]}]},
                {"fieldSelectors": [{"field": "eventCategory", "equals": ["Management"]}]},
            ]
        },
    ),
    (
        types.POLICY,
        {"name": "EONPROKMSAccess", "policy": document(allow(Action=USE, Resource=[KEY_ARN, REPLICA_ARN]))},
    ),
    (
        types.POLICY,
        {"name": "EONPROParameterAccess", "policy": document(allow(Action="ssm:GetParameters", Resource="*"))},
    ),
    (
        types.ROLE_POLICY,
        {"role": "eonpro-execution-role", "policy": document(allow(Action="logs:*", Resource="*"))},
    ),
    (
        types.ROLE_ATTACHMENT,
        {"role": "eonpro-execution-role", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
    ),
    (types.BUCKET_POLICY, {"policy": document(denial(PLAIN_HTTP, Principal={"AWS": "*"}), denial(OLD_TLS))}),
)
"""More valid inputs: at the limits, and in other forms."""
