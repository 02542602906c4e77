"""What prowler's checks would say of the same things, by what was read for this report.

Pure. The ids are prowler's own (https://hub.prowler.com); prowler looks at the whole account, this at one stack.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.settings import Settings
from wizard.commands.report.facts import Check, Result
from wizard.core.errors import SetupError
from wizard.core.models.access import AccessReview
from wizard.core.models.account import KeyFact, Retention, TrailFact
from wizard.setup.checklist import Readings

OLDEST_ACCESS_KEY_DAYS = 90
"""iam_rotate_access_key_90_days."""
LONGEST_UNUSED_DAYS = 45
"""iam_user_accesskey_unused, as prowler is configured unless somebody changes it (`max_unused_access_keys_days`)."""


def checks(number: int, readings: Readings, settings: Settings, review: AccessReview | None) -> tuple[Check, ...]:
    """Of the guide's item of that number; none where prowler has none."""
    match number:
        case 1:
            return tuple(_of_the_key(readings.key, settings))
        case 2:
            return (_public(readings.key_policy),)
        case 3:
            return tuple(_of_the_policy(readings.app_policy))
        case 4:
            return (_rotation(readings.key),)
        case 5:
            return (*_of_the_trail(readings, settings), *_of_the_bucket(readings.retention))
        case 8:
            return tuple(_of_access_keys(review))
        case _:
            return ()


def _check(id_: str, good: bool | None, evidence: str) -> Check:
    result = Result.UNKNOWN if good is None else Result.PASS if good else Result.FAIL
    return Check(id=id_, result=result, evidence=evidence)


def _why(found: object) -> str:
    return f"could not be read: {found.message}" if isinstance(found, SetupError) else "there is none"


def _of_the_key(key: KeyFact | SetupError | None, settings: Settings) -> Iterator[Check]:
    if not isinstance(key, KeyFact):
        for id_ in ("kms_cmk_are_used", "kms_cmk_not_deleted_unintentionally", "kms_cmk_not_multi_region"):
            yield _check(id_, None, _why(key))
        return
    yield _check("kms_cmk_are_used", key.state == "Enabled", f"the key is {key.state}")
    is_kept = key.state != "PendingDeletion"
    told = "no deletion is scheduled" if is_kept else "its deletion is scheduled"
    yield _check("kms_cmk_not_deleted_unintentionally", is_kept, told)
    if "/mrk-" not in key.arn:
        yield _check("kms_cmk_not_multi_region", True, "a key of one Region")
    elif settings.multi_region:
        evidence = "a multi-Region key, as the settings ask, for recovery from the loss of a Region"
        yield Check(id="kms_cmk_not_multi_region", result=Result.CHOICE, evidence=evidence)
    else:
        yield _check("kms_cmk_not_multi_region", False, "a multi-Region key, which the settings do not ask for")


def _public(policy: Mapping[str, Any] | SetupError | None) -> Check:
    id_ = "kms_key_not_publicly_accessible"
    if policy is None or isinstance(policy, SetupError):
        return _check(id_, None, _why(policy))
    open_to_all = [
        str(each.get("Sid") or "without a Sid")
        for each in _statements(policy)
        if each.get("Effect") == "Allow" and _is_anybody(each.get("Principal")) and not each.get("Condition")
    ]
    told = f"open to anybody: {', '.join(open_to_all)}" if open_to_all else "no statement allows anybody at all"
    return _check(id_, not open_to_all, told)


def _is_anybody(principal: Any) -> bool:
    if isinstance(principal, Mapping):
        return any("*" in _listed(names) for names in principal.values())
    return bool(principal == "*")


def _of_the_policy(policy: Mapping[str, Any] | SetupError | None) -> Iterator[Check]:
    ids = ("iam_policy_no_full_access_to_kms", "iam_customer_attached_policy_no_administrative_privileges")
    if policy is None or isinstance(policy, SetupError):
        for id_ in ids:
            yield _check(id_, None, _why(policy))
        return
    actions = {
        action
        for each in _statements(policy)
        if each.get("Effect") == "Allow"
        for action in _listed(each.get("Action"))
    }
    for id_, whole in zip(ids, ({"kms:*", "*"}, {"*", "*:*"}), strict=True):
        found = sorted(actions & whole)
        yield _check(id_, not found, f"the application's policy allows {', '.join(found or sorted(actions))}")


def _rotation(key: KeyFact | SetupError | None) -> Check:
    id_ = "kms_cmk_rotation_enabled"
    if not isinstance(key, KeyFact):
        return _check(id_, None, _why(key))
    days = f", every {key.rotation_period_days} days" if key.rotation_period_days else ""
    told = {True: f"on{days}", False: "off", None: "could not be read"}[key.rotation_enabled]
    return _check(id_, key.rotation_enabled, told)


def _of_the_trail(readings: Readings, settings: Settings) -> Iterator[Check]:
    trail = readings.trail
    ids = (
        "cloudtrail_multi_region_enabled",
        "cloudtrail_multi_region_enabled_logging_management_events",
        "cloudtrail_log_file_validation_enabled",
        "cloudtrail_kms_encryption_enabled",
    )
    if not isinstance(trail, TrailFact):
        for id_ in ids:
            yield _check(id_, False if trail is None else None, _why(trail))
        return
    yield from _of_a_trail(trail, ids)
    id_ = "cloudtrail_cloudwatch_logging_enabled"
    if settings.existing_trail_arn:
        yield _check(id_, None, "not looked at: the trail was there before")
    elif settings.cloudwatch_logs:
        yield _check(id_, True, f"to {settings.names.log_group}, by the settings")
    else:
        evidence = "off by the settings: the events are in the bucket, and the alerts come from EventBridge"
        yield Check(id=id_, result=Result.CHOICE, evidence=evidence)


def _of_a_trail(trail: TrailFact, ids: tuple[str, ...]) -> Iterator[Check]:
    where = "all Regions" if trail.multi_region else "one Region"
    running = {True: "logging", False: "stopped", None: "whether it is logging could not be read"}[trail.logging]
    good = None if trail.logging is None else trail.logging and trail.multi_region
    yield _check(ids[0], good if trail.multi_region else False, f"{where}, {running}")
    events = {True: "recorded", False: "left out", None: "not known"}[trail.kms_events]
    both = None if None in (good, trail.kms_events) else bool(good and trail.kms_events)
    yield _check(ids[1], both, f"{where}, {running}; management events of KMS: {events}")
    yield _check(ids[2], trail.validation, "digests are written" if trail.validation else "no digests are written")
    yield _check(ids[3], bool(trail.key_arn), trail.key_arn or "S3's own key")


def _of_the_bucket(found: Retention | SetupError | None) -> Iterator[Check]:
    kept = found if isinstance(found, Retention) else None
    told: dict[str, tuple[bool | None, str, str]] = {
        "cloudtrail_logs_s3_bucket_is_not_publicly_accessible": (
            kept.public_access_blocked if kept else None,
            "public access is blocked",
            "public access is not blocked",
        ),
        "cloudtrail_logs_s3_bucket_access_logging_enabled": (
            kept.access_logged if kept else None,
            "requests to the bucket are logged",
            "requests to the bucket are not logged",
        ),
        "s3_bucket_object_versioning": (kept.versioned if kept else None, "versions are kept", "no versions are kept"),
        "s3_bucket_default_encryption": (
            kept.encrypted if kept else None,
            "encrypted by default",
            "not encrypted by default",
        ),
        "s3_bucket_secure_transport_policy": (
            kept.tls_only if kept else None,
            "plain HTTP is denied",
            "plain HTTP is not denied",
        ),
    }
    for id_, (good, yes, no) in told.items():
        words = _why(found) if kept is None else "could not be read" if good is None else yes if good else no
        yield _check(id_, good, words)
    lock = f"{kept.lock}, {kept.lock_days} days" if kept and kept.lock else "no Object Lock"
    yield _check("s3_bucket_object_lock", bool(kept.lock) if kept else None, lock if kept else _why(found))


def _of_access_keys(review: AccessReview | None) -> Iterator[Check]:
    ids = ("iam_rotate_access_key_90_days", "iam_user_accesskey_unused")
    if review is None or not all(each.are_access_keys_known for each in review.principals):
        for id_ in ids:
            yield _check(id_, None, "the access keys of those who have access could not be read")
        return
    keys = [key for each in review.principals for key in each.access_keys if key.active]
    none = "nobody who has access to the key has an active access key"
    old = [key.id for key in keys if key.age_days > OLDEST_ACCESS_KEY_DAYS]
    told = (
        f"older than {OLDEST_ACCESS_KEY_DAYS} days: {', '.join(old)}"
        if old
        else f"{len(keys)} active, none is older than {OLDEST_ACCESS_KEY_DAYS} days"
    )
    yield _check(ids[0], not old, told if keys else none)
    unused = [
        key.id
        for key in keys
        if (key.age_days if key.last_used is None else (review.at - key.last_used).days) > LONGEST_UNUSED_DAYS
    ]
    told = (
        f"not used for {LONGEST_UNUSED_DAYS} days: {', '.join(unused)}"
        if unused
        else f"{len(keys)} active, each used within {LONGEST_UNUSED_DAYS} days"
    )
    yield _check(ids[1], not unused, told if keys else none)


def _statements(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    statements = policy.get("Statement") or ()
    return [statements] if isinstance(statements, Mapping) else list(statements)


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())
