"""A server for the session, with a database of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.phi.reencryption import command_process
from tests.phi.reencryption.command_process import Operator, scripted_kms
from tests.phi.reencryption.patients import MAKE, Clinic
from tests.phi.reencryption.postgres import Server, running

# Whoever is killed here is never the server, so that it need not wait for the disk.
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB", "autovacuum=off")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """PostgreSQL, with an empty table of patients in its database `clinic`."""
    with running(*QUICK) as made:
        with made.connect() as connection:
            connection.execute("create database clinic")
        with made.connect("clinic") as connection:
            connection.execute(MAKE)
        yield made


@pytest.fixture
def clinic(server: Server) -> Iterator[Clinic]:
    """A database with an empty table of patients."""
    name = server.copy_of("clinic")
    made = Clinic(server=server, database=name)
    yield made
    made.connection.close()
    server.drop(name)


@pytest.fixture(scope="session")
def kms() -> Iterator[str]:
    """The URL of a KMS that knows the wrapped keys."""
    with scripted_kms() as url:
        yield url


@pytest.fixture
def operator(clinic: Clinic, kms: str) -> Operator:
    """Somebody who re-encrypts the clinic's patients."""
    return command_process.operator(clinic, kms)
