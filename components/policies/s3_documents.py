"""The policy of the key of the application's documents in S3, which the application uses through S3 alone.

Pure. Ids go in, a dict that is ready for `json.dumps` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.policies.documents import Policy, allow, policy
from components.policies.key import key_administration_statements

DOCUMENTS_KEY_TAGS = {"Purpose": "Documents"}
"""The tags of the key of the documents besides the stack's, by which an IAM policy tells it from the PHI key."""

DOCUMENT_USE_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")
"""What S3 asks of KMS in the application's name, to read and to write an object.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#require-sse-kms
"""


DOCUMENT_ACTIONS = (*("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"),)
"""What the application may be given on the buckets that the settings name; the stack itself gives it none of them."""


def documents_key_policy(
    *,
    account_id: str,
    region: str,
    administrators: Sequence[str],
    app_principal_arns: Sequence[str],
    buckets: Sequence[str],
    administrator_patterns: Sequence[str] = (),
    deletion_administrators: Sequence[str] = (),
    usage_guard_days: int = 0,
    incident_responders: Sequence[str] = (),
    partition: str = "aws",
) -> Policy:
    """The policy of the key of the documents.

    It always delegates to IAM: whoever moves the documents to this key has to be allowed to, for that time alone.
    """
    statements = key_administration_statements(
        account_id=account_id,
        administrators=administrators,
        administrator_patterns=administrator_patterns,
        deletion_administrators=deletion_administrators,
        usage_guard_days=usage_guard_days,
        incident_responders=incident_responders,
        partition=partition,
    )
    through_s3 = through_s3_condition(account_id=account_id, region=region, buckets=buckets, partition=partition)
    statements.append(
        allow(
            "Allow use of the key for documents through S3",
            list(DOCUMENT_USE_ACTIONS),
            "*",
            principal={"AWS": list(app_principal_arns)},
            condition=through_s3,
        )
    )
    return policy(statements)


def through_s3_condition(
    *, account_id: str, region: str, buckets: Sequence[str], partition: str = "aws"
) -> dict[str, dict[str, Any]]:
    """The request comes from S3, for an object of one of these buckets.

    S3 sets the encryption context: the object's ARN, or with an S3 Bucket Key the bucket's.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#encryption-context
    """
    arns = [f"arn:{partition}:s3:::{bucket}" for bucket in buckets]
    s3 = f"s3.{region}.amazonaws.com" + (".cn" if partition == "aws-cn" else "")
    return {
        "StringEquals": {"kms:ViaService": s3, "kms:CallerAccount": account_id},
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": [each for arn in arns for each in (arn, f"{arn}/*")]},
    }
