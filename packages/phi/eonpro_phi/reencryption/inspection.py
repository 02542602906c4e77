"""Inspects a table before anything is read from it, and reports all problems at once.

Touches PostgreSQL's catalog, through a Database.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eonpro_phi.hashes import HASH_CHARACTERS
from eonpro_phi.record import quoted
from eonpro_phi.reencryption.column_types import ColumnTypes, Contents, read_types
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.reencryption.models import ColumnSelection
from eonpro_phi.reencryption.statements import DocumentColumn, KeyColumn, Table

SHORTEST_RECORD = 24 + 1 + 24 + 1 + 4
"""Characters of the record of one byte."""

SEARCH_ENDINGS = ("search", "tokens")
"""Endings of a search column's name, in lower case: `phi index` fills it."""

HASH_ENDINGS = ("hash", "_hash")
"""Endings of a column's name, in lower case, after the name of the column whose texts it has the hashes of."""

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


_INDEXES = """
select distinct c.relname from pg_index x join pg_class c on c.oid = x.indexrelid
  join pg_attribute a on a.attrelid = x.indrelid and a.attnum = any(x.indkey)
 where x.indrelid = %s::oid and a.attname = any(%s::name[]) order by 1
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


def places_of(places: Sequence[tuple[str, str]], columns: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The names for keys of these columns, as the command line has them. Raises UsageError for another column."""
    if unknown := [each for each in places if each[0] not in columns]:
        raise UsageError([f"--place {column}={name}: {column} is not selected" for column, name in unknown])
    return tuple(places)


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


def find_relation(database: Database, table: str) -> Relation:
    """The table of that name. Raises UsageError where there is none, or it has no rows of its own."""
    schema, name = name_parts(table)
    relations = database.query(_FIND, name, schema, schema)
    if not relations:
        raise UsageError([f"there is no table {table}" + _similar_table(database, schema, name)])
    (
        oid,
        schema,
        name,
        kind,
        rows,
        schema_usable,
        rows_hidden,
        system_columns_readable,
        encoding,
        has_children,
        has_rules,
        rows_of_partitions,
    ) = relations[0]
    if kind not in "rp":
        raise UsageError([f"{table} is {_RELATION_KINDS.get(kind, 'no table')}, which has no rows of its own"])
    problems = [
        *([f"this role has no USAGE on the schema {schema}"] if not schema_usable else []),
        *([f"row-level security hides rows of {name} from this role: it needs BYPASSRLS"] if rows_hidden else []),
        *(
            [f"this role cannot read xmin of {name}: it needs SELECT on the whole table"]
            if schema_usable and not system_columns_readable
            else []
        ),
        *(
            ["the encoding of the database is SQL_ASCII, which does not define the characters of a text"]
            if encoding == "SQL_ASCII"
            else []
        ),
        *([f"{name} has tables that inherit from it; re-encrypt each of them by its own name"] if has_children else []),
        *([f"{name} has a rule for UPDATE, which changes what is written"] if has_rules else []),
    ]
    estimate = rows_of_partitions if kind == "p" else rows
    return Relation(
        oid=oid,
        schema=schema,
        name=name,
        partitioned=kind == "p",
        rows=estimate if estimate >= 0 else None,
        columns={row[0]: row for row in database.query(_COLUMNS, oid)},
        unique={frozenset(names): tuple(names) for (names,) in database.query(_UNIQUE, oid)},
        types=read_types(database),
        triggers=tuple(row[0] for row in database.query(_TRIGGERS, oid, oid)),
        problems=tuple(problems),
    )


def inspect(
    database: Database,
    selection: ColumnSelection,
    *,
    write: bool,
    first_time: bool = False,
    hash_columns_named: bool = False,
) -> Table:
    """The table, ready to be re-encrypted. Raises UsageError with all problems; reads none of its rows.

    The `first_time` plain texts are encrypted. With `hash_columns_named` the person has said that no column holds
    search hashes, whatever its name.
    """
    relation = find_relation(database, selection.table)
    columns = relation.columns
    problems = [
        *relation.problems,
        *key_problems(selection, relation),
        *_tenant_problems(selection, relation),
        *_column_problems(selection, relation, write=write, first_time=first_time),
        *_json_problems(selection, columns, relation.types, first_time=first_time),
        *([] if hash_columns_named else _forgotten_hashes(selection, columns)),
    ]
    if problems:
        raise UsageError(problems, "Nothing was written.")
    return relation.table(
        selection,
        documents=[column for column in selection.columns if relation.contents(column) is not Contents.TEXT],
        indexes=tuple(row[0] for row in database.query(_INDEXES, relation.oid, list(selection.columns))),
    )


def key_problems(selection: ColumnSelection, relation: Relation) -> list[str]:
    """What keeps the columns of the key from identifying the rows."""
    typed, columns = selection.key_column, relation.columns
    keys = relation.keys(typed)
    if missing := [key for key in keys if key not in columns]:
        return [problem for key in missing for problem in relation.access_problems(key)]
    own = "of its own" if len(keys) == 1 else "of these columns"
    return [
        *(
            f"{key} may be NULL; --key-column must be NOT NULL, because it identifies the rows"
            for key in keys
            if not columns[key][3]
        ),
        *(
            [f"{typed} has no unique index {own} (valid, for all rows, not deferrable); --key-column needs one"]
            if frozenset(keys) not in relation.unique
            else []
        ),
        *(problem for key in keys for problem in relation.access_problems(key)),
        *(
            f"{key} is also in --columns; the column that identifies the rows cannot be encrypted"
            for key in keys
            if key in selection.columns
        ),
        *(
            ["--bind row needs a key of one column, as the records of a row are bound to it: use --bind column"]
            if len(keys) > 1 and selection.bind == "row"
            else []
        ),
    ]


def _tenant_problems(selection: ColumnSelection, relation: Relation) -> list[str]:
    name = selection.tenant_column
    if name is None:
        return []
    problems = relation.access_problems(name)
    if name in selection.names:
        problems.append(f"{name} is also in --columns; the column of the tenants cannot be encrypted")
    return problems


def _column_problems(selection: ColumnSelection, relation: Relation, *, write: bool, first_time: bool) -> list[str]:
    problems = [
        f"{name} is in --columns{' or --hash-columns' if selection.hashes else ''} twice"
        for name in dict.fromkeys(selection.names)
        if selection.names.count(name) > 1
    ]
    problems += [
        f"{column.name} has the hashes of {column.source}, which is not in --columns"
        for column in selection.hashes
        if column.source not in selection.columns
    ]
    of_record = "text, varchar, citext or bytea, or an array of texts" if first_time else "text or varchar"
    needed = {"record": of_record, "hash": "text or varchar"}
    json_columns = {column.name for column in selection.json_columns}
    for name in dict.fromkeys(selection.names):
        what, shortest = ("record", SHORTEST_RECORD) if name in selection.columns else ("hash", HASH_CHARACTERS)
        access = relation.access_problems(name, is_written=True, write=write)
        if name not in relation.columns:
            problems += access
            continue
        _, type_name, oid, _, length, *_, of_any_length = relation.columns[name]
        contents = relation.contents(name)
        is_array = what == "record" and relation.types.is_array_of_texts(oid)
        is_text = is_array or (relation.types.is_text(oid) if what == "record" else contents is Contents.TEXT)
        if contents is Contents.HIDDEN:
            problems.append(f"{name} is {type_name}; bytes inside another type are not read")
        elif contents is Contents.NEITHER or (
            not is_text
            and (what == "hash" or (first_time and name not in json_columns and contents is not Contents.BYTES))
        ):
            problems.append(f"{name} is {type_name}; a {what} needs {needed[what]}")
        has_length = length is not None or type_name != of_any_length
        if first_time and what == "record" and is_text and has_length:
            fitting = f"alter table … alter column {name} type text{'[]' if is_array else ''}"
            problems.append(f"{name} is {type_name}; records need text: {fitting}")
        elif length is not None and length < shortest:
            problems.append(f"{name} is {type_name}, which is too short: the shortest {what} has {shortest} characters")
        if first_time and selection.bind and (is_array or name in json_columns):
            problems.append(
                f"{name} has records inside its values, which are bound to no place: encrypt it without --bind"
            )
        problems += access
    return problems


def _json_problems(
    selection: ColumnSelection, columns: dict[str, tuple[Any, ...]], types: ColumnTypes, *, first_time: bool
) -> list[str]:
    named = {column.name for column in selection.json_columns}
    bases = {name: types.base(columns[name][2]) for name in (*selection.columns, *named) if name in columns}
    return [
        *(
            f"{name} is {columns[name][1]}: name the fields to encrypt, in --json-fields {name}:FIELD+FIELD"
            for name, base in bases.items()
            if first_time and base in ("json", "jsonb") and name not in named
        ),
        *(
            f"{name} is {columns[name][1]}; --json-fields needs json, jsonb, text or varchar"
            for name, base in bases.items()
            if name in named and base not in ("json", "jsonb", "text", "varchar")
        ),
        *(f"{name} is in --json-fields, and not in --columns" for name in sorted(named - {*selection.columns})),
    ]


def _forgotten_hashes(selection: ColumnSelection, columns: dict[str, tuple[Any, ...]]) -> list[str]:
    """Columns that are named like the hashes of a selected one, and that nobody has mentioned."""
    carried = {column.source for column in selection.hashes}
    return [
        f"{name} looks like the search hashes of {source}, which are lost when its key changes: name it in "
        f"--hash-columns {source}:{name}, or use --no-hash-columns"
        for source in selection.columns
        for name in columns
        if source not in carried and name.lower() in [source.lower() + ending for ending in HASH_ENDINGS]
    ]


def _similar_table(database: Database, schema: str | None, name: str) -> str:
    similar = database.query(
        "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where lower(c.relname) = lower(%s) and c.relkind in ('r', 'p') and n.nspname !~ '^pg_' order by 1, 2 limit 1",
        name,
    )
    place = f" in the schema {schema}" if schema else " in the search path of this role"
    return place + (f" (did you mean {similar[0][0]}.{similar[0][1]}?)" if similar else "")
