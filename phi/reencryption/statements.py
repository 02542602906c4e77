"""The SQL statements that read and write a batch, and the table and rows that they are about.

Touches nothing; psycopg composes the statements, so no name and no value is ever inserted as text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from psycopg import sql

from phi.reencryption.models import REMOVED, ColumnSelection


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that was inspected and can be re-encrypted."""

    selection: ColumnSelection
    schema: str
    name: str
    key_type: str
    """PostgreSQL's name of the type, to cast the text of a key."""
    partitioned: bool = False
    read_back: bool = False
    """Whether triggers may change a row after UPDATE has returned what it wrote."""
    triggers: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    """Names of the indexes on columns of records."""
    rows: int | None = None
    """The estimate of the statistics; None where there are none."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows that were read: keys as text, versions for the write, values column by column."""

    keys: Sequence[str]
    versions: Sequence[str]
    values: Sequence[Sequence[str | None]]

    def __len__(self) -> int:
        return len(self.keys)


def array(elements: Sequence[str]) -> str:
    """An array as PostgreSQL writes it, with any characters in its elements."""
    return "{" + ",".join('"' + element.replace("\\", "\\\\").replace('"', '\\"') + '"' for element in elements) + "}"


def _relation(table: Table) -> sql.Composable:
    name = sql.Identifier(table.schema, table.name)
    # A partitioned table has no rows of its own; for any other, only its own rows are selected.
    return name if table.partitioned else sql.SQL("only {}").format(name)


def select_batch(
    table: Table, *, after: str | None, until: str | None, limit: int
) -> tuple[sql.Composed, tuple[object, ...]]:
    """Rows in the order of their keys, after one key and up to another; the statement and its arguments."""
    key = sql.Identifier("t", table.selection.key_column)
    bound = sql.SQL("{} {} %s::{}")
    cast = sql.SQL(table.key_type)
    bounds = [
        bound.format(key, sql.SQL(sign), cast) for sign, value in ((">", after), ("<=", until)) if value is not None
    ]
    query = sql.SQL("select {key}::text, t.xmin, {columns} from {table} t {where} order by {key} limit %s").format(
        key=key,
        columns=sql.SQL(", ").join(sql.Identifier("t", name) for name in table.selection.names),
        table=_relation(table),
        where=sql.SQL("where {}").format(sql.SQL(" and ").join(bounds)) if bounds else sql.SQL(""),
    )
    return query, (*(value for value in (after, until) if value is not None), limit)


def batch_arguments(rows: Rows, records: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The arguments of `update_batch`: keys, versions, and the records of each column."""
    return array(rows.keys), "{" + ",".join(rows.versions) + "}", *(",".join(column) for column in records)


@lru_cache(maxsize=1)
def update_batch(table: Table) -> sql.SQL:
    """One statement: updates rows by key and version, and counts the rows that hold exactly what was sent.

    Texts that are split at commas are parsed five times as fast as arrays, and records have no comma. `unnest` in the
    list of a SELECT, unlike in FROM, stores no rows between. `version` is xmin, the number of the transaction that
    wrote the row: a row that was written since has another number.
    """
    records = len(table.selection.columns)
    changes, equal = [], []
    for number, name in enumerate(table.selection.names):
        value, old = sql.Identifier("v", f"c{number}"), sql.Identifier("t", name)
        # By bytes: a collation may treat different texts as equal.
        change, same = "coalesce({value}, {old})", '{old} collate "C" = {value}'
        if number >= records:  # only a hash can be removed
            change = "case {value} when {removed} then null else " + change + " end"
            same = "case {value} when {removed} then {old} is null else " + same + " end"
        names = {"value": value, "old": old, "removed": sql.Literal(REMOVED)}
        changes.append(sql.SQL("{} = " + change).format(sql.Identifier(name), **names))
        equal.append(sql.SQL("({value} is null or " + same + ")").format(**names))
    statement = sql.SQL(
        "with written as ("
        "update {table} as t set {changes} "
        "from (select unnest(%s::{key_type}[]) as key, unnest(%s::xid[]) as version, {texts}) as v "
        "where {key} = v.key and t.xmin = v.version "
        "returning {equal} as equal{returned}"
        ") select count(*), count(*) filter (where equal){keys} from written"
    ).format(
        returned=sql.SQL(", v.key::text as key" if table.read_back else ""),
        keys=sql.SQL(", array_agg(key)" if table.read_back else ""),
        table=_relation(table),
        changes=sql.SQL(", ").join(changes),
        key_type=sql.SQL(table.key_type),
        texts=sql.SQL(", ").join(
            sql.SQL("unnest(string_to_array(%s, ',', '')) as {}").format(sql.Identifier(f"c{number}"))
            for number in range(len(table.selection.names))
        ),
        key=sql.Identifier("t", table.selection.key_column),
        equal=sql.SQL(" and ").join(equal),
    )
    return sql.SQL(statement.as_string())


def lock_any_row(table: Table) -> sql.Composed:
    """Locks a row that nobody else locks: it changes nothing, and its transaction has something to commit."""
    return sql.SQL("select from {} limit 1 for no key update skip locked").format(_relation(table))


def select_by_keys(table: Table) -> sql.Composed:
    """Key and values of the rows with these keys, as this transaction sees them now."""
    key = sql.Identifier("t", table.selection.key_column)
    return sql.SQL("select {key}::text, {columns} from {table} t where {key} = any(%s::{key_type}[])").format(
        key=key,
        columns=sql.SQL(", ").join(sql.Identifier("t", name) for name in table.selection.names),
        table=_relation(table),
        key_type=sql.SQL(table.key_type),
    )
