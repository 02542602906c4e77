"""How a stream is written to: its width, its signs, with colour or not, redrawn or in plain lines. Decided here only.

Touches the stream it is given, and reads the variables NO_COLOR, TERM and COLUMNS.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TextIO

from wizard.core import safe_text

SIGNS = "✓!✗·…»●○─⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
"""All that is drawn beside letters; a stream that cannot write one of them gets none."""

_LEAST_WIDTH = 20
_USUAL_WIDTH = 80

_ASCII = str.maketrans(
    {"…": "...", "—": "-", "–": "-", "─": "-", "→": "->", "·": "-", "»": ">", "•": "*"}
    | {"’": "'", "‘": "'", "“": '"', "”": '"', "✓": "ok", "✗": "x", "×": "x", "≥": ">=", "≤": "<="}
    | {"±": "+-"}
)


@dataclass(frozen=True, kw_only=True)
class TerminalCapabilities:
    """What a stream can show, and what its reader wants of it."""

    width: int
    """Columns."""
    encoding: str
    signs: bool
    """Whether it can write `SIGNS`."""
    colour: bool
    live: bool
    """Whether a line may be drawn over again: a terminal, not dumb, whose reader did not set NO_COLOR."""
    menus: bool
    """Whether a prompt may be a menu. Without colour too; not on a dumb terminal, nor without the signs."""

    def clean(self, text: str) -> str:
        """The text without control characters, in the signs that the stream can write."""
        text = safe_text.lines(text)
        if _can_encode(text, self.encoding):
            return text
        return text.translate(_ASCII).encode(self.encoding, "replace").decode(self.encoding)


def manner_of(out: TextIO, *, width: int | None = None, colour: bool | None = None) -> TerminalCapabilities:
    """The manner of a stream. `width`, `colour` None: as the stream and the environment say."""
    terminal = out.isatty()
    dumb = os.environ.get("TERM") == "dumb"
    # https://no-color.org: set and not empty.
    plain = dumb or bool(os.environ.get("NO_COLOR"))
    encoding = out.encoding or "utf-8"
    signs = _can_encode(SIGNS, encoding)
    return TerminalCapabilities(
        width=max(_columns(out) if width is None else width, _LEAST_WIDTH),
        encoding=encoding,
        signs=signs,
        colour=(terminal and not plain) if colour is None else colour,
        live=terminal and signs and not plain,
        menus=signs and not dumb,
    )


def _columns(out: TextIO) -> int:
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    # Of this stream: standard output may be a pipe while the messages go to a terminal.
    return (os.get_terminal_size(out.fileno()).columns if out.isatty() else 0) or _USUAL_WIDTH


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
