"""One set-up at a time for one checkout.

It may create the lock file it is given and hold a lock on it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(lock: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Holds the lock; when another process has it, says so and waits. It is free when a holder dies."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            who = f" (process {holder})" if holder else ""
            say(f"Another set-up of this folder is running{who}; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield
