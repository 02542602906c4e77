"""Access that is not listed is refused in every form: changes of the resources that the program itself registers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError, unknown_checking_proxy

from guardrails.rules import RULES, Resource
from guardrails.rules import resource_types as types
from tests.components.configurations import ACCOUNT
from tests.components.conftest import Recording
from tests.components.conftest import run_program as run_program
from tests.guardrails.test_program import VARIANTS, program_resources

FOREIGN = "arn:aws:iam::999999999999:root"
KEY_ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/0f0d3a5c-6f0e-4a5b-9d3e-0a1b2c3d4e5f"
APP_ROLE = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"


def violations(resource: Resource) -> set[str]:
    """The names of the rules that a resource violates."""
    return {rule.name for rule in RULES for _ in rule.violations(resource)}


@pytest.fixture(scope="module")
def stack(run_program: Callable[..., Recording]) -> list[Resource]:
    return program_resources(run_program(**VARIANTS["ecs"]), **VARIANTS["ecs"])


@pytest.fixture
def key(stack: list[Resource]) -> Resource:
    return next(each for each in stack if each.type == types.KEY and each.is_within(types.PHI_KEY))


@pytest.fixture
def role(stack: list[Resource]) -> Resource:
    return next(each for each in stack if each.type == types.ROLE and each.is_within(types.APP_PRINCIPAL))


def changed(resource: Resource, **props: Any) -> Resource:
    return replace(resource, props={**resource.props, **props})


def with_statement(resource: Resource, name: str, **statement: Any) -> Resource:
    """The resource; the policy document of this name has one more statement."""
    document = json.loads(resource.props[name])
    document["Statement"].append({"Effect": "Allow", **statement})
    return changed(resource, **{name: json.dumps(document)})


def without_statements(resource: Resource, name: str, effect: str) -> Resource:
    document = json.loads(resource.props[name])
    document["Statement"] = [each for each in document["Statement"] if each["Effect"] != effect]
    return changed(resource, **{name: json.dumps(document)})


@pytest.mark.parametrize(
    "statement",
    [
        {"Principal": {"AWS": FOREIGN}, "Action": "kms:Decrypt"},
        {"Principal": {"AWS": "999999999999"}, "Action": "kms:DescribeKey"},
        {"Principal": {"Service": "lambda.amazonaws.com"}, "Action": "kms:Decrypt"},
        {"Principal": {"Federated": "cognito-identity.amazonaws.com"}, "Action": "kms:Decrypt"},
        {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/somebody"}, "Action": "kms:Decrypt"},
        {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"}, "NotAction": "kms:Decrypt"},
        {"NotPrincipal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"}, "Action": "kms:DescribeKey"},
        {"Principal": {"AWS": APP_ROLE}, "Action": ["kms:Decrypt"]},
        {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:Decrypt", "Condition": {}},
        {
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"},
            "Action": "kms:CreateGrant",
            "Condition": {"StringEqualsIfExists": {"aws:PrincipalTag/none": "x"}},
        },
    ],
)
def test_nobody_else_is_let_use_the_key_by_its_policy(key: Resource, statement: Mapping[str, Any]) -> None:
    assert "listed-access" in violations(with_statement(key, "policy", Resource="*", **statement))


def test_a_key_that_anybody_could_delete_is_refused(key: Resource) -> None:
    assert violations(without_statements(key, "policy", "Deny")) == {"listed-access"}


@pytest.mark.parametrize("policy", [None, ""])
def test_a_key_with_the_default_policy_of_kms_is_refused(key: Resource, policy: str | None) -> None:
    assert violations(changed(key, policy=policy)) == {"listed-access"}


def test_a_key_that_decrypts_nothing_is_refused(key: Resource) -> None:
    assert violations(changed(key, isEnabled=False)) == {"phi-key-enabled"}


def test_a_policy_of_an_imported_key_is_left_as_it_is(key: Resource) -> None:
    imported = with_statement(key, "policy", Principal={"AWS": FOREIGN}, Action="kms:Verify", Resource="*")
    assert violations(replace(imported, ignored=frozenset({"policy"}))) == set()


def test_a_policy_that_is_not_known_yet_is_checked_in_the_update(key: Resource) -> None:
    unknown = replace(key, props=unknown_checking_proxy({**key.props, "policy": UNKNOWN_STRING_VALUE}))
    rule = next(rule for rule in RULES if rule.name == "listed-access")
    with pytest.raises(UnknownValueError):
        list(rule.violations(unknown))


def vercel_subject(**changes: str) -> dict[str, Any]:
    parts = {"owner": "acme", "project": "portal", "environment": "production", **changes}
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/{parts['owner']}"
    issuer = f"oidc.vercel.com/{parts['owner']}"
    return {
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{issuer}:aud": f"https://vercel.com/{parts['owner']}",
                f"{issuer}:sub": ":".join(f"{name}:{value}" for name, value in parts.items()),
            }
        },
    }


@pytest.mark.parametrize(
    "statement",
    [
        {"Principal": {"AWS": FOREIGN}, "Action": "sts:AssumeRole"},
        {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"},
        {"Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
        {"Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"},
        {"NotPrincipal": {"AWS": FOREIGN}, "Action": "sts:AssumeRole"},
        vercel_subject(environment="preview"),
        vercel_subject(owner="another-team"),
        vercel_subject(project="another-project"),
    ],
)
def test_nobody_else_can_assume_the_applications_role(role: Resource, statement: Mapping[str, Any]) -> None:
    assert "listed-access" in violations(with_statement(role, "assumeRolePolicy", **statement))


@pytest.mark.parametrize("name", ["eonpro-execution-role", "eonpro-app-role"])
def test_a_trust_without_its_condition_is_refused(stack: list[Resource], name: str) -> None:
    role = next(each for each in stack if each.props.get("name") == name)
    statement = {"Principal": {"Service": ["ecs-tasks.amazonaws.com", "ec2.amazonaws.com"]}, "Action": "sts:AssumeRole"}
    assert "listed-access" in violations(with_statement(role, "assumeRolePolicy", **statement))


def beside(stack: list[Resource], type_: str, **props: Any) -> Resource:
    """One more resource of the stack, outside its components."""
    urn = f"urn:pulumi:production::eonpro-kms::{type_}::more"
    return Resource(type=type_, urn=urn, props=props, settings=stack[0].settings)


def document(**elements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **elements}]})


USE_THE_KEY = document(Action=["kms:Decrypt"], Resource=KEY_ARN)


@pytest.mark.parametrize(
    ("type_", "props"),
    [
        (types.GRANT, {"granteePrincipal": FOREIGN, "operations": ["Decrypt"], "keyId": KEY_ARN}),
        (types.KEY_POLICY, {"keyId": KEY_ARN, "policy": document(Principal={"AWS": FOREIGN}, Action="kms:Verify")}),
        (types.ROLE_POLICY, {"role": "eonpro-app-role", "policy": document(Action="s3:GetObject", Resource="*")}),
        (types.ROLE_POLICY, {"role": "somebody", "policy": USE_THE_KEY}),
        (types.USER_POLICY, {"user": "somebody", "policy": document(NotAction="iam:*", Resource="*")}),
        (types.POLICY, {"name": "Another", "policy": document(Action="kms:De*", Resource="*")}),
        (types.POLICY, {"name": "Another", "policy": document(Action="*", Resource="*")}),
        (types.ROLE, {"name": "x", "assumeRolePolicy": "", "inlinePolicies": [{"name": "y", "policy": USE_THE_KEY}]}),
        (
            types.ROLE_ATTACHMENT,
            {"role": "eonpro-app-role", "policyArn": f"arn:aws:iam::{ACCOUNT}:policy/EONPROKMSAccess"},
        ),
        (
            types.POLICY_ATTACHMENT,
            {"roles": ["eonpro-app-role"], "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        ),
        (types.PARAMETER, {"name": "/eonpro/production/ENCRYPTED_PHI_KEY", "overwrite": True, "value": "x"}),
        (types.PARAMETER, {"name": "/eonpro/production/data-keys/sha256:0", "value": "x"}),
        (types.SECRET, {"name": "/eonpro/production/ENCRYPTED_PHI_KEY"}),
        (
            types.SECRET_VERSION,
            {"secretId": f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:/eonpro/production/ENCRYPTED_PHI_KEY-a"},
        ),
    ],
)
def test_nothing_gives_access_past_what_is_listed(stack: list[Resource], type_: str, props: dict[str, Any]) -> None:
    assert "listed-access" in violations(beside(stack, type_, **props))


def test_the_applications_policy_names_keys_of_this_stack_only(stack: list[Resource]) -> None:
    policy = next(each for each in stack if each.type == types.POLICY and each.is_within(types.APP_ACCESS))
    foreign = document(Action=["kms:Decrypt"], Resource=KEY_ARN.replace(ACCOUNT, "999999999999"))
    assert violations(changed(policy, policy=foreign)) == {"listed-access"}


@pytest.mark.parametrize(
    ("type_", "props"),
    [
        (types.PARAMETER, {"name": "/eonpro/staging/ENCRYPTED_PHI_KEY", "value": "x"}),
        (types.PARAMETER, {"name": "/other", "value": "x"}),
        (
            types.POLICY,
            {"name": "Logs", "policy": document(Action=["logs:PutLogEvents", "kms:DescribeKey"], Resource="*")},
        ),
    ],
)
def test_what_does_not_concern_the_key_passes(stack: list[Resource], type_: str, props: dict[str, Any]) -> None:
    assert violations(beside(stack, type_, **props)) == set()


def test_without_the_stacks_settings_nothing_of_the_key_passes(key: Resource) -> None:
    assert violations(replace(key, settings=None)) == {"listed-access"}
