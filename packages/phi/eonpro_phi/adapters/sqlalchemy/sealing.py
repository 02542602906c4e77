"""Gives a statement the records that depend on its rows, before it is executed.

The values that a statement writes name the row, and so does the condition of an update. What an update leaves open,
such as the tenant, is read from the row, which is locked: what was read earlier may have been changed by others since.
The types of these columns write nothing but these records.

Touches what the injected cipher touches, and reads rows of the statement's table on its connection. The parts of
statements have no public names in SQLAlchemy: held for version 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.sql import operators
from sqlalchemy.sql.dml import Insert, Update
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, BooleanClauseList, Grouping

from eonpro_phi.adapters.sqlalchemy.rows import RowUnknown, Sealed, default_of, needed, row_columns, row_text

WRITING = (
    "{name} is sealed for its row, which this statement does not name. Change rows through the session: read, assign, "
    "flush. Or insert with the key and the tenant in each row's parameters, execute(insert(TABLE), [ROW, …]), and "
    "update with a condition that names the primary key: where(TABLE.id == 7)."
)
NO_KEY = (
    "{name} is bound to its row, whose primary key {key} is not known before the INSERT. Assign it, or give the column "
    "a default of the application: default=uuid4. A value of a sequence can be read first: session.scalar(SEQUENCE)."
)
NO_TENANT = "{name} is under the key of its row's tenant, and {key} is None. Assign it first."
UPSERT = (
    "An upsert may write {name} into a row that has another key or tenant. Change the row through the session: "
    "session.merge(…)."
)

_CHUNK = 500
"""Rows that one SELECT reads before an update of many."""

Row = Mapping[str, Any]
"""Values by the keys of columns."""


def sealed(connection: Any, statement: Any, rows: list[Any], options: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    """The statement and its rows of parameters, with records in the place of values. Raises RowUnknown where a value
    has no row, and StaleDataError for a row that is gone.
    """
    columns = row_columns(getattr(statement, "table", None))
    if not columns or not isinstance(statement, (Insert, Update)):
        return statement, rows
    _refuse(columns, upserted(statement), UPSERT)
    if statement._multi_values:
        return statement, rows
    literals: Row = {str(getattr(key, "key", key)): value for key, value in (statement._values or {}).items()}
    # Without parameters there is one row: that of the statement's own values.
    given = rows or [{}]
    written: list[dict[str, Any]] = [
        {name: _value(value, row) for name, value in {**literals, **row}.items()} for row in given
    ]
    if isinstance(statement, Insert):
        changes = [_inserted(columns, row, connection.dialect) for row in written]
    else:
        changes = _updated(connection, statement, columns, given, written, options)
    return _changed(statement, literals, given, changes) if any(changes) else (statement, rows)


def _changed(statement: Any, literals: Row, given: list[Any], changes: list[Row]) -> tuple[Any, list[Any]]:
    """The statement and its rows with these values, each where the one was that it replaces."""
    rows = []
    keys = {str(getattr(key, "key", key)): key for key in statement._values or {}}
    for row, change in zip(given, changes, strict=True):
        changed = dict(row)
        for name, value in change.items():
            literal = literals.get(name)
            if isinstance(literal, BindParameter) and literal.key in row:
                changed[literal.key] = value
            elif name in row or not literals or len(given) > 1:
                changed[name] = value
            else:
                # A text and its column are two keys for SQLAlchemy.
                statement = statement.values({keys.get(name, statement.table.columns[name]): value})
        rows.append(changed)
    return statement, [row for row in rows if row]


def _inserted(columns: list[Any], row: dict[str, Any], dialect: Any) -> Row:
    """What a row of an insert gets: the defaults that its records need, and the records."""
    change: dict[str, Any] = {}
    for column in dict.fromkeys(part for each in columns for part in (*needed(each), each)):
        default = default_of(column)
        if column.key not in row and default is not None:
            change[column.key] = row[column.key] = default(row)
    return change | {column.key: _record(column, row, dialect) for column in columns if row.get(column.key) is not None}


def _updated(
    connection: Any, statement: Any, columns: list[Any], given: list[Any], written: Sequence[Row], options: Row
) -> list[Row]:
    """What the rows of an update get: records for what it sets, and for what it leaves where the row gets another key
    or another tenant.
    """
    names, conditions = written[0].keys(), conditions_of(statement)
    moved = [each for each in columns if each.key not in names and any(part.key in names for part in needed(each))]
    sealing = [each for each in columns if any(row.get(each.key) is not None for row in written)]
    named: list[Row] = [{name: _value(value, row) for name, value in conditions.items()} for row in given]
    tenants = [column.table.columns[column.type.tenant] for column in (*sealing, *moved) if column.type.tenant]
    unknown = dict.fromkeys(each for each in tenants if each.key not in names and each.key not in conditions)
    current: list[Row] = [{}] * len(given)
    if moved or unknown:
        if any(row.get(key.key) is None for key in statement.table.primary_key for row in named):
            raise RowUnknown(WRITING.format(name=(*sealing, *moved)[0].name))
        current = _current(connection, statement.table, [*unknown, *moved], named, options)
    changes: list[Row] = []
    for row, condition, before in zip(written, named, current, strict=True):
        after = {**before, **condition, **row}
        change: dict[str, Any] = dict.fromkeys(column.key for column in moved)
        for column in (*sealing, *moved):
            if after[column.key] is not None:
                if column.type.per_row and after.get(needed(column)[0].key) is None:
                    raise RowUnknown(WRITING.format(name=column.name))
                change[column.key] = _record(column, after, connection.dialect)
        changes.append(change)
    return changes


def _current(connection: Any, table: Any, columns: list[Any], named: list[Row], options: Row) -> list[Row]:
    """The values of these columns in the rows of an update, which are locked until the transaction ends."""
    keys = [*table.primary_key]
    wanted = [tuple(row[key.key] for key in keys) for row in named]
    found: dict[Any, Row] = {}
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        condition = keys[0].in_([key for (key,) in chunk]) if len(keys) == 1 else tuple_(*keys).in_(chunk)
        statement = select(*keys, *columns).where(condition).order_by(*keys).with_for_update()
        schemas = {name: options[name] for name in options if name == "schema_translate_map"}
        for row in connection.execute(statement, execution_options=schemas):
            found[tuple(map(str, row[: len(keys)]))] = dict(
                zip((column.key for column in columns), row[len(keys) :], strict=True)
            )
    current = [found.get(tuple(map(str, key))) for key in wanted]
    if None in current:
        raise StaleDataError(f"The row {wanted[current.index(None)]} of {table.name} is gone: nothing was written.")
    return [row for row in current if row is not None]


def conditions_of(statement: Any) -> dict[str, BindParameter[Any]]:
    """The values that an update's rows all have, by the comparisons of its condition that are joined by AND."""
    found: dict[str, BindParameter[Any]] = {}
    parts = [*statement._where_criteria]
    for part in parts:
        if isinstance(part, Grouping):
            parts.append(part.element)
        elif isinstance(part, BooleanClauseList) and part.operator is operators.and_:
            parts.extend(part.clauses)
        elif isinstance(part, BinaryExpression) and part.operator is operators.eq:
            column = statement.table.columns.get(getattr(part.left, "key", None))
            # An equal hash: this column, not that of an alias. `==` would make an expression.
            if column is not None and isinstance(part.right, BindParameter) and hash(part.left) == hash(column):
                found[column.key] = part.right
    return found


def _record(column: Any, row: Row, dialect: Any) -> Sealed:
    """The record of a value that is not None."""
    if isinstance(value := row[column.key], Sealed):
        return value
    texts = []
    for part in needed(column):
        if row.get(part.key) is None:
            reason = NO_KEY if part.primary_key and column.type.per_row else NO_TENANT
            raise RowUnknown(reason.format(name=column.name, key=part.name))
        texts.append(row_text(part, row[part.key], dialect))
    return Sealed(
        column.type.seal(value, texts[0] if column.type.per_row else "", texts[-1] if column.type.tenant else None)
    )


def upserted(statement: Any) -> dict[Any, Any]:
    """What an upsert sets in a row that exists, as PostgreSQL, SQLite or MySQL writes it."""
    after = getattr(statement, "_post_values_clause", None)
    return dict(getattr(after, "update_values_to_set", None) or getattr(after, "update", None) or {})


def refuse_inside(statement: Any) -> None:
    """Raises RowUnknown for a write inside of another statement, which gets no records."""
    _refuse(row_columns(statement.table), getattr(statement, "_values", None), WRITING)


def _refuse(columns: list[Any], values: Any, reason: str) -> None:
    """Raises RowUnknown where one of the values is of these columns, or of what their records depend on."""
    names = {getattr(key, "key", key) for key in dict(values or {})}
    for column in columns:
        if not names.isdisjoint(part.key for part in (*needed(column), column)):
            raise RowUnknown(reason.format(name=column.name))


def _value(value: Any, row: Row) -> Any:
    """What is bound in a row; None for an expression, whose value the database makes."""
    if isinstance(value, BindParameter):
        return row.get(value.key, value.effective_value)
    return None if hasattr(value, "__clause_element__") or hasattr(value, "get_children") else value
