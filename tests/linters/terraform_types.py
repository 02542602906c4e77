"""How Terraform spells the resources that the program makes: its types, and the names that differ from Pulumi's.

Pure: a table. A type or a list of blocks that is not in it is an error, so that no linter passes it over unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Document(StrEnum):
    """What kind of policy document an attribute holds."""

    IDENTITY = "identity"
    """Attached to a role or user: what it may do."""
    TRUST = "trust"
    """Of a role: who may take it."""
    RESOURCE = "resource"
    """Of a key, bucket, topic or secret: who may do what with it."""


@dataclass(frozen=True, kw_only=True)
class TerraformType:
    """A resource type in Terraform's spelling. The rest of a name follows by rule: camelCase is snake_case."""

    name: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Properties, at any depth, whose names do not follow the rule. Pulumi has a plural for every list."""
    lists: frozenset[str] = frozenset()
    """Properties, at any depth, that are lists and whose names do follow the rule."""
    documents: Mapping[str, Document] = field(default_factory=dict)
    """Properties that hold a policy document."""


MAPS = frozenset(("tags", "tagsAll", "dimensions", "inputPaths"))
"""Properties that are maps in Terraform, too, with names of their own, and no nested block."""

_ALARM_ACTIONS = frozenset(("alarmActions", "okActions", "insufficientDataActions"))
_TRAIL_SELECTORS = {
    "eventSelectors": "event_selector",
    "dataResources": "data_resource",
    "advancedEventSelectors": "advanced_event_selector",
    "fieldSelectors": "field_selector",
    "insightSelectors": "insight_selector",
}

TYPES: Mapping[str, TerraformType] = {
    "aws:kms/key:Key": TerraformType(name="aws_kms_key", documents={"policy": Document.RESOURCE}),
    "aws:kms/replicaKey:ReplicaKey": TerraformType(name="aws_kms_replica_key", documents={"policy": Document.RESOURCE}),
    "aws:kms/alias:Alias": TerraformType(name="aws_kms_alias"),
    "aws:iam/role:Role": TerraformType(
        name="aws_iam_role",
        renamed={"inlinePolicies": "inline_policy"},
        lists=frozenset(("managedPolicyArns",)),
        documents={"assumeRolePolicy": Document.TRUST},
    ),
    "aws:iam/rolePolicy:RolePolicy": TerraformType(name="aws_iam_role_policy", documents={"policy": Document.IDENTITY}),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": TerraformType(name="aws_iam_role_policy_attachment"),
    "aws:iam/policy:Policy": TerraformType(name="aws_iam_policy", documents={"policy": Document.IDENTITY}),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": TerraformType(
        name="aws_iam_openid_connect_provider",
        renamed={"clientIdLists": "client_id_list", "thumbprintLists": "thumbprint_list"},
    ),
    "aws:iam/user:User": TerraformType(name="aws_iam_user"),
    "aws:iam/userPolicy:UserPolicy": TerraformType(name="aws_iam_user_policy", documents={"policy": Document.IDENTITY}),
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": TerraformType(name="aws_iam_user_policy_attachment"),
    "aws:s3/bucket:Bucket": TerraformType(name="aws_s3_bucket"),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": TerraformType(name="aws_s3_bucket_public_access_block"),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": TerraformType(name="aws_s3_bucket_ownership_controls"),
    "aws:s3/bucketVersioning:BucketVersioning": TerraformType(name="aws_s3_bucket_versioning"),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": TerraformType(
        name="aws_s3_bucket_server_side_encryption_configuration",
        renamed={"rules": "rule"},
        lists=frozenset(("blockedEncryptionTypes",)),
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": TerraformType(
        name="aws_s3_bucket_lifecycle_configuration",
        renamed={
            "rules": "rule",
            "transitions": "transition",
            "noncurrentVersionTransitions": "noncurrent_version_transition",
        },
    ),
    "aws:s3/bucketPolicy:BucketPolicy": TerraformType(
        name="aws_s3_bucket_policy", documents={"policy": Document.RESOURCE}
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": TerraformType(
        name="aws_s3_bucket_object_lock_configuration"
    ),
    "aws:s3/bucketLogging:BucketLogging": TerraformType(
        name="aws_s3_bucket_logging", renamed={"targetGrants": "target_grant"}
    ),
    "aws:s3/bucketNotification:BucketNotification": TerraformType(
        name="aws_s3_bucket_notification",
        renamed={
            "topics": "topic",
            "queues": "queue",
            "lambdaFunctions": "lambda_function",
        },
        lists=frozenset(("events",)),
    ),
    "aws:cloudtrail/trail:Trail": TerraformType(name="aws_cloudtrail", renamed=_TRAIL_SELECTORS),
    "aws:sns/topic:Topic": TerraformType(name="aws_sns_topic", documents={"policy": Document.RESOURCE}),
    "aws:sns/topicPolicy:TopicPolicy": TerraformType(
        name="aws_sns_topic_policy", documents={"policy": Document.RESOURCE}
    ),
    "aws:sns/topicSubscription:TopicSubscription": TerraformType(name="aws_sns_topic_subscription"),
    "aws:cloudwatch/eventRule:EventRule": TerraformType(name="aws_cloudwatch_event_rule"),
    "aws:cloudwatch/eventTarget:EventTarget": TerraformType(name="aws_cloudwatch_event_target"),
    "aws:cloudwatch/logGroup:LogGroup": TerraformType(name="aws_cloudwatch_log_group"),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": TerraformType(name="aws_cloudwatch_log_metric_filter"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": TerraformType(
        name="aws_cloudwatch_metric_alarm",
        renamed={"name": "alarm_name", "metricQueries": "metric_query"},
        lists=_ALARM_ACTIONS,
    ),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": TerraformType(
        name="aws_cloudwatch_log_resource_policy", documents={"policyDocument": Document.RESOURCE}
    ),
    "aws:secretsmanager/secret:Secret": TerraformType(
        name="aws_secretsmanager_secret", renamed={"replicas": "replica"}, documents={"policy": Document.RESOURCE}
    ),
    "aws:secretsmanager/secretPolicy:SecretPolicy": TerraformType(
        name="aws_secretsmanager_secret_policy", documents={"policy": Document.RESOURCE}
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": TerraformType(
        name="aws_secretsmanager_secret_version", lists=frozenset(("versionStages",))
    ),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": TerraformType(name="aws_eks_pod_identity_association"),
}
