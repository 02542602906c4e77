"""`phi encrypt`: plain columns become records in place, once, whatever happens meanwhile."""

from __future__ import annotations

import random
from typing import Any

import pytest

from eonpro_phi import PhiCipher
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.reencryption.inspection import inspect
from eonpro_phi.reencryption.models import ColumnCounts
from tests.phi.reencryption.command_process import CommandResult, Operator, kill, wait_for, wait_until
from tests.phi.reencryption.patients import (
    COLUMNS,
    NEW,
    OLD,
    SELECTION,
    Patients,
    decrypt_rows,
    expected,
    run_pass,
    texts,
)
from tests.selection import first

pytestmark = pytest.mark.needs("postgresql")


def fill_in_the_clear(patients: Patients, rows: int) -> None:
    """Patients as they were stored before anything was encrypted."""
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    with patients.connection.cursor().copy(f'copy "Patient" (id, clinic, {columns}) from stdin') as copy:
        for number in range(1, rows + 1):
            copy.write_row((number, 1, *texts(number)))


def arguments(patients: Patients, *more: str) -> tuple[str, ...]:
    where = ("--dsn", patients.dsn, "--table", "Patient", "--columns", ",".join(COLUMNS), "--key-column", "id")
    return (*where, *more)


def encrypt(operator: Operator, *more: str) -> CommandResult:
    return wait_for(operator.start_bare(*arguments(operator.patients, *more), command="encrypt"))


def assert_encrypted(patients: Patients, rows: list[tuple[Any, ...]]) -> None:
    """Every text opens with the current key, once: no record of a record."""
    assert list(decrypt_rows(patients.records(), OLD)) == rows


def test_plain_columns_are_encrypted_and_a_second_run_changes_nothing(operator: Operator) -> None:
    patients = operator.patients
    fill_in_the_clear(patients, 100)
    patients.fill(20, first=101, key=OLD)  # written by the application that encrypts already
    patients.run('create unique index by_email on "Patient" (email)')
    before = patients.records()
    counts = run_pass(patients.worker(old=(), new=OLD, write=False))
    assert counts.columns["email"] == ColumnCounts(old=100, new=20) and patients.records() == before

    done = encrypt(operator, "--batch", "16", "--json")
    assert done.code == 0, done.stderr
    assert "The index by_email will find nothing by a text" in done.stderr
    assert (done.document["command"], done.document["complete"], done.document["rowsWritten"]) == ("encrypt", True, 100)
    assert done.document["passes"][0]["columns"]["email"]["inTheClear"] == 100
    assert "email: 120 encrypted, 0 in the clear" in done.stderr
    assert_encrypted(patients, expected(120))
    versions = patients.versions()
    assert run_pass(patients.worker(old=(), new=OLD)).complete and patients.versions() == versions


@pytest.mark.thorough
def test_a_text_without_case_is_encrypted_with_its_case(operator: Operator) -> None:
    patients = operator.patients
    patients.run("create extension citext")
    patients.run('create domain address as citext; alter table "Patient" alter email type address')
    fill_in_the_clear(patients, 20)
    patients.run('update "Patient" set email = %s where id = 7', 'Jane, "O\'Brien" \\{7}@Example.org')
    done = encrypt(operator, "--batch", "7", "--json")
    assert done.code == 0, done.stdout + done.stderr
    assert done.document["rowsWritten"] == 20
    emails = [PhiCipher(OLD).decrypt(row[3]) for row in patients.records()]
    assert emails == [
        'Jane, "O\'Brien" \\{7}@Example.org' if number == 7 else texts(number)[2] for number in range(1, 21)
    ]
    versions = patients.versions()
    assert encrypt(operator).code == 0 and patients.versions() == versions


TAGS = ["Jane Doe", 'a, "b" \\ {c}', "NULL", "", None, "null", "患者\n", " x ", "plain"]


@pytest.mark.parametrize("kind", first(1, ["citext[]", "text[]", "varchar[]", "labels"]))
def test_each_text_of_an_array_becomes_a_record(operator: Operator, kind: str) -> None:
    patients = operator.patients
    patients.run("create extension citext; create domain labels as text[]")
    patients.run(f"create table t (id int primary key, tags {kind})")
    stored = PhiCipher(OLD).encrypt("before")
    arrays = [TAGS, ["one"], [], None, [["a", "b"], ["c d", "e"]], [stored, "after"], ["{}"]]
    for number, value in enumerate(arrays, 1):
        patients.run(f"insert into t values (%s, %s::text[]::{kind})", number, value)
    patients.run(f"insert into t values (8, '[0:1]={{x,\"y z\"}}'::text[]::{kind})")
    where = ("--dsn", patients.dsn, "--table", "t", "--columns", "tags", "--key-column", "id", "--json")
    done = wait_for(operator.start_bare(*where, command="encrypt"))
    assert done.code == 0, done.stdout + done.stderr
    assert done.document["passes"][0]["columns"]["tags"]["inTheClear"] == 7 + 1 + 4 + 1 + 1 + 2
    shown = [value for (value,) in patients.run("select tags::text from t order by id")]
    assert not any(word in str(shown) for word in ("Jane", "plain", "after", "患者"))

    def opened(value: Any) -> Any:
        if isinstance(value, list):
            return [opened(each) for each in value]
        return PhiCipher(OLD).decrypt(value) if value else value

    after = [opened(value) for (value,) in patients.run("select tags::text[] from t order by id")]
    assert after[:7] == [*arrays[:5], ["before", "after"], ["{}"]]
    assert shown[7].startswith("[0:1]={") and after[7] == ["x", "y z"]
    versions = patients.run("select id, xmin from t")
    assert wait_for(operator.start_bare(*where, command="encrypt")).code == 0
    assert patients.run("select id, xmin from t") == versions


def test_an_array_that_takes_no_records_is_refused_before_anything_is_written(operator: Operator) -> None:
    patients = operator.patients
    patients.run("create table t (id int primary key, short varchar(20)[], numbers int[], tags text[], label jsonb)")
    patients.run("insert into t values (1, '{a}', '{1}', '{b}', '{\"c\": \"d\"}')")
    where = ("--dsn", patients.dsn, "--table", "t", "--key-column", "id", "--json")

    def problems(*more: str) -> Any:
        done = wait_for(operator.start_bare(*where, *more, command="encrypt"))
        assert done.code == 2
        return done.document["problems"]

    assert problems("--columns", "short,numbers") == [
        "short is character varying(20)[]; records need text: alter table … alter column short type text[]",
        "numbers is integer[]; a record needs text, varchar, citext or bytea, or an array of texts",
    ]
    bound = problems("--columns", "tags,label", "--json-fields", "label:c", "--bind", "row")
    assert bound == [
        f"{name} has records inside its values, which are bound to no place: encrypt it without --bind"
        for name in ("tags", "label")
    ]
    assert patients.run("select short, numbers, tags from t") == [(["a"], [1], ["b"])]


def test_a_record_of_another_key_is_never_encrypted_again(patients: Patients) -> None:
    fill_in_the_clear(patients, 10)
    other = PhiCipher(NEW).encrypt("Jane")
    damaged = f"{other}"[:40]
    patients.run('update "Patient" set email = %s where id = 4', other)
    patients.run('update "Patient" set email = %s where id = 6', damaged)
    counts = run_pass(patients.worker(old=(), new=OLD)).columns["email"]
    assert counts == ColumnCounts(old=8, foreign=2, example_rows=("4", "6"))
    assert patients.run('select email from "Patient" where id in (4, 6) order by id') == [(other,), (damaged,)]


def test_a_column_with_a_length_is_refused_before_half_the_table_is_encrypted(patients: Patients) -> None:
    patients.run("create domain short as varchar(300)")
    database = Database(patients.dsn, read_only=True)
    for type_name in ("character varying(300)", "short"):
        patients.run(f'alter table "Patient" alter email type {type_name}')
        with pytest.raises(UsageError, match=r"records need text: .*alter column email type text"):
            inspect(database, SELECTION, write=True, first_time=True)
        assert inspect(database, SELECTION, write=True).name == "Patient"
    patients.run('alter table "Patient" alter email type text')
    assert inspect(database, SELECTION, write=True, first_time=True).name == "Patient"
    database.close()


def test_what_the_application_writes_meanwhile_is_not_lost(patients: Patients) -> None:
    fill_in_the_clear(patients, 30)

    def write(_: str | None) -> None:
        patients.run('update "Patient" set "lastName" = %s where id = 12', "Newly Wed")

    counts = patients.worker(size=100, old=(), new=OLD).process(None, write)
    assert (counts.written, counts.rereads, counts.remaining) == (30, 1, 0)
    rows = [(*row[:2], "Newly Wed", *row[3:]) if row[0] == 12 else row for row in expected(30)]
    assert_encrypted(patients, rows)


@pytest.mark.thorough
def test_after_several_kills_every_text_is_encrypted_exactly_once(operator: Operator) -> None:
    rows, points = 2000, random.Random(20261127)
    patients = operator.patients
    fill_in_the_clear(patients, rows)
    for _ in range(2):
        point = patients.rewritten() + points.randrange(1, 600)
        process = operator.start_bare(*arguments(patients, "--batch", "25"), command="encrypt")
        wait_until(lambda at=point: patients.rewritten() >= at, process)  # type: ignore[misc]
        kill(process)
        lenient = PhiCipher(OLD, lenient=True)
        assert [(row[0], *map(lenient.decrypt, row[1:])) for row in patients.records()] == expected(rows)
    assert encrypt(operator).code == 0
    assert_encrypted(patients, expected(rows))
