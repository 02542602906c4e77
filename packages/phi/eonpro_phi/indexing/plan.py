"""`python -m eonpro_phi index --plan`: what an index costs, how often it finds too much, and what it shows.

Touches the database, which it reads once. It counts under a random key, and keeps no text.
"""

from __future__ import annotations

import hmac
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from eonpro_phi.indexing.models import IndexSelection, SearchColumn
from eonpro_phi.indexing.rows import RowIndexer
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.models import RowCounts
from eonpro_phi.reencryption.options import BATCH
from eonpro_phi.reencryption.progress import Progress
from eonpro_phi.reencryption.statements import Table
from eonpro_phi.search.indexes import ExactIndex, WordIndex
from eonpro_phi.search.words import row_terms

FEW_ROWS = 3
"""Mean rows of a value above which a column has few values for an exact index."""

_FEW_VALUES: Mapping[str, str] = {
    "date": "dates of birth are some thirty thousand days",
    "last4": "four digits are ten thousand values",
}
_SKETCH_BITS = 2**24
_MOST_TERMS = 500_000


@dataclass(kw_only=True)
class _Counts:
    """Of one search column: rows of each value or token, by clinic, and an estimate of the distinct terms."""

    column: SearchColumn
    rows: Counter[str] = field(default_factory=Counter)
    """Rows with a text, of each clinic."""
    values: dict[str, Counter[int]] = field(default_factory=dict)
    tokens: int = 0
    terms: bytearray = field(default_factory=lambda: bytearray(_SKETCH_BITS // 8))


@dataclass(frozen=True, kw_only=True)
class ColumnPlan:
    """The figures of one search column. "In a clinic": in the largest one; without clinics in the table."""

    column: SearchColumn
    rows: int
    """Rows with a value."""
    distinct: int
    """Different values, or different tokens, of all clinics together."""
    terms: int | None
    """Of words: different prefixes and ends, about."""
    most_frequent: int
    """Rows of the most frequent value or token, in a clinic."""
    equal_rows: int
    """Rows of an exact column that share their value with another row."""
    false_hits: float
    """Expected, of a query of one word or value, in a clinic."""
    false_hits_of_two: float | None
    """Of words: expected, of a query of two words."""
    tokens_per_row: float | None
    bytes_per_row: int
    """Of the column; its index has about as many again."""
    warning: str | None

    def as_json(self) -> dict[str, object]:
        return {
            **self.column.as_json(),
            "rows": self.rows,
            "distinct": self.distinct,
            "distinctTerms": self.terms,
            "rowsOfTheMostFrequent": self.most_frequent,
            "rowsThatShareTheirValue": self.equal_rows,
            "expectedFalseHits": round(self.false_hits, 3),
            "expectedFalseHitsOfTwoWords": self.false_hits_of_two and round(self.false_hits_of_two, 3),
            "tokensPerRow": self.tokens_per_row and round(self.tokens_per_row, 1),
            "bytesPerRow": self.bytes_per_row,
            "warning": self.warning,
        }

    def lines(self) -> Iterator[str]:
        """The figures in words."""
        name, sources = self.column.name, " + ".join(self.column.sources)
        if self.column.is_exact:
            yield (
                f"{name} (exact, {sources}): {self.rows:,} rows with a value, {self.distinct:,} different; "
                f"{self.bytes_per_row} bytes a row; false hits of a lookup: {self.false_hits:.2g}"
            )
            yield (
                f"  Who reads the table sees which rows are equal: {self.equal_rows:,} rows share their value with "
                f"another, the most frequent value has {self.most_frequent:,}."
            )
        else:
            yield (
                f"{name} (words, {sources}): {self.rows:,} rows, {self.tokens_per_row:.1f} tokens a row, about "
                f"{self.terms:,} different prefixes and ends in {2**self.column.index.bits:,} tokens; "
                f"{self.bytes_per_row} bytes a row"
            )
            yield (
                f"  Expected false hits of a query of one word: {self.false_hits:.3g}, of two: "
                f"{self.false_hits_of_two:.2g}. Each is decrypted and dropped."
            )
            yield (
                "  Who reads the table sees which rows share a token, and how many: the most frequent one is in "
                f"{self.most_frequent:,} rows. With statistics of names most names can be told: docs/phi/search.md "
                "has the figures."
            )
        if self.warning:
            yield f"  Warning: {self.warning}"


@dataclass(frozen=True, kw_only=True)
class IndexPlan:
    """The plan of a run."""

    selection: IndexSelection
    rows: int
    clinics: int
    unreadable: int
    columns: tuple[ColumnPlan, ...]

    def as_json(self) -> dict[str, object]:
        return {
            **self.selection.as_json(),
            "rows": self.rows,
            "clinics": self.clinics,
            "unreadableValues": self.unreadable,
            "searchColumns": {column.column.name: column.as_json() for column in self.columns},
        }

    def lines(self) -> list[str]:
        """The plan in words."""
        clinics = (
            f" in {self.clinics:,} clinics; what is said of a clinic is of the largest" if self.clinics > 1 else ""
        )
        lines = [f"{self.selection.table}: {self.rows:,} rows{clinics}."]
        for column in self.columns:
            lines += column.lines()
        if self.unreadable:
            lines.append(f"Texts that no key decrypts, not counted: {self.unreadable:,}.")
        return [*lines, "Nothing was written."]


def plan(
    database: Database, table: Table, selection: IndexSelection, indexer: RowIndexer, progress: Progress
) -> IndexPlan:
    """Read all rows, and count. `table` has no columns to write."""
    key, after, rows, unreadable = os.urandom(32), None, 0, 0
    counts = [_Counts(column=column) for column in selection.columns]
    known: dict[str, int] = {}
    progress.begin("reading", table.rows)
    while batch := database.read(table, after=after, until=None, limit=BATCH):
        values = dict(zip(table.selection.read_names, batch.values, strict=True))
        clinics = values[selection.clinic_column] if selection.clinic_column else [""] * len(batch)
        texts = {name: indexer.texts(values[name], name, batch.keys, clinics) for name in selection.sources}
        for column in counts:
            of_column = [texts[source] for source in column.column.sources]
            for clinic, *of_row in zip(clinics, *of_column, strict=True):
                readable = [text for text in of_row if isinstance(text, str)]
                unreadable += sum(text is not None and not isinstance(text, str) for text in of_row)
                _count(column, clinic or "", readable, key, known)
        after, rows = batch.keys[-1], rows + len(batch)
        progress.add(RowCounts(rows=len(batch)))
    progress.end()
    names = {clinic for column in counts for clinic in column.rows}
    return IndexPlan(
        selection=selection,
        rows=rows,
        clinics=len(names),
        unreadable=unreadable,
        columns=tuple(_column_plan(column) for column in counts),
    )


def _count(counts: _Counts, clinic: str, texts: Sequence[str], key: bytes, known: dict[str, int]) -> None:
    """Count one row."""
    index = counts.column.index
    if isinstance(index, ExactIndex):
        normalised = index.normalised(texts[0]) if texts else None
        if normalised is not None:
            counts.rows[clinic] += 1
            counts.values.setdefault(clinic, Counter())[_number(key, normalised) >> max(0, 64 - index.bits)] += 1
        return
    counts.rows[clinic] += 1
    tokens = set()
    if len(known) > _MOST_TERMS:
        known.clear()
    for term in row_terms(texts):
        if (number := known.get(term)) is None:
            number = known[term] = _number(key, term)
            bit = number % _SKETCH_BITS
            counts.terms[bit >> 3] |= 1 << (bit & 7)
        tokens.add(number >> (64 - index.bits))
    counts.tokens += len(tokens)
    counts.values.setdefault(clinic, Counter()).update(tokens)


def _number(key: bytes, text: str) -> int:
    return int.from_bytes(hmac.digest(key, text.encode(), "sha256")[:8], "big")


def _column_plan(counts: _Counts) -> ColumnPlan:
    column, index = counts.column, counts.column.index
    rows = sum(counts.rows.values())
    largest = max(counts.rows, key=lambda clinic: counts.rows[clinic], default="")
    of_largest = counts.values.get(largest, Counter[int]())
    base = ColumnPlan(
        column=column,
        rows=rows,
        distinct=sum(len(values) for values in counts.values.values()),
        terms=None,
        most_frequent=max((max(values.values()) for values in counts.values.values() if values), default=0),
        equal_rows=sum(number for values in counts.values.values() for number in values.values() if number > 1),
        false_hits=counts.rows[largest] / 2**index.bits,
        false_hits_of_two=None,
        tokens_per_row=None,
        bytes_per_row=index.bits // 4 + 1,
        warning=None,
    )
    if isinstance(index, ExactIndex):
        return replace(base, warning=_warning(index, rows, base.distinct))
    share = sum(of_largest.values()) / 2**index.bits
    mean = counts.tokens / rows if rows else 0.0
    return replace(
        base,
        terms=_distinct(counts.terms),
        equal_rows=0,
        false_hits=share,
        false_hits_of_two=share * share / max(1, counts.rows[largest]),
        tokens_per_row=mean,
        bytes_per_row=24 + round(4 * mean),
        warning=_word_warning(index, share, counts.rows[largest]),
    )


def _warning(index: ExactIndex, rows: int, distinct: int) -> str | None:
    few = _FEW_VALUES.get(index.rule)
    if few is None and (not distinct or rows / distinct <= FEW_ROWS):
        return None
    reason = few or f"there are {rows / distinct:.1f} rows of each value"
    return (
        f"{reason}: who reads the table and knows how frequent each is can guess many. Index it only where rows are "
        "looked up by it, with a clinic column, or with fewer bits."
    )


def _word_warning(index: WordIndex, share: float, rows: int) -> str | None:
    if share <= max(50, rows / 1000):
        return None
    wanted = index.bits + math.ceil(math.log2(share / max(50, rows / 1000)))
    return f"a query of one word decrypts {share:,.0f} rows too many: {min(31, wanted)} bits are enough for this table."


def _distinct(sketch: bytearray) -> int:
    """About how many different terms have set a bit (linear counting)."""
    unset = _SKETCH_BITS - int.from_bytes(sketch, "big").bit_count()
    return round(-_SKETCH_BITS * math.log(max(unset, 1) / _SKETCH_BITS))
