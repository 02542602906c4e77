"""`python -m tools.bench [PART…]`: each benchmark as a ratio of two sides that run in turn, with an A/A control.

Touches the benchmarks' resources, standard output, and the results in docs/.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from tools.bench import commands, latency, node, phi, reencryption, results, search
from tools.bench.rows import HEADING, Measured, Part, line

Rows = Callable[[int], Iterator[Measured]]
"""Yields each row when it is measured; the argument is how often a long row is repeated."""

PARTS: Mapping[str, Sequence[Rows]] = {
    "phi": (phi.field_rows, phi.import_rows),
    "node": (node.rows,),
    "reencryption": (reencryption.rows,),
    "most": (reencryption.most_rows,),
    "search": (search.rows,),
    "commands": (commands.rows,),
    "onboarding": (commands.onboarding_rows,),
    "latency": (latency.rows,),
}
LIBRARIES: Mapping[str, Callable[[], Mapping[str, str]]] = {
    "phi": phi.versions,
    "node": node.versions,
    "reencryption": reencryption.versions,
    "most": reencryption.versions,
    "search": search.versions,
    "commands": lambda: results.versions("questionary", "pulumi"),
    "onboarding": lambda: results.versions("pulumi", "pulumi-aws", "boto3"),
    "latency": lambda: results.versions("pulumi", "botocore", "urllib3"),
}
"""The versions that the ratios of a part may depend on."""

BY_HAND = {"most"}
"""Measured only when named: it needs some 20 GB of disk and eight minutes."""


def main(arguments: Sequence[str]) -> int:
    """Measure the requested parts; exit code 1 when a row misses its bound."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench", description="Compares this product with the plain tools."
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(results.ORDER)}; default: all but {', '.join(BY_HAND)}"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often a long row is repeated")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    os.environ["PULUMI_SKIP_UPDATE_CHECK"] = "true"
    chosen = [name for name in results.ORDER if name in (options.parts or PARTS.keys() - BY_HAND)]
    measured: dict[str, Part] = {}
    for name in chosen:
        print(f"{name}\n{HEADING}", flush=True)
        rows = tuple(print_rows(row for part in PARTS[name] for row in part(options.rounds)))
        measured[name] = Part(
            name=name, date=results.today(), machine=results.this_machine(LIBRARIES[name]()), rows=rows
        )
    results.write(measured)
    return verdict(measured.values())


def print_rows(rows: Iterable[Measured]) -> Iterator[Measured]:
    """The same rows; each is printed when it arrives."""
    for row in rows:
        print(line(row), flush=True)
        yield row


def verdict(parts: Iterable[Part]) -> int:
    """The exit code; prints the names of the rows that miss their bound."""
    short = [row.name for part in parts for row in part.rows if not row.holds]
    for name in short:
        print(f"SHORT: {name}")
    return int(bool(short))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
