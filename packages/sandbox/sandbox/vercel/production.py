"""The routes that change production's deployment: promotion, rollback, rolling releases; and those for the tests.

Touches memory only. Shapes: https://vercel.com/docs/rest-api/rolling-release.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import flask

from sandbox.vercel.account import Account, json_body
from sandbox.vercel.deployments import PRODUCTION, Deployments
from sandbox.vercel.environment import environment_for
from sandbox.vercel.rolling_release import MINUTE_MS, Configuration, RollingRelease
from sandbox.vercel.variable import ApiError


def production_routes(account: Account, deployments: Deployments) -> flask.Blueprint:
    """The routes of promotions, rollbacks and rolling releases, and `/_sandbox/…` for the current deployment."""
    routes = flask.Blueprint("production", __name__)
    path = "/v1/projects/<project>/rolling-release"

    def own_project(project: str) -> str:
        return account.find_project(flask.request.args, project)[1]

    def fields() -> dict[str, Any]:
        body = json_body()
        if not isinstance(body, dict):
            raise ApiError(400, "bad_request", "Invalid request: should be object.")
        return body

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

    def configured(project: str) -> dict[str, Any]:
        configuration = deployments.rolling.configuration(project)
        return {"rollingRelease": None if configuration is None else configuration.to_json()}

    @routes.post("/v<int:version>/projects/<project>/<action>/<id>")
    def set_production(version: int, project: str, action: str, id: str) -> tuple[dict[str, Any], int]:
        if action not in ("promote", "rollback"):
            raise ApiError(404, "not_found", "Not Found")
        queued = deployments.set_production(own_project(project), id, back=action == "rollback")
        return {}, 202 if queued else 201

    @routes.get(path)
    def rolling_release(project: str) -> dict[str, Any]:
        id = own_project(project)
        release = deployments.release(id)
        state = flask.request.args.get("state")
        return document(id, release if release is not None and state in (None, release.state) else None)

    @routes.get(f"{path}/config")
    def configuration(project: str) -> dict[str, Any]:
        return configured(own_project(project))

    @routes.patch(f"{path}/config")
    def configure(project: str) -> dict[str, Any]:
        id, body = own_project(project), fields()
        if body.get("enabled"):
            deployments.rolling.configure(id, Configuration.read(body))
        else:
            disable(id, complete=body.get("disableRolloutAction") == "complete")
        return configured(id)

    @routes.delete(f"{path}/config")
    def delete_configuration(project: str) -> dict[str, Any]:
        id = own_project(project)
        disable(id, complete=False)
        return configured(id)

    def disable(project: str, *, complete: bool) -> None:
        # What is under way ends: completed where the request says so, else aborted.
        deployments.rolling.configure(project, None)
        if (active := deployments.rolling.active(project)) is not None:
            deployments.follow(project, active.completed() if complete else active.aborted())

    @routes.post(f"{path}/start")
    def start(project: str) -> dict[str, Any]:
        id, body = own_project(project), fields()
        return document(id, deployments.start_release(id, str(body.get("canaryDeploymentId"))))

    @routes.post(f"{path}/approve-stage")
    def approve_stage(project: str) -> dict[str, Any]:
        id, body = own_project(project), fields()
        release, index = active_release(id, body.get("canaryDeploymentId")), body.get("nextStageIndex")
        if not isinstance(index, int):
            raise ApiError(400, "bad_request", "Invalid request: missing required property `nextStageIndex`.")
        return document(id, deployments.follow(id, release.at_stage(index)))

    @routes.post(f"{path}/complete")
    def complete(project: str) -> dict[str, Any]:
        id, body = own_project(project), fields()
        return document(id, deployments.follow(id, active_release(id, body.get("canaryDeploymentId")).completed()))

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

    return routes
