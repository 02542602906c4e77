"""Search fields for Django: in step with their sources in every kind of write, lookups, refusals. SQLite, PostgreSQL.

Touches memory, Django's settings of this process, and a database server of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from django.core.exceptions import FieldError
from django.db import connection, connections, models, transaction
from django.db.models import Case, Q, When

from eonpro_phi import CachedKey, PhiFields
from eonpro_phi.adapters.django import (
    EncryptedDateField,
    EncryptedIntegerField,
    EncryptedJSONField,
    EncryptedTextField,
    ExactSearchField,
    InClinic,
    WordSearchField,
    true_hits,
)
from tests.phi.adapters import django_settings as django_settings
from tests.phi.key_sources import CountingSource
from tests.phi.reencryption.postgres import Server

FORMER, CURRENT = b"1" * 32, b"2" * 32
SOURCE, READING = CountingSource(FORMER), CountingSource(FORMER)
FIELDS = PhiFields(CachedKey(SOURCE, reading_keys=[READING]))


def searchable() -> PhiFields:
    return FIELDS


class Contact(models.Model):  # type: ignore[misc]  # Django comes without types
    email = EncryptedTextField(null=True, fields=searchable)
    phone = EncryptedTextField(null=True, fields=searchable)
    clinic_id = models.IntegerField(default=7)
    email_search = ExactSearchField("email", rule="email")
    last4 = ExactSearchField("phone", rule="last4", bits=16, clinic="clinic_id")

    class Meta:
        app_label = "clinic"


class Called(models.Model):  # type: ignore[misc]
    name = EncryptedTextField(null=True, fields=searchable)
    phone = EncryptedTextField(null=True, fields=searchable)
    person = models.ForeignKey("self", null=True, on_delete=models.CASCADE)
    tokens = WordSearchField("name", "phone", bits=8)

    class Meta:
        app_label = "clinic"
        db_table = "named"


class Born(models.Model):  # type: ignore[misc]
    dob = EncryptedDateField(null=True, fields=searchable)
    chart = EncryptedIntegerField(null=True, fields=searchable)
    dob_search = ExactSearchField("dob", rule="date")
    chart_search = ExactSearchField("chart", rule="id")

    class Meta:
        app_label = "clinic"


class Attendance(models.Model):  # type: ignore[misc]
    note = EncryptedTextField(null=True, fields=searchable)
    clinic = models.ForeignKey(Contact, on_delete=models.CASCADE)
    note_search = ExactSearchField("note", rule="text", clinic="clinic_id")

    class Meta:
        app_label = "clinic"


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    SOURCE.key = FORMER
    FIELDS.forget()
    with connection.schema_editor() as editor:
        editor.create_model(Contact)
    yield
    with connection.schema_editor() as editor:
        editor.delete_model(Contact)


def emails(**lookup: Any) -> list[str | None]:
    return [*Contact.objects.filter(**lookup).order_by("id").values_list("email", flat=True)]


def change_by_save(contact: Contact) -> None:
    contact.save()


def change_by_update_fields(contact: Contact) -> None:
    contact.save(update_fields=["email", "email_search"])


def change_by_bulk_update(contact: Contact) -> None:
    Contact.objects.bulk_update([contact], ["email", "email_search"])


def change_by_upsert(contact: Contact) -> None:
    Contact.objects.bulk_create(
        [contact], update_conflicts=True, unique_fields=["id"], update_fields=["email", "email_search"]
    )


CHANGES = [change_by_save, change_by_update_fields, change_by_bulk_update, change_by_upsert]


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
def test_the_value_is_in_step_after_every_kind_of_write(change: Callable[[Contact], None]) -> None:
    Contact.objects.create(email="jane@example.org")
    Contact.objects.bulk_create([Contact(email="joe@example.org"), Contact(email="")])
    assert emails(email=" JANE@Example.org ") == ["jane@example.org"]
    assert emails(email__in=["jane@example.org", "joe@example.org", None]) == ["jane@example.org", "joe@example.org"]
    contact = Contact.objects.get(email="jane@example.org")
    contact.email = "janet@example.org"
    change(contact)
    assert (emails(email__exact="jane@example.org"), emails(email="janet@example.org")) == ([], ["janet@example.org"])


def test_a_typed_value_is_found_by_the_value_and_by_its_text() -> None:
    with connection.schema_editor() as editor:
        editor.create_model(Born)
    Born.objects.create(dob=date(1980, 1, 31), chart=7)
    Born.objects.create(dob="1990-02-01")
    assert Born.objects.get(dob=date(1980, 1, 31)) == Born.objects.get(dob="1/31/1980") == Born.objects.get(chart=7)
    assert Born.objects.filter(dob__in=[date(1980, 1, 31), date(1990, 2, 1)]).count() == 2
    row = Born.objects.get(dob=date(1990, 2, 1))
    row.dob = date(1991, 2, 1)
    row.save()
    assert (
        [*true_hits(Born.objects.all(), dob=date(1991, 2, 1))] == [*Born.objects.filter(dob=date(1991, 2, 1))] == [row]
    )
    assert not Born.objects.filter(dob=date(1990, 2, 1)).exists() and Born.objects.filter(dob=None).count() == 0
    with pytest.raises(FieldError, match="is no EncryptedTextField of Odd"):

        class Odd(models.Model):  # type: ignore[misc]
            note = EncryptedJSONField(null=True, fields=searchable)
            note_search = ExactSearchField("note", rule="text")

            class Meta:
                app_label = "clinic"

    with connection.schema_editor() as editor:
        editor.delete_model(Born)


def last4_of(clinic: int) -> list[str | None]:
    return [each.phone for each in Contact.objects.filter(phone=InClinic(clinic, "2345"))]


STALE: dict[str, Callable[[Contact], object]] = {
    "save": lambda row: row.save(update_fields=["phone", "last4"]),
    "save of the clinic": lambda row: row.save(update_fields=["clinic_id"]),
    "save of the clinic and the value": lambda row: row.save(update_fields=["clinic_id", "last4"]),
    "save of the value alone": lambda row: row.save(update_fields=["last4", "clinic_id"]),
    "bulk_update": lambda row: Contact.objects.bulk_update([row], ["phone", "last4"]),
    "bulk_update of the value alone": lambda row: Contact.objects.bulk_update([row], ["last4"]),
    "bulk_update of the clinic": lambda row: Contact.objects.bulk_update([row], ["clinic_id"]),
    "update of the clinic": lambda row: Contact.objects.filter(pk=row.pk).update(clinic_id=9),
    "upsert": lambda row: Contact.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["id"], update_fields=["phone", "last4"]
    ),
    "upsert of the value alone": lambda row: Contact.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["id"], update_fields=["last4"]
    ),
}


@pytest.mark.parametrize("write", STALE.values(), ids=STALE)
def test_a_value_of_what_another_instance_changed_meanwhile_is_not_written(write: Callable[[Contact], object]) -> None:
    Contact.objects.create(pk=1, phone="555 010 2345", clinic_id=7)
    stale = Contact.objects.get()
    Contact.objects.bulk_update([Contact(pk=1, phone="555 010 2345", clinic_id=8)], ["phone", "clinic_id", "last4"])
    with pytest.raises(FieldError, match="clinic_id|phone"):
        write(stale)
    assert (last4_of(7), last4_of(8)) == ([], ["555 010 2345"])


def test_in_a_transaction_a_save_reads_what_it_does_not_write() -> None:
    Contact.objects.create(pk=1, phone="555 010 2345", clinic_id=7)
    stale = Contact.objects.get()
    Contact.objects.bulk_update([Contact(pk=1, phone="555 010 6789", clinic_id=8)], ["phone", "clinic_id", "last4"])
    stale.phone = "999 999 2345"
    with transaction.atomic():
        stale.save(update_fields=["phone", "last4"])
    assert (last4_of(7), last4_of(8), stale.clinic_id) == ([], ["999 999 2345"], 7)
    Contact.objects.update_or_create(id=1, defaults={"phone": "888 888 2345"})
    assert (last4_of(7), last4_of(8)) == ([], ["888 888 2345"])
    Contact.objects.update_or_create(id=1, defaults={"email": "jane@example.org"})
    assert (last4_of(8), emails(email="jane@example.org")) == (["888 888 2345"], ["jane@example.org"])
    stale.phone, stale.clinic_id = "777 777 2345", 9
    stale.save()
    assert (last4_of(8), last4_of(9)) == ([], ["777 777 2345"])


def test_a_search_column_may_be_emptied_before_it_is_filled_with_other_bits() -> None:
    Contact.objects.create(phone="555 010 2345", clinic_id=7)
    Contact.objects.update(last4=None)
    assert last4_of(7) == []
    with pytest.raises(FieldError, match="phone, clinic_id"):
        Contact.objects.update(last4="0000")


def test_the_clinic_may_be_a_foreign_key() -> None:
    with connection.schema_editor() as editor:
        editor.create_model(Attendance)
    for number in (7, 8):
        Contact.objects.create(pk=number)
    visit = Attendance.objects.create(pk=1, note="old", clinic_id=7)
    other = Attendance.objects.get()
    other.clinic_id = 8
    other.save()
    visit.note = "new"
    writes: list[Callable[[], Any]] = [
        lambda: visit.save(update_fields=["note", "note_search"]),
        lambda: visit.save(update_fields=["clinic"]),
        lambda: Attendance.objects.update(clinic=7),
    ]
    for write in writes:
        with pytest.raises(FieldError, match="clinic|note"):
            write()
    with transaction.atomic():
        visit.save(update_fields=["note", "note_search"])
    assert Attendance.objects.filter(note=InClinic(8, "new")).count() == 1
    visit.save(update_fields=["note", "note_search", "clinic"])
    assert Attendance.objects.filter(note=InClinic(7, "new")).count() == 1
    with connection.schema_editor() as editor:
        editor.delete_model(Attendance)


def test_a_row_that_was_read_in_part_keeps_the_values_of_the_rest() -> None:
    Contact.objects.create(pk=1, phone="555 010 2345", clinic_id=7)
    for fields in (["email"], ["phone"], ["phone", "clinic_id"]):
        partial = Contact.objects.defer(*fields).get()
        Contact.objects.bulk_update(
            [Contact(pk=1, email="joe@example.org", phone="555 010 2345", clinic_id=7)],
            ["email", "email_search", "phone", "clinic_id", "last4"],
        )
        partial.save()
        assert last4_of(7) == ["555 010 2345"] and emails(email="joe@example.org") == ["joe@example.org"], fields


@pytest.mark.parametrize(
    "write",
    [
        lambda: Contact.objects.update(email="x"),
        lambda: Contact.objects.bulk_update([Contact(pk=1, email="x")], ["email"]),
        lambda: Contact(pk=1, email="x").save(update_fields=["email"]),
        lambda: Contact.objects.bulk_create(
            [Contact(pk=1, email="x")], update_conflicts=True, unique_fields=["id"], update_fields=["email"]
        ),
    ],
)
def test_a_write_that_leaves_the_search_value_is_refused_with_what_to_do(write: Callable[[], object]) -> None:
    Contact.objects.create(pk=1, email="jane@example.org")
    with pytest.raises(FieldError, match="email_search"):
        write()
    assert emails(email="jane@example.org") == ["jane@example.org"]


def test_a_partly_read_row_is_saved_in_step_or_not_at_all() -> None:
    Contact.objects.create(pk=1, email="jane@example.org")
    contact = Contact.objects.only("email").get()
    contact.email = "joe@example.org"
    with pytest.raises(FieldError, match="email_search"):
        contact.save()
    Contact.objects.only("email", "email_search").get().save()
    assert emails(email="jane@example.org") == ["jane@example.org"]
    other = Contact.objects.defer("email").get()
    other.clinic_id = 9
    other.save()
    assert emails(email="jane@example.org", clinic_id=9) == ["jane@example.org"]


class Regular(Contact):
    class Meta:
        app_label = "clinic"


def test_shortcuts_fixtures_and_inherited_models_stay_in_step() -> None:
    Contact.objects.get_or_create(email="jane@example.org")
    assert Contact.objects.get_or_create(email="JANE@example.org")[1] is False
    Contact.objects.update_or_create(email="jane@example.org", defaults={"email": "joe@example.org"})
    assert emails(email="jane@example.org") == [] != emails(email="joe@example.org")
    contact = Contact.objects.get()
    contact.email = "jim@example.org"
    contact.save_base(raw=True)  # as loaddata does
    assert emails(email="jim@example.org") == ["jim@example.org"]
    with connection.schema_editor() as editor:
        editor.create_model(Regular)
    Regular.objects.create(email="jill@example.org")
    assert [regular.email for regular in Regular.objects.filter(email="jill@example.org")] == ["jill@example.org"]
    with pytest.raises(FieldError, match="email_search"):
        Regular.objects.update(email="x")
    Regular.objects.all().delete()
    with connection.schema_editor() as editor:
        editor.delete_model(Regular)


def test_lookups_find_rows_of_the_former_key_while_it_changes() -> None:
    Contact.objects.create(email="jane@example.org")
    SOURCE.key = CURRENT
    FIELDS.forget()
    Contact.objects.create(email="jane@example.org")
    assert len(set(Contact.objects.values_list("email_search", flat=True))) == 2
    assert emails(email="jane@example.org") == ["jane@example.org"] * 2


def test_each_clinic_has_values_of_its_own_and_is_named_in_a_lookup() -> None:
    Contact.objects.bulk_create([Contact(phone="+1 555 010 2345", clinic_id=clinic) for clinic in (7, 8)])
    assert len(set(Contact.objects.values_list("last4", flat=True))) == 2
    hits = Contact.objects.filter(phone=InClinic(7, "2345"))
    assert [contact.clinic_id for contact in true_hits(hits, phone=InClinic(7, "2345"))] == [7]
    for wrong in ({"phone": "2345"}, {"email": InClinic(7, "jane@example.org")}):
        with pytest.raises(FieldError, match="is looked up by"):
            Contact.objects.filter(**wrong).count()
    with pytest.raises(FieldError, match="clinic_id is None"):
        Contact(phone="2345", clinic_id=None).save()


def test_what_has_no_value_is_found_by_nothing_and_negations_are_whole() -> None:
    Contact.objects.create(email="unknown@example.com")  # a placeholder, without a value
    Contact.objects.create(email="jane@example.org")
    Contact.objects.create()
    assert emails(email="unknown@example.com") == [] == emails(email="noemail@placeholder.local")
    rest = Contact.objects.exclude(email="jane@example.org").order_by("id")
    assert [contact.email for contact in rest] == ["unknown@example.com", None]
    assert Contact.objects.filter(email=None).count() == 1 == Contact.objects.filter(~Q(email=None), pk=2).count()
    wanted = Q(phone=InClinic(7, "2345"))
    for negation in (~wanted, ~(wanted & Q(pk=1)), Q(pk=1) | ~wanted):
        with pytest.raises(FieldError, match="true_hits"):
            Contact.objects.filter(negation).count()
        with pytest.raises(FieldError, match="true_hits"):
            [*Contact.objects.annotate(other=Case(When(negation, then=1), default=0)).values("other")]
    asked = Contact.objects.annotate(hit=Case(When(wanted, then=1), default=0)).order_by("id")
    assert [*asked.values_list("hit", flat=True)] == [0, 0, 0]


def test_a_search_field_is_declared_over_encrypted_texts_of_its_own_model() -> None:
    with pytest.raises(FieldError, match="is no EncryptedTextField of Wrong"):

        class Wrong(models.Model):  # type: ignore[misc]
            email = models.TextField()
            email_search = ExactSearchField("email", rule="email")

            class Meta:
                app_label = "clinic"

    builds: list[Callable[[], Any]] = [
        lambda: ExactSearchField("a", rule="names"),
        lambda: WordSearchField("a", bits=40),
    ]
    for build in builds:
        with pytest.raises(ValueError, match="rule is|bits is"):
            build()
    field = Contact._meta.get_field("last4").clone()
    assert field.deconstruct()[2:] == (["phone"], {"clinic": "clinic_id", "bits": 16, "rule": "last4"})


@pytest.fixture
def postgresql(server: Server) -> Iterator[str]:
    """The name of Django's connection to the server, with the table."""
    connections["postgresql"].settings_dict["HOST"] = str(server.folder)
    with connections["postgresql"].schema_editor() as editor:
        editor.create_model(Called)
    yield "postgresql"
    with connections["postgresql"].schema_editor() as editor:
        editor.delete_model(Called)
    connections["postgresql"].close()


@pytest.mark.needs("postgresql")
def test_tokens_are_never_of_what_another_session_changed_meanwhile(postgresql: str) -> None:
    named = Called.objects.using(postgresql)
    row = named.create(name="Jane", phone="555 010 2345")
    named.bulk_update([Called(pk=row.pk, name="Mary", phone="555 010 2345")], ["name", "phone", "tokens"])
    row.phone = "555 010 6789"
    columns = ["phone", "tokens"]
    writes: list[Callable[[], Any]] = [
        lambda: row.save(update_fields=columns),
        lambda: named.bulk_update([row], columns),
        lambda: named.bulk_create([row], update_conflicts=True, unique_fields=["id"], update_fields=columns),
    ]
    for write in writes:
        with pytest.raises(FieldError, match="name"):
            write()
    with transaction.atomic(using=postgresql):
        row.save(update_fields=columns)
    for query, found in {"mary": [row], "jane": [], "6789": [row], "2345": []}.items():
        assert [*true_hits(named.filter(name__search=query), name=query)] == found, query
    named.update_or_create(id=row.pk, defaults={"name": "Zoë"})
    assert [*true_hits(named.filter(name__search="zoe 6789"), name="zoe 6789")] == [row]


@pytest.mark.needs("postgresql")
def test_words_are_found_and_stay_in_step_in_postgresql(postgresql: str) -> None:
    named = Called.objects.using(postgresql)
    first = named.create(name="Jöhn O'Brien", phone="+1 (555) 010-2345")
    named.bulk_create([Called(name=f"Mary Smith {n}", phone=f"555 030 {n:04}", person=first) for n in range(200)])
    for query, expected in {"jo": 1, "obri 2345": 1, "MARY smi": 200, "mary 0007": 1, "zzz": 0, "--": 0}.items():
        hits = [*named.filter(name__search=query)]
        true = [*true_hits(hits, name=query)]
        assert (len(true), len(hits) >= len(true)) == (expected, True)
        assert {row.pk for row in true} <= {row.pk for row in named.filter(phone__search=query)}
    first.name = "Mary"
    named.bulk_update([first], ["name", "phone", "tokens"])
    assert [*true_hits(named.filter(name__search="brien"), name="brien")] == []
    assert first in true_hits(named.filter(name__search="mary 2345"), name="mary 2345")
    assert named.filter(person__name__search="mary 2345").count() == 200
    for refused in (~Q(name__search="mary"), ~(Q(name__search="mary") & Q(pk=1)), ~Q(~Q(~Q(name__search="mary")))):
        with pytest.raises(FieldError, match="true_hits"):
            named.filter(refused).count()
    assert named.filter(~Q(~Q(name__search="smith"))).count() >= 200
    with pytest.raises(FieldError, match="needs PostgreSQL"), connection.schema_editor() as editor:
        editor.create_model(Called)
