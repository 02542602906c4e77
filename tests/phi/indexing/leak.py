"""An attack on search columns: it has the table and public statistics, and guesses names and dates.

Pure. Everything is seeded: the figures of docs/phi/search.md, and of leak.json beside this file, are those of it.

The patients are the made-up ones of the benchmark (tests/phi/indexing/clinic_group.py), with dates of birth beside
them. The attacker has no key. They know how frequent each name, date and ending is, and how the application makes its
e-mail addresses: they draw a population of their own, and compare.

- Exact columns: frequency matching. The most frequent value is taken for the most frequent name, and so on down
  (Naveed, Kamara, Wright: Inference Attacks on Property-Preserving Encrypted Databases, 2015).
- Words: a joint attack. A word's tokens are a chain: each stands in the rows of the one before, and in fewer. So which
  tokens stand together gives a tree, as the prefixes of the names are one. The two trees are laid upon each other, as
  frequencies and branches speak for it; then each row is given the likeliest pair of names.
"""

import heapq
import math
import random
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property
from itertools import product
from statistics import median

from eonpro_phi.search.indexes import WordIndex
from eonpro_phi.search.keys import WordKey
from eonpro_phi.search.words import LONGEST_PREFIX, PREFIX, row_terms
from tests.phi.indexing.clinic_group import CLINICS, Patient, patient

KEY = bytes(range(32))
ROWS = 20_000
"""Patients of the table."""
DRAWN = 3
"""Times as many patients are in the population that the attacker draws."""
FEWEST = 3
"""Rows that a token has at least which is looked at."""
RAREST = 0.01
"""Share of the rows that the rarest first letter has, at least."""
TRIED, UNLIKELY, OPTIONS = 10, -4.0, 6
"""Prefixes that are tried for a token, the logarithm of the likelihood below which none is, and names for a row."""
DOUBT = 0.1
"""How often a prefix is taken for a wrong one."""
BITS = (12, 16, 20)
MEAN_OF = 4
"""Clinics whose mean is taken, where each has a key."""

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


class Statistics:
    """What is public: a drawn population's names, and how many of its patients have a word with each prefix."""

    def __init__(self, drawn: Sequence[Patient]) -> None:
        self.rows = len(drawn)
        self.names = [Counter(row.texts[at].lower() for row in drawn) for at in (0, 1)]
        # Names begin with no digit; more than the first of a number tells nothing.
        self.prefixes = Counter(prefix for row in drawn for prefix in word_prefixes(row))
        self.below: defaultdict[str, list[str]] = defaultdict(list)
        self.shares: dict[str, tuple[float, int]] = {}
        """Of each prefix: its share of those that have the one before, and how many these are."""
        for prefix in sorted(self.prefixes):
            if not self.is_constant(prefix):
                above = self.above(prefix)
                self.below[above].append(prefix)
                having = self.prefixes[above] if above else self.rows
                self.shares[prefix] = (self.prefixes[prefix] + 0.5) / (having + 1), having

    def is_constant(self, prefix: str) -> bool:
        """Whether every row has it, as of the end of an address."""
        return self.prefixes[prefix] > 0.97 * self.rows

    def above(self, prefix: str) -> str:
        """The prefix before, without those that every row has; "" for the first."""
        shorter = prefix[:-1]
        return "" if self.is_constant(shorter) else shorter


def word_prefixes(row: Patient) -> set[str]:
    """The prefixes of a row's words that may be of a name."""
    found = {term.removeprefix(PREFIX) for term in row_terms(row.texts) if term.startswith(PREFIX)}
    return {prefix for prefix in found if len(prefix) < 3 or not any(map(str.isdigit, prefix))}


@dataclass(eq=False)
class Node:
    """A token beneath others of its chain."""

    token: int
    above: "Node | None"
    path: frozenset[int]
    """The token and all above it."""
    rows: int
    """The rows that have the token and all above it: bit 0 is the first row."""
    size: float
    """How many of them have it for the chain's sake."""
    noise: float
    """How many have it by chance: for another word, or because another prefix has the same token."""

    @cached_property
    def count(self) -> int:
        """The number of rows."""
        return self.rows.bit_count()


class Stored:
    """The stored tokens, as a tree: which token stands mostly in the rows of which other."""

    def __init__(self, rows: Sequence[Iterable[int]]) -> None:
        having: defaultdict[int, list[int]] = defaultdict(list)
        for number, tokens in enumerate(rows):
            for token in tokens:
                having[token].append(number)
        self.having = {
            token: bits_of(numbers) for token, numbers in having.items() if FEWEST <= len(numbers) <= 0.97 * len(rows)
        }
        self.by_chance = float(median(map(len, having.values())))
        self.tokens = [[token for token in tokens if token in self.having] for tokens in rows]
        self.root = Node(-1, None, frozenset(), (1 << len(rows)) - 1, len(rows), 0.0)
        self.surprising = math.log(len(self.having))
        self._below: dict[Node, list[Node]] = {}

    def below(self, node: Node) -> list[Node]:
        """The tokens that come next in a chain."""
        if node in self._below:
            return self._below[node]
        counts: Counter[int] = Counter()
        for number in numbers_of(node.rows):
            counts.update(self.tokens[number])
        others = self.root.count - node.count
        found = []
        for token, count in counts.items():
            having = self.having[token]
            total = having.bit_count()
            noise, surprise = self.by_chance, math.inf if count > RAREST * node.count else 0.0
            size = count - noise
            if others:
                noise = (total - count) / others * node.count
                size = (count - noise) / (1 - noise / node.count) if noise < node.count else 0.0
                usual = total * node.count / self.root.count
                surprise = count * math.log(count / usual) - (count - usual)
            if size >= FEWEST and surprise >= self.surprising and token not in node.path:
                found.append(Node(token, node, node.path | {token}, node.rows & having, size, noise))
        found.sort(key=lambda each: (-each.size, each.token))
        kept = self._below[node] = []
        for each in found:
            if not any(_is_beneath(each, one, node) for one in kept):
                kept.append(each)
        return kept


def _is_beneath(node: Node, other: Node, above: Node) -> bool:
    """Whether most of a token's rows are another's, which is larger, so that it comes later in that one's chain."""
    both = (node.rows & other.rows).bit_count()
    outside = above.count - other.count
    share = (node.count - both) / outside if outside else 0.0
    return both - share * other.count > 0.7 * node.size * (1 - share)


def bits_of(numbers: Collection[int]) -> int:
    """A set of small numbers as the bits of one."""
    digits = bytearray(b"0") * (max(numbers, default=0) + 1)
    for number in numbers:
        digits[~number] = ord("1")
    return int(digits, 2)


def numbers_of(bits: int) -> list[int]:
    """The numbers of such a set, ascending."""
    return [match.start() for match in re.finditer("1", bin(bits)[:1:-1])]


class Attack:
    """Lays the tree of the prefixes upon that of the tokens, and names each row."""

    def __init__(self, stored: Stored, public: Statistics) -> None:
        self.stored, self.public = stored, public
        self._laid: dict[tuple[str, Node], tuple[float, list[tuple[str, Node]]]] = {}

    def laid(self, prefix: str, node: Node) -> tuple[float, list[tuple[str, Node]]]:
        """How well what is beneath a prefix lies upon what is beneath a token, and what upon what right beneath."""
        key = (prefix, node)
        if key not in self._laid:
            pairs = []
            for below in self.stored.below(node) if self.public.below[prefix] else ():
                gains = [(self.gain(longer, below), longer) for longer in self.public.below[prefix]]
                for own, longer in sorted((pair for pair in gains if pair[0] > UNLIKELY), reverse=True)[:TRIED]:
                    gain = own + self.laid(longer, below)[0]
                    if gain > 0:
                        pairs.append((gain, longer, below.token, below))
            total, taken = 0.0, {}
            used: set[int] = set()
            for gain, longer, token, below in sorted(pairs, key=lambda pair: (-pair[0], *pair[1:3])):
                if longer not in taken and token not in used:
                    taken[longer] = below
                    used.add(token)
                    total += gain
            self._laid[key] = total, list(taken.items())
        return self._laid[key]

    def gain(self, prefix: str, node: Node) -> float:
        """How much likelier a token's rows are if it is of the prefix than if it is of any: a logarithm."""
        above = node.above
        assert above is not None
        share, drawn = self.public.shares[prefix]
        expected = above.size * share
        variance = expected * (1 - share) * (1 + above.size / drawn) + node.noise + 0.5
        distance = (node.size - expected) ** 2 / (2 * variance)
        return math.log(node.size * math.log(self.stored.root.count) / math.sqrt(2 * math.pi * variance)) - distance

    def named(self) -> dict[str, Node]:
        """The node that each prefix is taken for."""
        found = {"": self.stored.root}
        waiting = [("", self.stored.root)]
        while waiting:
            for pair in self.laid(*waiting.pop())[1]:
                found[pair[0]] = pair[1]
                waiting.append(pair)
        return found

    def guesses(self) -> list[tuple[str, str]]:
        """The first and the last name of each row: the likeliest pair of those that its prefixes begin."""
        nodes, rows = self.named(), self.stored.root.count
        best = [_likeliest(names, nodes) for names in self.public.names]
        starts = {start for names in self.public.names for name in names for start in all_beginnings(name)}
        present: list[list[str]] = [[] for _ in range(rows)]
        for prefix, node in nodes.items():
            for number in numbers_of(node.rows):
                present[number].append(prefix)
        doubt = {prefix: math.log(max(node.noise, DOUBT * node.count, 0.5) / rows) for prefix, node in nodes.items()}
        found = []
        for prefixes in present:
            inner = {self.public.above(prefix) for prefix in prefixes}
            leaves = [prefix for prefix in prefixes if prefix not in inner and prefix in starts]
            options = [heapq.nsmallest(OPTIONS, (of[prefix] for prefix in prefixes if prefix in of)) for of in best]
            found.append(max(_likelihood(first, last, leaves, doubt) for first, last in product(*options))[1:])
        return found


Option = tuple[float, float, str]
"""How unlikely a name is where its prefix is, the logarithm of its share, and the name."""


def _likelihood(
    first: Option, last: Option, leaves: Iterable[str], doubt: Mapping[str, float]
) -> tuple[float, str, str]:
    """How likely two names are in a row, and the names. A prefix that neither has was taken for a wrong one."""
    begun = all_beginnings(first[2]), all_beginnings(last[2])
    doubts = sum(doubt[leaf] for leaf in leaves if leaf not in begun[0] and leaf not in begun[1])
    return first[1] + last[1] + doubts, first[2], last[2]


def _likeliest(names: Counter[str], nodes: Mapping[str, Node]) -> dict[str, Option]:
    """Of each prefix that was found the most frequent name that begins so, and with no longer one that was found."""
    best: dict[str, Option] = {}
    for name, count in names.most_common():
        prefix = next((start for start in reversed(beginnings(name)) if start in nodes), "")
        share = math.log(count / names.total())
        best.setdefault(prefix, (math.log(nodes[prefix].count / nodes[""].count) - share, share, name))
    # The most frequent of all, for a row of which nothing is known.
    best.setdefault("", next(iter(best.values())))
    return best


@cache
def beginnings(name: str) -> list[str]:
    """The prefixes of a name."""
    word = name.replace("'", "")
    return [word[:length] for length in range(1, min(len(word), LONGEST_PREFIX) + 1)]


@cache
def all_beginnings(name: str) -> set[str]:
    """The same of its parts, too."""
    return {term.removeprefix(PREFIX) for term in row_terms([name])}


def word_shares(table: Sequence[Patient], public: Statistics, bits: int, clinics: Sequence[int] = ()) -> Shares:
    """By a column of words: under one key, or the mean of these clinics."""
    found: defaultdict[str, float] = defaultdict(float)
    for clinic in clinics or ("",):
        rows = [row for row in table if clinic in ("", row.clinic)]
        key = WordKey(KEY, WordIndex(table="Patient", column="searchTokens", bits=bits), str(clinic))
        guesses = Attack(Stored([key.row_tokens(row.texts) for row in rows]), public).guesses()
        for at, name in enumerate(("first name", "last name")):
            right = sum(guess[at] == row.texts[at].lower() for guess, row in zip(guesses, rows, strict=True))
            found[name] += right / len(rows) / max(1, len(clinics))
    return dict(found)


def measured(rows: int = ROWS) -> dict[str, Shares]:
    """The shares of all kinds of index."""
    table, drawn = (
        [patient(number, seed=seed) for number in range(1, times * rows + 1)] for seed, times in ((0, 1), (1, DRAWN))
    )
    public = Statistics(drawn)
    in_clinics = [exact_shares([row for row in table if row.clinic == each], drawn) for each in range(MEAN_OF)]
    always = [names.most_common(1)[0][0] for names in public.names]
    a_clinic = f"a key for each of {CLINICS} clinics"
    return {
        "nothing but statistics": {
            name: sum(row.texts[at].lower() == always[at] for row in table) / rows
            for at, name in enumerate(("first name", "last name"))
        },
        "exact, one key": exact_shares(table, drawn),
        f"exact, {a_clinic}": {of: sum(each[of] for each in in_clinics) / MEAN_OF for of in in_clinics[0]},
        **{f"words of {bits} bits, one key": word_shares(table, public, bits) for bits in BITS},
        **{f"words of {bits} bits, {a_clinic}": word_shares(table, public, bits, range(MEAN_OF)) for bits in BITS},
    }
