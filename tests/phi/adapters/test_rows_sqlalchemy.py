"""Records that are bound to their row, and under the key of their row's tenant, in SQLAlchemy: SQLite in memory.

Touches memory only.
"""

from __future__ import annotations

import itertools
import pickle
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    defer,
    joinedload,
    load_only,
    mapped_column,
    relationship,
)
from sqlalchemy.orm.exc import StaleDataError

from eonpro_phi import CachedKey, DecryptionError, NotBound, PhiCipher, PhiFields, place
from eonpro_phi.adapters.sqlalchemy import (
    EncryptedBytes,
    EncryptedDate,
    EncryptedJSON,
    EncryptedText,
    ExactSearch,
    searchable,
)
from tests.phi.key_sources import CountingSource

CIPHER = PhiCipher(bytes(range(32)))
FIELDS = PhiFields(CachedKey(CountingSource(bytes(range(32)))))
PDF = b"%PDF\x00\xff"


def cipher() -> PhiFields:
    return FIELDS


class Base(DeclarativeBase):
    pass


class Clinic(Base):
    __tablename__ = "clinic"
    id: Mapped[int] = mapped_column(primary_key=True)
    motto: Mapped[str | None] = mapped_column(EncryptedText(cipher, bound="row"))
    patients: Mapped[list[Patient]] = relationship(back_populates="clinic", order_by="Patient.id")


class Patient(Base):
    """One column of each way, and of some types."""

    __tablename__ = "patient"
    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int | None] = mapped_column(sa.ForeignKey("clinic.id"))
    visits: Mapped[int] = mapped_column(default=0)
    mail: Mapped[str | None] = mapped_column("email", EncryptedText(cipher, bound="row", tenant="clinic_id"))
    phone: Mapped[str | None] = mapped_column(EncryptedText(cipher, tenant="clinic_id"))
    city: Mapped[str | None] = mapped_column(EncryptedText(cipher, bound=True, tenant="clinic_id"))
    note: Mapped[str | None] = mapped_column(EncryptedText(cipher, bound="row"))
    born: Mapped[date | None] = mapped_column(EncryptedDate(cipher, bound="row", tenant="clinic_id"))
    scan: Mapped[bytes | None] = mapped_column(EncryptedBytes(cipher, bound="row", tenant="clinic_id"))
    answers: Mapped[Any] = mapped_column(EncryptedJSON(cipher, bound="row", tenant="clinic_id"), nullable=True)
    clinic: Mapped[Clinic | None] = relationship(back_populates="patients")


TABLE: Any = Patient.__table__
TEXTS = {
    "mail": "jane@example.org",
    "phone": "555",
    "city": "Köln",
    "note": "Dr. 患者",
    "born": date(1980, 1, 31),
    "scan": PDF,
    "answers": {"a": ["é", None]},
}
"""By attribute."""
CORE = {"email" if name == "mail" else name: value for name, value in TEXTS.items()}
"""By column."""


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, hide_parameters=True)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def patient(id_: int = 1, clinic: int | None = 7, **values: Any) -> Patient:
    return Patient(id=id_, clinic_id=clinic, **(TEXTS | values))


def record(session: Session, column: str, id_: int = 1) -> Any:
    """What the database holds."""
    return session.execute(sa.text(f"SELECT {column} FROM patient WHERE id = :id"), {"id": id_}).scalar_one()


def opened(session: Session, column: str, id_: int, clinic: int) -> str | None:
    """The text of a column, opened as its declaration says it was sealed."""
    row = [id_] if column in ("email", "note") else []
    context = "" if column == "phone" else place("patient", column, *row)
    fields: Any = CIPHER if column == "note" else CIPHER.for_tenant(str(clinic))
    text: str | None = fields.decrypt(record(session, column, id_), context)
    return text


def texts(row: Patient) -> dict[str, Any]:
    return {name: getattr(row, name) for name in TEXTS}


def test_a_row_of_the_session_is_sealed_for_itself_and_read(session: Session) -> None:
    session.add(patient())
    session.commit()
    for column in ("email", "phone", "city", "note"):
        assert opened(session, column, 1, 7) == CORE[column]
    assert CIPHER.for_tenant("7").decrypt_bytes(record(session, "scan"), place("patient", "scan", 1)) == PDF
    for statement in (
        sa.select(Patient),
        sa.select(aliased(Patient)),
        sa.select(Patient).options(defer(Patient.mail), defer(Patient.scan)),
        sa.select(Patient).options(load_only(Patient.visits)),
    ):
        session.expunge_all()
        assert texts(session.scalars(statement).one()) == TEXTS
    row = session.get_one(Patient, 1)
    session.refresh(row)
    session.refresh(row, ["mail"])
    assert not session.dirty and texts(pickle.loads(pickle.dumps(row))) == TEXTS


def test_a_column_alone_is_read_too_because_the_statement_brings_its_row(session: Session) -> None:
    session.add_all([Clinic(id=7, motto="m"), patient(), patient(2, mail=None)])
    session.commit()
    assert session.execute(sa.select(Patient.mail, Patient.scan).order_by(Patient.id)).all() == [
        ("jane@example.org", PDF),
        (None, PDF),
    ]
    sub = sa.select(Patient).where(Patient.id == 1).subquery()
    other = aliased(Patient)
    pairs = sa.select(Patient, other).join(other, other.id == Patient.id + 1).subquery()
    for statement in (
        sa.select(Patient.mail.label("x")).where(Patient.id == 1),
        sa.select(sub.c.email),
        sa.select(aliased(Patient, sub).mail),
        sa.select(pairs.c.email),
        sa.select(sa.union_all(sa.select(Patient), sa.select(Patient)).subquery().c.email).limit(1),
        sa.select(aliased(Patient, sa.select(Patient).where(Patient.id == 1).cte()).mail),
        sa.select(Patient.mail).join(Patient.clinic).where(Patient.id == 1),
    ):
        assert session.scalars(statement).one() == "jane@example.org"
    both = session.execute(sa.union(sa.select(Patient.id, Patient.mail), sa.select(Patient.id, Patient.mail))).all()
    assert sorted(both)[0] == (1, "jane@example.org")
    clinics = session.scalars(sa.select(Clinic).options(joinedload(Clinic.patients)).limit(1)).unique().all()
    assert [(clinic.motto, clinic.patients[0].mail) for clinic in clinics] == [("m", "jane@example.org")]


@pytest.mark.parametrize("statement", [
    lambda: sa.select(sa.select(Patient.mail).subquery()),
    lambda: sa.select(sa.select(Patient.mail).limit(1).scalar_subquery()),
    lambda: sa.select(sa.case((Patient.id == 1, Patient.mail))),
    lambda: sa.text("SELECT email FROM patient").columns(email=TABLE.c.email.type),
])  # fmt: skip
def test_a_column_without_its_row_is_refused_with_what_to_do(session: Session, statement: Any) -> None:
    session.add(patient())
    session.commit()
    with pytest.raises(InvalidRequestError, match="select"):
        session.execute(statement()).all()


@pytest.mark.parametrize("column", ["email", "phone", "city", "note", "born", "scan", "answers"])
def test_a_record_opens_with_its_own_row_and_tenant_only(session: Session, column: str) -> None:
    """Every pair of two tenants and two rows, swapped in the database."""
    rows = {1: 7, 2: 7, 3: 8, 4: 8}
    session.add_all([patient(id_, clinic) for id_, clinic in rows.items()])
    session.commit()
    records = {id_: record(session, column, id_) for id_ in rows}
    kind = TABLE.c[column].type
    for source, target in itertools.product(rows, rows):
        session.execute(TABLE.update().values(visits=0))  # begins
        session.execute(
            sa.text(f"UPDATE patient SET {column} = :record WHERE id = :id"), {"record": records[source], "id": target}
        )
        read = sa.select(TABLE.c[column]).where(TABLE.c.id == target)
        opens = (not kind.tenant or rows[source] == rows[target]) and (not kind.per_row or source == target)
        if opens:
            assert session.execute(read).scalar_one() == CORE[column]
        else:
            with pytest.raises(DecryptionError):
                session.execute(read).all()
        session.rollback()


def moving(*reads: str, name: str = "patient") -> sa.Table:
    """The same table as a newer declaration has it."""
    kind = EncryptedText(cipher, bound="row", tenant="clinic_id", reads=reads, place="patient.email")
    columns = [sa.Column("id", sa.Integer, primary_key=True), sa.Column("clinic_id", sa.Integer)]
    return sa.Table(name, sa.MetaData(), *columns, sa.Column("email", kind))


def test_earlier_records_are_refused_or_read_where_they_are_declared_and_the_next_write_seals_them(
    session: Session,
) -> None:
    session.execute(TABLE.insert(), {"id": 1, "clinic_id": 7})
    north = CIPHER.for_tenant("7")
    for earlier, form in (
        (CIPHER.encrypt("x"), "unbound"),
        (CIPHER.encrypt_v2("x"), "unbound"),
        (CIPHER.encrypt_v2("x", place("patient", "email")), "column"),
        (CIPHER.encrypt_v2("x", place("patient", "email", 1)), "row"),
        (north.encrypt("x"), "tenant"),
        (north.encrypt("x", place("patient", "email")), "tenant+column"),
    ):
        session.execute(sa.text("UPDATE patient SET email = :record"), {"record": earlier})
        session.commit()
        with pytest.raises(NotBound, match=f'reads="{re.escape(form)}"'):
            session.get_one(Patient, 1)
        session.rollback()
        others = [each for each in ("unbound", "column") if each != form]
        with pytest.raises(NotBound):
            session.execute(sa.select(moving(*others).c.email)).all()
        assert session.execute(sa.select(moving(form, *others).c.email)).scalar_one() == "x"
        session.rollback()
    for foreign in (
        CIPHER.for_tenant("8").encrypt("x"),
        CIPHER.encrypt_v2("x", place("patient", "email", 2)),
        north.encrypt("x", place("patient", "phone")),
    ):
        session.execute(sa.text("UPDATE patient SET email = :record"), {"record": foreign})
        session.commit()
        with pytest.raises(DecryptionError):
            session.get_one(Patient, 1)
        session.rollback()
    session.get_one(Patient, 1, options=[defer(Patient.mail)]).mail = "y"
    session.commit()
    assert opened(session, "email", 1, 7) == "y"


def written(engine: sa.Engine) -> list[str]:
    """The statements that write, from now on."""
    statements: list[str] = []
    sa.event.listen(
        engine,
        "before_cursor_execute",
        lambda _c, _k, statement, *_: None if statement.startswith("SELECT") else statements.append(statement),
    )
    return statements


def test_reading_writes_nothing_and_a_change_writes_what_was_changed(engine: sa.Engine, session: Session) -> None:
    session.add(patient())
    session.commit()
    statements, before = written(engine), record(session, "phone")
    row = session.get_one(Patient, 1)
    assert texts(row) == TEXTS and not session.dirty
    session.commit()
    row.mail = row.mail
    row.visits = 1
    session.commit()
    assert statements == ["UPDATE patient SET visits=? WHERE patient.id = ?"]
    row.mail = "joe@example.org"
    assert session.is_modified(row)
    session.rollback()
    assert row.mail == "jane@example.org"
    row.mail, row.note = "joe@example.org", ""
    assert session.scalars(sa.select(Patient.mail)).one() == "joe@example.org"  # autoflush
    session.commit()
    assert [texts(row)[name] for name in ("mail", "note")] == ["joe@example.org", record(session, "note")]
    assert record(session, "note") is None
    assert record(session, "phone") == before
    assert opened(session, "email", 1, 7) == "joe@example.org"


def move_by_attribute(session: Session) -> tuple[int, int]:
    session.get_one(Patient, 1).clinic_id = 8
    return 1, 8


def move_with_deferred(session: Session) -> tuple[int, int]:
    session.expunge_all()
    row = session.scalars(sa.select(Patient).options(load_only(Patient.visits))).one()
    row.clinic_id = 8
    return 1, 8


def move_by_relationship(session: Session) -> tuple[int, int]:
    session.get_one(Patient, 1).clinic = session.get_one(Clinic, 8)
    return 1, 8


def move_by_collection(session: Session) -> tuple[int, int]:
    clinic = session.get_one(Clinic, 8)
    clinic.patients.append(session.get_one(Patient, 1))
    session.flush()
    return 1, 8


def move_by_key(session: Session) -> tuple[int, int]:
    session.get_one(Patient, 1).id = 5
    return 5, 7


def move_by_both(session: Session) -> tuple[int, int]:
    row = session.get_one(Patient, 1)
    row.id, row.clinic_id = 5, 8
    return 5, 8


def move_by_merge(session: Session) -> tuple[int, int]:
    session.expunge_all()
    session.merge(Patient(id=1, clinic_id=8))
    return 1, 8


def move_in_core(session: Session) -> tuple[int, int]:
    session.expunge_all()
    session.execute(TABLE.update().where(TABLE.c.id == 1).values(clinic_id=8))
    return 1, 8


def move_by_parameters(session: Session) -> tuple[int, int]:
    session.expunge_all()
    session.execute(sa.update(Patient), [{"id": 1, "clinic_id": 8}])
    return 1, 8


@pytest.mark.parametrize("move", [
    move_by_attribute, move_with_deferred, move_by_relationship, move_by_collection, move_by_key, move_by_both,
    move_by_merge, move_in_core, move_by_parameters,
])  # fmt: skip
def test_a_row_that_moves_keeps_its_texts(session: Session, move: Callable[[Session], tuple[int, int]]) -> None:
    session.add_all([Clinic(id=7), Clinic(id=8), patient()])
    session.commit()
    id_, clinic = move(session)
    session.commit()
    for column in ("email", "phone", "city", "note"):
        assert opened(session, column, id_, clinic) == CORE[column]
    session.expunge_all()
    assert texts(session.get_one(Patient, id_)) == TEXTS


def test_a_moved_row_keeps_what_another_session_wrote_meanwhile(engine: sa.Engine, session: Session) -> None:
    session.add(patient())
    session.commit()
    session.expire_on_commit = False
    row = session.get_one(Patient, 1)
    session.commit()
    with Session(engine) as other:
        other.get_one(Patient, 1).mail = "new@example.org"
        other.commit()
        other.get_one(Patient, 1).clinic_id = 8
        other.commit()
    row.phone = "556"  # sealed for the clinic that the row has now
    session.commit()
    assert opened(session, "phone", 1, 8) == "556"
    row.clinic_id = 9
    session.commit()
    assert opened(session, "email", 1, 9) == "new@example.org"
    assert opened(session, "phone", 1, 9) == "556"


def test_rows_in_parameters_are_sealed_each_for_itself(session: Session) -> None:
    rows = [{"id": n, "clinic_id": 7 + n % 2, **TEXTS} for n in range(1, 5)]
    session.execute(sa.insert(Patient), rows[:2])
    session.execute(TABLE.insert(), {"id": 3, "clinic_id": 8, **CORE})
    session.execute(sa.insert(Patient).values(rows[3]))
    found = session.execute(sa.insert(Patient).returning(Patient), [{"id": 5, "clinic_id": 7, **TEXTS}]).scalars()
    assert texts(found.one()) == TEXTS
    session.bulk_insert_mappings(sa.inspect(Patient), [{"id": 6, "clinic_id": 7, **TEXTS}])
    session.bulk_save_objects([patient(7), patient(8)])
    session.commit()
    for id_, clinic in {1: 8, 2: 7, 3: 8, 4: 7, 5: 7, 6: 7, 7: 7, 8: 7}.items():
        assert opened(session, "email", id_, clinic) == "jane@example.org"
        assert opened(session, "note", id_, clinic) == "Dr. 患者"
    session.execute(sa.update(Patient), [{"id": n, "mail": f"{n}@example.org"} for n in (1, 2)])
    session.execute(sa.update(Patient).where(Patient.id == 3, Patient.visits == 0).values(mail="3@example.org"))
    session.execute(sa.update(Patient).where(Patient.clinic_id == 7).values(phone="557"))
    session.commit()
    assert [opened(session, "email", n, 7 + n % 2) for n in (1, 2, 3)] == [f"{n}@example.org" for n in (1, 2, 3)]
    assert [row.phone for row in session.scalars(sa.select(Patient).order_by(Patient.id))][:3] == ["555", "557", "555"]


def upserted(*, many: bool = False, **values: Any) -> Any:
    insert = upsert(TABLE).values([{"id": 1}, {"id": 2}] if many else {"id": 1, "clinic_id": 8, "email": "x"})
    return insert.on_conflict_do_update(index_elements=["id"], set_=values)


def insert(**values: Any) -> Any:
    return TABLE.insert().values(values)


def test_a_statement_on_a_table_names_its_columns_by_texts(session: Session) -> None:
    session.execute(TABLE.insert().values(id=1, clinic_id=7, visits=0, email="1@example.org", note="x"))
    session.execute(TABLE.insert().values({"id": 2, "clinic_id": 7, "visits": 0, "email": "2@example.org"}))
    session.execute(TABLE.update().where(TABLE.c.id == 1).values(email="one@example.org", clinic_id=8))
    session.execute(TABLE.update().where(TABLE.c.id == 2).values({TABLE.c.email: "two@example.org", "note": "y"}))
    rows = session.scalars(sa.select(Patient).order_by(Patient.id)).all()
    assert [(row.mail, row.note) for row in rows] == [("one@example.org", "x"), ("two@example.org", "y")]


def update(*condition: Any, **values: Any) -> Any:
    return sa.update(Patient).where(*condition).values(values)


def moved_inside() -> Any:
    return update(Patient.id == 1, clinic_id=8).returning(Patient.id).cte()


TWO = [{"id": 8, "note": "x"}, {"id": 9, "note": "y"}]
REFUSED: dict[str, tuple[str, Callable[[Session], Any]]] = {
    "no key": ("primary key", lambda s: s.add(Patient(clinic_id=7, mail="x"))),
    "no key, in Core": ("primary key", lambda s: s.execute(TABLE.insert(), {"clinic_id": 7, "email": "x"})),
    "no tenant": ("clinic_id", lambda s: s.add(Patient(id=2, phone="x"))),
    "no tenant, in Core": ("clinic_id", lambda s: s.execute(TABLE.insert(), {"id": 2, "email": "x"})),
    "no tenant yet": ("clinic_id", lambda s: s.execute(insert(id=2, clinic_id=sa.func.abs(1), phone="x"))),
    "a key of an expression": ("primary key", lambda s: s.execute(insert(id=sa.func.abs(2), note="x"))),
    "a key of another type": ("Integer", lambda s: s.execute(TABLE.insert(), {"id": "02", "note": "x"})),
    "values of many": ("session", lambda s: s.execute(sa.insert(Patient).values(TWO))),
    "many rows": ("session", lambda s: s.execute(update(note="x"))),
    "rows of a query": ("session", lambda s: s.query(Patient).filter(Patient.id > 0).update({"note": "x"})),
    "one of two": ("session", lambda s: s.execute(update(sa.or_(Patient.id == 1, Patient.id == 2), note="x"))),
    "all but one": ("session", lambda s: s.execute(update(~(Patient.id == 2), note="x"))),
    "one of another table": ("session", lambda s: s.execute(update(aliased(Patient).id == 1, note="x"))),
    "any tenant": ("session", lambda s: s.execute(update(Patient.visits == 0, phone="x"))),
    "moved in bulk": ("session", lambda s: s.execute(update(clinic_id=8))),
    "moved to nobody": ("clinic_id", lambda s: setattr(s.get_one(Patient, 1), "clinic_id", None)),
    "upsert": ("merge", lambda s: s.execute(upserted(email="y"))),
    "upsert of many": ("merge", lambda s: s.execute(upserted(many=True, clinic_id=8))),
    "inside of a statement": ("session", lambda s: s.execute(sa.select(moved_inside().c.id))),
    "upsert of a tenant": ("merge", lambda s: s.execute(upserted(clinic_id=8))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_write_that_does_not_say_its_row_is_refused_and_nothing_is_written(session: Session, name: str) -> None:
    session.add(patient())
    session.commit()
    before = session.execute(sa.text("SELECT * FROM patient")).all()
    match, write = REFUSED[name]
    with pytest.raises(InvalidRequestError, match=match) as caught:
        write(session)
        session.flush()
    assert "'x'" not in str(caught.value)
    session.rollback()
    assert session.execute(sa.text("SELECT * FROM patient")).all() == before


def test_a_row_without_texts_needs_neither_key_nor_tenant(session: Session) -> None:
    row = Patient()
    session.add(row)
    session.commit()
    assert texts(row) == dict.fromkeys(TEXTS)
    row.clinic_id = 7
    session.commit()
    row.mail = "jane@example.org"
    session.commit()
    assert opened(session, "email", row.id, 7) == "jane@example.org"
    row.mail = None
    row.clinic_id = None
    session.commit()


def test_a_row_that_is_gone_is_said(session: Session, engine: sa.Engine) -> None:
    session.add(patient())
    session.commit()
    row = session.get_one(Patient, 1)
    session.execute(sa.text("DELETE FROM patient"))
    row.mail = "x"
    with pytest.raises(StaleDataError):
        session.flush()


def test_a_renamed_table_and_column_keep_their_name_for_keys(engine: sa.Engine) -> None:
    def guests(name: str, column: str, place: str | None = None) -> sa.Table:
        search = f"{place}_search" if place else None
        return sa.Table(
            name,
            sa.MetaData(),
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column(column, EncryptedText(cipher, bound="row", place=place)),
            sa.Column("found", ExactSearch(column, rule="email", place=search)),
        )

    before = guests("guest", "email", "guest.email")
    with engine.begin() as connection:
        before.create(connection)
        connection.execute(before.insert(), searchable(before, {"id": 1, "email": "jane@example.org"}))
        connection.execute(sa.text("ALTER TABLE guest RENAME COLUMN email TO mail"))
        connection.execute(sa.text("ALTER TABLE guest RENAME TO people"))
        for place_of, is_found in (("guest.email", True), (None, False)):
            now = guests("people", "mail", place_of)
            wanted = sa.select(now.c.mail).where(now.c.mail == "Jane@example.org")
            assert connection.execute(wanted).scalars().all() == (["jane@example.org"] if is_found else [])
        with pytest.raises(NotBound, match="renamed"):
            connection.execute(sa.select(now.c.mail)).all()
    kind = EncryptedText(cipher, bound=True)
    sa.Table("one", sa.MetaData(), sa.Column("email", kind))
    with pytest.raises(ArgumentError, match=re.escape('the former name: place="one.email"')):
        sa.Table("two", sa.MetaData(), sa.Column("email", kind))
    for options in ({"reads": "unbound"}, {"bound": True, "place": "email"}, {"bound": True, "reads": "row"}):
        with pytest.raises(ArgumentError, match="reads|TABLE.COLUMN"):
            EncryptedText(cipher, **options)
