"""`@eonpro/phi/prisma` under a real Prisma client on SQLite, which Prisma generates; the package from its tarball.

Touches a folder of its own; npm installs Prisma once, as its lock file says.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from phi import PhiCipher
from tools import node_package

pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("npm"), pytest.mark.thorough]

FOLDER = Path(__file__).with_name("prisma")
KEY = bytes(range(32))


def test_a_real_client_stores_records_and_reads_texts_and_phi_reads_them_too(tmp_path: Path) -> None:
    folder = tmp_path / "application"
    shutil.copytree(FOLDER, folder)
    (folder / "node_modules").symlink_to(node_package.packages(FOLDER, [node_package.tarball()]))
    # Prisma would download an engine that only migrations need.
    environment = {"PATH": os.environ["PATH"], "PRISMA_SCHEMA_ENGINE_BINARY": "/bin/true", "HOME": str(tmp_path)}
    for command in (
        ["node", "node_modules/prisma/build/index.js", "generate"],
        ["node", "node_modules/esbuild/bin/esbuild", "generated/client.ts", "--bundle", "--packages=external"]
        + ["--format=esm", "--platform=node", "--outfile=client.mjs"],
        ["node", "run.mjs", KEY.hex()],
    ):
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout
    assert PhiCipher(KEY).decrypt(json.loads(done.stdout.splitlines()[-1])) == "Jane@Example.org"
