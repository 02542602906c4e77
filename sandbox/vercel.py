"""A stand-in for Vercel's REST API: users, teams, projects and environment variables.

Touches memory only; `create_app` returns a Flask application for somebody else to serve. Shapes and rules are
those of https://vercel.com/docs/rest-api and https://vercel.com/docs/environment-variables.
"""

from __future__ import annotations

import hmac
from typing import Any

import flask
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from sandbox import vercel_faults
from sandbox.vercel_faults import Door, Kind
from sandbox.vercel_store import Store
from sandbox.vercel_variable import USER_ID, Refusal, check_shape


def create_app(*, token: str, team: str, project: str) -> flask.Flask:
    """The API for one token, the only one that is let in; it reaches one team with one project."""
    app = flask.Flask("sandbox.vercel", static_folder=None)
    store = Store(team=team, projects=(project,))
    door = Door()
    app.register_blueprint(vercel_faults.blueprint(door))
    _add_gate(app, door, token)
    _add_accounts(app, store)
    _add_projects(app, store)
    _add_variables(app, store)
    _add_deployment(app, store)
    return app


def _add_gate(app: flask.Flask, door: Door, token: str) -> None:
    @app.before_request
    def enter() -> flask.Response | None:
        path = flask.request.path
        if path.startswith("/_sandbox"):
            return None
        door.count(flask.request.method, path)
        fault = flask.g.fault = door.take(flask.request.method, path)
        if fault is not None and fault.kind is not Kind.HALF and not (fault.kind is Kind.DROP and fault.applied):
            return vercel_faults.answer(fault)
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
            return vercel_faults.drop()
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


def _add_accounts(app: flask.Flask, store: Store) -> None:
    def account() -> dict[str, Any]:
        return {
            "id": store.team_id,
            "slug": store.team_slug,
            "name": store.team_slug,
            "createdAt": store.created_at,
        }

    @app.get("/v2/user")
    def user() -> dict[str, Any]:
        return {
            "user": {
                "id": USER_ID,
                "username": "sandbox",
                "email": "sandbox@example.com",
                "name": "Sandbox",
                "defaultTeamId": store.team_id,
            }
        }

    @app.get("/v2/teams")
    def teams() -> dict[str, Any]:
        return {"teams": [account()], "pagination": {"count": 1, "next": None, "prev": None}}

    @app.get("/v2/teams/<name>")
    def team(name: str) -> dict[str, Any]:
        if name not in (store.team_id, store.team_slug):
            raise _no_access(name)
        return account()


def _add_projects(app: flask.Flask, store: Store) -> None:
    @app.get("/v<int:version>/projects")
    def projects(version: int) -> dict[str, Any]:
        found = store.projects() if _in_team(store) else []
        search = flask.request.args.get("search", "")
        found = [project for project in found if search in project["name"]]
        return {"projects": found, "pagination": {"count": len(found), "next": None, "prev": None}}

    @app.get("/v<int:version>/projects/<project>")
    def project(version: int, project: str) -> dict[str, Any]:
        return store.project(_reach(store, project))


def _add_variables(app: flask.Flask, store: Store) -> None:
    env = "/v<int:version>/projects/<project>/env"

    @app.get(env)
    def variables(version: int, project: str) -> dict[str, Any]:
        # The query's `decrypt` is no longer heeded (vercel/sdk#118): values are had one by one.
        return {"envs": [variable.shown(decrypted=False) for variable in store.variables(_reach(store, project))]}

    @app.get(f"{env}/<id>")
    def variable(version: int, project: str, id: str) -> dict[str, Any]:
        return store.variable(_reach(store, project), id).shown(decrypted=True)

    @app.post(env)
    def create(version: int, project: str) -> tuple[dict[str, Any], int]:
        body = _body()
        project = _reach(store, project)
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
        body = _body()
        if not isinstance(body, dict):
            raise Refusal(400, "bad_request", "Invalid request: should be object.")
        return store.change(_reach(store, project), id, body).shown(decrypted=False)

    @app.delete(f"{env}/<id>")
    def remove(version: int, project: str, id: str) -> dict[str, Any]:
        return store.remove(_reach(store, project), id).shown(decrypted=False)


def _body() -> Any:
    body = flask.request.get_json(force=True, silent=True)
    if body is None:
        raise Refusal(400, "bad_request", "Invalid JSON")
    return body


def _in_team(store: Store) -> bool:
    """Whether the request is on behalf of the team. Raises Refusal 403 for a team out of reach."""
    scope = flask.request.args.get("teamId") or flask.request.args.get("slug")
    if not scope:
        return False
    known = store.team_id if flask.request.args.get("teamId") else store.team_slug
    if scope != known:
        raise _no_access(scope)
    return True


def _reach(store: Store, project: str) -> str:
    """The id of a project, seen only on behalf of its team. Raises Refusal 404 or 403."""
    if not _in_team(store):
        raise Refusal(404, "not_found", "Project not found.")
    return store.project_id(project)


def _no_access(scope: str) -> Refusal:
    message = (
        f'Not authorized: Trying to access resource under scope "{scope}".'
        " You must re-authenticate to this scope or use a token with access to this scope."
    )
    return Refusal(403, "forbidden", message, saml=True, teamId=None, scope=scope, enforced=False)


def _add_deployment(app: flask.Flask, store: Store) -> None:
    @app.get("/_sandbox/deployment/<project>")
    def environment(project: str) -> dict[str, str]:
        # What the code finds when production is deployed now: the sensitive values too, which the API tells nobody.
        return {each.key: each.value for each in store.variables(project) if "production" in each.targets}
