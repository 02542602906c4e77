"""The order of the steps: interview, one pass for problems, plan, confirmation, update, data key, delivery, proof.

Pure: runs the steps over the edges' Protocols. No step writes to an earlier one's facts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from components.contract import Outputs, Settings, Target
from wizard import checklist, delivery, plan, preflight, report
from wizard.answers import Answer
from wizard.errors import Cancelled, PreflightFailed, StackNotFound
from wizard.facts import Batch, Delivered, DeliveryState, Escrow, Identity, Linked, Mark, Progress, Proof
from wizard.interview import Interview, Interviewer
from wizard.protocols import Cloud, Engine, Hosting, Prover, Talk


@dataclass(frozen=True, kw_only=True)
class Doors:
    """The edges of a run."""

    talk: Talk
    connect: Callable[[str | None, str | None], Cloud]
    """Profile and Region to a Cloud."""
    hosting: Callable[[str], Hosting]
    """A token to a Hosting."""
    engine: Callable[[Mapping[str, str]], Engine]
    """The environment of the credentials to an Engine that uses exactly these."""
    prover: Prover
    linked: Linked | None = None
    clock: Callable[[], float] = time.monotonic


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


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A run whose every precondition holds."""

    settings: Settings
    identity: Identity
    cloud: Cloud
    hosting: Hosting | None
    engine: Engine
    findings: preflight.Findings
    targets: tuple[Target, ...]
    profile: str | None
    """The profile that was named for this run; None where the environment says whose credentials are used."""


def setup(request: Request, doors: Doors) -> report.Report:
    """The whole onboarding, or a run over what is there already: it converges, and does nothing twice."""
    started = doors.clock()
    interview = _interview(request, doors)
    engine = doors.engine(interview.cloud.environment() if interview.cloud else {})
    with engine.alone(request.stack):
        ready = _preflight(request, doors, interview, engine)
        planned = _plan(request, doors, ready)
        _confirm(request, doors, planned)
        outputs = _update(request, doors, ready, planned)
    escrow, delivered, proofs = _data_key(doors, ready, outputs)
    talk = doors.talk
    talk.section("Evidence", "the compliance checklist, read from the account just now")
    talk.working("reading the account")
    items = checklist.read(cloud=ready.cloud, settings=ready.settings, outputs=outputs, escrow=escrow, proofs=proofs)
    done = report.Report(
        stack=request.stack,
        settings=ready.settings,
        identity=ready.identity,
        outputs=outputs,
        escrow=escrow,
        changed=planned.changes,
        delivered=delivered,
        proofs=proofs,
        checklist=items,
        seconds=doors.clock() - started,
        profile=ready.profile,
    )
    show_report(talk, done)
    return done


def preview(request: Request, doors: Doors) -> plan.Plan:
    """Everything up to the plan; nothing is made but the stack's empty state and its configuration."""
    interview = _interview(request, doors)
    engine = doors.engine(interview.cloud.environment() if interview.cloud else {})
    with engine.alone(request.stack):
        ready = _preflight(request, doors, interview, engine)
        return _plan(request, doors, ready)


def push(request: Request, doors: Doors) -> tuple[Delivered, ...]:
    """Deliver the data key of a stack that is built; makes no resource, and a data key only where none is escrowed."""
    ready, outputs = _standing(request, doors)
    return _data_key(doors, ready, outputs)[1]


def verify(request: Request, doors: Doors) -> tuple[Proof, ...]:
    """Prove again that the application can open the escrowed key. Reads only."""
    ready, outputs = _standing(request, doors)
    escrow = ready.findings.escrow
    if escrow is None:
        raise StackNotFound(
            f"{ready.settings.names.escrow} holds no data key yet",
            f"python -m wizard push --stack {request.stack}",
        )
    batch = Batch(region=ready.settings.region, key_arn=outputs.key_arn, wrapped=escrow.wrapped)
    standing = tuple(
        Delivered(
            target=target,
            place=ready.settings.names.escrow,
            state=DeliveryState.UNCHANGED,
            fingerprint=escrow.wrapped.fingerprint,
            checked_by="the escrow",
        )
        for target in ready.targets
    )
    return _prove(doors, ready, outputs, standing, batch, look_again=True)


# --- the steps --------------------------------------------------------------------------------------------------


def _interview(request: Request, doors: Doors) -> Interview:
    return Interviewer(
        stack=request.stack,
        answers=request.answers,
        talk=doors.talk,
        connect=doors.connect,
        hosting=doors.hosting,
        linked=doors.linked,
    ).run()


def _preflight(request: Request, doors: Doors, interview: Interview, engine: Engine) -> Ready:
    values, talk = interview.values, doors.talk
    talk.section("Checks", "before anything is created")
    talk.working("asking AWS, Pulumi and where the application runs")
    token = values.get("vercel_token")
    hosting = doors.hosting(token) if token else None
    findings = preflight.check(
        stack=request.stack,
        values=values,
        saved=request.saved,
        identity=interview.identity,
        cloud=interview.cloud,
        hosting=hosting,
        engine=engine,
    )
    for note in findings.notes:
        talk.line(note, mark=Mark.WARN)
    if findings.problems:
        raise PreflightFailed(findings.problems)
    assert findings.settings is not None and isinstance(interview.identity, Identity) and interview.cloud is not None
    identity = interview.identity
    if not talk.interactive:
        # A person has just been shown it, before the first question.
        talk.line(f"{identity.arn}, by {identity.source}", mark=Mark.OK)
    talk.line(
        f"account {identity.account_id}, {findings.settings.region}, Pulumi {findings.engine_version}",
        mark=Mark.OK,
    )
    if findings.project:
        talk.line(f"Vercel project {findings.settings.vercel_team}/{findings.project.name}", mark=Mark.OK)
    if findings.escrow:
        talk.line(f"ENCRYPTED_PHI_KEY exists ({findings.escrow.wrapped.fingerprint}) and is kept", mark=Mark.OK)
    if findings.state.pending:
        talk.line(
            f"an earlier run was interrupted; {len(findings.state.pending)} operation(s) are taken up again",
            mark=Mark.WARN,
        )
    return Ready(
        settings=findings.settings,
        identity=identity,
        cloud=interview.cloud,
        hosting=hosting,
        engine=engine,
        findings=findings,
        targets=tuple(Target(name) for name in values["target"]),
        profile=values.get("profile"),
    )


def _plan(request: Request, doors: Doors, ready: Ready) -> plan.Plan:
    talk, engine = doors.talk, ready.engine
    talk.section("Review")
    talk.table(plan.review(ready.settings, ready.identity, request.stack, ready.targets))
    talk.section("Plan")
    talk.working("Pulumi works out what an update would do")
    engine.prepare(request.stack, ready.settings)
    if ready.findings.state.pending:
        engine.recover(request.stack, ready.findings.left_behind)
    steps = engine.preview(request.stack, lambda progress: None)
    planned = plan.Plan(
        stack=request.stack,
        settings=ready.settings,
        identity=ready.identity,
        steps=steps,
        escrow=ready.findings.escrow,
        targets=ready.targets,
    )
    for line in plan.lines(planned):
        talk.line(line)
    return planned


def _confirm(request: Request, doors: Doors, planned: plan.Plan) -> None:
    talk = doors.talk
    for step in planned.losses:
        talk.line(f"{step.name} would be {plan.word(step)}d", mark=Mark.WARN)
    if request.yes:
        return
    again = f"python -m wizard setup --stack {request.stack}"
    if not talk.interactive:
        raise Cancelled("nothing was changed: nobody is there to confirm the plan", f"{again} --yes")
    if not talk.confirm("Carry out this plan?", default=not planned.losses, why="Nothing has been changed so far."):
        raise Cancelled(
            f"nothing was changed; your answers are kept in Pulumi.{request.stack.rsplit('/', 1)[-1]}.yaml\n"
            "an answer is changed by its flag, such as --region (python -m wizard --help)",
            again,
        )


def _update(request: Request, doors: Doors, ready: Ready, planned: plan.Plan) -> Outputs:
    outputs = ready.findings.state.outputs
    if not planned.changes and outputs is not None:
        doors.talk.line("the resources are as they should be", mark=Mark.OK)
        return outputs
    doors.talk.section("Resources", "Ctrl-C ends this safely")
    doors.talk.working("Pulumi starts")
    clock = doors.clock
    begun: dict[str, float] = {}

    def live(progress: Progress) -> None:
        started = begun.setdefault(progress.step.urn, clock())
        if progress.step.op not in plan.QUIET:
            doors.talk.progress(progress, clock() - started)

    doors.prover.stand_by()
    return ready.engine.up(request.stack, live)


def _data_key(doors: Doors, ready: Ready, outputs: Outputs) -> tuple[Escrow, tuple[Delivered, ...], tuple[Proof, ...]]:
    talk = doors.talk
    talk.section("Data key")
    talk.working("looking for it in its escrow")
    escrow = delivery.ensure_data_key(ready.cloud, ready.settings, outputs.key_arn)
    word = "made, wrapped by the key; kept" if escrow.made_now else "exists and is kept as it is,"
    talk.line(f"{escrow.wrapped.fingerprint} {word} in {escrow.parameter}", mark=Mark.OK)
    batch = Batch(region=ready.settings.region, key_arn=outputs.key_arn, wrapped=escrow.wrapped)

    def tell(result: Delivered) -> None:
        did = "written" if result.state is DeliveryState.WRITTEN else "there already"
        talk.line(f"{result.place}: {did}; checked by {result.checked_by}", mark=Mark.OK)

    delivered = delivery.deliver(
        cloud=ready.cloud,
        hosting=ready.hosting,
        project=ready.findings.project,
        settings=ready.settings,
        targets=ready.targets,
        batch=batch,
        tell=tell,
    )
    return escrow, delivered, _prove(doors, ready, outputs, delivered, batch)


def _prove(
    doors: Doors,
    ready: Ready,
    outputs: Outputs,
    delivered: tuple[Delivered, ...],
    batch: Batch,
    look_again: bool = False,
) -> tuple[Proof, ...]:
    doors.talk.section("Proof")
    doors.talk.working("becoming the application, and opening the key")
    proofs = delivery.prove(
        cloud=ready.cloud,
        prover=doors.prover,
        settings=ready.settings,
        outputs=outputs,
        delivered=delivered,
        batch=batch,
        hosting=ready.hosting if look_again else None,
        project=ready.findings.project,
    )
    for proof in proofs:
        doors.talk.line(f"{proof.target}: {proof.state}, {proof.detail}", mark=report.PROOF_MARKS[proof.state])
    return proofs


def _standing(request: Request, doors: Doors) -> tuple[Ready, Outputs]:
    """A stack that is built, for the commands that build nothing."""
    interview = _interview(request, doors)
    engine = doors.engine(interview.cloud.environment() if interview.cloud else {})
    ready = _preflight(request, doors, interview, engine)
    outputs = ready.findings.state.outputs
    if outputs is None:
        raise StackNotFound(
            f"the stack {request.stack} is not built yet", f"python -m wizard setup --stack {request.stack}"
        )
    return ready, outputs


def show_report(talk: Talk, done: report.Report) -> None:
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
