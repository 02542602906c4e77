"""Lists the tables and columns of a database, of every type, and those that this role cannot read, with the reason.

Touches PostgreSQL's catalog, through a Database; it reads no row of a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eonpro_phi.declarations import Declaration
from eonpro_phi.reencryption.column_types import Contents, read_types
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.reencryption.scan.models import ScannedColumn, ScannedTable, TableKind

LARGE_OBJECTS = ("pg_catalog", "pg_largeobject")
"""Schema and table of the large objects, which a column of numbers refers to; they are named, and not read."""

# A partition is read with its partitioned table; a table that others inherit from, without them.
_TABLES = """
select c.oid, n.nspname, c.relname, c.relkind::text,
       case when c.relkind = 'p' then -1 else c.reltuples end::bigint,
       has_schema_privilege(n.oid, 'USAGE'), row_security_active(c.oid), c.relispopulated,
       pg_is_other_temp_schema(n.oid),
       c.relkind = 'p' and exists (select from pg_partition_tree(c.oid) p join pg_class f on f.oid = p.relid
                                    where f.relkind = 'f'),
       (select k.names from pg_index x cross join lateral
               (select string_agg(a.attname, '+' order by n.at) as names, bool_and(a.attnotnull) as complete
                  from unnest(x.indkey::int2[]) with ordinality n(number, at)
                  left join pg_attribute a on a.attrelid = c.oid and a.attnum = n.number and n.number > 0
                 where n.at <= x.indnkeyatts) k
         where x.indrelid = c.oid and x.indisunique and x.indisvalid and x.indimmediate and x.indpred is null
           and 0 <> all(x.indkey::int2[]) and k.complete
         order by x.indisprimary desc, x.indnkeyatts, k.names limit 1)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'm', 'f', 'v') and not c.relispartition and n.nspname <> 'information_schema'
   and (n.nspname !~ '^pg_' or n.nspname ~ '^pg_temp_')
 order by n.nspname, c.relname
"""

_COLUMNS = """
select a.attrelid, c.relkind::text, a.attname, a.atttypid, format_type(a.atttypid, a.atttypmod),
       has_column_privilege(a.attrelid, a.attnum, 'SELECT')
  from pg_attribute a join pg_class c on c.oid = a.attrelid
 where c.relkind in ('r', 'p', 'm', 'f', 'v') and a.attnum > 0 and not a.attisdropped
 order by a.attrelid, a.attnum
"""

_NO_ACCESS = "this role cannot read all of its columns and rows"


def read_tables(
    database: Database,
    *,
    no_phi: frozenset[str],
    accepted: frozenset[str],
    tenants: frozenset[str] = frozenset(),
    declared: Iterable[Declaration] = (),
) -> list[ScannedTable]:
    """Every table with columns, and the large objects where there are any.

    `no_phi`, `accepted` and `tenants` name columns, as TABLE.COLUMN with or without the schema; the first two also as
    TABLE.*. `declared` is what the application's models say. Raises UsageError for a column that does not exist.
    """
    types = read_types(database)
    columns: dict[int, list[ScannedColumn]] = {}
    unreadable: dict[int, int] = {}
    for relation, kind, name, oid, type_name, is_readable in database.query(_COLUMNS):
        contents = types.contents(oid)
        is_looked_into = contents is not Contents.NEITHER and kind != TableKind.VIEW
        columns.setdefault(relation, []).append(
            ScannedColumn(
                name=name,
                type_name=type_name,
                contents=contents,
                problem="this role has no SELECT on it" if is_looked_into and not is_readable else None,
            )
        )
        unreadable[relation] = unreadable.get(relation, 0) + (not is_readable)
    tables = []
    for row in database.query(_TABLES):
        oid, schema, table, kind, rows, usable, hidden, is_populated, is_temporary, has_foreign, key = row
        if oid not in columns:
            continue
        problem = None
        if is_temporary:
            problem = "it is a temporary table of another connection"
        elif not usable or hidden or unreadable[oid] == len(columns[oid]):
            problem = _NO_ACCESS
        tables.append(
            ScannedTable(
                schema=schema,
                table=table,
                kind=TableKind(kind),
                # What was never filled has nothing to read, and PostgreSQL refuses to.
                rows=rows if is_populated else 0,
                columns=tuple(columns[oid]) if is_populated else tuple(_empty(columns[oid])),
                key_column=key,
                takes_samples=kind in "rpm" and not has_foreign,
                problem=None if kind == TableKind.VIEW else problem,
            )
        )
    if database.query("select exists (select from pg_largeobject_metadata)")[0][0]:
        column = ScannedColumn(name="data", type_name="bytea", contents=Contents.BYTES)
        schema, table = LARGE_OBJECTS
        tables.append(
            ScannedTable(
                schema=schema,
                table=table,
                kind=TableKind.LARGE_OBJECTS,
                rows=0,
                columns=(column,),
                problem="large objects are not read",
            )
        )
    of_models = {f"{each.table}.{each.column}": each for each in declared}
    tenants |= {f"{each.table}.{each.tenant_column}" for each in of_models.values() if each.tenant_column}
    _mark(tables, no_phi=no_phi, accepted=accepted, tenants=tenants)
    for scanned in tables:
        for column in scanned.columns:
            column.declared = of_models.get(f"{scanned.table}.{column.name}")
    return tables


def other_databases(database: Database) -> tuple[str, ...]:
    """The names of the server's other databases, which one connection does not see."""
    query = (
        "select datname from pg_database where datallowconn and not datistemplate and datname <> current_database() "
        "and datname <> 'postgres' order by 1"
    )
    return tuple(name for (name,) in database.query(query))


def _empty(columns: Iterable[ScannedColumn]) -> Iterator[ScannedColumn]:
    for column in columns:
        yield ScannedColumn(name=column.name, type_name=column.type_name, contents=Contents.NEITHER)


def _mark(
    tables: Iterable[ScannedTable], *, no_phi: frozenset[str], accepted: frozenset[str], tenants: frozenset[str]
) -> None:
    names: set[str] = set()
    for table in tables:
        for column in table.columns:
            spellings = {
                f"{prefix}{table.table}.{name}" for prefix in ("", f"{table.schema}.") for name in (column.name, "*")
            }
            names |= spellings
            column.is_accepted = bool(spellings & no_phi)
            column.contents_accepted = bool(spellings & accepted)
            if {name for name in spellings if not name.endswith(".*")} & tenants:
                table.tenant_column = column.name
    problems = [f"--no-phi {name}: there is no such text column" for name in sorted(no_phi - names)]
    problems += [f"--accept-column {name}: there is no such column" for name in sorted(accepted - names)]
    problems += [f"--tenant-column {name}: there is no such column" for name in sorted(tenants - names)]
    if problems:
        raise UsageError(problems)
