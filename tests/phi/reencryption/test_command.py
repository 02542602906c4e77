"""The command as an operator runs it: its output, its errors and its exit codes."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from eonpro_phi import PhiCipher
from tests.phi.reencryption.command_process import Operator, wait_for, wait_until, worker_pids, wrapped
from tests.phi.reencryption.patients import NEW, OLD, THIRD, decrypt_rows, expected

pytestmark = pytest.mark.needs("postgresql")


def test_a_run_re_encrypts_all_records_proves_it_and_shows_no_key(operator: Operator) -> None:
    patients = operator.patients
    patients.fill(500)
    process = operator.start("--batch", "16", "--json")
    command_lines: set[str] = set()

    def all_rewritten() -> bool:
        for pid in (process.pid, *worker_pids(process)):
            with suppress(FileNotFoundError, ProcessLookupError):
                command_lines.add(Path(f"/proc/{pid}/cmdline").read_text())
        return patients.rewritten() == 500

    wait_until(all_rewritten, process)
    done = wait_for(process)
    assert done.code == 0, done.stderr
    document = done.document
    assert (document["complete"], document["rowsWritten"], document["succeeded"]) == (True, 500, True)
    assert document["seconds"] > 0
    first, last = document["passes"]
    assert first["columns"]["email"]["underOldKey"] == last["columns"]["email"]["underNewKey"] == 500
    assert not last["rowsWritten"] and not any(each["underOldKey"] for each in last["columns"].values())
    assert list(decrypt_rows(patients.records())) == expected(500)
    assert "No record of these columns needs the old key." in done.stderr

    output = "".join((*command_lines, done.stdout, done.stderr))
    assert any("reencrypt" in line for line in command_lines)
    for key in (OLD, NEW):
        assert key.hex() not in output and key.decode("latin-1") not in output
    assert operator.environment["ENCRYPTED_PHI_KEY"] not in output


def test_a_dry_run_counts_and_writes_nothing(operator: Operator) -> None:
    patients = operator.patients
    patients.fill(40)
    patients.fill(5, first=41, key=NEW)
    patients.fill(2, first=46, key=THIRD)
    patients.run('update "Patient" set email = %s where id = 9', "jane@example.org")
    before, transaction_id = (
        patients.versions(),
        patients.run("select pg_current_xact_id_if_assigned(), txid_current()"),
    )
    done = operator.run("--dry-run", "--json", "--processes", "1")
    assert done.code == 1
    (counts,) = done.document["passes"]
    assert counts["columns"]["email"] == {
        "empty": 0,
        "underNewKey": 5,
        "underOldKey": 39,
        "underNeitherKey": 2,
        "notARecord": 1,
        "notBoundAsRead": 0,
        "withoutTenant": 0,
        "valuesWithRecordsInside": 0,
        "valuesWithoutRecords": 0,
        "exampleRows": ["9", "46", "47"],
    }
    assert counts["columns"]["phone"]["empty"] == 6
    assert patients.versions() == before
    # Every writing transaction takes an id: the next one here has the following id.
    assert patients.run("select txid_current()")[0][0] == transaction_id[0][1] + 1
    assert "jane@example.org" not in done.stdout + done.stderr


@pytest.mark.thorough
def test_undecryptable_values_are_listed_and_can_be_accepted(operator: Operator) -> None:
    patients = operator.patients
    patients.fill(10)
    other = PhiCipher(THIRD).encrypt("Jane")
    patients.run('update "Patient" set "lastName" = %s where id = 4', other)
    done = operator.run("--processes", "1")
    assert done.code == 1 and "id: 4" in done.stdout and "--allow-unreadable 1" in done.stdout
    assert patients.run('select "lastName" from "Patient" where id = 4') == [(other,)]
    third = {"THIRD": wrapped(b"wrapped third")}
    assert operator.run("--processes", "1", "--from", "ENCRYPTED_PHI_KEY", "--from", "THIRD", **third).code == 0
    assert next(row for row in decrypt_rows(patients.records()) if row[0] == 4)[2] == "Jane"


def test_all_problems_are_reported_at_once_and_nothing_is_written(operator: Operator) -> None:
    operator.patients.fill(3)
    before = operator.patients.versions()
    columns = "email,clinic,Phone"
    done = wait_for(
        operator.start_bare(
            "--dsn",
            operator.patients.dsn,
            "--table",
            "Patient",
            "--columns",
            columns,
            "--key-column",
            "lastName",
            "--json",
        )
    )
    assert done.code == 2
    assert done.document["problems"] == [
        "lastName may be NULL; --key-column must be NOT NULL, because it identifies the rows",
        "lastName has no unique index of its own (valid, for all rows, not deferrable); --key-column needs one",
        "clinic is integer; a record needs text or varchar",
        "there is no column Phone (did you mean phone?)",
    ]
    assert operator.patients.versions() == before


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.thorough)]
)
def test_a_signal_stops_it_after_its_batches_and_the_next_run_continues(
    operator: Operator, number: int, code: int
) -> None:
    operator.patients.fill(6000)
    process = operator.start("--batch", "5", "--processes", "2")
    wait_until(lambda: operator.patients.rewritten() > 50, process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as Ctrl-C at a terminal, which reaches the workers too
    else:
        process.terminate()
    done = wait_for(process)
    assert done.code == code and "continues from there" in done.stderr
    rewritten = operator.patients.rewritten()
    assert rewritten % 5 == 0 and 50 < rewritten < 6000
    assert operator.run().code == 0
    assert list(decrypt_rows(operator.patients.records())) == expected(6000)


def test_a_second_signal_stops_it_at_once(operator: Operator) -> None:
    patients = operator.patients
    patients.fill(200)
    with patients.server.connect(patients.database) as other:
        other.execute("begin")
        other.execute('select from "Patient" where id = 100 for update')
        process = operator.start("--batch", "50", "--processes", "2")
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = %s"
        wait_until(lambda: patients.run(waits, patients.database)[0][0] > 0, process)
        process.send_signal(signal.SIGINT)
        status = Path(f"/proc/{process.pid}/status")
        wait_until(lambda: "ShdPnd:\t0000000000000000" in status.read_text(), process)  # the first signal was delivered
        process.send_signal(signal.SIGINT)
        done = wait_for(process)
    assert done.code == 130 and "at once" in done.stderr
    assert patients.rewritten() % 50 == 0


@pytest.mark.thorough
def test_an_application_that_still_writes_with_the_old_key_is_reported(operator: Operator) -> None:
    patients = operator.patients
    patients.fill(300)
    record = PhiCipher(OLD).encrypt("still under the old key")
    stop = threading.Event()

    def write() -> None:
        with patients.server.connect(patients.database) as other:
            while not stop.is_set():
                other.execute('update "Patient" set "lastName" = %s where id in (1, 150, 300)', (record,))

    application = threading.Thread(target=write)
    application.start()
    try:
        done = operator.run("--passes", "3", "--json", "--batch", "20")
    finally:
        stop.set()
        application.join()
    assert done.code == 1 and not done.document["complete"] and len(done.document["passes"]) == 3
    assert "still found records under the old key" in done.document["message"]
    assert operator.run().code == 0
    expected_rows = [
        (*row[:2], "still under the old key", *row[3:]) if row[0] in (1, 150, 300) else row for row in expected(300)
    ]
    assert list(decrypt_rows(patients.records())) == expected_rows
