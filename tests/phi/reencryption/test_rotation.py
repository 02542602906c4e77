"""A rotation of a whole database, killed again and again while the application writes: nothing is lost, nothing left.

The database is a real PostgreSQL; KMS is a fake that knows the wrapped keys. The application is a process of its own,
which has the new key alone at the end; the writers are threads here, with either key.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from eonpro_phi import PhiCipher
from eonpro_phi.errors import DecryptionError
from eonpro_phi.hashes import derived_hash_key, normalised_email, text_hash
from tests.phi.reencryption import command_process
from tests.phi.reencryption.command_process import ROOT, Operator, kill, wait_for, wait_until, wrapped
from tests.phi.reencryption.patients import NEW, OLD, Patients
from tests.phi.reencryption.postgres import Server

pytestmark = pytest.mark.needs("postgresql")

ROWS = 10_000
KILLS = 20
WRITERS = 3

CREATE = """
drop table "Patient";
create table "Patient" (id int primary key, email text, "emailHash" text unique);
create table "IntakeFormDraft" (id int primary key, responses jsonb not null);
create table "AffiliatePayoutMethod" (id int primary key, "encryptedDetails" text not null);
create table "PatientDocument" (id int primary key, data bytea not null)
"""
COMMANDS = {
    "Patient": ("--columns", "email", "--hash-columns", "email:emailHash"),
    "IntakeFormDraft": ("--columns", "responses"),
    "AffiliatePayoutMethod": ("--columns", "encryptedDetails"),
    "PatientDocument": ("--columns", "data"),
}
PDF = b"%PDF-1.7\n\x00\xff "

APPLICATION = """
import json, sys
import psycopg
from eonpro_phi import PhiFields
fields = PhiFields.from_environment()
def opened(value):
    if isinstance(value, dict):
        return {name: opened(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [opened(inner) for inner in value]
    return fields.decrypt(value) if isinstance(value, str) and ":" in value else value
with psycopg.connect(sys.argv[1]) as connection:
    rows = lambda statement: connection.execute(statement).fetchall()
    patients = {id: fields.decrypt(email) for id, email, _ in rows('select * from "Patient"')}
    by_hash = {found: id for id, _, found in rows('select * from "Patient"')}
    print(json.dumps({
        "Patient": patients,
        "found": [id for id, email in patients.items() if by_hash.get(fields.search_hash("email", email)) != id],
        "IntakeFormDraft": {id: opened(value) for id, value in rows('select * from "IntakeFormDraft"')},
        "AffiliatePayoutMethod": {
            id: opened(json.loads(text)) for id, text in rows('select * from "AffiliatePayoutMethod"')},
        "PatientDocument": {id: opened(json.loads(bytes(data))) for id, data in rows(
            'select * from "PatientDocument" where id % 10 > 0')},
    }))
"""


def document(note: str, key: bytes) -> dict[str, Any]:
    """A document whose answers are records, at several depths."""
    encrypt = PhiCipher(key).encrypt
    return {"step": 3, "note": encrypt(note), "answers": [{"q": "name", "a": encrypt("Jöhn 患者")}, 1.10, None]}


def plain(note: str) -> dict[str, Any]:
    """What the application reads of it."""
    return {"step": 3, "note": note, "answers": [{"q": "name", "a": "Jöhn 患者"}, 1.10, None]}


def email_hash(email: str, key: bytes) -> str:
    found = text_hash(derived_hash_key(key), email, normalised_email)
    assert found is not None
    return found


def fill(connection: psycopg.Connection[Any]) -> None:
    """Everything under the old key; every tenth document of a patient is a PDF."""
    connection.execute(CREATE)
    cipher = PhiCipher(OLD)
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in COMMANDS}
    for number in range(1, ROWS + 1):
        email, text = f"patient.{number}@example.org", json.dumps(document(f"note {number}", OLD))
        rows["Patient"].append((number, cipher.encrypt(email), email_hash(email, OLD)))
        rows["IntakeFormDraft"].append((number, text))
        # As PHP writes it: with escapes that stay.
        rows["AffiliatePayoutMethod"].append((number, text.replace("/", "\\/")))
        rows["PatientDocument"].append((number, text.encode() if number % 10 else PDF + bytes([number % 256])))
    for table, content in rows.items():
        with connection.cursor().copy(f'copy "{table}" from stdin') as copy:
            for row in content:
                copy.write_row(row)


@dataclass(kw_only=True)
class Writer(threading.Thread):
    """The application's writes, in rows of its own: with the old key or the new one, as its instances have them."""

    dsn: str
    number: int
    stop: threading.Event
    written: dict[tuple[str, int], str] = field(default_factory=dict)
    """What was committed last, by table and row."""
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        try:
            chance = random.Random(self.number)
            with psycopg.connect(self.dsn, autocommit=True) as connection:
                while not self.stop.is_set():
                    row = chance.randrange(ROWS // WRITERS) * WRITERS + self.number + 1
                    if row <= ROWS:
                        self.write(connection, chance, row)
        except psycopg.Error as error:
            self.failure = error

    def write(self, connection: psycopg.Connection[Any], chance: random.Random, row: int) -> None:
        table, key = chance.choice(tuple(COMMANDS)), chance.choice((OLD, NEW))
        text, cipher = f"written {chance.random()}", PhiCipher(key)
        if table == "Patient":
            text = f"w{chance.random()}@example.org"
            values = (cipher.encrypt(text), email_hash(text, key), row)
            connection.execute('update "Patient" set email = %s, "emailHash" = %s where id = %s', values)
        elif table == "IntakeFormDraft" and chance.random() < 0.5:
            changed = json.dumps({"note": cipher.encrypt(text)})
            connection.execute('update "IntakeFormDraft" set responses = responses || %s where id = %s', (changed, row))
        elif table == "PatientDocument" and row % 10 == 0:
            return
        else:
            # As an ORM does: read, change, and write the whole value later, with records of whatever key it had.
            [column] = {"IntakeFormDraft": ["responses"], "PatientDocument": ["data"]}.get(table, ["encryptedDetails"])
            found = connection.execute(f'select "{column}" from "{table}" where id = %s', (row,)).fetchone()
            assert found is not None
            value = (
                found[0]
                if isinstance(found[0], dict)
                else json.loads(bytes(found[0]) if table != "AffiliatePayoutMethod" else found[0])
            )
            after = json.dumps(value | {"note": cipher.encrypt(text)})
            sent = after.encode() if table == "PatientDocument" else after
            connection.execute(f'update "{table}" set "{column}" = %s where id = %s', (sent, row))
        self.written[table, row] = text


@contextmanager
def writing(dsn: str) -> Iterator[list[Writer]]:
    """Writers that write until the end of the block."""
    stop = threading.Event()
    writers = [Writer(dsn=dsn, number=number, stop=stop) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        stop.set()
        for writer in writers:
            writer.join()


def as_the_application(operator: Operator, dsn: str) -> dict[str, Any]:
    """Everything that the application reads with the new key alone, in a process of its own."""
    environment = operator.environment | {"ENCRYPTED_PHI_KEY": wrapped(b"wrapped new"), "NEW_ENCRYPTED_PHI_KEY": ""}
    done = subprocess.run(
        [sys.executable, "-c", APPLICATION, dsn],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def records_of_the_old_key(connection: psycopg.Connection[Any]) -> int:
    """Looked for without the code under test: every string of the form of a record, in everything that is stored."""
    cipher, left = PhiCipher(OLD), 0
    for table, (_, name, *_) in COMMANDS.items():
        shown = f"encode(\"{name}\", 'escape')" if name == "data" else f'"{name}"::text'
        for (value,) in connection.execute(f'select {shown} from "{table}"'):
            for part in value.replace("\\/", "/").split('"'):
                with suppress(DecryptionError, IndexError):
                    left += cipher.decrypt(part) is not None
    return left


@pytest.mark.thorough
def test_a_database_of_forms_is_rotated_through_twenty_kills_and_the_application_reads_all_of_it(
    server: Server, kms: str
) -> None:
    patients = Patients(server=server, database=server.copy_of("clinic"))
    operator, chance = command_process.operator(patients, kms), random.Random(0)
    connected = "select count(*) from pg_stat_activity where application_name like 'eonpro phi%%' and datname = %s"

    def command(table: str, *more: str) -> subprocess.Popen[str]:
        where = ("--dsn", patients.dsn, "--table", table, "--key-column", "id", *COMMANDS[table])
        return operator.start_bare(*where, "--processes", "2", *more)

    try:
        fill(patients.connection)
        with writing(patients.dsn) as writers:
            kills = 0
            while kills < KILLS:
                process = command(chance.choice(tuple(COMMANDS)), "--batch", "100", "--passes", "1000")
                wait_until(lambda: patients.run(connected, patients.database)[0][0] > 1, process)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0, 2))
                if process.poll() is None:
                    kill(process)
                    kills += 1
                else:
                    ended = wait_for(process)
                    assert ended.code == 0, ended.stderr
        assert [writer.failure for writer in writers] == [None] * WRITERS
        for table in COMMANDS:
            done = wait_for(command(table, "--json"))
            assert done.code == 0, done.stderr
        assert records_of_the_old_key(patients.connection) == 0

        both = {"ENCRYPTED_PHI_KEY": wrapped(b"wrapped new"), "ENCRYPTED_PHI_KEYS_FOR_READING": wrapped(b"wrapped old")}
        where = ("--dsn", patients.dsn, "--rows", "0", "--json")
        scanned = wait_for(operator.start_bare(*where, command="scan", **both))
        assert scanned.code == 1, "the PDFs are not looked into"
        assert [entry["column"] for entry in scanned.document["notLookedInto"]] == ["public.PatientDocument.data"]
        accepted = wait_for(
            operator.start_bare(*where, "--accept-column", "PatientDocument.data", command="scan", **both)
        )
        assert accepted.code == 0 and accepted.document["everyRow"], accepted.stderr

        read = as_the_application(operator, patients.dsn)
        written = {place: text for writer in writers for place, text in writer.written.items()}
        assert len(written) > KILLS
        assert read["found"] == [], "each patient is found by the hash of the address"
        assert read["Patient"] == {
            str(row): written.get(("Patient", row), f"patient.{row}@example.org") for row in range(1, ROWS + 1)
        }
        for table in ("IntakeFormDraft", "AffiliatePayoutMethod", "PatientDocument"):
            rows = [row for row in range(1, ROWS + 1) if row % 10 or table != "PatientDocument"]
            assert read[table] == {str(row): plain(written.get((table, row), f"note {row}")) for row in rows}
        pdfs = patients.run('select id, data from "PatientDocument" where id % 10 = 0')
        assert all(bytes(data) == PDF + bytes([row % 256]) for row, data in pdfs)
    finally:
        patients.connection.close()
        server.drop(patients.database)
