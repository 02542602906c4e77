"""`RecordConstraint`: a check of the table by which the database refuses what is no record.

Touches the schema editor of a migration.
"""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import models

from eonpro_phi.adapters.values import BYTES
from eonpro_phi.constraint import is_record


class RecordConstraint(models.BaseConstraint):  # type: ignore[misc]  # Django comes without types
    """`constraints = [RecordConstraint(fields=["email", "scan"], name="patient_records")]` in the model's Meta.

    Each field is an encrypted one of the model; one with `bound` or `tenant` has records of version 2 alone, unless it
    reads "unbound" ones, too. So a write around the model, by SQL or by another service, fails and stores no plain
    text. On PostgreSQL and SQLite.
    """

    for_records = True
    """The mark by which the checks know that it is no index."""

    def __init__(self, *, fields: Sequence[str], name: str) -> None:
        """Take the names of the model's fields."""
        super().__init__(name=name)
        self.fields = tuple(fields)

    def constraint_sql(self, model: Any, schema_editor: Any) -> Any:
        """The check in a CREATE TABLE."""
        return schema_editor._check_sql(self.name, self._condition(model, schema_editor))

    def create_sql(self, model: Any, schema_editor: Any) -> Any:
        """The statement that adds it."""
        return schema_editor._create_check_sql(model, self.name, self._condition(model, schema_editor))

    def remove_sql(self, model: Any, schema_editor: Any) -> Any:
        """The statement that removes it."""
        return schema_editor._delete_check_sql(model, self.name)

    def validate(self, model: Any, instance: Any, exclude: Any = None, using: str = "default") -> None:
        """Nothing: what a model saves is a record."""

    def check(self, model: Any, connection: Any) -> list[CheckMessage]:
        """An error for each name that is no encrypted field of the model."""
        return [
            Error(f"{self.name}: {name} is no encrypted field of {model.__name__}.", obj=model, id="phi.E020")
            for name in self.fields
            if not any(getattr(each, "encrypted_text", False) and each.name == name for each in model._meta.fields)
        ]

    # Django before 6 calls it so.
    _check = check

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """A migration stores these arguments."""
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "fields": self.fields}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RecordConstraint) and (self.name, self.fields) == (other.name, other.fields)

    def __hash__(self) -> int:
        return hash((self.name, self.fields))

    def _condition(self, model: Any, schema_editor: Any) -> str:
        connection = schema_editor.connection
        fields = [model._meta.get_field(name) for name in self.fields]
        conditions = (
            is_record(
                connection.ops.quote_name(field.column),
                connection.vendor,
                is_binary=field.form is BYTES,
                versions=field.binding.versions,
            )
            for field in fields
        )
        return " and ".join(f"({each})" for each in conditions)
