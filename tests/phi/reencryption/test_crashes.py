"""Kills at any time: nothing is lost, no batch is incomplete, and the same command continues."""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from eonpro_phi import DecryptionError, PhiCipher
from tests.phi.reencryption.command_process import Operator, kill, wait_for, wait_until, worker_pids
from tests.phi.reencryption.conftest import FAST_SETTINGS
from tests.phi.reencryption.patients import CREATE_TABLE, NEW, OLD, Patients, decrypt_rows, expected
from tests.phi.reencryption.postgres import Server, running

pytestmark = pytest.mark.needs("postgresql")


def assert_complete(patients: Patients, rows: int) -> None:
    """Every record decrypts to its text with the new key, and none with the old one."""
    rows_now = patients.records()
    assert list(decrypt_rows(rows_now)) == expected(rows)
    assert not any(decrypts_with_the_old_key(record) for row in rows_now for record in row[1:] if record is not None)


OLD_CIPHER = PhiCipher(OLD)


def decrypts_with_the_old_key(record: str) -> bool:
    """Whether the old key decrypts it."""
    try:
        return OLD_CIPHER.decrypt(record) is not None
    except DecryptionError:
        return False


def assert_readable(patients: Patients, rows: int) -> None:
    """Every record decrypts to its text with one key or the other."""
    either, records = PhiCipher(NEW, reading_keys=[OLD]), patients.records()
    texts = zip(*(either.decrypt_many(column) for column in list(zip(*records, strict=True))[1:]), strict=True)
    assert [(row[0], *text) for row, text in zip(records, texts, strict=True)] == expected(rows)


@pytest.mark.thorough
def test_after_several_kills_of_all_processes_a_run_completes(operator: Operator) -> None:
    rows, points = 3000, random.Random(20261125)
    patients = operator.patients
    patients.fill(rows)
    reached = 0
    for _ in range(3):
        point = points.randrange(reached + 1, rows * 9 // 10)
        process = operator.start("--batch", "25")
        wait_until(lambda at=point: patients.rewritten() >= at, process)  # type: ignore[misc]
        kill(process)
        assert_readable(patients, rows)
        rewritten = patients.rewritten()
        assert rewritten >= reached
        reached = min(rewritten, rows * 8 // 10)
    assert operator.run().code == 0
    assert_complete(patients, rows)


def test_a_killed_worker_ends_the_run_and_the_others_finish_their_batches(operator: Operator) -> None:
    patients = operator.patients
    patients.fill(6000)
    process = operator.start("--batch", "5", "--processes", "2", "--json")
    wait_until(lambda: patients.rewritten() > 100, process)
    os.kill(worker_pids(process)[0], signal.SIGKILL)
    done = wait_for(process)
    assert done.code == 1 and "signal 9" in done.document["message"]
    assert patients.rewritten() < 6000
    assert_readable(patients, 6000)


def test_workers_end_when_their_parent_is_killed(operator: Operator) -> None:
    patients = operator.patients
    patients.fill(6000)
    process = operator.start("--batch", "5", "--processes", "2")
    wait_until(lambda: patients.rewritten() > 100, process)
    pids = worker_pids(process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    connected = "select count(*) from pg_stat_activity where application_name = 'eonpro phi reencrypt' and datname = %s"
    while patients.run(connected, patients.database)[0][0]:
        pass
    process.communicate()  # returns once all processes with the pipe have ended
    assert pids
    assert_readable(patients, 6000)


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that the test can stop."""
    with running(*FAST_SETTINGS) as server:
        yield server


@pytest.mark.thorough
def test_a_restart_of_the_server_is_waited_for_and_a_stopped_server_is_reported(
    own_server: Server, operator: Operator
) -> None:
    with own_server.connect() as connection:
        connection.execute(CREATE_TABLE)
    patients = Patients(server=own_server, database="postgres")
    patients.fill(2000)
    mine = replace(operator, patients=patients)
    process = mine.start("--batch", "5", "--processes", "2")
    wait_until(lambda: patients.rewritten() > 100, process)
    own_server.stop()
    own_server.start()
    done = wait_for(process)
    assert done.code == 0, done.stderr
    assert_complete(replace(patients), 2000)

    own_server.stop()
    done = mine.run("--json")
    assert done.code == 1 and re.search(r"connection|socket", done.document["message"])
    own_server.start()


def test_what_a_run_has_proved_survives_a_crash_of_the_server(operator: Operator) -> None:
    """Else the former key is taken away, and the crash brings back records that only it decrypts."""
    # What no commit has flushed stays in memory for so long, and is lost.
    with running(*FAST_SETTINGS, "wal_writer_delay=10s", "wal_buffers=16MB") as server:
        with server.connect() as connection:
            connection.execute(CREATE_TABLE)
        patients = Patients(server=server, database="postgres")
        patients.fill(200)
        patients.run("set synchronous_commit = on")  # the patients themselves are on the disk
        patients.run('select from "Patient" limit 1 for update')
        done = replace(operator, patients=patients).run()
        assert done.code == 0 and server.process, done.stderr
        server.process.send_signal(signal.SIGQUIT)
        server.process.wait()
        server.start()
        assert_complete(replace(patients), 200)
