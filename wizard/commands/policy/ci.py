"""The trust policies of the two roles that the recipes for GitHub Actions take: one that reads, one that changes.

Pure: ids in, documents out; asks AWS nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from components.policies import ci
from components.policies.ci import GITHUB_AUDIENCE, GITHUB_ISSUER
from components.policies.documents import Policy
from wizard.core.errors import MissingAnswers, UsageError

READ_ROLE, APPLY_ROLE = "eonpro-ci-read", "eonpro-ci-apply"

SUBJECTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # A pull request runs code that nobody has read yet, so that this role may do no harm.
        READ_ROLE: ("pull_request", "ref:refs/heads/main"),
        # Of an environment that is protected: reviewers, and main as the only branch.
        APPLY_ROLE: ("environment:production",),
    }
)
"""Which workflows may take each role; examples/ci/github has them."""

_REPOSITORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}")
_COMMAND = "python -m wizard policy ci --repository OWNER/NAME --account 111122223333"


def for_repository(repository: str | None, *, account_id: str | None, partition: str = "aws") -> dict[str, Policy]:
    """The trust policies by the names of the roles. Raises MissingAnswers without repository or account."""
    told = {"repository": repository, "account": account_id}
    if missing := tuple(name for name, value in told.items() if not value):
        raise MissingAnswers(
            f"the trust of the roles names them, and nothing tells: {', '.join(missing)}", _COMMAND, missing
        )
    assert repository and account_id
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"--repository: {repository!r} is no repository of GitHub, OWNER/NAME", _COMMAND)
    provider = ci.github_oidc_provider_arn(account_id=account_id, partition=partition)
    return {
        role: ci.github_trust_policy(oidc_provider_arn=provider, repository=repository, subjects=subjects)
        for role, subjects in SUBJECTS.items()
    }


def to_do(account_id: str) -> tuple[str, ...]:
    """What is done with the documents, as lines to type; each role's trust in a file of its name."""
    return (
        f"aws iam create-open-id-connect-provider --url https://{GITHUB_ISSUER} --client-id-list {GITHUB_AUDIENCE}"
        f"   # once in the account {account_id}",
        *(
            f"aws iam create-role --role-name {role} --assume-role-policy-document file://{role}.json"
            for role in SUBJECTS
        ),
        f"then attach to {READ_ROLE} what `policy auditor` prints, to {APPLY_ROLE} what `policy operator` prints",
    )
