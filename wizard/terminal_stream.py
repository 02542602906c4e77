"""A stream whose reader may leave before the end (`| head`): what comes after that is let go, and the run goes on.

Touches the stream that it is given.
"""

from __future__ import annotations

import os
from typing import Any, TextIO, cast


class _Lasting:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            to_nowhere(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            to_nowhere(self._stream)


def lasting(stream: TextIO) -> TextIO:
    """The stream, which nobody's leaving breaks: an update that is under way has to come to its end."""
    return cast(TextIO, _Lasting(stream))


def to_nowhere(stream: TextIO) -> None:
    """Let what is left go. Python writes that when it ends, too
    (https://docs.python.org/3/library/signal.html#note-on-sigpipe).
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
