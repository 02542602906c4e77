"""`Delivery`: what the application's platform needs to read the three variables.

Touches the Pulumi engine only: it registers resources. The values themselves never pass through Pulumi: one
of them is the wrapped data key, which no infrastructure operation may make, replace or delete.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policies
from components.contract import APPLICATION_VARIABLES, Settings, Target


@dataclass(frozen=True, kw_only=True)
class DeliveryArgs:
    """What a Delivery is made of."""

    settings: Settings


class Delivery(pulumi.ComponentResource):
    """For ECS, the execution role's reading of the parameters; for Vercel, with its own API, nothing."""

    parameter_prefix: str
    task_secrets: list[dict[str, str]]
    """The `secrets` of the container definition: name and valueFrom; empty without ECS."""
    execution_role: pulumi.Output[str] | None
    """Name of the execution role; None without ECS."""

    def __init__(self, name: str, args: DeliveryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eonpro:kms:Delivery", name, {}, opts)
        settings = args.settings
        self.parameter_prefix = settings.names.parameter_prefix
        self.task_secrets = []
        self.execution_role = None
        if Target.ECS in settings.deploy_targets:
            self.task_secrets = _task_secrets(settings)
            self.execution_role = self._execution_role(name, settings)
            self._let_read(name, self.execution_role, settings)
        self.register_outputs(
            {
                "parameterPrefix": self.parameter_prefix,
                "taskSecrets": self.task_secrets,
                "executionRole": self.execution_role,
            }
        )

    def _execution_role(self, name: str, settings: Settings) -> pulumi.Output[str]:
        if settings.ecs_execution_role_arn is not None:
            return pulumi.Output.from_input(settings.ecs_execution_role_arn.rpartition("/")[2])
        role = aws.iam.Role(
            f"{name}-execution",
            name=settings.names.execution_role,
            description="Starts the tasks of the EONPRO application",
            assume_role_policy=json.dumps(policies.execution_trust_policy()),
            tags=settings.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.iam.RolePolicy(
            f"{name}-execution",
            name="StartTasks",
            role=role.name,
            policy=json.dumps(policies.task_start_policy()),
            opts=pulumi.ResourceOptions(parent=self),
        )
        made: pulumi.Output[str] = role.name
        return made

    def _let_read(self, name: str, role: pulumi.Input[str], settings: Settings) -> None:
        child = pulumi.ResourceOptions(parent=self)
        policy = aws.iam.Policy(
            f"{name}-parameters",
            name=settings.names.parameter_policy,
            description="Reading of the EONPRO application's parameters",
            policy=json.dumps(
                policies.parameter_policy(
                    parameter_arns=[secret["valueFrom"] for secret in self.task_secrets],
                )
            ),
            tags=settings.tags,
            opts=child,
        )
        aws.iam.RolePolicyAttachment(f"{name}-parameters", role=role, policy_arn=policy.arn, opts=child)


def _task_secrets(settings: Settings) -> list[dict[str, str]]:
    # The whole ARN, not the name alone: a task in another Region fails, and finds no other parameter.
    return [
        {
            "name": variable,
            "valueFrom": policies.parameter_arn(
                account_id=settings.account_id,
                region=settings.region,
                name=f"{settings.names.parameter_prefix}/{variable}",
                partition=settings.partition,
            ),
        }
        for variable in APPLICATION_VARIABLES
    ]
