"""The S3 bucket; its settings are resources of their own, in `settings`.

Touches S3 at the endpoint of the Region that is passed to it.
"""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import none_if_missing
from sandbox.pulumi_plugins.provider.resource_type import Names, ResourceType, tag_list, tag_map
from sandbox.pulumi_plugins.provider.values import Properties

NO_BUCKET = ("404", "NoSuchBucket", "NotFound")
_NAMESPACES = ("global", "account-regional")
_NO_TAGS = ("NoSuchTagSet", "NoSuchTagSetError")
_DEPRECATED = (
    *("policy", "acl", "cors", "website", "versioning", "accelerate_configuration", "request_payment", "logging"),
    *("lifecycle_configuration", "replication", "encryption"),
)
_NOT_SET = (
    *("NoSuchBucketPolicy", "NoSuchCORSConfiguration", "NoSuchWebsiteConfiguration", "NoSuchLifecycleConfiguration"),
    *("ReplicationConfigurationNotFoundError", "ServerSideEncryptionConfigurationNotFoundError"),
)


class Bucket(ResourceType):
    """A bucket; its id is its name."""

    token = "aws:s3/bucket:Bucket"
    display_name = "S3 Bucket"
    not_found = NO_BUCKET
    force_new = frozenset({"bucket", "bucketNamespace", "bucketPrefix", "objectLockEnabled"})
    defaults = {"forceDestroy": False}
    write_only = frozenset({"acl", "forceDestroy", "websiteDomain", "websiteEndpoint"})
    # Deprecated in the real provider, which has resources for them.
    unsupported = frozenset(
        (
            *("accelerationStatus", "acl", "corsRules", "grants", "lifecycleRules", "logging"),
            *("objectLockConfiguration", "policy", "replicationConfiguration", "requestPayer"),
            *("serverSideEncryptionConfiguration", "versioning", "website"),
        )
    )
    computed = unsupported | {"bucketNamespace", "objectLockEnabled"}
    name_input = "bucket"
    name_limit = 63
    name_is_lowercase = True

    def validate(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        if inputs.get("bucketNamespace") not in (None, *_NAMESPACES):
            yield "bucketNamespace", f"expected bucket_namespace to be one of {json.dumps(_NAMESPACES)}"

    def create(self, region: Region, inputs: Properties) -> str:
        arguments: dict[str, Any] = {"Bucket": inputs["bucket"]}
        if namespace := inputs.get("bucketNamespace"):
            arguments["BucketNamespace"] = namespace
        if inputs.get("objectLockEnabled"):
            arguments["ObjectLockEnabledForBucket"] = True
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html: no constraint means us-east-1.
        if region.name != "us-east-1":
            arguments["CreateBucketConfiguration"] = {"LocationConstraint": region.name}
        region.s3.create_bucket(**arguments)
        return str(inputs["bucket"])

    def complete(self, region: Region, resource_id: str, inputs: Properties) -> None:
        """Put the tags on the new bucket."""
        self._put_tags(region, resource_id, inputs)

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The bucket, its tags and whether Object Lock is enabled.

        The real provider also asks for all that is a resource of its own now, and whose outputs are deprecated.
        """
        region.s3.head_bucket(Bucket=resource_id)
        for setting in _DEPRECATED:
            none_if_missing(partial(getattr(region.s3, f"get_bucket_{setting}"), Bucket=resource_id), *_NOT_SET)
        tags = none_if_missing(lambda: region.s3.get_bucket_tagging(Bucket=resource_id), *_NO_TAGS) or {}
        lock = none_if_missing(
            lambda: region.s3.get_object_lock_configuration(Bucket=resource_id),
            "ObjectLockConfigurationNotFoundError",
        )
        enabled = (lock or {}).get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"
        return {
            "bucketNamespace": _NAMESPACES[resource_id.endswith(f"-{region.account}-{region.name}-an")],
            "arn": f"arn:{region.partition}:s3:::{resource_id}",
            "bucket": resource_id,
            "bucketDomainName": f"{resource_id}.s3.amazonaws.com",
            "bucketRegion": region.name,
            "bucketRegionalDomainName": f"{resource_id}.s3.{region.name}.amazonaws.com",
            "objectLockEnabled": enabled,
            "tags": tag_map(tags.get("TagSet")),
        }

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: Names) -> None:
        """Only tags change in place."""
        if "tags" in changed:
            if not new.get("tags"):
                region.s3.delete_bucket_tagging(Bucket=resource_id)
            self._put_tags(region, resource_id, new)

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Remove the bucket; its objects only with forceDestroy."""
        if state.get("forceDestroy"):
            for page in region.s3.get_paginator("list_object_versions").paginate(Bucket=resource_id):
                for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                    region.s3.delete_object(Bucket=resource_id, Key=version["Key"], VersionId=version["VersionId"])
        region.s3.delete_bucket(Bucket=resource_id)
        none_if_missing(lambda: region.s3.head_bucket(Bucket=resource_id), *NO_BUCKET)

    @staticmethod
    def _put_tags(region: Region, resource_id: str, inputs: Properties) -> None:
        if inputs.get("tags"):
            region.s3.put_bucket_tagging(Bucket=resource_id, Tagging={"TagSet": tag_list(inputs["tags"])})


RESOURCE_TYPES = (Bucket,)
