"""What SQLAlchemy's statements and declarations may not do with an encrypted column, on a real database: SQLite.

Touches memory only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from eonpro_phi import PhiCipher
from eonpro_phi.adapters.sqlalchemy import EncryptedText

CIPHER = PhiCipher(bytes(range(32)))
ANOTHER = PhiCipher(bytes(32))
TEXT = "Jane"


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(EncryptedText(CIPHER))
    phone: Mapped[str | None] = mapped_column(EncryptedText(CIPHER))
    foreign: Mapped[str | None] = mapped_column(EncryptedText(ANOTHER))
    city: Mapped[str | None]


class Visit(Base):
    __tablename__ = "visit"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"))
    place: Mapped[str]
    person: Mapped[Person] = relationship()


TABLE: Any = Person.__table__


@pytest.fixture
def session() -> Iterator[Session]:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        people = [Person(id=n, email=f"{name}@x", phone="1", city="Wien") for n, name in enumerate("bac", 1)]
        session.add_all([*people, Visit(person_id=1, place="ward")])
        session.commit()
        yield session
    engine.dispose()


def stored(session: Session) -> list[tuple[Any, ...]]:
    with session.bind.connect() as connection:  # type: ignore[union-attr]
        return [
            tuple(row) for row in connection.execute(sa.text('SELECT email, phone, "foreign" FROM person ORDER BY id'))
        ]


P = Person


def test_texts_are_written_in_every_way_that_sqlalchemy_has_for_them(session: Session) -> None:
    session.execute(sa.update(P).where(P.id == 1).values(email="one", phone=None))
    session.execute(sa.update(P), [{"id": 2, "email": "two"}])
    session.get_one(P, 3).email = None
    session.flush()
    session.execute(sa.insert(P), [{"id": 4, "email": "four"}, {"id": 5, "email": None}])
    session.connection().execute(TABLE.insert().values([{"id": 6, "email": "six"}, {"id": 7, "email": "seven"}]))
    statement = upsert(P).values(id=1, email="again", foreign="theirs")
    kept = {"email": statement.excluded.email, "foreign": statement.excluded.foreign}
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=kept))
    session.execute(sa.update(P).where(P.id == 4).values(phone=sa.null()))
    session.execute(sa.update(P).where(P.id == 5).values(email=sa.bindparam("text", "bound", type_=P.email.type)))
    session.commit()
    rows = stored(session)
    assert [CIPHER.decrypt(row[0]) for row in rows] == ["again", "two", None, "four", "bound", "six", "seven"]
    assert ANOTHER.decrypt(rows[0][2]) == "theirs"


def test_an_upsert_writes_no_other_columns_record(session: Session) -> None:
    statement = upsert(P).values(id=1, email="one")
    crossed = statement.on_conflict_do_update(index_elements=["id"], set_={"phone": statement.excluded.email})
    with pytest.raises(InvalidRequestError, match="phone"):
        session.execute(crossed)


DECLARATIONS: dict[str, Callable[[sa.MetaData], object]] = {
    "unique": lambda m: sa.Table("t", m, sa.Column("email", EncryptedText(CIPHER), unique=True)),
    "index": lambda m: sa.Table("t", m, sa.Column("email", EncryptedText(CIPHER), index=True)),
    "a primary key": lambda m: sa.Table("t", m, sa.Column("email", EncryptedText(CIPHER), primary_key=True)),
    "a constraint": lambda m: sa.Table(
        "t", m, sa.Column("email", EncryptedText(CIPHER)), sa.Column("n", sa.Integer), sa.UniqueConstraint("email", "n")
    ),
    "an index of a table": lambda m: sa.Table(
        "t", m, sa.Column("email", EncryptedText(CIPHER)), sa.Index("of_email", "email")
    ),
    "an index of a function": lambda m: sa.Index(
        "lower", sa.func.lower(sa.Table("t", m, sa.Column("email", EncryptedText(CIPHER))).c.email)
    ),
}


@pytest.mark.parametrize("declare", DECLARATIONS.values(), ids=DECLARATIONS.keys())
def test_an_index_or_uniqueness_is_refused_where_it_is_declared(declare: Callable[[sa.MetaData], object]) -> None:
    with pytest.raises(ArgumentError, match="ExactSearch"):
        declare(sa.MetaData())


def test_a_mapped_class_with_a_unique_text_is_refused() -> None:
    class Own(DeclarativeBase):
        pass

    with pytest.raises(ArgumentError, match="email is encrypted"):

        class Unique(Own):
            __tablename__ = "u"
            id: Mapped[int] = mapped_column(primary_key=True)
            email: Mapped[str] = mapped_column(EncryptedText(CIPHER), unique=True)
