"""Inspects the table of an index run before anything is read from it, and names the SQL for what is missing.

Touches PostgreSQL's catalog, through a Database. Nothing is created here: a column and an index are for the person, or
the application's migrations, to make.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from eonpro_phi.indexing.models import IndexSelection, SearchColumn
from eonpro_phi.record import quoted
from eonpro_phi.reencryption.column_types import Contents
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.reencryption.inspection import key_problems
from eonpro_phi.reencryption.relation import Relation, find_relation
from eonpro_phi.reencryption.statements import Table

_INDEXED = """
select a.attname, m.amname from pg_index x join pg_class c on c.oid = x.indexrelid join pg_am m on m.oid = c.relam
  join pg_attribute a on a.attrelid = x.indrelid and a.attnum = x.indkey[0]
 where x.indrelid = %s::oid and x.indisvalid
"""


@dataclass(frozen=True, kw_only=True)
class IndexTable:
    """A table that was inspected, and the statements for indexes that its search columns lack."""

    table: Table
    missing_indexes: tuple[str, ...]


def inspect(database: Database, selection: IndexSelection, *, write: bool) -> IndexTable:
    """The table, ready to be indexed. Raises UsageError with all problems; reads none of its rows."""
    relation = find_relation(database, selection.table)
    columns = selection.columns_to_write()
    missing = [column for column in selection.columns if column.name not in relation.columns]
    problems = [
        *relation.problems,
        *key_problems(columns, relation),
        *_name_problems(selection, relation),
        *_source_problems(selection, relation),
        *_search_problems(selection, relation, write=write),
    ]
    if problems:
        hint = "Nothing was written."
        if missing and len(missing) == len(problems):
            hint = f"Create what is missing, then run the same command again: {add_columns(relation, missing)}"
        raise UsageError(problems, hint)
    documents = [name for name in columns.read_names if relation.contents(name) is not Contents.TEXT]
    indexed = {(name, method) for name, method in database.query(_INDEXED, relation.oid)}
    return IndexTable(
        table=relation.table(columns, documents=documents),
        missing_indexes=tuple(
            create_index(relation, column)
            for column in selection.columns
            if (column.name, "btree" if column.is_exact else "gin") not in indexed
        ),
    )


def add_columns(relation: Relation, columns: Iterable[SearchColumn]) -> str:
    """The statement that adds search columns."""
    added = ", ".join(f"add column {quoted(column.name)} {column.type_name}" for column in columns)
    return f"alter table {relation.quoted} {added};"


def create_index(relation: Relation, column: SearchColumn) -> str:
    """The statement that makes the index of a search column, without locking the table."""
    # On a partitioned table an index cannot be made concurrently.
    how = "" if relation.partitioned else "concurrently "
    method = "" if column.is_exact else "using gin "
    return f"create index {how}on {relation.quoted} {method}({quoted(column.name)});"


def _name_problems(selection: IndexSelection, relation: Relation) -> Iterator[str]:
    names = [column.name for column in selection.columns]
    clinic = [selection.clinic_column] if selection.clinic_column else []
    read = {*relation.keys(selection.key_column), *selection.sources, *clinic}
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"{name} is named twice as a search column"
        if name in read:
            yield f"{name} is both a search column and one that is read: it would be overwritten"


def _source_problems(selection: IndexSelection, relation: Relation) -> Iterator[str]:
    clinic = selection.clinic_column
    for name in (*selection.sources, *([clinic] if clinic else [])):
        yield from relation.access_problems(name)
        if name not in relation.columns:
            continue
        type_name = relation.columns[name][1]
        if name != clinic and relation.contents(name) is not Contents.TEXT:
            yield f"{name} is {type_name}; what is indexed needs text or varchar"
        if name == clinic and relation.contents(name) in (Contents.BYTES, Contents.HIDDEN):
            yield f"{name} is {type_name}; --clinic-column needs a text, a number or a UUID"


def _search_problems(selection: IndexSelection, relation: Relation, *, write: bool) -> Iterator[str]:
    for column in selection.columns:
        yield from relation.access_problems(column.name, is_written=True, write=write)
        if column.name not in relation.columns:
            continue
        _, type_name, _, _, length, *_ = relation.columns[column.name]
        is_text = relation.contents(column.name) is Contents.TEXT
        if column.is_exact and not is_text:
            yield f"{column.name} is {type_name}; an exact search column needs text or varchar"
        if not column.is_exact and type_name != "integer[]":
            yield f"{column.name} is {type_name}; a column of tokens needs integer[]"
        if column.is_exact and length is not None and length < column.index.bits // 4:
            yield f"{column.name} is {type_name}, too short for {column.index.bits // 4} hex digits"
