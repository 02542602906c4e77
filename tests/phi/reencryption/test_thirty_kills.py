"""A large table goes from plain columns to records, search columns and another key, while everything else goes on.

Its key has two columns, a subscription follows it by a logical replication slot, old and new instances write to it, and
thirty kills meet the commands at any point. Each writer keeps a plain copy beside it, in its own transaction.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
import pytest

from eonpro_phi import PhiCipher
from eonpro_phi.hashes import derived_hash_key
from eonpro_phi.search import ExactIndex, WordIndex
from eonpro_phi.search.keys import ExactKey, WordKey
from tests.phi.reencryption import command_process, test_hash_columns
from tests.phi.reencryption.command_process import kill, wait_for, wait_until, wrapped
from tests.phi.reencryption.conftest import FAST_SETTINGS
from tests.phi.reencryption.patients import CREATE_TABLE, NEW, OLD, Patients
from tests.phi.reencryption.postgres import Server, running
from tests.phi.reencryption.test_hash_columns import HASHES, hash_of, texts_of

pytestmark = [pytest.mark.needs("postgresql"), pytest.mark.thorough, pytest.mark.timeout(3600)]

MANY = 200_000
SECONDS = 300
SEARCHED = ("--words", "email+dob:tokens", "--exact", "email:emailSearch:email", "--clinic-column", "clinic")
WORDS = WordIndex(table="Patient", column="tokens")
EXACT = ExactIndex(table="Patient", column="emailSearch", rule="email")
CIPHERS = {key: PhiCipher(key) for key in (OLD, NEW)}
EITHER = PhiCipher(NEW, reading_keys=[OLD])


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A command, its kills, and the keys that instances write with while it runs; None writes plain texts."""

    command: str
    options: tuple[str, ...]
    kills: int
    writers: tuple[bytes | None, ...]
    key: bytes
    """The key of all records afterwards."""
    variables: tuple[tuple[str, str], ...] = ()


ROTATED = (("ENCRYPTED_PHI_KEY", wrapped(b"wrapped new")), ("ENCRYPTED_PHI_KEYS_FOR_READING", wrapped(b"wrapped old")))
PHASES = (
    Phase(command="encrypt", options=HASHES, kills=10, writers=(None, OLD), key=OLD),
    Phase(command="index", options=SEARCHED, kills=5, writers=(OLD,), key=OLD),
    Phase(command="reencrypt", options=HASHES, kills=10, writers=(OLD, NEW), key=NEW),
    Phase(command="index", options=SEARCHED, kills=5, writers=(NEW,), key=NEW, variables=ROTATED),
)


@pytest.fixture
def followed() -> Iterator[Server]:
    """A server whose write-ahead log can be followed."""
    with running(*FAST_SETTINGS, "wal_level=logical") as server:
        yield server


def test_two_hundred_thousand_patients_survive_thirty_kills(followed: Server, kms: str) -> None:
    patients = Patients(server=followed, database="postgres")
    patients.run(CREATE_TABLE)
    patients.run('alter table "Patient" drop constraint "Patient_pkey", add primary key (clinic, id)')
    patients.run('alter table "Patient" add tokens integer[], add "emailSearch" text')
    test_hash_columns.fill(patients, MANY, key=None)
    patients.run('update "Patient" set clinic = id % 97, "emailHash" = case when id % 2 = 0 then "emailHash" end')
    patients.run('create table plain as select clinic, id, email, dob from "Patient"')
    patients.run("alter table plain add primary key (clinic, id)")
    follower = _subscribed(patients)
    operator = command_process.operator(patients, kms)
    where = ("--dsn", patients.dsn, "--table", "Patient", "--key-column", "clinic+id")
    points, kills = random.Random(20261201), 0
    for phase in PHASES:
        [(started,)] = patients.run("select txid_current()")
        run = (*where, *phase.options)
        variables = dict(phase.variables)
        with _writing(patients, phase, seed=started) as written:
            for left in range(phase.kills, 0, -1):
                row = _row_to_write(patients, started, points.random() / left)
                process = operator.start_bare(
                    *run, "--batch", "50", "--processes", "2", command=phase.command, **variables
                )
                wait_until(lambda at=row: _is_written(patients, at), process, seconds=SECONDS)  # type: ignore[misc]
                assert process.poll() is None, process.communicate()
                kill(process)
                kills += 1
                _assert_nothing_lost(patients)
            [(rows,)] = patients.run('select count(*) from "Patient" where xmin::text::bigint >= %s', started)
        assert rows > MANY / 2 > len(written) > phase.kills, "the command was killed at work, beside writers"
        done = wait_for(operator.start_bare(*run, command=phase.command, **variables), seconds=SECONDS)
        assert done.code == 0, done.stdout + done.stderr
        _assert_complete(patients, phase)
    assert kills == 30
    _assert_followed(patients, follower)


def _row_to_write(patients: Patients, started: int, share: float) -> tuple[Any, ...]:
    """Of the rows that were not written since this transaction, in the order of their keys, the one at this share."""
    where = 'from "Patient" where xmin::text::bigint < %s'
    query = f"select clinic, id, xmin::text {where} order by clinic, id offset (%s * (select count(*) {where}))::int"
    return patients.run(f"{query} limit 1", started, share, started)[0]


def _is_written(patients: Patients, row: tuple[Any, ...]) -> bool:
    return patients.run('select 1 from "Patient" where (clinic, id, xmin::text) = (%s, %s, %s)', *row) == []


@contextmanager
def _writing(patients: Patients, phase: Phase, *, seed: int) -> Iterator[list[int]]:
    """Instances that write until the end of the block: the rows that they have committed."""
    written: list[int] = []
    ended = threading.Event()
    thread = threading.Thread(target=_write, args=(patients, phase, random.Random(seed), ended, written))
    thread.start()
    try:
        yield written
    finally:
        ended.set()
        thread.join()


def _write(patients: Patients, phase: Phase, chance: random.Random, ended: threading.Event, written: list[int]) -> None:
    with psycopg.connect(patients.dsn) as connection:
        while not ended.wait(0.02):
            number = chance.randrange(MANY * 2)
            key = (number % 97, number)
            if chance.random() < 0.1:
                for table in ('"Patient"', "plain"):
                    connection.execute(f"delete from {table} where (clinic, id) = (%s, %s)", key)
            else:
                texts = texts_of(chance.randrange(MANY))
                values = _values(*texts, key[0], chance.choice(phase.writers))
                _put(connection, '"Patient"', key, values if chance.random() < 0.5 else values[:4])
                _put(connection, "plain", key, texts)
            connection.commit()
            written.append(number)


def _values(email: str | None, dob: str | None, clinic: int, key: bytes | None) -> tuple[object, ...]:
    """What an instance writes with this key: older ones write no search columns, the last two."""
    hashes = hash_of("email", email, key or OLD), hash_of("dob", dob, key or OLD)
    records = (CIPHERS[key].encrypt(email), CIPHERS[key].encrypt(dob)) if key else (email, dob)
    return (*records, *hashes, *_search_values(email, dob, clinic, key or OLD))


def _search_values(email: str | None, dob: str | None, clinic: int, key: bytes) -> tuple[list[int] | None, str | None]:
    words, exact = _search_keys(clinic, key)
    return words.row_tokens([email, dob]), exact.value(email)


@cache
def _search_keys(clinic: int, key: bytes) -> tuple[WordKey, ExactKey]:
    hash_key = derived_hash_key(key)
    return WordKey(hash_key, WORDS, clinic), ExactKey(hash_key, EXACT, clinic)


def _put(connection: psycopg.Connection[Any], table: str, key: tuple[int, int], values: tuple[object, ...]) -> None:
    names = ("email", "dob", '"emailHash"', '"dobHash"', "tokens", '"emailSearch"')[: len(values)]
    sets = ", ".join(f"{name} = excluded.{name}" for name in names)
    connection.execute(
        f"insert into {table} (clinic, id, {', '.join(names)}) values ({', '.join(['%s'] * (len(values) + 2))}) "
        f"on conflict (clinic, id) do update set {sets}",
        (*key, *values),
    )


def _assert_nothing_lost(patients: Patients) -> None:
    """Each row of the plain copy is there, with its texts, as they are or as records of one key or the other."""
    rows = patients.run(
        "select a.email, a.dob, a.clinic is null or b.clinic is null, b.email, b.dob "
        'from "Patient" a full join plain b using (clinic, id)'
    )
    for email, dob, missing, *texts in rows:
        assert not missing and [_text(email), _text(dob)] == texts


def _text(value: str | None) -> str | None:
    return EITHER.decrypt(value) if value and value.count(":") == 2 else value


def _assert_complete(patients: Patients, phase: Phase) -> None:
    """Each row opens with the phase's key alone, and is found by its hashes; after `index` by its search columns."""
    cipher = CIPHERS[phase.key]
    rows = patients.run(
        'select a.clinic, a.email, a.dob, a."emailHash", a."dobHash", a.tokens, a."emailSearch", b.email, b.dob '
        'from "Patient" a full join plain b using (clinic, id)'
    )
    for clinic, email, dob, email_hash, dob_hash, *searched, email_text, dob_text in rows:
        assert (cipher.decrypt(email), cipher.decrypt(dob)) == (email_text, dob_text)
        assert (email_hash, dob_hash) == (hash_of("email", email_text, phase.key), hash_of("dob", dob_text, phase.key))
        if phase.command == "index":
            assert tuple(searched) == _search_values(email_text, dob_text, clinic, phase.key)


def _subscribed(patients: Patients) -> psycopg.Connection[tuple[Any, ...]]:
    """A database that follows the table from now on, by a logical replication slot."""
    patients.run("create database follower")
    patients.run('create publication changes for table "Patient" (clinic, id, email, dob, tokens)')
    follower = patients.server.connect("follower")
    follower.execute(
        'create table "Patient" (clinic int, id bigint, email text, dob text, tokens int[], primary key (clinic, id))'
    )
    # A subscription in the same server cannot make its slot: it would wait for itself.
    patients.run("select pg_create_logical_replication_slot('followed', 'pgoutput')")
    follower.execute(
        f"create subscription following connection '{patients.dsn}' publication changes "
        "with (slot_name = followed, create_slot = false)"
    )
    return follower


def _assert_followed(patients: Patients, follower: psycopg.Connection[tuple[Any, ...]]) -> None:
    """The follower has the same rows, once it has confirmed all that was written."""
    [(end,)] = patients.run("select pg_current_wal_lsn()")
    limit = time.monotonic() + SECONDS
    while not patients.run("select 1 from pg_replication_slots where confirmed_flush_lsn >= %s", end):
        assert time.monotonic() < limit, (patients.server.folder / "log").read_text()[-2000:]
    rows = 'select clinic, id, email, dob, tokens from "Patient" order by clinic, id'
    assert follower.execute(rows).fetchall() == patients.run(rows)
    follower.execute("drop subscription following")
    follower.close()
