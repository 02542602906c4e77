"""`phi reencrypt` and `phi index` on the rows that Django encrypted for their tenants and their keys: PostgreSQL.

Touches a database server and processes of its own, and Django's settings of this process.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eonpro_phi import NotBound, PhiCipher
from eonpro_phi.adapters.django import InClinic, true_hits
from eonpro_phi.record import place
from tests.phi.adapters.row_models import CIPHER, Named, installed, sql
from tests.phi.reencryption import command_process
from tests.phi.reencryption.command_process import Operator, scripted_kms, wait_for
from tests.phi.reencryption.patients import NEW, Patients
from tests.phi.reencryption.postgres import Server

pytestmark = pytest.mark.needs("postgresql")

TABLE = ("--table", "named_rows", "--key-column", "id", "--processes", "1", "--json")
REENCRYPT = (*TABLE, "--columns", "email,phone,scan", "--tenant-column", "clinic_id", "--bind", "row")
INDEX = (
    *(*TABLE, "--clinic-column", "clinic_id", "--exact", "email:email_search:email"),
    *("--words", "email+phone:tokens"),
)


@pytest.fixture(scope="module")
def kms() -> Iterator[str]:
    """The URL of a KMS that knows the wrapped keys."""
    with scripted_kms() as url:
        yield url


@pytest.fixture
def operator(server: Server, kms: str) -> Iterator[Operator]:
    """Runs commands for the table that Django made."""
    with installed("postgresql", lambda: server, (Named,)):
        patients = Patients(server=server, database="postgres")
        yield command_process.operator(patients, kms)
        patients.connection.close()


def run(operator: Operator, command: str, *arguments: str) -> dict[str, object]:
    process = operator.start_bare("--dsn", operator.patients.dsn, *arguments, command=command)
    result = wait_for(process)
    assert result.code == 0, result.stderr
    return result.document


def texts() -> list[tuple[object, ...]]:
    return [*Named.objects.order_by("id").values_list("clinic_id", "email", "phone", "scan")]


@pytest.mark.thorough
def test_reencrypt_takes_the_records_of_django_and_django_those_of_reencrypt(operator: Operator) -> None:
    Named.objects.bulk_create(
        [Named(clinic_id=7 + n % 2, email=f"{n}@example.org", phone=f"+{n}", scan=b"%PDF") for n in range(1, 9)]
    )
    before = texts()
    counted = run(operator, "reencrypt", *REENCRYPT, "--to", "ENCRYPTED_PHI_KEY")
    assert (counted["succeeded"], counted["rowsWritten"]) == (True, 0)
    for column in ("email", "phone"):  # as they were before there were tenants
        for key, text in sql(f"select id, {column} from named_rows"):
            former = CIPHER.encrypt(Named.objects.values_list(column, flat=True).get(pk=key)) if text else None
            sql(f"update named_rows set {column} = %s where id = %s", former, key)
    with pytest.raises(NotBound):
        texts()
    counted = run(operator, "reencrypt", *REENCRYPT, "--to", "ENCRYPTED_PHI_KEY", "--reads", "unbound")
    assert (counted["succeeded"], counted["rowsWritten"], texts()) == (True, 8, before)
    run(operator, "reencrypt", *REENCRYPT)
    for key, clinic, record, scan in sql("select id, clinic_id, email, scan from named_rows"):
        tenant = PhiCipher(NEW).for_tenant(str(clinic))
        assert str(tenant.decrypt(record, place("named_rows", "email", key))).endswith("@example.org")
        assert tenant.decrypt_bytes(scan, place("named_rows", "scan", key)) == b"%PDF"


def test_index_fills_the_search_columns_of_the_rows_that_django_wrote(operator: Operator) -> None:
    rows = Named.objects.bulk_create(
        [Named(clinic_id=7 + n % 2, email=f"jane.{n}@example.org", phone=f"+1 555 010 234{n}") for n in range(1, 9)]
    )
    stored = sql("select id, email_search, tokens from named_rows order by id")
    sql("update named_rows set email_search = null, tokens = null")
    counted = run(operator, "index", *INDEX)
    assert (counted["succeeded"], sql("select id, email_search, tokens from named_rows order by id")) == (True, stored)
    assert Named.objects.get(email=InClinic(8, "JANE.3@example.org")) == rows[2]
    wanted = InClinic(8, "jane 2343")
    assert [*true_hits(Named.objects.filter(email__search=wanted), email=wanted)] == [rows[2]]
