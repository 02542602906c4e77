"""What somebody recovers from search columns who has the table and public statistics: `python -m tools.search_leak`.

Touches standard output. Everything is seeded: the figures of docs/phi/search.md are those of this program.

The patients are the made-up ones of the benchmark (tests/phi/indexing/clinic_group.py), with dates of birth beside
them. The attacker has no key. They know how frequent each name, date and ending is, and how the application makes its
e-mail addresses: they draw a population of their own, and compare.

- Exact columns: frequency matching. The most frequent value is taken for the most frequent name, and so on down
  (Naveed, Kamara, Wright: Inference Attacks on Property-Preserving Encrypted Databases, 2015).
- Words: tokens are matched with prefixes by how frequent they are, then again by which stand together in rows, until
  nothing changes. A patient counts as recovered when the whole first name, or last name, is named rightly.
"""

import json
import random
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from phi.search.indexes import WordIndex
from phi.search.keys import WordKey
from phi.search.words import PREFIX, row_terms
from tests.phi.indexing.clinic_group import CLINICS, Patient, patient

KEY = bytes(range(32))
ROWS = 20_000
"""Patients of the table, and of the population that the attacker draws."""
TOP = 300
"""Tokens that are matched: the most frequent ones."""
WINDOW, ROUNDS = 20, 4
"""Prefixes on each side that a token is compared with, by rank; and rounds at most."""

Shares = dict[str, float]
"""The share of patients that are recovered, by what."""


def birthday(number: int, *, seed: int = 0) -> str:
    """A patient's date of birth: fewer for the old, every day of a year alike."""
    generator = random.Random(f"{seed} {number}")
    return str(date(2026, 1, 1) - timedelta(days=int(generator.triangular(0, 95 * 365, 30 * 365))))


def matched(rows: Sequence[str], public: Iterable[str]) -> float:
    """The share of rows whose text is named rightly by how frequent its value is. A value stands for its hash."""
    counts = Counter(rows)
    # Nobody knows the order of equally frequent values.
    order = sorted(counts, key=lambda text: (-counts[text], zlib.crc32(text.encode())))
    guesses = [text for text, _ in Counter(public).most_common()]
    return sum(counts[text] for text, guess in zip(order, guesses, strict=False) if text == guess) / len(rows)


def exact_shares(rows: Sequence[Patient], public: Sequence[Patient]) -> Shares:
    """By exact columns."""
    columns = {"first name": 0, "last name": 1, "e-mail": 2}
    shares = {
        name: matched([row.texts[at] for row in rows], [row.texts[at] for row in public])
        for name, at in columns.items()
    }
    shares["date of birth"] = matched([birthday(row.id) for row in rows], [birthday(row.id, seed=1) for row in public])
    shares["last four digits"] = matched([row.texts[3][-4:] for row in rows], [row.texts[3][-4:] for row in public])
    return shares


def word_shares(rows: Sequence[Patient], public: Sequence[Patient], bits: int, clinic: str = "") -> Shares:
    """By a column of tokens."""
    key = WordKey(KEY, WordIndex(table="Patient", column="searchTokens", bits=bits), clinic)
    hashed: dict[str, int] = {}

    def tokens(row: Patient) -> frozenset[int]:
        terms = row_terms(row.texts)
        new = [term for term in terms if term not in hashed]
        hashed.update(zip(new, key.tokens(new), strict=True))
        return frozenset(hashed[term] for term in terms)

    stored = [tokens(row) for row in rows]
    drawn = [frozenset(row_terms(row.texts)) for row in public]
    guesses = _refined(_Together.of(stored), _Together.of(drawn))
    first_names, last_names = (Counter(row.texts[at].lower() for row in public) for at in (0, 1))
    usual = [names.most_common(1)[0][0] for names in (first_names, last_names)]
    found = [0, 0]
    for row, in_row in zip(rows, stored, strict=True):
        prefixes = {guesses[number] for number in in_row if number in guesses}
        for at, names in enumerate((first_names, last_names)):
            found[at] += _named(prefixes, names, usual[at]) == row.texts[at].lower()
    return {"first name": found[0] / len(rows), "last name": found[1] / len(rows)}


class _Together:
    """The most frequent tokens or terms, how frequent each is, and how often two are in one row, as shares."""

    def __init__(self, names: Sequence[object], share: Sequence[float], pairs: Sequence[Mapping[int, float]]) -> None:
        self.names, self.share, self.pairs = names, share, pairs

    @classmethod
    def of(cls, rows: Sequence[frozenset[object]] | Sequence[frozenset[int]] | Sequence[frozenset[str]]) -> "_Together":
        counts: Counter[object] = Counter()
        for row in rows:
            counts.update(row)
        names = sorted(counts, key=lambda name: (-counts[name], zlib.crc32(str(name).encode())))[:TOP]
        at = {name: number for number, name in enumerate(names)}
        pairs: list[Counter[int]] = [Counter() for _ in names]
        for row in rows:
            inside = [at[name] for name in row if name in at]
            for one in inside:
                pairs[one].update(inside)
        return cls(
            names,
            [counts[name] / len(rows) for name in names],
            [{other: number / len(rows) for other, number in each.items()} for each in pairs],
        )


def _refined(stored: _Together, public: _Together) -> dict[int, str]:
    """The term that each token is taken for."""
    size = min(len(stored.names), len(public.names))
    guess = list(range(size))
    for _ in range(ROUNDS):
        scores = []
        for one in range(size):
            mine = stored.pairs[one]
            for other in range(max(0, one - WINDOW), min(size, one + WINDOW + 1)):
                theirs = public.pairs[other]
                distance = abs(stored.share[one] - public.share[other])
                distance += sum(abs(mine.get(k, 0.0) - theirs.get(guess[k], 0.0)) for k in range(0, size, 5))
                scores.append((distance, one, other))
        taken: dict[int, int] = {}
        used: set[int] = set()
        for _, one, other in sorted(scores):
            if one not in taken and other not in used:
                taken[one] = other
                used.add(other)
        refined = [taken.get(one, guess[one]) for one in range(size)]
        if refined == guess:
            break
        guess = refined
    return {int(str(stored.names[one])): str(public.names[guess[one]]) for one in range(size)}


def _named(prefixes: set[str], names: Counter[str], usual: str) -> str:
    """The name that a row's recovered prefixes speak for: a whole one, the longest; else the most frequent of all."""
    whole = [prefix.removeprefix(PREFIX) for prefix in prefixes if prefix.removeprefix(PREFIX) in names]
    return max(whole, key=lambda name: (len(name), names[name]), default=usual)


def measured(rows: int = ROWS) -> dict[str, Shares]:
    """The shares of all kinds of index; with a key for each clinic, of the first clinic."""
    table, public = ([patient(number, seed=seed) for number in range(1, rows + 1)] for seed in (0, 1))
    clinic = [row for row in table if row.clinic == 0]
    public_clinic = public[: len(clinic)]
    always = {
        "first name": Counter(row.texts[0] for row in public).most_common(1)[0][0],
        "last name": Counter(row.texts[1] for row in public).most_common(1)[0][0],
    }
    return {
        "nothing but statistics": {
            name: sum(row.texts[at] == always[name] for row in table) / rows for at, name in enumerate(always)
        },
        "exact, one key": exact_shares(table, public),
        f"exact, a key for each of {CLINICS} clinics": exact_shares(clinic, public_clinic),
        **{f"words of {bits} bits, one key": word_shares(table, public, bits) for bits in (16, 20)},
        f"words of 16 bits, a key for each of {CLINICS} clinics": word_shares(clinic, public_clinic, 16, "0"),
    }


def rounded(shares: Mapping[str, Shares]) -> dict[str, Shares]:
    """The shares with three digits."""
    return {name: {of: round(share, 3) for of, share in each.items()} for name, each in shares.items()}


if __name__ == "__main__":
    print(json.dumps(rounded(measured()), indent=1))
