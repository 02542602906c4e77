"""The policies of one environment: `Settings` in, policy documents out.

Pure. The program and the preflight both use it, so that they evaluate the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from components import policies
from components.settings import EksIdentity, Settings, Target


def key_policy_of(settings: Settings, app_principal_arns: Sequence[str] | None = None) -> policies.Policy:
    """The policy of the key and of each replica; the application's ARNs are those of the settings by default."""
    return policies.key_policy(
        account_id=settings.account_id,
        administrators=settings.administrators,
        administrator_patterns=settings.administrator_patterns,
        deletion_administrators=settings.deletion_administrators,
        app_principal_arns=settings.app_principal_arns if app_principal_arns is None else app_principal_arns,
        strict=settings.strict_key_policy,
        exclusive_use=settings.exclusive_use,
        multi_region=settings.multi_region,
        partition=settings.partition,
    )


def trail_arn_of(settings: Settings) -> str:
    """The ARN of the trail that records the use of the key: an existing one, or the one that the stack creates."""
    return settings.existing_trail_arn or policies.trail_arn(
        account_id=settings.account_id,
        region=settings.region,
        name=settings.names.trail,
        partition=settings.partition,
    )


def application_trust_of(settings: Settings, *, vercel_provider_arn: str | None) -> policies.Policy:
    """Who can assume the application's role: each deploy target of the settings, and nobody else."""
    trust: list[policies.Statement] = []
    takes_role = Target.VERCEL in settings.deploy_targets and not settings.makes_user
    if takes_role and vercel_provider_arn and settings.vercel_team and settings.vercel_project:
        trust += policies.vercel_trust_statements(
            oidc_provider_arn=vercel_provider_arn, team=settings.vercel_team, project=settings.vercel_project
        )
    if Target.ECS in settings.deploy_targets:
        trust += policies.ecs_trust_statements(
            account_id=settings.account_id, regions=settings.regions, partition=settings.partition
        )
    if Target.EKS in settings.deploy_targets:
        trust += eks_trust_of(settings, namespace=settings.eks_namespace, service_account=settings.eks_service_account)
    return policies.policy(trust)


SECRETS_NAMESPACE = "external-secrets"
SECRETS_SERVICE_ACCOUNT = "external-secrets"
"""Namespace and service account of the External Secrets controller, as its chart installs it."""


def secrets_trust_of(settings: Settings) -> policies.Policy:
    """Who can assume the role that reads the variables for a pod: the External Secrets controller."""
    return policies.policy(eks_trust_of(settings, namespace=SECRETS_NAMESPACE, service_account=SECRETS_SERVICE_ACCOUNT))


def eks_trust_of(settings: Settings, *, namespace: str, service_account: str) -> list[policies.Statement]:
    """Trust in one service account of the settings' cluster, by Pod Identity or IRSA."""
    if settings.eks_identity is EksIdentity.IRSA and settings.eks_oidc_provider_arn:
        return policies.irsa_trust_statements(
            oidc_provider_arn=settings.eks_oidc_provider_arn, namespace=namespace, service_account=service_account
        )
    return policies.pod_identity_trust_statements(
        account_id=settings.account_id,
        region=settings.region,
        cluster=settings.eks_cluster or "",
        namespace=namespace,
        service_account=service_account,
        partition=settings.partition,
    )
