"""The column type for SQLAlchemy, on a real database: SQLite in memory.

Touches memory only.
"""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Iterator
from datetime import date
from typing import Any, cast

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from eonpro_phi import DecryptionError, InvalidText, PhiCipher
from eonpro_phi.adapters.sqlalchemy import EncryptedText
from eonpro_phi.errors import AccessDenied

CIPHER = PhiCipher(bytes(range(32)))
ANOTHER = PhiCipher(bytes(32))
SECRET = "Jöhn Dœ, 患者 🩺"


class CountedProvider:
    """A callable that returns a cipher and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> PhiCipher:
        self.calls += 1
        return CIPHER


class NoKey:
    """A cipher whose key is not available."""

    def encrypt(self, text: str | None) -> str | None:
        raise AccessDenied("The principal is denied (AccessDenied from Decrypt).")


provider = CountedProvider()


def cipher() -> PhiCipher:
    return CIPHER


class Base(DeclarativeBase):
    pass


class Patient(Base):
    __tablename__ = "patient"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(EncryptedText(provider))
    phone: Mapped[str | None] = mapped_column(EncryptedText(provider))
    born: Mapped[date | None]


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def stored(session: Session) -> list[tuple[str | None, str | None]]:
    """The values in the database."""
    return [tuple(row) for row in session.execute(sa.text("SELECT name, phone FROM patient ORDER BY id"))]


def test_the_callable_is_called_once_at_the_first_use(session: Session):
    assert provider.calls == 0, "the declaration of a model requested the key"
    session.add_all([Patient(name="Jane", phone="1"), Patient(name="Joe")])
    session.commit()
    assert [patient.name for patient in session.scalars(sa.select(Patient))] == ["Jane", "Joe"]
    assert provider.calls == 1


def test_the_database_holds_records_and_the_application_reads_texts(session: Session):
    session.add(Patient(name=SECRET, phone="+1 555 0100"))
    session.commit()
    ((name, phone),) = stored(session)
    assert name is not None and phone is not None
    assert (CIPHER.decrypt(name), CIPHER.decrypt(phone)) == (SECRET, "+1 555 0100")
    session.expire_all()
    read = session.scalars(sa.select(Patient)).one()
    assert (read.name, read.phone) == (SECRET, "+1 555 0100")


def test_none_and_the_empty_text_are_null(session: Session):
    session.add_all([Patient(name=None), Patient(name="")])
    session.commit()
    assert stored(session) == [(None, None), (None, None)]
    assert session.scalars(sa.select(Patient.name)).all() == [None, None]
    assert len(session.scalars(sa.select(Patient).where(Patient.name.is_(None))).all()) == 2
    assert len(session.scalars(sa.select(Patient).where(Patient.name == None)).all()) == 2  # noqa: E711
    assert session.scalars(sa.select(Patient).where(Patient.name.is_not(None))).all() == []
    assert session.scalars(sa.select(Patient).where(Patient.name != sa.null())).all() == []


def test_a_literal_in_the_statement_is_a_record_too(engine: sa.Engine):
    statement = sa.insert(Patient).values(id=1, name=SECRET).compile(engine, compile_kwargs={"literal_binds": True})
    assert SECRET not in str(statement)
    assert CIPHER.decrypt(str(statement).split("'")[1]) == SECRET


def test_a_record_of_another_key_raises_the_ciphers_error(session: Session):
    session.execute(sa.text("INSERT INTO patient (name) VALUES (:name)"), {"name": ANOTHER.encrypt("Jane")})
    with pytest.raises(DecryptionError):
        session.scalars(sa.select(Patient.name)).all()


def test_an_invalid_text_raises_an_error_without_the_statements_parameters(session: Session):
    session.add(Patient(name="\ud800", phone="+1 555 0100"))
    with pytest.raises(InvalidText) as caught:
        session.flush()
    assert not isinstance(caught.value, StatementError)
    assert "555" not in "".join(map(str, (caught.value, caught.value.__cause__, caught.value.__context__)))


def test_a_missing_key_raises_its_own_error_without_the_parameters():
    table = sa.Table("t", sa.MetaData(), sa.Column("name", EncryptedText(cast(Any, NoKey()))))
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with engine.begin() as connection:
        table.create(connection)
        with pytest.raises(AccessDenied) as caught:
            connection.execute(table.insert(), {"name": SECRET})
    assert caught.value.cause == "AccessDenied"
    assert SECRET not in repr(caught.value) + str(caught.value)
    assert type(pickle.loads(pickle.dumps(caught.value))) is AccessDenied
    engine.dispose()


def test_an_error_of_another_column_shows_texts_unless_the_engine_hides_parameters():
    """This is SQLAlchemy's behaviour; the usage page warns about it."""
    wrong: Any = "no date"
    for hidden in (False, True):
        engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, hide_parameters=hidden)
        Base.metadata.create_all(engine)
        with Session(engine) as session, pytest.raises(StatementError) as caught:
            session.add(Patient(name=SECRET, born=wrong))
            session.flush()
        assert (SECRET in str(caught.value)) is not hidden
        engine.dispose()


def test_two_columns_with_two_keys_share_no_statement():
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with engine.begin() as connection:
        for each in (CIPHER, ANOTHER):
            table = sa.Table("t", sa.MetaData(), sa.Column("name", EncryptedText(each)))
            table.drop(connection, checkfirst=True)
            table.create(connection)
            connection.execute(table.insert(), {"name": "Jane"})
            assert each.decrypt(connection.execute(sa.text("SELECT name FROM t")).scalar()) == "Jane"
    engine.dispose()


def test_a_copy_or_pickle_of_a_table_never_holds_the_key():
    table = sa.Table("t", sa.MetaData(), sa.Column("name", EncryptedText(cipher)))
    restored = pickle.loads(pickle.dumps(table)).c.name.type
    assert restored.fields is cipher is copy.deepcopy(EncryptedText(cipher)).fields
    for copier in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            copier(EncryptedText(CIPHER))
    assert repr(EncryptedText(CIPHER)) == "EncryptedText()"


@pytest.mark.parametrize("options", [{}, {"logging_name": "clinic"}, {"echo": "debug"}], ids=str)
def test_no_text_is_in_the_log_at_any_level(options: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG SQLAlchemy logs each row that it has read, and with the texts."""
    caplog.set_level(logging.DEBUG, logger="sqlalchemy")
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, hide_parameters=True, **options)
    Base.metadata.create_all(engine)
    with Session(engine.execution_options(logging_token="token")) as session:
        session.add(Patient(name=SECRET))
        session.commit()
        assert session.scalars(sa.select(Patient.name)).all() == [SECRET]
        assert session.scalars(sa.select(Patient)).one().name == SECRET
    assert "SELECT" in caplog.text and SECRET not in caplog.text
