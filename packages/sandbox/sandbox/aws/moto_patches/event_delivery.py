"""EventBridge's rules on CloudTrail's records, and their messages to SNS topics: moto delivers neither.

Keeps the sent messages in this process; reads moto's rules, topics, trails, keys and roles.
"""

import json
import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from moto.cloudtrail.models import cloudtrail_backends
from moto.events.models import events_backends
from moto.sns.models import sns_backends

from sandbox.arns import fields_of
from sandbox.aws.iam.policy import (
    Decision,
    Request,
    UnsupportedCondition,
    evaluate,
    names_principal,
    statements,
    without_resource,
)
from sandbox.aws.iam.principals import identity_statements
from sandbox.aws.moto_patches.kms import named_keys
from sandbox.aws.protocol import Call
from sandbox.state import ACCOUNT

_EVENTBRIDGE = "events.amazonaws.com"
_SECURE = {"aws:SecureTransport": ("true",)}
REMEMBERED_MESSAGES = 1_000

_pending: deque[tuple[str, dict[str, Any]]] = deque()
_messages: deque[dict[str, Any]] = deque(maxlen=REMEMBERED_MESSAGES)


def put_event(call: Call, record: Mapping[str, Any] | None) -> None:
    """Put the record of a call that writes on the default bus of its Region; None: the call has no record.

    An event comes from a trail that is logging. Rules that also match reads (ENABLED_WITH_ALL_…) get none here.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
    """
    if record is None or record["readOnly"] or not _is_logged(call.region):
        return
    parameters = {name[:1].lower() + name[1:]: value for name, value in call.parameters.items()}
    event = {
        "id": record["eventID"],
        "detail-type": "AWS API Call via CloudTrail",
        "source": f"aws.{record['eventSource'].partition('.')[0]}",
        "account": ACCOUNT,
        "time": record["eventTime"],
        "region": call.region,
        "detail": {**record, "requestParameters": parameters},
    }
    _pending.append((call.region, event))


def deliver_events() -> None:
    """Send each event to the targets of the rules that match it, as the account is after the call.

    On AWS that takes seconds to minutes; what a target refuses is tried again for 24 hours, and then lost.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
    """
    while _pending:
        region, event = _pending.popleft()
        flat = _with_lists(event)
        for rule in tuple(events_backends[ACCOUNT][region].event_buses["default"].rules.values()):
            pattern = rule.event_pattern
            if rule.state.startswith("ENABLED") and pattern.get_pattern() and pattern.matches_event(flat):
                for target in rule.targets:
                    _send(region, event, target)


def sent_messages() -> list[dict[str, Any]]:
    """The messages that reached a topic, the oldest first, each with the addresses that got it."""
    return list(_messages)


def _is_logged(region: str) -> bool:
    return any(
        trail.status.is_logging and (trail.is_multi_region or home == region)
        for home, backend in cloudtrail_backends[ACCOUNT].items()
        for trail in backend.trails.values()
    )


def _with_lists(event: Any) -> Any:
    """The event with the objects of a list as one object of lists, as `resources.ARN` means any of them: to moto a list
    has no fields."""
    if isinstance(event, Mapping):
        return {name: _with_lists(value) for name, value in event.items()}
    if not isinstance(event, list) or not all(isinstance(each, Mapping) for each in event):
        return event
    names = dict.fromkeys(name for each in event for name in each)
    return {name: [each[name] for each in event if name in each] for name in names}


def _send(region: str, event: dict[str, Any], target: Mapping[str, Any]) -> None:
    arn = target["Arn"]
    service, to_region = fields_of(arn)[2:4]
    if service == "sns":
        _publish(to_region, arn, _text(event, target.get("InputTransformer") or {}))
    elif service == "events" and to_region != region:
        request = Request(action="events:PutEvents", resource=arn, context=_SECURE)
        if evaluate(identity_statements(target.get("RoleArn") or ""), request) is Decision.ALLOWED:
            _pending.append((to_region, event))


def _text(event: Mapping[str, Any], transformer: Mapping[str, Any]) -> str:
    """The message: quoted lines, in which each `<name>` is the value at the name's path, empty without one.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
    """
    template = transformer.get("InputTemplate")
    if not template:
        return json.dumps(event)
    paths = transformer.get("InputPathsMap") or {}
    lines = "\n".join(line.removeprefix('"').removesuffix('"') for line in template.splitlines())
    return re.sub("<([^<>]+)>", lambda found: _at(event, paths.get(found[1], "$")), lines)


def _at(event: Any, path: str) -> str:
    for name in path.split(".")[1:]:
        event = event.get(name) if isinstance(event, Mapping) else None
    return "" if event is None or isinstance(event, Mapping) else str(event)


def _publish(region: str, arn: str, message: str) -> None:
    """SNS takes a message of EventBridge if the topic's policy allows it and, with a key, the key's policy too.

    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
    """
    topic = sns_backends[ACCOUNT][region].topics.get(arn)
    if topic is None or not _is_allowed(json.loads(topic.policy), "sns:Publish", arn, _SECURE):
        return
    if topic.kms_master_key_id and not _may_encrypt(region, topic.kms_master_key_id, arn):
        return
    topic.publish(message)
    subscriptions = topic.sns_backend.subscriptions.values()
    addresses = [each.endpoint for each in subscriptions if each.topic == topic and each.protocol == "email"]
    _messages.append({"topic": arn, "to": sorted(addresses), "message": message})


def _may_encrypt(region: str, key_id: str, topic: str) -> bool:
    call = Call(service="kms", operation="", region=region, access_key_id="", parameters={"KeyId": key_id})
    key = named_keys.named_key(call)
    context = {**_SECURE, "kms:EncryptionContext:aws:sns:topicArn": (topic,)}
    return (
        key is not None
        and key.key_state == "Enabled"
        and all(
            _is_allowed(json.loads(key.policy), action, key.arn, context, of_a_key=True)
            for action in ("kms:GenerateDataKey", "kms:Decrypt")
        )
    )


def _is_allowed(
    policy: Mapping[str, Any],
    action: str,
    resource: str,
    context: Mapping[str, tuple[str, ...]],
    *,
    of_a_key: bool = False,
) -> bool:
    """Whether a resource's policy lets EventBridge do it, which sends neither an account nor a rule.

    A condition that is not implemented here counts as a refusal.
    """
    about = [
        without_resource(statement) if of_a_key else statement
        for statement in statements(policy)
        if statement.get("Principal") == "*"
        or names_principal(statement, "Service", (_EVENTBRIDGE,))
        or names_principal(statement, "AWS", ("*",))
    ]
    try:
        return evaluate(about, Request(action=action, resource=resource, context=context)) is Decision.ALLOWED
    except UnsupportedCondition:
        return False
