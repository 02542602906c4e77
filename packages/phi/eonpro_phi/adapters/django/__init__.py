"""Model fields for Django: values in Python, records in the database.

Touches Django's settings, and what the PhiFields in them touches: encryption where a value is saved, decryption where a
row is read.
"""

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from django.conf import settings
from django.core.checks import CheckMessage
from django.core.exceptions import FieldError, ImproperlyConfigured, ValidationError
from django.db import models
from django.db.models.lookups import Lookup, Transform
from django.db.models.signals import class_prepared
from django.utils.functional import cached_property
from django.utils.module_loading import import_string

from eonpro_phi.adapters.django import field_lookups, rows
from eonpro_phi.adapters.django import renames as renames
from eonpro_phi.adapters.django.checks import check_field
from eonpro_phi.adapters.django.constraints import RecordConstraint as RecordConstraint
from eonpro_phi.adapters.django.queries import EXPRESSION, READABLE, EncryptedCol, require_texts
from eonpro_phi.adapters.django.search import ExactSearchField as ExactSearchField
from eonpro_phi.adapters.django.search import PlainColumn as PlainColumn
from eonpro_phi.adapters.django.search import WordSearchField as WordSearchField
from eonpro_phi.adapters.django.search import encrypted_column as encrypted_column
from eonpro_phi.adapters.django.search import true_hits as true_hits
from eonpro_phi.adapters.injected import FieldCipher, opened, resolve, sealed
from eonpro_phi.adapters.lookups import InClinic as InClinic
from eonpro_phi.adapters.values import BYTES, DATE, DATETIME, DECIMAL, INTEGER, JSON, ValueForm
from eonpro_phi.binding import Binding, binding
from eonpro_phi.declarations import declare
from eonpro_phi.record import looks_like_a_record

SETTING = "EONPRO_PHI_FIELDS"
"""The setting with the cipher: a PhiFields, a callable that returns one, or the dotted path of either."""


class EncryptedField(models.Field):  # type: ignore[misc]  # Django comes without types
    """What the encrypted fields have in common; each is also one of Django's fields, whose column is of type text.

    None is stored as NULL: set `null=True` where a field may stay empty. The only lookups are `isnull` and an exact
    None. Other lookups, an ordering, a grouping, a function or an aggregate of the field, and an expression in its
    place raise FieldError. Saving raises InvalidValue, InvalidText or an UnwrapError, reading DecryptionError. A
    migration holds only the path of the class: no key, and nothing that leads to one.
    """

    encrypted_text = True
    """The mark by which the checks know the field."""
    form: ValueForm | None = None
    """How values become texts; None for texts."""
    plain_column: Any = None
    """The PlainColumn that is read where this one is NULL, while a plain column is moved."""

    def __init__(
        self,
        *args: Any,
        fields: str | Callable[[], FieldCipher] = SETTING,
        bound: bool | str = False,
        tenant: str = "",
        reads: str | Iterable[str] = (),
        place: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Take Django's own options; for a column with another key, the name of another setting, or a callable.

        `bound=True` binds each record to its table and column, "row" to its row too: version 2, which opens nowhere
        else. `tenant` is the name of the model's field with the tenant of a row, such as "clinic_id", whose key its
        records are under. Nothing else is read, unless `reads` names the earlier forms that a table has while it moves:
        words of eonpro_phi.binding.Form. `place` is the column's name for keys, "TABLE.COLUMN" as before a rename.
        Raises ValueError.
        """
        super().__init__(*args, **kwargs)
        binding("", "", bound=bound, tenant=bool(tenant), reads=reads, name=place)
        self.bound, self.tenant, self.reads, self.place = bound, tenant, reads, place
        if not (isinstance(fields, str) or callable(fields)):
            raise TypeError(
                "fields must be the name of a setting or a callable: a migration cannot store an object with a key."
            )
        self.fields = fields

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """A migration stores the name of the setting, never the key."""
        name, path, args, kwargs = super().deconstruct()
        kwargs |= {"fields": self.fields} if self.fields != SETTING else {}
        declared = {name: getattr(self, name) for name in ("bound", "tenant", "reads", "place")}
        return name, path, args, kwargs | {name: value for name, value in declared.items() if value}

    @cached_property  # type: ignore[untyped-decorator]
    def binding(self) -> Binding:
        """The form and the place of the column's records, and the earlier forms that it reads."""
        return binding(
            self.model._meta.db_table,
            self.column,
            bound=self.bound,
            tenant=bool(self.tenant),
            reads=self.reads,
            name=self.place,
        )

    @property
    def for_row(self) -> bool:
        """Whether the records are encrypted for their row, by its primary key or its tenant."""
        return self.bound == "row" or bool(self.tenant)

    def get_internal_type(self) -> str:
        """A column of type text, whatever the values are."""
        return "TextField"

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Django's own checks; and no index or uniqueness, which records cannot have."""
        return [*super().check(**kwargs), *check_field(self)]

    def get_col(self, alias: str | None, output_field: Any = None) -> EncryptedCol:
        """The column, which inspects the query that it is in."""
        return EncryptedCol(alias, self, output_field)

    @cached_property  # type: ignore[untyped-decorator]
    def cached_col(self) -> EncryptedCol:
        """The column that Django keeps for its own use: it has the same type."""
        return EncryptedCol(self.model._meta.db_table, self)

    def record_of(self, model_instance: Any, add: bool) -> Any:
        """The record for the row of this instance. Raises FieldError for an expression, and a row without a key."""
        value = type(self).pre_save(self, model_instance, add)
        require_texts(self, value)
        return value if hasattr(value, "as_sql") else rows.of_instance(self, model_instance, value)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """The record to store. Raises FieldError for an expression, of whose result nothing would be known."""
        if isinstance(value, rows.RowRecord):
            return value
        require_texts(self, value)
        if self.for_row and hasattr(value, "as_sql"):
            return rows.ChosenByRow(self, value)
        return super().get_db_prep_save(value, connection)

    def get_prep_value(self, value: Any) -> Any:
        """The value unchanged: Django's conversions repeat it in their errors, and TextField's takes any value."""
        return value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """The record to store; an expression is passed on unchanged."""
        if hasattr(value, "as_sql"):
            return value
        if self.for_row and value is not None:
            raise FieldError(rows.NOT_WRITTEN.format(name=self.name))
        return self.sealed(value)

    def sealed(self, value: Any, row: str = "", tenant: str | None = None) -> str | bytes | None:
        """The record of a value, for the row with this key and tenant."""
        if self.form is not None and self.form is not BYTES and value is not None:
            value = self._converted(value)
        return sealed(self._cipher(), value, self.form, self.binding, row, tenant)

    def from_db_value(self, value: Any, expression: object, connection: object) -> Any:
        """The value of a stored record. Raises FieldError for one that the database computed from records."""
        if not isinstance(expression, READABLE):
            raise FieldError(EXPRESSION.format(name=self.name or "the field"))
        if self.for_row:
            return rows.read(self, value, expression)
        return (value or None) if self.is_plain(value) else opened(self._cipher(), value, self.form, self.binding)

    def is_plain(self, value: Any) -> bool:
        """Whether it is a text of the plain column that is moved."""
        return self.plain_column is not None and isinstance(value, str) and not looks_like_a_record(value)

    def _converted(self, value: Any) -> Any:
        """The value as Django converts it: a date may be written as text."""
        try:
            return self.to_python(value)
        except (ValidationError, TypeError, ValueError, ArithmeticError):
            return value  # refused by the form, with a message that does not repeat it

    def get_lookup(self, lookup_name: str) -> Any:
        """`isnull`, those of the model's search fields, and `exact` for None only."""
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        return field_lookups.lookup(self, lookup_name) or _NoneLookup

    def get_transform(self, lookup_name: str) -> Any:
        """One that is refused: a part of a record, such as `dob__year`, says nothing about its text."""
        return _NoTransform

    def _cipher(self) -> FieldCipher:
        if callable(self.fields):
            return resolve(self.fields)
        setting = getattr(settings, self.fields, None)
        if setting is None:
            raise ImproperlyConfigured(f"settings.{self.fields} must be a PhiFields, or a callable that returns one.")
        return resolve(import_string(setting) if isinstance(setting, str) else setting)


class EncryptedTextField(EncryptedField, models.TextField):  # type: ignore[misc]
    """A text. "" is stored as NULL too, and read as None."""

    description = "Text that is encrypted in the database"


class EncryptedBinaryField(EncryptedField, models.BinaryField):  # type: ignore[misc]
    """Bytes, in a column of type bytea. b"" is stored as NULL too, and read as None."""

    description = "Bytes that are encrypted in the database"
    form = BYTES

    def get_internal_type(self) -> str:
        """A column of bytes."""
        return "BinaryField"


class EncryptedDateField(EncryptedField, models.DateField):  # type: ignore[misc]
    """A date."""

    description = "Date that is encrypted in the database"
    form = DATE


class EncryptedDateTimeField(EncryptedField, models.DateTimeField):  # type: ignore[misc]
    """A datetime with a time zone, which is read in UTC: the setting USE_TZ has to be on."""

    description = "Date and time that are encrypted in the database"
    form = DATETIME


class EncryptedIntegerField(EncryptedField, models.IntegerField):  # type: ignore[misc]
    """A whole number of any size."""

    description = "Whole number that is encrypted in the database"
    form = INTEGER
    validators = models.Field.validators  # without the limits of the database's own numbers


class EncryptedDecimalField(EncryptedField, models.DecimalField):  # type: ignore[misc]
    """A Decimal, with the digits after the point that it has."""

    description = "Decimal that is encrypted in the database"
    form = DECIMAL


class EncryptedJSONField(EncryptedField, models.JSONField):  # type: ignore[misc]
    """A JSON value, encrypted as a whole. None is NULL: JSON's null inside a list or an object only."""

    description = "JSON that is encrypted in the database"
    form = JSON

    def get_internal_type(self) -> str:
        """The name that makes Django's XML serializer write the value as JSON."""
        return "JSONField"

    def db_type(self, connection: Any) -> Any:
        """Text all the same."""
        return models.TextField().db_type(connection)

    def db_check(self, connection: Any) -> None:
        """None: a record is no JSON."""


def _declare(sender: Any, **_: Any) -> None:
    meta = sender._meta
    columns = {each.name: each.column for each in meta.local_fields} | {e.attname: e.column for e in meta.local_fields}
    for field in meta.local_fields if sender.__module__ != "__fake__" else ():
        if getattr(field, "encrypted_text", False):
            declare(meta.db_table, field.column, field.binding, columns.get(field.tenant))


class_prepared.connect(_declare)


class _NoTransform(Transform):  # type: ignore[misc]
    """A part of a text, such as a year or a key of JSON, which the database does not have."""

    def as_sql(self, compiler: Any, connection: Any) -> NoReturn:
        raise FieldError(EXPRESSION.format(name=self.output_field.name))


class _NoneLookup(Lookup):  # type: ignore[misc]
    """The exact lookup of None, which Django turns into `isnull`; any other value raises FieldError."""

    lookup_name = "exact"

    def __init__(self, lhs: Any, rhs: Any) -> None:
        if rhs is not None:
            raise FieldError(
                "An encrypted field can be looked up by None or isnull only. Equal texts are different records: a "
                "comparison or a search would silently match nothing. To look up texts, add an ExactSearchField or a "
                "WordSearchField."
            )
        super().__init__(lhs, rhs)

    def get_prep_lookup(self) -> None:
        return None

    def as_sql(self, compiler: Any, connection: Any) -> NoReturn:
        raise FieldError("Use isnull to look up an encrypted field that is empty.")
