"""The results as a page of the documentation, with the machine they were measured on.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from tools.bench.rows import FOR_SCALE, Measured, Part, amount

TITLES = {
    "phi": "One field, and the key behind it",
    "reencryption": "Re-encryption of a table",
    "commands": "The wizard's commands",
    "onboarding": "The whole onboarding",
}

_OPENING = """\
# Benchmarks

Written by `make bench`, which measures every row anew and exits with 1 when one is short; `make bench ARGS="phi"`
measures one part. What is compared with what, and how, is in
[decision 0026](decisions/0026-what-the-benchmarks-compare.md). A figure holds for the machine that is named; what a row
promises is its ratio, the median of the ratios of many interleaved rounds. Beside it stands the A/A control, the other
side against itself in the same rounds: as far as that is off 1, so far is the ratio uncertain.

![Time of one field by library, and what each row uses of its bound](benchmarks/chart.svg)
"""


def written(parts: Sequence[Part]) -> str:
    """The page, in Markdown."""
    return "\n".join([_OPENING, *(_part(part) for part in parts)])


def _part(part: Part) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in part.machine.items())
    rows = [
        "| | ours | theirs | ratio | A/A | bound | |",
        "|---|---:|---:|---:|---:|---|---|",
        *(_row(row) for row in part.rows),
    ]
    return "\n".join([f"## {TITLES[part.name]}", "", f"Measured on {part.date}: {machine}.", "", *rows, ""])


def _row(row: Measured) -> str:
    control = "" if row.control is None else f"{row.control:.3f}"
    bound = "" if row.verdict == FOR_SCALE else str(row.bound)
    said = f"{row.name} ({row.note})" if row.note else row.name
    sides = f"{amount(row.ours, row.unit)} | {amount(row.theirs, row.unit)}"
    return f"| {said} | {sides} | {row.ratio:.3f} | {control} | {bound} | {row.verdict} |"
