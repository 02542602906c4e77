"""Variables and projects of Vercel's answers; lists the projects and teams that a token reaches, and explains refusals.

Reads from the network through `wizard/vercel/http.py`.
"""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TypeVar

from components.settings import VercelIssuerMode
from wizard.core.call_limit import Pages
from wizard.core.errors import CredentialsError, PermissionDenied, SetupError
from wizard.core.models.vercel import VercelProject
from wizard.core.next_command import VERCEL_LOGIN, Text
from wizard.vercel import answers
from wizard.vercel.http import Api, Endpoint, Response
from wizard.vercel.variable_state import ListedVariable


def read_listing(listing: answers.VariableListing) -> tuple[ListedVariable, ...]:
    """The variables of one page."""
    return tuple(map(_variable, listing.envs))


def read_shared(listing: answers.SharedListing, project_id: str) -> tuple[ListedVariable, ...]:
    """The team's shared variables that are linked to the project."""
    return tuple(
        replace(_variable(entry), every_custom_environment=entry.apply_to_all_custom_environments is True)
        for entry in listing.data
        # An endpoint without the filter returns those of other projects too.
        if not entry.deleted_at and project_id in (entry.project_id or (project_id,))
    )


def read_project(
    project: answers.Project, *, fallback: str, team_id: str | None, team_slug: str | None
) -> VercelProject:
    """A project; `fallback` is its id and name where the answer has none."""
    tokens = project.oidc_token_config
    mode = tokens.issuer_mode if tokens else None
    return VercelProject(
        id=project.id or fallback,
        name=project.name or fallback,
        team_id=team_id,
        team_slug=team_slug,
        framework=project.framework,
        gives_tokens=tokens.enabled if tokens else None,
        issuer_mode=VercelIssuerMode(mode) if mode in tuple(VercelIssuerMode) else None,
        has_rolling_releases=project.rolling_release is not None,
    )


def _variable(entry: answers.Variable) -> ListedVariable:
    # Vercel shows Config and Secret since its CLI 64; `type` stays: sensitive is a Secret, the others are Config.
    kind = "sensitive" if entry.visibility == "secret" else entry.type or ""
    clear = kind == "plain" or (entry.decrypted is True and kind != "sensitive")
    return ListedVariable(
        id=entry.id or entry.uid or f"{entry.key}@{entry.target}",
        key=entry.key,
        type=kind,
        targets=entry.target,
        comment=entry.comment or "",
        git_branch=entry.git_branch,
        value=entry.value if clear else None,
        updated_at=entry.updated_at,
        custom_environments=entry.custom_environment_ids,
        raw=entry.value,
    )


LISTING_SECONDS = 8.0
"""Longest wait for a list. Its entries can also be typed."""
REQUEST_SECONDS = 4.0
"""Limit of one request. One repeat and its pause stay below LISTING_SECONDS."""
MAX_PARALLEL = 8
PAGE = "100"

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Team:
    """A team that the token belongs to, or a scope that it is for."""

    id: str
    slug: str | None = None
    barred_by: tuple[str, ...] = ()
    """Why the token may not act for it: `scope`, `saml`, `mfa`, `invalidated` (the API's own words)."""


def list_projects(api: Api) -> tuple[VercelProject, ...]:
    """The first hundred projects of each team and of the person's own account, by team and name."""
    until = time.monotonic() + LISTING_SECONDS
    # A request that is not waited for must not be one that somebody waits for.
    api = api.asking_once()
    pool = ThreadPoolExecutor(max_workers=MAX_PARALLEL, thread_name_prefix="vercel")
    try:
        own = pool.submit(_projects, api, None)
        reachable = _result(pool.submit(list_teams, api), until) or ()
        teams = [team for team in reachable if not team.barred_by]
        if not teams:
            scopes = [pool.submit(named, api) for named in (_default_team, _token_teams)]
            teams = [team for scope in scopes for team in _result(scope, until) or ()]
        asked = {team.id: pool.submit(_projects, api, team.id) for team in teams}
        wait([own, *asked.values()], timeout=max(0.0, until - time.monotonic()))
        listings = [(None, own), *asked.items()]
        entries = [(team, entry) for team, future in listings for entry in _result(future, until) or ()]
        slugs = _slugs(pool, api, [*teams, *reachable], entries, until)
    finally:
        # A request that is still running is not waited for.
        pool.shutdown(wait=False, cancel_futures=True)
    return _sorted(entries, slugs)


def list_teams(api: Api) -> tuple[Team, ...]:
    """Every team of the token's user, page after page. Raises SetupError where the token is not allowed to list them.

    A team outside the token's scope is listed as well, as `limited`
    (https://vercel.com/docs/rest-api/teams/list-all-teams).
    """
    teams: dict[str, Team] = {}
    query = {"limit": PAGE}
    pages = Pages(name="the listing of the teams", deadline=api.deadline(LISTING_SECONDS))
    while True:
        pages.ask(query.get("until", ""))
        answer = _ask(api, Endpoint.TEAMS.path(), query)
        if not answer.ok:
            raise api.refusal(answer, "list the teams")
        page = answer.read(answers.Teams)
        named = {id: entry for entry in page.teams if (id := entry.id or entry.slug) and id not in teams}
        teams |= {id: Team(id=id, slug=entry.slug, barred_by=_barred_by(entry)) for id, entry in named.items()}
        # An endpoint without `until` sends the first page again: nothing is new, so it ends.
        if page.next_page is None or not named:
            return tuple(teams.values())
        query["until"] = page.next_page


def _barred_by(entry: answers.Named) -> tuple[str, ...]:
    return (entry.limited_by or ("scope",)) if entry.limited else ()


def _default_team(api: Api) -> tuple[Team, ...]:
    answer = _ask(api, Endpoint.USER.path(), {})
    user = answer.read(answers.User) if answer.ok else answers.User()
    id = (user.user or user).default_team_id
    return (Team(id=id),) if id else ()


def _token_teams(api: Api) -> tuple[Team, ...]:
    """The teams that the token itself is for (https://vercel.com/docs/rest-api/authentication)."""
    answer = _ask(api, Endpoint.TOKEN.path(), {})
    token = answer.read(answers.Token).token if answer.ok else None
    return tuple(Team(id=scope.team_id) for scope in (token.scopes if token else ()) if scope.team_id)


def _projects(api: Api, team: str | None) -> tuple[answers.Project, ...]:
    query = {"limit": PAGE, **({"teamId" if team.startswith("team_") else "slug": team} if team else {})}
    answer = _ask(api, Endpoint.OLDER_PROJECTS.path(), query)
    if answer.status in (404, 405, 501):
        answer = _ask(api, Endpoint.PROJECTS.path(), query)
    return answer.read(answers.Projects).projects if answer.ok else ()


def _slugs(
    pool: ThreadPoolExecutor,
    api: Api,
    teams: Iterable[Team],
    entries: Iterable[tuple[str | None, answers.Project]],
    until: float,
) -> Mapping[str, str]:
    slugs = {team.id: team.slug for team in teams if team.slug}
    expected = {id for team, entry in entries if (id := entry.owner or team) is not None} - slugs.keys()
    asked = {id: pool.submit(_slug, api, id) for id in expected if id.startswith("team_")}
    for id, future in asked.items():
        if slug := _result(future, until):
            slugs[id] = slug
    return slugs


def _slug(api: Api, team: str) -> str | None:
    answer = _ask(api, Endpoint.TEAM.path(id=team), {})
    return answer.read(answers.Named).slug if answer.ok else None


def _sorted(
    entries: Iterable[tuple[str | None, answers.Project]], slugs: Mapping[str, str]
) -> tuple[VercelProject, ...]:
    projects: dict[str, VercelProject] = {}
    for team, entry in entries:
        if entry.id is None and entry.name is None:
            continue
        scope = entry.owner or team
        team_id = scope if scope and scope.startswith("team_") else None
        slug = slugs.get(scope, None if team_id else scope) if scope else None
        project = read_project(entry, fallback=entry.id or entry.name or "", team_id=team_id, team_slug=slug)
        # Without a team Vercel answers for the default team, so a project may be listed twice.
        projects[project.id] = project
    return tuple(
        sorted(projects.values(), key=lambda entry: (entry.team_slug or entry.team_id or "", entry.name, entry.id))
    )


def _ask(api: Api, path: str, query: Mapping[str, str]) -> Response:
    deadline = api.deadline(LISTING_SECONDS - REQUEST_SECONDS)
    return api.persist("GET", path, query=query, deadline=deadline, seconds=REQUEST_SECONDS)


def _result(future: Future[Result], until: float) -> Result | None:
    try:
        return future.result(timeout=max(0.0, until - time.monotonic()))
    except (SetupError, TimeoutError):
        return None


_BARRED = {
    "scope": "the token's scope does not include that team",
    "saml": "that team requires a sign-in through its identity provider (SAML), which the token does not have",
    "mfa": "that team requires a second factor, which the token's user has not set up",
    "invalidated": "that team has invalidated the token",
}
_FIXES = {
    "saml": Text("sign in to the team at https://vercel.com, then: ", VERCEL_LOGIN),
    "mfa": Text("set up a second factor at https://vercel.com/account/settings/authentication, then: ", VERCEL_LOGIN),
}


def no_access(api: Api, team: str, refused: Response) -> SetupError:
    """Why the token has no access to a team: its scope, the team's rules, or no membership."""
    try:
        teams = list_teams(api)
    except PermissionDenied:
        either = f"Vercel does not accept the token, or it has no access to the team {team}"
        return CredentialsError(f"{either} ({refused.reported})", VERCEL_LOGIN)
    except SetupError as error:
        return error
    named = next((entry for entry in teams if team in (entry.id, entry.slug)), None)
    if named is not None and named.barred_by:
        return _barred(named, team, refused)
    if named is not None:
        return PermissionDenied(
            f"the Vercel token belongs to a member of the team {team} without access to its projects "
            f"({refused.reported})",
            "ask an owner of the team for a role with access to the project, or sign in as somebody else: "
            + VERCEL_LOGIN,
        )
    within = [entry.slug or entry.id for entry in teams if not entry.barred_by]
    reach = f"; it reaches {', '.join(within)}" if within else "; it reaches no team"
    return PermissionDenied(
        f"the Vercel token has no access to the team {team}{reach} ({refused.reported})", VERCEL_LOGIN
    )


def _barred(named: Team, team: str, refused: Response) -> SetupError:
    reason = next((code for code in named.barred_by if code in _BARRED), "scope")
    reported = team if named.slug in (None, team) else f"{named.slug} ({team})"
    return PermissionDenied(
        f"the Vercel token has no access to the team {reported}: {_BARRED[reason]} ({refused.reported})",
        _FIXES.get(reason, VERCEL_LOGIN),
    )
