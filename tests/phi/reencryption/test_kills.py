"""Whatever is killed, whenever: nothing is lost, nothing half done, and the same command again goes on from there."""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from phi import PhiCipher, RecordRefused
from tests.phi.reencryption import the_command
from tests.phi.reencryption.conftest import QUICK
from tests.phi.reencryption.patients import MAKE, NEW, OLD, Clinic, expected, plain
from tests.phi.reencryption.postgres import Server, running
from tests.phi.reencryption.the_command import Operator, ended, kill, until, workers

pytestmark = pytest.mark.needs("postgresql")

MANY = 100_000


def whole(clinic: Clinic, rows: int) -> None:
    """Every record opens under the new key, says what it said, and none opens under the old one."""
    found = clinic.records()
    assert list(plain(found)) == expected(rows)
    assert not any(opens_under_the_old_key(record) for row in found for record in row[1:] if record is not None)


OLD_CIPHER = PhiCipher(OLD)


def opens_under_the_old_key(record: str) -> bool:
    """Whether it does."""
    try:
        return OLD_CIPHER.decrypt(record) is not None
    except RecordRefused:
        return False


def readable(clinic: Clinic, rows: int) -> None:
    """Every record opens under the one key or the other and says what it said; every row is under one key alone."""
    either, found = PhiCipher(NEW, reading=[OLD]), clinic.records()
    texts = zip(*(either.decrypt_many(column) for column in list(zip(*found, strict=True))[1:]), strict=True)
    assert [(row[0], *text) for row, text in zip(found, texts, strict=True)] == expected(rows)


def test_killed_with_all_its_workers_again_and_again_it_still_comes_to_its_end(operator: Operator) -> None:
    rows, points = 3000, random.Random(20261125)
    clinic = operator.clinic
    clinic.fill(rows)
    reached = 0
    for _ in range(3):
        point = points.randrange(reached + 1, rows * 9 // 10)
        process = operator.starts("--batch", "25")
        until(lambda at=point: clinic.moved() >= at, process)  # type: ignore[misc]
        kill(process)
        readable(clinic, rows)
        moved = clinic.moved()
        assert moved >= reached
        reached = min(moved, rows * 8 // 10)
    assert operator.runs().code == 0
    whole(clinic, rows)


def test_a_worker_that_is_killed_is_not_waited_for_and_the_others_end_their_batches(operator: Operator) -> None:
    clinic = operator.clinic
    clinic.fill(6000)
    process = operator.starts("--batch", "5", "--processes", "2", "--json")
    until(lambda: clinic.moved() > 100, process)
    os.kill(workers(process)[0], signal.SIGKILL)
    done = ended(process)
    assert done.code == 1 and "signal 9" in done.document["message"]
    assert clinic.moved() < 6000
    readable(clinic, 6000)


def test_workers_whose_parent_is_killed_end_by_themselves(operator: Operator) -> None:
    clinic = operator.clinic
    clinic.fill(6000)
    process = operator.starts("--batch", "5", "--processes", "2")
    until(lambda: clinic.moved() > 100, process)
    left = workers(process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    connected = "select count(*) from pg_stat_activity where application_name = 'eonpro phi reencrypt' and datname = %s"
    while clinic.run(connected, clinic.database)[0][0]:
        pass
    process.communicate()  # its end is the end of all who could write to it
    assert left
    readable(clinic, 6000)


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that may be stopped."""
    with running(*QUICK) as made:
        yield made


@pytest.mark.thorough
def test_a_server_that_restarts_is_waited_for_and_one_that_is_gone_is_told_of(
    own_server: Server, operator: Operator
) -> None:
    with own_server.connect() as connection:
        connection.execute(MAKE)
    clinic = Clinic(server=own_server, database="postgres")
    clinic.fill(2000)
    mine = replace(operator, clinic=clinic)
    process = mine.starts("--batch", "5", "--processes", "2")
    until(lambda: clinic.moved() > 100, process)
    own_server.stop()
    own_server.start()
    done = ended(process)
    assert done.code == 0, done.stderr
    whole(replace(clinic), 2000)

    own_server.stop()
    done = mine.runs("--json")
    assert done.code == 1 and re.search(r"connection|socket", done.document["message"])
    own_server.start()


@pytest.fixture(scope="module")
def hundred_thousand(server: Server) -> str:
    """A database with as many patients."""
    name = server.copy_of("clinic")
    made = Clinic(server=server, database=name)
    made.fill(MANY)
    made.connection.close()  # nobody may be connected to what is copied
    return name


@pytest.mark.thorough
@pytest.mark.parametrize("time", range(50))
def test_a_hundred_thousand_rows_survive_a_kill_at_any_point(
    server: Server, kms: str, hundred_thousand: str, time: int
) -> None:
    clinic = Clinic(server=server, database=server.copy_of(hundred_thousand))
    try:
        operator = the_command.operator(clinic, kms)
        point = random.Random(time).randrange(MANY)
        process = operator.starts()
        until(lambda: clinic.moved() >= point, process)
        kill(process)
        assert operator.runs().code == 0
        whole(clinic, MANY)
    finally:
        clinic.connection.close()
        server.drop(clinic.database)
