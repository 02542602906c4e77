"""The output of the set-up: one line for each step with its time, which a terminal shows growing during a long step.

Writes to the stream that is passed to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from tools.bootstrap.running import CommandFailed

_WIDEST_LAST_LINE = 90
_WIDEST_ROW = 79
"""Characters. A terminal breaks a longer line into two rows, and only the last of them can be written again."""
_AT_ONCE = 0.5
"""Seconds."""
_ANEW = "\r\x1b[K"
"""Begins a terminal's line again."""


class StepFailed(Exception):
    """A step failed: why, and what to do."""

    def __init__(self, why: str, advice: str) -> None:
        super().__init__(why)
        self.why = why
        self.advice = advice


@dataclass(frozen=True, kw_only=True)
class Step:
    """One part of the set-up; `do` returns its result in a few words."""

    title: str
    do: Callable[[], str]
    advice: str


class Progress:
    """Prints each step when it starts and ends, in plain lines that a log can show too."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._title = ""
        self._line_open = False

    def say(self, text: str) -> None:
        """Print a separate line: below the running step, and in a terminal above it."""
        if self._grows:
            self._write(f"{_ANEW}      {text}\n{self._title} … ")
            return
        self._write(("\n" if self._line_open else "") + f"      {text}\n")
        self._line_open = False

    def alive(self, seconds: float, last: str) -> None:
        """Print that a program is still running: the seconds so far, and its last line."""
        text = f"… {seconds:.0f} s  {last.strip()[:_WIDEST_LAST_LINE]}".rstrip()
        if self._grows:
            self._write(_ANEW + f"{self._title} {text}"[:_WIDEST_ROW])
        else:
            self.say(text)

    def run(self, steps: tuple[Step, ...]) -> bool:
        """Run the steps in order; stop at the first failure and print the step, the reason and the advice."""
        started = time.monotonic()
        for number, step in enumerate(steps, start=1):
            self._title = f"[{number}/{len(steps)}] {step.title}"
            self._write(f"{self._title} … ")
            self._line_open = True
            step_started = time.monotonic()
            try:
                result = step.do()
            except (StepFailed, CommandFailed, OSError) as error:
                self._failed(step, error, time.monotonic() - step_started)
                return False
            seconds = time.monotonic() - step_started
            if seconds < _AT_ONCE and self._grows:
                # It had nothing to do: the next step takes its line.
                self._write(_ANEW)
                self._line_open = False
            else:
                self._finish(f"{seconds:.1f} s ({result})")
        self._write(f"Ready in {time.monotonic() - started:.1f} s.\n")
        return True

    def _failed(self, step: Step, error: StepFailed | CommandFailed | OSError, seconds: float) -> None:
        self._finish(f"failed after {seconds:.1f} s")
        if isinstance(error, CommandFailed):
            self._write("".join(f"      | {line}\n" for line in error.tail))
            log = f" (all of its output: {error.log})" if error.log else ""
            why, advice = f"{error.command} {error.reason}{log}", error.advice or step.advice
        elif isinstance(error, StepFailed):
            why, advice = error.why, error.advice
        else:
            why, advice = str(error), step.advice
        self._write(f"\n{step.title}: {why}\nWhat to do: {advice}\n")

    @property
    def _grows(self) -> bool:
        """Whether the step's line is the last one of a terminal, where it can be written again."""
        return self._line_open and self._stream.isatty()

    def _finish(self, text: str) -> None:
        begun = f"{_ANEW}{self._title} … " if self._grows else "" if self._line_open else "      "
        self._write(f"{begun}{text}\n")
        self._line_open = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
