"""A person at a terminal: types keys into a real pseudo-terminal, and sees what a terminal would draw.

Touches the program that it starts, and its pseudo-terminal.
"""

from __future__ import annotations

import sys
import termios
import time
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

import pexpect
import pyte

from tests.onboarding.clinic import Clinic

ENTER, SPACE, TAB, BACKSPACE, CTRL_C = "\r", " ", "\t", "\x7f", "\x03"
UP, DOWN = "\x1b[A", "\x1b[B"
WIZARD = (sys.executable, "-m", "wizard")

PATIENCE_SECONDS = 60.0
"""For the next thing to show: a busy machine is no failure, a screen that stands still is."""


def at_home(clinic: Clinic) -> Clinic:
    """The clinic with a home folder of its own: nobody's own login or settings may answer a question."""
    home = clinic.root / "home"
    home.mkdir()
    clinic.environment |= {"HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    for name in ("XDG_DATA_HOME", "NO_COLOR", "PYTHONIOENCODING"):
        clinic.environment.pop(name, None)
    return clinic


def asked(transcript: str, columns: int) -> list[str]:
    """The questions of a transcript with their answers, each in one line however wide the screen is."""
    lines: list[str] = []
    full = False
    for line in transcript.splitlines():
        if full:
            lines[-1] += line
        else:
            lines.append(line)
        full = len(line) == columns and lines[-1].startswith("? ")
    return [line for line in lines if line.startswith("? ")]


class Person:
    """One program, its screen, and all that ever stood on it."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        columns: int = 80,
        rows: int = 24,
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=10_000)
        self.received = b""
        """Every octet that the program sent."""
        self._stream = pyte.ByteStream(self.screen)
        self._child = pexpect.spawn(
            command[0],
            list(command[1:]),
            cwd=str(folder),
            # COLUMNS and LINES would speak of the terminal that the tests run in.
            env={name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")},
            dimensions=(rows, columns),
            timeout=PATIENCE_SECONDS,
        )
        self._local_modes = 0
        # Keys are sent when what they answer shows; pexpect's own pause before each adds nothing.
        self._child.delaybeforesend = None

    @property
    def shown(self) -> str:
        """The screen as it is."""
        return "\n".join(row.rstrip() for row in self.screen.display)

    @property
    def transcript(self) -> str:
        """What has scrolled away, then the screen."""
        away = ("".join(row[column].data for column in range(self.screen.columns)) for row in self.screen.history.top)
        return "\n".join([*(row.rstrip() for row in away), self.shown]).rstrip()

    @property
    def headings(self) -> list[str]:
        """The bold words at the beginning of rows: the run's title and its sections."""
        rows = [*self.screen.history.top, *(self.screen.buffer[number] for number in range(self.screen.lines))]
        bold = (takewhile(lambda cell: cell.bold, (row[n] for n in range(self.screen.columns))) for row in rows)
        found = ["".join(cell.data for cell in cells).strip() for cells in bold]
        # A row that follows a full one goes on with it.
        full = [False, *(row[self.screen.columns - 1].data != " " for row in rows)]
        return [text for text, goes_on in zip(found, full, strict=False) if text[:1].isalpha() and not goes_on]

    @property
    def words(self) -> str:
        """The transcript without its line breaks, for sentences that a narrow screen wraps."""
        return " ".join(self.transcript.split())

    def see(self, *wanted: str) -> str:
        """The screen, once it shows all of this at the same time."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while missing := [each for each in wanted if each not in self.shown]:
            assert time.monotonic() < deadline, f"{missing} does not show:\n{self.shown}"
            try:
                self._receive()
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                raise AssertionError(f"the program ended without showing {missing}:\n{self.transcript}") from None
        return self.shown

    def see_at_cursor(self, wanted: str) -> str:
        """The screen, once the row that is typed in shows this."""
        while wanted not in self.screen.display[self.screen.cursor.y]:
            self._receive(PATIENCE_SECONDS)
        return self.shown

    def type(self, keys: str) -> None:
        """Press keys."""
        self._child.send(keys)

    def answer(self, question: str, *choices: str, keys: str = "") -> str:
        """Wait for a question and its choices, press keys and Enter; the screen as the question was put."""
        shown = self.see(question, *choices)
        self.type(keys + ENTER)
        return shown

    def leave(self) -> int:
        """Wait for the program's end; its exit code. All that it said is in the transcript."""
        try:
            while True:
                self._receive(PATIENCE_SECONDS)
        except pexpect.EOF:
            pass
        self._local_modes = termios.tcgetattr(self._child.child_fd)[3]
        self._child.close()
        assert self._child.signalstatus is None, f"ended by signal {self._child.signalstatus}:\n{self.transcript}"
        return int(self._child.exitstatus)

    def kill(self) -> None:
        """End it, if it has not ended."""
        self._child.close(force=True)

    @property
    def is_sane(self) -> bool:
        """Whether it left the terminal as a shell wants it: echo, whole lines, signals by keys, a cursor to be seen."""
        wanted = termios.ECHO | termios.ICANON | termios.ISIG
        return self._local_modes & wanted == wanted and pyte.modes.DECTCEM in self.screen.mode

    def _receive(self, seconds: float = 1.0) -> None:
        octets = self._child.read_nonblocking(65536, timeout=seconds)
        self.received += octets
        self._stream.feed(octets)
        if b"\x1b[6n" in octets:
            # A terminal tells where its cursor is when it is asked.
            cursor = self.screen.cursor
            self._child.send(f"\x1b[{cursor.y + 1};{cursor.x + 1}R")
