"""`python -m eonpro_phi migrate`: read the keys from the environment, compare or fill, print where the move stands.

Touches the environment, KMS through `eonpro_phi.kms`, standard output and standard error, and what a run touches.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping

from eonpro_phi.cipher import PhiCipher
from eonpro_phi.environment import WrappedKeys
from eonpro_phi.kms import data_keys
from eonpro_phi.migration.rows import MigrationWorker
from eonpro_phi.record import quoted
from eonpro_phi.reencryption.column_types import Contents
from eonpro_phi.reencryption.database import Database, reject_passwords
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.reencryption.inspection import key_problems, places_of
from eonpro_phi.reencryption.models import ColumnCounts, ColumnSelection, RunResult
from eonpro_phi.reencryption.passes import default_processes
from eonpro_phi.reencryption.passes import run as run_passes
from eonpro_phi.reencryption.progress import Progress, example_rows, report, rows_written
from eonpro_phi.reencryption.relation import Relation, find_relation
from eonpro_phi.reencryption.statements import Table
from eonpro_phi.reencryption.worker import WorkerConfig

_COUNTS = "{old:,} plain only, {new:,} both and equal, {without_records:,} both and different, "
_COUNTS += "{documents:,} encrypted only, {empty:,} empty, {undecryptable:,} that no key decrypts or without a tenant"


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Run the command. Exit code 0: filled, or safe to drop; 1: not yet, 2: usage error, 130: Ctrl-C, 143: SIGTERM."""

    def work() -> tuple[bool, dict[str, object], list[str]]:
        succeeded, lines = evaluate(*_run(options, environment), options)
        return succeeded, {}, lines

    return report(f"migrate {options.step}", work)


def _run(options: argparse.Namespace, environment: Mapping[str, str]) -> tuple[RunResult, Relation]:
    reject_passwords(options.dsn)
    write = options.step == "fill" and not options.dry_run
    keys = WrappedKeys.from_environment(environment)
    current, *reading_keys = data_keys(keys)
    cipher = PhiCipher(current, reading_keys=reading_keys)
    selection = _selection(options)
    database = Database(options.dsn, read_only=True)
    try:
        relation = find_relation(database, options.table)
        table = inspected(relation, selection, write=write)
    finally:
        # Before the workers are forked: they must not share a connection.
        database.close()

    def worker(database: Database, pause: Callable[[float], None]) -> MigrationWorker:
        return MigrationWorker(
            database,
            table,
            size=options.batch,
            write=write,
            pause=pause,
            cipher=cipher,
            plain_wins=options.plain_wins,
        )

    result = run_passes(
        WorkerConfig(dsn=options.dsn, write=write, worker=worker),
        table,
        work="filling",
        processes=options.processes or default_processes(),
        passes=options.passes,
        progress=Progress(sys.stderr),
    )
    return result, relation


def _selection(options: argparse.Namespace) -> ColumnSelection:
    pairs = [text.strip().split(":") for text in options.columns.split(",") if text.strip()]
    names = [name for pair in pairs for name in pair]
    if not pairs or any(len(pair) != 2 for pair in pairs) or not all(names) or len(set(names)) < len(names):
        raise UsageError([f"--columns {options.columns}: expected PLAIN:ENCRYPTED, each column once"])
    return ColumnSelection(
        table=options.table,
        columns=tuple(encrypted for _, encrypted in pairs),
        sources=tuple(plain for plain, _ in pairs),
        key_column=options.key_column,
        tenant_column=options.tenant_column,
        bind=options.bind,
        places=places_of(options.places, names),
    )


def inspected(relation: Relation, selection: ColumnSelection, *, write: bool) -> Table:
    """The table, ready for a run. Raises UsageError with all problems, and the SQL for a column that is missing."""
    missing = [name for name in selection.columns if name not in relation.columns]
    problems = [*relation.problems, *key_problems(selection, relation)]
    for name in (*selection.read_names, *([selection.tenant_column] if selection.tenant_column else [])):
        problems += relation.access_problems(name, is_written=name in selection.columns, write=write)
        if name not in relation.columns:
            continue
        _, type_name, _, _, length, *_ = relation.columns[name]
        if name != selection.tenant_column and relation.contents(name) is not Contents.TEXT:
            problems.append(f"{name} is {type_name}; this command moves text and varchar")
        if name in selection.columns and length is not None:
            problems.append(f"{name} is {type_name}; records need text")
    if problems:
        added = ", ".join(f"add column {quoted(name)} text" for name in missing)
        hint = f"Add what is missing: alter table {relation.quoted} {added};" if missing else "Nothing was written."
        raise UsageError(problems, hint)
    return relation.table(selection, documents=())


def evaluate(result: RunResult, relation: Relation, options: argparse.Namespace) -> tuple[bool, list[str]]:
    """Whether the step is done, and the lines to print: counts, examples of rows, the next step."""
    last = result.passes[-1]
    is_fill = options.step == "fill"
    lines = []
    for plain, name in zip(result.selection.sources, result.selection.columns, strict=True):
        counts = last.columns[name]
        lines.append(f"{plain} and {name}: " + _COUNTS.format(**vars(counts), undecryptable=counts.undecryptable))
        if counts.example_rows:
            lines.append(example_rows(result.selection.key_column, counts))
    if needed := [name for name in result.selection.sources if relation.columns[name][3]]:
        changes = ", ".join(f"alter column {quoted(name)} drop not null" for name in needed)
        lines.append(f"An encrypted column has NULL where there is no text: alter table {relation.quoted} {changes};")
    total = sum(last.columns.values(), ColumnCounts())
    if is_fill and not result.dry_run:
        lines.append(rows_written(result))
    if total.undecryptable > options.allow_unreadable:
        lines.append(
            "These values are left as they are: name the missing key for reading in ENCRYPTED_PHI_KEYS_FOR_READING, "
            f"set the tenant, fix them, or accept them: --allow-unreadable {total.undecryptable}"
        )
        return False, lines
    if total.old or last.remaining:
        lines.append(f"Next: {_again('fill', options)}")
        return False, lines
    if total.without_records:
        lines.append(
            "Where both differ, an instance that knows the plain column only has written it after its record, or "
            "something has changed the record alone. Once every instance writes both, and if the plain texts are the "
            f"newer ones: {_again('fill', options, '--plain-wins')}"
        )
        return False, lines
    lines += _next_steps(relation, result.selection, is_switched=not total.new)
    return True, lines


def _next_steps(relation: Relation, selection: ColumnSelection, *, is_switched: bool) -> Iterator[str]:
    if not is_switched:
        yield (
            "Every text has its record. Switch the application to the encrypted columns (PlainColumn: switched=True). "
            "Once every instance is switched, run this command again, then drop the plain columns:"
        )
    else:
        yield "No plain text is left. Drop the columns:"
    for plain, name in zip(selection.sources, selection.columns, strict=True):
        yield f"  {drop_statement(relation, plain, name)}"
    yield "Backups, replicas and the write-ahead log keep the plain texts until they expire."


def drop_statement(relation: Relation, plain: str, encrypted: str) -> str:
    """The statement that drops a plain column, unless a row has its text there only."""
    table = relation.quoted
    return (
        f"do $$ begin lock table {table} in access exclusive mode; "
        f"if exists (select from {table} where {quoted(plain)} <> '' and {quoted(encrypted)} is null) then "
        "raise exception 'a row has no record: run phi migrate fill'; end if; "
        f"alter table {table} drop column {quoted(plain)}; end $$;"
    )


def _again(step: str, options: argparse.Namespace, *more: str) -> str:
    words = ["--table", options.table, "--columns", options.columns, "--key-column", options.key_column]
    words += ["--tenant-column", options.tenant_column] if options.tenant_column else []
    words += ["--bind", options.bind] if options.bind else []
    words += [word for column, name in options.places for word in ("--place", f"{column}={name}")]
    dsn = options.dsn or "postgresql://HOST/DATABASE"
    return f"python -P -m eonpro_phi migrate {step} {shlex.join(['--dsn', dsn, *words, *more])}"
