"""Removes unsafe characters from text that others wrote: names in an account or a project, messages of a service.

Pure. Renderers call it at the moment of output: `clean` for a value in a page, a table or Markdown, `lines` for a
terminal and a log. `quoted` is for a text inside a message of ours. Data keeps the text as it was read.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

_SPACES = frozenset("\t\n\v\f\r\x85\u2028\u2029")

# Controls (C0 and C1), which a terminal executes; formats (bidi, zero width), which hide other text; halves of a
# surrogate pair; line separators.
_UNSAFE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


_DETAILS = re.compile(
    r"[. ]*Go to https://\S+?#/authorization-details/\S+ .*?authorization id: [0-9a-zA-Z]+\.?",
    re.S,
)


def without_authorization_id(text: str) -> str:
    """A refusal of AWS without its authorization id and the link to it.

    Who has the id can read the request's context and its policies; it is another one at each call.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied-authorization-id.html
    """
    return _DETAILS.sub("", text) if "authorization-details/" in text else text


def clean(text: str) -> str:
    """The text on one line, without control characters (C0, C1), bidi and zero-width characters, authorization ids."""
    text = without_authorization_id(text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if character in _SPACES else character for character in text if _is_shown(character, _SPACES))


QUOTED_LENGTH = 500
"""Characters of a text in a message: AWS's longest refusals, and a comment of Vercel."""


def quoted(text: str) -> str:
    """A text that somebody else wrote, for a message: in quotation marks, on one line, cut at QUOTED_LENGTH characters.

    It cannot look like a line of ours, nor end its own quotation.
    """
    # Nobody waits for the cleaning of megabytes: what follows is not shown.
    shown = " ".join(clean(text[: 4 * QUOTED_LENGTH]).split()).replace("“", '"').replace("”", '"')
    is_cut = len(shown) > QUOTED_LENGTH or len(text) > 4 * QUOTED_LENGTH
    return f"“{shown[: QUOTED_LENGTH - 1]}…”" if is_cut else f"“{shown}”"


def lines(text: str) -> str:
    """The text with its lines; a question mark stands for each such character, four spaces for a tab."""
    text = without_authorization_id(text)
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\t", "    ")
    return "".join(character if _is_shown(character, "\n") else "?" for character in text)


def parse(load: Callable[[Any], Any], text: str | bytes) -> Any:
    """The value that `load` (`yaml.safe_load`) reads from a text. Raises ValueError for too deep a nesting."""
    try:
        return load(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError for any other text."""
    import json  # Most runs read none before the first question.

    return parse(json.loads, text)


def json_object(text: str | bytes) -> dict[str, Any] | None:
    try:
        value = parse_json(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _is_shown(character: str, spaces: frozenset[str] | str) -> bool:
    return character in spaces or unicodedata.category(character) not in _UNSAFE


def counted(number: int, noun: str) -> str:
    """A number with its noun in the singular or the plural: `1 finding`, `2 findings`; in thousands with commas."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def all_of(words: Sequence[str]) -> str:
    """An enumeration: `a`, `a and b`, `a, b and c`; empty for none."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def first_of(words: Sequence[str], most: int, *, separator: str = ", ") -> str:
    """The first of them, and how many more there are: `a, b and 3 more`, `a; b; and 3 more`."""
    more = f"{separator.rstrip(', ')} and {len(words) - most:,} more" if len(words) > most else ""
    return separator.join(words[:most]) + more
