"""What the search fields of every ORM have in common.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from eonpro_phi.adapters.values import DATE, INTEGER, ValueForm
from eonpro_phi.search.indexes import ExactIndex, WordIndex

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


class SearchCipher(Protocol):
    """The methods of a PhiFields that make search values."""

    def search_value(self, index: ExactIndex, text: str | None, clinic: str = "") -> str | None:
        """The value to store."""

    def search_values(self, index: ExactIndex, text: str | None, clinic: str = "") -> list[str]:
        """The values to look up, under each hash key in use."""

    def search_tokens(self, index: WordIndex, texts: Iterable[str | None], clinic: str = "") -> list[int]:
        """The tokens to store."""

    def search_groups(self, index: WordIndex, query: str, clinic: str = "") -> list[list[int]]:
        """The tokens of each word; a row has to have one of them, under any hash key in use."""


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
