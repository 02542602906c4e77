"""The recipes for GitHub Actions: which workflow takes which role, in a deployment instead of an account.

Touches a deployment that is set up once; the roles are taken away again.
"""

from __future__ import annotations

import json
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from botocore.exceptions import ClientError

from components.policies.ci import GITHUB_AUDIENCE, GITHUB_ISSUER
from tests.linters.recipes import recipes
from tests.onboarding.deployment import ACCOUNT, Deployment

RECIPES = recipes()


@dataclass(frozen=True, kw_only=True)
class Cast:
    """The two roles in a deployment's account, and GitHub's token for any workflow."""

    deployment: Deployment
    repository: str

    def take(self, role: str, subject: str, *, repository: str | None = None, audience: str = GITHUB_AUDIENCE) -> None:
        self.deployment.client("sts").assume_role_with_web_identity(
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}",
            RoleSessionName="a-job",
            WebIdentityToken=token(subject=f"repo:{repository or self.repository}:{subject}", audience=audience),
        )


def token(*, subject: str, audience: str, issuer: str = f"https://{GITHUB_ISSUER}") -> str:
    """As GitHub or GitLab makes it, but for its signature, which the sandbox has nobody to ask about."""
    claims = {
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "iat": int(time.time()),
        "exp": int(time.time()) + 300,
    }
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    return ".".join([*(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), "c2ln"])


REPOSITORIES = ("clinic/eonpro", "clinic@101/eonpro@202")
"""As GitHub's tokens name a repository: until 2026-07-15, and those made or renamed since."""


@pytest.fixture(scope="module", params=REPOSITORIES)
def cast(on_vercel: Deployment, request: pytest.FixtureRequest) -> Iterator[Cast]:
    """The roles made as `policy ci` says; taken away again."""
    iam = on_vercel.client("iam")
    provider = iam.create_open_id_connect_provider(
        Url=f"https://{GITHUB_ISSUER}", ClientIDList=[GITHUB_AUDIENCE], ThumbprintList=["0" * 40]
    )["OpenIDConnectProviderArn"]
    trusts = json.loads(on_vercel.wizard("policy", "ci", "--repository", request.param, "--with-pull-requests").out)
    for role, trust in trusts.items():
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
    yield Cast(deployment=on_vercel, repository=request.param)
    for role in trusts:
        iam.delete_role(RoleName=role)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)


READ, APPLY = "eonpro-ci-read", "eonpro-ci-apply"
PULL_REQUEST, MAIN, ENVIRONMENT = "pull_request", "ref:refs/heads/main", "environment:production"
REVIEWED = "environment:pull-requests"


@pytest.mark.parametrize(("role", "subject"), [(READ, REVIEWED), (READ, MAIN), (APPLY, ENVIRONMENT)])
def test_a_workflow_takes_the_role_that_is_meant_for_it(cast: Cast, role: str, subject: str) -> None:
    cast.take(role, subject)


@pytest.mark.parametrize(
    ("role", "subject", "more"),
    [
        (APPLY, PULL_REQUEST, {}),
        (APPLY, REVIEWED, {}),
        (READ, PULL_REQUEST, {}),
        (APPLY, MAIN, {}),
        (APPLY, "environment:staging", {}),
        (APPLY, "environment:production-2", {}),
        (READ, "ref:refs/heads/feature", {}),
        (READ, "ref:refs/tags/v1", {}),
        (READ, REVIEWED, {"repository": "somebody/eonpro"}),
        (READ, MAIN, {"repository": "clinic/eonpro-fork"}),
        (READ, MAIN, {"repository": "clinic@101/eonpro@303"}),
        (APPLY, ENVIRONMENT, {"repository": "somebody/else"}),
        (APPLY, ENVIRONMENT, {"audience": "https://github.com/clinic"}),
    ],
)
def test_no_other_workflow_takes_a_role(cast: Cast, role: str, subject: str, more: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="AccessDenied|InvalidIdentityToken"):
        cast.take(role, subject, **more)


def test_the_other_form_of_the_same_repository_takes_no_role(cast: Cast) -> None:
    (other,) = {*REPOSITORIES} - {cast.repository}
    with pytest.raises(ClientError, match="AccessDenied"):
        cast.take(READ, MAIN, repository=other)


def test_the_recipes_ask_for_the_roles_that_their_subject_may_take() -> None:
    # A job with an environment says so in its token, and waits for its reviewers; all others run on main.
    for recipe in RECIPES.values():
        for job in recipe.jobs.values():
            roles = re.findall(r"vars\.AWS_(READ|APPLY)_ROLE", json.dumps(job))
            if "id-token" not in job["permissions"]:
                assert roles == []
                continue
            (role,) = roles
            on_main = "refs/heads/main" in job.get("if", "") or "needs" in job
            assert (role == "APPLY") == (job.get("environment") == "production")
            assert on_main or job.get("environment") == "pull-requests"
            assert set(recipe.triggers) != {"pull_request"} or not on_main
