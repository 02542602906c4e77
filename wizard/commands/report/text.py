"""What the Markdown is put together from: words written by hand, which hold no digit, and facts with their place.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from wizard.commands.report.html import Fact, Form, words

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&])")
# Of a code span nothing is special but its end, and of a table's cell the bar.
_SPECIAL_IN_CODE = re.compile(r"[`|\r\n]")


@dataclass(frozen=True)
class Piece:
    """A part of the text; `pointer` is the place of the fact it tells, None for words written by hand."""

    text: str
    pointer: str | None = None


Cell = Sequence[Piece]


def hand(text: str) -> Piece:
    """Words written by hand. Raises ValueError for a digit."""
    words(text)
    return Piece(text)


def cited(fact: Fact, form: Form = Form.PLAIN) -> Piece:
    """A fact, in words."""
    told = _SPECIAL.sub(r"\\\1", " ".join(fact.told(form).split()))
    return Piece(told, fact.pointer)


def code(fact: Fact) -> Piece:
    """A name that a program gave."""
    told = fact.told()
    if _SPECIAL_IN_CODE.search(told):
        return cited(fact)
    return Piece(f"`{told}`", fact.pointer)


def cell(*parts: Fact | str | Piece) -> list[Piece]:
    """Parts, one after the other."""
    return [hand(each) if isinstance(each, str) else cited(each) if isinstance(each, Fact) else each for each in parts]


def codes(facts: Fact, empty: str = "none") -> list[Piece]:
    """Names that programs gave."""
    told: list[Piece] = []
    for each in facts or ():
        told += [hand(", ")] * bool(told) + [code(each)]
    return told or [hand(empty)]


def heading(level: str, *parts: Fact | str) -> Iterator[Piece]:
    """A heading; `level` is its marks."""
    yield hand(f"{level} ")
    yield from cell(*parts)
    yield hand("\n\n")


def paragraph(*parts: Fact | str | Piece) -> Iterator[Piece]:
    """A paragraph."""
    yield from cell(*parts)
    yield hand("\n\n")


def pairs(told: Iterable[tuple[str, Cell]]) -> Iterator[Piece]:
    """Names and values."""
    for name, value in told:
        yield hand(f"- **{name}:** ")
        yield from value
        yield hand("\n")
    yield hand("\n")


def table(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[Piece]:
    """A table."""
    yield hand(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}\n")
    for row in rows:
        yield hand("| ")
        for index, cell in enumerate(row):
            if index:
                yield hand(" | ")
            yield from cell
        yield hand(" |\n")
    yield hand("\n")


def when(fact: Fact, form: Form = Form.MOMENT, none: str = "unknown") -> list[Piece]:
    """A time, or words where it is not known."""
    return [cited(fact, form)] if fact.is_known else [hand(none)]
