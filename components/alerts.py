"""`Alerts`: e-mails when the key, the access to it, the audit trail or an alert is changed, or its use is denied often.

Touches the Pulumi engine only: it registers resources.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.configuration import import_options
from components.policies import event_patterns
from components.policies.stack import (
    FALLBACK,
    AlertRule,
    AlertTopic,
    access_changes_pattern_of,
    alert_changes_pattern_of,
    alert_rules_of,
    alert_topics_of,
    fallback_pattern_of,
    forwarding_policies_of,
    trail_arn_of,
)
from components.settings import Settings
from components.trail import AuditTrail

BURST = 5
"""Denied uses of the key within BURST_SECONDS that cause an alert: a single denial may be a typing error."""

BURST_SECONDS = 300

READS_TOO = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
"""State of a rule that matches read-only calls such as Decrypt too; other rules do not.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail-management.html
"""


_DESCRIPTIONS = {
    "key-changes": "Changes of the EONPRO keys",
    "trail-changes": "Changes of the EONPRO audit trail",
    "denied-use": "Denied uses of the EONPRO PHI key",
    "access-changes": "Changes of the access to the EONPRO PHI key and its stored data key",
    "alert-changes": "Changes of the EONPRO alerts",
    FALLBACK: "Changes of the EONPRO alerts and of their key, past that key",
}

_SUBJECTS = {
    "key-changes": "an EONPRO key",
    "trail-changes": "the EONPRO audit trail",
    "access-changes": "the access to the EONPRO PHI key or its stored data key",
    "alert-changes": "the EONPRO alerts",
    FALLBACK: "the EONPRO alerts or their key",
}
"""The changed thing that a message names, by the kind of the rule that sends it."""


@dataclass(frozen=True, kw_only=True)
class AlertsArgs:
    settings: Settings
    key_arns: Sequence[pulumi.Input[str]]
    """The key's and its replicas'."""
    trail: AuditTrail
    other_key_arns: Sequence[pulumi.Input[str]] = ()
    """The key of the application's documents, if the stack has one."""


class Alerts(pulumi.ComponentResource):
    """The topics, their e-mail subscriptions, and the rules and the alarm that publish to them."""

    topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eonpro:kms:Alerts", name, {}, opts)
        settings = args.settings
        self._settings = settings
        topics = {topic.arn: self._topic(topic, args.trail) for topic in alert_topics_of(settings)}
        topic, after_topic = topics[settings.arn("sns", settings.names.alert_topic)]
        # The stack's first run creates the trail and its buckets, which needs no alert.
        after_trail = pulumi.ResourceOptions(parent=self, depends_on=[args.trail])

        patterns = self._patterns(args)
        forwarder: _Forwarder | None = None
        for rule in alert_rules_of(settings):
            if rule.region == settings.region:
                created = self._rule(rule, patterns[rule.kind], _DESCRIPTIONS[rule.kind], after_trail)
                if rule.target:
                    self._publish(rule, created, *topics[rule.target])
            else:
                forwarder = forwarder or self._forwarder(name)
                self._forward(rule, patterns[rule.kind], forwarder)
        self._alarm(f"{name}-denied-use", topic, after_topic)
        self.topic_arn = topic.arn
        self.register_outputs({"topicArn": self.topic_arn})

    def _patterns(self, args: AlertsArgs) -> dict[str, pulumi.Input[str]]:
        """The event pattern of each kind of rule, in JSON."""
        settings, names = self._settings, self._settings.names
        audit_key = [] if args.trail.key_arn is None else [args.trail.key_arn]
        text = event_patterns.text_of
        aliases = [
            names.alias,
            *([names.trail_key_alias] if audit_key else []),
            *([names.documents_key_alias] if settings.documents_key else []),
        ]
        key_changes = pulumi.Output.all(*args.key_arns, *audit_key, *args.other_key_arns).apply(
            lambda arns: text(event_patterns.key_changes_pattern(key_arns=arns, aliases=aliases))
        )
        denied_use = pulumi.Output.all(*args.key_arns).apply(
            lambda arns: text(event_patterns.denied_use_pattern(key_arns=arns, aliases=[names.alias]))
        )
        trail_changes = event_patterns.trail_changes_pattern(
            trail_arn=trail_arn_of(settings), buckets=_buckets(settings)
        )
        return {
            "key-changes": key_changes,
            "trail-changes": text(trail_changes),
            "denied-use": denied_use,
            "access-changes": text(access_changes_pattern_of(settings)),
            "alert-changes": text(alert_changes_pattern_of(settings)),
            FALLBACK: pulumi.Output.all(*audit_key).apply(lambda arns: text(fallback_pattern_of(settings, arns))),
        }

    def _topic(self, topic: AlertTopic, trail: AuditTrail) -> tuple[aws.sns.Topic, pulumi.ResourceOptions]:
        """The topic, and the options of what publishes to it: after its policy."""
        settings, name = self._settings, topic.logical_name
        child = pulumi.ResourceOptions(parent=self)
        created = aws.sns.Topic(
            name,
            name=topic.name,
            # Without a key for the trail the topic is not encrypted: neither EventBridge nor CloudWatch can use the key
            # that AWS manages for SNS, and no alert would arrive. The fallback topic has no key at all: it reports the
            # changes of that key. A message has no PHI: who called what, when, and from where.
            # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
            kms_master_key_id=trail.key_arn if topic.is_encrypted else None,
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(child, import_options(settings, topic.kind)),
        )
        policy = aws.sns.TopicPolicy(
            name,
            arn=created.arn,
            policy=json.dumps(topic.policy),
            opts=child,
        )
        for email in settings.alert_emails:
            # SNS first sends a confirmation link; until somebody opens it, no alert arrives.
            aws.sns.TopicSubscription(
                f"{name}-{email}", topic=created.arn, protocol="email", endpoint=email, opts=child
            )
        return created, pulumi.ResourceOptions(depends_on=[policy])

    def _rule(
        self, rule: AlertRule, pattern: pulumi.Input[str], description: str, opts: pulumi.ResourceOptions
    ) -> aws.cloudwatch.EventRule:
        return aws.cloudwatch.EventRule(
            rule.logical_name,
            name=rule.name,
            region=None if rule.region == self._settings.region else rule.region,
            description=description,
            event_pattern=pattern,
            state=READS_TOO if rule.kind == "denied-use" else "ENABLED",
            tags=self._settings.tags,
            opts=opts,
        )

    def _publish(
        self, rule: AlertRule, created: aws.cloudwatch.EventRule, topic: aws.sns.Topic, opts: pulumi.ResourceOptions
    ) -> None:
        aws.cloudwatch.EventTarget(
            rule.logical_name,
            rule=created.name,
            target_id="alerts",
            arn=topic.arn,
            input_transformer={
                "input_paths": {
                    "what": "$.detail.eventName",
                    "who": "$.detail.userIdentity.arn",
                    "when": "$.detail.eventTime",
                    "address": "$.detail.sourceIPAddress",
                    "region": "$.detail.awsRegion",
                    "error": "$.detail.errorCode",
                    "event": "$.detail.eventID",
                },
                "input_template": _message(self._settings, _SUBJECTS[rule.kind]),
            },
            opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=self), opts),
        )

    def _alarm(self, name: str, topic: aws.sns.Topic, opts: pulumi.ResourceOptions) -> None:
        # The rule has no target: a single denial causes no alert. MatchedEvents counts the events that matched a rule;
        # Invocations counts what was sent to its targets. On the default bus the only dimension is the rule's name.
        # The metric is not sent when it is zero.
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
        rule = self._settings.names.denied_use_rule
        aws.cloudwatch.MetricAlarm(
            name,
            name=rule,
            alarm_description=(
                f"The use of the EONPRO PHI key ({self._settings.environment}) was denied {BURST} times or more in "
                f"{BURST_SECONDS // 60} minutes. Who it was: look up Decrypt and GenerateDataKey with an error in "
                "CloudTrail's event history."
            ),
            namespace="AWS/Events",
            metric_name="MatchedEvents",
            dimensions={"RuleName": rule},
            statistic="Sum",
            period=BURST_SECONDS,
            evaluation_periods=1,
            threshold=BURST,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",
            alarm_actions=[topic.arn],
            tags=self._settings.tags,
            opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=self), opts),
        )

    def _forwarder(self, name: str) -> _Forwarder:
        settings = self._settings
        trust, document = forwarding_policies_of(settings)
        role = aws.iam.Role(
            f"{name}-forwarding",
            name=settings.names.forwarding_role,
            # IAM's events too. Another text would need iam:UpdateRole, which operators of earlier stacks do not have.
            description="EventBridge: sends what happens to the replicas of the EONPRO PHI key to its own Region",
            assume_role_policy=json.dumps(trust),
            permissions_boundary=settings.permissions_boundary_arn,
            tags=settings.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        permissions = aws.iam.RolePolicy(
            f"{name}-forwarding",
            name=settings.names.forwarding_role,
            role=role.name,
            policy=json.dumps(document),
            opts=pulumi.ResourceOptions(parent=self),
        )
        bus = settings.arn("events", "event-bus/default")
        return _Forwarder(bus=bus, role=role, permissions=permissions)

    def _forward(self, rule: AlertRule, pattern: pulumi.Input[str], forwarder: _Forwarder) -> None:
        # A change of a replica, or of IAM, is an event of another Region. It is sent to the key's own Region, where the
        # same rules match it: only its own Region can publish to a topic, and nobody has to confirm an address twice.
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html
        child = pulumi.ResourceOptions(parent=self)
        created = self._rule(rule, pattern, f"To {self._settings.region}", child)
        aws.cloudwatch.EventTarget(
            rule.logical_name,
            region=rule.region,
            rule=created.name,
            target_id="home",
            arn=forwarder.bus,
            role_arn=forwarder.role.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[forwarder.permissions]),
        )


@dataclass(frozen=True, kw_only=True)
class _Forwarder:
    """The rules and the role that send events of other Regions to the event bus of the stack's Region."""

    bus: str
    role: aws.iam.Role
    permissions: aws.iam.RolePolicy


def _buckets(settings: Settings) -> list[str]:
    if settings.existing_trail_arn is None and settings.access_logging:
        return [settings.names.trail_bucket, settings.names.access_log_bucket]
    return [settings.names.trail_bucket]


def _message(settings: Settings, subject: str) -> str:
    # EventBridge takes text as quoted lines; a path that an event does not have is left empty.
    lines = (
        f"EONPRO {settings.environment}: <what> on {subject}.",
        "Who: <who>",
        "When: <when>, in <region>",
        "From: <address>",
        "Refused with (empty if it was done): <error>",
        "CloudTrail event: <event>",
    )
    return "\n".join(f'"{line}"' for line in lines)
