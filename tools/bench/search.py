"""Search without plain text compared with pg_trgm on a plain column, with a plain indexed column, and with a scan.

Touches a PostgreSQL server of its own in a temporary folder, with PostgreSQL's default settings.

The table is a made-up clinic group's (tests/phi/indexing/clinic_group.py): names as frequent as in a census, 20
clinics, five encrypted columns, and beside them in the clear `searchIndex` and the e-mail address. A search is measured
from the typed text to the decrypted rows, without the false ones; it is one of 2,000.
"""

import hmac
import io
import statistics
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from phi import PhiCipher
from phi.hashes import derived_hash_key
from phi.indexing.command import fill
from phi.indexing.inspection import inspect
from phi.indexing.models import IndexSelection, SearchColumn
from phi.indexing.rows import RowIndexer
from phi.reencryption.database import Database
from phi.reencryption.passes import default_processes
from phi.reencryption.progress import Progress
from phi.search.keys import search_key
from phi.search.words import row_terms
from tests.phi.indexing import clinic_group
from tests.phi.indexing.clinic_group import EMAIL, SOURCES, WORDS, Search
from tests.phi.reencryption.postgres import Server, running
from tools.bench import reencryption
from tools.bench.rows import Bound, Measured, compared

SOME, MANY = 100_000, 1_000_000
"""Patients of the tables."""
SEARCHES, LOOKUPS, SCANS = 2_000, 200, 3
ALLOWED_MS = 25.0
"""For 95 of 100 searches, on an idle machine."""
KEY = bytes(range(32))
_SELECTION = IndexSelection(
    table="Patient",
    key_column="id",
    clinic_column="clinic",
    columns=(SearchColumn(index=WORDS, sources=SOURCES), SearchColumn(index=EMAIL, sources=("email",))),
)
_COLUMNS = ", ".join(f'"{name}"' for name in SOURCES)
Connection = psycopg.Connection[tuple[Any, ...]]


def rows(rounds: int) -> Iterator[Measured]:
    """The rows of this part."""
    with running() as postgres, postgres.connect() as connection:
        clinic_group.fill(connection, MANY, key=KEY)
        connection.execute(clinic_group.ADD_COLUMNS)
        connection.execute('alter table "Patient" add "plainEmail" text')
        connection.execute(
            """update "Patient" set "plainEmail" = (regexp_match("searchIndex", '[^ ]+@[^ ]+'))[1]""",
        )
        _index(postgres, "postgres")
        for statement in (
            'vacuum full analyze "Patient"',
            *clinic_group.CREATE_INDEXES,
            'create index on "Patient" ("plainEmail")',
            "create extension pg_trgm",
            'create index on "Patient" using gin ("searchIndex" gin_trgm_ops)',
        ):
            connection.execute(statement.encode())
        yield _exact(connection, max(rounds, 5))
        yield from _words(connection)
        yield from _sizes(connection)
    with running() as postgres:
        yield from _filling(postgres, min(rounds, 3))


def _filling(postgres: Server, rounds: int) -> Iterator[Measured]:
    with postgres.connect() as connection:
        connection.execute("create database filled")
    with postgres.connect("filled") as connection:
        clinic_group.fill(connection, SOME, key=KEY)
        connection.execute(clinic_group.ADD_COLUMNS)
        connection.execute('vacuum analyze "Patient"')
    ours, by_hand, by_library = sides = ([], [], [])  # type: tuple[list[float], list[float], list[float]]
    for _ in range(rounds):
        for seconds, run in zip(sides, (_index, _script_by_hand, _script_by_library), strict=True):
            with postgres.connect() as connection:
                connection.execute("create database measured template filled strategy file_copy")
                connection.execute("checkpoint")
            started = time.perf_counter()
            run(postgres, "measured")
            seconds.append(time.perf_counter() - started)
            postgres.drop("measured")
    for theirs, words, bound in (
        (by_hand, "a careful script: server-side cursor, executemany, hmac.digest", Bound(at_least=3)),
        (by_library, "the same script with the library's PhiFields", Bound()),
    ):
        yield compared(
            f"`phi index`, filling and proving {SOME:,} rows, times as fast as {words}",
            ours=ours,
            theirs=theirs,
            control=None,
            bound=bound,
            unit="s",
            rates=True,
        )


def _index(postgres: Server, name: str) -> None:
    database = Database(postgres.dsn(name), read_only=True)
    table = inspect(database, _SELECTION, write=True).table
    database.close()
    indexer = RowIndexer(PhiCipher(KEY), derived_hash_key(KEY), table="Patient")
    progress, processes = Progress(io.StringIO()), default_processes()
    result = fill(postgres.dsn(name), table, _SELECTION, indexer, processes=processes, progress=progress)
    assert result.complete and not result.undecryptable


def _script_by_hand(postgres: Server, name: str) -> None:
    """By the definition of the search columns, with what Python has for HMAC and AES-GCM; the search keys are kept."""
    hash_key, unseal = derived_hash_key(KEY), AESGCM(KEY).decrypt
    keys = {
        clinic: (search_key(hash_key, EMAIL, clinic), search_key(hash_key, WORDS, clinic))
        for clinic in range(clinic_group.CLINICS)
    }

    def text(record: str) -> str:
        iv, tag, ciphertext = (b64decode(part) for part in record.split(":"))
        return unseal(iv, ciphertext + tag, None).decode()

    def token(key: bytes, term: str) -> int:
        return int.from_bytes(hmac.digest(key, term.encode(), "sha256")[:4], "big") >> (32 - WORDS.bits)

    def values(number: int, clinic: int, *records: str) -> tuple[object, ...]:
        texts = [text(record) for record in records]
        of_email, of_words = keys[clinic]
        email = hmac.digest(of_email, texts[2].lower().encode(), "sha256").hex()[: EMAIL.bits // 4]
        return email, sorted({token(of_words, term) for term in row_terms(texts)}), number

    _script(postgres, name, values)


def _script_by_library(postgres: Server, name: str) -> None:
    fields = clinic_group.fields_of(KEY)

    def values(number: int, clinic: int, *records: str) -> tuple[object, ...]:
        texts = fields.decrypt_many(records)
        return fields.search_value(EMAIL, texts[2], clinic), fields.search_tokens(WORDS, texts, clinic), number

    _script(postgres, name, values)


def _script(postgres: Server, name: str, values: Callable[..., tuple[object, ...]]) -> None:
    """A careful script: a server-side cursor, executemany, one process, a commit for each batch; no proof."""
    update = b'update "Patient" set "emailSearch" = %s, "searchTokens" = %s where id = %s'
    with (
        psycopg.connect(postgres.dsn(name)) as reading,
        psycopg.connect(postgres.dsn(name)) as writing,
        reading.cursor(name="patients") as cursor,
        writing.cursor() as written,
    ):
        cursor.execute(f'select id, clinic, {_COLUMNS} from "Patient"'.encode())
        while some := cursor.fetchmany(reencryption.COMMIT):
            written.executemany(update, [values(*row) for row in some])
            writing.commit()


def _exact(connection: Connection, rounds: int) -> Measured:
    fields = clinic_group.fields_of(KEY)
    patients = [clinic_group.patient(number) for number in range(1, MANY, MANY // LOOKUPS)]

    def ours() -> float:
        started = time.perf_counter()
        for row in patients:
            values = fields.search_values(EMAIL, row.texts[2], row.clinic)
            listed = ", ".join("%s" for _ in values)
            query = f'select id, {_COLUMNS} from "Patient" where "emailSearch" in ({listed}) and clinic = %s'
            assert connection.execute(query.encode(), (*values, row.clinic)).fetchall()
        return (time.perf_counter() - started) / LOOKUPS * 1000

    def theirs() -> float:
        started = time.perf_counter()
        for row in patients:
            query = f'select id, {_COLUMNS} from "Patient" where "plainEmail" = %s and clinic = %s'
            assert connection.execute(query.encode(), (row.texts[2].lower(), row.clinic)).fetchall()
        return (time.perf_counter() - started) / LOOKUPS * 1000

    ours(), theirs()
    sides = [(ours(), theirs(), theirs()) for _ in range(rounds)]
    one, other, control = zip(*sides, strict=True)
    return compared(
        f"an exact lookup in {MANY:,} patients / by a plain indexed column",
        ours=one,
        theirs=other,
        control=control,
        bound=Bound(at_most=1.2),
        unit="ms",
    )


def _plain(connection: Connection, search: Search) -> list[int]:
    """The rows that hold the words anywhere, by pg_trgm."""
    words = search.query.lower().split()
    where = " and ".join('"searchIndex" like %s' for _ in words)
    query = f'select id, {_COLUMNS} from "Patient" where clinic = %s and {where} order by id'
    return [row[0] for row in connection.execute(query.encode(), (search.clinic, *(f"%{word}%" for word in words)))]


def _wanted(connection: Connection, search: Search, found: list[int]) -> list[int]:
    """Those of `_plain` that have the words at the beginning of a word, or at the end of a phone number."""
    query = 'select id from "Patient" where id = any(%s) and "searchIndex" ~ %s order by id'
    return [row[0] for row in connection.execute(query, (found, search.plain))]


def _words(connection: Connection) -> Iterator[Measured]:
    fields = clinic_group.fields_of(KEY)
    searches = clinic_group.searches(SEARCHES, MANY)
    ours: list[float] = []
    theirs: list[float] = []
    missed = hits = candidates = 0
    for search in searches:
        started = time.perf_counter()
        rows = clinic_group.candidates(connection, fields, search)
        found = clinic_group.true_hits(fields, search, rows)
        ours.append((time.perf_counter() - started) * 1000)
        started = time.perf_counter()
        plain = _plain(connection, search)
        theirs.append((time.perf_counter() - started) * 1000)
        missed += len(set(_wanted(connection, search, plain)) ^ set(found))
        hits += len(found)
        candidates += len(rows)
    p95 = statistics.quantiles(ours, n=20)[-1]
    yield _ratio(
        f"a search of words in {MANY:,} patients, p95, of those allowed", "ms", p95, ALLOWED_MS, Bound(at_most=1)
    )
    plain95 = statistics.quantiles(theirs, n=20)[-1]
    yield _ratio("a search of words, p95 / pg_trgm on plain text", "ms", p95, plain95, Bound())
    medians = statistics.median(ours), statistics.median(theirs)
    yield _ratio("a search of words, median / pg_trgm on plain text", "ms", *medians, Bound())
    scans = [_scan(connection, search) for search in searches[:SCANS]]
    yield _ratio(
        "a search of words, median / decrypting its clinic", "ms", medians[0], statistics.median(scans), Bound()
    )
    yield Measured(
        name=f"rows that {SEARCHES:,} searches miss or find too much, against the plain column",
        unit="",
        ours=None,
        theirs=None,
        ratio=missed,
        control=None,
        bound=Bound(at_most=0),
    )
    yield _ratio("false hits, decrypted and dropped / rows found", "", candidates - hits, hits, Bound())


def _scan(connection: Connection, search: Search) -> float:
    fields = clinic_group.fields_of(KEY)
    started = time.perf_counter()
    query = f'select id, {_COLUMNS} from "Patient" where clinic = %s'
    for _, *records in connection.execute(query.encode(), (search.clinic,)):
        WORDS.matches(search.query, fields.decrypt_many(records))
    return (time.perf_counter() - started) * 1000


def _sizes(connection: Connection) -> Iterator[Measured]:
    indexes: dict[str, Any] = dict(
        connection.execute(
            "select a.attname, sum(pg_relation_size(x.indexrelid)) / 1048576.0 from pg_index x "
            "join pg_attribute a on a.attrelid = x.indrelid and a.attnum = x.indkey[0] "
            "where x.indrelid = '\"Patient\"'::regclass group by 1"
        ).fetchall()
    )
    columns = ("searchTokens", "searchIndex", "emailSearch", "plainEmail")
    sums = ", ".join(f'sum(pg_column_size("{name}")) / 1048576.0' for name in columns)
    (found,) = connection.execute(f'select {sums} from "Patient"'.encode()).fetchall()
    sizes = dict(zip(columns, map(float, found), strict=True))
    for one, other, words in (
        ("searchTokens", "searchIndex", "the column of tokens / the plain column"),
        ("emailSearch", "plainEmail", "the exact column / the plain column"),
    ):
        yield _ratio(f"size of {words}", "MiB", sizes[one], sizes[other], Bound())
        yield _ratio(
            f"size of the index of {words.replace('column /', 'column / that of')}",
            "MiB",
            float(indexes[one]),
            float(indexes[other]),
            Bound(),
        )


def _ratio(name: str, unit: str, ours: float, theirs: float, bound: Bound) -> Measured:
    return Measured(
        name=name,
        unit=unit,
        ours=ours,
        theirs=theirs,
        ratio=ours / theirs if theirs else 0.0,
        control=None,
        bound=bound,
    )


def versions() -> Mapping[str, str]:
    """The versions that the ratios may depend on."""
    return reencryption.versions()
