"""The escrow's copies in the Regions of the key's replicas.

Pure: reads through the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Unlooked, Well
from wizard.errors import SetupError
from wizard.escrow import region_of
from wizard.facts import Escrow


def the_replicas_escrows(evidence: Evidence) -> Iterator[Told]:
    """Whether each holds the data key that the escrow holds."""
    escrow, outputs, settings = evidence.escrow, evidence.outputs, evidence.settings
    if outputs is None or not isinstance(escrow, Escrow):
        return  # Told by the check of the escrow.
    name, ours = settings.names.escrow, escrow.wrapped.fingerprint
    for region in map(region_of, outputs.replica_key_arns):
        read = partial(evidence.cloud.with_region(region).read_escrow, name, store=settings.secret_store)
        copy = evidence.once(f"escrow in {region}", read)
        if isinstance(copy, SetupError):
            yield Unlooked.of(f"the escrow {name} in {region}", copy)
        elif copy is None:
            yield Finding(
                cause="escrow-replica-missing",
                what=f"there is no copy of the escrow {name} in {region}",
                why=f"the application in {region} finds no data key, and there is one copy less to lose",
                command=remedies.push(evidence),
            )
        elif copy.wrapped != escrow.wrapped:
            yield Finding(
                cause="escrow-replica-differs",
                what=f"the escrow {name} in {region} holds {copy.wrapped.fingerprint}, not {ours}",
                why="what one Region encrypts, the other cannot read",
                command=remedies.wizard(evidence, "restore", "--version", ours, "--confirm", evidence.stack),
            )
        else:
            yield Well(what=f"the escrow in {region} holds the same data key")
