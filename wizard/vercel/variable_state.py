"""Judges a listing of variables: whose the data key is, which variables are in place, which are missing.

Pure; reads values through a function that the caller passes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from components.settings import DATA_KEY_VARIABLE, VariableNames
from components.settings.stored_values import BY_VARIABLE
from wizard.core.data_key import FINGERPRINT, MalformedDataKey, WrappedDataKey, damage, is_remnant
from wizard.core.models.delivery import AppVariables
from wizard.core.models.vercel import Scope, VercelVariable, places
from wizard.core.safe_text import clean, quoted
from wizard.core.variable_ownership import OwnValues, is_own, value_fingerprint

MARK = "eonpro-kms:"
"""The beginning of every comment that this program writes."""
_VALUE = re.compile(rf"value ({FINGERPRINT.pattern})")
_ENTERED = "entered by a person"
"""In the comment of a data key whose value this program did not write."""

GUIDES = VariableNames()
"""The guide's names of the variables."""

ID_VARIABLE = "AWS_ACCESS_KEY_ID"
SECRET_VARIABLE = "AWS_SECRET_ACCESS_KEY"
ACCESS_KEY_VARIABLES = (ID_VARIABLE, SECRET_VARIABLE)

_ACCESS_KEY_COMMENT = re.compile(rf"^{re.escape(MARK)} access key (\w{{16,128}});")


ONE_REQUEST, ONE_DELIVERY = 1_000, 60_000
"""Milliseconds between the first and the last write of one request, and of one delivery with its repeats."""


@dataclass(frozen=True, kw_only=True)
class ListedVariable(VercelVariable):
    """A variable with further fields of the listing."""

    updated_at: int | None = None
    """Milliseconds since 1970."""
    every_custom_environment: bool = False
    """Whether it is for all custom environments, future ones too; a team's shared variables may be."""
    raw: str | None = field(default=None, repr=False)
    """The listing's `value`, which may be ciphertext: only good for a comparison."""

    @property
    def stamp(self) -> tuple[str, int | None]:
        """A value that differs after a write."""
        return (self.id, self.updated_at)


Read = Callable[[ListedVariable], str | None]
"""Reads the value of a variable; None when it cannot be read."""


@dataclass(frozen=True, kw_only=True)
class ExpectedVariable:
    """One variable with its expected value."""

    key: str
    type: str
    comment: str
    value: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class VariableState:
    """The state of one expected variable."""

    expected: ExpectedVariable
    entry: ListedVariable | None
    gap: str | None
    """The fault in words; None without one."""
    proof: str = ""
    """The evidence: `value`, `fingerprint`, or `write` (it was written and then listed; its value is hidden)."""
    scope: Scope

    @property
    def shared(self) -> bool:
        """Whether the entry also serves other environments, from which a write would remove it."""
        return self.entry is not None and bool(self.scope.beside(self.entry))

    @property
    def comment(self) -> str:
        """The comment to write; somebody else's stays where the value is right."""
        theirs = self.entry.comment if self.entry is not None and not self.gap else ""
        return self.expected.comment if not theirs or theirs.startswith(MARK) else theirs


def data_key_comment(wrapped: WrappedDataKey, *, variable: str = DATA_KEY_VARIABLE, entered: bool = False) -> str:
    """The comment that identifies a wrapped key whose value Vercel does not show; `variable` is the guide's name of it.

    `entered`: a person said which key it is; this program did not write the value.
    """
    return f"{MARK} {BY_VARIABLE[variable].noun} {wrapped.fingerprint}{f', {_ENTERED}' if entered else ''}; do not edit"


def is_changed(
    entry: ListedVariable, listed: tuple[ListedVariable, ...], scope: Scope, names: VariableNames = GUIDES
) -> bool:
    """Whether somebody changed a delivered variable later; for one whose value Vercel does not show.

    A comment survives an edit of the value. But a delivery writes all its variables, one after the other: a variable
    that is later than the others was written by somebody else. Without the times of the others it is not known: no.
    """
    if entry.updated_at is None or not entry.comment.startswith(MARK) or _ENTERED in entry.comment:
        return False
    # In the order in which one delivery writes them.
    deliveries = ((*names.wrapped_keys, names.key_id, names.region, *names.optional), ACCESS_KEY_VARIABLES)
    written = next(together for together in deliveries if entry.key in together)
    for position, name in enumerate(written):
        is_next = position > written.index(entry.key)
        for other in entries_of(listed, name, scope) if name != entry.key else ():
            # One that serves other environments too is accepted as it is, and not written.
            if other.updated_at is None or scope.beside(other):
                continue
            if entry.updated_at - other.updated_at > (ONE_REQUEST if is_next else ONE_DELIVERY):
                return True
    return False


def same(entry: ListedVariable, value: str, read: Read) -> bool | None:
    """Whether the variable's value is this one; None when the value cannot be read."""
    if entry.raw == value:
        return True
    known = read(entry)
    return None if known is None else known == value


def data_key_identity(entry: ListedVariable, read: Read) -> str | None:
    """The fingerprint of a data key: by its value where that can be read, else by its comment; else None."""
    # A comment survives an edit of the value, so the value counts wherever it can be read.
    value = None if entry.type == "sensitive" else entry.value or read(entry)
    if value is None:
        reported = FINGERPRINT.search(entry.comment)
        return reported[0] if reported else None
    try:
        return WrappedDataKey(value=value).fingerprint
    except MalformedDataKey:
        return value_fingerprint(value)


def expected(batch: AppVariables) -> tuple[ExpectedVariable, ...]:
    """The variables, the data key first."""
    key, wrapped_keys = batch.wrapped.fingerprint, dict(batch.delivered_keys)
    variables = []
    for name, value in batch.values:
        if name in wrapped_keys:
            comment = data_key_comment(wrapped_keys[name], variable=batch.names.guides[name])
            variables.append(ExpectedVariable(key=name, type="sensitive", comment=comment, value=value))
        else:
            comment = f"{MARK} goes with data key {key}; value {value_fingerprint(value)}; do not edit"
            variables.append(ExpectedVariable(key=name, type="encrypted", comment=comment, value=value))
    return tuple(variables)


def entries_of(listed: tuple[ListedVariable, ...], name: str, scope: Scope) -> tuple[ListedVariable, ...]:
    """The entries of that name for the scope, including those for other environments too."""
    custom = scope.custom_id is not None
    return tuple(
        entry
        for entry in listed
        if entry.key == name and (scope.sees(entry) or (custom and entry.every_custom_environment))
    )


def foreign_data_key(
    listed: tuple[ListedVariable, ...],
    wrapped: WrappedDataKey | None,
    read: Read,
    before: tuple[ListedVariable, ...] | None = None,
    *,
    replaceable: frozenset[str] = frozenset(),
    scope: Scope,
    name: str = DATA_KEY_VARIABLE,
) -> str | None:
    """The scope's data key that is not `wrapped`, in words; None when there is none. `name`: of another wrapped key.

    `before` is the listing before an acknowledged write of `wrapped`, if there was one. A data key whose fingerprint is
    among the `replaceable` is not foreign: that version is stored. Nor is a damaged `wrapped`: empty, cut off, in
    quotation marks.
    """
    for entry in entries_of(listed, name, scope):
        if wrapped is not None:
            reported = FINGERPRINT.search(entry.comment)
            claimed = reported is not None and reported[0] == wrapped.fingerprint
            # A comment survives an edit of the value, so the value counts wherever it can be read.
            if claimed and entry.type == "sensitive":
                continue
            equal = same(entry, wrapped.value, read)
            if equal or (equal is None and (claimed or _newly_written(entry, listed, before))):
                continue
            if replaceable and data_key_identity(entry, read) in replaceable:
                continue
            if _is_damaged(read(entry), wrapped, claimed=claimed):
                continue
        return _whose(entry, wrapped)
    return None


def _is_damaged(value: str | None, wrapped: WrappedDataKey, *, claimed: bool) -> bool:
    """Whether a value that is no data key can be overwritten without a loss: it is empty, or a damaged value of this
    program.
    """
    if value is None or damage(value, of=wrapped) is None:
        return False
    return claimed or is_remnant(value, of=wrapped)


def recorded_value(entry: ListedVariable) -> str | None:
    """The fingerprint of the value that this program wrote, by the comment; None where that does not say it."""
    reported = _VALUE.search(entry.comment) if entry.comment.startswith(MARK) else None
    return reported[1] if reported else None


def is_foreign(
    entry: ListedVariable,
    listed: tuple[ListedVariable, ...],
    read: Read,
    own: OwnValues,
    scope: Scope,
    names: VariableNames,
) -> bool:
    """Whether a variable other than the data key has a value that this program did not write."""
    value = entry.value or read(entry)
    is_marked = entry.comment.startswith(MARK)
    return not is_own(
        names.guides[entry.key],
        value,
        own,
        is_marked=is_marked,
        recorded=recorded_value(entry),
        is_changed=value is None and is_changed(entry, listed, scope, names),
    )


def state_of(
    desired: ExpectedVariable,
    listed: tuple[ListedVariable, ...],
    read: Read,
    before: tuple[ListedVariable, ...] | None,
    scope: Scope,
    names: VariableNames = GUIDES,
) -> VariableState:
    """The state of one variable in the scope. `before` is the listing before an acknowledged write, else None.

    For the data key, `foreign_data_key` must have been asked first.
    """
    entries = entries_of(listed, desired.key, scope)
    if not entries:
        return VariableState(expected=desired, entry=None, gap="it is missing", scope=scope)
    entry = entries[0]
    if len(entries) > 1:
        return VariableState(expected=desired, entry=entry, gap=f"it exists {len(entries)} times", scope=scope)
    if desired.type == "sensitive" and entry.type not in ("sensitive", ""):
        gap = f"it is stored as Config ({entry.type}), not as Secret"
        return VariableState(expected=desired, entry=entry, gap=gap, scope=scope)
    proof = _proof(desired, entry, read)
    if not proof and _newly_written(entry, listed, before) and same(entry, desired.value, read) is None:
        proof = "write"
    unknown = None if proof else "its value is not known to be this stack's"
    if proof == "fingerprint" and is_changed(entry, listed, scope, names):
        unknown = f"was changed since it was delivered{_at(entry)}, and Vercel does not show its value"
    return VariableState(expected=desired, entry=entry, gap=unknown, proof=proof, scope=scope)


def _newly_written(
    entry: ListedVariable, listed: tuple[ListedVariable, ...], before: tuple[ListedVariable, ...] | None
) -> bool:
    # The weakest evidence, for endpoints without comments; where there is any comment, ours must be there.
    if before is None or any(variable.comment for variable in listed):
        return False
    return entry.stamp not in {variable.stamp for variable in before}


def _proof(desired: ExpectedVariable, entry: ListedVariable, read: Read) -> str:
    if desired.type == "sensitive":
        reported = FINGERPRINT.search(entry.comment)
        ours = FINGERPRINT.search(desired.comment)
        if reported is not None:
            return "fingerprint" if ours is not None and reported[0] == ours[0] else ""
        equal = same(entry, desired.value, read)
    else:
        equal = same(entry, desired.value, read)
        if equal is None and (reported := _VALUE.search(entry.comment)):
            return "fingerprint" if reported[1] == value_fingerprint(desired.value) else ""
    return "value" if equal else ""


def description(entry: ListedVariable) -> str:
    """The entry for a person: its id, environments, last change and comment."""
    reported = [f"id {entry.id}", f"for {clean(', '.join(places(entry))) or 'every environment'}"]
    if entry.updated_at is not None:
        reported.append(f"last changed{_at(entry)}")
    reported.append(f"comment {quoted(entry.comment)}" if entry.comment else "no comment")
    return ", ".join(reported)


def _at(entry: ListedVariable) -> str:
    if entry.updated_at is None:
        return ""
    return f" {datetime.fromtimestamp(entry.updated_at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _whose(entry: ListedVariable, wrapped: WrappedDataKey | None) -> str:
    ours = (
        f"is not known to be the data key {wrapped.fingerprint} of this stack"
        if wrapped
        else "was not set by this stack"
    )
    return (
        f"there is an {entry.key} already ({description(entry)}) that {ours};"
        " nothing was overwritten: it may be the only key to existing records"
    )


def access_key_of(variable: ListedVariable) -> str | None:
    """The access key that a variable's comment names; None for a comment of somebody else."""
    reported = _ACCESS_KEY_COMMENT.match(variable.comment)
    return reported[1] if reported else None
