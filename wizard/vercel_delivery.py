"""The delivery to Vercel: whose is what is there, one POST of all three, then proof by a new listing.

Writes `AWS_REGION`, `AWS_KMS_KEY_ID` and `ENCRYPTED_PHI_KEY` of production, never over another data key.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.contract import DATA_KEY_VARIABLE
from wizard.datakey import WrappedDataKey
from wizard.errors import DataKeyConflict, ResourceError, Unreachable, UsageError
from wizard.facts import Batch, Delivered, DeliveryState
from wizard.vercel_posting import Posted, entry, post
from wizard.vercel_shared import shared_data_key
from wizard.vercel_standing import SHAREABLE, ListedVariable, Read, Standing, foreign_data_key, same, stand, wanted
from wizard.vercel_variables import Variables

_AGAIN = "run the same command again; until it has ended well, do not deploy the application"


def refusal(
    variables: Variables,
    escrowed: WrappedDataKey | None,
    *,
    region: str | None,
    key_arn: str | None,
    replaceable: frozenset[str] = frozenset(),
) -> str | None:
    """Why a delivery would be refused, in words; None when it would not be. Reads only."""
    listed = variables.list()
    read = variables.reader()
    if of_the_team := shared_data_key(variables, listed, escrowed, replaceable):
        return of_the_team
    if escrowed is not None and region and key_arn:
        batch = Batch(region=region, key_arn=key_arn, wrapped=escrowed)
        try:
            standing = _examine(variables, batch, listed, None, read, replaceable)
            _to_write(variables, standing if _gaps(standing) else ())
        except (DataKeyConflict, ResourceError) as error:
            return error.message
        return None
    if foreign := foreign_data_key(listed, escrowed, read, replaceable=replaceable):
        return f"{variables.owner}: {foreign}"
    shared = [each for each in listed if each.in_production and each.elsewhere]
    # A key yet to be made differs from any shared one; with an old one there may be nothing left to write.
    blocking = [each for each in shared if each.key == "AWS_KMS_KEY_ID" and escrowed is None]
    blocking += [each for each in shared if each.key == SHAREABLE and region and not same(each, region, read)]
    return shared_words(variables, blocking) if blocking else None


def deliver(variables: Variables, batch: Batch, *, replaceable: frozenset[str] = frozenset()) -> Delivered:
    """The batch to production; see `wizard.vercel.Vercel.deliver`."""
    for name, value in batch.values:
        if not value or value.strip() != value:
            message = f"{name} is empty or has white space around it, and is not delivered"
            raise UsageError(message, "run the same command again")
    before = variables.list()
    standing = _examine(variables, batch, before, None, variables.reader(), replaceable)
    kept = tuple(each.wanted.key for each in standing if not each.gap)
    if not _gaps(standing):
        return _delivered(variables, batch, standing, DeliveryState.UNCHANGED, kept)
    spared = _spared(standing)
    while True:
        posted = _post(variables, _to_write(variables, standing, spared))
        known = before if posted.taken else None
        standing = _look_again(variables, batch, known, replaceable)
        if _gaps(standing):
            if posted.definitive or not variables.patience.pause(posted.retry_after):
                raise _incomplete(variables, standing, posted)
            # Whoever put another data key there during the pause must not be overwritten either.
            standing = _look_again(variables, batch, known, replaceable)
        if not _gaps(standing):
            return _delivered(variables, batch, standing, DeliveryState.WRITTEN, kept)


def lacking(variables: Variables, batch: Batch) -> str | None:
    """What production lacks of the batch; see `wizard.vercel.Vercel.check`."""
    listed, read = variables.list(), variables.reader()
    if foreign := foreign_data_key(listed, batch.wrapped, read):
        return foreign
    gaps = _gaps(tuple(stand(want, listed, read, None) for want in wanted(batch)))
    return "; ".join(f"{each.wanted.key} {each.gap}" for each in gaps) or None


def _look_again(
    variables: Variables,
    batch: Batch,
    before: tuple[ListedVariable, ...] | None,
    replaceable: frozenset[str],
) -> tuple[Standing, ...]:
    try:
        return _examine(variables, batch, variables.list(), before, variables.reader(), replaceable)
    except Unreachable as error:
        message = f"it is not known whether Vercel took the variables: {error.message}"
        raise Unreachable(message, _AGAIN) from error


def _examine(
    variables: Variables,
    batch: Batch,
    listed: tuple[ListedVariable, ...],
    before: tuple[ListedVariable, ...] | None,
    read: Read,
    replaceable: frozenset[str],
) -> tuple[Standing, ...]:
    if foreign := foreign_data_key(listed, batch.wrapped, read, before, replaceable=replaceable):
        raise DataKeyConflict(
            f"{variables.owner}: {foreign}",
            "find out what it is a key to; only if no record needs it:"
            f" vercel env rm {DATA_KEY_VARIABLE} production, then run the same command again",
        )
    return tuple(stand(want, listed, read, before) for want in wanted(batch))


def _post(variables: Variables, writing: tuple[Standing, ...]) -> Posted:
    batch = [
        entry(key=each.wanted.key, value=each.wanted.value, type=each.wanted.type, comment=each.comment)
        for each in writing
    ]
    return post(variables, batch)


def _gaps(standing: tuple[Standing, ...]) -> tuple[Standing, ...]:
    return tuple(each for each in standing if each.gap)


def _spared(standing: tuple[Standing, ...]) -> tuple[str, ...]:
    """A data key that was there before, is right by its comment, and cannot be read back: its value stays, for nobody
    could restore it."""
    found = [each.wanted.key for each in standing if not each.gap and each.proof == "fingerprint"]
    return tuple(name for name in found if name == DATA_KEY_VARIABLE)


def _to_write(
    variables: Variables, standing: tuple[Standing, ...], spared: tuple[str, ...] = ()
) -> tuple[Standing, ...]:
    """What goes into the POST: all three but the `spared`. Raises ResourceError where that would narrow an entry."""
    # A Region that is right and serves other environments too is left alone: a write would take it from them.
    kept = [each for each in standing if each.shared and each.wanted.key == SHAREABLE and not each.gap]
    shared = [each.entry for each in standing if each.shared and each not in kept and each.entry is not None]
    if shared:
        raise ResourceError(
            shared_words(variables, shared),
            "in Vercel's settings take production out of each or remove it, then run the same command",
        )
    return tuple(each for each in standing if each not in kept and each.wanted.key not in spared)


def shared_words(variables: Variables, entries: Sequence[ListedVariable]) -> str:
    """Why variables that serve other environments too are not written."""
    told = "; ".join(f"{each.key} ({each.id}) also serves {', '.join(each.elsewhere)}" for each in entries)
    return f"{variables.owner}: {told}; it is not changed, for that would take it from there"


def _incomplete(variables: Variables, standing: tuple[Standing, ...], posted: Posted) -> ResourceError:
    missing = "; ".join(f"{each.wanted.key}: {each.gap}" for each in _gaps(standing))
    there = ", ".join(each.wanted.key for each in standing if not each.gap)
    words = posted.words
    for each in standing:
        words = words.replace(each.wanted.value, "…")
    said = f" (Vercel said: {words})" if words else ""
    rest = f"; in place: {there}" if there else ""
    return ResourceError(f"the variables of {variables.owner} are not complete: {missing}{rest}{said}", _AGAIN)


def _delivered(
    variables: Variables,
    batch: Batch,
    standing: tuple[Standing, ...],
    state: DeliveryState,
    kept: tuple[str, ...],
) -> Delivered:
    proofs = {each.proof for each in standing}
    checked = "values read back" if proofs == {"value"} else "listing and fingerprint"
    if "write" in proofs:
        checked = "listing"
    place = f"{variables.owner}, production"
    return Delivered(
        target="vercel",
        place=place,
        state=state,
        fingerprint=batch.wrapped.fingerprint,
        checked_by=checked,
        kept=kept,
    )
