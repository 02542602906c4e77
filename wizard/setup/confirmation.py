"""From the first question to a confirmed plan: check, plan, last page, and the answers edited on the way.

Pure: runs over the edges' Protocols. Nothing in the account is changed before the plan is confirmed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from wizard.core.errors import Cancelled, PreflightFailed, ResourceError, StalePlan
from wizard.core.models.inputs import Choice, InputType, Question
from wizard.core.models.stack import Mark
from wizard.core.next_command import wizard
from wizard.core.ports.run import Engine, UserInterface
from wizard.setup import plan, steps
from wizard.setup.importing.discovery import ImportRequest
from wizard.setup.steps import Clients, PreparedRun, Request

if TYPE_CHECKING:
    from wizard.setup.saved_plan import SavedPlan


@dataclass(frozen=True, kw_only=True)
class ConfirmedPlan:
    """A run that was checked and planned, and whose plan was confirmed."""

    ready: PreparedRun
    planned: plan.Plan
    engine: Engine


class Decision(StrEnum):
    """What a person decides about a plan, or about problems that prevent one."""

    APPLY = "apply"
    EDIT = "edit"
    CHECK_AGAIN = "check again"
    CANCEL = "cancel"


_APPLY = Choice(value=Decision.APPLY, title="Apply")
_CHECK_AGAIN = Choice(value=Decision.CHECK_AGAIN, title="Check again")
_EDIT = Choice(value=Decision.EDIT, title="Edit an answer")
_CANCEL = Choice(value=Decision.CANCEL, title="Cancel")


@contextmanager
def confirmed(request: Request, clients: Clients, *, confirmed: bool = True) -> Iterator[ConfirmedPlan]:
    """A confirmed plan, while this run has the stack's lock. Without `confirmed` nobody is asked.

    Raises PreflightFailed, Cancelled, StalePlan where a saved plan no longer fits, ResourceError if an import would delete or replace something.
    """
    interviewer = steps.interviewer(request, clients)
    interview = interviewer.run()
    wish: ImportRequest | None = None
    while True:
        engine, placed = steps.place(request, clients, interview)
        with engine.alone(request.stack), _discarding(engine, request.stack):
            try:
                ready, wish = steps.check(request, clients, interview, engine, placed, wish)
                _refuse_other_settings(request, ready)
                planned = steps.draw_plan(request, clients, ready)
                decision = _decide(request, clients.ui, ready, planned) if confirmed else Decision.APPLY
            except PreflightFailed as failed:
                if not clients.ui.interactive or not confirmed:
                    raise
                decision = _what_now(request, clients.ui, failed)
                if decision is Decision.CANCEL:
                    # They were printed already; printed again, they would look like other problems.
                    again = wizard("setup", "--stack", request.stack)
                    raise Cancelled("nothing was created or changed: the problems are left", again) from failed
            if decision is Decision.APPLY:
                yield ConfirmedPlan(ready=ready, planned=planned, engine=engine)
                return
        if decision is Decision.EDIT:
            interview = interviewer.change()


@contextmanager
def _discarding(engine: Engine, stack: str) -> Iterator[None]:
    """Whatever ends a plan that was not confirmed leaves the stack's settings as they were."""
    try:
        yield
    finally:
        engine.discard(stack)


def _what_now(request: Request, ui: UserInterface, failed: PreflightFailed) -> Decision:
    """What a person does about problems: they may be fixed in another window, or with another answer."""
    ui.problems(failed.problems)
    question = Question(
        key="problems",
        kind=InputType.SELECT,
        prompt="Nothing was created or changed. What now?",
        why="",
        choices=(_EDIT, _CHECK_AGAIN, _CANCEL),
        default=Decision.EDIT,
        explanation="Fix what is listed in another window and check again; or edit the answer that it is about.",
    )
    return Decision(ui.ask(question))


def _decide(request: Request, ui: UserInterface, ready: PreparedRun, planned: plan.Plan) -> Decision:
    """The decision of the person, with the stack's name typed where the plan cannot be undone."""
    for step in planned.losses:
        ui.line(f"{step.name} would be {plan.word(step).removesuffix('e')}ed", mark=Mark.WARN)
    again = wizard("setup", "--stack", request.stack)
    if planned.losses and (request.adopt or planned.has_imports):
        raise ResourceError(
            "nothing was changed: what was created manually would be replaced, not imported",
            "leave the part as it is (--repair without it), or fix manually what is named above",
        )
    if request.plan is not None and (moved := _moved(request.plan, planned, ready)):
        raise _no_longer_fits(request, moved)
    forever = plan.irreversible(planned)
    for text in forever:
        ui.line(text, mark=Mark.WARN)
    if not (request.yes or request.plan is not None):
        if not ui.interactive:
            raise Cancelled("nothing was changed: no terminal to confirm the plan", f"{again} --yes")
        decision = _asked(ui, planned)
        if decision is Decision.CANCEL:
            raise Cancelled("nothing was changed", again)
        if decision is Decision.EDIT:
            return decision
    if forever and not typed(request, ui):
        raise Cancelled(
            "nothing was changed: what cannot be undone has to be confirmed by the stack's name",
            f"{again} --confirm {request.stack}",
        )
    return Decision.APPLY


def _asked(ui: UserInterface, planned: plan.Plan) -> Decision:
    question = Question(
        key="decision",
        kind=InputType.SELECT,
        prompt="Apply this plan?",
        why="Nothing has been changed so far.",
        choices=(_APPLY, _EDIT, _CANCEL),
        default=Decision.CANCEL if planned.losses else Decision.APPLY,
        explanation="Exactly this plan is applied: an update that would do anything else is refused.\n\n"
        "Any answer can still be edited; then everything is checked and planned again.",
    )
    return Decision(ui.ask(question))


def typed(request: Request, ui: UserInterface, *, why: str = "This cannot be undone by anybody.") -> bool:
    """Whether the stack's name was typed, on the command line or now: what cannot be undone needs it."""
    if request.confirmed is not None or not ui.interactive:
        return request.confirmed == request.stack
    question = Question(
        key="confirmation",
        kind=InputType.TEXT,
        prompt=f"Type the stack's name, {request.stack}, to confirm it",
        why=why,
    )
    return bool(ui.ask(question) == request.stack)


def _moved(saved: SavedPlan, planned: plan.Plan, ready: PreparedRun) -> tuple[str, ...]:
    from wizard.setup import saved_plan

    return saved_plan.moved(saved, planned, ready.findings.state, version=planned.engine)


def _refuse_other_settings(request: Request, ready: PreparedRun) -> None:
    """A saved plan with other settings is refused before they are written where the next run would take them from."""
    if request.plan is None:
        return
    from wizard.setup import saved_plan

    if moved := saved_plan.settings_moved(request.plan, ready.settings):
        raise _no_longer_fits(request, moved)


def _no_longer_fits(request: Request, moved: Sequence[str]) -> StalePlan:
    return StalePlan(
        "nothing was changed: the saved plan no longer fits\n" + "\n".join(f"  {each}" for each in moved),
        f"python -m wizard preview --stack {request.stack} --save-plan FILE   # and read it again",
    )
