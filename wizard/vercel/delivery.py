"""The delivery to Vercel: whose is what is there, one POST of all three, then proof by a new listing.

Writes `AWS_REGION`, `AWS_KMS_KEY_ID` and `ENCRYPTED_PHI_KEY` of one environment, never over another data key. It ends
with all three or as it began: see docs/decisions for what cannot be held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from components.settings import DATA_KEY_VARIABLE
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, ResourceError, SetupError, Unreachable, UsageError
from wizard.core.models.delivery import PRODUCTION, AppVariables, Delivered, DeliveryState, Scope
from wizard.vercel.conflicts import inherited_data_key
from wizard.vercel.variable_state import (
    MARK,
    SHAREABLE,
    ExpectedVariable,
    ListedVariable,
    Read,
    VariableState,
    entries_of,
    expected,
    foreign_data_key,
    same,
    state_of,
)
from wizard.vercel.variables import Posted, Variables, entry, post

_AGAIN = "run the same command again; until it has ended well, do not deploy the application"
_ONCE_MORE = "run the same command again; until then everything is as it was before"


@dataclass(frozen=True, kw_only=True)
class _Terms:
    """What is delivered, where to, and which data keys may make way."""

    batch: AppVariables
    scope: Scope
    replaceable: frozenset[str] = frozenset()


def refusal(
    variables: Variables,
    stored: WrappedDataKey | None,
    *,
    region: str | None,
    key_arn: str | None,
    replaceable: frozenset[str] = frozenset(),
    scope: Scope = PRODUCTION,
) -> str | None:
    """Why a delivery would be refused, in words; None when it would not be. Reads only."""
    listed = variables.list()
    read = variables.reader()
    if inherited := inherited_data_key(variables, listed, stored, read, replaceable=replaceable, scope=scope):
        return inherited
    if stored is not None and region and key_arn:
        batch = AppVariables(region=region, key_arn=key_arn, wrapped=stored)
        try:
            terms = _Terms(batch=batch, scope=scope, replaceable=replaceable)
            states = _examine(variables, terms, listed, None, read)
            _to_write(variables, states if _gaps(states) else ())
        except (DataKeyConflict, ResourceError) as error:
            return error.message
        return None
    if foreign := foreign_data_key(listed, stored, read, replaceable=replaceable, scope=scope):
        return f"{variables.owner}: {foreign}"
    shared = [each for each in listed if scope.sees(each) and scope.beside(each)]
    # A key yet to be made differs from any shared one; with an old one there may be nothing left to write.
    blocking = [each for each in shared if each.key == "AWS_KMS_KEY_ID" and stored is None]
    blocking += [each for each in shared if each.key == SHAREABLE and region and not same(each, region, read)]
    return shared_reason(variables, blocking, scope) if blocking else None


def deliver(
    variables: Variables,
    batch: AppVariables,
    *,
    replaceable: frozenset[str] = frozenset(),
    scope: Scope = PRODUCTION,
) -> Delivered:
    """The batch to the scope; see `wizard.vercel.client.Vercel.deliver`."""
    for name, value in batch.values:
        if not value or value.strip() != value:
            message = f"{name} is empty or has white space around it, and is not delivered"
            raise UsageError(message, "run the same command again")
    before, read = variables.list(), variables.reader()
    terms = _Terms(batch=batch, scope=scope, replaceable=replaceable)
    states = _examine(variables, terms, before, None, read)
    kept = tuple(each.expected.key for each in states if not each.gap)
    if not _gaps(states):
        return _delivered(variables, terms, states, DeliveryState.UNCHANGED, kept)
    writing = _to_write(variables, states, spared := _spared(states))
    former = take_snapshot(before, writing, read)
    taken: frozenset[str] = frozenset()
    while True:
        try:
            posted = _post(variables, writing, scope)
            taken |= set(posted.ids)
            known = before if posted.taken else None
            states = _list_again(variables, terms, known)
            if not _gaps(states):
                return _delivered(variables, terms, states, DeliveryState.WRITTEN, kept)
            if posted.definitive or not variables.deadline.wait(posted.reason, at_least=posted.retry_after):
                raise _incomplete(variables, states, posted)
            # Whoever put another data key there during the pause must not be overwritten either.
            states = _list_again(variables, terms, known)
            if not _gaps(states):
                return _delivered(variables, terms, states, DeliveryState.WRITTEN, kept)
            writing = _to_write(variables, states, spared)
        except SetupError as error:
            if not roll_back(variables, former, [each.expected for each in writing], taken, scope):
                raise
            hint = _ONCE_MORE if isinstance(error, (ResourceError, Unreachable)) else error.hint
            raise type(error)(f"{error.message}; what this run had set was taken back", hint) from error


def missing(variables: Variables, batch: AppVariables, *, scope: Scope = PRODUCTION) -> str | None:
    """What the scope lacks of the batch; see `wizard.vercel.client.Vercel.check`."""
    listed, read = variables.list(), variables.reader()
    if foreign := foreign_data_key(listed, batch.wrapped, read, scope=scope):
        return foreign
    gaps = _gaps(tuple(state_of(want, listed, read, None, scope) for want in expected(batch)))
    return "; ".join(f"{each.expected.key} {each.gap}" for each in gaps) or None


def _list_again(
    variables: Variables, terms: _Terms, before: tuple[ListedVariable, ...] | None
) -> tuple[VariableState, ...]:
    try:
        return _examine(variables, terms, variables.list(), before, variables.reader())
    except Unreachable as error:
        message = f"it is not known whether Vercel took the variables: {error.message}"
        raise Unreachable(message, _AGAIN) from error


def _examine(
    variables: Variables,
    terms: _Terms,
    listed: tuple[ListedVariable, ...],
    before: tuple[ListedVariable, ...] | None,
    read: Read,
) -> tuple[VariableState, ...]:
    batch, scope = terms.batch, terms.scope
    foreign = foreign_data_key(listed, batch.wrapped, read, before, replaceable=terms.replaceable, scope=scope)
    if foreign:
        raise DataKeyConflict(
            f"{variables.owner}: {foreign}",
            "find out what it is a key to; only if no record needs it:"
            f" vercel env rm {DATA_KEY_VARIABLE} {scope.typed}, then run the same command again",
        )
    return tuple(state_of(want, listed, read, before, scope) for want in expected(batch))


def _post(variables: Variables, writing: tuple[VariableState, ...], scope: Scope) -> Posted:
    batch = [
        entry(
            key=each.expected.key, value=each.expected.value, type=each.expected.type, comment=each.comment, scope=scope
        )
        for each in writing
    ]
    return post(variables, batch)


def _gaps(states: tuple[VariableState, ...]) -> tuple[VariableState, ...]:
    return tuple(each for each in states if each.gap)


def _spared(states: tuple[VariableState, ...]) -> tuple[str, ...]:
    """A data key that was there before, is right by its comment, and cannot be read back: its value stays, for nobody
    could restore it."""
    found = [each.expected.key for each in states if not each.gap and each.proof == "fingerprint"]
    return tuple(name for name in found if name == DATA_KEY_VARIABLE)


def _to_write(
    variables: Variables, states: tuple[VariableState, ...], spared: tuple[str, ...] = ()
) -> tuple[VariableState, ...]:
    """What goes into the POST: all three but the `spared`. Raises ResourceError where that would narrow an entry."""
    # A Region that is right and serves other environments too is left alone: a write would take it from them.
    kept = [each for each in states if each.shared and each.expected.key == SHAREABLE and not each.gap]
    blocking = [each for each in states if each.shared and each not in kept]
    if blocking:
        scope = blocking[0].scope
        raise ResourceError(
            shared_reason(variables, [each.entry for each in blocking if each.entry is not None], scope),
            f"in Vercel's settings take {scope.words} out of each or remove it, then run the same command",
        )
    return tuple(each for each in states if each not in kept and each.expected.key not in spared)


def shared_reason(variables: Variables, entries: Sequence[ListedVariable], scope: Scope = PRODUCTION) -> str:
    """Why variables that serve other environments than the scope too are not written."""
    reported = "; ".join(f"{each.key} ({each.id}) also serves {', '.join(scope.beside(each))}" for each in entries)
    return f"{variables.owner}: {reported}; it is not changed, for that would take it from there"


def _incomplete(variables: Variables, states: tuple[VariableState, ...], posted: Posted) -> ResourceError:
    missing = "; ".join(f"{each.expected.key}: {each.gap}" for each in _gaps(states))
    there = ", ".join(each.expected.key for each in states if not each.gap)
    words = posted.words
    for each in states:
        words = words.replace(each.expected.value, "…")
    said = f" (Vercel said: {words})" if words else ""
    rest = f"; in place: {there}" if there else ""
    return ResourceError(f"the variables of {variables.owner} are not complete: {missing}{rest}{said}", _AGAIN)


def _delivered(
    variables: Variables,
    terms: _Terms,
    states: tuple[VariableState, ...],
    state: DeliveryState,
    kept: tuple[str, ...],
) -> Delivered:
    proofs = {each.proof for each in states}
    checked = "values read back" if proofs == {"value"} else "listing and fingerprint"
    if "write" in proofs:
        checked = "listing"
    place = f"{variables.owner}, {terms.scope.words}"
    return Delivered(
        target="vercel",
        place=place,
        state=state,
        fingerprint=terms.batch.wrapped.fingerprint,
        checked_by=checked,
        kept=kept,
    )


# --- the rollback: only variables that this delivery wrote; what cannot be undone is right as it is ------------------

ROLLBACK_SECONDS = 30.0
"""How long it may take: time of its own, for the delivery has used its up."""

_ORDER = ("AWS_KMS_KEY_ID", "AWS_REGION", DATA_KEY_VARIABLE)
"""The application makes itself a new data key where it finds the KMS key alone: so that one first."""


@dataclass(frozen=True, kw_only=True)
class Former:
    """What was there before a delivery."""

    listed: tuple[ListedVariable, ...]
    values: dict[str, str] = field(repr=False)
    """By id, of the variables that the delivery is about to change, where Vercel tells them."""
    right: frozenset[str]
    """The ids of those that are written again with the value that they have."""

    def had(self, entry: ListedVariable) -> ListedVariable | None:
        """The variable as it was; None for one that is new."""
        return next((each for each in self.listed if each.id == entry.id), None)


def take_snapshot(listed: tuple[ListedVariable, ...], writing: Sequence[VariableState], read: Read) -> Former:
    """What a delivery is about to change. Reads only."""
    entries = [each.entry for each in writing if each.entry is not None and each.gap]
    values = {entry.id: value for entry in entries if entry.type != "sensitive" and (value := read(entry))}
    right = frozenset(each.entry.id for each in writing if each.entry is not None and not each.gap)
    return Former(listed=listed, values=values, right=right)


def roll_back(
    variables: Variables, former: Former, written: Sequence[ExpectedVariable], ids: frozenset[str], scope: Scope
) -> bool:
    """Whether something was taken back, and the scope is again as it was, but for values that were right already.

    `ids` are those that Vercel said it took; where no answer came, ours are known by their comment. Never raises a
    SetupError: the delivery's own is the one to tell.
    """
    fresh = variables.with_new_timeout(ROLLBACK_SECONDS)
    try:
        undone = [
            _undo(fresh, former, want, ids, scope) for want in sorted(written, key=lambda each: _ORDER.index(each.key))
        ]
        return any(undone) and _as_it_was(fresh, former, written, scope)
    except SetupError:
        return False


def _undo(fresh: Variables, former: Former, want: ExpectedVariable, ids: frozenset[str], scope: Scope) -> int:
    undone = 0
    for variable in entries_of(fresh.list(), want.key, scope):
        before = former.had(variable)
        if before is None and (variable.id in ids or _ours(variable, want)):
            fresh.remove(variable)
            undone += 1
        elif before is not None and before.stamp != variable.stamp and variable.id not in former.right:
            value = former.values.get(variable.id)
            # A value that was right, of another type, stays as it is now: nothing of it is lost.
            if value is not None and value != want.value:
                fresh.restore(before, value)
                undone += 1
    return undone


def _ours(variable: ListedVariable, want: ExpectedVariable) -> bool:
    return variable.comment.startswith(MARK) and variable.comment == want.comment


def _as_it_was(fresh: Variables, former: Former, written: Sequence[ExpectedVariable], scope: Scope) -> bool:
    listed, read = fresh.list(), fresh.reader()
    for want in written:
        entries = entries_of(listed, want.key, scope)
        if {each.id for each in entries} != {each.id for each in entries_of(former.listed, want.key, scope)}:
            return False
        for variable in entries:
            before, value = former.had(variable), former.values.get(variable.id)
            if variable.id in former.right:
                continue
            if before is None or (before.stamp != variable.stamp and value is None):
                return False
            if value is not None and before.stamp != variable.stamp and read(variable) not in (None, value):
                return False
    return True
