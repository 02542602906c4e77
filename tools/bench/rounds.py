"""Many short rounds in which both sides and the control take turns with the same texts.

Touches the clock and the garbage collector, which is off while a side runs.
"""

import gc
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import thread_time_ns
from typing import Any

from tools.bench.rows import Bound, Measured, compared

LEAST, MOST = 50, 200
"""Bytes of UTF-8 in a text, as PHI fields hold them."""

_SCRIPTS = (
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 .,-@/",
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 .,-@/",
    "aábcčdďeéěfghiíjklmnňoópqrřsštťuúůvwxyýzž äöüß ñçøå",
    "абвгдежзийклмнопрстуфхцчшщъыьэюя ΑΒΓΔΕΖΗΘ",
    "東京都新宿区西一丁目山田太郎 서울특별시 😀🏥",
)
_random = random.Random(7)


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


def texts(count: int) -> Sequence[str]:
    """This many new texts; the same in every run of the benchmark."""
    return [_text() for _ in range(count)]


def _text() -> str:
    script = _random.choice(_SCRIPTS)
    size = _random.randint(LEAST, MOST)
    # As many characters of the script as fit, then plain ones up to the size.
    width = max(len(character.encode()) for character in script)
    chosen = "".join(_random.choices(script, k=size // width))
    return chosen + "".join(_random.choices(_SCRIPTS[0], k=size - len(chosen.encode())))
