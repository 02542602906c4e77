"""Who holds a stack: the lock of this folder's own runs, and the backend's lock of a run that is no more.

Part of the engine's edge: touches one lock file, and looks at the processes of this machine.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wizard.core import retry
from wizard.core.errors import StackBusy
from wizard.core.retry import SCHEDULES, Clock, Reason

LOCK_SECONDS = SCHEDULES[Reason.BUSY].seconds
"""How long a run waits for another run that holds the stack."""

_HOLDER = re.compile(r"created by (?P<user>[^@\s]+)@(?P<host>\S+) \(pid (?P<pid>\d+)\)")


@contextmanager
def alone(file: Path, stack: str, *, tell: Callable[[str], None], clock: Clock) -> Iterator[None]:
    """Hold the lock file; wait for whoever holds it. Raises StackBusy after LOCK_SECONDS."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        for number in retry.attempts(Reason.BUSY, clock=clock, seconds=LOCK_SECONDS):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if number == 1:
                    tell(
                        f"another run is working on the stack {stack} in this folder; "
                        f"waiting for it for up to {LOCK_SECONDS:.0f} s"
                    )
        else:
            raise StackBusy(
                f"another run has held the stack {stack} for {LOCK_SECONDS:.0f} s",
                "end it (ps ax | grep 'm wizard'), then run the same command again",
            )
        yield


def is_dead(complaint: str) -> bool:
    """Whether the backend's complaint names only runs of this machine that are no more.

    A lock of another machine is never called dead: nobody here can know.
    """
    holders = [match.groupdict() for match in _HOLDER.finditer(complaint)]
    return bool(holders) and all(
        holder["host"] == socket.gethostname() and not _alive(int(holder["pid"])) for holder in holders
    )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        # Killed, and not yet waited for by whoever adopted it: in a container without an init that lasts for ever.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True
