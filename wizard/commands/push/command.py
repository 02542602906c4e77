"""`push`: deliver the stored data key to its targets, and offer the redeploy.

Writes the targets' variables, and the stored data key if there never was one; redeploys on request.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from components.settings import DATA_KEY_VARIABLE
from wizard.account.judgements import KEY_RIGHTS_CHECKS
from wizard.account.views import Diagnosis, diagnose
from wizard.commands import deployed_stack
from wizard.commands.options import PushOptions
from wizard.commands.push import deliver, redeploy
from wizard.commands.push.deliver import document
from wizard.core.clients import Clients, Request
from wizard.core.errors import Cancelled, UsageError
from wizard.core.models.delivery import PRODUCTION, Scope
from wizard.core.models.inputs import Mark
from wizard.core.next_command import wizard
from wizard.core.ports.run import TargetContext
from wizard.core.retry import Threads
from wizard.setup import confirmation, foreign_variables
from wizard.targets.port import deploy_target
from wizard.targets.vercel import own_stack


def run(options: PushOptions, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
    """Deliver the stored data key, and offer the redeploy. Raises SetupError."""
    clients.ui.working("reading the stack")
    stack = deployed_stack.find(request, clients)
    stack.read("state", "project", "stored_data_key")
    deployed_stack.outputs_of(stack)
    context = stack.reachable(deliver.targets_of(request, stack))
    scopes = _scopes(options, context)
    _offer_own_stack(scopes, context, request, clients)
    if options.rename_existing:
        _confirm(options.rename_existing, request, clients)
    values = {key: answer.value for key, answer in request.answers.items()}
    repeated = wizard("push", "--redeploy") if request.redeploy else wizard("push")
    context = foreign_variables.agreed_context(
        clients.ui,
        context,
        values,
        repeated,
        scopes=scopes,
        redeploys=redeploy.may_follow(request.redeploy, clients.ui),
    )
    with Threads(max_workers=1) as pool:
        # The application gets its key. Whether anybody else has one, too, no delivery says.
        beyond = pool.submit(diagnose, stack, KEY_RIGHTS_CHECKS)
        pushed = deliver.push(
            clients,
            context,
            scopes,
            stored=deployed_stack.stored_data_key_of(stack),
            rename_existing=options.rename_existing,
            yes=request.yes,
        )
    access = beyond.result()
    _show_access(clients, access, context.stack)
    redeploys = (
        redeploy.offer(context, clients, redeploy=request.redeploy, running=pushed.running) if pushed.running else ()
    )
    result = document(
        context.stack,
        pushed,
        targets=context.targets,
        scopes=scopes,
        redeploys=redeploys,
        stale=redeploy.still_stale(pushed.running, redeploys),
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
        clients.ui.verbatim(wizard("doctor", "--stack", stack))


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
            wizard("push", "--rename-existing", id, "--confirm", request.stack),
        )


def _scopes(options: PushOptions, context: TargetContext) -> tuple[Scope, ...]:
    if options.to is None and options.branch is None:
        return (context.scope,)
    target = next(
        (deployable for deployable in map(deploy_target, context.targets) if deployable.has_environments), None
    )
    if target is None:
        raise UsageError(
            "--to and --branch name environments on Vercel, and this push does not deliver there",
            wizard("push"),
        )
    names = [name for name in (options.to or context.scope.environment).replace(" ", "").split(",") if name]
    custom = target.custom_environments(context) if set(names) - {_PRODUCTION, _PREVIEW} else {}
    scopes = chosen(names, options.branch, custom)
    if PRODUCTION in scopes and context.scope != PRODUCTION:
        raise UsageError(
            f"the stack {context.stack} is for {context.scope.words}: production's records need the data key of "
            "production's own stack; nothing was delivered",
            wizard("push", "--to", context.scope.environment),
        )
    return scopes


_PRODUCTION, _PREVIEW, _DEVELOPMENT = "production", "preview", "development"


def chosen(names: Sequence[str], branch: str | None, custom: Mapping[str, str]) -> tuple[Scope, ...]:
    """The scopes of `--to` and `--branch`; `custom` has the name of each custom environment by its id.

    Raises UsageError for an environment that no data key is delivered to.
    """
    if branch is not None and tuple(names) != (_PREVIEW,):
        raise UsageError("--branch works only with --to preview", wizard("push", "--to", _PREVIEW, "--branch", branch))
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
                wizard("push"),
            )
    if not scopes:
        raise UsageError("--to names no environment", wizard("push"))
    return tuple(scopes)
