"""The differences between an existing trail, its bucket and the stack's settings; and who else uses the bucket.

Pure.
"""

from collections.abc import Iterator, Sequence

from components import policies
from components.policies.statements import PolicyStatement, statements_of
from components.settings import ObjectLock, ResourceKind, Settings
from components.settings.arn import resource_of
from wizard.account.comparison.policies import Right, names_of, rights
from wizard.core.models.account import DiscoveredSetup, Retention

DifferenceRow = tuple[str, str, str]
"""What, the actual value, the desired value."""

_CLOUDTRAIL = "Service: cloudtrail.amazonaws.com"


def trail_differences(discovered: DiscoveredSetup, settings: Settings) -> Iterator[DifferenceRow]:
    trail = discovered.trail
    if trail is None:
        return
    logs_key = discovered.logs_key.arn if discovered.logs_key else None
    for what, wrong, actual, desired in (
        ("trail, Regions", not trail.multi_region, "one", "all"),
        ("trail, global services", not trail.global_events, "left out", "recorded"),
        ("trail, validation", not trail.validation, "logs carry no digests", "logs are signed"),
        ("trail, logging", trail.logging is False, "stopped", "started"),
        ("trail, logging", trail.logging is None, "not known", "started"),
        ("trail, events of KMS", trail.kms_events is False, "left out", "recorded, reads and writes"),
        ("trail, key of the logs", settings.trail_key and trail.key_arn is None, "S3's own", "a key of their own"),
        (
            "trail, key of the logs",
            settings.trail_key and trail.key_arn not in (None, logs_key),
            resource_of(trail.key_arn or ""),
            settings.names.trail_key_alias,
        ),
        ("trail, key of the logs", not settings.trail_key and trail.key_arn is not None, "a key", "S3's own"),
        ("trail, place of the logs", bool(trail.prefix), f"under {trail.prefix}/", "under AWSLogs/"),
    ):
        if wrong:
            yield (what, actual, desired)


def bucket_differences(discovered: DiscoveredSetup, settings: Settings) -> Iterator[DifferenceRow]:
    """The differences of the bucket and its settings; first, in capitals, who would lose access."""
    bucket = bucket_of(discovered)
    if bucket is None:
        return
    for who in sharers(discovered, settings):
        yield ("bucket, SHARED", f"{resource_of(who)} uses it", "the stack's trail alone: a repair CUTS THIS OFF")
    yield from _bucket_policy(discovered, settings, bucket)
    if discovered.retention is not None:
        yield from _retention(discovered.retention, settings)


def _retention(retention: Retention, settings: Settings) -> Iterator[DifferenceRow]:
    days = settings.trail_retention_days
    expires = retention.expires_after_days
    lock = settings.trail_lock
    desired_lock = "none" if lock is ObjectLock.NONE else f"{lock.upper()}, {days} days"
    actual_lock = f"{retention.lock}, {retention.lock_days} days" if retention.lock else "none"
    for what, wrong, actual, desired in (
        ("bucket, public access", not retention.public_access_blocked, "not blocked", "blocked"),
        ("bucket, versions", not retention.versioned, "not kept", "kept"),
        ("bucket, encryption", not retention.encrypted, "none by default", "by default"),
        (
            "bucket, logs expire",
            expires != days,
            "never" if expires is None else f"after {expires} days",
            f"after {days} days",
        ),
        ("bucket, Object Lock", actual_lock != desired_lock, actual_lock, desired_lock),
        ("bucket, access log", settings.access_logging and retention.access_logged is False, "none", "kept"),
    ):
        if wrong:
            yield (what, actual, desired)


def _bucket_policy(discovered: DiscoveredSetup, settings: Settings, bucket: str) -> Iterator[DifferenceRow]:
    arn = _trail_arn(discovered, settings)
    actual = rights(discovered.bucket_policy)
    allowed = {right for right in actual if right.effect == "Allow"}
    desired = policies.trail_bucket_policy(
        bucket=bucket, account_id=settings.account_id, trail_arn=arn, partition=settings.partition
    )
    missing = {
        str(statement["Sid"]) for statement in desired["Statement"] if not rights({"Statement": statement}) <= actual
    }
    if missing & {"CloudTrailReadsTheAcl", "CloudTrailWritesTheLogs"}:
        unbound = any(right.principal in (_CLOUDTRAIL, "*") and not _sources(right) for right in allowed)
        yield ("bucket policy, delivery", "open to any trail" if unbound else "not this trail's", "this trail's only")
    if "DenyPlainHttp" in missing:
        yield ("bucket policy, plain HTTP", "not denied", "denied")
    if "DenyOldTls" in missing:
        yield ("bucket policy, TLS below 1.2", "not denied", "denied")
    extra = {right for right in actual - rights(desired) if right.effect == "Deny"}
    if extra:
        yield ("bucket policy, denials", f"{len(extra)} of somebody's own", "none except those of TLS")


def sharers(discovered: DiscoveredSetup, settings: Settings) -> tuple[str, ...]:
    """Who else the bucket's policy allows: other trails, by ARN, and other principals. A repair would remove them.

    CloudTrail without a source is not among them: it is open to any trail, and nobody knows which use it.
    """
    arn = _trail_arn(discovered, settings)
    users: list[str] = []
    for statement in statements_of(discovered.bucket_policy):
        if not statement.allows:
            continue
        named = names_of(statement.principals)
        sources = [value for _, key, values in statement.tests for value in values if key == "aws:sourcearn"]
        if _CLOUDTRAIL in named:
            users += [source for source in sources if source != arn]
            users += [] if sources else _other_accounts(statement, settings)
        users += [who.partition(": ")[2] or who for who in named if who != _CLOUDTRAIL]
    return tuple(dict.fromkeys(users))


def _other_accounts(statement: PolicyStatement, settings: Settings) -> list[str]:
    owners = [
        resource.partition("/AWSLogs/")[2].split("/")[0]
        for resource in statement.resources or ()
        if "/AWSLogs/" in resource
    ]
    return [f"the trail of {owner}" for owner in owners if owner not in (settings.account_id, "*", "")]


def _sources(right: Right) -> Sequence[str]:
    return [value for _, key, values in right.condition if key == "aws:sourcearn" for value in values]


def _trail_arn(discovered: DiscoveredSetup, settings: Settings) -> str:
    if discovered.trail is not None:
        return discovered.trail.arn
    return policies.trail_arn(
        account_id=settings.account_id,
        region=settings.region,
        name=settings.names.trail,
        partition=settings.partition,
    )


def bucket_of(discovered: DiscoveredSetup) -> str | None:
    """The name of the bucket that can be imported; None if there is none, or if it belongs to another account."""
    return next((resource.id for resource in discovered.things if resource.thing is ResourceKind.BUCKET), None)
