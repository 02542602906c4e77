"""What a re-encryption knows of a table, counts while it runs, and ends with: frozen facts.

Touches nothing. Of a row they carry the value of its key column, and nothing of what a column holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NAMED_AT_MOST = 10
"""How many rows are named, in each column, of those whose value opens under no key."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What is asked for: these columns of this table, its rows told apart by this column. Names as the database has
    them, without quotes."""

    table: str
    """With its schema before a dot, or as the search path finds it."""
    columns: tuple[str, ...]
    key_column: str


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How the values of one column were found, in the rows that were read."""

    empty: int = 0
    """NULL, or the empty text: what the application writes for no value."""
    new: int = 0
    """Records under the new key."""
    old: int = 0
    """Records under an old key."""
    foreign: int = 0
    """Values that have the shape of a record and open under neither key."""
    no_record: int = 0
    """Values that are no records at all."""
    named: tuple[str, ...] = ()
    """Key column values of the first few rows of `foreign` and `no_record`."""

    @property
    def neither(self) -> int:
        """Values that stay as they are because no key opens them."""
        return self.foreign + self.no_record

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            empty=self.empty + other.empty,
            new=self.new + other.new,
            old=self.old + other.old,
            foreign=self.foreign + other.foreign,
            no_record=self.no_record + other.no_record,
            named=(self.named + other.named)[:NAMED_AT_MOST],
        )

    def as_json(self) -> dict[str, object]:
        """The counts, in the words of the document."""
        return {
            "empty": self.empty,
            "underNewKey": self.new,
            "underOldKey": self.old,
            "underNeitherKey": self.foreign,
            "notARecord": self.no_record,
            "rowsNamed": list(self.named),
        }


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of one range of rows, or of several."""

    rows: int = 0
    """Rows that were read."""
    written: int = 0
    """Rows that were written, and committed."""
    left: int = 0
    """Rows that still need an old key, because somebody else kept writing or locking them: the next pass has them."""
    again: int = 0
    """Times that rows were read anew because another transaction came between."""
    columns: Mapping[str, Tally] = field(default_factory=dict)

    def __add__(self, other: Done) -> Done:
        names = {**self.columns, **other.columns}
        return Done(
            rows=self.rows + other.rows,
            written=self.written + other.written,
            left=self.left + other.left,
            again=self.again + other.again,
            columns={name: self.columns.get(name, Tally()) + other.columns.get(name, Tally()) for name in names},
        )

    @property
    def settled(self) -> bool:
        """Whether every value was found under the new key, empty, or under none: a pass that ends the work."""
        return not self.left and not any(each.old for each in self.columns.values())

    @property
    def neither(self) -> int:
        """Values of all columns that open under no key."""
        return sum(each.neither for each in self.columns.values())

    def as_json(self) -> dict[str, object]:
        """One pass, in the words of the document."""
        return {
            "rows": self.rows,
            "rowsWritten": self.written,
            "rowsLeft": self.left,
            "readAgain": self.again,
            "columns": {name: each.as_json() for name, each in self.columns.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run from its first row to its end."""

    assignment: Assignment
    passes: tuple[Done, ...]
    dry: bool
    seconds: float
    pass_seconds: tuple[float, ...]
    """What each pass took of them."""
    processes: int
    batch: int
    resumed_after: str | None = None
    """The key column value that the first pass began after, by the checkpoint; None for the beginning."""
    peak_mib: tuple[float, float] = (0.0, 0.0)
    """Largest resident memory of the parent and of any worker, in MiB."""

    @property
    def settled(self) -> bool:
        """Whether the last pass found nothing that needs an old key."""
        return bool(self.passes) and self.passes[-1].settled

    @property
    def neither(self) -> int:
        """Values that open under no key, as the last pass found them."""
        return self.passes[-1].neither if self.passes else 0

    def as_json(self) -> dict[str, object]:
        """The run, in the words of the document."""
        return {
            "table": self.assignment.table,
            "columns": list(self.assignment.columns),
            "keyColumn": self.assignment.key_column,
            "dryRun": self.dry,
            "settled": self.settled,
            "rowsWritten": sum(each.written for each in self.passes),
            "valuesUnderNoKey": self.neither,
            "passes": [
                {**each.as_json(), "seconds": round(seconds, 3)}
                for each, seconds in zip(self.passes, self.pass_seconds, strict=True)
            ],
            "resumedAfter": self.resumed_after,
            "seconds": round(self.seconds, 3),
            "rowsPerSecond": round(sum(each.rows for each in self.passes) / max(self.seconds, 0.001)),
            "processes": self.processes,
            "batch": self.batch,
            "peakMemoryMiB": {"parent": round(self.peak_mib[0], 1), "worker": round(self.peak_mib[1], 1)},
        }
