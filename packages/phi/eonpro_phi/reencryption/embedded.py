"""Records inside a text of another form: a string of a JSON document, an element of an array, a value in XML.

Touches nothing. No form is parsed: a record is found by its own form, and proved by the key that decrypts it. Its
characters need no escape in JSON, arrays and XML, so it is replaced where it stands, and every other byte stays. Some
writers of JSON escape them all the same: PHP "/", Gson "=", .NET "+"; in JSON inside JSON with more backslashes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from eonpro_phi.record import looks_like_a_record

T = TypeVar("T")


class _Patterns:
    """The patterns of a record. They are made of the patterns of one character of base64, of "=" and of ":"."""

    def __init__(self, base64: str, pad: str, colon: str) -> None:
        # Not in the middle of other base64; the letter of an escape such as \n belongs to what is before it.
        before = r"(?:(?<![A-Za-z0-9+/])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"
        begin = rf"(?:{base64}{{22}}{pad}{{1,2}}{colon}|v2{colon}[0-9a-f]{{16}}{colon})"
        end = rf"(?:{base64}{{2}}{pad}{{2}}|{base64}{{3}}{pad}|{base64}{{4}})"
        self.start = re.compile(rf"{before}(?={begin})")
        self.begin = re.compile(rf"{before}{begin}(?:{base64}|{pad}|{colon})*")
        self.whole = re.compile(
            rf"(?:(?:{base64}{{22}}{pad}{{2}}{colon}){{2}}(?:{base64}{{4}})*{end}"
            rf"|v2{colon}[0-9a-f]{{16}}{colon}{base64}+{pad}{{0,2}})(?!{base64}|{pad})"
        )


_PLAIN = _Patterns("[A-Za-z0-9+/]", "=", ":")
# All backslashes or none: a run of them is looked at once, however long it is.
_BACKSLASHES = r"(?<!\\)\\++"
_ESCAPED = _Patterns(
    rf"(?:[A-Za-z0-9+/]|{_BACKSLASHES}(?:/|u002[bBfF]))",
    rf"(?:=|{_BACKSLASHES}u003[dD])",
    rf"(?::|{_BACKSLASHES}u003[aA])",
)
_ESCAPE = re.compile(rf"{_BACKSLASHES}(?:/|u(00[0-9a-fA-F]{{2}}))")


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddedRecord(Generic[T]):
    """A record, or a text that begins like one, and its place."""

    start: int
    end: int
    """The first and the last character's index in the text, the last exclusive; with its escapes."""
    opened: T | None = field(repr=False)
    """The result of its decryption; None if no key decrypts it."""
    record: str
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
    is_escaped = "\\/" in text or "\\u00" in text
    patterns = _ESCAPED if is_escaped else _PLAIN
    found: list[EmbeddedRecord[T]] = []
    after = 0
    for start in (each.start() for each in patterns.start.finditer(text)) if is_escaped else _beginnings(text):
        if start < after or not (begin := patterns.begin.match(text, start)):
            continue
        record, after, content = _unescaped(begin[0]), begin.end(), None
        if (whole := patterns.whole.match(text, start)) and (content := open_record(_unescaped(whole[0]))) is not None:
            record, after = _unescaped(whole[0]), whole.end()
        found.append(EmbeddedRecord(start=start, end=after, opened=content, record=record))
    return found


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


def _unescaped(record: str) -> str:
    return _ESCAPE.sub(lambda escape: chr(int(escape[1] or "2f", 16)), record)


def _beginnings(text: str) -> list[int]:
    """Positions at which a record may begin, in order. Two characters are found far faster than a pattern."""
    starts = {at - length for at in _all(text, "=:") for length in (23, 22) if at >= length}
    return sorted({*starts, *_all(text, "v2:")})


def _all(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)
