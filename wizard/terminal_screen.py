"""The screen: what is told to a person, within the width and the signs that the stream has.

Touches the stream it is given, and the variables NO_COLOR, TERM and COLUMNS.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wizard.errors import Problem, SetupError
from wizard.facts import Mark, Progress, StepState

_STYLES = {Mark.OK: "green", Mark.WARN: "yellow", Mark.FAIL: "bold red", Mark.INFO: "dim", Mark.RUN: "cyan"}
_SIGNS = {Mark.OK: "✓", Mark.WARN: "!", Mark.FAIL: "✗", Mark.INFO: "·", Mark.RUN: "…"}
_ASCII_SIGNS = {Mark.OK: "ok", Mark.WARN: "! ", Mark.FAIL: "x ", Mark.INFO: "- ", Mark.RUN: ".."}
_MENU_SIGNS = "»●○─"
_ASCII = str.maketrans(
    {"…": "...", "—": "-", "–": "-", "─": "-", "→": "->", "·": "-", "»": ">", "•": "*"}
    | {"’": "'", "‘": "'", "“": '"', "”": '"', "✓": "ok", "✗": "x", "×": "x", "≥": ">=", "≤": "<="}
    | {"±": "+-"}
)

# What a service says is text: no escape sequence or change of writing direction reaches the terminal.
_CONTROL = dict.fromkeys(
    [
        *range(0x00, 0x09),
        *range(0x0B, 0x20),
        *range(0x7F, 0xA0),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    ],
    "?",
) | {0x09: "    "}

_OPERATIONS = {
    "create": ("+", "created"),
    "create-replacement": ("+", "created anew"),
    "replace": ("±", "replaced"),
    "update": ("~", "updated"),
    "delete": ("-", "deleted"),
    "retain": ("=", "left in the account"),
    "delete-replaced": ("-", "deleted, being replaced"),
    "import": ("+", "imported"),
    "import-replacement": ("+", "imported anew"),
    "read": (">", "read"),
    "refresh": (">", "refreshed"),
    "same": ("=", "unchanged"),
}


# A line of a list: what follows its sign or number hangs under its own beginning.
_ITEM = re.compile(r"(?:[-+~±=>] +(?:(?:create|update|delete|replace|import|retain) +)?|\d+\. )(?=\S)")


class Screen:
    """Where the wizard speaks. Whatever it is given is text, never markup."""

    def __init__(
        self, *, out: TextIO, width: int | None = None, colour: bool | None = None, python: str = "python"
    ) -> None:
        """`colour` None: on a terminal, unless it is dumb or NO_COLOR is set. `width` None: the stream's.

        `python`: how the interpreter is called here, for the commands that are shown.
        """
        self._python = python
        dumb = os.environ.get("TERM") == "dumb"
        if colour is None:
            colour = out.isatty() and not dumb and not os.environ.get("NO_COLOR")
        if width is None:
            width = _columns(out)
        self._out = out
        self._encoding = out.encoding or "utf-8"
        self._signs = _can_encode("".join(_SIGNS.values()) + _MENU_SIGNS, self._encoding)
        self._plain = dumb or not self._signs
        self._live = out.isatty() and not self._plain
        self._width = max(width, 20)
        self._console = Console(
            file=out,
            width=self._width,
            force_terminal=colour,
            color_system="standard" if colour else None,
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
        )
        self._running: dict[str, str] = {}
        self._status = False

    def title(self, text: str) -> None:
        """The heading of the run."""
        self.settle()
        self._paragraph(text, style="bold")
        length = min(cell_len(self._clean(text)), self._width)
        self._print(Text(("─" if self._signs else "-") * length, style="dim"))

    def section(self, text: str, note: str = "") -> None:
        """A heading after an empty line, with a note beside it."""
        self.settle()
        self._print(Text())
        line = Text(self._clean(text), style="bold")
        if note:
            line.append("  " + self._clean(note), style="not bold dim")
        self._wrapped(line, "", "")

    def line(self, text: str = "", *, mark: Mark | None = None) -> None:
        """A line, or several; each is wrapped between words and keeps its indent. A long word is not cut."""
        self.settle()
        if mark is None:
            self._paragraph(text)
            return
        sign = self._sign(mark)
        first, *rest = self._clean(text).split("\n")
        self._wrapped(Text(first), sign + " ", " " * (cell_len(sign) + 1), mark_style=_STYLES[mark])
        for each in rest:
            self._paragraph(each, indent=" " * (cell_len(sign) + 1))

    def verbatim(self, text: str) -> None:
        """Lines to be copied, a command or code: indented and never wrapped, for a wrapped command is another one."""
        self.settle()
        for line in self._clean(self._callable(text)).split("\n"):
            self._print(Text(f"    {line}", style="cyan"))

    def table(self, rows: Sequence[tuple[str, ...]], *, headings: tuple[str, ...] = ()) -> None:
        """Rows in columns, wrapped to the width."""
        self.settle()
        columns = max((len(row) for row in (*rows, headings)), default=0)
        if not columns:
            return
        table = Table(box=None, show_header=bool(headings), header_style="bold", pad_edge=False)
        table.padding = (0, 2, 0, 0)
        for number in range(columns):
            heading = headings[number] if number < len(headings) else ""
            table.add_column(Text(self._clean(heading)), overflow="fold")
        for row in rows:
            table.add_row(*(Text(self._clean(cell)) for cell in row), *[""] * (columns - len(row)))
        with self._console.capture() as capture:
            self._console.print(table)
        for line in capture.get().splitlines():
            self._out.write(line.rstrip() + "\n")

    def problems(self, problems: Sequence[Problem]) -> None:
        """What was found wrong, numbered: what, why, and what to type next."""
        self.settle()
        for number, problem in enumerate(problems, 1):
            head = f"{number}. "
            indent = " " * len(head)
            self._print(Text())
            self._wrapped(Text(self._clean(problem.what), style="bold"), head, indent, mark_style="bold red")
            self._paragraph(problem.why, indent=indent)
            self._next(problem.next, indent)

    def error(self, error: SetupError) -> None:
        """What happened, and the next command to type."""
        self.settle()
        self.line(error.message, mark=Mark.FAIL)
        if error.hint:
            self._next(error.hint, "  " if self._signs else "   ")

    def working(self, text: str) -> None:
        """On a terminal, what takes a moment, until the next word wipes it; elsewhere nothing."""
        if not self._live:
            return
        self.settle()
        self._show(text)

    def progress(self, progress: Progress, elapsed: float) -> None:
        """A line for each resource done or failed, with its seconds; on a terminal, below it what runs."""
        step = progress.step
        # The token's last part says it all to a person: `aws:kms/key:Key` is a Key.
        name = f"{step.type.rsplit(':', 1)[-1]} {step.name}"
        if progress.state is StepState.STARTED:
            self._running[step.urn] = name
            self._show_running()
            return
        self._running.pop(step.urn, None)
        sign, done = _OPERATIONS.get(step.op, ("*", step.op))
        self._wipe()
        if progress.state is StepState.FAILED:
            text = Text(self._clean(f"{name}: {step.op} failed after {elapsed:.1f} s"))
            self._wrapped(text, f"  {self._sign(Mark.FAIL).strip()} ", "    ", mark_style=_STYLES[Mark.FAIL])
            if progress.message:
                self._paragraph(progress.message, indent="    ")
        else:
            style = {"=": "dim", "-": "red", "~": "yellow", "±": "yellow"}.get(sign, "green")
            text = Text(self._clean(f"{name} {done} {elapsed:.1f} s"), style="dim" if sign == "=" else "")
            self._wrapped(text, f"  {self._clean(sign)} ", "    ", mark_style=style)
        self._show_running()

    def _callable(self, text: str) -> str:
        # A command that is shown must run as it is, whether or not the virtual environment is active.
        return text.replace("python -m ", f"{self._python} -m ")

    def _sign(self, mark: Mark) -> str:
        return (_SIGNS if self._signs else _ASCII_SIGNS)[mark]

    def _show_running(self) -> None:
        if not (self._live and self._running):
            return
        self._show(", ".join(self._running.values()))

    def _show(self, what: str) -> None:
        text = Text(self._clean(f"  {_SIGNS[Mark.RUN]} {what}"))
        text.truncate(self._width - 1, overflow="ellipsis")
        self._out.write(f"\r\x1b[K{text.plain}")
        self._out.flush()
        self._status = True

    def _wipe(self) -> None:
        if self._status:
            self._out.write("\r\x1b[K")
            self._status = False

    def settle(self) -> None:
        """Wipe what was said to be under way: whoever speaks next, this or another, begins on a clean line."""
        self._wipe()
        self._out.flush()
        self._running.clear()

    def _next(self, text: str, indent: str) -> None:
        # Not wrapped: a command that is copied must stay one line.
        line = Text(f"{indent}next: ", style="bold")
        line.append(self._clean(self._callable(text)), style="not bold cyan")
        self._print(line)

    def _paragraph(self, text: str, *, style: str = "", indent: str = "") -> None:
        for line in self._clean(text).split("\n"):
            bare = line.lstrip(" ")
            own = indent + " " * (len(line) - len(bare))
            item = _ITEM.match(bare)
            head, bare = (item[0], bare[item.end() :]) if item else ("", bare)
            self._wrapped(Text(bare, style=style), own + head, own + " " * cell_len(head))

    def _wrapped(self, text: Text, first: str, rest: str, *, mark_style: str = "") -> None:
        width = max(self._width - cell_len(rest), 20)
        for number, line in enumerate(text.divide(_breaks(text.plain, width))):
            line.rstrip()
            self._print(Text.assemble((first, mark_style) if number == 0 else rest, line))

    def _print(self, text: Text) -> None:
        text.rstrip()
        self._console.print(text, soft_wrap=True)

    def _clean(self, text: str) -> str:
        """The text without control characters, in the signs that the stream can write."""
        text = text.translate(_CONTROL)
        if _can_encode(text, self._encoding):
            return text
        return text.translate(_ASCII).encode(self._encoding, "replace").decode(self._encoding)


def _breaks(text: str, width: int) -> list[int]:
    # Between words only: an ARN or a path that is cut in two cannot be copied.
    offsets, column = [], 0
    for word in re.finditer(r"\S+\s*", text):
        if column and column + cell_len(word[0].rstrip()) > width:
            offsets.append(word.start())
            column = 0
        column += cell_len(word[0])
    return offsets


def _columns(out: TextIO) -> int:
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    # Of this stream: standard output may be a pipe while the messages go to a terminal.
    return (os.get_terminal_size(out.fileno()).columns if out.isatty() else 0) or 80


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
