"""A model field for Django: texts in Python, records in the database.

Touches Django's settings, and what the PhiFields in them touches: encryption where a value is saved, decryption where a
row is read.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from django.conf import settings
from django.core.checks import CheckMessage
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models
from django.db.models.lookups import Lookup
from django.utils.functional import cached_property
from django.utils.module_loading import import_string

from phi.adapters.django.checks import check_field
from phi.adapters.django.queries import EXPRESSION, READABLE, EncryptedCol, require_texts
from phi.adapters.injected import FieldCipher, resolve

SETTING = "EONPRO_PHI_FIELDS"
"""The setting with the cipher: a PhiFields, a callable that returns one, or the dotted path of either."""


class EncryptedTextField(models.TextField):  # type: ignore[misc]  # Django comes without types
    """A PHI field in a column of type text, encrypted with the cipher in `settings.EONPRO_PHI_FIELDS`.

    None and "" are stored as NULL, and read as None: set `null=True` where a field may stay empty. The only lookups are
    `isnull` and an exact None. Other lookups, an ordering, a grouping, a function or an aggregate of the field, and an
    expression in its place raise FieldError. Saving raises InvalidText or an UnwrapError, reading DecryptionError. A
    migration holds only the path of this class: no key, and nothing that leads to one.
    """

    description = "Text that is encrypted in the database"
    encrypted_text = True
    """The mark by which the checks know the field."""

    def __init__(self, *args: Any, fields: str | Callable[[], FieldCipher] = SETTING, **kwargs: Any) -> None:
        """Take Django's own options; for a column with another key, the name of another setting, or a callable."""
        super().__init__(*args, **kwargs)
        if not (isinstance(fields, str) or callable(fields)):
            raise TypeError(
                "fields must be the name of a setting or a callable: a migration cannot store an object with a key."
            )
        self.fields = fields

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """For migrations: they store the name of the setting, never the key."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs if self.fields == SETTING else {**kwargs, "fields": self.fields}

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Django's own checks; and no index or uniqueness, which records cannot have."""
        return [*super().check(**kwargs), *check_field(self)]

    def get_col(self, alias: str | None, output_field: Any = None) -> EncryptedCol:
        """The column, which inspects the query that it is in."""
        return EncryptedCol(alias, self, output_field)

    @cached_property  # type: ignore[untyped-decorator]
    def cached_col(self) -> EncryptedCol:
        """The same, for Django's own use."""
        return EncryptedCol(self.model._meta.db_table, self)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """The record to store. Raises FieldError for an expression, of whose result nothing would be known."""
        require_texts(self, value)
        return super().get_db_prep_save(value, connection)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """The record to store; an expression is passed on unchanged."""
        # Without the conversion of TextField, which turns any value into text.
        return value if hasattr(value, "as_sql") else self._cipher().encrypt(value)

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str | None:
        """The text of a stored record. Raises FieldError for a value that the database computed from records."""
        if not isinstance(expression, READABLE):
            raise FieldError(EXPRESSION.format(name=self.name or "the field"))
        return self._cipher().decrypt(value)

    def get_lookup(self, lookup_name: str) -> Any:
        """`isnull`, and `exact` for None only."""
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else _NoneLookup

    def get_transform(self, lookup_name: str) -> None:
        """None: a function of a record says nothing about its text."""

    def _cipher(self) -> FieldCipher:
        if callable(self.fields):
            return resolve(self.fields)
        setting = getattr(settings, self.fields, None)
        if setting is None:
            raise ImproperlyConfigured(f"settings.{self.fields} must be a PhiFields, or a callable that returns one.")
        return resolve(import_string(setting) if isinstance(setting, str) else setting)


class _NoneLookup(Lookup):  # type: ignore[misc]
    """The exact lookup of None, which Django turns into `isnull`; any other value raises FieldError."""

    lookup_name = "exact"

    def __init__(self, lhs: Any, rhs: Any) -> None:
        if rhs is not None:
            raise FieldError(
                "An encrypted field can be looked up by None or isnull only. Equal texts are different records: a "
                "comparison or a search would silently match nothing."
            )
        super().__init__(lhs, rhs)

    def get_prep_lookup(self) -> None:
        return None

    def as_sql(self, compiler: Any, connection: Any) -> NoReturn:
        raise FieldError("Use isnull to look up an encrypted field that is empty.")
