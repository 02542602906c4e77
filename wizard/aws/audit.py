"""Reads what an audit of one Region asks: a trail's selectors, its bucket's documents, the alerts, the key's calls.

Asks CloudTrail, CloudWatch, EventBridge, SNS and S3; changes nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from components.policies.stack import AlertRule, AlertTopic, alert_rules_of, alert_topics_of
from components.settings import Settings
from components.settings.arn import Arn, resource_name
from wizard.aws.access import EventRecord
from wizard.aws.auth.session_client import SessionClient
from wizard.aws.iam import account_of
from wizard.aws.trail import bucket_policy_of
from wizard.core import safe_text
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.models.account import TrailFact
from wizard.core.models.trail import AlertsFact, BucketDocuments, KeyCall, KeyCalls, LogValidation, RuleFact, TopicFact

MAX_EVENTS = 500
"""Events that are read: LookupEvents returns 50 a call, with a quota of two calls a second.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html
"""

_NO_RULE = ("ResourceNotFoundException",)


class AuditReader(SessionClient):
    """The audit of one Region. Reads only."""

    @property
    def _owner(self) -> str:
        return account_of(self._session)

    def selectors(self, arn: str) -> Mapping[str, Any]:
        """The trail's selectors as CloudTrail returns them: `EventSelectors`, `AdvancedEventSelectors`."""
        home = self._session.with_region(Arn.parse(arn).region)
        selectors: Mapping[str, Any] = home.call("cloudtrail", "GetEventSelectors", TrailName=arn)
        return selectors

    def bucket_documents(self, bucket: str) -> BucketDocuments:
        """The bucket's policy and its lifecycle rules."""

        def ask(operation: str, absent: str) -> Any:
            return self._session.find("s3", operation, absent=(absent,), Bucket=bucket, ExpectedBucketOwner=self._owner)

        policy = ask("GetBucketPolicy", "NoSuchBucketPolicy")
        lifecycle = ask("GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration") or {}
        return BucketDocuments(policy=bucket_policy_of(bucket, policy), lifecycle=tuple(lifecycle.get("Rules") or ()))

    def validate_logs(
        self, trail: TrailFact, region: str, *, since: datetime, until: datetime, most: int | None
    ) -> LogValidation:
        """Whether the trail's logs of a Region are as CloudTrail signed them; of `most` log files, or of all (None).

        Raises PermissionDenied where the digests cannot be read.
        """
        # Imported here: its library takes time at the start of each command.
        from wizard.aws.log_validation import validate

        return validate(self._session, trail, region, since=since, until=until, most=most)

    def alerts(self, settings: Settings) -> AlertsFact:
        """The alerts' topics and rules, under the stack's names, the rules of other Regions too."""
        topics, rules = alert_topics_of(settings), alert_rules_of(settings)
        alarm, *facts = self._session.together(
            lambda: self._session.call("cloudwatch", "DescribeAlarms", AlarmNames=[settings.names.denied_use_rule]),
            *(lambda topic=topic: self._topic(topic) for topic in topics),
            *(lambda rule=rule: self._rule(rule) for rule in rules),
        )
        alarms = alarm.get("MetricAlarms") or ()
        return AlertsFact(
            topics=tuple(facts[: len(topics)]), rules=tuple(facts[len(topics) :]), alarm=next(iter(alarms), None)
        )

    def _topic(self, topic: AlertTopic) -> TopicFact:
        answer = self._session.find(
            "sns", "GetTopicAttributes", absent=("NotFound", "NotFoundException"), TopicArn=topic.arn
        )
        if answer is None:
            return TopicFact(topic=topic, is_there=False)
        attributes = answer.get("Attributes") or {}
        confirmed = attributes.get("SubscriptionsConfirmed", "")
        return TopicFact(
            topic=topic,
            receivers=int(confirmed) if confirmed.isdigit() else None,
            policy=safe_text.json_object(attributes.get("Policy") or ""),
            key=attributes.get("KmsMasterKeyId") or None,
        )

    def _rule(self, rule: AlertRule) -> RuleFact:
        session = self._session.with_region(rule.region)
        current = session.find("events", "DescribeRule", absent=_NO_RULE, Name=rule.name)
        if current is None:
            return RuleFact(rule=rule, state=None)
        fact = RuleFact(
            rule=rule,
            state=str(current["State"]),
            pattern=safe_text.json_object(current.get("EventPattern") or ""),
        )
        try:
            answer = session.find("events", "ListTargetsByRule", absent=_NO_RULE, Rule=rule.name) or {}
        except (PermissionDenied, Unsupported, ResourceError):
            return fact
        targets = answer.get("Targets") or ()
        own: Mapping[str, Any] = next((target for target in targets if target["Arn"] == rule.target), {})
        message = {name: own[name] for name in ("Input", "InputPath", "InputTransformer") if name in own}
        return replace(fact, targets=tuple(str(target["Arn"]) for target in targets), message=message)

    def key_calls(self, key_arn: str, *, since: datetime) -> KeyCalls:
        """The Decrypt calls on the key since then, refused ones too, without those of this product's verifications.

        CloudTrail lists a call after some minutes.
        """
        # Looked up by operation: a denied call names its key only in the error, and has no resource to look up.
        home = self._session.with_region(Arn.parse(key_arn).region)
        decrypt = {"AttributeKey": "EventName", "AttributeValue": "Decrypt"}
        calls: list[KeyCall] = []
        complete = True
        for number, event in enumerate(
            home.pages("cloudtrail", "LookupEvents", "Events", LookupAttributes=[decrypt], StartTime=since)
        ):
            if number >= MAX_EVENTS:
                complete = False
                break
            record = EventRecord.of(event["CloudTrailEvent"])
            if record is None or record.eventTime is None:
                complete = False
                continue
            if record.eventSource == "kms.amazonaws.com" and _is_of(record, key_arn) and not record.is_verification:
                calls.append(
                    KeyCall(
                        at=record.eventTime,
                        operation=record.eventName or "Decrypt",
                        principal=record.principal,
                        error=record.errorCode,
                    )
                )
        return KeyCalls(calls=tuple(calls), complete=complete)


def _is_of(record: EventRecord, key_arn: str) -> bool:
    key_id = resource_name(key_arn)
    requested = str((record.requestParameters or {}).get("keyId") or "")
    resources = (resource.ARN or "" for resource in record.resources or ())
    return any(key_id in text for text in (*resources, requested, record.errorMessage or ""))
