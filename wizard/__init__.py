"""The wizard: sets up the key for PHI, then keeps it: checks, reviews, rotations.

Touches nothing itself.
"""

from components import installation

# Before the first module that a Python which is too old cannot even read.
installation.require_version("wizard")

from functools import cache
from pathlib import Path

PROJECT_FOLDER = Path(installation.PROJECT)
"""The folder of Pulumi.yaml, where the stacks' settings, reviews and reports are kept."""
SOURCE_FOLDER = Path(installation.SOURCE)
"""The folder of this program: its packages and examples. A checkout is its own project."""
SCHEMA_FOLDER = SOURCE_FOLDER / "wizard" / "schemas"
"""The JSON Schemas of the `--json` documents and of the answers file."""
version = cache(installation.version)
"""The version of this program, as pyproject.toml has it."""

__all__ = ["PROJECT_FOLDER", "SOURCE_FOLDER", "version"]
