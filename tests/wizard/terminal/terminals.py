"""Terminals for tests: keys and lines that are already typed, a stream that remembers, time that is moved by hand.

Touches nothing, but for a pseudo-terminal where a program runs in one.
"""

from __future__ import annotations

import io
import os
import re
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from wizard.terminal.terminal import Terminal

UP, DOWN, ENTER, SPACE, CTRL_C, CTRL_D, BACKSPACE = "\x1b[A", "\x1b[B", "\r", " ", "\x03", "\x04", "\x7f"

Typed = Callable[[str], tuple[Terminal, io.StringIO]]
"""A terminal at which this is typed, and what it writes."""


class Bell(DummyOutput):
    """Draws nothing, and counts how often it rang."""

    rung = 0

    def bell(self) -> None:
        Bell.rung += 1


@contextmanager
def menus(patch: pytest.MonkeyPatch) -> Iterator[Typed]:
    """Terminals with menus."""
    patch.setenv("TERM", "xterm-256color")
    patch.delenv("NO_COLOR", raising=False)
    Bell.rung = 0
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=Bell()):

        def typed(keys: str) -> tuple[Terminal, io.StringIO]:
            pipe.send_text(keys)
            out = io.StringIO()
            return Terminal(interactive=True, out=out, width=80, colour=False), out

        yield typed


@contextmanager
def plain_lines(patch: pytest.MonkeyPatch) -> Iterator[Typed]:
    """Terminals that cannot draw."""
    patch.setenv("TERM", "dumb")

    def typed(text: str) -> tuple[Terminal, io.StringIO]:
        patch.setattr(sys, "stdin", io.StringIO(text))
        out = io.StringIO()
        return Terminal(interactive=True, out=out, width=80), out

    yield typed


class Written(io.TextIOWrapper):
    """A stream of some encoding that remembers what was written; a terminal, if it is said to be."""

    def __init__(self, encoding: str = "utf-8", *, tty: bool = False) -> None:
        self.raw_octets = io.BytesIO()
        self._tty = tty
        super().__init__(self.raw_octets, encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        return self._tty

    def fileno(self) -> int:
        raise OSError("no file behind it")

    @property
    def text(self) -> str:
        return self.raw_octets.getvalue().decode(self.encoding)


class Hands:
    """A clock and a timer that a test moves."""

    def __init__(self) -> None:
        self._now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        """Those that run: their seconds, and what they do."""

    def clock(self) -> float:
        return self._now

    def timer(self, seconds: float, act: Callable[[], None]) -> Callable[[], None]:
        timer = (seconds, act)
        self.timers.append(timer)
        return lambda: self.timers.remove(timer) if timer in self.timers else None

    def turn(self, seconds: float) -> None:
        """Let that time go by, with all that happens in it."""
        end = self._now + seconds
        while self.timers and self._now + self.timers[0][0] <= end:
            self._now += self.timers[0][0]
            self.timers[0][1]()
        self._now = end


class Session:
    """A program in a pseudo-terminal of 80 columns, and the screen that it draws."""

    def __init__(self, *command: str, **environment: str) -> None:
        root = Path(__file__).resolve().parents[3]
        self.received = b""
        self.answers_cursor_queries = True
        self.screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self.screen)
        self.child = pexpect.spawn(
            command[0],
            [*command[1:]],
            cwd=str(root),
            env={**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(root), "PS1": "prompt$ ", **environment},
            dimensions=(24, 80),
            timeout=30,
        )
        self.child.delaybeforesend = None

    @property
    def shown(self) -> str:
        return "\n".join(row.rstrip() for row in self.screen.display).rstrip()

    def see(self, wanted: str) -> str:
        """The screen, once it shows this pattern."""
        # In all: a run that waits writes its seconds for ever.
        until = time.monotonic() + 60
        while not re.search(wanted, self.shown):
            assert time.monotonic() < until, self.shown
            self._read(30)
        return self.shown

    def quiet(self, seconds: float = 0.5) -> str:
        """The screen, once nothing has come for this long."""
        try:
            while True:
                self._read(seconds)
        except pexpect.TIMEOUT:
            return self.shown

    def _read(self, seconds: float) -> None:
        octets = self.child.read_nonblocking(65536, timeout=seconds)
        self.received += octets
        self._stream.feed(octets)
        if b"\x1b[6n" in octets and self.answers_cursor_queries:
            self.type(f"\x1b[{self.screen.cursor.y + 1};{self.screen.cursor.x + 1}R")

    def type(self, keys: str) -> None:
        self.child.send(keys)

    @property
    def modes(self) -> int:
        return int(termios.tcgetattr(self.child.child_fd)[3])

    def end(self) -> tuple[Any, Any]:
        """The exit code, and the signal that ended it."""
        try:
            while True:
                self._read(30)
        except pexpect.EOF:
            pass
        self.final = self.modes
        self.child.close()
        return self.child.exitstatus, self.child.signalstatus
