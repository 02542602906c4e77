"""What keeps the application from its key, as the edge reads it; the answers of the simulator are written here."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from components.settings import SecretStore
from wizard.aws.access_diagnostics import AwsAccessDiagnostics
from wizard.core.errors import PermissionDenied, ResourceError
from wizard.core.models.access import DenyingStatement
from wizard.core.retry import Clock

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


# --- the requests of this run that were denied

ID = "0a1b2c3d4e"
ASK = f"GET /authorization-details/{ID}"
USER = f"arn:aws:iam::{ACCOUNT}:user/ada"
WITH_ID = (
    f"User: {USER} is not authorized to perform: iam:GetRole on resource: {ROLE} with an explicit deny in a service "
    "control policy. Go to https://us-east-1.console.aws.amazon.com/iam/home?region=us-east-1#/authorization-details/"
    f"{ID} for complete details, or call the GetRequestAuthorizationDetails API with the following authorization id: "
    f"{ID}"
)
SCP = "arn:aws:organizations::999988887777:policy/o-a/service_control_policy/p-1"
UNIT = "arn:aws:organizations::999988887777:ou/o-a/ou-1"


def evaluation(effect: str = "EXPLICIT_DENY", **more: object) -> dict[str, object]:
    return {"action": "iam:GetRole", "resource": ROLE, "evaluatedEffect": effect, **more}


def details(*evaluations: dict[str, object], policies: tuple[dict[str, object], ...] = ()) -> dict[str, object]:
    return {"requestContext": {}, "evaluations": list(evaluations), "policies": list(policies)}


@pytest.fixture
def denied(script, scripted):
    """The edge after a request that AWS denied with an authorization id."""
    script.refuse("GetRole", "AccessDenied", WITH_ID, 403)
    with pytest.raises(PermissionDenied) as refused:
        scripted.access_diagnostics.principal(ROLE)
    assert ID not in refused.value.message
    return scripted.access_diagnostics


def test_a_denied_request_is_remembered_with_its_id_which_is_not_shown(denied):
    [refusal] = denied.refusals()
    assert (refusal.action, refusal.region, refusal.authorization_id) == ("iam:GetRole", "us-east-1", ID)
    assert ID not in repr(refusal)


def test_a_denied_request_without_an_id_is_remembered_too_and_each_action_once(script, scripted):
    script.refuse("GetRole", "AccessDenied", "not authorized", 403)
    for _ in range(2):
        with pytest.raises(PermissionDenied):
            scripted.access_diagnostics.principal(ROLE)
    assert [(each.action, each.authorization_id) for each in scripted.access_diagnostics.refusals()] == [
        ("iam:GetRole", None)
    ]


def test_the_layer_and_the_statement_that_denied_are_read_and_those_that_allowed_are_not(script, denied):
    matched = [{"uri": SCP, "matchedStatements": [{"sid": "NoRoles", "evaluatedEffect": "DENY"}]}]
    allowing = {"checkType": "PRINCIPAL", "evaluatedEffect": "ALLOW", "matchedPolicies": []}
    denying = {
        "checkType": "SERVICE_CONTROL_POLICY",
        "evaluatedEffect": "EXPLICIT_DENY",
        "targetArn": UNIT,
        "matchedPolicies": matched,
    }
    script.answer(ASK, details(evaluation(checks=[denying, allowing]), evaluation("ALLOW")))
    [check] = denied.denying_checks(*denied.refusals())
    assert (check.layer, check.is_explicit, check.target) == ("SERVICE_CONTROL_POLICY", True, UNIT)
    assert (check.action, check.resource) == ("iam:GetRole", ROLE)
    assert check.statements == (DenyingStatement(policy=SCP, sid="NoRoles"),)


def test_an_inline_policy_is_named_by_its_holder_and_not_by_its_opaque_id(script, denied):
    matched = [{"uri": "opaque", "matchedStatements": [{"sid": "s", "evaluatedEffect": "DENY"}]}]
    check = {"checkType": "PRINCIPAL", "evaluatedEffect": "EXPLICIT_DENY", "matchedPolicies": matched}
    policy = {"uri": "opaque", "inline": True, "type": "IDENTITY_BASED_POLICY", "attachedTo": [{"arn": USER}]}
    script.answer(ASK, details(evaluation(checks=[check]), policies=(policy,)))
    [found] = denied.denying_checks(*denied.refusals())
    assert [each.policy for each in found.statements] == [f"inline policy of {USER}"]


def test_what_nothing_allows_names_each_layer_that_lacks_it(script, denied):
    lacking = {"checkType": "PERMISSIONS_BOUNDARY", "evaluatedEffect": "IMPLICIT_DENY"}
    without = {"checkType": "PRINCIPAL", "evaluatedEffect": "NO_IMPACT"}
    script.answer(ASK, details(evaluation("IMPLICIT_DENY", checks=[lacking, without])))
    [check] = denied.denying_checks(*denied.refusals())
    assert (check.layer, check.is_explicit, check.statements) == ("PERMISSIONS_BOUNDARY", False, ())


def test_where_aws_names_no_check_the_policies_that_deny_are_named(script, denied):
    matched = [
        {"uri": SCP, "matchedStatements": [{"sid": "NoRoles", "evaluatedEffect": "DENY"}]},
        {"uri": "arn:aws:iam::aws:policy/ReadOnlyAccess", "matchedStatements": [{"evaluatedEffect": "ALLOW"}]},
    ]
    policy = {"uri": SCP, "type": "SERVICE_CONTROL_POLICY", "inline": False}
    script.answer(ASK, details(evaluation(matchedPolicies=matched), policies=(policy,)))
    [check] = denied.denying_checks(*denied.refusals())
    assert (check.layer, [each.policy for each in check.statements]) == ("SERVICE_CONTROL_POLICY", [SCP])


def test_a_caller_of_another_organization_is_told_no_layer(script, denied):
    script.answer(ASK, details(evaluation()))
    assert denied.denying_checks(*denied.refusals()) == ()


def test_all_pages_of_the_evaluation_are_read(script, denied):
    check = {"checkType": "SESSION", "evaluatedEffect": "EXPLICIT_DENY"}
    script.answer(ASK, {**details(evaluation("ALLOW")), "nextToken": "t"})
    script.answer(f"{ASK}?nextToken=t", details(evaluation(checks=[check])))
    assert [each.layer for each in denied.denying_checks(*denied.refusals())] == ["SESSION"]


def test_details_that_are_not_there_yet_are_asked_for_again_and_not_for_ever(script, denied):
    pauses: list[float] = []
    clock = Clock(now=lambda: sum(pauses), sleep=pauses.append)
    patient = AwsAccessDiagnostics(replace(denied._session, clock=clock))
    script.answer(ASK, {"__type": "ResourceNotFoundException", "message": "not there"}, 404)
    with pytest.raises(ResourceError, match="AWS has no details"):
        patient.denying_checks(*denied.refusals())
    assert script.calls.count(ASK) == len(pauses) + 1 > 3 and sum(pauses) <= 12


def test_who_may_not_ask_is_told_which_action_is_missing(script, denied):
    script.answer(ASK, {"__type": "AccessDeniedException", "message": "not authorized"}, 403)
    with pytest.raises(PermissionDenied, match="iam:GetRequestAuthorizationDetails"):
        denied.denying_checks(*denied.refusals())
