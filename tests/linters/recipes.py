"""The recipes for CI, read: their files, jobs and steps.

Reads `examples/ci`, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "ci" / "github"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One workflow file."""

    file: Path
    content: dict[str, Any]

    @property
    def name(self) -> str:
        """Of the file, without its ending."""
        return self.file.stem

    @property
    def triggers(self) -> dict[str, Any]:
        """What starts it. YAML 1.1 reads the key `on` as true."""
        found: dict[str, Any] = self.content[True]  # type: ignore[index]
        return found

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        """By their names."""
        found: dict[str, dict[str, Any]] = self.content["jobs"]
        return found

    def steps(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every step with its job's name."""
        return ((name, step) for name, job in self.jobs.items() for step in job["steps"])


def recipes() -> dict[str, Recipe]:
    """All that are shipped."""
    files = sorted(FOLDER.glob("*.yml"))
    return {file.stem: Recipe(file=file, content=yaml.safe_load(file.read_text())) for file in files}
