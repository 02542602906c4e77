"""The routes that change production's deployment: promotion, rollback, rolling releases; and those for the tests.

Touches memory only. Shapes: https://vercel.com/docs/rest-api/rolling-release.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import flask

from sandbox.vercel.account import Account, json_object
from sandbox.vercel.deployments import PRODUCTION, Deployments
from sandbox.vercel.environment import environment_for
from sandbox.vercel.rolling_release import MINUTE_MS, Configuration, RollingRelease
from sandbox.vercel.variable import ApiError


def production_routes(account: Account, deployments: Deployments) -> flask.Blueprint:
    """The routes of promotions, rollbacks and rolling releases, and `/_sandbox/…` for the current deployment."""
    routes = flask.Blueprint("production", __name__)

    @routes.post("/v<int:version>/projects/<project>/<action>/<id>")
    def set_production(version: int, project: str, action: str, id: str) -> tuple[dict[str, Any], int]:
        if action not in ("promote", "rollback"):
            raise ApiError(404, "not_found", "Not Found")
        _, project_id = account.find_project(flask.request.args, project)
        queued = deployments.set_production(project_id, id, back=action == "rollback")
        return {}, 202 if queued else 201

    _add_configuration(routes, account, deployments)
    _add_rolling_release(routes, account, deployments)
    _add_test_routes(routes, account, deployments)
    return routes


_ROLLING_RELEASE = "/v1/projects/<project>/rolling-release"


def _add_configuration(routes: flask.Blueprint, account: Account, deployments: Deployments) -> None:
    path = f"{_ROLLING_RELEASE}/config"

    def configured(project: str) -> dict[str, Any]:
        configuration = deployments.rolling.configuration(project)
        return {"rollingRelease": None if configuration is None else configuration.to_json()}

    def disable(project: str, *, complete: bool) -> None:
        # What is under way ends: completed where the request says so, else aborted.
        deployments.rolling.configure(project, None)
        if (active := deployments.rolling.active(project)) is not None:
            deployments.follow(project, active.completed() if complete else active.aborted())

    @routes.get(path)
    def configuration(project: str) -> dict[str, Any]:
        return configured(account.find_project(flask.request.args, project)[1])

    @routes.patch(path)
    def configure(project: str) -> dict[str, Any]:
        (_, id), body = account.find_project(flask.request.args, project), json_object()
        if body.get("enabled"):
            deployments.rolling.configure(id, Configuration.read(body))
        else:
            disable(id, complete=body.get("disableRolloutAction") == "complete")
        return configured(id)

    @routes.delete(path)
    def delete_configuration(project: str) -> dict[str, Any]:
        _, id = account.find_project(flask.request.args, project)
        disable(id, complete=False)
        return configured(id)


def _add_rolling_release(routes: flask.Blueprint, account: Account, deployments: Deployments) -> None:
    def document(project: str, release: RollingRelease | None) -> dict[str, Any]:
        if release is None:
            return {"rollingRelease": None}
        current, canary = (
            {
                "id": deployment.id,
                "name": deployment.name,
                "url": deployment.url,
                "target": deployment.target,
                "source": "redeploy",
                "createdAt": deployment.created_at,
                "readyState": deployment.state,
                "readyStateAt": deployment.ready_at,
            }
            for deployment in (deployments.find(project, id) for id in (release.current, release.canary))
        )
        return {"rollingRelease": release.to_json(current, canary)}

    def active_release(project: str, canary: Any) -> RollingRelease:
        release = deployments.release(project)
        if release is None:
            raise ApiError(404, "not_found", "There is no rolling release for this project.")
        release.require_canary(canary)
        return release

    @routes.get(_ROLLING_RELEASE)
    def rolling_release(project: str) -> dict[str, Any]:
        _, id = account.find_project(flask.request.args, project)
        release = deployments.release(id)
        state = flask.request.args.get("state")
        return document(id, release if release is not None and state in (None, release.state) else None)

    @routes.post(f"{_ROLLING_RELEASE}/<action>")
    def act(project: str, action: str) -> dict[str, Any]:
        (_, id), body = account.find_project(flask.request.args, project), json_object()
        canary = body.get("canaryDeploymentId")
        if action == "start":
            return document(id, deployments.start_release(id, str(canary)))
        if action == "complete":
            return document(id, deployments.follow(id, active_release(id, canary).completed()))
        if action == "approve-stage":
            release, index = active_release(id, canary), body.get("nextStageIndex")
            if not isinstance(index, int):
                raise ApiError(400, "bad_request", "Invalid request: missing required property `nextStageIndex`.")
            return document(id, deployments.follow(id, release.at_stage(index)))
        raise ApiError(404, "not_found", "Not Found")


def _add_test_routes(routes: flask.Blueprint, account: Account, deployments: Deployments) -> None:
    @routes.post("/_sandbox/rolling-release/<project>/minutes/<int:minutes>")
    def let_pass(project: str, minutes: int) -> tuple[str, int]:
        """The rolling release is that much older: its automatic stages go on as if the time had passed."""
        id = account.teams[0].project_id(project)
        if (active := deployments.rolling.active(id)) is not None:
            deployments.rolling.store(id, replace(active, updated_at=active.updated_at - minutes * MINUTE_MS))
            deployments.release(id)
        return "", 204

    @routes.get("/_sandbox/deployment/<project>")
    def deployed_now(project: str) -> dict[str, str]:
        """The variables of production if it were deployed now; with `?environment=NAME` of another environment."""
        return environment_for(account.teams[0], project, flask.request.args.get("environment", PRODUCTION))

    @routes.get("/_sandbox/running/<project>")
    def running(project: str) -> dict[str, Any]:
        """The deployment in production, and its environment from the time when it was created."""
        matching = deployments.running(account.teams[0].project_id(project))
        if matching is None:
            return {"deployment": None, "environment": {}}
        return {"deployment": matching.id, "createdAt": matching.created_at, "environment": dict(matching.environment)}
