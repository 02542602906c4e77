"""Whom the roles of GitHub Actions trust: certain workflows of one repository, evaluated as AWS evaluates it."""

from __future__ import annotations

import pytest

from components.policies import ci
from sandbox.aws.iam.policy import Decision, Request, evaluate, statements

PROVIDER = ci.github_oidc_provider_arn(account_id="111122223333")
ISSUER = ci.GITHUB_ISSUER
TRUST = ci.github_trust_policy(
    oidc_provider_arn=PROVIDER, repository="clinic/eonpro", subjects=("pull_request", "ref:refs/heads/main")
)


def decided(**claims: str) -> Decision:
    context = {f"{ISSUER}:{name}": (value,) for name, value in claims.items()}
    request = Request(action="sts:AssumeRoleWithWebIdentity", resource="*", context=context)
    told = [
        {key: value for key, value in statement.items() if key != "Principal"} | {"Resource": "*"}
        for statement in TRUST["Statement"]
    ]
    return evaluate(statements({"Statement": told}), request)


def test_the_provider_is_the_accounts_own() -> None:
    assert PROVIDER == "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    assert [each["Principal"] for each in TRUST["Statement"]] == [{"Federated": PROVIDER}]
    other = ci.github_oidc_provider_arn(account_id="111122223333", partition="aws-us-gov")
    assert other.startswith("arn:aws-us-gov:")


@pytest.mark.parametrize("subject", ["pull_request", "ref:refs/heads/main"])
def test_a_workflow_that_is_meant_may_take_it(subject: str) -> None:
    assert decided(aud="sts.amazonaws.com", sub=f"repo:clinic/eonpro:{subject}") is Decision.ALLOWED


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "repo:clinic/eonpro:pull_request"},
        {"aud": "sts.amazonaws.com"},
        {"aud": "https://github.com/clinic", "sub": "repo:clinic/eonpro:pull_request"},
        {"aud": "sts.amazonaws.com", "sub": "repo:clinic/eonpro:ref:refs/heads/main2"},
        {"aud": "sts.amazonaws.com", "sub": "repo:clinic/eonpro:environment:production"},
        {"aud": "sts.amazonaws.com", "sub": "repo:clinic/eonpro2:pull_request"},
        {"aud": "sts.amazonaws.com", "sub": "repo:Clinic/eonpro:pull_request"},
        {"aud": "sts.amazonaws.com", "sub": "repo:clinic/eonpro:pull_request:"},
    ],
)
def test_nobody_else_may(claims: dict[str, str]) -> None:
    assert decided(**claims) is not Decision.ALLOWED


@pytest.mark.parametrize(
    ("repository", "subjects"),
    [
        ("clinic/*", ("pull_request",)),
        ("clinic/eonpro", ("*",)),
        ("clinic/eonpro", ("ref:refs/heads/?",)),
        ("clinic/eonpro", ()),
    ],
)
def test_what_names_no_certain_workflow_is_refused(repository: str, subjects: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="must name exact workflows"):
        ci.github_trust_policy(oidc_provider_arn=PROVIDER, repository=repository, subjects=subjects)
