"""What follows a change of the current data key: its delivery to every target, the proof, and the offer to redeploy.

Pure: acts through the edges' Protocols.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from components.contract import Target
from wizard import delivery, report
from wizard.datakey import WrappedDataKey
from wizard.errors import DataKeyConflict, MissingAnswers, SetupError
from wizard.facts import Delivered, DeliveryState, Mark, Proof
from wizard.facts_rotation import EscrowedVersion
from wizard.rotation.holding import Holding
from wizard.steps import Doors


@dataclass(frozen=True, kw_only=True)
class Handed:
    """The current data key where the application gets it."""

    delivered: tuple[Delivered, ...]
    proofs: tuple[Proof, ...]


def refuse_undeliverable(holding: Holding, version: EscrowedVersion, kept: frozenset[str]) -> None:
    """Raises, before anything is changed, what would keep the version from its targets."""
    found, settings = holding.found, holding.settings
    if Target.VERCEL not in settings.deploy_targets:
        return
    if found.hosting is None:
        raise MissingAnswers(
            "the stack delivers to Vercel, and there is no token for it; nothing was changed",
            "export VERCEL_TOKEN=…   # or --vercel-token-file FILE",
            ("vercel_token",),
        )
    if isinstance(found.project, SetupError):
        raise found.project
    assert found.project is not None
    conflict = found.hosting.conflict(
        found.project,
        version.wrapped,
        region=settings.region,
        key_arn=holding.outputs.key_arn,
        replaceable=kept,
    )
    if conflict:
        raise DataKeyConflict(
            f"{conflict}; nothing was changed",
            f"python -m wizard doctor --stack {holding.stack}   # what stands there, and whose it is",
        )


def replaceable(versions: Iterable[EscrowedVersion]) -> frozenset[str]:
    """The data keys that may make way at a target: those that are kept."""
    return frozenset(each.fingerprint for each in versions)


def hand_over(doors: Doors, holding: Holding, wrapped: WrappedDataKey, kept: frozenset[str]) -> Handed:
    """The data key to every target in every Region, checked, and the proof that the application opens it there.

    `kept` are the fingerprints of all kept versions: of data keys that may make way at a target.
    """
    talk, found = doors.talk, holding.found
    talk.section("Delivery", f"if it stops here: python -m wizard push --stack {holding.stack}")
    talk.working("delivering the three variables")

    def tell(result: Delivered) -> None:
        did = "written" if result.state is DeliveryState.WRITTEN else "there already"
        talk.line(f"{result.place}: {did}; checked by {result.checked_by}", mark=Mark.OK)

    project = None if isinstance(found.project, SetupError) else found.project
    delivered = delivery.deliver(
        cloud=found.cloud,
        hosting=found.hosting,
        project=project,
        settings=holding.settings,
        outputs=holding.outputs,
        targets=holding.settings.deploy_targets,
        wrapped=wrapped,
        tell=tell,
        replaceable=kept,
    )
    talk.section("Proof")
    talk.working("becoming the application, and opening the key")
    proofs = delivery.prove(
        cloud=found.cloud,
        prover=doors.prover,
        settings=holding.settings,
        outputs=holding.outputs,
        delivered=delivered,
        wrapped=wrapped,
    )
    for proof in proofs:
        talk.line(f"{proof.target}: {proof.state}, {proof.detail}", mark=report.PROOF_MARKS[proof.state])
    return Handed(delivered=delivered, proofs=proofs)


def documents_of(handed: Handed) -> Mapping[str, Any]:
    """The part of the document."""
    return {
        "delivered": [
            {"target": d.target, "place": d.place, "state": d.state, "fingerprint": d.fingerprint}
            for d in handed.delivered
        ],
        "proofs": [
            {"target": p.target, "state": p.state, "principal": p.principal, "detail": p.detail, "at": p.at}
            for p in handed.proofs
        ],
    }
