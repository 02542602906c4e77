"""Lists, and mappings of fields: what a function of lists is applied to.

Touches nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from eonpro_phi.errors import InvalidValues

PHI_FIELDS = ("firstName", "lastName", "email", "phone", "dob", "address1", "address2", "city", "state", "zip")
"""The patient fields that the application stores encrypted, under the application's own names."""

ListFunction = Callable[[list[Any]], Sequence[str | None]]
"""A function of a list of values; it returns as many values, in the same order."""


def listed(values: Iterable[Any]) -> list[Any]:
    """The values as a list. Raises InvalidValues for a single one: a text is iterable, and so is a mapping, but its
    characters, and its names, are not the values.
    """
    if not isinstance(values, Iterable) or isinstance(values, str | bytes | bytearray | memoryview | Mapping):
        raise InvalidValues
    return list(values)


def map_fields(mapping: Mapping[str, Any], fields: Iterable[str], function: ListFunction) -> dict[str, Any]:
    """A copy of the mapping with the function applied to the named fields that exist; the others are unchanged."""
    if isinstance(fields, str) or not isinstance(mapping, Mapping):
        # A single name would be read as a list of letters: no field would match, and plain text would be stored.
        raise InvalidValues
    copy = dict(mapping)
    names = [name for name in fields if name in copy]
    copy.update(zip(names, function([copy[name] for name in names]), strict=True))
    return copy
