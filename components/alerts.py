"""`Alerts`: e-mails when the key, the access to it, the audit trail or an alert is changed, or its use is denied often.

Touches the Pulumi engine only: it registers resources.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.configuration import import_options
from components.policies import event_patterns
from components.policies.alerts import BURST, BURST_SECONDS, READS_TOO, alarm_of, message_of, pattern_of
from components.policies.stack import (
    FALLBACK,
    AlertRule,
    AlertTopic,
    alert_rules_of,
    alert_topics_of,
    forwarding_policies_of,
)
from components.settings import Settings
from components.trail import AuditTrail

_DESCRIPTIONS = {
    "key-changes": "Changes of the {} keys",
    "trail-changes": "Changes of the {} audit trail",
    "denied-use": "Denied uses of the {} PHI key",
    "access-changes": "Changes of the access to the {} PHI key and its stored data key",
    "alert-changes": "Changes of the {} alerts",
    FALLBACK: "Changes of the {} alerts and of their key, past that key",
}
"""What AWS shows as the description of each rule; `{}` is the application."""


class Alerts(pulumi.ComponentResource):
    """The topics, their e-mail subscriptions, and the rules and the alarm that publish to them."""

    topic_arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: Settings,
        trail: AuditTrail,
        key_arns: Sequence[pulumi.Input[str]],
        documents_key: pulumi.Output[str] | None,
    ) -> None:
        """`key_arns`: the key's and its replicas'. `documents_key`: of the application's documents, if there is one."""
        super().__init__("eonpro:kms:Alerts", name, {})
        self._settings = settings
        topics = {topic.arn: self._topic(topic, trail) for topic in alert_topics_of(settings)}
        topic, after_topic = topics[settings.arn("sns", settings.names.alert_topic)]
        # The stack's first run creates the trail and its buckets, which needs no alert.
        after_trail = pulumi.ResourceOptions(parent=self, depends_on=[trail])

        patterns = self._patterns(trail.key_arn, key_arns, documents_key)
        forwarder: _Forwarder | None = None
        for rule in alert_rules_of(settings):
            if rule.region == settings.region:
                about = _DESCRIPTIONS[rule.kind].format(settings.names.label)
                created = self._rule(rule, patterns[rule.kind], about, after_trail)
                if rule.target:
                    self._publish(rule, created, *topics[rule.target])
            else:
                forwarder = forwarder or self._forwarder(name)
                self._forward(rule, patterns[rule.kind], forwarder)
        self._alarm(f"{name}-denied-use", topic, after_topic)
        self.topic_arn = topic.arn
        self.register_outputs({"topicArn": self.topic_arn})

    def _patterns(
        self,
        logs_key: pulumi.Output[str] | None,
        key_arns: Sequence[pulumi.Input[str]],
        documents_key: pulumi.Output[str] | None,
    ) -> dict[str, pulumi.Input[str]]:
        """The event pattern of each kind of rule, in JSON."""
        settings, text = self._settings, event_patterns.text_of
        # A rule depends on the keys that its pattern names, and on no other.
        keys: dict[str, dict[str, Any]] = {
            "key-changes": {"key_arns": key_arns, "logs_key_arn": logs_key, "documents_key_arn": documents_key},
            "denied-use": {"key_arns": key_arns},
            FALLBACK: {"logs_key_arn": logs_key},
        }

        def by_keys(kind: str) -> pulumi.Output[str]:
            return pulumi.Output.all(**keys[kind]).apply(lambda arns: text(pattern_of(settings, kind, **arns)))

        kinds = dict.fromkeys(rule.kind for rule in alert_rules_of(settings))
        return {kind: by_keys(kind) if kind in keys else text(pattern_of(settings, kind)) for kind in kinds}

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
        paths, template = message_of(self._settings, rule.kind)
        aws.cloudwatch.EventTarget(
            rule.logical_name,
            rule=created.name,
            target_id="alerts",
            arn=topic.arn,
            input_transformer={"input_paths": paths, "input_template": template},
            opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=self), opts),
        )

    def _alarm(self, name: str, topic: aws.sns.Topic, opts: pulumi.ResourceOptions) -> None:
        names, counted = self._settings.names, alarm_of(self._settings)
        rule = names.denied_use_rule
        aws.cloudwatch.MetricAlarm(
            name,
            name=rule,
            alarm_description=(
                f"The use of the {names.label} PHI key ({self._settings.environment}) was denied "
                f"{BURST} times or more in {BURST_SECONDS // 60} minutes. Who it was: "
                "look up Decrypt and GenerateDataKey with an error in "
                "CloudTrail's event history."
            ),
            namespace=counted["Namespace"],
            metric_name=counted["MetricName"],
            dimensions={each["Name"]: each["Value"] for each in counted["Dimensions"]},
            statistic=counted["Statistic"],
            period=counted["Period"],
            evaluation_periods=counted["EvaluationPeriods"],
            threshold=counted["Threshold"],
            comparison_operator=counted["ComparisonOperator"],
            # The metric is not sent when it is zero.
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
            description=f"EventBridge: sends what happens to the replicas of the {settings.names.label} PHI key to its "
            "own Region",
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
