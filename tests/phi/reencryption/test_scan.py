"""`phi scan`: what a database holds in the clear, and under which key, without a value of it on the screen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eonpro_phi import PhiCipher
from eonpro_phi.hashes import derived_hash_key
from tests.phi.reencryption.command_process import CommandResult, Operator, wait_for, wrapped
from tests.phi.reencryption.patients import NEW, OLD, THIRD, Patients, texts

pytestmark = pytest.mark.needs("postgresql")


def scan(operator: Operator, *more: str, **variables: str) -> CommandResult:
    return wait_for(operator.start_bare("--dsn", operator.patients.dsn, *more, command="scan", **variables))


def columns_of(done: CommandResult, table: str) -> dict[str, dict[str, Any]]:
    """The columns of a table in the document, by name."""
    [entry] = [entry for entry in done.document["tables"] if entry["table"] == table]
    return {column["column"]: column for column in entry["columns"]}


def add_search_index(patients: Patients, rows: int) -> None:
    """As the application stores it: name, address and digits of the telephone number, in lower case."""
    patients.run('alter table "Patient" add "searchIndex" text, add "emailHash" text')
    for number in range(1, rows + 1):
        first, last, email, phone = texts(number)
        digits = "".join(character for character in phone or "" if character.isdigit())
        patients.run(
            'update "Patient" set "searchIndex" = %s, "emailHash" = %s where id = %s',
            f"{first} {last} {email} {digits}".lower(),
            derived_hash_key(number.to_bytes(32)).hex(),
            number,
        )


def test_a_copy_in_the_clear_beside_encrypted_columns_is_found_and_not_shown(operator: Operator) -> None:
    patients = operator.patients
    patients.fill(30)
    assert scan(operator).code == 0, "encrypted columns alone are in order"
    add_search_index(patients, 30)
    patients.run('create table "Lead" (id int primary key, note text, body jsonb); create table empty (a text)')
    patients.run("insert into \"Lead\" select n, 'call me', '{}' from generate_series(1, 50) n")
    patients.run("update \"Lead\" set note = 'my number is (212) 555-0187' where id = 44")
    patients.run("""update "Lead" set body = '{"patient": {"firstName": "Jöhn"}}' where id = 45""")
    done = scan(operator, "--json")
    assert done.code == 1 and done.document["complete"]
    fingerprint = done.document["keys"][0]
    columns = columns_of(done, "public.Patient")
    assert columns["email"]["underKeys"] == {fingerprint: 30} and columns["email"]["state"] == "records"
    assert columns["searchIndex"]["state"] == "clear" and columns["searchIndex"]["inTheClear"] == 30
    assert columns["searchIndex"]["looksLike"]["texts of the row's records"] == 30
    assert (columns["emailHash"]["hashes"], columns["emailHash"]["state"]) == (30, "other")
    lead = columns_of(done, "public.Lead")
    assert (lead["note"]["looksLike"], lead["body"]["looksLike"]) == (
        {"telephone numbers": 1},
        {"a field of that name": 1},
    )
    assert "In the clear: public.Lead.note, public.Lead.body, public.Patient.searchIndex" in done.stderr
    output = done.stdout + done.stderr
    for secret in (
        "jöhn",
        "jöhn".capitalize(),
        "patient.1@",
        "555",
        OLD.hex(),
        operator.environment["ENCRYPTED_PHI_KEY"],
    ):
        assert secret not in output and json.dumps(secret)[1:-1] not in output


def test_the_log_of_django_s_admin_is_compared_with_the_rows_that_it_names(operator: Operator) -> None:
    patients = operator.patients
    patients.fill(4)
    patients.run("create table django_content_type (id int primary key, app_label text, model text)")
    patients.run("insert into django_content_type values (1, 'clinic', 'patient'), (2, 'public', 'staff')")
    patients.run("create table public_staff (id int primary key, note text); insert into public_staff values (2, null)")
    patients.run(
        "create table django_admin_log (id int primary key, object_id text, object_repr text, change_message text, "
        "content_type_id int)"
    )
    names = [texts(number)[1] for number in range(1, 5)]
    assert all(len(name or "") >= 4 for name in names)
    entries = [
        (1, f"{names[0]} of Wien", "[]", 1),
        (2, "Patient object (2)", json.dumps([{"changed": {"object": names[1]}}]), 1),
        (3, names[1], "[]", 1),  # a text of another row
        (2, names[1], "[]", 2),  # of another model, whose table is known
    ]
    for number, (key, shown, message, kind) in enumerate(entries):
        patients.run("insert into django_admin_log values (%s, %s, %s, %s, %s)", number, str(key), shown, message, kind)
    done = scan(operator, "--rows", "0", "--json")
    log = columns_of(done, "public.django_admin_log")
    copied = {name: column["looksLike"] for name, column in log.items() if column["looksLike"]}
    assert copied == {
        "object_repr": {"texts of the row's records": 1},
        "change_message": {"texts of the row's records": 1},
    }
    assert done.code == 1 and "In the clear: public.django_admin_log.object_repr" in done.stderr
    assert not [name for name in names if str(name) in done.stdout + done.stderr]
    patients.run("update django_admin_log set object_repr = '', change_message = ''")
    assert scan(operator, "--rows", "0").code == 0


def test_a_column_of_no_patient_can_be_accepted(operator: Operator) -> None:
    operator.patients.run("create table staff (id int primary key, email text)")
    operator.patients.run("insert into staff values (1, 'doctor@clinic.example')")
    done = scan(operator, "--no-phi", "staff.email")
    assert done.code == 0 and "staff.email: 1 in the clear" in done.stdout and "accepted" in done.stdout
    done = scan(operator, "--no-phi", "staff.e-mail", "--json")
    assert done.code == 2 and "there is no such text column" in done.document["message"]


def test_records_of_a_former_or_an_unknown_key_are_told_apart(operator: Operator) -> None:
    patients = operator.patients
    patients.fill(10)
    patients.fill(5, first=11, key=NEW)
    patients.run('update "Patient" set email = %s where id = 3', PhiCipher(THIRD).encrypt("Jane"))
    patients.run('update "Patient" set email = %s where id = 4', PhiCipher(OLD).encrypt_v2("Jane", "Patient.email"))
    reading = {"ENCRYPTED_PHI_KEYS_FOR_READING": wrapped(b"wrapped new")}
    done = scan(operator, "--json", **reading)
    current, former = done.document["keys"]
    email = columns_of(done, "public.Patient")["email"]
    assert (email["underKeys"], email["underNoKey"], email["state"]) == ({current: 9, former: 5}, 1, "unreadable")
    assert done.code == 1 and " -P -m eonpro_phi reencrypt" in done.stderr
    assert columns_of(scan(operator, "--json"), "public.Patient")["email"]["underNoKey"] == 6


def test_a_table_that_cannot_be_read_is_never_in_order(operator: Operator) -> None:
    patients = operator.patients
    patients.fill(3)
    patients.run("drop role if exists scanner; create role scanner login")
    dsn = patients.server.dsn(patients.database, user="scanner")
    done = wait_for(operator.start_bare("--dsn", dsn, "--json", command="scan"))
    assert done.code == 1 and not done.document["complete"]
    assert "public.Patient was not read: this role cannot read" in done.stderr
    patients.run("drop role scanner")


def test_a_sample_comes_from_all_over_the_table(operator: Operator) -> None:
    """The first rows of a table are the oldest patients: what was stored before or after a change would be missed."""
    patients = operator.patients
    patients.run("create table notes (id int primary key, note text)")
    patients.run(
        "insert into notes "
        "select n, case when n > 5000 then 'a@b.example' else 'x' end from generate_series(1, 20000) n"
    )
    done = scan(operator, "--rows", "2000", "--json")
    [entry] = [entry for entry in done.document["tables"] if entry["table"] == "public.notes"]
    assert 0 < entry["rowsRead"] <= 8000
    assert columns_of(done, "public.notes")["note"]["state"] == "clear"


@pytest.mark.thorough
def test_with_no_limit_every_row_is_read(operator: Operator) -> None:
    operator.patients.fill(5000)
    operator.patients.run('update "Patient" set email = %s where id = 4999', "a@b.example")
    email = columns_of(scan(operator, "--rows", "0", "--json"), "public.Patient")["email"]
    assert (email["looksLike"]["e-mail addresses"], sum(email["underKeys"].values())) == (1, 4999)


def test_an_error_is_one_document_and_shows_no_password(operator: Operator) -> None:
    done = wait_for(operator.start_bare("--dsn", "host=/nowhere password=hunter2", "--json", command="scan"))
    assert done.code == 2 and done.document["message"] and "hunter2" not in done.stdout + done.stderr
