"""`ApplicationSettings`: the account, the key, the application, and the settings of each deploy target.

Pure. A new target is a member of `Target`, its fields and its faults; its trust and its reader are a file of
`components.targets`.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from components.settings import values as fields
from components.settings.arn import Arn
from components.settings.names import DEFAULT_APPLICATION, Names, label_of
from components.settings.values import PLACEHOLDERS, iam_resource

ROTATION_DAYS = range(90, 2561)
"""Rotation periods that KMS accepts, in days (EnableKeyRotation, RotationPeriodInDays)."""


class Target(StrEnum):
    """The platform on which the application runs."""

    VERCEL = "vercel"
    ECS = "ecs"
    EKS = "eks"


class VercelAccess(StrEnum):
    """The AWS credentials of the application on Vercel."""

    OIDC = "oidc"
    """It assumes its role with Vercel's OIDC token: no secret that could leak, and a patch of five lines."""
    USER = "user"
    """It is an IAM user with an access key, which needs no change of the application; the key never expires."""


class VercelIssuerMode(StrEnum):
    """The issuer of a Vercel project's tokens (`oidcTokenConfig.issuerMode`).

    https://vercel.com/docs/oidc/reference
    """

    TEAM = "team"
    """`oidc.vercel.com/<team>`, which no other team's tokens have."""
    GLOBAL = "global"
    """`oidc.vercel.com`, one for all teams: the audience and the subject name the team."""


def _oidc_provider(value: str) -> str:
    if not re.match(r"oidc-provider/oidc\.vercel\.com(/|$)", iam_resource(value)):
        raise ValueError(f"{value!r} is not the ARN of an IAM OIDC provider for Vercel (oidc.vercel.com/<team>)")
    return value


def _slug(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?", value):
        raise ValueError(f"{value!r} is not a Vercel slug: lower-case letters, digits, '.', '_' and '-'")
    return value


def _other_vercel_environment(value: str) -> str:
    if value == "production":
        raise ValueError("production uses the key of its own stack: name the other environments only")
    return _vercel_environment(value)


def _vercel_environment(value: str) -> str:
    if value == "development":
        raise ValueError("development may not use the key: its tokens are on the developers' machines")
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", value):
        raise ValueError(f"{value!r} is not an environment on Vercel: production, preview, or a custom one's slug")
    return value


def _ecs_name(value: str) -> str:
    if value in PLACEHOLDERS or not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", value):
        raise ValueError(f"{value!r} is not an ECS name: letters, digits, '-' and '_'")
    return value


class EksIdentity(StrEnum):
    """The AWS credentials of a pod."""

    POD_IDENTITY = "pod-identity"
    IRSA = "irsa"


def _cluster_provider(value: str) -> str:
    shape = r"oidc-provider/oidc\.eks\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/id/[A-Za-z0-9]+"
    if not re.fullmatch(shape, iam_resource(value)):
        raise ValueError(
            f"{value!r} is not the ARN of an EKS cluster's IAM OIDC provider (oidc.eks.<region>.amazonaws.com/id/…)"
        )
    return value


def _kubernetes_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", value):
        raise ValueError(f"{value!r} is not a Kubernetes name: up to 63 lower-case letters, digits and hyphens")
    return value


def _eks_cluster(value: str) -> str:
    if value in PLACEHOLDERS or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", value):
        raise ValueError(f"{value!r} is not the name of an EKS cluster: up to 100 letters, digits, '-' and '_'")
    return value


OidcProviderArn = Annotated[str, AfterValidator(_oidc_provider)]
VercelSlug = Annotated[str, AfterValidator(_slug)]
VercelEnvironment = Annotated[str, AfterValidator(_vercel_environment)]
OtherVercelEnvironment = Annotated[str, AfterValidator(_other_vercel_environment)]
EcsName = Annotated[str, AfterValidator(_ecs_name)]
ClusterProviderArn = Annotated[str, AfterValidator(_cluster_provider)]
EksCluster = Annotated[str, AfterValidator(_eks_cluster)]
KubernetesName = Annotated[str, AfterValidator(_kubernetes_name)]


def _application(validated: dict[str, Any]) -> str:
    # It is missing where its own value was refused.
    return str(validated.get("application", DEFAULT_APPLICATION))


class ApplicationSettings(BaseModel):
    """The first part of the settings: all but the application's variables and the audit trail."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    account_id: fields.AccountId
    """The AWS account, 12 digits; set aws:allowedAccountIds to it too, so that no other account is changed."""
    region: fields.Region
    """The AWS Region of the key."""
    environment: fields.Environment = "production"
    """The environment; except for production it is appended to every name, so that one account can have several."""
    application: fields.ApplicationName = DEFAULT_APPLICATION
    """Name of the application, with which every name in the account begins; it cannot be changed after the key is
    created."""

    # The key.
    administrators: tuple[fields.AdministratorArn, ...] = ()
    """ARNs of the IAM users and roles that administer the key; the key policy does not let them use or delete it."""
    administrator_patterns: tuple[fields.RolePattern, ...] = ()
    """Patterns of role ARNs that administer the key too, for the roles of IAM Identity Center, whose names have random
    endings."""
    deletion_administrators: tuple[fields.PrincipalArn, ...] = ()
    """ARNs of those who may schedule the key's deletion; empty means nobody, until the key's policy is changed."""
    usage_guard_days: int = Field(default=90, ge=0, le=3650)
    """Days without any use before the key can be disabled or its deletion scheduled; 0 for no such rule."""
    incident_responders: tuple[fields.PrincipalArn, ...] = ()
    """ARNs of those who may disable the key although it is in use; empty means nobody, until its policy is changed."""
    strict_key_policy: bool = False
    """Whether IAM policies have no effect on the key, only its own policy; needs two administrators."""
    exclusive_use: bool = False
    """Whether everybody except the application is denied the use of the key, also where IAM allows it."""
    rotation_period_days: int = Field(default=365, ge=ROTATION_DAYS.start, lt=ROTATION_DAYS.stop)
    """Days between two rotations of the key by KMS, 90 to 2560."""
    multi_region: bool = False
    """Whether the key can be replicated to other Regions; it cannot be changed after the key is created."""
    replica_regions: tuple[fields.Region, ...] = ()
    """Regions with a replica of the key, and of the wrapped data key."""

    # The application.
    deploy_targets: tuple[Target, ...] = Field(min_length=1)
    """The platforms on which the application runs, one or several."""
    app_principal_arn: fields.ApplicationArn | None = None
    """ARN of an existing IAM role or user the application runs as; empty creates one."""
    permissions_boundary_arn: fields.PolicyArn | None = None
    """ARN of the managed policy that is the permissions boundary of the roles and the user of this stack."""
    secret_store: fields.SecretStore = fields.SecretStore.PARAMETER_STORE
    """The store of the wrapped data key, from which a platform in AWS reads the variables."""
    vercel_team: VercelSlug | None = None
    """Slug of the Vercel team."""
    vercel_project: VercelSlug | None = None
    """Name of the Vercel project."""
    vercel_access: VercelAccess = VercelAccess.OIDC
    """The AWS credentials of the application on Vercel: oidc (its role, by Vercel's token) or user (an IAM user with an
    access key).
    """
    vercel_environment: VercelEnvironment = "production"
    """Environment of the Vercel project that the stack is for: production, preview, or the slug of a custom one; it
    cannot be changed after the key is created."""
    vercel_environments: tuple[OtherVercelEnvironment, ...] = ()
    """Further environments of the Vercel project whose deployments may use the key: preview, or slugs of custom
    environments.
    """
    vercel_issuer_mode: VercelIssuerMode = VercelIssuerMode.TEAM
    """The issuer of the Vercel project's tokens: team (oidc.vercel.com/<team>) or global (oidc.vercel.com), as the
    project is set on Vercel.
    """
    vercel_oidc_provider_arn: OidcProviderArn | None = None
    """ARN of the account's IAM OIDC provider for the Vercel team, if there is one; empty creates it."""
    ecs_cluster: EcsName | None = None
    """Name of the ECS cluster the application runs in."""
    ecs_service: EcsName | None = None
    """Name of the ECS service the application runs as."""
    ecs_execution_role_arn: fields.RoleArn | None = None
    """ARN of the tasks' execution role; empty creates one."""
    eks_cluster: EksCluster | None = None
    """Name of the EKS cluster the application runs in."""
    eks_identity: EksIdentity = EksIdentity.POD_IDENTITY
    """The AWS credentials of a pod: pod-identity, or irsa."""
    eks_oidc_provider_arn: ClusterProviderArn | None = None
    """ARN of the IAM OIDC provider of the EKS cluster, for irsa."""
    eks_namespace: KubernetesName = Field(default_factory=_application)
    """Kubernetes namespace of the application; empty is the application's name."""
    eks_service_account: KubernetesName = Field(default_factory=_application)
    """Kubernetes service account of the application; empty is the application's name."""

    @field_validator("*")
    @classmethod
    def _lists_are_sorted(cls, value: Any) -> Any:
        # Sorted without duplicates, so that another order of the same principals is no change of the key policy.
        return tuple(sorted(set(value))) if isinstance(value, tuple) else value

    @property
    def names(self) -> Names:
        """The names of this environment's resources."""
        raise NotImplementedError

    @property
    def partition(self) -> str:
        """The AWS partition of the Region."""
        return partition_of(self.region)

    @property
    def regions(self) -> tuple[str, ...]:
        """Every Region of the key: its own first, then those of the replicas."""
        return (self.region, *self.replica_regions)

    @property
    def tags(self) -> dict[str, str]:
        """The tags of every resource that supports tags."""
        return {"Application": label_of(self.application), "Environment": self.environment.capitalize()}

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        """The ARN of a resource of the stack's account: in its own Region, in another, in none for a global service."""
        is_global, is_bucket = service in ("iam", "s3"), service == "s3"
        return str(
            Arn(
                partition=self.partition,
                service=service,
                region="" if is_global else region or self.region,
                account="" if is_bucket else self.account_id,
                resource=resource,
            )
        )

    def target_faults(self) -> Iterator[str]:
        """What the settings of the targets lack or contradict, one sentence each."""
        if Target.VERCEL in self.deploy_targets and not (self.vercel_team and self.vercel_project):
            yield "the deploy target vercel needs vercelTeam and vercelProject"
        if self.vercel_environment in self.vercel_environments:
            yield f"vercelEnvironments: {self.vercel_environment} is the stack's own vercelEnvironment"
        if self.vercel_access is VercelAccess.USER and self.app_principal_arn:
            creates = "vercelAccess user creates an IAM user for the application"
            yield f"{creates}, but appPrincipalArn names another principal"
        if self.ecs_service and not self.ecs_cluster:
            yield "ecsService needs ecsCluster"
        if Target.EKS in self.deploy_targets and not self.eks_cluster:
            yield "the deploy target eks needs eksCluster"
        needs_provider = Target.EKS in self.deploy_targets and self.eks_identity is EksIdentity.IRSA
        if needs_provider and not self.eks_oidc_provider_arn:
            yield "eksIdentity irsa needs eksOidcProviderArn, the IAM OIDC provider of the cluster"

    @property
    def makes_role(self) -> bool:
        """Whether the stack creates a role for the application: for every target except Vercel with an IAM user."""
        others = set(self.deploy_targets) - ({Target.VERCEL} if self.makes_user else set())
        return self.app_principal_arn is None and bool(others)

    @property
    def uses_store(self) -> bool:
        """Whether something in AWS reads the variables from the store: at every target except Vercel."""
        return bool(set(self.deploy_targets) - {Target.VERCEL})

    @property
    def makes_user(self) -> bool:
        """Whether the stack creates an IAM user for the application on Vercel."""
        return Target.VERCEL in self.deploy_targets and self.vercel_access is VercelAccess.USER

    @property
    def trusts_vercel(self) -> bool:
        """Whether the application's role trusts Vercel's tokens."""
        return Target.VERCEL in self.deploy_targets and self.makes_role and not self.makes_user

    @property
    def makes_vercel_provider(self) -> bool:
        """Whether the stack creates the IAM OIDC provider of the Vercel team."""
        return self.trusts_vercel and self.vercel_oidc_provider_arn is None

    @property
    def vercel_place(self) -> tuple[str, str, str]:
        """The Vercel team, its project and the project's environment; empty texts without the target."""
        return self.vercel_team or "", self.vercel_project or "", self.vercel_environment

    @property
    def execution_role_arn(self) -> str | None:
        """The role that reads the variables for ECS, existing or created by the stack; None without ECS."""
        if Target.ECS not in self.deploy_targets:
            return None
        return self.ecs_execution_role_arn or self.arn("iam", f"role/{self.names.execution_role}")

    @property
    def makes_execution_role(self) -> bool:
        """Whether the stack creates a task execution role for ECS."""
        return Target.ECS in self.deploy_targets and self.ecs_execution_role_arn is None

    @property
    def makes_secrets_role(self) -> bool:
        """Whether the stack creates a role for External Secrets, which reads the variables for pods on EKS."""
        return Target.EKS in self.deploy_targets


def partition_of(region: str) -> str:
    """The AWS partition of a Region."""
    return {"us-gov": "aws-us-gov", "cn": "aws-cn"}.get(region.rsplit("-", 2)[0], "aws")
