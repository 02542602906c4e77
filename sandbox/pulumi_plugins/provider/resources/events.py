"""EventBridge (`aws:cloudwatch`, from CloudWatch Events): rules and their targets.

Touches EventBridge at the endpoint of the Region that is passed to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import ProviderError, none_if_missing
from sandbox.pulumi_plugins.provider.resource_type import ResourceType, tag_changes, tag_list, tag_map, without_none
from sandbox.pulumi_plugins.provider.values import Properties

_NOT_FOUND = "ResourceNotFoundException"
_BUS = "default"


class EventRule(ResourceType):
    """A rule; its id is its name, after the name of its bus unless that is the default one."""

    token = "aws:cloudwatch/eventRule:EventRule"
    display_name = "EventBridge Rule"
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
        """Put the rule."""
        self._put(region, inputs, Tags=tag_list(inputs.get("tags")))
        bus = inputs["eventBusName"]
        return str(inputs["name"]) if bus == _BUS else f"{bus}/{inputs['name']}"

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The rule and its tags."""
        bus, _, name = resource_id.rpartition("/")
        current = none_if_missing(lambda: region.events.describe_rule(Name=name, EventBusName=bus or _BUS), _NOT_FOUND)
        if current is None:
            return None
        return {
            "arn": current["Arn"],
            "name": current["Name"],
            "description": current.get("Description"),
            "eventBusName": current.get("EventBusName") or _BUS,
            "eventPattern": current.get("EventPattern"),
            "roleArn": current.get("RoleArn"),
            "scheduleExpression": current.get("ScheduleExpression"),
            "state": current.get("State"),
            "tags": tag_map(region.events.list_tags_for_resource(ResourceARN=current["Arn"]).get("Tags")),
        }

    def update(
        self, region: Region, resource_id: str, old: Properties, new: Properties, changed: frozenset[str]
    ) -> None:
        """Put the rule again, which removes omitted settings."""
        if changed - {"forceDestroy", "tags"}:
            self._put(region, {"state": old.get("state"), **new})
        if "tags" in changed:
            removed, added = tag_changes(old, new)
            if removed:
                region.events.untag_resource(ResourceARN=old["arn"], TagKeys=removed)
            if added:
                region.events.tag_resource(ResourceARN=old["arn"], Tags=tag_list(added))

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Delete the rule, which has no targets left."""
        none_if_missing(
            lambda: region.events.delete_rule(Name=state["name"], EventBusName=state["eventBusName"]), _NOT_FOUND
        )

    @staticmethod
    def _put(region: Region, inputs: Properties, **more: Any) -> None:
        region.events.put_rule(
            Name=inputs["name"],
            EventBusName=inputs["eventBusName"],
            **without_none(
                Description=inputs.get("description"),
                EventPattern=inputs.get("eventPattern"),
                RoleArn=inputs.get("roleArn"),
                ScheduleExpression=inputs.get("scheduleExpression"),
                State=inputs.get("state"),
            ),
            **more,
        )


class EventTarget(ResourceType):
    """A target of a rule; its id is `rule-target`, and `rule/target` to import it."""

    token = "aws:cloudwatch/eventTarget:EventTarget"
    display_name = "EventBridge Target"
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

    def create(self, region: Region, inputs: Properties) -> str:
        """Add the target to its rule."""
        self._put(region, inputs)
        return self.recorded_id("", inputs)

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The target, from its rule's list."""
        bus, rule, target_id = _where(resource_id, known)
        pages = region.events.get_paginator("list_targets_by_rule")
        targets = none_if_missing(
            lambda: [target for page in pages.paginate(Rule=rule, EventBusName=bus) for target in page["Targets"]],
            _NOT_FOUND,
        )
        current = next((target for target in targets or [] if target["Id"] == target_id), None)
        if current is None:
            return None
        transformer, retry = current.get("InputTransformer"), current.get("RetryPolicy")
        return {
            "arn": current["Arn"],
            "rule": rule,
            "eventBusName": bus,
            "targetId": target_id,
            "input": current.get("Input"),
            "inputPath": current.get("InputPath"),
            "roleArn": current.get("RoleArn"),
            "deadLetterConfig": {"arn": current["DeadLetterConfig"].get("Arn")}
            if current.get("DeadLetterConfig")
            else None,
            "inputTransformer": transformer
            and {"inputPaths": transformer.get("InputPathsMap"), "inputTemplate": transformer["InputTemplate"]},
            "retryPolicy": retry
            and {
                "maximumEventAgeInSeconds": retry.get("MaximumEventAgeInSeconds"),
                "maximumRetryAttempts": retry.get("MaximumRetryAttempts"),
            },
        }

    def recorded_id(self, resource_id: str, state: Properties) -> str:
        """The form that the real provider records, for every import id."""
        bus = "" if state["eventBusName"] == _BUS else f"{state['eventBusName']}-"
        return f"{bus}{state['rule']}-{state['targetId']}"

    def update(
        self, region: Region, resource_id: str, old: Properties, new: Properties, changed: frozenset[str]
    ) -> None:
        """Put the target again."""
        self._put(region, new)

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Remove the target from its rule."""
        where = {"Rule": state["rule"], "EventBusName": state["eventBusName"]}
        none_if_missing(lambda: region.events.remove_targets(Ids=[state["targetId"]], **where), _NOT_FOUND)

    @staticmethod
    def _put(region: Region, inputs: Properties) -> None:
        transformer, retry = inputs.get("inputTransformer"), inputs.get("retryPolicy")
        dead = inputs.get("deadLetterConfig")
        target = without_none(
            Id=inputs["targetId"],
            Arn=inputs["arn"],
            Input=inputs.get("input"),
            InputPath=inputs.get("inputPath"),
            RoleArn=inputs.get("roleArn"),
            DeadLetterConfig=dead and without_none(Arn=dead.get("arn")),
            InputTransformer=transformer
            and without_none(InputPathsMap=transformer.get("inputPaths"), InputTemplate=transformer["inputTemplate"]),
            RetryPolicy=retry
            and without_none(
                MaximumEventAgeInSeconds=retry.get("maximumEventAgeInSeconds"),
                MaximumRetryAttempts=retry.get("maximumRetryAttempts"),
            ),
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
