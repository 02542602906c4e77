"""`AuditTrail`: the CloudTrail trail that records every use of the key, and the bucket that keeps them.

Touches the Pulumi engine only: it registers resources.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policies
from components.contract import Settings

_LOGS = "AWSLogs/"
_DAYS_FOR_AN_UPLOAD = 7


@dataclass(frozen=True, kw_only=True)
class AuditTrailArgs:
    """What an AuditTrail is made of."""

    settings: Settings


class AuditTrail(pulumi.ComponentResource):
    """The trail and its bucket; nothing at all when the settings name a trail that exists."""

    trail_arn: pulumi.Output[str]
    bucket_name: pulumi.Output[str]

    def __init__(self, name: str, args: AuditTrailArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eonpro:kms:AuditTrail", name, {}, opts)
        settings = args.settings
        if settings.existing_trail_arn is not None:
            self.trail_arn = pulumi.Output.from_input(settings.existing_trail_arn)
            self.bucket_name = pulumi.Output.from_input(settings.names.trail_bucket)
        else:
            bucket = self._bucket(name, settings)
            trail = aws.cloudtrail.Trail(
                name,
                name=settings.names.trail,
                s3_bucket_name=bucket.bucket,
                is_multi_region_trail=True,
                include_global_service_events=True,
                enable_log_file_validation=True,
                enable_logging=True,
                tags=settings.tags,
                # CreateTrail tries to write to the bucket; and the first log finds it guarded already. Protected,
                # for a `pulumi destroy` takes what it can before it stops at the key: not the record of who did it.
                opts=pulumi.ResourceOptions(parent=self, depends_on=self._guards(name, bucket, settings), protect=True),
            )
            self.trail_arn = trail.arn
            self.bucket_name = bucket.bucket
        self.register_outputs({"trailArn": self.trail_arn, "bucketName": self.bucket_name})

    def _bucket(self, name: str, settings: Settings) -> aws.s3.Bucket:
        return aws.s3.Bucket(
            name,
            bucket=settings.names.trail_bucket,
            force_destroy=False,
            tags=settings.tags,
            # The records must outlast the stack.
            opts=pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True),
        )

    def _guards(self, name: str, bucket: aws.s3.Bucket, settings: Settings) -> list[pulumi.Resource]:
        # A bucket that is kept keeps what makes it safe.
        guard = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        private = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=guard,
        )
        # No ACLs. CloudTrail goes on sending bucket-owner-full-control, the one ACL that such a bucket takes.
        owned = aws.s3.BucketOwnershipControls(
            name, bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"}, opts=guard
        )
        versioned = aws.s3.BucketVersioning(
            name, bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=guard
        )
        encrypted = aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.id,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=guard,
        )
        kept = aws.s3.BucketLifecycleConfiguration(
            name,
            bucket=bucket.id,
            rules=_lifecycle(settings.trail_retention_days),
            # S3 takes rules on noncurrent versions for a versioned bucket.
            opts=pulumi.ResourceOptions.merge(guard, pulumi.ResourceOptions(depends_on=[versioned])),
        )
        admitted = aws.s3.BucketPolicy(
            name,
            bucket=bucket.id,
            policy=json.dumps(
                policies.trail_bucket_policy(
                    bucket=settings.names.trail_bucket,
                    account_id=settings.account_id,
                    trail_arn=policies.trail_arn(
                        account_id=settings.account_id,
                        region=settings.region,
                        name=settings.names.trail,
                        partition=settings.partition,
                    ),
                    partition=settings.partition,
                )
            ),
            # S3 refuses two changes of a bucket's access at once (OperationAborted).
            opts=pulumi.ResourceOptions.merge(guard, pulumi.ResourceOptions(depends_on=[private, owned])),
        )
        return [private, owned, versioned, encrypted, kept, admitted]


def _lifecycle(retention_days: int) -> list[aws.s3.BucketLifecycleConfigurationRuleArgsDict]:
    # A version that was overwritten or deleted, which no log should be, is kept for the whole retention from
    # that day: however early it happened, the record is not gone before its time.
    return [
        {
            "id": "expire-after-retention",
            "status": "Enabled",
            "filter": {"prefix": _LOGS},
            "expiration": {"days": retention_days},
            "noncurrent_version_expiration": {"noncurrent_days": retention_days},
            "abort_incomplete_multipart_upload": {"days_after_initiation": _DAYS_FOR_AN_UPLOAD},
        },
    ]
