"""A server for the session, with a database of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.phi.reencryption import command_process
from tests.phi.reencryption.command_process import Operator, scripted_kms
from tests.phi.reencryption.patients import CREATE_TABLE, Patients
from tests.phi.reencryption.postgres import Server, running

# The tests never kill the server, so it need not wait for the disk.
FAST_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB", "autovacuum=off")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """PostgreSQL, with an empty table of patients in its database `clinic`."""
    with running(*FAST_SETTINGS) as server:
        with server.connect() as connection:
            connection.execute("create database clinic")
        with server.connect("clinic") as connection:
            connection.execute(CREATE_TABLE)
        yield server


@pytest.fixture
def patients(server: Server) -> Iterator[Patients]:
    """A database with an empty table of patients."""
    name = server.copy_of("clinic")
    patients = Patients(server=server, database=name)
    yield patients
    patients.connection.close()
    server.drop(name)


@pytest.fixture(scope="session")
def kms() -> Iterator[str]:
    """The URL of a KMS that knows the wrapped keys."""
    with scripted_kms() as url:
        yield url


@pytest.fixture
def operator(patients: Patients, kms: str) -> Operator:
    """Runs the command for the table of patients."""
    return command_process.operator(patients, kms)
