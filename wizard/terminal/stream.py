"""The output stream: its width, its signs, with colour or not, and what happens when its reader has left.

Touches the stream it is given, and reads the variables NO_COLOR, TERM and COLUMNS.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any, TextIO, cast

from wizard.core import safe_text

SIGNS = "✓!✗·…»●○─⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
"""All signs that are drawn; a stream that cannot write one of them gets none."""

_MIN_WIDTH = 20
_DEFAULT_WIDTH = 80

_ASCII = str.maketrans(
    {"…": "...", "—": "-", "–": "-", "─": "-", "→": "->", "·": "-", "»": ">", "•": "*"}
    | {"’": "'", "‘": "'", "“": '"', "”": '"', "✓": "ok", "✗": "x", "×": "x", "≥": ">=", "≤": "<="}
    | {"±": "+-"}
)


@dataclass(frozen=True, kw_only=True)
class TerminalCapabilities:
    """What a stream can show, and what its reader has set."""

    width: int
    """Columns."""
    encoding: str
    signs: bool
    """Whether it can write `SIGNS`."""
    colour: bool
    live: bool
    """Whether a line can be drawn again: a terminal, not dumb, without NO_COLOR."""
    menus: bool
    """Whether a prompt can be a list with a pointer: not on a dumb terminal, not without the signs."""

    def clean(self, text: str) -> str:
        """The text without control characters, in the signs that the stream can write."""
        text = safe_text.lines(text)
        if _can_encode(text, self.encoding):
            return text
        return text.translate(_ASCII).encode(self.encoding, "replace").decode(self.encoding)


def capabilities_of(out: TextIO, *, width: int | None = None, colour: bool | None = None) -> TerminalCapabilities:
    """The capabilities of a stream. `width`, `colour` None: from the stream and the environment."""
    terminal = out.isatty()
    dumb = os.environ.get("TERM") == "dumb"
    # https://no-color.org: set and not empty.
    plain = dumb or bool(os.environ.get("NO_COLOR"))
    encoding = out.encoding or "utf-8"
    signs = _can_encode(SIGNS, encoding)
    return TerminalCapabilities(
        width=max(_columns(out) if width is None else width, _MIN_WIDTH),
        encoding=encoding,
        signs=signs,
        colour=(terminal and not plain) if colour is None else colour,
        live=terminal and signs and not plain,
        menus=signs and not dumb,
    )


def _columns(out: TextIO) -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    # From this stream: standard output may be a pipe while the messages go to a terminal.
    return (os.get_terminal_size(out.fileno()).columns if out.isatty() else 0) or _DEFAULT_WIDTH


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


class _PipeSafeStream:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            _discard(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            _discard(self._stream)


def ignore_broken_pipe(stream: TextIO) -> TextIO:
    """The stream, without an error when its reader has left: an update that is running has to finish."""
    return cast(TextIO, _PipeSafeStream(stream))


def print_text(text: str) -> None:
    """Print a document on standard output; a reader that stopped early (`| head`) is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _discard(sys.stdout)


def _discard(stream: TextIO) -> None:
    """Send the rest to the null device: Python flushes it when it ends
    (https://docs.python.org/3/library/signal.html#note-on-sigpipe).
    """
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
