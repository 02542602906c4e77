"""`python -m eonpro_phi reencrypt` and `encrypt`: read the keys from the environment, run, print the result.

Touches the environment, KMS through `eonpro_phi.kms`, standard output and standard error, and what a run touches.
Neither keys nor wrapped keys are arguments: every user of a machine can see those.
"""

import argparse
import hmac
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from eonpro_phi.binding import reads_of
from eonpro_phi.environment import CHECK_VALUE, HASH_KEY, KEY_ID, REGION, WRAPPED, WrappedKey
from eonpro_phi.errors import MalformedVariable, MissingVariable
from eonpro_phi.hashes import NORMALISATIONS
from eonpro_phi.kms import KmsKeySource
from eonpro_phi.reencryption import passes
from eonpro_phi.reencryption.database import Database, reject_passwords
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.reencryption.hashing import HashCarrier
from eonpro_phi.reencryption.inspection import inspect, places_of
from eonpro_phi.reencryption.models import ColumnSelection, HashColumn, JsonColumn, RunResult
from eonpro_phi.reencryption.progress import Progress, example_rows, report, rows_written

_COUNTED = ("new", "old", "empty", "foreign", "no_record")
_RECORDS = "{new:,} under the new key, {old:,} under the old key, {empty:,} empty, {foreign:,} under neither key, "
_RECORDS += "{no_record:,} not records"
_TEXTS = "{new:,} encrypted, {old:,} in the clear, {empty:,} empty, {foreign:,} under another key"
_HASHES = "{new:,} under the new hash key, {old:,} to be written, {empty:,} without, {foreign:,} not of the row's "
_HASHES += "text, {no_record:,} not hashes"
_DONE = "No record of these columns needs the old key."


@dataclass(frozen=True, kw_only=True)
class DataKeys:
    """The data keys of a run; in memory only."""

    old: tuple[bytes, ...] = field(repr=False)
    new: bytes = field(repr=False)
    new_fingerprint: str
    """Fingerprint of the wrapped new key."""
    hash_key: bytes | None = field(repr=False, default=None)
    """The application's own hash key; None where it derives one from the data key."""
    hash_fingerprint: str | None = None
    """Fingerprint of the wrapped hash key."""


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Run the command. Exit code 0: all done, 1: not all done, 2: usage error, 130: Ctrl-C, 143: SIGTERM."""

    def work() -> tuple[bool, dict[str, object], list[str]]:
        result, keys = _reencrypt(options, environment)
        succeeded, lines = evaluate(result, allowed=options.allow_unreadable)
        return succeeded, {**keys, **result.as_json()}, lines

    return report(options.command, work, as_json=options.json)


def _reencrypt(options: argparse.Namespace, environment: Mapping[str, str]) -> tuple[RunResult, dict[str, str | None]]:
    """The result, and the fingerprints of the keys for JSON."""
    progress = Progress(sys.stderr)
    reject_passwords(options.dsn)
    selection = ColumnSelection(
        table=options.table,
        columns=_names(options.columns),
        key_column=options.key_column,
        hashes=tuple(_hash_column(text) for text in _names(options.hash_columns)),
        json_columns=tuple(_json_column(text) for texts in options.json_fields for text in _names(texts)),
        tenant_column=options.tenant_column,
        bind=options.bind,
        reads=reads_of(options.reads),
        places=places_of(options.places, _names(options.columns)),
    )
    if selection.reads and not (selection.bind or selection.tenant_column):
        raise UsageError(["--reads says what --bind or --tenant-column move, and there is neither"])
    first_time = options.command == "encrypt"
    old = () if first_time else tuple(options.old or (WRAPPED,))
    keys = keys_from(
        environment,
        old=old,
        new=options.new,
        hashes=bool(selection.hashes),
        same_key=bool(selection.tenant_column or selection.bind),
    )
    database = Database(options.dsn, read_only=True)
    try:
        table = inspect(
            database,
            selection,
            write=not options.dry_run,
            first_time=first_time,
            hash_columns_named=options.no_hash_columns,
        )
    finally:
        # Before the workers are forked: they must not share a connection.
        database.close()
    if table.triggers and not options.dry_run:
        progress.say(f"For every row that is written, the database runs these triggers: {', '.join(table.triggers)}.")
    for index in table.indexes if first_time else ():
        progress.say(f"The index {index} will find nothing by a text: equal texts become different records.")
    result = passes.reencrypt(
        options.dsn,
        table,
        old=keys.old,
        new=keys.new,
        hashes=HashCarrier(
            data_keys=(*keys.old, keys.new),
            hash_key=keys.hash_key,
            fill=first_time,
            replace=options.replace_hashes,
        ),
        processes=options.processes or passes.default_processes(),
        batch=options.batch,
        passes=options.passes,
        dry_run=options.dry_run,
        progress=progress,
        first_time=first_time,
    )
    if not environment.get(HASH_KEY) and not first_time:
        result = replace(result, search_columns=table.search_columns)
    return result, {"to": keys.new_fingerprint, "hashKey": keys.hash_fingerprint}


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (name.strip() for name in text.split(",")) if name)


def _hash_column(text: str) -> HashColumn:
    """Parse one COLUMN:HASH[:FIELD]. Raises UsageError."""
    parts = text.split(":")
    field = (parts[2] if len(parts) > 2 else parts[0]).casefold()
    if len(parts) not in (2, 3) or not all(parts) or field not in NORMALISATIONS:
        raise UsageError(
            [f"--hash-columns {text}: expected COLUMN:HASH, or COLUMN:HASH:FIELD with {' or '.join(NORMALISATIONS)}"]
        )
    return HashColumn(source=parts[0], name=parts[1], field=field)


def _json_column(text: str) -> JsonColumn:
    """Parse one COLUMN:FIELD+FIELD. Raises UsageError."""
    column, _, fields = text.partition(":")
    names = tuple(name for name in fields.split("+") if name)
    if not column or not names:
        raise UsageError([f"--json-fields {text}: expected COLUMN:FIELD+FIELD, or COLUMN:* for every text"])
    return JsonColumn(name=column, fields=names)


def keys_from(
    environment: Mapping[str, str], *, old: Sequence[str], new: str, hashes: bool = False, same_key: bool = False
) -> DataKeys:
    """The keys in these variables, unwrapped by KMS; with `hashes` the hash key too, where the variable is set.

    Raises UsageError for variables that are missing or malformed, or hold the same key and may not (`same_key`),
    and an UnwrapError where KMS returns no key.
    """
    wrapped: dict[str, WrappedKey] = {}
    problems: dict[str, None] = {}
    hash_key = (HASH_KEY,) if hashes and environment.get(HASH_KEY) else ()
    for name in (*old, new, *hash_key):
        values = {REGION: environment.get(REGION), KEY_ID: environment.get(KEY_ID), WRAPPED: environment.get(name)}
        values[WRAPPED + CHECK_VALUE] = environment.get(name + CHECK_VALUE)
        try:
            wrapped[name] = WrappedKey.from_environment({variable: text for variable, text in values.items() if text})
        except (MissingVariable, MalformedVariable) as error:
            problems |= dict.fromkeys(str(error).replace(WRAPPED, name).removesuffix(".").split("; "))
    if problems:
        raise UsageError(tuple(problems), "`eonpro-kms rotate --data-key` prints where the wrapped keys are stored.")
    keys = {name: KmsKeySource(key).data_key() for name, key in wrapped.items()}
    same = [name for name in old if name == new or hmac.compare_digest(keys[name], keys[new])]
    if same and not same_key:
        raise UsageError([f"{same[0]} and {new} hold the same data key: there is nothing to re-encrypt"])
    if hash_key and any(hmac.compare_digest(keys[name], keys[HASH_KEY]) for name in (*old, new)):
        raise UsageError([f"{HASH_KEY} holds a data key: a hash key is another one"])
    return DataKeys(
        old=tuple(keys[name] for name in dict.fromkeys(old)),
        new=keys[new],
        new_fingerprint=wrapped[new].fingerprint,
        hash_key=keys.get(HASH_KEY),
        hash_fingerprint=wrapped[HASH_KEY].fingerprint if hash_key else None,
    )


def evaluate(result: RunResult, *, allowed: int) -> tuple[bool, list[str]]:
    """Whether the run succeeded, and the lines to print: counts, examples of rows, the next step."""
    last = result.passes[-1]
    hashes = {column.name for column in result.selection.hashes}
    lines = []
    for name, counts in last.columns.items():
        words = _HASHES if name in hashes else _TEXTS if result.first_time else _RECORDS
        lines.append(f"{name}: " + words.format(**{field: getattr(counts, field) for field in _COUNTED}))
        if result.first_time and counts.no_record and name not in hashes:
            lines[-1] += f", {counts.no_record:,} that no record can replace (numbers, records inside a text, no JSON)"
        if counts.elsewhere:
            lines[-1] += f", {counts.elsewhere:,} not bound as this run reads"
        if counts.without_tenant:
            lines[-1] += f", {counts.without_tenant:,} in rows without a tenant"
        if counts.documents or counts.without_records:
            lines[-1] += f"; {counts.documents:,} values with records inside, {counts.without_records:,} without"
        if counts.undecryptable:
            lines.append(example_rows(result.selection.key_column, counts))
    if not result.dry_run:
        lines.append(rows_written(result))
    tolerable = result.undecryptable <= allowed
    if not result.dry_run and last.remaining:
        lines.append(
            f"Rows that were not written: {last.remaining:,}. Other transactions kept locking or changing them, or a "
            "trigger discards what is written."
        )
    if not result.dry_run and not result.complete:
        lines.append(
            "The last pass still found plain texts or missing hashes. If the application still writes them, deploy the "
            "one that encrypts. Then run the same command again."
            if result.first_time
            else "The last pass still found records under the old key. If the application still writes with the old "
            "key, change it to the new one, or stop it. Then run the same command again."
        )
    if any(counts.foreign for name, counts in last.columns.items() if name in hashes):
        lines.append(
            "Hashes that are not of their row's text, left unchanged: they match nothing. To replace them, and to "
            "write those that are missing: --replace-hashes"
        )
    if any(counts.elsewhere for counts in last.columns.values()):
        lines.append(
            "Records that are not bound as this run reads, left unchanged: of another form (--reads names that which a "
            "table is moved from), or of another row or column. If that was renamed: --place COLUMN=FORMER.NAME. "
            "Else somebody has put them there: restore those rows from a backup."
        )
    if nobody := sum(counts.without_tenant for counts in last.columns.values()):
        lines.append(f"{nobody:,} values of rows without a tenant: set {result.selection.tenant_column} first.")
    if not tolerable:
        lines.append(
            f"Values that this run does not read, left unchanged: {result.undecryptable:,}. "
            + ("" if result.first_time else "Check whether a third key was in use (--from may be repeated), fix them, ")
            + ("Fix them, " if result.first_time else "")
            + f"or accept them: --allow-unreadable {result.undecryptable}"
        )
    if result.dry_run:
        lines.append("Nothing was written.")
    elif result.complete and tolerable:
        done = "Every text of these columns is encrypted." if result.first_time else _DONE
        lines.append(done)
        if result.search_columns:
            lines.append(
                f"{', '.join(result.search_columns)}: if `phi index` fills it, its values are still under the earlier "
                "key. Keep that as a key for reading, promote the new one, and run `phi index` for it again."
            )
    return tolerable and (result.dry_run or result.complete), lines
