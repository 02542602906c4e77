"""S3: how long a bucket's objects are kept, in which storage, and who may not delete them before.

May touch S3 at the endpoint of the region it is handed.
"""

from __future__ import annotations

from typing import Any

from sandbox.plugins.provider.endpoint import Region
from sandbox.plugins.provider.kind import present
from sandbox.plugins.provider.kinds.bucket_settings import BucketSetting
from sandbox.plugins.provider.kinds.s3_spelling import from_aws, to_aws
from sandbox.plugins.provider.values import Properties


class BucketLifecycleConfiguration(BucketSetting):
    """When objects move and expire."""

    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    what = "S3 Bucket Lifecycle Configuration"
    absent = ("NoSuchLifecycleConfiguration",)
    computed = frozenset({"transitionDefaultMinimumObjectSize"})
    write_only = BucketSetting.write_only | {"timeouts"}

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set the rules; a rule without a filter applies to every object."""
        rules = [_lifecycle_rule(rule) for rule in inputs.get("rules") or []]
        region.s3.put_bucket_lifecycle_configuration(
            Bucket=bucket,
            LifecycleConfiguration={"Rules": rules},
            **present(TransitionDefaultMinimumObjectSize=inputs.get("transitionDefaultMinimumObjectSize")),
        )

    def tell(self, region: Region, bucket: str) -> Properties | None:
        """The rules."""
        told = region.s3.get_bucket_lifecycle_configuration(Bucket=bucket)
        return {
            "rules": from_aws(told["Rules"]),
            "transitionDefaultMinimumObjectSize": told.get("TransitionDefaultMinimumObjectSize"),
        }

    def clear(self, region: Region, bucket: str) -> None:
        """Take the rules off."""
        region.s3.delete_bucket_lifecycle(Bucket=bucket)


def _lifecycle_rule(rule: Properties) -> dict[str, Any]:
    wanted: dict[str, Any] = to_aws(rule)
    if "Prefix" not in wanted:
        wanted.setdefault("Filter", {"Prefix": ""})
        wanted["Filter"] = wanted["Filter"] or {"Prefix": ""}
    return wanted


class BucketObjectLockConfiguration(BucketSetting):
    """How long new versions are locked."""

    token = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
    what = "S3 Bucket Object Lock Configuration"
    absent = ("ObjectLockConfigurationNotFoundError",)
    force_new = BucketSetting.force_new | {"objectLockEnabled"}
    write_only = BucketSetting.write_only | {"token"}
    defaults = {"objectLockEnabled": "Enabled"}

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set the default retention."""
        configuration = present(ObjectLockEnabled="Enabled", Rule=to_aws(inputs.get("rule")))
        region.s3.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration=configuration, **present(Token=inputs.get("token"))
        )

    def tell(self, region: Region, bucket: str) -> Properties | None:
        """The default retention."""
        told = region.s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
        rule = from_aws(told.get("Rule")) or None
        return {"objectLockEnabled": told.get("ObjectLockEnabled"), "rule": rule}

    def clear(self, region: Region, bucket: str) -> None:
        """Object Lock cannot be switched off: only its rule goes."""
        region.s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})


KINDS = (BucketLifecycleConfiguration, BucketObjectLockConfiguration)
