"""CloudTrail and S3 in the sandbox, as AWS documents them, over HTTP."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

WITHOUT_KMS = {
    "ReadWriteType": "All",
    "IncludeManagementEvents": True,
    "DataResources": [],
    "ExcludeManagementEventSources": ["kms.amazonaws.com"],
}


@pytest.fixture
def cloudtrail(cloud: Any) -> Any:
    return cloud.client("cloudtrail")


@pytest.fixture
def s3(cloud: Any) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"bucket-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def trail(cloudtrail: Any, bucket: str) -> str:
    arn: str = cloudtrail.create_trail(Name=f"trail-{uuid.uuid4().hex}", S3BucketName=bucket)["TrailARN"]
    return arn


def lock(days: int) -> dict[str, Any]:
    retention = {"Mode": "GOVERNANCE", "Days": days}
    return {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}


def test_a_new_object_is_locked_as_its_bucket_says(s3: Any) -> None:
    name = f"bucket-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=lock(30))

    s3.put_object(Bucket=name, Key="log", Body=b"")

    held = s3.head_object(Bucket=name, Key="log")
    assert held["ObjectLockMode"] == "GOVERNANCE"
    assert (held["ObjectLockRetainUntilDate"] - held["LastModified"]).days in (29, 30)


# Trails


def test_a_trail_is_deleted_by_its_arn(cloudtrail: Any, trail: str) -> None:
    cloudtrail.delete_trail(Name=trail)

    assert trail not in {one["TrailARN"] for one in cloudtrail.list_trails()["Trails"]}


def test_a_trail_that_does_not_exist_is_not_deleted(cloudtrail: Any, trail: str) -> None:
    with pytest.raises(ClientError, match="TrailNotFoundException"):
        cloudtrail.delete_trail(Name=f"{trail}-other")

    assert cloudtrail.get_trail(Name=trail)["Trail"]["TrailARN"] == trail


def test_a_trail_is_not_replaced_by_another_of_its_name(cloudtrail: Any, trail: str, bucket: str) -> None:
    name = trail.rpartition("/")[2]

    with pytest.raises(ClientError, match="TrailAlreadyExistsException"):
        cloudtrail.create_trail(Name=name, S3BucketName=bucket, IsMultiRegionTrail=True)

    assert cloudtrail.get_trail(Name=name)["Trail"]["IsMultiRegionTrail"] is False


def test_another_region_may_have_a_trail_of_the_same_name(cloud: Any, trail: str, bucket: str) -> None:
    name = trail.rpartition("/")[2]

    made = cloud.client("cloudtrail", "us-west-2").create_trail(Name=name, S3BucketName=bucket)["TrailARN"]

    assert made == trail.replace("us-east-1", "us-west-2")


def test_a_trail_has_a_home_region(cloudtrail: Any, trail: str) -> None:
    assert cloudtrail.get_trail(Name=trail)["Trail"]["HomeRegion"] == "us-east-1"


def test_a_new_trail_records_every_management_event(cloudtrail: Any, trail: str) -> None:
    (selector,) = cloudtrail.get_event_selectors(TrailName=trail)["EventSelectors"]

    assert (selector["IncludeManagementEvents"], selector["ExcludeManagementEventSources"]) == (True, [])
    assert cloudtrail.get_trail(Name=trail)["Trail"]["HasCustomEventSelectors"] is False


def test_a_trail_without_kms_events_has_custom_selectors(cloudtrail: Any, trail: str) -> None:
    cloudtrail.put_event_selectors(TrailName=trail, EventSelectors=[WITHOUT_KMS])

    told = cloudtrail.describe_trails(trailNameList=[trail])["trailList"]
    assert [one["HasCustomEventSelectors"] for one in told if one["TrailARN"] == trail] == [True]
    (selector,) = cloudtrail.get_event_selectors(TrailName=trail)["EventSelectors"]
    assert selector["ExcludeManagementEventSources"] == ["kms.amazonaws.com"]


def test_the_trails_that_are_named_are_described_and_no_others(cloud: Any, cloudtrail: Any, trail: str) -> None:
    other_bucket, name = f"bucket-{uuid.uuid4().hex}", f"trail-{uuid.uuid4().hex}"
    cloud.client("s3").create_bucket(Bucket=other_bucket)
    west = cloud.client("cloudtrail", "us-west-2")
    other = west.create_trail(Name=name, S3BucketName=other_bucket, IsMultiRegionTrail=True)["TrailARN"]

    def described(*names: str) -> list[str]:
        return [entry["TrailARN"] for entry in cloudtrail.describe_trails(trailNameList=names)["trailList"]]

    assert described(trail) == described(trail.rpartition("/")[2]) == [trail]
    assert described(other) == [other]
    assert described(name) == [], "a name is looked up in the call's Region only"
    assert set(described()) >= {trail, other}


# The event history


def delivering(bucket: str, arn: str) -> str:
    allowed = {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}}
    condition = {"StringEquals": {"aws:SourceArn": arn}}
    acl = {**allowed, "Action": "s3:GetBucketAcl", "Resource": f"arn:aws:s3:::{bucket}", "Condition": condition}
    write = {
        **allowed,
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/AWSLogs/123456789012/*",
        "Condition": {"StringEquals": {"aws:SourceArn": arn, "s3:x-amz-acl": "bucket-owner-full-control"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [acl, write]})


def test_basic_selectors_take_the_place_of_advanced_ones(cloudtrail: Any, trail: str) -> None:
    fields = [{"Field": "eventCategory", "Equals": ["Management"]}]
    cloudtrail.put_event_selectors(TrailName=trail, AdvancedEventSelectors=[{"Name": "all", "FieldSelectors": fields}])
    assert cloudtrail.get_event_selectors(TrailName=trail).get("AdvancedEventSelectors")

    cloudtrail.put_event_selectors(TrailName=trail, EventSelectors=[WITHOUT_KMS])

    told = cloudtrail.get_event_selectors(TrailName=trail)
    assert told["EventSelectors"] == [WITHOUT_KMS] and not told.get("AdvancedEventSelectors")


def test_the_status_of_a_trail_has_its_delivery_error(cloudtrail: Any, s3: Any, bucket: str, trail: str) -> None:
    def told() -> str | None:
        error: str | None = cloudtrail.get_trail_status(Name=trail).get("LatestDeliveryError")
        return error

    assert told() is None  # It does not log yet.
    cloudtrail.start_logging(Name=trail)
    assert told() == "AccessDenied"
    s3.put_bucket_policy(Bucket=bucket, Policy=delivering(bucket, f"{trail}-of-somebody-else"))
    assert told() == "AccessDenied"
    s3.put_bucket_policy(Bucket=bucket, Policy=delivering(bucket, trail))
    assert told() is None
    s3.delete_bucket(Bucket=bucket)
    assert told() == "NoSuchBucket"


def test_the_history_has_calls_with_their_users_newest_first(cloud: Any, cloudtrail: Any) -> None:
    kms = cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    for call in (kms.disable_key, kms.enable_key):
        call(KeyId=key)

    events = cloudtrail.lookup_events(LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": key}])

    told = [(one["EventName"], one["Username"], one["ReadOnly"]) for one in events["Events"]]
    assert told == [("EnableKey", "clinic-admin", "false"), ("DisableKey", "clinic-admin", "false")]


def test_the_history_has_the_errors_of_refused_calls(cloud: Any, cloudtrail: Any) -> None:
    kms = cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    with pytest.raises(ClientError, match="DisabledException"):
        kms.encrypt(KeyId=key, Plaintext=b"x")

    attribute = {"AttributeKey": "ResourceName", "AttributeValue": key}
    newest = cloudtrail.lookup_events(LookupAttributes=[attribute], MaxResults=1)["Events"][0]

    record = json.loads(newest["CloudTrailEvent"])
    assert (record["eventName"], record["errorCode"]) == ("Encrypt", "DisabledException")
    assert record["eventSource"] == "kms.amazonaws.com"


def test_the_history_of_one_region_is_not_that_of_another(cloud: Any) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]["KeyId"]
    cloud.client("kms").disable_key(KeyId=key)
    attribute = {"AttributeKey": "ResourceName", "AttributeValue": key}

    elsewhere = cloud.client("cloudtrail", "us-west-2").lookup_events(LookupAttributes=[attribute])

    assert elsewhere["Events"] == []


def test_objects_are_no_part_of_the_history(cloud: Any, cloudtrail: Any, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="x", Body=b"x")

    attribute = {"AttributeKey": "EventName", "AttributeValue": "PutObject"}

    assert cloudtrail.lookup_events(LookupAttributes=[attribute])["Events"] == []


def test_one_attribute_is_looked_up_at_a_time(cloudtrail: Any) -> None:
    attributes = [{"AttributeKey": "EventName", "AttributeValue": name} for name in ("CreateKey", "DisableKey")]

    with pytest.raises(ClientError, match="InvalidLookupAttributesException"):
        cloudtrail.lookup_events(LookupAttributes=attributes)


# Buckets


@pytest.mark.parametrize("meddling", ["nothing", "delete_bucket_encryption"])
def test_a_bucket_is_encrypted_whatever_happens(s3: Any, bucket: str, meddling: str) -> None:
    if meddling != "nothing":
        getattr(s3, meddling)(Bucket=bucket)

    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]

    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_a_bucket_refuses_the_writers_own_keys_until_it_is_told_otherwise(s3: Any, bucket: str) -> None:
    def blocked_after(**asked: Any) -> Any:
        default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        encryption = {"Rules": [{**default, **asked}]}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=encryption)
        (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        return rule["BlockedEncryptionTypes"]["EncryptionType"]

    assert blocked_after() == ["SSE-C"]
    assert blocked_after(BlockedEncryptionTypes={"EncryptionType": ["NONE"]}) == ["NONE"]
    assert blocked_after(BucketKeyEnabled=True) == ["NONE"]
    assert blocked_after(BlockedEncryptionTypes={"EncryptionType": ["SSE-C"]}) == ["SSE-C"]


def test_a_new_bucket_is_closed_to_the_public(s3: Any, bucket: str) -> None:
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    ownership = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]

    parts = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    assert block == dict.fromkeys(parts, True)
    assert ownership == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_a_bucket_is_opened_on_request_only(s3: Any, bucket: str) -> None:
    other = f"bucket-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=other, ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=bucket)

    ownership = s3.get_bucket_ownership_controls(Bucket=other)["OwnershipControls"]
    assert ownership == {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    with pytest.raises(ClientError, match="NoSuchPublicAccessBlockConfiguration"):
        s3.get_public_access_block(Bucket=bucket)


def test_a_bucket_that_holds_objects_can_still_be_locked(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="log", Body=b"x")

    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=lock(2557))

    told = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    assert told == lock(2557)


def test_a_bucket_without_versions_cannot_be_locked(s3: Any, bucket: str) -> None:
    with pytest.raises(ClientError, match="InvalidBucketState"):
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=lock(2557))


def test_a_deny_of_plain_http_denies_no_request_to_an_aws_endpoint(cloud: Any, bucket: str) -> None:
    s3 = cloud.client("s3")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}/*"]}
    plain_http = {**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [plain_http]}))
    s3.put_object(Bucket=bucket, Key="state", Body=b"{}")
    assert s3.get_object(Bucket=bucket, Key="state")["Body"].read() == b"{}"
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [plain_http, deny]}))
    with pytest.raises(ClientError, match="403"):
        s3.get_object(Bucket=bucket, Key="state")
    s3.delete_bucket_policy(Bucket=bucket)


# --- CloudWatch Logs


def test_a_log_group_takes_its_tags_with_it(cloud: Any) -> None:
    logs, name = cloud.client("logs"), f"/aws/cloudtrail/{uuid.uuid4().hex}"
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{name}"
    logs.create_log_group(logGroupName=name, tags={"Application": "EONPRO"})
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"Application": "EONPRO"}
    logs.delete_log_group(logGroupName=name)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        logs.list_tags_for_resource(resourceArn=arn)
    logs.create_log_group(logGroupName=name)
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {}


def test_an_upload_that_names_a_kms_key_without_kms_is_refused(s3: Any, bucket: str) -> None:
    key = {"SSEKMSKeyId": "alias/aws/s3"}
    for encryption in ({"ServerSideEncryption": "AES256"}, {}):
        with pytest.raises(ClientError, match="InvalidArgument.*aws:kms"):
            s3.put_object(Bucket=bucket, Key="a", Body=b"a", **encryption, **key)
    s3.put_object(Bucket=bucket, Key="a", Body=b"a", ServerSideEncryption="aws:kms", **key)
    s3.put_object(Bucket=bucket, Key="b", Body=b"b", ServerSideEncryption="AES256")
