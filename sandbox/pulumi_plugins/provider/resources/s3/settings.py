"""The settings of an S3 bucket, each a resource whose id is the bucket's name.

Touches S3 at the endpoint of the Region that is passed to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import none_if_missing, retry_unknown_principals
from sandbox.pulumi_plugins.provider.resource_type import ResourceType, without_none
from sandbox.pulumi_plugins.provider.values import Properties

_NO_BUCKET = ("404", "NoSuchBucket", "NotFound")


class BucketSetting(ResourceType):
    """A setting: one call puts it, one gets it, one removes it."""

    force_new = frozenset({"bucket", "expectedBucketOwner"})
    write_only = frozenset({"expectedBucketOwner"})
    absent: ClassVar[tuple[str, ...]] = ()
    """The error codes for a bucket without the setting."""

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set it, in place of the existing value."""
        raise NotImplementedError

    def get(self, region: Region, bucket: str) -> Properties | None:
        """The current setting, None where there is none."""
        raise NotImplementedError

    def clear(self, region: Region, bucket: str) -> None:
        """Remove it."""
        raise NotImplementedError

    def create(self, region: Region, inputs: Properties) -> str:
        """Put it on the bucket."""
        self.put(region, inputs["bucket"], inputs)
        return str(inputs["bucket"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The setting of the bucket."""
        bucket = resource_id.partition(",")[0]
        current = none_if_missing(lambda: self.get(region, bucket), *self.absent, *_NO_BUCKET)
        return None if current is None else {"bucket": bucket, **current}

    def update(
        self, region: Region, resource_id: str, old: Properties, new: Properties, changed: frozenset[str]
    ) -> None:
        """Put it again."""
        self.put(region, new["bucket"], new)

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Remove it from the bucket."""
        none_if_missing(lambda: self.clear(region, state["bucket"]), *self.absent, *_NO_BUCKET)


class BucketVersioning(BucketSetting):
    """Whether the bucket keeps versions."""

    token = "aws:s3/bucketVersioning:BucketVersioning"
    display_name = "S3 Bucket Versioning"
    write_only = BucketSetting.write_only | {"mfa"}

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Enable or suspend; "Disabled" is the status of a bucket without the setting."""
        requested = inputs["versioningConfiguration"]
        if requested["status"] == "Disabled":
            return
        configuration = without_none(Status=requested["status"], MFADelete=requested.get("mfaDelete"))
        region.s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration=configuration, **without_none(MFA=inputs.get("mfa"))
        )

    def get(self, region: Region, bucket: str) -> Properties | None:
        """The bucket's status."""
        current = region.s3.get_bucket_versioning(Bucket=bucket)
        mfa = current.get("MFADelete")
        return {
            "versioningConfiguration": without_none(
                status=current.get("Status", "Disabled"), mfaDelete=None if mfa == "Disabled" else mfa
            )
        }

    def clear(self, region: Region, bucket: str) -> None:
        """Enabled versioning can only be suspended."""
        if region.s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled":
            region.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


class BucketServerSideEncryptionConfiguration(BucketSetting):
    """The default encryption of the bucket's objects."""

    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    display_name = "S3 Bucket Server-side Encryption Configuration"
    absent = ("ServerSideEncryptionConfigurationNotFoundError",)
    sets = frozenset({"rules"})

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set the rules."""
        region.s3.put_bucket_encryption(
            Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": to_aws(inputs["rules"])}
        )

    def get(self, region: Region, bucket: str) -> Properties | None:
        """The rules."""
        current = region.s3.get_bucket_encryption(Bucket=bucket)
        return {"rules": from_aws(current["ServerSideEncryptionConfiguration"]["Rules"])}

    def clear(self, region: Region, bucket: str) -> None:
        """Return to S3's default encryption."""
        region.s3.delete_bucket_encryption(Bucket=bucket)


class BucketPublicAccessBlock(BucketSetting):
    """Whether the bucket can be public."""

    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    display_name = "S3 Bucket Public Access Block"
    absent = ("NoSuchPublicAccessBlockConfiguration",)
    force_new = frozenset({"bucket"})
    write_only = frozenset({"skipDestroy"})
    _switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    defaults = dict.fromkeys(_switches, False)

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set the four switches."""
        switches = {name[0].upper() + name[1:]: bool(inputs.get(name)) for name in self._switches}
        region.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=switches)

    def get(self, region: Region, bucket: str) -> Properties | None:
        """The four switches."""
        current = region.s3.get_public_access_block(Bucket=bucket)
        return dict(from_aws(current["PublicAccessBlockConfiguration"]))

    def clear(self, region: Region, bucket: str) -> None:
        """Remove the block."""
        region.s3.delete_public_access_block(Bucket=bucket)


class BucketOwnershipControls(BucketSetting):
    """Who owns the objects that other accounts put."""

    token = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    display_name = "S3 Bucket Ownership Controls"
    absent = ("OwnershipControlsNotFoundError",)
    force_new = frozenset({"bucket"})
    write_only = frozenset()

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set the rule."""
        region.s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [to_aws(inputs["rule"])]})

    def get(self, region: Region, bucket: str) -> Properties | None:
        """The rule."""
        current = region.s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
        return {"rule": from_aws(current[0])} if current else None

    def clear(self, region: Region, bucket: str) -> None:
        """Remove the rule."""
        region.s3.delete_bucket_ownership_controls(Bucket=bucket)


class BucketPolicy(BucketSetting):
    """The bucket's policy."""

    token = "aws:s3/bucketPolicy:BucketPolicy"
    display_name = "S3 Bucket Policy"
    absent = ("NoSuchBucketPolicy",)
    force_new = frozenset({"bucket"})
    write_only = frozenset()
    documents = frozenset({"policy"})

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set the policy."""
        policy = inputs["policy"]
        retry_unknown_principals(lambda: region.s3.put_bucket_policy(Bucket=bucket, Policy=policy))

    def get(self, region: Region, bucket: str) -> Properties | None:
        """The policy."""
        return {"policy": region.s3.get_bucket_policy(Bucket=bucket)["Policy"]}

    def clear(self, region: Region, bucket: str) -> None:
        """Remove the policy."""
        region.s3.delete_bucket_policy(Bucket=bucket)


class BucketLogging(BucketSetting):
    """The target of the bucket's access logs."""

    token = "aws:s3/bucketLogging:BucketLogging"
    display_name = "S3 Bucket Logging"

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set the target."""
        enabled = without_none(
            TargetBucket=inputs["targetBucket"],
            TargetPrefix=inputs["targetPrefix"],
            TargetGrants=to_aws(inputs.get("targetGrants")),
            TargetObjectKeyFormat=to_aws(inputs.get("targetObjectKeyFormat")),
        )
        region.s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})

    def get(self, region: Region, bucket: str) -> Properties | None:
        """The target, None without logging."""
        enabled = region.s3.get_bucket_logging(Bucket=bucket).get("LoggingEnabled")
        return dict(from_aws(enabled)) if enabled else None

    def clear(self, region: Region, bucket: str) -> None:
        """Disable the logs."""
        region.s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})


class BucketLifecycleConfiguration(BucketSetting):
    """When objects move and expire."""

    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    display_name = "S3 Bucket Lifecycle Configuration"
    absent = ("NoSuchLifecycleConfiguration",)
    computed = frozenset({"transitionDefaultMinimumObjectSize"})
    write_only = BucketSetting.write_only | {"timeouts"}

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set the rules; a rule without a filter applies to every object."""
        rules = [_lifecycle_rule(rule) for rule in inputs.get("rules") or []]
        region.s3.put_bucket_lifecycle_configuration(
            Bucket=bucket,
            LifecycleConfiguration={"Rules": rules},
            **without_none(TransitionDefaultMinimumObjectSize=inputs.get("transitionDefaultMinimumObjectSize")),
        )

    def get(self, region: Region, bucket: str) -> Properties | None:
        """The rules."""
        current = region.s3.get_bucket_lifecycle_configuration(Bucket=bucket)
        return {
            "rules": from_aws(current["Rules"]),
            "transitionDefaultMinimumObjectSize": current.get("TransitionDefaultMinimumObjectSize"),
        }

    def clear(self, region: Region, bucket: str) -> None:
        """Remove the rules."""
        region.s3.delete_bucket_lifecycle(Bucket=bucket)


def _lifecycle_rule(rule: Properties) -> dict[str, Any]:
    requested: dict[str, Any] = to_aws(rule)
    if "Prefix" not in requested:
        requested.setdefault("Filter", {"Prefix": ""})
        requested["Filter"] = requested["Filter"] or {"Prefix": ""}
    return requested


class BucketObjectLockConfiguration(BucketSetting):
    """The default retention of new object versions."""

    token = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
    display_name = "S3 Bucket Object Lock Configuration"
    absent = ("ObjectLockConfigurationNotFoundError",)
    force_new = BucketSetting.force_new | {"objectLockEnabled"}
    write_only = BucketSetting.write_only | {"token"}
    defaults = {"objectLockEnabled": "Enabled"}

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set the default retention."""
        configuration = without_none(ObjectLockEnabled="Enabled", Rule=to_aws(inputs.get("rule")))
        region.s3.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration=configuration, **without_none(Token=inputs.get("token"))
        )

    def get(self, region: Region, bucket: str) -> Properties | None:
        """The default retention."""
        current = region.s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
        rule = from_aws(current.get("Rule")) or None
        return {"objectLockEnabled": current.get("ObjectLockEnabled"), "rule": rule}

    def clear(self, region: Region, bucket: str) -> None:
        """Object Lock cannot be disabled: only its rule is removed."""
        region.s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})


_TO_AWS = {
    "and": "And",
    "id": "ID",
    "kmsMasterKeyId": "KMSMasterKeyID",
    "sseAlgorithm": "SSEAlgorithm",
    "transitions": "Transitions",
    "noncurrentVersionTransitions": "NoncurrentVersionTransitions",
    "tags": "Tags",
    "uri": "URI",
}
_FROM_AWS = {aws: name for name, aws in _TO_AWS.items()}


def to_aws(value: Any) -> Any:
    """Nested properties with the names of the S3 API, without empty values."""
    if isinstance(value, Mapping):
        return {
            _TO_AWS.get(name, name[0].upper() + name[1:]): _tags_to_aws(name, part)
            for name, part in value.items()
            if part is not None and part != ""
        }
    if isinstance(value, list):
        return [to_aws(element) for element in value]
    return value


def _tags_to_aws(name: str, part: Any) -> Any:
    if name == "tags" and isinstance(part, Mapping):
        return [{"Key": key, "Value": text} for key, text in part.items()]
    return to_aws(part)


def from_aws(value: Any) -> Any:
    """Nested properties with the names of the SDK."""
    if isinstance(value, Mapping):
        return {
            _FROM_AWS.get(name, name[0].lower() + name[1:]): _tags_from_aws(name, part) for name, part in value.items()
        }
    if isinstance(value, list):
        return [from_aws(element) for element in value]
    if hasattr(value, "isoformat"):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def _tags_from_aws(name: str, part: Any) -> Any:
    if name == "Tags" and isinstance(part, list):
        return {tag["Key"]: tag["Value"] for tag in part}
    return from_aws(part)


RESOURCE_TYPES = (
    BucketVersioning,
    BucketServerSideEncryptionConfiguration,
    BucketPublicAccessBlock,
    BucketOwnershipControls,
    BucketPolicy,
    BucketLogging,
    BucketLifecycleConfiguration,
    BucketObjectLockConfiguration,
)
