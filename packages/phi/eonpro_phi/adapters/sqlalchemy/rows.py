"""Records that depend on their row: bound to its primary key, or under the key of its tenant. Declared and read here.

A statement that reads such a column reads the row's key and tenant in the same expression, so a column that is selected
alone opens too. `sealing.py` writes.

Touches what the injected cipher touches. The parts of statements have no public names in SQLAlchemy: held for version
2.1.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import CHAR, Column, Integer, String, Table, Text, Uuid, event
from sqlalchemy import cast as sql_cast
from sqlalchemy.exc import ArgumentError, DontWrapMixin, InvalidRequestError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.elements import Label
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

from eonpro_phi.adapters.values import BYTES
from eonpro_phi.record import key_text

READING = (
    "{name} opens only beside {needed} of its row: select() that too from the same table or subquery, or the column "
    "itself. A record of text() or of an expression is without its row."
)
KEY_TYPE = "{name} names the row or its tenant: its type has to be Integer, String or Uuid, and its value likewise."
CHANGED_BY_DATABASE = (
    "{name} has {action}: the database would change it and leave the row's records, which nobody could open then. "
    "Remove that, and change {name} through the session."
)


class RowUnknown(InvalidRequestError, DontWrapMixin):
    """The row of a value is not known. SQLAlchemy does not wrap it: its own error would show the parameters."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The record of one row: all that the type of such a column writes."""

    record: str | bytes | None


class _WithRow(FunctionElement[Any]):
    """A record, with the key and the tenant of its row behind it, as a JSON array."""

    inherit_cache = True

    def __init__(self, *parts: Any, result: TypeEngine[Any]) -> None:
        super().__init__(*parts)
        self.type = result


class _Hex(FunctionElement[Any]):
    """Bytes for JSON."""

    inherit_cache = True


def _compiled(kind: type[FunctionElement[Any]], form: str, *dialects: str) -> None:
    """How an element is written, in some dialects or in the others."""

    def text(element: Any, compiler: Any, **options: Any) -> str:
        options.pop("add_to_result_map", None)
        return form.format(compiler.process(element.clauses, **options))

    compiles(kind, *dialects)(text)


_compiled(_WithRow, "json_array({})")
# As text: the type json has no equality, which DISTINCT and UNION need.
_compiled(_WithRow, "CAST(json_build_array({}) AS TEXT)", "postgresql")
_compiled(_Hex, "hex({})")
_compiled(_Hex, "encode({}, 'hex')", "postgresql")


class _RowValue(TypeDecorator[Any]):
    """The type of what `with_row` selects."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: Any, columns: Sequence[Any]) -> None:
        super().__init__()
        self.kind, self.columns = kind, columns

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """The value that the record is of."""
        record, *texts = json.loads(value)
        if not record:
            return None
        if self.kind.form is BYTES:
            record = bytes.fromhex(record)
        pairs = zip(self.columns, texts, strict=True)
        row = [None if text is None else _normal(column, text, dialect) for column, text in pairs]
        return self.kind.open(record, row[0] if self.kind.per_row else "", row[-1] if self.kind.tenant else None)


def listen() -> None:
    """Check every table that is declared from now on; give rows of the session the defaults that records need."""
    if not event.contains(Table, "after_parent_attach", _after_declared):
        event.listen(Table, "after_parent_attach", _after_declared)
        event.listen(Mapper, "before_insert", _set_defaults)


def row_columns(table: Any) -> list[Any]:
    """The columns of a table whose records depend on their row."""
    return [column for column in getattr(table, "columns", ()) if getattr(column.type, "needs_row", False)]


def needed(column: Any) -> list[Any]:
    """The columns that a record of this one depends on: the primary key, then the tenant. Raises ArgumentError."""
    table, tenant = column.table, column.type.tenant
    keys = [*table.primary_key] if column.type.per_row else []
    if column.type.per_row and len(keys) != 1:
        raise ArgumentError(f'{column.name}: bound="row" needs a primary key of one column; use bound=True.')
    if tenant is not None and tenant not in table.columns:
        raise ArgumentError(f"{column.name}: {table.name} has no column {tenant}, which its tenant is to be read from.")
    return keys if tenant is None else [*keys, table.columns[tenant]]


def with_row(kind: Any, column: Any, read: Any) -> Any:
    """The expression that reads a record with its row. `read` is what holds the record: the column, or an expression
    of it. Raises RowUnknown where the row is not in reach.
    """
    base = next((each for each in getattr(column, "base_columns", ()) if isinstance(each, Column)), None)
    if base is None or not getattr(base.type, "needs_row", False):
        raise RowUnknown(READING.format(name=getattr(column, "name", "The column"), needed="the key and the tenant"))
    parts = [_Hex(read) if kind.form is BYTES else read]
    for part in needed(base):
        if (beside := _beside(column, part)) is None:
            raise RowUnknown(READING.format(name=base.name, needed=part.name))
        parts.append(sql_cast(beside, Text))
    return _WithRow(*parts, result=_RowValue(kind, needed(base)))


def _beside(expression: Any, wanted: Any) -> Any:
    """The wanted column of the row that an expression is of: in its table, or through an alias or a subquery."""
    while isinstance(expression, Label):
        expression = expression.element
    table: Any = getattr(expression, "table", None)
    if isinstance(table, Table):
        return table.columns.get(wanted.key)
    for source in getattr(expression, "_proxies", ()) if table is not None else ():
        inner = _beside(source, wanted)
        if inner is not None:
            return table.corresponding_column(inner)
    return None


def row_text(column: Any, value: Any, dialect: Any) -> str:
    """The text of a key or a tenant, as PostgreSQL writes it. Raises RowUnknown for one of another type."""
    process, kind = column.type.dialect_impl(dialect).bind_processor(dialect), _database_type(column, dialect)
    try:
        raw = process(value) if process else value
        # A text for a number would be another one in the database: "07".
        if isinstance(kind, Uuid) or isinstance(kind, Integer) is isinstance(raw, int):
            return _normal(column, key_text(raw), dialect)
    except (AttributeError, LookupError, TypeError, ValueError):
        pass
    raise RowUnknown(KEY_TYPE.format(name=f"{column.table.name}.{column.name}"))


def _normal(column: Any, text: str, dialect: Any) -> str:
    """One text for a value, whether it comes from the application or from the database."""
    if isinstance(_database_type(column, dialect), Uuid):
        return str(UUID(text))
    # A cast of char(n) to text cuts the blanks that fill it up.
    return text.rstrip(" ") if isinstance(_declared_type(column), CHAR) else text


def _declared_type(column: Any) -> Any:
    """The type that a TypeDecorator wraps; any other type as it is."""
    return getattr(column.type, "impl_instance", column.type)


def _database_type(column: Any, dialect: Any) -> Any:
    kind = column.type.dialect_impl(dialect)
    return getattr(kind, "impl_instance", kind)


@dataclass(frozen=True)
class _Parameters:
    """What a default of the application is called with, in the place of SQLAlchemy's context of an execution."""

    current_parameters: Mapping[str, Any]

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> Mapping[str, Any]:
        """The values of the row, by column."""
        return self.current_parameters


def default_of(column: Any) -> Callable[[Mapping[str, Any]], Any] | None:
    """Makes the default that the application gives, for the values of a row; None where the database gives it."""
    default = column.default
    if default is None or not (default.is_scalar or default.is_callable):
        return None
    return lambda row: default.arg(_Parameters(row)) if default.is_callable else default.arg


def _set_defaults(mapper: Any, connection: object, row: Any) -> None:
    """Before an object is inserted: its attributes get the defaults that its records and search values need, as the
    INSERT would do.
    """
    parts = [part for table in mapper.tables for each in row_columns(table) for part in (*needed(each), each)]
    columns = [column for table in mapper.tables for column in table.columns]
    parts += [each.table.columns[name] for each in columns for name in getattr(each.type, "followed", ())]
    if not parts:
        return
    names = {column: prop.key for prop in mapper.column_attrs for column in prop.columns}
    for part in dict.fromkeys(parts):
        default = default_of(part)
        if default is not None and part in names and getattr(row, names[part]) is None:
            values = {column.key: getattr(row, name) for column, name in names.items() if isinstance(column, Column)}
            setattr(row, names[part], default(values))


def _after_declared(table: Any, metadata: object) -> None:
    """Raises ArgumentError for a key or a tenant that records cannot depend on."""
    for column in row_columns(table):
        for part in needed(column):
            if getattr(part.type, "encrypted_text", False):
                raise ArgumentError(f"{column.name}: the tenant {part.name} is encrypted. It has to be readable.")
            # A foreign key may get its type later.
            if not isinstance(_declared_type(part), (Integer, String, Uuid, NullType)):
                raise ArgumentError(KEY_TYPE.format(name=part.name))
            if action := next(_actions(part), None):
                raise ArgumentError(CHANGED_BY_DATABASE.format(name=part.name, action=action))


def _actions(column: Any) -> Iterator[str]:
    """What the database does to a column when the row that it refers to changes."""
    for key in column.foreign_keys:
        constraint = key.constraint if key.constraint is not None else key
        if constraint.onupdate and constraint.onupdate.upper() not in ("RESTRICT", "NO ACTION"):
            yield f"ON UPDATE {constraint.onupdate.upper()}"
        if constraint.ondelete and constraint.ondelete.upper().startswith("SET"):
            yield f"ON DELETE {constraint.ondelete.upper()}"
