"""Folding, words and terms: the same in Python and JavaScript, and no term of a row that its tokens would not find."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import unicodedata

import pytest

from eonpro_phi.search import WordIndex
from eonpro_phi.search.rules import RULES, folded
from eonpro_phi.search.words import query_terms, row_terms, words
from tools import node_package

INDEX = WordIndex(table="Patient", column="searchTokens")


@pytest.mark.parametrize(
    ("rule", "spellings", "normalised"),
    [
        (
            "phone",
            ["555-010-2345", "(555) 010 2345", "+1 555 010 2345", "1.555.010.2345 x12", "５５５0102345"],
            "5550102345",
        ),
        ("phone", ["\u202a+1 555 010 2345\u202c", "٥٥٥ ٠١٠ ٢٣٤٥", "००१ ५५५ ०१० २३४५"], "5550102345"),
        (
            "phone",
            ["+44 20 7946 0958", "442079460958", "011 44 20 7946 0958", "0044 20 79460958", "+44 (0)20 7946-0958"],
            "+442079460958",
        ),
        ("phone", ["+47 21 23 45 67"], "+4721234567"),  # not the North American (472) 123-4567
        ("phone", ["(472) 123-4567", "1 472 123 4567", "+1 472 123 4567"], "4721234567"),
        ("phone", ["020 7946 0958"], "02079460958"),  # of which country, nobody knows
        ("phone", ["+1", "none", "", "00", "+"], None),
        ("last4", ["123-45-6789", "6789", "(555) 010-6789 ext 12"], "6789"),
        ("last4", ["789", ""], None),
        ("id", ["MRN 001\u00a0A", "mrn001a", " ＭＲＮ001a\n"], "mrn001a"),
        ("text", [" Müller-  Lüdenscheidt\t", "muller- ludenscheidt"], "muller- ludenscheidt"),
        ("text", ["O’Brien", "o'brien", "O\u00b4Brien", "Oʼbrien", "\u200fO`Brien"], "o'brien"),
        ("text", ["Groß  Łukasz Søren", "GROẞ lukasz soren", "gross łukasz SØREN"], "gross lukasz soren"),
        ("text", [" ", "\ufeff", "\u0301"], None),
        (
            "date",
            ["4/5/1980", "04-05-1980", "1980-4-5", "1980/04/05", "1980.4.5 ", "1980-04-05T10:00:00Z", "4/5/1980 10:00"],
            "1980-04-05",
        ),
        ("date", ["1/1/1900", "1900-1-1", ""], None),
        ("date", ["1/31/80"], "1/31/80"),  # of which century, nobody knows
        ("date", ["31.1.1980"], "31.1.1980"),
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


@pytest.mark.parametrize(
    ("name", "queries"),
    [
        ("Kaʻahumanu", ["Kaʻahumanu", "kaahu", "KA'AHUMANU", "ka‘ahumanu", "ahumanu"]),
        ("Знамʼянка", ["Знамʼянка", "знамянка", "Знам'янка"]),
        ("ŉGwen", ["ngwen", "'ngwen", "ŉgwen"]),
        ("Saʹid ʿAlī", ["said", "ali", "ʿali", "sa'id"]),
        ("O\u00b4Neil", ["oneil", "O'Neil"]),
        ("Weiß", ["weiss", "WEIẞ", "weiß"]),
        ("Søren Łukasz Đorđe", ["soren", "lukasz", "dorde", "ŁUK", "đorđe", "SØREN"]),
        ("Guðrún Þóra Æsa Œuvré", ["gudrun", "thora", "þora", "aesa", "ÆSA", "oeuvre"]),
        ("Yıldız Işık İnci", ["yildiz", "isik", "inci", "YILDIZ", "ışık"]),
        ("Ħamrun Ŋgobe Ɓala", ["hamrun", "ngobe", "bala"]),
        ("علی\u200cرضا", ["علیرضا", "رضا", "علی\u200cرضا"]),
        ("בן־גוריון", ["בןגוריון", "גוריון"]),
        ("マリー・アントワネット", ["マリーアントワ", "アントワネット"]),
        ("Gal·la", ["galla", "gal·la", "la"]),
        ("٠٥٥٥٠١٠٢٣٤٥", ["2345", "٢٣٤٥"]),
        ("\U00031350\U0001e5d0", ["\U00031350\U0001e5d0", "\U00031350"]),  # not in the Unicode of Python 3.11
    ],
)
def test_a_name_in_any_script_is_found_as_it_is_written_and_typed(name: str, queries: list[str]) -> None:
    for query in queries:
        assert INDEX.matches(query, [name]), query
        assert all(set(terms) & row_terms([name]) for terms in query_terms(query)), query


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


@pytest.mark.parametrize("text", ["1" + " " * 100_000 + "y", "1, " * 50_000 + "x", "'-" * 50_000, "+(0)" * 50_000])
def test_a_long_text_costs_no_more_than_its_length(text: str) -> None:
    """In seconds of this process: a query is what anybody types."""
    start = time.process_time()
    query_terms(text)
    row_terms([text])
    assert [rule(text) for rule in RULES.values()]
    assert time.process_time() - start < 3


def test_a_text_finds_the_row_that_has_it() -> None:
    generator = random.Random(33)
    letters = "aZßøłııİʻʼ´’·־\u200c\u200dΣς患한०٣12345 -.,\u0301\U0001e5d0"
    for _ in range(3000):
        text = "".join(generator.choices(letters, k=generator.randrange(1, 16)))
        if query_terms(text):
            assert INDEX.matches(text, ["other", text]), ascii(text)


def test_the_beginning_of_any_word_finds_its_row() -> None:
    generator = random.Random(31)
    for number in range(1000):
        row = ["".join(generator.choices("aéΣß1234567 -'.@+x", k=generator.randrange(1, 20))) for _ in range(2)]
        for word in words(folded(row[0])):
            assert INDEX.matches(word[: number % 12 + 1], row), (word, row)


EVERY = [number for number in range(sys.maxunicode + 1) if not 0xD800 <= number < 0xE000]


@pytest.mark.thorough
def test_folding_twice_changes_nothing() -> None:
    for number in EVERY:
        once = folded(chr(number))
        assert folded(once) == once, hex(number)


def test_what_is_folded_alone_is_folded_so_in_a_text() -> None:
    """A text is folded by its characters: marks that Unicode would put into another order are removed anyway."""
    generator = random.Random(32)
    for _ in range(3000):
        text = "".join(map(chr, generator.choices(EVERY[:0x3400], k=12)))
        assert folded(text) == "".join(map(folded, text)) == folded(unicodedata.normalize("NFC", text)), ascii(text)


NODE = r"""
const { folded, rowTerms, queryTerms } = await import(process.argv[1]);
const codes = (await import("node:fs")).readFileSync(0, "utf8").trim().split(" ");
const texts = codes.map((code) => String.fromCodePoint(code));
console.log(JSON.stringify(
  texts.map((text) => [folded(text), [...rowTerms([`a${text}Σb`])].sort().join(" "), queryTerms(`7${text}Σ`).join(" ")])
));
"""


@pytest.mark.needs("node")
@pytest.mark.needs("npm")
@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.thorough), 17])
def test_node_folds_and_divides_every_character_in_the_same_way(step: int) -> None:
    """Of every code point, in Python's Unicode or not, in Node's or not: of those above U+3400, which are hardly ever
    more than a letter, each seventeenth in the fast run.
    """
    numbers = [number for number in EVERY if number % step == 0 or number < 0x3400 or 0xA000 <= number < 0xAC00]
    search = node_package.built() / "dist" / "esm" / "search.js"
    done = subprocess.run(
        ["node", "--input-type=module", "-e", NODE, search.as_uri()],
        input=" ".join(map(str, numbers)),
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=300,
    )
    different = []
    for number, theirs in zip(numbers, json.loads(done.stdout), strict=True):
        text = chr(number)
        asked = " ".join(",".join(terms) for terms in query_terms(f"7{text}Σ"))
        ours = [folded(text), " ".join(sorted(row_terms([f"a{text}Σb"]))), asked]
        if ours != [theirs[0], " ".join(sorted(theirs[1].split(" "))), theirs[2]]:
            different.append((hex(number), ours, theirs))
    assert different == []
