"""Records inside a text of another form: a string of a JSON document, an element of an array, a value in XML.

Touches nothing. No form is parsed: a record is found by its own form, and proved by the key that decrypts it. Its
characters need no escape in JSON, arrays and XML, so it is replaced where it stands, and every other byte stays.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from eonpro_phi.record import looks_like_a_record

_BASE64 = "[A-Za-z0-9+/]"
_BEGIN = re.compile(rf"(?<!{_BASE64})(?:{_BASE64}{{22}}={{1,2}}:|v2:[0-9a-f]{{16}}:)[A-Za-z0-9+/=:]*")
_WHOLE = re.compile(
    rf"(?:(?:{_BASE64}{{22}}==:){{2}}(?:{_BASE64}{{4}})*(?:{_BASE64}{{2}}==|{_BASE64}{{3}}=|{_BASE64}{{4}})"
    rf"|v2:[0-9a-f]{{16}}:{_BASE64}+={{0,2}})(?!{_BASE64}|=)"
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SIGNS = frozenset('"\\/')
"""Characters that a backslash escapes in JSON, arrays, hstore and composite values."""
_BLANK = " "
"""In place of an escape that no record has: a control character, or one outside ASCII."""

_LEVELS = 12
"""Most levels of JSON inside JSON strings. Each doubles the backslashes, so a value of 1 GB has no more."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddedRecord(Generic[T]):
    """A record, or a text that begins like one, and its place."""

    start: int
    end: int
    """The first and the last character's index in the text, the last exclusive; with its escapes."""
    opened: T | None = field(repr=False)
    """The result of its decryption; None if no key decrypts it."""
    record: str = ""
    """The record without the escapes of its place."""


def may_hold_records(text: str) -> bool:
    """Whether it is worth a search; False is certain. Some encoders write "=" and ":" as `\\u003d` and `\\u003a`."""
    # One character is looked for far faster than several, and most texts have neither.
    return (":" in text and ("=:" in text or "v2:" in text)) or ("\\" in text and "u003" in text)


def embedded_records(text: str, open_record: Callable[[str], T | None]) -> list[EmbeddedRecord[T]]:
    """All records inside a text, in the order of their places; without overlap.

    `open_record` returns None if no key decrypts the record. A text that only begins like a record is listed as well,
    because a damaged record must not be taken for a text that was never encrypted.

    >>> [(each.start, each.opened) for each in embedded_records('{"a": "no record"}', str)]
    []
    """
    if not may_hold_records(text):
        return []
    opened: list[EmbeddedRecord[T]] = []
    closed: list[EmbeddedRecord[T]] = []
    for view, place in _views(text):
        after = 0
        for start in _beginnings(view):
            if start < after or not (begin := _BEGIN.match(view, start)):
                continue
            end = begin.end()
            whole, content = _WHOLE.match(view, start), None
            if whole and (content := open_record(whole[0])) is not None:
                end = whole.end()
            found = EmbeddedRecord(start=place(start), end=place(end), opened=content, record=view[start:end])
            (closed if content is None else opened).append(found)
            after = end
    return _without_overlaps(opened, closed)


def is_damaged(text: str, records: int) -> bool:
    """Whether a text that no key decrypts is one damaged record, and not a list of records; it has so many inside.

    A record with a line feed behind it is refused by every reader: it is reported, and never mended on the way.
    """
    return records < 2 and looks_like_a_record(text)


def replaced(text: str, replacements: Iterable[tuple[int, int, str]]) -> str:
    """The text with other characters between these places, which are in order and do not overlap.

    >>> replaced("abcdef", [(1, 2, "-"), (4, 6, "+")])
    'a-cd+'
    """
    parts, at = [], 0
    for start, end, new in replacements:
        parts += [text[at:start], new]
        at = end
    return "".join((*parts, text[at:]))


def _beginnings(view: str) -> list[int]:
    """Positions at which a record may begin, in order. Two characters are found far faster than a pattern."""
    starts = {at - length for at in _all(view, "=:") for length in (23, 22) if at >= length}
    return sorted({*starts, *_all(view, "v2:")})


def _all(view: str, part: str) -> Iterator[int]:
    at = view.find(part)
    while at >= 0:
        yield at
        at = view.find(part, at + 1)


def _views(text: str) -> Iterator[tuple[str, Callable[[int], int]]]:
    """The text unchanged, and with the escapes of each level resolved; each with a map of the characters' places."""
    levels: list[_Places] = []

    def place(at: int) -> int:
        for level in reversed(levels):
            at = level(at)
        return at

    yield text, place
    while len(levels) < _LEVELS and "\\" in text:
        text, level = _unescaped(text)
        levels.append(level)
        yield text, place


class _Places:
    """The index of each character before the escapes were resolved; one more for the end."""

    def __init__(self) -> None:
        self._after: list[int] = []
        self._before: list[int] = []

    def add(self, after: int, before: int) -> None:
        """From the character `after` on, which was `before`, nothing moves until the next."""
        self._after.append(after)
        self._before.append(before)

    def __call__(self, at: int) -> int:
        found = bisect_right(self._after, at) - 1
        return at if found < 0 else self._before[found] + at - self._after[found]


def _unescaped(text: str) -> tuple[str, _Places]:
    """The text with one level of escapes less."""
    parts: list[str] = []
    places = _Places()
    at = length = 0
    for escape in _ESCAPE.finditer(text):
        start, end = escape.span()
        code, sign = escape.groups()
        parts.append(text[at:start])
        parts.append((chr(int(code, 16)) if code < "0080" else _BLANK) if code else sign if sign in _SIGNS else _BLANK)
        length += start - at + 1
        at = end
        places.add(length, at)
    parts.append(text[at:])
    return "".join(parts), places


def _without_overlaps(opened: list[EmbeddedRecord[T]], closed: list[EmbeddedRecord[T]]) -> list[EmbeddedRecord[T]]:
    """A record that a key decrypts at one level of escapes may look damaged at another level."""
    kept: list[EmbeddedRecord[T]] = []
    for found in (*sorted(opened, key=_place), *sorted(closed, key=_place)):
        at = bisect_left(kept, found.start, key=lambda each: each.end - 1)
        if at == len(kept) or kept[at].start >= found.end:
            kept.insert(at, found)
    return kept


def _place(found: EmbeddedRecord[T]) -> int:
    return found.start
