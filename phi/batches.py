"""Several values at once: lists, records of fields, and columns; whatever is done to a list is done to each form.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from phi.errors import ValuesRefused

PHI_FIELDS = (
    "firstName",
    "lastName",
    "email",
    "phone",
    "dob",
    "address1",
    "address2",
    "city",
    "state",
    "zip",
)
"""The fields of a patient that the application stores encrypted, by its own names."""

Column = list[str] | list[str | None] | tuple[str | None, ...]
"""Several values under one name."""

Batch = Callable[[list[Any]], Sequence[str | None]]
"""What is done to a list of values, in its order."""


def in_its_form(values: Iterable[Any], batch: Batch) -> Any:
    """Apply to what is inside and give it back in the form it came in: a list, or a dict under the same names.

    Raises ValuesRefused for what holds no values, a single text among them: its characters are none.
    """
    if isinstance(values, Mapping):
        items = list(values.items())
        single = iter(batch([value for _, value in items if not _is_column(value)]))
        return {name: list(batch(list(value))) if _is_column(value) else next(single) for name, value in items}
    if not _is_column(values):
        raise ValuesRefused
    return list(batch(list(values)))


def in_fields(mapping: Mapping[str, Any], fields: Iterable[str], batch: Batch) -> dict[str, Any]:
    """A copy of the mapping in which only the named fields, as far as it has them, are changed."""
    if isinstance(fields, str) or not isinstance(mapping, Mapping):
        # The letters of one name are no names: nothing would be encrypted, and nobody told.
        raise ValuesRefused
    copy = dict(mapping)
    named = [name for name in fields if name in copy]
    copy.update(zip(named, batch([copy[name] for name in named]), strict=True))
    return copy


def _is_column(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray | memoryview | Mapping)
