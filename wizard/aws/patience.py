"""Patience with AWS: an errand that is idempotent as a whole is begun again while AWS cannot, until the time is over.

Calls what it is given, and waits. botocore repeats a single call a few times by itself; a minute of throttling outlasts
that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from wizard.errors import TryLater, Unreachable

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
"""From the first try to the beginning of the last."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds between tries; they double."""


def patiently(
    errand: Callable[[], T], *, pause: Callable[[float], None], now: Callable[[], float] = time.monotonic
) -> T:
    """What the errand returns; its last failure, when the time is over. Every other failure is raised at once."""
    begun, slept, wait = now(), 0.0, FIRST_PAUSE
    while True:
        try:
            return errand()
        except (TryLater, Unreachable):
            # What was slept counts even where a test's clock stands still.
            if max(now() - begun, slept) + wait > PATIENCE_SECONDS:
                raise
        pause(wait)
        slept, wait = slept + wait, min(wait * 2, LONGEST_PAUSE)
