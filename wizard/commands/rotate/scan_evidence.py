"""The evidence for a promotion that no record is left behind: the results of `python -m phi scan` over the databases.

Reads the files that the person names. The wizard does not connect to a database: the result is a file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from components.settings import DATA_KEY_VARIABLE, RecordTable
from wizard.commands.rotate.versions import DataKeyStore
from wizard.core import safe_text
from wizard.core.errors import PolicyRefusal, UsageError
from wizard.core.models.rotation import DataKeyVersion
from wizard.core.next_command import Command, shell

SCAN_FILE = "scanned.json"
VALID = timedelta(hours=24)
"""How old a result may be: what was written since then nobody has looked at."""

_CLOCKS = timedelta(hours=1)
"""How much the clocks of two machines may differ."""

_SHOWN = 5
_FIELDS = frozenset({"at", "keys", "everyRow", "notLookedInto", "acceptedColumns", "tables"})


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

    def as_json(self) -> dict[str, Any]:
        """The JSON fields of the evidence."""
        return {
            "file": self.file,
            "at": self.at.isoformat(timespec="seconds"),
            "rowsRead": self.rows,
            "records": self.records,
            "acceptedColumns": list(self.accepted),
        }


def scan_command(*, advice: str) -> Command:
    """The command that looks for records of the former data key, with both wrapped keys in the environment."""
    return Command(
        f'ENCRYPTED_PHI_KEYS_FOR_READING="${DATA_KEY_VARIABLE}" {DATA_KEY_VARIABLE}="$NEW_{DATA_KEY_VARIABLE}" ',
        shell("python", "-m", "phi", "scan", "--dsn", "postgresql://HOST/DATABASE", "--rows", "0", "--json"),
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
    if no_records and files:
        raise UsageError(
            "--scanned and --no-records contradict each other",
            scan_command(advice="where a database has records; else --no-records alone"),
        )
    if no_records:
        if tables:
            raise PolicyRefusal(
                f"the settings name tables with records ({', '.join(table.table for table in tables)}), --no-records "
                "says there are none; nothing was changed",
                scan_command(advice="with the wrapped keys in the environment; then promote with --scanned"),
            )
        return ()
    again = scan_command(advice="with the wrapped keys in the environment, for each database; then promote")
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
        f"{file}: {problem}" for file, scan in scans.items() for problem in _problems(scan, ours, theirs, now=now)
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


def _read(file: Path) -> Mapping[str, Any]:
    hint = scan_command(advice="writes it, with the wrapped keys in the environment")
    try:
        document = safe_text.parse_json(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--scanned {file} cannot be read: {error}", hint) from error
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


def _problems(scan: Mapping[str, Any], ours: Set[str], theirs: Set[str], *, now: datetime) -> Iterator[str]:
    """Why a result is no evidence."""
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
    if under_others := [name for name, column in _columns(scan) if column["underKeys"].keys() - ours]:
        yield f"records under another data key: {_shown(under_others)}"
    closed = [name for name, column in _columns(scan) if column["underNoKey"] and not column.get("contentsAccepted")]
    if closed:
        yield f"records that no key of the scan decrypts: {_shown(closed)}"
    if unread := [f"{entry['column']} ({entry['why']})" for entry in scan["notLookedInto"]]:
        yield f"not looked into: {_shown(unread)}; for a column without records, scan with --accept-column TABLE.COLUMN"


def _shown(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return ", ".join([*names[:_SHOWN], *more])


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
