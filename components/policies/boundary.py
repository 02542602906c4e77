"""The permissions boundary of the roles and the user of a stack: the most that each of them ever needs.

Pure. An administrator creates it once. A role that is made with it can do no more, whatever its policies say.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-delegate
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.policies import stack
from components.policies.access import application_statements
from components.policies.documents import Policy, Statement, allow, policy
from components.policies.key import APPLICATION_ACTIONS
from components.policies.named_resources import ROLE, USER, named_resources
from components.policies.s3_documents import (
    DOCUMENT_ACTIONS,
    DOCUMENT_USE_ACTIONS,
    DOCUMENTS_KEY_TAGS,
    through_s3_condition,
)
from components.policies.trail import LOGS_KEY_TAGS
from components.settings import ResourceKind, SecretStore, Settings
from components.targets.platform import NewRole


def boundary_arn_of(settings: Settings) -> str:
    """The ARN of the settings' boundary, or the one that the stack's own has, or will have."""
    return settings.permissions_boundary_arn or settings.arn("iam", f"policy/{settings.names.boundary}")


def bounded_arns(settings: Settings) -> list[str]:
    """The ARNs of the roles and the user that the stack makes."""
    return [row.arn for row in named_resources(settings) if row.is_made and row.type in (ROLE, USER)]


def boundary_of(settings: Settings) -> Policy:
    """The boundary's document, with the most that each principal that the stack makes may do, and only that principal.

    One policy bounds all of them, so each statement names its principal: a log role that is given the application's
    policy can still not decrypt.
    """
    return policy(_statements(settings))


def _statements(settings: Settings) -> Iterator[Statement]:
    names = settings.names
    application = [
        *([settings.arn("iam", f"role/{names.app_role}")] if settings.makes_role else []),
        *([settings.arn("iam", f"user/{names.app_user}")] if settings.makes_user else []),
    ]
    reading = stack.reading_policy_of(settings)[1]["Statement"] if settings.uses_store else []
    if application:
        own = reading if stack.reads_itself(settings) else []
        documents = _document_statements(settings)
        yield from _only_for(application, "Application", [_without_documents(settings), *own, *documents])
    for reader in stack.readers_of(settings):
        if isinstance(reader.role, NewRole):
            inline = reader.role.inline_policy
            own = inline[1]["Statement"] if inline else []
            yield from _only_for([reader.arn], reader.target.title(), [*own, *reading])
    if settings.makes_trail and stack.logs_to_cloudwatch(settings):
        document = stack.log_role_policies_of(settings)[1]
        yield from _only_for([settings.arn("iam", f"role/{names.log_role}")], "Trail", document["Statement"])
    if stack.forwards_events(settings):
        document = stack.forwarding_policies_of(settings)[1]
        yield from _only_for([settings.arn("iam", f"role/{names.forwarding_role}")], "Alerts", document["Statement"])


def application_statement(settings: Settings) -> Statement:
    """APPLICATION_ACTIONS on the stack's key, which has no ARN yet when the boundary is created: by its tags.

    A key that was imported has its id already, and perhaps no tags.
    """
    imported = dict(entry.split("=", 1) for entry in settings.adopted).get(ResourceKind.KEY)
    if imported:
        key = imported.rpartition("/")[2]
        return application_statements(
            key_arns=[settings.arn("kms", f"key/{key}", region=region) for region in settings.regions]
        )[0]
    return allow(
        "UseThePhiKey",
        list(APPLICATION_ACTIONS),
        [settings.arn("kms", "key/*", region=region) for region in settings.regions],
        condition={
            "StringEquals": tagged(settings, "ResourceTag"),
            # The key of the audit logs has the stack's tags, too.
            "StringNotEquals": {f"aws:ResourceTag/{name}": value for name, value in LOGS_KEY_TAGS.items()},
        },
    )


def _without_documents(settings: Settings) -> Statement:
    """The statements without the key of the documents, which the application uses through S3 alone."""
    statement = application_statement(settings)
    if not settings.documents_key or "Condition" not in statement:
        return statement
    others = {f"aws:ResourceTag/{name}": [LOGS_KEY_TAGS[name], value] for name, value in DOCUMENTS_KEY_TAGS.items()}
    return {**statement, "Condition": {**statement["Condition"], "StringNotEquals": others}}


def _document_statements(settings: Settings) -> list[Statement]:
    """The objects of the application's buckets, for which an administrator gives it the permissions, and their key."""
    if not settings.document_buckets:
        return []
    arns = [settings.arn("s3", bucket) for bucket in settings.document_buckets]
    objects: Statement = allow("UseTheDocuments", list(DOCUMENT_ACTIONS), [*arns, *(f"{arn}/*" for arn in arns)])
    if not settings.documents_key:
        return [objects]
    through_s3 = through_s3_condition(
        account_id=settings.account_id,
        region=settings.region,
        buckets=settings.document_buckets,
        partition=settings.partition,
    )
    tags = {**tagged(settings, "ResourceTag"), **{f"aws:ResourceTag/{k}": v for k, v in DOCUMENTS_KEY_TAGS.items()}}
    key: Statement = allow(
        "UseTheDocumentsKey",
        list(DOCUMENT_USE_ACTIONS),
        settings.arn("kms", "key/*"),
        condition={**through_s3, "StringEquals": {**through_s3["StringEquals"], **tags}},
    )
    return [objects, key]


def tagged(settings: Settings, key: str) -> dict[str, str]:
    """The condition keys of the stack's tags: `aws:RequestTag/…` or `aws:ResourceTag/…`, by `key`."""
    return {f"aws:{key}/{name}": value for name, value in settings.tags.items()}


def _only_for(arns: Sequence[str], whose: str, statements: Sequence[Statement]) -> Iterator[Statement]:
    names = {"aws:PrincipalArn": arns[0] if len(arns) == 1 else list(arns)}
    for statement in statements:
        # The documents of the roles have conditions of other operators only.
        yield {
            **statement,
            "Sid": f"{whose}{statement['Sid']}",
            "Condition": {"ArnEquals": names, **statement.get("Condition", {})},
        }


def keeping_statements(settings: Settings) -> list[Statement]:
    """Denies whoever makes the bounded principals to change the boundary, to take it away, to use the key or end it.

    They hold whatever other policies allow, and whatever the key policy says that a key administrator may rewrite.
    """
    boundary, made = boundary_arn_of(settings), bounded_arns(settings)
    key = application_statement(settings)
    # By its alias, which the policy does not let go: an administrator of the key can take its tags away.
    aliases = [settings.names.alias, *([settings.names.documents_key_alias] if settings.documents_key else [])]
    by_alias = {"Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": aliases}}}
    deny = {"Effect": "Deny"}
    of_principals: list[Statement] = [
        {
            "Sid": "KeepTheBoundaries",
            **deny,
            "Action": ["iam:DeleteRolePermissionsBoundary", "iam:DeleteUserPermissionsBoundary"],
            "Resource": made,
        },
        {
            "Sid": "NoOtherBoundary",
            **deny,
            "Action": ["iam:PutRolePermissionsBoundary", "iam:PutUserPermissionsBoundary"],
            "Resource": made,
            "Condition": {"StringNotEquals": {"iam:PermissionsBoundary": boundary}},
        },
    ]
    return [
        {"Sid": "KeepTheBoundary", **deny, "Action": list(_CHANGES_OF_A_POLICY), "Resource": boundary},
        *(of_principals if made else []),
        {
            "Sid": "NoUseOfTheKey",
            **deny,
            "Action": list(OPENING_ACTIONS),
            "Resource": key["Resource"],
            **(by_alias if "Condition" in key else {}),
        },
        *keeping_key_statements(settings),
    ]


def keeping_key_statements(settings: Settings) -> list[Statement]:
    """Denies the deletion of the stored keys and of their versions, and any change of a version.

    So no holder of such a policy can end the last copy of a wrapped key, whatever other policies allow.
    """
    stored, versions = stack.stored_key_arns_of(settings), stack.version_arns_of(settings)
    in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
    deletion = ["secretsmanager:DeleteSecret"] if in_secrets else ["ssm:DeleteParameter", "ssm:DeleteParameters"]
    change: Statement = (
        {"Action": list(_CHANGES_OF_A_SECRET)}
        if in_secrets
        # https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policy-conditions.html
        else {"Action": "ssm:PutParameter", "Condition": {"StringEquals": {"ssm:Overwrite": "true"}}}
    )
    return [
        {"Sid": "KeepTheKeys", "Effect": "Deny", "Action": deletion, "Resource": [*stored, *versions]},
        {"Sid": "KeepTheVersions", "Effect": "Deny", "Resource": versions, **change},
    ]


_CHANGES_OF_A_SECRET = (
    "secretsmanager:PutResourcePolicy",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RotateSecret",
    "secretsmanager:UpdateSecret",
    "secretsmanager:UpdateSecretVersionStage",
)
"""The calls that give a secret another value, or somebody else the right to."""


_CHANGES_OF_A_POLICY = (
    "iam:CreatePolicy",
    "iam:CreatePolicyVersion",
    "iam:DeletePolicy",
    "iam:DeletePolicyVersion",
    "iam:SetDefaultPolicyVersion",
)

OPENING_ACTIONS = (
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyPair",
    "kms:ReEncryptFrom",
)
"""The actions that return plaintext, hand a data key to another KMS key, or give one of these rights away."""
