"""A column type for SQLAlchemy: texts in Python, records in the database.

Touches what the injected cipher touches: encryption where a value is bound, decryption where a row is read. Inspects
the statements of this process's engines (`statements.py`).
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Text
from sqlalchemy.exc import DontWrapMixin, InvalidRequestError
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import Null
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator

from phi.adapters.injected import CipherProvider, resolve
from phi.adapters.sqlalchemy import statements
from phi.errors import PhiError

_NULL_OPERATORS = (operators.eq, operators.ne, operators.is_, operators.is_not)


class NullComparator(TypeDecorator.Comparator[str]):
    """The operators of an encrypted column: comparison with NULL. Others raise InvalidRequestError."""

    def operate(self, op: OperatorType, *other: Any, **kwargs: Any) -> ColumnElement[Any]:
        """`== None`, `!= None`, `is_(None)`, `is_not(None)`; equal texts are different records."""
        if op in _NULL_OPERATORS and all(
            value is None or isinstance(value, Null) or self._is_same_column(value) for value in other
        ):
            return super().operate(op, *other, **kwargs)
        raise InvalidRequestError(
            "An encrypted column can be compared with None only. Equal texts are different records: a comparison, a "
            "search or an ordering would silently return wrong rows."
        )

    def reverse_operate(self, op: OperatorType, other: Any, **kwargs: Any) -> ColumnElement[Any]:
        """The same, with the column as the right operand."""
        return self.operate(op, other, **kwargs)

    def _is_same_column(self, other: object) -> bool:
        # SQLAlchemy uses columns as keys of dictionaries, which compare a column with itself.
        return isinstance(other, ColumnElement) and hash(other) == hash(self.expr)


class EncryptedText(TypeDecorator[str]):
    """`Column(EncryptedText(PhiFields.from_environment))`: a PHI field in a column of type TEXT.

    A comparison but with None, an ordering, a grouping, a function of the column and an expression in its place raise
    InvalidRequestError; an index or uniqueness raises ArgumentError where the table is declared.

    None and "" are stored as NULL, and read as None. Raises what the cipher raises: InvalidText or an UnwrapError for a
    write, DecryptionError for a read. SQLAlchemy does not wrap them: its own errors show the statement's parameters in
    plain text. For the same reason create the engine with `hide_parameters=True`: an error about another column would
    show them.
    """

    impl = Text
    cache_ok = True
    encrypted_text = True
    """The mark by which statements know the column."""
    comparator_factory = NullComparator

    def __init__(self, fields: CipherProvider) -> None:
        """Take a PhiFields, or a callable that returns one and is called at the first use."""
        super().__init__()
        # A public attribute is part of SQLAlchemy's cache key: two columns with two keys never share a statement.
        self.fields = fields

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The record to store."""
        return _unwrapped_errors(lambda: resolve(self.fields).encrypt(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """The text of a stored record."""
        return _unwrapped_errors(lambda: resolve(self.fields).decrypt(value))

    def __repr__(self) -> str:
        return "EncryptedText()"


def _unwrapped_errors(call: Callable[[], str | None]) -> str | None:
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
