"""The program, run to its end: the audit trail, what guards its records, and who is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.components.configurations import (
    ACCOUNT,
    CONFIGURATIONS,
    IAM,
)

KEY_ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TRAIL_KEY_ARN = KEY_ARN.replace("1234abcd", "5678efab")

KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"
TRAIL = "aws:cloudtrail/trail:Trail"
BUCKET = "aws:s3/bucket:Bucket"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"


Run = Callable[..., Any]
Recorded = Callable[[str], Any]


@pytest.fixture(scope="module")
def vercel(recorded: Recorded) -> Any:
    return recorded("vercel")


def test_the_trail_sees_every_region_and_global_services_and_can_be_validated(vercel: Any) -> None:
    trail = vercel.one(TRAIL)
    switched_on = {name for name, value in trail.inputs.items() if value is True}
    assert switched_on == {
        "isMultiRegionTrail",
        "includeGlobalServiceEvents",
        "enableLogFileValidation",
        "enableLogging",
    }
    assert trail.inputs["s3BucketName"] == f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1"
    # With a selector it could leave out the events of KMS.
    assert not {"eventSelectors", "advancedEventSelectors"} & set(trail.inputs)


@pytest.mark.parametrize("name", ["vercel", "full-audit", "least-audit"])
def test_the_trail_starts_when_its_bucket_is_guarded(recorded: Recorded, name: str) -> None:
    recording = recorded(name)
    guards = {one.type for one in recording.resources if one.type.startswith("aws:s3/") and one.name == "audit-trail"}
    assert recording.one(TRAIL).depends_on >= guards
    assert len(guards) == (7 if name == "least-audit" else 8)


@pytest.mark.parametrize("bucket", ["audit-trail", "audit-trail-access"])
def test_each_bucket_of_the_trail_is_private_versioned_encrypted_and_kept(recorded: Recorded, bucket: str) -> None:
    recording = recorded("full-audit")
    private = recording.called("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", bucket).inputs
    assert [value for name, value in private.items() if name != "bucket"] == [True] * 4
    versioned = recording.called("aws:s3/bucketVersioning:BucketVersioning", bucket).inputs
    assert versioned["versioningConfiguration"] == {"status": "Enabled"}
    owned = recording.called("aws:s3/bucketOwnershipControls:BucketOwnershipControls", bucket).inputs
    assert owned["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    (rule,) = recording.called(ENCRYPTION, bucket).inputs["rules"]
    default = rule["applyServerSideEncryptionByDefault"]
    # S3's access logging writes into no bucket whose default is a KMS key.
    of_key = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": TRAIL_KEY_ARN}
    assert default == (of_key if bucket == "audit-trail" else {"sseAlgorithm": "AES256"})
    assert recording.called(BUCKET, bucket).inputs["forceDestroy"] is False
    sids = {one["Sid"] for one in recording.called(BUCKET_POLICY, bucket).policy["Statement"]}
    assert {"DenyPlainHttp", "DenyOldTls"} <= sids


@pytest.mark.parametrize(
    ("ending", "blocked"), [("-an", ["SSE-C"]), ("", None)], ids=["of a new stack", "of an earlier stack"]
)
def test_nobody_replaces_a_record_by_one_that_only_they_can_read(
    run_program: Run, ending: str, blocked: list[str] | None
) -> None:
    recording = run_program(trailBucket=f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1{ending}")
    for bucket in ("audit-trail", "audit-trail-access"):
        (rule,) = recording.called(ENCRYPTION, bucket).inputs["rules"]
        assert rule.get("blockedEncryptionTypes") == blocked


def _retention(recording: Any, bucket: str) -> dict[str, Any]:
    """The one rule of a bucket's lifecycle that lets records expire."""
    rules = recording.called(LIFECYCLE, bucket).inputs["rules"]
    (expiring,) = (rule for rule in rules if "expiration" in rule or "noncurrentVersionExpiration" in rule)
    return dict(expiring)


@pytest.mark.parametrize("days", [2192, 2557, 3650])
def test_no_version_of_a_log_expires_before_the_retention(run_program: Run, days: int) -> None:
    recording = run_program(trailRetentionDays=days)
    for bucket in ("audit-trail", "audit-trail-access"):
        rule = _retention(recording, bucket)
        assert rule["status"] == "Enabled"
        assert rule["expiration"] == {"days": days}
        assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": days}
    (lock,) = recording.all(LOCK)
    assert lock.inputs["rule"] == {"defaultRetention": {"mode": "GOVERNANCE", "days": days}}


@pytest.mark.parametrize(("days", "moves"), [(365, True), (90, True), (0, False), (2557, False), (3000, False)])
def test_logs_move_to_cheaper_storage_within_their_retention_or_never(run_program: Run, days: int, moves: bool) -> None:
    recording = run_program(trailArchiveDays=days)
    rule = _retention(recording, "audit-trail")
    for transitions, field in (("transitions", "days"), ("noncurrentVersionTransitions", "noncurrentDays")):
        assert [one[field] for one in rule.get(transitions, [])] == ([days] if moves else [])
    assert "transitions" not in _retention(recording, "audit-trail-access")


def test_what_an_upload_that_was_broken_off_leaves_is_cleared_and_nothing_else_with_it(vercel: Any) -> None:
    for one in vercel.all(LIFECYCLE):
        (uploads,) = (rule for rule in one.inputs["rules"] if "abortIncompleteMultipartUpload" in rule)
        assert uploads["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}
        assert not [name for name in uploads if "xpiration" in name or "ransition" in name]


@pytest.mark.parametrize(
    ("name", "mode"), [("vercel", "GOVERNANCE"), ("full-audit", "COMPLIANCE"), ("least-audit", None)]
)
def test_the_logs_are_locked_as_the_settings_say(recorded: Recorded, name: str, mode: str | None) -> None:
    locks = [one.inputs["rule"]["defaultRetention"]["mode"] for one in recorded(name).all(LOCK)]
    assert locks == ([mode] if mode else [])


def test_the_logs_have_a_key_of_their_own_which_is_never_the_phi_key(recorded: Recorded) -> None:
    recording = recorded("full-audit")
    assert recording.one(TRAIL).inputs["kmsKeyId"] == TRAIL_KEY_ARN
    key = recording.called(KEY, "audit-trail-key")
    assert (key.inputs["enableKeyRotation"], key.inputs["deletionWindowInDays"]) == (True, 30)
    sids = {one["Sid"] for one in key.policy["Statement"]}
    assert not any("EONPRO" in sid for sid in sids)
    assert recording.called(ALIAS, "audit-trail-key").inputs["name"] == "alias/eonpro-audit-key"
    assert recording.called("aws:sns/topic:Topic", "alerts").inputs["kmsMasterKeyId"] == TRAIL_KEY_ARN


@pytest.mark.parametrize("name", ["least-audit", "alerts-without-a-trail-key", "existing-trail"])
def test_without_a_key_of_their_own_nothing_of_the_trail_s_names_a_key(recorded: Recorded, name: str) -> None:
    recording = recorded(name)
    assert [one.name for one in recording.all(KEY)] == ["phi-key"]
    assert not [one.urn for one in recording.resources if {"kmsKeyId", "kmsMasterKeyId"} & set(one.inputs)]
    rules = [one.inputs["rules"] for one in recording.all(ENCRYPTION)]
    assert all(rule == [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}] for rule in rules)


def test_cloudwatch_gets_the_events_through_a_role_for_this_trail_only(recorded: Recorded) -> None:
    recording = recorded("full-audit")
    trail = recording.one(TRAIL).inputs
    group = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/cloudtrail/eonpro-audit-trail"
    assert trail["cloudWatchLogsGroupArn"] == f"{group}:*"
    assert trail["cloudWatchLogsRoleArn"] == f"{IAM}:role/eonpro-trail-logs-role"
    assert recording.one("aws:cloudwatch/logGroup:LogGroup").inputs["retentionInDays"] == 365
    assert "cloudWatchLogsGroupArn" not in recorded("vercel").one(TRAIL).inputs


def test_each_address_is_subscribed_and_nobody_without_one(recorded: Recorded) -> None:
    subscriptions = recorded("full-audit").all("aws:sns/topicSubscription:TopicSubscription")
    topics = [f"arn:aws:sns:us-east-1:{ACCOUNT}:{name}" for name in ("eonpro-alerts", "eonpro-fallback-alerts")]
    assert sorted((one.inputs["endpoint"], one.inputs["topic"]) for one in subscriptions) == [
        (address, topic) for address in ("ops@clinic.example", "security@clinic.example") for topic in topics
    ]
    assert recorded("vercel").all("aws:sns/topicSubscription:TopicSubscription") == []


def test_without_alerts_nothing_of_them_is_made(recorded: Recorded) -> None:
    made = {one.type.partition("/")[0] for one in recorded("least-audit").resources}
    assert made.isdisjoint({"aws:sns", "aws:cloudwatch", "eonpro:kms:Alerts"})


RULE = "aws:cloudwatch/eventRule:EventRule"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"


@pytest.mark.parametrize("name", ["vercel", "replicas", "existing-trail", "alerts-without-a-trail-key"])
def test_the_changes_that_end_a_key_or_blind_the_trail_are_told(recorded: Recorded, name: str) -> None:
    recording = recorded(name)
    key_changes = json.loads(recording.called(RULE, "alerts-key-changes").inputs["eventPattern"])["detail"]
    assert key_changes["readOnly"] == [False] and "eventName" not in key_changes
    assert KEY_ARN.rpartition("/")[2] in json.dumps(key_changes["$or"])
    trail_changes = json.loads(recording.called(RULE, "alerts-trail-changes").inputs["eventPattern"])["detail"]
    assert trail_changes["readOnly"] == [False]
    watched = [(call["eventSource"], sorted(call["requestParameters"])) for call in trail_changes["$or"]]
    assert (["cloudtrail.amazonaws.com"], ["name"]) in watched and (["s3.amazonaws.com"], ["bucketName"]) in watched
    topic, fallback = (f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-{name}" for name in ("alerts", "fallback-alerts"))
    told = {one.name: one.inputs["arn"] for one in recording.all(TARGET) if "region" not in one.inputs}
    by_kind = {f"alerts-{kind}-changes": topic for kind in ("key", "trail", "access", "alert")}
    assert told == {**by_kind, "alerts-fallback": fallback}


@pytest.mark.parametrize("name", ["vercel", "replicas", "existing-trail", "alerts-without-a-trail-key"])
def test_a_second_way_of_the_alerts_uses_no_key_and_watches_that_of_the_first(recorded: Recorded, name: str) -> None:
    recording = recorded(name)
    assert "kmsMasterKeyId" not in recording.called("aws:sns/topic:Topic", "fallback-alerts").inputs
    has_key = "kmsMasterKeyId" in recording.called("aws:sns/topic:Topic", "alerts").inputs
    pattern = json.loads(recording.called(RULE, "alerts-fallback").inputs["eventPattern"])
    assert ("aws.kms" in pattern["source"]) is has_key
    assert (TRAIL_KEY_ARN.rpartition("/")[2] in json.dumps(pattern)) is has_key
    assert KEY_ARN.rpartition("/")[2] not in json.dumps(pattern)


def test_denied_uses_are_read_only_calls_that_the_rule_has_to_be_asked_for(vercel: Any) -> None:
    rule = vercel.called(RULE, "alerts-denied-use").inputs
    assert rule["state"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    alarm = vercel.one("aws:cloudwatch/metricAlarm:MetricAlarm").inputs
    assert alarm["dimensions"] == {"RuleName": rule["name"]}
    assert alarm["alarmActions"] == [f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-alerts"]


@pytest.mark.parametrize("region", ["eu-west-1", "us-west-2"])
def test_what_happens_to_a_replica_is_sent_to_the_key_s_own_region(recorded: Recorded, region: str) -> None:
    recording = recorded("replicas")
    home = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
    for what in ("key-changes", "denied-use", "access-changes", "alert-changes"):
        here, there = (recording.called(RULE, f"alerts-{what}{ending}").inputs for ending in ("", f"-{region}"))
        assert there["eventPattern"] == here["eventPattern"]
        target = recording.called(TARGET, f"alerts-{what}-{region}").inputs
        assert (target["region"], target["arn"]) == (region, home)


def test_iams_events_are_sent_to_a_stack_of_another_region(run_program: Run) -> None:
    recording = run_program(**{"aws:region": "eu-central-1"})
    home = f"arn:aws:events:eu-central-1:{ACCOUNT}:event-bus/default"
    elsewhere = [one for one in recording.all(TARGET) if "region" in one.inputs]
    assert {one.name for one in elsewhere} == {"alerts-access-changes-us-east-1", "alerts-alert-changes-us-east-1"}
    assert {(one.inputs["region"], one.inputs["arn"]) for one in elsewhere} == {("us-east-1", home)}
    assert {one.inputs["roleArn"] for one in elsewhere} == {f"{IAM}:role/eonpro-alerts-forwarding"}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_no_event_pattern_is_longer_than_a_rule_takes(recorded: Recorded, name: str) -> None:
    assert all(len(one.inputs["eventPattern"]) <= 2048 for one in recorded(name).all(RULE))
