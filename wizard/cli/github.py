"""GitHub's API, for one question: which subject the tokens of a repository's workflows have.

Touches one endpoint through `wizard/vercel/http.py`, the HTTP client of both APIs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from wizard.core.errors import CredentialsError, ResourceError, SetupError, TargetMissing
from wizard.core.models.access import TokenSubject
from wizard.core.next_command import Command, shell
from wizard.vercel import answers
from wizard.vercel.http import Api, Service, Shape

BASE_URL = "https://api.github.com"
SECONDS = 10.0
LOGIN = shell("gh", "auth", "status")

_PREFIX = re.compile(r"repo:([\w.-]+(?:@\d+)?/[\w.-]+(?:@\d+)?)")


def reader(environ: Mapping[str, str], secret: Callable[[str, str], None]) -> Callable[[str], TokenSubject] | None:
    """A function that reads the subject of a repository's tokens; None without a token (GH_TOKEN, GITHUB_TOKEN)."""
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

    def get(path: str, shape: type[Shape]) -> Shape:
        answer = api.attempt("GET", path, query={})
        if not answer.ok:
            raise _refusal(answer.status, repository)
        return answer.read(shape)

    template = get(f"/repos/{repository}/actions/oidc/customization/sub", answers.SubjectTemplate)
    has_own_template = template.use_default is False and bool(template.include_claim_keys)
    prefix = _PREFIX.fullmatch(template.sub_claim_prefix or "")
    if prefix:
        return TokenSubject(repository=prefix[1], is_default=not has_own_template)
    details = get(f"/repos/{repository}", answers.Repository)
    owner, _, name = (details.full_name or repository).partition("/")
    # An endpoint that does not know the immutable form sends the names.
    if template.use_immutable_subject:
        if details.id is None or details.owner is None:
            raise ResourceError(f"GitHub does not say the ids of {repository}", _see(repository))
        owner, name = f"{owner}@{details.owner.id}", f"{name}@{details.id}"
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
