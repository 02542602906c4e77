"""The check codes, one table: what each means, what follows from it, and the resources that it is about.

Pure. The names are a contract (`docs/reference/check-codes.md`): programs act on them, and a name is never given
another meaning.
"""

from collections.abc import Collection, Iterable
from enum import StrEnum


class Category(StrEnum):
    """What a finding with the code means for the stack."""

    FAULT = "fault"
    DECISION = "decision"
    """An auditor asks about it: nothing is broken, so it does not make a stack unhealthy."""
    UNREAD = "unread"
    """Something could not be read: a finding of a diagnosis, and nothing known of the stack."""
    CREDENTIALS = "credentials"
    """The same, because the caller lacks credentials: exit code 3."""


DENIED = "access-denied proof-failed failure-remembered"
"""The results of a verification if the application is not allowed to use the key, or its role cannot be assumed."""

UNPROVEN = f"{DENIED} unwrap-failed"
"""The results of a verification that failed for any reason."""

WITHOUT_KEY = f"{UNPROVEN} rotation-off rotation-period"
"""What follows if the key cannot be used."""

ABSENT = "alias-missing alias-moved bucket-missing parameter-missing stored-key-missing trail-missing"
"""What a stack that is not there, or not in this Region, lacks."""

CODES = {
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
    "names-of-settings": "the settings name another application, environment or bucket than the stack has",
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
    "service-control-policy": "the organization forbids it",
    "resource-control-policy": "the organization forbids the use of this key",
    "principal-missing": "the application's role or user does not exist",
    "vercel-oidc-off": "the project on Vercel gives its deployments no OIDC token",
    "vercel-issuer-changed": "the project's tokens on Vercel come from another issuer than the role trusts",
    "provider-missing": "the OIDC provider does not exist",
    "provider-audience": "the OIDC provider does not know the audience",
    "trust-changed": "the role does not trust the application's platform",
    "trust-widened": "the role trusts a principal that the settings do not name",
    "ci-trust-unreviewed": "a role of CI trusts pull requests, whose code nobody read",
    "ci-trust-outdated": "a role of CI trusts another subject than the one GitHub sends",
    "policy-foreign": "a role or the user of the stack has a policy of somebody else",
    "boundary-denies": "the permissions boundary does not allow the key",
    "boundary-missing": "a role or the user of the stack lacks the permissions boundary of the settings",
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
    "role-trusts-other-account": "another account can assume a role outside the settings that can use the key",
    "key-use-by-others": "neither the settings nor a signed review give somebody's right on the key",
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
    "key-check-value-differs": "the stored data key opens to another key than was recorded, or than any version",
    "data-key-version-lost": "a kept version of the data key does not exist, or its value was replaced",
    "stored-key-overwritten": "somebody else wrote to the stored data key or a version, whose value is right again",
    "backup-missing": "the last backup's file, object or copy does not exist",
    "backup-unusable": "what is at the last backup's place is not a backup of the data key",
    "data-key-foreign": "the application has another data key than the stored one",
    "variable-outdated": "the application has an earlier version of the data key",
    "former-key-beside": "the application has its ENCRYPTION_KEY from before beside the data key",
    "variable-wrong-environment": "a variable exists for other environments only",
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
    "variable-shared": "other code reads a variable, and fails with the stack's value",
    "region-shared": "other code reads the variable of the Region",
    "variable-unreadable": "a variable cannot be read, and its comment does not name the data key",
    "variable-type": "a variable is not stored as a Secret",
    "parameter-missing": "a parameter next to the stored data key does not exist",
    "parameter-wrong": "a parameter next to the stored data key has another value",
    "task-definition-behind": "the service's task definition lacks the variables",
    "access-denied": "the application is denied, but no readable policy denies it",
    "proof-failed": "the application could not decrypt its data key",
    "deployment-stale": "the running instances started before the last change of their variables",
    "deployment-rolling": "a rolling release to what has the new values is not complete",
    "failure-remembered": "the running instances cached a failed load of the key",
    "trail-missing": "the trail does not exist",
    "trail-stopped": "the trail does not log",
    "trail-excludes-kms": "the trail excludes KMS",
    "trail-other-bucket": "the trail writes to another bucket",
    "trail-single-region": "the trail records one Region",
    "trail-global-events-off": "the trail excludes the global services",
    "trail-validation-off": "the trail's files are not validated",
    "bucket-missing": "the trail's bucket does not exist",
    "logs-key-unusable": "the key of the logs is disabled, going to be deleted, or gone",
    "logs-key-policy-widened": "the policy of the key of the logs allows more than the settings say",
    "logs-key-unguarded": "the policy of the key of the logs allows the deletion of that key",
    "trail-delivery-failing": "the trail cannot write to its bucket",
    "bucket-public": "the trail's bucket can become public",
    "bucket-policy-widened": "others than the settings say can read, change or delete the logs",
    "bucket-lock-missing": "the trail's bucket has no Object Lock",
    "bucket-retention-short": "the logs are kept for less than six years",
    "bucket-tls-policy-missing": "the trail's bucket accepts HTTP without TLS, or TLS older than 1.2",
    "bucket-unversioned": "the trail's bucket has no versioning",
    "bucket-unencrypted": "the trail's bucket has no default encryption",
    "bucket-lock-short": "the trail's bucket locks for less time than the settings say",
    "bucket-access-logs-off": "the requests to the trail's bucket are not logged",
    "documents-key-unusable": "the key of the documents is disabled, going to be deleted, or gone",
    "documents-key-policy-widened": "the policy of the key of the documents allows more than the settings say",
    "documents-bucket-missing": "a bucket of documents does not exist in the account",
    "documents-public": "a bucket of documents can become public",
    "documents-policy-foreign": "somebody outside the account can read, change or delete documents",
    "documents-key-wrong": "a bucket of documents encrypts by default under another key",
    "documents-encryption-open": "a bucket of documents takes uploads with another encryption",
    "documents-elsewhere": "objects of a bucket of documents are under another key, of a sample",
    "documents-tls-policy-missing": "a bucket of documents accepts HTTP without TLS, or TLS older than 1.2",
    "trail-encryption-off": "the logs are not encrypted with their own key",
    "trail-copy-off": "the trail does not copy its events to the log group of the settings",
    "alerts-topic-missing": "the alerts' topic does not exist",
    "alerts-undelivered": "a topic of the alerts, or its key, does not let AWS publish to it",
    "alerts-topic-widened": "the policy of a topic of the alerts allows more than the settings say",
    "alerts-rule-off": "a rule of the alerts is disabled, redirected or does not exist",
    "alerts-unreceived": "nobody has confirmed the subscription to the alerts",
    # Behind every finding that names the same document: where there is one, it is not told.
    "stranger-let-in": "a document of the stack names somebody whom the settings do not",
    "alerts-without-address": "nobody gets the alerts, and the settings name nobody",
    "logs-changed": "a log file of the audit trail was changed, deleted or never signed",
    "records-not-encrypted": "the scan of the database found columns that the data key does not protect",
    "mfa-missing": "somebody who can use the key has no MFA device",
    "root-access-key": "the root user has access keys",
    "access-key-old": "an access key of somebody who can use the key is too old",
    "logs-key-rotation": "the key of the logs does not rotate, or with another period",
    "documents-key-rotation": "the key of the documents does not rotate, or with another period",
    "rotation-off": "the key does not rotate",
    "rotation-period": "the key rotates with another period than the settings say",
    "stack-behind": "the settings were changed but not applied",
    "stack-drifted": "the account differs from Pulumi's state",
}
"""The meaning of each code, in the order of the findings: a cause before its consequences."""

CATEGORIES = {
    Category.DECISION: "key-use-by-others region-shared alerts-without-address",
    Category.UNREAD: "account-unreachable vercel-unreachable",
    Category.CREDENTIALS: "operator-credentials vercel-token-missing vercel-token-refused",
}
"""The codes that are not of a fault."""

CONSEQUENCES = (
    ("alerts-topic-missing", "alerts-rule-off"),
    (
        "region-of-settings",
        f"{WITHOUT_KEY} {ABSENT} identity-denied key-id-other-key key-id-other-region key-missing region-wrong "
        "stack-behind stack-drifted",
    ),
    (
        "names-of-settings",
        f"{WITHOUT_KEY} {ABSENT} key-policy-changed principal-missing policy-missing provider-missing policy-detached "
        "logs-key-unusable logs-key-policy-widened bucket-policy-widened bucket-access-logs-off "
        "alerts-topic-missing alerts-topic-widened alerts-undelivered alerts-rule-off trail-other-bucket "
        "trail-encryption-off data-key-not-created",
    ),
    ("key-pending-deletion key-missing key-unavailable key-disabled", WITHOUT_KEY),
    # The command that saves the key guards it again. To AWS's provider it is gone: an update would make another one.
    ("key-pending-deletion", "key-disabled deletion-unguarded stack-behind"),
    ("key-missing", "alias-missing alias-moved"),
    ("rotation-off", "rotation-period"),
    ("key-policy-denies key-policy-without-application key-policy-not-strict", "key-policy-changed"),
    (
        "bucket-missing",
        "bucket-access-logs-off bucket-lock-missing bucket-lock-short bucket-public bucket-retention-short "
        "bucket-tls-policy-missing bucket-unencrypted bucket-unversioned trail-delivery-failing",
    ),
    (
        "vercel-oidc-off vercel-issuer-changed provider-missing provider-audience trust-changed "
        "key-policy-denies key-policy-without-application",
        DENIED,
    ),
    (
        "service-control-policy principal-missing boundary-denies explicit-deny policy-missing "
        "policy-detached policy-edited",
        f"{DENIED} identity-denied",
    ),
    ("identity-denied access-key-missing access-key-deleted access-key-inactive", DENIED),
    ("principal-missing", "trust-changed policy-detached boundary-denies"),
    ("policy-missing", "policy-detached"),
    # The command that puts the boundary of the settings in its place solves both.
    ("boundary-denies", "boundary-missing"),
    ("wrong-principal", DENIED),
    # The command that delivers the right value restarts what runs.
    (
        "data-key-wrong-length unwrap-failed data-key-foreign variable-outdated variable-wrong-environment "
        "variable-missing variable-empty variable-quoted variable-truncated variable-malformed "
        "variable-changed key-id-alias key-id-other-region key-id-other-account key-id-other-key region-wrong "
        "variable-unreadable parameter-missing parameter-wrong task-definition-behind",
        "failure-remembered deployment-stale deployment-rolling",
    ),
    ("documents-key-unusable", "documents-key-policy-widened documents-key-rotation stack-behind"),
    (
        "stack-not-built",
        f"{WITHOUT_KEY} {ABSENT} data-key-not-created variable-missing variable-wrong-environment policy-missing "
        "principal-missing provider-missing alerts-topic-missing alerts-rule-off alerts-undelivered "
        "alerts-topic-widened bucket-lock-missing bucket-access-logs-off",
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
        f"{WITHOUT_KEY} stack-behind stack-drifted alias-moved stored-key-of-another-kms-key key-policy-changed",
    ),
    ("stack-locked", "stack-pending-operations"),
    ("stored-key-of-another-kms-key", UNPROVEN),
    # Without a data key at hand only the permission is asked: a denial has a cause of its own.
    ("stored-key-missing stored-key-tag-changed stored-key-malformed stored-key-replaced", "failure-remembered"),
    # The command that restores it delivers it too.
    ("stored-key-missing", "parameter-missing variable-missing"),
    ("data-key-not-created", "variable-missing parameter-missing"),
    # What differs from a wrong stored value may be right, and a value that is no data key has no version to lose.
    (
        "stored-key-of-another-kms-key data-key-wrong-length unwrap-failed key-check-value-differs stored-key-replaced",
        "data-key-foreign variable-outdated parameter-wrong data-key-version-lost",
    ),
    # What a foreign data key opens to is its consequence.
    ("stored-key-replaced", "data-key-wrong-length unwrap-failed key-check-value-differs"),
    (
        "key-policy-changed deletion-unguarded replica-foreign policy-widened trust-changed trust-widened "
        "logs-key-policy-widened documents-key-policy-widened bucket-policy-widened alerts-topic-widened",
        "stranger-let-in",
    ),
    (
        "trail-missing",
        "trail-copy-off trail-delivery-failing trail-excludes-kms trail-global-events-off "
        "trail-encryption-off trail-other-bucket trail-single-region trail-stopped trail-validation-off",
    ),
    ("logs-key-unusable trail-other-bucket", "trail-delivery-failing"),
    # To AWS's provider a key that is going to be deleted is gone: an update would make another one, and what was
    # recorded
    # under the first could be read for as long as that waits. So first it is saved.
    ("logs-key-unusable", "logs-key-policy-widened logs-key-unguarded stack-behind"),
    ("trail-single-region", "trail-global-events-off"),
    ("trail-delivery-failing", "bucket-tls-policy-missing"),
    # The command that restores the stored data key delivers it too, and is refused while its target is missing.
    ("target-missing", "stored-key-missing variable-missing deployment-stale deployment-rolling failure-remembered"),
    ("variable-wrong-environment", "variable-missing"),
)
"""Causes, and what follows from each of them and is not reported with it."""

RESOURCES = (
    ("alerts-topic-missing alerts-rule-off", ":Alerts$", ""),
    ("key-pending-deletion key-missing key-unavailable", ":PhiKey$ :AppAccess$ :Delivery$ :Alerts$", ""),
    ("key-disabled", "Key::phi-key", "isEnabled"),
    ("rotation-off rotation-period", "Key::phi-key", "enableKeyRotation rotationPeriodInDays"),
    ("alias-missing alias-moved", "Alias::phi-key", ""),
    ("primary-moved", "Key::phi-key", ""),
    ("bucket-missing", "::audit-trail", ""),
    ("bucket-public", "BucketPublicAccessBlock::audit-trail", ""),
    ("bucket-lock-missing bucket-lock-short", "BucketObjectLockConfiguration::audit-trail", ""),
    ("bucket-unversioned", "BucketVersioning::audit-trail", ""),
    ("bucket-unencrypted", "BucketServerSideEncryptionConfiguration::audit-trail", ""),
    ("bucket-access-logs-off", "BucketLogging::", ""),
    ("execution-role-denied", "PolicyAttachment::", ""),
    ("provider-audience", "OpenIdConnectProvider::", ""),
    ("boundary-denies boundary-missing", "role:Role:: user:User::", "permissionsBoundary"),
    ("explicit-deny policy-foreign", "role:Role::", "managedPolicyArns inlinePolicies"),
    ("policy-detached", "PolicyAttachment::", ""),
    ("policy-edited", "policy:Policy::app-access", ""),
    ("documents-key-unusable", "Key::documents-key Alias::documents-key", ""),
    ("documents-key-rotation", "Key::documents-key", "enableKeyRotation rotationPeriodInDays"),
    ("trail-stopped", "Trail::audit-trail", "enableLogging"),
    ("trail-excludes-kms", "Trail::audit-trail", "eventSelectors advancedEventSelectors"),
    ("trail-global-events-off", "Trail::audit-trail", "includeGlobalServiceEvents"),
    ("trail-single-region", "Trail::audit-trail", "isMultiRegionTrail includeGlobalServiceEvents"),
    ("trail-validation-off", "Trail::audit-trail", "enableLogFileValidation"),
    ("trail-other-bucket", "Trail::audit-trail", "s3BucketName"),
    ("trail-encryption-off", "Trail::audit-trail", "kmsKeyId"),
    ("logs-key-unusable", "Key::audit-trail-key Alias::audit-trail-key", ""),
    ("logs-key-rotation", "Key::audit-trail-key", "enableKeyRotation rotationPeriodInDays"),
)
"""Causes; a part of the URN of each resource that they are about and their command does not name; its properties."""


_PLACES = {name: place for place, name in enumerate(CODES)}
_CATEGORY = dict.fromkeys(CODES, Category.FAULT)
_CATEGORY |= {name: category for category, names in CATEGORIES.items() for name in names.split()}
_IMPLIED: dict[str, set[str]] = {name: set() for name in CODES}
for _causes, _consequences in CONSEQUENCES:
    for _cause in _causes.split():
        _IMPLIED[_cause].update(_consequences.split())


def category_of(name: str) -> Category:
    """What a finding with the code means. Raises KeyError for an unknown name."""
    return _CATEGORY[name]


def is_unread(name: str) -> bool:
    """Whether the finding says that something could not be read. False for no code."""
    return bool(name) and category_of(name) in (Category.UNREAD, Category.CREDENTIALS)


def explain(causes: Collection[str], urn: str, properties: Collection[str]) -> bool:
    """Whether causes that were found are about all of the resource, or together about each of these properties."""
    about = [
        frozenset(names.split())
        for which, parts, names in RESOURCES
        if not set(causes).isdisjoint(which.split()) and any(part in urn for part in parts.split())
    ]
    changed = {each.partition(".")[0].partition("[")[0] for each in properties}
    return frozenset() in about or (bool(changed) and changed <= frozenset().union(*about))


def place(name: str) -> int:
    """The position of a cause in the order. Raises KeyError for an unknown name."""
    return _PLACES[name]


def implied_by(names: Iterable[str]) -> frozenset[str]:
    """All causes that follow from these, directly or not."""
    implied: set[str] = set()
    pending = list(names)
    while pending:
        for name in _IMPLIED[pending.pop()]:
            if name not in implied:
                implied.add(name)
                pending.append(name)
    return frozenset(implied)
