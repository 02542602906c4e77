"""The manifests for External Secrets: parsed as Kubernetes would, and against golden files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.settings import APPLICATION_VARIABLES
from tests.golden import compare
from tests.wizard.fakes.clients import ACCOUNT, APP, settings
from wizard.targets.eks import associations, external_secret

GOLDEN = Path(__file__).parent / "golden"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC123"
READER = f"arn:aws:iam::{ACCOUNT}:role/eonpro-secrets-role"
EKS: dict[str, Any] = {
    "deploy_targets": ("eks",),
    "vercel_team": None,
    "vercel_project": None,
    "eks_cluster": "clinic",
    "eks_namespace": "portal",
    "eks_service_account": "web",
}
IRSA = {**EKS, "eks_identity": "irsa", "eks_oidc_provider_arn": PROVIDER}
VARIANTS = {
    "manifest-pod-identity": EKS,
    "manifest-irsa": IRSA,
    "manifest-secrets-manager": {**EKS, "secret_store": "secrets-manager"},
}


def documents(changes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    store, secret = yaml.safe_load_all(external_secret(settings(**changes)))
    return store, secret


@pytest.mark.parametrize("name", VARIANTS)
def test_a_manifest_is_the_one_that_was_reviewed(name: str) -> None:
    """To take a change over: UPDATE_GOLDEN=1, which fails for every file it changes; then review the diff."""
    wanted = settings(**VARIANTS[name])
    commands = associations(wanted, app_role_arn=APP, secrets_role_arn=READER)
    text = external_secret(wanted) + "".join(f"# {line}\n" for line in commands.splitlines())
    compare(GOLDEN / f"{name}.yaml", text)


def test_a_store_and_a_secret_that_reads_from_it() -> None:
    store, secret = documents(EKS)
    assert (store["kind"], secret["kind"]) == ("ClusterSecretStore", "ExternalSecret")
    assert secret["spec"]["secretStoreRef"] == {"name": store["metadata"]["name"], "kind": store["kind"]}
    assert secret["metadata"]["namespace"] == "portal"


def test_the_pods_get_the_three_variables_together_and_each_from_its_own_place() -> None:
    _, secret = documents(EKS)
    assert {entry["secretKey"]: entry["remoteRef"]["key"] for entry in secret["spec"]["data"]} == {
        name: f"/eonpro/production/{name}" for name in APPLICATION_VARIABLES
    }


@pytest.mark.parametrize(
    ("store", "service"), [("parameter-store", "ParameterStore"), ("secrets-manager", "SecretsManager")]
)
def test_the_store_is_the_one_of_the_settings(store: str, service: str) -> None:
    found, _ = documents({**EKS, "secret_store": store})
    assert found["spec"]["provider"]["aws"]["service"] == service
    assert found["spec"]["provider"]["aws"]["region"] == "us-east-1"


def test_with_irsa_the_store_takes_the_role_of_the_controllers_account_and_none_on_top_of_it() -> None:
    store, _ = documents(IRSA)
    aws = store["spec"]["provider"]["aws"]
    assert "role" not in aws
    assert aws["auth"]["jwt"]["serviceAccountRef"] == {"name": "external-secrets", "namespace": "external-secrets"}


@pytest.mark.parametrize(
    ("changes", "command"),
    [(EKS, "aws eks create-pod-identity-association --cluster-name clinic"), (IRSA, "kubectl annotate serviceaccount")],
)
def test_each_service_account_gets_its_own_role_and_no_other(changes: dict[str, Any], command: str) -> None:
    text = associations(settings(**changes), app_role_arn=APP, secrets_role_arn=READER)
    first, second = text.split(command)[1:]
    assert "portal" in first and "web" in first and APP in first and READER not in first
    assert "external-secrets" in second and READER in second and APP not in second


def test_the_manifests_are_named_after_the_application() -> None:
    own = {"deploy_targets": ("eks",), "eks_cluster": "clinic", "application": "clinic"}
    store, secret = documents(own)
    assert (store["metadata"]["name"], secret["metadata"]) == (
        "clinic-phi",
        {"name": "clinic-phi", "namespace": "clinic"},
    )
    assert secret["spec"]["data"][0]["remoteRef"]["key"].startswith("/clinic/production/")
