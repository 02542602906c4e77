"""`Delivery`: the resources with which the application's platform reads the three variables.

Touches the Pulumi engine only: it registers resources. The values themselves never pass through Pulumi: one
of them is the wrapped data key, which no infrastructure operation may create, replace or delete.
"""

import json

import pulumi
import pulumi_aws as aws

from components.configuration import import_options
from components.policies.stack import readers_of, reading_policy_of, variable_arns_of
from components.principal import AppPrincipal
from components.settings import ResourceKind, SecretStore, Settings, Target
from components.targets.platform import NewRole


class Delivery(pulumi.ComponentResource):
    """The roles that may read the variables, for each deploy target that does not keep them itself."""

    parameter_prefix: str
    task_secrets: list[dict[str, str]]
    """The `secrets` of the ECS container definition: name and valueFrom; empty without ECS."""
    execution_role: pulumi.Output[str] | None
    """Name of ECS's execution role; None without ECS."""
    secrets_role_arn: pulumi.Output[str] | None
    """The role of the controller of External Secrets; None without EKS."""

    def __init__(self, name: str, settings: Settings, principal: AppPrincipal) -> None:
        """`principal`: reads the variables where a deploy target has no other reader."""
        super().__init__("eonpro:kms:Delivery", name, {})
        self.parameter_prefix = settings.names.parameter_prefix
        self.task_secrets = _task_secrets(settings) if Target.ECS in settings.deploy_targets else []
        self.execution_role, self.secrets_role_arn = None, None
        readers: list[tuple[str, pulumi.Input[str]]] = []
        for reader in readers_of(settings):
            role = reader.role
            if role is None:
                readers += [(reader.attachment, each) for each in principal.roles]
                continue
            made = self._role(name, role, settings) if isinstance(role, NewRole) else None
            role_name: pulumi.Output[str] = made.name if made else pulumi.Output.from_input(str(role))
            readers.append((reader.attachment, role_name))
            if reader.target == Target.ECS:
                self.execution_role = role_name
            elif made is not None and reader.target == Target.EKS:
                self.secrets_role_arn = made.arn
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

    def _role(self, name: str, role: NewRole, settings: Settings) -> aws.iam.Role:
        logical_name = f"{name}-{role.logical_name}"
        child = pulumi.ResourceOptions(parent=self)
        made = aws.iam.Role(
            logical_name,
            name=role.name,
            description=role.description,
            assume_role_policy=json.dumps(role.trust),
            permissions_boundary=settings.permissions_boundary_arn,
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(child, import_options(settings, role.kind)),
        )
        if role.inline_policy is not None:
            inline_name, document = role.inline_policy
            aws.iam.RolePolicy(logical_name, name=inline_name, role=made.name, policy=json.dumps(document), opts=child)
        return made

    def _grant_reading(self, name: str, readers: list[tuple[str, pulumi.Input[str]]], settings: Settings) -> None:
        child = pulumi.ResourceOptions(parent=self)
        secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
        logical = f"{name}-secrets" if secrets else f"{name}-parameters"
        policy_name, document = reading_policy_of(settings)
        policy = aws.iam.Policy(
            logical,
            name=policy_name,
            description=f"Reading of the {settings.names.label} application's {'secrets' if secrets else 'parameters'}",
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
    arns = variable_arns_of(settings, settings.region)
    return [{"name": name, "valueFrom": arns[variable]} for name, variable in settings.delivered_variables.items()]
