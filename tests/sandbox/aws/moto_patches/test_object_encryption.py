"""UpdateObjectEncryption, and the use of a key through S3, as AWS documents them, over HTTP."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components.policies.document_buckets import bucket_statements

ACCOUNT = "123456789012"
ROOT = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}


@pytest.fixture(scope="module")
def s3(cloud: Any) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"documents-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


@pytest.fixture
def key(cloud: Any) -> str:
    arn: str = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    return arn


def update(s3: Any, bucket: str, name: str, key: str, *, bucket_key: bool = True, **of_version: Any) -> None:
    wanted = {"SSEKMS": {"KMSKeyArn": key, "BucketKeyEnabled": bucket_key}}
    s3.update_object_encryption(Bucket=bucket, Key=name, ObjectEncryption=wanted, **of_version)


def refusal(s3: Any, bucket: str, name: str, key: str, **of_version: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        update(s3, bucket, name, key, **of_version)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_an_object_is_moved_in_place_and_nothing_else_of_it_changes(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key="a b/ü.pdf", Body=b"a scan", Metadata={"of": "a patient"}, StorageClass="GLACIER")
    before = s3.head_object(Bucket=bucket, Key="a b/ü.pdf")
    update(s3, bucket, "a b/ü.pdf", key)
    after = s3.head_object(Bucket=bucket, Key="a b/ü.pdf")
    assert (after["ServerSideEncryption"], after["SSEKMSKeyId"], after["BucketKeyEnabled"]) == ("aws:kms", key, True)
    for same in ("ETag", "LastModified", "VersionId", "StorageClass", "Metadata", "ContentLength"):
        assert after[same] == before[same], same


def test_one_version_is_moved_and_the_others_stay(s3: Any, bucket: str, key: str) -> None:
    first = s3.put_object(Bucket=bucket, Key="scan", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="scan", Body=b"2")["VersionId"]
    update(s3, bucket, "scan", key, VersionId=first)
    algorithms = [
        s3.head_object(Bucket=bucket, Key="scan", VersionId=each)["ServerSideEncryption"] for each in (first, second)
    ]
    assert algorithms == ["aws:kms", "AES256"]


def test_what_is_not_there_is_not_found(s3: Any, bucket: str, key: str) -> None:
    assert refusal(s3, bucket, "nothing", key)[0] == "NoSuchKey"
    s3.put_object(Bucket=bucket, Key="gone", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="gone")
    assert refusal(s3, bucket, "gone", key)[0] == "NoSuchKey"


@pytest.mark.parametrize("lock", ["hold", "GOVERNANCE", "COMPLIANCE"])
def test_an_object_under_object_lock_is_refused(s3: Any, bucket: str, key: str, lock: str) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    of_lock = (
        {"ObjectLockLegalHoldStatus": "ON"}
        if lock == "hold"
        else {"ObjectLockMode": lock, "ObjectLockRetainUntilDate": until}
    )
    s3.put_object(Bucket=bucket, Key="locked", Body=b"x", **of_lock)
    code, message = refusal(s3, bucket, "locked", key)
    assert code == "AccessDenied" and "Object Lock" in message


def test_an_object_under_two_layers_is_refused(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key="twice", Body=b"x", ServerSideEncryption="aws:kms:dsse", SSEKMSKeyId=key)
    code, message = refusal(s3, bucket, "twice", key)
    assert code == "InvalidRequest" and "DSSE-KMS" in message


@pytest.mark.parametrize("name", ["alias/clinic-documents", "1234abcd-12ab-34cd-56ef-1234567890ab"])
def test_a_key_is_named_by_its_arn(s3: Any, bucket: str, name: str) -> None:
    s3.put_object(Bucket=bucket, Key="scan", Body=b"x")
    assert refusal(s3, bucket, "scan", name)[0] == "InvalidRequest"


def test_a_key_of_another_account_is_refused(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key="scan", Body=b"x")
    code, message = refusal(s3, bucket, "scan", key.replace(ACCOUNT, "999988887777"))
    assert code == "AccessDenied" and "same account" in message


def test_a_bucket_s_policy_refuses_uploads_by_the_encryption_that_they_ask_for(s3: Any, bucket: str, key: str) -> None:
    statements = bucket_statements(bucket=bucket, key_arn=key)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    accepted: tuple[dict[str, Any], ...] = ({}, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key})
    refused: tuple[dict[str, Any], ...] = (
        {"ServerSideEncryption": "AES256"},
        {"ServerSideEncryption": "aws:kms"},
        {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key[:-4] + "0000"},
        {"ServerSideEncryption": "aws:kms:dsse", "SSEKMSKeyId": key},
    )
    for how in accepted:
        s3.put_object(Bucket=bucket, Key="scan", Body=b"x", **how)
    for how in refused:
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.put_object(Bucket=bucket, Key="scan", Body=b"x", **how)
    assert s3.get_object(Bucket=bucket, Key="scan")["Body"].read() == b"x"


def test_a_key_is_used_through_s3_only_where_its_policy_says_so(cloud: Any, s3: Any, bucket: str) -> None:
    """Its holder reads and moves objects of this bucket, and decrypts nothing by itself."""
    name = f"app-{uuid.uuid4().hex}"
    iam = cloud.client("iam")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    on_objects = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [on_objects]})
    iam.put_user_policy(UserName=name, PolicyName="s3", PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
    bucket_arn = f"arn:aws:s3:::{bucket}"
    through_s3 = {
        "Effect": "Allow",
        "Principal": {"AWS": arn},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": "*",
        "Condition": {
            "StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:CallerAccount": ACCOUNT},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket_arn, f"{bucket_arn}/*"]},
        },
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [ROOT, through_s3]})
    kms = cloud.client("kms")
    key = kms.create_key(Policy=policy)["KeyMetadata"]["Arn"]
    s3.put_object(Bucket=bucket, Key="scan", Body=b"a scan")
    app = cloud.client("s3", **keys)
    # It may read and write documents, and not move them to another key: that takes more of KMS.
    assert refusal(app, bucket, "scan", key)[0] == "AccessDenied"
    for bucket_key in (False, True):
        update(s3, bucket, "scan", key, bucket_key=bucket_key)
        assert app.get_object(Bucket=bucket, Key="scan")["Body"].read() == b"a scan"
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    with pytest.raises(ClientError, match="AccessDenied"):
        cloud.client("kms", **keys).decrypt(CiphertextBlob=blob, KeyId=key)
    other = f"other-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=other)
    s3.put_object(Bucket=other, Key="scan", Body=b"x")
    update(s3, other, "scan", key)
    with pytest.raises(ClientError, match="AccessDenied"):
        app.get_object(Bucket=other, Key="scan")
