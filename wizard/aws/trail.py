"""Trails and the buckets they write to: what there is, and how long it is kept.

Asks CloudTrail and S3; changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wizard.aws.session import Session
from wizard.errors import PermissionDenied, ResourceError, Unsupported
from wizard.facts import Retention, TrailFact

_NO_BUCKET = ("404", "NoSuchBucket", "NotFound")


def list_trails(session: Session) -> tuple[TrailFact, ...]:
    """The trails of every Region or of a whole organization, by ARN, those of other home Regions included."""
    trails = session.call("cloudtrail", "DescribeTrails", includeShadowTrails=True)["trailList"]
    wide = [trail for trail in trails if trail.get("IsMultiRegionTrail") or trail.get("IsOrganizationTrail")]
    facts = session.together(*(lambda trail=trail: _fact(session, trail) for trail in wide))
    return tuple(sorted(facts, key=lambda fact: fact.arn))


def find_trail(session: Session, name: str) -> TrailFact | None:
    """The trail of that name whose home is this Region."""
    trails = session.call("cloudtrail", "DescribeTrails", trailNameList=[name], includeShadowTrails=False)
    # Some emulators answer with every trail.
    return next((_fact(session, trail) for trail in trails["trailList"] if trail["Name"] == name), None)


def _fact(session: Session, trail: Mapping[str, Any]) -> TrailFact:
    try:
        logging = session.call("cloudtrail", "GetTrailStatus", Name=trail["TrailARN"]).get("IsLogging")
    except (PermissionDenied, Unsupported, ResourceError):
        # An organization's trail tells its status to the management account only.
        logging = None
    return TrailFact(
        arn=str(trail["TrailARN"]),
        name=str(trail["Name"]),
        bucket=str(trail.get("S3BucketName", "")),
        multi_region=bool(trail.get("IsMultiRegionTrail")),
        global_events=bool(trail.get("IncludeGlobalServiceEvents")),
        validation=bool(trail.get("LogFileValidationEnabled")),
        organization=bool(trail.get("IsOrganizationTrail")),
        logging=logging,
    )


def bucket_owner(session: Session, bucket: str, account_id: str) -> str | None:
    """`ours`, `foreign`, or None for a name that is free: bucket names are global."""
    try:
        found = session.find("s3", "HeadBucket", absent=_NO_BUCKET, Bucket=bucket, ExpectedBucketOwner=account_id)
    except PermissionDenied:
        # A stranger's bucket and one of ours that we may not open answer the same; the account's list tells.
        return "ours" if bucket in _own_buckets(session) else "foreign"
    except ResourceError as error:
        # 301: the bucket is in another Region, and the endpoint did not say which.
        if _status(error) == 301:
            return "ours" if bucket in _own_buckets(session) else "foreign"
        raise
    return "ours" if found else None


def _own_buckets(session: Session) -> frozenset[str]:
    try:
        return frozenset(str(bucket["Name"]) for bucket in session.call("s3", "ListBuckets").get("Buckets", ()))
    except (PermissionDenied, Unsupported):
        return frozenset()


def _status(error: ResourceError) -> int | None:
    response = getattr(error.__cause__, "response", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else None


def bucket_retention(session: Session, bucket: str, account_id: str) -> Retention | None:
    """How long the account's bucket keeps its objects; None when it has no such bucket."""

    def ask(operation: str, *absent: str) -> Any:
        return session.find("s3", operation, absent=absent, Bucket=bucket, ExpectedBucketOwner=account_id)

    if ask("HeadBucket", *_NO_BUCKET) is None:
        return None
    lifecycle, versioning, block, encryption = session.together(
        lambda: ask("GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration"),
        lambda: ask("GetBucketVersioning"),
        lambda: ask("GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
        lambda: ask("GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError"),
    )
    shut = (block or {}).get("PublicAccessBlockConfiguration", {})
    return Retention(
        expires_after_days=_first_expiry((lifecycle or {}).get("Rules", ())),
        versioned=versioning.get("Status") == "Enabled",
        public_access_blocked=all(shut.get(part) for part in _SHUT),
        encrypted=bool((encryption or {}).get("ServerSideEncryptionConfiguration", {}).get("Rules")),
    )


_SHUT = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _first_expiry(rules: Any) -> int | None:
    # The earliest of all: a rule for a prefix may be the one the logs are under. A date spares nothing older.
    days = []
    for rule in rules:
        expiration = rule.get("Expiration") or {}
        if rule.get("Status") == "Enabled":
            days += [int(expiration["Days"])] if "Days" in expiration else [0] if "Date" in expiration else []
    return min(days, default=None)
