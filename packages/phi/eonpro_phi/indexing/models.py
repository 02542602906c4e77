"""What an index run fills: exact columns, a column of tokens, and the columns of texts that they are made of.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from eonpro_phi.record import names_of, place
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.reencryption.models import ColumnCounts, ColumnSelection, HashColumn, RowCounts, RunResult
from eonpro_phi.search.indexes import ExactIndex, WordIndex
from eonpro_phi.search.rules import RULES


@dataclass(frozen=True, kw_only=True)
class SearchColumn:
    """A search column, and the columns whose texts it is made of."""

    index: ExactIndex | WordIndex
    sources: tuple[str, ...]
    """One for an exact column."""
    name_in_table: str | None = None
    """Where the index has another name for its keys."""

    @property
    def name(self) -> str:
        return self.name_in_table or self.index.column

    @property
    def is_exact(self) -> bool:
        return isinstance(self.index, ExactIndex)

    @property
    def type_name(self) -> str:
        """PostgreSQL's type."""
        return "text" if self.is_exact else "integer[]"

    def as_json(self) -> dict[str, object]:
        rule = {"rule": self.index.rule} if isinstance(self.index, ExactIndex) else {}
        key = {"place": place(self.index.table, self.index.column)} if self.name_in_table else {}
        return {"sources": list(self.sources), **rule, "bits": self.index.bits, **key}


@dataclass(frozen=True, kw_only=True)
class IndexSelection:
    """The search columns of a run, of one table."""

    table: str
    """As typed: TABLE or SCHEMA.TABLE."""
    key_column: str
    columns: tuple[SearchColumn, ...]
    clinic_column: str | None = None
    places: tuple[tuple[str, str], ...] = ()
    """The names for keys of columns, where they are not those of the table and the column."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of texts, each once."""
        return tuple(dict.fromkeys(source for column in self.columns for source in column.sources))

    def columns_to_write(self) -> ColumnSelection:
        """The selection for the statements: token columns as documents, exact columns as hashes."""
        clinic = (self.clinic_column,) if self.clinic_column else ()
        return ColumnSelection(
            table=self.table,
            columns=tuple(column.name for column in self.columns if not column.is_exact),
            key_column=self.key_column,
            hashes=tuple(
                HashColumn(source=column.sources[0], name=column.name, field="")
                for column in self.columns
                if column.is_exact
            ),
            sources=(*self.sources, *(name for name in clinic if name not in self.sources)),
        )

    def as_json(self) -> dict[str, object]:
        return {
            "table": self.table,
            "keyColumn": self.key_column,
            "clinicColumn": self.clinic_column,
            "searchColumns": {column.name: column.as_json() for column in self.columns},
        }


def search_columns(
    table: str, exact: tuple[str, ...], words: tuple[str, ...], places: Mapping[str, str] = MappingProxyType({})
) -> tuple[SearchColumn, ...]:
    """Parse COLUMN:SEARCH:RULE[:BITS] and COLUMN+COLUMN:TOKENS[:BITS]; `table` without its schema.

    Raises UsageError with all problems.
    """
    problems: list[str] = []
    columns: list[SearchColumn] = []

    def named(column: str) -> tuple[str, str, str | None]:
        """The table and the column of the index, and the name of the column where it is another."""
        return (*names_of(places[column]), column) if column in places else (table, column, None)

    for text in exact:
        parts = text.split(":")
        if len(parts) not in (3, 4) or not all(parts) or parts[2] not in RULES:
            problems.append(f"--exact {text}: expected COLUMN:SEARCH:RULE, or …:BITS; RULE is {', '.join(RULES)}")
            continue
        try:
            bits = {"bits": int(parts[3])} if len(parts) == 4 else {}
            of, column, own = named(parts[1])
            index = ExactIndex(table=of, column=column, rule=parts[2], **bits)
            columns.append(SearchColumn(index=index, sources=(parts[0],), name_in_table=own))
        except ValueError as error:
            problems.append(f"--exact {text}: {error}")
    for text in words:
        parts = text.split(":")
        sources = tuple(name for name in parts[0].split("+") if name)
        if len(parts) not in (2, 3) or not all(parts) or not sources:
            problems.append(f"--words {text}: expected COLUMN+COLUMN:TOKENS, or …:BITS")
            continue
        try:
            bits = {"bits": int(parts[2])} if len(parts) == 3 else {}
            of, column, own = named(parts[1])
            words_index = WordIndex(table=of, column=column, **bits)
            columns.append(SearchColumn(index=words_index, sources=sources, name_in_table=own))
        except ValueError as error:
            problems.append(f"--words {text}: {error}")
    if not problems and not columns:
        problems.append("there is nothing to index: name search columns with --exact or --words")
    if problems:
        raise UsageError(problems)
    return tuple(columns)


def run_as_json(selection: IndexSelection, result: RunResult) -> dict[str, object]:
    """The result of a run, for the JSON document."""
    document = result.as_json()
    return {
        **selection.as_json(),
        **{name: document[name] for name in ("dryRun", "complete", "rowsWritten", "seconds")},
        "unreadableValues": result.undecryptable,
        "passes": [_pass_as_json(counts) for counts in result.passes],
    }


def _pass_as_json(counts: RowCounts) -> dict[str, object]:
    return {
        **{name: value for name, value in counts.as_json().items() if name != "columns"},
        "columns": {name: _counts_as_json(of_column) for name, of_column in counts.columns.items()},
    }


def _counts_as_json(counts: ColumnCounts) -> dict[str, object]:
    return {
        "empty": counts.empty,
        "current": counts.new,
        "toWrite": counts.old,
        "ofUnreadableTexts": counts.foreign,
        "notSearchValues": counts.no_record,
        "exampleRows": list(counts.example_rows),
    }
