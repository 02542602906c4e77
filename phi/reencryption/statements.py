"""The statements that read and write a batch, and what they speak of: a table, and rows of it.

Touches nothing; psycopg puts the statements together, so that no name and no value is ever pasted into one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from phi.reencryption.facts import Assignment


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that was looked at and may be re-encrypted."""

    assignment: Assignment
    schema: str
    name: str
    key_type: str
    """As PostgreSQL spells it, to cast a key's text with."""
    partitioned: bool = False
    read_back: bool = False
    """Whether triggers or rules may change a row after UPDATE has told what it wrote."""
    triggers: tuple[str, ...] = ()
    rows: int | None = None
    """How many there are by the statistics; None where there are none."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows that were read: keys as text, places and versions for the write, values column by column."""

    keys: Sequence[str]
    places: Sequence[str]
    versions: Sequence[str]
    values: Sequence[Sequence[str | None]]

    def __len__(self) -> int:
        return len(self.keys)


def array(words: Sequence[str]) -> str:
    """An array in PostgreSQL's own spelling, whatever is in the words."""
    return "{" + ",".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words) + "}"


def _relation(table: Table) -> sql.Composable:
    name = sql.Identifier(table.schema, table.name)
    # A partitioned table has no rows of its own; of another, only its own are meant.
    return name if table.partitioned else sql.SQL("only {}").format(name)


def reading(
    table: Table, *, after: str | None, until: str | None, limit: int
) -> tuple[sql.Composed, tuple[object, ...]]:
    key = sql.Identifier("t", table.assignment.key_column)
    bound = sql.SQL("{} {} %s::{}")
    cast = sql.SQL(table.key_type)
    bounds = [
        bound.format(key, sql.SQL(sign), cast) for sign, value in ((">", after), ("<=", until)) if value is not None
    ]
    query = sql.SQL(
        "select {key}::text, t.ctid, t.xmin, {columns} from {table} t {where} order by {key} limit %s"
    ).format(
        key=key,
        columns=sql.SQL(", ").join(sql.Identifier("t", name) for name in table.assignment.columns),
        table=_relation(table),
        where=sql.SQL("where {}").format(sql.SQL(" and ").join(bounds)) if bounds else sql.SQL(""),
    )
    return query, (*(value for value in (after, until) if value is not None), limit)


def writing(table: Table) -> sql.Composed:
    """One statement: rows by place and version from arrays, the new values in, and how many are held as they were sent.

    Texts that are cut at commas are read five times as fast as arrays, and records hold no comma. `version` is xmin,
    the transaction that wrote the row: what another one has written since has another one's number.
    """
    columns = table.assignment.columns
    sent = [sql.Identifier("v", f"c{number}") for number in range(len(columns))]
    own = [sql.Identifier("t", name) for name in columns]
    pairs = list(zip(columns, own, sent, strict=True))
    return sql.SQL(
        "with written as ("
        "update {table} as t set {changes} "
        "from unnest(%s::{place_type}[], %s::xid[], {texts}) as v(place, version, {names}) "
        "where {place} = v.place and t.xmin = v.version "
        "returning {held} as held{key}"
        ") select count(*), count(*) filter (where held){keys} from written"
    ).format(
        key=sql.SQL(", {}::text as key").format(sql.Identifier("t", table.assignment.key_column))
        if table.read_back
        else sql.SQL(""),
        keys=sql.SQL(", array_agg(key)" if table.read_back else ""),
        table=_relation(table),
        changes=sql.SQL(", ").join(
            sql.SQL("{} = coalesce({}, {})").format(sql.Identifier(name), value, old) for name, old, value in pairs
        ),
        place_type=sql.SQL(table.key_type if table.partitioned else "tid"),
        texts=sql.SQL(", ").join([sql.SQL("string_to_array(%s, ',', '')")] * len(columns)),
        names=sql.SQL(", ").join(sql.Identifier(f"c{number}") for number in range(len(columns))),
        place=sql.Identifier("t", table.assignment.key_column if table.partitioned else "ctid"),
        held=sql.SQL(" and ").join(
            # By octets: a collation may hold texts to be equal that differ.
            sql.SQL('({} is null or {} collate "C" = {})').format(value, old, value)
            for _, old, value in pairs
        ),
    )


def holding(table: Table) -> sql.Composed:
    """Key and values of the rows with these keys, as the transaction sees them now."""
    key = sql.Identifier("t", table.assignment.key_column)
    return sql.SQL("select {key}::text, {columns} from {table} t where {key} = any(%s::{key_type}[])").format(
        key=key,
        columns=sql.SQL(", ").join(sql.Identifier("t", name) for name in table.assignment.columns),
        table=_relation(table),
        key_type=sql.SQL(table.key_type),
    )
