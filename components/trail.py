"""`AuditTrail`: the CloudTrail trail that records every use of the key, its key and its buckets.

Touches the Pulumi engine only: it registers resources.
"""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from components.buckets import TrailBuckets
from components.configuration import import_options
from components.other_key import make_other_key
from components.policies.stack import log_role_policies_of, logs_key_of, logs_to_cloudwatch
from components.settings import ImportGroup, ResourceKind, Settings

LOG_GROUP_RETENTION_DAYS = 365
"""CloudWatch Logs is for searching; the bucket keeps the records."""


class AuditTrail(pulumi.ComponentResource):
    """The trail, its key and its buckets; nothing at all when the settings name a trail that exists."""

    trail_arn: pulumi.Output[str]
    bucket_name: pulumi.Output[str]
    key_arn: pulumi.Output[str] | None
    """The key of the logs and the alerts; None without one."""

    def __init__(self, name: str, settings: Settings) -> None:
        super().__init__("eonpro:kms:AuditTrail", name, {})
        # The records must outlast the stack, and so must what protects them.
        self._retained = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        self.key_arn = None
        if settings.existing_trail_arn is not None:
            self.trail_arn = pulumi.Output.from_input(settings.existing_trail_arn)
            self.bucket_name = pulumi.Output.from_input(settings.names.trail_bucket)
        else:
            if settings.trail_key:
                self.key_arn = self._key(name, settings)
            buckets = TrailBuckets(
                name=name,
                settings=settings,
                key_arn=self.key_arn,
                retained=self._retained,
            )
            bucket = buckets.bucket()
            trail = self._trail(name, settings, bucket, buckets.guards(bucket))
            self.trail_arn = trail.arn
            self.bucket_name = bucket.bucket
        self.register_outputs({"trailArn": self.trail_arn, "bucketName": self.bucket_name, "keyArn": self.key_arn})

    def _trail(
        self, name: str, settings: Settings, bucket: aws.s3.Bucket, guards: list[pulumi.Resource]
    ) -> aws.cloudtrail.Trail:
        group, role, *permissions = self._log_group(name, settings) if logs_to_cloudwatch(settings) else (None, None)
        imported = import_options(settings, ResourceKind.TRAIL, group=ImportGroup.TRAIL, properties=_TRAIL_PROPERTIES)
        return aws.cloudtrail.Trail(
            name,
            name=settings.names.trail,
            s3_bucket_name=bucket.bucket,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            enable_logging=True,
            # No event selectors: a trail without any records every management event, including reads and KMS, and the
            # provider reads a trail with only this selector as one without selectors. Declared, it would always
            # differ; left out, a selector that somebody adds is a difference, and an update removes it.
            kms_key_id=self.key_arn,
            cloud_watch_logs_group_arn=pulumi.Output.concat(group.arn, ":*") if group else None,
            cloud_watch_logs_role_arn=role.arn if role else None,
            tags=settings.tags,
            # CreateTrail tests that it can write to the bucket and the log group, so that they come first. Protected,
            # because `pulumi destroy` deletes what it can before it stops at the protected key: it must not delete the
            # record of who did that.
            opts=pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions(
                    parent=self,
                    depends_on=[*guards, *permissions],
                    protect=True,
                    # It records who removes the stack.
                    retain_on_delete=True,
                ),
                imported,
            ),
        )

    def _log_group(
        self, name: str, settings: Settings
    ) -> tuple[aws.cloudwatch.LogGroup, aws.iam.Role, aws.iam.RolePolicy]:
        child = pulumi.ResourceOptions(parent=self)
        trust, document = log_role_policies_of(settings)
        group = aws.cloudwatch.LogGroup(
            f"{name}-logs",
            name=settings.names.log_group,
            retention_in_days=LOG_GROUP_RETENTION_DAYS,
            kms_key_id=self.key_arn,
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(child, import_options(settings, ResourceKind.LOG_GROUP)),
        )
        role = aws.iam.Role(
            f"{name}-logs",
            name=settings.names.log_role,
            description=f"CloudTrail: writes the {settings.names.label} audit trail to CloudWatch Logs",
            assume_role_policy=json.dumps(trust),
            permissions_boundary=settings.permissions_boundary_arn,
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(child, import_options(settings, ResourceKind.LOG_ROLE)),
        )
        permissions = aws.iam.RolePolicy(
            f"{name}-logs",
            name=settings.names.log_role,
            role=role.name,
            policy=json.dumps(document),
            opts=child,
        )
        return group, role, permissions

    def _key(self, name: str, settings: Settings) -> pulumi.Output[str]:
        return make_other_key(
            f"{name}-key",
            settings,
            logs_key_of(settings),
            description=f"{settings.names.label} audit log encryption key, not for PHI",
            retained=self._retained,
        )


_TRAIL_PROPERTIES = (
    "advancedEventSelectors",
    "cloudWatchLogsGroupArn",
    "cloudWatchLogsRoleArn",
    "enableLogFileValidation",
    "enableLogging",
    "eventSelectors",
    "includeGlobalServiceEvents",
    "insightSelectors",
    "isMultiRegionTrail",
    "isOrganizationTrail",
    "kmsKeyId",
    "s3BucketName",
    "s3KeyPrefix",
    "snsTopicName",
    "tags",
)
