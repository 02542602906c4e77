"""The order of a re-encryption: passes over the table until one finds nothing that needs an old key.

Touches what the crew and the checkpoint touch. Every pass reads all rows, tries each record under the new key and moves
what it finds under an old one; so the last one is the proof, and each of them mends what came in since.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Sequence
from itertools import pairwise

from phi.reencryption.checkpoint import Checkpoint
from phi.reencryption.crew import Crew
from phi.reencryption.facts import Done, Run
from phi.reencryption.options import BATCH, PASSES
from phi.reencryption.progress import Progress
from phi.reencryption.statements import Table
from phi.reencryption.transcription import Transcriber
from phi.reencryption.worker import Orders


def default_processes() -> int:
    """A worker for each core that this process may use, and one that uses them while the others wait for the disk."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + 1


def reencrypt(
    dsn: str,
    table: Table,
    *,
    old: Sequence[bytes],
    new: bytes,
    processes: int,
    batch: int = BATCH,
    passes: int = PASSES,
    dry: bool = False,
    checkpoint: Checkpoint | None = None,
    progress: Progress,
) -> Run:
    """Move every record from the old keys to the new one; dry, look once and write nothing.

    Raises a ReencryptionError, after which the same call goes on where it was: every batch is whole, written or not.
    """
    started = time.monotonic()
    orders = Orders(dsn=dsn, table=table, transcriber=Transcriber(old=old, new=new), size=batch, write=not dry)
    done: list[Done] = []
    ends = [started]
    begun = checkpoint.after() if checkpoint and not dry else None
    after, expected = begun, table.rows
    with Crew(orders, processes=processes) as crew:
        for number in range(1, (1 if dry else passes) + 1):
            keeping = checkpoint if checkpoint and number == 1 and not dry else None
            progress.begin(
                "looking" if dry else "re-encrypting" if number == 1 else f"verifying ({number - 1})", expected
            )

            def told(each: Done, until: str | None, keeping: Checkpoint | None = keeping) -> None:
                progress.add(each)
                if keeping:
                    keeping.note(until)

            found = crew.sweep(after, told)
            done.append(found)
            ends.append(time.monotonic())
            if keeping:
                keeping.over()
            if found.settled and after is None:
                break
            after, expected = None, found.rows if after is None else table.rows
    progress.end()
    return Run(
        assignment=table.assignment,
        passes=tuple(done),
        dry=dry,
        # What the workers left behind is known when they have ended.
        peak_mib=(_mib(resource.RUSAGE_SELF), _mib(resource.RUSAGE_CHILDREN)),
        seconds=time.monotonic() - started,
        pass_seconds=tuple(end - begin for begin, end in pairwise(ends)),
        processes=processes,
        batch=batch,
        resumed_after=begun,
    )


def _mib(whose: int) -> float:
    # Kibibytes on Linux, octets on macOS.
    return resource.getrusage(whose).ru_maxrss / (1024 if sys.platform != "darwin" else 1024 * 1024)
