"""CloudTrail: trails; the id is the trail's ARN.

May touch CloudTrail at the endpoint of the region it is handed.
"""

from __future__ import annotations

from typing import Any

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import found
from sandbox.pulumi_plugins.provider.resource_type import Kind, present, tag_changes, tag_list, tag_map
from sandbox.pulumi_plugins.provider.values import Properties

_GONE = "TrailNotFoundException"
_SETTINGS = {
    "s3BucketName": "S3BucketName",
    "s3KeyPrefix": "S3KeyPrefix",
    "snsTopicName": "SnsTopicName",
    "includeGlobalServiceEvents": "IncludeGlobalServiceEvents",
    "isMultiRegionTrail": "IsMultiRegionTrail",
    "isOrganizationTrail": "IsOrganizationTrail",
    "enableLogFileValidation": "EnableLogFileValidation",
    "cloudWatchLogsGroupArn": "CloudWatchLogsLogGroupArn",
    "cloudWatchLogsRoleArn": "CloudWatchLogsRoleArn",
    "kmsKeyId": "KmsKeyId",
}


class Trail(Kind):
    """A trail: which events are logged, into which bucket, and whether it runs."""

    token = "aws:cloudtrail/trail:Trail"
    what = "CloudTrail Trail"
    force_new = frozenset({"name"})
    defaults = {
        "enableLogFileValidation": False,
        "enableLogging": True,
        "includeGlobalServiceEvents": True,
        "isMultiRegionTrail": False,
        "isOrganizationTrail": False,
    }
    unsupported = frozenset({"advancedEventSelectors", "insightSelectors"})
    name_input = "name"
    name_limit = 128

    def create(self, region: Region, inputs: Properties) -> str:
        """Create the trail, which does not log yet."""
        answer = region.cloudtrail.create_trail(
            Name=inputs["name"],
            TagsList=tag_list(inputs.get("tags")),
            **_settings(inputs),
        )
        return str(answer["TrailARN"])

    def complete(self, region: Region, ident: str, inputs: Properties) -> None:
        """Selectors before the start, so that nothing unselected is logged."""
        if inputs.get("eventSelectors"):
            self._select(region, ident, inputs)
        if inputs.get("enableLogging") is not False:
            region.cloudtrail.start_logging(Name=ident)

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The trail, whether it logs, and what it selects."""
        answer = found(lambda: region.cloudtrail.get_trail(Name=ident), _GONE)
        if answer is None:
            return None
        trail = answer["Trail"]
        arn = trail["TrailARN"]
        status = region.cloudtrail.get_trail_status(Name=arn)
        tags = region.cloudtrail.list_tags(ResourceIdList=[arn])["ResourceTagList"]
        told = {
            "arn": arn,
            "name": trail["Name"],
            "homeRegion": trail.get("HomeRegion") or arn.split(":")[3],
            "snsTopicArn": trail.get("SnsTopicARN"),
            "enableLogging": bool(status["IsLogging"]),
            "tags": tag_map(tags[0].get("TagsList") if tags else None),
            "enableLogFileValidation": trail.get("LogFileValidationEnabled", False),
        }
        for name, aws in _SETTINGS.items():
            told.setdefault(name, trail.get(aws))
        # Not every emulator says that a trail has selectors of its own: an import, which knows nothing, asks.
        if trail.get("HasCustomEventSelectors") or known.get("eventSelectors") or "name" not in known:
            selectors = region.cloudtrail.get_event_selectors(TrailName=arn).get("EventSelectors") or []
            read = [_selector_told(one) for one in selectors]
            told["eventSelectors"] = None if read == [_selector_told({})] and not known else read
        return told

    def ident_after(self, ident: str, state: Properties) -> str:
        """A trail imported by name is recorded under its ARN."""
        return str(state["arn"])

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """Settings in one call, then selectors, logging and tags."""
        if changed & _SETTINGS.keys():
            # "" takes a setting off; what is left out of the call stays.
            taken_off = {_SETTINGS[name]: "" for name in changed & _SETTINGS.keys() if new.get(name) is None}
            region.cloudtrail.update_trail(Name=_name(ident), **_settings(new), **taken_off)
        if "eventSelectors" in changed:
            self._select(region, ident, new)
        if "enableLogging" in changed:
            if new.get("enableLogging") is False:
                region.cloudtrail.stop_logging(Name=ident)
            else:
                region.cloudtrail.start_logging(Name=ident)
        if "tags" in changed:
            gone, put = tag_changes(old, new)
            if gone:
                before = old.get("tags") or {}
                region.cloudtrail.remove_tags(
                    ResourceId=ident, TagsList=tag_list({name: before[name] for name in gone})
                )
            if put:
                region.cloudtrail.add_tags(ResourceId=ident, TagsList=tag_list(put))

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Remove the trail; the logs stay in the bucket."""
        # By name: emulators answer success to an ARN and delete nothing.
        found(lambda: region.cloudtrail.delete_trail(Name=_name(ident)), _GONE)

    @staticmethod
    def _select(region: Region, ident: str, inputs: Properties) -> None:
        wanted = inputs.get("eventSelectors") or [{}]
        region.cloudtrail.put_event_selectors(TrailName=ident, EventSelectors=[_selector_wanted(one) for one in wanted])


def _name(ident: str) -> str:
    return ident.rsplit("/", 1)[-1]


def _settings(inputs: Properties) -> dict[str, Any]:
    return present(**{aws: inputs.get(name) for name, aws in _SETTINGS.items()})


def _selector_wanted(selector: Properties) -> dict[str, Any]:
    return {
        "ReadWriteType": selector.get("readWriteType") or "All",
        "IncludeManagementEvents": selector.get("includeManagementEvents", True),
        "ExcludeManagementEventSources": selector.get("excludeManagementEventSources") or [],
        "DataResources": [
            {"Type": one["type"], "Values": one["values"]} for one in selector.get("dataResources") or []
        ],
    }


def _selector_told(selector: Any) -> Properties:
    return {
        "readWriteType": selector.get("ReadWriteType", "All"),
        "includeManagementEvents": selector.get("IncludeManagementEvents", True),
        "excludeManagementEventSources": selector.get("ExcludeManagementEventSources", []),
        "dataResources": [
            {"type": one["Type"], "values": one.get("Values", [])} for one in selector.get("DataResources", [])
        ],
    }


KINDS = (Trail,)
