"""The proof that the key opens the data key in use, before the escrow, which is written once, takes it.

Pure: acts through the edges' Protocols.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.contract import Outputs, Settings, Target
from wizard.adoption_data_key import GIVEN_VARIABLE
from wizard.datakey import WrappedDataKey
from wizard.errors import DataKeyConflict
from wizard.facts import Batch
from wizard.protocols import Cloud, Prover


@dataclass(frozen=True, kw_only=True)
class Beforehand:
    """What was learnt of a data key before it was escrowed."""

    proved: bool
    """False where nobody here can be the application; then it is taken as it was found or given."""
    words: str


def prove_beforehand(
    *,
    cloud: Cloud,
    prover: Prover,
    settings: Settings,
    outputs: Outputs,
    targets: tuple[Target, ...],
    wrapped: WrappedDataKey,
) -> Beforehand:
    """As the application, open the data key; the first target whose credentials can be had is enough.

    Raises DataKeyConflict when the application cannot open it, for whatever cause: nothing is written then.
    """
    batch = Batch(region=settings.region, key_arn=outputs.key_arn, wrapped=wrapped)
    for target in targets:
        principal = outputs.principal_of(target)
        found = cloud.app_credentials(principal, target=target).found
        if found is None:
            continue
        verdict = prover.prove(found, batch)
        if not verdict.proved or verdict.fingerprint != wrapped.fingerprint:
            cause = f"{verdict.cause}: {verdict.message}" if not verdict.proved else f"it opened {verdict.fingerprint}"
            raise DataKeyConflict(
                f"the application cannot open the data key {wrapped.fingerprint} with the key {outputs.key_arn} "
                f"({cause}); it was not escrowed, and nothing was delivered",
                f"if it is another key's: unset {GIVEN_VARIABLE}, or copy ENCRYPTED_PHI_KEY whole from where the "
                "application gets it; if the application may not use the key: repair its parts (--repair all); then "
                "run the same command again",
            )
        return Beforehand(proved=True, words=f"{wrapped.fingerprint} is opened by the key, as {principal}")
    return Beforehand(
        proved=False,
        words=f"{wrapped.fingerprint} is escrowed unproved: the application's credentials cannot be had from here",
    )
