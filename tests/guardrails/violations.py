"""What would break compliance: each a change of a legitimate shape, and the rules that refuse it.

Touches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.guardrails.shapes import (
    APP_MAY,
    APP_ROLE,
    GOOD,
    KEY_ARN,
    LOGS,
    OLD_TLS,
    PLAIN_HTTP,
    ROOT,
    ROOT_MAY,
    USE,
    VERCEL,
    WRITE_LOGS,
    allow,
    denied,
    document,
)

from guardrails.rules import types


@dataclass(frozen=True, kw_only=True)
class Breach:
    """A resource of a type, its legitimate inputs changed; None takes an input away."""

    type: str
    change: dict[str, Any]
    rules: frozenset[str]
    within: str = ""
    protected: bool = True

    @property
    def props(self) -> dict[str, Any]:
        """The inputs after the change."""
        changed = GOOD.get(self.type, {}) | self.change
        return {name: value for name, value in changed.items() if value is not None}


def breach(rules: str, type_: str, /, *, within: str = "", protected: bool = True, **change: Any) -> Breach:
    return Breach(type=type_, change=change, rules=frozenset(rules.split()), within=within, protected=protected)


def lifecycle(**parts: Any) -> dict[str, Any]:
    return {"rules": [{"id": "short", "status": "Enabled", **parts}]}


def lock(**retention: Any) -> dict[str, Any]:
    return {"rule": {"defaultRetention": retention}}


def tls(*denials: dict[str, Any]) -> dict[str, Any]:
    return {"policy": document(WRITE_LOGS, *denials)}


def guarded(*statements: dict[str, Any]) -> dict[str, Any]:
    """A bucket policy with both denials, and with these statements."""
    return {"policy": document(*statements, denied(PLAIN_HTTP), denied(OLD_TLS))}


def rights(**elements: Any) -> str:
    return document(allow(**({"Action": USE, "Resource": KEY_ARN} | elements)))


def key_rights(**elements: Any) -> dict[str, Any]:
    """A key policy whose application's statement has these elements instead."""
    return {"policy": document(ROOT_MAY, APP_MAY | elements)}


def management(**selector: Any) -> dict[str, Any]:
    return {"fieldSelectors": [{"field": "eventCategory", "equals": ["Management"]}, selector]}


def switched_off(setting: str) -> dict[str, Any]:
    return {setting: False}


def without(statement: dict[str, Any], element: str) -> dict[str, Any]:
    return {name: value for name, value in statement.items() if name != element}


WINDOW, LOCKOUT, RIGHTS = "phi-key-deletion-window", "phi-key-policy-lockout-check", "application-rights"
PRIVATE, RETENTION, COMPLETE, TLS = "trail-bucket-private", "trail-retention", "trail-complete", "trail-bucket-tls"
NAMED, SUBJECT, LOCKED, KEPT = (
    "no-wildcard-principal",
    "trust-names-its-subject",
    "trail-object-lock",
    "stays-protected",
)
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
EVERYBODY = allow(Principal="*", Action="s3:GetObject", Resource=f"{LOGS}/*")
BY_ORGANIZATION = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"

BREACHES = (
    breach("phi-key-rotation", types.KEY, enableKeyRotation=False),
    breach("phi-key-rotation", types.KEY, enableKeyRotation=None),
    breach("phi-key-rotation", types.KEY, rotationPeriodInDays=89.0),
    breach("phi-key-rotation", types.KEY, rotationPeriodInDays=2561.0),
    *(breach(WINDOW, one, deletionWindowInDays=29.0) for one in (types.KEY, types.REPLICA_KEY)),
    *(breach(WINDOW, one, deletionWindowInDays=7.0) for one in types.KEYS),
    *(breach(LOCKOUT, one, bypassPolicyLockoutSafetyCheck=True) for one in (*types.KEYS, types.KEY_POLICY)),
    # Protection removed.
    *(
        breach(KEPT, one, protected=False)
        for one in (
            types.KEY,
            types.REPLICA_KEY,
            types.ALIAS,
            types.TRAIL,
            types.BUCKET,
            types.BUCKET_POLICY,
            types.PUBLIC_ACCESS_BLOCK,
            types.OWNERSHIP,
            types.VERSIONING[0],
            types.ENCRYPTION[0],
            types.LIFECYCLES[0],
            types.OBJECT_LOCKS[0],
        )
    ),
    breach(KEPT, types.BUCKET, forceDestroy=True),
    # Wildcard principals.
    *(
        breach(NAMED, one, policy=document(ROOT_MAY, allow(Principal=who, Action="kms:DescribeKey", Resource="*")))
        for one in (types.KEY, types.REPLICA_KEY, types.KEY_POLICY)
        for who in ("*", {"AWS": "*"}, {"AWS": [ROOT, "*"]}, {"AWS": "arn:aws:iam::*:root"}, {"Service": "*"})
    ),
    *(
        breach(NAMED, one, policy=document(allow(Principal={"AWS": "*"}, Action="*", Resource="*") | BY_ORGANIZATION))
        for one in (types.TOPIC_POLICY, types.TOPIC, types.QUEUE_POLICY, types.SECRET_POLICY, types.SECRET)
    ),
    breach(
        NAMED, types.KEY, policy=document(ROOT_MAY, allow(NotPrincipal={"AWS": ROOT}, Action="kms:*", Resource="*"))
    ),
    breach(NAMED, types.ROLE, assumeRolePolicy=document(VERCEL, allow(Principal="*", Action="sts:AssumeRole"))),
    breach(NAMED, types.BUCKET_POLICY, **guarded(EVERYBODY | BY_ORGANIZATION)),
    breach(f"{NAMED} {PRIVATE}", types.BUCKET_POLICY, **guarded(EVERYBODY)),
    breach(f"{NAMED} {PRIVATE}", types.BUCKET, policy=document(EVERYBODY)),
    breach(
        f"{NAMED} {PRIVATE}", types.BUCKET_POLICY, **guarded(without(EVERYBODY, "Principal") | {"NotPrincipal": ROOT})
    ),
    # A trust that any project's token opens.
    breach(SUBJECT, types.ROLE, assumeRolePolicy=document(VERCEL | {"Condition": {"StringEquals": {"x:aud": "y"}}})),
    breach(SUBJECT, types.ROLE, assumeRolePolicy=document(VERCEL | {"Condition": {"StringEquals": {"x:sub": "y"}}})),
    breach(SUBJECT, types.ROLE, assumeRolePolicy=document(without(VERCEL, "Condition"))),
    breach(
        SUBJECT,
        types.ROLE,
        assumeRolePolicy=document(
            VERCEL | {"Condition": {"StringEquals": {"x:aud": "y"}, "StringLike": {"x:sub": "owner:eonpro:*"}}}
        ),
    ),
    # The application's rights widened: its policies,
    *(
        breach(RIGHTS, one, policy=policy)
        for one in (types.POLICY, types.ROLE_POLICY, types.USER_POLICY)
        for policy in (
            rights(Action=[*USE, "kms:Encrypt"]),
            rights(Action="kms:*"),
            rights(Action="kms:GenerateDataKey*"),
            rights(Action="s3:GetObject"),
            rights(Resource="*"),
            rights(Resource=[KEY_ARN, KEY_ARN.partition("/")[0] + "/*"]),
            rights(Resource=KEY_ARN.partition(":key/")[0] + ":alias/eonpro-phi-key"),
            document(allow(NotAction="kms:ScheduleKeyDeletion", Resource=KEY_ARN)),
            document(allow(Action=USE, NotResource=KEY_ARN)),
        )
    ),
    breach(RIGHTS, types.POLICY, within=types.APP_ACCESS, name="renamed", policy=rights(Action="kms:*")),
    breach(RIGHTS, types.POLICY, name=None, namePrefix="EONPROKMSAccess-", policy=rights(Action="kms:*")),
    breach(RIGHTS, types.ROLE, inlinePolicies=[{"name": "more", "policy": rights(Resource="*")}]),
    # what is attached to it,
    breach(RIGHTS, types.ROLE, managedPolicyArns=[ADMIN]),
    breach(RIGHTS, types.ROLE_ATTACHMENT, policyArn=ADMIN),
    breach(
        RIGHTS,
        types.ROLE_ATTACHMENT,
        policyArn="arn:aws:iam::aws:policy/PowerUserAccess",
        role="eonpro-app-role-staging",
    ),
    breach(RIGHTS, types.ROLE_ATTACHMENT, policyArn="arn:aws:iam::aws:policy/EONPROKMSAccess"),
    breach(RIGHTS, types.ROLE_ATTACHMENT, policyArn=ADMIN, role="web", within=types.APP_ACCESS),
    breach(RIGHTS, types.USER_ATTACHMENT, policyArn="arn:aws:iam::123456789012:policy/Other"),
    breach(RIGHTS, types.POLICY_ATTACHMENT, policyArn=ADMIN, users=["eonpro-app-user"], roles=None),
    breach(RIGHTS, types.ROLE_ATTACHMENTS, policyArns=[ADMIN]),
    breach(RIGHTS, types.USER_ATTACHMENTS, userName="eonpro-app-user", policyArns=[ADMIN]),
    breach(RIGHTS, types.USER_GROUPS, user="eonpro-app-user"),
    breach(RIGHTS, types.GROUP_USERS, users=["eonpro-app-user"]),
    # what the key says,
    *(
        breach(RIGHTS, one, **key_rights(**elements))
        for one in (types.KEY, types.REPLICA_KEY, types.KEY_POLICY)
        for elements in (
            {"Action": [*USE, "kms:ScheduleKeyDeletion"]},
            {"Action": "kms:*"},
            {"Sid": "Renamed", "Action": [*USE, "kms:CreateGrant"]},
            {"Principal": {"AWS": "arn:aws:iam::123456789012:role/web"}, "Action": "kms:ReEncrypt*"},
        )
    ),
    breach(
        RIGHTS, types.KEY, policy=document(ROOT_MAY, without(APP_MAY, "Action") | {"NotAction": "kms:PutKeyPolicy"})
    ),
    breach(
        RIGHTS,
        types.KEY,
        policy=document(
            ROOT_MAY,
            ROOT_MAY | {"Sid": "More", "Condition": {"ArnLike": {"aws:PrincipalArn": APP_ROLE}}},
        ),
    ),
    # and a grant.
    breach(RIGHTS, types.GRANT, operations=["Decrypt", "CreateGrant"]),
    # Public buckets.
    *(breach(PRIVATE, types.PUBLIC_ACCESS_BLOCK, **switched_off(way)) for way in GOOD[types.PUBLIC_ACCESS_BLOCK]),
    breach(PRIVATE, types.PUBLIC_ACCESS_BLOCK, restrictPublicBuckets=None),
    breach(PRIVATE, types.OWNERSHIP, rule={"objectOwnership": "ObjectWriter"}),
    *(
        breach(PRIVATE, types.BUCKET_ACLS[0], acl=acl)
        for acl in ("public-read", "public-read-write", "authenticated-read")
    ),
    breach(PRIVATE, types.BUCKET_ACLS[0], acl=None, accessControlPolicy={"grants": [{"grantee": {"uri": ALL_USERS}}]}),
    breach(PRIVATE, types.BUCKET, acl="public-read"),
    breach(PRIVATE, types.BUCKET, grants=[{"type": "Group", "uri": ALL_USERS}]),
    # The denial of plain HTTP, or of old TLS, gone or narrowed.
    breach(TLS, types.BUCKET_POLICY, **tls(denied(PLAIN_HTTP))),
    breach(TLS, types.BUCKET_POLICY, **tls(denied(OLD_TLS))),
    breach(TLS, types.BUCKET_POLICY, **tls(denied(PLAIN_HTTP), denied({"NumericLessThan": {"s3:TlsVersion": "1.1"}}))),
    breach(TLS, types.BUCKET_POLICY, **tls(denied(PLAIN_HTTP | BY_ORGANIZATION["Condition"]), denied(OLD_TLS))),
    breach(TLS, types.BUCKET_POLICY, **tls(denied(PLAIN_HTTP, Action="s3:PutObject"), denied(OLD_TLS))),
    breach(TLS, types.BUCKET_POLICY, **tls(denied(PLAIN_HTTP, Resource=LOGS), denied(OLD_TLS))),
    breach(TLS, types.BUCKET_POLICY, **tls(denied(PLAIN_HTTP, Principal={"AWS": ROOT}), denied(OLD_TLS))),
    # What keeps the records.
    breach("trail-bucket-versioned", types.VERSIONING[0], versioningConfiguration={"status": "Suspended"}),
    breach(
        "trail-bucket-encrypted",
        types.ENCRYPTION[0],
        rules=[{"applyServerSideEncryptionByDefault": {"sseAlgorithm": ""}}],
    ),
    breach(RETENTION, types.LIFECYCLES[0], **lifecycle(expiration={"days": 2191.0})),
    breach(RETENTION, types.LIFECYCLES[0], **lifecycle(expiration={"date": "2040-01-01T00:00:00Z"})),
    breach(RETENTION, types.LIFECYCLES[0], **lifecycle(noncurrentVersionExpiration={"noncurrentDays": 30.0})),
    breach(RETENTION, types.LIFECYCLES[1], **lifecycle(expiration={"days": 365.0})),
    breach(RETENTION, types.BUCKET, lifecycleRules=[{"enabled": True, "expiration": {"days": 90.0}}]),
    breach(RETENTION, types.BUCKET, lifecycleRules=[{"enabled": True, "noncurrentVersionExpiration": {"days": 90.0}}]),
    breach(LOCKED, types.OBJECT_LOCKS[0], **lock(mode="GOVERNANCE", days=2191.0)),
    breach(LOCKED, types.OBJECT_LOCKS[0], **lock(mode="GOVERNANCE", years=6.0)),
    breach(LOCKED, types.OBJECT_LOCKS[0], **lock(days=2557.0)),
    breach(LOCKED, types.OBJECT_LOCKS[0], rule=None),
    breach(LOCKED, types.BUCKET, objectLockConfiguration=lock(mode="COMPLIANCE", days=1.0)),
    # What the trail records.
    breach(COMPLETE, types.TRAIL, isMultiRegionTrail=False),
    breach(COMPLETE, types.TRAIL, isMultiRegionTrail=None),
    breach(COMPLETE, types.TRAIL, enableLogFileValidation=False),
    breach(COMPLETE, types.TRAIL, enableLogFileValidation=None),
    breach(COMPLETE, types.TRAIL, enableLogging=False),
    breach(COMPLETE, types.TRAIL, includeGlobalServiceEvents=False),
    breach(COMPLETE, types.TRAIL, eventSelectors=[{"excludeManagementEventSources": ["kms.amazonaws.com"]}]),
    breach(COMPLETE, types.TRAIL, eventSelectors=[{"includeManagementEvents": False}]),
    breach(COMPLETE, types.TRAIL, eventSelectors=[{"readWriteType": "WriteOnly"}]),
    breach(COMPLETE, types.TRAIL, advancedEventSelectors=[management(field="readOnly", equals=["false"])]),
    breach(
        COMPLETE, types.TRAIL, advancedEventSelectors=[management(field="eventSource", notEquals=["kms.amazonaws.com"])]
    ),
    breach(
        COMPLETE,
        types.TRAIL,
        advancedEventSelectors=[{"fieldSelectors": [{"field": "eventCategory", "equals": ["Data"]}]}],
    ),
)
