"""The audit as the doctor looks at it: trails of any kind, the alerts, the bucket's documents, who used the key."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wizard.core.errors import PermissionDenied

ACCOUNT = "123456789012"
BUCKET = "the-audit-logs"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/clinic/eonpro-app-role"
SINCE = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def bucket(boto) -> str:
    boto("s3").create_bucket(Bucket=BUCKET)
    return BUCKET


def event(at: str, **record: Any) -> dict[str, Any]:
    """An entry of the event history, as CloudTrail writes a Decrypt."""
    whole = {
        "eventTime": at,
        "eventSource": "kms.amazonaws.com",
        "eventName": "Decrypt",
        "userIdentity": {
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/eonpro-app-role/a-deployment",
            "sessionContext": {"sessionIssuer": {"arn": ROLE}},
        },
        "resources": [{"ARN": KEY}],
        **record,
    }
    return {"EventName": "Decrypt", "CloudTrailEvent": json.dumps(whole)}


def test_a_trail_of_one_region_is_found_by_its_arn(boto, aws, bucket):
    created = boto("cloudtrail").create_trail(Name="narrow", S3BucketName=bucket, IsMultiRegionTrail=False)
    trail = aws.cloudtrail.find_trail(created["TrailARN"])
    assert trail is not None
    assert (trail.name, trail.multi_region, trail.logging, trail.delivery_error) == ("narrow", False, False, None)
    assert aws.cloudtrail.find_trail(f"{created['TrailARN']}-of-nobody") is None
    assert [trail.can_be_shared for trail in aws.cloudtrail.list_trails()] == [False]


def test_the_error_of_the_last_delivery_is_read(script, scripted):
    arn = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/audit"
    script.answer("DescribeTrails", {"trailList": [{"Name": "audit", "TrailARN": arn}]})
    script.answer("GetTrailStatus", {"IsLogging": True, "LatestDeliveryError": "AccessDenied"})
    script.answer("GetEventSelectors", {"TrailARN": arn})
    trail = scripted.cloudtrail.find_trail(arn)
    assert trail is not None and trail.delivery_error == "AccessDenied"


def test_the_buckets_documents_are_read_and_none_where_there_are_none(boto, aws, bucket):
    documents = aws.audit.bucket_documents(bucket)
    assert (documents.policy, documents.lifecycle) == (None, ())
    rule = {"ID": "short", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 90}}
    policy = {"Version": "2012-10-17", "Statement": []}
    boto("s3").put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    boto("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    documents = aws.audit.bucket_documents(bucket)
    assert documents.policy == policy
    assert [(each["ID"], each["Expiration"]) for each in documents.lifecycle] == [("short", {"Days": 90})]


def test_the_alerts_are_read_with_what_is_missing(boto, aws, settings):
    nothing = aws.audit.alerts(settings)
    assert [fact.is_there for fact in nothing.topics] == [False, False]
    assert {rule.state for rule in nothing.rules} == {None}
    boto("sns").create_topic(Name="eonpro-alerts", Attributes={"KmsMasterKeyId": "alias/a"})
    events = boto("events")
    events.put_rule(Name="eonpro-key-changes", EventPattern='{"source": ["aws.kms"]}', State="DISABLED")
    arn = f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-alerts"
    events.put_targets(Rule="eonpro-key-changes", Targets=[{"Id": "alerts", "Arn": arn}])
    some = aws.audit.alerts(settings)
    first, fallback = some.topics
    assert (first.is_there, first.key, first.topic.arn) == (True, "alias/a", arn) and not fallback.is_there
    assert first.policy is not None and first.policy["Statement"]
    assert [(each.rule.name, each.state, each.targets) for each in some.rules if each.state] == [
        ("eonpro-key-changes", "DISABLED", (arn,))
    ]


def test_the_rules_of_other_regions_are_read_there(boto, aws, settings):
    boto("events").put_rule(Name="eonpro-access-changes", EventPattern='{"source": ["aws.iam"]}')
    there = settings.model_copy(update={"region": "eu-central-1"})
    states = {each.rule.logical_name: each.state for each in aws.audit.alerts(there).rules}
    assert states["alerts-access-changes-us-east-1"] == "ENABLED" and states["alerts-access-changes"] is None


def test_the_calls_on_the_key_are_read_with_role_and_error(script, scripted):
    refused = {
        "errorCode": "AccessDenied",
        "errorMessage": f"User: somebody is not authorized to perform: kms:Decrypt on resource: {KEY}",
        "resources": None,
    }
    script.say_who()
    script.answer(
        "LookupEvents",
        {
            "Events": [
                event("2026-05-02T10:00:00Z", **refused),
                event("2026-05-02T09:00:00Z"),
                event("2026-05-02T08:00:00Z", resources=[{"ARN": KEY.replace("1234abcd", "99999999")}]),
                event("2026-05-02T07:00:00Z", eventSource="somebody-elses.amazonaws.com"),
            ]
        },
    )
    history = scripted.audit.key_calls(KEY, since=SINCE)
    assert history.complete
    assert [(call.principal, call.error, call.at.hour) for call in history.calls] == [
        (ROLE, "AccessDenied", 10),
        (ROLE, None, 9),
    ]


def test_a_verification_as_the_application_is_not_its_own_call(script, scripted):
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/eonpro-app-role"
    script.say_who()
    script.answer(
        "LookupEvents",
        {
            "Events": [
                event("2026-05-02T10:00:00Z", userIdentity={"arn": f"{session}/eonpro-proof"}),
                event("2026-05-02T09:00:00Z", userIdentity={"arn": f"{session}/a-deployment"}),
            ]
        },
    )
    [use] = scripted.audit.key_calls(KEY, since=SINCE).calls
    assert use.principal == f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"
    assert use.at == SINCE + timedelta(days=1, hours=9)


def test_more_events_than_are_read_are_reported(script, scripted, monkeypatch):
    monkeypatch.setattr("wizard.aws.audit.MAX_EVENTS", 1)
    script.say_who()
    script.answer("LookupEvents", {"Events": [event("2026-05-02T10:00:00Z"), event("2026-05-02T09:00:00Z")]})
    history = scripted.audit.key_calls(KEY, since=SINCE)
    assert len(history.calls) == 1 and not history.complete


@pytest.mark.parametrize("text", ["{} and more", "[]", ""])
def test_an_event_that_cannot_be_read_leaves_the_history_incomplete(script, scripted, text):
    script.say_who()
    script.answer("LookupEvents", {"Events": [{"CloudTrailEvent": text}, event("2026-05-02T09:00:00Z")]})
    history = scripted.audit.key_calls(KEY, since=SINCE)
    assert (len(history.calls), history.complete) == (1, False)


def test_a_history_that_may_not_be_read_is_that_error(script, scripted):
    script.say_who()
    script.refuse("LookupEvents", "AccessDeniedException")
    with pytest.raises(PermissionDenied):
        scripted.audit.key_calls(KEY, since=SINCE)
