"""One database server for the tests of both adapters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.phi.reencryption.postgres import Server, running


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """PostgreSQL, with its database `postgres`."""
    with running("fsync=off") as server:
        yield server
