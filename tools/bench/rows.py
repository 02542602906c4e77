"""The row of a benchmark: two sides measured in turn, their ratio, the A/A control, and whether the bound holds.

Pure.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

PASS = "pass"
SHORT = "SHORT"


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The bound of a row's ratio: an upper or a lower one."""

    at_most: float | None = None
    at_least: float | None = None

    def holds(self, ratio: float) -> bool:
        """Whether an unrounded ratio is within it."""
        over = self.at_most is not None and ratio > self.at_most
        under = self.at_least is not None and ratio < self.at_least
        return not (over or under)

    def __str__(self) -> str:
        """`at most 1.1`, or `at least 3.5`."""
        return f"at least {self.at_least:g}" if self.at_most is None else f"at most {self.at_most:g}"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A row: `ours` and `theirs` in `unit` (None where there is one side only), the ratio, and its A/A control.

    The ratio is ours to theirs where the bound is an upper one, and how many times as fast ours is where it is a lower
    one; the control is the ratio of theirs to itself, measured in the same rounds.
    """

    name: str
    unit: str
    ours: float | None
    theirs: float | None
    ratio: float
    control: float | None
    bound: Bound
    note: str = ""
    """What a person wants to know where the row is short."""

    @property
    def holds(self) -> bool:
        """Whether the ratio is within the bound."""
        return self.bound.holds(self.ratio)

    @property
    def verdict(self) -> str:
        """`pass` or `SHORT`."""
        return PASS if self.holds else SHORT


def counted(name: str, count: float, *, at_most: float, note: str = "") -> Measured:
    """The row of a count, which has a bound and nothing beside it."""
    return Measured(
        name=name,
        unit="",
        ours=None,
        theirs=None,
        ratio=count,
        control=None,
        bound=Bound(at_most=at_most),
        note=note,
    )


def allowed(name: str, figure: float, limit: float, unit: str, *, note: str = "") -> Measured:
    """The row of a figure as a share of what it is allowed to be."""
    return Measured(
        name=name,
        unit=unit,
        ours=figure,
        theirs=limit,
        ratio=figure / limit,
        control=None,
        bound=Bound(at_most=1.0),
        note=note,
    )


def compared(
    name: str,
    *,
    ours: Sequence[float],
    theirs: Sequence[float],
    control: Sequence[float] | None,
    bound: Bound,
    unit: str,
    rates: bool = False,
) -> Measured:
    """A row from the rounds of its sides: the median of the rounds' own ratios, so that a busy moment spoils one round.

    With `rates` the ratio is how many times as fast ours is; the sides are times in both cases.
    """
    ratios = [b / a if rates else a / b for a, b in zip(ours, theirs, strict=True)]
    return Measured(
        name=name,
        unit=unit,
        ours=statistics.median(ours),
        theirs=statistics.median(theirs),
        ratio=statistics.median(ratios),
        control=None if control is None else statistics.median(a / b for a, b in zip(control, theirs, strict=True)),
        bound=bound,
    )


HEADING = f"{'':<70} {'ours':>13} {'theirs':>13} {'ratio':>8}  {'A/A':>6}"


def line(row: Measured) -> str:
    """A row as `make bench` prints it."""
    sides = " ".join(f"{amount(value, row.unit):>13}" for value in (row.ours, row.theirs))
    control = "" if row.control is None else f"{row.control:.3f}"
    return f"{row.name:<70} {sides} {row.ratio:8.3f}  {control:>6}  {row.bound}: {row.verdict}"


def amount(value: float | None, unit: str) -> str:
    """A figure with its unit and a useful number of digits."""
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    return f"{value:,.{digits}f} {unit}".rstrip()
