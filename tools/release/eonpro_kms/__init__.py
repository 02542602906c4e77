"""eonpro-kms as a wheel: the packages of the repository, under one name in site-packages.

Puts its own folder first on the module search path, so that they import each other by the names of the repository.
"""

import sys
from pathlib import Path

_FOLDER = str(Path(__file__).parent)
if _FOLDER not in sys.path:
    sys.path.insert(0, _FOLDER)
