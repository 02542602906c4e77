"""The delivery to Vercel: a check of the existing variables, one write of all of them, a new listing.

Writes `AWS_REGION`, `AWS_KMS_KEY_ID`, `ENCRYPTED_PHI_KEY` and the other stored values of one
environment, under the names that the settings give them, never over another key. It ends with all of them or as it
began; after a kill, or where Vercel fails for good half-way, the next push completes it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from components.settings import DATA_KEY_VARIABLE
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import (
    DataKeyConflict,
    ResourceError,
    SetupError,
    SharedSecretRefused,
    Unreachable,
    UsageError,
)
from wizard.core.models.delivery import AppVariables, Delivered, DeliveryState
from wizard.core.models.vercel import PRODUCTION
from wizard.core.next_command import Text, eonpro
from wizard.core.safe_text import clean, quoted
from wizard.core.variable_ownership import ForeignVariable, OwnValues, VariablesNotOurs, shown
from wizard.vercel.conflicts import inherited_data_key, names_of
from wizard.vercel.rollback import roll_back, take_snapshot
from wizard.vercel.variable_state import (
    ListedVariable,
    Read,
    VariableState,
    entries_of,
    expected,
    foreign_data_key,
    is_foreign,
    same,
    state_of,
)
from wizard.vercel.variables import Change, Variables, WriteResult, write

AGAIN = "run the same command again; until it has succeeded, do not deploy the application"
_ONCE_MORE = "run the same command again; until then everything is as it was before"


@dataclass(frozen=True, kw_only=True)
class _Terms:
    """The variables to deliver, and the data keys that they may replace."""

    batch: AppVariables
    replaceable: frozenset[str] = frozenset()


def refusal(
    variables: Variables,
    stored: WrappedDataKey | None,
    *,
    region: str | None = None,
    key_arn: str | None = None,
    replaceable: frozenset[str] = frozenset(),
    name: str = DATA_KEY_VARIABLE,
) -> str | None:
    """Why a delivery would be refused, in words; None when it would not be. Reads only.

    `stored` is the stored key of that guide's name, None when it does not exist yet. With `region`, and `key_arn` where
    the key exists already, the other two variables are compared as well.
    """
    listed = variables.list()
    scope, read = variables.scope, variables.reader(listed)
    # Where none is stored, one under the guide's name may be the application's too.
    delivered_names = names_of(variables, name) if stored is None else (variables.names[name],)
    for delivered_name in delivered_names:
        inherited = inherited_data_key(variables, listed, stored, read, replaceable=replaceable, name=delivered_name)
        if inherited:
            return inherited
    if stored is not None and region and key_arn:
        batch = AppVariables(region=region, key_arn=key_arn, wrapped=stored, names=variables.names)
        # Whether other variables may be replaced is a question of its own: `foreign_variables`.
        batch = replace(batch, replaces=frozenset(variables.names.every))
        try:
            terms = _Terms(batch=batch, replaceable=replaceable)
            states = _examine(variables, terms, listed, None, read)
            _to_write(variables, states if _gaps(states) else ())
        except DataKeyConflict as error:
            return error.message
        except ResourceError as error:
            return Text(error.message, ": ", error.hint)
        return None
    for delivered_name in delivered_names:
        foreign = foreign_data_key(listed, stored, read, replaceable=replaceable, scope=scope, name=delivered_name)
        if foreign:
            return f"{variables.owner}: {foreign}"
    shared = [variable for variable in listed if scope.sees(variable) and scope.beside(variable)]
    # A key that is still to be created differs from any shared one; with an existing key nothing may be left to write.
    blocking = [variable for variable in shared if variable.key == variables.names.key_id and stored is None]
    blocking += [
        variable
        for variable in shared
        if variable.key == variables.names.region and region and not same(variable, region, read)
    ]
    return Text(shared_reason(variables, blocking), ": ", shared_fix(variables, blocking)) if blocking else None


def deliver(
    variables: Variables,
    batch: AppVariables,
    *,
    replaceable: frozenset[str] = frozenset(),
) -> Delivered:
    """Deliver the batch to the scope, checked by a new listing; nothing is written when it is in place.

    `replaceable` are the fingerprints of data keys that it may replace: stored versions.

    Raises DataKeyConflict when the scope has another data key, ResourceError when Vercel does not store
    all three or one serves other environments too, Unreachable when it is unknown what was written.
    """
    for name, value in batch.values:
        if not value or value.strip() != value:
            message = f"{name} is empty or has white space around it, and is not delivered"
            raise UsageError(message, "run the same command again")
    before = variables.list()
    read = variables.reader(before)
    terms = _Terms(batch=batch, replaceable=replaceable)
    states = _examine(variables, terms, before, None, read)
    if not _gaps(states):
        return _delivered(variables, terms, states, DeliveryState.UNCHANGED)
    writing = _to_write(variables, states, spared := _spared(variables, states))
    snapshot = take_snapshot(before, writing, read)
    written_ids: frozenset[str] = frozenset()
    while True:
        try:
            result = _write(variables, writing)
            written_ids |= set(result.ids)
            known = before if result.is_accepted else None
            states = _list_again(variables, terms, known)
            if not _gaps(states):
                return _delivered(variables, terms, states, DeliveryState.WRITTEN)
            if result.definitive or not variables.deadline.wait(result.reason, at_least=result.retry_after):
                raise _incomplete(variables, states, result)
            # A data key that somebody else set during the pause must not be overwritten either.
            states = _list_again(variables, terms, known)
            if not _gaps(states):
                return _delivered(variables, terms, states, DeliveryState.WRITTEN)
            writing = _to_write(variables, states, spared)
        except SetupError as error:
            if not roll_back(variables, snapshot, [state.expected for state in writing], written_ids):
                raise
            hint = _ONCE_MORE if isinstance(error, (ResourceError, Unreachable)) else error.hint
            raise type(error)(f"{error.message}; what this run had written was rolled back", hint) from error


def missing(variables: Variables, batch: AppVariables) -> str | None:
    """The difference between the scope and the batch; see `wizard.vercel.client.Vercel.check`."""
    listed, scope = variables.list(), variables.scope
    read = variables.reader(listed)
    for name, wrapped in batch.delivered_keys:
        if foreign := foreign_data_key(listed, wrapped, read, scope=scope, name=name):
            return foreign
    gaps = _gaps(tuple(state_of(desired, listed, read, None, scope, variables.names) for desired in expected(batch)))
    return "; ".join(f"{state.expected.key} {state.gap}" for state in gaps) or None


def _list_again(
    variables: Variables, terms: _Terms, before: tuple[ListedVariable, ...] | None
) -> tuple[VariableState, ...]:
    try:
        listed = variables.list()
        return _examine(variables, terms, listed, before, variables.reader(listed))
    except Unreachable as error:
        message = f"it is unknown whether Vercel stored the variables: {error.message}"
        raise Unreachable(message, AGAIN) from error


def _examine(
    variables: Variables,
    terms: _Terms,
    listed: tuple[ListedVariable, ...],
    before: tuple[ListedVariable, ...] | None,
    read: Read,
) -> tuple[VariableState, ...]:
    batch, scope = terms.batch, variables.scope
    for name, wrapped in batch.delivered_keys:
        foreign = foreign_data_key(listed, wrapped, read, before, replaceable=terms.replaceable, scope=scope, name=name)
        if foreign:
            raise DataKeyConflict(
                f"{variables.owner}: {foreign}",
                Text(
                    "find out which records need it; only if none does: ",
                    *(scope.removal([name]), ", then run the same command again"),
                ),
            )
    states = tuple(state_of(desired, listed, read, before, scope, variables.names) for desired in expected(batch))
    incomplete = {state.expected.key for state in _gaps(states) if not state.shared}
    if unagreed := incomplete - batch.replaces:
        found = _foreign(variables, listed, read, batch.own_values)
        if not_ours := [variable for variable in found if variable.name in unagreed]:
            raise VariablesNotOurs(not_ours, eonpro("push"), agreed=batch.replaces)
    return states


def foreign_variables(variables: Variables, own: OwnValues) -> tuple[ForeignVariable, ...]:
    """The scope's variables, except the data key, whose values this program did not write. Reads only."""
    listed = variables.list()
    return _foreign(variables, listed, variables.reader(listed), own)


def _foreign(
    variables: Variables, listed: tuple[ListedVariable, ...], read: Read, own: OwnValues
) -> tuple[ForeignVariable, ...]:
    scope, names = variables.scope, variables.names
    # One that serves other environments too is not written: `shared_fix` has the way to a variable of its own.
    entries = [
        entry
        for name in (names[variable] for variable in reversed(own.variables))
        for entry in entries_of(listed, name, scope)
        if not scope.beside(entry)
    ]
    return tuple(
        ForeignVariable(
            name=entry.key,
            place=f"{scope.words} of {variables.owner}",
            value=shown(entry.value or read(entry)),
        )
        for entry in entries
        if is_foreign(entry, listed, read, own, scope, names)
    )


def _write(variables: Variables, writing: tuple[VariableState, ...]) -> WriteResult:
    changes = [
        Change.of(
            state.entry,
            key=state.expected.key,
            value=state.expected.value,
            type=state.expected.type,
            comment=state.comment,
            scope=variables.scope,
        )
        for state in writing
    ]
    return write(variables, changes)


def _gaps(states: tuple[VariableState, ...]) -> tuple[VariableState, ...]:
    return tuple(state for state in states if state.gap)


def _spared(variables: Variables, states: tuple[VariableState, ...]) -> tuple[str, ...]:
    """The keys whose value this program did not write: a person named them, and no value could be restored."""
    return tuple(
        state.expected.key
        for state in states
        if state.expected.key in variables.names.wrapped_keys and not state.gap and state.proof == "fingerprint"
        if state.entry is not None and state.entry.comment != state.expected.comment
    )


def _to_write(
    variables: Variables, states: tuple[VariableState, ...], spared: tuple[str, ...] = ()
) -> tuple[VariableState, ...]:
    """The variables to write: all without the `spared`. Raises ResourceError for one with other environments."""
    # The Region does not depend on the key, and is often set for all environments. One that is right is not written:
    # the write would remove it from the others.
    unchanged = [
        state for state in states if state.shared and state.expected.key == variables.names.region and not state.gap
    ]
    blocking = [state for state in states if state.shared and state not in unchanged]
    if blocking:
        entries = [state.entry for state in blocking if state.entry is not None]
        raise ResourceError(shared_reason(variables, entries), shared_fix(variables, entries))
    return tuple(state for state in states if state not in unchanged and state.expected.key not in spared)


def shared_reason(variables: Variables, entries: Sequence[ListedVariable]) -> str:
    """Why variables that also serve other environments are not written."""
    reported = "; ".join(
        f"{variable.key} ({variable.id}) also serves {clean(', '.join(variables.scope.beside(variable)))}"
        for variable in entries
    )
    return f"{variables.owner}: {reported}; it was not changed: a change would remove it from there"


def shared_fix(variables: Variables, entries: Sequence[ListedVariable]) -> str:
    """The hint: how to give the scope variables of its own and keep the shared ones for the other environments."""
    if (scope := variables.scope) != PRODUCTION:
        return f"in Vercel's settings remove {scope.words} from each of them or delete it, then run the same command"
    return eonpro(
        "push", "--rename-existing", entries[0].id, advice="the shared entry continues to serve the other environments"
    )


_SEPARATE_SECRETS = re.compile(r"production secrets?.*(different value|separat|own environment group)", re.IGNORECASE)
"""In Vercel's words: a team's policy that no other environment has production's Secrets (Vercel's CLI 64)."""


def _incomplete(variables: Variables, states: tuple[VariableState, ...], result: WriteResult) -> SetupError:
    if _SEPARATE_SECRETS.search(result.words):
        return SharedSecretRefused(
            f"{variables.owner}: the team on Vercel does not let {variables.scope.words} have production's Secret",
            "give that environment a stack, and so a data key, of its own",
        )
    missing = "; ".join(f"{state.expected.key}: {state.gap}" for state in _gaps(states))
    in_place = ", ".join(state.expected.key for state in states if not state.gap)
    words = result.words
    for state in states:
        words = words.replace(state.expected.value, "…")
    said = f" (Vercel said: {quoted(words)})" if words else ""
    rest = f"; in place: {in_place}" if in_place else ""
    return ResourceError(f"the variables of {variables.owner} are not complete: {missing}{rest}{said}", AGAIN)


def _delivered(
    variables: Variables,
    terms: _Terms,
    states: tuple[VariableState, ...],
    state: DeliveryState,
) -> Delivered:
    proofs = {checked_state.proof for checked_state in states}
    checked = "values read back" if proofs == {"value"} else "listing and fingerprint"
    if "write" in proofs:
        checked = "listing"
    place = f"{variables.owner}, {variables.scope.words}"
    return Delivered(
        target="vercel",
        place=place,
        state=state,
        fingerprint=terms.batch.wrapped.fingerprint,
        checked_by=checked,
    )
