"""Amazon EKS: its settings, the trust in its pods, and the role of External Secrets, which reads the variables.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.policies.documents import Policy, Statement, allow, policy
from components.settings import EksIdentity, ResourceKind, Settings, Target
from components.settings.arn import Arn
from components.targets.platform import NewRole, Platform, Reader

SECRETS_NAMESPACE = "external-secrets"
SECRETS_SERVICE_ACCOUNT = "external-secrets"
"""Namespace and service account of the External Secrets controller, as its chart installs it."""


class Eks(Platform):
    """Pods: the controller of External Secrets reads the variables for them."""

    name = Target.EKS
    services = ("eks",)
    feature = "EKS"

    def trust(self, settings: Settings) -> list[Statement]:
        """The pods of the application's service account."""
        return trust_of(settings, namespace=settings.eks_namespace, service_account=settings.eks_service_account)

    def reader(self, settings: Settings) -> Reader:
        """The role of the controller of External Secrets."""
        role = NewRole(
            name=settings.names.secrets_role,
            logical_name="secrets",
            description=f"Reads the variables of the {settings.names.label} application for its pods",
            trust=secrets_trust_of(settings),
            kind=ResourceKind.SECRETS_ROLE,
        )
        return Reader(
            target=Target.EKS,
            role=role,
            arn=settings.arn("iam", f"role/{role.name}"),
            title="role of External Secrets",
            without="External Secrets cannot read them, and a pod keeps old values or does not start: "
            "SecretSyncedError, AccessDeniedException",
            attachment="-eks",
            one_by_one=True,
        )

    def existing(self, settings: Settings) -> Mapping[str, str | None]:
        """The identity provider of the cluster."""
        return {"cluster's identity provider": settings.eks_oidc_provider_arn}


def secrets_trust_of(settings: Settings) -> Policy:
    """Trust of the role that reads the variables for a pod: the External Secrets controller."""
    return policy(trust_of(settings, namespace=SECRETS_NAMESPACE, service_account=SECRETS_SERVICE_ACCOUNT))


def trust_of(settings: Settings, *, namespace: str, service_account: str) -> list[Statement]:
    """Trust in the pods of one service account of the settings' cluster, and in no others.

    Pod Identity sets the session tags, so that an association for another namespace gets no access.
    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
    https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
    """
    if settings.eks_identity is EksIdentity.IRSA and settings.eks_oidc_provider_arn:
        issuer = Arn.parse(settings.eks_oidc_provider_arn).path
        return [
            allow(
                "TrustServiceAccount",
                "sts:AssumeRoleWithWebIdentity",
                principal={"Federated": settings.eks_oidc_provider_arn},
                condition={
                    "StringEquals": {
                        f"{issuer}:aud": "sts.amazonaws.com",
                        f"{issuer}:sub": f"system:serviceaccount:{namespace}:{service_account}",
                    }
                },
            )
        ]
    return [
        allow(
            "TrustPodIdentity",
            ["sts:AssumeRole", "sts:TagSession"],
            principal={"Service": "pods.eks.amazonaws.com"},
            condition={
                "StringEquals": {
                    "aws:SourceAccount": settings.account_id,
                    "aws:RequestTag/kubernetes-namespace": namespace,
                    "aws:RequestTag/kubernetes-service-account": service_account,
                },
                "ArnEquals": {"aws:SourceArn": settings.arn("eks", f"cluster/{settings.eks_cluster or ''}")},
            },
        )
    ]


TARGET = Eks()
