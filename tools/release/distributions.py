"""Builds the distributions of an exported source: a wheel and a source distribution of each, and the package for Node.

Starts the build backend of this environment, and npm, which asks its registry for the tools of the package; writes the
two folders that are passed to it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tools import node_package
from tools.bootstrap.environment import cleaned
from tools.bootstrap.places import PROJECT
from tools.release.source import FOLDERS


def built_by_hatchling(folder: Path) -> bool:
    """Whether the folder's pyproject.toml makes a distribution."""
    table = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    return bool(table.get("build-system", {}).get("build-backend") == "hatchling.build")


def build(source: Path, into: Path, *, epoch: int) -> list[Path]:
    """Build every distribution of the source; the files, whose every time is `epoch`.

    Raises subprocess.CalledProcessError with the backend's own words, and NpmFailed.
    """
    environment = cleaned(os.environ) | {"SOURCE_DATE_EPOCH": str(epoch)}
    for folder in (source / name for name in FOLDERS):
        if built_by_hatchling(folder):
            command = [sys.executable, "-m", "hatchling", "build", "--directory", str(into)]
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    # Last: what npm installs beside its sources is in no source distribution.
    node_package.release(source / node_package.PACKAGE.relative_to(PROJECT), into)
    return sorted(into.iterdir())
