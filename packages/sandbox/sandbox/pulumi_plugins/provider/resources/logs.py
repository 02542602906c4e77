"""CloudWatch Logs: log groups.

Touches CloudWatch Logs at the endpoint of the Region that is passed to it.
"""

from collections.abc import Iterator

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.resource_type import Names, ResourceType, tag_changes, without_none
from sandbox.pulumi_plugins.provider.values import Properties

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html; 0: without end
RETENTION_DAYS = (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
                  3288, 3653)  # fmt: skip


class LogGroup(ResourceType):
    """A log group; its id is its name."""

    token = "aws:cloudwatch/logGroup:LogGroup"
    display_name = "CloudWatch Logs Log Group"
    not_found = ("ResourceNotFoundException",)
    force_new = frozenset({"logGroupClass", "name", "namePrefix"})
    computed = frozenset({"deletionProtectionEnabled", "logGroupClass"})
    defaults = {"retentionInDays": 0, "skipDestroy": False}
    write_only = frozenset({"skipDestroy"})
    unsupported = frozenset({"deletionProtectionEnabled"})
    name_input = "name"
    name_limit = 512

    def validate(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        """Retentions that CloudWatch Logs does not offer."""
        days = inputs.get("retentionInDays")
        if days is not None and days not in RETENTION_DAYS:
            offered = " ".join(str(item) for item in RETENTION_DAYS)
            yield "retentionInDays", f"expected retentionInDays to be one of [{offered}], got {days}"

    def create(self, region: Region, inputs: Properties) -> str:
        region.logs.create_log_group(
            logGroupName=inputs["name"],
            **without_none(
                kmsKeyId=inputs.get("kmsKeyId"),
                logGroupClass=inputs.get("logGroupClass"),
                tags=inputs.get("tags") or None,
            ),
        )
        return str(inputs["name"])

    def complete(self, region: Region, resource_id: str, inputs: Properties) -> None:
        """Without a retention period the logs never expire."""
        if inputs.get("retentionInDays"):
            region.logs.put_retention_policy(logGroupName=resource_id, retentionInDays=inputs["retentionInDays"])

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The log group, from the list: CloudWatch Logs cannot describe a single one."""
        pages = region.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=resource_id)
        groups = (group for page in pages for group in page["logGroups"])
        current = next((group for group in groups if group["logGroupName"] == resource_id), None)
        if current is None:
            return None
        arn = current["arn"].removesuffix(":*")
        return {
            "arn": arn,
            "name": resource_id,
            "kmsKeyId": current.get("kmsKeyId"),
            "logGroupClass": current.get("logGroupClass", "STANDARD"),
            "retentionInDays": current.get("retentionInDays", 0),
            "tags": dict(region.logs.list_tags_for_resource(resourceArn=arn).get("tags") or {}),
        }

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: Names) -> None:
        """Retention, key and tags."""
        if "retentionInDays" in changed:
            if new.get("retentionInDays"):
                region.logs.put_retention_policy(logGroupName=resource_id, retentionInDays=new["retentionInDays"])
            else:
                region.logs.delete_retention_policy(logGroupName=resource_id)
        if "kmsKeyId" in changed:
            if new.get("kmsKeyId"):
                region.logs.associate_kms_key(logGroupName=resource_id, kmsKeyId=new["kmsKeyId"])
            else:
                region.logs.disassociate_kms_key(logGroupName=resource_id)
        if "tags" in changed:
            removed, added = tag_changes(old, new)
            if removed:
                region.logs.untag_resource(resourceArn=old["arn"], tagKeys=removed)
            if added:
                region.logs.tag_resource(resourceArn=old["arn"], tags=added)

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Delete the log group with its logs, or keep it with skipDestroy."""
        if not state.get("skipDestroy"):
            region.logs.delete_log_group(logGroupName=resource_id)


RESOURCE_TYPES = (LogGroup,)
