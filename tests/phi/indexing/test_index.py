"""`phi index`: search columns are filled from encrypted and plain texts, follow the keys, and lose nothing."""

from __future__ import annotations

import itertools
import random
import re
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from eonpro_phi import PhiCipher, PhiFields, place
from eonpro_phi.hashes import derived_hash_key
from eonpro_phi.indexing.inspection import inspect
from eonpro_phi.indexing.models import IndexSelection, search_columns
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.search.keys import ExactKey, WordKey
from tests.phi.indexing import clinic_group
from tests.phi.indexing.clinic_group import ARGUMENTS, EMAIL, SOURCES, WORDS, Search, fields_of, patient
from tests.phi.reencryption.command_process import CommandResult, Operator, kill, wait_for, wait_until, wrapped
from tests.phi.reencryption.patients import NEW, OLD, THIRD, Patients
from tests.phi.reencryption.postgres import Server

pytestmark = pytest.mark.needs("postgresql")


MOST_SECONDS = 1200.0
"""How long one command may take in the longest of these tests."""


def index(operator: Operator, *arguments: str, **variables: str) -> CommandResult:
    """Run the command for the clinic group."""
    return wait_for(start(operator, *arguments, **variables), seconds=MOST_SECONDS)


def start(operator: Operator, *arguments: str, **variables: str) -> Any:
    where = ("--dsn", operator.patients.dsn, *ARGUMENTS, "--processes", "2")
    return operator.start_bare(*where, *arguments, command="index", **variables)


def rows_of(patients: Patients) -> list[tuple[Any, ...]]:
    return patients.run('select id, clinic, "emailSearch", "searchTokens" from "Patient" order by id')


def expected(count: int, key: bytes = OLD) -> list[tuple[Any, ...]]:
    """The search columns of the patients, by the library; the hash key is derived from the data key."""
    hash_key = derived_hash_key(key)
    return [
        (
            row.id,
            row.clinic,
            ExactKey(hash_key, EMAIL, row.clinic).value(row.texts[2]),
            WordKey(hash_key, WORDS, row.clinic).row_tokens(row.texts),
        )
        for row in map(patient, range(1, count + 1))
    ]


def filled(patients: Patients, count: int, *, key: bytes | None = OLD, columns: bool = True) -> None:
    patients.run('drop table "Patient"')
    clinic_group.fill(patients.connection, count, key=key)
    if columns:
        patients.run(clinic_group.ADD_COLUMNS)


@pytest.mark.parametrize("key", [OLD, pytest.param(None, marks=pytest.mark.thorough)], ids=["encrypted", "plain"])
def test_a_column_of_texts_becomes_searchable(operator: Operator, key: bytes | None) -> None:
    patients = operator.patients
    filled(patients, 200, key=key)
    done = index(operator, "--batch", "30", "--json")
    assert done.code == 0, done.stderr
    assert rows_of(patients) == expected(200)
    assert done.document["rowsWritten"] == 200 and done.document["complete"] is True
    assert done.document["passes"][-1]["columns"]["searchTokens"]["current"] == 200
    assert done.document["searchColumns"]["emailSearch"] == {"sources": ["email"], "rule": "email", "bits": 128}
    assert 'create index concurrently on "public"."Patient" using gin ("searchTokens");' in done.document["message"]
    before = patients.versions()
    again = index(operator, "--json")
    assert again.code == 0 and again.document["rowsWritten"] == 0
    assert patients.versions() == before, "a second run changes nothing"


@pytest.mark.thorough
def test_rows_of_an_earlier_folding_are_counted_and_written_anew(operator: Operator) -> None:
    """Only they: a name without such a letter has the tokens that it had."""
    patients = operator.patients
    filled(patients, 5)
    assert index(operator).code == 0
    patients.run('update "Patient" set "lastName" = %s where id = 3', PhiCipher(OLD).encrypt("Weiß"))
    key = WordKey(derived_hash_key(OLD), WORDS, patient(3).clinic)
    earlier = sorted({*key.row_tokens([*patient(3).texts[:1], *patient(3).texts[2:]]), *key.tokens(["p:weiß"])})
    patients.run('update "Patient" set "searchTokens" = %s where id = 3', earlier)
    counted = index(operator, "--dry-run", "--json")
    assert counted.document["passes"][0]["columns"]["searchTokens"]["toWrite"] == 1
    done = index(operator, "--json")
    assert done.document["rowsWritten"] == 1
    (tokens,) = patients.run('select "searchTokens" from "Patient" where id = 3')[0]
    assert {*key.tokens(["p:weiss"])} <= {*tokens} and tokens != earlier


def test_plain_and_encrypted_texts_may_stand_beside_one_another(operator: Operator) -> None:
    patients = operator.patients
    filled(patients, 20)
    cipher = PhiCipher(OLD)
    tenant = cipher.for_tenant(str(patient(5).clinic))
    record = tenant.encrypt(patient(5).texts[2], place("Patient", "email", 5))
    patients.run('update "Patient" set email = %s where id = 5', record)
    for number, context in ((2, place("Patient", "email")), (3, place("Patient", "email", 3))):
        patients.run(
            'update "Patient" set email = %s where id = %s',
            cipher.encrypt_v2(patient(number).texts[2], context),
            number,
        )
    patients.run('update "Patient" set "firstName" = %s, phone = null, email = \'\' where id = 4', patient(4).texts[0])
    assert index(operator).code == 0
    assert rows_of(patients)[:3] + rows_of(patients)[4:] == expected(20)[:3] + expected(20)[4:]
    texts = (*patient(4).texts[:2], None, "", patient(4).texts[4])
    tokens = WordKey(derived_hash_key(OLD), WORDS, patient(4).clinic).row_tokens(texts)
    assert rows_of(patients)[3][2:] == (None, tokens)


@pytest.mark.thorough
def test_a_renamed_search_column_keeps_its_name_for_keys(operator: Operator) -> None:
    patients = operator.patients
    filled(patients, 5)
    patients.run('update "Patient" set "searchTokens" = \'{}\'')
    patients.run('alter table "Patient" rename column "emailSearch" to found')
    patients.run('alter table "Patient" rename column email to mail')
    patients.run('alter table "Patient" rename to people')
    cipher, text = PhiCipher(OLD), patient(5).texts[2]
    patients.run("update people set mail = %s where id = 5", cipher.encrypt_v2(text, place("Patient", "email", 5)))
    places = ("--place", "found=Patient.emailSearch", "--place", "mail=Patient.email")
    common = ("--dsn", patients.dsn, "--table", "people", "--key-column", "id", "--clinic-column", "clinic")
    exact = ("--exact", "mail:found:email", "--json")
    done = wait_for(operator.start_bare(*common, *exact, *places, command="index"))
    assert (done.code, done.document["searchColumns"]["found"]["place"]) == (0, "Patient.emailSearch"), done.stderr
    values = [value for (value,) in patients.run("select found from people order by id")]
    assert values == [row[2] for row in expected(5)]
    without = wait_for(operator.start_bare(*common, *exact, "--dry-run", command="index"))
    assert without.document["passes"][-1]["columns"]["found"]["current"] == 0


def test_what_is_missing_is_named_with_the_sql_to_make_it(operator: Operator) -> None:
    patients = operator.patients
    filled(patients, 3, columns=False)
    done = index(operator)
    assert done.code == 2 and "there is no column searchTokens" in done.stderr
    statement = re.search(r"alter table .*;", done.stderr)
    assert statement
    patients.run(statement[0])
    done = index(operator)
    assert done.code == 0 and rows_of(patients) == expected(3)
    for statement in re.finditer(r"create index .*;", done.stdout):
        patients.run(statement[0])
    database = Database(patients.dsn, read_only=True)
    columns = search_columns("Patient", ("email:emailSearch:email",), ("firstName+email:searchTokens",))
    selection = IndexSelection(table="Patient", key_column="id", columns=columns)
    assert inspect(database, selection, write=True).missing_indexes == ()
    database.close()


def test_a_column_with_something_else_in_it_is_never_overwritten(operator: Operator) -> None:
    patients = operator.patients
    filled(patients, 5)
    patients.run('update "Patient" set "emailSearch" = \'a note\', "searchTokens" = \'{7,3}\' where id = 2')
    done = index(operator, "--json")
    assert done.code == 1 and done.document["unreadableValues"] == 2
    assert rows_of(patients)[1][2:] == ("a note", [7, 3])
    assert done.document["passes"][-1]["columns"]["emailSearch"]["exampleRows"] == ["2"]
    assert "1 not values of this index" in done.document["message"]


@pytest.mark.parametrize(
    ("exact", "words", "problem"),
    [
        (["firstName:firstName:text"], [], "firstName is both a search column and one that is read"),
        (["email:clinic:email"], [], "clinic is both a search column and one that is read"),
        (["email:visits:email"], [], "visits is integer; an exact search column needs text"),
        ([], ["email:emailSearch"], "emailSearch is text; a column of tokens needs integer[]"),
        (["email:emailSearch:zip"], [], "RULE is email, phone"),
        (["email:emailSearch:email:7"], [], "bits is a multiple of 4"),
        ([], ["email:searchTokens:32"], "bits is from 8 to 31"),
        ([], ["visits:searchTokens"], "visits is integer; what is indexed needs text"),
        (["Email:emailSearch:email"], [], "there is no column Email (did you mean email?)"),
        ([], [], "there is nothing to index"),
    ],
)
def test_what_cannot_be_indexed_is_refused_before_anything_is_read(
    searchable: Database, exact: list[str], words: list[str], problem: str
) -> None:
    with pytest.raises(UsageError) as refused:
        selection = IndexSelection(
            table="Patient",
            key_column="id",
            clinic_column="clinic",
            columns=search_columns("Patient", tuple(exact), tuple(words)),
        )
        inspect(searchable, selection, write=True)
    assert problem in str(refused.value)


@pytest.fixture(scope="module")
def searchable(server: Server) -> Iterator[Database]:
    """A connection to an empty table with search columns."""
    patients = Patients(server=server, database=server.copy_of("clinic"))
    filled(patients, 0)
    database = Database(patients.dsn, read_only=True)
    yield database
    database.close()
    patients.connection.close()
    server.drop(patients.database)


def test_a_text_under_another_key_leaves_its_row_as_it_is_and_is_listed(operator: Operator) -> None:
    patients = operator.patients
    filled(patients, 5)
    patients.run('update "Patient" set email = %s where id = 3', PhiCipher(THIRD).encrypt("x@example.org"))
    done = index(operator)
    assert done.code == 1 and "  id: 3" in done.stdout and "--allow-unreadable 2" in done.stdout
    assert rows_of(patients)[2][2:] == (None, None)
    assert index(operator, "--allow-unreadable", "2").code == 0


def test_a_dry_run_writes_nothing(operator: Operator) -> None:
    filled(operator.patients, 5)
    before = operator.patients.versions()
    done = index(operator, "--dry-run", "--json")
    assert done.code == 0 and done.document["passes"][0]["columns"]["emailSearch"]["toWrite"] == 5
    assert operator.patients.versions() == before


def writes(patients: Patients, count: int, done: threading.Event, key: bytes) -> None:
    """The application: changes each tenth patient, with the search values or, every other time, without."""
    fields, cipher = fields_of(key), PhiCipher(key)
    generator = random.Random(9)
    with patients.server.connect(patients.database) as connection:
        while not done.wait(0.002):
            number = generator.randrange(10, count + 1, 10)
            row = patient(number, seed=1)
            records = cipher.encrypt_many(row.texts)
            values = (
                fields.search_value(EMAIL, row.texts[2], patient(number).clinic),
                fields.search_tokens(WORDS, row.texts, patient(number).clinic),
            )
            columns = [*SOURCES, "searchIndex"]
            arguments: list[object] = [*records, row.search_index]
            if generator.random() < 0.5:
                columns, arguments = [*columns, "emailSearch", "searchTokens"], [*arguments, *values]
            assigned = ", ".join(f'"{name}" = %s' for name in columns)
            connection.execute(f'update "Patient" set {assigned} where id = %s', (*arguments, number))


def is_indexed(patients: Patients, number: int) -> bool:
    return bool(patients.run('select "searchTokens" is not null from "Patient" where id = %s', number)[0][0])


Answers = dict[Search, list[int]]
"""The ids that each search finds in the plain text."""


def assert_found(patients: Patients, fields: PhiFields, answers: Answers) -> None:
    """Every search finds what it finds in the plain text."""
    for search, plain in answers.items():
        assert clinic_group.by_tokens(patients.connection, fields, search) == plain, search


def assert_found_during(
    process: subprocess.Popen[str], patients: Patients, fields: PhiFields, answers: Answers
) -> CommandResult:
    """Every search finds it at each moment at which rows are written under the next key."""
    searches = itertools.cycle(answers.items())
    while process.poll() is None:
        search, plain = next(searches)
        assert clinic_group.by_tokens(patients.connection, fields, search) == plain, search
    done = wait_for(process)
    assert done.code == 0, done.stdout
    return done


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("count", "queries", "kills"),
    [
        (1500, 40, 1),
        pytest.param(200_000, 200, 20, marks=[pytest.mark.thorough, pytest.mark.timeout(3 * MOST_SECONDS)]),
    ],
)
def test_a_clinic_group_moves_off_its_plain_search_under_writes_and_kills_and_changes_its_keys(
    operator: Operator, count: int, queries: int, kills: int
) -> None:
    patients = operator.patients
    filled(patients, count)
    done = threading.Event()
    writer = threading.Thread(target=writes, args=(patients, count, done, OLD))
    writer.start()
    try:
        points = random.Random(7)
        for part in range(kills):
            process = start(operator, "--batch", str(max(50, count // 5000)))
            # The writer changes each tenth row only.
            point = points.randrange(part * count // kills, (part + 1) * count // kills) // 10 * 10 + 1
            wait_until(lambda at=point: is_indexed(patients, at), process, seconds=MOST_SECONDS)  # type: ignore[misc]
            kill(process)
        under_writes = index(operator, "--passes", "2", "--json")
        assert under_writes.document["unreadableValues"] == 0
    finally:
        done.set()
        writer.join()
    assert index(operator).code == 0
    for statement in clinic_group.CREATE_INDEXES:
        patients.run(statement)
    # The plain texts of a clinic side by side: reading them from the table takes half a second for each search.
    patients.run('create index plain on "Patient" (clinic) include (id, "searchIndex")')
    patients.run('vacuum "Patient"')
    answers = {
        search: clinic_group.by_plain_text(patients.connection, search)
        for search in clinic_group.searches(queries, count)
    }
    patients.run("drop index plain")
    assert sum(map(len, answers.values())) > queries / 2
    assert_found(patients, fields_of(OLD), answers)
    assert_found_while_the_keys_change(operator, answers, every_kill=kills > 1)


def assert_found_while_the_keys_change(operator: Operator, answers: Answers, *, every_kill: bool) -> None:
    """The data key, which gives the hash key; then the first hash key of its own; then the next one."""
    patients, own = operator.patients, THIRD
    variables = {
        "old": operator.environment["ENCRYPTED_PHI_KEY"],
        "new": operator.environment["NEW_ENCRYPTED_PHI_KEY"],
        "own": wrapped(b"wrapped third"),
    }
    rotated = {"ENCRYPTED_PHI_KEY": variables["new"], "ENCRYPTED_PHI_KEYS_FOR_READING": variables["old"]}
    assert_found(patients, fields_of(OLD, NEW), answers)
    assert_found(patients, fields_of(NEW, OLD), answers)
    where = ("--dsn", patients.dsn, "--table", "Patient", "--columns", ",".join(SOURCES), "--key-column", "id")
    reencrypted = assert_found_during(operator.start_bare(*where), patients, fields_of(NEW, OLD), answers)
    assert "phi index" in reencrypted.stdout, "the search values are under the earlier key"
    assert_found(patients, fields_of(NEW, OLD), answers)
    half(operator, rotated)
    assert_found(patients, fields_of(NEW, OLD), answers)
    assert_found_during(start(operator, **rotated), patients, fields_of(NEW, OLD), answers)
    assert_found(patients, fields_of(NEW), answers)
    alone = {"ENCRYPTED_PHI_KEY": variables["new"]}
    assert_found(patients, fields_of(NEW, former=[own]), answers)
    assert_found(patients, fields_of(NEW, hash_key=own, derived=True), answers)
    if every_kill:
        half(operator, {**alone, "ENCRYPTED_PHI_HASH_KEY": variables["own"]})
        assert_found(patients, fields_of(NEW, hash_key=own, derived=True), answers)
    process = start(operator, **alone, ENCRYPTED_PHI_HASH_KEY=variables["own"])
    assert_found_during(process, patients, fields_of(NEW, hash_key=own, derived=True), answers)
    assert_found(patients, fields_of(NEW, hash_key=own), answers)
    if not every_kill:
        return
    half(operator, {**alone, "ENCRYPTED_PHI_HASH_KEY": variables["old"]})
    assert_found(patients, fields_of(NEW, hash_key=OLD, former=[own]), answers)
    process = start(operator, **alone, ENCRYPTED_PHI_HASH_KEY=variables["old"])
    assert_found_during(process, patients, fields_of(NEW, hash_key=OLD, former=[own]), answers)
    assert_found(patients, fields_of(NEW, hash_key=OLD), answers)


def half(operator: Operator, variables: dict[str, str]) -> None:
    """Start to fill again, and kill it on the way."""
    patients = operator.patients
    is_written = 'select xmin::text::bigint > %s from "Patient" where id = %s'
    (before,) = patients.run("select txid_current()")[0]
    (rows,) = patients.run('select max(id) from "Patient"')[0]
    process = start(operator, "--batch", "50", **variables)
    wait_until(lambda: bool(patients.run(is_written, before, rows // 2)[0][0]), process, seconds=MOST_SECONDS)
    kill(process)
