"""The status line: the running task, updated at least once a second until the next message.

Writes to one stream, from a thread of its own that ends with the next message.
"""

import atexit
import threading
from collections.abc import Callable
from typing import TextIO

from wizard.terminal.text import TerminalCapabilities, cells, shortened

Clock = Callable[[], float]
"""Seconds since any fixed moment."""

Timer = Callable[[float, Callable[[], None]], Callable[[], None]]
"""Calls a function at this interval in seconds; returns a function that stops it."""

REDRAWN_SECONDS = 0.25
DOT_SECONDS = 0.75
"""Both well under a second, so that a busy machine too shows something every second."""

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_MAX_DOTS = 70
_NO_NAME = "waiting for the engine"


def every(seconds: float, act: Callable[[], None]) -> Callable[[], None]:
    """Call `act` at this interval in a thread of its own, until the returned function is called."""
    stopped = threading.Event()

    def run() -> None:
        while not stopped.wait(seconds):
            act()

    thread = threading.Thread(target=run, name="status", daemon=True)

    def stop_at_exit() -> None:
        # A thread that writes while the interpreter exits would crash it.
        stopped.set()
        thread.join(timeout=seconds)

    def stop() -> None:
        stopped.set()
        atexit.unregister(stop_at_exit)

    atexit.register(stop_at_exit)
    thread.start()
    return stop


class Status:
    """The last line of the screen while something is running. A writer holds its lock."""

    def __init__(self, out: TextIO, capabilities: TerminalCapabilities, *, clock: Clock, timer: Timer) -> None:
        self.lock = threading.RLock()
        self._out = out
        self._capabilities = capabilities
        self._clock = clock
        self._timer = timer
        self._stop_timer: Callable[[], None] | None = None
        self._text = ""
        self._started = 0.0
        self._running: dict[str, tuple[str, float]] = {}
        self._shown = False
        """Whether the status is on a line that is not finished."""
        self._column = 0
        self._dots = 0
        self._turns = 0

    def say(self, text: str) -> None:
        """Show the running task."""
        with self.lock:
            self.settle()
            self._text, self._started, self._turns = text, self._clock(), 0
            self._draw()
            self._begin()

    def start(self, urn: str, name: str) -> None:
        """Show that a resource is being changed."""
        with self.lock:
            self._running[urn] = (name, self._clock())
            self._turns = 0
            if self._capabilities.live:
                self._draw()
            self._begin()

    def stop(self, urn: str, *, is_told: bool) -> None:
        """Remove a resource, and erase the line if a message about it follows; `resume` comes after that."""
        with self.lock:
            self._running.pop(urn, None)
            if is_told:
                self.wipe()

    def resume(self) -> None:
        """Show the running task again, after a message."""
        with self.lock:
            if not self._running:
                self._text, self._started = _NO_NAME, self._clock()
            self._turns = 0
            if self._capabilities.live and self._running:
                self._draw()
            self._out.flush()
            self._begin()

    def wipe(self) -> None:
        """Erase or end the line: the next message begins on an empty one."""
        if self._shown:
            self._out.write("\r\x1b[K" if self._capabilities.live else "\n")
            self._shown = False

    def settle(self) -> None:
        """End the status line."""
        with self.lock:
            if self._stop_timer is not None:
                self._stop_timer()
                self._stop_timer = None
            self._text = ""
            self._running.clear()
            self.wipe()
            self._out.flush()

    def _begin(self) -> None:
        if self._stop_timer is None:
            self._stop_timer = self._timer(REDRAWN_SECONDS if self._capabilities.live else DOT_SECONDS, self._tick)

    def _tick(self) -> None:
        with self.lock:
            if self._stop_timer is None:
                return
            try:
                if self._capabilities.live or not self._shown:
                    self._draw()
                else:
                    self._dot()
            except (OSError, ValueError):
                # The reader has left, or the stream is closed: the next message reports it.
                self._stop_timer()
                self._shown = False

    def _draw(self) -> None:
        if self._capabilities.live:
            spinner = f" {_SPINNER[self._turns % len(_SPINNER)]}" if self._turns else ""
            self._turns += 1
            # Room for the ^C that a terminal echoes.
            room = self._capabilities.width - cells(f"  … {self._seconds()}{spinner}") - 3
            text = shortened(self._capabilities.clean(self._names()), room, end="…")
            self._out.write(f"\r\x1b[K  … {text}{self._seconds()}{spinner}")
        else:
            text = shortened(self._capabilities.clean(self._names()), self._capabilities.width - 12, end="...")
            line = f"... {text}{self._seconds()}"
            self._out.write(line)
            self._column, self._dots = cells(line), 0
        self._out.flush()
        self._shown = True

    def _dot(self) -> None:
        if self._dots == _MAX_DOTS or self._column + 2 > self._capabilities.width:
            self._out.write("\n   ")
            self._column, self._dots = 3, 0
        gap = "" if self._dots else " "
        self._out.write(f"{gap}.")
        self._out.flush()
        self._column += len(gap) + 1
        self._dots += 1

    def _names(self) -> str:
        return ", ".join(name for name, _ in self._running.values()) or self._text

    def _seconds(self) -> str:
        started = min((moment for _, moment in self._running.values()), default=self._started)
        seconds = int(self._clock() - started)
        return f" {seconds} s" if seconds else ""
