"""The redeploy that a delivery needs: said plainly, offered to a person, done where it was asked for.

Pure: acts through the edges' Protocols. Unattended, nothing is started anew without `--redeploy`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from components.settings import Target
from wizard.commands.deployed_stack import DeployedStack
from wizard.commands.push import ecs
from wizard.commands.push.service import changed_at, is_stale, running
from wizard.core.errors import SetupError
from wizard.core.models.deployment import Deployment, Redeployed, RedeployState
from wizard.core.models.progress import Mark
from wizard.core.next_command import wizard
from wizard.core.ports.run import UserInterface
from wizard.setup.steps import Clients

Pause = Callable[[float], None]
"""Waits so many seconds."""

_PLACES = {Target.VERCEL: "production on Vercel", Target.ECS: "the service on ECS", Target.EKS: "the pods on EKS"}


def offer(
    redeploy: bool | None,
    found: DeployedStack,
    clients: Clients,
    targets: tuple[Target, ...],
    *,
    seen: tuple[Instances, ...] | None = None,
    pause: Pause = time.sleep,
) -> tuple[Redeployed, ...]:
    """Start anew what holds old values, where that is wanted; `redeploy` answers beforehand.

    `seen` is what runs, where that was looked at already. Never raises a SetupError: what was delivered is delivered,
    and a redeploy that could not be is in what comes back.
    """
    clients.ui.section("Running instances", "they keep what they were started with")
    seen = look(found, targets) if seen is None else seen
    done = []
    for instances in seen:
        _tell(clients.ui, instances)
        if not _can_be(instances, redeploy):
            continue
        if _wanted(redeploy, clients.ui, instances):
            done.append(_told(clients.ui, found.stack, _redeployed(instances, found, clients, pause)))
        elif instances.stale:
            skipped = Redeployed(
                target=instances.target, state=RedeployState.SKIPPED, before=instances.deployment, after=None
            )
            done.append(_told(clients.ui, found.stack, skipped))
    return tuple(done)


def _tell(ui: UserInterface, instances: Instances) -> None:
    place, runs = _PLACES[instances.target], instances.deployment
    if runs is None or instances.stale is None:
        mark = Mark.INFO if instances.stale is False or instances.target is Target.EKS else Mark.WARN
        known = "" if instances.stale is False else " holds the new values is not known"
        ui.line(f"{'whether ' if known else ''}{place}{known}: {instances.why}", mark=mark)
    elif instances.stale:
        since = f", before the values were changed at {_time(instances.changed)}" if instances.changed else ""
        ui.line(
            f"{place} still holds the old values: {runs.name} ({runs.id}) began at {_time(runs.made)}{since}",
            mark=Mark.WARN,
        )
    else:
        ui.line(f"{place} has the values: {runs.name} ({runs.id}) began at {_time(runs.made)}", mark=Mark.OK)


def _can_be(instances: Instances, asked: bool | None) -> bool:
    """Whether there is something to start anew, and a reason to."""
    if instances.target is Target.EKS:
        return False
    if asked:
        # Also where it has the values: a failed key load is remembered for the life of a process.
        return instances.deployment is not None or instances.stale is None
    return instances.deployment is not None and instances.stale is not False


def _wanted(asked: bool | None, ui: UserInterface, instances: Instances) -> bool:
    if asked is not None:
        return asked
    return ui.interactive and ui.confirm(
        f"Start {_PLACES[instances.target]} anew now?",
        why="Variables are read when an instance starts; until then the old ones are in use.",
        explanation="The same code is deployed once more. If that fails, what runs now goes on running.",
    )


def _redeployed(instances: Instances, found: DeployedStack, clients: Clients, pause: Pause) -> Redeployed:
    def tell(line: str) -> None:
        clients.ui.line(line, mark=Mark.INFO)

    clients.ui.working(f"{_PLACES[instances.target]} is started anew")
    try:
        if instances.target is Target.ECS:
            return ecs.redeploy(found.aws.ecs_services, found, tell=tell, now=clients.now, pause=pause)
        if found.vercel is None or found.project is None or instances.deployment is None:
            raise SetupError(f"it could not be looked at: {instances.why}", "")
        if isinstance(found.project, SetupError):
            raise found.project
        return found.vercel.redeploy(found.project, instances.deployment, tell=tell)
    except SetupError as error:
        why = f"{error.message} ({error.hint})" if error.hint else error.message
        return Redeployed(
            target=instances.target, state=RedeployState.FAILED, before=instances.deployment, after=None, why=why
        )


def _told(ui: UserInterface, stack: str, done: Redeployed) -> Redeployed:
    place = _PLACES[Target(done.target)]
    name = done.after.name if done.after else ""
    match done.state:
        case RedeployState.DONE:
            ui.line(f"{place} runs {name}, with the new values, after {done.seconds:.0f} s", mark=Mark.OK)
        case RedeployState.FAILED:
            ui.line(f"{place} was not started anew: {done.why}; what ran goes on running", mark=Mark.FAIL)
        case RedeployState.ROLLED_BACK:
            ui.line(f"{place} is back on what ran before: {done.why}", mark=Mark.FAIL)
        case RedeployState.SKIPPED:
            ui.line("nothing was started anew; when it suits:", mark=Mark.INFO)
            ui.verbatim(wizard("push", "--redeploy"))
    return done


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "an unknown time"


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


def look(found: DeployedStack, targets: Iterable[Target]) -> tuple[Instances, ...]:
    """What runs at each target. Reads only; never raises a SetupError."""
    return tuple(_at(found, target) for target in targets)


def left_stale(seen: Iterable[Instances], redeploys: Iterable[Redeployed]) -> tuple[Instances, ...]:
    """What still holds old values after the redeploys, or may."""
    renewed = {each.target for each in redeploys if each.state is RedeployState.DONE}
    return tuple(each for each in seen if each.stale is not False and each.target not in renewed)


def _at(found: DeployedStack, target: Target) -> Instances:
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


def _on_vercel(found: DeployedStack) -> Instances:
    if found.vercel is None or found.project is None:
        return Instances(target=Target.VERCEL, deployment=None, why="there is no token for Vercel")
    if isinstance(found.project, SetupError):
        raise found.project
    deployment = found.vercel.production_deployment(found.project)
    if deployment is None:
        return Instances(
            target=Target.VERCEL, deployment=None, stale=False, why="nothing is deployed to production yet"
        )
    changed = found.vercel.last_change(found.project)
    if changed is None:
        why = "Vercel does not tell when the variables were last changed"
        return Instances(target=Target.VERCEL, deployment=deployment, why=why)
    return Instances(target=Target.VERCEL, deployment=deployment, changed=changed, stale=deployment.made < changed)


def _on_ecs(found: DeployedStack) -> Instances:
    ecs_services, settings = found.aws.ecs_services, found.settings
    deployment = running(ecs_services, settings)
    if deployment is None:
        why = (
            "which service runs the application cannot be told"
            if settings.ecs_cluster
            else "the stack does not say which ECS cluster the application runs in"
        )
        return Instances(target=Target.ECS, deployment=None, why=why)
    stale = is_stale(ecs_services, settings, deployment)
    why = "" if stale is not None else "when the values were last changed is not told"
    return Instances(
        target=Target.ECS, deployment=deployment, changed=changed_at(ecs_services, settings), stale=stale, why=why
    )
