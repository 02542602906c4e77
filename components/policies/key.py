"""The policy of the PHI key and of its replicas: who administers it, who may delete it, who uses it.

Pure. Ids go in, a dict that is ready for `json.dumps` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.policies.documents import Policy, Statement, account_root_statement, allow, policy

DENY_DELETION = "Deny deletion of the key"
"""Sid of the statement that denies the deletion to all principals that the settings do not name."""

SHORTEST_DELETION_WINDOW_DAYS = 30
"""Waiting period of a deletion that the key policy requires, in days: the longest of KMS."""

DENY_SHORT_WINDOW = "Deny a short waiting period of a deletion"
DENY_DELETION_IN_USE = "Deny deletion of a key in use"
DENY_DISABLING_IN_USE = "Deny disabling of a key in use"
DELETION_DENIALS = (DENY_DELETION, DENY_SHORT_WINDOW, DENY_DELETION_IN_USE)
"""Sids of the statements that can prevent the deletion of a key that is not needed any more."""

APPLICATION_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey")
"""All actions of the application on the key: decrypt its data key, and the calls of its health check."""

ADMINISTRATOR_ACTIONS = (
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:UpdateAlias",
    "kms:DescribeKey",
    "kms:UpdateKeyDescription",
    "kms:EnableKey",
    "kms:DisableKey",
    "kms:EnableKeyRotation",
    "kms:DisableKeyRotation",
    "kms:GetKeyRotationStatus",
    "kms:ListKeyRotations",
    "kms:RotateKeyOnDemand",
    "kms:GetKeyPolicy",
    "kms:ListKeyPolicies",
    "kms:PutKeyPolicy",
    "kms:ListGrants",
    "kms:RevokeGrant",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:ListResourceTags",
    "kms:CancelKeyDeletion",
    "kms:GenerateDataKeyWithoutPlaintext",
)
"""The actions of a key administrator on a symmetric KMS key: all except its use and its deletion.

AWS's own list of administrator permissions without wildcards and without the actions of other kinds of key.
`kms:CreateGrant` is not in it: with a grant an administrator could give away the use of the key, past its policy.
`kms:GenerateDataKeyWithoutPlaintext` is in it: it creates the data key, and returns nothing that can decrypt.
`kms:CancelKeyDeletion` is in it: it can only save the key, and any administrator has to be able to do that.
https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
"""

MULTI_REGION_ACTIONS = ("kms:ReplicateKey", "kms:UpdatePrimaryRegion")
"""Additional actions of an administrator on a multi-Region key.

https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-auth.html
"""

DELETION_ACTIONS = ("kms:ScheduleKeyDeletion",)
"""The action that deletes the key and makes all data under its data keys unreadable."""

USE_ACTIONS = (
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyPair",
    "kms:GenerateDataKeyPairWithoutPlaintext",
    "kms:CreateGrant",
)
"""Every use of a symmetric key except GenerateDataKeyWithoutPlaintext, and the grant that gives a use away."""


def key_policy(
    *,
    account_id: str,
    administrators: Sequence[str],
    app_principal_arns: Sequence[str],
    administrator_patterns: Sequence[str] = (),
    deletion_administrators: Sequence[str] = (),
    usage_guard_days: int = 0,
    incident_responders: Sequence[str] = (),
    strict: bool = False,
    exclusive_use: bool = False,
    multi_region: bool = False,
    partition: str = "aws",
    application: str = "EONPRO",
) -> Policy:
    """The PHI key's own policy, its statements in the order in which an auditor reads them.

    `strict` omits the delegation to IAM; `exclusive_use` denies the use to everybody except the application, which the
    statements about its use name.
    """
    statements = key_administration_statements(
        account_id=account_id,
        administrators=administrators,
        administrator_patterns=administrator_patterns,
        deletion_administrators=deletion_administrators,
        usage_guard_days=usage_guard_days,
        incident_responders=incident_responders,
        actions=(*ADMINISTRATOR_ACTIONS, *(MULTI_REGION_ACTIONS if multi_region else ())),
        delegates_to_iam=not strict,
        partition=partition,
    )
    statements.append(application_use_statement(app_principal_arns=app_principal_arns, application=application))
    if exclusive_use:
        statements.append(exclusive_use_statement(app_principal_arns=app_principal_arns, application=application))
    return policy(statements)


def key_administration_statements(
    *,
    account_id: str,
    administrators: Sequence[str],
    administrator_patterns: Sequence[str],
    deletion_administrators: Sequence[str],
    usage_guard_days: int,
    incident_responders: Sequence[str],
    partition: str,
    actions: Sequence[str] = ADMINISTRATOR_ACTIONS,
    delegates_to_iam: bool = True,
) -> list[Statement]:
    """The first statements of every key of a stack: who may administer it, who may end it, and nobody's use of it."""
    statements = [account_root_statement(account_id=account_id, partition=partition)] if delegates_to_iam else []
    if administrators:
        statements.append(administration_statement(administrators=administrators, actions=actions))
    if administrator_patterns:
        statements.append(
            pattern_administration_statement(
                account_id=account_id, patterns=administrator_patterns, actions=actions, partition=partition
            )
        )
    statements += deletion_statements(deletion_administrators=deletion_administrators)
    statements += usage_guard_statements(days=usage_guard_days, incident_responders=incident_responders)
    return statements


def administration_statement(
    *, administrators: Sequence[str], actions: Sequence[str] = ADMINISTRATOR_ACTIONS
) -> Statement:
    """Allows the key administrators to manage the key, but not to use or delete it."""
    return _statement("Allow administration of the key", administrators, actions)


def pattern_administration_statement(
    *, account_id: str, patterns: Sequence[str], actions: Sequence[str] = ADMINISTRATOR_ACTIONS, partition: str = "aws"
) -> Statement:
    """Allows roles that match a pattern to manage the key, where an IAM policy of theirs allows it too.

    A principal cannot have a wildcard, so the account is the principal and the pattern is a condition. This matches the
    roles of IAM Identity Center, whose names have random endings.
    https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html
    """
    return {
        **_statement("Allow administration by SSO roles", (f"arn:{partition}:iam::{account_id}:root",), actions),
        "Condition": {"ArnLike": {"aws:PrincipalArn": list(patterns)}},
    }


def deletion_statements(*, deletion_administrators: Sequence[str]) -> list[Statement]:
    """Allows the named principals to schedule the key's deletion, and denies it to everybody else, also where IAM
    allows it.

    Without a name nobody can: to delete the key somebody has to change this policy first, which causes an alert.
    """
    denied: Statement = {
        "Sid": DENY_DELETION,
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": list(DELETION_ACTIONS),
        "Resource": "*",
    }
    if not deletion_administrators:
        return [denied]
    denied["Condition"] = {"ArnNotEquals": {"aws:PrincipalArn": list(deletion_administrators)}}
    return [_statement("Allow deletion of the key", deletion_administrators, DELETION_ACTIONS), denied]


def usage_guard_statements(*, days: int, incident_responders: Sequence[str]) -> list[Statement]:
    """Denies disabling and deletion while the key was used in the last `days`, and a short waiting period; 0: nothing.

    The incident responders are allowed to disable the key even so. KMS counts full days since the last cryptographic
    operation, or since the creation. Where a Region does not know the condition key, the request lacks
    it, a numeric operator without IfExists does not match, and these statements deny nothing: never use IfExists here,
    which would make the key impossible to disable in such a Region.
    https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-trailing-days-without-key-usage
    """
    if not days:
        return []
    in_use = {"NumericLessThan": {"kms:TrailingDaysWithoutKeyUsage": str(days)}}
    window = {"NumericLessThan": {"kms:ScheduleKeyDeletionPendingWindowInDays": str(SHORTEST_DELETION_WINDOW_DAYS)}}
    others = {"ArnNotEquals": {"aws:PrincipalArn": list(incident_responders)}} if incident_responders else {}
    allowed = _statement("Allow disabling of the key in an incident", incident_responders, ("kms:DisableKey",))
    denied: list[Statement] = [
        {
            "Sid": sid,
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": action,
            "Resource": "*",
            "Condition": condition,
        }
        for sid, action, condition in (
            (DENY_SHORT_WINDOW, "kms:ScheduleKeyDeletion", window),
            (DENY_DELETION_IN_USE, "kms:ScheduleKeyDeletion", in_use),
            (DENY_DISABLING_IN_USE, "kms:DisableKey", {**in_use, **others}),
        )
    ]
    return [allowed, *denied] if incident_responders else denied


def application_use_statement(*, app_principal_arns: Sequence[str], application: str = "EONPRO") -> Statement:
    """Allows the application APPLICATION_ACTIONS on the key, and nothing else."""
    return _statement(f"Allow use of the key for {application}", app_principal_arns, APPLICATION_ACTIONS)


def exclusive_use_statement(*, app_principal_arns: Sequence[str], application: str = "EONPRO") -> Statement:
    """Denies the use of the key to everybody except the application, also where IAM allows it."""
    return {
        "Sid": f"Deny use of the key to all but {application}",
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": list(USE_ACTIONS),
        "Resource": "*",
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": list(app_principal_arns)}},
    }


def _statement(sid: str, principals: Sequence[str], actions: Sequence[str]) -> Statement:
    # In a key policy "*" is the key itself, which has no ARN yet when the policy is written.
    return allow(sid, list(actions), "*", principal={"AWS": list(principals)})
