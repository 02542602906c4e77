"""The usage metrics of KMS in the sandbox's CloudWatch, as AWS documents them, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

REGION = "eu-west-3"
"""No other test calls KMS in this Region."""


@pytest.fixture
def kms(cloud: Any) -> Any:
    return cloud.client("kms", region=REGION)


def counts(cloud: Any, region: str = REGION) -> dict[str, float]:
    """The sum of AWS/Usage CallCount of KMS over the last hours, by operation."""
    cloudwatch = cloud.client("cloudwatch", region=region)
    service = [{"Name": "Service", "Value": "KMS"}]
    metrics = cloudwatch.list_metrics(Namespace="AWS/Usage", MetricName="CallCount", Dimensions=service)["Metrics"]
    queries = [
        {"Id": f"m{number}", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}}
        for number, metric in enumerate(metrics)
    ]
    now = datetime.now(UTC)
    if not queries:
        return {}
    found = cloudwatch.get_metric_data(
        MetricDataQueries=queries, StartTime=now - timedelta(hours=2), EndTime=now + timedelta(hours=1)
    )["MetricDataResults"]
    names = [{each["Name"]: each["Value"] for each in metric["Dimensions"]}["Resource"] for metric in metrics]
    return {name: sum(result["Values"]) for name, result in zip(names, found, strict=True)}


def test_the_calls_of_each_operation_are_counted_and_those_of_a_shared_quota_together(cloud: Any, kms: Any) -> None:
    before = counts(cloud)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")["CiphertextBlob"]
    for _ in range(3):
        kms.decrypt(KeyId=key, CiphertextBlob=blob)

    after = counts(cloud)

    more = {name: calls - before.get(name, 0) for name, calls in after.items()}
    assert more == {
        "CreateKey": 1,
        "GenerateDataKeyWithoutPlaintext": 1,
        "Decrypt": 3,
        "CryptographicOperationsSymmetric": 4,
    }


def test_the_calls_of_another_region_are_not_counted(cloud: Any, kms: Any) -> None:
    kms.list_keys()

    assert counts(cloud, "ca-central-1") == {}


def test_a_metric_of_calls_has_the_documented_dimensions(cloud: Any, kms: Any) -> None:
    kms.list_keys()

    found = cloud.client("cloudwatch", region=REGION).list_metrics(Namespace="AWS/Usage")["Metrics"]

    (listed,) = (
        metric["Dimensions"] for metric in found if {"Name": "Resource", "Value": "ListKeys"} in metric["Dimensions"]
    )
    assert {each["Name"]: each["Value"] for each in listed} == {
        "Type": "API",
        "Resource": "ListKeys",
        "Service": "KMS",
        "Class": "None",
    }


def test_a_metric_with_values_of_several_minutes_is_listed_once_and_found_by_its_dimensions_in_any_order(
    cloud: Any,
) -> None:
    cloudwatch, now = cloud.client("cloudwatch", region=REGION), datetime.now(UTC)
    dimensions = [{"Name": "Ward", "Value": "7"}, {"Name": "Bed", "Value": "2"}]
    for minutes in (3, 2, 1):
        value = {"MetricName": "Visits", "Value": 1.0, "Timestamp": now - timedelta(minutes=minutes)}
        cloudwatch.put_metric_data(Namespace="Clinic", MetricData=[{**value, "Dimensions": dimensions}])

    listed = cloudwatch.list_metrics(Namespace="Clinic")["Metrics"]

    assert [metric["Dimensions"] for metric in listed] == [dimensions]
    metric = {"Namespace": "Clinic", "MetricName": "Visits", "Dimensions": dimensions[::-1]}
    (found,) = cloudwatch.get_metric_data(
        MetricDataQueries=[{"Id": "visits", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
    )["MetricDataResults"]
    assert sum(found["Values"]) == 3
