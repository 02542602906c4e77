"""The tables of the audit trail's policies: its buckets, its key, its log group and its alerts.

Pure.
"""

from components import policies
from components.policies import trail
from tools.documents.authorizations.principals import (
    ACCESS_LOGS,
    ACCOUNT,
    ADMINISTRATOR,
    ADMINISTRATOR_WITH_ALL,
    ALARMS,
    APPLICATION,
    CLOUDTRAIL,
    CONFIG,
    DEVELOPER,
    EC2,
    EVENTS,
    FOREIGN,
    IAM,
    KEY,
    LAMBDA,
    LOGS,
    POWERFUL,
    REGION,
    ROOT,
    STRANGER,
    TRAIL,
    settings,
)
from tools.documents.authorizations.rows import OWN_IAM, Kind, Table, Who, may, may_not

_NAMES = settings().names
_BUCKET = f"arn:aws:s3:::{_NAMES.trail_bucket}"
_LOG = f"{_BUCKET}/AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2030/01/01/log.json.gz"
_ACCESS_BUCKET = f"arn:aws:s3:::{_NAMES.access_log_bucket}"
_ACCESS_LOG = f"{_ACCESS_BUCKET}/access/2030-01-01-00-00-00-0123456789ABCDEF"
_OTHER_TRAIL = TRAIL.replace(_NAMES.trail, "other")
_FOREIGN_TRAIL = TRAIL.replace(ACCOUNT, FOREIGN)
_OWNED = {"s3:x-amz-acl": "bucket-owner-full-control"}
_OLD_TLS = {"s3:TlsVersion": "1.1"}
_PLAIN_HTTP = {"aws:SecureTransport": "false", "s3:TlsVersion": None}
_GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{_NAMES.log_group}"
_TRAIL_CONTEXT = "kms:EncryptionContext:aws:cloudtrail:arn"
_GROUP_CONTEXT = "kms:EncryptionContext:aws:logs:arn"
_TOPIC_CONTEXT = "kms:EncryptionContext:aws:sns:topicArn"
_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:{_NAMES.alert_topic}"
_FALLBACK_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:{_NAMES.fallback_topic}"
_ALARM = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{_NAMES.denied_use_rule}"
_LOG_ROLE = Who(name="CloudTrail's role for CloudWatch Logs", identity=f"{IAM}:role/{_NAMES.log_role}")
_FORWARDER = Who(name="EventBridge's role for other Regions", identity=f"{IAM}:role/eonpro-alerts-forwarding")
_BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"

_ENCRYPT = "Allow CloudTrail to encrypt its logs"
_DESCRIBE = "Allow CloudTrail to describe the key"
_GROUP_SID = "Allow CloudWatch Logs to encrypt the log group"
_ALERT_SID = "Allow alerts to be published"

BUCKET = Table(
    title="The bucket of the audit trail",
    about="Readers need an IAM policy, and TLS 1.2 or newer. The logs are under S3 Object Lock, which no policy "
    "removes.",
    kind=Kind.RESOURCE,
    policy=policies.trail_bucket_policy(bucket=_NAMES.trail_bucket, account_id=ACCOUNT, trail_arn=TRAIL),
    resource=_LOG,
    rows=(
        *may(CLOUDTRAIL, "s3:PutObject", by="CloudTrailWritesTheLogs", context=_OWNED),
        *may(CLOUDTRAIL, "s3:GetBucketAcl", by="CloudTrailReadsTheAcl", on=_BUCKET),
        *may(POWERFUL, "s3:GetObject", by=OWN_IAM),
        *may_not(
            CLOUDTRAIL,
            "s3:PutObject",
            how="for another trail",
            but=("aws:SourceArn",),
            context={"aws:SourceArn": _OTHER_TRAIL, **_OWNED},
        ),
        *may_not(
            CLOUDTRAIL,
            "s3:PutObject",
            how="for a trail of another account",
            but=("aws:SourceArn",),
            context={"aws:SourceArn": _FOREIGN_TRAIL, "aws:SourceAccount": FOREIGN, **_OWNED},
        ),
        *may_not(
            CLOUDTRAIL,
            "s3:GetBucketAcl",
            how="for a trail of another account",
            on=_BUCKET,
            because={"aws:SourceArn": _FOREIGN_TRAIL},
        ),
        *may_not(CLOUDTRAIL, "s3:PutObject", how="without giving the object to the account", but=("s3:x-amz-acl",)),
        *may_not(
            CLOUDTRAIL,
            "s3:PutObject",
            how="under the prefix of another account",
            on=_LOG.replace(f"AWSLogs/{ACCOUNT}", f"AWSLogs/{FOREIGN}"),
            context=_OWNED,
        ),
        *may_not(CLOUDTRAIL, "s3:GetObject", "s3:DeleteObject"),
        *may_not(
            CLOUDTRAIL, "s3:PutObject", by="DenyPlainHttp", how="over plain HTTP", context={**_OWNED, **_PLAIN_HTTP}
        ),
        *may_not(CONFIG, "s3:PutObject", context=_OWNED),
        *may_not(ACCESS_LOGS, "s3:PutObject"),
        *may_not(POWERFUL, "s3:GetObject", by="DenyPlainHttp", how="over plain HTTP", context=_PLAIN_HTTP),
        *may_not(POWERFUL, "s3:GetObject", by="DenyOldTls", how="over TLS 1.1", context=_OLD_TLS),
        *may_not(ROOT, "s3:DeleteObject", by="DenyOldTls", how="over TLS 1.1", context=_OLD_TLS),
        *may_not(
            POWERFUL, "s3:ListBucket", by="DenyOldTls", how="over TLS 1.0", on=_BUCKET, context={"s3:TlsVersion": "1.0"}
        ),
        *may_not(DEVELOPER, "s3:GetObject", "s3:DeleteObject"),
        *may_not(APPLICATION, "s3:GetObject", "s3:PutObject"),
        *may_not(STRANGER, "s3:GetObject", "s3:PutObject", how="by IAM of their own account"),
    ),
)

ACCESS_BUCKET = Table(
    title="The bucket of the access logs",
    about="S3 logs access to the trail's bucket here, and to no other bucket.",
    kind=Kind.RESOURCE,
    policy=policies.access_log_bucket_policy(
        bucket=_NAMES.access_log_bucket, source_bucket=_NAMES.trail_bucket, account_id=ACCOUNT
    ),
    resource=_ACCESS_LOG,
    rows=(
        *may(ACCESS_LOGS, "s3:PutObject", by="S3WritesTheAccessLogs", context={"aws:SourceArn": _BUCKET}),
        *may_not(
            ACCESS_LOGS,
            "s3:PutObject",
            how="for another bucket",
            because={"aws:SourceArn": "arn:aws:s3:::another-bucket"},
        ),
        *may_not(
            ACCESS_LOGS,
            "s3:PutObject",
            how="for another account",
            but=("aws:SourceAccount",),
            context={"aws:SourceArn": _BUCKET, "aws:SourceAccount": FOREIGN},
        ),
        *may_not(ACCESS_LOGS, "s3:GetObject", "s3:DeleteObject", context={"aws:SourceArn": _BUCKET}),
        *may_not(CLOUDTRAIL, "s3:PutObject"),
        *may_not(POWERFUL, "s3:GetObject", by="DenyPlainHttp", how="over plain HTTP", context=_PLAIN_HTTP),
        *may_not(POWERFUL, "s3:GetObject", by="DenyOldTls", how="over TLS 1.1", context=_OLD_TLS),
        *may_not(STRANGER, "s3:GetObject"),
    ),
)

TRAIL_KEY = Table(
    title="The key of the audit logs",
    about="CloudTrail encrypts for one trail, CloudWatch Logs for one log group, and alerts for the topic.",
    kind=Kind.KEY,
    policy=policies.trail_key_policy(
        account_id=ACCOUNT,
        administrators=settings().administrators,
        trail_arn=TRAIL,
        log_group_arn=_GROUP,
        publishers=True,
    ),
    resource=KEY.replace("1234abcd", "5678efab"),
    rows=(
        *may(CLOUDTRAIL, "kms:GenerateDataKey", by=_ENCRYPT, context={_TRAIL_CONTEXT: TRAIL}),
        *may(CLOUDTRAIL, "kms:DescribeKey", by=_DESCRIBE),
        *may(LOGS, "kms:Encrypt", "kms:Decrypt", by=_GROUP_SID, context={_GROUP_CONTEXT: _GROUP}),
        *may(EVENTS, "kms:GenerateDataKey", "kms:Decrypt", by=_ALERT_SID, context={_TOPIC_CONTEXT: _TOPIC}),
        *may(ALARMS, "kms:GenerateDataKey", by=_ALERT_SID, context={_TOPIC_CONTEXT: _TOPIC}),
        *may(ADMINISTRATOR, "kms:PutKeyPolicy", by="Allow administration of the key"),
        *may(POWERFUL, "kms:Decrypt", by="Enable IAM policies", how="as an auditor"),
        *may_not(
            CLOUDTRAIL,
            "kms:GenerateDataKey",
            how="for another trail",
            because={"aws:SourceArn": _OTHER_TRAIL, _TRAIL_CONTEXT: _OTHER_TRAIL},
        ),
        *may_not(
            CLOUDTRAIL,
            "kms:GenerateDataKey",
            how="for a trail of another account, in our context",
            but=("aws:SourceArn",),
            context={"aws:SourceArn": _FOREIGN_TRAIL, _TRAIL_CONTEXT: TRAIL},
        ),
        *may_not(CLOUDTRAIL, "kms:GenerateDataKey", how="without a context", but=(_TRAIL_CONTEXT,)),
        *may_not(
            CLOUDTRAIL,
            "kms:DescribeKey",
            how="for a trail of another account",
            because={"aws:SourceArn": _FOREIGN_TRAIL},
        ),
        *may_not(CLOUDTRAIL, "kms:Decrypt", "kms:Encrypt", "kms:CreateGrant", context={_TRAIL_CONTEXT: TRAIL}),
        *may_not(
            LOGS,
            "kms:Decrypt",
            how="for another log group",
            because={_GROUP_CONTEXT: _GROUP.replace(_NAMES.log_group, "/other")},
        ),
        *may_not(LOGS, "kms:CreateGrant", context={_GROUP_CONTEXT: _GROUP}),
        *may_not(
            EVENTS,
            "kms:GenerateDataKey",
            how="for a topic of another account",
            because={_TOPIC_CONTEXT: _TOPIC.replace(ACCOUNT, FOREIGN)},
        ),
        *may_not(EVENTS, "kms:Decrypt", how="for no topic", but=(_TOPIC_CONTEXT,)),
        *may_not(EVENTS, "kms:Encrypt", context={_TOPIC_CONTEXT: _TOPIC}),
        *may_not(ADMINISTRATOR, "kms:Decrypt", "kms:CreateGrant"),
        *may_not(ADMINISTRATOR_WITH_ALL, "kms:ScheduleKeyDeletion", by="Deny deletion of the key"),
        *may_not(ROOT, "kms:ScheduleKeyDeletion", by="Deny deletion of the key"),
        *may_not(APPLICATION, "kms:Decrypt", "kms:GenerateDataKey"),
        *may_not(STRANGER, "kms:Decrypt"),
    ),
)

TOPIC = Table(
    title="The topic of the alerts",
    about="SNS supports no condition for EventBridge: at worst somebody else's rule publishes a message.",
    kind=Kind.RESOURCE,
    policy=policies.alert_topic_policy(topic_arn=_TOPIC, account_id=ACCOUNT, source_arns=[_ALARM]),
    resource=_TOPIC,
    rows=(
        *may(EVENTS, "sns:Publish", by="PublishEvents", how="for any rule"),
        *may(ALARMS, "sns:Publish", by="PublishAlarms", how="for the stack's alarm", context={"aws:SourceArn": _ALARM}),
        *may_not(ALARMS, "sns:Publish", how="for another alarm", because={"aws:SourceArn": f"{_ALARM}-other"}),
        *may_not(
            ALARMS,
            "sns:Publish",
            how="for an alarm of another account",
            because={"aws:SourceAccount": FOREIGN, "aws:SourceArn": _ALARM.replace(ACCOUNT, FOREIGN)},
        ),
        *may_not(
            EVENTS, "sns:Publish", by="DenyPlainHttp", how="over plain HTTP", context={"aws:SecureTransport": "false"}
        ),
        *may_not(
            POWERFUL, "sns:Publish", by="DenyPlainHttp", how="over plain HTTP", context={"aws:SecureTransport": "false"}
        ),
        *may_not(LAMBDA, "sns:Publish"),
        *may_not(EVENTS, "sns:Subscribe"),
        *may_not(DEVELOPER, "sns:Publish", "sns:Subscribe"),
        *may_not(STRANGER, "sns:Publish", "sns:Subscribe"),
    ),
)

FALLBACK_TOPIC = Table(
    title="The fallback topic of the alerts",
    about="EventBridge publishes to it what breaks the way of the other alerts. It has no key, and no alarm.",
    kind=Kind.RESOURCE,
    policy=policies.alert_topic_policy(topic_arn=_FALLBACK_TOPIC, account_id=ACCOUNT, source_arns=[]),
    resource=_FALLBACK_TOPIC,
    rows=(
        *may(EVENTS, "sns:Publish", by="PublishEvents", how="for any rule"),
        *may_not(ALARMS, "sns:Publish", how="for the stack's alarm", context={"aws:SourceArn": _ALARM}),
        *may_not(
            EVENTS, "sns:Publish", by="DenyPlainHttp", how="over plain HTTP", context={"aws:SecureTransport": "false"}
        ),
        *may_not(EVENTS, "sns:Subscribe"),
        *may_not(DEVELOPER, "sns:Publish", "sns:Subscribe"),
        *may_not(STRANGER, "sns:Publish", "sns:Subscribe"),
    ),
)

LOG_ROLE_TRUST = Table(
    title="Who can assume the role that writes to CloudWatch Logs",
    about="CloudTrail, for this one trail.",
    kind=Kind.TRUST,
    policy=policies.log_role_trust_policy(account_id=ACCOUNT, trail_arn=TRAIL),
    resource=_LOG_ROLE.identity,
    rows=(
        *may(CLOUDTRAIL, "sts:AssumeRole", by="TrustCloudTrail"),
        *may_not(CLOUDTRAIL, "sts:AssumeRole", how="for another trail", because={"aws:SourceArn": _OTHER_TRAIL}),
        *may_not(
            CLOUDTRAIL,
            "sts:AssumeRole",
            how="for a trail of another account",
            because={"aws:SourceAccount": FOREIGN, "aws:SourceArn": _FOREIGN_TRAIL},
        ),
        *may_not(CONFIG, "sts:AssumeRole"),
        *may_not(EC2, "sts:AssumeRole"),
        *may_not(POWERFUL, "sts:AssumeRole"),
        *may_not(STRANGER, "sts:AssumeRole"),
    ),
)

_STREAM = f"{_GROUP}:log-stream:{ACCOUNT}_CloudTrail_{REGION}"
LOG_ROLE = Table(
    title="What the role that writes to CloudWatch Logs may do",
    about="Write the streams of CloudTrail in one log group.",
    kind=Kind.IDENTITY,
    policy=policies.log_role_policy(log_group_arn=_GROUP, account_id=ACCOUNT, region=REGION),
    resource=_STREAM,
    rows=(
        *may(_LOG_ROLE, "logs:CreateLogStream", "logs:PutLogEvents", by="WriteTheLogs"),
        *may_not(_LOG_ROLE, "logs:GetLogEvents", "logs:DeleteLogStream"),
        *may_not(_LOG_ROLE, "logs:DeleteLogGroup", on=_GROUP),
        *may_not(_LOG_ROLE, "logs:PutLogEvents", how="of another group", on=_STREAM.replace(_NAMES.log_group, "/x")),
        *may_not(_LOG_ROLE, "kms:Decrypt", on=KEY),
    ),
)

FORWARDER_TRUST = Table(
    title="Who can assume the role that sends alerts from another Region",
    about="EventBridge, for the account's own rules.",
    kind=Kind.TRUST,
    policy=trail.forwarding_trust_policy(account_id=ACCOUNT),
    resource=_FORWARDER.identity,
    rows=(
        *may(EVENTS, "sts:AssumeRole", by="TrustEventBridge"),
        *may_not(EVENTS, "sts:AssumeRole", how="on behalf of another account", because={"aws:SourceAccount": FOREIGN}),
        *may_not(LAMBDA, "sts:AssumeRole"),
        *may_not(POWERFUL, "sts:AssumeRole"),
    ),
)

FORWARDER = Table(
    title="What the role that sends alerts from another Region may do",
    about="Put events on the event bus of the key's own Region.",
    kind=Kind.IDENTITY,
    policy=trail.forwarding_policy(event_bus_arn=_BUS),
    resource=_BUS,
    rows=(
        *may(_FORWARDER, "events:PutEvents", by="ForwardEvents"),
        *may_not(_FORWARDER, "events:PutEvents", how="on another bus", on=f"{_BUS}-other"),
        *may_not(_FORWARDER, "events:PutRule", "events:PutTargets"),
        *may_not(_FORWARDER, "kms:Decrypt", on=KEY),
    ),
)

TABLES = (BUCKET, ACCESS_BUCKET, TRAIL_KEY, TOPIC, FALLBACK_TOPIC, LOG_ROLE_TRUST, LOG_ROLE, FORWARDER_TRUST, FORWARDER)
