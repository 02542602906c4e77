"""The other ways to re-encrypt the table of the benchmark; each returns its seconds, and none verifies its records.

Touches the database of the DSN; the application's loop starts Node.
"""

import subprocess
import time
from base64 import b64decode, b64encode
from os import urandom
from pathlib import Path

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.conninfo import conninfo_to_dict

FOLDER = Path(__file__).parent
PGCRYPTO_OPTIONS = "cipher-algo=aes256, compress-algo=0, s2k-mode=1"
"""The fastest that fits: a random key needs no key stretching (s2k-mode 3, the default, takes 100 times as long)."""


def script(dsn: str, *, old: bytes, new: bytes, columns: tuple[str, ...], batch: int) -> float:
    """A careful script: a server-side cursor, executemany, one process, and a commit for each batch."""
    unseal, seal = AESGCM(old).decrypt, AESGCM(new).encrypt
    names = [f'"{name}"' for name in columns]
    update = f"update patients set {', '.join(f'{name} = %s' for name in names)} where id = %s"

    def reencrypted(record: str) -> str:
        iv, tag, ciphertext = (b64decode(part) for part in record.split(":"))
        text = unseal(iv, ciphertext + tag, None)
        new_iv = urandom(16)
        sealed = seal(new_iv, text, None)
        return ":".join(b64encode(part).decode() for part in (new_iv, sealed[-16:], sealed[:-16]))

    started = time.perf_counter()
    with (
        psycopg.connect(dsn) as reading,
        psycopg.connect(dsn) as writing,
        reading.cursor(name="patients") as rows,
        writing.cursor() as cursor,
    ):
        rows.execute(f"select id, {', '.join(names)} from patients".encode())
        while some := rows.fetchmany(batch):
            cursor.executemany(update.encode(), [(*map(reencrypted, row[1:]), row[0]) for row in some])
            writing.commit()
    return time.perf_counter() - started


def application(dsn: str) -> float:
    """An application's loop in Node: a page of rows, then one UPDATE for each."""
    # Here, for the memory of the process that re-encrypts, and imports this module, is measured.
    from tools.node_package import packages

    parameters = conninfo_to_dict(dsn)
    program = packages(FOLDER).parent / "row_by_row.mjs"
    program.write_bytes((FOLDER / program.name).read_bytes())
    command = ["node", str(program), str(parameters["host"]), str(parameters["dbname"])]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def pgcrypto_records(
    connection: psycopg.Connection[tuple[object, ...]], *, key: bytes, columns: tuple[str, ...]
) -> None:
    """Turn the texts of the columns into records of pgcrypto, in base64."""
    connection.execute("create extension pgcrypto")
    changes = ", ".join(
        f"\"{name}\" = encode(pgp_sym_encrypt(\"{name}\", %(key)s, '{PGCRYPTO_OPTIONS}'), 'base64')" for name in columns
    )
    connection.execute(f"update patients set {changes}".encode(), {"key": key.hex()})


def pgcrypto(dsn: str, *, old: bytes, new: bytes, columns: tuple[str, ...]) -> float:
    """The database's own re-encryption by pgcrypto, in one statement; the server sees keys and texts."""
    changes = ", ".join(
        f'"{name}" = encode(pgp_sym_encrypt(pgp_sym_decrypt(decode("{name}", \'base64\'), %(old)s), %(new)s, '
        f"'{PGCRYPTO_OPTIONS}'), 'base64')"
        for name in columns
    )
    with psycopg.connect(dsn, autocommit=True) as connection:
        started = time.perf_counter()
        connection.execute(f"update patients set {changes}".encode(), {"old": old.hex(), "new": new.hex()})
        return time.perf_counter() - started
