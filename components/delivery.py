"""`Delivery`: what the application's platform needs to read the three variables.

Touches the Pulumi engine only: it registers resources. The values themselves never pass through Pulumi: one
of them is the wrapped data key, which no infrastructure operation may create, replace or delete.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policies
from components.configuration import import_options
from components.policies.stack import secrets_trust_of
from components.settings import APPLICATION_VARIABLES, ResourceKind, SecretStore, Settings, Target


@dataclass(frozen=True, kw_only=True)
class DeliveryArgs:
    """The arguments of Delivery."""

    settings: Settings


class Delivery(pulumi.ComponentResource):
    """For ECS and EKS, the roles that may read the variables; for Vercel, with its own API, nothing."""

    parameter_prefix: str
    task_secrets: list[dict[str, str]]
    """The `secrets` of the ECS container definition: name and valueFrom; empty without ECS."""
    execution_role: pulumi.Output[str] | None
    """Name of ECS's execution role; None without ECS."""
    secrets_role_arn: pulumi.Output[str] | None
    """The role of the controller of External Secrets; None without EKS."""

    def __init__(self, name: str, args: DeliveryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eonpro:kms:Delivery", name, {}, opts)
        settings = args.settings
        self.parameter_prefix = settings.names.parameter_prefix
        self.task_secrets = []
        self.execution_role, self.secrets_role_arn = None, None
        readers: list[tuple[str, pulumi.Input[str]]] = []
        if Target.ECS in settings.deploy_targets:
            self.task_secrets = _task_secrets(settings)
            self.execution_role = self._execution_role(name, settings)
            readers.append(("", self.execution_role))
        if Target.EKS in settings.deploy_targets:
            role = self._secrets_role(name, settings)
            self.secrets_role_arn = role.arn
            readers.append(("-eks", role.name))
        if readers:
            self._grant_reading(name, readers, settings)
        self.register_outputs(
            {
                "parameterPrefix": self.parameter_prefix,
                "taskSecrets": self.task_secrets,
                "executionRole": self.execution_role,
                "secretsRoleArn": self.secrets_role_arn,
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
            permissions_boundary=settings.permissions_boundary_arn,
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions(parent=self), import_options(settings, ResourceKind.EXECUTION_ROLE)
            ),
        )
        aws.iam.RolePolicy(
            f"{name}-execution",
            name="StartTasks",
            role=role.name,
            policy=json.dumps(policies.task_start_policy(account_id=settings.account_id, partition=settings.partition)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        role_name: pulumi.Output[str] = role.name
        return role_name

    def _secrets_role(self, name: str, settings: Settings) -> aws.iam.Role:
        return aws.iam.Role(
            f"{name}-secrets",
            name=settings.names.secrets_role,
            description="Reads the variables of the EONPRO application for its pods",
            assume_role_policy=json.dumps(secrets_trust_of(settings)),
            permissions_boundary=settings.permissions_boundary_arn,
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions(parent=self), import_options(settings, ResourceKind.SECRETS_ROLE)
            ),
        )

    def _grant_reading(self, name: str, readers: list[tuple[str, pulumi.Input[str]]], settings: Settings) -> None:
        child = pulumi.ResourceOptions(parent=self)
        secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
        logical = f"{name}-secrets" if secrets else f"{name}-parameters"
        arns = [arn for region in settings.regions for arn in _sources(settings, region).values()]
        document = (
            policies.secret_policy(secret_arns=arns)
            if secrets
            else policies.parameter_policy(parameter_arns=arns, one_by_one=Target.EKS in settings.deploy_targets)
        )
        policy = aws.iam.Policy(
            logical,
            name=settings.names.secret_policy if secrets else settings.names.parameter_policy,
            description=f"Reading of the EONPRO application's {'secrets' if secrets else 'parameters'}",
            policy=json.dumps(document),
            tags=settings.tags,
            # A policy's description cannot be changed: a new one would replace the policy.
            opts=pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions(parent=self, ignore_changes=["description"]),
                import_options(settings, ResourceKind.VARIABLES_POLICY),
            ),
        )
        for ending, role in readers:
            aws.iam.RolePolicyAttachment(f"{logical}{ending}", role=role, policy_arn=policy.arn, opts=child)


def _task_secrets(settings: Settings) -> list[dict[str, str]]:
    # The whole ARN, not only the name: a task in another Region then fails, instead of reading another parameter.
    return [{"name": name, "valueFrom": arn} for name, arn in _sources(settings, settings.region).items()]


def _sources(settings: Settings, region: str) -> dict[str, str]:
    """The ARN of each variable's parameter or secret in a Region."""
    in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
    arn = policies.secret_arn if in_secrets else policies.parameter_arn
    return {
        variable: arn(
            account_id=settings.account_id,
            region=region,
            name=f"{settings.names.parameter_prefix}/{variable}",
            partition=settings.partition,
        )
        for variable in APPLICATION_VARIABLES
    }
