"""A deployment and a rolling release on Vercel, as the API reports them, and the commands for a release.

Pure. Shapes: https://vercel.com/docs/rest-api/rolling-release; the commands: https://vercel.com/docs/cli/rolling-release.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from wizard.core.models.delivery import VercelProject
from wizard.core.models.deployment import Deployment, ReleaseStage, ReleaseState, RollingRelease
from wizard.core.next_command import Command, shell
from wizard.core.safe_text import clean
from wizard.vercel.projects import text


def deployment_of(body: Any) -> Deployment | None:
    """A deployment in any of the API's shapes; None for anything else."""
    if not isinstance(body, dict):
        return None
    id, at = text(body.get("id")) or text(body.get("uid")), body.get("createdAt", body.get("created"))
    made = _time(at)
    if id is None or made is None:
        return None
    return Deployment(
        target="vercel",
        id=id,
        name=clean(text(body.get("url")) or id),
        made=made,
        state=text(body.get("readyState")) or text(body.get("state")) or text(body.get("status")) or "QUEUED",
        substate=text(body.get("readySubstate")) or "",
    )


def parse(body: Any, project: VercelProject) -> RollingRelease | None:
    """The rolling release of an answer; None where there is none, or one of an unknown shape."""
    fields = body.get("rollingRelease") if isinstance(body, dict) else None
    if not isinstance(fields, dict) or fields.get("state") not in tuple(ReleaseState):
        return None
    canary = deployment_of(fields.get("canaryDeployment"))
    if canary is None:
        return None
    listed, active = fields.get("stages"), fields.get("activeStage")
    stages = tuple(_stage(entry) for entry in listed if isinstance(entry, dict)) if isinstance(listed, list) else ()
    stage = _stage(active) if isinstance(active, dict) else None
    return RollingRelease(
        state=ReleaseState(fields["state"]),
        canary=canary,
        current=deployment_of(fields.get("currentDeployment")),
        stages=stages,
        active=stage,
        queued=text(fields.get("queuedDeploymentId")),
        updated=_time(fields.get("updatedAt")),
        command=_continuation(stage, canary, project),
    )


def _stage(entry: Mapping[str, Any]) -> ReleaseStage:
    index, percentage, seconds = entry.get("index"), entry.get("targetPercentage"), entry.get("duration")
    return ReleaseStage(
        index=index if isinstance(index, int) else 0,
        percentage=float(percentage) if isinstance(percentage, (int, float)) else 0.0,
        needs_approval=bool(entry.get("requireApproval")),
        seconds=float(seconds) if isinstance(seconds, (int, float)) else None,
    )


def _time(at: Any) -> datetime | None:
    return datetime.fromtimestamp(at / 1000, UTC) if isinstance(at, (int, float)) else None


def _continuation(stage: ReleaseStage | None, canary: Deployment, project: VercelProject) -> Command:
    if stage is not None and stage.needs_approval:
        return command(project, "approve", f"--currentStageIndex={stage.index}", f"--dpl={canary.id}")
    return command(project, "fetch")


def command(project: VercelProject, action: str, *words: str) -> Command:
    """A command of the Vercel CLI for the project's rolling releases, for any folder."""
    team = ("--scope", project.team_slug or project.team_id) if project.team_slug or project.team_id else ()
    return shell("vercel", "rolling-release", action, *words, "--project", project.name, *team)
