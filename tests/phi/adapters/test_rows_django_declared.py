"""The declarations of fields that are encrypted for their row: options, migrations, system checks.

Touches Django's settings of this process.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.core.exceptions import FieldError
from django.db import models
from django.db.migrations.writer import MigrationWriter
from django.test.utils import isolate_apps

from eonpro_phi.adapters.django import EncryptedTextField
from tests.phi.adapters.row_models import Clinic, Member, Record, Regular, Searched


def test_migrations_keep_the_options_and_another_binding_is_refused() -> None:
    expected = {"row": "bound='row'", "tenant": "tenant='clinic_id'", "column": "bound=True", "both": "bound='row'"}
    for kind, text in expected.items():
        field = Record._meta.get_field(f"dob_{kind}")
        assert text in MigrationWriter.serialize(field)[0]
        again = field.clone()
        assert (again.bound, again.tenant) == (field.bound, field.tenant)
    with pytest.raises(ValueError, match='True for the column of a record, or "row"'):
        EncryptedTextField(bound="table")
    for wrong in ({"reads": "unbound"}, {"bound": True, "reads": "row"}, {"bound": True, "place": "email"}):
        with pytest.raises(ValueError, match="reads|place|name for keys"):
            EncryptedTextField(**wrong)
    moving = EncryptedTextField(bound="row", reads=["unbound"], place="patient.email")
    again = moving.clone()
    assert (again.reads, again.place) == (["unbound"], "patient.email")


def faults(model: Any) -> set[tuple[str, str]]:
    return {(each.obj.name, f"{each.id} {each.msg}"[:8]) for each in model.check() if str(each.id).startswith("phi.")}


@isolate_apps()  # type: ignore[untyped-decorator]  # Django comes without types
def test_a_key_that_is_not_known_before_the_insert_is_an_error_of_the_checks() -> None:
    class Automatic(models.Model):  # type: ignore[misc]
        email = EncryptedTextField(null=True, bound="row")
        none = EncryptedTextField(null=True, tenant="clinic")
        optional_id = models.IntegerField(null=True)
        optional = EncryptedTextField(null=True, tenant="optional_id")
        encrypted = EncryptedTextField(null=True, tenant="email")
        day = models.DateField()
        dated = EncryptedTextField(null=True, tenant="day")
        by_database = models.IntegerField(db_default=7)
        late = EncryptedTextField(null=True, tenant="by_database")
        clinic_number = models.ForeignKey(Clinic, on_delete=models.CASCADE)
        fine = EncryptedTextField(null=True, tenant="clinic_number_id", bound=True)
        as_well = EncryptedTextField(null=True, tenant="clinic_number")

        class Meta:
            app_label = "rows"

    class Child(Member):
        other = EncryptedTextField(null=True, tenant="clinic_id")

        class Meta:
            app_label = "rows"

    tenants = ("none", "optional", "encrypted", "dated", "late")
    assert faults(Automatic) == {("email", "phi.E010"), *((name, "phi.E011") for name in tenants)}
    assert faults(Child) == {("other", "phi.E011")}
    assert {*faults(Record), *faults(Member), *faults(Regular), *faults(Searched)} == set()
    [message] = [each for each in Automatic.check() if each.id == "phi.E010"]
    assert "default=uuid.uuid4" in message.hint and "before the row is inserted" in message.msg
    with pytest.raises(FieldError, match="id is None"):
        Automatic(email="x", optional_id=1, day=date(2020, 1, 1), clinic_number_id=7).save()
