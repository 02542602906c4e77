"""The part `phi`: its fields and keys, in the environment of the tool `bench`; and what `import eonpro_phi` loads.

Touches the processes it starts and times.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

from tools.bench.rows import Measured, counted
from tools.bootstrap.places import PROJECT, tool

UNWANTED = ("boto3", "botocore", "pulumi", "psycopg", "django", "sqlalchemy")
"""Modules that the import must not load: botocore, this project's other packages, the adapters' libraries."""

_LOADED = (
    f"import sys; import eonpro_phi; import json; print(json.dumps([m for m in {UNWANTED!r} if m in sys.modules]))"
)


def import_rows(_: int) -> Iterator[Measured]:
    """The loaded modules."""
    loaded = json.loads(_run_python(_LOADED))
    yield counted(
        f"`import eonpro_phi`: of {', '.join(UNWANTED)} it loads", len(loaded), at_most=0, note=", ".join(loaded)
    )


def _run_python(program: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout


def field_rows(rounds: int) -> Iterator[Measured]:
    """Yields each row when it is measured; rounds are short, so there are many."""
    command = [str(tool("bench")), "-m", "tools.bench.fields", "--rounds", str(60 * rounds)]
    with subprocess.Popen(command, cwd=PROJECT, env=_environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield Measured.from_document(json.loads(line))
    if process.returncode:
        raise SystemExit(f"the rows of fields ended with {process.returncode}")


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "packages" / "phi")])}
