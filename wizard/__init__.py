"""The wizard: sets up the key for PHI, then keeps it: checks, reviews, rotations.

Touches nothing itself.
"""

import installation

# Before the first module that a Python which is too old cannot even read.
installation.require_version("wizard")

from wizard.project import PROJECT_FOLDER, SOURCE_FOLDER, version

__all__ = ["PROJECT_FOLDER", "SOURCE_FOLDER", "version"]
