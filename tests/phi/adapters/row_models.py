"""Models with fields that are encrypted for their row, in SQLite or PostgreSQL.

Touches memory, Django's settings of this process, and a database server of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.phi.adapters import django_settings as django_settings  # isort: skip
from django.apps import AppConfig, apps
from django.db import connection, connections, models
from django.test.utils import override_settings

from eonpro_phi import CachedKey, PhiCipher, PhiFields
from eonpro_phi.adapters import django as dj
from eonpro_phi.adapters.django import EncryptedTextField, ExactSearchField, PlainColumn, WordSearchField
from eonpro_phi.record import place
from tests.phi.key_sources import CountingSource
from tests.phi.reencryption.patients import OLD
from tests.phi.reencryption.postgres import Server

CIPHER = PhiCipher(OLD)
FIELDS = PhiFields(CachedKey(CountingSource(OLD)))


def fields() -> PhiFields:
    return FIELDS


ROW: dict[str, Any] = {"bound": "row"}
TENANT: dict[str, Any] = {"tenant": "clinic_id"}
KINDS = {"row": ROW, "tenant": TENANT, "column": {"bound": True, **TENANT}, "both": ROW | TENANT}
TYPES: dict[str, tuple[Any, Any]] = {
    "email": (dj.EncryptedTextField, "jane@example.org"),
    "scan": (dj.EncryptedBinaryField, b"%PDF\x00\xff"),
    "dob": (dj.EncryptedDateField, date(1980, 1, 31)),
    "seen": (dj.EncryptedDateTimeField, datetime(2026, 11, 29, 22, 45, 27, 1, UTC)),
    "visits": (dj.EncryptedIntegerField, -(2**70)),
    "weight": (dj.EncryptedDecimalField, Decimal("71.50")),
    "answers": (dj.EncryptedJSONField, {"b": ["é", None, 1.5], "a": True}),
}
OPTIONS: dict[str, Any] = {"weight": {"max_digits": 6, "decimal_places": 2}}
ALL = {f"{name}_{kind}": value for name, (_, value) in TYPES.items() for kind in KINDS}


class Clinic(models.Model):  # type: ignore[misc]  # Django comes without types
    class Meta:
        app_label = "rows"


class Record(models.Model):  # type: ignore[misc]
    """A column of each type, in each way."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    clinic = models.ForeignKey(Clinic, on_delete=models.CASCADE, db_constraint=False)
    for _name, (_field, _) in TYPES.items():
        for _kind, _options in KINDS.items():
            locals()[f"{_name}_{_kind}"] = _field(null=True, fields=fields, **_options, **OPTIONS.get(_name, {}))

    class Meta:
        app_label = "rows"


class Member(models.Model):  # type: ignore[misc]
    number = models.CharField(primary_key=True, max_length=20)
    clinic_id = models.IntegerField()
    email = EncryptedTextField(null=True, blank=True, fields=fields, **ROW, **TENANT)
    phone = EncryptedTextField(null=True, blank=True, fields=fields, **TENANT)
    note = EncryptedTextField(null=True, blank=True, fields=fields, **ROW)
    city = models.TextField(default="Wien")
    ssn = models.IntegerField(null=True, blank=True, unique=True)

    class Meta:
        app_label = "rows"


class Stay(models.Model):  # type: ignore[misc]
    member = models.ForeignKey(Member, null=True, on_delete=models.CASCADE)
    record = models.ForeignKey(Record, null=True, on_delete=models.CASCADE)

    class Meta:
        app_label = "rows"


class Searched(models.Model):  # type: ignore[misc]
    id = models.UUIDField(primary_key=True, default=uuid4)
    clinic_id = models.IntegerField()
    email_plain = PlainColumn("email")
    email = EncryptedTextField(null=True, fields=fields, **ROW, **TENANT)
    email_search = ExactSearchField("email", rule="email", clinic="clinic_id")

    class Meta:
        app_label = "rows"


class Named(models.Model):  # type: ignore[misc]
    id = models.UUIDField(primary_key=True, default=uuid4)
    clinic_id = models.IntegerField()
    email = EncryptedTextField(null=True, fields=fields, **ROW, **TENANT)
    phone = EncryptedTextField(null=True, fields=fields, **ROW, **TENANT)
    scan = dj.EncryptedBinaryField(null=True, fields=fields, **ROW, **TENANT)
    email_search = ExactSearchField("email", rule="email", clinic="clinic_id")
    tokens = WordSearchField("email", "phone", clinic="clinic_id")

    class Meta:
        app_label = "rows"
        db_table = "named_rows"


class Regular(Member):
    since = dj.EncryptedDateField(null=True, fields=fields, **ROW)

    class Meta:
        app_label = "rows"


MODELS = (Clinic, Record, Member, Stay, Searched, Regular)


class RowsApp(AppConfig):  # type: ignore[misc]
    name = "tests.phi.adapters"
    label = "rows"
    path = str(Path(__file__).parent)


@contextmanager
def installed(kind: str, server: Callable[[], Server], tables: tuple[Any, ...]) -> Iterator[None]:
    """The tables in this database, SQLite or PostgreSQL, which is the default one; Django knows the application."""
    before = connections["default"]
    if kind == "postgresql":
        connections["postgresql"].settings_dict["HOST"] = str(server().folder)
        connections["default"] = connections["postgresql"]
    try:
        with override_settings(INSTALLED_APPS=[f"{__name__}.RowsApp"]):
            apps.clear_cache()  # what the models related to before they were installed
            with connection.schema_editor() as editor:
                for model in tables:
                    editor.create_model(model)
            try:
                yield
            finally:
                with connection.schema_editor() as editor:
                    for model in reversed(tables):
                        editor.delete_model(model)
    finally:
        connections["default"] = before
        connections["postgresql"].close()


@pytest.fixture(autouse=True, params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def database(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each of the databases, with the tables."""
    with installed(request.param, lambda: request.getfixturevalue("server"), MODELS):
        yield


def sql(statement: str, *arguments: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return [*cursor.fetchall()] if cursor.description else []


def values(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ALL}


def member(number: str = "1", clinic_id: Any = 7, **texts: Any) -> Any:
    return Member.objects.create(number=number, clinic_id=clinic_id, **texts)


def stored(column: str = "email", number: str = "1") -> Any:
    [[value]] = sql(f"select {column} from rows_member where number = %s", number)
    return value


def text_of(tenant: int = 7, number: str = "1") -> str | None:
    """The text of the e-mail in the database, of this tenant's row."""
    return CIPHER.for_tenant(str(tenant)).decrypt(stored(number=number), place("rows_member", "email", number))
