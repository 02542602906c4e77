"""The guardrails as pure functions: what a resource's inputs say that a later `pulumi up` may not say.

Touches nothing: a resource type and its inputs in, sentences out; the pack around them is `__main__.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Props = Mapping[str, Any]
Check = Callable[[str, Props], list[str]]

KMS_KEY = "aws:kms/key:Key"
KMS_KEYS = (KMS_KEY, "aws:kms/replicaKey:ReplicaKey", "aws:kms/externalKey:ExternalKey")
PUBLIC_ACCESS_BLOCKS = (
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock",
)
LIFECYCLES = (
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2",
)
BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
TRAIL = "aws:cloudtrail/trail:Trail"

ROTATION_DAYS = (90, 2560)
"""Shortest and longest period: https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html"""

DELETION_WINDOW_DAYS = 30
"""The longest that KMS grants, and its default:
https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html"""

RETENTION_DAYS = 2192
"""Six years, two leap days included."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One guardrail: its name in the pack, what it demands, and the check that finds violations."""

    name: str
    demand: str
    check: Check


def key_rotates(resource_type: str, props: Props) -> list[str]:
    """A KMS key rotates every year: automatic rotation is on, its period within what KMS accepts."""
    if resource_type != KMS_KEY:
        return []
    if props.get("enableKeyRotation") is not True:
        return ["Automatic rotation of the key is off: set enableKeyRotation to true."]
    # Left out, the period is AWS's own 365 days.
    period, (shortest, longest) = props.get("rotationPeriodInDays"), ROTATION_DAYS
    if period is not None and not shortest <= period <= longest:
        return [f"The key's rotation period is {period:g} days: it must lie between {shortest} and {longest}."]
    return []


def key_stays_recoverable(resource_type: str, props: Props) -> list[str]:
    """A KMS key that is deleted by mistake can be had back for 30 days."""
    window = props.get("deletionWindowInDays") if resource_type in KMS_KEYS else None
    if window is None or window == DELETION_WINDOW_DAYS:
        return []
    return [f"The key's deletion window is {window:g} days: it must be {DELETION_WINDOW_DAYS}."]


def key_policy_is_checked_for_lockout(resource_type: str, props: Props) -> list[str]:
    """KMS checks every key policy for locking its administrators out; nobody switches that off."""
    with_policy = (*KMS_KEYS, "aws:kms/keyPolicy:KeyPolicy")
    if resource_type not in with_policy or props.get("bypassPolicyLockoutSafetyCheck") in (None, False):
        return []
    return ["The lockout check of the key policy is bypassed: remove bypassPolicyLockoutSafetyCheck."]


def bucket_stays_private(resource_type: str, props: Props) -> list[str]:
    """A bucket's public access block blocks all four ways."""
    if resource_type not in PUBLIC_ACCESS_BLOCKS:
        return []
    ways = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    return [f"Public access is not blocked: {way} must be true." for way in ways if props.get(way) is not True]


def trail_is_kept_six_years(resource_type: str, props: Props) -> list[str]:
    """No lifecycle rule lets an audit record, or its earlier version, expire before six years."""
    return [
        f"Lifecycle rule {name!r} expires {what} {when}: not before {RETENTION_DAYS} days."
        for name, what, when in _early_expiries(resource_type, props)
    ]


def trail_records_everything(resource_type: str, props: Props) -> list[str]:
    """The trail is on, covers every region, and its log files can be validated."""
    if resource_type != TRAIL:
        return []
    found = []
    if props.get("isMultiRegionTrail") is not True:
        found.append("The trail covers one region only: set isMultiRegionTrail to true.")
    if props.get("enableLogFileValidation") is not True:
        found.append("The trail's log files cannot be validated: set enableLogFileValidation to true.")
    # Left out, logging is on.
    if props.get("enableLogging") not in (None, True):
        found.append("The trail is switched off: set enableLogging to true.")
    return found


RULES = (
    Rule(
        name="phi-key-rotation",
        demand="KMS keys rotate automatically, every 90 to 2,560 days.",
        check=key_rotates,
    ),
    Rule(
        name="phi-key-deletion-window",
        demand="A KMS key scheduled for deletion can be had back for 30 days.",
        check=key_stays_recoverable,
    ),
    Rule(
        name="phi-key-policy-lockout-check",
        demand="The lockout safety check of key policies is never bypassed.",
        check=key_policy_is_checked_for_lockout,
    ),
    Rule(
        name="trail-bucket-private",
        demand="Buckets block public access in all four ways.",
        check=bucket_stays_private,
    ),
    Rule(
        name="trail-retention",
        demand="Audit records are kept six years (2,192 days) at least.",
        check=trail_is_kept_six_years,
    ),
    Rule(
        name="trail-complete",
        demand="The audit trail is on, multi-Region, and validates its log files.",
        check=trail_records_everything,
    ),
)


def _early_expiries(resource_type: str, props: Props) -> Iterator[tuple[str, str, str]]:
    """Name of the rule, what it expires, and when, for each expiry before its time."""
    for rule in _lifecycle_rules(resource_type, props):
        name = str(rule.get("id", ""))
        for expiry, days_of, what in (
            ("expiration", "days", "records"),
            ("noncurrentVersionExpiration", "noncurrentDays", "earlier versions"),
            ("noncurrentVersionExpiration", "days", "earlier versions"),
        ):
            settings = rule.get(expiry) or {}
            days = settings.get(days_of)
            # 0 is how the provider spells "not set" beside a date or a delete marker.
            if days and days < RETENTION_DAYS:
                yield name, what, f"after {days:g} days"
        if date := (rule.get("expiration") or {}).get("date"):
            # A date comes nearer every day, so no date can promise an age.
            yield name, "records", f"on {date}"


def _lifecycle_rules(resource_type: str, props: Props) -> list[Props]:
    """The rules in force: of a lifecycle resource, or written into a bucket itself."""
    if resource_type in LIFECYCLES:
        return [rule for rule in props.get("rules") or () if rule.get("status") != "Disabled"]
    if resource_type in BUCKETS:
        return [rule for rule in props.get("lifecycleRules") or () if rule.get("enabled") is not False]
    return []
