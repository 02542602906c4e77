"""Usage: KMS requests, calls on the key and the size of the logs, as AWS counts them.

Asks CloudWatch, CloudTrail and KMS; changes nothing. The event history is read up to a limit, which the result says.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from wizard.aws.access import MAX_PAGES, USES, history_pages
from wizard.aws.auth.session import Session, utc
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.models.trail import Usage

T = TypeVar("T")

QUOTA_PREFIX = "CryptographicOperations"
"""Prefix of a resource that counts all calls of a quota together (CryptographicOperationsSymmetric).
https://aws.amazon.com/blogs/security/manage-your-aws-kms-api-request-rates-using-service-quotas-and-amazon-cloudwatch/"""

HISTORY_DAYS = 90
"""The length of the event history."""

METRICS_PER_CALL = 100
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_SHORT = timedelta(days=7)


@dataclass(frozen=True)
class CloudWatchUsage:
    """The counts of the session's Region: a `wizard.core.ports.aws.UsageMetrics`."""

    session: Session
    pages: int = MAX_PAGES

    def read(self, *, key_arn: str, bucket: str, since: datetime, until: datetime) -> Usage:
        """The counts from `since` to `until`; None, with the reason, for each that could not be read."""
        unknown: dict[str, str] = {}

        def ask(field: str, call: Callable[[], T | None]) -> T | None:
            try:
                return call()
            except (PermissionDenied, Unsupported, ResourceError) as error:
                unknown[field] = error.message
                return None

        since = max(since, ask("since", lambda: self._created(key_arn)) or since)
        requests, key_requests, size = self.session.together(
            lambda: ask("kms_requests", lambda: self._kms_requests(since, until)),
            lambda: ask("key_requests", lambda: self._key_requests(key_arn, since, until)),
            lambda: ask("trail_bytes", lambda: self._size(bucket, until)),
        )
        calls, cut_off_at = key_requests or (None, None)
        if size is None and "trail_bytes" not in unknown:
            unknown["trail_bytes"] = f"CloudWatch has no size of {bucket} yet: S3 reports it once a day"
        return Usage(
            since=since,
            until=until,
            kms_requests=requests,
            key_requests=calls,
            is_key_requests_cut_off=cut_off_at is not None,
            key_requests_since=cut_off_at,
            trail_bytes=size,
            unknown=unknown,
        )

    def _created(self, key_arn: str) -> datetime | None:
        """When the key was created; before that the stack had no usage."""
        return utc(self.session.call("kms", "DescribeKey", KeyId=key_arn)["KeyMetadata"].get("CreationDate"))

    def _kms_requests(self, since: datetime, until: datetime) -> int:
        """The sum of AWS/Usage CallCount, over all of KMS's operations.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AWS-API-Usage-Metrics.html
        """
        dimensions = [{"Name": "Service", "Value": "KMS"}, {"Name": "Type", "Value": "API"}]
        listed = self.session.pages(
            "cloudwatch", "ListMetrics", "Metrics", Namespace="AWS/Usage", MetricName="CallCount", Dimensions=dimensions
        )
        metrics = _without_duplicates(tuple(listed))
        # Whole days are enough for a long window, and need fewer values.
        period = _HOUR if until - since < _SHORT else _DAY
        sums = self._values(metrics, "Sum", since, until, period=period)
        return round(sum(value for values in sums for value in values))

    def _key_requests(self, key_arn: str, since: datetime, until: datetime) -> tuple[int, datetime | None]:
        """The number of calls that used the key and, where the history was cut off, since when they are complete."""
        calls, oldest, has_more = 0, until, False
        first = max(since, until - timedelta(days=HISTORY_DAYS))
        for page, has_more in history_pages(self.session, key_arn, pages=self.pages, StartTime=first, EndTime=until):  # noqa: B007
            for event in page:
                calls += event.get("EventName") in USES
                oldest = min(oldest, event["EventTime"].astimezone(UTC))
        return calls, oldest if has_more else None

    def _size(self, bucket: str, until: datetime) -> int | None:
        """The bucket's newest size over all storage classes; None before S3 reports the first.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html
        """
        metrics = tuple(
            self.session.pages(
                "cloudwatch",
                "ListMetrics",
                "Metrics",
                Namespace="AWS/S3",
                MetricName="BucketSizeBytes",
                Dimensions=[{"Name": "BucketName", "Value": bucket}],
            )
        )
        values = self._values(metrics, "Average", until - 3 * _DAY, until, period=_DAY)
        newest = [series[-1] for series in values if series]
        return round(sum(newest)) if newest else None

    def _values(
        self,
        metrics: Sequence[Mapping[str, Any]],
        statistic: str,
        since: datetime,
        until: datetime,
        *,
        period: timedelta,
    ) -> Iterator[Sequence[float]]:
        """The values of each metric, the oldest first, over whole periods: CloudWatch rounds a start down."""
        start, end = _round_down(since, period), _round_down(until, period) + period
        for first in range(0, len(metrics), METRICS_PER_CALL):
            batch = metrics[first : first + METRICS_PER_CALL]
            queries = [
                {
                    "Id": f"m{number}",
                    "MetricStat": {
                        "Metric": {name: metric[name] for name in ("Namespace", "MetricName", "Dimensions")},
                        "Period": int(period.total_seconds()),
                        "Stat": statistic,
                    },
                }
                for number, metric in enumerate(batch)
            ]
            values: dict[str, list[float]] = {}
            for result in self.session.pages(
                "cloudwatch",
                "GetMetricData",
                "MetricDataResults",
                MetricDataQueries=queries,
                StartTime=start,
                EndTime=end,
                ScanBy="TimestampAscending",
            ):
                values.setdefault(str(result["Id"]), []).extend(result["Values"])
            yield from (values.get(str(query["Id"]), []) for query in queries)


def _without_duplicates(metrics: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The metrics that count each call once: without operations that the sum of a quota already counts."""
    by_name = [(_resource(metric), metric) for metric in metrics]
    summed = any(name.startswith(QUOTA_PREFIX) for name, _ in by_name)
    return tuple(metric for name, metric in by_name if not (summed and name in USES))


def _resource(metric: Mapping[str, Any]) -> str:
    return next((str(dimension["Value"]) for dimension in metric["Dimensions"] if dimension["Name"] == "Resource"), "")


def _round_down(at: datetime, period: timedelta) -> datetime:
    seconds = int(period.total_seconds())
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)
