"""How Django writes fields that are encrypted for their row: no statement parts a record from it. SQLite, PostgreSQL.

Touches memory, Django's settings of this process, and a database server of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.core import serializers
from django.core.exceptions import FieldError
from django.db import DatabaseError, connection, models
from django.db.models import Case, F, Q, Value, When
from django.forms import model_to_dict

from eonpro_phi.adapters.django import InClinic, true_hits
from tests.phi.adapters.row_models import (
    ALL,
    Member,
    Record,
    Regular,
    Searched,
    member,
    sql,
    text_of,
    values,
)
from tests.phi.adapters.row_models import database as database  # a fixture of every test here


def test_a_row_that_changes_its_tenant_is_encrypted_again_by_that_save() -> None:
    row = member(email="jane@example.org", phone="+1", note="n")
    row.clinic_id = 8
    row.save()
    assert (text_of(8), Member.objects.get().phone) == ("jane@example.org", "+1")
    row.clinic_id = 9
    row.save(update_fields=["clinic_id", "email", "phone"])
    assert (text_of(9), Member.objects.get().phone) == ("jane@example.org", "+1")
    row.clinic_id = 10
    Member.objects.bulk_update([row], ["clinic_id", "email", "phone"])
    assert (text_of(10), Member.objects.get().phone) == ("jane@example.org", "+1")
    row = Member(number="1", clinic_id=12, email="joe@example.org", phone="+2")
    Member.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["number"], update_fields=["clinic_id", "email", "phone"]
    )
    assert (text_of(12), Member.objects.get().phone) == ("joe@example.org", "+2")


def moved(**options: Any) -> Callable[[], object]:
    def save() -> None:
        row = Member.objects.get(pk="1")
        row.clinic_id, row.email = 8, "joe@example.org"
        row.save(**options)

    return save


def upsert(**options: Any) -> Callable[[], object]:
    row = Member(number="1", clinic_id=8, email="joe@example.org", ssn=1)
    return lambda: Member.objects.bulk_create([row], update_conflicts=True, **options)


PARTED: dict[str, Callable[[], object]] = {
    "save of the tenant": moved(update_fields=["clinic_id"]),
    "save of the tenant and one field": moved(update_fields=["clinic_id", "email"]),
    "update of the tenant": lambda: Member.objects.update(clinic_id=8),
    "update of the key": lambda: Member.objects.filter(pk="1").update(number="2"),
    "tenants in bulk": lambda: Member.objects.bulk_update([Member(number="1", clinic_id=8)], ["clinic_id"]),
    "texts in bulk": lambda: Member.objects.bulk_update([Member(number="1", clinic_id=8, email="x")], ["email"]),
    "update or create": lambda: Member.objects.update_or_create(number="1", defaults={"clinic_id": 8}),
    "an upsert of the tenant": upsert(unique_fields=["number"], update_fields=["clinic_id"]),
    "an upsert of the text": upsert(unique_fields=["number"], update_fields=["email"]),
    "an upsert by another key": upsert(unique_fields=["ssn"], update_fields=["email", "phone", "clinic_id"]),
    "an update": lambda: Member.objects.filter(pk="1", clinic_id=7).update(email="x"),
    "an update of both": lambda: Member.objects.update(email="x", phone="x", clinic_id=8),
    "a choice without a row": lambda: Member.objects.update(
        note=Case(When(city="Wien", then=Value("x", Member._meta.get_field("note"))))
    ),
    "a choice of another row": lambda: Member.objects.update(
        note=Case(When(~Q(pk="1"), then=Value("x", Member._meta.get_field("note"))))
    ),
    "a default for every row": lambda: Member.objects.update(
        note=Case(When(pk="2", then=None), default=Value("x", Member._meta.get_field("note")))
    ),
    "a value": lambda: Member.objects.update(note=Value("x", Member._meta.get_field("note"))),
    "a copy": lambda: Member.objects.update(note=F("note")),
}


@pytest.mark.parametrize("write", PARTED.values(), ids=PARTED.keys())
def test_a_statement_that_would_part_a_record_from_its_row_is_refused(write: Callable[[], object]) -> None:
    row = member(email="jane@example.org", phone="+1", note="n", ssn=1)
    with pytest.raises(FieldError):
        write()
    found = Member.objects.get()
    assert model_to_dict(found) == model_to_dict(row)


def test_the_refusals_say_what_to_do() -> None:
    member(email="jane@example.org", phone="+1")
    for write, words in {
        "update of the tenant": r"email, phone would stay .* former clinic_id.*the rows, then save\(\)",
        "update of the key": "email, note would stay .* former number",
        "texts in bulk": "name clinic_id too",
        "an update": r"Read the rows, assign the texts, then save\(\)",
        "an upsert by another key": r"unique_fields=\['number'\]",
    }.items():
        with pytest.raises(FieldError, match=words):
            PARTED[write]()


def test_a_partial_save_is_of_a_row_that_still_has_its_tenant() -> None:
    row = member(email="jane@example.org", phone="+1")
    row.email = "joe@example.org"
    row.save(update_fields=["email"])
    assert (text_of(), Member.objects.get().phone) == ("joe@example.org", "+1")
    row.clinic_id = 8
    with pytest.raises(DatabaseError):  # the row has another tenant, in which nobody would read the text
        row.save(update_fields=["email"])
    partial = Member.objects.only("email").get()
    partial.email = "jim@example.org"
    partial.save()
    assert text_of() == "jim@example.org"
    partial = Member.objects.defer("phone").get()
    partial.city, partial.email = "Graz", "jill@example.org"
    partial.save()
    assert (text_of(), Member.objects.get().city, Member.objects.get().phone) == ("jill@example.org", "Graz", "+1")
    partial = Member.objects.defer("email").get()
    partial.clinic_id, partial.city = 8, "Linz"
    with pytest.raises(DatabaseError):
        partial.save()
    assert (Member.objects.get().city, text_of()) == ("Graz", "jill@example.org")


def test_an_instance_that_missed_a_change_of_the_tenant_writes_nothing_that_nobody_reads() -> None:
    member(email="jane@example.org")
    stale, partial = Member.objects.get(), Member.objects.defer("email").get()
    current = Member.objects.get()
    current.clinic_id = 8
    current.save()
    for write in (lambda: stale.save(update_fields=["email"]), partial.save):
        with pytest.raises(DatabaseError):
            write()
    assert text_of(8) == "jane@example.org"
    stale.save()
    assert text_of(7) == "jane@example.org"


def test_a_write_of_other_fields_leaves_the_records_as_they_are() -> None:
    row = member(email="jane@example.org", phone="+1", ssn=1)
    before = sql("select email, phone from rows_member")
    Member.objects.update_or_create(number="1", defaults={"city": "Graz"})
    Member.objects.filter(clinic_id=7).update(city="Linz")
    row.save(update_fields=["city", "ssn"])
    Member.objects.bulk_update([row], ["city"])
    Member.objects.bulk_create(
        [Member(number="2", clinic_id=8, ssn=1, city="Ried", email="x")],
        update_conflicts=True,
        unique_fields=["ssn"],
        update_fields=["city"],
    )
    assert (Member.objects.get().city, sql("select email, phone from rows_member")) == ("Ried", before)
    Member.objects.update_or_create(number="1", defaults={"email": "joe@example.org"})
    assert text_of() == "joe@example.org"


def test_rows_are_changed_in_bulk() -> None:
    rows = [member(str(n), 7 + n % 2, email=f"{n}@example.org", phone=f"+{n}", note=f"n{n}") for n in range(1, 6)]
    for row in rows:
        row.email, row.note = None if row.number == "3" else f"new{row.number}@example.org", f"new {row.number}"
    assert Member.objects.bulk_update(rows, ["email", "phone", "note", "clinic_id", "city"], batch_size=2) == 5
    assert [text_of(7 + n % 2, str(n)) for n in (1, 2, 4, 5)] == [f"new{n}@example.org" for n in (1, 2, 4, 5)]
    wanted = [(row.email, row.phone, row.note) for row in rows]
    assert [*Member.objects.order_by("number").values_list("email", "phone", "note")] == wanted
    assert wanted[2] == (None, "+3", "new 3")
    Member.objects.bulk_update(rows, ["note"])
    Member.objects.update(note=None)
    assert {*Member.objects.values_list("note", flat=True)} == {None}
    records = [*Record.objects.bulk_create([Record(clinic_id=n, **ALL) for n in (7, 8)])]
    Record.objects.bulk_update(records, [*ALL, "clinic"])
    assert [values(each) for each in Record.objects.all()] == [ALL, ALL]
    regular = Regular.objects.create(number="6", clinic_id=7)
    regular.since, regular.email = date(2020, 1, 1), "6@example.org"
    Regular.objects.bulk_update([regular], ["since", "email", "phone", "clinic_id"])
    assert (Regular.objects.get().since, text_of(7, "6")) == (date(2020, 1, 1), "6@example.org")


def test_a_copy_of_a_row_is_encrypted_for_the_copy() -> None:
    row = member(email="jane@example.org", note="n")
    row.pk, row.clinic_id, row._state.adding = "2", 8, True
    row.save()
    assert (text_of(), text_of(8, "2")) == ("jane@example.org", "jane@example.org")
    row.pk = "3"
    row.save()
    assert [each.note for each in Member.objects.order_by("number")] == ["n", "n", "n"]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ({"clinic_id": None}, "clinic_id is None"),
        ({"clinic_id": Value(7)}, "clinic_id is not known"),
    ],
)
def test_a_row_without_a_tenant_or_a_key_is_refused_and_nothing_is_written(key: dict[str, Any], words: str) -> None:
    row = Member(**{"number": "1", "clinic_id": 7, "email": "jane@example.org", **key})
    for write in (row.save, lambda: Member.objects.bulk_create([row])):
        with pytest.raises(FieldError, match=words) as caught:
            write()
        assert "jane" not in str(caught.value)
    assert Member.objects.count() == 0


def test_what_is_empty_is_null_and_what_is_not_is_a_record() -> None:
    member(email="", phone=None)
    assert sql("select email, phone from rows_member") == [(None, None)]
    Member.objects.update(email=None)
    empty = {"answers_both": "", "visits_both": 0, "scan_both": b"", "email_both": ""}
    Record.objects.create(clinic_id=7, **empty)
    found = Record.objects.values(*empty).get()
    assert found == {"answers_both": "", "visits_both": 0, "scan_both": None, "email_both": None}


@pytest.mark.parametrize("form", ["json", "xml", "jsonl"])
def test_fixtures_are_loaded_for_their_rows(form: str) -> None:
    Regular.objects.create(number="1", clinic_id=7, email="jane@example.org", note="n", since=date(2020, 1, 1))
    document = serializers.serialize(form, [*Member.objects.all(), *Regular.objects.all()])
    for _ in range(2):  # into a row that exists, then into none
        for loaded in serializers.deserialize(form, document):
            loaded.save()
            assert loaded.object.email == ("jane@example.org" if type(loaded.object) is Member else None)
        assert (text_of(), Member.objects.get().note) == ("jane@example.org", "n")
        assert Regular.objects.get().since == date(2020, 1, 1)
        Member.objects.all().delete()


def test_search_fields_and_a_plain_column_follow_a_field_of_the_row() -> None:
    rows = Searched.objects.bulk_create([Searched(clinic_id=n, email="jane@example.org") for n in (7, 8)])
    hits = Searched.objects.filter(email=InClinic(7, "JANE@example.org"))
    assert [*true_hits(hits, email=InClinic(7, "jane@example.org"))] == rows[:1]
    rows[0].email, rows[1].clinic_id = "joe@example.org", 9
    Searched.objects.bulk_update(rows, ["email", "email_search", "email_plain", "clinic_id"])
    assert Searched.objects.get(email=InClinic(7, "joe@example.org")) == rows[0]
    assert Searched.objects.get(email=InClinic(9, "jane@example.org")) == rows[1]
    writes: list[Callable[[], object]] = [
        lambda: rows[0].save(update_fields=["email"]),
        lambda: Searched.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["id"], update_fields=["email", "clinic_id"]
        ),
    ]
    for write in writes:
        with pytest.raises(FieldError, match="email_(search|plain)"):
            write()
    document = serializers.serialize("json", Searched.objects.all())
    Searched.objects.all().delete()
    for loaded in serializers.deserialize("json", document):
        loaded.save()
    assert Searched.objects.get(email=InClinic(7, "joe@example.org")) == rows[0]
    sql("update rows_searched set email = null, email_plain = 'old@example.org' where clinic_id = 7")
    assert Searched.objects.get(clinic_id=7).email == "old@example.org"


def test_a_table_that_is_made_again_and_a_key_that_is_copied_keep_what_they_ask() -> None:
    member(email="jane@example.org")
    with connection.schema_editor() as editor:
        # SQLite makes a new table of copied fields.
        old, new = Member._meta.get_field("city"), models.TextField(default="Graz", null=True)
        new.set_attributes_from_name("city")
        new.model = Member
        editor.alter_field(Member, old, new, strict=True)
    assert Member.objects.get().email == "jane@example.org"
    with pytest.raises(FieldError, match="email, phone would stay"):
        Member.objects.update(clinic_id=8)
