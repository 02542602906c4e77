"""`python -m tools.bench [PART…]`: each benchmark as a ratio of two sides that run in turn, with an A/A control.

Touches the benchmarks' resources, and standard output.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from tools.bench import commands, fields, node, reencryption, search
from tools.bench.rows import HEADING, Measured, line

Rows = Callable[[int], Iterator[Measured]]
"""Yields each row when it is measured; the argument is how often a long row is repeated."""

PARTS: Mapping[str, Rows] = {
    "phi": fields.rows,
    "node": node.rows,
    "reencryption": reencryption.rows,
    "search": search.rows,
    "commands": commands.rows,
}


def main(arguments: Sequence[str]) -> int:
    """Measure the requested parts; exit code 1 when a row misses its bound."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench", description="Compares this product with the plain tools."
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all of them")
    parser.add_argument("--rounds", type=int, default=5, help="how often a long row is repeated")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    os.environ["PULUMI_SKIP_UPDATE_CHECK"] = "true"
    short: list[Measured] = []
    for name in [name for name in PARTS if name in (options.parts or PARTS)]:
        print(f"{name}\n{HEADING}", flush=True)
        for row in PARTS[name](options.rounds):
            print(line(row), flush=True)
            short += () if row.holds else (row,)
    for row in short:
        print(f"SHORT: {row.name}" + (f" ({row.note})" if row.note else ""))
    return int(bool(short))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
