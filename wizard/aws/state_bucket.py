"""A bucket for Pulumi's state: private, with every version kept, encrypted, and reached over TLS only.

Asks and changes S3, this one bucket. What an owner set up further than that is left as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from wizard.aws import trail
from wizard.aws.session import Session
from wizard.aws.translation import code_of
from wizard.errors import ResourceError, SetupError, UsageError

TAGS: Mapping[str, str] = {"Application": "EONPRO", "Purpose": "Pulumi state"}

_TRIES = (0.5, 1, 2, 4, 8)
"""Seconds between tries while a bucket made a moment ago, or one just deleted, is not yet known everywhere."""

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


def make_state_bucket(session: Session, bucket: str, account_id: str) -> bool:
    """The bucket, made in the session's Region or brought up to what it has to be. False when it was there already.

    Raises SetupError for a name that another account has, UsageError for one that is no bucket's.
    """
    owner = trail.bucket_owner(session, bucket, account_id)
    if owner == "foreign":
        raise _taken(bucket, account_id)
    made = owner is None and _create(session, bucket, account_id)
    asked = {"Bucket": bucket, "ExpectedBucketOwner": account_id}
    for mend in (_shut, _own, _version, _encrypt, _refuse_plain_http, _tag):
        _patiently(session, lambda mend=mend: mend(session, asked))  # type: ignore[misc]
    return made


def _create(session: Session, bucket: str, account_id: str) -> bool:
    where = {} if session.region == _FIRST_REGION else {"LocationConstraint": session.region}
    try:
        _patiently(
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


def _patiently(session: Session, call: Callable[[], Any]) -> Any:
    for seconds in (*_TRIES, None):
        try:
            return call()
        except ResourceError as error:
            if seconds is None or code_of(error.__cause__) not in _NOT_YET:
                raise
            session.pause(seconds)
    raise AssertionError("the last try returns or raises")


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
    if trail.denies_plain_http(policy, asked["Bucket"]):
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
