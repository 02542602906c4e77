"""The sandbox's server in which a seed fixes the material of a new KMS key, as it already fixes the key's id.

It may replace one function of moto in its own process, and make the directories of the sandbox that it serves.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sandbox.lifecycle import create_directories
from sandbox.server import Sandbox
from sandbox.state import SandboxPaths

# ruff: isort: split
# Only now: the sandbox prepares botocore before moto loads it.
from moto.kms import models
from moto.moto_api._internal import mock_random


def main(root: str, ready: str) -> None:
    """Serve a sandbox in the directory `root`; a byte on the descriptor `ready` says that it answers."""
    # moto reads the material from os.urandom. All its other random values follow `POST /moto-api/seed`.
    vars(models)["generate_master_key"] = lambda: mock_random.randbytes(32)
    where = SandboxPaths(root=Path(root))
    create_directories(where)
    Sandbox().serve(where, int(ready))


if __name__ == "__main__":
    main(*sys.argv[1:])
