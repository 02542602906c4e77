"""The events of the account that cause an alert: EventBridge patterns on CloudTrail's records.

Pure. Ids go in, a dict that is ready for `json.dumps` comes out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.settings.arn import Arn, resource_name

Pattern = dict[str, Any]
"""An EventBridge event pattern. A rule accepts at most 2,048 characters."""

WRITES = {"readOnly": [False]}
"""The part of CloudTrail's record that every changing call has, refused ones too.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """A way in which a call names something of the stack: a call that writes and names it so causes an alert.

    An operation that AWS adds later is watched by the names it takes, without a change here.
    """

    rule: str
    """Kind of the rule that matches it: `access-changes`."""
    services: tuple[str, ...]
    """The service as in the event source: `monitoring` is CloudWatch."""
    parameter: str
    """The parameter of the request, as CloudTrail writes it; with a dot for a member of another."""
    names: str
    """The kind of its value: one of `ROLE` to `ALARM`."""
    operations: tuple[Any, ...] = ()
    """Which operations alone; none: all. For services whose records have calls on single objects and messages, too."""


ROLE, USER, POLICY, PROVIDER, VALUE, SECRET = "role", "user", "policy", "provider", "value", "secret"
TRAIL, BUCKET, RULE, CHANGES_RULE, TOPIC, SUBSCRIPTION, ALARM, HELPER = (
    *("trail", "bucket", "rule", "rule of alert changes", "topic", "subscription", "alarm", "role of the alerts"),
)

KEY_RULE, TRAIL_RULE, ACCESS_RULE, ALERT_RULE = "key-changes", "trail-changes", "access-changes", "alert-changes"

_SETTINGS_OF_A_BUCKET = (
    *({"prefix": f"{verb}{what}"} for verb in ("Put", "Delete") for what in ("Bucket", "PublicAccess")),
    {"prefix": "PutObjectLock"},
)
_NOT_A_MESSAGE = ({"anything-but": {"prefix": "Publish"}},)

WATCHES = (
    # Who is the application or one of its readers, and what they may do.
    Watch(rule=ACCESS_RULE, services=("iam",), parameter="roleName", names=ROLE),
    Watch(rule=ACCESS_RULE, services=("iam",), parameter="userName", names=USER),
    Watch(rule=ACCESS_RULE, services=("iam",), parameter="policyArn", names=POLICY),
    Watch(rule=ACCESS_RULE, services=("iam",), parameter="openIDConnectProviderArn", names=PROVIDER),
    # The stored values.
    Watch(rule=ACCESS_RULE, services=("ssm", "secretsmanager"), parameter="name", names=VALUE),
    Watch(rule=ACCESS_RULE, services=("ssm",), parameter="names", names=VALUE),
    Watch(rule=ACCESS_RULE, services=("ssm",), parameter="resourceId", names=VALUE),
    Watch(rule=ACCESS_RULE, services=("ssm",), parameter="resourceArn", names=SECRET),
    Watch(rule=ACCESS_RULE, services=("secretsmanager",), parameter="secretId", names=SECRET),
    # Neither rule of the alerts can tell of its own end, nor of the other's once it is disabled.
    Watch(rule=ACCESS_RULE, services=("events",), parameter="name", names=CHANGES_RULE),
    Watch(rule=ACCESS_RULE, services=("events",), parameter="rule", names=CHANGES_RULE),
    Watch(rule=TRAIL_RULE, services=("cloudtrail",), parameter="name", names=TRAIL),
    Watch(rule=TRAIL_RULE, services=("cloudtrail",), parameter="trailName", names=TRAIL),
    Watch(rule=TRAIL_RULE, services=("cloudtrail",), parameter="resourceId", names=TRAIL),
    Watch(rule=TRAIL_RULE, services=("s3",), parameter="bucketName", names=BUCKET, operations=_SETTINGS_OF_A_BUCKET),
    Watch(rule=ALERT_RULE, services=("events",), parameter="name", names=RULE),
    Watch(rule=ALERT_RULE, services=("events",), parameter="rule", names=RULE),
    Watch(rule=ALERT_RULE, services=("sns",), parameter="topicArn", names=TOPIC, operations=_NOT_A_MESSAGE),
    Watch(rule=ALERT_RULE, services=("sns",), parameter="resourceArn", names=TOPIC),
    Watch(rule=ALERT_RULE, services=("sns",), parameter="subscriptionArn", names=SUBSCRIPTION),
    Watch(rule=ALERT_RULE, services=("monitoring",), parameter="alarmName", names=ALARM),
    Watch(rule=ALERT_RULE, services=("monitoring",), parameter="alarmNames", names=ALARM),
    Watch(rule=ALERT_RULE, services=("monitoring",), parameter="muteTargets.alarmNames", names=ALARM),
    Watch(rule=ALERT_RULE, services=("iam",), parameter="roleName", names=HELPER),
)
"""The watched resources besides the keys: one row for each way to name them. A test has a reason for
each operation that writes and is not watched.
"""

_API_CALL = ["AWS API Call via CloudTrail"]


def key_changes_pattern(*, key_arns: Sequence[str], aliases: Sequence[str]) -> Pattern:
    """Every call that changes one of these keys or moves one of these aliases, also if it was refused.

    The record has the key's ARN in `resources` (both ARNs for an alias), and in `requestParameters` the caller's own
    form: an ID, an ARN or an alias. For a call that IAM refused, the record may have only the message.
    https://docs.aws.amazon.com/kms/latest/developerguide/understanding-kms-entries.html
    """
    return _of_kms(WRITES, _names_a_key(key_arns, aliases))


def denied_use_pattern(*, key_arns: Sequence[str], aliases: Sequence[str]) -> Pattern:
    """Every use of one of these keys that was denied.

    Decrypt needs no key id: the message of such a denial says that the ciphertext refers to a key, but not to which.
    https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
    """
    denied = {
        "eventName": ["Decrypt", "Encrypt", "ReEncrypt", {"prefix": "GenerateDataKey"}],
        "errorCode": [{"prefix": "AccessDenied"}],
    }
    of_some_key = {"errorMessage": [{"prefix": "The ciphertext refers to"}]}
    return _of_kms(denied, [*_names_a_key(key_arns, aliases), of_some_key])


def trail_changes_pattern(*, trail_arn: str, buckets: Sequence[str]) -> Pattern:
    """Every call that could stop or weaken the trail, and every change of the settings of its buckets.

    A call names a trail by its name or its ARN.
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_StopLogging.html
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html
    """
    return _watching(TRAIL_RULE, {TRAIL: [Arn.parse(trail_arn).name, trail_arn], BUCKET: buckets})


def access_changes_pattern(
    *,
    roles: Sequence[str],
    users: Sequence[str],
    policy_arns: Sequence[str],
    provider_arns: Sequence[str] = (),
    prefix: str,
    alert_rules: Sequence[str],
) -> Pattern:
    """Every call that changes the trust or the permissions of these roles and users, or a value under the prefix.

    `alert_rules`: those that watch the alerts.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html
    """
    names: Mapping[str, Sequence[Any]] = {
        ROLE: roles,
        USER: users,
        POLICY: policy_arns,
        PROVIDER: provider_arns,
        VALUE: [{"prefix": f"{prefix}/"}],
        # An ARN of a secret or of a parameter has more before the name.
        SECRET: [
            {"prefix": f"{prefix}/"},
            {"wildcard": f"*:secret:{prefix}/*"},
            {"wildcard": f"*:parameter{prefix}/*"},
        ],
        CHANGES_RULE: alert_rules,
    }
    return _watching(ACCESS_RULE, names)


def alert_changes_pattern(
    *, rules: Sequence[str], topic_arns: Sequence[str], alarm: str, roles: Sequence[str] = ()
) -> Pattern:
    """Every call that ends, narrows or redirects one of these rules, the topics, a subscription or the alarm.

    `roles`: that forward the events of other Regions. An unsubscription by the link in an e-mail is not recorded.
    https://docs.aws.amazon.com/sns/latest/dg/logging-using-cloudtrail.html
    """
    return _watching(ALERT_RULE, {**_way(rules, topic_arns), ALARM: [alarm], HELPER: roles})


def fallback_pattern(
    *, rules: Sequence[str], topic_arn: str, key_arns: Sequence[str], aliases: Sequence[str]
) -> Pattern:
    """Every call that breaks the way of the other alerts: their rules, their topic, the key that encrypts it.

    `key_arns`: empty where the topic has no key.
    """
    pattern = _watching(ALERT_RULE, {**_way(rules, [topic_arn]), ALARM: [], HELPER: []})
    if not key_arns:
        return pattern
    detail = pattern["detail"]
    # The ids are enough: the records of the other services contain none. Each name of a service would cost 40
    # characters.
    detail = {**detail, "$or": [*detail["$or"], *_names_a_key(key_arns, aliases)]}
    return {**pattern, "source": [*pattern["source"], "aws.kms"], "detail": detail}


def covers(pattern: Any, expected: Any) -> bool:
    """Whether a pattern matches every event that the expected one matches, by its own words.

    Each of its conditions has to be one of the expected pattern's, with at least the values of that one: a pattern
    without a condition matches more, one with a further condition less.
    """
    if isinstance(pattern, Mapping) and isinstance(expected, Mapping):
        return all(name in expected and _at_least(name, each, expected[name]) for name, each in pattern.items())
    return bool(pattern == expected)


def _at_least(name: str, pattern: Any, expected: Any) -> bool:
    if not (isinstance(pattern, Sequence) and isinstance(expected, Sequence)):
        return covers(pattern, expected)
    # Of the values of a condition, and of the alternatives of `$or`, one is enough.
    same = covers if name == "$or" else lambda one, other: bool(one == other)
    return all(any(same(each, wanted) for each in pattern) for wanted in expected)


def text_of(pattern: Pattern) -> str:
    """The pattern in JSON, as short as it can be."""
    return json.dumps(pattern, separators=(",", ":"))


def _way(rules: Sequence[str], topic_arns: Sequence[str]) -> Mapping[str, Sequence[Any]]:
    return {RULE: rules, TOPIC: topic_arns, SUBSCRIPTION: [{"prefix": f"{arn}:"} for arn in topic_arns]}


def _watching(rule: str, names: Mapping[str, Sequence[Any]]) -> Pattern:
    """The pattern of a rule: its watches with the existing names of each kind."""
    calls = [_call(watch, names[watch.names]) for watch in WATCHES if watch.rule == rule and names[watch.names]]
    services = dict.fromkeys(source.partition(".")[0] for call in calls for source in call["eventSource"])
    return {
        "source": [f"aws.{service}" for service in services],
        "detail-type": _API_CALL,
        "detail": {**WRITES, "$or": calls},
    }


def _call(watch: Watch, values: Sequence[Any]) -> Pattern:
    outer, _, inner = watch.parameter.partition(".")
    return {
        "eventSource": [f"{service}.amazonaws.com" for service in watch.services],
        **({"eventName": list(watch.operations)} if watch.operations else {}),
        "requestParameters": {outer: {inner: list(values)} if inner else list(values)},
    }


def _of_kms(detail: Pattern, either: list[Pattern]) -> Pattern:
    return {
        "source": ["aws.kms"],
        "detail-type": _API_CALL,
        "detail": {"eventSource": ["kms.amazonaws.com"], **detail, "$or": either},
    }


def _names_a_key(key_arns: Sequence[str], aliases: Sequence[str]) -> list[Pattern]:
    # A replica has its primary's id and alias, so that one pattern matches in every Region.
    ids = list(dict.fromkeys(resource_name(arn) for arn in key_arns))
    return [
        {"resources": {"ARN": [{"suffix": f":{name}"} for name in (*(f"key/{id_}" for id_ in ids), *aliases)]}},
        {"requestParameters": {"keyId": [{"suffix": name} for name in (*ids, *aliases)]}},
        {"requestParameters": {"aliasName": list(aliases)}},
        {"errorMessage": [{"wildcard": f"*{id_}*"} for id_ in ids]},
    ]
