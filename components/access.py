"""`AppPrincipal` and `AppAccess`: as whom the application runs, and what that principal may do with the key.

Touches the Pulumi engine only: it registers resources.

They are two, for the key stands between them. KMS takes no key policy that names a principal which does not
exist, so the role comes before the key; the role's own policy names the key's ARN, so it comes after:
AppPrincipal -> PhiKey -> AppAccess.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policies
from components.configuration import taken_in
from components.policies.stack import application_trust_of
from components.settings import ImportGroup, ResourceKind, Settings


@dataclass(frozen=True, kw_only=True)
class AppPrincipalArgs:
    """What an AppPrincipal is made of."""

    settings: Settings


class AppPrincipal(pulumi.ComponentResource):
    """The application's principals: the role made here, the IAM user made here, or the settings' own, left as it is."""

    arn: pulumi.Output[str]
    """The role's; where there is none, the user's."""
    user_arn: pulumi.Output[str] | None
    """The IAM user's that was made; None without one."""
    arns: list[pulumi.Output[str]]
    """Of all of them."""
    roles: list[pulumi.Output[str]]
    """Names of the roles that policies are attached to."""
    users: list[pulumi.Output[str]]

    def __init__(self, name: str, args: AppPrincipalArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eonpro:kms:AppPrincipal", name, {}, opts)
        settings = args.settings
        existing = settings.app_principal_arn
        self.arns = arns = []
        self.roles, self.users, self.user_arn = [], [], None
        if existing is not None:
            arns.append(pulumi.Output.from_input(existing))
            (self.users if ":user/" in existing else self.roles).append(pulumi.Output.from_input(_name_of(existing)))
        if settings.makes_role:
            role = self._role(name, settings)
            arns.append(role.arn)
            self.roles.append(role.name)
        if settings.makes_user:
            user = self._user(name, settings)
            arns.append(user.arn)
            self.users.append(user.name)
            self.user_arn = user.arn
        self.arn = arns[0]
        self.register_outputs({"arn": self.arn, "userArn": self.user_arn})

    def _role(self, name: str, settings: Settings) -> aws.iam.Role:
        providers: list[pulumi.Resource] = []
        provider_arn = settings.vercel_oidc_provider_arn
        if settings.trusts_vercel and settings.vercel_team:
            if provider_arn is None:
                providers.append(self._oidc_provider(name, settings, settings.vercel_team))
            provider_arn = provider_arn or policies.vercel_oidc_provider_arn(
                account_id=settings.account_id, team=settings.vercel_team, partition=settings.partition
            )
        child = pulumi.ResourceOptions(parent=self, depends_on=providers)
        found = taken_in(
            settings,
            ResourceKind.APPLICATION_ROLE,
            part=ImportGroup.APPLICATION_ROLE,
            properties=["assumeRolePolicy", "description", "tags", "permissionsBoundary"],
        )
        return aws.iam.Role(
            name,
            name=settings.names.app_role,
            description="The EONPRO application: uses its PHI key and nothing else",
            assume_role_policy=json.dumps(application_trust_of(settings, vercel_provider_arn=provider_arn)),
            permissions_boundary=settings.permissions_boundary_arn,
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(child, found),
        )

    def _user(self, name: str, settings: Settings) -> aws.iam.User:
        # Its access key is made outside the stack, whose state would keep the secret.
        found = taken_in(settings, ResourceKind.APPLICATION_USER)
        return aws.iam.User(
            name,
            name=settings.names.app_user,
            permissions_boundary=settings.permissions_boundary_arn,
            # IAM deletes no user who has an access key, and says so in the middle of the update. One that is taken in
            # is imported without it, and with another value could not be.
            force_destroy=None if found.import_ else True,
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=self), found),
        )

    def _oidc_provider(self, name: str, settings: Settings, team: str) -> aws.iam.OpenIdConnectProvider:
        return aws.iam.OpenIdConnectProvider(
            f"{name}-vercel",
            url=f"https://{policies.vercel_issuer(team=team)}",
            client_id_lists=[policies.vercel_audience(team=team)],
            tags=settings.tags,
            # An account has one provider for an issuer: other environments, and roles that are not ours, may
            # have come to trust this one since.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )


@dataclass(frozen=True, kw_only=True)
class AppAccessArgs:
    """What an AppAccess is made of."""

    settings: Settings
    key_arns: Sequence[pulumi.Input[str]]
    """The key's and its replicas'."""
    principal: AppPrincipal


class AppAccess(pulumi.ComponentResource):
    """The policy EONPROKMSAccess, attached to the application's principals."""

    policy_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AppAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eonpro:kms:AppAccess", name, {}, opts)

        def application_policy(key_arns: Sequence[str]) -> str:
            return json.dumps(policies.application_policy(key_arns=key_arns))

        child = pulumi.ResourceOptions(parent=self)
        found = taken_in(
            args.settings,
            ResourceKind.APPLICATION_POLICY,
            part=ImportGroup.APPLICATION_POLICY,
            properties=["policy", "tags"],
        )
        # A policy's description cannot be changed: another one would mean another policy.
        fixed = pulumi.ResourceOptions(ignore_changes=["description"])
        policy = aws.iam.Policy(
            name,
            name=args.settings.names.app_policy,
            description="Use of the EONPRO PHI key",
            policy=pulumi.Output.all(*args.key_arns).apply(application_policy),
            tags=args.settings.tags,
            opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions.merge(child, fixed), found),
        )
        attached = pulumi.ResourceOptions.merge(child, taken_in(args.settings, ResourceKind.POLICY_ATTACHMENT))
        for user in args.principal.users:
            aws.iam.UserPolicyAttachment(
                name, user=user, policy_arn=policy.arn, opts=child if args.principal.roles else attached
            )
        for role in args.principal.roles:
            aws.iam.RolePolicyAttachment(name, role=role, policy_arn=policy.arn, opts=attached)
        self.policy_arn = policy.arn
        self.register_outputs({"policyArn": self.policy_arn})


def _name_of(principal_arn: str) -> str:
    # The ARN has the path before the name; IAM's attachment calls take the name alone.
    return principal_arn.rpartition("/")[2]
