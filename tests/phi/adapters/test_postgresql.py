"""Both adapters with PostgreSQL and one table: each reads what the other writes.

Touches a database server of its own, in a temporary folder.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from django.core.exceptions import FieldError
from django.db import connections, models
from sqlalchemy.dialects.postgresql import insert

from eonpro_phi.adapters.django import EncryptedBinaryField, EncryptedTextField
from eonpro_phi.adapters.sqlalchemy import EncryptedBytes, EncryptedText
from tests.phi.adapters.django_settings import CIPHER, cipher
from tests.phi.reencryption.postgres import Server

pytestmark = pytest.mark.needs("postgresql")

PATIENTS = sa.Table(
    "patients",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("email", EncryptedText(cipher)),
    sa.Column("phone", EncryptedText(cipher)),
)


class PatientOfPostgres(models.Model):  # type: ignore[misc]  # Django comes without types
    email = EncryptedTextField(null=True)
    phone = EncryptedTextField(null=True)

    class Meta:
        app_label = "clinic"
        db_table = "patients"
        managed = False


OF_ROW: dict[str, Any] = {"bound": "row", "tenant": "clinic_id"}
CHARTS = sa.Table(
    "sealed_charts",
    sa.MetaData(),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("clinic_id", sa.Text, nullable=False),
    sa.Column("email", EncryptedText(cipher, **OF_ROW)),
    sa.Column("scan", EncryptedBytes(cipher, **OF_ROW)),
)


class ChartOfPostgres(models.Model):  # type: ignore[misc]
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    clinic_id = models.TextField()
    email = EncryptedTextField(null=True, **OF_ROW)
    scan = EncryptedBinaryField(null=True, **OF_ROW)

    class Meta:
        app_label = "clinic"
        db_table = "sealed_charts"
        managed = False


@pytest.fixture(autouse=True)
def django_connection(server: Server) -> Iterator[None]:
    connections["postgresql"].settings_dict["HOST"] = str(server.folder)
    yield
    connections["postgresql"].close()


def engine_of(server: Server) -> sa.Engine:
    url = sa.URL.create(
        "postgresql+psycopg", username="postgres", database="postgres", query={"host": str(server.folder)}
    )
    return sa.create_engine(url, hide_parameters=True)


def test_each_reads_the_rows_that_the_other_sealed_for_their_key_and_tenant(server: Server) -> None:
    charts = ChartOfPostgres.objects.using("postgresql")
    engine = engine_of(server)
    with engine.begin() as connection:
        CHARTS.create(connection)
        of_sqlalchemy = {"id": uuid.uuid4(), "clinic_id": "north", "email": "jane@example.org", "scan": b"\x00"}
        connection.execute(CHARTS.insert(), of_sqlalchemy)
    of_django = charts.create(clinic_id="south", email="joe@example.org", scan=b"\xff")
    read = charts.get(pk=of_sqlalchemy["id"])
    assert (read.email, bytes(read.scan)) == ("jane@example.org", b"\x00")
    read.clinic_id = "south"
    read.save()
    with engine.begin() as connection:
        rows = connection.execute(sa.select(CHARTS.c.id, CHARTS.c.email, CHARTS.c.scan)).all()
        assert sorted(rows, key=lambda row: row.scan) == [
            (read.pk, "jane@example.org", b"\x00"),
            (of_django.pk, "joe@example.org", b"\xff"),
        ]
        connection.execute(CHARTS.update().where(CHARTS.c.id == of_django.pk).values(clinic_id="west"))
    assert charts.get(pk=of_django.pk).email == "joe@example.org"
    CHARTS.drop(engine)
    engine.dispose()


@pytest.mark.thorough
def test_sqlalchemy_and_django_read_each_others_records(server: Server):
    engine = engine_of(server)
    with engine.begin() as connection:
        PATIENTS.create(connection)
        many = [{"id": n, "email": f"jöhn.{n}@example.org", "phone": "" if n % 2 else None} for n in range(50)]
        connection.execute(PATIENTS.insert(), many)
        upsert = insert(PATIENTS).values(id=7, email="7@example.org")
        connection.execute(upsert.on_conflict_do_update(index_elements=["id"], set_={"email": upsert.excluded.email}))

    patients = PatientOfPostgres.objects.using("postgresql")
    assert patients.filter(phone=None).count() == 50
    assert patients.get(pk=7).email == "7@example.org"
    assert patients.get(pk=8).email == "jöhn.8@example.org"
    changed = [PatientOfPostgres(pk=n, phone=f"+1 555 010{n}") for n in range(3)]
    patients.bulk_update(changed, ["phone"])
    with pytest.raises(FieldError):
        patients.filter(email__in=["7@example.org"])

    with engine.connect() as connection:
        rows = connection.execute(sa.select(PATIENTS).where(PATIENTS.c.phone.is_not(None)).order_by(PATIENTS.c.id))
        assert [row.phone for row in rows] == ["+1 555 0100", "+1 555 0101", "+1 555 0102"]
    engine.dispose()

    with server.connect() as raw:
        stored = raw.execute("SELECT email, phone FROM patients ORDER BY id").fetchall()
    records = [record for row in stored for record in row if record is not None]
    assert len(records) == 53
    assert all(record.count(":") == 2 and "example" not in record and CIPHER.decrypt(record) for record in records)
