"""What the delivered names are used for outside production, and another data key in production; never a value.

Touches the network through `wizard/vercel/variables.py` only; reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from components.settings import DATA_KEY_VARIABLE
from wizard.core.data_key import FINGERPRINT, MalformedDataKey, WrappedDataKey
from wizard.core.errors import DataKeyConflict, SetupError, UsageError
from wizard.core.models.account import DiscoveredDataKey
from wizard.core.models.delivery import PRODUCTION, Scope
from wizard.core.next_command import Command, wizard
from wizard.vercel.variable_state import (
    ID_VARIABLE,
    PRODUCTION_TARGET,
    SECRET_VARIABLE,
    ListedVariable,
    Read,
    access_key_of,
    data_key_comment,
    data_key_identity,
    entries_of,
    in_production,
)
from wizard.vercel.variables import Variables

NAMES = (DATA_KEY_VARIABLE, "AWS_KMS_KEY_ID", "AWS_REGION")
ACCESS_KEY = (ID_VARIABLE, SECRET_VARIABLE)


def overlaps(variables: Variables) -> tuple[str, ...]:
    """One line for each name and each standing; see `wizard.vercel.client.Vercel.overlaps`."""
    listed, shared = variables.list(), _shared(variables)
    concerned = [each for each in (*listed, *shared) if each.key in (*NAMES, *ACCESS_KEY)]
    places = _Places(variables, concerned)
    lines = _data_key(variables, listed, places)
    lines += _access_key(variables, listed, places)
    for name in NAMES[1:]:
        if outside := [each for each in listed if each.key == name and each.elsewhere]:
            lines.append(f"{name} is set for {places.of(outside)} too; that is left as it is")
    lines += [_shared_line(variables, each, listed, places) for each in shared if each.key in (*NAMES, *ACCESS_KEY)]
    return tuple(lines)


class _Places:
    """The environments of a variable by their names; those of custom environments are asked for where one is met."""

    def __init__(self, variables: Variables, concerned: Iterable[ListedVariable]) -> None:
        self._names: Mapping[str, str] = {}
        if any(each.custom_environments for each in concerned):
            try:
                self._names = variables.custom_environments()
            except SetupError:
                # The ids will do.
                self._names = {}

    def of(self, entries: Iterable[ListedVariable], *, production: bool = False) -> str:
        """All places of the entries as one enumeration, production's only where it is asked for."""
        reported = [place for entry in entries for place in self._each(entry, production)]
        names = list(dict.fromkeys(reported))
        return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)

    def _each(self, entry: ListedVariable, production: bool) -> Iterable[str]:
        if production and entry.in_production:
            yield PRODUCTION_TARGET
        for place in entry.elsewhere:
            if place not in entry.custom_environments:
                yield place
            else:
                yield f"the custom environment {self._names.get(place, place)}"
        if entry.every_custom_environment:
            yield "every custom environment"


def _data_key(variables: Variables, listed: tuple[ListedVariable, ...], places: _Places) -> list[str]:
    outside = [each for each in listed if each.key == DATA_KEY_VARIABLE and each.elsewhere]
    if not outside:
        return []
    productions = in_production(listed, DATA_KEY_VARIABLE)
    known = {data_key_identity(each, variables.decrypt) for each in productions}
    same, other, unknown = [], [], []
    for entry in outside:
        identity = None if entry in productions else data_key_identity(entry, variables.decrypt)
        if entry in productions or (identity is not None and identity in known):
            same.append(entry)
        elif identity is None or (productions and None in known):
            unknown.append(entry)
        else:
            other.append(entry)
    lines = []
    if same:
        lines.append(
            f"{DATA_KEY_VARIABLE} of {places.of(same)} is production's data key: whoever may use the KMS key there"
            " opens production's records; give each environment a data key of its own"
        )
    if other:
        which = "another data key than production's" if productions else "a data key; production has none yet"
        lines.append(f"{DATA_KEY_VARIABLE} of {places.of(other)} is {which}; it is left as it is")
    if unknown:
        lines.append(
            f"{DATA_KEY_VARIABLE} is set for {places.of(unknown)} too; Vercel does not tell"
            + (" whether it is production's data key" if productions else " which data key it is")
        )
    return lines


def _access_key(variables: Variables, listed: tuple[ListedVariable, ...], places: _Places) -> list[str]:
    outside = [each for each in listed if each.key in ACCESS_KEY and each.elsewhere]
    if not outside:
        return []
    productions = {_access_key_id(variables, each) for name in ACCESS_KEY for each in in_production(listed, name)} - {
        None
    }
    same = [each for each in outside if each.in_production or _access_key_id(variables, each) in productions]
    other = [each for each in outside if each not in same]
    lines = []
    if same:
        names = " and ".join(dict.fromkeys(each.key for each in same))
        lines.append(f"{names} of {places.of(same)} is production's access key: what runs there signs as production")
    if other:
        names = " and ".join(dict.fromkeys(each.key for each in other))
        lines.append(f"{names} is set for {places.of(other)} too; that is left as it is")
    return lines


def _access_key_id(variables: Variables, entry: ListedVariable) -> str | None:
    """Of the id, which is no secret: its value, or the comment's word. The secret is never read."""
    reported = access_key_of(entry)
    if reported is not None or entry.key != ID_VARIABLE or entry.type == "sensitive":
        return reported
    return entry.value or variables.decrypt(entry)


def _shared(variables: Variables) -> tuple[ListedVariable, ...]:
    try:
        return variables.shared()
    except SetupError:
        return ()


def _shared_line(
    variables: Variables, entry: ListedVariable, listed: tuple[ListedVariable, ...], places: _Places
) -> str:
    line = f"the team shares a variable {entry.key} with the project, for {places.of([entry], production=True)}"
    if entry.key == DATA_KEY_VARIABLE:
        known = {data_key_identity(each, variables.decrypt) for each in in_production(listed, DATA_KEY_VARIABLE)} - {
            None
        }
        if data_key_identity(entry, variables.decrypt_shared) in known:
            line += ", with production's data key: every project it is linked to has that key"
    return f"{line}; the project's own takes precedence, where there is one for the same environment"


def inherited_data_key(
    variables: Variables,
    listed: tuple[ListedVariable, ...],
    wrapped: WrappedDataKey | None,
    read: Read,
    *,
    replaceable: frozenset[str] = frozenset(),
    scope: Scope = PRODUCTION,
) -> str | None:
    """Whether the scope has a data key from elsewhere that is not known to be `wrapped` or `replaceable`; in words.

    A data key of its own would take precedence, and the records of what is deployed there would no longer open.
    """
    if entries_of(listed, DATA_KEY_VARIABLE, scope):
        return None
    ours = frozenset() if wrapped is None else replaceable | {wrapped.fingerprint}
    if scope.branch:
        # https://vercel.com/docs/environment-variables#preview-environment-variables
        for entry in entries_of(listed, DATA_KEY_VARIABLE, Scope(environment=scope.environment)):
            if data_key_identity(entry, read) not in ours:
                return _words(variables, scope, f"the {DATA_KEY_VARIABLE} of all of {scope.environment}", entry)
    for entry in entries_of(variables.shared(), DATA_KEY_VARIABLE, scope):
        if data_key_identity(entry, variables.decrypt_shared) not in ours:
            return _words(variables, scope, f"the {DATA_KEY_VARIABLE} that the team shares", entry)
    return None


def _words(variables: Variables, scope: Scope, which: str, entry: ListedVariable) -> str:
    return (
        f"{variables.owner}: {scope.words} has {which} (id {entry.id}); one of its own would take precedence, and it may"
        " be the only key to records that exist"
    )


KEY_VARIABLE = "AWS_KMS_KEY_ID"

_NOT_TOLD = frozenset({"sensitive", "secret"})
"""Types whose values Vercel keeps to itself."""


def find_data_key(variables: Variables) -> DiscoveredDataKey:
    """What production has; a variable of one branch or of a custom environment is none of production's.

    Raises DataKeyConflict for two data keys, and for a value that cannot be one; the value is in no message.
    """
    listed = variables.list()
    entries = in_production(listed, DATA_KEY_VARIABLE)
    if len(entries) > 1:
        raise DataKeyConflict(
            f"{variables.owner} has {DATA_KEY_VARIABLE} for production {len(entries)} times "
            f"(ids {', '.join(entry.id for entry in entries)})",
            "vercel env ls production   # find out which one the application uses; remove none that may be needed",
        )
    wrapped = _wrapped(variables, entries[0]) if entries else None
    named = in_production(listed, KEY_VARIABLE)
    key_arn = _value(variables, named[0]) if len(named) == 1 else None
    claim = FINGERPRINT.search(entries[0].comment) if entries and wrapped is None else None
    return DiscoveredDataKey(
        wrapped=wrapped, exists=bool(entries), key_arn=key_arn, claimed=claim[0] if claim is not None else None
    )


def name_data_key(variables: Variables, wrapped: WrappedDataKey) -> None:
    """Write into the comment of a data key that Vercel does not tell, that it is this one. Its value is left alone.

    For a person's word, which was proved against the KMS key: a delivery knows by the comment whose it is.
    Raises DataKeyConflict where the comment names another.
    """
    entries = in_production(variables.list(), DATA_KEY_VARIABLE)
    if len(entries) != 1:
        raise DataKeyConflict(
            f"{variables.owner} has {DATA_KEY_VARIABLE} for production {len(entries)} times, and had it once",
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
    variables.comment(entries[0], data_key_comment(wrapped))


def _wrapped(variables: Variables, entry: ListedVariable) -> WrappedDataKey | None:
    value = _value(variables, entry)
    if value is None:
        return None
    try:
        return WrappedDataKey(value=value)
    except MalformedDataKey as error:
        # Not fixed here: the application may read it all the same, and the delivery would take it for another key.
        raise DataKeyConflict(
            f"{DATA_KEY_VARIABLE} in production of {variables.owner} cannot be a wrapped data key: {error}",
            f"set it again as it was printed when it was made: vercel env update {DATA_KEY_VARIABLE} production",
        ) from None


def _value(variables: Variables, entry: ListedVariable) -> str | None:
    if entry.type in _NOT_TOLD:
        return None
    # An empty value may be one that Vercel does not return.
    return entry.value or variables.decrypt(entry)


def rename_variable(variables: Variables, id: str, *, stored: WrappedDataKey, today: date) -> str:
    """What became of it, in words. Nothing is deleted and no value is read or written.

    Raises UsageError where production has no such variable, DataKeyConflict for the stored data key itself.
    """
    listed = variables.list()
    entry = next((each for each in in_production(listed, DATA_KEY_VARIABLE) if each.id == id), None)
    if entry is None:
        raise UsageError(
            f"{variables.owner} has no {DATA_KEY_VARIABLE} {id} in production; nothing was changed",
            wizard("doctor", advice="it names the one that is in the way"),
        )
    if data_key_identity(entry, variables.decrypt) == stored.fingerprint:
        raise DataKeyConflict(
            f"{DATA_KEY_VARIABLE} {id} is the stored data key {stored.fingerprint}; nothing was changed",
            wizard("push"),
        )
    if entry.elsewhere:
        others = [target for target in entry.targets if target != PRODUCTION_TARGET]
        variables.rename_variable(entry, {"target": others})
        return f"{DATA_KEY_VARIABLE} {id} serves {', '.join(entry.elsewhere)} as before, and production no more"
    name = f"{DATA_KEY_VARIABLE}_ASIDE_{today:%Y%m%d}_{entry.id[-4:]}"
    variables.rename_variable(entry, {"key": name})
    return f"{DATA_KEY_VARIABLE} {id} is now {name}, with its value"
