"""The rows of the audit trail: the trail, its buckets and what protects them, and its log group.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components.settings import ImportGroup, ObjectLock, Settings
from components.settings.names import in_account_namespace

from .. import types
from ..row import By, Check, Denied, Document, May, Row, unless_set
from .application import inline_policy, role
from .keys import AUDIT_KEY
from .places import trail_arn

RETENTION_DAYS = 2192
"""Six years, with two leap days."""

ARCHIVE = "GLACIER_IR"
"""The only cheaper storage that can be read at once."""

_LEFT_OF_A_TRAIL = (
    *("advancedEventSelectors", "cloudWatchLogsGroupArn", "cloudWatchLogsRoleArn", "enableLogFileValidation"),
    *("enableLogging", "eventSelectors", "includeGlobalServiceEvents", "insightSelectors", "isMultiRegionTrail"),
    *("isOrganizationTrail", "kmsKeyId", "s3BucketName", "s3KeyPrefix", "snsTopicName", "tags"),
)


def rows(settings: Settings) -> Iterator[Row]:
    """Nothing where the settings name a trail that exists."""
    if settings.existing_trail_arn is not None:
        return
    names, kept = settings.names, settings.kept_as_found
    yield from _trail(settings)
    left = frozenset({"forceDestroy", "tags"} if ImportGroup.BUCKET in kept else ())
    yield _bucket(settings, "audit-trail", names.trail_bucket, kept=left)
    if ImportGroup.BUCKET in kept:
        return
    yield from _guards(settings, "audit-trail", names.trail_bucket, _trail_bucket_policy(settings), archived=True)
    if settings.trail_lock is not ObjectLock.NONE:
        yield _setting(
            settings,
            "audit-trail",
            types.OBJECT_LOCK,
            names.trail_bucket,
            must={"objectLockEnabled": unless_set("Enabled"), "rule": Check(faults=lambda rule: _lock(settings, rule))},
            rule="trail-object-lock",
        )
    if settings.access_logging:
        access = names.access_log_bucket
        yield _bucket(settings, "audit-trail-access", access)
        yield from _guards(settings, "audit-trail-access", access, _access_bucket_policy(settings), archived=False)
        target = {"targetBucket": access, "targetPrefix": "access/"}
        yield _setting(settings, "audit-trail-access", types.BUCKET_LOGGING, names.trail_bucket, must=target)


def _trail(settings: Settings) -> Iterator[Row]:
    names = settings.names
    is_left = ImportGroup.TRAIL in settings.kept_as_found
    logs = settings.cloudwatch_logs and not is_left
    group = settings.arn("logs", f"log-group:{names.log_group}")
    keys = {"kmsKeyId": (AUDIT_KEY,)} if settings.trail_key else {}
    yield Row(
        type=types.TRAIL,
        name="audit-trail",
        must={
            "name": names.trail,
            "s3BucketName": names.trail_bucket,
            "isMultiRegionTrail": True,
            "enableLogFileValidation": True,
            "enableLogging": unless_set(True),
            "includeGlobalServiceEvents": unless_set(True),
            "cloudWatchLogsGroupArn": By(setting="cloudwatchLogs", value=f"{group}:*" if logs else None),
            "cloudWatchLogsRoleArn": settings.arn("iam", f"role/{names.log_role}") if logs else None,
        },
        keys=keys,
        tags=settings.tags,
        region=settings.region,
        protected=True,
        kept=frozenset(_LEFT_OF_A_TRAIL if is_left else ()),
        rule="trail-complete",
    )
    if logs:
        yield Row(
            type=types.LOG_GROUP,
            name="audit-trail-logs",
            must={"name": names.log_group, "retentionInDays": 365},
            keys=keys,
            tags=settings.tags,
            region=settings.region,
        )
        here = {"StringEquals": {"aws:SourceAccount": (settings.account_id,), "aws:SourceArn": (trail_arn(settings),)}}
        trust = May(who=(("Service", "cloudtrail.amazonaws.com"),), actions=("sts:AssumeRole",), when=here)
        yield role(settings, "audit-trail-logs", names.log_role, Document(may=(trust,)))
        streams = (f"{group}:log-stream:{settings.account_id}_CloudTrail_{settings.region}*",)
        write = May(actions=("logs:CreateLogStream", "logs:PutLogEvents"), on=streams)
        yield inline_policy("audit-trail-logs", names.log_role, names.log_role, Document(may=(write,)))


def _bucket(settings: Settings, name: str, bucket: str, kept: frozenset[str] = frozenset()) -> Row:
    own = in_account_namespace(bucket, account_id=settings.account_id, region=settings.region)
    return Row(
        type=types.BUCKET,
        name=name,
        must={
            "bucket": bucket,
            "forceDestroy": unless_set(False),
            "bucketNamespace": "account-regional" if own else unless_set("global"),
        },
        tags=settings.tags,
        region=settings.region,
        protected=True,
        kept=kept,
        rules={"forceDestroy": "resource-protection"},
    )


def _setting(settings: Settings, name: str, type_: str, bucket: str, **more: Any) -> Row:
    must = {"bucket": bucket, **more.pop("must", {})}
    return Row(type=type_, name=name, must=must, region=settings.region, protected=True, **more)


def _guards(settings: Settings, name: str, bucket: str, policy: Document, *, archived: bool) -> Iterator[Row]:
    blocks = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)
    private = "trail-bucket-private"
    yield _setting(settings, name, types.PUBLIC_ACCESS_BLOCK, bucket, must=blocks, rule=private)
    owner = {"rule": {"objectOwnership": "BucketOwnerEnforced"}}
    yield _setting(settings, name, types.OWNERSHIP, bucket, must=owner, rule=private)
    on = {"versioningConfiguration": {"status": "Enabled"}}
    yield _setting(settings, name, types.VERSIONING, bucket, must=on, rule="trail-bucket-versioned")
    with_key = settings.trail_key and archived
    encrypted = {"rules": Check(faults=lambda rules: _encryption(rules, with_key=with_key))}
    keys = {"rules": (AUDIT_KEY,)} if with_key else {}
    yield _setting(settings, name, types.ENCRYPTION, bucket, must=encrypted, keys=keys, rule="trail-bucket-encrypted")
    days = settings.trail_archive_days if archived else 0
    expires = {"rules": Check(faults=lambda rules: _lifecycle(settings, rules, archive_days=days))}
    yield _setting(settings, name, types.LIFECYCLE, bucket, must=expires, rule="trail-retention")
    yield _setting(settings, name, types.BUCKET_POLICY, bucket, documents={"policy": policy})


def _trail_bucket_policy(settings: Settings) -> Document:
    """CloudTrail writes the logs of this trail; every request needs TLS 1.2."""
    bucket = settings.arn("s3", settings.names.trail_bucket)
    cloudtrail, source = (("Service", "cloudtrail.amazonaws.com"),), {"aws:SourceArn": (trail_arn(settings),)}
    owned = {"StringEquals": {**source, "s3:x-amz-acl": ("bucket-owner-full-control",)}}
    logs = f"{bucket}/AWSLogs/{settings.account_id}/*"
    may = (
        May(who=cloudtrail, actions=("s3:GetBucketAcl",), on=(bucket,), when={"StringEquals": source}),
        May(who=cloudtrail, actions=("s3:PutObject",), on=(logs,), when=owned),
    )
    return Document(may=may, denied=_secure_transport(bucket))


def _access_bucket_policy(settings: Settings) -> Document:
    """S3 writes the access logs of the trail's bucket; every request needs TLS 1.2."""
    bucket = settings.arn("s3", settings.names.access_log_bucket)
    write = May(
        who=(("Service", "logging.s3.amazonaws.com"),),
        actions=("s3:PutObject",),
        on=(f"{bucket}/*",),
        when={
            "StringEquals": {"aws:SourceAccount": (settings.account_id,)},
            "ArnLike": {"aws:SourceArn": (settings.arn("s3", settings.names.trail_bucket),)},
        },
    )
    return Document(may=(write,), denied=_secure_transport(bucket))


def _secure_transport(bucket: str) -> tuple[Denied, ...]:
    return tuple(
        Denied(actions=("s3:*",), on=(bucket, f"{bucket}/*"), requests=(known,), what=what, rule="trail-bucket-tls")
        for known, what in (
            ({"aws:securetransport": ("false",)}, "plain HTTP"),
            ({"s3:tlsversion": ("1.1",)}, "TLS older than 1.2"),
        )
    )


def _encryption(rules: Any, *, with_key: bool) -> Iterator[str]:
    algorithm = "aws:kms" if with_key else "AES256"
    for rule in [each or {} for each in rules or [{}]]:
        default = rule.get("applyServerSideEncryptionByDefault") or {}
        if default.get("sseAlgorithm") != algorithm:
            yield f"encrypt new objects by default with {default.get('sseAlgorithm') or 'nothing'}, not {algorithm}"
        if not with_key and default.get("kmsMasterKeyId"):
            yield "name a key that the settings do not ask for"
        if rule.get("blockedEncryptionTypes") not in (None, [], ["SSE-C"]):
            yield "take objects under keys that only the writer has: block SSE-C"


def _lifecycle(settings: Settings, rules: Any, *, archive_days: int) -> Iterator[str]:
    known = {
        *("id", "status", "filter", "prefix", "expiration", "noncurrentVersionExpiration", "transitions"),
        *("noncurrentVersionTransitions", "abortIncompleteMultipartUpload"),
    }
    for rule in filter(None, rules or ()):
        if rule.get("status") == "Disabled":
            continue
        name = f"(rule {str(rule.get('id', ''))!r})"
        if more := sorted(each for each in set(rule) - known if rule[each]):
            yield f"have {', '.join(more)}, which the table does not have {name}"
        for setting, days_name in (("expiration", "days"), ("noncurrentVersionExpiration", "noncurrentDays")):
            yield from _expiry(settings, rule.get(setting) or {}, days_name, f"{setting} {name}")
        moves = [*(rule.get("transitions") or ()), *(rule.get("noncurrentVersionTransitions") or ())]
        for move in moves:
            days = move.get("days") or move.get("noncurrentDays") or 0
            if move.get("storageClass") != ARCHIVE or not 0 < archive_days <= days or move.get("date"):
                yield f"move records to {move.get('storageClass')} after {days:g} days {name}"


def _expiry(settings: Settings, value: Mapping[str, Any], days_name: str, where: str) -> Iterator[str]:
    # The provider sends 0 for "not set" with a delete marker. A date comes nearer every day, so no date guarantees a
    # retention.
    days = value.get(days_name) or 0
    least = max(RETENTION_DAYS, settings.trail_retention_days)
    if (
        (0 < days < least)
        or set(value) - {days_name, "expiredObjectDeleteMarker"}
        and any(value[each] for each in set(value) - {days_name, "expiredObjectDeleteMarker"})
    ):
        yield f"expire records early, by {dict(value)} in {where}: the settings keep them {least} days"


def _lock(settings: Settings, rule: Any) -> Iterable[str]:
    retention = (rule or {}).get("defaultRetention") or {}
    modes = {ObjectLock.GOVERNANCE: ("GOVERNANCE", "COMPLIANCE"), ObjectLock.COMPLIANCE: ("COMPLIANCE",)}
    if retention.get("mode") not in modes.get(settings.trail_lock, ()):
        yield f"lock records in the mode {retention.get('mode')}: the settings ask for {settings.trail_lock}"
    # S3 does not say how it counts a year; without leap days six of them are two days short.
    days = (retention.get("days") or 0) or (retention.get("years") or 0) * 365
    if days < settings.trail_retention_days:
        yield f"lock a record for {days:g} days: the settings keep it {settings.trail_retention_days} days"
