"""A bucket for Pulumi's state: private, with every version kept, encrypted, and reached over TLS only.

Asks and changes S3, this one bucket. What an owner set up further than that is left as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wizard.aws import cloudtrail
from wizard.aws.auth.errors import code_of
from wizard.aws.auth.session import Session
from wizard.aws.iam import identify
from wizard.core import retry
from wizard.core.errors import ResourceError, SetupError, UsageError
from wizard.core.models.rotation import BucketLock, StoredObject
from wizard.core.next_command import Command
from wizard.core.retry import Reason

TAGS: Mapping[str, str] = {"Application": "EONPRO", "Purpose": "Pulumi state"}

_SECONDS = 20.0
"""In which a bucket that was just made, or just deleted, becomes known everywhere."""

_NOT_YET = ("NoSuchBucket", "404", "OperationAborted")
_FOREIGN = ("BucketAlreadyExists",)
_OURS = ("BucketAlreadyOwnedByYou",)
_SHUT = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
_FIRST_REGION = "us-east-1"
"""The one Region that is no LocationConstraint. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html"""


class StateStorage:
    """Buckets for Pulumi's state: a `wizard.core.ports.aws.StateStorage`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def make_state_bucket(self, bucket: str) -> bool:
        """The bucket, made in the session's Region or brought up to what it has to be. False when it was there already.

        Raises SetupError for a name that another account has, UsageError for one that is no bucket's.
        """
        owner = cloudtrail.bucket_owner(self._session, bucket, identify(self._session).account_id)
        if owner == "foreign":
            raise _taken(bucket, identify(self._session).account_id)
        made = owner is None and _create(self._session, bucket, identify(self._session).account_id)
        asked = {"Bucket": bucket, "ExpectedBucketOwner": identify(self._session).account_id}
        for mend in (_shut, _own, _version, _encrypt, _refuse_plain_http, _tag):
            _when_consistent(self._session, lambda mend=mend: mend(self._session, asked))  # type: ignore[misc]
        return made


def _create(session: Session, bucket: str, account_id: str) -> bool:
    where = {} if session.region == _FIRST_REGION else {"LocationConstraint": session.region}
    try:
        _when_consistent(
            session,
            lambda: session.call(
                "s3",
                "CreateBucket",
                Bucket=bucket,
                ObjectOwnership="BucketOwnerEnforced",
                **({"CreateBucketConfiguration": where} if where else {}),
            ),
        )
    except ResourceError as error:
        code = code_of(error.__cause__)
        if code in _FOREIGN:
            raise _taken(bucket, account_id) from error
        if code == "InvalidBucketName":
            raise UsageError(
                f"{bucket!r} cannot be a bucket's name",
                "3 to 63 lower-case letters, digits and hyphens, such as " + _proposed(account_id),
            ) from error
        if code in _OURS:
            # Another run was quicker.
            return False
        raise
    return True


def _taken(bucket: str, account_id: str) -> SetupError:
    return SetupError(
        f"the bucket {bucket} belongs to another account, and bucket names are worldwide",
        f"name another, such as {_proposed(account_id)}",
    )


def _proposed(account_id: str) -> str:
    return f"eonpro-pulumi-state-{account_id}"


def _when_consistent(session: Session, action: Callable[[], Any]) -> Any:
    def reason(error: SetupError) -> Reason | None:
        return Reason.CONSISTENCY if code_of(error.__cause__) in _NOT_YET else None

    return retry.call(action, clock=session.clock, seconds=_SECONDS, reason=reason)


# --- each of what it has to be: looked at, and only then changed ---------------------------------------------------

Asked = Mapping[str, str]
"""The bucket, and the account that has to own it: parameters of every call."""


def _found(session: Session, operation: str, asked: Asked, *absent: str) -> Mapping[str, Any]:
    return session.find("s3", operation, absent=absent, **asked) or {}


def _shut(session: Session, asked: Asked) -> None:
    found = _found(session, "GetPublicAccessBlock", asked, "NoSuchPublicAccessBlockConfiguration")
    if found.get("PublicAccessBlockConfiguration") != _SHUT:
        session.call("s3", "PutPublicAccessBlock", PublicAccessBlockConfiguration=_SHUT, **asked)


def _own(session: Session, asked: Asked) -> None:
    rules = [{"ObjectOwnership": "BucketOwnerEnforced"}]
    found = _found(session, "GetBucketOwnershipControls", asked, "OwnershipControlsNotFoundError")
    if found.get("OwnershipControls", {}).get("Rules") != rules:
        session.call("s3", "PutBucketOwnershipControls", OwnershipControls={"Rules": rules}, **asked)


def _version(session: Session, asked: Asked) -> None:
    if _found(session, "GetBucketVersioning", asked).get("Status") != "Enabled":
        session.call("s3", "PutBucketVersioning", VersioningConfiguration={"Status": "Enabled"}, **asked)


def _encrypt(session: Session, asked: Asked) -> None:
    # A bucket that is encrypted under a key of its owner's stays so.
    found = _found(session, "GetBucketEncryption", asked, "ServerSideEncryptionConfigurationNotFoundError")
    if not found.get("ServerSideEncryptionConfiguration", {}).get("Rules"):
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        session.call("s3", "PutBucketEncryption", ServerSideEncryptionConfiguration={"Rules": [rule]}, **asked)


def _refuse_plain_http(session: Session, asked: Asked) -> None:
    policy = _found(session, "GetBucketPolicy", asked, "NoSuchBucketPolicy").get("Policy")
    if cloudtrail.denies_plain_http(policy, asked["Bucket"]):
        return
    document = json.loads(policy) if policy else {"Version": "2012-10-17", "Statement": []}
    there = document["Statement"]
    statements = there if isinstance(there, list) else [there]
    document["Statement"] = [*statements, _tls_only(session, asked["Bucket"])]
    session.call("s3", "PutBucketPolicy", Policy=json.dumps(document), **asked)


def _tls_only(session: Session, bucket: str) -> dict[str, Any]:
    arn = f"arn:{session.partition}:s3:::{bucket}"
    return {
        "Sid": "EONPROStateOverTLSOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _tag(session: Session, asked: Asked) -> None:
    found = _found(session, "GetBucketTagging", asked, "NoSuchTagSet").get("TagSet", ())
    tags = {str(tag["Key"]): str(tag["Value"]) for tag in found}
    if not TAGS.keys() <= tags.keys():
        wanted = [{"Key": key, "Value": value} for key, value in {**TAGS, **tags}.items()]
        session.call("s3", "PutBucketTagging", Tagging={"TagSet": wanted}, **asked)


_NO_BUCKET = ("404", "NoSuchBucket", "NotFound")
_NO_OBJECT = ("404", "NoSuchKey", "NotFound")
_NO_LOCK = ("ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration")
_TAKEN = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")
"""Of a write that may only create: there is one, or another such write is under way.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""


@dataclass(frozen=True)
class S3BackupStorage:
    """The buckets of one account: a `wizard.core.ports.aws.BackupStorage`."""

    session: Session

    @property
    def account_id(self) -> str:
        """The owner of the buckets."""
        return identify(self.session).account_id

    def lock_of(self, bucket: str) -> BucketLock | None:
        """The bucket's Object Lock; None where it has none. Raises ResourceError where there is no such bucket."""
        home = self._home(bucket)
        if home is None:
            region = self.session.region
            where = "" if region == "us-east-1" else f" --create-bucket-configuration LocationConstraint={region}"
            raise ResourceError(
                f"the account {self.account_id} has no bucket {bucket}",
                Command(
                    f"aws s3api create-bucket --bucket {bucket} --region {region}{where} --object-lock-enabled-for-bucket"
                ),
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
