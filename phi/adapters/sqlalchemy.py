"""A column type for SQLAlchemy: texts in Python, records in the database.

Touches what the given fields object touches: encryption where a value is bound, decryption where a row is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Text
from sqlalchemy.exc import DontWrapMixin, InvalidRequestError
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import Null
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator

from phi.adapters.given import Door, opened
from phi.errors import PhiError

_NULL_TESTS = (operators.eq, operators.ne, operators.is_, operators.is_not)


class NullTestsOnly(TypeDecorator.Comparator[str]):
    """The operators of such a column: whether it is NULL. All else raises InvalidRequestError."""

    def operate(self, op: OperatorType, *other: Any, **kwargs: Any) -> ColumnElement[Any]:
        """`== None`, `!= None`, `is_(None)`, `is_not(None)`; each record has its own IV: nothing else could match."""
        if op in _NULL_TESTS and all(one is None or isinstance(one, Null) or self._is_itself(one) for one in other):
            return super().operate(op, *other, **kwargs)
        raise InvalidRequestError(
            "An encrypted column can be compared with None alone. Equal texts are different records, so that a "
            "comparison, a search or an order of them would silently find nothing or nonsense."
        )

    def reverse_operate(self, op: OperatorType, other: Any, **kwargs: Any) -> ColumnElement[Any]:
        """The same with the column on the right."""
        return self.operate(op, other, **kwargs)

    def _is_itself(self, other: object) -> bool:
        # SQLAlchemy keeps columns in dictionaries, which compare a column with itself.
        return isinstance(other, ColumnElement) and hash(other) == hash(self.expr)


class EncryptedText(TypeDecorator[str]):
    """`Column(EncryptedText(PhiFields.from_environment))`: a PHI field in a column of type TEXT.

    None and "" are stored as NULL, and read as None. Raises what the fields object raises: on the way in TextRefused or
    an UnwrapError, on the way out RecordRefused; SQLAlchemy does not wrap them, for it would add the statement's
    parameters, in the clear. For the same reason create the engine with `hide_parameters=True`: the refusal of another
    column's value would show them.
    """

    impl = Text
    cache_ok = True
    comparator_factory = NullTestsOnly

    def __init__(self, fields: Door) -> None:
        """Take a PhiFields, or a callable that returns one, which is asked at the first use."""
        super().__init__()
        # By its public name it is part of SQLAlchemy's cache key: two columns under two keys never share a statement.
        self.fields = fields

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The record that the database is given."""
        return _asked(lambda: opened(self.fields).encrypt(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """The text of a record that the database gave."""
        return _asked(lambda: opened(self.fields).decrypt(value))

    def __repr__(self) -> str:
        return "EncryptedText()"


def _asked(ask: Callable[[], str | None]) -> str | None:
    try:
        return ask()
    except PhiError as error:
        if not isinstance(error, DontWrapMixin):
            error.__class__ = _not_to_be_wrapped(type(error))
        raise


def _not_to_be_wrapped(kind: type[PhiError]) -> type[PhiError]:
    """The same kind of error with the mark that has SQLAlchemy hand it on as it is; pickled as the kind itself."""
    as_before = {"__module__": kind.__module__, "__doc__": kind.__doc__, "_kind": classmethod(lambda _: kind)}
    return type(kind.__name__, (kind, DontWrapMixin), as_before)
