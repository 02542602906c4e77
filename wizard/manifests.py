"""The Kubernetes manifest with which External Secrets hands the application's pods their variables.

Pure. https://external-secrets.io/latest/api/externalsecret/
"""

from __future__ import annotations

from typing import Any

import yaml

from components.contract import APPLICATION_VARIABLES, EksIdentity, SecretStore, Settings
from components.stack_policies import SECRETS_NAMESPACE, SECRETS_SERVICE_ACCOUNT

NAME = "eonpro-phi"
"""Name of the store, of the ExternalSecret, and of the Kubernetes secret it makes."""


def external_secret(settings: Settings) -> str:
    """A ClusterSecretStore and an ExternalSecret, as YAML: no value is in it, only where each is read.

    With IRSA the store names the controller's service account; with Pod Identity the controller has its role already.
    The store names no role: it would be taken on top of the one that the service account brings, and no role may take
    itself.
    """
    service = "SecretsManager" if settings.secret_store is SecretStore.SECRETS_MANAGER else "ParameterStore"
    aws: dict[str, Any] = {"service": service, "region": settings.region}
    if settings.eks_identity is EksIdentity.IRSA:
        account = {"name": SECRETS_SERVICE_ACCOUNT, "namespace": SECRETS_NAMESPACE}
        aws["auth"] = {"jwt": {"serviceAccountRef": account}}
    store = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": NAME},
        "spec": {"provider": {"aws": aws}},
    }
    secret = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": NAME, "namespace": settings.eks_namespace},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"name": NAME, "kind": "ClusterSecretStore"},
            # Kept when the ExternalSecret goes: a pod that starts without the data key would make itself another.
            "target": {"name": NAME, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
            "data": [
                {"secretKey": variable, "remoteRef": {"key": f"{settings.names.parameter_prefix}/{variable}"}}
                for variable in APPLICATION_VARIABLES
            ],
        },
    }
    return "---\n".join(yaml.safe_dump(document, sort_keys=False) for document in (store, secret))


def associations(settings: Settings, *, app_role_arn: str, secrets_role_arn: str) -> str:
    """The commands that give the two service accounts their roles."""
    accounts = (
        (settings.eks_namespace, settings.eks_service_account, app_role_arn),
        (SECRETS_NAMESPACE, SECRETS_SERVICE_ACCOUNT, secrets_role_arn),
    )
    if settings.eks_identity is EksIdentity.IRSA:
        return "\n".join(
            f"kubectl annotate serviceaccount --overwrite -n {namespace} {account} \\\n"
            f"  eks.amazonaws.com/role-arn={role}"
            for namespace, account, role in accounts
        )
    return "\n".join(
        f"aws eks create-pod-identity-association --cluster-name {settings.eks_cluster} \\\n"
        f"  --namespace {namespace} --service-account {account} --role-arn {role}"
        for namespace, account, role in accounts
    )
