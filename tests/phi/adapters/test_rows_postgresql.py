"""Rows that SQLAlchemy seals for their key and tenant in PostgreSQL, and the commands of `phi` on them.

Touches a database server of its own, and processes that it starts.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from eonpro_phi import CachedKey, DecryptionError, NotBound, PhiFields, place
from eonpro_phi.adapters.sqlalchemy import (
    EncryptedBytes,
    EncryptedText,
    ExactSearch,
    InClinic,
    WordSearch,
    searchable,
    true_hits,
)
from tests.phi.key_sources import CountingSource
from tests.phi.reencryption import command_process
from tests.phi.reencryption.command_process import CommandResult, scripted_kms, wait_for
from tests.phi.reencryption.patients import OLD, Patients
from tests.phi.reencryption.postgres import Server

pytestmark = pytest.mark.needs("postgresql")

FIELDS = PhiFields(CachedKey(CountingSource(OLD)))


class Base(DeclarativeBase):
    pass


class Chart(Base):
    __tablename__ = "chart"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    clinic_id: Mapped[str] = mapped_column(sa.CHAR(8))
    email: Mapped[str | None] = mapped_column(EncryptedText(FIELDS, bound="row", tenant="clinic_id"))
    name: Mapped[str | None] = mapped_column(EncryptedText(FIELDS, bound="row", tenant="clinic_id"))
    scan: Mapped[bytes | None] = mapped_column(EncryptedBytes(FIELDS, bound="row", tenant="clinic_id"))
    email_search: Mapped[str | None] = mapped_column(ExactSearch("email", rule="email", clinic="clinic_id"))
    tokens: Mapped[list[int] | None] = mapped_column(WordSearch("name", clinic="clinic_id"))


class Person(Base):
    """Read with the tables of its subclasses, by outer joins."""

    __tablename__ = "person"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    clinic_id: Mapped[int]
    email: Mapped[str | None] = mapped_column(EncryptedText(FIELDS, bound="row", tenant="clinic_id"))
    email_search: Mapped[str | None] = mapped_column(ExactSearch("email", rule="email", clinic="clinic_id"))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person", "with_polymorphic": "*"}


class Doctor(Person):
    __tablename__ = "doctor"

    id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), primary_key=True)
    title: Mapped[str | None] = mapped_column(EncryptedText(FIELDS, bound="row"))
    __mapper_args__ = {"polymorphic_identity": "doctor"}


ALL = {"email": "jane@example.org", "name": "Jane O'Brien", "scan": b"\x00\xff"}


@pytest.fixture
def engine(server: Server) -> Iterator[sa.Engine]:
    url = sa.URL.create(
        "postgresql+psycopg", username="postgres", database="postgres", query={"host": str(server.folder)}
    )
    engine = sa.create_engine(url, hide_parameters=True)
    Base.metadata.create_all(engine)
    yield engine
    Base.metadata.drop_all(engine)
    engine.dispose()


def phi(server: Server, command: str, *arguments: str) -> CommandResult:
    """Run a command of `phi` for the table."""
    patients = Patients(server=server, database="postgres")
    where = ("--dsn", server.dsn(), "--table", "chart", "--key-column", "id", "--json")
    try:
        with scripted_kms() as kms:
            operator = command_process.operator(patients, kms)
            return wait_for(operator.start_bare(*where, *arguments, command=command))
    finally:
        patients.connection.close()


def stored(server: Server, columns: str) -> list[tuple[Any, ...]]:
    with server.connect() as connection:
        return connection.execute(f"SELECT {columns} FROM chart ORDER BY id").fetchall()


def test_every_form_of_a_read_and_a_write_works_and_records_are_bound_as_the_database_writes_the_key(
    engine: sa.Engine, server: Server
) -> None:
    with Session(engine) as session:
        charts = [Chart(clinic_id=clinic, **ALL) for clinic in ("north", "south", "north")]
        session.add_all(charts)
        session.commit()
        more = [searchable(Chart, {"clinic_id": "north", "email": f"{number}", "name": None}) for number in range(3)]
        inserted = session.scalars(sa.insert(Chart).returning(Chart.email, sort_by_parameter_order=True), more)
        assert inserted.all() == ["0", "1", "2"]
        session.rollback()
        for key, clinic, email, scan in stored(server, "id::text, clinic_id::text, email, scan"):
            tenant = FIELDS.for_tenant(clinic)
            assert tenant.decrypt(email, place("chart", "email", key)) == "jane@example.org"
            assert tenant.decrypt_bytes(scan, place("chart", "scan", key)) == b"\x00\xff"
        pairs = sa.select(Chart.id, Chart.email)
        for read in (pairs.distinct(), sa.union(pairs, pairs), pairs.group_by(Chart.id), pairs.with_for_update()):
            assert [email for _, email in session.execute(read)] == ["jane@example.org"] * 3
        assert session.scalars(sa.select(Chart.scan)).all() == [b"\x00\xff"] * 3
        for number, chart in enumerate(charts):
            chart.email = f"{number}@example.org"
        session.commit()
        charts[0].clinic_id = "south"
        session.commit()
        assert sorted(str(chart.email) for chart in charts) == ["0@example.org", "1@example.org", "2@example.org"]
        wanted = InClinic("south", "0@example.org")
        hits = session.scalars(sa.select(Chart).where(Chart.email == wanted))
        assert [*true_hits(hits, email_search=wanted)] == [charts[0]]
        words = InClinic("south", "obri")
        found = session.scalars(sa.select(Chart).where(Chart.tokens.search(words)))
        assert {*true_hits(found, tokens=words)} == {charts[0], charts[1]}


def test_rows_of_joined_tables_are_locked_read_and_found(engine: sa.Engine) -> None:
    with Session(engine) as session:
        people = [Person(id=1, clinic_id=7, email="1@example.org"), Doctor(id=2, clinic_id=7, title="Dr.", email="x")]
        session.add_all(people)
        session.commit()
        for number, person in enumerate(people, 1):
            person.email = f"{number}@example.org"
            session.commit()
            person.clinic_id = 8
            session.commit()
            wanted = InClinic(8, f"{number}@example.org")
            assert session.scalars(sa.select(Person).where(Person.email == wanted)).all() == [person]
        assert session.scalars(sa.select(Doctor.title)).all() == ["Dr."]


def test_a_change_waits_for_the_one_that_moves_the_row_to_another_tenant(engine: sa.Engine) -> None:
    with Session(engine) as session, Session(engine) as other:
        chart = Chart(clinic_id="north", **ALL)
        session.add(chart)
        session.commit()
        other.get_one(Chart, chart.id).clinic_id = "south"
        other.flush()
        session.execute(sa.text("SET lock_timeout = '20ms'"))
        chart.name = "Joe"
        with pytest.raises(OperationalError, match="lock timeout") as caught:
            session.flush()
        assert str(caught.value.statement).startswith("SELECT"), "the text was sealed before the row was locked"
        session.rollback()
        other.commit()
        chart.name = "Joe"
        session.commit()
        assert (chart.clinic_id.strip(), chart.name, chart.email) == ("south", "Joe", "jane@example.org")


def test_reencryption_finds_nothing_to_do_and_what_it_binds_is_read(engine: sa.Engine, server: Server) -> None:
    with Session(engine) as session:
        session.add_all([Chart(clinic_id=clinic, **ALL) for clinic in ("north", "south")])
        session.commit()
    binding = ("--columns", "email,name,scan", "--to", "ENCRYPTED_PHI_KEY", "--tenant-column", "clinic_id")
    before = stored(server, "*")
    done = phi(server, "reencrypt", *binding, "--bind", "row")
    assert (done.code, done.document["rowsWritten"]) == (0, 0), done.stderr
    assert stored(server, "*") == before
    with server.connect() as connection:
        connection.execute("UPDATE chart SET email = %s, name = %s", [FIELDS.encrypt("x"), FIELDS.encrypt_v2("y")])
    with Session(engine) as session, pytest.raises(NotBound):
        session.execute(sa.select(Chart.email, Chart.name)).all()
    refused = phi(server, "reencrypt", *binding, "--bind", "row").document
    assert (refused["rowsWritten"], refused["undecryptableValues"]) == (0, 4)
    assert phi(server, "reencrypt", *binding, "--bind", "row", "--reads", "unbound").document["rowsWritten"] == 2
    with Session(engine) as session:
        assert session.execute(sa.select(Chart.email, Chart.name)).all() == [("x", "y")] * 2
        session.execute(sa.text("UPDATE chart SET email = (SELECT email FROM chart AS one ORDER BY id LIMIT 1)"))
        with pytest.raises(DecryptionError):
            session.execute(sa.select(Chart.email)).all()


def test_an_index_of_the_command_is_the_one_that_the_session_keeps(engine: sa.Engine, server: Server) -> None:
    with Session(engine) as session:
        session.add_all([Chart(clinic_id=clinic, **ALL) for clinic in ("north", "south")])
        session.commit()
    columns = ("--exact", "email:email_search:email", "--words", "name:tokens", "--clinic-column", "clinic_id")
    before = stored(server, "email_search, tokens")
    assert phi(server, "index", *columns).document["rowsWritten"] == 0
    with server.connect() as connection:
        connection.execute("UPDATE chart SET email_search = NULL, tokens = NULL")
    assert phi(server, "index", *columns).document["rowsWritten"] == 2
    assert stored(server, "email_search, tokens") == before
