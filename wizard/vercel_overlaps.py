"""Where the names of the delivered variables stand outside production, told in words without a value.

Touches the network through `wizard/vercel_variables.py` only; reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from components.contract import DATA_KEY_VARIABLE
from wizard.errors import SetupError
from wizard.vercel_access_key import ID_VARIABLE, SECRET_VARIABLE
from wizard.vercel_access_key import named as named_access_key
from wizard.vercel_standing import PRODUCTION, ListedVariable, data_key_identity, in_production
from wizard.vercel_variables import Variables

NAMES = (DATA_KEY_VARIABLE, "AWS_KMS_KEY_ID", "AWS_REGION")
ACCESS_KEY = (ID_VARIABLE, SECRET_VARIABLE)


def overlaps(variables: Variables) -> tuple[str, ...]:
    """One line for each name and each standing; see `wizard.vercel.Vercel.overlaps`."""
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
        told = [place for entry in entries for place in self._each(entry, production)]
        names = list(dict.fromkeys(told))
        return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)

    def _each(self, entry: ListedVariable, production: bool) -> Iterable[str]:
        if production and entry.in_production:
            yield PRODUCTION
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
    told = named_access_key(entry)
    if told is not None or entry.key != ID_VARIABLE or entry.type == "sensitive":
        return told
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
    return f"{line}; the project's own goes before it, where there is one for the same environment"
