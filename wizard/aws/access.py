"""Who may use a key and who did: grants, the whole of IAM, last use, the event history.

Asks KMS, IAM and CloudTrail; changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from components.policies.evaluation.account import AccountIam, GrantFact, IamPolicy, IamPrincipal
from wizard.aws import iam
from wizard.aws.auth.session import Session
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.models.access import AccessKeyAge, History, KeyEvents, KeyUse

MOST_PAGES = 60
"""Pages of the event history that are read for one key, 50 events each."""

PACE_SECONDS = 0.5
"""Between pages: two look-ups a second are answered, in each Region of an account
(https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html)."""

USES = frozenset(
    (
        "Decrypt",
        "DeriveSharedSecret",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateMac",
        "ReEncrypt",
        "Sign",
        "Verify",
        "VerifyMac",
    )
)
"""The calls that use a key. https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyLastUsageData.html"""

_LONGEST_PAGE = 1000
"""Users, groups, roles and policies of an account that IAM tells at once
(https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html)."""

_REFUSED = ("AccessDenied", "AccessDeniedException")


class AwsAccessReader:
    """A `wizard.core.ports.aws.AccessReader`, which says what is raised."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def grants(self, key_arn: str) -> tuple[GrantFact, ...]:
        """Every grant on the key, by id."""
        found = self._session.pages("kms", "ListGrants", "Grants", KeyId=key_arn)
        return tuple(sorted((_grant(each, key_arn) for each in found), key=lambda grant: grant.id))

    def iam(self) -> AccountIam:
        """Every user and role, by ARN, with all that gives and limits their rights."""
        users: list[Mapping[str, Any]] = []
        roles: list[Mapping[str, Any]] = []
        groups: dict[str, Mapping[str, Any]] = {}
        managed: dict[str, Mapping[str, Any] | None] = {}
        client = self._session.client("iam")
        with self._session.translating("iam", "GetAccountAuthorizationDetails"):
            told = client.get_paginator("get_account_authorization_details")
            for page in told.paginate(PaginationConfig={"PageSize": _LONGEST_PAGE}):
                users += page.get("UserDetailList") or ()
                roles += page.get("RoleDetailList") or ()
                groups |= {each["GroupName"]: each for each in page.get("GroupDetailList") or ()}
                managed |= {each["Arn"]: _default_version(each) for each in page.get("Policies") or ()}
        holders = (*users, *roles, *groups.values())
        named = {one["PolicyArn"] for each in holders for one in each.get("AttachedManagedPolicies") or ()}
        named |= {arn for each in holders if (arn := _boundary_arn(each))}
        # What only limits others may be in no list of what is attached.
        missing = sorted(arn for arn in named if managed.get(arn) is None)
        managed |= dict(
            zip(missing, self._session.together(*(lambda arn=arn: self._document(arn) for arn in missing)), strict=True)
        )
        found = [_principal(each, groups, managed) for each in (*users, *roles)]
        return AccountIam(principals=tuple(sorted(found, key=lambda one: one.arn)))

    def _document(self, policy_arn: str) -> Mapping[str, Any] | None:
        try:
            return iam.Iam(self._session).policy_document(policy_arn)
        except (PermissionDenied, ResourceError, Unsupported):
            return None

    def access_keys(self, user: str, *, now: datetime) -> tuple[AccessKeyAge, ...]:
        """The user's access keys and their age, the oldest first."""
        return tuple(
            AccessKeyAge(id=key.id, active=key.active, age_days=(now - key.made).days, last_used=key.last_used)
            for key in iam.Iam(self._session).list_access_keys(user)
        )

    def last_use(self, key_arn: str) -> KeyUse:
        """When the key was last used. https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html"""
        answer = self._session.call("kms", "GetKeyLastUsage", KeyId=key_arn)
        used = answer.get("KeyLastUsage") or {}
        return KeyUse(
            at=_utc(used.get("Timestamp")),
            operation=used.get("Operation"),
            tracked_since=_utc(answer.get("TrackingStartDate")),
        )

    def events(self, key_arn: str, *, since: datetime) -> tuple[History, tuple[KeyEvents, ...]]:
        """The calls on the key, by principal; read from the newest on, MOST_PAGES at the most.

        https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
        """
        found: dict[str, KeyEvents] = {}
        read, oldest, has_more = 0, since, False
        for page, has_more in self._history(key_arn, since):  # noqa: B007
            for event in page:
                read, oldest = read + 1, _utc(event["EventTime"]) or oldest
                _count(found, event)
        history = History(since=oldest if has_more else since, events=read, is_cut_off=has_more)
        return history, tuple(found[name] for name in sorted(found))

    def _history(self, key_arn: str, since: datetime) -> Iterator[tuple[list[Mapping[str, Any]], bool]]:
        """The pages that are read, and of each whether there is another."""
        client = self._session.client("cloudtrail")
        asked = {"AttributeKey": "ResourceName", "AttributeValue": key_arn}
        given: dict[str, Any] = {"LookupAttributes": [asked], "StartTime": since, "MaxResults": 50}
        for number in range(MOST_PAGES):
            if number:
                self._session.clock.sleep(PACE_SECONDS)
            with self._session.translating("cloudtrail", "LookupEvents"):
                answer = client.lookup_events(**given)
            yield list(answer.get("Events") or ()), bool(answer.get("NextToken"))
            if not answer.get("NextToken"):
                return
            given["NextToken"] = answer["NextToken"]


# --- grants -------------------------------------------------------------------------------------------------------


def _grant(told: Mapping[str, Any], key_arn: str) -> GrantFact:
    constraints = told.get("Constraints") or {}
    pairs = [
        f"{kind} {name}={value}"
        for kind in ("EncryptionContextEquals", "EncryptionContextSubset")
        for name, value in sorted((constraints.get(kind) or {}).items())
    ]
    source = [f"SourceArn {constraints['SourceArn']}"] if constraints.get("SourceArn") else []
    return GrantFact(
        id=str(told["GrantId"]),
        grantee=str(told.get("GranteePrincipal") or told.get("GranteeServicePrincipal") or "not told"),
        operations=tuple(sorted(told.get("Operations") or ())),
        made=_utc(told.get("CreationDate")),
        retiring=told.get("RetiringPrincipal") or told.get("RetiringServicePrincipal") or None,
        name=str(told.get("Name") or ""),
        key_arn=key_arn,
        constraints=(*pairs, *source),
    )


# --- IAM ----------------------------------------------------------------------------------------------------------


def _principal(
    told: Mapping[str, Any],
    groups: Mapping[str, Mapping[str, Any]],
    managed: Mapping[str, Mapping[str, Any] | None],
) -> IamPrincipal:
    holders = [told, *(groups[name] for name in told.get("GroupList") or () if name in groups)]
    lost = [name for name in told.get("GroupList") or () if name not in groups]
    boundary = _boundary_arn(told)
    return IamPrincipal(
        arn=str(told["Arn"]),
        policies=(
            *(policy for holder in holders for policy in _policies(holder, managed)),
            *(IamPolicy(name=f"policies of the group {name}", document=None) for name in lost),
        ),
        boundary=IamPolicy(name=boundary, document=managed.get(boundary)) if boundary else None,
        trust=_parsed(told["AssumeRolePolicyDocument"]) if "AssumeRolePolicyDocument" in told else None,
        tags={tag["Key"]: tag.get("Value", "") for tag in told.get("Tags") or ()},
    )


def _policies(holder: Mapping[str, Any], managed: Mapping[str, Mapping[str, Any] | None]) -> Iterator[IamPolicy]:
    for kind in ("UserPolicyList", "RolePolicyList", "GroupPolicyList"):
        for inline in holder.get(kind) or ():
            yield IamPolicy(
                name=f"{inline['PolicyName']} of {holder['Arn']}", document=_parsed(inline.get("PolicyDocument"))
            )
    for attached in holder.get("AttachedManagedPolicies") or ():
        yield IamPolicy(name=str(attached["PolicyArn"]), document=managed.get(attached["PolicyArn"]))


def _boundary_arn(told: Mapping[str, Any]) -> str | None:
    return (told.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn") or None


def _default_version(policy: Mapping[str, Any]) -> Mapping[str, Any] | None:
    versions = policy.get("PolicyVersionList") or ()
    return next((_parsed(one.get("Document")) for one in versions if one.get("IsDefaultVersion")), None)


def _parsed(document: Any) -> Mapping[str, Any] | None:
    """IAM sends documents as JSON, percent-encoded; botocore takes that off where it knows the field."""
    if isinstance(document, str):
        try:
            document = json.loads(unquote(document))
        except ValueError:
            return None
    return document if isinstance(document, dict) else None


# --- the event history --------------------------------------------------------------------------------------------


def _count(found: dict[str, KeyEvents], event: Mapping[str, Any]) -> None:
    try:
        told = json.loads(event.get("CloudTrailEvent") or "{}")
    except ValueError:
        told = {}
    name = principal_of(told.get("userIdentity") or {})
    before = found.get(name, KeyEvents(principal=name))
    at = _utc(event.get("EventTime"))
    if told.get("errorCode") in _REFUSED:
        found[name] = replace(before, refused=before.refused + 1)
    elif not told.get("errorCode") and event.get("EventName") in USES:
        found[name] = replace(
            before, uses=before.uses + 1, last_use=max(filter(None, (before.last_use, at)), default=None)
        )


def principal_of(identity: Mapping[str, Any]) -> str:
    """Whom an event is of: a session's role, whose path only its issuer tells; else a user, an account or a service.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
    """
    issuer = ((identity.get("sessionContext") or {}).get("sessionIssuer") or {}).get("arn")
    arn = str(issuer or identity.get("arn") or "")
    if ":assumed-role/" in arn:
        head, _, rest = arn.partition(":assumed-role/")
        return f"{head.replace(':sts:', ':iam:')}:role/{rest.partition('/')[0]}"
    if arn:
        return arn
    return str(identity.get("invokedBy") or identity.get("accountId") or identity.get("principalId") or "not told")


def _utc(moment: Any) -> datetime | None:
    if not isinstance(moment, datetime):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
