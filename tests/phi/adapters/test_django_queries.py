"""What Django's queries and declarations may not do with an encrypted field, on a real database: SQLite in memory.

Touches memory only, and Django's settings of this process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from django.contrib import admin
from django.core.checks import Error
from django.core.exceptions import FieldError
from django.core.handlers.exception import convert_exception_to_response
from django.db import connection, models
from django.db.models import (
    Avg,
    Case,
    CheckConstraint,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    Index,
    Max,
    Min,
    OuterRef,
    Q,
    Subquery,
    UniqueConstraint,
    Value,
    When,
)
from django.db.models.expressions import Window
from django.db.models.functions import Cast, Coalesce, Concat, Length, Lower, RowNumber, Upper
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings

from eonpro_phi.adapters.django import EncryptedTextField
from eonpro_phi.adapters.django.checks import check_model, check_model_admin
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


def choice(result: Any) -> Case:
    return Case(When(visits__gte=0, then=result), default=Value(None))


WRITES: dict[str, Callable[[Any], object]] = {
    "a function": lambda all: all.update(email=Lower("phone")),
    "a function of itself": lambda all: all.update(email=Upper("email")),
    "a copy": lambda all: all.update(email=F("phone")),
    "a plain column": lambda all: all.update(email=F("city")),
    "a plain value": lambda all: all.update(email=Value(TEXT)),
    "a value of another key": lambda all: all.update(email=Value(TEXT, output_field=Person._meta.get_field("foreign"))),
    "a choice of columns": lambda all: all.update(email=choice(F("phone"))),
    "a choice of plain values": lambda all: all.update(email=choice(Value(TEXT))),
    "a concatenation": lambda all: all.update(email=Concat("email", Value(TEXT))),
    "a sum": lambda all: all.update(email=F("email") + Value(TEXT)),
    "a cast": lambda all: all.update(email=Cast("visits", models.TextField())),
    "a subquery": lambda all: all.update(email=Subquery(Person.objects.values("phone")[:1])),
    "a wrapper": lambda all: all.update(email=ExpressionWrapper(F("phone"), output_field=models.TextField())),
    "in bulk": lambda all: Person.objects.bulk_update(changed(all, F("phone")), ["email"]),
    "a function in bulk": lambda all: Person.objects.bulk_update(changed(all, Lower("phone")), ["email"]),
    "a row": lambda all: changed(all, Lower("phone"))[0].save(),
    "a new row": lambda all: Person.objects.create(email=Lower(Value(TEXT))),
    "new rows": lambda all: Person.objects.bulk_create([Person(email=Value(TEXT))]),
    "an update or a row": lambda all: Person.objects.update_or_create(pk=all[0].pk, defaults={"email": F("phone")}),
}


def changed(people: Any, value: Any) -> list[Any]:
    found = list(people)
    for person in found:
        person.email = value
    return found


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_an_expression_is_never_written_over_a_record(people: Any, write: Callable[[Any], object]) -> None:
    before = stored()
    with pytest.raises(FieldError, match="an expression would write") as caught:
        write(people)
    assert stored() == before
    assert TEXT not in str(caught.value) and "bulk_update()" in str(caught.value)


urlpatterns: list[Any] = []


def test_an_ordering_from_the_address_is_a_bad_request(caplog: pytest.LogCaptureFixture) -> None:
    def ordered(request: HttpRequest) -> HttpResponse:
        return HttpResponse([*Person.objects.order_by(request.GET["ordering"])])

    answer = convert_exception_to_response(ordered)
    with override_settings(ROOT_URLCONF=__name__):
        response = answer(RequestFactory().get("/", {"ordering": "email"}))
        with override_settings(DEBUG=True):
            explained = answer(RequestFactory().get("/", {"ordering": "-email"}))
    assert (response.status_code, explained.status_code) == (400, 400)
    assert "cannot be ordered by" in explained.content.decode() and "cannot be ordered by" in caplog.text


def test_an_ordering_of_a_rest_framework_is_answered_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("rest_framework.exceptions")

    class APIException(Exception):
        """As the framework's: its handler answers with `status_code` and `detail`."""

        status_code, detail = 500, ""

        def __init__(self, detail: str) -> None:
            self.detail = detail

    module.APIException = APIException  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(APIException) as caught:
        Person.objects.order_by("email").first()
    assert isinstance(caught.value, FieldError) and caught.value.status_code == 400
    assert caught.value.detail == str(caught.value) and "email" in caught.value.detail


ORDERINGS: dict[str, Callable[[Any], Any]] = {
    "the field": lambda all: all.order_by("email"),
    "descending": lambda all: all.order_by("city", "-email"),
    "F": lambda all: all.order_by(F("email").desc(nulls_last=True)),
    "a function": lambda all: all.order_by(Lower("email")),
    "an annotation": lambda all: all.annotate(mail=F("email")).order_by("mail"),
    "a relation": lambda all: Visit.objects.order_by("person__email"),
    "values": lambda all: all.values("email").order_by("email"),
    "another column's values": lambda all: all.values_list("city").order_by("email"),
    "only": lambda all: all.only("city").order_by("email"),
    "reverse": lambda all: all.order_by("email").reverse(),
    "a slice": lambda all: all.order_by("email")[:2],
    "a subquery": lambda all: Visit.objects.filter(person__in=Person.objects.order_by("email")[:1]),
    "an ordered count": lambda all: Visit.objects.order_by("person__email").annotate(n=Count("person__visits")),
}
GROUPINGS: dict[str, Callable[[Any], Any]] = {
    "distinct": lambda all: all.order_by().values("email").distinct(),
    "distinct of two": lambda all: all.order_by().values_list("city", "email").distinct(),
    "values and annotate": lambda all: all.order_by().values("email").annotate(n=Count("pk")),
    "a relation": lambda all: Visit.objects.values("person__email").annotate(n=Count("pk")),
    "a union": lambda all: all.order_by().values("email").union(Person.objects.values("email")),
    "an annotation": lambda all: all.order_by().annotate(m=F("email")).values("m").annotate(n=Count("pk")),
}
COMPUTATIONS: dict[str, Callable[[Any], Any]] = {
    "lower": lambda all: all.annotate(x=Lower("email")),
    "length": lambda all: all.annotate(x=Length("email")),
    "length of a relation": lambda all: Visit.objects.annotate(x=Length("person__email")),
    "max": lambda all: [all.aggregate(x=Max("email"))],
    "min of distinct rows": lambda all: [Person.objects.distinct().aggregate(x=Min("email"))],
    "max of a slice": lambda all: [all[:2].aggregate(x=Max("email"))],
    "an average": lambda all: [all.aggregate(x=Avg("email"))],
    "distinct values counted": lambda all: [all.aggregate(x=Count("email", distinct=True))],
    "grouped": lambda all: all.values("city").annotate(x=Max("email")),
    "a coalescence": lambda all: all.annotate(x=Coalesce("email", Value("none"))),
    "a concatenation": lambda all: all.annotate(x=Concat("email", "city")),
    "a plain column compared": lambda all: all.filter(city=F("email")),
    "a plain column compared in a negation": lambda all: all.exclude(city=F("email")),
    "a plain column in a choice": lambda all: all.filter(Q(visits=0) | Q(city__gt=F("email"))),
    "a relation compared": lambda all: Visit.objects.filter(place=F("person__email")),
    "a function compared": lambda all: all.annotate(n=Length("email")).filter(n__gt=3),
    "a window": lambda all: all.annotate(n=Window(RowNumber(), partition_by=F("email"))),
    "an order of a window": lambda all: all.annotate(n=Window(RowNumber(), order_by=F("email").asc())),
    "values of a function": lambda all: all.values(x=Lower("email")),
    "an alias": lambda all: all.alias(x=Lower("email")).filter(x="a@x"),
}


@pytest.mark.parametrize("query", ORDERINGS.values(), ids=ORDERINGS.keys())
def test_an_ordering_by_records_is_refused(people: Any, query: Callable[[Any], Any]) -> None:
    with pytest.raises(FieldError, match="cannot be ordered by") as caught:
        list(query(people))
    assert "sorted(rows" in str(caught.value)


@pytest.mark.parametrize("query", GROUPINGS.values(), ids=GROUPINGS.keys())
def test_a_grouping_of_records_is_refused(people: Any, query: Callable[[Any], Any]) -> None:
    with pytest.raises(FieldError, match="cannot be grouped by or made distinct") as caught:
        list(query(people))
    assert "collections.Counter" in str(caught.value)


@pytest.mark.parametrize("query", COMPUTATIONS.values(), ids=COMPUTATIONS.keys())
def test_a_computation_with_a_record_is_refused(people: Any, query: Callable[[Any], Any]) -> None:
    with pytest.raises(FieldError, match=r"(works on its record|by None or isnull only)"):
        list(query(people))


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


def emails() -> Any:
    return Person.objects.values("email")


ALLOWED: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "read": (lambda all: [person.email for person in all], ["b@x", "a@x", "c@x"]),
    "values": (lambda all: list(all.values("email"))[0], {"email": "b@x"}),
    "values of an annotation": (lambda all: list(all.values_list(F("email"), flat=True))[1], "a@x"),
    "an annotation": (lambda all: all.annotate(mail=F("email"))[0].mail, "b@x"),
    "a relation": (lambda all: Visit.objects.values_list("person__email", flat=True)[0], "b@x"),
    "select_related": (lambda all: Visit.objects.select_related("person")[0].person.email, "b@x"),
    "prefetch_related": (lambda all: Visit.objects.prefetch_related("person")[0].person.email, "b@x"),
    "defer": (lambda all: all.defer("email")[0].email, "b@x"),
    "only": (lambda all: all.only("email")[0].email, "b@x"),
    "empty": (lambda all: all.filter(email=None).count(), 0),
    "isnull": (lambda all: all.filter(email__isnull=False, city="Wien").count(), 3),
    "empty in a relation": (lambda all: Visit.objects.filter(person__email__isnull=False).count(), 1),
    "a count": (lambda all: all.aggregate(n=Count("email"))["n"], 3),
    "a count of rows": (lambda all: all.annotate(n=Count("visits"))[0].n, 1),
    "a count of rows with the text": (
        lambda all: Visit.objects.select_related("person").annotate(n=Count("person__visits"))[0].person.email,
        "b@x",
    ),
    "distinct rows": (lambda all: len(all.filter(city="Wien").distinct()), 3),
    "distinct texts of rows": (lambda all: len(all.values("pk", "email").distinct()), 3),
    "a union of rows": (lambda all: len(Person.objects.all().union(Person.objects.filter(city="Wien"))), 3),
    "all of a union": (
        lambda all: len(Person.objects.values("email").union(all.order_by().values("email"), all=True)),
        6,
    ),
    "a subquery": (
        lambda all: (
            Visit.objects.annotate(m=Subquery(Person.objects.filter(pk=OuterRef("person")).values("email")))[0].m
        ),
        "b@x",
    ),
    "exists": (lambda all: all.filter(Exists(Visit.objects.filter(person=OuterRef("pk")))).get().email, "b@x"),
    "a condition": (
        lambda all: list(all.annotate(x=Case(When(email__isnull=True, then=0), default=1)).values_list("x", flat=True)),
        [1, 1, 1],
    ),
    "ordering by another column": (lambda all: all.order_by("city", "pk")[1].email, "a@x"),
    "an iterator": (lambda all: [person.phone for person in all.iterator()], ["1", "1", "1"]),
    "get_or_create": (lambda all: Person.objects.get_or_create(city="Linz", defaults={"email": "d"})[0].email, "d"),
    "raw": (lambda all: [p.email for p in Person.objects.raw("SELECT * FROM clinic_person ORDER BY id")][2], "c@x"),
    "in_bulk": (lambda all: sorted(p.email or "" for p in Person.objects.in_bulk().values()), ["a@x", "b@x", "c@x"]),
    "a deletion": (
        lambda all: (
            Visit.objects.filter(person__email__isnull=False).delete()[0]
            + Person.objects.filter(email__isnull=False).delete()[0]
        ),
        4,
    ),
}


@pytest.mark.parametrize(("query", "result"), ALLOWED.values(), ids=ALLOWED.keys())
def test_what_reads_records_or_asks_whether_there_is_one_works(people: Any, query: Any, result: Any) -> None:
    assert query(people) == result


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
            ordering = ("born", F("other").desc())
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
        ("phi.E003", "Declared"),
        ("phi.E004", "Declared"),
        ("phi.E005", "Declared"),
    }
    assert sum(error.id == "phi.E005" for error in check_model(Declared)) == 3
    assert sum(error.id == "phi.E004" for error in check_model(Declared)) == 3


def test_a_model_that_orders_over_a_relation_is_found_and_a_condition_on_null_is_none() -> None:
    condition = "condition" if "condition" in CheckConstraint.__init__.__code__.co_varnames else "check"

    class Related(models.Model):  # type: ignore[misc]
        person = models.ForeignKey(Person, on_delete=models.CASCADE)
        note = EncryptedTextField(null=True)

        class Meta:
            app_label = "clinic"
            ordering = ("person__email",)
            constraints = (
                CheckConstraint(**{condition: Q(note__isnull=False)}, name="note_is_there"),
                CheckConstraint(**{condition: Q(note__gt="a")}, name="note_is_late"),
                UniqueConstraint(fields=["person"], condition=Q(note__isnull=True), name="one_empty"),
            )

    found = list(check_model(Related))
    assert [(error.id, "note_is_late" in error.msg) for error in found] == [("phi.E003", False), ("phi.E005", True)]
    assert list(check_model(Person)) == list(check_model(Visit)) == []


def test_what_an_admin_declares_that_would_fail_at_its_first_use_is_found() -> None:
    class PersonAdmin(admin.ModelAdmin):  # type: ignore[misc]
        list_display = ("city", "email")
        search_fields = ("city", "^email", "phone__exact")
        list_filter = ("city", "email", ("phone", admin.EmptyFieldListFilter))
        ordering = ("-email",)
        date_hierarchy = "email"

    class VisitAdmin(admin.ModelAdmin):  # type: ignore[misc]
        list_display = ("person", "place")
        search_fields = ("=person__email",)
        ordering = ("person__phone",)

    class Good(admin.ModelAdmin):  # type: ignore[misc]
        list_display = ("city", "email")
        sortable_by = ("city",)
        search_fields = ("city",)
        ordering = ("city",)

    def ids(model: Any, kind: Any) -> list[str]:
        return sorted(str(error.id) for error in check_model_admin(model, kind(model, admin.AdminSite())))

    assert ids(Person, PersonAdmin) == [
        *("phi.E006", "phi.E006", "phi.E007", "phi.E007", "phi.E008", "phi.E009", "phi.W001")
    ]
    assert ids(Visit, VisitAdmin) == ["phi.E006", "phi.E008"]
    assert ids(Person, Good) == []


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
    [warning] = check_model_admin(Named, admin.ModelAdmin(Named, admin.AdminSite()))
    assert warning.id == "phi.W002" and "reads email: the admin's log" in warning.msg
    assert "Patient" not in warning.msg and 'f"Named {self.pk}"' in warning.hint
    assert [*check_model_admin(Numbered, admin.ModelAdmin(Numbered, admin.AdminSite()))] == []


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
