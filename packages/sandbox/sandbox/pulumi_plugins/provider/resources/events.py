"""EventBridge (`aws:cloudwatch`, from CloudWatch Events): rules and their targets.

Touches EventBridge at the endpoint of the Region that is passed to it.
"""

import json
from collections.abc import Iterator
from typing import Any

from sandbox.pulumi_plugins.provider import resource_type as base
from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import ProviderError
from sandbox.pulumi_plugins.provider.values import Properties

_NOT_FOUND = ("ResourceNotFoundException",)
_BUS = "default"
_NOT_OF_PUT_RULE = {"forceDestroy", "namePrefix", "region", "tags"}


class EventRule(base.ResourceType):
    """A rule; its id is its name, after the name of its bus unless that is the default one."""

    token = "aws:cloudwatch/eventRule:EventRule"
    display_name = "EventBridge Rule"
    not_found = _NOT_FOUND
    force_new = frozenset({"eventBusName", "name", "namePrefix"})
    computed = frozenset({"isEnabled", "state"})
    defaults = {"eventBusName": _BUS, "forceDestroy": False}
    documents = frozenset({"eventPattern"})
    write_only = frozenset({"forceDestroy"})
    # Deprecated in the real provider, which has `state`.
    unsupported = frozenset({"isEnabled"})
    name_input = "name"

    def validate(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        """A rule that selects nothing."""
        if not inputs.get("eventPattern") and not inputs.get("scheduleExpression"):
            yield "eventPattern", "one of eventPattern, scheduleExpression must be specified"

    def create(self, region: Region, inputs: Properties) -> str:
        self._put(region, inputs, Tags=base.tag_list(inputs.get("tags")))
        bus = inputs["eventBusName"]
        return str(inputs["name"]) if bus == _BUS else f"{bus}/{inputs['name']}"

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        bus, _, name = resource_id.rpartition("/")
        current = region.events.describe_rule(Name=name, EventBusName=bus or _BUS)
        return {
            **base.from_aws(current),
            "eventBusName": current.get("EventBusName") or _BUS,
            "isEnabled": current["State"] != "DISABLED",
            "tags": base.tag_map(region.events.list_tags_for_resource(ResourceARN=current["Arn"]).get("Tags")),
        }

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: base.Names) -> None:
        """Put the rule again, which removes omitted settings."""
        if changed - {"forceDestroy", "tags"}:
            self._put(region, {"state": old.get("state"), **new})
        if "tags" in changed:
            base.change_tags(old, new, region.events.untag_resource, region.events.tag_resource, ResourceARN=old["arn"])

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        region.events.delete_rule(Name=state["name"], EventBusName=state["eventBusName"])

    @staticmethod
    def _put(region: Region, inputs: Properties, **more: Any) -> None:
        region.events.put_rule(**base.to_aws({name: inputs[name] for name in inputs.keys() - _NOT_OF_PUT_RULE}), **more)


class EventTarget(base.ResourceType):
    """A target of a rule; its id is `rule-target`, and `rule/target` to import it."""

    token = "aws:cloudwatch/eventTarget:EventTarget"
    display_name = "EventBridge Target"
    not_found = _NOT_FOUND
    force_new = frozenset({"eventBusName", "rule", "targetId"})
    defaults = {"eventBusName": _BUS, "forceDestroy": False}
    write_only = frozenset({"forceDestroy"})
    unsupported = frozenset(
        {
            "appsyncTarget",
            "batchTarget",
            "ecsTarget",
            "httpTarget",
            "kinesisTarget",
            "redshiftTarget",
            "runCommandTargets",
            "sagemakerPipelineTarget",
            "sqsTarget",
        }
    )
    name_input = "targetId"

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        bus, rule, target_id = _where(resource_id, known)
        pages = region.events.get_paginator("list_targets_by_rule").paginate(Rule=rule, EventBusName=bus)
        targets = (target for page in pages for target in page["Targets"])
        current = next((target for target in targets if target["Id"] == target_id), None)
        if current is None:
            return None
        transformer = current.get("InputTransformer")
        return {
            **base.from_aws(current),
            "rule": rule,
            "eventBusName": bus,
            "targetId": target_id,
            "inputTransformer": transformer
            and {"inputPaths": transformer.get("InputPathsMap"), "inputTemplate": transformer["InputTemplate"]},
        }

    def recorded_id(self, resource_id: str, state: Properties) -> str:
        """The form that the real provider records, for every import id."""
        bus = "" if state["eventBusName"] == _BUS else f"{state['eventBusName']}-"
        return f"{bus}{state['rule']}-{state['targetId']}"

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        region.events.remove_targets(Ids=[state["targetId"]], Rule=state["rule"], EventBusName=state["eventBusName"])

    def put(self, region: Region, inputs: Properties) -> None:
        """Add the target to its rule, or replace it."""
        transformer = inputs.get("inputTransformer")
        names = ("arn", "input", "inputPath", "roleArn", "deadLetterConfig", "retryPolicy")
        target = {"Id": inputs["targetId"], **base.to_aws({name: inputs.get(name) for name in names})}
        if transformer:
            target["InputTransformer"] = base.without_none(
                InputPathsMap=transformer.get("inputPaths"), InputTemplate=transformer["inputTemplate"]
            )
        where = {"Rule": inputs["rule"], "EventBusName": inputs["eventBusName"]}
        response = region.events.put_targets(Targets=[target], **where)
        # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html: also with HTTP 200.
        if response.get("FailedEntryCount"):
            raise ProviderError(f"creating EventBridge Target: {json.dumps(response['FailedEntries'])}")


def _where(resource_id: str, known: Properties) -> tuple[str, str, str]:
    if known.get("rule") and known.get("targetId"):
        return known.get("eventBusName") or _BUS, known["rule"], known["targetId"]
    *bus, rule, target = resource_id.rsplit("/", 2) if "/" in resource_id else ("", resource_id)
    return "".join(bus) or _BUS, rule, target


RESOURCE_TYPES = (EventRule, EventTarget)
