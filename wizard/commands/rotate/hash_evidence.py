"""The evidence for the promotion of a hash key: the results of `phi index` and `phi encrypt --hash-columns`.

Reads the files that the person names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.settings.stored_values import HASH_KEY
from wizard.commands.rotate.evidence import read_json, record_tables, table_words
from wizard.commands.rotate.versions import DataKeyStore
from wizard.core.errors import PolicyRefusal, UsageError
from wizard.core.models.rotation import DataKeyVersion
from wizard.core.next_command import Command, eonpro, quote, shell

_DSN = ("--dsn", "postgresql://HOST/DATABASE")


def require_list(data_keys: DataKeyStore) -> None:
    """Raises UsageError unless the settings say that the application tries the hash keys of a list."""
    if not data_keys.settings.keys_for_reading:
        raise UsageError(
            "while the tables are hashed again, a row is under the present hash key or under the new one, and the "
            f"settings do not say that the application reads {HASH_KEY.reading}; nothing was changed",
            eonpro("setup", "--keys-for-reading", "yes", advice="only where it does: phi does; then deploy it"),
        )


def require_hashed(
    data_keys: DataKeyStore, version: DataKeyVersion, *, files: Sequence[Path], no_hash_columns: bool
) -> None:
    """Raises PolicyRefusal unless the search values of each table of the settings are under this hash key.

    `files` are the results of `phi index --json`, and of `phi encrypt --hash-columns --json` for hash columns.
    """
    again = hash_command(data_keys, version, advice="with the application's AWS credentials; then promote")
    hashes = {table.table: {*table.hashes.values()} for table in record_tables(data_keys) if table.hashes}
    if no_hash_columns and (hashes or files):
        named = f"the settings name hash columns of {', '.join(hashes)}" if hashes else "a result of a table is named"
        raise PolicyRefusal(f"{named}, --no-hash-columns says there are none; nothing was changed", again)
    same = {entry.fingerprint for entry in data_keys.versions() if entry.same_as == version.same_as}
    hashed = dict[str, set[str]]()
    for file in files:
        result = read_json("--reencrypted", file, again)
        if not isinstance(result, dict) or not {"table", "hashKey", "complete"} <= result.keys():
            raise UsageError(f"--reencrypted {file} is not what `phi index --json` printed", again)
        if result["hashKey"] not in same | {version.fingerprint}:
            problem = f"it was hashed with {result['hashKey']}, which is another hash key"
        elif result.get("dryRun") or not result["complete"] or not result.get("succeeded"):
            problem = "it is not finished; run it again"
        else:
            hashed.setdefault(str(result["table"]), set()).update(result.get("hashColumns") or ())
            hashed[str(result["table"])].update(result.get("searchColumns") or ())
            continue
        raise PolicyRefusal(f"{result['table']}: {problem}; nothing was changed", again)
    missing = [
        f"{table}.{name}" for table, names in hashes.items() for name in sorted(names - hashed.get(table, set()))
    ]
    if missing or not (hashed or no_hash_columns):
        what = ", ".join(missing) or "any search value"
        raise PolicyRefusal(f"no result says that {what} is under {version.fingerprint}; nothing was changed", again)


def promote_hash_command(data_keys: DataKeyStore, version: DataKeyVersion) -> Command:
    """The command that promotes a hash key after its tables were hashed again."""
    files = [hashed_file(table.table) for table in record_tables(data_keys) if table.hashes] or [hashed_file("TABLE")]
    evidence = [word for file in files for word in ("--reencrypted", file)]
    stack = data_keys.stack
    return eonpro(
        *("rotate", "--promote", version.fingerprint, *evidence, "--stack", stack, "--confirm", stack),
        advice="when every table is hashed again; the old hash key is kept, and a search tries it too. It needs the "
        "rights of `policy promotion`",
    )


def hash_command(data_keys: DataKeyStore, version: DataKeyVersion, *, advice: str) -> Command:
    """The command that writes the search values of a table under this hash key; its result goes to a file."""
    tables = [table for table in record_tables(data_keys) if table.hashes]
    calls: list[str] = []
    for table in tables:
        columns = table_words(table)
        hashes = ",".join(f"{column}:{name}" for column, name in table.hashes.items())
        carried = ("--hash-columns", hashes, "--replace-hashes", "--json")
        call = shell("python", "-m", "eonpro_phi", "encrypt", *_DSN, *columns, *carried)
        calls += ["\n" if calls else "", call, f" > {quote(hashed_file(table.table))}"]
    if not tables:
        words = ("--table", "TABLE", "--key-column", "id", "--exact", "COLUMN:SEARCH:RULE", "--json")
        calls = [shell("python", "-m", "eonpro_phi", "index", *_DSN, *words), f" > {hashed_file('TABLE')}"]
    return Command(*calls, advice=advice)


def hashed_file(table: str) -> str:
    """The file for the result of a table."""
    return f"hashed-{table}.json"
