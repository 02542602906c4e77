"""`python -m phi scan`: which text columns of a database hold records, under which key, and which PHI in the clear.

Touches PostgreSQL, read only, KMS through `phi.kms`, standard output and standard error. It reads a sample of each
table, and prints counts and names: never a value.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from psycopg import sql

from phi.batches import PHI_FIELDS
from phi.cipher import PhiCipher
from phi.environment import WrappedKey, WrappedKeys
from phi.errors import DecryptionError, PhiError
from phi.hashes import IS_HASH
from phi.kms import KmsKeySource
from phi.record import looks_like_a_record
from phi.reencryption.database import Database, reject_passwords
from phi.reencryption.errors import ReencryptionError, UsageError
from phi.reencryption.progress import printable, report_failure

_COLUMNS = """
select n.nspname, c.relname,
       case when c.relkind = 'p' then -1 else c.reltuples end::bigint, a.attname, coalesce(b.typname, y.typname),
       has_column_privilege(c.oid, a.attnum, 'SELECT') and has_schema_privilege(n.oid, 'USAGE')
         and not row_security_active(c.oid)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  join pg_type y on y.oid = a.atttypid left join pg_type b on b.oid = y.typbasetype
 where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
   and coalesce(b.typname, y.typname) in ('text', 'varchar', 'bpchar', 'citext', 'json', 'jsonb', '_text', '_varchar')
 order by n.nspname, c.relname, a.attnum
"""

_PATTERNS = {
    "e-mail addresses": re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"),
    "telephone numbers": re.compile(
        r"(?<![\w+])\+[0-9][0-9 .()-]{8,16}[0-9](?![0-9])|\([0-9]{3}\) ?[0-9]{3}[ .-][0-9]{4}(?![0-9])"
        r"|(?<![0-9.-])[0-9]{3}[ .-][0-9]{3}[ .-][0-9]{4}(?![0-9])"
    ),
    "social security numbers": re.compile(r"(?<![0-9-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9-])"),
}
_FIELDS = frozenset(name.lower() for name in PHI_FIELDS if name != "state") | frozenset(
    "middlename fullname patientname dateofbirth birthdate birthday phonenumber mobile address street postalcode "
    "zipcode ssn socialsecuritynumber mrn medicalrecordnumber diagnosis allergies medications searchindex".split()
)
"""Names of columns whose texts are PHI, in lower case and without underscores. `state` is too often a status."""

_JSON_FIELD = re.compile(r'"(\w+)"\s*:\s*"((?:[^"\\]|\\.)+)"')
_SHORTEST = 4
"""Characters of a text that is looked for in the other columns of its row: shorter ones are there by chance."""


@dataclass(kw_only=True)
class ScannedColumn:
    """The values of a column, counted."""

    name: str
    keys: Counter[str] = field(default_factory=Counter)
    """Records, by the fingerprint of the wrapped key that decrypts them."""
    unreadable: int = 0
    """Values that look like a record, and that no key of this run decrypts."""
    hashes: int = 0
    plain: int = 0
    """Other texts."""
    phi: Counter[str] = field(default_factory=Counter)
    """Plain texts that look like PHI, by what they look like; one text can be counted more than once."""
    is_accepted: bool = False
    """Whether the person says that it holds no PHI."""

    @property
    def state(self) -> str:
        """`clear` (PHI in the clear, beside records or not), `unreadable`, `records`, or `other`."""
        if self.phi and not self.is_accepted:
            return "clear"
        if self.unreadable:
            return "unreadable"
        return "records" if self.keys else "other"

    def as_json(self) -> dict[str, object]:
        return {
            "column": self.name,
            "state": self.state,
            "underKeys": dict(self.keys),
            "underNoKey": self.unreadable,
            "hashes": self.hashes,
            "inTheClear": self.plain,
            "looksLike": dict(self.phi),
            "accepted": self.is_accepted,
        }


@dataclass(kw_only=True)
class ScannedTable:
    """A table, and the rows of it that were read."""

    name: str
    """With its schema."""
    rows: int
    """An estimate of the statistics, or counted where there are none."""
    columns: tuple[ScannedColumn, ...]
    sampled: int = 0
    problem: str | None = None
    """Why it could not be read."""

    def as_json(self) -> dict[str, object]:
        return {
            "table": self.name,
            "rows": self.rows,
            "rowsRead": self.sampled,
            "problem": self.problem,
            "columns": [column.as_json() for column in self.columns],
        }


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Scan the database. Exit code 0: nothing in the clear, 1: something is, or was not read, 2: usage error."""
    try:
        reject_passwords(options.dsn)
        ciphers = _ciphers(environment)
        accepted = frozenset(name.strip() for name in options.no_phi.split(",") if name.strip())
        database = Database(options.dsn, read_only=True)
        try:
            tables = _tables(database, accepted)
            for number, table in enumerate(tables, 1):
                if sys.stderr.isatty():
                    print(printable(f"{number} of {len(tables)}: {table.name}"), file=sys.stderr)
                _scan(database, table, ciphers, rows=options.rows)
        finally:
            database.close()
    except PhiError as error:
        return report_failure(error, "scan", as_json=options.json)
    except KeyboardInterrupt:
        print("phi scan: interrupted; it only reads", file=sys.stderr)
        return 130
    current = next(iter(ciphers))
    succeeded, lines = evaluate(tables, current=current)
    if options.json:
        document = {
            "command": "scan",
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "keys": list(ciphers),
            "complete": not any(table.problem for table in tables),
            "succeeded": succeeded,
            "tables": [table.as_json() for table in tables],
        }
        print(json.dumps(document))
    for line in lines:
        print(printable(line), file=sys.stderr if options.json else sys.stdout)
    return 0 if succeeded else 1


def _ciphers(environment: Mapping[str, str]) -> dict[str, PhiCipher]:
    """A cipher for each key of the environment, by the fingerprint of its wrapping; the current key first."""
    keys = WrappedKeys.from_environment(environment)
    wrapped: Iterable[WrappedKey] = (keys.current[0], *(replicas[0] for replicas in keys.reading_keys))
    return {key.fingerprint: PhiCipher(KmsKeySource(key).data_key()) for key in wrapped}


def _tables(database: Database, accepted: frozenset[str]) -> list[ScannedTable]:
    """Every table with text columns. Raises UsageError for an accepted column that does not exist."""
    columns: dict[tuple[str, str], list[ScannedColumn]] = {}
    estimates: dict[tuple[str, str], int] = {}
    hidden: set[tuple[str, str]] = set()
    names: set[str] = set()
    for schema, table, rows, column, _, readable in database.query(_COLUMNS):
        spellings = {f"{table}.{column}", f"{schema}.{table}.{column}"}
        names |= spellings
        columns.setdefault((schema, table), []).append(
            ScannedColumn(name=column, is_accepted=bool(spellings & accepted))
        )
        estimates[schema, table] = rows
        if not readable:
            hidden.add((schema, table))
    if unknown := sorted(accepted - names):
        raise UsageError([f"--no-phi {name}: there is no such text column" for name in unknown])
    return [
        ScannedTable(
            name=".".join(key),
            rows=estimates[key],
            columns=tuple(found),
            problem="this role cannot read all of its text columns and rows" if key in hidden else None,
        )
        for key, found in columns.items()
    ]


def _scan(database: Database, table: ScannedTable, ciphers: Mapping[str, PhiCipher], *, rows: int) -> None:
    if table.problem:
        return
    schema, _, name = table.name.partition(".")
    # Blocks of the whole table, and not its first rows: those are the oldest patients, stored before or after a change.
    every = sql.SQL("select {} from {}").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column.name)) for column in table.columns),
        sql.Identifier(schema, name),
    )
    first = sql.SQL("{} limit {}").format(every, sql.Literal(rows)) if rows else every
    try:
        if table.rows < 0:
            count = sql.SQL("select count(*) from {}").format(sql.Identifier(schema, name))
            [(table.rows,)] = database.stream(count)
        share = min(100.0, 100.0 * rows / table.rows) if rows and table.rows else 100.0
        sample = sql.SQL("{} tablesample system ({}) limit {}").format(every, sql.Literal(share), sql.Literal(4 * rows))
        # A small sample of blocks may have none.
        for statement in (sample, first) if share < 100 else (first,):
            for row in database.stream(statement):
                table.sampled += 1
                _count(table.columns, row, ciphers)
            if table.sampled:
                break
    except ReencryptionError as error:
        table.problem = str(error)


def _count(columns: Sequence[ScannedColumn], row: Sequence[str | None], ciphers: Mapping[str, PhiCipher]) -> None:
    """One row. Its plain texts are also compared with the texts of its records: a copy in the clear undoes those."""
    plain: list[tuple[ScannedColumn, str]] = []
    texts: list[str] = []
    for column, value in zip(columns, row, strict=True):
        if not value:
            continue
        if IS_HASH(value):
            column.hashes += 1
        elif not looks_like_a_record(value):
            column.plain += 1
            plain.append((column, value))
        elif opened := _open(value, ciphers):
            column.keys[opened[0]] += 1
            texts.append(opened[1].casefold())
        else:
            column.unreadable += 1
    wanted = [text for text in texts if len(text) >= _SHORTEST]
    digits = [number for text in texts if len(number := _digits(text)) >= 7]
    for column, value in plain:
        column.phi.update(_reasons(column.name, value))
        folded = value.casefold()
        if any(text in folded for text in wanted) or (digits and any(each in _digits(value) for each in digits)):
            column.phi["texts of the row's records"] += 1


def _open(value: str, ciphers: Mapping[str, PhiCipher]) -> tuple[str, str] | None:
    for fingerprint, cipher in ciphers.items():
        try:
            if text := cipher.decrypt(value):
                return fingerprint, text
        except DecryptionError:
            # A record of version 2 that is bound to its place: its key id says whose it is.
            if cipher.holds(value):
                return fingerprint, ""
    return None


def _reasons(column: str, value: str) -> list[str]:
    reasons = [what for what, pattern in _PATTERNS.items() if pattern.search(value)]
    fields = {name for name, text in _JSON_FIELD.findall(value) if not looks_like_a_record(text)}
    if any(_is_field(name) for name in (column, *fields)):
        reasons.append("a field of that name")
    return reasons


def _is_field(name: str) -> bool:
    return name.lower().replace("_", "") in _FIELDS


def _digits(text: str) -> str:
    return "".join(character for character in text if character in "0123456789")


def evaluate(tables: Sequence[ScannedTable], *, current: str) -> tuple[bool, list[str]]:
    """Whether all PHI that was seen is under the `current` key, and the lines to print."""
    lines, clear, others, unreadable = [], [], Counter[str](), 0
    for table in tables:
        for column in table.columns:
            if not (column.keys or column.unreadable or column.hashes or column.phi):
                continue
            name = f"{table.name}.{column.name}"
            counts = [f"{count:,} records under {key}" for key, count in column.keys.items()]
            counts += [f"{column.unreadable:,} under no key of this run"] if column.unreadable else []
            counts += [f"{column.hashes:,} hashes"] if column.hashes else []
            counts += [f"{column.plain:,} in the clear"] if column.plain else []
            why = f" (like PHI: {', '.join(column.phi)})" if column.phi else ""
            lines.append(f"{name}: {', '.join(counts)}{why}{', accepted' if column.is_accepted else ''}")
            clear += [name] if column.state == "clear" else []
            others.update(column.keys)
            unreadable += column.unreadable
        if table.problem:
            lines.append(f"{table.name} was not read: {table.problem}")
    read = sum(table.sampled for table in tables)
    lines.append(f"{read:,} rows of {len(tables):,} tables read; a sample can miss a value, --rows 0 reads them all.")
    del others[current]
    if clear:
        lines.append(
            f"In the clear: {', '.join(clear)}. Encrypt them (python -m phi encrypt), or remove the copy; for a column "
            "that holds no PHI: --no-phi TABLE.COLUMN"
        )
    if others:
        lines.append("Records under another key than the current one: python -m phi reencrypt.")
    if unreadable:
        lines.append(
            "Records that no key of this run decrypts: name a former key in ENCRYPTED_PHI_KEYS_FOR_READING, and find "
            "out which key they are under before it is lost."
        )
    failed = clear or others or unreadable or any(table.problem for table in tables)
    return not failed, lines
