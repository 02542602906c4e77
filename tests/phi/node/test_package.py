"""`@eonpro/phi`, the package for Node: its own tests, and what an application gets that installs its tarball.

Touches folders of its own. npm installs the packages of the lock file into `.cache/` once; after that only the
thorough tests ask a registry.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools import node_package
from tools.bootstrap.places import PROJECT

pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("npm")]


VECTORS = PROJECT / "tests" / "phi" / "vectors" / "shared.json"


def node(folder: Path, *arguments: str, program: Sequence[str] = ("node",)) -> subprocess.CompletedProcess[str]:
    own = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ} | {"PHI_VECTORS": str(VECTORS)}
    return subprocess.run(
        [*program, *arguments], cwd=folder, env=own, capture_output=True, text=True, timeout=300, check=False
    )


def test_its_own_tests_pass() -> None:
    done = node(node_package.built(), "--test", "--test-reporter", "spec", "test/")
    assert done.returncode == 0, done.stdout
    assert "tests 0" not in done.stdout
