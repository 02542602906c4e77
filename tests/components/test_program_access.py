"""The program, run to its end: as whom the application runs, and who hands it its variables."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.aws.iam.policy import Decision, Request, evaluate, statements
from tests.components.configurations import (
    ACCOUNT,
    BOUNDARY,
    CONFIGURATIONS,
    EXISTING_ROLE,
    EXISTING_USER,
)

VARIABLES = ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")

OIDC = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
POLICY = "aws:iam/policy:Policy"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
ROLE_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
USER_ATTACHMENT = "aws:iam/userPolicyAttachment:UserPolicyAttachment"

USER = "aws:iam/user:User"

Run = Callable[..., Any]
Recorded = Callable[[str], Any]


@pytest.fixture(scope="module")
def vercel(recorded: Recorded) -> Any:
    return recorded("vercel")


@pytest.fixture(scope="module")
def ecs(recorded: Recorded) -> Any:
    return recorded("ecs")


def _trusted(recording: Any) -> list[str]:
    trust = json.loads(recording.named("eonpro-app-role").inputs["assumeRolePolicy"])
    return [statement["Sid"] for statement in trust["Statement"]]


def test_access_can_be_taken_away(recorded: Recorded) -> None:
    free = {one.type for one in recorded("every-target").resources if one.type.startswith("aws:iam/")}
    assert free == {ROLE, USER, POLICY, ROLE_POLICY, ROLE_ATTACHMENT, USER_ATTACHMENT}
    held = [one for one in recorded("every-target").resources if one.type in free and (one.protected or one.retained)]
    assert held == []


def test_a_shared_oidc_provider_stays_for_whom_else_may_trust_it(vercel: Any) -> None:
    provider = vercel.one(OIDC)
    assert (provider.retained, provider.protected) == (True, False)


@pytest.mark.parametrize(
    ("name", "trusted"),
    [
        ("vercel", ["TrustVercel"]),
        ("ecs", ["TrustEcsTasks"]),
        ("vercel-and-ecs", ["TrustVercel", "TrustEcsTasks"]),
        # On Vercel the application is the user, whom no role has to trust.
        ("vercel-user-and-ecs", ["TrustEcsTasks"]),
        ("eks-pod-identity", ["TrustPodIdentity"]),
        ("eks-irsa", ["TrustServiceAccount"]),
        ("every-target", ["TrustEcsTasks", "TrustPodIdentity"]),
    ],
)
def test_the_role_trusts_the_targets_and_nobody_else(recorded: Recorded, name: str, trusted: list[str]) -> None:
    assert _trusted(recorded(name)) == trusted


@pytest.mark.parametrize("name", ["vercel-user", "existing-role", "existing-user"])
def test_no_role_is_made_where_none_is_needed(recorded: Recorded, name: str) -> None:
    assert (recorded(name).all(ROLE), recorded(name).all(OIDC)) == ([], [])


def test_the_user_has_the_policy_and_no_key_or_password(recorded: Recorded) -> None:
    recording = recorded("vercel-user")
    assert recording.one(USER).inputs["name"] == "eonpro-app-user"
    assert recording.one(USER_ATTACHMENT).inputs["user"] == "eonpro-app-user"
    of_users = {one.type for one in recording.resources if one.type.startswith("aws:iam/")}
    assert of_users == {USER, USER_ATTACHMENT, POLICY}


@pytest.mark.parametrize(
    ("name", "attachment", "field", "arn"),
    [
        ("existing-role", ROLE_ATTACHMENT, "role", EXISTING_ROLE),
        ("existing-user", USER_ATTACHMENT, "user", EXISTING_USER),
    ],
)
def test_an_existing_principal_gets_the_policy_by_its_name_without_the_path(
    recorded: Recorded, name: str, attachment: str, field: str, arn: str
) -> None:
    recording = recorded(name)
    assert recording.one(attachment).inputs[field] == "portal"
    assert recording.stack_outputs["appPrincipalArn"] == arn


def test_a_permissions_boundary_bounds_every_role_and_user_that_is_made(recorded: Recorded) -> None:
    recording = recorded("boundary")
    made = [*recording.all(ROLE), *recording.all(USER)]
    assert len(made) == 4
    assert {one.inputs["permissionsBoundary"] for one in made} == {BOUNDARY}
    unbounded = [one for one in recorded("every-target").resources if "permissionsBoundary" in one.inputs]
    assert unbounded == []


def test_an_existing_oidc_provider_is_trusted_under_its_own_issuer(run_program: Run) -> None:
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com"
    recording = run_program(vercelOidcProviderArn=provider)
    (statement,) = json.loads(recording.one(ROLE).inputs["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {"Federated": provider}
    assert set(statement["Condition"]["StringEquals"]) == {"oidc.vercel.com:aud", "oidc.vercel.com:sub"}


def test_a_project_with_vercels_global_issuer_gets_a_provider_and_a_trust_for_that_one(run_program: Run) -> None:
    recording = run_program(vercelIssuerMode="global")
    provider, role = recording.one(OIDC), recording.one(ROLE)
    assert provider.inputs["url"] == "https://oidc.vercel.com"
    assert provider.inputs["clientIdLists"] == ["https://vercel.com/acme"], "other teams' tokens are refused"
    (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com"}
    assert set(statement["Condition"]["StringEquals"]) == {"oidc.vercel.com:aud", "oidc.vercel.com:sub"}


def test_a_stack_of_preview_does_not_let_productions_deployments_use_its_key(run_program: Run) -> None:
    (statement,) = json.loads(run_program(vercelEnvironment="preview").one(ROLE).inputs["assumeRolePolicy"])[
        "Statement"
    ]
    assert statement["Condition"]["StringEquals"]["oidc.vercel.com/acme:sub"] == (
        "owner:acme:project:portal:environment:preview"
    )


@pytest.mark.parametrize(
    ("environment", "decision"),
    [
        ("production", Decision.ALLOWED),
        ("staging", Decision.ALLOWED),
        ("preview", Decision.IMPLICIT_DENY),
        ("staging-2", Decision.IMPLICIT_DENY),
    ],
)
def test_a_custom_environment_takes_the_role_where_the_settings_name_it(
    run_program: Run, environment: str, decision: Decision
) -> None:
    trust = json.loads(run_program(vercelEnvironments=["staging"]).one(ROLE).inputs["assumeRolePolicy"])
    (statement,) = ({**each, "Resource": "*"} for each in trust["Statement"])
    del statement["Principal"]
    claims = {"aud": "https://vercel.com/acme", "sub": f"owner:acme:project:portal:environment:{environment}"}
    context = {f"oidc.vercel.com/acme:{name}": (value,) for name, value in claims.items()}
    request = Request(action="sts:AssumeRoleWithWebIdentity", resource="*", context=context)
    assert evaluate(statements({"Statement": [statement]}), request) is decision


def test_a_made_oidc_provider_is_the_one_the_role_trusts_and_comes_first(vercel: Any) -> None:
    provider, role = vercel.one(OIDC), vercel.one(ROLE)
    assert provider.inputs["url"] == "https://oidc.vercel.com/acme"
    assert provider.inputs["clientIdLists"] == ["https://vercel.com/acme"]
    assert f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/acme" in role.inputs["assumeRolePolicy"]
    assert OIDC in role.depends_on


def test_ecs_reads_exactly_the_three_parameters(ecs: Any) -> None:
    arns = [f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/eonpro/production/{name}" for name in VARIABLES]
    (statement,) = json.loads(ecs.named("EONPROParameterAccess").inputs["policy"])["Statement"]
    assert statement["Action"] == ["ssm:GetParameters"]
    assert statement["Resource"] == arns
    assert [entry["valueFrom"] for entry in ecs.stack_outputs["taskSecrets"]] == arns


def test_the_execution_role_may_not_use_the_key(ecs: Any) -> None:
    attached = {one.inputs["role"]: one.inputs["policyArn"] for one in ecs.all(ROLE_ATTACHMENT)}
    assert attached == {
        "eonpro-app-role": f"arn:aws:iam::{ACCOUNT}:policy/EONPROKMSAccess",
        "eonpro-execution-role": f"arn:aws:iam::{ACCOUNT}:policy/EONPROParameterAccess",
    }
    assert "kms:" not in ecs.one(ROLE_POLICY).inputs["policy"]


def test_a_named_execution_role_gets_the_reading_and_nothing_else(recorded: Recorded) -> None:
    recording = recorded("ecs-existing-execution-role")
    (reading,) = (one for one in recording.all(ROLE_ATTACHMENT) if one.inputs["role"] == "starter")
    assert reading.inputs["policyArn"].endswith("policy/EONPROParameterAccess")


def test_ecs_reads_exactly_the_three_secrets_where_they_are_in_secrets_manager(recorded: Recorded) -> None:
    recording = recorded("ecs-secrets-manager")
    arns = [f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:/eonpro/production/{name}" for name in VARIABLES]
    (statement,) = recording.named("EONPROSecretAccess").policy["Statement"]
    assert statement["Resource"] == [f"{arn}-??????" for arn in arns]
    assert recording.stack_outputs["taskSecrets"] == [
        {"name": name, "valueFrom": arn} for name, arn in zip(VARIABLES, arns, strict=True)
    ]
    assert "EONPROParameterAccess" not in [one.inputs.get("name") for one in recording.resources]


def test_other_names_of_the_variables_change_what_a_task_reads_them_as_and_nothing_in_the_account(
    run_program: Run, recorded: Recorded
) -> None:
    usual = recorded("ecs")
    changes = {**CONFIGURATIONS["ecs"], "variableNames": json.dumps(["AWS_KMS_KEY_ID=EONPRO_KMS_KEY_ID"])}
    renamed = run_program(**changes)
    # By their names: the program asks for several at once, and they come in any order.
    assert {one.urn: one.inputs for one in renamed.resources} == {one.urn: one.inputs for one in usual.resources}
    secrets = {entry["name"]: entry["valueFrom"] for entry in renamed.stack_outputs["taskSecrets"]}
    before = {entry["name"]: entry["valueFrom"] for entry in usual.stack_outputs["taskSecrets"]}
    assert secrets.pop("EONPRO_KMS_KEY_ID") == before.pop("AWS_KMS_KEY_ID")
    assert secrets == before


@pytest.mark.parametrize("name", ["eks-pod-identity", "eks-irsa"])
def test_on_eks_the_controller_of_external_secrets_reads_and_the_application_uses(
    recorded: Recorded, name: str
) -> None:
    recording = recorded(name)
    attached = {
        one.inputs["role"]: one.inputs["policyArn"].rpartition("/")[2] for one in recording.all(ROLE_ATTACHMENT)
    }
    assert attached == {"eonpro-app-role": "EONPROKMSAccess", "eonpro-secrets-role": "EONPROParameterAccess"}
    (reading,) = recording.named("EONPROParameterAccess").policy["Statement"]
    assert reading["Action"] == ["ssm:GetParameters", "ssm:GetParameter"]
    trust = recording.named("eonpro-secrets-role").inputs["assumeRolePolicy"]
    assert "external-secrets" in trust
    assert "external-secrets" not in recording.named("eonpro-app-role").inputs["assumeRolePolicy"]
