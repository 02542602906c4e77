"""Batches with a real database: what is written, what is unchanged, and concurrent writes of the same row."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from eonpro_phi import PhiCipher
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.errors import StatementFailed, WriteMismatch
from eonpro_phi.reencryption.models import ColumnCounts, ColumnSelection
from tests.phi.reencryption.patients import (
    NEW,
    OLD,
    SELECTION,
    THIRD,
    Patients,
    decrypt_rows,
    expected,
    run_pass,
    texts,
)

pytestmark = pytest.mark.needs("postgresql")


def test_every_record_is_re_encrypted_and_keeps_its_text(patients: Patients) -> None:
    patients.fill(250)
    counts = run_pass(patients.worker(size=100))
    assert list(decrypt_rows(patients.records())) == expected(250)
    assert (counts.rows, counts.written, counts.remaining, counts.rereads) == (250, 250, 0, 0)
    assert counts.columns["phone"] == ColumnCounts(empty=35, old=215)


def test_a_second_pass_writes_nothing(patients: Patients) -> None:
    patients.fill(50)
    run_pass(patients.worker())
    before = patients.versions()
    counts = run_pass(patients.worker())
    assert counts.complete and counts.written == 0
    assert patients.versions() == before


def test_rows_under_the_new_key_are_not_written_again(patients: Patients) -> None:
    patients.fill(20)
    patients.fill(20, first=21, key=NEW)
    before = patients.versions()
    counts = run_pass(patients.worker())
    assert (counts.written, counts.columns["email"]) == (20, ColumnCounts(new=20, old=20))
    assert patients.versions()[20:] == before[20:]
    assert list(decrypt_rows(patients.records())) == expected(40)


def test_undecryptable_values_are_counted_listed_and_unchanged(patients: Patients) -> None:
    patients.fill(30)
    other = PhiCipher(THIRD).encrypt("Jane")
    for key, value in ((3, other), (5, "plain, text"), (7, ""), (9, "'; drop table x; --,\\{}\"")):
        patients.run('update "Patient" set "lastName" = %s where id = %s', value, key)
    before = {row[0]: row[2] for row in patients.records()}
    counts = run_pass(patients.worker())
    assert counts.columns["lastName"] == ColumnCounts(
        empty=1, old=26, foreign=1, no_record=2, example_rows=("3", "5", "9")
    )
    after = {row[0]: row[2] for row in patients.records()}
    assert {key for key in after if after[key] == before[key]} == {3, 5, 7, 9}
    others = [(row[0], row[1], row[3], row[4]) for row in patients.records()]
    assert list(decrypt_rows(others)) == [(key, first, email, phone) for key, first, _, email, phone in expected(30)]


def test_only_the_selected_columns_change(patients: Patients) -> None:
    patients.fill(10)
    before = patients.records()
    run_pass(
        patients.worker(table=patients.table(ColumnSelection(table="Patient", columns=("email",), key_column="id")))
    )
    assert [(row[0], row[1], row[2], row[4]) for row in patients.records()] == [
        (row[0], row[1], row[2], row[4]) for row in before
    ]
    assert [row[0] for row in decrypt_rows([(row[0], row[3]) for row in patients.records()])] == list(range(1, 11))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", "id"),
        ("uuid", "md5(id::text)::uuid"),
        ("text", """chr(96 + (id % 9)::int) || E' \\\\"{,}'' ' || id"""),
        ("timestamptz", "timestamptz '2026-03-08 06:59:59.123456+00' + id * interval '13 minutes 0.000001 seconds'"),
        ("numeric(20,6)", "id / 7.0"),
        ("double precision", "id / 7.0"),
        ("bytea", "decode(md5(id::text), 'hex')"),
    ],
)
def test_a_key_column_of_any_ordered_type_works(patients: Patients, kind: str, value: str) -> None:
    patients.fill(53)
    patients.run(f'alter table "Patient" add column "the Key" {kind}')
    patients.run(f'update "Patient" set "the Key" = {value}')
    patients.run('alter table "Patient" alter "the Key" set not null, add unique ("the Key")')
    table = patients.table(ColumnSelection(table="Patient", columns=SELECTION.columns, key_column="the Key"))
    assert run_pass(patients.worker(size=5, table=table)).written == 53
    assert list(decrypt_rows(patients.records())) == expected(53)


def test_the_disk_does_not_fill_with_a_second_copy_of_the_table(patients: Patients) -> None:
    patients.fill(4000)
    size = "select pg_relation_size('\"Patient\"')"
    before = patients.run(size)[0][0]
    assert run_pass(patients.worker(size=1000)).written == 4000
    assert patients.run(size)[0][0] < 1.5 * before


def test_a_partitioned_table_is_re_encrypted_completely(patients: Patients) -> None:
    patients.run('create table parts (like "Patient") partition by range (id)')
    patients.run("create table low partition of parts for values from (0) to (20)")
    patients.run("create table high partition of parts for values from (20) to (1000)")
    patients.run("alter table parts add primary key (id)")
    patients.fill(60)
    patients.run('insert into parts select * from "Patient"')
    parts = patients.table(ColumnSelection(table="parts", columns=SELECTION.columns, key_column="id"))
    assert parts.partitioned and run_pass(patients.worker(size=7, table=parts)).written == 60
    assert run_pass(patients.worker(table=parts)).complete
    assert run_pass(patients.worker()).written == 60, "the other table was not changed"


# --- concurrent writes


def application_writes(patients: Patients, key: int, text: str) -> Callable[[], None]:
    record = PhiCipher(OLD).encrypt(text)

    def write() -> None:
        patients.run('update "Patient" set "lastName" = %s where id = %s', record, key)

    return write


@pytest.mark.parametrize("partitioned", [False, True])
def test_a_concurrent_write_between_read_and_update_is_not_lost(patients: Patients, partitioned: bool) -> None:
    if partitioned:
        patients.run('alter table "Patient" rename to low')
        patients.run('create table "Patient" (like low including defaults) partition by range (id)')
        patients.run('alter table "Patient" attach partition low for values from (0) to (1000)')
        patients.run('alter table "Patient" add primary key (id)')
    patients.fill(30)
    write = application_writes(patients, 12, "Newly Wed")
    counts = patients.worker(size=100).process(None, lambda _: write())
    assert (counts.written, counts.rereads, counts.remaining) == (30, 1, 0)
    expected_rows = [(*row[:2], "Newly Wed", *row[3:]) if row[0] == 12 else row for row in expected(30)]
    assert list(decrypt_rows(patients.records())) == expected_rows


def test_an_open_transaction_is_waited_for_and_not_lost(patients: Patients) -> None:
    patients.fill(30)
    record = PhiCipher(OLD).encrypt("Newly Wed")
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = %s"
    other = patients.server.connect(patients.database)

    def commit_when_a_lock_is_waited_for() -> None:
        while not patients.run(waits, patients.database)[0][0]:
            pass
        other.execute("commit")

    def begin(_: str | None) -> None:
        other.execute("begin")
        other.execute('update "Patient" set "lastName" = %s where id = 12', (record,))
        thread.start()

    thread = threading.Thread(target=commit_when_a_lock_is_waited_for)
    counts = patients.worker(size=100).process(None, begin)
    thread.join()
    other.close()
    assert (counts.written, counts.remaining) == (30, 0)
    assert list(decrypt_rows(patients.records()))[11][2] == "Newly Wed"


def test_rows_deleted_or_renumbered_meanwhile_are_no_problem(patients: Patients) -> None:
    patients.fill(10)

    def meanwhile(_: str | None) -> None:
        patients.run('delete from "Patient" where id = 3')
        patients.run('update "Patient" set id = 400 where id = 4')

    counts = patients.worker(size=100).process(None, meanwhile)
    assert counts.remaining == 0 and run_pass(patients.worker()).written in (0, 1)
    expected_rows = [row for row in expected(10) if row[0] not in (3, 4)] + [(400, *texts(4))]
    assert list(decrypt_rows(patients.records())) == expected_rows


def test_a_row_that_stays_locked_remains_for_the_next_pass(patients: Patients) -> None:
    patients.fill(10)
    with patients.server.connect(patients.database) as other:
        database = Database(patients.dsn)
        database.query("select set_config('lock_timeout', '20ms', false)")
        worker = patients.worker(database=database)
        other.execute("begin")
        other.execute('select from "Patient" where id = 5 for update')
        counts = run_pass(worker)
        assert (counts.written, counts.remaining, counts.complete) == (0, 10, False)
        other.execute("commit")
        assert run_pass(worker).written == 10


def test_a_row_that_stays_locked_delays_few_others(patients: Patients) -> None:
    patients.fill(100)
    with patients.server.connect(patients.database) as other:
        database = Database(patients.dsn)
        database.query("select set_config('lock_timeout', '20ms', false)")
        other.execute("begin")
        other.execute('select from "Patient" where id = 5 for update')
        counts = run_pass(patients.worker(database=database))
        assert (counts.written, counts.remaining, counts.complete) == (75, 25, False)


# --- the database changes what is written

TRIGGER = """
create function change_row() returns trigger language plpgsql as $$ begin {body} end $$;
create {constraint} trigger changing {when} on "Patient" {deferred} for each row execute function change_row()
"""


@pytest.mark.parametrize(
    ("constraint", "when", "deferred", "body"),
    [
        ("", "before update", "", "new.email = left(new.email, 40); return new;"),
        ("", "before update", "", "new.email = null; return new;"),
        ("", "before update", "", "new.email = lower(new.email); return new;"),
        (
            "",
            "after update of email",
            "",
            'update "Patient" set "lastName" = upper("lastName") where id = new.id; return null;',
        ),
        (
            "constraint",
            "after update of email",
            "deferrable initially deferred",
            'update "Patient" set phone = upper(phone) where id = new.id; return null;',
        ),
    ],
)
def test_a_change_by_a_trigger_is_found_before_the_commit(
    patients: Patients, constraint: str, when: str, deferred: str, body: str
) -> None:
    patients.fill(20)
    patients.run(TRIGGER.format(constraint=constraint, when=when, deferred=deferred, body=body))
    before = patients.records()
    with pytest.raises(WriteMismatch) as caught:
        run_pass(patients.worker())
    assert "changing" in caught.value.hint
    assert patients.records() == before


def test_a_trigger_created_after_the_inspection_is_found_too(patients: Patients) -> None:
    patients.fill(20)
    worker, before = patients.worker(), patients.records()
    body = "new.email = left(new.email, 40); return new;"
    patients.run(TRIGGER.format(constraint="", when="before update", deferred="", body=body))
    with pytest.raises(WriteMismatch, match="20 of 20 rows"):
        run_pass(worker)
    assert patients.records() == before


def test_a_trigger_that_changes_other_columns_is_no_problem(patients: Patients) -> None:
    patients.fill(20)
    body = 'new."createdAt" = now(); return new;'
    patients.run(TRIGGER.format(constraint="", when="before update", deferred="", body=body))
    assert run_pass(patients.worker()).written == 20
    assert list(decrypt_rows(patients.records())) == expected(20)


def test_a_trigger_that_discards_the_write_leaves_rows_remaining(patients: Patients) -> None:
    patients.fill(20)
    body = "return case when new.id = 7 then null else new end;"
    patients.run(TRIGGER.format(constraint="", when="before update", deferred="", body=body))
    counts = run_pass(patients.worker())
    assert (counts.written, counts.remaining, counts.complete) == (19, 1, False)


def test_an_error_of_the_database_quotes_no_row(patients: Patients) -> None:
    patients.fill(3)
    patients.run("alter table \"Patient\" add note text default 'Jane Doe, 1970-01-01'")
    patients.run('alter table "Patient" add constraint strict check (length(note) < 5) not valid')
    with pytest.raises(StatementFailed) as caught:
        run_pass(patients.worker())
    assert "strict" in str(caught.value) and "Jane" not in str(caught.value)
    assert caught.value.__context__ is None and caught.value.__cause__ is None
