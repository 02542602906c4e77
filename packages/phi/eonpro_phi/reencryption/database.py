"""The database: a connection of a worker or of the parent, which reads and writes batches.

Touches PostgreSQL through psycopg, which only this module and `statements` import. Messages repeat PostgreSQL's own
only where those cannot hold values of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from eonpro_phi.reencryption import errors
from eonpro_phi.reencryption.statements import (
    Rows,
    Table,
    array,
    batch_arguments,
    count_different,
    lock_any_row,
    select_batch,
    select_sizes,
    select_versions,
    update_batch,
)

LOCK_SECONDS = 2
"""Longest wait of a statement for a row that another transaction locks. Its batch is tried again later."""

_SETTINGS = {
    "lock_timeout": f"{LOCK_SECONDS}s",
    # A policy that hides rows would make "no record needs the old key" untrue; with "off" it is an error.
    "row_security": "off",
    # Each statement compares row versions; a snapshot of the whole transaction would only add failures.
    "default_transaction_isolation": "read committed",
    # The text of a key must convert back to the same key.
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    # The rows of a batch are found one by one, by key. Without statistics the planner may choose to read the table
    # for each one.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
    # A plan for the values of a batch would copy them all, several times.
    "plan_cache_mode": "force_generic_plan",
    # A commit does not wait for the disk: `flush` does, before the next pass proves what is stored.
    "synchronous_commit": "off",
}

# Classes of SQLSTATE whose messages name objects, limits and states of the server, and no values of rows.
_SAFE_CLASSES = ("08", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58")
_LOCK_CONFLICT = ("40001", "40P01", "55P03", "57014")
_CONNECTION_LOST = ("08", "53", "57P")

_T = TypeVar("_T")


def reject_passwords(dsn: str) -> None:
    """Raises UsageError for a DSN that cannot be read, or one with a password: every user of a machine sees argv."""
    parameters: dict[str, Any] | None
    try:
        parameters = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        parameters = None
    if parameters is None:
        # Outside the handler, and without libpq's message, which quotes the input.
        raise errors.UsageError(["--dsn is neither a URI (postgresql://host/database) nor a list of name=value"])
    secret = sorted({"password", "sslpassword"} & parameters.keys())
    if secret:
        raise errors.UsageError(
            [f"--dsn holds a {' and '.join(secret)}, and every user of this machine can see a command line"],
            "Put it into the environment (PGPASSWORD), a password file (PGPASSFILE, ~/.pgpass) or a service file "
            "(PGSERVICE), and remove it from --dsn. The one you typed is in the shell's history.",
        )


class Database:
    """A connection, opened at the first use, and again after it broke."""

    def __init__(self, dsn: str, *, read_only: bool = False) -> None:
        self._dsn = dsn
        self._read_only = read_only
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def query(self, statement: LiteralString | sql.SQL, *arguments: object) -> list[tuple[Any, ...]]:
        return self._run(lambda connection: connection.execute(statement, arguments).fetchall())

    def stream(self, statement: sql.Composed, *, at_a_time: int = 200) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement, a few at a time."""
        try:
            with self._open().transaction(), self._open().cursor(name="phi") as cursor:
                cursor.itersize = at_a_time
                cursor.execute(statement)
                yield from cursor
        except psycopg.Error as error:
            translated = _translate(error)
        else:
            return
        raise translated

    def read(self, table: Table, *, after: str | None, until: str | None, limit: int) -> Rows:
        """Read at most `limit` rows by ascending key, after one key and up to another."""
        query, arguments = select_batch(table, after=after, until=until, limit=limit)
        rows = self._run(lambda connection: connection.execute(query, arguments).fetchall())
        has_tenants = table.selection.tenant_column is not None
        keys, versions, *values = (
            zip(*rows, strict=True) if rows else ((),) * (2 + len(table.selection.read_names) + has_tenants)
        )
        tenants = values.pop() if has_tenants else ()
        in_hex = {column.name for column in table.documents if column.is_bytes}
        # One character a byte: a record is ASCII, whatever the other bytes are.
        texts = [
            [value and bytes.fromhex(value).decode("latin-1") for value in column] if name in in_hex else column
            for name, column in zip(table.selection.read_names, values, strict=True)
        ]
        return Rows(keys=keys, versions=versions, values=texts, tenants=tenants)

    def sizes(self, table: Table, *, after: str | None, limit: int) -> list[tuple[str, int]]:
        """The keys of at most `limit` rows after one key, and about how many bytes the documents of each have."""
        query, arguments = select_sizes(table, after=after, limit=limit)
        rows = self._run(lambda connection: connection.execute(query, arguments).fetchall())
        return [(str(key), int(size)) for key, size in rows]

    def versions(
        self, table: Table, *, after: str | None, until: str | None, limit: int
    ) -> tuple[Sequence[str], Sequence[str]]:
        """The keys and versions of at most `limit` rows by ascending key, after one key and up to another."""
        query, arguments = select_versions(table, after=after, until=until, limit=limit)
        rows = self._run(lambda connection: connection.execute(query, arguments).fetchall())
        keys, versions = zip(*rows, strict=True) if rows else ((), ())
        return keys, versions

    def session(self) -> tuple[Any, ...]:
        """What is the same as long as the server has not crashed: its process for this connection, and its start."""
        [session] = self.query("select pid, backend_start from pg_stat_activity where pid = pg_backend_pid()")
        return session

    def write(self, table: Table, rows: Rows, records: Sequence[Sequence[str]]) -> tuple[int, str]:
        """Write records over the rows' values in one transaction; "" leaves a value unchanged. Returns the count, and
        the version that those rows have now.

        A row that was changed since it was read has another version, and is not updated. Before the commit the database
        compares what it holds with what was sent: raises WriteMismatch, and commits nothing, where they differ.
        """
        arguments, arrays = batch_arguments(table, rows, records)

        def update(connection: psycopg.Connection[tuple[Any, ...]]) -> tuple[int, int, str]:
            with connection.transaction():
                result = connection.execute(update_batch(table, arrays), arguments).fetchone()
                assert result is not None
                updated, equal = int(result[0]), int(result[1])
                if table.read_back and updated == equal > 0:
                    # After all triggers have run.
                    connection.execute("set constraints all immediate")
                    query = count_different(table, arrays)
                    different = connection.execute(query, (*arguments, array(result[3]))).fetchone()
                    equal -= int(different[0]) if different else 0
                if updated != equal:
                    raise psycopg.Rollback
            return updated, equal, str(result[2])

        updated, equal, version = self._run(update)
        if updated != equal:
            raise errors.WriteMismatch(
                f"{updated - equal} of {updated} rows of {table.selection.table}, from the key {rows.keys[0]} to "
                f"{rows.keys[-1]}, differ from the values sent; the batch was rolled back, nothing is lost",
                "Something changes the stored values: "
                + (", ".join(table.triggers) or "a new trigger or rule")
                + ". Disable it for these columns, then run the same command again.",
            )
        return updated, version

    def flush(self, table: Table) -> None:
        """Return when every earlier commit is on the server's disk, and on its synchronous standbys."""

        def commit(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
            with connection.transaction():
                connection.execute("set local synchronous_commit = on")
                connection.execute(lock_any_row(table), ())

        self._run(commit)

    def close(self) -> None:
        """Close the connection; the database rolls an open transaction back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is None or self._connection.closed:
            connection = psycopg.connect(
                self._dsn,
                autocommit=True,
                # Behind a pooler a prepared statement does not outlive its transaction; planning a batch costs little.
                prepare_threshold=None,
                client_encoding="utf8",
                connect_timeout=10,
                fallback_application_name="eonpro phi reencrypt",
            )
            connection.read_only = self._read_only
            settings = dict(_SETTINGS)
            if self._read_only:
                settings["default_transaction_read_only"] = "on"
            connection.execute(
                "select " + ", ".join("set_config(%s, %s, false)" for _ in settings),
                [word for pair in settings.items() for word in pair],
            )
            self._connection = connection
        return self._connection

    def _run(self, statement: Callable[[psycopg.Connection[tuple[Any, ...]]], _T]) -> _T:
        try:
            return statement(self._open())
        except psycopg.Error as error:
            translated = _translate(error)
        # Outside the handler: PostgreSQL's DETAIL quotes rows, and a traceback would show it as the context.
        if isinstance(translated, errors.ConnectionLost):
            self.close()
        raise translated


def _translate(error: psycopg.Error) -> errors.ReencryptionError:
    state = error.sqlstate or ""
    message = error.diag.message_primary or ""
    name = type(error).__name__
    location = "".join(
        f", {label} {value}"
        for label, value in (("constraint", error.diag.constraint_name), ("column", error.diag.column_name))
        if value
    )
    is_safe = message and state.startswith(_SAFE_CLASSES)
    text = f"{message} ({state} {name}{location})" if is_safe else f"{state} {name}{location}"
    if state in _LOCK_CONFLICT:
        return errors.LockConflict(f"PostgreSQL: {text}")
    if state.startswith(_CONNECTION_LOST) or (
        not state and isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    ):
        # Without a state it is an error of libpq: about hosts, sockets and authentication.
        return errors.ConnectionLost(f"PostgreSQL: {text if state else ' '.join(str(error).split())}")
    return errors.StatementFailed(f"PostgreSQL refused the statement: {text}")
