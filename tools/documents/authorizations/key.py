"""The tables of the PHI key's own policy, in each of its modes.

Pure.
"""

from components.policies.stack import key_policy_of
from tools.documents.authorizations.principals import (
    ADMINISTRATOR,
    ADMINISTRATOR_WITH_ALL,
    APPLICATION,
    APPLICATION_WITH_ALL,
    CLOUDTRAIL,
    DELETER,
    DEVELOPER,
    KEY,
    POWERFUL,
    RESPONDER,
    ROOT,
    SECOND_ADMINISTRATOR,
    SSO_ADMINISTRATOR,
    SSO_ADMINISTRATOR_HOME,
    SSO_LOOKALIKE,
    SSO_OTHER,
    SSO_PATTERN,
    SSO_SIMILAR,
    SSO_WITHOUT_IAM,
    STRANGER,
    STRANGER_ROOT,
    settings,
)
from tools.documents.authorizations.rows import Kind, Table, may, may_not

ROOT_SID = "Enable IAM policies"
ADMIN_SID = "Allow administration of the key"
SSO_SID = "Allow administration by SSO roles"
USE_SID = "Allow use of the key for EONPRO"
DELETE_SID = "Allow deletion of the key"
NO_DELETION = "Deny deletion of the key"
NO_SHORT_WINDOW = "Deny a short waiting period of a deletion"
NO_DELETION_IN_USE = "Deny deletion of a key in use"
NO_DISABLING_IN_USE = "Deny disabling of a key in use"
RESPOND_SID = "Allow disabling of the key in an incident"
NO_USE = "Deny use of the key to all but EONPRO"

USES = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:CreateGrant")
END = "kms:ScheduleKeyDeletion"
DISABLE = "kms:DisableKey"

IN_USE = {"kms:TrailingDaysWithoutKeyUsage": "89"}
UNUSED = {"kms:TrailingDaysWithoutKeyUsage": "90"}

BY_DEFAULT = Table(
    title="The PHI key with its default policy",
    about="Nobody can delete it, or disable it within `usageGuardDays` of a use (where the Region counts them). The "
    "rest is left to IAM, by which others can decrypt too, unless `exclusiveUse` is set.",
    kind=Kind.KEY,
    policy=key_policy_of(settings()),
    resource=KEY,
    rows=(
        *may(APPLICATION, "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", by=USE_SID),
        *may(ADMINISTRATOR, "kms:PutKeyPolicy", "kms:DisableKey", "kms:EnableKeyRotation", by=ADMIN_SID),
        *may(ADMINISTRATOR, "kms:CancelKeyDeletion", by=ADMIN_SID, how="to save the key"),
        *may(ADMINISTRATOR, DISABLE, by=ADMIN_SID, how="90 days after the last use", context=UNUSED),
        *may(
            ADMINISTRATOR,
            "kms:GenerateDataKeyWithoutPlaintext",
            by=ADMIN_SID,
            how="which it cannot open",
        ),
        *may(SECOND_ADMINISTRATOR, "kms:PutKeyPolicy", by=ADMIN_SID),
        *may(ROOT, "kms:PutKeyPolicy", by=ROOT_SID),
        *may(POWERFUL, "kms:PutKeyPolicy", "kms:Decrypt", by=ROOT_SID),
        *may(ADMINISTRATOR_WITH_ALL, "kms:Decrypt", by=ROOT_SID),
        *may_not(
            APPLICATION,
            "kms:Encrypt",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:CreateGrant",
            "kms:PutKeyPolicy",
            "kms:DisableKey",
            "kms:UpdateAlias",
        ),
        *may_not(APPLICATION, END, by=NO_DELETION),
        *may_not(APPLICATION_WITH_ALL, END, by=NO_DELETION),
        *may_not(ADMINISTRATOR, *USES, how="without an IAM policy that allows it"),
        *may_not(ADMINISTRATOR, DISABLE, by=NO_DISABLING_IN_USE, how="89 days after a use", context=IN_USE),
        *may_not(ROOT, DISABLE, by=NO_DISABLING_IN_USE, how="89 days after a use", context=IN_USE),
        *may_not(ADMINISTRATOR, END, by=NO_DELETION),
        *may_not(ADMINISTRATOR_WITH_ALL, END, by=NO_DELETION),
        *may_not(POWERFUL, END, by=NO_DELETION),
        *may_not(ROOT, END, by=NO_DELETION),
        *may_not(DEVELOPER, "kms:Decrypt", "kms:DescribeKey", "kms:PutKeyPolicy"),
        *may_not(STRANGER, "kms:Decrypt", "kms:PutKeyPolicy", how="by IAM of their own account"),
        *may_not(STRANGER_ROOT, "kms:Decrypt"),
        *may_not(CLOUDTRAIL, "kms:GenerateDataKey", "kms:Decrypt", how="as for the logs' own key"),
    ),
)

DELETION = Table(
    title="The PHI key with deletion administrators",
    about="`deletionAdministrators` may schedule the deletion of a key that is not in use, `incidentResponders` may "
    "disable one in use.",
    kind=Kind.KEY,
    policy=key_policy_of(
        settings(deletion_administrators=(DELETER.identity,), incident_responders=(RESPONDER.identity,))
    ),
    resource=KEY,
    rows=(
        *may(DELETER, END, by=DELETE_SID, how="90 days after the last use", context=UNUSED),
        *may(RESPONDER, DISABLE, by=RESPOND_SID, how="89 days after a use", context=IN_USE),
        *may_not(DELETER, END, by=NO_DELETION_IN_USE, how="89 days after a use", context=IN_USE),
        *may_not(
            DELETER,
            END,
            by=NO_SHORT_WINDOW,
            how="with a waiting period of 29 days",
            context={**UNUSED, "kms:ScheduleKeyDeletionPendingWindowInDays": "29"},
        ),
        *may_not(ADMINISTRATOR, DISABLE, by=NO_DISABLING_IN_USE, how="89 days after a use", context=IN_USE),
        *may_not(RESPONDER, "kms:Decrypt", "kms:PutKeyPolicy"),
        *may_not(RESPONDER, END, by=NO_DELETION),
        *may(ADMINISTRATOR, "kms:CancelKeyDeletion", by=ADMIN_SID),
        *may_not(DELETER, "kms:Decrypt", "kms:PutKeyPolicy", "kms:DisableKey"),
        *may_not(ADMINISTRATOR, END, by=NO_DELETION),
        *may_not(ADMINISTRATOR_WITH_ALL, END, by=NO_DELETION),
        *may_not(APPLICATION_WITH_ALL, END, by=NO_DELETION),
        *may_not(ROOT, END, by=NO_DELETION),
        *may_not(STRANGER, END, by=NO_DELETION),
    ),
)

SSO = Table(
    title="The PHI key with administrators from IAM Identity Center",
    about=f"`administratorPatterns` is `{SSO_PATTERN}`, with a wildcard before the role's name: its path contains the "
    "Region of Identity Center unless that is us-east-1.",
    kind=Kind.KEY,
    policy=key_policy_of(settings(administrator_patterns=(SSO_PATTERN,), strict_key_policy=True)),
    resource=KEY,
    rows=(
        *may(SSO_ADMINISTRATOR, "kms:PutKeyPolicy", "kms:DisableKey", by=SSO_SID),
        *may(SSO_ADMINISTRATOR_HOME, "kms:PutKeyPolicy", by=SSO_SID),
        *may_not(SSO_ADMINISTRATOR, *USES[:3]),
        *may_not(SSO_ADMINISTRATOR, END, by=NO_DELETION),
        *may_not(SSO_WITHOUT_IAM, "kms:PutKeyPolicy"),
        *may_not(SSO_OTHER, "kms:PutKeyPolicy", "kms:DisableKey", but=("aws:PrincipalArn",)),
        *may_not(SSO_LOOKALIKE, "kms:PutKeyPolicy", but=("aws:PrincipalArn",)),
        *may_not(SSO_SIMILAR, "kms:PutKeyPolicy", but=("aws:PrincipalArn",)),
        *may_not(ROOT, "kms:PutKeyPolicy", but=("aws:PrincipalArn",)),
    ),
)

STRICT = Table(
    title="The PHI key with a strict policy",
    about="`strictKeyPolicy` omits the delegation to IAM: who is not named has no right, not even the account's root. "
    "It needs two administrators.",
    kind=Kind.KEY,
    policy=key_policy_of(settings(strict_key_policy=True)),
    resource=KEY,
    rows=(
        *may(APPLICATION, "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", by=USE_SID),
        *may(ADMINISTRATOR, "kms:PutKeyPolicy", by=ADMIN_SID),
        *may(SECOND_ADMINISTRATOR, "kms:PutKeyPolicy", by=ADMIN_SID),
        *may_not(POWERFUL, "kms:Decrypt", "kms:PutKeyPolicy", "kms:DescribeKey"),
        *may_not(ROOT, "kms:Decrypt", "kms:PutKeyPolicy"),
        *may_not(ROOT, END, by=NO_DELETION),
        *may_not(ADMINISTRATOR_WITH_ALL, "kms:Decrypt", "kms:CreateGrant"),
        *may_not(APPLICATION_WITH_ALL, "kms:Encrypt", "kms:PutKeyPolicy", "kms:CreateGrant"),
    ),
)

EXCLUSIVE = Table(
    title="The PHI key for the application's exclusive use",
    about="`exclusiveUse` denies every use to all but the application, whatever IAM allows.",
    kind=Kind.KEY,
    policy=key_policy_of(settings(exclusive_use=True)),
    resource=KEY,
    rows=(
        *may(APPLICATION, "kms:Decrypt", "kms:GenerateDataKey", by=USE_SID),
        *may(ADMINISTRATOR, "kms:PutKeyPolicy", "kms:GenerateDataKeyWithoutPlaintext", by=ADMIN_SID),
        *may(POWERFUL, "kms:PutKeyPolicy", by=ROOT_SID, how="which lifts the denial, and is seen"),
        *may_not(ADMINISTRATOR_WITH_ALL, *USES, by=NO_USE),
        *may_not(POWERFUL, "kms:Decrypt", "kms:CreateGrant", by=NO_USE),
        *may_not(ROOT, "kms:Decrypt", by=NO_USE),
        *may_not(STRANGER, "kms:Decrypt", by=NO_USE),
    ),
)

MULTI_REGION = Table(
    title="The PHI key in several Regions",
    about="The primary and each replica have this one policy.",
    kind=Kind.KEY,
    policy=key_policy_of(settings(multi_region=True, replica_regions=("us-west-2",))),
    resource=KEY,
    rows=(
        *may(ADMINISTRATOR, "kms:ReplicateKey", "kms:UpdatePrimaryRegion", by=ADMIN_SID),
        *may(APPLICATION, "kms:Decrypt", by=USE_SID),
        *may_not(APPLICATION, "kms:ReplicateKey", "kms:UpdatePrimaryRegion"),
        *may_not(ADMINISTRATOR, "kms:Decrypt", how="without an IAM policy that allows it"),
        *may_not(ROOT, END, by=NO_DELETION),
        *may_not(STRANGER, "kms:ReplicateKey"),
    ),
)

TABLES = (BY_DEFAULT, DELETION, SSO, STRICT, EXCLUSIVE, MULTI_REGION)
