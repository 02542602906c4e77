"""Builds the distributions of an exported source: a wheel and a source distribution of each.

Starts the build backend of this environment, so that nothing is downloaded; writes the folder that is passed to it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tools.bootstrap.environment import cleaned
from tools.release.source import FOLDERS


def built_by_hatchling(folder: Path) -> bool:
    """Whether the folder's pyproject.toml makes a distribution."""
    table = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    return bool(table.get("build-system", {}).get("build-backend") == "hatchling.build")


def build(source: Path, into: Path, *, epoch: int) -> list[Path]:
    """Build every distribution of the source; the files, whose every time is `epoch`.

    Raises subprocess.CalledProcessError with the backend's own words.
    """
    environment = cleaned(os.environ) | {"SOURCE_DATE_EPOCH": str(epoch)}
    for folder in (source / name for name in FOLDERS):
        if built_by_hatchling(folder):
            command = [sys.executable, "-m", "hatchling", "build", "--directory", str(into)]
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return sorted(into.iterdir())
