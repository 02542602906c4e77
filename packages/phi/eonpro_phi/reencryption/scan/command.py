"""Runs `python -m eonpro_phi scan`: reads the keys from the environment and the database, prints the result.

Touches PostgreSQL, read only, KMS through `eonpro_phi.kms`, standard output and standard error.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from eonpro_phi.cipher import PhiCipher
from eonpro_phi.declarations import Declaration, notices, read
from eonpro_phi.environment import WrappedKeys
from eonpro_phi.errors import PhiError
from eonpro_phi.kms import KmsKeySource
from eonpro_phi.reencryption.database import Database, reject_passwords
from eonpro_phi.reencryption.errors import UsageError
from eonpro_phi.reencryption.progress import printable, report_failure
from eonpro_phi.reencryption.scan.admin_log import compare_admin_log
from eonpro_phi.reencryption.scan.catalog import other_databases, read_tables
from eonpro_phi.reencryption.scan.contents import scan_table
from eonpro_phi.reencryption.scan.verdict import evaluate


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Scan the database. Exit code 0: all read and in order, 1: something is not, 2: usage error."""
    accepted = _names(options.accept_column)
    try:
        reject_passwords(options.dsn)
        declared = _declared(options.models)
        ciphers = _ciphers(environment)
        database = Database(options.dsn, read_only=True)
        try:
            tables = read_tables(
                database,
                no_phi=_names([options.no_phi]),
                accepted=accepted,
                tenants=_names(options.tenant_column),
                declared=declared,
            )
            others = other_databases(database)
            for number, table in enumerate(tables, 1):
                if sys.stderr.isatty():
                    print(printable(f"{number} of {len(tables)}: {table.name}"), file=sys.stderr)
                scan_table(database, table, ciphers, rows=options.rows)
            compare_admin_log(database, tables, ciphers, rows=options.rows)
        finally:
            database.close()
    except PhiError as error:
        return report_failure(error, "scan", as_json=options.json)
    except KeyboardInterrupt:
        print("phi scan: interrupted; it only reads", file=sys.stderr)
        return 130
    verdict = evaluate(
        tables, current=next(iter(ciphers)), every_row=not options.rows, dsn=options.dsn, program=_program()
    )
    lines = [*verdict.lines, *notices(declared)]
    if others:
        lines.append(f"Other databases of this server were not read: {', '.join(others)}.")
    if options.json:
        document = {
            "command": "scan",
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "keys": list(ciphers),
            "complete": not verdict.not_looked_into,
            "everyRow": not options.rows,
            "succeeded": verdict.succeeded,
            "notLookedInto": [{"column": name, "why": why} for name, why in verdict.not_looked_into],
            "acceptedColumns": sorted(accepted),
            "tenantColumns": sorted(_names(options.tenant_column)),
            "otherDatabases": list(others),
            "tables": [table.as_json() for table in tables],
        }
        print(json.dumps(document))
    for line in lines:
        print(printable(line), file=sys.stderr if options.json else sys.stdout)
    return 0 if verdict.succeeded else 1


def _ciphers(environment: Mapping[str, str]) -> dict[str, PhiCipher]:
    """A cipher for each key of the environment, by the fingerprint of its wrapping; the current key first."""
    keys = WrappedKeys.from_environment(environment)
    return {key.fingerprint: PhiCipher(KmsKeySource(key).data_key()) for key in (keys.current, *keys.reading_keys)}


def _declared(source: str | None) -> list[Declaration]:
    try:
        return read(source) if source else []
    except ValueError as error:
        raise UsageError([str(error)]) from None


def _names(lists: Iterable[str]) -> frozenset[str]:
    return frozenset(name.strip() for names in lists for name in names.split(",") if name.strip())


def _program() -> str:
    """This program, as a shell starts it in any folder: where it is not installed, its own is named."""
    folder = Path(__file__).resolve().parents[3]
    python = f"{shlex.quote(sys.executable)} -P -m eonpro_phi"
    return python if folder.name == "site-packages" else f"PYTHONPATH={shlex.quote(str(folder))} {python}"
