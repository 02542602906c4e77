"""The texts inside a value that a first encryption makes records of: of fields of JSON, at any depth, or of an array.

Touches nothing. The value is not written again: a record takes the place of a text, and needs no escape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Set
from dataclasses import dataclass, field

EVERY_FIELD = "*"
"""In place of a field's name: every text of the document."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_NO_VALUES = frozenset(("true", "false", "null"))
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|[^{},"]+', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonText:
    """A text in a value."""

    start: int
    end: int
    """Its place: in JSON between the quotes, in an array with them."""
    text: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldTexts:
    """The texts of a value."""

    texts: tuple[JsonText, ...]
    numbers: int
    """Numbers in these fields: no record can take their place, because it is a text."""


def texts_of_fields(document: str, fields: Set[str]) -> FieldTexts | None:
    """The texts of the fields with these names, and of everything inside them; None for a text that is no JSON.

    An empty text is left out, because it has no record. Names of fields are never among the texts.

    >>> [each.text for each in texts_of_fields('{"a": ["x", {"b": "y"}], "c": "z"}', {"a"}).texts]
    ['x', 'y']
    """
    try:
        json.loads(document)
    except (ValueError, RecursionError):
        return None
    found: list[JsonText] = []
    numbers = 0
    # Of each open object or array: whether it is an object, and whether all in it is of a named field.
    above: list[tuple[bool, bool]] = []
    is_object, inside, is_name, named = False, EVERY_FIELD in fields, False, EVERY_FIELD in fields
    for token in _TOKEN.finditer(document):
        word = token[0]
        if word in "{[":
            above.append((is_object, inside))
            is_object, inside = word == "{", named
            is_name = is_object
        elif word in "}]":
            is_object, inside = above.pop()
        elif word == ",":
            is_name, named = is_object, inside
        elif word == ":":
            is_name = False
        elif is_name:
            named = inside or json.loads(word) in fields
        elif not named:
            continue
        elif not word.startswith('"'):
            numbers += word not in _NO_VALUES
        elif text := json.loads(word):
            found.append(JsonText(start=token.start() + 1, end=token.end() - 1, text=text))
    return FieldTexts(texts=tuple(found), numbers=numbers)


def texts_of_array(array: str) -> FieldTexts:
    """The texts of an array as PostgreSQL writes it; neither NULL nor an empty text is one.

    >>> [each.text for each in texts_of_array('{a,"b c",NULL,"NULL",""}').texts]
    ['a', 'b c', 'NULL']
    """
    found = []
    # Before the first brace there may be the bounds of the array.
    for element in _ELEMENT.finditer(array, array.index("{")):
        text = element[0] if element[1] is None else _ESCAPED.sub(r"\1", element[1])
        if text and element[0] != "NULL":
            found.append(JsonText(start=element.start(), end=element.end(), text=text))
    return FieldTexts(texts=tuple(found), numbers=0)
