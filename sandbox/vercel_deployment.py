"""One deployment as the stand-in for Vercel keeps it, and the three shapes in which the API tells it.

Pure. Shapes: https://vercel.com/docs/rest-api/deployments, and `targets` of https://vercel.com/docs/rest-api/projects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.vercel_variable import USER_ID

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


def listed(deployment: Deployment) -> dict[str, Any]:
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
