"""Search hashes: carried with the records, in the same statement, and found by the application afterwards."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from eonpro_phi import PhiCipher
from eonpro_phi.hashes import NORMALISATIONS, derived_hash_key, text_hash
from eonpro_phi.reencryption import command
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.reencryption.hashing import HashCarrier
from eonpro_phi.reencryption.inspection import inspect
from eonpro_phi.reencryption.models import REMOVED, UNCHANGED, ColumnCounts, ColumnSelection
from tests.phi.reencryption.command_process import Operator, kill, wait_until, wrapped
from tests.phi.reencryption.patients import NEW, OLD, THIRD, Patients

HASHES = ("--columns", "email,dob", "--hash-columns", "email:emailHash,dob:dobHash")


def hash_of(field: str, text: str | None, key: bytes = NEW) -> str | None:
    """As the application makes it from its data key."""
    return text_hash(derived_hash_key(key), text, NORMALISATIONS[field])


def texts_of(number: int) -> tuple[str | None, str | None]:
    """The e-mail address and date of birth of a patient; every fifth has a placeholder, every seventh no date."""
    email = "unknown@example.com" if number % 5 == 0 else f"Patient.{number}@Example.org"
    return email, None if number % 7 == 0 else f"{number % 12 + 1}/{number % 28 + 1}/1980"


def fill(patients: Patients, rows: int, *, key: bytes | None = OLD, hash_key: bytes = OLD) -> None:
    """Patients with their hashes; without a key in the clear."""
    patients.run('alter table "Patient" add dob text, add "emailHash" text, add "dobHash" text')
    patients.run('create index on "Patient" (clinic, "emailHash", "dobHash")')
    cipher = PhiCipher(key) if key else None
    with patients.connection.cursor().copy(
        'copy "Patient" (id, clinic, email, dob, "emailHash", "dobHash") from stdin'
    ) as copy:
        for number in range(1, rows + 1):
            email, dob = texts_of(number)
            records = (cipher.encrypt(email), cipher.encrypt(dob)) if cipher else (email, dob)
            copy.write_row((number, 1, *records, hash_of("email", email, hash_key), hash_of("dob", dob, hash_key)))


def rows_of(patients: Patients) -> list[tuple[Any, ...]]:
    return patients.run('select id, email, dob, "emailHash", "dobHash" from "Patient" order by id')


def assert_carried(patients: Patients, rows: int, key: bytes = NEW) -> None:
    """Every record opens with the key alone, and every hash is what the application would look for."""
    cipher = PhiCipher(key)
    assert [
        (number, cipher.decrypt(email), cipher.decrypt(dob), *hashes)
        for number, email, dob, *hashes in rows_of(patients)
    ] == [
        (number, email, dob, hash_of("email", email, key), hash_of("dob", dob, key))
        for number in range(1, rows + 1)
        for email, dob in (texts_of(number),)
    ]


@pytest.fixture
def hashed(operator: Operator) -> Iterator[Operator]:
    """Sixty patients with hashes under the old key."""
    fill(operator.patients, 60)
    yield operator


pytestmark = pytest.mark.needs("postgresql")


def test_after_a_rotation_the_application_still_finds_a_patient_by_the_hash(hashed: Operator) -> None:
    done = hashed.run(*HASHES, "--batch", "7", "--json")
    assert done.code == 0, done.stderr
    assert done.document["hashColumns"] == {"emailHash": "email", "dobHash": "dob"}
    assert done.document["passes"][0]["columns"]["emailHash"]["underOldKey"] == 48
    assert_carried(hashed.patients, 60)


def test_hash_columns_are_not_lost_because_nobody_thought_of_them(hashed: Operator) -> None:
    before = hashed.patients.versions()
    done = hashed.run("--columns", "email,dob", "--json")
    assert done.code == 2 and [problem.split(",")[0] for problem in done.document["problems"]] == [
        "emailHash looks like the search hashes of email",
        "dobHash looks like the search hashes of dob",
    ]
    assert "--hash-columns email:emailHash" in done.document["message"]
    assert hashed.patients.versions() == before
    database = Database(hashed.patients.dsn, read_only=True)
    selection = ColumnSelection(table="Patient", columns=("email", "dob"), key_column="id")
    assert inspect(database, selection, write=True, hash_columns_named=True).name == "Patient"
    database.close()


@pytest.mark.thorough
def test_a_hash_that_is_not_of_its_text_is_reported_and_left_until_the_person_says_so(hashed: Operator) -> None:
    patients, stale = hashed.patients, hash_of("email", "former@example.org", OLD)
    patients.run('update "Patient" set "emailHash" = %s where id in (2, 5)', stale)
    patients.run('update "Patient" set "emailHash" = null where id = 3')
    done = hashed.run(*HASHES)
    assert done.code == 1 and "id: 2, 5" in done.stdout and "--replace-hashes" in done.stdout
    assert [row[3] for row in rows_of(patients)[1:3]] == [stale, None], "what is not proved is not changed"
    assert hashed.run(*HASHES, "--replace-hashes").code == 0
    assert_carried(patients, 60)


def test_a_column_thatholds_no_hashes_is_never_overwritten(hashed: Operator) -> None:
    hashed.patients.run("update \"Patient\" set phone = '-'")
    done = hashed.run("--columns", "email", "--hash-columns", "email:phone", "--replace-hashes")
    assert done.code == 1 and "60 not hashes" in done.stdout
    assert hashed.patients.run('select distinct phone from "Patient"') == [("-",)]


@pytest.mark.thorough
def test_with_a_hash_key_of_its_own_the_next_rotation_changes_no_hash(hashed: Operator) -> None:
    own = {"ENCRYPTED_PHI_HASH_KEY": wrapped(b"wrapped third")}
    assert hashed.run(*HASHES, **own).code == 0
    expected = [text_hash(THIRD, texts_of(number)[0], NORMALISATIONS["email"]) for number in range(1, 61)]
    hashes = [row[3:] for row in rows_of(hashed.patients)]
    assert [row[0] for row in hashes] == expected
    back = {"ENCRYPTED_PHI_KEY": wrapped(b"wrapped new"), "NEW_ENCRYPTED_PHI_KEY": wrapped(b"wrapped old")}
    assert hashed.run(*HASHES, **own, **back).code == 0
    assert [row[3:] for row in rows_of(hashed.patients)] == hashes


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ("email:clinic", "clinic is integer; a hash needs text or varchar"),
        ("phone:emailHash:email", "emailHash has the hashes of phone, which is not in --columns"),
        ("email:dob", "dob is in --columns or --hash-columns twice"),
        ("email:short", "short is character varying(63), which is too short: the shortest hash has 64 characters"),
    ],
)
def test_wrong_hash_columns_are_refused_before_anything_is_written(
    patients: Patients, columns: str, problem: str
) -> None:
    patients.run('alter table "Patient" add dob text, add "emailHash" text, add short varchar(63)')
    selection = ColumnSelection(
        table="Patient", columns=("email", "dob"), key_column="id", hashes=(command._hash_column(columns),)
    )
    with pytest.raises(UsageError) as refused:
        patients.table(selection)
    assert problem in refused.value.problems


@pytest.mark.parametrize("columns", ["email", "phone:phoneHash", "email:", ":emailHash", "email:emailHash:email:x"])
def test_hash_columns_of_another_form_are_refused(columns: str) -> None:
    with pytest.raises(UsageError, match="expected COLUMN:HASH, or COLUMN:HASH:FIELD with email or dob"):
        command._hash_column(columns)


# The application's interface, written by hand: what it exports for records and hashes, under the key of its process.
APPLICATION = """
const crypto = require("node:crypto");
const key = Buffer.from(process.env.DATA_KEY, "hex");
const hmacKey = crypto.createHmac("sha256", key).update("patient-dedup-v1").digest();
const encryptPHI = (text) => {
  const iv = crypto.randomBytes(16);
  const cipher = crypto.createCipheriv("aes-256-gcm", key, iv);
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return [iv, cipher.getAuthTag(), sealed].map((part) => part.toString("base64")).join(":");
};
const decryptPHI = (record) => {
  const [iv, tag, sealed] = record.split(":").map((part) => Buffer.from(part, "base64"));
  const decipher = crypto.createDecipheriv("aes-256-gcm", key, iv).setAuthTag(tag);
  return decipher.update(sealed, undefined, "utf8") + decipher.final("utf8");
};
const computeEmailHash = (email) =>
  crypto.createHmac("sha256", hmacKey).update(email.toLowerCase().trim()).digest("hex");
const run = { encryptPHI, decryptPHI, computeEmailHash }[process.argv[1]];
console.log(JSON.stringify(JSON.parse(process.argv[2]).map(run)));
"""


def application(key: bytes, function: str, values: list[str]) -> list[str]:
    """What the application makes of the values, with this data key."""
    line = ["node", "-e", APPLICATION, function, json.dumps(values)]
    environment = {"PATH": os.environ["PATH"], "DATA_KEY": key.hex()}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True, timeout=60)
    values_: list[str] = json.loads(done.stdout)
    return values_


@pytest.mark.needs("node")
def test_the_application_reads_and_finds_its_own_patients_after_a_rotation(operator: Operator) -> None:
    patients, emails = operator.patients, [f" Jöhn.{number}@Example.org" for number in range(40)]
    patients.run('alter table "Patient" add "emailHash" text')
    rows = zip(application(OLD, "encryptPHI", emails), application(OLD, "computeEmailHash", emails), strict=True)
    for number, (record, email_hash) in enumerate(rows):
        patients.run(
            'insert into "Patient" (id, clinic, email, "emailHash") values (%s, 1, %s, %s)', number, record, email_hash
        )
    done = operator.run("--columns", "email", "--hash-columns", "email:emailHash")
    assert done.code == 0, done.stderr
    stored = patients.run('select email, "emailHash" from "Patient" order by id')
    assert application(NEW, "decryptPHI", [record for record, _ in stored]) == emails
    assert application(NEW, "computeEmailHash", emails) == [email_hash for _, email_hash in stored]


@pytest.mark.thorough
def test_a_kill_leaves_no_row_with_a_record_of_one_key_and_a_hash_of_the_other(operator: Operator) -> None:
    patients = operator.patients
    fill(patients, 2000)
    process = operator.start(*HASHES, "--batch", "20")
    wait_until(lambda: patients.rewritten() >= 500, process)
    kill(process)
    new = PhiCipher(NEW, reading_keys=[OLD])
    for _, email, _, email_hash, _ in rows_of(patients):
        text = new.decrypt(email)
        key = NEW if PhiCipher(NEW).holds(email) else OLD
        assert email_hash == hash_of("email", text, key)
    assert operator.run(*HASHES).code == 0
    assert_carried(patients, 2000)


def test_only_what_is_proved_to_be_the_hash_of_the_text_is_replaced() -> None:
    carrier = HashCarrier(data_keys=[OLD, NEW], hash_key=None)
    under_old, under_new, other = (hash_of("email", "jane@example.org", key) for key in (OLD, NEW, THIRD))
    texts = ["jane@example.org"] * 5 + ["", "", None]
    hashes = [under_old, under_new, other, "mine", None, under_old, None, under_old]
    column = carrier.carry("email", texts, hashes, [str(number) for number in range(8)])
    assert column.records == [under_new, *[UNCHANGED] * 7]
    assert column.counts == ColumnCounts(
        empty=2, new=1, old=1, foreign=3, no_record=1, example_rows=("2", "3", "5", "7")
    )
    replacing = HashCarrier(data_keys=[OLD, NEW], hash_key=None, replace=True)
    records = replacing.carry("email", texts, hashes, [""] * 8).records
    assert records == [under_new, UNCHANGED, under_new, UNCHANGED, under_new, REMOVED, UNCHANGED, UNCHANGED]
