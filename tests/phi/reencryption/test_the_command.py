"""The command as an operator types it: what it tells, what it refuses, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import stat
import threading
from pathlib import Path

import pytest

from phi import PhiCipher
from tests.phi.reencryption.patients import NEW, OLD, THIRD, expected, plain
from tests.phi.reencryption.the_command import Operator, ended, until, workers, wrapped


def test_a_run_moves_all_records_and_proves_it(operator: Operator) -> None:
    operator.clinic.fill(500)
    done = operator.runs("--batch", "64", "--json")
    assert done.code == 0, done.stderr
    told = done.document
    assert (told["settled"], told["rowsWritten"], told["ended"]) == (True, 500, "well")
    moving, proving = told["passes"]
    assert moving["columns"]["email"]["underOldKey"] == 500
    assert proving["columns"]["email"] | {"rowsNamed": []} == {
        "empty": 0,
        "underNewKey": 500,
        "underOldKey": 0,
        "underNeitherKey": 0,
        "notARecord": 0,
        "rowsNamed": [],
    }
    assert list(plain(operator.clinic.records())) == expected(500)
    assert "No record of these columns needs the old key." in done.stderr


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
    assert operator.runs("--processes", "1", "--allow-unreadable", "1").code == 0
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
    "dsn",
    [
        "postgresql://app:hunter2@/clinic",
        "host=/nowhere password=hunter2",
        "postgresql:///clinic?password=hunter2",
        "host=/nowhere hunter2",
    ],
)
def test_a_dsn_with_a_password_is_refused_and_not_repeated(operator: Operator, dsn: str) -> None:
    done = ended(operator.types("--dsn", dsn, "--table", "Patient", "--columns", "email", "--key-column", "id"))
    assert done.code == 2 and "hunter2" not in done.stdout + done.stderr
    assert "PGPASSFILE" in done.stderr or "neither a URI" in done.stderr


def test_keys_that_are_absent_malformed_or_the_same_are_refused(operator: Operator) -> None:
    done = operator.runs(ENCRYPTED_PHI_KEY="no base64", NEW_ENCRYPTED_PHI_KEY="", AWS_KMS_KEY_ID="")
    assert done.code == 2
    for name in ("AWS_KMS_KEY_ID", "NEW_ENCRYPTED_PHI_KEY"):
        assert f"{name} is not set" in done.stderr
    done = operator.runs(NEW_ENCRYPTED_PHI_KEY=wrapped(b"old, wrapped anew"))
    assert done.code == 2 and "the same data key" in done.stderr
    done = operator.runs(NEW_ENCRYPTED_PHI_KEY=wrapped(b"nobody wrapped this"))
    assert done.code == 1 and "InvalidCiphertextException" in done.stderr


def test_neither_keys_nor_wrapped_keys_are_in_an_argument_or_in_what_is_said(operator: Operator) -> None:
    operator.clinic.fill(300)
    process = operator.starts("--batch", "10")
    seen: set[str] = set()

    def look() -> bool:
        for pid in (process.pid, *workers(process)):
            try:
                seen.add(Path(f"/proc/{pid}/cmdline").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue
        return operator.clinic.moved() == 300

    until(look, process)
    done = ended(process)
    said = "".join((*seen, done.stdout, done.stderr))
    assert seen and done.code == 0
    for key in (OLD, NEW):
        assert key.hex() not in said and key.decode("latin-1") not in said
    assert operator.environment["ENCRYPTED_PHI_KEY"] not in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_in_order_and_the_next_run_goes_on(operator: Operator, number: int, code: int) -> None:
    operator.clinic.fill(2000)
    process = operator.starts("--batch", "5", "--processes", "2")
    until(lambda: operator.clinic.moved() > 50, process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as Ctrl-C at a terminal, which reaches the workers too
    else:
        process.terminate()
    done = ended(process)
    assert done.code == code and "goes on from there" in done.stderr
    moved = operator.clinic.moved()
    assert moved % 5 == 0 and 50 < moved < 2000
    assert operator.runs().code == 0
    assert list(plain(operator.clinic.records())) == expected(2000)


def test_a_checkpoint_spares_the_next_run_what_was_done(operator: Operator, tmp_path: Path) -> None:
    operator.clinic.fill(1000)
    file = tmp_path / "checkpoint"
    work = {"table": "Patient", "columns": ["email", "firstName", "lastName", "phone"], "keyColumn": "id"}
    done = operator.runs("--checkpoint", str(file), "--json", "--batch", "100")
    assert done.code == 0 and not file.exists()

    process = operator.starts("--from", "NEW_ENCRYPTED_PHI_KEY", "--to", "ENCRYPTED_PHI_KEY", "--batch", "1",
        "--processes", "1", "--checkpoint", str(file))  # fmt: skip
    until(file.exists, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    noted = json.loads(file.read_text())
    assert work.items() <= noted.items() and int(noted["after"]) > 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    refused = operator.runs("--checkpoint", str(file))
    assert refused.code == 2 and "another work" in refused.stderr and file.exists()
    back = ("--from", "NEW_ENCRYPTED_PHI_KEY", "--to", "ENCRYPTED_PHI_KEY", "--checkpoint", str(file), "--json")
    done = operator.runs(*back)
    first, last = done.document["passes"][0], done.document["passes"][-1]
    assert first["rows"] == 1000 - int(noted["after"]) and last["rows"] == 1000
    assert list(plain(operator.clinic.records(), OLD)) == expected(1000)


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
    assert "the application writes under it" in done.document["message"]
    assert operator.runs().code == 0
    wanted = [
        (*row[:2], "still under the old key", *row[3:]) if row[0] in (1, 150, 300) else row for row in expected(300)
    ]
    assert list(plain(clinic.records())) == wanted
