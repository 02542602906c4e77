"""A database with a table of patients: four of the application's PHI fields, and the decrypt_rows texts of each row.

Touches the database passed to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg

from eonpro_phi import PhiCipher
from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.inspection import inspect
from eonpro_phi.reencryption.models import ColumnSelection, RowCounts
from eonpro_phi.reencryption.reencryptor import RecordReencryptor
from eonpro_phi.reencryption.statements import Table
from eonpro_phi.reencryption.worker import Worker
from tests.phi.reencryption.postgres import Server

OLD, NEW, THIRD = (bytes([number]) * 32 for number in (1, 2, 3))
COLUMNS = ("firstName", "lastName", "email", "phone")
SELECTION = ColumnSelection(table="Patient", columns=COLUMNS, key_column="id")

CREATE_TABLE = """
create table "Patient" (
    id bigint primary key, clinic int not null, "createdAt" timestamptz not null default now(),
    "firstName" text, "lastName" text, email text, phone text
)
"""


def texts(number: int) -> tuple[str | None, str | None, str | None, str | None]:
    """The fields of a patient; every seventh has no telephone."""
    phone = None if number % 7 == 0 else f"+1 555 {number:07d}"
    return f"Jöhn {number}", f"Dœ-患者-{number}", f"patient.{number}@example.org", phone


def fill(connection: psycopg.Connection[Any], rows: int, *, first: int = 1, key: bytes = OLD) -> None:
    """Insert this many patients, encrypted with the key, in one transaction."""
    cipher = PhiCipher(key)
    numbers = range(first, first + rows)
    records = [cipher.encrypt_many(column) for column in zip(*map(texts, numbers), strict=True)]
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    with connection.cursor().copy(f'copy "Patient" (id, clinic, {columns}) from stdin') as copy:
        for number, *row in zip(numbers, *records, strict=True):
            copy.write_row((number, number % 97, *row))


@dataclass(frozen=True, kw_only=True)
class Patients:
    """A database with the table in it."""

    server: Server
    database: str

    @property
    def dsn(self) -> str:
        """Its connection string."""
        return self.server.dsn(self.database)

    @cached_property
    def connection(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection that stays open, in autocommit."""
        return self.server.connect(self.database)

    def run(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Run one statement; its rows, if it returns any."""
        cursor = self.connection.execute(statement, arguments or None)
        return cursor.fetchall() if cursor.description else []

    def fill(self, rows: int, *, first: int = 1, key: bytes = OLD) -> None:
        """Insert this many patients."""
        fill(self.connection, rows, first=first, key=key)

    def records(self, order: str = "id") -> list[tuple[Any, ...]]:
        """Key and records of all rows."""
        columns = ", ".join(f'"{name}"' for name in COLUMNS)
        return self.run(f'select id, {columns} from "Patient" order by {order}')

    def versions(self) -> list[tuple[Any, ...]]:
        """ctid and xmin of all rows: they change with any write."""
        return self.run('select id, ctid, xmin from "Patient" order by id')

    def rewritten(self) -> int:
        """How many rows were written again since the first transaction."""
        query = (
            'select count(*) from "Patient" where xmin <> (select min(xmin::text::bigint)::text::xid from "Patient")'
        )
        return int(self.run(query)[0][0])

    def table(self, selection: ColumnSelection = SELECTION) -> Table:
        """The table, inspected as at the start of a run."""
        database = Database(self.dsn, read_only=True)
        try:
            return inspect(database, selection, write=True)
        finally:
            database.close()

    def worker(
        self,
        *,
        size: int = 1000,
        table: Table | None = None,
        database: Database | None = None,
        write: bool = True,
        old: Sequence[bytes] = (OLD,),
        new: bytes = NEW,
    ) -> Worker:
        """A worker in this process, without pauses between attempts."""
        return Worker(
            database or Database(self.dsn),
            table or self.table(),
            RecordReencryptor(old=old, new=new),
            size=size,
            write=write,
            pause=lambda _: None,
        )


def run_pass(worker: Worker) -> RowCounts:
    """Process all rows with one worker, batch by batch."""
    total, after, more = RowCounts(), None, True

    def on_read(until: str | None) -> None:
        nonlocal after, more
        after, more = until, until is not None

    while more:
        total += worker.process(after, on_read)
    return total


def decrypt_rows(records: list[tuple[Any, ...]], key: bytes = NEW) -> Iterator[tuple[Any, ...]]:
    """Key and decrypt_rows texts of rows; raises DecryptionError for a record of another key."""
    keys, *columns = zip(*records, strict=True)
    cipher = PhiCipher(key)
    return zip(keys, *(cipher.decrypt_many(column) for column in columns), strict=True)


def expected(rows: int, *, first: int = 1) -> list[tuple[Any, ...]]:
    """What `decrypt_rows` must return for this many patients."""
    return [(number, *texts(number)) for number in range(first, first + rows)]
