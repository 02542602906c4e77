"""Inspects SQLAlchemy's statements on encrypted columns: they may read one, test for NULL, and write texts.

Inspects each statement before it is executed, by listeners on Engine, and each index and constraint as it is attached
to its table. The parts of statements have no public names in SQLAlchemy: held for version 2.1.
"""

from collections.abc import Iterable, Iterator, Mapping
from logging import LogRecord
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Index,
    UniqueConstraint,
    event,
)
from sqlalchemy.dialects.postgresql.ext import DistinctOnClause
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.dml import Insert, Update, UpdateBase
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    Case,
    Cast,
    Extract,
    Null,
    Over,
    TypeCoerce,
    UnaryExpression,
    WithinGroup,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import CompoundSelect, Select

from eonpro_phi.adapters.lookups import NEGATED
from eonpro_phi.adapters.sqlalchemy import sealing
from eonpro_phi.adapters.sqlalchemy.search import IN_STEP, STALE, Candidates, PlainColumn, companions

ORDERING = (
    "An encrypted column cannot be ordered by: the database has records, whose order says nothing about their texts. "
    "Sort in Python: sorted(rows, key=lambda row: row.{name} or ''); or order by a column that is not encrypted."
)
GROUPING = (
    "An encrypted column cannot be grouped by or made distinct: equal texts are different records, so every row is a "
    "group of its own. Group in Python: collections.Counter(row.{name} for row in rows); or by the primary key."
)
EXPRESSION = (
    "{name} is encrypted: a function, an aggregate or a comparison in the database works on its record and not on its "
    "text. Read the rows and compute in Python; a statement may only ask is_(None), count and read it."
)
WRITING = (
    "{name} is encrypted: an expression would write what the database makes of a record, or a plain text, in its "
    "place: the text would be lost. Write texts: read the rows, assign in Python and flush; or values({name}='…')."
)
INDEXING = (
    "{name} is encrypted: equal texts are different records, so uniqueness or an index has no effect. Remove it. To "
    "find equal texts, add a column of ExactSearch, and index that."
)


COMPUTED = (FunctionElement, BinaryExpression, Cast, Extract, TypeCoerce)
"""The expressions that make another value of a column's."""


def listen() -> None:
    """Inspect every statement of this process's engines, and every table that is declared from now on."""
    if not event.contains(Engine, "before_execute", _before_execute):
        event.listen(Engine, "before_execute", _before_execute, retval=True)
        event.listen(Engine, "engine_connect", _log_no_rows)
        for kind in (Column, Index, UniqueConstraint):
            event.listen(kind, "after_parent_attach", _after_attach)


def is_encrypted(element: Any) -> bool:
    """Whether an element is a column of records, or a query's expression of one."""
    return getattr(getattr(element, "type", None), "encrypted_text", False) is True


def check(statement: Any) -> None:
    """Raises InvalidRequestError for a statement that would mislead or destroy records."""
    for element in visitors.iterate(statement):
        if isinstance(element, UpdateBase):
            _check_written(element)
            if element is not statement:
                sealing.refuse_inside(element)
        elif isinstance(element, (Select, CompoundSelect)):
            _check_selected(element)
        elif isinstance(element, COMPUTED) and not _is_harmless(element):
            _refuse((column for part in _parts(element) for column in _columns(part)), EXPRESSION)
        elif isinstance(element, UnaryExpression) and element.operator in (operators.inv, operators.is_false):
            if any(isinstance(part, Candidates) for part in visitors.iterate(element)):
                raise InvalidRequestError(NEGATED)
        elif isinstance(element, Over):
            _refuse(_columns(element.partition_by), GROUPING)
            _refuse(_columns(element.order_by), ORDERING)
        elif isinstance(element, WithinGroup):
            _refuse(_columns(element.order_by), ORDERING)
        elif isinstance(element, Case):
            _refuse(_columns(element.value), EXPRESSION)
        elif isinstance(element, DistinctOnClause):
            _refuse((column for clause in element._distinct_on for column in _columns(clause)), GROUPING)


def _log_no_rows(connection: Any) -> None:
    """Keep rows out of the log: at DEBUG SQLAlchemy logs each row it has read, with encrypted columns as texts."""
    logger = connection.engine.logger
    getattr(logger, "logger", logger).addFilter(_is_no_row)


def _is_no_row(record: LogRecord) -> bool:
    return not str(record.msg).endswith("Row %r")


_good: dict[Any, None] = {}
"""The cache keys of statements without fault. SQLAlchemy makes the key for its own cache anyway."""
_MAX_GOOD = 1000


def _before_execute(connection: Any, statement: Any, multiparams: Any, params: Any, options: Any) -> tuple[Any, ...]:
    """The statement and its parameters, with the records that depend on their rows."""
    if not hasattr(statement, "get_children"):
        return statement, multiparams, params
    is_write = isinstance(statement, UpdateBase)
    given = [*(multiparams or ()), *([params] if params else [])] if is_write else []
    if isinstance(statement, (Insert, Update)) and companions(statement.table):
        _check_in_step(statement, given)
    _check_once(statement)
    changed, rows = sealing.sealed(connection, statement, given, options) if is_write else (statement, given)
    return (statement, multiparams, params) if rows is given else (changed, rows, {})


def _check_once(statement: Any) -> None:
    made = statement._generate_cache_key() if hasattr(statement, "_generate_cache_key") else None
    key = None if made is None else made.key
    if key is not None and key in _good:
        return
    check(statement)
    if key is not None:
        if len(_good) >= _MAX_GOOD:
            _good.clear()
        _good[key] = None


def _after_attach(part: Any, table: Any) -> None:
    if isinstance(part, Column) and is_encrypted(part):
        part.type.attach(table.name, part.name)  # type: ignore[attr-defined]
    if isinstance(part, Column):
        _mark_moved(part, table)
    is_key = isinstance(part, Column) and part.primary_key
    columns: Iterable[Any] = (part,) if is_key else getattr(part, "columns", ())
    for column in columns:
        if isinstance(column, Column) and is_encrypted(column):
            raise ArgumentError(INDEXING.format(name=column.name))
    for expression in getattr(part, "expressions", ()):
        if (found := next(filter(is_encrypted, _columns(expression)), None)) is not None:
            raise ArgumentError(INDEXING.format(name=_name(found)))


def _mark_moved(column: Any, table: Any) -> None:
    """Let the type of an encrypted column know that a plain one is read beside it, whichever was declared first."""
    for plain in companions(table):
        if isinstance(plain.type, PlainColumn) and column.name in (plain.name, plain.type.source):
            source = column if column.name == plain.type.source else table.columns.get(plain.type.source)
            if source is not None and is_encrypted(source):
                source.type.is_moved = True


def _written_rows(statement: Any) -> list[dict[Any, Any]]:
    """The values of an insert or an update, by columns or their names, and those that an upsert sets."""
    found = [dict(statement._values or {})] if getattr(statement, "_values", None) else []
    found += [row for many in getattr(statement, "_multi_values", ()) or () for row in many if isinstance(row, dict)]
    return [*found, upserted] if (upserted := sealing.upserted(statement)) else found


def _check_in_step(statement: Any, parameters: list[Any]) -> None:
    """A statement that writes a source writes its search columns too; one that sets them in a row that exists sets all
    that they follow, or names it. The session does not: it has read the row (`search.py`).
    """
    given = [row for row in parameters if isinstance(row, dict)]
    is_insert = isinstance(statement, Insert)
    changed = sealing.upserted(statement) if is_insert else dict(statement._values or {})
    named = _target(statement) if is_insert else {*sealing.conditions_of(statement)}
    for column in companions(statement.table):
        sources, followed = column.type.sources, column.type.followed
        written = [(sources, row) for row in [*_written_rows(statement), *given]]
        for names, row in [*written, *((followed, row) for row in [changed, *([] if is_insert else given)])]:
            forgotten = next((name for name in names if name in _keys(row)), None)
            if forgotten and column.key not in _keys(row):
                raise InvalidRequestError(IN_STEP.format(source=forgotten, companion=column.name))
        missing = [name for name in followed if name not in _keys(changed) | named]
        if missing and _has_value(changed, column):
            raise InvalidRequestError(STALE.format(companion=column.name, names=", ".join(missing)))
        for row in _new_rows(statement, given) if is_insert and not isinstance(column.type, PlainColumn) else ():
            if _has_value(row, column) and _keys(row).isdisjoint(sources):
                raise InvalidRequestError(STALE.format(companion=column.name, names=", ".join(sources)))


def _new_rows(statement: Any, given: list[Any]) -> list[dict[Any, Any]]:
    """The rows of an insert, each with all of its values."""
    literals = dict(getattr(statement, "_values", None) or {})
    many = [row for rows in statement._multi_values for row in rows if isinstance(row, dict)]
    return many or [literals | row for row in given or [{}]]


def _has_value(row: Mapping[Any, Any], column: Any) -> bool:
    """Whether a row sets this column to a value of some text: NULL and no tokens are of none."""
    values = [value for key, value in row.items() if getattr(key, "key", key) == column.key]
    plain = [getattr(value, "effective_value", value) for value in values if not isinstance(value, Null)]
    return any(value is not None and value != [] for value in plain)


def _keys(row: Iterable[Any]) -> set[str]:
    return {getattr(key, "key", key) for key in row}


def _target(statement: Any) -> set[str]:
    """The columns by which an upsert finds the row that exists: they stay."""
    after = getattr(statement, "_post_values_clause", None)
    return _keys(getattr(after, "inferred_target_elements", None) or ())


def _check_written(statement: Any) -> None:
    """An insert, an update or an upsert: only values that are bound as this column's are encrypted."""
    for row in _written_rows(statement):
        for key, value in row.items():
            column = key if isinstance(key, ColumnElement) else statement.table.columns.get(getattr(key, "key", key))
            if column is not None and is_encrypted(column) and _is_expression(value, column):
                raise InvalidRequestError(WRITING.format(name=_name(column)))
    if isinstance(statement, Insert) and statement.select is not None:
        for key in statement._select_names or ():
            column = statement.table.columns.get(key)
            if column is not None and is_encrypted(column):
                raise InvalidRequestError(WRITING.format(name=_name(column)))


def _is_expression(value: Any, column: Any) -> bool:
    value = value.__clause_element__() if hasattr(value, "__clause_element__") else value
    if isinstance(value, Null) or not hasattr(value, "get_children"):
        return False
    if isinstance(value, BindParameter):
        # One without a type gets the column's; another type's value is written as it is.
        return not (value.type._isnull or (is_encrypted(value) and _same(value.type, column.type)))
    # `excluded.name` of an upsert is the record that was just made for the same column.
    is_excluded = getattr(getattr(value, "table", None), "name", None) == "excluded"
    return not (is_excluded and is_encrypted(value) and _name(value) == _name(column))


def _same(one: Any, other: Any) -> bool:
    """Whether two types make the same records of a value."""
    return (one.fields, one.form, one.binding) == (other.fields, other.form, other.binding)


def _check_selected(statement: Any) -> None:
    _refuse((column for clause in statement._order_by_clauses for column in _named(statement, clause)), ORDERING)
    if isinstance(statement, CompoundSelect):
        if "ALL" not in statement.keyword.value:
            _refuse_without_key(list(statement.selected_columns))
        return
    _refuse_without_key([column for clause in statement._group_by_clauses for column in _named(statement, clause)])
    if statement._distinct_on:
        _refuse((column for clause in statement._distinct_on for column in _columns(clause)), GROUPING)
    elif statement._distinct:
        _refuse_without_key(list(statement.selected_columns))


def _named(statement: Any, clause: Any) -> Iterator[Any]:
    """The columns of a clause that may name a selected one by a text: `order_by("email")`, `desc("email")`."""
    names = {getattr(part, "element", None) for part in visitors.iterate(clause)}
    texts = {name for name in names if isinstance(name, str)}
    # What is selected is listed only where it is needed: that takes longer than all the rest.
    yield from (column for column in (statement.selected_columns if texts else ()) if column.key in texts)
    yield from _columns(clause)


def _refuse_without_key(columns: list[Any]) -> None:
    """Refuse a DISTINCT without a primary key: with one, every row differs anyway."""
    if not any(getattr(column, "primary_key", False) for column in columns):
        _refuse(columns, GROUPING)


def _parts(element: Any) -> tuple[Any, ...]:
    """The arguments of a function, or the sides of a comparison; a subquery by its selected columns."""
    if isinstance(element, BinaryExpression):
        # The type of a subquery in parentheses is that of its column.
        return (element.left, element.right)
    return tuple(element.clauses) if isinstance(element, FunctionElement) else tuple(element.get_children())


def _columns(clause: Any) -> Iterator[Any]:
    """The encrypted columns and the primary keys in a clause, in any expression except a count and IS NULL."""
    if clause is None or isinstance(clause, (BindParameter, Select, CompoundSelect)) or _is_harmless(clause):
        return
    if is_encrypted(clause) or getattr(clause, "primary_key", False) is True:
        yield clause
        return
    for child in clause.get_children():
        yield from _columns(child)


def _is_harmless(element: Any) -> bool:
    """Whether an element asks only how many records there are, or whether there is one."""
    if isinstance(element, BinaryExpression):
        return element.operator in (operators.is_, operators.is_not) and isinstance(element.right, Null)
    return (
        isinstance(element, FunctionElement)
        and getattr(element, "name", "").lower() == "count"
        and not any(getattr(part, "operator", None) is operators.distinct_op for part in element.clauses)
    )


def _refuse(elements: Iterable[Any], text: str) -> None:
    for element in elements:
        if is_encrypted(element):
            raise InvalidRequestError(text.format(name=_name(element)))


def _name(element: Any) -> str:
    return str(getattr(element, "name", None) or getattr(element, "key", None) or "the column")
