"""The application's buckets of documents: how each is set up, its objects, and the move of one to another key.

Reads S3; `encrypt` changes how one object is encrypted, and nothing else of it. No content of a document is read.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from wizard.aws import trail as trails
from wizard.aws.auth.errors import code_of
from wizard.aws.auth.session import Session
from wizard.aws.auth.session_client import SessionClient, utc
from wizard.aws.iam import account_of
from wizard.aws.import_discovery import region_of_location
from wizard.core.errors import PermissionDenied, SetupError
from wizard.core.models.s3_documents import (
    CUSTOMER_PROVIDED,
    S3_MANAGED,
    DocumentBucket,
    Encryption,
    ObjectSample,
    ObjectState,
    ObjectVersion,
)

_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_NO_BUCKET = ("404", "NoSuchBucket", "NotFound")
_GONE = ("404", "NoSuchKey", "NoSuchVersion", "NotFound", "405", "MethodNotAllowed")
"""A deleted object, or a delete marker."""
_PAGE = 1_000


class S3Documents(SessionClient):
    """The application's buckets of documents. No content of an object is read."""

    def bucket(self, name: str) -> DocumentBucket | None:
        """How a bucket is set up; None where the account has none of that name. Raises PermissionDenied."""
        target = self._target(name)
        # Not HeadBucket: its permission, s3:ListBucket, also lists the names of the documents.
        found = self._session.find("s3", "GetBucketLocation", absent=_NO_BUCKET, **target)
        if found is None:
            return None
        region = region_of_location(found.get("LocationConstraint"))
        home = self._in(region)

        def ask(operation: str, *absent: str) -> Mapping[str, Any]:
            return home.find("s3", operation, absent=absent, **target) or {}

        encryption, block, versioning, lock, policy = self._session.together(
            lambda: ask("GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError"),
            lambda: ask("GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
            lambda: ask("GetBucketVersioning"),
            lambda: ask("GetObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"),
            lambda: ask("GetBucketPolicy", "NoSuchBucketPolicy"),
        )
        rule: Mapping[str, Any] = next(
            iter(encryption.get("ServerSideEncryptionConfiguration", {}).get("Rules") or ()), {}
        )
        default = rule.get("ApplyServerSideEncryptionByDefault") or {}
        blocked = block.get("PublicAccessBlockConfiguration", {})
        document = trails.bucket_policy_of(name, policy)
        return DocumentBucket(
            name=name,
            region=region,
            # Every bucket encrypts; one that says nothing of it does so with S3's keys.
            encryption=Encryption(
                algorithm=str(default.get("SSEAlgorithm") or S3_MANAGED), key=default.get("KMSMasterKeyID") or None
            ),
            bucket_key=bool(rule.get("BucketKeyEnabled")),
            public_access_blocked=all(blocked.get(each) for each in _BLOCKS),
            versioned=versioning.get("Status") in ("Enabled", "Suspended"),
            lock=_lock_text(lock.get("ObjectLockConfiguration", {})),
            policy=document,
            tls_only=trails.denies_plain_http(document, name) and trails.denies_old_tls(document, name),
        )

    def sample(self, bucket: DocumentBucket, *, most: int) -> ObjectSample:
        """Under which key at most so many objects are, chosen from the first page by the bucket's name as the seed."""
        page = self._in(bucket.region).call("s3", "ListObjectsV2", MaxKeys=_PAGE, **self._target(bucket.name))
        keys = sorted(str(each["Key"]) for each in page.get("Contents") or ())
        chosen = random.Random(bucket.name).sample(keys, min(most, len(keys)))
        states = self._session.together(*(partial(self.state, bucket, ObjectVersion(key=key)) for key in chosen))
        counts = Counter(state.encryption for state in states if state is not None)
        return ObjectSample(counts=counts, is_whole=not page.get("IsTruncated"), listed=len(keys))

    def versions(self, bucket: DocumentBucket, *, every: bool, prefix: str = "") -> Iterator[tuple[ObjectVersion, ...]]:
        """The objects, page by page of at most 1,000: every version, or the current ones. Delete markers are none.

        A page is asked for when the former one is done with: a listing may take as long as the work on it.
        """
        home, target = self._in(bucket.region), {**self._target(bucket.name), "Prefix": prefix, "MaxKeys": _PAGE}
        if every:
            for page in home.whole_pages("s3", "ListObjectVersions", most=None, **target):
                yield tuple(
                    ObjectVersion(key=each["Key"], version=each["VersionId"], is_current=bool(each.get("IsLatest")))
                    for each in page.get("Versions") or ()
                )
        else:
            for page in home.whole_pages("s3", "ListObjectsV2", most=None, **target):
                yield tuple(ObjectVersion(key=each["Key"]) for each in page.get("Contents") or ())

    def state(self, bucket: DocumentBucket, version: ObjectVersion) -> ObjectState | None:
        """How an object is encrypted and locked; None for one that is gone. Raises PermissionDenied.

        S3 answers 400 to a HEAD request without the key that an object under SSE-C needs.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        """
        try:
            head = self._in(bucket.region).call("s3", "HeadObject", **self._object(bucket, version))
        except SetupError as error:
            code = code_of(error.__cause__)
            if code in _GONE:
                return None
            if code in ("400", "BadRequest", "InvalidRequest"):
                # So it answers credentials that ended, too, and a HEAD request has no body that tells them apart.
                self._in(bucket.region).call(
                    "s3", "ListObjectsV2", Prefix=version.key, MaxKeys=1, **self._target(bucket.name)
                )
                return ObjectState(encryption=Encryption(algorithm=CUSTOMER_PROVIDED))
            raise
        algorithm = (
            CUSTOMER_PROVIDED if head.get("SSECustomerAlgorithm") else str(head.get("ServerSideEncryption") or "")
        )
        until = utc(head.get("ObjectLockRetainUntilDate"))
        locks = []
        if head.get("ObjectLockLegalHoldStatus") == "ON":
            locks.append("a legal hold")
        if until is not None and until > datetime.now(UTC):
            locks.append(f"{str(head.get('ObjectLockMode', '')).lower()} retention until {until:%Y-%m-%d}")
        return ObjectState(
            encryption=Encryption(algorithm=algorithm, key=head.get("SSEKMSKeyId") or None),
            lock=" and ".join(locks) or None,
            storage_class=str(head.get("StorageClass") or "STANDARD"),
            version=head.get("VersionId"),
        )

    def encrypt(self, bucket: DocumentBucket, version: ObjectVersion, key_arn: str) -> str | None:
        """Have S3 encrypt one object under this key, in place, with an S3 Bucket Key.

        None: done; else why S3 refuses this object. Raises PermissionDenied where the caller may not, Throttled.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html
        """
        wanted = {"SSEKMS": {"KMSKeyArn": key_arn, "BucketKeyEnabled": True}}
        try:
            self._in(bucket.region).call(
                "s3", "UpdateObjectEncryption", ObjectEncryption=wanted, **self._object(bucket, version)
            )
        except SetupError as error:
            code = code_of(error.__cause__)
            if code in _GONE or code in ("InvalidRequest", "InvalidObjectState"):
                return "it is gone" if code in _GONE else error.message
            if isinstance(error, PermissionDenied) and "Object Lock" in error.message:
                return "it is protected by S3 Object Lock"
            raise
        return None

    def _in(self, region: str) -> Session:
        return self._session if region == self._session.region else self._session.with_region(region)

    def _target(self, bucket: str) -> dict[str, str]:
        # Nothing is sent to a bucket of that name of another account.
        return {"Bucket": bucket, "ExpectedBucketOwner": account_of(self._session)}

    def _object(self, bucket: DocumentBucket, version: ObjectVersion) -> dict[str, str]:
        of_version = {"VersionId": version.version} if version.version else {}
        return {**self._target(bucket.name), "Key": version.key, **of_version}


def _lock_text(configuration: Mapping[str, Any]) -> str | None:
    if configuration.get("ObjectLockEnabled") != "Enabled":
        return None
    retention = configuration.get("Rule", {}).get("DefaultRetention") or {}
    if not retention:
        return "Object Lock without a default retention"
    length = f"{retention['Days']} days" if retention.get("Days") else f"{retention.get('Years')} years"
    return f"Object Lock, {str(retention.get('Mode', '')).lower()}, {length}"
