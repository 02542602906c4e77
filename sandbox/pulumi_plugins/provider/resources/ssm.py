"""Systems Manager: parameters; the id is the parameter's name.

Touches SSM at the endpoint of the Region that is passed to it.
"""

from collections.abc import Iterator
from typing import Any

from sandbox.pulumi_plugins.provider import resource_type as base
from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.values import Properties

_VALUES = ("value", "insecureValue")


class Parameter(base.ResourceType):
    token = "aws:ssm/parameter:Parameter"
    display_name = "SSM Parameter"
    not_found = ("ParameterNotFound",)
    force_new = frozenset({"dataType", "name"})
    computed = frozenset({"arn", "dataType", "insecureValue", "keyId", "tier", "value"})
    write_only = frozenset({"overwrite"})
    unsupported = frozenset({"valueWo", "valueWoVersion"})
    changed_by_update = frozenset({"version"})
    name_input = "name"
    name_limit = 2048

    def validate(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        """A parameter has one value, and a SecureString has no plain one."""
        if all(name in inputs for name in _VALUES):
            yield "value", "only one of value and insecureValue can be given"
        if inputs.get("type") == "SecureString" and "insecureValue" in inputs:
            yield "insecureValue", "insecureValue cannot be used with the type SecureString"

    def create(self, region: Region, inputs: Properties) -> str:
        """Put the parameter; an existing one is an error unless `overwrite` is set."""
        overwrite = bool(inputs.get("overwrite"))
        tags = None if overwrite else base.tag_list(inputs.get("tags")) or None
        self._put(region, inputs, Overwrite=overwrite, **base.without_none(Tags=tags))
        return str(inputs["name"])

    def complete(self, region: Region, resource_id: str, inputs: Properties) -> None:
        """SSM does not accept tags together with `Overwrite`."""
        if inputs.get("overwrite") and inputs.get("tags"):
            self._tag(region, resource_id, {}, inputs)

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The parameter with its value, description and tags."""
        parameter = region.ssm.get_parameter(Name=resource_id, WithDecryption=True)["Parameter"]
        described = region.ssm.describe_parameters(
            ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [resource_id]}]
        )["Parameters"]
        details = described[0] if described else {}
        tags = region.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=resource_id)
        value_input = "insecureValue" if known.get("insecureValue") is not None else "value"
        arn = f"arn:{region.partition}:ssm:{region.name}:{region.account}:parameter/{resource_id.lstrip('/')}"
        return {
            "name": resource_id,
            "type": parameter["Type"],
            value_input: parameter["Value"],
            "version": parameter.get("Version"),
            "arn": parameter.get("ARN") or arn,
            "dataType": parameter.get("DataType") or details.get("DataType"),
            "description": details.get("Description"),
            "keyId": details.get("KeyId"),
            "tier": details.get("Tier"),
            "allowedPattern": details.get("AllowedPattern"),
            "tags": base.tag_map(tags.get("TagList")),
        }

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: base.Names) -> None:
        """Put a new version, unless only tags change."""
        if changed - {"tags", "overwrite"}:
            self._put(region, new, Overwrite=True)
        if "tags" in changed:
            self._tag(region, resource_id, old, new)

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        region.ssm.delete_parameter(Name=resource_id)

    @staticmethod
    def _put(region: Region, inputs: Properties, **more: Any) -> None:
        value = inputs.get("value")
        region.ssm.put_parameter(
            Name=inputs["name"],
            Type=inputs["type"],
            Value=inputs.get("insecureValue") if value is None else value,
            **base.without_none(
                Description=inputs.get("description"),
                KeyId=inputs.get("keyId") if inputs["type"] == "SecureString" else None,
                AllowedPattern=inputs.get("allowedPattern"),
                Tier=inputs.get("tier"),
                DataType=inputs.get("dataType"),
            ),
            **more,
        )

    @staticmethod
    def _tag(region: Region, resource_id: str, old: Properties, new: Properties) -> None:
        remove, add = region.ssm.remove_tags_from_resource, region.ssm.add_tags_to_resource
        base.change_tags(old, new, remove, add, ResourceType="Parameter", ResourceId=resource_id)


RESOURCE_TYPES = (Parameter,)
