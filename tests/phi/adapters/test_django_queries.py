"""What Django's queries and declarations may not do with an encrypted field, on a real database: SQLite in memory.

Touches memory only, and Django's settings of this process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import pytest
from django.core.checks import Error
from django.core.exceptions import FieldError
from django.db import connection, models
from django.db.models import (
    Case,
    CheckConstraint,
    Index,
    Q,
    UniqueConstraint,
    Value,
    When,
)
from django.db.models.functions import Lower

from eonpro_phi.adapters.django import EncryptedTextField
from eonpro_phi.adapters.django.checks import check_model, check_shown
from tests.phi.adapters.django_settings import CIPHER, another_cipher

TEXT = "Jane"


class Person(models.Model):  # type: ignore[misc]  # Django comes without types
    email = EncryptedTextField(null=True)
    phone = EncryptedTextField(null=True)
    foreign = EncryptedTextField(null=True, fields=another_cipher)
    city = models.TextField(null=True)
    visits = models.IntegerField(default=0)

    class Meta:
        app_label = "clinic"


class Visit(models.Model):  # type: ignore[misc]
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    place = models.TextField(default="ward")

    class Meta:
        app_label = "clinic"


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    with connection.schema_editor() as editor:
        editor.create_model(Person)
        editor.create_model(Visit)
    yield
    with connection.schema_editor() as editor:
        editor.delete_model(Visit)
        editor.delete_model(Person)


@pytest.fixture
def people() -> Any:
    people = Person.objects.bulk_create([Person(email=f"{name}@x", phone="1", city="Wien") for name in ("b", "a", "c")])
    Visit.objects.create(person=people[0])
    return Person.objects.order_by("pk")


def stored() -> list[tuple[str | None, ...]]:
    with connection.cursor() as cursor:
        cursor.execute('SELECT email, phone, "foreign" FROM clinic_person ORDER BY id')
        return list(cursor.fetchall())


def test_the_order_of_meta_and_the_reverse_of_it_are_refused(people: Any) -> None:
    class Ordered(Person):
        class Meta:
            proxy = True
            app_label = "clinic"
            ordering = ("-email",)

    for query in (Ordered.objects.all(), Ordered.objects.reverse()):
        with pytest.raises(FieldError, match="cannot be ordered by"):
            list(query)
    for act in (Ordered.objects.first, Ordered.objects.last):
        with pytest.raises(FieldError, match="cannot be ordered by"):
            act()
    assert Ordered.objects.count() == 3 and Ordered.objects.filter(city="Wien").exists()


def test_texts_are_written_in_every_way_that_django_has_for_them(people: Any) -> None:
    first, second, third = list(people)
    Person.objects.filter(pk=first.pk).update(email="one", phone=None)
    second.email, third.email = "two", None
    Person.objects.bulk_update([second, third], ["email"], batch_size=1)
    Person.objects.bulk_create([Person(pk=first.pk, foreign="theirs")], update_conflicts=True,
                               unique_fields=["id"], update_fields=["foreign"])  # fmt: skip
    own = Value("chosen", output_field=Person._meta.get_field("phone"))
    Person.objects.filter(pk=second.pk).update(phone=Case(When(visits=0, then=own), default=Value(None)))
    rows = stored()
    assert [CIPHER.decrypt(email) for email, _, _ in rows] == ["one", "two", None]
    assert (rows[0][1], CIPHER.decrypt(rows[1][1]), another_cipher().decrypt(rows[0][2])) == (None, "chosen", "theirs")


def declared(kind: type[models.Model]) -> set[tuple[str, str]]:
    """The ids of the errors of a model, each with the field or the class that it is about."""
    errors = [*kind.check(), *check_model(kind)]
    assert all(error.hint for error in errors if str(error.id).startswith("phi."))
    names = (getattr(error.obj, "name", None) or error.obj.__name__ for error in errors)
    return {(error.id, name) for error, name in zip(errors, names, strict=True) if str(error.id).startswith("phi.")}


def test_what_a_model_declares_in_vain_is_an_error_of_the_checks() -> None:
    class Declared(models.Model):  # type: ignore[misc]
        email = EncryptedTextField(unique=True)
        phone = EncryptedTextField(db_index=True, unique_for_date="born")
        note = EncryptedTextField(null=True, db_default="none")
        born = models.DateField(null=True)
        other = EncryptedTextField(null=True)
        person = models.ForeignKey(Person, on_delete=models.CASCADE)

        class Meta:
            app_label = "clinic"
            unique_together = (("other", "born"),)
            indexes = (Index(fields=["other"], name="of_other"), Index(Lower("other"), name="of_function"))
            constraints = (
                UniqueConstraint(fields=["other", "born"], name="one"),
                UniqueConstraint(Lower("other"), name="lower"),
                UniqueConstraint(fields=["born"], condition=Q(other="x"), name="some"),
            )

    assert declared(Declared) == {
        ("phi.E001", "email"),
        ("phi.E001", "phone"),
        ("phi.E002", "note"),
        ("phi.E004", "Declared"),
        ("phi.E005", "Declared"),
    }
    assert sum(error.id == "phi.E005" for error in check_model(Declared)) == 3
    assert sum(error.id == "phi.E004" for error in check_model(Declared)) == 3


def test_a_condition_on_null_is_no_comparison() -> None:
    condition = "condition" if "condition" in CheckConstraint.__init__.__code__.co_varnames else "check"

    class Related(models.Model):  # type: ignore[misc]
        person = models.ForeignKey(Person, on_delete=models.CASCADE)
        note = EncryptedTextField(null=True)

        class Meta:
            app_label = "clinic"
            constraints = (
                CheckConstraint(**{condition: Q(note__isnull=False)}, name="note_is_there"),
                CheckConstraint(**{condition: Q(note__gt="a")}, name="note_is_late"),
                UniqueConstraint(fields=["person"], condition=Q(note__isnull=True), name="one_empty"),
            )

    found = list(check_model(Related))
    assert [(error.id, "note_is_late" in error.msg) for error in found] == [("phi.E005", True)]
    assert list(check_model(Person)) == list(check_model(Visit)) == []


class Named(models.Model):  # type: ignore[misc]
    email = EncryptedTextField(null=True)
    city = models.TextField(null=True)

    class Meta:
        app_label = "clinic"

    def __str__(self) -> str:
        return f"{self.shown} of {self.city}"

    @property
    def shown(self) -> str:
        return str(self.email)


class Numbered(Named):
    class Meta:
        app_label = "clinic"

    def __str__(self) -> str:
        return f"Patient {self.pk}"


def test_a_text_of_a_row_that_the_admins_log_would_keep_is_found() -> None:
    [warning] = check_shown(Named)
    assert warning.id == "phi.W002" and "reads email: the admin's log" in warning.msg
    assert "Patient" not in warning.msg and 'f"Named {self.pk}"' in warning.hint
    assert [*check_shown(Numbered)] == []


class Stay(models.Model):  # type: ignore[misc]
    named = models.ForeignKey(Named, on_delete=models.CASCADE)
    numbered = models.ForeignKey(Numbered, on_delete=models.CASCADE, related_name="+")

    class Meta:
        app_label = "clinic"


def label_of(row: Any) -> str:
    return f"{row.email} in {row.city}"


def unchanged(function: Callable[[Any], str]) -> Callable[[Any], str]:
    return wraps(function)(lambda row: function(row))


@pytest.mark.parametrize("shown", [
    label_of,
    lambda row: label_of(row),
    lambda row: " ".join(str(each) for each in [row.city] if each != row.email),
    lambda row: (lambda: str(row.email))(),
    unchanged(lambda row: str(row.email)),
], ids=["function", "called", "comprehension", "nested", "decorated"])  # fmt: skip
def test_a_text_that_is_read_by_a_function_beside_the_model_is_found(
    monkeypatch: pytest.MonkeyPatch, shown: Callable[[Any], str]
) -> None:
    monkeypatch.setattr(Named, "__str__", shown)
    [warning] = check_shown(Named)
    assert "reads email: the admin's log" in warning.msg


@pytest.mark.parametrize(("shown", "texts"), [
    (lambda row: f"Stay of {row.named.email}", "named.email"),
    (lambda row: f"Stay of {row.named}", "named.email"),
    (lambda row: f"Stay in {row.named.city}", None),
    (lambda row: f"Stay of {row.named.pk}", None),
    (lambda row: f"Stay of {row.numbered}", None),
    (lambda row: f"Stay of {row.named_id}", None),
])  # fmt: skip
def test_a_text_of_a_related_row_is_found_too(
    monkeypatch: pytest.MonkeyPatch, shown: Callable[[Any], str], texts: str | None
) -> None:
    monkeypatch.setattr(Stay, "__str__", shown)
    found = [*check_shown(Stay)]
    assert [(each.id, f"reads {texts}:" in each.msg) for each in found] == ([("phi.W002", True)] if texts else [])


def test_the_checks_are_registered_with_django_and_say_what_to_use() -> None:
    from django.core.checks.registry import registry

    names = {check.__name__ for check in registry.get_checks()}
    assert {"check_models", "check_admin"} <= names

    class Hinted(models.Model):  # type: ignore[misc]
        email = EncryptedTextField(unique=True)

        class Meta:
            app_label = "clinic"

    (error,) = [error for error in Hinted.check() if error.id == "phi.E001"]
    assert isinstance(error, Error) and "ExactSearchField" in error.hint
