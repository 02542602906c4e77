"""The module `phi`, as this package was called before 1.0: the same modules under their former names, and one warning.

A single file, installed as `phi.py`: a package `phi` of another distribution in the same environment comes before it,
and no file of either overwrites one of the other. Touches the import system of this process.
"""

from __future__ import annotations

import importlib
import runpy
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

FORMER, NAME = "phi", "eonpro_phi"


class _SameModule(MetaPathFinder, Loader):
    """Answers an import of `phi.x` with the module `eonpro_phi.x` itself: a class exists once."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name.startswith(f"{FORMER}.") else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(NAME + spec.name.removeprefix(FORMER))
        # What the import system is about to write into the module belongs to its real name.
        spec.loader_state = {name: getattr(module, name) for name in ("__spec__", "__loader__", "__package__")}
        return module

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        vars(module).update(module.__spec__.loader_state)


warnings.warn("the module phi is called eonpro_phi; the former name ends with the next version", FutureWarning, 2)
sys.meta_path.insert(0, _SameModule())
sys.modules[FORMER] = importlib.import_module(NAME)

if __name__ == "__main__":
    runpy.run_module(NAME, run_name="__main__", alter_sys=True)
