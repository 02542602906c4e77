"""The command as an operator types it: what it tells, what it refuses, and how it ends."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from phi import PhiCipher
from phi.reencryption.checkpoint import Checkpoint, Work
from tests.phi.reencryption.patients import ASSIGNMENT, NEW, OLD, THIRD, expected, plain
from tests.phi.reencryption.the_command import Operator, ended, until, workers, wrapped

pytestmark = pytest.mark.needs("postgresql")


def test_a_run_moves_all_records_and_proves_it_and_shows_no_key(operator: Operator) -> None:
    clinic = operator.clinic
    clinic.fill(500)
    process = operator.starts("--batch", "16", "--json")
    seen: set[str] = set()

    def look() -> bool:
        for pid in (process.pid, *workers(process)):
            with suppress(FileNotFoundError, ProcessLookupError):
                seen.add(Path(f"/proc/{pid}/cmdline").read_text())
        return clinic.moved() == 500

    until(look, process)
    done = ended(process)
    assert done.code == 0, done.stderr
    told = done.document
    assert (told["settled"], told["rowsWritten"], told["ended"]) == (True, 500, "well")
    moving, proving = told["passes"]
    assert moving["columns"]["email"]["underOldKey"] == proving["columns"]["email"]["underNewKey"] == 500
    assert not proving["rowsWritten"] and not any(each["underOldKey"] for each in proving["columns"].values())
    assert list(plain(clinic.records())) == expected(500)
    assert "No record of these columns needs the old key." in done.stderr

    said = "".join((*seen, done.stdout, done.stderr))
    assert any("reencrypt" in each for each in seen)
    for key in (OLD, NEW):
        assert key.hex() not in said and key.decode("latin-1") not in said
    assert operator.environment["ENCRYPTED_PHI_KEY"] not in said


def test_a_dry_run_counts_and_writes_nothing(operator: Operator) -> None:
    clinic = operator.clinic
    clinic.fill(40)
    clinic.fill(5, first=41, key=NEW)
    clinic.fill(2, first=46, key=THIRD)
    clinic.run('update "Patient" set email = %s where id = 9', "jane@example.org")
    before, counted = clinic.versions(), clinic.run("select pg_current_xact_id_if_assigned(), txid_current()")
    done = operator.runs("--dry-run", "--json", "--processes", "1")
    assert done.code == 1
    (look,) = done.document["passes"]
    assert look["columns"]["email"] == {
        "empty": 0,
        "underNewKey": 5,
        "underOldKey": 39,
        "underNeitherKey": 2,
        "notARecord": 1,
        "rowsNamed": ["9", "46", "47"],
    }
    assert look["columns"]["phone"]["empty"] == 6
    assert clinic.versions() == before
    # Whoever writes anything is given a number of its own: the next one is ours again.
    assert clinic.run("select txid_current()")[0][0] == counted[0][1] + 1
    assert "jane@example.org" not in done.stdout + done.stderr


def test_values_that_no_key_opens_are_named_and_may_be_accepted(operator: Operator) -> None:
    clinic = operator.clinic
    clinic.fill(10)
    theirs = PhiCipher(THIRD).encrypt("Jane")
    clinic.run('update "Patient" set "lastName" = %s where id = 4', theirs)
    done = operator.runs("--processes", "1")
    assert done.code == 1 and "id: 4" in done.stdout and "--allow-unreadable 1" in done.stdout
    assert clinic.run('select "lastName" from "Patient" where id = 4') == [(theirs,)]
    third = {"THIRD": wrapped(b"wrapped third")}
    assert operator.runs("--processes", "1", "--from", "ENCRYPTED_PHI_KEY", "--from", "THIRD", **third).code == 0
    assert next(row for row in plain(clinic.records()) if row[0] == 4)[2] == "Jane"


def test_what_stands_in_the_way_is_told_at_once_and_nothing_is_written(operator: Operator) -> None:
    operator.clinic.fill(3)
    before = operator.clinic.versions()
    columns = "email,clinic,Phone"
    done = ended(
        operator.types(
            "--dsn",
            operator.clinic.dsn,
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
        "lastName may be NULL; the rows are told apart by --key-column, which may not",
        "lastName has no unique index of its own (valid, of all rows, not deferrable), by which rows are told apart",
        "clinic is integer; a record is stored as text or varchar",
        "there is no column Phone (there is phone)",
    ]
    assert operator.clinic.versions() == before


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.thorough)]
)
def test_a_signal_ends_it_in_order_and_the_next_run_goes_on(operator: Operator, number: int, code: int) -> None:
    operator.clinic.fill(6000)
    process = operator.starts("--batch", "5", "--processes", "2")
    until(lambda: operator.clinic.moved() > 50, process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as Ctrl-C at a terminal, which reaches the workers too
    else:
        process.terminate()
    done = ended(process)
    assert done.code == code and "goes on from there" in done.stderr
    moved = operator.clinic.moved()
    assert moved % 5 == 0 and 50 < moved < 6000
    assert operator.runs().code == 0
    assert list(plain(operator.clinic.records())) == expected(6000)


def test_a_second_signal_ends_it_at_once_whatever_a_worker_waits_for(operator: Operator) -> None:
    clinic = operator.clinic
    clinic.fill(200)
    with clinic.server.connect(clinic.database) as theirs:
        theirs.execute("begin")
        theirs.execute('select from "Patient" where id = 100 for update')
        process = operator.starts("--batch", "50", "--processes", "2")
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = %s"
        until(lambda: clinic.run(waits, clinic.database)[0][0] > 0, process)
        process.send_signal(signal.SIGINT)
        status = Path(f"/proc/{process.pid}/status")
        until(lambda: "ShdPnd:\t0000000000000000" in status.read_text(), process)  # it has the first one
        process.send_signal(signal.SIGINT)
        done = ended(process)
    assert done.code == 130 and "at once" in done.stderr
    assert clinic.moved() % 50 == 0


def test_a_checkpoint_spares_the_next_run_what_was_done(operator: Operator, tmp_path: Path) -> None:
    operator.clinic.fill(3000)
    file = tmp_path / "checkpoint"
    work = {"table": "Patient", "columns": ["email", "firstName", "lastName", "phone"], "keyColumn": "id"}
    process = operator.starts("--batch", "1", "--processes", "1", "--checkpoint", str(file))
    until(file.exists, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    noted = json.loads(file.read_text())
    assert work.items() <= noted.items() and int(noted["after"]) > 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    done = operator.runs("--checkpoint", str(file), "--json")
    first, last = done.document["passes"][0], done.document["passes"][-1]
    assert first["rows"] == 3000 - int(noted["after"]) and last["rows"] == 3000
    assert list(plain(operator.clinic.records())) == expected(3000) and not file.exists()


def test_a_checkpoint_that_says_too_much_is_only_a_hint(operator: Operator, tmp_path: Path) -> None:
    operator.clinic.fill(20)
    file = tmp_path / "checkpoint"
    work = Work(assignment=ASSIGNMENT, to=f"sha256:{hashlib.sha256(b'wrapped new').hexdigest()[:16]}")
    Checkpoint(file, work).note("20", now=True)
    done = operator.runs("--checkpoint", str(file), "--json", "--processes", "1")
    assert done.code == 0 and [each["rows"] for each in done.document["passes"]] == [0, 20, 20]
    assert list(plain(operator.clinic.records())) == expected(20)


def test_an_application_that_goes_on_under_the_old_key_is_told_of(operator: Operator) -> None:
    clinic = operator.clinic
    clinic.fill(300)
    record = PhiCipher(OLD).encrypt("still under the old key")
    over = threading.Event()

    def write() -> None:
        with clinic.server.connect(clinic.database) as theirs:
            while not over.is_set():
                theirs.execute('update "Patient" set "lastName" = %s where id in (1, 150, 300)', (record,))

    application = threading.Thread(target=write)
    application.start()
    try:
        done = operator.runs("--passes", "3", "--json", "--batch", "20")
    finally:
        over.set()
        application.join()
    assert done.code == 1 and not done.document["settled"] and len(done.document["passes"]) == 3
    assert "still found records under the old key" in done.document["message"]
    assert operator.runs().code == 0
    wanted = [
        (*row[:2], "still under the old key", *row[3:]) if row[0] in (1, 150, 300) else row for row in expected(300)
    ]
    assert list(plain(clinic.records())) == wanted
