"""What keeps the application from its key: each fault made for real, named first by the doctor, fixed by its command.

Touches the deployments that are set up once; every test leaves them as they were, by the very command that it is about.
"""

from __future__ import annotations

import json
import shlex
import urllib.request
from typing import Any

import pytest

from tests.day_two.doctor_fixture import diagnosis, fixed, typed
from tests.day_two.the_service import service_of
from tests.onboarding.deployment import ACCOUNT, Deployment

ROLE = "eonpro-app-role"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/EONPROKMSAccess"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/eonpro"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
NO_KMS = {"Effect": "Allow", "NotAction": "kms:*", "Resource": "*"}
DENY_KMS = {"Sid": "NoKeys", "Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def key_policy(deployment: Deployment) -> dict[str, Any]:
    [key] = deployment.keys()
    found: dict[str, Any] = json.loads(
        deployment.client("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    )
    return found


def put_key_policy(deployment: Deployment, policy: dict[str, Any]) -> None:
    [key] = deployment.keys()
    deployment.client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))


# --- the application's own policy


@pytest.mark.thorough
def test_a_policy_that_was_detached_is_attached_again(on_vercel: Deployment):
    on_vercel.client("iam").detach_role_policy(RoleName=ROLE, PolicyArn=POLICY)
    finding = fixed(on_vercel, "policy-detached")
    assert finding["command"].startswith(f"aws iam attach-role-policy --role-name {ROLE} --policy-arn {POLICY}")
    # The key's policy names the role, and the doctor does not claim a denial that there is not.
    assert "only the key's own policy allows it" in finding["why"]


@pytest.mark.thorough
def test_a_policy_that_was_deleted_is_made_again(on_vercel: Deployment):
    iam = on_vercel.client("iam")
    iam.detach_role_policy(RoleName=ROLE, PolicyArn=POLICY)
    for version in iam.list_policy_versions(PolicyArn=POLICY)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=POLICY, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=POLICY)
    fixed(on_vercel, "policy-missing")


@pytest.mark.thorough
def test_a_policy_that_was_edited_gets_its_former_version_back(on_vercel: Deployment):
    iam = on_vercel.client("iam")
    iam.create_policy_version(
        PolicyArn=POLICY,
        PolicyDocument=document({"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*"}),
        SetAsDefault=True,
    )
    finding = fixed(on_vercel, "policy-edited")
    assert "set-default-policy-version" in finding["command"]


# --- the key's policy


def test_a_key_policy_without_the_application_gets_it_back(on_vercel: Deployment):
    policy = key_policy(on_vercel)
    kept = [each for each in policy["Statement"] if "EONPRO" not in each["Sid"]]
    put_key_policy(on_vercel, {**policy, "Statement": kept})
    fixed(on_vercel, "key-policy-without-application")
    assert any("EONPRO" in each["Sid"] for each in key_policy(on_vercel)["Statement"])


@pytest.mark.thorough
def test_a_key_policy_that_denies_the_application_denies_it_no_more(on_vercel: Deployment):
    policy = key_policy(on_vercel)
    role = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    denial = {
        "Sid": "NotYou",
        "Effect": "Deny",
        "Principal": {"AWS": role},
        "Action": "kms:Decrypt",
        "Resource": "*",
    }
    put_key_policy(on_vercel, {**policy, "Statement": [*policy["Statement"], denial]})
    fixed(on_vercel, "key-policy-denies")


# --- what limits it


@pytest.mark.thorough
def test_of_a_boundary_that_leaves_the_key_out_it_is_said_who_set_it(on_vercel: Deployment):
    iam = on_vercel.client("iam")
    arn = iam.create_policy(PolicyName="no-keys", PolicyDocument=document(NO_KMS))["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=arn)
    try:
        finding, *_ = diagnosis(on_vercel, "--quick", expect=1)["findings"]
        assert finding["cause"] == "boundary-denies" and arn in finding["what"]
        assert "ask them" in finding["advice"] and "delete-role-permissions-boundary" not in str(finding)
        # It reads alone.
        on_vercel.forget_calls()
        typed(on_vercel, finding["command"])
        assert on_vercel.changes() == {}
    finally:
        iam.delete_role_permissions_boundary(RoleName=ROLE)
        iam.delete_policy(PolicyArn=arn)


@pytest.mark.thorough
def test_an_inline_policy_that_denies_is_deleted(on_vercel: Deployment):
    on_vercel.client("iam").put_role_policy(RoleName=ROLE, PolicyName="freeze", PolicyDocument=document(DENY_KMS))
    finding = fixed(on_vercel, "explicit-deny")
    assert "freeze" in finding["what"] and "delete-role-policy" in finding["command"]


@pytest.mark.thorough
def test_a_managed_policy_that_denies_is_detached(on_vercel: Deployment):
    iam = on_vercel.client("iam")
    arn = iam.create_policy(PolicyName="quarantine", PolicyDocument=document(DENY_KMS))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=arn)
    finding = fixed(on_vercel, "explicit-deny")
    assert f"detach-role-policy --role-name {ROLE} --policy-arn {arn}" in finding["command"]
    iam.delete_policy(PolicyArn=arn)


def test_a_service_control_policy_is_named_and_it_is_said_who_can_change_it(on_vercel: Deployment):
    url = f"{on_vercel.environment['AWS_ENDPOINT_URL']}/_sandbox/service-control-policies"

    def organization(*policies: str) -> None:
        body = json.dumps({"policies": [json.loads(each) for each in policies]}).encode()
        urllib.request.urlopen(urllib.request.Request(url, method="PUT", data=body), timeout=10).close()

    organization(document(EVERYTHING, {**DENY_KMS, "Condition": {"StringLike": {"aws:PrincipalArn": f"*{ROLE}"}}}))
    try:
        found = diagnosis(on_vercel, "--quick", expect=1)
    finally:
        # Only the organization's management account can: there is no command that this account could type.
        organization()
    [finding] = found["findings"]
    assert finding["cause"] == "service-control-policy"
    assert f"--target-id {ACCOUNT}" in finding["command"] and "management account" in finding["advice"]
    assert {each["cause"] for each in found["consequences"]} >= {"access-denied"}


# --- who it is


@pytest.mark.thorough
def test_a_role_that_was_deleted_is_made_again(on_vercel: Deployment):
    iam = on_vercel.client("iam")
    iam.detach_role_policy(RoleName=ROLE, PolicyArn=POLICY)
    iam.delete_role(RoleName=ROLE)
    fixed(on_vercel, "principal-missing")


@pytest.mark.thorough
def test_a_role_that_no_longer_trusts_vercel_trusts_it_again(on_vercel: Deployment):
    ec2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    on_vercel.client("iam").update_assume_role_policy(RoleName=ROLE, PolicyDocument=document(ec2))
    fixed(on_vercel, "trust-changed")


@pytest.mark.thorough
def test_a_role_that_also_lets_in_another_account_fails_verify_and_lets_it_in_no_longer(on_vercel: Deployment):
    iam = on_vercel.client("iam")
    trust = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    stranger = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999988887777:root"}, "Action": "sts:AssumeRole"}
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=document(*trust["Statement"], stranger))
    verified = on_vercel.wizard("verify", "--json", expect=1).document
    assert [finding["cause"] for finding in verified["findings"]] == ["trust-widened"]
    fixed(on_vercel, "trust-widened")
    assert "999988887777" not in str(iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"])


@pytest.mark.thorough
def test_a_role_that_no_longer_trusts_ecs_trusts_it_again(on_ecs: Deployment):
    ec2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    on_ecs.client("iam").update_assume_role_policy(RoleName=ROLE, PolicyDocument=document(ec2))
    fixed(on_ecs, "trust-changed")


@pytest.mark.thorough
def test_an_oidc_provider_that_was_deleted_is_made_again(on_vercel: Deployment):
    on_vercel.client("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
    fixed(on_vercel, "provider-missing")


@pytest.mark.thorough
def test_an_oidc_provider_that_lost_the_audience_gets_it_back(on_vercel: Deployment):
    iam = on_vercel.client("iam")
    audience = {"OpenIDConnectProviderArn": PROVIDER, "ClientID": "https://vercel.com/eonpro"}
    iam.add_client_id_to_open_id_connect_provider(**{**audience, "ClientID": "https://vercel.com/other"})
    iam.remove_client_id_from_open_id_connect_provider(**audience)
    fixed(on_vercel, "provider-audience")
    iam.remove_client_id_from_open_id_connect_provider(**{**audience, "ClientID": "https://vercel.com/other"})


@pytest.mark.thorough
def test_a_project_on_vercel_that_gives_no_token_is_named_until_it_does(on_vercel: Deployment):
    path = "/v9/projects/eonpro"
    on_vercel.vercel("PATCH", path, {"oidcTokenConfig": {"enabled": False}})
    found = diagnosis(on_vercel, "--quick", expect=1)["findings"]
    body = json.loads(shlex.split(found[0]["command"])[1])
    on_vercel.vercel("PATCH", path, body)

    assert found[0]["cause"] == "vercel-oidc-off"
    assert body == {"oidcTokenConfig": {"enabled": True, "issuerMode": "team"}}
    causes = {each["cause"] for each in diagnosis(on_vercel, "--quick", expect=None)["findings"]}
    assert "vercel-oidc-off" not in causes


@pytest.mark.thorough
def test_a_project_that_goes_over_to_vercels_global_issuer_is_trusted_again(on_vercel: Deployment):
    """And back: the account has kept the provider of the former issuer, and it is the stack's own again."""
    path, iam = "/v9/projects/eonpro", on_vercel.client("iam")
    for mode in ("global", "team", "global", "team"):
        on_vercel.vercel("PATCH", path, {"oidcTokenConfig": {"issuerMode": mode}})
        fixed(on_vercel, "vercel-issuer-changed")
        trust = json.dumps(iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"])
        assert ("oidc.vercel.com/eonpro:sub" in trust) is (mode == "team")
    assert PROVIDER in [each.get("id") for each in on_vercel.state()["resources"]]
    assert "vercelOidcProviderArn" not in (on_vercel.folder / "Pulumi.production.yaml").read_text()
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
    fixed(on_vercel, "provider-missing")
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER.removesuffix("/eonpro"))


@pytest.mark.thorough
def test_a_service_that_runs_as_another_role_runs_as_the_application_again(on_ecs: Deployment):
    with service_of(on_ecs) as service:
        typed(on_ecs, "eonpro-kms push --redeploy --yes")
        mine = service.revision()
        kept = ("family", "containerDefinitions", "executionRoleArn")
        other = on_ecs.client("ecs").register_task_definition(
            **{name: mine[name] for name in kept}, taskRoleArn=f"arn:aws:iam::{ACCOUNT}:role/platform-admin"
        )
        service.ecs.update_service(
            cluster="eonpro", service="eonpro", taskDefinition=other["taskDefinition"]["taskDefinitionArn"]
        )
        service.look()
        service.look()
        finding = fixed(on_ecs, "wrong-principal")
        assert "role/platform-admin" in finding["what"]
        assert service.revision()["taskRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"


# --- who reads the variables


@pytest.mark.thorough
def test_an_execution_role_that_may_not_read_the_parameters_may_again(on_ecs: Deployment):
    iam = on_ecs.client("iam")
    policy = f"arn:aws:iam::{ACCOUNT}:policy/EONPROParameterAccess"
    iam.detach_role_policy(RoleName="eonpro-execution-role", PolicyArn=policy)
    finding = fixed(on_ecs, "execution-role-denied")
    assert "attach-role-policy" in finding["command"]


@pytest.mark.thorough
def test_an_execution_role_that_was_deleted_is_made_again(on_ecs: Deployment):
    iam = on_ecs.client("iam")
    role = "eonpro-execution-role"
    for each in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=role, PolicyArn=each["PolicyArn"])
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        iam.delete_role_policy(RoleName=role, PolicyName=name)
    iam.delete_role(RoleName=role)
    fixed(on_ecs, "execution-role-denied")


def test_all_that_was_fixed_is_well(on_vercel: Deployment):
    found = diagnosis(on_vercel, expect=0)
    assert (found["ok"], found["findings"], found["notChecked"]) == (True, [], [])


# --- a caller who may not read


def test_the_doctor_says_in_the_words_of_aws_what_kept_it_from_reading(on_vercel: Deployment):
    iam, name = on_vercel.client("iam"), "a-reader"
    no_roles = {"Sid": "NoRoles", "Effect": "Deny", "Action": "iam:GetRole", "Resource": "*"}
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(EVERYTHING, no_roles))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    env = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    try:
        ended = on_vercel.wizard("doctor", "--quick", "--json", "--stack", "production", env=env, expect=None)
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName=name, PolicyName="p")
        iam.delete_user(UserName=name)
    whys = [each["why"] for each in ended.document["notChecked"]]
    assert any("iam:GetRole" in why and "with an explicit deny in an identity-based policy" in why for why in whys)
    assert "authorization-details" not in ended.out + ended.err
