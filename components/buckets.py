"""The buckets of the audit trail: one for the records, and one for the access logs of the first.

Touches the Pulumi engine only: it registers resources as children of a component.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pulumi
import pulumi_aws as aws

from components import policies
from components.configuration import import_options
from components.policies.stack import access_log_bucket_policy_of, trail_bucket_policy_of
from components.settings import ImportGroup, ObjectLock, ResourceKind, Settings
from components.settings.names import in_account_namespace

ARCHIVE_STORAGE = "GLACIER_IR"
"""The cheapest storage with immediate access: neither an auditor nor a validation of the logs has to wait."""

_LOGS = "AWSLogs/"
_ACCESS_LOGS = "access/"
_DAYS_FOR_AN_UPLOAD = 7

_Rule: TypeAlias = aws.s3.BucketLifecycleConfigurationRuleArgsDict


@dataclass(frozen=True, kw_only=True)
class TrailBuckets:
    name: str
    settings: Settings
    key_arn: pulumi.Output[str] | None
    """ARN of the KMS key that encrypts the logs. None: S3-managed key."""
    retained: pulumi.ResourceOptions
    """The options of every resource: its parent, and that it is retained when the stack is removed."""

    def bucket(self) -> aws.s3.Bucket:
        """The bucket of the records, without further settings."""
        imported = import_options(
            self.settings, ResourceKind.BUCKET, group=ImportGroup.BUCKET, properties=["forceDestroy", "tags"]
        )
        # Object Lock is not declared here: a change of it would replace the bucket. BucketObjectLockConfiguration
        # enables it for an existing bucket.
        return aws.s3.Bucket(
            self.name,
            bucket=self.settings.names.trail_bucket,
            bucket_namespace=self._namespace(self.settings.names.trail_bucket),
            force_destroy=False,
            tags=self.settings.tags,
            opts=pulumi.ResourceOptions.merge(self.retained, imported),
        )

    def _namespace(self, bucket: str) -> str | None:
        """The bucket's namespace; None for the global one, so that an existing bucket shows no difference."""
        is_regional = in_account_namespace(bucket, account_id=self.settings.account_id, region=self.settings.region)
        return "account-regional" if is_regional else None

    def _encryption(
        self, key_arn: pulumi.Output[str] | None
    ) -> aws.s3.BucketServerSideEncryptionConfigurationRuleArgsDict:
        rule: aws.s3.BucketServerSideEncryptionConfigurationRuleArgsDict = {
            "apply_server_side_encryption_by_default": (
                {"sse_algorithm": "AES256"}
                if key_arn is None
                else {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn}
            )
        }
        if self._namespace(self.settings.names.trail_bucket):
            # With SSE-C whoever may write could replace a record by one that only they can read. S3 blocks it for new
            # buckets since April 2026; it is declared so that the plan of an update shows when somebody unblocked it.
            # Left out for the buckets of earlier stacks, as their namespace is.
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/blocking-unblocking-s3-c-encryption-gpb.html
            rule["blocked_encryption_types"] = ["SSE-C"]
        return rule

    def guards(self, bucket: aws.s3.Bucket) -> list[pulumi.Resource]:
        """The resources that protect the records; none where the settings leave an imported bucket unchanged."""
        settings = self.settings
        if ImportGroup.BUCKET in settings.kept_as_found:
            return []
        guards = self._guarded(
            self.name,
            bucket,
            _retention(settings.trail_retention_days, _LOGS, archive_days=settings.trail_archive_days),
            trail_bucket_policy_of(settings),
            key_arn=self.key_arn,
            kind=ResourceKind.BUCKET,
        )
        if settings.trail_lock is not ObjectLock.NONE:
            guards.append(self._lock(bucket, guards))
        if settings.access_logging:
            guards.append(self._access_logging(bucket))
        return guards

    def _lock(self, bucket: aws.s3.Bucket, after: Sequence[pulumi.Resource]) -> aws.s3.BucketObjectLockConfiguration:
        # S3 enables it for any versioned bucket, whatever is in it, and never disables it again.
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
            bucket_namespace=self._namespace(settings.names.access_log_bucket),
            force_destroy=False,
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(self.retained, import_options(settings, ResourceKind.ACCESS_LOG_BUCKET)),
        )
        # S3 delivers access logs neither to a bucket with KMS encryption by default nor to one with Object Lock. They
        # are small: in the cheaper storage each would be billed as 128 KB.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
        guards = self._guarded(
            name,
            target,
            _retention(settings.trail_retention_days, _ACCESS_LOGS, archive_days=0),
            access_log_bucket_policy_of(settings),
            key_arn=None,
            kind=ResourceKind.ACCESS_LOG_BUCKET,
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
        kind: ResourceKind,
    ) -> list[pulumi.Resource]:
        def guard(setting: str, after: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
            return self._guard(ResourceKind(f"{kind}-{setting}"), after=after)

        private, owned = self._without_public_access(name, bucket, guard)
        versioned = aws.s3.BucketVersioning(
            name,
            bucket=bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=guard("versioning"),
        )
        # No S3 Bucket Key: it would save a few KMS calls, but CloudTrail would need the right to decrypt.
        # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
        encrypted = aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.id,
            rules=[self._encryption(key_arn)],
            opts=guard("encryption"),
        )
        # S3 accepts rules on noncurrent versions only for a versioned bucket.
        lifecycle = aws.s3.BucketLifecycleConfiguration(
            name, bucket=bucket.id, rules=retention, opts=guard("lifecycle", [versioned])
        )
        # S3 refuses two changes of a bucket's access at once (OperationAborted).
        policy = aws.s3.BucketPolicy(
            name,
            bucket=bucket.id,
            policy=json.dumps(document),
            opts=guard("policy", [private, owned]),
        )
        return [private, owned, versioned, encrypted, lifecycle, policy]

    def _without_public_access(
        self, name: str, bucket: aws.s3.Bucket, guard: Callable[[str], pulumi.ResourceOptions]
    ) -> tuple[pulumi.Resource, pulumi.Resource]:
        private = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=guard("public-access"),
        )
        # No ACLs. CloudTrail still sends bucket-owner-full-control, the only ACL that such a bucket accepts.
        owned = aws.s3.BucketOwnershipControls(
            name,
            bucket=bucket.id,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=guard("ownership"),
        )
        return private, owned

    def _guard(
        self, kind: ResourceKind | None = None, *, after: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        options = pulumi.ResourceOptions.merge(self.retained, pulumi.ResourceOptions(depends_on=list(after)))
        return pulumi.ResourceOptions.merge(options, import_options(self.settings, kind)) if kind else options


def _retention(days: int, prefix: str, *, archive_days: int) -> list[_Rule]:
    # A version that was overwritten or deleted, which no log should be, is kept for the whole retention from that day,
    # so that no record is lost early.
    rule: _Rule = {
        "id": "expire-after-retention",
        "status": "Enabled",
        "filter": {"prefix": prefix},
        "expiration": {"days": days},
        "noncurrent_version_expiration": {"noncurrent_days": days},
    }
    if 0 < archive_days < days:
        # Objects under 128 KB are not moved, which is S3's default: the cheaper storage would bill each as 128 KB.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
        rule["transitions"] = [{"days": archive_days, "storage_class": ARCHIVE_STORAGE}]
        rule["noncurrent_version_transitions"] = [{"noncurrent_days": archive_days, "storage_class": ARCHIVE_STORAGE}]
    # A separate rule, because it is about the whole bucket: the parts of an interrupted upload are no record.
    uploads: _Rule = {
        "id": "abort-incomplete-uploads",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "abort_incomplete_multipart_upload": {"days_after_initiation": _DAYS_FOR_AN_UPLOAD},
    }
    return [rule, uploads]
