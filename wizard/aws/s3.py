"""Buckets: one for Pulumi's state (private, versioned, encrypted, TLS only), and objects in one for backups.

Reads and writes S3. Of the state bucket only the settings above are changed; backups are only created.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from components.settings.names import label_of
from wizard.aws import trail as trails
from wizard.aws.auth.errors import code_of
from wizard.aws.auth.limits import read_all
from wizard.aws.auth.session import Session
from wizard.aws.auth.session_client import SessionClient
from wizard.aws.iam import account_of
from wizard.core import retry
from wizard.core.errors import ResourceError, SetupError, UsageError
from wizard.core.models.rotation import BucketLock, StoredObject
from wizard.core.next_command import shell
from wizard.core.retry import Reason

_SECONDS = 20.0
"""Longest time until a created or deleted bucket is known everywhere."""

_NOT_YET = ("NoSuchBucket", "404", "OperationAborted")
_FOREIGN = ("BucketAlreadyExists",)
_OURS = ("BucketAlreadyOwnedByYou",)
_ALL_BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
_FIRST_REGION = "us-east-1"
"""The one Region that is not a LocationConstraint. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html"""


class StateStorage(SessionClient):
    """Buckets for Pulumi's state."""

    def make_state_bucket(self, bucket: str, application: str) -> bool:
        """Create the bucket in the session's Region, or correct the settings of an existing one. False when it existed.

        Raises SetupError for a name that another account has, UsageError for an invalid name.
        """
        account_id = account_of(self._session)
        owner = trails.bucket_owner(self._session, bucket, account_id)
        if owner == "foreign":
            raise _belongs_to_another(bucket, account_id, application)
        created = owner is None and _create(self._session, bucket, account_id, application)
        target = {"Bucket": bucket, "ExpectedBucketOwner": account_id}
        for ensure in (
            _block_public_access,
            _enforce_ownership,
            _enable_versioning,
            _encrypt,
            partial(_refuse_plain_http, application),
            partial(_tag, application),
        ):
            _when_consistent(self._session, lambda ensure=ensure: ensure(self._session, target))  # type: ignore[misc]
        return created


def _create(session: Session, bucket: str, account_id: str, application: str) -> bool:
    location = {} if session.region == _FIRST_REGION else {"LocationConstraint": session.region}
    try:
        _when_consistent(
            session,
            lambda: session.call(
                "s3",
                "CreateBucket",
                Bucket=bucket,
                ObjectOwnership="BucketOwnerEnforced",
                **({"CreateBucketConfiguration": location} if location else {}),
            ),
        )
    except ResourceError as error:
        code = code_of(error.__cause__)
        if code in _FOREIGN:
            raise _belongs_to_another(bucket, account_id, application) from error
        if code == "InvalidBucketName":
            raise UsageError(
                f"{bucket!r} cannot be a bucket's name",
                "3 to 63 lower-case letters, digits and hyphens, such as " + _proposed(account_id, application),
            ) from error
        if code in _OURS:
            # Another run has just created it.
            return False
        raise
    return True


def _belongs_to_another(bucket: str, account_id: str, application: str) -> SetupError:
    return SetupError(
        f"the bucket {bucket} belongs to another account; bucket names are global",
        f"choose another name, such as {_proposed(account_id, application)}",
    )


def _proposed(account_id: str, application: str) -> str:
    return f"{application}-pulumi-state-{account_id}"


def _when_consistent(session: Session, action: Callable[[], Any]) -> Any:
    def reason(error: SetupError) -> Reason | None:
        return Reason.CONSISTENCY if code_of(error.__cause__) in _NOT_YET else None

    return retry.call(action, clock=session.clock, seconds=_SECONDS, reason=reason)


# --- the settings of the state bucket: read first, changed only where they differ ---------------------------------

Target = Mapping[str, str]
"""The bucket, and the account that must own it: parameters of every call."""


def _setting(session: Session, operation: str, target: Target, *absent: str) -> Mapping[str, Any]:
    return session.find("s3", operation, absent=absent, **target) or {}


def _block_public_access(session: Session, target: Target) -> None:
    current = _setting(session, "GetPublicAccessBlock", target, "NoSuchPublicAccessBlockConfiguration")
    if current.get("PublicAccessBlockConfiguration") != _ALL_BLOCKED:
        session.call("s3", "PutPublicAccessBlock", PublicAccessBlockConfiguration=_ALL_BLOCKED, **target)


def _enforce_ownership(session: Session, target: Target) -> None:
    rules = [{"ObjectOwnership": "BucketOwnerEnforced"}]
    current = _setting(session, "GetBucketOwnershipControls", target, "OwnershipControlsNotFoundError")
    if current.get("OwnershipControls", {}).get("Rules") != rules:
        session.call("s3", "PutBucketOwnershipControls", OwnershipControls={"Rules": rules}, **target)


def _enable_versioning(session: Session, target: Target) -> None:
    if _setting(session, "GetBucketVersioning", target).get("Status") != "Enabled":
        session.call("s3", "PutBucketVersioning", VersioningConfiguration={"Status": "Enabled"}, **target)


def _encrypt(session: Session, target: Target) -> None:
    # A bucket that its owner encrypts with another key stays so.
    current = _setting(session, "GetBucketEncryption", target, "ServerSideEncryptionConfigurationNotFoundError")
    if not current.get("ServerSideEncryptionConfiguration", {}).get("Rules"):
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        session.call("s3", "PutBucketEncryption", ServerSideEncryptionConfiguration={"Rules": [rule]}, **target)


def _refuse_plain_http(application: str, session: Session, target: Target) -> None:
    policy = _setting(session, "GetBucketPolicy", target, "NoSuchBucketPolicy").get("Policy")
    document = json.loads(policy) if policy else {"Version": "2012-10-17", "Statement": []}
    if trails.denies_plain_http(document, target["Bucket"]):
        return
    existing = document["Statement"]
    statements = existing if isinstance(existing, list) else [existing]
    document["Statement"] = [*statements, _tls_only(session, target["Bucket"], application)]
    session.call("s3", "PutBucketPolicy", Policy=json.dumps(document), **target)


def _tls_only(session: Session, bucket: str, application: str) -> dict[str, Any]:
    arn = f"arn:{session.partition}:s3:::{bucket}"
    return {
        "Sid": f"{label_of(application)}StateOverTLSOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _tag(application: str, session: Session, target: Target) -> None:
    tag_set = _setting(session, "GetBucketTagging", target, "NoSuchTagSet").get("TagSet", ())
    tags = {str(tag["Key"]): str(tag["Value"]) for tag in tag_set}
    own = {"Application": label_of(application), "Purpose": "Pulumi state"}
    if not own.keys() <= tags.keys():
        merged = [{"Key": key, "Value": value} for key, value in {**own, **tags}.items()]
        session.call("s3", "PutBucketTagging", Tagging={"TagSet": merged}, **target)


_NO_BUCKET = ("404", "NoSuchBucket", "NotFound")
_NO_OBJECT = ("404", "NoSuchKey", "NotFound")
_NO_LOCK = ("ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration")
_EXISTS = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")
"""Codes of a conditional write: the object exists, or another such write is in progress.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""


class BackupStorage(SessionClient):
    """The buckets of one account, for backups."""

    @property
    def account_id(self) -> str:
        """The owner of the buckets."""
        return account_of(self._session)

    def lock_of(self, bucket: str) -> BucketLock | None:
        """The bucket's Object Lock; None where it has none.

        Raises ResourceError where the account has no such bucket, in any Region.
        """
        home = self._home(bucket)
        if home is None:
            region = self._session.region
            elsewhere = ("--create-bucket-configuration", f"LocationConstraint={region}")
            where = () if region == "us-east-1" else elsewhere
            raise ResourceError(
                f"the account {self.account_id} has no bucket {bucket}",
                shell(
                    *("aws", "s3api", "create-bucket", "--bucket", bucket, "--region", region, *where),
                    "--object-lock-enabled-for-bucket",
                ),
            )
        answer = home.find("s3", "GetObjectLockConfiguration", absent=_NO_LOCK, **self._target(bucket))
        configuration = (answer or {}).get("ObjectLockConfiguration", {})
        if configuration.get("ObjectLockEnabled") != "Enabled":
            return None
        retention = configuration.get("Rule", {}).get("DefaultRetention", {})
        # A bucket may have Object Lock without a default retention.
        return BucketLock(region=home.region, mode=retention.get("Mode"))

    def create(self, bucket: str, key: str, body: bytes, *, until: datetime | None) -> bool:
        """PutObject that overwrites nothing, with a checksum. False where an object of that name exists.

        `until`: the end of its lock in GOVERNANCE mode; None leaves the lock to the bucket. The default encryption
        applies; every bucket has one.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html
        """
        lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until} if until else {}
        answer = (self._home(bucket) or self._session).find(
            "s3",
            "PutObject",
            absent=_EXISTS,
            Key=key,
            Body=body,
            ContentType="application/json",
            IfNoneMatch="*",
            ChecksumAlgorithm="SHA256",
            **self._target(bucket),
            **lock,
        )
        return answer is not None

    def read(self, bucket: str, key: str) -> StoredObject | None:
        """The object's newest version, its checksum verified; None where the account has no such object or bucket."""
        home = self._home(bucket)
        if home is None:
            return None
        target = {**self._target(bucket), "Key": key}
        answer = home.find("s3", "GetObject", absent=_NO_OBJECT, ChecksumMode="ENABLED", **target)
        if answer is None:
            return None
        with home.translating("s3", "GetObject"):
            body = read_all(answer["Body"])
        # S3 returns it only to callers that are allowed s3:GetObjectRetention.
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        until = answer.get("ObjectLockRetainUntilDate")
        return StoredObject(
            body=body,
            version=answer.get("VersionId"),
            encryption=answer.get("ServerSideEncryption"),
            lock_mode=answer.get("ObjectLockMode"),
            locked_until=until.astimezone(UTC) if isinstance(until, datetime) else None,
        )

    def _target(self, bucket: str) -> dict[str, str]:
        # Nothing is sent to a bucket of that name that another account created after ours was deleted.
        return {"Bucket": bucket, "ExpectedBucketOwner": self.account_id}

    def _home(self, bucket: str) -> Session | None:
        """The session in the bucket's Region; None where the account has no such bucket."""
        answer = self._session.find("s3", "HeadBucket", absent=_NO_BUCKET, **self._target(bucket))
        if answer is None:
            return None
        region = answer.get("BucketRegion")
        return self._session.with_region(str(region)) if region and region != self._session.region else self._session
