"""The variables that a team shares with its projects, and the projects' custom environments.

Touches memory only. Shapes: https://vercel.com/docs/rest-api/environment.
"""

from dataclasses import replace
from typing import Any

import flask

from sandbox.vercel.account import Account, json_body
from sandbox.vercel.team import SharedVariable, Team
from sandbox.vercel.variable import ApiError, parse_variable, stable_id


def shared_variable_routes(account: Account) -> flask.Blueprint:
    """The routes `/v1/env` and `/v9/projects/…/custom-environments`."""
    routes = flask.Blueprint("shared", __name__)

    def current_team() -> Team:
        team = account.scope(flask.request.args)
        if team is None:
            raise ApiError(403, "forbidden", "You don't have permission to list the shared environment variable.")
        return team

    @routes.get("/v1/env")
    def list_shared() -> dict[str, Any]:
        team = current_team()
        matching = team.shared(flask.request.args.get("projectId"))
        search = flask.request.args.get("search", "")
        data = [_shared_json(team, shared, decrypted=False) for shared in matching if search in shared.variable.key]
        return {"data": data, "pagination": {"count": len(data), "next": None, "prev": None}}

    @routes.get("/v1/env/<id>")
    def shared_variable(id: str) -> dict[str, Any]:
        team = current_team()
        for shared in team.shared(None):
            if shared.variable.id == id:
                return _shared_json(team, shared, decrypted=True)
        raise ApiError(404, "not_found", "The Shared Environment Variable was not found.")

    @routes.post("/v1/env")
    def create_shared() -> tuple[dict[str, Any], int]:
        return _share(current_team(), json_body()), 201

    @routes.get("/v9/projects/<project>/custom-environments")
    @routes.get("/projects/<project>/custom-environments")
    def environments(project: str) -> dict[str, Any]:
        team, id = account.find_project(flask.request.args, project)
        return {"accountLimit": {"total": 12}, "environments": team.environments(id)}

    @routes.post("/v9/projects/<project>/custom-environments")
    def create_environment(project: str) -> tuple[dict[str, Any], int]:
        team, id = account.find_project(flask.request.args, project)
        body = json_body()
        if not isinstance(body, dict) or not isinstance(body.get("slug"), str):
            raise ApiError(400, "bad_request", "Invalid request: missing required property `slug`.")
        return team.create_environment(id, body["slug"]), 201

    return routes


def _share(team: Team, body: Any) -> dict[str, Any]:
    """Make a shared variable of each of the body's `evs`; a refused one does not keep the others from it."""
    if not isinstance(body, dict) or not isinstance(body.get("evs"), list) or not body["evs"]:
        raise ApiError(400, "bad_request", "Invalid request: missing required property `evs`.")
    created: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    common = {name: body[name] for name in ("target", "customEnvironmentIds") if name in body}
    for requested in body["evs"]:
        variable = parse_variable({**common, **requested, "type": body.get("type", "encrypted")})
        # The id of a shared variable has a prefix.
        variable = replace(variable, id=stable_id("env_", f"{team.id}/{variable.id}", 24))
        try:
            shared = team.share(variable, tuple(body.get("projectId") or ()))
            created.append(_shared_json(team, shared, decrypted=False))
        except ApiError as error:
            failed.append({"error": error.error})
    return {"created": created, "failed": failed}


def _shared_json(team: Team, shared: SharedVariable, *, decrypted: bool) -> dict[str, Any]:
    body = shared.variable.to_json(decrypted=decrypted)
    body.pop("configurationId")
    return {**body, "ownerId": team.id, "projectId": list(shared.projects), "applyToAllCustomEnvironments": False}
