"""`doctor` and `verify`: run the checks, show the findings with the commands that fix them, build the documents.

Reads through the clients and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict

from wizard.account import judgements as checks
from wizard.account.judgements.stack import COMPARISON, check_drift
from wizard.account.notices import Notice, State
from wizard.account.views import Diagnosis, build_diagnosis, diagnose, plain, unread
from wizard.commands import deployed_stack
from wizard.commands.push.deliver import targets_of
from wizard.core import json_documents, next_command
from wizard.core.clients import Clients, Request
from wizard.core.errors import CredentialsError, SetupError, StackNotFound
from wizard.core.models.inputs import Mark
from wizard.core.models.verification import Verification, VerificationState
from wizard.core.next_command import Call, Command, Text, eonpro
from wizard.core.retry import Threads
from wizard.core.safe_text import counted
from wizard.data_key import delivery
from wizard.setup import deliver_and_verify

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal


def run(request: Request, clients: Clients, *, quick: bool) -> tuple[int, json_documents.Document]:
    """`doctor`: show the diagnosis. Raises StackNotFound without settings."""
    clients.ui.working("checking the account, the state and the deploy targets")
    if not quick:
        clients.start_engine()
    diagnosis = _diagnosis(request, clients, compares=not quick)
    show(clients.ui, diagnosis, everything=request.everything)
    return diagnosis.exit_code, document(diagnosis)


def _diagnosis(request: Request, clients: Clients, *, compares: bool) -> Diagnosis:
    try:
        facts = deployed_stack.find(request, clients)
    except StackNotFound:
        raise
    except SetupError as error:
        is_refused = isinstance(error, CredentialsError)
        finding = Notice.wrong(
            "operator-credentials" if is_refused else "account-unreachable",
            what=error.message,
            why=f"without {'credentials' if is_refused else 'AWS'} nothing of the stack can be checked",
            hint=error.hint,
        )
        everything = Notice.unknown("the stack", why="the account could not be read")
        return build_diagnosis(request.stack, (finding, everything))
    diagnosis = diagnose(facts, checks.ALL_CHECKS, compare=check_drift if compares else None)
    skipped = () if compares else (Notice.person(COMPARISON),)
    return replace(diagnosis, notices=(*diagnosis.notices, *skipped))


def show(ui: Terminal, diagnosis: Diagnosis, *, everything: bool = False) -> None:
    """What is wrong, the root causes first; what is not known; what a person decides; and how many checks passed.

    `everything`: with each check that passed, and the reason and the command of what a person decides.
    """
    if diagnosis.findings:
        ui.section("What is wrong", "the root causes first")
    show_findings(ui, diagnosis.findings)
    follow = diagnosis.consequences
    if len(follow) > 1 and not everything:
        ui.line(f"{len(follow)} more follow from the causes above (--all lists them)", mark=Mark.INFO)
    else:
        for finding in follow:
            ui.line(f"{finding.what}: this follows from the causes above", mark=Mark.INFO)
    show_not_checked(ui, diagnosis)
    _show_decisions(ui, diagnosis, everything=everything)
    if diagnosis.passed and everything:
        ui.section("Passed")
        for what in diagnosis.passed:
            ui.line(what, mark=Mark.OK)
    ui.line()
    if diagnosis.healthy:
        everything_else = "everything else" if diagnosis.skipped else "everything"
        ui.line(f"healthy: {everything_else} was checked, and nothing is wrong", mark=Mark.OK)
    if not everything:
        ui.line(f"{counted(len(diagnosis.passed), 'check')} passed (--all lists them)")


_MOST_DECISIONS = 12
"""The most decisions of one kind on the screen; `--json` has all."""


def _show_decisions(ui: Terminal, diagnosis: Diagnosis, *, everything: bool) -> None:
    """What a person decides or has to look at; nothing of it is broken."""
    if diagnosis.advisories or diagnosis.undecided:
        ui.section("For a person to decide", "" if everything else "--all has the commands")
    for code in dict.fromkeys(each.code for each in diagnosis.advisories):
        same = [each for each in diagnosis.advisories if each.code == code]
        if everything:
            show_findings(ui, same[:_MOST_DECISIONS], mark=Mark.WARN)
        else:
            for each in same[:_MOST_DECISIONS]:
                ui.line(each.what, mark=Mark.WARN)
        if len(same) > _MOST_DECISIONS:
            more = f"and {len(same) - _MOST_DECISIONS} more: "
            ui.line(Text(more, eonpro("doctor", "--json")), mark=Mark.WARN)
    for what in diagnosis.undecided:
        ui.line(Text("not checked: ", what if everything else _without_command(what)), mark=Mark.INFO)


def _without_command(what: str) -> str:
    """A sentence without the command that it ends with."""
    if not isinstance(what, Text) or not isinstance(what.parts[-1], Call):
        return what
    return Text(*what.parts[:-1]).removesuffix(": ")


def show_not_checked(ui: Terminal, diagnosis: Diagnosis) -> None:
    """What nothing is known about, and the command that lets the caller read it."""
    if diagnosis.not_checked:
        ui.section("Not checked", "so nothing is known about it")
    for not_checked in diagnosis.not_checked:
        ui.line(Text(not_checked.what, ": ", not_checked.why), mark=Mark.WARN)
    for step in _next(diagnosis):
        ui.line(Text(step.advice, ":"))
        ui.verbatim(step)


def _next(diagnosis: Diagnosis) -> tuple[Command, ...]:
    """The command for what AWS does not let the caller read."""
    others = ("Vercel", "Pulumi", "GitHub")
    is_denied = any(entry.is_denied and not entry.why.startswith(others) for entry in diagnosis.not_checked)
    advice = "to let the doctor read it, an administrator of the account attaches this policy to the caller"
    return (eonpro("policy", "auditor", advice=advice),) if is_denied else ()


def show_findings(ui: Terminal, findings: Sequence[Notice], *, mark: Mark = Mark.FAIL) -> None:
    for finding in findings:
        ui.line(finding.what, mark=mark)
        ui.line(Text("  ", finding.why, f" ({finding.code})"))
        if finding.command:
            ui.verbatim(finding.command)
        if finding.advice:
            ui.line(Text("  then: " if finding.command else "  ", finding.advice))


class RequirementState(TypedDict):
    id: str
    state: State


class DoctorDocument(json_documents.Head):
    """What is wrong with a stack."""

    stack: str
    exitCode: int
    findings: list[json_documents.Finding]
    consequences: list[json_documents.Finding]
    decisions: list[json_documents.Finding]
    notChecked: list[json_documents.Unread]
    next: list[next_command.Document]
    skipped: list[str]
    passed: list[str]
    requirements: list[RequirementState]


def document(diagnosis: Diagnosis) -> DoctorDocument:
    """The JSON document of a diagnosis; `ok` is true if everything was checked and passed."""
    return {
        **json_documents.head("doctor", ok=diagnosis.healthy),
        "stack": diagnosis.stack,
        "exitCode": diagnosis.exit_code,
        "findings": [plain(finding) for finding in diagnosis.findings],
        "consequences": [plain(finding) for finding in diagnosis.consequences],
        "decisions": [plain(each) for each in diagnosis.advisories],
        "notChecked": [unread(entry) for entry in diagnosis.not_checked],
        "next": [next_command.document(step) for step in _next(diagnosis)],
        "skipped": list(diagnosis.skipped),
        "passed": list(diagnosis.passed),
        "requirements": [{"id": id_, "state": state} for id_, state in diagnosis.requirements.items()],
    }


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The verifications, and the causes of a failed one, or what was widened."""

    stack: str
    proofs: tuple[Verification, ...]
    diagnosis: Diagnosis | None = None
    """None if it was not made."""
    unknown: tuple[Notice, ...] = ()
    """What could not be read of who has more than the settings give."""


def run_verify(request: Request, clients: Clients, *, full: bool = False) -> tuple[int, json_documents.VerifyDocument]:
    """`verify`: show the verifications. Raises SetupError."""
    verified = verify(request, clients, full=full)
    findings = [plain(finding) for finding in verified.diagnosis.findings] if verified.diagnosis else []
    unknown = [unread(entry) for entry in verified.unknown]
    document = json_documents.verify(verified.stack, verified.proofs, findings, unknown)
    return int(not document["ok"]), document


def verify(request: Request, clients: Clients, *, full: bool = False) -> Verified:
    """Verify again that the application can decrypt the stored data key; find the causes if it cannot.

    `full`: with a round trip of a record, not by a dry run of KMS.
    """
    clients.ui.working("reading the stack")
    facts = deployed_stack.find(request, clients)
    with Threads(max_workers=1) as pool:
        # The application may be let in. Whether anybody else is, too, no proof says.
        widened = pool.submit(diagnose, facts, checks.RIGHTS_CHECKS)
        facts.read("state", "vercel_variables", "stored_data_key")
        deployed_stack.outputs_of(facts)
        context = facts.reachable(targets_of(request, facts))
        stored_data_key = deployed_stack.stored_data_key_of(facts)
        if stored_data_key is None:
            raise StackNotFound(
                f"{facts.settings.names.stored_data_key} has no data key yet",
                eonpro("push", "--stack", facts.stack),
            )
        delivered = delivery.deliveries_of(context, stored_data_key)
        proofs = deliver_and_verify.prove(
            clients, context, delivered, stored_data_key.wrapped, check_again=True, full=full
        )
    for proof in proofs:
        if proof.key_material:
            clients.ui.line(f"{proof.target}: opened with the key material {proof.key_material} of the KMS key")
    if all(proof.state is not VerificationState.FAILED for proof in proofs):
        diagnosis = widened.result()
        if diagnosis.findings:
            clients.ui.section("What was widened")
            show_findings(clients.ui, diagnosis.findings)
        show_not_checked(clients.ui, diagnosis)
        unknown = tuple(notice for notice in diagnosis.not_checked if notice.leaves_open)
        return Verified(stack=facts.stack, proofs=proofs, diagnosis=diagnosis, unknown=unknown)
    clients.ui.working("finding the cause")
    diagnosis = diagnose(facts, checks.ACCESS_CHECKS)
    clients.ui.section("What is wrong", "the root causes first")
    show_findings(clients.ui, diagnosis.findings)
    if not diagnosis.findings:
        clients.ui.line(Text("these checks found no cause: ", eonpro("doctor", "--stack", facts.stack)))
    return Verified(stack=facts.stack, proofs=proofs, diagnosis=diagnosis)
