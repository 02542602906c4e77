"""The checks of the alerts: topic, rules, subscribers.

Reads through the facts.
"""

from collections.abc import Iterator

from components.policies.requirements import BY_ID
from wizard.account import fixes
from wizard.account.facts import StackFacts
from wizard.account.notices import Judgement, Notice, judgement
from wizard.core.errors import SetupError
from wizard.core.models.delivery import StackState
from wizard.core.models.trail import RuleFact


@judgement("alerts")
def check_alerts(facts: StackFacts) -> Iterator[Notice]:
    """Whether the topic exists, and whether each rule is enabled and has a target."""
    settings = facts.settings
    if not settings.alerts:
        yield Notice.person("no alert is sent when the key, the access to it or the audit trail changes: `--alerts no`")
        return
    alerts = facts.once("alerts", lambda: facts.aws.audit.alerts(settings))
    if isinstance(alerts, SetupError):
        yield Notice.unread("the alerts", alerts)
        return
    if not alerts.topic:
        yield Notice.wrong(
            "alerts-topic-missing",
            what=f"the topic of the alerts, {settings.names.alert_topic}, does not exist",
            why=BY_ID["alerts"].reason,
            command=fixes.pulumi_up_urns(facts, _alert_urns(facts)),
            advice="each e-mail subscriber has to confirm the subscription again",
        )
    silent = [(fact.rule, why) for fact in alerts.rules if (why := _why_silent(fact))]
    for rule, why in silent:
        where = "" if rule.region == settings.region else f" in {rule.region}"
        yield Notice.wrong(
            "alerts-rule-off",
            what=f"the rule {rule.name} of the alerts{where} {why}",
            why=BY_ID["alerts"].reason,
            command=fixes.pulumi_up(facts, f"Rule::{rule.logical_name}", f"Target::{rule.logical_name}"),
        )
    if alerts.topic and alerts.receivers == 0:
        yield _unreceived(facts)
    elif alerts.topic and alerts.receivers is None:
        yield Notice.unknown("whether anybody receives the alerts", why="SNS does not return the topic's subscribers")
    elif alerts.topic and not silent:
        yield Notice.good(f"the alerts are published to {settings.names.alert_topic}")


def _unreceived(facts: StackFacts) -> Notice:
    """Without an address in the settings it was decided so: an auditor asks about it, but nothing is broken."""
    settings = facts.settings
    topic = f"arn:{settings.partition}:sns:{settings.region}:{settings.account_id}:{settings.names.alert_topic}"
    subscribe = ("sns", "subscribe", "--topic-arn", topic, "--protocol", "email", "--notification-endpoint")
    return Notice.wrong(
        "alerts-unreceived" if settings.alert_emails else "alerts-without-address",
        what=f"nobody receives the alerts: the topic {settings.names.alert_topic} has no confirmed subscriber",
        why=BY_ID["alerts"].reason,
        command=" && ".join(fixes.aws(facts, *subscribe, email) for email in settings.alert_emails),
        advice="AWS sends a message to each address: its owner has to open the link in it"
        if settings.alert_emails
        else f"name who gets them: {fixes.wizard(facts, 'setup', '--alert-emails', 'ADDRESS')}",
    )


def _why_silent(fact: RuleFact) -> str:
    """What is wrong with a rule; empty where nothing is."""
    if fact.state is None:
        return "does not exist"
    if not fact.state.startswith("ENABLED"):
        return f"is {fact.state}"
    return "notifies nobody: it has no target" if fact.targets == 0 and fact.rule.notifies else ""


def _alert_urns(facts: StackFacts) -> list[str]:
    state = facts.state
    resources = state.resources if isinstance(state, StackState) else ()
    return [resource.urn for resource in resources if "eonpro:kms:Alerts$" in resource.urn]


OTHER_CHECKS: tuple[Judgement, ...] = (check_alerts,)
