"""Every policy document of the product, as pure functions: who may do what, under which condition.

Pure: touches nothing but its arguments. Ids go in, a dict that is ready for `json.dumps` comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

# Who writes a policy also asks what it grants: the judge is in a file of its own, and to be had here.
from components.grants import Grant as Grant
from components.grants import grants as grants

Statement = dict[str, Any]
Policy = dict[str, Any]

APPLICATION_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey")
"""All that the application does with the key: unwrap its data key, and the calls of its own health check."""

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
    "kms:GenerateDataKeyWithoutPlaintext",
)
"""What a key administrator does with a symmetric key of KMS's own making: all but use it, or delete it.

AWS's own list of administrator permissions, its wildcards spelled out, without the actions of other kinds of
key. `kms:CreateGrant` is left out: with it an administrator hands the use of the key on, past its policy.
`kms:GenerateDataKeyWithoutPlaintext` is in: it makes the data key, and returns nothing that could decrypt.
https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
"""

DELETION_ACTIONS = ("kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion")
"""What ends the key and, with it, everything that was ever encrypted under its data keys."""

_VERSION = "2012-10-17"


def policy(statements: Iterable[Statement]) -> Policy:
    """The statements as a policy document."""
    return {"Version": _VERSION, "Statement": list(statements)}


# The PHI key


def key_policy(
    *, account_id: str, administrators: Sequence[str], app_principal_arn: str, partition: str = "aws"
) -> Policy:
    """The PHI key's own policy: delegation to IAM, the key administrators, the application."""
    return policy(
        key_policy_statements(
            account_id=account_id,
            administrators=administrators,
            app_principal_arn=app_principal_arn,
            partition=partition,
        )
    )


def key_policy_statements(
    *, account_id: str, administrators: Sequence[str], app_principal_arn: str, partition: str = "aws"
) -> list[Statement]:
    """The statements of the PHI key's policy, in the order in which an auditor reads them."""
    return [
        account_root_statement(account_id=account_id, partition=partition),
        administration_statement(administrators=administrators),
        deletion_statement(administrators=administrators),
        application_use_statement(app_principal_arn=app_principal_arn),
    ]


def account_root_statement(*, account_id: str, partition: str = "aws") -> Statement:
    """Delegates to IAM: whoever an IAM policy of this account allows an action on the key may do it.

    Without it IAM policies have no effect on the key, and the key is lost to all once its administrators
    are deleted: the account's root is the one principal that cannot be.
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    return {
        "Sid": "Enable IAM policies",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{partition}:iam::{account_id}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }


def administration_statement(*, administrators: Sequence[str]) -> Statement:
    """Lets the key administrators manage the key, and neither use nor delete it."""
    return _key_statement("Allow administration of the key", administrators, ADMINISTRATOR_ACTIONS)


def deletion_statement(*, administrators: Sequence[str]) -> Statement:
    """Lets the key administrators schedule the key's deletion, and call it off."""
    return _key_statement("Allow deletion of the key", administrators, DELETION_ACTIONS)


def application_use_statement(*, app_principal_arn: str) -> Statement:
    """Lets the application use the key: APPLICATION_ACTIONS and nothing else."""
    return _key_statement("Allow use of the key for EONPRO", (app_principal_arn,), APPLICATION_ACTIONS)


def _key_statement(sid: str, principals: Sequence[str], actions: Sequence[str]) -> Statement:
    # In a key policy "*" is the key the policy belongs to; it has no ARN yet when the policy is written.
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"AWS": list(principals)},
        "Action": list(actions),
        "Resource": "*",
    }


# The application and its execution role


def application_policy(*, key_arn: str) -> Policy:
    """EONPROKMSAccess: the application's identity policy."""
    return policy(application_statements(key_arn=key_arn))


def application_statements(*, key_arn: str) -> list[Statement]:
    """APPLICATION_ACTIONS on the one key. Raises ValueError for an alias's ARN, which would grant nothing.

    https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
    """
    if ":key/" not in key_arn or "*" in key_arn:
        raise ValueError(f"{key_arn!r} is not the ARN of one KMS key")
    return [
        {
            "Sid": "UseThePhiKey",
            "Effect": "Allow",
            "Action": list(APPLICATION_ACTIONS),
            "Resource": key_arn,
        }
    ]


def vercel_trust_statements(
    *, oidc_provider_arn: str, team: str, project: str, vercel_environment: str = "production"
) -> list[Statement]:
    """Lets one environment of one Vercel project take the role, with the token Vercel gives its functions.

    Audience and subject are both compared in full. The condition keys bear the issuer's name, which is the
    provider's: with Vercel's team issuer `oidc.vercel.com/<team>`, with its global one `oidc.vercel.com`.
    https://vercel.com/docs/oidc/aws
    """
    issuer = oidc_provider_arn.partition(":oidc-provider/")[2]
    return [
        {
            "Sid": "TrustVercel",
            "Effect": "Allow",
            "Principal": {"Federated": oidc_provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{issuer}:aud": vercel_audience(team=team),
                    f"{issuer}:sub": f"owner:{team}:project:{project}:environment:{vercel_environment}",
                }
            },
        }
    ]


def vercel_issuer(*, team: str) -> str:
    """Host and path of the team's OIDC issuer; its URL without the scheme."""
    return f"oidc.vercel.com/{team}"


def vercel_audience(*, team: str) -> str:
    """The audience of the tokens that Vercel gives to the team's functions."""
    return f"https://vercel.com/{team}"


def vercel_oidc_provider_arn(*, account_id: str, team: str, partition: str = "aws") -> str:
    """The ARN that the account's OIDC provider for the team's issuer has, or will have."""
    return f"arn:{partition}:iam::{account_id}:oidc-provider/{vercel_issuer(team=team)}"


def ecs_trust_statements(*, account_id: str, region: str, partition: str = "aws") -> list[Statement]:
    """Lets the account's ECS tasks in the Region take the role, and no task of another account.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
    """
    return [
        {
            "Sid": "TrustEcsTasks",
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": account_id},
                "ArnLike": {"aws:SourceArn": f"arn:{partition}:ecs:{region}:{account_id}:*"},
            },
        }
    ]


def execution_trust_policy() -> Policy:
    """Who may take the execution role: the ECS agent that starts the account's tasks.

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


def parameter_policy(*, parameter_arns: Sequence[str]) -> Policy:
    """EONPROParameterAccess: what an execution role needs to hand the variables to a starting task."""
    return policy(parameter_statements(parameter_arns=parameter_arns))


def parameter_statements(*, parameter_arns: Sequence[str]) -> list[Statement]:
    """Reading exactly these parameters.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-ssm-paramstore.html
    """
    return [
        {
            "Sid": "ReadTheParameters",
            "Effect": "Allow",
            "Action": ["ssm:GetParameters"],
            "Resource": list(parameter_arns),
        }
    ]


def parameter_arn(*, account_id: str, region: str, name: str, partition: str = "aws") -> str:
    """The ARN of an SSM parameter, whose hierarchical name begins with the slash that the ARN needs."""
    return f"arn:{partition}:ssm:{region}:{account_id}:parameter/{name.removeprefix('/')}"


def task_start_policy() -> Policy:
    """What the AWS managed AmazonECSTaskExecutionRolePolicy grants: pull the image, write the log.

    Written out, so that the role does not change when AWS changes that policy.
    https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonECSTaskExecutionRolePolicy.html
    """
    return policy(
        [
            {
                "Sid": "StartTasks",
                "Effect": "Allow",
                "Action": [
                    "ecr:GetAuthorizationToken",
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:BatchGetImage",
                    "logs:CreateLogStream",
                    "logs:PutLogEvents",
                ],
                "Resource": "*",
            }
        ]
    )


# The audit trail


def trail_arn(*, account_id: str, region: str, name: str, partition: str = "aws") -> str:
    """The ARN that a trail of this name has, or will have."""
    return f"arn:{partition}:cloudtrail:{region}:{account_id}:trail/{name}"


def trail_bucket_policy(*, bucket: str, account_id: str, trail_arn: str, partition: str = "aws") -> Policy:
    """The trail bucket's policy: the one trail may write, and nobody may come without TLS 1.2."""
    return policy(
        [
            *trail_delivery_statements(bucket=bucket, account_id=account_id, trail_arn=trail_arn, partition=partition),
            *secure_transport_statements(bucket=bucket, partition=partition),
        ]
    )


def trail_delivery_statements(
    *, bucket: str, account_id: str, trail_arn: str, partition: str = "aws"
) -> list[Statement]:
    """Lets CloudTrail deliver this trail's logs, and no trail of anybody else's.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
    """
    bucket_arn = f"arn:{partition}:s3:::{bucket}"
    cloudtrail = {"Service": "cloudtrail.amazonaws.com"}
    return [
        {
            "Sid": "CloudTrailReadsTheAcl",
            "Effect": "Allow",
            "Principal": cloudtrail,
            "Action": "s3:GetBucketAcl",
            "Resource": bucket_arn,
            "Condition": {"StringEquals": {"aws:SourceArn": trail_arn}},
        },
        {
            "Sid": "CloudTrailWritesTheLogs",
            "Effect": "Allow",
            "Principal": dict(cloudtrail),
            "Action": "s3:PutObject",
            "Resource": f"{bucket_arn}/AWSLogs/{account_id}/*",
            "Condition": {"StringEquals": {"aws:SourceArn": trail_arn, "s3:x-amz-acl": "bucket-owner-full-control"}},
        },
    ]


def secure_transport_statements(*, bucket: str, partition: str = "aws") -> list[Statement]:
    """Denies everybody plain HTTP, and TLS older than 1.2.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html#example-object-tls-version
    """
    bucket_arn = f"arn:{partition}:s3:::{bucket}"
    return [
        {
            "Sid": sid,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket_arn, f"{bucket_arn}/*"],
            "Condition": condition,
        }
        for sid, condition in (
            ("DenyPlainHttp", {"Bool": {"aws:SecureTransport": "false"}}),
            ("DenyOldTls", {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
        )
    ]
