"""The causes of trouble in the order in which they are told: what explains others before what follows from it.

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
    says: str
    explains: tuple[str, ...] = ()


_SEEN = ("failure-remembered",)
"""What the application keeps from any of them until it is started anew."""

_DENIED = ("access-denied", "proof-failed", *_SEEN)
"""What the proof says where the application may not use the key, or cannot be had."""

_OPENING = (*_DENIED, "unwrap-failed")
"""What the proof says, whatever kept it from opening the data key."""

_COMPARED = ("data-key-foreign", "variable-outdated", "parameter-wrong")
"""What differs from an escrow that is itself what is wrong: then the others may well be right."""

_LOST_KEY = (*_OPENING, "rotation-off", "rotation-period", "stack-drifted")

_ELSEWHERE = (
    "alias-missing",
    "alias-moved",
    "bucket-missing",
    "escrow-missing",
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
    CheckCode(name="operator-credentials", says="the doctor's own credentials do not serve"),
    CheckCode(
        name="stack-not-built",
        says="the stack has settings and no resources",
        explains=(
            *_LOST_KEY,
            "alias-missing",
            "alias-moved",
            "escrow-missing",
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
        says="what keeps Pulumi's state cannot be read",
        explains=("stack-behind", "stack-drifted"),
    ),
    CheckCode(
        name="stack-state-lost",
        says="the account has what the state does not know",
        explains=("stack-behind", "stack-drifted"),
    ),
    CheckCode(
        name="stack-pending-operations",
        says="an interrupted update left operations behind",
        explains=("stack-behind", "stack-drifted"),
    ),
    CheckCode(
        name="region-of-settings",
        says="the settings name another Region than the stack was built in",
        explains=(*_LOST_KEY, *_ELSEWHERE),
    ),
    # The key.
    CheckCode(
        name="key-pending-deletion", says="the key is going to be deleted", explains=(*_LOST_KEY, "key-disabled")
    ),
    CheckCode(name="key-missing", says="there is no such key", explains=(*_LOST_KEY, "alias-missing", "alias-moved")),
    CheckCode(name="key-unavailable", says="the key cannot be used in the state that it is in", explains=_LOST_KEY),
    CheckCode(name="key-disabled", says="the key is disabled", explains=_LOST_KEY),
    CheckCode(name="alias-missing", says="the alias points to no key", explains=("stack-drifted",)),
    CheckCode(name="alias-moved", says="the alias points to another key", explains=("stack-drifted",)),
    CheckCode(name="deletion-unguarded", says="the key's policy lets the key be deleted"),
    # The application's rights, from what stands above to what is attached.
    CheckCode(
        name="service-control-policy",
        says="the organization forbids it",
        explains=(*_DENIED, "identity-denied"),
    ),
    CheckCode(
        name="principal-missing",
        says="the application's role or user is gone",
        explains=(*_DENIED, "stack-drifted", "trust-changed", "policy-detached", "boundary-denies", "identity-denied"),
    ),
    CheckCode(name="provider-missing", says="the OIDC provider is gone", explains=(*_DENIED, "stack-drifted")),
    CheckCode(
        name="provider-audience",
        says="the OIDC provider does not know the audience",
        explains=(*_DENIED, "stack-drifted"),
    ),
    CheckCode(
        name="trust-changed",
        says="the role does not let the application's platform in",
        explains=(*_DENIED, "stack-drifted"),
    ),
    CheckCode(
        name="boundary-denies",
        says="the permissions boundary leaves the key out",
        explains=(*_DENIED, "identity-denied"),
    ),
    CheckCode(name="explicit-deny", says="a policy of the principal denies it", explains=(*_DENIED, "identity-denied")),
    CheckCode(
        name="policy-missing",
        says="the application's IAM policy is gone",
        explains=(*_DENIED, "stack-drifted", "policy-detached", "identity-denied"),
    ),
    CheckCode(
        name="policy-detached",
        says="the application's IAM policy is not attached",
        explains=(*_DENIED, "stack-drifted", "identity-denied"),
    ),
    CheckCode(
        name="policy-edited",
        says="the application's IAM policy lacks what it needs",
        explains=(*_DENIED, "stack-drifted", "identity-denied"),
    ),
    CheckCode(
        name="key-policy-denies",
        says="the key's policy denies the application",
        explains=(*_DENIED, "key-policy-changed", "stack-drifted"),
    ),
    CheckCode(
        name="key-policy-without-application",
        says="the key's policy does not let the application in",
        explains=(*_DENIED, "key-policy-changed", "stack-drifted"),
    ),
    CheckCode(name="identity-denied", says="the application's policies do not allow what it needs", explains=_DENIED),
    CheckCode(name="access-key-missing", says="the application on Vercel has no access key", explains=_DENIED),
    CheckCode(name="access-key-gone", says="the access key on Vercel is no longer the user's", explains=_DENIED),
    CheckCode(name="access-key-inactive", says="the access key on Vercel is switched off", explains=_DENIED),
    CheckCode(name="execution-role-denied", says="ECS may not read the variables for the task"),
    CheckCode(name="wrong-principal", says="the service runs as another role", explains=_DENIED),
    CheckCode(name="key-policy-changed", says="the key's policy is not what the settings mean"),
    CheckCode(name="policy-widened", says="the application's policy gives it more than the key"),
    # The data key and the three variables.
    CheckCode(
        name="escrow-missing", says="the escrow of the data key is gone", explains=("parameter-missing", *_OPENING)
    ),
    CheckCode(
        name="data-key-not-made", says="no data key was made yet", explains=("variable-missing", "parameter-missing")
    ),
    CheckCode(
        name="escrow-tag-changed", says="the escrow's tag speaks of another data key than it holds", explains=_OPENING
    ),
    CheckCode(name="escrow-malformed", says="the escrow holds no wrapped data key", explains=_OPENING),
    CheckCode(name="escrow-replaced", says="the escrow holds another data key than its tag says", explains=_OPENING),
    CheckCode(
        name="escrow-of-another-key",
        says="the escrowed data key is wrapped by another KMS key",
        explains=(*_OPENING, *_COMPARED),
    ),
    CheckCode(name="escrow-replica-missing", says="a replica's Region has no copy of the escrow"),
    CheckCode(name="escrow-replica-differs", says="a replica's Region has another data key in its escrow"),
    CheckCode(
        name="data-key-wrong-length",
        says="what the wrapped key opens to is no 32 bytes",
        explains=(*_SEEN, *_COMPARED),
    ),
    CheckCode(name="unwrap-failed", says="the key does not open the data key", explains=(*_SEEN, *_COMPARED)),
    CheckCode(name="vercel-token-refused", says="Vercel does not take the token"),
    CheckCode(
        name="data-key-foreign", says="the application has another data key than the escrowed one", explains=_SEEN
    ),
    CheckCode(name="variable-outdated", says="the application has an earlier version of the data key", explains=_SEEN),
    CheckCode(
        name="variable-wrong-environment",
        says="a variable is there for other environments, and not for production",
        explains=("variable-missing", *_SEEN),
    ),
    CheckCode(name="variable-missing", says="a variable is not there", explains=_SEEN),
    CheckCode(name="variable-empty", says="a variable is empty", explains=_SEEN),
    CheckCode(name="variable-quoted", says="a value has quotation marks or white space around it", explains=_SEEN),
    CheckCode(name="variable-truncated", says="a value is cut off", explains=_SEEN),
    CheckCode(name="variable-malformed", says="a value is no wrapped data key", explains=_SEEN),
    CheckCode(name="key-id-alias", says="AWS_KMS_KEY_ID names an alias, not the key", explains=_SEEN),
    CheckCode(name="key-id-bare", says="AWS_KMS_KEY_ID is the bare id, good in one account and Region only"),
    CheckCode(name="key-id-other-region", says="AWS_KMS_KEY_ID is a key of another Region", explains=_SEEN),
    CheckCode(name="key-id-other-account", says="AWS_KMS_KEY_ID is a key of another account", explains=_SEEN),
    CheckCode(name="key-id-other-key", says="AWS_KMS_KEY_ID is another key", explains=_SEEN),
    CheckCode(name="region-wrong", says="AWS_REGION is not the key's Region", explains=_SEEN),
    CheckCode(
        name="variable-untold", says="a variable cannot be read, and nothing says that it is ours", explains=_SEEN
    ),
    CheckCode(name="variable-type", says="a variable is not stored as sensitive"),
    CheckCode(name="parameter-missing", says="a parameter beside the escrow is gone", explains=_SEEN),
    CheckCode(name="parameter-wrong", says="a parameter beside the escrow is not the stack's", explains=_SEEN),
    CheckCode(name="task-definition-behind", says="the service's task definition lacks the variables", explains=_SEEN),
    CheckCode(name="access-denied", says="the application is refused, and no policy that could be read says why"),
    CheckCode(name="proof-failed", says="the application could not open its data key"),
    # What runs.
    CheckCode(name="deployment-stale", says="what runs began before its variables were last changed"),
    CheckCode(name="failure-remembered", says="what runs began while the key could not be opened, and remembers it"),
    # The audit trail.
    CheckCode(
        name="trail-missing",
        says="there is no trail",
        explains=(
            "trail-delivery-failing",
            "trail-excludes-kms",
            "trail-global-events-off",
            "trail-key-off",
            "trail-other-bucket",
            "trail-single-region",
            "trail-stopped",
            "trail-validation-off",
            "stack-drifted",
        ),
    ),
    CheckCode(name="trail-stopped", says="the trail does not log", explains=("stack-drifted",)),
    CheckCode(name="trail-excludes-kms", says="the trail leaves KMS out", explains=("stack-drifted",)),
    CheckCode(
        name="trail-other-bucket", says="the trail writes to another bucket", explains=("trail-delivery-failing",)
    ),
    CheckCode(
        name="trail-single-region",
        says="the trail records one Region",
        explains=("trail-global-events-off", "stack-drifted"),
    ),
    CheckCode(name="trail-global-events-off", says="the trail leaves the global services out"),
    CheckCode(name="trail-validation-off", says="the trail's files are not validated", explains=("stack-drifted",)),
    CheckCode(
        name="bucket-missing",
        says="the trail's bucket is gone",
        explains=(
            "bucket-lock-gone",
            "bucket-lock-short",
            "bucket-public",
            "bucket-retention-short",
            "bucket-tls-policy-gone",
            "bucket-unencrypted",
            "bucket-unversioned",
            "trail-delivery-failing",
            "stack-drifted",
        ),
    ),
    CheckCode(
        name="trail-delivery-failing",
        says="the trail cannot write to its bucket",
        explains=("bucket-tls-policy-gone",),
    ),
    CheckCode(name="bucket-public", says="the trail's bucket may be opened to the public", explains=("stack-drifted",)),
    CheckCode(name="bucket-lock-gone", says="the trail's bucket locks nothing", explains=("stack-drifted",)),
    CheckCode(
        name="bucket-retention-short", says="the logs are kept for less than six years", explains=("stack-drifted",)
    ),
    CheckCode(name="bucket-tls-policy-gone", says="the trail's bucket takes plain HTTP", explains=("stack-drifted",)),
    CheckCode(name="bucket-unversioned", says="the trail's bucket keeps no versions", explains=("stack-drifted",)),
    CheckCode(name="bucket-unencrypted", says="the trail's bucket encrypts nothing by itself"),
    CheckCode(name="bucket-lock-short", says="the trail's bucket locks for less than the stack says"),
    CheckCode(name="trail-key-off", says="the logs are not encrypted under their own key"),
    CheckCode(name="alerts-topic-missing", says="the alerts' topic is gone", explains=("alerts-rule-off",)),
    CheckCode(name="alerts-rule-off", says="a rule of the alerts is off or gone"),
    # The stack.
    CheckCode(name="rotation-off", says="the key does not rotate", explains=("rotation-period", "stack-drifted")),
    CheckCode(
        name="rotation-period",
        says="the key rotates at another period than the stack says",
        explains=("stack-drifted",),
    ),
    CheckCode(name="stack-behind", says="the settings were changed and not applied"),
    CheckCode(name="stack-drifted", says="the account is not as Pulumi's state has it"),
)

BY_NAME: Mapping[str, CheckCode] = MappingProxyType({cause.name: cause for cause in TABLE})

_PLACE: Mapping[str, int] = MappingProxyType({cause.name: place for place, cause in enumerate(TABLE)})


def place(name: str) -> int:
    """Where a cause stands in the order. Raises KeyError for a name that is not in the table."""
    return _PLACE[name]


def explained_by(names: Iterable[str]) -> frozenset[str]:
    """What follows from these causes, and from what follows from them."""
    reached: set[str] = set()
    open_ends = list(names)
    while open_ends:
        for name in BY_NAME[open_ends.pop()].explains:
            if name not in reached:
                reached.add(name)
                open_ends.append(name)
    return frozenset(reached)
