"""What keeps the application from its key, as the edge reads it; the answers of the simulator are written here."""

from __future__ import annotations

import json

import pytest

from components.settings import SecretStore
from wizard.core.errors import PermissionDenied

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"
PARAMETERS, SECRETS = SecretStore.PARAMETER_STORE, SecretStore.SECRETS_MANAGER


def document(action: str, effect: str = "Allow", **more: object) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": "*", **more}]}


TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def test_a_role_is_read_with_its_policies_boundary_and_trust(boto, aws):
    iam = boto("iam")
    allow, edge = (
        iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document(action)))["Policy"]["Arn"]
        for name, action in (("use", "kms:Decrypt"), ("edge", "kms:*"))
    )
    iam.create_role(RoleName="eonpro-app-role", AssumeRolePolicyDocument=json.dumps(TRUST), PermissionsBoundary=edge)
    iam.attach_role_policy(RoleName="eonpro-app-role", PolicyArn=allow)
    iam.put_role_policy(
        RoleName="eonpro-app-role", PolicyName="freeze", PolicyDocument=json.dumps(document("kms:*", "Deny"))
    )
    found = aws.access_diagnostics.principal(ROLE)
    assert {each.name: each.document for each in found.policies} == {
        allow: document("kms:Decrypt"),
        "freeze of role/eonpro-app-role": document("kms:*", "Deny"),
    }
    assert (found.boundary.name, found.boundary.document, found.trust) == (edge, document("kms:*"), TRUST)


def test_a_user_is_read_with_its_groups_policies(boto, aws):
    iam = boto("iam")
    arn = iam.create_user(UserName="app")["User"]["Arn"]
    iam.create_group(GroupName="frozen")
    iam.put_group_policy(GroupName="frozen", PolicyName="no", PolicyDocument=json.dumps(document("kms:*", "Deny")))
    iam.add_user_to_group(GroupName="frozen", UserName="app")
    found = aws.access_diagnostics.principal(arn)
    assert [each.name for each in found.policies] == ["no of group/frozen"]
    assert (found.boundary, found.trust) == (None, None)


def test_a_principal_that_is_gone_or_has_another_path_is_none(boto, aws):
    assert aws.access_diagnostics.principal(ROLE) is None
    boto("iam").create_role(Path="/app/", RoleName="eonpro-app-role", AssumeRolePolicyDocument=json.dumps(TRUST))
    assert aws.access_diagnostics.principal(ROLE) is None


def test_a_provider_tells_its_audiences(boto, aws):
    made = boto("iam").create_open_id_connect_provider(
        Url="https://oidc.vercel.com/acme", ClientIDList=["https://vercel.com/acme"], ThumbprintList=["0" * 40]
    )
    arn = made["OpenIDConnectProviderArn"]
    assert aws.access_diagnostics.audiences(arn) == ("https://vercel.com/acme",)
    assert aws.access_diagnostics.audiences(f"{arn}x") is None


def test_the_versions_of_a_policy_come_with_the_default_one_first(boto, aws):
    iam = boto("iam")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(document("kms:Decrypt")))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document("s3:*")), SetAsDefault=True)
    assert list(aws.access_diagnostics.policy_versions(arn).items()) == [
        ("v2", document("s3:*")),
        ("v1", document("kms:Decrypt")),
    ]
    assert aws.access_diagnostics.policy_versions(f"{arn}x") is None


def test_what_is_in_the_stores_is_read_whatever_it_is(boto, aws):
    boto("ssm").put_parameter(Name="/a/ONE", Value="  not trimmed ", Type="SecureString")
    boto("secretsmanager").create_secret(Name="/a/TWO", SecretString="two")
    access_diagnostics = aws.access_diagnostics
    assert access_diagnostics.read_values(["/a/ONE", "/a/GONE"], PARAMETERS) == {"/a/ONE": "  not trimmed "}
    assert access_diagnostics.read_values(["/a/TWO", "/a/GONE"], SECRETS) == {"/a/TWO": "two"}
    assert "not trimmed" not in repr(access_diagnostics.history("/a/ONE", PARAMETERS))


@pytest.mark.parametrize("store", SecretStore)
def test_former_texts_come_oldest_first(boto, aws, store):
    ssm, secrets = boto("ssm"), boto("secretsmanager")
    if store is PARAMETERS:
        for text in ("one", "two"):
            ssm.put_parameter(Name="/a/ONE", Value=text, Type="SecureString", Overwrite=True)
    else:
        secrets.create_secret(Name="/a/ONE", SecretString="one")
        secrets.put_secret_value(SecretId="/a/ONE", SecretString="two")
    assert [each.text for each in aws.access_diagnostics.history("/a/ONE", store)] == ["one", "two"]
    assert aws.access_diagnostics.history("/a/GONE", store) == ()


def test_a_refusal_is_a_refusal_and_no_absence(script, scripted):
    script.refuse("GetRole", "AccessDenied", "User: x is not authorized to perform: iam:GetRole", status=403)
    with pytest.raises(PermissionDenied):
        scripted.access_diagnostics.principal(ROLE)
