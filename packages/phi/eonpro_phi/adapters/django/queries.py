"""Inspects queries on encrypted columns: they may read one and test for NULL; an update may write texts.

Touches no database: it inspects expressions while Django compiles them. `Compiler._order_by_pairs` is Django's own and
undocumented; nothing else names the ordering of a query by its fields (held for Django 5.2 and 6.1).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import BadRequest, FieldError
from django.db.models import Case, Count, Exists, Value
from django.db.models.expressions import Col, OuterRef, Ref, ResolvedOuterRef, Subquery, When
from django.db.models.functions import Cast
from django.db.models.lookups import IsNull
from django.db.models.sql.query import Query

from eonpro_phi.adapters.django import rows

READABLE = (Col, Ref, Subquery, Query, Value)
"""The expressions that return a stored record unchanged."""

_CHECKED = "_phi_checked"

ORDERING = (
    "An encrypted field cannot be ordered by: the database has records, whose order says nothing about their texts. "
    "Sort in Python: sorted(rows, key=lambda row: row.{name} or ''); or order by a column that is not encrypted."
)
GROUPING = (
    "An encrypted field cannot be grouped by or made distinct: equal texts are different records, so every row is a "
    "group of its own. Group in Python: collections.Counter(row.{name} for row in rows); or by the primary key."
)
EXPRESSION = (
    "{name} is encrypted: a function, an aggregate or a comparison in the database works on its record and not on its "
    "text. Read the rows and compute in Python; in a query only isnull, Count and the field itself have a meaning."
)
WRITING = (
    "{name} is encrypted: an expression would write what the database makes of a record, or a plain text, in its "
    "place: the text is lost then. Write texts: read the rows; save(), bulk_update() or update({name}=TEXT)."
)


class EncryptedCol(Col):  # type: ignore[misc]  # Django comes without types
    """A column of an encrypted field, which inspects the query that it is compiled for."""

    has_keys = False
    """Whether a query selects it with the keys of its row."""

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        """The column, with the keys of its row where it is encrypted for that."""
        self.has_keys = self.target.for_row
        return rows.with_keys(self, compiler, sql, params) if self.has_keys else (sql, params)

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Django's own. Raises FieldError where the query orders, groups, compares or computes with the column."""
        if not getattr(compiler, _CHECKED, False):
            setattr(compiler, _CHECKED, True)
            for error in refusals(compiler):
                raise error
        sql, parameters = super().as_sql(compiler, connection)
        if (plain := self.target.plain_column) is None:
            return sql, parameters
        both = [(sql, parameters), plain.get_col(self.alias).as_sql(compiler, connection)]
        # Before the switch an instance that knows the plain column only may have written it last.
        (first, one), (second, two) = both if plain.switched else reversed(both)
        return f"COALESCE({first}, {second})", [*one, *two]


def refusals(compiler: Any) -> Iterator[FieldError]:
    """A use of a column in a query that would mislead."""
    query = compiler.query
    for expression in query.annotations.values():
        if column := _computed(expression):
            yield _error(EXPRESSION, column)
    if column := _compared(query.where):
        yield _error(EXPRESSION, column)
    # The ordering of an aggregate's own query was cleared; that of an update or a deletion has no meaning.
    for ordering, _ in compiler._order_by_pairs() if hasattr(compiler, "_order_by_pairs") else ():
        resolved = ordering.resolve_expression(query, allow_joins=True, reuse=None)
        if column := next(_columns(resolved), None):
            yield bad_request(ORDERING.format(name=column.target.name))
    if isinstance(query.group_by, tuple) and (column := _without_key(query.group_by)):
        yield _error(GROUPING, column)
    is_set = query.combinator is not None and not query.combinator_all
    if (query.distinct and not query.distinct_fields) or is_set:
        selected = [*query.select, *query.annotation_select.values()]
        if query.default_cols:
            selected = compiler.get_default_columns({}) if not selected else []
        if column := _without_key(selected):
            yield _error(GROUPING, column)
    for name in query.distinct_fields:
        parts = query.setup_joins(name.split("__"), query.get_meta(), query.get_initial_alias())
        if (field := parts.final_field) is not None and hasattr(field, "encrypted_text"):
            yield FieldError(GROUPING.format(name=field.name))


def require_texts(field: Any, value: Any) -> None:
    """Raises FieldError for an expression as the value of an encrypted field; one that only chooses texts is none."""
    if hasattr(value, "as_sql") and not _is_texts(field, value):
        raise FieldError(WRITING.format(name=field.name))


def _is_texts(field: Any, value: Any) -> bool:
    """Whether the expression chooses among texts that this field encrypts."""
    if isinstance(value, Value):
        output = value._output_field_or_none
        return value.value is None or (
            getattr(output, "encrypted_text", False)
            and (output.fields, output.form, output.bound) == (field.fields, field.form, field.bound)
            and (not (field.bound or field.for_row) or output == field)
        )
    if isinstance(value, Cast):
        return all(_is_texts(field, source) for source in value.get_source_expressions())
    if isinstance(value, When):
        return _is_texts(field, value.result)
    if isinstance(value, Case):
        return all(_is_texts(field, part) for part in (*value.cases, value.default))
    return False


def _columns(expression: Any) -> Iterator[EncryptedCol]:
    """The encrypted columns in an expression of this query, and those that a subquery in it selects."""
    if isinstance(expression, EncryptedCol):
        yield expression
    elif isinstance(expression, Exists):
        return
    elif isinstance(expression, (Subquery, Query)):
        # Its own query is inspected when it is compiled; what it selects is a record here too.
        query = getattr(expression, "query", expression)
        selected = (*query.select, *query.annotation_select.values())
        yield from (each for each in selected if isinstance(each, EncryptedCol))
    elif expression is not None and hasattr(expression, "get_source_expressions"):
        for source in expression.get_source_expressions():
            yield from _columns(source)


def _computed(expression: Any) -> EncryptedCol | None:
    """An encrypted column that a selected expression computes with; None for one that only reads it or counts it."""
    if expression is None or isinstance(expression, (EncryptedCol, Ref, Subquery, OuterRef, ResolvedOuterRef)):
        return None
    if isinstance(expression, IsNull):
        return None
    if isinstance(expression, Count) and not expression.distinct:
        return _computed(expression.filter)
    if not hasattr(expression, "get_source_expressions"):
        return _compared(expression)
    for source in expression.get_source_expressions():
        if isinstance(source, (EncryptedCol, Subquery)) and (column := next(_columns(source), None)):
            return column
        if column := _computed(source):
            return column
    return None


def _compared(node: Any) -> EncryptedCol | None:
    """An encrypted column in a condition other than `isnull`."""
    for child in getattr(node, "children", ()):
        if hasattr(child, "children"):
            if column := _compared(child):
                return column
        elif not isinstance(child, IsNull) and (column := next(_columns(child), None)):
            return column
    return None


def _without_key(expressions: Iterable[Any]) -> EncryptedCol | None:
    """An encrypted column among expressions that have no primary key, by which every row differs anyway."""
    columns: list[EncryptedCol] = []
    for expression in expressions:
        if isinstance(expression, Col) and expression.target.primary_key:
            return None
        columns += _columns(expression)
    return columns[0] if columns else None


def bad_request(message: str) -> FieldError:
    """The error of what may come from an address: `?o=2` or `?email=…` of the admin, `?ordering=email` of an API.
    Django answers it with 400, and so does Django REST framework where it is loaded.
    """
    framework = sys.modules.get("rest_framework.exceptions")
    bases = (FieldError, BadRequest, *([framework.APIException] if framework else []))
    made: FieldError = type("FieldError", bases, {"status_code": 400, "__module__": __name__})(message)
    return made


def _error(text: str, column: EncryptedCol) -> FieldError:
    return FieldError(text.format(name=column.target.name))
