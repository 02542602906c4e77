"""The check of a column: what is no record is refused by the database, whoever writes it, and every record passes.

Touches a database server of its own, in a temporary folder.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from django.db import IntegrityError, connection, connections, models
from django.db.migrations import AddConstraint, CreateModel, DeleteModel, RemoveConstraint
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter

from eonpro_phi.__main__ import main
from eonpro_phi.adapters.django import EncryptedBinaryField, EncryptedTextField, RecordConstraint
from eonpro_phi.adapters.django.checks import check_model
from eonpro_phi.adapters.sqlalchemy import EncryptedBytes, EncryptedText, constrain
from eonpro_phi.binding import binding
from eonpro_phi.constraint import is_record, statements
from tests.phi.adapters.django_settings import CIPHER, cipher
from tests.phi.reencryption.postgres import Server

RANDOM = random.Random(9)
TEXTS = ["a", "Jöhn", "患者" * 400, "v2:", *("".join(RANDOM.choices("aß ", k=size)) for size in range(1, 60))]
V1 = [str(CIPHER.encrypt(text)) for text in TEXTS]
V2 = [str(CIPHER.encrypt_v2(text, "t.c")) for text in TEXTS]
BYTES = [bytes(CIPHER.encrypt_bytes(text.encode(), "t.c") or b"") for text in TEXTS]
PLAIN = [
    *(
        "",
        "jane@clinic.example",
        "v2:",
        "a:b:c",
        "v2:0123456789abcdef:",
        "v2:0123456789abcdef: " + "A" * 40,
        "{}",
        "\n",
    ),
    *(V1[0].replace(":", ";"), V1[0] + "\n", "\n" + V2[0], V2[0] + "\n", "Jane " + V1[0], V2[0].replace("v2", "v3")),
]


def accepted_by_sqlite(value: str | bytes, **form: Any) -> bool:
    database = sqlite3.connect(":memory:")
    database.execute(f"create table t (c, check ({is_record('c', 'sqlite', **form)}))")
    try:
        database.execute("insert into t values (?)", [value])
    except sqlite3.IntegrityError:
        return False
    return True


@pytest.fixture(scope="module")
def accepted(server: Server) -> Iterator[Any]:
    """Whether PostgreSQL takes a value under a condition."""
    with psycopg.connect(server.dsn(), autocommit=True) as database:

        def ask(value: str | bytes | None, **form: Any) -> bool:
            condition = is_record("c", **form)
            of = "bytea" if form.get("is_binary") else "text"
            [[answer]] = database.execute(f"select {condition} from (select %s::{of} as c) t", [value]).fetchall()
            # As a check does: NULL passes.
            return answer is not False

        yield ask


@pytest.mark.needs("postgresql")
def test_postgresql_takes_every_record_and_no_text(accepted: Any) -> None:
    assert all(accepted(record) for record in (*V1, *V2, None))
    assert all(accepted(record, is_binary=True) for record in (*BYTES, None))
    assert [text for text in PLAIN if accepted(text)] == []
    assert [text for text in V1 if accepted(text, versions=(2,))] == []
    assert not any(accepted(text.encode(), is_binary=True) for text in (*PLAIN, *TEXTS, "%PDF-1.7 and more" * 9))


def test_sqlite_takes_every_record_and_no_text() -> None:
    assert all(map(accepted_by_sqlite, (*V1, *V2)))
    assert all(accepted_by_sqlite(record, is_binary=True) for record in BYTES)
    assert [text for text in PLAIN if accepted_by_sqlite(text)] == []
    assert [text for text in V1 if accepted_by_sqlite(text, versions=(2,))] == []


def test_another_database_has_no_condition() -> None:
    with pytest.raises(ValueError, match="no condition is known for oracle"):
        is_record("c", "oracle")


@pytest.mark.needs("postgresql")
def test_the_printed_statements_refuse_the_next_plain_text_and_then_the_old_one(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as database:
        database.execute('create schema "Clinic A"')
        database.execute('create table "Clinic A"."Pati""ent" (id int, email text, dob text, data bytea)')
        database.execute('insert into "Clinic A"."Pati""ent" values (1, %s)', ["jane@clinic.example"])
        assert main(["check", "--sql", 'Clinic A.Pati"ent', "email", "dob:v2", "data:bytes"]) == 0
        printed = capsys.readouterr().out.splitlines()
        assert printed == statements('Clinic A.Pati"ent', ["email", "dob:v2", "data:bytes"])
        for line in printed[::2]:
            database.execute(line)
        insert = 'insert into "Clinic A"."Pati""ent" values (2, %s, %s, %s)'
        database.execute(insert, [V1[0], V2[0], BYTES[0]])
        for wrong in (["jane", V2[0], BYTES[0]], [V1[0], V1[0], BYTES[0]], [V1[0], V2[0], b"jane"]):
            with pytest.raises(psycopg.errors.CheckViolation):
                database.execute(insert, wrong)
        with pytest.raises(psycopg.errors.CheckViolation):
            database.execute(printed[1])
        database.execute('update "Clinic A"."Pati""ent" set email = %s where id = 1', [V1[1]])
        for line in printed[1::2]:
            database.execute(line)


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize(
    "of", ["text", "varchar(200)", "citext", "of_text", 'text collate "any_case"', "text partition by list (email)"]
)
def test_every_type_of_text_has_a_check(server: Server, of: str) -> None:
    with psycopg.connect(server.dsn(server.copy_of("template1")), autocommit=True) as database:
        database.execute("create extension citext")
        database.execute(
            "create collation any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
        database.execute("create domain of_text as text check (value <> 'x')")
        of, is_partitioned, how = of.partition(" partition")
        database.execute(f"create table patient (id int, email {of}) {is_partitioned}{how}")
        if is_partitioned:
            database.execute("create table patient_1 partition of patient default")
        for line in statements("patient", ["email"]):
            database.execute(line)
        for record in (V1[0], V2[0], V2[3], None):
            database.execute("insert into patient values (1, %s)", [record])
        for plain in ("jane@clinic.example", "", V1[0] + "\n", V2[0].replace("v2", "V2")):
            with pytest.raises(psycopg.errors.CheckViolation):
                database.execute("insert into patient values (1, %s)", [plain])


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize("of", ["text[]", "jsonb", "bytea"])
def test_a_check_of_texts_cannot_be_made_for_another_type(server: Server, of: str) -> None:
    with psycopg.connect(server.dsn(server.copy_of("template1")), autocommit=True) as database:
        database.execute(f"create table patient (id int, email {of})")
        with pytest.raises((psycopg.errors.UndefinedFunction, psycopg.errors.DatatypeMismatch)):
            database.execute(statements("patient", ["email"])[0])


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize(
    "table", ["answers_of_patients_of_the_clinics_of_the_north_and_west", "Анкеты_пациентов_клиники"]
)
def test_the_checks_of_long_names_have_names_of_their_own(server: Server, table: str) -> None:
    columns = ["first_name_encrypted", "first_name_encrypted_2"]
    declared = sa.Table(table, sa.MetaData(), *(sa.Column(name, EncryptedText(cipher)) for name in columns))
    engine = sa.create_engine(f"postgresql+psycopg://postgres@/postgres?host={server.folder}")
    declared.metadata.create_all(engine)
    with engine.begin() as session:
        for line in statements(table, columns):
            session.exec_driver_sql(line)
    declared.metadata.drop_all(engine)
    constrain(declared)
    declared.metadata.create_all(engine)
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as session:
        session.execute(sa.text(f'insert into "{table}" ({columns[1]}) values (:value)').bindparams(value="jane"))
    declared.metadata.drop_all(engine)


@pytest.mark.parametrize("words", [["t"], ["t", "data:more"]])
def test_a_column_that_cannot_be_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "--sql", *words])
    assert ended.value.code == 2


class Guarded(models.Model):  # type: ignore[misc]  # Django comes without types
    email = EncryptedTextField(null=True)
    scan = EncryptedBinaryField(null=True, db_column="Scan of it")
    note = EncryptedTextField(null=True, bound=True)

    class Meta:
        app_label = "clinic"
        constraints = [RecordConstraint(fields=["email", "scan", "note"], name="guarded_records")]


def migrated(on: Any, before: ProjectState, operation: Any) -> ProjectState:
    """The state after an operation of a migration, which was made in the database."""
    after = before.clone()
    operation.state_forwards("clinic", after)
    with on.schema_editor() as editor:
        operation.database_forwards("clinic", editor, before, after)
    return after


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize("database", ["default", "postgresql"])
def test_djangos_constraint_is_made_and_removed_by_migrations(database: str, server: Server) -> None:
    on = connections[database]
    on.settings_dict["HOST"] = str(server.folder)
    [constraint] = Guarded._meta.constraints
    assert constraint.check(Guarded, on) == []
    written, _ = MigrationWriter.serialize(constraint)
    assert "RecordConstraint(fields=('email', 'scan', 'note'), name='guarded_records')" in written
    table = on.ops.quote_name(Guarded._meta.db_table)

    def refused(column: str, value: Any) -> bool:
        try:
            with on.cursor() as cursor:
                cursor.execute(f"update {table} set {on.ops.quote_name(column)} = %s", [value])
        except IntegrityError:
            return True
        return False

    model = ModelState.from_model(Guarded)
    made = CreateModel(model.name, [*model.fields.items()], options=model.options, bases=model.bases)
    state = migrated(on, ProjectState(), made)
    try:
        Guarded.objects.using(database).create(email="jane@clinic.example", scan=b"%PDF", note="a note")
        assert refused("email", "jane@clinic.example") and refused("Scan of it", b"%PDF")
        assert refused("note", V1[0]) and not refused("email", V1[0]) and not refused("note", V2[0])
        state = migrated(on, state, RemoveConstraint("guarded", "guarded_records"))
        assert not refused("email", "jane@clinic.example") and not refused("email", V1[0])
        state = migrated(on, state, AddConstraint("guarded", constraint))
        assert refused("email", "jane@clinic.example")
    finally:
        migrated(on, state, DeleteModel("guarded"))
        on.close()


@pytest.mark.parametrize(
    ("options", "versions"),
    [
        ({}, (1, 2)),
        ({"bound": True}, (2,)),
        ({"tenant": True}, (2,)),
        ({"bound": "row", "reads": "unbound"}, (1, 2)),
        ({"bound": "row", "reads": "column"}, (2,)),
    ],
)
def test_version_1_stands_only_where_unbound_records_are_read(options: Any, versions: tuple[int, ...]) -> None:
    assert binding("patient", "email", **options).versions == versions


def test_a_migration_makes_a_constraint_again_only_for_another_name_or_other_fields() -> None:
    made = RecordConstraint(fields=["email"], name="records")
    assert made == RecordConstraint(fields=("email",), name="records")
    assert made not in (RecordConstraint(fields=["note"], name="records"), RecordConstraint(fields=["email"], name="x"))


def test_django_names_a_field_that_is_none_of_the_encrypted_ones() -> None:
    assert [*check_model(Guarded)] == [], "it is no index"
    [error] = RecordConstraint(fields=["id"], name="wrong").check(Guarded, connection)
    assert error.msg == "wrong: id is no encrypted field of Guarded."


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_sqlalchemys_checks_are_made_with_the_table(kind: str, server: Server) -> None:
    table = sa.Table(
        "guarded",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("eMail", EncryptedText(cipher)),
        sa.Column("note", EncryptedText(cipher, bound=True)),
        sa.Column("scan", EncryptedBytes(cipher)),
    )
    constrain(table)
    url = "sqlite://" if kind == "sqlite" else f"postgresql+psycopg://postgres@/postgres?host={server.folder}"
    engine = sa.create_engine(url, hide_parameters=True)
    table.metadata.create_all(engine)
    with engine.begin() as session:
        session.execute(table.insert(), {"id": 1, "eMail": "jane@clinic.example", "note": "a note", "scan": b"%PDF"})
        session.execute(table.insert(), {"id": 2, "eMail": None, "note": None, "scan": None})
    for column, value in (('"eMail"', "jane"), ("note", V1[0]), ("scan", b"%PDF")):
        with pytest.raises(sa.exc.IntegrityError), engine.begin() as session:
            session.execute(sa.text(f"update guarded set {column} = :value").bindparams(value=value))
    table.metadata.drop_all(engine)
