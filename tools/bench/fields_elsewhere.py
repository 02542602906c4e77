"""Starts the rows of fields and keys in the environment that holds the libraries they stand beside.

Touches that process, and reads its standard output.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping

from tools.bench.onboarding import PROJECT
from tools.bench.rows import Measured
from tools.bootstrap.places import tool


def rows(rounds: int) -> Iterator[Measured]:
    """Each as it is measured there; the rounds are short, and many for each of a long row."""
    command = [str(tool("bench")), "-m", "tools.bench.fields", "--rounds", str(60 * rounds)]
    with subprocess.Popen(command, cwd=PROJECT, env=_environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield Measured.from_document(json.loads(line))
    if process.returncode:
        raise SystemExit(f"the rows of fields ended with {process.returncode}")


def versions() -> Mapping[str, str]:
    """The versions there of what is compared, and of the OpenSSL that cryptography brings."""
    command = [str(tool("bench")), "-m", "tools.bench.fields", "--versions"]
    told = subprocess.run(command, cwd=PROJECT, env=_environment(), stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, str] = json.loads(told.stdout)
    return found


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT)}
