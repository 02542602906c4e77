"""The screen: messages, tables and progress, within the width and the signs of the stream.

Writes to one stream; reads the variables that `text.capabilities_of` reads.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from wizard.core.errors import Problem, SetupError
from wizard.core.models.inputs import Mark, StepState
from wizard.core.next_command import Call, Command, Run, Text
from wizard.terminal.status_line import Clock, Status, Timer, every
from wizard.terminal.text import (
    Piece,
    capabilities_of,
    cells,
    divided,
    folded,
    longest_part,
    longest_word,
    painted,
    short_names,
)

if TYPE_CHECKING:
    from wizard.core.models.stack import Progress

_STYLES = {Mark.OK: "green", Mark.WARN: "yellow", Mark.FAIL: "bold red", Mark.INFO: "dim", Mark.RUN: "cyan"}
_SIGNS = {Mark.OK: "✓", Mark.WARN: "!", Mark.FAIL: "✗", Mark.INFO: "·", Mark.RUN: "…"}
_ASCII_SIGNS = {Mark.OK: "ok", Mark.WARN: "! ", Mark.FAIL: "x ", Mark.INFO: "- ", Mark.RUN: ".."}

# An item of a list: its further lines begin below the first word after its sign or number.
_ITEM = re.compile(r"(?:[-+~±=>] +(?:(?:create|update|delete|replace|import|retain) +)?|\d+\. )(?=\S)")

_MIN_COLUMN = 20
_SOURCE = 2


class Screen:
    """Writes messages. All input is text, never markup."""

    def __init__(
        self,
        *,
        out: TextIO,
        width: int | None = None,
        colour: bool | None = None,
        run: Run | None = None,
        clock: Clock = time.monotonic,
        timer: Timer = every,
    ) -> None:
        """`width`, `colour` None: from the stream and the environment (`capabilities_of`).

        `run` completes the commands that are shown.
        """
        self._run = run or Run()
        self.own: tuple[str, str] | None = None
        """The account and the Region of the stack, once they are known: a line does not say them."""
        self._out = out
        self._capabilities = capabilities_of(out, width=width, colour=colour)
        self._status = Status(out, self._capabilities, clock=clock, timer=timer)

    def title(self, text: str) -> None:
        """The heading of the run."""
        with self._output():
            self._paragraph(text, style="bold")
            length = min(cells(self._clean(text)), self._capabilities.width)
            self._print((("─" if self._capabilities.signs else "-") * length, "dim"))

    def section(self, text: str, note: str = "") -> None:
        """A heading after an empty line, with a note after it."""
        with self._output():
            self._print()
            heading = [(self._clean(text), "bold")]
            self._wrapped([*heading, (f"  {self._clean(note)}", "dim")] if note else heading, "", "")

    def line(self, text: str = "", *, mark: Mark | None = None) -> None:
        """One or more lines; each is wrapped between words and keeps its indent. A long word is not cut.

        Once the stack's account is known, a resource is called by its short name, but not in a command.
        """
        self._line(self._with_short_names(text), mark)

    def _line(self, text: str, mark: Mark | None) -> None:
        with self._output():
            if mark is None:
                self._paragraph(text)
                return
            sign = self._sign(mark)
            indent = " " * (cells(sign) + 1)
            text, command = self._divided(text, indent)
            first, *rest = self._clean(text).split("\n")
            self._wrapped([(first, "")], sign + " ", indent, mark_style=_STYLES[mark])
            for further in rest:
                self._paragraph(further, indent=indent)
            if command:
                self._commands(command, indent + "  ")

    def verbatim(self, text: str) -> None:
        """Lines to copy, a command or code: indented and never wrapped: a wrapped command is a different one."""
        with self._output():
            self._commands(text, "    ")

    def table(self, rows: Sequence[tuple[str, ...]], *, headings: tuple[str, ...] = ()) -> None:
        """Rows in columns, within the width. Without headings a third column is dim: the source of the value."""
        with self._output():
            columns = max((len(row) for row in (*rows, headings)), default=0)
            if not columns:
                return
            all_rows = [headings, *rows] if headings else list(rows)
            texts = [[*map(self._clean, row), *[""] * (columns - len(row))] for row in all_rows]
            styles = [[""] * columns for _ in all_rows]
            if headings:
                styles[0] = ["bold"] * columns
            else:
                for row in styles:
                    row[_SOURCE:] = ["dim"] * len(row[_SOURCE:])
            for pieces in table_lines(texts, styles, self._capabilities.width):
                self._print(*pieces)

    def problems(self, problems: Sequence[Problem]) -> None:
        """Print numbered problems: the fault, the reason, and the command to type."""
        with self._output():
            for number, problem in enumerate(problems, 1):
                head = f"{number}. "
                indent = " " * len(head)
                self._print()
                self._wrapped([(self._clean(problem.what), "bold")], head, indent, mark_style="bold red")
                self._paragraph(problem.why, indent=indent)
                self._next(problem.next, indent)

    def error(self, error: SetupError, *, mark: Mark = Mark.FAIL) -> None:
        """Print an error: the event, and the next command to type."""
        with self._output():
            self._line(error.message, mark)
            if error.hint:
                self._next(error.hint, "  " if self._capabilities.signs else "   ")

    def working(self, text: str) -> None:
        """Show a running task until the next message: with its seconds on a terminal, with dots elsewhere."""
        self._status.say(text)

    def progress(self, progress: Progress, elapsed: float) -> None:
        """Show the running resources, and print a line for each that failed, with its seconds. Thread-safe."""
        step = progress.step
        # The last part of the token is enough for a person: `aws:kms/key:Key` is a Key.
        name = f"{step.type.rsplit(':', 1)[-1]} {step.name}"
        if progress.state is StepState.STARTED:
            self._status.start(step.urn, name)
            return
        with self._status.lock:
            self._status.stop(step.urn, is_told=progress.state is StepState.FAILED)
            if progress.state is StepState.FAILED:
                self._show_failure(progress, name, elapsed)
            self._status.resume()

    def settle(self) -> None:
        """Erase the status line: the next message, of any writer, begins on an empty line."""
        self._status.settle()

    def _show_failure(self, progress: Progress, name: str, elapsed: float) -> None:
        text = self._clean(f"{name}: {progress.step.op} failed after {elapsed:.1f} s")
        self._wrapped([(text, "")], f"  {self._sign(Mark.FAIL).strip()} ", "    ", mark_style=_STYLES[Mark.FAIL])
        if progress.message:
            self._paragraph(progress.message, indent="    ")

    @contextmanager
    def _output(self) -> Iterator[None]:
        # One writer at a time: the engine's events come from a thread of their own.
        with self._status.lock:
            self._status.settle()
            yield
            self._out.flush()

    def _sign(self, mark: Mark) -> str:
        return (_SIGNS if self._capabilities.signs else _ASCII_SIGNS)[mark]

    def _next(self, text: str, indent: str) -> None:
        if isinstance(text, Command):
            self._print((f"{indent}next:", "bold"))
            self._commands(text, indent + "  ")
            if text.advice:
                self._paragraph(text.advice, indent=indent)
            return
        self._print((f"{indent}next: ", "bold"), (self._clean(text), "cyan"))

    def _commands(self, text: str, indent: str) -> None:
        # Not wrapped: a command to copy must stay one line.
        for line in self._clean(text).split("\n"):
            self._print((f"{indent}{line}", "cyan"))

    def _with_short_names(self, text: str) -> str:
        own = self.own
        if own is None:
            return text
        if isinstance(text, Text):
            parts = (part if isinstance(part, Call) else short_names(part, own) for part in text.parts)
            return type(text)(*parts)
        return short_names(text, own)

    def _divided(self, text: str, indent: str) -> tuple[str, str]:
        """A text that ends with a command which would be wrapped, and that command; otherwise the text alone."""
        last = indent + self._clean(text).rpartition("\n")[2]
        if not isinstance(text, Text) or cells(last) <= self._capabilities.width:
            return text, ""
        *before, command = text.parts
        if not isinstance(command, Call) or not str(Text(*before)).endswith(": "):
            return text, ""
        return Text(*before[:-1], str(before[-1]).rstrip()), Command(command)

    def _paragraph(self, text: str, *, style: str = "", indent: str = "") -> None:
        text, command = self._divided(text, indent)
        for line in self._clean(text).split("\n"):
            bare = line.lstrip(" ")
            own = indent + " " * (len(line) - len(bare))
            item = _ITEM.match(bare)
            head, bare = (item[0], bare[item.end() :]) if item else ("", bare)
            self._wrapped([(bare, style)], own + head, own + " " * cells(head))
        if command:
            self._commands(command, indent + "    ")

    def _wrapped(self, pieces: Sequence[Piece], first: str, rest: str, *, mark_style: str = "") -> None:
        width = max(self._capabilities.width - cells(rest), _MIN_COLUMN)
        head, style = first, mark_style
        for line in divided(pieces, width):
            self._print((head, style), *line)
            head, style = rest, ""

    def _print(self, *pieces: Piece) -> None:
        # Without white space at the end, which would be copied too.
        line = "".join(text for text, _ in pieces)
        surplus = len(line) - len(line.rstrip())
        rest = list(pieces)
        while surplus:
            text, style = rest.pop()
            if len(text) > surplus:
                rest.append((text[:-surplus], style))
            surplus = max(surplus - len(text), 0)
        for text, style in rest:
            self._out.write(painted(text, style) if self._capabilities.colour else text)
        self._out.write("\n")

    def _clean(self, text: str) -> str:
        # All printed text passes here, so that each command in it keeps the flags of this run.
        return self._capabilities.clean(self._run.complete(text))


_GAP = 2
_MIN_CELL = 4


def table_lines(
    rows: Sequence[Sequence[str]], styles: Sequence[Sequence[str]], width: int
) -> Iterator[tuple[Piece, ...]]:
    """The lines of a table; further lines of a cell begin below its first. All rows have the same length."""
    columns = [[row[number] for row in rows] for number in range(len(rows[0]))]
    widths = _widths(columns, width - _GAP * (len(columns) - 1))
    for row, row_styles in zip(rows, styles, strict=True):
        cell_lines = [_lines(cell, columns) for cell, columns in zip(row, widths, strict=True)]
        for number in range(max(map(len, cell_lines))):
            texts = [lines[number] if number < len(lines) else "" for lines in cell_lines]
            yield tuple(_line(texts, row_styles, widths))


def _line(texts: Sequence[str], styles: Sequence[str], widths: Sequence[int]) -> Iterator[Piece]:
    last = max((number for number, text in enumerate(texts) if text), default=-1)
    for number, text in enumerate(texts[: last + 1]):
        yield text, styles[number]
        if number < last:
            yield " " * (widths[number] - cells(text) + _GAP), ""


def _lines(cell: str, width: int) -> list[str]:
    # A cell that fits is not changed: it may be aligned with spaces.
    return [line for whole in cell.split("\n") for line in ([whole] if cells(whole) <= width else folded(whole, width))]


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    # First no word is broken, then words are broken between their parts; only what still does not fit is cut anywhere.
    natural = [max((cells(line) for cell in column for line in cell.split("\n")), default=0) for column in columns]
    for need in (longest_word, longest_part, lambda _: 0):
        longest = [max(map(need, column), default=0) for column in columns]
        floors = [min(most, max(_MIN_CELL, word)) for most, word in zip(natural, longest, strict=True)]
        widths = _narrowed(natural, floors, room)
        if sum(widths) <= room:
            break
    return widths


def _narrowed(widths: Sequence[int], floors: Sequence[int], room: int) -> list[int]:
    narrowed = list(widths)
    while sum(narrowed) > room:
        wide = [number for number, width in enumerate(narrowed) if width > floors[number]]
        if not wide:
            break
        narrowed[max(wide, key=narrowed.__getitem__)] -= 1
    return narrowed
