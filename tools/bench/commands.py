"""The wizard's commands and the whole onboarding, each beside the plain tools that do as much.

Touches temporary folders, sandboxes of its own, and the processes it times.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping

from tools.bench import first_prompt, onboarding
from tools.bench.rows import Bound, Measured, compared

Seconds = Callable[[], float]


def process_seconds(command: list[str], environment: Mapping[str, str] | None = None) -> float:
    """Wall time of one process, from start to exit."""
    started = time.perf_counter()
    subprocess.run(
        command,
        cwd=onboarding.PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - started


def measure(name: str, ours: Seconds, theirs: Seconds, *, bound: Bound, rounds: int) -> Measured:
    """Run the sides in turn, the control last."""
    ours(), theirs()  # once each, uncounted: caches of the file system and of byte code
    sides = [(ours(), theirs(), theirs()) for _ in range(rounds)]
    mine, other, control = zip(*sides, strict=True)
    return compared(name, ours=mine, theirs=other, control=control, bound=bound, unit="s")


def rows(rounds: int) -> Iterator[Measured]:
    """What a person waits for before anything is asked."""
    with onboarding.fresh() as (_, environment), first_prompt.product() as folder:
        yield measure(
            "python -m wizard --help / pulumi version",
            lambda: process_seconds([sys.executable, "-m", "wizard", "--help"], environment),
            lambda: process_seconds(["pulumi", "version"], environment),
            bound=Bound(at_most=1.0),
            rounds=max(rounds, 15),
        )
        yield measure(
            "first prompt / a bare questionary prompt",
            lambda: first_prompt.wizard_seconds(folder),
            lambda: first_prompt.bare_seconds(folder),
            bound=Bound(at_most=1.2),
            rounds=max(rounds, 15),
        )


def onboarding_rows(rounds: int) -> Iterator[Measured]:
    """From nothing to variables that are delivered."""
    # The guardrails are the product's, and anybody's: with them on one side only they would be measured.
    yield measure(
        "onboarding / bare `pulumi up`, as guarded, and its pushes",
        onboarding.wizard_seconds,
        onboarding.bare_seconds,
        bound=Bound(at_most=1.3),
        rounds=rounds,
    )
    yield measure(
        "onboarding / the same bare one without the guardrails",
        onboarding.wizard_seconds,
        onboarding.unguarded_seconds,
        bound=Bound(),
        rounds=min(rounds, 3),
    )
    print(f"(of theirs, the stack and its configuration: {statistics.median(onboarding.making_the_stack):.3f} s)")
