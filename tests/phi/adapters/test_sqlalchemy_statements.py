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
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, defer, load_only, mapped_column, relationship

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


def assign(session: Session, value: Any) -> None:
    session.get_one(Person, 1).email = value
    session.flush()


def add(session: Session, row: Any) -> None:
    session.add(row)
    session.flush()


def subquery() -> Any:
    return sa.select(Person.phone).where(Person.id == 1).scalar_subquery()


WRITES: dict[str, Callable[[Session], object]] = {
    "the ORM's update": lambda s: s.execute(sa.update(Person).values(email=sa.func.lower(Person.email))),
    "of another column": lambda s: s.execute(sa.update(Person).values(email=sa.func.lower(Person.phone))),
    "a copy": lambda s: s.execute(sa.update(Person).values({Person.email: Person.phone})),
    "a plain column": lambda s: s.execute(sa.update(Person).values(email=Person.city)),
    "a plain literal": lambda s: s.execute(sa.update(Person).values(email=sa.literal(TEXT))),
    "a text": lambda s: s.execute(sa.update(Person).values(email=sa.text("lower(phone)"))),
    "a literal column": lambda s: s.execute(sa.update(Person).values(email=sa.literal_column("phone"))),
    "a choice": lambda s: s.execute(sa.update(Person).values(email=sa.case((Person.id == 1, Person.phone)))),
    "a cast": lambda s: s.execute(sa.update(Person).values(email=sa.cast(Person.id, sa.Text))),
    "a subquery": lambda s: s.execute(sa.update(Person).values(email=subquery())),
    "ordered values": lambda s: s.execute(sa.update(Person).ordered_values((Person.email, Person.phone))),
    "an assignment": lambda s: assign(s, sa.func.lower(Person.phone)),
    "an assigned column": lambda s: assign(s, Person.phone),
    "the legacy query": lambda s: s.query(Person).update({"email": Person.city}, synchronize_session=False),
    "the core's update": lambda s: s.connection().execute(TABLE.update().values(email=TABLE.c.phone)),
    "the core's function": lambda s: s.connection().execute(TABLE.update().values(email=sa.func.upper(TABLE.c.email))),
    "an insert": lambda s: s.execute(sa.insert(Person).values(id=9, email=sa.func.lower(TEXT))),
    "many rows": lambda s: s.connection().execute(TABLE.insert().values([{"id": 9, "email": sa.func.lower(TEXT)}])),
    "an insert of a selection": lambda s: s.execute(
        sa.insert(Person).from_select(["id", "email"], sa.select(Person.id + 10, Person.city))
    ),
    "an upsert": lambda s: s.execute(
        upsert(Person)
        .values(id=1)
        .on_conflict_do_update(index_elements=["id"], set_={"email": sa.func.lower(Person.phone)})
    ),
    "a new row": lambda s: add(s, Person(email=sa.func.lower(TEXT))),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_an_expression_is_never_written_over_a_record(session: Session, write: Callable[[Session], object]) -> None:
    before = stored(session)
    with pytest.raises(InvalidRequestError, match="an expression would write") as caught:
        write(session)
    session.rollback()
    assert stored(session) == before
    assert TEXT not in str(caught.value) and "assign in Python" in str(caught.value)


P = Person
OTHER = aliased(Person)
INNER = sa.select(P).subquery()

ORDERINGS: dict[str, Any] = {
    "the column": sa.select(P).order_by(P.email),
    "ascending": sa.select(P).order_by(P.city, P.email.asc())
    if hasattr(sa, "never")
    else sa.select(P).order_by(P.city, P.email),
    "a function": sa.select(P).order_by(sa.func.lower(P.email)),
    "a name": sa.select(P.id, P.email).order_by("email"),
    "a label": sa.select(P.id, P.email.label("mail")).order_by("mail"),
    "an alias": sa.select(OTHER).order_by(OTHER.email),
    "a relation": sa.select(Visit).join(Visit.person).order_by(P.email),
    "a subquery": sa.select(sa.select(P).order_by(P.email).limit(1).subquery()),
    "a subquery's column": sa.select(sa.select(P).subquery().c.email.label("x")).order_by(
        sa.literal_column("1"), P.email
    ),
    "a union": sa.union_all(sa.select(P.email), sa.select(P.phone)).order_by("email"),
    "the core": sa.select(TABLE).order_by(TABLE.c.email),
    "a window": sa.select(sa.func.row_number().over(order_by=P.email)),
}
GROUPINGS: dict[str, Any] = {
    "group_by": sa.select(P.email, sa.func.count()).group_by(P.email),
    "group_by of two": sa.select(sa.func.count()).group_by(P.city, P.email),
    "a function": sa.select(sa.func.count()).group_by(sa.func.lower(P.email)),
    "distinct": sa.select(P.email).distinct(),
    "distinct of two": sa.select(P.city, P.email).distinct(),
    "a union": sa.union(sa.select(P.email), sa.select(P.phone)),
    "an intersection": sa.intersect(sa.select(P.email), sa.select(P.phone)),
    "a window": sa.select(sa.func.row_number().over(partition_by=P.email)),
}
COMPUTATIONS: dict[str, Any] = {
    "max": sa.select(sa.func.max(P.email)),
    "min": sa.select(sa.func.min(TABLE.c.email)),
    "lower": sa.select(sa.func.lower(P.email)),
    "length in a condition": sa.select(P).where(sa.func.length(P.email) > 3),
    "nested": sa.select(sa.func.coalesce(sa.func.lower(P.email), "x")),
    "a plain column": sa.select(P).where(P.city == P.email),
    "a plain column in a choice": sa.select(P).where(sa.or_(P.id == 1, P.city > P.email)),
    "a join": sa.select(Visit).join(P, Visit.place == P.email),
    "a plain column in a subquery": sa.select(P).where(P.city.in_(sa.select(OTHER.email))),
    "a having": sa.select(P.city).group_by(P.city).having(sa.func.max(P.email).is_not(None)),
    "a deletion": sa.delete(P).where(P.city == P.email),
    "an update": sa.update(P).where(P.city == P.email).values(city="Linz"),
    "a plain column of text": sa.select(P).where(P.city.like(P.email)),
}


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        *((statement, "cannot be ordered by") for statement in ORDERINGS.values()),
        *((statement, "cannot be grouped by or made distinct") for statement in GROUPINGS.values()),
        *((statement, "works on its record") for statement in COMPUTATIONS.values()),
    ],
    ids=[*(f"order: {name}" for name in ORDERINGS), *(f"group: {name}" for name in GROUPINGS), *COMPUTATIONS],
)
def test_a_statement_that_would_mislead_is_refused(session: Session, statement: Any, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words) as caught:
        session.execute(statement)
    assert "Python" in str(caught.value)


REFUSED_AT_ONCE: dict[str, Callable[[], object]] = {
    "asc": lambda: P.email.asc(),
    "desc": lambda: P.email.desc(),
    "nulls first": lambda: P.email.nulls_first(),
    "like": lambda: P.email.like("a%"),
    "ilike": lambda: P.email.ilike("a%"),
    "in": lambda: P.email.in_(["a"]),
    "not in": lambda: P.email.not_in(["a"]),
    "between": lambda: P.email.between("a", "b"),
    "less": lambda: P.email < "b",
    "another column": lambda: P.email == P.city,
    "its own kind": lambda: P.email == P.phone,
    "a subquery": lambda: P.email == subquery(),
    "any": lambda: P.email == sa.any_(sa.select(P.phone).scalar_subquery()),
    "distinct": lambda: P.email.distinct(),
    "distinct ones counted": lambda: sa.func.count(sa.distinct(P.email)),
    "is distinct from": lambda: P.email.is_distinct_from("a"),
    "a match": lambda: P.email.regexp_match("a"),
    "concatenation": lambda: P.email + "x",
    "a collation": lambda: P.email.collate("NOCASE"),
}


@pytest.mark.parametrize("make", REFUSED_AT_ONCE.values(), ids=REFUSED_AT_ONCE.keys())
def test_an_operator_that_would_mislead_is_refused_where_it_is_written(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidRequestError, match="with None only"):
        make()


ALLOWED: dict[str, tuple[Callable[[Session], Any], Any]] = {
    "read": (lambda s: s.scalars(sa.select(P).order_by(P.id)).all()[1].email, "a@x"),
    "one column": (lambda s: s.scalars(sa.select(P.email).order_by(P.id)).all(), ["b@x", "a@x", "c@x"]),
    "equality with None": (lambda s: len(s.scalars(sa.select(P).where(P.email == None)).all()), 0),  # noqa: E711
    "is_(None)": (lambda s: len(s.scalars(sa.select(P).where(P.email.is_not(None), P.city == "Wien")).all()), 3),
    "filter_by": (lambda s: len(s.scalars(sa.select(P).filter_by(email=None)).all()), 0),
    "defer": (lambda s: s.scalars(sa.select(P).options(defer(P.email)).order_by(P.id)).all()[0].email, "b@x"),
    "load_only": (lambda s: s.scalars(sa.select(P).options(load_only(P.email)).order_by(P.id)).all()[0].email, "b@x"),
    "a relation": (lambda s: s.scalars(sa.select(Visit)).one().person.email, "b@x"),
    "a count": (lambda s: s.scalar(sa.select(sa.func.count(P.email))), 3),
    "a grouped count": (
        lambda s: s.execute(sa.select(P.city, sa.func.count(P.email)).group_by(P.city)).all(),
        [("Wien", 3)],
    ),
    "ordered by a count": (
        lambda s: s.scalars(sa.select(P.city).group_by(P.city).order_by(sa.func.count(P.email))).all(),
        ["Wien"],
    ),
    "empty ones first": (lambda s: s.scalars(sa.select(P.id).order_by(P.email.is_(None), P.id)).all(), [1, 2, 3]),
    "grouped with the key": (lambda s: len(s.execute(sa.select(P.id, P.email).group_by(P.id, P.email)).all()), 3),
    "distinct rows": (lambda s: len(s.execute(sa.select(P).distinct()).all()), 3),
    "a union of rows": (lambda s: len(s.execute(sa.union(sa.select(P), sa.select(P))).all()), 3),
    "all of a union": (lambda s: len(s.execute(sa.union_all(sa.select(P.email), sa.select(P.phone))).all()), 6),
    "a subquery": (lambda s: s.scalar(sa.select(sa.select(P).where(P.id == 2).subquery().c.email)), "a@x"),
    "exists": (lambda s: s.scalar(sa.select(sa.exists().where(P.email.is_not(None)))), True),
    "a choice that reads": (
        lambda s: s.scalars(sa.select(sa.case((P.id == 1, P.email), else_=P.phone)).order_by(P.id)).all(),
        ["b@x", "1", "1"],
    ),
    "get": (lambda s: s.get_one(P, 3).email, "c@x"),
    "a deletion": (lambda s: s.scalars(sa.delete(Visit).returning(Visit.place)).all(), ["ward"]),
    "a text": (lambda s: s.scalar(sa.text("SELECT count(*) FROM person")), 3),
}


@pytest.mark.parametrize(("act", "result"), ALLOWED.values(), ids=ALLOWED.keys())
def test_what_reads_records_or_asks_whether_there_is_one_works(session: Session, act: Any, result: Any) -> None:
    assert act(session) == result


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
