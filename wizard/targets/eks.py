"""Amazon EKS as a deploy target: External Secrets copies the three variables from the stack's store to the pods.

Acts through the clients of the context; imports a library only in the method that needs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from wizard.core.models.inputs import Choice, Input, InputType
from wizard.core.next_command import Command, Text, lines, shell
from wizard.targets.port import Files, NextStep, StoreTarget, TargetDescription

if TYPE_CHECKING:
    from components.settings import Outputs, Settings
    from wizard.aws.client import AwsClient
    from wizard.core.models.deployment import Instances
    from wizard.core.target_context import TargetContext

NAME = "eks"
_IRSA = "irsa"
_CHARTS = ("skaffold.yaml", "skaffold.yml", "Chart.yaml", "chart/Chart.yaml", "helm/Chart.yaml")
_MOST_MANIFESTS = 20
# Not compiled on import: that takes long, and most folders need none.
_WORKLOAD = r"""(?m)^kind:\s*["']?(?:Deployment|StatefulSet|DaemonSet|Rollout)["']?\s*$"""


class Eks(StoreTarget):
    """Pods on Amazon EKS."""

    name = NAME
    order = 3
    title = "Amazon EKS"
    note = "a pod's ExternalSecret"
    free_inputs = ("eks_cluster",)
    inputs = (
        Input(
            key="eks_cluster",
            prompt="Which EKS cluster?",
            why="Its pods, of one namespace and one service account, may take the application's role.",
            safeguard="164.308(a)(4)(ii)(B), access authorization",
            link="https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html",
            help="name of the EKS cluster",
            metavar="NAME",
            own=True,
            is_listed=True,
        ),
        Input(
            key="eks_identity",
            kind=InputType.SELECT,
            prompt="How does a pod become an AWS principal?",
            why="Either way only the pods of that one service account can.",
            safeguard="164.312(d), person or entity authentication",
            help="pod-identity (default), or irsa, which needs the cluster's OIDC provider",
            metavar="HOW",
            choices=(
                Choice(value="pod-identity", title="Pod Identity (recommended)"),
                Choice(value=_IRSA, title="IRSA", note="needs the cluster's OIDC provider"),
            ),
            asked=False,
            default="pod-identity",
        ),
        Input(
            key="eks_oidc_provider",
            saved_as="eks_oidc_provider_arn",
            prompt="Which IAM OIDC provider is the one of the cluster?",
            why="IRSA trusts the tokens that this provider vouches for.",
            safeguard="164.312(d), person or entity authentication",
            help="ARN of the EKS cluster's IAM OIDC provider, for irsa",
            metavar="ARN",
            asked=False,
            optional=True,
            follows="eks_cluster",
        ),
        Input(
            key="eks_namespace",
            prompt="Which Kubernetes namespace does the application run in?",
            why="The trust names it: no other namespace's pods can use the key.",
            safeguard="164.308(a)(4)(ii)(B), access authorization",
            help="Kubernetes namespace of the application (default: the application's name)",
            metavar="NAME",
            asked=False,
            optional=True,
            follows="application",
        ),
        Input(
            key="eks_service_account",
            prompt="As which service account does it run?",
            why="The trust names it: no other service account's pods can use the key.",
            safeguard="164.308(a)(4)(ii)(B), access authorization",
            help="Kubernetes service account of the application (default: the application's name)",
            metavar="NAME",
            asked=False,
            optional=True,
            follows="application",
        ),
    )

    def evidence(self, files: Files) -> Iterator[str]:
        """A chart, or the first manifest of a workload in each usual folder."""
        yield from filter(
            files.has, ("skaffold.yaml", "skaffold.yml", "Chart.yaml", "chart/Chart.yaml", "helm/Chart.yaml")
        )
        for below in ("k8s", "kubernetes"):
            names = sorted(name for name in files.names(below) if name.endswith((".yaml", ".yml")))[:_MOST_MANIFESTS]
            manifests = (f"{below}/{name}" for name in names)
            yield from islice((name for name in manifests if re.search(_WORKLOAD, files.content(name))), 1)

    def places(self, key: str, aws: AwsClient) -> tuple[str, ...]:
        """The clusters of the Region."""
        return tuple(aws.requests.pages("eks", "ListClusters", "clusters")) if key == "eks_cluster" else ()

    def running(self, context: TargetContext) -> Instances:
        """The running application is not inspected: the wizard has no access to the cluster."""
        from wizard.core.models.deployment import Instances

        restart = shell("kubectl", "rollout", "restart", "deployment", "--namespace", context.settings.eks_namespace)
        why = Text("pods read the values when they start: ", restart)
        return Instances(target=NAME, deployment=None, why=why, is_inspected=False)

    def reader(self) -> str:
        """The ExternalSecret."""
        return "the pods' ExternalSecret"

    def runtime(self, settings: Settings) -> str:
        return "the pods on EKS"

    def summary(self, settings: Settings) -> tuple[str, str, str]:
        """The service account, and how it becomes an AWS principal."""
        pods = f"{settings.eks_namespace}/{settings.eks_service_account} in {settings.eks_cluster}"
        return "EKS", f"{pods}, by {settings.eks_identity}", "eks_cluster"

    def describe(self, settings: Settings) -> TargetDescription:
        """The service account of the pods, and how they get credentials and variables."""
        is_irsa = settings.eks_identity == _IRSA
        return TargetDescription(
            place=f"{settings.eks_cluster}/{settings.eks_namespace}/{settings.eks_service_account}",
            identity="IAM roles for service accounts, by the cluster's OIDC provider"
            if is_irsa
            else "EKS Pod Identity",
            reads_from=f"{settings.secret_store.service}, by External Secrets, into a Kubernetes Secret",
        )

    def next_steps(self, settings: Settings, outputs: Outputs, stack: str) -> Iterator[NextStep]:
        """The commands for the roles of the two service accounts, then the manifests."""
        if outputs.secrets_role_arn:
            yield NextStep(
                what="Give the service accounts of the application and of External Secrets their roles:",
                verbatim=associations(
                    settings, app_role_arn=outputs.app_principal_arn, secrets_role_arn=outputs.secrets_role_arn
                ),
            )
            yield NextStep(
                what="Let External Secrets give the variables to the pods (envFrom the secret "
                f"{secret_name(settings)}):",
                verbatim=external_secret(settings).rstrip(),
            )


def secret_name(settings: Settings) -> str:
    """Name of the ClusterSecretStore, of the ExternalSecret, and of the Kubernetes Secret that it creates."""
    return f"{settings.application}-phi"


def external_secret(settings: Settings) -> str:
    """A ClusterSecretStore and an ExternalSecret as YAML, with the names of the parameters but no value.

    With IRSA the store names the controller's service account; with Pod Identity the controller has its role already.
    The store names no role: External Secrets would assume it from the service account's role, which cannot assume
    itself.
    """
    import yaml

    from components.settings import EksIdentity, SecretStore
    from components.targets.eks import SECRETS_NAMESPACE, SECRETS_SERVICE_ACCOUNT

    service = "SecretsManager" if settings.secret_store is SecretStore.SECRETS_MANAGER else "ParameterStore"
    aws: dict[str, Any] = {"service": service, "region": settings.region}
    if settings.eks_identity is EksIdentity.IRSA:
        account = {"name": SECRETS_SERVICE_ACCOUNT, "namespace": SECRETS_NAMESPACE}
        aws["auth"] = {"jwt": {"serviceAccountRef": account}}
    name = secret_name(settings)
    store = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": name},
        "spec": {"provider": {"aws": aws}},
    }
    secret = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": settings.eks_namespace},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"name": name, "kind": "ClusterSecretStore"},
            # Retained without the ExternalSecret: a pod that starts without the data key would create another one.
            "target": {"name": name, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
            "data": [
                {"secretKey": name, "remoteRef": {"key": f"{settings.names.parameter_prefix}/{variable}"}}
                for name, variable in settings.delivered_variables.items()
            ],
        },
    }
    return "---\n".join(yaml.safe_dump(document, sort_keys=False) for document in (store, secret))


def associations(settings: Settings, *, app_role_arn: str, secrets_role_arn: str) -> Command:
    """The commands that give the two service accounts their roles."""
    from components.settings import EksIdentity
    from components.targets.eks import SECRETS_NAMESPACE, SECRETS_SERVICE_ACCOUNT

    accounts = (
        (settings.eks_namespace, settings.eks_service_account, app_role_arn),
        (SECRETS_NAMESPACE, SECRETS_SERVICE_ACCOUNT, secrets_role_arn),
    )
    if settings.eks_identity is EksIdentity.IRSA:
        return lines(
            shell(
                *("kubectl", "annotate", "serviceaccount", "--overwrite", "-n", namespace, account),
                f"eks.amazonaws.com/role-arn={role}",
            )
            for namespace, account, role in accounts
        )
    create = ("aws", "eks", "create-pod-identity-association", "--cluster-name", settings.eks_cluster or "")
    return lines(
        shell(*create, "--namespace", namespace, "--service-account", account, "--role-arn", role)
        for namespace, account, role in accounts
    )


TARGET = Eks()
