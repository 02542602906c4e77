"""Text on a terminal: its width in cells, line breaks, styles, the capabilities of a stream, and broken pipes.

Reads TERM, NO_COLOR, COLUMNS and the terminal's size; writes only documents to standard output.
"""

import os
import re
import sys
import unicodedata
from typing import Any, TextIO, cast

from wizard.core import safe_text

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_CODE = re.compile(r"\x1b\[[\d;]*m")
_NO_CELL = {"Mn", "Me", "Cf"}

WORDS = re.compile(r"\s*(?:`[^`]*`|\S)+\s*")
PARTS = re.compile(r".+?(?:(?<=[/:,=])(?=[^/:,=])|$)")
"""Where an identifier is broken if it must be: between the parts of an ARN or a path, then between their words."""
_JOINTS = re.compile(r".+?(?:(?<=[-_.])(?=[^-_.])|(?<=[a-z])(?=[A-Z])|$)")
LETTERS = re.compile(r"(?:\x1b\[[\d;]*m)*.")


def cells(text: str) -> int:
    """The columns that a text takes on a terminal (Unicode Standard Annex 11); codes take none."""
    text = _CODE.sub("", text)
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.category(character) in _NO_CELL:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shortened(text: str, width: int, *, end: str) -> str:
    """The text, cut to the width; `end` replaces the rest."""
    if cells(text) <= width:
        return text
    return wrapped(text, max(width - cells(end), 1), LETTERS)[0] + end


def wrapped(text: str, width: int, pieces: re.Pattern[str] = WORDS) -> list[str]:
    """Lines of that width, broken only between words: an ARN or a path that is cut in two cannot be copied."""
    lines = [""]
    for piece in pieces.findall(text):
        if lines[-1] and cells(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def folded(text: str, width: int) -> list[str]:
    """Lines of that width: broken between words, in a longer word between its parts, otherwise anywhere."""
    lines = text.split("\n")
    for pieces in (WORDS, PARTS, _JOINTS, LETTERS):
        # A line that fits is not changed: it may be aligned with spaces.
        lines = [part for line in lines for part in ([line] if cells(line) <= width else wrapped(line, width, pieces))]
    return lines


def painted(text: str, style: str) -> str:
    """The text with the codes of its style around each word (ECMA-48, SGR): it can be wrapped afterwards."""
    codes = ";".join(_CODES[word] for word in style.split())
    return re.sub(r"\S+", lambda word: f"\x1b[{codes}m{word[0]}\x1b[0m", text) if style else text


_ARN = re.compile(
    r"arn:aws[a-z-]*:(?P<service>[a-z0-9-]+):(?P<region>[a-z0-9-]*):(?P<account>\d*|\*):"
    r"(?P<resource>[\w+=.@/*:{}$-]*[\w+=@/*}])"
)
_KINDS = {"assumed-role": "role", "oidc-provider": "OIDC provider", "log-group": "log group"}
_WITHOUT_KIND = {"s3": "bucket", "sns": "topic"}
"""What a resource is whose ARN does not say it, by its service."""
_ID = re.compile(r"((?:mrk-)?[0-9a-f]{8})(?:[0-9a-f]{24}|-[0-9a-f-]{27})")
_NEAR = 25
"""Characters before an ARN in which its kind is not said again."""


def short_names(text: str, own: tuple[str, str]) -> str:
    """The text with each ARN as its kind and name: `role eonpro-app-role`, `key 76e55831…`.

    `own`: the account and the Region of the stack; another one is said.
    """

    def short(arn: re.Match[str]) -> str:
        account, region = own
        kind, *rest = re.split(r"[/:]", arn["resource"], maxsplit=1)
        name = rest[0] if rest else ""
        if arn["service"] in _WITHOUT_KIND:
            kind, name = _WITHOUT_KIND[arn["service"]], arn["resource"]
        elif kind in ("role", "user", "policy"):
            name = name.rpartition("/")[2]
        elif kind == "alias":
            kind, name = "", arn["resource"]
        elif kind == "parameter":
            name = f"/{name}"
        kind, name = _KINDS.get(kind, kind), _ID.sub(r"\1…", name)
        is_said = kind and re.search(rf"\b{re.escape(kind)}\b", arn.string[max(arn.start() - _NEAR, 0) : arn.start()])
        place = f" of the account {arn['account']}" if arn["account"] not in ("", account) else ""
        place += f" in {arn['region']}" if arn["region"] not in ("", region) else ""
        return " ".join(filter(None, ("" if is_said else kind, name))) + place

    return _ARN.sub(short, text)


SIGNS = "✓!✗·…»●○─⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
"""All signs that are drawn; a stream that cannot write one of them gets none."""

_MIN_WIDTH = 20
_DEFAULT_WIDTH = 80

_ASCII = str.maketrans(
    {"…": "...", "—": "-", "–": "-", "─": "-", "→": "->", "·": "-", "»": ">", "•": "*"}
    | {"’": "'", "‘": "'", "“": '"', "”": '"', "✓": "ok", "✗": "x", "×": "x", "≥": ">=", "≤": "<="}
    | {"±": "+-"}
)


class TerminalCapabilities:
    """The capabilities of a stream, and the settings of its reader."""

    def __init__(self, out: TextIO, *, width: int | None = None, colour: bool | None = None) -> None:
        """`width`, `colour` None: from the stream and the environment."""
        is_dumb = os.environ.get("TERM") == "dumb"
        # https://no-color.org: set and not empty.
        is_coloured = out.isatty() and not is_dumb and not os.environ.get("NO_COLOR")
        self._out, self._width = out, width
        self._encoding = out.encoding or "utf-8"
        self.signs = self._can_write(SIGNS)
        """Whether it can write `SIGNS`."""
        self.colour = is_coloured if colour is None else colour
        self.live = is_coloured and self.signs
        """Whether a line can be drawn again: a terminal, not dumb, without NO_COLOR."""
        self.menus = self.signs and not is_dumb
        """Whether a prompt can be a list with a pointer: not on a dumb terminal, not without the signs."""

    @property
    def width(self) -> int:
        """Columns; found out again for each line: a window can be resized."""
        return max(self._width or self._columns(), _MIN_WIDTH)

    def clean(self, text: str) -> str:
        """The text without control characters, in the signs that the stream can write."""
        text = safe_text.lines(text)
        if self._can_write(text):
            return text
        return text.translate(_ASCII).encode(self._encoding, "replace").decode(self._encoding)

    def _columns(self) -> int:
        columns = os.environ.get("COLUMNS", "")
        if columns.isdecimal() and int(columns) > 0:
            return int(columns)
        # From this stream: standard output may be a pipe while the messages go to a terminal.
        return (os.get_terminal_size(self._out.fileno()).columns if self._out.isatty() else 0) or _DEFAULT_WIDTH

    def _can_write(self, text: str) -> bool:
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            return False
        return True


lost: list[OSError] = []
"""Why a part of the output of this run could not be written; nothing where its reader left early."""


class _PipeSafeStream:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            lose(self._stream, error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            lose(self._stream, error)


def ignore_broken_pipe(stream: TextIO) -> TextIO:
    """The stream, without an error when its reader has left or its disk is full: an update that runs has to finish."""
    return cast(TextIO, _PipeSafeStream(stream))


def print_text(text: str) -> None:
    """Print a document on standard output; a reader that stopped early (`| head`) is no error."""
    try:
        print(text, flush=True)
    except OSError as error:
        lose(sys.stdout, error)


def lose(stream: TextIO, error: OSError) -> None:
    """Continue without this stream. `lost` has the error, except where the reader left.

    Sends the rest to the null device: Python flushes it when it ends
    (https://docs.python.org/3/library/signal.html#note-on-sigpipe).
    """
    if not isinstance(error, BrokenPipeError):
        lost.append(error)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
