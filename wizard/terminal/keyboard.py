"""The keyboard: keys that are typed while no question is shown are hidden and never answer a question.

Touches the modes of the terminal that standard input is, and the signals that end or suspend a process.
"""

import os
import select
import signal
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TextIO

_PAUSE_SECONDS = 0.1
"""Input without such a pause is one paste, or one key that is held down."""

_ENDING = (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM)
_LOCAL_MODES = 3
_CTRL_C = b"\x03"


class Keyboard:
    """The keyboard of one run. Without a terminal it does nothing."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """`stream`: standard input, if questions are asked on a terminal."""
        self._descriptor = stream.fileno() if stream is not None and stream.isatty() else None
        self._own: list[Any] | None = None
        """The modes before the run, while it has the terminal."""
        self._farewell = b""
        """The sequence that undoes a prompt's changes of the terminal, while a prompt is on the screen."""

    @property
    def is_terminal(self) -> bool:
        return self._descriptor is not None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Turn echo off for the block.

        The former modes return at its end, after SIGTERM, and while the process is suspended.
        """
        if self._descriptor is None:
            yield
            return
        self._own = termios.tcgetattr(self._descriptor)
        handlers = self._handle_signals()
        self._silence()
        try:
            yield
        finally:
            self._restore()
            self._own = None
            for number, handler in handlers.items():
                signal.signal(number, handler)

    @contextmanager
    def asking(self, farewell: bytes = b"") -> Iterator[None]:
        """Let a prompt set the modes for the block. A signal that ends the process writes `farewell`."""
        self._farewell = farewell
        try:
            yield
        finally:
            self._farewell = b""
            self._silence()

    @contextmanager
    def line(self, *, echo: bool) -> Iterator[None]:
        """Let the block read a whole line; keys typed before are discarded. Raises KeyboardInterrupt for its Ctrl-C."""
        if self._descriptor is None:
            yield
            return
        before = self._own or termios.tcgetattr(self._descriptor)
        # A line that is not finished can be read, and so discarded, only out of line mode.
        self._set(_without(before, termios.ICANON | termios.ECHO))
        if self.discard():
            raise KeyboardInterrupt
        self._set(before if echo else _without(before, termios.ECHO))
        try:
            yield
        finally:
            self._set(before)
            self._silence()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Give the terminal to another program for the block: with echo, without the keys typed before."""
        if self._descriptor is not None:
            with suppress(termios.error):
                termios.tcflush(self._descriptor, termios.TCIFLUSH)
        self._restore()
        try:
            yield
        finally:
            self._silence()

    def discard(self) -> bool:
        """Discard the keys typed until now, a paste to its end. True if Ctrl-C was among them. Not for line mode."""
        typed, pause = b"", 0.0
        while self._descriptor is not None and select.select([self._descriptor], [], [], pause)[0]:
            try:
                piece = os.read(self._descriptor, 65536)
            except OSError:
                break  # The terminal is gone: the next reader reports it.
            if not piece:
                break
            typed, pause = typed + piece, _PAUSE_SECONDS
        return _CTRL_C in typed

    def _silence(self) -> None:
        if self._own is not None:
            self._set(_without(self._own, termios.ECHO))

    def _restore(self) -> None:
        if self._own is not None:
            self._set(self._own)

    def _set(self, modes: list[Any]) -> None:
        assert self._descriptor is not None
        if not self._is_in_background():
            with suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSANOW, modes)

    def _is_in_background(self) -> bool:
        """Whether a change of the modes would stop this process."""
        assert self._descriptor is not None
        try:
            return os.tcgetpgrp(self._descriptor) != os.getpgrp()
        except OSError:
            return False  # The terminal of no session: nobody is stopped for it.

    def _handle_signals(self) -> dict[int, Any]:
        """The handlers that were replaced. A signal that the caller ignores stays ignored."""
        if threading.current_thread() is not threading.main_thread():
            return {}
        handlers = {signal.SIGTSTP: self._suspend, **dict.fromkeys(_ENDING, self._end)}
        return {
            number: signal.signal(number, handler)
            for number, handler in handlers.items()
            if signal.getsignal(number) is signal.SIG_DFL
        }

    def _end(self, number: int, _frame: FrameType | None) -> None:
        if self._farewell and self._descriptor is not None:
            with suppress(OSError):
                os.write(self._descriptor, self._farewell)
        self._restore()
        _default(number)

    def _suspend(self, number: int, _frame: FrameType | None) -> None:
        assert self._descriptor is not None
        modes = termios.tcgetattr(self._descriptor)
        self._restore()
        _default(number)
        # It goes on here. A shell has used the terminal meanwhile.
        signal.signal(number, self._suspend)
        self._set(modes)


def _default(number: int) -> None:
    """Do what the signal does to a process without a handler."""
    signal.signal(number, signal.SIG_DFL)
    # To this thread: it is stopped or ended before the call returns.
    signal.pthread_kill(threading.get_ident(), number)


def _without(modes: list[Any], flags: int) -> list[Any]:
    return [*modes[:_LOCAL_MODES], modes[_LOCAL_MODES] & ~flags, *modes[_LOCAL_MODES + 1 :]]
