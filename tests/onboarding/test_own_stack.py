"""Preview with a stack of its own in production's Vercel project and AWS account, by the command that `push` prints."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.oidc import deployment_token
from tests.onboarding.deployment import Deployment, Templates

pytestmark = pytest.mark.thorough

ENV = "/v10/projects/eonpro/env"
OF_PREVIEW = "/eonpro/preview/ENCRYPTED_PHI_KEY"


@dataclass(frozen=True, kw_only=True)
class TwoStacks:
    """A deployment with production, and preview that was set up beside it."""

    deployment: Deployment
    refused: Mapping[str, Any]
    """The push of production's data key to preview."""
    before: Mapping[str, Any]
    """What was production's before preview was set up."""
    token: Mapping[str, str]
    """The environment in which the application of preview has its token."""


@pytest.fixture(scope="module")
def two(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoStacks]:
    """Production's team keeps its Secrets from other environments; the printed command is run as it is."""
    root = tmp_path_factory.mktemp("own-stack")
    with templates.fork(root, "vercel") as deployment:
        url = f"{deployment.environment['VERCEL_API_URL']}/_sandbox/separates-secrets"
        urllib.request.urlopen(urllib.request.Request(url, method="PUT")).close()
        refused = deployment.wizard("push", "--to", "preview", "--yes", "--json", expect=None).document
        before = of_production(deployment)
        # A branch of the application, deployed before preview has its variables.
        body = {"name": "eonpro", "deploymentId": deployment.runs()["deployment"]}
        id = deployment.vercel("POST", "/v13/deployments", body, forceNew="1")["id"]
        while deployment.vercel("GET", f"/v13/deployments/{id}")["readyState"] != "READY":
            pass  # Each read is a step of the build.
        token = root / "token-of-preview"
        token.write_text(deployment_token(team="eonpro", project="eonpro", environment="preview"))
        of_preview = {"EONPRO_APP_WEB_IDENTITY_TOKEN_FILE": str(token)}
        deployment.run(["bash", "-ec", refused["next"]["command"]], env=of_preview)
        yield TwoStacks(deployment=deployment, refused=refused, before=before, token=of_preview)


def listed(deployment: Deployment, environment: str) -> list[dict[str, Any]]:
    return [each for each in deployment.vercel("GET", ENV)["envs"] if each["target"] == [environment]]


def of_production(deployment: Deployment) -> dict[str, Any]:
    """All that is production's: its state, its settings, its stored data key, its variables with their times."""
    return {
        "state": deployment.pulumi("stack", "export", "--stack", "production").document,
        "settings": (deployment.folder / "Pulumi.production.yaml").read_text(),
        "data key": deployment.stored_key_versions(),
        "variables": listed(deployment, "production"),
    }


def run_by(deployment: Deployment, environment: str) -> dict[str, str]:
    """What the application finds in its environment when that environment is deployed now."""
    url = f"{deployment.environment['VERCEL_API_URL']}/_sandbox/deployment/eonpro?environment={environment}"
    with urllib.request.urlopen(url) as answer:
        found: dict[str, str] = json.load(answer)
    return found


def test_the_refused_push_prints_the_whole_command(two: TwoStacks) -> None:
    assert "does not let preview have production's Secret" in two.refused["message"]
    assert "--vercel-environment preview" in two.refused["next"]["command"]


def test_preview_has_a_key_and_a_data_key_of_its_own_and_production_is_as_it_was(two: TwoStacks) -> None:
    deployment = two.deployment
    assert of_production(deployment) == two.before
    mine, theirs = run_by(deployment, "preview"), run_by(deployment, "production")
    assert mine.keys() == theirs.keys() == {"AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY"}
    assert mine["ENCRYPTED_PHI_KEY"] == deployment.parameters()[OF_PREVIEW] != theirs["ENCRYPTED_PHI_KEY"]
    assert mine["AWS_KMS_KEY_ID"] != theirs["AWS_KMS_KEY_ID"] and len(deployment.keys()) == 2


def test_each_role_trusts_its_own_environment_by_the_one_provider_of_the_account(two: TwoStacks) -> None:
    iam = two.deployment.client("iam")
    assert len(iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]) == 1
    for role, environment in (("eonpro-app-role", "production"), ("eonpro-app-role-preview", "preview")):
        (trust,) = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
        (subject,) = [value for name, value in trust["Condition"]["StringEquals"].items() if name.endswith(":sub")]
        assert subject == f"owner:eonpro:project:eonpro:environment:{environment}"


@pytest.mark.parametrize("stack", ["production", "preview"])
def test_both_are_proved_by_their_own_applications_and_have_no_finding(two: TwoStacks, stack: str) -> None:
    env = two.token if stack == "preview" else {}
    pushed = two.deployment.wizard("push", "--stack", stack, "--redeploy", "--json", env=env).document
    assert [(each["environment"], each["state"]) for each in pushed["delivered"]] == [(stack, "unchanged")]
    assert [each["state"] for each in pushed["redeploys"]] == ["done"]
    verified = two.deployment.wizard("verify", "--stack", stack, "--json", env=env).document
    assert [proof["state"] for proof in verified["proofs"]] == ["proved"]
    diagnosis = two.deployment.wizard("doctor", "--stack", stack, "--json", env=env).document
    assert diagnosis["ok"] is True and diagnosis["findings"] == []
    two.deployment.pulumi("preview", "--stack", stack, "--expect-no-changes", "--policy-pack", "guardrails")


def test_a_deployed_stack_does_not_move_to_another_environment(two: TwoStacks) -> None:
    options = ("setup", "--stack", "production", "--vercel-environment", "preview", "--yes", "--json")
    refused = two.deployment.wizard(*options, expect=2).document
    assert "is for production on Vercel, not preview" in str(refused)
    assert of_production(two.deployment) == two.before


def test_without_preview_production_is_as_it_was(two: TwoStacks) -> None:
    two.deployment.wizard("destroy", "--stack", "preview", "--confirm", "preview", "--non-interactive", env=two.token)
    assert of_production(two.deployment) == two.before
    verified = two.deployment.wizard("verify", "--stack", "production", "--json").document
    assert [proof["state"] for proof in verified["proofs"]] == ["proved"]
