"""Search fields for Django: the columns of `eonpro_phi.search` beside encrypted fields, kept in step.

Touches what the PhiFields of the settings touch. `get_placeholder` (Django 5.2) and `get_placeholder_sql` (6.1) are
Django's own hooks, half documented; nothing else sees which columns a statement writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from django.core.exceptions import FieldError
from django.db import models
from django.db.migrations.operations import AddField, AlterField, RenameField, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.models.signals import class_prepared
from django.db.models.sql.subqueries import UpdateQuery
from django.utils.functional import cached_property
from django.utils.module_loading import import_string

from eonpro_phi.adapters.django.queries import bad_request
from eonpro_phi.adapters.django.rows import RowRecord, watch_key, with_parameters, written_by
from eonpro_phi.adapters.lookups import (
    SEARCHED,
    SearchCipher,
    clinic_text,
    question,
    searched_text,
)
from eonpro_phi.record import names_of
from eonpro_phi.search.indexes import ExactIndex, WordIndex

IN_STEP = (
    "{companion} follows {source}, and this statement does not write it: it would be that of the former text. "
    "Name {companion} too, in update_fields or in the list of bulk_update(). For an update() read the rows, and use "
    "bulk_update()."
)

STALE = (
    "{companion} follows {names} too, which this statement does not write, and which may have changed since it was "
    "read. Name {names} too, in update_fields or in the list of bulk_update(); or save() in transaction.atomic(): it "
    "reads the row's."
)


class _Computed:
    """The attribute of a companion: computed from its sources whenever it is read, whatever was read or assigned."""

    def __init__(self, field: Companion) -> None:
        self.field = field

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self.field.value_of(instance)

    def __set__(self, instance: Any, value: object) -> None:
        # Django takes an attribute that is not there for a deferred one.
        instance.__dict__[self.field.attname] = None


class Companion(models.Field):  # type: ignore[misc]  # Django comes without types
    """A field whose value follows from encrypted text fields of its row. A statement that writes one of those writes it
    too, or is refused.
    """

    descriptor_class = _Computed
    sources: tuple[str, ...]
    clinic = ""
    placeholder = "%s"

    def __init__(self, **kwargs: Any) -> None:
        """Take Django's own options."""
        super().__init__(**{**kwargs, "editable": False, "null": True})

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """A migration stores these arguments, and no key."""
        name, path, _, kwargs = super().deconstruct()
        del kwargs["editable"], kwargs["null"]
        return name, path, [*self.sources], kwargs

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        """The value; update_or_create() saves the fields that have this method of their own."""
        return _Following(self, model_instance)

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        """The SQL placeholder of a value. Raises FieldError if the value follows a field that the statement does not
        write.
        """
        is_decided = value is None or isinstance(value, _Following)
        if not is_decided and (unwritten := self.unwritten(compiler.query)):
            raise FieldError(STALE.format(companion=self.name, names=", ".join(unwritten)))
        return self.placeholder

    def get_placeholder_sql(self, value: Any, compiler: Any, connection: Any) -> tuple[str, Any]:
        """The placeholder with its parameters, as Django 6.1 asks for it."""
        return with_parameters(self.get_placeholder(value, compiler, connection), value, compiler)

    @cached_property  # type: ignore[untyped-decorator]
    def followed(self) -> list[Any]:
        """The fields that the value is of: the sources, and the clinic where that is a field."""
        fields = self.model._meta.concrete_fields
        return [each for each in fields if each.name in self.sources or self.clinic in (each.name, each.attname)]

    def unwritten(self, query: Any) -> list[str]:
        """The names of those that a statement does not write into a row, although it writes the value."""
        written = written_by(query)
        same = {getattr(each, "name", each) for each in getattr(query, "unique_fields", None) or ()}
        return [each.name for each in self.followed if each.name not in written | same] if self.name in written else []

    def value_of(self, instance: Any) -> Any:
        """The value to store."""
        raise NotImplementedError

    def texts(self, instance: Any) -> list[str | None]:
        """The texts of a row's sources."""
        values = [getattr(instance, name) for name in self.sources]
        # While a fixture is saved the attribute is the record.
        return [self.text_of(value.value if isinstance(value, RowRecord) else value) for value in values]

    def text_of(self, value: Any) -> Any:
        """The text of a value of its sources."""
        return searched_text(value, self.model._meta.get_field(self.sources[0]).form)


class _Following:
    """The value of a companion in a statement, which decides what it is made of: the instance, where the statement
    writes all of that; the row, where it is locked meanwhile.
    """

    def __init__(self, companion: Companion, instance: Any) -> None:
        self.companion, self.instance = companion, instance

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """The value. Raises FieldError for one of what the statement does not write, and may be another by now."""
        companion, instance = self.companion, self.instance
        if unwritten := companion.unwritten(compiler.query):
            is_update = isinstance(compiler.query, UpdateQuery)
            if is_update and written_by(compiler.query).isdisjoint(companion.sources):
                # A clinic that is written without a source is that of the row.
                return connection.ops.quote_name(companion.column), []
            if not is_update or not connection.in_atomic_block:
                raise FieldError(STALE.format(companion=companion.name, names=", ".join(unwritten)))
            rows = companion.model._base_manager.using(connection.alias).select_for_update()
            row = rows.only(*unwritten).get(pk=instance.pk)
            for each in companion.followed:
                if each.name not in unwritten:
                    setattr(row, each.attname, getattr(instance, each.attname))
            instance = row
        return companion.placeholder, [companion.value_of(instance)]


class SearchField(Companion):
    """What the search fields have in common."""

    def __init__(self, *sources: str, clinic: str = "", bits: int, place: str | None = None, **kwargs: Any) -> None:
        """`sources` are the names of encrypted text fields of the model. `clinic` is the name of the attribute with the
        clinic of a row, such as `clinic_id`: each clinic then has search keys of its own. `place` is the column's name
        for keys, "TABLE.COLUMN" as they were before they were renamed.
        """
        super().__init__(**kwargs)
        self.sources, self.clinic, self.bits, self.place = sources, clinic, bits, place
        if place:
            names_of(place)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """A migration stores these arguments, and no key."""
        name, path, args, kwargs = super().deconstruct()
        kwargs |= {"clinic": self.clinic} if self.clinic else {}
        kwargs |= {"place": self.place} if self.place else {}
        return name, path, args, {**kwargs, "bits": self.bits}

    @property
    def names(self) -> tuple[str, str]:
        """The table and the column that its keys are of."""
        return names_of(self.place) if self.place else (self.model._meta.db_table, self.column)

    def cipher(self) -> SearchCipher:
        """The cipher of the sources."""
        return cast(SearchCipher, self.model._meta.get_field(self.sources[0])._cipher())

    def clinic_of(self, instance: Any) -> str:
        """The clinic of a row. Raises FieldError where it has none, and there is something to find."""
        value = getattr(instance, self.clinic) if self.clinic and any(self.texts(instance)) else ""
        return clinic_text(value, self.name, self.clinic, FieldError)

    def asked(self, value: Any) -> tuple[Any, str]:
        """The text of a lookup and its clinic. Raises FieldError."""
        wanted, clinic = question(value, self.name, self.clinic, bad_request)
        return self.text_of(wanted), clinic


class PlainColumn(Companion, models.TextField):  # type: ignore[misc]
    """The plain column of a field that is moved to an encrypted one: docs/phi/migrate.md has the steps.

    `email_plain = PlainColumn("email", db_column="email")`: each write of `email` writes both, and a read takes the
    plain one, or where there is none the encrypted one. `switched=True`: a write empties the plain one, and a read
    takes the encrypted one first.
    """

    def __init__(self, source: str, *, switched: bool = False, **kwargs: Any) -> None:
        """`source` is the name of the EncryptedTextField."""
        super().__init__(**kwargs)
        self.sources, self.switched = (source,), switched

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """A migration stores these arguments."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs | ({"switched": True} if self.switched else {})

    def value_of(self, instance: Any) -> str | None:
        """The text, or nothing."""
        return None if self.switched else self.texts(instance)[0]


def encrypted_column(model: str, name: str, plain: models.Field) -> list[Operation]:
    """The operations of a migration that puts an encrypted column beside a plain one, which `makemigrations` would take
    for it: `encrypted_column("patient", "email", models.TextField(null=True))`, with the field as it is.

    The model then has `email = EncryptedTextField(null=True, db_column="email_encrypted")` and
    `email_plain = PlainColumn("email", db_column="email")`.
    """
    kept = plain.clone()
    kept.db_column = plain.db_column or name
    # No text is NULL in an encrypted column, and the plain one follows it.
    kept.null = True
    companion = PlainColumn(name, db_column=kept.db_column)
    path = import_string("eonpro_phi.adapters.django.EncryptedTextField")
    return [
        # By its column it stays where it is when its name changes.
        AlterField(model, name, kept),
        RenameField(model, name, f"{name}_plain"),
        AddField(model, name, path(null=True, db_column=f"{kept.db_column}_encrypted")),
        SeparateDatabaseAndState(state_operations=[AlterField(model, f"{name}_plain", companion)]),
    ]


class ExactSearchField(SearchField):
    """A column of text: `filter(email=…)` and `filter(email__in=[…])` find the rows with the same text, under a rule.

    `email_search = ExactSearchField("email", rule="email")`; index it in `Meta.indexes`.
    """

    def __init__(self, source: str, *, rule: str, bits: int = 128, **kwargs: Any) -> None:
        """`rule` is one of `eonpro_phi.search.rules.RULES`: email, phone, last4, date, id, text. Raises ValueError."""
        super().__init__(source, bits=bits, **kwargs)
        self.rule = rule
        ExactIndex(table="", column="", rule=rule, bits=bits)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """A migration stores these arguments."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "rule": self.rule}

    def db_type(self, connection: Any) -> str:
        """Text, in every database."""
        return "text"

    @property
    def index(self) -> ExactIndex:
        """The definition, as `phi index` has it."""
        table, column = self.names
        return ExactIndex(table=table, column=column, rule=self.rule, bits=self.bits)

    def value_of(self, instance: Any) -> str | None:
        """The value to store."""
        return self.cipher().search_value(self.index, self.texts(instance)[0], self.clinic_of(instance))

    def values(self, wanted: Any) -> list[str]:
        """The values to look up."""
        text, clinic = self.asked(wanted)
        return self.cipher().search_values(self.index, text, clinic)

    def finds(self, instance: Any, wanted: Any) -> bool:
        """Whether a row of the result is no false hit."""
        return self.index.matches(self.asked(wanted)[0], self.texts(instance)[0])


class WordSearchField(SearchField):
    """A column of integer[] (PostgreSQL): `filter(name__search="ja 2345")` finds the rows with words that begin so, or
    a phone number that ends so, in any of the sources; and some others, which `true_hits` leaves out.

    `tokens = WordSearchField("name", "phone")`; index it by `GinIndex` in `Meta.indexes`.
    """

    placeholder = "%s::integer[]"  # the driver takes small numbers for smallint

    def __init__(self, *sources: str, bits: int = 16, **kwargs: Any) -> None:
        """Raises ValueError for bits that are not from 8 to 31."""
        super().__init__(*sources, bits=bits, **kwargs)
        WordIndex(table="", column="", bits=bits)

    def db_type(self, connection: Any) -> str:
        """An array, which SQLite and MySQL do not have. Raises FieldError there."""
        if connection.vendor != "postgresql":
            raise FieldError(f"{self.name} needs PostgreSQL: its column is an integer[].")
        return "integer[]"

    @property
    def index(self) -> WordIndex:
        """The definition, as `phi index` has it."""
        table, column = self.names
        return WordIndex(table=table, column=column, bits=self.bits)

    def value_of(self, instance: Any) -> list[int]:
        """The tokens to store."""
        return self.cipher().search_tokens(self.index, self.texts(instance), self.clinic_of(instance))

    def groups(self, wanted: Any) -> list[list[int]]:
        """The tokens to look up."""
        text, clinic = self.asked(wanted)
        return self.cipher().search_groups(self.index, text, clinic)

    def finds(self, instance: Any, wanted: Any) -> bool:
        """Whether a row of the result is no false hit."""
        return self.index.matches(self.asked(wanted)[0], self.texts(instance))


def true_hits(rows: Iterable[Any], **wanted: Any) -> Iterator[Any]:
    """The rows without false hits: `true_hits(Patient.objects.filter(name__search="ja"), name="ja")`.

    `wanted` has what was looked up, by the name of the encrypted field; where that has both indexes, by its words.
    """
    for row in rows:
        if all(_found_by(type(row), name).finds(row, value) for name, value in wanted.items()):
            yield row


def _found_by(model: Any, name: str) -> SearchField:
    for kind in (WordSearchField, ExactSearchField):
        if (found := search_field(model, name, kind)) is not None:
            return found
    raise FieldError(f"{model.__name__}.{name} has no search field.")


def search_field(model: Any, source: str, kind: type[SearchField]) -> SearchField | None:
    """The search field of this kind for an encrypted field; None where there is none."""
    fields = model._meta.concrete_fields
    return next((each for each in fields if isinstance(each, kind) and source in each.sources), None)


@dataclass(frozen=True)
class _InStep:
    """The placeholder of a source's value. Raises FieldError for a statement that leaves one of its search fields."""

    source: Any

    def __call__(self, value: Any, compiler: Any, connection: Any) -> str:
        source, written = self.source, written_by(compiler.query)
        for field in source.model._meta.concrete_fields:
            follows = isinstance(field, Companion) and source.name in field.sources
            if follows and source.name in written and field.name not in written:
                raise FieldError(IN_STEP.format(source=source.name, companion=field.name))
        return "%s"

    def with_parameters(self, value: Any, compiler: Any, connection: Any) -> tuple[str, Any]:
        """The placeholder with its parameters, as Django 6.1 asks for it."""
        return with_parameters(self(value, compiler, connection), value, compiler)


def _watch_sources(sender: Any, **_: Any) -> None:
    """Have the sources of search fields ask at each write. A migration's model may lack one for a moment."""
    sources = {field.name: field for field in sender._meta.local_fields}
    for field in sender._meta.local_fields:
        for name in field.sources if isinstance(field, Companion) else ():
            source: Any = sources.get(name)
            forms = SEARCHED if isinstance(field, ExactSearchField) else (None,)
            if getattr(source, "encrypted_text", False) and source.form in forms:
                if isinstance(field, PlainColumn):
                    source.plain_column = field
                source.get_placeholder = in_step = _InStep(source)
                source.get_placeholder_sql = in_step.with_parameters
            elif sender.__module__ != "__fake__":
                raise FieldError(f"{field.name} follows {name}, which is no EncryptedTextField of {sender.__name__}.")
        for key in sender._meta.local_fields:
            if isinstance(field, Companion) and field.clinic in (key.name, key.attname):
                watch_key(key, field.sources)


class_prepared.connect(_watch_sources)
