"""A clinic's table of patients, four of the application's PHI fields in it, and what each row has to say in plain text.

Touches the database that it is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg

from phi import PhiCipher
from phi.reencryption.database import Database
from phi.reencryption.inspection import inspect
from phi.reencryption.models import ColumnSelection, Done
from phi.reencryption.reencryptor import RecordReencryptor
from phi.reencryption.statements import Table
from phi.reencryption.worker import Worker
from tests.phi.reencryption.postgres import Server

OLD, NEW, THIRD = (bytes([number]) * 32 for number in (1, 2, 3))
COLUMNS = ("firstName", "lastName", "email", "phone")
SELECTION = ColumnSelection(table="Patient", columns=COLUMNS, key_column="id")

MAKE = """
create table "Patient" (
    id bigint primary key, clinic int not null, "createdAt" timestamptz not null default now(),
    "firstName" text, "lastName" text, email varchar(300), phone text
)
"""


def texts(number: int) -> tuple[str | None, str | None, str | None, str | None]:
    """A patient's fields: every seventh has no telephone."""
    phone = None if number % 7 == 0 else f"+1 555 {number:07d}"
    return f"Jöhn {number}", f"Dœ-患者-{number}", f"patient.{number}@example.org", phone


def fill(connection: psycopg.Connection[Any], rows: int, *, first: int = 1, key: bytes = OLD) -> None:
    """So many patients, their records under the key, all written by one transaction."""
    cipher = PhiCipher(key)
    numbers = range(first, first + rows)
    records = [cipher.encrypt_many(column) for column in zip(*map(texts, numbers), strict=True)]
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    with connection.cursor().copy(f'copy "Patient" (id, clinic, {columns}) from stdin') as copy:
        for number, *row in zip(numbers, *records, strict=True):
            copy.write_row((number, number % 97, *row))


@dataclass(frozen=True, kw_only=True)
class Clinic:
    """A database with the table in it."""

    server: Server
    database: str

    @property
    def dsn(self) -> str:
        """How to reach it."""
        return self.server.dsn(self.database)

    @cached_property
    def connection(self) -> psycopg.Connection[tuple[Any, ...]]:
        """One that stays; what it does is committed at once."""
        return self.server.connect(self.database)

    def run(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """One statement, committed; its rows, where it has any."""
        done = self.connection.execute(statement, arguments or None)
        return done.fetchall() if done.description else []

    def fill(self, rows: int, *, first: int = 1, key: bytes = OLD) -> None:
        """So many patients."""
        fill(self.connection, rows, first=first, key=key)

    def records(self, order: str = "id") -> list[tuple[Any, ...]]:
        """Key and records of all rows."""
        columns = ", ".join(f'"{name}"' for name in COLUMNS)
        return self.run(f'select id, {columns} from "Patient" order by {order}')

    def versions(self) -> list[tuple[Any, ...]]:
        """Place and transaction of all rows: other ones after any write, whatever was written."""
        return self.run('select id, ctid, xmin from "Patient" order by id')

    def moved(self) -> int:
        """How many rows another transaction than the first one's wrote last."""
        query = (
            'select count(*) from "Patient" where xmin <> (select min(xmin::text::bigint)::text::xid from "Patient")'
        )
        return int(self.run(query)[0][0])

    def table(self, assignment: ColumnSelection = SELECTION) -> Table:
        """The table, as a run looks at it first."""
        database = Database(self.dsn, read_only=True)
        try:
            return inspect(database, assignment, write=True)
        finally:
            database.close()

    def worker(
        self, *, size: int = 1000, table: Table | None = None, database: Database | None = None, write: bool = True
    ) -> Worker:
        """A worker in this process, who does not rest between two attempts."""
        return Worker(
            database or Database(self.dsn),
            table or self.table(),
            RecordReencryptor(old=[OLD], new=NEW),
            size=size,
            write=write,
            pause=lambda _: None,
        )


def sweep(worker: Worker) -> Done:
    """One worker over all rows, batch by batch."""
    total, after, more = Done(), None, True

    def told(until: str | None) -> None:
        nonlocal after, more
        after, more = until, until is not None

    while more:
        total += worker.carry_out(after, told)
    return total


def plain(records: list[tuple[Any, ...]], key: bytes = NEW) -> Iterator[tuple[Any, ...]]:
    """Key and plain texts of rows; raises DecryptionError for a record under any other key."""
    keys, *columns = zip(*records, strict=True)
    cipher = PhiCipher(key)
    return zip(keys, *(cipher.decrypt_many(column) for column in columns), strict=True)


def expected(rows: int, *, first: int = 1) -> list[tuple[Any, ...]]:
    """What `plain` has to give for as many patients."""
    return [(number, *texts(number)) for number in range(first, first + rows)]
