"""The least that an IAM principal needs to redeploy the application on ECS, as a policy.

Pure: names in, statements out.
"""

from __future__ import annotations

import json
from typing import Any

from components.policies import parameter_arn, secret_arn
from components.settings import APPLICATION_VARIABLES, SecretStore, Settings
from wizard.core.errors import PermissionDenied

Statement = dict[str, Any]


def redeploy_policy(settings: Settings, *, task_role: str) -> dict[str, Any]:
    """Those statements as a policy document."""
    return {"Version": "2012-10-17", "Statement": redeploy_statements(settings, task_role=task_role)}


def redeploy_statements(settings: Settings, *, task_role: str) -> list[Statement]:
    """Look at the service, register a revision of its task definition, have the service run it, see how that ends.

    Reading task definitions knows no resource. Passing the two roles is what keeps a revision from taking any other
    (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/security_iam_id-based-policy-examples.html).
    """
    ecs = f"arn:{settings.partition}:ecs:{settings.region}:{settings.account_id}"
    cluster, service = settings.ecs_cluster or "*", settings.ecs_service or "*"
    within = {"ArnLike": {"ecs:cluster": f"{ecs}:cluster/{cluster}"}}
    return [
        {
            "Sid": "UpdateTheService",
            "Effect": "Allow",
            "Action": ["ecs:DescribeServices", "ecs:UpdateService"],
            "Resource": f"{ecs}:service/{cluster}/{service}",
        },
        {
            "Sid": "FindTheService",
            "Effect": "Allow",
            "Action": "ecs:ListServices",
            "Resource": "*",
            "Condition": within,
        },
        {
            "Sid": "ReadTaskDefinitions",
            "Effect": "Allow",
            "Action": "ecs:DescribeTaskDefinition",
            "Resource": "*",
        },
        {
            "Sid": "RegisterRevisions",
            "Effect": "Allow",
            "Action": "ecs:RegisterTaskDefinition",
            "Resource": f"{ecs}:task-definition/*:*",
        },
        {
            "Sid": "TagRevisions",
            "Effect": "Allow",
            "Action": "ecs:TagResource",
            "Resource": f"{ecs}:task-definition/*:*",
            "Condition": {"StringEquals": {"ecs:CreateAction": "RegisterTaskDefinition"}},
        },
        {
            "Sid": "PassItsRoles",
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": sorted({task_role, settings.execution_role_arn or ""}),
            "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        },
        {
            "Sid": "ListItsTasks",
            "Effect": "Allow",
            "Action": "ecs:ListTasks",
            "Resource": f"{ecs}:container-instance/{cluster}/*",
            "Condition": within,
        },
        {
            "Sid": "SeeWhyTasksStopped",
            "Effect": "Allow",
            "Action": "ecs:DescribeTasks",
            "Resource": f"{ecs}:task/{cluster}/*",
        },
        _times(settings),
    ]


def _times(settings: Settings) -> Statement:
    """To compare the time of the values with that of the deployment."""
    in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
    arn = secret_arn if in_secrets else parameter_arn
    names = [
        arn(
            account_id=settings.account_id,
            region=settings.region,
            name=f"{settings.names.parameter_prefix}/{variable}",
            partition=settings.partition,
        )
        for variable in APPLICATION_VARIABLES
    ]
    return {
        "Sid": "SeeWhenTheValuesWereWritten",
        "Effect": "Allow",
        "Action": "secretsmanager:ListSecretVersionIds" if in_secrets else "ssm:GetParameters",
        # A secret's ARN ends in six characters of chance.
        "Resource": [f"{one}-??????" for one in names] if in_secrets else names,
    }


def with_rights(error: PermissionDenied, settings: Settings, *, task_role: str) -> PermissionDenied:
    """The same refusal, whose way out is the whole policy, so that it is asked for once."""
    document = json.dumps(redeploy_policy(settings, task_role=task_role), indent=2)
    return PermissionDenied(error.message, f"{error.hint}\nthe redeploy needs these rights and no others:\n{document}")
