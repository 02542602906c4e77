"""The data of a re-encryption: what to re-encrypt, counts while it runs, and the result.

Touches nothing. Of a row they hold the value of its key column, and nothing of the other columns.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from eonpro_phi.binding import Binding, Form
from eonpro_phi.record import place

MAX_LISTED_ROWS = 10
"""Most rows that are listed, for each column, whose value no key decrypts."""

UNCHANGED = ""
"""In place of a record or hash: the value stays as it is. Neither is ever the empty text."""

REMOVED = "-"
"""In place of a hash: the text has none, and the column gets NULL."""


@dataclass(frozen=True, kw_only=True)
class HashColumn:
    """A column with the search hashes of another column's texts."""

    source: str
    """The column of the texts, one of the selection's `columns`."""
    name: str
    field: str
    """A key of `eonpro_phi.hashes.NORMALISATIONS`."""


@dataclass(frozen=True, kw_only=True)
class JsonColumn:
    """A column of JSON, of which a first encryption makes the texts of some fields records."""

    name: str
    fields: tuple[str, ...]
    """Their names at any depth; "*" for every text."""


@dataclass(frozen=True, kw_only=True)
class ColumnSelection:
    """The columns to re-encrypt, of one table, and the column that identifies its rows; names as the database has
    them, without quotes."""

    table: str
    """The table's name, with its schema before a dot, or as the search path finds it."""
    columns: tuple[str, ...]
    key_column: str
    hashes: tuple[HashColumn, ...] = ()
    """The hash columns that are carried in the same statement as the records."""
    json_columns: tuple[JsonColumn, ...] = ()
    """Those of the columns that are not encrypted as a whole."""
    tenant_column: str | None = None
    """The column with the tenant of each row, whose key its records get; None for the data key itself."""
    bind: str | None = None
    """What the new records are bound to, "column" or "row"; None keeps the place of each."""
    reads: tuple[Form, ...] = ()
    """The forms of earlier records that are taken; any other than the run's own stays and is listed."""
    places: tuple[tuple[str, str], ...] = ()
    """The names for keys of columns, where they are not those of the table and the column."""
    sources: tuple[str, ...] = ()
    """Columns that are read, and never written."""

    def binding(self, table: str, column: str) -> Binding:
        """What the records of a column are bound to; `table` is without its schema."""
        form = Form.of(self.bind, tenant=self.tenant_column is not None) if self.bind else None
        return Binding(place=dict(self.places).get(column) or place(table, column), form=form, reads=self.reads)

    @property
    def read_names(self) -> tuple[str, ...]:
        """Every column that is read: those that are written, then the sources."""
        return (*self.names, *self.sources)

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that is read and written: records, then hashes."""
        return (*self.columns, *(column.name for column in self.hashes))


@dataclass(frozen=True, kw_only=True)
class ColumnCounts:
    """The values of one column, counted by the key that they are under: that decrypts the record or made the hash."""

    empty: int = 0
    """NULL or the empty text, which the application writes for no value."""
    new: int = 0
    """Records under the new key."""
    old: int = 0
    """Records or hashes under an old key, and hashes that are to be replaced."""
    foreign: int = 0
    """Values that look like a record or a hash and are under neither key."""
    no_record: int = 0
    """Values of another form."""
    elsewhere: int = 0
    """Records under a key of this run that are not in a form that it reads, or not of this row or column."""
    without_tenant: int = 0
    """Values of rows that name no tenant, of whose key they would be."""
    documents: int = 0
    """Values with records inside: JSON, XML, arrays and others. Each of those records is counted above."""
    without_records: int = 0
    """Values of a type for documents or bytes in which no record is."""
    example_rows: tuple[str, ...] = ()
    """Key column values of the first rows of `foreign` and `no_record`."""

    @property
    def undecryptable(self) -> int:
        """Values that stay as they are because no key decrypts them."""
        return self.foreign + self.no_record + self.elsewhere + self.without_tenant

    @property
    def records(self) -> int:
        """Records of any key."""
        return self.new + self.old + self.foreign + self.elsewhere

    def __add__(self, other: "ColumnCounts") -> "ColumnCounts":
        return ColumnCounts(
            empty=self.empty + other.empty,
            new=self.new + other.new,
            old=self.old + other.old,
            foreign=self.foreign + other.foreign,
            no_record=self.no_record + other.no_record,
            elsewhere=self.elsewhere + other.elsewhere,
            without_tenant=self.without_tenant + other.without_tenant,
            documents=self.documents + other.documents,
            without_records=self.without_records + other.without_records,
            example_rows=(self.example_rows + other.example_rows)[:MAX_LISTED_ROWS],
        )

    def as_json(self, *, first_time: bool = False) -> dict[str, object]:
        return {
            "empty": self.empty,
            "underNewKey": self.new,
            "inTheClear" if first_time else "underOldKey": self.old,
            "underNeitherKey": self.foreign,
            "notARecord": self.no_record,
            "notBoundAsRead": self.elsewhere,
            "withoutTenant": self.without_tenant,
            "valuesWithRecordsInside": self.documents,
            "valuesWithoutRecords": self.without_records,
            "exampleRows": list(self.example_rows),
        }


@dataclass(frozen=True, kw_only=True)
class ReencryptedColumn:
    """A column of a batch."""

    records: list[str]
    """The new value of each row: a record or hash, UNCHANGED or REMOVED."""
    counts: ColumnCounts
    texts: list[str | None] = field(default_factory=list, repr=False)
    """The texts of the rows, on request, "" for no text, None where no key decrypts the record."""

    @classmethod
    def merged(cls, rows: int, parts: Iterable[tuple[Sequence[int], "ReencryptedColumn"]]) -> Self:
        """One column of several, each with the numbers of its rows."""
        records, texts, counts = [UNCHANGED] * rows, list[str | None]([None]) * rows, ColumnCounts()
        for places, column in parts:
            counts += column.counts
            for at, record in zip(places, column.records, strict=True):
                records[at] = record
            for at, text in zip(places, column.texts, strict=False):
                texts[at] = text
        return cls(records=records, counts=counts, texts=texts)


@dataclass(frozen=True, kw_only=True)
class BatchProof:
    """A record that the rows of a batch were right when this run wrote or checked them, and what they then were.

    A row that has not been written since has the same version: xmin, the number of the transaction that wrote it.
    """

    versions: bytes
    """A digest of the keys and versions of all its rows."""
    counts: "RowCounts"


@dataclass(frozen=True, kw_only=True)
class BatchEnd:
    """Where a batch of a pass ended, in the order of the keys."""

    until: str | None
    """Its last key; None for the last batch."""
    proof: BatchProof | None = None


@dataclass(frozen=True, kw_only=True)
class RowCounts:
    """The counts of one batch, or of all batches of a pass."""

    rows: int = 0
    """Rows that were read."""
    written: int = 0
    """Rows that were written, and committed."""
    remaining: int = 0
    """Rows that still need an old key, because other transactions kept writing or locking them: for the next pass."""
    rereads: int = 0
    """Times that a batch was read again because another transaction had changed its rows."""
    columns: Mapping[str, ColumnCounts] = field(default_factory=dict)
    proof: BatchProof | None = None
    """Of one batch; a sum has none."""

    def __add__(self, other: "RowCounts") -> "RowCounts":
        names = {**self.columns, **other.columns}
        none = ColumnCounts()
        return RowCounts(
            rows=self.rows + other.rows,
            written=self.written + other.written,
            remaining=self.remaining + other.remaining,
            rereads=self.rereads + other.rereads,
            columns={name: self.columns.get(name, none) + other.columns.get(name, none) for name in names},
        )

    @property
    def complete(self) -> bool:
        """Whether no value needs an old key any more: a pass that ends the work."""
        return not self.remaining and not any(counts.old for counts in self.columns.values())

    @property
    def undecryptable(self) -> int:
        """Values of all columns that no key decrypts."""
        return sum(counts.undecryptable for counts in self.columns.values())

    def as_json(self, *, first_time: bool = False) -> dict[str, object]:
        """A pass, for the JSON document."""
        return {
            "rows": self.rows,
            "rowsWritten": self.written,
            "rowsRemaining": self.remaining,
            "rereads": self.rereads,
            "columns": {name: counts.as_json(first_time=first_time) for name, counts in self.columns.items()},
        }


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """The result of a run."""

    selection: ColumnSelection
    passes: tuple[RowCounts, ...]
    dry_run: bool
    first_time: bool = False
    """Whether plain texts were encrypted: `old` counts those."""
    search_columns: tuple[str, ...] = ()
    """Columns whose search values may be under the earlier key."""
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether the last pass found nothing that needs an old key."""
        return bool(self.passes) and self.passes[-1].complete

    @property
    def undecryptable(self) -> int:
        """Values that no key decrypts, as counted by the last pass."""
        return self.passes[-1].undecryptable if self.passes else 0

    def as_json(self) -> dict[str, object]:
        return {
            "table": self.selection.table,
            "columns": list(self.selection.columns),
            "keyColumn": self.selection.key_column,
            "hashColumns": {column.name: column.source for column in self.selection.hashes},
            "dryRun": self.dry_run,
            "complete": self.complete,
            "rowsWritten": sum(counts.written for counts in self.passes),
            "undecryptableValues": self.undecryptable,
            "passes": [counts.as_json(first_time=self.first_time) for counts in self.passes],
            "seconds": round(self.seconds, 3),
        }
