"""The differences between an existing trail, its bucket and the stack's settings; and who else uses the bucket.

Pure. https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html has the actions on a bucket.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from components import policies
from components.policies.evaluation.principals import (
    Caller,
    PrincipalKind,
    caller_of,
    match_principal,
    statement_principals,
)
from components.policies.evaluation.statements import Request, match_statement
from components.policies.statements import PolicyStatement, normalized, statements_of, written_statements
from components.settings import ObjectLock, ResourceKind, Settings
from components.settings.arn import resource_of
from wizard.account.comparison.policies import DELETED, Right, covers, names_of, rights, rights_of
from wizard.core.models.account import DiscoveredSetup, Retention
from wizard.core.safe_text import first_of

DifferenceRow = tuple[str, str, str]
"""What, the actual value, the desired value."""

_CLOUDTRAIL = "Service: cloudtrail.amazonaws.com"

Document = Mapping[str, Any]


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
    return settings.arn("cloudtrail", f"trail/{settings.names.trail}")


def bucket_of(discovered: DiscoveredSetup) -> str | None:
    """The name of the bucket that can be imported; None if there is none, or if it belongs to another account."""
    return next((resource.id for resource in discovered.things if resource.thing is ResourceKind.BUCKET), None)


class BucketRight(StrEnum):
    """What can be done to audit records, in words."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    GOVERN = "change the bucket that has"


_ACTIONS: Mapping[BucketRight, tuple[str, ...]] = {
    BucketRight.READ: ("GetObject", "GetObjectVersion", "ListBucket", "ListBucketVersions"),
    BucketRight.WRITE: ("PutObject", "ReplicateObject", "RestoreObject"),
    BucketRight.DELETE: (
        "DeleteObject",
        "DeleteObjectVersion",
        "BypassGovernanceRetention",
        "PutObjectRetention",
        "PutObjectLegalHold",
        "PutLifecycleConfiguration",
        "DeleteBucket",
        "ReplicateDelete",
    ),
    BucketRight.GOVERN: (
        "PutBucketPolicy",
        "DeleteBucketPolicy",
        "PutBucketAcl",
        "PutObjectAcl",
        "PutObjectVersionAcl",
        "PutBucketVersioning",
        "PutBucketPublicAccessBlock",
        "PutBucketOwnershipControls",
        "PutBucketObjectLockConfiguration",
        "PutEncryptionConfiguration",
        "PutReplicationConfiguration",
        "PutBucketLogging",
        "ObjectOwnerOverrideToBucketOwner",
    ),
}
"""The names of the actions, without `s3:`; those of an object are in `_OF_OBJECTS`."""

_OF_OBJECTS = frozenset(
    "GetObject GetObjectVersion PutObject ReplicateObject RestoreObject DeleteObject DeleteObjectVersion "
    "BypassGovernanceRetention PutObjectRetention PutObjectLegalHold ReplicateDelete PutObjectAcl PutObjectVersionAcl "
    "ObjectOwnerOverrideToBucketOwner".split()
)


@dataclass(frozen=True, kw_only=True)
class BucketSurplus:
    """What one principal may do to the records beyond the other policy."""

    principal: str
    """An ARN, an account's root, a service, or `*`."""
    kind: PrincipalKind
    actions: tuple[str, ...]
    """Without `s3:`."""
    terms: tuple[str, ...] = ()
    """The conditions that it depends on, in words."""
    noun: str = "records"

    @property
    def rights(self) -> tuple[BucketRight, ...]:
        return tuple(right for right, actions in _ACTIONS.items() if {*actions} & {*self.actions})

    @property
    def what(self) -> str:
        """The right in words, without the policy: `lets the account 999988887777 read the records`."""
        who = "everybody" if self.kind is PrincipalKind.EVERYBODY else self.principal
        shown = first_of(self.actions, 4)
        terms = f" if {' and '.join(self.terms)}" if self.terms else ""
        return f"lets {who} {', '.join(self.rights)} the {self.noun} ({shown}){terms}"


def bucket_surplus(
    policy: Document | None, wanted: Document | None, *, bucket_arn: str, account: str, noun: str = "records"
) -> list[BucketSurplus]:
    """What the policy of the account's bucket gives, and the wanted one does not, and no Deny takes away for sure.

    The root of the account itself is left out: within the account IAM alone allows, with or without the policy.
    """
    given = [right for right in rights(wanted) if right.effect == "Allow"]
    statements = statements_of(policy)
    denials = [statement for statement in statements if statement.denies]
    found: dict[tuple[str, tuple[str, ...]], BucketSurplus] = {}
    for statement in statements:
        if not statement.allows:
            continue
        for part in _by_principal(statement):
            if all(any(covers(other, right) for other in given) for right in rights_of(part)):
                continue
            name, kind = next(statement_principals(part, account), ("", PrincipalKind.ROOT))
            if kind is PrincipalKind.ROOT or name.startswith(DELETED):
                continue
            context = {"aws:securetransport": ("true",), "aws:resourceaccount": (account,)}
            caller = caller_of(name, account=account, kind=kind, context=context)
            actions, terms = _allowed(part, denials, caller, bucket_arn, account)
            if actions:
                former = found.get((name, terms))
                names = tuple(dict.fromkeys((*(former.actions if former else ()), *actions)))
                found[name, terms] = BucketSurplus(principal=name, kind=kind, actions=names, terms=terms, noun=noun)
    return [*found.values()]


def _by_principal(statement: PolicyStatement) -> tuple[PolicyStatement, ...]:
    """The statement, once for each of its principals."""
    return tuple(replace(statement, principals=(principal,)) for principal in statement.principals) or (statement,)


def _allowed(
    statement: PolicyStatement, denials: Sequence[PolicyStatement], caller: Caller, bucket_arn: str, account: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The actions that the statement allows the caller and no denial takes away, and the statement's conditions."""
    actions: list[str] = []
    terms: tuple[str, ...] = ()
    for action in (action for of_right in _ACTIONS.values() for action in of_right):
        for resource in _resources(statement, bucket_arn, is_object=action in _OF_OBJECTS):
            request = Request(action=f"s3:{action}", resource=resource, context=caller.context)
            match = match_statement(statement, request, source="")
            if match is not None and not any(_denies(denial, caller, request, account) for denial in denials):
                actions.append(action)
                terms = match.terms
                break
    return tuple(actions), terms


def _resources(statement: PolicyStatement, bucket_arn: str, *, is_object: bool) -> Iterator[str]:
    """Resources of the statement that an action of the bucket, or of an object in it, can be about.

    A pattern stands for itself: what a denial has to cover is all of it.
    """
    if statement.not_resources is not None:
        yield f"{bucket_arn}/AWSLogs/record" if is_object else bucket_arn
        return
    for pattern in statement.resources or ():
        if is_object and ("/" in pattern or pattern.endswith("*")):
            yield pattern if "/" in pattern else f"{bucket_arn}/*"
        elif not is_object and "/" not in pattern:
            yield bucket_arn


def _denies(denial: PolicyStatement, caller: Caller, request: Request, account: str) -> bool:
    """Whether it certainly denies this request of every such caller."""
    if caller.kind is PrincipalKind.EVERYBODY and denial.not_principals is not None:
        return False  # Those that it excepts are among everybody.
    match = match_statement(denial, request, source="")
    return match is not None and not match.terms and match_principal(denial, caller, account) is not None


def policy_without(policy: Document | None, names: set[str]) -> Document:
    """The policy with these principals taken out of its Allow statements; `*` takes out NotPrincipal too."""
    kept = []
    for written in written_statements(policy):
        statement = normalized(written)
        parts = _by_principal(statement)
        others = [part for part in parts if not statement.allows or _name(part) not in names]
        if len(others) == len(parts):
            kept.append(written)
        elif others:
            principal: dict[str, list[str]] = {}
            for part in others:
                for kind, name in part.principals:
                    principal.setdefault(kind, []).append(name)
            kept.append({**written, "Principal": principal})
    return {"Version": "2012-10-17", **(policy or {}), "Statement": kept}


def _name(part: PolicyStatement) -> str:
    return next(statement_principals(part, ""), ("", None))[0]
