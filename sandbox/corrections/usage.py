"""Corrections about CloudWatch: its counts of calls, which the emulator does not keep, and what tells metrics apart.

It may read the calls that `events` remembers, and change the emulator's CloudWatch in this process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from moto.cloudwatch import models
from moto.cloudwatch.models import Dimension, MetricDatum
from moto.core.common_models import CloudWatchMetricProvider

from sandbox.corrections import events

_TOGETHER = "CryptographicOperationsSymmetric"
_CRYPTOGRAPHIC = frozenset(
    {"Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateRandom", "ReEncrypt"}
)
_MINUTE = 60
_providers: list[type] = []


def kms_calls_are_counted() -> None:
    """AWS counts the calls of each KMS operation, minute by minute, and those that share a quota once more together.

    The emulator asks every provider that there is for its metrics; S3's sizes are another.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AWS-API-Usage-Metrics.html
    https://aws.amazon.com/blogs/security/manage-your-aws-kms-api-request-rates-using-service-quotas-and-amazon-cloudwatch/
    """
    if not _providers:
        told = {"get_cloudwatch_metrics": staticmethod(_metrics)}
        _providers.append(type("KmsCalls", (CloudWatchMetricProvider,), told))


def a_metric_is_known_by_all_its_dimensions() -> None:
    """AWS lists a metric once, and takes its dimensions in any order.

    The emulator compares each dimension with each other one, so that a metric with several is listed for each value.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Dimension
    """

    def same(some: Iterable[Dimension], others: Iterable[Dimension]) -> bool:
        return {(each.name, each.value) for each in some} == {(each.name, each.value) for each in others}

    def before(one: Dimension, other: Dimension) -> bool:
        return (str(one.name), str(one.value)) < (str(other.name), str(other.value))

    setattr(models, "are_dimensions_same", same)  # noqa: B010 - an assignment would not be typed
    setattr(Dimension, "__lt__", before)  # noqa: B010 - as above


def _metrics(account_id: str, region: str) -> list[MetricDatum]:
    counted: Counter[tuple[str, int]] = Counter()
    for name, at in events.calls_of("kms.amazonaws.com", region):
        minute = int(at) // _MINUTE * _MINUTE
        counted[name, minute] += 1
        if name in _CRYPTOGRAPHIC:
            counted[_TOGETHER, minute] += 1
    return [
        MetricDatum(
            namespace="AWS/Usage",
            name="CallCount",
            value=float(calls),
            dimensions=[
                {"Name": "Type", "Value": "API"},
                {"Name": "Resource", "Value": operation},
                {"Name": "Service", "Value": "KMS"},
                {"Name": "Class", "Value": "None"},
            ],
            # The emulator's times have no zone.
            timestamp=datetime.fromtimestamp(minute, UTC).replace(tzinfo=None),
        )
        for (operation, minute), calls in sorted(counted.items())
    ]
