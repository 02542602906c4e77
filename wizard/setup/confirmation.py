"""From the first question to a confirmed plan: checks, plan, decision, and edited answers.

Acts through the clients. Changes nothing in the account before the plan is confirmed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

from wizard.core.clients import Clients, Request
from wizard.core.errors import Cancelled, PreflightFailed, ResourceError, StalePlan
from wizard.core.models.inputs import Choice, InputType, Mark, Question
from wizard.core.next_command import eonpro
from wizard.inputs.application_readers import ApplicationCode
from wizard.inputs.interview import Interviewer
from wizard.setup import plan, saved_plan, steps
from wizard.setup.importing.discovery import ImportRequest
from wizard.setup.steps import PreparedRun
from wizard.targets.port import Consent

if TYPE_CHECKING:
    from wizard.pulumi_engine.engine import Engine
    from wizard.terminal.terminal import Terminal


class Decision(StrEnum):
    """The decision about a plan, or about problems that prevent one."""

    APPLY = "apply"
    EDIT = "edit"
    CHECK_AGAIN = "check again"
    CANCEL = "cancel"


_APPLY = Choice(value=Decision.APPLY, title="Apply", words=("y", "yes"))
_CHECK_AGAIN = Choice(value=Decision.CHECK_AGAIN, title="Check again", words=("c", "check"))
_EDIT = Choice(value=Decision.EDIT, title="Edit an answer", words=("e", "edit"))
_CANCEL = Choice(value=Decision.CANCEL, title="Cancel", words=("n", "no", "q", "quit"))


@contextmanager
def confirmed(request: Request, clients: Clients, *, confirmed: bool = True) -> Iterator[tuple[PreparedRun, plan.Plan]]:
    """The run and its confirmed plan, while it holds the stack's lock. Without `confirmed` nobody is asked.

    Raises PreflightFailed, Cancelled, StalePlan if a saved plan no longer fits, ResourceError if an import would delete
    or replace something.
    """
    interviewer = Interviewer(request, clients)
    interview = interviewer.run()
    import_request: ImportRequest | None = None
    while True:
        engine, state_location = steps.open_engine(request, clients, interview)
        with engine.alone(request.stack), _discarding(engine, request.stack):
            try:
                ready, import_request = steps.check(request, clients, interview, engine, state_location, import_request)
                _refuse_other_settings(request, ready)
                if ready.code is not None:
                    _show_application(clients, ready, ready.code)
                planned = steps.make_plan(request, clients, ready, to_apply=confirmed)
                decision = _decide(request, clients.ui, ready, planned) if confirmed else Decision.APPLY
            except PreflightFailed as failed:
                if not clients.ui.interactive or not confirmed:
                    raise
                decision = _ask_about_problems(request, clients.ui, failed)
                if decision is Decision.CANCEL:
                    # The problems were printed already.
                    again = eonpro("setup", "--stack", request.stack)
                    raise Cancelled("nothing was created or changed: the problems are not fixed", again) from failed
            if decision is Decision.APPLY:
                yield ready, planned
                return
        if decision is Decision.EDIT:
            interview = interviewer.change()


def _show_application(clients: Clients, ready: PreparedRun, code: ApplicationCode) -> None:
    """The application's code as far as it concerns the stack's variables: no reader of the key, and other readers."""
    data_key = ready.settings.delivered_names.data_key
    if not code.reads(data_key):
        clients.ui.line(f"no file of the application reads {data_key} yet: docs/application.md", mark=Mark.WARN)
    if others := code.others(ready.settings):
        clients.ui.line("other code reads the same variables (remedies: docs/application.md):", mark=Mark.WARN)
        for other in others:
            clients.ui.line(f"  {other.line}", mark=Mark.WARN)
    for why in code.unread:
        clients.ui.line(f"the application's code was not read completely: {why}", mark=Mark.INFO)


@contextmanager
def _discarding(engine: Engine, stack: str) -> Iterator[None]:
    """Discard the prepared settings of a plan that was not confirmed."""
    try:
        yield
    finally:
        engine.discard(stack)


def _ask_about_problems(request: Request, ui: Terminal, failed: PreflightFailed) -> Decision:
    """The decision about problems: they are fixed in another window, or with another answer."""
    ui.problems(failed.problems)
    question = Question(
        key="problems",
        kind=InputType.SELECT,
        prompt="Nothing was created or changed. What now?",
        why="",
        choices=(_EDIT, _CHECK_AGAIN, _CANCEL),
        default=Decision.EDIT,
        escape=Decision.CANCEL,
        explanation="Fix the problems in another window and check again; or edit the answer that causes them.",
    )
    return Decision(ui.ask(question))


def _decide(request: Request, ui: Terminal, ready: PreparedRun, planned: plan.Plan) -> Decision:
    """The decision about the plan; the stack's name must be typed if the plan cannot be undone."""
    for step in planned.losses:
        ui.line(f"{step.name} would be {plan.word(step).removesuffix('e')}ed", mark=Mark.WARN)
    again = eonpro("setup", "--stack", request.stack)
    if planned.losses and (request.adopt or planned.has_imports):
        raise ResourceError(
            "nothing was changed: resources created manually would be replaced, not imported",
            "exclude the part from --repair, or fix the resources above manually",
        )
    if request.plan is not None and (
        changes := saved_plan.changes(request.plan, planned, ready.findings.state, version=planned.engine)
    ):
        raise _stale_plan(request, changes)
    _agree_to_unread_values(request, ui, ready)
    irreversible = plan.irreversible(planned)
    for text in irreversible:
        ui.line(text, mark=Mark.WARN)
    if not (request.yes or request.plan is not None):
        if not ui.interactive:
            raise Cancelled("nothing was changed: no terminal to confirm the plan", again.plus("--yes"))
        decision = _ask_about_plan(request, ui, ready, planned)
        if decision is Decision.CANCEL:
            raise Cancelled("nothing was changed", again)
        if decision is Decision.EDIT:
            return decision
    if irreversible and not typed(request, ui):
        raise Cancelled(
            "nothing was changed: type the stack's name to confirm what cannot be undone",
            again.plus("--confirm", request.stack),
        )
    return Decision.APPLY


def _agree_to_unread_values(request: Request, ui: Terminal, ready: PreparedRun) -> None:
    """Ask before a value is made that the application does not read. Raises Cancelled for a no, or unattended."""
    for value in ready.makes_unread if request.confirmed != request.stack else ():
        if ui.interactive and request.confirmed is None:
            why = f"{value.unread[0].upper()}{value.unread[1:]}."
            if ui.confirm(f"Make a {value.noun} that the application does not read?", default=False, why=why):
                continue
        assert ready.code is not None
        raise Cancelled(
            f"nothing was changed: nothing in {ready.code.folder} reads "
            f"{ready.settings.delivered_names[value.variable]}",
            eonpro(
                *("setup", "--stack", request.stack, value.option, "yes", "--confirm", request.stack),
                advice=f"only if the application's code will read it (docs/application.md); else {value.option} no",
            ),
        )


def _ask_about_plan(request: Request, ui: Terminal, ready: PreparedRun, planned: plan.Plan) -> Decision:
    def details() -> None:
        steps.show_details(ui, request, ready, planned)

    question = Question(
        key="decision",
        kind=InputType.SELECT,
        prompt="Apply this plan?",
        why="Nothing has been changed so far.",
        choices=(_APPLY, _EDIT, _CANCEL),
        default=Decision.CANCEL if planned.losses else Decision.APPLY,
        explanation="Exactly this plan is applied: an update that would do anything else is refused.\n\n"
        "You can still edit any answer; then everything is checked and planned again.",
        details=details,
        escape=Decision.CANCEL,
    )
    return Decision(ui.ask(question))


def typed(request: Request, ui: Terminal, *, why: str = "This cannot be undone by anybody.") -> bool:
    """Whether the stack's name was typed, on the command line or now."""
    if request.confirmed is not None or not ui.interactive:
        return request.confirmed == request.stack
    question = Question(
        key="confirmation",
        kind=InputType.TEXT,
        prompt=f"Type the stack's name, {request.stack}, to confirm it",
        why=why,
        escape="",
    )
    return bool(ui.ask(question) == request.stack)


def consent(ui: Terminal, *, yes: bool) -> Consent:
    """How a person agrees to a deletion that the plan does not show. `yes` is `--yes`."""

    def ask(question: str, *, needed: bool) -> bool:
        if yes or not ui.interactive:
            return yes and needed
        return ui.confirm(question, default=False)

    return ask


def _refuse_other_settings(request: Request, ready: PreparedRun) -> None:
    """Refuse a saved plan with other settings before they are prepared."""
    if request.plan is not None and (changes := saved_plan.settings_changes(request.plan, ready.settings)):
        raise _stale_plan(request, changes)


def _stale_plan(request: Request, changes: Sequence[str]) -> StalePlan:
    return StalePlan(
        "nothing was changed: the saved plan no longer fits\n" + "\n".join(f"  {change}" for change in changes),
        eonpro("preview", "--stack", request.stack, "--save-plan", "FILE", advice="and read it again"),
    )
