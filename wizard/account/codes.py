"""The check codes in the order of the findings: a cause before its consequences.

Pure. The names are a contract: programs act on them, and a name is never given another meaning.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class CheckCode:
    """The code of a cause; `implies` are the causes that follow from it and are not reported with it."""

    name: str
    description: str
    implies: tuple[str, ...] = ()


_DESCRIPTIONS: Mapping[str, str] = {
    # Credentials, stack and Region.
    "operator-credentials": "the doctor's own credentials cannot be used",
    "account-unreachable": "AWS does not answer, or only with errors",
    "stack-not-built": "the stack has settings and no resources",
    "backend-unreachable": "Pulumi's state cannot be read, or the passphrase does not open the stack",
    "stack-state-damaged": "the state or a lock of the stack is damaged",
    "stack-locked": "a run that has ended still holds the stack's lock",
    "stack-elsewhere": "the environment belongs to another stack or another backend",
    "stack-second-key": "the stack has another key than the one that opens the stored data key",
    "stack-state-lost": "the account has resources that are not in the state",
    "stack-pending-operations": "an interrupted update left operations behind",
    "region-of-settings": "the settings name another Region than the stack was built in",
    # The key.
    "key-pending-deletion": "the key is going to be deleted",
    "key-missing": "the key does not exist",
    "key-unavailable": "the key cannot be used in its current state",
    "key-disabled": "the key is disabled",
    "alias-missing": "the alias does not exist",
    "alias-moved": "the alias points to another key",
    "primary-moved": "the primary of the key is in another Region than the stack",
    "replica-foreign": "the key has a replica in a Region that the settings do not name",
    "key-policy-not-strict": "others than the administrators can change the strict key policy",
    "deletion-unguarded": "the key's policy allows the deletion of the key",
    # The application's permissions, from the organization to the attached policies.
    "service-control-policy": "the organization forbids it",
    "resource-control-policy": "the organization forbids the use of this key",
    "principal-missing": "the application's role or user does not exist",
    "vercel-oidc-off": "the project on Vercel gives its deployments no OIDC token",
    "vercel-issuer-changed": "the project's tokens on Vercel come from another issuer than the role trusts",
    "provider-missing": "the OIDC provider does not exist",
    "provider-audience": "the OIDC provider does not know the audience",
    "trust-changed": "the role does not trust the application's platform",
    "trust-widened": "the role trusts a principal that the settings do not name",
    "ci-trust-outdated": "a role of CI trusts another subject than the one GitHub sends",
    "policy-foreign": "a role or the user of the stack has a policy of somebody else",
    "boundary-denies": "the permissions boundary does not allow the key",
    "explicit-deny": "a policy of the principal denies it",
    "policy-missing": "the application's IAM policy does not exist",
    "policy-detached": "the application's IAM policy is not attached",
    "policy-edited": "the application's IAM policy lacks what it needs",
    "key-policy-denies": "the key's policy denies the application",
    "key-policy-without-application": "the key's policy does not allow the application",
    "identity-denied": "the application's policies do not allow what it needs",
    "access-key-missing": "the application on Vercel has no access key",
    "access-key-deleted": "the access key on Vercel is no longer the user's",
    "access-key-inactive": "the access key on Vercel is inactive",
    "execution-role-denied": "the platform's role is not allowed to read the variables",
    "wrong-principal": "the service runs as another role",
    "key-policy-changed": "the key's policy differs from the settings",
    "policy-widened": "a policy of the stack allows more than the settings say",
    "grant-foreign": "a grant gives somebody else a right on the key",
    "grant-widened": "a grant gives the application more than the settings say",
    "role-trusts-other-account": "a role outside the settings can use the key, and another account can assume it",
    "key-use-by-others": "somebody has a right on the key that neither the settings nor a signed review give",
    # The data key and the three variables.
    "vercel-token-missing": "there is no token for Vercel",
    "vercel-token-refused": "Vercel refuses the token",
    "vercel-unreachable": "the project on Vercel cannot be read",
    "target-missing": "the project on Vercel does not exist",
    "stored-key-missing": "the stored data key was deleted",
    "data-key-not-created": "no data key was created yet",
    "stored-key-tag-changed": "the tag of the stored data key names another data key",
    "stored-key-malformed": "the value of the stored data key is not a wrapped data key",
    "stored-key-replaced": "the stored data key was replaced by another data key",
    "stored-key-of-another-kms-key": "the stored data key is wrapped by another KMS key",
    "stored-key-replica-missing": "a replica's Region has no copy of the stored data key",
    "stored-key-replica-differs": "a replica's Region has another data key stored",
    "data-key-wrong-length": "the decrypted data key does not have 32 bytes",
    "unwrap-failed": "the key does not decrypt the data key",
    "data-key-version-lost": "a kept version of the data key does not exist, or its value was replaced",
    "backup-missing": "the last backup's file, object or copy does not exist",
    "backup-unusable": "what is at the last backup's place is not a backup of the data key",
    "data-key-foreign": "the application has another data key than the stored one",
    "variable-outdated": "the application has an earlier version of the data key",
    "former-key-beside": "the application has its ENCRYPTION_KEY from before beside the data key",
    "variable-wrong-environment": "a variable exists for other environments, but not for the stack's own",
    "variable-missing": "a variable does not exist",
    "variable-empty": "a variable is empty",
    "variable-quoted": "a value has quotation marks or white space around it",
    "variable-truncated": "a value is cut off",
    "variable-malformed": "a value is not a wrapped data key",
    "variable-changed": "a Secret on Vercel was changed since it was delivered",
    "key-id-alias": "AWS_KMS_KEY_ID names an alias, not the key",
    "key-id-bare": "AWS_KMS_KEY_ID is a key id without account and Region",
    "key-id-other-region": "AWS_KMS_KEY_ID is a key of another Region",
    "key-id-other-account": "AWS_KMS_KEY_ID is a key of another account",
    "key-id-other-key": "AWS_KMS_KEY_ID is another key",
    "region-wrong": "AWS_REGION is not the key's Region",
    "variable-shared": "other code of the application reads a variable, and fails with the stack's value",
    "region-shared": "other code of the application reads the variable of the Region",
    "variable-unreadable": "a variable cannot be read, and its comment does not name the data key",
    "variable-type": "a variable is not stored as a Secret",
    "parameter-missing": "a parameter next to the stored data key does not exist",
    "parameter-wrong": "a parameter next to the stored data key has another value than the stack's",
    "task-definition-behind": "the service's task definition lacks the variables",
    "access-denied": "the application is denied, but no readable policy denies it",
    "proof-failed": "the application could not decrypt its data key",
    # Running instances.
    "deployment-stale": "the running instances started before the last change of their variables",
    "deployment-rolling": "a rolling release moves the traffic to what has the new values, and is not complete",
    "failure-remembered": "the running instances cached a failed load of the key",
    # The audit trail.
    "trail-missing": "the trail does not exist",
    "trail-stopped": "the trail does not log",
    "trail-excludes-kms": "the trail excludes KMS",
    "trail-other-bucket": "the trail writes to another bucket",
    "trail-single-region": "the trail records one Region",
    "trail-global-events-off": "the trail excludes the global services",
    "trail-validation-off": "the trail's files are not validated",
    "bucket-missing": "the trail's bucket does not exist",
    "logs-key-unusable": "the key of the logs is disabled, going to be deleted, or does not exist",
    "logs-key-policy-widened": "the policy of the key of the logs allows more than the settings say",
    "logs-key-unguarded": "the policy of the key of the logs allows the deletion of that key",
    "trail-delivery-failing": "the trail cannot write to its bucket",
    "bucket-public": "the trail's bucket can become public",
    "bucket-policy-widened": "a bucket's policy lets others than the settings say read, change or delete the records",
    "bucket-lock-missing": "the trail's bucket has no Object Lock",
    "bucket-retention-short": "the logs are kept for less than six years",
    "bucket-tls-policy-missing": "the trail's bucket accepts HTTP without TLS, or TLS older than 1.2",
    "bucket-unversioned": "the trail's bucket has no versioning",
    "bucket-unencrypted": "the trail's bucket has no default encryption",
    "bucket-lock-short": "the trail's bucket locks for less time than the settings say",
    "bucket-access-logs-off": "the requests to the trail's bucket are not logged",
    "trail-encryption-off": "the logs are not encrypted with their own key",
    "trail-copy-off": "the trail does not copy its events to the log group of the settings",
    "alerts-topic-missing": "the alerts' topic does not exist",
    "alerts-undelivered": "a topic of the alerts, or its key, does not let AWS publish to it",
    "alerts-topic-widened": "the policy of a topic of the alerts allows more than the settings say",
    "alerts-rule-off": "a rule of the alerts is disabled, redirected or does not exist",
    "alerts-unreceived": "nobody has confirmed the subscription to the alerts",
    "alerts-without-address": "the settings name nobody who gets the alerts, and nobody else does",
    # The evidence of a period.
    "logs-changed": "a log file of the audit trail was changed, deleted or never signed",
    "records-not-encrypted": "the scan of the database found columns that the data key does not protect",
    "mfa-missing": "somebody who can use the key has no MFA device",
    "root-access-key": "the root user has access keys",
    "access-key-old": "an access key of somebody who can use the key is too old",
    # The stack.
    "logs-key-rotation": "the key of the logs does not rotate, or rotates with another period than the stack's",
    "rotation-off": "the key does not rotate",
    "rotation-period": "the key rotates with another period than the settings say",
    "stack-behind": "the settings were changed but not applied",
    "stack-drifted": "the account differs from Pulumi's state",
}
"""Every code and what it means, a cause before its consequences."""

_REMEMBERED = "failure-remembered"
"""What the application caches until it restarts."""

_DENIED = f"access-denied proof-failed {_REMEMBERED}"
"""The results of a verification if the application is not allowed to use the key, or its role cannot be assumed."""

_OPENING = f"{_DENIED} unwrap-failed"
"""The results of a verification that failed for any reason."""

_COMPARISONS = "data-key-foreign variable-outdated parameter-wrong"
"""Differences from the stored data key: if that one is wrong, the others may be right."""

_LOST_KEY = f"{_OPENING} rotation-off rotation-period"

_ABSENT = "alias-missing alias-moved bucket-missing parameter-missing stored-key-missing trail-missing"
"""What a stack that is not there, or not in this Region, lacks."""

_CONSEQUENCES: tuple[tuple[str, str], ...] = (
    (
        "stack-not-built",
        f"{_LOST_KEY} {_ABSENT} data-key-not-created variable-missing policy-missing principal-missing provider-missing"
        " alerts-topic-missing alerts-rule-off",
    ),
    (
        "backend-unreachable stack-state-damaged stack-elsewhere stack-state-lost stack-pending-operations",
        "stack-behind stack-drifted",
    ),
    (
        "stack-elsewhere stack-second-key stack-state-lost",
        "principal-missing policy-missing provider-missing alerts-topic-missing alerts-rule-off trail-missing",
    ),
    (
        "stack-second-key",
        f"{_LOST_KEY} stack-behind stack-drifted alias-moved stored-key-of-another-kms-key key-policy-changed",
    ),
    (
        "region-of-settings",
        f"{_LOST_KEY} {_ABSENT} identity-denied key-id-other-key key-id-other-region key-missing region-wrong"
        " stack-behind stack-drifted",
    ),
    ("key-pending-deletion key-missing key-unavailable key-disabled", _LOST_KEY),
    # The command that saves the key guards it again.
    ("key-pending-deletion", "key-disabled deletion-unguarded"),
    ("key-missing", "alias-missing alias-moved"),
    (
        "service-control-policy principal-missing vercel-oidc-off vercel-issuer-changed provider-missing"
        " provider-audience trust-changed boundary-denies explicit-deny policy-missing policy-detached"
        " policy-edited key-policy-denies key-policy-without-application identity-denied access-key-missing"
        " access-key-deleted access-key-inactive wrong-principal",
        _DENIED,
    ),
    (
        "service-control-policy principal-missing boundary-denies explicit-deny policy-missing policy-detached"
        " policy-edited",
        "identity-denied",
    ),
    ("principal-missing", "trust-changed policy-detached boundary-denies"),
    ("policy-missing", "policy-detached"),
    ("key-policy-denies key-policy-without-application key-policy-not-strict", "key-policy-changed"),
    ("stored-key-of-another-kms-key", _OPENING),
    # Without a data key at hand only the permission is asked: a denial has a cause of its own.
    ("stored-key-missing stored-key-tag-changed stored-key-malformed stored-key-replaced", _REMEMBERED),
    # The command that restores it delivers it too.
    ("stored-key-missing", "parameter-missing variable-missing"),
    ("stack-locked", "stack-pending-operations"),
    # The command that restores the stored data key delivers it too, and is refused while its target is missing.
    ("target-missing", f"stored-key-missing variable-missing deployment-stale deployment-rolling {_REMEMBERED}"),
    ("data-key-not-created", "variable-missing parameter-missing"),
    # A stored value that is no data key of the stack has no version that could be lost.
    ("stored-key-of-another-kms-key data-key-wrong-length unwrap-failed", f"{_COMPARISONS} data-key-version-lost"),
    (
        "data-key-wrong-length unwrap-failed data-key-foreign variable-outdated variable-wrong-environment"
        " variable-missing variable-empty variable-quoted variable-truncated variable-malformed variable-changed"
        " key-id-alias key-id-other-region key-id-other-account key-id-other-key region-wrong variable-unreadable"
        " parameter-missing parameter-wrong task-definition-behind",
        # The command that delivers the right value restarts what runs.
        f"{_REMEMBERED} deployment-stale deployment-rolling",
    ),
    ("variable-wrong-environment", "variable-missing"),
    (
        "trail-missing",
        "trail-copy-off trail-delivery-failing trail-excludes-kms trail-global-events-off trail-encryption-off"
        " trail-other-bucket"
        " trail-single-region trail-stopped trail-validation-off",
    ),
    ("logs-key-unusable trail-other-bucket", "trail-delivery-failing"),
    # To the AWS provider a key that is going to be deleted is gone: first it is saved.
    ("logs-key-unusable", "logs-key-policy-widened logs-key-unguarded"),
    ("trail-single-region", "trail-global-events-off"),
    (
        "bucket-missing",
        "bucket-access-logs-off bucket-lock-missing bucket-lock-short bucket-public bucket-retention-short"
        " bucket-tls-policy-missing bucket-unencrypted bucket-unversioned trail-delivery-failing",
    ),
    ("trail-delivery-failing", "bucket-tls-policy-missing"),
    ("alerts-topic-missing", "alerts-rule-off"),
    ("rotation-off", "rotation-period"),
)
"""Causes, and what follows from each of them."""

_RESOURCES: tuple[tuple[str, str, str], ...] = (
    # What needs the key by its ARN is planned again where the key is gone.
    ("key-pending-deletion key-missing key-unavailable", ":PhiKey$ :AppAccess$ :Delivery$ :Alerts$", ""),
    ("key-disabled", "Key::phi-key", "isEnabled"),
    ("rotation-off rotation-period", "Key::phi-key", "enableKeyRotation rotationPeriodInDays"),
    ("primary-moved", "Key::phi-key", ""),
    ("alias-missing alias-moved", "Alias::phi-key", ""),
    ("boundary-denies", "role:Role:: user:User::", "permissionsBoundary"),
    ("explicit-deny policy-foreign", "role:Role::", "managedPolicyArns inlinePolicies"),
    ("policy-detached execution-role-denied", "PolicyAttachment::", ""),
    ("policy-edited", "policy:Policy::app-access", ""),
    ("provider-audience", "OpenIdConnectProvider::", ""),
    ("trail-stopped", "Trail::audit-trail", "enableLogging"),
    ("trail-excludes-kms", "Trail::audit-trail", "eventSelectors advancedEventSelectors"),
    ("trail-global-events-off", "Trail::audit-trail", "includeGlobalServiceEvents"),
    ("trail-single-region", "Trail::audit-trail", "isMultiRegionTrail includeGlobalServiceEvents"),
    ("trail-validation-off", "Trail::audit-trail", "enableLogFileValidation"),
    ("trail-other-bucket", "Trail::audit-trail", "s3BucketName"),
    ("trail-encryption-off", "Trail::audit-trail", "kmsKeyId"),
    ("logs-key-unusable", "Key::audit-trail-key Alias::audit-trail-key", ""),
    ("bucket-missing", "::audit-trail", ""),
    ("bucket-public", "BucketPublicAccessBlock::audit-trail", ""),
    ("bucket-lock-missing bucket-lock-short", "BucketObjectLockConfiguration::audit-trail", ""),
    ("bucket-unversioned", "BucketVersioning::audit-trail", ""),
    ("bucket-unencrypted", "BucketServerSideEncryptionConfiguration::audit-trail", ""),
    ("logs-key-rotation", "Key::audit-trail-key", "enableKeyRotation rotationPeriodInDays"),
    ("bucket-access-logs-off", "BucketLogging::", ""),
    ("alerts-topic-missing alerts-rule-off", ":Alerts$", ""),
)
"""The resources that causes are about and whose command does not name them, each by a part of its URN; and their
properties, none: all."""


def explain(causes: Collection[str], urn: str, properties: Collection[str]) -> bool:
    """Whether causes that were found are about all of the resource, or together about each of these properties."""
    about = [
        names.split()
        for which, parts, names in _RESOURCES
        if not {*which.split()}.isdisjoint(causes) and any(part in urn for part in parts.split())
    ]
    changed = {each.partition(".")[0].partition("[")[0] for each in properties}
    return [] in about or (bool(changed) and changed <= {name for names in about for name in names})


TABLE: tuple[CheckCode, ...] = tuple(
    CheckCode(
        name=name,
        description=description,
        implies=tuple(
            implied
            for causes, consequences in _CONSEQUENCES
            if name in causes.split()
            for implied in consequences.split()
        ),
    )
    for name, description in _DESCRIPTIONS.items()
)

ADVISORY = frozenset({"alerts-without-address", "key-use-by-others", "region-shared"})
"""Codes of a decision that an auditor asks about: nothing is broken, so they do not make a stack unhealthy."""

CREDENTIALS = frozenset({"operator-credentials", "vercel-token-missing", "vercel-token-refused"})
"""Codes of credentials that the caller lacks: exit code 3."""

UNREAD = CREDENTIALS | {"account-unreachable", "vercel-unreachable"}
"""Codes of what could not be read: a finding of a diagnosis, and nothing known of the stack."""

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
