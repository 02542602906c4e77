"""The policies of the audit trail: its buckets, its key, its log group and its alerts.

Pure. Ids go in, a dict that is ready for `json.dumps` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.policies.documents import Policy, Statement, allow, policy
from components.policies.key import key_administration_statements
from components.settings.arn import Arn

LOGS_KEY_TAGS = {"Purpose": "AuditLogs"}
"""The tags of the key of the audit logs besides the stack's, by which an IAM policy tells it from the PHI key."""


def trail_bucket_policy(*, bucket: str, account_id: str, trail_arn: str, partition: str = "aws") -> Policy:
    """The trail bucket's policy: this one trail may write, and every request needs TLS 1.2."""
    return policy(
        [
            *trail_delivery_statements(bucket=bucket, account_id=account_id, trail_arn=trail_arn, partition=partition),
            *secure_transport_statements(bucket=bucket, partition=partition),
        ]
    )


def trail_delivery_statements(
    *, bucket: str, account_id: str, trail_arn: str, partition: str = "aws"
) -> list[Statement]:
    """Allows CloudTrail to deliver the logs of this trail, and of no other.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
    """
    bucket_arn = f"arn:{partition}:s3:::{bucket}"
    cloudtrail = {"Service": "cloudtrail.amazonaws.com"}
    return [
        allow(
            "CloudTrailReadsTheAcl",
            "s3:GetBucketAcl",
            bucket_arn,
            principal=cloudtrail,
            condition={"StringEquals": {"aws:SourceArn": trail_arn}},
        ),
        allow(
            "CloudTrailWritesTheLogs",
            "s3:PutObject",
            f"{bucket_arn}/AWSLogs/{account_id}/*",
            principal=dict(cloudtrail),
            condition={"StringEquals": {"aws:SourceArn": trail_arn, "s3:x-amz-acl": "bucket-owner-full-control"}},
        ),
    ]


def secure_transport_statements(*, bucket: str, partition: str = "aws") -> list[Statement]:
    """Denies plain HTTP and TLS older than 1.2 to everybody.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html#example-object-tls-version
    """
    bucket_arn = f"arn:{partition}:s3:::{bucket}"
    return [
        {
            "Sid": sid,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket_arn, f"{bucket_arn}/*"],
            "Condition": condition,
        }
        for sid, condition in (
            ("DenyPlainHttp", {"Bool": {"aws:SecureTransport": "false"}}),
            ("DenyOldTls", {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
        )
    ]


def trail_key_policy(
    *,
    account_id: str,
    administrators: Sequence[str],
    trail_arn: str,
    administrator_patterns: Sequence[str] = (),
    deletion_administrators: Sequence[str] = (),
    usage_guard_days: int = 0,
    incident_responders: Sequence[str] = (),
    log_group_arn: str | None = None,
    publishers: bool = False,
    partition: str = "aws",
) -> Policy:
    """The policy of the key that the audit logs and the alerts are encrypted under.

    It always delegates to IAM: auditors who may read the bucket have to be able to decrypt the logs.
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
    """
    statements = key_administration_statements(
        account_id=account_id,
        administrators=administrators,
        administrator_patterns=administrator_patterns,
        deletion_administrators=deletion_administrators,
        usage_guard_days=usage_guard_days,
        incident_responders=incident_responders,
        partition=partition,
    )
    statements += trail_encryption_statements(trail_arn=trail_arn)
    if log_group_arn:
        statements.append(log_encryption_statement(log_group_arn=log_group_arn))
    if publishers:
        statements.append(alert_encryption_statement(account_id=account_id, partition=partition))
    return policy(statements)


def trail_encryption_statements(*, trail_arn: str) -> list[Statement]:
    """Allows CloudTrail to encrypt this trail's logs, in the encryption context of this trail only, and nothing else.

    With an S3 Bucket Key CloudTrail would also need kms:Decrypt, so the trail's bucket has none.
    """
    cloudtrail = {"Service": "cloudtrail.amazonaws.com"}
    return [
        allow(
            "Allow CloudTrail to encrypt its logs",
            "kms:GenerateDataKey*",
            "*",
            principal=cloudtrail,
            condition={
                "StringEquals": {"aws:SourceArn": trail_arn, "kms:EncryptionContext:aws:cloudtrail:arn": trail_arn}
            },
        ),
        allow(
            "Allow CloudTrail to describe the key",
            "kms:DescribeKey",
            "*",
            principal=dict(cloudtrail),
            condition={"StringEquals": {"aws:SourceArn": trail_arn}},
        ),
    ]


def log_encryption_statement(*, log_group_arn: str) -> Statement:
    """Allows CloudWatch Logs to encrypt one log group.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    region = Arn.parse(log_group_arn).region
    return allow(
        "Allow CloudWatch Logs to encrypt the log group",
        [
            "kms:Encrypt",
            "kms:Decrypt",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
            "kms:GenerateDataKey",
            "kms:GenerateDataKeyWithoutPlaintext",
        ],
        "*",
        principal={"Service": f"logs.{region}.amazonaws.com"},
        condition={"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": log_group_arn}},
    )


def alert_encryption_statement(*, account_id: str, partition: str = "aws") -> Statement:
    """Allows EventBridge and CloudWatch to publish to this account's encrypted topics, and nothing else with the key.

    EventBridge sends KMS neither account nor rule: with a condition on aws:SourceAccount or aws:SourceArn its messages
    are lost without an error. The encryption context, which SNS sets, contains the topic.
    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
    """
    return allow(
        "Allow alerts to be published",
        ["kms:GenerateDataKey*", "kms:Decrypt"],
        "*",
        principal={"Service": ["events.amazonaws.com", "cloudwatch.amazonaws.com"]},
        condition={
            "ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": f"arn:{partition}:sns:*:{account_id}:*"},
        },
    )


def access_log_bucket_policy(*, bucket: str, source_bucket: str, account_id: str, partition: str = "aws") -> Policy:
    """Allows S3's log delivery to write the access logs of one bucket; every request needs TLS 1.2.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    """
    return policy(
        [
            allow(
                "S3WritesTheAccessLogs",
                "s3:PutObject",
                f"arn:{partition}:s3:::{bucket}/*",
                principal={"Service": "logging.s3.amazonaws.com"},
                condition={
                    "StringEquals": {"aws:SourceAccount": account_id},
                    "ArnLike": {"aws:SourceArn": f"arn:{partition}:s3:::{source_bucket}"},
                },
            ),
            *secure_transport_statements(bucket=bucket, partition=partition),
        ]
    )


def log_role_trust_policy(*, account_id: str, trail_arn: str) -> Policy:
    """Allows CloudTrail to assume the role with which it writes this one trail to CloudWatch Logs."""
    return policy(
        [
            allow(
                "TrustCloudTrail",
                "sts:AssumeRole",
                principal={"Service": "cloudtrail.amazonaws.com"},
                condition={"StringEquals": {"aws:SourceAccount": account_id, "aws:SourceArn": trail_arn}},
            )
        ]
    )


def log_role_policy(*, log_group_arn: str, account_id: str, region: str) -> Policy:
    """Allows that role to write CloudTrail's streams of one log group.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-required-policy-for-cloudwatch-logs.html
    """
    return policy(
        [
            allow(
                "WriteTheLogs",
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                f"{log_group_arn}:log-stream:{account_id}_CloudTrail_{region}*",
            )
        ]
    )


def alert_topic_policy(*, topic_arn: str, account_id: str, source_arns: Sequence[str]) -> Policy:
    """Allows EventBridge and these alarms, if any, to publish to the topic; denies plain HTTP.

    EventBridge has no condition, because SNS supports none for it: with a condition its messages are lost without an
    error. The worst that a rule of somebody else can do is to publish a message.
    https://repost.aws/knowledge-center/sns-not-getting-eventbridge-notification
    https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
    """
    alarms: Statement = allow(
        "PublishAlarms",
        "sns:Publish",
        topic_arn,
        principal={"Service": "cloudwatch.amazonaws.com"},
        condition={
            "StringEquals": {"aws:SourceAccount": account_id},
            "ArnEquals": {"aws:SourceArn": list(source_arns)},
        },
    )
    return policy(
        [
            allow("PublishEvents", "sns:Publish", topic_arn, principal={"Service": "events.amazonaws.com"}),
            *([alarms] if source_arns else []),
            {
                "Sid": "DenyPlainHttp",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sns:Publish",
                "Resource": topic_arn,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ]
    )


def forwarding_trust_policy(*, account_id: str) -> Policy:
    """Allows EventBridge, for rules of this account, to assume the role that sends events to another Region.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/cross-service-confused-deputy-prevention.html
    """
    return policy(
        [
            allow(
                "TrustEventBridge",
                "sts:AssumeRole",
                principal={"Service": "events.amazonaws.com"},
                condition={"StringEquals": {"aws:SourceAccount": account_id}},
            )
        ]
    )


def forwarding_policy(*, event_bus_arn: str) -> Policy:
    """Allows that role to put events on one event bus.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html
    """
    return policy([allow("ForwardEvents", "events:PutEvents", event_bus_arn)])
