"""Re-encryption of a table compared with the database's own UPDATE of the same rows; growth of time and memory.

Touches a PostgreSQL server of its own in a temporary folder, with PostgreSQL's default settings: a commit
is on the disk.

The table is a clinic's: key, clinic, two times, and four of the application's PHI fields (firstName, lastName, email,
phone: records of 58 to 86 characters), with a primary key and two more indexes. The database's own UPDATE puts each of
the four columns' records into another one: as many bytes written, to the same rows, but none of them encrypted, sent
or checked. It runs in batches, each committed.
"""

import io
import json
import resource
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from os import urandom

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from eonpro_phi import PhiCipher
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.inspection import inspect
from eonpro_phi.reencryption.models import ColumnSelection
from eonpro_phi.reencryption.options import BATCH
from eonpro_phi.reencryption.passes import default_processes, reencrypt
from eonpro_phi.reencryption.progress import Progress
from eonpro_phi.reencryption.statements import Table, batch_arguments, update_batch
from eonpro_phi.reencryption.worker import transactions
from tests.phi.reencryption.postgres import Server, running
from tools.bench.rows import Bound, Measured, compared
from tools.bootstrap.places import PROJECT

FEW, SOME, MANY = 10_000, 100_000, 1_000_000
"""Rows of the tables."""

COMMIT = 1_000
"""Rows of a transaction of the other ways; `phi` has half of them."""

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
COLUMNS = ("firstName", "lastName", "email", "phone")

_CREATE = """
create table patients (
    id bigint primary key, clinic int not null, "createdAt" timestamptz not null default now(),
    "updatedAt" timestamptz not null default now(), "firstName" text, "lastName" text, email text, phone text
)
"""
_UPDATE = """
update patients set "firstName" = "lastName", "lastName" = email, email = phone, phone = "firstName"
 where id > %s and id <= %s
"""


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """The cost of a re-encryption: seconds, MiB of the parent and of the largest worker."""

    seconds: float
    parent_mib: float
    worker_mib: float


@contextmanager
def server(*sizes: int) -> Iterator[Server]:
    """PostgreSQL with its defaults and a database of each size, as templates."""
    with running() as postgres:
        for rows in sizes:
            with postgres.connect() as connection:
                connection.execute(f"create database rows_{rows}")
            with postgres.connect(f"rows_{rows}") as connection:
                _fill(connection, rows)
        yield postgres


def _fill(connection: psycopg.Connection[tuple[object, ...]], rows: int) -> None:
    connection.execute(_CREATE)
    cipher = PhiCipher(OLD)
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    with connection.cursor().copy(f"copy patients (id, clinic, {columns}) from stdin") as copy:
        for number in range(1, rows + 1):
            texts = (
                f"Jane{number % 1000}",
                f"Doe-{number % 5000}",
                f"jane.doe.{number}@example.org",
                f"+1 {number:010d}",
            )
            copy.write_row((number, number % 97, *cipher.encrypt_many(texts)))
    connection.execute("create index on patients (clinic)")
    connection.execute('create index on patients ("createdAt")')
    connection.execute("vacuum analyze patients")


@contextmanager
def _copied(of: Server, rows: int) -> Iterator[str]:
    name = "measured"
    with of.connect() as connection:
        connection.execute(f"create database {name} template rows_{rows} strategy file_copy")
        connection.execute("checkpoint")  # the writes of the copy must not count in the measurement
    yield name
    of.drop(name)


def moved(of: Server, rows: int) -> RunCost:
    """A re-encryption of this many rows in a separate process, from its first connection to its last pass."""
    with _copied(of, rows) as name:
        workers = str(default_processes())
        command = [sys.executable, "-m", "tools.bench.reencryption", of.dsn(name), workers]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
        return RunCost(**json.loads(done.stdout))


def updated(of: Server, rows: int) -> float:
    """Seconds of the database's own UPDATE of this many rows over one connection, with a commit for each batch."""
    with _copied(of, rows) as name:
        started = time.perf_counter()
        with psycopg.connect(of.dsn(name), autocommit=True) as connection:
            for start in range(0, rows, COMMIT):
                connection.execute(_UPDATE, (start, start + COMMIT))
        return time.perf_counter() - started


def written(of: Server, rows: int) -> float:
    """Seconds of the statements that write and compare ready records, over one connection, until all are on the disk.

    The records are those that `updated` writes.
    """
    with _copied(of, rows) as name:
        database = Database(of.dsn(name), read_only=True)
        table = _table(database)
        ready, after = [], None
        while batch := database.read(table, after=after, until=None, limit=BATCH):
            *others, last = batch.values
            records = [[text or "" for text in column] for column in (*others[1:], last, others[0])]
            ready += [batch_arguments(table, *part)[0] for part in transactions(batch, records)]
            after = batch.keys[-1]
        database.close()
        with closing(Database(of.dsn(name))) as database:
            database.query("select 1")
            started = time.perf_counter()
            for arguments in ready:
                [(count, equal)] = database.query(update_batch(table), *arguments)
                assert count == equal > 0
            database.flush(table)
            return time.perf_counter() - started


def by_hand(of: Server, rows: int) -> float:
    """Seconds of a careful script: a server-side cursor, executemany, one process, a commit for each batch."""
    unseal, seal = AESGCM(OLD).decrypt, AESGCM(NEW).encrypt
    names = [f'"{name}"' for name in COLUMNS]
    update = f"update patients set {', '.join(f'{name} = %s' for name in names)} where id = %s"

    def reencrypted(record: str) -> str:
        iv, tag, ciphertext = (b64decode(part) for part in record.split(":"))
        text = unseal(iv, ciphertext + tag, None)
        new_iv = urandom(16)
        sealed = seal(new_iv, text, None)
        return ":".join(b64encode(part).decode() for part in (new_iv, sealed[-16:], sealed[:-16]))

    with (
        _copied(of, rows) as database,
        psycopg.connect(of.dsn(database)) as reading,
        psycopg.connect(of.dsn(database)) as writing,
        reading.cursor(name="patients") as patients,
        writing.cursor() as cursor,
    ):
        started = time.perf_counter()
        patients.execute(f"select id, {', '.join(names)} from patients".encode())
        while some := patients.fetchmany(COMMIT):
            cursor.executemany(update.encode(), [(*map(reencrypted, row[1:]), row[0]) for row in some])
            writing.commit()
        return time.perf_counter() - started


def rows(rounds: int) -> Iterator[Measured]:
    """The rows of this part; the long ones have fewer rounds."""
    with server(FEW, SOME, MANY) as of:
        yield _script(of, min(rounds, 3))
        yield _statement(of, max(rounds, 5))
        yield from _growth(of, min(rounds, 3))


def _script(of: Server, rounds: int) -> Measured:
    ours, theirs = zip(*((moved(of, SOME).seconds, by_hand(of, SOME)) for _ in range(rounds)), strict=True)
    return compared(
        f"moving and proving {SOME:,} rows, times as fast as a careful script with psycopg",
        ours=ours,
        theirs=theirs,
        control=None,
        bound=Bound(at_least=3),
        unit="s",
        rates=True,
    )


def _statement(of: Server, rounds: int) -> Measured:
    def plain() -> float:
        return updated(of, SOME)

    ours, theirs, control = zip(*((written(of, SOME), plain(), plain()) for _ in range(rounds)), strict=True)
    return compared(
        f"the statements that write and compare {SOME:,} rows / UPDATE, one connection",
        ours=ours,
        theirs=theirs,
        control=control,
        bound=Bound(at_least=0.85),
        unit="s",
        rates=True,
    )


def _growth(of: Server, rounds: int) -> Iterator[Measured]:
    few = [moved(of, FEW) for _ in range(rounds)]
    many = [moved(of, MANY) for _ in range(rounds)]
    again = [moved(of, FEW) for _ in range(rounds)]
    figures: tuple[tuple[str, str, Callable[[RunCost, int], float], Bound], ...] = (
        ("time per row", "µs", lambda run, n: run.seconds / n * 1e6, Bound(at_most=1.25)),
        ("memory of the parent", "MiB", lambda run, _: run.parent_mib, Bound(at_most=1.1)),
        ("memory of a worker", "MiB", lambda run, _: run.worker_mib, Bound(at_most=1.1)),
    )
    for name, unit, figure, bound in figures:
        yield compared(
            f"{name}, {MANY:,} rows / {FEW:,} rows",
            ours=[figure(run, MANY) for run in many],
            theirs=[figure(run, FEW) for run in few],
            control=[figure(run, FEW) for run in again],
            bound=bound,
            unit=unit,
        )


def _table(database: Database) -> Table:
    return inspect(database, ColumnSelection(table="patients", columns=COLUMNS, key_column="id"), write=True)


def main(dsn: str, processes: int) -> None:
    """Re-encrypt the table, and print the cost."""
    database = Database(dsn, read_only=True)
    table = _table(database)
    database.close()
    run = reencrypt(dsn, table, old=[OLD], new=NEW, processes=processes, progress=Progress(io.StringIO()))
    assert run.complete and run.undecryptable == 0
    # The memory of the workers is known only after they have ended. Kibibytes on Linux, bytes on macOS.
    unit = 1024 if sys.platform != "darwin" else 1024 * 1024
    parent, worker = (
        resource.getrusage(of).ru_maxrss / unit for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    figures = {"seconds": run.seconds, "parent_mib": parent, "worker_mib": worker}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
