"""`python -m tests.blind`: every command that is printed for a fault is run, and one table of what it came to.

    --only NAME,...   these faults, with what each command printed
    --write           write the table to docs/reliability.md

Starts and ends the processes of the sandbox and the engine; writes to a temporary folder.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.blind.faults import FAULTS, GROUPS
from tests.blind.night import Night
from tests.blind.outcomes import Fault, Outcome, Result, results
from tests.chaos.__main__ import WORKERS, markdown, printed, progress, written
from tests.chaos.histories import Stage
from tests.chaos.world import empty_world

HEADINGS = ("faults", "healed", "nearer", "advice", "no change", "worse", "commands")


class Nights:
    """Nights in worlds that are forked from templates."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    @contextmanager
    def __call__(self, fault: Fault) -> Iterator[Night]:
        """The night of a world for that fault."""
        with self._stage.fork(fault.world) as (world, _):
            if fault.whole:
                world.recorded = None
            yield Night(world)


def shown(result: Result) -> Iterator[str]:
    """A command that did not heal at once, and why."""
    steps = f", well after {result.steps}" if result.steps > 1 else ""
    yield f"{'✗' if result.failed else '·'} {result.outcome}{steps}: {result.fault.name}: {result.printed.cause}"
    yield f"    {result.printed.command or result.printed.advice}"
    yield f"    {result.why}"
    if result.failed:
        yield f"    python -m tests.blind --only {result.fault.name}"


def table(found: Sequence[Result]) -> list[tuple[str, ...]]:
    """The rows: of each group of faults, what the first command came to; then how many commands were run."""
    rows = []
    for title, names in (*GROUPS.items(), ("all", {fault.name for fault in FAULTS})):
        of_group = [result for result in found if result.fault.name in names]
        first = [result.outcome for result in of_group if result.is_first]
        counts = [sum(outcome is each for outcome in first) for each in Outcome]
        commands = sum(bool(result.printed.command) for result in of_group)
        rows.append((title, *(str(number) for number in (len(first), *counts, commands))))
    return rows


def main() -> int:
    """The exit code: 1 where a command that is printed changes nothing, or makes it worse."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.blind", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if sys.platform != "linux":
        print("make blind needs Linux: its worlds are forked")
        return 0
    names = {name for name in options.only.split(",") if name}
    chosen = [fault for fault in FAULTS if not names or fault.name in names]
    # A socket's path is short.
    root, began = Path(tempfile.mkdtemp(prefix="blind-", dir="/tmp")), time.monotonic()
    found: list[Result] = []
    try:
        with ExitStack() as stack:
            nights = Nights(Stage(root=root, empty=stack.enter_context(empty_world(root))))
            # Interrupted, it waits for the faults that have begun, and for no others.
            pool = ThreadPoolExecutor(WORKERS)
            stack.callback(pool.shutdown, cancel_futures=True)
            jobs = [pool.submit(lambda fault: [*results(fault, nights)], fault) for fault in chosen]
            for number, job in enumerate(as_completed(jobs)):
                found += job.result()
                for result in job.result():
                    if names or result.outcome is not Outcome.HEALED:
                        print("\n".join(shown(result)), flush=True)
                    for ended in result.log if names else ():
                        print(f"      $ {ended.command} [{ended.code}]\n{ended.out}{ended.err}")
                progress(number + 1, len(jobs))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    rows = table(found)
    single = [result.outcome for result in found if result.is_first and not result.fault.pair]
    share = f"The first command that is printed heals {single.count(Outcome.HEALED)} of {len(single)} single faults."
    print(f"{printed(rows, HEADINGS)}\n{share}\n{time.monotonic() - began:.0f} s")
    if options.write:
        written("blind", f"{markdown(rows, HEADINGS)}\n\n{share}")
    return int(any(result.failed for result in found))


if __name__ == "__main__":
    sys.exit(main())
