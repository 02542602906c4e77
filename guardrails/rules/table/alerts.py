"""The rows of the alerts: the topics, who may publish to them, their subscriptions, the rules, targets, the alarm.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components.settings import Settings
from components.settings.arn import Arn

from .. import types
from ..events import call, missed
from ..row import Check, Denied, Document, May, Row, unless_set
from .application import inline_policy, readers_of, role
from .keys import AUDIT_KEY, DOCUMENTS_KEY, phi_keys
from .places import trail_arn

Events = Mapping[str, tuple[Mapping[str, Any], ...]]
"""The events that a rule has to match, by the name of the call."""


def rows(settings: Settings) -> Iterator[Row]:
    """Nothing where the settings want no alerts."""
    if not settings.alerts:
        return
    names = settings.names
    topic, fallback = settings.arn("sns", names.alert_topic), settings.arn("sns", names.fallback_topic)
    common: Mapping[str, Any] = {"region": settings.region}
    yield from _topic(settings, "alerts", topic, has_key=settings.makes_trail and settings.trail_key, has_alarm=True)
    # Without a key: it reports the changes of that key.
    yield from _topic(settings, "fallback-alerts", fallback)
    yield Row(
        type=types.ALARM,
        name="alerts-denied-use",
        must={
            "name": names.denied_use_rule,
            "namespace": "AWS/Events",
            "metricName": "MatchedEvents",
            "dimensions": {"RuleName": names.denied_use_rule},
            "statistic": "Sum",
            "period": 300,
            "evaluationPeriods": 1,
            "threshold": 5,
            "comparisonOperator": "GreaterThanOrEqualToThreshold",
            "treatMissingData": "notBreaching",
            "alarmActions": [topic],
            "actionsEnabled": unless_set(True),
        },
        tags=settings.tags,
        **common,
    )
    yield from _event_rules(settings, topic, fallback)


def _topic(
    settings: Settings, name: str, topic: str, *, has_key: bool = False, has_alarm: bool = False
) -> Iterator[Row]:
    common: Mapping[str, Any] = {"region": settings.region}
    yield Row(
        type=types.TOPIC,
        name=name,
        must={"name": Arn.parse(topic).name},
        keys={"kmsMasterKeyId": (AUDIT_KEY,)} if has_key else {},
        tags=settings.tags,
        **common,
    )
    yield Row(
        type=types.TOPIC_POLICY,
        name=name,
        must={"arn": topic},
        documents={"policy": _topic_policy(settings, topic, has_alarm=has_alarm)},
        **common,
    )
    for email in settings.alert_emails:
        yield Row(
            type=types.SUBSCRIPTION,
            name=f"{name}-{email}",
            must={
                "topic": topic,
                "protocol": "email",
                "endpoint": email,
                "confirmationTimeoutInMinutes": unless_set(1),
            },
            **common,
        )


def _topic_policy(settings: Settings, topic: str, *, has_alarm: bool) -> Document:
    """EventBridge and the stack's one alarm publish; nobody does so over plain HTTP."""
    alarm = settings.arn("cloudwatch", f"alarm:{settings.names.denied_use_rule}")
    alarms = {
        "StringEquals": {"aws:SourceAccount": (settings.account_id,)},
        "ArnEquals": {"aws:SourceArn": (alarm,)},
    }
    publish, plain_http = ("sns:Publish",), ({"aws:securetransport": ("false",)},)
    return Document(
        # SNS supports no condition for EventBridge: with one its messages are lost.
        may=(
            May(who=(("Service", "events.amazonaws.com"),), actions=publish, on=(topic,)),
            *(
                [May(who=(("Service", "cloudwatch.amazonaws.com"),), actions=publish, on=(topic,), when=alarms)]
                if has_alarm
                else []
            ),
        ),
        denied=(Denied(actions=publish, on=(topic,), requests=plain_http, what="plain HTTP"),),
    )


def _event_rules(settings: Settings, topic: str, fallback: str) -> Iterator[Row]:
    home, everywhere = settings.region, tuple(dict.fromkeys((*settings.regions, settings.iam_region)))
    names, keys = settings.names, phi_keys(settings)
    audit_key = (AUDIT_KEY,) if settings.makes_trail and settings.trail_key else ()
    changed = (*keys, *audit_key, *([DOCUMENTS_KEY] if settings.documents_key else []))
    trail = Arn.parse(trail_arn(settings))
    is_here = (trail.region, trail.account) == (home, settings.account_id)
    kinds = (
        ("key-changes", names.key_changes_rule, settings.regions, _key_changes(settings), changed),
        ("trail-changes", names.trail_changes_rule, (home,) if is_here else (), _trail_changes(settings), ()),
        ("denied-use", names.denied_use_rule, settings.regions, _denied_use(settings), keys),
        ("access-changes", names.access_changes_rule, everywhere, _access_changes(settings), ()),
        ("alert-changes", names.alert_changes_rule, everywhere, _alert_changes(settings, topic, fallback), ()),
        ("fallback", names.fallback_rule, (home,), _fallback(settings, topic), audit_key),
    )
    bus = settings.arn("events", "event-bus/default")
    sender = settings.arn("iam", f"role/{names.forwarding_role}")
    for kind, rule, regions, events, named in kinds:
        for region in regions:
            name = f"alerts-{kind}" if region == home else f"alerts-{kind}-{region}"
            yield _rule(settings, name, rule, region, events, named, reads=kind == "denied-use")
            must = {"rule": rule, "eventBusName": unless_set("default")}
            if region != home:
                must |= {"targetId": "home", "arn": bus, "roleArn": sender}
            elif kind != "denied-use":
                arn = fallback if kind == "fallback" else topic
                must |= {"targetId": "alerts", "arn": arn, "inputTransformer": Check(faults=_message)}
            else:
                # An alarm counts its matches.
                continue
            yield Row(type=types.EVENT_TARGET, name=name, must=must, region=region)
    if len(everywhere) > 1:
        here = {"StringEquals": {"aws:SourceAccount": (settings.account_id,)}}
        trust = May(who=(("Service", "events.amazonaws.com"),), actions=("sts:AssumeRole",), when=here)
        yield role(settings, "alerts-forwarding", names.forwarding_role, Document(may=(trust,)))
        put = Document(may=(May(actions=("events:PutEvents",), on=(bus,)),))
        yield inline_policy("alerts-forwarding", names.forwarding_role, names.forwarding_role, put)


def _rule(
    settings: Settings,
    name: str,
    rule: str,
    region: str,
    events: Events,
    keys: tuple[tuple[str, str], ...],
    *,
    reads: bool,
) -> Row:
    def misses(pattern: Any) -> Iterator[str]:
        calls = list(missed(pattern, events))
        if calls:
            yield f"miss {', '.join(calls)}: nobody would be told"

    return Row(
        type=types.EVENT_RULE,
        name=name,
        must={
            "name": rule,
            "eventPattern": Check(faults=misses),
            # Without it a rule matches no call that only reads, such as Decrypt.
            "state": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" if reads else unless_set("ENABLED"),
            "isEnabled": unless_set(True),
            "eventBusName": unless_set("default"),
        },
        keys={"eventPattern": keys} if keys else {},
        tags=settings.tags,
        region=region,
    )


_TOLD = {"what": "$.detail.eventName", "who": "$.detail.userIdentity.arn", "when": "$.detail.eventTime"}
"""What every message says, and the part of the event that it is."""


def _message(transformer: Any) -> Iterator[str]:
    given = transformer or {}
    text, paths = given.get("inputTemplate") or "", given.get("inputPaths") or {}
    if absent := [name for name, path in _TOLD.items() if f"<{name}>" not in text or paths.get(name) != path]:
        yield f"does not say {', '.join(absent)}"


def _each(service: str, operations: str, **parameters: Any) -> Events:
    return {each: (call(service, each, requestParameters=parameters),) for each in operations.split()}


def _of_each(service: str, operations: str, parameter: str, values: Iterable[Any]) -> Events:
    """Each operation on each of the values."""
    names = list(values)
    return {
        each: tuple(call(service, each, requestParameters={parameter: value}) for value in names)
        for each in operations.split()
    }


def _key_changes(settings: Settings) -> Events:
    return _kms_changes(settings.names.alias)


def _kms_changes(alias: str) -> Events:
    return {
        **_each(
            "kms",
            "ScheduleKeyDeletion DisableKey PutKeyPolicy DisableKeyRotation EnableKeyRotation CreateGrant ReplicateKey "
            "UpdatePrimaryRegion CancelKeyDeletion RevokeGrant TagResource UntagResource",
            keyId=alias,
        ),
        **_each("kms", "UpdateAlias DeleteAlias", aliasName=alias),
    }


def _denied_use(settings: Settings) -> Events:
    denied = {"errorCode": "AccessDenied", "requestParameters": {"keyId": settings.names.alias}, "readOnly": True}
    operations = ("Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair", "ReEncrypt")
    return {each: (call("kms", each, **denied),) for each in operations}


def _trail_changes(settings: Settings) -> Events:
    trail, buckets = trail_arn(settings), [settings.names.trail_bucket]
    if settings.makes_trail and settings.access_logging:
        buckets.append(settings.names.access_log_bucket)
    return {
        **_each("cloudtrail", "StopLogging DeleteTrail UpdateTrail", name=trail),
        **_each("cloudtrail", "PutEventSelectors PutInsightSelectors", trailName=trail),
        **_of_each(
            "s3",
            "PutBucketPolicy DeleteBucketPolicy PutBucketLifecycle DeleteBucketLifecycle PutBucketVersioning "
            "PutObjectLockConfiguration PutBucketPublicAccessBlock DeleteBucketPublicAccessBlock PutBucketEncryption "
            "DeleteBucketEncryption PutBucketReplication PutBucketAcl PutBucketLogging DeleteBucket",
            "bucketName",
            buckets,
        ),
    }


def _access_changes(settings: Settings) -> Events:
    names = settings.names
    readers = [settings.arn("iam", f"role/{name}") for name in readers_of(settings).values()]
    principals = [Arn.parse(each) for each in (*settings.app_principal_arns, *readers)]
    stored = f"{names.parameter_prefix}/ENCRYPTED_PHI_KEY"
    watching = [names.alert_changes_rule, names.fallback_rule]
    return {
        **_of_each(
            "iam",
            "UpdateAssumeRolePolicy AttachRolePolicy PutRolePolicy DeleteRolePolicy PutRolePermissionsBoundary "
            "DeleteRolePermissionsBoundary",
            "roleName",
            (each.name for each in principals if each.kind == "role"),
        ),
        **_of_each(
            "iam",
            "CreateAccessKey UpdateAccessKey CreateLoginProfile UpdateLoginProfile AttachUserPolicy PutUserPolicy "
            "AddUserToGroup DeleteUserPermissionsBoundary",
            "userName",
            (each.name for each in principals if each.kind == "user"),
        ),
        **_each(
            "iam",
            "CreatePolicyVersion SetDefaultPolicyVersion",
            policyArn=settings.arn("iam", f"policy/{names.app_policy}"),
        ),
        **_each("ssm", "PutParameter DeleteParameter", name=stored),
        **_each("secretsmanager", "PutSecretValue UpdateSecret DeleteSecret PutResourcePolicy", secretId=stored),
        # Neither rule of the alerts can tell of its own end.
        **_of_each("events", "DisableRule DeleteRule PutRule", "name", watching),
        **_of_each("events", "RemoveTargets PutTargets", "rule", watching),
    }


def _way(rules: Iterable[str], topics: Iterable[str]) -> Events:
    """The changes of the way that alerts take: the rules, the topics, their subscriptions."""
    names, arns = list(rules), list(topics)
    return {
        **_of_each("events", "DisableRule DeleteRule PutRule", "name", names),
        **_of_each("events", "RemoveTargets PutTargets", "rule", names),
        **_of_each("sns", "DeleteTopic SetTopicAttributes AddPermission RemovePermission Subscribe", "topicArn", arns),
        **_of_each("sns", "Unsubscribe SetSubscriptionAttributes", "subscriptionArn", [f"{arn}:1" for arn in arns]),
    }


def _alert_changes(settings: Settings, topic: str, fallback: str) -> Events:
    names = settings.names
    rules = [names.key_changes_rule, names.denied_use_rule, names.access_changes_rule, names.fallback_rule]
    return {
        **_way(rules, [topic, fallback]),
        **_each("monitoring", "PutMetricAlarm SetAlarmState", alarmName=names.denied_use_rule),
        **_each("monitoring", "DeleteAlarms DisableAlarmActions", alarmNames=[names.denied_use_rule]),
    }


def _fallback(settings: Settings, topic: str) -> Events:
    """What breaks the way of the other alerts: their rules, their topic, its key."""
    names = settings.names
    rules = [names.key_changes_rule, names.denied_use_rule, names.access_changes_rule, names.alert_changes_rule]
    has_key = settings.makes_trail and settings.trail_key
    return {**_way(rules, [topic]), **(_kms_changes(names.trail_key_alias) if has_key else {})}
