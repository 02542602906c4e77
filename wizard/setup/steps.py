"""The step that settles where Pulumi keeps the state, before Pulumi is asked anything.

Pure: runs over the edges' Protocols. A bucket, or a file with a passphrase, is made here and nowhere else, on request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from components.settings import Outputs, Settings, Target
from wizard.core.cost.account import read_account
from wizard.core.cost.drivers import Assumptions
from wizard.core.errors import PreflightFailed, Problem, SetupError, StackNotFound
from wizard.core.models.account import Identity
from wizard.core.models.delivery import Linked, StackState
from wizard.core.models.stack import ListedStack, Mark, Progress
from wizard.core.next_command import wizard
from wizard.core.ports.aws import Wrapper
from wizard.core.ports.run import AwsClient, DecryptVerifier, Engine, UserInterface, VercelClient
from wizard.core.state_backend import KEY_ALIAS, Circumstances, StateBackend, in_words, resolve
from wizard.inputs import saved_progress
from wizard.inputs.answers import Answer, Source
from wizard.inputs.interview import Interview, Interviewer
from wizard.inputs.saved_progress import Drafts
from wizard.setup import plan
from wizard.setup import plan as summary
from wizard.setup.importing import offer
from wizard.setup.importing.discovery import ImportRequest
from wizard.setup.preflight import checks

if TYPE_CHECKING:
    from wizard.setup.saved_plan import SavedPlan


PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"


class StatePlaces(Protocol):
    """What this machine knows of states and passphrases (`wizard/pulumi_engine/backend.py`)."""

    def circumstances(self, stack: str, *, account: str, region: str, interactive: bool) -> Circumstances:
        """What was found, but for the key, which only the account knows of."""
        ...

    def make_passphrase(self, stack: str) -> str:
        """A new passphrase in a file that only its owner can read; the file's path."""
        ...


@dataclass(frozen=True, kw_only=True)
class StateLocation:
    """Where the state goes, as the engine has to be told."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets_provider: str | None = None
    log_in_to: str | None = None
    """The backend that a person chose: logged in to, so that the plain `pulumi` finds it later."""
    problems: tuple[Problem, ...] = ()


def settle(stack: str, interview: Interview, ui: UserInterface, places: StatePlaces | None) -> StateLocation:
    """The backend and what opens the stack; makes what was asked for. A fault is a problem among the others."""
    aws, identity = interview.aws, interview.identity
    if places is None or aws is None or not isinstance(identity, Identity):
        return StateLocation()  # Whose account it is comes first, and is told by the pass for problems.
    try:
        found = places.circumstances(stack, account=identity.account_id, region=aws.region, interactive=ui.interactive)
        if found.provider is None and not interview.values.get("secrets_provider"):
            found = _with_key(found, aws)
        state = resolve(interview.values, found)
        if state.problems:
            return StateLocation(problems=state.problems)
        return _made(stack, state, interview, ui, places, aws)
    except SetupError as error:
        why = "Pulumi cannot be asked without the place of its state"
        return StateLocation(
            problems=(Problem(what=error.message, why=why, next=error.hint, exit_code=error.exit_code),)
        )


def _with_key(found: Circumstances, aws: AwsClient) -> Circumstances:
    try:
        return replace(found, key_found=aws.kms.describe_key(KEY_ALIAS) is not None)
    except SetupError:
        return found  # A convenience: what may not be looked at is not used.


def _made(
    stack: str, state: StateBackend, interview: Interview, ui: UserInterface, places: StatePlaces, aws: AwsClient
) -> StateLocation:
    environment = dict(state.environment)
    # Where it is was told among what was found, unless it was chosen just now.
    for sentence in state.sentences if interview.values.get("backend") else state.sentences[1:]:
        ui.line(sentence, mark=Mark.INFO)
    if state.make_bucket:
        ui.working("making the bucket for the state")
        made = "made" if aws.state_storage.make_state_bucket(state.make_bucket) else "there already"
        ui.line(f"{state.make_bucket}: {made}; private, versioned, encrypted", mark=Mark.OK)
    if state.make_passphrase:
        environment[PASSPHRASE_FILE] = path = places.make_passphrase(stack)
        ui.line(f"the stack's passphrase is in {path}: keep a copy where you keep secrets", mark=Mark.WARN)
        ui.line("to use the Pulumi CLI directly:", mark=Mark.INFO)
        ui.verbatim(f"export {PASSPHRASE_FILE}={path}")
    backend = interview.answers.get("backend")
    chosen = backend is not None and backend.source is Source.ASKED
    return StateLocation(
        environment=environment,
        secrets_provider=state.secrets_provider,
        log_in_to=state.url if chosen else None,
    )


ListStacks = Callable[[Mapping[str, str]], tuple[ListedStack, ...]]
"""The environment of the credentials to the backend's stacks. Raises SetupError."""


class EngineFactory(Protocol):
    """The environment of the credentials to an Engine that uses exactly these."""

    def __call__(self, environment: Mapping[str, str], *, secrets_provider: str | None = None) -> Engine: ...


@dataclass(frozen=True, kw_only=True)
class Clients:
    """The edges of a run."""

    ui: UserInterface
    connect: Callable[[str | None, str | None], AwsClient]
    """Profile and Region to a Cloud."""
    vercel: Callable[[str], VercelClient]
    """A token to a Hosting."""
    engine: EngineFactory
    prover: DecryptVerifier
    wrapper: Wrapper | None = None
    """Wraps an ENCRYPTION_KEY that nobody else sees."""
    linked: Linked | None = None
    found: tuple[str, ...] = ()
    """What was found beside the account, in words: the application, the login to Vercel, the state's backend."""
    sign_in: Callable[[str], None] | None = None
    """Signs a profile in to IAM Identity Center, before the person."""
    drafts: Drafts | None = None
    state: StatePlaces | None = None
    is_state_placed: bool = True
    """Whether something says where Pulumi keeps the state; if not, a person is asked."""
    save_plan: Callable[[plan.Plan, StackState], None] | None = None
    """Keeps a plan for a later run."""
    saved_settings: Callable[[], Mapping[str, Settings | SetupError]] = dict
    """The settings of every stack in the project's folder, or why they cannot be used."""
    list_stacks: ListStacks = lambda environment: ()
    """The stacks in the state's backend, with the environment of the credentials. Raises SetupError."""
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a run was asked to do."""

    stack: str
    answers: Mapping[str, Answer] = field(repr=False)
    saved: Settings | None = None
    """The stack's settings as its configuration file has them. Its targets stay targets: a run adds to them, and taking
    one away is not the set-up's business."""
    yes: bool = False
    """The confirmation was given on the command line."""
    confirmed: str | None = None
    """The stack's name, given on the command line to confirm what cannot be undone."""
    adopt: bool = False
    """What was created manually is to be taken into the stack."""
    plan: SavedPlan | None = None
    """The plan that was saved, and is now to be carried out: it, and nothing else."""
    asked: tuple[str, ...] = ()
    """The questions that have been put already."""


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """A run whose every precondition holds."""

    stack: str
    settings: Settings
    identity: Identity
    aws: AwsClient
    vercel: VercelClient | None
    engine: Engine
    findings: checks.Findings
    targets: tuple[Target, ...]
    profile: str | None
    """The profile that was named for this run; None where the environment says whose credentials are used."""
    answers: Mapping[str, Answer] = field(default_factory=dict, repr=False)


def interviewer(request: Request, clients: Clients) -> Interviewer:
    """The interview of this run; after each answer its draft is kept."""

    def keep(answers: Mapping[str, Answer], asked: tuple[str, ...]) -> None:
        if clients.drafts is not None:
            draft = saved_progress.progress_from_answers(
                answers, stage=saved_progress.ANSWERING, at=clients.now(), asked=asked
            )
            clients.drafts.save(request.stack, draft)

    return Interviewer(
        stack=request.stack,
        answers=request.answers,
        ui=clients.ui,
        connect=clients.connect,
        vercel=clients.vercel,
        linked=clients.linked,
        sign_in=clients.sign_in,
        found=clients.found,
        is_state_placed=clients.is_state_placed,
        asked=request.asked,
        keep=keep,
    )


def place(request: Request, clients: Clients, interview: Interview) -> tuple[Engine, StateLocation]:
    """The engine, with the credentials that were identified, told where the state is."""
    placed = settle(request.stack, interview, clients.ui, clients.state)
    environment = dict(interview.aws.environment()) if interview.aws else {}
    engine = clients.engine({**environment, **placed.environment}, secrets_provider=placed.secrets_provider)
    if placed.log_in_to:
        clients.ui.working("logging in to the state's backend")
        engine.login(placed.log_in_to)
        clients.ui.line(f"logged in to {in_words(placed.log_in_to)}; the plain pulumi finds it there", mark=Mark.OK)
    return engine, placed


def check(
    request: Request,
    clients: Clients,
    interview: Interview,
    engine: Engine,
    placed: StateLocation,
    wish: ImportRequest | None = None,
) -> tuple[PreparedRun, ImportRequest | None]:
    """Everything that can be known to be wrong, in one pass. Raises PreflightFailed with all of it.

    `wish` is the adoption that was agreed to when this run checked before; what is agreed to now is returned.
    """
    values, ui = interview.values, clients.ui
    ui.section("Checks", "before anything is created")
    ui.working("asking AWS, Pulumi and where the application runs")
    token = values.get("vercel_token")
    vercel = clients.vercel(token) if token else None

    def look(adoption: ImportRequest | None) -> checks.Findings:
        return checks.check(
            stack=request.stack,
            values=values,
            saved=request.saved,
            identity=interview.identity,
            aws=interview.aws,
            vercel=vercel,
            engine=engine,
            adoption=adoption,
            unplaced=placed.problems,
        )

    begun = request.saved is not None and bool(request.saved.adopted) and bool(values.get("repair"))
    told = offer.wish(values) if request.adopt or begun else None
    findings = look(wish or told)
    # An interrupted adoption goes on by itself, unless the data key in use has to be told again.
    goes_on = findings.settings is not None and findings.settings.adopted and not findings.data_key_untold
    if findings.discovered.things and not (request.adopt or wish or goes_on) and ui.interactive:
        wish = offer.offer(ui, values, findings)
        findings = look(wish) if wish else findings
    for note in findings.notes:
        ui.line(note, mark=Mark.WARN if note in findings.warnings else Mark.INFO)
    if findings.problems:
        raise PreflightFailed(findings.problems)
    assert findings.settings is not None and isinstance(interview.identity, Identity) and interview.aws is not None
    identity = interview.identity
    if not ui.interactive:
        # A person has just been shown it, before the first question.
        ui.line(f"{identity.arn}, by {identity.source}", mark=Mark.OK)
    ui.line(
        f"account {identity.account_id}, {findings.settings.region}, Pulumi {findings.engine_version}",
        mark=Mark.OK,
    )
    if findings.backend:
        held = "with the key in it" if findings.state.has_key else "nothing built yet"
        ui.line(f"state in {findings.backend}: stack {request.stack}, {held}", mark=Mark.OK)
    if findings.project:
        ui.line(f"Vercel project {findings.settings.vercel_team}/{findings.project.name}", mark=Mark.OK)
    if findings.stored_data_key:
        ui.line(f"ENCRYPTED_PHI_KEY exists ({findings.stored_data_key.wrapped.fingerprint}) and is kept", mark=Mark.OK)
    if findings.state.pending:
        ui.line(
            f"an earlier run was interrupted; {len(findings.state.pending)} operation(s) are taken up again",
            mark=Mark.WARN,
        )
    ready = PreparedRun(
        stack=request.stack,
        settings=findings.settings,
        identity=identity,
        aws=interview.aws,
        vercel=vercel,
        engine=engine,
        findings=findings,
        targets=tuple(Target(name) for name in values["target"]),
        profile=values.get("profile"),
        answers=interview.answers,
    )
    return ready, wish


def draw_plan(request: Request, clients: Clients, ready: PreparedRun) -> plan.Plan:
    """The engine's preview and what is done beside it, shown as one plan. Nothing in the account is changed."""
    ui, engine = clients.ui, ready.engine
    ui.section("Review")
    ui.table(summary.rows(ready.settings, ready.identity, request.stack, ready.targets, ready.answers))
    ui.section("Plan")
    ui.working("Pulumi works out what an update would do")
    engine.prepare(request.stack, ready.settings)
    if clients.drafts is not None and ui.interactive:
        # Whoever leaves now is asked nothing again but the confirmation.
        answered = saved_progress.progress_from_answers(
            ready.answers, stage=saved_progress.REVIEWED, at=clients.now(), asked=()
        )
        clients.drafts.save(request.stack, answered)
    if ready.findings.state.pending:
        engine.recover(request.stack, ready.findings.orphaned_creations)
    with ThreadPoolExecutor(max_workers=1) as pool:
        account = pool.submit(read_account, ready.aws, ready.settings)
        steps = engine.preview(request.stack, lambda progress: None)
    planned = plan.Plan(
        stack=request.stack,
        settings=ready.settings,
        identity=ready.identity,
        steps=steps,
        stored_data_key=ready.findings.stored_data_key,
        targets=ready.targets,
        imported_data_key=ready.findings.imported_data_key,
        engine=ready.findings.engine_version,
        assumptions=account.result().applied(Assumptions()),
    )
    for line in plan.lines(planned):
        ui.line(line)
    return planned


def update(request: Request, clients: Clients, ready: PreparedRun, planned: plan.Plan) -> Outputs:
    """The resources, as the plan says. The stack's settings are written first: the plan is confirmed."""
    ready.engine.write_settings(request.stack)
    if clients.drafts is not None:
        # From here on the stack's configuration holds the answers; a draft of them would overrule what changes there.
        left = saved_progress.progress_from_answers(
            ready.answers, stage=saved_progress.PLANNED, at=clients.now(), asked=()
        )
        clients.drafts.save(request.stack, left)
    outputs = ready.findings.state.outputs
    if not planned.changes and outputs is not None:
        clients.ui.line("the resources are as they should be", mark=Mark.OK)
        return outputs
    clients.ui.section("Resources", "Ctrl-C ends this safely")
    clients.ui.working("Pulumi starts")
    clock = clients.clock
    begun: dict[str, float] = {}

    def live(progress: Progress) -> None:
        started = begun.setdefault(progress.step.urn, clock())
        if progress.step.op not in plan.QUIET:
            clients.ui.progress(progress, clock() - started)

    clients.prover.warm_up()
    # The last page may have stood open for longer than a session lasts.
    ready.engine.renew(ready.aws.environment())
    return ready.engine.up(request.stack, live)


def find_deployed(request: Request, clients: Clients) -> tuple[PreparedRun, Outputs]:
    """A stack that is built, for the commands that build nothing."""
    interview = interviewer(request, clients).run()
    engine, placed = place(request, clients, interview)
    ready, _ = check(request, clients, interview, engine, placed)
    outputs = ready.findings.state.outputs
    if outputs is None:
        raise StackNotFound(f"the stack {request.stack} is not deployed yet", wizard("setup", "--stack", request.stack))
    return ready, outputs
