"""The checks of the buckets of the audit records: the trail's, and the access logs' where the stack makes it.

Reads through the facts. For a bucket that the stack does not own, the fix is an AWS CLI command, not `pulumi up`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from components.policies import secure_transport_statements
from components.policies.evaluation.principals import PrincipalKind
from components.policies.requirements import BY_ID
from components.policies.stack import access_log_bucket_policy_of, trail_bucket_policy_of
from components.policies.statements import written_statements
from components.settings import SHORTEST_RETENTION_DAYS, ImportGroup, ObjectLock, Settings
from wizard.account import fixes
from wizard.account.comparison.trail import BucketRight, BucketSurplus, bucket_surplus, policy_without
from wizard.account.facts import StackFacts
from wizard.account.notices import Judgement, Notice, judgement
from wizard.core.errors import SetupError
from wizard.core.models.account import Retention
from wizard.core.models.trail import BUCKET_REQUIREMENTS, bucket_met, gap_of
from wizard.core.next_command import Command, Text
from wizard.core.retry import together
from wizard.core.safe_text import first_of

CODES: Mapping[str, str] = {
    "bucket-retention": "bucket-retention-short",
    "bucket-private": "bucket-public",
    "bucket-versioned": "bucket-unversioned",
    "bucket-encrypted": "bucket-unencrypted",
    "bucket-tls": "bucket-tls-policy-missing",
}
"""The check's code, by the id of the requirement that is not met."""

PRIVATE = ("bucket-private",)
"""The requirement that nobody beyond the settings can read, change or delete the records."""

_OPTIONAL = ("bucket-lock", "bucket-access-logs")


@dataclass(frozen=True, kw_only=True)
class LogsBucket:
    """A bucket of audit records."""

    name: str
    noun: str
    logical_name: str
    """Of its resources in the stack, which end with it."""
    policy: Mapping[str, Any]
    """As the stack writes it."""
    is_of_trail: bool = True

    @property
    def title(self) -> str:
        return f"{self.noun} {self.name}"

    def resource(self, kind: str) -> str:
        """The end of the URN of one of its resources: `BucketPolicy`."""
        return f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}::{self.logical_name}"


def buckets_of(settings: Settings) -> tuple[LogsBucket, ...]:
    """The trail's bucket, then the one of the access logs if the stack makes it."""
    names = settings.names
    of_trail = LogsBucket(
        name=names.trail_bucket,
        noun="the trail's bucket",
        logical_name="audit-trail",
        policy=trail_bucket_policy_of(settings),
    )
    if not settings.owns_bucket or not settings.access_logging:
        return (of_trail,)
    of_access = LogsBucket(
        name=names.access_log_bucket,
        noun="the bucket of the access logs",
        logical_name="audit-trail-access",
        policy=access_log_bucket_policy_of(settings),
        is_of_trail=False,
    )
    return (of_trail, of_access)


@judgement(*BUCKET_REQUIREMENTS, *_OPTIONAL)
def check_buckets(facts: StackFacts) -> Iterator[Notice]:
    """Whether each bucket exists and meets the requirements."""
    for bucket in buckets_of(facts.settings):
        yield from _bucket(facts, bucket)


def _bucket(facts: StackFacts, bucket: LogsBucket) -> Iterator[Notice]:
    retention = facts.retention(bucket.name)
    optional = _OPTIONAL if bucket.is_of_trail else ()
    if isinstance(retention, SetupError):
        yield Notice.unread(bucket.title, retention, requirements=(*BUCKET_REQUIREMENTS, *optional))
        return
    if retention is None:
        yield Notice.wrong(
            "bucket-missing",
            what=f"the bucket {bucket.name} does not exist in this account",
            why="the trail cannot deliver, and its records are lost"
            if bucket.is_of_trail
            else "the requests to the trail's bucket are not logged",
            command=fixes.pulumi_up(facts)
            if facts.settings.existing_trail_arn is None
            else fixes.eonpro(facts, "setup", "--trail", "create", "--yes"),
            requirements=(*BUCKET_REQUIREMENTS, *optional),
        )
        return
    for id_, is_met in bucket_met(retention).items():
        yield _met(facts, bucket, retention, id_, is_met)
    if bucket.is_of_trail:
        yield from _lock(facts, bucket, retention)
        yield from _access_logged(facts, bucket, retention)


def _met(facts: StackFacts, bucket: LogsBucket, retention: Retention, id_: str, is_met: bool | None) -> Notice:
    if is_met is None:
        return Notice.unknown(
            f"the policy of the bucket {bucket.name}", why="S3 does not return it", is_denied=True, requirements=(id_,)
        )
    days = retention.expires_after_days
    if is_met:
        words = BY_ID[id_].met
        if id_ == "bucket-retention":
            words = f"keeps its records {f'{days} days' if days else 'forever'}"
        return Notice.good(words, subject=bucket.title, requirements=(id_,))
    gap = gap_of(id_, days=days)
    return Notice.wrong(
        CODES[id_],
        what=gap.text,
        subject=f"{bucket.title}:",
        why=gap.requirement.reason,
        command=_command(facts, bucket, id_),
        requirements=(id_,),
    )


def _command(facts: StackFacts, bucket: LogsBucket, id_: str) -> Command:
    on = ("--bucket", bucket.name)
    match id_:
        case "bucket-private":
            shut = "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"
            return fixes.aws(
                facts, "s3api", "put-public-access-block", *on, "--public-access-block-configuration", shut
            )
        case "bucket-versioned":
            on_again = ("--versioning-configuration", "Status=Enabled")
            return fixes.aws(facts, "s3api", "put-bucket-versioning", *on, *on_again)
        case "bucket-encrypted":
            by_s3 = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
            return fixes.aws(
                facts, "s3api", "put-bucket-encryption", *on, "--server-side-encryption-configuration", by_s3
            )
        case "bucket-tls" if facts.settings.owns_bucket:
            return fixes.pulumi_up(facts, bucket.resource("BucketPolicy"))
        case "bucket-retention" if facts.settings.owns_bucket:
            return fixes.pulumi_up(facts, bucket.resource("BucketLifecycleConfiguration"))
        case "bucket-tls":
            tls = secure_transport_statements(bucket=bucket.name, partition=facts.settings.partition)
            document = with_statements(_documents(facts, bucket.name)[0], [*tls])
            return fixes.aws(facts, "s3api", "put-bucket-policy", *on, "--policy", document)
        case _:
            days = facts.settings.trail_retention_days
            rules = {"Rules": [_lengthened(rule, days) for rule in _documents(facts, bucket.name)[1]]}
            return fixes.aws(
                facts, "s3api", "put-bucket-lifecycle-configuration", *on, "--lifecycle-configuration", rules
            )


def _documents(facts: StackFacts, bucket: str) -> tuple[Mapping[str, Any] | None, tuple[Mapping[str, Any], ...]]:
    documents = facts.once("bucket documents", lambda: facts.aws.audit.bucket_documents(bucket))
    return (None, ()) if isinstance(documents, SetupError) else (documents.policy, documents.lifecycle)


def with_statements(policy: Mapping[str, Any] | None, added: list[Any]) -> Mapping[str, Any]:
    """A policy with more statements; they replace those with the same Sid."""
    sids = {statement.get("Sid") for statement in added}
    retained = [statement for statement in written_statements(policy) if statement.get("Sid") not in sids]
    return {"Version": "2012-10-17", **(policy or {}), "Statement": [*retained, *added]}


def _lengthened(rule: Mapping[str, Any], days: int) -> Mapping[str, Any]:
    """The lifecycle rule with an expiration of at least that many days."""
    expiration = rule.get("Expiration") or {}
    is_short = "Date" in expiration or int(expiration.get("Days", days)) < days
    return {**rule, "Expiration": {"Days": days}} if is_short else rule


def _lock(facts: StackFacts, bucket: LogsBucket, retention: Retention) -> Iterator[Notice]:
    """Whether new records are locked as the settings say; of a bucket that the stack does not own, long enough."""
    settings, requirement = facts.settings, ("bucket-lock",)
    is_wanted = settings.trail_lock is not ObjectLock.NONE
    if settings.owns_bucket and is_wanted and not retention.lock_known:
        what = f"the Object Lock of the bucket {bucket.name}"
        yield Notice.unknown(what, why="S3 does not return it", is_denied=True, requirements=requirement)
        return
    mode, days, locked = settings.trail_lock.upper(), settings.trail_retention_days, retention.lock_days or 0
    if not settings.owns_bucket or not is_wanted:
        if retention.lock is not None and locked < SHORTEST_RETENTION_DAYS:
            short = f"{bucket.title} locks new records for {locked} days, less than six years"
            yield Notice.person(f"{short}; the stack does not manage its lock", requirements=requirement)
        return
    if retention.lock is None:
        cause, what = "bucket-lock-missing", "it does not lock new records"
    elif locked < days:
        cause, what = "bucket-lock-short", f"it locks new records for {locked} days, not for {days}"
    elif retention.lock != mode and mode == "COMPLIANCE":
        cause, what = "bucket-lock-short", f"it locks new records in {retention.lock} mode, not in {mode} mode"
    else:
        yield Notice.good(f"locks new records for {locked} days", subject=bucket.title, requirements=requirement)
        return
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": mode, "Days": days}}}
    yield Notice.wrong(
        cause,
        what=what,
        subject=f"{bucket.title}:",
        why=BY_ID["bucket-lock"].reason,
        command=fixes.aws(
            facts,
            *("s3api", "put-object-lock-configuration", "--bucket", bucket.name),
            *("--object-lock-configuration", configuration),
        ),
        advice="the records written until then are not locked; the bucket's versions keep them",
        requirements=requirement,
    )


def _access_logged(facts: StackFacts, bucket: LogsBucket, retention: Retention) -> Iterator[Notice]:
    """Whether the requests to the bucket are logged, where the settings say so."""
    settings, requirement = facts.settings, ("bucket-access-logs",)
    if not settings.owns_bucket or not settings.access_logging:
        return
    what = f"the requests to the bucket {bucket.name}"
    if retention.access_logged is None:
        why = "S3 does not return its logging"
        yield Notice.unknown(f"whether {what} are logged", why=why, is_denied=True, requirements=requirement)
    elif retention.access_logged:
        yield Notice.good(f"{what} are logged", requirements=requirement)
    else:
        yield Notice.wrong(
            "bucket-access-logs-off",
            what=f"{what} are not logged",
            why="nobody could say who read or deleted an audit record",
            command=fixes.pulumi_up(facts, "aws:s3/bucketLogging:BucketLogging::audit-trail-access"),
            requirements=requirement,
        )


# --- who can read, change or delete the records


@judgement(*PRIVATE, opens="logs")
def check_bucket_policies(facts: StackFacts) -> Iterator[Notice]:
    """Whether the policy of a bucket lets anybody read, change or delete the records beyond the settings."""
    buckets = buckets_of(facts.settings)
    retentions = together(*(partial(facts.retention, bucket.name) for bucket in buckets))
    for bucket, retention in zip(buckets, retentions, strict=True):
        if isinstance(retention, SetupError):
            yield Notice.unread(f"the policy of {bucket.title}", retention)
        elif retention is not None and retention.tls_only is None:
            yield Notice.unknown(f"the policy of {bucket.title}", why="S3 does not return it", is_denied=True)
        elif retention is not None:
            yield from _policy(facts, bucket, retention)


def _policy(facts: StackFacts, bucket: LogsBucket, retention: Retention) -> Iterator[Notice]:
    settings, arn = facts.settings, f"arn:{facts.settings.partition}:s3:::{bucket.name}"
    surplus = bucket_surplus(retention.policy, bucket.policy, bucket_arn=arn, account=settings.account_id)
    whose = f"the policy of {bucket.title}"
    wrong = [each for each in surplus if settings.owns_bucket or _is_wrong_anywhere(settings, each)]
    if wrong:
        yield Notice.wrong(
            "bucket-policy-widened",
            what=f"{whose} {first_of([each.what for each in wrong], 3, separator='; ')}",
            why="the audit records say who used the key; the settings let CloudTrail write them, and nobody else "
            "read, change or delete them",
            command=fixes.pulumi_up(facts, bucket.resource("BucketPolicy"))
            if settings.owns_bucket
            else _without(facts, bucket, retention, wrong),
        )
    repair = ""
    if ImportGroup.BUCKET in settings.kept_as_found:
        again = fixes.eonpro(facts, "setup", "--repair", ImportGroup.BUCKET, "--yes")
        repair = Text("; it was left as it was found: ", again)
    for each in surplus:
        if each not in wrong and not _is_usual(settings, each):
            yield Notice.person(Text(f"{whose} {each.what}", repair))
    if not wrong:
        yield Notice.good(f"{whose} lets nobody read, change or delete the records beyond the settings")


def _is_wrong_anywhere(settings: Settings, surplus: BucketSurplus) -> bool:
    """Whether a right is wrong on the bucket of an existing trail too: everybody's, or a deletion by another account.

    Another account that reads may be the one where the logs are evaluated: a person decides about it.
    """
    if ImportGroup.BUCKET in settings.kept_as_found:
        return False
    if surplus.kind is PrincipalKind.EVERYBODY:
        return not surplus.terms
    dangerous = {BucketRight.DELETE, BucketRight.GOVERN} & {*surplus.rights}
    return bool(dangerous) and surplus.kind is PrincipalKind.OTHER_ACCOUNT


def _is_usual(settings: Settings, surplus: BucketSurplus) -> bool:
    """Whether a right is usual on an existing trail's bucket: a service writes, as CloudTrail for another trail."""
    writes = surplus.kind is PrincipalKind.SERVICE and surplus.rights == (BucketRight.WRITE,)
    return writes and settings.existing_trail_arn is not None


def _without(facts: StackFacts, bucket: LogsBucket, retention: Retention, surplus: list[BucketSurplus]) -> Command:
    """The command that takes these principals out of the Allow statements; all others stay."""
    document = policy_without(retention.policy, {each.principal for each in surplus})
    if not document["Statement"]:
        return fixes.aws(facts, "s3api", "delete-bucket-policy", "--bucket", bucket.name)
    put = ("put-bucket-policy", "--bucket", bucket.name, "--policy", document)
    return fixes.aws(facts, "s3api", *put)


OTHER_CHECKS: tuple[Judgement, ...] = (check_buckets, check_bucket_policies)
