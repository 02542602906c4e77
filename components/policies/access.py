"""The policies of the application and of the roles that read its variables.

Pure. Ids go in, a dict that is ready for `json.dumps` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.policies.documents import Policy, Statement, allow, policy
from components.policies.key import APPLICATION_ACTIONS


def application_policy(*, key_arns: Sequence[str]) -> Policy:
    """The application's identity policy."""
    return policy(application_statements(key_arns=key_arns))


def application_statements(*, key_arns: Sequence[str]) -> list[Statement]:
    """APPLICATION_ACTIONS on the key and its replicas. Raises ValueError for an alias's ARN, which would grant nothing.

    https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
    """
    for key_arn in key_arns:
        if ":key/" not in key_arn or "*" in key_arn:
            raise ValueError(f"{key_arn!r} is not the ARN of one KMS key")
    return [allow("UseThePhiKey", list(APPLICATION_ACTIONS), key_arns[0] if len(key_arns) == 1 else list(key_arns))]


def parameter_policy(*, parameter_arns: Sequence[str], one_by_one: bool = False) -> Policy:
    """Reads exactly these parameters, for a starting task or pod.

    External Secrets reads them `one_by_one`, ECS all in one call.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html
    """
    statement = allow(
        "ReadTheParameters", ["ssm:GetParameters", *(["ssm:GetParameter"] if one_by_one else [])], list(parameter_arns)
    )
    return policy([statement])


def secret_policy(*, secret_arns: Sequence[str]) -> Policy:
    """Reads exactly these secrets, whose ARNs end in six random characters.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html
    """
    statement = allow(
        "ReadTheSecrets",
        ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
        [f"{arn}-??????" for arn in secret_arns],
    )
    return policy([statement])
