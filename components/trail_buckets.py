"""The buckets of the audit trail: the one that keeps the records, and the one that logs who reads them.

Touches the Pulumi engine only: it registers resources, children of the component whose options it is given.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pulumi
import pulumi_aws as aws

from components import policies
from components.configuration import taken_in
from components.settings import ImportGroup, ObjectLock, ResourceKind, Settings

ARCHIVE_STORAGE = "GLACIER_IR"
"""The cheapest storage that still answers at once: neither an auditor nor a validation of the logs has to wait."""

_LOGS = "AWSLogs/"
_ACCESS_LOGS = "access/"
_DAYS_FOR_AN_UPLOAD = 7

_Rule: TypeAlias = aws.s3.BucketLifecycleConfigurationRuleArgsDict


@dataclass(frozen=True, kw_only=True)
class TrailBuckets:
    """Makes the buckets of one environment's trail."""

    name: str
    settings: Settings
    trail_arn: str
    key_arn: pulumi.Output[str] | None
    """Of the key that the records are encrypted under; None: S3's own."""
    kept: pulumi.ResourceOptions
    """The options of everything here: the component it belongs to, and that it outlasts the stack."""

    def bucket(self) -> aws.s3.Bucket:
        """The bucket of the records, as bare as S3 makes it."""
        found = taken_in(
            self.settings, ResourceKind.BUCKET, part=ImportGroup.BUCKET, properties=["forceDestroy", "tags"]
        )
        # Object Lock is never declared here: it cannot be changed on the bucket itself, so that it would be
        # another bucket. BucketObjectLockConfiguration switches it on for one that is there.
        return aws.s3.Bucket(
            self.name,
            bucket=self.settings.names.trail_bucket,
            force_destroy=False,
            tags=self.settings.tags,
            opts=pulumi.ResourceOptions.merge(self.kept, found),
        )

    def guards(self, bucket: aws.s3.Bucket) -> list[pulumi.Resource]:
        """What guards the records; nothing at all where the settings leave the bucket as it was found."""
        settings = self.settings
        if ImportGroup.BUCKET in settings.kept_as_found:
            return []
        document = policies.trail_bucket_policy(
            bucket=settings.names.trail_bucket,
            account_id=settings.account_id,
            trail_arn=self.trail_arn,
            partition=settings.partition,
        )
        guards = self._guarded(
            self.name,
            bucket,
            _retention(settings.trail_retention_days, _LOGS, archive_days=settings.trail_archive_days),
            document,
            key_arn=self.key_arn,
            thing=ResourceKind.BUCKET,
        )
        if settings.trail_lock is not ObjectLock.NONE:
            guards.append(self._lock(bucket, guards))
        if settings.access_logging:
            guards.append(self._access_logging(bucket))
        return guards

    def _lock(self, bucket: aws.s3.Bucket, after: Sequence[pulumi.Resource]) -> aws.s3.BucketObjectLockConfiguration:
        # S3 switches it on for any versioned bucket, whatever is in it, and never off again.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-configure.html
        retention: aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgsDict = {
            "mode": self.settings.trail_lock.upper(),
            "days": self.settings.trail_retention_days,
        }
        return aws.s3.BucketObjectLockConfiguration(
            self.name, bucket=bucket.id, rule={"default_retention": retention}, opts=self._guard(after=after)
        )

    def _access_logging(self, bucket: aws.s3.Bucket) -> aws.s3.BucketLogging:
        settings = self.settings
        name = f"{self.name}-access"
        target = aws.s3.Bucket(
            name,
            bucket=settings.names.access_log_bucket,
            force_destroy=False,
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(self.kept, taken_in(settings, ResourceKind.ACCESS_LOG_BUCKET)),
        )
        document = policies.access_log_bucket_policy(
            bucket=settings.names.access_log_bucket,
            source_bucket=settings.names.trail_bucket,
            account_id=settings.account_id,
            partition=settings.partition,
        )
        # S3 delivers access logs neither into a bucket that is encrypted with a KMS key by default nor into one with
        # Object Lock. They are small: in the cheaper storage each would be billed for 128 KB.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
        guards = self._guarded(
            name,
            target,
            _retention(settings.trail_retention_days, _ACCESS_LOGS, archive_days=0),
            document,
            key_arn=None,
            thing=ResourceKind.ACCESS_LOG_BUCKET,
        )
        return aws.s3.BucketLogging(
            name,
            bucket=bucket.id,
            target_bucket=target.bucket,
            target_prefix=_ACCESS_LOGS,
            opts=self._guard(after=guards),
        )

    def _guarded(
        self,
        name: str,
        bucket: aws.s3.Bucket,
        retention: list[_Rule],
        document: policies.Policy,
        *,
        key_arn: pulumi.Output[str] | None,
        thing: ResourceKind,
    ) -> list[pulumi.Resource]:
        def guard(setting: str, after: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
            return self._guard(ResourceKind(f"{thing}-{setting}"), after=after)

        private = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=guard("public-access"),
        )
        # No ACLs. CloudTrail goes on sending bucket-owner-full-control, the one ACL that such a bucket takes.
        owned = aws.s3.BucketOwnershipControls(
            name,
            bucket=bucket.id,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=guard("ownership"),
        )
        versioned = aws.s3.BucketVersioning(
            name,
            bucket=bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=guard("versioning"),
        )
        # No S3 Bucket Key: it would save a few calls of KMS, and CloudTrail would need the right to decrypt.
        # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
        encrypted = aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                {
                    "apply_server_side_encryption_by_default": (
                        {"sse_algorithm": "AES256"}
                        if key_arn is None
                        else {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn}
                    )
                }
            ],
            opts=guard("encryption"),
        )
        # S3 takes rules on noncurrent versions for a versioned bucket.
        kept = aws.s3.BucketLifecycleConfiguration(
            name, bucket=bucket.id, rules=retention, opts=guard("lifecycle", [versioned])
        )
        # S3 refuses two changes of a bucket's access at once (OperationAborted).
        admitted = aws.s3.BucketPolicy(
            name,
            bucket=bucket.id,
            policy=json.dumps(document),
            opts=guard("policy", [private, owned]),
        )
        return [private, owned, versioned, encrypted, kept, admitted]

    def _guard(
        self, thing: ResourceKind | None = None, *, after: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        options = pulumi.ResourceOptions.merge(self.kept, pulumi.ResourceOptions(depends_on=list(after)))
        return pulumi.ResourceOptions.merge(options, taken_in(self.settings, thing)) if thing else options


def _retention(days: int, prefix: str, *, archive_days: int) -> list[_Rule]:
    # A version that was overwritten or deleted, which no log should be, is kept for the whole retention from
    # that day: however early it happened, the record is not gone before its time.
    rule: _Rule = {
        "id": "expire-after-retention",
        "status": "Enabled",
        "filter": {"prefix": prefix},
        "expiration": {"days": days},
        "noncurrent_version_expiration": {"noncurrent_days": days},
    }
    if 0 < archive_days < days:
        # Objects under 128 KB stay where they are, as S3 has it where nothing else is asked for: the cheaper storage
        # would bill each of them for 128 KB.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
        rule["transitions"] = [{"days": archive_days, "storage_class": ARCHIVE_STORAGE}]
        rule["noncurrent_version_transitions"] = [{"noncurrent_days": archive_days, "storage_class": ARCHIVE_STORAGE}]
    # A rule of its own, for it is about the whole bucket: what an upload that was broken off leaves is no record.
    uploads: _Rule = {
        "id": "abort-incomplete-uploads",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "abort_incomplete_multipart_upload": {"days_after_initiation": _DAYS_FOR_AN_UPLOAD},
    }
    return [rule, uploads]
