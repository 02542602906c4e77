"""Reads the access to a key and its uses: grants, all policies of IAM, last use, the event history.

Reads KMS, IAM and CloudTrail; changes nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, ValidationError

from components.policies.evaluation.account import AccountIam, GrantFact, IamPolicy, IamPrincipal
from components.policies.evaluation.principals import role_of_session
from components.settings.arn import Arn
from wizard.aws import iam
from wizard.aws.auth.session import Session
from wizard.aws.auth.session_client import SessionClient, utc
from wizard.core import safe_text
from wizard.core.errors import Unsupported
from wizard.core.models.access import AccessKeyAge, History, KeyEvents, KeyUse, SignIn
from wizard.core.models.verification import VERIFICATION_NAME
from wizard.core.next_command import shell

MAX_PAGES = 60
"""Pages of the event history that are read for one key, 50 events each."""

PACE_SECONDS = 0.5
"""Pause between pages: CloudTrail allows two LookupEvents calls a second in each Region of an account
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

_PAGE_SIZE = 1000
"""Users, groups, roles and policies of an account that IAM returns in one page
(https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html)."""

_NO_LOGIN = ("NoSuchEntity", "NoSuchEntityException")

_REFUSED = ("AccessDenied", "AccessDeniedException")


class AccessReader(SessionClient):
    """Reads the access to the key and its uses, in one Region; IAM is global."""

    def grants(self, key_arn: str) -> tuple[GrantFact, ...]:
        """Every grant on the key, all pages."""
        grants = self._session.pages("kms", "ListGrants", "Grants", KeyId=key_arn)
        return tuple(sorted((_grant(grant, key_arn) for grant in grants), key=lambda grant: grant.id))

    def iam(self) -> AccountIam:
        """Every user and role, by ARN, with the policies that give and limit their permissions.

        A policy whose document cannot be read is listed without it.
        """
        users: list[Mapping[str, Any]] = []
        roles: list[Mapping[str, Any]] = []
        groups: dict[str, Mapping[str, Any]] = {}
        managed: dict[str, Mapping[str, Any] | None] = {}
        for page in self._session.whole_pages(
            "iam", "GetAccountAuthorizationDetails", PaginationConfig={"PageSize": _PAGE_SIZE}
        ):
            users += page["UserDetailList"]
            roles += page["RoleDetailList"]
            groups |= {group["GroupName"]: group for group in page["GroupDetailList"]}
            managed |= {policy["Arn"]: _default_version(policy) for policy in page["Policies"]}
        holders = (*users, *roles, *groups.values())
        attached = {policy["PolicyArn"] for holder in holders for policy in holder.get("AttachedManagedPolicies") or ()}
        attached |= {arn for holder in holders if (arn := _boundary_arn(holder))}
        # A policy that is only used as a boundary may be missing in IAM's list of policies.
        missing = sorted(arn for arn in attached if managed.get(arn) is None)
        managed |= dict(
            zip(
                missing,
                self._session.together(*(lambda arn=arn: iam.document_or_none(self._session, arn) for arn in missing)),
                strict=True,
            )
        )
        principals = [_principal(details, groups, managed) for details in (*users, *roles)]
        return AccountIam(principals=tuple(sorted(principals, key=lambda principal: principal.arn)))

    def assigned_people(self, role: str) -> tuple[str, ...]:
        """The assignments of a role in AWS account access: users and groups of IAM Identity Center, by their ids.

        Raises `Unsupported` too where this account and Region see no application of AWS account access.
        https://docs.aws.amazon.com/account-access/latest/APIReference/API_ListEntitlements.html
        """
        applications = list(self._session.pages("account-access", "ListApplications", "applications"))
        if not applications:
            what = f"{self._session.region} of this account shows no application of AWS account access"
            raise Unsupported(what, shell("aws", "account-access", "list-applications", "--region", "REGION"))
        entitlements = (
            entitlement["entitlement"]["principalRole"]
            for application in applications
            for entitlement in self._session.pages(
                "account-access",
                "ListEntitlements",
                "entitlements",
                applicationArn=application["applicationArn"],
                filter={"principalRole": {"roleArn": role}},
            )
        )
        people = {_person(each) for each in entitlements if each.get("roleArn") == role}
        return tuple(sorted(people))

    def access_keys(self, user: str, *, now: datetime) -> tuple[AccessKeyAge, ...]:
        """The access keys of the user of that name, the oldest first."""
        return tuple(
            AccessKeyAge(id=key.id, active=key.active, age_days=(now - key.made).days, last_used=key.last_used)
            for key in iam.Iam(self._session).list_access_keys(user)
        )

    def sign_in(self, arn: str, *, now: datetime) -> SignIn:
        """MFA, password and access keys of a user, or of the account's root user.

        Read as they are now; IAM's credential report may be four hours old.
        https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
        """
        if arn.endswith(":root"):
            summary = self._session.call("iam", "GetAccountSummary")["SummaryMap"]
            return SignIn(
                arn=arn,
                mfa=bool(summary.get("AccountMFAEnabled")),
                # Without the entry it is not known that an organization removed the password.
                has_password=bool(summary.get("AccountPasswordPresent", 1)),
                has_root_keys=bool(summary.get("AccountAccessKeysPresent")),
            )
        user = Arn.parse(arn).name
        devices, login, keys = self._session.together(
            lambda: list(self._session.pages("iam", "ListMFADevices", "MFADevices", UserName=user)),
            lambda: self._session.find("iam", "GetLoginProfile", absent=_NO_LOGIN, UserName=user),
            lambda: self.access_keys(user, now=now),
        )
        made = utc((login or {}).get("LoginProfile", {}).get("CreateDate"))
        return SignIn(
            arn=arn,
            mfa=bool(devices),
            has_password=login is not None,
            password_age_days=(now - made).days if made else None,
            access_keys=keys,
        )

    def last_use(self, key_arn: str) -> KeyUse:
        """When the key was last used. https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html"""
        answer = self._session.call("kms", "GetKeyLastUsage", KeyId=key_arn)
        used = answer.get("KeyLastUsage") or {}
        return KeyUse(
            at=utc(used.get("Timestamp")),
            operation=used.get("Operation"),
            tracked_since=utc(answer.get("TrackingStartDate")),
        )

    def events(self, key_arn: str, *, since: datetime) -> tuple[History, tuple[KeyEvents, ...]]:
        """The calls on the key, by principal; of the newest MAX_PAGES pages.

        https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
        """
        by_principal: dict[str, KeyEvents] = {}
        read, oldest, has_more = 0, since, False
        for page, has_more in history_pages(self._session, key_arn, StartTime=since):  # noqa: B007
            for event in page:
                read, oldest = read + 1, utc(event["EventTime"]) or oldest
                _count(by_principal, event)
        history = History(since=oldest if has_more else since, events=read, is_cut_off=has_more)
        return history, tuple(by_principal[name] for name in sorted(by_principal))


def history_pages(session: Session, key_arn: str, **period: datetime) -> Iterator[tuple[list[Mapping[str, Any]], bool]]:
    """The newest pages of the calls on a key, each with whether another one follows."""
    by_key = {"AttributeKey": "ResourceName", "AttributeValue": key_arn}
    query: dict[str, Any] = {"LookupAttributes": [by_key], **period}
    for number, page in enumerate(session.whole_pages("cloudtrail", "LookupEvents", **query), start=1):
        has_more = bool(page.get("NextToken"))
        yield page["Events"], has_more
        if number == MAX_PAGES:
            return
        if has_more:
            session.clock.sleep(PACE_SECONDS)


# --- grants -------------------------------------------------------------------------------------------------------


def _grant(grant: Mapping[str, Any], key_arn: str) -> GrantFact:
    constraints = grant.get("Constraints") or {}
    pairs = [
        f"{kind} {name}={value}"
        for kind in ("EncryptionContextEquals", "EncryptionContextSubset")
        for name, value in sorted((constraints.get(kind) or {}).items())
    ]
    source = [f"SourceArn {constraints['SourceArn']}"] if constraints.get("SourceArn") else []
    return GrantFact(
        id=str(grant["GrantId"]),
        grantee=str(grant.get("GranteePrincipal") or grant.get("GranteeServicePrincipal") or "unknown"),
        operations=tuple(sorted(grant.get("Operations") or ())),
        made=utc(grant.get("CreationDate")),
        retiring=grant.get("RetiringPrincipal") or grant.get("RetiringServicePrincipal") or None,
        name=str(grant.get("Name") or ""),
        key_arn=key_arn,
        constraints=(*pairs, *source),
    )


# --- IAM ----------------------------------------------------------------------------------------------------------


def _principal(
    details: Mapping[str, Any],
    groups: Mapping[str, Mapping[str, Any]],
    managed: Mapping[str, Mapping[str, Any] | None],
) -> IamPrincipal:
    holders = [details, *(groups[name] for name in details.get("GroupList") or () if name in groups)]
    unlisted = [name for name in details.get("GroupList") or () if name not in groups]
    boundary = _boundary_arn(details)
    return IamPrincipal(
        arn=str(details["Arn"]),
        policies=(
            *(policy for holder in holders for policy in _policies(holder, managed)),
            *(IamPolicy(name=f"policies of the group {name}", document=None) for name in unlisted),
        ),
        boundary=IamPolicy(name=boundary, document=managed.get(boundary)) if boundary else None,
        trust=_parsed(details["AssumeRolePolicyDocument"]) if "AssumeRolePolicyDocument" in details else None,
        tags={tag["Key"]: tag.get("Value", "") for tag in details.get("Tags") or ()},
    )


def _policies(holder: Mapping[str, Any], managed: Mapping[str, Mapping[str, Any] | None]) -> Iterator[IamPolicy]:
    for kind in ("UserPolicyList", "RolePolicyList", "GroupPolicyList"):
        for inline in holder.get(kind) or ():
            yield IamPolicy(
                name=f"{inline['PolicyName']} of {holder['Arn']}", document=_parsed(inline.get("PolicyDocument"))
            )
    for attached in holder.get("AttachedManagedPolicies") or ():
        yield IamPolicy(name=str(attached["PolicyArn"]), document=managed.get(attached["PolicyArn"]))


def _boundary_arn(details: Mapping[str, Any]) -> str | None:
    return (details.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn") or None


def _person(entitlement: Mapping[str, Any]) -> str:
    """`IAM Identity Center user <id>` or `… group <id>`."""
    principal = (entitlement.get("principal") or {}).get("identityCenter") or {}
    kind = "group" if "groupId" in principal else "user"
    return f"IAM Identity Center {kind} {principal.get(f'{kind}Id', 'without an id')}"


def _default_version(policy: Mapping[str, Any]) -> Mapping[str, Any] | None:
    versions = policy.get("PolicyVersionList") or ()
    return next((_parsed(version.get("Document")) for version in versions if version.get("IsDefaultVersion")), None)


def _parsed(document: Any) -> Mapping[str, Any] | None:
    """IAM sends documents as percent-encoded JSON; botocore decodes it in the fields that it knows."""
    if isinstance(document, str):
        return safe_text.json_object(unquote(document))
    return document if isinstance(document, dict) else None


# --- the event history --------------------------------------------------------------------------------------------


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Issuer(_Read):
    arn: str | None = None


class _SessionContext(_Read):
    sessionIssuer: _Issuer | None = None


class UserIdentity(_Read):
    """The caller of an event.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
    """

    arn: str | None = None
    invokedBy: str | None = None
    accountId: str | None = None
    principalId: str | None = None
    sessionContext: _SessionContext | None = None

    @property
    def principal(self) -> str:
        """The caller: for a session its role, with the issuer's path; else a user, an account or a service."""
        issuer = self.sessionContext.sessionIssuer if self.sessionContext else None
        arn = (issuer.arn if issuer else None) or self.arn
        if arn:
            return "/".join(role_of_session(arn) or (arn,))
        return self.invokedBy or self.accountId or self.principalId or "unknown"


class _Resource(_Read):
    ARN: str | None = None


class EventRecord(_Read):
    """The text of an event of CloudTrail, with the fields that are read.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
    """

    eventTime: datetime | None = None
    eventSource: str | None = None
    eventName: str | None = None
    errorCode: str | None = None
    errorMessage: str | None = None
    userAgent: str | None = None
    userIdentity: UserIdentity | None = None
    resources: tuple[_Resource, ...] | None = None
    requestParameters: dict[str, Any] | None = None

    @classmethod
    def of(cls, text: str) -> "EventRecord | None":
        """The record; None for a text that is none."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None

    @property
    def principal(self) -> str:
        """The caller, as `UserIdentity.principal` names it."""
        return (self.userIdentity or UserIdentity()).principal

    @property
    def is_verification(self) -> bool:
        """Whether it is a call of this product's verification as the application: by its session or user agent.

        Anybody can choose these names, so such a call is counted separately and never left out of the review.
        """
        arn = (self.userIdentity.arn if self.userIdentity else None) or ""
        return arn.endswith(f"/{VERIFICATION_NAME}") or f"app/{VERIFICATION_NAME}" in (self.userAgent or "")


def _count(by_principal: dict[str, KeyEvents], event: Mapping[str, Any]) -> None:
    record = EventRecord.of(event.get("CloudTrailEvent") or "") or EventRecord()
    name = record.principal
    before = by_principal.get(name, KeyEvents(principal=name))
    at = utc(event.get("EventTime"))
    if record.errorCode in _REFUSED:
        by_principal[name] = replace(before, refused=before.refused + 1)
    elif not record.errorCode and event.get("EventName") in USES:
        by_principal[name] = replace(
            before,
            uses=before.uses + 1,
            verifications=before.verifications + record.is_verification,
            last_use=max(filter(None, (before.last_use, at)), default=None),
        )
