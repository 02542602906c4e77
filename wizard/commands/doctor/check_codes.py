"""The check codes in the order of the findings: a cause before its consequences.

Pure. The names are a contract: programs act on them, and a name is never given another meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class CheckCode:
    """The code of a cause; `implies` are the causes that follow from it and are not reported with it."""

    name: str
    description: str
    implies: tuple[str, ...] = ()


_REMEMBERED = ("failure-remembered",)
"""What the application caches until it restarts."""

_DENIED = ("access-denied", "proof-failed", *_REMEMBERED)
"""The results of a verification if the application is not allowed to use the key, or its role cannot be assumed."""

_OPENING = (*_DENIED, "unwrap-failed")
"""The results of a verification that failed for any reason."""

_COMPARISONS = ("data-key-foreign", "variable-outdated", "parameter-wrong")
"""Differences from the stored data key: if that one is wrong, the others may be right."""

_LOST_KEY = (*_OPENING, "rotation-off", "rotation-period", "stack-drifted")

_ELSEWHERE = (
    "alias-missing",
    "alias-moved",
    "bucket-missing",
    "stored-key-missing",
    "identity-denied",
    "key-id-other-key",
    "key-id-other-region",
    "key-missing",
    "parameter-missing",
    "region-wrong",
    "stack-behind",
    "trail-missing",
)
"""What seems to be wrong if the settings name the wrong Region."""

TABLE: tuple[CheckCode, ...] = (
    # Credentials, stack and Region.
    CheckCode(name="operator-credentials", description="the doctor's own credentials cannot be used"),
    CheckCode(
        name="stack-not-built",
        description="the stack has settings and no resources",
        implies=(
            *_LOST_KEY,
            "alias-missing",
            "alias-moved",
            "stored-key-missing",
            "variable-missing",
            "parameter-missing",
            "trail-missing",
            "policy-missing",
            "principal-missing",
            "provider-missing",
            "bucket-missing",
            "alerts-topic-missing",
            "alerts-rule-off",
        ),
    ),
    CheckCode(
        name="backend-unreachable",
        description="the backend of Pulumi's state cannot be read",
        implies=("stack-behind", "stack-drifted"),
    ),
    CheckCode(
        name="stack-state-damaged",
        description="the state or a lock of the stack is damaged",
        implies=("stack-behind", "stack-drifted"),
    ),
    CheckCode(name="stack-locked", description="a run that has ended still holds the stack's lock"),
    CheckCode(
        name="stack-elsewhere",
        description="the environment belongs to another stack or another backend",
        implies=("stack-behind", "stack-drifted"),
    ),
    CheckCode(
        name="stack-state-lost",
        description="the account has resources that are not in the state",
        implies=("stack-behind", "stack-drifted"),
    ),
    CheckCode(
        name="stack-pending-operations",
        description="an interrupted update left operations behind",
        implies=("stack-behind", "stack-drifted"),
    ),
    CheckCode(
        name="region-of-settings",
        description="the settings name another Region than the stack was built in",
        implies=(*_LOST_KEY, *_ELSEWHERE),
    ),
    # The key.
    CheckCode(
        name="key-pending-deletion", description="the key is going to be deleted", implies=(*_LOST_KEY, "key-disabled")
    ),
    CheckCode(
        name="key-missing", description="the key does not exist", implies=(*_LOST_KEY, "alias-missing", "alias-moved")
    ),
    CheckCode(name="key-unavailable", description="the key cannot be used in its current state", implies=_LOST_KEY),
    CheckCode(name="key-disabled", description="the key is disabled", implies=_LOST_KEY),
    CheckCode(name="alias-missing", description="the alias does not exist", implies=("stack-drifted",)),
    CheckCode(name="alias-moved", description="the alias points to another key", implies=("stack-drifted",)),
    CheckCode(name="deletion-unguarded", description="the key's policy allows the deletion of the key"),
    # The application's permissions, from the organization to the attached policies.
    CheckCode(
        name="service-control-policy",
        description="the organization forbids it",
        implies=(*_DENIED, "identity-denied"),
    ),
    CheckCode(
        name="principal-missing",
        description="the application's role or user does not exist",
        implies=(*_DENIED, "stack-drifted", "trust-changed", "policy-detached", "boundary-denies", "identity-denied"),
    ),
    CheckCode(
        name="provider-missing", description="the OIDC provider does not exist", implies=(*_DENIED, "stack-drifted")
    ),
    CheckCode(
        name="provider-audience",
        description="the OIDC provider does not know the audience",
        implies=(*_DENIED, "stack-drifted"),
    ),
    CheckCode(
        name="trust-changed",
        description="the role does not trust the application's platform",
        implies=(*_DENIED, "stack-drifted"),
    ),
    CheckCode(
        name="trust-widened",
        description="the role lets in somebody whom the settings do not name",
        implies=("stack-drifted",),
    ),
    CheckCode(name="policy-foreign", description="the application's role or user has a policy of somebody else"),
    CheckCode(
        name="boundary-denies",
        description="the permissions boundary does not allow the key",
        implies=(*_DENIED, "identity-denied"),
    ),
    CheckCode(
        name="explicit-deny", description="a policy of the principal denies it", implies=(*_DENIED, "identity-denied")
    ),
    CheckCode(
        name="policy-missing",
        description="the application's IAM policy does not exist",
        implies=(*_DENIED, "stack-drifted", "policy-detached", "identity-denied"),
    ),
    CheckCode(
        name="policy-detached",
        description="the application's IAM policy is not attached",
        implies=(*_DENIED, "stack-drifted", "identity-denied"),
    ),
    CheckCode(
        name="policy-edited",
        description="the application's IAM policy lacks what it needs",
        implies=(*_DENIED, "stack-drifted", "identity-denied"),
    ),
    CheckCode(
        name="key-policy-denies",
        description="the key's policy denies the application",
        implies=(*_DENIED, "key-policy-changed", "stack-drifted"),
    ),
    CheckCode(
        name="key-policy-without-application",
        description="the key's policy does not allow the application",
        implies=(*_DENIED, "key-policy-changed", "stack-drifted"),
    ),
    CheckCode(
        name="identity-denied", description="the application's policies do not allow what it needs", implies=_DENIED
    ),
    CheckCode(name="access-key-missing", description="the application on Vercel has no access key", implies=_DENIED),
    CheckCode(
        name="access-key-deleted", description="the access key on Vercel is no longer the user's", implies=_DENIED
    ),
    CheckCode(name="access-key-inactive", description="the access key on Vercel is inactive", implies=_DENIED),
    CheckCode(name="execution-role-denied", description="ECS is not allowed to read the variables for the task"),
    CheckCode(name="wrong-principal", description="the service runs as another role", implies=_DENIED),
    CheckCode(name="key-policy-changed", description="the key's policy differs from the settings"),
    CheckCode(name="policy-widened", description="the application's policy allows more than the key"),
    # The data key and the three variables.
    CheckCode(
        name="stored-key-missing",
        description="the stored data key was deleted",
        implies=("parameter-missing", *_OPENING),
    ),
    CheckCode(
        name="data-key-not-created",
        description="no data key was created yet",
        implies=("variable-missing", "parameter-missing"),
    ),
    CheckCode(
        name="stored-key-tag-changed",
        description="the tag of the stored data key names another data key",
        implies=_OPENING,
    ),
    CheckCode(
        name="stored-key-malformed",
        description="the value of the stored data key is not a wrapped data key",
        implies=_OPENING,
    ),
    CheckCode(
        name="stored-key-replaced",
        description="the stored data key was replaced by another data key",
        implies=_OPENING,
    ),
    CheckCode(
        name="stored-key-of-another-kms-key",
        description="the stored data key is wrapped by another KMS key",
        implies=(*_OPENING, *_COMPARISONS),
    ),
    CheckCode(name="stored-key-replica-missing", description="a replica's Region has no copy of the stored data key"),
    CheckCode(name="stored-key-replica-differs", description="a replica's Region has another data key stored"),
    CheckCode(
        name="data-key-wrong-length",
        description="the decrypted data key does not have 32 bytes",
        implies=(*_REMEMBERED, *_COMPARISONS),
    ),
    CheckCode(
        name="unwrap-failed", description="the key does not decrypt the data key", implies=(*_REMEMBERED, *_COMPARISONS)
    ),
    CheckCode(name="vercel-token-refused", description="Vercel refuses the token"),
    CheckCode(
        name="data-key-foreign",
        description="the application has another data key than the stored one",
        implies=_REMEMBERED,
    ),
    CheckCode(
        name="variable-outdated",
        description="the application has an earlier version of the data key",
        implies=_REMEMBERED,
    ),
    CheckCode(
        name="variable-wrong-environment",
        description="a variable exists for other environments, but not for production",
        implies=("variable-missing", *_REMEMBERED),
    ),
    CheckCode(name="variable-missing", description="a variable does not exist", implies=_REMEMBERED),
    CheckCode(name="variable-empty", description="a variable is empty", implies=_REMEMBERED),
    CheckCode(
        name="variable-quoted", description="a value has quotation marks or white space around it", implies=_REMEMBERED
    ),
    CheckCode(name="variable-truncated", description="a value is cut off", implies=_REMEMBERED),
    CheckCode(name="variable-malformed", description="a value is not a wrapped data key", implies=_REMEMBERED),
    CheckCode(
        name="variable-changed",
        description="a sensitive variable was changed since it was delivered",
        implies=_REMEMBERED,
    ),
    CheckCode(name="key-id-alias", description="AWS_KMS_KEY_ID names an alias, not the key", implies=_REMEMBERED),
    CheckCode(name="key-id-bare", description="AWS_KMS_KEY_ID is a key id without account and Region"),
    CheckCode(name="key-id-other-region", description="AWS_KMS_KEY_ID is a key of another Region", implies=_REMEMBERED),
    CheckCode(
        name="key-id-other-account", description="AWS_KMS_KEY_ID is a key of another account", implies=_REMEMBERED
    ),
    CheckCode(name="key-id-other-key", description="AWS_KMS_KEY_ID is another key", implies=_REMEMBERED),
    CheckCode(name="region-wrong", description="AWS_REGION is not the key's Region", implies=_REMEMBERED),
    CheckCode(
        name="variable-unreadable",
        description="a variable cannot be read, and its comment does not name the data key",
        implies=_REMEMBERED,
    ),
    CheckCode(name="variable-type", description="a variable is not stored as sensitive"),
    CheckCode(
        name="parameter-missing",
        description="a parameter next to the stored data key does not exist",
        implies=_REMEMBERED,
    ),
    CheckCode(
        name="parameter-wrong",
        description="a parameter next to the stored data key has another value than the stack's",
        implies=_REMEMBERED,
    ),
    CheckCode(
        name="task-definition-behind",
        description="the service's task definition lacks the variables",
        implies=_REMEMBERED,
    ),
    CheckCode(name="access-denied", description="the application is denied, but no readable policy denies it"),
    CheckCode(name="proof-failed", description="the application could not decrypt its data key"),
    # Running instances.
    CheckCode(
        name="deployment-stale", description="the running instances started before the last change of their variables"
    ),
    CheckCode(name="failure-remembered", description="the running instances cached a failed load of the key"),
    # The audit trail.
    CheckCode(
        name="trail-missing",
        description="the trail does not exist",
        implies=(
            "trail-delivery-failing",
            "trail-excludes-kms",
            "trail-global-events-off",
            "trail-encryption-off",
            "trail-other-bucket",
            "trail-single-region",
            "trail-stopped",
            "trail-validation-off",
            "stack-drifted",
        ),
    ),
    CheckCode(name="trail-stopped", description="the trail does not log", implies=("stack-drifted",)),
    CheckCode(name="trail-excludes-kms", description="the trail excludes KMS", implies=("stack-drifted",)),
    CheckCode(
        name="trail-other-bucket", description="the trail writes to another bucket", implies=("trail-delivery-failing",)
    ),
    CheckCode(
        name="trail-single-region",
        description="the trail records one Region",
        implies=("trail-global-events-off", "stack-drifted"),
    ),
    CheckCode(name="trail-global-events-off", description="the trail excludes the global services"),
    CheckCode(
        name="trail-validation-off", description="the trail's files are not validated", implies=("stack-drifted",)
    ),
    CheckCode(
        name="bucket-missing",
        description="the trail's bucket does not exist",
        implies=(
            "bucket-lock-missing",
            "bucket-lock-short",
            "bucket-public",
            "bucket-retention-short",
            "bucket-tls-policy-missing",
            "bucket-unencrypted",
            "bucket-unversioned",
            "trail-delivery-failing",
            "stack-drifted",
        ),
    ),
    CheckCode(
        name="trail-delivery-failing",
        description="the trail cannot write to its bucket",
        implies=("bucket-tls-policy-missing",),
    ),
    CheckCode(name="bucket-public", description="the trail's bucket can become public", implies=("stack-drifted",)),
    CheckCode(
        name="bucket-lock-missing", description="the trail's bucket has no Object Lock", implies=("stack-drifted",)
    ),
    CheckCode(
        name="bucket-retention-short",
        description="the logs are kept for less than six years",
        implies=("stack-drifted",),
    ),
    CheckCode(
        name="bucket-tls-policy-missing",
        description="the trail's bucket accepts HTTP without TLS",
        implies=("stack-drifted",),
    ),
    CheckCode(
        name="bucket-unversioned", description="the trail's bucket has no versioning", implies=("stack-drifted",)
    ),
    CheckCode(name="bucket-unencrypted", description="the trail's bucket has no default encryption"),
    CheckCode(name="bucket-lock-short", description="the trail's bucket locks for less time than the settings say"),
    CheckCode(name="trail-encryption-off", description="the logs are not encrypted with their own key"),
    CheckCode(
        name="alerts-topic-missing", description="the alerts' topic does not exist", implies=("alerts-rule-off",)
    ),
    CheckCode(name="alerts-rule-off", description="a rule of the alerts is disabled or does not exist"),
    # The stack.
    CheckCode(name="rotation-off", description="the key does not rotate", implies=("rotation-period", "stack-drifted")),
    CheckCode(
        name="rotation-period",
        description="the key rotates with another period than the settings say",
        implies=("stack-drifted",),
    ),
    CheckCode(name="stack-behind", description="the settings were changed but not applied"),
    CheckCode(name="stack-drifted", description="the account differs from Pulumi's state"),
)

BY_NAME: Mapping[str, CheckCode] = MappingProxyType({cause.name: cause for cause in TABLE})


def place(name: str) -> int:
    """The position of a cause in the order. Raises KeyError for an unknown name."""
    return list(BY_NAME).index(BY_NAME[name].name)


def implied_by(names: Iterable[str]) -> frozenset[str]:
    """All causes that follow from these, directly or not."""
    implied: set[str] = set()
    pending = list(names)
    while pending:
        for name in BY_NAME[pending.pop()].implies:
            if name not in implied:
                implied.add(name)
                pending.append(name)
    return frozenset(implied)
