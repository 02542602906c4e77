"""Many short rounds in which both sides and the control take turns with the same texts.

Touches the clock and the garbage collector, which is off while a side runs.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import thread_time_ns
from typing import Any

from tools.bench.fields.texts import texts
from tools.bench.rows import Bound, Measured, compared


@dataclass(frozen=True, kw_only=True)
class Rounds:
    count: int
    texts: int


@dataclass(frozen=True, kw_only=True)
class Side:
    """One way to do it: `prepare` converts the texts, `run` is the timed loop."""

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
) -> Measured:
    """A row; each round has its own texts. The unit is nanoseconds of CPU for each text."""
    times: tuple[list[float], list[float], list[float]] = ([], [], [])
    sides = (ours, theirs, theirs)
    for number in range(-2, rounds.count):
        batch = texts(rounds.texts)
        took = [0.0, 0.0, 0.0]
        # Each side is first, second and last equally often: what is left in the caches helps the next side.
        for turn in range(3):
            at = (turn + number) % 3 if number % 2 else (number - turn) % 3
            took[at] = nanoseconds(sides[at], batch) / rounds.texts
        if number >= 0:  # the first two rounds are warm-up
            for of_side, nanoseconds_of_round in zip(times, took, strict=True):
                of_side.append(nanoseconds_of_round)
    return compared(name, ours=times[0], theirs=times[1], control=times[2], bound=bound, unit="ns", rates=rates)


def nanoseconds(side: Side, batch: Sequence[str]) -> int:
    """CPU time of one side for these texts; the time of other programs does not count."""
    prepared = side.prepare(batch)
    gc.collect(0)
    gc.disable()
    try:
        started = thread_time_ns()
        side.run(prepared)
        return thread_time_ns() - started
    finally:
        gc.enable()
