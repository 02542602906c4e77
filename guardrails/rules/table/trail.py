"""The rows of the audit trail: the trail, its buckets and what protects them, and its log group.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .. import types
from ..row import ANY, Bound, By, Check, Denied, Document, May, Row, unless_set
from ..settings import LEAST_RETENTION_DAYS, Settings
from .application import inline_policy, role
from .keys import AUDIT_KEY

ARCHIVE = "GLACIER_IR"
"""The only cheaper storage that can be read at once."""

_LEFT_OF_A_TRAIL = (
    *("advancedEventSelectors", "cloudWatchLogsGroupArn", "cloudWatchLogsRoleArn", "enableLogFileValidation"),
    *("enableLogging", "eventSelectors", "includeGlobalServiceEvents", "insightSelectors", "isMultiRegionTrail"),
    *("isOrganizationTrail", "kmsKeyId", "s3BucketName", "s3KeyPrefix", "snsTopicName", "tags"),
)


def rows(settings: Settings) -> Iterator[Row]:
    """Nothing where the settings name a trail that exists."""
    if not settings.makes_trail:
        return
    kept, bucket = settings.kept_as_found, settings.own_bucket
    yield from _trail(settings)
    left = frozenset({"forceDestroy", "tags"} if "bucket" in kept else ())
    yield _bucket(settings, "audit-trail", bucket, kept=left)
    if "bucket" in kept:
        return
    yield from _guards(settings, "audit-trail", bucket, _trail_bucket_policy(settings), archived=True)
    if settings.trail_lock != "none":
        yield _setting(
            settings,
            "audit-trail",
            types.OBJECT_LOCK,
            bucket,
            must={"objectLockEnabled": unless_set("Enabled"), "rule": Check(faults=lambda rule: _lock(settings, rule))},
            rule="trail-object-lock",
        )
    if settings.access_logging:
        access = settings.access_bucket
        yield _bucket(settings, "audit-trail-access", access)
        yield from _guards(settings, "audit-trail-access", access, _access_bucket_policy(settings), archived=False)
        target = {"targetBucket": access, "targetPrefix": "access/"}
        yield _setting(settings, "audit-trail-access", types.BUCKET_LOGGING, bucket, must=target)


def _trail(settings: Settings) -> Iterator[Row]:
    is_left, logs = "trail" in settings.kept_as_found, settings.logs_to_cloudwatch
    log_group, log_role = settings.log_group, settings.name("trail-logs-role")
    group = settings.arn("logs", f"log-group:{log_group}")
    keys = {"kmsKeyId": (AUDIT_KEY,)} if settings.trail_key else {}
    yield Row(
        type=types.TRAIL,
        name="audit-trail",
        must={
            "name": settings.name("audit-trail"),
            "s3BucketName": settings.own_bucket,
            "isMultiRegionTrail": True,
            "enableLogFileValidation": True,
            "enableLogging": unless_set(True),
            "includeGlobalServiceEvents": unless_set(True),
            "cloudWatchLogsGroupArn": By(setting="cloudwatchLogs", value=f"{group}:*" if logs else None),
            "cloudWatchLogsRoleArn": settings.arn("iam", f"role/{log_role}") if logs else None,
            # Both only add records; these of every call on the account stay.
            "insightSelectors": ANY,
            "eventSelectors": Check(faults=_selectors),
            "advancedEventSelectors": Check(faults=_advanced_selectors),
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
            must={"name": log_group, "retentionInDays": Check(faults=_log_retention)},
            keys=keys,
            tags=settings.tags,
            region=settings.region,
        )
        here = {"StringEquals": {"aws:SourceAccount": (settings.account_id,), "aws:SourceArn": (settings.trail_arn,)}}
        without = "CloudTrail cannot write to the log group"
        cloudtrail = (("Service", "cloudtrail.amazonaws.com"),)
        trust = May(who=cloudtrail, actions=("sts:AssumeRole",), when=here, without=without)
        yield role(settings, "audit-trail-logs", log_role, Document(may=(trust,)))
        streams = (f"{group}:log-stream:{settings.account_id}_CloudTrail_{settings.region}*",)
        write = May(actions=("logs:CreateLogStream", "logs:PutLogEvents"), on=streams, without=without)
        yield inline_policy("audit-trail-logs", log_role, log_role, Document(may=(write,)))


def _selectors(selectors: Any) -> Iterator[str]:
    """Every management event of every service is recorded; others may be recorded besides."""
    given = [each or {} for each in selectors or []]
    if any(each.get("excludeManagementEventSources") for each in given):
        yield "leave out the events of a service, wanted none in excludeManagementEventSources: take it out"
    if given and not any(
        each.get("readWriteType") in (None, "All") and each.get("includeManagementEvents") in (None, True)
        for each in given
    ):
        yield "have none with readWriteType All and includeManagementEvents true, wanted one: add it"


def _advanced_selectors(selectors: Any) -> Iterator[str]:
    management = [{"field": "eventCategory", "equals": ["Management"]}]
    if selectors and not any((each or {}).get("fieldSelectors") == management for each in selectors):
        yield f"have none of only {management}, wanted one: add it"


def _log_retention(days: Any) -> Iterator[str]:
    # 0 is for ever.
    if days != 0 and not (days or 0) >= 365:
        yield f"is {_shown(days)}, wanted 365 or more, or 0 (for ever)"


def _shown(value: Any) -> str:
    return "not set" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _bucket(settings: Settings, name: str, bucket: str, kept: frozenset[str] = frozenset()) -> Row:
    return Row(
        type=types.BUCKET,
        name=name,
        must={
            "bucket": bucket,
            "forceDestroy": unless_set(False),
            "bucketNamespace": "account-regional" if settings.is_regional(bucket) else unless_set("global"),
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
    # `mfa` is the device with which MFA delete is switched on, and says nothing afterwards.
    on = {"versioningConfiguration": Check(faults=_versioning), "mfa": ANY}
    yield _setting(settings, name, types.VERSIONING, bucket, must=on, rule="trail-bucket-versioned")
    with_key = settings.trail_key and archived
    encrypted = {"rules": Check(faults=lambda rules: _encryption(rules, with_key=with_key))}
    keys = {"rules": (AUDIT_KEY,)} if with_key else {}
    yield _setting(settings, name, types.ENCRYPTION, bucket, must=encrypted, keys=keys, rule="trail-bucket-encrypted")
    days = settings.trail_archive_days if archived else 0
    expires = {"rules": Check(faults=lambda rules: _lifecycle(settings, rules, archive_days=days))}
    yield _setting(settings, name, types.LIFECYCLE, bucket, must=expires, rule="trail-retention")
    yield _setting(settings, name, types.BUCKET_POLICY, bucket, documents={"policy": policy})


def _versioning(value: Any) -> Iterator[str]:
    given = value or {}
    if given.get("status") != "Enabled" or set(given) - {"status", "mfaDelete"}:
        yield f"is {given}, wanted {{'status': 'Enabled'}}, with or without mfaDelete"


def _trail_bucket_policy(settings: Settings) -> Document:
    """CloudTrail writes the logs of this trail; every request needs TLS 1.2."""
    bucket = settings.arn("s3", settings.own_bucket)
    cloudtrail, source = (("Service", "cloudtrail.amazonaws.com"),), {"aws:SourceArn": (settings.trail_arn,)}
    owned = {"StringEquals": {**source, "s3:x-amz-acl": ("bucket-owner-full-control",)}}
    logs = f"{bucket}/AWSLogs/{settings.account_id}/*"
    may = tuple(
        May(who=cloudtrail, actions=(action,), on=(on,), when=when, without="CloudTrail cannot write its records")
        for action, on, when in (
            ("s3:GetBucketAcl", bucket, {"StringEquals": source}),
            ("s3:PutObject", logs, owned),
        )
    )
    return Document(may=may, denied=_secure_transport(bucket))


def _access_bucket_policy(settings: Settings) -> Document:
    """S3 writes the access logs of the trail's bucket; every request needs TLS 1.2."""
    bucket = settings.arn("s3", settings.access_bucket)
    write = May(
        who=(("Service", "logging.s3.amazonaws.com"),),
        actions=("s3:PutObject",),
        on=(f"{bucket}/*",),
        without="S3 cannot write the access logs",
        when={
            "StringEquals": {"aws:SourceAccount": (settings.account_id,)},
            "ArnLike": {"aws:SourceArn": (settings.arn("s3", settings.own_bucket),)},
        },
    )
    return Document(may=(write,), denied=_secure_transport(bucket))


def _secure_transport(bucket: str) -> tuple[Denied, ...]:
    # Exactly: without the bound nobody could write, and CloudTrail may not speak TLS 1.3.
    return tuple(
        Denied(actions=("s3:*",), on=(bucket, f"{bucket}/*"), bound=bound, what=what, rule="trail-bucket-tls")
        for bound, what in (
            (Bound(operator="Bool", key="aws:SecureTransport", value="false"), "plain HTTP"),
            (Bound(operator="NumericLessThan", key="s3:TlsVersion", value="1.2"), "TLS older than 1.2"),
        )
    )


_OF_ENCRYPTION = {"applyServerSideEncryptionByDefault", "bucketKeyEnabled", "blockedEncryptionTypes"}


def _encryption(rules: Any, *, with_key: bool) -> Iterator[str]:
    algorithm = "aws:kms" if with_key else "AES256"
    for rule in [each or {} for each in rules or [{}]]:
        default = rule.get("applyServerSideEncryptionByDefault") or {}
        if default.get("sseAlgorithm") != algorithm:
            yield f"encrypt new objects by default with {default.get('sseAlgorithm') or 'nothing'}, wanted {algorithm}"
        # Which key it is, the stack rule says.
        if bool(default.get("kmsMasterKeyId")) is not with_key:
            wanted = "that of the audit logs" if with_key else "none: the settings ask for no key"
            yield f"have the kmsMasterKeyId {default.get('kmsMasterKeyId') or 'not set'}, wanted {wanted}"
        if more := sorted((set(default) - {"sseAlgorithm", "kmsMasterKeyId"}) | (set(rule) - _OF_ENCRYPTION)):
            yield f"have {', '.join(map(repr, more))}, wanted none"
        if rule.get("bucketKeyEnabled"):
            yield "have bucketKeyEnabled true, wanted false: CloudTrail would have to decrypt"
        if rule.get("blockedEncryptionTypes", []) not in ([], ["SSE-C"]):
            yield f"have blockedEncryptionTypes {rule['blockedEncryptionTypes']}, wanted ['SSE-C']"


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
            yield f"have {', '.join(more)}, wanted none {name}"
        for setting, days_name in (("expiration", "days"), ("noncurrentVersionExpiration", "noncurrentDays")):
            yield from _expiry(settings, rule.get(setting) or {}, days_name, f"{setting} {name}")
        moves = [*(rule.get("transitions") or ()), *(rule.get("noncurrentVersionTransitions") or ())]
        for move in moves:
            days = move.get("days") or move.get("noncurrentDays") or 0
            if move.get("storageClass") != ARCHIVE or not 0 < archive_days <= days or move.get("date"):
                least = f"{ARCHIVE} after {archive_days} days or more" if archive_days else "no move"
                yield f"move records to {move.get('storageClass')} after {days:g} days, wanted {least} {name}"


def _expiry(settings: Settings, value: Mapping[str, Any], days_name: str, where: str) -> Iterator[str]:
    # The provider sends 0 for "not set" with a delete marker. A date comes nearer every day, so no date guarantees a
    # retention.
    days = value.get(days_name) or 0
    least = max(LEAST_RETENTION_DAYS, settings.trail_retention_days)
    if (
        (0 < days < least)
        or set(value) - {days_name, "expiredObjectDeleteMarker"}
        and any(value[each] for each in set(value) - {days_name, "expiredObjectDeleteMarker"})
    ):
        yield f"expire records early, by {dict(value)} in {where}, wanted {least} days or more, and no date"


def _lock(settings: Settings, rule: Any) -> Iterable[str]:
    retention = (rule or {}).get("defaultRetention") or {}
    modes = {"governance": ("GOVERNANCE", "COMPLIANCE"), "compliance": ("COMPLIANCE",)}[settings.trail_lock]
    if retention.get("mode") not in modes:
        yield f"locks records in the mode {retention.get('mode')}, wanted {' or '.join(modes)}"
    # S3 does not say how it counts a year; without leap days six of them are two days short.
    days = (retention.get("days") or 0) or (retention.get("years") or 0) * 365
    if days < settings.trail_retention_days:
        yield f"locks a record for {days:g} days, wanted {settings.trail_retention_days} or more"
