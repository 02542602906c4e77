"""What names a row in SQLAlchemy: keys and tenants of every kind, declarations, and a plain column that is moved.

Touches memory only.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from eonpro_phi import CachedKey, InvalidTenant, PhiFields, place
from eonpro_phi.adapters.sqlalchemy import EncryptedText, ExactSearch, InClinic, PlainColumn, true_hits
from tests.phi.key_sources import CountingSource

FIELDS = PhiFields(CachedKey(CountingSource(bytes(range(32)))))


def cipher() -> PhiFields:
    return FIELDS


class HexId(sa.TypeDecorator[uuid.UUID]):
    """A UUID as an application's own type writes it."""

    impl = sa.CHAR(32)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value and value.hex

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value and uuid.UUID(value)


class Base(DeclarativeBase):
    pass


class Clinic(Base):
    __tablename__ = "clinic"
    id: Mapped[int] = mapped_column(primary_key=True)
    motto: Mapped[str | None] = mapped_column(EncryptedText(cipher, bound="row"))


class Visit(Base):
    """A key and a tenant that the application's defaults give."""

    __tablename__ = "visit"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    clinic_id: Mapped[str] = mapped_column(default="north")
    reason: Mapped[str | None] = mapped_column(EncryptedText(cipher, bound="row", tenant="clinic_id"), default="none")


class Named(Base):
    """A key that a type of the application writes in its own form."""

    __tablename__ = "named"
    id: Mapped[uuid.UUID] = mapped_column(HexId, primary_key=True, default=uuid.uuid4)
    clinic: Mapped[str] = mapped_column(default=lambda context: context.get_current_parameters()["town"])
    town: Mapped[str]
    text: Mapped[str | None] = mapped_column(EncryptedText(cipher, bound="row", tenant="clinic"))


class Person(Base):
    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}


class Doctor(Person):
    """Its key is that of its parent's row, which is inserted first."""

    __tablename__ = "doctor"
    id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), primary_key=True)
    clinic_id: Mapped[int]
    name: Mapped[str | None] = mapped_column(EncryptedText(cipher, bound="row", tenant="clinic_id"))
    __mapper_args__ = {"polymorphic_identity": "doctor"}


class Bed(Base):
    """Its tenant is a part of its key, and is updated by itself."""

    __tablename__ = "bed"
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    other_id: Mapped[int | None] = mapped_column(sa.ForeignKey("clinic.id"))
    text: Mapped[str | None] = mapped_column(EncryptedText(cipher, tenant="clinic_id"))
    more: Mapped[str | None] = mapped_column(EncryptedText(cipher, bound=True, tenant="other_id"))
    other: Mapped[Clinic | None] = relationship(foreign_keys=[other_id], post_update=True)


class Guest(Base):
    """A plain column that is moved, and is searched."""

    __tablename__ = "guest"
    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int] = mapped_column(default=7)
    mail: Mapped[str | None] = mapped_column("email_encrypted", EncryptedText(cipher, bound="row", tenant="clinic_id"))
    plain: Mapped[str | None] = mapped_column("email", PlainColumn("email_encrypted"))
    search: Mapped[str | None] = mapped_column(
        ExactSearch("email_encrypted", rule="email", bits=16, clinic="clinic_id")
    )


@pytest.fixture
def session() -> Iterator[Session]:
    engine = sa.create_engine("sqlite://", hide_parameters=True)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


def record(session: Session, table: str, column: str, key: uuid.UUID) -> Any:
    """What the database holds."""
    return session.execute(sa.text(f"SELECT {column} FROM {table} WHERE id = :id"), {"id": key.hex}).scalar_one()


def test_defaults_of_the_application_are_known_before_a_row_is_sealed(session: Session) -> None:
    visit = Visit(reason="pain")
    session.add_all([visit, Visit()])
    session.execute(sa.insert(Visit), [{"reason": "a"}, {"reason": None}])
    session.flush()
    assert isinstance(visit.id, uuid.UUID) and visit.clinic_id == "north"
    session.commit()
    reads = session.scalars(sa.select(Visit)).all()
    assert sorted(str(row.reason) for row in reads) == ["a", "none", "none", "pain"]
    for row in reads:
        sealed = record(session, "visit", "reason", row.id)
        assert FIELDS.for_tenant("north").decrypt(sealed, place("visit", "reason", row.id)) == row.reason
    with pytest.raises(InvalidTenant):
        session.add(Visit(clinic_id=""))
        session.flush()


def test_a_key_is_known_from_a_parent_a_type_or_a_default_with_a_context(session: Session) -> None:
    named, doctor = Named(town="Köln", text="x"), Doctor(clinic_id=7, name="Dr. Who")
    session.add_all([named, doctor])
    session.execute(sa.insert(Named), [{"town": town, "text": town} for town in ("Bonn", "Ulm")])
    session.commit()
    assert sorted(session.execute(sa.select(Named.clinic, Named.text)).all()) == [
        ("Bonn", "Bonn"), ("Köln", "x"), ("Ulm", "Ulm"),
    ]  # fmt: skip
    sealed = record(session, "named", "text", named.id)
    assert FIELDS.for_tenant("Köln").decrypt(sealed, place("named", "text", named.id.hex)) == "x"
    doctor.clinic_id = 8
    session.commit()
    session.expire_all()
    read = session.scalars(sa.select(Person)).one()
    assert isinstance(read, Doctor) and read.name == "Dr. Who"


def test_a_tenant_in_the_key_or_written_after_the_row_takes_the_texts_along(session: Session) -> None:
    bed = Bed(clinic_id=1, number=1, other_id=1, text="x", more="y")
    session.add_all([Clinic(id=1), Clinic(id=2), bed])
    session.commit()
    bed.other = session.get_one(Clinic, 2)  # in an UPDATE of its own: post_update
    session.commit()
    bed.text = "z"
    session.commit()
    bed.clinic_id = 2
    session.commit()
    assert session.execute(sa.select(Bed.clinic_id, Bed.other_id, Bed.text, Bed.more)).all() == [(2, 2, "z", "y")]
    # A row that takes the place of a deleted one is an UPDATE of it.
    session.delete(bed)
    session.add(Bed(clinic_id=2, number=1, other_id=1, text="n"))
    session.commit()
    assert session.execute(sa.select(Bed.other_id, Bed.text, Bed.more)).all() == [(1, "n", "y")]


def test_a_value_of_a_named_parameter_is_sealed_where_it_is(session: Session) -> None:
    session.add_all([Clinic(id=1, motto="a"), Clinic(id=2, motto="b")])
    session.commit()
    table: Any = Clinic.__table__
    named = table.update().where(table.c.id == sa.bindparam("key")).values(motto=sa.bindparam("new"))
    session.execute(named, [{"key": 1, "new": "c"}, {"key": 2, "new": "d"}])
    session.execute(table.insert().values(id=sa.bindparam("key"), motto=sa.bindparam("new")), {"key": 3, "new": "e"})
    assert session.execute(sa.select(Clinic.id, Clinic.motto)).all() == [(1, "c"), (2, "d"), (3, "e")]


def test_a_plain_column_is_moved_to_sealed_records_and_searched(session: Session) -> None:
    session.execute(sa.text("INSERT INTO guest (id, clinic_id, email) VALUES (1, 7, 'joe@example.org')"))
    session.add(Guest(id=2, mail="jane@example.org"))
    session.commit()
    joe, jane = session.scalars(sa.select(Guest).order_by(Guest.id))
    assert (joe.mail, jane.mail, jane.plain) == ("joe@example.org", "jane@example.org", "jane@example.org")
    joe.mail, jane.clinic_id = "new@example.org", 8
    session.commit()
    session.execute(sa.text("UPDATE guest SET email = NULL"))
    for wanted, row in {InClinic(7, "NEW@example.org"): joe, InClinic(8, "jane@example.org"): jane}.items():
        assert [*true_hits(session.scalars(sa.select(Guest).where(Guest.mail == wanted)), search=wanted)] == [row]
    assert session.scalars(sa.select(Guest.mail.label("x")).where(Guest.id == 1)).all() == ["new@example.org"]


KIND = EncryptedText
KEY = sa.Column("id", sa.Integer, primary_key=True)
DECLARED: dict[str, tuple[Any, ...]] = {
    "one column": (KEY, sa.Column("b", sa.Integer, primary_key=True), KIND(cipher, bound="row")),
    "one column; use": (KIND(cipher, bound="row"),),
    "no column clinic_id": (KEY, KIND(cipher, tenant="clinic_id")),
    "encrypted": (KEY, sa.Column("b", KIND(cipher)), KIND(cipher, tenant="b")),
    "t is encrypted": (KEY, KIND(cipher, tenant="t")),
    "Integer, String or Uuid": (sa.Column("id", sa.DateTime, primary_key=True), KIND(cipher, bound="row")),
    "ON UPDATE CASCADE": (
        sa.Column("id", sa.ForeignKey("x.id", onupdate="CASCADE"), primary_key=True),
        KIND(cipher, bound="row"),
    ),
    "ON DELETE SET NULL": (KEY, sa.Column("b", sa.ForeignKey("x.id", ondelete="set null")), KIND(cipher, tenant="b")),
}


@pytest.mark.parametrize("match", DECLARED)
def test_a_declaration_that_cannot_work_is_refused(match: str) -> None:
    *columns, kind = DECLARED[match]
    with pytest.raises(ArgumentError, match=match):
        sa.Table("t", sa.MetaData(), *(column._copy() for column in columns), sa.Column("t", kind))
    with pytest.raises(ArgumentError, match="True for the column"):
        EncryptedText(cipher, bound="column")  # type: ignore[arg-type]
