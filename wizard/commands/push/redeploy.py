"""The redeploy after a delivery: shows what runs with outdated values, asks, and redeploys it.

Acts through the targets. In a non-interactive run nothing is restarted without `--redeploy`.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

from components.settings import Settings
from wizard.core.clients import Clients
from wizard.core.errors import SetupError
from wizard.core.models.deployment import Instances, Redeployed, RedeployState, RollingRelease
from wizard.core.models.inputs import Mark
from wizard.core.next_command import Text, wizard
from wizard.core.ports.run import TargetContext, UserInterface
from wizard.targets.port import deploy_target

Pause = Callable[[float], None]
"""Waits for that number of seconds."""


def may_follow(redeploy: bool | None, ui: UserInterface) -> bool:
    """Whether `offer` may redeploy something: it was asked for, or a person will be asked."""
    return ui.interactive if redeploy is None else redeploy


def still_stale(instances: Iterable[Instances], redeploys: Iterable[Redeployed]) -> tuple[Instances, ...]:
    """The instances that have outdated values after the redeploys, or may have."""
    renewed = {entry.target for entry in redeploys if entry.state is RedeployState.DONE}
    return tuple(entry for entry in instances if entry.stale is not False and entry.target not in renewed)


def offer(
    context: TargetContext,
    clients: Clients,
    *,
    redeploy: bool | None,
    running: tuple[Instances, ...],
    pause: Pause = time.sleep,
    until_complete: bool = False,
) -> tuple[Redeployed, ...]:
    """Ask, and redeploy what runs with outdated values; `redeploy` answers the question beforehand.

    `until_complete`: a rolling release is waited for until all traffic has moved.

    Never raises a SetupError: the delivery is complete, and a failed redeploy is part of the result.
    """
    clients.ui.section("Running instances", "they keep the values with which they started")
    done = []
    for instances in running:
        _show(clients.ui, instances, context.settings)
        if not _can_redeploy(instances, redeploy):
            continue
        if _is_confirmed(redeploy, clients.ui, instances, context.settings):
            result = _redeploy(context, instances, clients, pause, until_complete=until_complete)
        elif instances.release is not None and _is_waiting(instances):
            result = _waiting(instances, instances.release)
        elif instances.stale:
            result = Redeployed(
                target=instances.target, state=RedeployState.SKIPPED, before=instances.deployment, after=None
            )
        else:
            continue
        _show_result(clients.ui, context, result)
        done.append(result)
    return tuple(done)


def _show(ui: UserInterface, instances: Instances, settings: Settings) -> None:
    target, deployment = deploy_target(instances.target), instances.deployment
    place = target.runtime(settings)
    if deployment is None or instances.stale is None:
        mark = Mark.WARN if instances.stale is None and target.can_redeploy else Mark.INFO
        if instances.stale is False:
            ui.line(Text(f"{place}: ", instances.why), mark=mark)
        else:
            ui.line(Text(f"whether {place} has the new values is not known: ", instances.why), mark=mark)
    elif instances.stale and instances.why:
        name = f"{deployment.name} ({deployment.id})"
        ui.line(f"{place} does not have the values: {name}: {instances.why}", mark=Mark.WARN)
    elif instances.stale:
        since = f", before the values were changed at {_time(instances.changed)}" if instances.changed else ""
        ui.line(
            f"{place} runs with outdated values: {deployment.name} ({deployment.id}) started at "
            f"{_time(deployment.made)}{since}",
            mark=Mark.WARN,
        )
    else:
        started = _time(deployment.made)
        ui.line(f"{place} has the values: {deployment.name} ({deployment.id}) started at {started}", mark=Mark.OK)
    _show_release(ui, instances)


def _show_release(ui: UserInterface, instances: Instances) -> None:
    """The rolling release that is under way, with its command; one that was aborted, where it would have helped."""
    release = instances.release
    if release is None or _is_waiting(instances):
        return
    if release.is_active:
        values = "has the values" if instances.is_rolling else "has outdated values too"
        ui.line(f"{release.canary.name} {values}: {release.words}", mark=Mark.WARN)
        ui.verbatim(release.command)
    elif instances.is_aborted:
        ui.line(f"{release.canary.name} had the values: {release.words}", mark=Mark.WARN)


def _is_waiting(instances: Instances) -> bool:
    """Whether what runs has outdated values, and its successor gets a part of the traffic already."""
    return instances.is_rolling and instances.stale is not False


def _can_redeploy(instances: Instances, redeploy: bool | None) -> bool:
    """Whether there is something to restart, and a reason to."""
    if not deploy_target(instances.target).can_redeploy:
        return False
    if redeploy:
        # Also with the new values: a process remembers a failed key load until it ends.
        return instances.deployment is not None or instances.stale is None
    return instances.deployment is not None and instances.stale is not False


def _is_confirmed(redeploy: bool | None, ui: UserInterface, instances: Instances, settings: Settings) -> bool:
    if redeploy is not None:
        return redeploy
    if _is_waiting(instances):
        return False
    return ui.interactive and ui.confirm(
        f"Redeploy {deploy_target(instances.target).runtime(settings)} now?",
        why="Variables are read when an instance starts; until then the old ones are in use.",
        explanation="The same code is deployed again. If that fails, the current deployment keeps running.",
    )


def _waiting(instances: Instances, release: RollingRelease) -> Redeployed:
    return Redeployed(
        target=instances.target,
        state=RedeployState.WAITING,
        before=instances.deployment,
        after=release.canary,
        why=release.words,
        command=release.command,
        is_shared=True,
    )


def _redeploy(
    context: TargetContext, instances: Instances, clients: Clients, pause: Pause, *, until_complete: bool
) -> Redeployed:
    target = deploy_target(instances.target)
    clients.ui.working(f"redeploying {target.runtime(context.settings)}")
    try:
        on_message = partial(clients.ui.line, mark=Mark.INFO)
        return target.redeploy(
            context,
            instances,
            on_message=on_message,
            now=clients.now,
            pause=pause,
            until_complete=until_complete,
        )
    except SetupError as error:
        why = Text(error.message, " (", error.hint, ")") if error.hint else error.message
        return Redeployed(
            target=instances.target, state=RedeployState.FAILED, before=instances.deployment, after=None, why=why
        )


def _show_result(ui: UserInterface, context: TargetContext, done: Redeployed) -> None:
    place = deploy_target(done.target).runtime(context.settings)
    name = done.after.name if done.after else ""
    match done.state:
        case RedeployState.DONE:
            ui.line(f"{place} runs {name}, with the new values, after {done.seconds:.0f} s", mark=Mark.OK)
        case RedeployState.FAILED:
            said = Text(f"{place} was not redeployed: ", done.why, "; the former deployment keeps running")
            ui.line(said, mark=Mark.FAIL)
        case RedeployState.ROLLED_BACK:
            ui.line(Text(f"{place} was rolled back to the former deployment: ", done.why), mark=Mark.FAIL)
        case RedeployState.WAITING:
            ui.line(f"the deployment of {place} is healthy and not complete: {done.why}", mark=Mark.WARN)
            ui.verbatim(done.command)
        case RedeployState.SKIPPED:
            ui.line("nothing was redeployed. To redeploy later:", mark=Mark.INFO)
            ui.verbatim(wizard("push", "--redeploy", "--stack", context.stack))


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "an unknown time"
