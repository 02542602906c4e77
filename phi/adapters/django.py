"""A model field for Django: texts in Python, records in the database.

Touches Django's settings, and what the fields object named there touches: encryption where a value is saved, decryption
where a row is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models
from django.db.models.lookups import Lookup
from django.utils.module_loading import import_string

from phi.adapters.given import Fields, opened

SETTING = "EONPRO_PHI_FIELDS"
"""The setting that names the fields: a dotted path to, or itself, a PhiFields or a callable that returns one."""


class EncryptedTextField(models.TextField):  # type: ignore[misc]  # Django comes without types
    """A PHI field in a column of type text, under the key of `settings.EONPRO_PHI_FIELDS`.

    None and "" are stored as NULL, and read as None: give `null=True` where a field may stay empty. Of the lookups,
    `isnull` and an exact None alone are possible; others raise FieldError. Saving raises TextRefused or an UnwrapError,
    reading RecordRefused. A migration holds no more of it than its path: no key, and nothing that leads to one.
    """

    description = "Text that is encrypted in the database"

    def __init__(self, *args: Any, fields: str | Callable[[], Fields] = SETTING, **kwargs: Any) -> None:
        """Take Django's own options, and for a column under another key the name of another setting, or a callable."""
        super().__init__(*args, **kwargs)
        if not (isinstance(fields, str) or callable(fields)):
            raise TypeError("Name a setting or give a callable: a migration cannot hold what holds a key.")
        self.fields = fields

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """For migrations: where the key comes from is kept by name alone."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs if self.fields == SETTING else {**kwargs, "fields": self.fields}

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Django's own checks; and no index or uniqueness, which records cannot have."""
        wanted = [name for name in ("primary_key", "unique", "db_index") if getattr(self, name)]
        told = "Equal texts are different records: {} does nothing for an encrypted field."
        return [*super().check(**kwargs), *(Error(told.format(name), obj=self, id="phi.E001") for name in wanted)]

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """The record that the database is given; an expression stays one."""
        # Without the conversion of a text field, which makes a text of anything.
        return value if hasattr(value, "as_sql") else self._door().encrypt(value)

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str | None:
        """The text of a record that the database gave."""
        return self._door().decrypt(value)

    def get_lookup(self, lookup_name: str) -> Any:
        """`isnull`, and `exact` for None alone."""
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else _NoneOnly

    def get_transform(self, lookup_name: str) -> None:
        """None: a function of a record says nothing about its text."""

    def _door(self) -> Fields:
        if callable(self.fields):
            return opened(self.fields)
        named = getattr(settings, self.fields, None)
        if named is None:
            raise ImproperlyConfigured(f"settings.{self.fields} has to name a PhiFields, or a callable returning one.")
        return opened(import_string(named) if isinstance(named, str) else named)


class _NoneOnly(Lookup):  # type: ignore[misc]
    """What a query asks of the field before Django turns an exact None into `isnull`; all else is refused."""

    lookup_name = "exact"

    def __init__(self, lhs: Any, rhs: Any) -> None:
        if rhs is not None:
            raise FieldError(
                "An encrypted field can be looked up by None or isnull alone. Equal texts are different records, so "
                "that a comparison or a search would silently match nothing."
            )
        super().__init__(lhs, rhs)

    def get_prep_lookup(self) -> None:
        return None

    def as_sql(self, compiler: Any, connection: Any) -> NoReturn:
        raise FieldError("An exact None is asked as isnull.")
