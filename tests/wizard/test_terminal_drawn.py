"""What a person sees: the menus drawn in a real pseudo-terminal of 80 columns."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pyte
import pytest

ROOT = Path(__file__).resolve().parents[2]
DOWN, ENTER, CTRL_C = "\x1b[B", "\r", "\x03"

PROGRAM = """
import json, sys
from wizard.questions import Choice, by_key
from wizard.terminal import Mark, Terminal

terminal = Terminal(interactive=True, out=sys.stderr)
regions = [Choice(value=name, title=name) for name in ("ap-south-1", "eu-west-1", "us-east-1")]
try:
    region = terminal.ask(by_key["region"].question(regions, "us-east-1"))
    target = terminal.ask(by_key["target"].question())
    terminal.line("asked", mark=Mark.OK)
    print(json.dumps([region, target]))
except KeyboardInterrupt:
    sys.exit(130)
"""


class Session:
    """A program in a pseudo-terminal, and the screen it draws."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        # Standard output goes to a file, as with `--json > file`: what is asked must show nevertheless.
        self.output = directory / "output"
        self._screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self._screen)
        self.child = pexpect.spawn(
            "/bin/sh",
            ["-c", 'exec "$0" -c "$1" > "$2"', sys.executable, PROGRAM, str(self.output)],
            cwd=str(ROOT),
            env={**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **environment},
            dimensions=(24, 80),
            timeout=20,
        )

    def see(self, wanted: str) -> str:
        """The screen, once it shows this."""
        while wanted not in (shown := "\n".join(row.rstrip() for row in self._screen.display)):
            self._answer_cursor_query(self.child.read_nonblocking(65536, timeout=20))
        return shown

    def _answer_cursor_query(self, octets: bytes) -> None:
        self._stream.feed(octets)
        if b"\x1b[6n" in octets:
            cursor = self._screen.cursor
            self.child.send(f"\x1b[{cursor.y + 1};{cursor.x + 1}R")

    def end(self) -> int | None:
        """The exit code."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        code: int | None = self.child.exitstatus
        return code


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Session]]:
    sessions: list[Session] = []

    def started(**environment: str) -> Session:
        sessions.append(Session(tmp_path, environment))
        return sessions[-1]

    yield started
    for session in sessions:
        session.child.close(force=True)


def test_the_menus_are_drawn_beside_an_output_that_is_piped_away(start) -> None:
    session = start()
    shown = session.see("Which Region?")
    assert "The key never leaves its Region" in shown
    assert "» us-east-1" in session.see("us-east-1")
    session.child.send("west")
    session.see("/ west")
    session.child.send(ENTER)
    assert "○ Vercel" in session.see("Amazon ECS")
    session.child.send(DOWN + " ")
    session.see("● Amazon ECS")
    session.child.send(ENTER)
    session.see("✓ asked")
    assert session.end() == 0
    assert session.output.read_text() == '["eu-west-1", ["ecs"]]\n'


def test_ctrl_c_leaves_the_menu_and_the_program(start) -> None:
    session = start()
    session.see("us-east-1")
    session.child.send(CTRL_C)
    assert session.end() == 130
    assert session.output.read_text() == ""


def test_without_the_signs_the_same_is_asked_in_plain_lines(start) -> None:
    session = start(PYTHONIOENCODING="ascii")
    assert "  3. us-east-1" in session.see("Which Region? (number) [3]")
    session.child.send("2\n")
    session.see("(numbers, with commas; 0: none)")
    session.child.send("1\n")
    session.see("ok asked")
    assert session.end() == 0
    assert session.output.read_text() == '["eu-west-1", ["vercel"]]\n'
