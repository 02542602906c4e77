"""The check codes in the order of the findings: a cause before its consequences.

Pure. The names are a contract: programs act on them, and a name is never given another meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class CheckCode:
    """One cause; `explains` are the causes that need not be told beside it, for they follow from it."""

    name: str
    description: str
    implies: tuple[str, ...] = ()


_REMEMBERED = ("failure-remembered",)
"""What the application caches until it restarts."""

_DENIED = ("access-denied", "proof-failed", *_REMEMBERED)
"""What the proof says where the application may not use the key, or cannot be had."""

_OPENING = (*_DENIED, "unwrap-failed")
"""What the proof says, whatever kept it from opening the data key."""

_COMPARISONS = ("data-key-foreign", "variable-outdated", "parameter-wrong")
"""What differs from a stored data key that is itself what is wrong: then the others may well be right."""

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
"""What seems to be wrong where the wrong Region was looked at."""

TABLE: tuple[CheckCode, ...] = (
    # Who asks, and where.
    CheckCode(name="operator-credentials", description="the doctor's own credentials do not serve"),
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
        description="what keeps Pulumi's state cannot be read",
        implies=("stack-behind", "stack-drifted"),
    ),
    CheckCode(
        name="stack-state-lost",
        description="the account has what the state does not know",
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
        name="key-missing", description="there is no such key", implies=(*_LOST_KEY, "alias-missing", "alias-moved")
    ),
    CheckCode(
        name="key-unavailable", description="the key cannot be used in the state that it is in", implies=_LOST_KEY
    ),
    CheckCode(name="key-disabled", description="the key is disabled", implies=_LOST_KEY),
    CheckCode(name="alias-missing", description="the alias points to no key", implies=("stack-drifted",)),
    CheckCode(name="alias-moved", description="the alias points to another key", implies=("stack-drifted",)),
    CheckCode(name="deletion-unguarded", description="the key's policy lets the key be deleted"),
    # The application's rights, from what stands above to what is attached.
    CheckCode(
        name="service-control-policy",
        description="the organization forbids it",
        implies=(*_DENIED, "identity-denied"),
    ),
    CheckCode(
        name="principal-missing",
        description="the application's role or user is gone",
        implies=(*_DENIED, "stack-drifted", "trust-changed", "policy-detached", "boundary-denies", "identity-denied"),
    ),
    CheckCode(name="provider-missing", description="the OIDC provider is gone", implies=(*_DENIED, "stack-drifted")),
    CheckCode(
        name="provider-audience",
        description="the OIDC provider does not know the audience",
        implies=(*_DENIED, "stack-drifted"),
    ),
    CheckCode(
        name="trust-changed",
        description="the role does not let the application's platform in",
        implies=(*_DENIED, "stack-drifted"),
    ),
    CheckCode(
        name="boundary-denies",
        description="the permissions boundary leaves the key out",
        implies=(*_DENIED, "identity-denied"),
    ),
    CheckCode(
        name="explicit-deny", description="a policy of the principal denies it", implies=(*_DENIED, "identity-denied")
    ),
    CheckCode(
        name="policy-missing",
        description="the application's IAM policy is gone",
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
        description="the key's policy does not let the application in",
        implies=(*_DENIED, "key-policy-changed", "stack-drifted"),
    ),
    CheckCode(
        name="identity-denied", description="the application's policies do not allow what it needs", implies=_DENIED
    ),
    CheckCode(name="access-key-missing", description="the application on Vercel has no access key", implies=_DENIED),
    CheckCode(
        name="access-key-deleted", description="the access key on Vercel is no longer the user's", implies=_DENIED
    ),
    CheckCode(name="access-key-inactive", description="the access key on Vercel is switched off", implies=_DENIED),
    CheckCode(name="execution-role-denied", description="ECS may not read the variables for the task"),
    CheckCode(name="wrong-principal", description="the service runs as another role", implies=_DENIED),
    CheckCode(name="key-policy-changed", description="the key's policy is not what the settings mean"),
    CheckCode(name="policy-widened", description="the application's policy gives it more than the key"),
    # The data key and the three variables.
    CheckCode(
        name="stored-key-missing",
        description="the stored data key is gone",
        implies=("parameter-missing", *_OPENING),
    ),
    CheckCode(
        name="data-key-not-created",
        description="no data key was made yet",
        implies=("variable-missing", "parameter-missing"),
    ),
    CheckCode(
        name="stored-key-tag-changed",
        description="the stored data key's tag speaks of another data key than it holds",
        implies=_OPENING,
    ),
    CheckCode(
        name="stored-key-malformed", description="the stored data key holds no wrapped data key", implies=_OPENING
    ),
    CheckCode(
        name="stored-key-replaced",
        description="the stored data key holds another data key than its tag says",
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
        description="what the wrapped key opens to is no 32 bytes",
        implies=(*_REMEMBERED, *_COMPARISONS),
    ),
    CheckCode(
        name="unwrap-failed", description="the key does not open the data key", implies=(*_REMEMBERED, *_COMPARISONS)
    ),
    CheckCode(name="vercel-token-refused", description="Vercel does not take the token"),
    CheckCode(
        name="data-key-foreign",
        description="the application has another data key than the stored data keyed one",
        implies=_REMEMBERED,
    ),
    CheckCode(
        name="variable-outdated",
        description="the application has an earlier version of the data key",
        implies=_REMEMBERED,
    ),
    CheckCode(
        name="variable-wrong-environment",
        description="a variable is there for other environments, and not for production",
        implies=("variable-missing", *_REMEMBERED),
    ),
    CheckCode(name="variable-missing", description="a variable is not there", implies=_REMEMBERED),
    CheckCode(name="variable-empty", description="a variable is empty", implies=_REMEMBERED),
    CheckCode(
        name="variable-quoted", description="a value has quotation marks or white space around it", implies=_REMEMBERED
    ),
    CheckCode(name="variable-truncated", description="a value is cut off", implies=_REMEMBERED),
    CheckCode(name="variable-malformed", description="a value is no wrapped data key", implies=_REMEMBERED),
    CheckCode(name="key-id-alias", description="AWS_KMS_KEY_ID names an alias, not the key", implies=_REMEMBERED),
    CheckCode(name="key-id-bare", description="AWS_KMS_KEY_ID is the bare id, good in one account and Region only"),
    CheckCode(name="key-id-other-region", description="AWS_KMS_KEY_ID is a key of another Region", implies=_REMEMBERED),
    CheckCode(
        name="key-id-other-account", description="AWS_KMS_KEY_ID is a key of another account", implies=_REMEMBERED
    ),
    CheckCode(name="key-id-other-key", description="AWS_KMS_KEY_ID is another key", implies=_REMEMBERED),
    CheckCode(name="region-wrong", description="AWS_REGION is not the key's Region", implies=_REMEMBERED),
    CheckCode(
        name="variable-unreadable",
        description="a variable cannot be read, and nothing says that it is ours",
        implies=_REMEMBERED,
    ),
    CheckCode(name="variable-type", description="a variable is not stored as sensitive"),
    CheckCode(
        name="parameter-missing", description="a parameter beside the stored data key is gone", implies=_REMEMBERED
    ),
    CheckCode(
        name="parameter-wrong",
        description="a parameter beside the stored data key is not the stack's",
        implies=_REMEMBERED,
    ),
    CheckCode(
        name="task-definition-behind",
        description="the service's task definition lacks the variables",
        implies=_REMEMBERED,
    ),
    CheckCode(
        name="access-denied", description="the application is refused, and no policy that could be read says why"
    ),
    CheckCode(name="proof-failed", description="the application could not open its data key"),
    # What runs.
    CheckCode(name="deployment-stale", description="what runs began before its variables were last changed"),
    CheckCode(
        name="failure-remembered", description="what runs began while the key could not be opened, and remembers it"
    ),
    # The audit trail.
    CheckCode(
        name="trail-missing",
        description="there is no trail",
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
    CheckCode(name="trail-excludes-kms", description="the trail leaves KMS out", implies=("stack-drifted",)),
    CheckCode(
        name="trail-other-bucket", description="the trail writes to another bucket", implies=("trail-delivery-failing",)
    ),
    CheckCode(
        name="trail-single-region",
        description="the trail records one Region",
        implies=("trail-global-events-off", "stack-drifted"),
    ),
    CheckCode(name="trail-global-events-off", description="the trail leaves the global services out"),
    CheckCode(
        name="trail-validation-off", description="the trail's files are not validated", implies=("stack-drifted",)
    ),
    CheckCode(
        name="bucket-missing",
        description="the trail's bucket is gone",
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
    CheckCode(
        name="bucket-public", description="the trail's bucket may be opened to the public", implies=("stack-drifted",)
    ),
    CheckCode(name="bucket-lock-missing", description="the trail's bucket locks nothing", implies=("stack-drifted",)),
    CheckCode(
        name="bucket-retention-short",
        description="the logs are kept for less than six years",
        implies=("stack-drifted",),
    ),
    CheckCode(
        name="bucket-tls-policy-missing", description="the trail's bucket takes plain HTTP", implies=("stack-drifted",)
    ),
    CheckCode(
        name="bucket-unversioned", description="the trail's bucket keeps no versions", implies=("stack-drifted",)
    ),
    CheckCode(name="bucket-unencrypted", description="the trail's bucket encrypts nothing by itself"),
    CheckCode(name="bucket-lock-short", description="the trail's bucket locks for less than the stack says"),
    CheckCode(name="trail-encryption-off", description="the logs are not encrypted under their own key"),
    CheckCode(name="alerts-topic-missing", description="the alerts' topic is gone", implies=("alerts-rule-off",)),
    CheckCode(name="alerts-rule-off", description="a rule of the alerts is off or gone"),
    # The stack.
    CheckCode(name="rotation-off", description="the key does not rotate", implies=("rotation-period", "stack-drifted")),
    CheckCode(
        name="rotation-period",
        description="the key rotates at another period than the stack says",
        implies=("stack-drifted",),
    ),
    CheckCode(name="stack-behind", description="the settings were changed and not applied"),
    CheckCode(name="stack-drifted", description="the account is not as Pulumi's state has it"),
)

BY_NAME: Mapping[str, CheckCode] = MappingProxyType({cause.name: cause for cause in TABLE})

_PLACE: Mapping[str, int] = MappingProxyType({cause.name: place for place, cause in enumerate(TABLE)})


def place(name: str) -> int:
    """Where a cause stands in the order. Raises KeyError for a name that is not in the table."""
    return _PLACE[name]


def implied_by(names: Iterable[str]) -> frozenset[str]:
    """What follows from these causes, and from what follows from them."""
    reached: set[str] = set()
    open_ends = list(names)
    while open_ends:
        for name in BY_NAME[open_ends.pop()].implies:
            if name not in reached:
                reached.add(name)
                open_ends.append(name)
    return frozenset(reached)
