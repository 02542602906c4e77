"""Whether what runs has the values that were delivered: when it began, and when they were last changed.

Pure: reads through the edges' Protocols. What cannot be known is told as unknown, never as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from components.contract import Target
from wizard.errors import SetupError
from wizard.facts_deployment import Deployment, Redeployed, RedeployState
from wizard.push import on_ecs
from wizard.push.ecs_service import changed_at
from wizard.standing import Standing


@dataclass(frozen=True, kw_only=True)
class Instances:
    """What runs at one target."""

    target: Target
    deployment: Deployment | None
    """None where nothing runs, or it could not be had."""
    changed: datetime | None = None
    """UTC: the last change of the values; None where it is not told."""
    stale: bool | None = None
    """Whether it holds old values; None: not known."""
    why: str = ""
    """Where it is not known, and where nothing runs."""


def look(found: Standing, targets: Iterable[Target]) -> tuple[Instances, ...]:
    """What runs at each target. Reads only; never raises a SetupError."""
    return tuple(_at(found, target) for target in targets)


def left_stale(seen: Iterable[Instances], redeploys: Iterable[Redeployed]) -> tuple[Instances, ...]:
    """What still holds old values after the redeploys, or may."""
    renewed = {each.target for each in redeploys if each.state is RedeployState.DONE}
    return tuple(each for each in seen if each.stale is not False and each.target not in renewed)


def _at(found: Standing, target: Target) -> Instances:
    try:
        match target:
            case Target.VERCEL:
                return _on_vercel(found)
            case Target.ECS:
                return _on_ecs(found)
            case _:
                restart = f"kubectl rollout restart deployment --namespace {found.settings.eks_namespace}"
                why = f"pods read the values when they start: {restart}"
                return Instances(target=target, deployment=None, why=why)
    except SetupError as error:
        return Instances(target=target, deployment=None, why=error.message)


def _on_vercel(found: Standing) -> Instances:
    if found.hosting is None or found.project is None:
        return Instances(target=Target.VERCEL, deployment=None, why="there is no token for Vercel")
    if isinstance(found.project, SetupError):
        raise found.project
    deployment = found.hosting.production_deployment(found.project)
    if deployment is None:
        return Instances(
            target=Target.VERCEL, deployment=None, stale=False, why="nothing is deployed to production yet"
        )
    changed = found.hosting.last_change(found.project)
    if changed is None:
        why = "Vercel does not tell when the variables were last changed"
        return Instances(target=Target.VERCEL, deployment=deployment, why=why)
    return Instances(target=Target.VERCEL, deployment=deployment, changed=changed, stale=deployment.made < changed)


def _on_ecs(found: Standing) -> Instances:
    fleet, settings = found.cloud.fleet(), found.settings
    deployment = on_ecs.running(fleet, settings)
    if deployment is None:
        why = (
            "which service runs the application cannot be told"
            if settings.ecs_cluster
            else "the stack does not say which ECS cluster the application runs in"
        )
        return Instances(target=Target.ECS, deployment=None, why=why)
    stale = on_ecs.is_stale(fleet, settings, deployment)
    why = "" if stale is not None else "when the values were last changed is not told"
    return Instances(
        target=Target.ECS, deployment=deployment, changed=changed_at(fleet, settings), stale=stale, why=why
    )
