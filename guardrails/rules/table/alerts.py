"""The rows of the alerts: the topics, who may publish to them, their subscriptions, the rules, targets, the alarm.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from .. import types
from ..patterns import Pattern, narrower
from ..row import Bound, Check, Denied, Document, May, Row, unless_set
from ..settings import Settings, last_part
from .application import inline_policy, readers_of, reading_policy, role, vercel_provider
from .keys import AUDIT_KEY, DOCUMENTS_KEY, phi_keys

BURST = 5
"""Denied uses within five minutes that set off the alarm, at most."""


def rows(settings: Settings) -> Iterator[Row]:
    """Nothing where the settings want no alerts."""
    if not settings.alerts:
        return
    topic, fallback = _topics(settings)
    denied = settings.name("denied-use")
    actions = partial(_actions, settings)
    yield from _topic(settings, "alerts", topic, has_key=settings.has_audit_key, has_alarm=True)
    # Without a key: it reports the changes of that key.
    yield from _topic(settings, "fallback-alerts", fallback)
    yield Row(
        type=types.ALARM,
        name="alerts-denied-use",
        must={
            "name": denied,
            "namespace": "AWS/Events",
            "metricName": "MatchedEvents",
            "dimensions": {"RuleName": denied},
            "statistic": "Sum",
            "period": 300,
            "evaluationPeriods": 1,
            "threshold": Check(faults=_threshold),
            "comparisonOperator": "GreaterThanOrEqualToThreshold",
            "treatMissingData": "notBreaching",
            "alarmActions": Check(faults=partial(actions, needed=topic)),
            "okActions": Check(faults=actions),
            "insufficientDataActions": Check(faults=actions),
            "actionsEnabled": unless_set(True),
        },
        tags=settings.tags,
        region=settings.region,
    )
    yield from _event_rules(settings)


def _topics(settings: Settings) -> tuple[str, str]:
    """The ARNs of the topic of all alerts, and of the second way."""
    first, second = settings.name("alerts"), settings.name("fallback-alerts")
    return settings.arn("sns", first), settings.arn("sns", second)


def _threshold(value: Any) -> Iterator[str]:
    # An alarm that is always on notifies nobody again: 0 is no threshold.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= BURST:
        yield f"is {value}, wanted 1 to {BURST}"


def _actions(settings: Settings, value: Any, needed: str = "") -> Iterator[str]:
    """The topic of the alerts, and no action but other topics of the account: no function, no machine."""
    given = value or []
    if needed and needed not in given:
        yield f"is {given}, wanted {needed} in it: nobody would be told"
    own = re.compile(re.escape(settings.arn("sns", "")) + r"[\w-]{1,256}", re.ASCII)
    if others := [each for each in given if not own.fullmatch(str(each))]:
        yield f"has {', '.join(map(str, others))}, wanted topics of SNS in this account and Region alone"


def _topic(
    settings: Settings, name: str, topic: str, *, has_key: bool = False, has_alarm: bool = False
) -> Iterator[Row]:
    common: Mapping[str, Any] = {"region": settings.region}
    yield Row(
        type=types.TOPIC,
        name=name,
        must={"name": topic.rpartition(":")[2]},
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
    alarm = settings.arn("cloudwatch", f"alarm:{settings.name('denied-use')}")
    alarms = {
        "StringEquals": {"aws:SourceAccount": (settings.account_id,)},
        "ArnEquals": {"aws:SourceArn": (alarm,)},
    }
    # SNS supports no condition for EventBridge: with one its messages are lost.
    publishers: list[tuple[str, Mapping[str, Any]]] = [("events.amazonaws.com", {})]
    if has_alarm:
        publishers.append(("cloudwatch.amazonaws.com", alarms))
    publish, plain_http = ("sns:Publish",), Bound(operator="Bool", key="aws:SecureTransport", value="false")
    return Document(
        may=tuple(
            May(who=(("Service", name),), actions=publish, on=(topic,), when=when, without="no alert is published")
            for name, when in publishers
        ),
        denied=(Denied(actions=publish, on=(topic,), bound=plain_http, what="plain HTTP"),),
    )


def _event_rules(settings: Settings) -> Iterator[Row]:
    home, everywhere = settings.region, tuple(dict.fromkeys((*settings.regions, settings.iam_region)))
    topic, fallback = _topics(settings)
    audit_key = [AUDIT_KEY] if settings.has_audit_key else []
    keys = phi_keys(settings)
    changed = [*keys, *audit_key, *([DOCUMENTS_KEY] if settings.documents_key else [])]
    bus = settings.arn("events", "event-bus/default")
    forwarding = settings.name("alerts-forwarding")
    for kind, regions, pattern, named in (
        ("key-changes", settings.regions, _key_changes, changed),
        ("trail-changes", (home,) if settings.has_trail_here else (), _trail_changes, []),
        ("denied-use", settings.regions, _denied_use, keys),
        ("access-changes", everywhere, _access_changes, []),
        ("alert-changes", everywhere, _alert_changes, []),
        ("fallback", (home,), _fallback, audit_key),
    ):
        for region in regions:
            name = f"alerts-{kind}" if region == home else f"alerts-{kind}-{region}"
            rule = settings.name(f"{kind}{'-alerts' if kind == 'fallback' else ''}")
            yield _rule(settings, name, rule, region, pattern, named)
            must = {"rule": rule, "eventBusName": unless_set("default")}
            if region != home:
                sender = settings.arn("iam", f"role/{forwarding}")
                must |= {"targetId": "home", "arn": bus, "roleArn": sender}
            elif kind != "denied-use":
                arn = fallback if kind == "fallback" else topic
                says = Check(faults=partial(_message, settings, kind))
                must |= {"targetId": "alerts", "arn": arn, "inputTransformer": says}
            else:
                # An alarm counts its matches.
                continue
            yield Row(type=types.EVENT_TARGET, name=name, must=must, region=region)
    if len(everywhere) > 1:
        here = {"StringEquals": {"aws:SourceAccount": (settings.account_id,)}}
        who, without = (("Service", "events.amazonaws.com"),), "no event of another Region arrives"
        trust = May(who=who, actions=("sts:AssumeRole",), when=here, without=without)
        yield role(settings, "alerts-forwarding", forwarding, Document(may=(trust,)))
        put = Document(may=(May(actions=("events:PutEvents",), on=(bus,), without=without),))
        yield inline_policy("alerts-forwarding", forwarding, forwarding, put)


def _rule(
    settings: Settings,
    name: str,
    rule: str,
    region: str,
    pattern: Callable[[Settings, Sequence[str]], Pattern],
    keys: Sequence[tuple[str, str]],
) -> Row:
    # A replica has its primary's id.
    ids = sum(type_ != types.REPLICA_KEY for type_, _ in keys)
    return Row(
        type=types.EVENT_RULE,
        name=name,
        must={
            "name": rule,
            "eventPattern": Check(faults=lambda text: narrower(text, partial(pattern, settings), ids)),
            # Without it a rule matches no call that only reads, such as Decrypt.
            "state": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
            if pattern is _denied_use
            else unless_set("ENABLED"),
            "isEnabled": unless_set(True),
            "eventBusName": unless_set("default"),
        },
        keys={"eventPattern": tuple(keys)} if keys else {},
        tags=settings.tags,
        region=region,
    )


# --- the messages

_PATHS = {
    "what": "$.detail.eventName",
    "who": "$.detail.userIdentity.arn",
    "when": "$.detail.eventTime",
    "address": "$.detail.sourceIPAddress",
    "region": "$.detail.awsRegion",
    "error": "$.detail.errorCode",
    "event": "$.detail.eventID",
}
_LINES = (
    '"Who: <who>"',
    '"When: <when>, in <region>"',
    '"From: <address>"',
    '"Refused with (empty if it was done): <error>"',
    '"CloudTrail event: <event>"',
)
"""The lines of every message after its first, which says what was done to what."""
_SUBJECTS = {
    "key-changes": "{a} {} key",
    "trail-changes": "the {} audit trail",
    "access-changes": "the access to the {} PHI key or its stored data key",
    "alert-changes": "the {} alerts",
    "fallback": "the {} alerts or their key",
}
"""What each kind of message is about: other words would play it down."""


def _message(settings: Settings, kind: str, transformer: Any) -> Iterator[str]:
    given, label = transformer or {}, settings.label
    subject = _SUBJECTS[kind].format(label, a="an" if label[0] in "AEIOaeio" else "a")
    wanted = (f'"{label} {settings.environment}: <what> on {subject}."', *_LINES)
    if given.get("inputTemplate") != "\n".join(wanted):
        yield f"has the text {given.get('inputTemplate')!r}, wanted the lines {', '.join(wanted)}"
    if given.get("inputPaths") != _PATHS or set(given) - {"inputTemplate", "inputPaths"}:
        yield f"takes {given.get('inputPaths')}, wanted {_PATHS}: it would say something else than what was done"


# --- the patterns

WRITES = {"readOnly": [False]}


def _pattern(services: Iterable[str], detail: Mapping[str, Any]) -> Pattern:
    return {
        "source": [f"aws.{each}" for each in services],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": detail,
    }


def _call(services: str, parameter: str, values: Sequence[Any], operations: Sequence[Any] = ()) -> Pattern:
    """A call of one of the services that names one of the values in a parameter of its request."""
    outer, _, inner = parameter.partition(".")
    return {
        "eventSource": [f"{each}.amazonaws.com" for each in services.split()],
        **({"eventName": list(operations)} if operations else {}),
        "requestParameters": {outer: {inner: list(values)} if inner else list(values)},
    }


def _names_a_key(ids: Sequence[str], aliases: Sequence[str]) -> list[Pattern]:
    """A record that names a key in one of four ways: KMS takes an id or an ARN, for some calls an alias too."""
    return [
        {"resources": {"ARN": [{"suffix": f":{name}"} for name in (*(f"key/{each}" for each in ids), *aliases)]}},
        {"requestParameters": {"keyId": [{"suffix": name} for name in (*ids, *aliases)]}},
        {"requestParameters": {"aliasName": list(aliases)}},
        {"errorMessage": [{"wildcard": f"*{each}*"} for each in ids]},
    ]


def _key_changes(settings: Settings, ids: Sequence[str]) -> Pattern:
    aliases = [
        settings.alias("phi-key"),
        *([settings.alias("audit-key")] if settings.has_audit_key else []),
        *([settings.alias("documents-key")] if settings.documents_key else []),
    ]
    detail = {"eventSource": ["kms.amazonaws.com"], **WRITES, "$or": _names_a_key(ids, aliases)}
    return _pattern(["kms"], detail)


def _denied_use(settings: Settings, ids: Sequence[str]) -> Pattern:
    # Decrypt needs no key id: the message of such a denial says that the ciphertext refers to a key, and not to which.
    some_key = {"errorMessage": [{"prefix": "The ciphertext refers to"}]}
    detail = {
        "eventSource": ["kms.amazonaws.com"],
        "eventName": ["Decrypt", "Encrypt", "ReEncrypt", {"prefix": "GenerateDataKey"}],
        "errorCode": [{"prefix": "AccessDenied"}],
        "$or": [*_names_a_key(ids, [settings.alias("phi-key")]), some_key],
    }
    return _pattern(["kms"], detail)


def _trail_changes(settings: Settings, _: Sequence[str]) -> Pattern:
    trail = [last_part(settings.trail_arn), settings.trail_arn]
    buckets = [settings.own_bucket]
    if settings.makes_trail and settings.access_logging:
        buckets.append(settings.access_bucket)
    verbs = [f"{verb}{what}" for verb in ("Put", "Delete") for what in ("Bucket", "PublicAccess")]
    operations = [{"prefix": each} for each in (*verbs, "PutObjectLock")]
    calls = [
        *(_call("cloudtrail", each, trail) for each in ("name", "trailName", "resourceId")),
        _call("s3", "bucketName", buckets, operations),
    ]
    return _pattern(["cloudtrail", "s3"], {**WRITES, "$or": calls})


def _access_changes(settings: Settings, _: Sequence[str]) -> Pattern:
    readers = list(readers_of(settings).values())
    roles = [*(last_part(each) for each in settings.principals if ":role/" in each), *readers]
    users = [last_part(each) for each in settings.principals if ":user/" in each]
    names = [settings.policy("KMSAccess"), *([reading_policy(settings)] if readers else [])]
    stored = [{"prefix": f"{settings.prefix}/"}]
    # An ARN of a secret or of a parameter has more before the name.
    stored_arns = [
        *stored,
        {"wildcard": f"*:secret:{settings.prefix}/*"},
        {"wildcard": f"*:parameter{settings.prefix}/*"},
    ]
    # Neither rule of the alerts can tell of its own end.
    watching = [settings.name("alert-changes"), settings.name("fallback-alerts")]
    calls = [
        *([_call("iam", "roleName", roles)] if roles else []),
        *([_call("iam", "userName", users)] if users else []),
        _call("iam", "policyArn", [settings.arn("iam", f"policy/{name}") for name in names]),
        *([_call("iam", "openIDConnectProviderArn", [vercel_provider(settings)])] if settings.vercel_team else []),
        _call("ssm secretsmanager", "name", stored),
        _call("ssm", "names", stored),
        _call("ssm", "resourceId", stored),
        _call("ssm", "resourceArn", stored_arns),
        _call("secretsmanager", "secretId", stored_arns),
        _call("events", "name", watching),
        _call("events", "rule", watching),
    ]
    return _pattern(["iam", "ssm", "secretsmanager", "events"], {**WRITES, "$or": calls})


def _way(rules: Iterable[str], topics: Sequence[str]) -> list[Pattern]:
    """The changes of the way that alerts take: the rules, the topics, their subscriptions."""
    names = list(rules)
    return [
        _call("events", "name", names),
        _call("events", "rule", names),
        _call("sns", "topicArn", topics, [{"anything-but": {"prefix": "Publish"}}]),
        _call("sns", "resourceArn", topics),
        _call("sns", "subscriptionArn", [{"prefix": f"{each}:"} for each in topics]),
    ]


_KINDS = ("key-changes", "denied-use", "access-changes", "alert-changes")


def _rules(settings: Settings) -> list[str]:
    kinds = (*_KINDS, *(["trail-changes"] if settings.has_trail_here else []))
    return [settings.name(kind) for kind in kinds]


def _alert_changes(settings: Settings, _: Sequence[str]) -> Pattern:
    rules = [*_rules(settings), settings.name("fallback-alerts")]
    alarm = [settings.name("denied-use")]
    is_forwarding = len({*settings.regions, settings.iam_region}) > 1
    calls = [
        *_way(rules, _topics(settings)),
        *(_call("monitoring", each, alarm) for each in ("alarmName", "alarmNames", "muteTargets.alarmNames")),
        *([_call("iam", "roleName", [settings.name("alerts-forwarding")])] if is_forwarding else []),
    ]
    services = ["events", "sns", "monitoring", *(["iam"] if is_forwarding else [])]
    return _pattern(services, {**WRITES, "$or": calls})


def _fallback(settings: Settings, ids: Sequence[str]) -> Pattern:
    """What breaks the way of the other alerts: their rules, their topic, its key."""
    calls = _way(_rules(settings), _topics(settings)[:1])
    services = ["events", "sns"]
    if ids:
        calls += _names_a_key(ids, [settings.alias("audit-key")])
        services.append("kms")
    return _pattern(services, {**WRITES, "$or": calls})
