"""Columns of bytea with binary records: scanned under their key, encrypted in place, and re-encrypted through kills.

The database is a real PostgreSQL; KMS is a fake that knows the wrapped keys.
"""

from __future__ import annotations

import json
import random
from io import BytesIO

import pytest

from eonpro_phi import PhiCipher, place
from eonpro_phi.binding import Binding
from eonpro_phi.reencryption.reencryptor import RecordReencryptor
from tests.phi.reencryption.command_process import Operator, kill, wait_for, wait_until
from tests.phi.reencryption.patients import NEW, OLD, THIRD
from tests.phi.reencryption.test_documents import NEW_ALONE, column, reencrypt, scan

needs_postgresql = pytest.mark.needs("postgresql")

CREATE = 'create table "PatientDocument" (id int primary key, title text, data bytea)'
WHERE = Binding(place="PatientDocument.data")


def content(number: int) -> bytes:
    """Bytes of every length, with the signs of a text record in some."""
    return b"%PDF\xff\x00" + random.Random(number).randbytes(number % 300) + b"==:v2:" * (number % 3)


def context(number: int) -> str:
    """Every third record is bound to its row, every third to its column."""
    return ("", place("PatientDocument", "data"), place("PatientDocument", "data", number))[number % 3]


def stored(number: int, key: bytes = OLD) -> bytes:
    """A record of the content; every tenth is a stream."""
    cipher, target = PhiCipher(key), BytesIO()
    if number % 10:
        return cipher.encrypt_bytes(content(number), context(number)) or b""
    cipher.encrypt_stream(BytesIO(content(number)), target, context(number))
    return target.getvalue()


def fill(operator: Operator, rows: int) -> None:
    operator.patients.run(CREATE)
    title = PhiCipher(OLD).encrypt
    with operator.patients.connection.cursor().copy('copy "PatientDocument" from stdin') as copy:
        for number in range(1, rows + 1):
            copy.write_row((number, title(f"Befund {number}"), stored(number)))


def assert_all_read(operator: Operator, rows: int, *, keys: tuple[bytes, ...] = (NEW,)) -> None:
    """Every record opens in its own place, with one of the keys."""
    cipher = PhiCipher(keys[0], reading_keys=keys[1:])
    found = operator.patients.run('select id, title, data from "PatientDocument" order by id')
    assert [number for number, _, _ in found] == list(range(1, rows + 1))
    for number, title, data in found:
        assert cipher.decrypt(title) == f"Befund {number}"
        assert cipher.decrypt_bytes(data, context(number)) == content(number)


def as_text(*values: bytes | None) -> list[str | None]:
    return [None if value is None else value.decode("latin-1") for value in values]


def test_a_record_keeps_its_place_and_its_form_when_its_key_changes() -> None:
    numbers = range(1, 31)
    before = as_text(*map(stored, numbers))
    changed = RecordReencryptor(old=[OLD], new=NEW).reencrypt_bytes(before, list(map(str, numbers)), WHERE)
    assert (changed.counts.old, changed.counts.undecryptable) == (30, 0)
    for number, record, old in zip(numbers, changed.records, before, strict=True):
        data = record.encode("latin-1")
        assert PhiCipher(NEW).decrypt_bytes(data, context(number)) == content(number)
        assert data[:5] == (old or "").encode("latin-1")[:5]
    again = RecordReencryptor(old=[OLD], new=NEW).reencrypt_bytes(changed.records, list(map(str, numbers)), WHERE)
    assert (again.records, again.counts.new, again.counts.old) == ([""] * 30, 30, 0)
    dry = RecordReencryptor(old=[OLD], new=NEW).reencrypt_bytes(before, list(map(str, numbers)), WHERE, write=False)
    assert (dry.records, dry.counts.old) == ([""] * 30, 30)


def test_what_no_key_opens_in_its_place_is_listed_and_left() -> None:
    cipher = PhiCipher(OLD)
    record = cipher.encrypt_bytes(b"%PDF") or b""
    values = as_text(
        record[:-1],
        cipher.encrypt_bytes(b"%PDF", place("PatientDocument", "data", 8)),
        cipher.encrypt_bytes(b"%PDF", "a place of the application's own"),
        PhiCipher(THIRD).encrypt_bytes(b"%PDF"),
        record[:4],
        None,
        b"%PDF",
        record,
    )
    found = RecordReencryptor(old=[OLD], new=NEW).reencrypt_bytes(values, list("1234567") + ["10"], WHERE)
    assert (found.counts.foreign, found.counts.elsewhere) == (2, 3) and found.counts.example_rows == tuple("12345")
    assert (found.counts.empty, found.counts.without_records, found.counts.old) == (1, 1, 1)
    assert [bool(each) for each in found.records] == [False] * 7 + [True]


def test_text_records_inside_a_binary_record_change_with_it() -> None:
    old, new = PhiCipher(OLD), PhiCipher(NEW)
    inner = json.dumps({"name": old.encrypt("Jane")}).encode()
    for key in (old, new):
        [record] = (
            RecordReencryptor(old=[OLD], new=NEW)
            .reencrypt_bytes(as_text(key.encrypt_bytes(inner)), ["1"], WHERE)
            .records
        )
        opened = new.decrypt_bytes(record.encode("latin-1")) or b""
        assert new.decrypt(json.loads(opened)["name"]) == "Jane"


def test_a_text_record_of_an_unknown_key_inside_a_binary_one_is_listed() -> None:
    inner = json.dumps({"name": PhiCipher(THIRD).encrypt("Jane")}).encode()
    values = as_text(PhiCipher(OLD).encrypt_bytes(inner))
    found = RecordReencryptor(old=[OLD], new=NEW).reencrypt_bytes(values, ["7"], WHERE)
    assert (found.counts.old, found.counts.foreign, found.counts.example_rows) == (1, 1, ("7",))
    assert PhiCipher(NEW).decrypt_bytes(found.records[0].encode("latin-1")) == inner


@pytest.mark.thorough
@needs_postgresql
def test_a_column_of_binary_records_is_found_under_its_key_and_moved_to_the_new(operator: Operator) -> None:
    fill(operator, 60)
    found = scan(operator, "--json")
    data = column(found, "PatientDocument", "data")
    assert (found.code, list(data["underKeys"].values()), data["bytesWithoutRecords"]) == (0, [60], 0)
    assert (data["state"], data["notLookedInto"]) == ("records", None)
    done = reencrypt(operator, "PatientDocument", "title,data", "--json")
    assert done.code == 0, done.stderr
    assert done.document["passes"][0]["columns"]["data"]["underOldKey"] == 60
    assert_all_read(operator, 60)
    moved = scan(operator, "--json", **NEW_ALONE)
    assert moved.code == 0 and list(column(moved, "PatientDocument", "data")["underKeys"].values()) == [60]


@needs_postgresql
def test_damaged_records_and_copies_of_their_texts_are_seen_by_a_scan(operator: Operator) -> None:
    operator.patients.run(CREATE)
    record = PhiCipher(OLD).encrypt_bytes("Befund: Jöhn Dœ".encode()) or b""
    operator.patients.run("insert into \"PatientDocument\" values (1, 'befund: jöhn dœ', %s)", record)
    operator.patients.run('insert into "PatientDocument" values (2, null, %s)', record[:40])
    operator.patients.run('insert into "PatientDocument" values (3, null, %s)', stored(2, THIRD))
    done = scan(operator, "--json")
    data = column(done, "PatientDocument", "data")
    assert (list(data["underKeys"].values()), data["underNoKey"], done.code) == ([1], 2, 1)
    assert column(done, "PatientDocument", "title")["looksLike"] == {"texts of the row's records": 1}


@needs_postgresql
def test_the_first_encryption_makes_binary_records_of_a_column_of_bytes(operator: Operator) -> None:
    patients = operator.patients
    patients.run(CREATE)
    plain = [content(number) for number in range(1, 40)] + [b"", None]
    for number, data in enumerate(plain, 1):
        patients.run('insert into "PatientDocument" values (%s, null, %s)', number, data)
    patients.run('insert into "PatientDocument" values (99, null, %s)', PhiCipher(OLD).encrypt_bytes(b"done") or b"")
    where = ("--dsn", patients.dsn, "--table", "PatientDocument", "--columns", "data", "--key-column", "id", "--json")
    for written in (39, 0):
        done = wait_for(operator.start_bare(*where, command="encrypt", NEW_ENCRYPTED_PHI_KEY=""))
        assert (done.code, done.document["rowsWritten"]) == (0, written), done.stderr
    cipher = PhiCipher(OLD)
    rows = patients.run('select data from "PatientDocument" order by id')
    read = [data and cipher.decrypt_bytes(data) for (data,) in rows]
    assert read == [*plain, b"done"]


@pytest.mark.thorough
@needs_postgresql
def test_a_rotation_of_bytes_beside_texts_is_killed_twice_and_loses_nothing(operator: Operator) -> None:
    rows, kills, chance = 600, 2, random.Random(1)
    fill(operator, rows)
    query = (
        'select count(*) from "PatientDocument" '
        'where xmin <> (select min(xmin::text::bigint)::text::xid from "PatientDocument")'
    )

    def rewritten() -> int:
        return int(operator.patients.run(query)[0][0])

    where = ("--dsn", operator.patients.dsn, "--table", "PatientDocument", "--key-column", "id")
    more = ("--columns", "title,data", "--batch", "10", "--processes", "2", "--passes", "1000")
    done = 0
    with operator.patients.server.connect(operator.patients.database) as holder, holder.transaction():
        # While somebody holds the last row, no run comes to its end before it is killed.
        holder.execute('select from "PatientDocument" where id = %s for update', (rows,))
        for left in range(kills, 0, -1):
            aim = min(rows - 20, done + chance.randrange(1, max(2, (rows - done) // left * 2)))
            process = operator.start_bare(*where, *more)
            wait_until(lambda aim=aim: rewritten() >= aim, process)  # type: ignore[misc]
            assert process.poll() is None, "it ended before it was killed"
            kill(process)
            assert_all_read(operator, rows, keys=(NEW, OLD))
            done = rewritten()
    assert done > rows // 2
    last = reencrypt(operator, "PatientDocument", "title,data")
    assert last.code == 0, last.stderr
    assert_all_read(operator, rows)
    assert scan(operator, **NEW_ALONE).code == 0
