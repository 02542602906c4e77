"""The pass that proves what was written reads the versions of the rows, and again each row that was written since."""

from __future__ import annotations

import io
import os
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest

from eonpro_phi import PhiCipher
from eonpro_phi.hashes import derived_hash_key
from eonpro_phi.indexing.command import fill
from eonpro_phi.indexing.inspection import inspect
from eonpro_phi.indexing.models import IndexSelection, SearchColumn
from eonpro_phi.indexing.rows import IndexWorker, RowIndexer
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.models import BatchEnd, RowCounts, RunResult
from eonpro_phi.reencryption.progress import Progress
from eonpro_phi.reencryption.statements import Rows, Table
from eonpro_phi.reencryption.worker_pool import WorkerPool
from eonpro_phi.search.keys import ExactKey, WordKey
from tests.phi.indexing import clinic_group
from tests.phi.indexing.clinic_group import EMAIL, SOURCES, WORDS
from tests.phi.reencryption.patients import OLD, Patients
from tests.phi.reencryption.postgres import running
from tests.selection import first

pytestmark = pytest.mark.needs("postgresql")

SELECTION = IndexSelection(
    table="Patient",
    key_column="id",
    clinic_column="clinic",
    columns=(SearchColumn(index=WORDS, sources=SOURCES), SearchColumn(index=EMAIL, sources=("email",))),
)
HASH_KEY = derived_hash_key(OLD)


def table_of(dsn: str) -> Table:
    """The table, inspected as at the start of a run."""
    database = Database(dsn, read_only=True)
    try:
        return inspect(database, SELECTION, write=True).table
    finally:
        database.close()


def indexer() -> RowIndexer:
    return RowIndexer(PhiCipher(OLD), HASH_KEY, table="Patient")


class BetweenPasses(Progress):
    """Calls a function before each pass after the first, and after each batch of the first."""

    def __init__(self, before_pass: Callable[[], object], after_batch: Callable[[], object] = lambda: None) -> None:
        super().__init__(io.StringIO())
        self.before_pass, self.after_batch = before_pass, after_batch

    def begin(self, activity: str, rows: int | None) -> None:
        super().begin(activity, rows)
        if activity.startswith("verifying"):
            self.before_pass()

    def add(self, counts: RowCounts) -> None:
        super().add(counts)
        if self._activity == "indexing":
            self.after_batch()


def indexed(dsn: str, progress: Progress, *, passes: int = 10) -> RunResult:
    """Fill the search columns of the table in passes."""
    return fill(dsn, table_of(dsn), SELECTION, indexer(), processes=2, batch=20, passes=passes, progress=progress)


def wrong_rows(connection: psycopg.Connection[Any]) -> list[int]:
    """The ids of rows whose search values are not those of their texts."""
    columns = ", ".join(f'"{name}"' for name in SOURCES)
    cipher = PhiCipher(OLD)
    return [
        number
        for number, clinic, email, tokens, *records in connection.execute(
            f'select id, clinic, "emailSearch", "searchTokens", {columns} from "Patient"'.encode()
        )
        if (email, tokens)
        != (
            ExactKey(HASH_KEY, EMAIL, clinic).value(cipher.decrypt_many(records)[2]),
            WordKey(HASH_KEY, WORDS, clinic).row_tokens(cipher.decrypt_many(records)),
        )
    ]


@pytest.fixture
def clinic_group_table(patients: Patients) -> Patients:
    """A hundred patients, with empty search columns."""
    patients.run('drop table "Patient"')
    clinic_group.fill(patients.connection, 100, key=OLD)
    patients.run(clinic_group.ADD_COLUMNS)
    return patients


class CountedReads(Database):
    """A connection that counts the batches that were read whole."""

    reads = 0

    def read(self, table: Table, *, after: str | None, until: str | None, limit: int) -> Rows:
        self.reads += 1
        return super().read(table, after=after, until=until, limit=limit)


NEW_TEXT = PhiCipher(OLD).encrypt("new.address@example.org")
INSERT = f"""
insert into "Patient" (id, clinic, email, "searchIndex") select %s, 3, '{NEW_TEXT}', ''
"""


@pytest.mark.parametrize(
    ("change", "rewrites"),
    [
        ("select", None),
        (f"update \"Patient\" set email = '{NEW_TEXT}' where id = 30", 1),
        ('update "Patient" set "emailSearch" = null where id = 40', 1),
        ('update "Patient" set email = email where id = 21', 0),
        ('delete from "Patient" where id = 30', 0),
        ('update "Patient" set clinic = (clinic + 1) % 20 where id = 30', 1),
        (f'delete from "Patient" where id = 30; {INSERT % 30}', 1),
    ],
    ids=["nothing", "a text", "a search value", "the same", "deleted", "another clinic", "another row of that key"],
)
def test_of_rows_that_were_not_written_since_only_the_versions_are_read(
    clinic_group_table: Patients, change: str, rewrites: int | None
) -> None:
    patients = clinic_group_table
    database = CountedReads(patients.dsn)
    worker = IndexWorker(
        database,
        table_of(patients.dsn),
        size=20,
        write=True,
        pause=lambda _: None,
        selection=SELECTION,
        indexer=indexer(),
    )
    first = worker.process("20", lambda _: None)
    assert first.written == 20 and first.columns["emailSearch"].old == 20 and first.proof
    patients.run(change)
    before, ends = database.reads, list[str | None]()
    second = worker.process("20", ends.append, BatchEnd(until="40", proof=first.proof))
    database.close()
    assert ends == ["40"] and second.written == (rewrites or 0)
    assert database.reads == before + (0 if rewrites is None else 1)
    assert second.proof and all(counts.old == 0 for counts in second.proof.counts.columns.values())
    if rewrites is None:
        assert second.rows == 20 and second.columns["emailSearch"].new == 20 and second.complete


def changes(generator: random.Random, connection: psycopg.Connection[Any]) -> None:
    """What an application may do to rows between two passes: search values are left behind."""
    for _ in range(generator.randrange(1, 6)):
        number = generator.randrange(1, 140)
        statement: bytes = generator.choice(
            [
                b'update "Patient" set email = (select email from "Patient" order by id desc limit 1) where id = %s',
                b'update "Patient" set "searchTokens" = null where id = %s',
                b'delete from "Patient" where id = %s',
                b'update "Patient" set id = id + 1000 where id = %s',
                b'update "Patient" set clinic = (clinic + 7) % 20 where id = %s'.replace(b"% 20", b"%% 20"),
                INSERT.replace("select %s", "select -%s").encode() + b" on conflict do nothing",
                INSERT.encode() + b" on conflict do nothing",
            ]
        )
        connection.execute(statement, (number,))


@pytest.mark.parametrize("seed", first(4, range(60)))
def test_whatever_is_written_between_two_passes_is_indexed_at_the_end(clinic_group_table: Patients, seed: int) -> None:
    patients, generator = clinic_group_table, random.Random(seed)
    left = generator.randrange(1, 5)

    def write_again() -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            changes(generator, patients.connection)

    result = indexed(patients.dsn, BetweenPasses(write_again))
    assert result.complete and wrong_rows(patients.connection) == []
    assert len(result.passes) <= 2 + 5


@pytest.fixture
def known_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many batches each pass knows a proof of."""
    known: list[int] = []
    run_pass = WorkerPool.run_pass

    def recorded(self: WorkerPool, on_batch: Callable[[RowCounts], None], before: Sequence[BatchEnd] = ()) -> RowCounts:
        known.append(sum(end.proof is not None for end in before))
        return run_pass(self, on_batch, before)

    monkeypatch.setattr(WorkerPool, "run_pass", recorded)
    yield known


def test_a_run_proves_by_versions(clinic_group_table: Patients, known_before: list[int]) -> None:
    result = indexed(clinic_group_table.dsn, BetweenPasses(lambda: None))
    assert result.complete and known_before == [0, 6]
    assert result.passes[1].columns["searchTokens"].new == 100 == result.passes[1].rows


def test_a_trigger_may_change_the_texts_so_every_row_is_read_again(
    clinic_group_table: Patients, known_before: list[int]
) -> None:
    patients = clinic_group_table
    patients.run(
        "create function change_row() returns trigger language plpgsql as $$ begin "
        f"if new.email is distinct from '{NEW_TEXT}' then new.email = '{NEW_TEXT}'; end if; return new; end $$"
    )
    patients.run('create trigger changing before update on "Patient" for each row execute function change_row()')
    result = indexed(patients.dsn, BetweenPasses(lambda: None))
    assert known_before == [0, 0, 0] and result.complete and wrong_rows(patients.connection) == []


@pytest.mark.thorough
def test_after_a_crash_of_the_server_versions_prove_nothing(known_before: list[int]) -> None:
    with running() as server, server.connect() as connection:
        clinic_group.fill(connection, 200, key=OLD)
        connection.execute(clinic_group.ADD_COLUMNS)
        crashed: list[int] = []

        def crash() -> None:
            if not crashed:
                crashed.append(connection.info.backend_pid)
                # The server ends all connections and recovers from its log.
                os.kill(connection.info.backend_pid, signal.SIGKILL)

        result = indexed(server.dsn(), BetweenPasses(lambda: None, after_batch=crash))
        assert result.complete and crashed and known_before[:2] == [0, 0]
        with server.connect() as again:
            assert wrong_rows(again) == []
