"""`AppPrincipal`: the IAM role or user that the application runs as.

Touches the Pulumi engine only: it registers resources. KMS refuses a key policy that names a principal which does not
exist, so that the principal comes before the key, and its policy, which names the key's ARN, after it:
AppPrincipal -> PhiKey -> AppAccess.
"""

import json

import pulumi
import pulumi_aws as aws

from components.configuration import import_options
from components.policies.stack import application_trust_of
from components.settings import ImportGroup, ResourceKind, Settings
from components.settings.arn import Arn
from components.targets import vercel


class AppPrincipal(pulumi.ComponentResource):
    """The application's principals: a role and an IAM user of this stack, or the existing one in the settings."""

    arn: pulumi.Output[str]
    """ARN of the role; without a role, of the user."""
    user_arn: pulumi.Output[str] | None
    """ARN of the IAM user of this stack; None without one."""
    arns: list[pulumi.Output[str]]
    """ARNs of all of them."""
    roles: list[pulumi.Output[str]]
    """Names of the roles that policies are attached to."""
    users: list[pulumi.Output[str]]
    created: list[pulumi.Resource]
    """The role and the user of this stack."""

    def __init__(self, name: str, settings: Settings) -> None:
        super().__init__("eonpro:kms:AppPrincipal", name, {})
        existing = settings.app_principal_arn
        self.arns = arns = []
        self.roles, self.users, self.created, self.user_arn = [], [], [], None
        if existing is not None:
            arns.append(pulumi.Output.from_input(existing))
            (self.users if ":user/" in existing else self.roles).append(
                pulumi.Output.from_input(Arn.parse(existing).name)
            )
        if settings.makes_role:
            role = self._role(name, settings)
            arns.append(role.arn)
            self.roles.append(role.name)
            self.created.append(role)
        if settings.makes_user:
            user = self._user(name, settings)
            arns.append(user.arn)
            self.users.append(user.name)
            self.created.append(user)
            self.user_arn = user.arn
        self.arn = arns[0]
        self.register_outputs({"arn": self.arn, "userArn": self.user_arn})

    def _role(self, name: str, settings: Settings) -> aws.iam.Role:
        providers: list[pulumi.Resource] = []
        if settings.makes_vercel_provider and settings.vercel_team:
            providers.append(self._oidc_provider(name, settings, settings.vercel_team))
        child = pulumi.ResourceOptions(parent=self, depends_on=providers)
        imported = import_options(
            settings,
            ResourceKind.APPLICATION_ROLE,
            group=ImportGroup.APPLICATION_ROLE,
            properties=["assumeRolePolicy", "description", "tags", "permissionsBoundary"],
        )
        return aws.iam.Role(
            name,
            name=settings.names.app_role,
            description=f"The {settings.names.label} application: uses its PHI key and nothing else",
            assume_role_policy=json.dumps(application_trust_of(settings)),
            permissions_boundary=settings.permissions_boundary_arn,
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(child, imported),
        )

    def _user(self, name: str, settings: Settings) -> aws.iam.User:
        # Its access key is created outside the stack, whose state would store the secret.
        imported = import_options(settings, ResourceKind.APPLICATION_USER)
        return aws.iam.User(
            name,
            name=settings.names.app_user,
            permissions_boundary=settings.permissions_boundary_arn,
            # IAM does not delete a user who has an access key, and the update would fail half-way. An existing user is
            # imported without this value, and its import fails with another one.
            force_destroy=None if imported.import_ else True,
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=self), imported),
        )

    def _oidc_provider(self, name: str, settings: Settings, team: str) -> aws.iam.OpenIdConnectProvider:
        return aws.iam.OpenIdConnectProvider(
            f"{name}-vercel",
            url=f"https://{vercel.issuer_of(settings)}",
            client_id_lists=[vercel.vercel_audience(team=team)],
            tags=settings.tags,
            # An account has one provider for each issuer: other environments, and roles of others, may trust this one.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
