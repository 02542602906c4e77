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
"""Well under a second, so that a busy machine too shows something every second."""

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
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
    """The last line of the screen while something is running. A writer holds its lock.

    Where a line cannot be drawn again, a task has a line of its own, without its seconds; in a file or a pipe none.
    """

    def __init__(self, out: TextIO, capabilities: TerminalCapabilities, *, clock: Clock, timer: Timer) -> None:
        self.lock = threading.RLock()
        self._out, self._capabilities, self._clock, self._timer = out, capabilities, clock, timer
        self._stop_timer: Callable[[], None] | None = None
        self._task = ("", 0.0)
        self._running: dict[str, tuple[str, float]] = {}
        self._shown = False
        self._turns = 0

    def say(self, text: str) -> None:
        """Show the running task."""
        with self.lock:
            self.settle()
            self._task = (text, self._clock())
            if not self._capabilities.live and self._out.isatty():
                clean = self._capabilities.clean(text)
                self._out.write(f"... {shortened(clean, self._capabilities.width - 4, end='...')}\n")
                self._out.flush()
            self._resume()

    def start(self, urn: str, name: str) -> None:
        """Show that a resource is being changed."""
        with self.lock:
            self._running[urn] = (name, self._clock())
            self._resume()

    def stop(self, urn: str) -> None:
        """Remove a resource, and erase the line: a message about it may follow, and `resume` after that."""
        with self.lock:
            self._running.pop(urn, None)
            self._wipe()

    def resume(self) -> None:
        """Show the running task again, after a message."""
        with self.lock:
            if not self._running:
                self._task = (_NO_NAME, self._clock())
            self._out.flush()
            self._resume()

    def settle(self) -> None:
        """End the status line: the next message begins on an empty one."""
        with self.lock:
            if self._stop_timer is not None:
                self._stop_timer()
                self._stop_timer = None
            self._running.clear()
            self._wipe()
            self._out.flush()

    def _resume(self) -> None:
        self._turns = 0
        if self._capabilities.live:
            self._draw()
            self._stop_timer = self._stop_timer or self._timer(REDRAWN_SECONDS, self._tick)

    def _wipe(self) -> None:
        if self._shown:
            self._out.write("\r\x1b[K")
            self._shown = False

    def _tick(self) -> None:
        with self.lock:
            if self._stop_timer is None:
                return
            try:
                self._draw()
            except (OSError, ValueError):
                # The reader has left, or the stream is closed: the next message reports it.
                self._stop_timer()
                self._shown = False

    def _draw(self) -> None:
        tasks = list(self._running.values()) or [self._task]
        seconds = int(self._clock() - min(moment for _, moment in tasks))
        end = f" {seconds} s" if seconds else ""
        end += f" {_SPINNER[self._turns % len(_SPINNER)]}" if self._turns else ""
        self._turns += 1
        # Room for the ^C that a terminal echoes.
        room = self._capabilities.width - cells(f"  … {end}") - 3
        names = shortened(self._capabilities.clean(", ".join(name for name, _ in tasks)), room, end="…")
        self._out.write(f"\r\x1b[K  … {names}{end}")
        self._out.flush()
        self._shown = True
