"""`verify`: the proof that the application opens the escrowed data key; where it fails, its cause and the command.

Pure: reads through the edges' Protocols and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from wizard.commands import deployed_stack
from wizard.commands.doctor.checks import all_checks
from wizard.commands.doctor.command import plain, show_findings
from wizard.commands.doctor.diagnosis import Diagnosis, diagnose
from wizard.commands.push.deliver import targets_of
from wizard.core import json_documents
from wizard.core.errors import StackNotFound
from wizard.core.models.delivery import (
    Delivered,
    DeliveryState,
    StoredDataKey,
    Verification,
    VerificationState,
)
from wizard.core.next_command import wizard
from wizard.data_key.storage import find_stored_data_key
from wizard.setup import deliver_and_verify
from wizard.setup.steps import Clients, Request
from wizard.targets.port import TargetContext, deploy_target


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The proofs, and what keeps those that failed from being had."""

    stack: str
    proofs: tuple[Verification, ...]
    diagnosis: Diagnosis | None = None
    """None where no proof failed."""


def run(request: Request, clients: Clients) -> tuple[int, json_documents.Document]:
    """The proofs, told and as a document. Raises SetupError."""
    done = verify(request, clients)
    findings = [plain(each) for each in done.diagnosis.findings] if done.diagnosis else []
    told = json_documents.verify(done.stack, done.proofs, findings)
    return int(not told["ok"]), told


def verify(request: Request, clients: Clients) -> Verified:
    """Prove again that the application can open the escrowed key, and say what is in the way where it cannot."""
    clients.ui.working("looking at the stack")
    found = deployed_stack.find(request, clients)
    deployed_stack.outputs_of(found)
    context = found.reachable(targets_of(request, found))
    stored_data_key = find_stored_data_key(found.aws, found.settings)
    if stored_data_key is None:
        raise StackNotFound(
            f"{found.settings.names.stored_data_key} holds no data key yet",
            wizard("push", "--stack", found.stack),
        )
    delivered = _delivered(context, stored_data_key)
    proofs = deliver_and_verify.prove(clients, context, delivered, stored_data_key.wrapped, check_again=True)
    if all(proof.state is not VerificationState.FAILED for proof in proofs):
        return Verified(stack=found.stack, proofs=proofs)
    clients.ui.working("looking for the cause")
    diagnosis = diagnose(found, clients, all_checks.OF_ACCESS)
    clients.ui.section("What is wrong", "the root causes first")
    show_findings(clients.ui, diagnosis.findings)
    if not diagnosis.findings:
        clients.ui.line("nothing that was checked explains it; check everything:")
        clients.ui.verbatim(wizard("doctor", "--stack", found.stack))
    return Verified(stack=found.stack, proofs=proofs, diagnosis=diagnosis)


def _delivered(context: TargetContext, stored_data_key: StoredDataKey) -> tuple[Delivered, ...]:
    """What should be at every target, in every Region: that it is, the proof looks at."""
    return tuple(
        Delivered(
            target=target.name,
            place=context.settings.names.stored_data_key,
            state=DeliveryState.UNCHANGED,
            fingerprint=stored_data_key.wrapped.fingerprint,
            checked_by="the escrow",
            region=region,
        )
        for target in map(deploy_target, context.targets)
        for region in target.regions(context.settings)
    )
