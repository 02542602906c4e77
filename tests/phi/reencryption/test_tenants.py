"""Tenants and places in a table: moved to their keys, bound, rotated and scanned, and nothing else is touched.

Touches a database of its own and processes that it starts.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from eonpro_phi import PhiCipher
from eonpro_phi.binding import Binding, Form
from eonpro_phi.record import place
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.reencryption.json_fields import texts_of_fields
from eonpro_phi.reencryption.reencryptor import RecordReencryptor
from tests.phi.fields.test_tenants import opens
from tests.phi.reencryption.command_process import Operator, wait_for
from tests.phi.reencryption.patients import COLUMNS, NEW, OLD, SELECTION, THIRD, texts
from tests.phi.reencryption.test_scan import scan

TENANT = ("--tenant-column", "clinic", "--processes", "1")
SAME_KEY = ("--to", "ENCRYPTED_PHI_KEY")


def tenants_read(operator: Operator, *, key: bytes, bind: str | None = None) -> int:
    """Asserts that every row reads with its tenant's key alone, in its place; returns how many there are."""
    rows = operator.patients.run('select id, clinic::text, "firstName", "lastName", email, phone from "Patient"')
    for number, clinic, *records in rows:
        cipher = PhiCipher(key).for_tenant(clinic)
        for column, record, text in zip(COLUMNS, records, texts(number), strict=True):
            context = place("Patient", column, *([number] if bind == "row" else [])) if bind else ""
            assert cipher.decrypt(record, context) == text
            assert record is None or record.startswith("v2:")
    return len(rows)


def test_a_table_moves_to_the_tenants_keys_and_through_a_rotation_and_a_scan_knows_them(operator: Operator) -> None:
    operator.patients.fill(300)
    refused = operator.run(*TENANT, *SAME_KEY, "--json")
    columns = refused.document["passes"][-1]["columns"].values()
    assert (refused.code, refused.document["rowsWritten"], {each["underNeitherKey"] for each in columns}) == (1, 0, {0})
    assert sum(each["notBoundAsRead"] for each in columns) == refused.document["undecryptableValues"] > 1000
    assert "--reads names that" in refused.stderr
    assert operator.run(*TENANT, *SAME_KEY, "--reads", "unbound", "--json").code == 0
    assert tenants_read(operator, key=OLD) == 300
    document = operator.run(*TENANT, "--bind", "row", "--reads", "tenant", "--json").document
    assert document["succeeded"] is True and document["rowsWritten"] == 300
    assert tenants_read(operator, key=NEW, bind="row") == 300

    rotated = {"ENCRYPTED_PHI_KEY": operator.environment["NEW_ENCRYPTED_PHI_KEY"]}
    known = scan(operator, "--rows", "0", "--tenant-column", "Patient.clinic", "--json", **rotated)
    column = next(each for each in known.document["tables"][0]["columns"] if each["column"] == "email")
    assert (known.code, known.document["succeeded"], [*column["underKeys"].values()]) == (0, True, [300])


def test_rows_of_another_tenant_or_of_none_are_listed_and_left(operator: Operator) -> None:
    operator.patients.run('alter table "Patient" alter clinic drop not null')
    operator.patients.fill(5)
    foreign = PhiCipher(OLD).for_tenant("8").encrypt("Jane")
    operator.patients.run('update "Patient" set email = %s where id = 2', foreign)
    operator.patients.run('update "Patient" set clinic = null where id = 3')
    before = operator.patients.run('select email from "Patient" where id in (2, 3) order by id')
    done = operator.run(*TENANT, "--reads", "unbound", "--json")
    counts = done.document["passes"][-1]["columns"]["email"]
    assert (done.code, counts["underNeitherKey"], counts["withoutTenant"]) == (1, 1, 1)
    assert sorted(counts["exampleRows"]) == ["2", "3"] and "1 in rows without a tenant" in done.stderr
    assert operator.patients.run('select email from "Patient" where id in (2, 3) order by id') == before


def test_a_first_encryption_says_that_a_text_has_no_tenant(operator: Operator) -> None:
    operator.patients.run("create table note (id int primary key, clinic text, body text)")
    operator.patients.run("insert into note values (1, '7', 'a text'), (2, null, 'a text'), (3, '', 'a text')")
    where = ("--dsn", operator.patients.dsn, "--table", "note", "--columns", "body", "--key-column", "id")
    done = wait_for(operator.start_bare(*where, *TENANT, command="encrypt"))
    assert done.code == 1 and "0 under another key, 2 in rows without a tenant" in done.stdout
    assert "2 values of rows without a tenant: set clinic first" in done.stdout
    assert operator.patients.run("select body from note where id > 1") == [("a text",), ("a text",)]


def test_the_tenants_have_a_column_of_their_own(operator: Operator) -> None:
    for name, message in {"ward": "there is no column ward", "email": "email is also in --columns"}.items():
        with pytest.raises(UsageError, match=message):
            operator.patients.table(replace(SELECTION, tenant_column=name))


def test_a_first_encryption_writes_bound_records_of_the_tenants(operator: Operator) -> None:
    rows = [(number, 7 + number % 2, *texts(number)) for number in range(1, 21)]
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    for row in rows:
        operator.patients.run(f'insert into "Patient" (id, clinic, {columns}) values (%s, %s, %s, %s, %s, %s)', *row)
    common = ("--dsn", operator.patients.dsn, "--table", "Patient", "--columns", ",".join(COLUMNS))
    done = wait_for(operator.start_bare(*common, "--key-column", "id", *TENANT, "--bind", "column", command="encrypt"))
    assert done.code == 0, done.stderr
    assert tenants_read(operator, key=OLD, bind="column") == 20


@pytest.mark.parametrize("context", ["", place("Patient", "email"), place("Patient", "email", 7)])
def test_a_text_record_keeps_its_place_when_its_key_changes(context: str) -> None:
    record = PhiCipher(OLD).encrypt_v2("Jane", context)
    where = Binding(place="Patient.email")
    column = RecordReencryptor(old=[OLD], new=NEW).reencrypt([record], ["7"], where=where, texts=True)
    assert PhiCipher(NEW).decrypt(column.records[0], context) == column.texts[0] == "Jane"
    elsewhere = RecordReencryptor(old=[OLD], new=NEW).reencrypt([record], ["8"], where=where)
    assert elsewhere.counts.elsewhere == context.endswith(":7") and (elsewhere.records == [""]) == context.endswith(
        ":7"
    )


def test_binding_changes_the_records_of_the_current_key_too_and_only_once() -> None:
    where = Binding(place="Patient.email", form=Form.ROW, reads=(Form.UNBOUND,))
    values = [PhiCipher(NEW).encrypt("one"), PhiCipher(OLD).encrypt_v2("two"), PhiCipher(THIRD).encrypt("three")]
    reencryptor = RecordReencryptor(old=[OLD], new=NEW)
    column = reencryptor.reencrypt(values, ["1", "2", "3"], where=where)
    assert (column.counts.old, column.counts.foreign, column.records[2]) == (2, 1, "")
    for number, text in ((1, "one"), (2, "two")):
        assert PhiCipher(NEW).decrypt(column.records[number - 1], place("Patient", "email", number)) == text
    again = reencryptor.reencrypt(column.records[:2], ["1", "2"], where=where)
    assert (again.counts.new, again.counts.old) == (2, 0)


def test_bytes_and_records_inside_documents_get_the_key_of_their_tenant() -> None:
    where = Binding(place="PatientDocument.data", reads=(Form.ROW, Form.UNBOUND))
    both = RecordReencryptor(old=[OLD], new=NEW)
    here, elsewhere = PhiCipher(NEW).for_tenant("7"), PhiCipher(NEW).for_tenant("8")
    context = place("PatientDocument", "data", 1)
    stored = [
        PhiCipher(OLD).encrypt_bytes(b"%PDF", context),  # from before there were tenants
        PhiCipher(OLD).for_tenant("7").encrypt_bytes(b"%PDF"),
        PhiCipher(OLD).for_tenant("8").encrypt_bytes(b"%PDF"),
    ]
    texts = [data.decode("latin-1") for data in stored if data]
    column = both.of_tenant("7").reencrypt_bytes(texts, ["1", "2", "3"], where)
    assert (column.counts.old, column.counts.foreign, column.records[2]) == (2, 1, "")
    for record, bound in zip(column.records[:2], (context, ""), strict=True):
        assert here.decrypt_bytes(record.encode("latin-1"), bound) == b"%PDF"
        assert not opens(elsewhere.decrypt_bytes, record.encode("latin-1"), bound)

    document = json.dumps({"name": PhiCipher(OLD).encrypt("Jane"), "plan": "basic"})
    moved = both.of_tenant("7").reencrypt([document], ["1"], documents=True, where=where)
    record = json.loads(moved.records[0])["name"]
    assert record.startswith("v2:") and here.decrypt(record) == "Jane"
    again = both.of_tenant("7").reencrypt(moved.records, ["1"], documents=True, where=where)
    assert (again.counts.new, again.counts.old) == (1, 0)
    first = RecordReencryptor(old=(), new=NEW).of_tenant("7")
    find = partial(texts_of_fields, fields={"name"})
    plain = first.encrypt_inside(['{"name": "Jane"}'], ["1"], find, write=True)
    assert here.decrypt(json.loads(plain.records[0])["name"]) == "Jane"


def test_a_row_that_changes_its_tenant_meanwhile_is_read_again_and_gets_the_key_of_the_new_one(
    operator: Operator,
) -> None:
    patients = operator.patients
    patients.fill(20)
    worker = patients.worker(table=patients.table(replace(SELECTION, tenant_column="clinic", reads=(Form.UNBOUND,))))
    moved: list[int] = []

    def on_read(_: str | None) -> None:
        for number, clinic in ((2, 70), (3, 80)):
            patients.run('update "Patient" set clinic = %s where id = %s', clinic, number)
            moved.append(number)

    counts = worker.process(None, on_read)
    assert (counts.rereads, counts.remaining, moved) == (1, 0, [2, 3])
    assert tenants_read(operator, key=NEW) == 20


AS_DECLARED = Binding(place="Patient.email", form=Form.TENANT_ROW)


@pytest.mark.parametrize(("form", "context", "tenant"), [
    ("unbound", "", None),
    ("column", "Patient.email", None),
    ("row", "Patient.email:7", None),
    ("tenant", "", "7"),
    ("tenant+column", "Patient.email", "7"),
])  # fmt: skip
def test_a_run_that_binds_seals_no_record_that_it_was_not_told_to_read(form: str, context: str, tenant: Any) -> None:
    """What somebody has put into a row is not made genuine: text and bytes."""
    cipher = PhiCipher(OLD).for_tenant(tenant) if tenant else PhiCipher(OLD)
    text, data = cipher.encrypt_v2("Jane", context), cipher.encrypt_bytes(b"Jane", context)
    bytes_ = (data or b"").decode("latin-1")
    own = RecordReencryptor(old=[OLD], new=NEW).of_tenant("7")
    for found in (own.reencrypt([text], ["7"], where=AS_DECLARED), own.reencrypt_bytes([bytes_], ["7"], AS_DECLARED)):
        assert (found.records, found.counts.elsewhere, found.counts.undecryptable) == ([""], 1, 1)
    moving = replace(AS_DECLARED, reads=(Form(form),))
    here = PhiCipher(NEW).for_tenant("7")
    moved = own.reencrypt([text], ["7"], where=moving)
    assert (here.decrypt(moved.records[0], "Patient.email:7"), moved.counts.old) == ("Jane", 1)
    moved = own.reencrypt_bytes([bytes_], ["7"], moving)
    assert here.decrypt_bytes(moved.records[0].encode("latin-1"), "Patient.email:7") == b"Jane"
    if context.endswith(":7"):
        assert own.reencrypt([text], ["8"], where=moving).counts.elsewhere == 1
    other = RecordReencryptor(old=[OLD], new=NEW).of_tenant("8").reencrypt([text], ["7"], where=moving)
    assert bool(tenant) == (other.records == [""])


def test_a_record_inside_a_document_takes_the_tenant_only_where_the_run_says_so() -> None:
    document = json.dumps({"name": PhiCipher(OLD).encrypt("Jane")})
    own = RecordReencryptor(old=[OLD], new=NEW).of_tenant("7")
    found = own.reencrypt([document], ["7"], documents=True, where=AS_DECLARED)
    assert (found.records, found.counts.elsewhere) == ([""], 1)
    moved = own.reencrypt([document], ["7"], documents=True, where=replace(AS_DECLARED, reads=(Form.UNBOUND,)))
    assert PhiCipher(NEW).for_tenant("7").decrypt(json.loads(moved.records[0])["name"]) == "Jane"


@pytest.mark.thorough
def test_a_renamed_column_keeps_its_name_for_keys_in_every_command(operator: Operator) -> None:
    operator.patients.fill(20)
    common = ("--bind", "row", "--processes", "1", "--json")
    assert operator.run(*SAME_KEY, *common, "--reads", "unbound").code == 0
    operator.patients.run('alter table "Patient" rename to "Person"')
    operator.patients.run('alter table "Person" rename email to mail')
    arguments = (
        "--dsn",
        operator.patients.dsn,
        "--table",
        "Person",
        "--key-column",
        "id",
        "--columns",
        "mail",
        *common,
    )
    lost = wait_for(operator.start_bare(*arguments, command="reencrypt"))
    assert (lost.code, lost.document["passes"][-1]["columns"]["mail"]["notBoundAsRead"]) == (1, 20)
    assert "--place COLUMN=FORMER.NAME" in lost.stderr
    scanned = scan(operator, "--rows", "0", "--json")
    counts = {each["column"]: each["notReadableHere"] for each in scanned.document["tables"][0]["columns"]}
    assert (scanned.code, counts["mail"], "Not readable at this place" in scanned.stderr) == (1, 20, True)
    renamed = wait_for(operator.start_bare(*arguments, "--place", "mail=Patient.email", command="reencrypt"))
    assert (renamed.code, renamed.document["rowsWritten"]) == (0, 20), renamed.stderr
    for key, record in operator.patients.run('select id, mail from "Person"'):
        assert PhiCipher(NEW).decrypt(record, place("Patient", "email", key)) == texts(key)[2]
    for wrong in ("mial=Patient.email", "mail=email"):
        typo = wait_for(operator.start_bare(*arguments, "--place", wrong, command="reencrypt"))
        assert typo.code == 2 and ("not selected" in typo.stderr or "TABLE.COLUMN" in typo.stderr)


@pytest.mark.thorough
def test_a_scan_that_knows_the_declarations_counts_what_is_not_bound_as_declared(
    operator: Operator, tmp_path: Path
) -> None:
    operator.patients.fill(20)
    assert operator.run(*TENANT, *SAME_KEY, "--bind", "row", "--reads", "unbound").code == 0
    columns = [
        {"table": "Patient", "column": name, "place": f"Patient.{name}", "form": "tenant+row", "reads": reads}
        for name, reads in (("email", ["unbound"]), ("phone", []))
    ]
    models = tmp_path / "columns.json"
    models.write_text(json.dumps({"columns": [{**each, "tenantColumn": "clinic"} for each in columns]}))
    arguments = ("--rows", "0", "--models", str(models), "--json")

    def counted() -> tuple[int, dict[str, tuple[int, int, int]], str]:
        result = scan(operator, *arguments)
        found = next(each for each in result.document["tables"] if each["table"] == "public.Patient")["columns"]
        names = ("notBoundAsDeclared", "notReadableHere", "underNoKey")
        return result.code, {each["column"]: tuple(each[name] for name in names) for each in found}, result.stderr

    def put(tenant: str, row: int) -> None:
        """A record of another place into the row 8."""
        record = PhiCipher(OLD).for_tenant(tenant).encrypt("put there", place("Patient", "phone", row))
        operator.patients.run('update "Patient" set phone = %s where id = 8', record)

    code, numbers, shown = counted()
    assert (code, numbers["email"], numbers["phone"]) == (0, (0, 0, 0), (0, 0, 0))
    assert "Patient.email still reads records of an earlier form (unbound)" in shown
    operator.patients.run('update "Patient" set email = %s where id = 7', PhiCipher(OLD).encrypt("put there"))
    [(own,)] = operator.patients.run('select clinic::text from "Patient" where id = 8')
    put("another", 8)
    assert counted()[1]["phone"] == (0, 0, 1)
    put(own, 9)
    code, numbers, shown = counted()
    assert (code, numbers["email"], numbers["phone"]) == (1, (1, 0, 0), (0, 1, 0))
    assert "reencrypt --to ENCRYPTED_PHI_KEY" in shown and "--reads unbound" in shown and "--bind row" in shown
    models.write_text("{}")
    assert scan(operator, *arguments).code == 2
