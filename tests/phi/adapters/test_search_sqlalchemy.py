"""Search columns for SQLAlchemy: in step with their sources in every kind of write, comparisons, refusals.

Touches memory, and a database server of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, defer, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from eonpro_phi import CachedKey, PhiFields
from eonpro_phi.adapters.sqlalchemy import (
    EncryptedDate,
    EncryptedJSON,
    EncryptedText,
    ExactSearch,
    InClinic,
    WordSearch,
    render_item,
    searchable,
    true_hits,
)
from eonpro_phi.search import ExactIndex
from tests.phi.key_sources import CountingSource
from tests.phi.reencryption.postgres import Server

FORMER, CURRENT = b"1" * 32, b"2" * 32
SOURCE = CountingSource(FORMER)
FIELDS = PhiFields(CachedKey(SOURCE, reading_keys=[CountingSource(FORMER)]))


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "person"

    id: Mapped[int] = mapped_column(primary_key=True)
    mail: Mapped[str | None] = mapped_column("email", EncryptedText(FIELDS))
    phone: Mapped[str | None] = mapped_column(EncryptedText(FIELDS))
    clinic_id: Mapped[int | None] = mapped_column(default=7)
    mail_search: Mapped[str | None] = mapped_column("emailSearch", ExactSearch("email", rule="email"), index=True)
    last4: Mapped[str | None] = mapped_column(ExactSearch("phone", rule="last4", bits=16, clinic="clinic_id"))


class Named(Base):
    __tablename__ = "named"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(EncryptedText(FIELDS))
    phone: Mapped[str | None] = mapped_column(EncryptedText(FIELDS))
    tokens: Mapped[list[int] | None] = mapped_column(WordSearch("name", "phone", bits=8))


class Called:
    """A mixin: its columns are copied into each table."""

    phone: Mapped[str | None] = mapped_column(EncryptedText(FIELDS, bound=True))
    clinic_id: Mapped[int] = mapped_column(primary_key=True)
    last4: Mapped[str | None] = mapped_column(ExactSearch("phone", rule="last4", bits=16, clinic="clinic_id"))


class Doctor(Called, Base):
    """With a key of two columns, a version of the row, and a typed value."""

    __tablename__ = "doctor"

    number: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    born: Mapped[date | None] = mapped_column(EncryptedDate(FIELDS))
    born_search: Mapped[str | None] = mapped_column(ExactSearch("born", rule="date"))
    __mapper_args__ = {"version_id_col": version}


class Nurse(Called, Base):
    __tablename__ = "nurse"


class Versioned(Base):
    __tablename__ = "versioned"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    phone: Mapped[str | None] = mapped_column(EncryptedText(FIELDS))
    clinic_id: Mapped[int] = mapped_column(default=7)
    last4: Mapped[str | None] = mapped_column(ExactSearch("phone", rule="last4", bits=16, clinic="clinic_id"))
    __mapper_args__ = {"version_id_col": version}


TABLE: Any = Person.__table__


@pytest.fixture
def session() -> Iterator[Session]:
    SOURCE.key = FORMER
    FIELDS.forget()
    engine = sa.create_engine("sqlite://", hide_parameters=True)
    Base.metadata.create_all(
        engine, [Base.metadata.tables[name] for name in ("person", "doctor", "nurse", "versioned")]
    )
    with Session(engine) as session:
        yield session
    engine.dispose()


def mails(session: Session, condition: Any) -> list[str | None]:
    return [*session.scalars(sa.select(Person.mail).where(condition).order_by(Person.id))]


def test_a_row_of_the_session_is_found_by_its_text_after_each_change(session: Session) -> None:
    session.add_all([Person(mail="jane@example.org"), Person(mail="joe@example.org"), Person()])
    session.commit()
    assert mails(session, Person.mail == " JANE@Example.org ") == ["jane@example.org"]
    assert mails(session, Person.mail.in_(["joe@example.org", "none@example.org"])) == ["joe@example.org"]
    other = aliased(Person)
    assert session.scalars(sa.select(other.mail).where(other.mail == "joe@example.org")).all() == ["joe@example.org"]
    person = session.scalars(sa.select(Person).where(Person.mail == "jane@example.org")).one()
    person.mail = "JANE@example.org"  # another text with the same value
    session.commit()
    person.mail = "janet@example.org"
    session.commit()
    assert mails(session, Person.mail == "jane@example.org") == []
    assert mails(session, Person.mail == "janet@example.org") == ["janet@example.org"]
    stored = session.connection().exec_driver_sql('select "emailSearch" from person order by id').scalars().all()
    index = ExactIndex(table="person", column="emailSearch", rule="email")
    assert stored == [
        FIELDS.search_value(index, "janet@example.org"),
        FIELDS.search_value(index, "joe@example.org"),
        None,
    ]


def test_a_row_that_was_read_in_part_stays_in_step(session: Session) -> None:
    session.add(Person(id=1, phone="555 010 2345", clinic_id=7))
    session.commit()
    person = session.scalars(sa.select(Person).options(defer(Person.phone), defer(Person.last4))).one()
    person.clinic_id = 8  # the clinic is part of the key
    session.commit()
    condition = Person.phone == InClinic(8, "2345")
    assert session.scalars(sa.select(Person.clinic_id).where(condition)).all() == [8]
    session.refresh(person)
    before = session.connection().exec_driver_sql("select last4 from person").scalar_one()
    person.mail = "jane@example.org"
    session.commit()
    assert session.connection().exec_driver_sql("select last4 from person").scalar_one() == before


def test_a_change_is_indexed_with_what_another_session_wrote_meanwhile(session: Session) -> None:
    session.add(Person(id=1, phone="555 010 2345", clinic_id=7))
    session.commit()
    session.expire_on_commit = False
    person = session.get_one(Person, 1)
    session.commit()
    with Session(session.connection()) as other:
        other.get_one(Person, 1).phone = "555 010 6789"
        other.commit()
    person.clinic_id = 8  # with the phone of before, as this session knows it
    session.commit()
    assert len(session.scalars(sa.select(Person).where(Person.phone == InClinic(8, "6789"))).all()) == 1
    assert person.phone == "555 010 6789"


def test_a_row_with_a_version_is_changed_in_step_and_only_as_it_was_read(session: Session) -> None:
    session.add(Versioned(id=1, phone="555 010 2345"))
    session.commit()
    row = session.get_one(Versioned, 1)
    row.phone = "555 010 6789"
    session.commit()
    row.clinic_id = 8
    session.commit()
    found = sa.select(Versioned).where(Versioned.phone == InClinic(8, "6789"))
    assert session.scalars(found).one().version == 3
    session.expire_on_commit = False
    session.commit()
    with Session(session.connection()) as other:
        other.get_one(Versioned, 1).phone = "555 010 1111"
        other.commit()
    row.clinic_id = 9
    with pytest.raises(StaleDataError):
        session.commit()


def test_columns_of_a_mixin_a_key_of_two_and_a_typed_value(session: Session) -> None:
    born = date(1980, 1, 31)
    session.add(Doctor(clinic_id=7, number=1, phone="555 010 2345", born=born))
    session.add(Nurse(clinic_id=7, phone="555 010 2345"))
    session.commit()
    doctor = session.scalars(sa.select(Doctor).where(Doctor.phone == InClinic(7, "2345"))).one()
    assert session.scalars(sa.select(Nurse).where(Nurse.phone == InClinic(7, "2345"))).one().phone == "555 010 2345"
    assert session.scalars(sa.select(Doctor).where(Doctor.born == born)).one() is doctor
    assert session.scalars(sa.select(Doctor).where(Doctor.born.in_(["1/31/1980"]))).one() is doctor
    assert [*true_hits([doctor], born_search="1980-1-31")] == [doctor] == [*true_hits([doctor], born_search=born)]
    doctor.phone, doctor.born = "555 010 6789", date(1981, 1, 31)
    session.commit()
    doctor.clinic_id = 8
    session.commit()
    assert session.scalars(sa.select(Doctor.number).where(Doctor.phone == InClinic(8, "6789"))).all() == [1]
    assert session.scalars(sa.select(Doctor.number).where(Doctor.born == born)).all() == []
    session.delete(doctor)
    session.commit()
    assert searchable(Doctor, {"born": born})["born_search"] is not None
    wrong = sa.Table(
        "w", sa.MetaData(), sa.Column("a", EncryptedJSON(FIELDS)), sa.Column("b", ExactSearch("a", rule="text"))
    )
    with pytest.raises(InvalidRequestError, match="which is no EncryptedText of w"):
        searchable(wrong, {"a": "x"})


def test_a_migration_of_alembic_has_the_types_of_the_database() -> None:
    for name in ("person", "doctor", "named"):
        table = Base.metadata.tables[name]
        written = sa.Table(name, sa.MetaData())
        for column in table.columns:
            rendered = render_item("type", column.type, None)
            made = eval(rendered, {"sa": sa}) if rendered else column.type  # as the migration is run
            assert not rendered or rendered in ("sa.Text()", "sa.ARRAY(sa.Integer())")
            written.append_column(
                sa.Column(column.name, made, primary_key=column.primary_key, nullable=column.nullable)
            )
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        ours, theirs = (str(sa.schema.CreateTable(each).compile(dialect=dialect)) for each in (table, written))
        assert ours == theirs
    assert render_item("index", sa.Index("i", written.c.id, written.c.name), None) is False, "an index may have a key"


def contact(**values: Any) -> Any:
    return upsert(TABLE).values(searchable(TABLE, {"id": 1, "phone": "555 010 2345", "clinic_id": 7} | values))


STALE: dict[str, Callable[[], Any]] = {
    "upsert": lambda: contact().on_conflict_do_update(
        index_elements=["id"], set_={"phone": contact().excluded.phone, "last4": contact().excluded.last4}
    ),
    "upsert of the clinic": lambda: contact().on_conflict_do_update(index_elements=["id"], set_={"clinic_id": 8}),
    "update": lambda: TABLE.update().where(TABLE.c.id == 1).values(phone="2345", last4="0000"),
    "update of the clinic": lambda: TABLE.update().where(TABLE.c.id == 1).values(clinic_id=8),
    "update of the clinic, of the ORM": lambda: sa.update(Person).values(clinic_id=8),
    "insert": lambda: TABLE.insert().values(id=2, clinic_id=8, last4="0000"),
    "insert of many": lambda: TABLE.insert().values([{"id": 2, "clinic_id": 8, "last4": "0000"}]),
}


@pytest.mark.parametrize("name", STALE)
def test_a_value_of_what_the_row_may_not_have_is_refused_with_what_to_do(session: Session, name: str) -> None:
    session.execute(TABLE.insert(), searchable(TABLE, {"id": 1, "phone": "555 010 6789", "clinic_id": 8}))
    with pytest.raises(InvalidRequestError, match="clinic_id|phone"):
        session.execute(STALE[name]())
    with pytest.raises(InvalidRequestError, match="searchable"):
        session.execute(sa.update(Person), [{"id": 1, "clinic_id": 9}])
    assert session.scalars(sa.select(Person.phone).where(Person.phone == InClinic(8, "6789"))).one() == "555 010 6789"


def test_an_upsert_that_sets_all_of_a_value_or_names_the_row_by_it_is_in_step(session: Session) -> None:
    session.execute(TABLE.insert(), searchable(TABLE, {"id": 1, "phone": "555 010 6789", "clinic_id": 8}))
    new = contact()
    names = ("phone", "clinic_id", "last4")
    set_ = {name: new.excluded[name] for name in names}
    session.execute(new.on_conflict_do_update(index_elements=["id"], set_=set_))
    assert session.scalars(sa.select(Person.id).where(Person.phone == InClinic(7, "2345"))).one() == 1
    changed = searchable(TABLE, {"phone": "555 010 1111", "clinic_id": 7})
    del changed["clinic_id"]
    session.execute(TABLE.update().where(TABLE.c.id == 1, TABLE.c.clinic_id == 7).values(**changed))
    assert session.scalars(sa.select(Person.id).where(Person.phone == InClinic(7, "1111"))).one() == 1
    for nothing in (None, sa.null()):
        session.execute(TABLE.update().values(last4=nothing))  # before `phi index` writes other bits
    session.execute(sa.update(Person).values(last4=None))
    assert session.scalars(sa.select(Person.last4)).all() == [None]
    row = upsert(Nurse).values(searchable(Nurse, {"phone": "2345", "clinic_id": 7}))
    for _ in range(2):
        excluded = {"phone": row.excluded.phone, "last4": row.excluded.last4}
        session.execute(row.on_conflict_do_update(index_elements=["clinic_id"], set_=excluded))
    assert session.scalars(sa.select(Nurse.phone).where(Nurse.phone == InClinic(7, "2345"))).one() == "2345"


WRITES: dict[str, Callable[[], Any]] = {
    "insert": lambda: TABLE.insert().values(email="x"),
    "insert of many": lambda: TABLE.insert().values([{"email": "x"}, {"email": "y"}]),
    "update": lambda: TABLE.update().values(email="x"),
    "update by column": lambda: TABLE.update().values({TABLE.c.email: "x"}),
    "update of the ORM": lambda: sa.update(Person).values(mail="x"),
    "upsert": lambda: (
        upsert(TABLE)
        .values(searchable(TABLE, {"id": 1, "email": "x"}))
        .on_conflict_do_update(index_elements=["id"], set_={"email": "y"})
    ),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_statement_that_leaves_the_search_value_is_refused_with_what_to_do(session: Session, name: str) -> None:
    with pytest.raises(InvalidRequestError, match="searchable"):
        session.execute(WRITES[name]())


def test_parameters_count_as_values_and_searchable_adds_what_they_lack(session: Session) -> None:
    rows = [{"email": f"{name}@example.org", "phone": "555 010 2345", "clinic_id": 7} for name in ("jane", "joe")]
    for statement in (TABLE.insert(), sa.insert(Person)):
        with pytest.raises(InvalidRequestError, match="emailSearch"):
            session.connection().execute(statement, rows)
    session.execute(TABLE.insert(), [searchable(Person, row) for row in rows])
    assert mails(session, Person.mail == "joe@example.org") == ["joe@example.org"]
    with pytest.raises(InvalidRequestError, match="last4 needs clinic_id of the row too"):
        searchable(TABLE, {"phone": "2345"})
    assert searchable(TABLE, {"id": 7}) == {"id": 7}


def test_writes_of_the_session_that_skip_its_events_are_refused_and_merge_is_not(session: Session) -> None:
    for skip in (
        lambda: session.bulk_save_objects([Person(mail="x")]),
        lambda: session.bulk_insert_mappings(sa.inspect(Person), [{"mail": "x"}]),
        lambda: session.execute(sa.update(Person), [{"id": 1, "mail": "x"}]),
        lambda: session.query(Person).update({"mail": "x"}),
    ):
        with pytest.raises(InvalidRequestError, match="searchable"):
            skip()
        session.rollback()
    session.merge(Person(id=1, mail="jane@example.org"))
    session.merge(Person(id=1, mail="joe@example.org"))
    session.commit()
    assert mails(session, Person.mail == "joe@example.org") == ["joe@example.org"]


def test_comparisons_find_rows_of_the_former_key_while_it_changes(session: Session) -> None:
    session.add(Person(mail="jane@example.org"))
    session.commit()
    SOURCE.key = CURRENT
    FIELDS.forget()
    session.add(Person(mail="jane@example.org"))
    session.commit()
    assert mails(session, Person.mail == "jane@example.org") == ["jane@example.org"] * 2


def test_each_clinic_is_asked_by_itself_and_others_hits_are_dropped(session: Session) -> None:
    session.add_all([Person(phone="+1 555 010 2345", clinic_id=clinic) for clinic in (7, 8)])
    session.commit()
    wanted = InClinic(7, "2345")
    hits = session.scalars(sa.select(Person).where(Person.phone == wanted))
    assert [person.clinic_id for person in true_hits(hits, last4=wanted)] == [7]
    unclear: list[Callable[[], Any]] = [
        lambda: Person.phone == "2345",
        lambda: Person.mail == InClinic(7, "jane@example.org"),
    ]
    for wrong in unclear:
        with pytest.raises(InvalidRequestError, match="is looked up by"):
            wrong()
    with pytest.raises(InvalidRequestError, match="clinic_id is None"), session.begin_nested():
        session.add(Nurse(phone="2345"))
        session.flush()
    session.expunge_all()
    for negated in (~(Person.phone == wanted), sa.not_(sa.and_(Person.id == 1, Person.phone == wanted))):
        with pytest.raises(InvalidRequestError, match="true_hits"):
            session.execute(sa.select(Person.id).where(negated))


def test_negations_are_whole_and_what_has_no_value_is_found_by_nothing(session: Session) -> None:
    session.add_all([Person(mail="unknown@example.com"), Person(mail="jane@example.org"), Person()])
    session.commit()
    assert mails(session, Person.mail == "unknown@example.com") == []
    assert mails(session, ~(Person.mail == "jane@example.org")) == ["unknown@example.com", None]
    refused: list[Callable[[], Any]] = [
        lambda: Person.mail != "x",
        lambda: Person.mail.like("x"),
        lambda: Person.mail == Person.phone,
        lambda: Person.mail.in_(sa.select(Person.mail)),
        lambda: Person.mail == 7,
        lambda: sa.select(TABLE.c.email).subquery().c.email == "x",
    ]
    for wrong in refused:
        with pytest.raises(InvalidRequestError):
            wrong()


def test_a_search_column_is_over_encrypted_texts_of_its_own_table() -> None:
    wrong = sa.Table("t", sa.MetaData(), sa.Column("a", sa.Text), sa.Column("b", ExactSearch("a", rule="text")))
    with pytest.raises(InvalidRequestError, match="which is no EncryptedText of t"):
        searchable(wrong, {"a": "x"})
    builds: list[Callable[[], Any]] = [lambda: ExactSearch("a", rule="names"), lambda: WordSearch("a", bits=40)]
    for build in builds:
        with pytest.raises(ValueError, match="rule is|bits is"):
            build()


@pytest.mark.needs("postgresql")
def test_words_are_found_and_stay_in_step_in_postgresql(server: Server) -> None:
    url = sa.URL.create(
        "postgresql+psycopg", username="postgres", database="postgres", query={"host": str(server.folder)}
    )
    engine = sa.create_engine(url, hide_parameters=True)
    Named.__table__.create(engine)  # type: ignore[attr-defined]
    with Session(engine) as session:
        first = Named(name="Jöhn O'Brien", phone="+1 (555) 010-2345")
        many = [{"name": f"Mary Smith {n}", "phone": f"555 030 {n:04}"} for n in range(200)]
        session.add(first)
        session.execute(sa.insert(Named), [searchable(Named, row) for row in many])
        session.commit()

        def hits(query: str) -> list[Named]:
            return [*session.scalars(sa.select(Named).where(Named.tokens.search(query)))]

        for query, expected in {"jo": 1, "obri 2345": 1, "MARY smi": 200, "mary 0007": 1, "zzz": 0, "--": 0}.items():
            assert len([*true_hits(hits(query), tokens=query)]) == expected <= len(hits(query))
        first.name = "Mary"
        session.commit()
        assert first not in true_hits(hits("brien"), tokens="brien")
        assert first in true_hits(hits("mary 2345"), tokens="mary 2345")
        with pytest.raises(InvalidRequestError, match="true_hits"):
            session.execute(sa.select(Named.id).where(~Named.tokens.search("mary")))
    Named.__table__.drop(engine)  # type: ignore[attr-defined]
    engine.dispose()
