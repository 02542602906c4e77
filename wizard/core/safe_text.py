"""The one cleaner of text that others wrote: names in an account or a project, messages of a service.

Pure. Renderers call it at the moment of output; data keeps the text as it was read.
"""

from __future__ import annotations

import unicodedata

_SPACES = frozenset("\t\n\v\f\r\x85\u2028\u2029")


def clean(text: str) -> str:
    """The text on one line, without control characters (C0, C1) and without bidi and zero-width characters."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if character in _SPACES else character
        for character in text
        if character in _SPACES or unicodedata.category(character) not in ("Cc", "Cf")
    )
