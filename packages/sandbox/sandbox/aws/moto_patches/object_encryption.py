"""Patches of the encryption of single objects: S3's UpdateObjectEncryption, which moto takes for an upload.

Reads and changes moto's objects in this process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from moto.s3.models import FakeDeleteMarker, FakeKey, s3_backends

from sandbox.arns import parse as parse_arn
from sandbox.aws.iam.policy import Request, applies, statements
from sandbox.aws.iam.principals import Principal
from sandbox.aws.moto_patches.kms import keys
from sandbox.aws.protocol import AwsError, Call, Response
from sandbox.state import ACCOUNT

_KEY_ARN = re.compile(r"arn:aws[a-zA-Z0-9-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+")
_SUPPORTED = "Only source objects encrypted with SSE-S3 or SSE-KMS are supported."


def update_object_encryption(call: Call, caller: Principal | None) -> Response:
    """Encrypts an object under another key in place; nothing else of the object changes.

    AWS refuses objects under DSSE-KMS and SSE-C, objects under Object Lock, keys of other accounts, and names of a key
    other than its ARN. https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html
    """
    bucket, _, name = call.path.lstrip("/").partition("/")
    item = _object(bucket, name, call.parameters.get("VersionId"))
    arn = str(call.parameters.get("KMSKeyArn") or "")
    if not arn:
        raise _invalid("Requests that modify an object's encryption type to SSE-KMS require an AWS KMS key ARN.")
    if not _KEY_ARN.fullmatch(arn):
        raise _invalid("Requests that modify an object's encryption type to SSE-KMS require a valid AWS KMS key ARN.")
    if parse_arn(arn).account != ACCOUNT:
        raise AwsError(
            "AccessDenied", "The AWS KMS key in the request must be owned by the same account as the bucket.", 403
        )
    if item.encryption not in ("AES256", "aws:kms"):
        raise _invalid(
            "The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or "
            f"SSE-C. {_SUPPORTED}"
            if item.encryption
            else f"The UpdateObjectEncryption operation doesn't support unencrypted source objects. {_SUPPORTED}"
        )
    if item.is_locked(False):
        raise AwsError(
            "AccessDenied",
            "The encryption type for the specified object can't be updated because that object is protected by S3 "
            "Object Lock.",
            403,
        )
    if caller is not None:
        for key_arn, actions in _needed(item, arn):
            keys.enforce_through_s3(call, caller, actions, key_arn, item)
    item.encryption, item.kms_key_id = "aws:kms", arn
    item.bucket_key_enabled = call.parameters.get("BucketKeyEnabled") == "true"
    return Response(status=200, body=b"", content_type="application/xml")


_CONDITIONS = {
    "ServerSideEncryption": "s3:x-amz-server-side-encryption",
    "SSEKMSKeyId": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "SSECustomerAlgorithm": "s3:x-amz-server-side-encryption-customer-algorithm",
}


def refuse_other_encryption(call: Call, caller: Principal | None) -> None:
    """A bucket's policy may deny an upload by the encryption that it asks for. Moto ignores conditions.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
    """
    bucket, _, name = call.path.lstrip("/").partition("/")
    stored = s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
    if stored is None or stored.policy is None:
        return
    context = {key: (call.parameters[field],) for field, key in _CONDITIONS.items() if field in call.parameters}
    request = Request(action="s3:PutObject", resource=f"arn:aws:s3:::{bucket}/{name}", context=context)
    for statement in statements(json.loads(stored.policy)):
        if statement.get("Effect") == "Deny" and is_about_encryption(statement) and applies(statement, request):
            raise AwsError("AccessDenied", "Access Denied, with an explicit deny in a resource-based policy", 403)


def is_about_encryption(statement: Mapping[str, Any]) -> bool:
    """Whether a statement of a bucket's policy has conditions on the encryption of an upload, and no others."""
    keys = {key.lower() for operands in (statement.get("Condition") or {}).values() for key in operands}
    return bool(keys) and keys <= {*_CONDITIONS.values()}


def _needed(item: FakeKey, arn: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    if str(item.kms_key_id).startswith("arn:") and item.kms_key_id != arn:
        yield str(item.kms_key_id), ("kms:Decrypt", "kms:ReEncryptFrom")
    yield arn, ("kms:GenerateDataKey", "kms:ReEncryptTo", "kms:Encrypt")


def _object(bucket: str, name: str, version: Any) -> FakeKey:
    stored = s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
    if stored is None:
        raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
    versions = stored.keys.getlist(name, [])
    chosen = [each for each in versions if version in (None, each.version_id)]
    if not chosen or isinstance(chosen[-1], FakeDeleteMarker):
        raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
    item: FakeKey = chosen[-1]
    return item


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidRequest", message)
