"""The stand-in's deployments: made anew from an earlier one, built look by look, and what production runs.

Touches memory only. A deployment keeps the variables that there were when it was made. Shapes:
https://vercel.com/docs/rest-api/deployments; rollbacks: https://vercel.com/docs/instant-rollback.
"""

from __future__ import annotations

import secrets
import string
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import flask

from sandbox.vercel.account import Account, json_body, paged
from sandbox.vercel.faults import Kind
from sandbox.vercel.team import Store
from sandbox.vercel.variable import USER_ID, Refusal, now

AN_HOUR = 3_600_000
"""Milliseconds: so much older than its project is a project's first deployment."""

_ALPHABET = string.ascii_letters + string.digits
_AFTER = {"QUEUED": "BUILDING", "BUILDING": "READY"}


class Deployments:
    """The deployments of every project, and which of them production runs."""

    def __init__(self, account: Account) -> None:
        self._lock = threading.RLock()
        self._of: dict[str, tuple[Deployment, ...]] = {}
        self._running: dict[str, str] = {}
        self._rolled_back: set[str] = set()
        for store in account.stores:
            for project in store.projects():
                # Somebody deployed the application before anybody set its variables.
                made = self._new(store, project["id"], PRODUCTION, {}, project["createdAt"] - AN_HOUR)
                self._keep(replace(made, state="READY", building_at=made.created_at, ready_at=made.created_at + 40_000))
                self._release(made.id, project["id"])

    def all(self, project: str) -> list[Deployment]:
        """Those of one project, by its id; the latest first."""
        with self._lock:
            return sorted(self._of.get(project, ()), key=lambda each: -each.created_at)

    def find(self, project: str | None, id_or_url: str) -> Deployment:
        """One deployment, of any project where none is named. Raises Refusal 404."""
        with self._lock:
            for id in [project] if project else [*self._of]:
                for each in self._of.get(id, ()):
                    if id_or_url in (each.id, each.url):
                        return each
        raise Refusal(404, "not_found", "The deployment could not be found.")

    def running(self, project: str) -> Deployment | None:
        """What production runs."""
        with self._lock:
            return self.find(project, self._running[project]) if project in self._running else None

    def again(
        self, store: Store, former: Deployment, target: str | None, meta: Mapping[str, str], ends_as: str
    ) -> Deployment:
        """One more deployment of the former's code, with the variables of now."""
        with self._lock:
            made = replace(self._new(store, former.project, target, meta, now()), ends_as=ends_as)
            self._keep(made)
            return made

    def look(self, deployment: Deployment) -> Deployment:
        """The deployment, one step further: it is built while somebody looks, and takes production when it is ready."""
        with self._lock:
            following = _AFTER.get(deployment.state)
            if following is None or (deployment.state == deployment.ends_as == "BUILDING"):
                return deployment
            if following == "BUILDING":
                return self._keep(replace(deployment, state=following, building_at=now()))
            if deployment.ends_as == "ERROR":
                return self._keep(replace(deployment, state="ERROR", error='Command "npm run build" exited with 1'))
            ready = self._keep(replace(deployment, state="READY", ready_at=now()))
            if ready.target == PRODUCTION and ready.project not in self._rolled_back:
                return self._release(ready.id, ready.project)
            return ready

    def point(self, project: str, id: str, *, back: bool) -> None:
        """Production to another deployment: promoted, or rolled back, after which new ones do not take its place."""
        with self._lock:
            found = self.find(project, id)
            if found.state != "READY" or found.target != PRODUCTION:
                raise Refusal(400, "bad_request", "Only a production deployment that is ready can serve production.")
            self._release(found.id, project)
            (self._rolled_back.add if back else self._rolled_back.discard)(project)

    def _new(self, store: Store, project: str, target: str | None, meta: Mapping[str, str], at: int) -> Deployment:
        # Clocks of one service: what is made after a variable was changed is younger than the change.
        changes = [each.updated_at for each in store.variables(project)]
        latest = max([*changes, *(each.created_at for each in self._of.get(project, ()))], default=0)
        return Deployment(
            id="dpl_" + "".join(secrets.choice(_ALPHABET) for _ in range(28)),
            project=project,
            name=store.project(project)["name"],
            target=target,
            created_at=max(at, latest + 1) if latest else at,
            state="QUEUED",
            meta=dict(meta),
            environment=environment_of(store, project, target or "preview"),
        )

    def _keep(self, deployment: Deployment) -> Deployment:
        others = [each for each in self._of.get(deployment.project, ()) if each.id != deployment.id]
        self._of[deployment.project] = (*others, deployment)
        return deployment

    def _release(self, id: str, project: str) -> Deployment:
        self._running[project] = id
        return self._keep(replace(self.find(project, id), aliased=True))


def environment_of(store: Store, project: str, target: str) -> dict[str, str]:
    """What code that is deployed now finds in its environment; the sensitive values too, which the API tells nobody."""
    shared = [each.variable for each in store.shared(store.project_id(project)) if target in each.variable.targets]
    # The project's own goes before a shared one of the same name and environment.
    own = [each for each in store.variables(project) if target in each.targets and each.git_branch is None]
    return {each.key: each.value for each in (*shared, *own)}


def deployment_routes(account: Account, deployments: Deployments) -> flask.Blueprint:
    """The routes of deployments, and `/_sandbox/deployment` and `/_sandbox/running`."""
    routes = flask.Blueprint("deployments", __name__)

    def reach(deployment: Deployment) -> Store:
        store, _ = account.reach(flask.request.args, deployment.project)
        return store

    @routes.get("/v<int:version>/deployments")
    def listed(version: int) -> dict[str, Any]:
        query = flask.request.args
        store = account.scope(query)
        named = query.get("projectId")
        ids = (
            [store.project_id(named)] if store and named else [each["id"] for each in store.projects()] if store else []
        )
        found = [each for id in ids for each in deployments.all(id)]
        if target := query.get("target"):
            found = [each for each in found if (each.target or "preview") == target]
        if state := query.get("state"):
            found = [each for each in found if each.state in state.split(",")]
        if since := query.get("since"):
            found = [each for each in found if each.created_at >= int(since)]
        page, pagination = paged([as_listed(each) for each in found], "created", query, after="until")
        return {"deployments": page, "pagination": pagination}

    @routes.get("/v<int:version>/deployments/<id>")
    def one(version: int, id: str) -> dict[str, Any]:
        found = deployments.find(None, id)
        store = reach(found)
        return shown(deployments.look(found), store.team_id)

    @routes.post("/v<int:version>/deployments")
    def make(version: int) -> dict[str, Any]:
        body = json_body()
        if not isinstance(body, dict) or not isinstance(body.get("name"), str):
            raise Refusal(400, "bad_request", "Invalid request: missing required property `name`.")
        if not isinstance(body.get("deploymentId"), str):
            raise Refusal(400, "missing_files", "The files of the deployment are missing.")
        former = deployments.find(None, body["deploymentId"])
        store = reach(former)
        if flask.request.args.get("forceNew") != "1":
            return shown(former, store.team_id)
        fault = flask.g.get("fault")
        ends_as = {Kind.BUILD: "ERROR", Kind.STUCK: "BUILDING"}.get(fault.kind if fault else Kind.HALF, "READY")
        target = body.get("target") if body.get("target") in (PRODUCTION, "staging") else None
        made = deployments.again(store, former, target, body.get("meta") or {}, ends_as)
        return shown(made, store.team_id)

    @routes.post("/v<int:version>/projects/<project>/<word>/<id>")
    def point(version: int, project: str, word: str, id: str) -> tuple[dict[str, Any], int]:
        if word not in ("promote", "rollback"):
            raise Refusal(404, "not_found", "Not Found")
        _, project = account.reach(flask.request.args, project)
        deployments.point(project, id, back=word == "rollback")
        return {}, 201

    @routes.get("/_sandbox/deployment/<project>")
    def deployed_now(project: str) -> dict[str, str]:
        """What production would run if it were deployed now."""
        return environment_of(account.stores[0], project, PRODUCTION)

    @routes.get("/_sandbox/running/<project>")
    def running(project: str) -> dict[str, Any]:
        """What production runs: its deployment, and the environment that was there when it was made."""
        found = deployments.running(account.stores[0].project_id(project))
        if found is None:
            return {"deployment": None, "environment": {}}
        return {"deployment": found.id, "createdAt": found.created_at, "environment": dict(found.environment)}

    return routes


PRODUCTION = "production"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One deployment. Times are milliseconds since 1970."""

    id: str
    project: str
    name: str
    target: str | None
    """None for a preview."""
    created_at: int
    state: str
    meta: Mapping[str, str]
    building_at: int | None = None
    ready_at: int | None = None
    error: str = ""
    ends_as: str = "READY"
    """READY; ERROR for a build that fails; BUILDING for one that never ends."""
    aliased: bool = False
    environment: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """Its own address, for good."""
        return f"{self.name}-{self.id.removeprefix('dpl_')[:9].lower()}-sandbox.vercel.app"


def production_target(deployment: Deployment) -> dict[str, Any]:
    """The deployment that production runs, as a project tells it under `targets`."""
    return {
        "id": deployment.id,
        "name": deployment.name,
        "url": deployment.url,
        "createdAt": deployment.created_at,
        "readyState": deployment.state,
        "readySubstate": "PROMOTED",
        "target": deployment.target,
        "alias": [f"{deployment.name}.vercel.app"],
        "aliasAssigned": deployment.ready_at,
        "meta": dict(deployment.meta),
        "type": "LAMBDAS",
    }


def _common(deployment: Deployment) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": deployment.name,
        "url": deployment.url,
        "projectId": deployment.project,
        "target": deployment.target,
        "readyState": deployment.state,
        "createdAt": deployment.created_at,
        "meta": dict(deployment.meta),
        "type": "LAMBDAS",
        "source": "redeploy" if deployment.meta.get("action") == "redeploy" else "git",
        "aliasError": None,
        "inspectorUrl": f"https://vercel.com/sandbox/{deployment.name}/{deployment.id.removeprefix('dpl_')}",
    }
    if deployment.building_at is not None:
        told["buildingAt"] = deployment.building_at
    if deployment.ready_at is not None:
        told["ready"] = deployment.ready_at
    if deployment.state == "READY":
        # Whether it has seen production traffic, not whether it does now.
        told["readySubstate"] = "PROMOTED" if deployment.aliased else "STAGED"
    return told


def as_listed(deployment: Deployment) -> dict[str, Any]:
    """As the listing tells it."""
    creator = {"uid": USER_ID, "username": "sandbox"}
    return {
        **_common(deployment),
        "uid": deployment.id,
        "created": deployment.created_at,
        "state": deployment.state,
        "creator": creator,
        "aliasAssigned": deployment.ready_at if deployment.aliased else None,
        "isRollbackCandidate": deployment.aliased,
    }


def shown(deployment: Deployment, owner: str) -> dict[str, Any]:
    """As it is told alone; `owner` is the team's id."""
    told = {
        **_common(deployment),
        "id": deployment.id,
        "status": deployment.state,
        "ownerId": owner,
        "version": 2,
        "public": False,
        "regions": ["iad1"],
        "creator": {"uid": USER_ID, "username": "sandbox"},
        "alias": [f"{deployment.name}.vercel.app"] if deployment.aliased else [],
        "aliasAssigned": deployment.aliased,
        "aliasAssignedAt": deployment.ready_at if deployment.aliased else None,
    }
    if deployment.error:
        told |= {"errorCode": "BUILD_UTILS_SPAWN_1", "errorMessage": deployment.error, "errorStep": "buildStep"}
    return told
