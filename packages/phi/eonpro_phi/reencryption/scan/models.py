"""The data of a scan: tables and their columns, with counts and never a value.

Touches nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from eonpro_phi.declarations import Declaration
from eonpro_phi.reencryption.column_types import Contents


class TableKind(StrEnum):
    """The kind of a table, by PostgreSQL's letter."""

    TABLE = "r"
    PARTITIONED = "p"
    MATERIALIZED_VIEW = "m"
    FOREIGN = "f"
    VIEW = "v"
    LARGE_OBJECTS = "L"

    @property
    def words(self) -> str:
        """The name in PostgreSQL's documentation."""
        return "table" if self is TableKind.TABLE else self.name.lower().replace("_", " ") + _WORDS.get(self, "")


_WORDS = {TableKind.PARTITIONED: " table", TableKind.FOREIGN: " table"}


@dataclass(kw_only=True)
class ScannedColumn:
    """The values of a column, counted."""

    name: str
    type_name: str = "text"
    contents: Contents = Contents.TEXT
    problem: str | None = None
    """Why it is not read."""
    keys: Counter[str] = field(default_factory=Counter)
    """Records, by the fingerprint of the wrapped key that decrypts them."""
    forms: Counter[str] = field(default_factory=Counter)
    """Whole values that are records, by their form."""
    elsewhere: int = 0
    """Records under a key of this run that open nowhere in this row: of another row or column, or damaged."""
    declared: Declaration | None = None
    """What its model says, where that is known."""
    unreadable: int = 0
    """Values that look like records, and that no key of this run decrypts."""
    documents: int = 0
    """Values with records inside: JSON, arrays, XML, bytes. Each of those records is counted above."""
    bytes_: int = 0
    """Values of bytes without a visible record; their other content is unknown."""
    hashes: int = 0
    plain: int = 0
    """Other texts."""
    phi: Counter[str] = field(default_factory=Counter)
    """Plain texts that look like PHI, by kind. One text can be counted more than once."""
    is_accepted: bool = False
    """Whether the person says that it holds no PHI."""
    contents_accepted: bool = False
    """Whether a person has confirmed that the unreadable values here are no records."""

    @property
    def undeclared(self) -> dict[str, int]:
        """Records of another form than the model declares."""
        own = self.declared and self.declared.binding.form
        return {form: count for form, count in self.forms.items() if own and form != own}

    @property
    def not_looked_into(self) -> str | None:
        """Why it is not known whether it holds records; None where it is known, or where the person has accepted it."""
        if self.contents_accepted:
            return None
        if self.problem or not self.bytes_:
            return self.problem
        what = "bytes inside another type are not read" if self.contents is Contents.HIDDEN else "bytes without records"
        return f"{self.bytes_:,} values, {what}"

    @property
    def state(self) -> str:
        """`clear` (PHI in the clear, beside records or not), `unreadable`, `misbound`, `unread`, `records`, `other`."""
        if self.phi and not self.is_accepted:
            return "clear"
        if self.unreadable and not self.contents_accepted:
            return "unreadable"
        if (self.elsewhere and not self.contents_accepted) or self.undeclared:
            return "misbound"
        if self.not_looked_into:
            return "unread"
        return "records" if self.keys else "other"

    def as_json(self) -> dict[str, object]:
        """The column for the JSON document."""
        return {
            "column": self.name,
            "type": self.type_name,
            "contents": self.contents.value,
            "state": self.state,
            "notLookedInto": self.not_looked_into,
            "underKeys": dict(self.keys),
            "underNoKey": self.unreadable,
            "forms": dict(self.forms),
            "notReadableHere": self.elsewhere,
            "declared": self.declared and self.declared.binding.form,
            "notBoundAsDeclared": sum(self.undeclared.values()),
            "valuesWithRecordsInside": self.documents,
            "bytesWithoutRecords": self.bytes_,
            "hashes": self.hashes,
            "inTheClear": self.plain,
            "looksLike": dict(self.phi),
            "accepted": self.is_accepted,
            "contentsAccepted": self.contents_accepted,
        }


@dataclass(kw_only=True)
class ScannedTable:
    """A table, and the rows of it that were read."""

    schema: str
    table: str
    kind: TableKind = TableKind.TABLE
    rows: int
    """An estimate of the statistics, or counted where there are none."""
    columns: tuple[ScannedColumn, ...]
    tenant_column: str | None = None
    """The column with the tenant of each row, whose key its records are under; None where there are no tenants."""
    key_column: str | None = None
    """A column that identifies the rows, for a re-encryption; None where no single one does."""
    takes_samples: bool = True
    """Whether PostgreSQL can read blocks from all over it."""
    sampled: int = 0
    problem: str | None = None
    """Why it could not be read."""

    @property
    def name(self) -> str:
        """The table's name with its schema."""
        return f"{self.schema}.{self.table}"

    @property
    def row_column(self) -> str | None:
        """The column whose text names a row in its records; None where a key of several columns does."""
        return self.key_column if self.key_column in {each.name for each in self.columns} else None

    @property
    def readable(self) -> tuple[ScannedColumn, ...]:
        """The columns whose values are read."""
        if self.kind is TableKind.VIEW:
            return ()
        return tuple(each for each in self.columns if each.contents is not Contents.NEITHER and each.problem is None)

    @property
    def not_looked_into(self) -> Iterator[tuple[str, str]]:
        """The columns, with their table, of which it is not known whether they hold records, and why."""
        for column in self.columns:
            if self.kind is TableKind.VIEW or column.contents is Contents.NEITHER:
                continue
            if why := (self.problem if not column.contents_accepted else None) or column.not_looked_into:
                yield f"{self.name}.{column.name}", why

    def as_json(self) -> dict[str, object]:
        """The table for the JSON document."""
        return {
            "table": self.name,
            "kind": self.kind.words,
            "rows": self.rows,
            "rowsRead": self.sampled,
            "problem": self.problem,
            "columns": [column.as_json() for column in self.columns],
        }
