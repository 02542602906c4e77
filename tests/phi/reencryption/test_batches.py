"""Batches over a real database: what is written, what is left alone, and who wins when two write the same row."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from phi import PhiCipher
from phi.reencryption.database import Database
from phi.reencryption.facts import Assignment, Tally
from phi.reencryption.refusals import DatabaseRefused, Mangled
from tests.phi.reencryption.patients import ASSIGNMENT, NEW, OLD, THIRD, Clinic, expected, plain, sweep, texts

pytestmark = pytest.mark.needs("postgresql")


def test_every_record_is_moved_and_says_what_it_said(clinic: Clinic) -> None:
    clinic.fill(250)
    done = sweep(clinic.worker(size=100))
    assert list(plain(clinic.records())) == expected(250)
    assert (done.rows, done.written, done.left, done.again) == (250, 250, 0, 0)
    assert done.columns["phone"] == Tally(empty=35, old=215)


def test_a_second_time_nothing_is_written(clinic: Clinic) -> None:
    clinic.fill(50)
    sweep(clinic.worker())
    before = clinic.versions()
    done = sweep(clinic.worker())
    assert done.settled and done.written == 0
    assert clinic.versions() == before


def test_rows_that_need_nothing_are_not_written_among_those_that_do(clinic: Clinic) -> None:
    clinic.fill(20)
    clinic.fill(20, first=21, key=NEW)
    before = clinic.versions()
    done = sweep(clinic.worker())
    assert (done.written, done.columns["email"]) == (20, Tally(new=20, old=20))
    assert clinic.versions()[20:] == before[20:]
    assert list(plain(clinic.records())) == expected(40)


def test_what_no_key_opens_is_counted_named_and_left_as_it_is(clinic: Clinic) -> None:
    clinic.fill(30)
    theirs = PhiCipher(THIRD).encrypt("Jane")
    for key, value in ((3, theirs), (5, "plain, text"), (7, ""), (9, "'; drop table x; --,\\{}\"")):
        clinic.run('update "Patient" set "lastName" = %s where id = %s', value, key)
    before = {row[0]: row[2] for row in clinic.records()}
    done = sweep(clinic.worker())
    assert done.columns["lastName"] == Tally(empty=1, old=26, foreign=1, no_record=2, named=("3", "5", "9"))
    after = {row[0]: row[2] for row in clinic.records()}
    assert {key for key in after if after[key] == before[key]} == {3, 5, 7, 9}
    others = [(row[0], row[1], row[3], row[4]) for row in clinic.records()]
    assert list(plain(others)) == [(key, first, email, phone) for key, first, _, email, phone in expected(30)]


def test_only_the_columns_that_were_named_change(clinic: Clinic) -> None:
    clinic.fill(10)
    before = clinic.records()
    sweep(clinic.worker(table=clinic.table(Assignment(table="Patient", columns=("email",), key_column="id"))))
    assert [(row[0], row[1], row[2], row[4]) for row in clinic.records()] == [
        (row[0], row[1], row[2], row[4]) for row in before
    ]
    assert [row[0] for row in plain([(row[0], row[3]) for row in clinic.records()])] == list(range(1, 11))


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
def test_any_key_that_can_be_ordered_serves(clinic: Clinic, kind: str, value: str) -> None:
    clinic.fill(53)
    clinic.run(f'alter table "Patient" add column "the Key" {kind}')
    clinic.run(f'update "Patient" set "the Key" = {value}')
    clinic.run('alter table "Patient" alter "the Key" set not null, add unique ("the Key")')
    table = clinic.table(Assignment(table="Patient", columns=ASSIGNMENT.columns, key_column="the Key"))
    assert sweep(clinic.worker(size=5, table=table)).written == 53
    assert list(plain(clinic.records())) == expected(53)


def test_a_partitioned_table_is_moved_whole(clinic: Clinic) -> None:
    clinic.run('create table parts (like "Patient") partition by range (id)')
    clinic.run("create table low partition of parts for values from (0) to (20)")
    clinic.run("create table high partition of parts for values from (20) to (1000)")
    clinic.run("alter table parts add primary key (id)")
    clinic.fill(60)
    clinic.run('insert into parts select * from "Patient"')
    parts = clinic.table(Assignment(table="parts", columns=ASSIGNMENT.columns, key_column="id"))
    assert parts.partitioned and sweep(clinic.worker(size=7, table=parts)).written == 60
    assert sweep(clinic.worker(table=parts)).settled
    assert sweep(clinic.worker()).written == 60, "the other table was left alone"


# --- somebody else writes


def application_writes(clinic: Clinic, key: int, text: str) -> Callable[[], None]:
    record = PhiCipher(OLD).encrypt(text)

    def write() -> None:
        clinic.run('update "Patient" set "lastName" = %s where id = %s', record, key)

    return write


@pytest.mark.parametrize("partitioned", [False, True])
def test_what_the_application_writes_between_reading_and_writing_is_not_lost(clinic: Clinic, partitioned: bool) -> None:
    if partitioned:
        clinic.run('alter table "Patient" rename to low')
        clinic.run('create table "Patient" (like low including defaults) partition by range (id)')
        clinic.run('alter table "Patient" attach partition low for values from (0) to (1000)')
        clinic.run('alter table "Patient" add primary key (id)')
    clinic.fill(30)
    write = application_writes(clinic, 12, "Newly Wed")
    done = clinic.worker(size=100).carry_out(None, lambda _: write())
    assert (done.written, done.again, done.left) == (30, 1, 0)
    wanted = [(*row[:2], "Newly Wed", *row[3:]) if row[0] == 12 else row for row in expected(30)]
    assert list(plain(clinic.records())) == wanted


def test_a_row_that_the_application_is_just_writing_is_waited_for_and_not_lost(clinic: Clinic) -> None:
    clinic.fill(30)
    record = PhiCipher(OLD).encrypt("Newly Wed")
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = %s"
    theirs = clinic.server.connect(clinic.database)

    def commit_once_somebody_waits() -> None:
        while not clinic.run(waits, clinic.database)[0][0]:
            pass
        theirs.execute("commit")

    def begin(_: str | None) -> None:
        theirs.execute("begin")
        theirs.execute('update "Patient" set "lastName" = %s where id = 12', (record,))
        thread.start()

    thread = threading.Thread(target=commit_once_somebody_waits)
    done = clinic.worker(size=100).carry_out(None, begin)
    thread.join()
    theirs.close()
    assert (done.written, done.left) == (30, 0)
    assert list(plain(clinic.records()))[11][2] == "Newly Wed"


def test_a_row_that_is_deleted_or_moved_meanwhile_is_nobodys_loss(clinic: Clinic) -> None:
    clinic.fill(10)

    def meanwhile(_: str | None) -> None:
        clinic.run('delete from "Patient" where id = 3')
        clinic.run('update "Patient" set id = 400 where id = 4')

    done = clinic.worker(size=100).carry_out(None, meanwhile)
    assert done.left == 0 and sweep(clinic.worker()).written in (0, 1)
    wanted = [row for row in expected(10) if row[0] not in (3, 4)] + [(400, *texts(4))]
    assert list(plain(clinic.records())) == wanted


def test_a_row_that_stays_locked_is_left_to_the_next_pass(clinic: Clinic) -> None:
    clinic.fill(10)
    with clinic.server.connect(clinic.database) as theirs:
        database = Database(clinic.dsn)
        database.ask("select set_config('lock_timeout', '20ms', false)")
        worker = clinic.worker(database=database)
        theirs.execute("begin")
        theirs.execute('select from "Patient" where id = 5 for update')
        done = sweep(worker)
        assert (done.written, done.left, done.settled) == (0, 10, False)
        theirs.execute("commit")
        assert sweep(worker).written == 10


# --- the database rewrites what it is given

TRIGGER = """
create function meddle() returns trigger language plpgsql as $$ begin {body} end $$;
create {constraint} trigger meddling {when} on "Patient" {deferred} for each row execute function meddle()
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
def test_what_a_trigger_mangles_is_seen_before_the_commit(
    clinic: Clinic, constraint: str, when: str, deferred: str, body: str
) -> None:
    clinic.fill(20)
    clinic.run(TRIGGER.format(constraint=constraint, when=when, deferred=deferred, body=body))
    before = clinic.records()
    with pytest.raises(Mangled) as refused:
        sweep(clinic.worker())
    assert "meddling" in refused.value.hint
    assert clinic.records() == before


def test_a_trigger_that_came_after_the_first_look_is_seen_as_well(clinic: Clinic) -> None:
    clinic.fill(20)
    worker, before = clinic.worker(), clinic.records()
    body = "new.email = left(new.email, 40); return new;"
    clinic.run(TRIGGER.format(constraint="", when="before update", deferred="", body=body))
    with pytest.raises(Mangled, match="20 of 20 rows"):
        sweep(worker)
    assert clinic.records() == before


def test_a_trigger_that_touches_other_columns_is_no_hindrance(clinic: Clinic) -> None:
    clinic.fill(20)
    body = 'new."createdAt" = now(); return new;'
    clinic.run(TRIGGER.format(constraint="", when="before update", deferred="", body=body))
    assert sweep(clinic.worker()).written == 20
    assert list(plain(clinic.records())) == expected(20)


def test_a_trigger_that_drops_the_write_leaves_rows_over(clinic: Clinic) -> None:
    clinic.fill(20)
    body = "return case when new.id = 7 then null else new end;"
    clinic.run(TRIGGER.format(constraint="", when="before update", deferred="", body=body))
    done = sweep(clinic.worker())
    assert (done.written, done.left, done.settled) == (19, 1, False)


def test_a_refusal_of_the_database_quotes_no_row(clinic: Clinic) -> None:
    clinic.fill(3)
    clinic.run("alter table \"Patient\" add note text default 'Jane Doe, 1970-01-01'")
    clinic.run('alter table "Patient" add constraint strict check (length(note) < 5) not valid')
    with pytest.raises(DatabaseRefused) as refused:
        sweep(clinic.worker())
    assert "strict" in str(refused.value) and "Jane" not in str(refused.value)
    assert refused.value.__context__ is None and refused.value.__cause__ is None
