"""`python -m bench [ROUNDS]`: each benchmark as a ratio of two sides, run in turn, an A/A control beside it.

Touches what the benchmarks touch, and standard output.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import first_prompt, onboarding


@dataclass(frozen=True, kw_only=True)
class Row:
    """One benchmark: `ours` against `theirs`, and the ratio that may not be exceeded; None where theirs does less."""

    name: str
    ours: Callable[[], float]
    theirs: Callable[[], float]
    at_most: float | None
    rounds: int


def process_seconds(command: list[str], environment: dict[str, str] | None = None) -> float:
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


def measure(row: Row) -> bool:
    """Run the sides in turn, print the row; whether it holds."""
    ours, theirs, control = [], [], []
    row.ours(), row.theirs()  # once each, uncounted: caches of the file system and of byte code
    for _ in range(row.rounds):
        ours.append(row.ours())
        theirs.append(row.theirs())
        control.append(row.theirs())
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    aa = statistics.median(a / b for a, b in zip(control, theirs, strict=True))
    holds = row.at_most is None or ratio <= row.at_most
    judged = "for scale" if row.at_most is None else f"at most {row.at_most:.2f}x  {'pass' if holds else 'SHORT'}"
    print(
        f"{row.name:<58} {statistics.median(ours):8.3f} s {statistics.median(theirs):8.3f} s "
        f"{ratio:6.2f}x  (A/A {aa:4.2f}x)  {judged}",
        flush=True,
    )
    return holds


def main(rounds: int) -> int:
    """All rows; exit 1 when one is short."""
    os.environ["PULUMI_SKIP_UPDATE_CHECK"] = "true"
    with onboarding.fresh() as (_, environment), first_prompt.product() as folder:
        engine = environment
        rows = (
            Row(
                name="python -m wizard --help / pulumi version",
                ours=lambda: process_seconds([sys.executable, "-m", "wizard", "--help"], engine),
                theirs=lambda: process_seconds(["pulumi", "version"], engine),
                at_most=1.0,
                rounds=max(rounds, 15),
            ),
            Row(
                name="first prompt / a bare questionary prompt",
                ours=lambda: first_prompt.wizard_seconds(folder),
                theirs=lambda: first_prompt.bare_seconds(folder),
                at_most=1.2,
                rounds=max(rounds, 15),
            ),
            Row(
                # The guardrails are the product's, and anybody's: with them on one side only they would be measured.
                name="onboarding / bare `pulumi up`, as guarded, and its pushes",
                ours=onboarding.wizard_seconds,
                theirs=onboarding.bare_seconds,
                at_most=1.3,
                rounds=rounds,
            ),
            Row(
                name="onboarding / the same bare one without the guardrails",
                ours=onboarding.wizard_seconds,
                theirs=onboarding.unguarded_seconds,
                at_most=None,
                rounds=min(rounds, 3),
            ),
        )
        print(f"{'':<58} {'ours':>10} {'theirs':>10} {'ratio':>7}")
        held = [measure(row) for row in rows]
        print(f"(of theirs, the stack and its configuration: {statistics.median(onboarding.making_the_stack):.3f} s)")
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
