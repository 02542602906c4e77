"""CloudWatch: alarms on one metric.

Touches CloudWatch at the endpoint of the Region that is passed to it.
"""

from collections.abc import Iterator
from typing import Any

from sandbox.pulumi_plugins.provider import resource_type as base
from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.values import Properties

_REQUIRED = ("comparisonOperator", "evaluationPeriods", "metricName", "namespace", "period", "threshold")


class MetricAlarm(base.ResourceType):
    """An alarm; its id is its name."""

    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    display_name = "CloudWatch Metric Alarm"
    not_found = ("ResourceNotFound", "ResourceNotFoundException")
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
        self._put(region, inputs, Tags=base.tag_list(inputs.get("tags")))
        return str(inputs["name"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        alarms = region.cloudwatch.describe_alarms(AlarmNames=[resource_id], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
        if not alarms:
            return None
        current: Any = alarms[0]
        arn = current["AlarmArn"]
        return {
            **base.from_aws(current),
            "arn": arn,
            "name": resource_id,
            "dimensions": {dimension["Name"]: dimension["Value"] for dimension in current.get("Dimensions") or []},
            "treatMissingData": current.get("TreatMissingData") or "missing",
            "tags": base.tag_map(region.cloudwatch.list_tags_for_resource(ResourceARN=arn).get("Tags")),
        }

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: base.Names) -> None:
        """Put the alarm again, which removes omitted settings."""
        if changed - {"tags"}:
            self._put(region, new)
        if "tags" in changed:
            base.change_tags(
                old, new, region.cloudwatch.untag_resource, region.cloudwatch.tag_resource, ResourceARN=old["arn"]
            )

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        region.cloudwatch.delete_alarms(AlarmNames=[resource_id])

    @staticmethod
    def _put(region: Region, inputs: Properties, **more: Any) -> None:
        dimensions = base.tag_list(inputs.get("dimensions"), "Name", "Value")
        settings = base.to_aws(
            {name: inputs[name] for name in inputs.keys() - {"name", "dimensions", "tags", "region"}}
        )
        region.cloudwatch.put_metric_alarm(AlarmName=inputs["name"], Dimensions=dimensions, **settings, **more)


RESOURCE_TYPES = (MetricAlarm,)
