"""The SQL statements that read and write a batch, and the table and rows that they are about.

Touches nothing; psycopg composes the statements, so no name and no value is ever inserted as text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from psycopg import sql

from eonpro_phi.reencryption.models import REMOVED, UNCHANGED, ColumnSelection


@dataclass(frozen=True, kw_only=True)
class DocumentColumn:
    """A column of another type than text or varchar, whose values can hold records inside."""

    name: str
    type_name: str
    """PostgreSQL's name of the type without its length, to cast the text of a value."""
    is_bytes: bool = False
    """Whether it is bytea: its values are read and written as hex digits."""
    is_array: bool = False
    """Whether it is an array of texts, each of which a first encryption makes a record."""


@dataclass(frozen=True, kw_only=True)
class KeyColumn:
    """A column of the key that identifies the rows."""

    name: str
    type_name: str
    """PostgreSQL's name of the type, to cast the text of a value."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that was inspected and can be re-encrypted."""

    selection: ColumnSelection
    schema: str
    name: str
    keys: tuple[KeyColumn, ...]
    """One, or those of a key of several columns, whose text is that of an array of their texts."""
    partitioned: bool = False
    read_back: bool = False
    """Whether triggers may change a row after UPDATE has returned its values."""
    triggers: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    """Names of the indexes on columns of records."""
    rows: int | None = None
    """The estimate of the statistics; None where there are none."""
    documents: tuple[DocumentColumn, ...] = ()
    """Those of the selected columns that hold no plain text."""
    search_columns: tuple[str, ...] = ()
    """Other columns that look like search columns, by their type or name."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows that were read: keys as text, versions for the write, values column by column."""

    keys: Sequence[str]
    versions: Sequence[str]
    values: Sequence[Sequence[str | None]] = field(repr=False)
    tenants: Sequence[str | None] = ()
    """Of each row, where the table has a column of tenants."""

    def __len__(self) -> int:
        return len(self.keys)


def array(elements: Sequence[str], *, null: str | None = None) -> str:
    """An array as PostgreSQL writes it, with any characters in its elements; the element `null` is NULL."""
    return (
        "{"
        + ",".join(
            "NULL" if element == null else '"' + element.replace("\\", "\\\\").replace('"', '\\"') + '"'
            for element in elements
        )
        + "}"
    )


def _identifier(*names: str) -> sql.Identifier:
    """A name in a statement with arguments, where a percent sign would begin a placeholder."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))


def _relation(table: Table) -> sql.Composable:
    name = _identifier(table.schema, table.name)
    # A partitioned table has no rows of its own; for any other, only its own rows are selected.
    return name if table.partitioned else sql.SQL("only {}").format(name)


def _values(table: Table) -> sql.Composed:
    """The selected columns as texts, bytes as hex digits; then the tenant, where there is one."""
    documents = {column.name: column for column in table.documents}
    forms = {True: "encode({}, 'hex')", False: "{}::text"}
    tenant = table.selection.tenant_column
    return sql.SQL(", ").join(
        [
            *(
                sql.SQL(forms[documents[name].is_bytes] if name in documents else "{}").format(_identifier("t", name))
                for name in table.selection.read_names
            ),
            *([sql.SQL("{}::text").format(_identifier("t", tenant))] if tenant else []),
        ]
    )


def _names(table: Table) -> sql.Composed:
    """The columns of the key, in the order of its rows."""
    return sql.SQL(", ").join(_identifier("t", key.name) for key in table.keys)


def _key_text(table: Table) -> sql.Composed:
    """The text of a row's key."""
    texts = [sql.SQL("{}::text").format(_identifier("t", key.name)) for key in table.keys]
    return texts[0] if len(texts) == 1 else sql.SQL("array[{}]::text").format(sql.SQL(", ").join(texts))


def _key_of(table: Table, text: str) -> sql.Composed:
    """The values of a key, of an expression that has its text."""
    part = "{text}::{type}" if len(table.keys) == 1 else "({text}::text[])[{at}]::{type}"
    return sql.SQL(", ").join(
        sql.SQL(part).format(text=sql.SQL(text), at=sql.Literal(at), type=sql.SQL(key.type_name))
        for at, key in enumerate(table.keys, 1)
    )


def _sent_type(table: Table) -> sql.SQL:
    """The type that the keys of a batch are sent as."""
    return sql.SQL(table.keys[0].type_name if len(table.keys) == 1 else "text")


def _is_row(table: Table) -> sql.Composed:
    """Whether the row `t` has the key of the row `v`."""
    return sql.SQL("({}) = ({})").format(_names(table), _key_of(table, "v.key"))


def _bounds(table: Table, *, after: str | None, until: str | None = None) -> tuple[sql.Composable, tuple[str, ...]]:
    """The condition for rows after one key and up to another, and its arguments."""
    given = [(sign, value) for sign, value in ((">", after), ("<=", until)) if value is not None]
    bounds = [sql.SQL("({}) {} ({})").format(_names(table), sql.SQL(sign), _key_of(table, "%s")) for sign, _ in given]
    where = sql.SQL("where {}").format(sql.SQL(" and ").join(bounds)) if bounds else sql.SQL("")
    return where, tuple(value for _, value in given for _ in table.keys)


def select_batch(
    table: Table, *, after: str | None, until: str | None, limit: int
) -> tuple[sql.Composed, tuple[object, ...]]:
    """Rows in the order of their keys, after one key and up to another; the statement and its arguments."""
    where, arguments = _bounds(table, after=after, until=until)
    query = sql.SQL("select {key}, t.xmin, {columns} from {table} t {where} order by {names} limit %s").format(
        key=_key_text(table),
        names=_names(table),
        columns=_values(table),
        table=_relation(table),
        where=where,
    )
    return query, (*arguments, limit)


def select_versions(
    table: Table, *, after: str | None, until: str | None, limit: int
) -> tuple[sql.Composed, tuple[object, ...]]:
    """The keys and versions of rows in the order of their keys, after one key and up to another."""
    where, arguments = _bounds(table, after=after, until=until)
    query = sql.SQL("select {key}, t.xmin from {table} t {where} order by {names} limit %s").format(
        key=_key_text(table), names=_names(table), table=_relation(table), where=where
    )
    return query, (*arguments, limit)


def select_sizes(table: Table, *, after: str | None, limit: int) -> tuple[sql.Composed, tuple[object, ...]]:
    """The keys of the next rows, and about how many bytes the documents of each have."""
    where, arguments = _bounds(table, after=after)
    query = sql.SQL("select {key}, {size} from {table} t {where} order by {names} limit %s").format(
        key=_key_text(table),
        names=_names(table),
        # What is compressed on the disk is some four times as long in memory.
        size=sql.SQL(" + ").join(
            sql.SQL("coalesce(pg_column_size({}), 0) * 4").format(_identifier("t", column.name))
            for column in table.documents
        ),
        table=_relation(table),
        where=where,
    )
    return query, (*arguments, limit)


def batch_arguments(
    table: Table, rows: Rows, records: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], frozenset[int]]:
    """The arguments of `update_batch`: keys, versions, and the records of each column; and which columns are arrays.

    A column is an array where a value has a comma: where it is more than a record.
    """
    columns, arrays = [], set()
    in_hex = {column.name for column in table.documents if column.is_bytes}
    for number, column in enumerate(records):
        joined = ",".join(column)
        if table.selection.names[number] in in_hex:
            joined = ",".join(value.encode("latin-1").hex() for value in column)
        elif joined.count(",") >= len(column):
            joined = array(column, null=UNCHANGED)
            arrays.add(number)
        columns.append(joined)
    return (array(rows.keys), "{" + ",".join(rows.versions) + "}", *columns), frozenset(arrays)


def _sent(table: Table, arrays: frozenset[int]) -> sql.Composed:
    """The rows of a batch as they were sent: `key`, `version` and `c0`, `c1`, … as texts.

    Texts that are split at commas are parsed five times as fast as arrays, and records have no comma. `unnest` in the
    list of a SELECT, unlike in FROM, stores no rows between.
    """
    return sql.SQL("select unnest(%s::{key_type}[]) as key, unnest(%s::xid[]) as version, {texts}").format(
        key_type=_sent_type(table),
        texts=sql.SQL(", ").join(
            sql.SQL(
                "unnest(%s::text[]) as {}" if number in arrays else "unnest(string_to_array(%s, ',', '')) as {}"
            ).format(_identifier(f"c{number}"))
            for number in range(len(table.selection.names))
        ),
    )


def _changes(table: Table) -> tuple[sql.Composed, sql.Composed]:
    """The new values of the columns, and whether the row `t` equals the row `v`."""
    records = len(table.selection.columns)
    documents = {column.name: column for column in table.documents}
    changes, equal = [], []
    for number, name in enumerate(table.selection.names):
        value, old = _identifier("v", f"c{number}"), _identifier("t", name)
        # By bytes: a collation may treat different texts as equal.
        change, same = "coalesce({value}, {old})", '{old} collate "C" = {value}'
        typed: sql.Composable = value
        if number >= records:  # only a hash can be removed
            change = "case {value} when {removed} then null else " + change + " end"
            same = "case {value} when {removed} then {old} is null else " + same + " end"
        elif name in documents:
            # The type may order or write a value in its own way, as jsonb does: the texts of both are compared.
            as_type = "decode({value}, 'hex')" if documents[name].is_bytes else "{value}::{type}"
            typed = sql.SQL(as_type).format(value=value, type=sql.SQL(documents[name].type_name))
            change, same = "coalesce({typed}, {old})", '{old}::text collate "C" = ({typed})::text'
            if not documents[name].is_bytes:  # nothing of what was sent may get lost in the type
                same += " and octet_length(({typed})::text) = octet_length({value})"
        names = {"value": value, "old": old, "typed": typed, "removed": sql.Literal(REMOVED)}
        changes.append(sql.SQL("{} = " + change).format(_identifier(name), **names))
        equal.append(sql.SQL("({value} is null or " + same + ")").format(**names))
    return sql.SQL(", ").join(changes), sql.SQL(" and ").join(equal)


@lru_cache(maxsize=8)
def update_batch(table: Table, arrays: frozenset[int] = frozenset()) -> sql.SQL:
    """A statement that updates rows by key and version, counts the rows that equal the values sent, and returns the
    version that the rows have now.

    `version` is xmin, the number of the transaction that wrote the row: a row that was written since has another
    number. `arrays` are the numbers of the columns that are sent as arrays.
    """
    changes, equal = _changes(table)
    statement = sql.SQL(
        "with written as ("
        "update {table} as t set {changes} "
        "from ({sent}) as v "
        "where {is_row} and t.xmin = v.version "
        "returning {equal} as equal{returned}"
        ") select count(*), count(*) filter (where equal), (txid_current() %% 4294967296)::text{keys} from written"
    ).format(
        returned=sql.SQL(", v.key::text as key" if table.read_back else ""),
        keys=sql.SQL(", array_agg(key)" if table.read_back else ""),
        table=_relation(table),
        changes=changes,
        sent=_sent(table, arrays),
        is_row=_is_row(table),
        equal=equal,
    )
    return sql.SQL(statement.as_string())


def count_different(table: Table, arrays: frozenset[int]) -> sql.Composed:
    """Counts the rows with these keys that differ from the values sent, in this transaction."""
    _, equal = _changes(table)
    return sql.SQL(
        "select count(*) from ({sent}) as v left join {table} as t on {is_row} "
        "where v.key = any(%s::{key_type}[]) and ({equal}) is not true"
    ).format(
        sent=_sent(table, arrays),
        table=_relation(table),
        is_row=_is_row(table),
        key_type=_sent_type(table),
        equal=equal,
    )


def lock_any_row(table: Table) -> sql.Composed:
    """Locks a row that nobody else locks: it changes nothing, and its transaction has something to commit. Executed
    with arguments, if only with none."""
    return sql.SQL("select from {} limit 1 for no key update skip locked").format(_relation(table))
