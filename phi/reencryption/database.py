"""The database: a connection of a worker or of the parent, and the statements that read and write a batch.

Touches PostgreSQL, through psycopg, which is loaded with this file and `statements` and by no other. Messages repeat
what PostgreSQL says only where that cannot hold a row's values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from phi.reencryption.refusals import Contended, DatabaseLost, DatabaseRefused, Mangled, NotAsAsked, ReencryptionError
from phi.reencryption.statements import Rows, Table, array, holding, reading, writing

LOCK_SECONDS = 2
"""How long a statement waits for a row that another transaction holds, before its batch gives way and tries later."""

_SETTINGS = {
    "lock_timeout": f"{LOCK_SECONDS}s",
    # A policy that hides rows would make "no record needs the old key" untrue: an error in its place.
    "row_security": "off",
    # Row versions are compared statement by statement; a snapshot that outlives one would only add failures.
    "default_transaction_isolation": "read committed",
    # A key's text has to come back as the same key.
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    # A batch is found by its rows' places or keys, one after the other; a table without statistics tempts the planner
    # to read all of it for every batch.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
}

# Classes of SQLSTATE whose messages name objects, limits and states of the server, and no values of rows.
_SPEAKABLE = ("08", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58")
_CONTENDED = ("40001", "40P01", "55P03", "57014")
_LOST = ("08", "53", "57P")

_T = TypeVar("_T")


def refuse_passwords(dsn: str) -> None:
    """Raises NotAsAsked for a DSN that cannot be read, or one with a password: every user of a machine sees argv."""
    found: dict[str, Any] | None
    try:
        found = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        found = None
    if found is None:
        # Outside the handler, and without libpq's words, which quote what they do not understand.
        raise NotAsAsked(["--dsn is neither a URI (postgresql://host/database) nor a list of name=value"])
    secret = sorted({"password", "sslpassword"} & found.keys())
    if secret:
        raise NotAsAsked(
            [f"--dsn holds a {' and '.join(secret)}, and every user of this machine can see a command line"],
            "Put it into the environment (PGPASSWORD), a password file (PGPASSFILE, ~/.pgpass) or a service file "
            "(PGSERVICE), and leave it out of --dsn. One that was typed is in the shell's history.",
        )


class Database:
    """One connection, opened when it is first used, and again after it broke."""

    def __init__(self, dsn: str, *, read_only: bool = False) -> None:
        self._dsn = dsn
        self._read_only = read_only
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def ask(self, query: LiteralString, *arguments: object) -> list[tuple[Any, ...]]:
        """The rows of one statement."""
        return self._asked(lambda connection: connection.execute(query, arguments).fetchall())

    def read(self, table: Table, *, after: str | None, until: str | None, limit: int) -> Rows:
        """At most `limit` rows by ascending key, after one key and up to another, as of now."""
        query, arguments = reading(table, after=after, until=until, limit=limit)
        found = self._asked(lambda connection: connection.execute(query, arguments).fetchall())
        keys, places, versions, *values = zip(*found, strict=True) if found else ((), (), (), ())
        return Rows(keys=keys, places=places, versions=versions, values=values)

    def write(self, table: Table, rows: Rows, records: Sequence[Sequence[str]]) -> int:
        """Write records over the rows' values, in one transaction; "" leaves a value as it is. How many rows it found.

        A row that was changed since it was read is another version of itself, and is not found. Before the commit the
        database compares what it holds with what was sent: raises Mangled, and commits nothing, where they differ.
        """
        columns = [",".join(column) for column in records]
        places = array(rows.keys if table.partitioned else rows.places)
        versions = "{" + ",".join(rows.versions) + "}"

        def written(connection: psycopg.Connection[tuple[Any, ...]]) -> tuple[int, int]:
            with connection.transaction():
                done = connection.execute(writing(table), (places, versions, *columns)).fetchone()
                assert done is not None
                found, held = int(done[0]), int(done[1])
                if table.read_back and found == held > 0:
                    held -= _differing(connection, table, rows, records, done[2])
                if found != held:
                    raise psycopg.Rollback
            return found, held

        found, held = self._asked(written)
        if found != held:
            raise Mangled(
                f"{found - held} of {found} rows of {table.assignment.table}, from the key {rows.keys[0]} to "
                f"{rows.keys[-1]}, came back from the database changed; the batch was rolled back and nothing is lost",
                "Something rewrites what is stored: "
                + (", ".join(table.triggers) or "a trigger or a rule that is new")
                + ". Disable it for these columns, then run the same command again.",
            )
        return found

    def close(self) -> None:
        """End the connection; a transaction that is open is rolled back by the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is None or self._connection.closed:
            connection = psycopg.connect(
                self._dsn,
                autocommit=True,
                # Prepared statements do not outlive a transaction behind a pooler, and planning is nothing to a batch.
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

    def _asked(self, statement: Callable[[psycopg.Connection[tuple[Any, ...]]], _T]) -> _T:
        try:
            return statement(self._open())
        except psycopg.Error as error:
            refusal = _translated(error)
        # Outside the handler: PostgreSQL's DETAIL quotes rows, and a traceback would show it as the context.
        if isinstance(refusal, DatabaseLost):
            self.close()
        raise refusal


def _translated(error: psycopg.Error) -> ReencryptionError:
    state = error.sqlstate or ""
    said = error.diag.message_primary or ""
    name = type(error).__name__
    where = "".join(
        f", {word} {value}"
        for word, value in (("constraint", error.diag.constraint_name), ("column", error.diag.column_name))
        if value
    )
    words = f"{said} ({state} {name}{where})" if said and state.startswith(_SPEAKABLE) else f"{state} {name}{where}"
    if state in _CONTENDED:
        return Contended(f"PostgreSQL: {words}")
    if state.startswith(_LOST) or (not state and isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))):
        # Without a state it is libpq that speaks: of hosts, sockets and authentication.
        return DatabaseLost(f"PostgreSQL: {words if state else ' '.join(str(error).split())}")
    return DatabaseRefused(f"PostgreSQL refused: {words}")


def _differing(
    connection: psycopg.Connection[tuple[Any, ...]],
    table: Table,
    rows: Rows,
    records: Sequence[Sequence[str]],
    written: Sequence[str],
) -> int:
    """How many of the rows that were written are not held as they were sent, after every trigger had its turn."""
    connection.execute("set constraints all immediate")
    held = {row[0]: row[1:] for row in connection.execute(holding(table), (array(written),))}
    sent = dict(zip(rows.keys, zip(*records, strict=True), strict=True))
    return sum(
        key not in held or any(ours not in ("", theirs) for ours, theirs in zip(sent[key], held[key], strict=True))
        for key in written
    )
