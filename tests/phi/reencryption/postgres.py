"""A real PostgreSQL server for the tests, in a temporary folder, on a socket in it.

Touches that folder, and starts and stops the server; as root it runs as the user `postgres`, because it refuses root.
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

TIMEOUT_SECONDS = 60.0


def programs() -> Path:
    """The folder of the newest server's programs: on the PATH, or where Debian installs them."""
    initdb = shutil.which("initdb")
    folders = [Path(initdb).parent] if initdb else sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version)
    if not folders:
        raise RuntimeError("no PostgreSQL server is installed: apt-get install postgresql")
    return folders[-1]


def _version(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0


@dataclass(kw_only=True)
class Server:
    """A running server."""

    folder: Path
    settings: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None
    _names: Iterator[int] = field(default_factory=count)

    def dsn(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """The connection string of one of its databases."""
        return f"host={self.folder} dbname={database} user={user}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection in autocommit."""
        return psycopg.connect(self.dsn(database), autocommit=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(programs() / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        for setting in ("listen_addresses=", *self.settings):
            command += ["-c", setting]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **_unprivileged())
        limit = time.monotonic() + TIMEOUT_SECONDS
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
            self.process.wait(TIMEOUT_SECONDS)
            self.process = None

    def copy_of(self, template: str) -> str:
        """The name of a new database, a copy of the template."""
        name = f"db{next(self._names)}"
        with self.connect() as connection:
            connection.execute(f"create database {name} template {template}")
        return name

    def drop(self, database: str) -> None:
        """Remove a database, and its connections."""
        with self.connect() as connection:
            connection.execute(f"drop database {database} with (force)")


@contextmanager
def running(*settings: str) -> Iterator[Server]:
    """A new server with these settings (`name=value`), stopped and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="eonpro-pg-"))
    user = _unprivileged()
    if user:
        shutil.chown(folder, user["user"], user["group"])
    initdb = [str(programs() / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "-E", "UTF8"]
    server = Server(folder=folder, settings=settings)
    try:
        result = subprocess.run(
            [*initdb, "--locale=C.UTF-8", "--no-sync"], capture_output=True, text=True, check=False, cwd=folder, **user
        )
        assert result.returncode == 0, result.stderr
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _unprivileged() -> dict[str, Any]:
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
