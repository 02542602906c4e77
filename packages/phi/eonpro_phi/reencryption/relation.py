"""A table as PostgreSQL's catalog has it, found by its name as typed.

Touches the catalog, through a Database.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from eonpro_phi.record import quoted
from eonpro_phi.reencryption.column_types import ColumnTypes, Contents, read_types
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.reencryption.models import ColumnSelection
from eonpro_phi.reencryption.statements import DocumentColumn, KeyColumn, Table

SEARCH_ENDINGS = ("search", "tokens")
"""Endings of a search column's name, in lower case: `phi index` fills it."""

_RELATION_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "i": "an index",
    "I": "an index",
    "c": "a composite type",
    "t": "a TOAST table",
}

_NAME = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')

_FIND = """
select c.oid, n.nspname, c.relname, c.relkind::text, c.reltuples::bigint,
       has_schema_privilege(n.oid, 'USAGE'), row_security_active(c.oid),
       c.relkind not in ('r', 'p')
         or has_column_privilege(c.oid, 'xmin', 'SELECT'),
       current_setting('server_encoding'),
       exists (select from pg_inherits i where i.inhparent = c.oid and c.relkind <> 'p'),
       exists (select from pg_rewrite w
                where w.ev_class = c.oid and w.ev_type in ('2', '4') and c.relkind in ('r', 'p')),
       coalesce((select sum(p.reltuples) from pg_partition_tree(c.oid) f join pg_class p on p.oid = f.relid
                 where f.isleaf and p.reltuples >= 0), -1)::bigint
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relname = %s and case when %s::text is null then pg_table_is_visible(c.oid) else n.nspname = %s end
"""

# -1: any length. Without a length "character" would be that of one character.
_COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod), a.atttypid, a.attnotnull,
       case when coalesce(b.typname, y.typname) = 'varchar'
            then nullif(greatest(a.atttypmod, y.typtypmod), -1) - 4 end,
       a.attgenerated <> '', has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
       has_column_privilege(a.attrelid, a.attnum, 'UPDATE'),
       format_type(a.atttypid, -1)
  from pg_attribute a join pg_type y on y.oid = a.atttypid left join pg_type b on b.oid = y.typbasetype
 where a.attrelid = %s::oid and a.attnum > 0 and not a.attisdropped
"""

_UNIQUE = """
select array(select a.attname::text from unnest(x.indkey::int2[]) with ordinality k(number, at)
               join pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.number where k.at <= x.indnkeyatts)
  from pg_index x
 where x.indrelid = %s::oid and x.indisunique and x.indisvalid and x.indimmediate and x.indpred is null
   and 0 <> all(x.indkey::int2[])
"""

_TRIGGERS = """
select tgname from pg_trigger
 where (tgrelid = %s::oid or tgrelid in (select relid from pg_partition_tree(%s::oid::regclass)))
   and not tgisinternal and tgenabled in ('O', 'A') and tgtype & 16 <> 0 group by tgname order by tgname
"""


def name_parts(name: str) -> tuple[str | None, str]:
    """Schema and table of a name as typed, upper and lower case unchanged; quotes around a part that has a dot.

    Raises UsageError for another form.
    """
    parts, at = [], 0
    while at <= len(name):
        part = _NAME.match(name, at)
        if part is None:
            break
        parts.append(part[2] if part[1] is None else part[1].replace('""', '"'))
        at = part.end()
        if at == len(name) and len(parts) <= 2:
            return (parts[0], parts[1]) if len(parts) == 2 else (None, parts[0])
        if name[at : at + 1] != ".":
            break
        at += 1
    raise UsageError([f"--table {name}: expected TABLE or SCHEMA.TABLE"])


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A table as the catalog has it, and what keeps any command from reading and writing its rows."""

    oid: int
    schema: str
    name: str
    partitioned: bool
    rows: int | None
    columns: dict[str, tuple[Any, ...]]
    """The rows of _COLUMNS, by the column's name."""
    unique: Mapping[frozenset[str], tuple[str, ...]]
    """The columns of each unique index, in its order."""
    types: ColumnTypes
    triggers: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def quoted(self) -> str:
        """Its name in a statement that is printed."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    def keys(self, name: str) -> tuple[str, ...]:
        """The columns of a key as it is typed: COLUMN, or COLUMN+COLUMN where there is no column of that name; in the
        order of their index, by which the rows are read.
        """
        names = (name,) if name in self.columns else tuple(name.split("+"))
        return self.unique.get(frozenset(names), names)

    def contents(self, column: str) -> Contents:
        """The possible content of one of its columns."""
        return self.types.contents(self.columns[column][2])

    def access_problems(self, name: str, *, is_written: bool = False, write: bool = False) -> list[str]:
        """What keeps this role from reading a column and, where the run has to `write`, from writing it."""
        if name not in self.columns:
            similar = [column for column in self.columns if column.lower() == name.lower()]
            return [f"there is no column {name}" + (f" (did you mean {similar[0]}?)" if similar else "")]
        *_, generated, readable, writable, _ = self.columns[name]
        return [
            *([f"{name} is generated by the database"] if is_written and generated else []),
            *([f"this role has no SELECT on {name}"] if not readable else []),
            *([f"this role has no UPDATE on {name}"] if is_written and write and not writable else []),
        ]

    def table(self, selection: ColumnSelection, *, documents: Iterable[str], indexes: tuple[str, ...] = ()) -> Table:
        """The table with these columns; `documents` are those that hold no plain text."""
        return Table(
            selection=selection,
            schema=self.schema,
            name=self.name,
            keys=tuple(
                KeyColumn(name=name, type_name=self.columns[name][1].replace("%", "%%"))
                for name in self.keys(selection.key_column)
            ),
            partitioned=self.partitioned,
            read_back=bool(self.triggers),
            triggers=self.triggers,
            indexes=indexes,
            rows=self.rows,
            search_columns=tuple(
                name
                for name, row in self.columns.items()
                if name not in selection.read_names and (row[1] == "integer[]" or name.lower().endswith(SEARCH_ENDINGS))
            ),
            documents=tuple(
                DocumentColumn(
                    name=column,
                    # A percent sign would begin a placeholder.
                    type_name=self.columns[column][8].replace("%", "%%"),
                    is_bytes=self.contents(column) is Contents.BYTES,
                    is_array=self.types.is_array_of_texts(self.columns[column][2]),
                )
                for column in documents
            ),
        )


class _Found(NamedTuple):
    """A row of `_FIND`."""

    oid: int
    schema: str
    name: str
    kind: str
    rows: int
    schema_usable: bool
    rows_hidden: bool
    system_columns_readable: bool
    encoding: str
    has_children: bool
    has_rules: bool
    rows_of_partitions: int

    def problems(self) -> Iterator[str]:
        """Why its rows cannot be re-encrypted by this role."""
        if not self.schema_usable:
            yield f"this role has no USAGE on the schema {self.schema}"
        if self.rows_hidden:
            yield f"row-level security hides rows of {self.name} from this role: it needs BYPASSRLS"
        if self.schema_usable and not self.system_columns_readable:
            yield f"this role cannot read xmin of {self.name}: it needs SELECT on the whole table"
        if self.encoding == "SQL_ASCII":
            yield "the encoding of the database is SQL_ASCII, which does not define the characters of a text"
        if self.has_children:
            yield f"{self.name} has tables that inherit from it; re-encrypt each of them by its own name"
        if self.has_rules:
            yield f"{self.name} has a rule for UPDATE, which changes what is written"


def find_relation(database: Database, table: str) -> Relation:
    """The table of that name. Raises UsageError where there is none, or it has no rows of its own."""
    schema, name = name_parts(table)
    relations = database.query(_FIND, name, schema, schema)
    if not relations:
        raise UsageError([f"there is no table {table}" + _similar_table(database, schema, name)])
    found = _Found(*relations[0])
    if found.kind not in "rp":
        raise UsageError([f"{table} is {_RELATION_KINDS.get(found.kind, 'no table')}, which has no rows of its own"])
    is_partitioned = found.kind == "p"
    estimate = found.rows_of_partitions if is_partitioned else found.rows
    return Relation(
        oid=found.oid,
        schema=found.schema,
        name=found.name,
        partitioned=is_partitioned,
        rows=estimate if estimate >= 0 else None,
        columns={row[0]: row for row in database.query(_COLUMNS, found.oid)},
        unique={frozenset(names): tuple(names) for (names,) in database.query(_UNIQUE, found.oid)},
        types=read_types(database),
        triggers=tuple(row[0] for row in database.query(_TRIGGERS, found.oid, found.oid)),
        problems=tuple(found.problems()),
    )


def _similar_table(database: Database, schema: str | None, name: str) -> str:
    similar = database.query(
        "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where lower(c.relname) = lower(%s) and c.relkind in ('r', 'p') and n.nspname !~ '^pg_' order by 1, 2 limit 1",
        name,
    )
    place = f" in the schema {schema}" if schema else " in the search path of this role"
    return place + (f" (did you mean {similar[0][0]}.{similar[0][1]}?)" if similar else "")
