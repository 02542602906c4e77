"""The stand-in's variables that a team shares with its projects, and the projects' custom environments.

Touches memory only. Shapes: https://vercel.com/docs/rest-api/environment.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import flask

from sandbox.vercel.account import Account, json_body
from sandbox.vercel.team import Shared, Store
from sandbox.vercel.variable import Refusal, read_variable, stable_id


def shared_variable_routes(account: Account) -> flask.Blueprint:
    """The routes `/v1/env` and `/v9/projects/…/custom-environments`."""
    routes = flask.Blueprint("shared", __name__)

    def team() -> Store:
        store = account.scope(flask.request.args)
        if store is None:
            raise Refusal(403, "forbidden", "You don't have permission to list the shared environment variable.")
        return store

    @routes.get("/v1/env")
    def listed() -> dict[str, Any]:
        store = team()
        found = store.shared(flask.request.args.get("projectId"))
        search = flask.request.args.get("search", "")
        data = [_shown(store, each, decrypted=False) for each in found if search in each.variable.key]
        return {"data": data, "pagination": {"count": len(data), "next": None, "prev": None}}

    @routes.get("/v1/env/<id>")
    def one(id: str) -> dict[str, Any]:
        store = team()
        for each in store.shared(None):
            if each.variable.id == id:
                return _shown(store, each, decrypted=True)
        raise Refusal(404, "not_found", "The Shared Environment Variable was not found.")

    @routes.post("/v1/env")
    def share() -> tuple[dict[str, Any], int]:
        store, body = team(), json_body()
        if not isinstance(body, dict) or not isinstance(body.get("evs"), list) or not body["evs"]:
            raise Refusal(400, "bad_request", "Invalid request: missing required property `evs`.")
        created: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for wanted in body["evs"]:
            common = {name: body[name] for name in ("target", "customEnvironmentIds") if name in body}
            variable = read_variable({**common, **wanted, "type": body.get("type", "encrypted")})
            # The id of a shared variable tells what it is.
            variable = replace(variable, id=stable_id("env_", f"{store.team_id}/{variable.id}", 24))
            try:
                made = store.share(variable, tuple(body.get("projectId") or ()))
                created.append(_shown(store, made, decrypted=False))
            except Refusal as refusal:
                failed.append({"error": refusal.error})
        return {"created": created, "failed": failed}, 201

    @routes.get("/v9/projects/<project>/custom-environments")
    def environments(project: str) -> dict[str, Any]:
        store, id = account.reach(flask.request.args, project)
        return {"accountLimit": {"total": 12}, "environments": store.environments(id)}

    @routes.post("/v9/projects/<project>/custom-environments")
    def make(project: str) -> tuple[dict[str, Any], int]:
        store, id = account.reach(flask.request.args, project)
        body = json_body()
        if not isinstance(body, dict) or not isinstance(body.get("slug"), str):
            raise Refusal(400, "bad_request", "Invalid request: missing required property `slug`.")
        return store.make_environment(id, body["slug"]), 201

    return routes


def _shown(store: Store, shared: Shared, *, decrypted: bool) -> dict[str, Any]:
    told = shared.variable.shown(decrypted=decrypted)
    told.pop("configurationId")
    return {**told, "ownerId": store.team_id, "projectId": list(shared.projects), "applyToAllCustomEnvironments": False}
