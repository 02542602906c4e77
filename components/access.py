"""`AppPrincipal` and `AppAccess`: as whom the application runs, and what that principal may do with the key.

Touches the Pulumi engine only: it registers resources.

They are two, for the key stands between them. KMS takes no key policy that names a principal which does not
exist, so the role comes before the key; the role's own policy names the key's ARN, so it comes after:
AppPrincipal -> PhiKey -> AppAccess.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policies
from components.contract import Settings, Target


@dataclass(frozen=True, kw_only=True)
class AppPrincipalArgs:
    """What an AppPrincipal is made of."""

    settings: Settings
    vercel_environment: str = "production"
    """The environment of the Vercel project whose functions may take the role."""


class AppPrincipal(pulumi.ComponentResource):
    """The application's principal: the role made here, or the settings' own role or user, left as it is."""

    arn: pulumi.Output[str]
    name: pulumi.Output[str]
    """The role's or user's name: what policies are attached to."""
    is_user: bool

    def __init__(self, name: str, args: AppPrincipalArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eonpro:kms:AppPrincipal", name, {}, opts)
        existing = args.settings.app_principal_arn
        self.is_user = existing is not None and ":user/" in existing
        if existing is None:
            role = self._role(name, args)
            self.arn, self.name = role.arn, role.name
        else:
            self.arn = pulumi.Output.from_input(existing)
            self.name = pulumi.Output.from_input(_name_of(existing))
        self.register_outputs({"arn": self.arn, "name": self.name})

    def _role(self, name: str, args: AppPrincipalArgs) -> aws.iam.Role:
        settings = args.settings
        trust: list[policies.Statement] = []
        providers: list[pulumi.Resource] = []
        if Target.VERCEL in settings.deploy_targets and settings.vercel_team and settings.vercel_project:
            provider_arn = settings.vercel_oidc_provider_arn
            if provider_arn is None:
                providers.append(self._oidc_provider(name, settings, settings.vercel_team))
                provider_arn = policies.vercel_oidc_provider_arn(
                    account_id=settings.account_id, team=settings.vercel_team, partition=settings.partition
                )
            trust += policies.vercel_trust_statements(
                oidc_provider_arn=provider_arn,
                team=settings.vercel_team,
                project=settings.vercel_project,
                vercel_environment=args.vercel_environment,
            )
        if Target.ECS in settings.deploy_targets:
            trust += policies.ecs_trust_statements(
                account_id=settings.account_id, region=settings.region, partition=settings.partition
            )
        return aws.iam.Role(
            name,
            name=settings.names.app_role,
            description="The EONPRO application: uses its PHI key and nothing else",
            assume_role_policy=json.dumps(policies.policy(trust)),
            tags=settings.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=providers),
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
    key_arn: pulumi.Input[str]
    principal: AppPrincipal


class AppAccess(pulumi.ComponentResource):
    """The policy EONPROKMSAccess, attached to the application's principal."""

    policy_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AppAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eonpro:kms:AppAccess", name, {}, opts)

        def application_policy(key_arn: str) -> str:
            return json.dumps(policies.application_policy(key_arn=key_arn))

        child = pulumi.ResourceOptions(parent=self)
        policy = aws.iam.Policy(
            name,
            name=args.settings.names.app_policy,
            description="Use of the EONPRO PHI key",
            policy=pulumi.Output.from_input(args.key_arn).apply(application_policy),
            tags=args.settings.tags,
            opts=child,
        )
        if args.principal.is_user:
            aws.iam.UserPolicyAttachment(name, user=args.principal.name, policy_arn=policy.arn, opts=child)
        else:
            aws.iam.RolePolicyAttachment(name, role=args.principal.name, policy_arn=policy.arn, opts=child)
        self.policy_arn = policy.arn
        self.register_outputs({"policyArn": self.policy_arn})


def _name_of(principal_arn: str) -> str:
    # The ARN has the path before the name; IAM's attachment calls take the name alone.
    return principal_arn.rpartition("/")[2]
