"""The operations of Django's documentation on a clinic's models: each is right, or is refused in words.

After each of them the database and the log of SQL hold no text, every row reads back, and each search finds the rows
with that text and no others. Touches Django's settings of this process, and a database server of its own.
"""

# What an operation returns is not asked, only what is true after it.
# mypy: disable-error-code="func-returns-value"

from __future__ import annotations

import copy
import io
import json
import pickle
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.phi.adapters import django_settings as django_settings  # isort: skip
from asgiref.sync import async_to_sync
from django import forms
from django.apps import AppConfig, apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.postgres.aggregates import ArrayAgg
from django.core import serializers
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.core.paginator import Paginator
from django.db import DatabaseError, connection, connections, models, transaction
from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    FilteredRelation,
    Max,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    Value,
    When,
    Window,
)
from django.db.models import functions as fn
from django.db.models.signals import post_save, pre_save
from django.shortcuts import get_object_or_404
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import path
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.serializers import ModelSerializer
from rest_framework.test import APIRequestFactory
from rest_framework.viewsets import ModelViewSet

from eonpro_phi import CachedKey, PhiFields
from eonpro_phi.adapters.django import (
    EncryptedBinaryField,
    EncryptedDateField,
    EncryptedDecimalField,
    EncryptedIntegerField,
    EncryptedJSONField,
    EncryptedTextField,
    ExactSearchField,
    InClinic,
    WordSearchField,
    true_hits,
)
from tests.phi.key_sources import CountingSource
from tests.phi.reencryption.patients import OLD
from tests.phi.reencryption.postgres import Server

pytestmark = [pytest.mark.needs("postgresql"), pytest.mark.thorough]

FIELDS = PhiFields(CachedKey(CountingSource(OLD)))
SHOWN = re.compile(r"(?i)zz\w* zz|zz\w*@|zz-|\b19\d\d-\d\d-\d\d|555 010|5550102")
"""What every text of these tests has, and no record: a character that is not of base64."""


def fields() -> PhiFields:
    return FIELDS


class Clinic(models.Model):  # type: ignore[misc]  # Django comes without types
    name = models.TextField()

    class Meta:
        app_label = "operations"


class Tag(models.Model):  # type: ignore[misc]
    name = models.TextField(unique=True)

    class Meta:
        app_label = "operations"


class Person(models.Model):  # type: ignore[misc]
    name = EncryptedTextField(null=True, blank=True, fields=fields)
    email = EncryptedTextField(null=True, blank=True, fields=fields)
    phone = EncryptedTextField(null=True, blank=True, fields=fields)
    dob = EncryptedDateField(null=True, blank=True, fields=fields)
    visits = EncryptedIntegerField(null=True, blank=True, fields=fields)
    weight = EncryptedDecimalField(null=True, blank=True, max_digits=6, decimal_places=2, fields=fields)
    answers = EncryptedJSONField(null=True, blank=True, fields=fields)
    scan = EncryptedBinaryField(null=True, blank=True, fields=fields)
    email_search = ExactSearchField("email", rule="email")
    dob_search = ExactSearchField("dob", rule="date")
    tokens = WordSearchField("name", "phone")

    class Meta:
        abstract = True


class Patient(Person):
    clinic = models.ForeignKey(Clinic, null=True, blank=True, on_delete=models.CASCADE, related_name="patients")
    city = models.TextField(default="Wien")
    number = models.IntegerField(unique=True)
    tags = models.ManyToManyField(Tag, blank=True)

    class Meta:
        app_label = "operations"
        ordering = ("number",)


class Inpatient(Patient):
    """Inherits by a table of its own."""

    ward = EncryptedTextField(null=True, fields=fields)

    class Meta:
        app_label = "operations"


class Known(Patient):
    class Meta:
        proxy = True
        app_label = "operations"


class Chart(models.Model):  # type: ignore[misc]
    """Each record is bound to its row, under the key of its clinic."""

    id = models.UUIDField(primary_key=True)
    clinic = models.ForeignKey(Clinic, on_delete=models.CASCADE)
    patient = models.ForeignKey(Patient, null=True, on_delete=models.SET_NULL, related_name="charts")
    note = EncryptedTextField(null=True, blank=True, fields=fields, bound="row", tenant="clinic_id")
    mail = EncryptedTextField(null=True, blank=True, fields=fields, bound="row", tenant="clinic_id")
    open = models.BooleanField(default=True)
    mail_search = ExactSearchField("mail", rule="email", clinic="clinic_id")

    class Meta:
        app_label = "operations"


class OperationsApp(AppConfig):  # type: ignore[misc]
    name = "tests.phi.adapters"
    label = "operations"
    path = str(Path(__file__).parent)

    def import_models(self) -> None:
        super().import_models()
        self.models_module = sys.modules[__name__]


MODELS = (Clinic, Tag, Patient, Inpatient, Chart)
A, B = UUID(int=1), UUID(int=2)
INSTALLED = ["auth", "contenttypes", "sessions", "messages", "admin"]


class PatientForm(forms.ModelForm):  # type: ignore[misc]
    class Meta:
        model = Patient
        fields = ("number", "name", "email", "dob", "visits", "weight", "answers", "city")


class PatientAdmin(admin.ModelAdmin):  # type: ignore[misc]
    list_display = ("number", "name", "email")
    search_fields = ("name__search", "email__exact")
    sortable_by = ("number",)
    list_editable = ("email",)


urlpatterns: list[Any] = []


class PatientSerializer(ModelSerializer):  # type: ignore[misc]
    class Meta:
        model = Patient
        fields = "__all__"


class Patients(ModelViewSet):  # type: ignore[misc]
    queryset = Patient.objects.all()
    serializer_class = PatientSerializer
    authentication_classes = permission_classes = ()
    filter_backends = (DjangoFilterBackend, OrderingFilter, SearchFilter)
    filterset_fields = {"email": ["exact", "in"], "dob": ["exact"], "number": ["gt"]}
    ordering_fields = "__all__"
    search_fields = ("name__search", "email__exact")


def api(method: str, query: str = "", pk: int | None = None, **data: Any) -> Any:
    """The status and the names of an answer of Django REST framework."""
    view = Patients.as_view(
        {"get": "list", "post": "create", "put": "update", "patch": "partial_update", "delete": "destroy"}
    )
    answer = view(getattr(APIRequestFactory(), method)(f"/{query}", data, format="json"), pk=pk)
    found = answer.data if isinstance(answer.data, list) else [answer.data]
    return answer.status_code, [each["name"] if "name" in (each or ()) else each for each in found]


@pytest.fixture(scope="module", autouse=True)
def database(server: Server) -> Iterator[None]:
    """The tables of the models and of Django's own applications."""
    before = connections["default"]
    connections["postgresql"].settings_dict["HOST"] = str(server.folder)
    connections["default"] = connections["postgresql"]
    middleware = ["sessions.middleware.SessionMiddleware", "auth.middleware.AuthenticationMiddleware"]
    backend = "django.template.backends.django.DjangoTemplates"
    processors = ["django.contrib.auth.context_processors.auth", "django.contrib.messages.context_processors.messages"]
    with override_settings(
        INSTALLED_APPS=[f"django.contrib.{each}" for each in INSTALLED] + [f"{__name__}.OperationsApp"],
        MIDDLEWARE=[f"django.contrib.{each}" for each in (*middleware, "messages.middleware.MessageMiddleware")],
        TEMPLATES=[{"BACKEND": backend, "APP_DIRS": True, "OPTIONS": {"context_processors": processors}}],
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        STATIC_URL="/static/",
    ):
        apps.clear_cache()
        call_command("migrate", verbosity=0)
        site = admin.AdminSite()
        site.register(Patient, PatientAdmin)
        site.register(Known, type("KnownAdmin", (admin.ModelAdmin,), {"list_display": ("number", "email")}))
        site.register(Chart, type("ChartAdmin", (admin.ModelAdmin,), {"search_fields": ("mail__exact",)}))
        urlpatterns[:] = [path("admin/", site.urls)]
        with connection.schema_editor() as editor:
            for model in MODELS:
                editor.create_model(model)
        get_user_model().objects.create_superuser("ada", password="of these tests")
        try:
            yield
        finally:
            connections["default"] = before
            connections["postgresql"].close()


@pytest.fixture(autouse=True)
def rows(database: None) -> None:
    """Three patients of two clinics, one of them an inpatient."""
    sql(f"truncate {', '.join(model._meta.db_table for model in MODELS)}, django_admin_log restart identity cascade")
    Clinic.objects.bulk_create([Clinic(pk=7, name="Praxis"), Clinic(pk=8, name="Ward")])
    Patient.objects.create(
        **{"number": 1, "clinic_id": 7, "name": "Zzana Zzovak", "email": "zzana@x.org", "phone": "+1 555 010 2345"},
        **{"dob": date(1980, 1, 31), "visits": 3, "answers": {"q": "zz-yes"}, "scan": b"zz-%PDF", "weight": "71.50"},
    )
    Patient.objects.create(number=2, clinic_id=7, name="Zzbob Zzeller", email="zzbob@x.org", dob=date(1990, 2, 1))
    Inpatient.objects.create(number=3, clinic_id=8, name="Zzeva Zzana", ward="zz-ward", city="Linz")
    Chart.objects.create(pk=A, clinic_id=7, patient_id=1, note="zz-ulna", mail="zzana@x.org")
    Chart.objects.create(pk=B, clinic_id=8, patient_id=2, note="zz-well", mail="zzbob@x.org")


def sql(statement: str, *arguments: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return [*cursor.fetchall()] if cursor.description else []


def dump() -> dict[str, list[str]]:
    """Every row of every table, as text."""
    tables = sql(
        "select quote_ident(relname) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    return {name: sorted(str(row) for (row,) in sql(f"select t::text from {name} t")) for (name,) in tables}


def require_sound() -> None:
    """No text in the database; every row reads back; every search finds what it should."""
    shown = [(name, row) for name, rows in dump().items() for row in rows if SHOWN.search(row)]
    assert not shown
    # Bytes are in hex digits there.
    assert sql(
        "select count(*) from operations_patient where scan is not null and position('%%PDF'::bytea in scan) > 0"
    ) == [(0,)]
    people, charts = [*Patient.objects.all()], [*Chart.objects.all()]
    for person in people:
        same = {each.pk for each in people if each.email == person.email}
        if person.email:
            assert {each.pk for each in Patient.objects.filter(email=person.email)} == same
        if person.dob:
            assert person in Patient.objects.filter(dob=person.dob)
        for word in (person.name or "").split():
            wanted = {each.pk for each in people if any(part.startswith(word) for part in (each.name or "").split())}
            assert {each.pk for each in true_hits(Patient.objects.filter(name__search=word), name=word)} == wanted
    for chart in charts:
        if chart.mail:
            assert chart in Chart.objects.filter(mail=InClinic(chart.clinic_id, chart.mail))
    stored = sql("select tokens, email_search, dob_search from operations_patient order by id")
    fresh = [(p.tokens, p.email_search, p.dob_search) for p in sorted(people, key=lambda each: each.pk)]
    assert [(sorted(tokens or ()), *rest) for tokens, *rest in stored] == [(sorted(t), *rest) for t, *rest in fresh]


def names(manager: Any = Patient.objects) -> list[str | None]:
    return [*manager.values_list("name", flat=True)]


def notes() -> list[str | None]:
    return [*Chart.objects.order_by("pk").values_list("note", flat=True)]


def ana() -> Any:
    return Patient.objects.get(number=1)


def changed(row: Any, **values: Any) -> Any:
    for name, value in values.items():
        setattr(row, name, value)
    return row


def then(_: object, result: Callable[[], Any]) -> Any:
    """What is true after a write."""
    return result()


NAMES = ["Zzana Zzovak", "Zzbob Zzeller", "Zzeva Zzana"]
NEW = ["Zzora Zznew", *NAMES[1:]]

READS: dict[str, tuple[Callable[[], Any], Any]] = {
    "all": (lambda: [each.name for each in Patient.objects.all()], NAMES),
    "get": (lambda: ana().email, "zzana@x.org"),
    "get by text": (lambda: Patient.objects.get(email="ZZANA@x.org").number, 1),
    "get by a date": (lambda: Patient.objects.get(dob=date(1980, 1, 31)).number, 1),
    "get of none": (lambda: raised(Patient.DoesNotExist, lambda: Patient.objects.get(email="zz@x")), True),
    "filter by texts": (lambda: Patient.objects.filter(email__in=["zzana@x.org", "zzbob@x.org"]).count(), 2),
    "filter by none": (lambda: Patient.objects.filter(email=None).count(), 1),
    "isnull": (lambda: names(Patient.objects.filter(email__isnull=True)), NAMES[2:]),
    "exclude by text": (lambda: names(Patient.objects.exclude(email="zzana@x.org")), NAMES[1:]),
    "Q or": (lambda: names(Patient.objects.filter(Q(email="zzana@x.org") | Q(city="Linz"))), [NAMES[0], NAMES[2]]),
    "Q not": (lambda: names(Patient.objects.filter(~Q(email="zzana@x.org"))), NAMES[1:]),
    "Q xor": (lambda: names(Patient.objects.filter(Q(email="zzana@x.org") ^ Q(city="Wien"))), NAMES[1:2]),
    "search": (lambda: names(Patient.objects.filter(name__search="zzova")), NAMES[:1]),
    "search a phone number": (lambda: names(Patient.objects.filter(phone__search="2345")), NAMES[:1]),
    "search over a relation": (lambda: Chart.objects.filter(patient__name__search="zzbob").get().note, "zz-well"),
    "text over a relation": (lambda: Chart.objects.filter(patient__email="zzana@x.org").get().note, "zz-ulna"),
    "text over a reverse relation": (
        lambda: names(Patient.objects.filter(charts__mail=InClinic(7, "zzana@x.org"))),
        NAMES[:1],
    ),
    "empty over a relation": (lambda: Chart.objects.filter(patient__scan__isnull=False).count(), 1),
    "first and last": (lambda: (Patient.objects.first().name, Patient.objects.last().name), (NAMES[0], NAMES[2])),
    "earliest": (lambda: Patient.objects.earliest("number").name, NAMES[0]),
    "a slice": (lambda: [each.name for each in Patient.objects.all()[1:2]], NAMES[1:2]),
    "an index": (lambda: Patient.objects.all()[2].name, NAMES[2]),
    "reverse": (lambda: names(Patient.objects.reverse()), NAMES[::-1]),
    "order_by another": (lambda: names(Patient.objects.order_by("city", "-number")), [NAMES[2], NAMES[1], NAMES[0]]),
    "order_by random": (lambda: sorted(names(Patient.objects.order_by("?"))), NAMES),
    "values": (
        lambda: Patient.objects.values("name", "dob", "visits")[0],
        {"name": NAMES[0], "dob": date(1980, 1, 31), "visits": 3},
    ),
    "values of all": (lambda: Patient.objects.values()[0]["email"], "zzana@x.org"),
    "values over a relation": (
        lambda: [*Chart.objects.order_by("pk").values("patient__name")],
        [{"patient__name": each} for each in NAMES[:2]],
    ),
    "values of an expression": (lambda: [*Patient.objects.values_list(F("name"), flat=True)], NAMES),
    "values_list named": (lambda: Patient.objects.values_list("name", "number", named=True)[0].name, NAMES[0]),
    "values of a bound text": (lambda: notes(), ["zz-ulna", "zz-well"]),
    "dates of another": (lambda: names(Patient.objects.filter(number__range=(1, 2))), NAMES[:2]),
    "only": (lambda: Patient.objects.only("name").get(number=2).email, "zzbob@x.org"),
    "defer": (lambda: Patient.objects.defer("name", "email").get(number=2).name, NAMES[1]),
    "defer a bound text": (lambda: Chart.objects.defer("note").get(pk=A).note, "zz-ulna"),
    "only a bound text": (lambda: Chart.objects.only("note").get(pk=A).note, "zz-ulna"),
    "defer over a relation": (
        lambda: Chart.objects.select_related("patient").defer("patient__name").get(pk=A).patient.name,
        NAMES[0],
    ),
    "select_related": (lambda: Chart.objects.select_related("patient", "clinic").get(pk=A).patient.name, NAMES[0]),
    "prefetch_related": (
        lambda: [c.note for p in Patient.objects.prefetch_related("charts") for c in p.charts.all()],
        ["zz-ulna", "zz-well"],
    ),
    "Prefetch": (
        lambda: (
            Patient.objects.prefetch_related(
                Prefetch("charts", Chart.objects.filter(mail=InClinic(7, "zzana@x.org")), "own")
            )[0]
            .own[0]
            .note
        ),
        "zz-ulna",
    ),
    "annotate a count": (
        lambda: [(p.name, p.n) for p in Patient.objects.annotate(n=Count("charts")).order_by("number")][0],
        (NAMES[0], 1),
    ),
    "annotate a count of a text": (lambda: Clinic.objects.annotate(n=Count("patients__email")).get(pk=7).n, 2),
    "annotate F": (lambda: Patient.objects.annotate(mail=F("email"))[0].mail, "zzana@x.org"),
    "annotate a subquery": (
        lambda: (
            Chart.objects.annotate(n=Subquery(Patient.objects.filter(pk=OuterRef("patient")).values("name")))
            .get(pk=A)
            .n
        ),
        NAMES[0],
    ),
    "annotate a bound subquery": (
        lambda: Patient.objects.annotate(n=Subquery(Chart.objects.filter(patient=OuterRef("pk")).values("note")))[0].n,
        "zz-ulna",
    ),
    "annotate exists": (
        lambda: names(Patient.objects.filter(Exists(Chart.objects.filter(patient=OuterRef("pk"), mail__isnull=False)))),
        NAMES[:2],
    ),
    "annotate a case": (
        lambda: [
            *Patient.objects.annotate(x=Case(When(email__isnull=True, then=0), default=1)).values_list("x", flat=True)
        ],
        [1, 1, 0],
    ),
    "annotate a case by text": (
        lambda: [
            *Patient.objects.annotate(x=Case(When(email="zzana@x.org", then=1), default=0)).values_list("x", flat=True)
        ],
        [1, 0, 0],
    ),
    "a filtered count": (lambda: Patient.objects.aggregate(n=Count("pk", filter=Q(email="zzana@x.org")))["n"], 1),
    "a count by group and text": (
        lambda: [
            *Patient.objects.order_by("city").values_list("city").annotate(n=Count("pk", filter=Q(email="zzana@x.org")))
        ],
        [("Linz", 0), ("Wien", 1)],
    ),
    "alias": (lambda: names(Patient.objects.alias(n=Count("charts")).filter(n=0)), NAMES[2:]),
    "aggregate another": (lambda: Patient.objects.aggregate(m=Max("number"))["m"], 3),
    "aggregate a count": (lambda: Patient.objects.aggregate(n=Count("email"))["n"], 2),
    "group by another": (
        lambda: [*Patient.objects.order_by("city").values_list("city").annotate(n=Count("email"))],
        [("Linz", 0), ("Wien", 2)],
    ),
    "window over another": (
        lambda: [p.n for p in Patient.objects.annotate(n=Window(fn.RowNumber(), order_by=F("number").asc()))],
        [1, 2, 3],
    ),
    "distinct rows": (lambda: len(Patient.objects.distinct()), 3),
    "distinct over a join": (lambda: len(Patient.objects.filter(charts__open=True).distinct()), 2),
    "union of rows": (
        lambda: sorted(each.name for each in Patient.objects.filter(number=1).union(Patient.objects.filter(number=2))),
        NAMES[:2],
    ),
    "union all of texts": (
        lambda: sorted(
            map(
                str,
                Patient.objects.order_by()
                .values_list("name", flat=True)
                .union(Patient.objects.order_by().values_list("email", flat=True), all=True)
                .order_by(),
            )
        )[-1],
        "zzbob@x.org",
    ),
    "intersection of rows": (
        lambda: [
            each.name for each in Patient.objects.order_by().intersection(Patient.objects.filter(number=1).order_by())
        ],
        NAMES[:1],
    ),
    "difference of rows": (
        lambda: len(Patient.objects.order_by().difference(Patient.objects.filter(number=1).order_by())),
        2,
    ),
    "in a subquery": (
        lambda: notes_of(Chart.objects.filter(patient__in=Patient.objects.filter(email="zzana@x.org"))),
        ["zz-ulna"],
    ),
    "in_bulk": (lambda: Patient.objects.in_bulk([1])[1].name, NAMES[0]),
    "in_bulk by another": (lambda: Patient.objects.in_bulk([2], field_name="number")[2].name, NAMES[1]),
    "iterator": (lambda: [p.name for p in Patient.objects.iterator(chunk_size=1)], NAMES),
    "iterator with prefetch": (
        lambda: [len(p.charts.all()) for p in Patient.objects.prefetch_related("charts").iterator(chunk_size=2)],
        [1, 1, 0],
    ),
    "exists": (lambda: Patient.objects.filter(email="zzana@x.org").exists(), True),
    "contains": (lambda: Patient.objects.filter(email="zzana@x.org").contains(ana()), True),
    "count": (lambda: Patient.objects.filter(name__search="zzbob").count(), 1),
    "explain": (lambda: bool(Patient.objects.filter(email="zzana@x.org").explain()), True),
    "raw": (lambda: [p.name for p in Patient.objects.raw("select * from operations_patient order by number")], NAMES),
    "raw without a bound text": (
        lambda: Chart.objects.raw("select id, clinic_id from operations_chart where open order by id")[0].note,
        "zz-ulna",
    ),
    "select_for_update": (lambda: locked(), NAMES[0]),
    "paginator": (lambda: [p.name for p in Paginator(Patient.objects.all(), 2).page(2)], NAMES[2:]),
    "related manager": (lambda: names(Clinic.objects.get(pk=7).patients.filter(email="zzbob@x.org")), NAMES[1:2]),
    "inheritance": (lambda: (Inpatient.objects.get().name, Inpatient.objects.get().ward), (NAMES[2], "zz-ward")),
    "inheritance from above": (lambda: Patient.objects.get(number=3).inpatient.ward, "zz-ward"),
    "inheritance by search": (lambda: names(Inpatient.objects.filter(name__search="zzeva")), NAMES[2:]),
    "a proxy": (lambda: names(Known.objects.filter(email="zzana@x.org")), NAMES[:1]),
    "pickle of a row": (lambda: pickle.loads(pickle.dumps(ana())).name, NAMES[0]),
    "pickle of a query": (lambda: [p.name for p in pickle.loads(pickle.dumps(Patient.objects.all()))], NAMES),
    "pickle of a search": (
        lambda: names(
            changed(
                Patient.objects.all(),
                query=pickle.loads(pickle.dumps(Patient.objects.filter(email="zzana@x.org").query)),
            )
        ),
        NAMES[:1],
    ),
    "copy of a row": (lambda: (copy.copy(ana()).name, copy.deepcopy(ana()).tokens == ana().tokens), (NAMES[0], True)),
    "equality and hash": (lambda: len({ana(), ana()}), 1),
    "repr and str": (lambda: SHOWN.search(f"{ana()!r} {ana()} {Patient.objects.all()!r}"), None),
    "the SQL of a search": (
        lambda: SHOWN.search(str(Patient.objects.filter(email="zzana@x.org", name__search="zzana").query)),
        None,
    ),
    "refresh_from_db": (lambda: refreshed(ana()), NAMES[0]),
    "refresh_from_db of one": (lambda: refreshed(ana(), fields=["name"]), NAMES[0]),
    "full_clean": (lambda: ana().full_clean(), None),
    "model_to_dict": (lambda: forms.models.model_to_dict(ana())["email"], "zzana@x.org"),
    "a form of a row": (lambda: "zzana@x.org" in str(PatientForm(instance=ana())), True),
    "a choice of rows": (lambda: len(forms.ModelChoiceField(Patient.objects.filter(email="zzana@x.org")).choices), 2),
    "get_object_or_404": (lambda: get_object_or_404(Patient, email="zzana@x.org").name, NAMES[0]),
    "async": (lambda: awaited(lambda: Patient.objects.aget(email="zzana@x.org")).name, NAMES[0]),
    "the admin's list": (lambda: [found in page("patient/") for found in NAMES], [True] * 3),
    "the admin's search": (lambda: [found in page("patient/?q=zzova") for found in NAMES], [True, False, False]),
    "the admin's search by e-mail": (
        lambda: [found in page("patient/?q=zzbob@x.org") for found in NAMES],
        [False, True, False],
    ),
    "the admin's page of a row": (lambda: "zzana@x.org" in page("patient/1/change/"), True),
    "the admin's order is a bad request": (lambda: client().get("/admin/operations/known/?o=2").status_code, 400),
    "the admin's filter without a clinic is a bad request": (
        lambda: [client().get(f"/admin/operations/chart/?{each}=zz@x.org").status_code for each in ("mail", "q")],
        [400, 400],
    ),
    "in no texts": (lambda: names(Patient.objects.filter(email__in=[])), []),
    "an empty text": (lambda: names(Patient.objects.filter(email="")), []),
    "exclude texts": (lambda: names(Patient.objects.exclude(email__in=["zzana@x.org", "zz@x"])), NAMES[1:]),
    "exclude over a relation": (
        lambda: names(Patient.objects.exclude(charts__mail=InClinic(7, "zzana@x.org"))),
        NAMES[1:],
    ),
    "a filtered relation": (
        lambda: names(
            Patient.objects.annotate(
                own=FilteredRelation("charts", condition=Q(charts__mail=InClinic(7, "zzana@x.org")))
            ).filter(own__isnull=False)
        ),
        NAMES[:1],
    ),
    "async for": (lambda: [p.name for p in awaited(lambda: listed(Patient.objects.all()))], NAMES),
    "prefetch_related_objects": (lambda: fetched(ana()), "zz-ulna"),
    "refresh_from_db of a query": (lambda: refreshed(ana(), from_queryset=Patient.objects.defer("email")), NAMES[0]),
    "order_by a relation with an order": (lambda: notes_of(Chart.objects.order_by("patient")), ["zz-ulna", "zz-well"]),
    "JSONObject of another": (lambda: Patient.objects.annotate(x=fn.JSONObject(n="number"))[0].x, {"n": 1}),
    "a text in a list of rows": (lambda: sorted(ana_and_bob(), key=lambda row: row.dob)[0].name, NAMES[0]),
    "ArrayAgg of another": (
        lambda: Patient.objects.order_by().aggregate(x=ArrayAgg("number", order_by="number"))["x"],
        [1, 2, 3],
    ),
    "a subquery by text": (
        lambda: notes_of(Chart.objects.filter(patient=Patient.objects.filter(email="zzana@x.org").values("pk")[:1])),
        ["zz-ulna"],
    ),
    "an API's list": (lambda: api("get"), (200, NAMES)),
    "an API's order": (lambda: api("get", "?ordering=-number"), (200, NAMES[::-1])),
    "an API's order by a text is a bad request": (lambda: api("get", "?ordering=email")[0], 400),
    "an API's filter by a text": (lambda: api("get", "?email=zzana@x.org"), (200, NAMES[:1])),
    "an API's filter by texts": (lambda: api("get", "?email__in=zzana@x.org,zzbob@x.org"), (200, NAMES[:2])),
    "an API's filter by a date": (lambda: api("get", "?dob=1990-02-01"), (200, NAMES[1:2])),
    "an API's search": (lambda: api("get", "?search=zzova"), (200, NAMES[:1])),
    "an API's faults": (
        lambda: SHOWN.search(str(api("patch", pk=1, dob="zz-day", visits="zz-many", weight="zz-"))),
        None,
    ),
    "dumpdata": (lambda: json.loads(dumped("operations.patient"))[0]["fields"]["email"], "zzana@x.org"),
}


def awaited(call: Callable[[], Any]) -> Any:
    async def run() -> Any:
        return await call()

    return async_to_sync(run)()


async def listed(query: Any) -> list[Any]:
    return [each async for each in query]


def raised(kind: type[BaseException], call: Callable[[], Any]) -> bool:
    with pytest.raises(kind) as caught:
        call()
    assert not SHOWN.search("".join(traceback.format_exception(caught.value)).split("lambda")[0])
    return True


def notes_of(query: Any) -> list[str]:
    return [each.note for each in query]


def locked() -> str:
    with transaction.atomic():
        return str(Patient.objects.select_for_update(of=("self",)).get(email="zzana@x.org").name)


def refreshed(row: Any, **options: Any) -> str:
    row.name = "zz-stale"
    row.refresh_from_db(**options)
    return str(row.name)


def client() -> Client:
    made = Client(raise_request_exception=True)
    made.force_login(get_user_model().objects.get(username="ada"), backend="django.contrib.auth.backends.ModelBackend")
    return made


def fetched(row: Any) -> str:
    models.prefetch_related_objects([row], "charts")
    return str(row.charts.all()[0].note)


def ana_and_bob() -> list[Any]:
    return [*Patient.objects.filter(email__in=["zzana@x.org", "zzbob@x.org"])]


def page(address: str) -> str:
    answer = client().get(f"/admin/operations/{address}")
    assert answer.status_code == 200
    return str(answer.content.decode())


def dumped(label: str) -> str:
    out = io.StringIO()
    call_command("dumpdata", label, stdout=out)
    return out.getvalue()


def upsert(row: Any, *update: str, manager: Any = Patient.objects) -> None:
    manager.bulk_create([row], update_conflicts=True, unique_fields=["number"], update_fields=update)


def saved_twice() -> list[str | None]:
    """Two people change two columns of one row."""
    one, other = ana(), ana()
    with transaction.atomic():
        changed(one, name="Zzora Zznew").save(update_fields=["name", "tokens"])
        changed(other, phone="555 010 9999").save(update_fields=["phone", "tokens"])
    return names(Patient.objects.filter(name__search="zzora 9999"))


def rolled_back() -> None:
    with suppress(ZeroDivisionError), transaction.atomic():
        changed(ana(), name="Zzlost Zz").save()
        raise ZeroDivisionError


def rolled_back_to_a_savepoint() -> None:
    with transaction.atomic():
        changed(ana(), name="Zzora Zznew").save()
        with suppress(ZeroDivisionError), transaction.atomic():
            changed(ana(), name="Zzlost Zz").save()
            raise ZeroDivisionError


def copied() -> None:
    changed(ana(), pk=None, number=4, name="Zzora Zznew", _state=models.base.ModelState()).save()


def by_signal() -> None:
    def fill(instance: Any, **_: Any) -> None:
        instance.name = "Zzora Zznew"

    pre_save.connect(fill, Patient)
    try:
        ana().save()
    finally:
        pre_save.disconnect(fill, Patient)


def seen_by_signal() -> list[str]:
    seen: list[str] = []

    def see(instance: Any, **_: Any) -> None:
        seen.append(instance.name)

    post_save.connect(see, Patient)
    try:
        changed(ana(), name="Zzora Zznew").save()
    finally:
        post_save.disconnect(see, Patient)
    return seen


def by_form(**given: Any) -> Any:
    form = PatientForm(given, instance=ana())
    return form.save() if form.is_valid() else form.errors.as_json()


def by_formset() -> None:
    kind = forms.modelformset_factory(Patient, fields=("name",), extra=1)
    data = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": 1, "form-0-name": "Zzora Zznew"}
    form = kind(data, queryset=Patient.objects.filter(number=1))
    assert form.is_valid()
    form.save()


def by_inline_formset() -> None:
    kind = forms.inlineformset_factory(Clinic, Patient, fields=("name", "number"), extra=1)
    prefix = "patients"
    data = {
        f"{prefix}-TOTAL_FORMS": 1,
        f"{prefix}-INITIAL_FORMS": 0,
        f"{prefix}-0-name": "Zzora Zznew",
        f"{prefix}-0-number": 9,
    }
    form = kind(data, instance=Clinic.objects.get(pk=7))
    assert form.is_valid(), form.errors
    form.save()


def posted(address: str, **data: Any) -> None:
    answer = client().post(f"/admin/operations/{address}", data)
    assert answer.status_code == 302, answer.content.decode()


def form_of(**more: Any) -> dict[str, Any]:
    return {
        "number": 1,
        "name": "Zzora Zznew",
        "email": "zzana@x.org",
        "phone": "",
        "city": "Wien",
        "answers": "null",
        **more,
    }


def admin_list() -> None:
    rows = {
        f"form-{n}-{name}": value
        for n, (pk, mail) in enumerate([(1, "zznew@x.org"), (2, "zzbob@x.org"), (3, "")])
        for name, value in (("id", pk), ("email", mail))
    }
    posted("patient/", **rows, **{"form-TOTAL_FORMS": 3, "form-INITIAL_FORMS": 3, "_save": "Save"})


def reloaded(form: str) -> None:
    """A fixture that is taken out and put back in."""
    text = serializers.serialize(form, [*Patient.objects.all(), *Chart.objects.all()])
    Chart.objects.all().delete()
    Patient.objects.filter(number__lt=3).delete()
    for each in serializers.deserialize(form, text):
        each.save()


def chart(**values: Any) -> Any:
    return changed(Chart.objects.get(pk=A), **values)


def following(name: str, **values: Any) -> Any:
    return Patient(number=4, name=name, **values)


WRITES: dict[str, tuple[Callable[[], Any], Any]] = {
    "save": (lambda: then(changed(ana(), name=NEW[0]).save(), names), NEW),
    "save a new row": (lambda: then(following(NEW[0]).save(), names), [*NAMES, NEW[0]]),
    "save with force_update": (lambda: then(changed(ana(), name=NEW[0]).save(force_update=True), names), NEW),
    "save one column": (
        lambda: then(
            changed(ana(), email="zznew@x.org").save(update_fields=["email", "email_search"]), lambda: ana().email
        ),
        "zznew@x.org",
    ),
    "save a text of two in a transaction": (saved_twice, NEW[:1]),
    "save what was deferred": (
        lambda: then(changed(Patient.objects.only("number", "city").get(number=1), city="Graz").save(), names),
        NAMES,
    ),
    "save nothing": (lambda: then(ana().save(update_fields=[]), names), NAMES),
    "save an empty text": (
        lambda: then(changed(ana(), email="").save(), lambda: Patient.objects.filter(email=None).count()),
        2,
    ),
    "save each type": (
        lambda: then(
            changed(ana(), dob=date(1999, 9, 9), visits=-1, weight="1.5", answers=["zz-no"], scan=b"zz-other").save(),
            lambda: str(Patient.objects.values_list("dob", "visits", "weight", "answers", "scan")[0]),
        ),
        "(datetime.date(1999, 9, 9), -1, Decimal('1.5'), ['zz-no'], b'zz-other')",
    ),
    "save a copy": (lambda: then(copied(), names), [*NAMES, NEW[0]]),
    "save an inpatient": (
        lambda: then(
            changed(Inpatient.objects.get(), name=NEW[0], ward="zz-new").save(),
            lambda: (names()[2], Inpatient.objects.get().ward),
        ),
        (NEW[0], "zz-new"),
    ),
    "save a proxy": (lambda: then(changed(Known.objects.get(number=1), name=NEW[0]).save(), names), NEW),
    "save a bound text": (lambda: then(chart(note="zz-new").save(), notes), ["zz-new", "zz-well"]),
    "save a bound text alone": (
        lambda: then(chart(note="zz-new", open=False).save(update_fields=["note"]), notes),
        ["zz-new", "zz-well"],
    ),
    "save another column alone": (
        lambda: then(chart(open=False).save(update_fields=["open"]), notes),
        ["zz-ulna", "zz-well"],
    ),
    "move to another clinic": (lambda: then(chart(clinic_id=8).save(), notes), ["zz-ulna", "zz-well"]),
    "a saved base": (lambda: then(changed(ana(), name=NEW[0]).save_base(), names), NEW),
    "create": (lambda: then(Patient.objects.create(number=4, name=NEW[0]), names), [*NAMES, NEW[0]]),
    "create through a relation": (
        lambda: Clinic.objects.get(pk=7).patients.create(number=4, name=NEW[0], email="zzn@x.org").clinic_id,
        7,
    ),
    "create a bound row": (
        lambda: Chart.objects.create(pk=UUID(int=3), clinic_id=7, note="zz-new", mail="zzn@x.org").note,
        "zz-new",
    ),
    "get_or_create, got": (
        lambda: Patient.objects.get_or_create(email="zzana@x.org", defaults={"number": 4})[1],
        False,
    ),
    "get_or_create, created": (
        lambda: Patient.objects.get_or_create(email="zznew@x.org", defaults={"number": 4})[0].email,
        "zznew@x.org",
    ),
    "get_or_create by another": (
        lambda: Patient.objects.get_or_create(number=4, defaults={"name": NEW[0]})[0].name,
        NEW[0],
    ),
    "update_or_create, updated": (
        lambda: then(Patient.objects.update_or_create(number=1, defaults={"name": NEW[0]}), names),
        NEW,
    ),
    "update_or_create by text": (
        lambda: then(Patient.objects.update_or_create(email="zzana@x.org", defaults={"name": NEW[0]}), names),
        NEW,
    ),
    "update_or_create, created": (
        lambda: then(Patient.objects.update_or_create(number=4, defaults={"name": NEW[0]}), names),
        [*NAMES, NEW[0]],
    ),
    "update_or_create, create_defaults": (
        lambda: then(
            Patient.objects.update_or_create(
                number=4, defaults={"city": "Graz"}, create_defaults={"number": 4, "name": NEW[0]}
            ),
            names,
        ),
        [*NAMES, NEW[0]],
    ),
    "update_or_create of a bound row": (
        lambda: then(Chart.objects.update_or_create(pk=A, defaults={"note": "zz-new"}), notes),
        ["zz-new", "zz-well"],
    ),
    "bulk_create": (
        lambda: then(Patient.objects.bulk_create([following(NEW[0]), Patient(number=5)], batch_size=1), names),
        [*NAMES, NEW[0], None],
    ),
    "bulk_create, conflicts ignored": (
        lambda: then(Patient.objects.bulk_create([Patient(number=1, name=NEW[0])], ignore_conflicts=True), names),
        NAMES,
    ),
    "bulk_create of bound rows": (
        lambda: then(Chart.objects.bulk_create([Chart(pk=UUID(int=3), clinic_id=8, note="zz-new")]), notes),
        ["zz-ulna", "zz-well", "zz-new"],
    ),
    "upsert": (lambda: then(upsert(Patient(number=1, name=NEW[0]), "name", "phone", "tokens"), names), NEW),
    "upsert of another column": (
        lambda: then(upsert(Patient(number=1, name=NEW[0], city="Graz"), "city"), names),
        NAMES,
    ),
    "upsert of a bound row": (
        lambda: then(
            Chart.objects.bulk_create(
                [Chart(pk=A, clinic_id=7, note="zz-new")],
                update_conflicts=True,
                unique_fields=["id"],
                update_fields=["note", "mail", "mail_search", "clinic"],
            ),
            notes,
        ),
        ["zz-new", "zz-well"],
    ),
    "bulk_update": (
        lambda: then(
            Patient.objects.bulk_update(
                [changed(each, name=NEW[0]) for each in Patient.objects.all()], ["name", "phone", "tokens"]
            ),
            names,
        ),
        [NEW[0]] * 3,
    ),
    "bulk_update in batches": (
        lambda: then(
            Patient.objects.bulk_update(
                [changed(each, dob=None) for each in Patient.objects.all()], ["dob", "dob_search"], batch_size=1
            ),
            lambda: Patient.objects.filter(dob=None).count(),
        ),
        3,
    ),
    "bulk_update of bound rows": (
        lambda: then(
            Chart.objects.bulk_update(
                [changed(each, note=f"zz-{each.pk.int}") for each in Chart.objects.all()],
                ["note", "mail", "mail_search", "clinic"],
            ),
            notes,
        ),
        ["zz-1", "zz-2"],
    ),
    "update of another": (lambda: then(Patient.objects.update(city=fn.Upper("city")), names), NAMES),
    "update of a number": (lambda: then(Patient.objects.update(number=F("number") + 10), names), NAMES),
    "update found by text": (lambda: Patient.objects.filter(email="zzana@x.org").update(city="Graz"), 1),
    "update of a text without a search field": (
        lambda: then(Patient.objects.update(answers={"q": "zz-new"}), lambda: ana().answers),
        {"q": "zz-new"},
    ),
    "update to NULL": (
        lambda: then(
            Patient.objects.filter(number=1).update(scan=None, visits=None), lambda: (ana().scan, ana().visits)
        ),
        (None, None),
    ),
    "update of an inherited table": (
        lambda: then(Inpatient.objects.update(ward="zz-new", city="Graz"), lambda: Inpatient.objects.get().ward),
        "zz-new",
    ),
    "delete": (lambda: then(ana().delete(), names), NAMES[1:]),
    "delete by text": (lambda: then(Patient.objects.filter(email="zzana@x.org").delete(), names), NAMES[1:]),
    "delete with a cascade": (lambda: then(Clinic.objects.get(pk=7).delete(), names), NAMES[2:]),
    "delete sets NULL": (
        lambda: then(ana().delete(), lambda: (Chart.objects.get(pk=A).patient, notes())),
        (None, ["zz-ulna", "zz-well"]),
    ),
    "a relation set": (
        lambda: then(
            Clinic.objects.get(pk=8).patients.set(Patient.objects.all()),
            lambda: names(Patient.objects.filter(clinic=8)),
        ),
        NAMES,
    ),
    "a relation added": (lambda: then(Clinic.objects.get(pk=8).patients.add(ana()), lambda: ana().clinic_id), 8),
    "a relation added by save": (
        lambda: then(Clinic.objects.get(pk=8).patients.add(ana(), bulk=False), lambda: ana().clinic_id),
        8,
    ),
    "a relation removed": (lambda: then(Clinic.objects.get(pk=7).patients.clear(), names), NAMES),
    "a many-to-many relation": (
        lambda: then(ana().tags.create(name="t"), lambda: names(Patient.objects.filter(tags__name="t"))),
        NAMES[:1],
    ),
    "a transaction rolled back": (lambda: then(rolled_back(), names), NAMES),
    "a savepoint rolled back": (lambda: then(rolled_back_to_a_savepoint(), names), NEW),
    "pre_save": (lambda: then(by_signal(), names), NEW),
    "post_save": (seen_by_signal, NEW[:1]),
    "async save": (lambda: then(awaited(changed(ana(), name=NEW[0]).asave), names), NEW),
    "async update_or_create": (
        lambda: then(awaited(lambda: Patient.objects.aupdate_or_create(number=1, defaults={"name": NEW[0]})), names),
        NEW,
    ),
    "a form": (
        lambda: then(
            by_form(**form_of(dob="1999-09-09", visits="7", weight="3.25")), lambda: (names(), ana().dob, ana().visits)
        ),
        (NEW, date(1999, 9, 9), 7),
    ),
    "a form with faults": (lambda: "zz-day" in by_form(**form_of(dob="zz-day", visits="zz-many")), False),
    "a formset": (lambda: then(by_formset(), names), NEW),
    "an inline formset": (lambda: then(by_inline_formset(), names), [*NAMES, NEW[0]]),
    "the admin adds": (lambda: then(posted("patient/add/", **form_of(number=4)), names), [*NAMES, NEW[0]]),
    "the admin changes": (lambda: then(posted("patient/1/change/", **form_of()), names), NEW),
    "the admin changes in its list": (lambda: then(admin_list(), lambda: ana().email), "zznew@x.org"),
    "the admin deletes": (lambda: then(posted("patient/1/delete/", post="yes"), names), NAMES[1:]),
    "the admin deletes many": (
        lambda: then(posted("patient/", action="delete_selected", _selected_action=1, post="yes"), names),
        NAMES[1:],
    ),
    "an API creates": (
        lambda: then(api("post", number=4, name=NEW[0], email="zzn@x.org", dob="1999-09-09"), names),
        [*NAMES, NEW[0]],
    ),
    "an API changes": (lambda: then(api("put", pk=1, number=1, name=NEW[0]), names), NEW),
    "an API changes a part": (lambda: then(api("patch", pk=1, name=NEW[0]), names), NEW),
    "an API deletes": (lambda: then(api("delete", pk=1), names), NAMES[1:]),
    "a fixture in JSON": (lambda: then(reloaded("json"), lambda: (names(), notes())), (NAMES, ["zz-ulna", "zz-well"])),
    "a fixture in XML": (lambda: then(reloaded("xml"), lambda: (names(), notes())), (NAMES, ["zz-ulna", "zz-well"])),
    "a fixture in JSON lines": (
        lambda: then(reloaded("jsonl"), lambda: (names(), notes())),
        (NAMES, ["zz-ulna", "zz-well"]),
    ),
}

TEXT = "zz-text"
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "order_by": (lambda: [*Patient.objects.order_by("email")], "sorted(rows"),
    "order_by F": (lambda: [*Patient.objects.order_by(F("email").desc(nulls_last=True))], "sorted(rows"),
    "order_by a function": (lambda: [*Patient.objects.order_by(fn.Lower("email"))], "sorted(rows"),
    "order_by an annotation": (lambda: [*Patient.objects.annotate(m=F("email")).order_by("m")], "sorted(rows"),
    "order_by a relation": (lambda: [*Chart.objects.order_by("patient__email")], "sorted(rows"),
    "order_by a bound text": (lambda: [*Chart.objects.order_by("note")], "sorted(rows"),
    "order_by in a subquery": (
        lambda: [*Chart.objects.filter(patient__in=Patient.objects.order_by("email")[:1])],
        "sorted(rows",
    ),
    "earliest by a text": (lambda: Patient.objects.earliest("dob"), "sorted(rows"),
    "latest by a text": (lambda: Patient.objects.latest("dob"), "sorted(rows"),
    "dates of a text": (lambda: [*Patient.objects.dates("dob", "year")], "compute in Python"),
    "distinct": (lambda: [*Patient.objects.order_by().values("email").distinct()], "Counter"),
    "distinct on": (lambda: [*Patient.objects.order_by("email").distinct("email")], "sorted(rows"),
    "group by": (lambda: [*Patient.objects.order_by().values("email").annotate(n=Count("pk"))], "Counter"),
    "group by over a relation": (lambda: [*Chart.objects.values("patient__email").annotate(n=Count("pk"))], "Counter"),
    "union of texts": (
        lambda: [*Patient.objects.order_by().values("email").union(Patient.objects.order_by().values("name"))],
        "Counter",
    ),
    "Max": (lambda: Patient.objects.aggregate(m=Max("visits")), "compute in Python"),
    "Max by group": (lambda: [*Patient.objects.order_by().values("city").annotate(m=Max("dob"))], "compute in Python"),
    "a distinct count": (lambda: Patient.objects.aggregate(m=Count("email", distinct=True)), "compute in Python"),
    "Lower": (lambda: [*Patient.objects.annotate(m=fn.Lower("email"))], "compute in Python"),
    "Concat": (lambda: [*Patient.objects.annotate(m=fn.Concat("email", "city"))], "compute in Python"),
    "Cast": (lambda: [*Patient.objects.annotate(m=fn.Cast("visits", models.IntegerField()))], "compute in Python"),
    "an alias": (lambda: [*Patient.objects.alias(x=fn.Lower("email")).filter(x="a@x")], "compute in Python"),
    "a column in texts": (
        lambda: [*Patient.objects.filter(city__in=Patient.objects.values("email"))],
        "compute in Python",
    ),
    "a column that equals a text": (
        lambda: [*Patient.objects.filter(city=Subquery(Patient.objects.values("email")[:1]))],
        "compute in Python",
    ),
    "a function of a subquery": (
        lambda: [*Patient.objects.annotate(x=fn.Lower(Subquery(Patient.objects.values("email")[:1])))],
        "compute in Python",
    ),
    "order_by a subquery": (
        lambda: [*Patient.objects.annotate(x=Subquery(Patient.objects.values("email")[:1])).order_by("x")],
        "sorted(rows",
    ),
    "a count filtered by a column": (
        lambda: [*Patient.objects.order_by().values("city").annotate(n=Count("pk", filter=Q(city=F("email"))))],
        "compute in Python",
    ),
    "a subquery compared": (
        lambda: [*Patient.objects.annotate(x=Subquery(Patient.objects.values("email")[:1])).filter(x="zzana@x.org")],
        "compute in Python",
    ),
    "a subquery's words": (
        lambda: [*Patient.objects.annotate(x=Subquery(Patient.objects.values("name")[:1])).filter(x__search="zzana")],
        "compute in Python",
    ),
    "an ordered ArrayAgg": (
        lambda: Patient.objects.order_by().aggregate(x=ArrayAgg("number", order_by="name")),
        "compute in Python",
    ),
    "Lag": (lambda: [*Patient.objects.annotate(x=Window(fn.Lag("name"), order_by="number"))], "compute in Python"),
    "a key of JSON selected": (lambda: [*Patient.objects.values("answers__q")], "compute in Python"),
    "a key of JSON annotated": (lambda: [*Patient.objects.annotate(x=F("answers__q"))], "compute in Python"),
    "a key of JSON in the order": (lambda: [*Patient.objects.order_by("answers__q")], "sorted(rows"),
    "a year selected": (lambda: [*Patient.objects.values("dob__year")], "compute in Python"),
    "Exists by an outer text": (
        lambda: [*Patient.objects.filter(Exists(Chart.objects.filter(mail=OuterRef("email"))))],
        "by texts",
    ),
    "a column by an outer text": (
        lambda: [*Patient.objects.filter(Exists(Tag.objects.filter(name=OuterRef("email"))))],
        "compute in Python",
    ),
    "a choice of columns": (
        lambda: [*Patient.objects.annotate(x=Case(When(number=1, then=F("email")), default=F("name")))],
        "compute in Python",
    ),
    "a many-to-many by a text": (lambda: [*Tag.objects.order_by("patient__email")], "sorted(rows"),
    "delete in an order": (
        lambda: [*Patient.objects.filter(pk__in=Patient.objects.order_by("dob")[:1])],
        "sorted(rows",
    ),
    "get_or_create by a text without an index": (
        lambda: Patient.objects.get_or_create(phone="zz-"),
        "ExactSearchField",
    ),
    "a part of a date compared": (lambda: [*Patient.objects.filter(dob__year__gt=1980)], "ExactSearchField"),
    "a part of a date that is empty": (lambda: [*Patient.objects.filter(dob__year__isnull=True)], "compute in Python"),
    "a window": (
        lambda: [*Patient.objects.annotate(n=Window(fn.RowNumber(), partition_by=F("email")))],
        "compute in Python",
    ),
    "icontains": (lambda: [*Patient.objects.filter(email__icontains="zz-")], "ExactSearchField"),
    "a range of dates": (
        lambda: [*Patient.objects.filter(dob__range=(date(1980, 1, 1), date(1980, 12, 31)))],
        "ExactSearchField",
    ),
    "a year": (lambda: [*Patient.objects.filter(dob__year=1980)], "nothing"),
    "a key of JSON": (lambda: [*Patient.objects.filter(answers__q="zz-yes")], "nothing"),
    "a JSON value": (lambda: [*Patient.objects.filter(answers={"q": "zz-yes"})], "ExactSearchField"),
    "a number": (lambda: [*Patient.objects.filter(visits=3)], "ExactSearchField"),
    "a text without an index": (lambda: [*Patient.objects.filter(phone="zz-")], "ExactSearchField"),
    "a text of a clinic without it": (lambda: [*Chart.objects.filter(mail="zzana@x.org")], "InClinic"),
    "a column compared": (lambda: [*Patient.objects.filter(city=F("email"))], "compute in Python"),
    "compared with a column": (lambda: [*Patient.objects.filter(email=F("city"))], "by texts"),
    "in a subquery of texts": (lambda: [*Patient.objects.filter(email__in=Patient.objects.values("name"))], "by texts"),
    "the negation of words": (lambda: [*Patient.objects.exclude(name__search="zz-")], "true_hits"),
    "update of a source": (lambda: Patient.objects.update(email=TEXT), "bulk_update()"),
    "update of an inherited source": (lambda: Inpatient.objects.update(name=TEXT), "bulk_update()"),
    "update of a bound text": (lambda: Chart.objects.update(note=TEXT), "bulk_update()"),
    "update by a function": (lambda: Patient.objects.update(answers=fn.Lower("city")), "bulk_update()"),
    "update by a column": (lambda: Patient.objects.update(scan=F("scan")), "bulk_update()"),
    "update by a case of columns": (
        lambda: Patient.objects.update(answers=Case(When(number=1, then=F("city")))),
        "bulk_update()",
    ),
    "update of a clinic": (lambda: Chart.objects.update(clinic_id=8), "update_fields"),
    "save of a source alone": (
        lambda: changed(ana(), email=TEXT).save(update_fields=["email"]),
        "Name email_search too",
    ),
    "save of one of two sources": (
        lambda: changed(ana(), name=TEXT).save(update_fields=["name", "tokens"]),
        "transaction.atomic()",
    ),
    "save of an expression": (lambda: changed(ana(), visits=F("visits") + 1).save(), "bulk_update()"),
    "save of a clinic alone": (lambda: chart(clinic_id=8).save(update_fields=["clinic"]), "update_fields"),
    "bulk_update of a source alone": (
        lambda: Patient.objects.bulk_update([changed(ana(), email=TEXT)], ["email"]),
        "Name email_search too",
    ),
    "bulk_update of an expression": (
        lambda: Patient.objects.bulk_update([changed(ana(), visits=F("number"))], ["visits"]),
        "bulk_update()",
    ),
    "upsert of a source alone": (lambda: upsert(Patient(number=1, email=TEXT), "email"), "Name email_search too"),
    "bulk_update of a bound text alone": (
        lambda: Chart.objects.bulk_update([chart(note=TEXT)], ["note"]),
        "name clinic_id too",
    ),
    "bulk_update of one of two bound texts": (
        lambda: Chart.objects.bulk_update([chart(note=TEXT)], ["note", "clinic"]),
        "mail would stay",
    ),
    "upsert of a bound text by another key": (
        lambda: Chart.objects.bulk_create(
            [Chart(pk=A, clinic_id=7, note=TEXT)],
            update_conflicts=True,
            unique_fields=["open"],
            update_fields=["note", "mail", "mail_search", "clinic"],
        ),
        "unique_fields",
    ),
    "create with an expression": (
        lambda: Patient.objects.create(number=9, visits=fn.Length(Value("x"))),
        "bulk_update()",
    ),
    "create of a bound row without a clinic": (
        lambda: Chart.objects.create(pk=UUID(int=9), note=TEXT),
        "set clinic_id first",
    ),
    "a relation that moves bound rows": (
        lambda: Clinic.objects.get(pk=8).chart_set.add(Chart.objects.get(pk=A)),
        "update_fields",
    ),
    "raw of a bound text": (lambda: [*Chart.objects.raw("select * from operations_chart")], "Leave the column out"),
    "a fixture without a clinic": (lambda: loaded(clinic=None), "set clinic_id first"),
}


def loaded(**values: Any) -> None:
    row = {"model": "operations.chart", "pk": str(UUID(int=9)), "fields": {"note": TEXT, **values}}
    for each in serializers.deserialize("json", json.dumps([row])):
        each.save()


@pytest.fixture
def watched() -> Iterator[None]:
    """What the operation sends holds no text, and leaves all sound."""
    with CaptureQueriesContext(connection) as queries:
        yield
    assert not [each["sql"] for each in queries.captured_queries if SHOWN.search(each["sql"])]
    require_sound()


@pytest.mark.parametrize(("operation", "expected"), (READS | WRITES).values(), ids=(READS | WRITES).keys())
def test_it_is_right(watched: None, operation: Callable[[], Any], expected: Any) -> None:
    assert operation() == expected


@pytest.mark.parametrize(("operation", "instead"), REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_with_what_to_do_instead(watched: None, operation: Callable[[], Any], instead: str) -> None:
    before = dump()
    with pytest.raises((FieldError, DatabaseError)) as caught:
        operation()
    assert instead in str(caught.value) and not SHOWN.search(repr(caught.value))
    assert dump() == before
