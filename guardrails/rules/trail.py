"""The guardrails of the audit trail: it records all events, and its records are retained and locked for six years.

Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .resource_types import BUCKETS, LIFECYCLES, OBJECT_LOCKS, TRAIL
from .rule import Props, Resource, Rule, check_all, check_values, has

RETENTION_DAYS = 2192
"""Six years, with two leap days."""

# S3 does not say how it counts a year; without leap days six of them are two days short.
_DAYS_PER_YEAR = 365

KMS = "kms.amazonaws.com"


def complete_trail(trail: Resource) -> Iterator[str]:
    """The trail is on, covers every Region and every use of a key, and its log files can be validated."""
    checks = (
        *_SWITCHES.items(),
        ("eventSelectors", _event_selectors),
        ("advancedEventSelectors", _advanced_event_selectors),
    )
    # ignoreChanges: an imported trail keeps these settings, so this stack does not weaken them.
    managed = [check for setting, check in checks if setting not in trail.ignored]
    return check_all(lambda check: check(trail.props), managed)


_SWITCHES = {
    name: has(name, accepted, f"The trail{fault}: set {name} to true.")
    for name, accepted, fault in (
        ("isMultiRegionTrail", (True,), " covers one Region only"),
        ("enableLogFileValidation", (True,), "'s log files cannot be validated"),
        ("enableLogging", (None, True), " is switched off"),
        ("includeGlobalServiceEvents", (None, True), " does not record IAM and STS"),
    )
}


def _event_selectors(trail: Props) -> Iterator[str]:
    # https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_EventSelector.html
    selectors = trail.get("eventSelectors")
    if not selectors:
        return
    yield from check_values(_includes_kms, selectors)
    management = [item for item in _iterate(selectors) if item.get("includeManagementEvents") in (None, True)]
    if not management:
        yield "The trail records no management events: set includeManagementEvents to true."
    elif not any(selector.get("readWriteType") in (None, "All") for selector in management):
        yield "The trail records reads or writes only: set readWriteType to All."


def _includes_kms(selector: Props) -> Iterator[str]:
    if KMS in (selector.get("excludeManagementEventSources") or ()):
        yield f"The trail does not record the use of keys: remove {KMS} from excludeManagementEventSources."


def _advanced_event_selectors(trail: Props) -> Iterator[str]:
    # https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedEventSelector.html
    selectors = trail.get("advancedEventSelectors")
    if selectors and not any(_selects_every_kms_event(selector) for selector in _iterate(selectors)):
        yield (
            "No advanced event selector selects every management event of KMS: "
            f"one must select eventCategory Management, without readOnly and without excluding {KMS}."
        )


def _selects_every_kms_event(selector: Props) -> bool:
    fields = {str(field.get("field")): field for field in _iterate(selector.get("fieldSelectors") or ())}
    category, source = fields.pop("eventCategory", None), fields.pop("eventSource", {})
    if category is None or list(category.get("equals") or ()) != ["Management"] or fields:
        return False
    # A management selector may only have notEquals for eventSource; any other operator selects less.
    operators = {name for name, values in source.items() if values and name != "field"}
    return operators <= {"notEquals"} and KMS not in (source.get("notEquals") or ())


def trail_retention(resource: Resource) -> Iterator[str]:
    """No lifecycle rule expires an audit record, or a noncurrent version, before six years."""
    is_bucket = resource.type in BUCKETS
    status, disabled = ("enabled", False) if is_bucket else ("status", "Disabled")
    return check_values(
        lambda rule: () if rule.get(status) == disabled else _expirations(rule),
        resource.props.get("lifecycleRules" if is_bucket else "rules"),
    )


def _expirations(rule: Props) -> Iterator[str]:
    return check_all(
        lambda setting: _early_expiration(rule, *setting),
        (
            ("expiration", "days", "records"),
            ("expiration", "date", "records"),
            ("noncurrentVersionExpiration", "noncurrentDays", "noncurrent versions"),
            ("noncurrentVersionExpiration", "days", "noncurrent versions"),
        ),
    )


def _early_expiration(rule: Props, expiration: str, setting: str, objects: str) -> Iterator[str]:
    value = (rule.get(expiration) or {}).get(setting)
    # The provider sends 0 for "not set" with a date or a delete marker. A date comes nearer every day, so no date
    # guarantees a retention.
    if value and (setting == "date" or value < RETENTION_DAYS):
        when = f"on {value}" if setting == "date" else f"after {value:g} days"
        name = str(rule.get("id", ""))
        yield f"Lifecycle rule {name!r} expires {objects} {when}: the minimum is {RETENTION_DAYS} days."


def trail_object_lock(resource: Resource) -> Iterator[str]:
    """An Object Lock has a default retention of six years, in a retention mode."""
    lock = resource.props
    if resource.type in BUCKETS:
        lock = lock.get("objectLockConfiguration") or {}
        if not lock:
            return
    yield from check_all(lambda check: check(lock), (_lock_enabled, _lock_mode, _lock_retention))


_lock_enabled = has(
    "objectLockEnabled", (None, "", "Enabled"), "The Object Lock is not enabled: set objectLockEnabled to Enabled."
)


def _lock_mode(lock: Props) -> Iterator[str]:
    if _default_retention(lock).get("mode") not in ("GOVERNANCE", "COMPLIANCE"):
        yield "The Object Lock has no default retention: set its mode to GOVERNANCE or COMPLIANCE."


def _lock_retention(lock: Props) -> Iterator[str]:
    retention = _default_retention(lock)
    days = (retention.get("days") or 0) or (retention.get("years") or 0) * _DAYS_PER_YEAR
    if days < RETENTION_DAYS:
        yield f"The Object Lock retains a record for {days:g} days: the minimum is {RETENTION_DAYS}."


def _default_retention(lock: Props) -> Props:
    rule: Props = lock.get("rule") or {}
    retention: Props = rule.get("defaultRetention") or {}
    return retention


def _iterate(values: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    return (values[index] for index in range(len(values)))


RULES = (
    Rule(
        name="trail-retention",
        description="Audit records are retained for at least six years (2,192 days).",
        types=frozenset({*LIFECYCLES, *BUCKETS}),
        check=trail_retention,
    ),
    Rule(
        name="trail-object-lock",
        description="Where audit records are locked, they are locked for at least six years (2,192 days).",
        types=frozenset({*OBJECT_LOCKS, *BUCKETS}),
        check=trail_object_lock,
    ),
    Rule(
        name="trail-complete",
        description="The audit trail is on, multi-Region, records every use of a key, and validates its log files.",
        types=frozenset({TRAIL}),
        check=complete_trail,
    ),
)
