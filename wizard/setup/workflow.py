"""What each command does with the steps: set up, preview, the access key, the end.

Pure: runs the steps over the edges' Protocols.
"""

from __future__ import annotations

from datetime import UTC, datetime

from components.settings import Target
from wizard.core.errors import Cancelled, UsageError
from wizard.core.models.delivery import VercelProject
from wizard.core.models.progress import Mark
from wizard.core.ports.run import UserInterface, VercelClient
from wizard.data_key import access_key, deliver_and_verify
from wizard.setup import checklist, confirmation, cost, plan, report, retained_resources, steps
from wizard.setup.steps import Clients, Request


def setup(request: Request, doors: Clients) -> report.Report:
    """The whole onboarding, or a run over what is there already: it converges, and does nothing twice."""
    started = doors.clock()
    with confirmation.confirmed(request, doors) as agreed:
        ready, planned = agreed.ready, agreed.planned
        outputs = steps.update(request, doors, ready, planned)
    handed = deliver_and_verify.deliver_and_verify(doors, ready, outputs)
    talk = doors.talk
    talk.section("Evidence", "the compliance checklist, read from the account just now")
    talk.working("reading the account")
    items = checklist.read(
        cloud=ready.cloud, settings=ready.settings, outputs=outputs, escrow=handed.escrow, proofs=handed.proofs
    )
    done = report.Report(
        stack=request.stack,
        settings=ready.settings,
        identity=ready.identity,
        outputs=outputs,
        escrow=handed.escrow,
        changed=planned.changes,
        delivered=handed.delivered,
        proofs=handed.proofs,
        access_key=handed.access_key,
        checklist=items,
        seconds=doors.clock() - started,
        profile=ready.profile,
    )
    show_report(talk, done)
    if doors.drafts is not None and not done.failed:
        doors.drafts.remove(request.stack)
    return done


def preview(request: Request, doors: Clients) -> plan.Plan:
    """Everything up to the plan; nothing is made but the stack's empty state and its configuration."""
    with confirmation.confirmed(request, doors, confirmed=False) as agreed:
        planned = agreed.planned
        if doors.save_plan is not None:
            doors.save_plan(planned, agreed.ready.findings.state)
    doors.talk.section("Options", "what was not taken, and what it would cost")
    doors.talk.table(cost.table(planned.settings), headings=("option", "price", "flag"))
    return planned


def rotate_access_key(request: Request, doors: Clients) -> dict[str, str | None]:
    """A second access key of the application on Vercel, pushed; the old one works on until it is retired."""
    ready, project, hosting = _with_access_key(request, doors)
    user = ready.settings.names.app_user
    done = access_key.rotate(ready.cloud, hosting, project, user, _teller(doors, request))
    return {"id": done.key_id, "old": done.old_id}


def retire_access_key(request: Request, doors: Clients) -> dict[str, str | None]:
    """The access key that Vercel no longer has is switched off; at a second time, deleted."""
    ready, project, hosting = _with_access_key(request, doors)
    user, now = ready.settings.names.app_user, datetime.now(UTC)

    done = access_key.retire_old(ready.cloud, hosting, project, user, now, _teller(doors, request), force=request.yes)
    return {"id": done.key_id, "done": done.done}


def _teller(doors: Clients, request: Request) -> access_key.Tell:
    return lambda line: doors.talk.line(deliver_and_verify.of_stack(line, request.stack), mark=Mark.OK)


def _with_access_key(request: Request, doors: Clients) -> tuple[steps.PreparedRun, VercelProject, VercelClient]:
    ready, _ = steps.find_deployed(request, doors)
    project = ready.findings.project
    if not ready.settings.makes_user or project is None or ready.hosting is None:
        raise UsageError(
            f"the application of the stack {request.stack} has no access key of its own: it takes a role",
            "python -m wizard verify",
        )
    doors.talk.section("Access key")
    return ready, project, ready.hosting


def destroy(request: Request, doors: Clients) -> tuple[tuple[str, str], ...]:
    """Take the stack away. What records depend on leaves the stack and stays in the account: (what, why)."""
    ready, outputs = steps.find_deployed(request, doors)
    talk, settings = doors.talk, ready.settings
    left = retained_resources.left_behind(settings, outputs)
    talk.section("What stays", "it leaves the stack, and no stack can take it away any more")
    for what, why in left:
        talk.line(what, mark=Mark.INFO)
        talk.line(f"  {why}")
    talk.section("What goes")
    talk.line("the application's access to the key, its roles and policies, and the alerts", mark=Mark.WARN)
    talk.line("records cannot be read or written any more until it is set up again", mark=Mark.WARN)
    if not confirmation.typed(request, talk):
        raise Cancelled(
            "nothing was changed: the end of a stack has to be confirmed by its name",
            f"python -m wizard destroy --stack {request.stack} --confirm {request.stack}",
        )
    with ready.engine.alone(request.stack):
        talk.working("Pulumi takes the stack away")
        ready.engine.destroy(request.stack, lambda progress: talk.progress(progress, 0.0))
    talk.section("To end the rest")
    talk.verbatim(retained_resources.ending(settings, outputs))
    return left


def show_report(talk: UserInterface, done: report.Report) -> None:
    """The report, on the terminal."""
    for item in done.checklist:
        talk.line(f"{item.title}: {item.state}", mark=report.MARKS[item.state])
        talk.line(f"  {item.evidence}")
    talk.section("What exists")
    for what, *names in report.what_exists(done):
        talk.line(what)
        for name in names:
            talk.line(f"  {name}")
    talk.section("What is left to do")
    for number, todo in enumerate(report.next_steps(done), 1):
        talk.line(f"{number}. {todo.what}")
        if todo.verbatim:
            talk.verbatim(todo.verbatim)
    # The token is the one answer that is never saved.
    token = any(delivered.target == Target.VERCEL for delivered in done.delivered)
    talk.section("Again, without questions", "with VERCEL_TOKEN in the environment" if token else "")
    talk.verbatim(report.repeat_command(done))
