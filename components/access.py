"""`AppAccess`: the permissions of the application's principals on the key.

Touches the Pulumi engine only: it registers resources.
"""

import json
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components import policies
from components.configuration import import_options
from components.principal import AppPrincipal
from components.settings import ImportGroup, ResourceKind, Settings


class AppAccess(pulumi.ComponentResource):
    """The application's policy, attached to the application's principals."""

    policy_arn: pulumi.Output[str]

    def __init__(
        self, name: str, settings: Settings, key_arns: Sequence[pulumi.Input[str]], principal: AppPrincipal
    ) -> None:
        """`key_arns`: the key's and its replicas'."""
        super().__init__("eonpro:kms:AppAccess", name, {})

        def application_policy(key_arns: Sequence[str]) -> str:
            return json.dumps(policies.application_policy(key_arns=key_arns))

        child = pulumi.ResourceOptions(parent=self)
        imported = import_options(
            settings,
            ResourceKind.APPLICATION_POLICY,
            group=ImportGroup.APPLICATION_POLICY,
            properties=["policy", "tags"],
        )
        # A policy's description cannot be changed: a new one would replace the policy.
        fixed = pulumi.ResourceOptions(ignore_changes=["description"])
        policy = aws.iam.Policy(
            name,
            name=settings.names.app_policy,
            description=f"Use of the {settings.names.label} PHI key",
            policy=pulumi.Output.all(*key_arns).apply(application_policy),
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions.merge(child, fixed), imported),
        )
        attached = pulumi.ResourceOptions.merge(child, import_options(settings, ResourceKind.POLICY_ATTACHMENT))
        for user in principal.users:
            aws.iam.UserPolicyAttachment(
                name, user=user, policy_arn=policy.arn, opts=child if principal.roles else attached
            )
        for role in principal.roles:
            aws.iam.RolePolicyAttachment(name, role=role, policy_arn=policy.arn, opts=attached)
        self.policy_arn = policy.arn
        self.register_outputs({"policyArn": self.policy_arn})
