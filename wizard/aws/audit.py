"""What doctor reads about the audit: event selectors, alerts, the bucket's policy and lifecycle, calls on the key.

Asks CloudTrail, EventBridge, SNS and S3; changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from components.settings import Settings
from wizard.aws.access import principal_of
from wizard.aws.application_credentials import SESSION_NAME
from wizard.aws.auth.session import Session
from wizard.aws.iam import identify
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.models.audit import AlertsFact, BucketDocuments, KeyCall, KeyCalls, RuleFact

MAX_EVENTS = 500
"""Events that are read: LookupEvents returns 50 a call, with a quota of two calls a second.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html
"""

_NO_RULE = ("ResourceNotFoundException",)


class AwsAuditReader:
    """The audit of one Region: a `wizard.core.ports.aws.AuditReader`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def _owner(self) -> str:
        return identify(self._session).account_id

    def selectors(self, arn: str) -> Mapping[str, Any]:
        """The trail's event selectors."""
        home = self._session.with_region(arn.split(":")[3])
        selectors: Mapping[str, Any] = home.call("cloudtrail", "GetEventSelectors", TrailName=arn)
        return selectors

    def bucket_documents(self, bucket: str) -> BucketDocuments:
        """The bucket's policy and its lifecycle rules."""

        def ask(operation: str, absent: str) -> Any:
            return self._session.find("s3", operation, absent=(absent,), Bucket=bucket, ExpectedBucketOwner=self._owner)

        policy = ask("GetBucketPolicy", "NoSuchBucketPolicy")
        lifecycle = ask("GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration") or {}
        return BucketDocuments(
            policy=json.loads(policy["Policy"]) if policy else None, lifecycle=tuple(lifecycle.get("Rules") or ())
        )

    def alerts(self, settings: Settings) -> AlertsFact:
        """The alerts' topic and rules."""
        names = settings.names
        arn = f"arn:{settings.partition}:sns:{settings.region}:{settings.account_id}:{names.alert_topic}"
        topic, *rules = self._session.together(
            lambda: self._session.find(
                "sns", "GetTopicAttributes", absent=("NotFound", "NotFoundException"), TopicArn=arn
            ),
            *(
                lambda name=name: self._rule(name)
                for name in (names.key_changes_rule, names.trail_changes_rule, names.denied_use_rule)
            ),
        )
        return AlertsFact(topic=topic is not None, rules=tuple(rules))

    def _rule(self, name: str) -> RuleFact:
        rule = self._session.find("events", "DescribeRule", absent=_NO_RULE, Name=name)
        if rule is None:
            return RuleFact(name=name, state=None)
        try:
            targets = self._session.find("events", "ListTargetsByRule", absent=_NO_RULE, Rule=name) or {}
        except (PermissionDenied, Unsupported, ResourceError):
            return RuleFact(name=name, state=str(rule["State"]))
        return RuleFact(name=name, state=str(rule["State"]), targets=len(targets.get("Targets") or ()))

    def key_calls(self, key_arn: str, *, since: datetime) -> KeyCalls:
        """The Decrypt calls on the key since then, without those of this product's verifications."""
        # Looked up by operation: a denied call names its key only in the error, and has no resource to look up.
        home = self._session.with_region(key_arn.split(":")[3])
        decrypt = {"AttributeKey": "EventName", "AttributeValue": "Decrypt"}
        calls: list[KeyCall] = []
        complete = True
        for number, event in enumerate(
            home.pages("cloudtrail", "LookupEvents", "Events", LookupAttributes=[decrypt], StartTime=since)
        ):
            if number >= MAX_EVENTS:
                complete = False
                break
            record = json.loads(event["CloudTrailEvent"])
            if (
                record.get("eventSource") == "kms.amazonaws.com"
                and _is_of(record, key_arn)
                and not _is_verification(record)
            ):
                calls.append(_call(record))
        return KeyCalls(calls=tuple(calls), complete=complete)


def _is_of(record: Mapping[str, Any], key_arn: str) -> bool:
    key_id = key_arn.rpartition("/")[2]
    resources = [str(resource.get("ARN") or "") for resource in record.get("resources") or ()]
    requested = str((record.get("requestParameters") or {}).get("keyId") or "")
    return any(key_id in text for text in (*resources, requested, str(record.get("errorMessage") or "")))


def _is_verification(record: Mapping[str, Any]) -> bool:
    """Whether this product's verification made the call as the application."""
    return str((record.get("userIdentity") or {}).get("arn") or "").endswith(f"/{SESSION_NAME}")


def _call(record: Mapping[str, Any]) -> KeyCall:
    return KeyCall(
        at=datetime.strptime(str(record["eventTime"]), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
        operation=str(record["eventName"]),
        principal=principal_of(record.get("userIdentity") or {}),
        error=str(record["errorCode"]) if record.get("errorCode") else None,
    )
