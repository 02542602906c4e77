"""Patches of S3 and Secrets Manager: defaults of new buckets, Object Lock, TLS conditions, dates of versions.

Replaces methods of moto's S3, and reads moto's Secrets Manager, in this process.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from moto.core.responses import ActionResult
from moto.s3.exceptions import InvalidArgumentError, InvalidBucketState
from moto.s3.models import FakeBucket, PublicAccessBlock, S3Backend
from moto.s3.responses import S3Response
from moto.secretsmanager.models import secretsmanager_backends

from sandbox.aws.moto_patches.object_encryption import is_about_encryption
from sandbox.aws.protocol import Call, Response, json_response
from sandbox.state import ACCOUNT


def protect_new_buckets() -> None:
    """AWS encrypts every bucket with SSE-S3 by default, blocks public access to every new one, disables its ACLs, and
    refuses keys of the writer's own (SSE-C, since April 2026).
    Moto does none of it, and returns no encryption after DeleteBucketEncryption.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-s3-c-encryption-setting-faq.html
    """
    create = S3Backend.create_bucket

    def create_bucket(backend: Any, *arguments: Any, **named: Any) -> Any:
        bucket: Any = create(backend, *arguments, **named)
        bucket.encryption = _sse_s3()
        bucket.public_access_block = PublicAccessBlock(True, True, True, True)
        # An ObjectOwnership in the request replaces this one.
        bucket.ownership_rule = "BucketOwnerEnforced"
        return bucket

    def delete_bucket_encryption(backend: Any, bucket_name: str) -> None:
        backend.get_bucket(bucket_name).encryption = _sse_s3()

    setattr(S3Backend, "create_bucket", create_bucket)  # noqa: B010 - an assignment would not be typed
    setattr(S3Backend, "delete_bucket_encryption", delete_bucket_encryption)  # noqa: B010 - as above


def _sse_s3() -> dict[str, Any]:
    # In moto's form: as parsed from the request's XML.
    return {
        "Rule": {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
            "BucketKeyEnabled": "false",
            "BlockedEncryptionTypes": {"EncryptionType": "SSE-C"},
        }
    }


def refuse_key_id_without_kms() -> None:
    """S3 refuses an upload that names a KMS key together with SSE-S3, or with no encryption. Moto stores it.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html#API_PutObject_RequestSyntax
    """
    put = S3Backend.put_object

    def put_object(backend: Any, *arguments: Any, **named: Any) -> Any:
        key_id, encryption = named.get("kms_key_id"), named.get("encryption")
        if key_id and not str(encryption).startswith("aws:kms"):
            message = (
                "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : "
                "aws:kms"
            )
            raise InvalidArgumentError(message, "x-amz-server-side-encryption", str(encryption))
        return put(backend, *arguments, **named)

    setattr(S3Backend, "put_object", put_object)  # noqa: B010 - an assignment would not be typed


def keep_blocked_encryption_types() -> None:
    """S3 keeps the types of encryption that a bucket refuses, also where a later request names none. Moto drops them.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/blocking-unblocking-s3-c-encryption-gpb.html
    """

    def put_bucket_encryption(backend: Any, bucket_name: str, encryption: dict[str, Any]) -> None:
        bucket = backend.get_bucket(bucket_name)
        blocked = bucket.encryption["Rule"].get("BlockedEncryptionTypes")
        bucket.encryption = {"Rule": {"BlockedEncryptionTypes": blocked, **encryption["Rule"]}}

    def get_bucket_encryption(response: Any) -> Any:
        rule = response.backend.get_bucket_encryption(response.bucket_name)["Rule"]
        blocked = (rule.get("BlockedEncryptionTypes") or {}).get("EncryptionType")
        answer = {**rule, "BucketKeyEnabled": rule.get("BucketKeyEnabled") == "true"}
        answer["BlockedEncryptionTypes"] = {"EncryptionType": [blocked]} if blocked else None
        response.data["Action"] = "GetBucketEncryption"
        return response.serialized(ActionResult({"ServerSideEncryptionConfiguration": {"Rules": [answer]}}))

    setattr(S3Backend, "put_bucket_encryption", put_bucket_encryption)  # noqa: B010 - an assignment would not be typed
    setattr(S3Response, "get_bucket_encryption", get_bucket_encryption)  # noqa: B010 - as above


def allow_object_lock_on_existing_buckets() -> None:
    """AWS enables Object Lock on any versioned bucket, with or without objects.

    Moto requires an empty bucket, and returns days and years where only one of them is set.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-configure.html
    """

    def put_object_lock_configuration(
        backend: Any, bucket_name: str, lock_enabled: bool, mode: Any = None, days: Any = None, years: Any = None
    ) -> None:
        bucket = backend.get_bucket(bucket_name)
        if not bucket.is_versioned:
            raise InvalidBucketState("Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
        bucket.object_lock_enabled = bucket.object_lock_enabled or lock_enabled
        # Only one of days and years is set; AWS does not return the other.
        bucket.default_lock_mode, bucket.default_lock_days = mode, days or None
        bucket.default_lock_years = years or None

    setattr(S3Backend, "put_object_lock_configuration", put_object_lock_configuration)  # noqa: B010 - as above


def apply_default_retention() -> None:
    """AWS locks a new object for the bucket's default retention, in days or years.

    Moto adds both, and fails when one is not set (`allow_object_lock_on_existing_buckets`).
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-configure.html
    """

    def default_retention(bucket: Any) -> str:
        days = (bucket.default_lock_days or 0) + 365 * (bucket.default_lock_years or 0)
        return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"

    setattr(FakeBucket, "default_retention", default_retention)  # noqa: B010 - as above


def treat_endpoint_as_tls() -> None:
    """AWS's endpoints use TLS, so a statement that denies plain HTTP denies no request to them.

    Moto ignores conditions: such a statement denies every request.
    """
    get_permission = FakeBucket.get_permission

    def of_tls(bucket: Any, action: str, resource: str) -> Any:
        if bucket.policy is None:
            return get_permission(bucket, action, resource)
        document = json.loads(bucket.policy)
        statements = document["Statement"]
        statements = statements if isinstance(statements, list) else [statements]
        others = [
            statement
            for statement in statements
            # Those about the encryption of an upload are in `object_encryption.refuse_other_encryption`.
            if not _is_about_transport(statement.get("Condition", {})) and not is_about_encryption(statement)
        ]
        # A stand-in for the bucket, which other requests use at the same time: only its policy is read.
        without_transport: Any = SimpleNamespace(
            policy=json.dumps({**document, "Statement": others}).encode() if others else None
        )
        return get_permission(without_transport, action, resource)

    setattr(FakeBucket, "get_permission", of_tls)  # noqa: B010 - as above


def _is_about_transport(condition: dict[str, dict[str, Any]]) -> bool:
    keys = {key.lower() for operands in condition.values() for key in operands}
    return bool(keys) and keys <= {"aws:securetransport", "s3:tlsversion"}


def add_version_dates(call: Call, response: Response) -> Response:
    """AWS returns the time at which each version was created; moto returns the time of the call.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_SecretVersionsListEntry.html
    """
    payload = json.loads(response.body)
    secret = secretsmanager_backends[ACCOUNT][call.region].secrets[str(call.parameters["SecretId"])]
    for version in payload["Versions"]:
        version["CreatedDate"] = secret.versions[version["VersionId"]]["createdate"]
    return replace(response, body=json_response(payload).body)
