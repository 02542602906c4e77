"""The policies of the application and of the roles that read its variables: permissions and trust.

Pure. Ids go in, a dict that is ready for `json.dumps` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.policies.documents import Policy, Statement, policy
from components.policies.key import APPLICATION_ACTIONS


def application_policy(*, key_arns: Sequence[str]) -> Policy:
    """EONPROKMSAccess: the application's identity policy."""
    return policy(application_statements(key_arns=key_arns))


def application_statements(*, key_arns: Sequence[str]) -> list[Statement]:
    """APPLICATION_ACTIONS on the key and its replicas. Raises ValueError for an alias's ARN, which would grant nothing.

    https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
    """
    for key_arn in key_arns:
        if ":key/" not in key_arn or "*" in key_arn:
            raise ValueError(f"{key_arn!r} is not the ARN of one KMS key")
    return [
        {
            "Sid": "UseThePhiKey",
            "Effect": "Allow",
            "Action": list(APPLICATION_ACTIONS),
            "Resource": key_arns[0] if len(key_arns) == 1 else list(key_arns),
        }
    ]


def parameter_policy(*, parameter_arns: Sequence[str], one_by_one: bool = False) -> Policy:
    """EONPROParameterAccess: the permission to read the variables for a starting task or pod."""
    return policy(parameter_statements(parameter_arns=parameter_arns, one_by_one=one_by_one))


def parameter_statements(*, parameter_arns: Sequence[str], one_by_one: bool = False) -> list[Statement]:
    """Permission to read exactly these parameters; External Secrets reads them `one_by_one`, ECS all in one call.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html
    """
    return [
        {
            "Sid": "ReadTheParameters",
            "Effect": "Allow",
            "Action": ["ssm:GetParameters", *(["ssm:GetParameter"] if one_by_one else [])],
            "Resource": list(parameter_arns),
        }
    ]


def secret_policy(*, secret_arns: Sequence[str]) -> Policy:
    """EONPROSecretAccess: the same for variables in Secrets Manager."""
    return policy(secret_statements(secret_arns=secret_arns))


def secret_statements(*, secret_arns: Sequence[str]) -> list[Statement]:
    """Permission to read exactly these secrets, whose ARNs end in six random characters.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html
    """
    return [
        {
            "Sid": "ReadTheSecrets",
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            "Resource": [f"{arn}-??????" for arn in secret_arns],
        }
    ]


def secret_arn(*, account_id: str, region: str, name: str, partition: str = "aws") -> str:
    """The ARN of a secret without its six random characters; Secrets Manager finds the secret by it."""
    return f"arn:{partition}:secretsmanager:{region}:{account_id}:secret:{name}"


def parameter_arn(*, account_id: str, region: str, name: str, partition: str = "aws") -> str:
    """The ARN of an SSM parameter, whose name begins with the slash that the ARN needs."""
    return f"arn:{partition}:ssm:{region}:{account_id}:parameter/{name.removeprefix('/')}"
