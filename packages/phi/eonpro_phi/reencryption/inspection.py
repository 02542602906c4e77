"""Whether the columns of a table can be re-encrypted: all problems at once, before anything is read from it.

Touches PostgreSQL's catalog, through a Database.
"""

from collections.abc import Collection, Sequence
from typing import Any

from eonpro_phi.hashes import HASH_CHARACTERS
from eonpro_phi.reencryption.column_types import ColumnTypes, Contents
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.reencryption.models import ColumnSelection
from eonpro_phi.reencryption.relation import Relation, find_relation
from eonpro_phi.reencryption.statements import Table

SHORTEST_RECORD = 24 + 1 + 24 + 1 + 4
"""Characters of the record of one byte."""

HASH_ENDINGS = ("hash", "_hash")
"""Endings of a column's name, in lower case, after the name of the column whose texts it has the hashes of."""

_INDEXES = """
select distinct c.relname from pg_index x join pg_class c on c.oid = x.indexrelid
  join pg_attribute a on a.attrelid = x.indrelid and a.attnum = any(x.indkey)
 where x.indrelid = %s::oid and a.attname = any(%s::name[]) order by 1
"""


def places_of(places: Sequence[tuple[str, str]], columns: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The names for keys of these columns, as the command line has them. Raises UsageError for another column."""
    if unknown := [each for each in places if each[0] not in columns]:
        raise UsageError([f"--place {column}={name}: {column} is not selected" for column, name in unknown])
    return tuple(places)


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
