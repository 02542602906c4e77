"""A person at a terminal: types keys into a real pseudo-terminal, and sees what a terminal would draw.

Touches the program that it starts, and its pseudo-terminal.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from itertools import takewhile
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pyte.modes
from pexpect import fdpexpect

from tests.onboarding.deployment import Deployment
from tests.onboarding.loaded import answered, loaded

ENTER, SPACE, TAB, BACKSPACE, CTRL_C, CTRL_D = "\r", " ", "\t", "\x7f", "\x03", "\x04"
UP, DOWN = "\x1b[A", "\x1b[B"
_ARROW = re.compile("\x1b\\[[A-D]")
WIZARD = (sys.executable, "-m", "wizard")

TIMEOUT_SECONDS = 60.0
"""For the next thing to show: a busy machine is no failure, a screen that stands still is."""


def with_own_home(deployment: Deployment) -> Deployment:
    """The deployment with a home folder of its own: nobody's own login or settings may answer a question."""
    home = deployment.root / "home"
    home.mkdir()
    deployment.environment |= {"HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    for name in ("XDG_DATA_HOME", "NO_COLOR", "PYTHONIOENCODING"):
        deployment.environment.pop(name, None)
    # Told on the screen: as short on every machine, and nobody's own folder.
    (deployment.folder / "state").mkdir()
    deployment.environment["PULUMI_BACKEND_URL"] = "file://./state"
    return deployment


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


def take_what_was_detected(person: Person, region: str = "us-east-1") -> None:
    """Enter at the questions of a first run that the sandbox answers, and at that for the alerts."""
    person.answer("Which AWS account?", "» 123456789012 (eonpro-sandbox)")
    person.see("Which Region?", f"» {region} · ")
    person.answer("Which Region?", "(AWS_REGION)")
    person.answer("Who administers the key?", "» ● user clinic-admin (you)")
    person.answer("Who gets the alerts?", "» Later")


class Paper(pyte.HistoryScreen):
    """The screen, and what pyte does not tell: which lines were too long for it, and what is dim."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__(columns, rows, history=10_000)
        self.overlong: list[str] = []
        """The rows that the terminal itself had to break."""
        self._rows: dict[int, str] = {}
        self._first: tuple[Any, Any] | None = None
        """The first screen, while the second is shown."""

    @property
    def display(self) -> list[str]:
        """The rows as text. Only those that changed are joined again: a test looks at each of a thousand pieces."""
        buffer, columns = self.buffer, range(self.columns)
        for number in self.dirty:
            row = buffer[number]
            self._rows[number] = "".join([row[column].data for column in columns])
        self.dirty.clear()
        return [self._rows[number] for number in range(self.lines)]

    def draw(self, data: str) -> None:
        """Draw characters; a row that is full goes on in the next one."""
        if self.cursor.x + len(data) <= self.columns:
            super().draw(data)
            return
        for character in data:
            if self.cursor.x == self.columns and pyte.modes.DECAWM in self.mode:
                self.overlong.append("".join(self.buffer[self.cursor.y][n].data for n in range(self.columns)))
            super().draw(character)

    def fold(self, columns: int) -> None:
        """Become narrower as most terminals do: a line that is too long goes on in the next row."""
        rows: list[list[Any]] = []
        at = 0
        for number in range(self.lines):
            row = self.buffer[number]
            length = max((x + 1 for x, cell in row.items() if cell.data.strip()), default=0)
            if number == self.cursor.y:
                at, length = len(rows) + self.cursor.x // columns, max(length, self.cursor.x + 1)
            rows += [
                [row[x] for x in range(start, min(start + columns, length))]
                for start in range(0, max(length, 1), columns)
            ]
        away = max(0, at + 1 - self.lines)
        self.resize(columns=columns)
        self.buffer.clear()
        for number, cells in enumerate(rows[away : away + self.lines]):
            for x, cell in enumerate(cells):
                self.buffer[number][x] = cell
        self.cursor.x, self.cursor.y = self.cursor.x % columns, at - away

    @property
    def is_second(self) -> bool:
        """Whether the second screen is shown."""
        return self._first is not None

    def index(self) -> None:
        """Go down a row. What the second screen scrolls away is gone."""
        if self._first is None:
            super().index()
        else:
            pyte.Screen.index(self)

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        """Set modes (ECMA-48, SM); 1049 is xterm's second screen, which pyte does not know."""
        if 1049 in modes and kwargs.get("private") and self._first is None:
            self._first = (deepcopy(dict(self.buffer)), deepcopy(self.cursor))
            self.erase_in_display(2)
        super().set_mode(*modes, **kwargs)

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        """Reset modes; the first screen comes back as it was."""
        super().reset_mode(*modes, **kwargs)
        if 1049 in modes and kwargs.get("private") and self._first is not None:
            rows, self.cursor = self._first
            self.buffer.clear()
            self.buffer.update(rows)
            self.dirty.update(range(self.lines))
            self._first = None

    def select_graphic_rendition(self, *attrs: int, **kwargs: Any) -> None:
        """Take a look over (ECMA-48, SGR). The wizard never blinks: what is dim is kept in its place."""
        dim = tuple(5 if each == 2 else each for each in attrs)
        super().select_graphic_rendition(*(more for each in dim for more in ((22, 25) if each == 22 else (each,))))


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
        self.screen = Paper(columns, rows)
        self.received = b""
        """Every octet that the program sent."""
        self.keystrokes = 0
        """How many keys were pressed; an arrow is one."""
        self._stream = pyte.ByteStream(self.screen)
        # COLUMNS and LINES would speak of the terminal that the tests run in.
        own = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
        self._child = self._started(command, folder, own, (rows, columns))
        self._local_modes = 0
        # Keys are sent when what they answer shows; pexpect's own pause before each adds nothing.
        self._child.delaybeforesend = None

    def _started(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], dimensions: tuple[int, int]
    ) -> Any:
        return pexpect.spawn(
            command[0],
            list(command[1:]),
            cwd=str(folder),
            env=dict(environment),
            dimensions=dimensions,
            timeout=TIMEOUT_SECONDS,
        )

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
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while missing := [each for each in wanted if each not in self.shown]:
            assert time.monotonic() < deadline, f"{missing} does not show:\n{self.shown}"
            try:
                self._receive()
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                raise AssertionError(f"the program ended without showing {missing}:\n{self.transcript}") from None
        return self.shown

    def see_live(self, question: str) -> str:
        """The screen, once this question is the one that waits: the last there is, with what can be pressed."""
        while not any(
            question in line and ("(" in line.partition(question)[2] or self._has_list)
            for line in self._last_question()
        ):
            self._receive(TIMEOUT_SECONDS)
        return self.shown

    @property
    def _has_list(self) -> bool:
        """Whether a list is the last thing on the screen: below it are the keys."""
        return self.shown.rstrip().rpartition("\n")[2].startswith("  (")

    def _last_question(self) -> list[str]:
        return asked(self.shown, self.screen.columns)[-1:]

    def goes_on(self, seconds: float) -> bool:
        """Whether the program says more within this time."""
        try:
            self._receive(seconds)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return False
        return True

    def see_at_cursor(self, wanted: str) -> str:
        """The screen, once the row that is typed in shows this."""
        while wanted not in self.screen.display[self.screen.cursor.y]:
            self._receive(TIMEOUT_SECONDS)
        return self.shown

    def type(self, keys: str) -> None:
        """Press keys."""
        self.keystrokes += len(_ARROW.sub("^", keys))
        self._child.send(keys)

    def narrow(self, columns: int) -> None:
        """Make the window narrower."""
        self.screen.fold(columns)
        size = struct.pack("HHHH", self.screen.lines, columns, 0, 0)
        fcntl.ioctl(self._child.child_fd, termios.TIOCSWINSZ, size)

    def answer(self, question: str, *choices: str, keys: str = "") -> str:
        """Wait for a question and its choices, press keys and Enter; the screen as the question was put."""
        shown = self.see(question, *choices)
        self.type(keys + ENTER)
        return shown

    def leave(self) -> int:
        """Wait for the program's end; its exit code. All that it said is in the transcript."""
        try:
            while True:
                self._receive(TIMEOUT_SECONDS)
        except pexpect.EOF:
            pass
        self._local_modes = termios.tcgetattr(self._child.child_fd)[3]
        code, ended_by = self._ended()
        assert ended_by is None, f"ended by signal {ended_by}:\n{self.transcript}"
        return code

    def _ended(self) -> tuple[int, int | None]:
        """The exit code, and the signal that ended it."""
        self._child.close()
        return int(self._child.exitstatus or 0), self._child.signalstatus

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


class PersonAtForked(Person):
    """A person at a program that is forked from a loaded one, in a session of its own at a terminal of its own."""

    _told = -1

    def begun(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], terminal: int
    ) -> tuple[int, int]:
        """The wizard's process, and a descriptor that gives its exit code once it has ended."""
        return loaded("wizard").begin(
            command[len(WIZARD) :], folder=folder, environment=environment, streams=(terminal,) * 2, terminal=True
        )

    def _started(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], dimensions: tuple[int, int]
    ) -> Any:
        ours, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *dimensions, 0, 0))
        self._process, self._told = self.begun(command, folder, environment, terminal)
        os.close(terminal)
        return fdpexpect.fdspawn(ours, timeout=TIMEOUT_SECONDS)

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self._told >= 0:
            with suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)
            self._ended()

    def _ended(self) -> tuple[int, int | None]:
        code = answered(self._told)
        os.close(self._told)
        self._told = -1
        self._child.close()
        return (code, None) if code >= 0 else (0, -code)
