"""The trail's bucket: whether what it keeps is kept for six years, by versions and a lock, and shut to the public.

Pure: reads through the evidence. A bucket that the stack does not own is mended by the AWS CLI alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.policies import secure_transport_statements
from components.policies.requirements import BY_ID
from components.settings import ObjectLock
from wizard.commands.doctor import fixes
from wizard.commands.doctor.checks.trail import BUCKET_POLICY, owns_bucket, with_statements
from wizard.commands.doctor.context import CheckContext
from wizard.commands.doctor.finding import Finding, NotChecked, Passed, Told
from wizard.core.errors import SetupError
from wizard.core.models.account import Retention
from wizard.core.trail_requirements import Gap, bucket_gaps

LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration::audit-trail"

_CAUSES: Mapping[str, str] = {
    "bucket-retention": "bucket-retention-short",
    "bucket-private": "bucket-public",
    "bucket-versioned": "bucket-unversioned",
    "bucket-encrypted": "bucket-unencrypted",
    "bucket-tls": "bucket-tls-policy-gone",
}
"""The check's code, by the id of the requirement that is not met."""


def of_the_bucket(evidence: CheckContext) -> Iterator[Told]:
    """The bucket of the records."""
    bucket = evidence.settings.names.trail_bucket
    retention = evidence.once("retention", lambda: evidence.aws.cloudtrail.bucket_retention(bucket))
    if isinstance(retention, SetupError):
        yield NotChecked.of(f"the trail's bucket {bucket}", retention)
        return
    if retention is None:
        yield Finding(
            cause="bucket-missing",
            what=f"there is no bucket {bucket} in this account",
            why="the trail has nowhere to write to, and its records are gone",
            command=fixes.by_the_stack(evidence)
            if evidence.settings.existing_trail_arn is None
            else fixes.wizard(evidence, "setup", "--trail", "create", "--yes"),
        )
        return
    lacking = [*bucket_gaps(retention)]
    for gap in lacking:
        yield Finding(
            cause=_CAUSES[gap.requirement.id],
            what=f"the trail's bucket {bucket}: {gap.text}",
            why=gap.requirement.reason,
            command=_command(evidence, bucket, gap),
        )
    unlocked = [*_lock(evidence, bucket, retention)]
    yield from unlocked
    if retention.tls_only is None:
        yield NotChecked(what=f"the policy of the bucket {bucket}", why="S3 does not tell it", is_denied=True)
    elif not lacking and not unlocked:
        days = retention.expires_after_days
        yield Passed(what=f"the trail's bucket {bucket} keeps its records {f'{days} days' if days else 'for ever'}")


def _command(evidence: CheckContext, bucket: str, gap: Gap) -> str:
    on = ("--bucket", bucket)
    match gap.requirement.id:
        case "bucket-private":
            shut = "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"
            return fixes.aws(
                evidence, "s3api", "put-public-access-block", *on, "--public-access-block-configuration", shut
            )
        case "bucket-versioned":
            on_again = ("--versioning-configuration", "Status=Enabled")
            return fixes.aws(evidence, "s3api", "put-bucket-versioning", *on, *on_again)
        case "bucket-encrypted":
            by_s3 = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
            return fixes.aws(
                evidence, "s3api", "put-bucket-encryption", *on, "--server-side-encryption-configuration", by_s3
            )
        case "bucket-tls" if owns_bucket(evidence.settings):
            return fixes.by_the_stack(evidence, BUCKET_POLICY)
        case "bucket-retention" if owns_bucket(evidence.settings):
            return fixes.by_the_stack(evidence, LIFECYCLE)
        case "bucket-tls":
            tls = secure_transport_statements(bucket=bucket, partition=evidence.settings.partition)
            document = with_statements(_documents(evidence, bucket)[0], [*tls])
            return fixes.aws(evidence, "s3api", "put-bucket-policy", *on, "--policy", document)
        case _:
            days = evidence.settings.trail_retention_days
            rules = {"Rules": [_lengthened(rule, days) for rule in _documents(evidence, bucket)[1]]}
            return fixes.aws(
                evidence, "s3api", "put-bucket-lifecycle-configuration", *on, "--lifecycle-configuration", rules
            )


def _documents(evidence: CheckContext, bucket: str) -> tuple[Mapping[str, Any] | None, tuple[Mapping[str, Any], ...]]:
    found = evidence.once("bucket documents", lambda: evidence.aws.audit.bucket_documents(bucket))
    return (None, ()) if isinstance(found, SetupError) else (found.policy, found.lifecycle)


def _lengthened(rule: Mapping[str, Any], days: int) -> Mapping[str, Any]:
    """A lifecycle rule that expires nothing before that."""
    expiration = rule.get("Expiration") or {}
    is_short = "Date" in expiration or int(expiration.get("Days", days)) < days
    return {**rule, "Expiration": {"Days": days}} if is_short else rule


def _lock(evidence: CheckContext, bucket: str, retention: Retention) -> Iterator[Told]:
    """Whether new records are locked as the settings say; a bucket of somebody else's is not judged by them."""
    settings = evidence.settings
    if not owns_bucket(settings) or settings.trail_lock is ObjectLock.NONE:
        return
    mode, days = settings.trail_lock.upper(), settings.trail_retention_days
    if not retention.lock_known:
        yield NotChecked(what=f"the Object Lock of the bucket {bucket}", why="S3 does not tell it", is_denied=True)
        return
    if retention.lock is None:
        cause, what = "bucket-lock-gone", "it locks no new record"
    elif (retention.lock_days or 0) < days:
        cause, what = "bucket-lock-short", f"it locks new records for {retention.lock_days} days, and not for {days}"
    elif retention.lock != mode and mode == "COMPLIANCE":
        cause, what = "bucket-lock-short", f"it locks new records in the mode {retention.lock}, and not {mode}"
    else:
        return
    configuration = {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": mode, "Days": days}},
    }
    yield Finding(
        cause=cause,
        what=f"the trail's bucket {bucket}: {what}",
        why=BY_ID["bucket-lock"].reason,
        command=fixes.aws(
            evidence,
            *("s3api", "put-object-lock-configuration", "--bucket", bucket),
            *("--object-lock-configuration", configuration),
        ),
        then="what was written meanwhile is not locked; it is kept by the bucket's versions",
    )
