"""The guardrails of the audit trail: it records everything, and its records are kept and locked for six years.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .rule import Props, Resource, Rule, each, each_of
from .types import BUCKETS, LIFECYCLES, OBJECT_LOCKS, TRAIL

RETENTION_DAYS = 2192
"""Six years, two leap days included."""

# Without a leap day, as it may be counted: six such years are two days short.
_DAYS_OF_A_YEAR = 365

KMS = "kms.amazonaws.com"


def trail_records_everything(trail: Resource) -> Iterator[str]:
    """The trail is on, covers every Region and every use of a key, and its log files can be validated."""
    # A trail that was adopted and is left as it was found is what it was: nobody weakens it.
    parts = (
        ("isMultiRegionTrail", _is_whole),
        ("enableLogFileValidation", _is_validated),
        ("enableLogging", _is_on),
        ("includeGlobalServiceEvents", _has_global_events),
        ("eventSelectors", _selects),
        ("advancedEventSelectors", _selects_in_detail),
    )
    return each(lambda part: part[1](trail.props), [part for part in parts if part[0] not in trail.ignored])


def _is_whole(trail: Props) -> Iterator[str]:
    if trail.get("isMultiRegionTrail") is not True:
        yield "The trail covers one region only: set isMultiRegionTrail to true."


def _is_validated(trail: Props) -> Iterator[str]:
    if trail.get("enableLogFileValidation") is not True:
        yield "The trail's log files cannot be validated: set enableLogFileValidation to true."


def _is_on(trail: Props) -> Iterator[str]:
    # Left out, logging is on.
    if trail.get("enableLogging") not in (None, True):
        yield "The trail is switched off: set enableLogging to true."


def _has_global_events(trail: Props) -> Iterator[str]:
    # Left out, they are in.
    if trail.get("includeGlobalServiceEvents") not in (None, True):
        yield "The trail leaves out IAM and STS: set includeGlobalServiceEvents to true."


def _selects(trail: Props) -> Iterator[str]:
    # https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_EventSelector.html
    selectors = trail.get("eventSelectors")
    if not selectors:
        return
    yield from each_of(_excludes_no_kms, selectors)
    if not any(one.get("includeManagementEvents") in (None, True) for one in _iterated(selectors)):
        yield "The trail records no management events: set includeManagementEvents to true."
    elif not any(
        one.get("includeManagementEvents") in (None, True) and one.get("readWriteType") in (None, "All")
        for one in _iterated(selectors)
    ):
        yield "The trail records reads or writes only: set readWriteType to All."


def _excludes_no_kms(selector: Props) -> Iterator[str]:
    if KMS in (selector.get("excludeManagementEventSources") or ()):
        yield f"The trail leaves out the use of keys: take {KMS} out of excludeManagementEventSources."


def _selects_in_detail(trail: Props) -> Iterator[str]:
    # https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedEventSelector.html
    selectors = trail.get("advancedEventSelectors")
    if selectors and not any(_takes_every_kms_event(one) for one in _iterated(selectors)):
        yield (
            "No advanced event selector takes every management event of KMS: "
            f"one must select eventCategory Management, without readOnly and without excluding {KMS}."
        )


def _takes_every_kms_event(selector: Props) -> bool:
    fields = {str(one.get("field")): one for one in _iterated(selector.get("fieldSelectors") or ())}
    category, source = fields.pop("eventCategory", None), fields.pop("eventSource", {})
    if category is None or list(category.get("equals") or ()) != ["Management"] or fields:
        return False
    # Of eventSource a management selector can say notEquals only; whatever else there is narrows it.
    said = {name for name, values in source.items() if values and name != "field"}
    return said <= {"notEquals"} and KMS not in (source.get("notEquals") or ())


def trail_is_kept_six_years(resource: Resource) -> Iterator[str]:
    """No lifecycle rule lets an audit record, or its earlier version, expire before six years."""
    if resource.type in BUCKETS:
        yield from each_of(_keeps_in_a_bucket, resource.props.get("lifecycleRules"))
    else:
        yield from each_of(_keeps_in_a_lifecycle, resource.props.get("rules"))


def _keeps_in_a_bucket(rule: Props) -> Iterator[str]:
    return iter(()) if rule.get("enabled") is False else _keeps(rule)


def _keeps_in_a_lifecycle(rule: Props) -> Iterator[str]:
    return iter(()) if rule.get("status") == "Disabled" else _keeps(rule)


def _keeps(rule: Props) -> Iterator[str]:
    return each(
        lambda way: _early(rule, *way),
        (
            ("expiration", "days", "records"),
            ("expiration", "date", "records"),
            ("noncurrentVersionExpiration", "noncurrentDays", "earlier versions"),
            ("noncurrentVersionExpiration", "days", "earlier versions"),
        ),
    )


def _early(rule: Props, expiry: str, setting: str, what: str) -> Iterator[str]:
    value = (rule.get(expiry) or {}).get(setting)
    # 0 is how the provider spells "not set" beside a date or a delete marker. A date comes nearer every day, so
    # no date can promise an age.
    if value and (setting == "date" or value < RETENTION_DAYS):
        when = f"on {value}" if setting == "date" else f"after {value:g} days"
        name = str(rule.get("id", ""))
        yield f"Lifecycle rule {name!r} expires {what} {when}: not before {RETENTION_DAYS} days."


def records_stay_locked(resource: Resource) -> Iterator[str]:
    """An Object Lock has a default retention, of a mode, for six years."""
    given = resource.props
    if resource.type in BUCKETS:
        given = given.get("objectLockConfiguration") or {}
        if not given:
            return
    yield from each(lambda judge: judge(given), (_lock_is_on, _lock_has_a_mode, _lock_is_long))


def _lock_is_on(lock: Props) -> Iterator[str]:
    # Left out, it is Enabled.
    if lock.get("objectLockEnabled") not in (None, "", "Enabled"):
        yield "The Object Lock is not enabled: set objectLockEnabled to Enabled."


def _lock_has_a_mode(lock: Props) -> Iterator[str]:
    if _retention(lock).get("mode") not in ("GOVERNANCE", "COMPLIANCE"):
        yield "The Object Lock has no default retention: set its mode to GOVERNANCE or COMPLIANCE."


def _lock_is_long(lock: Props) -> Iterator[str]:
    retention = _retention(lock)
    days = (retention.get("days") or 0) or (retention.get("years") or 0) * _DAYS_OF_A_YEAR
    if days < RETENTION_DAYS:
        yield f"The Object Lock keeps a record {days:g} days: {RETENTION_DAYS} at least."


def _retention(lock: Props) -> Props:
    rule: Props = lock.get("rule") or {}
    found: Props = rule.get("defaultRetention") or {}
    return found


def _iterated(values: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    return (values[index] for index in range(len(values)))


RULES = (
    Rule(
        name="trail-retention",
        demand="Audit records are kept six years (2,192 days) at least.",
        types=frozenset({*LIFECYCLES, *BUCKETS}),
        check=trail_is_kept_six_years,
    ),
    Rule(
        name="trail-object-lock",
        demand="Where audit records are locked, they are locked for six years (2,192 days) at least.",
        types=frozenset({*OBJECT_LOCKS, *BUCKETS}),
        check=records_stay_locked,
    ),
    Rule(
        name="trail-complete",
        demand="The audit trail is on, multi-Region, records every use of a key, and validates its log files.",
        types=frozenset({TRAIL}),
        check=trail_records_everything,
    ),
)
