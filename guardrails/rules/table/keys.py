"""The rows of the keys, their aliases and the PHI key's replicas: who may do what with each.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.policies.statements import Principal
from components.settings import ImportGroup, Settings

from ..row import By, Denied, Document, May, OneOf, Row, unless_set
from ..types import ALIAS, KEY, REPLICA_KEY
from .places import trail_arn

PHI_KEY = (KEY, "phi-key")
AUDIT_KEY = (KEY, "audit-trail-key")
DOCUMENTS_KEY = (KEY, "documents-key")

ADMINISTRATION = (
    *("kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", "kms:EnableKey", "kms:DisableKey", "kms:DescribeKey"),
    *("kms:EnableKeyRotation", "kms:DisableKeyRotation", "kms:RotateKeyOnDemand", "kms:UpdateKeyDescription"),
    *("kms:GetKey*", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations", "kms:ListResourceTags"),
    *("kms:PutKeyPolicy", "kms:RevokeGrant", "kms:TagResource", "kms:UntagResource", "kms:CancelKeyDeletion"),
    *("kms:GenerateDataKeyWithoutPlaintext", "kms:ReplicateKey", "kms:UpdatePrimaryRegion"),
)
"""Everything but the use of the key, a grant of its use, and its deletion."""

USE = ("kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey")

EVERY_USE = (
    *("kms:Decrypt", "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:CreateGrant", "kms:GenerateDataKey"),
    *("kms:GenerateDataKeyPair", "kms:GenerateDataKeyPairWithoutPlaintext"),
)

RULES = {
    "enableKeyRotation": "phi-key-rotation",
    "rotationPeriodInDays": "phi-key-rotation",
    "isEnabled": "phi-key-enabled",
    "enabled": "phi-key-enabled",
    "deletionWindowInDays": "phi-key-deletion-window",
    "bypassPolicyLockoutSafetyCheck": "phi-key-policy-lockout-check",
}

_KEY: Mapping[str, Any] = {
    "enableKeyRotation": True,
    "isEnabled": unless_set(True),
    "deletionWindowInDays": 30,
    "bypassPolicyLockoutSafetyCheck": unless_set(False),
    "customerMasterKeySpec": unless_set("SYMMETRIC_DEFAULT"),
    "keyUsage": unless_set("ENCRYPT_DECRYPT"),
}


def rows(settings: Settings) -> Iterator[Row]:
    """The PHI key; its alias and, for each replica, another one; the keys of the audit logs and of the documents."""
    period = By(setting="rotationPeriodDays", value=settings.rotation_period_days)
    multi_region = By(setting="multiRegion", value=True if settings.multi_region else OneOf(values=(None, False)))
    left = {"policy", "description", "tags", "enableKeyRotation", "rotationPeriodInDays"}
    yield Row(
        type=KEY,
        name="phi-key",
        must={**_KEY, "rotationPeriodInDays": period, "multiRegion": multi_region},
        documents={"policy": phi_key_policy(settings)},
        tags=settings.tags,
        region=settings.region,
        protected=True,
        kept=frozenset(left if ImportGroup.KEY in settings.kept_as_found else ()),
        rules=RULES,
    )
    yield _alias("phi-key", settings.names.alias, settings.region, PHI_KEY)
    for region in settings.replica_regions:
        yield Row(
            type=REPLICA_KEY,
            name=f"phi-key-{region}",
            must={
                "deletionWindowInDays": 30,
                "enabled": unless_set(True),
                "bypassPolicyLockoutSafetyCheck": unless_set(False),
            },
            documents={"policy": phi_key_policy(settings)},
            keys={"primaryKeyArn": (PHI_KEY,)},
            tags=settings.tags,
            region=region,
            protected=True,
            rules=RULES,
        )
        yield _alias(f"phi-key-{region}", settings.names.alias, region, (REPLICA_KEY, f"phi-key-{region}"))
    if settings.makes_trail and settings.trail_key:
        yield Row(
            type=KEY,
            name="audit-trail-key",
            must={**_KEY, "rotationPeriodInDays": 365},
            documents={"policy": audit_key_policy(settings)},
            tags=settings.tags,
            region=settings.region,
            protected=True,
            rules=RULES,
        )
        yield _alias("audit-trail-key", settings.names.trail_key_alias, settings.region, AUDIT_KEY)
    if settings.documents_key:
        yield Row(
            type=KEY,
            name="documents-key",
            must={**_KEY, "rotationPeriodInDays": 365},
            documents={"policy": documents_key_policy(settings)},
            tags={**settings.tags, "Purpose": "Documents"},
            region=settings.region,
            protected=True,
            rules=RULES,
        )
        yield _alias("documents-key", settings.names.documents_key_alias, settings.region, DOCUMENTS_KEY)


def _alias(name: str, alias: str, region: str, key: tuple[str, str]) -> Row:
    return Row(type=ALIAS, name=name, must={"name": alias}, keys={"targetKeyId": (key,)}, region=region, protected=True)


def phi_keys(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The PHI key and its replicas, by type and name."""
    return (PHI_KEY, *((REPLICA_KEY, f"phi-key-{region}") for region in settings.replica_regions))


def phi_key_policy(settings: Settings) -> Document:
    """The application uses the key, administrators manage it; nobody else does either."""
    application = settings.app_principal_arns
    may, denied = _administration(settings, through_iam=not settings.strict_key_policy)
    may += (May(who=_named(application), actions=USE, on=("*",)),)
    if settings.exclusive_use:
        what = "the use of the key"
        denied += (Denied(actions=EVERY_USE, but=application, what=what, setting="exclusiveUse"),)
    return Document(may=may, denied=denied)


def audit_key_policy(settings: Settings) -> Document:
    """CloudTrail, CloudWatch Logs and the alerts use the key for this account; auditors decrypt through IAM."""
    trail = trail_arn(settings)
    from_trail = {"aws:SourceArn": (trail,)}
    may, denied = _administration(settings, through_iam=True)
    cloudtrail = _service("cloudtrail.amazonaws.com")
    may += (
        May(
            who=cloudtrail,
            actions=("kms:GenerateDataKey*",),
            on=("*",),
            when={"StringEquals": {**from_trail, "kms:EncryptionContext:aws:cloudtrail:arn": (trail,)}},
        ),
        May(who=cloudtrail, actions=("kms:DescribeKey",), on=("*",), when={"StringEquals": from_trail}),
    )
    if settings.cloudwatch_logs:
        group = settings.arn("logs", f"log-group:{settings.names.log_group}")
        may += (
            May(
                who=_service(f"logs.{settings.region}.amazonaws.com"),
                actions=("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"),
                on=("*",),
                when={"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": (group,)}},
            ),
        )
    if settings.alerts:
        topics = settings.arn("sns", "*", region="*")
        may += (
            May(
                who=_service("events.amazonaws.com", "cloudwatch.amazonaws.com"),
                actions=("kms:GenerateDataKey*", "kms:Decrypt"),
                on=("*",),
                when={"ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": (topics,)}},
            ),
        )
    return Document(may=may, denied=denied)


def documents_key_policy(settings: Settings) -> Document:
    """The application uses the key through S3, for the objects of its own buckets."""
    may, denied = _administration(settings, through_iam=True)
    buckets = [settings.arn("s3", bucket) for bucket in settings.document_buckets]
    suffix = ".cn" if settings.partition == "aws-cn" else ""
    through_s3: Mapping[str, Mapping[str, tuple[str, ...]]] = {
        "StringEquals": {
            "kms:ViaService": (f"s3.{settings.region}.amazonaws.com{suffix}",),
            "kms:CallerAccount": (settings.account_id,),
        },
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": (*buckets, *(f"{bucket}/*" for bucket in buckets))},
    }
    use = May(
        who=_named(settings.app_principal_arns),
        actions=("kms:Decrypt", "kms:GenerateDataKey"),
        on=("*",),
        when=through_s3,
        setting="documentBuckets",
    )
    return Document(may=(*may, use), denied=denied)


def _administration(settings: Settings, *, through_iam: bool) -> tuple[tuple[May, ...], tuple[Denied, ...]]:
    """Who manages, disables and deletes a key, and to whom that is denied."""
    root = _named((settings.arn("iam", "root"),))
    deleters, responders, days = (
        settings.deletion_administrators,
        settings.incident_responders,
        settings.usage_guard_days,
    )
    patterns = {"ArnLike": {"aws:PrincipalArn": settings.administrator_patterns}}
    may = [
        May(who=_named(settings.administrators), actions=ADMINISTRATION, on=("*",), setting="administrators"),
        May(who=_named(deleters), actions=("kms:ScheduleKeyDeletion",), on=("*",), setting="deletionAdministrators"),
    ]
    if through_iam:
        may.append(May(who=root, actions=("kms:*",), on=("*",)))
    if settings.administrator_patterns:
        may.append(May(who=root, actions=ADMINISTRATION, on=("*",), when=patterns, setting="administratorPatterns"))
    deletion, what = ("kms:ScheduleKeyDeletion",), "the deletion of the key"
    denied = [Denied(actions=deletion, but=deleters, what=what, setting="deletionAdministrators")]
    if days:
        may.append(May(who=_named(responders), actions=("kms:DisableKey",), on=("*",), setting="incidentResponders"))
        in_use = tuple({"kms:trailingdayswithoutkeyusage": (str(each),)} for each in (0, days - 1))
        soon = tuple({"kms:schedulekeydeletionpendingwindowindays": (each,)} for each in ("7", "29"))
        denied += [
            Denied(actions=deletion, requests=in_use, what=f"{what} in use", setting="usageGuardDays"),
            Denied(actions=deletion, requests=soon, what=f"{what} within 30 days", setting="usageGuardDays"),
            Denied(
                actions=("kms:DisableKey",),
                but=responders,
                requests=in_use,
                what="the disabling of a key in use",
                setting="incidentResponders",
            ),
        ]
    return tuple(may), tuple(denied)


def _named(arns: tuple[str, ...]) -> tuple[Principal, ...]:
    return tuple(("AWS", each) for each in arns)


def _service(*names: str) -> tuple[Principal, ...]:
    return tuple(("Service", name) for name in names)
