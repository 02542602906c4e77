"""Deployments: created from an earlier one, built step by step with each read; and production's current deployment.

Touches memory only. A deployment keeps the variables of the time when it was created. Shapes:
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
from sandbox.vercel.environment import environment_for
from sandbox.vercel.faults import FaultKind
from sandbox.vercel.rolling_release import COMPLETE, RollingRelease, RollingReleases
from sandbox.vercel.team import Team
from sandbox.vercel.variable import USER_ID, ApiError, now

HOUR_MS = 3_600_000
"""Milliseconds: the first deployment of a project is that much older than the project."""

_ALPHABET = string.ascii_letters + string.digits
_AFTER = {"QUEUED": "BUILDING", "BUILDING": "READY"}


class Deployments:
    """The deployments of every project, and the one in production."""

    def __init__(self, account: Account) -> None:
        self._lock = threading.RLock()
        self._by_project: dict[str, tuple[Deployment, ...]] = {}
        self._running: dict[str, str] = {}
        self._rolled_back: set[str] = set()
        self._requests: dict[str, dict[str, Any]] = {}
        self.rolling = RollingReleases()
        for team in account.teams:
            for project in team.projects():
                # The application was deployed before its variables were set.
                deployment = self._new(team, project["id"], PRODUCTION, {}, project["createdAt"] - HOUR_MS)
                self._store(
                    replace(
                        deployment,
                        state="READY",
                        building_at=deployment.created_at,
                        ready_at=deployment.created_at + 40_000,
                    )
                )
                self._promote(deployment.id, project["id"])

    def all(self, project: str) -> list[Deployment]:
        """The deployments of one project, by its id; the latest first."""
        with self._lock:
            return sorted(self._by_project.get(project, ()), key=lambda entry: -entry.created_at)

    def find(self, project: str | None, id_or_url: str) -> Deployment:
        """One deployment, of any project when none is named. Raises ApiError 404."""
        with self._lock:
            for id in [project] if project else [*self._by_project]:
                for entry in self._by_project.get(id, ()):
                    if id_or_url in (entry.id, entry.url):
                        return entry
        raise ApiError(404, "not_found", "The deployment could not be found.")

    def running(self, project: str) -> Deployment | None:
        """The deployment in production."""
        with self._lock:
            return self.find(project, self._running[project]) if project in self._running else None

    def redeploy(
        self,
        team: Team,
        source: Deployment,
        target: str | None,
        meta: Mapping[str, str],
        final_state: str,
        custom: str = "",
    ) -> Deployment:
        """A new deployment of an earlier one's code, with the current variables."""
        with self._lock:
            created = self._new(team, source.project, target, meta, now(), custom)
            deployment = replace(created, final_state=final_state)
            self._store(deployment)
            return deployment

    def advance(self, deployment: Deployment) -> Deployment:
        """The deployment, one step further: each read is a step of the build; a ready one becomes production."""
        with self._lock:
            next_state = _AFTER.get(deployment.state)
            if next_state is None or (deployment.state == deployment.final_state == "BUILDING"):
                return deployment
            if next_state == "BUILDING":
                return self._store(replace(deployment, state=next_state, building_at=now()))
            if deployment.final_state == "ERROR":
                return self._store(replace(deployment, state="ERROR", error='Command "npm run build" exited with 1'))
            ready = self._store(replace(deployment, state="READY", ready_at=now()))
            if ready.target == PRODUCTION and ready.project not in self._rolled_back:
                return self._release(ready)
            return ready

    def set_production(self, project: str, id: str, *, back: bool) -> bool:
        """Set production to another deployment: promote it, or roll back; new ones then do not become production.

        A rolling release ends by it: promoting its canary completes it, a rollback aborts it. True where the promotion
        of another deployment waits for its end.
        """
        with self._lock:
            matching, active = self.find(project, id), self.rolling.active(project)
            if matching.state != "READY" or matching.target != PRODUCTION:
                raise ApiError(400, "bad_request", "Only a production deployment that is ready can serve production.")
            if active is not None and back:
                self.rolling.store(project, active.aborted())
                if matching.id in (active.canary, active.current):
                    return False
            elif active is not None and matching.id != active.canary:
                self.rolling.store(project, replace(active, queued=matching.id))
                return True
            elif active is not None:
                self.follow(project, active.completed())
                return False
            self._requests[project] = {
                "fromDeploymentId": self._running.get(project),
                "toDeploymentId": matching.id,
                "jobStatus": "succeeded",
                "requestedAt": now(),
                "type": "rollback" if back else "promote",
            }
            self._promote(matching.id, project)
            (self._rolled_back.add if back else self._rolled_back.discard)(project)
            return False

    def last_request(self, project: str) -> dict[str, Any] | None:
        """The latest promotion or rollback that was asked for, by which the CLI tells when it is done."""
        with self._lock:
            return self._requests.get(project)

    def release(self, project: str) -> RollingRelease | None:
        """The latest rolling release of a project, at the stage that it has reached by now; None without one."""
        with self._lock:
            latest = self.rolling.latest(project)
            while latest is not None and self.rolling.active(project) is latest:
                next_at = latest.next_stage_at()
                if next_at is None or next_at > now():
                    break
                latest = self.follow(project, latest.at_stage(latest.active + 1, at=next_at))
            return latest

    def start_release(self, project: str, id: str) -> RollingRelease:
        """Begin the rolling release of a deployment that is staged. Raises ApiError 400."""
        with self._lock:
            matching, current = self.find(project, id), self.running(project)
            if matching.state != "READY" or matching.target != PRODUCTION or current is None:
                raise ApiError(400, "bad_request", "Only a production deployment that is ready can be released.")
            if (active := self.rolling.active(project)) is not None:
                raise ApiError(400, "bad_request", f"A rolling release of {active.canary} is active already.")
            self._store(replace(matching, had_traffic=True))
            return self.rolling.begin(project, current=current.id, canary=matching.id)

    def follow(self, project: str, release: RollingRelease) -> RollingRelease:
        """Store a release. A complete one gives production to its canary and starts the queued one."""
        with self._lock:
            self.rolling.store(project, release)
            if release.state == COMPLETE:
                self._promote(release.canary, project)
                self._rolled_back.discard(project)
                if release.queued is not None:
                    self._release(self.find(project, release.queued))
            return release

    def substate(self, deployment: Deployment) -> str:
        """Whether it has production's traffic, or ever had (`readySubstate`)."""
        with self._lock:
            active = self.rolling.active(deployment.project)
            if active is not None and active.canary == deployment.id:
                return "ROLLING"
            return "PROMOTED" if deployment.had_traffic else "STAGED"

    def _release(self, ready: Deployment) -> Deployment:
        """Production gets a deployment that is ready: at once, or in stages where the project has them."""
        active = self.rolling.active(ready.project)
        if active is not None:
            self.rolling.store(ready.project, replace(active, queued=ready.id))
            return ready
        if self.rolling.configuration(ready.project) is None or ready.project not in self._running:
            return self._promote(ready.id, ready.project)
        self.start_release(ready.project, ready.id)
        return self.find(ready.project, ready.id)

    def _new(
        self, team: Team, project: str, target: str | None, meta: Mapping[str, str], at: int, custom: str = ""
    ) -> Deployment:
        # A deployment that is created after a change of a variable must be later than the change.
        changes = [entry.updated_at for entry in team.variables(project)]
        latest = max([*changes, *(entry.created_at for entry in self._by_project.get(project, ()))], default=0)
        return Deployment(
            id="dpl_" + "".join(secrets.choice(_ALPHABET) for _ in range(28)),
            project=project,
            name=team.project(project)["name"],
            target=target,
            custom=custom,
            created_at=max(at, latest + 1) if latest else at,
            state="QUEUED",
            meta=dict(meta),
            environment=environment_for(team, project, custom or target or "preview"),
        )

    def _store(self, deployment: Deployment) -> Deployment:
        others = [entry for entry in self._by_project.get(deployment.project, ()) if entry.id != deployment.id]
        self._by_project[deployment.project] = (*others, deployment)
        return deployment

    def _promote(self, id: str, project: str) -> Deployment:
        self._running[project] = id
        return self._store(replace(self.find(project, id), aliased=True, had_traffic=True))


def deployment_routes(account: Account, deployments: Deployments) -> flask.Blueprint:
    """The routes of deployments."""
    routes = flask.Blueprint("deployments", __name__)

    def find_project(deployment: Deployment) -> Team:
        team, _ = account.find_project(flask.request.args, deployment.project)
        return team

    def document(deployment: Deployment, team: Team) -> dict[str, Any]:
        return to_json(deployment, team, deployments.substate(deployment))

    @routes.get("/v<int:version>/deployments")
    def listed(version: int) -> dict[str, Any]:
        query = flask.request.args
        matching = _matching(account.scope(query), deployments, query)
        entries = [list_entry(entry, deployments.substate(entry)) for entry in matching]
        page, pagination = paged(entries, "created", query, after="until")
        return {"deployments": page, "pagination": pagination}

    @routes.get("/v<int:version>/deployments/<id>")
    def deployment_by_id(version: int, id: str) -> dict[str, Any]:
        matching = deployments.find(None, id)
        team = find_project(matching)
        return document(deployments.advance(matching), team)

    @routes.post("/v<int:version>/deployments")
    def create(version: int) -> dict[str, Any]:
        body = json_body()
        if not isinstance(body, dict) or not isinstance(body.get("name"), str):
            raise ApiError(400, "bad_request", "Invalid request: missing required property `name`.")
        if not isinstance(body.get("deploymentId"), str):
            raise ApiError(400, "missing_files", "The files of the deployment are missing.")
        source = deployments.find(None, body["deploymentId"])
        team = find_project(source)
        if flask.request.args.get("forceNew") != "1":
            return document(source, team)
        fault = flask.g.get("fault")
        final_state = {FaultKind.BUILD: "ERROR", FaultKind.STUCK: "BUILDING"}.get(
            fault.kind if fault else FaultKind.HALF, "READY"
        )
        target = body.get("target") if body.get("target") in (PRODUCTION, "staging") else None
        custom = body.get("customEnvironmentSlugOrId") or ""
        if custom and custom not in {each["slug"] for each in team.environments(source.project)}:
            raise ApiError(400, "bad_request", f"There is no custom environment {custom}.")
        deployment = deployments.redeploy(team, source, target, body.get("meta") or {}, final_state, custom)
        return document(deployment, team)

    return routes


def _matching(team: Team | None, deployments: Deployments, query: Mapping[str, str]) -> list[Deployment]:
    """The deployments of a team that the query of a list asks for."""
    if team is None:
        return []
    project = query.get("projectId")
    ids = [team.project_id(project)] if project else [entry["id"] for entry in team.projects()]
    target, states, since = query.get("target"), query.get("state"), query.get("since")
    return [
        entry
        for id in ids
        for entry in deployments.all(id)
        if not target or (entry.custom or entry.target or "preview") == target
        if not states or entry.state in states.split(",")
        if not since or entry.created_at >= int(since)
    ]


PRODUCTION = "production"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One deployment. Times are milliseconds since 1970."""

    id: str
    project: str
    name: str
    target: str | None
    """`production`, or None for a preview and a custom environment."""
    custom: str = ""
    """The slug of the custom environment."""
    created_at: int
    state: str
    meta: Mapping[str, str]
    building_at: int | None = None
    ready_at: int | None = None
    error: str = ""
    final_state: str = "READY"
    """READY; ERROR for a build that fails; BUILDING for one that never ends."""
    aliased: bool = False
    had_traffic: bool = False
    """Whether it ever received production's traffic, all of it or a part."""
    environment: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """Its permanent address."""
        return f"{self.name}-{self.id.removeprefix('dpl_')[:9].lower()}-sandbox.vercel.app"


def production_target(deployment: Deployment) -> dict[str, Any]:
    """The deployment in production, in the form of a project's `targets`."""
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


def _common(deployment: Deployment, substate: str) -> dict[str, Any]:
    document: dict[str, Any] = {
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
    if deployment.custom:
        document["customEnvironment"] = {"slug": deployment.custom}
    if deployment.building_at is not None:
        document["buildingAt"] = deployment.building_at
    if deployment.ready_at is not None:
        document["ready"] = deployment.ready_at
    if deployment.state == "READY":
        document["readySubstate"] = substate
    return document


def list_entry(deployment: Deployment, substate: str) -> dict[str, Any]:
    creator = {"uid": USER_ID, "username": "sandbox"}
    return {
        **_common(deployment, substate),
        "uid": deployment.id,
        "created": deployment.created_at,
        "state": deployment.state,
        "creator": creator,
        "aliasAssigned": deployment.ready_at if deployment.aliased else None,
        "isRollbackCandidate": deployment.aliased,
    }


def to_json(deployment: Deployment, team: Team, substate: str) -> dict[str, Any]:
    """The answer about a single deployment, with its team, without which the CLI takes it for another team's."""
    document = {
        **_common(deployment, substate),
        "id": deployment.id,
        "status": deployment.state,
        "ownerId": team.id,
        "team": {"id": team.id, "slug": team.slug, "name": team.slug},
        "version": 2,
        "public": False,
        "regions": ["iad1"],
        "creator": {"uid": USER_ID, "username": "sandbox"},
        "alias": [f"{deployment.name}.vercel.app"] if deployment.aliased else [],
        "aliasAssigned": deployment.aliased,
        "aliasAssignedAt": deployment.ready_at if deployment.aliased else None,
    }
    if deployment.error:
        document |= {"errorCode": "BUILD_UTILS_SPAWN_1", "errorMessage": deployment.error, "errorStep": "buildStep"}
    return document
