"""Search columns for SQLAlchemy: types for the columns of `eonpro_phi.search`, kept in step, and comparisons.

Touches what the injected cipher touches. Listens to the mappers of this process; a statement that writes a source and
not its search columns is refused (`statements.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, cast

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Integer,
    Table,
    Text,
    and_,
    event,
    false,
    inspect,
    or_,
    select,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.attributes import flag_modified, set_committed_value
from sqlalchemy.sql.elements import Grouping, Label
from sqlalchemy.types import TypeDecorator

from eonpro_phi.adapters.injected import resolve
from eonpro_phi.adapters.lookups import (
    CERTAIN_BITS,
    SEARCHED,
    InClinic,
    SearchCipher,
    clinic_text,
    question,
    searched_text,
)
from eonpro_phi.record import names_of
from eonpro_phi.search.indexes import ExactIndex, WordIndex

IN_STEP = (
    "{companion} follows {source}, and this statement does not write it: it would be that of the former text. Change "
    "rows through the ORM's session, or pass {companion} too: searchable(TABLE, ROW) adds it to a row's values."
)

STALE = (
    "{companion} follows {names} too, which this statement does not set: the row may have another. Set {names} too, as "
    "searchable(TABLE, ROW) gives it; name it in the condition; or change the row through the ORM's session."
)


class Candidates(Grouping[bool]):
    """A condition that also holds for other rows: a statement that negates it is refused."""

    inherit_cache = True
    operator = None  # that of its element would let and_() take it apart


class Companion(TypeDecorator[Any]):
    """The type of a column whose value follows from encrypted text columns of its row. A statement that writes one of
    those writes it too, or is refused.
    """

    cache_ok = True
    sources: tuple[str, ...]
    clinic: str | None = None

    @property
    def followed(self) -> tuple[str, ...]:
        """The names of the columns that a value is of."""
        return (*self.sources, *([self.clinic] if self.clinic else []))

    def value_of(self, column: Column[Any], texts: list[str | None], clinic: str) -> Any:
        """The value to store for a row."""
        raise NotImplementedError


class PlainColumn(Companion):
    """The plain column of one that is moved to an encrypted one: docs/phi/migrate.md has the steps.

    `email = mapped_column("email_encrypted", EncryptedText(…))` and `email_plain = mapped_column("email",
    PlainColumn("email_encrypted"))`: each write of `email` writes both, and a read takes the
    plain one, or where there is none the encrypted one. `switched=True`: a write empties the plain one, and a read
    takes the encrypted one first.
    """

    impl = Text
    cache_ok = True

    def __init__(self, source: str, *, switched: bool = False) -> None:
        """`source` is the name of the encrypted column."""
        super().__init__()
        self.source, self.sources, self.switched = source, (source,), switched

    def value_of(self, column: Column[Any], texts: list[str | None], clinic: str) -> str | None:
        """The text, or nothing."""
        return None if self.switched else texts[0]


def plain_column(expression: Any) -> Any:
    """The plain column beside an encrypted one, of the same table or alias; None where there is none."""
    while isinstance(expression, Label):
        expression = expression.element
    base = next(iter(getattr(expression, "base_columns", ())), None)
    for column in companions(getattr(base, "table", None), getattr(base, "key", "")):
        if isinstance(column.type, PlainColumn):
            return expression.table.columns.get(column.key)
    return None


class SearchType(Companion):
    """What the types of search columns have in common."""

    cache_ok = True

    def __init__(self, *sources: str, bits: int, clinic: str | None = None, place: str | None = None) -> None:
        """`sources` are the names of EncryptedText columns of the table, `clinic` that of the column with the clinic of
        a row: each clinic then has search keys of its own. `place` is the column's name for keys, "TABLE.COLUMN" as
        they were before they were renamed.
        """
        super().__init__()
        self.sources, self.bits, self.clinic, self.place = sources, bits, clinic, place
        if place:
            names_of(place)

    def names(self, column: Column[Any]) -> tuple[str, str]:
        """The table and the column that its keys are of."""
        return names_of(self.place) if self.place else (column.table.name, column.name)

    def asked(self, value: Any) -> tuple[Any, str]:
        """The text of a lookup and its clinic. Raises InvalidRequestError."""
        return question(value, ", ".join(self.sources), self.clinic, InvalidRequestError)

    def index(self, column: Column[Any]) -> Any:
        """The definition, as `phi index` has it."""
        raise NotImplementedError

    def finds(self, column: Column[Any], wanted: Any, texts: list[str | None]) -> bool:
        """Whether a row of the result is no false hit."""
        raise NotImplementedError


class ExactSearch(SearchType):
    """`mapped_column(ExactSearch("email", rule="email"), index=True)`: `Patient.email == "…"` and `in_([…])` find the
    rows with the same text, under a rule.
    """

    impl = Text
    cache_ok = True

    def __init__(
        self, source: str, *, rule: str, bits: int = 128, clinic: str | None = None, place: str | None = None
    ) -> None:
        """`rule` is one of `eonpro_phi.search.rules.RULES`: email, phone, last4, date, id, text. Raises ValueError."""
        super().__init__(source, bits=bits, clinic=clinic, place=place)
        ExactIndex(table="", column="", rule=rule, bits=bits)
        self.source, self.rule = source, rule

    def index(self, column: Column[Any]) -> ExactIndex:
        """The definition."""
        table, name = self.names(column)
        return ExactIndex(table=table, column=name, rule=self.rule, bits=self.bits)

    def value_of(self, column: Column[Any], texts: list[str | None], clinic: str) -> str | None:
        """The value."""
        return _cipher(column).search_value(self.index(column), texts[0], clinic)

    def finds(self, column: Column[Any], wanted: Any, texts: list[str | None]) -> bool:
        """Whether a text is found, by the rule of the search."""
        return self.index(column).matches(_text(column, self.source, self.asked(wanted)[0]), texts[0])


class _WordComparator(TypeDecorator.Comparator[Any]):
    def search(self, query: str | InClinic) -> ColumnElement[bool]:
        """The rows with words that begin as those of the query, or a phone number that ends so; and some others, which
        `true_hits` leaves out.
        """
        column = root(self.expr)
        kind = cast(WordSearch, column.type)
        text, clinic = kind.asked(query)
        groups = _cipher(column).search_groups(kind.index(column), text, clinic)
        if not groups:
            return false()
        tokens = ARRAY(Integer)
        own = sql_cast(self.expr, tokens)
        return Candidates(and_(*(own.op("&&", is_comparison=True)(sql_cast(group, tokens)) for group in groups)))


class WordSearch(SearchType):
    """`mapped_column(WordSearch("name", "phone"))`, with a GIN index, in PostgreSQL: `Patient.tokens.search("ja")`."""

    impl = ARRAY(Integer)
    cache_ok = True
    comparator_factory = _WordComparator

    def __init__(self, *sources: str, bits: int = 16, clinic: str | None = None, place: str | None = None) -> None:
        """Raises ValueError for bits that are not from 8 to 31."""
        super().__init__(*sources, bits=bits, clinic=clinic, place=place)
        WordIndex(table="", column="", bits=bits)

    def index(self, column: Column[Any]) -> WordIndex:
        """The definition."""
        table, name = self.names(column)
        return WordIndex(table=table, column=name, bits=self.bits)

    def value_of(self, column: Column[Any], texts: list[str | None], clinic: str) -> list[int]:
        """The tokens."""
        return _cipher(column).search_tokens(self.index(column), texts, clinic)

    def finds(self, column: Column[Any], wanted: Any, texts: list[str | None]) -> bool:
        """Whether a text is found, by its words."""
        return self.index(column).matches(self.asked(wanted)[0], texts)


def same_text(expression: Any, wanted: Iterable[Any]) -> ColumnElement[bool] | None:
    """The condition that an encrypted column has one of these texts; None where it has no ExactSearch, and for an
    expression that is no column.
    """
    while isinstance(expression, Label):
        expression = expression.element
    if getattr(expression, "table", None) is None:
        return None
    column = root(expression)
    columns = companions(column.table, column.key)
    found = next((each for each in columns if isinstance(each.type, ExactSearch)), None)
    if found is None:
        return None
    kind = cast(ExactSearch, found.type)
    here = expression.table.columns.get(found.key)
    if here is None:
        raise InvalidRequestError(f"Select {found.name} too, where {column.name} is compared outside of its subquery.")
    cipher, index = _cipher(found), kind.index(found)
    asked = [(_text(found, kind.source, text), clinic) for text, clinic in map(kind.asked, wanted)]
    values = [value for text, clinic in asked for value in cipher.search_values(index, text, clinic)]
    found = [(here, values)]
    plain = plain_column(expression)
    if plain is not None and not plain.type.switched:
        # While a plain column is moved, some rows have no search value yet.
        found.append((plain, [text for text, _ in asked if text]))
    # Never NULL, so that a negation has the rows without a value.
    condition = or_(
        false(), *(and_(each.is_not(None), each.in_(list(dict.fromkeys(texts)))) for each, texts in found if texts)
    )
    return condition if kind.bits >= CERTAIN_BITS else Candidates(condition)


def true_hits(rows: Iterable[Any], **wanted: Any) -> Iterator[Any]:
    """The objects without false hits: `true_hits(session.scalars(…), tokens="ja")`; `wanted` has what was looked up, by
    the attribute of the search column, for each of them.
    """
    for row in rows:
        mapper = inspect(row).mapper
        if all(_finds(mapper, row, name, value) for name, value in wanted.items()):
            yield row


def searchable(table: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row with those of its search columns, for a statement of Core: `searchable(patients, {…})`.

    `table` is a Table or a mapped class. Raises InvalidRequestError where the row lacks a source or the clinic of one,
    because the value needs all.
    """
    table = table if isinstance(table, Table) else inspect(table).local_table
    values = dict(row)
    for column in companions(table):
        needed = column.type.followed
        if not any(name in row for name in needed):
            continue
        if missing := [name for name in needed if name not in row]:
            raise InvalidRequestError(f"{column.name} needs {', '.join(missing)} of the row too.")
        clinic = _clinic(column, row.get(column.type.clinic, ""))
        texts = [_text(column, name, row[name]) for name in column.type.sources]
        values[column.key] = column.type.value_of(column, texts, clinic)
    return values


def render_item(kind: str, item: Any, context: object) -> str | Literal[False]:
    """The type of a column as a migration of Alembic has it: that of the database, without a key.

    `context.configure(…, render_item=render_item)` in both functions of env.py.
    """
    if not (isinstance(item, Companion) or getattr(item, "encrypted_text", False)):
        return False
    return re.sub(r"\b(?=[A-Z]\w*\()", "sa.", repr(item.impl_instance))


def root(expression: Any) -> Column[Any]:
    """The column of a table that an expression is of."""
    return cast(Column[Any], next(iter(expression.base_columns)))


def companions(table: Any, source: str | None = None) -> list[Any]:
    """The companions of a table, or those of one source."""
    columns = [column for column in getattr(table, "columns", ()) if isinstance(column.type, Companion)]
    return columns if source is None else [column for column in columns if source in column.type.sources]


def _cipher(column: Column[Any]) -> SearchCipher:
    """The cipher of its sources. Raises InvalidRequestError for a source that is no encrypted text, or date or number
    of an exact search.
    """
    table, kind = column.table, cast(SearchType, column.type)
    forms = SEARCHED if isinstance(kind, ExactSearch) else (None,)
    types: list[Any] = [getattr(table.columns.get(name), "type", None) for name in kind.sources]
    for name, type_ in zip(kind.sources, types, strict=True):
        if not getattr(type_, "encrypted_text", False) or type_.form not in forms:
            raise InvalidRequestError(f"{column.name} searches {name}, which is no EncryptedText of {table.name}.")
    return cast(SearchCipher, resolve(types[0].fields))


def _clinic(column: Column[Any], value: object) -> str:
    return clinic_text(value, column.name, cast(SearchType, column.type).clinic or "", InvalidRequestError)


def _text(column: Any, source: str, value: Any) -> Any:
    return searched_text(value, getattr(column.table.columns[source].type, "form", None))


def _texts(mapper: Any, row: Any, column: Any) -> list[str | None]:
    return [_text(column, name, getattr(row, _attribute(mapper, column, name))) for name in column.type.sources]


def _attribute(mapper: Any, column: Any, name: str) -> str:
    """The attribute of another column of the same table."""
    return cast(str, mapper.get_property_by_column(column.table.columns[name]).key)


def _finds(mapper: Any, row: Any, name: str, wanted: Any) -> bool:
    column = mapper.columns[name]
    return bool(column.type.finds(column, wanted, _texts(mapper, row, column)))


def _keep_in_step(mapper: Mapper[Any], connection: Connection, row: Any) -> None:
    """Before a row is written: its companions get their values, where what they follow was changed."""
    state, changed = inspect(row), list[Any]()
    unchanged: dict[Any, dict[str, Any]] = {}
    for column in [column for column in mapper.columns if isinstance(column.type, Companion)]:
        followed = cast(Companion, column.type).followed
        names = {_attribute(mapper, column, name): column.table.columns[name] for name in followed}
        kept = {name: each for name, each in names.items() if not state.attrs[name].history.has_changes()}
        if not state.persistent or len(kept) < len(names):
            changed.append(column)
            unchanged.setdefault(column.table, {}).update(kept)
    identity = zip(mapper.primary_key, state.identity or (), strict=False)
    keys = {mapper.get_property_by_column(key).key: value for key, value in identity}
    for table, columns in unchanged.items():
        if columns and state.persistent:
            # What was read earlier may have been changed by others since. The session's refresh() would take the row's
            # version, too, for the one that was read.
            is_row = [key == keys[mapper.get_property_by_column(key).key] for key in table.primary_key]
            for found in connection.execute(select(*columns.values()).where(*is_row).with_for_update()):
                for name, value in zip(columns, found, strict=True):
                    set_committed_value(row, name, value)
    for column in changed:
        texts = _texts(mapper, row, column)
        # Where there is nothing to find, the clinic may be unknown still.
        kind = column.type
        clinic = (
            _clinic(column, getattr(row, _attribute(mapper, column, kind.clinic))) if kind.clinic and any(texts) else ""
        )
        key = mapper.get_property_by_column(column).key
        setattr(row, key, kind.value_of(column, texts, clinic))
        # Written with its source even where it stays the same: the statement shows that it was not forgotten.
        flag_modified(row, key)


def listen() -> None:
    """Keep the search columns of every mapper in step."""
    if not event.contains(Mapper, "before_insert", _keep_in_step):
        for name in ("before_insert", "before_update"):
            event.listen(Mapper, name, _keep_in_step)
