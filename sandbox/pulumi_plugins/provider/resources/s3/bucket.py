"""S3: the bucket itself; what is set on it are resources of their own, in `bucket_settings`.

May touch S3 at the endpoint of the region it is handed.
"""

from __future__ import annotations

from typing import Any

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import found
from sandbox.pulumi_plugins.provider.resource_type import Kind, tag_list, tag_map
from sandbox.pulumi_plugins.provider.values import Properties

_GONE = ("404", "NoSuchBucket", "NotFound")
_NO_TAGS = ("NoSuchTagSet", "NoSuchTagSetError")


class Bucket(Kind):
    """A bucket; its id is its name."""

    token = "aws:s3/bucket:Bucket"
    what = "S3 Bucket"
    force_new = frozenset({"bucket", "bucketNamespace", "bucketPrefix", "objectLockEnabled"})
    computed = frozenset({"bucketNamespace", "objectLockEnabled"})
    defaults = {"forceDestroy": False}
    write_only = frozenset({"forceDestroy"})
    # Deprecated in the real provider in favour of resources of their own.
    unsupported = frozenset(
        {
            "accelerationStatus",
            "acl",
            "bucketNamespace",
            "corsRules",
            "grants",
            "lifecycleRules",
            "logging",
            "objectLockConfiguration",
            "policy",
            "replicationConfiguration",
            "requestPayer",
            "serverSideEncryptionConfiguration",
            "versioning",
            "website",
        }
    )
    name_input = "bucket"
    name_limit = 63
    name_is_lowercase = True

    def create(self, region: Region, inputs: Properties) -> str:
        """Create the bucket in its region."""
        arguments: dict[str, Any] = {"Bucket": inputs["bucket"]}
        if inputs.get("objectLockEnabled"):
            arguments["ObjectLockEnabledForBucket"] = True
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html: silence names us-east-1.
        if region.name != "us-east-1":
            arguments["CreateBucketConfiguration"] = {"LocationConstraint": region.name}
        region.s3.create_bucket(**arguments)
        return str(inputs["bucket"])

    def complete(self, region: Region, ident: str, inputs: Properties) -> None:
        """Tags are put once the bucket is there."""
        self._put_tags(region, ident, inputs)

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The bucket, its tags and whether it locks objects."""
        head = found(lambda: region.s3.head_bucket(Bucket=ident), *_GONE)
        if head is None:
            return None
        tags = found(lambda: region.s3.get_bucket_tagging(Bucket=ident), *_NO_TAGS) or {}
        lock = found(
            lambda: region.s3.get_object_lock_configuration(Bucket=ident),
            "ObjectLockConfigurationNotFoundError",
        )
        enabled = (lock or {}).get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"
        return {
            "arn": f"arn:{region.partition}:s3:::{ident}",
            "bucket": ident,
            "bucketDomainName": f"{ident}.s3.amazonaws.com",
            "bucketRegion": region.name,
            "bucketRegionalDomainName": f"{ident}.s3.{region.name}.amazonaws.com",
            "objectLockEnabled": enabled,
            "tags": tag_map(tags.get("TagSet")),
        }

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """Only tags change in place."""
        if "tags" in changed:
            if not new.get("tags"):
                region.s3.delete_bucket_tagging(Bucket=ident)
            self._put_tags(region, ident, new)

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Remove the bucket; its objects only with forceDestroy."""
        if state.get("forceDestroy"):
            self._empty(region, ident)
        found(lambda: region.s3.delete_bucket(Bucket=ident), *_GONE)

    @staticmethod
    def _put_tags(region: Region, ident: str, inputs: Properties) -> None:
        if inputs.get("tags"):
            region.s3.put_bucket_tagging(Bucket=ident, Tagging={"TagSet": tag_list(inputs["tags"])})

    @staticmethod
    def _empty(region: Region, ident: str) -> None:
        pages = region.s3.get_paginator("list_object_versions").paginate(Bucket=ident)
        for page in found(lambda: list(pages), *_GONE) or []:
            for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                region.s3.delete_object(Bucket=ident, Key=version["Key"], VersionId=version["VersionId"])


KINDS = (Bucket,)
