"""Whose the token of the stand-in for Vercel is: the user, the teams, and what is asked for on behalf of which.

Touches memory only. Shapes: https://vercel.com/docs/rest-api/teams and https://vercel.com/docs/rest-api/authentication.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flask

from sandbox.vercel.team import Store
from sandbox.vercel.variable import USER_ID, Refusal, stable_id

PAGE = 20
"""How many are told at once where the request does not say."""


@dataclass(frozen=True)
class Account:
    """The teams of the token's person, the default one first."""

    stores: tuple[Store, ...]

    def scope(self, query: Mapping[str, str]) -> Store | None:
        """The team on whose behalf a request is; None for the person's own account. Raises Refusal 403."""
        named, slug = query.get("teamId"), query.get("slug")
        if not named and not slug:
            return None
        for store in self.stores:
            if store.team_id == named or (not named and store.team_slug == slug):
                return self.admit(store, named or store.team_slug)
        raise no_access(named or slug or "")

    def reach(self, query: Mapping[str, str], project: str) -> tuple[Store, str]:
        """The team and the id of a project, seen only on behalf of its team. Raises Refusal 404 or 403."""
        store = self.scope(query)
        if store is None:
            raise Refusal(404, "not_found", "Project not found.")
        return store, store.project_id(project)

    def admit(self, store: Store, named: str) -> Store:
        """The team, if the token may act for it. Raises Refusal 403."""
        if store.barred_by:
            raise no_access(named, team=store.team_id if "saml" in store.barred_by else None)
        return store


def account_routes(account: Account) -> flask.Blueprint:
    """The routes of the user, the token and the teams."""
    routes = flask.Blueprint("account", __name__)
    made = account.stores[0].created_at

    @routes.get("/v2/user")
    def user() -> dict[str, Any]:
        return {
            "user": {
                "id": USER_ID,
                "username": "sandbox",
                "email": "sandbox@example.com",
                "name": "Sandbox",
                "avatar": None,
                "defaultTeamId": account.stores[0].team_id,
            }
        }

    @routes.get("/v5/user/tokens/current")
    def token() -> dict[str, Any]:
        scoped = any(store.barred_by for store in account.stores)
        teams = [{"type": "team", "teamId": each.team_id, "createdAt": made} for each in account.stores]
        open_to = [scope for scope, store in zip(teams, account.stores, strict=True) if not store.barred_by]
        return {
            "token": {
                "id": stable_id("", "sandbox-token", 24),
                "name": "sandbox",
                "type": "token",
                "origin": "manual",
                # A token for the whole account has the user's scope alone.
                "scopes": open_to if scoped else [{"type": "user", "createdAt": made}],
                "createdAt": made,
                "activeAt": made,
            }
        }

    @routes.get("/v2/teams")
    def teams() -> dict[str, Any]:
        # No two of the same time: a page ends at one.
        told = [_told(store, made - order) for order, store in enumerate(account.stores)]
        page, pagination = paged(told, "createdAt", flask.request.args, after="until")
        return {"teams": page, "pagination": pagination}

    @routes.get("/v2/teams/<name>")
    def team(name: str) -> dict[str, Any]:
        for order, store in enumerate(account.stores):
            if name in (store.team_id, store.team_slug):
                account.admit(store, name)
                return _told(store, made - order)
        raise no_access(name)

    return routes


def paged(
    entries: Sequence[dict[str, Any]], time: str, query: Mapping[str, str], *, after: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """One page, the latest first, and its `pagination`: `next` is to be asked for with `after`."""
    try:
        limit = min(max(int(query.get("limit", PAGE)), 1), 100)
        until = int(query[after]) if after in query else None
    except ValueError as error:
        raise Refusal(400, "bad_request", f"Invalid request: `limit` or `{after}` should be number.") from error
    rest = sorted(entries, key=lambda entry: -entry[time])
    rest = [entry for entry in rest if until is None or entry[time] < until]
    page, more = rest[:limit], len(rest) > limit
    first = page[0][time] if page else None
    return page, {"count": len(page), "next": page[-1][time] if more else None, "prev": first}


def json_body() -> Any:
    """The request's body. Raises Refusal 400 for none."""
    body = flask.request.get_json(force=True, silent=True)
    if body is None:
        raise Refusal(400, "bad_request", "Invalid JSON")
    return body


def no_access(scope: str, team: str | None = None) -> Refusal:
    """The refusal of a team out of reach; with its id, where signing in to it anew would help."""
    message = (
        f'Not authorized: Trying to access resource under scope "{scope}".'
        " You must re-authenticate to this scope or use a token with access to this scope."
    )
    return Refusal(403, "forbidden", message, saml=True, teamId=team, scope=scope, enforced=team is not None)


def _told(store: Store, created_at: int) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": store.team_id,
        "slug": store.team_slug,
        "name": store.team_slug,
        "avatar": None,
        "createdAt": created_at,
        "membership": {"role": "OWNER", "confirmed": True, "created": store.created_at, "createdAt": store.created_at},
    }
    # A team that the token is not for is listed all the same, with less of it.
    return {**told, "limited": True, "limitedBy": list(store.barred_by)} if store.barred_by else told
