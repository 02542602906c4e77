"""`phi scan` over every kind of table and type of column: what it cannot look into is named, and is not in order."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from eonpro_phi import PhiCipher
from tests.phi.reencryption.command_process import CommandResult, Operator, wait_for, wrapped
from tests.phi.reencryption.patients import NEW, OLD

pytestmark = pytest.mark.needs("postgresql")


def scan(operator: Operator, *more: str, user: str = "postgres", **variables: str) -> CommandResult:
    patients = operator.patients
    dsn = patients.server.dsn(patients.database, user=user)
    return wait_for(operator.start_bare("--dsn", dsn, "--rows", "0", "--json", *more, command="scan", **variables))


def columns_of(done: CommandResult) -> dict[str, dict[str, Any]]:
    """Every column of the document, by its table and name."""
    return {
        f"{table['table']}.{column['column']}": column | {"kind": table["kind"]}
        for table in done.document["tables"]
        for column in table["columns"]
    }


def not_looked_into(done: CommandResult) -> dict[str, str]:
    return {entry["column"]: entry["why"] for entry in done.document["notLookedInto"]}


def record(text: str, key: bytes = OLD) -> str:
    written = PhiCipher(key).encrypt(text)
    assert written is not None
    return written


PLAIN_TYPES = (
    "smallint integer bigint numeric(9,2) real boolean date timestamptz time interval uuid inet cidr macaddr money "
    "point bit(8) pg_lsn int4range daterange int[] uuid[] datemultirange"
).split()
TEXTUAL_TYPES = (
    "text varchar(300) char(80) citext name json jsonb xml hstore tsvector tsquery text[] jsonb[] mood contact "
    "textrange email answers jsonpath"
).split()
TYPES = """
create extension citext; create extension hstore; create type mood as enum ('sad', 'glad');
create type contact as (email text, since date); create type textrange as range (subtype = text);
create domain email as citext; create domain answers as jsonb; create domain score as int; create domain photo as bytea
"""


def test_every_column_of_every_type_is_reported_with_what_it_can_hold(operator: Operator) -> None:
    operator.patients.run(TYPES)
    kinds = {"neither": [*PLAIN_TYPES, "score"], "document": TEXTUAL_TYPES, "bytes": ["bytea", "photo"]}
    names = {f"{kind}{at}": (kind, name) for kind in kinds for at, name in enumerate(kinds[kind])}
    operator.patients.run(f"create table t ({', '.join(f'{column} {name}' for column, (_, name) in names.items())})")
    done = scan(operator)
    columns = columns_of(done)
    expected = {
        f"public.t.{column}": "text"
        if name.startswith(("text", "varchar")) and name != "text[]" and name != "textrange"
        else kind
        for column, (kind, name) in names.items()
    }
    assert {name: columns[name]["contents"] for name in expected} == expected
    assert done.code == 0 and done.document["notLookedInto"] == [], "what has no value has nothing to look into"


@pytest.mark.thorough
def test_bytes_without_records_are_named_and_are_not_in_order_until_the_person_accepts_the_column(
    operator: Operator,
) -> None:
    patients = operator.patients
    patients.run('create table "PatientDocument" (id int primary key, data bytea, pages bytea[])')
    patients.run('insert into "PatientDocument" values (1, %s, null), (2, null, %s)', b"%PDF-1.7\x00\xff", [b"x"])
    done = scan(operator)
    assert done.code == 1 and not done.document["complete"]
    assert not_looked_into(done) == {
        "public.PatientDocument.data": "1 values, bytes without records",
        "public.PatientDocument.pages": "1 values, bytes inside another type are not read",
    }
    assert "Not looked into: public.PatientDocument.data" in done.stderr and "--accept-column" in done.stderr
    accepted = scan(operator, "--accept-column", "PatientDocument.data", "--accept-column", "PatientDocument.pages")
    assert accepted.code == 0 and accepted.document["complete"]
    assert accepted.document["acceptedColumns"] == ["PatientDocument.data", "PatientDocument.pages"]
    assert scan(operator, "--accept-column", "PatientDocument.*").code == 0
    wrong = scan(operator, "--accept-column", "PatientDocument.date")
    assert wrong.code == 2 and "there is no such column" in wrong.document["message"]


def test_names_and_numbers_in_bytes_are_phi_in_the_clear(operator: Operator) -> None:
    operator.patients.run("create table files (id int primary key, data bytea)")
    operator.patients.run("insert into files values (1, %s)", '{"ssn": "078-05-1120", "firstName": "Jöhn"}'.encode())
    done = scan(operator, "--accept-column", "files.data")
    found = columns_of(done)["public.files.data"]
    assert (done.code, found["state"]) == (1, "clear"), "accepted as no records is not accepted as no PHI"
    assert found["looksLike"] == {"social security numbers": 1, "a field of that name": 1}
    assert "078" not in done.stdout + done.stderr


def test_to_accept_a_column_hides_no_record_of_a_known_key(operator: Operator) -> None:
    operator.patients.run("create table files (clinic int, id int, data bytea, primary key (clinic, id))")
    operator.patients.run("insert into files values (7, 1, %s)", b"\x00" + record("Jane").encode() + b"\xff")
    done = scan(
        operator,
        *("--accept-column", "files.data"),
        ENCRYPTED_PHI_KEY=wrapped(b"wrapped new"),
        ENCRYPTED_PHI_KEYS_FOR_READING=wrapped(b"wrapped old"),
    )
    assert done.code == 1 and "Records under another key" in done.stderr
    assert "--table public.files --columns data --key-column clinic+id" in done.stderr


RELATIONS = """
create schema other; create table other.notes (id int, note text);
create unlogged table fast (id int, note text);
create table parent (id int, note text); create table child () inherits (parent);
create table parted (id int, note text) partition by range (id);
create table parted1 partition of parted for values from (0) to (10);
create table parted2 partition of parted default partition by list (id);
create table parted3 partition of parted2 default;
create table generated (id int, note text, loud text generated always as (upper(note)) stored);
create view viewed as select * from fast; create materialized view stored as select * from fast;
create materialized view never as select * from fast with no data
"""


def test_every_kind_of_table_is_read_once_and_copies_are_named_with_what_renews_them(operator: Operator) -> None:
    patients, old = operator.patients, record("Jane")
    patients.run(RELATIONS)
    for table in ("other.notes", "fast", "parent", "child", "generated"):
        patients.run(f"insert into {table} (id, note) values (1, %s)", old)
    patients.run("insert into parted (id, note) values (1, %s), (20, %s)", old, old)
    patients.run("refresh materialized view stored")
    both = {"ENCRYPTED_PHI_KEY": wrapped(b"wrapped new"), "ENCRYPTED_PHI_KEYS_FOR_READING": wrapped(b"wrapped old")}
    done = scan(operator, **both)
    columns = columns_of(done)
    counted = {name: sum(column["underKeys"].values()) for name, column in columns.items() if name.endswith(".note")}
    assert counted == {
        **{"other.notes.note": 1, "public.fast.note": 1, "public.parent.note": 1, "public.child.note": 1},
        **{"public.parted.note": 2, "public.generated.note": 1, "public.stored.note": 1},
        **{"public.viewed.note": 0, "public.never.note": 0},
    }
    assert (columns["public.viewed.note"]["kind"], columns["public.stored.note"]["kind"]) == (
        "view",
        "materialized view",
    )
    assert columns["public.parted.note"]["kind"] == "partitioned table"
    assert "refresh materialized view public.stored" in done.stderr and done.document["complete"]


@pytest.fixture
def clerk(operator: Operator) -> Iterator[str]:
    """A role that may read some of the database."""
    patients = operator.patients
    patients.run("drop role if exists clerk; create role clerk login")
    yield "clerk"
    patients.run("drop owned by clerk; drop role clerk")


def test_what_a_role_may_not_read_is_named_column_by_column(operator: Operator, clerk: str) -> None:
    patients = operator.patients
    patients.run(
        "create table a (id int, seen text, hidden text, number int); grant select (id, seen) on a to clerk;"
        "create table b (id int, note text); grant select on b to clerk; alter table b enable row level security;"
        "create table c (id int, number int); create schema closed; create table closed.d (note text);"
        "grant select on closed.d to clerk; insert into a values (1, 'x', 'y', 2)"
    )
    done = scan(operator, user=clerk)
    why = not_looked_into(done)
    assert done.code == 1 and not done.document["complete"]
    assert why["public.a.hidden"] == "this role has no SELECT on it" and "public.a.seen" not in why
    assert columns_of(done)["public.a.seen"]["inTheClear"] == 1, "the columns that it may read are read"
    assert all("cannot read all" in why[name] for name in ("public.b.note", "closed.d.note"))
    assert not any(name.startswith("public.c.") for name in why), "a column of numbers holds no record"
    assert "public.a.number" not in why


@pytest.mark.thorough
def test_large_objects_are_named_and_not_read(operator: Operator) -> None:
    patients = operator.patients
    assert scan(operator).code == 0
    patients.run("select lo_from_bytea(0, %s)", b"%PDF-1.7\xff")
    assert not_looked_into(scan(operator)) == {"pg_catalog.pg_largeobject.data": "large objects are not read"}
    assert scan(operator, "--accept-column", "pg_largeobject.data").code == 0


def test_foreign_tables_are_read_where_they_answer_and_named_where_they_do_not(operator: Operator) -> None:
    patients = operator.patients
    file = patients.server.folder / f"{patients.database}.csv"
    file.write_text(f"1,{record('Jane')}\n")
    file.chmod(0o644)
    patients.run(
        "create extension file_fdw; create server files foreign data wrapper file_fdw;"
        f"create foreign table far (id int, note text) server files options (filename '{file}', format 'csv');"
        "create foreign table gone (id int, note text) server files options (filename '/nowhere', format 'csv')"
    )
    done = scan(
        operator, ENCRYPTED_PHI_KEY=wrapped(b"wrapped new"), ENCRYPTED_PHI_KEYS_FOR_READING=wrapped(b"wrapped old")
    )
    assert list(not_looked_into(done)) == ["public.gone.note"] and done.code == 1
    assert "public.far is stored elsewhere: run reencrypt on that server" in done.stderr


def test_a_temporary_table_of_another_connection_is_named(operator: Operator) -> None:
    operator.patients.run("create temporary table mine (note text)")
    done = scan(operator)
    [(name, why)] = not_looked_into(done).items()
    assert name.endswith(".mine.note") and why == "it is a temporary table of another connection" and done.code == 1
    assert scan(operator, "--accept-column", "mine.*").code == 0


def test_the_servers_other_databases_are_named(operator: Operator) -> None:
    assert "clinic" in scan(operator).document["otherDatabases"]


@pytest.mark.thorough
def test_a_record_inside_the_text_of_a_record_is_found_and_moved(operator: Operator) -> None:
    """A form that was encrypted as a whole, with answers that were records already."""
    patients = operator.patients
    inner = record("peanuts")
    patients.run("create table forms (id int primary key, form text)")
    patients.run(
        "insert into forms values (1, %s), (2, %s)", record(f'{{"a": "{inner}"}}'), record(f'["{inner}"]', NEW)
    )
    both = {"ENCRYPTED_PHI_KEY": wrapped(b"wrapped new"), "ENCRYPTED_PHI_KEYS_FOR_READING": wrapped(b"wrapped old")}
    found = columns_of(scan(operator, **both))["public.forms.form"]["underKeys"]
    assert sorted(found.values()) == [1, 3]
    where = ("--dsn", patients.dsn, "--table", "forms", "--columns", "form", "--key-column", "id")
    done = wait_for(operator.start_bare(*where))
    assert done.code == 0, done.stdout
    after = columns_of(scan(operator, **both))["public.forms.form"]["underKeys"]
    assert list(after.values()) == [4]


def test_a_long_value_takes_no_longer_than_its_length(operator: Operator) -> None:
    """A pattern that began at every letter would look at the rest of a million letters a million times."""
    patients = operator.patients
    patients.run("create table notes (id int primary key, note text, form jsonb)")
    patients.run("insert into notes values (1, repeat('x', 1000000), jsonb_build_object('a', repeat('x\\\"', 100000)))")
    patients.run("insert into notes values (2, repeat('x', 1000000) || '@example.org', null)")
    done = scan(operator)
    assert columns_of(done)["public.notes.note"]["looksLike"] == {"e-mail addresses": 1}


@pytest.mark.thorough
def test_the_printed_command_names_a_table_whatever_its_name_is(operator: Operator) -> None:
    patients = operator.patients
    patients.run('create schema "My.Sch%ema"; create domain "My.Sch%ema"."ty%pe" as jsonb')
    patients.run('create table "My.Sch%ema"."ta.b%le" ("i%d" text primary key, "10""0%" "My.Sch%ema"."ty%pe")')
    for key in ("a,b", "NULL", "", 'q"\\'):
        statement = 'insert into "My.Sch%%ema"."ta.b%%le" values (%s, %s)'
        patients.run(statement, key, json.dumps({"a": record("Jane")}))
    both = {"ENCRYPTED_PHI_KEY": wrapped(b"wrapped new"), "ENCRYPTED_PHI_KEYS_FOR_READING": wrapped(b"wrapped old")}
    [printed] = [
        line for line in scan(operator, **both).stderr.splitlines() if " -m eonpro_phi reencrypt --dsn" in line
    ]
    # As it is printed, in another folder.
    done = subprocess.run(
        ["sh", "-c", f"{printed} --batch 2"],
        cwd="/",
        env=operator.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert scan(operator, **both).code == 0
