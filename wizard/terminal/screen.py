"""The screen: messages, tables and progress, within the width and the signs of the stream.

Writes to one stream; reads the variables that `TerminalCapabilities` reads. Not with rich, whose import and first line
would take 80 ms of the 300 ms before the first question.
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
    LETTERS,
    PARTS,
    WORDS,
    TerminalCapabilities,
    cells,
    folded,
    painted,
    short_names,
    wrapped,
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
_GAP = 2
_MIN_CELL = 4


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
        """`width`, `colour` None: from the stream and the environment (`TerminalCapabilities`).

        `run` completes the commands that are shown.
        """
        self._run = run or Run()
        self.own: tuple[str, str] | None = None
        """The account and the Region of the stack, once they are known: a line does not say them."""
        self._out = out
        self._capabilities = TerminalCapabilities(out, width=width, colour=colour)
        self._status = Status(out, self._capabilities, clock=clock, timer=timer)

    def title(self, text: str) -> None:
        """The heading of the run."""
        with self._output():
            self._paragraph(text, style="bold")
            length = min(cells(self._clean(text)), self._capabilities.width)
            self._print(("─" if self._capabilities.signs else "-") * length, "dim")

    def section(self, text: str, note: str = "") -> None:
        """A heading after an empty line, with a note after it."""
        with self._output():
            self._print()
            self._wrapped(f"{self._painted(self._clean(text), 'bold')}  {self._painted(self._clean(note), 'dim')}")

    def line(self, text: str = "", *, mark: Mark | None = None) -> None:
        """One or more lines; each is wrapped between words and keeps its indent. A long word is not cut.

        Once the stack's account is known, a resource is called by its short name, but not in a command.
        """
        if self.own and isinstance(text, Text):
            parts = (part if isinstance(part, Call) else short_names(part, self.own) for part in text.parts)
            text = type(text)(*parts)
        elif self.own:
            text = short_names(text, self.own)
        self._line(text, mark)

    def _line(self, text: str, mark: Mark | None) -> None:
        with self._output():
            if mark is None:
                self._paragraph(text)
                return
            sign = (_SIGNS if self._capabilities.signs else _ASCII_SIGNS)[mark]
            indent = " " * (cells(sign) + 1)
            text, command = self._divided(text, indent)
            first, *rest = self._clean(text).split("\n")
            self._wrapped(first, self._painted(sign, _STYLES[mark]) + " ")
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
            all_rows = [headings, *rows] if headings else rows
            count = max(map(len, all_rows), default=0)
            texts = [[*map(self._clean, row), *[""] * (count - len(row))] for row in all_rows]
            columns = [[row[number] for row in texts] for number in range(count)]
            widths = _widths(columns, self._capabilities.width - _GAP * (count - 1))
            for row in texts:
                cell_lines = [folded(cell, width) for cell, width in zip(row, widths, strict=True)]
                for number in range(max(map(len, cell_lines), default=0)):
                    line = ""
                    for column, (lines, width) in enumerate(zip(cell_lines, widths, strict=True)):
                        text = lines[number] if number < len(lines) else ""
                        style = "dim" if column >= _SOURCE and not headings else ""
                        style = "bold" if headings and row is texts[0] else style
                        line += self._painted(text, style) + " " * (width - cells(text) + _GAP)
                    self._print(line)

    def problems(self, problems: Sequence[Problem]) -> None:
        """Print numbered problems: the fault, the reason, and the command to type."""
        with self._output():
            for number, problem in enumerate(problems, 1):
                head = f"{number}. "
                self._print()
                what = self._painted(self._clean(problem.what), "bold")
                self._wrapped(what, f"{self._painted(head.rstrip(), 'bold red')} ")
                self._paragraph(problem.why, indent=" " * len(head))
                self._next(problem.next, " " * len(head))

    def error(self, error: SetupError, *, mark: Mark = Mark.FAIL) -> None:
        """Print an error: the event, and the next command to type."""
        with self._output():
            self._line(error.message, mark)
            if error.hint:
                self._next(error.hint, "  " if self._capabilities.signs else "   ")

    def working(self, text: str) -> None:
        """Show a running task until the next message, with its seconds where a line can be drawn again."""
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
            self._status.stop(step.urn)
            if progress.state is StepState.FAILED:
                sign = (_SIGNS if self._capabilities.signs else _ASCII_SIGNS)[Mark.FAIL].strip()
                text = self._clean(f"{name}: {step.op} failed after {elapsed:.1f} s")
                self._wrapped(text, f"  {self._painted(sign, _STYLES[Mark.FAIL])} ")
                if progress.message:
                    self._paragraph(progress.message, indent="    ")
            self._status.resume()

    def settle(self) -> None:
        """Erase the status line: the next message, of any writer, begins on an empty line."""
        self._status.settle()

    @contextmanager
    def _output(self) -> Iterator[None]:
        # One writer at a time: the engine's events come from a thread of their own.
        with self._status.lock:
            self._status.settle()
            yield
            self._out.flush()

    def _next(self, text: str, indent: str) -> None:
        if isinstance(text, Command):
            self._print(f"{indent}next:", "bold")
            self._commands(text, indent + "  ")
            if text.advice:
                self._paragraph(text.advice, indent=indent)
            return
        self._print(f"{self._painted(f'{indent}next:', 'bold')} {self._painted(self._clean(text), 'cyan')}")

    def _commands(self, text: str, indent: str) -> None:
        # Not wrapped: a command to copy must stay one line.
        for line in self._clean(text).split("\n"):
            self._print(f"{indent}{line}", "cyan")

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
            item = _ITEM.match(bare)
            head = item[0] if item else ""
            first = indent + " " * (len(line) - len(bare)) + head
            self._wrapped(self._painted(bare.removeprefix(head), style), first)
        if command:
            self._commands(command, indent + "    ")

    def _wrapped(self, text: str, first: str = "", rest: str | None = None) -> None:
        """Print the text after `first`, with as many spaces, or `rest`, before its further lines."""
        rest = " " * cells(first) if rest is None else rest
        for number, line in enumerate(wrapped(text, max(self._capabilities.width - cells(rest), _MIN_COLUMN))):
            self._print((rest if number else first) + line)

    def _print(self, line: str = "", style: str = "") -> None:
        # Without white space at the end, which would be copied too.
        self._out.write(self._painted(line, style).rstrip() + "\n")

    def _painted(self, text: str, style: str) -> str:
        return painted(text, style) if self._capabilities.colour else text

    def _clean(self, text: str) -> str:
        # All printed text passes here, so that each command in it keeps the flags of this run.
        return self._capabilities.clean(self._run.complete(text))


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """The width of each column of a table: the widest gives way first, but no word is broken if that can be avoided."""
    natural = [max(cells(line) for cell in column for line in cell.split("\n")) for column in columns]
    widths = natural
    for pieces in (WORDS, PARTS, LETTERS):
        words = [
            [piece for cell in column for word in cell.split() for piece in pieces.findall(word)] for column in columns
        ]
        floors = [max((_MIN_CELL, *map(cells, column))) for column in words]
        widths = list(natural)
        while sum(widths) > room and (wide := [n for n, width in enumerate(widths) if width > floors[n]]):
            widths[max(wide, key=widths.__getitem__)] -= 1
        if sum(widths) <= room:
            break
    return widths
