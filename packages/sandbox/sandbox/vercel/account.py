"""The user of the token, the teams, and the team of a request.

Touches memory only. Shapes: https://vercel.com/docs/rest-api/teams and https://vercel.com/docs/rest-api/authentication.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flask

from sandbox.vercel.team import Team
from sandbox.vercel.variable import USER_ID, ApiError, stable_id

PAGE = 20
"""The default size of a page."""


@dataclass(frozen=True)
class Account:
    """The teams of the token's user, the default one first."""

    teams: tuple[Team, ...]

    def scope(self, query: Mapping[str, str]) -> Team | None:
        """The team of a request; None for the user's own account. Raises ApiError 403."""
        team_id, slug = query.get("teamId"), query.get("slug")
        if not team_id and not slug:
            return None
        for team in self.teams:
            if team.id == team_id or (not team_id and team.slug == slug):
                return self.check_access(team, team_id or team.slug)
        raise scope_error(team_id or slug or "")

    def find_project(self, query: Mapping[str, str], project: str) -> tuple[Team, str]:
        """The team and the id of a project, which is visible only with its team. Raises ApiError 404 or 403."""
        team = self.scope(query)
        if team is None:
            raise ApiError(404, "not_found", "Project not found.")
        return team, team.project_id(project)

    def check_access(self, team: Team, team_id: str) -> Team:
        """The team, if the token has access to it. Raises ApiError 403."""
        if team.limited_by:
            raise scope_error(team_id, team=team.id if "saml" in team.limited_by else None)
        return team


_USER = {
    "id": USER_ID,
    "username": "sandbox",
    "email": "sandbox@example.com",
    "name": "Sandbox",
    "avatar": None,
    # An account without a personal scope, as every new one: without it the CLI names no team.
    "version": "northstar",
}
_TOKEN = {"id": stable_id("", "sandbox-token", 24), "name": "sandbox", "type": "token", "origin": "manual"}


def account_routes(account: Account) -> flask.Blueprint:
    """The routes of the user, the token and the teams."""
    routes = flask.Blueprint("account", __name__)
    created_at = account.teams[0].created_at

    @routes.get("/v2/user")
    def user() -> dict[str, Any]:
        return {"user": {**_USER, "defaultTeamId": account.teams[0].id}}

    @routes.get("/v5/user/tokens/current")
    def token() -> dict[str, Any]:
        allowed = [
            {"type": "team", "teamId": team.id, "createdAt": created_at}
            for team in account.teams
            if not team.limited_by
        ]
        # A token for the whole account has only the user's scope.
        is_whole = len(allowed) == len(account.teams)
        scopes = [{"type": "user", "createdAt": created_at}] if is_whole else allowed
        return {"token": {**_TOKEN, "scopes": scopes, "createdAt": created_at, "activeAt": created_at}}

    @routes.get("/v1/teams")
    def all_teams() -> dict[str, Any]:
        # The version that the CLI asks, without pages.
        return {"teams": [_team_json(team, created_at - add) for add, team in enumerate(account.teams)]}

    @routes.get("/v2/teams")
    def teams() -> dict[str, Any]:
        # No two have the same time: pages end at a time.
        entries = [_team_json(team, created_at - add) for add, team in enumerate(account.teams)]
        page, pagination = paged(entries, "createdAt", flask.request.args, after="until")
        return {"teams": page, "pagination": pagination}

    @routes.get("/v2/teams/<name>")
    @routes.get("/teams/<name>")
    def team(name: str) -> dict[str, Any]:
        for add, team in enumerate(account.teams):
            if name in (team.id, team.slug):
                account.check_access(team, name)
                return _team_json(team, created_at - add)
        raise scope_error(name)

    return routes


def paged(
    entries: Sequence[dict[str, Any]], time: str, query: Mapping[str, str], *, after: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """One page, the latest first, and its `pagination`; `after` is the query parameter for `next`."""
    try:
        limit = min(max(int(query.get("limit", PAGE)), 1), 100)
        until = int(query[after]) if after in query else None
    except ValueError as error:
        raise ApiError(400, "bad_request", f"Invalid request: `limit` or `{after}` should be number.") from error
    rest = sorted(entries, key=lambda entry: -entry[time])
    rest = [entry for entry in rest if until is None or entry[time] < until]
    page, more = rest[:limit], len(rest) > limit
    first = page[0][time] if page else None
    return page, {"count": len(page), "next": page[-1][time] if more else None, "prev": first}


def json_body() -> Any:
    """The request's body. Raises ApiError 400 when there is none."""
    body = flask.request.get_json(force=True, silent=True)
    if body is None:
        raise ApiError(400, "bad_request", "Invalid JSON")
    return body


def json_object() -> dict[str, Any]:
    """The request's body, which has to be an object. Raises ApiError 400."""
    body = json_body()
    if not isinstance(body, dict):
        raise ApiError(400, "bad_request", "Invalid request: should be object.")
    return body


def scope_error(scope: str, team: str | None = None) -> ApiError:
    """The error for a team without access; with the team's id when a new sign-in would help."""
    message = (
        f'Not authorized: Trying to access resource under scope "{scope}".'
        " You must re-authenticate to this scope or use a token with access to this scope."
    )
    return ApiError(403, "forbidden", message, saml=True, teamId=team, scope=scope, enforced=team is not None)


def _team_json(team: Team, created_at: int) -> dict[str, Any]:
    entries: dict[str, Any] = {
        "id": team.id,
        "slug": team.slug,
        "name": team.slug,
        "avatar": None,
        "createdAt": created_at,
        "membership": {"role": "OWNER", "confirmed": True, "created": team.created_at, "createdAt": team.created_at},
    }
    # A team that the token has no access to is listed with fewer fields.
    return {**entries, "limited": True, "limitedBy": list(team.limited_by)} if team.limited_by else entries
