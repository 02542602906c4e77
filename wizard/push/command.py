"""`push` from the command line to its end: the escrowed data key to its targets, and the redeploy offered.

Touches what the steps touch: the escrow, where none was made yet, the targets, and, where wanted, what runs there.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from components.contract import DATA_KEY_VARIABLE, Target
from wizard import agreement, standing
from wizard.errors import Cancelled, UsageError
from wizard.facts_scope import PRODUCTION, Scope
from wizard.handing_over import Application
from wizard.push import delivering, instances, redeploy
from wizard.push.document import document
from wizard.push.scopes import chosen
from wizard.steps import Doors, Request


def run(options: argparse.Namespace, request: Request, doors: Doors) -> tuple[int, Mapping[str, Any]]:
    """Deliver the escrowed data key, and offer the redeploy. Raises SetupError."""
    doors.talk.working("looking at the stack")
    found = standing.find(request, doors)
    outputs = standing.outputs_of(found)
    targets = delivering.targets_of(request, found)
    to = delivering.application(found, targets)
    scopes = _scopes(options, to)
    if options.set_aside:
        _confirm(options.set_aside, request, doors)
    pushed = delivering.push(doors, to, outputs, scopes, set_aside=options.set_aside)
    # What runs in preview and elsewhere is made anew by every push of a branch; production is not.
    running = tuple(target for target in targets if target is not Target.VERCEL or PRODUCTION in scopes)
    seen = instances.look(found, running)
    done = redeploy.offer(options, found, doors, running, seen=seen) if running else ()
    told = document(
        options.stack,
        pushed,
        targets=targets,
        scopes=scopes,
        redeploys=done,
        stale=instances.left_stale(seen, done),
    )
    return int(not told["ok"]), told


def _confirm(id: str, request: Request, doors: Doors) -> None:
    why = f"{DATA_KEY_VARIABLE} {id} gets another name; deployments made from then on do not find it."
    if not agreement.typed(request, doors.talk, why=why):
        raise Cancelled(
            "nothing was changed: setting a data key aside has to be confirmed by the stack's name",
            f"python -m wizard push --stack {request.stack} --set-aside {id} --confirm {request.stack}",
        )


def _scopes(options: argparse.Namespace, to: Application) -> tuple[Scope, ...]:
    if options.to is None and options.branch is None:
        return (PRODUCTION,)
    if Target.VERCEL not in to.targets or to.hosting is None or to.project is None:
        raise UsageError(
            "--to and --branch name environments on Vercel, and this push does not deliver there",
            f"python -m wizard push --stack {to.stack}",
        )
    names = [name for name in (options.to or PRODUCTION.environment).replace(" ", "").split(",") if name]
    custom = to.hosting.custom_environments(to.project) if set(names) - {"production", "preview"} else {}
    return chosen(names, options.branch, custom)
