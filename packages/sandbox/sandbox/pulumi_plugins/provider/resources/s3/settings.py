"""The settings of an S3 bucket, each a resource whose id is the bucket's name.

Touches S3 at the endpoint of the Region that is passed to it.
"""

from typing import Any, ClassVar

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import none_if_missing, retry_unknown_principals
from sandbox.pulumi_plugins.provider.resource_type import ResourceType, from_aws, to_aws, without_none
from sandbox.pulumi_plugins.provider.resources.s3.bucket import NO_BUCKET
from sandbox.pulumi_plugins.provider.values import Properties


class BucketSetting(ResourceType):
    """A setting: one call puts it, one gets it, one removes it."""

    call: ClassVar[str]
    """The name in S3's three calls: put_…, get_…, delete_…."""
    argument: ClassVar[str]
    """The argument of put_…, which get_… returns."""
    not_found: ClassVar[tuple[str, ...]] = NO_BUCKET

    force_new = frozenset({"bucket"})
    unsupported = frozenset({"expectedBucketOwner"})

    def put(self, region: Region, inputs: Properties) -> None:
        """Set it, in place of the existing value."""
        setting = {name: value for name, value in inputs.items() if name not in ("bucket", "region", *self.write_only)}
        getattr(region.s3, f"put_{self.call}")(Bucket=inputs["bucket"], **{self.argument: to_aws(setting)})

    def get(self, region: Region, bucket: str) -> Properties | None:
        return dict(from_aws(getattr(region.s3, f"get_{self.call}")(Bucket=bucket)[self.argument]))

    def clear(self, region: Region, state: Properties) -> None:
        """Remove it, and see that it is gone."""
        getattr(region.s3, f"delete_{self.call}")(Bucket=state["bucket"])
        none_if_missing(lambda: self.get(region, state["bucket"]), *self.not_found)

    def recorded_id(self, resource_id: str, state: Properties) -> str:
        return str(state["bucket"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        bucket = resource_id.partition(",")[0]
        current = self.get(region, bucket)
        return None if current is None else {"bucket": bucket, **current}

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        self.clear(region, state)


class BucketVersioning(BucketSetting):
    token = "aws:s3/bucketVersioning:BucketVersioning"
    display_name = "S3 Bucket Versioning"
    write_only = frozenset({"mfa"})

    def put(self, region: Region, inputs: Properties) -> None:
        """Enable or suspend; "Disabled" is the status of a bucket without the setting."""
        requested = inputs["versioningConfiguration"]
        if requested["status"] == "Disabled":
            return
        configuration = without_none(Status=requested["status"], MFADelete=requested.get("mfaDelete"))
        region.s3.put_bucket_versioning(
            Bucket=inputs["bucket"], VersioningConfiguration=configuration, **without_none(MFA=inputs.get("mfa"))
        )

    def get(self, region: Region, bucket: str) -> Properties | None:
        current = region.s3.get_bucket_versioning(Bucket=bucket)
        mfa = current.get("MFADelete")
        return {
            "versioningConfiguration": without_none(
                status=current.get("Status", "Disabled"), mfaDelete=None if mfa == "Disabled" else mfa
            )
        }

    def clear(self, region: Region, state: Properties) -> None:
        """Enabled versioning can only be suspended."""
        if state["versioningConfiguration"]["status"] != "Disabled":
            region.s3.put_bucket_versioning(Bucket=state["bucket"], VersioningConfiguration={"Status": "Suspended"})


class BucketServerSideEncryptionConfiguration(BucketSetting):
    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    display_name = "S3 Bucket Server-side Encryption Configuration"
    call = "bucket_encryption"
    argument = "ServerSideEncryptionConfiguration"
    not_found = (*NO_BUCKET, "ServerSideEncryptionConfigurationNotFoundError")
    sets = frozenset({"rules"})

    def put(self, region: Region, inputs: Properties) -> None:
        """Set the rule; S3 has the blocked types one level deeper."""
        rules = [
            {**rule, "blockedEncryptionTypes": {"encryptionType": blocked}}
            if (blocked := rule.get("blockedEncryptionTypes"))
            else rule
            for rule in inputs["rules"]
        ]
        super().put(region, {**inputs, "rules": rules})

    def clear(self, region: Region, state: Properties) -> None:
        region.s3.delete_bucket_encryption(Bucket=state["bucket"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The rule; blocked types that no program declares are S3's own choice, and no difference."""
        current = super().read(region, resource_id, known)
        rules = known.get("rules") or ()
        declared = [rule["blockedEncryptionTypes"] for rule in rules if rule.get("blockedEncryptionTypes")]
        for rule in (current or {}).get("rules", ()):
            blocked = rule.pop("blockedEncryptionTypes", {}).get("encryptionType")
            if declared:
                # Another emulator may not know them.
                rule["blockedEncryptionTypes"] = blocked or declared[0]
        return current


class BucketPublicAccessBlock(BucketSetting):
    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    display_name = "S3 Bucket Public Access Block"
    call = "public_access_block"
    argument = "PublicAccessBlockConfiguration"
    not_found = (*NO_BUCKET, "NoSuchPublicAccessBlockConfiguration")
    write_only = frozenset({"skipDestroy"})
    defaults = dict.fromkeys(
        ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), False
    )


class BucketOwnershipControls(BucketSetting):
    """The owner of objects that other accounts put."""

    token = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    display_name = "S3 Bucket Ownership Controls"
    call = "bucket_ownership_controls"
    not_found = (*NO_BUCKET, "OwnershipControlsNotFoundError")

    def put(self, region: Region, inputs: Properties) -> None:
        controls = {"Rules": [to_aws(inputs["rule"])]}
        region.s3.put_bucket_ownership_controls(Bucket=inputs["bucket"], OwnershipControls=controls)

    def get(self, region: Region, bucket: str) -> Properties | None:
        current = region.s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
        return {"rule": from_aws(current[0])} if current else None


class BucketPolicy(BucketSetting):
    token = "aws:s3/bucketPolicy:BucketPolicy"
    display_name = "S3 Bucket Policy"
    call = "bucket_policy"
    not_found = (*NO_BUCKET, "NoSuchBucketPolicy")
    documents = frozenset({"policy"})

    def put(self, region: Region, inputs: Properties) -> None:
        bucket, policy = inputs["bucket"], inputs["policy"]
        retry_unknown_principals(lambda: region.s3.put_bucket_policy(Bucket=bucket, Policy=policy))

    def get(self, region: Region, bucket: str) -> Properties | None:
        return {"policy": region.s3.get_bucket_policy(Bucket=bucket)["Policy"]}


class BucketLogging(BucketSetting):
    """The target of the bucket's access logs."""

    token = "aws:s3/bucketLogging:BucketLogging"
    display_name = "S3 Bucket Logging"

    def put(self, region: Region, inputs: Properties) -> None:
        enabled = without_none(
            TargetBucket=inputs["targetBucket"],
            TargetPrefix=inputs["targetPrefix"],
            TargetGrants=to_aws(inputs.get("targetGrants")),
            TargetObjectKeyFormat=to_aws(inputs.get("targetObjectKeyFormat")),
        )
        region.s3.put_bucket_logging(Bucket=inputs["bucket"], BucketLoggingStatus={"LoggingEnabled": enabled})

    def get(self, region: Region, bucket: str) -> Properties | None:
        enabled = region.s3.get_bucket_logging(Bucket=bucket).get("LoggingEnabled")
        return dict(from_aws(enabled)) if enabled else None

    def clear(self, region: Region, state: Properties) -> None:
        region.s3.put_bucket_logging(Bucket=state["bucket"], BucketLoggingStatus={})


class BucketLifecycleConfiguration(BucketSetting):
    """When objects move and expire."""

    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    display_name = "S3 Bucket Lifecycle Configuration"
    creation_seconds = 30.0
    call = "bucket_lifecycle"
    not_found = (*NO_BUCKET, "NoSuchLifecycleConfiguration")
    computed = frozenset({"transitionDefaultMinimumObjectSize"})
    write_only = frozenset({"timeouts"})

    def put(self, region: Region, inputs: Properties) -> None:
        """Set the rules; a rule without a filter applies to every object."""
        rules = [_lifecycle_rule(rule) for rule in inputs.get("rules") or []]
        region.s3.put_bucket_lifecycle_configuration(
            Bucket=inputs["bucket"],
            LifecycleConfiguration={"Rules": rules},
            **without_none(TransitionDefaultMinimumObjectSize=inputs.get("transitionDefaultMinimumObjectSize")),
        )

    def get(self, region: Region, bucket: str) -> Properties | None:
        current = region.s3.get_bucket_lifecycle_configuration(Bucket=bucket)
        return {
            "rules": from_aws(current["Rules"]),
            "transitionDefaultMinimumObjectSize": current.get("TransitionDefaultMinimumObjectSize"),
        }


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
    not_found = (*NO_BUCKET, "ObjectLockConfigurationNotFoundError")
    force_new = BucketSetting.force_new | {"objectLockEnabled"}
    write_only = frozenset({"token"})
    defaults = {"objectLockEnabled": "Enabled"}

    def put(self, region: Region, inputs: Properties) -> None:
        """Set the default retention."""
        configuration = without_none(ObjectLockEnabled="Enabled", Rule=to_aws(inputs.get("rule")))
        region.s3.put_object_lock_configuration(
            Bucket=inputs["bucket"], ObjectLockConfiguration=configuration, **without_none(Token=inputs.get("token"))
        )

    def get(self, region: Region, bucket: str) -> Properties | None:
        current = region.s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
        rule = from_aws(current.get("Rule")) or None
        return {"objectLockEnabled": current.get("ObjectLockEnabled"), "rule": rule}

    def clear(self, region: Region, state: Properties) -> None:
        """Object Lock cannot be disabled: only its rule is removed."""
        region.s3.put_object_lock_configuration(
            Bucket=state["bucket"], ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
        )


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
