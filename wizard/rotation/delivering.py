"""What a change of the current data key means for its targets: refused beforehand, delivered, proved.

Pure: acts through the edges' Protocols.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from components.contract import Target
from wizard import delivery, handing_over
from wizard.datakey import WrappedDataKey
from wizard.errors import DataKeyConflict
from wizard.facts import Delivered, Proof
from wizard.facts_rotation import EscrowedVersion
from wizard.handing_over import Application
from wizard.push.delivering import application
from wizard.rotation.holding import Holding
from wizard.steps import Doors


@dataclass(frozen=True, kw_only=True)
class Handed:
    """The current data key where the application gets it."""

    delivered: tuple[Delivered, ...]
    proofs: tuple[Proof, ...]


def deliverable(holding: Holding, version: EscrowedVersion, kept: frozenset[str]) -> Application:
    """The application, reached. Raises, before anything is changed, what would keep the version from its targets.

    `kept` are the fingerprints of all kept versions: of data keys that may make way at a target.
    """
    to = application(holding.found, holding.settings.deploy_targets)
    if Target.VERCEL not in to.targets:
        return to
    assert to.hosting is not None and to.project is not None
    conflict = to.hosting.conflict(
        to.project,
        version.wrapped,
        region=holding.settings.region,
        key_arn=holding.outputs.key_arn,
        replaceable=kept,
    )
    if conflict:
        raise DataKeyConflict(
            f"{conflict}; nothing was changed",
            f"python -m wizard doctor --stack {holding.stack}   # what stands there, and whose it is",
        )
    return to


def replaceable(versions: Iterable[EscrowedVersion]) -> frozenset[str]:
    """The data keys that may make way at a target: those that are kept."""
    return frozenset(each.fingerprint for each in versions)


def hand_over(doors: Doors, holding: Holding, to: Application, wrapped: WrappedDataKey, kept: frozenset[str]) -> Handed:
    """The data key to every target in every Region, checked, and the proof that the application opens it there."""
    talk = doors.talk
    talk.section("Delivery", f"if it stops here: python -m wizard push --stack {holding.stack}")
    talk.working("delivering the three variables")
    delivered = delivery.deliver(
        cloud=to.cloud,
        hosting=to.hosting,
        project=to.project,
        settings=to.settings,
        outputs=holding.outputs,
        targets=to.targets,
        wrapped=wrapped,
        tell=lambda result: handing_over.tell_delivered(talk, result),
        replaceable=kept,
    )
    proofs = handing_over.prove(doors, to, holding.outputs, delivered, wrapped)
    return Handed(delivered=delivered, proofs=proofs)
