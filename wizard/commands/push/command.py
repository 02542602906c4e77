"""`push` from the command line to its end: the escrowed data key to its targets, and the redeploy offered.

Touches what the steps touch: the escrow, where none was made yet, the targets, and, where wanted, what runs there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.settings import DATA_KEY_VARIABLE, Target
from wizard.commands import deployed_stack
from wizard.commands.push import PushOptions, deliver, redeploy
from wizard.commands.push import redeploy as instances
from wizard.commands.push.document import document
from wizard.core.errors import Cancelled, UsageError
from wizard.core.models.vercel_environment import PRODUCTION, Scope
from wizard.core.next_command import wizard
from wizard.setup import confirmation
from wizard.setup.deliver_and_verify import Application
from wizard.setup.steps import Clients, Request


def run(options: PushOptions, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
    """Deliver the escrowed data key, and offer the redeploy. Raises SetupError."""
    clients.ui.working("looking at the stack")
    found = deployed_stack.find(request, clients)
    outputs = deployed_stack.outputs_of(found)
    targets = deliver.targets_of(request, found)
    to = deliver.application(found, targets)
    scopes = _scopes(options, to)
    if options.rename_existing:
        _confirm(options.rename_existing, request, clients)
    pushed = deliver.push(clients, to, outputs, scopes, rename_variable=options.rename_existing)
    # What runs in preview and elsewhere is made anew by every push of a branch; production is not.
    running = tuple(target for target in targets if target is not Target.VERCEL or PRODUCTION in scopes)
    seen = instances.look(found, running)
    done = redeploy.offer(options.redeploy, found, clients, running, seen=seen) if running else ()
    told = document(
        request.stack,
        pushed,
        targets=targets,
        scopes=scopes,
        redeploys=done,
        stale=instances.left_stale(seen, done),
    )
    return int(not told["ok"]), told


def _confirm(id: str, request: Request, clients: Clients) -> None:
    why = f"{DATA_KEY_VARIABLE} {id} gets another name; deployments made from then on do not find it."
    if not confirmation.typed(request, clients.ui, why=why):
        raise Cancelled(
            "nothing was changed: setting a data key aside has to be confirmed by the stack's name",
            wizard("push", "--rename-existing", id, "--confirm", request.stack),
        )


def _scopes(options: PushOptions, to: Application) -> tuple[Scope, ...]:
    if options.to is None and options.branch is None:
        return (PRODUCTION,)
    if Target.VERCEL not in to.targets or to.vercel is None or to.project is None:
        raise UsageError(
            "--to and --branch name environments on Vercel, and this push does not deliver there",
            wizard("push"),
        )
    names = [name for name in (options.to or PRODUCTION.environment).replace(" ", "").split(",") if name]
    custom = to.vercel.custom_environments(to.project) if set(names) - {"production", "preview"} else {}
    return chosen(names, options.branch, custom)


_PRODUCTION, _PREVIEW, _DEVELOPMENT = "production", "preview", "development"


def chosen(names: Sequence[str], branch: str | None, custom: Mapping[str, str]) -> tuple[Scope, ...]:
    """The scopes of `--to` and `--branch`; `custom` is the slug of each custom environment by its id.

    Raises UsageError for what no delivery can be for.
    """
    if branch is not None and tuple(names) != (_PREVIEW,):
        raise UsageError(
            "a branch narrows preview, and nothing else", wizard("push", "--to", _PREVIEW, "--branch", branch)
        )
    ids = {slug: id for id, slug in custom.items()}
    scopes = []
    for name in dict.fromkeys(names):
        if name == _DEVELOPMENT:
            raise UsageError(
                "the data key does not go to development: Vercel has no sensitive variables there, and "
                "`vercel env pull` would write it into a file on every developer's machine",
                "leave NODE_ENV=production to what is deployed; development has data of its own",
            )
        if name in (_PRODUCTION, _PREVIEW):
            scopes.append(Scope(environment=name, branch=branch))
        elif name in ids:
            scopes.append(Scope(environment=name, custom_id=ids[name]))
        else:
            there = ", ".join((_PRODUCTION, _PREVIEW, *sorted(ids)))
            raise UsageError(
                f"the project tells of no environment {name!r}; there is {there}",
                wizard("push", "--to", _PRODUCTION),
            )
    if not scopes:
        raise UsageError("--to names no environment", wizard("push", "--to", _PRODUCTION))
    return tuple(scopes)
