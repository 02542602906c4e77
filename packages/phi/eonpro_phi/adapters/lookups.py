"""What the search fields of every ORM have in common.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eonpro_phi.adapters.values import DATE, INTEGER, ValueForm

CERTAIN_BITS = 64
"""From so many bits on, two texts with one value are not to be expected: a lookup finds no others."""

NEGATED = (
    "An index of words, or of few bits, finds rows that may be others': their negation leaves out rows that should be "
    "there. Negate in Python: the rows that are not in true_hits(…)."
)


SEARCHED = (None, DATE, INTEGER)
"""The forms of values whose texts a rule takes; None for texts."""


def searched_text(value: Any, form: ValueForm | None) -> Any:
    """The text of a value that is searched; a text is one already."""
    return value if form is None or isinstance(value, str) else form.dump(value)


@dataclass(frozen=True)
class InClinic:
    """What is looked up where a search field has a `clinic`: InClinic(7, "jane@example.org")."""

    clinic: object
    text: Any


def question(value: Any, name: str, clinic: str | None, error: Callable[[str], Exception]) -> tuple[Any, str]:
    """The text of a lookup by the search field `name`, and the clinic. Raises the error where one is missing, or too
    much.
    """
    if isinstance(value, InClinic) != bool(clinic):
        hint = f"InClinic({clinic.upper()}, TEXT)" if clinic else "the text alone"
        raise error(f"{name} is looked up by {hint}.")
    return (value.text, str(value.clinic)) if clinic else (value, "")


def clinic_text(value: object, name: str, clinic: str, error: type[Exception]) -> str:
    """The clinic of a row as text. Raises the error where the row has none."""
    if value is None:
        raise error(f"{name} needs the clinic of the row: {clinic} is None.")
    return str(value)
