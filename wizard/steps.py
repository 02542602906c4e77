"""The steps of a run: interview, one pass for problems, plan, confirmation, update, data key, delivery, proof.

Pure: runs over the edges' Protocols. No step writes to an earlier one's facts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from components.contract import Outputs, Settings, Target
from wizard import access_key, adoption, adoption_offer, delivery, escrow, plan, preflight, report
from wizard.answers import Answer
from wizard.by_hand import Adoption
from wizard.datakey import WrappedDataKey
from wizard.errors import Cancelled, PreflightFailed, ResourceError, StackNotFound
from wizard.facts import (
    AccessKey,
    Delivered,
    DeliveryState,
    Escrow,
    Identity,
    Linked,
    Mark,
    Progress,
    Proof,
)
from wizard.interview import Interview, Interviewer
from wizard.protocols import Cloud, Engine, Hosting, Prover, Talk
from wizard.questions import Kind, Question


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
    confirmed: str | None = None
    """The stack's name, given on the command line to confirm what cannot be undone."""
    adopt: bool = False
    """What was set up by hand is to be taken into the stack."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A run whose every precondition holds."""

    stack: str
    settings: Settings
    identity: Identity
    cloud: Cloud
    hosting: Hosting | None
    engine: Engine
    findings: preflight.Findings
    targets: tuple[Target, ...]
    profile: str | None
    """The profile that was named for this run; None where the environment says whose credentials are used."""


@dataclass(frozen=True, kw_only=True)
class Handed:
    """The data key where it belongs: escrowed, delivered, proved."""

    escrow: Escrow
    delivered: tuple[Delivered, ...]
    proofs: tuple[Proof, ...]
    access_key: access_key.Ensured | None = None


def ask(request: Request, doors: Doors) -> Interview:
    """Every value that the run needs, and whose credentials these are."""
    return Interviewer(
        stack=request.stack,
        answers=request.answers,
        talk=doors.talk,
        connect=doors.connect,
        hosting=doors.hosting,
        linked=doors.linked,
    ).run()


def check(request: Request, doors: Doors, interview: Interview, engine: Engine) -> Ready:
    """Everything that can be known to be wrong, in one pass. Raises PreflightFailed with all of it."""
    values, talk = interview.values, doors.talk
    talk.section("Checks", "before anything is created")
    talk.working("asking AWS, Pulumi and where the application runs")
    token = values.get("vercel_token")
    hosting = doors.hosting(token) if token else None

    def look(adoption: Adoption | None) -> preflight.Findings:
        return preflight.check(
            stack=request.stack,
            values=values,
            saved=request.saved,
            identity=interview.identity,
            cloud=interview.cloud,
            hosting=hosting,
            engine=engine,
            adoption=adoption,
        )

    begun = request.saved is not None and bool(request.saved.adopted) and bool(values.get("repair"))
    findings = look(adoption_offer.wish(values) if request.adopt or begun else None)
    # An interrupted adoption goes on by itself, unless the data key in use has to be told again.
    goes_on = findings.settings is not None and findings.settings.adopted and not findings.data_key_untold
    if findings.hand_made.things and not request.adopt and not goes_on and talk.interactive:
        wish = adoption_offer.offer(talk, values, findings)
        findings = look(wish) if wish else findings
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
        stack=request.stack,
        settings=findings.settings,
        identity=identity,
        cloud=interview.cloud,
        hosting=hosting,
        engine=engine,
        findings=findings,
        targets=tuple(Target(name) for name in values["target"]),
        profile=values.get("profile"),
    )


def draw_plan(request: Request, doors: Doors, ready: Ready) -> plan.Plan:
    """The engine's preview and what is done beside it, shown as one plan. Nothing in the account is changed."""
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
        adopted_data_key=ready.findings.adopted_data_key,
    )
    for line in plan.lines(planned):
        talk.line(line)
    return planned


def confirm(request: Request, doors: Doors, planned: plan.Plan) -> None:
    """The person's word, as strong as the plan needs it. Raises Cancelled; ResourceError if an adoption loses."""
    talk = doors.talk
    for step in planned.losses:
        talk.line(f"{step.name} would be {plan.word(step).removesuffix('e')}ed", mark=Mark.WARN)
    again = f"python -m wizard setup --stack {request.stack}"
    if planned.losses and (request.adopt or planned.takes_in):
        raise ResourceError(
            "nothing was changed: what was set up by hand would be replaced, not taken in",
            "leave the part as it was found (--repair without it), or mend by hand what is named above",
        )
    forever = plan.irreversible(planned)
    for told in forever:
        talk.line(told, mark=Mark.WARN)
    if forever and not typed(request, talk):
        raise Cancelled(
            "nothing was changed: what cannot be undone has to be confirmed by the stack's name",
            f"{again} --confirm {request.stack}",
        )
    if request.yes:
        return
    if not talk.interactive:
        raise Cancelled("nothing was changed: nobody is there to confirm the plan", f"{again} --yes")
    if not talk.confirm("Carry out this plan?", default=not planned.losses, why="Nothing has been changed so far."):
        raise Cancelled(
            f"nothing was changed; your answers are kept in Pulumi.{request.stack.rsplit('/', 1)[-1]}.yaml\n"
            "an answer is changed by its flag, such as --region (python -m wizard --help)",
            again,
        )


def typed(request: Request, talk: Talk) -> bool:
    """Whether the stack's name was typed, on the command line or now: the word for what cannot be undone."""
    if request.confirmed is not None or not talk.interactive:
        return request.confirmed == request.stack
    question = Question(
        key="confirmation",
        kind=Kind.TEXT,
        prompt=f"Type the stack's name, {request.stack}, to confirm it",
        why="This cannot be undone by anybody.",
    )
    return bool(talk.ask(question) == request.stack)


def update(request: Request, doors: Doors, ready: Ready, planned: plan.Plan) -> Outputs:
    """The resources, as the plan says."""
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


def hand_over(doors: Doors, ready: Ready, outputs: Outputs) -> Handed:
    """The data key to its escrow and to every target, and the proof of it."""
    talk, settings = doors.talk, ready.settings
    talk.section("Data key")
    talk.working("looking for it in its escrow")
    if ready.findings.adopted_data_key is not None:
        _prove_beforehand(doors, ready, outputs, ready.findings.adopted_data_key)
    kept = escrow.ensure_data_key(ready.cloud, settings, outputs, adopted=ready.findings.adopted_data_key)
    word = "made, wrapped by the key; kept" if kept.made_now else "exists and is kept as it is,"
    talk.line(f"{kept.wrapped.fingerprint} {word} in {kept.parameter}", mark=Mark.OK)
    for arn in outputs.replica_key_arns:
        talk.line(f"and in {escrow.region_of(arn)}, beside the replica", mark=Mark.OK)

    def tell(result: Delivered) -> None:
        did = "written" if result.state is DeliveryState.WRITTEN else "there already"
        talk.line(f"{result.place}: {did}; checked by {result.checked_by}", mark=Mark.OK)

    delivered = delivery.deliver(
        cloud=ready.cloud,
        hosting=ready.hosting,
        project=ready.findings.project,
        settings=settings,
        outputs=outputs,
        targets=ready.targets,
        wrapped=kept.wrapped,
        tell=tell,
    )
    key = _access_key(doors, ready)
    proofs = prove(doors, ready, outputs, delivered, kept.wrapped, access_key=key.key if key else None)
    return Handed(escrow=kept, delivered=delivered, proofs=proofs, access_key=key)


def _prove_beforehand(doors: Doors, ready: Ready, outputs: Outputs, wrapped: WrappedDataKey) -> None:
    """That the key opens the data key in use, before the escrow, which is written once, has it."""
    told = adoption.prove_beforehand(
        cloud=ready.cloud,
        prover=doors.prover,
        settings=ready.settings,
        outputs=outputs,
        targets=ready.targets,
        wrapped=wrapped,
    )
    doors.talk.line(told.words, mark=Mark.OK if told.proved else Mark.WARN)
    if ready.findings.data_key_hidden and ready.hosting is not None and ready.findings.project is not None:
        # Before the escrow: whichever of the two a crash leaves out, the next run asks for the same data key.
        ready.hosting.name_data_key(ready.findings.project, wrapped)


def _access_key(doors: Doors, ready: Ready) -> access_key.Ensured | None:
    """The access key of the application on Vercel, where it is an IAM user."""
    project = ready.findings.project
    if not ready.settings.makes_user or Target.VERCEL not in ready.targets or ready.hosting is None or project is None:
        return None
    user = ready.settings.names.app_user
    doors.talk.working(f"looking at the access keys of {user}")
    ensured = access_key.ensure(
        ready.cloud,
        ready.hosting,
        project,
        user,
        tell=lambda line: doors.talk.line(of_stack(line, ready.stack), mark=Mark.OK),
    )
    if warning := access_key.age_warning(ready.cloud.list_access_keys(user), datetime.now(UTC)):
        doors.talk.line(of_stack(warning, ready.stack), mark=Mark.WARN)
    return ensured


def of_stack(line: str, stack: str) -> str:
    """The line, its commands about the access key meant for one stack: who made the line knows of none."""
    for command in (access_key.ROTATE, access_key.RETIRE):
        line = line.replace(command, f"{command} --stack {stack}")
    return line


def prove(
    doors: Doors,
    ready: Ready,
    outputs: Outputs,
    delivered: tuple[Delivered, ...],
    wrapped: WrappedDataKey,
    *,
    access_key: AccessKey | None = None,
    look_again: bool = False,
) -> tuple[Proof, ...]:
    """Whether the application can open what was delivered."""
    doors.talk.section("Proof")
    doors.talk.working("becoming the application, and opening the key")
    proofs = delivery.prove(
        cloud=ready.cloud,
        prover=doors.prover,
        settings=ready.settings,
        outputs=outputs,
        delivered=delivered,
        wrapped=wrapped,
        hosting=ready.hosting if look_again else None,
        project=ready.findings.project,
        access_key=access_key,
    )
    for proof in proofs:
        doors.talk.line(f"{proof.target}: {proof.state}, {proof.detail}", mark=report.PROOF_MARKS[proof.state])
    return proofs


def find_standing(request: Request, doors: Doors) -> tuple[Ready, Outputs]:
    """A stack that is built, for the commands that build nothing."""
    interview = ask(request, doors)
    engine = doors.engine(interview.cloud.environment() if interview.cloud else {})
    ready = check(request, doors, interview, engine)
    outputs = ready.findings.state.outputs
    if outputs is None:
        raise StackNotFound(
            f"the stack {request.stack} is not built yet", f"python -m wizard setup --stack {request.stack}"
        )
    return ready, outputs
