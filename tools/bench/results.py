"""The results of the benchmarks: JSON, and the page and the chart of the documentation, which are generated from it.

Touches docs/reference/benchmarks.md and docs/reference/benchmarks/.
"""

import json
import os
import platform
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from tools.bench.chart import draw
from tools.bench.rows import FOR_SCALE, Measured, Part, amount
from tools.bootstrap.places import PROJECT

PLACE = PROJECT
"""The project whose documentation is written."""

ORDER = ("phi", "node", "reencryption", "most", "search", "commands", "onboarding", "latency")
"""The parts of the benchmarks, in the order of the page."""


def this_machine(libraries: Mapping[str, str]) -> dict[str, str]:
    """The facts that a ratio may depend on: processor, cores, system, Python, OpenSSL and the libraries of the rows."""
    named = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
        "OpenSSL of Python": ssl.OPENSSL_VERSION.removeprefix("OpenSSL ").partition(" ")[0],
    }
    return named | dict(libraries)


def versions(*names: str) -> dict[str, str]:
    """The installed versions of these packages, of those that are installed."""
    installed = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def stored_parts(folder: Path) -> dict[str, Part]:
    """The parts of the last runs, by name."""
    try:
        document = json.loads((folder / "docs/reference/benchmarks/results.json").read_text())
    except FileNotFoundError:
        return {}
    return {
        name: Part(
            name=name,
            date=part["date"],
            machine=part["machine"],
            rows=tuple(Measured.from_document(row) for row in part["rows"]),
        )
        for name, part in document.items()
    }


def write(parts: Mapping[str, Part], folder: Path | None = None) -> None:
    """Write the JSON, and from it the table and the chart; parts that were not measured now do not change."""
    folder = folder or PLACE
    parts_by_name = stored_parts(folder) | dict(parts)
    for path, text in files(parts_by_name).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def files(parts: Mapping[str, Part]) -> dict[str, str]:
    """The text of each file of these results, by its path in the project."""
    ordered = sorted(parts.values(), key=lambda part: ORDER.index(part.name))
    document = {
        part.name: {"date": part.date, "machine": dict(part.machine), "rows": [row.document() for row in part.rows]}
        for part in ordered
    }
    return {
        "docs/reference/benchmarks/results.json": json.dumps(document, indent=2, ensure_ascii=False) + "\n",
        "docs/reference/benchmarks/chart.svg": draw(ordered),
        "docs/reference/benchmarks.md": written(ordered),
    }


def _processor() -> str:
    """The processor's model on Linux; elsewhere Python's name for it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


LONGEST_NOTE = 80
"""Characters of a note on the page. A longer one, such as a chain of calls, is in results.json alone."""

TITLES = {
    "phi": "One field, and the key behind it",
    "node": "One field in Node, its start and its bundle",
    "reencryption": "Re-encryption of a table",
    "most": "Re-encryption of ten million rows, by hand",
    "search": "Search without plain text, in a million patients",
    "commands": "The wizard's commands",
    "onboarding": "The whole onboarding",
    "latency": "Commands on a distant account: 80 ms a request, 160 ms a new connection",
}

_HEADING = """\
# Benchmarks

Written by `make bench`, which measures every row again and exits with 1 when one is short; `make bench ARGS="phi"`
measures one part. What is compared with what, and how, is in
[decision 0026](../decisions/0026-what-the-benchmarks-compare.md). A figure holds for the machine that is named; what a
row promises is its ratio, the median of the ratios of many interleaved rounds. Next to it is the A/A control, the other
side compared with itself in the same rounds: its distance from 1 is the uncertainty of the ratio.

![Time of one field by library, and what each row uses of its bound](benchmarks/chart.svg)
"""


def written(parts: Sequence[Part]) -> str:
    return "\n".join([_HEADING, *(_part(part) for part in parts)])


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
    label = f"{row.name} ({row.note})" if 0 < len(row.note) <= LONGEST_NOTE else row.name
    sides = f"{amount(row.ours, row.unit)} | {amount(row.theirs, row.unit)}"
    return f"| {label} | {sides} | {row.ratio:.3f} | {control} | {bound} | {row.verdict} |"
