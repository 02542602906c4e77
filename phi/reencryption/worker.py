"""A worker: reads a batch, transcribes it, writes it, in a process and over a connection of its own.

Touches the database, and the pipe to the parent. It is given the key to read after, tells the last key that it read
before it goes to work, so that another may read on meanwhile, and then what became of its batch.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from phi.reencryption.database import Database
from phi.reencryption.facts import Done
from phi.reencryption.refusals import Contended, DatabaseLost, ReencryptionError
from phi.reencryption.statements import Rows, Table
from phi.reencryption.transcription import Transcriber

READINGS = 5
"""How often a batch is read, at most, while other transactions keep changing its rows; then the next pass has it."""

RECONNECTIONS = (0.1, 0.5, 2.0, 5.0, 10.0)
"""Seconds between attempts to reach a database that was lost; a restart of PostgreSQL takes a few."""

# Words of the pipe. To a worker: (FROM, key or None), STOP. To the parent: READ, DONE, FAILED.
FROM, STOP, READ, DONE, FAILED = "from", "stop", "read", "done", "failed"


class Stopped(Exception):
    """The parent asked this worker to end, or is gone."""


class Worker:
    """Carries out one batch after another."""

    def __init__(
        self,
        database: Database,
        table: Table,
        transcriber: Transcriber,
        *,
        size: int,
        write: bool,
        pause: Callable[[float], None],
    ) -> None:
        self._database = database
        self._table = table
        self._transcriber = transcriber
        self._size = size
        self._write = write
        self._pause = pause

    def carry_out(self, after: str | None, told: Callable[[str | None], None]) -> Done:
        """The batch after a key; `told` gets its last key as soon as it is known, None where there is nothing more.

        Raises a ReencryptionError, with nothing of the batch half done.
        """
        rows = self._patiently(lambda: self._read(after, None))
        until = rows.keys[-1] if len(rows) == self._size else None
        told(until)
        first: Done | None = None
        written = again = left = 0
        for reading in range(READINGS):
            if reading:
                again += 1
                self._pause(0.05 * (reading - 1))
                rows = self._patiently(lambda: self._read(after, until))
            done, changed, records = self._transcribed(rows)
            first = first or done
            left = len(changed)
            if left:
                try:
                    found = self._database.write(self._table, changed, records)
                except (Contended, DatabaseLost):
                    # Rolled back; or committed, and nobody could say so: the next reading tells.
                    found = 0
                written += found
                left -= found
            if not left:
                break
        assert first is not None
        return replace(first, written=written, again=again, left=left)

    def _read(self, after: str | None, until: str | None) -> Rows:
        return self._database.read(self._table, after=after, until=until, limit=self._size)

    def _patiently(self, read: Callable[[], Rows]) -> Rows:
        for seconds in RECONNECTIONS:
            try:
                return read()
            except (Contended, DatabaseLost):
                self._pause(seconds)
        return read()

    def _transcribed(self, rows: Rows) -> tuple[Done, Rows, list[list[str]]]:
        """How the rows were found, and of those with records under an old key what is to be written."""
        columns = self._table.assignment.columns
        made = [self._transcriber.transcribe(each, rows.keys, write=self._write) for each in rows.values]
        done = Done(rows=len(rows), columns={name: each.tally for name, each in zip(columns, made, strict=False)})
        if not self._write or not any(each.tally.old for each in made):
            return done, Rows(keys=(), places=(), versions=(), values=()), []
        records = [each.records for each in made]
        some = [at for at, row in enumerate(zip(*records, strict=True)) if any(row)]
        if len(some) == len(rows):
            return done, rows, records
        keys, places, versions = ([column[at] for at in some] for column in (rows.keys, rows.places, rows.versions))
        changed = Rows(keys=keys, places=places, versions=versions, values=())
        return done, changed, [[column[at] for at in some] for column in records]


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What every worker of a crew is told before it starts."""

    dsn: str
    table: Table
    transcriber: Transcriber
    size: int
    """Rows of a batch."""
    write: bool


def work(orders: Orders, pipe: Connection, others: Sequence[Connection]) -> None:
    """The life of a worker's process: until STOP, or until the parent is gone."""
    # Ctrl-C reaches every process of a terminal; the parent alone decides what comes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:
        # With a copy left open here, nobody would see that the parent, or another worker, is gone.
        other.close()
    database = Database(orders.dsn, read_only=not orders.write)

    def pause(seconds: float) -> None:
        # While a batch is under way the parent has nothing else to say than STOP.
        if pipe.poll(seconds):
            raise Stopped

    worker = Worker(database, orders.table, orders.transcriber, size=orders.size, write=orders.write, pause=pause)
    try:
        while (asked := pipe.recv())[0] != STOP:
            pipe.send((DONE, worker.carry_out(asked[1], lambda until: pipe.send((READ, until)))))
    except ReencryptionError as error:
        pipe.send((FAILED, error))
    except (Stopped, EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        database.close()
