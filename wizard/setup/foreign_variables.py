"""The question before a delivery replaces a variable of somebody else, or the flag in its place.

Reads the targets through their port, and asks a person. Nothing is replaced without an answer that names the variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wizard.core.errors import Cancelled, Problem
from wizard.core.models.inputs import Mark
from wizard.core.models.vercel import Scope
from wizard.core.next_command import Command, eonpro
from wizard.core.target_context import TargetContext
from wizard.core.variable_ownership import ForeignVariable, OwnValues, VariablesNotOurs, replacing
from wizard.targets.port import deploy_targets

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal

INPUT = "replace_variable"
"""The key of the input with the names that may be replaced."""

_WHY = "Something else in the application may read it: from the next deployment on it gets this stack's value."


def find(
    context: TargetContext, own: OwnValues, *, scopes: tuple[Scope, ...] = (), redeploys: bool = False
) -> tuple[ForeignVariable, ...]:
    """The foreign variables at every target of the run that can be accessed. Raises SetupError."""
    return tuple(
        variable
        for target in deploy_targets(context.targets)
        if target.access_problem(context) is None
        for variable in target.foreign_variables(context, own, scopes=scopes, redeploys=redeploys)
    )


def named(values: Mapping[str, Any]) -> frozenset[str]:
    """The names that the answers let this run replace."""
    return frozenset(values.get(INPUT) or ())


def problem(variables: Iterable[ForeignVariable], agreed: frozenset[str]) -> Problem:
    """All of them as one problem of the checks, with the command that agrees to each."""
    error = VariablesNotOurs(variables, eonpro("setup"))
    names = [*sorted(agreed), *(variable.name for variable in error.variables)]
    return Problem(
        what=f"this stack did not write {'; '.join(variable.words for variable in error.variables)}",
        why="the delivery would replace the value, and something else in the application may read it",
        next=replacing(eonpro("setup"), names),
        exit_code=error.exit_code,
    )


def ask(ui: Terminal, variables: Iterable[ForeignVariable], agreed: frozenset[str], command: Command) -> frozenset[str]:
    """The names that a person lets this run replace, one question each. Raises Cancelled for a no."""
    ui.section("Variables of somebody else", "this stack did not write them")
    by_name: dict[str, list[ForeignVariable]] = {}
    for variable in variables:
        by_name.setdefault(variable.name, []).append(variable)
    for name, places in by_name.items():
        for variable in places:
            ui.line(variable.words, mark=Mark.WARN)
        if not ui.confirm(f"Replace {name}?", default=False, why=_WHY):
            raise Cancelled(
                f"nothing was changed: {name} keeps its value",
                Command(
                    command,
                    advice="after the stack's variables have other names: --variable-names of setup "
                    "(docs/application.md)",
                ),
            )
    return agreed | by_name.keys()


def agreed_context(
    ui: Terminal,
    context: TargetContext,
    values: Mapping[str, Any],
    command: Command,
    *,
    scopes: tuple[Scope, ...] = (),
    redeploys: bool = False,
) -> TargetContext:
    """The context that may replace what a person agreed to, before a `command` delivers anything.

    Raises VariablesNotOurs with all of them where nobody can be asked, Cancelled for a no.
    """
    agreed = named(values)
    own = OwnValues.of(context.settings, context.outputs)
    found = find(context, own, scopes=scopes, redeploys=redeploys)
    if rest := [variable for variable in found if variable.name not in agreed]:
        if not ui.interactive:
            raise VariablesNotOurs(rest, command, agreed=agreed)
        agreed = ask(ui, rest, agreed, command)
    return replace(context, replaces=agreed)
