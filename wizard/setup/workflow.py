"""The commands of the first run and of the removal: setup, preview, access-key, destroy.

Changes AWS, Vercel and the stack through their clients, each only after the confirmation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from components import policies
from components.policies.requirements import Topic
from components.settings import Outputs, SecretStore, Settings
from components.settings.arn import Arn
from wizard.account.facts import StackFacts
from wizard.account.resource_conflicts import claim_of, crashed_creations
from wizard.account.views import ChecklistEntry, ItemState
from wizard.core.clients import Clients, Request
from wizard.core.errors import Cancelled, PreflightFailed, SetupError, StackNotFound, UsageError, known_or
from wizard.core.models.account import UnrecordedResource
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.inputs import LATER, Choice, Mark
from wizard.core.models.rotation import LastBackup
from wizard.core.models.stack import StackState
from wizard.core.next_command import Command, Text, eonpro, plain_name, shell
from wizard.core.retry import together
from wizard.core.target_context import TargetContext
from wizard.inputs.answers import are_written
from wizard.inputs.interview import Interviewer
from wizard.inputs.registry import BACKUP_TO
from wizard.setup import confirmation, deliver_and_verify, plan, report, saved_plan, steps, update
from wizard.setup.preflight import account, services
from wizard.setup.report import has_backup
from wizard.setup.saved_settings import settings_of
from wizard.targets.port import deploy_target
from wizard.targets.vercel import access_key

if TYPE_CHECKING:
    from wizard.pulumi_engine.engine import Engine
    from wizard.terminal.terminal import Terminal


def retained_resources(settings: Settings, outputs: Outputs) -> tuple[tuple[str, str], ...]:
    """(what is retained, why), the key first."""
    store = "secret" if settings.secret_store is SecretStore.SECRETS_MANAGER else "parameter"
    records = "every record encrypted under the data key is lost with it"
    retained = [
        (f"the key {outputs.key_arn}", records),
        *((f"the replica {arn}", records) for arn in outputs.replica_key_arns),
        (f"its alias {outputs.alias_name}", "it shows that the key is in use"),
    ]
    for names in (of_key.names for of_key in settings.of_each_key):
        retained += [
            (
                f"the {store} {names.stored_data_key}",
                f"the wrapped {names.noun}: no stack created it, and no stack can remove it",
            ),
            (f"every {store} under {names.versions}", "every version of it"),
            *(
                (f"the {store} {names.stored_data_key} in {Arn.parse(arn).region}", "the same, with the replica")
                for arn in outputs.replica_key_arns
            ),
        ]
    if outputs.documents_key_arn:
        retained.append((f"the key {outputs.documents_key_arn}", "without it the documents under it cannot be read"))
    if settings.makes_vercel_provider:
        retained.append(("the OIDC provider of the Vercel team", "other roles of the account may trust it"))
    if settings.makes_trail:
        retained += [
            (f"the trail {outputs.trail_arn}", "it records who removes what"),
            (
                f"the bucket {outputs.trail_bucket}",
                f"the audit log, to be kept for {settings.trail_retention_days} days",
            ),
        ]
        if settings.trail_key:
            retained.append((f"the key of {settings.names.trail_key_alias}", "without it the audit log cannot be read"))
        if settings.access_logging:
            retained.append((f"the bucket {settings.names.access_log_bucket}", "the log of who read the audit log"))
    return tuple(retained)


def _retained(stack: TargetContext, state: StackState) -> tuple[tuple[str, str], ...]:
    """The retained resources by the stack's state; of a first set-up that did not end, each one that was created."""
    if state.outputs is not None:
        return retained_resources(stack.settings, state.outputs)
    why = "records or the audit log may depend on it: no stack deletes it"
    return tuple((f"{each.type.rpartition(':')[2]} {each.id}", why) for each in state.resources if each.is_retained)


def ending(settings: Settings, key_id: str) -> Command:
    """The commands that delete the key, for when no record needs it any more; a person edits its policy between them.

    On the key itself: the stack is empty, and an update of it would create a second one.
    """
    key, default = ("--region", settings.region, "--key-id", key_id), ("--policy-name", "default")
    file = "key-policy.json"
    return Command(
        "# only when no record needs the data key any more: it can never be decrypted again\n",
        shell("aws", "kms", "get-key-policy", *key, *default, "--query", "Policy", "--output", "text"),
        f" >{file}\n",
        f"# in that file, delete the statements {', '.join(map(repr, policies.DELETION_DENIALS))}; then\n",
        shell("aws", "kms", "put-key-policy", *key, *default, "--policy", f"file://{file}"),
        " && \\\n",
        shell("aws", "kms", "schedule-key-deletion", *key, "--pending-window-in-days", "30"),
    )


def setup(request: Request, clients: Clients) -> report.Report:
    """The whole set-up; on a deployed stack only the changes."""
    started = clients.clock()
    with confirmation.confirmed(request, clients) as (ready, planned):
        outputs = update.update(request, clients, ready, planned)
    ui = clients.ui
    delivery = deliver_and_verify.deliver_and_verify(clients, ready, outputs, yes=request.yes)
    facts = report.facts_of(clients, ready, outputs)
    last_backup, refused_backup = _backed_up(request, clients, ready, outputs, delivery.stored_data_key, facts)
    ui.line(report.made(outputs, is_first=planned.first), mark=Mark.OK)
    ui.section("Evidence", f"read from the account just now{'' if request.everything else '; --all shows all of it'}")
    ui.working("reading the account")
    is_backed_up = last_backup != known_or(facts.last_backup, None)
    diagnosis, running = together(
        lambda: report.diagnosis_of(report.facts_of(clients, ready, outputs) if is_backed_up else facts),
        lambda: report.running_in(facts, delivery.delivered),
    )
    done = report.Report(
        stack=request.stack,
        settings=ready.settings,
        identity=ready.identity,
        outputs=outputs,
        stored_data_key=delivery.stored_data_key,
        beside=delivery.beside,
        changed=planned.changes,
        delivered=delivery.delivered,
        proofs=delivery.proofs,
        access_key=delivery.access_key,
        checklist=report.checklist(diagnosis, delivery.proofs, ready.settings, running=running),
        last_backup=last_backup,
        refused_backup=refused_backup,
        former_key=ready.former_key,
        code=ready.code,
        running=running,
        seconds=clients.clock() - started,
        profile=ready.profile,
    )
    show_report(ui, done, everything=request.everything)
    if clients.drafts is not None and done.is_done:
        clients.drafts.remove(request.stack)
    return done


def _backed_up(
    request: Request,
    clients: Clients,
    ready: steps.PreparedRun,
    outputs: Outputs,
    stored: StoredDataKey,
    facts: StackFacts,
) -> tuple[LastBackup | None, report.RefusedBackup | None]:
    """The last backup, after one to the place that was answered; and that one if it failed. A first run asks for it."""
    last = known_or(facts.last_backup, None)
    if clients.back_up is None:
        return last, None
    answer = ready.answers.get(BACKUP_TO.key)
    place = answer.value if answer else None
    is_asked = request.saved is None and not (request.yes or request.plan or are_written(ready.answers))
    if place is None and is_asked and clients.ui.interactive and not has_backup(last, stored):
        file = f"{plain_name(request.stack)}.backup.json"
        offered = (
            Choice(value=file, title=f"The file {file}", note="keep it outside this account"),
            *(Choice(value=each, title=f"The Region {each}") for each in ready.settings.replica_regions),
        )
        clients.ui.section("Backup", "optional")
        question = BACKUP_TO.question(offered, default=LATER)
        typed_as = "place: s3://BUCKET/KEY with Object Lock, REGION or FILE"
        place = clients.ui.ask(replace(question, typed_as=typed_as, escape=LATER))
    if place in (None, LATER):
        return last, None
    clients.ui.working("backing up the data key")
    try:
        return clients.back_up(place, deliver_and_verify.context_of(ready, outputs)), None
    except SetupError as error:
        refused = report.RefusedBackup(place=place, error=error, is_required=answer is not None)
        clients.ui.error(SetupError(f"the data key was not backed up: {error.message}", error.hint))
        clients.ui.line("the set-up is done; this makes the backup alone:")
        clients.ui.verbatim(refused.command(request.stack))
        return last, refused


def preview(request: Request, clients: Clients) -> plan.Plan:
    """Everything up to the plan; only the stack's empty state is created."""
    with confirmation.confirmed(request, clients, confirmed=False) as (ready, planned):
        if clients.save_plan is not None:
            state = ready.findings.state
            clients.save_plan(saved_plan.document(planned, state, at=clients.now(), version=planned.engine))
        if clients.save_answers is not None:
            clients.save_answers({key: answer.value for key, answer in ready.answers.items()})
    return planned


def rotate_access_key(request: Request, clients: Clients) -> dict[str, str | None]:
    """Create and deliver a second access key for the application on Vercel; the old one works until it is retired."""
    done = _access_keys(request, clients).rotate()
    return {"id": done.key_id, "old": done.old_id}


def retire_access_key(request: Request, clients: Clients) -> dict[str, str | None]:
    """Deactivate the access key that Vercel no longer has; delete it if it is inactive already."""
    done = _access_keys(request, clients).retire_old(force=request.yes)
    return {"id": done.key_id, "done": done.done}


def find_deployed(
    request: Request, clients: Clients, *, is_removal: bool = False, may_be_empty: bool = False
) -> tuple[TargetContext, Engine, StackState]:
    """A deployed stack, for the commands that create nothing in it. Raises PreflightFailed, StackNotFound.

    `is_removal`: also a stack whose first set-up was interrupted, which has no outputs yet; nothing on Vercel is asked.
    `may_be_empty`: also one without any resource.
    No check of a creation is made: it would take what an interrupted removal left in the account for somebody else's.
    """
    settings = settings_of(request, clients)
    # Without a terminal the command itself says that it needs the token, and what for.
    unasked = ("vercel_token",) if is_removal or not clients.ui.interactive else ()
    interview = Interviewer(request, clients, unasked=unasked).run()
    engine, location = steps.open_engine(request, clients, interview)
    clients.ui.working("asking Pulumi for the stack")
    pulumi = services.check_pulumi(engine, request.stack, location.problems)
    problems = [
        *account.caller_problems(interview.values, request.saved, interview.identity, request.stack),
        *pulumi.problems_beside(interview.identity),
    ]
    state, aws = pulumi.state, interview.aws
    if state is not None and (another := services.state_of_another(settings, request.stack, state)):
        problems.append(another)
    if problems:
        raise PreflightFailed(tuple(problems))
    is_there = state is not None and (may_be_empty or state.outputs or is_removal and (state.owned or state.pending))
    if state is None or aws is None or not is_there:
        raise StackNotFound(f"the stack {request.stack} is not deployed yet", eonpro("setup", "--stack", request.stack))
    clients.ui.line(f"account {settings.account_id}, {settings.region}, state in {pulumi.backend}", mark=Mark.OK)
    token = interview.values.get("vercel_token")
    context = TargetContext(
        stack=request.stack,
        settings=settings,
        aws=aws.with_region(settings.region),
        targets=settings.deploy_targets,
        outputs=state.outputs,
        vercel=clients.vercel(token) if token else None,
    )
    return context, engine, state


def _access_keys(request: Request, clients: Clients) -> access_key.AccessKeys:
    stack, _, _ = find_deployed(request, clients)
    settings, vercel = stack.settings, stack.vercel
    if not settings.makes_user:
        raise UsageError(
            f"the application of the stack {request.stack} has no access key of its own: it takes a role",
            eonpro("verify"),
        )
    if vercel is None:
        raise next(filter(None, (deploy_target(name).access_problem(stack) for name in settings.deploy_targets)))
    clients.ui.section("Access key")
    return access_key.AccessKeys(
        aws=stack.aws,
        vercel=vercel,
        project=vercel.find_project(*settings.vercel_place).with_names(settings.delivered_names),
        user=settings.names.app_user,
        on_message=lambda line: clients.ui.line(line, mark=Mark.OK),
        consent=confirmation.consent(clients.ui, yes=request.yes),
    )


def destroy(request: Request, clients: Clients) -> tuple[tuple[str, str], ...]:
    """Remove the stack. What the records depend on is retained in the account: (what, why)."""
    stack, engine, state = find_deployed(request, clients, is_removal=True)
    ui, settings = clients.ui, stack.settings
    retained = _retained(stack, state)
    ui.section("Retained", "it leaves the stack, and no stack can remove it")
    for what, why in retained:
        ui.line(what, mark=Mark.INFO)
        ui.line(f"  {why}")
    ui.section("To be deleted")
    ui.line("the application's access to the key, its roles and policies, and the alerts", mark=Mark.WARN)
    ui.line("the application cannot read or write records until it is set up again", mark=Mark.WARN)
    if not confirmation.typed(request, ui):
        raise Cancelled(
            "nothing was changed: type the stack's name to confirm its removal",
            eonpro("destroy", "--stack", request.stack, "--confirm", request.stack),
        )
    with engine.alone(request.stack):
        unrecorded: tuple[UnrecordedResource, ...] = ()
        if state.outputs is None:
            # Of a first set-up that did not end, AWS may have made what the state lacks.
            own_claim = claim_of(request.stack, engine.check_backend(request.stack))
            unrecorded, failed = services.unrecorded_resources(settings, state, stack.aws, own_claim, importing=True)
            if failed:
                raise PreflightFailed(tuple(failed))
        if state.pending or unrecorded:
            ui.working("Pulumi takes over what an interrupted run created")
            existing = stack.aws.existing_resources.find_existing(settings)
            creations = crashed_creations(settings, existing, state.with_unrecorded(unrecorded), stack.aws)
            engine.recover(request.stack, creations, unrecorded)
            state = engine.state(request.stack)
            retained = _retained(stack, state)
        ui.working("Pulumi removes the stack")
        progress = update.ResourceProgress(clients)
        engine.destroy(request.stack, progress)
        progress.show()
    key_id = state.outputs.key_id if state.outputs else next((r.id for r in state.resources if r.name == "phi-key"), "")
    if key_id:
        ui.section("Delete the retained resources")
        ui.verbatim(ending(settings, key_id))
    return retained


def show_report(ui: Terminal, done: report.Report, *, everything: bool = False) -> None:
    """The last page of a set-up. `everything`: with what every item rests on, and the code of the next steps."""
    for item in done.checklist:
        _show_item(ui, item, in_full=everything or item.state in (ItemState.OPEN, ItemState.UNKNOWN))
    ui.section("Next steps")
    for number, step in enumerate(report.next_steps(done), 1):
        is_code = bool(step.verbatim) and not isinstance(step.verbatim, Command)
        hidden = is_code and not everything
        ui.line(Text(f"{number}. ", step.what.rstrip(":") + " (--all: the code)" if hidden else step.what))
        if step.verbatim and (everything or not is_code):
            ui.verbatim(step.verbatim)
    if done.unmet:
        ui.line(f"not met: {', '.join(item.title for item in done.unmet)}. The cause and its repair:", mark=Mark.FAIL)
        ui.verbatim(eonpro("doctor", "--stack", done.stack))


def _show_item(ui: Terminal, item: ChecklistEntry, *, in_full: bool) -> None:
    if not in_full and item.state is ItemState.DONE:
        ui.line(item.title, mark=Mark.OK)
        return
    evidence = item.evidence.split("; ")
    more = f"; and {len(evidence) - 1} more" if item.topic is Topic.OTHERS and len(evidence) > 1 else ""
    words = item.evidence if in_full else f"{evidence[0]}{more}"
    ui.line(f"{item.title}: {words}", mark=report.MARKS[item.state])
    if item.next and in_full:
        ui.verbatim(item.next)
