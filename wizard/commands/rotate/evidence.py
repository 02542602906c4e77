"""The evidence for a promotion: the results of `python -m eonpro_phi reencrypt` and `scan` over the databases.

Reads the files that the person names. The wizard does not connect to a database: the result is a file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict

from components.settings import DATA_KEY_VARIABLE, RecordTable
from wizard.commands.rotate.versions import DataKeyStore
from wizard.core import json_documents, safe_text
from wizard.core.errors import PolicyRefusal, UsageError
from wizard.core.files import read_text
from wizard.core.models.rotation import DataKeyVersion
from wizard.core.next_command import Command, Text, eonpro, quote, shell
from wizard.core.safe_text import first_of

SCAN_FILE = "scanned.json"
VALID = timedelta(hours=24)
"""How old a result may be: what was written since then nobody has looked at."""

_CLOCKS = timedelta(hours=1)
"""How much the clocks of two machines may differ."""

REENCRYPT = ("python", "-m", "eonpro_phi", "reencrypt", "--dsn", "postgresql://HOST/DATABASE")
_RESULT_HINT = Text(shell("python", "-m", "eonpro_phi", "reencrypt"), " … --json > FILE writes it; without --dry-run")
_SHOWN = 5
_FIELDS = frozenset({"at", "keys", "everyRow", "notLookedInto", "acceptedColumns", "tables"})


class Scan(TypedDict):
    """The result of a scan of the database, before a promotion."""

    file: str
    at: json_documents.Time
    rowsRead: int
    records: int
    acceptedColumns: list[str]


@dataclass(frozen=True, kw_only=True)
class ScanEvidence:
    """What a result of a scan says, for the report of the promotion."""

    file: str
    at: datetime
    rows: int
    """Rows that were read."""
    records: int
    """Records under the new data key."""
    accepted: tuple[str, ...]
    """The columns that the person has accepted without a look into them."""

    def as_json(self) -> Scan:
        """The JSON fields of the evidence."""
        return {
            "file": self.file,
            "at": self.at.isoformat(timespec="seconds"),
            "rowsRead": self.rows,
            "records": self.records,
            "acceptedColumns": list(self.accepted),
        }


def record_tables(data_keys: DataKeyStore) -> tuple[RecordTable, ...]:
    """The application's tables with records, as the settings name them."""
    return tuple(map(RecordTable.parse, data_keys.settings.record_tables))


def reencrypt_command(table: RecordTable, *, advice: str) -> Command:
    """The command that re-encrypts a table and carries its hashes; its result goes to a file."""
    hashes = ",".join(f"{column}:{name}" for column, name in table.hashes.items())
    carried = ("--hash-columns", hashes) if hashes else ("--no-hash-columns",)
    call = shell(*REENCRYPT, *table_words(table), *carried, "--json")
    return Command(call, f" > {quote(_result_file(table))}", advice=advice)


def table_words(table: RecordTable) -> tuple[str, ...]:
    """The options of `phi` that name the table, its columns, its tenants, and what its records are bound to."""
    tenants = ("--tenant-column", table.tenant_column) if table.tenant_column else ()
    bound = ("--bind", table.bind) if table.bind else ()
    columns = ("--columns", ",".join(table.columns), "--key-column", table.key_column)
    return ("--table", table.table, *columns, *tenants, *bound)


def _result_file(table: RecordTable) -> str:
    return f"reencrypted-{table.table}.json"


def promote_command(data_keys: DataKeyStore, fingerprint: str, *, advice: str) -> Command:
    """The command that promotes a version after its tables were re-encrypted."""
    stack, tables = data_keys.stack, record_tables(data_keys)
    evidence = [word for table in tables for word in ("--reencrypted", _result_file(table))]
    words = ("rotate", "--promote", fingerprint, *(evidence or ["--no-hash-columns"]), "--scanned", SCAN_FILE)
    if not tables:
        advice += "; only if no table has search hashes, else --reencrypted FILE for each table in its place"
    return eonpro(*words, "--stack", stack, "--confirm", stack, advice=advice)


def require_carried(
    data_keys: DataKeyStore, version: DataKeyVersion, *, files: Sequence[Path], no_hash_columns: bool
) -> None:
    """Raises PolicyRefusal unless each table of the settings was re-encrypted for this version, with its search hashes.

    What the application derives from the data key changes with it: a hash under the former one matches nothing, and no
    error says so. `files` are the results of `phi reencrypt --json`.
    """
    again = promote_command(data_keys, version.fingerprint, advice="after that")
    hashes = [f"{table.table}.{name}" for table in record_tables(data_keys) for name in table.hashes.values()]
    if no_hash_columns:
        if not hashes:
            return
        raise PolicyRefusal(
            f"the settings name hash columns ({', '.join(hashes)}), --no-hash-columns says there are none; "
            "nothing was changed",
            again,
        )
    results = {str(result.get("table")): result for result in map(_result, files)}
    same = {entry.fingerprint for entry in data_keys.versions() if entry.same_as == version.same_as}
    for name, document in results.items():
        if problem := _incomplete(document, same | {version.fingerprint}):
            raise PolicyRefusal(f"{name}: {problem}; nothing was changed", again)
    for table in record_tables(data_keys):
        result = results.get(table.table, {})
        carried = result.get("hashColumns") or {}
        missing = {*table.columns} - {*(result.get("columns") or ())}
        missing |= {name for column, name in table.hashes.items() if carried.get(name) != column}
        if missing:
            raise PolicyRefusal(
                f"{table.table}: no result of phi reencrypt says that {', '.join(sorted(missing))} is under "
                f"{version.fingerprint}; nothing was changed",
                reencrypt_command(table, advice="with the wrapped keys in the environment; then promote"),
            )
    if not results and not record_tables(data_keys):
        raise PolicyRefusal(
            "whether search hashes (such as emailHash and dobHash) were carried is not known: they are derived from "
            "the data key, and under the old one they match nothing; nothing was changed",
            again,
        )


def read_json(flag: str, file: Path, hint: str) -> Any:
    """The JSON of a file that an option names. Raises UsageError."""
    try:
        return safe_text.parse_json(read_text(file, streams=True))
    except (OSError, ValueError) as error:
        raise UsageError(f"{flag} {file} cannot be read: {error}", hint) from error


def _result(file: Path) -> dict[str, Any]:
    document = read_json("--reencrypted", file, _RESULT_HINT)
    if not isinstance(document, dict) or not {"table", "to", "complete", "hashColumns"} <= document.keys():
        raise UsageError(f"--reencrypted {file} is not what `phi reencrypt --json` printed", _RESULT_HINT)
    return document


def _incomplete(result: dict[str, Any], fingerprints: Collection[str]) -> str | None:
    """Why a result is no evidence; None for one that is."""
    if result["to"] not in fingerprints:
        return f"it was re-encrypted with {result['to']}, which is another data key"
    if result.get("dryRun") or not result["complete"] or not result.get("succeeded"):
        return "phi reencrypt did not finish it; run it again"
    return None


def scan_command(tables: Sequence[RecordTable] = (), *, advice: str) -> Command:
    """The command that looks for records of the former data key, with both wrapped keys in the environment."""
    tenants = ",".join(f"{table.table}.{table.tenant_column}" for table in tables if table.tenant_column)
    words = ("--rows", "0", *(("--tenant-column", tenants) if tenants else ()), "--json")
    return Command(
        f'ENCRYPTED_PHI_KEYS_FOR_READING="${DATA_KEY_VARIABLE}" {DATA_KEY_VARIABLE}="$NEW_{DATA_KEY_VARIABLE}" ',
        shell("python", "-m", "eonpro_phi", "scan", "--dsn", "postgresql://HOST/DATABASE", *words),
        f" > {SCAN_FILE}",
        advice=advice,
    )


def require_scanned(
    data_keys: DataKeyStore,
    version: DataKeyVersion,
    *,
    former: str,
    tables: Sequence[RecordTable],
    files: Sequence[Path],
    no_records: bool,
    now: datetime,
) -> tuple[ScanEvidence, ...]:
    """What the scans say. Raises PolicyRefusal unless they read every row of every column that can hold a record, and
    found none under another data key than this version's.

    `former` is the fingerprint of the data key in use; `tables` are those of the settings. With `no_records` the person
    says that nothing is stored under it.
    """
    if no_records:
        _refuse_records(tables, files)
        return ()
    again = scan_command(tables, advice="with the wrapped keys in the environment, for each database; then promote")
    if not files:
        raise PolicyRefusal(
            "whether a record is left under the data key in use is not known: no scan of the database was named "
            "(--scanned FILE), and nothing opens such a record after the promotion; nothing was changed",
            Command(
                again, advice=f"{again.advice} with --scanned {SCAN_FILE}; where no database has records: --no-records"
            ),
        )
    scans = {str(file): _read(file) for file in files}
    versions = data_keys.versions()
    ours = {entry.fingerprint for entry in versions if entry.same_as == version.same_as} | {version.fingerprint}
    in_use = {entry.same_as for entry in versions if entry.fingerprint == former}
    theirs = {entry.fingerprint for entry in versions if entry.same_as in in_use} | {former}
    problems = [
        f"{file}: {problem}"
        for file, scan in scans.items()
        for problem in _problems(scan, ours, theirs, reads_both=data_keys.settings.keys_for_reading, now=now)
    ]
    evidence = tuple(_evidence(file, scan, ours) for file, scan in scans.items())
    if not problems:
        problems = [f"no scan has {name}" for name in _missing(tables, scans.values())]
        if not any(each.records for each in evidence):
            problems.append(
                f"no record under {version.fingerprint} was seen: is it the application's database? Where there are no "
                "records, use --no-records"
            )
    if problems:
        raise PolicyRefusal(f"{'; '.join(problems)}; nothing was changed", again)
    return evidence


def _refuse_records(tables: Sequence[RecordTable], files: Sequence[Path]) -> None:
    """Refuse what says that there are records although --no-records says that there are none."""
    if files:
        raise UsageError(
            "--scanned and --no-records contradict each other",
            scan_command(advice="where a database has records; else --no-records alone"),
        )
    if tables:
        raise PolicyRefusal(
            f"the settings name tables with records ({', '.join(table.table for table in tables)}), --no-records "
            "says there are none; nothing was changed",
            scan_command(tables, advice="with the wrapped keys in the environment; then promote with --scanned"),
        )


def _read(file: Path) -> Mapping[str, Any]:
    hint = scan_command(advice="writes it, with the wrapped keys in the environment")
    document = read_json("--scanned", file, hint)
    try:
        is_scan = document["command"] == "scan" and document.keys() >= _FIELDS and bool(document["keys"])
        datetime.fromisoformat(document["at"]).astimezone()
        is_scan &= all({"column", "why"} <= entry.keys() for entry in document["notLookedInto"])
        for table in document["tables"]:
            is_scan &= isinstance(table["rowsRead"], int) and isinstance(table["table"], str)
            for column in table["columns"]:
                counts = (*column["underKeys"].values(), column["underNoKey"])
                is_scan &= isinstance(column["column"], str) and all(isinstance(count, int) for count in counts)
    except (KeyError, TypeError, ValueError, AttributeError):
        is_scan = False
    if not is_scan:
        raise UsageError(f"--scanned {file} is not what this version's `phi scan --json` printed", hint)
    assert isinstance(document, dict)
    return document


def _columns(scan: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for table in scan["tables"]:
        for column in table["columns"]:
            yield f"{table['table']}.{column['column']}", column


def _problems(
    scan: Mapping[str, Any], ours: Set[str], theirs: Set[str], *, reads_both: bool, now: datetime
) -> Iterator[str]:
    """Why a result is no evidence. `reads_both`: the application goes on with the data key in use for reading."""
    if scan["keys"][0] not in ours:
        yield f"its current data key was {scan['keys'][0]}, not the one to promote"
        return
    if not theirs & set(scan["keys"]):
        yield "it did not have the data key in use (ENCRYPTED_PHI_KEYS_FOR_READING), so it knows no record of it"
    age = now - datetime.fromisoformat(scan["at"]).astimezone()
    if age > VALID:
        yield f"it is older than {VALID.total_seconds() / 3600:.0f} hours"
    if age < -_CLOCKS:
        yield "it is from the future: the clock of one of the two machines is wrong"
    if not scan["everyRow"]:
        yield "it read a sample; --rows 0 reads every row"

    def is_left(under: Set[str]) -> bool:
        # A column that was carried, and written meanwhile: the application reads the rest by its keys for reading.
        was_carried = reads_both and bool(under & ours)
        return bool(under - (ours | theirs if was_carried else ours))

    if under_others := [name for name, column in _columns(scan) if is_left(column["underKeys"].keys())]:
        yield f"records under another data key: {first_of(under_others, _SHOWN)}"
    closed = [name for name, column in _columns(scan) if column["underNoKey"] and not column.get("contentsAccepted")]
    if closed:
        yield f"records that no key of the scan decrypts: {first_of(closed, _SHOWN)}"
    if unread := [f"{entry['column']} ({entry['why']})" for entry in scan["notLookedInto"]]:
        shown = first_of(unread, _SHOWN)
        yield f"not looked into: {shown}; for a column without records, scan with --accept-column TABLE.COLUMN"


def _missing(tables: Sequence[RecordTable], scans: Collection[Mapping[str, Any]]) -> Iterator[str]:
    """The columns of the settings that no scan has: it was of another database."""
    seen = {name for scan in scans for name, _ in _columns(scan)}
    for table in tables:
        for column in table.columns:
            name = f"{table.table}.{column}"
            if not any(each == name or each.endswith(f".{name}") for each in seen):
                yield name


def _evidence(file: str, scan: Mapping[str, Any], ours: Collection[str]) -> ScanEvidence:
    return ScanEvidence(
        file=file,
        at=datetime.fromisoformat(scan["at"]).astimezone(),
        rows=sum(table["rowsRead"] for table in scan["tables"]),
        records=sum(count for _, column in _columns(scan) for key, count in column["underKeys"].items() if key in ours),
        accepted=tuple(str(name) for name in scan["acceptedColumns"]),
    )
