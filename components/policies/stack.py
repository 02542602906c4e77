"""The policies of one environment: `Settings` in, policy documents out.

Pure. The program and the preflight both use it, so that they evaluate the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from components import policies
from components.policies import s3_documents
from components.policies.evaluation import KeyPolicyDecision, decide_by_key_policy
from components.policies.trail import LOGS_KEY_TAGS
from components.settings import ImportGroup, ResourceKind, SecretStore, Settings
from components.settings.arn import Arn
from components.targets.platform import NewRole, Reader, platforms_of


def key_policy_of(settings: Settings, app_principal_arns: Sequence[str] | None = None) -> policies.Policy:
    """The policy of the key and of each replica; the application's ARNs are those of the settings by default."""
    return policies.key_policy(
        **_administration_of(settings),
        app_principal_arns=settings.app_principal_arns if app_principal_arns is None else app_principal_arns,
        strict=settings.strict_key_policy,
        exclusive_use=settings.exclusive_use,
        multi_region=settings.multi_region,
        application=settings.names.label,
    )


def _administration_of(settings: Settings) -> dict[str, Any]:
    """The administrators of a key of the stack, and its guards: arguments of both key policies."""
    names = "account_id administrators administrator_patterns deletion_administrators usage_guard_days"
    return {name: getattr(settings, name) for name in (*names.split(), "incident_responders", "partition")}


def decide_by_key_policy_of(
    settings: Settings, policy: Mapping[str, Any], principal_arn: str, action: str
) -> KeyPolicyDecision:
    """The decision of a key policy for a principal that sends requests as the settings intend."""
    # KMS answers over TLS alone: https://docs.aws.amazon.com/kms/latest/developerguide/infrastructure-security.html
    known = {"aws:securetransport": ("true",), "aws:resourceaccount": (settings.account_id,)}
    return decide_by_key_policy(policy, principal_arn, action, known=known)


def trail_arn_of(settings: Settings) -> str:
    """The ARN of the trail that records the use of the key: an existing one, or the one that the stack creates."""
    return settings.existing_trail_arn or settings.arn("cloudtrail", f"trail/{settings.names.trail}")


def application_trust_of(settings: Settings) -> policies.Policy:
    """Trust of the application's role: each deploy target of the settings, and nobody else."""
    return policies.policy([statement for each in platforms_of(settings) for statement in each.trust(settings)])


def readers_of(settings: Settings) -> tuple[Reader, ...]:
    """The readers of the settings' deploy targets; Vercel keeps the variables itself."""
    return tuple(filter(None, (each.reader(settings) for each in platforms_of(settings))))


def reads_itself(settings: Settings) -> bool:
    """Whether the application's own principal reads the variables, for a target without a role for that."""
    return any(reader.role is None for reader in readers_of(settings))


def reading_policy_of(settings: Settings) -> tuple[str, policies.Policy]:
    """Name and document of the policy with which the readers read the variables in every Region of the key."""
    arns = [arn for region in settings.regions for arn in variable_arns_of(settings, region).values()]
    if settings.secret_store is SecretStore.SECRETS_MANAGER:
        return settings.names.secret_policy, policies.secret_policy(secret_arns=arns)
    one_by_one = any(reader.one_by_one for reader in readers_of(settings))
    return settings.names.parameter_policy, policies.parameter_policy(parameter_arns=arns, one_by_one=one_by_one)


def variable_arns_of(settings: Settings, region: str) -> dict[str, str]:
    """The ARN of each variable's parameter or secret in a Region, by the variable's name.

    A secret's is without its six random characters; Secrets Manager finds the secret by it.
    """
    prefix = settings.names.parameter_prefix
    return {variable: _in_store(settings, f"{prefix}/{variable}", region) for variable in settings.variables}


def stored_key_arns_of(settings: Settings) -> list[str]:
    """The parameters or secrets with the wrapped keys in use, in every Region of the key."""
    ending = "-??????" if settings.secret_store is SecretStore.SECRETS_MANAGER else ""
    names = [each.names.stored_data_key for each in settings.of_each_key]
    return [f"{_in_store(settings, name, region)}{ending}" for region in settings.regions for name in names]


def version_arns_of(settings: Settings) -> list[str]:
    """The entries of all versions of the wrapped keys, in every Region of the key."""
    folders = [each.names.versions for each in settings.of_each_key]
    return [_in_store(settings, f"{folder}/*", region) for region in settings.regions for folder in folders]


def _in_store(settings: Settings, name: str, region: str) -> str:
    in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
    service, kind = ("secretsmanager", "secret:") if in_secrets else ("ssm", "parameter")
    return settings.arn(service, f"{kind}{name}", region=region)


@dataclass(frozen=True, kw_only=True)
class AlertRule:
    """A rule of EventBridge that the stack creates for its alerts."""

    kind: str
    name: str
    region: str
    logical_name: str
    target: str | None
    """The ARN of the topic or the event bus that gets its events; None: an alarm counts its matches."""


FALLBACK = "fallback"
"""The kind of the rule that watches the other alerts and their key, and publishes to a topic of its own."""


@dataclass(frozen=True, kw_only=True)
class AlertTopic:
    """A topic of the stack's alerts."""

    name: str
    arn: str
    logical_name: str
    is_encrypted: bool
    """Whether with the audit key. The fallback topic never is: a change of that key is what it is for."""
    policy: policies.Policy
    kind: ResourceKind
    purpose: str
    """In words, for a message: `the alerts`."""


def alert_topics_of(settings: Settings) -> tuple[AlertTopic, ...]:
    """The topics of the settings' alerts: that of all alerts, and the fallback topic."""
    names = settings.names

    def topic(
        name: str, logical_name: str, kind: ResourceKind, purpose: str, *, is_encrypted: bool = False, alarm: str = ""
    ) -> AlertTopic:
        arn, alarms = settings.arn("sns", name), [settings.arn("cloudwatch", f"alarm:{alarm}")] if alarm else []
        return AlertTopic(
            name=name,
            arn=arn,
            logical_name=logical_name,
            is_encrypted=is_encrypted,
            policy=policies.alert_topic_policy(topic_arn=arn, account_id=settings.account_id, source_arns=alarms),
            kind=kind,
            purpose=purpose,
        )

    if not settings.alerts:
        return ()
    is_encrypted = settings.makes_trail and settings.trail_key
    named = (names.alert_topic, "alerts", ResourceKind.ALERT_TOPIC, "the alerts")
    fallback = topic(names.fallback_topic, "fallback-alerts", ResourceKind.FALLBACK_TOPIC, "the fallback alerts")
    return topic(*named, is_encrypted=is_encrypted, alarm=names.denied_use_rule), fallback


def alert_rules_of(settings: Settings) -> tuple[AlertRule, ...]:
    """The rules of the settings' alerts; those of other Regions send their events to the stack's Region.

    A key's events are in the Region of each replica, IAM's in one Region of the partition.
    """
    names, home = settings.names, (settings.region,)
    everywhere = tuple(dict.fromkeys((*settings.regions, settings.iam_region)))
    trail = Arn.parse(trail_arn_of(settings))
    is_here = (trail.region, trail.account) == (settings.region, settings.account_id)
    rules = (
        ("key-changes", names.key_changes_rule, settings.regions),
        ("trail-changes", names.trail_changes_rule, home if is_here else ()),
        ("denied-use", names.denied_use_rule, settings.regions),
        ("access-changes", names.access_changes_rule, everywhere),
        # Whoever disables a rule of another Region does so there.
        ("alert-changes", names.alert_changes_rule, everywhere),
        # The events of other Regions reach it by their rules of alert changes.
        (FALLBACK, names.fallback_rule, home),
    )

    def target(kind: str, region: str) -> str | None:
        if region != settings.region:
            return settings.arn("events", "event-bus/default")
        topic = names.fallback_topic if kind == FALLBACK else names.alert_topic
        return None if kind == "denied-use" else settings.arn("sns", topic)

    return tuple(
        AlertRule(
            kind=kind,
            name=name,
            region=region,
            logical_name=f"alerts-{kind}" if region == settings.region else f"alerts-{kind}-{region}",
            target=target(kind, region),
        )
        for kind, name, regions in (rules if settings.alerts else ())
        for region in regions
    )


def forwards_events(settings: Settings) -> bool:
    """Whether rules of another Region send their events to the stack's, which takes a role."""
    return any(rule.region != settings.region for rule in alert_rules_of(settings))


# --- the audit trail and the alerts -----------------------------------------------------------------------------


def trail_key_policy_of(settings: Settings) -> policies.Policy:
    """The policy of the key of the audit logs and the alerts."""
    return policies.trail_key_policy(
        **_administration_of(settings),
        trail_arn=trail_arn_of(settings),
        log_group_arn=log_group_arn_of(settings) if logs_to_cloudwatch(settings) else None,
        publishers=settings.alerts,
    )


def documents_key_policy_of(settings: Settings) -> policies.Policy:
    """The policy of the key of the application's documents in S3."""
    return s3_documents.documents_key_policy(
        **_administration_of(settings),
        region=settings.region,
        app_principal_arns=settings.app_principal_arns,
        buckets=settings.document_buckets,
    )


@dataclass(frozen=True, kw_only=True)
class OtherKey:
    """A KMS key of the stack besides the PHI key; all have the stack's tags, and one more that says what for."""

    logical_name: str
    alias: str
    purpose: str
    """The value of its tag `Purpose`; the PHI key has none."""
    noun: str
    policy: policies.Policy
    flag: str
    """The option that does without it."""
    imported_as: tuple[ResourceKind, ResourceKind]
    """The key and its alias."""


def logs_key_of(settings: Settings) -> OtherKey:
    """The key of the audit logs and of the alerts."""
    return OtherKey(
        logical_name="audit-trail-key",
        alias=settings.names.trail_key_alias,
        purpose=LOGS_KEY_TAGS["Purpose"],
        noun="key of the audit logs",
        policy=trail_key_policy_of(settings),
        flag="--trail-key no",
        imported_as=(ResourceKind.LOGS_KEY, ResourceKind.LOGS_KEY_ALIAS),
    )


def documents_key_of(settings: Settings) -> OtherKey:
    """The key of the application's documents in S3."""
    return OtherKey(
        logical_name="documents-key",
        alias=settings.names.documents_key_alias,
        purpose=s3_documents.DOCUMENTS_KEY_TAGS["Purpose"],
        noun="key of the documents",
        policy=documents_key_policy_of(settings),
        flag="--documents-key no",
        imported_as=(ResourceKind.DOCUMENTS_KEY, ResourceKind.DOCUMENTS_KEY_ALIAS),
    )


def other_keys_of(settings: Settings) -> tuple[OtherKey, ...]:
    """The keys besides the PHI key that the stack of these settings makes."""
    logs = (logs_key_of(settings),) if settings.makes_trail and settings.trail_key else ()
    return (*logs, documents_key_of(settings)) if settings.documents_key else logs


def trail_bucket_policy_of(settings: Settings) -> policies.Policy:
    """The policy of the bucket of the audit trail."""
    return policies.trail_bucket_policy(
        bucket=settings.names.trail_bucket,
        account_id=settings.account_id,
        trail_arn=trail_arn_of(settings),
        partition=settings.partition,
    )


def access_log_bucket_policy_of(settings: Settings) -> policies.Policy:
    """The policy of the bucket of the access logs."""
    return policies.access_log_bucket_policy(
        bucket=settings.names.access_log_bucket,
        source_bucket=settings.names.trail_bucket,
        account_id=settings.account_id,
        partition=settings.partition,
    )


def log_role_policies_of(settings: Settings) -> tuple[policies.Policy, policies.Policy]:
    """Trust and permissions of the role that writes to CloudWatch Logs."""
    return (
        policies.log_role_trust_policy(account_id=settings.account_id, trail_arn=trail_arn_of(settings)),
        policies.log_role_policy(
            log_group_arn=log_group_arn_of(settings), account_id=settings.account_id, region=settings.region
        ),
    )


def log_group_arn_of(settings: Settings) -> str:
    """The ARN of the log group of the audit trail."""
    return settings.arn("logs", f"log-group:{settings.names.log_group}")


def logs_to_cloudwatch(settings: Settings) -> bool:
    """Whether the stack's trail writes to a log group: one that the stack does not change never would."""
    return settings.cloudwatch_logs and ImportGroup.TRAIL not in settings.kept_as_found


def forwarding_policies_of(settings: Settings) -> tuple[policies.Policy, policies.Policy]:
    """Trust and permissions of the role that sends alerts from another Region."""
    return (
        policies.forwarding_trust_policy(account_id=settings.account_id),
        policies.forwarding_policy(event_bus_arn=settings.arn("events", "event-bus/default")),
    )


# --- all of them ------------------------------------------------------------------------------------------------


class PolicyKind(StrEnum):
    """The kind of resource that a policy is attached to, as IAM Access Analyzer names it."""

    IDENTITY = "identity"
    TRUST = "AWS::IAM::AssumeRolePolicyDocument"
    KEY = "AWS::KMS::Key"
    BUCKET = "AWS::S3::Bucket"
    TOPIC = "AWS::SNS::Topic"


@dataclass(frozen=True, kw_only=True)
class StackPolicy:
    """A policy that the stack writes."""

    name: str
    """In words, with the name of the resource."""
    kind: PolicyKind
    document: policies.Policy


def policies_of(settings: Settings, *, key_arns: Sequence[str]) -> Iterator[StackPolicy]:
    """Every policy that the program writes with these settings, but those that an import left as they were.

    The PHI key's is the first. `key_arns`: the key's and its replicas'.
    """
    names, kept = settings.names, settings.kept_as_found
    if ImportGroup.KEY not in kept:
        yield _policy(f"the key {names.alias}", PolicyKind.KEY, key_policy_of(settings))
    if ImportGroup.APPLICATION_POLICY not in kept:
        document = policies.application_policy(key_arns=key_arns)
        yield _policy(f"the policy {names.app_policy}", PolicyKind.IDENTITY, document)
    if settings.makes_role and ImportGroup.APPLICATION_ROLE not in kept:
        trust = application_trust_of(settings)
        yield _policy(f"the trust of {names.app_role}", PolicyKind.TRUST, trust)
    readers = readers_of(settings)
    for role in (reader.role for reader in readers):
        if isinstance(role, NewRole):
            yield _policy(f"the trust of {role.name}", PolicyKind.TRUST, role.trust)
            if role.inline_policy is not None:
                yield _policy(f"the inline policy of {role.name}", PolicyKind.IDENTITY, role.inline_policy[1])
    if readers:
        name, document = reading_policy_of(settings)
        yield _policy(f"the policy {name}", PolicyKind.IDENTITY, document)
    for other in other_keys_of(settings):
        yield _policy(f"the key {other.alias}", PolicyKind.KEY, other.policy)
    if settings.makes_trail:
        yield from _trail_policies(settings)
    if settings.alerts:
        for topic in alert_topics_of(settings):
            yield _policy(f"the topic {topic.name}", PolicyKind.TOPIC, topic.policy)
        if forwards_events(settings):
            trust, document = forwarding_policies_of(settings)
            yield _policy(f"the trust of {names.forwarding_role}", PolicyKind.TRUST, trust)
            yield _policy(f"the inline policy of {names.forwarding_role}", PolicyKind.IDENTITY, document)


def _trail_policies(settings: Settings) -> Iterator[StackPolicy]:
    names = settings.names
    if ImportGroup.BUCKET not in settings.kept_as_found:
        yield _policy(f"the bucket {names.trail_bucket}", PolicyKind.BUCKET, trail_bucket_policy_of(settings))
        if settings.access_logging:
            document = access_log_bucket_policy_of(settings)
            yield _policy(f"the bucket {names.access_log_bucket}", PolicyKind.BUCKET, document)
    if logs_to_cloudwatch(settings):
        trust, document = log_role_policies_of(settings)
        yield _policy(f"the trust of {names.log_role}", PolicyKind.TRUST, trust)
        yield _policy(f"the inline policy of {names.log_role}", PolicyKind.IDENTITY, document)


def _policy(name: str, kind: PolicyKind, document: policies.Policy) -> StackPolicy:
    return StackPolicy(name=name, kind=kind, document=document)
