"""CloudWatch: alarms on one metric.

Touches CloudWatch at the endpoint of the Region that is passed to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import none_if_missing
from sandbox.pulumi_plugins.provider.resource_type import ResourceType, tag_changes, tag_list, tag_map, without_none
from sandbox.pulumi_plugins.provider.values import Properties

_NOT_FOUND = ("ResourceNotFound", "ResourceNotFoundException")
_SETTINGS = {
    "actionsEnabled": "ActionsEnabled",
    "alarmActions": "AlarmActions",
    "alarmDescription": "AlarmDescription",
    "comparisonOperator": "ComparisonOperator",
    "datapointsToAlarm": "DatapointsToAlarm",
    "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
    "evaluationPeriods": "EvaluationPeriods",
    "extendedStatistic": "ExtendedStatistic",
    "insufficientDataActions": "InsufficientDataActions",
    "metricName": "MetricName",
    "namespace": "Namespace",
    "okActions": "OKActions",
    "period": "Period",
    "statistic": "Statistic",
    "threshold": "Threshold",
    "treatMissingData": "TreatMissingData",
    "unit": "Unit",
}
_REQUIRED = ("comparisonOperator", "evaluationPeriods", "metricName", "namespace", "period", "threshold")


class MetricAlarm(ResourceType):
    """An alarm; its id is its name."""

    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    display_name = "CloudWatch Metric Alarm"
    force_new = frozenset({"name"})
    computed = frozenset({"evaluateLowSampleCountPercentiles"})
    defaults = {"actionsEnabled": True, "treatMissingData": "missing"}
    sets = frozenset({"alarmActions", "insufficientDataActions", "okActions"})
    unsupported = frozenset(
        {
            "evaluationCriteria",
            "evaluationInterval",
            "evaluationWindow",
            "metricQueries",
            "thresholdMetricId",
            "warmUpConfiguration",
        }
    )
    name_input = "name"
    name_limit = 255

    def validate(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        """The required inputs of an alarm on one metric; for the SDK they are optional, because of metric queries."""
        for name in _REQUIRED:
            if name not in inputs:
                yield name, f'Missing required argument. The argument "{name}" is required for an alarm on one metric.'

    def create(self, region: Region, inputs: Properties) -> str:
        """Put the alarm."""
        self._put(region, inputs, Tags=tag_list(inputs.get("tags")))
        return str(inputs["name"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The alarm and its tags."""
        alarms = region.cloudwatch.describe_alarms(AlarmNames=[resource_id], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
        if not alarms:
            return None
        current: Any = alarms[0]
        arn = current["AlarmArn"]
        return {
            **{name: current.get(aws) for name, aws in _SETTINGS.items()},
            "arn": arn,
            "name": resource_id,
            "dimensions": {dimension["Name"]: dimension["Value"] for dimension in current.get("Dimensions") or []},
            "treatMissingData": current.get("TreatMissingData") or "missing",
            "tags": tag_map(region.cloudwatch.list_tags_for_resource(ResourceARN=arn).get("Tags")),
        }

    def update(
        self, region: Region, resource_id: str, old: Properties, new: Properties, changed: frozenset[str]
    ) -> None:
        """Put the alarm again, which removes omitted settings."""
        if changed - {"tags"}:
            self._put(region, new)
        if "tags" in changed:
            removed, added = tag_changes(old, new)
            if removed:
                region.cloudwatch.untag_resource(ResourceARN=old["arn"], TagKeys=removed)
            if added:
                region.cloudwatch.tag_resource(ResourceARN=old["arn"], Tags=tag_list(added))

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Remove the alarm."""
        none_if_missing(lambda: region.cloudwatch.delete_alarms(AlarmNames=[resource_id]), *_NOT_FOUND)

    @staticmethod
    def _put(region: Region, inputs: Properties, **more: Any) -> None:
        dimensions = tag_list(inputs.get("dimensions"), "Name", "Value")
        settings = without_none(**{aws: inputs.get(name) for name, aws in _SETTINGS.items()})
        region.cloudwatch.put_metric_alarm(AlarmName=inputs["name"], Dimensions=dimensions, **settings, **more)


RESOURCE_TYPES = (MetricAlarm,)
