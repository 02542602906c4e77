"""Parses Vercel's answers; lists the projects and teams that a token reaches, and the reasons for a refusal.

Reads from the network through `wizard/vercel/http.py`. An unknown shape is refused: a listing misread as empty
would let a data key be overwritten.
"""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from components.settings import VercelIssuerMode
from wizard.core.errors import CredentialsError, PermissionDenied, SetupError
from wizard.core.models.delivery import VercelProject
from wizard.core.next_command import VERCEL_LOGIN, Text
from wizard.core.safe_text import clean
from wizard.vercel.http import Api, Endpoint, Response
from wizard.vercel.variable_state import ListedVariable

MAX_LABEL = 100
"""Characters of a name; Vercel's limit for a project."""


class Unreadable(ValueError):
    """The answer has no known shape. The message never holds the answer."""


def read_listing(body: Any) -> tuple[ListedVariable, ...]:
    """The variables of one page. Raises Unreadable."""
    listing: Any = body
    if isinstance(body, dict) and "key" not in body:
        listing = body.get("envs", body.get("env"))
    entries = listing if isinstance(listing, list) else [listing]
    return tuple(_variable(entry) for entry in entries)


def read_shared(body: Any, project_id: str) -> tuple[ListedVariable, ...]:
    """The team's shared variables that are linked to the project; none where the answer is no such listing."""
    entries = body.get("data") if isinstance(body, dict) else None
    return tuple(
        replace(_variable(entry), every_custom_environment=entry.get("applyToAllCustomEnvironments") is True)
        for entry in entries or ()
        # An endpoint without the filter returns those of other projects too.
        if isinstance(entry, Mapping) and text(entry.get("key")) and not entry.get("deletedAt")
        if project_id in (_texts(entry.get("projectId")) or (project_id,))
    )


def read_environments(body: Any) -> Mapping[str, str]:
    """The name of each custom environment by its id; empty where the answer is no such listing."""
    entries = body.get("environments") if isinstance(body, dict) else None
    environments = [entry for entry in entries or () if isinstance(entry, dict)] if isinstance(entries, list) else []
    return {entry["id"]: slug for entry in environments if text(entry.get("id")) and (slug := label(entry.get("slug")))}


def read_entries(body: Any, collection: str) -> tuple[Mapping[str, Any], ...]:
    """The members of a collection, which is the body itself or under its name in it."""
    entries = body.get(collection) if isinstance(body, dict) else body
    return tuple(entry for entry in entries if isinstance(entry, dict)) if isinstance(entries, list) else ()


def read_project(
    details: Mapping[str, Any], *, fallback: str, team_id: str | None, team_slug: str | None
) -> VercelProject:
    """A project; `fallback` is its id and name where the answer has none.

    `oidcTokenConfig`: https://vercel.com/docs/rest-api/projects/find-a-project-by-id-or-name
    """
    tokens = details.get("oidcTokenConfig")
    config = tokens if isinstance(tokens, dict) else {}
    enabled, mode = config.get("enabled"), config.get("issuerMode")
    return VercelProject(
        id=text(details.get("id")) or fallback,
        name=label(details.get("name")) or fallback,
        team_id=team_id,
        team_slug=team_slug,
        framework=text(details.get("framework")),
        gives_tokens=enabled if isinstance(enabled, bool) else None,
        issuer_mode=VercelIssuerMode(mode) if mode in tuple(VercelIssuerMode) else None,
        has_rolling_releases=isinstance(details.get("rollingRelease"), dict),
    )


def owner(project: Mapping[str, Any]) -> str | None:
    """The id of the team that a project belongs to; None for a person's own, and where it is unknown."""
    account = text(project.get("accountId")) or ""
    return account if account.startswith("team_") else None


def next_page(body: Any) -> str | None:
    """The value of `until` for the next page; None on the last page."""
    pagination = body.get("pagination") if isinstance(body, dict) else None
    following = pagination.get("next") if isinstance(pagination, dict) else None
    return None if following in (None, "") else str(following)


def read_failures(body: Any) -> tuple[tuple[str, str, str], ...]:
    """(key, code, message) of each entry of `failed`; the key is empty where it is unknown."""
    failed = body.get("failed") if isinstance(body, dict) else None
    return tuple(_failure(entry) for entry in failed) if isinstance(failed, list) else ()


def read_created(body: Any) -> tuple[str, ...]:
    """The id of each variable that was stored; none where they are unknown."""
    created = body.get("created") if isinstance(body, dict) else None
    entries = created if isinstance(created, list) else [created]
    return tuple(id for entry in entries if isinstance(entry, dict) and (id := text(entry.get("id"))))


def text(value: Any) -> str | None:
    """A string that is not blank, or None."""
    return value.strip() or None if isinstance(value, str) else None


def label(value: Any) -> str | None:
    """A name that somebody else gave, on one line and without control characters; None where it is blank."""
    name = text(value)
    return clean(name)[:MAX_LABEL] if name else None


def _variable(entry: Any) -> ListedVariable:
    if not isinstance(entry, Mapping) or not text(entry.get("key")):
        raise Unreadable("it lists something that is no environment variable")
    # Vercel shows Config and Secret since its CLI 64; `type` stays: sensitive is a Secret, the others are Config.
    kind = "sensitive" if entry.get("visibility") == "secret" else text(entry.get("type")) or ""
    raw = entry.get("value")
    clear = kind == "plain" or (entry.get("decrypted") is True and kind != "sensitive")
    updated = entry.get("updatedAt")
    return ListedVariable(
        id=text(entry.get("id")) or text(entry.get("uid")) or f"{entry['key']}@{entry.get('target')}",
        key=str(entry["key"]),
        type=kind,
        targets=_texts(entry.get("target")),
        comment=text(entry.get("comment")) or "",
        git_branch=text(entry.get("gitBranch")),
        value=raw if clear and isinstance(raw, str) else None,
        updated_at=updated if isinstance(updated, int) else None,
        custom_environments=_texts(entry.get("customEnvironmentIds")),
        raw=raw if isinstance(raw, str) else None,
    )


def _failure(entry: Any) -> tuple[str, str, str]:
    error = entry.get("error", entry) if isinstance(entry, dict) else None
    reported = error if isinstance(error, dict) else {"message": str(error or entry)}
    key = reported.get("envVarKey") or reported.get("key")
    return (str(key or ""), str(reported.get("code") or ""), str(reported.get("message") or ""))


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(entry) for entry in value) if isinstance(value, list) else ()


LISTING_SECONDS = 8.0
"""Longest wait for a list. Its entries can also be typed."""
REQUEST_SECONDS = 4.0
"""Limit of one request. One repeat and its pause stay below LISTING_SECONDS."""
MAX_PARALLEL = 8
PAGE = "100"
MAX_PAGES = 5
"""Most pages of teams that are read."""

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
        # A request that is still running ends by its own time-out; it is not waited for.
        pool.shutdown(wait=False, cancel_futures=True)
    return _sorted(entries, slugs)


def list_teams(api: Api) -> tuple[Team, ...]:
    """Every team of the token's user, page after page. Raises SetupError where the token is not allowed to list them.

    A team outside the token's scope is listed as well, as `limited`
    (https://vercel.com/docs/rest-api/teams/list-all-teams).
    """
    teams: dict[str, Team] = {}
    query = {"limit": PAGE}
    for _ in range(MAX_PAGES):
        answer = _ask(api, Endpoint.TEAMS.path(), query)
        if not answer.ok:
            raise api.refusal(answer, "list the teams")
        for entry in read_entries(answer.body, "teams"):
            slug = label(entry.get("slug"))
            if id := text(entry.get("id")) or slug:
                teams.setdefault(id, Team(id=id, slug=slug, barred_by=_barred_by(entry)))
        following = next_page(answer.body)
        if following is None or following == query.get("until"):
            break
        query["until"] = following
    return tuple(teams.values())


def _barred_by(entry: Mapping[str, Any]) -> tuple[str, ...]:
    if entry.get("limited") is not True:
        return ()
    reasons = entry.get("limitedBy")
    return tuple(str(reason) for reason in reasons) if isinstance(reasons, list) and reasons else ("scope",)


def _default_team(api: Api) -> tuple[Team, ...]:
    answer = _ask(api, Endpoint.USER.path(), {})
    user = answer.fields.get("user")
    id = text((user if isinstance(user, dict) else answer.fields).get("defaultTeamId"))
    return (Team(id=id),) if id else ()


def _token_teams(api: Api) -> tuple[Team, ...]:
    """The teams that the token itself is for (https://vercel.com/docs/rest-api/authentication)."""
    answer = _ask(api, Endpoint.TOKEN.path(), {})
    token = answer.fields.get("token")
    ids = [text(scope.get("teamId")) for scope in read_entries(token, "scopes")] if isinstance(token, dict) else []
    return tuple(Team(id=id) for id in ids if id)


def _projects(api: Api, team: str | None) -> tuple[Mapping[str, Any], ...]:
    query = {"limit": PAGE, **({"teamId" if team.startswith("team_") else "slug": team} if team else {})}
    answer = _ask(api, Endpoint.OLDER_PROJECTS.path(), query)
    if answer.status in (404, 405, 501):
        answer = _ask(api, Endpoint.PROJECTS.path(), query)
    return read_entries(answer.body, "projects") if answer.ok else ()


def _slugs(
    pool: ThreadPoolExecutor,
    api: Api,
    teams: Iterable[Team],
    entries: Iterable[tuple[str | None, Mapping[str, Any]]],
    until: float,
) -> Mapping[str, str]:
    slugs = {team.id: team.slug for team in teams if team.slug}
    expected = {id for team, entry in entries if (id := owner(entry) or team) is not None} - slugs.keys()
    asked = {id: pool.submit(_ask, api, Endpoint.TEAM.path(id=id), {}) for id in expected if id.startswith("team_")}
    for id, future in asked.items():
        answer = _result(future, until)
        if answer is not None and (slug := label(answer.fields.get("slug"))):
            slugs[id] = slug
    return slugs


def _sorted(
    entries: Iterable[tuple[str | None, Mapping[str, Any]]], slugs: Mapping[str, str]
) -> tuple[VercelProject, ...]:
    projects: dict[str, VercelProject] = {}
    for team, entry in entries:
        id, name = text(entry.get("id")), label(entry.get("name"))
        if id is None and name is None:
            continue
        scope = owner(entry) or team
        team_id = scope if scope and scope.startswith("team_") else None
        slug = slugs.get(scope, None if team_id else scope) if scope else None
        project = read_project(entry, fallback=id or name or "", team_id=team_id, team_slug=slug)
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
