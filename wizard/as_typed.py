"""The interpreter and paths as a person types them in the folder where the wizard was started.

Pure but for the process's own folder and PATH.
"""

from __future__ import annotations

import os
import shutil
import sys


def python() -> str:
    """How this interpreter is called from here: `python` where that is it, else by its path."""
    return "python" if shutil.which("python") == sys.executable else near(sys.executable)


def near(path: str) -> str:
    """A path relative to this folder, for what is in it; else as it is."""
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative
