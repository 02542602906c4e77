"""The last word on who is let in: the deployed documents by the rules of the guardrails, which share no code with ours.

Reads through the facts. Where another judgement names the same document already, its finding stands alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from components.settings.arn import Arn
from wizard.account import fixes, key_access
from wizard.account.comparison.policies import own_principals
from wizard.account.facts import StackFacts
from wizard.account.judgements.key_policy import key_resource
from wizard.account.judgements.logs_bucket import PRIVATE, buckets_of
from wizard.account.notices import Judgement, Notice, judgement
from wizard.account.strangers import strangers_in
from wizard.core.errors import SetupError, known_or
from wizard.core.models.account import KeyFact, Retention
from wizard.core.models.trail import AlertsFact

_ROLES = {"app_role": "app-principal", "execution_role": "delivery-execution", "secrets_role": "delivery-secrets"}
"""The logical name of each role with a trust, by the field of its name."""


@judgement("key-policy", opens="key")
def check_strangers_of_key(facts: StackFacts) -> Iterator[Notice]:
    """Whether the policy of the key, or of a replica, names somebody whom the settings do not."""
    for reading in facts.key_readings:
        policy = known_or(reading.policy, None)
        is_found = key_access.is_kept(facts.settings) or any(key_access.statements_beyond(reading, facts.settings))
        if policy is not None and reading.arn in facts.key_arns and not is_found:
            resource = key_resource(facts, reading)
            yield from _judged(facts, f"the policy of the key {reading.arn}", resource, policy)


@judgement("application-policy", opens="account")
def check_strangers(facts: StackFacts) -> Iterator[Notice]:
    """Whether the trust of a role of the stack does."""
    settings = facts.settings
    iam = known_or(facts.iam, None)
    for own in own_principals(settings, facts.outputs) if iam is not None and facts.outputs else ():
        role = iam.find(own.arn) if iam else None
        logical = {getattr(settings.names, field): name for field, name in _ROLES.items()}.get(Arn.parse(own.arn).name)
        if role is not None and role.trust is not None and logical:
            yield from _judged(facts, f"the trust of {own.arn}", f"aws:iam/role:Role::{logical}", role.trust)


@judgement(*PRIVATE, "trail-encryption", "documents-encrypted", opens="logs")
def check_strangers_of_logs(facts: StackFacts) -> Iterator[Notice]:
    """Whether the policy of the key of the logs or of the documents does, or of a bucket of the logs."""
    settings = facts.settings
    documents = facts.documents_key if settings.documents_key else None
    logs_key = facts.logs_key_arn if settings.makes_trail and settings.trail_key else None
    keys = (
        ("audit-trail-key", logs_key, "trail-encryption"),
        ("documents-key", documents.arn if isinstance(documents, KeyFact) else None, "documents-encrypted"),
    )
    for name, arn, requirement in keys:
        policy = facts.policy_of(arn) if arn else None
        if policy is not None and not isinstance(policy, SetupError):
            whose, resource = f"the policy of the key {arn}", f"aws:kms/key:Key::{name}"
            yield from _judged(facts, whose, resource, policy, requirements=(requirement,))
    for bucket in buckets_of(settings):
        retention = facts.retention(bucket.name)
        if isinstance(retention, Retention) and retention.policy is not None:
            whose, resource = f"the policy of {bucket.title}", bucket.resource("BucketPolicy")
            yield from _judged(facts, whose, resource, retention.policy, requirements=PRIVATE)


@judgement("alerts")
def check_strangers_of_topics(facts: StackFacts) -> Iterator[Notice]:
    """Whether the policy of a topic of the alerts does."""
    alerts = facts.once("alerts", lambda: facts.aws.audit.alerts(facts.settings)) if facts.settings.alerts else None
    for fact in alerts.topics if isinstance(alerts, AlertsFact) else ():
        if fact.policy is not None:
            resource = f"aws:sns/topicPolicy:TopicPolicy::{fact.topic.logical_name}"
            yield from _judged(facts, f"the policy of the topic {fact.topic.name}", resource, fact.policy)


def _judged(
    facts: StackFacts, whose: str, resource: str, document: Mapping[str, Any], requirements: tuple[str, ...] = ()
) -> Iterator[Notice]:
    try:
        found = list(strangers_in(facts.settings, resource, document))
    except ValueError as error:
        yield Notice.unknown(whose, why=f"the guardrails cannot read it: {error}", requirements=requirements)
        return
    for each in found:
        yield Notice.wrong(
            "stranger-let-in",
            what=f"{whose} gives {each.name} {', '.join(each.actions)}, and the settings do not name it",
            why="the settings name everybody who may be let in; the rules of the guardrails found it, without the code "
            "of the other checks",
            command=fixes.pulumi_up(facts, resource),
            requirements=requirements,
        )


OTHER_CHECKS: tuple[Judgement, ...] = (
    check_strangers_of_key,
    check_strangers,
    check_strangers_of_logs,
    check_strangers_of_topics,
)
