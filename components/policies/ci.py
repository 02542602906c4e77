"""Who may take the roles that GitHub Actions works with: workflows of one repository, each for what it is there for.

Pure: touches nothing but its arguments. Ids go in, a dict that is ready for `json.dumps` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.policies.documents import Policy, policy

GITHUB_ISSUER = "token.actions.githubusercontent.com"
"""Host of the issuer of GitHub's tokens of identity.
https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws"""

GITHUB_AUDIENCE = "sts.amazonaws.com"
"""What aws-actions/configure-aws-credentials asks its token for."""


def github_oidc_provider_arn(*, account_id: str, partition: str = "aws") -> str:
    """The ARN that the account's OIDC provider for GitHub has, or will have: one for each URL and account."""
    return f"arn:{partition}:iam::{account_id}:oidc-provider/{GITHUB_ISSUER}"


def github_trust_policy(*, oidc_provider_arn: str, repository: str, subjects: Sequence[str]) -> Policy:
    """Lets workflows of one repository take the role, those with one of these subjects and no others.

    A subject is what follows the repository's name: `pull_request`, `ref:refs/heads/main`, `environment:production`.
    Audience and subject are both compared in full. Raises ValueError for a wildcard, and for no subject at all: without
    one every repository of GitHub could take the role.
    https://docs.github.com/en/actions/reference/security/oidc#example-subject-claims
    """
    told = [f"repo:{repository}:{subject}" for subject in subjects]
    if not told or any("*" in each or "?" in each for each in told):
        raise ValueError(f"{repository!r} and {list(subjects)!r} name no certain workflows")
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
                        f"{GITHUB_ISSUER}:sub": told[0] if len(told) == 1 else told,
                    }
                },
            }
        ]
    )
