"""`python -m eonpro_phi index`: read the keys from the environment, fill the search columns, print the result.

Touches the environment, KMS through `eonpro_phi.kms`, standard output and standard error, and what a run touches.
"""

import argparse
import hmac
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from eonpro_phi.cipher import PhiCipher
from eonpro_phi.environment import HASH_KEY, HASH_KEYS_FOR_READING, WrappedKeys
from eonpro_phi.hashes import derived_hash_key
from eonpro_phi.indexing.inspection import inspect
from eonpro_phi.indexing.models import IndexSelection, run_as_json, search_columns
from eonpro_phi.indexing.rows import IndexWorker, RowIndexer
from eonpro_phi.kms import KmsKeySource, data_keys
from eonpro_phi.reencryption.database import Database, reject_passwords
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.reencryption.inspection import places_of
from eonpro_phi.reencryption.models import RunResult
from eonpro_phi.reencryption.options import BATCH, PASSES
from eonpro_phi.reencryption.passes import default_processes
from eonpro_phi.reencryption.passes import run as run_passes
from eonpro_phi.reencryption.progress import Progress, example_rows, report, rows_written
from eonpro_phi.reencryption.relation import name_parts
from eonpro_phi.reencryption.statements import Table
from eonpro_phi.reencryption.worker import WorkerConfig

_COUNTS = "{new:,} current, {old:,} to be written, {empty:,} without, {foreign:,} of texts that no key decrypts, "
_COUNTS += "{no_record:,} not values of this index"


@dataclass(frozen=True, kw_only=True)
class IndexKeys:
    """The keys of a run; in memory only."""

    data_keys: tuple[bytes, ...] = field(repr=False)
    """Those that the records may be under."""
    hash_key: bytes = field(repr=False)
    fingerprint: str
    """Of the wrapped key that the search values are under, or are derived from."""
    is_derived: bool


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Run the command. Exit code 0: all done, 1: not all done, 2: usage error, 130: Ctrl-C, 143: SIGTERM."""
    return report("index", lambda: _index(options, environment), as_json=options.json)


def selection_of(options: argparse.Namespace) -> IndexSelection:
    """The search columns on the command line. Raises UsageError."""
    _, table = name_parts(options.table)
    exact = tuple(name.strip() for texts in options.exact for name in texts.split(",") if name.strip())
    columns = search_columns(table, exact, tuple(options.words), dict(options.places))
    named = [name for column in columns for name in (column.name, *column.sources)]
    return IndexSelection(
        table=options.table,
        key_column=options.key_column,
        columns=columns,
        clinic_column=options.clinic_column,
        places=places_of(options.places, named),
    )


def keys_from(environment: Mapping[str, str]) -> IndexKeys:
    """The keys of the application, unwrapped by KMS. Raises an UnwrapError, and UsageError for a hash key that is a
    data key.
    """
    keys = WrappedKeys.from_environment(environment)
    unwrapped = data_keys(keys)
    if not keys.hash_key:
        return IndexKeys(
            data_keys=unwrapped,
            hash_key=derived_hash_key(unwrapped[0]),
            fingerprint=keys.current.fingerprint,
            is_derived=True,
        )
    hash_key = KmsKeySource(keys.hash_key).data_key()
    if any(hmac.compare_digest(hash_key, key) for key in unwrapped):
        raise UsageError([f"{HASH_KEY} holds a data key: a hash key is another one"])
    return IndexKeys(data_keys=unwrapped, hash_key=hash_key, fingerprint=keys.hash_key.fingerprint, is_derived=False)


def _index(options: argparse.Namespace, environment: Mapping[str, str]) -> tuple[bool, dict[str, object], list[str]]:
    progress = Progress(sys.stderr)
    reject_passwords(options.dsn)
    selection, write = selection_of(options), not options.dry_run
    keys = keys_from(environment)
    database = Database(options.dsn, read_only=True)
    try:
        inspected = inspect(database, selection, write=write)
    finally:
        # Before the workers are forked: they must not share a connection.
        database.close()
    table = inspected.table
    if table.triggers and write:
        progress.say(f"For every row that is written, the database runs these triggers: {', '.join(table.triggers)}.")
    result = fill(
        options.dsn,
        table,
        selection,
        _indexer(keys, table.name, selection),
        dry_run=options.dry_run,
        processes=options.processes or default_processes(),
        batch=options.batch,
        passes=options.passes,
        progress=progress,
    )
    succeeded, lines = evaluate(result, allowed=options.allow_unreadable)
    if write and succeeded:
        lines += [f"There is no index for it yet: {statement}" for statement in inspected.missing_indexes]
        lines.append(_next_step(keys))
    return succeeded, {"hashKey": keys.fingerprint, **run_as_json(selection, result)}, lines


def fill(
    dsn: str,
    table: Table,
    selection: IndexSelection,
    indexer: RowIndexer,
    *,
    processes: int,
    batch: int = BATCH,
    passes: int = PASSES,
    dry_run: bool = False,
    progress: Progress,
) -> RunResult:
    """Write the search values of a table where they differ, in passes: see `eonpro_phi.reencryption.passes.run`."""

    def worker(database: Database, pause: Callable[[float], None]) -> IndexWorker:
        return IndexWorker(
            database, table, size=batch, write=not dry_run, pause=pause, selection=selection, indexer=indexer
        )

    return run_passes(
        WorkerConfig(dsn=dsn, write=not dry_run, worker=worker),
        table,
        work="indexing",
        processes=processes,
        passes=passes,
        progress=progress,
    )


def _indexer(keys: IndexKeys, table: str, selection: IndexSelection) -> RowIndexer:
    cipher = PhiCipher(keys.data_keys[0], reading_keys=keys.data_keys[1:])
    return RowIndexer(cipher, keys.hash_key, table=table, places=dict(selection.places))


def _next_step(keys: IndexKeys) -> str:
    if keys.is_derived:
        return (
            "Every search value is under the current key. It is derived from the data key: after each rotation of the "
            "data key run this command again, and only then remove the earlier key from the keys for reading."
        )
    return (
        "Every search value is under this hash key. Once every service writes with it, run this command once more; "
        f"then remove the earlier ones from {HASH_KEYS_FOR_READING}."
    )


def evaluate(result: RunResult, *, allowed: int) -> tuple[bool, list[str]]:
    """Whether the run succeeded, and the lines to print: counts, examples of rows, the next step."""
    last = result.passes[-1]
    lines = []
    for name, counts in last.columns.items():
        lines.append(f"{name}: " + _COUNTS.format(**vars(counts)))
        if counts.undecryptable:
            lines.append(example_rows(result.selection.key_column, counts))
    if any(counts.no_record for counts in last.columns.values()):
        lines.append(
            "A search column holds what is no value of its index, and was left unchanged. If it is of this index with "
            "other bits, set it to NULL first."
        )
    if not result.dry_run:
        lines.append(rows_written(result))
    tolerable = result.undecryptable <= allowed
    if not result.dry_run and not result.complete:
        lines.append(
            "The last pass still found rows to write. If the application writes texts without their search values, "
            "deploy the one that writes both. Then run the same command again."
        )
    if not tolerable:
        lines.append(
            f"Values that were left unchanged: {result.undecryptable:,}. Fix them, or accept them: "
            f"--allow-unreadable {result.undecryptable}"
        )
    if result.dry_run:
        lines.append("Nothing was written.")
    return tolerable and (result.dry_run or result.complete), lines
