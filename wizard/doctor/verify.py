"""`verify`: the proof that the application opens the escrowed data key; where it fails, its cause and the command.

Pure: reads through the edges' Protocols and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.contract import Outputs, Target
from wizard import documents, handing_over, standing
from wizard.doctor import checks
from wizard.doctor.command import plain, show_findings
from wizard.doctor.diagnosis import Diagnosis, diagnose
from wizard.errors import StackNotFound
from wizard.escrow import find_escrow, region_of
from wizard.facts import Delivered, DeliveryState, Escrow, Proof, ProofState
from wizard.handing_over import Application
from wizard.push.delivering import application, targets_of
from wizard.steps import Doors, Request


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The proofs, and what keeps those that failed from being had."""

    stack: str
    proofs: tuple[Proof, ...]
    diagnosis: Diagnosis | None = None
    """None where no proof failed."""


def run(request: Request, doors: Doors) -> tuple[int, documents.Document]:
    """The proofs, told and as a document. Raises SetupError."""
    done = verify(request, doors)
    findings = [plain(each) for each in done.diagnosis.findings] if done.diagnosis else []
    told = documents.verify(done.stack, done.proofs, findings)
    return int(not told["ok"]), told


def verify(request: Request, doors: Doors) -> Verified:
    """Prove again that the application can open the escrowed key, and say what is in the way where it cannot."""
    doors.talk.working("looking at the stack")
    found = standing.find(request, doors)
    outputs = standing.outputs_of(found)
    to = application(found, targets_of(request, found))
    escrow = find_escrow(found.cloud, found.settings)
    if escrow is None:
        raise StackNotFound(
            f"{found.settings.names.escrow} holds no data key yet",
            f"python -m wizard push --stack {found.stack}",
        )
    delivered = _delivered(to, outputs, escrow)
    proofs = handing_over.prove(doors, to, outputs, delivered, escrow.wrapped, look_again=True)
    if all(proof.state is not ProofState.FAILED for proof in proofs):
        return Verified(stack=found.stack, proofs=proofs)
    doors.talk.working("looking for the cause")
    diagnosis = diagnose(found, doors, checks.OF_ACCESS)
    doors.talk.section("What is wrong", "the root causes first")
    show_findings(doors.talk, diagnosis.findings)
    if not diagnosis.findings:
        doors.talk.line(f"nothing that was looked at explains it: python -m wizard doctor --stack {found.stack}")
    return Verified(stack=found.stack, proofs=proofs, diagnosis=diagnosis)


def _delivered(to: Application, outputs: Outputs, escrow: Escrow) -> tuple[Delivered, ...]:
    """What should be at every target, in every Region: that it is, the proof looks at."""
    regions = [region_of(arn) for arn in outputs.key_arns]
    return tuple(
        Delivered(
            target=target,
            place=to.settings.names.escrow,
            state=DeliveryState.UNCHANGED,
            fingerprint=escrow.wrapped.fingerprint,
            checked_by="the escrow",
            region=region,
        )
        for target in to.targets
        for region in (regions if target is not Target.VERCEL else regions[:1])
    )
