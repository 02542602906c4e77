"""The results of the benchmarks: JSON, and the page and the chart of the documentation that are made from it.

Touches docs/benchmarks.md and docs/benchmarks/.
"""

from __future__ import annotations

import json
import os
import platform
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from tools.bench.chart import drawn
from tools.bench.rows import FOR_SCALE, Measured, Part, amount
from tools.bootstrap.places import PROJECT

PLACE = PROJECT
"""Whose documentation is written."""

ORDER = ("phi", "reencryption", "commands", "onboarding")
"""The parts of the benchmarks, as they are run and shown."""


def this_machine(libraries: Mapping[str, str]) -> dict[str, str]:
    """What a ratio may depend on: processor, cores, system, Python, OpenSSL and the libraries of the rows."""
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
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def today() -> str:
    """The day, in UTC."""
    return datetime.now(UTC).date().isoformat()


def kept(folder: Path) -> dict[str, Part]:
    """The parts of the last runs, by name."""
    try:
        found = json.loads((folder / "docs/benchmarks/results.json").read_text())
    except FileNotFoundError:
        return {}
    return {
        name: Part(
            name=name,
            date=part["date"],
            machine=part["machine"],
            rows=tuple(Measured.from_document(row) for row in part["rows"]),
        )
        for name, part in found.items()
    }


def keep(parts: Mapping[str, Part], folder: Path | None = None) -> None:
    """Write the JSON, and from it the table and the chart; parts that were not measured now stay as they were."""
    folder = folder or PLACE
    every = kept(folder) | dict(parts)
    for path, text in files(every).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def files(parts: Mapping[str, Part]) -> dict[str, str]:
    """What is written for these results, by its place in the project."""
    ordered = sorted(parts.values(), key=lambda part: ORDER.index(part.name))
    document = {
        part.name: {"date": part.date, "machine": dict(part.machine), "rows": [row.document() for row in part.rows]}
        for part in ordered
    }
    return {
        "docs/benchmarks/results.json": json.dumps(document, indent=2, ensure_ascii=False) + "\n",
        "docs/benchmarks/chart.svg": drawn(ordered),
        "docs/benchmarks.md": written(ordered),
    }


def _processor() -> str:
    """The model that Linux names; else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


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
