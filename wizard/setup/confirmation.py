"""From the first question to a plan that was agreed to: check, plan, last page, and the changes made on the way.

Pure: runs over the edges' Protocols. Nothing in the account is changed before the plan is agreed to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from wizard.core.errors import Cancelled, PreflightFailed, ResourceError, StalePlan
from wizard.core.models.inputs import Choice, InputType, Question
from wizard.core.models.progress import Mark
from wizard.core.next_command import wizard
from wizard.core.ports.run import Engine, UserInterface
from wizard.setup import plan, steps
from wizard.setup.importing.discovery import Adoption
from wizard.setup.steps import Clients, PreparedRun, Request

if TYPE_CHECKING:
    from wizard.setup.saved_plan import SavedPlan


@dataclass(frozen=True, kw_only=True)
class ConfirmedPlan:
    """A run that was checked and planned, and the word of whoever is responsible."""

    ready: PreparedRun
    planned: plan.Plan
    engine: Engine


class Decision(StrEnum):
    """What a person says to a plan, or to problems that keep it from being drawn."""

    CARRY_OUT = "carry out"
    CHANGE = "change"
    AGAIN = "again"
    LEAVE = "leave"


_CARRY_OUT = Choice(value=Decision.CARRY_OUT, title="Carry it out")
_AGAIN = Choice(value=Decision.AGAIN, title="Look again")
_CHANGE = Choice(value=Decision.CHANGE, title="Change an answer")
_LEAVE = Choice(value=Decision.LEAVE, title="Leave")


@contextmanager
def confirmed(request: Request, clients: Clients, *, confirmed: bool = True) -> Iterator[ConfirmedPlan]:
    """A plan that was agreed to, while this run alone holds the stack. Without `confirmed` nobody is asked for a word.

    Raises PreflightFailed, Cancelled, PlanMoved where a saved plan no longer fits, ResourceError if an adoption loses.
    """
    interviewer = steps.interviewer(request, clients)
    interview = interviewer.run()
    wish: Adoption | None = None
    while True:
        engine, placed = steps.place(request, clients, interview)
        with engine.alone(request.stack), _discarding(engine, request.stack):
            try:
                ready, wish = steps.check(request, clients, interview, engine, placed, wish)
                _refuse_other_settings(request, ready)
                planned = steps.draw_plan(request, clients, ready)
                decision = _decide(request, clients.ui, ready, planned) if confirmed else Decision.CARRY_OUT
            except PreflightFailed as failed:
                if not clients.ui.interactive or not confirmed:
                    raise
                decision = _mend(request, clients.ui, failed)
                if decision is Decision.LEAVE:
                    # They have been told already; told again, they would look like others.
                    again = wizard("setup", "--stack", request.stack)
                    raise Cancelled("nothing was created or changed: the problems are left", again) from failed
            if decision is Decision.CARRY_OUT:
                yield ConfirmedPlan(ready=ready, planned=planned, engine=engine)
                return
        if decision is Decision.CHANGE:
            interview = interviewer.change()


@contextmanager
def _discarding(engine: Engine, stack: str) -> Iterator[None]:
    """Whatever ends a plan that was not confirmed leaves the stack's settings as they were."""
    try:
        yield
    finally:
        engine.discard(stack)


def _mend(request: Request, ui: UserInterface, failed: PreflightFailed) -> Decision:
    """What a person does about problems: they may be mended in another window, or by another answer."""
    ui.problems(failed.problems)
    question = Question(
        key="problems",
        kind=InputType.SELECT,
        prompt="Nothing was created or changed. What now?",
        why="",
        choices=(_CHANGE, _AGAIN, _LEAVE),
        default=Decision.CHANGE,
        explanation="Mend what is listed, in another window, and look again; or change the answer that it is about.",
    )
    return Decision(ui.ask(question))


def _decide(request: Request, ui: UserInterface, ready: PreparedRun, planned: plan.Plan) -> Decision:
    """The word of whoever is responsible, as strong as the plan needs it."""
    for step in planned.losses:
        ui.line(f"{step.name} would be {plan.word(step).removesuffix('e')}ed", mark=Mark.WARN)
    again = wizard("setup", "--stack", request.stack)
    if planned.losses and (request.adopt or planned.takes_in):
        raise ResourceError(
            "nothing was changed: what was set up by hand would be replaced, not taken in",
            "leave the part as it was found (--repair without it), or mend by hand what is named above",
        )
    if request.plan is not None and (moved := _moved(request.plan, planned, ready)):
        raise _no_longer_fits(request, moved)
    forever = plan.irreversible(planned)
    for told in forever:
        ui.line(told, mark=Mark.WARN)
    if not (request.yes or request.plan is not None):
        if not ui.interactive:
            raise Cancelled("nothing was changed: nobody is there to confirm the plan", f"{again} --yes")
        decision = _asked(ui, planned)
        if decision is Decision.LEAVE:
            raise Cancelled("nothing was changed", again)
        if decision is Decision.CHANGE:
            return decision
    if forever and not typed(request, ui):
        raise Cancelled(
            "nothing was changed: what cannot be undone has to be confirmed by the stack's name",
            f"{again} --confirm {request.stack}",
        )
    return Decision.CARRY_OUT


def _asked(ui: UserInterface, planned: plan.Plan) -> Decision:
    question = Question(
        key="decision",
        kind=InputType.SELECT,
        prompt="Carry out this plan?",
        why="Nothing has been changed so far.",
        choices=(_CARRY_OUT, _CHANGE, _LEAVE),
        default=Decision.LEAVE if planned.losses else Decision.CARRY_OUT,
        explanation="Exactly this plan is carried out: an update that would do anything else is refused.\n\n"
        "Any answer can still be changed; then everything is checked and planned anew.",
    )
    return Decision(ui.ask(question))


def typed(request: Request, ui: UserInterface, *, why: str = "This cannot be undone by anybody.") -> bool:
    """Whether the stack's name was typed, on the command line or now: the word for what cannot be undone."""
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
        f"python -m wizard preview --stack {request.stack} --save-plan FILE   # and look at it again",
    )
