"""CloudTrail: trails; the id is the trail's ARN.

Touches CloudTrail at the endpoint of the Region that is passed to it.
"""

from typing import Any

from sandbox.arns import name_of
from sandbox.arns import parse as parse_arn
from sandbox.pulumi_plugins.provider import resource_type as base
from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.values import Properties

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


class Trail(base.ResourceType):
    """A trail: its events, its bucket, and whether it logs."""

    token = "aws:cloudtrail/trail:Trail"
    display_name = "CloudTrail Trail"
    not_found = ("TrailNotFoundException",)
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
        response = region.cloudtrail.create_trail(
            Name=inputs["name"],
            TagsList=base.tag_list(inputs.get("tags")),
            **_settings(inputs),
        )
        return str(response["TrailARN"])

    def complete(self, region: Region, resource_id: str, inputs: Properties) -> None:
        """Event selectors first, so that only selected events are logged."""
        if inputs.get("eventSelectors"):
            self._select(region, resource_id, inputs)
        if inputs.get("enableLogging") is not False:
            region.cloudtrail.start_logging(Name=resource_id)

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The trail, whether it logs, and its event selectors."""
        trails = region.cloudtrail.describe_trails(trailNameList=[resource_id])["trailList"]
        # Moto alone describes every trail.
        trail = next((each for each in trails if resource_id in (each["TrailARN"], each["Name"])), None)
        if trail is None:
            return None
        arn = trail["TrailARN"]
        status = region.cloudtrail.get_trail_status(Name=arn)
        tags = region.cloudtrail.list_tags(ResourceIdList=[arn])["ResourceTagList"]
        current = {
            "arn": arn,
            "name": trail["Name"],
            "homeRegion": trail.get("HomeRegion") or parse_arn(arn).region,
            "snsTopicArn": trail.get("SnsTopicARN"),
            "enableLogging": bool(status["IsLogging"]),
            "tags": base.tag_map(tags[0].get("TagsList") if tags else None),
            "enableLogFileValidation": trail.get("LogFileValidationEnabled", False),
        }
        for name, aws in _SETTINGS.items():
            current.setdefault(name, trail.get(aws))
        if trail.get("HasCustomEventSelectors"):
            selectors = region.cloudtrail.get_event_selectors(TrailName=arn).get("EventSelectors") or []
            current["eventSelectors"] = [_selector_from_aws(selector) for selector in selectors]
        return current

    def recorded_id(self, resource_id: str, state: Properties) -> str:
        """A trail imported by name is recorded under its ARN."""
        return str(state["arn"])

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: base.Names) -> None:
        """Settings in one call, then selectors, logging and tags."""
        if changed & _SETTINGS.keys():
            # "" removes a setting; an omitted setting does not change.
            removed_settings = {_SETTINGS[name]: "" for name in changed & _SETTINGS.keys() if new.get(name) is None}
            region.cloudtrail.update_trail(Name=name_of(resource_id), **_settings(new), **removed_settings)
        if "eventSelectors" in changed:
            self._select(region, resource_id, new)
        if "enableLogging" in changed:
            if new.get("enableLogging") is False:
                region.cloudtrail.stop_logging(Name=resource_id)
            else:
                region.cloudtrail.start_logging(Name=resource_id)
        if "tags" in changed:
            removed, added = base.tag_changes(old, new)
            if removed:
                before = old.get("tags") or {}
                region.cloudtrail.remove_tags(
                    ResourceId=resource_id, TagsList=base.tag_list({name: before[name] for name in removed})
                )
            if added:
                region.cloudtrail.add_tags(ResourceId=resource_id, TagsList=base.tag_list(added))

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Delete the trail; the logs stay in the bucket."""
        # By name: emulators answer success to an ARN and delete nothing.
        region.cloudtrail.delete_trail(Name=name_of(resource_id))

    @staticmethod
    def _select(region: Region, resource_id: str, inputs: Properties) -> None:
        requested = inputs.get("eventSelectors") or [{}]
        region.cloudtrail.put_event_selectors(
            TrailName=resource_id, EventSelectors=[_selector_to_aws(selector) for selector in requested]
        )


def _settings(inputs: Properties) -> dict[str, Any]:
    return base.without_none(**{aws: inputs.get(name) for name, aws in _SETTINGS.items()})


def _selector_to_aws(selector: Properties) -> dict[str, Any]:
    return {
        "ReadWriteType": selector.get("readWriteType") or "All",
        "IncludeManagementEvents": selector.get("includeManagementEvents", True),
        "ExcludeManagementEventSources": selector.get("excludeManagementEventSources") or [],
        "DataResources": [
            {"Type": data["type"], "Values": data["values"]} for data in selector.get("dataResources") or []
        ],
    }


def _selector_from_aws(selector: Any) -> Properties:
    return {
        "readWriteType": selector.get("ReadWriteType", "All"),
        "includeManagementEvents": selector.get("IncludeManagementEvents", True),
        "excludeManagementEventSources": selector.get("ExcludeManagementEventSources", []),
        "dataResources": [
            {"type": data["Type"], "values": data.get("Values", [])} for data in selector.get("DataResources", [])
        ],
    }


RESOURCE_TYPES = (Trail,)
