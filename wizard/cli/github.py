"""GitHub's API, for one question: which subject the tokens of a repository's workflows have.

Touches one endpoint through `wizard/vercel/http.py`, the HTTP client of both APIs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from wizard.core.errors import CredentialsError, ResourceError, SetupError, TargetMissing
from wizard.core.models.access import TokenSubject
from wizard.core.next_command import Command, shell
from wizard.vercel.http import Api, Service

BASE_URL = "https://api.github.com"
SECONDS = 10.0
LOGIN = shell("gh", "auth", "status")
_PREFIX = re.compile(r"repo:([\w.-]+(?:@\d+)?/[\w.-]+(?:@\d+)?)")


def reader(environ: Mapping[str, str], secret: Callable[[str, str], None]) -> Callable[[str], TokenSubject] | None:
    """From a repository OWNER/NAME to the subject of its tokens; None without a token (GH_TOKEN, GITHUB_TOKEN)."""
    token = environ.get("GH_TOKEN") or environ.get("GITHUB_TOKEN")
    if not token:
        return None
    secret(token, "GitHub token")
    base_url = (environ.get("GITHUB_API_URL") or BASE_URL).rstrip("/")
    return lambda repository: subject_of(repository, token=token, base_url=base_url)


def subject_of(repository: str, *, token: str, base_url: str = BASE_URL) -> TokenSubject:
    """The subject of the tokens of a repository OWNER/NAME. Raises SetupError where GitHub does not say it.

    https://docs.github.com/en/rest/actions/oidc#get-the-customization-template-for-an-oidc-subject-claim-for-a-repository
    """
    github = Service(name="GitHub", base_url=BASE_URL, variable="GITHUB_API_URL", login=LOGIN, redirects=True)
    api = Api(token=token, base_url=base_url, timeout=SECONDS, sleep=time.sleep, now=time.monotonic, service=github)

    def get(path: str) -> Mapping[str, Any]:
        answer = api.attempt("GET", path, query={})
        if not answer.ok:
            raise _refusal(answer.status, repository)
        if not isinstance(answer.body, dict):
            raise api.not_the_service(answer.status)
        return answer.body

    template = get(f"/repos/{repository}/actions/oidc/customization/sub")
    has_own_template = template.get("use_default") is False and bool(template.get("include_claim_keys"))
    prefix = _PREFIX.fullmatch(str(template.get("sub_claim_prefix") or ""))
    if prefix:
        return TokenSubject(repository=prefix[1], is_default=not has_own_template)
    details = get(f"/repos/{repository}")
    owner, _, name = str(details.get("full_name") or repository).partition("/")
    # An endpoint that does not know the immutable form sends the names.
    if template.get("use_immutable_subject") is True:
        owner_id, id = (details.get("owner") or {}).get("id"), details.get("id")
        if not (isinstance(owner_id, int) and isinstance(id, int)):
            raise ResourceError(f"GitHub does not say the ids of {repository}", _see(repository))
        owner, name = f"{owner}@{owner_id}", f"{name}@{id}"
    return TokenSubject(repository=f"{owner}/{name}", is_default=not has_own_template)


def _refusal(status: int, repository: str) -> SetupError:
    if status == 401:
        return CredentialsError("GitHub does not accept the token (GH_TOKEN or GITHUB_TOKEN)", LOGIN)
    if status in (301, 302, 307, 308):
        return TargetMissing(
            f"the repository {repository} was renamed or transferred: its subject is another one since then",
            shell("gh", "api", f"repos/{repository}", "--jq", ".full_name"),
        )
    if status in (403, 404):
        return ResourceError(
            f"GitHub does not show the repository {repository} to this token (status {status}): it does not exist, or "
            "the token is not allowed to read its actions",
            _see(repository),
        )
    return ResourceError(f"GitHub answered with status {status} about {repository}", _see(repository))


def _see(repository: str) -> Command:
    return shell("gh", "api", f"repos/{repository}/actions/oidc/customization/sub")
