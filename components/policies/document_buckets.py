"""Policies about the application's buckets of documents that are printed: the stack applies none of them.

Pure. Ids go in, a dict that is ready for `json.dumps` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.policies.documents import Policy, Statement, allow, policy
from components.policies.s3_documents import through_s3_condition
from components.policies.trail import secure_transport_statements

MOVE_ACTIONS = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo")
"""What S3 asks of KMS in the name of a caller of UpdateObjectEncryption, of both keys.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html
"""


def bucket_statements(*, bucket: str, key_arn: str, partition: str = "aws") -> list[Statement]:
    """Denies an upload that asks for another encryption than SSE-KMS under this key, plain HTTP, and TLS below 1.2.

    An upload that asks for none gets the bucket's default. S3 requires the key's ARN in a request, not its id.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
    """
    asks = {"s3:x-amz-server-side-encryption": "false"}
    conditions: tuple[tuple[str, dict[str, Any]], ...] = (
        ("DenyOtherEncryption", {"Null": asks, "StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}),
        (
            "DenyOtherKeys",
            {"Null": asks, "StringNotEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": key_arn}},
        ),
        ("DenyCustomersKeys", {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}}),
    )
    return [
        *(
            {
                "Sid": sid,
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:PutObject",
                "Resource": f"arn:{partition}:s3:::{bucket}/*",
                "Condition": condition,
            }
            for sid, condition in conditions
        ),
        *secure_transport_statements(bucket=bucket, partition=partition),
    ]


def moving_policy(
    *, account_id: str, region: str, buckets: Sequence[str], key_alias: str, partition: str = "aws"
) -> Policy:
    """The identity policy of `documents encrypt`: it lists the objects and moves them to this key through S3.

    s3:GetObject is what HeadObject asks for, and it opens the documents that are not under a KMS key: attach the policy
    for the time of the move. kms:Decrypt, under another key too, is needed for what that key encrypts.
    """
    arns = [f"arn:{partition}:s3:::{bucket}" for bucket in buckets]
    through_s3 = through_s3_condition(account_id=account_id, region=region, buckets=buckets, partition=partition)
    keys = f"arn:{partition}:kms:{region}:{account_id}:key/*"
    return policy(
        [
            allow(
                "ListTheDocuments",
                [
                    "s3:ListBucket",
                    "s3:ListBucketVersions",
                    "s3:GetBucketVersioning",
                    "s3:GetEncryptionConfiguration",
                ],
                arns,
            ),
            allow(
                "MoveTheDocuments",
                [
                    *("s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention", "s3:GetObjectLegalHold"),
                    *("s3:UpdateObjectEncryption",),
                ],
                [f"{arn}/*" for arn in arns],
            ),
            allow(
                "UseTheDocumentsKey",
                list(MOVE_ACTIONS),
                keys,
                condition={**through_s3, "ForAnyValue:StringEquals": {"kms:ResourceAliases": key_alias}},
            ),
            allow("LeaveTheFormerKeys", ["kms:Decrypt", "kms:ReEncryptFrom"], keys, condition=through_s3),
        ]
    )
