"""The Flask application that stands in for Vercel's REST API: projects and their environment variables.

Touches memory only; `create_app` returns an application for others to serve. Shapes and rules are
those of https://vercel.com/docs/rest-api and https://vercel.com/docs/environment-variables.
"""

import hmac
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import flask
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from sandbox.faults import Faults
from sandbox.vercel import faults
from sandbox.vercel.account import Account, account_routes, json_body, json_object, paged
from sandbox.vercel.deployments import Deployments, deployment_routes, production_target
from sandbox.vercel.environment import pulled
from sandbox.vercel.faults import Calls, Fault, FaultKind
from sandbox.vercel.production import production_routes
from sandbox.vercel.shared_variables import shared_variable_routes
from sandbox.vercel.team import Team
from sandbox.vercel.variable import ApiError, check_schema


def create_app(
    *,
    token: str,
    team: str,
    project: str,
    other_teams: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    limited: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    separates_secrets: bool = False,
) -> flask.Flask:
    """The API for one token, the only valid one; its user is in one team with one project.

    `other_teams` are more teams with their projects. `limited` names teams that the token has no access to, and why
    (`scope`, `saml`, `mfa`, `invalidated`): they are listed as limited, and requests for them fail. With
    `separates_secrets` no other environment may have production's Secrets.
    """
    app = flask.Flask("sandbox.vercel", static_folder=None)
    teams = {team: (project,), **other_teams}
    account = Account(
        tuple(
            Team(team=slug, projects=project_id, limited_by=tuple(limited.get(slug, ())))
            for slug, project_id in teams.items()
        )
    )
    for each in account.teams:
        each.separates_secrets = separates_secrets
    ordered, calls = Faults[Fault](), Calls()
    app.register_blueprint(faults.fault_routes(ordered, calls))
    _add_request_checks(app, ordered, calls, token)
    app.register_blueprint(account_routes(account))
    app.register_blueprint(shared_variable_routes(account))
    deployments = Deployments(account)
    app.register_blueprint(deployment_routes(account, deployments))
    app.register_blueprint(production_routes(account, deployments))
    _add_projects(app, account, deployments)
    _add_variables(app, account)

    @app.put("/_sandbox/separates-secrets")
    def separate_secrets() -> tuple[str, int]:
        """Forbid production's Secrets in other environments."""
        for each in account.teams:
            each.separates_secrets = True
        return "", 204

    return app


def _add_request_checks(app: flask.Flask, ordered: Faults[Fault], calls: Calls, token: str) -> None:
    @app.before_request
    def check_request() -> flask.Response | None:
        path = flask.request.path
        if path.startswith("/_sandbox"):
            return None
        calls.add(flask.request.method, path)
        fault = flask.g.fault = faults.take(ordered, flask.request.method, path)
        if fault is not None and not fault.continues:
            return faults.fault_response(fault)
        scheme, _, credentials = flask.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not credentials:
            raise ApiError(403, "forbidden", "Not authorized")
        if not hmac.compare_digest(credentials.strip().encode(), token.encode()):
            raise ApiError(403, "forbidden", "Not authorized", invalidToken=True)
        return None

    @app.after_request
    def drop_after_work(response: flask.Response) -> flask.Response:
        fault = flask.g.get("fault")
        if fault is not None and fault.kind is FaultKind.DROP and fault.applied:
            return faults.drop_connection()
        return response

    @app.errorhandler(ApiError)
    def api_error(error: ApiError) -> tuple[dict[str, Any], int]:
        return {"error": error.error}, error.status

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> tuple[dict[str, Any], int]:
        status = error.code or 500
        if isinstance(error, MethodNotAllowed):
            methods = ", ".join(sorted(error.valid_methods or ()))
            return {"error": {"code": "method_unknown", "message": f"This endpoint only responds to {methods}"}}, status
        code = "not_found" if status == 404 else "bad_request"
        return {"error": {"code": code, "message": error.description or error.name}}, status


def _add_projects(app: flask.Flask, account: Account, deployments: Deployments) -> None:
    def with_targets(project: dict[str, Any]) -> dict[str, Any]:
        running, configuration = deployments.running(project["id"]), deployments.rolling.configuration(project["id"])
        return {
            **project,
            "targets": {"production": production_target(running)} if running else {},
            "rollingRelease": None if configuration is None else configuration.to_json(),
            "lastAliasRequest": deployments.last_request(project["id"]),
        }

    @app.get("/v<int:version>/projects")
    def projects(version: int) -> dict[str, Any]:
        team = account.scope(flask.request.args)
        matching = [with_targets(project) for project in team.projects()] if team else []
        search = flask.request.args.get("search", "")
        matching = [project for project in matching if search in project["name"]]
        # Version 10 of the list continues at `from`, version 9 at `until`; the latest change comes first.
        page, pagination = paged(matching, "updatedAt", flask.request.args, after="from" if version > 9 else "until")
        return {"projects": page, "pagination": pagination}

    @app.post("/v<int:version>/projects")
    def create_project(version: int) -> dict[str, Any]:
        team, body = account.scope(flask.request.args), json_body()
        if team is None:
            raise ApiError(403, "forbidden", "You don't have permission to create the project.")
        if not isinstance(body, dict) or not isinstance(body.get("name"), str):
            raise ApiError(400, "bad_request", "Invalid request: missing required property `name`.")
        return team.create_project(body["name"], body.get("framework"))

    @app.patch("/v<int:version>/projects/<project>")
    def update_project(version: int, project: str) -> dict[str, Any]:
        body = json_object()
        team, id = account.find_project(flask.request.args, project)
        return team.configure_project(id, body)

    @app.delete("/v<int:version>/projects/<project>")
    def delete_project(version: int, project: str) -> tuple[str, int]:
        team, id = account.find_project(flask.request.args, project)
        team.delete_project(id)
        return "", 204

    @app.get("/v<int:version>/projects/<project>")
    def project(version: int, project: str) -> dict[str, Any]:
        team, id = account.find_project(flask.request.args, project)
        return with_targets(team.project(id))


def _add_variables(app: flask.Flask, account: Account) -> None:
    env = "/v<int:version>/projects/<project>/env"

    @app.get(env)
    def variables(version: int, project: str) -> dict[str, Any]:
        # The query parameter `decrypt` no longer has an effect (vercel/sdk#118): values are read one by one.
        team, id = account.find_project(flask.request.args, project)
        query = flask.request.args
        place, branch = query.get("target") or query.get("customEnvironmentId"), query.get("gitBranch")
        matching = [
            variable
            for variable in team.variables(id)
            if (place is None or place in (*variable.targets, *variable.custom_environments))
            and (branch is None or variable.git_branch in (None, branch))
        ]
        return {"envs": [variable.to_json(decrypted=False) for variable in matching]}

    @app.get(f"{env}/<id>")
    def variable(version: int, project: str, id: str) -> dict[str, Any]:
        team, project_id = account.find_project(flask.request.args, project)
        return team.variable(project_id, id).to_json(decrypted=True)

    @app.get("/v3/env/pull/<project>/<environment>")
    @app.get("/v3/env/pull/<project>/<environment>/<path:branch>")
    def pull(project: str, environment: str, branch: str | None = None) -> dict[str, Any]:
        # What `vercel env pull` writes: a sensitive value is empty, and the CLI writes [SENSITIVE] in its place.
        team, id = account.find_project(flask.request.args, project)
        values = pulled(team, id, environment, branch)
        return {"env": values, "buildEnv": values}

    @app.post(env)
    def create(version: int, project: str) -> tuple[dict[str, Any], int]:
        body = json_body()
        team, project = account.find_project(flask.request.args, project)
        created, failed = _put_all(team, project, body if isinstance(body, list) else [body])
        return {"created": created if isinstance(body, list) else created[0], "failed": failed}, 201

    @app.patch(f"{env}/<id>")
    def change(version: int, project: str, id: str) -> dict[str, Any]:
        body = json_object()
        team, project_id = account.find_project(flask.request.args, project)
        fault = flask.g.get("fault")
        if fault is not None and fault.refuses(team.variable(project_id, id).key):
            raise ApiError(500, fault.code, "A fault on order.")
        return team.change(project_id, id, body).to_json(decrypted=False)

    @app.delete(f"{env}/<id>")
    def remove(version: int, project: str, id: str) -> dict[str, Any]:
        team, project_id = account.find_project(flask.request.args, project)
        return team.remove(project_id, id).to_json(decrypted=False)


def _put_all(team: Team, project: str, batch: list[Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The variables that were created, and the errors of the others. Raises ApiError where none was."""
    if not batch:
        raise ApiError(400, "bad_request", "Invalid request: should NOT have fewer than 1 items.")
    for requested in batch:
        check_schema(requested)
    created: list[dict[str, Any]] = []
    errors: list[ApiError] = []
    fault, upsert = flask.g.get("fault"), flask.request.args.get("upsert") == "true"
    for position, requested in enumerate(batch, start=1):
        try:
            name, target = requested["key"], requested.get("target")
            if fault is not None and fault.refuses(name, position):
                raise ApiError(500, fault.code, "A fault on order.", key=name, envVarKey=name, target=target)
            created.append(team.put(project, requested, upsert=upsert).to_json(decrypted=False))
        except ApiError as error:
            errors.append(error)
    if not created:
        raise errors[0]
    return created, [{"error": error.error} for error in errors]
