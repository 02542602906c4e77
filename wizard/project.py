"""The folder of the project, and its version.

Reads `pyproject.toml`.
"""

from functools import cache
from pathlib import Path

PROJECT_FOLDER = Path(__file__).resolve().parent.parent
"""The folder of Pulumi.yaml, where the stacks' settings, reviews and reports are kept."""


@cache
def version() -> str:
    """The version of the project, as pyproject.toml has it."""
    import tomllib

    return str(tomllib.loads((PROJECT_FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
