"""What a change of the current data key means for its targets: refused beforehand, delivered, proved.

Pure: acts through the edges' Protocols.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wizard.commands.rotate.data_key_versions import DataKeyStore
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict
from wizard.core.models.delivery import Delivered, Verification
from wizard.core.models.rotation import DataKeyVersion
from wizard.core.next_command import wizard
from wizard.data_key import delivery
from wizard.setup import deliver_and_verify
from wizard.setup.steps import Clients
from wizard.targets.port import TargetContext, deploy_target


@dataclass(frozen=True, kw_only=True)
class RotationDelivery:
    """The current data key where the application gets it."""

    delivered: tuple[Delivered, ...]
    proofs: tuple[Verification, ...]


def deliverable(data_keys: DataKeyStore, version: DataKeyVersion, kept: frozenset[str]) -> TargetContext:
    """The application, reached. Raises, before anything is changed, what would keep the version from its targets.

    `kept` are the fingerprints of all kept versions: of data keys that may make way at a target.
    """
    context = data_keys.found.reachable()
    for target in map(deploy_target, context.targets):
        conflict = target.conflict(context, version.wrapped, key_arn=data_keys.outputs.key_arn, replaceable=kept)
        if conflict:
            raise DataKeyConflict(
                f"{conflict.message}; nothing was changed",
                wizard("doctor", "--stack", data_keys.stack, advice="what is there, and whose it is"),
            )
    return context


def replaceable(versions: Iterable[DataKeyVersion]) -> frozenset[str]:
    """The data keys that may make way at a target: those that are kept."""
    return frozenset(each.fingerprint for each in versions)


def deliver_to_targets(
    clients: Clients, data_keys: DataKeyStore, context: TargetContext, wrapped: WrappedDataKey, kept: frozenset[str]
) -> RotationDelivery:
    """The data key to every target in every Region, checked, and the proof that the application opens it there."""
    ui = clients.ui
    ui.section("Delivery", f"if it stops here: python -m wizard push --stack {data_keys.stack}")
    ui.working("delivering the three variables")
    delivered = delivery.deliver(
        context,
        wrapped,
        on_delivered=lambda result: deliver_and_verify.tell_delivered(ui, result),
        replaceable=kept,
    )
    proofs = deliver_and_verify.prove(clients, context, delivered, wrapped)
    return RotationDelivery(delivered=delivered, proofs=proofs)
