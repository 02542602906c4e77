"""Builds the distributions of an exported source, the package for Node, and the bill of materials (SBOM).

Starts the build backend of this environment, uv, which reads its lock, and npm, which asks its registry for the tools
of the package; writes the two folders that are passed to it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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


EXPORT = ("export", "--frozen", "--offline", "--quiet", "--no-dev", "--all-extras", "--format", "cyclonedx1.5")


def bill_of_materials(source: Path, uv: Path, *, epoch: int) -> str:
    """CycloneDX 1.5 as JSON. Two exports of one lock are equal: uv's own differ in their time and their number."""
    command = [str(uv), *EXPORT, "--preview-features", "sbom-export"]
    done = subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)
    document: dict[str, Any] = json.loads(done.stdout)
    del document["serialNumber"]
    document["metadata"]["timestamp"] = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, content).urn
    return json.dumps(document, indent=2) + "\n"
