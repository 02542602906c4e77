"""A stand-in for Vercel's REST API: users, teams, projects, environment variables and deployments.

Touches memory only; `create_app` returns a Flask application for somebody else to serve. Shapes and rules are
those of https://vercel.com/docs/rest-api and https://vercel.com/docs/environment-variables.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import flask
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from sandbox.vercel import faults
from sandbox.vercel.account import Account, account_routes, json_body, paged
from sandbox.vercel.deployments import Deployments, deployment_routes, production_target
from sandbox.vercel.faults import Door, Kind
from sandbox.vercel.shared_variables import shared_variable_routes
from sandbox.vercel.team import Store
from sandbox.vercel.variable import Refusal, check_shape


def create_app(
    *,
    token: str,
    team: str,
    project: str,
    others: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    barred: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> flask.Flask:
    """The API for one token, the only one that is let in; its person is in one team with one project.

    `others` are more teams with their projects. `barred` names teams for which the token may not act, and why
    (`scope`, `saml`, `mfa`, `invalidated`): they are listed as limited, and their projects are refused.
    """
    app = flask.Flask("sandbox.vercel", static_folder=None)
    teams = {team: (project,), **others}
    account = Account(
        tuple(Store(team=slug, projects=of, barred_by=tuple(barred.get(slug, ()))) for slug, of in teams.items())
    )
    door = Door()
    app.register_blueprint(faults.fault_routes(door))
    _add_gate(app, door, token)
    app.register_blueprint(account_routes(account))
    app.register_blueprint(shared_variable_routes(account))
    deployments = Deployments(account)
    app.register_blueprint(deployment_routes(account, deployments))
    _add_projects(app, account, deployments)
    _add_variables(app, account)
    return app


def _add_gate(app: flask.Flask, door: Door, token: str) -> None:
    @app.before_request
    def enter() -> flask.Response | None:
        path = flask.request.path
        if path.startswith("/_sandbox"):
            return None
        door.count(flask.request.method, path)
        fault = flask.g.fault = door.meet(flask.request.method, path)
        if fault is not None and not fault.reaches_the_work:
            return faults.answer(fault)
        scheme, _, given = flask.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise Refusal(403, "forbidden", "Not authorized")
        if not hmac.compare_digest(given.strip().encode(), token.encode()):
            raise Refusal(403, "forbidden", "Not authorized", invalidToken=True)
        return None

    @app.after_request
    def leave(response: flask.Response) -> flask.Response:
        fault = flask.g.get("fault")
        if fault is not None and fault.kind is Kind.DROP and fault.applied:
            return faults.drop()
        return response

    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> tuple[dict[str, Any], int]:
        return {"error": refusal.error}, refusal.status

    @app.errorhandler(HTTPException)
    def unknown(error: HTTPException) -> tuple[dict[str, Any], int]:
        status = error.code or 500
        if isinstance(error, MethodNotAllowed):
            methods = ", ".join(sorted(error.valid_methods or ()))
            return {"error": {"code": "method_unknown", "message": f"This endpoint only responds to {methods}"}}, status
        code = "not_found" if status == 404 else "bad_request"
        return {"error": {"code": code, "message": error.description or error.name}}, status


def _add_projects(app: flask.Flask, account: Account, deployments: Deployments) -> None:
    def told(project: dict[str, Any]) -> dict[str, Any]:
        running = deployments.running(project["id"])
        return {**project, "targets": {"production": production_target(running)} if running else {}}

    @app.get("/v<int:version>/projects")
    def projects(version: int) -> dict[str, Any]:
        store = account.scope(flask.request.args)
        found = [told(project) for project in store.projects()] if store else []
        search = flask.request.args.get("search", "")
        found = [project for project in found if search in project["name"]]
        # The listing's tenth version goes on from `from`, its ninth from `until`; the latest change comes first.
        page, pagination = paged(found, "updatedAt", flask.request.args, after="from" if version > 9 else "until")
        return {"projects": page, "pagination": pagination}

    @app.post("/v<int:version>/projects")
    def make(version: int) -> dict[str, Any]:
        store, body = account.scope(flask.request.args), json_body()
        if store is None:
            raise Refusal(403, "forbidden", "You don't have permission to create the project.")
        if not isinstance(body, dict) or not isinstance(body.get("name"), str):
            raise Refusal(400, "bad_request", "Invalid request: missing required property `name`.")
        return store.make_project(body["name"], body.get("framework"))

    @app.get("/v<int:version>/projects/<project>")
    def project(version: int, project: str) -> dict[str, Any]:
        store, id = account.reach(flask.request.args, project)
        return told(store.project(id))


def _add_variables(app: flask.Flask, account: Account) -> None:
    env = "/v<int:version>/projects/<project>/env"

    @app.get(env)
    def variables(version: int, project: str) -> dict[str, Any]:
        # The query's `decrypt` is no longer heeded (vercel/sdk#118): values are had one by one.
        store, id = account.reach(flask.request.args, project)
        return {"envs": [variable.shown(decrypted=False) for variable in store.variables(id)]}

    @app.get(f"{env}/<id>")
    def variable(version: int, project: str, id: str) -> dict[str, Any]:
        store, of = account.reach(flask.request.args, project)
        return store.variable(of, id).shown(decrypted=True)

    @app.post(env)
    def create(version: int, project: str) -> tuple[dict[str, Any], int]:
        body = json_body()
        store, project = account.reach(flask.request.args, project)
        batch = body if isinstance(body, list) else [body]
        if not batch:
            raise Refusal(400, "bad_request", "Invalid request: should NOT have fewer than 1 items.")
        for wanted in batch:
            check_shape(wanted)
        created: list[dict[str, Any]] = []
        refusals: list[Refusal] = []
        fault = flask.g.get("fault")
        for place, wanted in enumerate(batch, start=1):
            try:
                if fault is not None and fault.kind is Kind.HALF and fault.nth == place:
                    raise Refusal(
                        500,
                        fault.code,
                        "A fault on order.",
                        key=wanted["key"],
                        envVarKey=wanted["key"],
                        target=wanted.get("target"),
                    )
                upsert = flask.request.args.get("upsert") == "true"
                created.append(store.put(project, wanted, upsert=upsert).shown(decrypted=False))
            except Refusal as refusal:
                refusals.append(refusal)
        if not created:
            raise refusals[0]
        failed = [{"error": refusal.error} for refusal in refusals]
        return {"created": created if isinstance(body, list) else created[0], "failed": failed}, 201

    @app.patch(f"{env}/<id>")
    def change(version: int, project: str, id: str) -> dict[str, Any]:
        body = json_body()
        if not isinstance(body, dict):
            raise Refusal(400, "bad_request", "Invalid request: should be object.")
        store, of = account.reach(flask.request.args, project)
        return store.change(of, id, body).shown(decrypted=False)

    @app.delete(f"{env}/<id>")
    def remove(version: int, project: str, id: str) -> dict[str, Any]:
        store, of = account.reach(flask.request.args, project)
        return store.remove(of, id).shown(decrypted=False)
