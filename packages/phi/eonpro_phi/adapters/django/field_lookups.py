"""The lookups of an encrypted field by its search fields: `exact`, `in` and `search`.

Touches what the search field touches; each lookup is a condition of the caller's own statement.
"""

from __future__ import annotations

from typing import Any, cast

from django.core.exceptions import EmptyResultSet, FieldError
from django.db.models.expressions import NegatedExpression
from django.db.models.lookups import Lookup

from eonpro_phi.adapters.django.queries import EXPRESSION
from eonpro_phi.adapters.django.search import ExactSearchField, SearchField, WordSearchField, search_field
from eonpro_phi.adapters.lookups import CERTAIN_BITS, NEGATED


class CandidateLookup(Lookup):  # type: ignore[misc]
    """A lookup by a search field, in the place of one of its source. `may_be_others`: whether there are false hits."""

    prepare_rhs = False
    kind: type[SearchField]
    may_be_others = True

    def __init__(self, lhs: Any, rhs: Any) -> None:
        source = getattr(lhs, "target", None)
        if source is None:
            raise FieldError(EXPRESSION.format(name=lhs.output_field.name))
        self.search: Any = cast(Any, search_field(source.model, source.name, self.kind))
        texts = rhs if isinstance(rhs, (list, tuple, set, frozenset)) else [rhs]
        if any(hasattr(text, "resolve_expression") or hasattr(text, "as_sql") for text in texts):
            raise FieldError(f"{source.name} is encrypted: it is looked up by texts, not by an expression or a column.")
        self.source = source
        super().__init__(self.search.get_col(lhs.alias), rhs)

    def get_prep_lookup(self) -> Any:
        """The texts unchanged."""
        return self.rhs

    def column(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """The search column. Raises FieldError where the condition is negated and would leave out too many rows."""
        query = compiler.query
        if self.may_be_others and any(map(negated_candidates, (query.where, *query.annotations.values()))):
            raise FieldError(NEGATED)
        sql, parameters = self.process_lhs(compiler, connection)
        return sql, [*parameters]


class ExactLookup(CandidateLookup):
    """`exact` and `in`: a row has one of the values of the texts, under any hash key in use."""

    lookup_name = "exact"
    kind = ExactSearchField

    @property
    def may_be_others(self) -> bool:  # type: ignore[override]
        return bool(self.search.bits < CERTAIN_BITS)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        texts = [*self.rhs] if isinstance(self.rhs, (list, tuple, set, frozenset)) else [self.rhs]
        values = list(dict.fromkeys(value for text in texts for value in self.search.values(text)))
        found = [(self.column(compiler, connection), values)]
        plain = self.source.plain_column
        if plain is not None and not plain.switched:
            # While a plain column is moved, some rows have no search value yet.
            column = plain.get_col(self.lhs.alias).as_sql(compiler, connection)
            found.append((column, [self.search.asked(text)[0] for text in texts if text]))
        conditions, parameters = [], []
        for (column, more), values in found:
            if values:
                # Never NULL, so that a negation has the rows without a value.
                conditions.append(f"({column} IS NOT NULL AND {column} IN ({', '.join(['%s'] * len(values))}))")
                parameters += [*more, *more, *values]
        if not conditions:
            raise EmptyResultSet
        return f"({' OR '.join(conditions)})", parameters


class InLookup(ExactLookup):
    """The lookup for several texts; django-filter knows it by its name."""

    lookup_name = "in"


class WordsLookup(CandidateLookup):
    """`search`: a row has a token of each word."""

    lookup_name = "search"
    kind = WordSearchField

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        groups = self.search.groups(self.rhs)
        if not groups:
            raise EmptyResultSet
        column, parameters = self.column(compiler, connection)
        condition = " AND ".join([f"{column} && %s::integer[]"] * len(groups))
        return f"({condition})", [value for group in groups for value in (*parameters, group)]


def lookup(field: Any, name: str) -> type[CandidateLookup] | None:
    """The lookup of an encrypted field by its search fields; None where it has none for this name."""
    kinds = {"exact": ExactLookup, "in": InLookup, "search": WordsLookup}
    kind = kinds.get(name)
    return kind if kind is not None and search_field(field.model, field.name, kind.kind) else None


def negated_candidates(node: Any, negated: bool = False) -> bool:
    """Whether a condition, or an expression with conditions, negates a lookup that finds others too."""
    negated ^= getattr(node, "negated", False) or isinstance(node, NegatedExpression)
    if isinstance(node, CandidateLookup):
        return negated and node.may_be_others
    parts = node.get_source_expressions() if hasattr(node, "get_source_expressions") else ()
    return any(negated_candidates(part, negated) for part in parts)
