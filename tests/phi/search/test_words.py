"""Folding, words and terms: the same in Python and JavaScript, and no term of a row that its tokens would not find."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import unicodedata

import pytest

from phi.search import WordIndex
from phi.search.rules import RULES, folded
from phi.search.words import _WORD, query_terms, row_terms, words

INDEX = WordIndex(table="Patient", column="searchTokens")


@pytest.mark.parametrize(
    ("rule", "spellings", "normalised"),
    [
        (
            "phone",
            ["555-010-2345", "(555) 010 2345", "+1 555 010 2345", "1.555.010.2345 x12", "５５５0102345"],
            "5550102345",
        ),
        ("phone", ["+44 20 7946 0958", "442079460958"], "442079460958"),
        ("phone", ["+1", "none", "", "\u0661\u0662"], None),
        ("last4", ["123-45-6789", "6789", "(555) 010-6789 ext 12"], "6789"),
        ("last4", ["789", ""], None),
        ("id", ["MRN 001\u00a0A", "mrn001a", " ＭＲＮ001a\n"], "mrn001a"),
        ("text", [" Müller-  Lüdenscheidt\t", "muller- ludenscheidt"], "muller- ludenscheidt"),
        ("text", [" ", "\ufeff", "\u0301"], None),
        ("date", ["4/5/1980", "1980-04-05T10:00:00Z"], "1980-04-05"),
        ("email", [" Jane@Example.org"], "jane@example.org"),
    ],
)
def test_spellings_of_one_value_are_one_value(rule: str, spellings: list[str], normalised: str | None) -> None:
    assert {RULES[rule](text) for text in spellings} == {normalised}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("jane", True),
        ("JAN do", True),
        ("doe jane", True),
        ("ane", False),
        ("jane smith", False),
        ("obrien", True),
        ("O’Brien", True),
        ("brien", True),
        ("mary-jane", True),
        ("maryj", True),
        ("2345", True),
        ("345", False),
        ("555", True),
        ("(555) 010", True),
        ("+1 555 010-2345", True),
        ("15550102345", True),
        ("555010234", True),
        ("9995550102345", False),
        ("jane.doe@ex", True),
        ("Jåné", True),
        ("internationalisierung", True),
        ("internationalisiert", False),
        ("mrn-00", True),
        ("", False),
    ],
)
def test_a_search_finds_what_begins_a_word_or_ends_a_phone_number(query: str, found: bool) -> None:
    row = ["Mary-Jane O'Brien Doe", "jane.doe@example.org", "+1 (555) 010-2345", "MRN-00017", "Internationalisierung"]
    assert INDEX.matches(query, row) is found
    if found:
        assert all(set(terms) & row_terms(row) for terms in query_terms(query)), "the tokens find it too"


def test_every_row_that_matches_is_a_candidate_whatever_its_characters_are() -> None:
    generator = random.Random(30)
    alphabet = "aáAbΣςßİıñ0123456789  ..--''’@+()x#\u0301\u200d患者한ﬁ½Ⅷ\xa0\ud800"
    checked = 0
    for _ in range(3000):
        row = ["".join(generator.choices(alphabet, k=generator.randrange(1, 24))) for _ in range(3)]
        source = generator.choice(row)
        start = generator.randrange(len(source))
        query = source[start : start + generator.randrange(1, 14)]
        if INDEX.matches(query, row):
            checked += 1
            assert all(set(terms) & row_terms(row) for terms in query_terms(query)), (query, row)
    assert checked > 500


def test_the_beginning_of_any_word_finds_its_row() -> None:
    generator = random.Random(31)
    for number in range(1000):
        row = ["".join(generator.choices("aéΣß1234567 -'.@+x", k=generator.randrange(1, 20))) for _ in range(2)]
        for word in words(row[0]):
            assert INDEX.matches(word[: number % 12 + 1], row), (word, row)


def test_folding_twice_changes_nothing() -> None:
    for number in ASSIGNED:
        once = folded(chr(number))
        assert folded(once) == once, hex(number)


ASSIGNED = [
    number for number in range(sys.maxunicode + 1) if unicodedata.category(chr(number)) not in ("Cn", "Co", "Cs")
]


NODE = r"""
const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("ς", "σ");
const words = (text) => folded(text).match(/[\p{L}\p{N}]+/gu) ?? [];
const texts = JSON.parse(require("node:fs").readFileSync(0, "utf8")).map((code) => String.fromCodePoint(code));
console.log(JSON.stringify(
  texts.map((text) => [folded(text), folded("aΣ" + text + "Σ"), words("a" + text + "Σ").join(" ")])
));
"""


@pytest.mark.needs("node")
@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.thorough), 17])
def test_node_folds_every_character_in_the_same_way(step: int) -> None:
    """Of the ideographs and syllables above U+3400, which have no case, each seventeenth in the fast run."""
    numbers = [
        number for number in ASSIGNED if number % step == 0 or not (0x3400 <= number < 0xF900 or number > 0x1F000)
    ]
    done = subprocess.run(
        ["node", "-e", NODE], input=json.dumps(numbers), capture_output=True, text=True, check=True, timeout=120
    )
    different = []
    for number, theirs in zip(numbers, json.loads(done.stdout), strict=True):
        text = chr(number)
        # Only the first form of a word that has an apostrophe or a hyphen.
        ours = [folded(text), folded(f"aΣ{text}Σ"), " ".join(_WORD.findall(folded(f"a{text}Σ")))]
        if ours != theirs:
            different.append((hex(number), ours, theirs))
    assert different == []
