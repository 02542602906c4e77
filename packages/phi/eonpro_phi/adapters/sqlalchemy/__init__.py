"""Column types for SQLAlchemy: values in Python, records in the database.

Touches what the injected cipher touches: encryption where a value is bound, decryption where a row is read. Inspects
the statements of this process's engines (`statements.py`).
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Literal

from sqlalchemy import CheckConstraint, Column, ColumnElement, Dialect, LargeBinary, Table, Text, and_, func, or_
from sqlalchemy.exc import ArgumentError, DontWrapMixin, InvalidRequestError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import Null
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator

from eonpro_phi.adapters.injected import CipherProvider, opened, resolve, sealed
from eonpro_phi.adapters.lookups import InClinic as InClinic
from eonpro_phi.adapters.sqlalchemy import rows, sealing, search, statements
from eonpro_phi.adapters.sqlalchemy.search import ExactSearch as ExactSearch
from eonpro_phi.adapters.sqlalchemy.search import PlainColumn as PlainColumn
from eonpro_phi.adapters.sqlalchemy.search import WordSearch as WordSearch
from eonpro_phi.adapters.sqlalchemy.search import render_item as render_item
from eonpro_phi.adapters.sqlalchemy.search import searchable as searchable
from eonpro_phi.adapters.sqlalchemy.search import true_hits as true_hits
from eonpro_phi.adapters.values import BYTES, DATE, DATETIME, DECIMAL, INTEGER, JSON, ValueForm
from eonpro_phi.binding import ROW, Binding, binding
from eonpro_phi.constraint import constraint_name, is_record
from eonpro_phi.declarations import declare
from eonpro_phi.errors import PhiError
from eonpro_phi.record import looks_like_a_record

_SEARCHED_BY: dict[ValueForm | None, tuple[type, ...]] = {DATE: (date,), INTEGER: (int,)}
"""The values that a column of this form is compared with, beside texts."""
_NULL_OPERATORS = (operators.eq, operators.ne, operators.is_, operators.is_not)


class NullComparator(TypeDecorator.Comparator[Any]):
    """The operators of an encrypted column: comparison with NULL. Others raise InvalidRequestError."""

    def operate(self, op: OperatorType, *other: Any, **kwargs: Any) -> ColumnElement[Any]:
        """`== None`, `!= None`, `is_(None)`, `is_not(None)`; equal texts are different records."""
        if op in _NULL_OPERATORS and all(
            value is None or isinstance(value, Null) or self._is_same_column(value) for value in other
        ):
            condition = super().operate(op, *other, **kwargs)
            if self._is_same_column(*other) or (plain := search.plain_column(self.expr)) is None:
                return condition
            is_null = op in (operators.eq, operators.is_)
            return and_(condition, plain.is_(None)) if is_null else or_(condition, plain.is_not(None))
        if op is operators.eq and isinstance(other[0], Column) and "parententity" not in other[0]._annotations:
            # SQLAlchemy looks columns up in lists when it compiles RETURNING. A statement with it is refused.
            return super().operate(op, *other, **kwargs)
        texts = self._texts(*other) if op in (operators.eq, operators.in_op) else None
        if texts is not None and (same := search.same_text(self.expr, texts)) is not None:
            return same
        raise InvalidRequestError(
            "An encrypted column can be compared with None only. Equal texts are different records: a comparison, a "
            "search or an ordering would silently return wrong rows. To look up texts, add a column of ExactSearch or "
            "WordSearch."
        )

    def reverse_operate(self, op: OperatorType, other: Any, **kwargs: Any) -> ColumnElement[Any]:
        """The operation with the column as the right operand."""
        return self.operate(op, other, **kwargs)

    def _texts(self, other: Any) -> list[Any] | None:
        """The texts that a column is compared with; None for expressions and other values."""
        kinds = (str, InClinic, *_SEARCHED_BY.get(getattr(self.type, "form", None), ()))
        texts = [other] if isinstance(other, kinds) else other
        is_list = isinstance(texts, (list, tuple, set, frozenset))
        return [*texts] if is_list and all(isinstance(each, kinds) for each in texts) else None

    def _is_same_column(self, other: object) -> bool:
        # SQLAlchemy uses columns as keys of dictionaries, which compare a column with itself.
        return isinstance(other, ColumnElement) and hash(other) == hash(self.expr)


class EncryptedType(TypeDecorator[Any]):
    """What the encrypted types have in common; each is a column of type TEXT, of bytes for EncryptedBytes.

    A comparison but with None, an ordering, a grouping, a function of the column and an expression in its place raise
    InvalidRequestError; an index or uniqueness raises ArgumentError where the table is declared.

    None is stored as NULL. Raises InvalidValue or what the cipher raises: InvalidText or an UnwrapError for a write,
    DecryptionError for a read. SQLAlchemy does not wrap them: its own errors show the statement's parameters in
    plain text. For the same reason create the engine with `hide_parameters=True`: an error about another column would
    show them.
    """

    impl = Text
    cache_ok = True
    encrypted_text = True
    """The mark by which statements know the column."""
    comparator_factory = NullComparator
    form: ValueForm | None = None
    """How values become texts; None for texts."""

    def __init__(
        self,
        fields: CipherProvider,
        *,
        bound: bool | Literal["row"] = False,
        tenant: str | None = None,
        reads: str | Sequence[str] = (),
        place: str | None = None,
    ) -> None:
        """Take a PhiFields, or a callable that returns one and is called at the first use.

        `bound=True` binds each record to its table and column, `bound="row"` to its row too, by the primary key:
        version 2, which opens nowhere else. Such a type is for one column. `tenant` is the name of the table's column
        with the id of a row's tenant, under whose key the record then is. Nothing else is read, unless `reads` names
        the earlier forms that a table has while it moves: words of eonpro_phi.binding.Form. `place` is the column's
        name for keys, "TABLE.COLUMN" as they were before they were renamed. Raises ArgumentError.
        """
        super().__init__()
        self.is_moved = False
        self.bound, self.tenant = bound, tenant
        self.place = self._declared_place = place
        """The first, once it is in a table: what its records are bound to."""
        self.reads = (reads,) if isinstance(reads, str) else tuple(reads)
        self.per_row = bound == ROW
        self.binding = self._binding("", "")
        """That of its column, once it is in a table."""
        self.column: tuple[str, str] | None = None
        # A public attribute is part of SQLAlchemy's cache key: two columns with two keys never share a statement.
        self.fields = fields

    @property
    def needs_row(self) -> bool:
        """Whether a record depends on its row: `rows.py` makes and opens it."""
        return self.per_row or self.tenant is not None

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """The record to store."""
        if not self.needs_row:
            return self.seal(value)
        if value is None or isinstance(value, rows.Sealed):
            return value and value.record
        raise rows.RowUnknown(sealing.WRITING.format(name=self._name))

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """The value of a stored record."""
        if self.needs_row and value is not None:
            raise rows.RowUnknown(rows.READING.format(name=self._name, needed="the key and the tenant"))
        return self.open(value)

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """The record; while a plain column is moved both, and with its row where the record depends on it."""
        read = column
        if (plain := search.plain_column(column)) is not None:
            # Before the switch an instance that knows the plain column only may have written it last.
            read = func.coalesce(*((column, plain) if plain.type.switched else (plain, column)), type_=self)
        return rows.with_row(self, column, read) if self.needs_row else read

    def seal(self, value: Any, row: str = "", tenant: str | None = None) -> Any:
        """The record of a value, for the row with this key and tenant. Raises what the cipher raises."""
        of = self._bound_here()
        return _unwrapped_errors(lambda: sealed(resolve(self.fields), value, self.form, of, row, tenant))

    def open(self, record: Any, row: str = "", tenant: str | None = None) -> Any:
        """The value of a record of that row; while a plain column is moved, a text that is no record is from there."""
        if self.is_moved and isinstance(record, str) and not looks_like_a_record(record):
            return record or None
        of = self._bound_here()
        return _unwrapped_errors(lambda: opened(resolve(self.fields), record, self.form, of, row, tenant))

    def attach(self, table: str, column: str) -> None:
        """Bind the records to this column. Raises ArgumentError where they are bound to another one."""
        here = self._binding(table, column)
        declare(table, column, here, self.tenant)
        if not self.bound:
            return
        if self.column is not None and self.binding != here:
            raise ArgumentError(
                f"The type of {table}.{column} is bound to {self.binding.place}: give each column its own; if it "
                f'was renamed, the former name: place="{self.binding.place}".'
            )
        self.binding, self.place, self.column = here, here.place, (table, column)

    @property
    def _name(self) -> str:
        """The column's name in messages."""
        return self.column[1] if self.column else "The column"

    def _binding(self, table: str, column: str) -> Binding:
        try:
            name, has_tenant = self._declared_place, self.tenant is not None
            return binding(table, column, bound=self.bound, tenant=has_tenant, reads=self.reads, name=name)
        except ValueError as error:
            raise ArgumentError(f"{error}.") from None

    def _bound_here(self) -> Binding:
        if self.column is None and self.bound:
            raise InvalidRequestError("A bound type encrypts and decrypts in its own column only.")
        return self.binding

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class EncryptedText(EncryptedType):
    """`Column(EncryptedText(PhiFields.from_environment))`: a text. "" is stored as NULL too, and read as None."""

    cache_ok = True


class EncryptedBytes(EncryptedType):
    """Bytes, as a binary record. b"" is stored as NULL too, and read as None."""

    impl = LargeBinary  # type: ignore[assignment]
    cache_ok = True
    form = BYTES


class EncryptedDate(EncryptedType):
    """A date."""

    cache_ok = True
    form = DATE


class EncryptedDateTime(EncryptedType):
    """A datetime with a time zone, which is read in UTC."""

    cache_ok = True
    form = DATETIME


class EncryptedInteger(EncryptedType):
    """A whole number of any size."""

    cache_ok = True
    form = INTEGER


class EncryptedDecimal(EncryptedType):
    """A Decimal, with the digits after the point that it has."""

    cache_ok = True
    form = DECIMAL


class EncryptedJSON(EncryptedType):
    """A JSON value, encrypted as a whole. None is NULL: JSON's null inside a list or an object only."""

    cache_ok = True
    form = JSON


class IsRecord(ColumnElement[bool]):
    """The condition that a column's value is a record, in the words of each database."""

    inherit_cache = False

    def __init__(self, column: Column[Any]) -> None:
        self.column = column


@compiles(IsRecord)
def _is_record(element: IsRecord, compiler: Any, **kwargs: Any) -> str:
    type_: Any = element.column.type
    return is_record(
        compiler.preparer.quote(element.column.name),
        compiler.dialect.name,
        is_binary=type_.form is BYTES,
        versions=type_.binding.versions,
    )


def constrain(table: Table) -> None:
    """Give each encrypted column of the table a check by which the database refuses what is no record, whoever writes.

    After the class: `constrain(Patient.__table__)`. `create_all` makes them; a migration takes the statements of
    `python -m eonpro_phi check --sql`.
    """
    for column in table.columns:
        if isinstance(column.type, EncryptedType):
            table.append_constraint(CheckConstraint(IsRecord(column), name=constraint_name(table.name, column.name)))


def _unwrapped_errors(call: Callable[[], Any]) -> Any:
    """The result of the call; an error of this package passes SQLAlchemy without being wrapped."""
    try:
        return call()
    except PhiError as error:
        if not isinstance(error, DontWrapMixin):
            error.__class__ = _with_dont_wrap(type(error))
        raise


def _with_dont_wrap(kind: type[PhiError]) -> type[PhiError]:
    """The same class with SQLAlchemy's mark for errors that it must not wrap; pickled as the original class."""
    attributes = {"__module__": kind.__module__, "__doc__": kind.__doc__, "_kind": classmethod(lambda _: kind)}
    return type(kind.__name__, (kind, DontWrapMixin), attributes)


statements.listen()
rows.listen()
search.listen()
