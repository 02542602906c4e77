"""What is known of a table before anything is read from it; whatever stands in the way is told at once.

Touches the catalogue, through a Database.
"""

from __future__ import annotations

import re
from typing import Any

from phi.reencryption.database import Database
from phi.reencryption.facts import Assignment
from phi.reencryption.refusals import NotAsAsked
from phi.reencryption.statements import Table

SHORTEST_RECORD = 24 + 1 + 24 + 1 + 4
"""Characters of the record of one octet."""

_KINDS = {
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
         or (has_column_privilege(c.oid, 'ctid', 'SELECT') and has_column_privilege(c.oid, 'xmin', 'SELECT')),
       current_setting('server_encoding'),
       exists (select from pg_inherits i where i.inhparent = c.oid and c.relkind <> 'p'),
       exists (select from pg_rewrite w
                where w.ev_class = c.oid and w.ev_type in ('2', '4') and c.relkind in ('r', 'p')),
       coalesce((select sum(p.reltuples) from pg_partition_tree(c.oid) f join pg_class p on p.oid = f.relid
                 where f.isleaf and p.reltuples >= 0), -1)::bigint
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relname = %s and case when %s::text is null then pg_table_is_visible(c.oid) else n.nspname = %s end
"""

_COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod), format_type(coalesce(b.oid, y.oid), null), a.attnotnull,
       case when coalesce(b.typname, y.typname) = 'varchar'
            then nullif(greatest(a.atttypmod, y.typtypmod), -1) - 4 end,
       a.attgenerated <> '', has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
       has_column_privilege(a.attrelid, a.attnum, 'UPDATE'),
       exists (select from pg_index x
                where x.indrelid = a.attrelid and x.indisunique and x.indisvalid and x.indimmediate
                  and x.indpred is null and x.indnkeyatts = 1 and x.indkey[0] = a.attnum)
  from pg_attribute a join pg_type y on y.oid = a.atttypid left join pg_type b on b.oid = y.typbasetype
 where a.attrelid = %s::oid and a.attnum > 0 and not a.attisdropped
"""

_TRIGGERS = """
select tgname from pg_trigger
 where (tgrelid = %s::oid or tgrelid in (select relid from pg_partition_tree(%s::oid::regclass)))
   and not tgisinternal and tgenabled in ('O', 'A') and tgtype & 16 <> 0 group by tgname order by tgname
"""


def name_parts(given: str) -> tuple[str | None, str]:
    """Schema and table of a name as it is typed: taken as it is, letters large and small; quotes for a dot in a name.

    Raises NotAsAsked for one that has no such form.
    """
    found, at = [], 0
    while at <= len(given):
        part = _NAME.match(given, at)
        if part is None:
            break
        found.append(part[2] if part[1] is None else part[1].replace('""', '"'))
        at = part.end()
        if at == len(given) and len(found) <= 2:
            return (found[0], found[1]) if len(found) == 2 else (None, found[0])
        if given[at : at + 1] != ".":
            break
        at += 1
    raise NotAsAsked([f"--table {given}: a table, or a schema, a dot and a table, is asked for"])


def inspect(database: Database, assignment: Assignment, *, write: bool) -> Table:
    """The table, fit to be re-encrypted. Raises NotAsAsked with every problem there is; nothing is read of its rows."""
    schema, name = name_parts(assignment.table)
    found = database.ask(_FIND, name, schema, schema)
    if not found:
        raise NotAsAsked([f"there is no table {assignment.table}" + _nearly(database, schema, name)])
    oid, in_schema, name, kind, rows, usable, filtered, locatable, encoding, inherited, ruled, rows_of_parts = found[0]
    if kind not in "rp":
        raise NotAsAsked([f"{assignment.table} is {_KINDS.get(kind, 'no table')}, which has no rows of its own"])
    columns = {row[0]: row for row in database.ask(_COLUMNS, oid)}
    problems = [
        *([f"the schema {in_schema} may not be used by this role"] if not usable else []),
        *([f"row-level security hides rows of {name} from this role: it needs BYPASSRLS"] if filtered else []),
        *(
            [f"the places and versions of {name}'s rows (ctid, xmin) may not be read: SELECT on all of it is needed"]
            if usable and not locatable
            else []
        ),
        *(
            ["the database is in SQL_ASCII, which does not say what the octets of a text mean"]
            if encoding == "SQL_ASCII"
            else []
        ),
        *([f"{name} has tables that inherit from it; name each by itself"] if inherited else []),
        *([f"{name} has a rule for UPDATE, which decides what is written"] if ruled else []),
        *_about_the_key(assignment, columns),
        *_about_columns(assignment, columns, write=write),
    ]
    if problems:
        raise NotAsAsked(problems, "Nothing was written.")
    triggers = tuple(row[0] for row in database.ask(_TRIGGERS, oid, oid))
    counted = rows_of_parts if kind == "p" else rows
    return Table(
        assignment=assignment,
        schema=in_schema,
        name=name,
        key_type=columns[assignment.key_column][1],
        partitioned=kind == "p",
        read_back=bool(triggers),
        triggers=triggers,
        rows=counted if counted >= 0 else None,
    )


def _about_the_key(assignment: Assignment, columns: dict[str, tuple[Any, ...]]) -> list[str]:
    key = assignment.key_column
    if key not in columns:
        return [f"there is no column {key}" + _similar(key, columns)]
    _, _, _, not_null, _, _, readable, _, unique = columns[key]
    return [
        *([f"{key} may be NULL; the rows are told apart by --key-column, which may not"] if not not_null else []),
        *(
            [f"{key} has no unique index of its own (valid, of all rows, not deferrable), by which rows are told apart"]
            if not unique
            else []
        ),
        *([f"{key} may not be read by this role"] if not readable else []),
        *([f"{key} is among --columns, and the rows are told apart by it"] if key in assignment.columns else []),
    ]


def _about_columns(assignment: Assignment, columns: dict[str, tuple[Any, ...]], *, write: bool) -> list[str]:
    problems = [
        f"{name} is named twice" for name in dict.fromkeys(assignment.columns) if assignment.columns.count(name) > 1
    ]
    for name in dict.fromkeys(assignment.columns):
        if name not in columns:
            problems.append(f"there is no column {name}" + _similar(name, columns))
            continue
        _, spelt, base, _, length, generated, readable, writable, _ = columns[name]
        if base not in ("text", "character varying"):
            problems.append(f"{name} is {spelt}; a record is stored as text or varchar")
        if length is not None and length < SHORTEST_RECORD:
            problems.append(
                f"{name} is {spelt}, which is too short: the shortest record has {SHORTEST_RECORD} characters"
            )
        if generated:
            problems.append(f"{name} is generated by the database")
        if not readable:
            problems.append(f"{name} may not be read by this role (SELECT)")
        if write and not writable:
            problems.append(f"{name} may not be written by this role (UPDATE)")
    return problems


def _similar(name: str, columns: dict[str, tuple[Any, ...]]) -> str:
    like = [each for each in columns if each.lower() == name.lower()]
    return f" (there is {like[0]})" if like else ""


def _nearly(database: Database, schema: str | None, name: str) -> str:
    found = database.ask(
        "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where lower(c.relname) = lower(%s) and c.relkind in ('r', 'p') and n.nspname !~ '^pg_' order by 1, 2 limit 1",
        name,
    )
    return f" that this role finds{' in the schema ' + schema if schema else ' without its schema'}" + (
        f" (there is {found[0][0]}.{found[0][1]})" if found else ""
    )
