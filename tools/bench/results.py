"""The results of the benchmarks: kept as JSON, from which the table and the chart of the documentation are drawn.

Touches docs/benchmarks.md and docs/benchmarks/.
"""

from __future__ import annotations

import json
import os
import platform
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from tools.bench.chart import drawn
from tools.bench.onboarding import PROJECT
from tools.bench.rows import Measured, Part
from tools.bench.table import written

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
