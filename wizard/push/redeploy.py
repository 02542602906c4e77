"""The redeploy that a delivery needs: said plainly, offered to a person, done where it was asked for.

Pure: acts through the edges' Protocols. Unattended, nothing is started anew without `--redeploy`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import datetime

from components.contract import Target
from wizard.errors import SetupError
from wizard.facts import Mark
from wizard.facts_deployment import Redeployed, RedeployState
from wizard.protocols import Talk
from wizard.push import on_ecs
from wizard.push.instances import Instances, look
from wizard.standing import Standing
from wizard.steps import Doors

Pause = Callable[[float], None]
"""Waits so many seconds."""

_PLACES = {Target.VERCEL: "production on Vercel", Target.ECS: "the service on ECS", Target.EKS: "the pods on EKS"}


def offer(
    options: argparse.Namespace,
    found: Standing,
    doors: Doors,
    targets: tuple[Target, ...],
    *,
    seen: tuple[Instances, ...] | None = None,
    pause: Pause = time.sleep,
) -> tuple[Redeployed, ...]:
    """Start anew what holds old values, where that is wanted; `options.redeploy` answers beforehand.

    `seen` is what runs, where that was looked at already. Never raises a SetupError: what was delivered is delivered,
    and a redeploy that could not be is in what comes back.
    """
    doors.talk.section("Running instances", "they keep what they were started with")
    seen = look(found, targets) if seen is None else seen
    done = []
    for instances in seen:
        _tell(doors.talk, instances)
        if not _can_be(instances, options.redeploy):
            continue
        if _wanted(options.redeploy, doors.talk, instances):
            done.append(_told(doors.talk, found.stack, _redeployed(instances, found, doors, pause)))
        elif instances.stale:
            skipped = Redeployed(
                target=instances.target, state=RedeployState.SKIPPED, before=instances.deployment, after=None
            )
            done.append(_told(doors.talk, found.stack, skipped))
    return tuple(done)


def _tell(talk: Talk, instances: Instances) -> None:
    place, runs = _PLACES[instances.target], instances.deployment
    if runs is None or instances.stale is None:
        mark = Mark.INFO if instances.stale is False or instances.target is Target.EKS else Mark.WARN
        known = "" if instances.stale is False else " holds the new values is not known"
        talk.line(f"{'whether ' if known else ''}{place}{known}: {instances.why}", mark=mark)
    elif instances.stale:
        since = f", before the values were changed at {_time(instances.changed)}" if instances.changed else ""
        talk.line(
            f"{place} still holds the old values: {runs.name} ({runs.id}) began at {_time(runs.made)}{since}",
            mark=Mark.WARN,
        )
    else:
        talk.line(f"{place} has the values: {runs.name} ({runs.id}) began at {_time(runs.made)}", mark=Mark.OK)


def _can_be(instances: Instances, asked: bool | None) -> bool:
    """Whether there is something to start anew, and a reason to."""
    if instances.target is Target.EKS:
        return False
    if asked:
        # Also where it has the values: a failed key load is remembered for the life of a process.
        return instances.deployment is not None or instances.stale is None
    return instances.deployment is not None and instances.stale is not False


def _wanted(asked: bool | None, talk: Talk, instances: Instances) -> bool:
    if asked is not None:
        return asked
    return talk.interactive and talk.confirm(
        f"Start {_PLACES[instances.target]} anew now?",
        why="Variables are read when an instance starts; until then the old ones are in use.",
        explanation="The same code is deployed once more. If that fails, what runs now goes on running.",
    )


def _redeployed(instances: Instances, found: Standing, doors: Doors, pause: Pause) -> Redeployed:
    def tell(line: str) -> None:
        doors.talk.line(line, mark=Mark.INFO)

    doors.talk.working(f"{_PLACES[instances.target]} is started anew")
    try:
        if instances.target is Target.ECS:
            return on_ecs.redeploy(found.cloud.fleet(), found, tell=tell, now=doors.now, pause=pause)
        if found.hosting is None or found.project is None or instances.deployment is None:
            raise SetupError(f"it could not be looked at: {instances.why}", "")
        if isinstance(found.project, SetupError):
            raise found.project
        return found.hosting.redeploy(found.project, instances.deployment, tell=tell)
    except SetupError as error:
        why = f"{error.message} ({error.hint})" if error.hint else error.message
        return Redeployed(
            target=instances.target, state=RedeployState.FAILED, before=instances.deployment, after=None, why=why
        )


def _told(talk: Talk, stack: str, done: Redeployed) -> Redeployed:
    place = _PLACES[Target(done.target)]
    name = done.after.name if done.after else ""
    match done.state:
        case RedeployState.DONE:
            talk.line(f"{place} runs {name}, with the new values, after {done.seconds:.0f} s", mark=Mark.OK)
        case RedeployState.FAILED:
            talk.line(f"{place} was not started anew: {done.why}; what ran goes on running", mark=Mark.FAIL)
        case RedeployState.ROLLED_BACK:
            talk.line(f"{place} is back on what ran before: {done.why}", mark=Mark.FAIL)
        case RedeployState.SKIPPED:
            talk.line("nothing was started anew; when it suits:", mark=Mark.INFO)
            talk.verbatim(f"python -m wizard push --redeploy --stack {stack}")
    return done


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "an unknown time"
