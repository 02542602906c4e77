"""Search fields for Django: in step with their sources in every kind of write, lookups, refusals. SQLite, PostgreSQL.

Touches memory, Django's settings of this process, and a database server of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.core.exceptions import FieldError
from django.db import connection, connections, models
from django.db.models import Case, F, Q, When

from phi import CachedKey, PhiFields
from phi.adapters.django import EncryptedTextField, ExactSearchField, InClinic, WordSearchField, true_hits
from phi.adapters.django.checks import check_model_admin
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


class Named(models.Model):  # type: ignore[misc]
    name = EncryptedTextField(null=True, fields=searchable)
    phone = EncryptedTextField(null=True, fields=searchable)
    person = models.ForeignKey("self", null=True, on_delete=models.CASCADE)
    tokens = WordSearchField("name", "phone", bits=8)

    class Meta:
        app_label = "clinic"
        db_table = "named"


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


@pytest.mark.parametrize(
    "lookup",
    [
        {"email": F("phone")},
        {"email__in": Contact.objects.values("email")},
        {"email__iexact": "x"},
        {"email__contains": "x"},
        {"email__gt": "x"},
        {"email__search": "x"},
    ],
    ids=lambda lookup: next(iter(lookup)),
)
def test_other_lookups_are_refused_still(lookup: dict[str, Any]) -> None:
    with pytest.raises(FieldError):
        Contact.objects.filter(**lookup).count()


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


def test_the_admin_may_search_by_what_the_model_can_look_up() -> None:
    def errors(*search_fields: str) -> list[str]:
        options = type("Options", (admin.ModelAdmin,), {"search_fields": search_fields, "sortable_by": ()})
        return [str(each.id) for each in check_model_admin(Contact, options(Contact, admin.AdminSite()))]

    assert errors("email__exact") == []
    assert errors("email", "=email__exact", "email__icontains", "email__search") == ["phi.E006"] * 4


@pytest.fixture
def postgresql(server: Server) -> Iterator[str]:
    """The name of Django's connection to the server, with the table."""
    connections["postgresql"].settings_dict["HOST"] = str(server.folder)
    with connections["postgresql"].schema_editor() as editor:
        editor.create_model(Named)
    yield "postgresql"
    with connections["postgresql"].schema_editor() as editor:
        editor.delete_model(Named)
    connections["postgresql"].close()


@pytest.mark.needs("postgresql")
def test_words_are_found_and_stay_in_step_in_postgresql(postgresql: str) -> None:
    named = Named.objects.using(postgresql)
    first = named.create(name="Jöhn O'Brien", phone="+1 (555) 010-2345")
    named.bulk_create([Named(name=f"Mary Smith {n}", phone=f"555 030 {n:04}", person=first) for n in range(200)])
    for query, expected in {"jo": 1, "obri 2345": 1, "MARY smi": 200, "mary 0007": 1, "zzz": 0, "--": 0}.items():
        hits = [*named.filter(name__search=query)]
        true = [*true_hits(hits, name=query)]
        assert (len(true), len(hits) >= len(true)) == (expected, True)
        assert {row.pk for row in true} <= {row.pk for row in named.filter(phone__search=query)}
    first.name = "Mary"
    named.bulk_update([first], ["name", "tokens"])
    assert [*true_hits(named.filter(name__search="brien"), name="brien")] == []
    assert first in true_hits(named.filter(name__search="mary 2345"), name="mary 2345")
    assert named.filter(person__name__search="mary 2345").count() == 200
    for refused in (~Q(name__search="mary"), ~(Q(name__search="mary") & Q(pk=1)), ~Q(~Q(~Q(name__search="mary")))):
        with pytest.raises(FieldError, match="true_hits"):
            named.filter(refused).count()
    assert named.filter(~Q(~Q(name__search="smith"))).count() >= 200
    with pytest.raises(FieldError, match="needs PostgreSQL"), connection.schema_editor() as editor:
        editor.create_model(Named)
