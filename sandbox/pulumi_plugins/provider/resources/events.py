"""EventBridge (`aws:cloudwatch` for its former name): rules, and the targets they send events to.

May touch EventBridge at the endpoint of the region it is handed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import ProviderError, found
from sandbox.pulumi_plugins.provider.resource_type import Kind, present, tag_changes, tag_list, tag_map
from sandbox.pulumi_plugins.provider.values import Properties

_GONE = "ResourceNotFoundException"
_BUS = "default"


class EventRule(Kind):
    """Which events are picked; its id is its name, after that of its bus where that is not the default one."""

    token = "aws:cloudwatch/eventRule:EventRule"
    what = "EventBridge Rule"
    force_new = frozenset({"eventBusName", "name", "namePrefix"})
    computed = frozenset({"isEnabled", "state"})
    defaults = {"eventBusName": _BUS, "forceDestroy": False}
    documents = frozenset({"eventPattern"})
    write_only = frozenset({"forceDestroy"})
    # Deprecated in the real provider in favour of `state`.
    unsupported = frozenset({"isEnabled"})
    name_input = "name"

    def problems(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        """A rule that picks nothing."""
        if not inputs.get("eventPattern") and not inputs.get("scheduleExpression"):
            yield "eventPattern", "one of eventPattern, scheduleExpression must be specified"

    def create(self, region: Region, inputs: Properties) -> str:
        """Put the rule."""
        self._put(region, inputs, Tags=tag_list(inputs.get("tags")))
        bus = inputs["eventBusName"]
        return str(inputs["name"]) if bus == _BUS else f"{bus}/{inputs['name']}"

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The rule and its tags."""
        bus, _, name = ident.rpartition("/")
        told = found(lambda: region.events.describe_rule(Name=name, EventBusName=bus or _BUS), _GONE)
        if told is None:
            return None
        return {
            "arn": told["Arn"],
            "name": told["Name"],
            "description": told.get("Description"),
            "eventBusName": told.get("EventBusName") or _BUS,
            "eventPattern": told.get("EventPattern"),
            "roleArn": told.get("RoleArn"),
            "scheduleExpression": told.get("ScheduleExpression"),
            "state": told.get("State"),
            "tags": tag_map(region.events.list_tags_for_resource(ResourceARN=told["Arn"]).get("Tags")),
        }

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """Put the rule anew, which takes off what it does not say."""
        if changed - {"forceDestroy", "tags"}:
            self._put(region, {"state": old.get("state"), **new})
        if "tags" in changed:
            gone, put = tag_changes(old, new)
            if gone:
                region.events.untag_resource(ResourceARN=old["arn"], TagKeys=gone)
            if put:
                region.events.tag_resource(ResourceARN=old["arn"], Tags=tag_list(put))

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Remove the rule, which has no target any more."""
        found(lambda: region.events.delete_rule(Name=state["name"], EventBusName=state["eventBusName"]), _GONE)

    @staticmethod
    def _put(region: Region, inputs: Properties, **more: Any) -> None:
        region.events.put_rule(
            Name=inputs["name"],
            EventBusName=inputs["eventBusName"],
            **present(
                Description=inputs.get("description"),
                EventPattern=inputs.get("eventPattern"),
                RoleArn=inputs.get("roleArn"),
                ScheduleExpression=inputs.get("scheduleExpression"),
                State=inputs.get("state"),
            ),
            **more,
        )


class EventTarget(Kind):
    """Where a rule's events go; its id is `rule-target`, and `rule/target` to import it."""

    token = "aws:cloudwatch/eventTarget:EventTarget"
    what = "EventBridge Target"
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
        return self.ident_after("", inputs)

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The target, found in its rule's list."""
        bus, rule, target_id = _where(ident, known)
        pages = region.events.get_paginator("list_targets_by_rule")
        targets = found(
            lambda: [one for page in pages.paginate(Rule=rule, EventBusName=bus) for one in page["Targets"]], _GONE
        )
        told = next((one for one in targets or [] if one["Id"] == target_id), None)
        if told is None:
            return None
        transformer, retry = told.get("InputTransformer"), told.get("RetryPolicy")
        return {
            "arn": told["Arn"],
            "rule": rule,
            "eventBusName": bus,
            "targetId": target_id,
            "input": told.get("Input"),
            "inputPath": told.get("InputPath"),
            "roleArn": told.get("RoleArn"),
            "deadLetterConfig": {"arn": told["DeadLetterConfig"].get("Arn")} if told.get("DeadLetterConfig") else None,
            "inputTransformer": transformer
            and {"inputPaths": transformer.get("InputPathsMap"), "inputTemplate": transformer["InputTemplate"]},
            "retryPolicy": retry
            and {
                "maximumEventAgeInSeconds": retry.get("MaximumEventAgeInSeconds"),
                "maximumRetryAttempts": retry.get("MaximumRetryAttempts"),
            },
        }

    def ident_after(self, ident: str, state: Properties) -> str:
        """The form the real provider records, however the target was imported."""
        bus = "" if state["eventBusName"] == _BUS else f"{state['eventBusName']}-"
        return f"{bus}{state['rule']}-{state['targetId']}"

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """Put the target anew."""
        self._put(region, new)

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Take the target off its rule."""
        where = {"Rule": state["rule"], "EventBusName": state["eventBusName"]}
        found(lambda: region.events.remove_targets(Ids=[state["targetId"]], **where), _GONE)

    @staticmethod
    def _put(region: Region, inputs: Properties) -> None:
        transformer, retry = inputs.get("inputTransformer"), inputs.get("retryPolicy")
        dead = inputs.get("deadLetterConfig")
        target = present(
            Id=inputs["targetId"],
            Arn=inputs["arn"],
            Input=inputs.get("input"),
            InputPath=inputs.get("inputPath"),
            RoleArn=inputs.get("roleArn"),
            DeadLetterConfig=dead and present(Arn=dead.get("arn")),
            InputTransformer=transformer
            and present(InputPathsMap=transformer.get("inputPaths"), InputTemplate=transformer["inputTemplate"]),
            RetryPolicy=retry
            and present(
                MaximumEventAgeInSeconds=retry.get("maximumEventAgeInSeconds"),
                MaximumRetryAttempts=retry.get("maximumRetryAttempts"),
            ),
        )
        where = {"Rule": inputs["rule"], "EventBusName": inputs["eventBusName"]}
        answer = region.events.put_targets(Targets=[target], **where)
        # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html: HTTP 200 all the same.
        if answer.get("FailedEntryCount"):
            raise ProviderError(f"creating EventBridge Target: {json.dumps(answer['FailedEntries'])}")


def _where(ident: str, known: Properties) -> tuple[str, str, str]:
    if known.get("rule") and known.get("targetId"):
        return known.get("eventBusName") or _BUS, known["rule"], known["targetId"]
    *bus, rule, target = ident.rsplit("/", 2) if "/" in ident else ("", ident)
    return "".join(bus) or _BUS, rule, target


KINDS = (EventRule, EventTarget)
