"""What becomes of the audit trail: each fault is made for real, named first by the doctor, and fixed by its command.

Touches the deployment that is set up once; every test leaves it as it was, by the very command that it is about.
"""

from __future__ import annotations

import json

import pytest

from tests.day_two.doctor_fixture import diagnosis, fixed, messages
from tests.onboarding.deployment import ACCOUNT, BUCKET, Deployment

TRAIL = "eonpro-audit-trail"


def test_a_trail_that_was_stopped_logs_again(on_vercel: Deployment):
    on_vercel.client("cloudtrail").stop_logging(Name=TRAIL)
    finding = fixed(on_vercel, "trail-stopped")
    assert finding["command"].startswith("aws cloudtrail start-logging --name arn:aws:cloudtrail:us-east-1:")
    assert on_vercel.client("cloudtrail").get_trail_status(Name=TRAIL)["IsLogging"] is True


@pytest.mark.thorough
def test_a_trail_that_was_deleted_is_made_again(on_vercel: Deployment):
    on_vercel.client("cloudtrail").delete_trail(Name=TRAIL)
    finding = fixed(on_vercel, "trail-missing")
    assert "--target" in finding["command"] and "cloudtrail/trail:Trail::audit-trail" in finding["command"]


@pytest.mark.thorough
def test_a_trail_that_leaves_kms_out_records_it_again(on_vercel: Deployment):
    selector = {"ReadWriteType": "All", "ExcludeManagementEventSources": ["kms.amazonaws.com"]}
    on_vercel.client("cloudtrail").put_event_selectors(TrailName=TRAIL, EventSelectors=[selector])
    fixed(on_vercel, "trail-excludes-kms")


@pytest.mark.thorough
def test_a_trail_whose_advanced_selectors_leave_kms_out_records_it_again(on_vercel: Deployment):
    fields = [
        {"Field": "eventCategory", "Equals": ["Management"]},
        {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]},
    ]
    cloudtrail = on_vercel.client("cloudtrail")
    cloudtrail.put_event_selectors(
        TrailName=TRAIL, AdvancedEventSelectors=[{"Name": "no KMS", "FieldSelectors": fields}]
    )
    fixed(on_vercel, "trail-excludes-kms")


@pytest.mark.thorough
def test_a_trail_of_one_region_records_every_region_again(on_vercel: Deployment):
    on_vercel.client("cloudtrail").update_trail(Name=TRAIL, IsMultiRegionTrail=False, IncludeGlobalServiceEvents=False)
    fixed(on_vercel, "trail-single-region")


@pytest.mark.thorough
def test_a_trail_whose_files_are_not_validated_signs_them_again(on_vercel: Deployment):
    on_vercel.client("cloudtrail").update_trail(Name=TRAIL, EnableLogFileValidation=False)
    fixed(on_vercel, "trail-validation-off")


@pytest.mark.thorough
def test_logs_without_their_key_are_encrypted_under_it_again(on_vercel: Deployment):
    on_vercel.client("cloudtrail").update_trail(Name=TRAIL, KmsKeyId="")
    fixed(on_vercel, "trail-encryption-off")


@pytest.mark.thorough
def test_a_trail_that_may_not_write_to_its_bucket_delivers_again(on_vercel: Deployment):
    s3 = on_vercel.client("s3")
    policy = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])
    kept = [each for each in policy["Statement"] if each["Effect"] == "Deny"]
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({**policy, "Statement": kept}))
    finding = fixed(on_vercel, "trail-delivery-failing")
    assert "AccessDenied" in finding["what"]
    assert json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"]) == policy


@pytest.mark.thorough
def test_a_bucket_that_takes_plain_http_refuses_it_again(on_vercel: Deployment):
    s3 = on_vercel.client("s3")
    policy = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])
    kept = [each for each in policy["Statement"] if each["Effect"] == "Allow"]
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({**policy, "Statement": kept}))
    fixed(on_vercel, "bucket-tls-policy-missing")


@pytest.mark.thorough
def test_a_bucket_that_could_be_opened_to_the_public_is_shut_again(on_vercel: Deployment):
    on_vercel.client("s3").delete_public_access_block(Bucket=BUCKET)
    fixed(on_vercel, "bucket-public")


@pytest.mark.thorough
def test_a_bucket_that_takes_the_writers_own_keys_refuses_them_again(on_vercel: Deployment):
    s3 = on_vercel.client("s3")
    before = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]
    opened = [{**rule, "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}} for rule in before["Rules"]]
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": opened})
    fixed(on_vercel, "stack-drifted", "--stack", "production")
    assert s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"] == before


@pytest.mark.thorough
def test_a_bucket_that_keeps_no_versions_keeps_them_again(on_vercel: Deployment):
    on_vercel.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    fixed(on_vercel, "bucket-unversioned")


@pytest.mark.thorough
def test_a_bucket_whose_lock_is_gone_locks_again(on_vercel: Deployment):
    s3 = on_vercel.client("s3")
    s3.put_object_lock_configuration(Bucket=BUCKET, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    fixed(on_vercel, "bucket-lock-missing")
    configuration = s3.get_object_lock_configuration(Bucket=BUCKET)["ObjectLockConfiguration"]
    assert configuration["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 2557}


@pytest.mark.thorough
def test_a_bucket_that_locks_for_too_short_locks_long_enough_again(on_vercel: Deployment):
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}}
    on_vercel.client("s3").put_object_lock_configuration(
        Bucket=BUCKET, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    fixed(on_vercel, "bucket-lock-short")


@pytest.mark.thorough
def test_logs_that_would_expire_early_are_kept_for_the_whole_retention_again(on_vercel: Deployment):
    s3 = on_vercel.client("s3")
    rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    short = [{**each, "Expiration": {"Days": 400}} if "Expiration" in each else each for each in rules]
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": short})
    finding = fixed(on_vercel, "bucket-retention-short")
    assert "400 days" in finding["what"]


@pytest.mark.thorough
def test_a_rule_of_the_alerts_that_was_disabled_is_on_again(on_vercel: Deployment):
    on_vercel.client("events").disable_rule(Name="eonpro-key-changes")
    fixed(on_vercel, "alerts-rule-off")


ALERTS, FALLBACK = "eonpro-alerts", "eonpro-fallback-alerts"
WITHOUT = "Allow alerts to be published"


def arrived(deployment: Deployment, since: int = 0) -> list[tuple[str, str]]:
    """The messages after so many: the name of the topic, and the first line."""
    return [
        (each["topic"].rpartition(":")[2], each["message"].partition("\n")[0]) for each in messages(deployment)[since:]
    ]


@pytest.mark.thorough
def test_whoever_takes_the_alerts_statement_from_their_key_is_told_of_by_the_second_way(on_vercel: Deployment):
    kms = on_vercel.client("kms")
    [key] = on_vercel.log_keys()
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    narrowed = {**policy, "Statement": [each for each in policy["Statement"] if each["Sid"] != WITHOUT]}
    line = "EONPRO production: PutKeyPolicy on the EONPRO alerts or their key."
    of_the_first = "EONPRO production: PutKeyPolicy on an EONPRO key."

    before = len(messages(on_vercel))
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(narrowed))
    assert arrived(on_vercel, before) == [(FALLBACK, line)]

    # While the first way is broken, what happens to it is still told.
    before = len(messages(on_vercel))
    on_vercel.client("events").disable_rule(Name="eonpro-key-changes")
    on_vercel.client("events").enable_rule(Name="eonpro-key-changes")
    assert {topic for topic, _ in arrived(on_vercel, before)} == {FALLBACK}

    finding = fixed(on_vercel, "alerts-undelivered")
    assert "kms/key:Key::audit-trail-key" in finding["command"]
    before = len(messages(on_vercel))
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    assert sorted(arrived(on_vercel, before)) == [(ALERTS, of_the_first), (FALLBACK, line)]


@pytest.mark.thorough
def test_the_end_of_either_way_is_told_by_the_other(on_vercel: Deployment):
    sns = on_vercel.client("sns")
    arn = f"arn:aws:sns:us-east-1:{ACCOUNT}:"
    for broken, other in ((ALERTS, FALLBACK), (FALLBACK, ALERTS)):
        before = len(messages(on_vercel))
        sns.delete_topic(TopicArn=f"{arn}{broken}")
        told = arrived(on_vercel, before)
        assert [topic for topic, line in told if "DeleteTopic" in line] == [other], told
        fixed(on_vercel, "alerts-topic-missing")


@pytest.mark.thorough
def test_the_topic_of_the_alerts_is_made_again(on_vercel: Deployment):
    sns = on_vercel.client("sns")
    [topic] = [each["TopicArn"] for each in sns.list_topics()["Topics"] if each["TopicArn"].endswith("eonpro-alerts")]
    sns.delete_topic(TopicArn=topic)
    fixed(on_vercel, "alerts-topic-missing", "--stack", "production")


def test_a_trail_that_may_not_be_looked_at_is_never_called_well(on_vercel: Deployment):
    on_vercel.fault(service="cloudtrail", error="AccessDeniedException", times=99)
    try:
        found = diagnosis(on_vercel, "--quick", expect=3)
    finally:
        on_vercel.no_more_faults()
    assert found["ok"] is False and found["findings"] == []
    assert any("audit trail" in each["what"] for each in found["notChecked"])
    assert not any("audit trail" in what for what in found["passed"])
