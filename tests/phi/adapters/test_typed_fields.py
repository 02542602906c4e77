"""Values of every type in Django and SQLAlchemy over one table, each reading what the other wrote: SQLite in memory.

Touches memory only, and Django's settings of this process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from django.core.exceptions import FieldError
from django.db import connection, models
from django.db.models import F, Value
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.pool import StaticPool

from eonpro_phi import DecryptionError, InvalidText, NotBound, NotBytes, PhiCipher
from eonpro_phi.adapters import django as dj
from eonpro_phi.adapters import sqlalchemy as alchemy
from eonpro_phi.adapters.values import DATE, DATETIME, DECIMAL, INTEGER, JSON, ValueForm
from eonpro_phi.errors import InvalidValue
from eonpro_phi.record import place
from tests.phi.adapters.django_settings import CIPHER, cipher

TYPES: dict[str, tuple[Any, Any, Any]] = {
    "scan": (dj.EncryptedBinaryField, alchemy.EncryptedBytes, b"%PDF\x00\xff"),
    "dob": (dj.EncryptedDateField, alchemy.EncryptedDate, date(1980, 1, 31)),
    "seen": (dj.EncryptedDateTimeField, alchemy.EncryptedDateTime, datetime(2026, 11, 29, 22, 45, 27, 1, UTC)),
    "visits": (dj.EncryptedIntegerField, alchemy.EncryptedInteger, -(2**70)),
    "weight": (dj.EncryptedDecimalField, alchemy.EncryptedDecimal, Decimal("71.50")),
    "answers": (dj.EncryptedJSONField, alchemy.EncryptedJSON, {"b": ["é", None, 1.5], "a": True}),
}
VALUES = {name: value for name, (_, _, value) in TYPES.items()}
OPTIONS: dict[str, Any] = {"weight": {"max_digits": 6, "decimal_places": 2}}


class Chart(models.Model):  # type: ignore[misc]  # Django comes without types
    """One column of each type, and one of each that is bound to its place."""

    for _name, (_field, _, _) in TYPES.items():
        locals()[_name] = _field(null=True, **OPTIONS.get(_name, {}))
        locals()[f"{_name}_bound"] = _field(null=True, bound=True, **OPTIONS.get(_name, {}))
    email = dj.EncryptedTextField(null=True, bound=True)
    phone = dj.EncryptedTextField(null=True, bound=True)

    class Meta:
        app_label = "clinic"
        db_table = "chart"


CHART = sa.Table(
    "chart",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    *(
        sa.Column(name + end, kind(cipher, bound=bool(end)))
        for name, (_, kind, _) in TYPES.items()
        for end in ("", "_bound")
    ),
    sa.Column("email", alchemy.EncryptedText(cipher, bound=True)),
    sa.Column("phone", alchemy.EncryptedText(cipher, bound=True)),
)
ALL = {name + end: value for name, value in VALUES.items() for end in ("", "_bound")} | {"email": "jane@example.org"}


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    """SQLAlchemy on Django's own connection, with the table that Django made."""
    with connection.schema_editor() as editor:
        editor.create_model(Chart)
    engine = sa.create_engine(
        "sqlite://", creator=lambda: connection.connection, poolclass=StaticPool, hide_parameters=True
    )
    yield engine
    with connection.schema_editor() as editor:
        editor.delete_model(Chart)


def raw(column: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM chart ORDER BY id")
        return [value for (value,) in cursor.fetchall()]


def test_each_orm_reads_what_the_other_wrote(engine: sa.Engine) -> None:
    Chart.objects.create(id=1, **ALL)
    Chart.objects.create(id=2)
    with engine.begin() as bound:
        bound.execute(CHART.insert().values(id=3, **ALL))
        rows = [row._asdict() for row in bound.execute(sa.select(CHART).order_by(CHART.c.id))]
    nothing = dict.fromkeys([*ALL, "phone"])
    assert rows == [{"id": 1, **nothing, **ALL}, {"id": 2, **nothing}, {"id": 3, **nothing, **ALL}]
    assert [{name: getattr(row, name) for name in ALL} for row in Chart.objects.order_by("id")] == [
        {name: row[name] for name in ALL} for row in rows
    ]


def test_the_records_are_of_the_documented_texts_and_are_bound_where_it_is_asked(engine: sa.Engine) -> None:
    Chart.objects.bulk_create([Chart(**ALL)])
    chart = Chart.objects.get()
    chart.dob, chart.dob_bound = "1980-01-31", date(1980, 1, 31)  # a date may be written as text, as in Django
    Chart.objects.bulk_update([chart], ["dob", "dob_bound"])
    texts = {
        "dob": "1980-01-31",
        "seen": "2026-11-29T22:45:27.000001Z",
        "visits": str(-(2**70)),
        "weight": "71.50",
        "answers": '{"b":["é",null,1.5],"a":true}',
    }
    for name, text in texts.items():
        [record], [bound] = raw(name), raw(f"{name}_bound")
        assert (CIPHER.decrypt(record), CIPHER.decrypt(bound, place("chart", f"{name}_bound"))) == (text, text)
        assert not record.startswith("v2:") and bound.startswith("v2:")
        with pytest.raises(DecryptionError):
            CIPHER.decrypt(bound, place("chart", name))
    [scan] = raw("scan_bound")
    assert CIPHER.decrypt_bytes(scan, place("chart", "scan_bound")) == VALUES["scan"]


def test_a_record_that_was_moved_to_another_column_is_read_by_neither(engine: sa.Engine) -> None:
    Chart.objects.create(email="jane@example.org", scan_bound=b"%PDF")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE chart SET phone = email, scan = scan_bound")
    for name in ("phone", "scan"):
        with pytest.raises(DecryptionError):
            Chart.objects.values_list(name).get()
        with engine.connect() as bound, pytest.raises(DecryptionError):
            bound.execute(sa.select(CHART.c[name])).all()


def test_a_bound_field_reads_no_record_of_version_1(engine: sa.Engine) -> None:
    Chart.objects.create()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE chart SET email = %s", [CIPHER.encrypt("jane@example.org")])
    with pytest.raises(NotBound, match="unbound"):
        Chart.objects.get()


WRONG = {
    "scan": "%PDF",
    "dob": "the first of May",
    "seen": datetime(2026, 11, 29),  # without a time zone
    "visits": "seven",
    "weight": Decimal("NaN"),
    "answers": {"a": {1, 2}},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_value_of_another_type_is_refused_without_being_repeated(engine: sa.Engine, name: str) -> None:
    refused = (InvalidValue, NotBytes, InvalidText)
    with pytest.raises(refused) as caught:
        Chart.objects.create(**{name: WRONG[name]})
    with engine.connect() as bound, pytest.raises(refused) as other:
        bound.execute(CHART.insert().values(**{name: WRONG[name]}))
    for error in (caught.value, other.value):
        assert str(WRONG[name]) not in str(error)
        assert error.__context__ is None


def test_a_stored_text_of_another_type_is_named_and_not_guessed(engine: sa.Engine) -> None:
    Chart.objects.create()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE chart SET dob = %s", [CIPHER.encrypt("31.1.1980")])
    with pytest.raises(InvalidValue, match=r"^The stored text is not that of a date\.$"):
        Chart.objects.get()


@pytest.mark.parametrize("name", ["dob", "visits", "answers", "scan"])
def test_what_would_mislead_is_refused_for_every_type(engine: sa.Engine, name: str) -> None:
    for look_up in ({name: VALUES[name]}, {f"{name}__gt": VALUES[name]}, {f"{name}__contains": 1}):
        with pytest.raises(FieldError):
            Chart.objects.filter(**look_up)
    for write in (F(f"{name}_bound"), Value(VALUES[name], output_field=Chart._meta.get_field("email"))):
        with pytest.raises(FieldError):
            Chart.objects.update(**{name: write})
    column = CHART.c[name]
    for expression in (lambda: column == VALUES[name], lambda: column > VALUES[name], lambda: column + column):
        with pytest.raises(InvalidRequestError):
            expression()
    other = sa.literal("x", CHART.c.email.type)
    with engine.connect() as bound, pytest.raises(InvalidRequestError):
        bound.execute(CHART.update().values({name: other}))


def test_a_place_is_of_one_column() -> None:
    shared = alchemy.EncryptedText(cipher, bound=True)
    with pytest.raises(ArgumentError, match="bound to one.a"):
        sa.Table("one", sa.MetaData(), sa.Column("a", shared), sa.Column("b", shared))
    with pytest.raises(InvalidRequestError, match="in its own column only"):
        alchemy.EncryptedText(cipher, bound=True).process_bind_param("x", sa.create_engine("sqlite://").dialect)


def test_migrations_keep_the_options() -> None:
    field = Chart._meta.get_field("dob_bound")
    _, path, _, options = field.deconstruct()
    assert (path, options) == ("eonpro_phi.adapters.django.EncryptedDateField", {"null": True, "bound": True})
    assert {
        type(each).__name__: each.db_type(connection) for each in Chart._meta.get_fields() if each.name != "id"
    } == {
        **{each.__name__: "text" for each, _, _ in TYPES.values()},
        "EncryptedTextField": "text",
        "EncryptedBinaryField": "BLOB",
    }
    assert Chart._meta.get_field("visits").validators == []


def test_forms_and_validation_are_those_of_the_type() -> None:
    chart = Chart(dob="1980-01-31", weight=Decimal("71.5"), visits="7")
    wanted = {"dob", "weight", "visits"}
    chart.clean_fields(exclude={each.name for each in Chart._meta.get_fields()} - wanted)
    assert (chart.dob, chart.visits) == (date(1980, 1, 31), 7)
    assert type(Chart._meta.get_field("dob").formfield()).__name__ == "DateField"


def test_the_key_of_the_tenant_of_a_request_serves_a_field() -> None:
    """A cipher that asks for the tenant at each use."""
    clinic: ContextVar[str] = ContextVar("clinic")

    class OfRequest:
        def __getattr__(self, name: str) -> Any:
            return getattr(CIPHER.for_tenant(clinic.get()), name)

    table = sa.Table(
        "patients",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", alchemy.EncryptedText(OfRequest(), bound=True)),
    )
    engine = sa.create_engine("sqlite://", poolclass=StaticPool, hide_parameters=True)
    with engine.begin() as bound:
        table.create(bound)
        clinic.set("clinic-7")
        bound.execute(table.insert().values(email="jane@example.org"))
        assert bound.execute(sa.select(table.c.email)).scalar_one() == "jane@example.org"
        clinic.set("clinic-8")
        with pytest.raises(DecryptionError):
            bound.execute(sa.select(table.c.email)).scalar_one()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("form", "values"),
    [
        (DATE, st.dates()),
        (DATETIME, st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES)),
        (INTEGER, st.integers()),
        (DECIMAL, st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30)),
        (JSON, JSON_VALUES.filter(lambda value: value is not None)),
    ],
    ids=lambda each: each.name if isinstance(each, ValueForm) else "",
)
def test_every_value_comes_back_from_its_text(form: ValueForm, values: st.SearchStrategy[Any]) -> None:
    @given(values)
    def comes_back(value: Any) -> None:
        text = form.dump(value)
        assert form.load(text) == value and form.dump(form.load(text)) == text

    comes_back()


@pytest.mark.parametrize("text", ["", " 7", "7 ", "1_000", "+7", "७", "7.0", "0x7", "1e3"])
def test_a_number_has_one_kind_of_text(text: str) -> None:
    with pytest.raises(InvalidValue):
        INTEGER.load(text)
    assert PhiCipher(bytes(32)).encrypt("7")  # a text field takes it as it is
