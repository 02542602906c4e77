"""Both adapters with PostgreSQL and one table: each reads what the other writes.

Touches a database server of its own, in a temporary folder.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from django.core.exceptions import FieldError
from django.db import connections, models
from sqlalchemy.dialects.postgresql import insert

from phi.adapters.django import EncryptedTextField
from phi.adapters.sqlalchemy import EncryptedText
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


@pytest.fixture(autouse=True)
def django_connection(server: Server) -> Iterator[None]:
    connections["postgresql"].settings_dict["HOST"] = str(server.folder)
    yield
    connections["postgresql"].close()


@pytest.mark.thorough
def test_sqlalchemy_and_django_read_each_others_records(server: Server):
    url = sa.URL.create(
        "postgresql+psycopg", username="postgres", database="postgres", query={"host": str(server.folder)}
    )
    engine = sa.create_engine(url, hide_parameters=True)
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
