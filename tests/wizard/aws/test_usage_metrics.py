"""The usage metrics: what CloudWatch and CloudTrail counted, each call once, and what may not be asked left unknown."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from wizard.aws.access import USES
from wizard.aws.client import connect
from wizard.aws.usage_metrics import CloudWatchUsage
from wizard.core.errors import Unreachable
from wizard.core.models.trail import Usage
from wizard.core.retry import Clock

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
NOW = datetime.now(UTC).replace(microsecond=0)
SINCE = NOW - timedelta(days=30)
MADE = NOW - timedelta(days=400)
PAUSED: list[float] = []
"""Seconds that would have been waited."""


def usage_of(scripted: Any, *, pages: int = 60, since: datetime = SINCE) -> Usage:
    session = replace(scripted._session, clock=Clock(sleep=PAUSED.append))
    return CloudWatchUsage(session, pages=pages).read(key_arn=KEY, bucket="logs", since=since, until=NOW)


def event(name: str, *, minutes: int = 1) -> dict[str, Any]:
    return {"EventName": name, "EventTime": (NOW - timedelta(minutes=minutes)).timestamp()}


@pytest.fixture
def account(script):
    """Where every question has an answer, and nothing was used."""
    script.answer("DescribeKey", {"KeyMetadata": {"KeyId": "1", "CreationDate": MADE.timestamp()}})
    script.answer("LookupEvents", {"Events": []})
    script.answer("ListMetrics", listed())
    script.answer("GetMetricData", measured({}))
    script.answer("DescribeTrails", {"trailList": []})
    return script


def listed(*metrics: tuple[str, dict[str, str]]) -> dict[str, Any]:
    """ListMetrics' answer."""
    return {
        "Metrics": [
            {
                "Namespace": "AWS/S3" if name == "BucketSizeBytes" else "AWS/Usage",
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            }
            for name, dimensions in metrics
        ]
    }


def measured(values: dict[str, list[float]]) -> dict[str, Any]:
    """GetMetricData's answer."""
    return {
        "MetricDataResults": [
            {"Id": name, "StatusCode": "Complete", "Values": series, "Timestamps": []}
            for name, series in values.items()
        ]
    }


def test_calls_that_use_the_key_are_counted_and_calls_that_describe_it_are_not(account, scripted):
    names = ["Decrypt", "Decrypt", "DescribeKey", "GenerateDataKey", "GetKeyPolicy", "ReEncrypt"]
    account.answer("LookupEvents", {"Events": [event(name) for name in names]})
    usage = usage_of(scripted)
    assert (usage.key_requests, usage.is_key_requests_cut_off) == (4, False)


def test_the_history_is_read_to_its_end(account, scripted):
    pages = [{"Events": [event("Decrypt", minutes=number)] * 50, "NextToken": f"page {number}"} for number in (2, 3, 4)]
    account.answer_in_turn("LookupEvents", *map(json.dumps, pages), json.dumps({"Events": [event("Decrypt")]}))
    PAUSED.clear()
    usage = usage_of(scripted)
    assert (usage.key_requests, usage.is_key_requests_cut_off) == (151, False)
    # Two calls a second are an account's share.
    assert PAUSED == [0.5] * 3


def test_a_history_that_is_too_long_is_cut_off_and_says_since_when_it_is_complete(account, scripted):
    pages = [
        {"Events": [event("Decrypt", minutes=10 * number)], "NextToken": f"page {number + 1}"} for number in (1, 2, 3)
    ]
    account.answer_in_turn("LookupEvents", *map(json.dumps, pages))
    usage = usage_of(scripted, pages=3)
    assert (usage.key_requests, usage.is_key_requests_cut_off) == (3, True)
    assert usage.key_requests_since == NOW - timedelta(minutes=30)
    assert account.calls.count("LookupEvents") == 3


def test_the_history_is_asked_for_this_key_and_for_ninety_days_at_most(account, scripted):
    usage_of(scripted, since=NOW - timedelta(days=300))
    (asked,) = (each for each in account.requests if "LookupAttributes" in each)
    assert asked["LookupAttributes"] == [{"AttributeKey": "ResourceName", "AttributeValue": KEY}]
    assert asked["EndTime"] - asked["StartTime"] == 90 * 86400


def test_nothing_is_counted_from_before_the_key_was_created(account, scripted):
    created = NOW - timedelta(days=4)
    account.answer("DescribeKey", {"KeyMetadata": {"KeyId": "1", "CreationDate": created.timestamp()}})
    assert usage_of(scripted).since == created


def kms(resource: str) -> tuple[str, dict[str, str]]:
    return "CallCount", {"Type": "API", "Resource": resource, "Service": "KMS", "Class": "None"}


def test_a_call_that_a_sum_counts_too_is_counted_once(account, scripted):
    account.answer("ListMetrics", listed(*map(kms, ("Decrypt", "CryptographicOperationsSymmetric", "DescribeKey"))))
    account.answer("GetMetricData", measured({"m0": [5.0, 6.0], "m1": [2.0]}))
    assert usage_of(scripted).kms_requests == 13
    assert asked_for(account) == ["CryptographicOperationsSymmetric", "DescribeKey"]


def test_where_there_is_no_sum_each_operation_is_counted(account, scripted):
    account.answer("ListMetrics", listed(*map(kms, ("Decrypt", "GenerateDataKey", "ListKeys"))))
    account.answer("GetMetricData", measured({"m0": [5.0], "m1": [2.0], "m2": [1.0]}))
    assert usage_of(scripted).kms_requests == 8


def asked_for(account: Any) -> list[str]:
    """The operations whose calls were asked for."""
    return [
        each["Value"]
        for request in account.requests
        for query in request.get("MetricDataQueries", ())
        for each in query["MetricStat"]["Metric"]["Dimensions"]
        if each["Name"] == "Resource" and query["MetricStat"]["Stat"] == "Sum"
    ]


def test_without_calls_the_count_is_zero_and_not_unknown(account, scripted):
    usage = usage_of(scripted)
    assert (usage.kms_requests, usage.key_requests) == (0, 0)


def test_a_size_that_s3_has_not_reported_yet_is_unknown_with_its_reason(account, scripted):
    usage = usage_of(scripted)
    assert usage.trail_bytes is None and "once a day" in usage.unknown["trail_bytes"]


def test_the_newest_sizes_of_all_storage_classes_are_added_up(account, scripted):
    sizes = [
        ("BucketSizeBytes", {"BucketName": "logs", "StorageType": kind})
        for kind in ("StandardStorage", "GlacierInstantRetrievalStorage")
    ]
    account.answer("ListMetrics", listed(*sizes))
    account.answer("GetMetricData", measured({"m0": [100.0, 120.0], "m1": [7.0]}))
    assert usage_of(scripted).trail_bytes == 127


@pytest.mark.parametrize(
    ("operation", "field"),
    [("LookupEvents", "key_requests"), ("ListMetrics", "kms_requests")],
)
def test_what_is_denied_is_unknown_with_its_reason_and_the_rest_is_counted(account, scripted, operation, field):
    account.refuse(operation, "AccessDeniedException")
    usage = usage_of(scripted)
    assert getattr(usage, field) is None and operation in usage.unknown[field]
    others = {"key_requests", "kms_requests"} - {field}
    assert all(getattr(usage, other) == 0 for other in others)


def test_an_endpoint_that_does_not_answer_is_an_error(scripted, script):
    script.url = ""
    nowhere = scripted._session.environ | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    with pytest.raises(Unreachable):
        usage_of(connect(environ=nowhere))


def test_the_calls_that_use_a_key_are_named_as_kms_names_them():
    client = boto3.client("kms", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    assert set(client.meta.service_model.operation_names) >= USES
