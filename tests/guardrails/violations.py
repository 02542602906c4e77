"""Violations: each a change of valid inputs, and the rules that report it.

Touches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from guardrails.rules import resource_types as types
from tests.guardrails.resources import (
    APP_ROLE,
    APP_STATEMENT,
    ENCRYPTED,
    KEY_ARN,
    LOGS,
    OLD_TLS,
    PLAIN_HTTP,
    ROOT,
    ROOT_ACCESS,
    USE,
    VALID,
    VERCEL,
    WRITE_LOGS,
    allow,
    denial,
    document,
)


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A resource of a type, with changes of its valid inputs; None removes an input."""

    type: str
    change: dict[str, Any]
    rules: frozenset[str]
    within: str = ""
    protected: bool = True

    @property
    def props(self) -> dict[str, Any]:
        """The inputs after the change."""
        changed = VALID.get(self.type, {}) | self.change
        return {name: value for name, value in changed.items() if value is not None}


def violation(rules: str, type_: str, /, *, within: str = "", protected: bool = True, **change: Any) -> Violation:
    return Violation(type=type_, change=change, rules=frozenset(rules.split()), within=within, protected=protected)


def lifecycle(**parts: Any) -> dict[str, Any]:
    return {"rules": [{"id": "short", "status": "Enabled", **parts}]}


def lock(**retention: Any) -> dict[str, Any]:
    return {"rule": {"defaultRetention": retention}}


def tls(*denials: dict[str, Any]) -> dict[str, Any]:
    return {"policy": document(WRITE_LOGS, *denials)}


def guarded(*statements: dict[str, Any]) -> dict[str, Any]:
    """A bucket policy with both denials and these statements."""
    return {"policy": document(*statements, denial(PLAIN_HTTP), denial(OLD_TLS))}


def app_policy(**elements: Any) -> str:
    return document(allow(**({"Action": USE, "Resource": KEY_ARN} | elements)))


def app_key_policy(**elements: Any) -> dict[str, Any]:
    """A key policy; these elements replace those of the application's statement."""
    return {"policy": document(ROOT_ACCESS, APP_STATEMENT | elements)}


def management(**selector: Any) -> dict[str, Any]:
    return {"fieldSelectors": [{"field": "eventCategory", "equals": ["Management"]}, selector]}


def switched_off(setting: str) -> dict[str, Any]:
    return {setting: False}


def without(statement: dict[str, Any], element: str) -> dict[str, Any]:
    return {name: value for name, value in statement.items() if name != element}


WINDOW, LOCKOUT, PERMISSIONS = "phi-key-deletion-window", "phi-key-policy-lockout-check", "application-rights"
PRIVATE, RETENTION, COMPLETE, TLS = "trail-bucket-private", "trail-retention", "trail-complete", "trail-bucket-tls"
NAMED, SUBJECT, LOCKED, PROTECTION = (
    "no-wildcard-principal",
    "trust-policy-subject",
    "trail-object-lock",
    "resource-protection",
)
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
EVERYBODY = allow(Principal="*", Action="s3:GetObject", Resource=f"{LOGS}/*")
BY_ORGANIZATION = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"

VIOLATIONS = (
    violation("phi-key-rotation", types.KEY, enableKeyRotation=False),
    violation("phi-key-rotation", types.KEY, enableKeyRotation=None),
    violation("phi-key-rotation", types.KEY, rotationPeriodInDays=89.0),
    violation("phi-key-rotation", types.KEY, rotationPeriodInDays=2561.0),
    *(violation("phi-key-enabled", type_, isEnabled=False) for type_ in (types.KEY, types.REPLICA_KEY)),
    # Without the settings of the stack its access cannot be checked: test_listed has the rest.
    violation("listed-access", types.KEY, within=types.PHI_KEY),
    *(violation(WINDOW, type_, deletionWindowInDays=29.0) for type_ in (types.KEY, types.REPLICA_KEY)),
    *(violation(WINDOW, type_, deletionWindowInDays=7.0) for type_ in types.KEYS),
    *(violation(LOCKOUT, type_, bypassPolicyLockoutSafetyCheck=True) for type_ in (*types.KEYS, types.KEY_POLICY)),
    # Protection removed.
    *(
        violation(PROTECTION, type_, protected=False)
        for type_ in (
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
    violation(PROTECTION, types.BUCKET, forceDestroy=True),
    # Wildcard principals.
    *(
        violation(
            NAMED, type_, policy=document(ROOT_ACCESS, allow(Principal=who, Action="kms:DescribeKey", Resource="*"))
        )
        for type_ in (types.KEY, types.REPLICA_KEY, types.KEY_POLICY)
        for who in ("*", {"AWS": "*"}, {"AWS": [ROOT, "*"]}, {"AWS": "arn:aws:iam::*:root"}, {"Service": "*"})
    ),
    *(
        violation(
            NAMED, type_, policy=document(allow(Principal={"AWS": "*"}, Action="*", Resource="*") | BY_ORGANIZATION)
        )
        for type_ in (
            types.TOPIC_POLICY,
            types.TOPIC,
            types.QUEUE_POLICY,
            types.SECRET_POLICY,
            types.SECRET,
        )
    ),
    violation(
        NAMED,
        types.KEY,
        policy=document(ROOT_ACCESS, allow(NotPrincipal={"AWS": ROOT}, Action="kms:*", Resource="*")),
    ),
    violation(NAMED, types.ROLE, assumeRolePolicy=document(VERCEL, allow(Principal="*", Action="sts:AssumeRole"))),
    violation(NAMED, types.BUCKET_POLICY, **guarded(EVERYBODY | BY_ORGANIZATION)),
    violation(f"{NAMED} {PRIVATE}", types.BUCKET_POLICY, **guarded(EVERYBODY)),
    violation(f"{NAMED} {PRIVATE}", types.BUCKET, policy=document(EVERYBODY)),
    violation(
        f"{NAMED} {PRIVATE}",
        types.BUCKET_POLICY,
        **guarded(without(EVERYBODY, "Principal") | {"NotPrincipal": ROOT}),
    ),
    # A trust policy that accepts the token of any project.
    violation(
        SUBJECT,
        types.ROLE,
        assumeRolePolicy=document(VERCEL | {"Condition": {"StringEquals": {"x:aud": "y"}}}),
    ),
    violation(
        SUBJECT,
        types.ROLE,
        assumeRolePolicy=document(VERCEL | {"Condition": {"StringEquals": {"x:sub": "y"}}}),
    ),
    violation(SUBJECT, types.ROLE, assumeRolePolicy=document(without(VERCEL, "Condition"))),
    violation(
        SUBJECT,
        types.ROLE,
        assumeRolePolicy=document(
            VERCEL | {"Condition": {"StringEquals": {"x:aud": "y"}, "StringLike": {"x:sub": "owner:eonpro:*"}}}
        ),
    ),
    # The application's permissions: its policies,
    *(
        violation(PERMISSIONS, type_, policy=policy)
        for type_ in (types.POLICY, types.ROLE_POLICY, types.USER_POLICY)
        for policy in (
            app_policy(Action=[*USE, "kms:Encrypt"]),
            app_policy(Action="kms:*"),
            app_policy(Action="kms:GenerateDataKey*"),
            app_policy(Action="s3:GetObject"),
            app_policy(Resource="*"),
            app_policy(Resource=[KEY_ARN, KEY_ARN.partition("/")[0] + "/*"]),
            app_policy(Resource=KEY_ARN.partition(":key/")[0] + ":alias/eonpro-phi-key"),
            document(allow(NotAction="kms:ScheduleKeyDeletion", Resource=KEY_ARN)),
            document(allow(Action=USE, NotResource=KEY_ARN)),
        )
    ),
    violation(
        PERMISSIONS,
        types.POLICY,
        within=types.APP_ACCESS,
        name="renamed",
        policy=app_policy(Action="kms:*"),
    ),
    violation(PERMISSIONS, types.POLICY, name=None, namePrefix="EONPROKMSAccess-", policy=app_policy(Action="kms:*")),
    violation(PERMISSIONS, types.ROLE, inlinePolicies=[{"name": "more", "policy": app_policy(Resource="*")}]),
    # attachments and groups,
    violation(PERMISSIONS, types.ROLE, managedPolicyArns=[ADMIN]),
    violation(PERMISSIONS, types.ROLE_ATTACHMENT, policyArn=ADMIN),
    violation(
        PERMISSIONS,
        types.ROLE_ATTACHMENT,
        policyArn="arn:aws:iam::aws:policy/PowerUserAccess",
        role="eonpro-app-role-staging",
    ),
    violation(PERMISSIONS, types.ROLE_ATTACHMENT, policyArn="arn:aws:iam::aws:policy/EONPROKMSAccess"),
    violation(PERMISSIONS, types.ROLE_ATTACHMENT, policyArn=ADMIN, role="web", within=types.APP_ACCESS),
    violation(PERMISSIONS, types.USER_ATTACHMENT, policyArn="arn:aws:iam::123456789012:policy/Other"),
    violation(PERMISSIONS, types.POLICY_ATTACHMENT, policyArn=ADMIN, users=["eonpro-app-user"], roles=None),
    violation(PERMISSIONS, types.ROLE_ATTACHMENTS, policyArns=[ADMIN]),
    violation(PERMISSIONS, types.USER_ATTACHMENTS, userName="eonpro-app-user", policyArns=[ADMIN]),
    violation(PERMISSIONS, types.USER_GROUPS, user="eonpro-app-user"),
    violation(PERMISSIONS, types.GROUP_USERS, users=["eonpro-app-user"]),
    # the key policy,
    *(
        violation(PERMISSIONS, type_, **app_key_policy(**elements))
        for type_ in (types.KEY, types.REPLICA_KEY, types.KEY_POLICY)
        for elements in (
            {"Action": [*USE, "kms:ScheduleKeyDeletion"]},
            {"Action": "kms:*"},
            {"Sid": "Renamed", "Action": [*USE, "kms:CreateGrant"]},
            {"Principal": {"AWS": "arn:aws:iam::123456789012:role/web"}, "Action": "kms:ReEncrypt*"},
        )
    ),
    violation(
        PERMISSIONS,
        types.KEY,
        policy=document(ROOT_ACCESS, without(APP_STATEMENT, "Action") | {"NotAction": "kms:PutKeyPolicy"}),
    ),
    violation(
        PERMISSIONS,
        types.KEY,
        policy=document(
            ROOT_ACCESS,
            ROOT_ACCESS | {"Sid": "More", "Condition": {"ArnLike": {"aws:PrincipalArn": APP_ROLE}}},
        ),
    ),
    *(
        violation(
            PERMISSIONS, types.KEY, policy=document(ROOT_ACCESS, ROOT_ACCESS | {"Sid": "More", "Condition": condition})
        )
        for condition in (
            {"ArnLike": {"aws:PrincipalArn": APP_ROLE.replace("app-role", "*")}},
            {"StringLike": {"aws:PrincipalArn": "*:role/eonpro-app-????"}},
            {"ArnNotEquals": {"aws:PrincipalArn": APP_ROLE.replace("eonpro-app-role", "admin")}},
            {
                "ArnLike": {"aws:PrincipalArn": APP_ROLE.replace("app-role", "*")},
                "Bool": {"aws:MultiFactorAuthPresent": "true"},
            },
        )
    ),
    # and grants.
    violation(PERMISSIONS, types.GRANT, operations=["Decrypt", "CreateGrant"]),
    # Public buckets.
    *(
        violation(PRIVATE, types.PUBLIC_ACCESS_BLOCK, **switched_off(setting))
        for setting in VALID[types.PUBLIC_ACCESS_BLOCK]
    ),
    violation(PRIVATE, types.PUBLIC_ACCESS_BLOCK, restrictPublicBuckets=None),
    violation(PRIVATE, types.OWNERSHIP, rule={"objectOwnership": "ObjectWriter"}),
    *(
        violation(PRIVATE, types.BUCKET_ACLS[0], acl=acl)
        for acl in ("public-read", "public-read-write", "authenticated-read")
    ),
    violation(
        PRIVATE,
        types.BUCKET_ACLS[0],
        acl=None,
        accessControlPolicy={"grants": [{"grantee": {"uri": ALL_USERS}}]},
    ),
    violation(PRIVATE, types.BUCKET, acl="public-read"),
    violation(PRIVATE, types.BUCKET, grants=[{"type": "Group", "uri": ALL_USERS}]),
    # The denial of plain HTTP, or of old TLS: missing or with further conditions.
    violation(TLS, types.BUCKET_POLICY, **tls(denial(PLAIN_HTTP))),
    violation(TLS, types.BUCKET_POLICY, **tls(denial(OLD_TLS))),
    violation(
        TLS,
        types.BUCKET_POLICY,
        **tls(denial(PLAIN_HTTP), denial({"NumericLessThan": {"s3:TlsVersion": "1.1"}})),
    ),
    violation(TLS, types.BUCKET_POLICY, **tls(denial(PLAIN_HTTP | BY_ORGANIZATION["Condition"]), denial(OLD_TLS))),
    violation(TLS, types.BUCKET_POLICY, **tls(denial(PLAIN_HTTP, Action="s3:PutObject"), denial(OLD_TLS))),
    violation(TLS, types.BUCKET_POLICY, **tls(denial(PLAIN_HTTP, Resource=LOGS), denial(OLD_TLS))),
    violation(TLS, types.BUCKET_POLICY, **tls(denial(PLAIN_HTTP, Principal={"AWS": ROOT}), denial(OLD_TLS))),
    # Versioning, encryption, retention and locks.
    violation("trail-bucket-versioned", types.VERSIONING[0], versioningConfiguration={"status": "Suspended"}),
    violation(
        "trail-bucket-encrypted",
        types.ENCRYPTION[0],
        rules=[{"applyServerSideEncryptionByDefault": {"sseAlgorithm": ""}}],
    ),
    violation(
        "trail-bucket-encrypted",
        types.ENCRYPTION[0],
        rules=[{**ENCRYPTED["rules"][0], "blockedEncryptionTypes": ["NONE"]}],
    ),
    violation(RETENTION, types.LIFECYCLES[0], **lifecycle(expiration={"days": 2191.0})),
    violation(RETENTION, types.LIFECYCLES[0], **lifecycle(expiration={"date": "2040-01-01T00:00:00Z"})),
    violation(RETENTION, types.LIFECYCLES[0], **lifecycle(noncurrentVersionExpiration={"noncurrentDays": 30.0})),
    violation(RETENTION, types.LIFECYCLES[1], **lifecycle(expiration={"days": 365.0})),
    violation(RETENTION, types.BUCKET, lifecycleRules=[{"enabled": True, "expiration": {"days": 90.0}}]),
    violation(
        RETENTION,
        types.BUCKET,
        lifecycleRules=[{"enabled": True, "noncurrentVersionExpiration": {"days": 90.0}}],
    ),
    violation(LOCKED, types.OBJECT_LOCKS[0], **lock(mode="GOVERNANCE", days=2191.0)),
    violation(LOCKED, types.OBJECT_LOCKS[0], **lock(mode="GOVERNANCE", years=6.0)),
    violation(LOCKED, types.OBJECT_LOCKS[0], **lock(days=2557.0)),
    violation(LOCKED, types.OBJECT_LOCKS[0], rule=None),
    violation(LOCKED, types.BUCKET, objectLockConfiguration=lock(mode="COMPLIANCE", days=1.0)),
    # The events of the trail.
    violation(COMPLETE, types.TRAIL, isMultiRegionTrail=False),
    violation(COMPLETE, types.TRAIL, isMultiRegionTrail=None),
    violation(COMPLETE, types.TRAIL, enableLogFileValidation=False),
    violation(COMPLETE, types.TRAIL, enableLogFileValidation=None),
    violation(COMPLETE, types.TRAIL, enableLogging=False),
    violation(COMPLETE, types.TRAIL, includeGlobalServiceEvents=False),
    violation(COMPLETE, types.TRAIL, eventSelectors=[{"excludeManagementEventSources": ["kms.amazonaws.com"]}]),
    violation(COMPLETE, types.TRAIL, eventSelectors=[{"includeManagementEvents": False}]),
    violation(COMPLETE, types.TRAIL, eventSelectors=[{"readWriteType": "WriteOnly"}]),
    violation(COMPLETE, types.TRAIL, advancedEventSelectors=[management(field="readOnly", equals=["false"])]),
    violation(
        COMPLETE,
        types.TRAIL,
        advancedEventSelectors=[management(field="eventSource", notEquals=["kms.amazonaws.com"])],
    ),
    violation(
        COMPLETE,
        types.TRAIL,
        advancedEventSelectors=[{"fieldSelectors": [{"field": "eventCategory", "equals": ["Data"]}]}],
    ),
)
