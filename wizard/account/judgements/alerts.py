"""The checks of the alerts: topics, their policies and key, rules, subscribers.

Reads through the facts.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from components.policies.alerts import BY_KEYS, READS_TOO, alarm_of, message_of, pattern_of
from components.policies.event_patterns import covers
from components.policies.requirements import BY_ID
from components.policies.stack import AlertRule, trail_key_policy_of
from components.settings.arn import Arn
from wizard.account import fixes
from wizard.account.comparison.policies import widening
from wizard.account.facts import StackFacts
from wizard.account.judgements.trail import TRAIL_KEY
from wizard.account.notices import Judgement, Notice, judgement, needed
from wizard.core.errors import SetupError
from wizard.core.models.account import KeyFact
from wizard.core.models.stack import StackState
from wizard.core.models.trail import RuleFact, TopicFact
from wizard.core.next_command import Text, chain
from wizard.core.safe_text import first_of


@judgement("alerts")
def check_alerts(facts: StackFacts) -> Iterator[Notice]:
    """Whether each topic exists and gets the alerts, and whether each rule is enabled and publishes to its topic."""
    settings = facts.settings
    if not settings.alerts:
        yield Notice.person("no alert is sent when the key, the access to it or the audit trail changes: `--alerts no`")
        return
    alerts = needed("the alerts", facts.once("alerts", lambda: facts.aws.audit.alerts(settings)))
    faults = [
        *(notice for fact in alerts.topics for notice in _topic(facts, fact)),
        *(notice for fact in alerts.rules for notice in _rule(facts, fact)),
        *_alarm(facts, alerts.alarm),
    ]
    yield from faults
    there = [fact for fact in alerts.topics if fact.is_there]
    if unreceived := [fact for fact in there if fact.receivers == 0]:
        yield _unreceived(facts, unreceived)
    elif any(fact.receivers is None for fact in there):
        yield Notice.unknown("whether anybody receives the alerts", why="SNS does not return the topics' subscribers")
    elif not faults:
        first, fallback = settings.names.alert_topic, settings.names.fallback_topic
        yield Notice.good(f"the alerts are published to {first}; {fallback} reports what would stop them")


def _topic(facts: StackFacts, fact: TopicFact) -> Iterator[Notice]:
    """What is wrong with a topic: it is gone, its policy or its key stops the alerts, or others may use it."""
    topic, why = fact.topic, BY_ID["alerts"].reason
    own = f"sns/topic:Topic::{topic.logical_name}", f"TopicPolicy::{topic.logical_name}"
    if not fact.is_there:
        urns = _alert_urns(facts)
        # A topic that a later version of the program has is not in the state: only an update of all creates it.
        is_known = any(urn.endswith(own) for urn in urns)
        yield Notice.wrong(
            "alerts-topic-missing",
            what=f"the topic of {topic.purpose}, {topic.name}, does not exist",
            why=why,
            command=fixes.pulumi_up_urns(facts, urns if is_known else ()),
            advice="each e-mail subscriber has to confirm the subscription again",
        )
        return
    yield from _key(facts, fact)
    if fact.policy is None:
        yield Notice.unknown(f"the policy of the topic {topic.name}", why="SNS does not return it")
        return
    account = facts.settings.account_id
    less = widening(topic.policy, fact.policy, resource=topic.arn, account=account)
    if less.allowed or less.undenied:
        yield Notice.wrong(
            "alerts-undelivered",
            what=f"the policy of the topic {topic.name} does not let AWS publish {topic.purpose}",
            why=why,
            command=fixes.pulumi_up(facts, *own),
        )
    more = widening(fact.policy, topic.policy, resource=topic.arn, account=account)
    if more.allowed or more.undenied:
        given = sorted({f"{right.principal} may {right.action}" for right in more.allowed})
        yield Notice.wrong(
            "alerts-topic-widened",
            what=f"the policy of the topic {topic.name} gives more than the settings: "
            + (first_of(given, 3, separator="; ") if given else "it accepts plain HTTP"),
            why="others can send alerts that are none, subscribe, or end the topic",
            command=fixes.pulumi_up(facts, *own),
        )


_PUBLISHERS = ("Service: events.amazonaws.com", "Service: cloudwatch.amazonaws.com")
_PUBLISHING = ("kms:GenerateDataKey", "kms:Decrypt")


def _key(facts: StackFacts, fact: TopicFact) -> Iterator[Notice]:
    """Whether the key of a topic, if it has one, lets AWS publish to it."""
    topic, settings, key = fact.topic, facts.settings, fact.key
    if key is None:
        return
    own = f"sns/topic:Topic::{topic.logical_name}"
    # An ARN but for another key than the stack's: `alias/aws/sns` lets neither EventBridge nor CloudWatch publish.
    if not topic.is_encrypted or Arn.find(key) is None:
        yield Notice.wrong(
            "alerts-undelivered",
            what=f"the topic {topic.name} is encrypted with {key}, which the settings do not say",
            why="where that key does not let AWS publish, no alert arrives",
            command=fixes.pulumi_up(facts, own),
        )
        return
    reading = facts.key_reading(key)
    if not isinstance(reading.key, KeyFact) or isinstance(reading.policy, SetupError):
        return  # Reported by check_logs_key and check_logs_key_policy.
    less = widening(trail_key_policy_of(settings), reading.policy, resource=key, account=settings.account_id)
    if any(right.principal in _PUBLISHERS for right in less.allowed) or any(
        right.principal in (*_PUBLISHERS, "*") and right.action.startswith(_PUBLISHING) for right in less.undenied
    ):
        yield Notice.wrong(
            "alerts-undelivered",
            what=f"the policy of the key {key} does not let AWS publish to the topic {topic.name}",
            why=f"no alert arrives but those of {settings.names.fallback_topic}",
            command=fixes.pulumi_up(facts, TRAIL_KEY, own),
        )


def _rule(facts: StackFacts, fact: RuleFact) -> Iterator[Notice]:
    rule, why = fact.rule, _why_silent(facts, fact)
    where = "" if rule.region == facts.settings.region else f" in {rule.region}"
    if why:
        yield Notice.wrong(
            "alerts-rule-off",
            what=f"the rule {rule.name} of the alerts{where} {why}",
            why=BY_ID["alerts"].reason,
            command=fixes.pulumi_up(facts, f"Rule::{rule.logical_name}", f"Target::{rule.logical_name}"),
        )


def _unreceived(facts: StackFacts, topics: list[TopicFact]) -> Notice:
    """Without an address in the settings it was decided so: an auditor asks about it, but nothing is broken."""
    settings = facts.settings
    subscribe = ("sns", "subscribe", "--protocol", "email", "--topic-arn")
    names = " and ".join(fact.topic.name for fact in topics)
    return Notice.wrong(
        "alerts-unreceived" if settings.alert_emails else "alerts-without-address",
        what=f"nobody receives the alerts of {names}: no subscription is confirmed",
        why=BY_ID["alerts"].reason,
        command=chain(
            *(
                fixes.aws(facts, *subscribe, fact.topic.arn, "--notification-endpoint", email)
                for fact in topics
                for email in settings.alert_emails
            )
        ),
        advice="AWS sends a message to each address, one for each topic: its owner has to open the link in it"
        if settings.alert_emails
        else Text("name who gets them: ", fixes.eonpro(facts, "setup", "--alert-emails", "ADDRESS")),
    )


def _why_silent(facts: StackFacts, fact: RuleFact) -> str:
    """What is wrong with a rule; empty where nothing is."""
    rule, expected = fact.rule, _pattern(facts, fact.rule)
    if fact.state is None:
        return "does not exist"
    if not fact.state.startswith("ENABLED"):
        return f"is {fact.state}"
    if rule.kind == "denied-use" and fact.state != READS_TOO:
        return f"is {fact.state}, and matches no use of the key: that takes {READS_TOO}"
    if fact.pattern is None or (expected is not None and not covers(fact.pattern, expected)):
        return "does not match all the events of the settings"
    if rule.target is None or fact.targets is None:
        return ""
    if rule.target not in fact.targets:
        return f"does not send its events to {rule.target}" if fact.targets else "notifies nobody: it has no target"
    return "" if _says_what_happened(facts, fact) else "sends another message than what happened, who did it, and when"


def _pattern(facts: StackFacts, rule: AlertRule) -> Mapping[str, Any] | None:
    """The event pattern of the settings; None where the keys that it names are not known."""
    outputs = facts.outputs
    if rule.kind not in BY_KEYS:
        return pattern_of(facts.settings, rule.kind)
    if outputs is None or (facts.settings.makes_trail and facts.settings.trail_key and facts.logs_key_arn is None):
        return None
    return pattern_of(
        facts.settings,
        rule.kind,
        key_arns=outputs.key_arns,
        logs_key_arn=facts.logs_key_arn if facts.settings.makes_trail and facts.settings.trail_key else None,
        documents_key_arn=outputs.documents_key_arn,
    )


def _says_what_happened(facts: StackFacts, fact: RuleFact) -> bool:
    """Whether the target gets the whole event, or the message of the settings."""
    if fact.rule.region != facts.settings.region or not fact.message:
        return not fact.message
    paths, template = message_of(facts.settings, fact.rule.kind)
    return fact.message == {"InputTransformer": {"InputPathsMap": paths, "InputTemplate": template}}


def _alarm(facts: StackFacts, alarm: Mapping[str, Any] | None) -> Iterator[Notice]:
    """Whether the alarm of denied uses counts them, and publishes to the topic of the alerts."""
    names, expected = facts.settings.names, alarm_of(facts.settings)
    other = sorted(name for name in expected if name != "Threshold" and (alarm or {}).get(name) != expected[name])
    if alarm is None:
        why = "does not exist"
    elif not alarm.get("ActionsEnabled", True):
        why = "is switched off: its actions are disabled"
    elif other:
        why = f"counts something else: its {', '.join(other)}"
    elif alarm.get("Threshold", math.inf) > expected["Threshold"]:
        why = f"waits for {alarm.get('Threshold', math.inf):g} denied uses; the settings say {expected['Threshold']}"
    elif facts.settings.arn("sns", names.alert_topic) not in (alarm.get("AlarmActions") or ()):
        why = f"does not publish to {names.alert_topic}"
    else:
        return
    yield Notice.wrong(
        "alerts-rule-off",
        what=f"the alarm {names.denied_use_rule} of the alerts {why}",
        why=BY_ID["alerts"].reason,
        command=fixes.pulumi_up(facts, "MetricAlarm::alerts-denied-use"),
    )


def _alert_urns(facts: StackFacts) -> list[str]:
    state = facts.state
    resources = state.resources if isinstance(state, StackState) else ()
    return [resource.urn for resource in resources if "eonpro:kms:Alerts$" in resource.urn]


OTHER_CHECKS: tuple[Judgement, ...] = (check_alerts,)
