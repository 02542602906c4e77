"""Trust of the roles for GitHub Actions: workflows of one repository, each for its own purpose.

Pure. Ids go in, a dict that is ready for `json.dumps` comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.policies.documents import Policy, allow, policy

GITHUB_ISSUER = "token.actions.githubusercontent.com"
"""Host of the issuer of GitHub's OIDC tokens.
https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws"""

GITHUB_AUDIENCE = "sts.amazonaws.com"
"""The audience of the tokens of aws-actions/configure-aws-credentials."""


def roles_of(application: str) -> tuple[str, str]:
    """The role that CI previews and checks with, and the role that it applies with."""
    return f"{application}-ci-read", f"{application}-ci-apply"


UNREVIEWED = "pull_request"
"""The subject of a pull request's job without an environment: of code that nobody has read."""


def github_oidc_provider_arn(*, account_id: str, partition: str = "aws") -> str:
    """The ARN that the account's OIDC provider for GitHub has, or will have: one for each URL and account."""
    return f"arn:{partition}:iam::{account_id}:oidc-provider/{GITHUB_ISSUER}"


def github_subjects(trust: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The GitHub workflows that a trust policy names: the subjects by the repository, as the tokens name both."""
    found: dict[str, list[str]] = {}
    for statement in trust.get("Statement") or ():
        for operator in (statement.get("Condition") or {}).values():
            claims = operator.get(f"{GITHUB_ISSUER}:sub") or ()
            for claim in (claims,) if isinstance(claims, str) else claims:
                kind, _, rest = str(claim).partition(":")
                repository, _, subject = rest.partition(":")
                if kind == "repo" and subject:
                    found.setdefault(repository, []).append(subject)
    return {repository: tuple(subjects) for repository, subjects in found.items()}


def without_ids(repository: str) -> str:
    """OWNER/NAME of a repository that may be named with its ids."""
    return "/".join(part.partition("@")[0] for part in repository.split("/"))


def github_trust_policy(*, oidc_provider_arn: str, repository: str, subjects: Sequence[str]) -> Policy:
    """Allows workflows of one repository with one of these subjects to assume the role, and no others.

    A subject is what follows the repository's name: `pull_request`, `ref:refs/heads/main`, `environment:production`.
    The repository is named as its tokens do: `OWNER/NAME`, or with ids that nobody else ever gets, as those that were
    created, renamed or transferred since 2026-07-15 do: `OWNER@OWNER_ID/NAME@REPOSITORY_ID`.
    Audience and subject are both compared in full. Raises ValueError for a wildcard, and without a subject: every
    repository on GitHub could then assume the role.
    https://docs.github.com/en/actions/reference/security/oidc#example-subject-claims
    """
    claims = [f"repo:{repository}:{subject}" for subject in subjects]
    if not claims or any("*" in claim or "?" in claim for claim in claims):
        raise ValueError(f"{repository!r} and {list(subjects)!r} must name exact workflows, without wildcards")
    return policy(
        [
            allow(
                "TrustGitHubActions",
                "sts:AssumeRoleWithWebIdentity",
                principal={"Federated": oidc_provider_arn},
                condition={
                    "StringEquals": {
                        f"{GITHUB_ISSUER}:aud": GITHUB_AUDIENCE,
                        f"{GITHUB_ISSUER}:sub": claims[0] if len(claims) == 1 else claims,
                    }
                },
            )
        ]
    )
