"""The manifests for External Secrets: parsed as Kubernetes would, and against golden files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

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
