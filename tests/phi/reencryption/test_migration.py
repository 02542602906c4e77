"""`phi migrate`: what it says of a plain column beside its encrypted one, what it fills, and what it never touches.

Touches a database of its own and processes that it starts.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from eonpro_phi import PhiCipher
from eonpro_phi.migration.command import inspected
from eonpro_phi.migration.rows import MigrationWorker
from eonpro_phi.record import place
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.reencryption.models import ColumnCounts, ColumnSelection
from eonpro_phi.reencryption.relation import find_relation
from eonpro_phi.reencryption.statements import KeyColumn, Rows, Table
from tests.phi.reencryption.command_process import CommandResult, Operator, kill, wait_for, wait_until
from tests.phi.reencryption.patients import NEW, OLD, THIRD

CIPHER = PhiCipher(OLD)
COLUMNS = ("--table", "guest", "--columns", "email:email_encrypted", "--key-column", "id")


def migrate(operator: Operator, step: str, *more: str, **variables: str) -> CommandResult:
    common = (step, "--dsn", operator.patients.dsn, *COLUMNS, "--processes", "1")
    process = operator.start_bare(*common, *more, command="migrate", **variables)
    return wait_for(process)


def create(operator: Operator, *rows: tuple[Any, ...]) -> None:
    operator.patients.run("create table guest (id int primary key, email text not null, email_encrypted text)")
    for number, (plain, record) in enumerate(rows, 1):
        operator.patients.run("insert into guest values (%s, %s, %s)", number, plain, record)


def counts(done: CommandResult) -> list[int]:
    [line] = [line for line in done.stdout.splitlines() if line.startswith("email and email_encrypted: ")]
    return [int(number.replace(",", "")) for number in re.findall("[0-9,]*[0-9]", line)]


@pytest.mark.thorough
def test_the_status_counts_each_kind_of_row_and_leads_from_the_first_step_to_the_drop(operator: Operator) -> None:
    create(operator, ("one", None), ("two", CIPHER.encrypt("two")), ("new", CIPHER.encrypt("former")), ("", None))
    operator.patients.run("insert into guest values (5, '', %s)", CIPHER.encrypt("five"))
    before = migrate(operator, "status")
    assert (before.code, counts(before)) == (1, [1, 1, 1, 1, 1, 0])
    assert f"python -P -m eonpro_phi migrate fill --dsn {operator.patients.dsn.split()[0]}" in before.stdout.replace(
        "'", ""
    )
    filled = migrate(operator, "fill")
    assert (filled.code, counts(filled)) == (1, [0, 2, 1, 1, 1, 0]) and "Rows written: 1;" in filled.stdout
    assert "  id: 3\n" in filled.stdout and "--plain-wins" in filled.stdout
    assert migrate(operator, "fill", "--plain-wins").code == 0
    rows = operator.patients.run("select email, email_encrypted from guest order by id")
    texts = [(plain, CIPHER.decrypt(record)) for plain, record in rows]
    assert texts == [("one", "one"), ("two", "two"), ("new", "new"), ("", None), ("", "five")]
    after = migrate(operator, "status")
    assert after.code == 0 and 'alter column "email" drop not null' in after.stdout
    [drop] = [line.strip() for line in after.stdout.splitlines() if "do $$" in line]
    operator.patients.run("insert into guest values (6, 'late', null)")
    with pytest.raises(psycopg.errors.RaiseException, match="run phi migrate fill"):
        operator.patients.run(drop)
    operator.patients.run("delete from guest where id = 6")
    operator.patients.run(drop)
    assert operator.patients.run("select column_name from information_schema.columns where table_name = 'guest'") == [
        ("id",),
        ("email_encrypted",),
    ]


def test_a_column_that_is_missing_is_named_with_the_statement_that_adds_it(operator: Operator) -> None:
    operator.patients.run("create table guest (id int primary key, email text)")
    selection = ColumnSelection(table="guest", columns=("email_encrypted",), sources=("email",), key_column="id")
    database = Database(operator.patients.dsn, read_only=True)
    with pytest.raises(UsageError, match="there is no column email_encrypted") as caught:
        inspected(find_relation(database, "guest"), selection, write=True)
    assert 'alter table "public"."guest" add column "email_encrypted" text;' in str(caught.value.hint)
    database.close()


def worker(*, write: bool = True, plain_wins: bool = False, **selection: Any) -> MigrationWorker:
    chosen = ColumnSelection(table="guest", columns=("e",), sources=("p",), key_column="id", **selection)
    table = Table(selection=chosen, schema="public", name="guest", keys=(KeyColumn(name="id", type_name="integer"),))
    return MigrationWorker(
        Database(""),
        table,
        size=10,
        write=write,
        pause=lambda _: None,
        cipher=PhiCipher(OLD, reading_keys=[NEW]),
        plain_wins=plain_wins,
    )


def value(made: MigrationWorker, plain: str | None, record: str | None, tenant: str = "7") -> tuple[ColumnCounts, str]:
    rows = Rows(keys=["1"], versions=["1"], values=[[record], [plain]], tenants=[tenant])
    column = made.columns(rows)["e"]
    return replace(column.counts, example_rows=()), column.records[0]


def test_what_no_key_decrypts_is_never_replaced() -> None:
    made = worker(plain_wins=True)
    for record in (PhiCipher(THIRD).encrypt("x"), "A" * 22 + "==:damaged"):
        assert value(made, "plain", record) == (ColumnCounts(foreign=1), "")
    assert value(made, "plain", CIPHER.encrypt_v2("x", "elsewhere")) == (ColumnCounts(elsewhere=1), "")
    assert value(made, "plain", "no record") == (ColumnCounts(no_record=1), "")
    assert value(made, PhiCipher(THIRD).encrypt("x"), None) == (ColumnCounts(foreign=1), "")


def test_a_record_of_another_form_is_made_again_where_the_plain_text_proves_it() -> None:
    earlier = CIPHER.encrypt("one")
    found, record = value(worker(bind="row"), "one", earlier)
    assert (found, CIPHER.decrypt(record, place("guest", "e", "1"))) == (ColumnCounts(old=1), "one")
    assert value(worker(bind="row"), None, earlier) == (ColumnCounts(elsewhere=1), "")
    assert value(worker(bind="row"), "two", earlier) == (ColumnCounts(without_records=1), "")


def test_a_record_in_the_plain_column_counts_as_its_text() -> None:
    """A column that was read leniently holds both."""
    found, record = value(worker(), CIPHER.encrypt("one"), None)
    assert (found.old, CIPHER.decrypt(record)) == (1, "one")
    assert value(worker(), CIPHER.encrypt("one"), PhiCipher(NEW).encrypt("one")) == (ColumnCounts(new=1), "")


@pytest.mark.parametrize("bind", ["column", "row", None])
def test_records_are_bound_and_of_the_tenant_as_the_application_writes_them(bind: str | None) -> None:
    context = place("guest", "e", *(["1"] if bind == "row" else [])) if bind else ""
    found, record = value(worker(bind=bind, tenant_column="clinic"), "one", None)
    assert (found.old, CIPHER.for_tenant("7").decrypt(record, context)) == (1, "one")
    assert value(worker(bind=bind, tenant_column="clinic"), "one", record) == (ColumnCounts(new=1), "")
    assert value(worker(bind=bind, tenant_column="clinic"), "one", record, tenant="8")[0].foreign == 1
    assert value(worker(bind=bind, tenant_column="clinic"), "one", None, tenant="")[0].without_tenant == 1


def test_a_fill_that_is_killed_goes_on_and_never_writes_the_plain_column(operator: Operator) -> None:
    create(operator)
    operator.patients.run("insert into guest select n, 'guest.' || n, null from generate_series(1, 1500) n")
    operator.patients.run(
        "create function never() returns trigger language plpgsql as $$ begin "
        "if new.email is distinct from old.email then raise 'the plain column was written'; end if; "
        "return new; end $$"
    )
    operator.patients.run("create trigger never before update on guest for each row execute function never()")
    start = ("fill", "--dsn", operator.patients.dsn, *COLUMNS, "--batch", "100")
    process = operator.start_bare(*start, command="migrate")
    some = "select count(*) from guest where email_encrypted is not null"
    wait_until(lambda: operator.patients.run(some)[0][0] >= 300, process)
    kill(process)
    done = migrate(operator, "fill")
    assert (done.code, counts(done)) == (0, [0, 1500, 0, 0, 0, 0])
    database = Database(operator.patients.dsn, read_only=True)
    assert find_relation(database, "guest").triggers == ("never",)
    database.close()
