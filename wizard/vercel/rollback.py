"""The rollback of a delivery to Vercel: the variables as they were before it, those that it wrote alone.

Removes and restores variables of one environment.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from wizard.core.errors import SetupError
from wizard.vercel.variable_state import ExpectedVariable, ListedVariable, Read, VariableState, entries_of
from wizard.vercel.variables import Variables

ROLLBACK_SECONDS = 30.0
"""Limit of the rollback, in addition to the time of the delivery."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The variables before a delivery."""

    listed: tuple[ListedVariable, ...]
    values: dict[str, str] = field(repr=False)
    """Former values of the variables that the delivery is about to change, by ID, where Vercel shows them."""
    right: frozenset[str]
    """The ids of those that are written again with the same value."""

    def find(self, entry: ListedVariable) -> ListedVariable | None:
        """The variable as it was; None for a new one."""
        return next((variable for variable in self.listed if variable.id == entry.id), None)

    def has(self, entry: ListedVariable) -> bool:
        """Whether the variable is as it was, or was only written again with the same value."""
        return entry.id in self.right or entry.stamp in {variable.stamp for variable in self.listed}


def take_snapshot(listed: tuple[ListedVariable, ...], writing: Sequence[VariableState], read: Read) -> Snapshot:
    """The variables that a delivery is about to change. Reads only."""
    entries = [state.entry for state in writing if state.entry is not None and state.gap]
    values = {entry.id: value for entry in entries if entry.type != "sensitive" and (value := read(entry))}
    right = frozenset(state.entry.id for state in writing if state.entry is not None and not state.gap)
    return Snapshot(listed=listed, values=values, right=right)


def roll_back(
    variables: Variables, snapshot: Snapshot, written: Sequence[ExpectedVariable], ids: frozenset[str]
) -> bool:
    """Whether something was undone and the scope is again as it was, except for values that were right already.

    `ids` are those that Vercel said it stored; without an answer our variables are recognized by their comment. Never
    raises a SetupError: the delivery's own error is the one to report.
    """
    fresh = variables.with_new_timeout(ROLLBACK_SECONDS)
    undone = False
    try:
        # The KMS key first: the application would create a new data key if it found the KMS key alone.
        order = (fresh.names.key_id, fresh.names.region, *fresh.names.optional, *fresh.names.wrapped_keys)
        for desired in sorted(written, key=lambda variable: order.index(variable.key)):
            for variable in entries_of(fresh.list(), desired.key, fresh.scope):
                changed = _undo(fresh, snapshot, desired, ids, variable)
                if changed is None:
                    # The data key stays with a KMS key that cannot be restored.
                    return False
                undone |= changed
        return undone and _as_it_was(fresh, snapshot, written)
    except SetupError:
        return False


def _undo(
    fresh: Variables, snapshot: Snapshot, desired: ExpectedVariable, ids: frozenset[str], variable: ListedVariable
) -> bool | None:
    """Whether the variable was deleted or restored; None where that is necessary and impossible."""
    before = snapshot.find(variable)
    if before is None:
        # A variable that another run has updated since has that run's comment.
        ours = variable.comment == desired.comment or (variable.id in ids and not variable.comment)
        if ours:
            fresh.remove(variable)
        return ours
    if snapshot.has(variable):
        return False
    value = snapshot.values.get(variable.id)
    if value is None:
        return None
    fresh.restore(before, value)
    return True


def _as_it_was(fresh: Variables, snapshot: Snapshot, written: Sequence[ExpectedVariable]) -> bool:
    listed, scope = fresh.list(), fresh.scope
    read = fresh.reader(listed)
    for desired in written:
        entries = entries_of(listed, desired.key, scope)
        former = entries_of(snapshot.listed, desired.key, scope)
        if {variable.id for variable in entries} != {variable.id for variable in former}:
            return False
        for variable in entries:
            value = snapshot.values.get(variable.id)
            if not snapshot.has(variable) and (value is None or read(variable) not in (None, value)):
                return False
    return True
