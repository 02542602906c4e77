"""Many short rounds in which both sides and the control take turns over the same texts.

Touches the clock and the garbage collector, which rests while a side runs.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import thread_time_ns
from typing import Any

from tools.bench.fields.texts import texts
from tools.bench.rows import Bound, Measured, compared


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """How many rounds, of how many texts each."""

    count: int
    texts: int


@dataclass(frozen=True, kw_only=True)
class Side:
    """One way to do it: what is made ready of the texts, and the loop over that, which alone is timed."""

    run: Callable[[Any], object]
    prepare: Callable[[Sequence[str]], Any] = list


def compare(
    name: str,
    ours: Side,
    theirs: Side,
    *,
    bound: Bound,
    rounds: Rounds,
    rates: bool = False,
    label: str = "",
) -> Measured:
    """A row over texts that no other round has; nanoseconds of CPU for a text."""
    times: tuple[list[float], list[float], list[float]] = ([], [], [])
    sides = (ours, theirs, theirs)
    for number in range(-2, rounds.count):
        batch = texts(rounds.texts)
        took = [0.0, 0.0, 0.0]
        # Each is first, second and last equally often: what one leaves in the caches serves the next.
        for turn in range(3):
            at = (turn + number) % 3 if number % 2 else (number - turn) % 3
            took[at] = nanoseconds(sides[at], batch) / rounds.texts
        if number >= 0:  # the first two rounds are the warming up
            for kept, one in zip(times, took, strict=True):
                kept.append(one)
    return compared(
        name, ours=times[0], theirs=times[1], control=times[2], bound=bound, unit="ns", rates=rates, label=label
    )


def nanoseconds(side: Side, batch: Sequence[str]) -> int:
    """CPU time of one side over these texts: nothing in it waits, and another program's turn is not its cost."""
    given = side.prepare(batch)
    gc.collect(0)
    gc.disable()
    try:
        started = thread_time_ns()
        side.run(given)
        return thread_time_ns() - started
    finally:
        gc.enable()
