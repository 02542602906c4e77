"""What a person sees while a re-encryption runs: how far, how fast, how long yet.

Touches the stream it is given: a line that is drawn anew at a terminal, a new line every so many seconds elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from phi.reencryption.facts import Done

_DRAWN_SECONDS = 0.2
_SAID_SECONDS = 15.0


class Progress:
    """The progress of one pass after another."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._drawn = stream.isatty()
        self._open = False
        self.begin("", None)

    def begin(self, what: str, rows: int | None) -> None:
        """A pass begins; `rows` is how many it will read, None where nobody knows."""
        self.end()
        self._what, self._expected = what, rows
        self._rows = self._written = 0
        self._started = self._clock()
        self._next = self._started + (_DRAWN_SECONDS if self._drawn else _SAID_SECONDS)

    def add(self, done: Done) -> None:
        """A batch is done."""
        self._rows += done.rows
        self._written += done.written
        if (now := self._clock()) >= self._next:
            self._next = now + (_DRAWN_SECONDS if self._drawn else _SAID_SECONDS)
            self._show(self.line(now))

    def line(self, now: float) -> str:
        """How it stands."""
        seconds = max(now - self._started, 0.001)
        rate = self._rows / seconds
        words = [f"{self._what}: {self._rows:,} rows read"]
        if self._expected and self._expected >= self._rows:
            words[0] = f"{self._what}: {self._rows:,} of about {self._expected:,} rows read ({self._percent()} %)"
        words.append(f"{self._written:,} written")
        words.append(f"{rate:,.0f} rows/s")
        if self._expected and rate and self._expected >= self._rows:
            words.append(f"about {spoken((self._expected - self._rows) / rate)} left")
        return ", ".join(words)

    def say(self, text: str) -> None:
        """A line that stays."""
        self.end()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def end(self) -> None:
        """Leave the line that was being drawn."""
        if self._open:
            self._stream.write(f"\r{self.line(self._clock())}\x1b[K\n")
            self._stream.flush()
            self._open = False

    def _percent(self) -> int:
        return int(100 * self._rows / self._expected) if self._expected else 0

    def _show(self, text: str) -> None:
        if self._drawn:
            # To the left edge, and what was longer before is erased.
            self._stream.write(f"\r{text}\x1b[K")
            self._open = True
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()


def spoken(seconds: float) -> str:
    """A length of time in the two units that matter."""
    whole = round(seconds)
    for size, unit, smaller_size, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"
