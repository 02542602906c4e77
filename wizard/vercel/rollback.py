"""A delivery that could not be made whole, taken back: what it made goes, what it changed has its old value again.

Writes only variables that this very delivery wrote. What cannot be undone is in the message, and is right as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from components.settings import DATA_KEY_VARIABLE
from wizard.core.errors import SetupError
from wizard.core.models.vercel_environment import Scope
from wizard.vercel.variable_state import MARK, ExpectedVariable, ListedVariable, Read, VariableState, entries_of
from wizard.vercel.variables import Variables

SECONDS = 30.0
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
    fresh = variables.with_new_timeout(SECONDS)
    try:
        undone = [
            _undo(fresh, former, want, ids, scope) for want in sorted(written, key=lambda each: _ORDER.index(each.key))
        ]
        return any(undone) and _as_it_was(fresh, former, written, scope)
    except SetupError:
        return False


def _undo(fresh: Variables, former: Former, want: ExpectedVariable, ids: frozenset[str], scope: Scope) -> int:
    undone = 0
    for entry in entries_of(fresh.list(), want.key, scope):
        before = former.had(entry)
        if before is None and (entry.id in ids or _ours(entry, want)):
            fresh.remove(entry)
            undone += 1
        elif before is not None and before.stamp != entry.stamp and entry.id not in former.right:
            value = former.values.get(entry.id)
            # A value that was right, of another type, stays as it is now: nothing of it is lost.
            if value is not None and value != want.value:
                fresh.restore(before, value)
                undone += 1
    return undone


def _ours(entry: ListedVariable, want: ExpectedVariable) -> bool:
    return entry.comment.startswith(MARK) and entry.comment == want.comment


def _as_it_was(fresh: Variables, former: Former, written: Sequence[ExpectedVariable], scope: Scope) -> bool:
    listed, read = fresh.list(), fresh.reader()
    for want in written:
        entries = entries_of(listed, want.key, scope)
        if {each.id for each in entries} != {each.id for each in entries_of(former.listed, want.key, scope)}:
            return False
        for entry in entries:
            before, value = former.had(entry), former.values.get(entry.id)
            if entry.id in former.right:
                continue
            if before is None or (before.stamp != entry.stamp and value is None):
                return False
            if value is not None and before.stamp != entry.stamp and read(entry) not in (None, value):
                return False
    return True
