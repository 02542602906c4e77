"""The model field for Django, on a real database: SQLite in memory.

Touches memory only, and Django's settings of this process.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import IntegrityError, connection, models
from django.db.migrations.writer import MigrationWriter
from django.db.models import Q
from django.test.utils import override_settings

from eonpro_phi import DecryptionError, InvalidText
from eonpro_phi.adapters.django import EncryptedTextField
from eonpro_phi.adapters.injected import _ciphers
from tests.phi.adapters.django_settings import ANOTHER, CIPHER, another_cipher, calls

SECRET = "Jöhn Dœ, 患者 🩺"


class Patient(models.Model):  # type: ignore[misc]  # Django comes without types
    name = EncryptedTextField(null=True)
    phone = EncryptedTextField(null=True, blank=True)
    note = EncryptedTextField(null=True, fields=another_cipher)
    visits = models.IntegerField(default=0)

    class Meta:
        app_label = "clinic"


CALLED_BY_THE_DECLARATION = [*calls]


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    with connection.schema_editor() as editor:
        editor.create_model(Patient)
    yield
    with connection.schema_editor() as editor:
        editor.delete_model(Patient)


def stored(column: str = "name") -> list[str | None]:
    """The values in the database."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM clinic_patient ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


def test_the_callable_is_called_once_at_the_first_use():
    assert CALLED_BY_THE_DECLARATION == []
    calls.clear()
    _ciphers.clear()  # another module's test may have been the first
    Patient.objects.create(name="Jane", phone="1")
    assert [(patient.name, patient.phone) for patient in Patient.objects.all()] == [("Jane", "1")]
    assert calls == ["cipher"]


def test_the_database_holds_records_and_the_application_reads_texts():
    patient = Patient.objects.create(name=SECRET, note="of another key")
    patient.refresh_from_db()
    assert (patient.name, patient.note) == (SECRET, "of another key")
    assert [CIPHER.decrypt(record) for record in stored()] == [SECRET]
    assert [ANOTHER.decrypt(record) for record in stored("note")] == ["of another key"]
    assert list(Patient.objects.values_list("name", "note")) == [(SECRET, "of another key")]


def test_none_and_the_empty_text_are_null():
    Patient.objects.create(name="")
    Patient.objects.create(name=None)
    assert stored() == [None, None]
    assert list(Patient.objects.values_list("name", flat=True)) == [None, None]
    for query in (
        Patient.objects.filter(name=None),
        Patient.objects.filter(name__exact=None),
        Patient.objects.filter(name__isnull=True),
        Patient.objects.exclude(~Q(name=None)),
    ):
        assert query.count() == 2
    assert Patient.objects.exclude(name=None).count() == 0


def test_the_empty_text_in_a_not_null_field_is_refused_by_the_database():
    class Strict(models.Model):  # type: ignore[misc]  # Django comes without types
        name = EncryptedTextField()

        class Meta:
            app_label = "clinic"

    with connection.schema_editor() as editor:
        editor.create_model(Strict)
    with pytest.raises(IntegrityError):
        Strict.objects.create(name="")


def test_a_function_of_a_record_is_refused():
    models.TextField.register_lookup(models.functions.Length)
    try:
        with pytest.raises(FieldError):
            Patient.objects.filter(name__length=4)
    finally:
        models.TextField._unregister_lookup(models.functions.Length)


def test_a_record_of_another_key_and_invalid_texts_are_refused():
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO clinic_patient (name, visits) VALUES (%s, 0)", [ANOTHER.encrypt("Jane")])
    with pytest.raises(DecryptionError):
        list(Patient.objects.all())
    for wrong in ("\ud800", 19800101):
        with pytest.raises(InvalidText):
            Patient.objects.create(name=wrong)


def test_a_migration_has_the_path_of_the_field_and_no_key():
    for field, expected in (
        (EncryptedTextField(null=True), "eonpro_phi.adapters.django.EncryptedTextField(null=True)"),
        (EncryptedTextField(fields="OTHER"), "eonpro_phi.adapters.django.EncryptedTextField(fields='OTHER')"),
        (EncryptedTextField(fields=another_cipher), "EncryptedTextField(fields="),
    ):
        assert expected in MigrationWriter.serialize(field)[0]
        _, _, args, kwargs = field.deconstruct()
        assert EncryptedTextField(*args, **kwargs).fields == field.fields
    cipher: Any = ANOTHER
    with pytest.raises(TypeError, match="cannot store an object with a key"):
        EncryptedTextField(fields=cipher)


def test_a_copy_or_pickle_of_a_field_has_only_a_name():
    field = Patient._meta.get_field("name")
    assert copy.deepcopy(field).fields == "EONPRO_PHI_FIELDS"
    assert b"PhiCipher" not in pickle.dumps(Patient._meta.get_field("note"))
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        pickle.dumps(CIPHER)


def test_the_setting_may_be_a_dotted_path_and_must_be_there():
    with override_settings(EONPRO_PHI_FIELDS="missing_module.fields"), pytest.raises(ImportError):
        Patient.objects.create(name="Jane")
    with override_settings(EONPRO_PHI_FIELDS="eonpro_phi.PHI_FIELDS"), pytest.raises(AttributeError):
        Patient.objects.create(name="Jane")
    with override_settings(EONPRO_PHI_FIELDS=None), pytest.raises(ImproperlyConfigured, match="EONPRO_PHI_FIELDS"):
        Patient.objects.create(name="Jane")


def test_an_index_or_uniqueness_is_an_error_of_django_s_checks():
    class Indexed(models.Model):  # type: ignore[misc]  # Django comes without types
        name = EncryptedTextField(unique=True)
        phone = EncryptedTextField(db_index=True)
        plain = EncryptedTextField(null=True)

        class Meta:
            app_label = "clinic"

    errors = {(error.obj.name, error.id) for error in Indexed.check() if error.id == "phi.E001"}
    assert errors == {("name", "phi.E001"), ("phone", "phi.E001")}
