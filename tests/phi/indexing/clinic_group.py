"""A made-up clinic group: patients with names as frequent as real ones, their plain search text, and searches.

Touches the database passed to it. Everything is seeded: the same numbers give the same patients.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg

from eonpro_phi import CachedKey, PhiCipher, PhiFields
from eonpro_phi.search import ExactIndex, WordIndex
from tests.phi.key_sources import CountingSource

SOURCES = ("firstName", "lastName", "email", "phone", "patientId")
WORDS = WordIndex(table="Patient", column="searchTokens", bits=20)
EMAIL = ExactIndex(table="Patient", column="emailSearch", rule="email")
ARGUMENTS = (
    *("--table", "Patient", "--key-column", "id", "--clinic-column", "clinic"),
    *("--words", f"{'+'.join(SOURCES)}:searchTokens:20", "--exact", "email:emailSearch:email"),
)
CLINICS = 20

CREATE = """
create table "Patient" (
    id bigint primary key, clinic int not null, "firstName" text, "lastName" text, email text, phone text,
    "patientId" text, "searchIndex" text not null, visits int not null default 0
)
"""
ADD_COLUMNS = 'alter table "Patient" add "emailSearch" text, add "searchTokens" integer[]'
CREATE_INDEXES = (
    'create index on "Patient" ("emailSearch")',
    'create index on "Patient" using gin ("searchTokens")',
    'create index on "Patient" (clinic)',
)

_SYLLABLES = (
    "an ba be bri ca da de el en fa ga ha il ja jo ka ke la le li lo ma me mi na ne no o'p pa ra ri ro sa sha ta"
)
_SYLLABLES += " ti va wi"


@cache
def names(kind: str, number: int) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Made-up names and how frequent each is: by Zipf's law, as names are in a census."""
    generator = random.Random(f"{kind}{number}")
    found: dict[str, None] = {}
    while len(found) < number:
        found["".join(generator.choices(_SYLLABLES.split(), k=generator.choice((2, 2, 3, 3, 4)))).title()] = None
    total, weights = 0.0, []
    for rank in range(1, number + 1):
        total += 1 / (rank + 8)
        weights.append(total)
    return tuple(found), tuple(weights)


@dataclass(frozen=True, kw_only=True)
class Patient:
    """A patient of the group, in the clear."""

    id: int
    clinic: int
    texts: tuple[str, str, str, str, str]

    @property
    def search_index(self) -> str:
        """The plain column that EONPRO searches with `contains`: lower case, with spaces between."""
        return " ".join(self.texts).lower()


def patient(number: int, *, seed: int = 0) -> Patient:
    """The patient of that number; the same one each time."""
    generator = random.Random(seed * 10**9 + number)
    first_names, first = names("first", 2000)
    last_names, last = names("last", 20_000)
    (one,), (two,) = (
        generator.choices(first_names, cum_weights=first),
        generator.choices(last_names, cum_weights=last),
    )
    mailbox = f"{one}.{two}{number % 1000}".lower().replace("'", "")
    return Patient(
        id=number,
        clinic=generator.randrange(CLINICS),
        texts=(
            one,
            two,
            f"{mailbox}@{generator.choice(('example', 'mail', 'post'))}.org",
            f"{generator.randrange(200, 1000)}{generator.randrange(10**7):07d}",
            f"E{generator.randrange(10**8):08d}",
        ),
    )


def fill(connection: psycopg.Connection[Any], count: int, *, key: bytes | None) -> None:
    """A table of that many patients, encrypted under the key or plain, with their plain search text."""
    connection.execute(CREATE)
    cipher = PhiCipher(key) if key else None
    columns = ", ".join(f'"{name}"' for name in SOURCES)
    with connection.cursor().copy(f'copy "Patient" (id, clinic, {columns}, "searchIndex") from stdin') as copy:
        for number in range(1, count + 1):
            row = patient(number)
            copy.write_row(
                (row.id, row.clinic, *(cipher.encrypt_many(row.texts) if cipher else row.texts), row.search_index)
            )


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search in a clinic, as somebody types it."""

    clinic: int
    query: str

    @property
    def plain(self) -> str:
        """What finds it in the plain text, for PostgreSQL's `~`: each word of it begins a word, or ends a phone number.

        Made for the words of this module, without the code that is tested.
        """
        words = self.query.lower().split()
        return "".join(
            f"(?=.*(?:(?:^|[^a-z0-9]){word}"
            + (f"|(?:^|[^a-z0-9])[0-9]+{word}(?: |$)" if word.isdigit() and len(word) >= 4 else "")
            + "))"
            for word in words
        )


def searches(count: int, patients: int, *, seed: int = 30) -> list[Search]:
    """First letters of names, e-mails, ends of phone numbers, ids, and names of nobody."""
    generator = random.Random(seed)
    found = []
    for number in range(count):
        row = patient(generator.randrange(1, patients + 1))
        first, last, email, phone, identifier = (text.lower() for text in row.texts)
        query = (
            f"{first[: generator.randrange(3, 8)]} {last[: generator.randrange(1, 6)]}",
            last[: generator.randrange(4, 12)],
            email.split("@")[0].replace(".", " "),
            phone[-generator.randrange(4, 11) :],
            phone[: generator.randrange(5, 9)],
            identifier[: generator.randrange(5, 10)],
            f"{first} {phone[-4:]}",
            f"zz{last}",
        )[number % 8]
        # An apostrophe at the end of a word separates nothing in a query, and something in the plain column.
        found.append(Search(clinic=row.clinic, query=re.sub(r"'(?= |$)", "", query)))
    return found


def fields_of(
    *data_keys: bytes, hash_key: bytes | None = None, former: Sequence[bytes] = (), derived: bool = False
) -> PhiFields:
    """The library of an application with these keys, without KMS."""

    def cached(*keys: bytes) -> CachedKey:
        sources = [CountingSource(key) for key in keys]
        return CachedKey(sources[0], reading_keys=sources[1:])

    return PhiFields(
        cached(*data_keys),
        hash_key=cached(hash_key) if hash_key else None,
        former_hash_keys=[cached(key) for key in former],
        derived_hash_keys=derived,
    )


def by_plain_text(connection: psycopg.Connection[Any], search: Search) -> list[int]:
    """The ids that the plain column finds."""
    query = 'select id from "Patient" where clinic = %s and "searchIndex" ~ %s order by id'
    return [row[0] for row in connection.execute(query, (search.clinic, search.plain))]


def candidates(connection: psycopg.Connection[Any], fields: PhiFields, search: Search) -> list[tuple[Any, ...]]:
    """Id and records of the rows that have the tokens of the search."""
    groups = fields.search_groups(WORDS, search.query, search.clinic)
    if not groups:
        return []
    columns = ", ".join(f'"{name}"' for name in SOURCES)
    where = " and ".join('"searchTokens" && %s::integer[]' for _ in groups)
    query = f'select id, {columns} from "Patient" where clinic = %s and {where} order by id'
    return connection.execute(query, (search.clinic, *groups)).fetchall()


def by_tokens(connection: psycopg.Connection[Any], fields: PhiFields, search: Search) -> list[int]:
    """The ids that the tokens find, after the false hits were dropped."""
    return true_hits(fields, search, candidates(connection, fields, search))


def true_hits(fields: PhiFields, search: Search, rows: Sequence[tuple[Any, ...]]) -> list[int]:
    """The ids of those candidates that match."""
    return [row[0] for row in rows if WORDS.matches(search.query, [_text(fields, record) for record in row[1:]])]


def _text(fields: PhiFields, value: str) -> str | None:
    return fields.decrypt(value) if value.count(":") == 2 else value
