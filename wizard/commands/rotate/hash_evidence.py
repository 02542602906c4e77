"""The evidence for the promotion of a hash key: the results of `phi index` and `phi encrypt --hash-columns`.

Reads the files that the person names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.settings.stored_values import HASH_KEY
from wizard.account.facts import running
from wizard.commands.rotate.evidence import read_json, record_tables
from wizard.commands.rotate.versions import DataKeyStore
from wizard.core.errors import PolicyRefusal, UsageError
from wizard.core.models.rotation import DataKeyVersion
from wizard.core.next_command import Command, Text, quote, shell, wizard
from wizard.data_key import delivery
from wizard.targets.port import deploy_target

_DSN = ("--dsn", "postgresql://HOST/DATABASE")


def require_reading(data_keys: DataKeyStore) -> None:
    """Raises UsageError unless the settings say that the application tries the hash keys of a list."""
    reading = data_keys.settings.names.value.reading
    if not data_keys.settings.hash_keys_for_reading:
        raise UsageError(
            "while the tables are hashed again, a row is under the present hash key or under the new one, and the "
            f"settings do not say that the application reads {reading}; nothing was changed",
            wizard("setup", "--hash-keys-for-reading", "yes", advice="only where it does: phi does; then deploy it"),
        )


def require_promotable(
    data_keys: DataKeyStore,
    version: DataKeyVersion,
    former: DataKeyVersion | None,
    *,
    files: Sequence[Path],
    no_hash_columns: bool,
) -> None:
    """Raises PolicyRefusal without the results of the tables, UsageError where a search would try one key alone."""
    if former is not None and former.same_as == version.same_as:
        return  # The same key, wrapped again, or current already.
    require_reading(data_keys)
    _require_tried(data_keys, former)
    again = hash_command(data_keys, version, advice="with the application's AWS credentials; then promote")
    _require_hashed(data_keys, version, files=files, no_hash_columns=no_hash_columns, again=again)


def _require_tried(data_keys: DataKeyStore, current: DataKeyVersion | None) -> None:
    """Raises PolicyRefusal where the application does not try the new key yet: until its next deployment it would not
    find the rows under it.
    """
    if current is None:
        return
    context = data_keys.deployed.reachable()
    variables = delivery.variables_of(context, current.wrapped)
    targets = [deploy_target(name) for name in context.targets]
    problems = [problem for target in targets if (problem := target.missing(context, variables))]
    problems += [
        f"{deploy_target(instances.target).runtime(context.settings)} runs with outdated values"
        for instances in running(context)
        if instances.stale
    ]
    if problems:
        raise PolicyRefusal(
            f"the application does not try the new hash key yet: {'; '.join(problems)}; nothing was changed",
            wizard("push", "--redeploy", "--stack", data_keys.stack),
        )


def _require_hashed(
    data_keys: DataKeyStore, version: DataKeyVersion, *, files: Sequence[Path], no_hash_columns: bool, again: Command
) -> None:
    """Raises PolicyRefusal unless the search values of each table of the settings are under this hash key.

    `files` are the results of `phi index --json`, and of `phi encrypt --hash-columns --json` for hash columns. `again`:
    the command that hashes a table.
    """
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


def warnings(data_keys: DataKeyStore, *, old: str) -> tuple[str, ...]:
    """What a person reads before another hash key becomes the current one."""
    return (
        f"rows that the application writes until its next deployment are still under {old}: a search finds them by "
        f"{HASH_KEY.reading}; hash the tables once more after the deployment",
        Text(f"{old} is kept: ", wizard("restore", HASH_KEY.option, "--version", old), " makes it current again"),
    )


def hash_command(data_keys: DataKeyStore, version: DataKeyVersion, *, advice: str) -> Command:
    """The command that writes the search values of a table under this hash key; its result goes to a file."""
    tables = [table for table in record_tables(data_keys) if table.hashes]
    calls: list[str] = []
    for table in tables:
        columns = ("--table", table.table, "--columns", ",".join(table.columns), "--key-column", table.key_column)
        hashes = ",".join(f"{column}:{name}" for column, name in table.hashes.items())
        carried = ("--hash-columns", hashes, "--replace-hashes", "--json")
        call = shell("python", "-m", "phi", "encrypt", *_DSN, *columns, *carried)
        calls += ["\n" if calls else "", call, f" > {quote(hashed_file(table.table))}"]
    if not tables:
        words = ("--table", "TABLE", "--key-column", "id", "--exact", "COLUMN:SEARCH:RULE", "--json")
        calls = [shell("python", "-m", "phi", "index", *_DSN, *words), f" > {hashed_file('TABLE')}"]
    return Command(*calls, advice=advice)


def hashed_file(table: str) -> str:
    """The file for the result of a table."""
    return f"hashed-{table}.json"
