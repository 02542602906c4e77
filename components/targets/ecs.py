"""Amazon ECS: its settings, the trust in its tasks, and the execution role that reads the variables.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.policies.documents import Policy, Statement, allow, policy
from components.settings import ResourceKind, Settings, Target
from components.settings.arn import Arn
from components.targets.platform import NewRole, Platform, Reader


class Ecs(Platform):
    """Tasks: ECS reads the variables for them, by the task execution role, when they start."""

    name = Target.ECS
    services = ("codedeploy", "ecs", "elasticloadbalancing")
    feature = "ECS"

    def trust(self, settings: Settings) -> list[Statement]:
        """The account's tasks in the Regions of the key, and no task of another account.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
        """
        sources = [settings.arn("ecs", "*", region=region) for region in settings.regions]
        return [
            allow(
                "TrustEcsTasks",
                "sts:AssumeRole",
                principal={"Service": "ecs-tasks.amazonaws.com"},
                condition={
                    "StringEquals": {"aws:SourceAccount": settings.account_id},
                    "ArnLike": {"aws:SourceArn": sources[0] if len(sources) == 1 else sources},
                },
            )
        ]

    def reader(self, settings: Settings) -> Reader:
        """The execution role: the stack's own, or the existing one of the settings."""
        existing = settings.ecs_execution_role_arn
        role = NewRole(
            name=settings.names.execution_role,
            logical_name="execution",
            description=f"Starts the tasks of the {settings.names.label} application",
            trust=execution_trust_policy(),
            kind=ResourceKind.EXECUTION_ROLE,
            inline_policy=("StartTasks", task_start_policy(settings)),
        )
        return Reader(
            target=Target.ECS,
            role=Arn.parse(existing).name if existing else role,
            arn=settings.execution_role_arn or "",
            title="execution role",
            without="ECS starts no task whose secrets it cannot read: ResourceInitializationError, "
            "AccessDeniedException",
        )

    def existing(self, settings: Settings) -> Mapping[str, str | None]:
        """The execution role of the settings."""
        return {"existing execution role": settings.ecs_execution_role_arn}


def execution_trust_policy() -> Policy:
    """Trust of the execution role: the ECS agent that starts the account's tasks.

    No condition on the source: AWS documents it for task roles only.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
    """
    return policy([allow("TrustEcsTasks", "sts:AssumeRole", principal={"Service": "ecs-tasks.amazonaws.com"})])


def task_start_policy(settings: Settings) -> Policy:
    """The permissions of the AWS managed AmazonECSTaskExecutionRolePolicy, for this account: pull the image, write the
    log.

    Copied, so that the role does not change when AWS changes that policy, and limited to the account's own repositories
    and log groups: for an image of another account, use an existing execution role.
    https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonECSTaskExecutionRolePolicy.html
    """
    return policy(
        [
            # It returns a login for the registry, and has no resource.
            allow("LogIn", "ecr:GetAuthorizationToken", "*"),
            allow(
                "PullTheImage",
                ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"],
                settings.arn("ecr", "repository/*", region="*"),
            ),
            allow(
                "WriteTheLog",
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                settings.arn("logs", "log-group:*", region="*"),
            ),
        ]
    )


TARGET = Ecs()
