"""A PostgreSQL server of one's own: the real one, in a temporary folder, on a socket that nobody else knows.

Touches that folder, and starts and stops the server; as root it runs as `postgres`, for it refuses to run as root.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from tools.bootstrap.programs import PROGRAMS, command

PATIENCE_SECONDS = 60.0


def programs() -> Path:
    """Where the newest server's programs are: on the PATH, or where Debian puts them."""
    initdb = PROGRAMS["postgresql"].find()
    if initdb is None:
        raise RuntimeError(f"no PostgreSQL server is installed: {command(('postgresql',))}")
    return initdb.parent


@dataclass(kw_only=True)
class Server:
    """A running server."""

    folder: Path
    settings: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None
    _names: Iterator[int] = field(default_factory=count)

    def dsn(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """How to reach one of its databases."""
        return f"host={self.folder} dbname={database} user={user}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection that commits each statement."""
        return psycopg.connect(self.dsn(database), autocommit=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(programs() / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        for setting in ("listen_addresses=", *self.settings):
            command += ["-c", setting]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **_unprivileged())
        limit = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError((self.folder / "log").read_text()) from error
                time.sleep(0.02)

    def stop(self) -> None:
        """Stop it at once: open transactions are rolled back, connections cut."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(PATIENCE_SECONDS)
            self.process = None

    def copy_of(self, template: str) -> str:
        """The name of a new database, as the other one is."""
        name = f"db{next(self._names)}"
        with self.connect() as connection:
            connection.execute(f"create database {name} template {template}")
        return name

    def drop(self, database: str) -> None:
        """Remove a database, whoever is connected to it."""
        with self.connect() as connection:
            connection.execute(f"drop database {database} with (force)")


@contextmanager
def running(*settings: str) -> Iterator[Server]:
    """A fresh server with these settings (`name=value`), stopped and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="eonpro-pg-"))
    who = _unprivileged()
    if who:
        shutil.chown(folder, who["user"], who["group"])
    initdb = [str(programs() / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "-E", "UTF8"]
    server = Server(folder=folder, settings=settings)
    try:
        made = subprocess.run(
            [*initdb, "--locale=C.UTF-8", "--no-sync"], capture_output=True, text=True, check=False, cwd=folder, **who
        )
        assert made.returncode == 0, made.stderr
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _unprivileged() -> dict[str, Any]:
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
