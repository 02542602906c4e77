"""`push`: deliver the stored data key to its targets, and offer the redeploy of what runs with outdated values.

Writes the targets' variables, and the stored data key if there never was one. In a non-interactive run nothing is
restarted without `--redeploy`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from components.settings import DATA_KEY_VARIABLE, Settings
from wizard.account.judgements import KEY_RIGHTS_CHECKS
from wizard.account.views import Diagnosis, diagnose
from wizard.commands import deployed_stack
from wizard.commands.push import deliver
from wizard.commands.push.deliver import document
from wizard.core.clients import Clients, Request
from wizard.core.errors import Cancelled, SetupError, UsageError
from wizard.core.models.deployment import Instances, Redeployed, RedeployState, RollingRelease
from wizard.core.models.inputs import Mark
from wizard.core.models.vercel import PRODUCTION, Scope
from wizard.core.next_command import Text, eonpro
from wizard.core.retry import Threads
from wizard.core.target_context import TargetContext
from wizard.inputs.application_readers import CHECK_ADVICE
from wizard.setup import confirmation, foreign_variables
from wizard.targets.port import deploy_target
from wizard.targets.vercel import own_stack

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal

Pause = Callable[[float], None]
"""Waits for that number of seconds."""


def run(
    request: Request, clients: Clients, *, to: str | None, branch: str | None, rename_existing: str | None
) -> tuple[int, Mapping[str, Any]]:
    """Deliver the stored data key, and offer the  Raises SetupError."""
    clients.ui.working("reading the stack")
    stack = deployed_stack.find(request, clients)
    stack.read("state", "project", "stored_data_key")
    deployed_stack.outputs_of(stack)
    context = stack.reachable(deliver.targets_of(request, stack))
    scopes = _scopes(to, branch, context)
    _offer_own_stack(scopes, context, request, clients)
    if rename_existing:
        _confirm(rename_existing, request, clients)
    repeated = eonpro("push", "--redeploy") if request.redeploy else eonpro("push")
    context = foreign_variables.agreed_context(
        clients.ui,
        context,
        request.values,
        repeated,
        scopes=scopes,
        redeploys=may_follow(request.redeploy, clients.ui),
    )
    with Threads(max_workers=1) as pool:
        # The application gets its key. Whether anybody else has one, too, no delivery says.
        beyond = pool.submit(diagnose, stack, KEY_RIGHTS_CHECKS)
        pushed = deliver.push(
            clients,
            context,
            scopes,
            stored=deployed_stack.stored_data_key_of(stack),
            rename_existing=rename_existing,
            yes=request.yes,
        )
    access = beyond.result()
    _show_access(clients, access, context.stack)
    code = clients.read_code(context.settings)
    if code is not None and code.lacks_check:
        clients.ui.line(f"The application does not check its key before it starts: {CHECK_ADVICE}.")
    redeploys = offer(context, clients, redeploy=request.redeploy, running=pushed.running) if pushed.running else ()
    result = document(
        context.stack,
        pushed,
        targets=context.targets,
        scopes=scopes,
        redeploys=redeploys,
        stale=still_stale(pushed.running, redeploys),
        access=access,
    )
    return int(not result["ok"]), result


def _show_access(clients: Clients, access: Diagnosis, stack: str) -> None:
    """Say who has more on the key than the settings give, and what could not be read of it; the delivery is made."""
    if access.healthy:
        return
    clients.ui.section("Access to the key", "beyond the settings; the delivery does not depend on it")
    for finding in access.findings:
        clients.ui.line(finding.what, mark=Mark.WARN)
        clients.ui.verbatim(finding.command)
    for unknown in access.not_checked:
        clients.ui.line(f"{unknown.what}: unknown, {unknown.why}", mark=Mark.WARN)
    if access.not_checked:
        clients.ui.line("to see everything that is known about it:")
        clients.ui.verbatim(eonpro("doctor", "--stack", stack))


def _offer_own_stack(scopes: tuple[Scope, ...], context: TargetContext, request: Request, clients: Clients) -> None:
    """Ask before another environment gets production's data key. Raises Cancelled for a no."""
    own, others = context.scope.words, [scope for scope in scopes if scope != context.scope]
    if not others or context.settings.environment != "production" or request.yes or not clients.ui.interactive:
        return
    if not clients.ui.confirm(
        f"Deliver {own}'s data key to {', '.join(scope.words for scope in others)} too?",
        default=False,
        why=f"Who can deploy there can then read {own}'s records. A stack of its own has a data key of its own.",
    ):
        raise Cancelled("nothing was delivered", own_stack(context, others[0]))


def _confirm(id: str, request: Request, clients: Clients) -> None:
    why = f"{DATA_KEY_VARIABLE} {id} is renamed; new deployments do not have it."
    if not confirmation.typed(request, clients.ui, why=why):
        raise Cancelled(
            "nothing was changed: to rename a data key, confirm with the stack's name",
            eonpro("push", "--rename-existing", id, "--confirm", request.stack),
        )


def _scopes(to: str | None, branch: str | None, context: TargetContext) -> tuple[Scope, ...]:
    if to is None and branch is None:
        return (context.scope,)
    target = next(
        (deployable for deployable in map(deploy_target, context.targets) if deployable.has_environments), None
    )
    if target is None:
        raise UsageError(
            "--to and --branch name environments on Vercel, and this push does not deliver there",
            eonpro("push"),
        )
    names = [name for name in (to or context.scope.environment).replace(" ", "").split(",") if name]
    custom = target.custom_environments(context) if set(names) - {_PRODUCTION, _PREVIEW} else {}
    scopes = chosen(names, branch, custom)
    if PRODUCTION in scopes and context.scope != PRODUCTION:
        raise UsageError(
            f"the stack {context.stack} is for {context.scope.words}: production's records need the data key of "
            "production's own stack; nothing was delivered",
            eonpro("push", "--to", context.scope.environment),
        )
    return scopes


_PRODUCTION, _PREVIEW, _DEVELOPMENT = "production", "preview", "development"


def chosen(names: Sequence[str], branch: str | None, custom: Mapping[str, str]) -> tuple[Scope, ...]:
    """The scopes of `--to` and `--branch`; `custom` has the name of each custom environment by its id.

    Raises UsageError for an environment that no data key is delivered to.
    """
    if branch is not None and tuple(names) != (_PREVIEW,):
        raise UsageError("--branch works only with --to preview", eonpro("push", "--to", _PREVIEW, "--branch", branch))
    ids = {slug: id for id, slug in custom.items()}
    scopes = []
    for name in dict.fromkeys(names):
        if name == _DEVELOPMENT:
            raise UsageError(
                "the data key is not delivered to development: `vercel env pull` would write it into a file on every "
                "developer's machine, a Secret too",
                "use NODE_ENV=production only in deployments; development uses its own data",
            )
        if name in (_PRODUCTION, _PREVIEW):
            scopes.append(Scope(environment=name, branch=branch))
        elif name in ids:
            scopes.append(Scope(environment=name, custom_id=ids[name]))
        else:
            existing = ", ".join((_PRODUCTION, _PREVIEW, *sorted(ids)))
            raise UsageError(
                f"the project has no environment {name!r}; it has {existing}",
                eonpro("push"),
            )
    if not scopes:
        raise UsageError("--to names no environment", eonpro("push"))
    return tuple(scopes)


def may_follow(redeploy: bool | None, ui: Terminal) -> bool:
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


def _show(ui: Terminal, instances: Instances, settings: Settings) -> None:
    target, deployment = deploy_target(instances.target), instances.deployment
    place = target.runtime(settings)
    if deployment is None or instances.stale is None:
        mark = Mark.WARN if instances.stale is None and target.can_redeploy else Mark.INFO
        if instances.stale is False:
            ui.line(Text(f"{place}: ", instances.why), mark=mark)
        else:
            ui.line(Text(f"{place}: whether the new values are in use is not known: ", instances.why), mark=mark)
    elif instances.stale and instances.why:
        name = f"{deployment.name} ({deployment.id})"
        ui.line(f"{place} does not have the values: {name}: {instances.why}", mark=Mark.WARN)
    elif instances.stale:
        ui.line(f"{place} runs with outdated values, as of {_time(deployment.made)}", mark=Mark.WARN)
    else:
        ui.line(f"{place} has the values: {deployment.name}", mark=Mark.OK)
    _show_release(ui, instances)


def _show_release(ui: Terminal, instances: Instances) -> None:
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


def _is_confirmed(redeploy: bool | None, ui: Terminal, instances: Instances, settings: Settings) -> bool:
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
        return target.redeploy(
            context,
            instances,
            on_message=clients.ui.working,
            now=clients.now,
            pause=pause,
            until_complete=until_complete,
        )
    except SetupError as error:
        why = Text(error.message, " (", error.hint, ")") if error.hint else error.message
        return Redeployed(
            target=instances.target, state=RedeployState.FAILED, before=instances.deployment, after=None, why=why
        )


def _show_result(ui: Terminal, context: TargetContext, done: Redeployed) -> None:
    place = deploy_target(done.target).runtime(context.settings)
    match done.state:
        case RedeployState.DONE:
            ui.line(f"{place} runs with the new values, after {done.seconds:.0f} s", mark=Mark.OK)
        case RedeployState.FAILED:
            said = Text(f"{place} was not redeployed: ", done.why, "; the former deployment keeps running")
            ui.line(said, mark=Mark.FAIL)
        case RedeployState.ROLLED_BACK:
            ui.line(Text(f"{place} was rolled back to the former deployment: ", done.why), mark=Mark.FAIL)
        case RedeployState.WAITING:
            ui.line(f"the deployment of {place} is healthy and not complete: {done.why}", mark=Mark.WARN)
            ui.verbatim(done.command)
        case RedeployState.SKIPPED:
            ui.line("it was not redeployed. To do so:", mark=Mark.INFO)
            ui.verbatim(eonpro("push", "--redeploy", "--stack", context.stack))


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "an unknown time"
