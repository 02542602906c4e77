"""Lists, mappings of fields and columns: applies a function of lists to each of these forms.

Touches nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from eonpro_phi.errors import InvalidValues

PHI_FIELDS = ("firstName", "lastName", "email", "phone", "dob", "address1", "address2", "city", "state", "zip")
"""The patient fields that the application stores encrypted, under the application's own names."""

Column = list[str] | list[str | None] | tuple[str | None, ...]
"""Several values under one name."""

ListFunction = Callable[[list[Any]], Sequence[str | None]]
"""A function of a list of values; it returns as many values, in the same order."""


def map_values(values: Iterable[Any], function: ListFunction) -> Any:
    """Apply the function and return the same form: a list for an iterable, a dict with the same names for a mapping.

    Raises InvalidValues for a single value. A single text is refused too: it is iterable, but its characters are not
    the values.
    """
    if isinstance(values, Mapping):
        items = list(values.items())
        single = iter(function([value for _, value in items if not _is_column(value)]))
        return {name: list(function(list(value))) if _is_column(value) else next(single) for name, value in items}
    if not _is_column(values):
        raise InvalidValues
    return list(function(list(values)))


def map_fields(mapping: Mapping[str, Any], fields: Iterable[str], function: ListFunction) -> dict[str, Any]:
    """A copy of the mapping with the function applied to the named fields that exist; the others are unchanged."""
    if isinstance(fields, str) or not isinstance(mapping, Mapping):
        # A single name would be read as a list of letters: no field would match, and plain text would be stored.
        raise InvalidValues
    copy = dict(mapping)
    names = [name for name in fields if name in copy]
    copy.update(zip(names, function([copy[name] for name in names]), strict=True))
    return copy


def _is_column(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray | memoryview | Mapping)
