"""Reads trails and their buckets: recorded events, and the retention and protection of the logs.

Asks CloudTrail and S3; changes nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

from components.policies.statements import PolicyStatement, Test, statements_of
from components.settings.arn import Arn, resource_of
from wizard.aws.auth.session import Session
from wizard.aws.auth.session_client import SessionClient, or_none, utc
from wizard.aws.iam import account_of
from wizard.core import safe_text
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.models.account import Retention, TrailFact
from wizard.core.next_command import shell

_NO_BUCKET = ("404", "NoSuchBucket", "NotFound")


class CloudTrail(SessionClient):
    """Trails and their buckets."""

    def list_trails(self) -> tuple[TrailFact, ...]:
        """Every trail that records this Region, by ARN: of this Region only, of all Regions, of the organization."""
        trails = self._session.call("cloudtrail", "DescribeTrails", includeShadowTrails=True)["trailList"]
        facts = self._session.together(*(lambda trail=trail: fact_of(self._session, trail) for trail in trails))
        return tuple(sorted(facts, key=lambda fact: fact.arn))

    def find_trail(self, arn: str) -> TrailFact | None:
        """The trail with this ARN, asked in its home Region; None when it does not exist.

        The checklist, `status`, `doctor` and `report` all read a stack's trail here.
        """
        home = self._session.with_region(Arn.parse(arn).region)
        trails, details = home.together(
            lambda: home.call("cloudtrail", "DescribeTrails", trailNameList=[arn], includeShadowTrails=True),
            lambda: _details(home, arn),
        )
        return next((_fact(trail, *details) for trail in trails["trailList"] if trail["TrailARN"] == arn), None)

    def bucket_retention(self, bucket: str) -> Retention | None:
        """How long the account's bucket retains its objects and how it is protected; None when there is no such bucket.

        Raises PermissionDenied for what the trail depends on; what only an auditor needs is None where it is denied.
        """
        owner = account_of(self._session)

        def ask(operation: str, *absent: str) -> Any:
            return self._session.find("s3", operation, absent=absent, Bucket=bucket, ExpectedBucketOwner=owner)

        if ask("HeadBucket", *_NO_BUCKET) is None:
            return None

        lifecycle, versioning, block, encryption, object_lock, policy, logging = self._session.together(
            lambda: ask("GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration"),
            lambda: ask("GetBucketVersioning"),
            lambda: ask("GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
            lambda: ask("GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError"),
            lambda: or_none(lambda: ask("GetObjectLockConfiguration", "ObjectLockConfigurationNotFoundError") or {}),
            lambda: or_none(lambda: ask("GetBucketPolicy", "NoSuchBucketPolicy") or {}),
            lambda: or_none(lambda: ask("GetBucketLogging") or {}),
        )
        blocked = (block or {}).get("PublicAccessBlockConfiguration", {})
        lock, lock_days = _default_lock((object_lock or {}).get("ObjectLockConfiguration", {}))
        document = None if policy is None else bucket_policy_of(bucket, policy)
        is_tls_only = denies_plain_http(document, bucket) and denies_old_tls(document, bucket)
        return Retention(
            expires_after_days=_first_expiry((lifecycle or {}).get("Rules", ())),
            versioned=versioning.get("Status") == "Enabled",
            public_access_blocked=all(blocked.get(name) for name in _PUBLIC_ACCESS_SETTINGS),
            encrypted=bool((encryption or {}).get("ServerSideEncryptionConfiguration", {}).get("Rules")),
            lock=lock,
            lock_days=lock_days,
            lock_known=object_lock is not None,
            tls_only=None if policy is None else is_tls_only,
            policy=document,
            access_logged=None if logging is None else bool(logging.get("LoggingEnabled")),
        )


def find_trail(session: Session, name: str) -> TrailFact | None:
    """The trail of that name whose home Region is this one."""
    trails = session.call("cloudtrail", "DescribeTrails", trailNameList=[name], includeShadowTrails=False)
    # Some emulators answer with every trail.
    return next((fact_of(session, trail) for trail in trails["trailList"] if trail["Name"] == name), None)


def fact_of(session: Session, trail: Mapping[str, Any]) -> TrailFact:
    """A trail from DescribeTrails, with its status and its event selectors."""
    return _fact(trail, *_details(session, trail["TrailARN"]))


def _details(session: Session, arn: str) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """The status and the event selectors; None for each that cannot be read."""
    # Only the management account may read the status and the selectors of an organization's trail.
    status, selectors = session.together(
        lambda: or_none(lambda: session.call("cloudtrail", "GetTrailStatus", Name=arn)),
        lambda: or_none(lambda: session.call("cloudtrail", "GetEventSelectors", TrailName=arn)),
    )
    return status, selectors


def _log_group(arn: str | None) -> str | None:
    """The name in `arn:aws:logs:REGION:ACCOUNT:log-group:NAME:*`."""
    return resource_of(arn).removeprefix("log-group:").removesuffix(":*") if arn else None


def _fact(trail: Mapping[str, Any], status: Mapping[str, Any] | None, selectors: Mapping[str, Any] | None) -> TrailFact:
    error = (status or {}).get("LatestDeliveryError") or (status or {}).get("LatestDigestDeliveryError")
    return TrailFact(
        arn=str(trail["TrailARN"]),
        name=str(trail["Name"]),
        bucket=str(trail.get("S3BucketName", "")),
        multi_region=bool(trail.get("IsMultiRegionTrail")),
        global_events=bool(trail.get("IncludeGlobalServiceEvents")),
        validation=bool(trail.get("LogFileValidationEnabled")),
        organization=bool(trail.get("IsOrganizationTrail")),
        logging=None if status is None else status.get("IsLogging"),
        kms_events=None if selectors is None else records_kms(selectors),
        key_arn=str(trail["KmsKeyId"]) if trail.get("KmsKeyId") else None,
        prefix=str(trail.get("S3KeyPrefix") or ""),
        log_group=_log_group(trail.get("CloudWatchLogsLogGroupArn")),
        delivery_error=str(error) if error else None,
        last_digest=utc((status or {}).get("LatestDigestDeliveryTime")),
    )


def bucket_owner(session: Session, bucket: str, account_id: str) -> str | None:
    """`ours`, `foreign` (another account's), or None if no bucket has the name: bucket names are global."""
    try:
        bucket_exists = session.find(
            "s3", "HeadBucket", absent=_NO_BUCKET, Bucket=bucket, ExpectedBucketOwner=account_id
        )
    except PermissionDenied:
        # A bucket of another account and one of ours without access get the same answer, so the account's list decides.
        return "ours" if bucket in _own_buckets(session) else "foreign"
    except ResourceError as error:
        # 301: the bucket is in another Region, and the endpoint did not say which.
        if _status(error) == 301:
            return "ours" if bucket in _own_buckets(session) else "foreign"
        raise
    return "ours" if bucket_exists else None


def _own_buckets(session: Session) -> frozenset[str]:
    try:
        return frozenset(str(bucket["Name"]) for bucket in session.call("s3", "ListBuckets").get("Buckets", ()))
    except (PermissionDenied, Unsupported):
        return frozenset()


def _status(error: ResourceError) -> int | None:
    response = getattr(error.__cause__, "response", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else None


_PUBLIC_ACCESS_SETTINGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _first_expiry(rules: Any) -> int | None:
    # The shortest of all, because the logs may be under the prefix of any rule. A date expires everything older.
    days = []
    for rule in rules:
        expiration = rule.get("Expiration") or {}
        if rule.get("Status") == "Enabled":
            days += [int(expiration["Days"])] if "Days" in expiration else [0] if "Date" in expiration else []
    return min(days, default=None)


def _default_lock(configuration: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """Mode and days of the lock of a new object. A bucket with Object Lock may have no default retention."""
    default = configuration.get("Rule", {}).get("DefaultRetention", {})
    mode, days, years = default.get("Mode"), default.get("Days"), default.get("Years")
    if configuration.get("ObjectLockEnabled") != "Enabled" or not mode or not (days or years):
        return None, None
    return str(mode), int(days) if days else 365 * int(years)


def bucket_policy_of(bucket: str, answer: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The document of GetBucketPolicy's answer; None where there is none. Raises ResourceError for any other text."""
    if not answer:
        return None
    document = safe_text.json_object(answer["Policy"])
    if document is None:
        raise ResourceError(
            f"the policy of {bucket} is not a JSON object",
            shell("aws", "s3api", "get-bucket-policy", "--bucket", bucket),
        )
    return document


def denies_plain_http(policy: Mapping[str, Any] | None, bucket: str) -> bool:
    """Whether the bucket's policy denies everybody everything over plain HTTP, on the bucket and on its objects.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html#transit
    """
    return _denies_all(policy, bucket, _is_of_plain_http)


def denies_old_tls(policy: Mapping[str, Any] | None, bucket: str) -> bool:
    """Whether the bucket's policy denies everybody everything over TLS older than 1.2, likewise.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html#example-object-tls-version
    """
    return _denies_all(policy, bucket, _is_of_old_tls)


def _denies_all(
    policy: Mapping[str, Any] | None, bucket: str, is_condition: Callable[[tuple[Test, ...]], bool]
) -> bool:
    protected = {
        resource_of(resource)
        for statement in statements_of(policy)
        if _denies_everybody(statement) and is_condition(statement.tests)
        for resource in statement.resources or ()
    }
    return "*" in protected or f"{bucket}*" in protected or {bucket, f"{bucket}/*"} <= protected


def _denies_everybody(statement: PolicyStatement) -> bool:
    is_all = not {"s3:*", "*"}.isdisjoint(action.lower() for action in statement.actions)
    return statement.denies and statement.matches_everybody and is_all


def _is_of_plain_http(tests: tuple[Test, ...]) -> bool:
    # Any further condition would allow some plain HTTP.
    spelled = [(operator, key, *map(str.lower, values)) for operator, key, values in tests]
    return spelled in [[(operator, "aws:securetransport", "false")] for operator in ("Bool", "BoolIfExists")]


def _is_of_old_tls(tests: tuple[Test, ...]) -> bool:
    # Any further condition would allow some old TLS; a higher version denies more.
    return any(
        len(tests) == 1
        and (operator, key) == (expected, "s3:tlsversion")
        and any(_at_least(each, 1.2) for each in values)
        for operator, key, values in tests
        for expected in ("NumericLessThan", "NumericLessThanIfExists")
    )


def _at_least(text: str, least: float) -> bool:
    try:
        return float(text) >= least
    except ValueError:
        return False


KMS = "kms.amazonaws.com"
BOTH = frozenset({"reads", "writes"})
_NONE: frozenset[str] = frozenset()
_OF_BASIC = {"All": BOTH, "ReadOnly": frozenset({"reads"}), "WriteOnly": frozenset({"writes"})}

_RULES: Mapping[str, Callable[[str, str], bool]] = {
    "Equals": str.__eq__,
    "StartsWith": str.startswith,
    "EndsWith": str.endswith,
}


def records_kms(answer: Mapping[str, Any]) -> bool:
    """Whether the selectors together record every management event of KMS.

    A trail without any selector records all management events.
    """
    basic, advanced = answer.get("EventSelectors") or (), answer.get("AdvancedEventSelectors") or ()
    if not basic and not advanced:
        return True
    recorded = _NONE.union(
        *(_of_basic(selector) for selector in basic), *(_of_advanced(selector) for selector in advanced)
    )
    return recorded == BOTH


def _of_basic(selector: Mapping[str, Any]) -> frozenset[str]:
    if not selector.get("IncludeManagementEvents", True) or KMS in (
        selector.get("ExcludeManagementEventSources") or ()
    ):
        return _NONE
    return _OF_BASIC.get(str(selector.get("ReadWriteType") or "All"), _NONE)


def _of_advanced(selector: Mapping[str, Any]) -> frozenset[str]:
    fields = {str(field["Field"]): field for field in selector.get("FieldSelectors") or ()}
    category = fields.pop("eventCategory", {})
    source, read_only = fields.pop("eventSource", {}), fields.pop("readOnly", {})
    # Any other field (eventName, eventType, userIdentity.arn, …) leaves out some of the events.
    if fields or "Management" not in (category.get("Equals") or ()) or not _fits(source, KMS):
        return _NONE
    return frozenset(kind for kind, value in (("reads", "true"), ("writes", "false")) if _fits(read_only, value))


def _fits(field: Mapping[str, Any], value: str) -> bool:
    """Whether the value meets every condition of the field; a condition lists alternatives."""
    for name, rule in _RULES.items():
        included, excluded = field.get(name), field.get(f"Not{name}")
        if included and not any(rule(value, pattern) for pattern in included):
            return False
        if excluded and any(rule(value, pattern) for pattern in excluded):
            return False
    return True
