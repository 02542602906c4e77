"""Uses of the delivered names outside the stack's environment, and another data key in it: listed, marked or renamed.

Touches the network through `wizard/vercel/variables.py` only; writes comments and names, never a value.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import date

from components.settings import DATA_KEY_VARIABLE, KEY_ID_VARIABLE
from components.settings.stored_values import BY_VARIABLE
from wizard.core.data_key import CHECK_VALUE, FINGERPRINT, MalformedDataKey, WrappedDataKey
from wizard.core.errors import DataKeyConflict, SetupError, UsageError
from wizard.core.models.account import DiscoveredDataKey
from wizard.core.models.delivery import FORMER_KEY_VARIABLE
from wizard.core.models.vercel import Scope
from wizard.core.next_command import eonpro, shell
from wizard.core.retry import together
from wizard.core.safe_text import all_of, clean
from wizard.vercel import variable_state as state
from wizard.vercel.variables import Variables

_NOT_READABLE = frozenset({"sensitive", "secret"})
"""Types whose values Vercel never shows."""


def overlaps(variables: Variables) -> tuple[str, ...]:
    """The uses of the delivered names outside the scope, one line each; never a value. Reads only.

    In another environment, a branch, or as the team's shared variables; above all, whether one of them has the
    scope's data key.
    """
    # Threads do not share a deadline.
    listed, shared = together(variables.list, lambda: _shared(variables.with_new_timeout(variables.deadline.left)))
    concerned = [
        variable
        for variable in (*listed, *shared)
        if variable.key in (*variables.names.every, *state.ACCESS_KEY_VARIABLES)
    ]
    places = _Places(variables, concerned)
    lines = [line for name in variables.names.wrapped_keys for line in _data_key(variables, listed, places, name)]
    lines += _access_key(variables, listed, places)
    for name in (variables.names.key_id, variables.names.region):
        if outside := [variable for variable in listed if variable.key == name and variables.scope.beside(variable)]:
            lines.append(f"{name} is set for {places.of(outside)} too; that is not changed")
    lines += [
        _shared_line(variables, variable, listed, places)
        for variable in shared
        if variable.key in (*variables.names.every, *state.ACCESS_KEY_VARIABLES)
    ]
    return tuple(lines)


class _Places:
    """The names of a variable's environments; those of custom environments are read only where they are needed."""

    def __init__(self, variables: Variables, concerned: Iterable[state.ListedVariable]) -> None:
        self._scope, self._names = variables.scope, dict[str, str]()
        if any(variable.custom_environments for variable in concerned):
            with suppress(SetupError):  # Without their names the ids are shown.
                self._names |= variables.custom_environments()

    def of(self, entries: Iterable[state.ListedVariable], *, own: bool = False) -> str:
        """The environments of all entries as one enumeration, the scope only where `own` is set."""
        names = list(dict.fromkeys(place for entry in entries for place in self._of_one(entry, own)))
        return all_of(names)

    def _of_one(self, entry: state.ListedVariable, own: bool) -> Iterable[str]:
        if own and self._scope.sees(entry):
            yield self._scope.words
        for place in self._scope.beside(entry):
            if place not in entry.custom_environments:
                yield clean(place)
            else:
                yield f"the custom environment {self._names.get(place, clean(place))}"
        if entry.every_custom_environment:
            yield "every custom environment"


def _data_key(variables: Variables, listed: tuple[state.ListedVariable, ...], places: _Places, name: str) -> list[str]:
    scope = variables.scope
    outside = [variable for variable in listed if variable.key == name and scope.beside(variable)]
    if not outside:
        return []
    ours = state.entries_of(listed, name, scope)
    known = {state.data_key_identity(variable, variables.decrypt) for variable in ours}
    same, different, unknown = [], [], []
    for entry in outside:
        identity = None if entry in ours else state.data_key_identity(entry, variables.decrypt)
        if entry in ours or (identity is not None and identity in known):
            same.append(entry)
        elif identity is None or (ours and None in known):
            unknown.append(entry)
        else:
            different.append(entry)
    lines = []
    if same:
        lines.append(
            f"{name} of {places.of(same)} is {scope.words}'s data key: everybody who can use the KMS key"
            f" there can decrypt {scope.words}'s records; give each environment its own data key"
        )
    if different:
        which = f"another data key than {scope.words}'s" if ours else f"a data key; {scope.words} has none yet"
        lines.append(f"{name} of {places.of(different)} is {which}; it is not changed")
    if unknown:
        lines.append(
            f"{name} is set for {places.of(unknown)} too; Vercel does not show"
            + (f" whether it is {scope.words}'s data key" if ours else " which data key it is")
        )
    return lines


def _access_key(variables: Variables, listed: tuple[state.ListedVariable, ...], places: _Places) -> list[str]:
    scope = variables.scope
    outside = [variable for variable in listed if variable.key in state.ACCESS_KEY_VARIABLES and scope.beside(variable)]
    if not outside:
        return []
    ours = {
        _access_key_id(variables, variable)
        for name in state.ACCESS_KEY_VARIABLES
        for variable in state.entries_of(listed, name, scope)
    } - {None}
    same = [variable for variable in outside if scope.sees(variable) or _access_key_id(variables, variable) in ours]
    different = [variable for variable in outside if variable not in same]
    lines = []
    if same:
        names = " and ".join(dict.fromkeys(variable.key for variable in same))
        owner = scope.words
        lines.append(f"{names} of {places.of(same)} is {owner}'s access key: what runs there signs as {owner}")
    if different:
        names = " and ".join(dict.fromkeys(variable.key for variable in different))
        lines.append(f"{names} is set for {places.of(different)} too; that is not changed")
    return lines


def _access_key_id(variables: Variables, entry: state.ListedVariable) -> str | None:
    """The access key's id, from the comment or else from the id's variable. The secret is never read."""
    reported = state.access_key_of(entry)
    if reported is not None or entry.key != state.ID_VARIABLE or entry.type == "sensitive":
        return reported
    return entry.value or variables.decrypt(entry)


def _shared(variables: Variables) -> tuple[state.ListedVariable, ...]:
    try:
        return variables.shared()
    except SetupError:
        return ()


def _shared_line(
    variables: Variables, entry: state.ListedVariable, listed: tuple[state.ListedVariable, ...], places: _Places
) -> str:
    line = f"the team shares a variable {entry.key} with the project, for {places.of([entry], own=True)}"
    if entry.key in variables.names.wrapped_keys:
        known = {
            state.data_key_identity(variable, variables.decrypt)
            for variable in state.entries_of(listed, entry.key, variables.scope)
        } - {None}
        if state.data_key_identity(entry, variables.decrypt_shared) in known:
            line += f", with {variables.scope.words}'s data key: every project it is linked to has that key"
    return f"{line}; the project's own takes precedence, where there is one for the same environment"


def inherited_data_key(
    variables: Variables,
    listed: tuple[state.ListedVariable, ...],
    wrapped: WrappedDataKey | None,
    read: state.Read,
    *,
    replaceable: frozenset[str] = frozenset(),
    name: str = DATA_KEY_VARIABLE,
) -> str | None:
    """Why the scope's inherited data key may be another than `wrapped` or a `replaceable` one, in words; else None.

    A data key of the scope itself would take precedence, and the records of its deployments could not be decrypted.
    """
    scope = variables.scope
    if state.entries_of(listed, name, scope):
        return None
    ours = frozenset() if wrapped is None else replaceable | {wrapped.fingerprint}
    if scope.branch:
        # https://vercel.com/docs/environment-variables#preview-environment-variables
        for entry in state.entries_of(listed, name, Scope(environment=scope.environment)):
            if state.data_key_identity(entry, read) not in ours:
                return _inherited(variables, f"the {name} of all of {scope.environment}", entry)
    for entry in state.entries_of(variables.shared(), name, scope):
        if state.data_key_identity(entry, variables.decrypt_shared) not in ours:
            return _inherited(variables, f"the {name} that the team shares", entry)
    return None


def _inherited(variables: Variables, which: str, entry: state.ListedVariable) -> str:
    return (
        f"{variables.owner}: {variables.scope.words} has {which} (id {entry.id}); a variable of its own would take"
        " precedence, and the inherited one may be the only key to existing records"
    )


def former_key(variables: Variables) -> str | None:
    """The place of the scope's ENCRYPTION_KEY, the application's earlier key; None without one."""
    scope = variables.scope
    for entry in state.entries_of(variables.list(), FORMER_KEY_VARIABLE, scope):
        return f"{scope.words} of {variables.owner} (id {entry.id})"
    for entry in state.entries_of(variables.shared(), FORMER_KEY_VARIABLE, scope):
        return f"{scope.words} of {variables.owner}, shared by the team (id {entry.id})"
    return None


def names_of(variables: Variables, variable: str) -> tuple[str, ...]:
    """The names under which the scope may have that variable, its own first.

    The guide's name too: an application that was set up manually, or before the settings gave another name, has it.
    """
    return tuple(dict.fromkeys((variables.names[variable], variable)))


def _entries_of(
    variables: Variables, listed: tuple[state.ListedVariable, ...], variable: str
) -> tuple[state.ListedVariable, ...]:
    """The scope's entries of the first of those names that it has."""
    by_name = (state.entries_of(listed, name, variables.scope) for name in names_of(variables, variable))
    return next(filter(None, by_name), ())


def find_data_key(variables: Variables, *, name: str = DATA_KEY_VARIABLE) -> DiscoveredDataKey:
    """The scope's variables, that one included; variables of other environments and branches are left out.

    `name` is the guide's name. Raises DataKeyConflict for two data keys, and for a value that cannot be one; the value
    is in no message.
    """
    listed, scope = variables.list(), variables.scope
    entries = _entries_of(variables, listed, name)
    if len(entries) > 1:
        name = entries[0].key
        raise DataKeyConflict(
            f"{variables.owner} has {name} for {scope.words} {len(entries)} times "
            f"(ids {', '.join(entry.id for entry in entries)})",
            shell(
                *("vercel", "env", "ls", *scope.typed),
                advice="find out which one the application uses; remove none that may be needed",
            ),
        )
    wrapped = _wrapped(variables, entries[0]) if entries else None
    named = _entries_of(variables, listed, KEY_ID_VARIABLE)
    key_arn = _value(variables, named[0]) if len(named) == 1 else None
    claim = FINGERPRINT.search(entries[0].comment) if entries and wrapped is None else None
    beside = _entries_of(variables, listed, BY_VARIABLE[name].check_value) if entries else ()
    check_value = _value(variables, beside[0]) if len(beside) == 1 else None
    return DiscoveredDataKey(
        wrapped=wrapped,
        exists=bool(entries),
        key_arn=key_arn,
        claimed=claim[0] if claim is not None else None,
        check_value=check_value if check_value and CHECK_VALUE.fullmatch(check_value) else None,
    )


def name_data_key(variables: Variables, wrapped: WrappedDataKey) -> None:
    """Write the fingerprint into the comment of a data key that Vercel does not show. Its value stays.

    A person entered the data key, and it was verified with the KMS key; deliveries recognize it by the comment.
    Raises DataKeyConflict where the comment names another data key.
    """
    scope, name = variables.scope, variables.names.data_key
    entries = state.entries_of(variables.list(), name, scope)
    if len(entries) != 1:
        raise DataKeyConflict(
            f"{variables.owner} has {name} for {scope.words} {len(entries)} times; it had it once before",
            shell(
                "vercel", "env", "ls", *scope.typed, advice="find out who changes it, then run the same command again"
            ),
        )
    claim = FINGERPRINT.search(entries[0].comment)
    if claim is not None and claim[0] == wrapped.fingerprint:
        return
    if claim is not None:
        raise DataKeyConflict(
            f"{name} in {scope.words} of {variables.owner} is {claim[0]} by its comment, "
            f"not {wrapped.fingerprint}; nothing was overwritten",
            "find out which of the two the application's records are under",
        )
    variables.edit(entries[0], {"comment": state.data_key_comment(wrapped, entered=True)})


def _wrapped(variables: Variables, entry: state.ListedVariable) -> WrappedDataKey | None:
    value, scope = _value(variables, entry), variables.scope
    if value is None:
        return None
    try:
        return WrappedDataKey(value=value)
    except MalformedDataKey as error:
        # Not corrected here: the application may accept it, and a delivery would treat it as another data key.
        raise DataKeyConflict(
            f"{entry.key} in {scope.words} of {variables.owner} cannot be a wrapped data key: {error}",
            shell(
                *("vercel", "env", "update", entry.key, *scope.typed),
                advice="set it again as it was printed when it was created",
            ),
        ) from None


def _value(variables: Variables, entry: state.ListedVariable) -> str | None:
    if entry.type in _NOT_READABLE:
        return None
    # An empty value may be one that Vercel does not return.
    return entry.value or variables.decrypt(entry)


def rename_variable(variables: Variables, id: str, *, stored: tuple[WrappedDataKey, ...], today: date) -> str:
    """Rename a wrapped key's variable, or remove the scope from a variable; the change in words. No value is changed.

    Raises UsageError where the scope has no such variable, DataKeyConflict for a `stored` key itself.
    """
    listed, scope = variables.list(), variables.scope
    entry = next((variable for variable in listed if scope.sees(variable) and variable.id == id), None)
    is_shared = entry is not None and bool(scope.beside(entry))
    companions = (variables.names.key_id, variables.names.region, *state.ACCESS_KEY_VARIABLES)
    if entry and is_shared and entry.key in companions:
        return _from_scope(variables, entry)
    if entry is None or entry.key not in variables.names.wrapped_keys:
        raise UsageError(
            f"{variables.owner} has no {variables.names.data_key} {id} in {scope.words}; nothing was changed",
            eonpro("doctor", advice="it names the conflicting variable"),
        )
    known = state.data_key_identity(entry, variables.decrypt)
    if known in [key.fingerprint for key in stored] and (
        entry.type != "sensitive" or not state.is_changed(entry, listed, scope, variables.names)
    ):
        value = BY_VARIABLE[variables.names.guides[entry.key]]
        raise DataKeyConflict(
            f"{entry.key} {id} is the stored {value.noun} {known}; nothing was changed",
            eonpro("push"),
        )
    if is_shared:
        return _from_scope(variables, entry)
    name = f"{entry.key}_ASIDE_{today:%Y%m%d}_{entry.id[-4:]}"
    variables.edit(entry, {"key": name})
    return f"{entry.key} {id} is now {name}, with its value"


def _from_scope(variables: Variables, entry: state.ListedVariable) -> str:
    scope = variables.scope
    named, of_entry = (
        ("customEnvironmentIds", entry.custom_environments) if scope.is_custom else ("target", entry.targets)
    )
    variables.edit(entry, {named: [place for place in of_entry if place != scope.place]})
    others = clean(", ".join(scope.beside(entry)))
    return f"{entry.key} {entry.id} serves {others} as before, and no longer {scope.words}"
