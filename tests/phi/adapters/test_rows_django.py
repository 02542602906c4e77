"""How Django reads fields that are encrypted for their row, bound to its key or under its tenant's: SQLite, PostgreSQL.

Touches memory, Django's settings of this process, and a database server of its own.
"""

from __future__ import annotations

import copy
import pickle
import re
from datetime import date
from itertools import product
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import FieldError
from django.db import connection, models
from django.db.models import Count, F, OuterRef, Subquery
from django.forms import model_to_dict, modelform_factory
from django.test.utils import isolate_apps

from eonpro_phi import DecryptionError, NotBound
from eonpro_phi.adapters.django import EncryptedTextField
from eonpro_phi.record import place
from tests.phi.adapters.row_models import (
    ALL,
    CIPHER,
    Clinic,
    Member,
    Record,
    Regular,
    Stay,
    fields,
    member,
    sql,
    stored,
    text_of,
    values,
)
from tests.phi.adapters.row_models import database as database  # a fixture of every test here


def test_every_way_of_reading_has_the_values_of_every_type() -> None:
    clinic = Clinic.objects.create()
    row = Record.objects.create(clinic=clinic, **ALL)
    Record.objects.bulk_create([Record(clinic=clinic, **ALL), Record(clinic=clinic)])
    full = Record.objects.filter(email_both__isnull=False)
    assert [values(each) for each in full] == [ALL, ALL]
    assert [*full.values(*ALL)] == [ALL, ALL] == [dict(zip(ALL, each, strict=True)) for each in full.values_list(*ALL)]
    assert values(Record.objects.get(email_both=None)) == dict.fromkeys(ALL)
    one = Record.objects.filter(pk=row.pk)
    assert (values(one.only("pk").get()), values(one.defer(*ALL).get())) == (ALL, ALL)
    for name, value in ALL.items():
        assert getattr(one.only(name).get(), name) == value
        assert one.annotate(other=F(name)).get().other == value
        inner = Record.objects.filter(pk=OuterRef("pk")).values(name)
        assert one.annotate(other=Subquery(inner)).values_list("other", flat=True).get() == value
    row.email_both = "unsaved"
    row.refresh_from_db()
    assert values(row) == ALL
    assert one.annotate(count=Count("email_both")).get().count == 1
    assert one.union(full, all=True).count() == 3
    assert [values(each) for each in one.iterator()] == [ALL]


def test_the_database_holds_records_of_version_2_for_the_row_and_its_tenant() -> None:
    member("jöhn:1", 7, email="jane@example.org", phone="+1", note="n")
    tenant = CIPHER.for_tenant("7")
    place_of_row = place("rows_member", "email", "jöhn:1")
    assert tenant.decrypt(stored("email", "jöhn:1"), place_of_row) == "jane@example.org"
    assert tenant.decrypt(stored("phone", "jöhn:1")) == "+1"
    assert CIPHER.decrypt(stored("note", "jöhn:1"), place("rows_member", "note", "jöhn:1")) == "n"
    assert Member.objects.get().email == "jane@example.org"
    row = Record.objects.create(id=str(UUID(int=10)).upper(), clinic=Clinic.objects.create(), **ALL)
    [[record]] = sql("select scan_both from rows_record")
    where = place("rows_record", "scan_both", UUID(int=10))
    assert CIPHER.for_tenant(str(row.clinic_id)).decrypt_bytes(record, where) == b"%PDF\x00\xff"


ROWS = [*product((7, 8), ("1", "2"))]


@pytest.mark.parametrize("column", ["email", "phone", "note"])
def test_a_record_that_is_moved_in_the_database_is_read_nowhere_else(column: str) -> None:
    for tenant, number in ROWS:
        member(f"{tenant}-{number}", tenant, **{column: f"{tenant}-{number}"})
    for (tenant, number), (other, another) in product(ROWS, ROWS):
        source, target = f"{tenant}-{number}", f"{other}-{another}"
        kept = stored(column, target)
        sql(f"update rows_member set {column} = %s where number = %s", stored(column, source), target)
        is_its_own = {"email": source == target, "note": source == target, "phone": tenant == other}[column]
        rows = Member.objects.filter(pk=target)
        for read in (rows.get, rows.values_list(column).get, lambda rows=rows: getattr(rows.only("pk").get(), column)):
            if is_its_own:
                read()
            else:
                with pytest.raises(DecryptionError):
                    read()
        sql(f"update rows_member set {column} = %s where number = %s", kept, target)


def test_a_stored_text_cannot_name_a_row_or_a_tenant_of_its_own() -> None:
    member("1", 7, email="jane@example.org")
    member("2", 8)
    for forged in (f"1:11:7{stored()}", f"1:21:8{stored()}", f"1:1{stored()}", f"0::{stored()}"):
        sql("update rows_member set email = %s where number = '2'", forged)
        for read in (Member.objects.filter(pk="2").get, Member.objects.filter(pk="2").values("email").get):
            with pytest.raises(DecryptionError):
                read()
        for raw in ("select * from rows_member where number = '2'", "select number, email from rows_member"):
            with pytest.raises(FieldError, match="raw SQL"):
                [*Member.objects.raw(raw)]


def test_a_plain_column_in_the_place_of_a_record_is_not_shown() -> None:
    member("1", 7, email="jane@example.org", city="Wien")
    mixed = Member.objects.values_list("pk", "email").union(Member.objects.values_list("pk", "city"), all=True)
    with pytest.raises(DecryptionError) as caught:
        list(mixed)
    assert caught.value.__context__ is None


@isolate_apps()  # type: ignore[untyped-decorator]  # Django comes without types
def test_a_record_whose_row_has_lost_its_tenant_is_an_error_and_not_empty() -> None:
    class Lost(models.Model):  # type: ignore[misc]
        id = models.UUIDField(primary_key=True, default=uuid4)
        clinic_id = models.IntegerField(null=True)
        email = EncryptedTextField(null=True, fields=fields, tenant="clinic_id")

        class Meta:
            app_label = "rows"

    with connection.schema_editor() as editor:
        editor.create_model(Lost)
    Lost.objects.create(clinic_id=7, email="jane@example.org")
    sql("update rows_lost set clinic_id = null")
    with pytest.raises(DecryptionError):
        Lost.objects.get()
    sql("update rows_lost set clinic_id = 7")
    assert Lost.objects.get().email == "jane@example.org"
    with connection.schema_editor() as editor:
        editor.delete_model(Lost)


def test_a_row_that_raw_sql_finds_is_read_without_its_column() -> None:
    member(email="jane@example.org")
    [row] = Member.objects.raw("select number, clinic_id from rows_member")
    assert row.email == "jane@example.org"


@isolate_apps()  # type: ignore[untyped-decorator]  # Django comes without types
def test_the_earlier_forms_of_a_column_are_refused_or_read_where_they_are_declared() -> None:
    class Moving(models.Model):  # type: ignore[misc]
        number = models.CharField(primary_key=True, max_length=20)
        clinic_id = models.IntegerField()
        email = EncryptedTextField(null=True, fields=fields, bound="row", tenant="clinic_id", reads=["unbound", "row"])

        class Meta:
            app_label = "rows"
            db_table = "rows_member"

    member()
    column, tenant = place("rows_member", "email"), CIPHER.for_tenant("7")
    earlier = {
        CIPHER.encrypt("jane"): "unbound",
        CIPHER.encrypt_v2("jane"): "unbound",
        CIPHER.encrypt_v2("jane", f"{column}:1"): "row",
        CIPHER.encrypt_v2("jane", column): "column",
        tenant.encrypt("jane"): "tenant",
        tenant.encrypt("jane", column): "tenant+column",
    }
    for record, form in earlier.items():
        sql("update rows_member set email = %s", record)
        with pytest.raises(NotBound, match=re.escape(f'reads="{form}"')):
            Member.objects.get()
        if form in ("unbound", "row"):
            assert Moving.objects.get().email == "jane"
        else:
            with pytest.raises(NotBound):
                Moving.objects.get()
    for record in (CIPHER.encrypt_v2("jane", f"{column}:2"), CIPHER.for_tenant("8").encrypt("jane")):
        sql("update rows_member set email = %s", record)
        with pytest.raises(DecryptionError):
            Member.objects.get()


def test_relations_and_inherited_models_have_their_own_rows() -> None:
    row = Regular.objects.create(number="1", clinic_id=7, email="jane@example.org", note="n", since=date(2020, 1, 1))
    Stay.objects.create(member=row)
    Stay.objects.create()
    assert Stay.objects.filter(member__isnull=False).values_list("member__email", "member__note").get() == (
        "jane@example.org",
        "n",
    )
    stays = Stay.objects.select_related("member").order_by("member_id")
    assert {stay.member and stay.member.email for stay in stays} == {None, "jane@example.org"}
    assert {*Stay.objects.values_list("member__email", flat=True)} == {None, "jane@example.org"}
    assert [*Stay.objects.values_list("record__scan_both", "record__answers_tenant")] == [(None, None)] * 2
    grouped = Member.objects.annotate(n=Count("stay"))
    assert [(each.email, each.n) for each in grouped] == [("jane@example.org", 1)]
    assert [*grouped.only("email").values_list("pk", "email", "n")] == [("1", "jane@example.org", 1)]
    grouped = Stay.objects.filter(member=row).values("pk", "member__email").annotate(n=Count("member__stay"))
    assert [(each["member__email"], each["n"]) for each in grouped] == [("jane@example.org", 1)]
    [found] = Regular.objects.all()
    assert (found.email, found.note, found.since) == ("jane@example.org", "n", date(2020, 1, 1))
    found.clinic_id, found.since = 8, date(2021, 1, 1)
    found.save()
    assert (text_of(8), Regular.objects.get().since) == ("jane@example.org", date(2021, 1, 1))
    with pytest.raises(FieldError, match="would stay"):
        Regular.objects.update(clinic_id=9)


def test_instances_are_copied_pickled_compared_and_shown_in_forms_as_ever() -> None:
    member(email="jane@example.org", phone="+1")
    row = Member.objects.get()
    twins = (copy.copy(row), copy.deepcopy(row), pickle.loads(pickle.dumps(row)))
    for twin in twins:
        assert (twin, twin.email) == (row, "jane@example.org")
        twin.full_clean()
        twin.save()
    assert pickle.loads(pickle.dumps(Member.objects.all()))[0].email == "jane@example.org"
    assert model_to_dict(row)["email"] == "jane@example.org"
    form = modelform_factory(Member, fields=["number", "clinic_id", "email"])
    assert form(instance=row).initial["email"] == "jane@example.org"
    changed = form({"number": "1", "clinic_id": "8", "email": "joe@example.org"}, instance=row)
    assert changed.is_valid() and changed.save().email == "joe@example.org"
    assert (text_of(8), Member.objects.get().phone) == ("joe@example.org", "+1")
