"""What the alerts of a stack are: the event pattern of each rule, the alarm, and the messages.

Pure. The program makes them, and `doctor` compares what is deployed with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.policies import event_patterns
from components.policies.event_patterns import Pattern
from components.policies.stack import (
    FALLBACK,
    alert_rules_of,
    alert_topics_of,
    forwards_events,
    readers_of,
    reading_policy_of,
    trail_arn_of,
)
from components.settings import Settings
from components.settings.arn import Arn
from components.targets import vercel

BURST = 5
"""Denied uses of the key within BURST_SECONDS that cause an alert: a single denial may be a typing error."""

BURST_SECONDS = 300

READS_TOO = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
"""State of a rule that matches read-only calls such as Decrypt too; other rules do not.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail-management.html
"""

BY_KEYS = frozenset(("key-changes", "denied-use", FALLBACK))
"""The kinds of rules whose pattern names keys, which AWS gives their ids."""

_SUBJECTS = {
    "key-changes": "a{n} {} key",
    "trail-changes": "the {} audit trail",
    "access-changes": "the access to the {} PHI key or its stored data key",
    "alert-changes": "the {} alerts",
    FALLBACK: "the {} alerts or their key",
}
"""The changed thing of the application that a message names, by the kind of the rule that sends it."""


def pattern_of(
    settings: Settings,
    kind: str,
    *,
    key_arns: Sequence[str] = (),
    logs_key_arn: str | None = None,
    documents_key_arn: str | None = None,
) -> Pattern:
    """The event pattern of a kind of rule; the keys are those of BY_KEYS. `key_arns`: the key's and its replicas'."""
    names = settings.names
    logs_key = [] if logs_key_arn is None else [logs_key_arn]
    documents_key = [] if documents_key_arn is None else [documents_key_arn]
    if kind == "key-changes":
        aliases = [
            names.alias,
            *([names.trail_key_alias] if logs_key else []),
            *([names.documents_key_alias] if settings.documents_key else []),
        ]
        return event_patterns.key_changes_pattern(key_arns=[*key_arns, *logs_key, *documents_key], aliases=aliases)
    if kind == "denied-use":
        return event_patterns.denied_use_pattern(key_arns=key_arns, aliases=[names.alias])
    if kind == "trail-changes":
        buckets = [names.trail_bucket]
        if settings.makes_trail and settings.access_logging:
            buckets.append(names.access_log_bucket)
        return event_patterns.trail_changes_pattern(trail_arn=trail_arn_of(settings), buckets=buckets)
    if kind == FALLBACK:
        return _fallback_pattern(settings, logs_key)
    return {"access-changes": _access_changes_pattern, "alert-changes": _alert_changes_pattern}[kind](settings)


def _access_changes_pattern(settings: Settings) -> Pattern:
    """The calls that change the trust or permissions of the application and its readers, or a stored value."""
    names = settings.names
    provider = vercel.provider_arn_of(settings)
    readers = (reader.arn for reader in readers_of(settings) if reader.role)
    principals = [Arn.parse(arn) for arn in (*settings.app_principal_arns, *readers)]
    return event_patterns.access_changes_pattern(
        # A request has the name without its path.
        roles=[arn.name for arn in principals if arn.kind == "role"],
        users=[arn.name for arn in principals if arn.kind == "user"],
        policy_arns=[
            settings.arn("iam", f"policy/{name}")
            for name in (names.app_policy, *([reading_policy_of(settings)[0]] if settings.uses_store else []))
        ],
        provider_arns=[provider] if provider else [],
        prefix=names.parameter_prefix,
        alert_rules=[names.alert_changes_rule, names.fallback_rule],
    )


def _alert_changes_pattern(settings: Settings) -> Pattern:
    """The calls that end, narrow or redirect an alert."""
    rules = alert_rules_of(settings)
    return event_patterns.alert_changes_pattern(
        rules=list(dict.fromkeys(rule.name for rule in rules)),
        topic_arns=[topic.arn for topic in alert_topics_of(settings)],
        alarm=settings.names.denied_use_rule,
        roles=[settings.names.forwarding_role] if forwards_events(settings) else [],
    )


def _fallback_pattern(settings: Settings, key_arns: Sequence[str]) -> Pattern:
    """The calls that break the way of the other alerts. `key_arns`: of the audit key, if the stack has one."""
    rules = [rule.name for rule in alert_rules_of(settings) if rule.kind != FALLBACK]
    return event_patterns.fallback_pattern(
        rules=list(dict.fromkeys(rules)),
        topic_arn=settings.arn("sns", settings.names.alert_topic),
        key_arns=key_arns,
        aliases=[settings.names.trail_key_alias],
    )


def message_of(settings: Settings, kind: str) -> tuple[Mapping[str, str], str]:
    """The paths into an event and the template of the message that a kind of rule publishes to its topic."""
    paths = {
        "what": "$.detail.eventName",
        "who": "$.detail.userIdentity.arn",
        "when": "$.detail.eventTime",
        "address": "$.detail.sourceIPAddress",
        "region": "$.detail.awsRegion",
        "error": "$.detail.errorCode",
        "event": "$.detail.eventID",
    }
    label = settings.names.label
    subject = _SUBJECTS[kind].format(label, n="n" if label[0] in "AEIOaeio" else "")
    # EventBridge takes text as quoted lines; a path that an event does not have is left empty.
    lines = (
        f"{label} {settings.environment}: <what> on {subject}.",
        "Who: <who>",
        "When: <when>, in <region>",
        "From: <address>",
        "Refused with (empty if it was done): <error>",
        "CloudTrail event: <event>",
    )
    return paths, "\n".join(f'"{line}"' for line in lines)


def alarm_of(settings: Settings) -> Mapping[str, Any]:
    """What the alarm of denied uses counts, by CloudWatch's names; it publishes to the topic of the alerts.

    The rule has no target: a single denial causes no alert. MatchedEvents counts the events that matched a rule;
    Invocations counts what was sent to its targets. On the default bus the only dimension is the rule's name.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
    """
    return {
        "Namespace": "AWS/Events",
        "MetricName": "MatchedEvents",
        "Dimensions": [{"Name": "RuleName", "Value": settings.names.denied_use_rule}],
        "Statistic": "Sum",
        "Period": BURST_SECONDS,
        "EvaluationPeriods": 1,
        "Threshold": BURST,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    }
