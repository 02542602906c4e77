"""Trails, and the buckets they write to."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from wizard.aws.trail import bucket_owner
from wizard.core.errors import PermissionDenied
from wizard.core.models.account import Retention

ACCOUNT = "123456789012"
BUCKET = "the-audit-logs"


@pytest.fixture
def bucket(boto) -> str:
    boto("s3").create_bucket(Bucket=BUCKET)
    return BUCKET


def shut(boto, *parts: str) -> None:
    boto("s3").put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=dict.fromkeys(parts, True))


def expire(boto, *rules: dict[str, object]) -> None:
    numbered = [{"ID": str(number), "Filter": {"Prefix": ""}, **rule} for number, rule in enumerate(rules)]
    boto("s3").put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": numbered})


def test_every_trail_that_records_the_region_is_listed_with_its_logging(boto, aws, bucket):
    trails = boto("cloudtrail")
    trails.create_trail(Name="wide", S3BucketName=bucket, IsMultiRegionTrail=True, EnableLogFileValidation=True)
    trails.create_trail(Name="quiet", S3BucketName=bucket, IsMultiRegionTrail=True, IncludeGlobalServiceEvents=True)
    trails.create_trail(Name="narrow", S3BucketName=bucket, IsMultiRegionTrail=False)
    trails.start_logging(Name="wide")
    listed = {trail.name: trail for trail in aws.cloudtrail.list_trails()}
    assert {name: trail.can_be_shared for name, trail in listed.items()} == {
        "wide": True,
        "quiet": True,
        "narrow": False,
    }
    assert (listed["wide"].logging, listed["quiet"].logging) == (True, False)
    assert (listed["wide"].validation, listed["quiet"].validation) == (True, False)
    assert (listed["wide"].bucket, listed["wide"].multi_region, listed["quiet"].global_events) == (bucket, True, True)


def test_an_organizations_trail_without_a_readable_status_is_listed(script, scripted):
    trail = {
        "Name": "org",
        "TrailARN": "arn:aws:cloudtrail:us-east-1:999999999999:trail/org",
        "IsOrganizationTrail": True,
    }
    script.answer("DescribeTrails", {"trailList": [trail]})
    script.refuse("GetTrailStatus", "AccessDeniedException")
    (listed,) = scripted.cloudtrail.list_trails()
    assert (listed.organization, listed.logging, listed.kms_events, listed.key_arn) == (True, None, None, None)


def test_a_trails_key_and_its_selectors_are_read(boto, aws, bucket):
    trails, key = boto("cloudtrail"), f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
    for name in ("whole", "deaf", "narrow"):
        trails.create_trail(Name=name, S3BucketName=bucket, IsMultiRegionTrail=True, KmsKeyId=key)
    deaf = {"ReadWriteType": "All", "ExcludeManagementEventSources": ["kms.amazonaws.com"]}
    trails.put_event_selectors(TrailName="deaf", EventSelectors=[{**deaf, "IncludeManagementEvents": True}])
    field = {"Field": "eventCategory", "Equals": ["Data"]}
    selector = {"Name": "objects", "FieldSelectors": [field]}
    trails.put_event_selectors(TrailName="narrow", AdvancedEventSelectors=[selector])
    listed = {trail.name: trail for trail in aws.cloudtrail.list_trails()}
    assert {name: fact.kms_events for name, fact in listed.items()} == {"whole": True, "deaf": False, "narrow": False}
    assert {fact.key_arn for fact in listed.values()} == {key}


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnsupportedOperationException", "TrailNotFoundException"])
def test_selectors_that_could_not_be_read_are_unknown(script, scripted, code):
    arn = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/wide"
    script.answer("DescribeTrails", {"trailList": [{"Name": "wide", "TrailARN": arn, "IsMultiRegionTrail": True}]})
    script.answer("GetTrailStatus", {"IsLogging": True})
    script.refuse("GetEventSelectors", code)
    (listed,) = scripted.cloudtrail.list_trails()
    assert (listed.logging, listed.kms_events) == (True, None)


def test_a_caller_who_may_not_list_trails_gets_that_error(script, scripted):
    script.refuse("DescribeTrails", "AccessDeniedException")
    with pytest.raises(PermissionDenied, match="cloudtrail:DescribeTrails"):
        scripted.cloudtrail.list_trails()


def test_a_bucket_with_every_setting_has_every_fact(boto, aws, bucket):
    expire(boto, {"Status": "Enabled", "Expiration": {"Days": 2557}})
    boto("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    shut(boto, "BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    boto("s3").put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert aws.cloudtrail.bucket_retention(bucket) == Retention(
        expires_after_days=2557,
        versioned=True,
        public_access_blocked=True,
        encrypted=True,
        lock=None,
        lock_days=None,
        tls_only=False,
        access_logged=False,
    )


RULES = [
    ([{"Status": "Enabled", "Expiration": {"Days": 2557}}, {"Status": "Enabled", "Expiration": {"Days": 90}}], 90),
    ([{"Status": "Enabled", "Expiration": {"Days": 2557}}, {"Status": "Disabled", "Expiration": {"Days": 90}}], 2557),
    ([{"Status": "Enabled", "Expiration": {"Date": "2027-01-01T00:00:00Z"}}], 0),
    ([{"Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 30}}], None),
]


@pytest.mark.parametrize(("rules", "days"), RULES)
def test_the_earliest_enabled_rule_is_the_retention(boto, aws, bucket, rules, days):
    expire(boto, *rules)
    assert aws.cloudtrail.bucket_retention(bucket).expires_after_days == days


OWNED = (
    "<ListAllMyBucketsResult><Buckets><Bucket><Name>the-audit-logs</Name></Bucket></Buckets></ListAllMyBucketsResult>"
)


@pytest.mark.parametrize(
    ("status", "ours", "owner"),
    [
        (200, False, "ours"),
        (403, False, "foreign"),
        (403, True, "ours"),
        (301, False, "foreign"),
        (301, True, "ours"),
        (404, False, None),
    ],
)
def test_the_owner_of_a_bucket_follows_from_s3s_answers(script, scripted, status, ours, owner):
    """S3's answers are written here: moto knows one account and no foreign bucket."""
    script.answer(f"HEAD /{BUCKET}", "", status=status, headers={"x-amz-bucket-region": "eu-west-1"})
    listing = OWNED if ours else OWNED.replace(BUCKET, "another")
    for path in ("GET /", "GET /?x-id=ListBuckets"):
        script.answer(path, listing)
    assert bucket_owner(scripted._session, BUCKET, ACCOUNT) == owner


def test_s3_is_sent_the_expected_owner_of_the_bucket(script, scripted):
    script.answer(f"HEAD /{BUCKET}", "")
    bucket_owner(scripted._session, BUCKET, ACCOUNT)
    assert {name.lower(): value for name, value in script.headers[0].items()}["x-amz-expected-bucket-owner"] == ACCOUNT


def test_a_bucket_that_cannot_be_read_or_listed_counts_as_foreign(script, scripted):
    script.answer(f"HEAD /{BUCKET}", "", status=403)
    script.answer("GET /", "<Error><Code>AccessDenied</Code></Error>", status=403)
    assert bucket_owner(scripted._session, BUCKET, ACCOUNT) == "foreign"


LOCKS = [
    ({"Mode": "GOVERNANCE", "Days": 2557}, ("GOVERNANCE", 2557)),
    ({"Mode": "COMPLIANCE", "Years": 7}, ("COMPLIANCE", 2555)),
]


@pytest.mark.parametrize(("default", "expected"), LOCKS)
def test_the_default_lock_is_read_with_its_days(boto, aws, default, expected):
    boto("s3").create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": default}}
    boto("s3").put_object_lock_configuration(Bucket=BUCKET, ObjectLockConfiguration=rule)
    retention = aws.cloudtrail.bucket_retention(BUCKET)
    assert (retention.lock, retention.lock_days) == expected


def test_object_lock_that_locks_nothing_by_default_is_no_lock(boto, aws):
    boto("s3").create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    retention = aws.cloudtrail.bucket_retention(BUCKET)
    assert (retention.lock, retention.lock_days) == (None, None)


def test_access_logging_is_read(boto, aws, bucket):
    boto("s3").create_bucket(Bucket="the-access-logs", ObjectOwnership="BucketOwnerPreferred", ACL="log-delivery-write")
    logging = {"LoggingEnabled": {"TargetBucket": "the-access-logs", "TargetPrefix": ""}}
    boto("s3").put_bucket_logging(Bucket=bucket, BucketLoggingStatus=logging)
    assert aws.cloudtrail.bucket_retention(bucket).access_logged is True


def tls(**changes: object) -> dict[str, object]:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        **changes,
    }


def old_tls(**changes: object) -> dict[str, object]:
    return tls(Condition={"NumericLessThan": {"s3:TlsVersion": "1.2"}}, **changes)


HOLDS = [
    [tls(), old_tls()],
    [tls(Principal={"AWS": "*"}, Action=["s3:*"]), old_tls(Principal={"AWS": "*"}, Action=["s3:*"])],
    [tls(Resource=f"arn:aws:s3:::{BUCKET}*"), old_tls(Resource=f"arn:aws:s3:::{BUCKET}*")],
    [tls(Resource=f"arn:aws:s3:::{BUCKET}"), tls(Resource=f"arn:aws:s3:::{BUCKET}/*"), old_tls()],
    [tls(Condition={"Bool": {"AWS:SecureTransport": ["False"]}}), old_tls()],
    [tls(Condition={"NumericLessThan": {"S3:TLSVersion": ["1.3"]}}), tls()],
    [tls(Condition={"NumericLessThanIfExists": {"s3:TlsVersion": 1.2}}), tls()],
    [tls(Effect="Allow", Condition={}), tls(), old_tls()],
]
OPEN_TO_PLAIN_HTTP = [
    [tls(Effect="Allow")],
    [tls(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})],
    [tls(Action="s3:GetObject")],
    [tls(Resource=f"arn:aws:s3:::{BUCKET}/*")],
    [tls(Resource=f"arn:aws:s3:::{BUCKET}")],
    [tls(Resource=f"arn:aws:s3:::{BUCKET}-2/*")],
    [tls(Condition={"Bool": {"aws:SecureTransport": "true"}})],
    [tls(Condition={})],
    [tls(Condition={"Bool": {"aws:SecureTransport": "false", "aws:ViaAWSService": "false"}})],
    [tls(Condition={"Bool": {"aws:SecureTransport": "false"}, "StringEquals": {"aws:PrincipalAccount": ACCOUNT}})],
]
OPEN_TO_OLD_TLS = [
    [],
    [old_tls(Action="s3:GetObject")],
    [old_tls(Resource=f"arn:aws:s3:::{BUCKET}/*")],
    [old_tls(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})],
    [tls(Condition={"NumericLessThan": {"s3:TlsVersion": "1.1"}})],
    [tls(Condition={"NumericLessThan": {"s3:TlsVersion": "new"}})],
    [tls(Condition={"NumericGreaterThan": {"s3:TlsVersion": "1.2"}})],
    [tls(Condition={"NumericLessThan": {"s3:TlsVersion": "1.2"}, "StringEquals": {"aws:PrincipalAccount": ACCOUNT}})],
]
LEAKS = [[*each, old_tls()] for each in OPEN_TO_PLAIN_HTTP] + [[*each, tls()] for each in OPEN_TO_OLD_TLS]


@pytest.mark.parametrize(("statements", "held"), [(one, True) for one in HOLDS] + [(one, False) for one in LEAKS])
def test_a_bucket_is_tls_only_when_everything_else_is_denied_to_everybody(boto, aws, bucket, statements, held):
    policy = {"Version": "2012-10-17", "Statement": statements}
    boto("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert aws.cloudtrail.bucket_retention(bucket).tls_only is held


def test_what_only_an_auditor_needs_and_may_not_read_is_unknown(aws, bucket):
    def denied(model, **_: object) -> None:
        if model.name in ("GetObjectLockConfiguration", "GetBucketPolicy", "GetBucketLogging"):
            raise ClientError({"Error": {"Code": "AccessDenied"}}, model.name)

    aws._session._botocore.register("before-call.s3", denied, unique_id="the-test")
    retention = aws.cloudtrail.bucket_retention(bucket)
    assert (retention.lock, retention.lock_days, retention.tls_only, retention.access_logged) == (None,) * 4
    assert retention.versioned is False
