"""Uses of the delivered names outside production, and another data key in production: listed, marked or renamed.

Touches the network through `wizard/vercel/variables.py` only; writes comments and names, never a value.
"""

from collections.abc import Iterable, Mapping
from datetime import date

from components.settings import DATA_KEY_VARIABLE, POSSIBLE_VARIABLES, WRAPPED_KEYS, noun_of
from wizard.core.data_key import FINGERPRINT, MalformedDataKey, WrappedDataKey
from wizard.core.errors import DataKeyConflict, SetupError, UsageError
from wizard.core.models.account import DiscoveredDataKey
from wizard.core.models.delivery import FORMER_KEY_VARIABLE, PRODUCTION, Scope
from wizard.core.next_command import Command, wizard
from wizard.core.retry import together
from wizard.core.safe_text import clean
from wizard.vercel import variable_state as state
from wizard.vercel.variables import Variables

KEY_VARIABLE = "AWS_KMS_KEY_ID"

_NOT_READABLE = frozenset({"sensitive", "secret"})
"""Types whose values Vercel never shows."""


def overlaps(variables: Variables) -> tuple[str, ...]:
    """The uses of the delivered names outside production, one line each; never a value. Reads only.

    In preview, development, a branch, a custom environment, or as the team's shared variables; above all, whether
    one of them has production's data key.
    """
    # Threads do not share a deadline.
    listed, shared = together(variables.list, lambda: _shared(variables.with_new_timeout(variables.deadline.left)))
    concerned = [
        variable
        for variable in (*listed, *shared)
        if variable.key in (*POSSIBLE_VARIABLES, *state.ACCESS_KEY_VARIABLES)
    ]
    places = _Places(variables, concerned)
    lines = [line for name in WRAPPED_KEYS for line in _data_key(variables, listed, places, name)]
    lines += _access_key(variables, listed, places)
    for name in (KEY_VARIABLE, state.SHAREABLE):
        if outside := [variable for variable in listed if variable.key == name and variable.elsewhere]:
            lines.append(f"{name} is set for {places.of(outside)} too; that is not changed")
    lines += [
        _shared_line(variables, variable, listed, places)
        for variable in shared
        if variable.key in (*POSSIBLE_VARIABLES, *state.ACCESS_KEY_VARIABLES)
    ]
    return tuple(lines)


class _Places:
    """The names of a variable's environments; those of custom environments are read only where they are needed."""

    def __init__(self, variables: Variables, concerned: Iterable[state.ListedVariable]) -> None:
        self._names: Mapping[str, str] = {}
        if any(variable.custom_environments for variable in concerned):
            try:
                self._names = variables.custom_environments()
            except SetupError:
                # Then the ids are shown.
                self._names = {}

    def of(self, entries: Iterable[state.ListedVariable], *, production: bool = False) -> str:
        """The environments of all entries as one enumeration, production only where `production` is set."""
        names = list(dict.fromkeys(place for entry in entries for place in self._of_one(entry, production)))
        return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)

    def _of_one(self, entry: state.ListedVariable, production: bool) -> Iterable[str]:
        if production and entry.in_production:
            yield state.PRODUCTION_TARGET
        for place in entry.elsewhere:
            if place not in entry.custom_environments:
                yield clean(place)
            else:
                yield f"the custom environment {self._names.get(place, clean(place))}"
        if entry.every_custom_environment:
            yield "every custom environment"


def _data_key(variables: Variables, listed: tuple[state.ListedVariable, ...], places: _Places, name: str) -> list[str]:
    outside = [variable for variable in listed if variable.key == name and variable.elsewhere]
    if not outside:
        return []
    productions = state.in_production(listed, name)
    known = {state.data_key_identity(variable, variables.decrypt) for variable in productions}
    same, different, unknown = [], [], []
    for entry in outside:
        identity = None if entry in productions else state.data_key_identity(entry, variables.decrypt)
        if entry in productions or (identity is not None and identity in known):
            same.append(entry)
        elif identity is None or (productions and None in known):
            unknown.append(entry)
        else:
            different.append(entry)
    lines = []
    if same:
        lines.append(
            f"{name} of {places.of(same)} is production's data key: whoever is allowed to use the KMS key"
            " there can decrypt production's records; give each environment its own data key"
        )
    if different:
        which = "another data key than production's" if productions else "a data key; production has none yet"
        lines.append(f"{name} of {places.of(different)} is {which}; it is not changed")
    if unknown:
        lines.append(
            f"{name} is set for {places.of(unknown)} too; Vercel does not show"
            + (" whether it is production's data key" if productions else " which data key it is")
        )
    return lines


def _access_key(variables: Variables, listed: tuple[state.ListedVariable, ...], places: _Places) -> list[str]:
    outside = [variable for variable in listed if variable.key in state.ACCESS_KEY_VARIABLES and variable.elsewhere]
    if not outside:
        return []
    productions = {
        _access_key_id(variables, variable)
        for name in state.ACCESS_KEY_VARIABLES
        for variable in state.in_production(listed, name)
    } - {None}
    same = [
        variable for variable in outside if variable.in_production or _access_key_id(variables, variable) in productions
    ]
    different = [variable for variable in outside if variable not in same]
    lines = []
    if same:
        names = " and ".join(dict.fromkeys(variable.key for variable in same))
        lines.append(f"{names} of {places.of(same)} is production's access key: what runs there signs as production")
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
    line = f"the team shares a variable {entry.key} with the project, for {places.of([entry], production=True)}"
    if entry.key in WRAPPED_KEYS:
        known = {
            state.data_key_identity(variable, variables.decrypt) for variable in state.in_production(listed, entry.key)
        } - {None}
        if state.data_key_identity(entry, variables.decrypt_shared) in known:
            line += ", with production's data key: every project it is linked to has that key"
    return f"{line}; the project's own takes precedence, where there is one for the same environment"


def inherited_data_key(
    variables: Variables,
    listed: tuple[state.ListedVariable, ...],
    wrapped: WrappedDataKey | None,
    read: state.Read,
    *,
    replaceable: frozenset[str] = frozenset(),
    scope: Scope = PRODUCTION,
    name: str = DATA_KEY_VARIABLE,
) -> str | None:
    """Why the scope's inherited data key may be another than `wrapped` or a `replaceable` one, in words; else None.

    A data key of the scope itself would take precedence, and the records of its deployments could not be decrypted.
    """
    if state.entries_of(listed, name, scope):
        return None
    ours = frozenset() if wrapped is None else replaceable | {wrapped.fingerprint}
    if scope.branch:
        # https://vercel.com/docs/environment-variables#preview-environment-variables
        for entry in state.entries_of(listed, name, Scope(environment=scope.environment)):
            if state.data_key_identity(entry, read) not in ours:
                return _inherited(variables, scope, f"the {name} of all of {scope.environment}", entry)
    for entry in state.entries_of(variables.shared(), name, scope):
        if state.data_key_identity(entry, variables.decrypt_shared) not in ours:
            return _inherited(variables, scope, f"the {name} that the team shares", entry)
    return None


def _inherited(variables: Variables, scope: Scope, which: str, entry: state.ListedVariable) -> str:
    return (
        f"{variables.owner}: {scope.words} has {which} (id {entry.id}); a variable of its own would take precedence,"
        " and the inherited one may be the only key to existing records"
    )


def former_key(variables: Variables) -> str | None:
    """Where production has an ENCRYPTION_KEY, the application's key before the wrapped one; None if it has none."""
    for entry in state.in_production(variables.list(), FORMER_KEY_VARIABLE):
        return f"production of {variables.owner} (id {entry.id})"
    for entry in state.in_production(variables.shared(), FORMER_KEY_VARIABLE):
        return f"production of {variables.owner}, shared by the team (id {entry.id})"
    return None


def find_data_key(variables: Variables, *, name: str = DATA_KEY_VARIABLE) -> DiscoveredDataKey:
    """What production has under that name and beside it, without the variables of branches and custom environments.

    Raises DataKeyConflict for two data keys, and for a value that cannot be one; the value is in no message.
    """
    listed = variables.list()
    entries = state.in_production(listed, name)
    if len(entries) > 1:
        raise DataKeyConflict(
            f"{variables.owner} has {name} for production {len(entries)} times "
            f"(ids {', '.join(entry.id for entry in entries)})",
            "vercel env ls production   # find out which one the application uses; remove none that may be needed",
        )
    wrapped = _wrapped(variables, entries[0]) if entries else None
    named = state.in_production(listed, KEY_VARIABLE)
    key_arn = _value(variables, named[0]) if len(named) == 1 else None
    claim = FINGERPRINT.search(entries[0].comment) if entries and wrapped is None else None
    return DiscoveredDataKey(
        wrapped=wrapped, exists=bool(entries), key_arn=key_arn, claimed=claim[0] if claim is not None else None
    )


def name_data_key(variables: Variables, wrapped: WrappedDataKey) -> None:
    """Write the fingerprint into the comment of a data key that Vercel does not show. Its value stays.

    A person entered the data key, and it was verified with the KMS key; deliveries recognize it by the comment.
    Raises DataKeyConflict where the comment names another data key.
    """
    entries = state.in_production(variables.list(), DATA_KEY_VARIABLE)
    if len(entries) != 1:
        raise DataKeyConflict(
            f"{variables.owner} has {DATA_KEY_VARIABLE} for production {len(entries)} times; it had it once before",
            Command("vercel env ls production", advice="find out who changes it, then run the same command again"),
        )
    claim = FINGERPRINT.search(entries[0].comment)
    if claim is not None and claim[0] == wrapped.fingerprint:
        return
    if claim is not None:
        raise DataKeyConflict(
            f"{DATA_KEY_VARIABLE} in production of {variables.owner} is {claim[0]} by its comment, "
            f"not {wrapped.fingerprint}; nothing was overwritten",
            "find out which of the two the application's records are under",
        )
    variables.edit(entries[0], {"comment": state.data_key_comment(wrapped, entered=True)}, doing="comment a variable")


def _wrapped(variables: Variables, entry: state.ListedVariable) -> WrappedDataKey | None:
    value = _value(variables, entry)
    if value is None:
        return None
    try:
        return WrappedDataKey(value=value)
    except MalformedDataKey as error:
        # Not corrected here: the application may accept it, and a delivery would treat it as another data key.
        raise DataKeyConflict(
            f"{entry.key} in production of {variables.owner} cannot be a wrapped data key: {error}",
            f"set it again as it was printed when it was created: vercel env update {entry.key} production",
        ) from None


def _value(variables: Variables, entry: state.ListedVariable) -> str | None:
    if entry.type in _NOT_READABLE:
        return None
    # An empty value may be one that Vercel does not return.
    return entry.value or variables.decrypt(entry)


def rename_variable(variables: Variables, id: str, *, stored: tuple[WrappedDataKey, ...], today: date) -> str:
    """Rename a wrapped key's variable, or remove production from a variable; the change in words. No value is changed.

    Raises UsageError where production has no such variable, DataKeyConflict for a `stored` key itself.
    """
    listed = variables.list()
    entry = next((variable for variable in listed if variable.in_production and variable.id == id), None)
    if (
        entry is not None
        and entry.elsewhere
        and entry.key in (KEY_VARIABLE, state.SHAREABLE, *state.ACCESS_KEY_VARIABLES)
    ):
        return _from_production(variables, entry)
    if entry is None or entry.key not in WRAPPED_KEYS:
        raise UsageError(
            f"{variables.owner} has no {DATA_KEY_VARIABLE} {id} in production; nothing was changed",
            wizard("doctor", advice="it names the conflicting variable"),
        )
    known = state.data_key_identity(entry, variables.decrypt)
    if known in [key.fingerprint for key in stored] and (
        entry.type != "sensitive" or not state.is_changed(entry, listed)
    ):
        raise DataKeyConflict(
            f"{entry.key} {id} is the stored {noun_of(entry.key)} {known}; nothing was changed",
            wizard("push"),
        )
    if entry.elsewhere:
        return _from_production(variables, entry)
    name = f"{entry.key}_ASIDE_{today:%Y%m%d}_{entry.id[-4:]}"
    variables.edit(entry, {"key": name}, doing="rename a variable")
    return f"{entry.key} {id} is now {name}, with its value"


def _from_production(variables: Variables, entry: state.ListedVariable) -> str:
    others = [target for target in entry.targets if target != state.PRODUCTION_TARGET]
    variables.edit(entry, {"target": others}, doing="rename a variable")
    return f"{entry.key} {entry.id} serves {clean(', '.join(entry.elsewhere))} as before, and no longer production"
