"""The operations of SQLAlchemy's documentation on a clinic's tables: each is right, or is refused in words.

Each is done by a Session, and again by an AsyncSession. After it the database and the log hold no text, every row reads
back, and each search finds the rows with that text and no others. Touches a database server of its own.
"""

# What an operation returns is not asked, only what is true after it.
# mypy: disable-error-code="func-returns-value"

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by, array, distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    Bundle,
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    contains_eager,
    defer,
    joinedload,
    load_only,
    make_transient,
    mapped_column,
    raiseload,
    relationship,
    selectin_polymorphic,
    selectinload,
    subqueryload,
    synonym,
    undefer,
    validates,
    with_loader_criteria,
    with_polymorphic,
)

from eonpro_phi import CachedKey, PhiFields
from eonpro_phi.adapters.sqlalchemy import (
    EncryptedBytes,
    EncryptedDate,
    EncryptedDecimal,
    EncryptedInteger,
    EncryptedJSON,
    EncryptedText,
    ExactSearch,
    InClinic,
    WordSearch,
    searchable,
    true_hits,
)
from tests.phi.key_sources import CountingSource
from tests.phi.reencryption.patients import OLD
from tests.phi.reencryption.postgres import Server

pytestmark = [pytest.mark.needs("postgresql"), pytest.mark.thorough]

FIELDS = PhiFields(CachedKey(CountingSource(OLD)))
SHOWN = re.compile(r"(?i)zz\w* zz|zz\w*@|zz-|\b19\d\d-\d\d-\d\d|555 010|5550102")
"""What every text of these tests has, and no record: a character that is not of base64."""


class Base(DeclarativeBase):
    pass


class Clinic(Base):
    __tablename__ = "clinic"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    patients: Mapped[list[Patient]] = relationship(back_populates="clinic", order_by="Patient.id", cascade="all")
    mails: AssociationProxy[list[str]] = association_proxy("patients", "mail")


tags = sa.Table(
    "patient_tag",
    Base.metadata,
    sa.Column("patient_id", sa.ForeignKey("patient.id", ondelete="cascade"), primary_key=True),
    sa.Column("tag_id", sa.ForeignKey("tag.id", ondelete="cascade"), primary_key=True),
)


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class Person:
    """A mixin."""

    name: Mapped[str | None] = mapped_column(EncryptedText(FIELDS))
    mail: Mapped[str | None] = mapped_column(EncryptedText(FIELDS))
    phone: Mapped[str | None] = mapped_column(EncryptedText(FIELDS))
    dob: Mapped[date | None] = mapped_column(EncryptedDate(FIELDS))
    visits: Mapped[int | None] = mapped_column(EncryptedInteger(FIELDS))
    weight: Mapped[Decimal | None] = mapped_column(EncryptedDecimal(FIELDS))
    answers: Mapped[Any] = mapped_column(EncryptedJSON(FIELDS), nullable=True)
    scan: Mapped[bytes | None] = mapped_column(EncryptedBytes(FIELDS))
    mail_search: Mapped[str | None] = mapped_column(ExactSearch("mail", rule="email"), index=True)
    dob_search: Mapped[str | None] = mapped_column(ExactSearch("dob", rule="date"))
    tokens: Mapped[list[int] | None] = mapped_column(WordSearch("name", "phone"))


class Patient(Person, Base):
    __tablename__ = "patient"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(default="patient")
    number: Mapped[int] = mapped_column(unique=True)
    city: Mapped[str] = mapped_column(default="Wien")
    clinic_id: Mapped[int | None] = mapped_column(sa.ForeignKey("clinic.id", ondelete="cascade"))
    clinic: Mapped[Clinic | None] = relationship(back_populates="patients")
    charts: Mapped[list[Chart]] = relationship(back_populates="patient", order_by="Chart.id", passive_deletes=True)
    tags: Mapped[list[Tag]] = relationship(secondary=tags)
    address = synonym("mail")
    history: Mapped[str | None] = mapped_column("past", EncryptedText(FIELDS), deferred=True)
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "patient"}

    @hybrid_property
    def known(self) -> bool:
        return self.mail is not None

    @known.inplace.expression
    @classmethod
    def _known(cls) -> Any:
        return cls.mail.is_not(None)

    @hybrid_property
    def greeting(self) -> str:
        return f"Dear {self.name}"

    @validates("phone")
    def _phone(self, key: str, value: str | None) -> str | None:
        return value and value.strip()


class Inpatient(Patient):
    __tablename__ = "inpatient"
    id: Mapped[int] = mapped_column(sa.ForeignKey("patient.id", ondelete="cascade"), primary_key=True)
    ward: Mapped[str | None] = mapped_column(EncryptedText(FIELDS))
    __mapper_args__ = {"polymorphic_identity": "inpatient"}


class Chart(Base):
    """Each record is bound to its row, under the key of its clinic."""

    __tablename__ = "chart"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id", ondelete="cascade"))
    patient_id: Mapped[int | None] = mapped_column(sa.ForeignKey("patient.id", ondelete="set null"))
    patient: Mapped[Patient | None] = relationship(back_populates="charts")
    open: Mapped[bool] = mapped_column(default=True)
    note: Mapped[str | None] = mapped_column(EncryptedText(FIELDS, bound="row", tenant="clinic_id"))
    mail: Mapped[str | None] = mapped_column(EncryptedText(FIELDS, bound="row", tenant="clinic_id"))
    mail_search: Mapped[str | None] = mapped_column(ExactSearch("mail", rule="email", clinic="clinic_id"))


A, B = UUID(int=1), UUID(int=2)
P, C = Patient, Chart
TABLE: Any = Patient.__table__
CHARTS: Any = Chart.__table__
NAMES = ["Zzana Zzovak", "Zzbob Zzeller", "Zzeva Zzana"]
NEW = ["Zzora Zznew", *NAMES[1:]]
TEXT = "zz-text"


@pytest.fixture(scope="module")
def urls(server: Server) -> Iterator[Any]:
    """An engine, and the address of its database."""
    with server.connect() as connection:
        connection.execute("create database operations")
    url = f"postgresql+psycopg://postgres@/operations?host={server.folder}"
    engine = sa.create_engine(url, hide_parameters=True)
    Base.metadata.create_all(engine)
    yield engine, url
    engine.dispose()
    server.drop("operations")


@pytest.fixture
def engine(urls: Any) -> sa.Engine:
    """Three patients of two clinics, one of them an inpatient."""
    with Session(urls[0]) as s:
        s.execute(sa.text("truncate clinic, tag, patient, inpatient, chart, patient_tag restart identity"))
        s.add_all([Clinic(id=7, name="Praxis"), Clinic(id=8, name="Ward")])
        s.flush()
        s.add_all(
            [
                Patient(
                    **{"id": 1, "number": 1, "clinic_id": 7, "name": NAMES[0], "mail": "zzana@x.org", "visits": 3},
                    **{"phone": "+1 555 010 2345", "dob": date(1980, 1, 31), "weight": Decimal("71.50")},
                    **{"answers": {"q": "zz-yes"}, "scan": b"zz-%PDF"},
                ),
                Patient(id=2, number=2, clinic_id=7, name=NAMES[1], mail="zzbob@x.org", dob=date(1990, 2, 1)),
                Inpatient(id=3, number=3, clinic_id=8, name=NAMES[2], ward="zz-ward", city="Linz"),
            ]
        )
        s.flush()
        s.add(Chart(id=A, clinic_id=7, patient_id=1, note="zz-ulna", mail="zzana@x.org"))
        s.add(Chart(id=B, clinic_id=8, patient_id=2, note="zz-well", mail="zzbob@x.org"))
        s.execute(sa.text("select setval('patient_id_seq', 3)"))
        s.commit()
    return urls[0]  # type: ignore[no-any-return]


def dump(engine: sa.Engine) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    with engine.connect() as connection:
        return {
            each.name: sorted(connection.scalars(sa.text(f'select t::text from "{each.name}" t')))
            for each in Base.metadata.sorted_tables
        }


def require_sound(engine: sa.Engine) -> None:
    """No text in the database; every row reads back; every search finds what it should."""
    assert not [row for rows in dump(engine).values() for row in rows if SHOWN.search(row)]
    with Session(engine) as s:
        people, charts = s.scalars(sa.select(P)).all(), s.scalars(sa.select(C)).all()
        for person in people:
            if person.mail:
                same = {each.id for each in people if each.mail == person.mail}
                assert {each.id for each in s.scalars(sa.select(P).where(P.mail == person.mail))} == same
            if person.dob:
                assert person in s.scalars(sa.select(P).where(P.dob == person.dob)).all()
            for word in (person.name or "").split():
                wanted = {
                    each.id for each in people if any(part.startswith(word) for part in (each.name or "").split())
                }
                found = true_hits(s.scalars(sa.select(P).where(P.tokens.search(word))), tokens=word)
                assert {each.id for each in found} == wanted
            fresh = searchable(TABLE, {name: getattr(person, name) for name in ("name", "mail", "phone", "dob")})
            assert (person.mail_search, person.dob_search) == (fresh["mail_search"], fresh["dob_search"])
            assert sorted(person.tokens or ()) == sorted(fresh["tokens"] or ())
        for chart in charts:
            if chart.mail:
                assert chart in s.scalars(sa.select(C).where(C.mail == InClinic(chart.clinic_id, chart.mail))).all()


def all_of(s: Any, statement: Any) -> list[Any]:
    return [*s.scalars(statement)]


def names(s: Any, *conditions: Any) -> list[str | None]:
    return all_of(s, sa.select(P.name).where(*conditions).order_by(P.number))


def notes(s: Any, *conditions: Any) -> list[str | None]:
    return all_of(s, sa.select(C.note).where(*conditions).order_by(C.id))


def ana(s: Any, *options: Any) -> Any:
    return s.scalars(sa.select(P).where(P.number == 1).options(*options)).one()


def chart(s: Any) -> Any:
    return s.get_one(C, A)


def changed(row: Any, **values: Any) -> Any:
    for name, value in values.items():
        setattr(row, name, value)
    return row


def appended(clinic: Clinic, patient: Patient) -> Clinic:
    clinic.patients.append(patient)
    return clinic


def saved(s: Any, row: Any, **values: Any) -> Any:
    s.add(changed(row, **values))
    s.commit()
    return row


def then(s: Any, _: object, result: Callable[[Any], Any] = names) -> Any:
    """What is true after a write, for everybody."""
    s.commit()
    s.expire_all()
    return result(s)


def done(s: Any, statement: Any, *rows: Any, result: Callable[[Any], Any] = names, **options: Any) -> Any:
    return then(s, s.execute(statement, *rows, **options), result)


OTHER = aliased(Patient)
INNER = sa.select(P).where(P.number < 3).subquery()

READS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "select": (lambda s: [each.name for each in s.scalars(sa.select(P).order_by(P.id))], NAMES),
    "select columns": (
        lambda s: tuple(s.execute(sa.select(P.name, P.dob, P.visits).where(P.id == 1)).one()),
        (NAMES[0], date(1980, 1, 31), 3),
    ),
    "select every type": (
        lambda s: tuple(s.execute(sa.select(P.weight, P.answers, P.scan).where(P.id == 1)).one()),
        (Decimal("71.50"), {"q": "zz-yes"}, b"zz-%PDF"),
    ),
    "get": (lambda s: s.get(P, 1).name, NAMES[0]),
    "get of none": (lambda s: s.get(P, 9), None),
    "get with a lock": (lambda s: s.get(P, 1, with_for_update=True).name, NAMES[0]),
    "where text": (lambda s: names(s, P.mail == "ZZANA@x.org"), NAMES[:1]),
    "where text on the right": (lambda s: names(s, P.mail == "zzana@x.org"), NAMES[:1]),
    "where texts": (lambda s: names(s, P.mail.in_(["zzana@x.org", "zzbob@x.org"])), NAMES[:2]),
    "where no texts": (lambda s: names(s, P.mail.in_([])), []),
    "where a date": (lambda s: names(s, P.dob == date(1980, 1, 31)), NAMES[:1]),
    "where None": (lambda s: names(s, P.mail == None), NAMES[2:]),  # noqa: E711
    "where not None": (lambda s: names(s, P.mail != None), NAMES[:2]),  # noqa: E711
    "is_": (lambda s: names(s, P.mail.is_(None)), NAMES[2:]),
    "is_not": (lambda s: names(s, P.mail.is_not(None), P.city == "Wien"), NAMES[:2]),
    "filter_by": (lambda s: all_of(s, sa.select(P.name).filter_by(mail="zzana@x.org")), NAMES[:1]),
    "filter_by None": (lambda s: all_of(s, sa.select(P.name).filter_by(mail=None)), NAMES[2:]),
    "or_": (lambda s: names(s, sa.or_(P.mail == "zzana@x.org", P.city == "Linz")), [NAMES[0], NAMES[2]]),
    "not_": (lambda s: names(s, sa.not_(P.mail == "zzana@x.org")), NAMES[1:]),
    "a synonym": (lambda s: (ana(s).address, names(s, P.address == "zzana@x.org")), ("zzana@x.org", NAMES[:1])),
    "search": (lambda s: names(s, P.tokens.search("zzova")), NAMES[:1]),
    "search a phone number": (lambda s: names(s, P.tokens.search("2345")), NAMES[:1]),
    "an alias": (lambda s: all_of(s, sa.select(OTHER.name).where(OTHER.mail == "zzana@x.org")), NAMES[:1]),
    "an alias's search": (lambda s: all_of(s, sa.select(OTHER.name).where(OTHER.tokens.search("zzova"))), NAMES[:1]),
    "a join by text": (
        lambda s: all_of(s, sa.select(C.note).join(C.patient).where(P.mail == "zzana@x.org")),
        ["zz-ulna"],
    ),
    "an outer join": (
        lambda s: all_of(s, sa.select(C.note).select_from(P).outerjoin(P.charts).order_by(P.id)),
        ["zz-ulna", "zz-well", None],
    ),
    "has": (lambda s: notes(s, C.patient.has(P.mail == "zzana@x.org")), ["zz-ulna"]),
    "any": (lambda s: names(s, P.charts.any(C.mail == InClinic(7, "zzana@x.org"))), NAMES[:1]),
    "of a clinic": (lambda s: notes(s, C.mail == InClinic(8, "zzbob@x.org")), ["zz-well"]),
    "exists": (lambda s: names(s, sa.exists().where(C.patient_id == P.id, C.mail.is_not(None))), NAMES[:2]),
    "in a subquery": (
        lambda s: notes(s, C.patient_id.in_(sa.select(P.id).where(P.mail == "zzana@x.org"))),
        ["zz-ulna"],
    ),
    "a subquery": (lambda s: all_of(s, sa.select(INNER.c.name).order_by(INNER.c.id)), NAMES[:2]),
    "a text of a subquery": (
        lambda s: all_of(s, sa.select(INNER.c.id).where(INNER.c.mail.is_not(None)).order_by(INNER.c.id)),
        [1, 2],
    ),
    "an alias of a subquery": (
        lambda s: [each.name for each in s.scalars(sa.select(aliased(P, INNER)).order_by(INNER.c.id))],
        NAMES[:2],
    ),
    "a bound text of a subquery": (
        lambda s: all_of(s, sa.select(sa.select(C).where(C.open).subquery().c.note)),
        ["zz-ulna", "zz-well"],
    ),
    "a common table": (lambda s: [*s.execute(sa.select(own(s).c.name)).scalars()], NAMES[:1]),
    "a scalar subquery": (
        lambda s: all_of(
            s, sa.select(sa.select(P.name).where(P.id == C.patient_id).scalar_subquery()).select_from(C).order_by(C.id)
        ),
        NAMES[:2],
    ),
    "a lateral": (lambda s: lateral(s), NAMES[:2]),
    "count": (lambda s: s.scalar(sa.select(sa.func.count(P.mail))), 2),
    "count of rows": (lambda s: s.scalar(sa.select(sa.func.count()).select_from(P).where(P.mail == "zzana@x.org")), 1),
    "a filtered count": (lambda s: s.scalar(sa.select(sa.func.count().filter(P.mail == "zzana@x.org"))), 1),
    "group by another": (
        lambda s: [
            tuple(row) for row in s.execute(sa.select(P.city, sa.func.count(P.mail)).group_by(P.city).order_by(P.city))
        ],
        [("Linz", 0), ("Wien", 2)],
    ),
    "group by the key": (lambda s: len(s.execute(sa.select(P.id, P.mail).group_by(P.id, P.mail)).all()), 3),
    "having": (lambda s: all_of(s, sa.select(P.city).group_by(P.city).having(sa.func.count(P.mail) > 1)), ["Wien"]),
    "order by another": (
        lambda s: all_of(s, sa.select(P.name).order_by(P.city, P.id.desc())),
        [NAMES[2], NAMES[1], NAMES[0]],
    ),
    "order by emptiness": (lambda s: all_of(s, sa.select(P.id).order_by(P.mail.is_(None), P.id)), [1, 2, 3]),
    "distinct rows": (lambda s: len(s.scalars(sa.select(P).distinct()).all()), 3),
    "distinct on another": (lambda s: len(s.scalars(sa.select(P).ext(distinct_on(P.city)).order_by(P.city)).all()), 2),
    "union of rows": (lambda s: len(s.execute(sa.union(sa.select(TABLE), sa.select(TABLE))).all()), 3),
    "union all": (lambda s: len(s.execute(sa.union_all(sa.select(P.name), sa.select(P.mail))).all()), 6),
    "a union as a subquery": (
        lambda s: sorted(
            all_of(s, sa.select(sa.union_all(sa.select(P.id, P.name), sa.select(P.id, P.name)).subquery().c.name))
        )[:2],
        [NAMES[0]] * 2,
    ),
    "limit and offset": (lambda s: all_of(s, sa.select(P.name).order_by(P.id).limit(1).offset(1)), NAMES[1:2]),
    "slice": (lambda s: all_of(s, sa.select(P.name).order_by(P.id).slice(1, 3)), NAMES[1:]),
    "a case by text": (
        lambda s: all_of(s, sa.select(sa.case((P.mail == "zzana@x.org", 1), else_=0)).order_by(P.id)),
        [1, 0, 0],
    ),
    "a case of texts": (
        lambda s: all_of(s, sa.select(sa.case((P.id == 1, P.mail), else_=P.name)).order_by(P.id)),
        ["zzana@x.org", *NAMES[1:]],
    ),
    "a label": (lambda s: s.execute(sa.select(P.name.label("n")).where(P.id == 1)).one().n, NAMES[0]),
    "a bundle": (
        lambda s: s.execute(sa.select(Bundle("b", P.name, P.mail)).where(P.id == 1)).one().b.mail,
        "zzana@x.org",
    ),
    "a window over another": (lambda s: all_of(s, sa.select(sa.func.row_number().over(order_by=P.id))), [1, 2, 3]),
    "mappings": (
        lambda s: s.execute(sa.select(P.name, C.note).join(P.charts).where(P.id == 1)).mappings().one()["note"],
        "zz-ulna",
    ),
    "an array of texts": (
        lambda s: s.scalar(sa.select(array([P.mail, P.name])).where(P.id == 1)),
        ["zzana@x.org", NAMES[0]],
    ),
    "columns of a result": (
        lambda s: s.execute(sa.select(P.id, P.name).order_by(P.id)).columns("name").all(),
        [(each,) for each in NAMES],
    ),
    "partitions": (
        lambda s: [len(each) for each in s.scalars(sa.select(P).execution_options(yield_per=2)).partitions()],
        [2, 1],
    ),
    "stream_results": (
        lambda s: [*s.scalars(sa.select(P.name).order_by(P.id).execution_options(stream_results=True))],
        NAMES,
    ),
    "defer": (lambda s: ana(s, defer(P.mail)).mail, "zzana@x.org"),
    "load_only": (lambda s: ana(s, load_only(P.id)).name, NAMES[0]),
    "undefer": (lambda s: ana(s, undefer(P.history)).history, None),
    "raiseload": (lambda s: ana(s, raiseload("*")).name, NAMES[0]),
    "defer a bound text": (
        lambda s: s.scalars(sa.select(C).options(defer(C.note)).where(C.id == A)).one().note,
        "zz-ulna",
    ),
    "load_only a bound text": (
        lambda s: s.scalars(sa.select(C).options(load_only(C.note)).where(C.id == A)).one().note,
        "zz-ulna",
    ),
    "joinedload": (
        lambda s: [
            c.note for c in s.scalars(sa.select(P).options(joinedload(P.charts)).where(P.id == 1)).unique().one().charts
        ],
        ["zz-ulna"],
    ),
    "selectinload": (lambda s: [c.note for c in ana(s, selectinload(P.charts)).charts], ["zz-ulna"]),
    "subqueryload": (lambda s: [c.note for c in ana(s, subqueryload(P.charts)).charts], ["zz-ulna"]),
    "contains_eager": (
        lambda s: (
            s.scalars(sa.select(C).join(C.patient).options(contains_eager(C.patient)).where(P.mail == "zzana@x.org"))
            .one()
            .patient.name
        ),
        NAMES[0],
    ),
    "loader criteria": (
        lambda s: [
            len(p.charts)
            for p in s.scalars(
                sa.select(P)
                .options(selectinload(P.charts), with_loader_criteria(C, C.mail == InClinic(7, "zzana@x.org")))
                .order_by(P.id)
            )
        ],
        [1, 0, 0],
    ),
    "a lazy relation": (lambda s: [p.name for p in s.get_one(Clinic, 7).patients], NAMES[:2]),
    "a relation selected": (
        lambda s: all_of(s, sa.select(P.name).where(P.clinic == s.get_one(Clinic, 7)).order_by(P.id)),
        NAMES[:2],
    ),
    "an association": (lambda s: [*s.get_one(Clinic, 7).mails], ["zzana@x.org", "zzbob@x.org"]),
    "many to many": (
        lambda s: then(s, changed(ana(s), tags=[Tag(name="t")]), lambda s: names(s, P.tags.any(Tag.name == "t"))),
        NAMES[:1],
    ),
    "a hybrid": (lambda s: (ana(s).known, ana(s).greeting, names(s, P.known)), (True, "Dear Zzana Zzovak", NAMES[:2])),
    "inheritance": (
        lambda s: [(each.name, each.ward) for each in s.scalars(sa.select(Inpatient))],
        [(NAMES[2], "zz-ward")],
    ),
    "inheritance from above": (lambda s: s.get_one(P, 3).ward, "zz-ward"),
    "inheritance by search": (
        lambda s: all_of(s, sa.select(Inpatient.name).where(Inpatient.tokens.search("zzeva"))),
        NAMES[2:],
    ),
    "query": (lambda s: s.query(P).filter_by(mail="zzana@x.org").one().name, NAMES[0]),
    "query of columns": (lambda s: s.query(P.name).order_by(P.id).first()[0], NAMES[0]),
    "query.get": (lambda s: s.query(P).filter(P.mail == "zzana@x.org").count(), 1),
    "one_or_none": (lambda s: s.scalars(sa.select(P).where(P.mail == "zz@x")).one_or_none(), None),
    "the core": (
        lambda s: s.connection().execute(sa.select(TABLE.c.name).where(TABLE.c.mail == "zzana@x.org")).scalars().all(),
        NAMES[:1],
    ),
    "the core's every column": (
        lambda s: s.connection().execute(sa.select(CHARTS).order_by(CHARTS.c.id)).mappings().all()[0]["note"],
        "zz-ulna",
    ),
    "from_statement": (
        lambda s: s.scalars(sa.select(P).from_statement(sa.select(TABLE).where(TABLE.c.id == 1))).one().name,
        NAMES[0],
    ),
    "a text of columns": (
        lambda s: (
            s.scalars(sa.select(P).from_statement(sa.text("select * from patient where id = 1").columns(*TABLE.c)))
            .one()
            .name
        ),
        NAMES[0],
    ),
    "a text of types": (
        lambda s: s.execute(sa.text("select name from patient where id = 1").columns(name=P.name.type)).scalar(),
        NAMES[0],
    ),
    "with_polymorphic": (
        lambda s: [each.name for each in s.scalars(sa.select(with_polymorphic(P, "*")).order_by(P.id))],
        NAMES,
    ),
    "selectin_polymorphic": (
        lambda s: [
            each.ward for each in s.scalars(sa.select(P).options(selectin_polymorphic(P, [Inpatient])).where(P.id == 3))
        ],
        ["zz-ward"],
    ),
    "a value of the text's type": (lambda s: names(s, P.id == 1, sa.exists(P.mail)), NAMES[:1]),
    "a label by a text": (lambda s: names(s, P.mail.label("m") == "zzana@x.org"), NAMES[:1]),
    "a subquery by a text": (
        lambda s: all_of(s, sa.select(INNER.c.name).where(INNER.c.mail == "zzana@x.org")),
        NAMES[:1],
    ),
    "nested exists": (lambda s: names(s, ~P.charts.any()), NAMES[2:]),
    "with_for_update of a table": (
        lambda s: s.scalars(sa.select(P).where(P.mail == "zzana@x.org").with_for_update(of=P)).one().name,
        NAMES[0],
    ),
    "populate_existing": (
        lambda s: (row := ana(s), s.scalars(sa.select(P).execution_options(populate_existing=True)).all(), row.name)[2],
        NAMES[0],
    ),
    "scalars of None": (lambda s: s.scalar(sa.select(P.name).where(P.id == 9)), None),
    "a cast of another": (
        lambda s: all_of(s, sa.select(sa.cast(P.number, sa.Text)).where(P.mail == "zzana@x.org")),
        ["1"],
    ),
    "a recursive common table": (lambda s: recursive(s), NAMES),
    "baked into a view": (lambda s: view(s), NAMES),
    "a lambda": (lambda s: s.scalars(sa.lambda_stmt(lambda: sa.select(P.name).where(P.id == 1))).one(), NAMES[0]),
    "refresh": (lambda s: refreshed(s, ana(s)), NAMES[0]),
    "refresh of one": (lambda s: refreshed(s, ana(s), ["name"]), NAMES[0]),
    "refresh of a bound text": (lambda s: (s.refresh(row := chart(s), ["note"]), row.note)[1], "zz-ulna"),
    "expire": (lambda s: (s.expire(row := ana(s)), row.name)[1], NAMES[0]),
    "expire of one": (lambda s: (s.expire(row := chart(s), ["note"]), row.note)[1], "zz-ulna"),
    "expunge": (lambda s: (s.expunge(row := ana(s)), row.name)[1], NAMES[0]),
    "a detached row": (lambda s: (row := ana(s), s.expunge_all(), row.name)[2], NAMES[0]),
    "pickle": (lambda s: pickle.loads(pickle.dumps(ana(s))).name, NAMES[0]),
    "copy": (lambda s: copy.copy(ana(s)).name, NAMES[0]),
    "history": (
        lambda s: (sa.inspect(changed(ana(s), name=TEXT)).attrs.name.history.deleted, s.rollback())[0],
        [NAMES[0]],
    ),
    "is_modified": (lambda s: s.is_modified(changed(ana(s), name=NAMES[0])), False),
    "repr": (lambda s: SHOWN.search(f"{ana(s)!r} {sa.select(P).where(P.mail == 'zzana@x.org')}"), None),
    "a compiled search": (
        lambda s: SHOWN.search(
            str(
                sa.select(P)
                .where(P.mail == "zzana@x.org", P.tokens.search("zzana"))
                .compile(s.get_bind(), compile_kwargs={"literal_binds": True})
            )
        ),
        None,
    ),
    "identity": (lambda s: ana(s) is s.get(P, 1), True),
    "reflection": (lambda s: str(sa.Table("patient", sa.MetaData(), autoload_with=s.connection()).c.name.type), "TEXT"),
}


def own(s: Any) -> Any:
    return sa.select(P.id, P.name).where(P.mail == "zzana@x.org").cte("own")


def lateral(s: Any) -> list[Any]:
    inner = sa.select(P.name).where(P.id == C.patient_id).lateral()
    return all_of(s, sa.select(inner.c.name).select_from(C).join(inner, sa.true()).order_by(C.id))


def recursive(s: Any) -> list[Any]:
    base = sa.select(P.id, P.name).where(P.id == 1).cte(recursive=True)
    every = base.union_all(sa.select(P.id, P.name).where(P.id == base.c.id + 1))
    return all_of(s, sa.select(every.c.name).order_by(every.c.id))


def view(s: Any) -> list[Any]:
    s.execute(sa.text("create view people as select id, name from patient"))
    people = sa.table("people", sa.column("id"), sa.column("name", P.name.type))
    return all_of(s, sa.select(people.c.name).order_by(people.c.id)) + (s.rollback() or [])


def refreshed(s: Any, row: Any, columns: Any = None) -> Any:
    with s.no_autoflush:
        row.name = TEXT
        s.refresh(row, columns)
    return row.name


def rolled_back(s: Any) -> None:
    ana(s).name = "Zzlost Zz"
    s.flush()
    s.rollback()


def savepoint(s: Any) -> None:
    ana(s).name = NEW[0]
    s.flush()
    with suppress(ZeroDivisionError), s.begin_nested():
        ana(s).name = "Zzlost Zz"
        s.flush()
        raise ZeroDivisionError


def merged(s: Any, **values: Any) -> Any:
    return s.merge(Patient(id=1, **values))


def transient(s: Any) -> None:
    row = ana(s)
    _ = row.history
    make_transient(row)
    s.add(changed(row, id=None, number=4, name=NEW[0]))


def listened(s: Any, name: str) -> list[str | None]:
    """A row that an event changes."""

    def fill(mapper: Any, connection: Any, row: Any) -> None:
        row.city = "Graz"
        row.name = NEW[0]

    sa.event.listen(P, name, fill)
    try:
        s.add(changed(ana(s), visits=4))
        return then(s, s.flush())  # type: ignore[no-any-return]
    finally:
        sa.event.remove(P, name, fill)


def before_flush(s: Any) -> list[str | None]:
    def fill(session: Any, *_: Any) -> None:
        for row in session.dirty:
            row.name = NEW[0]

    sa.event.listen(s, "before_flush", fill)
    ana(s).visits = 4
    return then(s, s.flush())  # type: ignore[no-any-return]


def set_event(s: Any) -> list[Any]:
    seen: list[Any] = []

    def see(row: Any, value: Any, former: Any, of: Any) -> None:
        seen.append(value)

    sa.event.listen(P.name, "set", see)
    try:
        ana(s).name = NEW[0]
    finally:
        sa.event.remove(P.name, "set", see)
    s.commit()
    return seen


def two_people(s: Any) -> list[str | None]:
    """Each has read the row, and changes a column that the words follow."""
    with Session(s.get_bind()) as other:
        row = ana(s)
        _ = row.phone, row.name
        s.commit()
        theirs = ana(other)
        theirs.phone = "555 010 9999"
        other.commit()
    row.name = NEW[0]
    s.commit()
    return names(s, P.tokens.search("zzora 9999"))


def values_of(**row: Any) -> dict[str, Any]:
    return {"number": 4, "kind": "patient", "city": "Wien", **searchable(TABLE, row)}


FOUR = {"name": NEW[0], "mail": "zzn@x.org", "phone": None}
ALL = [*NAMES, NEW[0]]


def upserted(table: Any = TABLE, **row: Any) -> Any:
    values = values_of(**{"phone": None, **row})
    made = upsert(table).values({**values, "number": 1})
    return made.on_conflict_do_update(
        index_elements=["number"],
        set_={name: made.excluded[name] for name in values if name not in ("number", "kind", "city")},
    )


WRITES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "add": (lambda s: then(s, s.add(P(number=4, name=NEW[0]))), ALL),
    "add_all": (lambda s: then(s, s.add_all([P(number=4, name=NEW[0]), P(number=5)])), [*ALL, None]),
    "add an empty text": (lambda s: then(s, s.add(P(number=4, name=""))), [*NAMES, None]),
    "add a bound row": (
        lambda s: then(s, s.add(C(id=UUID(int=3), clinic_id=7, note="zz-new", mail="zzn@x.org")), notes),
        ["zz-ulna", "zz-well", "zz-new"],
    ),
    "add through a relation": (
        lambda s: then(s, appended(s.get_one(Clinic, 7), P(number=4, name=NEW[0]))),
        ALL,
    ),
    "add an inpatient": (lambda s: then(s, s.add(Inpatient(number=4, name=NEW[0], ward="zz-new"))), ALL),
    "change": (lambda s: then(s, saved(s, ana(s), name=NEW[0])), NEW),
    "change each type": (
        lambda s: then(
            s,
            saved(s, ana(s), dob=date(1999, 9, 9), visits=-1, weight=Decimal("1.5"), answers=["zz-no"], scan=b"zz-o"),
            lambda s: str(
                tuple(s.execute(sa.select(P.dob, P.visits, P.weight, P.answers, P.scan).where(P.id == 1)).one())
            ),
        ),
        "(datetime.date(1999, 9, 9), -1, Decimal('1.5'), ['zz-no'], b'zz-o')",
    ),
    "change one of two sources": (lambda s: then(s, saved(s, ana(s, load_only(P.id)), name=NEW[0])), NEW),
    "change what others changed": (two_people, NEW[:1]),
    "change by a synonym": (
        lambda s: then(s, saved(s, ana(s), address="zzn@x.org"), lambda s: ana(s).mail),
        "zzn@x.org",
    ),
    "change what is deferred": (
        lambda s: then(s, saved(s, ana(s), history="zz-past"), lambda s: ana(s).history),
        "zz-past",
    ),
    "change to None": (lambda s: then(s, saved(s, ana(s), name=None, phone=None)), [None, *NAMES[1:]]),
    "change by a validator": (
        lambda s: then(s, saved(s, ana(s), phone=" 555 010 1111 "), lambda s: ana(s).phone),
        "555 010 1111",
    ),
    "change an inpatient": (
        lambda s: then(
            s, saved(s, s.get_one(Inpatient, 3), name=NEW[0], ward="zz-new"), lambda s: s.get_one(P, 3).ward
        ),
        "zz-new",
    ),
    "change a bound text": (lambda s: then(s, saved(s, chart(s), note="zz-new"), notes), ["zz-new", "zz-well"]),
    "change another column": (lambda s: then(s, saved(s, chart(s), open=False), notes), ["zz-ulna", "zz-well"]),
    "move to another clinic": (lambda s: then(s, saved(s, chart(s), clinic_id=8), notes), ["zz-ulna", "zz-well"]),
    "move to another key": (
        lambda s: then(s, saved(s, chart(s), id=UUID(int=3)), lambda s: sorted(notes(s))),
        ["zz-ulna", "zz-well"],
    ),
    "an association": (
        lambda s: then(
            s, changed(s.get_one(Clinic, 7).patients[0], mail="zzn@x.org"), lambda s: [*s.get_one(Clinic, 7).mails]
        ),
        ["zzn@x.org", "zzbob@x.org"],
    ),
    "merge": (lambda s: then(s, merged(s, name=NEW[0])), NEW),
    "merge a new row": (lambda s: then(s, s.merge(P(id=4, number=4, name=NEW[0]))), ALL),
    "merge a detached row": (lambda s: then(s, (s.expunge(row := ana(s)), s.merge(changed(row, name=NEW[0])))), NEW),
    "merge without a load": (
        lambda s: then(s, (s.commit(), row := ana(s), s.expunge(row), s.merge(row, load=False))),
        NAMES,
    ),
    "merge a bound row": (lambda s: then(s, s.merge(C(id=A, note="zz-new")), notes), ["zz-new", "zz-well"]),
    "a transient copy": (lambda s: then(s, transient(s)), ALL),
    "delete": (lambda s: then(s, s.delete(ana(s))), NAMES[1:]),
    "delete with a cascade": (lambda s: then(s, s.delete(s.get_one(Clinic, 7))), NAMES[2:]),
    "delete sets NULL": (
        lambda s: then(s, s.delete(ana(s)), lambda s: (chart(s).patient_id, notes(s))),
        (None, ["zz-ulna", "zz-well"]),
    ),
    "a relation replaced": (
        lambda s: then(s, changed(s.get_one(Clinic, 8), patients=[ana(s)]), lambda s: names(s, P.clinic_id == 8)),
        NAMES[:1],
    ),
    "a relation set to None": (lambda s: then(s, saved(s, ana(s), clinic=None)), NAMES),
    "rollback": (lambda s: then(s, rolled_back(s)), NAMES),
    "a savepoint": (lambda s: then(s, savepoint(s)), NEW),
    "before_insert": (lambda s: listened(s, "before_insert"), NAMES),
    "before_flush": (before_flush, NEW),
    "a set event": (set_event, NEW[:1]),
    "bulk insert": (
        lambda s: done(s, sa.insert(P), [values_of(**FOUR), {**values_of(**FOUR), "number": 5}]),
        [*ALL, NEW[0]],
    ),
    "bulk insert of other columns": (lambda s: done(s, sa.insert(P), [{"number": 4, "visits": 7}]), [*NAMES, None]),
    "bulk insert returning": (lambda s: s.scalars(sa.insert(P).returning(P), [values_of(**FOUR)]).one().name, NEW[0]),
    "bulk insert returning columns": (
        lambda s: s.scalars(sa.insert(P).returning(P.name, sort_by_parameter_order=True), [values_of(**FOUR)]).all(),
        NEW[:1],
    ),
    "bulk insert of bound rows": (
        lambda s: done(
            s,
            sa.insert(C),
            [searchable(CHARTS, {"id": UUID(int=n), "clinic_id": 7, "note": f"zz-{n}", "mail": None}) for n in (3, 4)],
            result=notes,
        ),
        ["zz-ulna", "zz-well", "zz-3", "zz-4"],
    ),
    "bound rows returned": (
        lambda s: s.scalars(
            sa.insert(C).returning(C.note), [{"id": UUID(int=3), "clinic_id": 7, "note": "zz-3"}]
        ).all(),
        ["zz-3"],
    ),
    "bulk_save_objects": (lambda s: then(s, s.bulk_save_objects([P(number=4, **searchable(TABLE, FOUR))])), ALL),
    "bulk_insert_mappings": (lambda s: then(s, s.bulk_insert_mappings(sa.inspect(P), [values_of(**FOUR)])), ALL),
    "bulk_update_mappings": (
        lambda s: then(
            s, s.bulk_update_mappings(sa.inspect(P), [{"id": 1, **searchable(TABLE, {"name": NEW[0], "phone": None})}])
        ),
        NEW,
    ),
    "bulk update by key": (
        lambda s: done(s, sa.update(P), [{"id": 1, **searchable(TABLE, {"name": NEW[0], "phone": None})}]),
        NEW,
    ),
    "insert values": (lambda s: done(s, sa.insert(P).values(**values_of(**FOUR))), ALL),
    "insert many values": (lambda s: done(s, sa.insert(P).values([values_of(**FOUR)])), ALL),
    "the core's insert": (lambda s: then(s, s.connection().execute(TABLE.insert(), [values_of(**FOUR)])), ALL),
    "the core's update": (
        lambda s: then(
            s,
            s.connection().execute(
                TABLE.update().where(TABLE.c.id == 1).values(**searchable(TABLE, {"name": NEW[0], "phone": None}))
            ),
        ),
        NEW,
    ),
    "update with its search column": (
        lambda s: done(s, sa.update(P).where(P.id == 1).values(**searchable(TABLE, {"name": NEW[0], "phone": None}))),
        NEW,
    ),
    "update found by text": (
        lambda s: done(
            s, sa.update(P).where(P.mail == "zzana@x.org").values(city="Graz"), result=lambda s: ana(s).city
        ),
        "Graz",
    ),
    "update returning": (
        lambda s: s.scalars(sa.update(P).where(P.id == 1).values(visits=9).returning(P.visits)).one(),
        9,
    ),
    "update returning a row": (
        lambda s: s.scalars(sa.update(P).where(P.id == 1).values(city="Graz").returning(P)).one().name,
        NAMES[0],
    ),
    "update of another by an expression": (lambda s: done(s, sa.update(P).values(city=sa.func.upper(P.city))), NAMES),
    "update to NULL": (
        lambda s: done(
            s, sa.update(P).values(scan=None, visits=sa.null()), result=lambda s: (ana(s).scan, ana(s).visits)
        ),
        (None, None),
    ),
    "update by a bind": (
        lambda s: done(
            s,
            sa.update(P).where(P.id == 1).values(history=sa.bindparam("h", type_=P.history.type)),
            {"h": "zz-past"},
            result=lambda s: ana(s).history,
        ),
        "zz-past",
    ),
    "update of a bound row by its key": (
        lambda s: done(s, sa.update(C).where(C.id == A, C.clinic_id == 7).values(note="zz-new"), result=notes),
        ["zz-new", "zz-well"],
    ),
    "synchronized by evaluation": (
        lambda s: (
            row := ana(s),
            s.execute(
                sa.update(P).where(P.id == 1).values(visits=9), execution_options={"synchronize_session": "evaluate"}
            ),
            row.visits,
        )[2],
        9,
    ),
    "synchronized by fetch": (
        lambda s: (
            row := ana(s),
            s.execute(
                sa.update(P).where(P.id == 1).values(visits=9), execution_options={"synchronize_session": "fetch"}
            ),
            row.visits,
        )[2],
        9,
    ),
    "upsert": (lambda s: done(s, upserted(name=NEW[0])), NEW),
    "upsert that does nothing": (
        lambda s: done(s, upsert(P).values(**{**values_of(**FOUR), "number": 1}).on_conflict_do_nothing()),
        NAMES,
    ),
    "upsert of another column": (
        lambda s: done(
            s,
            upsert(P)
            .values(number=1, kind="patient", city="Graz")
            .on_conflict_do_update(index_elements=["number"], set_={"city": "Graz"}),
        ),
        NAMES,
    ),
    "upsert returning": (lambda s: s.scalars(upserted(name=NEW[0]).returning(P.name)).one(), NEW[0]),
    "delete by text": (lambda s: done(s, sa.delete(P).where(P.mail == "zzana@x.org")), NAMES[1:]),
    "delete returning": (lambda s: s.scalars(sa.delete(P).where(P.id == 1).returning(P.name)).one(), NAMES[0]),
    "delete returning a bound text": (
        lambda s: s.scalars(sa.delete(C).where(C.id == A).returning(C.note)).one(),
        "zz-ulna",
    ),
    "query.update": (lambda s: then(s, s.query(P).filter_by(id=1).update({"visits": 9}), lambda s: ana(s).visits), 9),
    "query.delete": (lambda s: then(s, s.query(P).filter(P.mail == "zzana@x.org").delete()), NAMES[1:]),
    "executemany": (lambda s: then(s, s.connection().execute(sa.insert(Tag), [{"name": "a"}, {"name": "b"}])), NAMES),
}

EXPRESSION = "read the rows, assign in Python"
LATER = "sorted(rows"
PYTHON = "compute in Python"
SEARCHED = "add a column of ExactSearch"
REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "order_by": (lambda s: s.execute(sa.select(P).order_by(P.mail)), LATER),
    "order_by a bound text": (lambda s: s.execute(sa.select(C).order_by(C.note)), LATER),
    "order_by a function": (lambda s: s.execute(sa.select(P).order_by(sa.func.lower(P.mail))), LATER),
    "order_by a name": (lambda s: s.execute(sa.select(P.id, P.mail).order_by("mail")), LATER),
    "order_by a label": (lambda s: s.execute(sa.select(P.id, P.mail.label("m")).order_by("m")), LATER),
    "order_by an alias": (lambda s: s.execute(sa.select(OTHER).order_by(OTHER.mail)), LATER),
    "order_by over a relation": (lambda s: s.execute(sa.select(C).join(C.patient).order_by(P.mail)), LATER),
    "order_by in a subquery": (
        lambda s: s.execute(sa.select(sa.select(P).order_by(P.mail).limit(1).subquery())),
        LATER,
    ),
    "order_by of a union": (
        lambda s: s.execute(sa.union_all(sa.select(P.mail), sa.select(P.name)).order_by("mail")),
        LATER,
    ),
    "order_by of a window": (lambda s: s.execute(sa.select(sa.func.row_number().over(order_by=P.mail))), LATER),
    "order_by of a query": (lambda s: s.query(P).order_by(P.mail).all(), LATER),
    "order_by of a subquery's column": (lambda s: s.execute(sa.select(INNER.c.id).order_by(INNER.c.mail)), LATER),
    "order_by desc of a name": (lambda s: s.execute(sa.select(P.id, P.mail).order_by(sa.desc("mail"))), LATER),
    "order_by within a group": (
        lambda s: s.execute(sa.select(sa.func.percentile_disc(0.5).within_group(P.visits))),
        LATER,
    ),
    "group_by a name": (lambda s: s.execute(sa.select(P.mail, sa.func.count()).group_by("mail")), "Counter"),
    "group_by a label": (lambda s: s.execute(sa.select(P.mail.label("m"), sa.func.count()).group_by("m")), "Counter"),
    "a case of a value": (lambda s: s.execute(sa.select(sa.case({"zzana@x.org": 1}, value=P.mail, else_=0))), PYTHON),
    "a tuple": (lambda s: s.execute(sa.select(P.id).where(sa.tuple_(P.id, P.mail).in_([(1, "zzana@x.org")]))), PYTHON),
    "lag": (lambda s: s.execute(sa.select(sa.func.lag(P.mail).over(order_by=P.id))), PYTHON),
    "an operator": (lambda s: P.mail.op("~")("zz-"), SEARCHED),
    "a function returned": (
        lambda s: s.execute(sa.update(P).values(city="x").returning(sa.func.lower(P.mail))),
        PYTHON,
    ),
    "a deletion by a function": (lambda s: s.execute(sa.delete(P).where(sa.func.lower(P.mail) == "zz-")), PYTHON),
    "asc": (lambda s: P.mail.asc(), SEARCHED),
    "group_by": (lambda s: s.execute(sa.select(P.mail, sa.func.count()).group_by(P.mail)), "Counter"),
    "group_by a function": (lambda s: s.execute(sa.select(sa.func.count()).group_by(sa.func.lower(P.mail))), "Counter"),
    "distinct": (lambda s: s.execute(sa.select(P.mail).distinct()), "Counter"),
    "distinct on": (lambda s: s.execute(sa.select(P).ext(distinct_on(P.mail))), "Counter"),
    "union": (lambda s: s.execute(sa.union(sa.select(P.mail), sa.select(P.name))), "Counter"),
    "a partition": (lambda s: s.execute(sa.select(sa.func.row_number().over(partition_by=P.mail))), "Counter"),
    "max": (lambda s: s.execute(sa.select(sa.func.max(P.visits))), PYTHON),
    "lower": (lambda s: s.execute(sa.select(sa.func.lower(P.mail))), PYTHON),
    "length in a condition": (lambda s: s.execute(sa.select(P).where(sa.func.length(P.mail) > 3)), PYTHON),
    "an ordered aggregate": (
        lambda s: s.execute(sa.select(sa.func.array_agg(aggregate_order_by(P.id, P.mail)))),
        PYTHON,
    ),
    "extract": (lambda s: s.execute(sa.select(sa.extract("year", P.dob))), PYTHON),
    "a cast": (lambda s: s.execute(sa.select(sa.cast(P.visits, sa.Integer))), PYTHON),
    "a cast in a condition": (lambda s: s.execute(sa.select(P.id).where(sa.cast(P.visits, sa.Integer) > 1)), PYTHON),
    "type_coerce": (lambda s: s.execute(sa.select(sa.type_coerce(P.mail, sa.String))), PYTHON),
    "a count of distinct": (lambda s: s.execute(sa.select(sa.func.count(sa.distinct(P.mail)))), SEARCHED),
    "a plain column compared": (lambda s: s.execute(sa.select(P).where(P.city == P.mail)), PYTHON),
    "a subquery of texts": (lambda s: s.execute(sa.select(P).where(P.city.in_(sa.select(OTHER.mail)))), PYTHON),
    "compared with a column": (lambda s: P.mail == P.city, SEARCHED),
    "compared with a subquery": (lambda s: P.mail == sa.select(P.name).scalar_subquery(), SEARCHED),
    "unequal": (lambda s: P.mail != "zz-", SEARCHED),
    "not_in": (lambda s: P.mail.not_in(["zz-"]), SEARCHED),
    "like": (lambda s: P.mail.like("zz-%"), SEARCHED),
    "between": (lambda s: P.dob.between(date(1980, 1, 1), date(1980, 12, 31)), SEARCHED),
    "a number": (lambda s: P.visits == 3, SEARCHED),
    "a text without an index": (lambda s: P.phone == "zz-", SEARCHED),
    "a key of JSON": (lambda s: P.answers["q"], SEARCHED),
    "a scalar subquery by a text": (lambda s: sa.select(P.mail).limit(1).scalar_subquery() == "zz-", SEARCHED),
    "a choice by a text": (lambda s: sa.case((P.id == 1, P.mail), else_=P.name) == "zz-", SEARCHED),
    "a function by a text": (lambda s: sa.func.coalesce(P.mail, P.name) == "zz-", SEARCHED),
    "a coerced text": (lambda s: sa.type_coerce(P.mail, P.mail.type) == "zz-", SEARCHED),
    "a subquery without its search column": (lambda s: sa.select(P.mail).subquery().c.mail == "zz-", "mail_search too"),
    "a literal compared": (lambda s: s.execute(sa.select(P).where(sa.literal("zz-") == P.mail)), PYTHON),
    "a parameter compared": (lambda s: P.mail == sa.bindparam("x", "zz-"), SEARCHED),
    "is_distinct_from": (lambda s: P.name.is_distinct_from("zz-"), SEARCHED),
    "a text of a clinic without it": (lambda s: C.mail == "zz-", "InClinic"),
    "filter_by without an index": (lambda s: sa.select(P).filter_by(phone="zz-"), SEARCHED),
    "the negation of words": (lambda s: s.execute(sa.select(P).where(~P.tokens.search("zz"))), "true_hits"),
    "update of a source": (lambda s: s.execute(sa.update(P).values(mail=TEXT)), "searchable(TABLE, ROW)"),
    "update of one of two sources": (lambda s: s.execute(sa.update(P).values(name=TEXT, tokens=[1])), "Set phone too"),
    "update by a function": (lambda s: s.execute(sa.update(P).values(history=sa.func.lower(P.city))), EXPRESSION),
    "update by a column": (lambda s: s.execute(sa.update(P).values(history=P.city)), EXPRESSION),
    "update by a literal": (lambda s: s.execute(sa.update(P).values(history=sa.literal(TEXT))), EXPRESSION),
    "update by a subquery": (
        lambda s: s.execute(sa.update(P).values(history=sa.select(OTHER.city).limit(1).scalar_subquery())),
        EXPRESSION,
    ),
    "update by a case": (lambda s: s.execute(sa.update(P).values(history=sa.case((P.id == 1, P.city)))), EXPRESSION),
    "update by ordered values": (lambda s: s.execute(sa.update(P).ordered_values((P.history, P.city))), EXPRESSION),
    "assignment of an expression": (lambda s: saved(s, ana(s), history=sa.func.lower(P.city)), EXPRESSION),
    "addition of an expression": (lambda s: saved(s, P(number=9, history=sa.func.lower(TEXT))), EXPRESSION),
    "insert from a selection": (
        lambda s: s.execute(sa.insert(P).from_select(["number", "past"], sa.select(P.id + 10, P.city))),
        EXPRESSION,
    ),
    "insert without its search column": (
        lambda s: s.execute(sa.insert(P).values(number=9, mail=TEXT)),
        "searchable(TABLE, ROW)",
    ),
    "bulk insert without its search column": (
        lambda s: s.execute(sa.insert(P), [{"number": 9, "mail": TEXT}]),
        "searchable(TABLE, ROW)",
    ),
    "bulk_save_objects without its search column": (
        lambda s: s.bulk_save_objects([P(number=9, mail=TEXT)]),
        "searchable(TABLE, ROW)",
    ),
    "upsert by a function": (
        lambda s: s.execute(
            upsert(P)
            .values(number=1, kind="patient", city="x")
            .on_conflict_do_update(index_elements=["number"], set_={"past": sa.func.lower(P.city)})
        ),
        EXPRESSION,
    ),
    "upsert of a source alone": (
        lambda s: s.execute(
            upsert(P)
            .values(number=1, kind="patient", city="x")
            .on_conflict_do_update(index_elements=["number"], set_={"mail": TEXT})
        ),
        "searchable(TABLE, ROW)",
    ),
    "a source assigned in before_update": (lambda s: listened(s, "before_update"), "searchable(TABLE, ROW)"),
    "update of bound rows": (lambda s: s.execute(sa.update(C).values(note=TEXT)), "note is sealed for its row"),
    "update of a clinic": (lambda s: s.execute(sa.update(C).values(clinic_id=8)), "session"),
    "a bound row without a clinic": (lambda s: saved(s, C(id=UUID(int=9), note=TEXT)), "clinic_id"),
    "a bound text of text()": (
        lambda s: s.execute(sa.text("select note from chart").columns(note=C.note.type)).all(),
        "select()",
    ),
    "query.update of a source": (lambda s: s.query(P).update({"mail": TEXT}), "searchable(TABLE, ROW)"),
    "query.update by an expression": (
        lambda s: s.query(P).update({"history": P.city}, synchronize_session=False),
        EXPRESSION,
    ),
}


@pytest.fixture
def watched(engine: sa.Engine, caplog: pytest.LogCaptureFixture) -> Iterator[sa.Engine]:
    """What the operation sends holds no text, and leaves all sound."""
    caplog.set_level(logging.INFO, "sqlalchemy.engine")
    yield engine
    assert not [each.getMessage() for each in caplog.records if SHOWN.search(each.getMessage())]
    require_sound(engine)


Run = Callable[[Callable[[Any], Any]], Any]


@pytest.fixture(params=["Session", "AsyncSession"])
def run(request: pytest.FixtureRequest, watched: sa.Engine, urls: Any) -> Run:
    """Does an operation, in either kind of session."""

    def here(operation: Callable[[Any], Any]) -> Any:
        with Session(watched) as session:
            return (operation(session), session.commit())[0]

    async def there(operation: Callable[[Any], Any]) -> Any:
        engine = create_async_engine(urls[1], hide_parameters=True)
        try:
            async with AsyncSession(engine) as session:
                result = await session.run_sync(operation)
                await session.commit()
                return result
        finally:
            await engine.dispose()

    return here if request.param == "Session" else lambda operation: asyncio.run(there(operation))


@pytest.mark.parametrize(("operation", "expected"), (READS | WRITES).values(), ids=(READS | WRITES).keys())
def test_it_is_right(run: Run, operation: Callable[[Any], Any], expected: Any) -> None:
    assert run(operation) == expected


@pytest.mark.parametrize(("operation", "instead"), REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_with_what_to_do_instead(
    run: Run, watched: sa.Engine, operation: Callable[[Any], Any], instead: str
) -> None:
    before = dump(watched)
    with pytest.raises(InvalidRequestError) as caught:
        run(operation)
    assert instead in str(caught.value) and not SHOWN.search("".join(traceback.format_exception_only(caught.value)))
    assert dump(watched) == before


STREAMS: dict[str, tuple[Any, Any]] = {
    "stream": (sa.select(P).order_by(P.id), NAMES),
    "stream of where text": (sa.select(P).where(P.mail.in_(["zzana@x.org", "ZZBOB@x.org"])).order_by(P.id), NAMES[:2]),
    "stream of a search": (sa.select(P).where(P.tokens.search("zzov")), NAMES[:1]),
    "stream of columns": (sa.select(P.name).order_by(P.id), NAMES),
    "stream of bound columns": (sa.select(C.note).order_by(C.id), ["zz-ulna", "zz-well"]),
    "stream of bound rows": (sa.select(C).order_by(C.id), ["zz-ulna", "zz-well"]),
    "stream of a clinic": (sa.select(C).where(C.mail == InClinic(7, "zzana@x.org")), ["zz-ulna"]),
    "stream in parts": (sa.select(P).order_by(P.id).execution_options(yield_per=1), NAMES),
    "stream with relations": (sa.select(P).options(selectinload(P.charts)).order_by(P.id), NAMES),
}


@pytest.mark.parametrize(("statement", "expected"), STREAMS.values(), ids=STREAMS.keys())
def test_a_stream_has_texts(watched: sa.Engine, urls: Any, statement: Any, expected: list[str]) -> None:
    def text_of(row: Any) -> Any:
        return getattr(row, "note", getattr(row, "name", row))

    async def read() -> list[list[Any]]:
        engine = create_async_engine(urls[1], hide_parameters=True)
        try:
            async with AsyncSession(engine) as session:
                rows = [text_of(row[0]) async for row in await session.stream(statement)]
                return [rows, [text_of(each) async for each in await session.stream_scalars(statement)]]
        finally:
            await engine.dispose()

    assert asyncio.run(read()) == [expected, expected]


def test_a_stream_of_an_order_by_records_is_refused(watched: sa.Engine, urls: Any) -> None:
    async def read() -> None:
        engine = create_async_engine(urls[1], hide_parameters=True)
        try:
            async with AsyncSession(engine) as session:
                await session.stream(sa.select(P).order_by(P.name))
        finally:
            await engine.dispose()

    with pytest.raises(InvalidRequestError, match="cannot be ordered by"):
        asyncio.run(read())
