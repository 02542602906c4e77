"""Who can assume the roles of GitHub Actions: workflows of one repository, each for its own purpose.

Pure. Ids go in, a dict that is ready for `json.dumps` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.policies.documents import Policy, policy

GITHUB_ISSUER = "token.actions.githubusercontent.com"
"""Host of the issuer of GitHub's OIDC tokens.
https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws"""

GITHUB_AUDIENCE = "sts.amazonaws.com"
"""The audience of the tokens of aws-actions/configure-aws-credentials."""


def github_oidc_provider_arn(*, account_id: str, partition: str = "aws") -> str:
    """The ARN that the account's OIDC provider for GitHub has, or will have: one for each URL and account."""
    return f"arn:{partition}:iam::{account_id}:oidc-provider/{GITHUB_ISSUER}"


def github_trust_policy(*, oidc_provider_arn: str, repository: str, subjects: Sequence[str]) -> Policy:
    """Allows workflows of one repository with one of these subjects to assume the role, and no others.

    A subject is what follows the repository's name: `pull_request`, `ref:refs/heads/main`, `environment:production`.
    Audience and subject are both compared in full. Raises ValueError for a wildcard, and without a subject: every
    repository on GitHub could then assume the role.
    https://docs.github.com/en/actions/reference/security/oidc#example-subject-claims
    """
    claims = [f"repo:{repository}:{subject}" for subject in subjects]
    if not claims or any("*" in claim or "?" in claim for claim in claims):
        raise ValueError(f"{repository!r} and {list(subjects)!r} must name exact workflows, without wildcards")
    return policy(
        [
            {
                "Sid": "TrustGitHubActions",
                "Effect": "Allow",
                "Principal": {"Federated": oidc_provider_arn},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {
                        f"{GITHUB_ISSUER}:aud": GITHUB_AUDIENCE,
                        f"{GITHUB_ISSUER}:sub": claims[0] if len(claims) == 1 else claims,
                    }
                },
            }
        ]
    )
