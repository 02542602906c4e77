"""The alerts: whether somebody would be told of a change of the key or the trail, and of denied use.

Pure: reads through the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator

from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Unlooked, Well
from wizard.errors import SetupError
from wizard.facts import StackState

_UNTOLD = "a change of the key or the trail would be noticed by nobody"


def of_the_alerts(evidence: Evidence) -> Iterator[Told]:
    """The topic, and the rules that publish to it."""
    settings = evidence.settings
    if not settings.alerts:
        return
    found = evidence.once("alerts", lambda: evidence.cloud.audit().alerts(settings))
    if isinstance(found, SetupError):
        yield Unlooked.of("the alerts", found)
        return
    if not found.topic:
        yield Finding(
            cause="alerts-topic-missing",
            what=f"the topic of the alerts, {settings.names.alert_topic}, is gone",
            why=_UNTOLD,
            command=remedies.by_urn(evidence, _of_alerts(evidence)),
            then="whoever is told by e-mail has to confirm it anew",
        )
    silent = [rule for rule in found.rules if not (rule.state or "").startswith("ENABLED")]
    for rule in silent:
        state = "is gone" if rule.state is None else f"is {rule.state}"
        yield Finding(
            cause="alerts-rule-off",
            what=f"the rule {rule.name} of the alerts {state}",
            why=_UNTOLD,
            command=remedies.by_the_stack(evidence, f"Rule::{_resource(evidence, rule.name)}"),
        )
    # The alarm counts what matches the rule of denied use: that rule has no target.
    told = [rule for rule in found.rules if rule.name != settings.names.denied_use_rule]
    for rule in told:
        if rule.targets == 0 and rule not in silent:
            yield Finding(
                cause="alerts-rule-off",
                what=f"the rule {rule.name} of the alerts tells nobody: it has no target",
                why=_UNTOLD,
                command=remedies.by_the_stack(evidence, f"Target::{_resource(evidence, rule.name)}"),
            )
    if found.topic and not silent:
        yield Well(what=f"the alerts are published to {settings.names.alert_topic}")


def _of_alerts(evidence: Evidence) -> list[str]:
    state = evidence.state
    resources = state.resources if isinstance(state, StackState) else ()
    return [each.urn for each in resources if "eonpro:kms:Alerts$" in each.urn]


def _resource(evidence: Evidence, rule: str) -> str:
    """The name in the stack of the rule of that name."""
    names = evidence.settings.names
    return {
        names.key_changes_rule: "alerts-key-changes",
        names.trail_changes_rule: "alerts-trail-changes",
        names.denied_use_rule: "alerts-denied-use",
    }[rule]
