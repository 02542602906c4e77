"""The bucket for Pulumi's state: made, completed, left alone, or refused."""

from __future__ import annotations

import json

import pytest

from tests.wizard.aws.conftest import with_pause
from wizard.aws.client import AwsClient, connect
from wizard.core.errors import SetupError, UsageError

ACCOUNT = "123456789012"
BUCKET = f"eonpro-pulumi-state-{ACCOUNT}"
SHUT = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
TLS_ONLY = {
    "Sid": "EONPROStateOverTLSOnly",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def state_of(s3, bucket: str = BUCKET) -> dict[str, object]:
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    return {
        "block": s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
        "ownership": s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"],
        "versioning": s3.get_bucket_versioning(Bucket=bucket).get("Status"),
        "encryption": rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
        "policy": json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"],
        "tags": {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]},
    }


AS_IT_HAS_TO_BE = {
    "block": SHUT,
    "ownership": [{"ObjectOwnership": "BucketOwnerEnforced"}],
    "versioning": "Enabled",
    "encryption": "AES256",
    "policy": [TLS_ONLY],
    "tags": {"Application": "EONPRO", "Purpose": "Pulumi state"},
}


@pytest.fixture
def asked(aws: AwsClient) -> list[str]:
    """Every operation that is sent, in order."""
    seen: list[str] = []
    aws._session._botocore.register("before-call", lambda model, **_: seen.append(model.name), unique_id="the-test")
    return seen


def test_a_bucket_that_is_not_there_is_made_private_versioned_encrypted_and_for_tls_only(aws, boto):
    assert aws.state_storage.make_state_bucket(BUCKET, "eonpro") is True
    assert state_of(boto("s3")) == AS_IT_HAS_TO_BE


def test_nothing_in_it_ever_expires(aws, boto):
    aws.state_storage.make_state_bucket(BUCKET, "eonpro")
    with pytest.raises(boto("s3").exceptions.ClientError, match="NoSuchLifecycleConfiguration"):
        boto("s3").get_bucket_lifecycle_configuration(Bucket=BUCKET)


@pytest.mark.parametrize(("region", "constraint"), [("us-east-1", None), ("eu-west-1", "eu-west-1")])
def test_it_is_made_in_the_region_of_the_session(environ, boto, region, constraint):
    connect(region=region, environ=environ).state_storage.make_state_bucket(BUCKET, "eonpro")
    assert boto("s3").get_bucket_location(Bucket=BUCKET)["LocationConstraint"] == constraint


def test_a_second_time_nothing_is_changed(aws, asked):
    aws.state_storage.make_state_bucket(BUCKET, "eonpro")
    asked.clear()
    assert aws.state_storage.make_state_bucket(BUCKET, "eonpro") is False
    assert [operation for operation in asked if operation.startswith(("Put", "Create", "Delete"))] == []


def test_a_bucket_that_was_made_in_part_is_completed(aws, boto):
    boto("s3").create_bucket(Bucket=BUCKET)
    boto("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    assert aws.state_storage.make_state_bucket(BUCKET, "eonpro") is False
    assert state_of(boto("s3")) == AS_IT_HAS_TO_BE


def test_what_its_owner_set_up_beyond_that_stays(aws, boto):
    s3 = boto("s3")
    s3.create_bucket(Bucket=BUCKET)
    by_key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"}
    s3.put_bucket_encryption(
        Bucket=BUCKET,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": by_key}]},
    )
    theirs = {"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": "*"}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": theirs}))
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [{"Key": "Purpose", "Value": "ours"}]})
    aws.state_storage.make_state_bucket(BUCKET, "eonpro")
    found = state_of(s3)
    assert (found["encryption"], found["policy"]) == ("aws:kms", [theirs, TLS_ONLY])
    assert found["tags"] == {"Application": "EONPRO", "Purpose": "ours"}


# --- refused ------------------------------------------------------------------------------------------------------

HEAD, CREATE = f"HEAD /{BUCKET}", f"PUT /{BUCKET}"


def error(code: str) -> str:
    return f"<Error><Code>{code}</Code><Message>said by the test</Message></Error>"


@pytest.fixture
def nobodys(script):
    """An endpoint that knows the caller and no bucket of that name."""
    script.say_who()
    script.answer(HEAD, "", status=404)
    return script


def test_a_bucket_of_another_account_is_refused_and_nothing_is_changed(script, scripted):
    script.say_who()
    script.answer(HEAD, "", status=403)
    script.answer("GET /", "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>")
    with pytest.raises(SetupError, match=f"{BUCKET} belongs to another account") as refusal:
        scripted.state_storage.make_state_bucket(BUCKET, "eonpro")
    assert BUCKET in refusal.value.hint
    assert not [call for call in script.calls if call.startswith("PUT")]


def test_a_name_that_another_account_took_in_the_meantime_is_refused(nobodys, scripted):
    nobodys.answer(CREATE, error("BucketAlreadyExists"), status=409)
    with pytest.raises(SetupError, match="belongs to another account"):
        scripted.state_storage.make_state_bucket(BUCKET, "eonpro")


def test_a_name_that_is_no_buckets_is_a_usage_error(nobodys, scripted):
    nobodys.answer(CREATE, error("InvalidBucketName"), status=400)
    with pytest.raises(UsageError, match="cannot be a bucket's name") as refusal:
        scripted.state_storage.make_state_bucket(BUCKET, "eonpro")
    assert "lower-case" in refusal.value.hint


def test_a_name_that_was_just_deleted_is_waited_for_in_vain_only_so_long(nobodys, scripted):
    waited: list[float] = []
    scripted = with_pause(scripted, waited.append)
    nobodys.answer(CREATE, error("OperationAborted"), status=409)
    with pytest.raises(SetupError, match="OperationAborted"):
        scripted.state_storage.make_state_bucket(BUCKET, "eonpro")
    assert 5 < sum(waited) < 30
    assert nobodys.calls.count(CREATE) == len(waited) + 1


@pytest.mark.parametrize("name", ["Not A Bucket", "x/y", "arn:aws:s3:::x", ""])
def test_what_s3_would_not_even_be_asked_about_is_refused(scripted, script, name):
    script.say_who()
    with pytest.raises(SetupError):
        scripted.state_storage.make_state_bucket(name, "eonpro")
    assert not [call for call in script.calls if call.startswith("PUT")]
