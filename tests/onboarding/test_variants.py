"""The onboarding with other answers in one Region: an IAM user on Vercel, Secrets Manager, EKS.

Touches deployments of its own, each set up once; the tests that change one stand last among its tests.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.onboarding.deployment import ACCOUNT, STORED_KEY, Deployment
from tests.onboarding.variant import OUTPUTS, Variant, no_secret_is_kept, nothing_is_left_to_change, onboarded

NAMES = ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")
USER = "eonpro-app-user"
PAIR = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture(scope="module")
def as_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Variant]:
    """On Vercel, by an access key."""
    with onboarded(tmp_path_factory.mktemp("as-user"), "vercel-user") as variant:
        yield variant


@pytest.fixture(scope="module")
def in_secrets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Variant]:
    """On ECS, from Secrets Manager."""
    with onboarded(tmp_path_factory.mktemp("in-secrets"), "ecs-secrets-manager") as variant:
        yield variant


@pytest.fixture(scope="module")
def on_eks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Variant]:
    """On EKS, by Pod Identity."""
    with onboarded(tmp_path_factory.mktemp("on-eks"), "eks") as variant:
        yield variant


@pytest.mark.parametrize(
    ("name", "proofs", "outputs"),
    [
        pytest.param("as_user", [("vercel", "proved")], {"appUserArn"}, marks=pytest.mark.thorough),
        pytest.param("in_secrets", [("ecs", "proved")], {"taskSecrets"}, marks=pytest.mark.thorough),
        pytest.param("on_eks", [("eks", "simulated")], {"secretsRoleArn"}, marks=pytest.mark.thorough),
    ],
)
def test_it_ends_with_its_proof_and_a_second_run_changes_nothing(
    name: str, proofs: list[tuple[str, str]], outputs: set[str], request: pytest.FixtureRequest
) -> None:
    variant: Variant = request.getfixturevalue(name)
    assert variant.document["ok"] is True and variant.proofs == proofs
    assert set(variant.deployment.outputs()) == OUTPUTS | outputs
    nothing_is_left_to_change(variant)
    no_secret_is_kept(variant.deployment)


# --- EKS


@pytest.mark.thorough
def test_a_proof_that_was_not_run_in_a_pod_says_so(on_eks: Variant) -> None:
    [proof] = on_eks.document["proofs"]
    assert "this was not run as the application" in proof["detail"]
    tested = next(item for item in on_eks.document["checklist"] if "tested" in item["title"])
    assert tested["state"] == "needs a person"


# --- Secrets Manager


def secrets_of(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """The secrets of EONPRO by name, with their value and their tags as one dict."""
    manager = deployment.client("secretsmanager")
    return {
        each["Name"]: {
            **each,
            "Value": manager.get_secret_value(SecretId=each["Name"])["SecretString"],
            "Tags": {tag["Key"]: tag["Value"] for tag in each["Tags"]},
        }
        for each in manager.list_secrets()["SecretList"]
        if each["Name"].startswith("/eonpro/")
    }


@pytest.mark.thorough
def test_a_store_that_is_chosen_later_gets_the_same_data_key_and_the_first_keeps_it(in_secrets: Variant) -> None:
    deployment = in_secrets.deployment
    before = secrets_of(deployment)
    document = in_secrets.again("--secret-store", "parameter-store")
    assert document["proofs"][0]["state"] == "proved" and document["dataKey"]["isNew"] is False
    assert document["dataKey"]["fingerprint"] == in_secrets.document["dataKey"]["fingerprint"]
    parameters, after = deployment.parameters(), secrets_of(deployment)
    assert {name: after[name]["Value"] for name in after} == {name: before[name]["Value"] for name in before}
    assert parameters == {name: before[name]["Value"] for name in before}
    assert all(":parameter/" in each["valueFrom"] for each in deployment.outputs()["taskSecrets"])
    deployment.pulumi("preview", "--stack", "production", "--expect-no-changes", "--policy-pack", "guardrails")


# --- the IAM user on Vercel


def keys_of(deployment: Deployment) -> dict[str, str]:
    """The application user's access keys, and whether each is on."""
    listed = deployment.client("iam").list_access_keys(UserName=USER)["AccessKeyMetadata"]
    return {each["AccessKeyId"]: each["Status"] for each in listed}


def named_on_vercel(deployment: Deployment) -> str:
    """The access key that both variables on Vercel are of, by their comments; their values nobody can read."""
    variables = deployment.variables()
    assert {(variables[name]["type"], variables[name]["value"]) for name in PAIR} == {("sensitive", "")}
    assert all(variables[name]["target"] == ["production"] for name in PAIR)
    named: str
    [named] = {word.rstrip(";") for name in PAIR for word in variables[name]["comment"].split() if word[:4] == "AKIA"}
    return named


@pytest.mark.thorough
def test_the_user_has_one_access_key_and_vercel_has_it(as_user: Variant) -> None:
    deployment = as_user.deployment
    key = as_user.document["accessKey"]["id"]
    assert keys_of(deployment) == {key: "Active"} and named_on_vercel(deployment) == key
    assert set(deployment.variables()) == {*NAMES, *PAIR}
    assert deployment.outputs()["appUserArn"] == f"arn:aws:iam::{ACCOUNT}:user/{USER}"
    made = deployment.inventory()
    assert "eonpro-app-role" not in made["roles"] and made["providers"] == []
    iam = deployment.client("iam")
    attached = iam.list_attached_user_policies(UserName=USER)["AttachedPolicies"]
    assert [each["PolicyName"] for each in attached] == ["EONPROKMSAccess"]
    assert iam.list_user_policies(UserName=USER)["PolicyNames"] == []


@pytest.mark.thorough
def test_an_access_key_is_replaced_in_three_steps_and_none_of_them_cuts_the_application_off(as_user: Variant) -> None:
    deployment = as_user.deployment
    [old] = keys_of(deployment)
    rotated = deployment.wizard("access-key", "rotate", "--json").document["accessKey"]
    new = rotated["id"]
    assert rotated["old"] == old and named_on_vercel(deployment) == new
    assert keys_of(deployment) == {old: "Active", new: "Active"}

    # What runs was deployed before the new one existed.
    refused = deployment.wizard("access-key", "retire", "--json", expect=4).document
    assert old in refused["message"] and "is in use" in refused["message"]
    assert keys_of(deployment) == {old: "Active", new: "Active"}

    off = deployment.wizard("access-key", "retire", "--yes", "--json").document["accessKey"]
    assert off == {"id": old, "done": "switched off"} and keys_of(deployment) == {old: "Inactive", new: "Active"}
    gone = deployment.wizard("access-key", "retire", "--json").document["accessKey"]
    assert gone == {"id": old, "done": "deleted"} and keys_of(deployment) == {new: "Active"}


def test_a_deployment_signs_with_what_vercel_gives_it_and_the_secret_stays_nowhere_else(as_user: Variant) -> None:
    deployment = as_user.deployment
    environment = deployment.deployed()
    given = {"AccessKeyId": environment["AWS_ACCESS_KEY_ID"], "SecretAccessKey": environment["AWS_SECRET_ACCESS_KEY"]}
    blob = base64.b64decode(environment["ENCRYPTED_PHI_KEY"], validate=True)
    kms = deployment.client("kms", credentials=given)
    assert len(kms.decrypt(KeyId=environment["AWS_KMS_KEY_ID"], CiphertextBlob=blob)["Plaintext"]) == 32
    with pytest.raises(ClientError) as refused:
        deployment.client("ssm", credentials=given).get_parameter(Name=STORED_KEY)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    no_secret_is_kept(deployment, given["SecretAccessKey"])


@pytest.mark.thorough
def test_by_vercels_own_token_later_the_user_ends_with_its_access_keys(as_user: Variant) -> None:
    deployment = as_user.deployment
    stored_key = deployment.stored_key_versions()
    ended = deployment.set_up("vercel-user", "--vercel-access", "oidc", "--json")
    document = ended.document
    # What runs now signs with the key that ends: that is said before, with what to do about it.
    assert f"this update deletes the user {USER} and its access keys" in ended.output
    assert "vercel env rm AWS_SECRET_ACCESS_KEY production" in ended.output
    assert {(each["op"], each["type"]) for each in document["changes"] if each["op"] == "delete"} == {
        ("delete", "aws:iam/user:User"),
        ("delete", "aws:iam/userPolicyAttachment:UserPolicyAttachment"),
    }
    assert [(proof["target"], proof["state"]) for proof in document["proofs"]] == [("vercel", "proved")]
    assert document["outputs"]["appPrincipalArn"].endswith(":role/eonpro-app-role")
    with pytest.raises(ClientError) as gone:
        deployment.client("iam").get_user(UserName=USER)
    assert gone.value.response["Error"]["Code"] == "NoSuchEntity"
    assert deployment.stored_key_versions() == stored_key and len(deployment.keys()) == 1
    assert base64.b64decode(deployment.parameters()[STORED_KEY], validate=True)
    policy = deployment.client("kms").get_key_policy(KeyId=deployment.keys()[0], PolicyName="default")["Policy"]
    assert USER not in policy
