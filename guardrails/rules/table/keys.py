"""The rows of the keys, their aliases and the PHI key's replicas: who may do what with each.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..row import Bound, By, Denied, Document, May, OneOf, Principal, Row, unless_set
from ..settings import Settings
from ..types import ALIAS, KEY, REPLICA_KEY

PHI_KEY = (KEY, "phi-key")
AUDIT_KEY = (KEY, "audit-trail-key")
DOCUMENTS_KEY = (KEY, "documents-key")

ADMINISTRATION = (
    *("kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", "kms:EnableKey", "kms:DisableKey", "kms:DescribeKey"),
    *("kms:EnableKeyRotation", "kms:DisableKeyRotation", "kms:RotateKeyOnDemand", "kms:UpdateKeyDescription"),
    *("kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations"),
    *("kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RevokeGrant", "kms:TagResource", "kms:UntagResource"),
    *("kms:CancelKeyDeletion", "kms:GenerateDataKeyWithoutPlaintext"),
)
"""Everything but the use of the key, a grant of its use, and its deletion."""

MULTI_REGION = ("kms:ReplicateKey", "kms:UpdatePrimaryRegion")
"""What an administrator of a multi-Region key does besides."""

USE = ("kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey")

NO_RECORD = "the application opens no record"
"""What follows where the application loses its key or its variables."""

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
        kept=frozenset(left if "key" in settings.kept_as_found else ()),
        rules=RULES,
    )
    alias = settings.alias("phi-key")
    yield _alias("phi-key", alias, settings.region, PHI_KEY)
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
        yield _alias(f"phi-key-{region}", alias, region, (REPLICA_KEY, f"phi-key-{region}"))
    if settings.has_audit_key:
        yield _key("audit-trail-key", audit_key_policy(settings), "AuditLogs", settings)
        yield _alias("audit-trail-key", settings.alias("audit-key"), settings.region, AUDIT_KEY)
    if settings.documents_key:
        yield _key("documents-key", documents_key_policy(settings), "Documents", settings)
        yield _alias("documents-key", settings.alias("documents-key"), settings.region, DOCUMENTS_KEY)


def _key(name: str, policy: Document, purpose: str, settings: Settings) -> Row:
    """A key beside the PHI key, which AWS rotates each year."""
    return Row(
        type=KEY,
        name=name,
        must={**_KEY, "rotationPeriodInDays": 365},
        documents={"policy": policy},
        tags={**settings.tags, "Purpose": purpose},
        region=settings.region,
        protected=True,
        rules=RULES,
    )


def _alias(name: str, alias: str, region: str, key: tuple[str, str]) -> Row:
    return Row(type=ALIAS, name=name, must={"name": alias}, keys={"targetKeyId": (key,)}, region=region, protected=True)


def phi_keys(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The PHI key and its replicas, by type and name."""
    return (PHI_KEY, *((REPLICA_KEY, f"phi-key-{region}") for region in settings.replica_regions))


def phi_key_policy(settings: Settings) -> Document:
    """The application uses the key, administrators manage it; nobody else does either."""
    application = settings.principals
    may, denied = _administration(
        settings,
        actions=(*ADMINISTRATION, *(MULTI_REGION if settings.multi_region else ())),
        is_strict=settings.strict_key_policy,
    )
    decrypt, *others = USE
    may += (
        May(who=_named(application), actions=(decrypt,), on=("*",), without=NO_RECORD),
        May(who=_named(application), actions=tuple(others), on=("*",)),
    )
    if settings.exclusive_use:
        # Exactly: with fewer exempted the application would be denied its own key.
        what = "the use of the key"
        denied += (Denied(actions=EVERY_USE, but=application, what=what, setting="exclusiveUse"),)
    return Document(may=may, denied=denied)


def audit_key_policy(settings: Settings) -> Document:
    """CloudTrail, CloudWatch Logs and the alerts use the key for this account; auditors decrypt through IAM."""
    from_trail = {"aws:SourceArn": (settings.trail_arn,)}
    context = {"kms:EncryptionContext:aws:cloudtrail:arn": (settings.trail_arn,)}
    may, denied = _administration(settings)

    def use(*services: str, actions: tuple[str, ...], when: Mapping[str, Any], without: str) -> May:
        return May(who=_service(*services), actions=actions, on=("*",), when=when, without=without)

    without = "CloudTrail cannot write its records"
    may += (
        use(
            "cloudtrail.amazonaws.com",
            actions=("kms:GenerateDataKey*",),
            when={"StringEquals": {**from_trail, **context}},
            without=without,
        ),
        use(
            "cloudtrail.amazonaws.com",
            actions=("kms:DescribeKey",),
            when={"StringEquals": from_trail},
            without=without,
        ),
    )
    if settings.logs_to_cloudwatch:
        group = settings.arn("logs", f"log-group:{settings.log_group}")
        may += (
            use(
                f"logs.{settings.region}.amazonaws.com",
                actions=(
                    *("kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"),
                    *("kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"),
                ),
                when={"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": (group,)}},
                without="CloudWatch Logs cannot write",
            ),
        )
    if settings.alerts:
        topics = settings.arn("sns", "*", region="*")
        may += (
            use(
                *("events.amazonaws.com", "cloudwatch.amazonaws.com"),
                actions=("kms:GenerateDataKey*", "kms:Decrypt"),
                when={"ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": (topics,)}},
                without="no alert is published",
            ),
        )
    return Document(may=may, denied=denied)


def documents_key_policy(settings: Settings) -> Document:
    """The application uses the key through S3, for the objects of its own buckets."""
    may, denied = _administration(settings)
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
        who=_named(settings.principals),
        actions=("kms:Decrypt", "kms:GenerateDataKey"),
        on=("*",),
        when=through_s3,
        setting="documentBuckets",
    )
    return Document(may=(*may, use), denied=denied)


def _administration(
    settings: Settings, *, actions: tuple[str, ...] = ADMINISTRATION, is_strict: bool = False
) -> tuple[tuple[May, ...], tuple[Denied, ...]]:
    """Who manages, disables and deletes a key, and to whom that is denied."""
    root, on = _named((settings.arn("iam", "root"),)), ("*",)
    deleters, responders = settings.deletion_administrators, settings.incident_responders
    lockout = "nobody can manage the key"
    no_repair = "they cannot manage the key"
    may = [
        May(
            who=_named(settings.administrators),
            actions=actions,
            on=on,
            setting="administrators",
            without=lockout if is_strict else no_repair,
        ),
        May(who=_named(deleters), actions=("kms:ScheduleKeyDeletion",), on=on, setting="deletionAdministrators"),
    ]
    if not is_strict:
        may.append(May(who=root, actions=("kms:*",), on=on, without=lockout))
    if patterns := settings.administrator_patterns:
        when = {"ArnLike": {"aws:PrincipalArn": patterns}}
        may.append(May(who=root, actions=actions, on=on, when=when, setting="administratorPatterns", without=no_repair))
    deletion, what = ("kms:ScheduleKeyDeletion",), "the deletion of the key"
    denied = [Denied(actions=deletion, but=deleters, is_least=True, what=what, setting="deletionAdministrators")]
    if settings.usage_guard_days:
        may.append(
            May(
                who=_named(responders),
                actions=("kms:DisableKey",),
                on=on,
                setting="incidentResponders",
                without="they cannot stop the use of a key that leaked",
            )
        )
        days = str(settings.usage_guard_days)
        in_use = Bound(operator="NumericLessThan", key="kms:TrailingDaysWithoutKeyUsage", value=days)
        soon = Bound(operator="NumericLessThan", key="kms:ScheduleKeyDeletionPendingWindowInDays", value="30")
        denied += [
            Denied(actions=deletion, bound=in_use, is_least=True, what=f"{what} in use", setting="usageGuardDays"),
            Denied(
                actions=deletion, bound=soon, is_least=True, what=f"{what} within 30 days", setting="usageGuardDays"
            ),
            # Exactly: with fewer exempted, or for longer, nobody could stop the use of a key that leaked.
            Denied(
                actions=("kms:DisableKey",),
                but=responders,
                bound=in_use,
                what="the disabling of a key in use",
                setting="incidentResponders",
            ),
        ]
    return tuple(may), tuple(denied)


def _named(arns: tuple[str, ...]) -> tuple[Principal, ...]:
    return tuple(("AWS", each) for each in arns)


def _service(*names: str) -> tuple[Principal, ...]:
    return tuple(("Service", name) for name in names)
