"""The words of a row and the terms of a query: what stands for a text in an index of words.

Touches nothing. A term finds the rows that have a word which begins with it, or a phone number that ends with it.
"""

import re
from collections.abc import Iterable

from eonpro_phi.hashes import trimmed
from eonpro_phi.search.rules import SPACES, divided, folded, phone_digits

LONGEST_PREFIX = 10
"""Characters (code points) of a word's longest prefix. A longer term is looked up by its first ten."""

ENDS = range(4, 11)
"""Digits of the ends of a phone number that are indexed."""

SHORTEST_PHONE = 7
"""Digits; a shorter number has no ends, and is a word as any other."""

PREFIX, END = "p:", "e:"

# Only what stands in a phone number; an extension may follow.
_PHONE = re.compile(r"[+0-9 ().\-/]+(?:(?:,[, ]*)?(?:ext|x|#)[. ]*[0-9]+)?")


def words(plain: str) -> set[str]:
    """The words of a folded text. With an apostrophe or a hyphen: its parts, and the word without.

    >>> sorted(words("mary-jane o'brien"))
    ['brien', 'jane', 'mary', 'maryjane', 'o', 'obrien']
    """
    if plain.isascii() and plain.isalnum():
        return {plain}
    found = {*divided(plain)}
    if "'" in plain or "-" in plain:
        joined = plain.replace("'", "")
        found.update(divided(joined), divided(joined.replace("-", "")))
    found.discard("")
    return found


def phone(plain: str) -> str | None:
    """The digits of a folded text that is a phone number and nothing else; None for another."""
    if not _PHONE.fullmatch(trimmed(plain)):
        return None
    # What is folded stays as it is when it is folded again.
    digits = phone_digits(plain)
    return digits if len(digits) >= SHORTEST_PHONE else None


def prefixes(word: str, longer_than: int = 0) -> list[str]:
    """The terms of a word: of each of its prefixes, or of those that are longer."""
    return [PREFIX + word[:length] for length in range(longer_than + 1, min(len(word), LONGEST_PREFIX) + 1)]


def ends(number: str) -> list[str]:
    """The terms of a phone number's ends."""
    return [END + number[-length:] for length in ENDS if length <= len(number)]


def row_terms(texts: Iterable[str | None]) -> set[str]:
    """What a row's tokens are made of: `p:` and each prefix of each word, `e:` and each end of each phone number.

    >>> sorted(row_terms(["Jö", "555-0102"]))[:3]
    ['e:0102', 'e:50102', 'e:550102']
    """
    all_words, numbers = words_and_numbers(texts)
    return {term for word in all_words for term in prefixes(word)}.union(*map(ends, numbers))


def query_terms(query: str) -> list[tuple[str, ...]]:
    """The terms of each word of a query; a row has to have one of them; none for a query without a letter or digit.

    >>> query_terms("jane 2345")
    [('p:jane',), ('p:2345', 'e:2345')]
    """
    return [
        (PREFIX + word[:LONGEST_PREFIX], END + word[-ENDS[-1] :])
        if _may_be_end(word)
        else (PREFIX + word[:LONGEST_PREFIX],)
        for word in query_words(query)
    ]


def query_words(query: str) -> list[str]:
    """The words of a query, each once. A phone number is one word; an apostrophe separates nothing."""
    if number := phone(folded(query)):
        return [number]
    found: dict[str, None] = {}
    for plain in map(folded, SPACES.split(query)):
        number = phone(plain)
        found.update(dict.fromkeys([number] if number else divided(plain.replace("'", ""))))
    return [word for word in found if word]


def row_matches(query: str, texts: Iterable[str | None]) -> bool:
    """Whether every word of the query begins a word of the row, or ends one of its phone numbers."""
    wanted = query_words(query)
    all_words, numbers = words_and_numbers(texts)
    return bool(wanted) and all(
        any(word.startswith(each) for word in all_words)
        or (_may_be_end(each) and any(number.endswith(each) for number in numbers))
        for each in wanted
    )


def words_and_numbers(texts: Iterable[str | None]) -> tuple[set[str], set[str]]:
    """The words of a row, its phone numbers among them, and the phone numbers."""
    found: set[str] = set()
    for text in texts:
        if text:
            plain = folded(text)
            found |= words(plain)
            if number := phone(plain):
                found.add(number)
    return found, {word for word in found if len(word) >= SHORTEST_PHONE and _is_number(word)}


def _may_be_end(word: str) -> bool:
    return len(word) >= ENDS[0] and _is_number(word)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit()
