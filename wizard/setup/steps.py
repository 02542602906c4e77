"""The steps of a run up to the update: interview, checks, plan.

Reads through the clients, and saves a draft of the answers; nothing in the account is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from components.settings import ImportGroup, Settings, StoredValue, Target
from wizard.core.clients import Answer, Clients, Request, Source
from wizard.core.errors import PreflightFailed
from wizard.core.models.account import Identity
from wizard.core.models.delivery import FORMER_KEY_VARIABLE, FormerKey
from wizard.core.models.inputs import Choice, Mark
from wizard.core.models.stack import Step
from wizard.core.next_command import eonpro, plain_name
from wizard.core.retry import Threads, give_way
from wizard.core.state_backend import in_words
from wizard.inputs import answers_file
from wizard.inputs.application_readers import ApplicationCode
from wizard.inputs.interview import Interview
from wizard.inputs.registry import STEPS, by_key, heading
from wizard.setup import foreign_variables, plan
from wizard.setup.findings_page import show_findings
from wizard.setup.importing import discovery
from wizard.setup.importing.data_key import NONE_YET
from wizard.setup.importing.discovery import ImportRequest
from wizard.setup.preflight import checks, principals, services
from wizard.setup.saved_settings import lost_settings
from wizard.setup.state_location import StateLocation, settle

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.pulumi_engine.engine import Engine
    from wizard.terminal.terminal import Terminal
    from wizard.vercel.client import VercelClient


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """A run that passed all checks."""

    stack: str
    settings: Settings
    identity: Identity
    aws: AwsClient
    vercel: VercelClient | None
    engine: Engine
    findings: checks.Findings
    targets: tuple[Target, ...]
    profile: str | None
    """The AWS profile of this run; None where the credentials come from the environment."""
    former_key: FormerKey | None = None
    """What becomes of the application's ENCRYPTION_KEY; None where it has none, or has a data key already."""
    answers: Mapping[str, Answer] = field(default_factory=dict, repr=False)
    replaces: frozenset[str] = frozenset()
    """The names of the variables of somebody else that the delivery may replace."""
    code: ApplicationCode | None = None
    """The application's code, as far as it reads the variables; None where its folder is not known."""

    @property
    def makes_unread(self) -> tuple[StoredValue, ...]:
        """The stored values that it makes, and that nothing in the application's code reads."""
        names, code = self.settings.delivered_names, self.code
        return tuple(
            of_key.names.value
            for of_key in self.settings.of_each_key[1:]
            if code is not None
            and of_key.names.variable not in self.findings.beside
            and not code.reads(names[of_key.names.variable])
        )


def open_engine(request: Request, clients: Clients, interview: Interview) -> tuple[Engine, StateLocation]:
    """The engine, with the identified credentials and the location of the state."""
    location = settle(request.stack, interview, clients.ui, clients.state)
    environment = dict(interview.aws.environment()) if interview.aws else {}
    engine = clients.engine({**environment, **location.environment}, secrets_provider=location.secrets_provider)
    if location.log_in_to:
        clients.ui.working("logging in to the state's backend")
        engine.login(location.log_in_to)
        clients.ui.line(f"logged in to {in_words(location.log_in_to)}; the plain pulumi finds it there", mark=Mark.OK)
    return engine, location


def check(
    request: Request,
    clients: Clients,
    interview: Interview,
    engine: Engine,
    state_location: StateLocation,
    import_request: ImportRequest | None = None,
) -> tuple[PreparedRun, ImportRequest | None]:
    """Run all checks, with the import that a person agrees to now or did before. Raises PreflightFailed."""
    values, ui = interview.values, clients.ui
    ui.section("Checks", "before anything is created")
    ui.working("asking AWS, Pulumi and where the application runs")
    vercel = clients.vercel(values["vercel_token"]) if values.get("vercel_token") else None
    run_checks = partial(
        checks.check,
        stack=request.stack,
        saved=request.saved,
        identity=interview.identity,
        aws=interview.aws,
        vercel=vercel,
        engine=engine,
        location_problems=state_location.problems,
    )
    with Threads(max_workers=1) as pool:
        # With the account's alias, which is only shown; a person has seen it in the interview.
        aws = None if ui.interactive else interview.aws
        full_identity = pool.submit(services.attempt, aws.identify) if aws else None
        findings, values, import_request = _checked(request, ui, values, import_request, run_checks)
    agreed = _agreed(request, clients, findings, values)
    assert findings.settings is not None and isinstance(interview.identity, Identity) and interview.aws is not None
    identity = (full_identity and full_identity.result()[0]) or interview.identity
    targets = tuple(Target(name) for name in values["target"])
    show_findings(clients, request.stack, findings, findings.settings, identity, targets)
    return PreparedRun(
        stack=request.stack,
        settings=findings.settings,
        identity=identity,
        aws=interview.aws,
        vercel=vercel,
        engine=engine,
        findings=findings,
        targets=targets,
        profile=values.get("profile"),
        former_key=FormerKey(values["former_key"]) if values.get("former_key") and not findings.has_data_key else None,
        answers=interview.answers,
        replaces=agreed,
        code=clients.read_code(findings.settings),
    ), import_request


def _checked(
    request: Request,
    ui: Terminal,
    values: Mapping[str, Any],
    import_request: ImportRequest | None,
    run_checks: Callable[..., checks.Findings],
) -> tuple[checks.Findings, Mapping[str, Any], ImportRequest | None]:
    """The findings, by what a person answers about an import and about the former key, and these answers."""
    has_started = request.saved is not None and bool(request.saved.adopted) and bool(values.get("repair"))
    decided = import_request or (_import_request(values) if request.adopt or has_started else None)
    findings = run_checks(values=values, import_request=decided)
    # An interrupted import resumes by itself, unless the data key must be entered again.
    is_resuming = findings.settings is not None and findings.settings.adopted and not findings.is_data_key_unknown
    if findings.discovered.things and not (request.adopt or import_request or is_resuming) and ui.interactive:
        import_request = decided = _offer_import(ui, values, findings)
        findings = run_checks(values=values, import_request=decided) if decided else findings
    if findings.former_keys and not values.get("former_key") and ui.interactive:
        values = {**values, "former_key": _ask_former_key(ui, findings.former_keys)}
        findings = run_checks(values=values, import_request=decided)
    return findings, values, import_request


def _ask_former_key(ui: Terminal, places: tuple[str, ...]) -> Any:
    ui.section("The application's current key", "its records so far are encrypted with it")
    for place in places:
        ui.line(f"{FORMER_KEY_VARIABLE}: {place}", mark=Mark.INFO)
    return ui.ask(by_key["former_key"].question(default=FormerKey.WRAP))


def _agreed(request: Request, clients: Clients, findings: checks.Findings, values: Mapping[str, Any]) -> frozenset[str]:
    """Show the notes. Raises PreflightFailed with all problems; else the variables of others that may be replaced."""
    ui, problems = clients.ui, findings.problems
    for note in findings.notes:
        ui.line(note, mark=Mark.WARN if note in findings.warnings else Mark.INFO)
    if (
        request.saved is None
        and request.plan is None
        and findings.state.outputs is not None
        # The settings of another application would be of no use here.
        and (findings.settings is None or findings.state.outputs.alias_name == findings.settings.names.alias)
        # A run in the same folder that this one waited for may have written the file meanwhile.
        and plain_name(request.stack) not in clients.saved_settings()
    ):
        # Answers would replace the settings that the stack has by others.
        problems += (lost_settings(request.stack),)
    agreed = foreign_variables.named(values)
    foreign = [variable for variable in findings.foreign if variable.name not in agreed]
    if foreign and not ui.interactive:
        problems += (foreign_variables.problem(foreign, agreed),)
    if problems:
        raise PreflightFailed(problems)
    return foreign_variables.ask(ui, foreign, agreed, eonpro("setup")) if foreign else agreed


def _import_request(values: Mapping[str, Any]) -> ImportRequest:
    chosen = values.get("repair") or ()
    return ImportRequest(
        repaired=tuple(part for part in ImportGroup if "all" in chosen or part in chosen),
        named=tuple(part for part in ImportGroup if part in chosen),
        data_key=values.get("encrypted_phi_key"),
    )


def _offer_import(ui: Terminal, values: Mapping[str, Any], findings: checks.Findings) -> ImportRequest | None:
    """Show what was created manually; the person's import request, None if they decline."""
    ui.section("Created manually", "found under the names that the stack would take; nothing was touched")
    for resource in findings.discovered.things:
        ui.line(f"{resource.thing}: {resource.arn}", mark=Mark.INFO)
    if findings.differences:
        ui.table(discovery.table(findings.differences), headings=discovery.HEADINGS)
    why = "Nothing is made twice and nothing is replaced: what is there becomes the stack's."
    if not ui.confirm("Import it into the stack?", default=True, why=why):
        return None
    answers = dict(values)
    parts = discovery.import_groups(findings.discovered)
    if parts and not answers.get("repair"):
        shared = findings.shared_groups
        choices = [
            Choice(
                value=part,
                title=part.replace("-", " "),
                checked=part not in shared,
                note="others use it too, and would be cut off" if part in shared else "",
            )
            for part in parts
        ]
        agreed = tuple(part for part in parts if part not in shared)
        answers["repair"] = ui.ask(by_key["repair"].question(choices, agreed)) or ("none",)
    if not answers.get("encrypted_phi_key") and findings.is_data_key_unknown:
        question = by_key["encrypted_phi_key"].question()
        if not findings.data_key_hidden:
            why = f"It is not known. Only if there never was one, type {NONE_YET}: a new one is made."
            question = replace(question, why=why)
        answers["encrypted_phi_key"] = ui.ask(question)
    return _import_request(answers)


def make_plan(request: Request, clients: Clients, ready: PreparedRun, *, to_apply: bool = True) -> plan.Plan:
    """Make the plan of the engine's preview and the wizard's own steps, and show it. Changes nothing in the account.

    A plan `to_apply` is made from a state that was read from the account again, where the two differ. Raises
    PreflightFailed for a public policy of the key.
    """
    ui, findings = clients.ui, ready.findings
    ui.working("Pulumi works out what an update would do")
    outputs = findings.state.outputs
    with Threads(max_workers=1, initializer=give_way) as pool:
        judged = pool.submit(
            principals.judge, ready.settings, request.saved, outputs.key_arn if outputs else None, ready.aws
        )
        steps = _previewed(request, clients, ready, to_apply=to_apply)
    judgement, problems, lines = judged.result()
    for text, mark in lines:
        ui.line(text, mark=mark)
    if problems:
        raise PreflightFailed(problems)
    planned = plan.Plan(
        stack=request.stack,
        settings=ready.settings,
        identity=ready.identity,
        steps=steps,
        stored_data_key=findings.stored_data_key,
        targets=ready.targets,
        imported_data_key=findings.imported_data_key,
        beside=findings.beside,
        unread=ready.makes_unread,
        former_key=ready.former_key,
        engine=findings.engine_version,
        policies=judgement,
    )
    if request.everything:
        show_details(ui, request, ready, planned)
    else:
        show_page(ui, request, ready, planned)
    return planned


def _previewed(request: Request, clients: Clients, ready: PreparedRun, *, to_apply: bool) -> tuple[Step, ...]:
    """The steps of the engine's preview, by a state that has the resources of an interrupted run."""
    findings, engine, stack = ready.findings, ready.engine, request.stack
    is_recovered = bool(findings.state.pending or findings.unrecorded)
    is_built = findings.state.outputs is not None and not is_recovered
    engine.prepare(stack, ready.settings)
    if clients.ui.interactive:
        # After a cancellation the next run asks only for the confirmation.
        answers_file.save_draft(request, clients, answers_file.REVIEWED, ready.answers)
    if is_recovered:
        engine.recover(stack, findings.orphaned_creations, findings.unrecorded)
    # With the settings of the last update one preview tells whether settings, state and account agree; not before an
    # update that records a newer version: it is bound to a plan, which has to be made from the state.
    applied = findings.state.outputs.program_version if findings.state.outputs else ""
    is_compared = is_built and ready.settings == request.saved and not clients.changes_since(applied)
    steps = engine.preview(stack, refresh=is_compared)
    if is_compared and plan.changing(steps):
        # An update is bound to a plan that was made from the state.
        is_compared, steps = False, engine.preview(stack)
    if is_built and not is_compared and not plan.changing(steps):
        steps = _after_comparison(stack, clients.ui, engine, to_apply) or steps
    return steps


def _summary(request: Request, ready: PreparedRun, *, is_brief: bool = False) -> tuple[plan.Row, ...]:
    return plan.rows(ready.settings, ready.identity, request.stack, ready.targets, ready.answers, is_brief=is_brief)


def show_page(ui: Terminal, request: Request, ready: PreparedRun, planned: plan.Plan) -> None:
    """The last page: what was answered and what will be done, on one screen."""
    title, note = heading(len(STEPS))
    was_asked = any(each.source in (Source.ASKED, Source.DRAFT) for each in ready.answers.values())
    ui.section(title, note if request.saved is None and was_asked else "")
    rows = _summary(request, ready, is_brief=True)
    if request.saved is not None and not ui.interactive:
        # What is as it was is in the settings file.
        rows = tuple(row for row in rows if row[-1] not in ("", Source.SAVED))
    if rows:
        ui.table(rows)
    ui.table(plan.brief(planned))


def show_details(ui: Terminal, request: Request, ready: PreparedRun, planned: plan.Plan) -> None:
    """Every answer, and every resource, every other step and every price of the plan."""
    ui.section("Review")
    ui.table(_summary(request, ready))
    ui.section("Plan")
    for line in plan.lines(planned):
        ui.line(line)


def _after_comparison(stack: str, ui: Terminal, engine: Engine, to_apply: bool) -> tuple[Step, ...]:
    """The steps that repair what was changed outside the stack, which the state does not know; empty for none."""
    ui.working("Pulumi compares the account with its state")
    drifts = engine.compare(stack)
    for drift in drifts:
        ui.line(f"changed outside the stack: {drift.description}", mark=Mark.WARN)
    if not drifts:
        return ()
    if to_apply:
        engine.recover(stack, {})
    return engine.preview(stack, refresh=not to_apply)
