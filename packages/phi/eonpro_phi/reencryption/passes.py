"""The passes of a re-encryption: over the whole table, until one finds nothing that needs an old key.

Touches what the worker pool touches. Every pass reads all rows, tries each record with the new key and
re-encrypts those of an old key. So the last pass is the proof, and each covers what was written since the one before.
Workers that prove by versions (`BatchWorker.proves_by_versions`) read of the rows that were not written since nothing
else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import count

from eonpro_phi.reencryption.database import Database
from eonpro_phi.reencryption.hashing import HashCarrier
from eonpro_phi.reencryption.models import BatchEnd, RowCounts, RunResult
from eonpro_phi.reencryption.options import BATCH, PASSES
from eonpro_phi.reencryption.progress import Progress
from eonpro_phi.reencryption.reencryptor import RecordReencryptor
from eonpro_phi.reencryption.statements import Table
from eonpro_phi.reencryption.worker import Worker, WorkerConfig, with_retries
from eonpro_phi.reencryption.worker_pool import WorkerPool


def default_processes() -> int:
    """Number of workers: one for each core of this process, and one more for the time in which others wait for the
    disk.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + 1


def reencrypt(
    dsn: str,
    table: Table,
    *,
    old: Sequence[bytes],
    new: bytes,
    hashes: HashCarrier | None = None,
    processes: int,
    batch: int = BATCH,
    passes: int = PASSES,
    dry_run: bool = False,
    progress: Progress,
    first_time: bool = False,
) -> RunResult:
    """Re-encrypt every record from the old keys to the new one, or the `first_time` every plain text: see `run`."""
    reencryptor = RecordReencryptor(old=old, new=new)

    def worker(database: Database, pause: Callable[[float], None]) -> Worker:
        return Worker(database, table, reencryptor, hashes, size=batch, write=not dry_run, pause=pause)

    result = run(
        WorkerConfig(dsn=dsn, write=not dry_run, worker=worker),
        table,
        work="encrypting" if first_time else "re-encrypting",
        processes=processes,
        passes=passes,
        progress=progress,
    )
    return replace(result, first_time=first_time)


def run(
    config: WorkerConfig,
    table: Table,
    *,
    work: str,
    processes: int,
    passes: int,
    progress: Progress,
) -> RunResult:
    """Run passes over the table until one finds nothing to write; one that does not write reads once.

    Raises a ReencryptionError, after which the same call continues: every row is either written or unchanged.
    """
    started = time.monotonic()
    dry_run = not config.write
    results: list[RowCounts] = []
    expected = table.rows
    database = Database(config.dsn)
    with closing(database), WorkerPool(config, processes=processes) as pool:
        before: list[BatchEnd] = []
        session = with_retries(database.session, time.sleep)
        for number in count(1):
            progress.begin("reading" if dry_run else work if number == 1 else f"verifying ({number - 1})", expected)
            counts = pool.run_pass(progress.add, before)
            if counts.written:
                # Commits do not wait for the disk: without this, a crash of the server after the pass that proves them
                # could take them back.
                with_retries(lambda: database.flush(table), time.sleep)
            results.append(counts)
            # A crash of the server could give the number of a commit that it lost to another transaction: the versions
            # of rows prove something only without one.
            session_before, session = session, with_retries(database.session, time.sleep)
            proves = session == session_before
            is_proven = proves or not before
            if is_proven and (counts.complete or number >= (1 if dry_run else passes)):
                break
            before = pool.ends if proves and any(end.proof for end in pool.ends) else []
            expected = counts.rows
    return RunResult(
        selection=table.selection,
        passes=tuple(results),
        dry_run=dry_run,
        seconds=time.monotonic() - started,
    )
