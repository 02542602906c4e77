"""Re-encryption of a table beside the database's own UPDATE of the same rows, and how both time and memory grow.

Touches a PostgreSQL server of its own in a temporary folder, with the settings that PostgreSQL comes with: what is
committed is on the disk.

The table is a clinic's: key, clinic, two times, and four of the application's PHI fields (firstName, lastName, email,
phone: records of 58 to 86 characters), with a primary key and two more indexes. The database's own UPDATE puts each of
the four columns' records into another one: as many octets written, to the same rows, and not one of them made, sent or
looked at. It comes from as many connections, in the same batches, each committed.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from phi import PhiCipher
from phi.reencryption.database import Database
from phi.reencryption.inspection import inspect
from phi.reencryption.models import ColumnSelection
from phi.reencryption.options import BATCH
from phi.reencryption.passes import default_processes, reencrypt
from phi.reencryption.progress import Progress
from tests.phi.reencryption.postgres import Server, running
from tools.bench import results
from tools.bench.rows import Bound, Measured, compared
from tools.bootstrap.places import PROJECT

FEW, SOME, MANY = 10_000, 100_000, 1_000_000
"""Rows."""

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
COLUMNS = ("firstName", "lastName", "email", "phone")

_MAKE = """
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
class Moved:
    """What a re-encryption took: seconds, those of its first pass, and MiB of the parent and of the largest worker."""

    seconds: float
    first_pass: float
    parent_mib: float
    worker_mib: float


@contextmanager
def server() -> Iterator[Server]:
    """PostgreSQL as it comes, with a database for each size, to be copied."""
    with running() as made:
        for rows in (FEW, SOME, MANY):
            with made.connect() as connection:
                connection.execute(f"create database rows_{rows}")
            with made.connect(f"rows_{rows}") as connection:
                _fill(connection, rows)
        yield made


def _fill(connection: psycopg.Connection[tuple[object, ...]], rows: int) -> None:
    cipher = PhiCipher(OLD)
    connection.execute(_MAKE)
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
        connection.execute("checkpoint")  # what was written for the copy is not to be paid for by what is measured
    yield name
    of.drop(name)


def moved(of: Server, rows: int, *, processes: int | None = None) -> Moved:
    """A re-encryption of so many rows, in a process of its own, from its first connection to its proof."""
    with _copied(of, rows) as name:
        command = [
            sys.executable,
            "-m",
            "tools.bench.reencryption",
            of.dsn(name),
            str(processes or default_processes()),
        ]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
        return Moved(**json.loads(done.stdout))


def updated(of: Server, rows: int, *, connections: int, batch: int = BATCH) -> float:
    """Seconds of the database's own UPDATE of so many rows, by so many connections, a commit for each batch."""
    starts = iter(range(0, rows, batch))
    hand_out = threading.Lock()

    def work(dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            while True:
                with hand_out:
                    start = next(starts, None)
                if start is None:
                    return
                connection.execute(_UPDATE, (start, start + batch))

    with _copied(of, rows) as name:
        threads = [threading.Thread(target=work, args=(of.dsn(name),)) for _ in range(connections)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - started


def rows(rounds: int) -> Iterator[Measured]:
    """The rows of this part; the long ones in fewer rounds."""
    processes = default_processes()
    with server() as of:
        plain = [
            (f"{processes} connections, a commit per {BATCH:,} rows", lambda n: updated(of, n, connections=processes)),
            (f"one connection, a commit per {BATCH:,} rows", lambda n: updated(of, n, connections=1)),
            ("one statement", lambda n: updated(of, n, connections=1, batch=n)),
        ]
        yield from _rates(of, SOME, max(rounds, 5), plain[:1], bound=Bound(at_least=0.8))
        yield from _rates(of, MANY, min(rounds, 3), plain, bound=Bound())
        yield from _growth(of, min(rounds, 3))


def _rates(
    of: Server, number: int, rounds: int, plain: list[tuple[str, Callable[[int], float]]], *, bound: Bound
) -> Iterator[Measured]:
    ours: list[Moved] = []
    theirs: list[list[float]] = [[] for _ in plain]
    control: list[float] = []
    for _ in range(rounds):
        ours.append(moved(of, number))
        for each, (_, update) in zip(theirs, plain, strict=True):
            each.append(update(number))
        control.append(plain[0][1](number))
    for (name, _), each in zip(plain, theirs, strict=True):
        own = each is theirs[0]
        for what, seconds in (
            ("moving", [each.first_pass for each in ours]),
            ("moving and proving", [each.seconds for each in ours]),
        ):
            yield compared(
                f"{what} {number:,} rows / UPDATE, {name}",
                ours=seconds,
                theirs=each,
                control=control if own else None,
                bound=bound if own and what == "moving" else Bound(),
                unit="s",
                rates=True,
            )


def _growth(of: Server, rounds: int) -> Iterator[Measured]:
    few = [moved(of, FEW) for _ in range(rounds)]
    many = [moved(of, MANY) for _ in range(rounds)]
    again = [moved(of, FEW) for _ in range(rounds)]
    figures: tuple[tuple[str, str, Callable[[Moved, int], float], Bound], ...] = (
        ("time per row", "µs", lambda each, n: each.seconds / n * 1e6, Bound(at_most=1.25)),
        ("memory of the parent", "MiB", lambda each, _: each.parent_mib, Bound(at_most=1.1)),
        ("memory of a worker", "MiB", lambda each, _: each.worker_mib, Bound(at_most=1.1)),
    )
    for name, unit, figure, bound in figures:
        yield compared(
            f"{name}, {MANY:,} rows / {FEW:,} rows",
            ours=[figure(each, MANY) for each in many],
            theirs=[figure(each, FEW) for each in few],
            control=[figure(each, FEW) for each in again],
            bound=bound,
            unit=unit,
        )


def versions() -> Mapping[str, str]:
    """What the ratios may depend on."""
    with running() as made, made.connect() as connection:
        (number,) = connection.execute("show server_version").fetchone() or ("",)
    return {"PostgreSQL": str(number).partition(" ")[0]} | results.versions("psycopg", "cryptography", "pybase64")


def main(dsn: str, processes: int) -> None:
    """Re-encrypt the table, and tell what it took."""
    looking = Database(dsn, read_only=True)
    table = inspect(looking, ColumnSelection(table="patients", columns=COLUMNS, key_column="id"), write=True)
    looking.close()
    run = reencrypt(dsn, table, old=[OLD], new=NEW, processes=processes, progress=Progress(io.StringIO()))
    assert run.complete and run.undecryptable == 0
    parent, worker = run.peak_mib
    told = {"seconds": run.seconds, "first_pass": run.pass_seconds[0], "parent_mib": parent, "worker_mib": worker}
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
