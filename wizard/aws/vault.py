"""S3 as a vault: objects that are created, locked and read back, in a bucket of this account with Object Lock.

Asks S3 and creates the one object that it is told to; never overwrites, unlocks or deletes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from wizard.aws.session import Session
from wizard.errors import ResourceError
from wizard.facts_backup import BucketLock, StoredObject

_NO_BUCKET = ("404", "NoSuchBucket", "NotFound")
_NO_OBJECT = ("404", "NoSuchKey", "NotFound")
_NO_LOCK = ("ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration")
_TAKEN = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")
"""Of a write that may only create: there is one, or another such write is under way.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""


@dataclass(frozen=True)
class S3Vault:
    """The buckets of one account: a `wizard.protocols_backup.Vault`."""

    session: Session
    account_id: str

    def lock_of(self, bucket: str) -> BucketLock | None:
        """The bucket's Object Lock; None where it has none. Raises ResourceError where there is no such bucket."""
        home = self._home(bucket)
        if home is None:
            region = self.session.region
            where = "" if region == "us-east-1" else f" --create-bucket-configuration LocationConstraint={region}"
            raise ResourceError(
                f"the account {self.account_id} has no bucket {bucket}",
                f"aws s3api create-bucket --bucket {bucket} --region {region}{where} --object-lock-enabled-for-bucket",
            )
        answer = home.find("s3", "GetObjectLockConfiguration", absent=_NO_LOCK, **self._of(bucket))
        found = (answer or {}).get("ObjectLockConfiguration", {})
        if found.get("ObjectLockEnabled") != "Enabled":
            return None
        kept = found.get("Rule", {}).get("DefaultRetention", {})
        days = int(kept.get("Days") or 365 * kept.get("Years", 0))
        # A bucket may have Object Lock and lock nothing by default.
        if not days or not kept.get("Mode"):
            return BucketLock(region=home.region)
        return BucketLock(region=home.region, mode=str(kept["Mode"]), days=days)

    def create(self, bucket: str, key: str, body: bytes, *, until: datetime | None) -> bool:
        """PutObject that overwrites nothing, with a checksum. False where there is an object of that name.

        It is encrypted as the bucket says; every bucket says something.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html
        """
        lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until} if until else {}
        answer = self._at(bucket).find(
            "s3",
            "PutObject",
            absent=_TAKEN,
            Key=key,
            Body=body,
            ContentType="application/json",
            IfNoneMatch="*",
            ChecksumAlgorithm="SHA256",
            **self._of(bucket),
            **lock,
        )
        return answer is not None

    def read(self, bucket: str, key: str) -> StoredObject | None:
        """The object's newest version, its checksum verified; None for no object, or no bucket of the account's."""
        home = self._home(bucket)
        if home is None:
            return None
        asked = {**self._of(bucket), "Key": key}
        answer = home.find("s3", "GetObject", absent=_NO_OBJECT, ChecksumMode="ENABLED", **asked)
        if answer is None:
            return None
        with home.translating("s3", "GetObject"):
            body = answer["Body"].read()
        # Told to whoever may call s3:GetObjectRetention, else left out.
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        until = answer.get("ObjectLockRetainUntilDate")
        return StoredObject(
            body=body,
            version=answer.get("VersionId"),
            encryption=answer.get("ServerSideEncryption"),
            lock_mode=answer.get("ObjectLockMode"),
            locked_until=until.astimezone(UTC) if isinstance(until, datetime) else None,
        )

    def _of(self, bucket: str) -> dict[str, str]:
        # A stranger's bucket of that name, made in place of one that was deleted, gets nothing.
        return {"Bucket": bucket, "ExpectedBucketOwner": self.account_id}

    def _home(self, bucket: str) -> Session | None:
        """The session in the bucket's own Region; None for no bucket of the account's."""
        answer = self.session.find("s3", "HeadBucket", absent=_NO_BUCKET, **self._of(bucket))
        if answer is None:
            return None
        region = answer.get("BucketRegion")
        return self.session.with_region(str(region)) if region and region != self.session.region else self.session

    def _at(self, bucket: str) -> Session:
        return self._home(bucket) or self.session
