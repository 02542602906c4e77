"""A plain column that is moved to an encrypted one, step by step, in Django and SQLAlchemy: SQLite in memory.

Touches memory only, and Django's settings of this process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from django.core.exceptions import FieldError
from django.db import connection, models
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import F
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool

from eonpro_phi import CachedKey, DecryptionError, PhiFields
from eonpro_phi.adapters.django import EncryptedTextField, ExactSearchField, PlainColumn, encrypted_column
from eonpro_phi.adapters.sqlalchemy import EncryptedText, ExactSearch
from eonpro_phi.adapters.sqlalchemy import PlainColumn as PlainColumnType
from eonpro_phi.adapters.sqlalchemy import searchable as with_companions
from tests.phi.adapters.django_settings import CIPHER, cipher
from tests.phi.key_sources import CountingSource

SEARCHABLE = PhiFields(CachedKey(CountingSource(bytes(range(32)))))


def searchable() -> PhiFields:
    return SEARCHABLE


class Guest(models.Model):  # type: ignore[misc]  # Django comes without types
    email_plain = PlainColumn("email", db_column="email")
    email = EncryptedTextField(null=True, db_column="email_encrypted")
    visits = models.IntegerField(default=0)

    class Meta:
        app_label = "clinic"
        db_table = "guest"


class SwitchedGuest(models.Model):  # type: ignore[misc]
    email = EncryptedTextField(null=True, db_column="email_encrypted")
    email_plain = PlainColumn("email", db_column="email", switched=True)
    visits = models.IntegerField(default=0)

    class Meta:
        app_label = "clinic"
        db_table = "guest"
        managed = False


class Base(DeclarativeBase):
    pass


class GuestRow(Base):
    __tablename__ = "guest"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column("email_encrypted", EncryptedText(cipher))
    email_plain: Mapped[str | None] = mapped_column("email", PlainColumnType("email_encrypted"))
    visits: Mapped[int] = mapped_column(default=0)


GUESTS: Any = GuestRow.__table__
BEFORE = ProjectState()
BEFORE.add_model(
    ModelState(
        "clinic",
        "Guest",
        [
            ("id", models.AutoField(primary_key=True)),
            ("email", models.TextField(null=True)),
            ("visits", models.IntegerField(default=0)),
        ],
        {"db_table": "guest"},
    )
)


def sql(statement: str, *arguments: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return [*cursor.fetchall()] if cursor.description else []


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    """The plain table with two rows, after the migration."""
    state = BEFORE.clone()
    with connection.schema_editor() as editor:
        editor.create_model(state.apps.get_model("clinic", "Guest"))
    sql("insert into guest (email, visits) values ('jane@example.org', 1), (null, 2)")
    for operation in encrypted_column("guest", "email", models.TextField(null=True)):
        after = state.clone()
        operation.state_forwards("clinic", after)
        with connection.schema_editor() as editor:
            operation.database_forwards("clinic", editor, state, after)
        state = after
    assert {name: field.db_column for name, field in state.models["clinic", "guest"].fields.items()} == {
        **{"id": None, "visits": None},
        **{"email": "email_encrypted", "email_plain": "email"},
    }
    yield
    sql("drop table guest")


@pytest.fixture
def session() -> Iterator[Session]:
    engine = sa.create_engine(
        "sqlite://", creator=lambda: connection.connection, poolclass=StaticPool, hide_parameters=True
    )
    with Session(engine) as session:
        yield session


def stored() -> list[tuple[str | None, str | None]]:
    """The plain text and the decrypted record of each row."""
    rows = sql("select email, email_encrypted from guest order by id")
    return [(plain, CIPHER.decrypt(record)) for plain, record in rows]


def test_the_migration_keeps_every_plain_text_where_it_is() -> None:
    assert stored() == [("jane@example.org", None), (None, None)]


def test_a_row_that_is_not_filled_is_read_by_every_kind_of_query(session: Session) -> None:
    assert [guest.email for guest in Guest.objects.order_by("id")] == ["jane@example.org", None]
    assert Guest.objects.only("email").get(pk=1).email == "jane@example.org"
    assert [*Guest.objects.order_by("id").values_list("email", flat=True)] == ["jane@example.org", None]
    assert Guest.objects.annotate(other=F("email")).get(pk=1).other == "jane@example.org"
    assert [*Guest.objects.filter(email=None).values_list("pk", flat=True)] == [2]
    assert [*Guest.objects.filter(email__isnull=False).values_list("pk", flat=True)] == [1]
    rows = session.scalars(sa.select(GuestRow).order_by(GuestRow.id)).all()
    assert [row.email for row in rows] == ["jane@example.org", None]
    assert session.scalars(sa.select(GuestRow.email).order_by(GuestRow.id)).all() == ["jane@example.org", None]
    assert session.scalars(sa.select(GuestRow.id).where(GuestRow.email.is_(None))).all() == [2]
    assert session.scalars(sa.select(GuestRow.id).where(GuestRow.email != None)).all() == [1]  # noqa: E711
    other = sa.orm.aliased(GuestRow)
    assert session.scalars(sa.select(other.email).where(other.id == 1)).all() == ["jane@example.org"]


def test_each_write_writes_both_and_an_older_instance_s_write_is_read(
    session: Session,
) -> None:
    guest = Guest.objects.get(pk=1)
    guest.email = "janet@example.org"
    guest.save()
    Guest.objects.bulk_create([Guest(email="joe@example.org"), Guest(email=None)])
    session.add(GuestRow(email="jim@example.org"))
    session.get_one(GuestRow, 2).email = "two@example.org"
    session.commit()
    row = with_companions(GuestRow, {"email_encrypted": "x@example.org", "visits": 0})
    session.execute(GUESTS.insert(), [row])
    texts = ["janet@example.org", "two@example.org", "joe@example.org", None, "jim@example.org", "x@example.org"]
    assert stored() == [(text, text) for text in texts]
    guest.email = None
    guest.save()
    assert stored()[0] == (None, None) and Guest.objects.get(pk=1).email is None
    sql("update guest set email = 'old@example.org' where id = 3")  # by an instance that knows the plain column only
    assert Guest.objects.get(pk=3).email == "old@example.org"
    assert session.scalars(sa.select(GuestRow.email).where(GuestRow.id == 3)).all() == ["old@example.org"]


def test_a_write_of_one_column_alone_is_refused(session: Session) -> None:
    with pytest.raises(FieldError, match="email_plain follows email"):
        Guest.objects.update(email="x")
    with pytest.raises(FieldError, match="email_plain follows email"):
        Guest(pk=1, email="x").save(update_fields=["email"])
    with pytest.raises(InvalidRequestError, match="email follows email_encrypted"):
        session.execute(sa.update(GuestRow).values(email="x"))
    Guest.objects.filter(pk=1).update(visits=7)
    assert stored()[0] == ("jane@example.org", None)


def test_after_the_switch_a_write_empties_the_plain_column_and_nothing_is_lost() -> None:
    for guest in SwitchedGuest.objects.all():
        guest.visits += 1
        guest.save()
    SwitchedGuest.objects.create(email="new@example.org")
    assert stored() == [(None, "jane@example.org"), (None, None), (None, "new@example.org")]
    assert [guest.email for guest in Guest.objects.order_by("id")] == ["jane@example.org", None, "new@example.org"]


def test_a_damaged_record_is_an_error_and_not_read_as_a_text(session: Session) -> None:
    sql("update guest set email_encrypted = %s where id = 1", "A" * 22 + "==:damaged")
    for guests in (Guest.objects, SwitchedGuest.objects):
        sql("update guest set email = null where id = 1")
        with pytest.raises(DecryptionError):
            guests.get(pk=1)
    with pytest.raises(DecryptionError):
        session.get(GuestRow, 1)


def test_a_column_that_had_the_empty_text_may_be_null_after_the_migration() -> None:
    state = ProjectState()
    fields = [("id", models.AutoField(primary_key=True)), ("email", models.CharField(max_length=200, default=""))]
    state.add_model(ModelState("clinic", "Other", fields, {"db_table": "other"}))
    with connection.schema_editor() as editor:
        editor.create_model(state.apps.get_model("clinic", "Other"))
    sql("insert into other (email) values ('')")
    for operation in encrypted_column("other", "email", models.CharField(max_length=200, default="")):
        after = state.clone()
        operation.state_forwards("clinic", after)
        with connection.schema_editor() as editor:
            operation.database_forwards("clinic", editor, state, after)
        state = after
    moved = state.apps.get_model("clinic", "Other")
    other = moved.objects.get()
    assert other.email is None
    other.save()
    assert sql("select email, email_encrypted from other") == [(None, None)]
    sql("drop table other")


class Lodger(models.Model):  # type: ignore[misc]
    email = EncryptedTextField(null=True, db_column="email_encrypted", fields=searchable)
    email_plain = PlainColumn("email", db_column="email")
    email_search = ExactSearchField("email", rule="email")

    class Meta:
        app_label = "clinic"
        db_table = "lodger"


class LodgerRow(Base):
    __tablename__ = "lodger"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column("email_encrypted", EncryptedText(searchable))
    email_plain: Mapped[str | None] = mapped_column("email", PlainColumnType("email_encrypted"))
    email_search: Mapped[str | None] = mapped_column(ExactSearch("email_encrypted", rule="email"))


def test_a_row_that_is_not_indexed_yet_is_found_by_its_plain_text(session: Session) -> None:
    with connection.schema_editor() as editor:
        editor.create_model(Lodger)
    sql("insert into lodger (email) values ('jane@example.org'), (null)")
    Lodger.objects.create(email="joe@example.org")
    for email, keys in {"jane@example.org": [1], "JOE@example.org": [3], "none@example.org": []}.items():
        assert [*Lodger.objects.filter(email=email).values_list("pk", flat=True)] == keys
        assert [*session.scalars(sa.select(LodgerRow.id).where(LodgerRow.email == email))] == keys
    assert [*Lodger.objects.exclude(email="jane@example.org").order_by("pk").values_list("pk", flat=True)] == [2, 3]
    other = sa.select(LodgerRow.id).where(~LodgerRow.email.in_(["jane@example.org"])).order_by(LodgerRow.id)
    assert session.scalars(other).all() == [2, 3]
    with connection.schema_editor() as editor:
        editor.delete_model(Lodger)
