"""The policies of the application and of the roles that read its variables: permissions and trust.

Pure. Ids go in, a dict that is ready for `json.dumps` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.policies.documents import Policy, Statement, policy
from components.policies.key import APPLICATION_ACTIONS
from components.settings.arn import Arn


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


def vercel_trust_statements(
    *, oidc_provider_arn: str, team: str, project: str, vercel_environments: Sequence[str] = ("production",)
) -> list[Statement]:
    """Allows environments of one Vercel project to assume the role, with the token that Vercel gives its functions.

    A custom environment has its slug in the subject, as `VERCEL_TARGET_ENV` has it.
    Audience and subject are both compared in full. The condition keys begin with the issuer, which is the name of the
    provider: with Vercel's team issuer `oidc.vercel.com/<team>`, with its global one `oidc.vercel.com`.
    https://vercel.com/docs/oidc/aws
    """
    issuer = Arn.parse(oidc_provider_arn).path
    subjects = [f"owner:{team}:project:{project}:environment:{environment}" for environment in vercel_environments]
    return [
        {
            "Sid": "TrustVercel",
            "Effect": "Allow",
            "Principal": {"Federated": oidc_provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{issuer}:aud": vercel_audience(team=team),
                    f"{issuer}:sub": subjects[0] if len(subjects) == 1 else subjects,
                }
            },
        }
    ]


VERCEL_ISSUER = "oidc.vercel.com"
"""Host of Vercel's OIDC issuers: of the global one, and with a path of each team's."""


def vercel_issuer(*, team: str, is_global: bool = False) -> str:
    """Host and path of the OIDC issuer of the team's tokens; its URL without the scheme."""
    return VERCEL_ISSUER if is_global else f"{VERCEL_ISSUER}/{team}"


def vercel_audience(*, team: str) -> str:
    """The audience of the tokens that Vercel gives to the team's functions."""
    return f"https://vercel.com/{team}"


def vercel_oidc_provider_arn(*, account_id: str, team: str, is_global: bool = False, partition: str = "aws") -> str:
    """The ARN that the account's OIDC provider for the team's issuer has, or will have."""
    return f"arn:{partition}:iam::{account_id}:oidc-provider/{vercel_issuer(team=team, is_global=is_global)}"


def ecs_trust_statements(*, account_id: str, regions: Sequence[str], partition: str = "aws") -> list[Statement]:
    """Allows the account's ECS tasks in these Regions to assume the role, and no task of another account.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
    """
    sources = [f"arn:{partition}:ecs:{region}:{account_id}:*" for region in regions]
    return [
        {
            "Sid": "TrustEcsTasks",
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": account_id},
                "ArnLike": {"aws:SourceArn": sources[0] if len(sources) == 1 else sources},
            },
        }
    ]


def execution_trust_policy() -> Policy:
    """Trust of the execution role: the ECS agent that starts the account's tasks.

    No condition on the source: AWS documents it for task roles only.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
    """
    return policy(
        [
            {
                "Sid": "TrustEcsTasks",
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ]
    )


def irsa_trust_statements(*, oidc_provider_arn: str, namespace: str, service_account: str) -> list[Statement]:
    """Allows the pods of one service account of one EKS cluster to assume the role, with the cluster's token.

    https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
    """
    issuer = Arn.parse(oidc_provider_arn).path
    return [
        {
            "Sid": "TrustServiceAccount",
            "Effect": "Allow",
            "Principal": {"Federated": oidc_provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{issuer}:aud": "sts.amazonaws.com",
                    f"{issuer}:sub": f"system:serviceaccount:{namespace}:{service_account}",
                }
            },
        }
    ]


def pod_identity_trust_statements(
    *, account_id: str, region: str, cluster: str, namespace: str, service_account: str, partition: str = "aws"
) -> list[Statement]:
    """Allows the pods of one service account of one EKS cluster to assume the role, through EKS Pod Identity.

    The service sets the session tags, so that an association for another namespace gets no access.
    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
    """
    return [
        {
            "Sid": "TrustPodIdentity",
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {
                "StringEquals": {
                    "aws:SourceAccount": account_id,
                    "aws:RequestTag/kubernetes-namespace": namespace,
                    "aws:RequestTag/kubernetes-service-account": service_account,
                },
                "ArnEquals": {"aws:SourceArn": f"arn:{partition}:eks:{region}:{account_id}:cluster/{cluster}"},
            },
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


def task_start_policy(*, account_id: str, partition: str = "aws") -> Policy:
    """The permissions of the AWS managed AmazonECSTaskExecutionRolePolicy, for this account: pull the image, write the
    log.

    Copied, so that the role does not change when AWS changes that policy, and limited to the account's own repositories
    and log groups: for an image of another account, use an existing execution role.
    https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonECSTaskExecutionRolePolicy.html
    """
    return policy(
        [
            # It returns a login for the registry, and has no resource.
            {"Sid": "LogIn", "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
            {
                "Sid": "PullTheImage",
                "Effect": "Allow",
                "Action": ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"],
                "Resource": f"arn:{partition}:ecr:*:{account_id}:repository/*",
            },
            {
                "Sid": "WriteTheLog",
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": f"arn:{partition}:logs:*:{account_id}:log-group:*",
            },
        ]
    )
