"""S3: what is set on a bucket, each setting a resource whose id is the bucket's name.

May touch S3 at the endpoint of the region it is handed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import found, once_principals_are_seen
from sandbox.pulumi_plugins.provider.resource_type import Kind, present
from sandbox.pulumi_plugins.provider.values import Properties

_NO_BUCKET = ("404", "NoSuchBucket", "NotFound")


class BucketSetting(Kind):
    """A setting: one call puts it, one tells it, one takes it off."""

    force_new = frozenset({"bucket", "expectedBucketOwner"})
    write_only = frozenset({"expectedBucketOwner"})
    absent: ClassVar[tuple[str, ...]] = ()
    """The codes by which S3 says that a bucket has no such setting."""

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set it, over what was there."""
        raise NotImplementedError

    def tell(self, region: Region, bucket: str) -> Properties | None:
        """What is set, None where nothing is."""
        raise NotImplementedError

    def clear(self, region: Region, bucket: str) -> None:
        """Take it off."""
        raise NotImplementedError

    def create(self, region: Region, inputs: Properties) -> str:
        """Set it on the bucket."""
        self.put(region, inputs["bucket"], inputs)
        return str(inputs["bucket"])

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """What is set on the bucket."""
        bucket = ident.partition(",")[0]
        told = found(lambda: self.tell(region, bucket), *self.absent, *_NO_BUCKET)
        return None if told is None else {"bucket": bucket, **told}

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """Set it anew."""
        self.put(region, new["bucket"], new)

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Take it off the bucket."""
        found(lambda: self.clear(region, state["bucket"]), *self.absent, *_NO_BUCKET)


class BucketVersioning(BucketSetting):
    """Whether the bucket keeps versions."""

    token = "aws:s3/bucketVersioning:BucketVersioning"
    what = "S3 Bucket Versioning"
    write_only = BucketSetting.write_only | {"mfa"}

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Enable or suspend; "Disabled" is what a bucket without the setting is."""
        wanted = inputs["versioningConfiguration"]
        if wanted["status"] == "Disabled":
            return
        configuration = present(Status=wanted["status"], MFADelete=wanted.get("mfaDelete"))
        region.s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration=configuration, **present(MFA=inputs.get("mfa"))
        )

    def tell(self, region: Region, bucket: str) -> Properties | None:
        """The bucket's status."""
        told = region.s3.get_bucket_versioning(Bucket=bucket)
        mfa = told.get("MFADelete")
        return {
            "versioningConfiguration": present(
                status=told.get("Status", "Disabled"), mfaDelete=None if mfa == "Disabled" else mfa
            )
        }

    def clear(self, region: Region, bucket: str) -> None:
        """Versioning that was once enabled can only be suspended."""
        if region.s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled":
            region.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


class BucketServerSideEncryptionConfiguration(BucketSetting):
    """How the bucket encrypts what is put into it."""

    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    what = "S3 Bucket Server-side Encryption Configuration"
    absent = ("ServerSideEncryptionConfigurationNotFoundError",)
    sets = frozenset({"rules"})

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set the rules."""
        region.s3.put_bucket_encryption(
            Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": to_aws(inputs["rules"])}
        )

    def tell(self, region: Region, bucket: str) -> Properties | None:
        """The rules."""
        told = region.s3.get_bucket_encryption(Bucket=bucket)
        return {"rules": from_aws(told["ServerSideEncryptionConfiguration"]["Rules"])}

    def clear(self, region: Region, bucket: str) -> None:
        """Back to S3's own encryption."""
        region.s3.delete_bucket_encryption(Bucket=bucket)


class BucketPublicAccessBlock(BucketSetting):
    """Whether the bucket can be made public."""

    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    what = "S3 Bucket Public Access Block"
    absent = ("NoSuchPublicAccessBlockConfiguration",)
    force_new = frozenset({"bucket"})
    write_only = frozenset({"skipDestroy"})
    _switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    defaults = dict.fromkeys(_switches, False)

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set the four switches."""
        switches = {name[0].upper() + name[1:]: bool(inputs.get(name)) for name in self._switches}
        region.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=switches)

    def tell(self, region: Region, bucket: str) -> Properties | None:
        """The four switches."""
        told = region.s3.get_public_access_block(Bucket=bucket)
        return dict(from_aws(told["PublicAccessBlockConfiguration"]))

    def clear(self, region: Region, bucket: str) -> None:
        """Take the block off."""
        region.s3.delete_public_access_block(Bucket=bucket)


class BucketOwnershipControls(BucketSetting):
    """Who owns the objects that others put."""

    token = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    what = "S3 Bucket Ownership Controls"
    absent = ("OwnershipControlsNotFoundError",)
    force_new = frozenset({"bucket"})
    write_only = frozenset()

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set the rule."""
        region.s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [to_aws(inputs["rule"])]})

    def tell(self, region: Region, bucket: str) -> Properties | None:
        """The rule."""
        told = region.s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
        return {"rule": from_aws(told[0])} if told else None

    def clear(self, region: Region, bucket: str) -> None:
        """Take the rule off."""
        region.s3.delete_bucket_ownership_controls(Bucket=bucket)


class BucketPolicy(BucketSetting):
    """Who may do what with the bucket."""

    token = "aws:s3/bucketPolicy:BucketPolicy"
    what = "S3 Bucket Policy"
    absent = ("NoSuchBucketPolicy",)
    force_new = frozenset({"bucket"})
    write_only = frozenset()
    documents = frozenset({"policy"})

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set the policy."""
        policy = inputs["policy"]
        once_principals_are_seen(lambda: region.s3.put_bucket_policy(Bucket=bucket, Policy=policy))

    def tell(self, region: Region, bucket: str) -> Properties | None:
        """The policy."""
        return {"policy": region.s3.get_bucket_policy(Bucket=bucket)["Policy"]}

    def clear(self, region: Region, bucket: str) -> None:
        """Take the policy off."""
        region.s3.delete_bucket_policy(Bucket=bucket)


class BucketLogging(BucketSetting):
    """Where accesses to the bucket are logged."""

    token = "aws:s3/bucketLogging:BucketLogging"
    what = "S3 Bucket Logging"

    def put(self, region: Region, bucket: str, inputs: Properties) -> None:
        """Set the target."""
        enabled = present(
            TargetBucket=inputs["targetBucket"],
            TargetPrefix=inputs["targetPrefix"],
            TargetGrants=to_aws(inputs.get("targetGrants")),
            TargetObjectKeyFormat=to_aws(inputs.get("targetObjectKeyFormat")),
        )
        region.s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})

    def tell(self, region: Region, bucket: str) -> Properties | None:
        """The target, None where nothing is logged."""
        enabled = region.s3.get_bucket_logging(Bucket=bucket).get("LoggingEnabled")
        return dict(from_aws(enabled)) if enabled else None

    def clear(self, region: Region, bucket: str) -> None:
        """Log no more."""
        region.s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})


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
    """Nested properties in the spelling of the S3 API, zero values left out."""
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
    """Nested properties in the spelling of the SDK."""
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


KINDS = (
    BucketVersioning,
    BucketServerSideEncryptionConfiguration,
    BucketPublicAccessBlock,
    BucketOwnershipControls,
    BucketPolicy,
    BucketLogging,
    BucketLifecycleConfiguration,
    BucketObjectLockConfiguration,
)
