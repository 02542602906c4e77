"""The folders of the project and of this program, and its version.

Reads `pyproject.toml`.
"""

from functools import cache
from pathlib import Path

import installation

PROJECT_FOLDER = Path(installation.PROJECT)
"""The folder of Pulumi.yaml, where the stacks' settings, reviews and reports are kept."""
SOURCE_FOLDER = Path(installation.SOURCE)
"""The folder of this program: its packages, schemas and examples. A checkout is its own project."""


version = cache(installation.version)
"""The version of this program, as pyproject.toml has it."""
