"""The part `phi`: its fields and keys, measured in the environment of the tool `bench`; and the cost of `import phi`.

Touches the processes it starts and times.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

from tools.bench.rows import Bound, Measured, compared
from tools.bootstrap.places import PROJECT, tool

UNWANTED = ("boto3", "botocore", "pulumi", "psycopg", "django", "sqlalchemy", "pyspark")
"""Modules that the import must not load: botocore, this project's other packages, the adapters' libraries."""

_LOADED = f"import sys; import phi; import json; print(json.dumps([m for m in {UNWANTED!r} if m in sys.modules]))"
_OURS = "import phi"
_THEIRS = "import cryptography.hazmat.primitives.ciphers.aead, pybase64"


def import_rows(rounds: int) -> Iterator[Measured]:
    """The loaded modules, and the time compared with the two libraries that it needs."""
    loaded = json.loads(_run_python(_LOADED))
    yield Measured(
        name=f"`import phi`: of {', '.join(UNWANTED)} it loads",
        unit="",
        ours=None,
        theirs=None,
        ratio=len(loaded),
        control=None,
        bound=Bound(at_most=0),
        note=", ".join(loaded),
    )
    for program in (_OURS, _THEIRS):
        _milliseconds(program)
    sides = [(_milliseconds(_OURS), _milliseconds(_THEIRS), _milliseconds(_THEIRS)) for _ in range(rounds)]
    ours, theirs, control = zip(*sides, strict=True)
    yield compared(
        "python -c 'import phi' / the same with cryptography's AEAD and pybase64 alone",
        ours=ours,
        theirs=theirs,
        control=control,
        bound=Bound(),
        unit="ms",
    )


def _milliseconds(program: str) -> float:
    started = time.perf_counter()
    _run_python(program)
    return (time.perf_counter() - started) * 1000


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


def versions() -> Mapping[str, str]:
    """The versions of the compared libraries in that environment, and of the OpenSSL of cryptography."""
    command = [str(tool("bench")), "-m", "tools.bench.fields", "--versions"]
    done = subprocess.run(command, cwd=PROJECT, env=_environment(), stdout=subprocess.PIPE, text=True, check=True)
    installed: dict[str, str] = json.loads(done.stdout)
    return installed


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT)}
