"""The recipes for CI and the action that they use, read: their files, jobs and steps.

Reads `examples/ci`, `packages/action/action.yml` and the version, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wizard import version

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "examples" / "ci" / "github"
GITLAB = PROJECT / "examples" / "ci" / "gitlab" / "eonpro-kms.yml"
ACTION_FILE = PROJECT / "packages" / "action" / "action.yml"
ACTION: dict[str, Any] = yaml.safe_load(ACTION_FILE.read_text())
OURS = "eonpro/eonpro-kms"
"""The name that stands for the repository of the action."""
USES = f"{OURS}/packages/action@v{version()}"
"""How a recipe uses the action of this version."""


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

    def runs_of_the_action(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The inputs of each step that uses the action, with its job's name."""
        return ((name, step["with"]) for name, step in self.steps() if step.get("uses") == USES)


def recipes() -> dict[str, Recipe]:
    """All that are shipped."""
    files = sorted(FOLDER.glob("*.yml"))
    return {file.stem: Recipe(file=file, content=yaml.safe_load(file.read_text())) for file in files}
