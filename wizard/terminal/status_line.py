"""What is under way, told at least once a second until the next word.

Touches the stream it is given, and a thread of its own that ends with the next word.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from typing import TextIO

from wizard.terminal.capabilities import TerminalCapabilities
from wizard.terminal.text import cells, shortened

Clock = Callable[[], float]
"""Seconds, from any beginning."""

Ticking = Callable[[float, Callable[[], None]], Callable[[], None]]
"""Has something done every so many seconds; what it returns ends that."""

REDRAWN_SECONDS = 0.25
DOT_SECONDS = 0.75
"""Both well under a second, so that a busy machine too is never silent for one."""

_TURNING = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_MOST_DOTS = 70
_NO_NAME = "waiting for the engine"


def every(seconds: float, act: Callable[[], None]) -> Callable[[], None]:
    """Do it every so many seconds in a thread of its own, until the function returned is called."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(seconds):
            act()

    thread = threading.Thread(target=run, name="status", daemon=True)

    def leave() -> None:
        # A thread that writes while the interpreter ends would crash it.
        ended.set()
        thread.join(timeout=seconds)

    def end() -> None:
        ended.set()
        atexit.unregister(leave)

    atexit.register(leave)
    thread.start()
    return end


class Status:
    """The last line of the screen while something is under way. Its lock is held by whoever writes."""

    def __init__(self, out: TextIO, manner: TerminalCapabilities, *, clock: Clock, ticking: Ticking) -> None:
        self.lock = threading.RLock()
        self._out = out
        self._manner = manner
        self._clock = clock
        self._ticking = ticking
        self._end: Callable[[], None] | None = None
        self._word = ""
        self._since = 0.0
        self._running: dict[str, tuple[str, float]] = {}
        self._shown = False
        """Whether there is a line of its own that is not ended."""
        self._column = 0
        self._dots = 0
        self._turns = 0

    def say(self, text: str) -> None:
        """This is under way now."""
        with self.lock:
            self.settle()
            self._word, self._since, self._turns = text, self._clock(), 0
            self._draw()
            self._begin()

    def start(self, urn: str, name: str) -> None:
        """A resource is under way too."""
        with self.lock:
            self._running[urn] = (name, self._clock())
            self._turns = 0
            if not self._manner.live:
                self.wipe()
            self._draw(name)
            self._begin()

    def stop(self, urn: str) -> None:
        """A resource is done, and the line gives way to what is said of it; `resume` follows."""
        with self.lock:
            self._running.pop(urn, None)
            self.wipe()

    def resume(self) -> None:
        """What was said is said; the rest is still under way."""
        with self.lock:
            if not self._running:
                self._word, self._since = _NO_NAME, self._clock()
            self._turns = 0
            if self._manner.live and self._running:
                self._draw()
            self._out.flush()
            self._begin()

    def wipe(self) -> None:
        """Whoever writes next begins on a clean line."""
        if self._shown:
            self._out.write("\r\x1b[K" if self._manner.live else "\n")
            self._shown = False

    def settle(self) -> None:
        """Nothing is under way any more."""
        with self.lock:
            if self._end is not None:
                self._end()
                self._end = None
            self._word = ""
            self._running.clear()
            self.wipe()
            self._out.flush()

    def _begin(self) -> None:
        if self._end is None:
            self._end = self._ticking(REDRAWN_SECONDS if self._manner.live else DOT_SECONDS, self._tick)

    def _tick(self) -> None:
        with self.lock:
            if self._end is None:
                return
            try:
                if self._manner.live or not self._shown:
                    self._draw()
                else:
                    self._dot()
            except (OSError, ValueError):
                # Nobody reads any more, or the stream is closed: whoever speaks next finds that out, and says so.
                self._end()
                self._shown = False

    def _draw(self, what: str = "") -> None:
        if self._manner.live:
            turning = f" {_TURNING[self._turns % len(_TURNING)]}" if self._turns else ""
            self._turns += 1
            # Room for the ^C that a terminal echoes.
            room = self._manner.width - cells(f"  … {self._seconds()}{turning}") - 3
            named = shortened(self._manner.clean(self._named()), room, end="…")
            self._out.write(f"\r\x1b[K  … {named}{self._seconds()}{turning}")
        else:
            told = shortened(self._manner.clean(what or self._named()), self._manner.width - 12, end="...")
            line = f"... {told}{'' if what else self._seconds()}"
            self._out.write(line)
            self._column, self._dots = cells(line), 0
        self._out.flush()
        self._shown = True

    def _dot(self) -> None:
        if self._dots == _MOST_DOTS or self._column + 2 > self._manner.width:
            self._out.write("\n   ")
            self._column, self._dots = 3, 0
        gap = "" if self._dots else " "
        self._out.write(f"{gap}.")
        self._out.flush()
        self._column += len(gap) + 1
        self._dots += 1

    def _named(self) -> str:
        return ", ".join(name for name, _ in self._running.values()) or self._word

    def _seconds(self) -> str:
        since = min((since for _, since in self._running.values()), default=self._since)
        seconds = int(self._clock() - since)
        return f" {seconds} s" if seconds else ""
