"""A worker: reads a batch, re-encrypts it and writes it, in a process and over a connection of its own.

Touches the database, and the pipe to the parent. It gets the key to read after; it sends back the last key of its batch
as soon as it has read it, so that another worker can read on, and the counts when the batch is finished.
"""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from multiprocessing.connection import Connection
from typing import ClassVar, TypeVar

from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.errors import ConnectionLost, LockConflict, ReencryptionError
from eonpro_phi.reencryption.hashing import HashCarrier
from eonpro_phi.reencryption.json_fields import texts_of_array, texts_of_fields
from eonpro_phi.reencryption.models import (
    MAX_LISTED_ROWS,
    REMOVED,
    UNCHANGED,
    BatchEnd,
    BatchProof,
    ColumnCounts,
    ReencryptedColumn,
    RowCounts,
)
from eonpro_phi.reencryption.reencryptor import RecordReencryptor
from eonpro_phi.reencryption.statements import Rows, Table

MAX_READS = 5
"""Most reads of a batch while other transactions keep changing its rows; the next pass has the rest."""

RETRY_DELAYS = (0.1, 0.5, 2.0, 5.0, 10.0)
"""Seconds between attempts to reach a database that was lost; a restart of PostgreSQL takes a few seconds."""

TRANSACTIONS = 4
"""Transactions of a batch, each with every fourth row. The first frees a part of each page; the new rows of the others
fit there (HOT), so three of four touch no index, and the table grows by a third instead of its own size."""

BATCH_BYTES = 16 * 2**20
"""About how many bytes of documents a batch has, at most; one row can have more."""

_SMALL = 100
"""Rows of a batch that is one transaction: they share few pages."""

Records = Sequence[Sequence[str]]
"""The new values, column by column: see ReencryptedColumn."""

WrittenPart = tuple[Sequence[str], str]
"""The keys of rows that one transaction wrote, and the version that they have now."""

_T = TypeVar("_T")

# Messages of the pipe. To a worker: (START, key or None, BatchEnd), STOP. To the parent: LAST_KEY, FINISHED, FAILED.
START, STOP, LAST_KEY, FINISHED, FAILED = "start", "stop", "last key", "finished", "failed"


NOT_BEFORE = BatchEnd(until=None)
"""The batch was not read in the pass before, as one."""


class Stopped(Exception):
    """The parent asked this worker to end, or has ended itself."""


@dataclass(frozen=True)
class BatchWorker(ABC):
    """Processes one batch after another."""

    _database: Database
    _table: Table
    size: int = field(kw_only=True)
    write: bool = field(kw_only=True)
    pause: Callable[[float], None] = field(kw_only=True)
    proves_by_versions: ClassVar[bool] = False
    """Whether a pass reads only the versions of rows that the pass before wrote or checked: the database compared what
    it stored then. Otherwise every pass reads and tries every value."""

    def process(
        self, after: str | None, on_read: Callable[[str | None], None], before: BatchEnd = NOT_BEFORE
    ) -> RowCounts:
        """The batch after a key; `on_read` gets its last key as soon as it is known, None where it is the last batch.

        `before`: the end of the batch after that key in the pass before, where it is known; this one goes no further.
        With its proof, and no row written since, nothing else is read. Raises a ReencryptionError; every row is then
        written or unchanged.
        """
        end, proof = before.until, before.proof
        if proof and with_retries(lambda: self._holds(proof, after, end), self.pause):
            on_read(end)
            return replace(proof.counts, proof=proof)
        if end is None and self._table.documents:
            end = with_retries(lambda: self._end_of_documents(after), self.pause)
        rows = with_retries(lambda: self._read(after, end), self.pause)
        # Rows that came meanwhile may keep others from this batch: those belong to the next one.
        until = rows.keys[-1] if len(rows) == self.size else end
        on_read(until)
        first: RowCounts | None = None
        written = rereads = remaining = 0
        proven: BatchProof | None = None
        for attempt in range(MAX_READS):
            if attempt:
                rereads += 1
                self.pause(0.05 * (attempt - 1))
                rows = with_retries(lambda: self._read(after, until), self.pause)
            counts, changed, records = self._reencrypt(rows)
            first = first or counts
            parts: list[WrittenPart] = []
            remaining = len(changed)
            if remaining:
                updated, parts = _write(self._database, self._table, changed, records)
                written += updated
                remaining -= updated
            if not remaining:
                # A trigger may have changed what the values were made of, in the same transaction.
                if self.proves_by_versions and not self._table.triggers:
                    proven = _proof(rows, counts, records, parts)
                break
        assert first is not None
        return replace(first, written=written, rereads=rereads, remaining=remaining, proof=proven)

    def _holds(self, proof: BatchProof, after: str | None, until: str | None) -> bool:
        """Whether the rows of a batch are those of its proof, and none was written since."""
        limit = proof.counts.rows + 1
        return proof.versions == _digest(*self._database.versions(self._table, after=after, until=until, limit=limit))

    def _read(self, after: str | None, until: str | None) -> Rows:
        return self._database.read(self._table, after=after, until=until, limit=self.size)

    def _end_of_documents(self, after: str | None) -> str | None:
        """The key up to which a batch goes, so that its documents fit into memory; None where all rows do."""
        sizes = self._database.sizes(self._table, after=after, limit=self.size)
        total = 0
        for number, (key, size) in enumerate(sizes, 1):
            total += size
            if total >= BATCH_BYTES and number < len(sizes):
                return key
        return None

    @abstractmethod
    def columns(self, rows: Rows) -> dict[str, ReencryptedColumn]:
        """The written columns of a batch, in the order of the selection."""

    def _reencrypt(self, rows: Rows) -> tuple[RowCounts, Rows, list[list[str]]]:
        """The counts of the rows, and of those with records under an old key the rows and records to write."""
        columns = self.columns(rows)
        counts = RowCounts(rows=len(rows), columns={name: column.counts for name, column in columns.items()})
        if not self.write or not any(column.counts.old for column in columns.values()):
            return counts, Rows(keys=(), versions=(), values=()), []
        records = [column.records for column in columns.values()]
        changed = [at for at, row in enumerate(zip(*records, strict=True)) if any(row)]
        if len(changed) == len(rows):
            return counts, rows, records
        keys, versions = ([part[at] for at in changed] for part in (rows.keys, rows.versions))
        changed_rows = Rows(keys=keys, versions=versions, values=())
        return counts, changed_rows, [[column[at] for at in changed] for column in records]


@dataclass(frozen=True)
class Worker(BatchWorker):
    """Re-encrypts batches."""

    _reencryptor: RecordReencryptor
    _hashes: HashCarrier | None = None

    def columns(self, rows: Rows) -> dict[str, ReencryptedColumn]:
        """The records and hashes of a batch."""
        selection = self._table.selection
        stored = dict(zip(selection.names, rows.values, strict=True))
        columns = {
            name: self._of_tenants(name, values, rows)
            if selection.tenant_column
            else self._column(self._reencryptor, name, values, rows.keys)
            for name, values in zip(selection.columns, rows.values, strict=False)
        }
        for column in selection.hashes:
            assert self._hashes is not None
            texts = columns[column.source].texts
            columns[column.name] = self._hashes.carry(column.field, texts, stored[column.name], rows.keys)
        return columns

    def _column(
        self, reencryptor: RecordReencryptor, name: str, values: Sequence[str | None], keys: Sequence[str]
    ) -> ReencryptedColumn:
        selection = self._table.selection
        for json_column in selection.json_columns:
            if json_column.name == name:
                find = partial(texts_of_fields, fields=frozenset(json_column.fields))
                return reencryptor.encrypt_inside(values, keys, find, write=self.write)
        where = selection.binding(self._table.name, name)
        documents = {column.name: column for column in self._table.documents}
        if name in documents and documents[name].is_array and reencryptor.is_first:
            return reencryptor.encrypt_inside(values, keys, texts_of_array, write=self.write)
        if name in documents and documents[name].is_bytes:
            return reencryptor.reencrypt_bytes(values, keys, where, write=self.write)
        return reencryptor.reencrypt(
            values,
            keys,
            write=self.write,
            texts=name in {column.source for column in selection.hashes},
            documents=name in documents,
            where=where,
        )

    def _of_tenants(self, name: str, values: Sequence[str | None], rows: Rows) -> ReencryptedColumn:
        """A column whose rows have the keys of their tenants. The values of a row without a tenant stay."""
        by_tenant: dict[str, list[int]] = {}
        for at, tenant in enumerate(rows.tenants):
            by_tenant.setdefault(tenant or "", []).append(at)
        nobody = [at for at in by_tenant.pop("", []) if values[at]]
        keys = tuple(rows.keys[at] for at in nobody[:MAX_LISTED_ROWS])
        columns = [
            (
                numbers,
                self._column(
                    self._reencryptor.of_tenant(tenant),
                    name,
                    [values[at] for at in numbers],
                    [rows.keys[at] for at in numbers],
                ),
            )
            for tenant, numbers in by_tenant.items()
        ]
        left = ReencryptedColumn(
            records=[UNCHANGED] * len(nobody), counts=ColumnCounts(without_tenant=len(nobody), example_rows=keys)
        )
        return ReencryptedColumn.merged(len(values), [*columns, (nobody, left)])


def transactions(rows: Rows, records: Records) -> Iterator[tuple[Rows, Records]]:
    """The rows and records of each transaction of a batch."""
    step = TRANSACTIONS if len(rows) >= _SMALL else 1
    for part in (slice(start, None, step) for start in range(step)):
        some = Rows(keys=rows.keys[part], versions=rows.versions[part], values=())
        yield some, [column[part] for column in records]


def _digest(keys: Sequence[str], versions: Sequence[str]) -> bytes:
    return blake2b(repr((tuple(keys), tuple(versions))).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _proof(rows: Rows, counts: RowCounts, records: Records, parts: Sequence[WrittenPart]) -> BatchProof:
    """The proof that a batch is right: `parts` are its rows that got these records."""
    columns, written = {}, {key: version for keys, version in parts for key in keys}
    for at, (name, column) in enumerate(counts.columns.items()):
        removed = records[at].count(REMOVED) if records else 0
        columns[name] = replace(column, new=column.new + column.old - removed, empty=column.empty + removed, old=0)
    versions = [written.get(key, version) for key, version in zip(rows.keys, rows.versions, strict=True)]
    return BatchProof(versions=_digest(rows.keys, versions), counts=replace(counts, columns=columns))


def _write(database: Database, table: Table, rows: Rows, records: Records) -> tuple[int, list[WrittenPart]]:
    """Write the records of a batch, in TRANSACTIONS; how many rows were written, and the parts, if all were.

    Raises WriteMismatch; the transactions before it are committed.
    """
    written = 0
    parts: list[WrittenPart] = []
    for some_rows, some_records in transactions(rows, records):
        try:
            updated, version = database.write(table, some_rows, some_records)
            written += updated
            parts.append((some_rows.keys, version))
        except (LockConflict, ConnectionLost):
            # Rolled back, or committed without an answer: the next read shows which.
            continue
    return written, parts


def with_retries(attempt: Callable[[], _T], pause: Callable[[float], None]) -> _T:
    """The result of an attempt; it is repeated while the database is lost or a lock is not free, then it raises."""
    for seconds in RETRY_DELAYS:
        try:
            return attempt()
        except (LockConflict, ConnectionLost):
            pause(seconds)
    return attempt()


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """The arguments that every worker of a pool gets before it starts."""

    dsn: str
    write: bool
    worker: Callable[[Database, Callable[[float], None]], BatchWorker]
    """Makes the worker, in its process, of a connection and of the function for its pauses."""


def run_worker(config: WorkerConfig, pipe: Connection, others: Sequence[Connection]) -> None:
    """The worker process: until STOP, or until the parent has ended."""
    # Ctrl-C reaches every process of a terminal; only the parent reacts to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for connection in others:
        # With an open copy here, nobody would notice the end of the parent or of another worker.
        connection.close()
    database = Database(config.dsn, read_only=not config.write)

    def pause(seconds: float) -> None:
        # During a batch the parent sends nothing but STOP.
        if pipe.poll(seconds):
            raise Stopped

    worker = config.worker(database, pause)
    try:
        while (message := pipe.recv())[0] != STOP:
            pipe.send((FINISHED, worker.process(message[1], lambda until: pipe.send((LAST_KEY, until)), message[2])))
    except ReencryptionError as error:
        pipe.send((FAILED, error))
    except (Stopped, EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        database.close()
