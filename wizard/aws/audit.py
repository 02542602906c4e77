"""The audit as the doctor looks at it: a trail of any kind, the alerts, the bucket's documents, who used the key.

Asks CloudTrail, EventBridge, SNS and S3; changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from components.settings import Settings
from wizard.aws.application_credentials import SESSION_NAME
from wizard.aws.auth.session import Session
from wizard.aws.iam import identify
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.models.audit import AlertsFact, BucketDocuments, KeyUse, KeyUses, RuleFact

MOST_EVENTS = 500
"""Events that are read: LookupEvents gives 50 a call, and two calls a second are an account's share.

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
        """What the trail selects, as CloudTrail has it."""
        at_home = self._session.with_region(arn.split(":")[3])
        found: Mapping[str, Any] = at_home.call("cloudtrail", "GetEventSelectors", TrailName=arn)
        return found

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
        """The topic of the alerts and their rules."""
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
        found = self._session.find("events", "DescribeRule", absent=_NO_RULE, Name=name)
        if found is None:
            return RuleFact(name=name, state=None)
        try:
            targets = self._session.find("events", "ListTargetsByRule", absent=_NO_RULE, Rule=name) or {}
        except (PermissionDenied, Unsupported, ResourceError):
            return RuleFact(name=name, state=str(found["State"]))
        return RuleFact(name=name, state=str(found["State"]), targets=len(targets.get("Targets") or ()))

    def key_uses(self, key_arn: str, *, since: datetime) -> KeyUses:
        """The Decrypt calls on the key since then, without those of a proof."""
        # Looked up by the operation: a refused call names its key in the error only, and has no resource to look up.
        at_home = self._session.with_region(key_arn.split(":")[3])
        wanted = {"AttributeKey": "EventName", "AttributeValue": "Decrypt"}
        uses: list[KeyUse] = []
        complete = True
        for number, event in enumerate(
            at_home.pages("cloudtrail", "LookupEvents", "Events", LookupAttributes=[wanted], StartTime=since)
        ):
            if number >= MOST_EVENTS:
                complete = False
                break
            record = json.loads(event["CloudTrailEvent"])
            if record.get("eventSource") == "kms.amazonaws.com" and _is_of(record, key_arn) and not _is_proof(record):
                uses.append(_use(record))
        return KeyUses(uses=tuple(uses), complete=complete)


def _is_of(record: Mapping[str, Any], key_arn: str) -> bool:
    key_id = key_arn.rpartition("/")[2]
    named = [str(each.get("ARN") or "") for each in record.get("resources") or ()]
    asked = str((record.get("requestParameters") or {}).get("keyId") or "")
    return any(key_id in text for text in (*named, asked, str(record.get("errorMessage") or "")))


def _is_proof(record: Mapping[str, Any]) -> bool:
    """Whether it was not the application, but this product's proof in its name."""
    return str((record.get("userIdentity") or {}).get("arn") or "").endswith(f"/{SESSION_NAME}")


def _use(record: Mapping[str, Any]) -> KeyUse:
    who = record.get("userIdentity") or {}
    issuer = (who.get("sessionContext") or {}).get("sessionIssuer") or {}
    return KeyUse(
        at=datetime.strptime(str(record["eventTime"]), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
        operation=str(record["eventName"]),
        principal=str(issuer.get("arn") or _of_session(str(who.get("arn") or ""))),
        error=str(record["errorCode"]) if record.get("errorCode") else None,
    )


def _of_session(arn: str) -> str:
    """The role of a session's ARN, without its path; any other ARN as it is."""
    head, slash, rest = arn.partition(":assumed-role/")
    return f"{head.replace(':sts:', ':iam:')}:role/{rest.split('/')[0]}" if slash else arn
