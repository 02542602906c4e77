"""Column types for SQLAlchemy: values in Python, records in the database.

Touches what the injected cipher touches: encryption where a value is bound, decryption where a row is read. Inspects
the statements of this process's engines (`statements.py`).
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Dialect, LargeBinary, Text, and_, func, or_
from sqlalchemy.exc import ArgumentError, DontWrapMixin, InvalidRequestError
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import Null
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator

from phi.adapters.injected import BOUND, CipherProvider, opened, resolve, sealed
from phi.adapters.lookups import InClinic as InClinic
from phi.adapters.sqlalchemy import search, statements
from phi.adapters.sqlalchemy.search import ExactSearch as ExactSearch
from phi.adapters.sqlalchemy.search import PlainColumn as PlainColumn
from phi.adapters.sqlalchemy.search import WordSearch as WordSearch
from phi.adapters.sqlalchemy.search import searchable as searchable
from phi.adapters.sqlalchemy.search import true_hits as true_hits
from phi.adapters.values import BYTES, DATE, DATETIME, DECIMAL, INTEGER, JSON, ValueForm
from phi.errors import PhiError
from phi.record import looks_like_a_record, place

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
        texts = self._texts(*other) if op in (operators.eq, operators.in_op) else None
        if texts is not None and (same := search.same_text(self.expr, texts)) is not None:
            return same
        raise InvalidRequestError(
            "An encrypted column can be compared with None only. Equal texts are different records: a comparison, a "
            "search or an ordering would silently return wrong rows. To look up texts, add a column of ExactSearch or "
            "WordSearch."
        )

    def reverse_operate(self, op: OperatorType, other: Any, **kwargs: Any) -> ColumnElement[Any]:
        """The same, with the column as the right operand."""
        return self.operate(op, other, **kwargs)

    def _texts(self, other: Any) -> list[Any] | None:
        """The texts that a column is compared with; None for expressions and other values."""
        texts = [other] if isinstance(other, (str, InClinic)) else other
        is_list = isinstance(texts, (list, tuple, set, frozenset))
        return [*texts] if is_list and all(isinstance(each, (str, InClinic)) for each in texts) else None

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

    def __init__(self, fields: CipherProvider, *, bound: bool = False) -> None:
        """Take a PhiFields, or a callable that returns one and is called at the first use.

        `bound` binds each record to its table and column: version 2, which opens nowhere else. Records of version 1 are
        still read. Such a type is for one column. Raises ArgumentError for anything else.
        """
        super().__init__()
        self.is_moved = False
        if not isinstance(bound, bool):
            raise ArgumentError(BOUND)
        self.bound: bool | str = bound
        """Once it is in a table, the place that the records are bound to."""
        # A public attribute is part of SQLAlchemy's cache key: two columns with two keys never share a statement.
        self.fields = fields

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """The record to store."""
        return _unwrapped_errors(lambda: sealed(resolve(self.fields), value, self.form, self._context()))

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """The value of a stored record; while a plain column is moved, a text that is no record is from there."""
        if self.is_moved and isinstance(value, str) and not looks_like_a_record(value):
            return value or None
        return _unwrapped_errors(lambda: opened(resolve(self.fields), value, self.form, self._context()))

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """While a plain column is moved: both are read."""
        if (plain := search.plain_column(column)) is None:
            return column
        # Before the switch an instance that knows the plain column only may have written it last.
        both = (column, plain) if plain.type.switched else (plain, column)
        return func.coalesce(*both, type_=self)

    def attach(self, table: str, column: str) -> None:
        """Bind the records to this column. Raises ArgumentError where they are bound to another one."""
        here = place(table, column)
        if self.bound not in (True, here):
            raise ArgumentError(f"The type of {here} is bound to {self.bound}: give each column one of its own.")
        self.bound = here

    def _context(self) -> str:
        if self.bound is True:
            raise InvalidRequestError("A bound type encrypts and decrypts in its own column only.")
        return self.bound or ""

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
search.listen()
