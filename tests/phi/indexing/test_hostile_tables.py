"""`phi index` on tables of other shapes: odd names, partitions, triggers, long texts, clinics that change."""

from __future__ import annotations

import pytest

from eonpro_phi import PhiCipher
from eonpro_phi.hashes import derived_hash_key
from eonpro_phi.search import ExactIndex, WordIndex
from eonpro_phi.search.keys import ExactKey, WordKey
from tests.phi.reencryption.command_process import CommandResult, Operator, wait_for
from tests.phi.reencryption.patients import NEW, OLD
from tests.selection import first

pytestmark = pytest.mark.needs("postgresql")

HASH_KEY = derived_hash_key(OLD)
TABLE = 'Pa"t%i ent'
WORDS = WordIndex(table=TABLE, column="tok%ens")
EXACT = ExactIndex(table=TABLE, column='ex"act', rule="text")


def run(operator: Operator, *more: str) -> CommandResult:
    columns = ("--words", "no%tes:tok%ens", "--exact", 'no%tes:ex"act:text', "--clinic-column", "clinic")
    where = ("--dsn", operator.patients.dsn, "--table", '"Pa""t%i ent"', "--key-column", "k%ey")
    return wait_for(operator.start_bare(*where, *columns, "--processes", "2", *more, command="index"))


LONG = "x" * 30 + " " + " ".join(f"w{number}ö" for number in range(3000))
ROWS = (("a", "11111111-2222-3333-4444-555555555555", 'Jane, \\ "quoted" {O\'Brien}'), ("b,{}\"'%s", None, LONG))


def expected(clinic_of_a: str) -> list[tuple[object, ...]]:
    return [
        (key, WordKey(HASH_KEY, WORDS, clinic).row_tokens([text]), ExactKey(HASH_KEY, EXACT, clinic).value(text))
        for (key, _, text), clinic in zip(ROWS, (clinic_of_a, ""), strict=True)
    ]


@pytest.mark.thorough
def test_names_and_values_with_every_sign_and_partitions_are_indexed(operator: Operator) -> None:
    patients = operator.patients
    quoted = '"Pa""t%i ent"'
    patients.run(
        f'create table {quoted} ("k%ey" text primary key, clinic uuid, "no%tes" text, "tok%ens" integer[], "ex""act" '
        'varchar(32)) partition by hash ("k%ey")'
    )
    for part in range(2):
        patients.run(f"create table part{part} partition of {quoted} for values with (modulus 2, remainder {part})")
    for row in ROWS:
        patients.connection.execute(f"insert into {quoted.replace('%', '%%')} values (%s, %s, %s)", row)
    query = f'select "k%ey", "tok%ens", "ex""act" from {quoted} order by 1'
    done = run(operator)
    assert done.code == 0, done.stdout + done.stderr
    assert patients.run(query) == expected(str(ROWS[0][1]))
    assert f'create index on "public".{quoted} using gin ("tok%ens");' in done.stdout, "not concurrently, of partitions"
    moved = "99999999-2222-3333-4444-555555555555"
    patients.run(f"update {quoted} set clinic = '{moved}' where clinic is not null")
    assert run(operator).code == 0
    assert patients.run(query) == expected(moved), "a patient who changes the clinic"


def test_a_trigger_that_changes_a_search_value_is_found_before_the_commit(operator: Operator) -> None:
    patients = operator.patients
    quoted = '"Pa""t%i ent"'
    patients.run(
        f'create table {quoted} ("k%ey" int primary key, clinic int, "no%tes" text, "tok%ens" integer[], '
        '"ex""act" text)'
    )
    patients.run(f"insert into {quoted} values (1, 7, 'Jane')")
    patients.run(
        "create function spoil() returns trigger language plpgsql as "
        "$$ begin new.\"tok%ens\" = '{1}'; return new; end $$"
    )
    patients.run(f"create trigger spoils before update on {quoted} for each row execute function spoil()")
    done = run(operator)
    assert done.code == 1 and "spoils" in done.stderr
    assert patients.run(f'select "tok%ens", "ex""act" from {quoted}') == [(None, None)]


@pytest.mark.parametrize("parts", first(1, [2, 0]))
def test_a_table_with_a_key_of_several_columns_is_indexed_and_re_encrypted(operator: Operator, parts: int) -> None:
    patients = operator.patients
    how = "partition by hash (clinic)" if parts else ""
    patients.run(
        'create table visit (clinic uuid, nu"m text collate "C", seen date, note text, token integer[], primary key '
        f'(clinic, nu"m, seen)) {how}'.replace('nu"m', '"nu""m"')
    )
    for part in range(parts):
        patients.run(f"create table visit{part} partition of visit for values with (modulus {parts}, remainder {part})")
    clinics = ["11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"]
    numbers = ["", "7", 'a,b{}"', "\\n '", "NULL", "é%s", "10"]
    cipher = PhiCipher(OLD)
    keys = [(clinic, number, f"2026-0{day}-01") for clinic in clinics for number in numbers for day in (1, 2)]
    for number, key in enumerate(keys):
        record = cipher.encrypt(f"Jane{number}")
        patients.connection.execute("insert into visit values (%s, %s, %s, %s)", (*key, record))
    where = ("--dsn", patients.dsn, "--table", "visit", "--key-column", 'clinic+nu"m+seen', "--processes", "2")
    words = ("--words", "note:token", "--batch", "3", "--json")
    done = wait_for(operator.start_bare(*where, *words, command="index"))
    assert done.code == 0, done.stdout + done.stderr
    assert done.document["rowsWritten"] == len(keys)
    tokens = WordKey(HASH_KEY, WordIndex(table="visit", column="token")).row_tokens
    order = 'order by clinic, "nu""m", seen'
    found = {
        row[:-1]: row[-1] for row in patients.run(f'select clinic::text, "nu""m", seen::text, token from visit {order}')
    }
    assert found == {each: tokens([f"Jane{number}"]) for number, each in enumerate(keys)}
    assert wait_for(operator.start_bare(*where, *words, command="index")).document["rowsWritten"] == 0
    done = wait_for(operator.start_bare(*where, "--columns", "note", "--batch", "3", "--json"))
    assert done.code == 0, done.stdout + done.stderr
    new = PhiCipher(NEW)
    notes = [str(new.decrypt(note)) for (note,) in patients.run(f"select note from visit {order}")]
    assert sorted(notes) == sorted(f"Jane{number}" for number in range(len(keys)))
