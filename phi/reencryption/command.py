"""`python -m phi reencrypt`: reads the keys from the environment, runs the re-encryption, prints the result.

Touches the environment, KMS through `phi.kms`, standard output and standard error, and what a run touches. Neither keys
nor wrapped keys are arguments: every user of a machine can see those.
"""

import argparse
import hmac
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from phi.environment import KEY_ID, REGION, WRAPPED, WrappedKey
from phi.errors import MalformedVariable, MissingVariable, PhiError
from phi.kms import KmsKeySource
from phi.reencryption import passes
from phi.reencryption.checkpoint import Checkpoint, CheckpointScope
from phi.reencryption.database import Database, reject_passwords
from phi.reencryption.errors import ReencryptionError, UsageError
from phi.reencryption.inspection import inspect
from phi.reencryption.models import MAX_LISTED_ROWS, ColumnSelection, RunResult
from phi.reencryption.progress import Progress, duration, printable


@dataclass(frozen=True, kw_only=True)
class DataKeys:
    """The data keys of a run; in memory only."""

    old: tuple[bytes, ...] = field(repr=False)
    new: bytes = field(repr=False)
    new_fingerprint: str
    """Fingerprint of the wrapped new key."""


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Run the command. Exit code 0: all done, 1: not all done, 2: usage error, 130: Ctrl-C, 143: SIGTERM."""
    progress = Progress(sys.stderr)
    try:
        result = _reencrypt(options, environment, progress)
    except PhiError as error:
        progress.end()
        hint = error.hint if isinstance(error, ReencryptionError) else ""
        code = error.exit_code if isinstance(error, ReencryptionError) else 1
        problems = error.problems if isinstance(error, UsageError) else (str(error),)
        for problem in problems:
            print(printable(f"phi reencrypt: {problem}"), file=sys.stderr)
        if hint:
            print(printable(hint), file=sys.stderr)
        if options.json:
            document = {"cause": type(error).__name__, "message": str(error), "hint": hint, "problems": list(problems)}
            print(json.dumps({"complete": False, **document}))
        return code
    except KeyboardInterrupt:
        # While workers run, the worker pool handles the signal; this is before or after.
        progress.end()
        print("phi reencrypt: interrupted; no batch was in progress", file=sys.stderr)
        return 130
    succeeded, lines = evaluate(result, allowed=options.allow_unreadable)
    if options.json:
        print(json.dumps({**result.as_json(), "succeeded": succeeded, "message": " ".join(lines)}))
    for line in lines:
        print(printable(line), file=sys.stderr if options.json else sys.stdout)
    return 0 if succeeded else 1


def _reencrypt(options: argparse.Namespace, environment: Mapping[str, str], progress: Progress) -> RunResult:
    reject_passwords(options.dsn)
    selection = ColumnSelection(
        table=options.table,
        columns=tuple(name for name in (name.strip() for name in options.columns.split(",")) if name),
        key_column=options.key_column,
    )
    keys = keys_from(environment, old=tuple(options.old or (WRAPPED,)), new=options.new)
    database = Database(options.dsn, read_only=True)
    try:
        table = inspect(database, selection, write=not options.dry_run)
    finally:
        # Before the workers are forked: they must not share a connection.
        database.close()
    if table.triggers and not options.dry_run:
        progress.say(f"For every row that is written, the database runs these triggers: {', '.join(table.triggers)}.")
    return passes.reencrypt(
        options.dsn,
        table,
        old=keys.old,
        new=keys.new,
        processes=options.processes or passes.default_processes(),
        batch=options.batch,
        passes=options.passes,
        dry_run=options.dry_run,
        checkpoint=Checkpoint(options.checkpoint, CheckpointScope(selection=selection, to=keys.new_fingerprint)),
        progress=progress,
    )


def keys_from(environment: Mapping[str, str], *, old: Sequence[str], new: str) -> DataKeys:
    """The keys in these variables, unwrapped by KMS.

    Raises UsageError for variables that are missing, malformed or hold the same key, and an UnwrapError where KMS
    returns no key.
    """
    wrapped: dict[str, WrappedKey] = {}
    problems: dict[str, None] = {}
    for name in (*old, new):
        values = {REGION: environment.get(REGION), KEY_ID: environment.get(KEY_ID), WRAPPED: environment.get(name)}
        try:
            wrapped[name] = WrappedKey.from_environment({variable: text for variable, text in values.items() if text})
        except (MissingVariable, MalformedVariable) as error:
            problems |= dict.fromkeys(str(error).replace(WRAPPED, name).removesuffix(".").split("; "))
    if problems:
        raise UsageError(
            tuple(problems), "`python -m wizard rotate --data-key` prints where the wrapped keys are stored."
        )
    keys = {name: KmsKeySource(key).data_key() for name, key in wrapped.items()}
    same = [name for name in old if name == new or hmac.compare_digest(keys[name], keys[new])]
    if same:
        raise UsageError([f"{same[0]} and {new} hold the same data key: there is nothing to re-encrypt"])
    old_keys = tuple(keys[name] for name in dict.fromkeys(old))
    return DataKeys(old=old_keys, new=keys[new], new_fingerprint=wrapped[new].fingerprint)


def evaluate(result: RunResult, *, allowed: int) -> tuple[bool, list[str]]:
    """Whether the run succeeded, and the lines to print: counts, examples of rows, the next step."""
    last = result.passes[-1]
    lines = []
    for name, counts in last.columns.items():
        lines.append(
            f"{name}: {counts.new:,} under the new key, {counts.old:,} under the old key, {counts.empty:,} empty, "
            f"{counts.foreign:,} under neither key, {counts.no_record:,} not records"
        )
        if counts.undecryptable:
            unlisted = counts.undecryptable - len(counts.example_rows)
            more = f" and {unlisted:,} more" if unlisted > 0 else ""
            rows = f"  {result.selection.key_column}: {', '.join(counts.example_rows)}{more}"
            lines.append(rows[: 200 * MAX_LISTED_ROWS])
    if not result.dry_run:
        written = sum(counts.written for counts in result.passes)
        lines.append(
            f"Rows written: {written:,}; read: {last.rows:,}; passes: {len(result.passes)}; "
            f"time: {duration(result.seconds)}"
        )
    tolerable = result.undecryptable <= allowed
    if not result.dry_run and last.remaining:
        lines.append(
            f"Rows that were not written: {last.remaining:,}. Other transactions kept locking or changing them, or a "
            "trigger discards what is written."
        )
    if not result.dry_run and not result.complete:
        lines.append(
            "The last pass still found records under the old key. If the application still writes with the old key, "
            "change it to the new one, or stop it. Then run the same command again."
        )
    if not tolerable:
        lines.append(
            f"Values that neither key decrypts, left unchanged: {result.undecryptable:,}. Check whether a third key "
            f"was in use (--from may be repeated), fix them, or accept them: --allow-unreadable {result.undecryptable}"
        )
    if result.dry_run:
        lines.append("Nothing was written.")
    elif result.complete and tolerable:
        lines.append("No record of these columns needs the old key.")
    return tolerable and (result.dry_run or result.complete), lines
